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
#define TIME_LENGTH 20

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
			*out = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
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
	char *end = strptime(value, MANIFEST_TIME, &tm);

	(void)k;
	if (!end || *end || strlen(value) != TIME_LENGTH)
		return -EBADMSG;
	m->created = timegm(&tm);
	/* 31 February and the like come back as another day */
	strftime(again, sizeof(again), MANIFEST_TIME, &tm);
	return strcmp(again, value) ? -EBADMSG : 0;
}

static int parse_kind(struct manifest *m, const struct key *k, char *value)
{
	static const char *const kinds[] = {"saved", "automatic", "left"};
	int kind = parse_name(kinds, ARRAY_SIZE(kinds), value);

	(void)k;
	m->automatic = kind == 1;
	m->left = kind == 2;
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
	int family = family_parse(word(value, ""));

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
	p = parse_name(manifest_proofs, PROOF_COUNT, word(&value, "proof="));
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

static int parse_foreign(struct manifest *m, const struct key *k, char *value)
{
	struct manifest_foreign *f = array_grow(&m->foreign, &m->nforeign, sizeof(*f));

	(void)k;
	if (parse_unsigned(word(&value, "tables="), UINT32_MAX, &f->tables) < 0 ||
	    parse_counts(&f->counts, &value) < 0 || unescape(value, NAME_MAX_LENGTH) < 0 || !*value)
		return -EBADMSG;
	f->owner = str_dup(value);
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
	int state = parse_name(manifest_text_states, TEXT_STATE_COUNT, word(&value, ""));
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

static int parse_frontend(struct manifest *m, const struct key *k, char *value)
{
	unsigned active;

	(void)k;
	if (parse_unsigned(word(&value, "active="), 1, &active) < 0 ||
	    unescape(value, NAME_MAX_LENGTH) < 0 || !*value || frontends_find(&m->frontends, value))
		return -EBADMSG;
	frontends_add(&m->frontends, value)->active = active;
	return 0;
}

/* Whose line it is; NULL: nobody's. */
static struct frontend_state *last_frontend(struct manifest *m)
{
	return m->frontends.n ? &m->frontends.state[m->frontends.n - 1] : NULL;
}

static int parse_mode(const char *s, unsigned *mode)
{
	size_t n = strspn(s, "01234567");

	*mode = (unsigned)strtoul(s, NULL, 8);
	return n && n < 5 && !s[n] && *mode <= 07777 ? 0 : -EBADMSG;
}

static int parse_file_end(struct frontend_file *f, char *value)
{
	f->part = str_dup(word(&value, "part="));
	if (!strncmp(value, "label=", 6)) {
		f->label = str_dup(word(&value, "label="));
		if (!*f->label || unescape(f->label, NAME_MAX_LENGTH) < 0)
			return -EBADMSG;
	}
	if (strncmp(value, "path=/", 6) || unescape(value, PATH_MAX_LENGTH + 5) < 0)
		return -EBADMSG;
	f->path = str_dup(value + 5);
	return *f->part ? 0 : -EBADMSG;
}

static int parse_file(struct manifest *m, const struct key *k, char *value)
{
	struct frontend_state *s = last_frontend(m);
	struct frontend_file *f;

	(void)k;
	if (!s)
		return -EBADMSG;
	f = array_grow(&s->files, &s->nfiles, sizeof(*f));
	if (parse_unsigned(word(&value, "uid="), UINT32_MAX, &f->uid) < 0 ||
	    parse_unsigned(word(&value, "gid="), UINT32_MAX, &f->gid) < 0 ||
	    parse_mode(word(&value, "mode="), &f->mode) < 0 || parse_file_end(f, value) < 0)
		return -EBADMSG;
	return 0;
}

static int parse_runtime(struct manifest *m, const struct key *k, char *value)
{
	struct frontend_state *s = last_frontend(m);

	(void)k;
	if (!s || unescape(value, VALUE_MAX_LENGTH) < 0)
		return -EBADMSG;
	strlist_add(&s->runtime, value);
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
	{"foreign", parse_foreign, 0, WORDS_MAX},
	{"frontend", parse_frontend, 0, TEXTS_MAX},
	{"file", parse_file, 0, MANY},
	{"runtime", parse_runtime, 0, MANY},
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

/* Each file is a part of its own, in their order: that of the archive. */
static int find_parts(struct manifest *m)
{
	size_t p = 0;

	for (size_t i = 0; i < m->frontends.n; i++)
		for (size_t k = 0; k < m->frontends.state[i].nfiles; k++, p++) {
			struct frontend_file *f = &m->frontends.state[i].files[k];

			while (p < m->nparts && strcmp(m->parts[p].name, f->part))
				p++;
			if (p == m->nparts)
				return -EBADMSG;
			f->digest = m->parts[p].digest;
			f->size = m->parts[p].size;
		}
	return 0;
}

static int check_whole(struct manifest *m)
{
	void *tree = NULL;
	int r = m->id ? find_parts(m) : -EBADMSG;

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
