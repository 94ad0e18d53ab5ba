/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "rehearse_steps.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/* A table of live beside its successor, which may be missing. */
struct pair {
	const struct table *old, *new;
	struct parts was, is; /* sorted by name */
	char *label;
};

struct comparing {
	struct pair *pairs;
	size_t n;
};

static int compare_part(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->set != y->set ? (x->set ? 1 : -1) : strcmp(x->name, y->name);
}

static int read_parts(const struct table *t, struct parts *parts)
{
	int r = t && engines[t->engine]->parts ? engines[t->engine]->parts(t, parts) : 0;

	if (!r && parts->n)
		qsort(parts->part, parts->n, sizeof(*parts->part), compare_part);
	return r;
}

static const struct part *find_part(const struct parts *parts, const struct part *p)
{
	return parts->n ? bsearch(p, parts->part, parts->n, sizeof(*p), compare_part) : NULL;
}

static int add_pair(struct comparing *c, const struct table *old, const struct table *new)
{
	struct pair *p = array_grow(&c->pairs, &c->n, sizeof(*p));
	int r;

	p->old = old;
	p->new = new;
	p->label = table_label(old ? old : new);
	r = read_parts(old, &p->was);
	return r ? r : read_parts(new, &p->is);
}

/* Equal tables have lost nothing and opened nothing. */
static int add_pairs(struct comparing *c, const struct ruleset *live,
		     const struct ruleset *candidate)
{
	int r = 0;

	for (size_t i = 0; i < live->ntables && !r; i++) {
		const struct table *old = &live->tables[i],
				   *new = ruleset_counterpart(candidate, old);

		if (!old->empty && !table_equal(old, new))
			r = add_pair(c, old, new);
	}
	for (size_t i = 0; i < candidate->ntables && !r; i++) {
		const struct table *new = &candidate->tables[i],
				   *old = ruleset_counterpart(live, new);

		if (!new->empty && (!old || old->empty))
			r = add_pair(c, NULL, new);
	}
	return r;
}

/* What a table loses, or an ipset that is gone. */
static void find_unmentioned(const struct pair *p, const struct mentions *m, struct strlist *out)
{
	if (!p->old)
		return;
	if (p->old->engine == ENGINE_IPSET) {
		if (!p->new && !mentions_have(m, "ipset", p->old->name))
			strlist_add(out, p->label);
		return;
	}
	for (size_t i = 0; i < p->was.n; i++) {
		const struct part *part = &p->was.part[i];

		if (part->content && !find_part(&p->is, part) &&
		    !mentions_have(m, p->label, part->name)) {
			cleanup_free char *full = str_printf("%s %s", p->label, part->name);

			strlist_add(out, full);
		}
	}
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

		for (size_t j = 0; j < p->is.n; j++) {
			const struct part *new = &p->is.part[j], *old = find_part(&p->was, new);

			if (new->input &&new->content && judges(p->new, family) &&
			    !(old && old->input && old->content))
				return true;
		}
	}
	return false;
}

static void find_opened(const struct comparing *c, const struct pair *p, struct strlist *out)
{
	for (size_t i = 0; p->old && i < p->was.n; i++) {
		const struct part *old = &p->was.part[i], *new = find_part(&p->is, old);
		uint8_t family = p->old->family;
		cleanup_free char *full = NULL;

		if (!old->input || !old->content || (new &&new->input &&new->content))
			continue;
		if (family == NFPROTO_INET
			    ? taken_over(c, NFPROTO_IPV4) && taken_over(c, NFPROTO_IPV6)
			    : taken_over(c, family))
			continue;
		full = str_printf("%s %s", p->label, old->name);
		strlist_add(out, full);
	}
}

static void release(struct comparing *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->pairs[i].was.part);
		free(c->pairs[i].is.part);
		free(c->pairs[i].label);
	}
	free(c->pairs);
}

int rehearse_compare(struct rehearsal *r, const struct mentions *m)
{
	struct comparing c = {NULL, 0};
	int result = add_pairs(&c, r->live, &r->candidate);

	for (size_t i = 0; i < c.n && !result; i++) {
		if (m)
			find_unmentioned(&c.pairs[i], m, &r->unmentioned);
		find_opened(&c, &c.pairs[i], &r->opened);
	}
	release(&c);
	return result ? log_errno(result, "cannot compare the rules") : 0;
}
