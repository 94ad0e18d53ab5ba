/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_hold.h"
#include "engine/nft_watch.h"
#include "log.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <string.h>

/* One table while it is dumped: its parts come by kind, over all tables. */
struct dumped {
	uint8_t family;
	char *name;
	struct buf table, chains, objects, flowtables, sets;
	struct nft_digest digest;
	struct table *result;
};

struct dump {
	struct netlink netlink;
	struct ruleset *rs;
	const struct capture *capture;
	struct dumped *tables;
	size_t ntables;
	struct dumped *last; /* of the last message: they come table by table */
	size_t part;         /* offset of the buffer in struct dumped that is being filled */
	uint32_t generation;
};

void nft_store(struct buf *records, const struct nlmsghdr *nlh)
{
	static const uint32_t never[NFT_MSG_MAX] = {
		[NFT_MSG_NEWTABLE] = 1U << NFTA_TABLE_HANDLE | 1U << NFTA_TABLE_USE |
				     1U << NFTA_TABLE_PAD | 1U << NFTA_TABLE_OWNER,
		[NFT_MSG_NEWCHAIN] = 1U << NFTA_CHAIN_HANDLE | 1U << NFTA_CHAIN_USE |
				     1U << NFTA_CHAIN_PAD,
		[NFT_MSG_NEWRULE] = 1U << NFTA_RULE_HANDLE | 1U << NFTA_RULE_POSITION |
				    1U << NFTA_RULE_PAD,
		[NFT_MSG_NEWSET] = 1U << NFTA_SET_HANDLE | 1U << NFTA_SET_PAD | 1U << NFTA_SET_ID |
				   1U << NFT_SET_ATTR_TYPE | 1U << NFT_SET_ATTR_COUNT,
		[NFT_MSG_NEWOBJ] = 1U << NFTA_OBJ_HANDLE | 1U << NFTA_OBJ_USE | 1U << NFTA_OBJ_PAD,
		[NFT_MSG_NEWFLOWTABLE] = 1U << NFTA_FLOWTABLE_HANDLE | 1U << NFTA_FLOWTABLE_USE |
					 1U << NFTA_FLOWTABLE_PAD,
	};
	size_t start = records->len, len;
	const struct nlattr *first = netlink_first(nlh, &len), *a;
	struct nlmsghdr *kept;

	buf_add(records, nlh, MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg)));
	netlink_each(a, first, len) {
		unsigned type = netlink_type(a);

		if (type < 32 && never[nft_type(nlh)] & 1U << type)
			continue;
		buf_add(records, a, a->nla_len);
		buf_add_zero(records, MNL_ALIGN(a->nla_len) - a->nla_len);
	}
	kept = (struct nlmsghdr *)(void *)(records->data + start);
	kept->nlmsg_len = (uint32_t)(records->len - start);
	kept->nlmsg_flags = 0;
	kept->nlmsg_seq = 0;
	kept->nlmsg_pid = 0;
}

bool nft_records_ok(const struct buf *records)
{
	size_t at = 0, least = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg));

	while (at < records->len) {
		const struct nlmsghdr *nlh = (const void *)(records->data + at);

		if (records->len - at < least || nlh->nlmsg_len < least ||
		    nlh->nlmsg_len > records->len - at || nlh->nlmsg_len % NLMSG_ALIGNTO ||
		    nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
			return false;
		switch (nft_type(nlh)) {
		case NFT_MSG_NEWTABLE:
		case NFT_MSG_NEWCHAIN:
		case NFT_MSG_NEWRULE:
		case NFT_MSG_NEWSET:
		case NFT_MSG_NEWSETELEM:
		case NFT_MSG_NEWOBJ:
		case NFT_MSG_NEWFLOWTABLE:
			break;
		default:
			return false;
		}
		at += nlh->nlmsg_len;
	}
	return true;
}

static struct nlmsghdr *request(void *buf, uint8_t message, uint8_t family, uint16_t flags)
{
	return netlink_header(buf, NFNL_SUBSYS_NFTABLES, message, family, flags);
}

static int on_generation(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[NFTA_GEN_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_GEN_MAX);
	*(uint32_t *)arg = netlink_u32(tb[NFTA_GEN_ID]);
	return 0;
}

static int get_generation(struct dump *d, uint32_t *id)
{
	char buf[256];

	*id = 0;
	return netlink_run(&d->netlink, request(buf, NFT_MSG_GETGEN, AF_UNSPEC, 0), on_generation, id);
}

static int on_table(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	const struct nlattr *tb[NFTA_TABLE_MAX + 1];
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	const char *name;
	struct dumped *t;

	netlink_attributes(first, len, tb, NFTA_TABLE_MAX);
	name = netlink_str(tb[NFTA_TABLE_NAME]);
	if (nfg->nfgen_family == NFPROTO_INET && !strcmp(name, NFT_HOLD_TABLE))
		return 0;
	if (tb[NFTA_TABLE_OWNER] || netlink_u32(tb[NFTA_TABLE_FLAGS]) & NFT_TABLE_F_OWNER) {
		cleanup_free char *s = str_printf("%s %s", family_name(nfg->nfgen_family), name);

		strlist_add_once(&d->rs->owned, s);
		return 0;
	}
	t = array_grow(&d->tables, &d->ntables, sizeof(*t));
	t->family = nfg->nfgen_family;
	t->name = str_dup(name);
	nft_store(&t->table, nlh);
	return 0;
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
	if (!d->last || d->last->family != nfg->nfgen_family || strcmp(d->last->name, name)) {
		d->last = NULL;
		for (size_t i = 0; i < d->ntables; i++)
			if (d->tables[i].family == nfg->nfgen_family &&
			    !strcmp(d->tables[i].name, name))
				d->last = &d->tables[i];
	}
	if (d->last)
		nft_store((struct buf *)(void *)((char *)d->last + d->part), nlh);
	return 0;
}

