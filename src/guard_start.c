/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_process.h"

#include "exec.h"
#include "fault.h"
#include "lock.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define STAND_SECONDS 10

/* a process, and one that watches it */

/* What of this is not to be had leaves the guard weaker, not without use. */
static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

/* The caller's cgroup may be ended as a whole: cgroups(7), version 2 alone or beside 1, or 1 alone.
 */
static void leave_cgroup(void)
{
	write_file("/sys/fs/cgroup/cgroup.procs", "0");
	write_file("/sys/fs/cgroup/unified/cgroup.procs", "0");
	write_file("/sys/fs/cgroup/systemd/cgroup.procs", "0");
	write_file("/sys/fs/cgroup/elogind/cgroup.procs", "0");
}

/* The lock would tell that the watcher lives. */
static int watched_main(void *arg)
{
	struct guarding *g = arg;

	prctl(PR_SET_PDEATHSIG, 0);
	close_p(&g->watcher);
	fault_role(g->again ? "rewatch" : "watch");
	return guard_stand(g) < 0;
}

static bool is_over(const struct guarding *g)
{
	struct record r = {0};
	bool over = record_read_folder(&r, g->root, g->folder) <= 0 ||
		    strcmp(r.pending.id, g->id) || !pending_open(&r.pending);

	record_release(&r);
	return over;
}

/* 1: it had to be started again. */
static int watcher_main(void *arg)
{
	struct guarding *g = arg;
	const struct timespec pause = {.tv_nsec = 100000000};
	cleanup_free char *path = str_printf("%s/" RECORD_WATCHER, g->folder);

	fault_role("watcher");
	leave_cgroup();
	guard_set_signals(false);
	write_file("/proc/self/oom_score_adj", "-1000");
	g->watcher = lock_take(path, 0, NULL);
	while (exec_fork(watched_main, g) && !is_over(g)) {
		fault_point("guard-again");
		nanosleep(&pause, NULL);
		g->again = true;
	}
	return g->again;
}

/* a unit of systemd's */

void guard_unit(const char *program, const char *id, struct strlist *argv)
{
	static const char *const options[] = {
		"systemd-run", "--quiet", "--no-ask-password", "--collect",
		"--description=fwsnap: the way back of a pending change",
		/* it runs once systemd-run returns */
		"--property=Type=exec",
		/* killed by whom ever, as often as it may be */
		"--property=Restart=on-failure", "--property=RestartSec=250ms",
		"--property=StartLimitIntervalSec=0", "--property=OOMScoreAdjust=-1000",
		"--property=LimitMEMLOCK=infinity",
		/* it waits for no target, and none takes it away; at shutdown it ends at once */
		"--property=DefaultDependencies=no", "--property=IgnoreOnIsolate=yes",
		"--property=TimeoutStopSec=10s"};
	cleanup_free char *unit = str_printf("--unit=fwsnap-guard-%s", id);

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		strlist_add(argv, options[i]);
	strlist_add(argv, unit);
	strlist_add(argv, program);
	strlist_add(argv, "guard");
	strlist_add(argv, id);
}

/* A unit has the files and the network namespace of the host, and no others. */
static bool systemd_fits(const struct record *r)
{
	return !*r->root && netns_is_init() == 1 && !access("/run/systemd/system", F_OK);
}

static int start_unit(const struct record *r)
{
	cleanup_strlist struct strlist argv = {NULL, 0};
	cleanup_buf struct buf err = BUF_INIT;
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	struct exec e = EXEC_INIT;
	int status;

	if (n < 0)
		return -errno;
	program[n] = '\0';
	guard_unit(program, r->pending.id, &argv);
	array_grow(&argv.s, &argv.n, sizeof(*argv.s));
	e.argv = (const char *const *)argv.s;
	e.err = &err;
	e.timeout = STAND_SECONDS;
	status = exec_run(&e);
	if (status > 0)
		log_warning("systemd-run failed (%.*s): the guard is a process of its own",
			    (int)strcspn(buf_str(&err), "\n"), buf_str(&err));
	else if (status < 0)
		log_warning("cannot run systemd-run (%s): the guard is a process of its own",
			    strerror(-status));
	return status > 0 ? -EIO : status;
}

/* starting either */

static int wait_until_it_stands(const struct record *r)
{
	cleanup_free char *path = record_path(r, RECORD_GUARD);
	const struct timespec pause = {.tv_nsec = 2000000};

	for (int64_t end = boottime() + STAND_SECONDS * SECOND; boottime() < end;) {
		int held = lock_held(path);

		if (held)
			return held < 0 ? held : 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

int guard_start(const struct record *r)
{
	struct guarding g = {
		.root = r->root, .folder = r->folder, .id = r->pending.id, .watcher = -1};
	int e = 0;

	if (!systemd_fits(r) || start_unit(r))
		e = exec_detach(watcher_main, &g);
	if (!e)
		e = wait_until_it_stands(r);
	return e < 0 ? log_errno(e, "cannot start the guard of the change") : 0;
}

int guard_serve(const char *root, const char *id)
{
	struct record r = {0};
	int e = record_read(&r, root);

	if (e > 0) {
		struct guarding g = {
			.root = root, .folder = r.folder, .id = id, .watcher = -1, .stops = true};

		e = guard_stand(&g);
	}
	if (e < 0)
		log_errno(e, "cannot guard the pending change");
	record_release(&r);
	return e < 0 ? e : 0;
}
