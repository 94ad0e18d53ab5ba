/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "rehearse_steps.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/* A chain or a set. */
struct part {
	const struct item *item;
	bool content; /* it has rules, elements, or another policy than accept */
};

/* One side of a pair: its table may be missing. */
struct side {
	const struct table *table;
	struct items items;
	struct part *part; /* sorted by kind and name */
	size_t n;
};

/* A table of live beside its successor. */
struct pair {
	struct side old, new;
	char *label;
};

struct comparing {
	struct ruleset *live, *target;
	struct pair *pairs;
	size_t n;
};

static int compare_part(const void *a, const void *b)
{
	const struct item *x = ((const struct part *)a)->item, *y = ((const struct part *)b)->item;

	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->name, y->name);
}

static struct part *find_part(const struct side *s, enum item_kind kind, const char *name)
{
	const struct item item = {.kind = kind, .name = name};
	const struct part p = {.item = &item};

	return s->n ? bsearch(&p, s->part, s->n, sizeof(p), compare_part) : NULL;
}

static struct part *same_part(const struct side *s, const struct part *p)
{
	return find_part(s, p->item->kind, p->item->name);
}

static int take_side(struct side *s, struct ruleset *rs, const struct table *t)
{
	bool whole = !t || t->engine == ENGINE_IPSET; /* an ipset is all there is of it */
	int r = whole ? 0 : engines[t->engine]->items(rs, t, &s->items);

	s->table = t;
	for (size_t i = 0; i < s->items.n; i++) {
		const struct item *item = &s->items.item[i];

		if (item->kind == ITEM_CHAIN || item->kind == ITEM_SET)
			*(struct part *)array_grow(&s->part, &s->n, sizeof(*s->part)) =
				(struct part){item, item->base && !item->silent};
	}
	if (s->n)
		qsort(s->part, s->n, sizeof(*s->part), compare_part);
	for (size_t i = 0; i < s->items.n; i++) {
		const struct item *item = &s->items.item[i];
		struct part *p = item->kind == ITEM_RULE      ? find_part(s, ITEM_CHAIN, item->name)
				 : item->kind == ITEM_ELEMENT ? find_part(s, ITEM_SET, item->name)
							      : NULL;

		if (p)
			p->content = true;
	}
	return r;
}

static int add_pair(struct comparing *c, const struct table *old, const struct table *new)
{
	struct pair *p = array_grow(&c->pairs, &c->n, sizeof(*p));
	int result;

	p->label = table_label(old ? old : new);
	result = take_side(&p->old, c->live, old);
	return result ? result : take_side(&p->new, c->target, new);
}

/* Equal tables have lost nothing and opened nothing. */
static int add_pairs(struct comparing *c)
{
	const struct ruleset *live = c->live, *target = c->target;
	int result = 0;

	for (size_t i = 0; i < live->ntables && !result; i++) {
		const struct table *old = &live->tables[i],
				   *new = ruleset_counterpart(target, old);

		if (!old->empty && !table_equal(old, new))
			result = add_pair(c, old, new);
	}
	for (size_t i = 0; i < target->ntables && !result; i++) {
		const struct table *new = &target->tables[i],
				   *old = ruleset_counterpart(live, new);

		if (!new->empty && (!old || old->empty))
			result = add_pair(c, NULL, new);
	}
	return result;
}

/* What a table loses, or an ipset that is gone. */
static void find_unmentioned(const struct pair *p, const struct mentions *m, struct strlist *out)
{
	const struct table *old = p->old.table;

	if (!old)
		return;
	if (old->engine == ENGINE_IPSET) {
		if (!p->new.table && !mentions_have(m, "ipset", old->name))
			strlist_add(out, p->label);
		return;
	}
	for (size_t i = 0; i < p->old.n; i++) {
		const struct part *part = &p->old.part[i];
		const char *name = part->item->name;

		if (part->content && !same_part(&p->new, part) &&
		    !mentions_have(m, p->label, name)) {
			cleanup_free char *full = str_printf("%s %s", p->label, name);

			strlist_add(out, full);
		}
	}
}

static bool filters_input(const struct part *p)
{
	return p && p->item->input && p->content;
}

/* Whether packets of a family pass the chains of this table at the input. */
static bool judges(const struct table *t, uint8_t family)
{
	return t->family == family || t->family == NFPROTO_INET;
}

/* Another chain does from now on what this one did. */
static bool taken_over(const struct comparing *c, uint8_t family)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct pair *p = &c->pairs[i];

		for (size_t j = 0; j < p->new.n; j++) {
			const struct part *new = &p->new.part[j];

			if (filters_input(new) && judges(p->new.table, family) &&
			    !filters_input(same_part(&p->old, new)))
				return true;
		}
	}
	return false;
}

static void find_opened(const struct comparing *c, const struct pair *p, struct strlist *out)
{
	for (size_t i = 0; i < p->old.n; i++) {
		const struct part *old = &p->old.part[i];
		uint8_t family = p->old.table->family;
		cleanup_free char *full = NULL;

		if (!filters_input(old) || filters_input(same_part(&p->new, old)))
			continue;
		if (family == NFPROTO_INET
			    ? taken_over(c, NFPROTO_IPV4) && taken_over(c, NFPROTO_IPV6)
			    : taken_over(c, family))
			continue;
		full = str_printf("%s %s", p->label, old->item->name);
		strlist_add(out, full);
	}
}

static void side_release(struct side *s)
{
	items_release(&s->items);
	free(s->part);
}

static void release(struct comparing *c)
{
	for (size_t i = 0; i < c->n; i++) {
		side_release(&c->pairs[i].old);
		side_release(&c->pairs[i].new);
		free(c->pairs[i].label);
	}
	free(c->pairs);
}

int rehearse_compare(struct rehearsal *r, struct ruleset *target)
{
	struct comparing c = {.live = r->live, .target = target};
	int result = add_pairs(&c);

	for (size_t i = 0; i < c.n && !result; i++) {
		if (r->mentions)
			find_unmentioned(&c.pairs[i], r->mentions, &r->unmentioned);
		find_opened(&c, &c.pairs[i], &r->opened);
	}
	release(&c);
	return result ? log_errno(result, "cannot compare the rules") : 0;
}
