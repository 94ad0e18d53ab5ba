/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard.h"

#include "fault.h"
#include "guard_process.h"
#include "guard_step.h"
#include "guard_tell.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static int log_read(int e)
{
	return e < 0 ? log_errno(e, "cannot read what change is pending") : e;
}

/* What a command asks for is moved out of the record. */
static void take_pending(struct record *r, struct pending *p)
{
	*p = r->pending;
	r->pending = (struct pending){0};
}

int guard_pending(const struct guard *g, struct pending *p)
{
	struct record r = {0};
	int e = log_read(record_read(&r, g->root));

	*p = (struct pending){0};
	if (e > 0) {
		r.pending.guarded = pending_open(&r.pending) && record_guarded(&r);
		take_pending(&r, p);
	}
	record_release(&r);
	return e < 0 ? e : 0;
}

static char *story_text(const struct pending *p)
{
	return str_printf("'%s'%s%s%s%s%s", p->what, p->user ? " of " : "", p->user ? p->user : "",
			  p->from ? " (" : "", p->from ? p->from : "", p->from ? ")" : "");
}

/* Makes way for a new record. */
static int drop_done(const struct guard *g)
{
	struct record r = {0};
	int e = log_read(record_read(&r, g->root));
	cleanup_free char *story = NULL;

	if (e > 0 && pending_open(&r.pending)) {
		story = story_text(&r.pending);
		log_error("%s is pending: confirm it or roll it back first", story);
		e = -EBUSY;
	}
	record_release(&r);
	return e < 0 ? e : 0;
}

static void copy_list(struct strlist *to, const struct strlist *from)
{
	strlist_release(to);
	for (size_t i = 0; i < from->n; i++)
		strlist_add(to, from->s[i]);
}

static void copy_text(char **to, const char *from)
{
	free(*to);
	*to = from ? str_dup(from) : NULL;
}

static void story_begin(struct record *r, struct pending *story)
{
	story->began = time(NULL);
	copy_text(&story->id, r->pending.id);
	copy_text(&r->pending.what, story->what);
	copy_text(&r->pending.user, story->user);
	copy_text(&r->pending.from, story->from);
	copy_list(&r->pending.touched, &story->touched);
	r->pending.began = story->began;
	r->within = story->within;
}

/* What others make here is bounded as a whole: nobody knows what they are waiting for. */
static void bound_armed(struct record *r, const struct ruleset *after)
{
	r->pending.deadline = after ? 0 : boottime() + r->within * SECOND;
}

static int arm(const struct guard *g, struct record *r, struct ruleset *before,
	       const struct frontends *frontends, struct ruleset *after)
{
	int e = record_drop(r->folder);

	if (e < 0)
		return log_errno(e, "cannot remove '%s'", r->folder);
	e = record_write(r, before, frontends, after);
	bound_armed(r, after);
	if (!e && frontends && g->store)
		e = frontends_keep(g->store, frontends);
	if (!e)
		e = record_arm(r);
	fault_point("guard-start");
	if (!e)
		e = guard_start(r);
	fault_point("guard-started");
	return e;
}

int guard_arm(const struct guard *g, struct pending *story, struct ruleset *before,
	      const struct frontends *frontends, struct ruleset *after)
{
	struct record r = {0};
	int e = drop_done(g);

	if (e)
		return e;
	e = record_new(&r, g);
	if (e)
		return log_errno(e, "cannot guard the change");
	story_begin(&r, story);
	e = arm(g, &r, before, frontends, after);
	story->state = e ? GUARD_IDLE : GUARD_ARMED;
	story->deadline = 0;
	story->guarded = !e;
	if (e && record_drop(r.folder))
		log_warning("cannot remove '%s'", r.folder);
	record_release(&r);
	return e;
}

/* The guard that stands reads the record again once it is armed again. */
static int rearm(const struct guard *g, struct record *r, bool known)
{
	cleanup_free char *after = record_path(r, "after");
	int e = process_self(&r->caller);

	if (!e)
		e = record_write_story(r);
	if (!e)
		e = file_remove(after);
	r->pending.deadline = known ? 0 : boottime() + r->within * SECOND;
	if (!e)
		e = record_step(r, GUARD_ARMED);
	if (e == -ENOENT)
		log_error("what was pending is not any more: it was confirmed or undone");
	else if (e < 0)
		log_errno(e, "cannot guard the change");
	return e ? e : g->store ? store_abandon(g->store) : 0;
}

/* The way back stays as it is. */
static int check_frontends(const struct record *r)
{
	struct manifest before = {0};
	int e = record_way(r, "before", &before);

	if (!e && !before.frontends.n) {
		log_error("what is pending has no way back for the configuration of a front-end: "
			  "confirm it or roll it back first");
		e = -EBUSY;
	}
	manifest_release(&before);
	return e;
}

