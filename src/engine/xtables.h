/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xtables - legacy iptables and ip6tables tables
 *
 * A table is read through libiptc. It is replaced by one setsockopt of the kernel's own
 * interface (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h; the
 * structures around the entries are the same in both), with an image put together in one
 * pass over the records: through libiptc, 100,000 rules in 20,000 chains take three times as long.
 *
 * Records
 * -------
 * Native byte order and alignment, in the order of the kernel's table. Each begins with
 * struct xt_record; length counts the whole record and is a multiple of 8.
 *   XT_CHAIN  struct xt_chain. Chains are numbered from 0 in the order of their records.
 *   XT_RULE   struct xt_record, then the rule as the kernel gave it (struct ipt_entry or
 *             struct ip6t_entry, matches, target; next_offset bytes), zeros up to the
 *             length. It belongs to the last XT_CHAIN before it. Different from the kernel's:
 *             nfcache and comefrom are 0 (they say nothing that lasts);
 *             XT_RULE_JUMP: the verdict of the standard target is the number of a chain;
 *             XT_RULE_NEXT: there is no verdict (0): the next rule follows.
 * Counters are in place in both. The policy of a built-in chain and the last entry of
 * another are not rules: they are in struct xt_chain.
 */
#ifndef FWSNAP_ENGINE_XTABLES_H
#define FWSNAP_ENGINE_XTABLES_H

#include "engine.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

enum { XT_CHAIN = 1, XT_RULE = 2 };
enum { XT_CHAIN_BUILTIN = 1 };
enum { XT_RULE_JUMP = 1, XT_RULE_NEXT = 2 };

struct xt_record {
	uint32_t length;
	uint16_t kind, flags;
};

struct xt_chain {
	struct xt_record record;
	char name[XT_TABLE_MAXNAMELEN];
	int32_t policy; /* of a built-in chain: as in a standard target; else 0 */
	uint32_t hook;  /* of a built-in chain: NF_INET_*; else 0 */
	struct xt_counters counters;
};

/* What differs between IPv4 and IPv6. */
struct xt_family {
	uint8_t family; /* NFPROTO_* */
	int domain, level;
	const char *names;  /* file with the names of the tables that exist */
	const char *module;
	int match_revision, target_revision; /* getsockopt: the other options are the same in both */
	/* of struct ipt_entry or ip6t_entry */
	size_t size, nfcache, target_offset, next_offset, comefrom, counters;
};

extern const struct xt_family xt_families[2];
/* The names of built-in chains, by NF_INET_*. */
extern const char *const xt_hook_names[NF_INET_NUMHOOKS];
/* The row for NFPROTO_IPV4 or NFPROTO_IPV6, or NULL. */
const struct xt_family *xt_family(uint8_t family);

/* Of an entry that is known to be well-formed. */
static inline uint16_t xt_target_offset(const struct xt_family *f, const void *entry)
{
	return *(const uint16_t *)((const char *)entry + f->target_offset);
}

static inline uint16_t xt_next_offset(const struct xt_family *f, const void *entry)
{
	return *(const uint16_t *)((const char *)entry + f->next_offset);
}

static inline struct xt_counters *xt_entry_counters(const struct xt_family *f, void *entry)
{
	return (struct xt_counters *)((char *)entry + f->counters);
}

static inline struct xt_entry_target *xt_entry_target(const struct xt_family *f, const void *entry)
{
	return (struct xt_entry_target *)((uintptr_t)entry + xt_target_offset(f, entry));
}

static inline struct xt_standard_target *xt_standard(const struct xt_family *f, const void *entry)
{
	return (struct xt_standard_target *)xt_entry_target(f, entry);
}

/* Whether there is a well-formed entry in the first n bytes. */
bool xt_entry_ok(const struct xt_family *f, const void *entry, size_t n);

/*
 * Calls fn for each ipset index in a well-formed entry; writes: the rule adds to the set, or deletes
 * from it. 0, what fn returned if that was not 0, or -EBADMSG.
 */
typedef int xt_set_function(void *arg, uint16_t *index, bool writes);
int xt_each_set(const struct xt_family *f, void *entry, xt_set_function *fn, void *arg);

/* A chain of a stream of records. */
struct xt_part {
	const struct xt_chain *chain;
	size_t size;    /* bytes of its rules as entries */
	unsigned rules;
	uint32_t start; /* for whoever lays out a table: offset of the first rule */
};

/* A stream of records that was found well-formed. */
struct xt_stream {
	const struct xt_family *family;
	struct xt_part *parts;
	size_t nparts;
};

