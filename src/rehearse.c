/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rehearse.h"

#include "log.h"
#include "rehearse_steps.h"
#include "rehearse_text.h"
#include "text_program.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/* A file on its way into the scratch. */
struct act {
	const struct rehearse_file *file;
	enum text_variant variant; /* of iptables and ip6tables */
	struct strlist declared;   /* nft: tables that the text replaces; ipset: sets */
};

struct rehearsing {
	struct rehearsal *r;
	struct scratch scratch;
	struct act *acts; /* in load order */
	size_t n;
	struct strlist links; /* interfaces that the files name */
};

static bool is_iptables(enum text_kind kind)
{
	return kind == TEXT_IPTABLES || kind == TEXT_IP6TABLES;
}

static uint8_t family_of(enum text_kind kind)
{
	return kind == TEXT_IP6TABLES ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

/* Whether a variant's tables of a family do anything. */
static bool variant_lives(const struct ruleset *live, uint8_t family, enum text_variant variant)
{
	for (size_t i = 0; i < live->ntables; i++) {
		const struct table *t = &live->tables[i];
		bool legacy = t->engine == ENGINE_XTABLES;

		if (!t->empty && t->engine != ENGINE_IPSET && t->family == family &&
		    legacy == (variant == VARIANT_LEGACY) && (legacy || is_iptables(text_home(t))))
			return true;
	}
	return false;
}

/* What the text says, else what live has, else what is installed. */
static enum text_variant find_variant(const struct ruleset *live, const struct rehearse_file *f)
{
	static const char *const names[] = {[VARIANT_NFT] = "nft", [VARIANT_LEGACY] = "legacy"};
	uint8_t family = family_of(f->kind);
	bool nft = variant_lives(live, family, VARIANT_NFT);
	bool legacy = variant_lives(live, family, VARIANT_LEGACY);
	int told = text_variant_told(&f->content);
	enum text_variant variant = told >= 0	    ? (enum text_variant)told
				    : nft != legacy ? (nft ? VARIANT_NFT : VARIANT_LEGACY)
						    : text_variant_installed(f->kind);

	if (variant == VARIANT_NFT ? legacy : nft)
		log_warning(
			"'%s' is for %s-%s, and there are rules of %s-%s, too: both are in force",
			f->name, text_formats[f->kind].name, names[variant],
			text_formats[f->kind].name, names[!variant]);
	return variant;
}

/* A text with commands is run as it is: what it declares beside them replaces nothing. */
static void read_act(struct rehearsing *g, struct act *a)
{
	const struct rehearse_file *f = a->file;
	bool declares = true;

	if (is_iptables(f->kind)) {
		a->variant = find_variant(g->r->live, f);
		iptables_mentions(&f->content, family_of(f->kind), a->variant, g->r->mentions);
	} else if (f->kind == TEXT_IPSET) {
		declares = ipset_mentions(&f->content, g->r->mentions, &a->declared);
	} else {
		declares = nft_mentions(&f->content, g->r->mentions, &a->declared);
	}
	if (!declares)
		strlist_release(&a->declared);
}

static void forget_mentions(struct rehearsal *r)
{
	if (r->mentions)
		mentions_release(r->mentions);
	free(r->mentions);
	r->mentions = NULL;
}

/* The files in load order, and what they are about. */
static void read_acts(struct rehearsing *g)
{
	const struct rehearsal *r = g->r;
	enum text_kind order[TEXT_KINDS];
	bool nft_first = false;

	for (size_t i = 0; i < r->nfiles; i++)
		nft_first = nft_first ||
			    (r->files[i].kind == TEXT_NFT && text_nft_first(&r->files[i].content));
	text_load_order(nft_first, order);
	for (size_t k = 0; k < TEXT_KINDS; k++)
		for (size_t i = 0; i < r->nfiles; i++)
			if (r->files[i].kind == order[k])
				((struct act *)array_grow(&g->acts, &g->n, sizeof(*g->acts)))
					->file = &r->files[i];
	forget_mentions(g->r);
	g->r->mentions = mem_zalloc(sizeof(*g->r->mentions));
	for (size_t i = 0; i < g->n; i++)
		read_act(g, &g->acts[i]);
	mentions_sort(g->r->mentions);
}

static void find_links(struct rehearsing *g)
{
	struct if_nameindex *links = if_nameindex();
	cleanup_strlist struct strlist names = {NULL, 0};

	for (const struct if_nameindex *l = links; l && l->if_index; l++)
		strlist_add(&names, l->if_name);
	if_freenameindex(links);
	strlist_sort(&names);
	for (size_t i = 0; i < g->n; i++)
		text_words(&g->acts[i].file->content, &names, &g->links);
}

static int refuse_copy(void)
{
	log_error("a copy of the live rules cannot be loaded in a private namespace, so nothing "
		  "can be tried there: --no-rehearsal tries it on the live rules, guarded");
	return -ESTALE;
}

/* The tables of rs of one engine, or all others; with room for `more`. Nothing is copied but the
 * array, which the caller frees. */
static struct ruleset view_of(const struct ruleset *rs, enum engine_id engine, bool others,
			      size_t more)
{
	struct ruleset view = *rs;

	view.tables = mem_zalloc((rs->ntables + more + 1) * sizeof(*view.tables));
	view.ntables = 0;
	for (size_t i = 0; i < rs->ntables; i++)
		if ((rs->tables[i].engine == engine) != others)
			view.tables[view.ntables++] = rs->tables[i];
	return view;
}

/* What stands behind "line 7: ". */
static const char *cause_of(struct buf *why)
{
	const char *s = buf_str(why), *colon = strncmp(s, "line ", 5) ? NULL : strstr(s, ": ");

	return colon ? colon + 2 : s;
}

/* Whether the listing of a table of live is refused for the same cause there. */
static bool refuses_listing(struct scratch *copy, const struct table *t, const struct text_way *way,
			    const char *cause)
{
	cleanup_buf struct buf text = BUF_INIT, why = BUF_INIT;

	if (way->kind == TEXT_NFT)
		text_put_delete(&text, t);
	return !text_list(copy, t, way, false, &text, &why) &&
	       text_feed(copy, way->kind, way->variant, &text, &why) == -EINVAL &&
	       !strcmp(cause_of(&why), cause);
}

/* What a text of live draws, too, is no fault of the file: a private namespace is not all of the
 * host. */
static bool live_is_refused(struct rehearsing *g, const struct text_way *way, struct buf *why)
{
	struct scratch copy = SCRATCH_INIT;
	bool refused = false;
	int r = scratch_open_rehearsal(&copy, g->r->live, &g->links);

	if (!r)
		r = scratch_load(&copy, g->r->live);
	for (size_t i = 0; i < g->r->live->ntables && !r && !refused; i++) {
		const struct table *t = &g->r->live->tables[i];

		if (!t->empty && text_home(t) == way->kind)
			refused = refuses_listing(&copy, t, way, cause_of(why));
	}
	scratch_close(&copy);
	return refused;
}

static bool has_home(const struct ruleset *live, enum text_kind kind)
{
	for (size_t i = 0; i < live->ntables; i++)
		if (!live->tables[i].empty && text_home(&live->tables[i]) == kind)
			return true;
	return false;
}

/* For a file that was given to the wrong program. */
static const char *hint(const struct rehearse_file *f)
{
	if (f->kind == TEXT_IPTABLES && text_guess(&f->content, "") == TEXT_IP6TABLES)
		return " (it has addresses of IPv6: is it for ip6tables, --type ip6tables?)";
	if (f->kind == TEXT_IP6TABLES && text_guess(&f->content, "") == TEXT_IPTABLES &&
	    text_has_ip4(&f->content))
		return " (it has addresses of IPv4: is it for iptables, --type iptables?)";
	return "";
}

/* Text of a file, or made from it line by line. */
static int feed(struct rehearsing *g, const struct act *a, const struct buf *text)
{
	const struct rehearse_file *f = a->file;
	const struct text_way way = {.kind = f->kind, .variant = a->variant};
	cleanup_buf struct buf why = BUF_INIT;
	int r = text_feed(&g->scratch, f->kind, a->variant, text, &why);

	if (r == -ENOENT)
		buf_printf(&why, " (package %s)", text_formats[f->kind].package);
	if (r)
		log_error("cannot load '%s': %s%s", f->name, buf_str(&why), hint(f));
	if (r == -EINVAL && has_home(g->r->live, f->kind) && live_is_refused(g, &way, &why)) {
		log_error("what runs now is refused for the same reason, so a private namespace "
			  "cannot tell: --no-rehearsal tries it on the live rules, guarded");
		r = -ESTALE;
	}
	return r;
}

static int load_sets_of_live(struct rehearsing *g)
{
	struct ruleset sets = view_of(g->r->live, ENGINE_IPSET, false, 0);
	int r;

	sets.order = (struct buf)BUF_INIT;
	r = scratch_load(&g->scratch, &sets);
	free(sets.tables);
	return r ? refuse_copy() : 0;
}

/*
 * Sets that a text makes go before it is loaded. Sets of sets let go of them first: `holders` are
 * the lines that give them their members back.
 */
static int clear_sets(struct rehearsing *g, const struct act *a, struct buf *holders)
{
	const struct ruleset *live = g->r->live;
	cleanup_buf struct buf script = BUF_INIT, why = BUF_INIT;
	const struct text_way way = {.kind = TEXT_IPSET};
	int r = 0;

	for (size_t i = 0; i < live->ntables && !r; i++) {
		const struct table *t = &live->tables[i];

		if (t->engine != ENGINE_IPSET || !t->type || strcmp(t->type, "list:set"))
			continue;
		buf_printf(&script, "flush %s\n", t->name);
		if (!strlist_search(&a->declared, t->name))
			r = text_list(&g->scratch, t, &way, true, holders, &why);
	}
	for (size_t i = 0; i < a->declared.n && !r; i++)
		if (ruleset_find(live, ENGINE_IPSET, 0, a->declared.s[i]))
			buf_printf(&script, "destroy %s\n", a->declared.s[i]);
	if (!r && script.len)
		r = text_feed(&g->scratch, TEXT_IPSET, VARIANT_NFT, &script, &why);
	if (r)
		log_error("cannot replace the sets of '%s': %s", a->file->name, buf_str(&why));
	return r;
}

static int feed_lines(struct rehearsing *g, const struct act *a, bool create)
{
	cleanup_buf struct buf text = BUF_INIT;

	ipset_lines(&a->file->content, create, &text);
	return feed(g, a, &text);
}

static int load_set_file(struct rehearsing *g, const struct act *a)
{
	cleanup_buf struct buf holders = BUF_INIT, members = BUF_INIT;
	int r;

	if (!a->declared.n)
		return feed(g, a, &a->file->content);
	r = clear_sets(g, a, &holders);
	if (!r)
		r = feed_lines(g, a, true);
	ipset_lines(&holders, false, &members);
	if (!r && members.len)
		r = text_load(&g->scratch, TEXT_IPSET, VARIANT_NFT, &members, "sets of sets");
	return r ? r : feed_lines(g, a, false);
}

/* Live with the sets that are in the scratch instead of its own. */
static int load_around_sets(struct rehearsing *g, struct ruleset *sets)
{
	struct ruleset target = view_of(g->r->live, ENGINE_IPSET, true, sets->ntables);
	int r = 0;

	for (size_t i = 0; i < sets->ntables && !r; i++) {
		/* live's rules say which members are dynamic */
		r = engines[ENGINE_IPSET]->digest(&target, &sets->tables[i]);
		target.tables[target.ntables++] = sets->tables[i];
	}
	if (!r) {
		ruleset_finish(&target);
		r = scratch_load(&g->scratch, &target);
	}
	free(target.tables);
	return r;
}

static int copy_live(struct rehearsing *g)
{
	return scratch_load(&g->scratch, g->r->live) ? refuse_copy() : 0;
}

/* Rules hold on to sets: the files of sets are loaded before the rules of live are. */
static int copy_live_with_sets(struct rehearsing *g)
{
	struct ruleset sets = {0};
	int r = load_sets_of_live(g);

	for (size_t i = 0; i < g->n && !r; i++)
		if (g->acts[i].file->kind == TEXT_IPSET)
			r = load_set_file(g, &g->acts[i]);
	if (!r)
		r = scratch_capture(&g->scratch, &sets, true);
	if (!r && load_around_sets(g, &sets)) {
		log_error("the live rules cannot be loaded with the sets of the files");
		r = -EINVAL;
	}
	ruleset_release(&sets);
	return r;
}

static bool has_sets(const struct rehearsing *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->acts[i].file->kind == TEXT_IPSET)
			return true;
	return false;
}

