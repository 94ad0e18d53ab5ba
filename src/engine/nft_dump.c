/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_hold.h"
#include "engine/nft_watch.h"
#include "log.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <string.h>

/*
 * A capture goes round until its tables agree on a generation. A round reads the shape of all
 * tables (what they hold but rules and elements), then the content of those that no earlier round
 * read, or that somebody changed since. With each table is kept from when on, and until when,
 * it was what was read: once a generation lies within all of these, the capture is the ruleset of
 * that one. A writer that never stops costs its own table another look, and no other one.
 */

/* Looks at the shape of all, or at a table that is small, before all is read anew. */
#define ROUNDS 50

/* One table while it is dumped: its parts come by kind, over all tables. */
struct dumped {
	uint8_t family;
	char *name;
	struct buf table, chains, objects, flowtables, sets;
	/* how many chains, objects, flowtables and sets were read, in the last round too; there are */
	uint32_t parts, last_parts, use;
	struct nft_digest digest;
	struct ruleset content; /* the table, alone */
	bool *written; /* by place in rs->sets: a rule of it adds to the set */
	bool done;     /* content is that of the table from .. at */
	bool handed;   /* to the sink */
	uint32_t from; /* somebody's last change that is in it, or 0 */
	uint32_t at;   /* it was still like this then */
};

struct dump {
	struct watch *watch;
	struct ruleset *rs;
	const struct capture *capture;
	struct dumped *tables;
	size_t ntables;
	struct dumped *before; /* of the last round */
	size_t nbefore;
	struct dumped *last; /* of the last message: they come table by table */
	size_t part;         /* offset of the buffer in struct dumped that is being filled */
	size_t waiting;      /* bytes of tables that are done and not handed over */
	uint32_t shaped;     /* generation before the shape was read */
	bool interrupted;    /* while it was */
};

static struct nlmsghdr *request(void *buf, uint8_t message, uint8_t family, uint16_t flags)
{
	return netlink_header(buf, NFNL_SUBSYS_NFTABLES, message, family, flags);
}

static int ask(struct dump *d, struct nlmsghdr *request, netlink_callback *fn, void *arg)
{
	return netlink_run(&d->watch->ask, request, fn, arg);
}

/* The last generation in which somebody else changed the table, or more of it than its content. */
static uint32_t changed(const struct dump *d, const struct dumped *t)
{
	return nft_watch_changed(d->watch, t->family, t->name, false);
}

static uint32_t reshaped(const struct dump *d, const struct dumped *t)
{
	return nft_watch_changed(d->watch, t->family, t->name, true);
}

static struct table *result(const struct dumped *t)
{
	return t->content.tables;
}

static void forget_content(struct dumped *t)
{
	ruleset_release(&t->content);
	nft_index_release(&t->digest.index);
	t->digest = (struct nft_digest){0};
	free(t->written);
	t->written = NULL;
	t->done = t->handed = false;
}

static void forget_parts(struct dumped *t)
{
	struct buf *parts[] = {&t->table, &t->chains, &t->objects, &t->flowtables, &t->sets};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		buf_release(parts[i]);
}

static void dumped_release(struct dumped *t)
{
	forget_content(t);
	forget_parts(t);
	free(t->name);
	*t = (struct dumped){0};
}

static struct dumped *find_dumped(struct dumped *tables, size_t n, uint8_t family, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (tables[i].name && tables[i].family == family && !strcmp(tables[i].name, name))
			return &tables[i];
	return NULL;
}

