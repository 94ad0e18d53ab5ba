/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "change.h"

#include "log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static void add_step(struct plan *p, enum action action, const struct table *old,
		     const struct table *new, struct ruleset *names, size_t place)
{
	*(struct step *)array_grow(&p->steps, &p->nsteps, sizeof(*p->steps)) =
		(struct step){action, old, new, names, place};
}

/* place: of the table in the target */
static bool touches(const struct plan *p, size_t place)
{
	for (size_t i = 0; i < p->nsteps; i++)
		if (p->steps[i].new && p->steps[i].place == place)
			return true;
	return false;
}

static bool line_names(const char *line, const struct table *t)
{
	cleanup_free char *name = str_printf(" %s %s ", family_name(t->family), t->name);
	const char *names = strchr(line, ':');

	return names && strstr(names, name);
}

/* Whether live asks the same chains in the same order at this place. */
static bool line_stands(const struct ruleset *live, const char *line)
{
	cleanup_free char *whole = str_printf("%s\n", line);
	struct buf copy = BUF_INIT;
	bool stands;

	buf_add(&copy, live->order.data, live->order.len);
	stands = strstr(buf_str(&copy), whole);
	buf_release(&copy);
	return stands;
}

/*
 * Making a table anew puts its base chains before those of equal priority that stay. Where
 * that would break the order, all tables of the line are made anew, equal ones from what is
 * live: their counters and dynamic elements are of now. Returns whether any was added.
 */
static bool add_line(struct plan *p, const char *line)
{
	bool disturbed = !line_stands(p->live, line), added = false;

	for (size_t i = 0; i < p->nsteps && !disturbed; i++)
		disturbed = p->steps[i].new && line_names(line, p->steps[i].new);
	for (size_t i = 0; i < p->target->ntables && disturbed; i++) {
		const struct table *t = &p->target->tables[i];

		if (t->engine == ENGINE_NFT && line_names(line, t) && !touches(p, i)) {
			const struct table *old = ruleset_counterpart(p->live, t);

			add_step(p, ACTION_REPLACE, old, old, p->live, i);
			added = true;
		}
	}
	return added;
}

