/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include "log.h"
#include "text_program.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/*
 * A table and the ways to write it, best first. It goes on to the next way when one
 * turns out not to carry it, and is kept only exactly when none is left.
 */
struct candidate {
	const struct table *table;
	struct text_way ways[4];
	size_t nways;
	size_t way;          /* the one in use; nways: none is left */
	struct buf listing;
	struct buf reason;   /* why the ways so far did not do */
};

struct proof_run {
	struct ruleset *rs;
	bool counters;
	struct candidate *candidates; /* one for each table of rs */
	struct buf declarations;      /* base chains in the order in which they must be made */
	struct texts *out;
};

static bool table_is_iptables(const struct table *t)
{
	static const char *const names[] = {"filter", "nat", "mangle", "raw", "security"};

	if (t->family != NFPROTO_IPV4 && t->family != NFPROTO_IPV6)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(t->name, names[i]))
			return true;
	return false;
}

/* One file cannot hold the text of both variants: where legacy rules are, they have it. */
static bool family_is_legacy(const struct ruleset *rs, uint8_t family)
{
	for (size_t i = 0; i < rs->ntables; i++)
		if (rs->tables[i].engine == ENGINE_XTABLES && rs->tables[i].family == family &&
		    !rs->tables[i].empty)
			return true;
	return false;
}

static void add_way(struct candidate *c, enum text_kind kind, enum text_variant variant,
		    const char *option)
{
	c->ways[c->nways++] = (struct text_way){kind, variant, option};
}

static void find_ways(const struct ruleset *rs, struct candidate *c)
{
	const struct table *t = c->table;
	enum text_kind iptables = t->family == NFPROTO_IPV6 ? TEXT_IP6TABLES : TEXT_IPTABLES;

	if (t->empty)
		return;
	if (t->engine == ENGINE_IPSET)
		add_way(c, TEXT_IPSET, VARIANT_NFT, NULL);
	if (t->engine == ENGINE_XTABLES)
		add_way(c, iptables, VARIANT_LEGACY, NULL);
	if (t->engine != ENGINE_NFT)
		return;
	if (table_is_iptables(t) && !family_is_legacy(rs, t->family))
		add_way(c, iptables, VARIANT_NFT, NULL);
	add_way(c, TEXT_NFT, VARIANT_NFT, NULL);
	add_way(c, TEXT_NFT, VARIANT_NFT, "-n");
}

static const struct text_way *way_of(const struct candidate *c)
{
	return c->way < c->nways ? &c->ways[c->way] : NULL;
}

static bool goes_to(const struct candidate *c, enum text_kind kind)
{
	const struct text_way *w = way_of(c);

	return w && w->kind == kind;
}

/* The way in use does not do. Another way of the same kind that fails too adds nothing to the reason. */
static void next_way(struct candidate *c, const char *why)
{
	enum text_kind kind = way_of(c)->kind;

	if (!c->way || c->ways[c->way - 1].kind != kind)
		buf_printf(&c->reason, "%s%s: %s", c->reason.len ? ", " : "", text_formats[kind].name,
			   why);
	c->listing.len = 0;
	c->way++;
}

static bool need_program(struct proof_run *p, struct candidate *c, const char *program)
{
	cleanup_free char *missing = str_printf("%s (package %s)", program,
						text_formats[way_of(c)->kind].package);
	cleanup_free char *why = str_printf("%s is not installed", program);

	if (exec_have(program))
		return true;
	strlist_add_once(&p->out->missing, missing);
	next_way(c, why);
	return false;
}

/* Lists the table in the first way that is left and yields something. */
static void list_candidate(struct proof_run *p, struct scratch *exact, struct candidate *c)
{
	while (way_of(c) && !c->listing.len) {
		const struct text_way *w = way_of(c);
		cleanup_buf struct buf why = BUF_INIT;

		p->out->attempted[w->kind] = true;
		if (!need_program(p, c, text_lister(w->kind, w->variant)) ||
		    !need_program(p, c, text_loader(w->kind, w->variant)[0]))
			continue;
		if (text_list(exact, c->table, w, p->counters, &c->listing, &why))
			next_way(c, buf_str(&why));
	}
}

