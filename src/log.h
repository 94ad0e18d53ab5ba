/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - messages for people, on stderr
 *
 * The form is "fwsnap: cause; state": what failed with the subject in single
 * quotes, then what the firewall is now, no full stop. A failure is logged once,
 * by whoever knows the name of the file or object; everybody above passes the
 * -errno upward.
 */
#ifndef FWSNAP_LOG_H
#define FWSNAP_LOG_H

#include "buf.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTE, LOG_DETAIL };

/* Shows messages up to this level (default LOG_NOTE; -q LOG_ERROR; -v LOG_DETAIL). Returns the one before. */
enum log_level log_set_level(enum log_level level);

/*
 * What the firewall is now, appended to each error as "; STATE". Starts as
 * "the firewall is unchanged"; NULL appends nothing (commands that only look).
 */
void log_set_state(const char *state);
const char *log_state(void);

/* Where messages go, each a line with its newline; NULL: to stderr. Returns where they went before. */
typedef void log_sink(const char *line);
log_sink *log_set_sink(log_sink *sink);

/* "fwsnap: TEXT; STATE". Returns nothing: for errors that are not an errno. */
void log_error(const char *format, ...) printf_like(1, 2);
/* "fwsnap: TEXT: strerror(-r); STATE". Returns r (a negative errno), for return. */
int log_errno(int r, const char *format, ...) printf_like(2, 3);
/* "fwsnap: warning: TEXT" */
void log_warning(const char *format, ...) printf_like(1, 2);
/* "fwsnap: TEXT", hidden by -q */
void log_note(const char *format, ...) printf_like(1, 2);
/* "fwsnap: TEXT", shown by -v only */
void log_detail(const char *format, ...) printf_like(1, 2);

/*
 * Names the step that begins. When stderr is a terminal and a step takes more
 * than a second, its name is shown there ("fwsnap: proving the text ...") and
 * wiped when the next begins; NULL ends the last one.
 */
void log_step(const char *name);

#endif
