/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"
#include "log.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A rule that keeps a chain of policy drop shut until its policy is in force. */
struct stopper {
	uint8_t family;
	char *table, *chain;
	uint64_t handle;
};

struct batch {
	struct plan *plan;
	struct buf out;
	uint32_t count;  /* messages, BATCH_BEGIN included: nlmsg_seq is the index */
	uint32_t ids;    /* set and chain ids given out */
	bool stop;       /* something is replaced or removed: chains of policy drop get stoppers */
	struct stopper *stoppers;
	size_t nstoppers;
};

static void batch_release(struct batch *b)
{
	for (size_t i = 0; i < b->nstoppers; i++) {
		free(b->stoppers[i].table);
		free(b->stoppers[i].chain);
	}
	free(b->stoppers);
	buf_release(&b->out);
}

static void batch_begin(struct batch *b)
{
	struct nlmsghdr *nlh;

	buf_reserve(&b->out, 256);
	nlh = nftnl_batch_begin((char *)b->out.data, b->count++);
	if (b->plan->generation_check)
		mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(b->plan->live->generation));
	b->out.len = nlh->nlmsg_len;
}

static void batch_end(struct batch *b)
{
	char *at = buf_reserve(&b->out, 256);

	b->out.len += nftnl_batch_end(at, b->count++)->nlmsg_len;
}

/* Starts a message; its place in b->out for message_end. */
static size_t message_begin(struct batch *b, uint8_t type, uint8_t family, uint16_t flags)
{
	size_t at = b->out.len;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf_reserve(&b->out, 256), type, family,
						     NLM_F_REQUEST | flags, b->count++);

	b->out.len += nlh->nlmsg_len;
	return at;
}

static struct nlmsghdr *message_at(struct batch *b, size_t at)
{
	return (struct nlmsghdr *)(void *)(b->out.data + at);
}

static void message_end(struct batch *b, size_t at)
{
	message_at(b, at)->nlmsg_len = (uint32_t)(b->out.len - at);
}

static void put_attribute(struct batch *b, uint16_t type, const void *data, size_t n)
{
	struct nlattr *a = buf_add_zero(&b->out, MNL_ATTR_HDRLEN + MNL_ALIGN(n));

	a->nla_type = type;
	a->nla_len = (uint16_t)(MNL_ATTR_HDRLEN + n);
	if (n)
		memcpy((char *)a + MNL_ATTR_HDRLEN, data, n);
}

static void put_string(struct batch *b, uint16_t type, const char *s)
{
	put_attribute(b, type, s, strlen(s) + 1);
}

