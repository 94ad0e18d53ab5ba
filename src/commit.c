/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store.h"

#include "intent.h"
#include "log.h"
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* a snapshot that is being written */

int snapshot_new_open(struct snapshot_new *n, struct store *s)
{
	cleanup_free char *dir = str_printf("%s/snapshots", s->dir);
	int r;

	*n = (struct snapshot_new){.store = s, .body = file_unnamed(dir)};
	n->manifest.format = MANIFEST_FORMAT;
	n->manifest.created = time(NULL);
	r = n->body < 0 ? n->body : archive_writer_new(&n->writer, n->body);
	if (r < 0) {
		snapshot_new_cancel(n);
		return log_errno(r, "cannot write to '%s'", dir);
	}
	return 0;
}

int snapshot_add_part(struct snapshot_new *n, const char *name, const void *data, size_t size)
{
	struct manifest *m = &n->manifest;
	struct manifest_part *p;
	int r = archive_add(n->writer, name, data, size);

	if (r < 0)
		return log_errno(r, "cannot write '%s' to '%s/snapshots'", name, n->store->dir);
	p = array_grow(&m->parts, &m->nparts, sizeof(*p));
	*p = (struct manifest_part){str_dup(name), digest_of(data, size), size};
	return 0;
}

int snapshot_add_records(void *arg, const struct table *t, const void *records, size_t n)
{
	struct snapshot_new *new = arg;
	char name[64];

	if (!n)
		return 0;
	snprintf(name, sizeof(name), "exact/%04u.%s", ++new->pieces, manifest_engines[t->engine]);
	return snapshot_add_part(new, name, records, n);
}

void snapshot_new_cancel(struct snapshot_new *n)
{
	if (n->writer)
		close_p(&n->body);
	archive_writer_free(n->writer);
	manifest_release(&n->manifest);
	*n = (struct snapshot_new){.body = -1};
}

/* the transaction */

/* One text path: what is there, what is to be there. */
struct job {
	const struct store_text *want;
	char *path;	/* with root */
	bool there;	/* a file is there, */
	struct buf old; /* with this content */
	bool changes;	/* it is to be replaced or removed */
	bool begun;	/* it may have been */
	struct file_new file;
};

struct commit {
	struct snapshot_new *n; /* NULL: the version is there, it is to become the current one */
	struct store *store;
	unsigned id, old; /* new version; current before, 0: none */
	struct intent intent;
	char *intent_path, *snapshot_path, *current_path;
	struct job *jobs;
	size_t njobs;
	struct file_new file; /* the snapshot's temporary */
	bool flip;	      /* the new version becomes the current one, with its texts */
	bool waits;	      /* but not before store_confirm */
};

