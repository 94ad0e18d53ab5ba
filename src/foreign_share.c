/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_view.h"

#include <string.h>

static struct foreign_share *share_for(struct foreign_shares *shares, const struct foreign_owner *owner)
{
	struct foreign_share *s;

	for (size_t i = 0; i < shares->n; i++)
		if (shares->share[i].owner == owner)
			return &shares->share[i];
	s = array_grow(&shares->share, &shares->n, sizeof(*s));
	s->owner = owner;
	return s;
}

static void add_digest(struct foreign_share *s, struct digest d)
{
	*(struct digest *)array_grow(&s->items, &s->nitems, sizeof(d)) = d;
}

static int compare_digest(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct digest));
}

static void add_counts(struct table_counts *sum, const struct table_counts *n)
{
	sum->chains += n->chains;
	sum->rules += n->rules;
	sum->sets += n->sets;
	sum->elements += n->elements;
	sum->objects += n->objects;
}

static void count_whole(struct foreign_share *s, const struct table *t)
{
	cleanup_free char *label = table_label(t);
	struct digest digests[] = {digest_of(label, strlen(label)), t->fixed};

	strlist_add(&s->objects, label);
	if (t->engine == ENGINE_IPSET)
		s->counts.sets++;
	else
		s->tables++;
	add_counts(&s->counts, &t->counts);
	add_digest(s, digest_of(digests, sizeof(digests)));
}

static void count_item(struct foreign_share *s, const char *label, const struct item *item)
{
	struct digest digests[] = {digest_of(label, strlen(label)), digest_of(item->name, strlen(item->name)),
				   item->key, item->digest};
	unsigned *const counts[ITEM_KINDS] = {
		[ITEM_CHAIN] = &s->counts.chains,     [ITEM_OBJECT] = &s->counts.objects,
		[ITEM_SET] = &s->counts.sets,	      [ITEM_ELEMENT] = &s->counts.elements,
		[ITEM_RULE] = &s->counts.rules,
	};

	if (counts[item->kind])
		++*counts[item->kind];
	if (item->kind == ITEM_CHAIN || item->kind == ITEM_SET) {
		cleanup_free char *object = str_printf("%s %s", label, item->name);

		strlist_add(&s->objects, object);
	}
	if (!item->silent)
		add_digest(s, digest_of(digests, sizeof(digests)));
}

static void count_relied(struct foreign_share *s, const struct foreign_part *p, const char *label)
{
	struct foreign_place place = foreign_place_of(p->side.table);

	for (size_t i = 0; i < p->side.items.n; i++) {
		const struct item *item = &p->side.items.item[i];
		struct foreign_relied *relied;

		place.word[WORD_CHAIN] = item->name;
		if (item->kind != ITEM_CHAIN || !item->base ||
		    !foreign_matches(s->owner, FOREIGN_RELIES, &place, NULL))
			continue;
		relied = array_grow(&s->relied, &s->nrelied, sizeof(*relied));
		relied->chain = str_printf("%s %s", label, item->name);
		relied->digest = item->digest;
	}
}

static int compare_share(const void *a, const void *b)
{
	return strcmp(((const struct foreign_share *)a)->owner->name,
		      ((const struct foreign_share *)b)->owner->name);
}

void foreign_view_count(const struct foreign_view *v, struct foreign_shares *shares)
{
	for (size_t i = 0; i < v->rs->ntables; i++) {
		const struct foreign_part *p = &v->parts[i];
		cleanup_free char *label = table_label(&v->rs->tables[i]);

		if (p->whole)
			count_whole(share_for(shares, p->whole), p->side.table);
		for (size_t j = 0; !p->whole && p->any && j < p->side.items.n; j++)
			if (p->owners[j])
				count_item(share_for(shares, p->owners[j]), label, &p->side.items.item[j]);
	}
	if (shares->n)
		qsort(shares->share, shares->n, sizeof(*shares->share), compare_share);
	for (size_t i = 0; i < shares->n; i++)
		if (shares->share[i].nitems)
			qsort(shares->share[i].items, shares->share[i].nitems, sizeof(struct digest),
			      compare_digest);
	for (size_t i = 0; i < v->rs->ntables; i++) {
		cleanup_free char *label = table_label(&v->rs->tables[i]);

		for (size_t j = 0; j < shares->n; j++)
			count_relied(&shares->share[j], &v->parts[i], label);
	}
}

int foreign_count(const struct foreign *f, struct ruleset *rs, struct foreign_shares *shares)
{
	struct foreign_view v;
	int r = foreign_view_open(&v, f, rs);

	if (!r)
		foreign_view_count(&v, shares);
	foreign_view_release(&v);
	return r;
}

void foreign_shares_release(struct foreign_shares *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t j = 0; j < s->share[i].nrelied; j++)
			free(s->share[i].relied[j].chain);
		free(s->share[i].relied);
		free(s->share[i].items);
		strlist_release(&s->share[i].objects);
	}
	free(s->share);
	*s = (struct foreign_shares){0};
}

const struct foreign_share *foreign_share_of(const struct foreign_shares *s, const struct foreign_owner *o)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->share[i].owner == o)
			return &s->share[i];
	return NULL;
}

size_t foreign_share_more(const struct foreign_share *s, const struct foreign_share *than)
{
	size_t more = 0, i = 0, j = 0, had = than ? than->nitems : 0;

	while (s && i < s->nitems) {
		int order = j < had ? compare_digest(&s->items[i], &than->items[j]) : -1;

		more += order < 0;
		i += order <= 0;
		j += order >= 0;
	}
	return more;
}

static void put_count(struct buf *out, unsigned n, const char *noun)
{
	if (n)
		buf_printf(out, "%s%u %s%s", out->len ? ", " : "", n, noun, n == 1 ? "" : "s");
}

char *foreign_counts_text(const struct table_counts *n, unsigned tables)
{
	struct buf out = BUF_INIT;

	put_count(&out, tables, "table");
	put_count(&out, n->chains, "chain");
	put_count(&out, n->rules, "rule");
	put_count(&out, n->sets, "set");
	put_count(&out, n->elements, "element");
	return buf_detach(&out);
}

static const struct foreign_relied *find_relied(const struct foreign_share *s, const char *chain)
{
	for (size_t i = 0; s && i < s->nrelied; i++)
		if (!strcmp(s->relied[i].chain, chain))
			return &s->relied[i];
	return NULL;
}

static void add_touched(struct strlist *lines, const struct foreign_owner *o, const char *what)
{
	cleanup_free char *line = str_printf("%s%s%s%s%s", o->title, what, o->repair ? ": '" : "",
					     o->repair ? o->repair : "",
					     o->repair ? "' brings it in order" : "");

	strlist_add(lines, line);
}

void foreign_touched(const struct foreign_shares *before, const struct foreign_shares *after,
		     struct strlist *lines)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct foreign_share *s = &before->share[i], *now = foreign_share_of(after, s->owner);

		if (foreign_share_more(s, now) || foreign_share_more(now, s))
			add_touched(lines, s->owner, "'s rules were changed, too");
		for (size_t j = 0; j < s->nrelied; j++) {
			const struct foreign_relied *r = find_relied(now, s->relied[j].chain);
			cleanup_free char *what = str_printf(" relies on %s, which was changed", s->relied[j].chain);

			if (r && !digest_equal(r->digest, s->relied[j].digest))
				add_touched(lines, s->owner, what);
		}
	}
}
