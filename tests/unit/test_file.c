/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap: write read fsync renameat */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What the next calls do instead of the real thing: an errno, or at most this many bytes. */
static struct {
	int write_errno, read_errno, fsync_errno, rename_errno;
	unsigned fsync_pass; /* calls of fsync that succeed first */
	size_t most;
	bool interrupt; /* EINTR before each real call */
} fail;

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);

static bool interrupted(void)
{
	static bool last;

	if (!fail.interrupt)
		return false;
	last = !last;
	errno = EINTR;
	return last;
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (interrupted())
		return -1;
	errno = fail.write_errno;
	return errno ? -1 : __real_write(fd, p, fail.most && n > fail.most ? fail.most : n);
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
	if (interrupted())
		return -1;
	errno = fail.read_errno;
	return errno ? -1 : __real_read(fd, p, fail.most && n > fail.most ? fail.most : n);
}

int __wrap_fsync(int fd)
{
	if (fail.fsync_pass) {
		fail.fsync_pass--;
		return __real_fsync(fd);
	}
	errno = fail.fsync_errno;
	return errno ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from, const char *old, int to, const char *new)
{
	errno = fail.rename_errno;
	return errno ? -1 : __real_renameat(from, old, to, new);
}

static char dir[64], path[96];

static int setup(void **state)
{
	(void)state;
	memset(&fail, 0, sizeof(fail));
	strcpy(dir, "/tmp/fwsnap-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/rules", dir);
	return 0;
}

static int run(const char *command)
{
	cleanup_free char *line = str_printf("cd %s && %s", dir, command);

	return system(line);
}

static int teardown(void **state)
{
	cleanup_free char *line = str_printf("rm -rf %s", dir);

	(void)state;
	memset(&fail, 0, sizeof(fail));
	return system(line);
}

static void assert_content(const char *want)
{
	cleanup_buf struct buf have = BUF_INIT;

	assert_int_equal(file_read(path, 1 << 20, &have), 0);
	assert_string_equal(buf_str(&have), want);
}

/* Nothing but the named file is in the folder. */
static void assert_no_leftover(void)
{
	assert_int_equal(run("test \"$(ls -A | grep -v '^rules$')\" = ''"), 0);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_mode & 07777;
}

static void short_and_interrupted_writes_are_continued(void **state)
{
	(void)state;
	fail.most = 3;
	fail.interrupt = true;
	assert_int_equal(file_replace(path, "0123456789", 10), 0);
	assert_content("0123456789");
	assert_no_leftover();
}

static void an_error_leaves_the_old_file_whole_and_nothing_else(void **state)
{
	static const struct {
		const char *step;
		int write_errno, fsync_errno, rename_errno;
	} rows[] = {
		{"write", ENOSPC, 0, 0},
		{"fsync", 0, EIO, 0},
		{"rename", 0, 0, EROFS},
	};

	(void)state;
	assert_int_equal(file_replace(path, "old", 3), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fail.write_errno = rows[i].write_errno;
		fail.fsync_errno = rows[i].fsync_errno;
		fail.rename_errno = rows[i].rename_errno;
		assert_int_equal(file_replace(path, "new", 3),
				 -(fail.write_errno + fail.fsync_errno + fail.rename_errno));
		memset(&fail, 0, sizeof(fail));
		assert_content("old");
		assert_no_leftover();
	}
}

static void a_failed_fsync_of_the_folder_is_told(void **state)
{
	(void)state;
	fail.fsync_pass = 1;
	fail.fsync_errno = EIO;
	assert_int_equal(file_replace(path, "new", 3), -EIO);
	assert_no_leftover();
}

static void reads_are_bounded(void **state)
{
	cleanup_buf struct buf have = BUF_INIT;

	(void)state;
	assert_int_equal(file_replace(path, "0123456789", 10), 0);
	fail.most = 4;
	fail.interrupt = true;
	assert_int_equal(file_read(path, 10, &have), 0);
	assert_int_equal(have.len, 10);
	assert_int_equal(file_read(path, 9, &have), -EFBIG);
	fail.interrupt = false;
	fail.read_errno = EIO;
	assert_int_equal(file_read(path, 10, &have), -EIO);
}

static void only_regular_files_are_read_and_replaced(void **state)
{
	static const struct {
		const char *make;
		int r;
	} rows[] = {
		{"ln -s /etc/passwd rules", -ELOOP},
		{"ln -s nowhere rules", -ELOOP},
		{"mkdir rules", -EISDIR},
		{"mkfifo rules", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf have = BUF_INIT;

		assert_int_equal(run(rows[i].make), 0);
		assert_int_equal(file_read(path, 100, &have), rows[i].r);
		assert_int_equal(file_replace(path, "x", 1), rows[i].r);
		assert_no_leftover();
		assert_int_equal(run("rm -rf rules"), 0);
	}
}

static void a_folder_that_another_user_can_write_to_is_refused(void **state)
{
	static const struct {
		mode_t mode;
		int r;
	} rows[] = {{0700, 0}, {0755, 0}, {0777, -EPERM}, {0775, -EPERM}, {01777, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(chmod(dir, rows[i].mode), 0);
		assert_int_equal(file_replace(path, "x", 1), rows[i].r);
		assert_int_equal(file_replace_link(path, "x"), rows[i].r ? rows[i].r : -EEXIST);
		assert_int_equal(file_remove(path), rows[i].r);
	}
}

static void a_folder_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("not root: cannot give a folder to another user\n");
		skip();
	}
	assert_int_equal(chown(dir, 12345, 0), 0);
	assert_int_equal(file_replace(path, "x", 1), -EPERM);
}

