/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writer - another program that commits to nf_tables all the time, in the test's namespace
 *
 * What goes wrong here fails the cmocka test that calls.
 */
#ifndef FWSNAP_TESTS_WRITER_H
#define FWSNAP_TESTS_WRITER_H

#include "engine/nft_batch.h"

#include <sys/types.h>

/* Puts the messages of the n-th commit. */
typedef void writer_commit(struct nft_batch *b, unsigned n);

/* A table of family ip with a chain, which may be there. */
void writer_make(struct nft_batch *b, const char *table, const char *chain);
/* The rules of the chain become one rule that tells n. */
void writer_put(struct nft_batch *b, const char *table, const char *chain, unsigned n);
void writer_delete(struct nft_batch *b, const char *table);
void writer_delete_chain(struct nft_batch *b, const char *table, const char *chain);
/* Commits once, as this process. */
void writer_commit_once(writer_commit *fn, unsigned n);

struct writer {
	pid_t pid;
	volatile unsigned *commits; /* how many so far */
};

/* Starts a program of that name that commits, with so many microseconds between; it has begun when this returns. */
struct writer writer_start(const char *name, unsigned pause, writer_commit *fn);
/* Ends it; it has to be alive, and to have committed since `before`. */
void writer_stop(struct writer *w, unsigned before);

#endif
