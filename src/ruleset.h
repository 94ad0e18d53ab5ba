/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset - all that the kernel enforces in one network namespace
 *
 * The one type that crosses all borders. A ruleset is a list of tables, each
 * captured by one engine: an nf_tables table, a legacy xtables table, an ipset.
 * A table holds its records, a stream of netlink messages in the engine's own
 * documented form and in load order, and the digests by which it is compared.
 *
 * Numbers of this host (interface and ipset indexes) stay in the records as the
 * kernel gave them; `links` and `sets` say which names they stand for.
 *
 * Equality
 * --------
 * This is the one definition; save, verify, status and the tests use it through
 * ruleset_equal() and table_equal().
 *   Ignored: handles, use counts, ids, names of anonymous sets and bound chains,
 *     remaining timeouts, counters, consumed quota, last-used, dump order of what
 *     has no order, the current bucket count of a hash.
 *   Dynamic (kept and restored, neither drift nor a reason for a new version):
 *     elements with a timeout, elements of sets that a rule adds to (dynset, SET).
 *   Empty equals absent: a legacy table with built-in chains, policy accept, no
 *     rules; an nf_tables base chain with no rule and policy accept, and a table of
 *     nothing but such chains (iptables-nft makes one for every table that is looked at).
 *   Everything else counts, the order of rules and of base chains of equal
 *     priority included. Interfaces and ipsets count by name.
 * Each engine reduces a table to digests under these rules: for every record the
 * 128-bit XXH3 of its canonical form is added (modulo 2^128) to `fixed`, or to
 * `dynamic`. Addition makes the order of records irrelevant; where order counts
 * the position is part of the canonical form.
 */
#ifndef FWSNAP_RULESET_H
#define FWSNAP_RULESET_H

#include "buf.h"
#include "netns.h"

/* In load order. */
enum engine_id { ENGINE_IPSET, ENGINE_NFT, ENGINE_XTABLES, ENGINE_COUNT };

struct digest {
	uint64_t low, high;
};

struct table_counts {
	unsigned chains, rules, sets, elements, objects;
};

struct table {
	enum engine_id engine;
	uint8_t family;   /* NFPROTO_*: nft, xtables; of an ipset its own, for information */
	char *name;
	char *type;       /* ipset: its type ("hash:ip"); else NULL */
	bool empty;       /* equals absent */
	struct digest fixed, dynamic;
	struct digest members;  /* ipset: not yet known to be fixed or dynamic (ruleset_finish) */
	struct table_counts counts;
	size_t size;           /* bytes of the records, whether they are here or streamed away */
	struct buf records;    /* empty when the capture was streamed */
	struct strlist chains, sets; /* names of those that have one, in dump order */
};

/* An interface that the records name by index, or that a hook is bound to. */
struct link_ref {
	uint32_t index;       /* at capture; 0: named by name only */
	char name[IFNAMSIZ];  /* "": the index had no interface at capture */
	uint32_t now;         /* where it is to be loaded; 0: no such interface (ruleset_resolve) */
};

/* An ipset that was there at capture. */
struct set_ref {
	uint16_t index;
	char name[32];
	bool written;   /* some rule's SET target adds to it or deletes from it */
	bool aside;     /* the name is that of a temporary set, which rules are to use meanwhile */
	uint16_t now;   /* where it is to be loaded; 65535: not there */
};
#define SET_REF_NONE 65535

struct ruleset {
	struct netns_id where; /* where links and sets have these indexes */
	struct table *tables;
	size_t ntables;
	struct link_ref *links;
	size_t nlinks;
	struct set_ref *sets;
	size_t nsets;
	/*
	 * Evaluation order of base chains that share hook and priority with one of
	 * another table: lines "FAMILY HOOK PRIORITY [DEVICE]: FAMILY TABLE CHAIN, ...".
	 */
	struct buf order;
	uint32_t generation;   /* nf_tables generation id at capture; 0: not known */
	struct strlist owned;  /* "FAMILY NAME" of tables left out: owned by a process */
};

