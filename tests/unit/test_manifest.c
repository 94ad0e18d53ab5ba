/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manifest.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define D "0123456789abcdef0123456789abcdef"
#define HEAD "format: 1\nid: 7\n"
#define COUNTS "chains=1 rules=2 sets=3 elements=4 objects=5 "
#define TABLE "table: nft inet fixed=" D " dynamic=" D " " COUNTS "size=9 empty=0 proof=exact name="

#define FILE_OF "file: uid=0 gid=0 mode=644 part=p "

static void fill_frontends(struct manifest *m)
{
	struct frontend_state *s = frontends_add(&m->frontends, "fire wall");
	struct frontend_file *f = frontend_file_add(s, "/etc/fire wall/\n label=x path=/y");

	s->active = true;
	f->uid = 4294967295U;
	f->gid = 12;
	f->mode = 04640;
	f->label = str_dup("system_u:object_r:etc_t:s0:c0,\\c1");
	f->part = str_dup("frontend/fire/1");
	f->digest = digest_of("f", 1);
	f->size = 1;
	strlist_add(&s->runtime, "--zone=public --add-rich-rule=rule family=\"ipv4\" drop");
	frontends_add(&m->frontends, "ufw");
	*(struct manifest_part *)array_grow(&m->parts, &m->nparts, sizeof(*m->parts)) =
		(struct manifest_part){str_dup("frontend/fire/1"), digest_of("f", 1), 1};
}

static void fill(struct manifest *m)
{
	static const struct {
		enum engine_id engine;
		uint8_t family;
		const char *name, *type;
	} tables[] = {
		{ENGINE_IPSET, NFPROTO_IPV4, "bad guys\n\x7f\\", "hash:ip"},
		{ENGINE_IPSET, 0, "ports", "bitmap:port"},
		{ENGINE_NFT, NFPROTO_INET, "f", NULL},
		{ENGINE_NFT, NFPROTO_NETDEV, "f", NULL},
		{ENGINE_XTABLES, NFPROTO_IPV6, "nat", NULL},
	};

	*m = (struct manifest){.format = 1, .id = 42, .created = 1795468386, .automatic = true};
	m->host = str_dup("mail");
	m->kernel = str_dup("6.18.0");
	m->machine = str_dup("x86_64");
	m->user = str_dup("root");
	m->from = str_dup("pts/3 198.51.100.7");
	m->message = str_dup("first line\nsecond \\ line\t\x01 \xc3\xa4: end");
	strlist_add(&m->tags, "good");
	strlist_add(&m->tags, "v1.0");
	strlist_add(&m->programs, "nft 1.0.6");
	strcpy(m->rs.where.boot, D);
	m->rs.where.cookie = 4097;
	m->proofs = mem_alloc(ARRAY_SIZE(tables) * sizeof(*m->proofs));
	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
		struct table *t =
			ruleset_add(&m->rs, tables[i].engine, tables[i].family, tables[i].name);

		t->type = tables[i].type ? str_dup(tables[i].type) : NULL;
		t->fixed = digest_of(&i, sizeof(i));
		t->dynamic = digest_of("d", 1);
		t->counts = (struct table_counts){i, i + 1, i + 2, i + 3, i + 4};
		t->size = i * 1000;
		t->empty = i == 4;
		m->proofs[i] = (enum proof)(i + 1);
	}
	ruleset_note_device(&m->rs, "lo");
	*(struct link_ref *)array_grow(&m->rs.links, &m->rs.nlinks, sizeof(struct link_ref)) =
		(struct link_ref){.index = 9, .name = ""};
	*(struct set_ref *)array_grow(&m->rs.sets, &m->rs.nsets, sizeof(struct set_ref)) =
		(struct set_ref){.index = 3, .name = "bad guys", .written = true};
	buf_add_str(&m->rs.order, "inet input 0: inet f a, ip g b\nip output -5: ip f a, ip g b\n");
	strlist_add(&m->rs.owned, "inet firewalld");
	m->foreign = mem_zalloc(2 * sizeof(*m->foreign));
	m->foreign[0] = (struct manifest_foreign){str_dup("Docker"), 0, {5, 18, 0, 0, 0}};
	m->foreign[1] = (struct manifest_foreign){str_dup("my = \\ blocker\n"), 1, {1, 2, 3, 4, 5}};
	m->nforeign = 2;
	m->parts = mem_zalloc(sizeof(*m->parts));
	m->parts[0] = (struct manifest_part){str_dup("exact/0001.nft"), digest_of("p", 1), 1};
	m->nparts = 1;
	fill_frontends(m);
	m->texts = mem_zalloc(2 * sizeof(*m->texts));
	m->texts[0] = (struct manifest_text){str_dup("/etc/iptables.up.rules"), TEXT_WRITTEN,
					     digest_of("t", 1), 268435456};
	m->texts[1] = (struct manifest_text){.path = str_dup("/etc/my rules"), .state = TEXT_LEFT};
	m->ntexts = 2;
}

