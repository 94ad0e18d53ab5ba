/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What counts when rulesets are compared; digests of records, hostile ones included. */
#include "engine/nft.h"
#include "records.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

static struct digest digest_text(const char *s)
{
	return digest_of(s, strlen(s));
}

static struct table *add(struct ruleset *rs, enum engine_id engine, uint8_t family, const char *name,
			 const char *content)
{
	struct table *t = ruleset_add(rs, engine, family, name);

	t->fixed = digest_text(content);
	return t;
}

static void digests_add_in_any_order(void **state)
{
	struct digest a = digest_text("a"), b = digest_text("b"), one = {0, 0}, other = {0, 0};

	(void)state;
	digest_add(&one, a);
	digest_add(&one, b);
	digest_add(&other, b);
	digest_add(&other, a);
	assert_true(digest_equal(one, other));
	assert_false(digest_equal(one, a));
}

static void a_digest_carries_into_its_high_half(void **state)
{
	struct digest sum = {.low = UINT64_MAX, .high = 7};

	(void)state;
	digest_add(&sum, (struct digest){.low = 1, .high = 1});
	assert_int_equal(sum.low, 0);
	assert_int_equal(sum.high, 9);
}

static void a_digest_is_the_same_as_text(void **state)
{
	struct digest d = {.low = 0x0123456789abcdef, .high = 0xf0}, back;
	char hex[DIGEST_HEX];

	(void)state;
	digest_hex(d, hex);
	assert_string_equal(hex, "00000000000000f00123456789abcdef");
	assert_int_equal(digest_parse(hex, &back), 0);
	assert_true(digest_equal(d, back));
}

static void what_is_no_digest_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"00000000000000f00123456789abcde",
		"00000000000000f00123456789abcdef0",
		"00000000000000f00123456789abcdeg",
		"00000000000000F00123456789ABCDEF",
		" 0000000000000f00123456789abcdef",
		"0x000000000000f00123456789abcdef",
		"-0000000000000f00123456789abcdef",
	};
	struct digest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(digest_parse(bad[i], &d), -EINVAL);
}

static void tables_are_equal_by_type_and_what_is_fixed(void **state)
{
	struct ruleset rs = {0};
	struct table a, b;

	(void)state;
	add(&rs, ENGINE_NFT, NFPROTO_IPV4, "t", "x");
	a = b = rs.tables[0];
	b.dynamic = digest_text("dynamic");
	b.counts.rules = 9;
	b.size = 99;
	assert_true(table_equal(&a, &b));
	b.fixed = digest_text("y");
	assert_false(table_equal(&a, &b));
	b = a;
	b.type = (char *)"hash:ip";
	assert_false(table_equal(&a, &b));
	ruleset_release(&rs);
}

static void an_empty_table_equals_an_absent_one(void **state)
{
	struct table full = {.fixed = {1, 1}}, empty = {.fixed = {2, 2}, .empty = true};

	(void)state;
	assert_true(table_equal(NULL, NULL));
	assert_true(table_equal(&empty, NULL));
	assert_true(table_equal(NULL, &empty));
	assert_true(table_equal(&empty, &empty));
	assert_false(table_equal(&full, NULL));
	assert_false(table_equal(NULL, &full));
	assert_false(table_equal(&full, &empty));
	assert_false(table_equal(&empty, &full));
}

/* A ruleset of three tables, of which each call for another `variant` has one thing different. */
static void fill(struct ruleset *rs, unsigned variant)
{
	struct table *t;

	add(rs, ENGINE_IPSET, variant == 1 ? NFPROTO_IPV6 : NFPROTO_IPV4, "s", "members");
	t = add(rs, ENGINE_NFT, variant == 2 ? NFPROTO_IPV6 : NFPROTO_IPV4, "filter", "rules");
	if (variant == 3)
		t->name[0] = 'x';
	t = add(rs, variant == 4 ? ENGINE_NFT : ENGINE_XTABLES, NFPROTO_IPV4, "nat",
		variant == 5 ? "others" : "rules");
	if (variant == 6)
		t->type = str_dup("type");
	if (variant == 7)
		add(rs, ENGINE_XTABLES, NFPROTO_IPV4, "raw", "")->empty = true;
	if (variant == 8)
		add(rs, ENGINE_XTABLES, NFPROTO_IPV4, "raw", "");
	buf_add_str(&rs->order, variant == 9 ? "ip 1 0: b, a\n" : "ip 1 0: a, b\n");
	rs->generation = variant;
	if (variant == 10)
		strlist_add(&rs->owned, "ip owned");
	if (variant == 11)
		t->dynamic = digest_text("dynamic");
}

