/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_view.h"

#include "log.h"

#include <errno.h>
#include <string.h>

/* A chain or set of the table at hand. */
struct known {
	const struct item *item;
	const struct foreign_owner *owner;
	bool user;     /* made for the administrator, who may have rules there */
	bool has_ours; /* a user's chain: it has */
	bool lines;    /* a chain: some line is about rules there */
};

struct viewing {
	struct foreign_view *view;
	struct foreign_part *part;
	struct foreign_place place; /* of the table */
	struct known *known;        /* sorted by kind and name */
	size_t n;
	bool foreign_maps; /* they are looked at */
};

struct foreign_place foreign_place_of(const struct table *t)
{
	bool ipset = t->engine == ENGINE_IPSET;

	return (struct foreign_place){.word = {[WORD_FAMILY] = ipset ? NULL : family_name(t->family),
					       [WORD_TABLE] = ipset ? NULL : t->name}};
}

static int compare_known(const void *a, const void *b)
{
	const struct item *x = ((const struct known *)a)->item, *y = ((const struct known *)b)->item;

	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->name, y->name);
}

static struct known *find_known(const struct viewing *v, enum item_kind kind, const char *name)
{
	const struct item item = {.kind = kind, .name = name};
	const struct known like = {.item = &item};

	return v->n ? bsearch(&like, v->known, v->n, sizeof(like), compare_known) : NULL;
}

static void know(struct viewing *v, const struct item *item)
{
	bool chain = item->kind == ITEM_CHAIN;
	struct foreign_place place = v->place;
	struct known *k = array_grow(&v->known, &v->n, sizeof(*k));

	place.word[WORD_NAME] = place.word[WORD_CHAIN] = item->name;
	k->item = item;
	k->lines = chain && foreign_match(v->view->foreign, FOREIGN_RULE, &place, NULL);
	k->owner = foreign_match(v->view->foreign, chain ? FOREIGN_CHAIN : FOREIGN_SET, &place, NULL);
	if (k->owner)
		return;
	k->owner = foreign_match(v->view->foreign, chain ? FOREIGN_USER_CHAIN : FOREIGN_USER_SET, &place,
				 NULL);
	k->user = k->owner != NULL;
}

static const struct foreign_owner *owner_of_ipset(const struct viewing *v, const char *name, bool user)
{
	const struct foreign_place place = {.word = {[WORD_NAME] = name}};

	return foreign_match(v->view->foreign, user ? FOREIGN_USER_SET : FOREIGN_SET, &place, NULL);
}

/* By the chain that it is in. */
static const struct foreign_owner *owner_by_chain(const struct viewing *v, const struct item *rule,
						  const struct facts *facts)
{
	const struct known *chain = find_known(v, ITEM_CHAIN, rule->name);
	const struct strlist *target = &facts->of[FACT_TARGET];

	if (!chain || !chain->owner)
		return NULL;
	if (chain->user && !(target->n == 1 && !strcmp(target->s[0], "RETURN") && facts_are_bare(facts)))
		return NULL;
	return chain->owner;
}

/* By what it leads to. */
static const struct foreign_owner *owner_by_reference(const struct viewing *v, const struct facts *facts)
{
	const struct strlist *jumps = &facts->of[FACT_JUMP], *sets = &facts->of[FACT_SET];

	for (size_t i = 0; i < jumps->n; i++) {
		const struct known *k = find_known(v, ITEM_CHAIN, jumps->s[i]);

		if (k && k->owner && (!k->user || facts_are_bare(facts)))
			return k->owner;
	}
	for (size_t i = 0; i < sets->n; i++) {
		const struct known *k = find_known(v, ITEM_SET, sets->s[i]);
		const struct foreign_owner *o = k ? (k->user ? NULL : k->owner)
						  : owner_of_ipset(v, sets->s[i], false);

		if (o)
			return o;
	}
	return NULL;
}

/* What it leads to, or where it is, may not tell all. */
static bool wants_facts(void *arg, const struct item *rule, const struct facts *facts)
{
	const struct viewing *v = arg;
	const struct known *chain = find_known(v, ITEM_CHAIN, rule->name);
	const struct strlist *jumps = &facts->of[FACT_JUMP];

	for (size_t i = 0; i < jumps->n; i++) {
		const struct known *k = find_known(v, ITEM_CHAIN, jumps->s[i]);

		if (k && k->user)
			return true;
	}
	return chain && (chain->user || (chain->lines && !chain->owner));
}

