/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"
#include "log.h"

#include <errno.h>
#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>
#include <stdio.h>
#include <string.h>

/* libiptc's functions for one family. */
struct library {
	struct xtc_handle *(*init)(const char *table);
	void (*free)(struct xtc_handle *h);
	const char *(*first_chain)(struct xtc_handle *h);
	const char *(*next_chain)(struct xtc_handle *h);
	int (*builtin)(const char *chain, struct xtc_handle *h);
	const char *(*policy)(const char *chain, struct xt_counters *counters,
			      struct xtc_handle *h);
	const void *(*first_rule)(const char *chain, struct xtc_handle *h);
	const void *(*next_rule)(const void *rule, struct xtc_handle *h);
	const char *(*target)(const void *rule, struct xtc_handle *h);
};

/* The same functions for struct ipt_entry and struct ip6t_entry. */
#define LIBRARY(prefix)                                                                            \
	static const void *prefix##_first(const char *chain, struct xtc_handle *h)                 \
	{                                                                                          \
		return prefix##_first_rule(chain, h);                                              \
	}                                                                                          \
	static const void *prefix##_next(const void *rule, struct xtc_handle *h)                   \
	{                                                                                          \
		return prefix##_next_rule(rule, h);                                                \
	}                                                                                          \
	static const char *prefix##_target(const void *rule, struct xtc_handle *h)                 \
	{                                                                                          \
		return prefix##_get_target(rule, h);                                               \
	}                                                                                          \
	static const struct library prefix##_library = {                                           \
		prefix##_init,	     prefix##_free,	  prefix##_first_chain,                    \
		prefix##_next_chain, prefix##_builtin, prefix##_get_policy,                        \
		prefix##_first,	     prefix##_next,	  prefix##_target,                         \
	}

LIBRARY(iptc);
LIBRARY(ip6tc);

static const struct library *library_of(const struct xt_family *f)
{
	return f->family == NFPROTO_IPV4 ? &iptc_library : &ip6tc_library;
}

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

/* Turns a kernel's table into records. */
struct reader {
	const struct library *library;
	struct xtc_handle *handle;
	const struct xt_family *family;
	struct table *table;
	struct xt_digest digest; /* digest.names: of all chains, by number */
	size_t nchains, nbuiltin;
	const struct capture *capture;
};

/* Built-in chains come first, in the order of their hooks; the others follow by name. */
static void list_chains(struct reader *rd)
{
	const struct library *l = rd->library;

	for (const char *c = l->first_chain(rd->handle); c; c = l->next_chain(rd->handle)) {
		*(const char **)array_grow(&rd->digest.names, &rd->nchains, sizeof(c)) = c;
		rd->nbuiltin += l->builtin(c, rd->handle) != 0;
	}
}

static int chain_number(const struct reader *rd, const char *name)
{
	size_t low = rd->nbuiltin, high = rd->nchains;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, rd->digest.names[middle]);

		if (!order)
			return (int)middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -EBADMSG;
}

/* Puts what a verdict refers to in place of the offset. */
static int relate(const struct reader *rd, const void *rule, struct xt_record *r)
{
	struct xt_standard_target *t = xt_standard(rd->family, r + 1);
	const char *target;
	int number;

	if (*t->target.u.user.name || t->verdict < 0)
		return 0;
	target = rd->library->target(rule, rd->handle);
	t->verdict = 0;
	r->flags = XT_RULE_NEXT;
	if (!*target)
		return 0;
	number = chain_number(rd, target);
	if (number < 0)
		return number;
	r->flags = XT_RULE_JUMP;
	t->verdict = number;
	return 0;
}

/* The kernel writes a name up to its NUL; behind it is what libiptc's memory held before. */
static void clean_name(char *name, size_t size)
{
	size_t n = strnlen(name, size);

	memset(name + n, 0, size - n);
}

static void clean_names(const struct xt_family *f, void *entry)
{
	struct xt_entry_target *t = xt_entry_target(f, entry);

	for (size_t at = f->size; at < xt_target_offset(f, entry);) {
		struct xt_entry_match *m = (void *)((char *)entry + at);

		clean_name(m->u.user.name, sizeof(m->u.user.name));
		at += m->u.user.match_size;
	}
	clean_name(t->u.user.name, sizeof(t->u.user.name));
}

