/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_corpus [FOLDER] - rulesets from a folder (or $CORPUS), each loaded by the stock
 * program, captured, lost, restored and compared; and what of it is proved as text
 *
 * FOLDER holds nft/NAME.nft and xtables/TOOL.NAME.rules. Those of iptables and ip6tables are
 * loaded a second time by the legacy programs where the kernel has them ("legacy/...").
 * Prints TAP, and at the end a table by family. tests/corpus/known.txt lists the cases that are
 * expected to miss: "CASE ERRNO REASON" a line; an unlisted miss fails, and so does a listed case
 * that works.
 */
#include "file.h"
#include "log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_LIMIT (16U << 20)

static const char *const links[] = {
	"d0",	  "d1",	   "d2",   "d3",   "d23",   "dummy", "dummy0", "dummy1",    "dummy2",
	"dummy3", "ens",   "eth0", "eth1", "eth2",  "if1",   "if2",    "internal0", "lan0",
	"veth0",  "veth1", "wan0", "wan1", "wlan0", "x",     "y",
};

/* One line of the table at the end; counts are tables. */
struct family {
	char *name;
	unsigned tables, exact, proofs[PROOF_EXACT + 1];
};

static struct family *families;
static size_t nfamilies;
static struct strlist known;
static unsigned cases, failures;

/* "nft/cache.nft", "xtables/iptables.libxt_u32.rules" or "legacy/..." the same. */
static bool of_folder(const char *file, const char *folder)
{
	return !strncmp(file, folder, strlen(folder)) && file[strlen(folder)] == '/';
}

static char *tool_of(const char *file)
{
	const char *base = strchr(file, '/') + 1;

	return str_printf("%.*s-%s", (int)strcspn(base, "."), base,
			  of_folder(file, "legacy") ? "legacy" : "nft");
}

static struct family *family_of(const char *file, const struct table *t)
{
	cleanup_free char *name = of_folder(file, "nft")
					  ? str_printf("nft %s", family_name(t->family))
					  : tool_of(file);
	struct family *f;

	for (size_t i = 0; i < nfamilies; i++)
		if (!strcmp(families[i].name, name))
			return &families[i];
	f = array_grow(&families, &nfamilies, sizeof(*families));
	f->name = str_dup(name);
	return f;
}

/* The programs by which a file is loaded. */
static int load_stock(struct scratch *s, const char *file, const struct buf *content)
{
	cleanup_free char *tool = tool_of(file), *restore = str_printf("%s-restore", tool);
	const char *nft[] = {"nft", "-f", "-", NULL}, *xtables[] = {restore, NULL};
	cleanup_buf struct buf err = BUF_INIT;
	struct exec e = EXEC_INIT;
	int r;

	e.argv = of_folder(file, "nft") ? nft : xtables;
	e.in = content;
	e.err = &err;
	e.timeout = 60;
	r = scratch_run(s, &e);
	if (r)
		printf("# %s: %s", e.argv[0], buf_str(&err));
	return r > 0 ? -EINVAL : r;
}

/* The file as a ruleset of this kernel. */
static int capture_stock(const char *file, const struct buf *content, struct ruleset *rs)
{
	struct scratch s = SCRATCH_INIT;
	struct ruleset like = {0};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		strcpy(((struct link_ref *)array_grow(&like.links, &like.nlinks,
						      sizeof(*like.links)))
			       ->name,
		       links[i]);
	r = scratch_open(&s, &like);
	if (!r)
		r = load_stock(&s, file, content);
	if (!r)
		r = scratch_capture(&s, rs, true);
	scratch_close(&s);
	ruleset_release(&like);
	return r;
}

static int restore_and_compare(const char *file, struct ruleset *rs)
{
	cleanup_buf struct buf differences = BUF_INIT;
	struct scratch s = SCRATCH_INIT;
	struct ruleset now = {0};
	int r = scratch_open(&s, rs);

	if (!r)
		r = scratch_load(&s, rs);
	if (!r)
		r = scratch_capture(&s, &now, false);
	if (!r && !ruleset_equal(rs, &now)) {
		ruleset_differences(rs, &now, &differences);
		printf("# %s", buf_str(&differences));
		r = -EUCLEAN;
	}
	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *t = &rs->tables[i];

		if (!t->empty && table_equal(t, ruleset_find(&now, t->engine, t->family, t->name)))
			family_of(file, t)->exact++;
	}
	scratch_close(&s);
	ruleset_release(&now);
	return r;
}

static int prove(const char *file, struct ruleset *rs)
{
	struct texts texts;
	int r = text_prove(rs, false, &texts);

	for (size_t i = 0; i < rs->ntables && !r; i++) {
		cleanup_free char *label = table_label(&rs->tables[i]);

		if (rs->tables[i].empty)
			continue;
		family_of(file, &rs->tables[i])->tables++;
		family_of(file, &rs->tables[i])->proofs[texts.proofs[i]]++;
		printf("# %s: %s: %s%s%s\n", file, label, proof_name(texts.proofs[i]),
		       texts.reasons[i] ? ": " : "", texts.reasons[i] ? texts.reasons[i] : "");
	}
	texts_release(&texts);
	return r;
}

