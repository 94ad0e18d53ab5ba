/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_json.h"

json_t *json_text(const char *s)
{
	json_t *j = s ? json_string(s) : NULL;

	return j ? j : json_null();
}

json_t *json_strings(const struct strlist *l)
{
	json_t *j = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(j, json_text(l->s[i]));
	return j;
}
