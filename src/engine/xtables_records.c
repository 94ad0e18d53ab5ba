/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"
#include "engine/xtmatch.h"

#include <errno.h>
#include <linux/netfilter/xt_set.h>
#include <string.h>

#define ENTRY(type)                                                                                \
	.size = sizeof(struct type), .nfcache = offsetof(struct type, nfcache),                    \
	.target_offset = offsetof(struct type, target_offset),                                     \
	.next_offset = offsetof(struct type, next_offset),                                         \
	.comefrom = offsetof(struct type, comefrom), .counters = offsetof(struct type, counters)

const struct xt_family xt_families[2] = {
	{.family = NFPROTO_IPV4, .domain = AF_INET, .level = IPPROTO_IP,
	 .names = "/proc/self/net/ip_tables_names", .module = "ip_tables",
	 .match_revision = IPT_SO_GET_REVISION_MATCH,
	 .target_revision = IPT_SO_GET_REVISION_TARGET, ENTRY(ipt_entry)},
	{.family = NFPROTO_IPV6, .domain = AF_INET6, .level = IPPROTO_IPV6,
	 .names = "/proc/self/net/ip6_tables_names", .module = "ip6_tables",
	 .match_revision = IP6T_SO_GET_REVISION_MATCH,
	 .target_revision = IP6T_SO_GET_REVISION_TARGET, ENTRY(ip6t_entry)},
};

const char *const xt_hook_names[NF_INET_NUMHOOKS] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
						     "POSTROUTING"};

const struct xt_family *xt_family(uint8_t family)
{
	for (size_t i = 0; i < ARRAY_SIZE(xt_families); i++)
		if (xt_families[i].family == family)
			return &xt_families[i];
	return NULL;
}

static bool aligned(size_t n)
{
	return n % __alignof__(struct _xt_align) == 0;
}

bool xt_entry_ok(const struct xt_family *f, const void *entry, size_t n)
{
	const struct xt_entry_target *target;
	size_t end, next, at;

	if (n < f->size)
		return false;
	end = xt_target_offset(f, entry);
	next = xt_next_offset(f, entry);
	if (next > n || !aligned(next) || !aligned(end) || end < f->size ||
	    end + sizeof(struct xt_entry_target) > next)
		return false;
	for (at = f->size; at < end;) {
		const struct xt_entry_match *m = (const void *)((const char *)entry + at);
		size_t size;

		if (end - at < sizeof(*m))
			return false;
		size = m->u.user.match_size;
		if (size < sizeof(*m) || size > end - at || !aligned(size) ||
		    !memchr(m->u.user.name, '\0', sizeof(m->u.user.name)))
			return false;
		at += size;
	}
	target = xt_entry_target(f, entry);
	return target->u.user.target_size == next - end &&
	       memchr(target->u.user.name, '\0', sizeof(target->u.user.name)) &&
	       (*target->u.user.name ||
		target->u.user.target_size >= sizeof(struct xt_standard_target));
}

static int each_index(const char *name, uint8_t revision, unsigned char *data, size_t size,
		      xt_set_function *fn, void *arg)
{
	size_t step;
	unsigned n = xtmatch_sets(name, revision, &step);
	int r = 0;

	if (size < step * n)
		return -EBADMSG;
	for (unsigned i = 0; !r && i < n; i++) {
		uint16_t *index = (uint16_t *)(void *)(data + i * step);

		if (*index != IPSET_INVALID_ID)
			r = fn(arg, index, n > 1 && i < 2);
	}
	return r;
}

int xt_each_set(const struct xt_family *f, void *entry, xt_set_function *fn, void *arg)
{
	struct xt_entry_target *t = xt_entry_target(f, entry);
	size_t end = xt_target_offset(f, entry);
	int r = 0;

	for (size_t at = f->size; !r && at < end;) {
		struct xt_entry_match *m = (void *)((char *)entry + at);

		r = each_index(m->u.user.name, m->u.user.revision, m->data,
			       m->u.user.match_size - sizeof(*m), fn, arg);
		at += m->u.user.match_size;
	}
	return r ? r
		 : each_index(t->u.user.name, t->u.user.revision, t->data,
			      t->u.user.target_size - sizeof(*t), fn, arg);
}

