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

/* What the files make of a base, loaded. */
static int load_files(struct climb *c, struct ruleset *base)
{
	struct rehearsal rehearsal = {.live = base, .files = c->files, .nfiles = c->nfiles};
	int r = rehearse(&rehearsal);

	if (!r)
		r = climb_change(c, &rehearsal.candidate);
	rehearsal_release(&rehearsal);
	return r;
}

/* The text that carries a table, whether that was proved or not. */
static enum text_kind home_of(const struct manifest *m, size_t i)
{
	for (int kind = 0; m->proofs && kind < TEXT_KINDS; kind++)
		if (m->proofs[i] == text_formats[kind].proof)
			return (enum text_kind)kind;
	return text_home(&m->rs.tables[i]);
}

static bool is_exact_only(const struct manifest *m, size_t i)
{
	return m->proofs && m->proofs[i] == PROOF_EXACT;
}

/*
 * The current version less the tables whose text was edited, which the text makes anew; rules hold on to sets, so these
 * stay until then. Nothing is copied but the array and the order, which the caller frees.
 */
static struct ruleset base_without(const struct manifest *m, const bool edited[static TEXT_KINDS])
{
	cleanup_strlist struct strlist tables = {NULL, 0};
	struct ruleset base = m->rs;

	base.tables = mem_zalloc((m->rs.ntables + 1) * sizeof(*base.tables));
	base.ntables = 0;
	for (size_t i = 0; i < m->rs.ntables; i++) {
		const struct table *t = &m->rs.tables[i];
		cleanup_free char *label = table_label(t);

		if (t->engine != ENGINE_IPSET && edited[home_of(m, i)] && !is_exact_only(m, i))
			continue;
		base.tables[base.ntables++] = *t;
		strlist_add(&tables, label);
	}
	base.order = (struct buf)BUF_INIT;
	order_project(&m->rs.order, &tables, &base.order);
	return base;
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

int boot_try_edited(struct climb *c)
{
	bool edited[TEXT_KINDS] = {false};
	struct ruleset base;
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
	base = base_without(&c->current, edited);
	if (!r)
		r = load_files(c, &base);
	free(base.tables);
	buf_release(&base.order);
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

/* The text of the current version; where its snapshot is damaged, that of the file, which is the same. */
static int add_part(struct climb *c, enum text_kind kind)
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

		if (!is_exact_only(m, i))
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
		r = add_part(c, kind);
	if (!r && !c->nfiles) {
		log_error("snapshot %u has no texts", c->id);
		r = -ENODATA;
	}
	if (!r)
		r = load_files(c, &nothing);
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
		r = load_files(c, &nothing);
	climb_files_release(c);
	return r ? r : 1;
}
