/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rows.h"

#include "place.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

bool row_has_links(const struct row *row)
{
	return strstr(row->text, "d0") || strstr(row->text, "d1") || strstr(row->text, "d2");
}

int row_load(const struct row *row, struct buf *err)
{
	const char *const sets[] = {"ipset", "restore", NULL}, *const nft[] = {"nft", "-f", "-", NULL};
	cleanup_free char *restore = str_printf("%s-restore", row->program);
	bool counters = !strncmp(row->program, "ip", 2);
	const char *const xtables[] = {restore, counters ? "-c" : NULL, NULL};
	int r = row->sets ? place_run(sets, row->sets, NULL, err) : 0;

	if (r)
		return r;
	return place_run(!strcmp(row->program, "nft")	  ? nft
			 : !strcmp(row->program, "ipset") ? sets
							  : xtables,
			 row->text, NULL, err);
}

/* Sorts what has no order: the items of an nft set, the lines of `ipset save`. Caller frees. */
static char *sorted(char *text, const char *separators, const char *between)
{
	struct strlist items = {NULL, 0};
	struct buf out = BUF_INIT;
	char *save;

	for (char *s = strtok_r(text, separators, &save); s; s = strtok_r(NULL, separators, &save)) {
		s += strspn(s, " ");
		while (*s && s[strlen(s) - 1] == ' ')
			s[strlen(s) - 1] = '\0';
		if (*s)
			strlist_add(&items, s);
	}
	strlist_sort(&items);
	for (size_t i = 0; i < items.n; i++)
		buf_printf(&out, "%s%s", items.s[i], between);
	strlist_release(&items);
	return buf_detach(&out);
}

/* Whether what begins at this brace is the items of a set: on one line, or so named. */
static bool begins_items(const char *text, const char *brace, const char *end)
{
	return !memchr(brace, '\n', (size_t)(end - brace)) ||
	       (brace - text > 11 && !strncmp(brace - 11, "elements = ", 11));
}

static char *sort_items(char *text)
{
	struct buf out = BUF_INIT;
	char *at = text, *brace, *end;

	for (brace = strchr(text, '{'); brace; brace = strchr(brace + 1, '{')) {
		cleanup_free char *items = NULL;

		end = brace + 1 + strcspn(brace + 1, "{}");
		if (*end != '}' || !begins_items(text, brace, end))
			continue;
		*brace = *end = '\0';
		items = sorted(brace + 1, ",\t\n", ", ");
		buf_printf(&out, "%s{ %s}", at, items);
		at = brace = end + 1;
	}
	buf_add_str(&out, at);
	return buf_detach(&out);
}

/* Removes what the pattern has in parentheses, wherever it matches. */
static void strike(char *text, const char *pattern)
{
	regmatch_t m[2];
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE), 0);
	while (!regexec(&re, text, 2, m, 0))
		memmove(text + m[1].rm_so, text + m[1].rm_eo, strlen(text + m[1].rm_eo) + 1);
	regfree(&re);
}

char *row_listing(const struct row *row)
{
	bool nft = !strcmp(row->program, "nft"), ipset = !strcmp(row->program, "ipset");
	bool legacy = strstr(row->program, "legacy");
	bool counters = !strncmp(row->program, "ip", 2);
	bool ip6 = !strncmp(row->program, "ip6", 3);
	cleanup_free char *command =
		nft	? str_dup("nft list ruleset")
		: ipset ? str_dup("ipset save")
		/* the newest table comes first, and any that is asked for by name is made */
		: legacy ? str_printf("for t in $(sort /proc/net/%s_tables_names); do %s-save -c -t $t; done; "
				      "ipset save", ip6 ? "ip6" : "ip", row->program)
			 : str_printf("%s-save %s; ipset save", row->program, counters ? "-c" : "");
	cleanup_free char *text = place_shell(command);

	strike(text, "( expires [0-9a-z]+)");
	strike(text, "^(#.*\n)");
	strike(text, "( initval 0x[0-9a-f]+)");
	if (nft)
		return sort_items(text);
	strike(text, "^add .*( timeout [0-9]+)");
	return ipset ? sorted(text, "\n", "\n") : str_dup(text);
}

void row_load_well(const char *program, const char *sets, const char *text)
{
	const struct row row = {.program = program, .sets = sets, .text = text};
	cleanup_buf struct buf err = BUF_INIT;

	if (row_load(&row, &err))
		fail_msg("%s", buf_str(&err));
}

void row_capture_and_lose(struct ruleset *rs, const char *program, const char *sets, const char *text)
{
	row_load_well(program, sets, text);
	place_capture(rs);
	place_lose();
}
