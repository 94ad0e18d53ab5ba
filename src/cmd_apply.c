/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "difference.h"
#include "log.h"
#include "rehearse.h"
#include "cmd_frontend.h"
#include "cmd_saving.h"
#include "cmd_trial.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A change that is tried in the scratch first: by files, or by a command. */
struct applying {
	struct context *c;
	struct trial trial;
	struct saving saving; /* of what is ours of what the rules become */
	struct rehearsal rehearsal;
	struct ruleset live;
	struct grafted grafted; /* what live is to become */
	struct ruleset reached; /* what others made of it in our place */
	struct rehearse_file *files;
	size_t nfiles;
	struct strlist test_files; /* names of those, if none was given */
	char **command; /* NULL-terminated; NULL: files */
	const char *message;
	int type; /* of enum text_kind, -1: to be guessed */
	bool dry_run, allow_empty;
	bool in_live; /* no rehearsal: it is done for real, behind the guard */
	char *what;
};

static int parse(struct applying *a, int argc, char **argv, const struct option *options)
{
	int o, r = EXIT_DONE;

	while (!r && (o = next_option(a->c, argc, argv, "+m:", options)) != -1) {
		switch (o) {
		case 'm':
			a->message = optarg;
			break;
		case 'n':
			a->dry_run = true;
			break;
		case 'T':
			r = type_option(a->c, optarg, &a->type);
			break;
		case 'e':
			a->allow_empty = true;
			break;
		case 'l':
			a->in_live = true;
			break;
		case 'A':
			a->c->all = true;
			break;
		default:
			r = trial_option(&a->trial, o, optarg);
			if (r < 0)
				r = EXIT_USAGE;
		}
	}
	return r;
}

/* "3 minutes ago", of a file that was last written then. */
static char *age_text(time_t written)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
	int64_t age = time(NULL) - written;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (age >= units[i].seconds) {
			unsigned n = (unsigned)(age / units[i].seconds);

			return str_printf("%u %s%s ago", n, units[i].name, plural(n));
		}
	return str_dup("just now");
}

static int add_file(struct applying *a, const char *name)
{
	struct rehearse_file file = {0};
	int r = rehearse_read(name, a->type, &file);

	if (r < 0)
		return r;
	*(struct rehearse_file *)array_grow(&a->files, &a->nfiles, sizeof(file)) = file;
	return 0;
}

/* Without arguments: the test files that are there. */
static int add_test_files(struct applying *a)
{
	static const char *const names[TEXT_KINDS] = {
		[TEXT_IPSET] = "ipset", [TEXT_IPTABLES] = "iptables", [TEXT_IP6TABLES] = "ip6tables",
		[TEXT_NFT] = "nftables"};
	int r = 0;

	for (int kind = 0; kind < TEXT_KINDS && !r; kind++) {
		cleanup_free char *name = str_printf("%s" SYSCONFDIR "/%s.test.rules", a->c->opt.root, names[kind]);
		cleanup_free char *age = NULL;
		struct stat st;

		if (stat(name, &st))
			continue;
		age = age_text(st.st_mtime);
		log_note("trying '%s', written %s", name, age);
		a->type = kind;
		strlist_add(&a->test_files, name);
		r = add_file(a, a->test_files.s[a->test_files.n - 1]);
	}
	if (r || a->nfiles)
		return r;
	log_error("there is no '%s" SYSCONFDIR "/iptables.test.rules', nor one for ip6tables, nftables or ipset",
		  a->c->opt.root);
	return -ENOENT;
}

static int read_files(struct applying *a, char **names)
{
	int r = *names ? 0 : add_test_files(a);

	for (; *names && !r; names++)
		r = add_file(a, *names);
	return r;
}

/* Every prompt, record and hook has it. */
#define NAME_LIMIT 1000

static char *join(const char *first, const char *const *words)
{
	struct buf b = BUF_INIT;

	buf_add_str(&b, first);
	for (; words && *words && b.len <= NAME_LIMIT; words++) {
		buf_add_str(&b, " ");
		buf_add_visible(&b, *words, strlen(*words));
	}
	if (b.len > NAME_LIMIT) {
		b.len = NAME_LIMIT;
		/* no half of a UTF-8 character */
		while ((b.data[b.len] & 0xc0) == 0x80)
			b.len--;
		buf_add_str(&b, "...");
	}
	return buf_detach(&b);
}

static void name_change(struct applying *a)
{
	const char **names = NULL;
	size_t n = 0;

	for (size_t i = 0; i < a->nfiles; i++)
		*(const char **)array_grow(&names, &n, sizeof(*names)) = a->files[i].name;
	array_grow(&names, &n, sizeof(*names));
	a->what = a->command ? join(a->in_live ? "run --live --" : "run --",
					  (const char *const *)a->command)
			     : join("apply", names);
	free(names);
	a->trial.what = a->what;
}

