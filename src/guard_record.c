/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_record.h"

#include "fault.h"
#include "lock.h"
#include "log.h"
#include "snapshot.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD_LIMIT (4U << 20)
/* A rename may hide the name from a folder that is being read. */
#define MARK_TRIES 5
/* systemd starts a guard that was killed again within this time. */
#define GRACE_MS 1000

static const char *const words[] = {
	[GUARD_ARMED] = "armed",
	[GUARD_SWAPPED] = "swapped",
	[GUARD_CONFIRMING] = "confirming",
	[GUARD_UNDOING] = "undoing",
	[GUARD_CONFIRMED] = "confirmed",
	[GUARD_UNDONE] = "undone",
	[GUARD_LOST] = "lost",
};

enum kind { TEXT, NUMBER, LIST };

static const struct field {
	const char *key;
	enum kind kind;
	size_t offset;
} fields[] = {
	{"id", TEXT, offsetof(struct record, pending.id)},
	{"boot", TEXT, offsetof(struct record, boot)},
	{"cookie", NUMBER, offsetof(struct record, cookie)},
	{"netns", NUMBER, offsetof(struct record, netns)},
	{"store", TEXT, offsetof(struct record, store)},
	{"what", TEXT, offsetof(struct record, pending.what)},
	{"user", TEXT, offsetof(struct record, pending.user)},
	{"from", TEXT, offsetof(struct record, pending.from)},
	{"terminal", TEXT, offsetof(struct record, terminal)},
	{"began", NUMBER, offsetof(struct record, pending.began)},
	{"within", NUMBER, offsetof(struct record, within)},
	{"caller", NUMBER, offsetof(struct record, caller.pid)},
	{"caller-start", NUMBER, offsetof(struct record, caller.start)},
	{"lock-wait", NUMBER, offsetof(struct record, lock_wait)},
	{"foreign", TEXT, offsetof(struct record, foreign)},
	{"touched", LIST, offsetof(struct record, pending.touched)},
	{"conflict", LIST, offsetof(struct record, pending.conflicts)},
};

int64_t boottime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* processes */

static int process_start(int64_t pid, int64_t *start)
{
	cleanup_free char *path = str_printf("/proc/%lld/stat", (long long)pid);
	cleanup_buf struct buf text = BUF_INIT;
	const char *rest;
	long long ticks;
	char state;
	int r = file_read(path, 4096, &text);

	if (r < 0)
		return r;
	/* the name in the second field may hold anything */
	rest = strrchr(buf_str(&text), ')');
	if (!rest || sscanf(rest,
			    ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			    "%*s %*s %*s %*s %lld",
			    &state, &ticks) != 2)
		return -EIO;
	if (state == 'Z' || state == 'X')
		return -ESRCH;
	*start = ticks;
	return 0;
}

int process_self(struct process *p)
{
	p->pid = getpid();
	return process_start(p->pid, &p->start);
}

bool process_alive(const struct process *p)
{
	int64_t start;

	return !process_start(p->pid, &start) && start == p->start;
}

/* memory */

void pending_release(struct pending *p)
{
	free(p->id);
	free(p->what);
	free(p->user);
	free(p->from);
	strlist_release(&p->touched);
	strlist_release(&p->conflicts);
	*p = (struct pending){0};
}

unsigned pending_left(const struct pending *p)
{
	int64_t left = p->deadline ? p->deadline - boottime() : 0;

	return left > 0 ? (unsigned)((left + SECOND - 1) / SECOND) : 0;
}

bool pending_open(const struct pending *p)
{
	return p->state == GUARD_ARMED || p->state == GUARD_SWAPPED ||
	       p->state == GUARD_CONFIRMING || p->state == GUARD_UNDOING;
}

void record_release(struct record *r)
{
	free(r->root);
	free(r->folder);
	free(r->boot);
	free(r->store);
	free(r->terminal);
	free(r->foreign);
	free(r->mark);
	pending_release(&r->pending);
	*r = (struct record){0};
}

char *record_path(const struct record *r, const char *name)
{
	return str_printf("%s/%s", r->folder, name);
}

static char *folder_path(const char *root, uint64_t cookie)
{
	return str_printf("%s/run/fwsnap/pending.%llu", root, (unsigned long long)cookie);
}

static char *terminal_name(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		const char *name = ttyname(fd);

		if (name)
			return str_dup(name);
	}
	return NULL;
}

