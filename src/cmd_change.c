/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hooks.h"
#include "log.h"
#include "text.h"
#include "cmd_foreign.h"
#include "cmd_frontend.h"
#include "cmd_trial.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct restoring {
	struct context *c;
	struct trial trial;
	const char *ref;
	bool dry_run;
	struct named target;
	unsigned current; /* before; 0: none, or the target is no snapshot */
	struct store_text texts[TEXT_KINDS]; /* of the target, if it becomes the current one */
	struct buf contents[TEXT_KINDS];
	size_t ntexts;
	struct ruleset live;
	struct grafted grafted; /* what live is to become */
	int frontends_status;       /* EXIT_PARTIAL: not all of that could be done (logged) */
	char *what;
};

#define RESTORE_OPTIONS {"all", no_argument, NULL, 'a'}, {"dry-run", no_argument, NULL, 'n'}

static int parse(struct restoring *s, int argc, char **argv, const struct option *options)
{
	int o;

	while ((o = next_option(s->c, argc, argv, "", options)) != -1) {
		if (o == 'a')
			s->c->all = true;
		else if (o == 'n')
			s->dry_run = true;
		else if (trial_option(&s->trial, o, optarg))
			return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int parse_ref(struct restoring *s, int argc, char **argv)
{
	s->ref = optind < argc ? argv[optind++] : "@";
	if (optind < argc)
		return usage_error(s->c, "unexpected argument '%s'", argv[optind]);
	if (!strcmp(s->ref, "live"))
		return usage_error(s->c, "the live rules cannot be restored over themselves");
	return EXIT_DONE;
}

/* The exact parts are the kernel's own structures: another machine type has others. */
static int use_text(struct restoring *s)
{
	struct ruleset rs = {0};
	int r = snapshot_text_ruleset(s->c, s->target.id, &rs);

	if (!r) {
		ruleset_release(&s->target.manifest.rs);
		s->target.manifest.rs = rs;
	}
	return r;
}

/* What the version that becomes current has for a text path. */
static int text_of(struct restoring *s, enum text_kind kind, struct store_text *t, struct buf *content)
{
	const struct manifest_text *was = manifest_text(&s->target.manifest, t->path);
	int r;

	t->content = content;
	t->state = was ? was->state : TEXT_WRITTEN;
	if (t->state != TEXT_WRITTEN)
		return 0;
	r = store_part(&s->c->store, s->target.id, text_formats[kind].part, content);
	if (r == -ENOENT) {
		t->state = TEXT_ABSENT;
		r = 0;
	}
	return r;
}

/* All that make_current needs, read before the change: what is damaged has to stop it here. */
static int load_texts(struct restoring *s)
{
	int r = store_current(&s->c->store, &s->current);

	for (int kind = 0; kind < TEXT_KINDS && !r && s->current != s->target.id; kind++) {
		struct store_text *t = &s->texts[s->ntexts];

		if (!s->c->config.texts[kind])
			continue;
		t->path = s->c->config.texts[kind];
		r = text_of(s, kind, t, &s->contents[kind]);
		s->ntexts++;
	}
	return r;
}

static int load_target(struct restoring *s)
{
	int r = named_load(s->c, s->ref, true, &s->target);

	if (!r && s->target.id)
		r = load_texts(s);
	if (!r && !of_this_machine(&s->target.manifest)) {
		log_note("%s was made on %s: its text is used", s->target.label,
			 s->target.manifest.machine);
		r = use_text(s);
	}
	return r;
}

static void tell_target(const struct restoring *s, const char *verb)
{
	const struct manifest *m = &s->target.manifest;
	cleanup_free char *message = str_visible(m->message);

	if (s->target.id)
		log_note("%s %s of %s%s%s", verb, s->target.label, time_text(m->created),
			 *message ? ": " : "", message);
}

/* The live rules, and what they are to become. */
static int capture_live(struct restoring *s)
{
	struct capture capture = {.lock_wait = s->c->config.lock_wait};
	struct change *c = &s->trial.change;
	int r;

	watch_close(c->watch);
	change_release(c);
	ruleset_release(&s->live);
	*c = (struct change){.live = &s->live, .lock_wait = s->c->config.lock_wait};
	r = watch_open(&c->watch);
	capture.watch = c->watch;
	return r ? r : engines_capture(&s->live, &capture);
}

static int graft(struct restoring *s)
{
	int r;

	graft_release(&s->grafted);
	r = graft_open(s->c, &s->live, &s->target.manifest.rs, s->target.label, &s->grafted);
	s->trial.change.target = s->grafted.rs;
	s->trial.change.foreign = context_foreign(s->c);
	s->trial.kept = s->grafted.status;
	return r;
}

/* Law: a live ruleset that no snapshot holds is stored before a change destroys it. */
static enum change_result change(struct restoring *s)
{
	if (!ruleset_equal(&s->live, s->grafted.rs) && keep_live(s->c, &s->live))
		return CHANGE_REFUSED;
	log_step("changing the rules");
	return change_run(&s->trial.change);
}

/* The text files follow, or the next boot would load those of the version left. */
static int make_current(struct restoring *s)
{
	int r = s->current == s->target.id
			? 0
			: store_switch(&s->c->store, s->target.id, s->texts, s->ntexts);

	return !r && s->target.id ? store_mark(&s->c->store, s->target.id, false) : r;
}

static void note_missing_texts(const struct restoring *s)
{
	if (s->target.manifest.automatic)
		log_note("it was an automatic snapshot: 'fwsnap save' writes its text files");
}

/*
 * Outcomes: done or nothing to do (0): live is the target, verified, and the target is
 * current; done, but it could not be made current (8); refused (1): live is as it was; undone
 * (5): a part failed and the old rules are back, verified; lost (6): they are not wholly back.
 */
static int finish(struct restoring *s, enum change_result result)
{
	switch (result) {
	case CHANGE_DONE:
	case CHANGE_NOTHING:
		log_set_state("the new rules are in force");
		if (make_current(s))
			return EXIT_PARTIAL;
		log_note(result == CHANGE_DONE ? "restored %s" : "the live rules are those of %s already",
			 s->target.label);
		note_missing_texts(s);
		warn_touched(s->c, &s->live, s->grafted.rs);
		return s->trial.kept;
	case CHANGE_STALE:
		return -ESTALE;
	case CHANGE_BUSY:
		return EXIT_DENIED;
	case CHANGE_UNDONE:
		log_note("%s was not restored: the old rules are back, verified", s->target.label);
		return EXIT_UNDONE;
	case CHANGE_LOST:
		return EXIT_LOST;
	default:
		return EXIT_FAILED;
	}
}

static int prepare_switch(void *arg)
{
	struct restoring *s = arg;

	if (!s->target.id || s->current == s->target.id)
		return 0;
	return store_prepare_switch(&s->c->store, s->target.id, s->texts, s->ntexts);
}

/* The rules are changed: what is foreign in them is the front-ends' own to change. */
static int settle(void *arg)
{
	struct restoring *s = arg;
	const struct frontend_change change = {.foreign = &s->c->foreign,
					       .root = s->c->opt.root,
					       .lock_wait = s->c->config.lock_wait,
					       .now = s->trial.frontends};
	int r = frontends_put(&change, &s->target.manifest.frontends);

	if (r == -EHOSTDOWN)
		s->trial.kept = EXIT_PARTIAL;
	return r == -EHOSTDOWN ? 0 : r;
}

/* Guarded, or at once; what executes programs is undone as a guarded change is. */
static int attempt(struct restoring *s)
{
	int r;

	if (s->trial.no_confirm && !s->trial.frontends)
		return finish(s, change(s));
	s->trial.guard = context_guard(s->c);
	if (!s->trial.within)
		s->trial.within = TRIAL_WITHIN;
	s->trial.settle = s->trial.frontends ? settle : NULL;
	if (!s->trial.no_confirm)
		tell_target(s, "restoring");
	s->trial.prepare = prepare_switch;
	s->trial.arg = s;
	r = trial_run(&s->trial);
	if (r == s->trial.kept && s->trial.no_confirm)
		log_note("restored %s", s->target.label);
	return r;
}

/* Leaves out what is not here. */
static void keep_known(struct restoring *s, const struct frontends *now)
{
	struct frontends *want = &s->target.manifest.frontends, known = {NULL, 0};

	for (size_t i = 0; i < want->n; i++) {
		const struct frontends one = {&want->state[i], 1};

		if (frontends_find(now, want->state[i].name)) {
			frontends_copy(&one, &known);
			continue;
		}
		log_warning("'%s' is not here: its configuration in %s is left out", want->state[i].name,
			    s->target.label);
		s->frontends_status = EXIT_PARTIAL;
	}
	frontends_release(want);
	*want = known;
}

/* Whether front-ends are to become others; after graft. */
static int look_at_frontends(struct restoring *s)
{
	struct frontends *want = &s->target.manifest.frontends;
	const struct frontends *now;
	int r;

	if (!want->n || s->c->all || s->trial.frontends)
		return 0;
	r = context_frontends_all(s->c, &now);
	if (r)
		return r;
	keep_known(s, now);
	if (!frontends_are(now, want))
		s->trial.frontends = now;
	return 0;
}

static int capture_all(struct restoring *s)
{
	int r = capture_live(s);

	if (!r)
		r = graft(s);
	if (!r)
		r = look_at_frontends(s);
	if (s->frontends_status)
		s->trial.kept = s->frontends_status;
	return r;
}

/* An exit status. */
static int restore(struct restoring *s)
{
	int r = -ESTALE;

	for (unsigned i = 0; i < TRIAL_TRIES && r == -ESTALE; i++) {
		r = capture_all(s);
		r = r ? exit_status(r) : attempt(s);
	}
	return r == -ESTALE ? trial_give_up(&s->trial) : r;
}

static int show(struct restoring *s)
{
	cleanup_strlist struct strlist lines = {NULL, 0};

	if (s->trial.frontends)
		frontends_differences(s->trial.frontends, &s->target.manifest.frontends, &lines);
	return print_difference(s->c, &s->live, "live", s->grafted.rs, s->target.label, false, &lines);
}

static int dry_run(struct restoring *s)
{
	int r = capture_all(s);

	return r ? exit_status(r) : show(s);
}

static void release(struct restoring *s)
{
	for (int kind = 0; kind < TEXT_KINDS; kind++)
		buf_release(&s->contents[kind]);
	trial_release(&s->trial);
	named_release(&s->target);
	ruleset_release(&s->live);
	graft_release(&s->grafted);
	free(s->what);
}

int cmd_restore(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {RESTORE_OPTIONS, TRIAL_OPTIONS, {NULL, 0, NULL, 0}};
	struct restoring s = {.c = c, .trial.c = c};
	int r = parse(&s, argc, argv, options);

	if (!r)
		r = parse_ref(&s, argc, argv);
	/* back to what is saved: nobody has to think about that */
	if (!r && !s.trial.within_given && !strcmp(s.ref, "@"))
		s.trial.no_confirm = true;
	if (!r && !s.dry_run)
		r = trial_begin(&s.trial, true);
	if (r)
		return r;
	s.what = str_printf("restore %s", s.ref);
	s.trial.what = s.what;
	log_step("reading the rules");
	r = exit_status(load_target(&s));
	if (!r)
		r = s.dry_run ? dry_run(&s) : restore(&s);
	release(&s);
	return r;
}

int cmd_confirm(struct context *c, int argc, char **argv)
{
	struct guard guard = context_guard(c);
	const char *id = argc > 1 ? argv[1] : NULL;
	cleanup_free char *story = NULL;
	struct pending p = {0};
	int r;

	if (argc > 2 || (id && *id == '-'))
		return usage_error(c, "unexpected argument '%s'", argv[argc > 2 ? 2 : 1]);
	r = guard_pending(&guard, &p);
	if (pending_open(&p))
		log_set_state("the change stays pending");
	if (!r && p.state != GUARD_IDLE)
		story = pending_text(&p);
	if (!r)
		r = trial_confirm(c, &guard, id, story);
	pending_release(&p);
	return r > 0 ? EXIT_PARTIAL : exit_status(r);
}

/* One step back */

static int undo_pending(const struct guard *guard, const struct pending *p, bool dry_run)
{
	cleanup_free char *text = pending_text(p);

	log_note("%s %s", dry_run ? "this would undo" : "undoing", text);
	if (dry_run)
		return EXIT_DIFFERS;
	switch (trial_undo(guard)) {
	case GUARD_UNDONE:
		for (size_t i = 0; i < p->touched.n; i++)
			log_warning("NOT undone: %s", p->touched.s[i]);
		log_note("undone: the old rules are back, verified");
		return EXIT_DONE;
	case GUARD_CONFIRMED:
		log_error("it was confirmed meanwhile: 'fwsnap rollback' takes it back");
		return EXIT_FAILED;
	case GUARD_UNDOING:
		return EXIT_DENIED;
	default:
		return EXIT_LOST;
	}
}

/* Whether the last change came to nothing, and nothing was saved or restored since, which makes the link anew. */
static bool is_back_already(const struct context *c, const struct pending *p)
{
	cleanup_free char *current = str_printf("%s/current", c->store.dir);
	struct stat st;

	return p->state == GUARD_UNDONE && (lstat(current, &st) || st.st_ctime <= p->began);
}

static int refuse_step(struct context *c)
{
	cleanup_free char *further = NULL;
	unsigned id = 0;

	if (store_current(&c->store, &id) || store_older(&c->store, id, &id))
		id = 0;
	if (id)
		further = str_printf(", 'fwsnap restore %u' goes further back", id);
	log_error("the last change was undone and nothing was saved since: 'fwsnap restore' loads "
		  "what is saved%s", further ? further : "");
	return EXIT_FAILED;
}

/* Whether what is ours of live is what this version has. */
static bool live_is(struct restoring *s, const struct manifest *m)
{
	struct ours ours;
	bool same = !ours_open(s->c, &s->live, &ours) && is_saved_as(s->c, ours.rs, m);

	ours_release(&ours);
	return same;
}

/* Where a step back leads. */
static int find_step(struct restoring *s)
{
	struct manifest m = {0};
	int r = store_current(&s->c->store, &s->current);
	unsigned id = s->current;

	if (!r && !id) {
		log_error("nothing was saved yet: there is nothing to go back to");
		return -ENOENT;
	}
	if (!r)
		r = store_manifest(&s->c->store, id, &m);
	if (!r)
		r = capture_live(s);
	if (!r && live_is(s, &m)) {
		r = store_older(&s->c->store, s->current, &id);
		if (!r && !id) {
			log_error("there is no version before snapshot %u", s->current);
			r = -ENOENT;
		}
	}
	manifest_release(&m);
	s->what = str_printf("%u", id);
	s->ref = s->what;
	return r;
}

/* Unsaved rules that a step led away from: their automatic snapshot is newer than the version in force. */
static int mark_unsaved(struct restoring *s)
{
	cleanup_free unsigned *ids = NULL;
	size_t n = 0;
	int r = store_ids(&s->c->store, &ids, &n);

	for (bool found = false; !r && !found && n-- && ids[n] > s->current;) {
		struct manifest m = {0};

		r = store_manifest(&s->c->store, ids[n], &m);
		found = !r && m.automatic && live_is(s, &m);
		manifest_release(&m);
		if (found)
			r = store_mark(&s->c->store, ids[n], true);
	}
	return r;
}

/* What was left is not gone back to: repeated steps lead further back, whatever is saved in between. */
static int mark_left(struct restoring *s)
{
	bool drift = s->target.id == s->current;

	return drift ? mark_unsaved(s) : store_mark(&s->c->store, s->current, true);
}

static int step_back(struct restoring *s)
{
	const struct hook hook = {s->c->opt.root, HOOK_POST_ROLLBACK, "rollback", "undone"};
	int r = find_step(s);

	if (!r)
		r = load_target(s);
	if (r < 0)
		return exit_status(r);
	tell_target(s, "rolling back to");
	if (s->dry_run)
		return dry_run(s);
	r = restore(s);
	if (r && r != s->trial.kept)
		return r;
	hooks_run(&hook);
	return mark_left(s) ? EXIT_PARTIAL : r;
}

int cmd_rollback(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {RESTORE_OPTIONS, {NULL, 0, NULL, 0}};
	struct restoring s = {.c = c, .trial = {.c = c, .no_confirm = true, .what = "rollback"}};
	struct guard guard = context_guard(c);
	struct pending p = {0};
	int r = parse(&s, argc, argv, options);

	if (!r && optind < argc)
		r = usage_error(c, "unexpected argument '%s'", argv[optind]);
	if (r)
		return r;
	r = exit_status(guard_pending(&guard, &p));
	if (!r && pending_open(&p)) {
		r = undo_pending(&guard, &p, s.dry_run);
	} else if (!r && !have_store(c)) {
		r = EXIT_FAILED;
	} else if (!r && is_back_already(c, &p)) {
		r = refuse_step(c);
	} else if (!r) {
		r = step_back(&s);
	}
	pending_release(&p);
	release(&s);
	return r;
}
