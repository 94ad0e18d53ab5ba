/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_view.h"

#include "log.h"

#include <errno.h>
#include <string.h>

/* Whether a description has a line of either kind for it. */
static void look_at(struct foreign *f, enum foreign_kind kind, enum foreign_kind user,
		    const struct foreign_place *place)
{
	for (size_t i = 0; i < f->n; i++) {
		struct foreign_owner *o = &f->owners[i];

		o->counts = o->counts || foreign_matches(o, kind, place, NULL) ||
			    foreign_matches(o, user, place, NULL);
	}
}

static void look_at_names(struct foreign *f, const struct table *t, const struct strlist *names,
			  enum foreign_kind kind, enum foreign_kind user)
{
	struct foreign_place place = foreign_place_of(t);

	for (size_t i = 0; i < names->n; i++) {
		place.word[WORD_NAME] = names->s[i];
		look_at(f, kind, user, &place);
	}
}

/* A table that a process owns is in no ruleset, but it is there: "inet firewalld". */
static void look_at_owned(struct foreign *f, const char *owned)
{
	cleanup_free char *family = str_dup(owned);
	char *name = strchr(family, ' ');
	struct foreign_place place = {.word = {[WORD_FAMILY] = family}};

	if (!name)
		return;
	*name++ = '\0';
	place.word[WORD_TABLE] = place.word[WORD_NAME] = name;
	look_at(f, FOREIGN_TABLE, FOREIGN_TABLE, &place);
}

void foreign_look(struct foreign *f, const struct ruleset *rs)
{
	for (size_t i = 0; f->n && i < rs->owned.n; i++)
		look_at_owned(f, rs->owned.s[i]);
	for (size_t i = 0; f->n && i < rs->ntables; i++) {
		const struct table *t = &rs->tables[i];
		struct foreign_place place = foreign_place_of(t);

		place.word[WORD_NAME] = t->name;
		if (t->engine == ENGINE_IPSET)
			look_at(f, FOREIGN_SET, FOREIGN_USER_SET, &place);
		else if (t->engine == ENGINE_NFT)
			look_at(f, FOREIGN_TABLE, FOREIGN_TABLE, &place);
		look_at_names(f, t, &t->chains, FOREIGN_CHAIN, FOREIGN_USER_CHAIN);
		look_at_names(f, t, &t->sets, FOREIGN_SET, FOREIGN_USER_SET);
	}
}

bool foreign_any(const struct foreign *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->owners[i].counts)
			return true;
	return false;
}

/* What a ruleset has without what is foreign, but for what rules of ours refer to, empty. */
static bool is_kept(const struct foreign_part *p, const struct item *item)
{
	if (!foreign_owner_of(p, item))
		return true;
	if (item->kind == ITEM_CHAIN)
		return strlist_has(&p->needed.chains, item->name) || strlist_has(&p->led_to, item->name);
	return item->kind == ITEM_SET && strlist_has(&p->needed.sets, item->name);
}

static int cut_table(struct assembly *a, const struct foreign_part *p)
{
	struct assembly_pieces pieces = {0};
	int r;

	for (int kind = 0; kind < ITEM_KINDS; kind++)
		for (size_t i = 0; i < p->side.items.n; i++) {
			const struct item *item = &p->side.items.item[i];

			if ((int)item->kind == kind && is_kept(p, item))
				assembly_add(&pieces, &p->side, item);
		}
	r = assembly_compose(a, p->side.table, &pieces);
	if (!r)
		assembly_drop_empty(a);
	free(pieces.piece);
	return r;
}

/* The set itself, without members. */
static int cut_ipset(struct assembly *a, struct foreign_part *p)
{
	struct assembly_pieces pieces = {0};
	int r = assembly_take_apart(&p->side);

	for (size_t i = 0; !r && i < p->side.items.n; i++)
		if (p->side.items.item[i].kind == ITEM_TABLE)
			assembly_add(&pieces, &p->side, &p->side.items.item[i]);
	if (!r)
		r = assembly_compose(a, p->side.table, &pieces);
	free(pieces.piece);
	return r;
}

static int cut_part(struct assembly *a, struct foreign_view *v, struct foreign_part *p)
{
	if (!p->any)
		return assembly_copy(a, v->rs, p->side.table, true);
	if (!p->whole)
		return cut_table(a, p);
	if (p->side.table->engine == ENGINE_IPSET && strlist_has(&v->needed, p->side.table->name))
		return cut_ipset(a, p);
	return 0;
}

int foreign_cut(const struct foreign *f, struct ruleset *rs, struct ruleset *ours,
		struct foreign_shares *shares)
{
	struct foreign_view v;
	struct assembly a;
	int r = foreign_view_open(&v, f, rs);

	assembly_begin(&a, ours, rs);
	for (size_t i = 0; !r && i < rs->ntables; i++) {
		r = cut_part(&a, &v, &v.parts[i]);
		if (r < 0) {
			cleanup_free char *label = table_label(&rs->tables[i]);

			log_errno(r, "cannot tell what is foreign in '%s'", label);
		}
	}
	assembly_order(&a, &rs->order, &rs->order, &rs->order);
	if (!r)
		r = assembly_end(&a);
	if (!r && shares)
		foreign_view_count(&v, shares);
	foreign_view_release(&v);
	return r;
}
