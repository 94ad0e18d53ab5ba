/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * traffic - datagrams through a firewall while it changes, each one accounted for
 *
 * A thread in a network namespace of its own sends numbered UDP datagrams over a veth into the
 * caller's, to two ports alike. Datagrams that a busy machine loses before the packet filter sees
 * them, or behind it for want of a buffer, are counted apart by the kernel's own statistics.
 * What goes wrong here fails the cmocka test that calls.
 */
#ifndef FWSNAP_TESTS_TRAFFIC_H
#define FWSNAP_TESTS_TRAFFIC_H

#include <stdbool.h>

/* The rules under test let the first port through and stop the second one. */
enum port { PORT_ALLOWED, PORT_FORBIDDEN, PORTS };
#define ALLOWED "7001"
#define FORBIDDEN "7002"
#define SENDER "10.99.0.1"
#define RECEIVER "10.99.0.2"

/* Datagrams a second to each port, unless traffic_slow() was called. */
#define TRAFFIC_RATE 20000

struct traffic {
	unsigned long sent[PORTS];
	unsigned long leaked; /* came to the forbidden port */
	unsigned long
		lost; /* did not come to the allowed port, though the machine delivered them */
	unsigned long elsewhere; /* lost to full queues, not to the packet filter */
	double seconds;
};

/* Makes the veth and the sender, which waits. The caller is in a namespace of its own. */
void traffic_open(void);
/* Ends the sender. */
void traffic_close(void);

/* Begins to send, with counts of zero; ends what a failed test may have left running. */
void traffic_start(void);
/* Stops, waits for what is under way, and counts. */
void traffic_stop(struct traffic *counts);

/*
 * Around a moment that matters: whether the sender was really sending meanwhile, to each port
 * at least five datagrams at the full rate. `milliseconds` is how long it took.
 */
void traffic_watch(void);
bool traffic_watched(double *milliseconds);

/* Halves the rate, and returns it. */
unsigned traffic_slow(void);

#endif
