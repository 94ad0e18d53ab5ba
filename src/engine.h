/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine - contract between fwsnap and one part of the kernel's packet filter
 *
 * Three engines: ipset, nft (nf_tables), xtables (legacy iptables, ip6tables).
 * Each works in the caller's network namespace. engines[] is in load order;
 * capture runs in the same order (rules name sets by index), undo and the
 * removal of what is no longer wanted in reverse.
 *
 * Engines know nothing of store, guard or configuration. They return 0 or -errno and
 * log what went wrong with the object's name (log_errno), once.
 */
#ifndef FWSNAP_ENGINE_H
#define FWSNAP_ENGINE_H

#include "item.h"
#include "ruleset.h"

/*
 * Receives the records of a table while it is captured, in pieces of whole
 * records of about CAPTURE_PIECE bytes; 0, or a negative errno that ends the capture.
 */
typedef int capture_sink(void *arg, const struct table *t, const void *records, size_t n);
#define CAPTURE_PIECE (1U << 20)

/*
 * What other programs commit to nf_tables, told by the kernel (NFNLGRP_NFTABLES), of the namespace
 * that it was opened in. Opened before a capture and given to it and to the change that
 * follows, it lets both succeed beside a busy writer: only what somebody changed in a table
 * that they need makes them fail. What the process itself sends by way of the watch does not count.
 *
 *   watch_open; capture.watch, engines_capture; plan.watch, engine.change; watch_changes; watch_close
 *
 * Legacy tables and ipsets have no such events: they are read again right before they change.
 */
struct watch;

/* 0; *w stays NULL, which all take, where nf_tables is not in use. -errno (logged). */
must_check int watch_open(struct watch **w);
void watch_close(struct watch *w);
/*
 * Reads what was told so far. Each table of nf_tables (t: that one only) that another program changed
 * after generation `since` appends a line to who (may be NULL): "ip filter by 'nft' (pid 123)".
 * Returns how many there are; -errno, not logged. Where the kernel could not tell all ("any table"),
 * every table counts as changed.
 */
must_check int watch_changes(struct watch *w, const struct table *t, uint32_t since,
			     struct strlist *who);

struct capture {
	capture_sink *sink; /* NULL: the records stay in table.records */
	void *arg;
	unsigned lock_wait; /* seconds to wait for /run/xtables.lock */
	struct watch *watch; /* NULL: the capture has one of its own */
};

/*
 * For engines: call after appending records to t->records. Hands them to the
 * sink once there are CAPTURE_PIECE bytes, or when `end` is set; counts t->size.
 */
must_check int capture_flush(const struct capture *c, struct table *t, bool end);
/* A sink that throws the records away: for captures that are only compared. */
int capture_discard(void *arg, const struct table *t, const void *records, size_t n);

/* What one engine has to do; tables of other engines never appear. */
enum action { ACTION_ADD, ACTION_REPLACE, ACTION_REMOVE };

struct step {
	enum action action;
	const struct table *old; /* live; NULL for ACTION_ADD */
	const struct table *new; /* NULL for ACTION_REMOVE */
	struct ruleset *names;   /* whose table `new` is, for the names behind its numbers */
	size_t place;            /* steps are sorted by it: removals, then the target's order */
};

/* live and target give the names behind the numbers; steps are in table order. */
struct plan {
	struct ruleset *live;
	struct ruleset *target; /* links[].now are resolved; sets[].now by the ipset engine */
	struct step *steps;
	size_t nsteps;
	bool generation_check; /* refuse (-ERESTART, not logged) if live is no longer what the kernel has */
	unsigned lock_wait;
	/*
	 * With generation_check: the watch of live's capture. Then only a change of a table that the
	 * steps name is -ERESTART. NULL: any change is.
	 */
	struct watch *watch;
	bool touched; /* set by an engine whose change failed but may be in force all the same, or half */
	/* What could not be staged, one line each: "inet fw: set 'bl': its type changed". The caller releases it. */
	struct strlist unstaged;
	unsigned commits; /* that packets can tell apart */
	unsigned batches, messages; /* sent to nf_tables, and what they held, begin and end included */
};

/* An item and where it is from. */
struct piece {
	struct ruleset *from;
	const struct table *table;
	const struct item *item;
	bool accept; /* a base chain: whatever its policy was, it is accept */
};

typedef void item_reference(void *arg, enum item_kind kind, const char *name);

/* What a rule says by which people and programs know it again, in iptables' words. */
enum fact_kind {
	FACT_JUMP,        /* a chain that it jumps or goes to */
	FACT_SET,         /* an ipset, or a named set of nf_tables, that it looks into or changes */
	FACT_COMMENT,
	FACT_TARGET,      /* "ACCEPT", "MASQUERADE", "LOG" */
	/* what it asks of a packet: */
	FACT_IN,          /* an interface; with "+" at its end any that begins so */
	FACT_NOT_IN,
	FACT_OUT,
	FACT_NOT_OUT,
	FACT_SOURCE,      /* a network with its length: "172.17.0.2/32"; of a negated match, too */
	FACT_DESTINATION, /* likewise */
	FACT_MATCH,       /* anything else: a protocol ("tcp"), an extension ("conntrack", "addrtype") */
	FACT_KINDS
};