static bool buf_equal(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

static int log_place(int r, const char *path)
{
	return log_errno(r, "cannot replace '%s'", path);
}

/* Reads what is at the path and decides what is to be done. */
static int job_prepare(struct job *j, const struct store *s, const struct store_text *want)
{
	int r;

	j->want = want;
	j->path = str_printf("%s%s", s->root, want->path);
	r = file_read(j->path, ARCHIVE_ENTRY_LIMIT, &j->old);
	if (r < 0 && r != -ENOENT)
		return log_errno(r, "cannot read '%s'", j->path);
	j->there = !r;
	if (want->state == TEXT_WRITTEN)
		j->changes = !j->there || !buf_equal(&j->old, want->content);
	else
		j->changes = want->state == TEXT_ABSENT && j->there;
	return 0;
}

/*
 * What is about to go and is not what the current version wrote there: a new snapshot keeps it,
 * without one it stays where it is.
 */
static int job_keep_old(struct job *j, const struct commit *c, const struct manifest *current)
{
	const struct manifest_text *t = manifest_text(current, j->want->path);
	cleanup_free char *name = str_printf("replaced%s", j->want->path);

	if (!j->changes || !j->there ||
	    (t && t->state == TEXT_WRITTEN && t->size == j->old.len &&
	     digest_equal(t->digest, digest_of(j->old.data, j->old.len))))
		return 0;
	if (!c->n) {
		j->changes = false;
		log_note("'%s' was not written by the last save: it stays", j->path);
		return 0;
	}
	if (!archive_name_valid(name)) {
		free(name);
		name = str_printf("replaced/%zu", (size_t)(j - c->jobs) + 1);
	}
	log_note("'%s' was not written by the last save: snapshot %u keeps it as '%s'", j->path,
		 c->id, name);
	return snapshot_add_part(c->n, name, j->old.data, j->old.len);
}

static void record_text(const struct job *j, struct manifest *m)
{
	struct manifest_text *t = array_grow(&m->texts, &m->ntexts, sizeof(*t));
	const struct buf *now = j->want->state == TEXT_WRITTEN ? j->want->content : &j->old;

	t->path = str_dup(j->want->path);
	t->state = j->want->state;
	if (t->state == TEXT_LEFT && !j->there)
		t->state = TEXT_ABSENT;
	if (t->state != TEXT_ABSENT) {
		t->digest = digest_of(now->data, now->len);
		t->size = now->len;
	}
}

static void record_intent(const struct job *j, struct intent *in)
{
	struct intent_text *t;

	if (!j->changes)
		return;
	t = array_grow(&in->texts, &in->ntexts, sizeof(*t));
	t->path = str_dup(j->want->path);
	t->place = j->want->state == TEXT_WRITTEN;
	t->there = j->there;
	t->old = digest_of(j->old.data, j->old.len);
}

/* The manifest of the version before; none, or one that cannot be read, knows no text. */
static int prepare_texts(struct commit *c, const struct store_text *texts, size_t ntexts)
{
	struct manifest current = {0};
	int r = 0;

	if (c->old && store_manifest(c->store, c->old, &current) < 0)
		log_warning("texts that snapshot %u wrote count as edited", c->old);
	c->jobs = mem_zalloc(ntexts * sizeof(*c->jobs));
	for (c->njobs = 0; !r && c->njobs < ntexts;) {
		struct job *j = &c->jobs[c->njobs++];

		r = job_prepare(j, c->store, &texts[c->njobs - 1]);
		if (!r)
			r = job_keep_old(j, c, &current);
		if (!r)
			record_intent(j, &c->intent);
		if (!r && c->n)
			record_text(j, &c->n->manifest);
	}
	manifest_release(&current);
	return r;
}

static int new_id(struct commit *c)
{
	cleanup_free unsigned *ids = NULL;
	size_t n;
	int r = store_ids(c->store, &ids, &n);

	c->id = (n && ids[n - 1] > c->old ? ids[n - 1] : c->old) + 1;
	c->n->manifest.id = c->id;
	return r;
}

static int commit_prepare(struct commit *c, const struct store_text *texts, size_t ntexts)
{
	int r = store_current(c->store, &c->old);

	for (size_t i = 0; c->n && i < c->n->manifest.tags.n && !r; i++)
		r = store_tag_check(c->store, 0, c->n->manifest.tags.s[i]);
	if (!r && c->n)
		r = new_id(c);
	if (r < 0)
		return r;
	c->snapshot_path = store_path(c->store, c->id);
	c->intent_path = str_printf("%s/%s", c->store->dir, c->waits ? "pending" : "intent");
	c->current_path = str_printf("%s/current", c->store->dir);
	r = file_suffix(c->intent.suffix);
	if (r < 0)
		return log_errno(r, "cannot draw a random number");
	c->intent.new = c->id;
	c->intent.made = c->n;
	return c->flip ? prepare_texts(c, texts, ntexts) : 0;
}

static int write_snapshot(struct commit *c)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = snapshot_contents_check(&c->n->manifest) < 0 ? -EINVAL : 0;

	if (!r)
		r = file_new_open(&c->file, c->snapshot_path, c->intent.suffix);
	manifest_format(&c->n->manifest, &text);
	if (!r)
		r = archive_finish(c->n->writer, text.data, text.len, c->file.fd);
	if (!r)
		r = file_new_sync(&c->file);
	return r < 0 ? log_errno(r, "cannot write '%s'", c->snapshot_path) : 0;
}

static int job_write(struct job *j, const char *suffix)
{
	const struct buf *content = j->want->content;
	cleanup_free char *dir =
		str_printf("%.*s", (int)(strrchr(j->path, '/') - j->path), j->path);
	int r;

	if (!j->changes || j->want->state != TEXT_WRITTEN)
		return 0;
	r = *dir ? file_mkdir(dir, 0755) : 0;
	if (!r)
		r = file_new_open(&j->file, j->path, suffix);
	if (!r)
		r = file_write_all(j->file.fd, content->data, content->len);
	if (!r)
		r = file_new_sync(&j->file);
	return r < 0 ? log_errno(r, "cannot write '%s'", j->path) : 0;
}

/* All that takes space on disk; nothing has its name yet. */
static int commit_stage(struct commit *c)
{
	int r = c->flip ? intent_write(&c->intent, c->intent_path) : 0;

	if (r < 0)
		return log_errno(r, "cannot write '%s'", c->intent_path);
	r = c->n ? write_snapshot(c) : 0;
	for (size_t i = 0; i < c->njobs && !r; i++)
		r = job_write(&c->jobs[i], c->intent.suffix);
	return r;
}

static int job_finish(struct job *j)
{
	int r;

	if (!j->changes)
		return 0;
	j->begun = true;
	r = j->want->state == TEXT_WRITTEN ? file_new_commit(&j->file) : file_remove(j->path);
	return r < 0 ? log_place(r, j->path) : 0;
}

static int commit_switch(struct commit *c)
{
	int r = c->n ? file_new_commit(&c->file) : 0;

	if (r < 0)
		return log_place(r, c->snapshot_path);
	if (c->flip)
		r = store_set_current(c->store, c->id);
	for (size_t i = 0; i < c->njobs && !r; i++)
		r = job_finish(&c->jobs[i]);
	return r;
}

