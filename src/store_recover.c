/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store.h"

#include "intent.h"
#include "log.h"

#include <errno.h>
#include <unistd.h>

/* 1 if the file is what the save found there. */
static int is_old(const struct intent_text *t, const char *path)
{
	cleanup_buf struct buf have = BUF_INIT;
	int r = file_read(path, ARCHIVE_ENTRY_LIMIT, &have);

	if (r == -ENOENT)
		return !t->there;
	if (r < 0)
		return log_errno(r, "cannot read '%s'", path);
	return t->there && digest_equal(t->old, digest_of(have.data, have.len));
}

/* Does what was left to do for one text, unless somebody was there in between. */
static int text_forward(const struct intent_text *t, const char *path, const char *temp)
{
	int r;

	if (t->place && access(temp, F_OK) < 0)
		return 0;
	r = is_old(t, path);
	if (r < 0)
		return r;
	if (r)
		r = t->place ? file_rename(temp, path) : file_remove(path);
	else if (!access(path, F_OK))
		log_warning("'%s' was edited meanwhile: it stays", path);
	return r < 0 ? log_errno(r, "cannot replace '%s'", path) : 0;
}

static int finish_texts(struct store *s, const struct intent *in, bool forward)
{
	int r = 0;

	for (size_t i = 0; i < in->ntexts && !r; i++) {
		const struct intent_text *t = &in->texts[i];
		cleanup_free char *path = str_printf("%s%s", s->root, t->path);
		cleanup_free char *temp = file_temp(path, in->suffix);

		if (forward)
			r = text_forward(t, path, temp);
		if (!r && t->place && file_remove(temp) < 0)
			log_warning("cannot remove '%s'", temp);
	}
	return r;
}

static int finish(struct store *s, const struct intent *in)
{
	cleanup_free char *snapshot = store_path(s, in->new);
	unsigned current;
	int r = store_current(s, &current);
	bool forward = current == in->new;

	if (!r)
		r = finish_texts(s, in, forward);
	if (r < 0)
		return r;
	if (forward) {
		log_note("snapshot %u is the current one: what was cut off is finished", in->new);
		return 1;
	}
	r = in->made ? file_remove(snapshot) : 0;
	return r < 0 ? log_errno(r, "cannot remove '%s'", snapshot) : 0;
}

/* 1; 0 if there is none; -errno (logged). */
static int read_intent(struct intent *in, const char *path)
{
	int r = intent_read(in, path);

	if (r == -EBADMSG)
		log_error("'%s', which tells of a save, is damaged", path);
	else if (r < 0)
		log_errno(r, "cannot read '%s'", path);
	return r;
}

static char *below(const struct store *s, const char *name)
{
	return str_printf("%s/%s", s->dir, name);
}

/* Only what waits for its confirmation stays of temporaries. */
static void clean(struct store *s)
{
	cleanup_free char *pending = below(s, "pending");
	cleanup_free char *snapshots = below(s, "snapshots");
	struct intent waiting = {0};

	if (read_intent(&waiting, pending) < 0)
		return;
	file_clean(s->dir, waiting.suffix);
	file_clean(snapshots, waiting.suffix);
	intent_release(&waiting);
}

/* a save that waits for its confirmation */

/* The names that its pieces have and are to have. */
struct waiting {
	struct intent intent;
	char *pending, *intent_path, *current, *link, *snapshot, *temp;
};

static void waiting_release(struct waiting *w)
{
	intent_release(&w->intent);
	free(w->pending);
	free(w->intent_path);
	free(w->current);
	free(w->link);
	free(w->snapshot);
	free(w->temp);
}

/* 1; 0: there is none; -errno (logged). waiting_release in any case. */
static int waiting_read(struct waiting *w, struct store *s)
{
	int r;

	*w = (struct waiting){.pending = below(s, "pending")};
	r = read_intent(&w->intent, w->pending);
	if (r <= 0)
		return r;
	w->intent_path = below(s, "intent");
	w->current = below(s, "current");
	w->link = file_temp(w->current, w->intent.suffix);
	w->snapshot = store_path(s, w->intent.new);
	w->temp = file_temp(w->snapshot, w->intent.suffix);
	return r;
}

