/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_json - what --json prints, for all commands
 */
#ifndef FWSNAP_CMD_JSON_H
#define FWSNAP_CMD_JSON_H

#include "buf.h"

#include <jansson.h>

/* null for NULL, and for a name that is not UTF-8. */
json_t *json_text(const char *s);
json_t *json_strings(const struct strlist *l);

#endif