static bool table_lives(const struct ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->ntables; i++) {
		cleanup_free char *label = table_label(&rs->tables[i]);

		if (rs->tables[i].engine == ENGINE_NFT && !strcmp(label, name))
			return true;
	}
	return false;
}

/* What a text declares replaces what is there: on its first line, so that all lines keep their
 * numbers. */
static int load_nft_file(struct rehearsing *g, const struct act *a)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < a->declared.n; i++)
		if (table_lives(g->r->live, a->declared.s[i]))
			buf_printf(&text, "delete table %s; ", a->declared.s[i]);
	buf_add(&text, a->file->content.data, a->file->content.len);
	return feed(g, a, &text);
}

static int load_files(struct rehearsing *g)
{
	int r = has_sets(g) ? copy_live_with_sets(g) : copy_live(g);

	for (size_t i = 0; i < g->n && !r; i++) {
		const struct act *a = &g->acts[i];

		if (a->file->kind == TEXT_NFT)
			r = load_nft_file(g, a);
		else if (a->file->kind != TEXT_IPSET)
			r = feed(g, a, &a->file->content);
	}
	return r;
}

/* The scratch has the interfaces of live with their indexes, so what it names by index means the
 * same there. */
static int capture_candidate(struct rehearsing *g)
{
	struct ruleset *candidate = &g->r->candidate;
	int r = scratch_capture(&g->scratch, candidate, true);

	if (!r)
		candidate->where = g->r->live->where;
	return r;
}