static int on_table(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	const struct nlattr *tb[NFTA_TABLE_MAX + 1];
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	const char *name;
	struct dumped *t, *before;

	netlink_attributes(first, len, tb, NFTA_TABLE_MAX);
	name = netlink_str(tb[NFTA_TABLE_NAME]);
	if (nft_is_hold(nfg->nfgen_family, name))
		return 0;
	if (tb[NFTA_TABLE_OWNER] || netlink_u32(tb[NFTA_TABLE_FLAGS]) & NFT_TABLE_F_OWNER) {
		cleanup_free char *s = str_printf("%s %s", family_name(nfg->nfgen_family), name);

		strlist_add_once(&d->rs->owned, s);
		return 0;
	}
	t = array_grow(&d->tables, &d->ntables, sizeof(*t));
	before = find_dumped(d->before, d->nbefore, nfg->nfgen_family, name);
	if (before && before->done && !nft_newer(changed(d, before), before->at)) {
		*t = *before;
		t->at = d->shaped;
		*before = (struct dumped){0};
		return 0;
	}
	t->family = nfg->nfgen_family;
	t->name = str_dup(name);
	t->use = netlink_u32(tb[NFTA_TABLE_USE]);
	t->last_parts = before ? before->parts : 0;
	nft_store(&t->table, nlh);
	return 0;
}

/* Of sets only these are not among the parts that the kernel counts: their rule has them. */
static bool is_anonymous(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	if (nft_type(nlh) != NFT_MSG_NEWSET)
		return false;
	netlink_attributes(first, len, tb, NFTA_SET_MAX);
	return netlink_u32(tb[NFTA_SET_FLAGS]) & NFT_SET_ANONYMOUS;
}

/* Chains, objects, flowtables and sets: attribute 1 of each is the table's name. */
static int on_part(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	const struct nlattr *tb[2];
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	const char *name;

	netlink_attributes(first, len, tb, 1);
	name = netlink_str(tb[1]);
	if (!d->last || d->last->family != nfg->nfgen_family || strcmp(d->last->name, name))
		d->last = find_dumped(d->tables, d->ntables, nfg->nfgen_family, name);
	if (d->last && !d->last->done) {
		nft_store((struct buf *)(void *)((char *)d->last + d->part), nlh);
		d->last->parts += !is_anonymous(nlh);
	}
	return 0;
}

/* What comes in between may make a dump of all tables miss what did not change (read_shape). */
static int dump_all(struct dump *d, uint8_t message, netlink_callback *fn)
{
	char buf[256];
	int r = ask(d, request(buf, message, AF_UNSPEC, NLM_F_DUMP), fn, d);

	d->interrupted |= r == -EINTR;
	return r == -EINTR ? 0 : r;
}

static int dump_parts(struct dump *d, uint8_t message, size_t part)
{
	int r;

	d->last = NULL;
	d->part = part;
	r = dump_all(d, message, on_part);
	/* an old kernel, or one built without (flowtables) */
	return r == -EOPNOTSUPP ? 0 : r;
}

static int dump_shape(struct dump *d)
{
	static const struct {
		uint8_t message;
		size_t part;
	} parts[] = {
		{NFT_MSG_GETCHAIN, offsetof(struct dumped, chains)},
		{NFT_MSG_GETOBJ, offsetof(struct dumped, objects)},
		{NFT_MSG_GETFLOWTABLE, offsetof(struct dumped, flowtables)},
		{NFT_MSG_GETSET, offsetof(struct dumped, sets)},
	};
	int r = dump_all(d, NFT_MSG_GETTABLE, on_table);

	for (size_t i = 0; i < ARRAY_SIZE(parts) && !r; i++)
		r = dump_parts(d, parts[i].message, parts[i].part);
	return r;
}

/* Elements and rules go straight into the table's records. */
struct into {
	struct dump *dump;
	struct dumped *table;
	struct buf *aside; /* rules of a bound chain wait here; NULL: records */
};

/* To the sink, in order. What may have to be read again waits, until too much does. */
static int hand_over(struct dump *d, const struct dumped *end)
{
	int r = 0;

	for (struct dumped *t = d->tables; t < end && !r; t++) {
		if (!t->handed)
			r = capture_flush(d->capture, result(t), true);
		t->handed = true;
	}
	d->waiting = 0;
	return r;
}

static int pass_on(struct dump *d, struct dumped *t)
{
	int r = 0;

	if (result(t)->records.len < CAPTURE_PIECE)
		return 0;
	if (d->waiting)
		r = hand_over(d, t);
	return r ? r : capture_flush(d->capture, result(t), false);
}

