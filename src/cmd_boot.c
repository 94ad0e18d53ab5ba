/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot.h"
#include "cmd_foreign.h"
#include "guard_tell.h"
#include "hooks.h"
#include "log.h"
#include "restorer.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Seconds; of several hooks at once all but one wait for that one. */
#define LOCK_WAIT 60
/* Lines that are kept of what was said. */
#define REASONS 50

struct booting {
	struct context *c;
	bool again, link;
	bool more; /* an interface came that was missed before: */
	struct digest ruleset; /* if that is still what is live */
	struct boot boot;
};

/* What is said goes to stderr, and is kept: for status and the log. */
static struct strlist said;
/* -q: it goes there only if all is not well, and then all of it. */
static bool quiet;

static void listen_in(const char *line)
{
	cleanup_free char *text = str_dup(strncmp(line, "fwsnap: ", 8) ? line : line + 8);

	if (!quiet)
		fputs(line, stderr);
	text[strcspn(text, "\n")] = '\0';
	if (said.n < REASONS)
		strlist_add_once(&said, text);
}

static void begin_listening(void)
{
	enum log_level level = log_set_level(LOG_NOTE);

	quiet = level < LOG_NOTE;
	if (level > LOG_NOTE)
		log_set_level(level);
	log_set_sink(listen_in);
}

static int parse(struct booting *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"boot", no_argument, NULL, 'b'},
		{"again", no_argument, NULL, 'a'},
		{"link", no_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	int o;

	while ((o = next_option(s->c, argc, argv, "", options)) != -1) {
		if (o == 'a')
			s->again = true;
		else if (o == 'l')
			s->link = true;
		else if (o != 'b')
			return EXIT_USAGE;
	}
	return optind < argc ? usage_error(s->c, "unexpected argument '%s'", argv[optind]) : EXIT_DONE;
}

/* Whether another call did all there is to do in this boot. */
static bool is_done(struct booting *s)
{
	struct boot_record r = {0};
	bool done = !s->again && !boot_record_read(&r, s->c->opt.root) && boot_record_done(&r);

	s->more = done && boot_record_can_do_more(&r);
	s->ruleset = r.ruleset;
	done &= !s->more;
	boot_record_release(&r);
	if (done)
		log_detail("done already since the boot; --again does it again");
	return done;
}

/* Descriptions that are broken are named, and the others hold. */
static bool read_foreign(struct context *c)
{
	return !foreign_read(&c->foreign, c->opt.root, c->config.foreign);
}

/* What is wrong here must not leave the host open: the defaults are as good as any guess. */
static bool read_config(struct context *c)
{
	cleanup_free char *path = c->opt.config ? str_dup(c->opt.config)
						: str_printf("%s" SYSCONFDIR "/fwsnap/fwsnap.conf", c->opt.root);

	if (!config_read(&c->config, path, c->opt.config != NULL))
		return read_foreign(c);
	log_warning("'%s' cannot be used: the defaults hold", path);
	(void)!config_read(&c->config, "", false);
	(void)!read_foreign(c);
	return false;
}

/* False: whoever has the lock did what there was to do. */
static bool take_lock(struct booting *s)
{
	struct context *c = s->c;
	unsigned wait = c->config.lock_wait;
	int r;

	if (c->config.lock_wait < LOCK_WAIT)
		c->config.lock_wait = LOCK_WAIT;
	r = context_lock(c);
	c->config.lock_wait = wait;
	if (is_done(s))
		return false;
	if (r)
		log_warning("it is done without the lock");
	return true;
}

/* What a crash left; whatever fails here, the ladder has to be climbed. */
static void open_store(struct booting *s)
{
	struct context *c = s->c;
	int r = store_open(&c->store, c->config.store, c->opt.root, false);
	struct guard guard;

	if (!r && store_recover(&c->store) < 0)
		log_warning("what an interrupted save left is passed over");
	guard = context_guard(c);
	if (change_hold_remove() < 0 || guard_recover(&guard) < 0)
		log_warning("what an interrupted change left is passed over");
	s->boot.store = c->store.dir ? &c->store : NULL;
}

