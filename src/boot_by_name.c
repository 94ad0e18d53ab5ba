/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_steps.h"

#include <ctype.h>
#include <string.h>

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '@';
}

/* The end of a word, or of a quoted string. */
static const char *word_end(const char *s)
{
	if (*s == '"')
		return s + 1 + strcspn(s + 1, "\"\n") + (s[1 + strcspn(s + 1, "\"\n")] == '"');
	while (is_word(*s))
		s++;
	return s;
}

static bool is_missing(const char *s, const char *end, const struct strlist *missing)
{
	bool quoted = *s == '"' && end - s >= 2;
	cleanup_free char *name = str_printf("%.*s", (int)(end - s) - 2 * quoted, s + quoted);

	return strlist_has(missing, name);
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Whether what stands behind "iif" or "oif", a name or a set of names, has one that is missing. */
static bool compares_missing(const char *s, const struct strlist *missing)
{
	const char *end;

	s = skip_blanks(s);
	if (!strncmp(s, "!=", 2) || !strncmp(s, "==", 2))
		s = skip_blanks(s + 2);
	if (!strncmp(s, "vmap ", 5))
		s = skip_blanks(s + 5);
	if (*s != '{')
		return is_missing(s, word_end(s), missing);
	for (s++; *s && *s != '}'; s = end) {
		end = word_end(s);
		if (end > s && is_missing(s, end, missing))
			return true;
		end += end == s;
	}
	return false;
}

static bool is_index(const char *s, const char *end)
{
	return end - s == 3 && (!strncmp(s, "iif", 3) || !strncmp(s, "oif", 3));
}

void boot_text_by_name(const struct buf *text, const struct strlist *missing, struct buf *out)
{
	cleanup_free char *copy = str_printf("%.*s", (int)text->len, (const char *)text->data);

	for (const char *s = copy, *end; *s; s = end) {
		end = *s == '#' ? s + strcspn(s, "\n") : word_end(s);
		end += end == s;
		buf_add(out, s, (size_t)(end - s));
		if (is_index(s, end) && compares_missing(end, missing))
			buf_add_str(out, "name");
	}
}

void boot_text_without(const struct buf *text, const char *table, struct buf *out)
{
	cleanup_free char *copy = str_printf("%.*s", (int)text->len, (const char *)text->data);
	cleanup_free char *declares = str_printf("table %s", table);
	cleanup_free char *deletes = str_printf("delete table %s", table);
	cleanup_free char *begins = str_printf("table %s {", table);
	bool inside = false;

	for (char *rest = copy, *line; (line = strsep(&rest, "\n"));) {
		inside |= !strcmp(line, begins);
		if (!inside && strcmp(line, declares) && strcmp(line, deletes))
			buf_printf(out, "%s%s", line, rest ? "\n" : "");
		inside &= strcmp(line, "}") != 0;
	}
}
