/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "difference_cut.h"

#include <stdio.h>
#include <string.h>

/* What is said where: of the table itself, then of its parts in this order. */
enum place { PLACE_TABLE, PLACE_SET, PLACE_CHAIN };

/* A change, and what it is sorted by. */
struct entry {
	const struct item_change *change;
	enum place place;
	size_t rank; /* of the chain or set */
	size_t index;
};

/* The changes of one chain or set. */
struct group {
	const struct entry *e;
	size_t n;
	const char *name;
};

struct putting {
	const struct pair *pair;
	struct difference *d;
	struct difference_table *table;
};

/* Where a chain or set stands. */
struct standing {
	enum item_kind kind;
	const char *name;
	size_t rank;
};

static const struct item *item_of(const struct item_change *c)
{
	return c->new ? c->new : c->old;
}

static int compare_standing(const void *a, const void *b)
{
	const struct standing *x = a, *y = b;
	int r = x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->name, y->name);

	return r ? r : x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* In the order of the new table; what is gone comes last. Sorted by name, for rank_of. */
static struct standing *find_standings(const struct pair *p, size_t *n)
{
	static const enum side order[] = {SIDE_NEW, SIDE_OLD};
	struct standing *all = NULL;
	size_t rank = 0;

	for (size_t i = 0; i < SIDES; i++) {
		const struct items *items = &p->items[order[i]];

		for (size_t j = 0; j < items->n; j++, rank++)
			if (items->item[j].kind == ITEM_CHAIN || items->item[j].kind == ITEM_SET)
				*(struct standing *)array_grow(&all, n, sizeof(*all)) =
					(struct standing){items->item[j].kind, items->item[j].name,
							  rank};
	}
	if (*n)
		qsort(all, *n, sizeof(*all), compare_standing);
	return all;
}

