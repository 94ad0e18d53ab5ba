/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_foreign.h"
#include "cmd_frontend.h"
#include "cmd_json.h"
#include "log.h"
#include "text.h"
#include "cmd_look_boot.h"
#include "cmd_trial.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int no_arguments(struct context *c, int argc, char **argv, bool all)
{
	static const struct option none = {NULL, 0, NULL, 0};
	static const struct option options[] = {{"all", no_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
	int o;

	while ((o = next_option(c, argc, argv, "", all ? options : &none)) != -1) {
		if (o != 'a')
			return EXIT_USAGE;
		c->all = true;
	}
	if (optind < argc)
		return usage_error(c, "unexpected argument '%s'", argv[optind]);
	return EXIT_DONE;
}

static void print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

static void put_number(json_t *j, const char *key, uint64_t n)
{
	json_object_set_new(j, key, json_integer((json_int_t)n));
}

static void put_counts(json_t *j, const struct table_counts *n)
{
	put_number(j, "chains", n->chains);
	put_number(j, "rules", n->rules);
	put_number(j, "sets", n->sets);
	put_number(j, "elements", n->elements);
	put_number(j, "objects", n->objects);
}

static json_t *ruleset_json(const struct ruleset *rs)
{
	json_t *j = json_object();
	char hex[DIGEST_HEX];
	unsigned tables;
	struct table_counts sum = ruleset_counts(rs, &tables);

	put_number(j, "tables", tables);
	put_counts(j, &sum);
	digest_hex(ruleset_digest(rs), hex);
	json_object_set_new(j, "digest", json_string(hex));
	return j;
}

/* How many tables each kind of text carries. */
static json_t *proofs_json(const struct manifest *m)
{
	unsigned n[PROOF_EXACT + 1] = {0};
	json_t *j = json_object();

	for (size_t i = 0; i < m->rs.ntables; i++)
		n[m->proofs ? m->proofs[i] : PROOF_NONE]++;
	for (int p = PROOF_IPTABLES; p <= PROOF_EXACT; p++)
		put_number(j, proof_name(p), n[p]);
	return j;
}

static json_t *snapshot_json(struct context *c, const struct manifest *m, unsigned current)
{
	cleanup_free char *path = store_path(&c->store, m->id);
	json_t *j = json_object();
	struct stat st;
	unsigned tables;
	struct table_counts sum = ruleset_counts(&m->rs, &tables);

	put_number(j, "id", m->id);
	put_number(j, "created", (uint64_t)m->created);
	json_object_set_new(j, "kind", json_string(m->automatic ? "automatic" : m->left ? "left" : "saved"));
	json_object_set_new(j, "current", json_boolean(m->id == current));
	json_object_set_new(j, "tags", json_strings(&m->tags));
	json_object_set_new(j, "message", json_text(m->message));
	json_object_set_new(j, "user", json_text(m->user));
	json_object_set_new(j, "from", json_text(m->from));
	json_object_set_new(j, "host", json_text(m->host));
	json_object_set_new(j, "kernel", json_text(m->kernel));
	put_number(j, "tables", tables);
	put_counts(j, &sum);
	json_object_set_new(j, "proof", proofs_json(m));
	put_number(j, "size", stat(path, &st) ? 0 : (uint64_t)st.st_size);
	return j;
}

static void print_row(const struct manifest *m, unsigned current)
{
	cleanup_free char *user = str_visible(m->user ? m->user : "?");
	cleanup_free char *message = str_visible(m->message);
	cleanup_buf struct buf tags = BUF_INIT;
	unsigned tables;
	struct table_counts sum = ruleset_counts(&m->rs, &tables);

	for (size_t i = 0; i < m->tags.n; i++)
		buf_printf(&tags, "%s%s", i ? "," : "", m->tags.s[i]);
	printf("%c%4u  %s  %-12s %6u rules %7u elements  %s%s%s%s%s\n",
	       m->id == current ? '@' : ' ', m->id, time_text(m->created), user,
	       sum.rules, sum.elements,
	       m->automatic ? "(automatic) " : m->left ? "(rolled back) " : "", tags.len ? "[" : "",
	       buf_str(&tags), tags.len ? "] " : "", message);
}

int cmd_list(struct context *c, int argc, char **argv)
{
	cleanup_free unsigned *ids = NULL;
	json_t *all = json_array();
	unsigned current = 0;
	size_t n = 0;
	int status = no_arguments(c, argc, argv, false), r = 0;
	bool stop = status;

	log_set_state(NULL);
	if (!status && c->store.dir) {
		r = store_ids(&c->store, &ids, &n);
		if (!r)
			r = store_current(&c->store, &current);
	}
	for (size_t i = n; i-- > 0 && !stop && !r;) {
		struct manifest m = {0};
		int one = store_manifest(&c->store, ids[i], &m);

		if (one < 0)
			status = exit_status(one);
		else if (c->opt.json)
			json_array_append_new(all, snapshot_json(c, &m, current));
		else
			print_row(&m, current);
		manifest_release(&m);
	}
	if (!status && !n && !c->opt.json)
		log_note("nothing was saved yet");
	if (c->opt.json && status != EXIT_USAGE)
		print_json(json_pack("{s:o}", "snapshots", all));
	else
		json_decref(all);
	return r ? exit_status(r) : status;
}

static json_t *table_json(const struct table *t, const char *proof)
{
	const char *family = family_name(t->family);
	json_t *j = json_object();

	json_object_set_new(j, "engine", json_string(manifest_engines[t->engine]));
	json_object_set_new(j, "family", json_text(family));
	json_object_set_new(j, "name", json_text(t->name));
	json_object_set_new(j, "type", json_text(t->type));
	put_counts(j, &t->counts);
	json_object_set_new(j, "proof", json_text(proof));
	return j;
}

static const char *proof_of(const struct manifest *m, size_t i)
{
	return m->proofs && m->proofs[i] != PROOF_NONE ? proof_name(m->proofs[i]) : NULL;
}

static json_t *summary_json(struct context *c, const struct named *n)
{
	static const char *const states[] = {"absent", "written", "left"};
	const struct manifest *m = &n->manifest;
	json_t *j, *tables = json_array(), *links = json_array(), *texts = json_array();
	unsigned current = 0;

	if (n->id && store_current(&c->store, &current))
		current = 0;
	j = n->id ? snapshot_json(c, m, current) : ruleset_json(&m->rs);
	for (size_t i = 0; i < m->rs.ntables; i++)
		if (!m->rs.tables[i].empty)
			json_array_append_new(tables, table_json(&m->rs.tables[i], proof_of(m, i)));
	for (size_t i = 0; i < m->rs.nlinks; i++)
		json_array_append_new(links, json_text(m->rs.links[i].name));
	for (size_t i = 0; i < m->ntexts; i++)
		json_array_append_new(texts, json_pack("{s:s,s:s}", "path", m->texts[i].path, "state",
						       states[m->texts[i].state]));
	json_object_set_new(j, "tables", tables);
	json_object_set_new(j, "foreign", n->id ? manifest_foreign_json(m) : shares_json(&n->foreign));
	json_object_set_new(j, "frontends", frontends_json(&m->frontends));
	json_object_set_new(j, "links", links);
	json_object_set_new(j, "texts", texts);
	return j;
}

static void print_line(const char *label, const char *value)
{
	cleanup_free char *text = str_visible(value);

	printf("%-8s %s\n", label, text);
}

static void print_story(const struct named *n)
{
	const struct manifest *m = &n->manifest;
	cleanup_free char *by = NULL, *on = NULL;

	printf("%s%s\n", n->label, m->automatic ? " (automatic)" : "");
	if (!n->id)
		return;
	by = str_printf("%s by %s%s%s", time_text(m->created), m->user ? m->user : "?",
			m->from ? " from " : "", m->from ? m->from : "");
	on = str_printf("%s, Linux %s %s", m->host ? m->host : "?", m->kernel ? m->kernel : "?",
			m->machine ? m->machine : "");
	print_line("created", by);
	print_line("on", on);
	if (m->message)
		print_line("message", m->message);
	for (size_t i = 0; i < m->tags.n; i++)
		printf("tag      %s\n", m->tags.s[i]);
	for (size_t i = 0; i < m->ntexts; i++)
		printf("text     %s%s\n", m->texts[i].path,
		       m->texts[i].state == TEXT_WRITTEN ? ""
		       : m->texts[i].state == TEXT_LEFT	 ? " (left as it was: it does not carry the rules)"
							 : " (none)");
}

static void print_counts(const char *label, const struct table_counts *n)
{
	printf("  %-28s %u chain%s, %u rule%s", label, n->chains, plural(n->chains), n->rules,
	       plural(n->rules));
	if (n->sets)
		printf(", %u set%s, %u element%s", n->sets, plural(n->sets), n->elements,
		       plural(n->elements));
	if (n->objects)
		printf(", %u object%s", n->objects, plural(n->objects));
}

static void print_summary(const struct named *n)
{
	const struct ruleset *rs = &n->manifest.rs;

	print_story(n);
	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *t = &rs->tables[i];
		const char *proof = proof_of(&n->manifest, i);
		cleanup_free char *label = table_label(t);

		if (t->empty)
			continue;
		if (t->engine == ENGINE_IPSET)
			printf("  %-28s %s, %u element%s", label, t->type, t->counts.elements,
			       plural(t->counts.elements));
		else
			print_counts(label, &t->counts);
		printf("%s%s\n", proof ? "; text: " : "",
		       !proof			 ? ""
		       : !strcmp(proof, "exact") ? "none, kept exactly"
						 : proof);
	}
	for (size_t i = 0; i < rs->owned.n; i++)
		printf("  %-28s left out: a process owns it\n", rs->owned.s[i]);
	print_frontends(&n->manifest.frontends);
	print_manifest_foreign(&n->manifest);
	print_shares(&n->foreign, true);
}

static int show_text(struct context *c, const char *ref, enum text_kind kind)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct named n = {0};
	int r = named_load(c, ref, true, &n);

	if (!r && n.id) {
		r = store_part(&c->store, n.id, text_formats[kind].part, &out);
		if (r == -ENOENT)
			r = text_render(&n.manifest.rs, kind, &out);
	} else if (!r) {
		r = text_render(&n.manifest.rs, kind, &out);
	}
	if (!r && out.len)
		fwrite(out.data, 1, out.len, stdout);
	named_release(&n);
	return exit_status(r);
}