/* -EBADMSG if the records of t are not well-formed. They must outlive s. Caller: xt_stream_release. */
must_check int xt_stream_open(struct xt_stream *s, const struct table *t);
void xt_stream_release(struct xt_stream *s);
#define cleanup_stream __attribute__((cleanup(xt_stream_release)))
/* The record behind r. */
const struct xt_record *xt_record_next(const struct xt_record *r);
const void *xt_record_entry(const struct xt_record *r);

/*
 * Reduces records, as they come, to digests, counts and chain names of a table. The caller sets
 * the first four; xt_digest_release frees names (the array, not the strings).
 */
struct xt_digest {
	struct ruleset *rs;
	struct table *table;
	const struct xt_family *family;
	const char **names;  /* of chains by number; they outlive this */
	const char *chain;   /* of the rules that follow */
	uint32_t position;
	struct buf canonical, sets;
};

/* Whether a chain without rules equals an absent one: built in, policy accept. */
bool xt_chain_plain(const struct xt_chain *c);
struct digest xt_chain_digest(const struct xt_chain *c);
/* Of a well-formed rule at d->position of d->chain; -ENOENT if it names an ipset that rs does not know. */
must_check int xt_rule_digest(struct xt_digest *d, const struct xt_record *r, struct digest *out);
/* One well-formed record; -ENOENT if it names an ipset that rs does not know. */
must_check int xt_digest_record(struct xt_digest *d, const struct xt_record *r);
void xt_digest_release(struct xt_digest *d);
#define cleanup_digest __attribute__((cleanup(xt_digest_release)))

/* The engine's capture, items, compose, refers and facts (engine.h). */
int xt_capture(struct ruleset *rs, const struct capture *c);
int xt_items(struct ruleset *rs, const struct table *t, struct items *out);
int xt_compose(struct ruleset *rs, struct table *t, const struct piece *pieces, size_t n);
void xt_refers(const struct table *t, const struct item *const *items, size_t n,
	       item_reference *fn, void *arg);
void xt_facts(const struct ruleset *rs, const struct table *t, const struct items *items,
	      facts_wanted *wanted, rule_facts *fn, void *arg);
/* Takes iptables' lock: 0, -EBUSY or another -errno (logged). Nests. */
must_check int xt_lock(unsigned wait);
void xt_unlock(void);

/*
 * Captures a table that exists (engine.h): appends it to rs with records and digests.
 * -EAGAIN, not logged, if it or the sets that it names change meanwhile; other errors are logged.
 */
must_check int xt_read_table(struct ruleset *rs, const struct capture *c,
			     const struct xt_family *f, const char *name);

/* The kernel's tables. These return 0 (or what they say) or -errno and log nothing. */

/* A socket for the family; its descriptor. */
must_check int xt_socket(const struct xt_family *f);
/* Layout of a table. Makes the table if it does not exist. -ENOPROTOOPT: the kernel has no such tables. */
must_check int xt_info(const struct xt_family *f, int fd, const char *name,
		       struct ipt_getinfo *info);
/* "match 'x' revision 1": what an entry needs and the kernel has not; NULL: nothing. Caller frees. */
char *xt_entry_lacks(const struct xt_family *f, int fd, const void *entry);

/* A whole table ready to be sent. A zeroed one can be released. */
struct xt_image {
	const struct xt_family *family;
	const struct table *table;         /* NULL: the empty table */
	struct ipt_replace *replace;       /* entries behind it; old counters beside it */
	struct xt_counters_info *counters;
	unsigned *from; /* the place of each entry in the table that is replaced, whose counter runs on; may be NULL */
};
#define XT_ENTRY_NEW UINT_MAX

/*
 * Builds the image of t (NULL: the empty one) for a kernel's table of this name and these hooks. It
 * will replace a table of `entries` entries. sets[].now of `names` say where ipsets are. Logs what
 * is not to be had.
 */
must_check int xt_image_build(struct xt_image *image, const struct xt_family *f,
			      const struct table *t, const struct ruleset *names,
			      const struct ipt_getinfo *info, unsigned entries);
void xt_image_release(struct xt_image *image);
/* Replaces the kernel's table. Logs why the kernel refuses. Counters that it does not take are a warning. */
must_check int xt_image_commit(struct xt_image *image, int fd);

/*
 * For each entry of the image `new` the place of the same rule in the kernel's table, which is as the records of `old`
 * (NULL: empty) say, or XT_ENTRY_NEW. Caller frees; NULL: it cannot be told.
 */
unsigned *xt_relate_kernel(int fd, const struct ipt_getinfo *info, const struct table *old,
			   struct ruleset *old_names, const struct xt_image *new,
			   struct ruleset *new_names);
/* The same where the image `old` is what the kernel has. */
unsigned *xt_relate_images(const struct xt_image *old, struct ruleset *old_names,
			   const struct xt_image *new, struct ruleset *new_names);

#endif