static size_t nest_begin(struct batch *b, uint16_t type)
{
	size_t at = b->out.len;

	put_attribute(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

static void nest_end(struct batch *b, size_t at)
{
	((struct nlattr *)(void *)(b->out.data + at))->nla_len = (uint16_t)(b->out.len - at);
}

static void delete_table(struct batch *b, const struct table *t)
{
	size_t at = message_begin(b, NFT_MSG_DELTABLE, t->family, 0);

	put_string(b, NFTA_TABLE_NAME, t->name);
	message_end(b, at);
}

/* What a message is about, for people: "rule 3 of chain 'input' in table 'inet fw'". Caller frees. */
static char *describe(const struct batch *b, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const char *family = family_name(nfg->nfgen_family);
	const struct nlattr *tb[8];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	const char *table, *second;
	unsigned position = 0;

	netlink_attributes(first, len, tb, 7);
	table = netlink_str(tb[1]); /* the table's name in every kind of message */
	second = netlink_str(tb[2]);
	if (!family)
		family = "unknown";
	switch (nft_type(nlh)) {
	case NFT_MSG_NEWRULE:
		nft_each(other, &b->out) {
			const struct nlattr *otb[3];
			const struct nlattr *ofirst = netlink_first(other, &len);

			netlink_attributes(ofirst, len, otb, 2);
			position += other->nlmsg_type == nlh->nlmsg_type &&
				    !strcmp(netlink_str(otb[1]), table) &&
				    !strcmp(netlink_str(otb[2]), second);
			if (other == nlh)
				break;
		}
		return str_printf("rule %u of chain '%s' in table '%s %s'", position, second,
				  family, table);
	case NFT_MSG_NEWCHAIN:
		return str_printf("chain '%s' in table '%s %s'",
				  netlink_str(tb[NFTA_CHAIN_NAME]), family, table);
	case NFT_MSG_NEWSET:
	case NFT_MSG_NEWSETELEM:
		return str_printf("set '%s' in table '%s %s'", second, family, table);
	case NFT_MSG_NEWOBJ:
	case NFT_MSG_NEWFLOWTABLE:
		return str_printf("object '%s' in table '%s %s'", second, family, table);
	default:
		return str_printf("table '%s %s'", family, table);
	}
}

/* The copy of one record; for an error in it logs and returns -errno. */
static int put_record(struct batch *b, struct nft_copy *c, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	uint16_t flags = NLM_F_CREATE | (nft_type(nlh) == NFT_MSG_NEWRULE ? NLM_F_APPEND : 0);
	size_t at = message_begin(b, nft_type(nlh), nfg->nfgen_family, flags);

	nft_copy_message(c, nlh);
	if (nft_type(nlh) == NFT_MSG_NEWSET) {
		size_t len;
		const struct nlattr *tb[NFTA_SET_MAX + 1];
		const struct nlattr *first = netlink_first(nlh, &len);
		uint32_t id;

		netlink_attributes(first, len, tb, NFTA_SET_MAX);
		id = htonl(nft_find_set(c->index, netlink_str(tb[NFTA_SET_NAME]))->id);
		put_attribute(b, NFTA_SET_ID, &id, sizeof(id));
	}
	message_end(b, at);
	return 0;
}

/* Elements are copied one by one only where something in them may have to change. */
static int put_elements(struct batch *b, struct nft_copy *c, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e, *list;
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len, at, nest;
	const struct nlattr *first = netlink_first(nlh, &len);
	const struct nft_set *set;

	netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
	list = tb[NFTA_SET_ELEM_LIST_ELEMENTS];
	set = nft_find_set(c->index, netlink_str(tb[NFTA_SET_ELEM_LIST_SET]));
	if (!list || !set)
		return 0;
	at = message_begin(b, NFT_MSG_NEWSETELEM, nfg->nfgen_family, NLM_F_CREATE);
	if (!set->link_fields && !set->data_is_link && !(set->flags & NFT_SET_TIMEOUT) &&
	    !(set->flags & (NFT_SET_EVAL | NFT_SET_EXPR))) {
		buf_add(&b->out, first, len);
	} else {
		put_string(b, NFTA_SET_ELEM_LIST_TABLE, netlink_str(tb[NFTA_SET_ELEM_LIST_TABLE]));
		put_string(b, NFTA_SET_ELEM_LIST_SET, set->name);
		nest = nest_begin(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		c->set = set;
		netlink_each_in(e, list) {
			size_t element = nest_begin(b, NFTA_LIST_ELEM);

			nft_copy_element(c, e);
			nest_end(b, element);
		}
		c->set = NULL;
		nest_end(b, nest);
	}
	message_end(b, at);
	return 0;
}

/* A table of the target while its messages are put, kind by kind over all tables. */
struct loading {
	const struct table *table;
	struct nft_index index;
};

static void note_update(const char *name, void *arg)
{
	struct nft_set *set = nft_find_set(arg, name);

	if (set)
		set->updated = true;
}

/* If a rule adds to it: the kernel would choose a kind that cannot be added to. */
static bool made_in_two_steps(const struct nft_set *set)
{
	return set->sized && !(set->flags & (NFT_SET_EVAL | NFT_SET_ANONYMOUS));
}

static void index_table(struct batch *b, struct loading *l)
{
	bool sized = false;

	l->index.first_id = b->ids;
	nft_each(nlh, &l->table->records) {
		if (nft_type(nlh) == NFT_MSG_NEWSET)
			sized |= made_in_two_steps(nft_index_set(&l->index, nlh));
		else if (nft_type(nlh) == NFT_MSG_NEWCHAIN)
			nft_index_chain(&l->index, nlh);
		else if (nft_type(nlh) == NFT_MSG_NEWRULE && sized)
			nft_rule_updates(nlh, note_update, &l->index);
	}
	b->ids += (uint32_t)(l->index.nsets + l->index.nchains);
}

static int put_one(struct batch *b, const struct loading *l, const struct nlmsghdr *nlh)
{
	struct nft_copy c = {
		.rs = b->plan->target, .index = &l->index, .load = true, .out = &b->out};
	size_t at = b->out.len;
	int r;

	if (nft_type(nlh) == NFT_MSG_NEWSETELEM) {
		r = put_elements(b, &c, nlh);
	} else {
		const struct nlattr *tb[NFTA_SET_MAX + 1];
		const struct nft_set *set = NULL;
		size_t len;
		const struct nlattr *first = netlink_first(nlh, &len);

		netlink_attributes(first, len, tb, NFTA_SET_MAX);
		if (nft_type(nlh) == NFT_MSG_NEWSET)
			set = nft_find_set(&l->index, netlink_str(tb[NFTA_SET_NAME]));
		if (set && set->updated && made_in_two_steps(set)) {
			c.without_size = true;
			r = put_record(b, &c, nlh);
			c.without_size = false;
		}
		r = put_record(b, &c, nlh);
	}
	if (c.error) {
		cleanup_free char *what = describe(b, message_at(b, at));

		log_error("cannot load %s: %s", what, buf_str(&c.why));
		r = c.error;
	}
	buf_release(&c.why);
	return r;
}

/* A chain to be made. Of those with equal priority the last one made is asked first. */
struct making {
	const struct loading *loading;
	const struct nlmsghdr *nlh;
	size_t rank; /* place from the end of its line in ruleset.order, 0: does not matter */
};

static int compare_making(const void *a, const void *b)
{
	const struct making *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The chains whose order matters share out their own places among themselves; the rest stay. */
static void sort_makings(struct making *m, size_t n)
{
	struct making *ranked = NULL;
	size_t nranked = 0, next = 0;

	for (size_t i = 0; i < n; i++)
		if (m[i].rank)
			*(struct making *)array_grow(&ranked, &nranked, sizeof(*ranked)) = m[i];
	if (nranked)
		qsort(ranked, nranked, sizeof(*ranked), compare_making);
	for (size_t i = 0; i < n; i++)
		if (m[i].rank)
			m[i] = ranked[next++];
	free(ranked);
}

/* Chains of ruleset.order, "FAMILY TABLE CHAIN", from the last line's last one to the first. */
static void order_chains(const struct ruleset *rs, struct strlist *out)
{
	struct buf copy = BUF_INIT;
	struct strlist forward = {NULL, 0};
	char *line_save, *save;

	buf_add(&copy, rs->order.data, rs->order.len);
	for (char *line = strtok_r(buf_str(&copy), "\n", &line_save); line;
	     line = strtok_r(NULL, "\n", &line_save)) {
		char *names = strchr(line, ':');

		for (char *item = names ? strtok_r(names + 1, ",", &save) : NULL; item;
		     item = strtok_r(NULL, ",", &save))
			strlist_add_once(&forward, item + strspn(item, " "));
	}
	for (size_t i = forward.n; i-- > 0;)
		strlist_add(out, forward.s[i]);
	strlist_release(&forward);
	buf_release(&copy);
}

static size_t rank_of(const struct strlist *order, const struct table *t, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	cleanup_free char *name = NULL;

	netlink_attributes(first, len, tb, NFTA_CHAIN_MAX);
	if (!tb[NFTA_CHAIN_HOOK] || !order->n)
		return 0;
	name = str_printf("%s %s %s", family_name(t->family), t->name,
			  netlink_str(tb[NFTA_CHAIN_NAME]));
	for (size_t i = 0; i < order->n; i++)
		if (!strcmp(order->s[i], name))
			return i + 1;
	return 0;
}

static int put_chains(struct batch *b, const struct loading *l, size_t n)
{
	cleanup_strlist struct strlist order = {NULL, 0};
	struct making *makings = NULL;
	size_t nmakings = 0;
	int r = 0;

	order_chains(b->plan->target, &order);
	for (size_t i = 0; i < n; i++)
		nft_each(nlh, &l[i].table->records) {
			struct making *m;

			if (nft_type(nlh) != NFT_MSG_NEWCHAIN)
				continue;
			m = array_grow(&makings, &nmakings, sizeof(*makings));
			*m = (struct making){&l[i], nlh, rank_of(&order, l[i].table, nlh)};
		}
	sort_makings(makings, nmakings);
	for (size_t i = 0; i < nmakings && !r; i++)
		r = put_one(b, makings[i].loading, makings[i].nlh);
	free(makings);
	return r;
}

static int put_others(struct batch *b, const struct loading *l, bool tables)
{
	nft_each(nlh, &l->table->records) {
		int r = 0;

		if (tables ? nft_type(nlh) == NFT_MSG_NEWTABLE
			   : nft_type(nlh) != NFT_MSG_NEWTABLE && nft_type(nlh) != NFT_MSG_NEWCHAIN)
			r = put_one(b, l, nlh);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A new chain's policy drop takes effect after its rules do: until then a rule drops. */
static void put_stoppers(struct batch *b, const struct loading *l)
{
	for (size_t i = 0; i < l->index.nchains; i++) {
		const struct nft_chain *c = l->index.chains[i];
		uint32_t reg = htonl(NFT_REG_VERDICT), drop = htonl(NF_DROP);
		size_t at, list, element, data, value, verdict;

		if (!c->base || c->policy != NF_DROP)
			continue;
		at = message_begin(b, NFT_MSG_NEWRULE, l->table->family,
				   NLM_F_CREATE | NLM_F_APPEND | NLM_F_ECHO);
		put_string(b, NFTA_RULE_TABLE, l->table->name);
		put_string(b, NFTA_RULE_CHAIN, c->name);
		list = nest_begin(b, NFTA_RULE_EXPRESSIONS);
		element = nest_begin(b, NFTA_LIST_ELEM);
		put_string(b, NFTA_EXPR_NAME, "immediate");
		data = nest_begin(b, NFTA_EXPR_DATA);
		put_attribute(b, NFTA_IMMEDIATE_DREG, &reg, sizeof(reg));
		value = nest_begin(b, NFTA_IMMEDIATE_DATA);
		verdict = nest_begin(b, NFTA_DATA_VERDICT);
		put_attribute(b, NFTA_VERDICT_CODE, &drop, sizeof(drop));
		nest_end(b, verdict);
		nest_end(b, value);
		nest_end(b, data);
		nest_end(b, element);
		nest_end(b, list);
		message_end(b, at);
	}
}

static int put_tables(struct batch *b, struct loading *l, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		index_table(b, &l[i]);
	for (size_t i = 0; i < n && !r; i++)
		r = put_others(b, &l[i], true);
	if (!r)
		r = put_chains(b, l, n);
	for (size_t i = 0; i < n && !r; i++) {
		r = put_others(b, &l[i], false);
		if (!r && b->stop)
			put_stoppers(b, &l[i]);
	}
	return r;
}

/* The whole change as one batch. */
static int build(struct batch *b)
{
	struct plan *plan = b->plan;
	struct loading *l = NULL;
	size_t n = 0;
	int r;

	batch_begin(b);
	for (size_t i = 0; i < plan->nsteps; i++) {
		if (plan->steps[i].old) {
			delete_table(b, plan->steps[i].old);
			b->stop = true;
		}
		if (plan->steps[i].new)
			*(struct loading *)array_grow(&l, &n, sizeof(*l)) =
				(struct loading){.table = plan->steps[i].new};
	}
	r = put_tables(b, l, n);
	for (size_t i = 0; i < n; i++)
		nft_index_release(&l[i].index);
	free(l);
	batch_end(b);
	return r;
}

/* The last message before BATCH_END asks for the acknowledgement of all. */
static void ask_acknowledgement(struct batch *b)
{
	struct nlmsghdr *last = NULL;

	nft_each(nlh, &b->out)
		if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
			last = (struct nlmsghdr *)nlh;
	if (last)
		last->nlmsg_flags |= NLM_F_ACK;
}

static void refused(const struct batch *b, const struct nlmsghdr *answer, int error)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(answer);
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1] = {NULL};
	size_t skip = MNL_NLMSG_HDRLEN + sizeof(*e);
	const char *said = "";
	cleanup_free char *what = NULL;

	if (answer->nlmsg_flags & NLM_F_ACK_TLVS && answer->nlmsg_len > skip)
		netlink_attributes((const void *)((const char *)answer + skip),
				   answer->nlmsg_len - skip, tb, NLMSGERR_ATTR_MSG);
	said = netlink_str(tb[NLMSGERR_ATTR_MSG]);
	nft_each(nlh, &b->out)
		if (nlh->nlmsg_seq == answer->nlmsg_seq && !what)
			what = describe(b, nlh);
	log_errno(error, "the kernel refuses %s%s%s", what ? what : "the ruleset", *said ? ": " : "",
		  said);
}

static void note_stopper(struct batch *b, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_RULE_MAX + 1];
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	struct stopper *s = array_grow(&b->stoppers, &b->nstoppers, sizeof(*s));

	netlink_attributes(first, len, tb, NFTA_RULE_MAX);
	*s = (struct stopper){nfg->nfgen_family, str_dup(netlink_str(tb[NFTA_RULE_TABLE])),
			      str_dup(netlink_str(tb[NFTA_RULE_CHAIN])),
			      netlink_u64(tb[NFTA_RULE_HANDLE])};
}

/* The kernel has answered when send returns. 0 only if the acknowledgement came and no error. */
static int read_answer(struct batch *b, struct netlink *n)
{
	int result = -ENOBUFS;
	bool failed = false;

	for (;;) {
		ssize_t got = recv(n->fd, n->answer, NETLINK_ANSWER, MSG_DONTWAIT);
		const struct nlmsghdr *nlh = n->answer;
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 && errno != EAGAIN && !failed ? -errno : result;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
			    nft_type(nlh) == NFT_MSG_NEWRULE) {
				note_stopper(b, nlh);
			} else if (nlh->nlmsg_type == NLMSG_ERROR && !failed) {
				failed = e->error;
				result = e->error;
				if (failed && e->error != -ERESTART)
					refused(b, nlh, e->error);
			}
		}
	}
}

/* One batch is one sendmsg: split over two, the kernel commits nothing. */
static int transmit(struct batch *b)
{
	struct netlink n cleanup_netlink = {.fd = -1};
	struct iovec iov = {b->out.data, b->out.len};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr msg = {&kernel, sizeof(kernel), &iov, 1, NULL, 0, 0};
	int r, size = (int)(b->out.len + 4096 > INT32_MAX / 2 ? INT32_MAX / 2 : b->out.len + 4096);

	if (b->out.len > 2147479552)
		return log_errno(-EMSGSIZE, "cannot load the ruleset in one batch");
	r = netlink_open(&n);
	if (r < 0)
		return log_errno(r, "cannot reach nf_tables");
	setsockopt(n.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	ask_acknowledgement(b);
	if (sendmsg(n.fd, &msg, 0) < 0)
		return log_errno(-errno, "cannot send the ruleset to the kernel");
	return read_answer(b, &n);
}

/* The second batch: the policies are in force, the stoppers go. */
static int remove_stoppers(const struct batch *first)
{
	struct plan again = {.live = first->plan->live, .target = first->plan->target};
	struct batch b = {.plan = &again};
	int r;

	if (!first->nstoppers)
		return 0;
	batch_begin(&b);
	for (size_t i = 0; i < first->nstoppers; i++) {
		const struct stopper *s = &first->stoppers[i];
		size_t at = message_begin(&b, NFT_MSG_DELRULE, s->family, 0);
		uint64_t handle = htobe64(s->handle);

		put_string(&b, NFTA_RULE_TABLE, s->table);
		put_string(&b, NFTA_RULE_CHAIN, s->chain);
		put_attribute(&b, NFTA_RULE_HANDLE, &handle, sizeof(handle));
		message_end(&b, at);
	}
	batch_end(&b);
	r = transmit(&b);
	batch_release(&b);
	return r;
}

int nft_change(struct plan *plan)
{
	struct batch b = {.plan = plan};
	int r;

	if (!plan->nsteps)
		return 0;
	r = build(&b);
	if (!r)
		r = transmit(&b);
	if (!r)
		r = remove_stoppers(&b);
	batch_release(&b);
	return r;
}
