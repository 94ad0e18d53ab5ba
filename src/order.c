/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "order.h"

#include <string.h>

/* A copy that strtok_r may cut. */
static char *copy_of(const struct buf *order)
{
	struct buf copy = BUF_INIT;

	buf_add(&copy, order->data, order->len);
	return buf_detach(&copy);
}

/* The chains of a line, which is cut up; returns where its place ends. */
static size_t split_line(char *line, struct strlist *chains)
{
	size_t place = strcspn(line, ":");
	char *save;

	for (char *item = line[place] ? strtok_r(line + place + 1, ",", &save) : NULL; item;
	     item = strtok_r(NULL, ",", &save))
		strlist_add(chains, item + strspn(item, " "));
	return place;
}

static bool chain_is_of(const char *chain, const struct strlist *tables)
{
	for (size_t i = 0; i < tables->n; i++) {
		size_t n = strlen(tables->s[i]);

		if (!strncmp(chain, tables->s[i], n) && chain[n] == ' ')
			return true;
	}
	return false;
}

static void project_line(char *line, const struct strlist *tables, struct buf *out)
{
	cleanup_strlist struct strlist chains = {NULL, 0};
	cleanup_buf struct buf left = BUF_INIT;
	size_t place = split_line(line, &chains), n = 0;

	for (size_t i = 0; i < chains.n; i++)
		if (chain_is_of(chains.s[i], tables))
			buf_printf(&left, "%s %s", n++ ? "," : "", chains.s[i]);
	if (n > 1)
		buf_printf(out, "%.*s:%s\n", (int)place, line, buf_str(&left));
}

void order_project(const struct buf *order, const struct strlist *tables, struct buf *out)
{
	cleanup_free char *text = copy_of(order);
	char *save;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		project_line(line, tables, out);
}

/* Lines as stacks: what stands last is to be made next. */
struct stacks {
	struct strlist *lines;
	size_t n;
};

static bool is_on_top_everywhere(const struct stacks *s, const char *chain)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t j = 0; j + 1 < s->lines[i].n; j++)
			if (!strcmp(s->lines[i].s[j], chain))
				return false;
	return true;
}

/* The next chain to make; if lines contradict each other, any. NULL: all are made. */
static char *next_chain(const struct stacks *s)
{
	const char *any = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct strlist *l = &s->lines[i];

		if (!l->n)
			continue;
		any = l->s[l->n - 1];
		if (is_on_top_everywhere(s, any))
			break;
	}
	return any ? str_dup(any) : NULL;
}

static void take_off(struct stacks *s, const char *chain)
{
	for (size_t i = 0; i < s->n; i++) {
		struct strlist *l = &s->lines[i];

		if (l->n && !strcmp(l->s[l->n - 1], chain))
			free(l->s[--l->n]);
	}
}

void order_making(const struct buf *order, struct strlist *chains)
{
	cleanup_free char *text = copy_of(order);
	struct stacks s = {NULL, 0};
	char *save, *chain;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		split_line(line, array_grow(&s.lines, &s.n, sizeof(*s.lines)));
	while ((chain = next_chain(&s))) {
		strlist_add_once(chains, chain);
		take_off(&s, chain);
		free(chain);
	}
	for (size_t i = 0; i < s.n; i++)
		strlist_release(&s.lines[i]);
	free(s.lines);
}

/* A line of an order. */
struct line {
	char *place;
	struct strlist chains;
};

struct lines {
	struct line *line;
	size_t n;
};

static struct lines read_lines(const struct buf *order)
{
	cleanup_free char *text = copy_of(order);
	struct lines lines = {NULL, 0};
	char *save;

	for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
		struct line *l = array_grow(&lines.line, &lines.n, sizeof(*l));
		size_t n = split_line(s, &l->chains);

		l->place = str_printf("%.*s", (int)n, s);
	}
	return lines;
}

static void release_lines(struct lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		free(lines->line[i].place);
		strlist_release(&lines->line[i].chains);
	}
	free(lines->line);
}
#define cleanup_lines __attribute__((cleanup(release_lines)))

