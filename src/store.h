/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store - the history on disk
 *
 *   DIR/snapshots/42.tar.gz   one snapshot (archive.h, manifest.h); the folder is the index
 *   DIR/current               symbolic link to snapshots/42.tar.gz: the version in force
 *   DIR/intent                a save that is under way (store_commit)
 *   DIR/pending               a save that waits for its confirmation (store_prepare)
 *
 * Files are 0600 under 0700. Ids grow by one and are not used again while a newer one exists. What
 * is read is checked: a part whose digest or size is not that of MANIFEST is -EBADMSG.
 *
 * Functions return 0 or -errno and log what failed with the file's name; -EBADMSG (damaged) and
 * -ENOTSUP (newer format) are exit status 7. Whoever changes the store holds the lock (cmd.h).
 *
 * Calling sequence of a save:
 *   store_open; store_recover; snapshot_new_open; snapshot_add_records ... ; snapshot_add_part ...;
 *   fill n->manifest; store_commit; store_prune
 */
#ifndef FWSNAP_STORE_H
#define FWSNAP_STORE_H

#include "archive.h"
#include "file.h"
#include "manifest.h"

struct store {
	char *dir;       /* /var/lib/fwsnap, or below --root */
	const char *root; /* prefix for text paths: "" or DIR of --root; borrowed */
};

/*
 * dir is as configured: the store is at root + dir. create: makes the folders (0700). Without: -ENOENT
 * (not logged) where there is no store. A store of another user, or a link in its place, is refused.
 */
must_check int store_open(struct store *s, const char *dir, const char *root, bool create);
void store_close(struct store *s);

/* All ids, ascending. *ids is the caller's to free. */
must_check int store_ids(struct store *s, unsigned **ids, size_t *n);
/* The id that `current` points to; 0 if nothing was ever saved. */
must_check int store_current(struct store *s, unsigned *id);
/* Makes id the version in force (atomic), and no more: see store_switch. */
must_check int store_set_current(struct store *s, unsigned id);
/*
 * The id behind REF: a number, a tag, "@" (current), "@~N" (N saved, not automatic, versions
 * before it). -ENOENT (logged: "no snapshot 'REF'") if there is none.
 */
must_check int store_resolve(struct store *s, const char *ref, unsigned *id);
/* "DIR/snapshots/ID.tar.gz", and what `current` is to point to. Caller frees. */
char *store_path(const struct store *s, unsigned id);
char *store_link_target(unsigned id);

/* The manifest only: one block is read. m is zeroed by the caller, who releases it. */
must_check int store_manifest(struct store *s, unsigned id, struct manifest *m);
/*
 * Manifest and records: m->rs.tables[].records are filled from exact/..., digests
 * checked. Text and other parts are passed over.
 */
must_check int store_load(struct store *s, unsigned id, struct manifest *m);
/* One part by name ("nftables.rules"); -ENOENT (not logged) if the snapshot has none. */
must_check int store_part(struct store *s, unsigned id, const char *name, struct buf *out);
/* Reads everything and checks every digest, size and the manifest's own table of contents. */
must_check int store_verify(struct store *s, unsigned id);

/*
 * Manifest and records of a file that need not be in the store (import), all of it read and checked:
 * fd at its start, name for messages.
 */
must_check int snapshot_read(int fd, const char *name, struct manifest *m);

/* A snapshot that is being written. */
struct snapshot_new {
	struct store *store;
	struct archive_writer *writer;
	int body;            /* unlinked temporary in the snapshots folder */
	struct manifest manifest; /* the caller fills all but format, id, parts, texts */
	unsigned pieces;     /* exact parts so far */
};

/* Sets manifest.created to now, format to that of this version. */
must_check int snapshot_new_open(struct snapshot_new *n, struct store *s);
/*
 * A capture_sink (arg: struct snapshot_new): adds the part "exact/NNNN.ENGINE", NNNN from 0001
 * in order. A table's records are the pieces between it and the next, `size` bytes in
 * all, so the manifest's table lines in order are the index.
 */
int snapshot_add_records(void *arg, const struct table *t, const void *records, size_t n);
must_check int snapshot_add_part(struct snapshot_new *n, const char *name, const void *data, size_t size);
/* Throws it away; safe on a zeroed or committed one. */
void snapshot_new_cancel(struct snapshot_new *n);

/* What save wants at a text path. */
struct store_text {
	const char *path;     /* as configured, without root */
	enum text_state state; /* WRITTEN: content; ABSENT: nothing is to be there; LEFT: leave what is there */
	const struct buf *content;
};

