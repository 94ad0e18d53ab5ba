/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft - inside the nf_tables engine
 *
 * The records of a table are the kernel's own NEW* messages (linux/netfilter/nf_tables.h)
 * as dumped, in load order: NEWTABLE, NEWCHAIN, NEWOBJ, NEWFLOWTABLE, NEWSET, NEWSETELEM,
 * NEWRULE. Left out are only what must never be kept: handles, use counts,
 * positions, owner, and attributes that hold kernel state (NFTA_SET_TYPE, NFTA_SET_COUNT).
 * Rules of bound chains come before the rules that jump there, and sequence numbers are 0.
 *
 * nft_dump.c captures, nft_store.c keeps what is dumped, nft_watch.c hears what others
 * commit meanwhile, nft_message.c copies a message for one of three ends (to compare, to load,
 * to move), nft_index.c knows the sets and chains of a table, nft_digest.c compares,
 * nft_items.c takes tables apart, nft_compose.c puts them together, nft_facts.c says what rules
 * are known by, nft_order.c knows the order of base chains. nft_put.c puts messages into batches,
 * nft_load.c whole tables; nft_change.c sends what nft_stage.c, nft_chains.c and nft_elements.c
 * make of the difference between two tables.
 */
#ifndef FWSNAP_NFT_H
#define FWSNAP_NFT_H

#include "engine.h"
#include "engine/netlink.h"

#include <netinet/in.h> /* before the kernel's own */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/* Newer than some installed headers. */
#define NFT_SET_ATTR_TYPE 19  /* NFTA_SET_TYPE */
#define NFT_SET_ATTR_COUNT 20 /* NFTA_SET_COUNT */

static inline uint8_t nft_type(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_type & 0xff;
}

/* Messages in a table's records. */
struct nft_messages {
	const struct nlmsghdr **m;
	size_t n;
};

/* A set of the table, as its NEWSET message describes it. */
struct nft_set {
	const char *name; /* owned */
	uint32_t flags;
	uint32_t id;          /* for NFTA_SET_ID: first_id + its place from 1 */
	uint32_t link_fields; /* bit n: the 32-bit word n of the key is an interface index */
	bool data_is_link;
	bool sized;   /* NFTA_SET_DESC_SIZE is there */
	bool updated; /* a rule adds to it (dynset) */
	struct digest attributes, fixed, dynamic;
	struct digest end; /* of an interval's end whose start comes next */
	bool ended;
	struct nft_messages elements; /* nft_index_records */
	const struct nlmsghdr *record;
	char *moved; /* the name that it gets elsewhere; owned */
	bool met;    /* nft_refers: searched already */
};

struct nft_chain {
	const char *name; /* owned */
	uint32_t flags, policy, hook;
	int32_t priority;
	bool base;
	uint32_t id;    /* for NFTA_CHAIN_ID of a bound chain, likewise */
	unsigned rules; /* seen so far */
	struct strlist devices;
	struct digest attributes, digest; /* digest: of a bound chain's rules */
	struct nft_messages messages; /* its rules (nft_index_records) */
	const struct nlmsghdr *record;
	char *moved; /* the name that it gets elsewhere; owned */
	bool met;    /* nft_refers: searched already */
	size_t turn; /* while it is changed: its place there, from 1 */
};

/* Sets and chains by name (tsearch), and in order of appearance. */
struct nft_index {
	void *set_tree, *chain_tree;
	struct nft_set **sets;
	size_t nsets;
	struct nft_chain **chains;
	size_t nchains;
	bool doubled; /* a set or a chain was added twice */
	uint32_t first_id; /* ids are unique in a batch: each table's begin behind the last one's */
};

void nft_index_release(struct nft_index *x);
/* Adds what a NEWSET or NEWCHAIN message describes and returns it. */
struct nft_set *nft_index_set(struct nft_index *x, const struct nlmsghdr *nlh);
struct nft_chain *nft_index_chain(struct nft_index *x, const struct nlmsghdr *nlh);
/* Adds all sets and chains of well-formed records, with the messages that belong to each. */
void nft_index_records(struct nft_index *x, const struct buf *records);
/* The messages only: the sets and chains are there. */
void nft_index_messages(struct nft_index *x, const struct buf *records);
struct nft_set *nft_find_set(const struct nft_index *x, const char *name);
struct nft_chain *nft_find_chain(const struct nft_index *x, const char *name);

/*
 * Copying a message
 *
 * compare: the canonical form (ruleset.h): interfaces, ipsets by name; anonymous sets and bound
 *   chains by content; nothing that does not count.
 * load: what NFNL_BATCH accepts, indexes translated to links[].now and sets[].now.
 * move: a record of another ruleset, indexes translated to those of `into`, anonymous sets and bound chains
 *   with the names that rename() gives.
 */
enum nft_purpose { NFT_COMPARE, NFT_LOAD, NFT_MOVE };

struct nft_copy {
	struct ruleset *rs;
	const struct nft_index *index;
	enum nft_purpose purpose;
	struct ruleset *into; /* move */
	const char *(*rename)(void *arg, const char *name, bool chain);
	void *rename_arg;
	bool key_only; /* of an element what it is found by */
	bool living;   /* load: into a table that is there: anonymous sets get a name of the kernel's, and go by id */
	bool without_policy;
	const char *chain; /* load: a rule goes into this chain; NULL: into its own */
	bool note; /* compare: interfaces that are met are noted in rs (a capture) */
	bool without_size; /* load: a set that a rule adds to is made without its size first */
	struct buf *out;
	/* set by the copy */
	int error;               /* first one: -ENODEV, -ENOENT (an interface, ipset is gone), -EBADMSG, -EXDEV */
	struct buf why;          /* its text: "interface 'd0' is not there" */
	bool timed;              /* the element that was copied has a timeout */
	/* while it runs */
	uint8_t family;
	const struct nft_set *set;
	bool interval_end; /* of the element */
	struct nft_link {
		const struct nlattr *value; /* is an interface index */
		bool big_endian;
	} *links;
	size_t nlinks;
	unsigned depth;
	int compat;              /* protocol for NFTA_RULE_COMPAT, -1: none */
	bool compat_inverted;
};

