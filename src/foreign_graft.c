/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_place.h"
#include "foreign_view.h"

#include "log.h"
#include "order.h"

#include <errno.h>
#include <string.h>

/* Items, sorted: rules by their chain and in their order, others by name. */
struct sorted {
	const struct item **item;
	size_t n;
};

struct grafting {
	struct assembly out;
	struct foreign_view live, target;
	bool all; /* what is foreign in the target stays, too */
	struct foreign_notes *notes;
	/* a table at hand */
	struct foreign_part *from, *to; /* of live, of the target; NULL: there is none */
	struct assembly_pieces pieces;
	struct sorted added[ITEM_KINDS];  /* the pieces that are chains or sets, sorted as far as `add_named` did */
	struct sorted rules_from, rules_to;
	struct strlist lost_chains, lost_sets; /* foreign ones that rules of ours need, and which are not there */
	bool *leave_out;                  /* rules of `to` that do */
};

/* Whether an item of the target is part of the result. What is missing of a map's chains is made, empty. */
static bool stays(const struct grafting *g, const struct item *item)
{
	return g->all || !foreign_owner_of(g->to, item) ||
	       (item->kind == ITEM_CHAIN && strlist_has(&g->to->led_to, item->name));
}

/* What of live comes along: what is foreign, and what that cannot be without. */
static bool comes(const struct grafting *g, const struct item *item)
{
	const struct foreign_names *relied = &g->from->relied;

	if (foreign_owner_of(g->from, item))
		return true;
	if (item->kind == ITEM_CHAIN)
		return strlist_has(&relied->chains, item->name);
	return (item->kind == ITEM_SET || item->kind == ITEM_ELEMENT) && strlist_has(&relied->sets, item->name);
}

static int compare_place(const void *a, const void *b)
{
	const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
	int r = strcmp(x->name, y->name);

	return r ? r : x < y ? -1 : x > y;
}

static int compare_name(const void *name, const void *item)
{
	return strcmp(name, (*(const struct item *const *)item)->name);
}

static void note(struct sorted *s, const struct item *item)
{
	*(const struct item **)array_grow(&s->item, &s->n, sizeof(item)) = item;
}

static void sort(struct sorted *s)
{
	if (s->n)
		qsort(s->item, s->n, sizeof(*s->item), compare_place);
}

static void add(struct grafting *g, struct foreign_part *p, const struct item *item)
{
	assembly_add(&g->pieces, &p->side, item);
	note(&g->added[item->kind], item);
}

/* Of those that were sorted since. */
static bool is_added(const struct grafting *g, enum item_kind kind, const char *name)
{
	const struct sorted *s = &g->added[kind];

	return s->n && bsearch(name, s->item, s->n, sizeof(*s->item), compare_name);
}

/* The rules of a chain, in the memory of all. */
static struct sorted rules_of(const struct sorted *all, const char *chain)
{
	const struct item **first =
		all->n ? bsearch(chain, all->item, all->n, sizeof(*first), compare_name) : NULL;
	struct sorted rules = {first, 0};

	if (!first)
		return rules;
	while (rules.item > all->item && !strcmp(rules.item[-1]->name, chain))
		rules.item--;
	while (rules.item + rules.n < all->item + all->n && !strcmp(rules.item[rules.n]->name, chain))
		rules.n++;
	return rules;
}

static void add_table_itself(struct grafting *g)
{
	struct foreign_part *p = g->to ? g->to : g->from;

	for (size_t i = 0; i < p->side.items.n; i++)
		if (p->side.items.item[i].kind == ITEM_TABLE)
			add(g, p, &p->side.items.item[i]);
}

/* Of chains and sets: those of the target, then those of live that are not among them. */
static void add_named(struct grafting *g, enum item_kind kind)
{
	struct sorted more = {NULL, 0};

	for (size_t i = 0; g->to && i < g->to->side.items.n; i++) {
		const struct item *item = &g->to->side.items.item[i];

		if (item->kind == kind && stays(g, item))
			add(g, g->to, item);
	}
	sort(&g->added[kind]);
	for (size_t i = 0; g->from && i < g->from->side.items.n; i++) {
		const struct item *item = &g->from->side.items.item[i];

		if (item->kind == kind && comes(g, item) && !is_added(g, kind, item->name))
			note(&more, item);
	}
	for (size_t i = 0; i < more.n; i++)
		add(g, g->from, more.item[i]);
	sort(&g->added[kind]);
	free(more.item);
}

