/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_saving.h"

#include "cmd_frontend.h"
#include "lockdown.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool saving_wants_text(const struct context *c)
{
	for (int kind = 0; kind < TEXT_KINDS; kind++)
		if (c->config.texts[kind])
			return true;
	return false;
}

/* Rules and text files are as the current version has them: there is nothing to save. */
static int compare_current(struct saving *s)
{
	unsigned id = 0;
	int r = store_current(&s->c->store, &id);

	if (r < 0 || !id)
		return r;
	r = store_manifest(&s->c->store, id, &s->current);
	if (r < 0) {
		log_warning("the current snapshot cannot be read: a new one is made");
		return 0;
	}
	s->unchanged = !s->counters && ruleset_equal(s->ours.rs, &s->current.rs) &&
		       frontends_equal(&s->frontends, &s->current.frontends);
	for (int kind = 0; kind < TEXT_KINDS && s->unchanged; kind++) {
		const char *path = s->c->config.texts[kind];

		s->unchanged =
			!path || (manifest_text(&s->current, path) &&
				  store_text_untouched(&s->c->store, &s->current, path) == 1);
	}
	return 0;
}

static bool lacks_text(const struct manifest *m)
{
	for (size_t i = 0; m->proofs && i < m->rs.ntables; i++)
		if (m->proofs[i] == PROOF_EXACT)
			return true;
	return false;
}

static bool proofs_as_before(const struct saving *s)
{
	const struct ruleset *before = &s->current.rs;

	for (size_t i = 0; i < s->texts.n; i++) {
		const struct table *t = &s->ours.rs->tables[i];
		const struct table *was = ruleset_find(before, t->engine, t->family, t->name);

		if (was && s->texts.proofs[i] != s->current.proofs[was - before->tables])
			return false;
	}
	return true;
}

static int prove_texts(struct saving *s)
{
	int r = 0;

	log_step("proving the text");
	if (saving_wants_text(s->c))
		r = text_prove(s->ours.rs, s->counters, &s->texts);
	for (int kind = 0; kind < TEXT_KINDS && !r; kind++) {
		const struct buf *b = &s->texts.content[kind];

		if (b->len)
			r = snapshot_add_part(&s->snapshot, text_formats[kind].part, b->data,
					      b->len);
	}
	return r;
}

/* The first line that a program answers to --version. */
static void add_version(struct strlist *programs, const char *program)
{
	const char *argv[] = {program, "--version", NULL};
	cleanup_buf struct buf out = BUF_INIT;
	struct exec e = EXEC_INIT;
	char *line;

	e.argv = argv;
	e.out = &out;
	e.timeout = 5;
	if (exec_run(&e))
		return;
	line = buf_str(&out);
	line[strcspn(line, "\n")] = '\0';
	strlist_add(programs, line);
}

static void fill_manifest(struct saving *s)
{
	struct manifest *m = &s->snapshot.manifest;

	story_fill(m, s->message);
	if (s->tag)
		strlist_add(&m->tags, s->tag);
	if (s->texts.n) {
		static const char *const programs[] = {"nft", "iptables", "ipset"};

		for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
			add_version(&m->programs, programs[i]);
		m->proofs = mem_alloc(s->texts.n * sizeof(*m->proofs));
		memcpy(m->proofs, s->texts.proofs, s->texts.n * sizeof(*m->proofs));
	}
	manifest_note_foreign(m, &s->ours.shares);
	ruleset_outline(s->ours.rs, &m->rs);
}

/* Whether the version in force had the table in this text. */
static bool was_carried(const struct saving *s, const struct table *t, enum text_kind kind)
{
	const struct table *old = ruleset_counterpart(&s->current.rs, t);

	return old && s->current.proofs &&
	       s->current.proofs[old - s->current.rs.tables] == text_formats[kind].proof;
}

static bool text_exists(const struct saving *s, enum text_kind kind)
{
	cleanup_free char *file = str_printf("%s%s", s->c->opt.root, s->c->config.texts[kind]);

	return !access(file, F_OK);
}

/* A text that lacks a table would mislead in place of a file that has it, or may have it. */
static bool misleads(const struct saving *s, enum text_kind kind)
{
	const char *path = s->c->config.texts[kind];
	const struct manifest_text *was = manifest_text(&s->current, path);

	if (!text_exists(s, kind))
		return false;
	for (size_t i = 0; i < s->texts.n; i++) {
		const struct table *t = &s->ours.rs->tables[i];

		if (s->texts.proofs[i] == PROOF_EXACT && text_home(t) == kind &&
		    (!was || was->state == TEXT_LEFT || was_carried(s, t, kind)))
			return true;
	}
	return false;
}

