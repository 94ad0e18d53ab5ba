/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "difference_list.h"

#include <string.h>

void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->part[i].name);
		free(l->part[i].head);
		free(l->part[i].text);
		strlist_release(&l->part[i].pieces);
	}
	free(l->part);
	*l = (struct listing){0};
}

static int compare_identity(enum listed_kind kind, const char *name, const struct listed *b)
{
	return kind != b->kind ? (kind < b->kind ? -1 : 1) : strcmp(name, b->name);
}

static int compare_listed(const void *a, const void *b)
{
	const struct listed *x = a;

	return compare_identity(x->kind, x->name, b);
}

const struct listed *listing_find(const struct listing *l, enum listed_kind kind, const char *name,
				  size_t *n)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_identity(kind, name, &l->part[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < l->n && !compare_identity(kind, name, &l->part[low + *n]);)
		++*n;
	return *n ? &l->part[low] : NULL;
}

/* A part that is being read. */
struct open_part {
	bool open;
	enum listed_kind kind;
	struct buf name, head, text;
	struct strlist pieces;
	struct buf piece; /* the one at hand: what belongs together may have several lines */
	bool in_elements;
};

static void part_begin(struct open_part *p, enum listed_kind kind, const char *head, size_t n)
{
	const char *name = memrchr(head, ' ', n);

	name = name ? name + 1 : head;
	p->open = true;
	p->kind = kind;
	buf_add(&p->head, head, n);
	buf_add(&p->name, name, (size_t)(head + n - name));
}

static void part_end(struct open_part *p, struct listing *out)
{
	struct listed *l;

	if (p->open) {
		l = array_grow(&out->part, &out->n, sizeof(*l));
		*l = (struct listed){p->kind, buf_detach(&p->name), buf_detach(&p->head),
				     buf_detach(&p->text), p->pieces};
	}
	buf_release(&p->piece);
	*p = (struct open_part){0};
}

static void piece_end(struct open_part *p)
{
	strlist_add(&p->pieces, buf_str(&p->piece));
	p->piece.len = 0;
}

static void add_text(struct open_part *p, const char *s, size_t n)
{
	while (n && s[n - 1] == ';')
		n--;
	buf_add_str(&p->text, p->text.len ? "; " : "");
	buf_add(&p->text, s, n);
}

static bool begins(const char *s, size_t n, const char *prefix)
{
	size_t length = strlen(prefix);

	return n >= length && !memcmp(s, prefix, length);
}

/* Takes the next line off *at: its start and, in *n, its length without the newline. NULL: the end.
 */
static const char *take_line(const char **at, size_t *n)
{
	const char *line = *at;

	if (!*line)
		return NULL;
	*n = strcspn(line, "\n");
	*at += *n + (line[*n] == '\n');
	return line;
}

/* Length without " # handle N" at the end, which -a puts behind what is whole; 0: it is not there.
 */
static size_t before_handle(const char *line, size_t n)
{
	static const char mark[] = " # handle ";
	const size_t length = strlen(mark);
	size_t end = n;

	while (end && line[end - 1] >= '0' && line[end - 1] <= '9')
		end--;
	return end < n && end > length && !memcmp(line + end - length, mark, length) ? end - length
										     : 0;
}

/* Lines of a rule make one: those of a chain bound to it stand between braces. */
static void join_rule(struct buf *rule, const char *line, size_t n)
{
	unsigned quotes = 0;

	for (size_t i = 0; i < rule->len; i++)
		quotes += rule->data[i] == '"';
	if (quotes % 2)
		buf_add_str(rule, "\n"); /* within a comment */
	else if (rule->len)
		buf_add_str(rule, rule->data[rule->len - 1] == '{' ? " " : "; ");
	buf_add(rule, line, n);
}

static void nft_chain_line(struct open_part *p, const char *line, size_t n)
{
	size_t whole = before_handle(line, n);
	bool first = !p->pieces.n && !p->piece.len;

	if (first && !whole && (begins(line, n, "type ") || begins(line, n, "comment "))) {
		add_text(p, line, n);
		return;
	}
	join_rule(&p->piece, line, whole ? whole : n);
	if (whole)
		piece_end(p);
}

/* Splits at the commas that are not in a comment; the list ends with a brace. */
static void split_elements(struct open_part *p, const char *list)
{
	bool quoted = false;

	for (const char *c = list; *c; c++) {
		quoted ^= *c == '"';
		if (*c == ',' && !quoted)
			piece_end(p);
		else if (*c != ' ' || p->piece.len)
			buf_add(&p->piece, c, 1);
	}
	while (p->piece.len && strchr(" }", p->piece.data[p->piece.len - 1]))
		p->piece.len--;
	if (p->piece.len)
		piece_end(p);
}

static void nft_set_line(struct open_part *p, const char *line, size_t n)
{
	static const char mark[] = "elements = {";

	if (!p->in_elements && begins(line, n, mark)) {
		p->in_elements = true;
		line += strlen(mark);
		n -= strlen(mark);
	}
	if (!p->in_elements) {
		add_text(p, line, n);
		return;
	}
	buf_add_str(&p->piece, " ");
	buf_add(&p->piece, line, n);
}

