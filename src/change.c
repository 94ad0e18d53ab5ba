/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "change.h"

#include "change_aside.h"
#include "change_plan.h"
#include "engine/ipset.h"
#include "engine/nft_hold.h"
#include "engine/nft_watch.h"
#include "fault.h"
#include "log.h"
#include "merge.h"
#include "order.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* One way from live to target. */
struct way {
	struct change *change;
	struct plan plans[ENGINE_COUNT];
	struct watch *watch, *own; /* own: to be closed */
	bool check; /* refuse with -ERESTART what is no longer as in live */
	bool sent;  /* something reached the kernel */
	bool held;
};

/* Without a watch of live's capture nothing may have changed until there is one. */
static int way_watch(struct way *w)
{
	const struct ruleset *live = w->change->live;
	int r;

	if (!w->own)
		w->watch = w->change->watch;
	if (w->watch || !live->generation)
		return 0;
	r = watch_open(&w->own);
	w->watch = w->own;
	return !r && w->check && w->own && w->own->generation != live->generation ? -ERESTART : r;
}

static int way_plan(struct way *w)
{
	struct change *c = w->change;
	int r = 0;

	ruleset_resolve(c->live);
	ruleset_resolve(c->target);
	for (size_t e = 0; e < ENGINE_COUNT; e++) {
		struct plan *p = &w->plans[e];

		*p = plan_for(e, c->live, c->target);
		p->generation_check = w->check && (e != ENGINE_NFT || c->live->generation);
		p->lock_wait = c->lock_wait;
		p->watch = w->watch;
		if (p->nsteps && !engines[e] && !r) {
			log_error("this fwsnap was built without legacy iptables");
			r = -EOPNOTSUPP;
		}
	}
	return r;
}

static unsigned count_commits(const struct way *w)
{
	unsigned n = 0;

	for (size_t e = 0; e < ENGINE_COUNT; e++) {
		const struct plan *p = &w->plans[e];

		if (p->nsteps && engines[e])
			n += engines[e]->count ? engines[e]->count(p) : 1;
	}
	return n;
}

/* Rules that stop nothing leave nothing to let through by mistake. */
static bool stops_nothing(const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->ntables; i++)
		if (!rs->tables[i].empty && rs->tables[i].engine != ENGINE_IPSET)
			return false;
	return true;
}

/* Where there are several commits no packet meets the new part of one with the old part of another. */
static int way_hold(struct way *w)
{
	int r;

	if (w->held || count_commits(w) < 2 || stops_nothing(w->change->live))
		return 0;
	r = nft_hold(w->watch, true);
	if (r == -EOPNOTSUPP) {
		log_detail("this kernel has no nf_tables to hold packets back with");
		return 0;
	}
	w->held = !r;
	w->change->held |= w->held;
	fault_point("change-held");
	return r;
}

static int way_release(struct way *w)
{
	int r = w->held ? nft_hold(w->watch, false) : 0;

	w->held = false;
	return r;
}

static void pass_engine(enum engine_id e)
{
	if (e == ENGINE_IPSET)
		fault_point("change-ipset");
	if (e == ENGINE_NFT)
		fault_point("change-nft");
	if (e == ENGINE_XTABLES)
		fault_point("change-xtables");
}

static int way_change(struct way *w)
{
	int r = 0;

	for (size_t e = 0; e < ENGINE_COUNT && !r; e++) {
		if (!engines[e])
			continue;
		r = engines[e]->change(&w->plans[e]);
		w->sent |= w->plans[e].touched || (!r && w->plans[e].nsteps);
		if (w->sent)
			log_set_state(STATE_UNDOING);
		pass_engine(e);
	}
	for (size_t e = ENGINE_COUNT; e-- > 0 && !r;)
		if (engines[e] && engines[e]->finish)
			r = engines[e]->finish(&w->plans[e]);
	fault_point("change-finished");
	return r;
}

static void way_count(struct way *w)
{
	struct change *c = w->change;

	for (size_t e = 0; e < ENGINE_COUNT; e++) {
		struct plan *p = &w->plans[e];

		for (size_t i = 0; i < p->unstaged.n; i++)
			strlist_add_once(&c->unstaged, p->unstaged.s[i]);
		strlist_release(&p->unstaged);
		c->commits += p->commits;
		c->batches += p->batches;
		c->messages += p->messages;
		free(p->steps);
		*p = (struct plan){0};
	}
}

