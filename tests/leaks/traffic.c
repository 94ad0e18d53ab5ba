/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "traffic.h"

#include "../engine/place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NANOSECOND 1e-9
#define MILLISECOND 1000000L
/* A sender that was kept from the processor does not make up for more than this. */
#define CATCH_UP (5 * MILLISECOND)
/* Besides one, which may have been under way. */
#define WATCHED_LEAST 4
/* Seconds of datagrams, as the kernel accounts for them. */
#define RECEIVE_BUFFER (64 << 20)

enum order { STOP, SEND, END };

struct datagram {
	unsigned run; /* which start it belongs to */
	unsigned long number;
};

static const unsigned short port_numbers[PORTS] = {7001, 7002};

/* What the two threads share. */
static _Atomic enum order wanted, obeyed;
static atomic_ulong sent[PORTS];
static atomic_int sender_error;
static _Atomic unsigned run, rate = TRAFFIC_RATE;

static pthread_t sender;
static int sender_netns = -1, receivers[PORTS];
static unsigned long received[PORTS], next_number[PORTS], statistics_before[2];
static unsigned long watched[PORTS];
static struct timespec started, watch_started;

static void wait_a_moment(long nanoseconds)
{
	nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}

static struct timespec now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t;
}

static double seconds_since(struct timespec start)
{
	struct timespec t = now();

	return (double)(t.tv_sec - start.tv_sec) + (double)(t.tv_nsec - start.tv_nsec) * NANOSECOND;
}

/* sender */

static int sender_socket(enum port port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port_numbers[port])};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, RECEIVER, &to.sin_addr);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void send_to_both(const int *fds)
{
	for (enum port port = 0; port < PORTS; port++) {
		struct datagram d = {.run = run, .number = sent[port]};

		if (send(fds[port], &d, sizeof(d), 0) == sizeof(d))
			sent[port]++;
		else if (errno != ENOBUFS)
			sender_error = errno;
	}
}

/* Waits until it is time for the next ones. */
static void keep_pace(struct timespec *due)
{
	due->tv_nsec += 1000 * MILLISECOND / (long)rate;
	if (seconds_since(*due) > CATCH_UP * NANOSECOND)
		*due = now();
	while (due->tv_nsec >= 1000 * MILLISECOND) {
		due->tv_nsec -= 1000 * MILLISECOND;
		due->tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL);
}

static void *sender_run(void *arg)
{
	struct timespec due = {0};
	int fds[PORTS] = {-1, -1};

	(void)arg;
	prctl(PR_SET_TIMERSLACK, 1);
	setpriority(PRIO_PROCESS, (id_t)gettid(), -10);
	if (setns(sender_netns, CLONE_NEWNET) || (fds[0] = sender_socket(0)) < 0 ||
	    (fds[1] = sender_socket(1)) < 0)
		sender_error = errno;
	while (wanted != END) {
		obeyed = wanted;
		if (obeyed == SEND) {
			send_to_both(fds);
			keep_pace(&due);
		} else {
			wait_a_moment(MILLISECOND / 10);
			due = now();
		}
	}
	for (enum port port = 0; port < PORTS; port++)
		if (fds[port] >= 0)
			close(fds[port]);
	return NULL;
}

static void sender_order(enum order order)
{
	wanted = order;
	while (obeyed != order)
		wait_a_moment(MILLISECOND / 10);
	assert_int_equal(sender_error, 0);
}

/* receiver */

static int receiver_socket(enum port port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port_numbers[port])};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int size = RECEIVE_BUFFER;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void receive_all(void)
{
	struct datagram d;

	for (enum port port = 0; port < PORTS; port++)
		while (recv(receivers[port], &d, sizeof(d), 0) == sizeof(d)) {
			if (d.run != run)
				continue;
			assert_true(d.number >= next_number[port]);
			next_number[port] = d.number + 1;
			received[port]++;
		}
}

