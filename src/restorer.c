/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "restorer.h"

#include "file.h"
#include "log.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LIMIT (1U << 20)

/* A service counts if one of its files has a line that matches (fnmatch); without files it counts in any case. */
static const struct service {
	const char *name; /* of the unit, of the script in init.d */
	const char *files[2];
	const char *line;
	const char *reason; /* of the service */
} services[] = {
	{"nftables", {"/etc/nftables.conf", "/etc/sysconfig/nftables.conf"}, "flush ruleset*",
	 "flushes all rules"},
	{"netfilter-persistent", {NULL}, NULL, "it loads what iptables-persistent saved"},
	{"iptables-persistent", {NULL}, NULL, "it loads /etc/iptables/rules.v4 and rules.v6"},
	{"iptables", {NULL}, NULL, "it replaces the rules of iptables"},
	{"ip6tables", {NULL}, NULL, "it replaces the rules of ip6tables"},
	{"ipset", {NULL}, NULL, "it loads sets of ipset"},
	{"firewalld", {NULL}, NULL, "it makes rules of its own, some versions remove all others"},
	{"ufw", {"/etc/ufw/ufw.conf", NULL}, "ENABLED=*[yY][eE][sS]*", "switches ufw on"},
	{"shorewall", {NULL}, NULL, "it replaces the rules of iptables"},
	{"shorewall6", {NULL}, NULL, "it replaces the rules of ip6tables"},
	{"shorewall-lite", {NULL}, NULL, "it replaces the rules of iptables"},
	{"shorewall6-lite", {NULL}, NULL, "it replaces the rules of ip6tables"},
	{"ferm", {"/etc/default/ferm", NULL}, "ENABLED=*[yY][eE][sS]*", "switches ferm on"},
};

/* Where services are switched on: links called `link` (of the service's name) in folders that match. */
static const struct init {
	const char *folder, *match; /* below the root */
	const char *link;
	const char *command;
} inits[] = {
	{"/etc/systemd/system", "*.wants", "%s.service", "systemctl disable %s"},
	{"/etc/systemd/system", "*.requires", "%s.service", "systemctl disable %s"},
	{"/etc", "rc[2345S].d", "S[0-9][0-9]%s", "update-rc.d %s disable"},
	{"/etc/runlevels", "[!.]*", "%s", "rc-update del %s"},
};
enum { INIT_SYSTEMD = 1 << 0 | 1 << 1, INIT_SYSV = 1 << 2, INIT_OPENRC = 1 << 3 };

static bool exists(const char *root, const char *path)
{
	cleanup_free char *name = str_printf("%s%s", root, path);
	struct stat st;

	return !lstat(name, &st);
}

static bool links_to(const char *root, const char *path, const char *what)
{
	cleanup_free char *name = str_printf("%s%s", root, path);
	char target[256];
	ssize_t n = readlink(name, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	return strstr(target, what);
}

/* Packages switch their services on for every init system: the one that is there counts. All if that cannot be told. */
static unsigned find_init(const char *root)
{
	if (links_to(root, "/sbin/init", "systemd") || links_to(root, "/usr/sbin/init", "systemd"))
		return INIT_SYSTEMD;
	if (!exists(root, "/sbin/init") && !exists(root, "/usr/sbin/init"))
		return INIT_SYSTEMD | INIT_SYSV | INIT_OPENRC;
	return exists(root, "/etc/runlevels") ? INIT_OPENRC : INIT_SYSV;
}

static void add(struct restorers *found, char *name, char *reason, char *command)
{
	for (size_t i = 0; i < found->n; i++)
		if (!strcmp(found->r[i].name, name)) {
			free(name);
			free(reason);
			free(command);
			return;
		}
	*(struct restorer *)array_grow(&found->r, &found->n, sizeof(*found->r)) =
		(struct restorer){name, reason, command};
}

/* Whether a file has a line that begins like this, after blanks. */
static bool has_line(const char *root, const char *path, const char *pattern)
{
	cleanup_free char *name = str_printf("%s%s", root, path);
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(name, FILE_LIMIT, &text))
		return false;
	for (char *rest = buf_str(&text), *line; (line = strsep(&rest, "\n"));)
		if (!fnmatch(pattern, line + strspn(line, " \t"), 0))
			return true;
	return false;
}

