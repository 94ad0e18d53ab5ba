/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "snapshot.h"

#include "engine.h"
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define EXACT "exact/"

static bool is_exact(const struct manifest_part *p)
{
	return !strncmp(p->name, EXACT, strlen(EXACT));
}

int snapshot_contents_check(const struct manifest *m)
{
	const struct ruleset *rs = &m->rs;
	uint64_t have = 0; /* of table t */
	size_t t = 0;
	unsigned piece = 0;

	for (size_t i = 0; i < m->nparts; i++) {
		const struct manifest_part *p = &m->parts[i];
		char name[64];

		if (!is_exact(p))
			continue;
		for (; t < rs->ntables && have == rs->tables[t].size; t++)
			have = 0;
		if (t == rs->ntables)
			return -EBADMSG;
		snprintf(name, sizeof(name), EXACT "%04u.%s", ++piece,
			 manifest_engines[rs->tables[t].engine]);
		have += p->size;
		if (strcmp(name, p->name) || !p->size || have > rs->tables[t].size)
			return -EBADMSG;
	}
	for (; t < rs->ntables && have == rs->tables[t].size; t++)
		have = 0;
	return t == rs->ntables ? 0 : -EBADMSG;
}

int snapshot_open(struct snapshot *s, int fd, struct manifest *m)
{
	const char *name;
	int r;

	*s = (struct snapshot){.manifest = m};
	r = archive_reader_new(&s->reader, fd);
	if (!r)
		r = archive_next(s->reader, &name, &s->data);
	if (r > 0)
		r = manifest_parse(m, s->data.data, s->data.len, NULL);
	return r ? r : snapshot_contents_check(m);
}

int snapshot_next(struct snapshot *s, const struct manifest_part **part)
{
	const struct manifest *m = s->manifest;
	const char *name;
	int r = archive_next(s->reader, &name, &s->data);

	if (r < 0)
		return r;
	if ((r > 0) != (s->next < m->nparts))
		return -EBADMSG;
	if (!r)
		return 0;
	*part = &m->parts[s->next++];
	if (strcmp(name, (*part)->name) || s->data.len != (*part)->size ||
	    !digest_equal(digest_of(s->data.data, s->data.len), (*part)->digest))
		return -EBADMSG;
	return 1;
}

/* The content is moved, not copied, where the table has no records yet. */
static void records_take(struct snapshot *s)
{
	struct table *t = &s->manifest->rs.tables[s->table];

	for (; t->records.len == t->size; t++)
		s->table++;
	if (t->records.len) {
		buf_add(&t->records, s->data.data, s->data.len);
		return;
	}
	t->records = s->data;
	s->data = (struct buf)BUF_INIT;
}

/* The content of a file of a front-end's. */
static bool is_file(const struct manifest_part *p)
{
	return !strncmp(p->name, SNAPSHOT_FRONTEND, strlen(SNAPSHOT_FRONTEND));
}

static void file_take(struct snapshot *s, const char *part)
{
	struct frontends *f = &s->manifest->frontends;

	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->state[i].nfiles; k++) {
			struct frontend_file *file = &f->state[i].files[k];

			if (strcmp(file->part, part) || file->content.data)
				continue;
			file->content = s->data;
			s->data = (struct buf)BUF_INIT;
			return;
		}
}

int snapshot_load(struct snapshot *s, bool whole)
{
	const struct manifest *m = s->manifest;
	const struct manifest_part *part;
	size_t end = 0;
	int r = 0;

	for (size_t i = 0; i < m->nparts; i++)
		if (is_exact(&m->parts[i]) || is_file(&m->parts[i]))
			end = i + 1;
	while ((whole || s->next < end) && (r = snapshot_next(s, &part)) > 0)
		if (is_exact(part))
			records_take(s);
		else if (is_file(part))
			file_take(s, part->name);
	return r < 0 ? r : 0;
}

void snapshot_close(struct snapshot *s)
{
	archive_reader_free(s->reader);
	buf_release(&s->data);
	*s = (struct snapshot){0};
}

static int add_records(struct archive_writer *w, const struct table *t, struct manifest *m)
{
	int r = 0;

	for (size_t at = 0; at < t->records.len && !r; at += CAPTURE_PIECE) {
		size_t left = t->records.len - at, n = left < CAPTURE_PIECE ? left : CAPTURE_PIECE;
		const void *piece = t->records.data + at;
		struct manifest_part *p = array_grow(&m->parts, &m->nparts, sizeof(*p));

		*p = (struct manifest_part){str_printf(EXACT "%04zu.%s", m->nparts,
						       manifest_engines[t->engine]),
					    digest_of(piece, n), n};
		r = archive_add(w, p->name, piece, n);
	}
	return r;
}

char *snapshot_file_part(const struct frontend_state *s, const struct frontend_file *f)
{
	char *name = str_printf(SNAPSHOT_FRONTEND "%s%s", s->name, f->path);

	if (!archive_name_valid(name)) {
		free(name);
		name = str_printf(SNAPSHOT_FRONTEND "%s/%zu", s->name, (size_t)(f - s->files) + 1);
	}
	return name;
}

static int add_files(struct archive_writer *w, const struct frontends *f, struct manifest *m)
{
	int r = 0;

	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->state[i].nfiles && !r; k++) {
			struct frontend_file *file = &f->state[i].files[k];
			struct manifest_part *p = array_grow(&m->parts, &m->nparts, sizeof(*p));

			free(file->part);
			file->part = snapshot_file_part(&f->state[i], file);
			*p = (struct manifest_part){str_dup(file->part), file->digest, file->size};
			r = archive_add(w, p->name, file->content.data, file->content.len);
		}
	return r;
}

static int archive_place(struct archive_writer *w, const struct manifest *m, const char *path)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct file_new f;
	int r = file_new_open(&f, path, NULL);

	if (r < 0)
		return r;
	manifest_format(m, &text);
	r = archive_finish(w, text.data, text.len, f.fd);
	if (!r)
		return file_new_commit(&f);
	file_new_cancel(&f);
	return r;
}

int snapshot_write(const struct ruleset *rs, const struct frontends *frontends, const char *path)
{
	cleanup_close int body = memfd_create("fwsnap-snapshot", MFD_CLOEXEC);
	struct manifest m = {.format = MANIFEST_FORMAT, .id = 1, .created = time(NULL)};
	struct archive_writer *w = NULL;
	int r = body < 0 ? -errno : archive_writer_new(&w, body);

	ruleset_outline(rs, &m.rs);
	for (size_t i = 0; i < rs->ntables && !r; i++) {
		m.rs.tables[i].size = rs->tables[i].records.len;
		r = add_records(w, &rs->tables[i], &m);
	}
	if (frontends) {
		m.frontends = *frontends;
		r = r ? r : add_files(w, frontends, &m);
	}
	if (!r)
		r = archive_place(w, &m, path);
	archive_writer_free(w);
	m.frontends = (struct frontends){NULL, 0};
	manifest_release(&m);
	return r;
}
