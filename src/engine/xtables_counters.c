/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A chain of a table as entries: `first` is the place of its first rule, behind the last one is its end. */
struct place {
	const char *name;
	unsigned first, rules;
	size_t item; /* of its first rule among the items */
};

struct places {
	struct place *place;
	size_t n;
};

static void add_place(struct places *p, const char *name, unsigned first)
{
	*(struct place *)array_grow(&p->place, &p->n, sizeof(*p->place)) =
		(struct place){.name = name, .first = first};
}

static bool is_head(const struct xt_family *f, const void *entry)
{
	return !strcmp(xt_entry_target(f, entry)->u.user.name, XT_ERROR_TARGET);
}

static void begin_chain(struct places *p, const struct xt_family *f, const struct ipt_getinfo *info,
			const char *entry, size_t at, unsigned i)
{
	for (unsigned h = 0; h < NF_INET_NUMHOOKS; h++)
		if (info->valid_hooks & 1U << h && info->hook_entry[h] == at)
			add_place(p, xt_hook_names[h], i);
	if (is_head(f, entry)) {
		const struct xt_error_target *t = (const void *)xt_entry_target(f, entry);

		add_place(p, t->errorname, i + 1);
	}
}

/* A chain ends with its policy or return, which stands before the next one's head or rules. */
static void count_rules(struct places *p, unsigned entries, const bool *head)
{
	for (size_t i = 0; i < p->n; i++) {
		unsigned next = i + 1 < p->n ? p->place[i + 1].first : entries;

		if (next && next <= entries && head[next - 1])
			next--;
		p->place[i].rules = next > p->place[i].first ? next - p->place[i].first - 1 : 0;
	}
}

