/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine.h"

#include "engine/netlink.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

const struct engine *const engines[ENGINE_COUNT] = {
	[ENGINE_IPSET] = &engine_ipset,
	[ENGINE_NFT] = &engine_nft,
#ifdef HAVE_LEGACY
	[ENGINE_XTABLES] = &engine_xtables,
#endif
};

int capture_flush(const struct capture *c, struct table *t, bool end)
{
	int r = 0;

	if (!c->sink) {
		t->size = t->records.len;
		return 0;
	}
	if (t->records.len && (end || t->records.len >= CAPTURE_PIECE)) {
		t->size += t->records.len;
		r = c->sink(c->arg, t, t->records.data, t->records.len);
		t->records.len = 0;
	}
	if (end)
		buf_release(&t->records);
	return r;
}

int capture_discard(void *arg, const struct table *t, const void *records, size_t n)
{
	(void)arg, (void)t, (void)records, (void)n;
	return 0;
}

/* Nothing there is no empty ruleset: saved as one, it would do away with what was saved before. */
static bool no_filter(void)
{
	struct netlink n;
	int r;

	/* what is not loaded may be loaded when it is needed */
	if (!netlink_kernel_has("nfnetlink"))
		return false;
	r = netlink_open(&n);
	if (!r)
		netlink_close(&n);
	return r == -EPROTONOSUPPORT && access("/proc/self/net/ip_tables_names", F_OK) &&
	       access("/proc/self/net/ip6_tables_names", F_OK);
}

static int capture_once(struct ruleset *rs, const struct capture *c)
{
	int r = netns_identify(&rs->where);

	if (r < 0)
		return log_errno(r, "cannot identify the network namespace");
	for (size_t i = 0; i < ENGINE_COUNT && !r; i++)
		if (engines[i])
			r = engines[i]->capture(rs, c);
	if (!r && !rs->ntables && no_filter()) {
		log_error("this kernel has no packet filter: neither nf_tables nor iptables");
		r = -EPROTONOSUPPORT;
	}
	if (!r)
		ruleset_finish(rs);
	return r;
}

/* A sink that has seen half of a capture cannot be told to forget it. */
static bool repeatable(const struct capture *c)
{
	return !c->sink || c->sink == capture_discard;
}

int engines_capture(struct ruleset *rs, const struct capture *c)
{
	int r = -EAGAIN;

	for (unsigned i = 0; i < CAPTURE_TRIES && r == -EAGAIN; i++) {
		ruleset_release(rs);
		r = capture_once(rs, c);
		if (!repeatable(c))
			return r;
	}
	if (r == -EAGAIN)
		log_error("the rules kept changing while they were read (%u times)", CAPTURE_TRIES);
	return r;
}

int engines_digest(struct ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->ntables; i++) {
		struct table *t = &rs->tables[i];
		int r = engines[t->engine] ? engines[t->engine]->digest(rs, t) : 0;

		if (r < 0) {
			cleanup_free char *label = table_label(t);

			log_error("%s is damaged: it has no rules of '%s'", name, label);
			return -EBADMSG;
		}
	}
	ruleset_finish(rs);
	return 0;
}

void facts_add(struct facts *f, enum fact_kind kind, const char *value)
{
	strlist_add_once(&f->of[kind], value);
}

void facts_add_net(struct facts *f, enum fact_kind kind, const void *address, const void *mask,
		   size_t size)
{
	unsigned char net[16];
	char text[INET6_ADDRSTRLEN];
	unsigned length = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char m = ((const unsigned char *)mask)[i];

		net[i] = ((const unsigned char *)address)[i] & m;
		length += (unsigned)__builtin_popcount(m);
	}
	if (inet_ntop(size == 4 ? AF_INET : AF_INET6, net, text, sizeof(text))) {
		cleanup_free char *value = str_printf("%s/%u", text, length);

		facts_add(f, kind, value);
	}
}

void facts_release(struct facts *f)
{
	for (int kind = 0; kind < FACT_KINDS; kind++)
		strlist_release(&f->of[kind]);
}
