/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "history.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	enum engine_id engine;
	uint8_t family;
	const char *name, *type, *pieces[2];
} sample_tables[] = {
	{ENGINE_IPSET, NFPROTO_IPV4, "blocked", "hash:ip", {"opaque records of blocked", NULL}},
	{ENGINE_XTABLES, NFPROTO_IPV4, "raw", NULL, {NULL, NULL}},
	{ENGINE_NFT, NFPROTO_INET, "my filter", NULL, {"records of inet ", "my filter"}},
};

int history_setup(void **state)
{
	struct history *h = mem_zalloc(sizeof(*h));

	*state = h;
	strcpy(h->root, "/tmp/fwsnap-test-XXXXXX");
	if (!mkdtemp(h->root) || history_run(h, "mkdir -m 755 etc"))
		return -1;
	return store_open(&h->store, HISTORY_DIR, h->root, true);
}

int history_teardown(void **state)
{
	struct history *h = *state;
	int r = history_run(h, "rm -rf \"$PWD\"");

	store_close(&h->store);
	free(h);
	return r;
}

int history_run(const struct history *h, const char *command)
{
	cleanup_free char *line = str_printf("cd %s && { %s; }", h->root, command);

	return system(line);
}

char *history_file(const struct history *h, const char *path)
{
	cleanup_free char *full = str_printf("%s%s", h->root, path);
	struct buf content = BUF_INIT;

	if (file_read(full, 1 << 20, &content) < 0) {
		buf_release(&content);
		return str_dup("(absent)");
	}
	return buf_detach(&content);
}

bool history_has(const struct history *h, const char *path, const char *content)
{
	cleanup_free char *have = history_file(h, path);

	return !strcmp(have, content);
}

void history_put(const struct history *h, const char *path, const char *content)
{
	cleanup_free char *full = str_printf("%s%s", h->root, path);

	if (file_replace(full, content, strlen(content)) < 0)
		abort();
}

static int add_table(struct snapshot_new *n, size_t i)
{
	struct ruleset *rs = &n->manifest.rs;
	struct table *t = ruleset_add(rs, sample_tables[i].engine, sample_tables[i].family,
				      sample_tables[i].name);

	t->type = sample_tables[i].type ? str_dup(sample_tables[i].type) : NULL;
	t->fixed = digest_of(t->name, strlen(t->name));
	t->counts = (struct table_counts){1, 2, 3, 4, 5};
	for (size_t p = 0; p < 2 && sample_tables[i].pieces[p]; p++) {
		const char *piece = sample_tables[i].pieces[p];
		int r = snapshot_add_records(n, t, piece, strlen(piece));

		t->size += strlen(piece);
		if (r < 0)
			return r;
	}
	return 0;
}

int sample_write(struct snapshot_new *n, struct store *s, const struct sample *sample)
{
	static const char rules[] = "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n";
	struct manifest *m = &n->manifest;
	int r = snapshot_new_open(n, s);

	if (r < 0)
		return r;
	m->created = 1795468386;
	m->automatic = sample->automatic;
	m->host = str_dup("mail");
	m->kernel = str_dup("6.1.0-28-amd64");
	m->machine = str_dup("x86_64");
	m->user = str_dup("root");
	m->from = str_dup("pts/3 198.51.100.7");
	m->message = str_dup(sample->message);
	m->proofs = mem_zalloc(ARRAY_SIZE(sample_tables) * sizeof(*m->proofs));
	for (size_t i = 0; i < ARRAY_SIZE(sample_tables) && !r; i++) {
		r = add_table(n, i);
		m->proofs[i] = PROOF_EXACT;
	}
	if (!r)
		r = snapshot_add_part(n, "iptables.rules", rules, strlen(rules));
	if (r < 0)
		snapshot_new_cancel(n);
	return r;
}

unsigned sample_save(struct store *s, const char *message, bool automatic, bool current)
{
	const struct sample sample = {message, automatic};
	struct snapshot_new n;

	if (sample_write(&n, s, &sample) < 0 || store_commit(&n, NULL, 0, current) < 0)
		return 0;
	return n.manifest.id;
}

int history_save(struct store *s, const struct store_text *texts, size_t n)
{
	static const struct sample sample = {"texts", false};
	struct snapshot_new new;
	int r = sample_write(&new, s, &sample);

	if (!r)
		r = store_commit(&new, texts, n, true);
	return r ? r : (int)new.manifest.id;
}

struct buf text_of(const char *s)
{
	return (struct buf){(unsigned char *)(uintptr_t)s, strlen(s), 0};
}

static bool table_is_whole(const struct table *t, size_t i)
{
	struct buf want = BUF_INIT;
	bool whole;

	for (size_t p = 0; p < 2 && sample_tables[i].pieces[p]; p++)
		buf_add_str(&want, sample_tables[i].pieces[p]);
	whole = t->engine == sample_tables[i].engine && t->family == sample_tables[i].family &&
		!strcmp(t->name, sample_tables[i].name) && !t->type == !sample_tables[i].type &&
		t->records.len == want.len &&
		(!want.len || !memcmp(t->records.data, want.data, want.len));
	buf_release(&want);
	return whole;
}

bool sample_is_whole(const struct manifest *m)
{
	if (m->rs.ntables != ARRAY_SIZE(sample_tables) || strcmp(m->host, "mail"))
		return false;
	for (size_t i = 0; i < m->rs.ntables; i++)
		if (!table_is_whole(&m->rs.tables[i], i))
			return false;
	return true;
}

struct store_text text_written(const char *path, const struct buf *content)
{
	return (struct store_text){path, TEXT_WRITTEN, content};
}

int mute(void)
{
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	close(null);
	return saved;
}

void unmute(int fd)
{
	dup2(fd, STDERR_FILENO);
	close(fd);
}
