/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "archive.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

static int memory_file(const void *data, size_t n)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, data, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* A gzip member of raw bytes, appended to out. */
static void gzip_add(struct buf *out, const void *data, size_t n)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)n};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.avail_out = (unsigned)deflateBound(&z, n);
	z.next_out = buf_reserve(out, z.avail_out);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

static void header_sum(unsigned char *header)
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
}

/* A plain tar entry, made without the code under test. */
static unsigned char *entry_add(struct buf *tar, const char *name, const char *content)
{
	size_t at = tar->len, n = strlen(content);
	unsigned char *h = buf_add_zero(tar, 512 + (n + 511) / 512 * 512);

	memcpy(h, name, strlen(name));
	sprintf((char *)h + 124, "%011zo", n);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	memcpy(h + 512, content, n);
	header_sum(h);
	return tar->data + at;
}

/* Reads to the end and returns what ended it. */
static int read_all(const void *data, size_t n, unsigned *entries)
{
	cleanup_close int fd = memory_file(data, n);
	cleanup_buf struct buf content = BUF_INIT;
	struct archive_reader *r;
	const char *name;
	int e = archive_reader_new(&r, fd);

	*entries = 0;
	if (!e)
		while ((e = archive_next(r, &name, &content)) > 0)
			(*entries)++;
	archive_reader_free(r);
	return e;
}

static void assert_row(const char *what, int have, int want)
{
	if (have != want)
		fail_msg("%s: %d, not %d", what, have, want);
}

/* MANIFEST, "iptables.rules" and "exact/0001.nft", written by the code under test. */
static void sample(struct buf *out)
{
	cleanup_close int body = memory_file("", 0), fd = memory_file("", 0);
	struct archive_writer *w;

	assert_int_equal(archive_writer_new(&w, body), 0);
	assert_int_equal(archive_add(w, "iptables.rules", "*filter\nCOMMIT\n", 15), 0);
	assert_int_equal(archive_add(w, "exact/0001.nft", "", 0), 0);
	assert_int_equal(archive_finish(w, "format: 1\n", 10, fd), 0);
	archive_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(file_read_fd(fd, 1 << 20, out), 0);
}

static void what_is_written_is_read_back(void **state)
{
	static const struct {
		const char *name, *content;
	} want[] = {
		{"MANIFEST", "format: 1\n"},
		{"iptables.rules", "*filter\nCOMMIT\n"},
		{"exact/0001.nft", ""},
	};
	cleanup_buf struct buf file = BUF_INIT, content = BUF_INIT;
	cleanup_close int fd = -1;
	struct archive_reader *r;
	const char *name;

	(void)state;
	sample(&file);
	fd = memory_file(file.data, file.len);
	assert_int_equal(archive_reader_new(&r, fd), 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(archive_next(r, &name, &content), 1);
		assert_string_equal(name, want[i].name);
		assert_string_equal(buf_str(&content), want[i].content);
	}
	assert_int_equal(archive_next(r, &name, &content), 0);
	archive_reader_free(r);
}

