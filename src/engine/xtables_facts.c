/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"
#include "engine/xtmatch.h"

#include <string.h>

struct reading {
	const struct ruleset *rs;
	const struct xt_stream *stream;
	struct facts facts;
};

/* A name whose NUL does not count is the beginning of one; iptables leaves its "+" there. */
static void add_link(struct facts *f, enum fact_kind kind, const char *name, const unsigned char *mask)
{
	size_t n = 0;
	cleanup_free char *text = NULL;

	while (n < IFNAMSIZ - 1 && name[n] && mask[n])
		n++;
	text = str_printf("%.*s%s", (int)n, name, mask[n] ? "" : "+");
	if (mask[0])
		facts_add(f, kind, text);
}

static void add_net(struct facts *f, enum fact_kind kind, const void *address, const void *mask,
		    size_t size)
{
	static const char any[sizeof(struct in6_addr)];

	if (memcmp(mask, any, size))
		facts_add_net(f, kind, address, mask, size);
}

static void add_rest(struct facts *f, bool any)
{
	if (any)
		facts_add(f, FACT_MATCH, "fragment");
}

/* Bits of invflags are the same in both families. */
static void add_links(struct facts *f, const char *in, const unsigned char *in_mask, const char *out,
		      const unsigned char *out_mask, uint8_t inverted)
{
	add_link(f, inverted & IPT_INV_VIA_IN ? FACT_NOT_IN : FACT_IN, in, in_mask);
	add_link(f, inverted & IPT_INV_VIA_OUT ? FACT_NOT_OUT : FACT_OUT, out, out_mask);
}

static void read_ip(struct facts *f, const struct ipt_ip *ip)
{
	add_links(f, ip->iniface, ip->iniface_mask, ip->outiface, ip->outiface_mask, ip->invflags);
	add_net(f, FACT_SOURCE, &ip->src, &ip->smsk, sizeof(ip->src));
	add_net(f, FACT_DESTINATION, &ip->dst, &ip->dmsk, sizeof(ip->dst));
	xtmatch_add_protocol(f, (uint8_t)ip->proto);
	add_rest(f, ip->flags & IPT_F_FRAG);
}

static void read_ip6(struct facts *f, const struct ip6t_ip6 *ip)
{
	add_links(f, ip->iniface, ip->iniface_mask, ip->outiface, ip->outiface_mask, ip->invflags);
	add_net(f, FACT_SOURCE, &ip->src, &ip->smsk, sizeof(ip->src));
	add_net(f, FACT_DESTINATION, &ip->dst, &ip->dmsk, sizeof(ip->dst));
	xtmatch_add_protocol(f, (uint8_t)ip->proto);
	add_rest(f, ip->flags & IP6T_F_TOS);
}

static void read_matches(struct reading *r, const void *entry)
{
	const struct xt_family *f = r->stream->family;
	size_t end = xt_target_offset(f, entry);
	const struct xt_entry_match *m;

	for (size_t at = f->size; at < end; at += m->u.user.match_size) {
		m = (const void *)((const char *)entry + at);
		xtmatch_add_fact(&r->facts, m->u.user.name, m->data, m->u.user.match_size - sizeof(*m));
	}
}

static void read_verdict(struct facts *f, int verdict)
{
	if (verdict == -NF_ACCEPT - 1)
		facts_add(f, FACT_TARGET, "ACCEPT");
	else if (verdict == -NF_DROP - 1)
		facts_add(f, FACT_TARGET, "DROP");
	else if (verdict == XT_RETURN)
		facts_add(f, FACT_TARGET, "RETURN");
}

static void read_target(struct reading *r, const struct xt_record *rule, const void *entry)
{
	const struct xt_family *f = r->stream->family;
	const char *name = xt_entry_target(f, entry)->u.user.name;

	if (*name)
		facts_add(&r->facts, FACT_TARGET, name);
	else if (!(rule->flags & (XT_RULE_JUMP | XT_RULE_NEXT)))
		read_verdict(&r->facts, xt_standard(f, entry)->verdict);
}

static int add_set(void *arg, uint16_t *index, bool writes)
{
	struct reading *r = arg;
	const struct set_ref *s = ruleset_set(r->rs, *index);

	(void)writes;
	if (s)
		facts_add(&r->facts, FACT_SET, s->name);
	return 0;
}

static void read_rule(struct reading *r, const struct xt_record *rule)
{
	const void *entry = xt_record_entry(rule);

	if (r->stream->family->family == NFPROTO_IPV6)
		read_ip6(&r->facts, &((const struct ip6t_entry *)entry)->ipv6);
	else
		read_ip(&r->facts, &((const struct ipt_entry *)entry)->ip);
	read_matches(r, entry);
	read_target(r, rule, entry);
}

static void read_references(struct reading *r, const struct xt_record *rule)
{
	const struct xt_family *f = r->stream->family;
	const void *entry = xt_record_entry(rule);

	if (rule->flags & XT_RULE_JUMP)
		facts_add(&r->facts, FACT_JUMP,
			  r->stream->parts[xt_standard(f, entry)->verdict].chain->name);
	(void)!xt_each_set(f, (void *)entry, add_set, r);
}

void xt_facts(const struct ruleset *rs, const struct table *t, const struct items *items,
	      facts_wanted *wanted, rule_facts *fn, void *arg)
{
	cleanup_stream struct xt_stream s = {0};

	if (xt_stream_open(&s, t) < 0)
		return;
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->item[i];
		struct reading r = {.rs = rs, .stream = &s};

		if (item->kind != ITEM_RULE)
			continue;
		read_references(&r, (const void *)(t->records.data + item->at));
		if (wanted && wanted(arg, item, &r.facts))
			read_rule(&r, (const void *)(t->records.data + item->at));
		fn(arg, item, &r.facts);
		facts_release(&r.facts);
	}
}
