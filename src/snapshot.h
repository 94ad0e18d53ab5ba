/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot - one snapshot file, written whole, or read in order and checked on the way
 *
 * What store.c and commit.c stand on; others use store.h. Nothing here logs. A part that is
 * not what MANIFEST says (name, place, size, digest), or exact parts that do not add up to
 * the sizes of the tables, are -EBADMSG.
 *
 *   snapshot_open; snapshot_next until 0; snapshot_close
 */
#ifndef FWSNAP_SNAPSHOT_H
#define FWSNAP_SNAPSHOT_H

#include "archive.h"
#include "manifest.h"

struct snapshot {
	struct archive_reader *reader;
	struct manifest *manifest; /* the caller's */
	size_t next;               /* the part that comes next */
	size_t table;              /* where the next exact part belongs */
	struct buf data;           /* content of the part at hand; after snapshot_open of MANIFEST */
};

/* fd is open at the start, m zeroed; both stay the caller's. Reads MANIFEST. snapshot_close in any case. */
must_check int snapshot_open(struct snapshot *s, int fd, struct manifest *m);
/* The next part, content in s->data: 1; 0 at the end; -errno. */
must_check int snapshot_next(struct snapshot *s, const struct manifest_part **part);
/*
 * Reads on and moves the records into the manifest's tables, the content of files to their front-ends; `whole`: to
 * the end, else to the last of them.
 */
must_check int snapshot_load(struct snapshot *s, bool whole);
void snapshot_close(struct snapshot *s);

/*
 * Writes a ruleset with records, and front-ends with content (NULL: none), as a snapshot of its own to path
 * (file_replace). 0 or -errno.
 */
must_check int snapshot_write(const struct ruleset *rs, const struct frontends *frontends, const char *path);

/* Where the files of front-ends are, and what the part of one is called. Caller frees. */
#define SNAPSHOT_FRONTEND "frontend/"
char *snapshot_file_part(const struct frontend_state *s, const struct frontend_file *f);

/* Whether the exact parts are named in order and add up to the tables' sizes: 0 or -EBADMSG. */
must_check int snapshot_contents_check(const struct manifest *m);

#endif