static size_t rank_of(const struct standing *all, size_t n, enum item_kind kind, const char *name)
{
	const struct standing wanted = {kind, name, 0};
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_standing(&wanted, &all[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n ? all[low].rank : 0;
}

static enum place place_of(const struct pair *p, const struct item *item)
{
	if (pair_table(p)->engine == ENGINE_IPSET || item->kind == ITEM_TABLE ||
	    item->kind == ITEM_OBJECT)
		return PLACE_TABLE;
	return item->kind == ITEM_SET || item->kind == ITEM_ELEMENT ? PLACE_SET : PLACE_CHAIN;
}

static int compare_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static struct entry *sort_changes(const struct pair *p)
{
	struct entry *e = mem_alloc((p->changes.n + 1) * sizeof(*e));
	size_t n = 0;
	struct standing *all = find_standings(p, &n);

	for (size_t i = 0; i < p->changes.n; i++) {
		const struct item *item = item_of(&p->changes.change[i]);
		enum place place = place_of(p, item);

		e[i] = (struct entry){&p->changes.change[i], place, 0, i};
		if (place != PLACE_TABLE)
			e[i].rank = rank_of(all, n, place == PLACE_SET ? ITEM_SET : ITEM_CHAIN,
					    item->name);
	}
	if (p->changes.n)
		qsort(e, p->changes.n, sizeof(*e), compare_entry);
	free(all);
	return e;
}

static enum difference_sign sign_of(const struct item_change *c)
{
	return !c->old ? SIGN_ADDED : !c->new ? SIGN_REMOVED : SIGN_NONE;
}

static enum difference_sign side_sign(enum side side)
{
	return side == SIDE_OLD ? SIGN_REMOVED : SIGN_ADDED;
}

/* NULL: it is not listed. */
static const struct listed *listed_part(const struct putting *p, enum side side,
					enum listed_kind kind, const char *name)
{
	const struct cut *c = &p->pair->cut[side];
	size_t n;

	return c->listed && !c->why ? listing_find(&c->listing, kind, name, &n) : NULL;
}

/* "rule 3 (cannot be shown: nft is not installed)" */
static void put_unknown(const struct putting *p, struct difference_section *s, enum side side,
			const char *what)
{
	const char *why = p->pair->cut[side].why;
	cleanup_free char *text =
		str_printf("%s (cannot be shown: %s)", what,
			   why ? why : "its listing does not have what was loaded");

	difference_add_line(s, side_sign(side), text);
}

/* What a change of a declaration does not show is there all the same. */
static void put_hidden(struct difference_section *s)
{
	difference_add_line(s, SIGN_NONE, "these differ in what is not shown");
}

/* "policy accept -> drop", where no more than that differs. Caller frees. NULL: it does. */
static char *policy_change(const char *old, const char *new)
{
	static const char word[] = "policy ";
	const char *a = strstr(old, word), *b = strstr(new, word);

	if (!a || !b || a - old != b - new || strncmp(old, new, (size_t)(a - old)) ||
	    strpbrk(a, ";") || strpbrk(b, ";"))
		return NULL;
	return str_printf("%s -> %s", a, b + strlen(word));
}

/* What declares a chain, a set or the table: of a new one or one that is gone a note, else what it
 * was and is. */
static void put_declaration(const struct putting *p, struct difference_section *s,
			    const struct item_change *c, enum listed_kind kind, const char *name)
{
	const struct listed *old = listed_part(p, SIDE_OLD, kind, name);
	const struct listed *new = listed_part(p, SIDE_NEW, kind, name);
	const struct listed *only = c->new ? new : old;

	p->d->counts.others++;
	if (!c->old || !c->new) {
		if (only && *only->text)
			difference_set_note(s, only->text);
	} else if (!old || !new) {
		put_unknown(p, s, SIDE_OLD, "its declaration");
		put_unknown(p, s, SIDE_NEW, "its declaration");
	} else {
		cleanup_free char *policy = policy_change(old->text, new->text);

		if (policy) {
			difference_set_note(s, policy);
			return;
		}
		if (*old->text)
			difference_add_line(s, SIGN_REMOVED, old->text);
		if (*new->text)
			difference_add_line(s, SIGN_ADDED, new->text);
		if (!strcmp(old->text, new->text))
			put_hidden(s);
	}
}

static void put_elements_of(const struct putting *p, struct difference_section *s, enum side side,
			    const struct listed *l, size_t n)
{
	size_t shown = n > DIFFERENCE_ELEMENTS ? DIFFERENCE_EXAMPLES : n;
	cleanup_buf struct buf text = BUF_INIT;

	if (!n)
		return;
	if (n > DIFFERENCE_ELEMENTS || !l || l->pieces.n != shown) {
		difference_put_count(&text, n);
		buf_add_str(&text, n == 1 ? " element" : " elements");
	}
	if (!l || l->pieces.n != shown) {
		put_unknown(p, s, side, buf_str(&text));
		return;
	}
	for (size_t i = 0; i < shown; i++)
		buf_printf(&text, "%s%s",
			   i	      ? ", "
			   : text.len ? ", among them "
				      : "",
			   l->pieces.s[i]);
	difference_add_line(s, side_sign(side), buf_str(&text));
}

/* The elements of a set among the changes of a group. */
static void put_elements(const struct putting *p, struct difference_section *s,
			 const struct group *g)
{
	size_t n[SIDES] = {0};

	for (size_t i = 0; i < g->n; i++) {
		const struct item_change *c = g->e[i].change;

		if (item_of(c)->kind != ITEM_ELEMENT)
			continue;
		n[SIDE_OLD] += c->old != NULL;
		n[SIDE_NEW] += c->new != NULL;
	}
	for (int side = 0; side < SIDES; side++)
		put_elements_of(p, s, side, listed_part(p, side, LISTED_SET, g->name), n[side]);
	p->d->counts.elements_removed += (unsigned)n[SIDE_OLD];
	p->d->counts.elements_added += (unsigned)n[SIDE_NEW];
}

static void put_set(const struct putting *p, const struct group *g)
{
	const struct item_change *first = g->e[0].change;
	bool declared = item_of(first)->kind == ITEM_SET;
	const struct listed *l = listed_part(p, SIDE_NEW, LISTED_SET, g->name);
	cleanup_free char *name = str_printf("set %s", g->name);
	struct difference_section *s;

	if (!l)
		l = listed_part(p, SIDE_OLD, LISTED_SET, g->name);
	s = difference_add_section(p->table, declared ? sign_of(first) : SIGN_NONE,
				   l ? l->head : name);
	if (declared)
		put_declaration(p, s, first, LISTED_SET, g->name);
	put_elements(p, s, g);
}

/* The rules of one chain. */
struct rules {
	const struct listed *listed[SIDES]; /* NULL: not to be shown */
	size_t n[SIDES];		    /* put so far */
	size_t run[SIDES];		    /* entry where those that stand together last began */
	size_t run_at;			    /* place in its listing of the first that is gone */
	bool hidden;			    /* two that differ are written alike */
};

static void count_rules(const struct group *g, size_t n[static SIDES])
{
	for (size_t i = 0; i < g->n; i++) {
		const struct item_change *c = g->e[i].change;

		if (item_of(c)->kind == ITEM_RULE)
			n[c->new ? SIDE_NEW : SIDE_OLD]++;
	}
}

/* The i-th that is listed in a chain is the i-th that was loaded. */
static void put_rule(const struct putting *p, struct difference_section *s, struct rules *r,
		     const struct item_change *c)
{
	enum side side = c->new ? SIDE_NEW : SIDE_OLD;
	size_t at = r->n[side]++;
	/* all that are gone from before it have been put */
	size_t number = side == SIDE_OLD ? c->place : c->place - r->n[SIDE_OLD] + at;
	cleanup_free char *name = str_printf("rule %zu", number + 1);

	if (r->listed[side])
		difference_add_line(s, side_sign(side), r->listed[side]->pieces.s[at]);
	else
		put_unknown(p, s, side, name);
}

static bool is_rule(const struct group *g, size_t i, enum side side)
{
	return i < g->n && item_of(g->e[i].change)->kind == ITEM_RULE &&
	       change_side(g->e[i].change, side);
}

/* Of rules that stand for others, whether one is written like the one in its place. */
static void compare_texts(struct rules *r, const struct group *g, size_t i)
{
	enum side side = is_rule(g, i, SIDE_NEW) ? SIDE_NEW : SIDE_OLD;
	size_t twin;

	if (!i || !is_rule(g, i - 1, side)) {
		r->run[side] = i;
		r->run_at = side == SIDE_OLD ? r->n[SIDE_OLD] : r->run_at;
	}
	if (side == SIDE_OLD || !r->listed[SIDE_OLD] || !r->listed[SIDE_NEW])
		return;
	twin = r->run[SIDE_OLD] + i - r->run[SIDE_NEW];
	if (twin >= r->run[SIDE_NEW] || !is_rule(g, twin, SIDE_OLD))
		return;
	r->hidden |= !digest_equal(g->e[twin].change->old->digest, g->e[i].change->new->digest) &&
		     !strcmp(r->listed[SIDE_OLD]->pieces.s[r->run_at + twin - r->run[SIDE_OLD]],
			     r->listed[SIDE_NEW]->pieces.s[r->n[SIDE_NEW]]);
}

static void put_rules(const struct putting *p, struct difference_section *s, const struct group *g)
{
	struct rules r = {0};
	size_t n[SIDES] = {0};

	count_rules(g, n);
	for (int side = 0; side < SIDES; side++) {
		r.listed[side] = listed_part(p, side, LISTED_CHAIN, g->name);
		if (r.listed[side] && r.listed[side]->pieces.n != n[side])
			r.listed[side] = NULL;
	}
	for (size_t i = 0; i < g->n; i++) {
		if (item_of(g->e[i].change)->kind != ITEM_RULE)
			continue;
		compare_texts(&r, g, i);
		put_rule(p, s, &r, g->e[i].change);
	}
	if (r.hidden)
		put_hidden(s);
	p->d->counts.rules_removed += (unsigned)n[SIDE_OLD];
	p->d->counts.rules_added += (unsigned)n[SIDE_NEW];
}

static void put_chain(const struct putting *p, const struct group *g)
{
	const struct item_change *first = g->e[0].change;
	bool declared = item_of(first)->kind == ITEM_CHAIN;
	cleanup_free char *name = str_printf("chain %s", g->name);
	struct difference_section *s =
		difference_add_section(p->table, declared ? sign_of(first) : SIGN_NONE, name);

	if (declared)
		put_declaration(p, s, first, LISTED_CHAIN, g->name);
	put_rules(p, s, g);
}

static char *object_text(const struct listed *l)
{
	return *l->text ? str_printf("%s { %s }", l->head, l->text) : str_dup(l->head);
}

/* Objects of a name on one side that the other has not: several types may share the name. */
static size_t put_objects_of(const struct putting *p, struct difference_section *s, enum side side,
			     const char *name)
{
	const struct cut *mine = &p->pair->cut[side], *other = &p->pair->cut[!side];
	size_t n = 0, nother = 0, put = 0;
	const struct listed *l = listing_find(&mine->listing, LISTED_OBJECT, name, &n);
	const struct listed *o = listing_find(&other->listing, LISTED_OBJECT, name, &nother);

	for (size_t i = 0; i < n; i++) {
		cleanup_free char *text = object_text(&l[i]);
		bool both = false;

		for (size_t j = 0; j < nother && !both; j++) {
			cleanup_free char *its = object_text(&o[j]);

			both = !strcmp(text, its);
		}
		if (!both)
			difference_add_line(s, side_sign(side), text);
		put += !both;
	}
	return put;
}

static void put_object(const struct putting *p, struct difference_section *s,
		       const struct item_change *c)
{
	const char *name = item_of(c)->name;
	size_t put = 0;

	p->d->counts.others++;
	for (int side = 0; side < SIDES; side++)
		put += put_objects_of(p, s, side, name);
	for (int side = 0; side < SIDES && !put; side++) {
		cleanup_free char *what = str_printf("object %s", name);

		if (change_side(c, side))
			put_unknown(p, s, side, what);
	}
}

/* The table's own attributes, its objects; of an ipset its members. */
static void put_whole(const struct putting *p, const struct group *g)
{
	struct difference_section *s = difference_add_section(p->table, SIGN_NONE, NULL);
	const char *object = NULL;

	for (size_t i = 0; i < g->n; i++) {
		const struct item_change *c = g->e[i].change;
		const struct item *item = item_of(c);

		if (item->kind == ITEM_TABLE)
			put_declaration(p, s, c, LISTED_TABLE, "");
		if (item->kind == ITEM_OBJECT && (!object || strcmp(object, item->name)))
			put_object(p, s, c);
		object = item->kind == ITEM_OBJECT ? item->name : NULL;
	}
	put_elements(p, s, g);
}

static size_t group_length(const struct entry *e, size_t n)
{
	size_t i = 0;

	while (i < n && e[i].place == e->place &&
	       (e->place == PLACE_TABLE ||
		!strcmp(item_of(e[i].change)->name, item_of(e->change)->name)))
		i++;
	return i;
}

static void put_groups(const struct putting *p, const struct entry *e, size_t n)
{
	static void (*const put[])(const struct putting *, const struct group *) = {
		[PLACE_TABLE] = put_whole, [PLACE_SET] = put_set, [PLACE_CHAIN] = put_chain};

	for (size_t i = 0; i < n;) {
		struct group g = {e + i, group_length(e + i, n - i), ""};

		if (e[i].place != PLACE_TABLE)
			g.name = item_of(e[i].change)->name;
		put[e[i].place](p, &g);
		i += g.n;
	}
}

static void put_nothing(const struct putting *p)
{
	bool built = engines[pair_table(p->pair)->engine];
	struct difference_section *s = difference_add_section(p->table, SIGN_NONE, NULL);

	difference_add_line(s, SIGN_NONE,
			    built ? "it differs in what is not shown"
				  : "it differs (cannot be shown: fwsnap was built "
				    "without legacy iptables)");
	p->d->counts.others++;
}

void difference_add_pair(struct difference *d, const struct pair *pair)
{
	cleanup_free char *label = table_label(pair_table(pair));
	struct putting p = {.pair = pair, .d = d};
	cleanup_free struct entry *e = sort_changes(pair);

	p.table = difference_add_table(d,
				       !pair->table[SIDE_OLD]	? SIGN_ADDED
				       : !pair->table[SIDE_NEW] ? SIGN_REMOVED
								: SIGN_NONE,
				       label);
	put_groups(&p, e, pair->changes.n);
	if (!pair->changes.n)
		put_nothing(&p);
}
