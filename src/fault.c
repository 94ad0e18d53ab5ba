/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault.h"

#ifdef FAULT_POINTS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fault_point(const char *name)
{
	static long passes;
	const char *want = getenv("FWSNAP_FAULT");
	size_t n = strlen(name);

	if (!want)
		return;
	if (!strcmp(want, "list")) {
		dprintf(STDERR_FILENO, "fault: %s\n", name);
		return;
	}
	if (strncmp(want, name, n) || (want[n] && want[n] != ':'))
		return;
	if (++passes == (want[n] ? strtol(want + n + 1, NULL, 10) : 1))
		_exit(FAULT_STATUS);
}
#endif