static int format_of(const char *name)
{
	return strcmp(name, "summary") ? text_kind_named(name) : TEXT_KINDS;
}

int cmd_show(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'},
						{"all", no_argument, NULL, 'a'},
						{NULL, 0, NULL, 0}};
	const char *ref = "live";
	struct named n = {0};
	int o, r, format = TEXT_KINDS;

	log_set_state(NULL);
	while ((o = next_option(c, argc, argv, "", options)) != -1) {
		if (o == 'a') {
			c->all = true;
			continue;
		}
		if (o != 'f')
			return EXIT_USAGE;
		format = format_of(optarg);
		if (format < 0)
			return usage_error(c, "unknown format '%s'", optarg);
	}
	if (optind < argc)
		ref = argv[optind++];
	if (optind < argc)
		return usage_error(c, "unexpected argument '%s'", argv[optind]);
	if (format != TEXT_KINDS)
		return show_text(c, ref, format);
	r = named_load(c, ref, false, &n);
	if (!r && c->opt.json)
		print_json(summary_json(c, &n));
	else if (!r)
		print_summary(&n);
	named_release(&n);
	return exit_status(r);
}

static int verify_one(struct context *c, unsigned id)
{
	int r = store_verify(&c->store, id);

	if (!r)
		printf("snapshot %u is whole\n", id);
	return r;
}

