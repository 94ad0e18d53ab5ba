/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipset - sets of addresses, ports and names, over netlink (linux/netfilter/ipset/ip_set.h)
 *
 * Records
 * -------
 * Netlink messages in load order, as the kernel takes them: first one IPSET_CMD_CREATE, then
 * IPSET_CMD_ADD messages of many members each:
 *   CREATE  PROTOCOL, SETNAME, TYPENAME, FAMILY, REVISION, DATA { what the set was made with }
 *   ADD     PROTOCOL, SETNAME, LINENO 0, ADT { DATA { one member } ... }
 * What is in DATA is what the kernel dumps, less the counts that only it keeps, and with
 * NLA_F_NET_BYTEORDER on addresses: it leaves that out but demands it. Sequence numbers are 0.
 *
 * What counts (ruleset.h): type, family and all that the set was made with but the size of
 * its hash, the seed (INITVAL) and the revision of the type. The revision only says which
 * options the type knows; those in use count themselves, and the program that loads a text
 * takes the newest. A bucket size of 12 is the kernel's own choice and equals none.
 * Of members: all but counters and remaining time; the order of a list:set.
 */
#ifndef FWSNAP_ENGINE_IPSET_H
#define FWSNAP_ENGINE_IPSET_H

#include "engine.h"
#include "engine/netlink.h"

#include <linux/netfilter/ipset/ip_set.h>

/* Sets of these names are of a change that is under way, or was cut off: never captured. */
#define IPSET_TEMPORARY "fwsnap-tmp-"
bool ipset_is_temporary(const char *name);

/*
 * Such a name says which set it stands for: rules may be on it if a change was cut off. n: the name is
 * one of several.
 */
void ipset_temporary_name(const char *set, unsigned n, char name[static IPSET_MAXNAMELEN]);
bool ipset_stands_for(const char *temporary, const char *set);

/* Whether the kernel can swap sets like these two: it wants members of the same kind, however they are kept. */
bool ipset_can_swap(const struct table *a, const struct table *b);

/* No record is longer: where a member is refused the kernel sends it all back, in one piece. */
#define IPSET_RECORD_LIMIT 65400U

/* The records of a table, one after the other, known to be well-formed. */
#define ipset_each(nlh, records)                                                                   \
	for (const struct nlmsghdr *nlh = (const void *)(records)->data;                           \
	     (const unsigned char *)nlh < (records)->data + (records)->len;                        \
	     nlh = (const void *)((const char *)nlh + nlh->nlmsg_len))

static inline uint8_t ipset_command(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_type & 0xff;
}

/* Whether these are the attributes (IPSET_ATTR_CMD_MAX) of a CREATE record, or of a dump's first message. */
bool ipset_create_ok(const struct nlattr *const *tb);

/* Appends what a dump's first message of a set says of the set itself as a CREATE record. */
void ipset_store_create(struct buf *records, const struct nlmsghdr *dump);

/* Puts members into ADD records. */
struct ipset_writer {
	struct buf *records;
	bool open;            /* a record has been begun */
	size_t message, nest; /* offsets of it and its ADT */
};

/* Whether the open record has no room for this member: it is to be closed. */
bool ipset_writer_full(const struct ipset_writer *w, const struct nlattr *member);
void ipset_writer_close(struct ipset_writer *w);
/* Appends a dumped member; returns it as it was stored (valid until the next one). */
const struct nlattr *ipset_store_member(struct ipset_writer *w, uint8_t protocol, const char *name,
					const struct nlattr *member);

/* Reduces records to digests, counts and type of a table. The caller sets the table. */
struct ipset_digest {
	struct table *table;
	bool ordered; /* list:set */
	bool mac_is_data; /* bitmap:ip,mac */
	uint32_t position;
	struct buf scratch;
};

/* Of a CREATE record; ordered and mac_is_data are set by it. */
struct digest ipset_create_digest(struct ipset_digest *d, const struct nlmsghdr *create);
void ipset_digest_create(struct ipset_digest *d, const struct nlmsghdr *create);
bool ipset_has_timeout(const struct nlattr *member);
/* Of a member of a list with its place: one with a timeout does not move those that stay. */
struct digest ipset_member_digest(struct ipset_digest *d, const struct nlattr *member);
/* Of what the kernel looks a member up by. */
struct digest ipset_member_key(struct ipset_digest *d, const struct nlattr *member);
void ipset_digest_member(struct ipset_digest *d, const struct nlattr *member);
void ipset_digest_release(struct ipset_digest *d);
/* The engine's capture, digest, items and compose (engine.h). */
int ipset_capture(struct ruleset *rs, const struct capture *c);
must_check int ipset_digest(struct ruleset *rs, struct table *t);
int ipset_items(struct ruleset *rs, const struct table *t, struct items *out);
int ipset_compose(struct ruleset *rs, struct table *t, const struct piece *pieces, size_t n);
/* The items of two sets with records, the header first, less the members that both have. */
void ipset_items_apart(struct ruleset *was, const struct table *old, struct items *olds,
		       struct ruleset *is, const struct table *new, struct items *news);