static int read_rule(struct reader *rd, const void *rule)
{
	size_t n = xt_next_offset(rd->family, rule);
	size_t length = (sizeof(struct xt_record) + n + 7) & ~(size_t)7;
	struct xt_record *r = buf_add_zero(&rd->table->records, length);
	int error;

	*r = (struct xt_record){.length = (uint32_t)length, .kind = XT_RULE};
	memcpy(r + 1, rule, n);
	memset((char *)(r + 1) + rd->family->nfcache, 0, sizeof(uint32_t));
	memset((char *)(r + 1) + rd->family->comefrom, 0, sizeof(uint32_t));
	clean_names(rd->family, r + 1);
	error = relate(rd, rule, r);
	if (!error)
		error = xt_digest_record(&rd->digest, r);
	return error ? error : capture_flush(rd->capture, rd->table, false);
}

static int read_builtin(struct reader *rd, const char *name, struct xt_chain *c)
{
	const char *policy = rd->library->policy(name, &c->counters, rd->handle);

	while (c->hook < NF_INET_NUMHOOKS && strcmp(xt_hook_names[c->hook], name))
		c->hook++;
	if (!policy || c->hook == NF_INET_NUMHOOKS)
		return -EBADMSG;
	c->record.flags = XT_CHAIN_BUILTIN;
	c->policy = !strcmp(policy, IPTC_LABEL_ACCEPT)	? -NF_ACCEPT - 1
		    : !strcmp(policy, IPTC_LABEL_QUEUE) ? -NF_QUEUE - 1
							: -NF_DROP - 1;
	return 0;
}

static int read_chain(struct reader *rd, const char *name)
{
	const struct library *l = rd->library;
	struct xt_chain *c = buf_add_zero(&rd->table->records, sizeof(*c));
	int r = 0;

	c->record = (struct xt_record){.length = sizeof(*c), .kind = XT_CHAIN};
	strncpy(c->name, name, sizeof(c->name) - 1);
	if (l->builtin(name, rd->handle))
		r = read_builtin(rd, name, c);
	if (!r)
		r = xt_digest_record(&rd->digest, &c->record);
	for (const void *rule = l->first_rule(name, rd->handle); rule && !r;
	     rule = l->next_rule(rule, rd->handle))
		r = read_rule(rd, rule);
	return r;
}

static int read_table(struct reader *rd)
{
	int r = 0;

	rd->handle = rd->library->init(rd->table->name);
	if (!rd->handle)
		return errno ? -errno : -EIO;
	list_chains(rd);
	for (size_t i = 0; i < rd->nchains && !r; i++)
		r = read_chain(rd, rd->digest.names[i]);
	rd->library->free(rd->handle);
	return r ? r : capture_flush(rd->capture, rd->table, true);
}

int xt_read_table(struct ruleset *rs, const struct capture *c, const struct xt_family *f,
		  const char *name)
{
	struct table *t = ruleset_add(rs, ENGINE_XTABLES, f->family, name);
	struct reader rd = {.library = library_of(f), .family = f, .table = t, .capture = c,
			    .digest = {.rs = rs, .table = t, .family = f}};
	int r;

	t->empty = true;
	r = read_table(&rd);
	xt_digest_release(&rd.digest);
	/* a set that is not known came after the sets were read */
	if (r == -ENOENT || r == -EAGAIN)
		return -EAGAIN;
	return r ? log_errno(r, "cannot read table 'legacy %s %s'", family_name(f->family), name)
		 : 0;
}

int xt_capture(struct ruleset *rs, const struct capture *c)
{
	struct strlist names[ARRAY_SIZE(xt_families)] = {{0}};
	size_t n = 0;
	bool locked = false;
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(xt_families); i++) {
		r = table_names(&xt_families[i], &names[i]);
		n += names[i].n;
	}
	if (!r && n) {
		r = xt_lock(c->lock_wait);
		locked = !r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(xt_families); i++) {
		for (size_t j = 0; !r && j < names[i].n; j++)
			r = xt_read_table(rs, c, &xt_families[i], names[i].s[j]);
		strlist_release(&names[i]);
	}
	if (locked)
		xt_unlock();
	return r;
}