int cmd_verify(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {{NULL, 0, NULL, 0}};
	cleanup_free unsigned *ids = NULL;
	size_t n = 0;
	int status = EXIT_DONE, r = 0;

	log_set_state(NULL);
	if (next_option(c, argc, argv, "", options) != -1)
		return EXIT_USAGE;
	if (!have_store(c))
		return EXIT_FAILED;
	if (optind == argc)
		r = store_ids(&c->store, &ids, &n);
	for (; optind < argc && !r; optind++)
		r = store_resolve(&c->store, argv[optind],
				  array_grow(&ids, &n, sizeof(*ids)));
	for (size_t i = 0; i < n && !r; i++) {
		int one = exit_status(verify_one(c, ids[i]));

		status = one ? one : status;
	}
	return r ? exit_status(r) : status;
}

/* What status looks at. */
struct look {
	struct context *c;
	struct ruleset live;
	struct manifest current;
	struct ours ours;
	const struct frontends *frontends;
	unsigned damaged; /* the id of the current version, if it cannot be read */
	struct buf differences;
	bool drift;
	struct pending pending;
};

static const char *text_state(const struct look *l, const char *path)
{
	const struct manifest_text *t = manifest_text(&l->current, path);
	cleanup_free char *real = str_printf("%s%s", l->c->opt.root, path);
	int r = l->c->store.dir ? store_text_untouched(&l->c->store, &l->current, path)
				: access(real, F_OK) != 0;

	if (r == -ENOENT)
		return "missing";
	if (r == 1)
		return !t || t->state == TEXT_ABSENT ? "none"
		       : t->state == TEXT_LEFT	     ? "stale"
						     : "as saved";
	return "edited";
}

