/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text_program.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Seconds; a program that hangs must not hang a save. */
#define PROGRAM_TIMEOUT 600
/* Bytes; some programs repeat the line. */
#define CAUSE_LIMIT 300

static const struct program {
	const char *lister;
	const char *loader[4];
} programs[TEXT_KINDS][2] = {
	[TEXT_IPSET] = {{"ipset", {"ipset", "restore"}}, {"ipset", {"ipset", "restore"}}},
	[TEXT_IPTABLES] = {{"iptables-nft-save", {"iptables-nft-restore"}},
			   {"iptables-legacy-save", {"iptables-legacy-restore"}}},
	[TEXT_IP6TABLES] = {{"ip6tables-nft-save", {"ip6tables-nft-restore"}},
			    {"ip6tables-legacy-save", {"ip6tables-legacy-restore"}}},
	[TEXT_NFT] = {{"nft", {"nft", "-f", "-"}}, {"nft", {"nft", "-f", "-"}}},
};

const char *const *text_loader(enum text_kind kind, enum text_variant variant)
{
	return programs[kind][variant].loader;
}

const char *text_lister(enum text_kind kind, enum text_variant variant)
{
	return programs[kind][variant].lister;
}

struct line {
	const char *start;
	size_t len; /* without the newline */
};

/* The next line of a text that ends at end, or false. */
static bool next_line(const char **at, const char *end, struct line *l)
{
	const char *stop;

	if (*at >= end)
		return false;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	l->start = *at;
	l->len = (size_t)((stop ? stop : end) - *at);
	*at += l->len + 1;
	return true;
}

static bool line_begins(const struct line *l, const char *prefix)
{
	size_t n = strlen(prefix);

	return l->len >= n && !memcmp(l->start, prefix, n);
}

static const char *line_find(const struct line *l, const char *needle)
{
	return memmem(l->start, l->len, needle, strlen(needle));
}

static void put_line(struct buf *out, const struct line *l)
{
	buf_add(out, l->start, l->len);
	buf_add(out, "\n", 1);
}

/*
 * What programs say about a refusal, without their own names:
 *   iptables-nft-restore v1.8.9 (nf_tables): unknown option "--dprot"
 *   Error occurred at line: 3
 *   iptables-nft-restore: COMMIT expected at line 4
 *   /dev/stdin:3:7-12: Error: Interface does not exist
 *   ipset v7.17: Error in line 1: Syntax error: typename 'hash:ipp' is unknown
 */
struct refusal {
	unsigned line; /* 0: not told */
	struct line cause;
};

static void skip(struct line *l, size_t n)
{
	l->start += n;
	l->len -= n;
	while (l->len && isspace((unsigned char)*l->start)) {
		l->start++;
		l->len--;
	}
}

/* Cuts off up to and with `mark`, if it is there. */
static bool skip_past(struct line *l, const char *mark)
{
	const char *p = line_find(l, mark);

	if (p)
		skip(l, (size_t)(p - l->start) + strlen(mark));
	return p;
}

static void parse_cause(struct line l, const char *program, struct refusal *f)
{
	size_t family = line_begins(&l, "ip") ? strcspn(program, "-") : 0;

	if (line_begins(&l, "/dev/stdin:")) {
		f->line = (unsigned)strtoul(l.start + strlen("/dev/stdin:"), NULL, 10);
		skip_past(&l, ": ");
	} else if (family && l.len > family && !memcmp(l.start, program, family)) {
		/* the rest of its name, its version */
		if (!skip_past(&l, ": "))
			skip_past(&l, ":");
	}
	if (line_begins(&l, "Error: "))
		skip_past(&l, ": ");
	if (line_begins(&l, "Error in line ") || line_begins(&l, "line ")) {
		f->line = (unsigned)strtoul(l.start + strcspn(l.start, "0123456789"), NULL, 10);
		skip(&l, strcspn(l.start, "0123456789"));
		skip(&l, strspn(l.start, "0123456789:"));
	}
	/* our messages end without a full stop */
	if (l.len && l.start[l.len - 1] == '.')
		l.len--;
	f->cause = l;
}

