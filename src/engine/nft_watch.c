/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_watch.h"
#include "engine/nft_hold.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A busy host tells some hundred KiB a second, and a rehearsal may take a minute. */
#define EVENTS_BUFFER (32 << 20)
/* The kernel tells a commit while it ends it; that of a million rules takes seconds. */
#define EVENTS_WAIT 20000 /* ms */

bool nft_newer(uint32_t a, uint32_t b)
{
	/* ids wrap around, and leave 0 out */
	return a && (!b || (int32_t)(a - b) > 0);
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

static int ask_generation(struct watch *w, uint32_t *id)
{
	char buf[256];
	struct nlmsghdr *nlh =
		netlink_header(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, AF_UNSPEC, 0);

	*id = 0;
	return netlink_run(&w->ask, nlh, on_generation, id);
}

static int set_membership(struct watch *w, int option)
{
	const int group = NFNLGRP_NFTABLES;

	return setsockopt(w->events.fd, SOL_NETLINK, option, &group, sizeof(group)) ? -errno : 0;
}

int nft_watch_init(struct watch *w)
{
	struct sockaddr_nl own = {0};
	socklen_t len = sizeof(own);
	int r, size = EVENTS_BUFFER;

	*w = (struct watch){.ask.fd = -1, .events.fd = -1};
	if (!netlink_kernel_has("nf_tables"))
		return -EOPNOTSUPP;
	r = netlink_open(&w->ask);
	if (!r && getsockname(w->ask.fd, (struct sockaddr *)&own, &len))
		r = -errno;
	if (!r)
		r = netlink_open(&w->events);
	/* before the first look at the generation: what comes in between is told twice, not missed
	 */
	if (!r)
		r = set_membership(w, NETLINK_ADD_MEMBERSHIP);
	if (!r)
		r = ask_generation(w, &w->generation);
	if (r) {
		nft_watch_release(w);
		/* a kernel without nf_tables */
		return r == -EINVAL || r == -EPROTONOSUPPORT ? -EOPNOTSUPP : r;
	}
	setsockopt(w->events.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	w->port = own.nl_pid;
	return 0;
}

void nft_watch_release(struct watch *w)
{
	for (size_t i = 0; i < w->nseen; i++)
		free(w->seen[i].name);
	free(w->seen);
	netlink_close(&w->events);
	netlink_close(&w->ask);
	*w = (struct watch){.ask.fd = -1, .events.fd = -1};
}

static struct nft_seen *find_seen(const struct watch *w, uint8_t family, const char *table)
{
	for (size_t i = w->nseen; i-- > 0;)
		if (w->seen[i].family == family && !strcmp(w->seen[i].name, table))
			return &w->seen[i];
	return NULL;
}

/* A message of a commit: whose generation and author come at the end. */
static void note_change(struct watch *w, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[2];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	uint8_t type = nft_type(nlh);
	bool content = type == NFT_MSG_NEWRULE || type == NFT_MSG_DELRULE ||
		       type == NFT_MSG_NEWSETELEM || type == NFT_MSG_DELSETELEM;
	const char *name;
	struct nft_seen *s = w->last;

	netlink_attributes(first, len, tb, 1);
	name = netlink_str(tb[1]); /* the table's name in every kind of message */
	if (!s || s->family != nfg->nfgen_family || strcmp(s->name, name))
		s = find_seen(w, nfg->nfgen_family, name);
	if (!s) {
		s = array_grow(&w->seen, &w->nseen, sizeof(*s));
		s->family = nfg->nfgen_family;
		s->name = str_dup(name);
	}
	s->pending = true;
	s->pending_shape |= !content;
	/* a rule may take along the chain that is bound to it, without a word */
	w->moving |= !content || type == NFT_MSG_DELRULE;
	w->last = s;
}

static void note_generation(struct watch *w, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_GEN_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	uint32_t id;

	netlink_attributes(first, len, tb, NFTA_GEN_MAX);
	id = netlink_u32(tb[NFTA_GEN_ID]);
	for (size_t i = 0; i < w->nseen; i++) {
		struct nft_seen *s = &w->seen[i];

		if (!s->pending)
			continue;
		s->changed = id;
		if (s->pending_shape)
			s->shaped = id;
		snprintf(s->who, sizeof(s->who), "'%.16s' (pid %u)",
			 netlink_str(tb[NFTA_GEN_PROC_NAME]), netlink_u32(tb[NFTA_GEN_PROC_PID]));
		s->pending = s->pending_shape = false;
	}
	if (w->moving)
		w->moved = id;
	w->moving = false;
	if (nft_newer(id, w->generation))
		w->generation = id;
}

/* Reads one piece, if there is one: 1; 0: there is none; -ENOBUFS: some did not fit. */
static int read_piece(struct watch *w)
{
	ssize_t got =
		recv(w->events.fd, w->events.answer, NETLINK_ANSWER, MSG_DONTWAIT | MSG_TRUNC);
	const struct nlmsghdr *nlh = w->events.answer;
	int len = (int)got;

	if (got < 0)
		return errno == EINTR ? 1 : errno == EAGAIN ? 0 : -errno;
	if (got > (ssize_t)NETLINK_ANSWER)
		return -ENOBUFS;
	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
			continue;
		if (nft_type(nlh) == NFT_MSG_NEWGEN)
			note_generation(w, nlh);
		else if (nlh->nlmsg_pid != w->port)
			note_change(w, nlh);
	}
	return 1;
}

static int lose(struct watch *w)
{
	int r = ask_generation(w, &w->generation);

	w->lost = w->moved = w->generation;
	return r;
}

int nft_watch_read(struct watch *w)
{
	struct pollfd p = {.fd = w->events.fd, .events = POLLIN};
	bool overflow = false;
	uint32_t now;
	int r = ask_generation(w, &now);

	while (!r) {
		int got = read_piece(w);

		if (got == -ENOBUFS)
			overflow = true;
		else if (got < 0)
			r = got;
		else if (!got && !overflow && !nft_newer(now, w->generation))
			return 0;
		else if (!got && (overflow || poll(&p, 1, EVENTS_WAIT) == 0))
			return lose(w);
	}
	return r;
}

uint32_t nft_watch_changed(const struct watch *w, uint8_t family, const char *table, bool shape)
{
	const struct nft_seen *s = find_seen(w, family, table);
	uint32_t last = !s ? 0 : shape ? s->shaped : s->changed;

	return nft_newer(w->lost, last) ? w->lost : last;
}

int nft_watch_pause(struct watch *w)
{
	return set_membership(w, NETLINK_DROP_MEMBERSHIP);
}

int nft_watch_resume(struct watch *w, bool committed)
{
	uint32_t now, expected = w->generation + committed;
	int r = set_membership(w, NETLINK_ADD_MEMBERSHIP);

	if (!r)
		r = ask_generation(w, &now);
	/* the kernel leaves 0 out */
	if (!r && now != (expected ? expected : 1))
		return lose(w);
	if (!r)
		w->generation = now;
	return r;
}

int watch_open(struct watch **out)
{
	struct watch *w = mem_zalloc(sizeof(*w));
	int r = nft_watch_init(w);

	*out = r ? NULL : w;
	if (r)
		free(w);
	if (r == -EOPNOTSUPP)
		return 0;
	return r ? log_errno(r, "cannot watch nf_tables") : 0;
}

void watch_close(struct watch *w)
{
	if (w)
		nft_watch_release(w);
	free(w);
}

int watch_changes(struct watch *w, const struct table *t, uint32_t since, struct strlist *who)
{
	int r = w ? nft_watch_read(w) : 0, n = 0;

	if (!w || r || (t && t->engine != ENGINE_NFT))
		return r;
	if (nft_newer(w->lost, since)) {
		if (who)
			strlist_add_once(who, "any table by a program unknown");
		return 1;
	}
	for (size_t i = 0; i < w->nseen; i++) {
		const struct nft_seen *s = &w->seen[i];
		const char *family = family_name(s->family);
		cleanup_free char *line = NULL;

		if (!nft_newer(s->changed, since) || nft_is_hold(s->family, s->name) ||
		    (t && (t->family != s->family || strcmp(t->name, s->name))))
			continue;
		line = str_printf("%s %s by %s", family ? family : "unknown", s->name, s->who);
		if (who)
			strlist_add_once(who, line);
		n++;
	}
	return n;
}