/* Appends an attribute; type with its flags. */
void nft_put_attribute(struct buf *out, uint16_t type, const void *data, size_t n);
void nft_put_text(struct buf *out, uint16_t type, const char *s);
/* Begins an attribute that holds others; its place, for nft_nest_close. */
size_t nft_nest_open(struct buf *out, uint16_t type);
void nft_nest_close(struct buf *out, size_t at);

/* Appends the name "__set%d" of which the kernel makes one that is free, after that of an anonymous set. */
void nft_put_pattern(struct buf *out, uint16_t type, const char *name);

/* Appends a copy of the message's attributes to c->out (compare: without table names). */
void nft_copy_message(struct nft_copy *c, const struct nlmsghdr *nlh);
/* Appends a copy of one element of c->set (attributes within NFTA_LIST_ELEM). */
void nft_copy_element(struct nft_copy *c, const struct nlattr *element);
/* Appends a dumped message as a record: without what must never be kept. */
void nft_store(struct buf *records, const struct nlmsghdr *nlh);
/* Calls fn for each chain that a rule jumps or goes to. */
void nft_rule_jumps(const struct nlmsghdr *nlh, void (*fn)(const char *chain, void *arg),
		    void *arg);
/* The set that a rule adds to or deletes from (dynset): fn for each. */
void nft_rule_updates(const struct nlmsghdr *nlh, void (*fn)(const char *set, void *arg),
		      void *arg);
/* The sets that a rule looks up, adds to or finds objects in: fn for each. */
void nft_rule_sets(const struct nlmsghdr *nlh, void (*fn)(const char *set, void *arg), void *arg);
/* The indexes of ipsets that xt matches and targets of a rule name: fn for each. */
void nft_rule_ipsets(const struct nlmsghdr *nlh, void (*fn)(uint16_t index, void *arg), void *arg);
/*
 * Follows the registers through a rule: which compared or sent-to values are interface
 * indexes (c->links), and the protocol that xt matches of the rule
 * need to be told again (c->compat: NFTA_RULE_COMPAT is never dumped).
 */
void nft_rule_flow(struct nft_copy *c, const struct nlmsghdr *rule);

/* Iterates over well-formed records; nft_records_ok() tells whether they all are. */
#define nft_each(nlh, records)                                                                     \
	for (const struct nlmsghdr *nlh = (const void *)(records)->data;                           \
	     nlh && (const unsigned char *)nlh < (records)->data + (records)->len;                 \
	     nlh = (const void *)((const char *)nlh + MNL_ALIGN(nlh->nlmsg_len)))
bool nft_records_ok(const struct buf *records);

/* The digest of a table, fed with its records in order. */
struct nft_digest {
	struct ruleset *rs;
	bool note; /* see struct nft_copy */
	struct table *t;
	struct nft_index index;
	struct buf canon;
	struct nft_chain *last; /* the chain of the last rule */
	struct items *items;    /* NULL: not wanted; else what the records, all in t->records, are made of */
	int error;              /* -EBADMSG: a record was not well-formed */
	bool marked;            /* the table has flags, or a comment */
};
void nft_digest_feed(struct nft_digest *d, const struct nlmsghdr *nlh);
/* What a rule's item has: of the canonical form alone. Sets and chains of the index are complete. */
struct digest nft_rule_digest(struct ruleset *rs, const struct nft_index *x, const struct nlmsghdr *rule);
/* Completes t->fixed, dynamic, counts, empty; the index stays until nft_index_release. */
void nft_digest_end(struct nft_digest *d);
/* Whether a base chain equals an absent one. Its rules have all been seen. */
bool nft_chain_absent(const struct nft_chain *c);

/* Whether all records are well-formed, and of this table. */
bool nft_table_ok(const struct table *t);

/* The engine's functions (engine.h). */
int nft_capture(struct ruleset *rs, const struct capture *c);
int nft_change(struct plan *plan);
/* The same, and the index of the table, which the caller releases; first_id of it is set. */
int nft_take_apart(struct ruleset *rs, const struct table *t, struct items *out, struct nft_index *x);
int nft_items(struct ruleset *rs, const struct table *t, struct items *out);
int nft_compose(struct ruleset *rs, struct table *t, const struct piece *pieces, size_t n);
void nft_refers(const struct table *t, const struct item *const *items, size_t n,
		item_reference *fn, void *arg);
void nft_facts(const struct ruleset *rs, const struct table *t, const struct items *items,
	       facts_wanted *wanted, rule_facts *fn, void *arg);

/*
 * Base chains that share hook and priority, for ruleset.order. chains: of all
 * captured tables. Asks the kernel only if any two share.
 */
struct nft_base {
	uint8_t family;
	const char *table, *chain;
	uint32_t hook;
	int32_t priority;
	const struct strlist *devices;
};
must_check int nft_order_capture(struct netlink *n, const struct nft_base *bases, size_t nbases,
				 struct buf *order);

#endif