/* Sends the difference. 1: there is more for a second round, while packets are still held back. */
static int way_go(struct way *w)
{
	struct ruleset *target = w->change->target;
	struct aside aside;
	int r = way_watch(w);

	if (!r)
		r = aside_begin(&aside, w->change->live, target);
	if (r)
		return r;
	r = way_plan(w);
	if (!r)
		r = way_hold(w);
	if (!r)
		r = way_change(w);
	way_count(w);
	aside_end(&aside, target);
	return r;
}

static const char *name_behind(const struct ruleset *rs, const char *temporary)
{
	for (size_t i = 0; i < rs->nsets; i++)
		if (ipset_stands_for(temporary, rs->sets[i].name))
			return rs->sets[i].name;
	return NULL;
}

/*
 * Rules that were cut off while they were on a temporary ipset name the one that it stands for. Returns whether
 * there are any.
 */
static bool name_real_sets(const struct ruleset *base, const struct ruleset *ours,
			   struct ruleset *now)
{
	bool any = false;

	for (size_t i = 0; i < now->nsets; i++) {
		const char *real = name_behind(ours, now->sets[i].name);

		if (!real)
			real = name_behind(base, now->sets[i].name);
		if (real)
			memcpy(now->sets[i].name, real, sizeof(now->sets[i].name));
		any |= real != NULL;
	}
	return any;
}

/* What ours changed in base done to what is live. */
static int merge_live(struct ruleset *base, struct ruleset *ours, struct ruleset *now,
		      struct ruleset *merged, struct strlist *conflicts)
{
	struct ruleset outline;
	int r = 0;

	ruleset_outline(now, &outline);
	if (name_real_sets(base, ours, now))
		r = engines_digest(now, "what is live");
	if (!r)
		r = merge_rulesets(base, ours, now, merged, conflicts);
	/* as it is: those rules have to move */
	for (size_t i = 0; i < now->nsets; i++)
		now->sets[i] = outline.sets[i];
	for (size_t i = 0; i < now->ntables; i++)
		now->tables[i].fixed = outline.tables[i].fixed;
	ruleset_release(&outline);
	return r;
}

/*
 * The second round is for rules that are on a temporary ipset because theirs could only be made anew once
 * they had let go of the old one.
 */
static int way_go_again(struct way *w)
{
	const struct capture c = {.lock_wait = w->change->lock_wait, .watch = w->watch};
	struct ruleset *live = w->change->live, *target = w->change->target;
	struct ruleset now = {0}, merged = {0};
	int r = engines_capture(&now, &c);

	if (!r)
		r = merge_live(live, target, &now, &merged, NULL);
	w->change->live = &now;
	w->change->target = &merged;
	if (!r)
		r = way_go(w);
	w->change->live = live;
	w->change->target = target;
	ruleset_release(&now);
	ruleset_release(&merged);
	return r > 0 ? -EBUSY : r;
}

static int way_go_all(struct way *w)
{
	int r = nft_hold_left(), released;

	/* of a change that was cut off: it stands until this one is done */
	w->held = r > 0;
	if (r >= 0)
		r = way_go(w);
	if (r > 0)
		r = way_go_again(w);
	released = way_release(w);
	watch_close(w->own);
	w->own = NULL;
	fault_point("change-released");
	return r ? r : released;
}

static bool tables_equal(const struct ruleset *a, const struct ruleset *b)
{
	for (size_t i = 0; i < a->ntables; i++)
		if (!table_equal(&a->tables[i], ruleset_counterpart(b, &a->tables[i])))
			return false;
	for (size_t i = 0; i < b->ntables; i++)
		if (!table_equal(&b->tables[i], ruleset_counterpart(a, &b->tables[i])))
			return false;
	return true;
}

/* What is live is not what was wanted: whether all of it is, beside what others changed since. */
static int verify_beside_others(struct change *c, struct ruleset *now)
{
	cleanup_buf struct buf others = BUF_INIT;
	struct ruleset merged = {0};
	char *save;
	int r = merge_rulesets(c->live, c->target, now, &merged, NULL);

	if (!r && (!tables_equal(&merged, now) || !order_agrees(&merged.order, &now->order)))
		r = -EUCLEAN;
	ruleset_release(&merged);
	if (r)
		return r;
	if (!tables_equal(c->target, now))
		ruleset_differences(c->target, now, &others);
	for (char *s = strtok_r(buf_str(&others), "\n", &save); s; s = strtok_r(NULL, "\n", &save))
		strlist_add_once(&c->others, s);
	return 0;
}