static int prepare_saving(void *arg)
{
	struct applying *a = arg;
	unsigned id;
	int r = ours_open(a->c, a->trial.change.target, &a->saving.ours);

	if (!r)
		r = add_records(&a->saving.snapshot, a->saving.ours.rs);
	if (!r)
		r = saving_make(&a->saving);
	if (!r && !a->saving.unchanged)
		r = saving_prepare(&a->saving, &id);
	if (!r)
		a->trial.kept = saving_report(&a->saving) ? EXIT_PARTIAL : a->grafted.status;
	return r;
}

static void start_over(struct applying *a)
{
	saving_release(&a->saving);
	rehearsal_release(&a->rehearsal);
	ruleset_release(&a->live);
	graft_release(&a->grafted);
	ruleset_release(&a->reached);
	trial_release(&a->trial);
	a->saving = (struct saving){.c = a->c, .message = a->message, .sources = a->files, .nsources = a->nfiles};
	a->rehearsal = (struct rehearsal){.live = &a->live,
					  .files = a->files,
					  .nfiles = a->nfiles,
					  .command = (const char *const *)a->command};
}

static int capture_live(struct applying *a)
{
	struct capture capture = {.lock_wait = a->c->config.lock_wait};
	int r;

	log_step("reading the rules");
	r = watch_open(&a->trial.change.watch);
	capture.watch = a->trial.change.watch;
	return r ? r : engines_capture(&a->live, &capture);
}

