/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_steps.h"
#include "lockdown.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

static struct buf text_of(const char *s)
{
	struct buf b = BUF_INIT;

	buf_add_str(&b, s);
	return b;
}

static void rules_name_interfaces_that_are_missing_by_name(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"iif \"eth0\" accept", "iifname \"eth0\" accept"},
		{"oif eth0 accept", "oifname eth0 accept"},
		{"iif != \"eth0\" oif \"lo\" drop", "iifname != \"eth0\" oif \"lo\" drop"},
		{"iif { \"lo\", \"eth0\" } drop", "iifname { \"lo\", \"eth0\" } drop"},
		{"iif vmap { \"eth0\" : drop }", "iifname vmap { \"eth0\" : drop }"},
		/* what is there, and what is no rule, stays */
		{"iif \"lo\" accept", "iif \"lo\" accept"},
		{"iif \"eth01\" accept", "iif \"eth01\" accept"},
		{"iif { \"lo\" } accept", "iif { \"lo\" } accept"},
		{"accept comment \"iif eth0\"", "accept comment \"iif eth0\""},
		{"accept # iif eth0\niif eth0", "accept # iif eth0\niifname eth0"},
		{"fib saddr . iif oif missing drop", "fib saddr . iif oif missing drop"},
		{"iifname \"eth0\"", "iifname \"eth0\""},
		{"iif {", "iif {"},
		{"iif", "iif"},
		{"\"", "\""},
		{"", ""},
	};
	struct strlist missing = {NULL, 0};

	(void)state;
	strlist_add(&missing, "eth0");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_buf struct buf text = text_of(cases[i].text), out = BUF_INIT;

		boot_text_by_name(&text, &missing, &out);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	strlist_release(&missing);
}

static void a_table_is_cut_out_of_a_text(void **state)
{
	cleanup_buf struct buf text = text_of("# head\n"
					      "table netdev edge\ndelete table netdev edge\n"
					      "table netdev edge {\n\tchain c {\n\t}\n}\n"
					      "table inet edge {\n\tchain c {\n\t}\n}\n");
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	boot_text_without(&text, "netdev edge", &out);
	assert_string_equal(buf_str(&out), "# head\ntable inet edge {\n\tchain c {\n\t}\n}\n");
}

/* sshd */

static char root[] = "/tmp/fwsnap-test-XXXXXX";

static int make_root(void **state)
{
	cleanup_free char *etc = NULL, *ssh = NULL, *more = NULL;

	(void)state;
	if (!mkdtemp(root))
		return -1;
	etc = str_printf("%s/etc", root);
	ssh = str_printf("%s/etc/ssh", root);
	more = str_printf("%s/etc/ssh/more.d", root);
	return mkdir(etc, 0755) || mkdir(ssh, 0755) || mkdir(more, 0755);
}

static int remove_root(void **state)
{
	static const char *const files[] = {"etc/ssh/sshd_config", "etc/ssh/more.d/a.conf"};
	static const char *const folders[] = {"etc/ssh/more.d", "etc/ssh", "etc", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = str_printf("%s/%s", root, files[i]);

		unlink(path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		cleanup_free char *path = str_printf("%s/%s", root, folders[i]);

		if (rmdir(path))
			return -1;
	}
	return 0;
}

static void write_file(const char *name, const char *content)
{
	cleanup_free char *path = str_printf("%s/etc/ssh/%s", root, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(content, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void the_ports_of_sshd_are_found(void **state)
{
	static const struct {
		const char *config, *want;
	} cases[] = {
		{"", "22"},
		{"# Port 23\n", "22"},
		{"Port 2222\nport=2223\n  PORT \"2224\" # why\n", "2222 2223 2224"},
		{"Port none\nPort 70000\n", "22"},
		{"Port 2222\nMatch User git\nPort 9\n", "2222"},
		{"ListenAddress 0.0.0.0\n", "22"},
		{"ListenAddress 192.0.2.1:2200\n", "2200"},
		{"Port 2222\nListenAddress [2001:db8::1]:2200\nListenAddress 2001:db8::2\n", "2222 2200"},
		{"Port 2222\nListenAddress host:2200\n", "2200"},
		{"Include more.d/*.conf\nPort 2222\n", "1022 2222"},
		{"Include /etc/ssh/more.d/a.conf /none\n", "1022"},
		{"Include sshd_config\nPort 2222\n",
		 "2222 2222 2222 2222 2222 2222 2222 2222 2222 2222 2222 2222 2222 2222 2222 2222"},
	};

	(void)state;
	write_file("more.d/a.conf", "Port 1022\nMatch User git\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_buf struct buf out = BUF_INIT;
		uint16_t ports[LOCKDOWN_WAYS];
		size_t n;

		write_file("sshd_config", cases[i].config);
		n = sshd_ports(root, ports);
		for (size_t p = 0; p < n; p++)
			buf_printf(&out, "%s%u", p ? " " : "", ports[p]);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

static void without_a_configuration_of_sshd_it_is_22(void **state)
{
	uint16_t ports[LOCKDOWN_WAYS];

	(void)state;
	assert_int_equal(sshd_ports("/none", ports), 1);
	assert_int_equal(ports[0], 22);
}

/* the record */

static void a_boot_is_remembered_with_its_reasons(void **state)
{
	struct boot_record r = {.rung = BOOT_OLDER, .snapshot = 41, .when = 1795827186, .lower = true};
	struct boot_record back = {0};

	(void)state;
	strlist_add(&r.reasons, "snapshot 42 is damaged\nrung: exact");
	assert_int_equal(boot_record_write(&r, root), 0);
	assert_int_equal(boot_record_read(&back, root), 0);
	assert_int_equal(back.rung, BOOT_OLDER);
	assert_int_equal(back.snapshot, 41);
	assert_int_equal(back.when, 1795827186);
	assert_true(back.lower && boot_record_done(&back));
	assert_int_equal(back.reasons.n, 1);
	assert_string_equal(back.reasons.s[0], "snapshot 42 is damaged\\nrung: exact");
	boot_record_release(&r);
	boot_record_release(&back);
	assert_int_equal(boot_record_read(&back, "/none"), 0);
	assert_int_equal(back.rung, BOOT_UNKNOWN);
}

static int remove_record(void **state)
{
	cleanup_free char *command = str_printf("rm -rf '%s/run'", root);

	(void)state;
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_name_interfaces_that_are_missing_by_name),
		cmocka_unit_test(a_table_is_cut_out_of_a_text),
		cmocka_unit_test(the_ports_of_sshd_are_found),
		cmocka_unit_test(without_a_configuration_of_sshd_it_is_22),
		cmocka_unit_test_teardown(a_boot_is_remembered_with_its_reasons, remove_record),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
