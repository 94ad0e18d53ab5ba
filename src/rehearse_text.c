/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rehearse_text.h"

#include "file.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <glob.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <string.h>

void mentions_release(struct mentions *m)
{
	strlist_release(&m->names);
	strlist_release(&m->tables);
	strlist_release(&m->families);
}

void mentions_sort(struct mentions *m)
{
	strlist_sort(&m->names);
	strlist_sort(&m->tables);
}

static int compare_string(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool strlist_search(const struct strlist *sorted, const char *s)
{
	return sorted->n && bsearch(&s, sorted->s, sorted->n, sizeof(*sorted->s), compare_string);
}

static bool is_flushed(const struct mentions *m, const char *table)
{
	cleanup_free char *family = str_printf("%.*s", (int)strcspn(table, " "), table);

	return family_parse(family) >= 0 &&
	       (strlist_has(&m->families, "") || strlist_has(&m->families, family));
}

bool mentions_have(const struct mentions *m, const char *table, const char *name)
{
	cleanup_free char *full = str_printf("%s %s", table, name);

	return is_flushed(m, table) || strlist_search(&m->tables, table) || strlist_search(&m->names, full);
}

static void mention(struct mentions *m, const char *table, const char *name, size_t n)
{
	cleanup_free char *full = str_printf("%s %.*s", table, (int)n, name);

	strlist_add(&m->names, full);
}

/* A piece of a text; NULL: there is no more. */
struct span {
	const char *s;
	size_t n;
};

static bool span_is(struct span w, const char *s)
{
	return w.s && strlen(s) == w.n && !memcmp(w.s, s, w.n);
}

static bool span_in(struct span w, const char *const *list)
{
	for (; *list; list++)
		if (span_is(w, *list))
			return true;
	return false;
}

/* Cuts the next line off. */
static struct span next_line(struct span *text)
{
	struct span line = {text->n ? text->s : NULL, 0};
	const char *stop = text->n ? memchr(text->s, '\n', text->n) : NULL;

	line.n = stop ? (size_t)(stop - text->s) : text->n;
	text->s += line.n + (stop != NULL);
	text->n -= line.n + (stop != NULL);
	return line;
}

/* Cuts the next word off a line. */
static struct span next_word(struct span *line)
{
	struct span w;

	while (line->n && isspace((unsigned char)*line->s)) {
		line->s++;
		line->n--;
	}
	w = (struct span){line->n ? line->s : NULL, 0};
	while (w.n < line->n && !isspace((unsigned char)w.s[w.n]))
		w.n++;
	line->s += w.n;
	line->n -= w.n;
	return w;
}

static struct span span_of(const struct buf *b)
{
	return (struct span){(const char *)b->data, b->len};
}

static void mention_builtins(struct mentions *m, const char *table)
{
	static const char *const names[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
					    "POSTROUTING"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		mention(m, table, names[i], strlen(names[i]));
}

/* "-A CHAIN ...", perhaps with counters before it. */
static struct span rule_chain(struct span line)
{
	static const char *const verbs[] = {"-A",
					    "--append",
					    "-I",
					    "--insert",
					    "-N",
					    "--new",
					    "--new-chain",
					    "-F",
					    "--flush",
					    "-X",
					    "--delete-chain",
					    "-D",
					    "--delete",
					    "-R",
					    "--replace",
					    "-P",
					    "--policy",
					    "-E",
					    "--rename-chain",
					    NULL};
	struct span w = next_word(&line);

	if (w.s && *w.s == '[')
		w = next_word(&line);
	return span_in(w, verbs) ? next_word(&line) : (struct span){NULL, 0};
}

void iptables_mentions(const struct buf *text, uint8_t family, enum text_variant variant,
		       struct mentions *m)
{
	struct span rest = span_of(text), chain;
	cleanup_free char *table = NULL;
	cleanup_free char *last = NULL;

	for (struct span line = next_line(&rest); line.s; line = next_line(&rest)) {
		if (line.n && *line.s == '*') {
			line.s++;
			line.n--;
			chain = next_word(&line);
			free(table);
			table = str_printf("%s%s %.*s", variant == VARIANT_LEGACY ? "legacy " : "",
					   family_name(family), (int)chain.n,
					   chain.s ? chain.s : "");
			mention_builtins(m, table);
			continue;
		}
		if (line.n && *line.s == ':') {
			line.s++;
			line.n--;
			chain = next_word(&line);
		} else {
			chain = rule_chain(line);
		}
		if (!table || !chain.s || (last && span_is(chain, last)))
			continue;
		/* rules of one chain mostly stand together */
		mention(m, table, chain.s, chain.n);
		free(last);
		last = str_printf("%.*s", (int)chain.n, chain.s);
	}
}

/* A line of an ipset text. */
struct set_line {
	bool creates, moves; /* moves: destroys, renames or swaps */
	struct span name;    /* of the set; NULL: the line names none */
};

static struct set_line read_set_line(struct span line)
{
	static const char *const create[] = {"create", "n", "-N", "--create", NULL};
	static const char *const move[] = {"destroy", "x",	"-X",	    "--destroy", "rename",
					   "e",	      "-E",	"--rename", "swap",	 "w",
					   "-W",      "--swap", NULL};
	static const char *const exist[] = {"-exist", "-!", "--exist", NULL};
	struct set_line l = {.name = {NULL, 0}};
	struct span verb = next_word(&line);

	while (span_in(verb, exist))
		verb = next_word(&line);
	if (!verb.s || *verb.s == '#')
		return l;
	l.name = next_word(&line);
	while (span_in(l.name, exist))
		l.name = next_word(&line);
	l.creates = l.name.s && span_in(verb, create);
	l.moves = span_in(verb, move);
	return l;
}

bool ipset_mentions(const struct buf *text, struct mentions *m, struct strlist *created)
{
	struct span rest = span_of(text);
	bool moves = false;

	for (struct span line = next_line(&rest); line.s; line = next_line(&rest)) {
		struct set_line l = read_set_line(line);

		moves = moves || l.moves;
		if (l.name.s && (l.creates || l.moves))
			mention(m, "ipset", l.name.s, l.name.n);
		if (l.creates) {
			cleanup_free char *s = str_printf("%.*s", (int)l.name.n, l.name.s);

			strlist_add(created, s);
		}
	}
	strlist_sort(created);
	return !moves;
}

void ipset_lines(const struct buf *text, bool create, struct buf *out)
{
	struct span rest = span_of(text);

	for (struct span line = next_line(&rest); line.s; line = next_line(&rest)) {
		if (read_set_line(line).creates == create)
			buf_add(out, line.s, line.n);
		buf_add(out, "\n", 1);
	}
}

static bool word_character(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_.:@-", c));
}

void text_words(const struct buf *text, const struct strlist *names, struct strlist *found)
{
	const char *at = (const char *)text->data, *end = at + text->len;

	while (at && at < end) {
		char name[64];
		size_t n = 0;

		while (at + n < end && word_character(at[n]))
			n++;
		if (n && n < sizeof(name)) {
			memcpy(name, at, n);
			name[n] = '\0';
			if (strlist_search(names, name))
				strlist_add_once(found, name);
		}
		at += n ? n : 1;
	}
}

bool text_has_ip4(const struct buf *text)
{
	struct span rest = span_of(text);

	for (struct span w = next_word(&rest); w.s; w = next_word(&rest)) {
		cleanup_free char *word = str_printf("%.*s", (int)w.n, w.s);
		struct in_addr address;

		word[strcspn(word, "/-,")] = '\0';
		if (inet_pton(AF_INET, word, &address) == 1)
			return true;
	}
	return false;
}

/* nft */

#define INCLUDE_DEPTH 16 /* as nft has it */
#define INCLUDE_LIMIT (64U << 20)

struct nft_text {
	struct span rest;
	struct mentions *m;
	struct strlist *declared;
	bool commands;
	unsigned depth;
};

/*
 * The next token: a word, a string with its quotes, or one character; a newline as ";". An escaped
 * newline and a comment are none.
 */
static struct span next_token(struct nft_text *t)
{
	struct span *rest = &t->rest, token;

	for (;;) {
		if (rest->n && *rest->s == '#') {
			const char *stop = memchr(rest->s, '\n', rest->n);
			size_t n = stop ? (size_t)(stop - rest->s) : rest->n;

			rest->s += n;
			rest->n -= n;
		} else if (rest->n > 1 && *rest->s == '\\' && rest->s[1] == '\n') {
			rest->s += 2;
			rest->n -= 2;
		} else if (rest->n && *rest->s != '\n' && isspace((unsigned char)*rest->s)) {
			rest->s++;
			rest->n--;
		} else {
			break;
		}
	}
	token = (struct span){rest->n ? rest->s : NULL, rest->n != 0};
	if (token.n && *token.s == '"') {
		const char *stop = memchr(token.s + 1, '"', rest->n - 1);

		token.n = stop ? (size_t)(stop - token.s) + 1 : rest->n;
	} else if (token.n && !strchr("\n;{},=()", *token.s)) {
		while (token.n < rest->n && !isspace((unsigned char)token.s[token.n]) &&
		       !strchr(";{},=()\"#", token.s[token.n]))
			token.n++;
	}
	rest->s += token.n;
	rest->n -= token.n;
	return token.n && *token.s == '\n' ? (struct span){";", 1} : token;
}

static struct span peek_token(struct nft_text *t)
{
	struct span rest = t->rest, token = next_token(t);

	t->rest = rest;
	return token;
}

/* To the end of a statement, or of the block that it stands in; over blocks of its own. */
static void skip_statement(struct nft_text *t)
{
	unsigned open = 0;

	for (struct span w = peek_token(t); w.s; w = peek_token(t)) {
		if (!open && (span_is(w, ";") || span_is(w, "}")))
			return;
		open += span_is(w, "{");
		open -= span_is(w, "}");
		next_token(t);
	}
}

/* "[FAMILY] NAME" as a label. Caller frees; NULL: it is none. */
static char *table_name(struct nft_text *t)
{
	static const char *const families[] = {"ip",	 "ip6",	   "inet", "arp",
					       "bridge", "netdev", NULL};
	struct span family = next_token(t), name = family;

	if (span_in(family, families))
		name = next_token(t);
	else
		family = (struct span){"ip", 2};
	return name.s && !span_is(name, ";")
		       ? str_printf("%.*s %.*s", (int)family.n, family.s, (int)name.n, name.s)
		       : NULL;
}

static void read_texts(struct nft_text *t, struct span path, const char *table);

/* What stands in the block of a table, or in a file that is included there. */
static void read_table(struct nft_text *t, const char *table)
{
	static const char *const named[] = {"chain", "set", "map", "flowtable", NULL};

	for (struct span w = next_token(t); w.s && !span_is(w, "}"); w = next_token(t)) {
		if (span_in(w, named)) {
			struct span name = next_token(t);

			mention(t->m, table, name.s ? name.s : "", name.n);
		} else if (span_is(w, "include")) {
			read_texts(t, next_token(t), table);
		}
		if (!span_is(w, ";"))
			skip_statement(t);
	}
}

static void read_table_block(struct nft_text *t, bool declares)
{
	cleanup_free char *table = table_name(t);

	if (!table || !span_is(peek_token(t), "{")) {
		skip_statement(t);
		return;
	}
	next_token(t);
	if (declares)
		strlist_add_once(t->declared, table);
	read_table(t, table);
}

/* "flush ruleset", perhaps of one family. */
static void read_flush(struct nft_text *t)
{
	struct span family = peek_token(t);
	cleanup_free char *name = str_printf("%.*s", (int)family.n, family.s ? family.s : "");

	strlist_add(&t->m->families, family_parse(name) >= 0 ? name : "");
}

/* "add chain ip filter x ...", "delete table inet site": the verb is read. */
static void read_command(struct nft_text *t, struct span object, bool deletes)
{
	static const char *const named[] = {"chain", "set", "map", "flowtable", NULL};
	bool is_table = span_is(object, "table");
	cleanup_free char *table = NULL;

	t->commands = true;
	if (is_table && !deletes) {
		read_table_block(t, false);
		return;
	}
	if (span_is(object, "ruleset"))
		read_flush(t);
	if (is_table || span_in(object, named)) {
		table = table_name(t);
		if (table && is_table) {
			strlist_add(&t->m->tables, table);
		} else if (table) {
			struct span name = next_token(t);

			mention(t->m, table, name.s ? name.s : "", name.n);
		}
	}
	skip_statement(t);
}

static void read_nft(struct nft_text *t)
{
	static const char *const define[] = {"define", "redefine", "undefine", NULL};
	static const char *const verbs[] = {"add", "create", "flush", NULL};
	static const char *const deleting[] = {"delete", "destroy", NULL};

	for (struct span w = next_token(t); w.s; w = next_token(t)) {
		if (span_is(w, ";") || span_is(w, "}"))
			continue;
		if (span_is(w, "table"))
			read_table_block(t, true);
		else if (span_is(w, "include"))
			read_texts(t, next_token(t), NULL);
		else if (span_in(w, deleting))
			read_command(t, next_token(t), true);
		else if (span_in(w, verbs))
			read_command(t, next_token(t), false);
		else if (span_in(w, define))
			skip_statement(t);
		else
			read_command(t, w, false);
	}
}

static void read_include(struct nft_text *t, const char *path, const char *table)
{
	cleanup_buf struct buf content = BUF_INIT;
	struct nft_text inner = *t;

	if (file_read(path, INCLUDE_LIMIT, &content) < 0)
		return;
	inner.rest = span_of(&content);
	inner.depth++;
	if (table)
		read_table(&inner, table);
	else
		read_nft(&inner);
	t->commands = inner.commands;
}

/* nft(8), INCLUDING FILES; table: the one whose block it stands in, or NULL. */
static void read_texts(struct nft_text *t, struct span path, const char *table)
{
	cleanup_free char *pattern = NULL;
	glob_t found;

	if (path.n < 3 || *path.s != '"' || t->depth == INCLUDE_DEPTH)
		return;
	pattern = str_printf("%s%.*s", path.s[1] == '/' || path.s[1] == '.' ? "" : "/etc/",
			     (int)path.n - 2, path.s + 1);
	if (!glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			read_include(t, found.gl_pathv[i], table);
		globfree(&found);
	}
}

bool nft_mentions(const struct buf *text, struct mentions *m, struct strlist *declared)
{
	struct nft_text t = {.rest = span_of(text), .m = m, .declared = declared};

	read_nft(&t);
	return !t.commands;
}

/* A name, as it stands or quoted, that an interface could have. */
static void add_link(struct span w, struct strlist *links)
{
	cleanup_free char *name = NULL;

	if (w.n > 1 && *w.s == '"') {
		w.s++;
		w.n -= 2;
	}
	if (!w.n || w.n >= IFNAMSIZ || !isalpha((unsigned char)*w.s) || links->n == NFT_LINKS)
		return;
	name = str_printf("%.*s", (int)w.n, w.s);
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@:") ==
	    w.n)
		strlist_add_once(links, name);
}

/* "eth0", "!= eth0", "= { eth0, eth1 }" */
static void add_links(struct nft_text *t, struct strlist *links)
{
	struct span w = next_token(t);

	while (span_is(w, "=") || span_is(w, "==") || span_is(w, "!="))
		w = next_token(t);
	if (!span_is(w, "{")) {
		add_link(w, links);
		return;
	}
	for (w = next_token(t); w.s && !span_is(w, "}"); w = next_token(t))
		add_link(w, links);
}

void nft_links(const struct buf *text, struct strlist *links)
{
	static const char *const before[] = {"iif", "oif", "device", "devices", NULL};
	struct nft_text t = {.rest = span_of(text)};

	for (struct span w = next_token(&t); w.s; w = next_token(&t)) {
		if (span_is(w, "define") || span_is(w, "redefine")) {
			next_token(&t);
			add_links(&t, links);
		} else if (span_in(w, before)) {
			add_links(&t, links);
		}
	}
}
