/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_steps.h"

#include "change.h"
#include "lockdown.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

/* How often the live rules may change meanwhile. */
#define TRIES 5

static bool is_nothing(const struct ruleset *rs)
{
	return ruleset_equal(rs, &(struct ruleset){0});
}

/* What is replaced for the first time is kept. */
static void keep_live(struct climb *c, struct ruleset *live, const struct ruleset *target)
{
	if (c->captured)
		return;
	if (!is_nothing(live) && !ruleset_equal(live, target) && c->b->keep(c->b->arg, live))
		log_warning("the rules that were in force could not be kept");
	c->before = *live;
	c->captured = true;
	*live = (struct ruleset){0};
}

/* What is foreign stays; what needs it and has to do without it is less than was saved. */
static int graft(struct climb *c, struct ruleset *live, struct ruleset **target, struct ruleset *grafted)
{
	struct foreign_notes notes = {.dropped = {NULL, 0}};
	int r;

	foreign_look(c->b->foreign, live);
	foreign_look(c->b->foreign, *target);
	if (!foreign_any(c->b->foreign))
		return 0;
	r = foreign_graft(c->b->foreign, live, *target, false, grafted, &notes);
	*target = grafted;
	for (size_t i = 0; i < notes.dropped.n; i++)
		log_warning("left out: %s, which is another program's and not there", notes.dropped.s[i]);
	c->b->record.lower |= notes.dropped.n > 0;
	foreign_notes_release(&notes);
	return r;
}

static enum change_result change_once(struct climb *c, struct ruleset *target)
{
	const unsigned wait = c->b->config->lock_wait;
	struct change change = {.target = target, .lock_wait = wait, .foreign = c->b->foreign};
	struct capture capture = {.lock_wait = wait};
	struct ruleset live = {0}, grafted = {0};
	enum change_result result = CHANGE_REFUSED;
	int r = watch_open(&change.watch);

	capture.watch = change.watch;
	if (!r)
		r = engines_capture(&live, &capture);
	if (!r) {
		bool first = !c->captured;

		keep_live(c, &live, target);
		change.live = first ? &c->before : &live;
		r = graft(c, change.live, &change.target, &grafted);
	}
	if (!r)
		result = change_run(&change);
	for (size_t i = 0; i < change.others.n; i++)
		log_note("changed by others meanwhile, it stays: %s", change.others.s[i]);
	watch_close(change.watch);
	change_release(&change);
	ruleset_release(&grafted);
	ruleset_release(&live);
	return result;
}

int climb_change(struct climb *c, struct ruleset *target)
{
	enum change_result result = CHANGE_STALE;

	for (unsigned i = 0; i < TRIES && result == CHANGE_STALE; i++)
		result = change_once(c, target);
	if (result == CHANGE_STALE)
		log_error("others changed the same rules %u times meanwhile", TRIES);
	return result == CHANGE_DONE || result == CHANGE_NOTHING ? 0 : -ECANCELED;
}

void boot_say_nothing(const char *line)
{
	(void)line;
}

/* What was wrong with it has been said. */
static bool load_manifest(struct climb *c)
{
	log_sink *sink = log_set_sink(boot_say_nothing);
	int r;

	manifest_release(&c->current);
	r = store_manifest(c->b->store, c->id, &c->current);
	log_set_sink(sink);
	return !r;
}

/* All that can be read of the current version. */
static void load_current(struct climb *c)
{
	cleanup_free char *name = NULL;
	struct store *store = c->b->store;

	if (!store)
		return;
	c->damaged = store_current(store, &c->id) < 0;
	if (!c->id)
		return;
	name = str_printf("snapshot %u", c->id);
	if (!store_load(store, c->id, &c->current)) {
		c->known = true;
		c->whole = of_this_machine(&c->current) && !engines_digest(&c->current.rs, name);
		return;
	}
	c->known = load_manifest(c);
	c->damaged = !c->known;
}

