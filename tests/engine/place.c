/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "place.h"

#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static int make_links(const char *const *names)
{
	int r = 0;

	for (; *names && !r; names++)
		r = netns_make_link(*names, 0);
	return r;
}

int place_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"))
		return -errno;
	return 0;
}

int place_links(void)
{
	return make_links((const char *const[]){"d0", "d1", "d2", NULL});
}

int place_setup(void **state)
{
	int r = place_enter();

	(void)state;
	return r ? r : place_links();
}

int place_teardown(void **state)
{
	(void)state;
	return umount("/run") ? -errno : 0;
}

void place_move(bool links)
{
	const char *const others[] = {"other", "d2", "d0", "d1", NULL};

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	if (links)
		assert_int_equal(make_links(others), 0);
}

int place_run(const char *const *argv, const char *input, struct buf *out, struct buf *err)
{
	struct exec e = EXEC_INIT;
	cleanup_buf struct buf in = BUF_INIT;

	buf_add_str(&in, input ? input : "");
	e.argv = argv;
	e.in = &in;
	e.out = out;
	e.err = err;
	e.timeout = 20;
	return exec_run(&e);
}

static char *run_well(const char *const *argv, const char *input)
{
	struct buf out = BUF_INIT;
	cleanup_buf struct buf err = BUF_INIT;

	if (place_run(argv, input, &out, &err))
		fail_msg("%s %s: %s", argv[0], argv[1], buf_str(&err));
	return buf_detach(&out);
}

char *place_shell(const char *command)
{
	const char *const argv[] = {"sh", "-c", command, NULL};

	return run_well(argv, NULL);
}

void place_nft(const char *text)
{
	const char *const argv[] = {"nft", "-f", "-", NULL};

	free(run_well(argv, text));
}

static void capture(struct ruleset *rs, capture_sink *sink)
{
	const struct capture c = {.sink = sink, .lock_wait = PLACE_WAIT};

	ruleset_release(rs);
	assert_int_equal(engines_capture(rs, &c), 0);
}

void place_capture(struct ruleset *rs)
{
	capture(rs, NULL);
}

void place_capture_digests(struct ruleset *rs)
{
	capture(rs, capture_discard);
}

enum change_result place_change_from(struct ruleset *live, struct ruleset *target)
{
	struct change c = {.live = live, .target = target, .lock_wait = PLACE_WAIT};
	enum change_result result = change_run(&c);

	change_release(&c);
	return result;
}

enum change_result place_change(struct ruleset *target)
{
	struct ruleset live = {0};
	enum change_result result;

	place_capture(&live);
	result = place_change_from(&live, target);
	ruleset_release(&live);
	return result;
}

/* Where stderr was, until place_heard. */
static int quiet = -1;

int place_listen(void)
{
	int listening = memfd_create("stderr", MFD_CLOEXEC);

	fflush(stderr);
	quiet = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(listening >= 0 && quiet >= 0 && dup2(listening, STDERR_FILENO) >= 0);
	return listening;
}

char *place_heard(int listening)
{
	off_t n;
	char *said;

	fflush(stderr);
	n = lseek(listening, 0, SEEK_END);
	said = mem_zalloc((size_t)n + 1);
	dup2(quiet, STDERR_FILENO);
	close(quiet);
	assert_int_equal(pread(listening, said, (size_t)n, 0), n);
	close(listening);
	return said;
}

void place_legacy_or_skip(void)
{
	if (!engines[ENGINE_XTABLES]) {
		print_message("built without legacy iptables\n");
		skip();
	}
}

void place_lose(void)
{
	struct ruleset nothing = {0};

	assert_int_not_equal(place_change(&nothing), CHANGE_LOST);
}

void place_assert_live(const struct ruleset *want)
{
	struct ruleset have = {0};
	cleanup_buf struct buf differences = BUF_INIT;

	place_capture_digests(&have);
	ruleset_differences(want, &have, &differences);
	assert_string_equal(buf_str(&differences), "");
	assert_true(ruleset_equal(want, &have));
	ruleset_release(&have);
}