static void assert_same(const struct manifest *a, const struct manifest *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->created, b->created);
	assert_int_equal(a->automatic, b->automatic);
	assert_string_equal(a->host, b->host);
	assert_string_equal(a->kernel, b->kernel);
	assert_string_equal(a->machine, b->machine);
	assert_string_equal(a->user, b->user);
	assert_string_equal(a->from, b->from);
	assert_string_equal(a->message, b->message);
	assert_int_equal(a->tags.n, b->tags.n);
	assert_string_equal(a->tags.s[1], b->tags.s[1]);
	assert_string_equal(a->programs.s[0], b->programs.s[0]);
	assert_string_equal(a->rs.owned.s[0], b->rs.owned.s[0]);
	assert_int_equal(b->nforeign, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(a->foreign[i].owner, b->foreign[i].owner);
		assert_int_equal(a->foreign[i].tables, b->foreign[i].tables);
		assert_memory_equal(&a->foreign[i].counts, &b->foreign[i].counts, sizeof(a->foreign[i].counts));
	}
	assert_true(netns_same(&a->rs.where, &b->rs.where));
	assert_int_equal(a->rs.order.len, b->rs.order.len);
	assert_memory_equal(a->rs.order.data, b->rs.order.data, a->rs.order.len);
	assert_int_equal(a->rs.nlinks, b->rs.nlinks);
	assert_memory_equal(a->rs.links, b->rs.links, a->rs.nlinks * sizeof(*a->rs.links));
	assert_int_equal(b->rs.nsets, 1);
	assert_int_equal(b->rs.sets[0].index, 3);
	assert_true(b->rs.sets[0].written);
	assert_string_equal(b->rs.sets[0].name, "bad guys");
}

static void assert_same_tables(const struct manifest *a, const struct manifest *b)
{
	assert_int_equal(a->rs.ntables, b->rs.ntables);
	assert_true(ruleset_equal(&a->rs, &b->rs));
	for (size_t i = 0; i < a->rs.ntables; i++) {
		const struct table *x = &a->rs.tables[i], *y = &b->rs.tables[i];

		assert_int_equal(x->engine, y->engine);
		assert_int_equal(x->family, y->family);
		assert_string_equal(x->name, y->name);
		assert_true(!x->type == !y->type && (!x->type || !strcmp(x->type, y->type)));
		assert_memory_equal(&x->dynamic, &y->dynamic, sizeof(x->dynamic));
		assert_memory_equal(&x->counts, &y->counts, sizeof(x->counts));
		assert_int_equal(x->size, y->size);
		assert_int_equal(x->empty, y->empty);
		assert_int_equal(a->proofs[i], b->proofs[i]);
	}
}

static void everything_comes_back(void **state)
{
	struct manifest m, back = {0};
	cleanup_buf struct buf text = BUF_INIT, again = BUF_INIT;
	const struct manifest_text *t;

	(void)state;
	fill(&m);
	manifest_format(&m, &text);
	assert_int_equal(manifest_parse(&back, text.data, text.len, NULL), 0);
	assert_same(&m, &back);
	assert_same_tables(&m, &back);
	assert_true(frontends_equal(&m.frontends, &back.frontends));
	back.frontends.state[0].files[0].mode = 0640;
	assert_false(frontends_equal(&m.frontends, &back.frontends));
	back.frontends.state[0].files[0].mode = 04640;
	assert_string_equal(back.parts[0].name, "exact/0001.nft");
	assert_int_equal(back.parts[0].size, 1);
	assert_true(digest_equal(back.parts[0].digest, digest_of("p", 1)));
	t = manifest_text(&back, "/etc/iptables.up.rules");
	assert_non_null(t);
	assert_int_equal(t->state, TEXT_WRITTEN);
	assert_int_equal(t->size, 268435456);
	assert_int_equal(manifest_text(&back, "/etc/my rules")->state, TEXT_LEFT);
	assert_null(manifest_text(&back, "/etc/other"));
	manifest_format(&back, &again);
	assert_string_equal(buf_str(&text), buf_str(&again));
	manifest_release(&m);
	manifest_release(&back);
}

