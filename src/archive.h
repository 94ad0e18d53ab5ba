/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * archive - ustar in gzip (POSIX.1-1988 ustar, RFC 1952), written once, read bounded
 *
 * A snapshot file is exactly two gzip members one after the other, which any gunzip reads
 * as one stream: the first holds the tar entry MANIFEST alone, the second all
 * other entries and the end of the archive. So MANIFEST, which names the digests of all the
 * others, comes first though it is written last, reading it takes one block, and it can
 * be replaced without touching the rest.
 *
 * Entries are regular files of different names, at most 100 bytes of
 * [A-Za-z0-9._/@+-], relative, without empty, "." or ".." parts. Written are mode
 * 0600, owner 0 and time 0; on reading these are ignored.
 *
 * Limits when reading (-EBADMSG beyond): MANIFEST 4 MiB; any other entry 256 MiB; 100,000 entries;
 * 4 GiB in all. Anything else (a link, a device, a bad checksum, an octal number out of
 * range, a cut or damaged gzip stream, data after the end other than zeros) is -EBADMSG too.
 * Memory grows with what is really there, not with what a header promises.
 */
#ifndef FWSNAP_ARCHIVE_H
#define FWSNAP_ARCHIVE_H

#include "buf.h"

#define ARCHIVE_MANIFEST "MANIFEST"
#define ARCHIVE_NAME_MAX 100
#define ARCHIVE_MANIFEST_LIMIT (4U << 20)
#define ARCHIVE_ENTRY_LIMIT (256U << 20)
#define ARCHIVE_ENTRIES_LIMIT 100000
#define ARCHIVE_TOTAL_LIMIT (4ULL << 30)

/* Whether an entry may have this name (module comment). */
bool archive_name_valid(const char *name);

/* Writing: entries are compressed (zlib level 1) into the temporary file `body` as they come. */
struct archive_writer;

/* body is an open, empty file (owned by the caller, must outlive the writer). Caller: archive_writer_free. */
must_check int archive_writer_new(struct archive_writer **w, int body);
/* One entry. 0, -EINVAL (name), -EFBIG (a limit above), or the error of the write. */
must_check int archive_add(struct archive_writer *w, const char *name, const void *data, size_t n);
/*
 * Ends the body and writes the finished archive, MANIFEST first, to fd (at its
 * current position). Digests and sizes of the entries are the caller's to put into the manifest.
 */
must_check int archive_finish(struct archive_writer *w, const void *manifest, size_t n, int fd);
void archive_writer_free(struct archive_writer *w);

/* Writes to `to` the archive `from` (open at its start) with another MANIFEST, the rest byte for byte. */
must_check int archive_replace_manifest(int from, const void *manifest, size_t n, int to);

/* Reading, entry by entry. */
struct archive_reader;

/* fd is open for reading at the start (owned by the caller). Caller: archive_reader_free. */
must_check int archive_reader_new(struct archive_reader **r, int fd);
/*
 * The next entry, the first is MANIFEST: 1 with its name (valid until the next call) and its whole
 * content (data is emptied first), 0 at the end of the archive, or -EBADMSG, -EIO ...
 */
must_check int archive_next(struct archive_reader *r, const char **name, struct buf *data);
void archive_reader_free(struct archive_reader *r);

#endif
