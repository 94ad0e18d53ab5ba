/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"
#include "log.h"

#include <errno.h>
#include <string.h>

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

int xt_read_table(struct ruleset *rs, const struct capture *c, const struct xt_family *f, int fd,
		  const char *name)
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