static void what_does_not_apply_is_left_out(void **state)
{
	struct manifest m = {.format = 1, .id = 1}, back = {0};
	cleanup_buf struct buf text = BUF_INIT;
	char want[200], hex[DIGEST_HEX];

	(void)state;
	manifest_format(&m, &text);
	digest_hex(ruleset_digest(&m.rs), hex);
	snprintf(want, sizeof(want),
		 "format: 1\nid: 1\ncreated: 1970-01-01T00:00:00Z\nkind: saved\nruleset: %s\n",
		 hex);
	assert_string_equal(buf_str(&text), want);
	assert_int_equal(manifest_parse(&back, text.data, text.len, NULL), 0);
	assert_null(back.message);
	assert_null(back.proofs);
	manifest_release(&back);
}

static const struct {
	const char *text;
	int r;
	unsigned line;
} inputs[] = {
	{HEAD, 0, 2},
	{HEAD "later: key\n", 0, 3},
	{HEAD TABLE "f\n", 0, 3},
	{HEAD "message: \n", 0, 3},
	{HEAD "message: a\\x1bb\\\\n\\n\n", 0, 3},
	{"", -EBADMSG, 0},
	{"id: 7\nformat: 1\n", -EBADMSG, 1},
	{"later: key\n" HEAD, -EBADMSG, 1},
	{"format: 1\n", -EBADMSG, 1},
	{"format: 1", -EBADMSG, 1},
	{"format: 0\n", -EBADMSG, 1},
	{"format: 2\nwhat: ever\n", -ENOTSUP, 1},
	{"format: -1\n", -EBADMSG, 1},
	{"format: 1\nid: 0\n", -EBADMSG, 2},
	{"format: 1\nid: 1000000000\n", -EBADMSG, 2},
	{"format: 1\nid: 99999999999999999999\n", -EBADMSG, 2},
	{"format: 1\nid: +7\n", -EBADMSG, 2},
	{"format: 1\nid: 7x\n", -EBADMSG, 2},
	{HEAD "id: 8\n", -EBADMSG, 3},
	{HEAD "\n", -EBADMSG, 3},
	{HEAD "nonsense\n", -EBADMSG, 3},
	{HEAD ": x\n", -EBADMSG, 3},
	{HEAD "kind: other\n", -EBADMSG, 3},
	{HEAD "created: yesterday\n", -EBADMSG, 3},
	{HEAD "created: 2026-02-31T00:00:00Z\n", -EBADMSG, 3},
	{HEAD "created: 2026-11-23T21:06:26Z \n", -EBADMSG, 3},
	{HEAD "message: a\x1b[2J\n", -EBADMSG, 3},
	{HEAD "message: a\\\n", -EBADMSG, 3},
	{HEAD "message: a\\q\n", -EBADMSG, 3},
	{HEAD "message: a\\x4\n", -EBADMSG, 3},
	{HEAD "message: a\\x00b\n", -EBADMSG, 3},
	{HEAD "tag: \n", -EBADMSG, 3},
	{HEAD "tag: a b\n", -EBADMSG, 3},
	{HEAD "tag: a\\nb\n", -EBADMSG, 3},
	{HEAD "boot: 12\n", -EBADMSG, 3},
	{HEAD "cookie: -1\n", -EBADMSG, 3},
	{HEAD "cookie: 9999999999999999999\n", -EBADMSG, 3},
	{HEAD "ruleset: x\n", -EBADMSG, 3},
	{HEAD TABLE "\n", -EBADMSG, 3},
	{HEAD TABLE "f\n" TABLE "f\n", -EBADMSG, 4},
	{HEAD "table: nft\n", -EBADMSG, 3},
	{HEAD "table: ebt ip fixed=" D "\n", -EBADMSG, 3},
	{HEAD "table: nft ipx fixed=" D "\n", -EBADMSG, 3},
	{HEAD "table: nft ip dynamic=" D "\n", -EBADMSG, 3},
	{HEAD "table: nft ip fixed=" D " dynamic=" D " " COUNTS "size=4294967296 empty=0 "
	      "proof=exact name=f\n",
	 -EBADMSG, 3},
	{HEAD "table: nft ip fixed=" D " dynamic=" D " " COUNTS
	      "size=1 empty=2 proof=exact "
	      "name=f\n",
	 -EBADMSG, 3},
	{HEAD "table: nft ip fixed=" D " dynamic=" D " " COUNTS "size=1 empty=1 proof=no "
	      "name=f\n",
	 -EBADMSG, 3},
	{HEAD "table: nft ip fixed=" D " dynamic=" D " " COUNTS
	      "size=1 empty=1 proof=exact "
	      "type= name=f\n",
	 -EBADMSG, 3},
	{HEAD "table: nft ip fixed=" D " dynamic=" D " chains=4294967296 rules=2 sets=3 "
	      "elements=4 objects=5 size=1 empty=1 proof=exact name=f\n",
	 -EBADMSG, 3},
	{HEAD "link: 1 lo\nlink: 4294967296 x\n", -EBADMSG, 4},
	{HEAD "link: 1 sixteen_letters_\n", -EBADMSG, 3},
	{HEAD "set: 65535 written=0 x\n", -EBADMSG, 3},
	{HEAD "set: 1 written=0 a_name_of_thirty_two_characters__\n", -EBADMSG, 3},
	{HEAD "set: 1 x\n", -EBADMSG, 3},
	{HEAD "order: a\\nb\n", -EBADMSG, 3},
	{HEAD "foreign: tables=1 " COUNTS "D\n", 0, 3},
	{HEAD "foreign: tables=1 " COUNTS "\n", -EBADMSG, 3},
	{HEAD "foreign: tables=1 " COUNTS "a\\q\n", -EBADMSG, 3},
	{HEAD "foreign: tables=1 " COUNTS "a\\x00b\n", -EBADMSG, 3},
	{HEAD "foreign: " COUNTS "D\n", -EBADMSG, 3},
	{HEAD "foreign: tables=-1 " COUNTS "D\n", -EBADMSG, 3},
	{HEAD "foreign: tables=4294967296 " COUNTS "D\n", -EBADMSG, 3},
	{HEAD "foreign: tables=1 chains=1 D\n", -EBADMSG, 3},
	{HEAD "foreign: D\n", -EBADMSG, 3},
	{HEAD "foreign: \n", -EBADMSG, 3},
	{HEAD "part: " D " 4294967296 x\n", -EBADMSG, 3},
	{HEAD "part: " D " 1\n", -EBADMSG, 3},
	{HEAD "part: zz 1 x\n", -EBADMSG, 3},
	{HEAD "frontend: active=1 f\nruntime: --x\n", 0, 4},
	{HEAD "frontend: active=2 f\n", -EBADMSG, 3},
	{HEAD "frontend: active=1 \n", -EBADMSG, 3},
	{HEAD "frontend: active=1 f\nfrontend: active=0 f\n", -EBADMSG, 4},
	{HEAD "runtime: --x\n", -EBADMSG, 3},
	{HEAD "file: uid=0 gid=0 mode=644 part=p path=/x\n", -EBADMSG, 3},
	{HEAD "frontend: active=1 f\n" FILE_OF "path=/x\npart: " D " 1 p\n", 0, 5},
	{HEAD "frontend: active=1 f\n" FILE_OF "label=l path=/x\npart: " D " 1 p\n", 0, 5},
	{HEAD "frontend: active=1 f\n" FILE_OF "label= path=/x\npart: " D " 1 p\n", -EBADMSG, 4},
	{HEAD "frontend: active=1 f\n" FILE_OF "path=x\npart: " D " 1 p\n", -EBADMSG, 4},
	{HEAD "frontend: active=1 f\n" FILE_OF "path=/x\n", -EBADMSG, 4},
	{HEAD "frontend: active=1 f\n" FILE_OF "path=/x\n" FILE_OF "path=/y\npart: " D " 1 p\n", -EBADMSG, 6},
	{HEAD "frontend: active=1 f\nfile: uid=0 gid=0 mode=689 part=p path=/x\n", -EBADMSG, 4},
	{HEAD "frontend: active=1 f\nfile: uid=0 gid=0 mode=17777 part=p path=/x\n", -EBADMSG, 4},
	{HEAD "frontend: active=1 f\nfile: uid=4294967296 gid=0 mode=0 part=p path=/x\n", -EBADMSG, 4},
	{HEAD "text: gone " D " 1 /x\n", -EBADMSG, 3},
	{HEAD "text: left " D " 1 x\n", -EBADMSG, 3},
	{HEAD "text: left " D " 1 /x\ntext: left " D " 1 /x\n", -EBADMSG, 4},
};

