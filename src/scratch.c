/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scratch.h"

#include "change.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Seconds; nobody else knows the scratch's own /run/xtables.lock. */
#define LOCK_WAIT 10

/* What the helper is given. */
struct helper {
	int socket;
	const struct ruleset *like;
	const struct netns_view *view; /* for a rehearsal; else NULL */
	const struct strlist *names; /* of interfaces, besides those that `like` notes; NULL: all */
	struct strlist hidden;	     /* sockets */
};

enum { NETNS, MNTNS, RESOLVER, HANDED };

/* Rules name control groups by their paths there. */
static void mount_groups(int groups)
{
	cleanup_free char *from = str_printf("/proc/self/fd/%d", groups);

	if (groups >= 0 && !mount(from, "/sys/fs/cgroup", NULL, MS_BIND | MS_REC, NULL))
		(void)mount(NULL, "/sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

static int mount_private(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV;
	cleanup_close int groups = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return log_errno(-errno, "cannot make the mounts of the scratch private");
	if (mount("tmpfs", "/run", "tmpfs", flags, "mode=0755"))
		return log_errno(-errno, "cannot mount '/run' in the scratch");
	/* without a /sys there is none of the host's to be mistaken for it */
	if (mount("sysfs", "/sys", "sysfs", flags | MS_NOEXEC, NULL) && errno != ENOENT)
		return log_errno(-errno, "cannot mount '/sys' in the scratch");
	mount_groups(groups);
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

/* Interfaces as live has them; with those that only the rules name, once they are made. */
static void make_view(const struct helper *h)
{
	cleanup_strlist struct strlist failed = {NULL, 0}, names = {NULL, 0};

	for (size_t i = 0; h->names && i < h->names->n; i++)
		strlist_add(&names, h->names->s[i]);
	for (size_t i = 0; h->names && h->like && i < h->like->nlinks; i++)
		strlist_add_once(&names, h->like->links[i].name);
	netns_view_make(h->view, h->names ? &names : NULL, &failed);
	for (size_t i = 0; i < failed.n; i++)
		log_warning("cannot make an interface in the scratch: %s", failed.s[i]);
}

/* Whoever connects there is refused, as nothing listens on a device. */
static void hide_sockets(const struct strlist *paths)
{
	for (size_t i = 0; i < paths->n; i++) {
		struct stat st;

		if (!lstat(paths->s[i], &st) && S_ISSOCK(st.st_mode) &&
		    mount("/dev/null", paths->s[i], NULL, MS_BIND, NULL))
			log_warning("cannot hide '%s' in the scratch: %s", paths->s[i],
				    strerror(errno));
	}
}

/* unix(7), SCM_RIGHTS: descriptors keep the namespaces alive after the helper's end. */
static int send_descriptors(int socket, const int *fds, size_t n)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(HANDED * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (char[]){'n'}, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	if (sendmsg(socket, &msg, MSG_NOSIGNAL) < 0)
		return log_errno(-errno, "cannot hand over the namespaces of the scratch");
	return 0;
}

static int hand_over(const struct helper *h)
{
	cleanup_close int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cleanup_close int mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	cleanup_close int resolver = -1;

	if (net < 0 || mnt < 0)
		return log_errno(-errno, "cannot open the namespaces of the scratch");
	if (h->view) {
		resolver = scratch_resolver_socket();
		if (resolver < 0)
			return log_errno(resolver,
					 "cannot make the socket for names in the scratch");
	}
	return send_descriptors(h->socket, (int[]){net, mnt, resolver}, h->view ? 3 : 2);
}

/* Those that were not handed over are -1. */
static int receive_descriptors(int socket, int fds[static HANDED])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(HANDED * sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.space)};
	struct cmsghdr *c;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) < 0)
		return log_errno(-errno, "cannot take over the namespaces of the scratch");
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_len < CMSG_LEN(2 * sizeof(int)) ||
	    c->cmsg_len > CMSG_LEN(HANDED * sizeof(int)))
		return log_errno(-EPROTO, "cannot take over the namespaces of the scratch");
	memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
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
	hide_sockets(&h->hidden);
	if (h->view)
		make_view(h);
	make_links(h->like);
	return hand_over(h);
}

/* In a child: it logs, and its exit status is the errno. */
static int helper_main(void *arg)
{
	return -helper_steps(arg);
}

