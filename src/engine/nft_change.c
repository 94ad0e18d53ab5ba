/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_stage.h"
#include "fault.h"
#include "log.h"
#include "order.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A change while it is put together and sent. */
struct work {
	struct nft_stage stage;
	struct strlist order; /* in which base chains are made */
	/* verdicts that the next batch deletes */
	struct nft_stopper *stoppers;
	size_t nstoppers;
	bool whole;    /* the kernel does not take it piece by piece */
	bool begun;    /* something is committed */
	bool sent;     /* or was refused */
	bool switched; /* the switch was sent */
	bool waited;   /* since then, for all packets that were on their way */
	bool retry;    /* whole, if it is refused before the switch: that is not logged then */
};

static int take_apart(struct nft_stage *s, struct nft_side *side, struct items *items)
{
	int r;

	if (!side->table)
		return 0;
	side->index.first_id = s->ids;
	r = nft_take_apart(side->names, side->table, items, &side->index);
	s->ids += (uint32_t)(side->index.nsets + side->index.nchains);
	if (r < 0) {
		cleanup_free char *label = table_label(side->table);

		log_error("the records of '%s' are damaged", label);
	}
	return r;
}

static bool nothing_lives(const struct ruleset *live)
{
	for (size_t i = 0; i < live->ntables; i++)
		if (live->tables[i].engine == ENGINE_NFT)
			return false;
	return true;
}

static void note_update(const char *name, void *arg)
{
	struct nft_set *set = nft_find_set(arg, name);

	if (set)
		set->updated = true;
}

/* All that it takes to load a table where there is none. */
static void index_only(struct nft_stage *s, struct nft_side *side)
{
	bool sized = false;

	side->index.first_id = s->ids;
	nft_index_records(&side->index, &side->table->records);
	s->ids += (uint32_t)(side->index.nsets + side->index.nchains);
	for (size_t i = 0; i < side->index.nsets; i++)
		sized |= side->index.sets[i]->sized;
	nft_each(nlh, &side->table->records) if (sized && nft_type(nlh) == NFT_MSG_NEWRULE)
		nft_rule_updates(nlh, note_update, &side->index);
}

static int take_turn(struct work *w, const struct step *step)
{
	struct nft_stage *s = &w->stage;
	struct nft_turn *t = array_grow(&s->turns, &s->nturns, sizeof(*t));
	int r;

	t->old = (struct nft_side){.names = s->plan->live, .table = step->old, .living = true};
	t->new = (struct nft_side){.names = step->names, .table = step->new, .living = true};
	if (nothing_lives(s->plan->live)) {
		index_only(s, &t->new);
		return 0;
	}
	r = take_apart(s, &t->old, &t->olds);
	if (!r)
		r = take_apart(s, &t->new, &t->news);
	if (r)
		return r;
	nft_elements_let_go(t);
	items_compare(&t->olds, &t->news, &t->changes);
	return 0;
}

/* What change.c adds so that base chains are asked in their order: the table that is there, anew.
 */
static bool is_for_order(const struct step *s)
{
	return s->old && s->old == s->new;
}

/* "ip filter INPUT": whether a turn makes a base chain of this name. */
static bool is_made(const struct nft_stage *s, const char *name)
{
	for (size_t i = 0; i < s->nturns; i++) {
		const struct nft_turn *t = &s->turns[i];

		for (size_t j = 0; j < t->new.index.nchains; j++) {
			const struct nft_chain *c = t->new.index.chains[j];
			cleanup_free char *full = NULL;

			if (!c->base || nft_find_chain(&t->old.index, c->name))
				continue;
			full = str_printf("%s %s %s", family_name(t->new.table->family),
					  t->new.table->name, c->name);
			if (!strcmp(full, name))
				return true;
		}
	}
	return false;
}

/* Whether live asks the first of two chains before the other one, at this place. */
static bool comes_before(const struct buf *live, const char *place, const char *one,
			 const char *other)
{
	cleanup_free char *text = mem_zalloc(live->len + 1), *head = str_printf("%s:", place);
	cleanup_free char *a = str_printf(" %s,", one), *b = str_printf(" %s,", other);
	char *save;

	memcpy(text, live->len ? (const char *)live->data : "", live->len);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		cleanup_free char *ended = str_printf("%s,", line);
		const char *first = strstr(ended, a), *second = strstr(ended, b);

		if (!strncmp(ended, head, strlen(head)) && first && second)
			return first < second;
	}
	return false;
}

