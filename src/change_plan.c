/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "change_plan.h"

#include <string.h>

static void add_step(struct plan *p, enum action action, const struct table *old,
		     const struct table *new, struct ruleset *names, size_t place)
{
	*(struct step *)array_grow(&p->steps, &p->nsteps, sizeof(*p->steps)) =
		(struct step){action, old, new, names, place};
}

/* place: of the table in the target */
static bool touches(const struct plan *p, size_t place)
{
	for (size_t i = 0; i < p->nsteps; i++)
		if (p->steps[i].new && p->steps[i].place == place)
			return true;
	return false;
}

static bool line_names(const char *line, const struct table *t)
{
	cleanup_free char *name = str_printf(" %s %s ", family_name(t->family), t->name);
	const char *names = strchr(line, ':');

	return names && strstr(names, name);
}

/* Whether live asks the same chains in the same order at this place. */
static bool line_stands(const struct ruleset *live, const char *line)
{
	cleanup_free char *whole = str_printf("%s\n", line);
	struct buf copy = BUF_INIT;
	bool stands;

	buf_add(&copy, live->order.data, live->order.len);
	stands = strstr(buf_str(&copy), whole);
	buf_release(&copy);
	return stands;
}

/*
 * Making a table anew puts its base chains before those of equal priority that stay. Where
 * that would break the order, all tables of the line are made anew, equal ones from what is
 * live: their counters and dynamic elements are of now. Returns whether any was added.
 */
static bool add_line(struct plan *p, const char *line)
{
	bool disturbed = !line_stands(p->live, line), added = false;

	for (size_t i = 0; i < p->nsteps && !disturbed; i++)
		disturbed = p->steps[i].new && line_names(line, p->steps[i].new);
	for (size_t i = 0; i < p->target->ntables && disturbed; i++) {
		const struct table *t = &p->target->tables[i];

		if (t->engine == ENGINE_NFT && line_names(line, t) && !touches(p, i)) {
			const struct table *old = ruleset_counterpart(p->live, t);

			add_step(p, ACTION_REPLACE, old, old, p->live, i);
			added = true;
		}
	}
	return added;
}

static void add_for_order(struct plan *p)
{
	bool added = true;

	while (added) {
		cleanup_free char *order = NULL;
		struct buf copy = BUF_INIT;
		char *save;

		added = false;
		buf_add(&copy, p->target->order.data, p->target->order.len);
		order = buf_detach(&copy);
		for (char *line = strtok_r(order, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			added |= add_line(p, line);
	}
}

/* Removals first, then the target's tables in its order: the order in which they were made. */
static int compare_step(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (!x->new != !y->new)
		return x->new ? 1 : -1;
	return x->place < y->place ? -1 : x->place > y->place;
}

bool plan_lacks(const struct ruleset *live, const struct table *new)
{
	return new->engine == ENGINE_NFT && new->records.len && !ruleset_counterpart(live, new);
}

struct plan plan_for(enum engine_id engine, struct ruleset *live, struct ruleset *target)
{
	struct plan p = {.live = live, .target = target};

	for (size_t i = 0; i < live->ntables; i++) {
		const struct table *old = &live->tables[i];

		if (old->engine == engine && !old->empty && !ruleset_counterpart(target, old))
			add_step(&p, ACTION_REMOVE, old, NULL, NULL, i);
	}
	for (size_t i = 0; i < target->ntables; i++) {
		const struct table *new = &target->tables[i], *old = ruleset_counterpart(live, new);

		if (new->engine == engine && (!table_equal(old, new) || plan_lacks(live, new)))
			add_step(&p, old ? ACTION_REPLACE : ACTION_ADD, old, new, target, i);
	}
	if (engine == ENGINE_NFT)
		add_for_order(&p);
	if (p.nsteps)
		qsort(p.steps, p.nsteps, sizeof(*p.steps), compare_step);
	return p;
}
