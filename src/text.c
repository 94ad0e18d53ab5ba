/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include "log.h"
#include "text_program.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

const struct text_format text_formats[TEXT_KINDS] = {
	[TEXT_IPSET] = {"ipset", "ipset.rules", "ipset", PROOF_IPSET},
	[TEXT_IPTABLES] = {"iptables", "iptables.rules", "iptables", PROOF_IPTABLES},
	[TEXT_IP6TABLES] = {"ip6tables", "ip6tables.rules", "iptables", PROOF_IP6TABLES},
	[TEXT_NFT] = {"nft", "nftables.rules", "nftables", PROOF_NFT},
};

int text_kind_named(const char *name)
{
	for (int kind = 0; kind < TEXT_KINDS; kind++)
		if (!strcmp(name, text_formats[kind].name))
			return kind;
	return -1;
}

void texts_release(struct texts *t)
{
	for (size_t k = 0; k < TEXT_KINDS; k++)
		buf_release(&t->content[k]);
	for (size_t i = 0; t->reasons && i < t->n; i++)
		free(t->reasons[i]);
	free(t->reasons);
	free(t->proofs);
	strlist_release(&t->missing);
	*t = (struct texts){0};
}

int text_load(struct scratch *s, enum text_kind kind, enum text_variant variant,
	      const struct buf *text, const char *name)
{
	cleanup_buf struct buf why = BUF_INIT;
	int r = text_feed(s, kind, variant, text, &why);

	if (r == -ENOENT)
		buf_printf(&why, " (package %s)", text_formats[kind].package);
	if (r)
		log_error("cannot load '%s': %s", name, buf_str(&why));
	return r;
}

/* A word of a text: no blanks in it. */
struct word {
	const char *start;
	size_t len;
};

static bool next_word(const char **at, struct word *w)
{
	const char *p = *at;

	while (*p == ' ' || *p == '\t')
		p++;
	w->start = p;
	while (*p && !isspace((unsigned char)*p))
		p++;
	w->len = (size_t)(p - w->start);
	*at = p;
	return w->len;
}

static bool word_in(const struct word *w, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == w->len && !memcmp(*list, w->start, w->len))
			return true;
	return false;
}

static bool word_begins(const struct word *w, const char *prefix)
{
	return w->len >= strlen(prefix) && !memcmp(w->start, prefix, strlen(prefix));
}

/* An address or a name that only IPv6 rules have. */
static bool word_is_ip6(const struct word *w)
{
	static const char *const names[] = {
		"ipv6-icmp", "icmpv6", "icmp6", "icmp6-port-unreachable", "--icmpv6-type", NULL};

	if (word_in(w, names))
		return true;
	return w->len && memmem(w->start, w->len, "::", 2) &&
	       strspn(w->start, "0123456789abcdefABCDEF:./!,-") >= w->len;
}

/* Looks at the arguments of rules, not at comments and what stands in quotes. */
static bool content_is_ip6(const char *at)
{
	bool quoted = false, rule = false;

	for (struct word w; *at;) {
		if (*at == '\n') {
			quoted = rule = false;
			at++;
		} else if (!next_word(&at, &w)) {
			at += *at && *at != '\n';
		} else {
			quoted = quoted || (!rule && *w.start == '#');
			rule = rule || *w.start == '-';
			if (rule && !quoted && word_is_ip6(&w))
				return true;
			for (size_t i = 0; i < w.len; i++)
				quoted ^= w.start[i] == '"';
		}
	}
	return false;
}

static bool name_is_ip6(const char *name)
{
	const char *base = strrchr(name, '/'), *rules;

	base = base ? base + 1 : name;
	rules = strstr(base, "rules");
	return strstr(base, ".v6") || strstr(base, "ip6") ||
	       (rules && memchr(base, '6', (size_t)(rules - base)));
}

/* ipset restore reads "create NAME TYPE ..." and "add NAME ENTRY"; nft "create table ..." and "add
 * rule ...". */
