/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_trial.h"

#include "cmd_foreign.h"
#include "hooks.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define WITHIN_MOST (24 * 60 * 60)
#define STATE_NEW "the new rules are in force"

int trial_option(struct trial *t, int option, const char *value)
{
	char *end;

	switch (option) {
	case 'w':
		t->within = (unsigned)strtoul(value, &end, 10);
		if (*value < '0' || *value > '9' || *end || !t->within || t->within > WITHIN_MOST)
			return usage_error(t->c, "'--within %s': seconds, from 1 to %d", value,
					   WITHIN_MOST);
		t->within_given = true;
		return EXIT_DONE;
	case 'N':
		t->no_confirm = true;
		return EXIT_DONE;
	case 'R':
		t->replace_pending = true;
		return EXIT_DONE;
	default:
		return -1;
	}
}

static bool is_pending(const struct trial *t)
{
	struct pending p = {0};
	bool open = !guard_pending(&t->guard, &p) && pending_open(&p);

	pending_release(&p);
	return open;
}

int trial_begin(struct trial *t, bool unguarded_too)
{
	t->guard = context_guard(t->c);
	t->asks = !t->no_confirm && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	if (t->within_given && t->no_confirm)
		return usage_error(t->c, "--within and --no-confirm exclude each other");
	if (!t->asks && !t->within_given && !t->no_confirm) {
		if (!unguarded_too)
			return usage_error(t->c, "there is no terminal to ask on: --within SEC or "
						 "--no-confirm is needed");
		t->no_confirm = true;
	}
	if (!t->within)
		t->within = TRIAL_WITHIN;
	return t->replace_pending && is_pending(t) ? EXIT_DONE : refuse_pending(t->c);
}

char *pending_text(const struct pending *p)
{
	cleanup_free char *what = str_visible(p->what);

	return str_printf("%s: '%s' by %s%s%s, began %s", p->id, what,
			  p->user ? p->user : "unknown", p->from ? " from " : "",
			  p->from ? p->from : "", time_text(p->began));
}

static int run_hooks(const struct trial *t, const char *event, const char *result)
{
	const struct hook h = {t->c->opt.root, event, t->what, result};

	return hooks_run(&h);
}

static void add_touched(struct trial *t)
{
	for (size_t i = 0; t->touched && i < t->touched->n; i++)
		strlist_add(&t->pending.touched, t->touched->s[i]);
}

static void story(struct trial *t)
{
	struct manifest m = {0};

	story_fill(&m, NULL);
	t->pending = (struct pending){.what = str_dup(t->what),
				      .user = m.user ? str_dup(m.user) : NULL,
				      .from = m.from ? str_dup(m.from) : NULL,
				      .within = t->within};
	add_touched(t);
	manifest_release(&m);
}

/* On top of a pending change its way back stays, and its own rules need not be kept. */
static int replace(struct trial *t)
{
	int r = run_hooks(t, HOOK_PRE_CHANGE, NULL);

	if (r)
		return r;
	story(t);
	change_hold_signals(&t->signals);
	r = guard_rearm(&t->guard, &t->pending, !t->act, t->frontends);
	t->replaced = !r;
	return r || t->act || !t->prepare ? r : t->prepare(t->arg);
}

/* All that can fail is done before the first rule changes. */
static int begin(struct trial *t)
{
	bool same = !t->act && !t->frontends && ruleset_equal(t->change.live, t->change.target);
	int r = same ? 0 : keep_live(t->c, t->change.live);

	if (!r && t->prepare && !t->act)
		r = t->prepare(t->arg);
	if (!r)
		r = run_hooks(t, HOOK_PRE_CHANGE, NULL);
	if (r)
		return r;
	story(t);
	change_hold_signals(&t->signals);
	return guard_arm(&t->guard, &t->pending, t->change.live, t->frontends,
			 t->act ? NULL : t->change.target);
}

/* Files that were changed beside the rules stay as they are. */
static void name_touched(const struct strlist *touched)
{
	for (size_t i = 0; touched && i < touched->n; i++)
		log_warning("NOT undone: %s", touched->s[i]);
}

/* Somebody removed it from /run: the guard took that for the end of the change. */
static int forgotten(void)
{
	log_set_state(NULL);
	log_error("the record of the change is gone, and with it the way back: 'fwsnap restore' loads "
		  "what is saved");
	return EXIT_LOST;
}

static int undone(struct trial *t, enum guard_state state)
{
	if (state == GUARD_IDLE)
		return forgotten();
	name_touched(t->touched);
	if (state == GUARD_LOST)
		return EXIT_LOST;
	log_note("undone: the old rules are back, verified");
	return EXIT_UNDONE;
}

