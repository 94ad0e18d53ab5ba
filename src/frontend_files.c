/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frontend_steps.h"

#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define FILE_LIMIT (16U << 20)
#define FILES_LIMIT 10000
#define DEPTH_LIMIT 8
/* Of folders that have to be made. */
#define FOLDER_MODE 0750

struct walk {
	const char *root;
	struct strlist paths, others; /* without root: regular files, and what is none */
};

static int walk_path(struct walk *w, const char *path, unsigned depth);

static bool is_temporary(const char *name)
{
	return *name == '.' && strstr(name, ".fwsnap-");
}

static int walk_folder(struct walk *w, const char *path, const char *real, unsigned depth)
{
	DIR *d = opendir(real);
	int r = d ? 0 : -errno;

	for (struct dirent *e; d && !r && (e = readdir(d));) {
		cleanup_free char *below = str_printf("%s/%s", path, e->d_name);

		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !is_temporary(e->d_name))
			r = walk_path(w, below, depth + 1);
	}
	if (d)
		closedir(d);
	return r;
}

static int walk_path(struct walk *w, const char *path, unsigned depth)
{
	cleanup_free char *real = str_printf("%s%s", w->root, path);
	struct stat st;

	if (lstat(real, &st))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return depth > DEPTH_LIMIT ? -ELOOP : walk_folder(w, path, real, depth);
	strlist_add(S_ISREG(st.st_mode) ? &w->paths : &w->others, path);
	return w->paths.n + w->others.n > FILES_LIMIT ? -EFBIG : 0;
}

static int take_file(const char *root, const char *path, struct frontend_state *s)
{
	cleanup_free char *real = str_printf("%s%s", root, path);
	struct frontend_file *f = frontend_file_add(s, path);
	struct file_attributes a;
	int r = file_read_whole(real, FILE_LIMIT, &f->content, &a);

	f->uid = a.uid;
	f->gid = a.gid;
	f->mode = a.mode;
	/* SELinux' have no blank, which would be the end of it in a manifest */
	f->label = *a.label && !strchr(a.label, ' ') ? str_dup(a.label) : NULL;
	f->digest = digest_of(f->content.data, f->content.len);
	f->size = f->content.len;
	return r < 0 ? log_errno(r, "cannot read '%s'", real) : 0;
}

int frontend_files_look(const struct foreign_frontend *f, const char *root, struct frontend_state *s)
{
	struct walk w = {.root = root};
	int r = 0;

	for (size_t i = 0; i < f->config.n && !r; i++) {
		r = walk_path(&w, f->config.s[i], 0);
		if (r < 0)
			log_errno(r, "cannot read '%s%s'", root, f->config.s[i]);
	}
	strlist_sort(&w.paths);
	for (size_t i = 0; i < w.paths.n && !r; i++)
		r = take_file(root, w.paths.s[i], s);
	for (size_t i = 0; i < w.others.n; i++) {
		cleanup_free char *what = str_printf("'%s' is no regular file", w.others.s[i]);

		strlist_add(&s->unkept, what);
	}
	strlist_release(&w.paths);
	strlist_release(&w.others);
	return r;
}

/* A snapshot from elsewhere may name any path. */
bool frontend_owns(const struct foreign_frontend *f, const char *path)
{
	for (size_t i = 0; i < f->config.n; i++) {
		size_t n = strlen(f->config.s[i]);

		if (!strncmp(path, f->config.s[i], n) && (!path[n] || path[n] == '/'))
			return !strstr(path, "/../") && !strstr(path, "/./");
	}
	return false;
}

static int make_folder(const char *path)
{
	cleanup_free char *folder = str_dup(path);

	*strrchr(folder, '/') = '\0';
	return *folder ? file_mkdir(folder, FOLDER_MODE) : 0;
}

static int put_file(const struct foreign_frontend *frontend, const char *root, const struct frontend_file *f)
{
	cleanup_free char *real = str_printf("%s%s", root, f->path);
	struct file_attributes a = {.uid = f->uid, .gid = f->gid, .mode = f->mode};
	int r;

	if (f->label && strlen(f->label) < sizeof(a.label))
		strcpy(a.label, f->label);
	if (!frontend_owns(frontend, f->path)) {
		log_error("'%s' is no configuration of a front-end", real);
		return -EPERM;
	}
	r = f->content.len == f->size ? make_folder(real) : -EBADMSG;
	if (!r)
		r = file_replace_whole(real, f->content.data, f->content.len, &a);
	return r < 0 ? log_errno(r, "cannot replace '%s'", real) : 1;
}

static int remove_file(const char *root, const char *path)
{
	cleanup_free char *real = str_printf("%s%s", root, path);
	int r = file_remove(real);

	return r < 0 ? log_errno(r, "cannot remove '%s'", real) : 1;
}

int frontend_files_put(const struct foreign_frontend *f, const char *root,
		       const struct frontend_state *now, const struct frontend_state *want)
{
	int changed = 0, failed = 0;

	for (size_t i = 0; i < want->nfiles; i++) {
		const struct frontend_file *file = &want->files[i];
		const struct frontend_file *is = frontend_file_find(now, file->path);
		int r = is && frontend_file_equal(is, file) ? 0 : put_file(f, root, file);

		failed = r < 0 ? r : failed;
		changed |= r > 0;
	}
	for (size_t i = 0; i < now->nfiles; i++) {
		int r = frontend_file_find(want, now->files[i].path)
				? 0
				: remove_file(root, now->files[i].path);

		failed = r < 0 ? r : failed;
		changed |= r > 0;
	}
	return failed ? failed : changed;
}