/* Chains that are made come before those that stay. */
static bool line_comes_right(const struct work *w, char *line)
{
	char *colon = strchr(line, ':'), *save, *last = NULL;

	if (!colon)
		return true;
	*colon = '\0';
	for (char *name = strtok_r(colon + 1, ",", &save); name;
	     name = strtok_r(NULL, ",", &save)) {
		name += strspn(name, " ");
		if (is_made(&w->stage, name)) {
			if (last)
				return false;
			continue;
		}
		if (last && !comes_before(&w->stage.plan->live->order, line, last, name))
			return false;
		last = name;
	}
	return true;
}

/* Whether base chains of equal priority are asked in their order once all turns are taken. */
static bool order_comes_right(const struct work *w)
{
	const struct buf *order = &w->stage.plan->target->order;
	cleanup_free char *text = mem_zalloc(order->len + 1);
	char *save;

	memcpy(text, order->len ? (const char *)order->data : "", order->len);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!line_comes_right(w, line))
			return false;
	return true;
}

static int take_turns(struct work *w, bool for_order)
{
	const struct plan *plan = w->stage.plan;
	int r = 0;

	for (size_t i = 0; i < plan->nsteps && !r; i++)
		if (is_for_order(&plan->steps[i]) == for_order)
			r = take_turn(w, &plan->steps[i]);
	return r;
}

/* Which tables cannot change piece by piece. */
static int choose(struct work *w)
{
	struct nft_stage *s = &w->stage;
	bool all = w->whole || nothing_lives(s->plan->live), disorder = false;
	int r = take_turns(w, false);

	if (!r && !all && !order_comes_right(w)) {
		strlist_add(&s->plan->unstaged,
			    "the order of base chains of equal priority changed");
		disorder = true;
		r = take_turns(w, true);
	}
	for (size_t i = 0; i < s->nturns && !r; i++) {
		struct nft_turn *t = &s->turns[i];

		if (t->new.table &&
		    (all || disorder || (t->old.table && nft_stage_refuses(s->plan, t))))
			t->whole = true;
		else
			nft_chains_find(t);
		t->new.living = !t->whole;
		w->retry |= !t->whole && t->new.table;
	}
	return r;
}

static int put_whole(struct work *w)
{
	struct nft_batch *b = &w->stage.batch[NFT_SWITCH];
	const struct nft_side **sides = NULL;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < w->stage.nturns; i++) {
		const struct nft_turn *t = &w->stage.turns[i];

		if (!t->whole)
			continue;
		if (t->old.table || w->begun)
			nft_put_delete(b, NFT_MSG_DELTABLE, t->new.table, NULL, 0);
		*(const struct nft_side **)array_grow(&sides, &n, sizeof(*sides)) = &t->new;
	}
	r = nft_put_tables(b, sides, n, &w->order, !nothing_lives(w->stage.plan->live));
	free(sides);
	return r;
}

static int build(struct work *w)
{
	int r = choose(w);

	order_making(&w->stage.plan->target->order, &w->order);
	if (!r) {
		r = netlink_open(&w->stage.netlink);
		if (r < 0)
			return log_errno(r, "cannot reach nf_tables");
	}
	if (!r)
		r = put_whole(w);
	return r ? r : nft_stage_put(&w->stage, &w->order);
}

static void release_stoppers(struct work *w)
{
	for (size_t i = 0; i < w->nstoppers; i++) {
		free(w->stoppers[i].table);
		free(w->stoppers[i].chain);
	}
	free(w->stoppers);
	w->stoppers = NULL;
	w->nstoppers = 0;
}

/* The verdicts that earlier batches put for as long as it takes. */
static void put_end_of_stoppers(struct work *w, struct nft_batch *b)
{
	for (size_t i = 0; i < w->nstoppers; i++) {
		const struct nft_stopper *v = &w->stoppers[i];

		nft_put_delete_rule(b, v->family, v->table, v->chain, v->handle, 0);
	}
	release_stoppers(w);
}