int store_pending(struct store *s, unsigned *id)
{
	struct waiting w;
	int r = waiting_read(&w, s);

	*id = r > 0 ? w.intent.new : 0;
	waiting_release(&w);
	return r < 0 ? r : 0;
}

char *store_pending_path(struct store *s, unsigned id)
{
	struct waiting w;
	char *path = NULL;

	if (waiting_read(&w, s) > 0 && w.intent.new == id && w.intent.made) {
		path = w.temp;
		w.temp = NULL;
	}
	waiting_release(&w);
	return path;
}

/* A step that failed may have been done all the same (fsync of the folder): look, do not remember. */
static bool is_current(struct store *s, const struct waiting *w)
{
	unsigned current;

	return !store_current(s, &current) && current == w->intent.new;
}

static void take_back(const char *from, const char *to)
{
	int r = access(from, F_OK) ? 0 : file_rename(from, to);

	if (r < 0)
		log_errno(r, "cannot take '%s' back", from);
}

/* Up to here it waits, and may be confirmed again, or abandoned; from here on it only goes forward. */
static int flip(struct store *s, const struct waiting *w)
{
	int r = w->intent.made ? file_rename(w->temp, w->snapshot) : 0;

	/* one that was cut off has done so */
	if (r == -ENOENT && !access(w->snapshot, F_OK))
		r = 0;
	if (!r)
		r = file_rename(w->link, w->current);
	if (!r || is_current(s, w))
		return 0;
	log_errno(r, "cannot make snapshot %u the current one", w->intent.new);
	if (w->intent.made)
		take_back(w->snapshot, w->temp);
	return r;
}

static int finish_waiting(struct store *s, const struct waiting *w)
{
	int r = file_rename(w->pending, w->intent_path);

	if (r < 0)
		return log_errno(r, "cannot replace '%s'", w->intent_path);
	r = finish_texts(s, &w->intent, true);
	return r < 0 ? r : file_remove(w->intent_path);
}

int store_confirm(struct store *s)
{
	struct waiting w;
	int r = waiting_read(&w, s);
	bool waits = r > 0;

	if (waits)
		r = flip(s, &w);
	if (waits && !r)
		r = finish_waiting(s, &w) < 0;
	waiting_release(&w);
	return r;
}

int store_abandon(struct store *s)
{
	struct waiting w;
	unsigned current;
	int r = waiting_read(&w, s);

	if (r > 0) {
		r = store_current(s, &current);
		if (!r)
			r = finish_texts(s, &w.intent, false);
		if (!r && w.intent.made && current != w.intent.new)
			r = file_remove(w.snapshot);
		if (!r)
			r = file_remove(w.temp);
		if (!r)
			r = file_remove(w.link);
		if (!r)
			r = file_remove(w.pending);
		if (r < 0)
			log_errno(r, "cannot remove what '%s' names", w.pending);
	}
	waiting_release(&w);
	return r;
}

/* A confirmation that was cut off once it was the current version. */
static int resume(struct store *s)
{
	struct waiting w;
	int r = waiting_read(&w, s);

	if (r > 0)
		r = is_current(s, &w);
	if (r > 0) {
		log_note("snapshot %u is the current one: what was cut off is finished",
			 w.intent.new);
		r = finish_waiting(s, &w);
	}
	waiting_release(&w);
	return r;
}

int store_recover(struct store *s)
{
	cleanup_free char *path = below(s, "intent");
	struct intent in = {0};
	int r = read_intent(&in, path), e;

	if (r > 0) {
		r = finish(s, &in);
		e = r < 0 ? 0 : file_remove(path);
		if (e < 0)
			r = log_errno(e, "cannot remove '%s'", path);
	}
	intent_release(&in);
	if (!r)
		r = resume(s);
	clean(s);
	return r;
}
