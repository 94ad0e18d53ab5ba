/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct saving {
	struct context *c;
	const char *message, *tag;
	bool counters, all;
	struct snapshot_new snapshot;
	struct manifest current; /* of the version in force; id 0: none */
	struct ruleset rs;
	struct texts texts;
	bool unchanged;
};

static int parse(struct saving *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"message", required_argument, NULL, 'm'}, {"tag", required_argument, NULL, 't'},
		{"counters", no_argument, NULL, 'C'},	   {"all", no_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	int o;

	while ((o = next_option(s->c, argc, argv, "m:", options)) != -1) {
		switch (o) {
		case 'm':
			s->message = optarg;
			break;
		case 't':
			s->tag = optarg;
			break;
		case 'C':
			s->counters = true;
			break;
		case 'a':
			s->all = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return usage_error(s->c, "unexpected argument '%s'", argv[optind]);
	if (s->tag && !store_tag_valid(s->tag))
		return usage_error(s->c, "'%s' cannot be a tag", s->tag);
	return EXIT_DONE;
}

static bool wants_text(const struct saving *s)
{
	for (int kind = 0; kind < TEXT_KINDS; kind++)
		if (s->c->config.texts[kind])
			return true;
	return false;
}

/* Without a text to prove the records go straight to the disk. */
static int take(struct saving *s)
{
	struct capture capture = {.lock_wait = s->c->config.lock_wait};
	int r = -EAGAIN;

	log_step("reading the rules");
	if (wants_text(s)) {
		r = snapshot_new_open(&s->snapshot, &s->c->store);
		if (!r)
			r = engines_capture(&s->rs, &capture);
		return r ? r : add_records(&s->snapshot, &s->rs);
	}
	capture.sink = snapshot_add_records;
	capture.arg = &s->snapshot;
	for (unsigned i = 0; i < CAPTURE_TRIES && r == -EAGAIN; i++) {
		snapshot_new_cancel(&s->snapshot);
		r = snapshot_new_open(&s->snapshot, &s->c->store);
		if (!r)
			r = engines_capture(&s->rs, &capture);
	}
	if (r == -EAGAIN)
		log_error("the rules kept changing while they were read (%u times)", CAPTURE_TRIES);
	return r;
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
	s->unchanged = !s->counters && ruleset_equal(&s->rs, &s->current.rs);
	for (int kind = 0; kind < TEXT_KINDS && s->unchanged; kind++) {
		const char *path = s->c->config.texts[kind];

		s->unchanged = !path || (manifest_text(&s->current, path) &&
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
		const struct table *t = &s->rs.tables[i];
		const struct table *was = ruleset_find(before, t->engine, t->family, t->name);

		if (was && s->texts.proofs[i] != s->current.proofs[was - before->tables])
			return false;
	}
	return true;
}

static int prove(struct saving *s)
{
	int r = 0;

	log_step("proving the text");
	if (wants_text(s))
		r = text_prove(&s->rs, s->counters, &s->texts);
	for (int kind = 0; kind < TEXT_KINDS && !r; kind++) {
		const struct buf *b = &s->texts.content[kind];

		if (b->len)
			r = snapshot_add_part(&s->snapshot, text_formats[kind].part, b->data, b->len);
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
	ruleset_outline(&s->rs, &m->rs);
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
		const struct table *t = &s->rs.tables[i];

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

static int commit(struct saving *s)
{
	struct store_text texts[TEXT_KINDS];
	size_t n = 0;

	log_step("writing");
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
	return store_commit(&s->snapshot, texts, n, true);
}

/* Names what no text carries. */
static int report_partial(const struct saving *s)
{
	int status = EXIT_DONE;

	for (size_t i = 0; i < s->texts.missing.n; i++)
		log_warning("not installed: %s", s->texts.missing.s[i]);
	for (size_t i = 0; i < s->texts.n; i++) {
		const struct table *t = &s->rs.tables[i];
		cleanup_free char *label = table_label(t);

		if (s->texts.proofs[i] != PROOF_EXACT)
			continue;
		log_warning("no text carries '%s' (%s): it is kept exactly, in the snapshot only",
			    label, s->texts.reasons[i] ? s->texts.reasons[i] : "no program lists it");
		status = EXIT_PARTIAL;
	}
	return status;
}

static void report_saved(const struct saving *s, unsigned id)
{
	unsigned tables;
	struct table_counts sum = ruleset_counts(&s->rs, &tables);

	log_note("saved snapshot %u: %u table%s, %u rule%s, %u set element%s", id, tables,
		 plural(tables), sum.rules, plural(sum.rules), sum.elements, plural(sum.elements));
}

/* What save does when nothing changed: at most the tag is new. */
static int finish_unchanged(struct saving *s)
{
	int r = s->tag ? store_tag(&s->c->store, s->current.id, s->tag) : 0;

	if (r)
		return exit_status(r);
	log_note("unchanged since snapshot %u", s->current.id);
	return report_partial(s);
}

/*
 * Outcomes: saved or unchanged (0), the same but some tables only exactly (8); on any
 * failure nothing is stored and no text file is touched. Live is only ever read.
 */
static int finish(struct saving *s, int r)
{
	unsigned id;
	int status;

	snapshot_new_cancel(&s->snapshot);
	if (r)
		return exit_status(r);
	if (s->unchanged)
		return finish_unchanged(s);
	if (store_current(&s->c->store, &id))
		return EXIT_FAILED;
	report_saved(s, id);
	status = report_partial(s);
	if (store_prune(&s->c->store, s->c->config.keep, s->c->config.keep_automatic, false, NULL,
			NULL) < 0)
		log_warning("old snapshots could not be removed");
	return status;
}

static void remark_foreign(const struct ruleset *rs)
{
	cleanup_buf struct buf line = BUF_INIT;

	if (foreign_line(rs, &line))
		log_note("these chains look like another program's and are saved too: %s",
			 buf_str(&line));
}

int cmd_save(struct context *c, int argc, char **argv)
{
	struct saving s = {.c = c};
	int r = parse(&s, argc, argv);

	if (r)
		return r;
	r = take(&s);
	if (!r)
		r = compare_current(&s);
	if (!r && !s.all)
		remark_foreign(&s.rs);
	/* what had no text may have one now: its program was not installed */
	if (!r && (!s.unchanged || lacks_text(&s.current))) {
		r = prove(&s);
		s.unchanged = s.unchanged && proofs_as_before(&s);
	}
	if (!r && !s.unchanged) {
		fill_manifest(&s);
		r = commit(&s);
	}
	r = finish(&s, r);
	texts_release(&s.texts);
	manifest_release(&s.current);
	ruleset_release(&s.rs);
	return r;
}
