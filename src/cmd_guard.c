/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"
#include "guard.h"

int cmd_guard(struct context *c, int argc, char **argv)
{
	if (argc != 2)
		return usage_error(c, "the ID of a pending change is wanted");
	return exit_status(guard_serve(c->opt.root, argv[1]));
}