static const char *const pending_states[] = {
	[GUARD_IDLE] = "none",		 [GUARD_ARMED] = "armed",	[GUARD_SWAPPED] = "swapped",
	[GUARD_CONFIRMING] = "confirming", [GUARD_UNDOING] = "undoing", [GUARD_CONFIRMED] = "confirmed",
	[GUARD_UNDONE] = "undone",	 [GUARD_LOST] = "lost",
};

/* The pending change, or the last one since the boot; null if there was none. */
static json_t *pending_json(const struct pending *p)
{
	json_t *j;

	if (p->state == GUARD_IDLE)
		return json_null();
	j = json_object();
	json_object_set_new(j, "id", json_text(p->id));
	json_object_set_new(j, "state", json_string(pending_states[p->state]));
	json_object_set_new(j, "what", json_text(p->what));
	json_object_set_new(j, "user", json_text(p->user));
	json_object_set_new(j, "from", json_text(p->from));
	put_number(j, "began", (uint64_t)p->began);
	put_number(j, "left", pending_open(p) ? pending_left(p) : 0);
	json_object_set_new(j, "touched", json_strings(&p->touched));
	json_object_set_new(j, "conflicts", json_strings(&p->conflicts));
	return j;
}

static void print_pending(const struct pending *p)
{
	cleanup_free char *text = p->state == GUARD_IDLE ? NULL : pending_text(p);

	if (!text)
		return;
	if (pending_open(p))
		printf("pending  %s; undone in %u s unless 'fwsnap confirm'%s\n", text, pending_left(p),
		       p->guarded ? "" : " (nobody guards it: the next command undoes it)");
	else
		printf("last     %s; %s\n", text, pending_states[p->state]);
	for (size_t i = 0; i < p->touched.n && p->state != GUARD_CONFIRMED; i++)
		printf("         NOT undone: %s\n", p->touched.s[i]);
	for (size_t i = 0; i < p->conflicts.n; i++)
		printf("         changed by others too: %s\n", p->conflicts.s[i]);
}

static json_t *status_json(const struct look *l)
{
	json_t *j = json_object(), *differences = json_array(), *texts = json_array();
	char *save, *copy = str_dup(buf_str((struct buf *)&l->differences));

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		json_array_append_new(differences, json_text(line));
	free(copy);
	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		const char *path = l->c->config.texts[kind];

		if (path)
			json_array_append_new(texts, json_pack("{s:s,s:s}", "path", path, "state",
							       text_state(l, path)));
	}
	json_object_set_new(j, "live", ruleset_json(l->ours.rs));
	json_object_set_new(j, "current",
			    l->current.id ? json_integer(l->current.id)
			    : l->damaged  ? json_integer(l->damaged)
					  : json_null());
	json_object_set_new(j, "drift", json_boolean(l->drift));
	json_object_set_new(j, "pending", pending_json(&l->pending));
	json_object_set_new(j, "differences", differences);
	json_object_set_new(j, "texts", texts);
	json_object_set_new(j, "foreign", shares_json(&l->ours.shares));
	json_object_set_new(j, "frontends", frontends_json(l->frontends));
	json_object_set_new(j, "owned", json_strings(&l->live.owned));
	put_boot_json(j, l->c, l->ours.rs);
	return j;
}