/* The answer came from elsewhere, or the deadline did. */
static int settled(struct trial *t, enum guard_state state)
{
	const char *why;

	if (state == GUARD_CONFIRMED) {
		log_note("confirmed from another session: these rules stay");
		return EXIT_DONE;
	}
	if (state == GUARD_ARMED) {
		log_set_state(NULL);
		log_error("another change took the place of this one: 'fwsnap status' shows it");
		return EXIT_FAILED;
	}
	if (state == GUARD_IDLE)
		return forgotten();
	why = pending_left(&t->pending) ? "taken back from another session" : "not confirmed in time";
	name_touched(t->touched);
	log_set_state(NULL);
	if (state == GUARD_LOST) {
		log_error("%s, and the old rules could not be wholly brought back: 'fwsnap status' "
			  "shows how it is", why);
		return EXIT_LOST;
	}
	log_note("%s: undone, the old rules are back, verified", why);
	return EXIT_UNDONE;
}

/* Whatever became current by being kept counts as saved. */
static int kept(struct context *c, unsigned id, const char *story)
{
	const char *colon = story ? ": " : "";

	story = story ? story : "";
	if (id)
		log_note("kept as snapshot %u%s%s", id, colon, story);
	else
		log_note("kept, the current snapshot is as before%s%s", colon, story);
	prune_history(c);
	return id ? store_mark(&c->store, id, false) : 0;
}

int trial_confirm(struct context *c, const struct guard *guard, const char *id, const char *story)
{
	unsigned waiting = 0;
	int r = c->store.dir ? store_pending(&c->store, &waiting) : 0;

	if (!r)
		r = guard_confirm(guard, id);
	if (r < 0 || !c->store.dir)
		return r;
	log_set_state(NULL);
	return kept(c, waiting, story) < 0 ? 1 : r;
}

static int keep(struct trial *t)
{
	int r = trial_confirm(t->c, &t->guard, t->pending.id, NULL);

	if (r == -ETIME)
		return settled(t, GUARD_UNDONE);
	if (r < 0)
		return exit_status(r);
	return r > 0 ? EXIT_PARTIAL : t->kept;
}

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

/* What a person said, or what came to be without it. */
enum answer { ANSWER_NONE, ANSWER_KEEP, ANSWER_UNDO, ANSWER_SETTLED };

static enum answer read_answer(bool *ended)
{
	char line[128];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0) {
		*ended = !n || errno != EINTR;
		return ANSWER_NONE;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!strcasecmp(line, "y") || !strcasecmp(line, "yes"))
		return ANSWER_KEEP;
	return !strcasecmp(line, "n") || !strcasecmp(line, "no") ? ANSWER_UNDO : ANSWER_NONE;
}

/* Whether nobody has to be asked any more; *state is what came of it, GUARD_ARMED: another change took its place. */
static bool is_settled(const struct trial *t, enum guard_state *state)
{
	struct pending p = {0};
	bool known = !guard_pending(&t->guard, &p);

	*state = p.state;
	if (p.id && (strcmp(p.id, t->pending.id) || p.deadline != t->pending.deadline))
		*state = GUARD_ARMED;
	pending_release(&p);
	return known && *state != GUARD_SWAPPED && *state != GUARD_CONFIRMING && *state != GUARD_UNDOING;
}

static void show_prompt(const struct trial *t, unsigned *shown)
{
	unsigned left = pending_left(&t->pending);

	if (*shown && (left + 1 >= *shown || (left % 10 && left > 10)))
		return;
	fprintf(stderr, "%sKeep these rules? (%u s left) ", *shown ? "\r" : "", left);
	fflush(stderr);
	*shown = left + 1;
}

/*
 * Ends with a yes or no, with Ctrl-C (no), or when it is settled without them. After the end of the input only
 * that is left to wait for.
 */
static enum answer ask(struct trial *t, enum guard_state *state)
{
	enum answer answer = ANSWER_NONE;
	bool ended = false;
	unsigned shown = 0;

	fprintf(stderr, "Open a NEW connection first. y = keep, n = undo now; or 'fwsnap confirm' there\n");
	while (answer == ANSWER_NONE) {
		struct pollfd in = {.fd = ended ? -1 : STDIN_FILENO, .events = POLLIN};

		if (is_settled(t, state)) {
			answer = ANSWER_SETTLED;
			break;
		}
		show_prompt(t, &shown);
		if (poll(&in, 1, 500) > 0) {
			answer = read_answer(&ended);
			shown = ended ? shown : 0;
		}
		if (interrupted)
			answer = ANSWER_UNDO;
	}
	if (shown)
		fputc('\n', stderr);
	return answer;
}

