/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int open_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Each test begins in a new namespace, and there is always one more to go to. */
static int in_new_namespace(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

static void identity_is_stable_and_differs_between_namespaces(void **state)
{
	struct netns_id here, again, other;

	(void)state;
	assert_int_equal(netns_identify(&here), 0);
	assert_int_equal(netns_identify(&again), 0);
	assert_true(netns_same(&here, &again));
	assert_int_equal(strspn(here.boot, "0123456789abcdef"), 32);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(netns_identify(&other), 0);
	assert_string_equal(here.boot, other.boot);
	assert_false(netns_same(&here, &other));
}

static void private_namespace_is_not_that_of_pid_1(void **state)
{
	(void)state;
	assert_int_equal(netns_is_init(), 0);
}

static void leaving_goes_back_to_where_we_were(void **state)
{
	cleanup_close int there = open_netns();
	struct netns_id here, now;
	int old;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(netns_identify(&here), 0);
	old = netns_enter(there);
	assert_true(old >= 0);
	assert_int_equal(netns_identify(&now), 0);
	assert_false(netns_same(&here, &now));
	netns_leave(old);
	assert_int_equal(netns_identify(&now), 0);
	assert_true(netns_same(&here, &now));
}

static void entering_what_is_no_namespace_changes_nothing(void **state)
{
	cleanup_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct netns_id here, now;

	(void)state;
	assert_int_equal(netns_identify(&here), 0);
	assert_int_equal(netns_enter(null), -EINVAL);
	assert_int_equal(netns_identify(&now), 0);
	assert_true(netns_same(&here, &now));
}

static void links_get_their_name_and_index(void **state)
{
	(void)state;
	assert_int_equal(netns_make_link("eth0", 42), 0);
	assert_int_equal(netns_make_link("a-long-name.123", 7), 0);
	assert_int_equal(netns_make_link("free", 0), 0);
	assert_int_equal(if_nametoindex("eth0"), 42);
	assert_int_equal(if_nametoindex("a-long-name.123"), 7);
	assert_true(if_nametoindex("free") > 0);
}

/* A kind that makes two links, or takes the next index, would get in the way of its neighbour. */
static void neighbouring_links_do_not_collide(void **state)
{
	(void)state;
	for (unsigned i = 40; i-- > 2;) {
		cleanup_free char *name = str_printf("veth%u", i);

		assert_int_equal(netns_make_link(name, i), 0);
	}
	assert_int_equal(if_nametoindex("veth2"), 2);
	assert_int_equal(if_nametoindex("veth39"), 39);
}

static void taken_name_or_index_is_refused(void **state)
{
	(void)state;
	assert_int_equal(netns_make_link("eth0", 42), 0);
	assert_int_equal(netns_make_link("eth0", 43), -EEXIST);
	assert_int_equal(netns_make_link("eth1", 42), -EEXIST);
	assert_int_equal(netns_make_link("lo", 0), -EEXIST);
}

static void bad_name_is_refused(void **state)
{
	(void)state;
	assert_int_equal(netns_make_link("", 5), -EINVAL);
	assert_int_equal(netns_make_link("a/b", 5), -EINVAL);
	assert_int_equal(netns_make_link("this-name-is-too-long", 5), -EINVAL);
}

#define in_namespace(f) cmocka_unit_test_setup(f, in_new_namespace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_namespace(identity_is_stable_and_differs_between_namespaces),
		in_namespace(private_namespace_is_not_that_of_pid_1),
		in_namespace(leaving_goes_back_to_where_we_were),
		in_namespace(entering_what_is_no_namespace_changes_nothing),
		in_namespace(links_get_their_name_and_index),
		in_namespace(neighbouring_links_do_not_collide),
		in_namespace(taken_name_or_index_is_refused),
		in_namespace(bad_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