/* A counter of this namespace: "Ip:", "InReceives". */
static unsigned long statistic(const char *group, const char *name)
{
	char names[1024], values[1024], *save_name, *save_value;
	FILE *f = fopen("/proc/thread-self/net/snmp", "re");
	size_t n = strlen(group);

	assert_non_null(f);
	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f))
		if (!strncmp(names, group, n))
			break;
	fclose(f);
	for (char *s = strtok_r(names, " \n", &save_name),
		  *v = strtok_r(values, " \n", &save_value);
	     s && v; s = strtok_r(NULL, " \n", &save_name), v = strtok_r(NULL, " \n", &save_value))
		if (!strcmp(s, name))
			return strtoul(v, NULL, 10);
	fail_msg("the kernel counts no %s %s", group, name);
	return 0;
}

static void statistics(unsigned long counts[static 2])
{
	counts[0] = statistic("Ip:", "InReceives");
	counts[1] = statistic("Udp:", "RcvbufErrors");
}

/* Until nothing has come in for a while. */
static void settle(void)
{
	unsigned long before, after = statistic("Ip:", "InReceives");

	do {
		before = after;
		wait_a_moment(3 * MILLISECOND);
		receive_all();
		after = statistic("Ip:", "InReceives");
	} while (before != after);
}

/* both */

/* Neighbours are known for good, and without IPv6 nothing but the datagrams comes over the veth. */
static void make_veth(void)
{
	cleanup_free char *command =
		str_printf("set -e\n"
			   "sender=/proc/%d/fd/%d\n"
			   "ip link add v0 address 02:00:00:00:00:02 type veth peer name v1\n"
			   "ip link set v1 netns $sender\n"
			   "echo 1 >/proc/sys/net/ipv6/conf/v0/disable_ipv6\n"
			   "ip link set v0 up\n"
			   "ip address add " RECEIVER "/24 dev v0\n"
			   "nsenter --net=$sender sh -ec '\n"
			   "echo 1 >/proc/sys/net/ipv6/conf/v1/disable_ipv6\n"
			   "ip link set v1 up\n"
			   "ip address add " SENDER "/24 dev v1\n"
			   "ip neighbour replace " RECEIVER " lladdr 02:00:00:00:00:02 dev v1'\n",
			   (int)getpid(), sender_netns);

	free(place_shell(command));
}

void traffic_open(void)
{
	sender_netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(sender_netns >= 0);
	place_move(false);
	make_veth();
	for (enum port port = 0; port < PORTS; port++)
		receivers[port] = receiver_socket(port);
	assert_int_equal(pthread_create(&sender, NULL, sender_run, NULL), 0);
}

void traffic_close(void)
{
	wanted = END;
	pthread_join(sender, NULL);
	for (enum port port = 0; port < PORTS; port++)
		close(receivers[port]);
	close(sender_netns);
}

void traffic_start(void)
{
	sender_order(STOP);
	settle();
	run++;
	for (enum port port = 0; port < PORTS; port++)
		sent[port] = received[port] = next_number[port] = 0;
	statistics(statistics_before);
	started = now();
	sender_order(SEND);
}

void traffic_stop(struct traffic *counts)
{
	unsigned long after[2], missing;

	sender_order(STOP);
	counts->seconds = seconds_since(started);
	settle();
	statistics(after);
	for (enum port port = 0; port < PORTS; port++)
		counts->sent[port] = sent[port];
	counts->elsewhere = counts->sent[PORT_ALLOWED] + counts->sent[PORT_FORBIDDEN] -
			    (after[0] - statistics_before[0]) + (after[1] - statistics_before[1]);
	counts->leaked = received[PORT_FORBIDDEN];
	missing = counts->sent[PORT_ALLOWED] - received[PORT_ALLOWED];
	counts->lost = missing > counts->elsewhere ? missing - counts->elsewhere : 0;
}

void traffic_watch(void)
{
	receive_all();
	for (enum port port = 0; port < PORTS; port++)
		watched[port] = sent[port];
	watch_started = now();
}

bool traffic_watched(double *milliseconds)
{
	unsigned long least = 1 + WATCHED_LEAST * rate / TRAFFIC_RATE;

	*milliseconds = seconds_since(watch_started) * 1e3;
	for (enum port port = 0; port < PORTS; port++)
		if (sent[port] - watched[port] < least)
			return false;
	return true;
}

unsigned traffic_slow(void)
{
	rate /= 2;
	return rate;
}
