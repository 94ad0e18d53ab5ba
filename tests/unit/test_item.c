/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of rules side by side, and what differs between two tables. */
#include "item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Each letter stands for a rule. */
static size_t digests_of(const char *rules, struct digest *d)
{
	size_t n = strlen(rules);

	for (size_t i = 0; i < n; i++)
		d[i] = digest_of(rules + i, 1);
	return n;
}

#define LONGEST 16

static void align(const char *a, const char *b, size_t *keep)
{
	struct digest da[LONGEST], db[LONGEST];
	size_t na = digests_of(a, da), nb = digests_of(b, db);

	items_align(da, na, db, nb, keep);
}

static const struct {
	const char *a, *b;
	const char *kept; /* of a, the others as '.' */
} aligned[] = {
	{"", "", ""},
	{"", "ab", ""},
	{"ab", "", ".."},
	{"abc", "abc", "abc"},
	{"abc", "axc", "a.c"},
	{"abc", "ac", "a.c"},
	{"ac", "abc", "ac"},
	{"abc", "bcd", ".bc"},
	{"abcd", "dabc", "abc."},
	{"aaa", "aa", "aa."},
};

static void kept_rules_are_those_in_common(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(aligned); i++) {
		char kept[LONGEST] = "";
		size_t keep[LONGEST];

		align(aligned[i].a, aligned[i].b, keep);
		for (size_t j = 0; aligned[i].a[j]; j++)
			kept[j] = keep[j] == SIZE_MAX ? '.' : aligned[i].b[keep[j]];
		if (strcmp(kept, aligned[i].kept))
			fail_msg("%s, %s: %s", aligned[i].a, aligned[i].b, kept);
	}
}

/* The length of a longest common subsequence, by trying every choice. */
static size_t longest(const char *a, const char *b)
{
	size_t without, with;
	const char *found;

	if (!*a || !*b)
		return 0;
	without = longest(a + 1, b);
	found = strchr(b, *a);
	with = found ? 1 + longest(a + 1, found + 1) : 0;
	return with > without ? with : without;
}

static void random_rules(char *s, size_t n)
{
	n = (size_t)random() % (n + 1);
	for (size_t i = 0; i < n; i++)
		s[i] = "abcd"[random() % 4];
	s[n] = '\0';
}

static void no_longer_way_is_taken(void **state)
{
	(void)state;
	srandom(1);
	for (int turn = 0; turn < 3000; turn++) {
		char a[LONGEST], b[LONGEST];
		size_t keep[LONGEST], kept = 0, next = 0;

		random_rules(a, 10);
		random_rules(b, 10);
		align(a, b, keep);
		for (size_t i = 0; a[i]; i++) {
			if (keep[i] == SIZE_MAX)
				continue;
			if (keep[i] < next || keep[i] >= strlen(b) || b[keep[i]] != a[i])
				fail_msg("%s, %s: rule %zu is not %zu", a, b, i, keep[i]);
			next = keep[i] + 1;
			kept++;
		}
		if (kept != longest(a, b))
			fail_msg("%s, %s: %zu are kept, not %zu", a, b, kept, longest(a, b));
	}
}

/* Beyond the limit the middle is not searched, but common ends stay. */
static void long_lists_keep_their_ends(void **state)
{
	static struct digest a[ITEMS_ALIGN_LIMIT * 3], b[ITEMS_ALIGN_LIMIT * 3];
	static size_t keep[ITEMS_ALIGN_LIMIT * 3];
	size_t n = ARRAY_SIZE(a), middle = ITEMS_ALIGN_LIMIT + 1, first = 100;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		a[i] = digest_of(&i, sizeof(i));
		b[i] = a[i];
	}
	b[first] = b[first + middle - 1] = (struct digest){0, 0};
	items_align(a, n, b, n, keep);
	for (size_t i = 0; i < n; i++) {
		bool outside = i < first || i >= first + middle;

		assert_int_equal(keep[i], outside ? i : SIZE_MAX);
	}
	b[first + middle - 1] = a[first + middle - 1];
	items_align(a, n, b, n, keep);
	assert_int_equal(keep[first + 1], first + 1);
}