static const struct foreign_owner *owner_by_line(const struct viewing *v, const struct item *rule,
						 const struct facts *facts)
{
	struct foreign_place place = v->place;

	place.word[WORD_CHAIN] = rule->name;
	return foreign_match(v->view->foreign, FOREIGN_RULE, &place, facts);
}

/* What the other side of the border has that a rule refers to. */
static void note_references(struct viewing *v, bool foreign, const struct facts *facts)
{
	const struct strlist *jumps = &facts->of[FACT_JUMP], *sets = &facts->of[FACT_SET];
	struct foreign_names *names = foreign ? &v->part->relied : &v->part->needed;

	for (size_t i = 0; i < jumps->n; i++) {
		const struct known *k = find_known(v, ITEM_CHAIN, jumps->s[i]);

		if (k && foreign != (k->owner != NULL))
			strlist_add_once(&names->chains, jumps->s[i]);
	}
	for (size_t i = 0; i < sets->n; i++) {
		const struct known *k = find_known(v, ITEM_SET, sets->s[i]);
		bool theirs = k ? k->owner != NULL
				: owner_of_ipset(v, sets->s[i], false) || owner_of_ipset(v, sets->s[i], true);

		if (foreign != theirs)
			strlist_add_once(k ? &names->sets : foreign ? &v->view->relied : &v->view->needed,
					 sets->s[i]);
	}
}

static void view_rule(void *arg, const struct item *rule, const struct facts *facts)
{
	struct viewing *v = arg;
	const struct foreign_owner *owner = owner_by_chain(v, rule, facts);
	struct known *chain = find_known(v, ITEM_CHAIN, rule->name);

	if (!owner)
		owner = owner_by_reference(v, facts);
	if (!owner && chain && chain->lines)
		owner = owner_by_line(v, rule, facts);
	v->part->owners[rule - v->part->side.items.item] = owner;
	if (chain)
		chain->has_ours |= !owner;
	note_references(v, owner != NULL, facts);
}

/* A user's chain with rules of ours is ours, and no rule of ours refers to what is foreign there. */
static void take_back(struct viewing *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct known *k = &v->known[i];

		if (!k->owner || !k->user || !k->has_ours)
			continue;
		k->owner = NULL;
		strlist_add_once(&v->part->relied.chains, k->item->name);
	}
}

static void own_items(struct viewing *v)
{
	const struct items *items = &v->part->side.items;

	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->item[i];
		const struct known *k = item->kind == ITEM_CHAIN ? find_known(v, ITEM_CHAIN, item->name)
					: item->kind == ITEM_SET || item->kind == ITEM_ELEMENT
						? find_known(v, ITEM_SET, item->name)
						: NULL;

		if (k)
			v->part->owners[i] = k->owner;
	}
}

static void note_led_to(void *arg, enum item_kind kind, const char *name)
{
	struct viewing *v = arg;
	const struct known *k = kind == ITEM_CHAIN ? find_known(v, kind, name) : NULL;

	if (k && k->owner && !v->foreign_maps)
		strlist_add_once(&v->part->led_to, name);
	else if (k && !k->owner && v->foreign_maps)
		strlist_add_once(&v->part->relied.chains, name);
}

/* Where elements of maps lead to, on the other side of the border. */
static void note_maps(struct viewing *v, const struct engine *e, bool foreign)
{
	const struct items *items = &v->part->side.items;
	const struct item **elements = NULL;
	size_t n = 0;

	for (size_t i = 0; i < items->n; i++)
		if (items->item[i].kind == ITEM_ELEMENT && foreign == (v->part->owners[i] != NULL))
			*(const struct item **)array_grow(&elements, &n, sizeof(*elements)) = &items->item[i];
	v->foreign_maps = foreign;
	if (n)
		e->refers(v->part->side.table, elements, n, note_led_to, v);
	free(elements);
}

static bool has_foreign_chain(const struct viewing *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->known[i].item->kind == ITEM_CHAIN && v->known[i].owner)
			return true;
	return false;
}

