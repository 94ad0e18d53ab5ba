/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "file.h"

#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TEMP_MARK ".fwsnap-"
#define LABEL "security.selinux"
#define WIDEST 0640

int file_write_all(int fd, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int file_read_fd(int fd, size_t limit, struct buf *out)
{
	size_t start = out->len;

	for (;;) {
		size_t left = limit - (out->len - start);
		size_t want = left < 65536 ? left + 1 : 65536;
		ssize_t got = read(fd, buf_reserve(out, want), want);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : 0;
		if ((size_t)got > left)
			return -EFBIG;
		out->len += (size_t)got;
	}
}

static int regular_check(mode_t mode)
{
	if (S_ISLNK(mode))
		return -ELOOP;
	if (S_ISDIR(mode))
		return -EISDIR;
	return S_ISREG(mode) ? 0 : -EINVAL;
}

int file_open(const char *path)
{
	struct stat st;
	int fd, r;

	/* O_NONBLOCK: a fifo in its place must not make us wait */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : regular_check(st.st_mode);
	if (!r)
		return fd;
	close(fd);
	return r;
}

int file_read(const char *path, size_t limit, struct buf *out)
{
	cleanup_close int fd = file_open(path);

	return fd < 0 ? fd : file_read_fd(fd, limit, out);
}

/* In a folder that fails here another user could swap what we write for something else. */
static int folder_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return -EPERM;
	return (st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX) ? -EPERM : 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The folder that holds path, opened and found safe; *name is the last component. */
static int folder_open(const char *path, const char **name)
{
	cleanup_close int fd = -1;
	cleanup_free char *dir = NULL;
	int r;

	*name = base_name(path);
	if (!**name || !strcmp(*name, ".") || !strcmp(*name, ".."))
		return -EINVAL;
	dir = str_printf("%.*s.", (int)(*name - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = folder_check(fd);
	if (r < 0)
		return r;
	r = fd;
	fd = -1;
	return r;
}

static int folder_sync(int folder)
{
	fault_point("folder-sync");
	if (fsync(folder) < 0)
		return -errno;
	fault_point("folder-synced");
	return 0;
}

static int folder_rename(int folder, const char *from, const char *to)
{
	fault_point("rename");
	if (renameat(folder, from, folder, to) < 0)
		return -errno;
	fault_point("renamed");
	return folder_sync(folder);
}

static int mkdir_one(const char *path, mode_t mode)
{
	cleanup_close int folder = -1;
	const char *name;
	struct stat st;

	if (!stat(path, &st))
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	folder = folder_open(path, &name);
	if (folder < 0)
		return folder;
	if (mkdirat(folder, name, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return folder_sync(folder);
}

int file_mkdir(const char *path, mode_t mode)
{
	cleanup_free char *part = str_dup(path);

	for (char *p = part + 1; *part && *p; p++) {
		int r;

		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		r = mkdir_one(part, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	return mkdir_one(path, mode);
}

int file_suffix(char suffix[static FILE_SUFFIX])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[FILE_SUFFIX - 1];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		suffix[i] = letters[random[i] % 32];
	suffix[FILE_SUFFIX - 1] = '\0';
	return 0;
}

char *file_temp(const char *path, const char *suffix)
{
	const char *name = base_name(path);

	return str_printf("%.*s.%s" TEMP_MARK "%s", (int)(name - path), path, name, suffix);
}

static int label_copy(const char *path, int fd)
{
	char label[1024];
	ssize_t n = lgetxattr(path, LABEL, label, sizeof(label));

	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
	if (fsetxattr(fd, LABEL, label, (size_t)n, 0) < 0 && errno != ENOTSUP)
		return -errno;
	return 0;
}

/* What the file that will be replaced has and its successor keeps. */
static int attributes_copy(int folder, const char *path, int fd)
{
	struct stat old, new;
	int r;

	if (fstatat(folder, base_name(path), &old, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = regular_check(old.st_mode);
	if (r < 0)
		return r;
	if (fstat(fd, &new) < 0)
		return -errno;
	if ((new.st_uid != old.st_uid || new.st_gid != old.st_gid) &&
	    fchown(fd, old.st_uid, old.st_gid) < 0)
		return -errno;
	if (fchmod(fd, old.st_mode & WIDEST) < 0)
		return -errno;
	return label_copy(path, fd);
}

int file_new_open(struct file_new *f, const char *path, const char *suffix)
{
	char own[FILE_SUFFIX];
	const char *name;
	int folder, r;

	*f = (struct file_new){.fd = -1, .folder = -1};
	folder = folder_open(path, &name);
	if (folder < 0)
		return folder;
	f->folder = folder;
	f->path = str_dup(path);
	r = suffix ? 0 : file_suffix(own);
	if (r >= 0) {
		f->temp = file_temp(path, suffix ? suffix : own);
		f->fd = openat(folder, base_name(f->temp),
			       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = f->fd < 0 ? -errno : attributes_copy(folder, path, f->fd);
	}
	if (r < 0)
		file_new_cancel(f);
	return r;
}

int file_new_sync(struct file_new *f)
{
	fault_point("sync");
	if (fsync(f->fd) < 0)
		return -errno;
	f->synced = true;
	fault_point("synced");
	return 0;
}

static void file_new_release(struct file_new *f)
{
	close_p(&f->fd);
	close_p(&f->folder);
	free(f->path);
	free(f->temp);
	*f = (struct file_new){.fd = -1, .folder = -1};
}

int file_new_commit(struct file_new *f)
{
	int r = f->synced ? 0 : file_new_sync(f);

	if (!r)
		r = folder_rename(f->folder, base_name(f->temp), base_name(f->path));
	if (r < 0)
		file_new_cancel(f);
	else
		file_new_release(f);
	return r;
}

int file_new_leave(struct file_new *f)
{
	int r = f->synced ? folder_sync(f->folder) : -EINVAL;

	if (r < 0)
		file_new_cancel(f);
	else
		file_new_release(f);
	return r;
}

void file_new_cancel(struct file_new *f)
{
	if (!f->path)
		return;
	/* without a descriptor the name is another's, or was never made */
	if (f->fd >= 0)
		unlinkat(f->folder, base_name(f->temp), 0);
	file_new_release(f);
}

int file_replace(const char *path, const void *data, size_t n)
{
	return file_replace_whole(path, data, n, NULL);
}

int file_read_whole(const char *path, size_t limit, struct buf *out, struct file_attributes *a)
{
	cleanup_close int fd = file_open(path);
	struct stat st;
	ssize_t n;

	*a = (struct file_attributes){0};
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	a->uid = st.st_uid;
	a->gid = st.st_gid;
	a->mode = st.st_mode & 07777;
	n = fgetxattr(fd, LABEL, a->label, sizeof(a->label) - 1);
	if (n < 0 && errno != ENODATA && errno != ENOTSUP)
		return -errno;
	a->label[n > 0 ? n : 0] = '\0';
	return file_read_fd(fd, limit, out);
}

/* The owner first: a change of it takes mode bits away. */
static int attributes_set(int fd, const struct file_attributes *a)
{
	if (fchown(fd, a->uid, a->gid) < 0 || fchmod(fd, a->mode) < 0)
		return -errno;
	if (*a->label && fsetxattr(fd, LABEL, a->label, strlen(a->label) + 1, 0) < 0 && errno != ENOTSUP)
		return -errno;
	return 0;
}

int file_replace_whole(const char *path, const void *data, size_t n, const struct file_attributes *a)
{
	struct file_new f;
	int r = file_new_open(&f, path, NULL);

	if (r < 0)
		return r;
	r = file_write_all(f.fd, data, n);
	if (!r && a)
		r = attributes_set(f.fd, a);
	if (!r)
		return file_new_commit(&f);
	file_new_cancel(&f);
	return r;
}

int file_stage_link(const char *path, const char *target, const char *suffix)
{
	const char *name;
	cleanup_close int folder = folder_open(path, &name);
	cleanup_free char *temp = NULL;
	struct stat st;

	if (folder < 0)
		return folder;
	if (!fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) && !S_ISLNK(st.st_mode))
		return -EEXIST;
	temp = file_temp(name, suffix);
	return symlinkat(target, folder, temp) < 0 ? -errno : 0;
}

int file_replace_link(const char *path, const char *target)
{
	cleanup_free char *temp = NULL;
	char suffix[FILE_SUFFIX];
	int r = file_suffix(suffix);

	if (!r)
		r = file_stage_link(path, target, suffix);
	if (r < 0)
		return r;
	temp = file_temp(path, suffix);
	r = file_rename(temp, path);
	if (r < 0)
		unlink(temp);
	return r;
}

int file_rename(const char *temp, const char *path)
{
	const char *name;
	cleanup_close int folder = folder_open(path, &name);

	return folder < 0 ? folder : folder_rename(folder, base_name(temp), name);
}

int file_remove(const char *path)
{
	const char *name;
	cleanup_close int folder = folder_open(path, &name);

	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	/* on a read-only file system even what is absent cannot be removed */
	if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	fault_point("unlink");
	if (unlinkat(folder, name, 0) < 0)
		return -errno;
	fault_point("unlinked");
	return folder_sync(folder);
}

int file_unnamed(const char *dir)
{
	cleanup_free char *path = str_printf("%s/unnamed", dir);
	struct file_new f;
	int r = file_new_open(&f, path, NULL);

	if (r < 0)
		return r;
	r = f.fd;
	unlinkat(f.folder, base_name(f.temp), 0);
	f.fd = -1;
	file_new_release(&f);
	return r;
}

static bool temp_is_ours(int folder, const char *name)
{
	const size_t tail = strlen(TEMP_MARK) + FILE_SUFFIX - 1;
	size_t n = strlen(name);
	struct stat st;

	if (*name != '.' || n < tail + 1 || strncmp(name + n - tail, TEMP_MARK, strlen(TEMP_MARK)))
		return false;
	return !fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) && st.st_uid == geteuid() &&
	       (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
}

void file_clean(const char *dir, const char *spare)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (temp_is_ours(dirfd(d), e->d_name) &&
		    strcmp(e->d_name + strlen(e->d_name) - (FILE_SUFFIX - 1), spare))
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}
