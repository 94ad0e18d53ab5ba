/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lock.h"
#include "lockdown.h"
#include "log.h"
#include "text.h"
#include "cmd_foreign.h"
#include "cmd_frontend.h"
#include "cmd_trial.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int next_option(const struct context *c, int argc, char **argv, const char *letters,
		const struct option *options)
{
	int o;

	opterr = 0;
	o = getopt_long(argc, argv, letters, options, NULL);
	if (o == '?')
		usage_error(c, "unknown option or missing value: '%s'", argv[optind - 1]);
	return o;
}

int type_option(const struct context *c, const char *name, int *type)
{
	*type = text_kind_named(name);
	if (*type >= 0)
		return EXIT_DONE;
	return usage_error(c, "'--type %s' is none of ipset, iptables, ip6tables, nft", name);
}

int context_lock(struct context *c)
{
	cleanup_free char *holder = NULL;
	int r = lock_take_root(c->opt.root, c->config.lock_wait, &holder);

	if (r == -EAGAIN) {
		log_error("another fwsnap is at work (%s) and did not end within %u seconds",
			  holder && *holder ? holder : "unknown", c->config.lock_wait);
		return -EBUSY;
	}
	if (r < 0)
		return log_errno(r, "cannot take the lock '%s/run/fwsnap/lock'", c->opt.root);
	c->lock = r;
	return 0;
}

void context_unlock(struct context *c)
{
	close_p(&c->lock);
	c->lock = -1;
}

struct guard context_guard(struct context *c)
{
	return (struct guard){.root = c->opt.root,
			      .store = c->store.dir ? &c->store : NULL,
			      .lock_wait = c->config.lock_wait,
			      .foreign = c->all ? "none" : c->config.foreign};
}

/* Its confirmation makes current what it has prepared in the history. */
static int refuse_elsewhere(const struct guard *guard)
{
	struct pending p = {0};
	bool found = guard_elsewhere(guard, &p);

	if (found) {
		cleanup_free char *text = pending_text(&p);

		log_error("a change of another network namespace with the same history is pending (%s)",
			  text);
	}
	pending_release(&p);
	return found ? EXIT_FAILED : EXIT_DONE;
}

int refuse_pending(struct context *c)
{
	const struct guard guard = context_guard(c);
	struct pending p = {0};
	int r = guard_pending(&guard, &p), status = exit_status(r);

	if (!r && pending_open(&p)) {
		cleanup_free char *text = pending_text(&p);

		log_error("a change is pending (%s): 'fwsnap confirm' keeps it, 'fwsnap rollback' undoes it",
			  text);
		status = EXIT_FAILED;
	}
	pending_release(&p);
	return status ? status : refuse_elsewhere(&guard);
}

void prune_history(struct context *c)
{
	if (c->store.dir && store_prune(&c->store, c->config.keep, c->config.keep_automatic, false,
					NULL, NULL) < 0)
		log_warning("old snapshots could not be removed");
}

bool have_store(const struct context *c)
{
	if (!c->store.dir)
		log_error("nothing was saved yet ('%s%s' is not there)", c->opt.root,
			  c->config.store);
	return c->store.dir;
}

/* Texts, in load order, become a ruleset by their own programs. */
static int load_texts(const struct buf texts[static TEXT_KINDS], char *const names[static TEXT_KINDS],
		      struct ruleset *rs)
{
	struct scratch scratch = SCRATCH_INIT;
	enum text_kind order[TEXT_KINDS];
	int r = scratch_open_here(&scratch);

	text_load_order(text_nft_first(&texts[TEXT_NFT]), order);
	for (size_t i = 0; i < TEXT_KINDS && !r; i++) {
		const struct buf *text = &texts[order[i]];

		if (text->len)
			r = text_load(&scratch, order[i], text_variant_of(text), text,
				      names[order[i]]);
	}
	if (!r)
		r = scratch_capture(&scratch, rs, true);
	scratch_close(&scratch);
	return r;
}