static int start_resolver(struct scratch *s, int socket)
{
	struct resolver resolver = {.socket = socket};

	s->lookups = memfd_create("fwsnap-lookups", MFD_CLOEXEC);
	if (s->lookups < 0 || fcntl(s->lookups, F_SETFL, O_APPEND))
		return log_errno(-errno, "cannot keep the names that are looked up");
	resolver.lookups = s->lookups;
	s->resolver = exec_start(scratch_resolve, &resolver);
	if (s->resolver > 0)
		return 0;
	s->resolver = 0;
	return log_errno(-EAGAIN, "cannot start the process that looks up names");
}

static bool may_come_back(void)
{
	cleanup_close int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return here >= 0 && !setns(here, CLONE_NEWNET);
}

static int open_with(struct scratch *s, struct helper *h)
{
	cleanup_close int ours = -1, theirs = -1, resolver = -1;
	int ends[2], fds[HANDED] = {-1, -1, -1}, r;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends))
		return log_errno(-errno, "cannot make a socket for the scratch");
	ours = ends[0];
	theirs = ends[1];
	h->socket = theirs;
	r = exec_fork(helper_main, h);
	if (r < 0)
		return log_errno(r, "cannot start the helper that makes the scratch");
	r = r ? -r : receive_descriptors(ours, fds);
	if (r)
		return r;
	*s = (struct scratch){.netns = fds[NETNS],
			      .mntns = fds[MNTNS],
			      .lookups = -1,
			      .likeness = h->view,
			      .for_good = !may_come_back()};
	resolver = fds[RESOLVER];
	if (resolver >= 0)
		r = start_resolver(s, resolver);
	if (r)
		scratch_close(s);
	return r;
}

int scratch_open(struct scratch *s, const struct ruleset *like)
{
	return open_with(s, &(struct helper){.like = like});
}

/* proc_pid_net(5), unix: the sockets of this namespace; those bound to a path have it last. */
static void find_sockets(struct strlist *paths)
{
	FILE *f = fopen("/proc/self/net/unix", "re");
	cleanup_free char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		strlist_add(paths, path);
	}
	if (f)
		fclose(f);
}

int scratch_open_rehearsal(struct scratch *s, const struct ruleset *like,
			   const struct strlist *names)
{
	struct netns_view view;
	struct helper h = {.like = like, .view = &view, .names = names};
	int r = netns_view_read(&view);

	if (r)
		log_errno(r, "cannot read the interfaces");
	find_sockets(&h.hidden);
	if (!r)
		r = open_with(s, &h);
	strlist_release(&h.hidden);
	netns_view_release(&view);
	return r;
}

void scratch_lookups(const struct scratch *s, struct strlist *lookups)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct stat st;
	char *save;

	if (s->lookups < 0 || fstat(s->lookups, &st) || st.st_size <= 0)
		return;
	if (pread(s->lookups, buf_reserve(&text, (size_t)st.st_size), (size_t)st.st_size, 0) !=
	    st.st_size)
		return;
	text.len = (size_t)st.st_size;
	for (char *line = strtok_r(buf_str(&text), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		strlist_add_once(lookups, line);
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
	if (s->resolver)
		exec_stop(s->resolver);
	close_p(&s->lookups);
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
	char *path; /* of the working folder, for who stays; NULL */
};

static void visit_release(struct visit *v)
{
	close_p(&v->mntns);
	close_p(&v->root);
	close_p(&v->folder);
	free(v->path);
	v->path = NULL;
}

/* Whoever stays has at least the folder of the same name. */
static void visit_stay(struct visit *v)
{
	(void)!(v->path ? chdir(v->path) : 0);
	close_p(&v->netns);
	visit_release(v);
}

/* In the wrong namespace the next step would be taken on the wrong firewall, or the wrong files. */
static void visit_end(const struct scratch *s, struct visit *v)
{
	if (s->for_good && v->netns >= 0) {
		visit_stay(v);
		return;
	}
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
		.path = s->for_good ? getcwd(NULL, 0) : NULL,
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
	visit_end(s, v);
	return r;
}

static int load(struct ruleset *rs)
{
	const struct capture all = {.lock_wait = LOCK_WAIT};
	const char *state = log_state();
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
	/* what it said was about the scratch */
	log_set_state(state);
	return r;
}

int scratch_load(struct scratch *s, struct ruleset *rs)
{
	const struct netns_id where = rs->where;
	struct visit v;
	int r = visit_begin(s, &v);

	if (r)
		return r;
	/* there is no other way to say that an interface that had vanished keeps its index */
	if (s->likeness)
		r = netns_identify(&rs->where);
	r = r ? log_errno(r, "cannot tell the network of the scratch") : load(rs);
	rs->where = where;
	visit_end(s, &v);
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
	visit_end(s, &v);
	return r;
}