int guard_rearm(const struct guard *g, struct pending *story, bool known, bool frontends)
{
	struct record r = {0};
	int e = log_read(record_read(&r, g->root));

	if (e >= 0 && r.pending.state != GUARD_SWAPPED) {
		log_error("nothing is pending that could be replaced");
		e = -ENOENT;
	}
	if (e > 0 && frontends)
		e = check_frontends(&r) ? -EBUSY : e;
	if (e > 0) {
		story_begin(&r, story);
		e = rearm(g, &r, known);
	}
	story->state = r.pending.state;
	story->guarded = !e;
	record_release(&r);
	return e;
}

/* What cannot be written any more makes the way back coarser, or status poorer, and no worse. */
static void write_late(struct record *r, const struct pending *p, struct ruleset *after)
{
	if (after && record_write_after(r, after))
		log_warning("an undo will take back what others change meanwhile, too");
	if (p->touched.n == r->pending.touched.n)
		return;
	copy_list(&r->pending.touched, &p->touched);
	if (record_write_story(r))
		log_warning("an undo will not name the files that changed");
}

int guard_swapped(const struct guard *g, struct pending *p, struct ruleset *after)
{
	struct record r = {0};
	int e = log_read(record_read(&r, g->root));

	if (e > 0 && (strcmp(r.pending.id, p->id) || r.pending.state != GUARD_ARMED))
		e = 0;
	if (!e) {
		log_error("the pending change is not armed any more");
		e = -ENOENT;
	} else if (e > 0) {
		write_late(&r, p, after);
		r.pending.deadline = boottime() + p->within * SECOND;
		e = record_step(&r, GUARD_SWAPPED);
		if (e)
			log_errno(e, "cannot start the time for '%s'", p->what);
	}
	p->state = r.pending.state;
	p->deadline = r.pending.deadline;
	record_release(&r);
	return e;
}

static void abandon(const struct guard *g)
{
	if (g->store && (store_abandon(g->store) || frontends_forget(g->store)))
		log_warning("what was prepared to be saved is still there");
}

void guard_disarm(const struct guard *g)
{
	struct record r = {0};
	int e = log_read(record_read(&r, g->root));

	if (e > 0) {
		e = record_drop(r.folder);
		if (e < 0)
			log_errno(e, "cannot remove '%s'", r.folder);
	}
	abandon(g);
	record_release(&r);
}

/* why: all have to be told, since who began it may not be here; NULL: whoever asked for it is. */
static enum guard_state undo(const struct guard *g, struct record *r, const char *why)
{
	struct way w = {0};
	enum guard_state state;

	if (way_load(&w, r) && !w.before.format)
		log_error("the way back is gone");
	state = step_undo(r, &w, g->store);
	way_release(&w);
	if (why && (state == GUARD_UNDONE || state == GUARD_LOST))
		guard_tell(r, state, why, NULL);
	step_hooks(r, state);
	return state;
}

/*
 * A confirm that was begun has won. It died, since the lock is ours: it is finished; where that
 * fails the deadline still stands.
 */
static enum guard_state finish_confirm(const struct guard *g, struct record *r)
{
	int e = step_confirm(r, g->store);

	return e < 0 ? r->pending.state : GUARD_CONFIRMED;
}

enum guard_state guard_undo(const struct guard *g, struct strlist *conflicts)
{
	struct record r = {0};
	enum guard_state state = GUARD_IDLE;

	if (log_read(record_read(&r, g->root)) > 0) {
		state = r.pending.state;
		if (state == GUARD_CONFIRMING)
			state = finish_confirm(g, &r);
		if (pending_open(&r.pending))
			state = undo(g, &r, NULL);
		if (conflicts)
			copy_list(conflicts, &r.pending.conflicts);
	}
	record_release(&r);
	return state;
}

/* 0: it can be confirmed; or why not. */
static int check_confirm(const struct record *r, const char *id)
{
	const struct pending *p = &r->pending;
	cleanup_free char *story = story_text(p);

	if (id && strcmp(id, p->id)) {
		log_error(pending_open(p) ? "what is pending is %s, %s"
					  : "nothing with this ID is pending",
			  p->id, story);
		return -ENOENT;
	}
	if (p->state == GUARD_CONFIRMED) {
		log_error("nothing is pending: %s was confirmed already", story);
		return -ENOENT;
	}
	if (p->state == GUARD_UNDONE || p->state == GUARD_LOST) {
		log_error("too late: %s was undone", story);
		return -ETIME;
	}
	return 0;
}

static int confirm(const struct guard *g, struct record *r)
{
	int e = -ENOENT;

	if (r->pending.state == GUARD_CONFIRMING ||
	    (r->pending.state == GUARD_SWAPPED && boottime() < r->pending.deadline))
		e = step_confirm(r, g->store);
	if (e != -ENOENT)
		return e;
	/* the guard waits for the lock that we hold */
	if (pending_open(&r->pending))
		undo(g, r, "was not confirmed in time");
	log_set_state(NULL);
	log_error("too late: '%s' %s", r->pending.what,
		  r->pending.state == GUARD_UNDONE ? "was undone" : "is being undone");
	return -ETIME;
}