/* The kernel (ipset_kernel.c). */
struct ipset_kernel {
	struct netlink netlink;
	int fd;           /* answers by getsockopt, which loads no module */
	uint8_t protocol; /* that both sides speak; 0: the kernel has no ipset */
	void *message;    /* room for the largest one */
};
#define IPSET_KERNEL_INIT {.netlink.fd = -1, .fd = -1}

/*
 * Opens both ways to the kernel, the second one only if it has ipset, or `load`: then the kernel loads it.
 * 0 or -errno (logged). The caller closes, in every case.
 */
must_check int ipset_open(struct ipset_kernel *k, bool load);
void ipset_close(struct ipset_kernel *k);
#define cleanup_ipset __attribute__((cleanup(ipset_close)))

/* The kernel's index of a set, or SET_REF_NONE. */
uint16_t ipset_index(const struct ipset_kernel *k, const char *name);

/*
 * Each 0 or -errno; `quiet` logs nothing. Codes that are ipset's own (IPSET_ERR_*) become errno:
 * -EBUSY in use, -EMEDIUMTYPE sets of two types, -EEXIST, -ENOSPC full, -EINVAL others.
 */
must_check int ipset_destroy(struct ipset_kernel *k, const char *name, bool quiet);
must_check int ipset_swap(struct ipset_kernel *k, const char *a, const char *b, bool quiet);
must_check int ipset_rename(struct ipset_kernel *k, const char *from, const char *to);
/* Makes a set of t's records under a name of its own and fills it; on error it is not there. */
must_check int ipset_make(struct ipset_kernel *k, const struct table *t, const char *name);
/*
 * Sends records of members (IPSET_CMD_ADD, IPSET_CMD_DEL) to a set of this type and name. What is there, or
 * gone, already is fine.
 */
must_check int ipset_send(struct ipset_kernel *k, const char *type, const struct buf *records,
			  const char *name);
/*
 * The dump of a set (NULL: of all, IPSET_ALL_NAMES: of their names) as messages of IPSET_CMD_LIST. Logs
 * nothing.
 */
must_check int ipset_dump(struct ipset_kernel *k, const char *name, netlink_callback *fn, void *arg);
#define IPSET_ALL_NAMES ""

/*
 * Reads one set as it is now, a temporary one too, into a zeroed ruleset. written: as in struct set_ref. -errno, not
 * logged.
 */
must_check int ipset_read(struct ipset_kernel *k, const char *name, bool written,
			  struct ruleset *out);

/*
 * Records that change a set member by member, in place: with `join` sent it has the old and the new ones, with
 * `part` too the new ones alone. The way back from anywhere: `rejoin`, then `unjoin`.
 */
struct ipset_update {
	struct buf join, part, rejoin, unjoin;
};
void ipset_update_release(struct ipset_update *u);

/*
 * What makes `new` of `names` of `old` of `now`; both have records. Equal members are not in it, nor dynamic
 * ones that only the old set has: those stay. What a look-up finds in both sets it finds at every moment, and
 * what it finds in neither it never finds; look-ups whose answers change do not change all at once. False: the
 * set cannot change so, since it is made differently, has an order, has no room for old and new members
 * together, or members that change take out of larger ones.
 */
bool ipset_update(struct ruleset *now, const struct table *old, struct ruleset *names,
		  const struct table *new, struct ipset_update *update);

/*
 * The set `new` of `names` with what stays of the one that `now` consists of as it is there, and with its dynamic
 * members besides: a table of `mixed`, which is zeroed. 1; 0: the sets are made differently, nothing
 * stays; -errno (not logged).
 */
must_check int ipset_mix(struct ruleset *now, struct ruleset *names, const struct table *new,
			 struct ruleset *mixed);
/* Does to the set of this name what makes `late` of `early`, which consist of one set each. -errno, logged or not. */
must_check int ipset_follow(struct ipset_kernel *k, struct ruleset *early, struct ruleset *late,
			    const char *name);

#endif