static int compare_place(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static const struct place *find_place(const struct places *p, const char *name)
{
	const struct place like = {.name = name};

	return bsearch(&like, p->place, p->n, sizeof(*p->place), compare_place);
}

/* Where the chains are in the kernel's table, whose entries the names are in. */
static int read_places(const struct xt_family *f, int fd, const struct ipt_getinfo *info,
		       struct ipt_get_entries **entries, struct places *p)
{
	socklen_t n = (socklen_t)(sizeof(**entries) + info->size);
	bool *heads = mem_zalloc(info->num_entries + 1);
	unsigned i = 0;
	int r;

	*entries = mem_zalloc(n);
	memcpy((*entries)->name, info->name, sizeof(info->name));
	(*entries)->size = info->size;
	r = getsockopt(fd, f->level, IPT_SO_GET_ENTRIES, *entries, &n) < 0 ? -errno : 0;
	for (size_t at = 0; !r && at < info->size && i < info->num_entries; i++) {
		const char *entry = (const char *)(*entries)->entrytable + at;

		if (!xt_entry_ok(f, entry, info->size - at)) {
			r = -EBADMSG;
			break;
		}
		begin_chain(p, f, info, entry, at, i);
		heads[i] = is_head(f, entry);
		at += xt_next_offset(f, entry);
	}
	if (!r)
		count_rules(p, i, heads);
	free(heads);
	return r;
}

/* Places of an image's chains, which stand in the order in which it was laid out. */
static void image_places(const struct xt_stream *s, unsigned valid_hooks, struct places *p)
{
	unsigned at = 0;

	for (unsigned h = 0; h < NF_INET_NUMHOOKS; h++) {
		if (!(valid_hooks & 1U << h))
			continue;
		add_place(p, xt_hook_names[h], at);
		for (size_t i = 0; i < s->nparts; i++)
			if (s->parts[i].chain->record.flags & XT_CHAIN_BUILTIN &&
			    s->parts[i].chain->hook == h)
				p->place[p->n - 1].rules = s->parts[i].rules;
		at += p->place[p->n - 1].rules + 1;
	}
	for (size_t i = 0; i < s->nparts; i++) {
		if (s->parts[i].chain->record.flags & XT_CHAIN_BUILTIN)
			continue;
		add_place(p, s->parts[i].chain->name, at + 1);
		p->place[p->n - 1].rules = s->parts[i].rules;
		at += s->parts[i].rules + 2;
	}
}

/* One of the two tables: its records, and where they are among the entries. */
struct side {
	struct items items;
	struct digest *rules; /* of all chains, in the order of the items */
	size_t first;         /* item that is the first rule */
	struct places places;
};

static int side_open(struct side *s, struct ruleset *rs, const struct table *t)
{
	int r = t ? xt_items(rs, t, &s->items) : 0;

	if (r < 0)
		return r;
	if (s->places.n)
		qsort(s->places.place, s->places.n, sizeof(*s->places.place), compare_place);
	while (s->first < s->items.n && s->items.item[s->first].kind != ITEM_RULE)
		s->first++;
	s->rules = mem_alloc((s->items.n + 1) * sizeof(*s->rules));
	for (size_t i = s->first; i < s->items.n; i++)
		s->rules[i] = s->items.item[i].digest;
	return 0;
}

static void side_close(struct side *s)
{
	items_release(&s->items);
	free(s->rules);
	free(s->places.place);
}

/* The rules of a chain come together: [from, end) of the items. */
static bool chain_items(const struct side *s, size_t *from, size_t *end)
{
	*from = *end;
	while (*end < s->items.n && !strcmp(s->items.item[*end].name, s->items.item[*from].name))
		(*end)++;
	return *from < *end;
}

/* Notes for each chain where its rules begin. False: a chain is not as long as its records. */
static bool find_items(struct side *s)
{
	size_t from, end = s->first;

	while (chain_items(s, &from, &end)) {
		struct place *p = (struct place *)find_place(&s->places, s->items.item[from].name);

		if (!p || p->rules != end - from)
			return false;
		p->item = from;
	}
	return true;
}

static void relate_chain(const struct side *old, const struct side *new, const struct place *was,
			 const struct place *is, unsigned *from)
{
	size_t *keep = mem_alloc((was->rules + 1) * sizeof(*keep));

	items_align(old->rules + was->item, was->rules, new->rules + is->item, is->rules, keep);
	for (unsigned i = 0; i < was->rules; i++)
		if (keep[i] != SIZE_MAX)
			from[is->first + keep[i]] = was->first + i;
	from[is->first + is->rules] = was->first + was->rules;
	free(keep);
}

/* For each of so many entries of the new side its place on the old one. Caller frees; NULL: not to be told. */
static unsigned *relate(struct side *old, struct side *new, unsigned entries)
{
	unsigned *from;

	if (!find_items(old) || !find_items(new))
		return NULL;
	from = mem_alloc((entries + 1) * sizeof(*from));
	for (unsigned i = 0; i < entries; i++)
		from[i] = XT_ENTRY_NEW;
	for (size_t i = 0; i < new->places.n; i++) {
		const struct place *is = &new->places.place[i];
		const struct place *was = find_place(&old->places, is->name);

		if (was)
			relate_chain(old, new, was, is, from);
	}
	return from;
}

static int side_of_image(struct side *s, const struct xt_image *image, struct ruleset *names)
{
	cleanup_stream struct xt_stream stream = {.family = image->family};
	int r = image->table ? xt_stream_open(&stream, image->table) : 0;

	if (!r)
		image_places(&stream, image->replace->valid_hooks, &s->places);
	return r ? r : side_open(s, names, image->table);
}

unsigned *xt_relate_images(const struct xt_image *old, struct ruleset *old_names,
			   const struct xt_image *new, struct ruleset *new_names)
{
	struct side was = {0}, is = {0};
	unsigned *from = NULL;

	if (!side_of_image(&was, old, old_names) && !side_of_image(&is, new, new_names))
		from = relate(&was, &is, new->replace->num_entries);
	side_close(&was);
	side_close(&is);
	return from;
}

unsigned *xt_relate_kernel(int fd, const struct ipt_getinfo *info, const struct table *old,
			   struct ruleset *old_names, const struct xt_image *new,
			   struct ruleset *new_names)
{
	struct side was = {0}, is = {0};
	struct ipt_get_entries *entries = NULL;
	unsigned *from = NULL;

	if (!read_places(new->family, fd, info, &entries, &was.places) &&
	    !side_open(&was, old_names, old) && !side_of_image(&is, new, new_names))
		from = relate(&was, &is, new->replace->num_entries);
	side_close(&was);
	side_close(&is);
	free(entries);
	return from;
}
