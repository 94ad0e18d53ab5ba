/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "difference.h"

#include "difference_cut.h"
#include "log.h"
#include "order.h"
#include "text.h"

#include <errno.h>
#include <string.h>

struct making {
	struct ruleset *rs[SIDES];
	bool dynamic;
	struct pair *pairs;
	size_t npairs;
	struct difference *out;
};

static const struct table *there(const struct table *t)
{
	return t && !t->empty ? t : NULL;
}

static bool differ(const struct making *m, const struct table *a, const struct table *b)
{
	if (!table_equal(a, b))
		return true;
	return m->dynamic && there(a) && there(b) && !digest_equal(a->dynamic, b->dynamic);
}

static void add_pair(struct making *m, const struct table *old, const struct table *new)
{
	struct pair *p;

	if (!differ(m, old, new))
		return;
	p = array_grow(&m->pairs, &m->npairs, sizeof(*p));
	p->table[SIDE_OLD] = old;
	p->table[SIDE_NEW] = new;
	memcpy(p->from, m->rs, sizeof(p->from));
}

/* In the order of the new ruleset; what is gone comes last. */
static void find_pairs(struct making *m)
{
	const struct ruleset *old = m->rs[SIDE_OLD], *new = m->rs[SIDE_NEW];

	for (size_t i = 0; i < new->ntables; i++)
		add_pair(m, ruleset_counterpart(old, &new->tables[i]), &new->tables[i]);
	for (size_t i = 0; i < old->ntables; i++)
		if (!ruleset_counterpart(new, &old->tables[i]))
			add_pair(m, &old->tables[i], NULL);
}

/* A dynamic element that is asked for counts like any other. */
static void count_dynamic(struct items *items)
{
	for (size_t i = 0; i < items->n; i++)
		if (items->item[i].kind == ITEM_ELEMENT)
			items->item[i].silent = false;
}

static int take_apart(const struct making *m, struct pair *p)
{
	const struct engine *e = engines[pair_table(p)->engine];

	for (int side = 0; e && side < SIDES; side++) {
		const struct table *t = p->table[side];
		int r = t ? e->items(p->from[side], t, &p->items[side]) : 0;

		if (r) {
			cleanup_free char *label = table_label(t);

			return log_errno(r, "cannot take '%s' apart", label);
		}
		if (m->dynamic)
			count_dynamic(&p->items[side]);
	}
	items_compare(&p->items[SIDE_OLD], &p->items[SIDE_NEW], &p->changes);
	return 0;
}

/* Interfaces go by name: one may have had another index on each side. */
static void note_links(struct ruleset *like, const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->nlinks; i++) {
		struct link_ref *l;
		bool known = !*rs->links[i].name;

		for (size_t j = 0; j < like->nlinks && !known; j++)
			known = !strcmp(like->links[j].name, rs->links[i].name);
		if (known)
			continue;
		l = array_grow(&like->links, &like->nlinks, sizeof(*l));
		strcpy(l->name, rs->links[i].name);
	}
}

static void explain(struct pair *p, const char *why)
{
	for (int side = 0; side < SIDES; side++)
		if (p->cut[side].made && !p->cut[side].why)
			p->cut[side].why = str_dup(why);
}

/* Without a scratch everything is named that is not to be listed. */
static void list_all(struct making *m)
{
	struct scratch s = SCRATCH_INIT;
	struct ruleset like = {0};
	int r;

	for (size_t i = 0; i < m->npairs; i++) {
		pair_cut(&m->pairs[i]);
		for (int side = 0; side < SIDES; side++)
			note_links(&like, &m->pairs[i].cut[side].rs);
	}
	r = scratch_open(&s, &like);
	for (size_t i = 0; i < m->npairs; i++) {
		if (r)
			explain(&m->pairs[i], "no private namespace can be made");
		else
			pair_list(&m->pairs[i], &s);
	}
	scratch_close(&s);
	ruleset_release(&like);
}

