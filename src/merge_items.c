/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "merge_items.h"
#include "merge_rules.h"

#include <string.h>

/* The items of one side by what they are: kind, name, key, rules in their order. */
struct sorted {
	const struct item **item;
	size_t n;
};

enum fate { FATE_STAYS, FATE_GOES, FATE_OURS };

struct merging {
	struct assembly_side *base, *ours, *theirs;
	struct sorted sorted_base, sorted_ours, sorted_theirs;
	enum fate *fates;           /* of theirs, by their place in the items */
	const struct item **become; /* of those that are FATE_OURS */
	const struct item **added;  /* by ours */
	size_t nadded;
	struct strlist emptied; /* sets whose elements are not theirs' */
	struct strlist filled;  /* those of them that have ours' */
	struct strlist gone;    /* chains that ours removed */
	struct assembly_pieces *out;
	struct strlist *conflicts;
};

static int compare_identity(const struct item *a, const struct item *b)
{
	int r = a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : strcmp(a->name, b->name);

	return r ? r : memcmp(&a->key, &b->key, sizeof(a->key));
}

/* Items of one identity (rules) stand in their order, which is that of their memory. */
static int compare_item(const void *a, const void *b)
{
	const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
	int r = compare_identity(x, y);

	return r ? r : x < y ? -1 : x > y;
}

static struct sorted sort_items(const struct items *items)
{
	struct sorted s = {mem_alloc((items->n + 1) * sizeof(*s.item)), items->n};

	for (size_t i = 0; i < items->n; i++)
		s.item[i] = &items->item[i];
	qsort(s.item, s.n, sizeof(*s.item), compare_item);
	return s;
}

static int compare_found(const void *wanted, const void *item)
{
	return compare_identity(wanted, *(const struct item *const *)item);
}

/* The item of this identity, not a rule; or NULL. */
static const struct item *find_item(const struct sorted *s, const struct item *like)
{
	const struct item **found;

	found = bsearch(like, s->item, s->n, sizeof(*s->item), compare_found);
	return found ? *found : NULL;
}

static const struct item *find_chain(const struct sorted *s, const char *name)
{
	const struct item like = {.kind = ITEM_CHAIN, .name = name};

	return find_item(s, &like);
}

/* What holds elements: a set, or the header of an ipset. */
static bool holds_elements(const struct merging *m, const struct item *item)
{
	return item->kind == (m->theirs->table->engine == ENGINE_IPSET ? ITEM_TABLE : ITEM_SET);
}

/* The name of the item that holds an element. */
static const char *holder(const struct merging *m, const struct item *element)
{
	return m->theirs->table->engine == ENGINE_IPSET ? "" : element->name;
}

static char *part_label(const struct merging *m, const struct item *item)
{
	static const char *const words[ITEM_KINDS] = {
		[ITEM_CHAIN] = "chain", [ITEM_OBJECT] = "object", [ITEM_SET] = "set",
		[ITEM_ELEMENT] = "set", [ITEM_RULE] = "chain",
	};
	cleanup_free char *label = table_label(m->theirs->table);

	if (item->kind == ITEM_TABLE || m->theirs->table->engine == ENGINE_IPSET)
		return str_dup(label);
	return str_printf("%s %s of %s", words[item->kind], item->name, label);
}

static void add_conflict(struct merging *m, const struct item *item, const char *what)
{
	cleanup_free char *label = NULL, *line = NULL;

	if (!m->conflicts)
		return;
	label = part_label(m, item);
	line = str_printf("%s was changed by others too: %s", label, what);
	strlist_add_once(m->conflicts, line);
}

static bool is_same(const struct item *a, const struct item *b)
{
	return a && b && digest_equal(a->digest, b->digest);
}

static enum fate *fate_of(const struct merging *m, const struct item *theirs)
{
	return &m->fates[theirs - m->theirs->items.item];
}