static int feed(struct dump *d, struct dumped *t, const struct buf *part)
{
	nft_each(nlh, part) {
		nft_digest_feed(&t->digest, nlh);
		buf_add(&result(t)->records, nlh, nlh->nlmsg_len);
	}
	return pass_on(d, t);
}

static int on_record(const struct nlmsghdr *nlh, void *arg)
{
	struct into *into = arg;
	struct table *t = result(into->table);
	size_t at = t->records.len;

	if (into->aside) {
		nft_store(into->aside, nlh);
		return 0;
	}
	nft_store(&t->records, nlh);
	nft_digest_feed(&into->table->digest,
			(const struct nlmsghdr *)(void *)(t->records.data + at));
	return pass_on(into->dump, into->table);
}

/* What interrupts the dump of one table matters if it was this one: the watch tells. */
static int dump_one(struct dump *d, struct nlmsghdr *nlh, struct into *into)
{
	int r = ask(d, nlh, on_record, into);

	return r == -EINTR ? 0 : r;
}

static int dump_elements(struct dump *d, struct dumped *t, const struct nft_set *set)
{
	cleanup_free char *buf = mem_zalloc(1024);
	struct nlmsghdr *nlh = request(buf, NFT_MSG_GETSETELEM, t->family, NLM_F_DUMP);
	struct into into = {.dump = d, .table = t};

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, t->name);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set->name);
	return dump_one(d, nlh, &into);
}

static int dump_rules(struct dump *d, struct dumped *t, const struct nft_chain *chain,
		      struct buf *aside)
{
	cleanup_free char *buf = mem_zalloc(1024);
	struct nlmsghdr *nlh = request(buf, NFT_MSG_GETRULE, t->family, NLM_F_DUMP);
	struct into into = {.dump = d, .table = t, .aside = aside};

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, t->name);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain->name);
	return dump_one(d, nlh, &into);
}

/* Bound chains: rules of the innermost first, so that a rule's target is complete before it. */
struct bound {
	const struct nft_index *index;
	struct buf *rules; /* by position in index->chains */
	struct buf *out;
	unsigned depth;
};

static void take_bound(const char *name, void *arg)
{
	struct bound *b = arg;
	const struct nft_chain *chain = nft_find_chain(b->index, name);
	struct buf rules;

	if (!chain || !(chain->flags & NFT_CHAIN_BINDING) || b->depth > 64)
		return;
	rules = b->rules[chain->id - 1];
	b->rules[chain->id - 1] = (struct buf)BUF_INIT;
	b->depth++;
	nft_each(nlh, &rules)
		nft_rule_jumps(nlh, take_bound, b);
	b->depth--;
	buf_add(b->out, rules.data, rules.len);
	buf_release(&rules);
}

static int dump_bound_rules(struct dump *d, struct dumped *t)
{
	const struct nft_index *x = &t->digest.index;
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_free struct buf *rules = mem_zalloc((x->nchains + 1) * sizeof(*rules));
	struct bound b = {.index = x, .rules = rules, .out = &out};
	int r = 0;

	for (size_t i = 0; i < x->nchains && !r; i++)
		if (x->chains[i]->flags & NFT_CHAIN_BINDING)
			r = dump_rules(d, t, x->chains[i], &rules[i]);
	for (size_t i = 0; i < x->nchains; i++)
		take_bound(x->chains[i]->name, &b);
	return r ? r : feed(d, t, &out);
}

/* Small enough to be kept, for the content to be read again without the shape of all tables. */
#define PARTS_KEPT (64U << 10)