/* A table in which nothing is ours is foreign as a whole. */
static void own_table(struct foreign_part *p)
{
	const struct items *items = &p->side.items;
	const struct foreign_owner *one = NULL;
	bool ours = false;

	for (size_t i = 0; i < items->n; i++) {
		if (p->owners[i])
			one = p->owners[i];
		else
			ours |= items->item[i].kind != ITEM_TABLE;
	}
	p->any = one != NULL;
	p->whole = ours ? NULL : one;
}

static int view_table(struct foreign_view *view, struct foreign_part *part)
{
	struct viewing v = {.view = view, .part = part, .place = foreign_place_of(part->side.table)};
	const struct engine *e = engines[part->side.table->engine];
	struct items *items = &part->side.items;
	int r = assembly_take_apart(&part->side);

	if (r)
		return r;
	part->owners = mem_zalloc((items->n + 1) * sizeof(*part->owners));
	for (size_t i = 0; i < items->n; i++)
		if (items->item[i].kind == ITEM_CHAIN || items->item[i].kind == ITEM_SET)
			know(&v, &items->item[i]);
	if (v.n)
		qsort(v.known, v.n, sizeof(*v.known), compare_known);
	if (e->facts)
		e->facts(view->rs, part->side.table, items, wants_facts, view_rule, &v);
	take_back(&v);
	own_items(&v);
	own_table(part);
	if (e->refers && has_foreign_chain(&v))
		note_maps(&v, e, false);
	if (e->refers && part->any)
		note_maps(&v, e, true);
	free(v.known);
	return 0;
}

static int view_part(struct foreign_view *v, size_t i)
{
	struct foreign_part *p = &v->parts[i];
	struct table *t = &v->rs->tables[i];
	struct foreign_place place = foreign_place_of(t);

	p->side.rs = v->rs;
	p->side.table = t;
	if (!engines[t->engine])
		return 0;
	place.word[WORD_NAME] = t->name;
	if (t->engine == ENGINE_IPSET) {
		p->whole = foreign_match(v->foreign, FOREIGN_SET, &place, NULL);
		if (!p->whole)
			p->whole = foreign_match(v->foreign, FOREIGN_USER_SET, &place, NULL);
	} else if (t->engine == ENGINE_NFT) {
		p->whole = foreign_match(v->foreign, FOREIGN_TABLE, &place, NULL);
	}
	p->any = p->whole != NULL;
	return p->whole || t->engine == ENGINE_IPSET ? 0 : view_table(v, p);
}

int foreign_view_open(struct foreign_view *v, const struct foreign *f, struct ruleset *rs)
{
	*v = (struct foreign_view){.foreign = f, .rs = rs};
	v->parts = mem_zalloc((rs->ntables + 1) * sizeof(*v->parts));
	for (size_t i = 0; i < rs->ntables; i++) {
		int r = view_part(v, i);

		if (r < 0) {
			cleanup_free char *label = table_label(&rs->tables[i]);

			return log_errno(r, "cannot take '%s' apart", label);
		}
	}
	return 0;
}

static void names_release(struct foreign_names *n)
{
	strlist_release(&n->chains);
	strlist_release(&n->sets);
}

void foreign_view_release(struct foreign_view *v)
{
	for (size_t i = 0; v->rs && i < v->rs->ntables; i++) {
		struct foreign_part *p = &v->parts[i];

		items_release(&p->side.items);
		free(p->owners);
		names_release(&p->needed);
		names_release(&p->relied);
		strlist_release(&p->led_to);
	}
	free(v->parts);
	strlist_release(&v->needed);
	strlist_release(&v->relied);
}

struct foreign_part *foreign_view_part(const struct foreign_view *v, const struct table *t)
{
	const struct table *found = ruleset_counterpart(v->rs, t);

	return found ? &v->parts[found - v->rs->tables] : NULL;
}

const struct foreign_owner *foreign_owner_of(const struct foreign_part *p, const struct item *item)
{
	return p->whole ? p->whole : p->owners ? p->owners[item - p->side.items.item] : NULL;
}

bool foreign_has_chain(const struct foreign_part *p, const char *name)
{
	if (p->whole)
		return strlist_has(&p->side.table->chains, name);
	for (size_t i = 0; p->any && i < p->side.items.n; i++) {
		const struct item *item = &p->side.items.item[i];

		if (item->kind == ITEM_CHAIN && !strcmp(item->name, name))
			return p->owners[i] != NULL;
	}
	return false;
}
