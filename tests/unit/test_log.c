/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

static int saved_err = -1, read_end = -1;
static char text[4096];

/* stderr goes to fd until logged() is called, which reads it from `from`. */
static void capture(int fd, int from)
{
	saved_err = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	read_end = from;
}

static void capture_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	capture(ends[1], ends[0]);
}

static const char *logged(void)
{
	ssize_t n;

	fcntl(read_end, F_SETFL, O_NONBLOCK);
	n = read(read_end, text, sizeof(text) - 1);
	dup2(saved_err, STDERR_FILENO);
	close(saved_err);
	close(read_end);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int restore_defaults(void **state)
{
	(void)state;
	log_set_level(LOG_NOTE);
	log_set_state("the firewall is unchanged");
	return 0;
}

static void an_error_ends_with_the_state(void **state)
{
	(void)state;
	capture_pipe();
	log_error("no snapshot '%s'", "x");
	assert_string_equal(logged(), "fwsnap: no snapshot 'x'; the firewall is unchanged\n");
}

static void an_errno_is_told_and_returned(void **state)
{
	int r;

	(void)state;
	log_set_state("the old rules are back");
	capture_pipe();
	r = log_errno(-ENOENT, "cannot open '%s'", "/x");
	assert_string_equal(logged(), "fwsnap: cannot open '/x': No such file or directory; "
				      "the old rules are back\n");
	assert_int_equal(r, -ENOENT);
}

static void a_look_has_no_state(void **state)
{
	(void)state;
	log_set_state(NULL);
	capture_pipe();
	log_error("no");
	assert_string_equal(logged(), "fwsnap: no\n");
}

static void log_all(enum log_level level)
{
	log_set_level(level);
	log_error("e");
	log_warning("w");
	log_note("n");
	log_detail("d");
}

static void a_level_hides_what_is_beyond_it(void **state)
{
	(void)state;
	log_set_state(NULL);
	capture_pipe();
	log_all(LOG_ERROR);
	assert_string_equal(logged(), "fwsnap: e\n");
	capture_pipe();
	log_all(LOG_NOTE);
	assert_string_equal(logged(), "fwsnap: e\nfwsnap: warning: w\nfwsnap: n\n");
	capture_pipe();
	log_all(LOG_DETAIL);
	assert_string_equal(logged(), "fwsnap: e\nfwsnap: warning: w\nfwsnap: n\nfwsnap: d\n");
}

/* A second and a bit, however many signals come. */
static void work(void)
{
	struct timespec left = {1, 200000000};

	while (nanosleep(&left, &left) && errno == EINTR)
		continue;
}

static void a_long_step_shows_on_a_terminal_and_is_wiped(void **state)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);

	(void)state;
	if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) {
		print_message("no terminal is to be had: is /dev/pts mounted?\n");
		skip();
	}
	capture(open(ptsname(terminal), O_RDWR | O_NOCTTY), terminal);
	log_step("one");
	log_step("two");
	work();
	log_step(NULL);
	work();
	assert_string_equal(logged(), "\r\033[Kfwsnap: two ...\r\033[K");
}

static void a_step_is_silent_where_no_terminal_is(void **state)
{
	(void)state;
	capture_pipe();
	log_step("one");
	work();
	log_step(NULL);
	assert_string_equal(logged(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(an_error_ends_with_the_state, restore_defaults),
		cmocka_unit_test_teardown(an_errno_is_told_and_returned, restore_defaults),
		cmocka_unit_test_teardown(a_look_has_no_state, restore_defaults),
		cmocka_unit_test_teardown(a_level_hides_what_is_beyond_it, restore_defaults),
		cmocka_unit_test_teardown(a_long_step_shows_on_a_terminal_and_is_wiped,
					  restore_defaults),
		cmocka_unit_test_teardown(a_step_is_silent_where_no_terminal_is, restore_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
