/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rehearse.h"

#include "file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A million elements of an nft set are 32 MiB a field; what is larger is no ruleset that text can
 * carry. */
#define FILE_LIMIT (256U << 20)

static int open_file(const char *name)
{
	struct stat st;
	int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
		close(fd);
		return -EISDIR;
	}
	return fd;
}

static unsigned line_of(const struct buf *text, const void *place)
{
	unsigned line = 1;

	for (const unsigned char *p = text->data; p < (const unsigned char *)place; p++)
		line += *p == '\n';
	return line;
}

/* Whether it is text that the programs can take: 0 or -EINVAL (logged). */
static int check_bytes(const struct rehearse_file *f)
{
	const struct buf *b = &f->content;
	const void *nul = b->len ? memchr(b->data, '\0', b->len) : NULL;
	const void *carriage = b->len ? memmem(b->data, b->len, "\r\n", 2) : NULL;

	if (!b->len)
		log_error("'%s' is empty", f->name);
	else if (nul)
		log_error("'%s' is no text: line %u has a zero byte", f->name, line_of(b, nul));
	else if (b->len >= 3 && !memcmp(b->data, "\xef\xbb\xbf", 3))
		log_error("'%s' begins with a byte order mark: \"sed -i '1s/^\\xef\\xbb\\xbf//' "
			  "FILE\" "
			  "removes it",
			  f->name);
	else if (carriage)
		log_error("'%s' has line ends of another system (CR LF) in line %u: \"sed -i "
			  "'s/\\r$//' FILE\" mends them",
			  f->name, line_of(b, carriage));
	else
		return 0;
	return -EINVAL;
}

/* Whether anything but blanks and comments is there. */
static bool says_something(const struct buf *text)
{
	bool begins = true, comment = false;

	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = text->data[i];

		if (c == '\n') {
			begins = true;
			comment = false;
		} else if (c != ' ' && c != '\t') {
			comment = comment || (begins && c == '#');
			begins = false;
			if (!comment)
				return true;
		}
	}
	return false;
}

static int find_kind(struct rehearse_file *f, int type)
{
	int kind = type >= 0 ? type : text_guess(&f->content, f->name);

	if (!says_something(&f->content))
		log_error("'%s' has no rules, only comments", f->name);
	else if (kind < 0)
		log_error("'%s' is no text of iptables, ip6tables, nft or ipset: its first line is "
			  "none of theirs (--type tells which it is)",
			  f->name);
	else
		f->kind = (enum text_kind)kind;
	return kind < 0 || !says_something(&f->content) ? -EINVAL : 0;
}

int rehearse_read(const char *name, int type, struct rehearse_file *file)
{
	cleanup_close int fd = open_file(name);
	int r = fd < 0 ? fd : 0;

	*file = (struct rehearse_file){.name = strcmp(name, "-") ? name : "standard input"};
	if (!r)
		r = file_read_fd(fd, FILE_LIMIT, &file->content);
	if (r == -EFBIG)
		log_error("'%s' is larger than %u MiB", file->name, FILE_LIMIT >> 20);
	else if (r < 0)
		log_errno(r, "cannot read '%s'", file->name);
	else
		r = check_bytes(file);
	if (!r)
		r = find_kind(file, type);
	if (r < 0)
		rehearse_file_release(file);
	return r < 0 ? r : 0;
}

void rehearse_file_release(struct rehearse_file *file)
{
	buf_release(&file->content);
}
