/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ipset.h"
#include "fault.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What was done for a step, to be undone if a later one fails. */
enum deed {
	DEED_NONE,
	DEED_MADE,    /* the set was made */
	DEED_STAGED,  /* the new set is there under the temporary name */
	DEED_JOINED,  /* it changes in place: the new members are there, the old ones may be gone */
	DEED_SWAPPED, /* the new set is there, the old one has the temporary name */
	DEED_REMADE,  /* of another type: the old set is gone */
	DEED_WAITS,   /* of another type, and rules refer to the old one: they use the temporary */
};

struct work {
	const struct step *step;
	enum deed deed;
	char temporary[IPSET_MAXNAMELEN];
	bool aside; /* rules will be on the temporary one: it is not to be swapped */
	bool written;
	bool moves;	    /* members that stay are carried over as they are */
	struct ruleset now; /* the set as it was when the new one was filled */
	bool in_place;	    /* members come and go one by one */
	struct ipset_update update;
};

static const char *step_name(const struct step *s)
{
	return s->new ? s->new->name : s->old->name;
}

void ipset_temporary_name(const char *set, unsigned n, char name[static IPSET_MAXNAMELEN])
{
	struct digest d = digest_of(set, strlen(set));

	snprintf(name, IPSET_MAXNAMELEN, IPSET_TEMPORARY "%016llx-%u", (unsigned long long)d.low,
		 n % 1000);
}

bool ipset_stands_for(const char *temporary, const char *set)
{
	char name[IPSET_MAXNAMELEN];

	ipset_temporary_name(set, 0, name);
	return !strncmp(temporary, name, strlen(name) - 1);
}

/* What its members are, however they are kept: ":ip,port"; of all lists the same. */
static const char *members_of_type(const struct table *t)
{
	const char *colon = t->type ? strchr(t->type, ':') : NULL;

	return colon && strncmp(t->type, "list", 4) != 0 ? colon : "";
}

bool ipset_can_swap(const struct table *a, const struct table *b)
{
	return a->family == b->family && !strcmp(members_of_type(a), members_of_type(b));
}

/* Where rules of the target have a temporary name for the set; NULL: they have its own. */
static struct set_ref *find_aside(const struct ruleset *target, const char *name)
{
	for (size_t i = 0; i < target->nsets; i++)
		if (target->sets[i].aside && ipset_stands_for(target->sets[i].name, name))
			return &target->sets[i];
	return NULL;
}

static void name_temporary(struct ipset_kernel *k, struct work *w)
{
	const struct set_ref *aside = find_aside(w->step->names, step_name(w->step));
	unsigned n = 0;

	w->aside = aside != NULL;
	if (aside) {
		memcpy(w->temporary, aside->name, sizeof(w->temporary));
		return;
	}
	do
		ipset_temporary_name(step_name(w->step), n++, w->temporary);
	while (ipset_index(k, w->temporary) != SET_REF_NONE);
}

static bool is_written(const struct ruleset *rs, const char *name)
{
	const struct set_ref *ref = ruleset_set_named(rs, name);

	return ref && ref->written;
}

/*
 * Members that stay keep their counters and remaining times, dynamic ones are those of now. What
 * comes in until the swap is caught up with behind it.
 */
static int stage_members(struct ipset_kernel *k, struct work *w, const struct ruleset *live)
{
	const struct step *s = w->step;
	struct ruleset mixed = {0};
	int r;

	w->written = is_written(s->names, s->new->name);
	/* as live has it until it was compared: rules that write to it may come or go */
	r = ipset_read(k, s->new->name, is_written(live ? live : s->names, s->new->name), &w->now);
	if (r < 0)
		return r == -EINTR ? -ERESTART
				   : log_errno(r, "cannot read ipset '%s'", s->new->name);
	if (live && !table_equal(s->old, w->now.tables))
		return -ERESTART;
	w->now.sets[0].written = w->written;
	w->in_place = ipset_update(&w->now, w->now.tables, s->names, s->new, &w->update);
	if (w->in_place)
		return 0;
	r = ipset_mix(&w->now, s->names, s->new, &mixed);
	w->moves = r > 0;
	if (r >= 0)
		r = ipset_make(k, r ? mixed.tables : s->new, w->temporary);
	ruleset_release(&mixed);
	return r < 0 ? r : 0;
}

