/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

static char folder[] = "/tmp/fwsnap-test-XXXXXX";
static char path[sizeof(folder) + 16];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/fwsnap.conf", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void write_file(const char *content, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Reads the file with stderr going into a pipe; returns what was logged (caller frees). */
static char *read_logged(struct config *c, int *r)
{
	int ends[2], err = dup(STDERR_FILENO);
	char *text = mem_zalloc(4096);

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	*r = config_read(c, path, true);
	dup2(err, STDERR_FILENO);
	close(err);
	assert_true(read(ends[0], text, 4095) >= 0);
	close(ends[0]);
	return text;
}

static void without_a_file_the_defaults_hold(void **state)
{
	struct config c;

	(void)state;
	unlink(path);
	assert_int_equal(config_read(&c, path, false), 0);
	assert_string_equal(c.texts[0], "/etc/ipset.up.rules");
	assert_string_equal(c.texts[1], "/etc/iptables.up.rules");
	assert_string_equal(c.texts[2], "/etc/ip6tables.up.rules");
	assert_string_equal(c.texts[3], "/etc/nftables.up.rules");
	assert_string_equal(c.store, "/var/lib/fwsnap");
	assert_int_equal(c.keep, 50);
	assert_int_equal(c.keep_automatic, 10);
	assert_int_equal(c.lock_wait, 10);
	config_release(&c);
}

static void a_required_file_that_is_absent_is_an_error(void **state)
{
	struct config c;
	cleanup_free char *text = NULL;
	int r;

	(void)state;
	unlink(path);
	text = read_logged(&c, &r);
	assert_int_equal(r, -ENOENT);
	assert_non_null(strstr(text, path));
}

static void every_key_is_taken(void **state)
{
	static const char content[] = "# a comment\n\n"
				      "  ip6tables = none\n"
				      "nftables=/srv/nft rules # 1\n"
				      "store = /srv/fwsnap\t\n"
				      "keep = 0\nkeep_automatic = 100000\nlock_wait = 3\n"
				      "layout = debian"; /* last: yet the single paths win */
	struct config c;

	(void)state;
	write_file(content, sizeof(content) - 1);
	assert_int_equal(config_read(&c, path, true), 0);
	assert_string_equal(c.texts[0], "/etc/iptables/ipsets");
	assert_string_equal(c.texts[1], "/etc/iptables/rules.v4");
	assert_null(c.texts[2]);
	assert_string_equal(c.texts[3], "/srv/nft rules # 1");
	assert_string_equal(c.store, "/srv/fwsnap");
	assert_int_equal(c.keep, 0);
	assert_int_equal(c.keep_automatic, 100000);
	assert_int_equal(c.lock_wait, 3);
	config_release(&c);
}

static void a_fault_is_named_with_its_line(void **state)
{
	static const struct {
		const char *content, *message;
	} rows[] = {
		{"keep = 1\nkep = 2\n", ":2: unknown key 'kep'"},
		{"keep\n", ":1: 'keep' is not 'key = value'"},
		{"= 5\n", ":1: unknown key ''"},
		{"keep = 1\n\nkeep = 1\n", ":3: key 'keep' was given in line 1 already"},
		{"keep = many\n", ":1: value 'many' of 'keep' is not a number"},
		{"keep = 5x\n", ":1: value '5x' of 'keep' is not a number"},
		{"keep = -1\n", ":1: value '-1' of 'keep' is not a number"},
		{"keep =\n", ":1: value '' of 'keep' is not a number"},
		{"keep = 100001\n", ":1: value '100001' of 'keep' is above 100000"},
		{"keep = 99999999999999999999999\n", "of 'keep' is above 100000"},
		{"layout = suse\n", ":1: value 'suse' of 'layout' is not up.rules, debian or redhat"},
		{"store = var\n", ":1: value 'var' of 'store' is not an absolute path"},
		{"store = none\n", ":1: value 'none' of 'store' is not an absolute path"},
		{"store = /\n", "ends with a slash"},
		{"iptables = /a/../b\n", "has a part '..'"},
		{"iptables = /..\n", "has a part '..'"},
		{"iptables = /a\nnftables = /a\n", ": '/a' is the path of two texts"},
		{"ipset = /etc/iptables.up.rules\n", "is the path of two texts"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *text = NULL;
		struct config c;
		int r;

		write_file(rows[i].content, strlen(rows[i].content));
		text = read_logged(&c, &r);
		if (r != -EINVAL || !strstr(text, rows[i].message))
			fail_msg("%s: %d, %s", rows[i].content, r, text);
		assert_null(c.store);
	}
}

static void a_nul_byte_is_refused(void **state)
{
	cleanup_free char *text = NULL;
	struct config c;
	int r;

	(void)state;
	write_file("keep = 1\0\nkep = 2\n", 18);
	text = read_logged(&c, &r);
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(text, "NUL"));
}

static void a_link_is_not_followed(void **state)
{
	cleanup_free char *text = NULL;
	struct config c;
	int r;

	(void)state;
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	text = read_logged(&c, &r);
	assert_int_equal(r, -ELOOP);
	assert_non_null(strstr(text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_the_defaults_hold),
		cmocka_unit_test(a_required_file_that_is_absent_is_an_error),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(a_fault_is_named_with_its_line),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(a_link_is_not_followed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