static void print_status(const struct look *l)
{
	cleanup_free char *message = str_visible(l->current.message);
	unsigned tables;
	struct table_counts sum = ruleset_counts(l->ours.rs, &tables);

	printf("live     %u table%s, %u chain%s, %u rule%s, %u set%s, %u element%s\n", tables,
	       plural(tables), sum.chains, plural(sum.chains), sum.rules, plural(sum.rules), sum.sets,
	       plural(sum.sets), sum.elements, plural(sum.elements));
	if (l->current.id)
		printf("saved    snapshot %u, %s%s%s\n", l->current.id, time_text(l->current.created),
		       *message ? ": " : "", message);
	else if (l->damaged)
		printf("saved    snapshot %u, which is damaged\n", l->damaged);
	else
		printf("saved    nothing yet\n");
	print_pending(&l->pending);
	printf("drift    %s\n", !l->drift	? "none"
				: l->current.id ? "the live rules are not the saved ones:"
						: "the live rules are not saved");
	for (const char *p = buf_str((struct buf *)&l->differences); *p; p += strcspn(p, "\n") + 1)
		printf("         %.*s\n", (int)strcspn(p, "\n"), p);
	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		const char *path = l->c->config.texts[kind];

		if (path && strcmp(text_state(l, path), "none"))
			printf("text     %s: %s\n", path, text_state(l, path));
	}
	print_shares(&l->ours.shares, false);
	print_frontends(l->frontends);
	for (size_t i = 0; i < l->live.owned.n; i++)
		printf("owned    %s belongs to a process and is left alone\n", l->live.owned.s[i]);
	print_boot(l->c, l->ours.rs);
}

static void add_differences(struct look *l)
{
	cleanup_strlist struct strlist lines = {NULL, 0};

	ruleset_differences(&l->current.rs, l->ours.rs, &l->differences);
	frontends_differences(&l->current.frontends, l->frontends, &lines);
	for (size_t i = 0; i < lines.n; i++)
		buf_printf(&l->differences, "%s\n", lines.s[i]);
}

static int look(struct look *l)
{
	const struct guard guard = context_guard(l->c);
	unsigned id = 0;
	int r = live_open(l->c, &l->live, &l->ours);

	if (!r)
		r = guard_pending(&guard, &l->pending);
	if (!r && l->c->store.dir)
		r = store_current(&l->c->store, &id);
	if (!r && id)
		l->damaged = store_manifest(&l->c->store, id, &l->current) < 0 ? id : 0;
	if (!r)
		r = context_frontends(l->c, &l->frontends);
	if (r)
		return r;
	l->drift = !is_saved_as(l->c, l->ours.rs, &l->current);
	if (l->drift && l->current.id)
		add_differences(l);
	return 0;
}

int cmd_status(struct context *c, int argc, char **argv)
{
	struct look l = {.c = c};
	int status = no_arguments(c, argc, argv, true), r;

	if (status)
		return status;
	log_set_state(NULL);
	r = look(&l);
	if (!r && c->opt.json)
		print_json(status_json(&l));
	else if (!r)
		print_status(&l);
	if (r)
		status = exit_status(r);
	else if (l.damaged)
		status = EXIT_DAMAGED;
	else if (l.drift || pending_open(&l.pending))
		status = EXIT_DIFFERS;
	pending_release(&l.pending);
	ruleset_release(&l.live);
	manifest_release(&l.current);
	buf_release(&l.differences);
	ours_release(&l.ours);
	return status;
}