static void rulesets_differ_in_what_counts_alone(void **state)
{
	static const char *const named[] = {
		/* what ruleset_differences says of variant n; NULL: they are equal */
		NULL, NULL, "ip filter is missing\nip6 filter is new\n",
		"ip filter is missing\nip xilter is new\n", "legacy ip nat is missing\nip nat is new\n",
		"legacy ip nat differs\n", "legacy ip nat differs\n", NULL, "legacy ip raw is new\n",
		"the order of base chains of equal priority differs\n", NULL, NULL,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(named); i++) {
		struct ruleset a = {0}, b = {0};
		cleanup_buf struct buf said = BUF_INIT;

		fill(&a, 0);
		fill(&b, i);
		assert_int_equal(ruleset_equal(&a, &b), !named[i]);
		assert_int_equal(ruleset_equal(&b, &a), !named[i]);
		ruleset_differences(&a, &b, &said);
		assert_string_equal(buf_str(&said), named[i] ? named[i] : "");
		ruleset_release(&a);
		ruleset_release(&b);
	}
}

static void the_order_of_tables_does_not_count(void **state)
{
	struct ruleset a = {0}, b = {0};

	(void)state;
	add(&a, ENGINE_NFT, NFPROTO_IPV4, "one", "1");
	add(&a, ENGINE_NFT, NFPROTO_IPV4, "two", "2");
	add(&b, ENGINE_NFT, NFPROTO_IPV4, "two", "2");
	add(&b, ENGINE_NFT, NFPROTO_IPV4, "one", "1");
	assert_true(ruleset_equal(&a, &b));
	b.tables[0].fixed = digest_text("1");
	b.tables[1].fixed = digest_text("2");
	assert_false(ruleset_equal(&a, &b));
	ruleset_release(&a);
	ruleset_release(&b);
}

static void an_outline_outlives_its_ruleset(void **state)
{
	struct ruleset rs = {0}, out = {0}, same = {0};

	(void)state;
	fill(&rs, 6);
	fill(&same, 6);
	strlist_add(&rs.tables[1].chains, "input");
	strlist_add(&rs.owned, "ip owned");
	buf_add_str(&rs.tables[1].records, "records");
	rs.tables[1].size = 7;
	((struct link_ref *)array_grow(&rs.links, &rs.nlinks, sizeof(*rs.links)))->index = 5;
	((struct set_ref *)array_grow(&rs.sets, &rs.nsets, sizeof(*rs.sets)))->index = 6;
	ruleset_outline(&rs, &out);
	ruleset_release(&rs);
	assert_true(ruleset_equal(&out, &same));
	assert_int_equal(out.tables[1].records.len, 0);
	assert_int_equal(out.tables[1].size, 7);
	assert_string_equal(out.tables[1].chains.s[0], "input");
	assert_string_equal(out.tables[2].type, "type");
	assert_string_equal(out.owned.s[0], "ip owned");
	assert_non_null(ruleset_link(&out, 5));
	assert_non_null(ruleset_set(&out, 6));
	ruleset_release(&out);
	ruleset_release(&same);
}

