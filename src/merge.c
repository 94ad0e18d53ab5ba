/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "merge.h"

#include "log.h"
#include "merge_items.h"

#include <errno.h>
#include <string.h>

struct merging {
	struct ruleset *base, *ours, *theirs;
	struct strlist *conflicts;
	struct assembly out;
};

static void add_conflict(const struct merging *m, const struct table *t, const char *what)
{
	cleanup_free char *label = table_label(t), *line = NULL;

	if (!m->conflicts)
		return;
	line = str_printf("%s was changed by others too: %s", label, what);
	strlist_add(m->conflicts, line);
}

/* Pieces that do not fit together are a case for ours alone. */
static int merge_pieces(struct merging *m, const struct table *base, const struct table *ours,
			const struct table *theirs)
{
	struct assembly_side b = {m->base, base, {0}}, o = {m->ours, ours, {0}};
	struct assembly_side t = {m->theirs, theirs, {0}};
	struct assembly_pieces pieces = {0};
	int r = assembly_take_apart(&b);

	if (!r)
		r = assembly_take_apart(&o);
	if (!r)
		r = assembly_take_apart(&t);
	if (!r) {
		merge_items(&b, &o, &t, &pieces, m->conflicts);
		r = assembly_compose(&m->out, theirs, &pieces);
		if (r == -ENOENT || r == -EXDEV) {
			add_conflict(m, ours, "their changes are gone");
			r = assembly_copy(&m->out, m->ours, ours, false);
		}
	}
	free(pieces.piece);
	items_release(&b.items);
	items_release(&o.items);
	items_release(&t.items);
	return r;
}

/* A table of nf_tables may be there though it equals an absent one. */
static bool is_there(const struct table *t)
{
	return t && (!t->empty || (t->engine == ENGINE_NFT && t->records.len));
}

static int merge_table(struct merging *m, const struct table *base, const struct table *ours,
		       const struct table *theirs)
{
	bool touched = !table_equal(base, theirs);

	if (!base && !theirs)
		return is_there(ours) ? assembly_copy(&m->out, m->ours, ours, false) : 0;
	if (table_equal(base, ours) || table_equal(ours, theirs))
		return theirs ? assembly_copy(&m->out, m->theirs, theirs, true) : 0;
	if (!is_there(ours)) {
		if (touched)
			add_conflict(m, theirs, "it is gone");
		return 0;
	}
	if (!is_there(theirs)) {
		if (touched)
			add_conflict(m, ours, "they removed it, and it is there again");
		return assembly_copy(&m->out, m->ours, ours, false);
	}
	if (!touched && digest_equal(ours->dynamic, theirs->dynamic))
		return assembly_copy(&m->out, m->ours, ours, false);
	return merge_pieces(m, base, ours, theirs);
}

static int merge_tables(struct merging *m)
{
	int r = 0;

	for (size_t i = 0; !r && i < m->theirs->ntables; i++) {
		const struct table *t = &m->theirs->tables[i];

		r = merge_table(m, ruleset_counterpart(m->base, t), ruleset_counterpart(m->ours, t),
				t);
	}
	for (size_t i = 0; !r && i < m->ours->ntables; i++) {
		const struct table *o = &m->ours->tables[i];

		if (!ruleset_counterpart(m->theirs, o))
			r = merge_table(m, ruleset_counterpart(m->base, o), o, NULL);
	}
	return r;
}

int merge_rulesets(struct ruleset *base, struct ruleset *ours, struct ruleset *theirs,
		   struct ruleset *out, struct strlist *conflicts)
{
	struct merging m = {.base = base, .ours = ours, .theirs = theirs, .conflicts = conflicts};
	int r;

	assembly_begin(&m.out, out, theirs);
	assembly_adopt(&m.out, ours);
	r = merge_tables(&m);
	if (r < 0)
		return log_errno(r, "cannot bring the changes of several programs together");
	assembly_order(&m.out, &base->order, &ours->order, &theirs->order);
	return assembly_end(&m.out);
}
