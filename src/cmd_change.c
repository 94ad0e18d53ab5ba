/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "change.h"
#include "cmd.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* How often somebody else may be quicker before restore gives up. */
#define STALE_TRIES 3

struct restoring {
	struct context *c;
	const char *ref;
	bool all, dry_run;
	struct named target;
	unsigned current; /* before; 0: none, or the target is no snapshot */
	struct store_text texts[TEXT_KINDS]; /* of the target, if it becomes the current one */
	struct buf contents[TEXT_KINDS];
	size_t ntexts;
	struct ruleset live;
};

static int parse(struct restoring *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},
		{"dry-run", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int o;

	s->ref = "@";
	while ((o = next_option(s->c, argc, argv, "", options)) != -1) {
		if (o == 'a')
			s->all = true;
		else if (o == 'n')
			s->dry_run = true;
		else
			return EXIT_USAGE;
	}
	if (optind < argc)
		s->ref = argv[optind++];
	if (optind < argc)
		return usage_error(s->c, "unexpected argument '%s'", argv[optind]);
	if (!strcmp(s->ref, "live"))
		return usage_error(s->c, "the live rules cannot be restored over themselves");
	return EXIT_DONE;
}

/* What the version that becomes current has for a text path. */
static int text_of(struct restoring *s, enum text_kind kind, struct store_text *t, struct buf *content)
{
	const struct manifest_text *was = manifest_text(&s->target.manifest, t->path);
	int r;

	t->content = content;
	t->state = was ? was->state : TEXT_WRITTEN;
	if (t->state != TEXT_WRITTEN)
		return 0;
	r = store_part(&s->c->store, s->target.id, text_formats[kind].part, content);
	if (r == -ENOENT) {
		t->state = TEXT_ABSENT;
		r = 0;
	}
	return r;
}

/* All that make_current needs, read before the change: what is damaged has to stop it here. */
static int load_texts(struct restoring *s)
{
	int r = store_current(&s->c->store, &s->current);

	for (int kind = 0; kind < TEXT_KINDS && !r && s->current != s->target.id; kind++) {
		struct store_text *t = &s->texts[s->ntexts];

		if (!s->c->config.texts[kind])
			continue;
		t->path = s->c->config.texts[kind];
		r = text_of(s, kind, t, &s->contents[kind]);
		s->ntexts++;
	}
	return r;
}

static int load_target(struct restoring *s)
{
	int r = named_load_here(s->c, s->ref, &s->target);

	return !r && s->target.id ? load_texts(s) : r;
}

static int refuse_foreign(const struct ruleset *live)
{
	cleanup_buf struct buf line = BUF_INIT;

	if (!foreign_line(live, &line))
		return 0;
	log_error("restoring would replace or remove chains that look like another program's: %s "
		  "(--all does so)", buf_str(&line));
	return -EEXIST;
}

static int capture_live(struct restoring *s)
{
	struct capture capture = {.lock_wait = s->c->config.lock_wait};
	int r;

	ruleset_release(&s->live);
	r = engines_capture(&s->live, &capture);
	return r || s->all ? r : refuse_foreign(&s->live);
}

/* Law: a live ruleset that no snapshot holds is stored before a change destroys it. */
static enum change_result change(struct restoring *s)
{
	enum change_result result = CHANGE_STALE;

	for (unsigned i = 0; i < STALE_TRIES && result == CHANGE_STALE; i++) {
		struct change c = {.live = &s->live, .target = &s->target.manifest.rs,
				   .lock_wait = s->c->config.lock_wait};

		if (i && capture_live(s))
			return CHANGE_REFUSED;
		if (!ruleset_equal(&s->live, &s->target.manifest.rs) && keep_live(s->c, &s->live))
			return CHANGE_REFUSED;
		log_step("changing the rules");
		result = change_run(&c);
		change_release(&c);
	}
	if (result == CHANGE_STALE)
		log_error("somebody else changed the rules %u times meanwhile", STALE_TRIES);
	return result;
}

/* The text files follow, or the next boot would load those of the version left. */
static int make_current(struct restoring *s)
{
	if (s->current == s->target.id)
		return 0;
	return store_switch(&s->c->store, s->target.id, s->texts, s->ntexts);
}

/*
 * Outcomes: done or nothing to do (0): live is the target, verified, and the target is
 * current; done, but it could not be made current (8); refused (1): live is as it was; undone
 * (5): a part failed and the old rules are back, verified; lost (6): they are not wholly back.
 */
static int finish(struct restoring *s, enum change_result result)
{
	switch (result) {
	case CHANGE_DONE:
	case CHANGE_NOTHING:
		log_set_state("the new rules are in force");
		if (make_current(s))
			return EXIT_PARTIAL;
		log_note(result == CHANGE_DONE ? "restored %s" : "the live rules are those of %s already",
			 s->target.label);
		return EXIT_DONE;
	case CHANGE_BUSY:
		return EXIT_DENIED;
	case CHANGE_UNDONE:
		log_note("%s was not restored: the old rules are back, verified", s->target.label);
		return EXIT_UNDONE;
	case CHANGE_LOST:
		return EXIT_LOST;
	default:
		return EXIT_FAILED;
	}
}

static int dry_run(struct restoring *s)
{
	log_set_state(NULL);
	return print_difference(s->c, &s->live, "live", &s->target.manifest.rs, s->target.label,
				false);
}

int cmd_restore(struct context *c, int argc, char **argv)
{
	struct restoring s = {.c = c};
	int r = parse(&s, argc, argv);

	if (r)
		return r;
	log_step("reading the rules");
	r = load_target(&s);
	if (!r)
		r = capture_live(&s);
	if (r)
		r = exit_status(r);
	else
		r = s.dry_run ? dry_run(&s) : finish(&s, change(&s));
	for (int kind = 0; kind < TEXT_KINDS; kind++)
		buf_release(&s.contents[kind]);
	named_release(&s.target);
	ruleset_release(&s.live);
	return r;
}
