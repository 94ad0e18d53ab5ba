/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_process - the process that stands behind a pending change
 */
#ifndef FWSNAP_GUARD_PROCESS_H
#define FWSNAP_GUARD_PROCESS_H

#include "guard_record.h"

/* Starts the guard of an armed record, and waits until it stands. 0 or -errno (logged). */
must_check int guard_start(const struct record *r);

#endif
