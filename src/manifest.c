/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

const char *const manifest_engines[ENGINE_COUNT] = {
	[ENGINE_IPSET] = "ipset",
	[ENGINE_NFT] = "nft",
	[ENGINE_XTABLES] = "xtables",
};

const char *const manifest_proofs[PROOF_COUNT] = {
	[PROOF_NONE] = "none",	  [PROOF_IPTABLES] = "iptables", [PROOF_IP6TABLES] = "ip6tables",
	[PROOF_NFT] = "nftables", [PROOF_IPSET] = "ipset",	 [PROOF_EXACT] = "exact",
};

const char *const manifest_text_states[TEXT_STATE_COUNT] = {
	[TEXT_ABSENT] = "absent",
	[TEXT_WRITTEN] = "written",
	[TEXT_LEFT] = "left",
};

const char *proof_name(enum proof p)
{
	return manifest_proofs[p];
}

void manifest_release(struct manifest *m)
{
	free(m->host);
	free(m->kernel);
	free(m->machine);
	free(m->user);
	free(m->from);
	free(m->message);
	strlist_release(&m->programs);
	ruleset_release(&m->rs);
	free(m->proofs);
	for (size_t i = 0; i < m->nparts; i++)
		free(m->parts[i].name);
	free(m->parts);
	for (size_t i = 0; i < m->nforeign; i++)
		free(m->foreign[i].owner);
	free(m->foreign);
	frontends_release(&m->frontends);
	manifest_leave_home(m);
	*m = (struct manifest){0};
}

void manifest_leave_home(struct manifest *m)
{
	strlist_release(&m->tags);
	for (size_t i = 0; i < m->ntexts; i++)
		free(m->texts[i].path);
	free(m->texts);
	m->texts = NULL;
	m->ntexts = 0;
	m->id = 0;
}

const struct manifest_text *manifest_text(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->ntexts; i++)
		if (!strcmp(m->texts[i].path, path))
			return &m->texts[i];
	return NULL;
}

static void put_escaped(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			buf_add_str(out, "\\n");
		else if (*s == '\\')
			buf_add_str(out, "\\\\");
		else if (iscntrl((unsigned char)*s))
			buf_printf(out, "\\x%02x", (unsigned char)*s);
		else
			buf_add(out, s, 1);
	}
}

static void put_line(struct buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "%s: ", key);
	put_escaped(out, value);
	buf_add_str(out, "\n");
}

static void put_list(struct buf *out, const char *key, const struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		put_line(out, key, l->s[i]);
}

static void put_time(struct buf *out, int64_t created)
{
	char text[64] = "";
	time_t t = created;
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), MANIFEST_TIME, &tm);
	put_line(out, "created", text);
}

static void put_counts(struct buf *out, const struct table_counts *n)
{
	buf_printf(out, " chains=%u rules=%u sets=%u elements=%u objects=%u", n->chains, n->rules,
		   n->sets, n->elements, n->objects);
}

static void put_table(struct buf *out, const struct table *t, enum proof proof)
{
	const char *family = family_name(t->family);
	char fixed[DIGEST_HEX], dynamic[DIGEST_HEX];

	digest_hex(t->fixed, fixed);
	digest_hex(t->dynamic, dynamic);
	buf_printf(out, "table: %s %s fixed=%s dynamic=%s", manifest_engines[t->engine],
		   family ? family : "unspec", fixed, dynamic);
	put_counts(out, &t->counts);
	buf_printf(out, " size=%zu empty=%d proof=%s ", t->size, t->empty, manifest_proofs[proof]);
	if (t->type)
		buf_printf(out, "type=%s ", t->type);
	buf_add_str(out, "name=");
	put_escaped(out, t->name);
	buf_add_str(out, "\n");
}

static void put_ruleset(struct buf *out, const struct manifest *m)
{
	const struct ruleset *rs = &m->rs;
	char hex[DIGEST_HEX];

	put_line(out, "boot", *rs->where.boot ? rs->where.boot : NULL);
	if (*rs->where.boot)
		buf_printf(out, "cookie: %llu\n", (unsigned long long)rs->where.cookie);
	put_list(out, "programs", &m->programs);
	digest_hex(ruleset_digest(rs), hex);
	put_line(out, "ruleset", hex);
	for (size_t i = 0; i < rs->ntables; i++)
		put_table(out, &rs->tables[i], m->proofs ? m->proofs[i] : PROOF_NONE);
	for (size_t i = 0; i < rs->nlinks; i++) {
		buf_printf(out, "link: %u ", rs->links[i].index);
		put_escaped(out, rs->links[i].name);
		buf_add_str(out, "\n");
	}
	for (size_t i = 0; i < rs->nsets; i++) {
		buf_printf(out, "set: %u written=%d ", rs->sets[i].index, rs->sets[i].written);
		put_escaped(out, rs->sets[i].name);
		buf_add_str(out, "\n");
	}
}