static int refuse_opened(const struct strlist *l)
{
	cleanup_buf struct buf names = BUF_INIT;

	if (!l->n)
		return 0;
	for (size_t i = 0; i < l->n; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", l->s[i]);
	log_error("this opens the host, nothing filters any more in: %s (--allow-empty does it all the same)",
		  buf_str(&names));
	return -EINVAL;
}

/* What the rehearsal found, for people. */
static int judge(const struct applying *a)
{
	const struct rehearsal *h = &a->rehearsal;
	int r = 0;

	for (size_t i = 0; i < h->resolved.n; i++)
		log_warning("resolved now, the rules keep the addresses: %s", h->resolved.s[i]);
	if (!a->allow_empty)
		r = refuse_opened(&h->opened);
	for (size_t i = 0; i < h->unmentioned.n && !r; i++)
		log_warning("%s goes, though no file mentions it", h->unmentioned.s[i]);
	return r;
}

static int rehearse_all(struct applying *a)
{
	int r = capture_live(a);

	log_step("rehearsing");
	if (!r)
		r = rehearse(&a->rehearsal);
	log_step(NULL);
	if (!r)
		r = graft_open(a->c, &a->live, &a->rehearsal.candidate, "the new rules", &a->grafted);
	if (!r)
		r = rehearse_compare(&a->rehearsal, a->grafted.rs);
	return r ? r : judge(a);
}

/* Whether the live rules are those of the version in force. */
static bool live_is_saved(struct applying *a)
{
	struct store *store = &a->c->store;
	struct manifest m = {0};
	unsigned id;
	struct ours ours = {0};
	bool saved = !store_current(store, &id) && id && !store_manifest(store, id, &m) &&
		     !ours_open(a->c, &a->live, &ours) && is_saved_as(a->c, ours.rs, &m);

	ours_release(&ours);
	manifest_release(&m);
	return saved;
}

/* What runs already needs no confirmation; who asked for none wants it saved, too. */
static bool changes_nothing(struct applying *a)
{
	bool saved = live_is_saved(a);

	log_note("this changes nothing: the live rules are so already%s",
		 saved			  ? ""
		 : a->trial.no_confirm ? ", but not saved"
					  : "; 'fwsnap save' keeps them");
	return saved || !a->trial.no_confirm;
}

/* Rehearse, show, change. An exit status, or -ESTALE. */
static int attempt(struct applying *a)
{
	int r;

	start_over(a);
	r = rehearse_all(a);
	if (r < 0)
		return exit_status(r);
	r = print_difference(a->c, &a->live, "live", a->grafted.rs, "the new rules", false, NULL);
	if (a->dry_run || (r != EXIT_DONE && r != EXIT_DIFFERS))
		return r;
	if (r == EXIT_DONE && changes_nothing(a))
		return EXIT_DONE;
	a->trial.change.live = &a->live;
	a->trial.change.target = a->grafted.rs;
	a->trial.change.foreign = context_foreign(a->c);
	a->trial.change.lock_wait = a->c->config.lock_wait;
	a->trial.touched = &a->rehearsal.touched;
	a->trial.prepare = prepare_saving;
	a->trial.arg = a;
	r = snapshot_new_open(&a->saving.snapshot, &a->c->store);
	return r < 0 ? exit_status(r) : trial_run(&a->trial);
}

static int run_attempts(struct applying *a)
{
	int r = -ESTALE;

	for (unsigned i = 0; i < TRIAL_TRIES && r == -ESTALE; i++) {
		if (i)
			log_note("the rules were changed meanwhile: rehearsing again");
		r = attempt(a);
	}
	return r == -ESTALE ? trial_give_up(&a->trial) : r;
}

/* What a front-end reads comes back with it. */
static void drop_touched(struct applying *a)
{
	struct strlist *touched = &a->rehearsal.touched, rest = {NULL, 0};

	for (size_t i = 0; i < touched->n; i++)
		if (!a->trial.frontends || !frontends_own(&a->c->foreign, a->trial.frontends, touched->s[i]))
			strlist_add(&rest, touched->s[i]);
	strlist_release(touched);
	*touched = rest;
}

/* What the guard stands behind: a command, or the files as they are; then a look at what came of it. */
static int act(void *arg)
{
	struct applying *a = arg;
	const struct capture capture = {.lock_wait = a->c->config.lock_wait};
	int r = rehearse_live(&a->rehearsal);

	drop_touched(a);
	if (!r)
		r = engines_capture(&a->reached, &capture);
	return r;
}

static int prepare_live(void *arg)
{
	struct applying *a = arg;
	int r = print_difference(a->c, &a->live, "live", &a->reached, "the new rules", false, NULL);
	bool same = r == EXIT_DONE;

	r = same || r == EXIT_DIFFERS ? prepare_saving(a) : -ECANCELED;
	if (!r && same && a->trial.frontends)
		note_permanent_only(a->c, a->trial.frontends, &a->saving.frontends);
	return r;
}

/* What a command may do to front-ends is found out only afterwards: their way back has to be there. */
static int look_at_frontends(struct applying *a)
{
	const struct frontends *now;
	int r;

	foreign_look(&a->c->foreign, &a->live);
	r = context_frontends_all(a->c, &now);
	a->trial.frontends = now->n ? now : NULL;
	return r;
}

static int change_live(struct applying *a)
{
	int r;

	start_over(a);
	r = snapshot_new_open(&a->saving.snapshot, &a->c->store);
	if (!r)
		r = capture_live(a);
	if (!r)
		r = look_at_frontends(a);
	log_step(NULL);
	a->trial.change.live = &a->live;
	a->trial.change.target = &a->reached;
	a->trial.change.foreign = context_foreign(a->c);
	a->trial.change.lock_wait = a->c->config.lock_wait;
	a->trial.touched = &a->rehearsal.touched;
	a->trial.act = act;
	a->trial.prepare = prepare_live;
	a->trial.arg = a;
	return r ? exit_status(r) : trial_run(&a->trial);
}

static void release(struct applying *a)
{
	saving_release(&a->saving);
	rehearsal_release(&a->rehearsal);
	ruleset_release(&a->live);
	graft_release(&a->grafted);
	ruleset_release(&a->reached);
	trial_release(&a->trial);
	for (size_t i = 0; i < a->nfiles; i++)
		rehearse_file_release(&a->files[i]);
	free(a->files);
	strlist_release(&a->test_files);
	free(a->what);
}

int cmd_apply(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {
		{"message", required_argument, NULL, 'm'}, {"dry-run", no_argument, NULL, 'n'},
		{"type", required_argument, NULL, 'T'},	   {"allow-empty", no_argument, NULL, 'e'},
		{"no-rehearsal", no_argument, NULL, 'l'},  {"all", no_argument, NULL, 'A'},
		TRIAL_OPTIONS,
		{NULL, 0, NULL, 0},
	};
	struct applying a = {.c = c, .trial.c = c, .type = -1};
	int r = parse(&a, argc, argv, options);

	if (!r && a.in_live && a.dry_run)
		r = usage_error(c, "--no-rehearsal and --dry-run exclude each other");
	if (!r && !a.dry_run)
		r = trial_begin(&a.trial, false);
	if (!r)
		r = exit_status(read_files(&a, argv + optind));
	if (!r) {
		name_change(&a);
		r = a.in_live ? change_live(&a) : run_attempts(&a);
	}
	release(&a);
	return r;
}

/* In the scratch it would change its configuration for real, and its rules, which are its own, not at all. */
static int refuse_frontend(const struct context *c, const char *program)
{
	const char *title = c->all ? NULL : frontend_of_program(&c->foreign, program);

	if (!title)
		return EXIT_DONE;
	log_error("%s has a configuration of its own: 'fwsnap run --live -- %s ...' changes and undoes both", title,
		  program);
	return EXIT_FAILED;
}

int cmd_run(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {
		{"message", required_argument, NULL, 'm'}, {"dry-run", no_argument, NULL, 'n'},
		{"allow-empty", no_argument, NULL, 'e'},   {"live", no_argument, NULL, 'l'},
		{"all", no_argument, NULL, 'A'},
		TRIAL_OPTIONS,				   {NULL, 0, NULL, 0},
	};
	struct applying a = {.c = c, .trial.c = c, .type = -1};
	int r = parse(&a, argc, argv, options);

	if (!r && optind == argc)
		r = usage_error(c, "no command");
	if (!r && a.in_live && a.dry_run)
		r = usage_error(c, "--live has no --dry-run");
	if (!r && !a.in_live)
		r = refuse_frontend(c, argv[optind]);
	if (!r && !a.dry_run)
		r = trial_begin(&a.trial, false);
	if (!r) {
		a.command = argv + optind;
		name_change(&a);
		r = a.in_live ? change_live(&a) : run_attempts(&a);
	}
	release(&a);
	return r;
}
