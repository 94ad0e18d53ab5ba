/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manifest.h"

#include <string.h>

static void file_release(struct frontend_file *f)
{
	free(f->path);
	free(f->part);
	free(f->label);
	buf_release(&f->content);
}

static void state_release(struct frontend_state *s)
{
	free(s->name);
	for (size_t i = 0; i < s->nfiles; i++)
		file_release(&s->files[i]);
	free(s->files);
	strlist_release(&s->runtime);
	strlist_release(&s->unkept);
}

void frontends_release(struct frontends *f)
{
	for (size_t i = 0; i < f->n; i++)
		state_release(&f->state[i]);
	free(f->state);
	*f = (struct frontends){NULL, 0};
}

struct frontend_state *frontends_add(struct frontends *f, const char *name)
{
	struct frontend_state *s = array_grow(&f->state, &f->n, sizeof(*s));

	s->name = str_dup(name);
	return s;
}

struct frontend_file *frontend_file_add(struct frontend_state *s, const char *path)
{
	struct frontend_file *f = array_grow(&s->files, &s->nfiles, sizeof(*f));

	f->path = str_dup(path);
	return f;
}

static void file_copy(const struct frontend_file *from, struct frontend_file *to)
{
	char *path = to->path;

	*to = *from;
	to->path = path;
	to->part = NULL;
	to->label = from->label ? str_dup(from->label) : NULL;
	to->content = (struct buf)BUF_INIT;
	buf_add(&to->content, from->content.data, from->content.len);
}

static void list_copy(const struct strlist *from, struct strlist *to)
{
	for (size_t i = 0; i < from->n; i++)
		strlist_add(to, from->s[i]);
}

void frontends_copy(const struct frontends *from, struct frontends *to)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct frontend_state *s = &from->state[i];
		struct frontend_state *copy = frontends_add(to, s->name);

		copy->active = s->active;
		for (size_t k = 0; k < s->nfiles; k++)
			file_copy(&s->files[k], frontend_file_add(copy, s->files[k].path));
		list_copy(&s->runtime, &copy->runtime);
		list_copy(&s->unkept, &copy->unkept);
	}
}

const struct frontend_state *frontends_find(const struct frontends *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->state[i].name, name))
			return &f->state[i];
	return NULL;
}

const struct frontend_file *frontend_file_find(const struct frontend_state *s, const char *path)
{
	for (size_t i = 0; s && i < s->nfiles; i++)
		if (!strcmp(s->files[i].path, path))
			return &s->files[i];
	return NULL;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool frontend_file_equal(const struct frontend_file *a, const struct frontend_file *b)
{
	return a->size == b->size && digest_equal(a->digest, b->digest) && a->uid == b->uid &&
	       a->gid == b->gid && a->mode == b->mode && text_equal(a->label, b->label);
}

bool frontend_files_equal(const struct frontend_state *a, const struct frontend_state *b)
{
	bool equal = a->nfiles == b->nfiles;

	for (size_t i = 0; equal && i < a->nfiles; i++) {
		const struct frontend_file *f = frontend_file_find(b, a->files[i].path);

		equal = f && frontend_file_equal(&a->files[i], f);
	}
	return equal;
}

static bool state_equal(const struct frontend_state *a, const struct frontend_state *b)
{
	bool equal = a->active == b->active && a->runtime.n == b->runtime.n &&
		     frontend_files_equal(a, b);

	for (size_t i = 0; equal && i < a->runtime.n; i++)
		equal = strlist_has(&b->runtime, a->runtime.s[i]);
	return equal;
}

bool frontends_equal(const struct frontends *a, const struct frontends *b)
{
	bool equal = a->n == b->n;

	for (size_t i = 0; equal && i < a->n; i++) {
		const struct frontend_state *s = frontends_find(b, a->state[i].name);

		equal = s && state_equal(&a->state[i], s);
	}
	return equal;
}

static void add_line(struct strlist *lines, char sign, const char *name, const char *what)
{
	cleanup_free char *visible = str_visible(what);
	cleanup_free char *line = str_printf("%c%s%s%s", sign, name, *what == '/' ? ": " : "", visible);

	strlist_add(lines, line);
}

/* What one has and the other has not, or otherwise. */
static void differ(const struct frontend_state *a, const struct frontend_state *b, char sign,
		   struct strlist *lines)
{
	for (size_t i = 0; i < a->nfiles; i++) {
		const struct frontend_file *f = frontend_file_find(b, a->files[i].path);

		if (!f)
			add_line(lines, sign, a->name, a->files[i].path);
		else if (sign == '+' && !frontend_file_equal(&a->files[i], f))
			add_line(lines, '~', a->name, a->files[i].path);
	}
	for (size_t i = 0; i < a->runtime.n; i++) {
		cleanup_free char *what = str_printf(" at run time: %s", a->runtime.s[i]);

		if (!b || !strlist_has(&b->runtime, a->runtime.s[i]))
			add_line(lines, sign, a->name, what);
	}
	if (a->active && (!b || !b->active))
		add_line(lines, sign, a->name, " runs");
}

void frontends_differences(const struct frontends *old, const struct frontends *new, struct strlist *lines)
{
	for (size_t i = 0; i < old->n; i++)
		differ(&old->state[i], frontends_find(new, old->state[i].name), '-', lines);
	for (size_t i = 0; i < new->n; i++)
		differ(&new->state[i], frontends_find(old, new->state[i].name), '+', lines);
}
