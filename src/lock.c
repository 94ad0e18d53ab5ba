/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lock.h"

#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 50
#define HOLDER_LIMIT 256

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* flock(2) cannot wait for a bounded time without signals, so it is asked again and again. */
static int flock_wait(int fd, unsigned wait)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	int64_t end = now_ms() + (int64_t)wait * 1000;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return -errno;
		if (now_ms() >= end)
			return -EAGAIN;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int lock_open(const char *path, int flags, unsigned wait)
{
	int fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = flock_wait(fd, wait);
	if (!r)
		return fd;
	close(fd);
	return r;
}

/* "PID COMMAND\n", the command as it was typed, fit to be printed. */
static void holder_describe(struct buf *out)
{
	cleanup_close int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char line[HOLDER_LIMIT];
	ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line));

	buf_printf(out, "%ld ", (long)getpid());
	while (n > 0 && !line[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		buf_printf(out, "%c",
			   !line[i]			     ? ' '
			   : iscntrl((unsigned char)line[i]) ? '?'
							     : line[i]);
	buf_add_str(out, "\n");
}

/* Written before the rest is cut off, so that who waits never reads an empty file. */
static int holder_write(int fd)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	holder_describe(&text);
	r = file_write_all(fd, text.data, text.len);
	if (r < 0)
		return r;
	return ftruncate(fd, (off_t)text.len) < 0 ? -errno : 0;
}

static char *holder_read(const char *path)
{
	cleanup_buf struct buf text = BUF_INIT;
	char *line;

	if (file_read(path, HOLDER_LIMIT * 2, &text) < 0)
		return NULL;
	line = buf_str(&text);
	line[strcspn(line, "\n")] = '\0';
	return buf_detach(&text);
}

int lock_take(const char *path, unsigned wait, char **holder)
{
	int fd = lock_open(path, O_RDWR | O_NOFOLLOW, wait);
	int r;

	if (fd == -EAGAIN && holder)
		*holder = holder_read(path);
	if (fd < 0)
		return fd;
	r = holder_write(fd);
	if (!r)
		return fd;
	close(fd);
	return r;
}

int lock_take_root(const char *root, unsigned wait, char **holder)
{
	cleanup_free char *dir = str_printf("%s/run/fwsnap", root);
	cleanup_free char *path = str_printf("%s/lock", dir);
	int r = file_mkdir(dir, 0700);

	return r < 0 ? r : lock_take(path, wait, holder);
}

int lock_held(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!flock(fd, LOCK_SH | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? 1 : -errno;
}

int lock_take_xtables(unsigned wait)
{
	const char *path = getenv("XTABLES_LOCKFILE");

	return lock_open(path && *path ? path : "/run/xtables.lock", O_RDONLY, wait);
}
