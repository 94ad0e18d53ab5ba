/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int xt_socket(const struct xt_family *f)
{
	int fd = socket(f->domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int xt_info(const struct xt_family *f, int fd, const char *name, struct ipt_getinfo *info)
{
	socklen_t n = sizeof(*info);

	*info = (struct ipt_getinfo){0};
	strncpy(info->name, name, sizeof(info->name) - 1);
	return getsockopt(fd, f->level, IPT_SO_GET_INFO, info, &n) < 0 ? -errno : 0;
}

/* Whether the kernel has this match or target in this revision. */
static bool extension_there(const struct xt_family *f, int fd, bool target, const char *name,
			    uint8_t revision)
{
	struct xt_get_revision ask = {.revision = revision};
	socklen_t n = sizeof(ask);

	strncpy(ask.name, name, sizeof(ask.name) - 1);
	return !getsockopt(fd, f->level, target ? f->target_revision : f->match_revision, &ask,
			   &n) ||
	       (errno != EPROTONOSUPPORT && errno != ENOENT);
}

char *xt_entry_lacks(const struct xt_family *f, int fd, const void *entry)
{
	const struct xt_entry_target *t = xt_entry_target(f, entry);
	const struct xt_entry_match *m;

	for (size_t at = f->size; at < xt_target_offset(f, entry); at += m->u.user.match_size) {
		m = (const void *)((const char *)entry + at);
		if (!extension_there(f, fd, false, m->u.user.name, m->u.user.revision))
			return str_printf("match '%s' revision %u", m->u.user.name,
					  m->u.user.revision);
	}
	if (*t->u.user.name && strcmp(t->u.user.name, XT_ERROR_TARGET) &&
	    !extension_there(f, fd, true, t->u.user.name, t->u.user.revision))
		return str_printf("target '%s' revision %u", t->u.user.name, t->u.user.revision);
	return NULL;
}