static int dump_content(struct dump *d, struct dumped *t)
{
	const struct buf *parts[] = {&t->table, &t->chains, &t->objects, &t->flowtables, &t->sets};
	const struct nft_index *x = &t->digest.index;
	int r = 0;

	ruleset_add(&t->content, ENGINE_NFT, t->family, t->name);
	t->digest = (struct nft_digest){.rs = d->rs, .t = result(t), .note = true};
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !r; i++)
		r = feed(d, t, parts[i]);
	if (result(t)->records.len > PARTS_KEPT || result(t)->size > PARTS_KEPT)
		forget_parts(t);
	for (size_t i = 0; i < x->nsets && !r; i++)
		r = dump_elements(d, t, x->sets[i]);
	if (!r)
		r = dump_bound_rules(d, t);
	for (size_t i = 0; i < x->nchains && !r; i++)
		if (!(x->chains[i]->flags & NFT_CHAIN_BINDING))
			r = dump_rules(d, t, x->chains[i], NULL);
	nft_digest_end(&t->digest);
	return r;
}

/* Which sets this table writes to, apart: what is read of it may be forgotten again. */
static void take_written(struct dump *d, struct dumped *t)
{
	t->written = mem_zalloc(d->rs->nsets + 1);
	for (size_t i = 0; i < d->rs->nsets; i++) {
		t->written[i] = d->rs->sets[i].written;
		d->rs->sets[i].written = false;
	}
}

/* A table that is large is not read twice in vain, and what a sink keeps cannot be taken back. */
static bool is_final(const struct dumped *t)
{
	return result(t)->size >= CAPTURE_PIECE;
}

/* 0; 1: the shape has to be read again first; -EAGAIN: all has to. */
static int read_content(struct dump *d, struct dumped *t)
{
	for (unsigned i = 0; i < ROUNDS && t->table.len; i++) {
		uint32_t before = d->watch->generation;
		int r, read;

		if (nft_newer(reshaped(d, t), d->shaped))
			return 1;
		t->from = changed(d, t);
		r = dump_content(d, t);
		take_written(d, t);
		/* a chain or set that went away is a change of the table */
		if (r && r != -ENOENT)
			return r;
		read = nft_watch_read(d->watch);
		if (read)
			return read;
		if (t->digest.index.doubled)
			return is_final(t) ? -EAGAIN : 1;
		if (!r && !nft_newer(changed(d, t), before)) {
			forget_parts(t);
			t->at = d->watch->generation;
			t->done = true;
			d->waiting += result(t)->records.len;
			return d->waiting < CAPTURE_PIECE ? 0 : hand_over(d, t + 1);
		}
		if (is_final(t))
			return -EAGAIN;
		forget_content(t);
	}
	return 1;
}

static int dump_order(struct dump *d)
{
	struct nft_base *bases = NULL;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < d->ntables; i++)
		for (size_t j = 0; j < d->tables[i].digest.index.nchains; j++) {
			const struct nft_chain *c = d->tables[i].digest.index.chains[j];

			if (c->base && !nft_chain_absent(c))
				*(struct nft_base *)array_grow(&bases, &n, sizeof(*bases)) =
					(struct nft_base){d->tables[i].family, d->tables[i].name,
							  c->name, c->hook, c->priority, &c->devices};
		}
	buf_release(&d->rs->order);
	r = nft_order_capture(&d->watch->ask, bases, n, &d->rs->order);
	free(bases);
	return r;
}

/*
 * A dump that is too long for one answer goes on by counting, wrongly if what it has counted came or
 * went, or, as nobody is told, is about to: in the next answer the kernel counts what a transaction
 * under way has made, too. But it tells how many parts each table has. A kernel that should count
 * them otherwise comes to the same difference again.
 */
static bool shape_is_torn(const struct dump *d)
{
	for (size_t i = 0; i < d->ntables; i++) {
		const struct dumped *t = &d->tables[i];

		if (!t->done && t->parts != t->use && t->parts != t->last_parts &&
		    !nft_newer(reshaped(d, t), d->shaped))
			return true;
	}
	return d->interrupted && nft_newer(d->watch->moved, d->shaped);
}