static int rehearse_files(struct rehearsing *g)
{
	int r;

	read_acts(g);
	find_links(g);
	r = scratch_open_rehearsal(&g->scratch, g->r->live, &g->links);
	if (!r)
		r = load_files(g);
	return r ? r : capture_candidate(g);
}

static int rehearse_command(struct rehearsing *g)
{
	int r = scratch_open_rehearsal(&g->scratch, g->r->live, NULL);

	if (!r)
		r = copy_live(g);
	if (!r)
		r = rehearse_run(g->r, &g->scratch);
	return r ? r : capture_candidate(g);
}

static int load_for_real(struct rehearsing *g)
{
	int r = 0;

	read_acts(g);
	for (size_t i = 0; i < g->n && !r; i++) {
		const struct rehearse_file *f = g->acts[i].file;

		r = text_load(&g->scratch, f->kind, g->acts[i].variant, &f->content, f->name);
	}
	return r;
}

static void rehearsing_release(struct rehearsing *g)
{
	scratch_close(&g->scratch);
	for (size_t i = 0; i < g->n; i++)
		strlist_release(&g->acts[i].declared);
	free(g->acts);
	strlist_release(&g->links);
}

int rehearse(struct rehearsal *r)
{
	struct rehearsing g = {.r = r, .scratch = SCRATCH_INIT};
	int result = r->command ? rehearse_command(&g) : rehearse_files(&g);

	scratch_lookups(&g.scratch, &r->resolved);
	rehearsing_release(&g);
	return result;
}

/* What is no scratch is where we are. */
int rehearse_live(struct rehearsal *r)
{
	struct rehearsing g = {.r = r, .scratch = SCRATCH_INIT};
	int result = r->command ? rehearse_run(r, NULL) : load_for_real(&g);

	rehearsing_release(&g);
	return result;
}

void rehearsal_release(struct rehearsal *r)
{
	ruleset_release(&r->candidate);
	forget_mentions(r);
	strlist_release(&r->resolved);
	strlist_release(&r->touched);
	strlist_release(&r->unmentioned);
	strlist_release(&r->opened);
}
