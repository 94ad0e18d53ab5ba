/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place - a network namespace of a test's own, and what a test does in it
 *
 * What goes wrong here fails the cmocka test that calls.
 */
#ifndef FWSNAP_TESTS_PLACE_H
#define FWSNAP_TESTS_PLACE_H

#include "change.h"

/* Seconds for the xtables lock of the place, which nobody else has. */
#define PLACE_WAIT 2

/* Enters private mounts with an empty /run, and a network namespace. 0 or -errno. */
int place_enter(void);
/* Makes the interfaces d0, d1 and d2. 0 or -errno. */
int place_links(void);
/* Moves to another network namespace; with these interfaces, whose indexes are others. */
void place_move(bool links);

/* cmocka setup and teardown: a place with interfaces; any place. */
int place_setup(void **state);
int place_teardown(void **state);

/* Runs a program with input on stdin (NULL: none); its exit status. out, err may be NULL. */
int place_run(const char *const *argv, const char *input, struct buf *out, struct buf *err);
/* Runs a shell command that has to succeed; what it printed. Caller frees. */
char *place_shell(const char *command);
/* Loads text by `nft -f -`, which has to succeed. */
void place_nft(const char *text);

/* Captures, with records or without; rs is zeroed or an earlier capture, which is released. */
void place_capture(struct ruleset *rs);
void place_capture_digests(struct ruleset *rs);
/* Changes from what was captured to the target. */
enum change_result place_change_from(struct ruleset *live, struct ruleset *target);
/* Captures and changes to the target. */
enum change_result place_change(struct ruleset *target);

/* Changes to nothing. */
void place_lose(void);
/* What is live has to equal this. */
void place_assert_live(const struct ruleset *want);
/* Skips the test in a build without legacy iptables. */
void place_legacy_or_skip(void);

/* What is said on stderr between begin and end. Caller frees. */
int place_listen(void);
char *place_heard(int listening);

#endif
