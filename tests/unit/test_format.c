/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "history.h"

#include <linux/netfilter.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define SAMPLE_IPTABLES                                                                            \
	"# by fwsnap\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 25 -j ACCEPT\nCOMMIT\n"

/* The sample holds these tables; byte i of a table's records is i * 7 + salt. */
static const struct {
	enum engine_id engine;
	uint8_t family;
	const char *name, *type;
	unsigned salt;
	size_t size;
	enum proof proof;
} sample_tables[] = {
	{ENGINE_IPSET, NFPROTO_IPV4, "blocked hosts", "hash:ip", 3, 40, PROOF_IPSET},
	{ENGINE_IPSET, NFPROTO_UNSPEC, "ports", "bitmap:port", 4, 8, PROOF_IPSET},
	{ENGINE_NFT, NFPROTO_INET, "mail", NULL, 1, 260, PROOF_NFT},
	{ENGINE_NFT, NFPROTO_IPV4, "filter", NULL, 2, 64, PROOF_IPTABLES},
	{ENGINE_XTABLES, NFPROTO_IPV6, "raw", NULL, 5, 0, PROOF_EXACT},
};

static void assert_sample_table(const struct table *t, size_t i)
{
	const unsigned salt = sample_tables[i].salt;
	const struct table_counts counts = {salt, salt + 1, salt + 2, salt + 3, salt + 4};
	const char *name = sample_tables[i].name, *type = sample_tables[i].type;

	assert_int_equal(t->engine, sample_tables[i].engine);
	assert_int_equal(t->family, sample_tables[i].family);
	assert_string_equal(t->name, name);
	assert_true(type ? t->type && !strcmp(t->type, type) : !t->type);
	assert_memory_equal(&t->counts, &counts, sizeof(counts));
	assert_int_equal(t->empty, !sample_tables[i].size);
	assert_int_equal(t->size, sample_tables[i].size);
	assert_int_equal(t->records.len, t->size);
	for (size_t k = 0; k < t->size; k++)
		assert_int_equal(t->records.data[k], (unsigned char)(k * 7 + salt));
	assert_true(digest_equal(t->fixed, digest_of(name, strlen(name))));
	assert_true(digest_equal(t->dynamic, digest_of(t->records.data, t->size)));
}

static void assert_sample_story(const struct manifest *m)
{
	assert_int_equal(m->format, 1);
	assert_int_equal(m->id, 1);
	assert_int_equal(m->created, 1795468386);
	assert_false(m->automatic);
	assert_string_equal(m->host, "mail.example.org");
	assert_string_equal(m->kernel, "6.1.0-28-amd64");
	assert_string_equal(m->machine, "x86_64");
	assert_string_equal(m->user, "root");
	assert_string_equal(m->from, "pts/3 198.51.100.7");
	assert_string_equal(m->message, "mail ports: 25,\n\"587\" \\ caf\xc3\xa9\x1b");
	assert_int_equal(m->tags.n, 2);
	assert_string_equal(m->tags.s[0], "good");
	assert_string_equal(m->tags.s[1], "v1.0-rc_2");
	assert_int_equal(m->programs.n, 2);
	assert_string_equal(m->programs.s[0], "nft 1.0.6");
	assert_string_equal(m->programs.s[1], "iptables 1.8.9 (nf_tables)");
}

static void assert_sample_names(const struct ruleset *rs)
{
	static const struct link_ref links[] = {{2, "eth0", 0}, {9, "", 0}, {0, "wg0", 0}};
	static const struct set_ref sets[] = {
		{.index = 3, .name = "blocked hosts", .written = true},
		{.index = 4, .name = "ports"},
	};
	static const char order[] = "ip input 0: inet mail input, ip filter INPUT\n";

	assert_string_equal(rs->where.boot, "0123456789abcdef0123456789abcdef");
	assert_int_equal(rs->where.cookie, 4097);
	assert_int_equal(rs->nlinks, ARRAY_SIZE(links));
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		assert_int_equal(rs->links[i].index, links[i].index);
		assert_string_equal(rs->links[i].name, links[i].name);
	}
	assert_int_equal(rs->nsets, ARRAY_SIZE(sets));
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		assert_int_equal(rs->sets[i].index, sets[i].index);
		assert_string_equal(rs->sets[i].name, sets[i].name);
		assert_int_equal(rs->sets[i].written, sets[i].written);
	}
	assert_int_equal(rs->order.len, strlen(order));
	assert_memory_equal(rs->order.data, order, strlen(order));
	assert_int_equal(rs->owned.n, 1);
	assert_string_equal(rs->owned.s[0], "inet firewalld");
}

static void assert_sample_texts(const struct manifest *m)
{
	static const struct {
		const char *path;
		enum text_state state;
		const char *content;
	} want[] = {
		{HISTORY_IPTABLES, TEXT_WRITTEN, SAMPLE_IPTABLES},
		{HISTORY_IP6TABLES, TEXT_ABSENT, NULL},
		{HISTORY_NFTABLES, TEXT_LEFT, "table ip stale\n"},
	};

	assert_int_equal(m->ntexts, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct manifest_text *t = &m->texts[i];
		size_t n = want[i].content ? strlen(want[i].content) : 0;

		assert_string_equal(t->path, want[i].path);
		assert_int_equal(t->state, want[i].state);
		assert_int_equal(t->size, n);
		assert_true(!n || digest_equal(t->digest, digest_of(want[i].content, n)));
	}
}

static void assert_sample_part(struct history *h, const char *name, const char *want)
{
	cleanup_buf struct buf have = BUF_INIT;

	assert_int_equal(store_part(&h->store, 1, name, &have), 0);
	assert_string_equal(buf_str(&have), want);
}

/* tests/unit/data/format-1.tar.gz was written once by the first version: it is never made again. */
static void format_1_is_read_for_ever(void **state)
{
	struct history *h = *state;
	cleanup_free char *path = store_path(&h->store, 1);
	cleanup_buf struct buf file = BUF_INIT;
	struct manifest m = {0};

	assert_int_equal(file_read("tests/unit/data/format-1.tar.gz", 1 << 20, &file), 0);
	assert_int_equal(file_replace(path, file.data, file.len), 0);
	assert_int_equal(store_verify(&h->store, 1), 0);
	assert_int_equal(store_load(&h->store, 1, &m), 0);
	assert_sample_story(&m);
	assert_int_equal(m.rs.ntables, ARRAY_SIZE(sample_tables));
	for (size_t i = 0; i < m.rs.ntables; i++) {
		assert_sample_table(&m.rs.tables[i], i);
		assert_int_equal(m.proofs[i], sample_tables[i].proof);
	}
	assert_sample_names(&m.rs);
	assert_sample_texts(&m);
	assert_int_equal(m.nparts, 8);
	assert_sample_part(h, "iptables.rules", SAMPLE_IPTABLES);
	assert_sample_part(h, "nftables.rules", "table inet mail {\n}\n");
	assert_sample_part(h, "replaced" HISTORY_IPTABLES, "old rules\n");
	manifest_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(format_1_is_read_for_ever, history_setup,
						history_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
