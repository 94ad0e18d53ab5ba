/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three-way, of one chain's rules and of the order of base chains. Each letter stands for a rule. */
#include "merge_rules.h"
#include "order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define LONGEST 40

struct rules {
	struct digest digest[LONGEST];
	struct rule_list list;
};

static void set_rules(struct rules *r, const char *text)
{
	r->list = (struct rule_list){r->digest, strlen(text)};
	for (size_t i = 0; text[i]; i++)
		r->digest[i] = digest_of(text + i, 1);
}

/* The merged rules, and behind a '/' those of theirs that are lost. Caller frees. */
static char *merge(const char *base, const char *ours, const char *theirs)
{
	static struct rules b, o, t;
	struct rule_merge merged = {0};
	struct buf out = BUF_INIT;

	set_rules(&b, base);
	set_rules(&o, ours);
	set_rules(&t, theirs);
	merge_rules(&b.list, &o.list, &t.list, &merged);
	for (size_t i = 0; i < merged.n; i++)
		buf_add(&out, &(merged.pick[i].ours ? ours : theirs)[merged.pick[i].place], 1);
	if (merged.nlost)
		buf_add(&out, "/", 1);
	for (size_t i = 0; i < merged.nlost; i++)
		buf_add(&out, &theirs[merged.lost[i]], 1);
	rule_merge_release(&merged);
	return buf_detach(&out);
}

static const struct {
	const char *base, *ours, *theirs, *merged;
} cases[] = {
	{"", "", "", ""},
	{"abc", "abc", "abc", "abc"},
	{"abc", "axc", "abc", "axc"},
	{"abc", "abc", "axc", "axc"},
	{"abc", "axc", "axc", "axc"},
	/* undone: what others put in front, behind, beside, in between stays */
	{"axc", "abc", "naxc", "nabc"},
	{"axc", "abc", "axcn", "abcn"},
	{"axc", "abc", "axnc", "abnc"},
	{"axc", "abc", "anxc", "anbc"},
	{"axyc", "abc", "axnyc", "abnc"},
	{"ax", "a", "axn", "an"},
	{"xa", "a", "nxa", "na"},
	{"a", "abc", "an", "anbc"},
	/* others removed what we had added, or what we had left */
	{"axc", "abc", "ac", "abc"},
	{"axc", "ac", "ac", "ac"},
	{"axc", "abc", "ax", "ab"},
	/* both put something else there */
	{"axc", "abc", "ayc", "abc/y"},
	{"axyc", "abc", "azyc", "abc/z"},
	{"abcd", "axcd", "aycd", "axcd/y"},
	/* theirs gives up two for one, of which ours changed one: the other is there again */
	{"abcd", "axcd", "ayd", "axcd/y"},
	/* in force, with what others did behind us */
	{"abc", "axc", "axnc", "axnc"},
	{"abc", "axc", "anxc", "anxc"},
	{"abc", "axc", "ax", "ax"},
	{"ac", "axc", "axy", "axy"},
	{"ab", "a", "an", "an"},
	{"abcd", "acd", "ad", "ad"},
	{"", "ab", "abn", "abn"},
	/* not in force */
	{"abc", "axc", "abnc", "axnc"},
	{"", "abc", "an", "nabc"},
	{"aaa", "aa", "aaaa", "aaa"},
};

static void chains_are_merged(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *merged = merge(cases[i].base, cases[i].ours, cases[i].theirs);

		if (!strcmp(merged, cases[i].merged))
			continue;
		print_message("%s, ours %s, theirs %s: %s, not %s\n", cases[i].base, cases[i].ours,
			      cases[i].theirs, merged, cases[i].merged);
		bad++;
	}
	assert_int_equal(bad, 0);
}

static void random_rules(char *s, const char *letters)
{
	size_t n = (size_t)random() % 11;

	for (size_t i = 0; i < n; i++)
		s[i] = letters[(size_t)random() % strlen(letters)];
	s[n] = '\0';
}

static void assert_merged(const char *base, const char *ours, const char *theirs, const char *want)
{
	cleanup_free char *merged = merge(base, ours, theirs);

	if (strcmp(merged, want))
		fail_msg("%s, ours %s, theirs %s: %s, not %s", base, ours, theirs, merged, want);
}

