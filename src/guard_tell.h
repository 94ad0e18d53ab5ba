/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_tell - how a change that nobody confirmed came to its end, told to whom it may concern
 */
#ifndef FWSNAP_GUARD_TELL_H
#define FWSNAP_GUARD_TELL_H

#include "guard_record.h"

/*
 * Says on every terminal of utmpx(5), on that of the caller, and in syslog(3) what became of it (undone, lost,
 * or undoing: it is held up), why, the conflicts, the files that are not undone; `said`: what was logged meanwhile (NULL: nothing).
 * Waits for no terminal.
 */
void guard_tell(const struct record *r, enum guard_state state, const char *why, const char *said);
/* The same for lines that concern the log alone. */
void guard_tell_log(const char *text);

#endif
