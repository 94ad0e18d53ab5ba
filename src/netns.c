/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Peers of veth links stay out of the way of indexes that are still to be made. */
#define PEER_INDEX (1U << 30)

static int read_boot_id(char boot[static 33])
{
	cleanup_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[37];
	size_t n = 0;

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text)) < 36)
		return -EIO;
	for (size_t i = 0; i < 36 && n < 32; i++)
		if (text[i] != '-')
			boot[n++] = text[i];
	boot[n] = '\0';
	return n == 32 ? 0 : -EIO;
}

/* As long as the process lives there is only one. */
static int boot_id(char boot[static 33])
{
	static char known[33];
	int r = *known ? 0 : read_boot_id(known);

	if (r)
		*known = '\0';
	strcpy(boot, known);
	return r;
}

/* Linux before 5.14 has no cookie: the inode is unique among those that live, not over time. */
static int cookie_of_inode(uint64_t *cookie)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st))
		return -errno;
	*cookie = st.st_ino;
	return 0;
}

int netns_identify(struct netns_id *id)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(id->cookie);
	int r = boot_id(id->boot);

	if (r)
		return r;
	if (fd < 0)
		return -errno;
	if (!getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &id->cookie, &n))
		return 0;
	return errno == ENOPROTOOPT || errno == EOPNOTSUPP ? cookie_of_inode(&id->cookie) : -errno;
}

bool netns_same(const struct netns_id *a, const struct netns_id *b)
{
	return !strcmp(a->boot, b->boot) && a->cookie == b->cookie;
}

/* These files are one inode per namespace, and need no privilege, as /proc/1/ns/net does. */
int netns_is_init(void)
{
	struct stat init, self;

	if (stat("/proc/1/net/dev", &init) || stat("/proc/self/net/dev", &self))
		return -errno;
	return init.st_dev == self.st_dev && init.st_ino == self.st_ino;
}

static bool process_lives_in(const char *want)
{
	DIR *d = opendir("/proc");
	bool found = false;

	for (struct dirent *e; d && !found && (e = readdir(d));) {
		cleanup_free char *path = str_printf("/proc/%s/ns/net", e->d_name);
		char name[64];
		ssize_t n = readlink(path, name, sizeof(name) - 1);

		name[n > 0 ? n : 0] = '\0';
		found = !strcmp(name, want);
	}
	if (d)
		closedir(d);
	return found;
}

bool netns_exists(uint64_t inode)
{
	cleanup_free char *want = str_printf("net:[%llu]", (unsigned long long)inode);
	char *line = NULL;
	size_t size = 0;
	bool found = process_lives_in(want);
	FILE *mounts = fopen("/proc/self/mountinfo", "re");

	while (mounts && !found && getline(&line, &size, mounts) > 0)
		found = strstr(line, want);
	if (mounts)
		fclose(mounts);
	free(line);
	return found;
}

int netns_enter(int fd)
{
	int old = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (old < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET)) {
		int r = -errno;

		close(old);
		return r;
	}
	return old;
}

/* Going on in the wrong namespace would change the wrong firewall: there is no other way out. */
void netns_leave(int fd)
{
	if (setns(fd, CLONE_NEWNET))
		abort();
	close(fd);
}

static int transact(struct nlmsghdr *nlh)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char answer[MNL_SOCKET_BUFFER_SIZE];
	ssize_t n;
	int r = 0;

	if (!nl)
		return -errno;
	nlh->nlmsg_seq = (uint32_t)time(NULL);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0 ||
	    (n = mnl_socket_recvfrom(nl, answer, sizeof(answer))) < 0 ||
	    mnl_cb_run(answer, (size_t)n, nlh->nlmsg_seq, mnl_socket_get_portid(nl), NULL, NULL) <
		    0)
		r = -errno;
	mnl_socket_close(nl);
	return r;
}

static void put_veth_peer(struct nlmsghdr *nlh, unsigned index)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload_tail(nlh);
	char name[IFNAMSIZ];

	*ifi = (struct ifinfomsg){.ifi_family = AF_UNSPEC,
				  .ifi_index = (int)(index ? index | PEER_INDEX : 0)};
	nlh->nlmsg_len += MNL_ALIGN(sizeof(*ifi));
	snprintf(name, sizeof(name), "peer%08x", index ? index : (unsigned)getpid());
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
}

/* rtnetlink(7) RTM_NEWLINK. */
static int make_rtnl(const char *kind, const char *name, unsigned index)
{
	char space[1024] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(space);
	struct ifinfomsg *ifi;
	struct nlattr *info;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)index;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	if (!strcmp(kind, "veth"))
		put_veth_peer(nlh, index);
	mnl_attr_nest_end(nlh, info);
	return transact(nlh);
}

/* Documentation/networking/tuntap.rst */
static int make_tap(const char *kind, const char *name, unsigned index)
{
	cleanup_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL};
	int wanted = (int)index;

	(void)kind;
	if (fd < 0)
		return -EOPNOTSUPP;
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	if (index && ioctl(fd, TUNSETIFINDEX, &wanted))
		return -errno;
	if (ioctl(fd, TUNSETIFF, &ifr))
		return errno == EBUSY ? -EEXIST : -errno;
	return ioctl(fd, TUNSETPERSIST, 1) ? -errno : 0;
}

static const struct kind {
	const char *name;
	const char *module;
	int (*make)(const char *kind, const char *name, unsigned index);
} kinds[] = {
	{"dummy", "dummy", make_rtnl}, {"ifb", "ifb", make_rtnl},	{"veth", "veth", make_rtnl},
	{"tap", "tun", make_tap},      {"bridge", "bridge", make_rtnl},
};

static bool list_has(const char *path, const char *module)
{
	cleanup_free char *want = str_printf("/%s.ko\n", module);
	char line[PATH_MAX];
	bool found = false;
	FILE *f = fopen(path, "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strlen(line) > strlen(want) &&
			!strcmp(line + strlen(line) - strlen(want), want);
	if (f)
		fclose(f);
	return found;
}

/* Whether asking for it loads nothing: it is loaded, or built in, or no modules are installed. */
static bool module_present(const char *module)
{
	cleanup_free char *loaded = str_printf("/sys/module/%s", module);
	cleanup_free char *folder = NULL, *builtin = NULL;
	struct utsname u;

	uname(&u);
	folder = str_printf("/lib/modules/%s", u.release);
	builtin = str_printf("%s/modules.builtin", folder);
	return !access(loaded, F_OK) || access(folder, F_OK) || list_has(builtin, module);
}

int netns_make_link(const char *name, unsigned index)
{
	static const struct kind *known; /* made one already */
	bool tried[ARRAY_SIZE(kinds)] = {false};

	if (!*name || strlen(name) >= IFNAMSIZ)
		return -EINVAL;
	if (known) {
		int r = known->make(known->name, name, index);

		if (r != -EOPNOTSUPP)
			return r;
	}
	/* the kernel loads a module for a kind it lacks: those it has come first */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			int r;

			if (tried[i] || (!pass && !module_present(kinds[i].module)))
				continue;
			tried[i] = true;
			r = kinds[i].make(kinds[i].name, name, index);
			if (!r)
				known = &kinds[i];
			if (r != -EOPNOTSUPP)
				return r;
		}
	}
	return -EOPNOTSUPP;
}
