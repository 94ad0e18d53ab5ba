/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_frontend.h"

#include "cmd_json.h"
#include "log.h"
#include "snapshot.h"

#include <stdio.h>
#include <string.h>

int context_frontends_all(struct context *c, const struct frontends **f)
{
	int r;

	*f = &c->frontends_all;
	if (c->frontends_known || c->all)
		return 0;
	log_step("reading the configuration of front-ends");
	r = frontends_look(&c->foreign, c->opt.root, FRONTENDS_ALL, &c->frontends_all);
	log_step(NULL);
	c->frontends_known = !r;
	for (size_t i = 0; !r && i < c->frontends_all.n; i++) {
		const struct frontends one = {&c->frontends_all.state[i], 1};

		if (frontend_in_charge(&c->foreign, c->opt.root, one.state->name))
			frontends_copy(&one, &c->frontends);
	}
	return r;
}

int context_frontends(struct context *c, const struct frontends **f)
{
	int r = context_frontends_all(c, f);

	*f = &c->frontends;
	return r;
}

bool frontends_saved(struct context *c, const struct manifest *m)
{
	const struct frontends *now;

	return c->all || (!context_frontends(c, &now) && frontends_equal(now, &m->frontends));
}

int add_frontends(struct snapshot_new *n, const struct frontends *f)
{
	struct frontends *copy = &n->manifest.frontends;
	int r = 0;

	frontends_copy(f, copy);
	for (size_t i = 0; i < copy->n; i++)
		for (size_t k = 0; k < copy->state[i].nfiles && !r; k++) {
			struct frontend_file *file = &copy->state[i].files[k];

			file->part = snapshot_file_part(&copy->state[i], file);
			r = snapshot_add_part(n, file->part, file->content.data, file->content.len);
		}
	return r;
}

static const struct foreign_owner *owner_of(const struct context *c, const struct frontend_state *s)
{
	for (size_t i = 0; i < c->foreign.n; i++)
		if (!strcmp(c->foreign.owners[i].name, s->name))
			return &c->foreign.owners[i];
	return NULL;
}

int report_frontends(struct context *c, const struct frontends *f)
{
	int status = EXIT_DONE;

	for (size_t i = 0; i < f->n; i++) {
		const struct frontend_state *s = &f->state[i];
		const struct foreign_owner *o = owner_of(c, s);
		const char *title = o ? o->title : s->name;

		for (size_t k = 0; k < s->unkept.n; k++)
			log_warning("%s: not kept: %s", title, s->unkept.s[k]);
		if (!s->active)
			log_warning("%s does not run, or does not answer: its configuration is kept, "
				    "not what was so at run time", title);
		if (s->unkept.n || !s->active)
			status = EXIT_PARTIAL;
	}
	return status;
}

void note_permanent_only(struct context *c, const struct frontends *before, const struct frontends *after)
{
	for (size_t i = 0; i < after->n; i++) {
		const struct frontend_state *s = &after->state[i], *was = frontends_find(before, s->name);
		const struct foreign_owner *o = owner_of(c, s);

		if (was && o && o->frontend.reload && !frontend_files_equal(s, was))
			log_warning("this changed the configuration of %s and nothing that runs: "
				    "'%s' puts it in force", o->title, o->frontend.reload);
	}
}

json_t *frontends_json(const struct frontends *f)
{
	json_t *j = json_array();

	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(j, json_pack("{s:s,s:b,s:i,s:o}", "name", f->state[i].name, "active",
						   f->state[i].active, "files", (int)f->state[i].nfiles,
						   "runtime", json_strings(&f->state[i].runtime)));
	return j;
}

void print_frontends(const struct frontends *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct frontend_state *s = &f->state[i];

		printf("frontend %s: %zu file%s%s\n", s->name, s->nfiles, plural((unsigned)s->nfiles),
		       s->active ? "" : "; it does not run, or does not answer");
		for (size_t k = 0; k < s->runtime.n; k++) {
			cleanup_free char *text = str_visible(s->runtime.s[k]);

			printf("         at run time only: %s\n", text);
		}
	}
}