const struct xt_record *xt_record_next(const struct xt_record *r)
{
	return (const void *)((const char *)r + r->length);
}

const void *xt_record_entry(const struct xt_record *r)
{
	return r + 1;
}

static bool chain_ok(const struct xt_chain *c, int *last_hook)
{
	size_t n = strnlen(c->name, sizeof(c->name));

	if (c->record.length != sizeof(*c) || !n || n >= XT_FUNCTION_MAXNAMELEN)
		return false;
	if (!c->record.flags)
		return true;
	if (c->record.flags != XT_CHAIN_BUILTIN || c->hook >= NF_INET_NUMHOOKS ||
	    (int)c->hook <= *last_hook || c->policy >= 0)
		return false;
	*last_hook = (int)c->hook;
	return true;
}

static bool rule_ok(const struct xt_family *f, const struct xt_record *r)
{
	const void *entry = xt_record_entry(r);
	bool standard;

	if (!xt_entry_ok(f, entry, r->length - sizeof(*r)))
		return false;
	standard = !*xt_entry_target(f, entry)->u.user.name;
	if (r->flags)
		return standard && (r->flags == XT_RULE_JUMP || r->flags == XT_RULE_NEXT);
	return !standard || xt_standard(f, entry)->verdict < 0;
}

static int stream_collect(struct xt_stream *s, const struct table *t)
{
	const struct xt_record *r = (const void *)t->records.data;
	int hook = -1;

	for (size_t left = t->records.len; left; left -= r->length, r = xt_record_next(r)) {
		struct xt_part *p;

		if (left < sizeof(*r) || r->length < sizeof(*r) || r->length > left ||
		    r->length % 8)
			return -EBADMSG;
		if (r->kind == XT_CHAIN) {
			p = array_grow(&s->parts, &s->nparts, sizeof(*p));
			p->chain = (const void *)r;
			if (!chain_ok(p->chain, &hook))
				return -EBADMSG;
			continue;
		}
		if (r->kind != XT_RULE || !s->nparts || !rule_ok(s->family, r))
			return -EBADMSG;
		p = &s->parts[s->nparts - 1];
		p->rules++;
		p->size += xt_next_offset(s->family, xt_record_entry(r));
	}
	return 0;
}

static bool jumps_ok(const struct xt_stream *s, const struct xt_part *p)
{
	const struct xt_record *r = &p->chain->record;

	for (unsigned i = 0; i < p->rules; i++) {
		uint32_t to;

		r = xt_record_next(r);
		if (!(r->flags & XT_RULE_JUMP))
			continue;
		to = (uint32_t)xt_standard(s->family, xt_record_entry(r))->verdict;
		if (to >= s->nparts || s->parts[to].chain->record.flags & XT_CHAIN_BUILTIN)
			return false;
	}
	return true;
}

int xt_stream_open(struct xt_stream *s, const struct table *t)
{
	int r;

	*s = (struct xt_stream){.family = xt_family(t->family)};
	if (!s->family || strlen(t->name) >= XT_TABLE_MAXNAMELEN)
		return -EBADMSG;
	r = stream_collect(s, t);
	for (size_t i = 0; !r && i < s->nparts; i++)
		if (!jumps_ok(s, &s->parts[i]))
			r = -EBADMSG;
	if (r < 0)
		xt_stream_release(s);
	return r;
}

void xt_stream_release(struct xt_stream *s)
{
	free(s->parts);
	*s = (struct xt_stream){0};
}

bool xt_chain_plain(const struct xt_chain *c)
{
	return c->record.flags & XT_CHAIN_BUILTIN && c->policy == -NF_ACCEPT - 1;
}