static int stage(struct ipset_kernel *k, struct work *w, const struct ruleset *live)
{
	const struct step *s = w->step;
	int r = 0;

	if (s->action == ACTION_ADD) {
		r = ipset_make(k, s->new, s->new->name);
		w->deed = r ? DEED_NONE : DEED_MADE;
	} else if (s->action == ACTION_REPLACE) {
		name_temporary(k, w);
		r = stage_members(k, w, live);
		w->deed = r || w->in_place ? DEED_NONE : DEED_STAGED;
	}
	return r;
}

/* What others did to the old set between its reading and the swap is done to the new one. */
static int catch_up(struct ipset_kernel *k, struct work *w)
{
	struct ruleset late = {0};
	int r = ipset_read(k, w->temporary, w->written, &late);

	if (!r)
		r = ipset_follow(k, &w->now, &late, step_name(w->step));
	ruleset_release(&late);
	return r < 0 ? log_errno(r, "cannot follow the changes of ipset '%s'", step_name(w->step))
		     : 0;
}

/* Swapping keeps the index, with all that refers to it; sets of two types cannot be swapped. */
static int put_in_place(struct ipset_kernel *k, struct work *w)
{
	const char *name = step_name(w->step);
	int r;

	if (w->deed != DEED_STAGED)
		return 0;
	if (w->aside) {
		w->deed = DEED_WAITS;
		return 0;
	}
	r = ipset_swap(k, w->temporary, name, true);
	if (!r) {
		w->deed = DEED_SWAPPED;
		return w->moves ? catch_up(k, w) : 0;
	}
	if (r != -EMEDIUMTYPE)
		return log_errno(r, "cannot replace ipset '%s'", name);
	r = ipset_destroy(k, name, true);
	if (r == -EBUSY) {
		w->deed = DEED_WAITS;
		return 0;
	}
	if (r < 0)
		return log_errno(r, "cannot remove ipset '%s'", name);
	w->deed = DEED_REMADE;
	return ipset_rename(k, w->temporary, name);
}

static int take_back(struct ipset_kernel *k, const struct work *w)
{
	const char *name = step_name(w->step);
	int r = 0;

	switch (w->deed) {
	case DEED_NONE:
		break;
	case DEED_MADE:
		r = ipset_destroy(k, name, false);
		break;
	case DEED_JOINED:
		r = ipset_send(k, w->step->new->type, &w->update.rejoin, name);
		if (!r)
			r = ipset_send(k, w->step->new->type, &w->update.unjoin, name);
		break;
	case DEED_SWAPPED:
		r = ipset_swap(k, w->temporary, name, false);
		if (r < 0)
			break;
		/* fall through */
	case DEED_STAGED:
	case DEED_WAITS:
		r = ipset_destroy(k, w->temporary, false);
		break;
	case DEED_REMADE:
		if (ipset_destroy(k, name, true) < 0 && ipset_destroy(k, w->temporary, true) < 0)
			log_warning("ipset '%s' stays behind", w->temporary);
		r = ipset_make(k, w->step->old, name);
		break;
	}
	return r;
}

static void resolve(struct ipset_kernel *k, struct ruleset *rs)
{
	for (size_t i = 0; i < rs->nsets; i++)
		rs->sets[i].now = ipset_index(k, rs->sets[i].name);
}

static int collect_temporary(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	if (ipset_is_temporary(netlink_str(tb[IPSET_ATTR_SETNAME])))
		strlist_add(arg, netlink_str(tb[IPSET_ATTR_SETNAME]));
	return 0;
}

