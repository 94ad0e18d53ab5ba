/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_stage - from the live tables to others: stage, then switch
 *
 * A commit of the kernel puts the rules of all chains into force at one moment. Not so the content
 * of new interval sets and policies: they follow while packets pass. So what is new is committed
 * where no packet comes by, and the commit that switches puts nothing into force but rules:
 *
 *   prepare  new objects, sets with elements, chains; nothing refers to them
 *   stage    added elements; in chains that change, where none of it is reached, rules with sets
 *   switch   rules are added and deleted, elements deleted; a verdict like its policy to be ends a chain
 *   policy   policies are set, once no packet is on its way through the rules of before: it would
 *            meet the new policy at their end
 *   clean    those verdicts go
 *
 * Where base chains come and others go, those that go stay in force through the switch: a packet that had passed the
 * hook of a new one before it was there still meets the old one. What both let pass, both let pass.
 * They end with the policies, and are removed in the end.
 *
 * Each is one batch; those that would be empty are not sent, and the first two are one where they
 * can. New rules are out of reach in the stage
 * - at the end of a chain behind a verdict equal to its end (base chain: its policy; else return);
 * - before rules that stay: behind a goto to a temporary chain, which has copies of all rules from
 * there on. A rule without new interval sets needs neither: the switch adds it. What stays is not
 * touched at all.
 */
#ifndef FWSNAP_NFT_STAGE_H
#define FWSNAP_NFT_STAGE_H

#include "engine/nft_put.h"

enum nft_step { NFT_PREPARE, NFT_STAGE, NFT_SWITCH, NFT_POLICY, NFT_CLEAN, NFT_STEPS };

/* A table on its way. */
struct nft_turn {
	struct nft_side old, new; /* one may have no table */
	struct items olds, news;
	struct item_changes changes;
	struct nft_chain_turn *chains;
	size_t nchains;
	bool whole; /* made anew at once: not staged */
};

/* A chain that is not new, or has a hook, while it changes. */
struct nft_chain_turn {
	struct nft_chain *was, *is; /* NULL: not there */
	const char *name;
	bool *removed; /* by place in the old chain */
	struct nft_added {
		const struct nlmsghdr *rule;
		size_t place; /* of the old rule that it comes before; the first one that stays */
		unsigned number; /* in the new chain */
	} * added;
	size_t nadded;
	size_t staged;	   /* rules that come from this place on are staged; SIZE_MAX: none */
	uint64_t *handles; /* by place in the old chain */
	char *copy;	   /* name of the temporary chain; NULL: none is needed */
};

struct nft_stage {
	struct plan *plan;
	struct netlink netlink;
	/* messages without begin and end; late: of the switch, after the verdicts of the stage are
	 * deleted */
	struct nft_batch batch[NFT_STEPS], late;
	bool apart; /* what is prepared must be in force before what is staged */
	bool linger; /* base chains that go end once no packet is on its way past those that come */
	struct nft_turn *turns;
	size_t nturns;
	uint32_t ids;
	unsigned temporary; /* chains so far */
};

static inline struct nft_batch *nft_stage_batch(struct nft_stage *s)
{
	return &s->batch[s->apart ? NFT_STAGE : NFT_PREPARE];
}

/* Where what is no longer referred to after the switch, or what ends later, is removed. */
static inline struct nft_batch *nft_stage_late(struct nft_stage *s)
{
	return s->linger ? &s->batch[NFT_CLEAN] : &s->late;
}

/* Notes in the plan what of a table cannot be staged: what the kernel only makes anew. */
bool nft_stage_refuses(struct plan *plan, const struct nft_turn *t);
/* Puts all turns into the batches. 0, -errno (logged), -ERESTART (nft_chains_look_up). */
must_check int nft_stage_put(struct nft_stage *s, const struct strlist *order);

/* Rules and policies of the chains of a table. */
void nft_chains_find(struct nft_turn *t);
void nft_chains_release(struct nft_turn *t);
/* Whether a chain needs a temporary one, which must be in force before packets are sent there. */
bool nft_chains_need(const struct nft_turn *t);
/* Looks up the handles; -ERESTART, not logged: the rules are no longer those of t->old. */
must_check int nft_chains_look_up(struct nft_stage *s, struct nft_turn *t);
must_check int nft_chains_put(struct nft_stage *s, struct nft_turn *t);
/* Sets come, go if base chains do. */
void nft_chains_move(const struct nft_turn *t, bool *come, bool *go);
/* Deletes the chains that are no longer wanted; nothing refers to them any more. */
void nft_chains_remove(struct nft_stage *s, struct nft_turn *t);
/* Ends what the base chains of a table do, before it is deleted. */
void nft_chains_end(struct nft_stage *s, const struct nft_side *old);

/* Elements of sets that stay. */
must_check int nft_elements_put(struct nft_stage *s, struct nft_turn *t);
/* Dynamic elements that lead to a chain or an object that goes, go too. Before the items are compared. */
void nft_elements_let_go(struct nft_turn *t);
/* Whether any is added that jumps to a chain that is new. */
bool nft_elements_jump(const struct nft_turn *t);

#endif