/* A zeroed ruleset is an empty one. */
void ruleset_release(struct ruleset *rs);

/* Copies all but the records into a zeroed `out`. */
void ruleset_outline(const struct ruleset *rs, struct ruleset *out);

/* Appends a zeroed table with this identity and returns it (valid until the next append). */
struct table *ruleset_add(struct ruleset *rs, enum engine_id engine, uint8_t family,
			  const char *name);
/* Takes a table out of rs; those behind it move. */
void ruleset_drop(struct ruleset *rs, struct table *t);
/* The table of this identity, or NULL. */
struct table *ruleset_find(const struct ruleset *rs, enum engine_id engine, uint8_t family,
			   const char *name);

/* The table of rs with the identity of t, or NULL. */
struct table *ruleset_counterpart(const struct ruleset *rs, const struct table *t);
/* The sums over all tables that are not empty, and how many these are. */
struct table_counts ruleset_counts(const struct ruleset *rs, unsigned *tables);

/* Notes an interface by index (looked up in the caller's namespace unless known). */
void ruleset_note_link(struct ruleset *rs, uint32_t index);
/* Notes an interface by name. */
void ruleset_note_device(struct ruleset *rs, const char *name);
/* The reference for an index, or NULL if never noted. */
const struct link_ref *ruleset_link(const struct ruleset *rs, uint32_t index);
struct set_ref *ruleset_set(const struct ruleset *rs, uint16_t index);
struct set_ref *ruleset_set_named(const struct ruleset *rs, const char *name);
/*
 * The number in rs of what `index` is in `from`, by name; what is new there is noted, with the number
 * that it has in `from` or, where rs has that for another name, one that is free. 0, SET_REF_NONE: it has no
 * name in `from`, and one in rs.
 */
uint32_t ruleset_move_link(struct ruleset *rs, const struct ruleset *from, uint32_t index);
uint16_t ruleset_move_set(struct ruleset *rs, const struct ruleset *from, uint16_t index);

/*
 * Sets links[].now for the caller's namespace: the index that the name has, 0 where it is
 * gone (only a rule that needs it makes this an error). An index that had no name at
 * capture stays what it is in the boot and namespace of the capture.
 */
void ruleset_resolve(struct ruleset *rs);

/*
 * Ends a capture: folds each ipset's `members` into `dynamic` if a rule writes to the set,
 * else into `fixed`. Idempotent.
 */
void ruleset_finish(struct ruleset *rs);

/* digest arithmetic, for the engines */
struct digest digest_of(const void *data, size_t n);
void digest_add(struct digest *sum, struct digest d);
bool digest_equal(struct digest a, struct digest b);
#define DIGEST_HEX 33 /* 32 hex digits (high, then low) and a NUL */
void digest_hex(struct digest d, char hex[static DIGEST_HEX]);
must_check int digest_parse(const char *hex, struct digest *d);

/* Equality of what counts; a NULL table is an absent one. */
bool table_equal(const struct table *a, const struct table *b);
bool ruleset_equal(const struct ruleset *a, const struct ruleset *b);
/* One digest of all that counts: equal rulesets have equal ones. */
struct digest ruleset_digest(const struct ruleset *rs);
/*
 * Names what differs, one line a table ("ip filter differs", "set 'bl' is missing"),
 * appended to out; nothing if they are equal.
 */
void ruleset_differences(const struct ruleset *want, const struct ruleset *have, struct buf *out);

/* "ip filter", "legacy ip6 nat", "ipset blocked": for messages. Caller frees. */
char *table_label(const struct table *t);
/* "ip", "ip6", "inet", "arp", "bridge", "netdev" and back; NULL, -EINVAL if unknown. */
const char *family_name(uint8_t family);
must_check int family_parse(const char *name);

#endif
