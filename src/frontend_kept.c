/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frontend_steps.h"

#include "log.h"
#include "snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "frontends."

/* The file of what is kept, and what was current then. Caller frees; NULL: nothing is kept. */
static char *find(const struct store *s, unsigned *id)
{
	DIR *d = opendir(s->dir);
	char *path = NULL;
	int end;

	for (struct dirent *e; d && !path && (e = readdir(d));) {
		end = 0;
		if (sscanf(e->d_name, PREFIX "%9u%n", id, &end) == 1 && !e->d_name[end])
			path = str_printf("%s/%s", s->dir, e->d_name);
	}
	if (d)
		closedir(d);
	return path;
}

int frontends_keep(struct store *s, const struct frontends *before)
{
	cleanup_free char *path = NULL;
	struct ruleset nothing = {0};
	unsigned id;
	int r = frontends_forget(s);

	if (!r)
		r = store_current(s, &id);
	if (r)
		return r;
	path = str_printf("%s/" PREFIX "%u", s->dir, id);
	r = netns_identify(&nothing.where);
	if (!r)
		r = snapshot_write(&nothing, before, path);
	return r < 0 ? log_errno(r, "cannot write '%s'", path) : 0;
}

int frontends_forget(struct store *s)
{
	unsigned id;
	int r = 0;

	for (char *path; !r && (path = find(s, &id)); free(path)) {
		r = file_remove(path);
		if (r < 0)
			log_errno(r, "cannot remove '%s'", path);
	}
	return r;
}

static int put_files(const struct manifest *m, const struct foreign *f, const char *root)
{
	int put = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct frontend_state *want = frontends_find(&m->frontends, f->owners[i].name);
		struct frontends now = {NULL, 0};
		int r;

		if (!want)
			continue;
		r = frontend_files_look(&f->owners[i].frontend, root, frontends_add(&now, want->name));
		if (!r)
			r = frontend_files_put(&f->owners[i].frontend, root, now.state, want);
		if (r > 0)
			log_note("a change was pending at the reboot: the configuration of %s is as it was before",
				 f->owners[i].title);
		put = put < 0 || r < 0 ? -EIO : put | r;
		frontends_release(&now);
	}
	return put;
}

/* Of this boot it is what a change that is over left: that was put back, or confirmed. */
static int recover(const char *path, const char *root, const char *foreign)
{
	cleanup_close int fd = file_open(path);
	struct foreign f = {NULL, 0};
	struct manifest m = {0};
	struct netns_id here;
	int r = fd < 0 ? log_errno(fd, "cannot read '%s'", path) : snapshot_read(fd, path, &m);

	if (!r && (netns_identify(&here) || strcmp(here.boot, m.rs.where.boot))) {
		if (foreign_read(&f, root, foreign))
			log_warning("of descriptions that are broken no configuration is brought back");
		r = put_files(&m, &f, root);
	}
	foreign_release(&f);
	manifest_release(&m);
	return r;
}

int frontends_recover(struct store *s, const char *root, const char *foreign)
{
	unsigned id, current;
	cleanup_free char *path = find(s, &id);
	int r, e;

	if (!path)
		return 0;
	r = store_current(s, &current);
	if (!r && current == id)
		r = recover(path, root, foreign);
	e = r < 0 && r != -EBADMSG ? 0 : frontends_forget(s);
	return r < 0 ? r : e ? e : r;
}
