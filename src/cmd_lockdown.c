/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lockdown.h"
#include "log.h"
#include "cmd_foreign.h"
#include "cmd_trial.h"

#include <errno.h>
#include <getopt.h>

static int capture_live(struct trial *t, struct ruleset *live)
{
	struct capture capture = {.lock_wait = t->c->config.lock_wait};
	int r;

	watch_close(t->change.watch);
	change_release(&t->change);
	ruleset_release(live);
	t->change = (struct change){.live = live, .lock_wait = capture.lock_wait};
	r = watch_open(&t->change.watch);
	capture.watch = t->change.watch;
	return r ? r : engines_capture(live, &capture);
}

/* Outcomes: those of trial_run. Nothing of it is saved; what was live is, if nothing in the history has its like. */
static int lock_down(struct trial *t, struct lockdown *l)
{
	struct ruleset live = {0};
	struct grafted g = {0};
	int r = -ESTALE;

	log_note("lockdown: new connections come in by these ways alone: %s; 'fwsnap restore' ends it", l->text);
	for (unsigned i = 0; i < TRIAL_TRIES && r == -ESTALE; i++) {
		graft_release(&g);
		r = capture_live(t, &live);
		if (!r)
			r = graft_open(t->c, &live, &l->rs, "the lockdown", &g);
		t->change.target = g.rs;
		t->change.foreign = &t->c->foreign;
		r = r ? exit_status(r) : trial_run(t);
	}
	if (r == -ESTALE)
		r = trial_give_up(t);
	trial_release(t);
	graft_release(&g);
	ruleset_release(&live);
	return r;
}

int cmd_lockdown(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {{"within", required_argument, NULL, 'w'},
						{"no-confirm", no_argument, NULL, 'N'},
						{NULL, 0, NULL, 0}};
	struct trial t = {.c = c, .what = "lockdown"};
	struct lockdown l = {0};
	int o, r = EXIT_DONE;

	while (!r && (o = next_option(c, argc, argv, "", options)) != -1)
		r = o == '?' ? EXIT_USAGE : trial_option(&t, o, optarg);
	if (!r && optind < argc)
		r = usage_error(c, "unexpected argument '%s'", argv[optind]);
	if (!r)
		r = trial_begin(&t, false);
	if (r)
		return r;
	r = exit_status(lockdown_make(&l, c->opt.root, c->config.lockdown_ports));
	if (!r)
		r = lock_down(&t, &l);
	lockdown_release(&l);
	return r;
}
