/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_foreign.h"
#include "cmd_frontend.h"
#include "difference.h"
#include "log.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct comparing {
	const char *ref[2];
	bool dynamic;
	struct named named[2];
};

static bool colour_wanted(const struct context *c)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (c->opt.colour != COLOUR_AUTO)
		return c->opt.colour == COLOUR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(no && *no) && terminal && *terminal &&
	       strcmp(terminal, "dumb");
}

static void print_text(const struct context *c, const struct difference *d, const char *old,
		       const char *new, const struct strlist *frontends)
{
	cleanup_buf struct buf out = BUF_INIT, sum = BUF_INIT;

	for (size_t i = 0; i < frontends->n; i++)
		puts(frontends->s[i]);
	if (!d->ntables)
		return;
	difference_format(d, colour_wanted(c), &out);
	difference_summary(d, &sum);
	buf_printf(&out, "%s to %s: %s\n", old, new, buf_str(&sum));
	fwrite(out.data, 1, out.len, stdout);
}

static void print_json(const struct difference *d, const char *old, const char *new,
		       const struct foreign_shares *foreign, const struct strlist *frontends)
{
	json_t *j = difference_json(d), *lines = json_array();

	for (size_t i = 0; i < frontends->n; i++)
		json_array_append_new(lines, json_string(frontends->s[i]));

	json_object_set_new(j, "old", json_string(old));
	json_object_set_new(j, "new", json_string(new));
	json_object_set_new(j, "foreign", shares_json(foreign));
	json_object_set_new(j, "frontends", lines);
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

static int print(struct context *c, const struct difference *d, const char *old, const char *new,
		 const struct foreign_shares *foreign, const struct strlist *frontends)
{
	if (c->opt.json)
		print_json(d, old, new, foreign, frontends);
	else
		print_text(c, d, old, new, frontends);
	return d->ntables || frontends->n ? EXIT_DIFFERS : EXIT_DONE;
}

int print_difference(struct context *c, struct ruleset *old, const char *old_label,
		     struct ruleset *new, const char *new_label, bool dynamic,
		     const struct strlist *frontends)
{
	static const struct foreign_shares none;
	static const struct strlist same;
	struct difference d = {0};
	int status = exit_status(difference_make(old, new, dynamic, &d));

	if (!status)
		status = print(c, &d, old_label, new_label, &none, frontends ? frontends : &same);
	difference_release(&d);
	return status;
}

static int parse(struct context *c, struct comparing *s, int argc, char **argv)
{
	static const struct option options[] = {{"dynamic", no_argument, NULL, 'd'},
						{"all", no_argument, NULL, 'a'},
						{NULL, 0, NULL, 0}};
	int o;

	*s = (struct comparing){.ref = {"@", "live"}};
	while ((o = next_option(c, argc, argv, "", options)) != -1) {
		if (o != 'd' && o != 'a')
			return EXIT_USAGE;
		s->dynamic |= o == 'd';
		c->all |= o == 'a';
	}
	for (int i = 0; i < 2 && optind < argc; i++)
		s->ref[i] = argv[optind++];
	if (optind < argc)
		return usage_error(c, "unexpected argument '%s'", argv[optind]);
	return EXIT_DONE;
}

/* Text files have nothing of front-ends. */
static int compare_frontends(struct context *c, struct comparing *s, struct strlist *lines)
{
	const struct frontends *f[2] = {NULL, NULL};
	int r = 0;

	for (int i = 0; i < 2 && !r && !c->all; i++) {
		if (!strcmp(s->ref[i], "text"))
			return 0;
		f[i] = &s->named[i].manifest.frontends;
		if (!strcmp(s->ref[i], "live"))
			r = context_frontends(c, &f[i]);
	}
	if (!r && f[0] && f[1])
		frontends_differences(f[0], f[1], lines);
	return r;
}

/* What is foreign in the second one is told apart. */
static int show(struct context *c, struct comparing *s)
{
	cleanup_strlist struct strlist frontends = {NULL, 0};
	struct named *old = &s->named[0], *new = &s->named[1];
	struct difference d = {0};
	int status = exit_status(
		difference_make(&old->manifest.rs, &new->manifest.rs, s->dynamic, &d));

	if (!status)
		status = exit_status(compare_frontends(c, s, &frontends));
	if (!status) {
		status = print(c, &d, old->label, new->label, &new->foreign, &frontends);
		if (!c->opt.json)
			print_shares(&new->foreign, false);
	}
	difference_release(&d);
	return status;
}

int cmd_diff(struct context *c, int argc, char **argv)
{
	struct comparing s;
	int status = parse(c, &s, argc, argv), r = 0;

	if (status)
		return status;
	log_set_state(NULL);
	log_step("reading the rules");
	for (int i = 0; i < 2 && !r; i++)
		r = named_load_here(c, s.ref[i], &s.named[i]);
	/* what one side makes count is foreign on both */
	for (int i = 0; i < 2 && !r; i++)
		foreign_look(&c->foreign, &s.named[i].manifest.rs);
	for (int i = 0; i < 2 && !r; i++)
		if (strcmp(s.ref[i], "live"))
			r = named_cut(c, &s.named[i]);
	log_step("comparing the rules");
	status = r ? exit_status(r) : show(c, &s);
	for (int i = 0; i < 2; i++)
		named_release(&s.named[i]);
	return status;
}
