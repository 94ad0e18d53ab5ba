/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keyvalue.h"

#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static int read_line(char *text, const char *path, unsigned line, keyvalue_function *fn, void *arg)
{
	char *s = trim(text), *value = strchr(s, '=');

	if (!*s || *s == '#')
		return 0;
	if (!value) {
		log_error("%s:%u: '%s' is not 'key = value'", path, line, s);
		return -EINVAL;
	}
	*value++ = '\0';
	return fn(arg, trim(s), trim(value), line);
}

int keyvalue_each(struct buf *content, const char *path, keyvalue_function *fn, void *arg)
{
	char *s = buf_str(content), *next;
	unsigned line = 0;
	int r = 0;

	if (strlen(s) != content->len) {
		log_error("%s: it has a NUL byte", path);
		return -EINVAL;
	}
	for (; s && !r; s = next) {
		next = strchr(s, '\n');
		if (next)
			*next++ = '\0';
		r = read_line(s, path, ++line, fn, arg);
	}
	return r;
}
