/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "merge_rules.h"

#include <string.h>

/* What is between two rules that all three have, or the whole. Half open. */
struct region {
	size_t base, base_end, ours, ours_end, theirs, theirs_end;
};

struct merging {
	const struct rule_list *base, *ours, *theirs;
	size_t *in_ours, *in_theirs; /* place of each base rule; SIZE_MAX: gone */
	struct region r;
	struct rule_merge *out;
};

static void pick(struct merging *m, bool ours, size_t place)
{
	*(struct rule_pick *)array_grow(&m->out->pick, &m->out->n, sizeof(*m->out->pick)) =
		(struct rule_pick){ours, place};
}

static void pick_all(struct merging *m, bool ours)
{
	size_t end = ours ? m->r.ours_end : m->r.theirs_end;

	for (size_t i = ours ? m->r.ours : m->r.theirs; i < end; i++)
		pick(m, ours, i);
}

static bool same(const struct rule_list *a, size_t from, size_t end, const struct rule_list *b,
		 size_t from_b, size_t end_b)
{
	if (end - from != end_b - from_b)
		return false;
	for (size_t i = 0; i < end - from; i++)
		if (!digest_equal(a->digest[from + i], b->digest[from_b + i]))
			return false;
	return true;
}

/* One side of the region: its rules, and where those of base are in it. */
struct side {
	const struct rule_list *list;
	const size_t *places;
	size_t from, end;
};

static struct side side_of(const struct merging *m, bool ours)
{
	return ours ? (struct side){m->ours, m->in_ours, m->r.ours, m->r.ours_end}
		    : (struct side){m->theirs, m->in_theirs, m->r.theirs, m->r.theirs_end};
}

/* The places of the rules that are new on this side of the region. Caller frees. */
static size_t *inserted(const struct merging *m, const struct side *s, size_t *n)
{
	size_t *places = mem_alloc((s->end - s->from + 1) * sizeof(*places));
	size_t i = m->r.base;

	*n = 0;
	for (size_t at = s->from; at < s->end; at++) {
		while (i < m->r.base_end && (s->places[i] == SIZE_MAX || s->places[i] < at))
			i++;
		if (i == m->r.base_end || s->places[i] != at)
			places[(*n)++] = at;
	}
	return places;
}

/* Whether `more` has done all that `less` has: what that removed is not there, what it added is. */
static bool has_done(const struct merging *m, const struct side *more, const struct side *less)
{
	size_t nmore, nless, found = 0;
	size_t *a = inserted(m, more, &nmore), *b = inserted(m, less, &nless);
	bool removed = true;

	for (size_t i = m->r.base; i < m->r.base_end; i++)
		removed &= less->places[i] != SIZE_MAX || more->places[i] == SIZE_MAX;
	for (size_t i = 0; i < nmore && found < nless; i++)
		found += digest_equal(more->list->digest[a[i]], less->list->digest[b[found]]);
	free(a);
	free(b);
	return removed && found == nless;
}

/* Marks, by their place, the new rules of theirs that ours has too: they are taken once. Caller frees. */
static bool *mark_common(const struct merging *m)
{
	struct side ours = side_of(m, true), theirs = side_of(m, false);
	size_t na, nb;
	size_t *a = inserted(m, &ours, &na), *b = inserted(m, &theirs, &nb);
	struct digest *digests = mem_alloc((na + nb + 1) * sizeof(*digests));
	size_t *keep = mem_alloc((na + 1) * sizeof(*keep));
	bool *common = mem_zalloc(m->theirs->n + 1);

	for (size_t i = 0; i < na; i++)
		digests[i] = m->ours->digest[a[i]];
	for (size_t i = 0; i < nb; i++)
		digests[na + i] = m->theirs->digest[b[i]];
	items_align(digests, na, digests + na, nb, keep);
	for (size_t i = 0; i < na; i++)
		if (keep[i] != SIZE_MAX)
			common[b[keep[i]]] = true;
	free(a);
	free(b);
	free(digests);
	free(keep);
	return common;
}

/* A run of base rules that are gone on one side, with what came for them: rules [from, end) there. */
struct hunk {
	size_t base, base_end, from, end;
};

/* The hunk that begins before base rule i; `from`: the place behind the last rule seen. */
static struct hunk hunk_at(const struct merging *m, const struct side *s, size_t i, size_t from)
{
	struct hunk h = {i, i, from, s->end};

	while (h.base_end < m->r.base_end && s->places[h.base_end] == SIZE_MAX)
		h.base_end++;
	if (h.base_end < m->r.base_end)
		h.end = s->places[h.base_end];
	return h;
}