/*
 * nf_tables lets go of what deleted rules referred to some time after the commit, but when a socket
 * is closed it has done so.
 */
static int destroy_released(struct ipset_kernel *k, const char *name, bool quiet)
{
	struct netlink n;
	int r = ipset_destroy(k, name, true);

	if (!r)
		return 0;
	if (!netlink_open(&n))
		netlink_close(&n);
	return ipset_destroy(k, name, quiet);
}

/* Those of this change when it is done, or of one that was cut off. One that a rule names stays. */
static int clear_temporaries(struct ipset_kernel *k)
{
	cleanup_strlist struct strlist names = {0};
	int r = ipset_dump(k, IPSET_ALL_NAMES, collect_temporary, &names);

	if (r < 0)
		return log_errno(r, "cannot list the ipsets");
	for (size_t i = 0; i < names.n; i++)
		if (destroy_released(k, names.s[i], true) < 0)
			log_detail("ipset '%s' is in use", names.s[i]);
	return 0;
}

static bool is_list(const struct step *s)
{
	return s->new && s->new->type && !strcmp(s->new->type, "list:set");
}

/*
 * The new members of all sets come before any old one goes: what is in some set before and
 * after is in one at every moment.
 */
static int join_members(struct ipset_kernel *k, struct work *w)
{
	if (!w->in_place)
		return 0;
	w->deed = DEED_JOINED;
	return ipset_send(k, w->step->new->type, &w->update.join, step_name(w->step));
}

static int part_members(struct ipset_kernel *k, struct work *works, size_t n)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		if (works[i].in_place) {
			const struct table *t = works[i].step->new;

			r = ipset_send(k, t->type, &works[i].update.part, t->name);
			fault_point("change-ipset-part");
		}
	return r;
}

/* Lists, or all others: a set that a new list already holds could not go. */
static int do_some(struct ipset_kernel *k, struct work *works, size_t n, bool lists,
		   const struct ruleset *live)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		if (is_list(works[i].step) == lists)
			r = stage(k, &works[i], live);
	for (size_t i = 0; !r && i < n; i++)
		if (is_list(works[i].step) == lists) {
			r = join_members(k, &works[i]);
			fault_point("change-ipset-join");
		}
	for (size_t i = 0; !r && i < n; i++)
		if (is_list(works[i].step) == lists) {
			r = put_in_place(k, &works[i]);
			fault_point("change-ipset-swap");
		}
	return r;
}

static int do_steps(struct ipset_kernel *k, struct work *works, size_t n,
		    const struct ruleset *live)
{
	int r = clear_temporaries(k);

	if (!r)
		r = do_some(k, works, n, false, live);
	if (!r)
		r = do_some(k, works, n, true, live);
	if (!r)
		r = part_members(k, works, n);
	if (!r)
		return 0;
	for (size_t i = n; i-- > 0;)
		if (take_back(k, &works[i]) < 0)
			log_error("ipset '%s' is not as it was", step_name(works[i].step));
	return r;
}

/* Where rules have to wait for the old set to go they are loaded onto the temporary one. */
static void lead_to_temporaries(struct ipset_kernel *k, struct ruleset *target,
				const struct work *works, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct set_ref *s = ruleset_set_named(target, step_name(works[i].step));

		if (works[i].deed == DEED_WAITS && s)
			s->now = ipset_index(k, works[i].temporary);
		else if (works[i].deed == DEED_SWAPPED &&
			 ipset_destroy(k, works[i].temporary, true) < 0)
			log_detail("ipset '%s' is in use", works[i].temporary);
	}
}

static unsigned count_commits(const struct work *works, size_t n)
{
	unsigned swapped = 0, joined = 0;

	for (size_t i = 0; i < n; i++) {
		joined += works[i].deed == DEED_JOINED;
		swapped += works[i].deed != DEED_JOINED && works[i].step->action == ACTION_REPLACE;
	}
	return swapped ? swapped : joined > 0;
}

