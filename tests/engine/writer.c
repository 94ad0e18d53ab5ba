/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "writer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static size_t message_begin(struct nft_batch *b, uint8_t type, uint16_t flags, const char *table,
			    const char *chain)
{
	size_t at = nft_message_begin(b, type, NFPROTO_IPV4, flags);

	nft_put_string(b, NFTA_TABLE_NAME, table);
	if (chain)
		nft_put_string(b,
			       type == NFT_MSG_NEWRULE || type == NFT_MSG_DELRULE ? NFTA_RULE_CHAIN
										  : NFTA_CHAIN_NAME,
			       chain);
	return at;
}

/* "immediate": a register becomes n. */
static void put_rule(struct nft_batch *b, const char *table, const char *chain, unsigned n)
{
	size_t at = message_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, table, chain);
	size_t list = nft_nest_begin(b, NFTA_RULE_EXPRESSIONS), data, value;
	size_t element = nft_nest_begin(b, NFTA_LIST_ELEM);
	uint32_t dreg = htonl(NFT_REG_1);

	nft_put_string(b, NFTA_EXPR_NAME, "immediate");
	data = nft_nest_begin(b, NFTA_EXPR_DATA);
	nft_put(b, NFTA_IMMEDIATE_DREG, &dreg, sizeof(dreg));
	value = nft_nest_begin(b, NFTA_IMMEDIATE_DATA);
	nft_put(b, NFTA_DATA_VALUE, &n, sizeof(n));
	nft_nest_end(b, value);
	nft_nest_end(b, data);
	nft_nest_end(b, element);
	nft_nest_end(b, list);
	nft_message_end(b, at);
}

void writer_make(struct nft_batch *b, const char *table, const char *chain)
{
	nft_message_end(b, message_begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, NULL));
	nft_message_end(b, message_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, table, chain));
}

void writer_put(struct nft_batch *b, const char *table, const char *chain, unsigned n)
{
	nft_message_end(b, message_begin(b, NFT_MSG_DELRULE, 0, table, chain));
	put_rule(b, table, chain, n);
}

void writer_delete(struct nft_batch *b, const char *table)
{
	nft_message_end(b, message_begin(b, NFT_MSG_DELTABLE, 0, table, NULL));
}

void writer_delete_chain(struct nft_batch *b, const char *table, const char *chain)
{
	nft_message_end(b, message_begin(b, NFT_MSG_DELCHAIN, 0, table, chain));
}

static int commit(writer_commit *fn, unsigned n)
{
	struct nft_batch b = {0};
	int r;

	nft_batch_begin(&b);
	fn(&b, n);
	nft_batch_end(&b);
	r = nft_batch_send(&b);
	nft_batch_release(&b);
	return r;
}

void writer_commit_once(writer_commit *fn, unsigned n)
{
	assert_int_equal(commit(fn, n), 0);
}

static _Noreturn void write_on(const char *name, unsigned pause, writer_commit *fn,
			       volatile unsigned *commits)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name);
	while (!commit(fn, *commits)) {
		++*commits;
		usleep(pause);
	}
	_exit(1);
}

struct writer writer_start(const char *name, unsigned pause, writer_commit *fn)
{
	struct writer w = {.commits = mmap(NULL, sizeof(unsigned), PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0)};

	assert_true(w.commits != MAP_FAILED);
	w.pid = fork();
	if (!w.pid)
		write_on(name, pause, fn, w.commits);
	assert_true(w.pid > 0);
	for (unsigned i = 0; i < 2000 && !*w.commits; i++)
		usleep(1000);
	assert_true(*w.commits > 0);
	return w;
}

void writer_stop(struct writer *w, unsigned before)
{
	unsigned commits = *w->commits;
	int status;

	kill(w->pid, SIGKILL);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	munmap((void *)w->commits, sizeof(unsigned));
	assert_true(WIFSIGNALED(status));
	assert_true(commits > before);
}
