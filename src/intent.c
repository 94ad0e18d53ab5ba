/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "intent.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define INTENT_LIMIT (1U << 20)

void intent_release(struct intent *in)
{
	for (size_t i = 0; i < in->ntexts; i++)
		free(in->texts[i].path);
	free(in->texts);
	*in = (struct intent){0};
}

const struct intent_text *intent_text(const struct intent *in, const char *path)
{
	for (size_t i = 0; i < in->ntexts; i++)
		if (!strcmp(in->texts[i].path, path))
			return &in->texts[i];
	return NULL;
}

static bool has_control(const char *s)
{
	while (*s && !iscntrl((unsigned char)*s))
		s++;
	return *s;
}

int intent_write(const struct intent *in, const char *file)
{
	cleanup_buf struct buf out = BUF_INIT;

	buf_printf(&out, "intent: 1\nnew: %u\nmade: %d\nsuffix: %s\n", in->new, in->made,
		   in->suffix);
	for (size_t i = 0; i < in->ntexts; i++) {
		const struct intent_text *t = &in->texts[i];
		char hex[DIGEST_HEX] = "-";

		if (has_control(t->path))
			return -EINVAL;
		if (t->there)
			digest_hex(t->old, hex);
		buf_printf(&out, "%s: %s %s\n", t->place ? "place" : "remove", hex, t->path);
	}
	return file_replace(file, out.data, out.len);
}

static int parse_text(struct intent *in, char *line)
{
	char *key = strsep(&line, " "), *hex = strsep(&line, " ");
	struct intent_text t = {.place = !strcmp(key, "place:")};

	if (!line || *line != '/' || (!t.place && strcmp(key, "remove:")))
		return -EBADMSG;
	t.there = strcmp(hex, "-");
	if (t.there && digest_parse(hex, &t.old) < 0)
		return -EBADMSG;
	t.path = str_dup(line);
	*(struct intent_text *)array_grow(&in->texts, &in->ntexts, sizeof(t)) = t;
	return 0;
}

static int parse(struct intent *in, char *text)
{
	unsigned made;
	int head = 0;

	if (sscanf(text, "intent: 1\nnew: %9u\nmade: %1u\nsuffix: %6[a-z2-7]\n%n", &in->new, &made,
		   in->suffix, &head) != 3 ||
	    !head || !in->new || made > 1 || strlen(in->suffix) != FILE_SUFFIX - 1)
		return -EBADMSG;
	in->made = made;
	for (char *rest = text + head, *line; (line = strsep(&rest, "\n")) && rest;)
		if (parse_text(in, line) < 0)
			return -EBADMSG;
	return 0;
}

int intent_read(struct intent *in, const char *file)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = file_read(file, INTENT_LIMIT, &text);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = parse(in, buf_str(&text));
	if (r < 0)
		intent_release(in);
	return r < 0 ? r : 1;
}
