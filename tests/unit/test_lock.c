/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], path[96];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/fwsnap-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/lock", dir);
	return setenv("XTABLES_LOCKFILE", path, 1);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path) || rmdir(dir);
}

/* A child that holds the lock for some milliseconds; it has it when this returns. */
static pid_t hold(int ms)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		int fd = lock_take(path, 0, NULL);

		if (fd < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep((useconds_t)ms * 1000);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void who_waits_in_vain_learns_who_holds_it(void **state)
{
	cleanup_free char *holder = NULL, *want = NULL;
	pid_t pid = hold(300);

	(void)state;
	want = str_printf("%ld ", (long)pid);
	assert_int_equal(lock_take(path, 0, &holder), -EAGAIN);
	assert_non_null(holder);
	assert_memory_equal(holder, want, strlen(want));
	assert_non_null(strstr(holder, "test_lock"));
	assert_null(strchr(holder, '\n'));
	reap(pid);
}

static void waiting_ends_when_the_holder_does(void **state)
{
	double start = seconds();
	pid_t pid = hold(200);
	cleanup_close int fd = lock_take(path, 5, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_true(seconds() - start < 3);
	reap(pid);
}

static void waiting_is_bounded(void **state)
{
	double start = seconds();
	pid_t pid = hold(2000);

	(void)state;
	assert_int_equal(lock_take(path, 1, NULL), -EAGAIN);
	assert_int_equal(lock_take_xtables(0), -EAGAIN);
	assert_true(seconds() - start >= 1 && seconds() - start < 1.9);
	reap(pid);
}

static void a_shorter_holder_leaves_nothing_of_a_longer_one(void **state)
{
	cleanup_close int fd = open(path, O_CREAT | O_WRONLY, 0600);
	cleanup_close int held = -1;
	cleanup_free char *holder = NULL;
	char long_one[400];

	(void)state;
	memset(long_one, 'x', sizeof(long_one));
	assert_int_equal(write(fd, long_one, sizeof(long_one)), sizeof(long_one));
	held = lock_take(path, 0, NULL);
	assert_true(held >= 0);
	assert_int_equal(lock_take(path, 0, &holder), -EAGAIN);
	assert_null(strstr(holder, "xxx"));
}

static void the_lock_is_not_inherited_and_ends_with_the_descriptor(void **state)
{
	int fd = lock_take(path, 0, NULL);

	(void)state;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	fd = lock_take(path, 0, NULL);
	assert_true(fd >= 0);
	close(fd);
}

static void a_link_in_place_of_the_lock_is_refused(void **state)
{
	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(lock_take(path, 0, NULL), -ELOOP);
}

static void the_lock_of_iptables_is_left_empty(void **state)
{
	cleanup_close int fd = lock_take_xtables(0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	assert_int_equal(lock_take_xtables(0), -EAGAIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_waits_in_vain_learns_who_holds_it),
		TEST(waiting_ends_when_the_holder_does),
		TEST(waiting_is_bounded),
		TEST(a_shorter_holder_leaves_nothing_of_a_longer_one),
		TEST(the_lock_is_not_inherited_and_ends_with_the_descriptor),
		TEST(a_link_in_place_of_the_lock_is_refused),
		TEST(the_lock_of_iptables_is_left_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