static void describe_refusal(const char *program, int status, struct buf *err, struct buf *why)
{
	const char *at = buf_str(err), *end = at + err->len;
	struct refusal f = {0};
	struct line l;

	while (next_line(&at, end, &l)) {
		if (line_begins(&l, "Error occurred at line: "))
			f.line = (unsigned)strtoul(l.start + strlen("Error occurred at line: "),
						   NULL, 10);
		else if (!f.cause.len && l.len && !line_begins(&l, "#") &&
			 !line_begins(&l, "In file included from ") &&
			 !line_find(&l, "Warning: "))
			parse_cause(l, program, &f);
	}
	if (f.line)
		buf_printf(why, "line %u: ", f.line);
	if (f.cause.len)
		buf_printf(why, "%.*s%s", (int)(f.cause.len < CAUSE_LIMIT ? f.cause.len : CAUSE_LIMIT),
			   f.cause.start, f.cause.len < CAUSE_LIMIT ? "" : " ...");
	else if (status > 128)
		buf_printf(why, "%s ended by signal %d", program, status - 128);
	else
		buf_printf(why, "%s failed with status %d", program, status);
}

static int run(struct scratch *s, const char *const *argv, const struct buf *in, struct buf *out,
	       struct buf *why)
{
	cleanup_buf struct buf err = BUF_INIT;
	struct exec e = EXEC_INIT;
	int r;

	e.argv = argv;
	e.in = in;
	e.out = out;
	e.err = &err;
	e.timeout = PROGRAM_TIMEOUT;
	r = scratch_run(s, &e);
	if (r > 0) {
		describe_refusal(argv[0], r, &err, why);
		return -EINVAL;
	}
	if (r == -ENOENT)
		buf_printf(why, "%s is not installed", argv[0]);
	else if (r)
		buf_printf(why, "cannot run %s: %s", argv[0], strerror(-r));
	return r;
}

int text_feed(struct scratch *s, enum text_kind kind, enum text_variant variant,
	      const struct buf *text, struct buf *why)
{
	return run(s, text_loader(kind, variant), text, NULL, why);
}

/* ":INPUT ACCEPT [12:3456]" without its counters. */
static void put_chain(struct buf *out, const struct line *l)
{
	const char *bracket = memrchr(l->start, '[', l->len);

	if (bracket) {
		buf_add(out, l->start, (size_t)(bracket - l->start));
		buf_add_str(out, "[0:0]\n");
	} else {
		put_line(out, l);
	}
}

/* Its comments hold the time of day, or that it cannot show the table. */
static int clean_iptables(struct buf *raw, bool counters, struct buf *out, struct buf *why)
{
	const char *at = buf_str(raw), *end = at + raw->len;
	struct line l;

	while (next_line(&at, end, &l)) {
		if (line_begins(&l, "#") && line_find(&l, "is incompatible")) {
			buf_add_str(why, "it has rules that iptables cannot show");
			return -EINVAL;
		}
		if (line_begins(&l, ":") && !counters)
			put_chain(out, &l);
		else if (!line_begins(&l, "#"))
			put_line(out, &l);
	}
	return 0;
}

static void put_without(struct buf *out, const struct line *l, const char *from, const char *to)
{
	buf_add(out, l->start, (size_t)(from - l->start));
	buf_add(out, to, (size_t)(l->start + l->len - to));
	buf_add(out, "\n", 1);
}

/* A member less " packets N bytes N"; a comment comes after them, and is quoted. */
static void put_member(struct buf *out, const struct line *l)
{
	const char *quote = memchr(l->start, '"', l->len);
	struct line plain = {l->start, quote ? (size_t)(quote - l->start) : l->len};
	const char *from = line_find(&plain, " packets ");
	const char *bytes = line_find(&plain, " bytes ");

	if (from && bytes) {
		bytes += strlen(" bytes ");
		put_without(out, l, from, bytes + strspn(bytes, "0123456789"));
	} else {
		put_line(out, l);
	}
}

/* "initval" seeds the hash: the kernel's own business, and another each time. */
static void put_set(struct buf *out, const struct line *l, const char *option)
{
	const char *from = line_find(l, " initval 0x");
	const char *value = from ? from + strlen(" initval 0x") : NULL;

	if (from)
		put_without(out, l, from, value + strspn(value, "0123456789abcdef"));
	else
		put_line(out, l);
	if (option) {
		out->len--;
		buf_printf(out, " %s\n", option);
	}
}