/* A text with nothing to say goes; one that was meant to say something stays as it was. */
static enum text_state text_state(const struct saving *s, enum text_kind kind)
{
	if (misleads(s, kind))
		return TEXT_LEFT;
	if (s->texts.content[kind].len)
		return TEXT_WRITTEN;
	return s->texts.attempted[kind] ? TEXT_LEFT : TEXT_ABSENT;
}

/* "source/" and the file's own name, or a number where an archive cannot hold that or has one of that name. */
static int add_source(struct saving *s, const struct rehearse_file *file, struct strlist *names)
{
	const char *slash = strrchr(file->name, '/');
	char *name = str_printf("source/%s", slash ? slash + 1 : file->name);
	int r;

	for (size_t n = 1; !archive_name_valid(name) || strlist_has(names, name); n++) {
		free(name);
		name = str_printf("source/%zu", n);
	}
	r = snapshot_add_part(&s->snapshot, name, file->content.data, file->content.len);
	strlist_add(names, name);
	free(name);
	return r;
}

static int refuse_lockdown(const struct ruleset *rs)
{
	if (!lockdown_is(rs))
		return 0;
	log_error("this is a lockdown, which is never saved: 'fwsnap restore' ends it");
	return -ECANCELED;
}

int saving_make(struct saving *s)
{
	cleanup_strlist struct strlist names = {NULL, 0};
	int r = refuse_lockdown(s->ours.rs);

	if (!r && !s->c->all)
		r = frontends_look(&s->c->foreign, s->c->opt.root, FRONTENDS_UNKEPT, &s->frontends);
	if (!r)
		r = compare_current(s);
	/* what had no text may have one now: its program was not installed */
	if (r || (s->unchanged && !lacks_text(&s->current)))
		return r;
	r = prove_texts(s);
	for (size_t i = 0; i < s->nsources && !r; i++)
		r = add_source(s, &s->sources[i], &names);
	s->unchanged = s->unchanged && proofs_as_before(s);
	if (r || s->unchanged)
		return r;
	fill_manifest(s);
	return add_frontends(&s->snapshot, &s->frontends);
}

/* What is wanted at the text paths. */
static size_t wanted_texts(const struct saving *s, struct store_text texts[static TEXT_KINDS])
{
	size_t n = 0;

	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		if (!s->c->config.texts[kind])
			continue;
		texts[n] = (struct store_text){.path = s->c->config.texts[kind],
					       .state = text_state(s, kind),
					       .content = &s->texts.content[kind]};
		if (texts[n].state == TEXT_LEFT && text_exists(s, kind))
			log_warning("'%s' stays as it is: no text of its kind carries these rules",
				    texts[n].path);
		n++;
	}
	return n;
}

int saving_commit(struct saving *s)
{
	struct store_text texts[TEXT_KINDS];
	size_t n = wanted_texts(s, texts);

	return store_commit(&s->snapshot, texts, n, true);
}

int saving_prepare(struct saving *s, unsigned *id)
{
	struct store_text texts[TEXT_KINDS];
	size_t n = wanted_texts(s, texts);

	return store_prepare(&s->snapshot, texts, n, id);
}

/* Names what no text carries. */
int saving_report(const struct saving *s)
{
	int status = report_frontends(s->c, &s->frontends);

	for (size_t i = 0; i < s->texts.missing.n; i++)
		log_warning("not installed: %s", s->texts.missing.s[i]);
	for (size_t i = 0; i < s->texts.n; i++) {
		const struct table *t = &s->ours.rs->tables[i];
		cleanup_free char *label = table_label(t);

		if (s->texts.proofs[i] != PROOF_EXACT)
			continue;
		log_warning("no text carries '%s' (%s): it is kept exactly, in the snapshot only",
			    label,
			    s->texts.reasons[i] ? s->texts.reasons[i] : "no program lists it");
		status = EXIT_PARTIAL;
	}
	return status;
}

void saving_release(struct saving *s)
{
	snapshot_new_cancel(&s->snapshot);
	texts_release(&s->texts);
	manifest_release(&s->current);
	frontends_release(&s->frontends);
	ours_release(&s->ours);
}
