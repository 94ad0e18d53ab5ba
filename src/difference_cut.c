/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "difference_cut.h"

#include "text_program.h"

#include <errno.h>
#include <string.h>

void pair_release(struct pair *p)
{
	item_changes_release(&p->changes);
	for (int side = 0; side < SIDES; side++) {
		items_release(&p->items[side]);
		ruleset_release(&p->cut[side].rs);
		listing_release(&p->cut[side].listing);
		free(p->cut[side].why);
	}
}

/* What one side is put together from. */
struct selection {
	struct piece *piece;
	size_t n;
};

static void select_item(struct selection *s, const struct pair *p, enum side side,
			const struct item *item)
{
	*(struct piece *)array_grow(&s->piece, &s->n, sizeof(*s->piece)) =
		(struct piece){.from = p->from[side], .table = p->table[side], .item = item};
}

static bool same_group(const struct item_change *a, const struct item_change *b)
{
	const struct item *x = a->new ? a->new : a->old, *y = b->new ? b->new : b->old;

	return x->kind == y->kind && !strcmp(x->name, y->name);
}

size_t pair_elements(const struct pair *p, enum side side, size_t at)
{
	size_t n = 0;

	for (size_t i = at;
	     i < p->changes.n && same_group(&p->changes.change[at], &p->changes.change[i]); i++)
		n += change_side(&p->changes.change[i], side) != NULL;
	return n;
}

/* Of many elements only some are named. */
static void select_elements(struct selection *s, const struct pair *p, enum side side)
{
	const struct item_change *all = p->changes.change;
	size_t left = 0;

	for (size_t i = 0; i < p->changes.n; i++) {
		const struct item *item = change_side(&all[i], side);

		if ((all[i].new ? all[i].new : all[i].old)->kind != ITEM_ELEMENT)
			continue;
		if (!i || !same_group(&all[i - 1], &all[i])) {
			left = pair_elements(p, side, i);
			if (left > DIFFERENCE_ELEMENTS)
				left = DIFFERENCE_EXAMPLES;
		}
		if (item && left) {
			select_item(s, p, side, item);
			left--;
		}
	}
}

static void select_rules(struct selection *s, const struct pair *p, enum side side)
{
	for (size_t i = 0; i < p->changes.n; i++) {
		const struct item *item = change_side(&p->changes.change[i], side);

		if (item && item->kind == ITEM_RULE)
			select_item(s, p, side, item);
	}
}

/* Names of chains, of sets. */
struct names {
	const char **name;
	size_t n;
};

struct needs {
	struct names of[ITEM_KINDS];
};