static void one_side_alone_is_taken_as_it_is(void **state)
{
	(void)state;
	srandom(2);
	for (int i = 0; i < 5000; i++) {
		char a[LONGEST], b[LONGEST];

		random_rules(a, "abcd");
		random_rules(b, "abcd");
		assert_merged(a, b, a, b);
		assert_merged(a, a, b, b);
		assert_merged(a, b, b, b);
	}
}

/* Inserts the letters 'N' into s at random. */
static void insert_others(const char *s, char *out)
{
	size_t n = 0;

	for (;; s++) {
		while (random() % 5 == 0 && n < LONGEST / 2)
			out[n++] = 'N';
		out[n++] = *s;
		if (!*s)
			return;
	}
}

/* Undone, exactly what others added is there beside the old rules, and nothing is lost. */
static void what_others_added_survives(void **state)
{
	(void)state;
	srandom(3);
	for (int i = 0; i < 5000; i++) {
		char before[LONGEST], after[LONGEST], now[LONGEST], without[LONGEST];
		cleanup_free char *merged = NULL;
		size_t kept = 0, others = 0, n = 0;

		random_rules(before, "abcd");
		random_rules(after, "abcdxyz");
		insert_others(after, now);
		merged = merge(after, before, now);
		for (const char *s = merged; *s; s++) {
			kept += *s == 'N';
			if (*s != 'N')
				without[n++] = *s;
		}
		without[n] = '\0';
		for (const char *s = now; *s; s++)
			others += *s == 'N';
		if (strcmp(without, before) || kept != others)
			fail_msg("before %s, after %s, now %s: %s", before, after, now, merged);
	}
}

static const struct {
	const char *base, *ours, *theirs, *chains, *merged;
} orders[] = {
	{"p: a, x\n", "p: a, x\n", "p: n, a, x\n", "a n x", "p: n, a, x\n"},
	{"p: x, a\n", "", "p: n, x, a\n", "a n", "p: n, a\n"},
	{"p: x, a\n", "", "p: x, a\n", "a", ""},
	{"p: a, b\n", "p: b, a\n", "p: a, n, b\n", "a b n", "p: b, a, n\n"},
	{"", "p: x, a\n", "p: n, a\n", "x a n", "p: n, x, a\n"},
	{"p 1: a, b\np 10: a, c\n", "p 1: a, b\np 10: a, c\n", "p 1: a, b\np 10: a, c\n", "a b c",
	 "p 10: a, c\np 1: a, b\n"},
};

static struct buf text_buf(const char *text)
{
	struct buf b = BUF_INIT;

	buf_add_str(&b, text);
	return b;
}

static void orders_are_merged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		cleanup_buf struct buf base = text_buf(orders[i].base), ours = text_buf(orders[i].ours);
		cleanup_buf struct buf theirs = text_buf(orders[i].theirs), out = BUF_INIT;
		cleanup_strlist struct strlist chains = {NULL, 0};
		cleanup_free char *copy = str_dup(orders[i].chains);

		for (char *s = strtok(copy, " "); s; s = strtok(NULL, " "))
			strlist_add(&chains, s);
		order_merge(&base, &ours, &theirs, &chains, &out);
		assert_string_equal(buf_str(&out), orders[i].merged);
	}
}

static void an_order_agrees_with_what_has_more(void **state)
{
	cleanup_buf struct buf want = text_buf("p: a, b\n"), more = text_buf("p: n, a, m, b\nq: a, b\n");
	cleanup_buf struct buf other = text_buf("p: b, a\n"), none = BUF_INIT;

	(void)state;
	assert_true(order_agrees(&want, &want));
	assert_true(order_agrees(&want, &more));
	assert_true(order_agrees(&none, &more));
	assert_false(order_agrees(&more, &want));
	assert_false(order_agrees(&want, &other));
	assert_false(order_agrees(&want, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_are_merged),
		cmocka_unit_test(one_side_alone_is_taken_as_it_is),
		cmocka_unit_test(what_others_added_survives),
		cmocka_unit_test(orders_are_merged),
		cmocka_unit_test(an_order_agrees_with_what_has_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