/* What was typed before the question is no answer to it. In the background that would stop us. */
static void drop_typed_ahead(void)
{
	if (tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcflush(STDIN_FILENO, TCIFLUSH);
}

static enum answer ask_interruptibly(struct trial *t, enum guard_state *state)
{
	struct sigaction action = {.sa_handler = interrupt}, before;
	enum answer answer;

	sigaction(SIGINT, &action, &before);
	sigprocmask(SIG_SETMASK, &t->signals, NULL);
	drop_typed_ahead();
	answer = ask(t, state);
	change_hold_signals(&t->signals);
	sigaction(SIGINT, &before, NULL);
	return answer;
}

enum guard_state trial_undo(const struct guard *guard)
{
	cleanup_strlist struct strlist conflicts = {NULL, 0};
	enum guard_state state = guard_undo(guard, &conflicts);

	for (size_t i = 0; i < conflicts.n; i++)
		log_warning("changed by others too, undone all the same: %s", conflicts.s[i]);
	return state;
}

static int undo(struct trial *t)
{
	enum guard_state state = trial_undo(&t->guard);

	if (state == GUARD_UNDOING)
		return EXIT_DENIED;
	return state == GUARD_CONFIRMED ? settled(t, state) : undone(t, state);
}

/* Nobody is asked: whoever started it is to confirm. */
static int tell_pending(const struct trial *t)
{
	const char *until = time_text(time(NULL) + pending_left(&t->pending));

	if (t->c->opt.json)
		log_note("pending %s until %s", t->pending.id, until);
	else
		printf("pending %s until %s\n", t->pending.id, until);
	return EXIT_DONE;
}

static int decide(struct trial *t)
{
	enum guard_state state;
	enum answer answer;

	if (t->no_confirm)
		return keep(t);
	if (!t->asks)
		return tell_pending(t);
	name_touched(t->touched);
	answer = ask_interruptibly(t, &state);
	if (answer == ANSWER_SETTLED)
		return settled(t, state);
	if (context_lock(t->c)) {
		log_error("it stays pending: 'fwsnap confirm %s' keeps it", t->pending.id);
		return EXIT_DENIED;
	}
	/* whoever had the lock meanwhile may have settled it */
	if (is_settled(t, &state))
		return settled(t, state);
	return answer == ANSWER_KEEP ? keep(t) : undo(t);
}

/* The guard did not wait for what takes too long, which went on changing rules meanwhile. */
static void undo_late(struct trial *t)
{
	const struct frontend_change c = {.foreign = &t->c->foreign,
					  .root = t->c->opt.root,
					  .lock_wait = t->c->config.lock_wait,
					  .before = t->change.live};

	if (!t->act)
		return;
	if (change_undo(t->change.live, NULL, c.lock_wait, t->change.foreign, NULL) > CHANGE_NOTHING ||
	    (t->frontends && frontends_put(&c, t->frontends)))
		log_warning("what was changed after the guard's undo may still be there");
}

/* The rules have changed: from here on whoever does not say yes gets the old ones back. */
static int swapped(struct trial *t)
{
	int r;

	log_step(NULL);
	if (t->act)
		add_touched(t);
	r = guard_swapped(&t->guard, &t->pending, t->act ? t->change.target : NULL);
	log_set_state(STATE_NEW);
	if (r < 0) {
		undo_late(t);
		return undo(t);
	}
	if (!t->frontends)
		warn_touched(t->c, t->change.live, t->change.target);
	/* nobody holds the lock while a hook takes its time, or a person */
	if (!t->no_confirm)
		context_unlock(t->c);
	run_hooks(t, HOOK_POST_CHANGE, t->no_confirm ? "done" : "pending");
	return decide(t);
}

/* What is worth knowing of a change that was made. */
static void tell(const struct change *c)
{
	for (size_t i = 0; i < c->unstaged.n; i++)
		log_warning("could not be staged: %s", c->unstaged.s[i]);
	for (size_t i = 0; i < c->others.n; i++)
		log_note("changed by others meanwhile, it stays: %s", c->others.s[i]);
}

/* Live is as it was before the change; what was pending before it is not kept without its guard. */
static int refused(struct trial *t, int status)
{
	if (t->replaced)
		return undo(t);
	guard_disarm(&t->guard);
	return status;
}

static int change(struct trial *t)
{
	log_step("changing the rules");
	switch (change_run(&t->change)) {
	case CHANGE_DONE:
	case CHANGE_NOTHING:
		log_step(NULL);
		tell(&t->change);
		log_set_state(NULL);
		return t->settle && t->settle(t->arg) ? undo(t) : swapped(t);
	case CHANGE_STALE:
		return refused(t, -ESTALE);
	case CHANGE_BUSY:
		return refused(t, EXIT_DENIED);
	case CHANGE_REFUSED:
		return refused(t, EXIT_FAILED);
	default:
		return undo(t);
	}
}

/* What is done by others is known once it is done. */
static int act(struct trial *t)
{
	log_set_state(STATE_UNDOING);
	if (t->act(t->arg) || (t->prepare && t->prepare(t->arg)))
		return undo(t);
	return swapped(t);
}

int trial_run(struct trial *t)
{
	int r;

	sigprocmask(SIG_SETMASK, NULL, &t->signals);
	r = t->replace_pending && is_pending(t) ? replace(t) : begin(t);
	if (r < 0)
		r = refused(t, exit_status(r));
	else
		r = t->act ? act(t) : change(t);
	sigprocmask(SIG_SETMASK, &t->signals, NULL);
	return r;
}

int trial_give_up(const struct trial *t)
{
	cleanup_buf struct buf who = BUF_INIT;

	for (size_t i = 0; i < t->change.others.n; i++)
		buf_printf(&who, "%s%s", i ? ", " : ": ", t->change.others.s[i]);
	log_error("somebody else changed the same rules %d times meanwhile%s", TRIAL_TRIES,
		  buf_str(&who));
	return EXIT_FAILED;
}

void trial_release(struct trial *t)
{
	pending_release(&t->pending);
	watch_close(t->change.watch);
	change_release(&t->change);
}
