/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file - reading whole files and replacing them atomically
 *
 * Any file that fwsnap writes is whole or absent: temporary file in the same
 * folder, write, check, fsync, rename, fsync of the folder. This is the only
 * module that renames and fsyncs. Links are never followed at the last path
 * component (O_NOFOLLOW), and nothing is written where another user could
 * put something else in its place: a parent folder that is group or world
 * writable and not sticky, or owned by neither root nor us, is -EPERM.
 *
 * All functions return 0 (or a count or descriptor >= 0) or a negative errno
 * and log nothing: the caller knows what the file was for.
 */
#ifndef FWSNAP_FILE_H
#define FWSNAP_FILE_H

#include "buf.h"

#include <sys/stat.h>

/* Writes all n bytes; retries short writes and EINTR. */
must_check int file_write_all(int fd, const void *data, size_t n);
/* Reads until end of file, at most limit bytes (-EFBIG beyond); appends to out. */
must_check int file_read_fd(int fd, size_t limit, struct buf *out);
/* Opens a regular file for reading; -ELOOP on a link, -EISDIR on a folder, -EINVAL on the rest. */
must_check int file_open(const char *path);
/* file_open and file_read_fd. */
must_check int file_read(const char *path, size_t limit, struct buf *out);

/* Creates path and its missing parents with this mode; an existing folder is fine. */
must_check int file_mkdir(const char *path, mode_t mode);

/* A file being written beside its final name. */
struct file_new {
	int fd;      /* open for reading and writing while the file is being filled */
	int folder;  /* where it is */
	bool synced; /* nothing was written since file_new_sync */
	char *path;  /* final name */
	char *temp;  /* ".NAME.fwsnap-SUFFIX" in the same folder; NULL: released */
};

#define FILE_LABEL 256
#define FILE_SUFFIX 7 /* 6 letters and digits and a NUL */

/* Draws a new suffix. 0 or -errno. */
must_check int file_suffix(char suffix[static FILE_SUFFIX]);
/* The path of the temporary of `path` with this suffix. Caller frees. */
char *file_temp(const char *path, const char *suffix);

/*
 * Makes the temporary for path, mode 0600, close-on-exec; with a suffix of the caller's
 * choice, or a new one if it is NULL. If path exists its owner, group and SELinux label
 * (security.selinux) are copied to the temporary, and its mode less what is wider than
 * 0640; a link or anything but a regular file is refused (-ELOOP, -EISDIR, -EINVAL). On
 * error nothing is left behind.
 */
must_check int file_new_open(struct file_new *f, const char *path, const char *suffix);
/* fsync: after this the content survives a power cut, still under the temporary name. */
must_check int file_new_sync(struct file_new *f);
/*
 * fsync, rename to the final name, fsync of the folder; releases f in every
 * case and removes the temporary on error.
 */
must_check int file_new_commit(struct file_new *f);
/*
 * Leaves a synced temporary where it is, for file_rename, and fsyncs the folder. Releases f in every
 * case and removes the temporary on error.
 */
must_check int file_new_leave(struct file_new *f);
/* Removes the temporary and releases f; safe on a zeroed or released one. */
void file_new_cancel(struct file_new *f);

/* The three steps for content at hand. */
must_check int file_replace(const char *path, const void *data, size_t n);

/* What a file is beside its content. */
struct file_attributes {
	uid_t uid;
	gid_t gid;
	mode_t mode;             /* the lowest 12 bits */
	char label[FILE_LABEL];  /* security.selinux; "": none */
};
/* file_read, and what it is. */
must_check int file_read_whole(const char *path, size_t limit, struct buf *out, struct file_attributes *a);
/* file_replace with these attributes (NULL: none), whatever the file that was there had; a kernel without labels does without. */
must_check int file_replace_whole(const char *path, const void *data, size_t n, const struct file_attributes *a);
/* Makes `path` a symbolic link to `target`, atomically replacing the link that was there. */
must_check int file_replace_link(const char *path, const char *target);
/* Makes the temporary of `path` with this suffix such a link, for file_rename. */
must_check int file_stage_link(const char *path, const char *target, const char *suffix);
/* Renames a synced temporary to its final name and fsyncs the folder; -ENOENT if it is not there. */
must_check int file_rename(const char *temp, const char *path);
/* Removes path and fsyncs the folder; absent is fine. */
must_check int file_remove(const char *path);
/* An open file without a name in this folder, for reading and writing; gone when it is closed. */
must_check int file_unnamed(const char *dir);
/* Removes leftover temporaries (".*.fwsnap-??????") of ours from a folder, but those with the suffix `spare`. */
void file_clean(const char *dir, const char *spare);

#endif
