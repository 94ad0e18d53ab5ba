/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ipset.h"
#include "log.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

struct reader {
	struct ruleset *rs;
	const struct capture *capture;
	struct ipset_kernel *kernel;
	bool temporaries; /* these too */
	struct table *table; /* whose members come next; NULL: of a set that is passed over */
	struct ipset_writer writer;
	struct ipset_digest digest;
};

bool ipset_is_temporary(const char *name)
{
	return !strncmp(name, IPSET_TEMPORARY, strlen(IPSET_TEMPORARY));
}

static void note_set(struct reader *rd, const char *name)
{
	struct set_ref *s = array_grow(&rd->rs->sets, &rd->rs->nsets, sizeof(*s));

	s->index = ipset_index(rd->kernel, name);
	strncpy(s->name, name, sizeof(s->name) - 1);
}

static int end_table(struct reader *rd)
{
	struct table *t = rd->table;

	rd->table = NULL;
	return t ? capture_flush(rd->capture, t, true) : 0;
}

static int begin_table(struct reader *rd, const struct nlmsghdr *nlh, const char *name)
{
	int r = end_table(rd);

	if (r < 0)
		return r;
	note_set(rd, name);
	if (ipset_is_temporary(name) && !rd->temporaries)
		return 0;
	rd->table = ruleset_add(rd->rs, ENGINE_IPSET, NFPROTO_UNSPEC, name);
	rd->writer = (struct ipset_writer){.records = &rd->table->records};
	rd->digest.table = rd->table;
	rd->digest.position = 0;
	ipset_store_create(&rd->table->records, nlh);
	ipset_digest_create(&rd->digest, (const void *)rd->table->records.data);
	return 0;
}

static int read_member(struct reader *rd, const struct nlattr *member)
{
	struct ipset_writer *w = &rd->writer;
	int r = 0;

	if (ipset_writer_full(w, member)) {
		ipset_writer_close(w);
		r = capture_flush(rd->capture, rd->table, false);
	}
	ipset_digest_member(&rd->digest, ipset_store_member(w, rd->kernel->protocol,
							    rd->table->name, member));
	return r;
}

/* A set is one message or more; the first one tells its type. */
static int read_message(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1], *member, *nest;
	struct reader *rd = arg;
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	int r = 0;

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	if (tb[IPSET_ATTR_TYPENAME]) {
		if (!ipset_create_ok(tb))
			return -EBADMSG;
		r = begin_table(rd, nlh, netlink_str(tb[IPSET_ATTR_SETNAME]));
	}
	nest = tb[IPSET_ATTR_ADT];
	if (r < 0 || !rd->table || !nest)
		return r;
	netlink_each(member, mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest))
	{
		r = read_member(rd, member);
		if (r < 0)
			return r;
	}
	return 0;
}

int ipset_capture(struct ruleset *rs, const struct capture *c)
{
	cleanup_ipset struct ipset_kernel k = IPSET_KERNEL_INIT;
	struct reader rd = {.rs = rs, .capture = c, .kernel = &k};
	int r = ipset_open(&k, false);

	if (r < 0 || !k.protocol)
		return r;
	r = ipset_dump(&k, NULL, read_message, &rd);
	if (!r)
		r = end_table(&rd);
	ipset_digest_release(&rd.digest);
	if (r == -EINTR || r == -EAGAIN)
		return -EAGAIN;
	return r < 0 ? log_errno(r, "cannot read the ipsets") : 0;
}

int ipset_read(struct ipset_kernel *k, const char *name, bool written, struct ruleset *out)
{
	const struct capture all = {0};
	struct reader rd = {.rs = out, .capture = &all, .kernel = k, .temporaries = true};
	int r = ipset_dump(k, name, read_message, &rd);

	if (!r)
		r = end_table(&rd);
	ipset_digest_release(&rd.digest);
	if (!r && !out->ntables)
		r = -ENOENT;
	if (r < 0)
		return r;
	out->sets[0].written = written;
	ruleset_finish(out);
	return 0;
}
