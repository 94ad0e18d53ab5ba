/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static unsigned save(struct history *h)
{
	return sample_save(&h->store, "why", false, true);
}

static void a_store_that_is_not_there_is_told_apart(void **state)
{
	struct history *h = *state;
	struct store s;

	assert_int_equal(store_open(&s, "/nowhere", h->root, false), -ENOENT);
	assert_int_equal(store_open(&s, HISTORY_DIR, h->root, false), 0);
	store_close(&s);
}

static void a_store_is_for_its_owner_alone(void **state)
{
	struct history *h = *state;
	struct store s;

	assert_int_equal(history_run(h, "test $(stat -c %a var/lib/fwsnap) = 700 && "
					"test $(stat -c %a var/lib/fwsnap/snapshots) = 700 && "
					"chmod 755 var/lib/fwsnap"),
			 0);
	assert_int_equal(store_open(&s, HISTORY_DIR, h->root, true), 0);
	store_close(&s);
	assert_int_equal(history_run(h, "test $(stat -c %a var/lib/fwsnap) = 700"), 0);
	assert_int_equal(save(h), 1);
	assert_int_equal(
		history_run(h, "test $(stat -c %a var/lib/fwsnap/snapshots/1.tar.gz) = 600"), 0);
}

static void a_store_of_another_user_or_behind_a_link_is_refused(void **state)
{
	struct history *h = *state;
	struct store s;

	assert_int_equal(history_run(h, "ln -s lib var/link"), 0);
	assert_int_equal(store_open(&s, "/var/link", h->root, false), -ENOTDIR);
	if (geteuid()) {
		print_message("not root: cannot give a folder to another user\n");
		skip();
	}
	assert_int_equal(history_run(h, "chown 12345 var/lib/fwsnap"), 0);
	assert_int_equal(store_open(&s, HISTORY_DIR, h->root, true), -EPERM);
}

static void ids_grow_and_current_follows_saves_only(void **state)
{
	struct history *h = *state;
	cleanup_free unsigned *ids = NULL;
	unsigned current;
	size_t n;

	assert_int_equal(store_current(&h->store, &current), 0);
	assert_int_equal(current, 0);
	assert_int_equal(save(h), 1);
	assert_int_equal(save(h), 2);
	assert_int_equal(sample_save(&h->store, "automatic", true, false), 3);
	assert_int_equal(store_current(&h->store, &current), 0);
	assert_int_equal(current, 2);
	assert_int_equal(
		history_run(
			h, "rm var/lib/fwsnap/snapshots/1.tar.gz && cd var/lib/fwsnap/snapshots && "
			   "touch 04.tar.gz x.tar.gz 4.tar.tar.gz 1234567890.tar.gz"),
		0);
	assert_int_equal(store_ids(&h->store, &ids, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ids[0], 2);
	assert_int_equal(ids[1], 3);
	assert_int_equal(store_set_current(&h->store, 9), -ENOENT);
	assert_int_equal(store_set_current(&h->store, 3), 0);
	assert_int_equal(store_current(&h->store, &current), 0);
	assert_int_equal(current, 3);
	assert_int_equal(history_run(h, "rm var/lib/fwsnap/snapshots/3.tar.gz"), 0);
	assert_int_equal(save(h), 4);
}

static void a_current_that_points_elsewhere_is_damage(void **state)
{
	static const char *const targets[] = {"/etc/passwd", "snapshots/", "snapshots/../1.tar.gz",
					      "snapshots/0.tar.gz", "snapshots/1.tar.gz/x"};
	struct history *h = *state;
	unsigned current;

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		cleanup_free char *command =
			str_printf("ln -sfn %s var/lib/fwsnap/current", targets[i]);

		assert_int_equal(history_run(h, command), 0);
		assert_int_equal(store_current(&h->store, &current), -EBADMSG);
	}
}

static void what_was_saved_is_loaded(void **state)
{
	struct history *h = *state;
	struct manifest m = {0};
	cleanup_buf struct buf part = BUF_INIT;
	unsigned id = save(h);

	assert_int_equal(store_manifest(&h->store, id, &m), 0);
	assert_int_equal(m.id, id);
	assert_string_equal(m.message, "why");
	assert_string_equal(m.rs.tables[2].name, "my filter");
	assert_int_equal(m.rs.tables[2].records.len, 0);
	manifest_release(&m);
	assert_int_equal(store_load(&h->store, id, &m), 0);
	assert_true(sample_is_whole(&m));
	manifest_release(&m);
	assert_int_equal(store_part(&h->store, id, "iptables.rules", &part), 0);
	assert_string_equal(buf_str(&part), "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n");
	assert_int_equal(store_part(&h->store, id, "nftables.rules", &part), -ENOENT);
	assert_int_equal(store_verify(&h->store, id), 0);
	assert_int_equal(store_verify(&h->store, 99), -ENOENT);
	manifest_release(&m);
}

