/* SPDX-License-Identifier: GPL-2.0-or-later */
/* no valgrind: it does not know pidfd_open (3.19) */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs a shell command; returns exec_run's result, and what it wrote. */
static int shell(const char *command, const struct buf *in, struct buf *out, struct buf *err)
{
	const char *argv[] = {"sh", "-c", command, NULL};
	struct exec e = EXEC_INIT;

	e.argv = argv;
	e.in = in;
	e.out = out;
	e.err = err;
	e.timeout = 20;
	return exec_run(&e);
}

static void exit_status_comes_back(void **state)
{
	(void)state;
	assert_int_equal(shell("true", NULL, NULL, NULL), 0);
	assert_int_equal(shell("exit 7", NULL, NULL, NULL), 7);
	assert_int_equal(shell("kill -TERM $$", NULL, NULL, NULL), 128 + SIGTERM);
}

static void missing_program_is_enoent(void **state)
{
	const char *argv[] = {"fwsnap-no-such-program", NULL};
	struct exec e = EXEC_INIT;

	(void)state;
	e.argv = argv;
	assert_int_equal(exec_run(&e), -ENOENT);
	assert_false(exec_have("fwsnap-no-such-program"));
	assert_true(exec_have("sh"));
}

static void streams_are_kept_apart(void **state)
{
	cleanup_buf struct buf out = BUF_INIT, err = BUF_INIT;

	(void)state;
	assert_int_equal(shell("echo one; echo two >&2; echo three", NULL, &out, &err), 0);
	assert_string_equal(buf_str(&out), "one\nthree\n");
	assert_string_equal(buf_str(&err), "two\n");
}

static void large_input_and_output_do_not_lock_up(void **state)
{
	cleanup_buf struct buf in = BUF_INIT, out = BUF_INIT, err = BUF_INIT;
	size_t n = 24U << 20;

	(void)state;
	memset(buf_add_zero(&in, n), 'x', n);
	assert_int_equal(shell("tee /dev/stderr", &in, &out, &err), 0);
	assert_int_equal(out.len, n);
	assert_int_equal(err.len, n);
	assert_memory_equal(out.data, in.data, n);
}

static void input_that_nobody_reads_does_no_harm(void **state)
{
	cleanup_buf struct buf in = BUF_INIT;

	(void)state;
	buf_add_zero(&in, 4U << 20);
	assert_int_equal(shell("exit 3", &in, NULL, NULL), 3);
}

static void no_input_is_an_empty_one(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(shell("wc -c", NULL, &out, NULL), 0);
	assert_int_equal(atoi(buf_str(&out)), 0);
}

static void environment_is_clean(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	const char *argv[] = {"env", NULL};
	struct exec e = EXEC_INIT;

	(void)state;
	setenv("FWSNAP_TEST_LEAK", "1", 1);
	e.argv = argv;
	e.out = &out;
	assert_int_equal(exec_run(&e), 0);
	assert_string_equal(buf_str(&out), "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:"
					   "/usr/local/bin\nLC_ALL=C\n");
}

static void no_other_descriptor_is_inherited(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_close int leak = open("/dev/null", O_RDONLY);

	(void)state;
	assert_true(leak > 2);
	/* 3 is the folder that ls itself reads */
	assert_int_equal(shell("exec ls /proc/self/fd", NULL, &out, NULL), 0);
	assert_string_equal(buf_str(&out), "0\n1\n2\n3\n");
}

static void signals_are_as_at_birth(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	sigset_t block, old;

	(void)state;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &old);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(shell("kill -TERM $$", NULL, NULL, NULL), 128 + SIGTERM);
	assert_int_equal(shell("kill -PIPE $$", NULL, NULL, NULL), 128 + SIGPIPE);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void timeout_kills_the_whole_group(void **state)
{
	const char *argv[] = {"sh", "-c", "sleep 600 & echo $!; wait", NULL};
	cleanup_buf struct buf out = BUF_INIT;
	struct exec e = EXEC_INIT;
	time_t start = time(NULL);
	pid_t sleeper;
	int status;

	(void)state;
	/* the orphan becomes ours, to ask how it ended */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	e.argv = argv;
	e.out = &out;
	e.timeout = 1;
	assert_int_equal(exec_run(&e), -ETIMEDOUT);
	assert_true(time(NULL) - start < 10);
	sleeper = atoi(buf_str(&out));
	assert_true(sleeper > 1);
	assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void daemon_that_keeps_the_streams_does_not_hold_us(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	time_t start = time(NULL);

	(void)state;
	assert_int_equal(shell("sleep 4 & echo done", NULL, &out, NULL), 0);
	assert_string_equal(buf_str(&out), "done\n");
	assert_true(time(NULL) - start < 2);
}

static int add_one(void *arg)
{
	*(int *)arg += 1;
	return *(int *)arg;
}

static void fork_leaves_this_process_alone(void **state)
{
	int n = 41;

	(void)state;
	assert_int_equal(exec_fork(add_one, &n), 42);
	assert_int_equal(n, 41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_status_comes_back),
		cmocka_unit_test(missing_program_is_enoent),
		cmocka_unit_test(streams_are_kept_apart),
		cmocka_unit_test(large_input_and_output_do_not_lock_up),
		cmocka_unit_test(input_that_nobody_reads_does_no_harm),
		cmocka_unit_test(no_input_is_an_empty_one),
		cmocka_unit_test(environment_is_clean),
		cmocka_unit_test(no_other_descriptor_is_inherited),
		cmocka_unit_test(signals_are_as_at_birth),
		cmocka_unit_test(timeout_kills_the_whole_group),
		cmocka_unit_test(daemon_that_keeps_the_streams_does_not_hold_us),
		cmocka_unit_test(fork_leaves_this_process_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
