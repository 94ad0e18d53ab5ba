/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtables.h"
#include "exec.h"
#include "fault.h"
#include "lock.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A second flock of this process would wait for the first. */
static struct {
	int fd;
	unsigned depth;
} held;

int xt_lock(unsigned wait)
{
	if (!held.depth) {
		held.fd = lock_take_xtables(wait);
		if (held.fd == -EAGAIN) {
			log_error("another program holds iptables' lock (waited %u s)", wait);
			return -EBUSY;
		}
		if (held.fd < 0)
			return log_errno(held.fd, "cannot take iptables' lock");
	}
	held.depth++;
	return 0;
}

void xt_unlock(void)
{
	if (!--held.depth)
		close(held.fd);
}

static int digest_stream(struct xt_digest *d, const struct xt_stream *s)
{
	int r = 0;

	d->names = mem_alloc(s->nparts * sizeof(*d->names));
	for (size_t i = 0; i < s->nparts; i++)
		d->names[i] = s->parts[i].chain->name;
	for (size_t i = 0; !r && i < s->nparts; i++) {
		const struct xt_record *record = &s->parts[i].chain->record;

		r = xt_digest_record(d, record);
		for (unsigned n = 0; !r && n < s->parts[i].rules; n++) {
			record = xt_record_next(record);
			r = xt_digest_record(d, record);
		}
	}
	return r;
}

static int xtables_digest(struct ruleset *rs, struct table *t)
{
	cleanup_digest struct xt_digest d = {.rs = rs, .table = t, .family = xt_family(t->family)};
	cleanup_stream struct xt_stream s = {0};
	int r = xt_stream_open(&s, t);

	t->fixed = t->dynamic = t->members = (struct digest){0, 0};
	t->counts = (struct table_counts){0};
	t->empty = true;
	strlist_release(&t->chains);
	if (!r)
		r = digest_stream(&d, &s);
	return r ? -EBADMSG : 0;
}

/* One table's way forward, and back. */
struct swap {
	const struct xt_family *family;
	struct ipt_getinfo info; /* before */
	struct xt_image image, undo;
	unsigned *before; /* of undo: the place of each entry in the table as it was */
};

struct swaps {
	struct swap *s;
	size_t n;
	int fd[ARRAY_SIZE(xt_families)]; /* -1: not needed yet */
};

static void swaps_release(struct swaps *w)
{
	for (size_t i = 0; i < w->n; i++) {
		xt_image_release(&w->s[i].image);
		xt_image_release(&w->s[i].undo);
		free(w->s[i].before);
	}
	free(w->s);
	for (size_t i = 0; i < ARRAY_SIZE(xt_families); i++)
		close_p(&w->fd[i]);
}

static int swaps_fd(struct swaps *w, const struct xt_family *f)
{
	int *fd = &w->fd[f - xt_families];

	if (*fd < 0)
		*fd = xt_socket(f);
	return *fd;
}

/* Nothing but a program makes the kernel load these modules, other than those of nf_tables. */
static int table_info(const struct xt_family *f, int fd, const char *name,
		      struct ipt_getinfo *info)
{
	const char *const modprobe[] = {"modprobe", "-q", f->module, NULL};
	struct exec e = EXEC_INIT;
	int r = xt_info(f, fd, name, info);

	if (r != -ENOPROTOOPT)
		return r;
	e.argv = modprobe;
	return exec_run(&e) ? r : xt_info(f, fd, name, info);
}

/* Under the lock: whether the table is still what the plan was made for. */
static int check_unchanged(struct plan *plan, const struct step *step, const struct swap *s)
{
	const struct capture c = {.sink = capture_discard};
	struct ruleset now = {.sets = plan->live->sets, .nsets = plan->live->nsets};
	int r = xt_read_table(&now, &c, s->family, s->info.name);

	if (r == -EAGAIN || (!r && !table_equal(step->old, now.tables)))
		r = -ERESTART;
	/* borrowed */
	now.sets = NULL;
	ruleset_release(&now);
	return r;
}

