/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_saving - a ruleset becomes a version of the history: what save and a guarded change have in common
 *
 *   ours_open; add_records; saving_make; then, unless `unchanged`: saving_commit or saving_prepare;
 *   saving_report; saving_release
 */
#ifndef FWSNAP_CMD_SAVING_H
#define FWSNAP_CMD_SAVING_H

#include "cmd_foreign.h"
#include "rehearse.h"
#include "text.h"

struct saving {
	struct context *c;
	/* what the caller says; borrowed */
	const char *message, *tag;
	bool counters; /* rule counters are part of the text */
	const struct rehearse_file *sources; /* kept as source/NAME */
	size_t nsources;
	struct ours ours; /* with records, unless there is no text to prove */
	/* while it is made */
	struct snapshot_new snapshot;
	struct manifest current; /* of the version in force; id 0: none */
	struct texts texts;
	struct frontends frontends; /* as they are */
	bool unchanged; /* rules, front-ends and text files are as the current version has them */
};

/* Whether any text is configured. */
bool saving_wants_text(const struct context *c);
/* Compares with the current version; proves the texts, unless unchanged; fills the manifest. 0 or -errno (logged). */
must_check int saving_make(struct saving *s);
/* store_commit, or store_prepare (*id: what it will have); names texts that stay as they are. */
must_check int saving_commit(struct saving *s);
must_check int saving_prepare(struct saving *s, unsigned *id);
/* Names what no text carries, and what of front-ends is not kept: EXIT_PARTIAL, else EXIT_DONE. */
int saving_report(const struct saving *s);
void saving_release(struct saving *s);

#endif