int record_new(struct record *r, const struct guard *g)
{
	char id[FILE_SUFFIX];
	struct netns_id where;
	struct stat st;
	int e = netns_identify(&where);

	if (!e)
		e = file_suffix(id);
	if (!e)
		e = stat("/proc/self/ns/net", &st) ? -errno : 0;
	*r = (struct record){0};
	if (!e)
		e = process_self(&r->caller);
	if (e)
		return e;
	r->root = str_dup(g->root);
	r->folder = folder_path(g->root, where.cookie);
	r->boot = str_dup(where.boot);
	r->cookie = (int64_t)where.cookie;
	r->netns = (int64_t)st.st_ino;
	r->store = g->store ? str_dup(g->store->dir + strlen(g->root)) : NULL;
	r->terminal = terminal_name();
	r->lock_wait = g->lock_wait;
	r->foreign = g->foreign ? str_dup(g->foreign) : NULL;
	r->pending.id = str_dup(id);
	return 0;
}

/* text */

/* A line stays one line. */
static void put_line(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%s: ", key);
	for (; *value; value++)
		buf_printf(out, "%c", iscntrl((unsigned char)*value) ? '?' : *value);
	buf_add_str(out, "\n");
}

static void put_list(struct buf *out, const char *key, const struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		put_line(out, key, l->s[i]);
}

static void put_field(struct buf *out, const struct record *r, const struct field *f)
{
	const void *value = (const char *)r + f->offset;

	if (f->kind == LIST)
		put_list(out, f->key, value);
	else if (f->kind == NUMBER)
		buf_printf(out, "%s: %lld\n", f->key, (long long)*(const int64_t *)value);
	else if (*(char *const *)value)
		put_line(out, f->key, *(char *const *)value);
}

static int parse_value(struct record *r, const struct field *f, const char *text)
{
	void *value = (char *)r + f->offset;
	char *end;

	if (f->kind == LIST) {
		strlist_add(value, text);
	} else if (f->kind == TEXT) {
		free(*(char **)value);
		*(char **)value = str_dup(text);
	} else {
		*(int64_t *)value = strtoll(text, &end, 10);
		return *end || end == text ? -EBADMSG : 0;
	}
	return 0;
}

static int parse_line(struct record *r, const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t n = strlen(fields[i].key);

		if (!strncmp(line, fields[i].key, n) && !strncmp(line + n, ": ", 2))
			return parse_value(r, &fields[i], line + n + 2);
	}
	return -EBADMSG;
}

static int parse_file(struct record *r, const char *name)
{
	cleanup_free char *path = record_path(r, name);
	cleanup_buf struct buf text = BUF_INIT;
	int e = file_read(path, RECORD_LIMIT, &text);

	for (char *rest = e ? NULL : buf_str(&text), *line; !e && (line = strsep(&rest, "\n"));)
		if (*line)
			e = parse_line(r, line);
	return e;
}

/* the state: a file called STATE.ID.DEADLINE */

static char *mark_name(const struct record *r, enum guard_state state)
{
	return str_printf("%s.%s.%lld", words[state], r->pending.id,
			  (long long)r->pending.deadline);
}

/* Whether it is a state of this record, which is then taken over. */
static bool mark_parse(struct record *r, const char *name)
{
	char word[16], id[FILE_SUFFIX];
	long long deadline;
	int end = 0;

	if (sscanf(name, "%15[a-z].%6[a-z2-7].%lld%n", word, id, &deadline, &end) != 3 ||
	    name[end] || strcmp(id, r->pending.id))
		return false;
	for (size_t i = GUARD_ARMED; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]))
			continue;
		r->pending.state = (enum guard_state)i;
		r->pending.deadline = deadline;
		free(r->mark);
		r->mark = str_dup(name);
		return true;
	}
	return false;
}

static bool mark_find(struct record *r)
{
	DIR *d = opendir(r->folder);
	bool found = false;

	for (struct dirent *e; d && !found && (e = readdir(d));)
		found = mark_parse(r, e->d_name);
	if (d)
		closedir(d);
	return found;
}

void record_refresh(struct record *r)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < MARK_TRIES; i++) {
		if (mark_find(r))
			return;
		nanosleep(&pause, NULL);
	}
	r->pending.state = GUARD_IDLE;
	free(r->mark);
	r->mark = NULL;
}

int record_arm(struct record *r)
{
	cleanup_free char *name = mark_name(r, GUARD_ARMED);
	cleanup_free char *path = record_path(r, name);
	int e;

	fault_point("guard-arm");
	e = file_replace(path, "", 0);
	fault_point("guard-armed");
	if (e < 0)
		return log_errno(e, "cannot write '%s'", path);
	record_refresh(r);
	return 0;
}

/* A failed step may have been done all the same (fsync of the folder): look. */
int record_step(struct record *r, enum guard_state to)
{
	cleanup_free char *name = mark_name(r, to);
	cleanup_free char *from = record_path(r, r->mark ? r->mark : ""),
			  *path = record_path(r, name);
	int e;

	if (!r->mark)
		return -ENOENT;

	fault_point("guard-step");
	e = file_rename(from, path);
	fault_point("guard-stepped");
	record_refresh(r);
	if (r->mark && r->pending.state == to && !strcmp(r->mark, name))
		return 0;
	return e ? e : -ENOENT;
}