static void take_stoppers(struct work *w, struct nft_batch *b)
{
	for (size_t i = 0; i < b->nstoppers; i++)
		*(struct nft_stopper *)array_grow(&w->stoppers, &w->nstoppers,
						  sizeof(*w->stoppers)) = b->stoppers[i];
	free(b->stoppers);
	b->stoppers = NULL;
	b->nstoppers = 0;
}

/* membarrier(2) waits for a grace period of RCU, in which the kernel handles each packet. */
static void wait_for_packets(void)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&pause, NULL);
}

static int send_step(struct work *w, enum nft_step step)
{
	struct nft_stage *s = &w->stage;
	struct plan *plan = s->plan;
	struct nft_batch b = {.quiet = w->retry && step < NFT_SWITCH};
	uint32_t empty;
	int r = 0;

	w->switched = step >= NFT_SWITCH;
	if (plan->generation_check && !w->begun)
		b.generation = &plan->live->generation;
	nft_batch_begin(&b);
	empty = b.count;
	if (step == NFT_CLEAN)
		put_end_of_stoppers(w, &b);
	nft_batch_append(&b, &s->batch[step]);
	if (step == NFT_SWITCH) {
		put_end_of_stoppers(w, &b);
		nft_batch_append(&b, &s->late);
	}
	if (b.count > empty) {
		if (step == NFT_POLICY || (step == NFT_CLEAN && s->linger && !w->waited))
			wait_for_packets();
		w->waited |= step == NFT_POLICY;
		nft_batch_end(&b);
		r = nft_batch_commit(&b, plan);
		w->sent = true;
		plan->batches++;
		plan->messages += b.count;
		w->begun |= !r || r == -ENOBUFS;
		take_stoppers(w, &b);
		fault_point("change-nft-batch");
	}
	nft_batch_release(&b);
	return r;
}

static double milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int send_all(struct work *w)
{
	struct plan *plan = w->stage.plan;
	double start = milliseconds();
	int r = 0;

	for (enum nft_step step = 0; step < NFT_STEPS && !r; step++) {
		r = send_step(w, step);
		plan->touched |= w->begun;
		if (w->begun)
			log_set_state(STATE_UNDOING);
	}
	if (plan->batches)
		log_detail("nf_tables: %u batches, %u messages, %.1f ms", plan->batches,
			   plan->messages, milliseconds() - start);
	return r;
}

static void work_release(struct work *w)
{
	struct nft_stage *s = &w->stage;

	for (size_t i = 0; i < s->nturns; i++) {
		struct nft_turn *t = &s->turns[i];

		nft_chains_release(t);
		item_changes_release(&t->changes);
		items_release(&t->olds);
		items_release(&t->news);
		nft_index_release(&t->old.index);
		nft_index_release(&t->new.index);
	}
	free(s->turns);
	for (enum nft_step step = 0; step < NFT_STEPS; step++)
		nft_batch_release(&s->batch[step]);
	nft_batch_release(&s->late);
	netlink_close(&s->netlink);
	strlist_release(&w->order);
	release_stoppers(w);
}

/* As a whole a change may still be possible where what was and what comes cannot be side by side.
 */
static bool try_whole(struct work *w, struct plan *plan)
{
	if (!w->retry || w->switched)
		return false;
	for (size_t i = 0; i < w->stage.nturns; i++) {
		const struct nft_turn *t = &w->stage.turns[i];
		cleanup_free char *label = t->new.table ? table_label(t->new.table) : NULL,
				  *line = NULL;

		if (!label || t->whole)
			continue;
		line = str_printf("%s: the kernel does not take its new rules beside the old ones",
				  label);
		strlist_add(&plan->unstaged, line);
	}
	return true;
}

static int attempt(struct work *w, struct plan *plan, bool whole)
{
	int r;

	*w = (struct work){.stage = {.plan = plan, .netlink = {.fd = -1}},
			   .whole = whole,
			   .begun = plan->touched};
	r = build(w);
	return r ? r : send_all(w);
}

int nft_change(struct plan *plan)
{
	struct work w;
	int r;

	if (!plan->nsteps)
		return 0;
	r = attempt(&w, plan, false);
	if (r && r != -ERESTART && r != -ENOBUFS && w.sent && try_whole(&w, plan)) {
		work_release(&w);
		r = attempt(&w, plan, true);
	}
	work_release(&w);
	return r;
}
