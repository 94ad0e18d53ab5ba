/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_record.h"
#include "cmd_json.h"
#include "cmd_look_boot.h"
#include "lockdown.h"
#include "log.h"
#include "restorer.h"

#include <stdio.h>
#include <sys/stat.h>

/* A save makes the link anew: what it saved is what counts from then on. */
static bool saved_since(const struct context *c, int64_t when)
{
	cleanup_free char *current = str_printf("%s/current", c->store.dir ? c->store.dir : "");
	struct stat st;

	return c->store.dir && !lstat(current, &st) && st.st_ctime > when;
}

/* rung BOOT_UNKNOWN: there is nothing to tell. */
static void read_record(struct context *c, struct boot_record *r)
{
	int e = boot_record_read(r, c->opt.root);

	if (e)
		log_errno(e, "cannot read how the boot went below '%s/run/fwsnap'", c->opt.root);
	else if (saved_since(c, r->when))
		boot_record_release(r);
}

static json_t *record_json(struct context *c)
{
	struct boot_record r = {0};
	json_t *j;

	read_record(c, &r);
	if (r.rung == BOOT_UNKNOWN)
		return json_null();
	j = json_object();
	json_object_set_new(j, "rung", json_string(boot_rungs[r.rung]));
	json_object_set_new(j, "snapshot", r.snapshot ? json_integer(r.snapshot) : json_null());
	json_object_set_new(j, "when", json_integer(r.when));
	json_object_set_new(j, "lower", json_boolean(r.lower));
	json_object_set_new(j, "reasons", json_strings(&r.reasons));
	boot_record_release(&r);
	return j;
}

static json_t *restorers_json(const char *root)
{
	json_t *all = json_array();
	struct restorers found = {0};

	restorers_find(&found, root);
	for (size_t i = 0; i < found.n; i++) {
		json_t *j = json_object();

		json_object_set_new(j, "name", json_text(found.r[i].name));
		json_object_set_new(j, "reason", json_text(found.r[i].reason));
		json_object_set_new(j, "command", json_text(found.r[i].command));
		json_array_append_new(all, j);
	}
	restorers_release(&found);
	return all;
}

void put_boot_json(json_t *j, struct context *c, const struct ruleset *live)
{
	json_object_set_new(j, "boot", record_json(c));
	json_object_set_new(j, "lockdown", json_boolean(lockdown_is(live)));
	json_object_set_new(j, "restorers", restorers_json(c->opt.root));
}

static void print_record(struct context *c)
{
	struct boot_record r = {0};
	cleanup_free char *text = NULL;

	read_record(c, &r);
	text = boot_record_text(&r);
	if (r.rung != BOOT_UNKNOWN)
		printf("boot     %s (%s)\n", text, time_text(r.when));
	for (size_t i = 0; i < r.reasons.n; i++)
		printf("         %s\n", r.reasons.s[i]);
	boot_record_release(&r);
}

void print_boot(struct context *c, const struct ruleset *live)
{
	struct restorers found = {0};

	if (lockdown_is(live))
		printf("lockdown 'fwsnap restore' ends it\n");
	print_record(c);
	restorers_find(&found, c->opt.root);
	for (size_t i = 0; i < found.n; i++)
		printf("at boot  '%s' loads rules, too (%s): '%s' ends that\n", found.r[i].name,
		       found.r[i].reason, found.r[i].command);
	restorers_release(&found);
}