static void texts_free(struct buf texts[static TEXT_KINDS], char *names[static TEXT_KINDS])
{
	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		buf_release(&texts[kind]);
		free(names[kind]);
	}
}

static int text_ruleset(struct context *c, struct ruleset *rs)
{
	struct buf texts[TEXT_KINDS] = {{0}};
	char *names[TEXT_KINDS] = {NULL};
	int r = 0;

	for (int kind = 0; kind < TEXT_KINDS && !r; kind++) {
		if (!c->config.texts[kind])
			continue;
		names[kind] = str_printf("%s%s", c->opt.root, c->config.texts[kind]);
		r = file_read(names[kind], ARCHIVE_ENTRY_LIMIT, &texts[kind]);
		if (r == -ENOENT)
			r = 0;
		else if (r < 0)
			log_errno(r, "cannot read '%s'", names[kind]);
	}
	if (!r)
		r = load_texts(texts, names, rs);
	texts_free(texts, names);
	return r;
}

int snapshot_text_ruleset(struct context *c, unsigned id, struct ruleset *rs)
{
	struct buf texts[TEXT_KINDS] = {{0}};
	char *names[TEXT_KINDS] = {NULL};
	int r = 0;

	for (int kind = 0; kind < TEXT_KINDS && !r; kind++) {
		names[kind] = str_printf("%s of snapshot %u", text_formats[kind].part, id);
		r = store_part(&c->store, id, text_formats[kind].part, &texts[kind]);
		if (r == -ENOENT)
			r = 0;
	}
	if (!r)
		r = load_texts(texts, names, rs);
	texts_free(texts, names);
	return r;
}

static void take_ours(struct named *n, struct ours *ours, struct ruleset *all)
{
	n->manifest.rs = ours_detach(ours, all);
	n->foreign = ours->shares;
	ours->shares = (struct foreign_shares){0};
}

static int load_live(struct context *c, bool records, struct named *n)
{
	const struct capture capture = {.lock_wait = c->config.lock_wait};
	struct ruleset live = {0};
	struct ours ours = {0};
	int r;

	if (records) {
		r = engines_capture(&live, &capture);
		r = r ? r : ours_open(c, &live, &ours);
	} else {
		r = live_open(c, &live, &ours);
	}
	if (!r)
		take_ours(n, &ours, &live);
	ours_release(&ours);
	ruleset_release(&live);
	return r;
}

int named_cut(struct context *c, struct named *n)
{
	struct ruleset all = n->manifest.rs;
	struct ours ours;
	int r;

	n->manifest.rs = (struct ruleset){0};
	r = ours_open(c, &all, &ours);
	if (!r)
		take_ours(n, &ours, &all);
	ours_release(&ours);
	ruleset_release(&all);
	return r;
}

int named_load(struct context *c, const char *ref, bool records, struct named *n)
{
	int r;

	*n = (struct named){0};
	if (!strcmp(ref, "live") || !strcmp(ref, "text")) {
		n->label = str_dup(ref);
		return *ref == 'l' ? load_live(c, records, n) : text_ruleset(c, &n->manifest.rs);
	}
	if (!have_store(c))
		return -ENOENT;
	r = store_resolve(&c->store, ref, &n->id);
	if (r < 0)
		return r;
	n->label = str_printf("snapshot %u", n->id);
	if (!records)
		return store_manifest(&c->store, n->id, &n->manifest);
	r = store_load(&c->store, n->id, &n->manifest);
	return r < 0 || !of_this_machine(&n->manifest) ? r : engines_digest(&n->manifest.rs, n->label);
}

int named_load_here(struct context *c, const char *ref, struct named *n)
{
	struct ruleset rs = {0};
	int r = named_load(c, ref, true, n);

	if (r || of_this_machine(&n->manifest))
		return r;
	log_note("%s was made on %s: its text is used", n->label, n->manifest.machine);
	r = snapshot_text_ruleset(c, n->id, &rs);
	if (!r) {
		ruleset_release(&n->manifest.rs);
		n->manifest.rs = rs;
	}
	return r;
}