static void the_same_content_makes_the_same_bytes(void **state)
{
	cleanup_buf struct buf a = BUF_INIT, b = BUF_INIT;

	(void)state;
	sample(&a);
	sleep(1);
	sample(&b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static void plain_tar_reads_it(void **state)
{
	cleanup_buf struct buf file = BUF_INIT, listing = BUF_INIT;
	char path[] = "/tmp/fwsnap-test-XXXXXX";
	cleanup_close int fd = mkstemp(path);
	cleanup_free char *command =
		str_printf("exec 2>&1; tar tzf %s && tar xzOf %s iptables.rules && gzip -t %s && "
			   "echo whole",
			   path, path, path);
	FILE *p;
	char line[200];

	(void)state;
	sample(&file);
	assert_int_equal(file_write_all(fd, file.data, file.len), 0);
	p = popen(command, "r");
	while (fgets(line, sizeof(line), p))
		buf_add_str(&listing, line);
	pclose(p);
	unlink(path);
	assert_string_equal(buf_str(&listing),
			    "MANIFEST\niptables.rules\nexact/0001.nft\n*filter\nCOMMIT\nwhole\n");
}

static void another_manifest_leaves_the_rest_byte_for_byte(void **state)
{
	cleanup_buf struct buf old = BUF_INIT, new = BUF_INIT, back = BUF_INIT;
	cleanup_close int from = -1, to = memory_file("", 0), again = memory_file("", 0);
	unsigned entries;

	(void)state;
	sample(&old);
	from = memory_file(old.data, old.len);
	assert_int_equal(archive_replace_manifest(from, "format: 1\ntag: x\n", 17, to), 0);
	assert_int_equal(lseek(to, 0, SEEK_SET), 0);
	assert_int_equal(file_read_fd(to, 1 << 20, &new), 0);
	assert_true(new.len > 100);
	assert_memory_equal(new.data + new.len - 100, old.data + old.len - 100, 100);
	assert_int_equal(read_all(new.data, new.len, &entries), 0);
	assert_int_equal(entries, 3);
	assert_int_equal(lseek(to, 0, SEEK_SET), 0);
	assert_int_equal(archive_replace_manifest(to, "format: 1\n", 10, again), 0);
	assert_int_equal(lseek(again, 0, SEEK_SET), 0);
	assert_int_equal(file_read_fd(again, 1 << 20, &back), 0);
	assert_int_equal(back.len, old.len);
	assert_memory_equal(back.data, old.data, old.len);
}

static void only_plain_relative_names_are_written(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
		{"a", true},
		{"exact/0001.nft", true},
		{"replaced/etc/iptables.up.rules", true},
		{"..a/b..", true},
		{"...", true},
		{"", false},
		{"/x", false},
		{"../x", false},
		{"a/../x", false},
		{"a/..", false},
		{"./a", false},
		{"a//b", false},
		{"a/", false},
		{"a b", false},
		{"a\nb", false},
		{"\xc3\xa4", false},
		{"a\\b", false},
	};
	char longest[ARCHIVE_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(archive_name_valid(rows[i].name), rows[i].valid);
	memset(longest, 'x', sizeof(longest));
	longest[ARCHIVE_NAME_MAX + 1] = '\0';
	assert_false(archive_name_valid(longest));
	longest[ARCHIVE_NAME_MAX] = '\0';
	assert_true(archive_name_valid(longest));
}

static void what_cannot_be_read_is_not_written(void **state)
{
	cleanup_close int body = memory_file("", 0);
	struct archive_writer *w;

	(void)state;
	assert_int_equal(archive_writer_new(&w, body), 0);
	assert_int_equal(archive_add(w, "../x", "", 0), -EINVAL);
	assert_int_equal(archive_add(w, ARCHIVE_MANIFEST, "", 0), -EINVAL);
	/* never touched: the size alone is refused */
	assert_int_equal(archive_add(w, "x", "", ARCHIVE_ENTRY_LIMIT + 1), -EFBIG);
	assert_int_equal(archive_finish(w, "", ARCHIVE_MANIFEST_LIMIT + 1, body), -EFBIG);
	archive_writer_free(w);
}

static void a_full_disk_is_an_error_of_the_write(void **state)
{
	cleanup_close int body = open("/dev/full", O_WRONLY | O_CLOEXEC);
	cleanup_close int good = memory_file("", 0);
	struct archive_writer *w;

	(void)state;
	assert_int_equal(archive_writer_new(&w, body), 0);
	assert_int_equal(archive_add(w, "x", "y", 1), -ENOSPC);
	archive_writer_free(w);
	assert_int_equal(archive_writer_new(&w, good), 0);
	assert_int_equal(archive_finish(w, "", 0, body), -ENOSPC);
	archive_writer_free(w);
}

/* One field of an otherwise good header of the second entry is replaced (and summed anew). */
static void a_hostile_header_is_refused(void **state)
{
#define FIELD(at, bytes) at, sizeof(bytes) - 1, bytes
	static const struct {
		const char *what;
		size_t at, n;
		const char *bytes;
		int r;
	} rows[] = {
		{"nothing wrong", FIELD(0, "x"), 0},
		{"another owner, time and mode", FIELD(100, "0000644\00001750"), 0},
		{"absolute name", FIELD(0, "/x"), -EBADMSG},
		{"name that climbs", FIELD(0, "../x"), -EBADMSG},
		{"name that climbs within", FIELD(0, "a/../../x"), -EBADMSG},
		{"folder", FIELD(0, "a/"), -EBADMSG},
		{"empty name", FIELD(0, "\0"), -EBADMSG},
		{"name with a NUL inside", FIELD(0, "x\0y"), -EBADMSG},
		{"name with a newline", FIELD(0, "x\ny"), -EBADMSG},
		{"second MANIFEST", FIELD(0, "MANIFEST"), -EBADMSG},
		{"prefix", FIELD(345, "etc"), -EBADMSG},
		{"hard link", FIELD(156, "1"), -EBADMSG},
		{"symbolic link", FIELD(156, "2/etc/passwd"), -EBADMSG},
		{"character device", FIELD(156, "3"), -EBADMSG},
		{"block device", FIELD(156, "4"), -EBADMSG},
		{"folder type", FIELD(156, "5"), -EBADMSG},
		{"fifo", FIELD(156, "6"), -EBADMSG},
		{"contiguous file", FIELD(156, "7"), -EBADMSG},
		{"long name", FIELD(156, "L"), -EBADMSG},
		{"extended header", FIELD(156, "x"), -EBADMSG},
		{"sparse file", FIELD(156, "S"), -EBADMSG},
		{"old type", FIELD(156, "\0"), -EBADMSG},
		{"link name of a plain file", FIELD(157, "x"), -EBADMSG},
		{"GNU magic", FIELD(257, "ustar  \0"), -EBADMSG},
		{"no magic", FIELD(257, "\0\0\0\0\0\0\0\0"), -EBADMSG},
		{"size of 8 GiB", FIELD(124, "77777777777"), -EBADMSG},
		{"size beyond the limit", FIELD(124, "02000000001"), -EBADMSG},
		{"size of more than is there", FIELD(124, "00000010000"), -EBADMSG},
		{"size of less than is there", FIELD(124, "00000000001"), -EBADMSG},
		{"size without an end", FIELD(124, "000000000005"), -EBADMSG},
		{"negative size", FIELD(124, "-0000000001"), -EBADMSG},
		{"size in base 256", FIELD(124, "\x80\0\0\0\0\0\0\0\0\0\0\5"), -EBADMSG},
		{"empty size", FIELD(124, "           "), -EBADMSG},
		{"size with an 8", FIELD(124, "00000000008"), -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT, file = BUF_INIT;
		unsigned entries;
		unsigned char *h;

		entry_add(&first, "MANIFEST", "format: 1\n");
		h = entry_add(&second, "x", "hello");
		memcpy(h + rows[i].at, rows[i].bytes, rows[i].n);
		header_sum(h);
		buf_add_zero(&second, 1024);
		gzip_add(&file, first.data, first.len);
		gzip_add(&file, second.data, second.len);
		assert_row(rows[i].what, read_all(file.data, file.len, &entries), rows[i].r);
	}
}

static void a_wrong_checksum_is_refused(void **state)
{
	cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT, file = BUF_INIT;
	unsigned entries;

	(void)state;
	entry_add(&first, "MANIFEST", "format: 1\n");
	entry_add(&second, "x", "hello")[0] = 'y';
	buf_add_zero(&second, 1024);
	gzip_add(&file, first.data, first.len);
	gzip_add(&file, second.data, second.len);
	assert_int_equal(read_all(file.data, file.len, &entries), -EBADMSG);
	assert_int_equal(entries, 1);
}

/*
 * How the parts are put together: M is a good MANIFEST, E and F other entries, Z a zero block,
 * G a block of garbage; "|" ends a gzip member, "0" adds 600 plain zero bytes and "g" plain
 * garbage to the file, "B" 64 MiB of zeros.
 */
static void another_arrangement_is_refused(void **state)
{
	static const struct {
		const char *what, *parts;
		int r;
	} rows[] = {
		{"good", "M|EFZZ|", 0},
		{"good, without another entry", "M|ZZ|", 0},
		{"good, padded", "M|EZZZZZZ|", 0},
		{"good, zeros after it", "M|EZZ|0", 0},
		{"empty file", "", -EBADMSG},
		{"plain garbage", "g", -EBADMSG},
		{"first part only", "M|", -EBADMSG},
		{"MANIFEST not first", "E|MZZ|", -EBADMSG},
		{"MANIFEST twice", "M|MZZ|", -EBADMSG},
		{"a name twice", "M|EFEZZ|", -EBADMSG},
		{"one member", "MEZZ|", -EBADMSG},
		{"more than MANIFEST in the first", "ME|FZZ|", -EBADMSG},
		{"end in the first", "MZZ|", -EBADMSG},
		{"no end", "M|E|", -EBADMSG},
		{"half an end", "M|EZ|", -EBADMSG},
		{"half an end, more behind it", "M|EZFZZ|", -EBADMSG},
		{"entry behind the end", "M|EZZF|", -EBADMSG},
		{"garbage behind the end", "M|EZZG|", -EBADMSG},
		{"third member", "M|EZZ|F|", -EBADMSG},
		{"empty third member", "M|EZZ||", -EBADMSG},
		{"garbage behind the last member", "M|EZZ|g", -EBADMSG},
		{"garbage behind zeros", "M|EZZ|0g", -EBADMSG},
		{"zeros between the members", "M|0EZZ|", -EBADMSG},
		{"zeros without end", "M|EZZB|", -EBADMSG},
		{"garbage where a header should be", "M|G|", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf file = BUF_INIT, tar = BUF_INIT;
		unsigned entries;

		for (const char *p = rows[i].parts; *p; p++) {
			switch (*p) {
			case 'M':
				entry_add(&tar, "MANIFEST", "format: 1\n");
				break;
			case 'E':
				entry_add(&tar, "e", "hello");
				break;
			case 'F':
				entry_add(&tar, "f", "");
				break;
			case 'Z':
				buf_add_zero(&tar, 512);
				break;
			case 'G':
				memset(buf_add_zero(&tar, 512), 'G', 512);
				break;
			case 'B':
				buf_add_zero(&tar, 64 << 20);
				break;
			case '|':
				gzip_add(&file, tar.data, tar.len);
				tar.len = 0;
				break;
			case '0':
				buf_add_zero(&file, 600);
				break;
			case 'g':
				buf_add_str(&file, "garbage");
				break;
			}
		}
		assert_row(rows[i].what, read_all(file.data, file.len, &entries), rows[i].r);
	}
}

static long peak_kib(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

/* A header may promise 256 MiB where nothing is: no memory is spent on a promise. */
static void a_promise_costs_no_memory(void **state)
{
	cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT, file = BUF_INIT;
	unsigned entries;
	unsigned char *h;
	long before;

	(void)state;
	entry_add(&first, "MANIFEST", "format: 1\n");
	h = entry_add(&second, "x", "hello");
	memcpy(h + 124, "01777777777", 11);
	header_sum(h);
	gzip_add(&file, first.data, first.len);
	gzip_add(&file, second.data, second.len);
	before = peak_kib();
	assert_int_equal(read_all(file.data, file.len, &entries), -EBADMSG);
	assert_true(peak_kib() - before < 8 << 10);
}

static void a_manifest_beyond_its_limit_is_refused(void **state)
{
	cleanup_buf struct buf first = BUF_INIT, file = BUF_INIT;
	unsigned entries;
	unsigned char *h;

	(void)state;
	h = entry_add(&first, "MANIFEST", "");
	memcpy(h + 124, "00020000001", 11);
	header_sum(h);
	buf_add_zero(&first, ARCHIVE_MANIFEST_LIMIT + 512);
	gzip_add(&file, first.data, first.len);
	assert_int_equal(read_all(file.data, file.len, &entries), -EBADMSG);
}

static void too_many_entries_are_refused(void **state)
{
	cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT, file = BUF_INIT;
	unsigned entries;

	(void)state;
	entry_add(&first, "MANIFEST", "format: 1\n");
	for (unsigned i = 0; i <= ARCHIVE_ENTRIES_LIMIT; i++) {
		char name[16];

		snprintf(name, sizeof(name), "e%u", i);
		entry_add(&second, name, "");
	}
	buf_add_zero(&second, 1024);
	gzip_add(&file, first.data, first.len);
	gzip_add(&file, second.data, second.len);
	assert_int_equal(read_all(file.data, file.len, &entries), -EBADMSG);
	assert_int_equal(entries, ARCHIVE_ENTRIES_LIMIT);
}

static void every_cut_is_refused(void **state)
{
	cleanup_buf struct buf file = BUF_INIT;
	unsigned entries;

	(void)state;
	sample(&file);
	assert_int_equal(read_all(file.data, file.len, &entries), 0);
	for (size_t n = 0; n < file.len; n++)
		assert_int_equal(read_all(file.data, n, &entries), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(the_same_content_makes_the_same_bytes),
		cmocka_unit_test(plain_tar_reads_it),
		cmocka_unit_test(another_manifest_leaves_the_rest_byte_for_byte),
		cmocka_unit_test(only_plain_relative_names_are_written),
		cmocka_unit_test(what_cannot_be_read_is_not_written),
		cmocka_unit_test(a_full_disk_is_an_error_of_the_write),
		cmocka_unit_test(a_promise_costs_no_memory),
		cmocka_unit_test(a_hostile_header_is_refused),
		cmocka_unit_test(a_wrong_checksum_is_refused),
		cmocka_unit_test(another_arrangement_is_refused),
		cmocka_unit_test(a_manifest_beyond_its_limit_is_refused),
		cmocka_unit_test(too_many_entries_are_refused),
		cmocka_unit_test(every_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