static void members_of_a_set_that_rules_write_to_are_dynamic(void **state)
{
	(void)state;
	for (int written = 0; written <= 1; written++) {
		struct ruleset rs = {0};
		struct table *t = add(&rs, ENGINE_IPSET, NFPROTO_IPV4, "s", "set");
		struct set_ref *s = array_grow(&rs.sets, &rs.nsets, sizeof(*rs.sets));
		struct digest fixed = t->fixed;

		strcpy(s->name, "s");
		s->written = written;
		t->members = digest_text("members");
		ruleset_finish(&rs);
		assert_int_equal(digest_equal(t->fixed, fixed), written);
		assert_int_equal(digest_equal(t->dynamic, digest_text("members")), written);
		fixed = t->fixed;
		ruleset_finish(&rs);
		assert_true(digest_equal(t->fixed, fixed));
		ruleset_release(&rs);
	}
}

/* Messages of nf_tables, by hand: each starts with the name of its table. */
static char space[128 << 10];

static struct nlmsghdr *begin(uint8_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(space);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	*nfg = (struct nfgenmsg){.nfgen_family = NFPROTO_INET};
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, "t");
	return nlh;
}

static void end(struct table *t, const struct nlmsghdr *nlh)
{
	buf_add(&t->records, nlh, nlh->nlmsg_len);
}

static struct nlattr *expression(struct nlmsghdr *nlh, const char *name)
{
	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, name);
	return mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
}

/* "iif INDEX counter packets PACKETS" in chain c. */
static void add_rule(struct table *t, uint32_t index, uint64_t packets)
{
	struct nlmsghdr *nlh = begin(NFT_MSG_NEWRULE);
	struct nlattr *list, *element, *data, *value;

	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, "c");
	list = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
	element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	data = expression(nlh, "meta");
	mnl_attr_put_u32(nlh, NFTA_META_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(nlh, NFTA_META_KEY, htonl(NFT_META_IIF));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, element);
	element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	data = expression(nlh, "cmp");
	mnl_attr_put_u32(nlh, NFTA_CMP_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(nlh, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
	value = mnl_attr_nest_start(nlh, NFTA_CMP_DATA);
	mnl_attr_put_u32(nlh, NFTA_DATA_VALUE, index);
	mnl_attr_nest_end(nlh, value);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, element);
	element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	data = expression(nlh, "counter");
	mnl_attr_put_u64(nlh, NFTA_COUNTER_PACKETS, packets);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, element);
	mnl_attr_nest_end(nlh, list);
	end(t, nlh);
}

/* Table t of family inet with chain c; the interface `name` has this index. */
static struct table *begin_table(struct ruleset *rs, const char *name, uint32_t index)
{
	struct table *t = ruleset_add(rs, ENGINE_NFT, NFPROTO_INET, "t");
	struct link_ref *l = array_grow(&rs->links, &rs->nlinks, sizeof(*l));
	struct nlmsghdr *nlh;

	strcpy(l->name, name);
	l->index = index;
	end(t, begin(NFT_MSG_NEWTABLE));
	nlh = begin(NFT_MSG_NEWCHAIN);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, "c");
	end(t, nlh);
	return t;
}

static int digest(struct ruleset *rs, struct table *t)
{
	t->members = (struct digest){0, 0};
	return engines[t->engine]->digest(rs, t);
}

static struct digest digest_of_rule(const char *name, uint32_t index, uint32_t used, uint64_t packets)
{
	struct ruleset rs = {0};
	struct table *t = begin_table(&rs, name, index);
	struct digest d;

	add_rule(t, used, packets);
	assert_int_equal(digest(&rs, t), 0);
	assert_int_equal(t->counts.rules, 1);
	assert_int_equal(t->counts.chains, 1);
	d = t->fixed;
	ruleset_release(&rs);
	return d;
}

static void interfaces_count_by_name(void **state)
{
	struct digest d = digest_of_rule("d0", 2, 2, 0);

	(void)state;
	assert_true(digest_equal(d, digest_of_rule("d0", 7, 7, 0)));
	assert_false(digest_equal(d, digest_of_rule("d1", 2, 2, 0)));
	assert_false(digest_equal(d, digest_of_rule("d0", 7, 2, 0)));
}

static void counters_do_not_count(void **state)
{
	(void)state;
	assert_true(digest_equal(digest_of_rule("d0", 2, 2, 0), digest_of_rule("d0", 2, 2, 5)));
}

