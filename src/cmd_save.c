/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "cmd_saving.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct save {
	struct saving saving;
	bool all, on_stop;
};

static int parse(struct save *save, int argc, char **argv)
{
	static const struct option options[] = {
		{"message", required_argument, NULL, 'm'},
		{"tag", required_argument, NULL, 't'},
		{"counters", no_argument, NULL, 'C'},
		{"all", no_argument, NULL, 'a'},
		{"on-stop", no_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	struct saving *s = &save->saving;
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
			save->all = true;
			break;
		case 's':
			save->on_stop = true;
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

/* Without a text to prove the records go straight to the disk. */
static int take(struct saving *s)
{
	struct capture capture = {.lock_wait = s->c->config.lock_wait};
	int r = -EAGAIN;

	log_step("reading the rules");
	if (saving_wants_text(s->c)) {
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

static void remark_foreign(const struct ruleset *rs)
{
	cleanup_buf struct buf line = BUF_INIT;

	if (foreign_line(rs, &line))
		log_note("these chains look like another program's and are saved too: %s",
			 buf_str(&line));
}

int cmd_save(struct context *c, int argc, char **argv)
{
	struct save save = {.saving.c = c};
	struct saving *s = &save.saving;
	int r = parse(&save, argc, argv);

	if (r)
		return r;
	if (save.on_stop && !may_save_on_stop(c))
		return EXIT_DONE;
	r = take(s);
	if (!r && !save.all)
		remark_foreign(&s->rs);
	if (!r)
		r = saving_make(s);
	if (!r && !s->unchanged) {
		log_step("writing");
		r = saving_commit(s);
	}
	r = finish(s, r);
	saving_release(s);
	return r;
}
