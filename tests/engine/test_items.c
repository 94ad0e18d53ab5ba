/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of nf_tables taken apart and put together: the same table, whatever the pieces come from. */
#include "place.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/netfilter.h>

static int row_setup(void **state)
{
	int r = place_enter();

	return !r && row_has_links(*state) ? place_links() : r;
}

/* Pieces that a test collects, by kind, as compose wants them. */
struct pieces {
	struct piece *piece;
	size_t n;
};

static void take(struct pieces *p, struct ruleset *from, const struct table *t, const struct items *items,
		 enum item_kind kind)
{
	for (size_t i = 0; i < items->n; i++)
		if (items->item[i].kind == kind)
			*(struct piece *)array_grow(&p->piece, &p->n, sizeof(*p->piece)) =
				(struct piece){.from = from, .table = t, .item = &items->item[i]};
}

static void take_apart(struct ruleset *rs, const struct table *t, struct items *items)
{
	assert_int_equal(engine_nft.items(rs, t, items), 0);
}

/* All tables of rs, each put together from its items. out is zeroed. */
static void put_together(struct ruleset *rs, struct ruleset *out)
{
	out->where = rs->where;
	buf_add(&out->order, rs->order.data, rs->order.len);
	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *t = &rs->tables[i];
		struct table *made = ruleset_add(out, t->engine, t->family, t->name);
		struct items items = {0};
		struct pieces p = {0};

		take_apart(rs, t, &items);
		for (enum item_kind kind = 0; kind < ITEM_KINDS; kind++)
			take(&p, rs, t, &items, kind);
		assert_int_equal(p.n, items.n);
		assert_int_equal(engine_nft.compose(out, made, p.piece, p.n), 0);
		free(p.piece);
		items_release(&items);
	}
}

static void assert_same(const struct ruleset *want, const struct ruleset *have)
{
	cleanup_buf struct buf differences = BUF_INIT;

	if (ruleset_equal(want, have))
		return;
	ruleset_differences(want, have, &differences);
	fail_msg("%s", buf_str(&differences));
}

static void assert_counts(const struct items *items, const struct table *t)
{
	unsigned n[ITEM_KINDS] = {0};

	for (size_t i = 0; i < items->n; i++)
		n[items->item[i].kind]++;
	assert_int_equal(n[ITEM_TABLE], 1);
	assert_int_equal(n[ITEM_CHAIN], t->counts.chains);
	assert_int_equal(n[ITEM_OBJECT], t->counts.objects);
	assert_int_equal(n[ITEM_SET], t->counts.sets);
	assert_int_equal(n[ITEM_ELEMENT], t->counts.elements);
	assert_true(n[ITEM_RULE] <= t->counts.rules);
}

static void apart_and_together(void **state)
{
	const struct row *row = *state;
	struct ruleset rs = {0}, made = {0};
	cleanup_buf struct buf err = BUF_INIT;
	cleanup_free char *before = NULL, *after = NULL;

	if (row_load(row, &err)) {
		/* test_rows tells what this kernel or program does not know */
		buf_release(&err);
		skip();
	}
	before = row_listing(row);
	place_capture(&rs);
	put_together(&rs, &made);
	assert_same(&rs, &made);
	for (size_t i = 0; i < rs.ntables; i++) {
		struct items items = {0}, again = {0};
		struct item_changes changes = {0};

		assert_true(digest_equal(rs.tables[i].dynamic, made.tables[i].dynamic));
		assert_memory_equal(&rs.tables[i].counts, &made.tables[i].counts, sizeof(rs.tables[i].counts));
		take_apart(&rs, &rs.tables[i], &items);
		assert_counts(&items, &rs.tables[i]);
		take_apart(&made, &made.tables[i], &again);
		items_compare(&items, &again, &changes);
		assert_int_equal(changes.n, 0);
		item_changes_release(&changes);
		items_release(&items);
		items_release(&again);
	}
	place_lose();
	assert_int_equal(place_change(&made), CHANGE_DONE);
	place_assert_live(&rs);
	after = row_listing(row);
	assert_string_equal(before, after);
	ruleset_release(&rs);
	ruleset_release(&made);
}

#define MIXED(sets, first, second)                                                                 \
	"table inet t {\n" sets "chain a {\n" first "\n}\nchain b {\n" second "\n}\n}\n"

#define RULES_A                                                                                    \
	"tcp dport { 22, 80 } accept\nip saddr { 10.0.0.0/8, 192.0.2.0-192.0.2.9 } drop\n"         \
	"iif { \"d0\", \"d2\" } jump {\ncounter\nmeta mark { 1, 2 } drop\n}\niif \"d1\" accept\n"
#define RULES_B                                                                                    \
	"udp dport { 53, 123 } accept\nip saddr . tcp dport { 10.0.0.0/8 . 1-9, 1.1.1.1 . 80 } drop\n" \
	"iif \"d2\" jump {\nmeta mark { 7, 9 } accept\ndrop\n}\noif \"d0\" drop\n"                 \
	"meta mark vmap { 1 : accept, 2 : drop }\n"