static int ipset_change(struct plan *plan)
{
	cleanup_ipset struct ipset_kernel k = IPSET_KERNEL_INIT;
	cleanup_free struct work *works = mem_zalloc((plan->nsteps + 1) * sizeof(*works));
	int r = ipset_open(&k, plan->nsteps);

	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->nsteps; i++)
		works[i].step = &plan->steps[i];
	if (plan->nsteps)
		r = do_steps(&k, works, plan->nsteps, plan->generation_check ? plan->live : NULL);
	resolve(&k, plan->live);
	resolve(&k, plan->target);
	if (!r)
		lead_to_temporaries(&k, plan->target, works, plan->nsteps);
	if (!r)
		plan->commits = count_commits(works, plan->nsteps);
	for (size_t i = 0; i < plan->nsteps; i++) {
		ruleset_release(&works[i].now);
		ipset_update_release(&works[i].update);
	}
	return r;
}

static bool changes_in_place(const struct plan *plan, const struct step *s)
{
	struct ipset_update update = {0};
	bool in_place = ipset_update(plan->live, s->old, s->names, s->new, &update);

	ipset_update_release(&update);
	return in_place;
}

/*
 * A set that is new, or that nothing refers to any more, changes nothing for packets. Sets that
 * change in place are one commit, however many.
 */
static unsigned ipset_count(const struct plan *plan)
{
	unsigned replaced = 0, swapped = 0;

	for (size_t i = 0; i < plan->nsteps; i++)
		replaced += plan->steps[i].action == ACTION_REPLACE;
	if (replaced < 2)
		return replaced;
	for (size_t i = 0; i < plan->nsteps; i++)
		swapped += plan->steps[i].action == ACTION_REPLACE &&
			   !changes_in_place(plan, &plan->steps[i]);
	return swapped ? swapped : 1;
}

/* 1 if the set of this step was made now, for rules that are on the temporary one until then. */
static int finish_waiting(struct ipset_kernel *k, struct plan *plan, const struct step *s)
{
	struct set_ref *ref;
	int r;

	if (s->action != ACTION_REPLACE)
		return 0;
	ref = find_aside(plan->target, s->new->name);
	if (!ref)
		ref = ruleset_set_named(plan->target, s->new->name);
	if (!ref || ref->now == ipset_index(k, s->new->name))
		return 0;
	r = destroy_released(k, s->new->name, false);
	if (!r)
		r = ipset_make(k, s->new, s->new->name);
	if (r < 0)
		return r;
	ref->now = ipset_index(k, s->new->name);
	return 1;
}

/* Lists come last in a capture, and have to go before what they hold. */
static int finish_removals(struct ipset_kernel *k, const struct plan *plan)
{
	int r = 0;

	for (size_t i = plan->nsteps; !r && i-- > 0;) {
		const struct step *s = &plan->steps[i];

		if (s->action == ACTION_REMOVE && ipset_index(k, s->old->name) != SET_REF_NONE)
			r = destroy_released(k, s->old->name, false);
	}
	return r;
}

static int ipset_finish(struct plan *plan)
{
	cleanup_ipset struct ipset_kernel k = IPSET_KERNEL_INIT;
	int r = ipset_open(&k, false), again = 0;

	if (r < 0 || !k.protocol)
		return r;
	r = finish_removals(&k, plan);
	for (size_t i = 0; r >= 0 && i < plan->nsteps; i++) {
		r = finish_waiting(&k, plan, &plan->steps[i]);
		again |= r > 0;
	}
	if (r < 0 || again)
		return r < 0 ? r : 1;
	return clear_temporaries(&k);
}

const struct engine engine_ipset = {
	.name = "ipset",
	.capture = ipset_capture,
	.change = ipset_change,
	.count = ipset_count,
	.finish = ipset_finish,
	.digest = ipset_digest,
	.items = ipset_items,
	.compose = ipset_compose,
};
