/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault - named points at which a test ends the process, as a crash would
 *
 * Compiled in with -DFAULT_POINTS only. Environment FWSNAP_FAULT:
 *   NAME or NAME:N   _exit(77) when the point is passed the first (the Nth) time
 *   *:N              the same for the Nth point of any name
 *   list             prints "fault: NAME" on stderr for each point as it is passed
 * In a process with a role the points are named ROLE-NAME, so that the environment, which it
 * inherits, ends this process or the one that started it.
 */
#ifndef FWSNAP_FAULT_H
#define FWSNAP_FAULT_H

#define FAULT_STATUS 77

#ifdef FAULT_POINTS
void fault_point(const char *name);
/* This process has this role from now on, and has passed no point yet. */
void fault_role(const char *role);
#else
#define fault_role(role) ((void)0)
#define fault_point(name) ((void)0)
#endif

#endif