/* Others put rules of their own in the place of ones that ours did away with. */
static bool collides(const struct merging *m, const struct hunk *theirs, const bool *common)
{
	bool new = false, both = false;

	for (size_t i = theirs->from; i < theirs->end; i++)
		new |= !common[i];
	for (size_t i = theirs->base; i < theirs->base_end; i++)
		both |= m->in_ours[i] == SIZE_MAX;
	return new && both;
}

static void put_hunk(struct merging *m, const struct hunk *h, bool ours, const bool *common,
		     bool lost)
{
	for (size_t i = h->from; i < h->end; i++) {
		if (ours)
			pick(m, true, i);
		else if (lost && !common[i])
			*(size_t *)array_grow(&m->out->lost, &m->out->nlost,
					      sizeof(*m->out->lost)) = i;
		else if (!common[i])
			pick(m, false, i);
	}
}

/*
 * Base rule by base rule, with what either side has before it. What others put beside ours stays where it
 * is; what replaces others' rules stands behind what ours has at that place.
 */
static void weave(struct merging *m)
{
	struct side ours = side_of(m, true), theirs = side_of(m, false);
	bool *common = mark_common(m), lost = false;
	size_t at_ours = ours.from, at_theirs = theirs.from;
	struct hunk o = {0}, t = {0};

	for (size_t i = m->r.base; i <= m->r.base_end; i++) {
		bool new_ours = i == m->r.base || ours.places[i - 1] != SIZE_MAX;
		bool new_theirs = i == m->r.base || theirs.places[i - 1] != SIZE_MAX;

		o = new_ours ? hunk_at(m, &ours, i, at_ours) : (struct hunk){0};
		if (new_theirs) {
			t = hunk_at(m, &theirs, i, at_theirs);
			lost = collides(m, &t, common);
		}
		if (new_theirs && t.base == t.base_end)
			put_hunk(m, &t, false, common, false);
		put_hunk(m, &o, true, common, false);
		if (new_theirs && t.base != t.base_end)
			put_hunk(m, &t, false, common, lost);
		if (i == m->r.base_end)
			break;
		if (ours.places[i] != SIZE_MAX) {
			at_ours = ours.places[i] + 1;
			if (lost && theirs.places[i] == SIZE_MAX)
				pick(m, true, ours.places[i]);
		}
		if (theirs.places[i] != SIZE_MAX)
			at_theirs = theirs.places[i] + 1;
	}
	free(common);
}

static void merge_region(struct merging *m)
{
	const struct region *r = &m->r;
	struct side ours = side_of(m, true), theirs = side_of(m, false);

	if (same(m->ours, r->ours, r->ours_end, m->base, r->base, r->base_end) ||
	    has_done(m, &theirs, &ours))
		pick_all(m, false);
	else if (same(m->theirs, r->theirs, r->theirs_end, m->base, r->base, r->base_end) ||
		 has_done(m, &ours, &theirs))
		pick_all(m, true);
	else
		weave(m);
}

void merge_rules(const struct rule_list *base, const struct rule_list *ours,
		 const struct rule_list *theirs, struct rule_merge *out)
{
	struct merging m = {.base = base, .ours = ours, .theirs = theirs, .out = out};

	m.in_ours = mem_alloc((base->n + 1) * sizeof(*m.in_ours));
	m.in_theirs = mem_alloc((base->n + 1) * sizeof(*m.in_theirs));
	items_align(base->digest, base->n, ours->digest, ours->n, m.in_ours);
	items_align(base->digest, base->n, theirs->digest, theirs->n, m.in_theirs);
	for (size_t i = 0; i < base->n; i++) {
		if (m.in_ours[i] == SIZE_MAX || m.in_theirs[i] == SIZE_MAX)
			continue;
		m.r.base_end = i;
		m.r.ours_end = m.in_ours[i];
		m.r.theirs_end = m.in_theirs[i];
		merge_region(&m);
		pick(&m, false, m.in_theirs[i]);
		m.r = (struct region){.base = i + 1, .ours = m.in_ours[i] + 1,
				      .theirs = m.in_theirs[i] + 1};
	}
	m.r.base_end = base->n;
	m.r.ours_end = ours->n;
	m.r.theirs_end = theirs->n;
	merge_region(&m);
	free(m.in_ours);
	free(m.in_theirs);
}

void rule_merge_release(struct rule_merge *m)
{
	free(m->pick);
	free(m->lost);
	*m = (struct rule_merge){0};
}
