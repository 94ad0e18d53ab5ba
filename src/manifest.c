/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manifest.h"

#include <ctype.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MANY 99999
#define SETS_MAX 65535
#define WORDS_MAX 1000
#define TEXTS_MAX 64
#define NAME_MAX_LENGTH 255
#define TAG_MAX_LENGTH 64
#define PART_MAX_LENGTH 100
#define PATH_MAX_LENGTH 4096
#define VALUE_MAX_LENGTH 65536
#define ID_MAX 999999999
#define TIME_FORMAT "%Y-%m-%dT%H:%M:%SZ"
#define TIME_LENGTH 20

const char *const manifest_engines[ENGINE_COUNT] = {
	[ENGINE_IPSET] = "ipset",
	[ENGINE_NFT] = "nft",
	[ENGINE_XTABLES] = "xtables",
};

static const char *const proofs[] = {
	[PROOF_NONE] = "none",	  [PROOF_IPTABLES] = "iptables", [PROOF_IP6TABLES] = "ip6tables",
	[PROOF_NFT] = "nftables", [PROOF_IPSET] = "ipset",	 [PROOF_EXACT] = "exact",
};

static const char *const text_states[] = {
	[TEXT_ABSENT] = "absent",
	[TEXT_WRITTEN] = "written",
	[TEXT_LEFT] = "left",
};

const char *proof_name(enum proof p)
{
	return proofs[p];
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

/* writing */

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
		strftime(text, sizeof(text), TIME_FORMAT, &tm);
	put_line(out, "created", text);
}

