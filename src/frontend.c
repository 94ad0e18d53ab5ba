/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frontend_steps.h"

#include "change.h"
#include "exec.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READY_SECONDS 30
#define KERNEL_TRIES 3

/* programs */

static char *failure(int r, struct buf *err)
{
	char *line = buf_str(err);

	line[strcspn(line, "\n")] = '\0';
	if (r == -ETIMEDOUT)
		return str_dup("it hangs");
	if (r < 0)
		return str_dup(strerror(-r));
	return *line ? str_visible(line) : str_printf("exit status %d", r);
}

int frontend_run_argv(const char *const *argv, unsigned seconds, bool quiet, struct buf *out)
{
	cleanup_buf struct buf err = BUF_INIT, text = BUF_INIT;
	cleanup_free char *why = NULL;
	struct exec e = EXEC_INIT;
	int r;

	for (const char *const *word = argv; *word; word++)
		buf_printf(&text, "%s%s", word == argv ? "" : " ", *word);
	e.argv = argv;
	e.out = out;
	e.err = &err;
	e.timeout = seconds;
	r = exec_run(&e);
	if (!r)
		return 0;
	why = failure(r, &err);
	if (!quiet || r == -ETIMEDOUT)
		log_error("'%s': %s", buf_str(&text), why);
	return r < 0 ? r : -EIO;
}

int frontend_run(const char *command, unsigned seconds, bool quiet, struct buf *out)
{
	cleanup_free char *copy = str_dup(command);
	const char **argv = NULL;
	size_t n = 0;
	char *save;
	int r;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		*(const char **)array_grow(&argv, &n, sizeof(*argv)) = word;
	array_grow(&argv, &n, sizeof(*argv));
	r = *argv ? frontend_run_argv(argv, seconds, quiet, out) : -EINVAL;
	free(argv);
	return r;
}

static bool has_line(struct buf *text, const char *wanted)
{
	for (char *rest = buf_str(text), *line; (line = strsep(&rest, "\n"));)
		if (!strcmp(line, wanted))
			return true;
	return false;
}

/* how they are */

/* "FILE LINE" */
static bool is_enabled(const struct foreign_frontend *f, const char *root)
{
	cleanup_free char *path = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	const char *line = f->enabled ? strchr(f->enabled, ' ') : NULL;

	if (!line)
		return true;
	path = str_printf("%s%.*s", root, (int)(line - f->enabled), f->enabled);
	return !file_read(path, 1U << 20, &text) && has_line(&text, line + 1);
}

static bool is_ready(const struct foreign_frontend *f)
{
	cleanup_buf struct buf out = BUF_INIT;

	if (f->ready && frontend_run(f->ready, FRONTEND_QUERY, true, &out))
		return false;
	return !f->ready || !f->says || has_line(&out, f->says);
}

/* One with this program is a process that reads its files when it is told to. */
static bool is_daemon(const struct foreign_frontend *f)
{
	return f->runtime;
}

static bool has_config(const struct foreign_frontend *f, const char *root)
{
	for (size_t i = 0; i < f->config.n; i++) {
		cleanup_free char *path = str_printf("%s%s", root, f->config.s[i]);

		if (!access(path, F_OK))
			return true;
	}
	return false;
}

/* One that tells what is so at run time is asked that at once: whether it runs is of interest if it does not. */
static int look_at_runtime(const struct foreign_frontend *f, unsigned how, struct frontend_state *s)
{
	int r = 0;

	if (!f->runtime) {
		s->active = is_ready(f);
		return 0;
	}
	r = frontend_runtime_look(f->runtime, s);
	s->active = !r || (r == -EIO && is_ready(f));
	if (r && s->active)
		return log_errno(r, "'%s' does not tell how it is", f->runtime);
	return !r && (how & FRONTENDS_UNKEPT) ? frontend_runtime_direct(f->runtime, s) : 0;
}

static bool in_charge(const struct foreign_owner *o, const char *root)
{
	return o->counts && is_enabled(&o->frontend, root);
}

bool frontend_in_charge(const struct foreign *f, const char *root, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->owners[i].name, name))
			return in_charge(&f->owners[i], root);
	return false;
}

static int look_at(const struct foreign_owner *o, const char *root, unsigned how, struct frontends *out)
{
	struct frontend_state *s = frontends_add(out, o->name);
	int r = frontend_files_look(&o->frontend, root, s);

	if (r || !in_charge(o, root))
		return r;
	return look_at_runtime(&o->frontend, how, s);
}

