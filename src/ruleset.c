/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ruleset.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct digest digest_of(const void *data, size_t n)
{
	XXH128_hash_t h = XXH3_128bits(data, n);

	return (struct digest){.low = h.low64, .high = h.high64};
}

void digest_add(struct digest *sum, struct digest d)
{
	sum->low += d.low;
	sum->high += d.high + (sum->low < d.low);
}

bool digest_equal(struct digest a, struct digest b)
{
	return a.low == b.low && a.high == b.high;
}

void digest_hex(struct digest d, char hex[static DIGEST_HEX])
{
	snprintf(hex, DIGEST_HEX, "%016llx%016llx", (unsigned long long)d.high,
		 (unsigned long long)d.low);
}

int digest_parse(const char *hex, struct digest *d)
{
	unsigned long long high, low;
	int end = 0;

	if (strspn(hex, "0123456789abcdef") != DIGEST_HEX - 1 || strlen(hex) != DIGEST_HEX - 1 ||
	    sscanf(hex, "%16llx%16llx%n", &high, &low, &end) != 2 || end != DIGEST_HEX - 1)
		return -EINVAL;
	*d = (struct digest){.low = low, .high = high};
	return 0;
}

static void table_release(struct table *t)
{
	free(t->name);
	free(t->type);
	buf_release(&t->records);
	strlist_release(&t->chains);
	strlist_release(&t->sets);
}

void ruleset_release(struct ruleset *rs)
{
	for (size_t i = 0; i < rs->ntables; i++)
		table_release(&rs->tables[i]);
	free(rs->tables);
	free(rs->links);
	free(rs->sets);
	buf_release(&rs->order);
	strlist_release(&rs->owned);
	*rs = (struct ruleset){0};
}

static void *array_copy(const void *items, size_t n, size_t size)
{
	void *copy = NULL;
	size_t made = 0;

	for (size_t i = 0; i < n; i++)
		memcpy(array_grow(&copy, &made, size), (const char *)items + i * size, size);
	return copy;
}

void ruleset_outline(const struct ruleset *rs, struct ruleset *out)
{
	*out = *rs;
	out->tables = array_copy(rs->tables, rs->ntables, sizeof(*rs->tables));
	out->links = array_copy(rs->links, rs->nlinks, sizeof(*rs->links));
	out->sets = array_copy(rs->sets, rs->nsets, sizeof(*rs->sets));
	out->order = (struct buf)BUF_INIT;
	buf_add(&out->order, rs->order.data, rs->order.len);
	out->owned = (struct strlist){NULL, 0};
	for (size_t i = 0; i < rs->owned.n; i++)
		strlist_add(&out->owned, rs->owned.s[i]);
	for (size_t i = 0; i < out->ntables; i++) {
		struct table *t = &out->tables[i];

		t->name = str_dup(t->name);
		t->type = t->type ? str_dup(t->type) : NULL;
		t->records = (struct buf)BUF_INIT;
		t->chains = t->sets = (struct strlist){NULL, 0};
		strlist_add_all(&t->chains, &rs->tables[i].chains);
		strlist_add_all(&t->sets, &rs->tables[i].sets);
	}
}

struct table *ruleset_add(struct ruleset *rs, enum engine_id engine, uint8_t family,
			  const char *name)
{
	struct table *t = array_grow(&rs->tables, &rs->ntables, sizeof(*t));

	t->engine = engine;
	t->family = family;
	t->name = str_dup(name);
	return t;
}

void ruleset_drop(struct ruleset *rs, struct table *t)
{
	size_t place = (size_t)(t - rs->tables);

	table_release(t);
	memmove(t, t + 1, (rs->ntables - place - 1) * sizeof(*t));
	rs->ntables--;
}

struct table *ruleset_find(const struct ruleset *rs, enum engine_id engine, uint8_t family,
			   const char *name)
{
	for (size_t i = 0; i < rs->ntables; i++) {
		struct table *t = &rs->tables[i];

		/* ipset names are one namespace for all families */
		if (t->engine == engine && (t->family == family || engine == ENGINE_IPSET) &&
		    !strcmp(t->name, name))
			return t;
	}
	return NULL;
}

