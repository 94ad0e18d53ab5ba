/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_batch.h"
#include "engine/nft_watch.h"
#include "log.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

void nft_batch_release(struct nft_batch *b)
{
	for (size_t i = 0; i < b->nstoppers; i++) {
		free(b->stoppers[i].table);
		free(b->stoppers[i].chain);
	}
	free(b->stoppers);
	buf_release(&b->out);
}

void nft_batch_begin(struct nft_batch *b)
{
	struct nlmsghdr *nlh;

	buf_reserve(&b->out, 256);
	nlh = nftnl_batch_begin((char *)b->out.data, b->count++);
	if (b->generation)
		mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(*b->generation));
	b->out.len = nlh->nlmsg_len;
}

void nft_batch_end(struct nft_batch *b)
{
	char *at = buf_reserve(&b->out, 256);

	b->out.len += nftnl_batch_end(at, b->count++)->nlmsg_len;
}

size_t nft_message_begin(struct nft_batch *b, uint8_t type, uint8_t family, uint16_t flags)
{
	size_t at = b->out.len;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf_reserve(&b->out, 256), type, family,
						     NLM_F_REQUEST | flags, b->count++);

	b->out.len += nlh->nlmsg_len;
	return at;
}

static struct nlmsghdr *message_at(const struct nft_batch *b, size_t at)
{
	return (struct nlmsghdr *)(void *)(b->out.data + at);
}

void nft_message_end(struct nft_batch *b, size_t at)
{
	message_at(b, at)->nlmsg_len = (uint32_t)(b->out.len - at);
}

void nft_message_place(struct nft_batch *b, size_t at, unsigned place)
{
	/* of a request the kernel does not read it */
	message_at(b, at)->nlmsg_pid = place;
}

void nft_batch_append(struct nft_batch *b, const struct nft_batch *other)
{
	size_t at = b->out.len;

	buf_add(&b->out, other->out.data, other->out.len);
	for (; at < b->out.len; at += message_at(b, at)->nlmsg_len)
		message_at(b, at)->nlmsg_seq = b->count++;
}

void nft_put(struct nft_batch *b, uint16_t type, const void *data, size_t n)
{
	nft_put_attribute(&b->out, type, data, n);
}

void nft_put_string(struct nft_batch *b, uint16_t type, const char *s)
{
	nft_put(b, type, s, strlen(s) + 1);
}

size_t nft_nest_begin(struct nft_batch *b, uint16_t type)
{
	return nft_nest_open(&b->out, type | NLA_F_NESTED);
}

void nft_nest_end(struct nft_batch *b, size_t at)
{
	nft_nest_close(&b->out, at);
}

static unsigned rule_number(const struct nft_batch *b, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[3];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	unsigned number = 0;

	if (nlh->nlmsg_pid)
		return nlh->nlmsg_pid;
	netlink_attributes(first, len, tb, 2);
	nft_each(other, &b->out) {
		const struct nfgenmsg *onfg = mnl_nlmsg_get_payload(other);
		const struct nlattr *otb[3];

		first = netlink_first(other, &len);
		netlink_attributes(first, len, otb, 2);
		number += other->nlmsg_type == nlh->nlmsg_type &&
			  onfg->nfgen_family == nfg->nfgen_family &&
			  !strcmp(netlink_str(otb[1]), netlink_str(tb[1])) &&
			  !strcmp(netlink_str(otb[2]), netlink_str(tb[2]));
		if (other == nlh)
			break;
	}
	return number;
}

/* What a message is about, for people: "rule 3 of chain 'input' in table 'inet fw'". Caller frees. */
static char *describe(const struct nft_batch *b, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const char *family = family_name(nfg->nfgen_family);
	const struct nlattr *tb[8];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	const char *table, *second;

	netlink_attributes(first, len, tb, 7);
	table = netlink_str(tb[1]); /* the table's name in every kind of message */
	second = netlink_str(tb[2]);
	if (!family)
		family = "unknown";
	switch (nft_type(nlh)) {
	case NFT_MSG_DELRULE:
	case NFT_MSG_NEWRULE:
		return str_printf("rule %u of chain '%s' in table '%s %s'", rule_number(b, nlh),
				  second, family, table);
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWCHAIN:
		return str_printf("chain '%s' in table '%s %s'",
				  netlink_str(tb[NFTA_CHAIN_NAME]), family, table);
	case NFT_MSG_DELSET:
	case NFT_MSG_DELSETELEM:
	case NFT_MSG_NEWSET:
	case NFT_MSG_NEWSETELEM:
		return str_printf("set '%s' in table '%s %s'", second, family, table);
	case NFT_MSG_DELOBJ:
	case NFT_MSG_DELFLOWTABLE:
	case NFT_MSG_NEWOBJ:
	case NFT_MSG_NEWFLOWTABLE:
		return str_printf("object '%s' in table '%s %s'", second, family, table);
	default:
		return str_printf("table '%s %s'", family, table);
	}
}

char *nft_message_label(const struct nft_batch *b, size_t at)
{
	return describe(b, message_at(b, at));
}

/* The last message before BATCH_END asks for the acknowledgement of all. */
static void ask_acknowledgement(struct nft_batch *b)
{
	struct nlmsghdr *last = NULL;

	nft_each(nlh, &b->out)
		if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
			last = (struct nlmsghdr *)nlh;
	if (last)
		last->nlmsg_flags |= NLM_F_ACK;
}