static void put_table(struct buf *out, const struct table *t, enum proof proof)
{
	const char *family = family_name(t->family);
	char fixed[DIGEST_HEX], dynamic[DIGEST_HEX];

	digest_hex(t->fixed, fixed);
	digest_hex(t->dynamic, dynamic);
	buf_printf(out, "table: %s %s fixed=%s dynamic=%s", manifest_engines[t->engine],
		   family ? family : "-", fixed, dynamic);
	buf_printf(out, " chains=%u rules=%u sets=%u elements=%u objects=%u", t->counts.chains,
		   t->counts.rules, t->counts.sets, t->counts.elements, t->counts.objects);
	buf_printf(out, " size=%zu empty=%d proof=%s ", t->size, t->empty, proofs[proof]);
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

void manifest_format(const struct manifest *m, struct buf *out)
{
	buf_printf(out, "format: %u\nid: %u\n", m->format, m->id);
	put_time(out, m->created);
	put_line(out, "kind", m->automatic ? "automatic" : "saved");
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
	for (size_t i = 0; i < m->nparts; i++)
		put_record(out, "part:", m->parts[i].digest, m->parts[i].size, m->parts[i].name);
	for (size_t i = 0; i < m->ntexts; i++) {
		cleanup_free char *head = str_printf("text: %s", text_states[m->texts[i].state]);

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

/* reading */

static int parse_number(const char *s, uint64_t max, uint64_t *value)
{
	size_t n = strspn(s, "0123456789");

	if (!n || n > 19 || s[n])
		return -EBADMSG;
	*value = strtoull(s, NULL, 10);
	return *value <= max ? 0 : -EBADMSG;
}

static int parse_unsigned(const char *s, unsigned max, unsigned *value)
{
	uint64_t v;

	if (parse_number(s, max, &v) < 0)
		return -EBADMSG;
	*value = (unsigned)v;
	return 0;
}

static int parse_name(const char *const *names, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], s))
			return (int)i;
	return -EBADMSG;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Undoes put_escaped in place. */
static int unescape(char *s, size_t max)
{
	char *out = s, *start = s;

	for (; *s; s++) {
		if (iscntrl((unsigned char)*s))
			return -EBADMSG;
		if (*s != '\\') {
			*out++ = *s;
			continue;
		}
		s++;
		if (*s == 'n' || *s == '\\') {
			*out++ = *s == 'n' ? '\n' : '\\';
		} else if (*s == 'x' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
			*out = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
			if (!*out++)
				return -EBADMSG;
			s += 2;
		} else {
			return -EBADMSG;
		}
	}
	*out = '\0';
	return (size_t)(out - start) <= max ? 0 : -EBADMSG;
}

/* The next word of a value, which has to begin with `head` (left out); "" where there is none. */
static const char *word(char **value, const char *head)
{
	char *start = *value, *end = *value + strcspn(*value, " ");

	if (strncmp(start, head, strlen(head)))
		return "";
	*value = *end ? end + 1 : end;
	*end = '\0';
	return start + strlen(head);
}

struct key {
	const char *name;
	int (*parse)(struct manifest *m, const struct key *k, char *value);
	size_t member; /* of struct manifest, for the general parsers */
	size_t max;    /* lines of this key */
};

static int parse_string(struct manifest *m, const struct key *k, char *value)
{
	if (unescape(value, VALUE_MAX_LENGTH) < 0)
		return -EBADMSG;
	*(char **)((char *)m + k->member) = str_dup(value);
	return 0;
}

static int parse_list(struct manifest *m, const struct key *k, char *value)
{
	if (unescape(value, NAME_MAX_LENGTH + 10) < 0)
		return -EBADMSG;
	strlist_add((struct strlist *)((char *)m + k->member), value);
	return 0;
}

static int parse_tag(struct manifest *m, const struct key *k, char *value)
{
	if (!*value || strlen(value) > TAG_MAX_LENGTH || strpbrk(value, "\\ "))
		return -EBADMSG;
	return parse_list(m, k, value);
}

static int parse_format(struct manifest *m, const struct key *k, char *value)
{
	(void)k;
	if (parse_unsigned(value, ID_MAX, &m->format) < 0 || !m->format)
		return -EBADMSG;
	return m->format > MANIFEST_FORMAT ? -ENOTSUP : 0;
}

static int parse_id(struct manifest *m, const struct key *k, char *value)
{
	(void)k;
	return parse_unsigned(value, ID_MAX, &m->id) < 0 || !m->id ? -EBADMSG : 0;
}

static int parse_created(struct manifest *m, const struct key *k, char *value)
{
	struct tm tm = {0};
	char again[64];
	char *end = strptime(value, TIME_FORMAT, &tm);

	(void)k;
	if (!end || *end || strlen(value) != TIME_LENGTH)
		return -EBADMSG;
	m->created = timegm(&tm);
	/* 31 February and the like come back as another day */
	strftime(again, sizeof(again), TIME_FORMAT, &tm);
	return strcmp(again, value) ? -EBADMSG : 0;
}

static int parse_kind(struct manifest *m, const struct key *k, char *value)
{
	static const char *const kinds[] = {"saved", "automatic"};
	int kind = parse_name(kinds, ARRAY_SIZE(kinds), value);

	(void)k;
	m->automatic = kind == 1;
	return kind < 0 ? kind : 0;
}

static int parse_boot(struct manifest *m, const struct key *k, char *value)
{
	struct digest d;

	(void)k;
	if (digest_parse(value, &d) < 0)
		return -EBADMSG;
	strcpy(m->rs.where.boot, value);
	return 0;
}

static int parse_cookie(struct manifest *m, const struct key *k, char *value)
{
	(void)k;
	return parse_number(value, INT64_MAX, &m->rs.where.cookie);
}

/* What is behind it follows from the tables; it is there for people and other programs. */
static int parse_ruleset(struct manifest *m, const struct key *k, char *value)
{
	struct digest d;

	(void)m;
	(void)k;
	return digest_parse(value, &d) < 0 ? -EBADMSG : 0;
}

static int parse_counts(struct table_counts *c, char **value)
{
	const unsigned max = UINT32_MAX;

	if (parse_unsigned(word(value, "chains="), max, &c->chains) < 0 ||
	    parse_unsigned(word(value, "rules="), max, &c->rules) < 0 ||
	    parse_unsigned(word(value, "sets="), max, &c->sets) < 0 ||
	    parse_unsigned(word(value, "elements="), max, &c->elements) < 0)
		return -EBADMSG;
	return parse_unsigned(word(value, "objects="), max, &c->objects);
}

static enum proof *proof_add(struct manifest *m)
{
	size_t n = m->rs.ntables - 1;

	return array_grow(&m->proofs, &n, sizeof(*m->proofs));
}

static int parse_identity(struct manifest *m, char **value, struct table **t)
{
	int engine = parse_name(manifest_engines, ENGINE_COUNT, word(value, ""));
	const char *name = word(value, "");
	int family = strcmp(name, "-") ? family_parse(name) : 0;

	if (engine < 0 || family < 0)
		return -EBADMSG;
	*t = ruleset_add(&m->rs, (enum engine_id)engine, (uint8_t)family, "");
	return 0;
}

static int parse_table_end(struct table *t, enum proof *proof, char *value)
{
	unsigned empty;
	uint64_t size;
	int p;

	if (parse_number(word(&value, "size="), UINT32_MAX, &size) < 0 ||
	    parse_unsigned(word(&value, "empty="), 1, &empty) < 0)
		return -EBADMSG;
	p = parse_name(proofs, ARRAY_SIZE(proofs), word(&value, "proof="));
	if (p < 0)
		return -EBADMSG;
	t->size = (size_t)size;
	t->empty = empty;
	*proof = (enum proof)p;
	if (!strncmp(value, "type=", 5))
		t->type = str_dup(word(&value, "type="));
	if (strncmp(value, "name=", 5) || unescape(value, NAME_MAX_LENGTH + 5) < 0)
		return -EBADMSG;
	free(t->name);
	t->name = str_dup(value + 5);
	return *t->name && (!t->type || (*t->type && strlen(t->type) <= NAME_MAX_LENGTH))
		       ? 0
		       : -EBADMSG;
}

static int parse_table(struct manifest *m, const struct key *k, char *value)
{
	struct table *t;
	enum proof *proof;

	(void)k;
	if (parse_identity(m, &value, &t) < 0)
		return -EBADMSG;
	proof = proof_add(m);
	if (digest_parse(word(&value, "fixed="), &t->fixed) < 0 ||
	    digest_parse(word(&value, "dynamic="), &t->dynamic) < 0 ||
	    parse_counts(&t->counts, &value) < 0)
		return -EBADMSG;
	return parse_table_end(t, proof, value);
}

static int parse_link(struct manifest *m, const struct key *k, char *value)
{
	struct link_ref *l = array_grow(&m->rs.links, &m->rs.nlinks, sizeof(*l));

	(void)k;
	if (parse_unsigned(word(&value, ""), INT32_MAX, &l->index) < 0 ||
	    unescape(value, sizeof(l->name) - 1) < 0)
		return -EBADMSG;
	strcpy(l->name, value);
	return 0;
}

static int parse_set(struct manifest *m, const struct key *k, char *value)
{
	struct set_ref *s = array_grow(&m->rs.sets, &m->rs.nsets, sizeof(*s));
	unsigned index, written;

	(void)k;
	if (parse_unsigned(word(&value, ""), SET_REF_NONE - 1, &index) < 0 ||
	    parse_unsigned(word(&value, "written="), 1, &written) < 0 ||
	    unescape(value, sizeof(s->name) - 1) < 0 || !*value)
		return -EBADMSG;
	s->index = (uint16_t)index;
	s->written = written;
	strcpy(s->name, value);
	return 0;
}

static int parse_order(struct manifest *m, const struct key *k, char *value)
{
	(void)k;
	if (unescape(value, VALUE_MAX_LENGTH) < 0 || strchr(value, '\n'))
		return -EBADMSG;
	buf_printf(&m->rs.order, "%s\n", value);
	return 0;
}

static int parse_record(char *value, size_t max, struct digest *d, uint64_t *size, char **name)
{
	if (digest_parse(word(&value, ""), d) < 0 ||
	    parse_number(word(&value, ""), UINT32_MAX, size) < 0 || unescape(value, max) < 0 ||
	    !*value)
		return -EBADMSG;
	*name = str_dup(value);
	return 0;
}

static int parse_part(struct manifest *m, const struct key *k, char *value)
{
	struct manifest_part *p = array_grow(&m->parts, &m->nparts, sizeof(*p));

	(void)k;
	return parse_record(value, PART_MAX_LENGTH, &p->digest, &p->size, &p->name);
}

static int parse_text(struct manifest *m, const struct key *k, char *value)
{
	int state = parse_name(text_states, ARRAY_SIZE(text_states), word(&value, ""));
	struct manifest_text t = {.path = NULL};

	(void)k;
	if (state < 0 || parse_record(value, PATH_MAX_LENGTH, &t.digest, &t.size, &t.path) < 0)
		return -EBADMSG;
	t.state = (enum text_state)state;
	if (*t.path != '/' || manifest_text(m, t.path)) {
		free(t.path);
		return -EBADMSG;
	}
	*(struct manifest_text *)array_grow(&m->texts, &m->ntexts, sizeof(t)) = t;
	return 0;
}

static const struct key keys[] = {
	{"format", parse_format, 0, 1},
	{"id", parse_id, 0, 1},
	{"created", parse_created, 0, 1},
	{"kind", parse_kind, 0, 1},
	{"host", parse_string, offsetof(struct manifest, host), 1},
	{"kernel", parse_string, offsetof(struct manifest, kernel), 1},
	{"machine", parse_string, offsetof(struct manifest, machine), 1},
	{"user", parse_string, offsetof(struct manifest, user), 1},
	{"from", parse_string, offsetof(struct manifest, from), 1},
	{"message", parse_string, offsetof(struct manifest, message), 1},
	{"tag", parse_tag, offsetof(struct manifest, tags), WORDS_MAX},
	{"boot", parse_boot, 0, 1},
	{"cookie", parse_cookie, 0, 1},
	{"programs", parse_list, offsetof(struct manifest, programs), WORDS_MAX},
	{"ruleset", parse_ruleset, 0, 1},
	{"table", parse_table, 0, MANY},
	{"link", parse_link, 0, MANY},
	{"set", parse_set, 0, SETS_MAX},
	{"order", parse_order, 0, MANY},
	{"owned", parse_list, offsetof(struct manifest, rs.owned), MANY},
	{"part", parse_part, 0, MANY},
	{"text", parse_text, 0, TEXTS_MAX},
};

/* One line, cut into key and value; seen counts the lines of each key. */
static int parse_line(struct manifest *m, char *line, size_t *seen)
{
	char *value = strstr(line, ": ");

	if (!value || value == line)
		return -EBADMSG;
	*value = '\0';
	value += 2;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, line))
			continue;
		return ++seen[i] > keys[i].max ? -EBADMSG : keys[i].parse(m, &keys[i], value);
	}
	return 0;
}

