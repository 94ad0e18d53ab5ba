/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <string.h>

void nft_put_attribute(struct buf *out, uint16_t type, const void *data, size_t n)
{
	size_t whole = MNL_ATTR_HDRLEN + MNL_ALIGN(n);
	struct nlattr *a = buf_reserve(out, whole);

	out->len += whole;
	if (n)
		memset((char *)a + whole - NLMSG_ALIGNTO, 0, NLMSG_ALIGNTO);
	a->nla_type = type;
	a->nla_len = (uint16_t)(MNL_ATTR_HDRLEN + n);
	if (n)
		memcpy((char *)a + MNL_ATTR_HDRLEN, data, n);
}

size_t nft_nest_open(struct buf *out, uint16_t type)
{
	size_t at = out->len;

	nft_put_attribute(out, type, NULL, 0);
	return at;
}

void nft_nest_close(struct buf *out, size_t at)
{
	((struct nlattr *)(void *)(out->data + at))->nla_len = (uint16_t)(out->len - at);
}

void nft_put_text(struct buf *out, uint16_t type, const char *s)
{
	nft_put_attribute(out, type, s, strlen(s) + 1);
}

void nft_put_pattern(struct buf *out, uint16_t type, const char *name)
{
	size_t n = strlen(name);
	cleanup_free char *pattern = NULL;

	while (n && name[n - 1] >= '0' && name[n - 1] <= '9')
		n--;
	pattern = str_printf("%.*s%%d", (int)n, name);
	nft_put_text(out, type, pattern);
}
