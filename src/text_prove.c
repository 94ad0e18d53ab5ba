/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include "log.h"
#include "order.h"
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
	struct text_way ways[2];
	size_t nways;
	size_t way; /* the one in use; nways: none is left */
	struct buf listing;
	struct buf reason; /* why the ways so far did not do */
};

struct proof_run {
	struct ruleset *rs;
	bool counters;
	struct candidate *candidates; /* one for each table of rs */
	bool ordered;		      /* nft text declares base chains in the order of rs */
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

static void add_way(struct candidate *c, enum text_kind kind, enum text_variant variant)
{
	c->ways[c->nways++] = (struct text_way){.kind = kind, .variant = variant};
}

enum text_kind text_home(const struct table *t)
{
	if (t->engine == ENGINE_IPSET)
		return TEXT_IPSET;
	if (t->engine == ENGINE_NFT && !table_is_iptables(t))
		return TEXT_NFT;
	return t->family == NFPROTO_IPV6 ? TEXT_IP6TABLES : TEXT_IPTABLES;
}

static void find_ways(const struct ruleset *rs, struct candidate *c)
{
	const struct table *t = c->table;

	if (t->empty)
		return;
	if (t->engine == ENGINE_IPSET) {
		add_way(c, TEXT_IPSET, VARIANT_NFT);
		add_way(c, TEXT_IPSET, VARIANT_NFT);
		c->ways[1].option = "forceadd";
	}
	if (t->engine == ENGINE_XTABLES)
		add_way(c, text_home(t), VARIANT_LEGACY);
	if (t->engine != ENGINE_NFT)
		return;
	if (table_is_iptables(t) && !family_is_legacy(rs, t->family))
		add_way(c, text_home(t), VARIANT_NFT);
	add_way(c, TEXT_NFT, VARIANT_NFT);
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

/* The way in use does not do. A second one by the same program adds nothing to the reason. */
static void next_way(struct candidate *c, const char *why)
{
	enum text_kind kind = way_of(c)->kind;

	if (!c->way || c->ways[c->way - 1].kind != kind)
		buf_printf(&c->reason, "%s%s: %s", c->reason.len ? ", " : "",
			   text_formats[kind].name, why);
	c->listing.len = 0;
	c->way++;
}

static bool need_program(struct proof_run *p, struct candidate *c, const char *program)
{
	cleanup_free char *missing =
		str_printf("%s (package %s)", program, text_formats[way_of(c)->kind].package);
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

static char *table_key(const struct table *t)
{
	return str_printf("%s %s", family_name(t->family), t->name);
}

/* The order of base chains among the tables that have text of this kind (TEXT_KINDS: of any). */
static void order_within(const struct proof_run *p, enum text_kind kind, const struct buf *order,
			 struct buf *out)
{
	cleanup_strlist struct strlist keys = {NULL, 0};

	for (size_t i = 0; i < p->rs->ntables; i++) {
		const struct candidate *c = &p->candidates[i];
		cleanup_free char *key = NULL;

		if (c->table->engine != ENGINE_NFT || !way_of(c) ||
		    (kind != TEXT_KINDS && !goes_to(c, kind)))
			continue;
		key = table_key(c->table);
		strlist_add(&keys, key);
	}
	order_project(order, &keys, out);
}

static void declare_chain(const struct proof_run *p, const char *chain, struct buf *text)
{
	for (size_t i = 0; i < p->rs->ntables; i++) {
		const struct candidate *c = &p->candidates[i];
		cleanup_free char *key = NULL;

		if (!goes_to(c, TEXT_NFT))
			continue;
		key = table_key(c->table);
		if (!strncmp(chain, key, strlen(key)) && chain[strlen(key)] == ' ')
			text_put_chain(text, c->table, chain + strlen(key) + 1, &c->listing);
	}
}

/* What stands before the listings in nft text. */
static void compose_nft(const struct proof_run *p, struct buf *text)
{
	cleanup_buf struct buf order = BUF_INIT;
	cleanup_strlist struct strlist chains = {NULL, 0};

	if (p->out->nft_first)
		buf_add_str(text, TEXT_NFT_FIRST);
	for (size_t i = 0; i < p->rs->ntables; i++)
		if (goes_to(&p->candidates[i], TEXT_NFT))
			text_put_delete(text, p->candidates[i].table);
	if (!p->ordered)
		return;
	order_within(p, TEXT_NFT, &p->rs->order, &order);
	order_making(&order, &chains);
	for (size_t i = 0; i < chains.n; i++)
		declare_chain(p, chains.s[i], text);
}

static void compose(const struct proof_run *p, enum text_kind kind)
{
	struct buf *text = &p->out->content[kind];

	text->len = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < p->rs->ntables; i++) {
			const struct candidate *c = &p->candidates[i];

			if (!goes_to(c, kind) || !in_pass(c->table, pass))
				continue;
			if (!text->len) {
				p->out->variant[kind] = way_of(c)->variant;
				text_put_head(text, kind, way_of(c)->variant, p->counters);
				if (kind == TEXT_NFT)
					compose_nft(p, text);
			}
			buf_add(text, c->listing.data, c->listing.len);
		}
	}
}

static void compose_all(const struct proof_run *p)
{
	for (enum text_kind kind = 0; kind < TEXT_KINDS; kind++)
		compose(p, kind);
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

/* Loads all texts. 1: done, 0: one was refused, and some tables go another way now. */
static int feed_all(struct proof_run *p, struct scratch *s)
{
	enum text_kind order[TEXT_KINDS];

	text_load_order(p->out->nft_first, order);
	for (size_t i = 0; i < TEXT_KINDS; i++) {
		enum text_kind kind = order[i];
		const struct buf *text = &p->out->content[kind];
		cleanup_buf struct buf why = BUF_INIT;

		if (text->len && text_feed(s, kind, p->out->variant[kind], text, &why))
			return blame(p, kind, buf_str(&why));
	}
	return 1;
}

/* Whether the tables that were loaded are what the texts were made from; those that differ go
 * another way. */
static bool compare_tables(struct proof_run *p, const struct ruleset *loaded)
{
	bool equal = true;

	for (size_t i = 0; i < p->rs->ntables; i++) {
		struct candidate *c = &p->candidates[i];
		const struct table *t = c->table;

		if (!way_of(c) ||
		    table_equal(t, ruleset_find(loaded, t->engine, t->family, t->name)))
			continue;
		next_way(c, "its text loads as something else");
		equal = false;
	}
	return equal;
}

static bool line_has(const struct buf *lines, const struct table *t)
{
	cleanup_free char *key = table_key(t);
	cleanup_free char *needle = str_printf(" %s ", key);

	return memmem(lines->data, lines->len, needle, strlen(needle));
}

/*
 * All tables are right, the order of their base chains is not. First the nft text says it
 * by declarations, then it is loaded before those of iptables; if that is not enough tables leave
 * the iptables texts for it; at last there is no text for those whose order counts.
 */
static void fix_order(struct proof_run *p, const struct buf *want)
{
	static const enum text_kind leaving[] = {TEXT_IPTABLES, TEXT_IP6TABLES, TEXT_NFT};
	bool moved = false;

	if (!p->ordered) {
		p->ordered = true;
		return;
	}
	if (!p->out->nft_first) {
		p->out->nft_first = true;
		return;
	}
	for (size_t k = 0; k < ARRAY_SIZE(leaving) && !moved; k++) {
		for (size_t i = 0; i < p->rs->ntables; i++) {
			struct candidate *c = &p->candidates[i];

			if (!goes_to(c, leaving[k]) || c->table->engine != ENGINE_NFT ||
			    !line_has(want, c->table))
				continue;
			next_way(c, "its base chains would be asked in another order");
			moved = true;
		}
	}
}

static bool compare_order(struct proof_run *p, const struct ruleset *loaded)
{
	cleanup_buf struct buf want = BUF_INIT, have = BUF_INIT;

	order_within(p, TEXT_KINDS, &p->rs->order, &want);
	order_within(p, TEXT_KINDS, &loaded->order, &have);
	if (!strcmp(buf_str(&want), buf_str(&have)))
		return true;
	fix_order(p, &want);
	return false;
}

static int load_and_compare(struct proof_run *p, struct scratch *s)
{
	struct ruleset loaded = {0};
	int r = feed_all(p, s);

	if (r <= 0)
		return r;
	r = scratch_capture(s, &loaded, false);
	if (!r)
		r = compare_tables(p, &loaded) && compare_order(p, &loaded);
	ruleset_release(&loaded);
	return r;
}

/* One round in a fresh scratch. 1: all that has a text is proved, 0: another round is needed. */
static int prove_once(struct proof_run *p)
{
	struct scratch s = SCRATCH_INIT;
	int r;

	compose_all(p);
	r = scratch_open(&s, p->rs);
	if (!r)
		r = load_and_compare(p, &s);
	scratch_close(&s);
	return r;
}

/* Loads some tables of rs, with what their order is without the others. */
static int load_part(const struct proof_run *p, struct scratch *exact, struct ruleset *part)
{
	cleanup_strlist struct strlist keys = {NULL, 0};
	cleanup_buf struct buf order = BUF_INIT;

	for (size_t i = 0; i < part->ntables; i++) {
		cleanup_free char *key = NULL;

		if (part->tables[i].engine != ENGINE_NFT)
			continue;
		key = table_key(&part->tables[i]);
		strlist_add(&keys, key);
	}
	order_project(&p->rs->order, &keys, &order);
	part->order = order;
	return scratch_load(exact, part);
}

/* Something in rs cannot be loaded here (an interface that is gone): it has no text, the rest has.
 */
static void load_singly(struct proof_run *p, struct scratch *exact)
{
	struct ruleset part = *p->rs;

	part.tables = mem_zalloc(p->rs->ntables * sizeof(*part.tables));
	part.ntables = 0;
	for (size_t i = 0; i < p->rs->ntables; i++) {
		struct candidate *c = &p->candidates[i];

		part.tables[part.ntables++] = *c->table;
		if (!load_part(p, exact, &part))
			continue;
		part.ntables--;
		c->way = c->nways;
		buf_add_str(&c->reason, "it cannot be loaded in a private namespace");
	}
	free(part.tables);
}

/* A scratch that holds rs. */
static int open_exact(struct proof_run *p, struct scratch *exact)
{
	int r = scratch_open(exact, p->rs);

	if (!r && scratch_load(exact, p->rs))
		load_singly(p, exact);
	return r;
}

static void run_init(struct proof_run *p, struct ruleset *rs, bool counters, struct texts *out)
{
	*p = (struct proof_run){.rs = rs, .counters = counters, .out = out};
	*out = (struct texts){.n = rs->ntables};
	p->candidates = mem_zalloc(rs->ntables * sizeof(*p->candidates));
	for (size_t i = 0; i < rs->ntables; i++) {
		p->candidates[i].table = &rs->tables[i];
		find_ways(rs, &p->candidates[i]);
	}
}

static void run_release(struct proof_run *p)
{
	for (size_t i = 0; i < p->rs->ntables; i++) {
		buf_release(&p->candidates[i].listing);
		buf_release(&p->candidates[i].reason);
	}
	free(p->candidates);
}

static bool list_all(struct proof_run *p, struct scratch *exact)
{
	bool any = false;

	for (size_t i = 0; i < p->rs->ntables; i++) {
		list_candidate(p, exact, &p->candidates[i]);
		any = any || way_of(&p->candidates[i]);
	}
	return any;
}

static int prove_all(struct proof_run *p, struct scratch *exact)
{
	int r = 0;

	/* each round but the last takes a way from some table */
	while (!r && list_all(p, exact))
		r = prove_once(p);
	compose_all(p);
	return r < 0 ? r : 0;
}

static void put_results(const struct proof_run *p)
{
	struct texts *out = p->out;

	out->proofs = mem_zalloc(out->n * sizeof(*out->proofs));
	out->reasons = mem_zalloc(out->n * sizeof(*out->reasons));
	for (size_t i = 0; i < out->n; i++) {
		struct candidate *c = &p->candidates[i];

		if (way_of(c)) {
			out->proofs[i] = text_formats[way_of(c)->kind].proof;
		} else if (c->nways) {
			out->proofs[i] = PROOF_EXACT;
			out->reasons[i] = buf_detach(&c->reason);
		}
	}
}

int text_prove(struct ruleset *rs, bool counters, struct texts *out)
{
	struct scratch exact = SCRATCH_INIT;
	struct proof_run p;
	int r;

	run_init(&p, rs, counters, out);
	r = open_exact(&p, &exact);
	if (!r)
		r = prove_all(&p, &exact);
	scratch_close(&exact);
	if (!r)
		put_results(&p);
	else
		texts_release(out);
	run_release(&p);
	return r;
}

/*
 * iptables-save passes over in silence what it cannot show ("-A INPUT -j ACCEPT"): of its
 * text only what is proved is shown. nft and ipset say so themselves.
 */
static bool render_proves(enum text_kind kind)
{
	return kind == TEXT_IPTABLES || kind == TEXT_IP6TABLES;
}

/* Rules that name sets are proved with these. */
static void keep_ways(struct candidate *c, enum text_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nways; i++)
		if (c->ways[i].kind == kind || (c->ways[i].kind == TEXT_IPSET && render_proves(kind)))
			c->ways[n++] = c->ways[i];
	c->nways = n;
}

static void report_left_out(const struct proof_run *p, enum text_kind kind)
{
	for (size_t i = 0; i < p->rs->ntables; i++) {
		struct candidate *c = &p->candidates[i];
		cleanup_free char *label = table_label(c->table);

		if (c->nways && !way_of(c) && c->ways[0].kind == kind)
			log_warning("%s is left out: %s", label, buf_str(&c->reason));
	}
}

int text_render(struct ruleset *rs, enum text_kind kind, struct buf *out)
{
	struct scratch exact = SCRATCH_INIT;
	struct texts texts;
	struct proof_run p;
	int r;

	run_init(&p, rs, false, &texts);
	for (size_t i = 0; i < rs->ntables; i++)
		keep_ways(&p.candidates[i], kind);
	r = open_exact(&p, &exact);
	if (!r && render_proves(kind))
		r = prove_all(&p, &exact);
	else if (!r)
		list_all(&p, &exact);
	scratch_close(&exact);
	if (!r)
		report_left_out(&p, kind);
	compose(&p, kind);
	buf_add(out, texts.content[kind].data, texts.content[kind].len);
	run_release(&p);
	texts_release(&texts);
	return r;
}
