/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault - named points at which a test ends the process, as a crash would
 *
 * Compiled in with -DFAULT_POINTS only. Environment FWSNAP_FAULT:
 *   NAME or NAME:N   _exit(77) when the point is passed the first (the Nth) time
 *   list             prints "fault: NAME" on stderr for each point as it is passed
 */
#ifndef FWSNAP_FAULT_H
#define FWSNAP_FAULT_H

#define FAULT_STATUS 77

#ifdef FAULT_POINTS
void fault_point(const char *name);
#else
#define fault_point(name) ((void)0)
#endif

#endif