/* Rules of one chain from one capture, those of the other from another one, where all numbers are others. */
static void pieces_of_two_captures(void **state)
{
	struct ruleset one = {0}, other = {0}, want = {0}, made = {0};
	struct items a = {0}, b = {0};
	struct pieces p = {0};
	struct table *t;
	size_t n;

	(void)state;
	row_capture_and_lose(&one, "nft", NULL, MIXED("set s {\ntype mark\nelements = { 1, 2 }\n}\n", RULES_A, "counter"));
	place_move(true);
	row_capture_and_lose(&other, "nft", NULL, MIXED("set s {\ntype mark\nelements = { 2, 3 }\n}\n", "drop", RULES_B));
	row_capture_and_lose(&want, "nft", NULL, MIXED("set s {\ntype mark\nelements = { 1, 2, 3 }\n}\n", RULES_A, RULES_B));
	take_apart(&one, &one.tables[0], &a);
	take_apart(&other, &other.tables[0], &b);
	take(&p, &one, &one.tables[0], &a, ITEM_TABLE);
	take(&p, &other, &other.tables[0], &b, ITEM_CHAIN);
	take(&p, &other, &other.tables[0], &b, ITEM_SET);
	take(&p, &other, &other.tables[0], &b, ITEM_ELEMENT);
	n = p.n;
	assert_true(n > 2);
	for (size_t i = 0; i < a.n && p.piece; i++)
		if (a.item[i].kind == ITEM_ELEMENT &&
		    !digest_equal(a.item[i].digest, p.piece[n - 1].item->digest) &&
		    !digest_equal(a.item[i].digest, p.piece[n - 2].item->digest))
			*(struct piece *)array_grow(&p.piece, &p.n, sizeof(*p.piece)) =
				(struct piece){.from = &one, .table = &one.tables[0], .item = &a.item[i]};
	for (size_t i = 0; i < a.n; i++)
		if (a.item[i].kind == ITEM_RULE && !strcmp(a.item[i].name, "a"))
			*(struct piece *)array_grow(&p.piece, &p.n, sizeof(*p.piece)) =
				(struct piece){.from = &one, .table = &one.tables[0], .item = &a.item[i]};
	for (size_t i = 0; i < b.n; i++)
		if (b.item[i].kind == ITEM_RULE && !strcmp(b.item[i].name, "b"))
			*(struct piece *)array_grow(&p.piece, &p.n, sizeof(*p.piece)) =
				(struct piece){.from = &other, .table = &other.tables[0], .item = &b.item[i]};
	made.where = other.where;
	t = ruleset_add(&made, ENGINE_NFT, NFPROTO_INET, "t");
	assert_int_equal(engine_nft.compose(&made, t, p.piece, p.n), 0);
	assert_same(&want, &made);
	assert_int_equal(place_change(&made), CHANGE_DONE);
	place_assert_live(&want);
	free(p.piece);
	items_release(&a);
	items_release(&b);
	ruleset_release(&one);
	ruleset_release(&other);
	ruleset_release(&want);
	ruleset_release(&made);
}

/* What the changes between two rulesets are: "-chain input, +rule input", for a comparison. */
static char *changes_between(const char *before, const char *after)
{
	static const char *const kinds[] = {"table", "chain", "object", "set", "element", "rule"};
	struct ruleset old = {0}, new = {0};
	struct items a = {0}, b = {0};
	struct item_changes changes = {0};
	struct buf out = BUF_INIT;

	row_capture_and_lose(&old, "nft", NULL, before);
	row_capture_and_lose(&new, "nft", NULL, after);
	take_apart(&old, &old.tables[0], &a);
	take_apart(&new, &new.tables[0], &b);
	items_compare(&a, &b, &changes);
	for (size_t i = 0; i < changes.n; i++) {
		const struct item_change *c = &changes.change[i];
		const struct item *item = c->new ? c->new : c->old;

		if (!item)
			continue;
		buf_printf(&out, "%s%s%s", i ? ", " : "", !c->old ? "+" : !c->new ? "-" : "~", kinds[item->kind]);
		if (*item->name)
			buf_printf(&out, " %s", item->name);
		if (item->kind == ITEM_RULE)
			buf_printf(&out, " %zu", c->place);
	}
	items_release(&a);
	items_release(&b);
	item_changes_release(&changes);
	ruleset_release(&old);
	ruleset_release(&new);
	return buf_detach(&out);
}

#define T(body) "table ip t {\n" body "\n}\n"
#define BASE(hook, rest) "chain " hook " {\ntype filter hook " hook " priority 0; " rest "\n}\n"
#define SET(rest) "set s {\ntype ipv4_addr\n" rest "\n}\n"
#define MAP(elements) "map m {\ntype mark : mark\nelements = { " elements " }\n}\n"