static int dump_parts(struct dump *d, uint8_t message, size_t part)
{
	char buf[256];
	int r;

	d->last = NULL;
	d->part = part;
	r = netlink_run(&d->netlink, request(buf, message, AF_UNSPEC, NLM_F_DUMP), on_part, d);
	/* an old kernel, or one built without (flowtables) */
	return r == -EOPNOTSUPP ? 0 : r;
}

/* Elements and rules go straight into the table's records. */
struct into {
	struct dump *dump;
	struct dumped *table;
	struct buf *aside; /* rules of a bound chain wait here; NULL: records */
};

static int feed(struct dump *d, struct dumped *t, const struct buf *part)
{
	nft_each(nlh, part) {
		nft_digest_feed(&t->digest, nlh);
		buf_add(&t->result->records, nlh, nlh->nlmsg_len);
	}
	return capture_flush(d->capture, t->result, false);
}

static int on_record(const struct nlmsghdr *nlh, void *arg)
{
	struct into *into = arg;
	struct table *result = into->table->result;
	size_t at = result->records.len;

	if (into->aside) {
		nft_store(into->aside, nlh);
		return 0;
	}
	nft_store(&result->records, nlh);
	nft_digest_feed(&into->table->digest,
			(const struct nlmsghdr *)(void *)(result->records.data + at));
	return capture_flush(into->dump->capture, result, false);
}

static int dump_elements(struct dump *d, struct dumped *t, const struct nft_set *set)
{
	cleanup_free char *buf = mem_zalloc(1024);
	struct nlmsghdr *nlh = request(buf, NFT_MSG_GETSETELEM, t->family, NLM_F_DUMP);
	struct into into = {.dump = d, .table = t};

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, t->name);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set->name);
	return netlink_run(&d->netlink, nlh, on_record, &into);
}

static int dump_rules(struct dump *d, struct dumped *t, const struct nft_chain *chain,
		      struct buf *aside)
{
	cleanup_free char *buf = mem_zalloc(1024);
	struct nlmsghdr *nlh = request(buf, NFT_MSG_GETRULE, t->family, NLM_F_DUMP);
	struct into into = {.dump = d, .table = t, .aside = aside};

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, t->name);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain->name);
	return netlink_run(&d->netlink, nlh, on_record, &into);
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

static int dump_table(struct dump *d, struct dumped *t)
{
	struct buf *parts[] = {&t->table, &t->chains, &t->objects, &t->flowtables, &t->sets};
	const struct nft_index *x = &t->digest.index;
	int r = 0;

	t->result = ruleset_add(d->rs, ENGINE_NFT, t->family, t->name);
	t->digest.rs = d->rs;
	t->digest.t = t->result;
	t->digest.note = true;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !r; i++) {
		r = feed(d, t, parts[i]);
		buf_release(parts[i]);
	}
	for (size_t i = 0; i < x->nsets && !r; i++)
		r = dump_elements(d, t, x->sets[i]);
	if (!r)
		r = dump_bound_rules(d, t);
	for (size_t i = 0; i < x->nchains && !r; i++)
		if (!(x->chains[i]->flags & NFT_CHAIN_BINDING))
			r = dump_rules(d, t, x->chains[i], NULL);
	nft_digest_end(&t->digest);
	return r ? r : capture_flush(d->capture, t->result, true);
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
	r = nft_order_capture(&d->netlink, bases, n, &d->rs->order);
	free(bases);
	return r;
}

static int dump_all(struct dump *d)
{
	char buf[256];
	int r = netlink_run(&d->netlink, request(buf, NFT_MSG_GETTABLE, AF_UNSPEC, NLM_F_DUMP),
			    on_table, d);

	if (!r)
		r = dump_parts(d, NFT_MSG_GETCHAIN, offsetof(struct dumped, chains));
	if (!r)
		r = dump_parts(d, NFT_MSG_GETOBJ, offsetof(struct dumped, objects));
	if (!r)
		r = dump_parts(d, NFT_MSG_GETFLOWTABLE, offsetof(struct dumped, flowtables));
	if (!r)
		r = dump_parts(d, NFT_MSG_GETSET, offsetof(struct dumped, sets));
	for (size_t i = 0; i < d->ntables && !r; i++)
		r = dump_table(d, &d->tables[i]);
	return r ? r : dump_order(d);
}

static void dump_release(struct dump *d)
{
	for (size_t i = 0; i < d->ntables; i++) {
		struct dumped *t = &d->tables[i];

		free(t->name);
		buf_release(&t->table);
		buf_release(&t->chains);
		buf_release(&t->objects);
		buf_release(&t->flowtables);
		buf_release(&t->sets);
		nft_index_release(&t->digest.index);
	}
	free(d->tables);
	netlink_close(&d->netlink);
}

int nft_capture(struct ruleset *rs, const struct capture *c)
{
	struct dump d = {.rs = rs, .capture = c};
	uint32_t after = 0;
	int r;

	if (!netlink_kernel_has("nf_tables"))
		return 0;
	r = netlink_open(&d.netlink);
	if (!r)
		r = get_generation(&d, &d.generation);
	/* a kernel without nf_tables */
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT) {
		dump_release(&d);
		return 0;
	}
	if (!r)
		r = dump_all(&d);
	if (!r)
		r = get_generation(&d, &after);
	dump_release(&d);
	/* a table or chain that went away in between is a change like any other */
	if (r == -EINTR || r == -ENOENT || (!r && after != d.generation))
		return -EAGAIN;
	if (r)
		return log_errno(r, "cannot read the nf_tables ruleset");
	rs->generation = after;
	return 0;
}
