/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "cmd_saving.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int parse(struct saving *s, int argc, char **argv, bool *on_stop)
{
	static const struct option options[] = {
		{"message", required_argument, NULL, 'm'},
		{"tag", required_argument, NULL, 't'},
		{"counters", no_argument, NULL, 'C'},
		{"all", no_argument, NULL, 'a'},
		{"on-stop", no_argument, NULL, 's'},
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
			s->c->all = true;
			break;
		case 's':
			*on_stop = true;
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

static int take_records(struct saving *s, struct ruleset *live)
{
	const struct capture capture = {.lock_wait = s->c->config.lock_wait};
	int r = snapshot_new_open(&s->snapshot, &s->c->store);

	if (!r)
		r = engines_capture(live, &capture);
	if (!r)
		r = ours_open(s->c, live, &s->ours);
	return r ? r : add_records(&s->snapshot, s->ours.rs);
}

/* Straight to the disk. */
static int take_stream(struct saving *s, struct ruleset *live)
{
	const struct capture capture = {.lock_wait = s->c->config.lock_wait,
					.sink = snapshot_add_records,
					.arg = &s->snapshot};
	int r = -EAGAIN;

	for (unsigned i = 0; i < CAPTURE_TRIES && r == -EAGAIN; i++) {
		snapshot_new_cancel(&s->snapshot);
		r = snapshot_new_open(&s->snapshot, &s->c->store);
		if (!r)
			r = engines_capture(live, &capture);
	}
	if (r == -EAGAIN)
		log_error("the rules kept changing while they were read (%u times)", CAPTURE_TRIES);
	return r;
}

/* What is to be proved, or told apart from what is foreign, has to be in memory. */
static int take(struct saving *s, struct ruleset *live)
{
	int r;

	log_step("reading the rules");
	if (saving_wants_text(s->c))
		return take_records(s, live);
	r = take_stream(s, live);
	if (r)
		return r;
	s->ours.rs = live;
	foreign_look(&s->c->foreign, live);
	if (s->c->all || !foreign_any(&s->c->foreign))
		return 0;
	snapshot_new_cancel(&s->snapshot);
	ruleset_release(live);
	return take_records(s, live);
}

static void report_saved(const struct saving *s, unsigned id)
{
	unsigned tables;
	struct table_counts sum = ruleset_counts(s->ours.rs, &tables);

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
	return saving_report(s);
}

/*
 * Outcomes: saved or unchanged (0), the same but some tables only exactly (8); on any
 * failure nothing is stored and no text file is touched. Live is only ever read.
 */
static int finish(struct saving *s, int r)
{
	unsigned id;
	int status;

	if (r)
		return exit_status(r);
	if (s->unchanged)
		return finish_unchanged(s);
	if (store_current(&s->c->store, &id))
		return EXIT_FAILED;
	report_saved(s, id);
	status = saving_report(s);
	prune_history(s->c);
	return status;
}

int cmd_save(struct context *c, int argc, char **argv)
{
	struct saving s = {.c = c};
	struct ruleset live = {0};
	bool on_stop = false;
	int r = parse(&s, argc, argv, &on_stop);

	if (r)
		return r;
	if (on_stop && !may_save_on_stop(c))
		return EXIT_DONE;
	r = take(&s, &live);
	if (!r)
		r = saving_make(&s);
	if (!r && !s.unchanged) {
		log_step("writing");
		r = saving_commit(&s);
	}
	r = finish(&s, r);
	saving_release(&s);
	ruleset_release(&live);
	return r;
}