/* files */

static int log_write(int e, const char *path)
{
	return e < 0 ? log_errno(e, "cannot write '%s'", path) : 0;
}

static int write_fields(const struct record *r, const char *name, size_t first, size_t end)
{
	cleanup_free char *path = record_path(r, name);
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = first; i < end; i++)
		put_field(&text, r, &fields[i]);
	return log_write(file_replace(path, text.data, text.len), path);
}

int record_write_story(const struct record *r)
{
	return write_fields(r, "record", 0, ARRAY_SIZE(fields) - 1);
}

int record_write_outcome(const struct record *r)
{
	if (!r->pending.conflicts.n)
		return 0;
	return write_fields(r, "outcome", ARRAY_SIZE(fields) - 1, ARRAY_SIZE(fields));
}

static int write_way(const struct record *r, const char *name, const struct ruleset *rs,
		     const struct frontends *frontends)
{
	cleanup_free char *path = record_path(r, name);

	return log_write(snapshot_write(rs, frontends, path), path);
}

int record_write_after(const struct record *r, const struct ruleset *after)
{
	return write_way(r, "after", after, NULL);
}

int record_write(const struct record *r, const struct ruleset *before, const struct frontends *frontends,
		 const struct ruleset *after)
{
	int e = file_mkdir(r->folder, 0700);

	if (e < 0)
		return log_errno(e, "cannot make '%s'", r->folder);
	fault_point("guard-folder");
	e = write_way(r, "before", before, frontends);
	if (!e && after)
		e = record_write_after(r, after);
	return e ? e : record_write_story(r);
}

int record_way(const struct record *r, const char *name, struct manifest *m)
{
	cleanup_free char *path = record_path(r, name);
	cleanup_close int fd = file_open(path);
	int e;

	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return log_errno(fd, "cannot read '%s'", path);
	e = snapshot_read(fd, path, m);
	return e ? e : engines_digest(&m->rs, path);
}

int record_read_folder(struct record *r, const char *root, const char *folder)
{
	int e;

	r->root = str_dup(root);
	r->folder = str_dup(folder);
	e = parse_file(r, "record");
	if (!e && parse_file(r, "outcome") == -EBADMSG)
		strlist_release(&r->pending.conflicts);
	if (!e && (!r->pending.id || !r->boot || !r->pending.what))
		e = -EBADMSG;
	r->pending.within = (unsigned)r->within;
	if (!e)
		record_refresh(r);
	if (e || !r->mark)
		record_release(r);
	return e == -ENOENT || (!e && !r->folder) ? 0 : e ? e : 1;
}

int record_read(struct record *r, const char *root)
{
	struct netns_id where;
	cleanup_free char *folder = NULL;
	int e = netns_identify(&where);

	if (e < 0)
		return e;
	folder = folder_path(root, where.cookie);
	e = record_read_folder(r, root, folder);
	if (e > 0 && !record_is_ours(r)) {
		record_release(r);
		e = 0;
	}
	return e;
}

bool record_of_this_boot(const struct record *r)
{
	struct netns_id here;

	return !netns_identify(&here) && !strcmp(here.boot, r->boot);
}

bool record_is_ours(const struct record *r)
{
	struct netns_id here;

	return !netns_identify(&here) && !strcmp(here.boot, r->boot) &&
	       here.cookie == (uint64_t)r->cookie;
}

bool record_guarded(const struct record *r)
{
	cleanup_free char *guard = record_path(r, RECORD_GUARD);
	cleanup_free char *watcher = record_path(r, RECORD_WATCHER);

	return lock_held(guard) > 0 || lock_held(watcher) > 0;
}

bool record_forsaken(const struct record *r)
{
	const struct timespec pause = {.tv_nsec = GRACE_MS / 20 * 1000000L};

	for (int i = 0; i < 20; i++) {
		if (record_guarded(r))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static int remove_all(const char *folder, bool states)
{
	DIR *d = opendir(folder);
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *e; !r && (e = readdir(d));) {
		cleanup_free char *path = str_printf("%s/%s", folder, e->d_name);
		bool state = false;

		for (size_t i = GUARD_ARMED; i < ARRAY_SIZE(words); i++)
			state |= !strncmp(e->d_name, words[i], strlen(words[i])) &&
				 e->d_name[strlen(words[i])] == '.';
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && (state || !states))
			r = file_remove(path);
	}
	closedir(d);
	return r;
}

int record_drop(const char *folder)
{
	int r = remove_all(folder, true);

	if (!r)
		r = remove_all(folder, false);
	if (!r && rmdir(folder) && errno != ENOENT)
		r = -errno;
	return r;
}