static int swap_prepare_undo(struct swap *s, struct plan *plan, const struct step *step, int fd)
{
	int r = xt_image_build(&s->undo, s->family, step->old, plan->live, &s->info,
			       s->image.replace->num_entries);

	if (r < 0)
		return r;
	s->undo.from = xt_relate_images(&s->image, plan->target, &s->undo, plan->live);
	s->before = xt_relate_kernel(fd, &s->info, step->old, plan->live, &s->undo, plan->live);
	return 0;
}

/* The last table needs no way back: if it is refused it is as it was. */
static int swap_prepare(struct swaps *w, struct plan *plan, const struct step *step, bool last)
{
	const struct table *t = step->new ? step->new : step->old;
	struct swap *s = array_grow(&w->s, &w->n, sizeof(*s));
	cleanup_free char *label = table_label(t);
	int fd, r;

	s->family = xt_family(t->family);
	if (!s->family)
		return log_errno(-EBADMSG, "table '%s' is of no known family", label);
	fd = r = swaps_fd(w, s->family);
	if (r >= 0)
		r = table_info(s->family, fd, t->name, &s->info);
	if (r < 0)
		return log_errno(r, "the kernel has no table '%s'", label);
	if (plan->generation_check)
		r = check_unchanged(plan, step, s);
	if (r < 0)
		return r;
	r = xt_image_build(&s->image, s->family, step->new, plan->target, &s->info,
			   s->info.num_entries);
	if (r < 0)
		return r;
	/* where nothing was, the counters are those that were recorded */
	if (step->old && !step->old->empty)
		s->image.from = xt_relate_kernel(fd, &s->info, step->old, plan->live, &s->image,
						 plan->target);
	return last ? 0 : swap_prepare_undo(s, plan, step, fd);
}

/* The counters as they were when the table went: those of rules that stayed have run on since. */
static void swap_keep_counters(struct swap *s)
{
	for (unsigned i = 0; s->before && i < s->undo.counters->num_counters; i++)
		if (s->before[i] != XT_ENTRY_NEW)
			s->undo.counters->counters[i] = s->image.replace->counters[s->before[i]];
}

static void swaps_undo(struct swaps *w, size_t done)
{
	while (done--) {
		struct swap *s = &w->s[done];

		swap_keep_counters(s);
		if (xt_image_commit(&s->undo, swaps_fd(w, s->family)) < 0)
			log_error("table 'legacy %s %s' is not back", family_name(s->family->family),
				  s->info.name);
	}
}

static int xtables_change(struct plan *plan)
{
	__attribute__((cleanup(swaps_release))) struct swaps w = {.fd = {-1, -1}};
	int r = 0;

	if (!plan->nsteps)
		return 0;
	r = xt_lock(plan->lock_wait);
	if (r < 0)
		return r;
	for (size_t i = 0; !r && i < plan->nsteps; i++)
		r = swap_prepare(&w, plan, &plan->steps[i], i + 1 == plan->nsteps);
	for (size_t i = 0; !r && i < w.n; i++) {
		r = xt_image_commit(&w.s[i].image, swaps_fd(&w, w.s[i].family));
		plan->commits += !r;
		if (r < 0)
			swaps_undo(&w, i);
		else
			fault_point("change-xtables-table");
	}
	xt_unlock();
	return r;
}

/* Each table is replaced on its own. */
static unsigned xtables_count(const struct plan *plan)
{
	return (unsigned)plan->nsteps;
}

const struct engine engine_xtables = {
	.name = "xtables",
	.capture = xt_capture,
	.lock = xt_lock,
	.unlock = xt_unlock,
	.change = xtables_change,
	.count = xtables_count,
	.digest = xtables_digest,
	.items = xt_items,
	.compose = xt_compose,
	.refers = xt_refers,
	.facts = xt_facts,
};