static bool line_is_ipset(const char *at)
{
	static const char *const create[] = {"create", "-N", NULL};
	static const char *const add[] = {"add", "-A", "flush", "destroy", NULL};
	static const char *const nft[] = {"table",   "chain",	  "rule",     "set",	 "map",
					  "element", "flowtable", "counter",  "quota",	 "limit",
					  "ct",	     "secmark",	  "synproxy", "ruleset", NULL};
	struct word verb, name, type;

	next_word(&at, &verb);
	next_word(&at, &name);
	next_word(&at, &type);
	if (word_in(&verb, create))
		return word_begins(&type, "hash:") || word_begins(&type, "bitmap:") ||
		       word_begins(&type, "list:");
	return word_in(&verb, add) && name.len && !word_in(&name, nft);
}

static bool line_is_nft(const char *at)
{
	static const char *const verbs[] = {"table",  "add",	  "create",  "delete", "destroy",
					    "flush",  "insert",	  "replace", "reset",  "list",
					    "define", "redefine", "include", NULL};
	struct word verb;

	next_word(&at, &verb);
	return word_in(&verb, verbs);
}

static bool script_is_nft(const char *text)
{
	return !strncmp(text, "#!", 2) && memmem(text, strcspn(text, "\n"), "nft", 3);
}

/* The first line that says something. */
static const char *first_line(const char *at)
{
	for (;;) {
		at += strspn(at, " \t\r\n");
		if (*at != '#')
			return at;
		at += strcspn(at, "\n");
	}
}

int text_guess(const struct buf *text, const char *name)
{
	cleanup_buf struct buf copy = BUF_INIT;
	const char *all, *line;

	buf_add(&copy, text->data, text->len);
	all = buf_str(&copy);
	line = first_line(all);
	if (*line == '*')
		return name_is_ip6(name) || content_is_ip6(line) ? TEXT_IP6TABLES : TEXT_IPTABLES;
	if (line_is_ipset(line))
		return TEXT_IPSET;
	return line_is_nft(line) || script_is_nft(all) ? TEXT_NFT : -EINVAL;
}

static bool head_has(const struct buf *text, const char *needle)
{
	return text->len &&
	       memmem(text->data, text->len < 512 ? text->len : 512, needle, strlen(needle));
}

int text_variant_told(const struct buf *text)
{
	if (head_has(text, "-legacy-restore"))
		return VARIANT_LEGACY;
	return head_has(text, "-nft-restore") ? VARIANT_NFT : -1;
}

enum text_variant text_variant_of(const struct buf *text)
{
	return text_variant_told(text) == VARIANT_LEGACY ? VARIANT_LEGACY : VARIANT_NFT;
}

enum text_variant text_variant_installed(enum text_kind kind)
{
	const char *argv[] = {kind == TEXT_IP6TABLES ? "ip6tables-restore" : "iptables-restore",
			      "--version", NULL};
	cleanup_buf struct buf out = BUF_INIT;
	struct exec e = EXEC_INIT;

	e.argv = argv;
	e.out = &out;
	e.timeout = 10;
	/* before there were two variants, it told none */
	return !exec_run(&e) && !strstr(buf_str(&out), "nf_tables") ? VARIANT_LEGACY : VARIANT_NFT;
}

void text_load_order(bool nft_first, enum text_kind order[static TEXT_KINDS])
{
	static const enum text_kind orders[][TEXT_KINDS] = {
		{TEXT_IPSET, TEXT_IPTABLES, TEXT_IP6TABLES, TEXT_NFT},
		{TEXT_IPSET, TEXT_NFT, TEXT_IPTABLES, TEXT_IP6TABLES},
	};

	memcpy(order, orders[nft_first], sizeof(orders[0]));
}

bool text_nft_first(const struct buf *nft)
{
	return head_has(nft, TEXT_NFT_FIRST);
}