static void a_snapshot_under_another_number_is_damage(void **state)
{
	struct history *h = *state;
	struct manifest m = {0};

	assert_int_equal(save(h), 1);
	assert_int_equal(history_run(h, "cp var/lib/fwsnap/snapshots/1.tar.gz "
					"var/lib/fwsnap/snapshots/2.tar.gz"),
			 0);
	assert_int_equal(store_manifest(&h->store, 2, &m), -EBADMSG);
	assert_int_equal(store_verify(&h->store, 2), -EBADMSG);
	manifest_release(&m);
}

static void references_are_resolved(void **state)
{
	static const struct {
		const char *ref;
		unsigned id; /* 0: -ENOENT */
	} rows[] = {
		{"1", 1},   {"3", 3},	 {"6", 6},    {"7", 0},	       {"0", 0},
		{"01", 0},  {"-1", 0},	 {"1x", 0},   {"good", 2},     {"Good", 0},
		{"@", 5},   {"@~0", 5},	 {"@~1", 4},  {"@~2", 2},      {"@~3", 1},
		{"@~4", 0}, {"@~", 0},	 {"@~-1", 0}, {"@1", 0},       {"@~1x", 0},
		{"", 0},    {"live", 0}, {"../1", 0}, {"1.tar.gz", 0}, {"@~9999999999999", 0},
	};
	struct history *h = *state;

	/* 1, 2 saved, 3 automatic, 4, 5 saved and current, 6 saved later, not current */
	for (unsigned id = 1; id <= 6; id++)
		assert_int_equal(sample_save(&h->store, "", id == 3, id < 6 && id != 3), id);
	assert_int_equal(store_tag(&h->store, 2, "good"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned id;
		int r = store_resolve(&h->store, rows[i].ref, &id);

		if (r != (rows[i].id ? 0 : -ENOENT) || id != rows[i].id)
			fail_msg("'%s': %d, %u", rows[i].ref, r, id);
	}
}

static void a_tag_is_a_name(void **state)
{
	static const struct {
		const char *tag;
		bool valid;
	} rows[] = {
		{"good", true},
		{"v1.0-rc_2", true},
		{"lives", true},
		{"", false},
		{"1st", false},
		{"-x", false},
		{"a b", false},
		{"a/b", false},
		{"live", false},
		{"text", false},
		{"pending", false},
		{"@", false},
		{"a\n", false},
		{"\xc3\xa4", false},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", true},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (store_tag_valid(rows[i].tag) != rows[i].valid)
			fail_msg("'%s'", rows[i].tag);
}

static void tagging_changes_the_tags_and_nothing_else(void **state)
{
	struct history *h = *state;
	struct manifest m = {0};
	unsigned one = save(h), two = save(h);

	assert_int_equal(history_run(h, "tail -c 100 var/lib/fwsnap/snapshots/1.tar.gz >tail"), 0);
	assert_int_equal(store_tag(&h->store, one, "good"), 0);
	assert_int_equal(store_tag(&h->store, one, "good"), 0);
	assert_int_equal(store_tag(&h->store, one, "better"), 0);
	assert_int_equal(store_tag(&h->store, two, "good"), -EEXIST);
	assert_int_equal(store_tag(&h->store, two, "live"), -EINVAL);
	assert_int_equal(store_tag(&h->store, 99, "other"), -ENOENT);
	assert_int_equal(store_manifest(&h->store, one, &m), 0);
	assert_int_equal(m.tags.n, 2);
	assert_string_equal(m.tags.s[0], "good");
	assert_string_equal(m.tags.s[1], "better");
	assert_string_equal(m.message, "why");
	manifest_release(&m);
	assert_int_equal(store_verify(&h->store, one), 0);
	assert_int_equal(
		history_run(h, "tail -c 100 var/lib/fwsnap/snapshots/1.tar.gz | cmp - tail"), 0);
	assert_int_equal(store_untag(&h->store, "good"), 0);
	assert_int_equal(store_untag(&h->store, "good"), -ENOENT);
	assert_int_equal(store_manifest(&h->store, one, &m), 0);
	assert_int_equal(m.tags.n, 1);
	manifest_release(&m);
	assert_int_equal(history_run(h, "ls -A var/lib/fwsnap/snapshots | tr '\\n' ' ' | "
					"grep -qx '1.tar.gz 2.tar.gz '"),
			 0);
}

static void pruning_keeps_current_tagged_and_unreadable_ones(void **state)
{
	/* 1 tagged, 2 unreadable, 3 to 5 saved, 6 to 8 automatic, 9 current */
	static const struct {
		unsigned keep, automatic;
		const char *left;
	} rows[] = {
		{50, 10, "1 2 3 4 5 6 7 8 9 "},
		{2, 10, "1 2 4 5 6 7 8 9 "},
		{50, 1, "1 2 3 4 5 8 9 "},
		{0, 0, "1 2 9 "},
	};
	struct history *h = *state;

	for (unsigned id = 1; id <= 9; id++)
		assert_int_equal(sample_save(&h->store, "", id >= 6 && id <= 8, id == 9), id);
	assert_int_equal(store_tag(&h->store, 1, "good"), 0);
	assert_int_equal(history_run(h, "echo damage >var/lib/fwsnap/snapshots/2.tar.gz && "
					"cp -a var/lib/fwsnap/snapshots all"),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free unsigned *would = NULL, *did = NULL;
		cleanup_free char *check = str_printf("test \"$(ls var/lib/fwsnap/snapshots | sed "
						      "'s/.tar.gz//' | tr '\\n' ' ')\" = '%s' "
						      "&& cp -a all/. var/lib/fwsnap/snapshots/",
						      rows[i].left);
		size_t nwould = 0, ndid = 0;

		assert_int_equal(store_prune(&h->store, rows[i].keep, rows[i].automatic, true,
					     &would, &nwould),
				 0);
		assert_int_equal(history_run(h, "diff -r all var/lib/fwsnap/snapshots"), 0);
		assert_int_equal(
			store_prune(&h->store, rows[i].keep, rows[i].automatic, false, &did, &ndid),
			0);
		assert_int_equal(nwould, ndid);
		if (ndid)
			assert_memory_equal(would, did, ndid * sizeof(*did));
		if (history_run(h, check))
			fail_msg("keep %u, %u", rows[i].keep, rows[i].automatic);
	}
}

static int memory_file(const void *data, size_t n)
{
	int fd = memfd_create("snapshot", MFD_CLOEXEC);

	assert_int_equal(file_write_all(fd, data, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int read_bytes(const void *data, size_t n, struct manifest *m)
{
	cleanup_close int fd = memory_file(data, n);

	return snapshot_read(fd, "test", m);
}

static void saved_bytes(struct history *h, struct buf *file)
{
	cleanup_free char *path = store_path(&h->store, save(h));

	assert_int_equal(file_read(path, 1 << 20, file), 0);
}

static void every_cut_is_damage(void **state)
{
	cleanup_buf struct buf file = BUF_INIT;
	int err;

	saved_bytes(*state, &file);
	err = mute();
	for (size_t n = 0; n <= file.len; n++) {
		struct manifest m = {0};
		int r = read_bytes(file.data, n, &m);

		manifest_release(&m);
		if (r != (n < file.len ? -EBADMSG : 0)) {
			unmute(err);
			fail_msg("%zu bytes of %zu: %d", n, file.len, r);
		}
	}
	unmute(err);
}

/*
 * Some bits say nothing about the content: the time in a gzip header, a distance at which there are
 * zeros too, ...: whatever is read all the same has to be exactly what was saved.
 */
static void every_flipped_bit_is_damage_or_changes_nothing(void **state)
{
	cleanup_buf struct buf file = BUF_INIT, want = BUF_INIT;
	struct manifest m = {0};
	int err;

	saved_bytes(*state, &file);
	assert_int_equal(read_bytes(file.data, file.len, &m), 0);
	manifest_format(&m, &want);
	manifest_release(&m);
	err = mute();
	for (size_t i = 0; i < file.len * 8; i++) {
		cleanup_buf struct buf have = BUF_INIT;
		bool fine;
		int r;

		file.data[i / 8] ^= (unsigned char)(1 << i % 8);
		r = read_bytes(file.data, file.len, &m);
		if (!r)
			manifest_format(&m, &have);
		fine = r == -EBADMSG ||
		       (!r && sample_is_whole(&m) && !strcmp(buf_str(&have), buf_str(&want)));
		manifest_release(&m);
		file.data[i / 8] ^= (unsigned char)(1 << i % 8);
		if (!fine) {
			unmute(err);
			fail_msg("bit %zu: %d", i, r);
		}
	}
	unmute(err);
}

/*
 * An archive made by hand: what MANIFEST says after its head ("#" is the digest of "hello"), and
 * the entries that follow.
 */
struct forged {
	const char *what, *manifest;
	const char *entries[3][2];
	int r;
};

static int forge(const struct forged *f, struct manifest *m)
{
	cleanup_close int body = memory_file("", 0), fd = memory_file("", 0);
	cleanup_buf struct buf text = BUF_INIT;
	struct archive_writer *w;
	char hello[DIGEST_HEX];

	digest_hex(digest_of("hello", 5), hello);
	buf_add_str(&text, "format: 1\nid: 1\n");
	for (const char *p = f->manifest; *p; p++)
		buf_add(&text, *p == '#' ? hello : p, *p == '#' ? strlen(hello) : 1);
	assert_int_equal(archive_writer_new(&w, body), 0);
	for (size_t i = 0; i < 3 && f->entries[i][0]; i++)
		assert_int_equal(archive_add(w, f->entries[i][0], f->entries[i][1],
					     strlen(f->entries[i][1])),
				 0);
	assert_int_equal(archive_finish(w, text.data, text.len, fd), 0);
	archive_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return snapshot_read(fd, "forged", m);
}

static void what_manifest_does_not_vouch_for_is_damage(void **state)
{
#define TABLE(size, name)                                                                          \
	"table: nft ip fixed=00000000000000000000000000000000 "                                    \
	"dynamic=00000000000000000000000000000000 chains=0 rules=0 sets=0 elements=0 objects=0 "   \
	"size=" size " empty=0 proof=exact name=" name "\n"
#define PART(size, name) "part: # " size " " name "\n"
	static const struct forged rows[] = {
		{"nothing", "", {{0}}, 0},
		{"a part", PART("5", "x"), {{"x", "hello"}}, 0},
		{"records",
		 TABLE("5", "a") PART("5", "exact/0001.nft"),
		 {{"exact/0001.nft", "hello"}},
		 0},
		{"records in pieces, an empty table between",
		 TABLE("10", "a") TABLE("0", "b") TABLE("5", "c") PART("5", "exact/0001.nft")
			 PART("5", "exact/0002.nft") PART("5", "exact/0003.nft"),
		 {{"exact/0001.nft", "hello"},
		  {"exact/0002.nft", "hello"},
		  {"exact/0003.nft", "hello"}},
		 0},
		{"an entry more", "", {{"x", "hello"}}, -EBADMSG},
		{"a part that is missing", PART("5", "x"), {{0}}, -EBADMSG},
		{"another name", PART("5", "x"), {{"y", "hello"}}, -EBADMSG},
		{"another size", PART("6", "x"), {{"x", "hello"}}, -EBADMSG},
		{"another content", PART("5", "x"), {{"x", "hellO"}}, -EBADMSG},
		{"another order",
		 PART("5", "x") PART("5", "y"),
		 {{"y", "hello"}, {"x", "hello"}},
		 -EBADMSG},
		{"records of no table",
		 PART("5", "exact/0001.nft"),
		 {{"exact/0001.nft", "hello"}},
		 -EBADMSG},
		{"table without its records", TABLE("5", "a"), {{0}}, -EBADMSG},
		{"more records than the table has",
		 TABLE("4", "a") PART("5", "exact/0001.nft"),
		 {{"exact/0001.nft", "hello"}},
		 -EBADMSG},
		{"fewer records than the table has",
		 TABLE("6", "a") PART("5", "exact/0001.nft"),
		 {{"exact/0001.nft", "hello"}},
		 -EBADMSG},
		{"records of another engine",
		 TABLE("5", "a") PART("5", "exact/0001.ipset"),
		 {{"exact/0001.ipset", "hello"}},
		 -EBADMSG},
		{"wrong number of a piece",
		 TABLE("5", "a") PART("5", "exact/0002.nft"),
		 {{"exact/0002.nft", "hello"}},
		 -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct manifest m = {0};
		int r = forge(&rows[i], &m);

		manifest_release(&m);
		if (r != rows[i].r)
			fail_msg("%s: %d", rows[i].what, r);
	}
}

static void a_newer_format_is_refused_as_such(void **state)
{
	cleanup_close int body = memory_file("", 0), fd = memory_file("", 0);
	struct archive_writer *w;
	struct manifest m = {0};

	(void)state;
	assert_int_equal(archive_writer_new(&w, body), 0);
	assert_int_equal(archive_finish(w, "format: 2\nnew: world\n", 21, fd), 0);
	archive_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(snapshot_read(fd, "newer", &m), -ENOTSUP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, history_setup, history_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_store_that_is_not_there_is_told_apart),
		TEST(a_store_is_for_its_owner_alone),
		TEST(a_store_of_another_user_or_behind_a_link_is_refused),
		TEST(ids_grow_and_current_follows_saves_only),
		TEST(a_current_that_points_elsewhere_is_damage),
		TEST(what_was_saved_is_loaded),
		TEST(a_snapshot_under_another_number_is_damage),
		TEST(references_are_resolved),
		TEST(a_tag_is_a_name),
		TEST(tagging_changes_the_tags_and_nothing_else),
		TEST(pruning_keeps_current_tagged_and_unreadable_ones),
		TEST(every_cut_is_damage),
		TEST(every_flipped_bit_is_damage_or_changes_nothing),
		cmocka_unit_test(what_manifest_does_not_vouch_for_is_damage),
		cmocka_unit_test(a_newer_format_is_refused_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