/* Captures and compares: the only proof. 0, -EUCLEAN (differs, described), or -errno. */
static int verify(struct change *c, struct buf *differences)
{
	const struct capture digests = {.sink = capture_discard, .lock_wait = c->lock_wait};
	const struct capture records = {.lock_wait = c->lock_wait};
	struct ruleset now = {0};
	int r = engines_capture(&now, &digests);
	bool equal = !r && ruleset_equal(c->target, &now);

	if (!r && !equal) {
		r = engines_capture(&now, &records);
		equal = !r && ruleset_equal(c->target, &now);
	}
	if (!r && !equal)
		r = verify_beside_others(c, &now);
	if (r == -EUCLEAN)
		ruleset_differences(c->target, &now, differences);
	ruleset_release(&now);
	fault_point("change-verified");
	return r;
}

/* What is to be undone, and how far it came. */
struct undoing {
	struct ruleset *before, *after; /* after NULL: everything goes back */
	unsigned lock_wait;
	struct foreign *foreign;
	struct strlist *conflicts;
	bool whole; /* what others changed goes too: the kernel does not take it beside the old rules */
};

#define UNDO_TRIES 10

/* The old rules with what others changed since. */
static int undo_target(struct undoing *u, struct ruleset *now, struct ruleset *target)
{
	cleanup_strlist struct strlist conflicts = {NULL, 0};
	int r = merge_live(u->after, u->before, now, target, &conflicts);

	for (size_t i = 0; !r && u->conflicts && i < conflicts.n; i++)
		strlist_add_once(u->conflicts, conflicts.s[i]);
	return r;
}

/* The target with what is foreign now besides. */
static int keep_foreign(struct foreign *foreign, struct ruleset *now, struct ruleset **target,
			struct ruleset *kept)
{
	int r;

	if (!foreign)
		return 0;
	foreign_look(foreign, now);
	if (!foreign_any(foreign))
		return 0;
	r = foreign_graft(foreign, now, *target, true, kept, NULL);
	*target = kept;
	return r;
}

/* Once from what is live now. CHANGE_DONE, CHANGE_NOTHING; -errno, described in differences. */
static int undo_once(struct undoing *u, struct watch *watch, struct buf *differences)
{
	const struct capture capture = {.lock_wait = u->lock_wait, .watch = watch};
	struct ruleset now = {0}, merged = {0}, kept = {0};
	struct change c = {.live = &now, .target = u->before, .watch = watch,
			   .lock_wait = u->lock_wait};
	struct way w = {.change = &c, .check = true};
	int r = engines_capture(&now, &capture);
	bool equal;

	if (!r && u->after && !u->whole) {
		r = undo_target(u, &now, &merged);
		c.target = &merged;
	}
	if (!r)
		r = keep_foreign(u->foreign, &now, &c.target, &kept);
	equal = !r && tables_equal(&now, c.target) &&
		order_agrees(&c.target->order, &now.order);
	/* even then: sets under temporary names and the hold may be left */
	if (!r)
		r = way_go_all(&w);
	if (!r && equal)
		r = CHANGE_NOTHING;
	else if (!r)
		r = verify(&c, differences);
	change_release(&c);
	ruleset_release(&kept);
	ruleset_release(&merged);
	ruleset_release(&now);
	return r;
}

/*
 * Again while others are quicker or in the way; then without what they changed. Locks are held. CHANGE_DONE,
 * CHANGE_NOTHING, or CHANGE_LOST (logged).
 */
static enum change_result undo(struct undoing *u)
{
	cleanup_buf struct buf differences = BUF_INIT;
	enum change_result done = CHANGE_NOTHING;
	int r = -ERESTART;

	for (unsigned i = 0; i < UNDO_TRIES && r < 0; i++) {
		struct watch *watch = NULL;

		differences.len = 0;
		u->whole = i > UNDO_TRIES / 2;
		if (u->whole && u->after && u->conflicts)
			strlist_add_once(u->conflicts, "what others changed did not fit the old rules and is gone");
		r = watch_open(&watch);
		if (!r)
			r = undo_once(u, watch, &differences);
		watch_close(watch);
		if (r != CHANGE_NOTHING)
			done = CHANGE_DONE;
	}
	if (r >= 0)
		return done;
	log_set_state("the firewall is neither the old nor the new one");
	log_error("cannot bring the old rules wholly back:\n%s", buf_str(&differences));
	return CHANGE_LOST;
}