static void nft_line(struct open_part *p, const char *line, size_t n)
{
	while (n && (*line == '\t' || *line == ' ')) {
		line++;
		n--;
	}
	if (p->kind == LISTED_CHAIN)
		nft_chain_line(p, line, n);
	else if (p->kind == LISTED_SET)
		nft_set_line(p, line, n);
	else
		add_text(p, line, n);
}

static void nft_end(struct open_part *p, struct listing *out)
{
	if (p->in_elements) {
		cleanup_free char *list = buf_detach(&p->piece);

		split_elements(p, list);
	}
	part_end(p, out);
}

/* "\tset blocked { # handle 9" */
static bool nft_begin(struct open_part *p, const char *line, size_t n)
{
	size_t whole = before_handle(line, n);
	enum listed_kind kind = LISTED_OBJECT;

	if (whole < strlen("\tx {") || memcmp(line + whole - 2, " {", 2))
		return false;
	line++;
	whole -= strlen("\t {");
	if (begins(line, whole, "chain "))
		kind = LISTED_CHAIN;
	else if (begins(line, whole, "set ") || begins(line, whole, "map "))
		kind = LISTED_SET;
	part_begin(p, kind, line, whole);
	return true;
}

static void sort(struct listing *l)
{
	if (l->n)
		qsort(l->part, l->n, sizeof(*l->part), compare_listed);
}

void listing_cut_nft(const char *text, struct listing *out)
{
	struct open_part table = {.open = true, .kind = LISTED_TABLE}, p = {0};
	const char *line;
	size_t n;

	take_line(&text, &n); /* "table inet fw {" */
	while ((line = take_line(&text, &n))) {
		if (n == 2 && !memcmp(line, "\t}", 2))
			nft_end(&p, out);
		else if (p.open)
			nft_line(&p, line, n);
		else if (n > 1 && *line == '\t' && !nft_begin(&p, line, n))
			add_text(&table, line + 1, n - 1);
	}
	part_end(&p, out);
	part_end(&table, out);
	sort(out);
}

/* ":INPUT DROP [0:0]", ":mail - [0:0]" */
static void iptables_chain(const char *line, size_t n, struct listing *out)
{
	cleanup_buf struct buf head = BUF_INIT;
	struct open_part p = {0};
	const char *policy;
	size_t name = 0, length;

	while (name < n && line[name] != ' ')
		name++;
	policy = line + name + (name < n);
	length = strcspn(policy, " \n");
	buf_printf(&head, "chain %.*s", (int)(name - 1), line + 1);
	part_begin(&p, LISTED_CHAIN, (char *)head.data, head.len);
	if (*policy != '-')
		buf_printf(&p.text, "policy %.*s", (int)length, policy);
	part_end(&p, out);
}

struct iptables_rule {
	struct buf text; /* empty: there is none at hand */
	size_t chain;
};

static void iptables_rule_end(struct iptables_rule *r, struct listing *out)
{
	if (r->text.len)
		strlist_add(&out->part[r->chain].pieces, buf_str(&r->text));
	r->text.len = 0;
}

/* The rules of a chain stand together: most often it is the chain of the last one. */
static bool iptables_rule_begin(struct iptables_rule *r, const char *line, size_t n,
				const struct listing *out)
{
	const char *name = line + strlen("-A ");
	size_t length = 0;

	while (name + length < line + n && name[length] != ' ')
		length++;
	for (size_t i = 0; i < out->n; i++) {
		size_t at = (r->chain + i) % out->n;
		const char *chain = out->part[at].name;

		if (strlen(chain) != length || memcmp(chain, name, length))
			continue;
		r->chain = at;
		buf_add(&r->text, line, n);
		return true;
	}
	return false;
}

void listing_cut_iptables(const char *text, struct listing *out)
{
	struct iptables_rule rule = {0};
	const char *line;
	size_t n;

	while ((line = take_line(&text, &n))) {
		if (begins(line, n, "-A ") || (n == 6 && !memcmp(line, "COMMIT", n)))
			iptables_rule_end(&rule, out);
		if (begins(line, n, "-A ")) {
			if (iptables_rule_begin(&rule, line, n, out))
				continue;
		}
		if (begins(line, n, ":") && !rule.text.len) {
			iptables_chain(line, n, out);
		} else if (rule.text.len) {
			buf_add_str(&rule.text, "\n"); /* within a comment */
			buf_add(&rule.text, line, n);
		}
	}
	iptables_rule_end(&rule, out);
	buf_release(&rule.text);
	sort(out);
}

void listing_cut_ipset(const char *text, const char *name, struct listing *out)
{
	cleanup_free char *create = str_printf("create %s ", name);
	cleanup_free char *add = str_printf("add %s ", name);
	struct open_part table = {.open = true, .kind = LISTED_TABLE};
	struct open_part set = {.open = true, .kind = LISTED_SET};
	const char *line;
	size_t n;

	while ((line = take_line(&text, &n))) {
		if (begins(line, n, create)) {
			add_text(&table, line + strlen(create), n - strlen(create));
		} else if (begins(line, n, add)) {
			buf_add(&set.piece, line + strlen(add), n - strlen(add));
			piece_end(&set);
		}
	}
	part_end(&table, out);
	part_end(&set, out);
	sort(out);
}
