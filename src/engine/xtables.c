/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"
#include "exec.h"
#include "lock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The names of the tables that exist. Asking the kernel for any other would make it. */
static int table_names(const struct xt_family *f, struct strlist *names)
{
	FILE *file = fopen(f->names, "re");
	char line[XT_TABLE_MAXNAMELEN + 2];
	int r = 0;

	if (!file)
		return errno == ENOENT ? 0 : log_errno(-errno, "cannot open '%s'", f->names);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		strlist_add(names, line);
	}
	if (ferror(file))
		r = log_errno(-EIO, "cannot read '%s'", f->names);
	fclose(file);
	return r;
}

static int take_lock(unsigned wait)
{
	int fd = lock_take_xtables(wait);

	if (fd == -EAGAIN) {
		log_error("another program holds iptables' lock (waited %u s)", wait);
		return -EBUSY;
	}
	return fd < 0 ? log_errno(fd, "cannot take iptables' lock") : fd;
}

/* A chain in a kernel's table. */
struct span {
	const char *name;
	int hook;       /* -1: not built in */
	uint32_t start; /* offset of its first rule */
	uint32_t end;   /* offset of the entry behind its last rule: policy, or return */
};

/* Turns a kernel's table into records. */
struct reader {
	const struct xt_family *family;
	const struct ipt_getinfo *info;
	const char *entries;
	struct span *spans; /* ascending */
	size_t nspans;
	struct table *table;
	struct xt_digest digest;
	const struct capture *capture;
};

static const void *entry_at(const struct reader *rd, uint32_t at)
{
	return rd->entries + at;
}

static int hook_at(const struct reader *rd, uint32_t at)
{
	for (int h = 0; h < NF_INET_NUMHOOKS; h++)
		if (rd->info->valid_hooks & 1U << h && rd->info->hook_entry[h] == at)
			return h;
	return -1;
}

/* The name of the chain that begins here, where it is not built in; NULL: none does. */
static const char *head_at(const struct reader *rd, uint32_t at)
{
	const struct xt_error_target *t =
		(const void *)xt_entry_target(rd->family, entry_at(rd, at));

	return strcmp(t->target.u.user.name, XT_ERROR_TARGET) ? NULL : t->errorname;
}

static void add_span(struct reader *rd, const char *name, int hook, uint32_t start, uint32_t end)
{
	struct span *s = array_grow(&rd->spans, &rd->nspans, sizeof(*s));

	*s = (struct span){.name = name, .hook = hook, .start = start, .end = end};
}

/* The table ends with a head too, which begins no chain. */
static int find_spans(struct reader *rd)
{
	static const char *const hooks[NF_INET_NUMHOOKS] = {"PREROUTING", "INPUT", "FORWARD",
							    "OUTPUT", "POSTROUTING"};
	uint32_t size = rd->info->size, last = 0;

	for (uint32_t at = 0, next; at < size; last = at, at = next) {
		int hook = hook_at(rd, at);
		struct span *open = rd->nspans ? &rd->spans[rd->nspans - 1] : NULL;
		const char *name;

		if (!xt_entry_ok(rd->family, entry_at(rd, at), size - at))
			return -EBADMSG;
		next = at + xt_next_offset(rd->family, entry_at(rd, at));
		name = head_at(rd, at);
		if (open && open->hook < 0 && (name || hook >= 0))
			open->end = last;
		if (hook >= 0)
			add_span(rd, hooks[hook], hook, at, rd->info->underflow[hook]);
		else if (name && next < size)
			add_span(rd, name, -1, next, next);
		else if (!open)
			return -EBADMSG;
	}
	return 0;
}

static int span_compare(const void *key, const void *item)
{
	const uint32_t *start = key;
	const struct span *s = item;

	return *start < s->start ? -1 : *start > s->start;
}

/* Puts what a verdict refers to in place of the offset. */
static int relate(const struct reader *rd, uint32_t at, struct xt_record *r)
{
	void *entry = r + 1;
	struct xt_standard_target *t = xt_standard(rd->family, entry);
	uint32_t to;
	const struct span *s;

	if (*t->target.u.user.name || t->verdict < 0)
		return 0;
	to = (uint32_t)t->verdict;
	r->flags = XT_RULE_NEXT;
	t->verdict = 0;
	if (to == at + xt_next_offset(rd->family, entry))
		return 0;
	s = bsearch(&to, rd->spans, rd->nspans, sizeof(*s), span_compare);
	if (!s)
		return -EBADMSG;
	r->flags = XT_RULE_JUMP;
	t->verdict = (int)(s - rd->spans);
	return 0;
}