int frontends_look(const struct foreign *f, const char *root, unsigned how, struct frontends *out)
{
	int r = 0;

	for (size_t i = 0; i < f->n && !r; i++) {
		const struct foreign_owner *o = &f->owners[i];

		if (has_config(&o->frontend, root) && ((how & FRONTENDS_ALL) || in_charge(o, root)))
			r = look_at(o, root, how, out);
	}
	return r;
}

bool frontends_own(const struct foreign *f, const struct frontends *these, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (frontends_find(these, f->owners[i].name) &&
		    frontend_owns(&f->owners[i].frontend, path))
			return true;
	return false;
}

/* Whether it is the first word of a command, with whatever path. */
static bool begins_with(const char *command, const char *name)
{
	size_t n = command ? strcspn(command, " ") : 0;
	size_t tail = strlen(name);

	return command && n >= tail && !strncmp(command + n - tail, name, tail) &&
	       (n == tail || command[n - tail - 1] == '/');
}

const char *frontend_of_program(const struct foreign *f, const char *program)
{
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

	for (size_t i = 0; i < f->n && *name; i++) {
		const struct foreign_frontend *frontend = &f->owners[i].frontend;

		if (begins_with(frontend->ready, name) || begins_with(frontend->reload, name) ||
		    begins_with(frontend->runtime, name))
			return f->owners[i].title;
	}
	return NULL;
}

static bool state_is(const struct frontend_state *now, const struct frontend_state *want)
{
	struct frontends a = {(struct frontend_state *)(uintptr_t)now, 1};
	struct frontends b = {(struct frontend_state *)(uintptr_t)want, 1};

	return now && now->name && frontends_equal(&a, &b);
}

bool frontends_are(const struct frontends *now, const struct frontends *want)
{
	for (size_t i = 0; i < want->n; i++)
		if (!state_is(frontends_find(now, want->state[i].name), &want->state[i]))
			return false;
	return true;
}

/* making them so */

struct putting {
	const struct frontend_change *change;
	struct foreign_shares now, before; /* of the rules in the kernel */
	bool ran; /* something that may have changed these */
};

static struct foreign_owner *find_owner(const struct putting *p, const char *name)
{
	for (size_t i = 0; i < p->change->foreign->n; i++)
		if (!strcmp(p->change->foreign->owners[i].name, name) && p->change->foreign->owners[i].frontend.config.n)
			return &p->change->foreign->owners[i];
	return NULL;
}

