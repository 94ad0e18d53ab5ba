/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define WIPE "\r\033[K"

static enum log_level shown_level = LOG_NOTE;
static const char *state = "the firewall is unchanged";
static log_sink *line_sink;

static char step[128];
static size_t step_length; /* 0: no step under way, or no terminal to show it on */
static volatile sig_atomic_t step_shown;

/*
 * A step is one blocking call (a netlink batch, a child), so whoever shows it must run
 * beside it. A thread would not follow the main one into other namespaces and would be
 * lost by fork; a timer is cleared by fork, its handler by exec, and the handler here does nothing but
 * write(2) of a string made beforehand. SA_RESTART keeps it out of sight of read,
 * wait and the like; poll and sleep see EINTR once, as they may at any time.
 */
static void step_show(int signal_number)
{
	int saved = errno;

	(void)signal_number;
	if (write(STDERR_FILENO, step, step_length) > 0)
		step_shown = 1;
	errno = saved;
}

/* After this returns the handler cannot run: a signal that was due came before the return. */
static void step_stop(void)
{
	if (!step_length)
		return;
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	if (step_shown)
		fputs(WIPE, stderr);
	step_shown = 0;
}

static void step_start(void)
{
	struct sigaction action = {.sa_handler = step_show, .sa_flags = SA_RESTART};

	if (!step_length)
		return;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_sec = 1}, NULL);
}

void log_step(const char *name)
{
	step_stop();
	step_length = 0;
	if (!name || shown_level < LOG_NOTE || !isatty(STDERR_FILENO))
		return;
	snprintf(step, sizeof(step), WIPE "fwsnap: %s ...", name);
	step_length = strlen(step);
	step_start();
}

enum log_level log_set_level(enum log_level level)
{
	enum log_level before = shown_level;

	shown_level = level;
	return before;
}

void log_set_state(const char *text)
{
	state = text;
}

log_sink *log_set_sink(log_sink *sink)
{
	log_sink *before = line_sink;

	line_sink = sink;
	return before;
}

const char *log_state(void)
{
	return state;
}

/* Names, and what programs say of a text, may hold what a terminal would obey. Lines stay lines. */
static void add_lines(struct buf *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n\t");

		buf_add_visible(out, text, n);
		text += n;
		if (*text)
			buf_add(out, text++, 1);
	}
}

/* One write a message, so that those of two processes do not mix within a line. */
static void message(enum log_level level, int error, const char *format, va_list ap)
{
	cleanup_buf struct buf line = BUF_INIT, text = BUF_INIT;

	if (level > shown_level)
		return;
	buf_add_str(&line, level == LOG_WARNING ? "fwsnap: warning: " : "fwsnap: ");
	buf_vprintf(&text, format, ap);
	add_lines(&line, buf_str(&text));
	if (error)
		buf_printf(&line, ": %s", strerror(error));
	if (level == LOG_ERROR && state)
		buf_printf(&line, "; %s", state);
	buf_add_str(&line, "\n");
	if (line_sink) {
		line_sink(buf_str(&line));
		return;
	}
	step_stop();
	fwrite(line.data, 1, line.len, stderr);
	step_start();
}

void log_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(LOG_ERROR, 0, format, ap);
	va_end(ap);
}

int log_errno(int r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(LOG_ERROR, -r, format, ap);
	va_end(ap);
	return r;
}

void log_warning(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(LOG_WARNING, 0, format, ap);
	va_end(ap);
}

void log_note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(LOG_NOTE, 0, format, ap);
	va_end(ap);
}

void log_detail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(LOG_DETAIL, 0, format, ap);
	va_end(ap);
}