static int read_rule(struct reader *rd, uint32_t at)
{
	size_t n = xt_next_offset(rd->family, entry_at(rd, at));
	size_t length = (sizeof(struct xt_record) + n + 7) & ~(size_t)7;
	struct xt_record *r = buf_add_zero(&rd->table->records, length);
	int error;

	*r = (struct xt_record){.length = (uint32_t)length, .kind = XT_RULE};
	memcpy(r + 1, entry_at(rd, at), n);
	memset((char *)(r + 1) + rd->family->nfcache, 0, sizeof(uint32_t));
	memset((char *)(r + 1) + rd->family->comefrom, 0, sizeof(uint32_t));
	error = relate(rd, at, r);
	if (!error)
		error = xt_digest_record(&rd->digest, r);
	return error ? error : capture_flush(rd->capture, rd->table, false);
}

static int read_span(struct reader *rd, const struct span *s)
{
	struct xt_chain *c = buf_add_zero(&rd->table->records, sizeof(*c));
	const void *end = entry_at(rd, s->end);
	int r;

	c->record = (struct xt_record){.length = sizeof(*c), .kind = XT_CHAIN};
	strncpy(c->name, s->name, sizeof(c->name) - 1);
	c->counters = *xt_entry_counters(rd->family, (void *)(uintptr_t)end);
	if (s->hook >= 0) {
		c->record.flags = XT_CHAIN_BUILTIN;
		c->hook = (uint32_t)s->hook;
		c->policy = xt_standard(rd->family, end)->verdict;
	}
	r = xt_digest_record(&rd->digest, &c->record);
	for (uint32_t at = s->start; !r && at < s->end;
	     at += xt_next_offset(rd->family, entry_at(rd, at)))
		r = read_rule(rd, at);
	return r;
}

static int read_spans(struct reader *rd)
{
	int r = find_spans(rd);

	rd->digest.names = mem_alloc(rd->nspans * sizeof(*rd->digest.names));
	for (size_t i = 0; i < rd->nspans; i++)
		rd->digest.names[i] = rd->spans[i].name;
	for (size_t i = 0; !r && i < rd->nspans; i++)
		r = read_span(rd, &rd->spans[i]);
	return r ? r : capture_flush(rd->capture, rd->table, true);
}

static int capture_table(struct ruleset *rs, const struct capture *c, const struct xt_family *f,
			 int fd, const char *name)
{
	cleanup_free struct ipt_get_entries *entries = NULL;
	struct ipt_getinfo info;
	struct table *t = ruleset_add(rs, ENGINE_XTABLES, f->family, name);
	struct reader rd = {.family = f, .info = &info, .table = t, .capture = c,
			    .digest = {.rs = rs, .table = t, .family = f}};
	int r = xt_entries(f, fd, name, &info, &entries);

	t->empty = true;
	if (!r) {
		rd.entries = (const char *)entries->entrytable;
		r = read_spans(&rd);
	}
	free(rd.spans);
	xt_digest_release(&rd.digest);
	/* a set that is not known came after the sets were read */
	if (r == -ENOENT || r == -EAGAIN)
		return -EAGAIN;
	return r ? log_errno(r, "cannot read table 'legacy %s %s'", family_name(f->family), name)
		 : 0;
}

static int capture_family(struct ruleset *rs, const struct capture *c, const struct xt_family *f,
			  const struct strlist *names)
{
	cleanup_close int fd = -1;
	int r = 0;

	if (!names->n)
		return 0;
	fd = xt_socket(f);
	if (fd < 0)
		return log_errno(fd, "cannot open a socket");
	for (size_t i = 0; !r && i < names->n; i++)
		r = capture_table(rs, c, f, fd, names->s[i]);
	return r;
}

static int xtables_capture(struct ruleset *rs, const struct capture *c)
{
	struct strlist names[ARRAY_SIZE(xt_families)] = {{0}};
	cleanup_close int lock = -1;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(xt_families); i++) {
		r = table_names(&xt_families[i], &names[i]);
		n += names[i].n;
	}
	if (!r && n)
		r = lock = take_lock(c->lock_wait);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(xt_families); i++)
		r = capture_family(rs, c, &xt_families[i], &names[i]);
	for (size_t i = 0; i < ARRAY_SIZE(xt_families); i++)
		strlist_release(&names[i]);
	return r;
}

static int digest_stream(struct xt_digest *d, const struct xt_stream *s)
{
	int r = 0;

	d->names = mem_alloc(s->nparts * sizeof(*d->names));
	for (size_t i = 0; i < s->nparts; i++)
		d->names[i] = s->parts[i].chain->name;
	for (size_t i = 0; !r && i < s->nparts; i++) {
		const struct xt_record *record = &s->parts[i].chain->record;

		r = xt_digest_record(d, record);
		for (unsigned n = 0; !r && n < s->parts[i].rules; n++) {
			record = xt_record_next(record);
			r = xt_digest_record(d, record);
		}
	}
	return r;
}