/* A service that is switched on. */
static void add_service(struct restorers *found, const char *root, const struct service *s,
			const struct init *init)
{
	char *reason = NULL, *command = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(s->files) && s->files[i] && !reason; i++)
		if (has_line(root, s->files[i], s->line))
			reason = str_printf("'%s' %s", s->files[i], s->reason);
	if (!s->files[0])
		reason = str_dup(s->reason);
	if (!reason)
		return;
	if (!strncmp(init->command, "update-rc.d", 11) && !exists(root, "/usr/sbin/update-rc.d") &&
	    exists(root, "/sbin/chkconfig"))
		command = str_printf("chkconfig %s off", s->name);
	else
		command = str_printf(init->command, s->name);
	add(found, str_dup(s->name), reason, command);
}

/* The links of one folder that stand for services we know. */
static void look_into(struct restorers *found, const char *root, const struct init *init,
		      const char *folder)
{
	DIR *d = opendir(folder);

	for (struct dirent *e; d && (e = readdir(d));)
		for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
			cleanup_free char *link = str_printf(init->link, services[i].name);

			if (!fnmatch(link, e->d_name, 0))
				add_service(found, root, &services[i], init);
		}
	if (d)
		closedir(d);
}

static void find_services(struct restorers *found, const char *root, const struct init *init)
{
	cleanup_free char *parent = str_printf("%s%s", root, init->folder);
	DIR *d = opendir(parent);

	for (struct dirent *e; d && (e = readdir(d));)
		if (!fnmatch(init->match, e->d_name, 0)) {
			cleanup_free char *folder = str_printf("%s/%s", parent, e->d_name);

			look_into(found, root, init, folder);
		}
	if (d)
		closedir(d);
}

/* Files that call a program which loads rules; executable: they count only if they are. */
static const struct caller {
	const char *folder, *match;
	bool executable;
	const char *command;
} callers[] = {
	{"/etc/network/if-pre-up.d", "[!.]*", true, "chmod -x %s"},
	{"/etc/network/if-up.d", "[!.]*", true, "chmod -x %s"},
	{"/etc/network", "interfaces", false, "editor %s"},
	{"/etc/network/interfaces.d", "[!.]*", false, "editor %s"},
	{"/etc/NetworkManager/dispatcher.d", "[!.]*", true, "chmod -x %s"},
	{"/etc", "rc.local", true, "editor %s"},
};

/* The program in a line that is no comment, or NULL. */
static const char *loader_in(const char *line)
{
	static const char *const loaders[] = {"iptables-restore", "ip6tables-restore",
					      "iptables-nft-restore", "iptables-legacy-restore",
					      "nft -f", "ipset restore"};

	line += strspn(line, " \t");
	for (size_t i = 0; *line != '#' && i < ARRAY_SIZE(loaders); i++)
		if (strstr(line, loaders[i]))
			return loaders[i];
	return NULL;
}

static void look_at(struct restorers *found, const char *root, const struct caller *c, const char *name)
{
	cleanup_free char *path = str_printf("%s/%s", c->folder, name);
	cleanup_free char *real = str_printf("%s%s", root, path);
	cleanup_buf struct buf text = BUF_INIT;
	const char *loader = NULL;

	if ((c->executable && access(real, X_OK)) || file_read(real, FILE_LIMIT, &text))
		return;
	for (char *rest = buf_str(&text), *line; !loader && (line = strsep(&rest, "\n"));)
		loader = loader_in(line);
	if (loader)
		add(found, str_dup(path), str_printf("it calls '%s'", loader),
		    str_printf(c->command, path));
}

static void find_callers(struct restorers *found, const char *root, const struct caller *c)
{
	cleanup_free char *folder = str_printf("%s%s", root, c->folder);
	DIR *d = opendir(folder);

	for (struct dirent *e; d && (e = readdir(d));)
		if (!fnmatch(c->match, e->d_name, 0))
			look_at(found, root, c, e->d_name);
	if (d)
		closedir(d);
}

void restorers_find(struct restorers *found, const char *root)
{
	unsigned init = find_init(root);

	for (size_t i = 0; i < ARRAY_SIZE(inits); i++)
		if (init & (1U << i))
			find_services(found, root, &inits[i]);
	for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
		find_callers(found, root, &callers[i]);
}

void restorers_release(struct restorers *found)
{
	for (size_t i = 0; i < found->n; i++) {
		free(found->r[i].name);
		free(found->r[i].reason);
		free(found->r[i].command);
	}
	free(found->r);
	*found = (struct restorers){0};
}

void restorers_warn(const char *root)
{
	struct restorers found = {0};

	restorers_find(&found, root);
	for (size_t i = 0; i < found.n; i++)
		log_warning("'%s' loads rules at boot, too (%s): '%s' ends that", found.r[i].name,
			    found.r[i].reason, found.r[i].command);
	restorers_release(&found);
}