void named_release(struct named *n)
{
	free(n->label);
	foreign_shares_release(&n->foreign);
	manifest_release(&n->manifest);
	*n = (struct named){0};
}

static char *user_text(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *sudo = getenv("SUDO_USER");
	cleanup_free char *user = pw ? str_dup(pw->pw_name) : str_printf("%u", getuid());

	return sudo && *sudo ? str_printf("%s (as %s)", sudo, user) : str_dup(user);
}

/* The terminal and where its user sits, or the service that called. NULL if unknown. */
static char *from_text(void)
{
	const char *tty = ttyname(STDIN_FILENO), *ssh = getenv("SSH_CONNECTION");
	const char *terminal = tty && !strncmp(tty, "/dev/", 5) ? tty + 5 : tty;

	if (ssh && *ssh)
		return str_printf("%s%s%.*s", terminal ? terminal : "", terminal ? " " : "",
				  (int)strcspn(ssh, " "), ssh);
	if (terminal)
		return str_dup(terminal);
	return getenv("INVOCATION_ID") ? str_dup("service") : NULL;
}

void story_fill(struct manifest *m, const char *message)
{
	struct utsname u;

	uname(&u);
	m->created = time(NULL);
	m->host = str_dup(u.nodename);
	m->kernel = str_dup(u.release);
	m->machine = str_dup(u.machine);
	m->user = user_text();
	m->from = from_text();
	m->message = message ? str_dup(message) : NULL;
}

const char *time_text(int64_t seconds)
{
	static char text[32];
	time_t t = seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(text, "?");
	return text;
}

/* Whether some snapshot holds the like of rs: 1 or 0, or -errno. Damaged ones do not. */
static int is_stored(struct context *c, const struct ruleset *rs, const struct frontends *f)
{
	cleanup_free unsigned *ids = NULL;
	struct digest wanted = ruleset_digest(rs);
	size_t n = 0;
	int r = store_ids(&c->store, &ids, &n), found = 0;

	while (!r && n-- > 0 && !found) {
		struct manifest m = {0};

		if (!store_manifest(&c->store, ids[n], &m))
			found = digest_equal(ruleset_digest(&m.rs), wanted) &&
				(!f->n || frontends_equal(f, &m.frontends));
		manifest_release(&m);
	}
	return r < 0 ? r : found;
}

int add_records(struct snapshot_new *n, const struct ruleset *rs)
{
	int r = 0;

	for (size_t i = 0; i < rs->ntables; i++) {
		const struct buf *b = &rs->tables[i].records;

		for (size_t at = 0; at < b->len && !r; at += CAPTURE_PIECE)
			r = snapshot_add_records(n, &rs->tables[i], b->data + at,
						 b->len - at < CAPTURE_PIECE ? b->len - at
									     : CAPTURE_PIECE);
	}
	return r;
}

static int keep(struct context *c, struct ruleset *rs, const struct foreign_shares *foreign)
{
	struct snapshot_new n = {0};
	struct digest nothing = ruleset_digest(&(struct ruleset){0});
	const struct frontends *f;
	int r = context_frontends(c, &f);

	if (!r)
		r = lockdown_is(rs) ? 1 : is_stored(c, rs, f);
	if (r || (!f->n && digest_equal(ruleset_digest(rs), nothing)))
		return r < 0 ? r : 0;
	r = snapshot_new_open(&n, &c->store);
	if (!r)
		r = add_records(&n, rs);
	if (!r)
		r = add_frontends(&n, f);
	if (r) {
		snapshot_new_cancel(&n);
		return r;
	}
	story_fill(&n.manifest, "unsaved rules, before a change");
	n.manifest.automatic = true;
	manifest_note_foreign(&n.manifest, foreign);
	ruleset_outline(rs, &n.manifest.rs);
	return store_commit(&n, NULL, 0, false);
}

int keep_live(struct context *c, struct ruleset *rs)
{
	struct ours ours;
	int r = ours_open(c, rs, &ours);

	if (!r)
		r = keep(c, ours.rs, &ours.shares);
	ours_release(&ours);
	return r;
}