static int table_compare(const void *a, const void *b)
{
	const struct table *x = a, *y = b;

	if (x->engine != y->engine)
		return x->engine < y->engine ? -1 : 1;
	/* ipsets of all families share their names */
	if (x->engine != ENGINE_IPSET && x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void keep(void *p)
{
	(void)p;
}

static int check_whole(const struct manifest *m)
{
	void *tree = NULL;
	int r = m->id ? 0 : -EBADMSG;

	for (size_t i = 0; i < m->rs.ntables && !r; i++) {
		const struct table *t = &m->rs.tables[i];
		void **slot = tsearch(t, &tree, table_compare);

		r = !slot ? -ENOMEM : *slot != t ? -EBADMSG : 0;
	}
	tdestroy(tree, keep);
	return r;
}

static int parse_lines(struct manifest *m, char *rest, size_t n, unsigned *line)
{
	size_t seen[ARRAY_SIZE(keys)] = {0};
	const char *end = rest + n;

	*line = 0;
	while (rest < end) {
		char *text = strsep(&rest, "\n");
		int r;

		(*line)++;
		/* a last line without an end is a cut one, and so is one that a NUL ends */
		r = rest ? parse_line(m, text, seen) : -EBADMSG;
		if (!r && *line == 1 && !m->format)
			r = -EBADMSG;
		if (r < 0)
			return r;
	}
	return check_whole(m);
}

int manifest_parse(struct manifest *m, const void *data, size_t n, unsigned *line)
{
	cleanup_buf struct buf copy = BUF_INIT;
	unsigned at, format;
	int r;

	buf_add(&copy, data, n);
	r = parse_lines(m, buf_str(&copy), n, &at);
	if (line)
		*line = at;
	if (!r)
		return 0;
	format = m->format;
	manifest_release(m);
	m->format = format;
	return r;
}