/* A change of this boot that waits for its answer is in force, and has a guard. */
static bool is_pending(struct context *c)
{
	const struct guard guard = context_guard(c);
	struct pending p = {0};
	bool open = !guard_pending(&guard, &p) && pending_open(&p);

	if (open)
		log_note("a change is pending: it stays as it is");
	pending_release(&p);
	return open;
}

/* Whoever changed the rules since the boot meant it. */
static bool was_changed(struct booting *s)
{
	struct ruleset now = {0};
	struct ours ours = {0};
	bool changed = s->more && (live_open(s->c, &now, &ours) ||
				   !digest_equal(ruleset_digest(ours.rs), s->ruleset));

	ours_release(&ours);
	ruleset_release(&now);
	return changed;
}

static int keep(void *arg, struct ruleset *live)
{
	struct booting *s = arg;
	struct context *c = s->c;

	return c->store.dir && !s->more ? keep_live(c, live) : 0;
}

/* Every rung below the first goes to the log, where stderr does not lead there already. */
static void tell_log(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (getenv("JOURNAL_STREAM"))
		return;
	for (size_t i = 0; i < said.n; i++)
		buf_printf(&text, "%s\n", said.s[i]);
	guard_tell_log(buf_str(&text));
}

static void tell_stderr(void)
{
	for (size_t i = 0; i < said.n && quiet; i++)
		fprintf(stderr, "fwsnap: %s\n", said.s[i]);
	quiet = false;
}

static void record(struct booting *s)
{
	struct boot_record *r = &s->boot.record;
	int e;

	if (r->lower || r->rung == BOOT_FAILED) {
		tell_stderr();
		tell_log();
		r->reasons = said;
		said = (struct strlist){NULL, 0};
	}
	quiet = false;
	e = boot_record_write(r, s->c->opt.root);
	if (e)
		log_errno(e, "cannot write how the boot went below '%s/run/fwsnap'", s->c->opt.root);
}

/* Nobody waits for a hook. */
static void run_hooks(struct booting *s)
{
	const struct hook hook = {s->c->opt.root, HOOK_BOOT, "restore --boot",
				  boot_rungs[s->boot.record.rung]};

	context_unlock(s->c);
	if (s->boot.record.rung != BOOT_NOTHING)
		hooks_run(&hook);
}

/*
 * Outcomes: what was saved is in force, or nothing was saved (0); something else of ours is, named (8); nothing of
 * ours is, the firewall is as it was (1).
 */
static int climb(struct booting *s, bool configured)
{
	struct boot *b = &s->boot;

	b->root = s->c->opt.root;
	b->config = &s->c->config;
	b->keep = keep;
	b->arg = s;
	b->foreign = &s->c->foreign;
	b->record.lower = !configured;
	boot_climb(b);
	if (boot_record_done(&b->record))
		restorers_warn(b->root);
	record(s);
	run_hooks(s);
	if (b->record.rung == BOOT_FAILED)
		return EXIT_FAILED;
	return b->record.lower ? EXIT_PARTIAL : EXIT_DONE;
}

bool may_save_on_stop(struct context *c)
{
	struct boot_record r = {0};
	bool may = c->config.save_on_stop;

	if (may && !boot_record_read(&r, c->opt.root) && (r.lower || r.rung == BOOT_FAILED)) {
		log_warning("nothing is saved at this stop: less than what was saved was in force since the boot");
		may = false;
	}
	boot_record_release(&r);
	return may;
}

int cmd_boot(struct context *c, int argc, char **argv)
{
	struct booting s = {.c = c};
	int status = parse(&s, argc, argv);
	bool configured;

	if (status)
		return status;
	log_set_state(NULL);
	begin_listening();
	configured = read_config(c);
	if (!is_done(&s) && take_lock(&s)) {
		open_store(&s);
		if (!is_pending(c) && !was_changed(&s))
			status = climb(&s, configured);
	}
	log_set_sink(NULL);
	strlist_release(&said);
	boot_record_release(&s.boot.record);
	return status == EXIT_FAILED && s.link && !c->config.ifupdown_block ? EXIT_DONE : status;
}