static int xtables_digest(struct ruleset *rs, struct table *t)
{
	cleanup_digest struct xt_digest d = {.rs = rs, .table = t, .family = xt_family(t->family)};
	cleanup_stream struct xt_stream s = {0};
	int r = xt_stream_open(&s, t);

	t->fixed = t->dynamic = t->members = (struct digest){0, 0};
	t->counts = (struct table_counts){0};
	t->empty = true;
	strlist_release(&t->chains);
	if (!r)
		r = digest_stream(&d, &s);
	return r ? -EBADMSG : 0;
}

/* One table's way forward, and back. */
struct swap {
	const struct xt_family *family;
	struct ipt_getinfo info; /* before */
	struct xt_image image, undo;
};

struct swaps {
	struct swap *s;
	size_t n;
	int fd[ARRAY_SIZE(xt_families)]; /* -1: not needed yet */
};

static void swaps_release(struct swaps *w)
{
	for (size_t i = 0; i < w->n; i++) {
		xt_image_release(&w->s[i].image);
		xt_image_release(&w->s[i].undo);
	}
	free(w->s);
	for (size_t i = 0; i < ARRAY_SIZE(xt_families); i++)
		close_p(&w->fd[i]);
}

static int swaps_fd(struct swaps *w, const struct xt_family *f)
{
	int *fd = &w->fd[f - xt_families];

	if (*fd < 0)
		*fd = xt_socket(f);
	return *fd;
}

/* Nothing but a program makes the kernel load these modules, other than those of nf_tables. */
static int table_info(const struct xt_family *f, int fd, const char *name,
		      struct ipt_getinfo *info)
{
	const char *const modprobe[] = {"modprobe", "-q", f->module, NULL};
	struct exec e = EXEC_INIT;
	int r = xt_info(f, fd, name, info);

	if (r != -ENOPROTOOPT)
		return r;
	e.argv = modprobe;
	r = exec_run(&e);
	return r < 0 ? r : xt_info(f, fd, name, info);
}

/* The last table needs no way back: if it is refused it is as it was. */
static int swap_prepare(struct swaps *w, struct plan *plan, const struct step *step, bool last)
{
	const struct table *t = step->new ? step->new : step->old;
	struct swap *s = array_grow(&w->s, &w->n, sizeof(*s));
	cleanup_free char *label = table_label(t);
	int r;

	s->family = xt_family(t->family);
	if (!s->family)
		return log_errno(-EBADMSG, "table '%s' is of no known family", label);
	r = swaps_fd(w, s->family);
	if (r >= 0)
		r = table_info(s->family, r, t->name, &s->info);
	if (r < 0)
		return log_errno(r, "the kernel has no table '%s'", label);
	r = xt_image_build(&s->image, s->family, step->new, plan->target, &s->info,
			   s->info.num_entries);
	if (!r && !last)
		r = xt_image_build(&s->undo, s->family, step->old, plan->live, &s->info,
				   s->image.replace->num_entries);
	return r;
}

/* The counters as they were when the table went, where the way back has the same entries. */
static void swap_keep_counters(struct swap *s)
{
	const struct ipt_replace *back = s->undo.replace;

	if (back->size == s->info.size && back->num_entries == s->info.num_entries &&
	    !memcmp(back->hook_entry, s->info.hook_entry, sizeof(back->hook_entry)))
		memcpy(s->undo.counters->counters, s->image.replace->counters,
		       back->num_entries * sizeof(struct xt_counters));
}

static void swaps_undo(struct swaps *w, size_t done)
{
	while (done--) {
		struct swap *s = &w->s[done];

		swap_keep_counters(s);
		if (xt_image_commit(&s->undo, swaps_fd(w, s->family)) < 0)
			log_error("table 'legacy %s %s' is not back", family_name(s->family->family),
				  s->info.name);
	}
}

static int xtables_change(struct plan *plan)
{
	__attribute__((cleanup(swaps_release))) struct swaps w = {.fd = {-1, -1}};
	cleanup_close int lock = -1;
	int r = 0;

	if (!plan->nsteps)
		return 0;
	lock = take_lock(plan->lock_wait);
	if (lock < 0)
		return lock;
	for (size_t i = 0; !r && i < plan->nsteps; i++)
		r = swap_prepare(&w, plan, &plan->steps[i], i + 1 == plan->nsteps);
	for (size_t i = 0; !r && i < w.n; i++) {
		r = xt_image_commit(&w.s[i].image, swaps_fd(&w, w.s[i].family));
		if (r < 0)
			swaps_undo(&w, i);
	}
	return r;
}

const struct engine engine_xtables = {
	.name = "xtables",
	.capture = xtables_capture,
	.change = xtables_change,
	.digest = xtables_digest,
};
