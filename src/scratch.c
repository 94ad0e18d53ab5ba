/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scratch.h"

#include "change.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* Seconds; nobody else knows the scratch's own /run/xtables.lock. */
#define LOCK_WAIT 10

/* What the helper is given. */
struct helper {
	int socket;
	const struct ruleset *like;
};

static int mount_private(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return log_errno(-errno, "cannot make the mounts of the scratch private");
	if (mount("tmpfs", "/run", "tmpfs", flags, "mode=0755"))
		return log_errno(-errno, "cannot mount '/run' in the scratch");
	/* without a /sys there is none of the host's to be mistaken for it */
	if (mount("sysfs", "/sys", "sysfs", flags | MS_NOEXEC, NULL) && errno != ENOENT)
		return log_errno(-errno, "cannot mount '/sys' in the scratch");
	return 0;
}

static int loopback_up(void)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		return log_errno(-errno, "cannot bring up 'lo' in the scratch");
	return 0;
}

/* Only the table that needs an interface suffers if it cannot be had: its load will say so. */
static void make_link(const struct link_ref *l)
{
	int r;

	if (!*l->name || if_nametoindex(l->name))
		return;
	r = netns_make_link(l->name, l->index);
	if (r)
		log_warning("cannot make interface '%s' in the scratch: %s", l->name, strerror(-r));
}

/* Those without an index last, lest they take one that is wanted. */
static void make_links(const struct ruleset *like)
{
	for (int named = 0; named <= 1; named++)
		for (size_t i = 0; like && i < like->nlinks; i++)
			if ((like->links[i].index == 0) == named)
				make_link(&like->links[i]);
}

/* unix(7), SCM_RIGHTS: descriptors keep the namespaces alive after the helper's end. */
static int send_namespaces(int socket)
{
	cleanup_close int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cleanup_close int mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (char[]){'n'}, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.space)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (net < 0 || mnt < 0)
		return log_errno(-errno, "cannot open the namespaces of the scratch");
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[]){net, mnt}, 2 * sizeof(int));
	if (sendmsg(socket, &msg, MSG_NOSIGNAL) < 0)
		return log_errno(-errno, "cannot hand over the namespaces of the scratch");
	return 0;
}

static int receive_namespaces(int socket, struct scratch *s)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.space)};
	struct cmsghdr *c;
	int fds[2];

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) < 0)
		return log_errno(-errno, "cannot take over the namespaces of the scratch");
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_len != CMSG_LEN(sizeof(fds)))
		return log_errno(-EPROTO, "cannot take over the namespaces of the scratch");
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	*s = (struct scratch){.netns = fds[0], .mntns = fds[1]};
	return 0;
}

static int helper_steps(const struct helper *h)
{
	int r;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return log_errno(-errno, "cannot make a private namespace");
	r = mount_private();
	if (!r)
		r = loopback_up();
	if (r)
		return r;
	make_links(h->like);
	return send_namespaces(h->socket);
}

/* In a child: it logs, and its exit status is the errno. */
static int helper_main(void *arg)
{
	return -helper_steps(arg);
}

int scratch_open(struct scratch *s, const struct ruleset *like)
{
	cleanup_close int ours = -1, theirs = -1;
	struct helper h = {.like = like};
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends))
		return log_errno(-errno, "cannot make a socket for the scratch");
	ours = ends[0];
	theirs = ends[1];
	h.socket = theirs;
	r = exec_fork(helper_main, &h);
	if (r < 0)
		return log_errno(r, "cannot start the helper that makes the scratch");
	return r ? -r : receive_namespaces(ours, s);
}

int scratch_open_here(struct scratch *s)
{
	struct if_nameindex *links = if_nameindex();
	struct ruleset like = {0};
	int r;

	for (const struct if_nameindex *l = links; l && l->if_index; l++)
		ruleset_note_device(&like, l->if_name);
	if_freenameindex(links);
	r = scratch_open(s, &like);
	ruleset_release(&like);
	return r;
}

void scratch_close(struct scratch *s)
{
	close_p(&s->netns);
	close_p(&s->mntns);
	*s = (struct scratch)SCRATCH_INIT;
}

int scratch_run(struct scratch *s, struct exec *e)
{
	e->netns = s->netns;
	e->mntns = s->mntns;
	return exec_run(e);
}

/* The way back. Entering a mount namespace moves root and working folder too. */
struct visit {
	int netns, mntns, root, folder;
};

static void visit_release(struct visit *v)
{
	close_p(&v->mntns);
	close_p(&v->root);
	close_p(&v->folder);
}

/* In the wrong namespace the next step would be taken on the wrong firewall, or the wrong files. */
static void visit_end(struct visit *v)
{
	if (v->netns >= 0)
		netns_leave(v->netns);
	if (setns(v->mntns, CLONE_NEWNS) || fchdir(v->root) || chroot(".") || fchdir(v->folder))
		abort();
	visit_release(v);
}

static int visit_begin(const struct scratch *s, struct visit *v)
{
	int r;

	*v = (struct visit){
		.netns = -1,
		.mntns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC),
		.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	if (v->mntns < 0 || v->root < 0 || v->folder < 0 || setns(s->mntns, CLONE_NEWNS)) {
		r = log_errno(-errno, "cannot enter the mounts of the scratch");
		visit_release(v);
		return r;
	}
	v->netns = netns_enter(s->netns);
	if (v->netns >= 0)
		return 0;
	r = log_errno(v->netns, "cannot enter the network of the scratch");
	visit_end(v);
	return r;
}

static int load(struct ruleset *rs)
{
	const struct capture all = {.lock_wait = LOCK_WAIT};
	struct ruleset live = {0};
	struct change change = {.live = &live, .target = rs, .lock_wait = LOCK_WAIT};
	enum change_result result;
	int r = engines_capture(&live, &all);

	if (!r) {
		result = change_run(&change);
		change_release(&change);
		r = result == CHANGE_DONE || result == CHANGE_NOTHING ? 0 : -ECANCELED;
	}
	ruleset_release(&live);
	return r;
}

int scratch_load(struct scratch *s, struct ruleset *rs)
{
	struct visit v;
	int r = visit_begin(s, &v);

	if (r)
		return r;
	r = load(rs);
	visit_end(&v);
	return r;
}

int scratch_capture(struct scratch *s, struct ruleset *rs, bool records)
{
	const struct capture c = {.sink = records ? NULL : capture_discard, .lock_wait = LOCK_WAIT};
	struct visit v;
	int r = visit_begin(s, &v);

	if (r)
		return r;
	r = engines_capture(rs, &c);
	visit_end(&v);
	return r;
}
