/* SPDX-License-Identifier: GPL-2.0-or-later */
/* no valgrind: it does not know pidfd_open (3.19) */
#include "exec.h"
#include "guard_process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PROPERTY "--property="

/* Options first, each whole in one argument: what comes after them is the program's. */
static void the_guard_is_a_unit_of_its_own(void **state)
{
	cleanup_strlist struct strlist argv = {NULL, 0};
	size_t n;

	(void)state;
	guard_unit("/usr/sbin/fwsnap", "abc234", &argv);
	n = argv.n;
	assert_string_equal(argv.s[0], "systemd-run");
	for (size_t i = 1; i < n - 3; i++)
		assert_memory_equal(argv.s[i], "--", 2);
	assert_string_equal(argv.s[n - 3], "/usr/sbin/fwsnap");
	assert_string_equal(argv.s[n - 2], "guard");
	assert_string_equal(argv.s[n - 1], "abc234");
	assert_true(strlist_has(&argv, "--unit=fwsnap-guard-abc234"));
	assert_true(strlist_has(&argv, "--property=OOMScoreAdjust=-1000"));
	assert_true(strlist_has(&argv, "--property=Restart=on-failure"));
	/* nothing ties it to the unit or session that calls */
	assert_false(strlist_has(&argv, "--scope") || strlist_has(&argv, "--pty") ||
		     strlist_has(&argv, "--same-dir") || strlist_has(&argv, "--wait"));
}

static bool of_unit_section(const char *property)
{
	return !strncmp(property, "DefaultDependencies", 19) ||
	       !strncmp(property, "IgnoreOnIsolate", 15) || !strncmp(property, "StartLimit", 10);
}

static void put_section(FILE *f, const struct strlist *argv, bool unit)
{
	fputs(unit ? "[Unit]\n" : "[Service]\nExecStart=/bin/true guard abc234\n", f);
	for (size_t i = 0; i < argv->n; i++) {
		const char *property = argv->s[i] + strlen(PROPERTY);

		if (!strncmp(argv->s[i], PROPERTY, strlen(PROPERTY)) &&
		    of_unit_section(property) == unit)
			fprintf(f, "%s\n", property);
	}
}

static void systemd_knows_its_properties(void **state)
{
	cleanup_strlist struct strlist argv = {NULL, 0};
	cleanup_buf struct buf err = BUF_INIT;
	char dir[] = "/tmp/fwsnap-test-XXXXXX";
	cleanup_free char *path = NULL;
	const char *verify[] = {"systemd-analyze", "verify", "--man=no", NULL, NULL};
	struct exec e = EXEC_INIT;
	FILE *f;

	(void)state;
	if (!exec_have("systemd-analyze")) {
		print_message("systemd-analyze is not installed\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	path = str_printf("%s/fwsnap-guard-abc234.service", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	guard_unit("/bin/true", "abc234", &argv);
	put_section(f, &argv, true);
	put_section(f, &argv, false);
	assert_int_equal(fclose(f), 0);
	verify[3] = path;
	e.argv = verify;
	e.err = &err;
	e.timeout = 20;
	assert_int_equal(exec_run(&e), 0);
	assert_null(strstr(buf_str(&err), "fwsnap-guard"));
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guard_is_a_unit_of_its_own),
		cmocka_unit_test(systemd_knows_its_properties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
