/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keyvalue - files of "key = value" lines, "#" comments
 */
#ifndef FWSNAP_KEYVALUE_H
#define FWSNAP_KEYVALUE_H

#include "buf.h"

/* What to do with a line, numbered from 1; blanks around both are gone. 0, or -errno (logged), which ends it. */
typedef int keyvalue_function(void *arg, const char *key, char *value, unsigned line);

/*
 * Calls fn for each line of the content, which is cut up: the strings live as long as it does. path is for messages. 0,
 * what fn returned, or -EINVAL (logged).
 */
must_check int keyvalue_each(struct buf *content, const char *path, keyvalue_function *fn, void *arg);

#endif