/*
 * Stores the snapshot and puts the texts in place as one transaction:
 *   what would be replaced or removed and was edited by hand, or not written by fwsnap, is
 *     kept as part "replaced/PATH" and named (log_note) before it goes;
 *   the intent file (intent.h) names what will be done; snapshot and texts are written as
 *     temporaries and fsynced; the snapshot gets its name; `current` flips (the commit point);
 *     the texts are renamed or removed; the intent is removed.
 * A text that is there already, byte for byte, is not written again. With current == false
 * (automatic snapshots, import) only the snapshot is stored, no text, `current` stays.
 * On error nothing has changed. In both cases n is released; n->manifest.id is set on success.
 */
must_check int store_commit(struct snapshot_new *n, const struct store_text *texts, size_t ntexts,
			    bool current);
/*
 * A save, or a switch, that waits for its confirmation; one at most. store_prepare does all of store_commit,
 * and store_prepare_switch of store_switch, that can fail: snapshot, texts and the link `current` are complete,
 * fsynced temporaries, which DIR/pending (intent.h) names; nobody sees any of it but as REF "pending". On error nothing
 * is left. *id is what the snapshot will have.
 */
must_check int store_prepare(struct snapshot_new *n, const struct store_text *texts, size_t ntexts,
			     unsigned *id);
must_check int store_prepare_switch(struct store *s, unsigned id, const struct store_text *texts,
				    size_t ntexts);
/* The id of what waits; 0: nothing does. */
must_check int store_pending(struct store *s, unsigned *id);
/* Where its snapshot is as long as it waits; NULL: id is not a new one that waits. Caller frees. */
char *store_pending_path(struct store *s, unsigned id);
/*
 * Only renames. 0 also if nothing waits; 1: it is the current version, but text files are left to do
 * (logged), which store_recover does; -errno (logged): it waits as before. One that is cut off still waits, to be
 * confirmed again or abandoned, or it is the current version, and store_recover does the rest.
 */
must_check int store_confirm(struct store *s);
/* Removes all of it; nothing waits any more. */
must_check int store_abandon(struct store *s);
/*
 * Makes a version that is there the one in force and puts its texts in place, as one transaction
 * like store_commit. A text that was edited by hand, or not written by fwsnap, stays as it is and
 * is named (log_note). On error nothing has changed. Nothing is done if it is in force already.
 */
must_check int store_switch(struct store *s, unsigned id, const struct store_text *texts,
			    size_t ntexts);
/*
 * Finishes or takes back a commit or switch that was cut off, and removes leftover temporaries (also beside the
 * text paths that the intent names). A text that was edited meanwhile is left as it is (warned).
 * Every command that holds the lock begins with it. Returns 1 if one was finished (noted), 0 otherwise.
 */
must_check int store_recover(struct store *s);

/*
 * Whether the file at a text path is as the current version left it: 1 as left, 0 edited by
 * hand or never written by fwsnap, -ENOENT: absent now though it was written. m: manifest of the current
 * version, NULL if none. A path where nothing is and nothing was counts as 1, and so does what
 * a save that is not finished yet has found there.
 */
must_check int store_text_untouched(struct store *s, const struct manifest *m, const char *path);

/* -EEXIST (logged) if a snapshot other than `id` (0: any) has the tag. */
must_check int store_tag_check(struct store *s, unsigned id, const char *tag);
/* Adds or removes tags: the manifest is rewritten, the rest copied byte for byte. */
must_check int store_tag(struct store *s, unsigned id, const char *tag);
/*
 * -ENOENT (logged) if no snapshot has it. A tag that another snapshot has is refused by
 * store_tag (-EEXIST, logged).
 */
must_check int store_untag(struct store *s, const char *tag);
/* Whether a string may be a tag: [A-Za-z][A-Za-z0-9._-]*, at most 64, not live, text, pending. */
bool store_tag_valid(const char *tag);

/*
 * Notes that a version was rolled back from (left), or is one like others: an automatic one becomes a saved one.
 */
must_check int store_mark(struct store *s, unsigned id, bool left);
/* The newest version, automatic ones too, that is older than `before` and was not rolled back from; 0: none. */
must_check int store_older(struct store *s, unsigned before, unsigned *id);

/*
 * Removes the oldest saved versions beyond `keep` and automatic ones beyond `keep_automatic`;
 * current and tagged ones are never removed nor counted. Appends removed ids to *ids (caller frees; may be NULL);
 * dry_run only lists.
 */
must_check int store_prune(struct store *s, unsigned keep, unsigned keep_automatic, bool dry_run,
			   unsigned **ids, size_t *n);

#endif