static void undo_step(int r, const char *path)
{
	if (r < 0)
		log_errno(r, "cannot take back what was done to '%s'", path);
}

static void job_undo(const struct job *j)
{
	cleanup_buf struct buf now = BUF_INIT;
	bool there = !file_read(j->path, ARCHIVE_ENTRY_LIMIT, &now);

	if (!j->begun || (there && j->there && buf_equal(&now, &j->old)))
		return;
	undo_step(j->there ? file_replace(j->path, j->old.data, j->old.len) : file_remove(j->path),
		  j->path);
}

/* A failed step may have been done all the same (fsync of the folder): look, do not remember. */
static void commit_undo(struct commit *c)
{
	unsigned current;

	for (size_t i = 0; i < c->njobs; i++)
		job_undo(&c->jobs[i]);
	if (!store_current(c->store, &current) && current == c->id)
		undo_step(c->old ? store_set_current(c->store, c->old)
				 : file_remove(c->current_path),
			  c->current_path);
	if (c->n)
		undo_step(file_remove(c->snapshot_path), c->snapshot_path);
}

static void temporaries_cancel(struct commit *c)
{
	for (size_t i = 0; i < c->njobs; i++)
		file_new_cancel(&c->jobs[i].file);
	file_new_cancel(&c->file);
}

static void commit_release(struct commit *c)
{
	for (size_t i = 0; i < c->njobs; i++) {
		buf_release(&c->jobs[i].old);
		free(c->jobs[i].path);
	}
	free(c->jobs);
	intent_release(&c->intent);
	free(c->intent_path);
	free(c->snapshot_path);
	free(c->current_path);
}

/*
 * Outcomes: done; or failed, before the commit point or after it, and taken back: `current` and all
 * texts are as they were. The intent outlives the temporaries, so that a crash anywhere is
 * recovered from.
 */
static int commit_run(struct commit *c)
{
	int r = commit_stage(c), e;

	if (!r)
		r = commit_switch(c);
	if (r < 0)
		commit_undo(c);
	temporaries_cancel(c);
	e = c->flip ? file_remove(c->intent_path) : 0;
	if (e < 0)
		log_errno(e, "cannot remove '%s'", c->intent_path);
	return r;
}

int store_commit(struct snapshot_new *n, const struct store_text *texts, size_t ntexts,
		 bool current)
{
	struct commit c = {.n = n, .store = n->store, .flip = current};
	int r = commit_prepare(&c, texts, ntexts);
	unsigned id = c.id;

	if (!r)
		r = commit_run(&c);
	commit_release(&c);
	snapshot_new_cancel(n);
	n->manifest.id = r ? 0 : id;
	return r;
}

int store_switch(struct store *s, unsigned id, const struct store_text *texts, size_t ntexts)
{
	struct commit c = {.store = s, .id = id, .flip = true};
	int r = commit_prepare(&c, texts, ntexts);

	/* there is no commit point to tell a whole temporary from a cut one */
	if (!r && c.old != id)
		r = commit_run(&c);
	commit_release(&c);
	return r;
}

/* All temporaries stay, under their names. */
static int commit_leave(struct commit *c)
{
	cleanup_free char *target = store_link_target(c->id);
	int r = file_stage_link(c->current_path, target, c->intent.suffix);

	if (r < 0)
		return log_place(r, c->current_path);
	if (c->n)
		r = file_new_leave(&c->file);
	if (r < 0)
		return log_place(r, c->snapshot_path);
	for (size_t i = 0; i < c->njobs && !r; i++) {
		struct job *j = &c->jobs[i];

		if (j->changes && j->want->state == TEXT_WRITTEN)
			r = file_new_leave(&j->file);
		if (r < 0)
			log_place(r, j->path);
	}
	return r;
}

/* What fails here leaves nothing that store_abandon would not find. */
static int prepare(struct commit *c, const struct store_text *texts, size_t ntexts)
{
	int r;

	c->flip = c->waits = true;
	r = commit_prepare(c, texts, ntexts);
	if (!r)
		r = commit_stage(c);
	if (!r)
		r = commit_leave(c);
	temporaries_cancel(c);
	commit_release(c);
	if (r < 0 && store_abandon(c->store))
		log_warning("what was prepared in '%s' could not be removed", c->store->dir);
	return r;
}

int store_prepare(struct snapshot_new *n, const struct store_text *texts, size_t ntexts, unsigned *id)
{
	struct commit c = {.n = n, .store = n->store};
	int r = prepare(&c, texts, ntexts);

	snapshot_new_cancel(n);
	*id = r ? 0 : c.id;
	return r;
}

int store_prepare_switch(struct store *s, unsigned id, const struct store_text *texts, size_t ntexts)
{
	struct commit c = {.store = s, .id = id};

	return prepare(&c, texts, ntexts);
}
