/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_put - messages of a captured table, put into a batch
 *
 * Functions return 0, or -errno (logged with the object's name).
 */
#ifndef FWSNAP_NFT_PUT_H
#define FWSNAP_NFT_PUT_H

#include "engine/nft_batch.h"

/* A table on one of the two sides of a change; table is NULL where there is none. */
struct nft_side {
	struct ruleset *names; /* behind the numbers in its records */
	const struct table *table;
	struct nft_index index;
	/* into a table that is there: anonymous sets get names of the kernel's; nft_take_apart has
	 * filled the index */
	bool living;
};

/* How a message is put, where not as it stands. */
struct nft_manner {
	const char *chain;   /* a rule: into this chain */
	uint64_t before;     /* a rule: before the one of this handle, not at the end */
	unsigned place;	     /* a rule: its number, for error messages */
	bool without_policy; /* a chain: the policy comes later */
};

/* manner may be NULL. A set that needs it is made in two steps. */
must_check int nft_put_message(struct nft_batch *b, const struct nft_side *s,
			       const struct nlmsghdr *nlh, const struct nft_manner *manner);
/* A set with its elements. */
must_check int nft_put_set(struct nft_batch *b, const struct nft_side *s,
			   const struct nft_set *set);
/* A rule with the anonymous sets and bound chains that it brings along. */
must_check int nft_put_rule(struct nft_batch *b, const struct nft_side *s,
			    const struct nlmsghdr *nlh, const struct nft_manner *manner);
/* Whether it brings sets that match only after the commit that makes the rule match. */
bool nft_rule_is_late(const struct nft_side *s, const struct nlmsghdr *nlh);

/* A rule that is a verdict (NF_DROP, NFT_GOTO ...); target: the chain of a goto. */
struct nft_verdict {
	uint8_t family;
	const char *table, *chain;
	int32_t code;
	const char *target;
	uint64_t before; /* as above */
	bool noted;	 /* its handle is echoed into the batch's stoppers */
};
/* It has a mark: a change that was cut off leaves it. */
void nft_put_verdict(struct nft_batch *b, const struct nft_verdict *v);
bool nft_rule_is_passing(const struct nlmsghdr *rule);
/* Temporary chains are named so. */
#define NFT_PASSING_CHAIN "fwsnap_"

/* NFT_MSG_DEL* of what has a name: chain, set, object (type: NFT_OBJECT_*), flowtable; NULL: the
 * table. */
void nft_put_delete(struct nft_batch *b, uint8_t message, const struct table *t, const char *name,
		    uint32_t type);
/* A rule by its handle; 0: all rules of the chain. */
void nft_put_delete_rule(struct nft_batch *b, uint8_t family, const char *table, const char *chain,
			 uint64_t handle, unsigned place);
void nft_put_policy(struct nft_batch *b, const struct table *t, const char *chain, uint32_t policy);

/* Elements, one by one: begin, any number of them, end. */
struct nft_elements {
	struct nft_batch *b;
	const struct nft_side *side;
	const struct nft_set *set;
	uint8_t message; /* NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM (by their keys) */
	size_t at, nest;
	bool open;
	int error;
};
/* element: in the side's records. Begins another message where one is full. */
void nft_put_element(struct nft_elements *e, const struct nlattr *element);
must_check int nft_elements_end(struct nft_elements *e);

/* A chain to be made. */
struct nft_making {
	const struct nft_side *side;
	const struct nft_chain *chain;
	size_t rank; /* place in the order of making, from 1; 0: does not matter */
};
/* order: in which base chains of equal priority are made (order_making). */
must_check int nft_put_chains(struct nft_batch *b, struct nft_making *m, size_t n,
			      const struct strlist *order, const struct nft_manner *manner);

/*
 * Whole tables, made anew. stop: a rule at the end keeps each chain of policy drop shut until
 * the policy is in force (batch.stoppers).
 */
must_check int nft_put_tables(struct nft_batch *b, const struct nft_side *const *s, size_t n,
			      const struct strlist *order, bool stop);

#endif
