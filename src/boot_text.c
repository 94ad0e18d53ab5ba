/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_steps.h"

#include "log.h"
#include "order.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool boot_has_files(const struct climb *c)
{
	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		const char *path = c->b->config->texts[kind];
		cleanup_free char *name = str_printf("%s%s", c->b->root, path ? path : "");

		if (path && !access(name, F_OK))
			return true;
	}
	return false;
}

void climb_files_release(struct climb *c)
{
	for (; c->nfiles; c->nfiles--) {
		rehearse_file_release(&c->files[c->nfiles - 1]);
		free(c->names[c->nfiles - 1]);
	}
}

/* Reads a text file to be loaded. */
static int add_file(struct climb *c, enum text_kind kind)
{
	char *name = str_printf("%s%s", c->b->root, c->b->config->texts[kind]);
	int r = rehearse_read(name, kind, &c->files[c->nfiles]);

	if (r)
		free(name);
	else
		c->names[c->nfiles++] = name;
	return r;
}

/* That programs loaded something is all that can be told of them. */
static int check_something(struct climb *c)
{
	const struct capture capture = {.sink = capture_discard, .lock_wait = c->b->config->lock_wait};
	struct ruleset now = {0};
	int r = engines_capture(&now, &capture);

	if (!r && ruleset_equal(&now, &(struct ruleset){0})) {
		log_error("the text files have no rules");
		r = -ENODATA;
	}
	ruleset_release(&now);
	return r;
}

/* Where there is no private namespace to try it in. */
static int load_directly(struct climb *c, struct rehearsal *rehearsal)
{
	int r = climb_change(c, rehearsal->live);

	log_warning("the text files are loaded without a trial");
	if (!r)
		r = rehearse_live(rehearsal);
	return r ? r : check_something(c);
}

int climb_load_files(struct climb *c, struct ruleset *base)
{
	struct rehearsal rehearsal = {.live = base, .files = c->files, .nfiles = c->nfiles};
	int r = rehearse(&rehearsal);

	if (!r)
		r = climb_change(c, &rehearsal.candidate);
	else if (r != -EINVAL)
		r = load_directly(c, &rehearsal);
	rehearsal_release(&rehearsal);
	return r;
}

enum text_kind climb_home(const struct climb *c, size_t i)
{
	const struct manifest *m = &c->current;

	for (int kind = 0; m->proofs && kind < TEXT_KINDS; kind++)
		if (m->proofs[i] == text_formats[kind].proof)
			return (enum text_kind)kind;
	return text_home(&m->rs.tables[i]);
}

bool climb_is_exact_only(const struct climb *c, size_t i)
{
	return c->current.proofs && c->current.proofs[i] == PROOF_EXACT;
}

struct ruleset climb_base(const struct climb *c, const bool *without)
{
	cleanup_strlist struct strlist tables = {NULL, 0};
	const struct ruleset *rs = &c->current.rs;
	struct ruleset base = *rs;

	base.tables = mem_zalloc((rs->ntables + 1) * sizeof(*base.tables));
	base.ntables = 0;
	for (size_t i = 0; i < rs->ntables; i++) {
		cleanup_free char *label = table_label(&rs->tables[i]);

		if (without[i])
			continue;
		base.tables[base.ntables++] = rs->tables[i];
		strlist_add(&tables, label);
	}
	base.order = (struct buf)BUF_INIT;
	order_project(&rs->order, &tables, &base.order);
	return base;
}

void climb_base_free(struct ruleset *base)
{
	free(base->tables);
	buf_release(&base->order);
}

/* Which text files are not as the current version left them. The number of them, or -errno (logged). */
static int find_edited(struct climb *c, bool edited[static TEXT_KINDS])
{
	int n = 0;

	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		const char *path = c->b->config->texts[kind];
		int r = path ? store_text_untouched(c->b->store, &c->current, path) : 1;

		if (r == -ENOENT)
			log_warning("'%s%s' is not there any more: what it held is loaded all the same",
				    c->b->root, path);
		else if (r < 0)
			return r;
		edited[kind] = !r;
		n += !r;
	}
	return n;
}

