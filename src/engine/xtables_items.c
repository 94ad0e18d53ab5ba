/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"

#include <errno.h>
#include <string.h>

static struct item *add_item(struct items *out, const struct table *t, const struct xt_record *r,
			     enum item_kind kind, const char *name)
{
	struct item *item = array_grow(&out->item, &out->n, sizeof(*item));

	*item = (struct item){.kind = kind, .name = name};
	item->at = (size_t)((const unsigned char *)r - t->records.data);
	return item;
}

static void add_chain(struct items *out, const struct table *t, const struct xt_part *p)
{
	struct item *item = add_item(out, t, &p->chain->record, ITEM_CHAIN, p->chain->name);

	item->digest = xt_chain_digest(p->chain);
	item->silent = xt_chain_plain(p->chain) && !p->rules;
	item->base = p->chain->record.flags & XT_CHAIN_BUILTIN;
	item->input = item->base && p->chain->hook == NF_INET_LOCAL_IN && !strcmp(t->name, "filter");
}

/* Where a rule stands is in its place among the items, not in its digest. */
static int add_rules(struct items *out, struct xt_digest *d, const struct xt_part *p)
{
	const struct xt_record *r = &p->chain->record;
	int error = 0;

	d->chain = "";
	for (unsigned i = 0; !error && i < p->rules; i++) {
		struct item *item;

		r = xt_record_next(r);
		item = add_item(out, d->table, r, ITEM_RULE, p->chain->name);
		error = xt_rule_digest(d, r, &item->digest);
	}
	return error;
}

static const char **names_of(const struct xt_stream *s)
{
	const char **names = mem_alloc((s->nparts + 1) * sizeof(*names));

	for (size_t i = 0; i < s->nparts; i++)
		names[i] = s->parts[i].chain->name;
	return names;
}

int xt_items(struct ruleset *rs, const struct table *t, struct items *out)
{
	cleanup_digest struct xt_digest d = {
		.rs = rs, .table = (struct table *)t, .family = xt_family(t->family)};
	cleanup_stream struct xt_stream s = {0};
	int r = xt_stream_open(&s, t);

	if (r < 0)
		return r;
	d.names = names_of(&s);
	for (size_t i = 0; i < s.nparts; i++)
		add_chain(out, t, &s.parts[i]);
	for (size_t i = 0; !r && i < s.nparts; i++)
		r = add_rules(out, &d, &s.parts[i]);
	return r < 0 ? -EBADMSG : 0;
}

/* A table that pieces are from. */
struct source {
	const struct table *table;
	const char **names; /* of its chains, by number */
};

/* A chain of the new table, and a rule of it. */
struct link {
	const struct piece *piece;
	size_t chain, index;
};

struct composer {
	struct ruleset *rs;
	struct table *table;
	const struct xt_family *family;
	struct source *sources;
	size_t nsources;
	const struct xt_chain **chains; /* by number */
	struct strlist accepting; /* chains that get policy accept */
	size_t nchains, nbuiltin;
	struct ruleset *from; /* of the rule at hand */
};

static const void *piece_record(const struct piece *p)
{
	return p->table->records.data + p->item->at;
}

/* As in a capture: built-in chains by their hooks, then the others by name. */
static int compare_chain(const void *a, const void *b)
{
	const struct xt_chain *x = *(const struct xt_chain *const *)a;
	const struct xt_chain *y = *(const struct xt_chain *const *)b;

	if (x->record.flags != y->record.flags)
		return x->record.flags & XT_CHAIN_BUILTIN ? -1 : 1;
	if (x->record.flags & XT_CHAIN_BUILTIN)
		return x->hook < y->hook ? -1 : x->hook > y->hook;
	return strcmp(x->name, y->name);
}

static int compare_name(const void *name, const void *chain)
{
	return strcmp(name, (*(const struct xt_chain *const *)chain)->name);
}

/* The number of a chain, or -ENOENT. */
static int find_chain(const struct composer *c, const char *name)
{
	const struct xt_chain **found;

	for (size_t i = 0; i < c->nbuiltin; i++)
		if (!strcmp(c->chains[i]->name, name))
			return (int)i;
	if (c->nbuiltin == c->nchains)
		return -ENOENT;
	found = bsearch(name, c->chains + c->nbuiltin, c->nchains - c->nbuiltin,
			sizeof(*c->chains), compare_name);
	return found ? (int)(found - c->chains) : -ENOENT;
}

static void collect_chains(struct composer *c, const struct piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct xt_chain *chain = piece_record(&pieces[i]);

		if (pieces[i].item->kind != ITEM_CHAIN)
			continue;
		*(const struct xt_chain **)array_grow(&c->chains, &c->nchains,
						      sizeof(chain)) = chain;
		c->nbuiltin += chain->record.flags & XT_CHAIN_BUILTIN;
		if (pieces[i].accept)
			strlist_add(&c->accepting, chain->name);
	}
	if (c->nchains)
		qsort(c->chains, c->nchains, sizeof(*c->chains), compare_chain);
}