static void add_ours(struct merging *m, const struct item *item)
{
	*(const struct item **)array_grow(&m->added, &m->nadded, sizeof(item)) = item;
}

/* What ours removed goes, with what is in it. */
static void remove_item(struct merging *m, const struct item *old, const struct item *theirs)
{
	if (theirs) {
		*fate_of(m, theirs) = FATE_GOES;
		if (!is_same(old, theirs))
			add_conflict(m, old, "what they made of it is gone");
	}
	if (holds_elements(m, old))
		strlist_add(&m->emptied, old->name);
	else if (old->kind == ITEM_CHAIN)
		strlist_add(&m->gone, old->name);
}

/* A set that others do not have as ours has it cannot hold their elements. */
static void put_item(struct merging *m, const struct item *old, const struct item *new,
		     const struct item *theirs)
{
	if (is_same(new, theirs))
		return;
	if (theirs) {
		*fate_of(m, theirs) = FATE_OURS;
		m->become[theirs - m->theirs->items.item] = new;
	} else {
		add_ours(m, new);
	}
	if (old ? !is_same(old, theirs) : theirs != NULL)
		add_conflict(m, new, theirs ? "what they made of it is gone"
					    : "they removed it, and it is there again");
	if (holds_elements(m, new)) {
		strlist_add(&m->emptied, new->name);
		strlist_add(&m->filled, new->name);
	}
}

/* Whether ours gives an element to a set that others removed: the set is there again, as ours has it. */
static bool revive_set(struct merging *m, const struct item *new)
{
	const struct item like = {.kind = ITEM_SET, .name = new->name};
	const struct item *set;

	if (m->theirs->table->engine == ENGINE_IPSET || find_item(&m->sorted_theirs, &like))
		return false;
	set = find_item(&m->sorted_ours, &like);
	/* added by ours, it has been seen already */
	if (find_item(&m->sorted_base, &like))
		put_item(m, set, set, NULL);
	return true;
}

static void apply_changes(struct merging *m)
{
	struct item_changes changes = {0};

	items_compare(&m->base->items, &m->ours->items, &changes);
	for (size_t i = 0; i < changes.n; i++) {
		const struct item *old = changes.change[i].old, *new = changes.change[i].new;
		const struct item *item = new ? new : old;
		const struct item *theirs;

		if (item->kind == ITEM_RULE ||
		    (item->kind == ITEM_ELEMENT && strlist_has(&m->emptied, holder(m, item))))
			continue;
		if (item->kind == ITEM_ELEMENT && new && revive_set(m, new))
			continue;
		theirs = find_item(&m->sorted_theirs, item);
		if (new)
			put_item(m, old, new, theirs);
		else
			remove_item(m, old, theirs);
	}
	item_changes_release(&changes);
}

/* Elements of sets that are gone or ours'; they sort behind the sets, which have been decided. */
static void empty_sets(struct merging *m)
{
	for (size_t i = 0; m->emptied.n && i < m->theirs->items.n; i++) {
		const struct item *e = &m->theirs->items.item[i];

		if (e->kind != ITEM_ELEMENT || !strlist_has(&m->emptied, holder(m, e)))
			continue;
		m->fates[i] = FATE_GOES;
		if (!e->silent && !is_same(e, find_item(&m->sorted_base, e)) &&
		    !is_same(e, find_item(&m->sorted_ours, e)))
			add_conflict(m, e, "elements of theirs are gone");
	}
	for (size_t i = 0; m->filled.n && i < m->ours->items.n; i++) {
		const struct item *e = &m->ours->items.item[i];

		if (e->kind == ITEM_ELEMENT && strlist_has(&m->filled, holder(m, e)))
			add_ours(m, e);
	}
}

static void add_piece(struct merging *m, const struct assembly_side *side, const struct item *item)
{
	assembly_add(m->out, side, item);
}

