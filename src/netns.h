/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netns - network namespaces: identity, entering, interfaces
 */
#ifndef FWSNAP_NETNS_H
#define FWSNAP_NETNS_H

#include "buf.h"

#include <net/if.h>

/* Identity: the boot (32 hex digits of /proc/sys/kernel/random/boot_id) and SO_NETNS_COOKIE. */
struct netns_id {
	char boot[33];
	uint64_t cookie;
};

/* Identity of the namespace that the caller is in. 0 or -errno. */
must_check int netns_identify(struct netns_id *id);
bool netns_same(const struct netns_id *a, const struct netns_id *b);

/*
 * Whether the caller's network namespace is that of PID 1: 1 or 0; -errno where
 * that cannot be told.
 */
must_check int netns_is_init(void);

/*
 * Whether anything that can be seen here keeps the network namespace with this inode (that of
 * /proc/PID/ns/net) alive: a process or a mount.
 */
bool netns_exists(uint64_t inode);

/*
 * Enters the namespace behind fd and returns a descriptor of the one left
 * (for netns_leave, which closes it), or -errno.
 */
must_check int netns_enter(int fd);
void netns_leave(int fd);

/*
 * Makes an interface `name` with this index (0: any) in the caller's namespace,
 * of whatever kind the kernel has without loading a module if there is one
 * (dummy, ifb, veth, tap, bridge). 0, -EEXIST, -EOPNOTSUPP if no kind works.
 */
must_check int netns_make_link(const char *name, unsigned index);

/* The interfaces of a namespace with their addresses and routes: dumped rtnetlink(7) messages. */
struct netns_view {
	struct buf links, addresses, routes;
};

/* Reads those of the caller's namespace; of routes the first NETNS_ROUTES of the main table. 0 or -errno. */
#define NETNS_ROUTES 10000
must_check int netns_view_read(struct netns_view *v);
void netns_view_release(struct netns_view *v);
/* Adds the names of its interfaces. */
void netns_view_names(const struct netns_view *v, struct strlist *names);
/*
 * Makes interfaces of a view in the caller's namespace: with name, index, hardware address, MTU, up or down, and their
 * addresses; with connected and default routes, with all routes if names is NULL: all interfaces. They lead
 * nowhere. Interfaces that cannot be made are added to failed as "eth0: WHY"; what an interface made of another kind
 * does not take is left out.
 */
void netns_view_make(const struct netns_view *v, const struct strlist *names, struct strlist *failed);

#endif