static int wait_until_ready(const struct foreign_owner *o)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	const time_t end = time(NULL) + READY_SECONDS;

	while (!is_ready(&o->frontend)) {
		if (time(NULL) > end) {
			log_error("%s does not answer %d seconds after it was reloaded", o->title,
				  READY_SECONDS);
			return -ETIMEDOUT;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int reload(struct putting *p, const struct foreign_owner *o)
{
	int r;

	if (!o->frontend.reload)
		return 0;
	p->ran = true;
	r = frontend_run(o->frontend.reload, FRONTEND_RELOAD, false, NULL);
	return r ? r : wait_until_ready(o);
}

/* It did not run then. What it leaves in the kernel is nobody's from here on. */
static int stop(struct putting *p, struct foreign_owner *o)
{
	int r;

	if (!o->frontend.stop) {
		log_error("%s runs, and did not before", o->title);
		return -EEXIST;
	}
	p->ran = true;
	r = frontend_run(o->frontend.stop, FRONTEND_RELOAD, false, NULL);
	o->counts = false;
	return r;
}

/* Also where no file is another: only a reload leaves nothing in the kernel of what was told at run time. */
static int activate(struct putting *p, const struct foreign_owner *o, const struct frontend_state *now)
{
	if (!now->active && is_daemon(&o->frontend)) {
		log_error("%s does not run, or does not answer: its configuration is back, and in force once it is started",
			  o->title);
		return -EHOSTDOWN;
	}
	return reload(p, o);
}

/* What was so only at run time, and what became so since. */
static int tell_runtime(struct putting *p, const struct foreign_owner *o, struct frontends *now,
			const struct frontend_state *want)
{
	int r;

	p->ran = true;
	r = frontend_runtime_put(o->frontend.runtime, &now->state->runtime, &want->runtime);
	frontends_release(now);
	return r ? r : look_at(o, p->change->root, 0, now);
}

static int finish(struct putting *p, const struct foreign_owner *o, const struct frontend_state *want)
{
	cleanup_strlist struct strlist lines = {NULL, 0};
	struct frontends now = {NULL, 0}, wanted = {(struct frontend_state *)(uintptr_t)want, 1};
	int r = look_at(o, p->change->root, 0, &now);

	if (!r && now.state->active && o->frontend.runtime && !frontends_equal(&now, &wanted))
		r = tell_runtime(p, o, &now, want);
	if (!r && !frontends_equal(&now, &wanted)) {
		frontends_differences(&wanted, &now, &lines);
		for (size_t i = 0; i < lines.n; i++)
			log_error("%s is not as it was: %s", o->title, lines.s[i]);
		r = -EIO;
	}
	frontends_release(&now);
	return r;
}

/* Files may be back, and the reload not done: by an undo that was cut off. */
static bool has_other_rules(const struct putting *p, const struct foreign_owner *o)
{
	const struct foreign_share *now = foreign_share_of(&p->now, o), *before = foreign_share_of(&p->before, o);

	if (!p->change->before || !now || !before)
		return p->change->before && now != before;
	return now->nitems != before->nitems ||
	       (now->nitems && memcmp(now->items, before->items, now->nitems * sizeof(*now->items)));
}

static int put_state(struct putting *p, const struct frontend_state *now, const struct frontend_state *want)
{
	struct foreign_owner *o = find_owner(p, want->name);
	int r;

	if (!o) {
		log_error("there is no description of the front-end '%s'", want->name);
		return -ENOENT;
	}
	if (state_is(now, want) && !has_other_rules(p, o))
		return 0;
	log_step("reloading a front-end");
	r = frontend_files_put(&o->frontend, p->change->root, now, want);
	if (r < 0)
		return r;
	/* what it does not have in the kernel yet it will have now */
	o->counts |= want->active;
	if (want->active)
		r = activate(p, o, now);
	else
		r = now->active ? stop(p, o) : 0;
	return r ? r : finish(p, o, want);
}

static int put_all(struct putting *p, const struct frontends *now, const struct frontends *want)
{
	int failed = 0;

	for (size_t i = 0; i < want->n; i++) {
		static const struct frontend_state none;
		const struct frontend_state *is = frontends_find(now, want->state[i].name);
		int r = put_state(p, is ? is : &none, &want->state[i]);

		/* what merely does not run is the least */
		if (r && (!failed || failed == -EHOSTDOWN))
			failed = r;
	}
	return failed;
}

static int look_and_put_all(struct putting *p, const struct frontends *want)
{
	struct frontends now = {NULL, 0};
	int r = frontends_look(p->change->foreign, p->change->root, FRONTENDS_ALL, &now);

	if (!r)
		r = put_all(p, &now, want);
	frontends_release(&now);
	return r;
}

/* rules of ours */

static enum change_result bring_back(const struct putting *p, struct ruleset *ours)
{
	const struct capture capture = {.lock_wait = p->change->lock_wait};
	struct ruleset now = {0}, target = {0};
	struct change c = {.live = &now, .target = &target, .lock_wait = p->change->lock_wait};
	enum change_result result = CHANGE_REFUSED;
	int r = engines_capture(&now, &capture);

	if (!r)
		r = foreign_graft(p->change->foreign, &now, ours, false, &target, NULL);
	if (!r)
		result = change_run(&c);
	if (result == CHANGE_DONE)
		log_note("rules that the reload of a front-end took away are back");
	change_release(&c);
	ruleset_release(&now);
	ruleset_release(&target);
	return result;
}

static int keep_ours(const struct putting *p, struct ruleset *ours)
{
	enum change_result result = CHANGE_STALE;

	for (int i = 0; i < KERNEL_TRIES && result == CHANGE_STALE; i++)
		result = bring_back(p, ours);
	return result <= CHANGE_NOTHING ? 0 : -EIO;
}

/* What is ours in the kernel, and whose the rest is, before anything changes. */
static int look_at_kernel(struct putting *p, struct ruleset *ours)
{
	const struct frontend_change *c = p->change;
	const struct capture capture = {.lock_wait = c->lock_wait};
	struct ruleset live = {0};
	int r = engines_capture(&live, &capture);

	if (!r) {
		foreign_look(c->foreign, &live);
		if (c->before)
			foreign_look(c->foreign, c->before);
		r = foreign_cut(c->foreign, &live, ours, &p->now);
	}
	if (!r && c->before)
		r = foreign_count(c->foreign, c->before, &p->before);
	ruleset_release(&live);
	return r;
}

int frontends_put(const struct frontend_change *c, const struct frontends *want)
{
	struct putting p = {.change = c};
	struct ruleset ours = {0};
	int r, kept = 0;

	if (!want->n)
		return 0;
	r = look_at_kernel(&p, &ours);
	if (!r)
		r = c->now ? put_all(&p, c->now, want) : look_and_put_all(&p, want);
	if (p.ran)
		kept = keep_ours(&p, &ours);
	log_step(NULL);
	ruleset_release(&ours);
	foreign_shares_release(&p.now);
	foreign_shares_release(&p.before);
	return kept ? kept : r;
}
