/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hold stops, and whom it does not disturb. */
#include "place.h"

#include "engine/nft_hold.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NEAR "192.0.2.1"
#define FAR "192.0.2.2"
#define PORT 5000
/* Milliseconds in which a packet that may pass does. */
#define SOON 300

static struct sockaddr_in address(const char *ip)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static int socket_at(const char *ip)
{
	struct sockaddr_in a = address(ip);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Two ends of a cable, the far one in a namespace of its own, and loopback. */
static struct {
	int near, far, loopback;
} ends;

static int ends_setup(void **state)
{
	int near, far;
	cleanup_free char *link = NULL;

	if (place_setup(state))
		return -1;
	near = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (near < 0 || unshare(CLONE_NEWNET))
		return -1;
	far = open("/proc/self/ns/net", O_RDONLY);
	link = str_printf("ip link add far type veth peer name near netns /proc/%d/fd/%d && "
			  "ip addr add " FAR "/24 dev far && ip link set far up",
			  (int)getpid(), near);
	fcntl(near, F_SETFD, 0);
	free(place_shell(link));
	netns_leave(near);
	free(place_shell("ip addr add " NEAR "/24 dev near && ip link set near up && ip link set lo up"));
	ends.near = socket_at(NEAR);
	ends.loopback = socket_at("127.0.0.1");
	near = netns_enter(far);
	ends.far = socket_at(FAR);
	netns_leave(near);
	close(far);
	return 0;
}

static int ends_teardown(void **state)
{
	close(ends.near);
	close(ends.far);
	close(ends.loopback);
	return place_teardown(state);
}

static bool passes(int from, int to, const char *ip)
{
	struct sockaddr_in a = address(ip);
	struct pollfd p = {.fd = to, .events = POLLIN};
	char byte = 'x';

	if (sendto(from, &byte, 1, 0, (struct sockaddr *)&a, sizeof(a)) != 1)
		return false;
	return poll(&p, 1, SOON) == 1 && recv(to, &byte, 1, 0) == 1;
}

static bool goes_out(void)
{
	return passes(ends.near, ends.far, FAR);
}

static bool comes_in(void)
{
	return passes(ends.far, ends.near, NEAR);
}

static bool stays_within(void)
{
	return passes(ends.loopback, ends.loopback, "127.0.0.1") &&
	       passes(ends.near, ends.near, NEAR);
}

static void the_hold_stops_all_but_loopback(void **state)
{
	(void)state;
	assert_true(goes_out() && comes_in() && stays_within());
	assert_int_equal(nft_hold(NULL, true), 0);
	assert_false(goes_out());
	assert_false(comes_in());
	assert_true(stays_within());
	assert_int_equal(nft_hold(NULL, false), 0);
	assert_true(goes_out() && comes_in() && stays_within());
}

static void it_comes_before_what_accepts(void **state)
{
	(void)state;
	place_nft("table inet t {\nchain in {\ntype filter hook prerouting priority -2147483648; accept\n}\n"
		  "chain out {\ntype filter hook output priority -2147483648; accept\n}\n}\n");
	assert_int_equal(nft_hold(NULL, true), 0);
	assert_false(goes_out() || comes_in());
	assert_true(stays_within());
}

static void it_is_made_and_removed_as_often_as_one_likes(void **state)
{
	cleanup_free char *once = NULL, *twice = NULL;

	(void)state;
	assert_int_equal(nft_hold_left(), 0);
	assert_int_equal(nft_hold(NULL, false), 0);
	assert_int_equal(nft_hold(NULL, true), 0);
	assert_int_equal(nft_hold_left(), 1);
	once = place_shell("nft list ruleset");
	assert_int_equal(nft_hold(NULL, true), 0);
	twice = place_shell("nft list ruleset");
	assert_string_equal(once, twice);
	assert_int_equal(nft_hold(NULL, false), 0);
	assert_int_equal(nft_hold(NULL, false), 0);
	assert_int_equal(nft_hold_left(), 0);
}

static void one_that_a_crash_left_is_found_and_removed(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid)
		_exit(nft_hold(NULL, true) ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(nft_hold_left(), 1);
	assert_false(goes_out());
	assert_int_equal(nft_hold(NULL, false), 0);
	assert_int_equal(nft_hold_left(), 0);
	assert_true(goes_out());
}

/* So many chains that a dump of all comes in pieces. */
static void load_much(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	buf_add_str(&text, "table ip much {\n");
	for (unsigned i = 0; i < 3000; i++)
		buf_printf(&text, "chain c%u {\ntcp dport %u accept\n}\n", i, i + 1);
	buf_add_str(&text, "}\n");
	place_nft(buf_str(&text));
}

static void a_capture_does_not_mind_that_it_comes_and_goes(void **state)
{
	struct ruleset quiet = {0}, rs = {0};
	pid_t pid;
	int status;

	(void)state;
	load_much();
	place_capture(&quiet);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (bool on = true; !nft_hold(NULL, on); on = !on)
			usleep(1000);
		_exit(1);
	}
	for (unsigned i = 0; i < 10; i++) {
		place_capture(&rs);
		assert_true(ruleset_equal(&quiet, &rs));
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	place_capture(&rs);
	assert_int_not_equal(rs.generation, quiet.generation);
	ruleset_release(&quiet);
	ruleset_release(&rs);
}

static void a_watch_that_makes_it_hears_nothing_of_it(void **state)
{
	struct watch *w = NULL;
	struct strlist who = {NULL, 0};
	struct capture c = {.lock_wait = PLACE_WAIT};
	struct ruleset rs = {0};

	(void)state;
	assert_int_equal(watch_open(&w), 0);
	c.watch = w;
	assert_int_equal(engines_capture(&rs, &c), 0);
	assert_int_equal(nft_hold(w, true), 0);
	/* nor of that of another one */
	assert_int_equal(nft_hold(NULL, true), 0);
	assert_int_equal(nft_hold(w, false), 0);
	assert_int_equal(watch_changes(w, NULL, rs.generation, &who), 0);
	place_nft("add table ip t\n");
	assert_int_equal(watch_changes(w, NULL, rs.generation, &who), 1);
	strlist_release(&who);
	ruleset_release(&rs);
	watch_close(w);
}

#define PLACED(function) cmocka_unit_test_setup_teardown(function, ends_setup, ends_teardown)

/* test_hold [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PLACED(the_hold_stops_all_but_loopback),
		PLACED(it_comes_before_what_accepts),
		PLACED(it_is_made_and_removed_as_often_as_one_likes),
		PLACED(one_that_a_crash_left_is_found_and_removed),
		PLACED(a_capture_does_not_mind_that_it_comes_and_goes),
		PLACED(a_watch_that_makes_it_hears_nothing_of_it),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
