/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manifest - the first entry of a snapshot: its story and its table of contents
 *
 * "key: value" lines in UTF-8, ended by newline, in this order; a key that does not
 * apply is left out, unknown keys are kept out of the way (ignored) by readers
 * of the same format. Control characters, newline and backslash inside a value are written \n, \\, \xHH.
 * fwsnap-snapshot(5) is the reference.
 *
 *   format: 1
 *   id: 42
 *   created: 2026-11-23T21:06:26Z
 *   kind: saved | automatic
 *   host, kernel, machine: uname(2) nodename, release, machine
 *   user: login name or uid      from: terminal and address ("pts/3 198.51.100.7"), or the service
 *   message: why (-m)            tag: NAME (a line each)
 *   boot: 32 hex digits          cookie: SO_NETNS_COOKIE, decimal
 *   programs: "nft 1.0.6" and the like, a line each
 *   ruleset: DIGEST of all that counts
 *   table: ENGINE FAMILY fixed=DIGEST dynamic=DIGEST chains=N rules=N sets=N elements=N objects=N
 *          size=N empty=0|1 proof=iptables|ip6tables|nftables|ipset|exact type=TYPE name=NAME   (a line each)
 *   link: INDEX NAME             set: INDEX written=0|1 NAME       (a line each)
 *   order: LINE                  owned: FAMILY NAME
 *   part: DIGEST SIZE NAME       (a line each, in archive order)
 *   text: STATE DIGEST SIZE PATH (a line each; STATE written | left | absent, see store.h)
 */
#ifndef FWSNAP_MANIFEST_H
#define FWSNAP_MANIFEST_H

#include "buf.h"
#include "ruleset.h"

#define MANIFEST_FORMAT 1

/* How a table's text was proved. */
enum proof { PROOF_NONE, PROOF_IPTABLES, PROOF_IP6TABLES, PROOF_NFT, PROOF_IPSET, PROOF_EXACT };
/* "iptables", ..., "exact"; "none". */
const char *proof_name(enum proof p);

struct manifest_part {
	char *name;
	struct digest digest;
	uint64_t size;
};

enum text_state {
	TEXT_ABSENT,  /* save left no file there */
	TEXT_WRITTEN, /* save wrote it: digest and size are of the file */
	TEXT_LEFT,    /* save left the file that was there (stale): digest and size are of that */
};

struct manifest_text {
	char *path; /* as configured, without --root */
	enum text_state state;
	struct digest digest;
	uint64_t size;
};

struct manifest {
	unsigned format;
	unsigned id;
	int64_t created; /* seconds since 1970, UTC */
	bool automatic;
	char *host, *kernel, *machine, *user, *from, *message;
	struct strlist tags, programs;
	struct ruleset rs;     /* tables without records, links, sets, order, where, owned */
	enum proof *proofs;    /* one a table of rs, same order; NULL: none yet */
	struct manifest_part *parts;
	size_t nparts;
	struct manifest_text *texts;
	size_t ntexts;
};

/* Frees all, makes it zero. */
void manifest_release(struct manifest *m);
/* Appends the text form. */
void manifest_format(const struct manifest *m, struct buf *out);
/*
 * Parses n bytes into a zeroed m. 0; -EBADMSG (damaged; *line, if not NULL, is
 * the line's number from 1); -ENOTSUP: a newer format (m->format says which).
 * On error m is released but for format. Hostile input is expected: every number is bounded,
 * every name checked (fewer than 100,000 tables, names at most 255 bytes without NUL).
 */
must_check int manifest_parse(struct manifest *m, const void *data, size_t n, unsigned *line);
/* The text record of a path, or NULL. */
const struct manifest_text *manifest_text(const struct manifest *m, const char *path);

#endif
