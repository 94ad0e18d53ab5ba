/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <errno.h>

static int digest(struct ruleset *rs, struct table *t)
{
	struct nft_digest d = {.rs = rs, .t = t};

	if (!nft_records_ok(&t->records))
		return -EBADMSG;
	nft_each(nlh, &t->records)
		nft_digest_feed(&d, nlh);
	nft_digest_end(&d);
	nft_index_release(&d.index);
	return 0;
}

const struct engine engine_nft = {
	.name = "nft",
	.capture = nft_capture,
	.change = nft_change,
	.digest = digest,
};