/* Keeps what earlier rounds read and nobody changed since. */
static int read_shape(struct dump *d)
{
	bool keeps = d->capture->sink && d->capture->sink != capture_discard;
	int r = nft_watch_read(d->watch);

	d->before = d->tables;
	d->nbefore = d->ntables;
	d->tables = NULL;
	d->ntables = 0;
	d->shaped = d->watch->generation;
	d->interrupted = false;
	strlist_release(&d->rs->owned);
	if (!r)
		r = dump_shape(d);
	for (size_t i = 0; i < d->nbefore; i++) {
		/* it was handed over, and is no longer what it was */
		if (!r && d->before[i].handed && keeps)
			r = -EAGAIN;
		dumped_release(&d->before[i]);
	}
	free(d->before);
	d->before = NULL;
	if (!r)
		r = nft_watch_read(d->watch);
	return r ? r : shape_is_torn(d);
}

/* Whether a table that came to be after the shape was read is none of the ruleset's. */
static bool is_left_out(const struct dump *d, const struct nft_seen *s)
{
	const char *family = family_name(s->family);
	cleanup_free char *name = str_printf("%s %s", family ? family : "", s->name);

	return nft_is_hold(s->family, s->name) || strlist_has(&d->rs->owned, name) ||
	       find_dumped(d->tables, d->ntables, s->family, s->name);
}

/* Whether there is a generation of which all that was read is. */
static bool agree_on_generation(struct dump *d)
{
	const struct watch *w = d->watch;
	uint32_t first = d->shaped, last = w->generation;

	for (size_t i = 0; i < d->ntables; i++) {
		const struct dumped *t = &d->tables[i];

		if (nft_newer(t->from, first))
			first = t->from;
		if (nft_newer(changed(d, t), t->at) && nft_newer(last, t->at))
			last = t->at;
		/* the order is of now */
		if (d->rs->order.len && nft_newer(reshaped(d, t), d->shaped))
			return false;
	}
	for (size_t i = 0; i < w->nseen; i++)
		if (nft_newer(w->seen[i].shaped, d->shaped) && !is_left_out(d, &w->seen[i]))
			last = d->shaped;
	if (nft_newer(w->lost, d->shaped))
		last = d->shaped;
	d->rs->generation = last;
	return !nft_newer(first, last);
}

static int read_round(struct dump *d)
{
	int r = read_shape(d);

	for (size_t i = 0; i < d->ntables && !r; i++)
		if (!d->tables[i].done)
			r = read_content(d, &d->tables[i]);
	if (!r)
		r = dump_order(d);
	if (!r)
		r = nft_watch_read(d->watch);
	return r ? r : !agree_on_generation(d);
}

static void keep_tables(struct dump *d)
{
	struct ruleset *rs = d->rs;

	for (size_t i = 0; i < d->ntables; i++) {
		struct dumped *t = &d->tables[i];

		for (size_t j = 0; j < rs->nsets; j++)
			rs->sets[j].written |= t->written[j];
		*(struct table *)array_grow(&rs->tables, &rs->ntables, sizeof(*rs->tables)) =
			*result(t);
		t->content.ntables = 0;
	}
}

static void dump_release(struct dump *d)
{
	for (size_t i = 0; i < d->ntables; i++)
		dumped_release(&d->tables[i]);
	free(d->tables);
}

static int capture_watched(struct ruleset *rs, const struct capture *c, struct watch *w)
{
	struct dump d = {.rs = rs, .capture = c, .watch = w};
	int r = 1;

	for (unsigned i = 0; i < ROUNDS && r > 0; i++)
		r = read_round(&d);
	if (!r)
		r = hand_over(&d, d.tables + d.ntables);
	if (!r)
		keep_tables(&d);
	dump_release(&d);
	return r > 0 ? -EAGAIN : r;
}

int nft_capture(struct ruleset *rs, const struct capture *c)
{
	struct watch own;
	int r = c->watch ? 0 : nft_watch_init(&own);

	if (r == -EOPNOTSUPP)
		return 0;
	if (!r)
		r = capture_watched(rs, c, c->watch ? c->watch : &own);
	if (!c->watch)
		nft_watch_release(&own);
	if (r && r != -EAGAIN)
		return log_errno(r, "cannot read the nf_tables ruleset");
	return r;
}
