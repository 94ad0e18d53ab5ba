/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_steps.h"

#include "log.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/* One table of the current version that cannot be loaded exactly. */
enum way { WAY_EXACT, WAY_TEXT, WAY_NONE };

struct parting {
	struct climb *c;
	enum way *ways;         /* of each table */
	bool *without;          /* those that are not exact */
	struct strlist missing; /* interfaces */
	bool kinds[TEXT_KINDS]; /* texts that are needed */
};

/* Whether a table loads alone, with the sets, where there are only the interfaces that are here. */
static bool loads_alone(struct climb *c, size_t place)
{
	const struct ruleset *rs = &c->current.rs;
	cleanup_free bool *without = mem_zalloc(rs->ntables * sizeof(*without));
	struct scratch scratch = SCRATCH_INIT;
	log_sink *sink = log_set_sink(boot_say_nothing);
	struct ruleset view;
	int r = scratch_open_here(&scratch);

	for (size_t i = 0; i < rs->ntables; i++)
		without[i] = i != place && rs->tables[i].engine != ENGINE_IPSET;
	view = climb_base(c, without);
	if (!r)
		r = scratch_load(&scratch, &view);
	climb_base_free(&view);
	scratch_close(&scratch);
	log_set_sink(sink);
	return !r;
}

static bool hangs_on_devices(const struct table *t)
{
	return t->engine == ENGINE_NFT && t->family == NFPROTO_NETDEV;
}

/* How many tables cannot be had exactly; -ENODATA (logged) if one of them has no text either. */
static int find_ways(struct parting *p)
{
	const struct ruleset *rs = &p->c->current.rs;
	int n = 0;

	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *t = &rs->tables[i];
		cleanup_free char *label = table_label(t);

		if (t->empty || t->engine == ENGINE_IPSET || loads_alone(p->c, i))
			continue;
		if (climb_is_exact_only(p->c, i) && !hangs_on_devices(t)) {
			log_error("'%s' cannot be loaded exactly, and no text carries it", label);
			return -ENODATA;
		}
		p->ways[i] = hangs_on_devices(t) ? WAY_NONE : WAY_TEXT;
		p->without[i] = true;
		p->kinds[climb_home(p->c, i)] |= p->ways[i] == WAY_TEXT;
		n++;
		log_warning(p->ways[i] == WAY_NONE ? "'%s' is left out: it hangs on an interface that is not there"
						   : "'%s' is taken from its text", label);
	}
	return n;
}

static void find_missing(struct parting *p)
{
	struct ruleset *rs = &p->c->current.rs;

	ruleset_resolve(rs);
	for (size_t i = 0; i < rs->nlinks; i++)
		if (*rs->links[i].name && !rs->links[i].now)
			strlist_add_once(&p->missing, rs->links[i].name);
	strlist_sort(&p->missing);
}

/* A text that can be loaded here. */
static void adapt(struct parting *p, struct rehearse_file *file)
{
	const struct ruleset *rs = &p->c->current.rs;
	struct buf text = BUF_INIT;

	boot_text_by_name(&file->content, &p->missing, &text);
	for (size_t i = 0; i < rs->ntables; i++) {
		cleanup_free char *label = table_label(&rs->tables[i]);
		struct buf rest = BUF_INIT;

		if (p->ways[i] != WAY_NONE)
			continue;
		boot_text_without(&text, label, &rest);
		buf_release(&text);
		text = rest;
	}
	buf_release(&file->content);
	file->content = text;
}

static int load(struct parting *p)
{
	struct climb *c = p->c;
	struct ruleset base = climb_base(c, p->without);
	int r = 0;

	for (int kind = 0; kind < TEXT_KINDS && !r; kind++)
		if (p->kinds[kind])
			r = climb_add_part(c, kind);
	for (size_t i = 0; i < c->nfiles; i++)
		if (c->files[i].kind == TEXT_NFT)
			adapt(p, &c->files[i]);
	if (!r)
		r = c->nfiles ? climb_load_files(c, &base) : climb_change(c, &base);
	climb_files_release(c);
	climb_base_free(&base);
	return r;
}

/* For a later call, once the interfaces are there: whether what is live then is still of us. */
static int note(struct parting *p)
{
	const struct capture capture = {.lock_wait = p->c->b->config->lock_wait};
	struct boot_record *record = &p->c->b->record;
	struct ruleset now = {0}, ours = {0};

	if (!engines_capture(&now, &capture) && !foreign_cut(p->c->b->foreign, &now, &ours, NULL)) {
		record->ruleset = ruleset_digest(&ours);
		record->missing = p->missing;
		p->missing = (struct strlist){NULL, 0};
	}
	ruleset_release(&ours);
	ruleset_release(&now);
	return 1;
}

int boot_try_partly(struct climb *c)
{
	struct parting p = {.c = c};
	size_t n = c->current.rs.ntables + 1;
	int r;

	if (!c->whole)
		return 0;
	p.ways = mem_zalloc(n * sizeof(*p.ways));
	p.without = mem_zalloc(n * sizeof(*p.without));
	find_missing(&p);
	r = find_ways(&p);
	if (r > 0)
		r = load(&p) ? -ECANCELED : note(&p);
	free(p.ways);
	free(p.without);
	strlist_release(&p.missing);
	return r;
}
