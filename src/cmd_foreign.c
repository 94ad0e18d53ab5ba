/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_foreign.h"

#include "cmd_frontend.h"
#include "cmd_json.h"
#include "log.h"

#include <stdio.h>

int ours_open(struct context *c, struct ruleset *all, struct ours *o)
{
	*o = (struct ours){.rs = all};
	foreign_look(&c->foreign, all);
	if (c->all || !foreign_any(&c->foreign))
		return 0;
	o->rs = &o->cut;
	return foreign_cut(&c->foreign, all, &o->cut, &o->shares);
}

int live_open(struct context *c, struct ruleset *live, struct ours *o)
{
	struct capture capture = {.sink = capture_discard, .lock_wait = c->config.lock_wait};
	int r = engines_capture(live, &capture);

	*o = (struct ours){.rs = live};
	if (r)
		return r;
	foreign_look(&c->foreign, live);
	if (c->all || !foreign_any(&c->foreign))
		return 0;
	ruleset_release(live);
	capture.sink = NULL;
	r = engines_capture(live, &capture);
	return r ? r : ours_open(c, live, o);
}

void ours_release(struct ours *o)
{
	ruleset_release(&o->cut);
	foreign_shares_release(&o->shares);
}

struct ruleset ours_detach(struct ours *o, struct ruleset *all)
{
	struct ruleset rs = *o->rs;

	if (o->rs == all)
		*all = (struct ruleset){0};
	else
		ruleset_release(all);
	o->cut = (struct ruleset){0};
	return rs;
}

/* Foreign rules of the target that live has not do not come there. */
static void note_left(const struct foreign_shares *live, const struct foreign_shares *target, const char *what)
{
	for (size_t i = 0; i < target->n; i++) {
		const struct foreign_share *t = &target->share[i], *l = foreign_share_of(live, t->owner);
		size_t more = foreign_share_more(t, l);

		if (more)
			log_warning("left out of %s, since it belongs to %s: %zu chain%s or rule%s (--all takes it)",
				    what, t->owner->title, more, more == 1 ? "" : "s",
				    more == 1 ? "" : "s");
	}
}

int graft_open(struct context *c, struct ruleset *live, struct ruleset *target, const char *what,
	       struct grafted *g)
{
	struct foreign_notes notes = {.dropped = {NULL, 0}};
	int r;

	*g = (struct grafted){.rs = target};
	foreign_look(&c->foreign, live);
	foreign_look(&c->foreign, target);
	if (c->all || !foreign_any(&c->foreign))
		return 0;
	g->rs = &g->made;
	r = foreign_graft(&c->foreign, live, target, false, &g->made, &notes);
	if (!r)
		note_left(&notes.live, &notes.target, what);
	for (size_t i = 0; !r && i < notes.dropped.n; i++) {
		log_warning("left out: %s, which is another program's and not there", notes.dropped.s[i]);
		g->status = EXIT_PARTIAL;
	}
	foreign_notes_release(&notes);
	return r;
}

struct foreign *context_foreign(struct context *c)
{
	return c->all ? NULL : &c->foreign;
}

void graft_release(struct grafted *g)
{
	ruleset_release(&g->made);
	*g = (struct grafted){0};
}

void warn_touched(struct context *c, struct ruleset *before, struct ruleset *after)
{
	cleanup_strlist struct strlist lines = {NULL, 0};
	struct foreign_shares was = {0}, is = {0};
	int r;

	foreign_look(&c->foreign, before);
	if (!foreign_any(&c->foreign))
		return;
	r = foreign_count(&c->foreign, before, &was);
	if (!r)
		r = foreign_count(&c->foreign, after, &is);
	if (!r)
		foreign_touched(&was, &is, &lines);
	for (size_t i = 0; i < lines.n; i++)
		log_warning("%s", lines.s[i]);
	foreign_shares_release(&was);
	foreign_shares_release(&is);
}

/* One that was saved with --all, or before its owner was known, has foreign parts. */
static bool is_cut_of(struct context *c, const struct ruleset *rs, unsigned id)
{
	struct manifest m = {0};
	struct ours o = {0};
	bool same = !store_load(&c->store, id, &m) && of_this_machine(&m) &&
		    !engines_digest(&m.rs, "the snapshot") && !ours_open(c, &m.rs, &o) &&
		    ruleset_equal(rs, o.rs);

	ours_release(&o);
	manifest_release(&m);
	return same;
}

bool is_saved_as(struct context *c, const struct ruleset *rs, const struct manifest *m)
{
	if (!frontends_saved(c, m))
		return false;
	if (ruleset_equal(rs, &m->rs))
		return true;
	return m->id && !c->all && c->foreign.n && is_cut_of(c, rs, m->id);
}

static json_t *counts_json(const char *owner, unsigned tables, const struct table_counts *n)
{
	return json_pack("{s:s,s:i,s:i,s:i,s:i,s:i}", "owner", owner, "tables", tables, "chains", n->chains,
			 "rules", n->rules, "sets", n->sets, "elements", n->elements);
}

json_t *shares_json(const struct foreign_shares *s)
{
	json_t *j = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct foreign_share *share = &s->share[i];
		json_t *one = counts_json(share->owner->title, share->tables, &share->counts);

		json_object_set_new(one, "names", json_strings(&share->objects));
		json_array_append_new(j, one);
	}
	return j;
}

json_t *manifest_foreign_json(const struct manifest *m)
{
	json_t *j = json_array();

	for (size_t i = 0; i < m->nforeign; i++)
		json_array_append_new(j, counts_json(m->foreign[i].owner, m->foreign[i].tables,
						     &m->foreign[i].counts));
	return j;
}

static void print_share(const char *owner, unsigned tables, const struct table_counts *n)
{
	cleanup_free char *text = foreign_counts_text(n, tables), *name = str_visible(owner);

	printf("foreign  %s: %s\n", name, text);
}

void print_shares(const struct foreign_shares *s, bool objects)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct foreign_share *share = &s->share[i];

		print_share(share->owner->title, share->tables, &share->counts);
		for (size_t j = 0; objects && j < share->objects.n; j++) {
			cleanup_free char *name = str_visible(share->objects.s[j]);

			printf("         %s\n", name);
		}
	}
}

void print_manifest_foreign(const struct manifest *m)
{
	for (size_t i = 0; i < m->nforeign; i++)
		print_share(m->foreign[i].owner, m->foreign[i].tables, &m->foreign[i].counts);
}

void manifest_note_foreign(struct manifest *m, const struct foreign_shares *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct manifest_foreign *f = array_grow(&m->foreign, &m->nforeign, sizeof(*f));

		*f = (struct manifest_foreign){str_dup(s->share[i].owner->title), s->share[i].tables,
					       s->share[i].counts};
	}
}