/* What was sent of a change that failed is taken back. */
static enum change_result run_undo(struct change *c, int reason)
{
	cleanup_strlist struct strlist conflicts = {NULL, 0};
	struct undoing u = {c->live, c->target, c->lock_wait, c->foreign, &conflicts, false};
	enum change_result result = undo(&u);

	for (size_t i = 0; i < conflicts.n; i++)
		log_warning("%s", conflicts.s[i]);
	if (result == CHANGE_LOST)
		return result;
	return reason == -ERESTART ? CHANGE_STALE : CHANGE_UNDONE;
}

static bool lacks_tables(const struct change *c)
{
	for (size_t i = 0; i < c->target->ntables; i++)
		if (plan_lacks(c->live, &c->target->tables[i]))
			return true;
	return false;
}

static enum change_result run_locked(struct change *c)
{
	cleanup_buf struct buf differences = BUF_INIT;
	struct way w = {.change = c, .check = true};
	int r;

	if (ruleset_equal(c->live, c->target) && !lacks_tables(c))
		return change_hold_remove() < 0 ? CHANGE_REFUSED : CHANGE_NOTHING;
	r = way_go_all(&w);
	if (r == -ERESTART && !w.sent) {
		(void)!watch_changes(c->watch, NULL, c->live->generation, &c->others);
		return CHANGE_STALE;
	}
	if (r && !w.sent)
		return r == -EBUSY ? CHANGE_BUSY : CHANGE_REFUSED;
	if (!r)
		r = verify(c, &differences);
	if (!r)
		return CHANGE_DONE;
	if (r == -EUCLEAN)
		log_warning("the kernel took the rules, but they are not those that were wanted:\n%s",
			    buf_str(&differences));
	return run_undo(c, r);
}

static bool has_tables(const struct ruleset *rs, enum engine_id engine)
{
	for (size_t i = 0; i < rs->ntables; i++)
		if (rs->tables[i].engine == engine)
			return true;
	return false;
}

/* Signals that wait while a change is under way, and locks that are held. */
struct guarded {
	sigset_t signals;
	bool locked[ENGINE_COUNT];
	const char *state;
};

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
static int guarded_begin(struct guarded *g, const struct ruleset *a, const struct ruleset *b,
			 unsigned lock_wait)
{
	int r = 0;

	g->state = log_state();
	change_hold_signals(&g->signals);
	for (size_t e = 0; e < ENGINE_COUNT && !r; e++) {
		if (!engines[e] || !engines[e]->lock || (!has_tables(a, e) && !has_tables(b, e)))
			continue;
		r = engines[e]->lock(lock_wait);
		g->locked[e] = !r;
	}
	return r;
}

static void guarded_end(struct guarded *g, enum change_result result)
{
	for (size_t e = ENGINE_COUNT; e-- > 0;)
		if (g->locked[e])
			engines[e]->unlock();
	if (result != CHANGE_LOST)
		log_set_state(g->state);
	sigprocmask(SIG_SETMASK, &g->signals, NULL);
}

enum change_result change_run(struct change *c)
{
	struct guarded g = {0};
	enum change_result result = CHANGE_BUSY;

	if (!guarded_begin(&g, c->live, c->target, c->lock_wait))
		result = run_locked(c);
	guarded_end(&g, result);
	return result;
}

void change_release(struct change *c)
{
	strlist_release(&c->unstaged);
	strlist_release(&c->others);
}

int change_hold_remove(void)
{
	int r = nft_hold_left();

	if (r <= 0)
		return r;
	r = nft_hold(NULL, false);
	if (!r)
		log_note("packets pass again: a change that was cut off had held them back");
	return r ? r : 1;
}

enum change_result change_undo(struct ruleset *before, struct ruleset *after, unsigned lock_wait,
			       struct foreign *foreign, struct strlist *conflicts)
{
	struct undoing u = {before, after, lock_wait, foreign, conflicts, false};
	struct guarded g = {0};
	enum change_result result = CHANGE_BUSY;

	if (!guarded_begin(&g, before, after ? after : before, lock_wait))
		result = undo(&u);
	guarded_end(&g, result);
	return result;
}