static void clean_ipset(struct buf *raw, const char *option, bool counters, struct buf *out)
{
	const char *at = buf_str(raw), *end = at + raw->len;
	struct line l;

	while (next_line(&at, end, &l)) {
		if (line_begins(&l, "create "))
			put_set(out, &l, option);
		else if (counters)
			put_line(out, &l);
		else
			put_member(out, &l);
	}
}

static int list_iptables(struct scratch *s, const struct table *t, const struct text_way *w,
			 bool counters, struct buf *out, struct buf *why)
{
	const char *argv[] = {text_lister(w->kind, w->variant), "-t", t->name,
			      counters ? "-c" : NULL, NULL};
	cleanup_buf struct buf raw = BUF_INIT;
	int r = run(s, argv, NULL, &raw, why);

	return r ? r : clean_iptables(&raw, counters, out, why);
}

static int list_ipset(struct scratch *s, const struct table *t, const struct text_way *w,
		      bool counters, struct buf *out, struct buf *why)
{
	const char *argv[] = {"ipset", "save", t->name, "-sorted", NULL};
	cleanup_buf struct buf raw = BUF_INIT;
	int r = run(s, argv, NULL, &raw, why);

	if (!r)
		clean_ipset(&raw, w->option, counters, out);
	return r;
}

/* options: "-s" without counters, "-a" with handles; NULL: neither */
static int list_nft(struct scratch *s, const struct table *t, const char *options, struct buf *out,
		    struct buf *why)
{
	const char *plain[] = {"nft", "list", "table", family_name(t->family), t->name, NULL};
	const char *special[] = {"nft",	  options, "list", "table", family_name(t->family),
				 t->name, NULL};

	return run(s, options ? special : plain, NULL, out, why);
}

static int list(struct scratch *s, const struct table *t, const struct text_way *w, bool counters,
		const char *nft_options, struct buf *out, struct buf *why)
{
	int r;

	if (w->kind == TEXT_IPSET)
		r = list_ipset(s, t, w, counters, out, why);
	else if (w->kind == TEXT_NFT)
		r = list_nft(s, t, nft_options, out, why);
	else
		r = list_iptables(s, t, w, counters, out, why);
	if (!r && !out->len) {
		buf_printf(why, "%s shows nothing", text_lister(w->kind, w->variant));
		r = -EINVAL;
	}
	return r;
}

int text_list(struct scratch *s, const struct table *t, const struct text_way *w, bool counters,
	      struct buf *out, struct buf *why)
{
	return list(s, t, w, counters, counters ? NULL : "-s", out, why);
}

int text_list_apart(struct scratch *s, const struct table *t, const struct text_way *w,
		    struct buf *out, struct buf *why)
{
	return list(s, t, w, false, "-as", out, why);
}

void text_put_head(struct buf *out, enum text_kind kind, enum text_variant variant, bool counters)
{
	if (kind == TEXT_NFT)
		buf_add_str(out, "#!/usr/sbin/nft -f\n");
	buf_add_str(out, "# Written by fwsnap " FWSNAP_VERSION "\n# Load with: ");
	if (kind == TEXT_NFT)
		buf_add_str(out, "nft -f FILE\n");
	else if (kind == TEXT_IPSET)
		buf_add_str(out, "ipset restore < FILE\n");
	else
		buf_printf(out, "%s%s < FILE\n", text_loader(kind, variant)[0],
			   counters ? " -c" : "");
}

void text_put_delete(struct buf *out, const struct table *t)
{
	buf_printf(out, "table %s %s\ndelete table %s %s\n", family_name(t->family), t->name,
		   family_name(t->family), t->name);
}

void text_put_chain(struct buf *out, const struct table *t, const char *chain,
		    const struct buf *listing)
{
	cleanup_free char *head = str_printf("\tchain %s {", chain);
	const char *at = (const char *)listing->data, *end = at + listing->len;
	bool inside = false;
	struct line l;

	while (next_line(&at, end, &l)) {
		inside = inside || (l.len == strlen(head) && line_begins(&l, head));
		if (inside && line_begins(&l, "\t\ttype ")) {
			buf_printf(out, "table %s %s {\n%s\n%.*s\n\t}\n}\n", family_name(t->family),
				   t->name, head, (int)l.len, l.start);
			return;
		}
	}
}