static const struct difference {
	const char *what, *before, *after, *changes;
} differences[] = {
	{"a rule in the middle", T("chain c {\nmeta mark 1\nmeta mark 2\n}"),
	 T("chain c {\nmeta mark 1\nmeta mark { 5, 6 }\nmeta mark 2\n}"), "+rule c 1"},
	{"a set that is part of a rule", T("chain c {\nmeta mark { 1, 2 }\nmeta mark { 3, 4 }\n}"),
	 T("chain c {\nmeta mark { 1, 2 }\nmeta mark { 3, 5 }\n}"), "-rule c 1, +rule c 2"},
	{"a chain that is part of a rule", T("chain c {\nmeta mark 1 jump {\ncounter\n}\n}"),
	 T("chain c {\nmeta mark 1 jump {\ndrop\n}\n}"), "-rule c 0, +rule c 1"},
	{"a counter", T("chain c {\ncounter packets 1 bytes 1\n}"), T("chain c {\ncounter packets 2 bytes 2\n}"), ""},
	{"a policy", T(BASE("input", "policy drop;")), T(BASE("input", "policy accept; counter")),
	 "~chain input, +rule input 0"},
	{"a chain that counts as absent", T("chain c {\n}"), T("chain c {\n}\n" BASE("input", "policy accept;")), ""},
	{"an interval", T(SET("flags interval\nelements = { 10.0.0.0/8, 224.0.0.0/3 }")),
	 T(SET("flags interval\nelements = { 10.0.0.0/9, 224.0.0.0/3 }")), "-element s, +element s"},
	{"an interval before all others", T(SET("flags interval\nelements = { 10.0.0.0/8 }")),
	 T(SET("flags interval\nelements = { 0.0.0.0/8, 10.0.0.0/8 }")), "+element s"},
	{"intervals side by side", T(SET("flags interval\nelements = { 10.0.0.0-10.0.0.5, 10.0.0.6-10.0.0.9 }")),
	 T(SET("flags interval\nelements = { 10.0.0.0-10.0.0.5 }")), "-element s"},
	{"an interval to the end", T(SET("flags interval\nelements = { 10.0.0.0/8, 240.0.0.0/4 }")),
	 T(SET("flags interval\nelements = { 10.0.0.0/8, 240.0.0.0/5 }")), "-element s, +element s"},
	{"data of an element", T(MAP("1 : 1, 2 : 2")), T(MAP("1 : 1, 2 : 3")), "~element m"},
	{"an element with a timeout", T(SET("flags timeout\nelements = { 1.1.1.1 timeout 1h, 2.2.2.2 }")),
	 T(SET("flags timeout\nelements = { 1.1.1.2 timeout 1h, 2.2.2.2 }")), ""},
	{"an interval with a timeout", T(SET("flags interval, timeout\nelements = { 10.0.0.0/8 timeout 1h, 2.2.2.2 }")),
	 T(SET("flags interval, timeout\nelements = { 2.2.2.2 }")), ""},
	{"an element of a set that a rule adds to",
	 T(SET("flags dynamic\nelements = { 1.1.1.1 }") "chain c {\nadd @s { ip saddr }\n}"),
	 T(SET("flags dynamic\nelements = { 1.1.1.2 }") "chain c {\nadd @s { ip saddr }\n}"), ""},
	{"a set's flags", T(SET("")), T(SET("flags interval")), "~set s"},
	{"an object's type", T("counter o {\n}"), T("quota o {\n1 mbytes\n}"), "-object o, +object o"},
	{"an object's definition", T("quota o {\n2 mbytes\n}"), T("quota o {\n1 mbytes\n}"), "~object o"},
	{"a table's flags", T("chain c {\n}"), T("flags dormant;\nchain c {\n}"), "~table"},
};

static void difference(void **state)
{
	const struct difference *d = *state;
	cleanup_free char *found = changes_between(d->before, d->after);

	assert_string_equal(found, d->changes);
}

static void add_rows(struct CMUnitTest **tests, size_t *n, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*(struct CMUnitTest *)array_grow(tests, n, sizeof(**tests)) = (struct CMUnitTest){
			str_printf("apart and together: %s (%s)", rows[i].feature, rows[i].family),
			apart_and_together, row_setup, place_teardown, (void *)(uintptr_t)&rows[i]};
}

/* test_items [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	add_rows(&tests, &n, rows_nft, rows_nft_count);
	add_rows(&tests, &n, rows_nft_rules, rows_nft_rules_count);
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
		*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = (struct CMUnitTest){
			str_printf("difference: %s", differences[i].what), difference, place_setup,
			place_teardown, (void *)(uintptr_t)&differences[i]};
	*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = (struct CMUnitTest)
		cmocka_unit_test_setup_teardown(pieces_of_two_captures, place_setup, place_teardown);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("items", tests, n, NULL, NULL);
}