const struct link_ref *ruleset_link(const struct ruleset *rs, uint32_t index)
{
	for (size_t i = 0; i < rs->nlinks; i++)
		if (rs->links[i].index == index && index)
			return &rs->links[i];
	return NULL;
}

static struct link_ref *link_named(struct ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->nlinks; i++)
		if (!strcmp(rs->links[i].name, name))
			return &rs->links[i];
	return NULL;
}

void ruleset_note_link(struct ruleset *rs, uint32_t index)
{
	char name[IF_NAMESIZE] = "";
	struct link_ref *l;

	if (!index || ruleset_link(rs, index))
		return;
	if_indextoname(index, name);
	l = *name ? link_named(rs, name) : NULL;
	if (!l)
		l = array_grow(&rs->links, &rs->nlinks, sizeof(*l));
	l->index = index;
	strcpy(l->name, name);
}

void ruleset_note_device(struct ruleset *rs, const char *name)
{
	struct link_ref *l;

	if (!*name || strlen(name) >= IFNAMSIZ || link_named(rs, name))
		return;
	l = array_grow(&rs->links, &rs->nlinks, sizeof(*l));
	l->index = if_nametoindex(name);
	strcpy(l->name, name);
}

struct set_ref *ruleset_set(const struct ruleset *rs, uint16_t index)
{
	for (size_t i = 0; i < rs->nsets; i++)
		if (rs->sets[i].index == index)
			return &rs->sets[i];
	return NULL;
}

struct set_ref *ruleset_set_named(const struct ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->nsets; i++)
		if (!strcmp(rs->sets[i].name, name))
			return &rs->sets[i];
	return NULL;
}

uint32_t ruleset_move_link(struct ruleset *rs, const struct ruleset *from, uint32_t index)
{
	const struct link_ref *there = ruleset_link(from, index);
	const char *name = there ? there->name : "";
	struct link_ref *l = *name ? link_named(rs, name) : NULL;

	if (l && l->index)
		return l->index;
	/* without a name the number is all there is; else any will do that stands for no other name */
	if (!*name && ruleset_link(rs, index))
		return *ruleset_link(rs, index)->name ? 0 : index;
	while (ruleset_link(rs, index))
		index++;
	if (!l)
		l = array_grow(&rs->links, &rs->nlinks, sizeof(*l));
	l->index = index;
	strcpy(l->name, name);
	return index;
}

uint16_t ruleset_move_set(struct ruleset *rs, const struct ruleset *from, uint16_t index)
{
	const struct set_ref *there = ruleset_set(from, index);
	struct set_ref *s;

	if (!there)
		return ruleset_set(rs, index) ? SET_REF_NONE : index;
	s = ruleset_set_named(rs, there->name);
	if (s)
		return s->index;
	/* any number will do that stands for no other name */
	while (index == SET_REF_NONE || ruleset_set(rs, index))
		index++;
	s = array_grow(&rs->sets, &rs->nsets, sizeof(*s));
	*s = *there;
	s->index = index;
	s->written = false;
	s->now = SET_REF_NONE;
	return index;
}

void ruleset_resolve(struct ruleset *rs)
{
	struct netns_id here;
	bool home = !netns_identify(&here) && netns_same(&here, &rs->where);

	for (size_t i = 0; i < rs->nlinks; i++) {
		struct link_ref *l = &rs->links[i];

		/* the index of an interface that had vanished already means the same only at home */
		if (*l->name)
			l->now = if_nametoindex(l->name);
		else
			l->now = home ? l->index : 0;
	}
}

void ruleset_finish(struct ruleset *rs)
{
	for (size_t i = 0; i < rs->ntables; i++) {
		struct table *t = &rs->tables[i];
		const struct set_ref *s;

		if (t->engine != ENGINE_IPSET)
			continue;
		s = ruleset_set_named(rs, t->name);
		digest_add(s && s->written ? &t->dynamic : &t->fixed, t->members);
		t->members = (struct digest){0, 0};
	}
}

