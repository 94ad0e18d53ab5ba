/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_match.h"

#include "file.h"
#include "foreign_shipped.h"
#include "keyvalue.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FILE_LIMIT (64U << 10)
#define FOLDER SYSCONFDIR "/fwsnap/foreign.d"

/* A description while it is read. */
struct reading {
	struct foreign_owner *owner;
	const char *path;
};

static void set_text(char **field, const char *value)
{
	free(*field);
	*field = str_dup(value);
}

/* False: it is another key. */
static bool take_frontend(struct foreign_frontend *f, const char *key, const char *value, const char **fault)
{
	const struct {
		const char *key;
		char **field;
	} keys[] = {{"enabled", &f->enabled}, {"ready", &f->ready}, {"says", &f->says},
		    {"reload", &f->reload},   {"stop", &f->stop},   {"runtime", &f->runtime}};

	if (!strcmp(key, "config")) {
		*fault = *value == '/' && !strstr(value, "/..") ? NULL : "is no absolute path";
		strlist_add(&f->config, value);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].key, key))
			continue;
		set_text(keys[i].field, value);
		*fault = *value ? NULL : "has no value";
		return true;
	}
	return false;
}

static int take_line(void *arg, const char *key, char *value, unsigned line)
{
	static const char *const kinds[FOREIGN_KINDS] = {
		[FOREIGN_TABLE] = "table",	       [FOREIGN_CHAIN] = "chain",
		[FOREIGN_SET] = "set",		       [FOREIGN_USER_CHAIN] = "user-chain",
		[FOREIGN_USER_SET] = "user-set",       [FOREIGN_RULE] = "rule",
		[FOREIGN_RELIES] = "relies",
	};
	struct reading *r = arg;
	const char *fault = "is not a key of a description";

	if (!strcmp(key, "owner")) {
		set_text(&r->owner->title, value);
		return 0;
	}
	if (!strcmp(key, "repair")) {
		set_text(&r->owner->repair, value);
		return 0;
	}
	if (!strcmp(key, "tried") || !strcmp(key, "unverified"))
		return 0;
	if (!take_frontend(&r->owner->frontend, key, value, &fault))
		for (int kind = 0; kind < FOREIGN_KINDS; kind++)
			if (!strcmp(kinds[kind], key))
				fault = foreign_row_add(r->owner, kind, value);
	if (!fault)
		return 0;
	log_error("%s:%u: '%s' %s", r->path, line, key, fault);
	return -EINVAL;
}

static void owner_release(struct foreign_owner *o)
{
	free(o->name);
	free(o->title);
	free(o->repair);
	strlist_release(&o->frontend.config);
	free(o->frontend.enabled);
	free(o->frontend.ready);
	free(o->frontend.says);
	free(o->frontend.reload);
	free(o->frontend.stop);
	free(o->frontend.runtime);
	foreign_rows_release(o);
}

/* One that is broken is left out. */
static int add(struct foreign *f, const char *name, const char *path, struct buf *content)
{
	struct foreign_owner *o = array_grow(&f->owners, &f->n, sizeof(*o));
	int r;

	o->name = str_dup(name);
	o->title = str_dup(name);
	r = keyvalue_each(content, path, take_line, &(struct reading){o, path});
	if (r) {
		owner_release(o);
		f->n--;
	}
	return r;
}

static bool has(const struct foreign *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->owners[i].name, name))
			return true;
	return false;
}

static bool is_off(const char *path)
{
	char target[sizeof("/dev/null")];
	ssize_t n = readlink(path, target, sizeof(target));

	return n == sizeof(target) - 1 && !memcmp(target, "/dev/null", sizeof(target) - 1);
}

static int add_file(struct foreign *f, const char *folder, const char *name)
{
	cleanup_free char *path = str_printf("%s/%s", folder, name);
	cleanup_buf struct buf content = BUF_INIT;
	int r = file_read(path, FILE_LIMIT, &content);

	if (r == -ELOOP && is_off(path))
		r = 0;
	return r ? log_errno(r, "cannot read '%s'", path) : add(f, name, path, &content);
}

/* Not what editors and packages leave beside a file: those names have a dot, or end with "~". */
static bool is_name(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")];
}

/* The administrator's own take the place of those that are shipped. */
static int add_folder(struct foreign *f, const char *root)
{
	cleanup_free char *path = str_printf("%s" FOLDER, root);
	DIR *dir = opendir(path);
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : log_errno(-errno, "cannot read '%s'", path);
	for (const struct dirent *e; (e = readdir(dir));) {
		int one = is_name(e->d_name) ? add_file(f, path, e->d_name) : 0;

		r = one ? one : r;
	}
	closedir(dir);
	return r;
}

static int add_shipped(struct foreign *f)
{
	int r = 0;

	for (const struct foreign_shipped *s = foreign_shipped; s->name && !r; s++) {
		cleanup_buf struct buf content = BUF_INIT;

		buf_add_str(&content, s->content);
		if (!has(f, s->name))
			r = add(f, s->name, s->name, &content);
	}
	return r;
}

static int compare_owner(const void *a, const void *b)
{
	return strcmp(((const struct foreign_owner *)a)->name, ((const struct foreign_owner *)b)->name);
}

/* Those that are listed count at once, the others never. */
static int choose(struct foreign *f, const char *which)
{
	cleanup_free char *list = str_dup(which);
	size_t n = 0;
	char *save;

	for (char *name = strtok_r(list, ", \t", &save); name; name = strtok_r(NULL, ", \t", &save)) {
		if (!has(f, name)) {
			log_error("'foreign' names '%s', and there is no description of that name", name);
			return -EINVAL;
		}
		for (size_t i = 0; i < f->n; i++)
			f->owners[i].counts |= !strcmp(f->owners[i].name, name);
	}
	for (size_t i = 0; i < f->n; i++)
		if (f->owners[i].counts)
			f->owners[n++] = f->owners[i];
		else
			owner_release(&f->owners[i]);
	f->n = n;
	return 0;
}

int foreign_read(struct foreign *f, const char *root, const char *which)
{
	int r, shipped;

	if (!strcmp(which, "none"))
		return 0;
	r = add_folder(f, root);
	shipped = add_shipped(f);
	if (f->n)
		qsort(f->owners, f->n, sizeof(*f->owners), compare_owner);
	if (!r)
		r = shipped;
	return !r && strcmp(which, "auto") ? choose(f, which) : r;
}

void foreign_release(struct foreign *f)
{
	for (size_t i = 0; i < f->n; i++)
		owner_release(&f->owners[i]);
	free(f->owners);
	*f = (struct foreign){0};
}