/* NULL where no two chains stand at this place. */
static const struct line *line_at(const struct lines *lines, const char *place)
{
	for (size_t i = 0; i < lines->n; i++)
		if (!strcmp(lines->line[i].place, place))
			return &lines->line[i];
	return NULL;
}

static bool lines_equal(const struct line *a, const struct line *b)
{
	if (!a || !b || a->chains.n != b->chains.n)
		return a == b;
	for (size_t i = 0; i < a->chains.n; i++)
		if (strcmp(a->chains.s[i], b->chains.s[i]))
			return false;
	return true;
}

static void insert_at(struct strlist *l, size_t place, const char *s)
{
	char *added;

	strlist_add(l, s);
	added = l->s[l->n - 1];
	memmove(&l->s[place + 1], &l->s[place], (l->n - 1 - place) * sizeof(*l->s));
	l->s[place] = added;
}

/* Puts the chains of `from` that are not there yet behind those that they follow. */
static void weave_line(struct strlist *into, const struct line *from)
{
	size_t behind = 0;

	for (size_t i = 0; from && i < from->chains.n; i++) {
		size_t at = 0;

		while (at < into->n && strcmp(into->s[at], from->chains.s[i]))
			at++;
		if (at == into->n) {
			at = behind;
			insert_at(into, at, from->chains.s[i]);
		}
		behind = at + 1;
	}
}

static void merge_place(const char *place, const struct lines *const *sides,
			const struct strlist *chains, struct strlist *out)
{
	const struct line *base = line_at(sides[0], place), *ours = line_at(sides[1], place);
	const struct line *theirs = line_at(sides[2], place);
	cleanup_strlist struct strlist merged = {NULL, 0};
	cleanup_buf struct buf left = BUF_INIT;
	size_t n = 0;

	if (lines_equal(base, ours)) {
		weave_line(&merged, theirs);
	} else {
		weave_line(&merged, ours);
		if (!lines_equal(base, theirs))
			weave_line(&merged, theirs);
	}
	for (size_t i = 0; i < merged.n; i++)
		if (strlist_has(chains, merged.s[i]))
			buf_printf(&left, "%s %s", n++ ? "," : "", merged.s[i]);
	if (n > 1) {
		cleanup_free char *line = str_printf("%s:%s\n", place, buf_str(&left));

		strlist_add(out, line);
	}
}

void order_merge(const struct buf *base, const struct buf *ours, const struct buf *theirs,
		 const struct strlist *chains, struct buf *out)
{
	struct lines cleanup_lines b = read_lines(base), cleanup_lines o = read_lines(ours);
	struct lines cleanup_lines t = read_lines(theirs);
	const struct lines *const sides[] = {&b, &o, &t};
	cleanup_strlist struct strlist places = {NULL, 0}, merged = {NULL, 0};

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
		for (size_t j = 0; j < sides[i]->n; j++)
			strlist_add_once(&places, sides[i]->line[j].place);
	for (size_t i = 0; i < places.n; i++)
		merge_place(places.s[i], sides, chains, &merged);
	/* as a capture has them */
	strlist_sort(&merged);
	for (size_t i = 0; i < merged.n; i++)
		buf_add_str(out, merged.s[i]);
}

static bool is_subsequence(const struct strlist *all, const struct strlist *some)
{
	size_t found = 0;

	for (size_t i = 0; i < all->n && found < some->n; i++)
		found += !strcmp(all->s[i], some->s[found]);
	return found == some->n;
}

bool order_agrees(const struct buf *want, const struct buf *have)
{
	struct lines cleanup_lines w = read_lines(want), cleanup_lines h = read_lines(have);

	for (size_t i = 0; i < w.n; i++) {
		const struct line *l = line_at(&h, w.line[i].place);

		if (!l || !is_subsequence(&l->chains, &w.line[i].chains))
			return false;
	}
	return true;
}