/* A table in words: "c input", "r input RULE", "e set KEY=DATA", "E" likewise and silent. */
static void parse_items(const char *text, struct items *items, struct strlist *names)
{
	static const char kinds[] = "tcoser";
	char *copy = str_dup(text), *save, *word;

	for (char *line = strtok_r(copy, ",", &save); line; line = strtok_r(NULL, ",", &save)) {
		struct item *item = array_grow(&items->item, &items->n, sizeof(*item));
		char kind, name[32], rest[32] = "";

		assert_true(sscanf(line, " %c %31s %31s", &kind, name, rest) >= 2);
		item->silent = kind >= 'A' && kind <= 'Z';
		item->kind = (enum item_kind)(strchr(kinds, kind | 32) - kinds);
		strlist_add(names, name);
		item->name = names->s[names->n - 1];
		item->digest = digest_of(rest, strlen(rest));
		word = strchr(rest, '=');
		if (item->kind != ITEM_RULE)
			item->key = digest_of(rest, word ? (size_t)(word - rest) : strlen(rest));
		item->at = names->n;
		strlist_add(names, rest);
	}
	free(copy);
}

static void add_words(struct buf *out, char sign, const struct item *item, const struct strlist *names)
{
	buf_printf(out, "%s%c%c %s", out->len ? ", " : "", sign, "tcoser"[item->kind], item->name);
	if (*names->s[item->at])
		buf_printf(out, " %s", names->s[item->at]);
}

static const struct {
	const char *old, *new, *changes;
} compared[] = {
	{"c i,r i a", "c i,r i a", ""},
	{"c i,r i a,r i b", "c i,r i a,r i x,r i b", "+r i x @1"},
	{"c i,r i a,r i b", "c i,r i a,r i x", "-r i b @1, +r i x @2"},
	{"r i a,r i b", "r i b,r i a", "-r i a @0, +r i a @2"},
	{"r i a", "r o a", "+r o a @0, -r i a @0"},
	{"c i", "", "-c i"},
	{"C i", "", ""},
	{"", "C i", ""},
	{"C i", "c i,r i a", "+r i a @0"},
	{"e s 1=x,e s 2=x", "e s 2=y,e s 3=x", "-e s 1=x, *e s 2=y, +e s 3=x"},
	{"E s 1,e s 2", "E s 3,e s 2", ""},
	{"E s 1=x", "E s 1=y", ""},
	{"E s 1=x", "e s 1=y", "*e s 1=y"},
	{"r i a,e s 1,s s", "c i", "+c i, -s s, -e s 1, -r i a @0"},
	{"c a,c b", "c b,c c,c a", "+c c"},
};

/* "+c name" added, "-" removed, "*" changed; of rules with their place. */
static char *changes_in_words(const char *old, const char *new)
{
	struct items a = {0}, b = {0};
	cleanup_strlist struct strlist na = {0}, nb = {0};
	struct item_changes changes = {0};
	struct buf out = BUF_INIT;

	parse_items(old, &a, &na);
	parse_items(new, &b, &nb);
	items_compare(&a, &b, &changes);
	for (size_t i = 0; i < changes.n; i++) {
		const struct item_change *c = &changes.change[i];
		const struct item *item = c->new ? c->new : c->old;
		const struct strlist *names = c->new ? &nb : &na;

		if (!item || !names->s)
			continue;
		add_words(&out, c->old && c->new ? '*' : c->new ? '+' : '-', item, names);
		if (item->kind == ITEM_RULE)
			buf_printf(&out, " @%zu", c->place);
	}
	item_changes_release(&changes);
	items_release(&a);
	items_release(&b);
	return buf_detach(&out);
}

static void what_differs_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compared); i++) {
		cleanup_free char *words = changes_in_words(compared[i].old, compared[i].new);

		assert_string_equal(words, compared[i].changes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_rules_are_those_in_common),
		cmocka_unit_test(no_longer_way_is_taken),
		cmocka_unit_test(long_lists_keep_their_ends),
		cmocka_unit_test(what_differs_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
