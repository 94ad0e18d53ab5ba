/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The tests' own "host": a namespace with a private /run. */
static int private_host(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	       mount("tmpfs", "/run", "tmpfs", 0, "mode=0755");
}

static void note(struct ruleset *rs, uint32_t index, const char *name)
{
	struct link_ref *l = array_grow(&rs->links, &rs->nlinks, sizeof(*l));

	l->index = index;
	strcpy(l->name, name);
}

/* What a shell command prints in the scratch. Caller frees. */
static char *ask(struct scratch *s, const char *command)
{
	const char *argv[] = {"sh", "-c", command, NULL};
	struct buf out = BUF_INIT;
	struct exec e = EXEC_INIT;

	e.argv = argv;
	e.out = &out;
	assert_int_equal(scratch_run(s, &e), 0);
	return buf_detach(&out);
}

static void says(struct scratch *s, const char *command, const char *wanted)
{
	cleanup_free char *answer = ask(s, command);

	assert_string_equal(answer, wanted);
}

static void interfaces_have_name_and_index(void **state)
{
	struct scratch s = SCRATCH_INIT;
	struct ruleset like = {0};

	(void)state;
	note(&like, 0, "any");
	note(&like, 1, "lo");
	note(&like, 2, "wan0");
	note(&like, 9, "");
	note(&like, 3, "lan0");
	assert_int_equal(scratch_open(&s, &like), 0);
	says(&s,
	     "cat /sys/class/net/wan0/ifindex /sys/class/net/lan0/ifindex "
	     "/sys/class/net/lo/ifindex",
	     "2\n3\n1\n");
	says(&s, "ls /sys/class/net | grep -cx any", "1\n");
	says(&s, "ls /sys/class/net | wc -l", "4\n");
	assert_int_equal(if_nametoindex("wan0"), 0);
	scratch_close(&s);
	ruleset_release(&like);
}

static void loopback_is_up(void **state)
{
	struct scratch s = SCRATCH_INIT;

	(void)state;
	assert_int_equal(scratch_open(&s, NULL), 0);
	says(&s, "ip -o address show dev lo | grep -o 127.0.0.1/8", "127.0.0.1/8\n");
	scratch_close(&s);
}

static void its_run_is_its_own(void **state)
{
	struct scratch s = SCRATCH_INIT;

	(void)state;
	assert_int_equal(scratch_open(&s, NULL), 0);
	says(&s, "touch /run/there; ls /run", "there\n");
	says(&s, "ls /run", "there\n");
	assert_int_equal(access("/run/there", F_OK), -1);
	scratch_close(&s);
}

/* iptables-legacy waits for ever on a lock that the host holds. */
static void lock_of_the_host_does_not_block_it(void **state)
{
	cleanup_close int lock = open("/run/xtables.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct scratch s = SCRATCH_INIT;
	struct ruleset rs = {0};

	(void)state;
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(scratch_open(&s, NULL), 0);
	says(&s, "timeout 5 iptables-legacy -S >/dev/null 2>&1; test $? != 124 && echo free",
	     "free\n");
	assert_int_equal(scratch_capture(&s, &rs, false), 0);
	ruleset_release(&rs);
	scratch_close(&s);
}

static void visit_leaves_us_where_we_were(void **state)
{
	cleanup_free char *before = getcwd(NULL, 0);
	struct scratch s = SCRATCH_INIT;
	struct netns_id here, now;
	struct ruleset rs = {0};

	(void)state;
	assert_int_equal(netns_identify(&here), 0);
	close(open("/run/host", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(scratch_open(&s, NULL), 0);
	assert_int_equal(scratch_capture(&s, &rs, true), 0);
	assert_false(netns_same(&here, &rs.where));
	assert_int_equal(netns_identify(&now), 0);
	assert_true(netns_same(&here, &now));
	assert_int_equal(access("/run/host", F_OK), 0);
	{
		cleanup_free char *after = getcwd(NULL, 0);

		assert_string_equal(before, after);
	}
	ruleset_release(&rs);
	scratch_close(&s);
}

static void visit_from_a_chroot_comes_back_to_it(void **state)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct scratch s = SCRATCH_INIT;
	struct ruleset rs = {0};

	(void)state;
	assert_int_equal(mkdir("/run/jail", 0700), 0);
	assert_int_equal(mkdir("/run/jail/proc", 0700), 0);
	assert_int_equal(mkdir("/run/jail/inside", 0700), 0);
	assert_int_equal(mount("proc", "/run/jail/proc", "proc", 0, NULL), 0);
	assert_int_equal(scratch_open(&s, NULL), 0);
	assert_int_equal(chroot("/run/jail"), 0);
	assert_int_equal(chdir("/inside"), 0);
	assert_int_equal(scratch_capture(&s, &rs, false), 0);
	assert_int_equal(access("/inside", F_OK), 0);
	assert_int_equal(access("../inside", F_OK), 0);
	assert_int_equal(fchdir(root), 0);
	assert_int_equal(chroot("."), 0);
	ruleset_release(&rs);
	scratch_close(&s);
}

static void ruleset_is_loaded_exactly_and_the_host_is_not_touched(void **state)
{
	struct scratch first = SCRATCH_INIT, second = SCRATCH_INIT;
	struct ruleset like = {0}, rs = {0}, copy = {0}, host = {0};
	struct capture c = {0};

	(void)state;
	note(&like, 17, "wan0");
	assert_int_equal(scratch_open(&first, &like), 0);
	says(&first,
	     "nft 'add table inet t; add set inet t s { type iface_index; }; add element inet t s "
	     "{ wan0 };"
	     "add chain inet t c { type filter hook input priority 0; policy drop; };"
	     "add rule inet t c iif wan0 counter accept'",
	     "");
	assert_int_equal(scratch_capture(&first, &rs, true), 0);
	assert_int_equal(rs.ntables, 1);
	assert_int_equal(scratch_open(&second, &rs), 0);
	assert_int_equal(scratch_load(&second, &rs), 0);
	assert_int_equal(scratch_capture(&second, &copy, false), 0);
	assert_true(ruleset_equal(&rs, &copy));
	assert_int_equal(engines_capture(&host, &c), 0);
	assert_int_equal(host.ntables, 0);
	scratch_close(&first);
	scratch_close(&second);
	ruleset_release(&like);
	ruleset_release(&rs);
	ruleset_release(&copy);
	ruleset_release(&host);
}

static void closing_leaves_no_descriptor(void **state)
{
	struct scratch s = SCRATCH_INIT;
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

	(void)state;
	close(before);
	assert_int_equal(scratch_open(&s, NULL), 0);
	scratch_close(&s);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(s.netns, -1);
	scratch_close(&s);
}

#define on_host(f) cmocka_unit_test_setup(f, private_host)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(interfaces_have_name_and_index),
		on_host(loopback_is_up),
		on_host(its_run_is_its_own),
		on_host(lock_of_the_host_does_not_block_it),
		on_host(visit_leaves_us_where_we_were),
		on_host(visit_from_a_chroot_comes_back_to_it),
		on_host(ruleset_is_loaded_exactly_and_the_host_is_not_touched),
		on_host(closing_leaves_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
