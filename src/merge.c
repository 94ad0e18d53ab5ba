/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "merge.h"

#include "log.h"
#include "merge_items.h"
#include "order.h"

#include <errno.h>
#include <string.h>

struct merging {
	struct ruleset *base, *ours, *theirs, *out;
	struct strlist *conflicts;
	bool foreign_numbers; /* ours has a number for another name than out */
};

static void add_conflict(const struct merging *m, const struct table *t, const char *what)
{
	cleanup_free char *label = table_label(t), *line = NULL;

	if (!m->conflicts)
		return;
	line = str_printf("%s was changed by others too: %s", label, what);
	strlist_add(m->conflicts, line);
}

/* Numbers of theirs are those of the result. Where ours has the same ones its records can be copied. */
static void begin_names(struct merging *m)
{
	struct ruleset *out = m->out, *ours = m->ours;

	ruleset_outline(m->theirs, out);
	while (out->ntables)
		ruleset_drop(out, &out->tables[out->ntables - 1]);
	buf_release(&out->order);
	for (size_t i = 0; i < out->nsets; i++)
		out->sets[i].written = false;
	for (size_t i = 0; i < ours->nlinks; i++)
		if (ours->links[i].index &&
		    ruleset_move_link(out, ours, ours->links[i].index) != ours->links[i].index)
			m->foreign_numbers = true;
	for (size_t i = 0; i < ours->nsets; i++)
		if (ruleset_move_set(out, ours, ours->sets[i].index) != ours->sets[i].index)
			m->foreign_numbers = true;
}

static void copy_table(struct merging *m, const struct table *t)
{
	struct table *copy = ruleset_add(m->out, t->engine, t->family, t->name);

	copy->type = t->type ? str_dup(t->type) : NULL;
	copy->empty = t->empty;
	copy->fixed = t->fixed;
	copy->dynamic = t->dynamic;
	copy->counts = t->counts;
	copy->size = t->size;
	buf_add(&copy->records, t->records.data, t->records.len);
	for (size_t i = 0; i < t->chains.n; i++)
		strlist_add(&copy->chains, t->chains.s[i]);
}

static int take_apart(struct merge_side *side)
{
	return side->table ? engines[side->table->engine]->items(side->rs, side->table, &side->items)
			   : 0;
}

static int compose(struct merging *m, const struct table *like, const struct merge_pieces *pieces)
{
	struct table *t = ruleset_add(m->out, like->engine, like->family, like->name);
	int r = engines[like->engine]->compose(m->out, t, pieces->piece, pieces->n);

	if (r < 0)
		ruleset_drop(m->out, t);
	return r;
}

/* Ours as a whole. */
static int take_ours(struct merging *m, const struct table *ours)
{
	struct merge_side side = {m->ours, ours, {0}};
	struct merge_pieces all = {0};
	int r;

	if (!m->foreign_numbers || ours->engine == ENGINE_IPSET) {
		copy_table(m, ours);
		return 0;
	}
	r = take_apart(&side);
	for (int kind = 0; !r && kind < ITEM_KINDS; kind++)
		for (size_t i = 0; i < side.items.n; i++)
			if ((int)side.items.item[i].kind == kind)
				*(struct piece *)array_grow(&all.piece, &all.n, sizeof(*all.piece)) =
					(struct piece){m->ours, ours, &side.items.item[i]};
	if (!r)
		r = compose(m, ours, &all);
	free(all.piece);
	items_release(&side.items);
	return r;
}

/* Pieces that do not fit together are a case for ours alone. */
static int merge_pieces(struct merging *m, const struct table *base, const struct table *ours,
			const struct table *theirs)
{
	struct merge_side b = {m->base, base, {0}}, o = {m->ours, ours, {0}};
	struct merge_side t = {m->theirs, theirs, {0}};
	struct merge_pieces pieces = {0};
	int r = take_apart(&b);

	if (!r)
		r = take_apart(&o);
	if (!r)
		r = take_apart(&t);
	if (!r) {
		merge_items(&b, &o, &t, &pieces, m->conflicts);
		r = compose(m, theirs, &pieces);
		if (r == -ENOENT || r == -EXDEV) {
			add_conflict(m, ours, "their changes are gone");
			r = take_ours(m, ours);
		}
	}
	free(pieces.piece);
	items_release(&b.items);
	items_release(&o.items);
	items_release(&t.items);
	return r;
}

static bool is_there(const struct table *t)
{
	return t && !t->empty;
}

static int merge_table(struct merging *m, const struct table *base, const struct table *ours,
		       const struct table *theirs)
{
	bool touched = !table_equal(base, theirs);

	if (table_equal(base, ours) || table_equal(ours, theirs)) {
		if (theirs)
			copy_table(m, theirs);
		return 0;
	}
	if (!is_there(ours)) {
		if (touched)
			add_conflict(m, theirs, "it is gone");
		return 0;
	}
	if (!is_there(theirs)) {
		if (touched)
			add_conflict(m, ours, "they removed it, and it is there again");
		return take_ours(m, ours);
	}
	if (!touched && digest_equal(ours->dynamic, theirs->dynamic))
		return take_ours(m, ours);
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

static void merge_orders(struct merging *m)
{
	cleanup_strlist struct strlist chains = {NULL, 0};

	for (size_t i = 0; i < m->out->ntables; i++) {
		const struct table *t = &m->out->tables[i];

		for (size_t j = 0; t->engine == ENGINE_NFT && j < t->chains.n; j++) {
			cleanup_free char *name = str_printf("%s %s %s", family_name(t->family),
							     t->name, t->chains.s[j]);

			strlist_add(&chains, name);
		}
	}
	order_merge(&m->base->order, &m->ours->order, &m->theirs->order, &chains, &m->out->order);
}

int merge_rulesets(struct ruleset *base, struct ruleset *ours, struct ruleset *theirs,
		   struct ruleset *out, struct strlist *conflicts)
{
	struct merging m = {.base = base, .ours = ours, .theirs = theirs, .out = out,
			    .conflicts = conflicts};
	int r;

	begin_names(&m);
	r = merge_tables(&m);
	if (r < 0)
		return log_errno(r, "cannot bring the changes of several programs together");
	merge_orders(&m);
	/* which sets rules write to may have changed with the rules */
	return out->nsets ? engines_digest(out, "the merged ruleset") : 0;
}