static void the_place_of_a_rule_counts(void **state)
{
	struct ruleset one = {0}, other = {0};
	struct table *a = begin_table(&one, "d0", 2), *b = begin_table(&other, "d0", 2);

	(void)state;
	add_rule(a, 2, 0);
	add_rule(a, 3, 0);
	add_rule(b, 3, 0);
	add_rule(b, 2, 0);
	assert_int_equal(digest(&one, a), 0);
	assert_int_equal(digest(&other, b), 0);
	assert_false(digest_equal(a->fixed, b->fixed));
	ruleset_release(&one);
	ruleset_release(&other);
}

static void messages_of_another_table_are_refused(void **state)
{
	struct ruleset rs = {0};
	struct table *t = begin_table(&rs, "d0", 2);

	(void)state;
	assert_int_equal(digest(&rs, t), 0);
	t->family = NFPROTO_IPV4;
	assert_int_equal(digest(&rs, t), -EBADMSG);
	t->family = NFPROTO_INET;
	*t->name = 'u';
	assert_int_equal(digest(&rs, t), -EBADMSG);
	ruleset_release(&rs);
}

static void messages_of_another_kind_are_refused(void **state)
{
	static const uint16_t types[] = {
		NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE,
		NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN,   NFNL_SUBSYS_NFTABLES << 8 | 0xff,
		NFNL_SUBSYS_IPSET << 8 | NFT_MSG_NEWTABLE,    NLMSG_DONE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct ruleset rs = {0};
		struct table *t = begin_table(&rs, "d0", 2);
		struct nlmsghdr *nlh = begin(NFT_MSG_NEWTABLE);

		nlh->nlmsg_type = types[i];
		end(t, nlh);
		assert_int_equal(digest(&rs, t), -EBADMSG);
		ruleset_release(&rs);
	}
}

static void a_message_of_a_wrong_length_is_refused(void **state)
{
	static const uint32_t lengths[] = {0, 1, 15, 16, 19, 21, 22, 23, 29, 1 << 20, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct ruleset rs = {0};
		struct table *t = begin_table(&rs, "d0", 2);

		((struct nlmsghdr *)(void *)t->records.data)->nlmsg_len = lengths[i];
		assert_int_equal(digest(&rs, t), -EBADMSG);
		ruleset_release(&rs);
	}
}

/* An expression within an expression, and so on, as deep as an attribute is long. */
static void nests_that_are_too_deep_are_refused(void **state)
{
	struct ruleset rs = {0};
	struct table *t = begin_table(&rs, "d0", 2);
	struct nlmsghdr *nlh = begin(NFT_MSG_NEWRULE);
	struct nlattr *nests[6000];
	size_t n = 0;

	(void)state;
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, "c");
	nests[n++] = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
	nests[n++] = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	while (n + 2 < ARRAY_SIZE(nests) && nlh->nlmsg_len < 60000) {
		nests[n++] = expression(nlh, "dynset");
		nests[n++] = mnl_attr_nest_start(nlh, NFTA_DYNSET_EXPR);
	}
	while (n)
		mnl_attr_nest_end(nlh, nests[--n]);
	end(t, nlh);
	assert_int_equal(digest(&rs, t), -EBADMSG);
	ruleset_release(&rs);
}

/* Real records. */
static const struct sample {
	enum engine_id engine;
	uint8_t family;
	const char *name;
	const unsigned char *records;
	size_t size;
	const char *digest; /* a digest is part of the format: a MANIFEST keeps it for years */
} samples[] = {
	{ENGINE_NFT, NFPROTO_INET, "mixed", nft_mixed, sizeof(nft_mixed), "e1c52205e6b87f911bcd2c35c6f11674"},
	{ENGINE_NFT, NFPROTO_IPV4, "filter", nft_filter, sizeof(nft_filter), "7732c4e150ef2e1cb9cb773289dfd0c8"},
	{ENGINE_XTABLES, NFPROTO_IPV4, "filter", legacy_filter, sizeof(legacy_filter), "85c6d4b7e3be5fa1a06732ecfc4290f6"},
	{ENGINE_IPSET, NFPROTO_IPV4, "members", ipset_members, sizeof(ipset_members), "5e85c9f7bd1032eb75b1d258de7ad726"},
	{ENGINE_IPSET, NFPROTO_UNSPEC, "list", ipset_list, sizeof(ipset_list), "fadccc3635741977f970d369cb9c5cba"},
};