static int check(const char *folder, const char *file)
{
	cleanup_free char *path = of_folder(file, "legacy")
					  ? str_printf("%s/xtables%s", folder, strchr(file, '/'))
					  : str_printf("%s/%s", folder, file);
	cleanup_buf struct buf content = BUF_INIT;
	struct ruleset rs = {0};
	int r = file_read(path, FILE_LIMIT, &content);

	if (!r)
		r = capture_stock(file, &content, &rs);
	if (!r)
		r = prove(file, &rs);
	if (!r)
		r = restore_and_compare(file, &rs);
	ruleset_release(&rs);
	return r;
}

/* The reason why a file may miss, or NULL. */
static const char *known_miss(const char *file, int *error)
{
	for (size_t i = 0; i < known.n; i++) {
		char name[256];
		int end = 0;

		if (sscanf(known.s[i], "%255s %d %n", name, error, &end) == 2 &&
		    !strcmp(name, file))
			return known.s[i] + end;
	}
	return NULL;
}

static void run_case(const char *folder, const char *file)
{
	int expected = 0, r = check(folder, file);
	const char *reason = known_miss(file, &expected);

	cases++;
	if (r == -expected && reason && r) {
		printf("%s: %s\nok %u # SKIP %s\n", strerror(-r), reason, cases, file);
	} else if (r || reason) {
		printf("not ok %u - %s: %s\n", cases, file,
		       r ? strerror(-r) : "works, though it is listed as a known miss");
		failures++;
	} else {
		printf("ok %u - %s\n", cases, file);
	}
	fflush(stdout);
}

/* Runs those files of a folder whose name begins so, as cases named AS/FILE. */
static void run_folder(const char *folder, const char *name, const char *prefix, const char *as)
{
	cleanup_free char *path = str_printf("%s/%s", folder, name);
	cleanup_strlist struct strlist files = {NULL, 0};
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		cleanup_free char *file = str_printf("%s/%s", as, e->d_name);

		if (*e->d_name != '.' && !strncmp(e->d_name, prefix, strlen(prefix)))
			strlist_add(&files, file);
	}
	if (d)
		closedir(d);
	strlist_sort(&files);
	for (size_t i = 0; i < files.n; i++)
		run_case(folder, files.s[i]);
}

static void run_legacy(const char *folder)
{
	const struct buf nothing = {(unsigned char *)"*filter\nCOMMIT\n", 15, 0};
	struct scratch s = SCRATCH_INIT;
	bool works = engines[ENGINE_XTABLES] && !scratch_open(&s, NULL) &&
		     !load_stock(&s, "legacy/iptables.probe", &nothing);

	scratch_close(&s);
	if (!works) {
		printf("no legacy iptables here\nok %u # SKIP legacy\n", ++cases);
		return;
	}
	run_folder(folder, "xtables", "ip6tables.", "legacy");
	run_folder(folder, "xtables", "iptables.", "legacy");
}

static void read_known(const char *path)
{
	cleanup_buf struct buf text = BUF_INIT;
	char *save;

	if (file_read(path, FILE_LIMIT, &text))
		return;
	for (char *line = strtok_r(buf_str(&text), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (*line != '#')
			strlist_add(&known, line);
}

static void print_table(void)
{
	printf("%-16s %7s %7s %10s %7s %7s %13s\n", "family", "tables", "exact", "iptables", "nft",
	       "ipset", "only exactly");
	for (size_t i = 0; i < nfamilies; i++) {
		const struct family *f = &families[i];

		printf("%-16s %7u %7u %10u %7u %7u %13u\n", f->name, f->tables, f->exact,
		       f->proofs[PROOF_IPTABLES] + f->proofs[PROOF_IP6TABLES], f->proofs[PROOF_NFT],
		       f->proofs[PROOF_IPSET], f->proofs[PROOF_EXACT]);
		free(f->name);
	}
	free(families);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : getenv("CORPUS");
	cleanup_free char *nft = NULL;
	DIR *d;

	if (!folder)
		folder = "../shared/corpus";
	nft = str_printf("%s/nft", folder);
	d = opendir(nft);
	if (!d) {
		printf("there is no corpus in '%s'\nok 1 # SKIP corpus\n1..1\n", folder);
		return 0;
	}
	closedir(d);
	read_known("tests/corpus/known.txt");
	run_folder(folder, "nft", "", "nft");
	run_folder(folder, "xtables", "", "xtables");
	run_legacy(folder);
	printf("1..%u\n", cases);
	print_table();
	strlist_release(&known);
	return failures > 0;
}
