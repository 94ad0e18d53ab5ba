/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history - a throw-away root folder with a history in it, for tests
 */
#ifndef FWSNAP_TESTS_HISTORY_H
#define FWSNAP_TESTS_HISTORY_H

#include "store.h"

#define HISTORY_DIR "/var/lib/fwsnap"
#define HISTORY_IPTABLES "/etc/iptables.up.rules"
#define HISTORY_IP6TABLES "/etc/ip6tables.up.rules"
#define HISTORY_NFTABLES "/etc/nftables.up.rules"
#define HISTORY_IPSET "/etc/ipset.up.rules"

struct history {
	char root[64];
	struct store store;
};

/* cmocka setup and teardown; *state is a struct history. */
int history_setup(void **state);
int history_teardown(void **state);

/* Runs a shell command in the root folder; its exit status. */
int history_run(const struct history *h, const char *command);
/* The content of a file, "" and "(absent)" told apart. Caller frees. */
char *history_file(const struct history *h, const char *path);

/* Whether the file has this content; "(absent)": there is none. */
bool history_has(const struct history *h, const char *path, const char *content);
/* Writes a file, as an editor would. */
void history_put(const struct history *h, const char *path, const char *content);

/* What sample_write puts in: three tables (one without records), a part, all the story. */
struct sample {
	const char *message;
	bool automatic;
};
/* Begins a snapshot and fills it, but for the commit. 0 or -errno. */
int sample_write(struct snapshot_new *n, struct store *s, const struct sample *sample);
/* Saves the sample without texts; the id, 0 on failure. */
unsigned sample_save(struct store *s, const char *message, bool automatic, bool current);
/* Whether a manifest with records is that of the sample. */
bool sample_is_whole(const struct manifest *m);

/* Saves the sample with these texts, as the current version: its id, or -errno. */
int history_save(struct store *s, const struct store_text *texts, size_t n);
/* A buffer around a string. */
struct buf text_of(const char *s);
/* A text to be placed. */
struct store_text text_written(const char *path, const struct buf *content);

/* stderr to /dev/null (a descriptor for unmute), for cases that provoke many messages. */
int mute(void);
void unmute(int fd);

#endif