static void put_kind(struct merging *m, enum item_kind kind)
{
	for (size_t i = 0; i < m->theirs->items.n; i++) {
		const struct item *item = &m->theirs->items.item[i];

		if (item->kind != kind || m->fates[i] == FATE_GOES)
			continue;
		if (m->fates[i] == FATE_OURS)
			add_piece(m, m->ours, m->become[i]);
		else
			add_piece(m, m->theirs, item);
	}
	for (size_t i = 0; i < m->nadded; i++)
		if (m->added[i]->kind == kind)
			add_piece(m, m->ours, m->added[i]);
}

/* The rules of one chain on one side, while all sides are walked chain by chain. */
struct chain_rules {
	const struct item **item;
	struct rule_list list;
	struct digest *digests;
};

/* Takes the rules of the chain of this name off the front of what is left. */
static struct chain_rules take_rules(struct sorted *left, const char *chain)
{
	struct chain_rules c = {.item = left->item};
	size_t n = 0;

	while (n < left->n && !strcmp(left->item[n]->name, chain))
		n++;
	c.digests = mem_alloc((n + 1) * sizeof(*c.digests));
	for (size_t i = 0; i < n; i++)
		c.digests[i] = c.item[i]->digest;
	c.list = (struct rule_list){c.digests, n};
	left->item += n;
	left->n -= n;
	return c;
}

static bool has_rule(const struct chain_rules *c, const struct item *rule)
{
	for (size_t i = 0; i < c->list.n; i++)
		if (digest_equal(c->digests[i], rule->digest))
			return true;
	return false;
}

/*
 * Rules of theirs that a change which was cut off put there, out of reach behind a passing one: those that one of
 * the two others has and the other has not. Rules that stay are in both, what others added in neither.
 */
static struct chain_rules without_staged(const struct chain_rules *theirs, const struct chain_rules *base,
					 const struct chain_rules *ours)
{
	struct chain_rules left = {.item = mem_alloc((theirs->list.n + 1) * sizeof(*left.item)),
				   .digests = mem_alloc((theirs->list.n + 1) * sizeof(*left.digests))};
	bool behind = false;
	size_t n = 0;

	for (size_t i = 0; i < theirs->list.n; i++) {
		const struct item *rule = theirs->item[i];

		behind |= rule->passing;
		if (rule->passing || (behind && has_rule(base, rule) != has_rule(ours, rule)))
			continue;
		left.item[n] = rule;
		left.digests[n++] = rule->digest;
	}
	left.list = (struct rule_list){left.digests, n};
	return left;
}

static struct sorted rules_of(const struct sorted *s)
{
	struct sorted rules = *s;

	while (rules.n && rules.item[0]->kind != ITEM_RULE) {
		rules.item++;
		rules.n--;
	}
	return rules;
}

static const char *first_chain(const struct sorted *const *left)
{
	const char *first = NULL;

	for (size_t i = 0; i < 3; i++)
		if (left[i]->n && (!first || strcmp(left[i]->item[0]->name, first) < 0))
			first = left[i]->item[0]->name;
	return first;
}

/* The chain itself may equal an absent one on the side that the others are taken from. */
static void need_chain(struct merging *m, const char *name)
{
	struct assembly_side *const sides[] = {m->theirs, m->ours, m->base};
	const struct sorted *const sorted[] = {&m->sorted_theirs, &m->sorted_ours, &m->sorted_base};

	for (size_t i = 0; i < m->nadded; i++)
		if (m->added[i]->kind == ITEM_CHAIN && !strcmp(m->added[i]->name, name))
			return;
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		const struct item *chain = find_chain(sorted[i], name);

		if (!chain)
			continue;
		if (i)
			add_piece(m, sides[i], chain);
		return;
	}
}

static bool passing_chain(const struct merging *m, const char *name)
{
	const struct item *chain = find_chain(&m->sorted_theirs, name);

	return chain && chain->passing;
}

static void merge_chain(struct merging *m, const char *name, const struct chain_rules *base,
			const struct chain_rules *ours, const struct chain_rules *all_theirs,
			struct assembly_pieces *rules)
{
	struct chain_rules left = without_staged(all_theirs, base, ours), *theirs = &left;
	struct rule_merge merged = {0};