static void need(void *arg, enum item_kind kind, const char *name)
{
	struct names *names = &((struct needs *)arg)->of[kind];

	*(const char **)array_grow(&names->name, &names->n, sizeof(name)) = name;
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool needed(const struct needs *needs, enum item_kind kind, const char *name)
{
	const struct names *names = &needs->of[kind];

	return names->n && bsearch(&name, names->name, names->n, sizeof(name), compare_name);
}

/* The chains and sets that differ, hold what differs, or are named by it. */
static void find_needs(const struct pair *p, enum side side, const struct selection *s,
		       struct needs *needs)
{
	const struct engine *e = engines[p->table[side]->engine];
	const struct item **items = mem_alloc((s->n + 1) * sizeof(*items));

	for (size_t i = 0; i < s->n; i++) {
		items[i] = s->piece[i].item;
		need(needs, items[i]->kind == ITEM_RULE ? ITEM_CHAIN : ITEM_SET, items[i]->name);
	}
	for (size_t i = 0; i < p->changes.n; i++) {
		const struct item *item = change_side(&p->changes.change[i], side);

		if (item)
			need(needs, item->kind, item->name);
	}
	if (e->refers)
		e->refers(p->table[side], items, s->n, need, needs);
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		if (needs->of[kind].n)
			qsort(needs->of[kind].name, needs->of[kind].n,
			      sizeof(*needs->of[kind].name), compare_name);
	free(items);
}

/* Elements and rules are chosen already. */
static void select_others(struct selection *s, const struct pair *p, enum side side,
			  const struct needs *needs)
{
	for (size_t i = 0; i < p->items[side].n; i++) {
		const struct item *item = &p->items[side].item[i];
		bool choose = item->kind == ITEM_CHAIN || item->kind == ITEM_SET;

		if (choose ? needed(needs, item->kind, item->name)
			   : item->kind == ITEM_TABLE || item->kind == ITEM_OBJECT)
			select_item(s, p, side, item);
	}
}

static int compare_piece(const void *a, const void *b)
{
	const struct item *x = ((const struct piece *)a)->item,
			  *y = ((const struct piece *)b)->item;

	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : x < y ? -1 : x > y;
}

/* By kind, and as they stand in the table. */
static void select_all(struct selection *s, const struct pair *p, enum side side)
{
	struct needs needs = {0};

	select_elements(s, p, side);
	select_rules(s, p, side);
	find_needs(p, side, s, &needs);
	select_others(s, p, side, &needs);
	if (s->n)
		qsort(s->piece, s->n, sizeof(*s->piece), compare_piece);
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		free(needs.of[kind].name);
}

static int compose(struct ruleset *rs, const struct table *like, const struct selection *s)
{
	struct table *t = ruleset_add(rs, like->engine, like->family, like->name);

	t->type = like->type ? str_dup(like->type) : NULL;
	return engines[like->engine]->compose(rs, t, s->piece, s->n);
}

/* An ipset without its members. */
static int compose_header(struct ruleset *rs, struct ruleset *from, const struct table *t)
{
	struct pair whole = {.from = {from}, .table = {t}};
	struct selection s = {NULL, 0};
	int r = engines[ENGINE_IPSET]->items(from, t, &whole.items[SIDE_OLD]);

	select_others(&s, &whole, SIDE_OLD, &(struct needs){0});
	if (!r)
		r = compose(rs, t, &s);
	free(s.piece);
	pair_release(&whole);
	return r;
}

static bool holds_sets(const struct table *t)
{
	return t->type && !strcmp(t->type, "list:set");
}

/* The ipsets that have to be there for the table: those that its rules name; those that it may
 * hold. */
static int compose_sets(struct cut *c, struct ruleset *from, const struct table *t)
{
	int r = 0;

	for (size_t i = 0; i < from->ntables && !r; i++) {
		const struct table *set = &from->tables[i];

		if (set->engine != ENGINE_IPSET || set == t)
			continue;
		if (holds_sets(t) ? !holds_sets(set) : ruleset_set_named(&c->rs, set->name) != NULL)
			r = compose_header(&c->rs, from, set);
	}
	return r;
}

static int cut_side(struct pair *p, enum side side)
{
	struct cut *c = &p->cut[side];
	struct selection s = {NULL, 0};
	int r;

	c->rs.where = p->from[side]->where;
	select_all(&s, p, side);
	r = compose(&c->rs, p->table[side], &s);
	if (!r && (p->table[side]->engine != ENGINE_IPSET || holds_sets(p->table[side])))
		r = compose_sets(c, p->from[side], p->table[side]);
	free(s.piece);
	if (!r)
		ruleset_finish(&c->rs);
	return r;
}

void pair_cut(struct pair *p)
{
	for (int side = 0; side < SIDES; side++) {
		struct cut *c = &p->cut[side];
		int r = 0;

		for (size_t i = 0; i < p->changes.n && !c->wanted; i++)
			c->wanted = change_side(&p->changes.change[i], side) != NULL;
		if (c->wanted)
			r = cut_side(p, side);
		c->made = c->wanted && !r;
		if (r)
			c->why = str_printf("it cannot be put together: %s", strerror(-r));
	}
}

static void cut_listing(struct cut *c, const struct table *t, const struct text_way *w,
			struct buf *text)
{
	listing_release(&c->listing);
	if (w->kind == TEXT_IPSET)
		listing_cut_ipset(buf_str(text), t->name, &c->listing);
	else if (w->kind == TEXT_NFT)
		listing_cut_nft(buf_str(text), &c->listing);
	else
		listing_cut_iptables(buf_str(text), &c->listing);
	c->listed = true;
}

/* Whether the text alone makes the table: iptables-save passes over in silence what it cannot show.
 */
static bool text_proves(struct scratch *s, struct cut *c, const struct table *t,
			const struct text_way *w, const struct buf *text, struct buf *why)
{
	struct ruleset got = {0}, rest = c->rs;
	bool proved;

	rest.tables = mem_alloc(c->rs.ntables * sizeof(*rest.tables));
	rest.ntables = 0;
	for (size_t i = 0; i < c->rs.ntables; i++)
		if (c->rs.tables[i].engine == ENGINE_IPSET)
			rest.tables[rest.ntables++] = c->rs.tables[i];
	proved = !scratch_load(s, &rest) && !text_feed(s, w->kind, w->variant, text, why) &&
		 !scratch_capture(s, &got, false) &&
		 table_equal(ruleset_counterpart(&c->rs, t), ruleset_counterpart(&got, t));
	ruleset_release(&got);
	free(rest.tables);
	return proved;
}

/* The reason why is the last one. */
static bool list_side(struct pair *p, enum side side, struct scratch *s, const struct text_way *w)
{
	struct cut *c = &p->cut[side];
	const struct table *t = p->table[side];
	cleanup_buf struct buf text = BUF_INIT, why = BUF_INIT;
	int r = scratch_load(s, &c->rs);

	c->listed = false;
	if (r)
		buf_add_str(&why, "it cannot be loaded in a private namespace");
	else
		r = text_list_apart(s, t, w, &text, &why);
	if (!r && t->engine == ENGINE_NFT && w->kind != TEXT_NFT &&
	    !text_proves(s, c, t, w, &text, &why))
		r = -EINVAL;
	if (!r)
		cut_listing(c, t, w, &text);
	free(c->why);
	c->why = r ? buf_detach(&why) : NULL;
	return !r;
}

static bool list_by(struct pair *p, struct scratch *s, const struct text_way *w)
{
	bool all = true;

	for (int side = 0; side < SIDES; side++)
		if (p->cut[side].made)
			all = list_side(p, side, s, w) && all;
	return all;
}

void pair_list(struct pair *p, struct scratch *s)
{
	const struct table *t = pair_table(p);
	struct text_way way = {.kind = text_home(t),
			       .variant =
				       t->engine == ENGINE_XTABLES ? VARIANT_LEGACY : VARIANT_NFT};

	if (list_by(p, s, &way) || t->engine != ENGINE_NFT || way.kind == TEXT_NFT)
		return;
	way.kind = TEXT_NFT;
	list_by(p, s, &way);
}
