/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"

#include "order.h"

int assembly_take_apart(struct assembly_side *s)
{
	return s->table ? engines[s->table->engine]->items(s->rs, s->table, &s->items) : 0;
}

void assembly_add(struct assembly_pieces *p, const struct assembly_side *s, const struct item *item)
{
	*(struct piece *)array_grow(&p->piece, &p->n, sizeof(*p->piece)) =
		(struct piece){.from = s->rs, .table = s->table, .item = item};
}

void assembly_begin(struct assembly *a, struct ruleset *out, const struct ruleset *like)
{
	*a = (struct assembly){.out = out};
	ruleset_outline(like, out);
	while (out->ntables)
		ruleset_drop(out, &out->tables[out->ntables - 1]);
	buf_release(&out->order);
	for (size_t i = 0; i < out->nsets; i++)
		out->sets[i].written = false;
}

void assembly_adopt(struct assembly *a, const struct ruleset *from)
{
	for (size_t i = 0; i < from->nlinks; i++) {
		const struct link_ref *l = &from->links[i];

		if (l->index && ruleset_move_link(a->out, from, l->index) != l->index)
			a->renumbered = true;
		else if (!l->index)
			ruleset_note_device(a->out, l->name);
	}
	for (size_t i = 0; i < from->nsets; i++)
		if (ruleset_move_set(a->out, from, from->sets[i].index) != from->sets[i].index)
			a->renumbered = true;
}

static void copy_table(struct ruleset *out, const struct table *t)
{
	struct table *copy = ruleset_add(out, t->engine, t->family, t->name);

	copy->type = t->type ? str_dup(t->type) : NULL;
	copy->empty = t->empty;
	copy->fixed = t->fixed;
	copy->dynamic = t->dynamic;
	copy->counts = t->counts;
	copy->size = t->size;
	buf_add(&copy->records, t->records.data, t->records.len);
	strlist_add_all(&copy->chains, &t->chains);
	strlist_add_all(&copy->sets, &t->sets);
}

int assembly_copy(struct assembly *a, struct ruleset *from, const struct table *t, bool own)
{
	struct assembly_side side = {from, t, {0}};
	struct assembly_pieces all = {0};
	int r;

	if (own || !a->renumbered || t->engine == ENGINE_IPSET) {
		copy_table(a->out, t);
		return 0;
	}
	r = assembly_take_apart(&side);
	for (int kind = 0; !r && kind < ITEM_KINDS; kind++)
		for (size_t i = 0; i < side.items.n; i++)
			if ((int)side.items.item[i].kind == kind)
				assembly_add(&all, &side, &side.items.item[i]);
	if (!r)
		r = assembly_compose(a, t, &all);
	free(all.piece);
	items_release(&side.items);
	return r;
}

int assembly_compose(struct assembly *a, const struct table *like, const struct assembly_pieces *pieces)
{
	struct table *t = ruleset_add(a->out, like->engine, like->family, like->name);
	int r = engines[like->engine]->compose(a->out, t, pieces->piece, pieces->n);

	if (r < 0)
		ruleset_drop(a->out, t);
	return r;
}

void assembly_drop_empty(struct assembly *a)
{
	struct ruleset *out = a->out;

	if (out->ntables && out->tables[out->ntables - 1].empty)
		ruleset_drop(out, &out->tables[out->ntables - 1]);
}

void assembly_order(struct assembly *a, const struct buf *base, const struct buf *ours,
		    const struct buf *theirs)
{
	cleanup_strlist struct strlist chains = {NULL, 0};

	for (size_t i = 0; i < a->out->ntables; i++) {
		const struct table *t = &a->out->tables[i];

		for (size_t j = 0; t->engine == ENGINE_NFT && j < t->chains.n; j++) {
			cleanup_free char *name = str_printf("%s %s %s", family_name(t->family),
							     t->name, t->chains.s[j]);

			strlist_add(&chains, name);
		}
	}
	order_merge(base, ours, theirs, &chains, &a->out->order);
}

int assembly_end(struct assembly *a)
{
	return a->out->nsets ? engines_digest(a->out, "the ruleset that was put together") : 0;
}