	merge_rules(&base->list, &ours->list, &theirs->list, &merged);
	for (size_t i = 0; i < merged.nlost; i++) {
		cleanup_free char *what =
			str_printf("their rule %zu is gone", merged.lost[i] + 1);

		add_conflict(m, theirs->item[merged.lost[i]], what);
	}
	if (strlist_has(&m->gone, name)) {
		if (merged.n && !passing_chain(m, name))
			add_conflict(m, theirs->list.n ? theirs->item[0] : ours->item[0],
				     "it is gone, with their rules");
		merged.n = 0;
	}
	if (merged.n)
		need_chain(m, name);
	for (size_t i = 0; i < merged.n; i++) {
		const struct assembly_side *side = merged.pick[i].ours ? m->ours : m->theirs;
		const struct chain_rules *from = merged.pick[i].ours ? ours : theirs;

		assembly_add(rules, side, from->item[merged.pick[i].place]);
	}
	rule_merge_release(&merged);
	free(left.item);
	free(left.digests);
}

/* rules: what comes last among the pieces; chains that they need come first. */
static void merge_chains(struct merging *m, struct assembly_pieces *rules)
{
	struct sorted base = rules_of(&m->sorted_base), ours = rules_of(&m->sorted_ours);
	struct sorted theirs = rules_of(&m->sorted_theirs);
	const struct sorted *const left[] = {&base, &ours, &theirs};
	const char *name;

	while ((name = first_chain(left))) {
		struct chain_rules b = take_rules(&base, name), o = take_rules(&ours, name);
		struct chain_rules t = take_rules(&theirs, name);

		merge_chain(m, name, &b, &o, &t, rules);
		free(b.digests);
		free(o.digests);
		free(t.digests);
	}
}

/* Copies of rules, for as long as a change takes. */
static void drop_passing_chains(struct merging *m)
{
	for (size_t i = 0; i < m->theirs->items.n; i++) {
		const struct item *item = &m->theirs->items.item[i];

		if (item->kind != ITEM_CHAIN || !item->passing)
			continue;
		m->fates[i] = FATE_GOES;
		strlist_add(&m->gone, item->name);
	}
}

static void put_pieces(struct merging *m)
{
	struct assembly_pieces rules = {0};

	put_kind(m, ITEM_TABLE);
	put_kind(m, ITEM_CHAIN);
	merge_chains(m, &rules);
	put_kind(m, ITEM_OBJECT);
	put_kind(m, ITEM_SET);
	put_kind(m, ITEM_ELEMENT);
	for (size_t i = 0; i < rules.n; i++)
		*(struct piece *)array_grow(&m->out->piece, &m->out->n, sizeof(*m->out->piece)) =
			rules.piece[i];
	free(rules.piece);
}

void merge_items(struct assembly_side *base, struct assembly_side *ours, struct assembly_side *theirs,
		 struct assembly_pieces *out, struct strlist *conflicts)
{
	struct merging m = {.base = base, .ours = ours, .theirs = theirs, .out = out,
			    .conflicts = conflicts};

	m.sorted_base = sort_items(&base->items);
	m.sorted_ours = sort_items(&ours->items);
	m.sorted_theirs = sort_items(&theirs->items);
	m.fates = mem_zalloc((theirs->items.n + 1) * sizeof(*m.fates));
	m.become = mem_zalloc((theirs->items.n + 1) * sizeof(*m.become));
	apply_changes(&m);
	empty_sets(&m);
	drop_passing_chains(&m);
	put_pieces(&m);
	free(m.sorted_base.item);
	free(m.sorted_ours.item);
	free(m.sorted_theirs.item);
	free(m.fates);
	free(m.become);
	free(m.added);
	strlist_release(&m.emptied);
	strlist_release(&m.filled);
	strlist_release(&m.gone);
}