static int try_exact(struct climb *c)
{
	int r;

	if (!c->known)
		return c->id ? -EBADMSG : 0;
	if (!of_this_machine(&c->current))
		log_warning("snapshot %u was made on %s: it cannot be loaded exactly", c->id,
			    c->current.machine);
	if (!c->whole)
		return -EBADMSG;
	r = climb_change(c, &c->current.rs);
	return r ? r : 1;
}

/* Whether a version may be taken though it is not the current one. */
static bool is_confirmed(const struct manifest *m)
{
	return !m->automatic && !m->left && of_this_machine(m);
}

static int try_version(struct climb *c, unsigned id)
{
	cleanup_free char *name = str_printf("snapshot %u", id);
	struct manifest m = {0};
	int r = store_load(c->b->store, id, &m);

	if (!r && !is_confirmed(&m)) {
		manifest_release(&m);
		return 0;
	}
	if (!r)
		r = engines_digest(&m.rs, name);
	if (!r)
		r = climb_change(c, &m.rs);
	manifest_release(&m);
	return r ? r : 1;
}

static int try_older(struct climb *c)
{
	cleanup_free unsigned *ids = NULL;
	size_t n = 0;
	int r = 0, result = 0;

	if (!c->b->store || (!c->id && !c->damaged))
		return 0;
	r = store_ids(c->b->store, &ids, &n);
	while (!r && n--) {
		if (c->id && ids[n] >= c->id)
			continue;
		result = try_version(c, ids[n]);
		c->b->record.snapshot = ids[n];
		if (result > 0)
			return result;
	}
	c->b->record.snapshot = 0;
	return r ? r : result;
}

static int try_lockdown(struct climb *c)
{
	const struct config *config = c->b->config;
	struct lockdown l = {0};
	int r;

	if (!config->lockdown_last)
		return 0;
	r = lockdown_make(&l, c->b->root, config->lockdown_ports);
	if (!r)
		r = climb_change(c, &l.rs);
	if (!r)
		log_warning("lockdown: new connections come in by these ways alone: %s", l.text);
	c->b->record.snapshot = 0;
	lockdown_release(&l);
	return r ? r : 1;
}

static const struct rung {
	enum boot_rung rung;
	int (*try)(struct climb *c);
} rungs[] = {
	{BOOT_EDITED, boot_try_edited}, {BOOT_EXACT, try_exact},	 {BOOT_PARTLY, boot_try_partly},
	{BOOT_TEXT, boot_try_text},	{BOOT_OLDER, try_older},	 {BOOT_FILES, boot_try_files},
	{BOOT_LOCKDOWN, try_lockdown},
};

/* The first rung that holds. */
static enum boot_rung climb(struct climb *c)
{
	struct boot_record *record = &c->b->record;

	for (size_t i = 0; i < ARRAY_SIZE(rungs); i++) {
		int r;

		record->snapshot = c->id;
		r = rungs[i].try(c);
		if (r > 0)
			return rungs[i].rung;
		record->lower |= r < 0;
	}
	record->snapshot = 0;
	return BOOT_FAILED;
}

/* Nothing may be left of rungs that failed. */
static void undo_all(struct climb *c)
{
	if (c->captured && change_undo(&c->before, NULL, c->b->config->lock_wait, c->b->foreign, NULL) <= CHANGE_NOTHING)
		log_note("the firewall is as it was before");
}

static void tell(const struct boot *b)
{
	cleanup_free char *text = boot_record_text(&b->record);

	if (b->record.rung == BOOT_FAILED)
		log_error("boot: %s", text);
	else if (b->record.lower)
		log_warning("boot: less than what was saved is in force: %s", text);
	else
		log_note("boot: %s", text);
}

void boot_climb(struct boot *b)
{
	struct climb c = {.b = b};

	load_current(&c);
	b->record.when = time(NULL);
	if (!c.id && !c.damaged && !boot_has_files(&c)) {
		b->record.rung = BOOT_NOTHING;
	} else {
		b->record.rung = climb(&c);
		if (b->record.rung == BOOT_FAILED)
			undo_all(&c);
	}
	tell(b);
	climb_files_release(&c);
	manifest_release(&c.current);
	ruleset_release(&c.before);
}
