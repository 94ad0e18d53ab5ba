/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "archive.h"

#include "file.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define BLOCK 512
#define CHUNK 65536
#define GZIP_WINDOW (15 + 16)
#define NAMES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/@+-"

/* POSIX.1-1988 ustar, "Header Block". */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, linkname[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

static size_t padding(size_t n)
{
	return (BLOCK - n % BLOCK) % BLOCK;
}

bool archive_name_valid(const char *name)
{
	size_t n = strlen(name);
	const char *part = name;

	if (!n || n > ARCHIVE_NAME_MAX || strspn(name, NAMES) != n)
		return false;
	for (;;) {
		size_t len = strcspn(part, "/");

		if (!len || (len == 1 && *part == '.') || (len == 2 && !memcmp(part, "..", 2)))
			return false;
		if (!part[len])
			return true;
		part += len + 1;
	}
}

static unsigned header_sum(const struct header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 8 * ' ';

	for (size_t i = 0; i < BLOCK; i++)
		if (i < offsetof(struct header, sum) || i >= offsetof(struct header, type))
			sum += p[i];
	return sum;
}

static void header_make(struct header *h, const char *name, size_t size)
{
	char sum[8];

	memset(h, 0, sizeof(*h));
	memcpy(h->name, name, strlen(name));
	memcpy(h->mode, "0000600", 8);
	memcpy(h->uid, "0000000", 8);
	memcpy(h->gid, "0000000", 8);
	snprintf(h->size, sizeof(h->size), "%011zo", size);
	memcpy(h->mtime, "00000000000", 12);
	h->type = '0';
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memcpy(h->major, "0000000", 8);
	memcpy(h->minor, "0000000", 8);
	snprintf(sum, sizeof(sum), "%06o", header_sum(h));
	memcpy(h->sum, sum, 7);
	h->sum[7] = ' ';
}

/* Octal digits, then NUL or space to the end of the field; all of it digits is no valid number. */
static int octal_parse(const char *field, size_t n, uint64_t *value)
{
	size_t i = 0;

	*value = 0;
	while (i < n && field[i] >= '0' && field[i] <= '7')
		*value = *value * 8 + (uint64_t)(field[i++] - '0');
	if (!i || i == n)
		return -EBADMSG;
	while (i < n && (field[i] == '\0' || field[i] == ' '))
		i++;
	return i == n ? 0 : -EBADMSG;
}

static bool all_zero(const void *data, size_t n)
{
	const unsigned char *p = data;

	return !n || (!*p && !memcmp(p, p + 1, n - 1));
}

/* Checks a header and copies its name; every field that decides what the entry is counts. */
static int header_parse(const struct header *h, char name[static ARCHIVE_NAME_MAX + 1],
			uint64_t *size)
{
	uint64_t sum;
	size_t len;

	if (octal_parse(h->sum, sizeof(h->sum), &sum) < 0 || sum != header_sum(h) ||
	    octal_parse(h->size, sizeof(h->size), size) < 0)
		return -EBADMSG;
	if (memcmp(h->magic, "ustar", 6) || memcmp(h->version, "00", 2) || h->type != '0' ||
	    !all_zero(h->linkname, sizeof(h->linkname)) || !all_zero(h->prefix, sizeof(h->prefix)))
		return -EBADMSG;
	len = strnlen(h->name, sizeof(h->name));
	if (!all_zero(h->name + len, sizeof(h->name) - len))
		return -EBADMSG;
	memcpy(name, h->name, len);
	name[len] = '\0';
	return archive_name_valid(name) ? 0 : -EBADMSG;
}

/* One gzip member that is being written. */
struct gzip {
	z_stream z;
	int fd;
	unsigned char out[CHUNK];
};

static int gzip_open(struct gzip *g, int fd)
{
	memset(&g->z, 0, sizeof(g->z));
	g->fd = fd;
	return deflateInit2(&g->z, 1, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK
		       ? 0
		       : -ENOMEM;
}

static int gzip_put(struct gzip *g, const void *data, size_t n, int flush)
{
	int r;

	/* n is at most ARCHIVE_ENTRY_LIMIT, so avail_in holds it */
	g->z.next_in = (unsigned char *)(uintptr_t)data;
	g->z.avail_in = (unsigned)n;
	do {
		g->z.next_out = g->out;
		g->z.avail_out = CHUNK;
		if (deflate(&g->z, flush) == Z_STREAM_ERROR)
			return -EIO;
		r = file_write_all(g->fd, g->out, CHUNK - g->z.avail_out);
		if (r < 0)
			return r;
	} while (!g->z.avail_out);
	return 0;
}

static int gzip_put_entry(struct gzip *g, const char *name, const void *data, size_t n)
{
	static const unsigned char zeros[BLOCK];
	struct header h;
	int r;

	header_make(&h, name, n);
	r = gzip_put(g, &h, sizeof(h), Z_NO_FLUSH);
	if (!r)
		r = gzip_put(g, data, n, Z_NO_FLUSH);
	return r ? r : gzip_put(g, zeros, padding(n), Z_NO_FLUSH);
}

struct archive_writer {
	struct gzip body;
	uint64_t total;
	unsigned entries;
};

int archive_writer_new(struct archive_writer **w, int body)
{
	*w = mem_zalloc(sizeof(**w));
	return gzip_open(&(*w)->body, body);
}

int archive_add(struct archive_writer *w, const char *name, const void *data, size_t n)
{
	if (!archive_name_valid(name) || !strcmp(name, ARCHIVE_MANIFEST))
		return -EINVAL;
	if (n > ARCHIVE_ENTRY_LIMIT || ++w->entries >= ARCHIVE_ENTRIES_LIMIT)
		return -EFBIG;
	w->total += BLOCK + n + padding(n);
	/* what MANIFEST and the end may take is kept back */
	if (w->total > ARCHIVE_TOTAL_LIMIT - 2 * ARCHIVE_MANIFEST_LIMIT)
		return -EFBIG;
	return gzip_put_entry(&w->body, name, data, n);
}

static int manifest_write(const void *manifest, size_t n, int fd)
{
	struct gzip *g;
	int r;

	if (n > ARCHIVE_MANIFEST_LIMIT)
		return -EFBIG;
	g = mem_alloc(sizeof(*g));
	r = gzip_open(g, fd);
	if (!r)
		r = gzip_put_entry(g, ARCHIVE_MANIFEST, manifest, n);
	if (!r)
		r = gzip_put(g, NULL, 0, Z_FINISH);
	deflateEnd(&g->z);
	free(g);
	return r;
}

/* Copies from an offset to the end of the file. */
static int copy_rest(int from, off_t offset, int to)
{
	cleanup_free unsigned char *chunk = mem_alloc(CHUNK);

	for (;;) {
		ssize_t n = pread(from, chunk, CHUNK, offset);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		r = file_write_all(to, chunk, (size_t)n);
		if (r < 0)
			return r;
		offset += n;
	}
}

int archive_finish(struct archive_writer *w, const void *manifest, size_t n, int fd)
{
	static const unsigned char end[2 * BLOCK];
	int r = gzip_put(&w->body, end, sizeof(end), Z_FINISH);

	if (!r)
		r = manifest_write(manifest, n, fd);
	return r ? r : copy_rest(w->body.fd, 0, fd);
}

void archive_writer_free(struct archive_writer *w)
{
	if (!w)
		return;
	deflateEnd(&w->body.z);
	free(w);
}

struct archive_reader {
	z_stream z;
	int fd;
	uint64_t total;	 /* uncompressed bytes so far */
	uint64_t read;	 /* bytes taken from fd */
	off_t body;	 /* where the second member begins; 0: still in the first */
	bool member_end; /* the gzip member under way is complete */
	unsigned entries;
	void *names; /* tsearch(3) tree of the names seen */
	char name[ARCHIVE_NAME_MAX + 1];
	unsigned char in[CHUNK];
};

int archive_reader_new(struct archive_reader **r, int fd)
{
	*r = mem_zalloc(sizeof(**r));
	(*r)->fd = fd;
	return inflateInit2(&(*r)->z, GZIP_WINDOW) == Z_OK ? 0 : -ENOMEM;
}

void archive_reader_free(struct archive_reader *r)
{
	if (!r)
		return;
	inflateEnd(&r->z);
	tdestroy(r->names, free);
	free(r);
}

/* Makes some input available: 1, 0 at the end of the file, -errno. */
static int refill(struct archive_reader *r)
{
	ssize_t n;

	if (r->z.avail_in)
		return 1;
	do
		n = read(r->fd, r->in, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->z.next_in = r->in;
	r->z.avail_in = (unsigned)n;
	r->read += (uint64_t)n;
	if (r->read > ARCHIVE_TOTAL_LIMIT)
		return -EBADMSG;
	return n > 0;
}

/* At most n (<= CHUNK) bytes of the member under way; fewer only at its end. Count or -errno. */
static int inflate_some(struct archive_reader *r, void *out, size_t n)
{
	r->z.next_out = out;
	r->z.avail_out = (unsigned)n;
	while (r->z.avail_out && !r->member_end) {
		int more = refill(r), z;

		if (more <= 0)
			return more ? more : -EBADMSG;
		z = inflate(&r->z, Z_NO_FLUSH);
		if (z != Z_OK && z != Z_STREAM_END)
			return -EBADMSG;
		r->member_end = z == Z_STREAM_END;
	}
	n -= r->z.avail_out;
	r->total += n;
	return r->total > ARCHIVE_TOTAL_LIMIT ? -EBADMSG : (int)n;
}

static int inflate_all(struct archive_reader *r, void *out, size_t n)
{
	int got = inflate_some(r, out, n);

	return got < 0 ? got : (size_t)got < n ? -EBADMSG : 0;
}

/* Nothing but zeros may follow in this member, and no more than tar programs pad with. */
static int expect_member_end(struct archive_reader *r, size_t zeros)
{
	cleanup_free unsigned char *rest = mem_alloc(zeros + 1);
	int n = inflate_some(r, rest, zeros + 1);

	if (n < 0)
		return n;
	return (size_t)n > zeros || !all_zero(rest, (size_t)n) ? -EBADMSG : 0;
}

/* MANIFEST has been read: the first member has to end here (and its checksum be right). */
static int enter_body(struct archive_reader *r)
{
	int e = expect_member_end(r, 0);

	if (e < 0)
		return e;
	r->body = (off_t)(r->read - r->z.avail_in);
	r->member_end = false;
	return inflateReset(&r->z) == Z_OK ? 0 : -EBADMSG;
}

/* After the first zero block. */
static int read_end(struct archive_reader *r)
{
	unsigned char block[BLOCK];
	int e = inflate_all(r, block, BLOCK);

	if (!e && !all_zero(block, BLOCK))
		e = -EBADMSG;
	if (!e)
		e = expect_member_end(r, CHUNK - 1);
	if (e < 0)
		return e;
	while ((e = refill(r)) > 0) {
		if (!all_zero(r->z.next_in, r->z.avail_in))
			return -EBADMSG;
		r->z.avail_in = 0;
	}
	return e;
}

static int read_content(struct archive_reader *r, size_t size, struct buf *data)
{
	unsigned char pad[BLOCK];
	size_t left = size;
	int e;

	while (left) {
		size_t n = left < CHUNK ? left : CHUNK;

		e = inflate_all(r, buf_reserve(data, n), n);
		if (e < 0)
			return e;
		data->len += n;
		left -= n;
	}
	e = inflate_all(r, pad, padding(size));
	return e < 0 || all_zero(pad, padding(size)) ? e : -EBADMSG;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The first entry is MANIFEST and small; no other is called so, or has a name twice. */
static int entry_check(struct archive_reader *r, uint64_t size)
{
	bool first = !r->entries;
	void **slot;
	char *name;

	if (++r->entries > ARCHIVE_ENTRIES_LIMIT || first != !strcmp(r->name, ARCHIVE_MANIFEST) ||
	    size > (first ? ARCHIVE_MANIFEST_LIMIT : ARCHIVE_ENTRY_LIMIT))
		return -EBADMSG;
	name = str_dup(r->name);
	slot = tsearch(name, &r->names, name_compare);
	if (slot && *slot == name)
		return 0;
	free(name);
	return slot ? -EBADMSG : -ENOMEM;
}

int archive_next(struct archive_reader *r, const char **name, struct buf *data)
{
	struct header h;
	uint64_t size;
	int e = inflate_all(r, &h, sizeof(h));

	data->len = 0;
	if (e < 0)
		return e;
	if (r->body && all_zero(&h, sizeof(h)))
		return read_end(r);
	e = header_parse(&h, r->name, &size);
	if (!e)
		e = entry_check(r, size);
	if (!e)
		e = read_content(r, (size_t)size, data);
	if (!e && !r->body)
		e = enter_body(r);
	*name = r->name;
	return e < 0 ? e : 1;
}

int archive_replace_manifest(int from, const void *manifest, size_t n, int to)
{
	cleanup_buf struct buf old = BUF_INIT;
	struct archive_reader *r;
	const char *name;
	int e = archive_reader_new(&r, from);

	if (!e)
		e = archive_next(r, &name, &old);
	if (e > 0)
		e = manifest_write(manifest, n, to);
	if (!e)
		e = copy_rest(from, r->body, to);
	archive_reader_free(r);
	return e;
}
