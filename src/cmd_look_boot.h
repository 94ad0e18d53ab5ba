/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_look_boot - what status says of boots: how the last one went, who else loads rules then; and of a lockdown
 */
#ifndef FWSNAP_CMD_LOOK_BOOT_H
#define FWSNAP_CMD_LOOK_BOOT_H

#include "cmd.h"

#include <jansson.h>

/* The keys boot, lockdown and restorers. */
void put_boot_json(json_t *j, struct context *c, const struct ruleset *live);
void print_boot(struct context *c, const struct ruleset *live);

#endif
