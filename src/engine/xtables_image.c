/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

struct builder {
	const struct xt_family *family;
	struct xt_stream stream;
	const struct ruleset *names;
	const char *label;
	struct xt_image *image;
	size_t at;      /* bytes and */
	unsigned count; /* entries so far */
	const struct xt_chain *chain;
	unsigned rule;
};

static size_t end_size(const struct xt_family *f)
{
	return f->size + XT_ALIGN(sizeof(struct xt_standard_target));
}

static size_t head_size(const struct xt_family *f)
{
	return f->size + XT_ALIGN(sizeof(struct xt_error_target));
}

static bool is_builtin(const struct xt_part *p)
{
	return p->chain->record.flags & XT_CHAIN_BUILTIN;
}

static const struct xt_part *builtin(const struct xt_stream *s, unsigned hook)
{
	for (size_t i = 0; i < s->nparts; i++)
		if (is_builtin(&s->parts[i]) && s->parts[i].chain->hook == hook)
			return &s->parts[i];
	return NULL;
}

/* A chain that this kernel's table does not have is missed only if it does something. */
static int check_hooks(const struct builder *b, unsigned valid)
{
	for (size_t i = 0; i < b->stream.nparts; i++) {
		const struct xt_part *p = &b->stream.parts[i];

		if (!is_builtin(p) || valid & 1U << p->chain->hook ||
		    (!p->rules && p->chain->policy == -NF_ACCEPT - 1))
			continue;
		log_error("%s: the kernel's table has no chain '%s'", b->label, p->chain->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Built-in chains in the order of their hooks, then the others. */
static int layout(struct builder *b, struct ipt_replace *r)
{
	const struct xt_family *f = b->family;
	size_t at = 0, count = 1;

	for (unsigned h = 0; h < NF_INET_NUMHOOKS; h++) {
		const struct xt_part *p = builtin(&b->stream, h);

		if (!(r->valid_hooks & 1U << h))
			continue;
		r->hook_entry[h] = (unsigned)at;
		at += p ? p->size : 0;
		r->underflow[h] = (unsigned)at;
		at += end_size(f);
		count += (p ? p->rules : 0) + 1;
	}
	for (size_t i = 0; i < b->stream.nparts; i++) {
		struct xt_part *p = &b->stream.parts[i];

		if (is_builtin(p))
			continue;
		at += head_size(f);
		p->start = (uint32_t)at;
		at += p->size + end_size(f);
		count += p->rules + 2;
	}
	at += head_size(f);
	if (at > INT_MAX)
		return -E2BIG;
	r->size = (unsigned)at;
	r->num_entries = (unsigned)count;
	return 0;
}

/* The place of the next entry, of n bytes. */
static void *put(struct builder *b, size_t n, struct xt_counters counters)
{
	void *entry = (char *)b->image->replace->entries + b->at;

	b->image->counters->counters[b->count++] = counters;
	b->at += n;
	return entry;
}

static struct xt_entry_target *put_plain(struct builder *b, size_t n, struct xt_counters counters)
{
	char *entry = put(b, n, counters);
	struct xt_entry_target *t;

	*(uint16_t *)(void *)(entry + b->family->target_offset) = (uint16_t)b->family->size;
	*(uint16_t *)(void *)(entry + b->family->next_offset) = (uint16_t)n;
	t = xt_entry_target(b->family, entry);
	t->u.user.target_size = (uint16_t)(n - b->family->size);
	return t;
}

static void put_head(struct builder *b, const char *name)
{
	struct xt_error_target *t = (void *)put_plain(b, head_size(b->family),
						      (struct xt_counters){0, 0});

	strcpy(t->target.u.user.name, XT_ERROR_TARGET);
	strncpy(t->errorname, name, sizeof(t->errorname) - 1);
}

static void put_end(struct builder *b, int verdict, struct xt_counters counters)
{
	struct xt_standard_target *t = (void *)put_plain(b, end_size(b->family), counters);

	t->verdict = verdict;
}

static int translate_set(void *arg, uint16_t *index, bool writes)
{
	const struct builder *b = arg;
	const struct set_ref *s = ruleset_set(b->names, *index);

	(void)writes;
	if (s && s->now != SET_REF_NONE) {
		*index = s->now;
		return 0;
	}
	log_error("%s: rule %u of chain '%s': ipset '%s' is not there", b->label, b->rule,
		  b->chain->name, s ? s->name : "?");
	return -ENOENT;
}

static int put_rule(struct builder *b, const struct xt_record *r)
{
	const struct xt_family *f = b->family;
	const void *from = xt_record_entry(r);
	size_t n = xt_next_offset(f, from);
	void *entry = put(b, n, *xt_entry_counters(f, (void *)(uintptr_t)from));

	memcpy(entry, from, n);
	if (r->flags & XT_RULE_JUMP)
		xt_standard(f, entry)->verdict =
			(int)b->stream.parts[xt_standard(f, from)->verdict].start;
	else if (r->flags & XT_RULE_NEXT)
		xt_standard(f, entry)->verdict = (int)b->at;
	return xt_each_set(f, entry, translate_set, b);
}

static int put_rules(struct builder *b, const struct xt_part *p)
{
	const struct xt_record *r = &p->chain->record;
	int error = 0;

	b->chain = p->chain;
	for (b->rule = 1; !error && b->rule <= p->rules; b->rule++) {
		r = xt_record_next(r);
		error = put_rule(b, r);
	}
	return error;
}

static int fill(struct builder *b)
{
	const struct xt_stream *s = &b->stream;
	int r = 0;

	for (unsigned h = 0; !r && h < NF_INET_NUMHOOKS; h++) {
		const struct xt_part *p = builtin(s, h);

		if (!(b->image->replace->valid_hooks & 1U << h))
			continue;
		r = p ? put_rules(b, p) : 0;
		put_end(b, p ? p->chain->policy : -NF_ACCEPT - 1,
			p ? p->chain->counters : (struct xt_counters){0, 0});
	}
	for (size_t i = 0; !r && i < s->nparts; i++) {
		if (is_builtin(&s->parts[i]))
			continue;
		put_head(b, s->parts[i].chain->name);
		r = put_rules(b, &s->parts[i]);
		put_end(b, XT_RETURN, s->parts[i].chain->counters);
	}
	put_head(b, XT_ERROR_TARGET);
	return r;
}

static int build(struct builder *b, const struct ipt_getinfo *info, unsigned entries)
{
	struct ipt_replace head = {.valid_hooks = info->valid_hooks, .num_counters = entries};
	struct xt_image *image = b->image;
	int r = check_hooks(b, info->valid_hooks);

	if (r < 0)
		return r;
	memcpy(head.name, info->name, sizeof(head.name));
	/* as the kernel has them where there is no such chain */
	memset(head.hook_entry, 0xff, sizeof(head.hook_entry));
	memset(head.underflow, 0xff, sizeof(head.underflow));
	r = layout(b, &head);
	if (r < 0)
		return log_errno(r, "cannot build table '%s'", b->label);
	image->replace = mem_zalloc(sizeof(head) + head.size);
	*image->replace = head;
	image->replace->counters = mem_zalloc(entries * sizeof(struct xt_counters));
	image->counters = mem_zalloc(sizeof(*image->counters) +
				     head.num_entries * sizeof(struct xt_counters));
	memcpy(image->counters->name, info->name, sizeof(head.name));
	image->counters->num_counters = head.num_entries;
	return fill(b);
}

int xt_image_build(struct xt_image *image, const struct xt_family *f, const struct table *t,
		   const struct ruleset *names, const struct ipt_getinfo *info, unsigned entries)
{
	cleanup_free char *label = str_printf("legacy %s %s", family_name(f->family), info->name);
	struct builder b = {.family = f, .names = names, .label = label, .image = image};
	int r = 0;

	*image = (struct xt_image){.family = f, .table = t};
	b.stream.family = f;
	if (t)
		r = xt_stream_open(&b.stream, t);
	r = r < 0 ? log_errno(r, "the records of table '%s' are damaged", label)
		  : build(&b, info, entries);
	xt_stream_release(&b.stream);
	return r;
}

void xt_image_release(struct xt_image *image)
{
	if (image->replace)
		free(image->replace->counters);
	free(image->replace);
	free(image->counters);
	free(image->from);
	*image = (struct xt_image){0};
}

/* "rule 3 of chain 'INPUT' needs match 'x' revision 1", or NULL if that is not why. */
static char *lacking_rule(const struct xt_image *image, int fd)
{
	const struct xt_record *r;
	struct xt_stream s;
	char *found = NULL;

	if (!image->table || xt_stream_open(&s, image->table) < 0)
		return NULL;
	for (size_t i = 0; !found && i < s.nparts; i++) {
		r = &s.parts[i].chain->record;
		for (unsigned n = 1; !found && n <= s.parts[i].rules; n++) {
			cleanup_free char *what = NULL;

			r = xt_record_next(r);
			what = xt_entry_lacks(image->family, fd, xt_record_entry(r));
			if (what)
				found = str_printf("rule %u of chain '%s' needs %s", n,
						   s.parts[i].chain->name, what);
		}
	}
	xt_stream_release(&s);
	return found;
}

static const char *refusal(int r)
{
	switch (r) {
	case -ELOOP:
		return "its chains jump in a loop, or a rule stands where the kernel allows it not";
	case -ENOENT:
		return "the kernel lacks something that a rule names";
	case -EINVAL:
		return "the kernel finds a rule not valid (its log may say more)";
	case -EAGAIN:
		return "another program changed it at the same time";
	default:
		return strerror(-r);
	}
}

static int refused(const struct xt_image *image, int fd, int r)
{
	cleanup_free char *rule = lacking_rule(image, fd);

	log_error("cannot replace table 'legacy %s %s': %s", family_name(image->family->family),
		  image->replace->name, rule ? rule : refusal(r));
	return r;
}

static bool all_zero(const struct xt_counters_info *c)
{
	for (unsigned i = 0; i < c->num_counters; i++)
		if (c->counters[i].pcnt || c->counters[i].bcnt)
			return false;
	return true;
}

int xt_image_commit(struct xt_image *image, int fd)
{
	const struct ipt_replace *r = image->replace;
	struct xt_counters_info *c = image->counters;

	if (setsockopt(fd, image->family->level, IPT_SO_SET_REPLACE, r,
		       (socklen_t)(sizeof(*r) + r->size)) < 0)
		return refused(image, fd, -errno);
	/* as they were when the old table went; what is counted meanwhile begins at zero, and is added to */
	for (unsigned i = 0; image->from && i < c->num_counters; i++)
		if (image->from[i] != XT_ENTRY_NEW)
			c->counters[i] = r->counters[image->from[i]];
	if (!all_zero(c) &&
	    setsockopt(fd, image->family->level, IPT_SO_SET_ADD_COUNTERS, c,
		       (socklen_t)(sizeof(*c) + c->num_counters * sizeof(*c->counters))) < 0)
		log_warning("the counters of table 'legacy %s %s' start at zero: %s",
			    family_name(image->family->family), r->name, strerror(errno));
	return 0;
}
