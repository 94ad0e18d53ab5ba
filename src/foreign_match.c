/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_match.h"

#include <fnmatch.h>
#include <string.h>

/* What a condition looks at: a place, or a fact behind them, or what follows from all facts. */
enum { WORD_FACTS = WORD_PLACES, WORD_BARE = WORD_FACTS + FACT_KINDS, WORD_SAME, WORDS };

static const char *const words[WORDS] = {
	[WORD_FAMILY] = "family",
	[WORD_TABLE] = "table",
	[WORD_CHAIN] = "chain",
	[WORD_NAME] = "name",
	[WORD_FACTS + FACT_JUMP] = "jump",
	[WORD_FACTS + FACT_SET] = "set",
	[WORD_FACTS + FACT_COMMENT] = "comment",
	[WORD_FACTS + FACT_TARGET] = "target",
	[WORD_FACTS + FACT_IN] = "in",
	[WORD_FACTS + FACT_NOT_IN] = "not-in",
	[WORD_FACTS + FACT_OUT] = "out",
	[WORD_FACTS + FACT_NOT_OUT] = "not-out",
	[WORD_FACTS + FACT_SOURCE] = "source",
	[WORD_FACTS + FACT_DESTINATION] = "destination",
	[WORD_FACTS + FACT_MATCH] = "match",
	[WORD_BARE] = "bare",
	[WORD_SAME] = "same",
};

/* Patterns of no word hold for anything. */
struct foreign_row {
	enum foreign_kind kind;
	struct strlist patterns[WORDS];
	bool none[WORDS]; /* it holds if none of them matches */
};

static const char *add_condition(struct foreign_row *row, char *condition)
{
	char *value = strchr(condition, '='), *save;
	size_t word = 0;

	if (!value)
		return "has a condition that is not 'word=pattern'";
	*value++ = '\0';
	while (word < WORDS && strcmp(words[word], condition))
		word++;
	if (word == WORDS || (row->kind != FOREIGN_RULE && word >= WORD_FACTS))
		return "has a condition that there is not for it";
	if (word >= WORD_BARE && strcmp(value, "yes"))
		return "has another value than 'yes' for 'bare' or 'same'";
	if (row->patterns[word].n)
		return "has the same condition twice";
	row->none[word] = *value == '!';
	value += row->none[word];
	for (char *p = strtok_r(value, ",", &save); p; p = strtok_r(NULL, ",", &save))
		strlist_add(&row->patterns[word], p);
	return row->patterns[word].n ? NULL : "has a condition without a pattern";
}

const char *foreign_row_add(struct foreign_owner *o, enum foreign_kind kind, char *value)
{
	struct foreign_row *row = array_grow(&o->rows, &o->nrows, sizeof(*row));
	const char *fault = *value ? NULL : "has no condition";
	char *save;

	row->kind = kind;
	for (char *c = strtok_r(value, " \t", &save); c && !fault; c = strtok_r(NULL, " \t", &save))
		fault = add_condition(row, c);
	if (!fault && kind != FOREIGN_RULE && kind != FOREIGN_RELIES && !row->patterns[WORD_NAME].n)
		fault = "has no condition 'name'";
	return fault;
}

void foreign_rows_release(struct foreign_owner *o)
{
	for (size_t i = 0; i < o->nrows; i++)
		for (size_t word = 0; word < WORDS; word++)
			strlist_release(&o->rows[i].patterns[word]);
	free(o->rows);
}

static bool fits(const struct strlist *patterns, const char *value)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (!fnmatch(patterns->s[i], value, 0))
			return true;
	return false;
}

static bool place_holds(const struct foreign_row *row, size_t word, const char *value)
{
	const struct strlist *patterns = &row->patterns[word];

	return !patterns->n || (value && fits(patterns, value) != row->none[word]);
}

static bool fact_holds(const struct foreign_row *row, enum fact_kind kind, const struct strlist *values)
{
	const struct strlist *patterns = &row->patterns[WORD_FACTS + kind];
	bool found = false;

	for (size_t i = 0; i < values->n && !found; i++)
		found = fits(patterns, values->s[i]);
	return !patterns->n || found != row->none[WORD_FACTS + kind];
}

static bool all_fit(const struct foreign_row *row, enum fact_kind kind, const struct strlist *values)
{
	const struct strlist *patterns = &row->patterns[WORD_FACTS + kind];

	for (size_t i = 0; i < values->n; i++)
		if (fits(patterns, values->s[i]) == row->none[WORD_FACTS + kind])
			return false;
	return patterns->n || !values->n;
}

/* It asks nothing but what the line has conditions for; `same` is one for both nets. */
static bool is_bare(const struct foreign_row *row, const struct facts *facts)
{
	for (int kind = FACT_IN; kind < FACT_KINDS; kind++) {
		bool net = kind == FACT_SOURCE || kind == FACT_DESTINATION;

		if (!all_fit(row, kind, &facts->of[kind]) && !(net && row->patterns[WORD_SAME].n))
			return false;
	}
	return true;
}

bool facts_are_bare(const struct facts *facts)
{
	static const struct foreign_row none;

	return is_bare(&none, facts);
}

static bool is_same(const struct facts *facts)
{
	const struct strlist *from = &facts->of[FACT_SOURCE], *to = &facts->of[FACT_DESTINATION];

	return from->n == 1 && to->n == 1 && !strcmp(from->s[0], to->s[0]);
}

static bool row_holds(const struct foreign_row *row, const struct foreign_place *place,
		      const struct facts *facts)
{
	for (size_t word = 0; word < WORD_PLACES; word++)
		if (!place_holds(row, word, place->word[word]))
			return false;
	if (!facts)
		return true;
	for (int kind = 0; kind < FACT_KINDS; kind++)
		if (!fact_holds(row, kind, &facts->of[kind]))
			return false;
	return (!row->patterns[WORD_BARE].n || is_bare(row, facts)) &&
	       (!row->patterns[WORD_SAME].n || is_same(facts));
}

bool foreign_matches(const struct foreign_owner *o, enum foreign_kind kind,
		     const struct foreign_place *place, const struct facts *facts)
{
	for (size_t i = 0; i < o->nrows; i++)
		if (o->rows[i].kind == kind && row_holds(&o->rows[i], place, facts))
			return true;
	return false;
}

const struct foreign_owner *foreign_match(const struct foreign *f, enum foreign_kind kind,
					  const struct foreign_place *place, const struct facts *facts)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->owners[i].counts && foreign_matches(&f->owners[i], kind, place, facts))
			return &f->owners[i];
	return NULL;
}