struct digest xt_chain_digest(const struct xt_chain *c)
{
	cleanup_buf struct buf b = BUF_INIT;

	buf_add(&b, c->name, strlen(c->name) + 1);
	buf_add(&b, &c->policy, sizeof(c->policy));
	buf_add(&b, c->record.flags & XT_CHAIN_BUILTIN ? "B" : "U", 1);
	return digest_of(b.data, b.len);
}

static void digest_chain(struct xt_digest *d, const struct xt_chain *c)
{
	/* not the record's own name: that may move */
	d->chain = d->names[d->table->counts.chains];
	d->position = 0;
	d->table->counts.chains++;
	strlist_add(&d->table->chains, c->name);
	if (xt_chain_plain(c))
		return;
	digest_add(&d->table->fixed, xt_chain_digest(c));
	d->table->empty = false;
}

/* Takes the index out of the canonical form; the name is put behind it. */
static int canonical_set(void *arg, uint16_t *index, bool writes)
{
	struct xt_digest *d = arg;
	struct set_ref *s = ruleset_set(d->rs, *index);

	if (!s)
		return -ENOENT;
	s->written |= writes;
	*index = 0;
	buf_add(&d->sets, s->name, strlen(s->name) + 1);
	return 0;
}

static void canonical_entry(const struct xt_family *f, void *entry, uint16_t flags)
{
	memset((char *)entry + f->nfcache, 0, sizeof(uint32_t));
	memset((char *)entry + f->comefrom, 0, sizeof(uint32_t));
	memset(xt_entry_counters(f, entry), 0, sizeof(struct xt_counters));
	if (flags & XT_RULE_JUMP)
		xt_standard(f, entry)->verdict = 0;
	for (size_t at = f->size; at < xt_target_offset(f, entry);) {
		struct xt_entry_match *m = (void *)((char *)entry + at);

		xtmatch_canonical(f->family, m->u.user.name, m->u.user.revision, m->data,
				  m->u.user.match_size - sizeof(*m));
		at += m->u.user.match_size;
	}
}

/* The entry comes first: it has to be aligned. */
int xt_rule_digest(struct xt_digest *d, const struct xt_record *r, struct digest *out)
{
	const void *entry = xt_record_entry(r);
	const char *jump = r->flags & XT_RULE_JUMP
				   ? d->names[xt_standard(d->family, entry)->verdict]
				   : "";
	struct buf *b = &d->canonical;
	int error;

	b->len = 0;
	d->sets.len = 0;
	buf_add(b, entry, xt_next_offset(d->family, entry));
	canonical_entry(d->family, b->data, r->flags);
	error = xt_each_set(d->family, b->data, canonical_set, d);
	if (error < 0)
		return error;
	buf_add(b, &r->flags, sizeof(r->flags));
	buf_add(b, &d->position, sizeof(d->position));
	buf_add(b, d->chain, strlen(d->chain) + 1);
	buf_add(b, jump, strlen(jump) + 1);
	buf_add(b, d->sets.data, d->sets.len);
	*out = digest_of(b->data, b->len);
	return 0;
}

static int digest_rule(struct xt_digest *d, const struct xt_record *r)
{
	struct digest digest;
	int error = xt_rule_digest(d, r, &digest);

	if (error < 0)
		return error;
	digest_add(&d->table->fixed, digest);
	d->position++;
	d->table->counts.rules++;
	d->table->empty = false;
	return 0;
}

int xt_digest_record(struct xt_digest *d, const struct xt_record *r)
{
	if (r->kind == XT_RULE)
		return digest_rule(d, r);
	digest_chain(d, (const struct xt_chain *)r);
	return 0;
}

void xt_digest_release(struct xt_digest *d)
{
	free(d->names);
	buf_release(&d->canonical);
	buf_release(&d->sets);
}