static void bad_input_is_refused_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		struct manifest m = {0};
		unsigned line;
		int r = manifest_parse(&m, inputs[i].text, strlen(inputs[i].text), &line);

		if (r != inputs[i].r || line != inputs[i].line)
			fail_msg("%s: %d at line %u", inputs[i].text, r, line);
		assert_true(!r || !m.id);
		manifest_release(&m);
	}
}

static void a_newer_format_is_told_by_its_number(void **state)
{
	struct manifest m = {0};
	static const char text[] = "format: 3\nsomething new\n";

	(void)state;
	assert_int_equal(manifest_parse(&m, text, strlen(text), NULL), -ENOTSUP);
	assert_int_equal(m.format, 3);
}

static void a_nul_is_refused_wherever_it_is(void **state)
{
	static const char text[] = HEAD "host: mail\nkind: saved\n";

	(void)state;
	for (size_t i = 0; i < strlen(text); i++) {
		struct manifest m = {0};
		char copy[sizeof(text)];

		memcpy(copy, text, sizeof(text));
		copy[i] = '\0';
		assert_int_equal(manifest_parse(&m, copy, strlen(text), NULL), -EBADMSG);
		manifest_release(&m);
	}
}

static void too_many_lines_are_refused(void **state)
{
	static const struct {
		const char *line;
		unsigned most;
	} rows[] = {
		{"owned: ip x\n", 99999},
		{"set: 1 written=0 x\n", 65535},
		{"tag: x\n", 1000},
		{"foreign: tables=0 " COUNTS "x\n", 1000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		struct manifest m = {0};

		buf_add_str(&text, HEAD);
		for (unsigned n = 0; n < rows[i].most; n++)
			buf_add_str(&text, rows[i].line);
		assert_int_equal(manifest_parse(&m, text.data, text.len, NULL), 0);
		manifest_release(&m);
		buf_add_str(&text, rows[i].line);
		assert_int_equal(manifest_parse(&m, text.data, text.len, NULL), -EBADMSG);
	}
}

/* Neither may a damaged manifest crash the reader, nor may it read beyond the text. */
static void no_damage_crashes_it(void **state)
{
	struct manifest m;
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	fill(&m);
	manifest_format(&m, &text);
	manifest_release(&m);
	for (size_t i = 0; i < text.len * 8; i++) {
		int r;

		text.data[i / 8] ^= (unsigned char)(1 << i % 8);
		r = manifest_parse(&m, text.data, text.len, NULL);
		assert_true(!r || r == -EBADMSG || r == -ENOTSUP);
		manifest_release(&m);
		text.data[i / 8] ^= (unsigned char)(1 << i % 8);
	}
}

static void a_tag_line_is_all_that_tagging_changes(void **state)
{
	static const struct {
		const char *old, *tag;
		bool add;
		const char *new;
	} rows[] = {
		{HEAD "message: m\nboot: x\n", "a", true, HEAD "message: m\ntag: a\nboot: x\n"},
		{HEAD "tag: a\nnew: x\\\n", "b", true, HEAD "tag: a\ntag: b\nnew: x\\\n"},
		{HEAD, "a", true, HEAD "tag: a\n"},
		{HEAD "tag: a\ntag: ab\nnew: tag: a\n", "a", false, HEAD "tag: ab\nnew: tag: a\n"},
		{HEAD "tag: b\n", "a", false, HEAD "tag: b\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf old = BUF_INIT, new = BUF_INIT;

		buf_add_str(&old, rows[i].old);
		manifest_retag(&old, rows[i].tag, rows[i].add, &new);
		assert_string_equal(buf_str(&new), rows[i].new);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_back),
		cmocka_unit_test(what_does_not_apply_is_left_out),
		cmocka_unit_test(bad_input_is_refused_with_its_line),
		cmocka_unit_test(a_newer_format_is_told_by_its_number),
		cmocka_unit_test(a_nul_is_refused_wherever_it_is),
		cmocka_unit_test(too_many_lines_are_refused),
		cmocka_unit_test(no_damage_crashes_it),
		cmocka_unit_test(a_tag_line_is_all_that_tagging_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