static void put_order(struct buf *out, const struct buf *order)
{
	for (size_t at = 0; at < order->len;) {
		const char *line = (const char *)order->data + at;
		const char *end = memchr(line, '\n', order->len - at);
		size_t n = end ? (size_t)(end - line) : order->len - at;
		cleanup_free char *copy = str_printf("%.*s", (int)n, line);

		put_line(out, "order", copy);
		at += n + 1;
	}
}

static void put_record(struct buf *out, const char *head, struct digest d, uint64_t size,
		       const char *name)
{
	char hex[DIGEST_HEX];

	digest_hex(d, hex);
	buf_printf(out, "%s %s %llu ", head, hex, (unsigned long long)size);
	put_escaped(out, name);
	buf_add_str(out, "\n");
}

static void put_file(struct buf *out, const struct frontend_file *f)
{
	buf_printf(out, "file: uid=%u gid=%u mode=%o part=%s ", f->uid, f->gid, f->mode, f->part);
	if (f->label) {
		buf_add_str(out, "label=");
		put_escaped(out, f->label);
		buf_add_str(out, " ");
	}
	buf_add_str(out, "path=");
	put_escaped(out, f->path);
	buf_add_str(out, "\n");
}

static void put_frontends(struct buf *out, const struct frontends *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct frontend_state *s = &f->state[i];

		buf_printf(out, "frontend: active=%d ", s->active);
		put_escaped(out, s->name);
		buf_add_str(out, "\n");
		for (size_t k = 0; k < s->nfiles; k++)
			put_file(out, &s->files[k]);
		put_list(out, "runtime", &s->runtime);
	}
}

void manifest_format(const struct manifest *m, struct buf *out)
{
	buf_printf(out, "format: %u\nid: %u\n", m->format, m->id);
	put_time(out, m->created);
	put_line(out, "kind", m->automatic ? "automatic" : m->left ? "left" : "saved");
	put_line(out, "host", m->host);
	put_line(out, "kernel", m->kernel);
	put_line(out, "machine", m->machine);
	put_line(out, "user", m->user);
	put_line(out, "from", m->from);
	put_line(out, "message", m->message);
	put_list(out, "tag", &m->tags);
	put_ruleset(out, m);
	put_order(out, &m->rs.order);
	put_list(out, "owned", &m->rs.owned);
	for (size_t i = 0; i < m->nforeign; i++) {
		buf_printf(out, "foreign: tables=%u", m->foreign[i].tables);
		put_counts(out, &m->foreign[i].counts);
		buf_add_str(out, " ");
		put_escaped(out, m->foreign[i].owner);
		buf_add_str(out, "\n");
	}
	put_frontends(out, &m->frontends);
	for (size_t i = 0; i < m->nparts; i++)
		put_record(out, "part:", m->parts[i].digest, m->parts[i].size, m->parts[i].name);
	for (size_t i = 0; i < m->ntexts; i++) {
		cleanup_free char *head =
			str_printf("text: %s", manifest_text_states[m->texts[i].state]);

		put_record(out, head, m->texts[i].digest, m->texts[i].size, m->texts[i].path);
	}
}

/* The keys before and with `tag`, in the order of the format. */
static bool before_tags(const char *line)
{
	static const char *const keys[] = {
		"format: ",  "id: ",   "created: ", "kind: ",	 "host: ", "kernel: ",
		"machine: ", "user: ", "from: ",    "message: ", "tag: "};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strncmp(line, keys[i], strlen(keys[i])))
			return true;
	return false;
}

void manifest_rekind(const struct buf *text, const char *kind, struct buf *out)
{
	cleanup_free char *copy = str_printf("%.*s", (int)text->len, (const char *)text->data);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) && rest)
		if (strncmp(line, "kind: ", 6))
			buf_printf(out, "%s\n", line);
		else
			buf_printf(out, "kind: %s\n", kind);
}

void manifest_retag(const struct buf *text, const char *tag, bool add, struct buf *out)
{
	cleanup_free char *copy = str_printf("%.*s", (int)text->len, (const char *)text->data);
	cleanup_free char *want = str_printf("tag: %s", tag);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) && rest) {
		if (!add && !strcmp(line, want))
			continue;
		if (add && !before_tags(line)) {
			buf_printf(out, "%s\n", want);
			add = false;
		}
		buf_printf(out, "%s\n", line);
	}
	if (add)
		buf_printf(out, "%s\n", want);
}

bool of_this_machine(const struct manifest *m)
{
	struct utsname u;

	uname(&u);
	return !m->machine || !strcmp(m->machine, u.machine);
}