/* Sets that hold sets come after those they hold. */
static bool in_pass(const struct table *t, int pass)
{
	bool holds_sets = t->type && !strcmp(t->type, "list:set");

	return holds_sets == (pass == 1);
}

static void compose(const struct proof_run *p, enum text_kind kind, struct buf *text)
{
	text->len = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < p->rs->ntables; i++) {
			const struct candidate *c = &p->candidates[i];

			if (!goes_to(c, kind) || !in_pass(c->table, pass))
				continue;
			p->out->variant[kind] = way_of(c)->variant;
			if (!text->len)
				text_put_head(text, kind, way_of(c)->variant, p->counters);
			text_put_table(text, kind, c->table, &c->listing);
		}
	}
}

/* The names of sets in rules must resolve: sets come first. */
static int feed_sets(struct proof_run *p, struct scratch *s)
{
	cleanup_buf struct buf why = BUF_INIT;
	const struct buf *sets = &p->out->content[TEXT_IPSET];

	return sets->len ? text_feed(s, TEXT_IPSET, VARIANT_NFT, sets, &why) : 0;
}

/*
 * A text was refused: loads its tables one by one to find which. If each loads
 * alone, all that is left is to give up this way for all of them.
 */
static int blame(struct proof_run *p, enum text_kind kind, const char *whole)
{
	struct scratch s = SCRATCH_INIT;
	bool found = false;
	int r = scratch_open(&s, p->rs);

	if (!r && kind != TEXT_IPSET)
		r = feed_sets(p, &s);
	for (size_t i = 0; !r && i < p->rs->ntables; i++) {
		struct candidate *c = &p->candidates[i];
		cleanup_buf struct buf why = BUF_INIT;

		if (!goes_to(c, kind) ||
		    !text_feed(&s, kind, way_of(c)->variant, &c->listing, &why))
			continue;
		next_way(c, buf_str(&why));
		found = true;
	}
	scratch_close(&s);
	for (size_t i = 0; !r && !found && i < p->rs->ntables; i++)
		if (goes_to(&p->candidates[i], kind))
			next_way(&p->candidates[i], whole);
	return r;
}

/* Loads all texts. 1: a text was refused, and some tables go another way now. */
static int feed_all(struct proof_run *p, struct scratch *s)
{
	for (enum text_kind kind = 0; kind < TEXT_KINDS; kind++) {
		const struct buf *text = &p->out->content[kind];
		cleanup_buf struct buf why = BUF_INIT;
		int r = text->len ? text_feed(s, kind, p->out->variant[kind], text, &why) : 0;

		if (r) {
			r = blame(p, kind, buf_str(&why));
			return r ? r : 1;
		}
	}
	return 0;
}

/* Whether what was loaded is what the texts were made from; the tables that differ go another way. */
static bool compare(struct proof_run *p, const struct ruleset *loaded)
{
	bool equal = true;

	for (size_t i = 0; i < p->rs->ntables; i++) {
		struct candidate *c = &p->candidates[i];
		const struct table *t = c->table;

		if (!way_of(c) || table_equal(t, ruleset_find(loaded, t->engine, t->family, t->name)))
			continue;
		next_way(c, "its text loads as something else");
		equal = false;
	}
	return equal;
}

/* One round: compose, load in a fresh scratch, compare. 1: proved, 0: another round is needed. */
static int prove_once(struct proof_run *p)
{
	struct scratch s = SCRATCH_INIT;
	struct ruleset loaded = {0};
	int r;

	for (enum text_kind kind = 0; kind < TEXT_KINDS; kind++)
		compose(p, kind, &p->out->content[kind]);
	r = scratch_open(&s, p->rs);
	if (!r)
		r = feed_all(p, &s);
	if (!r)
		r = scratch_capture(&s, &loaded, false);
	if (r >= 0)
		r = !r && compare(p, &loaded);
	ruleset_release(&loaded);
	scratch_close(&s);
	return r;
}