bool table_equal(const struct table *a, const struct table *b)
{
	if (!a || a->empty)
		return !b || b->empty;
	if (!b || b->empty)
		return false;
	return !strcmp(a->type ? a->type : "", b->type ? b->type : "") &&
	       digest_equal(a->fixed, b->fixed);
}

struct table *ruleset_counterpart(const struct ruleset *rs, const struct table *t)
{
	return ruleset_find(rs, t->engine, t->family, t->name);
}

struct table_counts ruleset_counts(const struct ruleset *rs, unsigned *tables)
{
	struct table_counts sum = {0};

	*tables = 0;
	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table_counts *n = &rs->tables[i].counts;

		if (rs->tables[i].empty)
			continue;
		++*tables;
		sum.chains += n->chains;
		sum.rules += n->rules;
		sum.sets += n->sets;
		sum.elements += n->elements;
		sum.objects += n->objects;
	}
	return sum;
}

static bool order_equal(const struct ruleset *a, const struct ruleset *b)
{
	return a->order.len == b->order.len &&
	       (!a->order.len || !memcmp(a->order.data, b->order.data, a->order.len));
}

bool ruleset_equal(const struct ruleset *a, const struct ruleset *b)
{
	return digest_equal(ruleset_digest(a), ruleset_digest(b));
}

struct digest ruleset_digest(const struct ruleset *rs)
{
	struct digest sum = digest_of(rs->order.data, rs->order.len);

	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *t = &rs->tables[i];
		cleanup_buf struct buf b = BUF_INIT;

		if (t->empty)
			continue;
		buf_printf(&b, "%d %d ", t->engine, t->engine == ENGINE_IPSET ? 0 : t->family);
		buf_add(&b, t->name, strlen(t->name) + 1);
		buf_add_str(&b, t->type ? t->type : "");
		buf_add(&b, &t->fixed, sizeof(t->fixed));
		digest_add(&sum, digest_of(b.data, b.len));
	}
	return sum;
}

void ruleset_differences(const struct ruleset *want, const struct ruleset *have, struct buf *out)
{
	for (size_t i = 0; i < want->ntables; i++) {
		const struct table *w = &want->tables[i], *h = ruleset_counterpart(have, w);
		cleanup_free char *label = table_label(w);

		if (!table_equal(w, h))
			buf_printf(out, "%s %s\n", label,
				   !h || h->empty  ? "is missing"
				   : w->empty ? "is new"
						   : "differs");
	}
	for (size_t i = 0; i < have->ntables; i++) {
		const struct table *h = &have->tables[i];
		cleanup_free char *label = table_label(h);

		if (!h->empty && !ruleset_counterpart(want, h))
			buf_printf(out, "%s is new\n", label);
	}
	if (!out->len && !order_equal(want, have))
		buf_add_str(out, "the order of base chains of equal priority differs\n");
}

static const struct {
	const char *name;
	uint8_t family;
} families[] = {
	{"ip", NFPROTO_IPV4},   {"ip6", NFPROTO_IPV6},       {"inet", NFPROTO_INET},
	{"arp", NFPROTO_ARP},   {"bridge", NFPROTO_BRIDGE},  {"netdev", NFPROTO_NETDEV},
	{"unspec", NFPROTO_UNSPEC},
};

const char *family_name(uint8_t family)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].family == family)
			return families[i].name;
	return NULL;
}

int family_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (!strcmp(families[i].name, name))
			return families[i].family;
	return -EINVAL;
}

char *table_label(const struct table *t)
{
	const char *family = family_name(t->family);

	if (t->engine == ENGINE_IPSET)
		return str_printf("ipset %s", t->name);
	return str_printf("%s%s %s", t->engine == ENGINE_XTABLES ? "legacy " : "",
			  family ? family : "unknown", t->name);
}
