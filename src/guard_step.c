/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_step.h"

#include "fault.h"
#include "hooks.h"
#include "log.h"

#include <errno.h>
#include <time.h>

#define UNDO_TRIES 3

int way_load(struct way *w, const struct record *r)
{
	bool first = !w->before.format;
	int e = first ? record_way(r, "before", &w->before) : 0;

	if (e)
		manifest_release(&w->before);
	/* a description that is broken keeps nobody from undoing */
	if (first && !w->foreign.n)
		(void)!foreign_read(&w->foreign, r->root, r->foreign ? r->foreign : "none");
	if (e || w->has_after)
		return e;
	e = record_way(r, "after", &w->after);
	w->has_after = !e;
	if (e)
		manifest_release(&w->after);
	return e == -ENOENT ? 0 : e;
}

void way_release(struct way *w)
{
	manifest_release(&w->before);
	manifest_release(&w->after);
	foreign_release(&w->foreign);
	*w = (struct way){0};
}

/* It is final either way: who cannot be told here is told by the terminals and the log. */
static void finish(struct record *r, enum guard_state state, struct store *store)
{
	int e;

	if (record_write_outcome(r))
		log_warning("status will not name what others had changed too");
	e = record_step(r, state);
	if (e < 0)
		log_errno(e, "cannot note in '%s' that it is done", r->folder);
	if (store && (store_abandon(store) || frontends_forget(store)))
		log_warning("what was prepared to be saved is still there");
	fault_point("guard-finished");
}

/* Programs of others come last: whatever they do, the rules are back. */
static enum guard_state undo_frontends(const struct record *r, struct way *w)
{
	const struct frontend_change c = {.foreign = &w->foreign,
					  .root = r->root,
					  .lock_wait = (unsigned)r->lock_wait,
					  .before = &w->before.rs};

	if (!frontends_put(&c, &w->before.frontends))
		return GUARD_UNDONE;
	log_error("a front-end is not wholly as it was");
	return GUARD_LOST;
}

static enum guard_state undo(struct record *r, struct way *w)
{
	const struct timespec pause = {.tv_nsec = 200000000};

	for (int i = 0; w->before.format && i < UNDO_TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		strlist_release(&r->pending.conflicts);
		switch (change_undo(&w->before.rs, w->has_after ? &w->after.rs : NULL,
				    (unsigned)r->lock_wait, &w->foreign,
				    &r->pending.conflicts)) {
		case CHANGE_DONE:
		case CHANGE_NOTHING:
			/* of a change that was cut off between two engines */
			if (change_hold_remove() >= 0)
				return undo_frontends(r, w);
			break;
		case CHANGE_BUSY:
			return GUARD_UNDOING;
		default:
			break;
		}
	}
	return GUARD_LOST;
}

/* Rules come before records: a state that cannot be written keeps nobody from undoing. */
enum guard_state step_undo(struct record *r, struct way *w, struct store *store)
{
	enum guard_state result;
	int e = 0;

	if (r->pending.state == GUARD_ARMED || r->pending.state == GUARD_SWAPPED)
		e = record_step(r, GUARD_UNDOING);
	if (e == -ENOENT || !pending_open(&r->pending))
		return r->pending.state;
	if (e < 0)
		log_errno(e, "cannot note in '%s' that it is being undone", r->folder);
	fault_point("guard-undo");
	result = undo(r, w);
	fault_point("guard-undone");
	if (result != GUARD_UNDOING)
		finish(r, result, store);
	return result;
}

void step_hooks(const struct record *r, enum guard_state state)
{
	const struct hook h = {r->root, HOOK_POST_ROLLBACK, r->pending.what,
			       state == GUARD_LOST ? "lost" : "undone"};

	if (state == GUARD_UNDONE || state == GUARD_LOST)
		hooks_run(&h);
}

int step_confirm(struct record *r, struct store *store)
{
	int e = r->pending.state == GUARD_SWAPPED ? record_step(r, GUARD_CONFIRMING) : 0, kept;

	if (e < 0)
		return e == -ENOENT ? e : log_errno(e, "cannot change '%s'", r->folder);
	fault_point("guard-confirm");
	kept = store ? store_confirm(store) : 0;
	fault_point("guard-confirm-kept");
	if (store && kept >= 0 && frontends_forget(store))
		log_warning("a reboot may bring back the configuration of front-ends");
	e = record_step(r, kept < 0 ? GUARD_SWAPPED : GUARD_CONFIRMED);
	if (e < 0)
		log_errno(e, "cannot note in '%s' that it is confirmed", r->folder);
	return kept;
}