static void add_for_order(struct plan *p)
{
	bool added = true;

	while (added) {
		cleanup_free char *order = NULL;
		struct buf copy = BUF_INIT;
		char *save;

		added = false;
		buf_add(&copy, p->target->order.data, p->target->order.len);
		order = buf_detach(&copy);
		for (char *line = strtok_r(order, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			added |= add_line(p, line);
	}
}

/* Removals first, then the target's tables in its order: the order in which they were made. */
static int compare_step(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (!x->new != !y->new)
		return x->new ? 1 : -1;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* The part of the difference that one engine has to do. */
static struct plan plan_for(enum engine_id engine, struct ruleset *live, struct ruleset *target)
{
	struct plan p = {.live = live, .target = target};

	for (size_t i = 0; i < live->ntables; i++) {
		const struct table *old = &live->tables[i];

		if (old->engine == engine && !old->empty && !ruleset_counterpart(target, old))
			add_step(&p, ACTION_REMOVE, old, NULL, NULL, i);
	}
	for (size_t i = 0; i < target->ntables; i++) {
		const struct table *new = &target->tables[i], *old = ruleset_counterpart(live, new);

		if (new->engine == engine && !table_equal(old, new))
			add_step(&p, old ? ACTION_REPLACE : ACTION_ADD, old, new, target, i);
	}
	if (engine == ENGINE_NFT)
		add_for_order(&p);
	if (p.nsteps)
		qsort(p.steps, p.nsteps, sizeof(*p.steps), compare_step);
	return p;
}

/* Sends the whole difference. *sent: something reached the kernel. */
static int execute(struct ruleset *live, struct ruleset *target, unsigned lock_wait, bool check,
		   bool *sent)
{
	struct plan plans[ENGINE_COUNT];
	int r = 0;

	*sent = false;
	ruleset_resolve(live);
	ruleset_resolve(target);
	for (size_t e = 0; e < ENGINE_COUNT; e++) {
		plans[e] = plan_for(e, live, target);
		plans[e].generation_check = check && (e != ENGINE_NFT || live->generation);
		plans[e].lock_wait = lock_wait;
		if (plans[e].nsteps && !engines[e] && !r) {
			log_error("this fwsnap was built without legacy iptables");
			r = -EOPNOTSUPP;
		}
	}
	for (size_t e = 0; e < ENGINE_COUNT && !r; e++) {
		if (!engines[e])
			continue;
		r = engines[e]->change(&plans[e]);
		*sent |= plans[e].touched || (!r && plans[e].nsteps);
		if (*sent)
			log_set_state(STATE_UNDOING);
	}
	for (size_t e = ENGINE_COUNT; e-- > 0 && !r;)
		if (engines[e] && engines[e]->finish)
			r = engines[e]->finish(&plans[e]);
	for (size_t e = 0; e < ENGINE_COUNT; e++)
		free(plans[e].steps);
	return r;
}

/*
 * execute, and again for what it left for a second round: rules that are on a temporary ipset
 * because theirs could only be made anew once they had let go of the old one.
 */
static int execute_all(struct ruleset *live, struct ruleset *target, unsigned lock_wait, bool check,
		       bool *sent)
{
	const struct capture c = {.lock_wait = lock_wait};
	int r = execute(live, target, lock_wait, check, sent);

	if (r > 0) {
		struct ruleset now = {0};
		bool more;

		r = engines_capture(&now, &c);
		if (!r)
			r = execute(&now, target, lock_wait, false, &more);
		ruleset_release(&now);
	}
	return r > 0 ? -EBUSY : r;
}

/* Captures and compares: the only proof. 0, -EUCLEAN (differs, described), or -errno. */
static int verify(const struct ruleset *want, unsigned lock_wait, struct buf *differences)
{
	struct ruleset now = {0};
	struct capture c = {.sink = capture_discard, .lock_wait = lock_wait};
	int r = engines_capture(&now, &c);

	if (!r && !ruleset_equal(want, &now)) {
		ruleset_differences(want, &now, differences);
		r = -EUCLEAN;
	}
	ruleset_release(&now);
	return r;
}

static enum change_result undo(struct ruleset *live, unsigned lock_wait)
{
	struct ruleset now = {0};
	struct capture c = {.lock_wait = lock_wait};
	cleanup_buf struct buf differences = BUF_INIT;
	bool sent;
	int r = engines_capture(&now, &c);

	if (!r)
		r = execute_all(&now, live, lock_wait, false, &sent);
	ruleset_release(&now);
	if (!r)
		r = verify(live, lock_wait, &differences);
	if (!r)
		return CHANGE_UNDONE;
	log_set_state("the firewall is neither the old nor the new one");
	log_error("cannot bring the old rules wholly back:\n%s", buf_str(&differences));
	return CHANGE_LOST;
}

static enum change_result run_locked(struct change *c)
{
	struct ruleset *live = c->live, *target = c->target;
	unsigned lock_wait = c->lock_wait;
	cleanup_buf struct buf differences = BUF_INIT;
	bool sent;
	int r;

	if (ruleset_equal(live, target))
		return CHANGE_NOTHING;
	r = execute_all(live, target, lock_wait, true, &sent);
	if (r == -ERESTART && !sent)
		return CHANGE_STALE;
	if (r && !sent)
		return r == -EBUSY ? CHANGE_BUSY : CHANGE_REFUSED;
	if (!r)
		r = verify(target, lock_wait, &differences);
	if (!r)
		return CHANGE_DONE;
	if (r == -EUCLEAN)
		log_warning("the kernel took the rules, but they are not those that were wanted:\n%s",
			    buf_str(&differences));
	return undo(live, lock_wait);
}

static bool has_tables(const struct ruleset *rs, enum engine_id engine)
{
	for (size_t i = 0; i < rs->ntables; i++)
		if (rs->tables[i].engine == engine)
			return true;
	return false;
}

static bool needs_lock(enum engine_id e, const struct ruleset *live, const struct ruleset *target)
{
	return engines[e] && engines[e]->lock && (has_tables(live, e) || has_tables(target, e));
}

void change_hold_signals(sigset_t *before)
{
	static const int held[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(held); i++)
		sigaddset(&set, held[i]);
	sigprocmask(SIG_BLOCK, &set, before);
}

/*
 * Locks are taken before anything is sent: a lock that was not to be had in the
 * middle, or for the check at the end, would leave neither the old nor the new rules.
 */
enum change_result change_run(struct change *c)
{
	enum change_result result = CHANGE_BUSY;
	const char *state = log_state();
	sigset_t before;
	size_t e;

	change_hold_signals(&before);
	for (e = 0; e < ENGINE_COUNT; e++)
		if (needs_lock(e, c->live, c->target) && engines[e]->lock(c->lock_wait))
			break;
	if (e == ENGINE_COUNT)
		result = run_locked(c);
	while (e-- > 0)
		if (needs_lock(e, c->live, c->target))
			engines[e]->unlock();
	if (result != CHANGE_LOST)
		log_set_state(state);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return result;
}

void change_release(struct change *c)
{
	strlist_release(&c->unstaged);
	strlist_release(&c->others);
}

int change_hold_remove(void)
{
	return 0;
}

enum change_result change_undo(struct ruleset *before, struct ruleset *after, unsigned lock_wait,
			       struct strlist *conflicts)
{
	const struct capture capture = {.lock_wait = lock_wait};
	enum change_result result = CHANGE_STALE;

	(void)after, (void)conflicts;
	for (unsigned i = 0; i < CAPTURE_TRIES && result == CHANGE_STALE; i++) {
		struct ruleset now = {0};

		struct change c = {.live = &now, .target = before, .lock_wait = lock_wait};

		result = engines_capture(&now, &capture) ? CHANGE_LOST : change_run(&c);
		change_release(&c);
		ruleset_release(&now);
	}
	return result == CHANGE_STALE ? CHANGE_LOST : result;
}
