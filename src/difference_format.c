/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "difference.h"

#include <jansson.h>

static char *visible(const char *s)
{
	return s ? str_visible(s) : NULL;
}

struct difference_table *difference_add_table(struct difference *d, enum difference_sign sign,
					      const char *label)
{
	struct difference_table *t = array_grow(&d->tables, &d->ntables, sizeof(*t));

	t->sign = sign;
	t->label = visible(label);
	return t;
}

struct difference_section *difference_add_section(struct difference_table *t,
						  enum difference_sign sign, const char *name)
{
	struct difference_section *s = array_grow(&t->sections, &t->nsections, sizeof(*s));

	s->sign = sign;
	s->name = visible(name);
	return s;
}

void difference_add_line(struct difference_section *s, enum difference_sign sign, const char *text)
{
	struct difference_line *l = array_grow(&s->lines, &s->nlines, sizeof(*l));

	l->sign = sign;
	l->text = visible(text);
}

void difference_set_note(struct difference_section *s, const char *text)
{
	free(s->note);
	s->note = visible(text);
}

static void section_release(struct difference_section *s)
{
	for (size_t i = 0; i < s->nlines; i++)
		free(s->lines[i].text);
	free(s->lines);
	free(s->name);
	free(s->note);
}

void difference_release(struct difference *d)
{
	for (size_t i = 0; i < d->ntables; i++) {
		struct difference_table *t = &d->tables[i];

		for (size_t j = 0; j < t->nsections; j++)
			section_release(&t->sections[j]);
		free(t->sections);
		free(t->label);
	}
	free(d->tables);
	*d = (struct difference){0};
}

/* Escape sequences of ECMA-48 (SGR). */
static const char *paint(enum difference_sign sign)
{
	return sign == SIGN_ADDED ? "\033[32m" : sign == SIGN_REMOVED ? "\033[31m" : "";
}

struct style {
	struct buf *out;
	bool colour;
};

/* One line of the output; weight: a further sequence, "" for none. */
static void put_line(const struct style *s, unsigned depth, enum difference_sign sign,
		     const char *weight, const char *text, const char *note)
{
	bool painted = s->colour && (*weight || *paint(sign));

	buf_printf(s->out, "%*s%s%s", (int)(2 * depth), "", painted ? weight : "",
		   painted ? paint(sign) : "");
	if (sign != SIGN_NONE)
		buf_printf(s->out, "%c ", sign);
	buf_add_str(s->out, text);
	if (note)
		buf_printf(s->out, " (%s)", note);
	buf_printf(s->out, "%s\n", painted ? "\033[0m" : "");
}

/* What is said of the table itself stands where its sections do. */
static void put_section(const struct style *style, const struct difference_section *s,
			unsigned depth)
{
	if (s->name)
		put_line(style, depth++, s->sign, "", s->name, s->note);
	for (size_t i = 0; i < s->nlines; i++)
		put_line(style, depth, s->lines[i].sign, "", s->lines[i].text, NULL);
}

void difference_format(const struct difference *d, bool colour, struct buf *out)
{
	const struct style style = {out, colour};

	for (size_t i = 0; i < d->ntables; i++) {
		const struct difference_table *t = &d->tables[i];
		const struct difference_section *first = t->nsections ? &t->sections[0] : NULL;

		if (t->label)
			put_line(&style, 0, t->sign, "\033[1m", t->label,
				 first && !first->name ? first->note : NULL);
		for (size_t j = 0; j < t->nsections; j++)
			put_section(&style, &t->sections[j], t->label != NULL);
	}
}

void difference_put_count(struct buf *out, size_t n)
{
	if (n >= 1000) {
		difference_put_count(out, n / 1000);
		buf_printf(out, ",%03zu", n % 1000);
	} else {
		buf_printf(out, "%zu", n);
	}
}

/* "2 rules added, 1 removed" */
static void put_pair(struct buf *out, const char *noun, unsigned added, unsigned removed)
{
	unsigned first = added ? added : removed;

	if (!first)
		return;
	buf_add_str(out, out->len ? "; " : "");
	difference_put_count(out, first);
	buf_printf(out, " %s%s %s", noun, first == 1 ? "" : "s", added ? "added" : "removed");
	if (!added || !removed)
		return;
	buf_add_str(out, ", ");
	difference_put_count(out, removed);
	buf_add_str(out, " removed");
}

void difference_summary(const struct difference *d, struct buf *out)
{
	const struct difference_counts *n = &d->counts;
	cleanup_buf struct buf text = BUF_INIT;

	put_pair(&text, "rule", n->rules_added, n->rules_removed);
	put_pair(&text, "element", n->elements_added, n->elements_removed);
	if (n->others) {
		bool only = !text.len;

		buf_add_str(&text, only ? "" : "; ");
		difference_put_count(&text, n->others);
		buf_printf(&text, " %schange%s", only ? "" : "other ", n->others == 1 ? "" : "s");
	}
	buf_add(out, text.data, text.len);
}

static json_t *sign_json(enum difference_sign sign)
{
	const char text[] = {(char)sign, '\0'};

	return sign == SIGN_NONE ? json_null() : json_string(text);
}

static json_t *section_json(const struct difference_section *s)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < s->nlines; i++)
		json_array_append_new(lines,
				      json_pack("{s:o,s:s}", "sign", sign_json(s->lines[i].sign),
						"text", s->lines[i].text));
	return json_pack("{s:s?,s:o,s:s?,s:o}", "name", s->name, "sign", sign_json(s->sign), "note",
			 s->note, "lines", lines);
}

static json_t *table_json(const struct difference_table *t)
{
	json_t *sections = json_array();

	for (size_t i = 0; i < t->nsections; i++)
		json_array_append_new(sections, section_json(&t->sections[i]));
	return json_pack("{s:s?,s:o,s:o}", "table", t->label, "sign", sign_json(t->sign),
			 "sections", sections);
}

json_t *difference_json(const struct difference *d)
{
	const struct difference_counts *n = &d->counts;
	json_t *tables = json_array();

	for (size_t i = 0; i < d->ntables; i++)
		json_array_append_new(tables, table_json(&d->tables[i]));
	return json_pack("{s:b,s:o,s:{s:i,s:i},s:{s:i,s:i},s:i}", "equal", !d->ntables, "tables",
			 tables, "rules", "added", n->rules_added, "removed", n->rules_removed,
			 "elements", "added", n->elements_added, "removed", n->elements_removed,
			 "others", n->others);
}