struct facts {
	struct strlist of[FACT_KINDS];
};

/* Whether more is wanted of a rule than what it refers to, which is known so far. */
typedef bool facts_wanted(void *arg, const struct item *rule, const struct facts *facts);
typedef void rule_facts(void *arg, const struct item *rule, const struct facts *facts);

struct engine {
	const char *name;
	/*
	 * Appends this engine's tables to rs, with digests, counts and chain names,
	 * and notes links and sets (module comment). Loads no kernel module and
	 * creates no table. What the kernel lacks is not an error: nothing is appended.
	 * -EAGAIN, not logged: the rules changed meanwhile. -EBUSY: a lock was not to be had.
	 */
	int (*capture)(struct ruleset *rs, const struct capture *c);
	/*
	 * Keeps other programs from changing this part until `unlock`: held from before
	 * the first step of any engine until the check after the last. 0 or -EBUSY (logged); nests. NULL:
	 * there is nothing to lock.
	 */
	int (*lock)(unsigned wait);
	void (*unlock)(void);
	/*
	 * Does all steps, or none: on error the engine's part of the firewall is
	 * as it was, unless it says otherwise by plan->touched. Called also without steps of its own (nsteps == 0).
	 */
	int (*change)(struct plan *plan);
	/* How many commits that packets can tell apart `change` needs for these steps; NULL: one if there are any. */
	unsigned (*count)(const struct plan *plan);
	/*
	 * Removes what `change` had to leave because rules still referred to it
	 * (ipset: sets no longer wanted). NULL if there is nothing of the kind. 1: something
	 * could only be made now, and the other engines have to load what refers to it once more.
	 */
	int (*finish)(struct plan *plan);
	/*
	 * Computes fixed, dynamic, members, counts, empty and chains of a table from
	 * its records, with the names in rs. For records that come from a file: returns
	 * -EBADMSG if they are not well-formed, and never reads beyond them.
	 */
	int (*digest)(struct ruleset *rs, struct table *t);
	/*
	 * Takes a table of rs, with records, apart; the items' names live as long as the records. 0 or
	 * -EBADMSG (not logged).
	 */
	int (*items)(struct ruleset *rs, const struct table *t, struct items *out);
	/*
	 * Puts records and digests of t, a table of rs as ruleset_add made it, together from pieces of tables of
	 * the same identity, in the order of enum item_kind. What a rule brings along (anonymous sets, a bound
	 * chain) comes with it; the numbers of `from` become those of rs by name, what is
	 * new there is noted. 0; not logged: -EXDEV: a number stands for two names; -ENOENT: a piece refers to
	 * a chain that is not among them.
	 */
	int (*compose)(struct ruleset *rs, struct table *t, const struct piece *pieces, size_t n);
	/*
	 * Calls fn for the chains and named sets of t without which compose, or the kernel, would not take these of its
	 * items: to tell them needs no more than to be among the pieces. Perhaps for more than
	 * those, and more than once; never for objects. The names live as long as the records. NULL: there are none.
	 */
	void (*refers)(const struct table *t, const struct item *const *items, size_t n,
		       item_reference *fn, void *arg);
	/*
	 * Calls fn for each rule among all items of a table of rs, in their order; the facts are borrowed. Where `wanted`
	 * (NULL: nowhere) does not want more they are FACT_JUMP and FACT_SET alone. What an engine does not understand of a
	 * rule is a FACT_MATCH. NULL: there are no rules.
	 */
	void (*facts)(const struct ruleset *rs, const struct table *t, const struct items *items,
		      facts_wanted *wanted, rule_facts *fn, void *arg);
};

extern const struct engine engine_ipset, engine_nft;
#ifdef HAVE_LEGACY
extern const struct engine engine_xtables;
#endif
/* For engines: adds a fact, once; forgets all. */
void facts_add(struct facts *f, enum fact_kind kind, const char *value);
/* An address of 4 or 16 bytes, and the mask that it is compared under. */
void facts_add_net(struct facts *f, enum fact_kind kind, const void *address, const void *mask,
		   size_t size);
void facts_release(struct facts *f);

/* By enum engine_id; NULL where built without (LEGACY=no). */
extern const struct engine *const engines[ENGINE_COUNT];

/*
 * For a ruleset with records that comes from a file: computes anew all that is derived from them, so
 * that it is right and of this version. `name` is for the message. -EBADMSG (logged) if they are not
 * well-formed. Tables of an engine that is not built in are passed over.
 */
must_check int engines_digest(struct ruleset *rs, const char *name);

#define CAPTURE_TRIES 10

/* For log_set_state, once a part of a change is in force: what fails then makes it be undone. */
#define STATE_UNDOING "what was changed is being undone"

/*
 * Captures everything in the caller's namespace; rs must be zeroed. 0 or -errno
 * (logged). The tables of nf_tables are all as of one generation, rs->generation: a table that
 * another program changed while the others were read is read again, or taken as it was before, whichever keeps
 * that true. A ruleset that changes meanwhile is read again, CAPTURE_TRIES times; with
 * a sink that keeps the records the caller has to do so: -EAGAIN, not logged.
 */
must_check int engines_capture(struct ruleset *rs, const struct capture *c);

#endif