/* The first n bytes of a sample, in memory that ends with them. */
static struct table *sample_table(struct ruleset *rs, const struct sample *s, size_t n)
{
	static const char *const links[] = {"d0", "d1"}, *const sets[] = {"members", "list"};
	struct table *t = ruleset_add(rs, s->engine, s->family, s->name);

	for (uint32_t i = 0; i < 2; i++) {
		struct link_ref *l = array_grow(&rs->links, &rs->nlinks, sizeof(*l));
		struct set_ref *set = array_grow(&rs->sets, &rs->nsets, sizeof(*set));

		strcpy(l->name, links[i]);
		l->index = 2 + i;
		strcpy(set->name, sets[i]);
		set->index = (uint16_t)i;
	}
	t->records = (struct buf){mem_alloc(n ? n : 1), n, n ? n : 1};
	memcpy(t->records.data, s->records, n);
	return t;
}

static void real_records_have_the_digests_they_always_had(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct ruleset rs = {0};
		struct table *t;
		char hex[DIGEST_HEX];

		if (!engines[samples[i].engine])
			continue;
		t = sample_table(&rs, &samples[i], samples[i].size);
		assert_int_equal(digest(&rs, t), 0);
		ruleset_finish(&rs);
		digest_hex(t->fixed, hex);
		assert_string_equal(hex, samples[i].digest);
		ruleset_release(&rs);
	}
}

static void records_cut_short_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		unsigned taken = 0;

		for (size_t n = 1; n < samples[i].size && engines[samples[i].engine]; n++) {
			struct ruleset rs = {0};
			struct table *t = sample_table(&rs, &samples[i], n);
			int r = digest(&rs, t);

			assert_true(!r || r == -EBADMSG);
			taken += !r;
			ruleset_release(&rs);
		}
		/* only between two records */
		assert_in_range(taken, 0, 40);
	}
}

static void no_byte_of_records_can_lead_astray(void **state)
{
	static const unsigned char values[] = {0x01, 0x80, 0xff};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		for (size_t at = 0; at < samples[i].size && engines[samples[i].engine]; at++)
			for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
				struct ruleset rs = {0};
				struct table *t = sample_table(&rs, &samples[i], samples[i].size);
				int r;

				t->records.data[at] ^= values[v];
				r = digest(&rs, t);
				assert_true(!r || r == -EBADMSG);
				ruleset_release(&rs);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_add_in_any_order),
		cmocka_unit_test(a_digest_carries_into_its_high_half),
		cmocka_unit_test(a_digest_is_the_same_as_text),
		cmocka_unit_test(what_is_no_digest_is_refused),
		cmocka_unit_test(tables_are_equal_by_type_and_what_is_fixed),
		cmocka_unit_test(an_empty_table_equals_an_absent_one),
		cmocka_unit_test(rulesets_differ_in_what_counts_alone),
		cmocka_unit_test(the_order_of_tables_does_not_count),
		cmocka_unit_test(an_outline_outlives_its_ruleset),
		cmocka_unit_test(members_of_a_set_that_rules_write_to_are_dynamic),
		cmocka_unit_test(interfaces_count_by_name),
		cmocka_unit_test(counters_do_not_count),
		cmocka_unit_test(the_place_of_a_rule_counts),
		cmocka_unit_test(messages_of_another_table_are_refused),
		cmocka_unit_test(messages_of_another_kind_are_refused),
		cmocka_unit_test(a_message_of_a_wrong_length_is_refused),
		cmocka_unit_test(nests_that_are_too_deep_are_refused),
		cmocka_unit_test(real_records_have_the_digests_they_always_had),
		cmocka_unit_test(records_cut_short_are_refused),
		cmocka_unit_test(no_byte_of_records_can_lead_astray),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
