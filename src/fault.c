/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault.h"

#ifdef FAULT_POINTS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *role = "";
static long passes;

void fault_role(const char *name)
{
	role = name;
	passes = 0;
}

/* What FWSNAP_FAULT asks of this process, or NULL. */
static const char *wanted(void)
{
	const char *want = getenv("FWSNAP_FAULT");
	size_t n = strlen(role);

	if (!want || !n || !strcmp(want, "list"))
		return want;
	return !strncmp(want, role, n) && want[n] == '-' ? want + n + 1 : NULL;
}

void fault_point(const char *name)
{
	const char *want = wanted();
	size_t n;

	if (!want)
		return;
	if (!strcmp(want, "list")) {
		dprintf(STDERR_FILENO, "fault: %s%s%s\n", role, *role ? "-" : "", name);
		return;
	}
	n = *want == '*' ? 1 : strlen(name);
	if ((*want != '*' && strncmp(want, name, n)) || (want[n] && want[n] != ':'))
		return;
	if (++passes == (want[n] ? strtol(want + n + 1, NULL, 10) : 1))
		_exit(FAULT_STATUS);
}
#endif
