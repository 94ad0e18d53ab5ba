/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_foreign.h"
#include "log.h"
#include "rehearse.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct checking {
	struct context *c;
	int type;  /* enum text_kind; -1: guess */
	bool live; /* the base */
	struct rehearse_file *files;
	size_t n;
};

static int parse(struct checking *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"base", required_argument, NULL, 'b'},
		{"type", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	int o;

	s->type = -1;
	while ((o = next_option(s->c, argc, argv, "", options)) != -1) {
		if (o == 't') {
			if (type_option(s->c, optarg, &s->type))
				return EXIT_USAGE;
		} else if (o == 'b' && (!strcmp(optarg, "live") || !strcmp(optarg, "empty"))) {
			s->live = *optarg == 'l';
		} else if (o == 'b') {
			return usage_error(s->c, "the base is 'live' or 'empty', not '%s'", optarg);
		} else {
			return EXIT_USAGE;
		}
	}
	return optind < argc ? EXIT_DONE : usage_error(s->c, "no file is named");
}

static int read_files(struct checking *s, int argc, char **argv)
{
	int r = 0;

	for (int i = optind; i < argc && !r; i++) {
		struct rehearse_file file;

		r = rehearse_read(argv[i], s->type, &file);
		if (!r)
			*(struct rehearse_file *)array_grow(&s->files, &s->n, sizeof(file)) = file;
	}
	return r;
}

/* What apply would ask about. */
static void warn(const struct rehearsal *r, bool on_live)
{
	for (size_t i = 0; on_live && i < r->unmentioned.n; i++)
		log_warning("%s would go, which no file mentions", r->unmentioned.s[i]);
	for (size_t i = 0; i < r->opened.n; i++)
		log_warning("%s would let everything in", r->opened.s[i]);
	for (size_t i = 0; i < r->resolved.n; i++)
		log_warning("a name was looked up: %s", r->resolved.s[i]);
}

/* What is printed in a child is lost unless it is printed to the end. */
static void show(struct rehearsal *r, void *arg)
{
	const struct checking *s = arg;
	struct grafted g = {.rs = &r->candidate};
	int e = s->live ? graft_open(s->c, r->live, &r->candidate, "the files", &g) : 0;

	if (!e)
		e = rehearse_compare(r, g.rs);
	if (!e) {
		warn(r, s->live);
		print_difference(s->c, r->live, s->live ? "live" : "nothing", g.rs, "the files", false, NULL);
	}
	graft_release(&g);
	fflush(stdout);
}

static int check_files(struct checking *s)
{
	const struct capture capture = {.lock_wait = s->c->config.lock_wait};
	struct ruleset live = {0};
	int r = s->live ? engines_capture(&live, &capture) : 0;

	if (!r)
		r = rehearse_check(s->live ? &live : NULL, s->files, s->n, show, s);
	ruleset_release(&live);
	return r;
}

int cmd_check(struct context *c, int argc, char **argv)
{
	struct checking s = {.c = c};
	int r = parse(&s, argc, argv);

	if (r)
		return r;
	log_set_state(NULL);
	r = read_files(&s, argc, argv);
	if (!r)
		r = check_files(&s);
	for (size_t i = 0; i < s.n; i++) {
		if (!r)
			log_note("'%s' loads", s.files[i].name);
		rehearse_file_release(&s.files[i]);
	}
	free(s.files);
	return exit_status(r);
}
