/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buf - a growing byte buffer, string helpers and allocation that does not fail
 *
 * Running out of memory ends the process with exit status 1 and a message (buf_die). What is
 * sent to the kernel is put together before it is sent, so no single engine is left with half a change.
 */
#ifndef FWSNAP_BUF_H
#define FWSNAP_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* data is NULL while cap is 0; string users rely on buf_str(), which terminates. */
struct buf {
	unsigned char *data;
	size_t len, cap;
};

#define BUF_INIT {NULL, 0, 0}

/* Frees the memory and makes the buffer empty again. */
void buf_release(struct buf *b);
/* Makes room for n more bytes and returns where they start; len is unchanged. */
void *buf_reserve(struct buf *b, size_t n);
/* Appends n bytes of data. data must not point into b. */
void buf_add(struct buf *b, const void *data, size_t n);
/* Appends n zero bytes and returns where they start (valid until the next append). */
void *buf_add_zero(struct buf *b, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *format, ...) printf_like(2, 3);
void buf_vprintf(struct buf *b, const char *format, va_list ap);
/*
 * Appends text from elsewhere as a terminal may be given it: what is no printable UTF-8 as \n, \t or
 * \xNN for each byte; what changes the direction of writing, too.
 */
void buf_add_visible(struct buf *b, const char *s, size_t n);
/* The content as a string; the terminating NUL is not counted in len. Never NULL. */
char *buf_str(struct buf *b);
/* Gives the memory away as a string (caller frees); b becomes empty. */
char *buf_detach(struct buf *b);

/* malloc family that ends the process instead of returning NULL. Caller frees. */
void *mem_alloc(size_t n);
void *mem_zalloc(size_t n);
void *mem_realloc(void *p, size_t n);
char *str_dup(const char *s);
char *str_printf(const char *format, ...) printf_like(1, 2);
/* s as buf_add_visible has it; "" for NULL. Caller frees. */
char *str_visible(const char *s);

/*
 * Grows the array *pp of *n items of the given size by one zeroed item and
 * returns that item. Capacity doubles; pp is a pointer to the array's pointer.
 */
void *array_grow(void *pp, size_t *n, size_t size);

/* A list of strings that it owns. */
struct strlist {
	char **s;
	size_t n;
};

void strlist_add(struct strlist *l, const char *s);
/* Adds s unless it is there. */
void strlist_add_once(struct strlist *l, const char *s);
void strlist_add_all(struct strlist *l, const struct strlist *more);
bool strlist_has(const struct strlist *l, const char *s);
void strlist_sort(struct strlist *l);
void strlist_release(struct strlist *l);

/* For __attribute__((cleanup)): free(*(void **)p), buf_release, close(*fd) if >= 0. */
void free_p(void *p);
void close_p(int *fd);
#define cleanup_free __attribute__((cleanup(free_p)))
#define cleanup_buf __attribute__((cleanup(buf_release)))
#define cleanup_close __attribute__((cleanup(close_p)))
#define cleanup_strlist __attribute__((cleanup(strlist_release)))

#endif