static void a_mode_never_gets_wider(void **state)
{
	static const struct {
		mode_t old, new;
	} rows[] = {{0600, 0600}, {0640, 0640}, {0644, 0640},
		    {0400, 0400}, {0777, 0640}, {04755, 0640}};

	(void)state;
	assert_int_equal(file_replace(path, "x", 1), 0);
	assert_int_equal(mode_of(path), 0600);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(chmod(path, rows[i].old), 0);
		assert_int_equal(file_replace(path, "x", 1), 0);
		assert_int_equal(mode_of(path), rows[i].new);
	}
}

static void owner_and_group_stay(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid()) {
		print_message("not root: cannot give a file to another user\n");
		skip();
	}
	assert_int_equal(file_replace(path, "x", 1), 0);
	assert_int_equal(chown(path, 12, 34), 0);
	assert_int_equal(file_replace(path, "y", 1), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
}

static void a_cancelled_file_leaves_nothing(void **state)
{
	struct file_new f = {0};

	(void)state;
	file_new_cancel(&f);
	assert_int_equal(file_new_open(&f, path, NULL), 0);
	assert_int_equal(file_write_all(f.fd, "x", 1), 0);
	assert_int_equal(file_new_sync(&f), 0);
	file_new_cancel(&f);
	file_new_cancel(&f);
	assert_int_equal(run("test \"$(ls -A)\" = ''"), 0);
}

static void a_temporary_of_a_chosen_suffix_is_never_taken_over(void **state)
{
	struct file_new f, again;
	cleanup_free char *temp = file_temp(path, "abcdef");

	(void)state;
	assert_int_equal(file_new_open(&f, path, "abcdef"), 0);
	assert_string_equal(f.temp, temp);
	assert_int_equal(file_new_open(&again, path, "abcdef"), -EEXIST);
	assert_int_equal(access(temp, F_OK), 0);
	assert_int_equal(file_new_commit(&f), 0);
	assert_int_equal(file_rename(temp, path), -ENOENT);
}

static void a_link_is_replaced_by_a_link(void **state)
{
	char target[32] = "";

	(void)state;
	assert_int_equal(file_replace_link(path, "one"), 0);
	fail.rename_errno = EIO;
	assert_int_equal(file_replace_link(path, "two"), -EIO);
	fail.rename_errno = 0;
	assert_int_equal(readlink(path, target, sizeof(target) - 1), 3);
	assert_string_equal(target, "one");
	assert_int_equal(file_replace_link(path, "two"), 0);
	assert_int_equal(readlink(path, target, sizeof(target) - 1), 3);
	assert_string_equal(target, "two");
	assert_no_leftover();
}

static void folders_are_made_with_their_parents(void **state)
{
	cleanup_free char *deep = str_printf("%s/a/b//c", dir);
	cleanup_free char *a = str_printf("%s/a", dir);
	cleanup_free char *through = str_printf("%s/rules/x", dir);

	(void)state;
	assert_int_equal(file_mkdir(deep, 0700), 0);
	assert_int_equal(file_mkdir(deep, 0700), 0);
	assert_int_equal(mode_of(deep), 0700);
	assert_int_equal(mode_of(a), 0700);
	assert_int_equal(run("touch rules"), 0);
	assert_int_equal(file_mkdir(through, 0700), -ENOTDIR);
}

static void removing_what_is_absent_is_fine(void **state)
{
	cleanup_free char *nowhere = str_printf("%s/none/rules", dir);

	(void)state;
	assert_int_equal(file_remove(path), 0);
	assert_int_equal(file_remove(nowhere), 0);
	assert_int_equal(run("mkdir rules"), 0);
	assert_int_equal(file_remove(path), -EISDIR);
}

static void cleaning_takes_our_temporaries_only(void **state)
{
	(void)state;
	assert_int_equal(run("touch .rules.fwsnap-abcdef rules .fwsnap-abcdef .rules.fwsnap-abcde "
			     "x.rules.fwsnap-abcdef && ln -s x .current.fwsnap-abcdef && "
			     "mkdir .d.fwsnap-abcdef"),
			 0);
	file_clean(dir, "");
	assert_int_equal(run("test \"$(LC_ALL=C ls -A | tr '\\n' ' ')\" = "
			     "'.d.fwsnap-abcdef .fwsnap-abcdef .rules.fwsnap-abcde rules "
			     "x.rules.fwsnap-abcdef '"),
			 0);
}

static void an_unnamed_file_has_no_name(void **state)
{
	cleanup_close int fd = file_unnamed(dir);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, "x", 1), 0);
	assert_int_equal(run("test \"$(ls -A)\" = ''"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(short_and_interrupted_writes_are_continued),
		TEST(an_error_leaves_the_old_file_whole_and_nothing_else),
		TEST(a_failed_fsync_of_the_folder_is_told),
		TEST(reads_are_bounded),
		TEST(only_regular_files_are_read_and_replaced),
		TEST(a_folder_that_another_user_can_write_to_is_refused),
		TEST(a_folder_of_another_user_is_refused),
		TEST(a_mode_never_gets_wider),
		TEST(owner_and_group_stay),
		TEST(a_cancelled_file_leaves_nothing),
		TEST(a_temporary_of_a_chosen_suffix_is_never_taken_over),
		TEST(a_link_is_replaced_by_a_link),
		TEST(folders_are_made_with_their_parents),
		TEST(removing_what_is_absent_is_fine),
		TEST(cleaning_takes_our_temporaries_only),
		TEST(an_unnamed_file_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