int guard_confirm(const struct guard *g, const char *id)
{
	struct record r = {0};
	int e = log_read(record_read(&r, g->root));

	if (!e) {
		log_error("nothing is pending");
		e = -ENOENT;
	} else if (e > 0) {
		e = check_confirm(&r, id);
		if (!e)
			e = confirm(g, &r);
	}
	record_release(&r);
	return e;
}

/* What the lock's holder has to do for a record of this namespace, and why. NULL: nothing. */
static const char *overdue(const struct record *r)
{
	switch (r->pending.state) {
	case GUARD_ARMED:
		if (!process_alive(&r->caller))
			return "was cut off";
		if (r->pending.deadline && boottime() >= r->pending.deadline)
			return "was not done in time";
		return record_forsaken(r) ? "has no guard any more" : NULL;
	case GUARD_SWAPPED:
		if (boottime() >= r->pending.deadline)
			return "was not confirmed in time";
		return record_forsaken(r) ? "has no guard any more" : NULL;
	case GUARD_UNDOING:
		return "was being undone";
	default:
		return NULL;
	}
}

static int recover_ours(const struct guard *g, struct record *r)
{
	cleanup_free char *story = story_text(&r->pending);
	const char *why;

	if (r->pending.state == GUARD_CONFIRMING && finish_confirm(g, r) == GUARD_CONFIRMED) {
		log_note("%s was being confirmed: that is finished", story);
		return 1;
	}
	why = overdue(r);
	if (!why)
		return 0;
	log_note("%s %s: it is being undone", story, why);
	if (undo(g, r, why) == GUARD_UNDOING)
		return -EBUSY;
	return 1;
}

static int drop(const char *folder)
{
	int e = record_drop(folder);

	return e < 0 ? log_errno(e, "cannot remove '%s'", folder) : 0;
}

/* Of another namespace that lives, or is guarded. */
static bool is_elsewhere(const struct record *r)
{
	return !record_is_ours(r) && record_of_this_boot(r) &&
	       (record_guarded(r) || netns_exists((uint64_t)r->netns));
}

/* *open: a change is pending there. */
static int recover_one(const struct guard *g, const char *folder, bool *open)
{
	struct record r = {0};
	int e = record_read_folder(&r, g->root, folder);

	if (e == -EBADMSG)
		log_warning("'%s' is damaged: it is removed", folder);
	else if (e < 0)
		return log_errno(e, "cannot read '%s'", folder);
	if (e > 0 && record_is_ours(&r)) {
		e = recover_ours(g, &r);
	} else if (e > 0 && is_elsewhere(&r)) {
		e = 0;
	} else {
		record_release(&r);
		e = drop(folder);
	}
	*open |= pending_open(&r.pending);
	record_release(&r);
	return e;
}

/* The folders of all records below the root. */
static void list_folders(const struct guard *g, struct strlist *folders)
{
	cleanup_free char *dir = str_printf("%s/run/fwsnap", g->root);
	DIR *d = opendir(dir);

	for (struct dirent *entry; d && (entry = readdir(d));) {
		cleanup_free char *folder = str_printf("%s/%s", dir, entry->d_name);

		if (!strncmp(entry->d_name, "pending.", strlen("pending.")))
			strlist_add(folders, folder);
	}
	if (d)
		closedir(d);
}

int guard_recover(const struct guard *g)
{
	cleanup_strlist struct strlist folders = {NULL, 0};
	bool open = false;
	unsigned id;
	int e = 0, found = 0;

	list_folders(g, &folders);
	for (size_t i = 0; i < folders.n && e >= 0; i++) {
		e = recover_one(g, folders.s[i], &open);
		found |= e > 0;
	}
	if (e >= 0 && !open && g->store) {
		e = store_pending(g->store, &id);
		if (!e && id)
			e = store_abandon(g->store);
		if (frontends_recover(g->store, g->root, g->foreign ? g->foreign : "auto") < 0)
			log_warning("the configuration of a front-end may be that of a change that nobody confirmed");
	}
	return e < 0 ? e : found;
}

bool guard_elsewhere(const struct guard *g, struct pending *p)
{
	cleanup_strlist struct strlist folders = {NULL, 0};
	bool found = false;

	*p = (struct pending){0};
	list_folders(g, &folders);
	for (size_t i = 0; i < folders.n && !found; i++) {
		struct record r = {0};

		found = record_read_folder(&r, g->root, folders.s[i]) > 0 &&
			pending_open(&r.pending) && is_elsewhere(&r);
		if (found)
			take_pending(&r, p);
		record_release(&r);
	}
	return found;
}