static bool hosts_rules(const struct grafting *g, const struct item *chain)
{
	struct sorted rules = rules_of(&g->rules_from, chain->name);

	for (size_t i = 0; i < rules.n; i++)
		if (foreign_owner_of(g->from, rules.item[i]))
			return true;
	return false;
}

/*
 * A chain of ours that only foreign rules are in now: with nothing of ours it lets everything pass. A legacy table has
 * all its built-in chains in any case.
 */
static void add_hosts(struct grafting *g)
{
	struct sorted more = {NULL, 0};

	for (size_t i = 0; g->from && i < g->from->side.items.n; i++) {
		const struct item *chain = &g->from->side.items.item[i];
		bool builtin = chain->base && g->from->side.table->engine == ENGINE_XTABLES;

		if (chain->kind == ITEM_CHAIN && (builtin || hosts_rules(g, chain)) &&
		    !is_added(g, ITEM_CHAIN, chain->name))
			note(&more, chain);
	}
	for (size_t i = 0; i < more.n; i++) {
		add(g, g->from, more.item[i]);
		g->pieces.piece[g->pieces.n - 1].accept = more.item[i]->base;
	}
	sort(&g->added[ITEM_CHAIN]);
	free(more.item);
}

static int compare_element(const void *a, const void *b)
{
	const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
	int r = strcmp(x->name, y->name);

	return r ? r : memcmp(&x->key, &y->key, sizeof(x->key));
}

/* The elements of a set come together, whichever side they are from. */
static void add_elements(struct grafting *g)
{
	const struct item **had = NULL;
	size_t n = 0;

	for (size_t i = 0; g->to && i < g->to->side.items.n; i++) {
		const struct item *e = &g->to->side.items.item[i];

		if (e->kind != ITEM_ELEMENT || !stays(g, e))
			continue;
		add(g, g->to, e);
		*(const struct item **)array_grow(&had, &n, sizeof(e)) = e;
	}
	if (n)
		qsort(had, n, sizeof(*had), compare_element);
	for (size_t i = 0; g->from && i < g->from->side.items.n; i++) {
		const struct item *e = &g->from->side.items.item[i];

		if (e->kind == ITEM_ELEMENT && comes(g, e) &&
		    !(n && bsearch(&e, had, n, sizeof(*had), compare_element)))
			add(g, g->from, e);
	}
	free(had);
}

static bool is_left_out(const struct grafting *g, const struct item *rule)
{
	return g->leave_out && g->leave_out[rule - g->to->side.items.item];
}

static void note_rules(const struct foreign_part *p, struct sorted *rules)
{
	for (size_t i = 0; p && i < p->side.items.n; i++)
		if (p->side.items.item[i].kind == ITEM_RULE)
			note(rules, &p->side.items.item[i]);
	sort(rules);
}

/* Caller frees. */
static bool *which_are_foreign(const struct foreign_part *p, const struct sorted *rules)
{
	bool *foreign = mem_zalloc(rules->n + 1);

	for (size_t i = 0; i < rules->n; i++)
		foreign[i] = foreign_owner_of(p, rules->item[i]) != NULL;
	return foreign;
}

/* What a program has in a chain that it made for the administrator ends it. */
static bool is_for_users(const struct grafting *g, const struct table *t, const char *chain)
{
	struct foreign_place place = foreign_place_of(t);

	place.word[WORD_NAME] = chain;
	return foreign_match(g->target.foreign, FOREIGN_USER_CHAIN, &place, NULL);
}

static void add_chain_rules(struct grafting *g, const struct table *t, const char *chain)
{
	struct sorted from = rules_of(&g->rules_from, chain), to = rules_of(&g->rules_to, chain);
	cleanup_free bool *theirs = which_are_foreign(g->from, &from), *foreign = which_are_foreign(g->to, &to);
	const struct foreign_rules live = {from.item, theirs, from.n}, new = {to.item, foreign, to.n};
	cleanup_free bool *met = mem_zalloc(to.n + 1);
	cleanup_free size_t *slot = foreign_places(&live, &new, is_for_users(g, t, chain), met);
	size_t next = 0;

	for (size_t i = 0; i <= to.n; i++) {
		for (; next < from.n && (slot[next] == SIZE_MAX || slot[next] <= i); next++)
			if (slot[next] != SIZE_MAX)
				add(g, g->from, from.item[next]);
		if (i < to.n && !met[i] && stays(g, to.item[i]) && !is_left_out(g, to.item[i]))
			add(g, g->to, to.item[i]);
	}
}

