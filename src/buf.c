/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "buf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void buf_die(void)
{
	static const char text[] = "fwsnap: out of memory; 'fwsnap status' tells what the firewall is\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(1);
}

void *mem_realloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		buf_die();
	return p;
}

void *mem_alloc(size_t n)
{
	return mem_realloc(NULL, n);
}

void *mem_zalloc(size_t n)
{
	return memset(mem_alloc(n), 0, n);
}

char *str_dup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(mem_alloc(n), s, n);
}

char *str_printf(const char *format, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&b, format, ap);
	va_end(ap);
	return buf_detach(&b);
}

char *str_visible(const char *s)
{
	struct buf b = BUF_INIT;

	if (s)
		buf_add_visible(&b, s, strlen(s));
	return buf_detach(&b);
}

void *array_grow(void *pp, size_t *n, size_t size)
{
	void **items = pp;
	char *item;

	/* a power of two (or nothing) is full: double it */
	if (!(*n & (*n - 1)))
		*items = mem_realloc(*items, (*n ? *n * 2 : 1) * size);
	item = (char *)*items + *n * size;
	(*n)++;
	return memset(item, 0, size);
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void *buf_reserve(struct buf *b, size_t n)
{
	size_t want;

	if (n > SIZE_MAX / 4 - b->len)
		buf_die();
	want = b->len + n;
	if (want > b->cap) {
		size_t cap = b->cap < 64 ? 64 : b->cap + b->cap / 2;

		b->cap = cap < want ? want : cap;
		b->data = mem_realloc(b->data, b->cap);
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), data, n);
	b->len += n;
}

void *buf_add_zero(struct buf *b, size_t n)
{
	void *p = memset(buf_reserve(b, n), 0, n);

	b->len += n;
	return p;
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	if (n > 0) {
		vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	buf_vprintf(b, format, ap);
	va_end(ap);
}

/* Bytes of the UTF-8 character at s, of at most n; 0: it is none. */
static size_t character(const unsigned char *s, size_t n, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

	if (!length || length > n)
		return 0;
	*code = length == 1 ? *s : *s & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return length;
}

/* Unicode: control characters, line and paragraph separator, marks of the direction. */
static bool harmless(uint32_t code)
{
	return code >= 0x20 && (code < 0x7f || code > 0x9f) && code != 0x61c && code != 0x200e &&
	       code != 0x200f && (code < 0x2028 || code > 0x202e) &&
	       (code < 0x2066 || code > 0x2069);
}

void buf_add_visible(struct buf *b, const char *s, size_t n)
{
	const unsigned char *at = (const unsigned char *)s;

	while (n) {
		uint32_t code = 0;
		size_t length = character(at, n, &code), step = length ? length : 1;

		if (length && harmless(code))
			buf_add(b, at, length);
		else if (*at == '\n' || *at == '\t')
			buf_add_str(b, *at == '\n' ? "\\n" : "\\t");
		else
			for (size_t i = 0; i < step; i++)
				buf_printf(b, "\\x%02x", at[i]);
		at += step;
		n -= step;
	}
}

char *buf_str(struct buf *b)
{
	*(char *)buf_reserve(b, 1) = '\0';
	return (char *)b->data;
}

char *buf_detach(struct buf *b)
{
	char *s = buf_str(b);

	*b = (struct buf)BUF_INIT;
	return s;
}

void strlist_add(struct strlist *l, const char *s)
{
	*(char **)array_grow(&l->s, &l->n, sizeof(*l->s)) = str_dup(s);
}

bool strlist_has(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->s[i], s))
			return true;
	return false;
}

void strlist_add_once(struct strlist *l, const char *s)
{
	if (!strlist_has(l, s))
		strlist_add(l, s);
}

void strlist_add_all(struct strlist *l, const struct strlist *more)
{
	for (size_t i = 0; i < more->n; i++)
		strlist_add(l, more->s[i]);
}

static int str_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *l)
{
	if (l->n)
		qsort(l->s, l->n, sizeof(*l->s), str_compare);
}

void strlist_release(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->s[i]);
	free(l->s);
	*l = (struct strlist){NULL, 0};
}

void free_p(void *p)
{
	free(*(void **)p);
}

void close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
