/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_record.h"

#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RECORD_LIMIT (1U << 20)

const char *const boot_rungs[BOOT_RUNGS] = {
	[BOOT_UNKNOWN] = "unknown",   [BOOT_NOTHING] = "nothing", [BOOT_EDITED] = "edited",
	[BOOT_EXACT] = "exact",	      [BOOT_PARTLY] = "partly",	  [BOOT_TEXT] = "text",
	[BOOT_OLDER] = "older",	      [BOOT_FILES] = "files",	  [BOOT_LOCKDOWN] = "lockdown",
	[BOOT_FAILED] = "failed",
};

void boot_record_release(struct boot_record *r)
{
	strlist_release(&r->missing);
	strlist_release(&r->reasons);
	*r = (struct boot_record){0};
}

bool boot_record_done(const struct boot_record *r)
{
	return r->rung > BOOT_NOTHING && r->rung < BOOT_FAILED;
}

bool boot_record_can_do_more(const struct boot_record *r)
{
	for (size_t i = 0; i < r->missing.n; i++)
		if (!if_nametoindex(r->missing.s[i]))
			return false;
	return r->missing.n;
}

char *boot_record_text(const struct boot_record *r)
{
	switch (r->rung) {
	case BOOT_NOTHING:
		return str_dup("nothing was saved, nothing was loaded");
	case BOOT_EDITED:
		return r->snapshot ? str_printf("the edited text files, the rest of snapshot %u", r->snapshot)
				   : str_dup("the text files");
	case BOOT_EXACT:
		return str_printf("snapshot %u, exactly", r->snapshot);
	case BOOT_PARTLY:
		return str_printf("snapshot %u, not all of it exactly", r->snapshot);
	case BOOT_TEXT:
		return str_printf("the texts of snapshot %u", r->snapshot);
	case BOOT_OLDER:
		return str_printf("the older snapshot %u", r->snapshot);
	case BOOT_FILES:
		return str_dup("the text files");
	case BOOT_LOCKDOWN:
		return str_dup("lockdown: nothing else could be loaded");
	case BOOT_FAILED:
		return str_dup("NOTHING could be loaded");
	default:
		return str_dup("unknown");
	}
}

static char *record_path(const char *root, const struct netns_id *where)
{
	return str_printf("%s/run/fwsnap/boot.%llu", root, (unsigned long long)where->cookie);
}

static enum boot_rung rung_named(const char *word)
{
	for (int i = 0; i < BOOT_RUNGS; i++)
		if (!strcmp(boot_rungs[i], word))
			return (enum boot_rung)i;
	return BOOT_UNKNOWN;
}

static void parse_line(struct boot_record *r, char *line, const char **boot)
{
	char *value = strstr(line, ": ");

	if (!value)
		return;
	*value = '\0';
	value += 2;
	if (!strcmp(line, "boot"))
		*boot = value;
	else if (!strcmp(line, "when"))
		r->when = strtoll(value, NULL, 10);
	else if (!strcmp(line, "rung"))
		r->rung = rung_named(value);
	else if (!strcmp(line, "snapshot"))
		r->snapshot = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(line, "lower"))
		r->lower = *value == '1';
	else if (!strcmp(line, "missing"))
		strlist_add(&r->missing, value);
	else if (!strcmp(line, "ruleset"))
		(void)!digest_parse(value, &r->ruleset);
	else if (!strcmp(line, "reason"))
		strlist_add(&r->reasons, value);
}

int boot_record_read(struct boot_record *r, const char *root)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_free char *path = NULL;
	const char *boot = "";
	struct netns_id where;
	int e = netns_identify(&where);

	if (e)
		return e;
	path = record_path(root, &where);
	e = file_read(path, RECORD_LIMIT, &text);
	if (e)
		return e == -ENOENT ? 0 : e;
	for (char *rest = buf_str(&text), *line; (line = strsep(&rest, "\n"));)
		parse_line(r, line, &boot);
	if (strcmp(boot, where.boot))
		boot_record_release(r);
	return 0;
}

static void put_list(struct buf *out, const char *key, const struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		buf_printf(out, "%s: ", key);
		buf_add_visible(out, l->s[i], strlen(l->s[i]));
		buf_add_str(out, "\n");
	}
}

int boot_record_write(const struct boot_record *r, const char *root)
{
	cleanup_free char *folder = str_printf("%s/run/fwsnap", root), *path = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	char hex[DIGEST_HEX];
	struct netns_id where;
	int e = netns_identify(&where);

	if (e)
		return e;
	path = record_path(root, &where);
	buf_printf(&text, "boot: %s\nwhen: %lld\nrung: %s\nlower: %d\n", where.boot,
		   (long long)r->when, boot_rungs[r->rung], r->lower);
	if (r->snapshot)
		buf_printf(&text, "snapshot: %u\n", r->snapshot);
	if (r->missing.n) {
		digest_hex(r->ruleset, hex);
		buf_printf(&text, "ruleset: %s\n", hex);
	}
	put_list(&text, "missing", &r->missing);
	put_list(&text, "reason", &r->reasons);
	e = file_mkdir(folder, 0700);
	return e ? e : file_replace(path, text.data, text.len);
}
