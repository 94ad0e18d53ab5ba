/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manifest - the first entry of a snapshot: its story and its table of contents
 *
 * "key: value" lines in UTF-8, ended by newline, in this order, `format` first in any case; a key
 * that does not apply is left out, one that readers of the same format do not know is ignored.
 * Newline, backslash and other control characters inside a value are written \n, \\, \xHH.
 * fwsnap-snapshot(5) is the reference.
 *
 *   format: 1
 *   id: 42
 *   created: 2026-11-23T21:06:26Z
 *   kind: saved | automatic | left (saved, and since rolled back from)
 *   host, kernel, machine: uname(2) nodename, release, machine
 *   user: login name or uid      from: terminal and address ("pts/3 198.51.100.7"), or the service
 *   message: why (-m)            tag: NAME (a line each)
 *   boot: 32 hex digits          cookie: SO_NETNS_COOKIE, decimal
 *   programs: "nft 1.0.6" and the like, a line each
 *   ruleset: DIGEST of all that counts
 *   table: ENGINE FAMILY fixed=DIGEST dynamic=DIGEST chains=N rules=N sets=N elements=N objects=N
 *          size=N empty=0|1 proof=none|iptables|ip6tables|nftables|ipset|exact [type=TYPE] name=NAME
 *          (a line each; ENGINE ipset | nft | xtables; FAMILY also unspec)
 *   link: INDEX NAME             set: INDEX written=0|1 NAME       (a line each)
 *   order: LINE                  owned: FAMILY NAME
 *   foreign: tables=N chains=N rules=N sets=N elements=N objects=N OWNER     (a line each: what was left out)
 *   frontend: active=0|1 NAME    (a line each: a program with a configuration of its own, frontend.h)
 *   file: uid=N gid=N mode=OCTAL part=PART [label=LABEL] path=PATH     (a line each, of the front-end above)
 *   runtime: ARGUMENTS           (a line each, of the front-end above)
 *   part: DIGEST SIZE NAME       (a line each, in archive order)
 *   text: STATE DIGEST SIZE PATH (a line each; STATE written | left | absent, see store.h)
 *
 * Limits (-EBADMSG beyond): 99,999 tables, links, parts, files, arguments and owned tables, 65,535 sets, 1,000 tags,
 * programs and owners, 64 texts and front-ends; names of at most 255 bytes (links 15, sets 31, tags 64, parts 100),
 * texts and files 4096,
 * other values 64 KiB.
 */
#ifndef FWSNAP_MANIFEST_H
#define FWSNAP_MANIFEST_H

#include "buf.h"
#include "ruleset.h"

#define MANIFEST_FORMAT 1

/* How a table's text was proved. */
enum proof { PROOF_NONE, PROOF_IPTABLES, PROOF_IP6TABLES, PROOF_NFT, PROOF_IPSET, PROOF_EXACT };
#define PROOF_COUNT (PROOF_EXACT + 1)
/* "iptables", "ip6tables", "nftables", "ipset", "exact"; "none". */
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
#define TEXT_STATE_COUNT (TEXT_LEFT + 1)

/* The words of the format; those of the engines are also in the names of exact parts. */
extern const char *const manifest_engines[ENGINE_COUNT];
extern const char *const manifest_proofs[PROOF_COUNT];
extern const char *const manifest_text_states[TEXT_STATE_COUNT];
#define MANIFEST_TIME "%Y-%m-%dT%H:%M:%SZ"

struct manifest_text {
	char *path; /* as configured, without --root */
	enum text_state state;
	struct digest digest;
	uint64_t size;
};

/* What of another program's was there and is not in the snapshot. */
struct manifest_foreign {
	char *owner; /* for people */
	unsigned tables;
	struct table_counts counts;
};

/* A file of a front-end's configuration. */
struct frontend_file {
	char *path;  /* without --root */
	char *part;  /* that has the content; NULL: not in a snapshot yet */
	char *label; /* SELinux'; NULL: none */
	unsigned uid, gid, mode;
	struct digest digest;
	uint64_t size;
	struct buf content; /* if it was read, too */
};
/* How a front-end was: what it reads, and what it made of that. */
struct frontend_state {
	char *name;   /* of its description (foreign.h) */
	bool active;  /* it ran, and answered */
	struct frontend_file *files; /* sorted by path */
	size_t nfiles;
	struct strlist runtime; /* arguments that make the rules at run time of the configuration, sorted */
	struct strlist unkept;  /* what cannot be kept, for people; not in a manifest */
};
struct frontends {
	struct frontend_state *state; /* sorted by name */
	size_t n;
};
void frontends_release(struct frontends *f);
/* Adds one of this name. */
struct frontend_state *frontends_add(struct frontends *f, const char *name);
/* Into an empty `to`, but for the parts. */
void frontends_copy(const struct frontends *from, struct frontends *to);
struct frontend_file *frontend_file_add(struct frontend_state *s, const char *path);
/* NULL: none of this name, or path. */
const struct frontend_state *frontends_find(const struct frontends *f, const char *name);
const struct frontend_file *frontend_file_find(const struct frontend_state *s, const char *path);
/* Whether content and attributes are equal; all files; all that is kept. */
bool frontend_file_equal(const struct frontend_file *a, const struct frontend_file *b);
bool frontend_files_equal(const struct frontend_state *a, const struct frontend_state *b);
bool frontends_equal(const struct frontends *a, const struct frontends *b);
/* What differs, a line each: "-firewalld at run time: --zone=public --add-port=25/tcp". */
void frontends_differences(const struct frontends *old, const struct frontends *new, struct strlist *lines);

struct manifest {
	unsigned format;
	unsigned id;
	int64_t created; /* seconds since 1970, UTC */
	bool automatic, left;
	char *host, *kernel, *machine, *user, *from, *message;
	struct strlist tags, programs;
	struct ruleset rs;     /* tables without records, links, sets, order, where, owned */
	enum proof *proofs;    /* one a table of rs, same order; NULL: none yet */
	struct manifest_part *parts;
	size_t nparts;
	struct manifest_text *texts;
	size_t ntexts;
	struct manifest_foreign *foreign;
	size_t nforeign;
	struct frontends frontends;
};

/* Frees all, makes it zero. */
void manifest_release(struct manifest *m);
/* Drops what holds only in the history it came from: id, tags, texts. */
void manifest_leave_home(struct manifest *m);
/* Appends the text form. */
void manifest_format(const struct manifest *m, struct buf *out);
/*
 * Parses n bytes into a zeroed m. 0; -EBADMSG (damaged; *line, if not NULL, is
 * the line's number from 1); -ENOTSUP: a newer format (m->format says which).
 * On error m is released but for format. Hostile input is expected: every number is bounded,
 * every name checked, no table is there twice.
 */
must_check int manifest_parse(struct manifest *m, const void *data, size_t n, unsigned *line);
/*
 * Appends the text form `text` with one tag line more (add), or without that tag. All else stays as it
 * is, keys that this version does not know too.
 */
void manifest_retag(const struct buf *text, const char *tag, bool add, struct buf *out);
/* Appends the text form `text` with another kind: "saved", "left". */
void manifest_rekind(const struct buf *text, const char *kind, struct buf *out);
/* Whether the exact parts can be used here: they are the kernel's own structures. */
bool of_this_machine(const struct manifest *m);
/* The text record of a path, or NULL. */
const struct manifest_text *manifest_text(const struct manifest *m, const char *path);

#endif
