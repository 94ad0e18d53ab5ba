/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intent - what a save, or a switch of versions, is about to do: DIR/intent
 *
 * It is written before anything else, and removed when all is done. It counts once `current`
 * points to `new`: then what is left of it is done, else what was begun is taken back.
 *
 *   intent: 1
 *   new: ID
 *   made: 1 if that snapshot is made by this save, 0 if it was there before
 *   suffix: XXXXXX, of all temporaries (file_temp)
 *   place: DIGEST PATH    the temporary of PATH becomes PATH, whose content now has this digest,
 *   remove: DIGEST PATH   or PATH goes; "-" instead of the digest: there is nothing now
 *
 * Lines are ended by newline, paths are without --root. A path with a control character is -EINVAL.
 */
#ifndef FWSNAP_INTENT_H
#define FWSNAP_INTENT_H

#include "file.h"
#include "ruleset.h"

struct intent_text {
	char *path;
	bool place;        /* else it goes */
	bool there;        /* something is there */
	struct digest old; /* of that */
};

struct intent {
	unsigned new;
	bool made;
	char suffix[FILE_SUFFIX];
	struct intent_text *texts;
	size_t ntexts;
};

void intent_release(struct intent *in);
/* The text of a path, or NULL. */
const struct intent_text *intent_text(const struct intent *in, const char *path);
must_check int intent_write(const struct intent *in, const char *file);
/* in is zeroed. 1; 0 if there is none; -EBADMSG; ... */
must_check int intent_read(struct intent *in, const char *file);

#endif