/*
 * The tables whose text was edited are made anew by the text. Rules hold on to sets, and no edit of the text of one
 * that is kept exactly is known: these stay until the text changes them.
 */
static int load_edited(struct climb *c, const bool edited[static TEXT_KINDS])
{
	const struct ruleset *rs = &c->current.rs;
	cleanup_free bool *without = mem_zalloc((rs->ntables + 1) * sizeof(*without));
	struct ruleset base;
	int r;

	for (size_t i = 0; i < rs->ntables; i++)
		without[i] = rs->tables[i].engine != ENGINE_IPSET && edited[climb_home(c, i)] &&
			     !climb_is_exact_only(c, i);
	base = climb_base(c, without);
	r = climb_load_files(c, &base);
	climb_base_free(&base);
	return r;
}

int boot_try_edited(struct climb *c)
{
	bool edited[TEXT_KINDS] = {false};
	int r = c->known ? find_edited(c, edited) : 0;

	if (r <= 0)
		return r;
	if (!c->whole) {
		log_error("text files were edited, but the rest of snapshot %u cannot be had", c->id);
		return -EBADMSG;
	}
	r = 0;
	for (int kind = 0; kind < TEXT_KINDS && !r; kind++)
		if (edited[kind])
			r = add_file(c, kind);
	if (!r)
		r = load_edited(c, edited);
	climb_files_release(c);
	return r ? r : 1;
}

/* Whether the text file is what the current version wrote there. */
static bool is_as_written(struct climb *c, enum text_kind kind)
{
	const char *path = c->b->config->texts[kind];
	const struct manifest_text *t = path ? manifest_text(&c->current, path) : NULL;

	return t && t->state == TEXT_WRITTEN && store_text_untouched(c->b->store, &c->current, path) > 0;
}

/* Where the snapshot is damaged the file is the same. */
int climb_add_part(struct climb *c, enum text_kind kind)
{
	struct rehearse_file *file = &c->files[c->nfiles];
	int r;

	*file = (struct rehearse_file){.kind = kind};
	r = store_part(c->b->store, c->id, text_formats[kind].part, &file->content);
	if (r) {
		rehearse_file_release(file);
		if (r != -ENOENT && is_as_written(c, kind))
			return add_file(c, kind);
		return r == -ENOENT ? 0 : r;
	}
	c->names[c->nfiles] = str_printf("%s of snapshot %u", text_formats[kind].part, c->id);
	file->name = c->names[c->nfiles++];
	return 0;
}

/* Without a part of the rules the rest may let in whatever that stopped. */
static bool texts_are_whole(const struct climb *c)
{
	const struct manifest *m = &c->current;
	bool whole = true;

	for (size_t i = 0; i < m->rs.ntables; i++) {
		cleanup_free char *label = table_label(&m->rs.tables[i]);

		if (!climb_is_exact_only(c, i))
			continue;
		log_error("no text of snapshot %u carries '%s'", c->id, label);
		whole = false;
	}
	return whole;
}

int boot_try_text(struct climb *c)
{
	struct ruleset nothing = {0};
	int r = 0;

	if (!c->known)
		return 0;
	if (!texts_are_whole(c))
		return -ENODATA;
	for (int kind = 0; kind < TEXT_KINDS && !r; kind++)
		r = climb_add_part(c, kind);
	if (!r && !c->nfiles) {
		log_error("snapshot %u has no texts", c->id);
		r = -ENODATA;
	}
	if (!r)
		r = climb_load_files(c, &nothing);
	climb_files_release(c);
	return r ? r : 1;
}

int boot_try_files(struct climb *c)
{
	struct ruleset nothing = {0};
	int r = 0;

	/* a version that can be read has said all that there is to say */
	if (c->known)
		return 0;
	for (int kind = 0; kind < TEXT_KINDS && !r; kind++) {
		const char *path = c->b->config->texts[kind];
		cleanup_free char *name = str_printf("%s%s", c->b->root, path ? path : "");

		if (path && !access(name, F_OK))
			r = add_file(c, kind);
	}
	if (!r && !c->nfiles)
		return 0;
	if (!r)
		r = climb_load_files(c, &nothing);
	climb_files_release(c);
	return r ? r : 1;
}
