/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "rehearse_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a child is given. */
struct checking {
	struct ruleset *base;
	const struct rehearse_file *files;
	size_t n;
	rehearse_show *show;
	void *arg;
};

/* Exit statuses of the child. */
enum { LOADS, REFUSED, FAILED };

/* The files are for a machine whose interfaces this one need not have. */
static int prepare_nothing(const struct checking *c, struct ruleset *nothing)
{
	cleanup_strlist struct strlist links = {NULL, 0};

	for (size_t i = 0; i < c->n; i++)
		if (c->files[i].kind == TEXT_NFT)
			nft_links(&c->files[i].content, &links);
	for (size_t i = 0; i < links.n; i++)
		ruleset_note_device(nothing, links.s[i]);
	return netns_identify(&nothing->where);
}

static int check(const struct checking *c)
{
	struct ruleset nothing = {0};
	struct rehearsal r = {
		.live = c->base ? c->base : &nothing, .files = c->files, .nfiles = c->n};
	int result = c->base ? 0 : prepare_nothing(c, &nothing);

	if (!result)
		result = rehearse(&r);
	if (!result)
		c->show(&r, c->arg);
	rehearsal_release(&r);
	ruleset_release(&nothing);
	return result;
}

static bool may_make_namespaces(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return !syscall(SYS_capget, &header, data) &&
	       data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN) &&
	       data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

static int write_once(const char *path, const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -errno : 0;
}

/* user_namespaces(7): root there is the caller here, and nobody else is anybody. */
static int become_root(void)
{
	cleanup_free char *users = str_printf("0 %u 1", geteuid());
	cleanup_free char *groups = str_printf("0 %u 1", getegid());
	int r = unshare(CLONE_NEWUSER | CLONE_NEWNS) ? -errno
						     : write_once("/proc/self/setgroups", "deny");

	if (!r)
		r = write_once("/proc/self/uid_map", users);
	return r ? r : write_once("/proc/self/gid_map", groups);
}

/* What the kernel refuses in a user namespace, whatever it would say to root. */
static const char *beyond_judging(const struct checking *c)
{
	static const char *const words[] = {"--uid-owner", "--gid-owner", "--path",
					    "IDLETIMER",   "LED",	  "--object-pinned"};

	for (size_t i = 0; i < c->n; i++)
		for (size_t j = 0; j < ARRAY_SIZE(words); j++)
			if (memmem(c->files[i].content.data, c->files[i].content.len, words[j],
				   strlen(words[j])))
				return words[j];
	return NULL;
}

static int check_as_root(void *arg)
{
	const struct checking *c = arg;
	int r = become_root();

	if (r) {
		log_errno(r, "cannot make a user namespace to check in: it needs root");
		return FAILED;
	}
	r = check(c);
	return r == -EINVAL ? REFUSED : r ? FAILED : LOADS;
}

static int check_unprivileged(struct checking *c)
{
	const char *word = beyond_judging(c);
	int status;

	if (c->base) {
		log_error("checking on a copy of the live rules needs root: --base empty does not");
		return -EPERM;
	}
	status = exec_fork(check_as_root, c);
	if (status == REFUSED && word)
		log_error("it has '%s', which cannot be judged without root", word);
	if (status == REFUSED && !word)
		return -EINVAL;
	return status == LOADS ? 0 : -EPERM;
}

int rehearse_check(struct ruleset *base, const struct rehearse_file *files, size_t n,
		   rehearse_show *show, void *arg)
{
	struct checking c = {base, files, n, show, arg};

	return may_make_namespaces() ? check(&c) : check_unprivileged(&c);
}
