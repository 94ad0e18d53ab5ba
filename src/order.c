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
