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
		log_warning("'%s' was edited after a save was cut off: it stays", path);
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

int store_recover(struct store *s)
{
	cleanup_free char *path = str_printf("%s/intent", s->dir);
	cleanup_free char *snapshots = str_printf("%s/snapshots", s->dir);
	struct intent in = {0};
	int r = intent_read(&in, path), e;

	if (r == -EBADMSG)
		log_error("'%s', which tells of a save that was cut off, is damaged", path);
	else if (r < 0)
		log_errno(r, "cannot read '%s'", path);
	if (r > 0) {
		r = finish(s, &in);
		e = r < 0 ? 0 : file_remove(path);
		if (e < 0)
			r = log_errno(e, "cannot remove '%s'", path);
	}
	intent_release(&in);
	file_clean(s->dir);
	file_clean(snapshots);
	return r;
}