static char *order_of(const struct ruleset *rs, const struct strlist *tables)
{
	struct buf order = BUF_INIT;

	order_project(&rs->order, tables, &order);
	return buf_detach(&order);
}

static bool has_line(const char *lines, const char *line, size_t n)
{
	for (; *lines; lines += strcspn(lines, "\n"), lines += *lines == '\n')
		if (strcspn(lines, "\n") == n && !memcmp(lines, line, n))
			return true;
	return false;
}

/* By number, as linux/netfilter.h, netfilter_arp.h and netfilter_netdev.h have them. */
static const char *hook_name(const char *family, unsigned long hook)
{
	static const char *const inet[] = {"prerouting", "input",	"forward",
					   "output",	 "postrouting", "ingress"};
	static const char *const arp[] = {"input", "output", "forward"};
	static const char *const netdev[] = {"ingress", "egress"};

	if (!strncmp(family, "arp ", 4))
		return hook < ARRAY_SIZE(arp) ? arp[hook] : "?";
	if (!strncmp(family, "netdev ", 7))
		return hook < ARRAY_SIZE(netdev) ? netdev[hook] : "?";
	return hook < ARRAY_SIZE(inet) ? inet[hook] : "?";
}

/* "ip 1 0: ip a c, ip b c" as "ip input 0: ..." */
static char *order_text(const char *line, size_t n)
{
	const int family = (int)strcspn(line, " ");
	char *rest;
	unsigned long hook = strtoul(line + family, &rest, 10);

	return str_printf("%.*s %s%.*s", family, line, hook_name(line, hook),
			  (int)(line + n - rest), rest);
}

static void put_order_lines(struct difference_section *s, enum difference_sign sign,
			    const char *order, const char *other)
{
	for (; *order; order += strcspn(order, "\n"), order += *order == '\n') {
		size_t n = strcspn(order, "\n");
		cleanup_free char *line = order_text(order, n);

		if (!has_line(other, order, n))
			difference_add_line(s, sign, line);
	}
}

/* Of the tables that both have: that others come or go is said already. */
static void put_order(const struct making *m)
{
	cleanup_strlist struct strlist tables = {NULL, 0};
	cleanup_free char *old = NULL, *new = NULL;
	struct difference_section *s;

	for (size_t i = 0; i < m->rs[SIDE_OLD]->ntables; i++) {
		const struct table *t = &m->rs[SIDE_OLD]->tables[i];
		cleanup_free char *key = str_printf("%s %s", family_name(t->family), t->name);

		if (t->engine == ENGINE_NFT && there(ruleset_counterpart(m->rs[SIDE_NEW], t)))
			strlist_add(&tables, key);
	}
	old = order_of(m->rs[SIDE_OLD], &tables);
	new = order_of(m->rs[SIDE_NEW], &tables);
	if (!strcmp(old, new))
		return;
	s = difference_add_section(difference_add_table(m->out, SIGN_NONE, NULL), SIGN_NONE,
				   "order of base chains of equal priority");
	put_order_lines(s, SIGN_REMOVED, old, new);
	put_order_lines(s, SIGN_ADDED, new, old);
	m->out->counts.others++;
}

int difference_make(struct ruleset *old, struct ruleset *new, bool dynamic, struct difference *d)
{
	struct making m = {.rs = {old, new}, .dynamic = dynamic, .out = d};
	int r = 0;

	find_pairs(&m);
	for (size_t i = 0; i < m.npairs && !r; i++)
		r = take_apart(&m, &m.pairs[i]);
	if (!r && m.npairs)
		list_all(&m);
	for (size_t i = 0; i < m.npairs && !r; i++)
		difference_add_pair(d, &m.pairs[i]);
	if (!r)
		put_order(&m);
	for (size_t i = 0; i < m.npairs; i++)
		pair_release(&m.pairs[i]);
	free(m.pairs);
	return r;
}
