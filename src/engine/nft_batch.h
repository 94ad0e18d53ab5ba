/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_batch - one transaction of nf_tables: putting it together, sending it
 *
 * A batch is one sendmsg: split over two, the kernel commits nothing. The sequence number of a
 * message is its place in the batch, so that an error names what it is about.
 */
#ifndef FWSNAP_NFT_BATCH_H
#define FWSNAP_NFT_BATCH_H

#include "engine/nft.h"

/* A rule that keeps a chain of policy drop shut until its policy is in force. */
struct nft_stopper {
	uint8_t family;
	char *table, *chain;
	uint64_t handle;
};

struct nft_batch {
	const uint32_t *generation; /* NULL: any; else the batch fails with -ERESTART unless it is the kernel's */
	bool quiet; /* what the kernel refuses is not logged */
	struct buf out;
	uint32_t count; /* messages, BATCH_BEGIN included */
	/* what the kernel echoed: rules put with NLM_F_ECHO */
	struct nft_stopper *stoppers;
	size_t nstoppers;
};

void nft_batch_release(struct nft_batch *b);
void nft_batch_begin(struct nft_batch *b);
void nft_batch_end(struct nft_batch *b);
/*
 * Sends the batch and reads the answer: 0 only if all of it is committed. -ERESTART, not logged:
 * another generation. -ENOBUFS: the answer was lost, it may be committed or not. Anything else is
 * logged with the object's name; nothing is committed then.
 */
must_check int nft_batch_send(struct nft_batch *b);
/*
 * The same for a batch of a plan, by way of its watch. With a generation -ERESTART means then that
 * another program changed a table that the plan's steps name, or did not stop to commit: what it
 * does elsewhere is followed, the batch goes with the newest generation.
 */
must_check int nft_batch_commit(struct nft_batch *b, const struct plan *plan);

/* Starts a message; its place in b->out, for nft_message_end. */
size_t nft_message_begin(struct nft_batch *b, uint8_t type, uint8_t family, uint16_t flags);
void nft_message_end(struct nft_batch *b, size_t at);
/* The number of the rule that it is about, from 1, for people; else its place in the batch counts. */
void nft_message_place(struct nft_batch *b, size_t at, unsigned place);
/* Appends the messages of another batch, which has neither begin nor end. */
void nft_batch_append(struct nft_batch *b, const struct nft_batch *other);
/* What it is about, for people: "rule 3 of chain 'input' in table 'inet fw'". Caller frees. */
char *nft_message_label(const struct nft_batch *b, size_t at);

void nft_put(struct nft_batch *b, uint16_t type, const void *data, size_t n);
void nft_put_string(struct nft_batch *b, uint16_t type, const char *s);
size_t nft_nest_begin(struct nft_batch *b, uint16_t type);
void nft_nest_end(struct nft_batch *b, size_t at);

#endif
