/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hooks.h"

#include "exec.h"
#include "log.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool name_counts(const char *name)
{
	while (isalnum((unsigned char)*name) || *name == '_' || *name == '-')
		name++;
	return !*name;
}

static bool stops(const struct hook *h)
{
	return !strcmp(h->event, HOOK_PRE_CHANGE);
}

/* Whoever can write it runs as root. */
static bool is_ours_alone(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & 022);
}

static bool may_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return false;
	if (!is_ours_alone(&st))
		log_warning("hook '%s' is not run: others than root can write it", path);
	return is_ours_alone(&st);
}

static DIR *open_folder(const char *folder)
{
	DIR *d = opendir(folder);
	struct stat st;

	if (!d || (!fstat(dirfd(d), &st) && is_ours_alone(&st)))
		return d;
	log_warning("no hook of '%s' is run: others than root can write there", folder);
	closedir(d);
	return NULL;
}

static void find_hooks(const char *folder, struct strlist *paths)
{
	DIR *d = open_folder(folder);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		cleanup_free char *path = str_printf("%s/%s", folder, e->d_name);

		if (name_counts(e->d_name) && may_run(path))
			strlist_add(paths, path);
	}
	if (d)
		closedir(d);
	strlist_sort(paths);
}

static void add_variable(struct strlist *l, const char *name, const char *value)
{
	cleanup_free char *s = str_printf("FWSNAP_%s=%s", name, value ? value : "");

	strlist_add(l, s);
}

static char *failure(int r)
{
	if (r == -ETIMEDOUT)
		return str_printf("it took more than %d seconds", HOOK_TIMEOUT);
	return r < 0 ? str_dup(strerror(-r)) : str_printf("exit status %d", r);
}

static int run_hook(const struct hook *h, const char *path, const struct strlist *variables)
{
	const char *argv[] = {path, h->event, NULL};
	cleanup_buf struct buf said = BUF_INIT;
	cleanup_free char *why = NULL;
	struct exec e = EXEC_INIT;
	int r;

	e.argv = argv;
	e.variables = variables;
	e.out = e.err = &said;
	e.timeout = HOOK_TIMEOUT;
	r = exec_run(&e);
	while (said.len && said.data[said.len - 1] == '\n')
		said.len--;
	if (said.len)
		log_note("hook '%s' says: %s", path, buf_str(&said));
	if (!r)
		return 0;
	why = failure(r);
	if (stops(h))
		log_error("hook '%s' forbids it: %s", path, why);
	else
		log_warning("hook '%s' (%s) failed: %s", path, h->event, why);
	return -ECANCELED;
}

int hooks_run(const struct hook *h)
{
	cleanup_free char *folder = str_printf("%s" SYSCONFDIR "/fwsnap/hooks.d", h->root);
	cleanup_strlist struct strlist paths = {NULL, 0}, variables = {NULL, 0};
	int r = 0;

	find_hooks(folder, &paths);
	add_variable(&variables, "EVENT", h->event);
	add_variable(&variables, "COMMAND", h->command);
	add_variable(&variables, "RESULT", h->result);
	add_variable(&variables, "ROOT", h->root);
	for (size_t i = 0; i < paths.n && !(r && stops(h)); i++)
		if (run_hook(h, paths.s[i], &variables))
			r = -ECANCELED;
	return r;
}