static void refused(const struct nft_batch *b, const struct nlmsghdr *answer, int error)
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

static void note_stopper(struct nft_batch *b, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_RULE_MAX + 1];
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	struct nft_stopper *s = array_grow(&b->stoppers, &b->nstoppers, sizeof(*s));

	netlink_attributes(first, len, tb, NFTA_RULE_MAX);
	*s = (struct nft_stopper){nfg->nfgen_family, str_dup(netlink_str(tb[NFTA_RULE_TABLE])),
			      str_dup(netlink_str(tb[NFTA_RULE_CHAIN])),
			      netlink_u64(tb[NFTA_RULE_HANDLE])};
}

/* The kernel has answered when send returns. 0 only if the acknowledgement came and no error. */
static int read_answer(struct nft_batch *b, struct netlink *n)
{
	int result = -ENOBUFS;
	bool failed = false;

	for (;;) {
		ssize_t got = recv(n->fd, n->answer, NETLINK_ANSWER, MSG_DONTWAIT);
		const struct nlmsghdr *nlh = n->answer;
		int len = (int)got;

		/* ENOBUFS: what did not fit is lost, what came before it is still to be read */
		if (got < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (got <= 0 && result == -ENOBUFS) {
			log_set_state(STATE_UNDOING);
			return log_errno(result, "the kernel's answer to the ruleset is lost");
		}
		if (got <= 0)
			return result;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
			    nft_type(nlh) == NFT_MSG_NEWRULE) {
				note_stopper(b, nlh);
			} else if (nlh->nlmsg_type == NLMSG_ERROR && !failed) {
				failed = e->error;
				result = e->error;
				if (failed && e->error != -ERESTART && !b->quiet)
					refused(b, nlh, e->error);
			}
		}
	}
}

static int send_by(struct nft_batch *b, struct netlink *n)
{
	struct iovec iov = {b->out.data, b->out.len};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr msg = {&kernel, sizeof(kernel), &iov, 1, NULL, 0, 0};
	int size = (int)(b->out.len + 4096 > INT32_MAX / 2 ? INT32_MAX / 2 : b->out.len + 4096);

	if (b->out.len > 2147479552)
		return log_errno(-EMSGSIZE, "cannot load the ruleset in one batch");
	setsockopt(n->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	ask_acknowledgement(b);
	if (sendmsg(n->fd, &msg, 0) < 0)
		return log_errno(-errno, "cannot send the ruleset to the kernel");
	return read_answer(b, n);
}

int nft_batch_send(struct nft_batch *b)
{
	struct netlink n cleanup_netlink = {.fd = -1};
	int r = netlink_open(&n);

	return r < 0 ? log_errno(r, "cannot reach nf_tables") : send_by(b, &n);
}

/* Writers that commit as fast as they can are still slower than reading what they did. */
#define COMMIT_TRIES 50
/* Of which the kernel tells more than the receive buffer of a watch holds. */
#define COMMIT_LARGE (1U << 20)

/* The newest generation, if the plan's tables are in it as they were captured. */
static int follow_generation(struct nft_batch *b, const struct plan *plan)
{
	struct watch *w = plan->watch;
	int r = nft_watch_read(w);
	struct nlattr *id;

	if (r < 0)
		return log_errno(r, "cannot tell what other programs do to nf_tables");
	for (size_t i = 0; i < plan->nsteps; i++) {
		const struct step *s = &plan->steps[i];
		const struct table *t = s->new ? s->new : s->old;

		if (nft_newer(nft_watch_changed(w, t->family, t->name, false),
			      plan->live->generation))
			return -ERESTART;
	}
	/* NFNL_BATCH_GENID is the one attribute of BATCH_BEGIN */
	id = mnl_nlmsg_get_payload_offset(message_at(b, 0), sizeof(struct nfgenmsg));
	*(uint32_t *)mnl_attr_get_payload(id) = htonl(w->generation);
	return 0;
}

/* A small batch may do away with much, and each rule of that is told. */
static bool is_large(const struct nft_batch *b, const struct plan *plan)
{
	size_t sum = b->out.len;

	for (size_t i = 0; i < plan->nsteps; i++) {
		const struct step *s = &plan->steps[i];
		size_t old = s->old ? s->old->size : 0, new = s->new ? s->new->size : 0;

		sum += old > new ? old - new : 0;
	}
	return sum > COMMIT_LARGE;
}

static int send_unheard(struct nft_batch *b, struct watch *w)
{
	int r = nft_watch_pause(w), resumed;

	if (r < 0)
		return log_errno(r, "cannot leave the events of nf_tables");
	r = send_by(b, &w->ask);
	resumed = nft_watch_resume(w, !r);
	return r ? r : resumed;
}

int nft_batch_commit(struct nft_batch *b, const struct plan *plan)
{
	int r = -ERESTART;

	if (!plan->watch)
		return nft_batch_send(b);
	for (unsigned i = 0; i < COMMIT_TRIES && r == -ERESTART; i++) {
		r = b->generation ? follow_generation(b, plan) : 0;
		if (r)
			return r;
		r = is_large(b, plan) ? send_unheard(b, plan->watch)
				      : send_by(b, &plan->watch->ask);
	}
	return r;
}