/* What rules of ours need and will not have. */
static void find_lost(struct grafting *g)
{
	const struct foreign_names *needed = &g->to->needed;

	strlist_release(&g->lost_chains);
	strlist_release(&g->lost_sets);
	for (size_t i = 0; i < needed->chains.n; i++)
		if (!is_added(g, ITEM_CHAIN, needed->chains.s[i]))
			strlist_add(&g->lost_chains, needed->chains.s[i]);
	for (size_t i = 0; i < needed->sets.n; i++)
		if (!is_added(g, ITEM_SET, needed->sets.s[i]))
			strlist_add(&g->lost_sets, needed->sets.s[i]);
	for (size_t i = 0; i < g->target.needed.n; i++)
		if (!ruleset_find(g->out.out, ENGINE_IPSET, 0, g->target.needed.s[i]))
			strlist_add(&g->lost_sets, g->target.needed.s[i]);
}

static const char *first_lost(const struct strlist *lost, const struct strlist *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (strlist_has(lost, names->s[i]))
			return names->s[i];
	return NULL;
}

static void judge_rule(void *arg, const struct item *rule, const struct facts *facts)
{
	struct grafting *g = arg;
	const char *lost = first_lost(&g->lost_chains, &facts->of[FACT_JUMP]);
	cleanup_free char *label = NULL, *line = NULL;

	if (!lost)
		lost = first_lost(&g->lost_sets, &facts->of[FACT_SET]);
	if (!lost || !stays(g, rule))
		return;
	g->leave_out[rule - g->to->side.items.item] = true;
	label = table_label(g->to->side.table);
	line = str_printf("a rule of %s %s, which refers to '%s'", label, rule->name, lost);
	if (g->notes)
		strlist_add(&g->notes->dropped, line);
}

static void judge_rules(struct grafting *g)
{
	const struct engine *e = engines[g->to->side.table->engine];

	find_lost(g);
	if (!g->lost_chains.n && !g->lost_sets.n)
		return;
	g->leave_out = mem_zalloc(g->to->side.items.n + 1);
	e->facts(g->target.rs, g->to->side.table, &g->to->side.items, NULL, judge_rule, g);
}

static int compose(struct grafting *g, const struct table *like)
{
	size_t chains;

	note_rules(g->from, &g->rules_from);
	note_rules(g->to, &g->rules_to);
	add_table_itself(g);
	add_named(g, ITEM_CHAIN);
	add_hosts(g);
	chains = g->pieces.n;
	add_named(g, ITEM_OBJECT);
	add_named(g, ITEM_SET);
	add_elements(g);
	if (g->to)
		judge_rules(g);
	for (size_t i = 0; i < chains; i++)
		if (g->pieces.piece[i].item->kind == ITEM_CHAIN)
			add_chain_rules(g, like, g->pieces.piece[i].item->name);
	return assembly_compose(&g->out, like, &g->pieces);
}

static void forget_table(struct grafting *g)
{
	free(g->pieces.piece);
	free(g->leave_out);
	g->leave_out = NULL;
	g->pieces = (struct assembly_pieces){0};
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		free(g->added[kind].item);
	free(g->rules_from.item);
	free(g->rules_to.item);
	memset(g->added, 0, sizeof(g->added));
	g->rules_from = g->rules_to = (struct sorted){NULL, 0};
	strlist_release(&g->lost_chains);
	strlist_release(&g->lost_sets);
}

/* Whether the target's table is the result as it is. */
static bool is_whole(const struct grafting *g)
{
	return !(g->from && g->from->any) && (g->all || !g->to->any) && !g->to->needed.chains.n &&
	       !g->to->needed.sets.n && !g->target.needed.n;
}

