/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_tell.h"

#include "fault.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#include <utmpx.h>

/* More than any host has; bounds the work. */
#define TERMINALS 1000

static const char *outcome(enum guard_state state)
{
	switch (state) {
	case GUARD_UNDONE:
		return "it is undone, the old rules are back";
	case GUARD_LOST:
		return "the old rules could NOT be wholly brought back";
	default:
		return "the old rules are NOT back yet, it is tried again and again";
	}
}

static void report(struct buf *out, const struct record *r, enum guard_state state, const char *why)
{
	const struct pending *p = &r->pending;

	buf_printf(out, "fwsnap: '%s'%s%s %s: %s\n", p->what, p->user ? " of " : "",
		   p->user ? p->user : "", why, outcome(state));
	for (size_t i = 0; i < p->conflicts.n; i++)
		buf_printf(out, "fwsnap: changed by others too, undone all the same: %s\n",
			   p->conflicts.s[i]);
	for (size_t i = 0; i < p->touched.n; i++)
		buf_printf(out, "fwsnap: NOT undone: %s\n", p->touched.s[i]);
	if (p->deadline)
		buf_add_str(out, "fwsnap: connections admitted meanwhile stay open (conntrack)\n");
}

/* A terminal's line discipline may be raw: each line begins at the left. */
static void terminal_text(struct buf *out, const char *text)
{
	buf_add_str(out, "\r\n");
	for (; *text; text++)
		buf_printf(out, *text == '\n' ? "\r%c" : "%c", *text);
}

/* Non-blocking: a terminal that is stopped or full is passed over. */
static void tell_terminal(const char *path, const struct buf *text)
{
	cleanup_close int fd = -1;

	if (strncmp(path, "/dev/", 5) || strstr(path, "/../"))
		return;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && isatty(fd))
		(void)!write(fd, text->data, text->len);
}

static void tell_terminals(const struct record *r, const char *text)
{
	cleanup_strlist struct strlist terminals = {NULL, 0};
	cleanup_buf struct buf lines = BUF_INIT;

	terminal_text(&lines, text);
	if (r->terminal)
		strlist_add(&terminals, r->terminal);
	setutxent();
	for (struct utmpx *u; terminals.n < TERMINALS && (u = getutxent());) {
		cleanup_free char *path =
			str_printf("/dev/%.*s", (int)sizeof(u->ut_line), u->ut_line);

		if (u->ut_type == USER_PROCESS)
			strlist_add_once(&terminals, path);
	}
	endutxent();
	for (size_t i = 0; i < terminals.n; i++)
		tell_terminal(terminals.s[i], &lines);
}

void guard_tell_log(const char *text)
{
	cleanup_free char *copy = str_dup(text);

	/* without a log daemon there is nothing, and libc would go to the console */
	if (access("/dev/log", F_OK))
		return;
	openlog("fwsnap", LOG_PID, LOG_AUTHPRIV);
	for (char *rest = copy, *line; (line = strsep(&rest, "\n"));)
		if (*line)
			syslog(LOG_WARNING, "%s", strncmp(line, "fwsnap: ", 8) ? line : line + 8);
	closelog();
}

void guard_tell(const struct record *r, enum guard_state state, const char *why, const char *said)
{
	cleanup_buf struct buf text = BUF_INIT;

	report(&text, r, state, why);
	if (said)
		buf_add_str(&text, said);
	fault_point("guard-tell");
	tell_terminals(r, buf_str(&text));
	guard_tell_log(buf_str(&text));
	fault_point("guard-told");
}
