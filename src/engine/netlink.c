/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

static bool line_begins(const char *path, const char *text, char after)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0, n = strlen(text);
	bool found = false;

	while (f && !found && getline(&line, &size, f) > 0) {
		const char *base = strrchr(line, '/');

		base = base ? base + 1 : line;
		found = !strncmp(base, text, n) && base[n] == after;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

bool netlink_kernel_has(const char *module)
{
	struct utsname u;
	cleanup_free char *builtin = NULL;

	/* without module support there is nothing that a request could load */
	if (access("/proc/modules", F_OK) || line_begins("/proc/modules", module, ' '))
		return true;
	uname(&u);
	builtin = str_printf("/lib/modules/%s/modules.builtin", u.release);
	/* where nothing tells, a module more is the lesser harm: rules must not be overlooked */
	return access(builtin, R_OK) || line_begins(builtin, module, '.');
}

int netlink_open(struct netlink *n)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int on = 1, size = 4 << 20;

	*n = (struct netlink){.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)};
	if (n->fd < 0)
		return -errno;
	if (connect(n->fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		int r = -errno;

		close(n->fd);
		n->fd = -1;
		return r;
	}
	setsockopt(n->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(n->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(n->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	n->answer = mem_alloc(NETLINK_ANSWER);
	return 0;
}

void netlink_close(struct netlink *n)
{
	if (n->answer) {
		close(n->fd);
		free(n->answer);
	}
	*n = (struct netlink){.fd = -1};
}

struct nlmsghdr *netlink_header(void *buf, uint8_t subsystem, uint8_t message, uint8_t family,
				uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = (uint16_t)(subsystem << 8 | message);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

/* 1: the answer is complete; 0: it goes on; -errno */
static int message(const struct nlmsghdr *nlh, uint32_t seq, netlink_callback *fn, void *arg)
{
	int interrupted = nlh->nlmsg_flags & NLM_F_DUMP_INTR ? -EINTR : 0, r;

	if (nlh->nlmsg_seq != seq)
		return 0;
	if (nlh->nlmsg_type == NLMSG_DONE) {
		r = mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)
			    ? *(int *)mnl_nlmsg_get_payload(nlh)
			    : 0;
		return r < 0 ? r : interrupted ? interrupted : 1;
	}
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		return mnl_nlmsg_get_payload_len(nlh) < sizeof(*e) ? -EBADMSG
		       : e->error				   ? e->error
								   : 1;
	}
	r = fn ? fn(nlh, arg) : 0;
	return r ? r : interrupted;
}

int netlink_run(struct netlink *n, struct nlmsghdr *request, netlink_callback *fn, void *arg)
{
	int r = 0, result = 0;

	request->nlmsg_seq = ++n->seq;
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	if (send(n->fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	while (!r) {
		ssize_t got = recv(n->fd, n->answer, NETLINK_ANSWER, MSG_TRUNC);
		const struct nlmsghdr *nlh = n->answer;
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got > (ssize_t)NETLINK_ANSWER)
			return -EMSGSIZE;
		for (; !r && mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			r = message(nlh, n->seq, result && result != -EINTR ? NULL : fn, arg);
			/* the rest of a broken dump has to be read all the same */
			if (r < 0 && nlh->nlmsg_type != NLMSG_ERROR &&
			    nlh->nlmsg_type != NLMSG_DONE) {
				result = result && result != -EINTR ? result : r;
				r = 0;
			}
		}
	}
	if (r < 0 && (!result || result == -EINTR))
		result = r;
	return result;
}

void netlink_attributes(const struct nlattr *first, size_t len, const struct nlattr **tb,
			unsigned max)
{
	const struct nlattr *a;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	netlink_each(a, first, len)
		if (netlink_type(a) <= max)
			tb[netlink_type(a)] = a;
}

const struct nlattr *netlink_first(const struct nlmsghdr *nlh, size_t *len)
{
	*len = nlh->nlmsg_len > MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg))
		       ? nlh->nlmsg_len - MNL_NLMSG_HDRLEN - MNL_ALIGN(sizeof(struct nfgenmsg))
		       : 0;
	return mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg));
}

uint32_t netlink_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && netlink_length(a) >= sizeof(v))
		memcpy(&v, netlink_payload(a), sizeof(v));
	return ntohl(v);
}

uint64_t netlink_u64(const struct nlattr *a)
{
	uint64_t v = 0;

	if (a && netlink_length(a) >= sizeof(v))
		memcpy(&v, netlink_payload(a), sizeof(v));
	return be64toh(v);
}

const char *netlink_str(const struct nlattr *a)
{
	size_t n = a ? netlink_length(a) : 0;
	const char *s = a ? netlink_payload(a) : "";

	return n && !s[n - 1] ? s : "";
}

const struct nlattr *netlink_child(const struct nlattr *nest, unsigned type)
{
	const struct nlattr *a;

	if (nest)
		netlink_each_in(a, nest)
			if (netlink_type(a) == type)
				return a;
	return NULL;
}