static int graft_table(struct grafting *g, const struct table *like)
{
	bool to_gone;
	int r;

	g->from = foreign_view_part(&g->live, like);
	g->to = foreign_view_part(&g->target, like);
	to_gone = !g->to || (g->to->whole && !g->all);
	if (to_gone)
		g->to = NULL;
	if (g->from && g->from->whole && (to_gone || g->to->whole))
		return assembly_copy(&g->out, g->live.rs, g->from->side.table, true);
	if (to_gone && !(g->from && g->from->any))
		return 0;
	if (g->to && (g->to->whole || is_whole(g)))
		return assembly_copy(&g->out, g->target.rs, g->to->side.table, false);
	r = compose(g, like);
	/* what is left of a table in which only foreign rules were */
	if (!r && !g->from)
		assembly_drop_empty(&g->out);
	forget_table(g);
	return r;
}

/* Sets that foreign rules of live refer to stay. */
static int graft_ipset(struct grafting *g, const struct table *t, bool of_target)
{
	const struct foreign_part *from = foreign_view_part(&g->live, t);
	const struct foreign_part *to = foreign_view_part(&g->target, t);

	if (of_target)
		return to->whole && (from || !g->all) ? 0 : assembly_copy(&g->out, g->target.rs, t, false);
	if (ruleset_counterpart(g->out.out, t) || !(from->whole || strlist_has(&g->live.relied, t->name)))
		return 0;
	return assembly_copy(&g->out, g->live.rs, t, true);
}

/* Both are walked, the target first; a table of both once. */
static int graft_tables(struct grafting *g)
{
	struct foreign_view *const views[] = {&g->target, &g->live};
	int r = 0;

	for (size_t v = 0; v < ARRAY_SIZE(views); v++)
		for (size_t i = 0; !r && i < views[v]->rs->ntables; i++)
			if (views[v]->rs->tables[i].engine == ENGINE_IPSET)
				r = graft_ipset(g, &views[v]->rs->tables[i], !v);
	for (size_t v = 0; v < ARRAY_SIZE(views); v++)
		for (size_t i = 0; !r && i < views[v]->rs->ntables; i++) {
			const struct table *t = &views[v]->rs->tables[i];

			if (t->engine != ENGINE_IPSET && (!v || !ruleset_counterpart(g->target.rs, t)))
				r = graft_table(g, t);
		}
	return r;
}

/*
 * The order that the target wants, but of chains that are foreign in live: nothing is made anew for where one of
 * ours stands beside those.
 */
static void order_ours(const struct grafting *g, struct buf *out)
{
	const struct ruleset *rs = g->target.rs;
	cleanup_strlist struct strlist chains = {NULL, 0};

	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *t = &rs->tables[i];
		const struct foreign_part *from = foreign_view_part(&g->live, t);

		for (size_t j = 0; t->engine == ENGINE_NFT && j < t->chains.n; j++) {
			cleanup_free char *name = str_printf("%s %s %s", family_name(t->family), t->name,
							     t->chains.s[j]);

			if (!from || !foreign_has_chain(from, t->chains.s[j]))
				strlist_add(&chains, name);
		}
	}
	order_merge(&rs->order, &rs->order, &rs->order, &chains, out);
}

int foreign_graft(const struct foreign *f, struct ruleset *live, struct ruleset *target, bool all,
		  struct ruleset *out, struct foreign_notes *notes)
{
	struct grafting g = {.all = all, .notes = notes};
	cleanup_buf struct buf order = BUF_INIT;
	int r = foreign_view_open(&g.live, f, live);

	if (!r)
		r = foreign_view_open(&g.target, f, target);
	if (!r) {
		assembly_begin(&g.out, out, live);
		assembly_adopt(&g.out, target);
		r = graft_tables(&g);
		if (r < 0)
			log_errno(r, "cannot keep what is foreign in the live rules");
		order_ours(&g, &order);
		assembly_order(&g.out, &(struct buf)BUF_INIT, &order, &live->order);
	}
	if (!r)
		r = assembly_end(&g.out);
	if (!r && notes) {
		foreign_view_count(&g.live, &notes->live);
		foreign_view_count(&g.target, &notes->target);
	}
	foreign_view_release(&g.live);
	foreign_view_release(&g.target);
	return r;
}

void foreign_notes_release(struct foreign_notes *n)
{
	strlist_release(&n->dropped);
	foreign_shares_release(&n->live);
	foreign_shares_release(&n->target);
}