static int compare_link(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->chain != y->chain)
		return x->chain < y->chain ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* The rules by their chains. */
static int collect_rules(const struct composer *c, const struct piece *pieces, size_t n,
			 struct link **links, size_t *nlinks)
{
	for (size_t i = 0; i < n; i++) {
		int number;

		if (pieces[i].item->kind != ITEM_RULE)
			continue;
		number = find_chain(c, pieces[i].item->name);
		if (number < 0)
			return number;
		*(struct link *)array_grow(links, nlinks, sizeof(**links)) =
			(struct link){&pieces[i], (size_t)number, i};
	}
	if (*nlinks)
		qsort(*links, *nlinks, sizeof(**links), compare_link);
	return 0;
}

static int find_source(struct composer *c, const struct table *t, const struct source **found)
{
	struct xt_stream s;
	struct source *source;
	int r;

	for (size_t i = 0; i < c->nsources; i++)
		if (c->sources[i].table == t) {
			*found = &c->sources[i];
			return 0;
		}
	r = xt_stream_open(&s, t);
	if (r < 0)
		return r;
	source = array_grow(&c->sources, &c->nsources, sizeof(*source));
	*source = (struct source){t, names_of(&s)};
	xt_stream_release(&s);
	*found = source;
	return 0;
}

static int move_set(void *arg, uint16_t *index, bool writes)
{
	struct composer *c = arg;

	(void)writes;
	*index = ruleset_move_set(c->rs, c->from, *index);
	return *index == SET_REF_NONE ? -EXDEV : 0;
}

static int put_rule(struct composer *c, const struct piece *p)
{
	const struct xt_record *from = piece_record(p);
	struct xt_record *r = buf_add_zero(&c->table->records, from->length);
	const struct source *source;
	int number, error;

	memcpy(r, from, from->length);
	c->from = p->from;
	if (r->flags & XT_RULE_JUMP) {
		struct xt_standard_target *t = xt_standard(c->family, r + 1);

		error = find_source(c, p->table, &source);
		if (error < 0)
			return error;
		number = find_chain(c, source->names[t->verdict]);
		if (number < 0)
			return number;
		t->verdict = number;
	}
	return xt_each_set(c->family, r + 1, move_set, c);
}

static void put_chain(struct composer *c, const struct xt_chain *from)
{
	struct xt_chain *chain = buf_add_zero(&c->table->records, sizeof(*chain));

	*chain = *from;
	if (strlist_has(&c->accepting, chain->name))
		chain->policy = -NF_ACCEPT - 1;
}

static int put_all(struct composer *c, const struct link *links, size_t nlinks)
{
	size_t next = 0;
	int r = 0;

	for (size_t i = 0; i < c->nchains; i++) {
		put_chain(c, c->chains[i]);
		for (; !r && next < nlinks && links[next].chain == i; next++)
			r = put_rule(c, links[next].piece);
	}
	c->table->size = c->table->records.len;
	return r;
}

int xt_compose(struct ruleset *rs, struct table *t, const struct piece *pieces, size_t n)
{
	struct composer c = {.rs = rs, .table = t, .family = xt_family(t->family)};
	struct link *links = NULL;
	size_t nlinks = 0;
	int r;

	collect_chains(&c, pieces, n);
	r = collect_rules(&c, pieces, n, &links, &nlinks);
	if (!r)
		r = put_all(&c, links, nlinks);
	for (size_t i = 0; i < c.nsources; i++)
		free(c.sources[i].names);
	free(c.sources);
	free(c.chains);
	strlist_release(&c.accepting);
	free(links);
	return r ? r : engine_xtables.digest(rs, t);
}

void xt_refers(const struct table *t, const struct item *const *items, size_t n,
	       item_reference *fn, void *arg)
{
	cleanup_stream struct xt_stream s = {0};

	if (xt_stream_open(&s, t) < 0)
		return;
	for (size_t i = 0; i < s.nparts; i++)
		if (s.parts[i].chain->record.flags & XT_CHAIN_BUILTIN)
			fn(arg, ITEM_CHAIN, s.parts[i].chain->name);
	for (size_t i = 0; i < n; i++) {
		const struct xt_record *r = (const void *)(t->records.data + items[i]->at);

		if (r->kind == XT_RULE && r->flags & XT_RULE_JUMP)
			fn(arg, ITEM_CHAIN,
			   s.parts[xt_standard(s.family, r + 1)->verdict].chain->name);
	}
}
