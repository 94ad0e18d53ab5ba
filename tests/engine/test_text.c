/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

/* The tests' own "host": private, with two interfaces; made anew from the real one for each. */
static int private_host(void **state)
{
	static int real = -1;

	(void)state;
	if (real < 0)
		real = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return setns(real, CLONE_NEWNS) || unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	       mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") || netns_make_link("d0", 5) ||
	       netns_make_link("d1", 6);
}

static struct buf text_of(const char *s)
{
	struct buf b = BUF_INIT;

	buf_add_str(&b, s);
	return b;
}

/* Runs a shell script in a scratch with d0 and d1; what it makes of the firewall is rs. */
static void make_rules(const char *script, struct ruleset *rs)
{
	const char *argv[] = {"sh", "-e", "-c", script, NULL};
	struct scratch s = SCRATCH_INIT;
	struct ruleset like = {0};
	cleanup_buf struct buf err = BUF_INIT;
	struct exec e = EXEC_INIT;

	ruleset_note_device(&like, "d0");
	ruleset_note_device(&like, "d1");
	assert_int_equal(scratch_open(&s, &like), 0);
	e.argv = argv;
	e.err = &err;
	if (scratch_run(&s, &e))
		fail_msg("%s\n%s", script, buf_str(&err));
	assert_int_equal(scratch_capture(&s, rs, true), 0);
	scratch_close(&s);
	ruleset_release(&like);
}

/* "ip filter: iptables; inet t: nftables" for the tables that are not empty. */
static char *proofs_of(const struct ruleset *rs, const struct texts *t)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < rs->ntables; i++) {
		cleanup_free char *label = table_label(&rs->tables[i]);

		if (t->proofs[i] != PROOF_NONE)
			buf_printf(&out, "%s%s: %s", out.len ? "; " : "", label,
				   proof_name(t->proofs[i]));
		assert_int_equal(t->proofs[i] == PROOF_EXACT, t->reasons[i] != NULL);
		assert_int_equal(rs->tables[i].empty, t->proofs[i] == PROOF_NONE);
	}
	return buf_detach(&out);
}

/* The promise itself, without the prover: the stock programs make of the texts what they were made
 * from. */
static void check_texts(struct ruleset *rs, const struct texts *t, unsigned times)
{
	struct scratch s = SCRATCH_INIT;
	struct ruleset loaded = {0};

	assert_int_equal(scratch_open(&s, rs), 0);
	for (enum text_kind k = 0; k < TEXT_KINDS; k++)
		for (unsigned i = 0; t->content[k].len && i < (k == TEXT_IPSET ? 1 : times); i++)
			assert_int_equal(text_load(&s, k, t->variant[k], &t->content[k], "test"),
					 0);
	assert_int_equal(scratch_capture(&s, &loaded, false), 0);
	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *a = &rs->tables[i];
		const struct table *b = ruleset_find(&loaded, a->engine, a->family, a->name);

		if (t->proofs[i] == PROOF_EXACT)
			assert_true(!b || b->empty);
		else
			assert_true(table_equal(a, b));
	}
	ruleset_release(&loaded);
	scratch_close(&s);
}

#define NFT(rules) "nft -f - <<'END'\n" rules "\nEND\n"
#define IPTABLES(rules) "iptables-nft-restore <<'END'\n" rules "\nCOMMIT\nEND\n"
#define IP6TABLES(rules) "ip6tables-nft-restore <<'END'\n" rules "\nCOMMIT\nEND\n"
#define LEGACY(rules) "iptables-legacy-restore <<'END'\n" rules "\nCOMMIT\nEND\n"
#define INPUT "type filter hook input priority 0;"

struct row {
	const char *what, *script, *proofs;
};

static const struct row cases[] = {
	{"nothing", "true", ""},
	{"iptables", IPTABLES("*filter\n-P INPUT DROP\n-A INPUT -i d0 -p tcp --dport 22 -j ACCEPT"),
	 "ip filter: iptables"},
	{"two tables of iptables",
	 IPTABLES("*filter\n-A INPUT -j DROP\nCOMMIT\n*nat\n-A POSTROUTING -j MASQUERADE"),
	 "ip filter: iptables; ip nat: iptables"},
	{"iptables and ip6tables",
	 IPTABLES("*filter\n-A INPUT -s 1.2.3.4 -j DROP")
		 IP6TABLES("*raw\n-A OUTPUT -d ::1 -j ACCEPT"),
	 "ip filter: iptables; ip6 raw: ip6tables"},
	{"a table without a rule", IPTABLES("*filter\n:INPUT ACCEPT"), ""},
	{"a rule only nft has, in ip filter",
	 NFT("table ip filter {\n chain INPUT {\n" INPUT
	     "\n ct state vmap { established : accept }\n}\n}"),
	 "ip filter: nftables"},
	{"a set that iptables-save drops",
	 NFT("table ip filter {\n chain INPUT {\n" INPUT
	     "\n ip saddr { 1.1.1.1, 2.2.2.2 } accept\n}\n}"),
	 "ip filter: nftables"},
	{"native rules that iptables-save shows",
	 NFT("table ip filter {\n chain INPUT {\n" INPUT
	     "\n ip saddr 1.1.1.1 counter accept\n}\n}"),
	 "ip filter: iptables"},
	{"a chain of its own kind in ip filter",
	 NFT("table ip filter {\n chain odd {\n" INPUT "\n counter drop\n}\n}"),
	 "ip filter: nftables"},
	{"what no text carries",
	 IPTABLES("*filter\n-A INPUT -m string --algo bm --string x -j DROP")
		 NFT("add rule ip filter INPUT ip saddr { 1.1.1.1, 2.2.2.2 } accept"),
	 "ip filter: exact"},
	{"the rest of a ruleset with something no text carries",
	 IPTABLES("*filter\n-A INPUT -m string --algo bm --string x -j DROP\nCOMMIT\n*nat\n-A "
		  "POSTROUTING -j MASQUERADE")
		 NFT("add rule ip filter INPUT ip saddr { 1.1.1.1, 2.2.2.2 } accept\ntable inet t "
		     "{\n chain c {\n accept\n}\n}"),
	 "ip filter: exact; ip nat: iptables; inet t: nftables"},
	{"a rule for an interface that is gone",
	 NFT("table ip gone {\n chain c {\n iif 99 accept\n}\n}\ntable ip stays {\n chain c {\n "
	     "iif d0 accept\n}\n}"),
	 "ip gone: exact; ip stays: nftables"},
	{"interfaces by index",
	 NFT("table inet t {\n set s {\n type iface_index\n elements = { d0, d1 }\n}\n chain c "
	     "{\n" INPUT "\n iif d1 drop\n}\n}"),
	 "inet t: nftables"},
	{"all families",
	 NFT("add table ip a; add chain ip a c; add table ip6 a; add chain ip6 a c\n"
	     "add table inet a; add chain inet a c; add table arp a; add chain arp a c\n"
	     "add table bridge a; add chain bridge a c; add table netdev a; add chain netdev a c"),
	 "ip a: nftables; ip6 a: nftables; inet a: nftables; arp a: nftables; bridge a: nftables; "
	 "netdev a: nftables"},
	{"ingress of a device",
	 NFT("table netdev t {\n chain c {\n type filter hook ingress device d0 priority 0; policy "
	     "drop;\n ip saddr 1.2.3.4 accept\n}\n}"),
	 "netdev t: nftables"},
	{"sets, maps, objects",
	 NFT("table inet t {\n counter k {\n}\n quota q {\n over 5 mbytes\n}\n set s {\n type "
	     "ipv4_addr . inet_service\n flags interval\n elements = { 10.0.0.0/8 . 1-9 }\n}\n"
	     " map m {\n type ipv4_addr : verdict\n elements = { 1.2.3.4 : drop }\n}\n set d {\n "
	     "type ipv4_addr\n flags dynamic,timeout\n timeout 5m\n}\n"
	     " chain c {\n" INPUT "\n ip saddr vmap @m\n ip saddr . tcp dport @s drop\n counter "
	     "name k\n quota name q drop\n add @d { ip saddr }\n}\n}"),
	 "inet t: nftables"},
	{"inet made before ip, of equal priority",
	 NFT("table inet b {\n chain x {\n" INPUT
	     "\n accept\n}\n}\ntable ip filter {\n chain INPUT {\n" INPUT
	     "\n ip saddr 1.1.1.1 counter accept\n}\n}"),
	 "inet b: nftables; ip filter: iptables"},
	{"ip made before inet, of equal priority",
	 NFT("table ip filter {\n chain INPUT {\n" INPUT
	     "\n ip saddr 1.1.1.1 counter accept\n}\n}\ntable inet b {\n chain x {\n" INPUT
	     "\n accept\n}\n}"),
	 "ip filter: iptables; inet b: nftables"},
	{"chains of equal priority interleaved",
	 NFT("table ip a {\n chain x {\n" INPUT
	     "\n accept\n}\n}\ntable inet b {\n chain y {\n" INPUT "\n accept\n}\n}\n"
	     "table ip a {\n chain z {\n" INPUT "\n drop\n}\n}\ntable ip6 c {\n chain w {\n" INPUT
	     "\n drop\n}\n}\ntable inet b {\n chain v {\n" INPUT "\n counter\n}\n}"),
	 "ip a: nftables; inet b: nftables; ip6 c: nftables"},
	{"what ebtables wrote", "ebtables-nft -A INPUT -s 1:2:3:4:5:6 -j DROP",
	 "bridge filter: nftables"},
	{"ipsets and rules that name them",
	 "ipset create bl hash:net; ipset add bl 10.0.0.0/8; ipset create other hash:ip\n" IPTABLES(
		 "*filter\n-A INPUT -m set --match-set bl src -j DROP"),
	 "ipset bl: ipset; ipset other: ipset; ip filter: iptables"},
	{"a set of sets, made before what it holds",
	 "ipset create all list:set; ipset create a hash:ip; ipset create b bitmap:port range 1-99;"
	 "ipset add all a; ipset add all b; ipset add b 5; ipset add a 1.2.3.4",
	 "ipset a: ipset; ipset b: ipset; ipset all: ipset"},
	{"members with all there is",
	 "ipset create s hash:ip timeout 600 counters comment skbinfo;"
	 "ipset add s 1.2.3.4 timeout 60 packets 5 bytes 9 comment 'packets 1 bytes 2' skbmark 0x7;"
	 "ipset create n hash:net,port family inet6 forceadd; ipset add n fe80::/10,tcp:80 "
	 "nomatch",
	 "ipset s: ipset; ipset n: ipset"},
};

/* The same where the kernel has legacy iptables. */
static const struct row legacy_cases[] = {
	{"legacy iptables",
	 LEGACY("*filter\n-P INPUT DROP\n-A INPUT -i d0 -m string --algo bm --string x -j ACCEPT"),
	 "legacy ip filter: iptables"},
	{"legacy tables without a rule", LEGACY("*filter\n:INPUT ACCEPT"), ""},
	{"nft of the family beside legacy",
	 LEGACY("*filter\n-A INPUT -s 1.2.3.4 -j DROP")
		 NFT("table ip nat {\n chain POSTROUTING {\n type nat hook postrouting priority "
		     "srcnat;\n masquerade\n}\n}"),
	 "ip nat: nftables; legacy ip filter: iptables"},
	{"nft of the other family beside legacy",
	 LEGACY("*filter\n-A INPUT -s 1.2.3.4 -j DROP")
		 IP6TABLES("*filter\n-A INPUT -s ::1 -j DROP"),
	 "ip6 filter: ip6tables; legacy ip filter: iptables"},
	{"iptables of both variants, one not shown by nft",
	 LEGACY("*filter\n-A INPUT -s 1.2.3.4 -j DROP")
		 IPTABLES("*mangle\n-A INPUT -m string --algo bm --string x -j DROP"),
	 "ip mangle: exact; legacy ip filter: iptables"},
};

static void check_row(const struct row *row)
{
	struct ruleset rs = {0};
	struct texts t;
	cleanup_free char *got = NULL;

	make_rules(row->script, &rs);
	assert_int_equal(text_prove(&rs, false, &t), 0);
	got = proofs_of(&rs, &t);
	if (strcmp(got, row->proofs))
		fail_msg("%s: %s", row->what, got);
	check_texts(&rs, &t, 1);
	texts_release(&t);
	ruleset_release(&rs);
}

static void each_table_goes_to_the_first_text_that_carries_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_row(&cases[i]);
}

static void legacy_tables_have_the_iptables_text_of_their_family(void **state)
{
	const char *argv[] = {"iptables-legacy", "-S", NULL};
	struct scratch s = SCRATCH_INIT;
	struct exec e = EXEC_INIT;
	bool works;

	(void)state;
	e.argv = argv;
	assert_int_equal(scratch_open(&s, NULL), 0);
	works = engines[ENGINE_XTABLES] && !scratch_run(&s, &e);
	scratch_close(&s);
	if (!works) {
		print_message("no legacy iptables here\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(legacy_cases); i++)
		check_row(&legacy_cases[i]);
}

/* One ruleset, with what may differ between equal ones: counters. */
#define MIXED(packets)                                                                             \
	"iptables-nft-restore -c <<'END'\n*filter\n:INPUT DROP [" packets ":9]\n:mine - [0:0]\n"   \
	"[0:0] -A INPUT -j mine\n[" packets                                                        \
	":9] -A mine -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n"                                 \
	"END\n" NFT("table inet t {\n set s {\n type ipv4_addr\n flags timeout\n"                  \
		    " elements = { 1.2.3.4 timeout 1h }\n}\n chain c {\n" INPUT                    \
		    "\n tcp dport { 1, 2 } counter packets " packets " bytes 8 accept\n}\n}")

static void second_load_of_the_same_texts_changes_nothing(void **state)
{
	struct ruleset rs = {0};
	struct texts t;

	(void)state;
	make_rules(MIXED("7"), &rs);
	assert_int_equal(text_prove(&rs, false, &t), 0);
	check_texts(&rs, &t, 2);
	texts_release(&t);
	ruleset_release(&rs);
}

static bool has(const struct buf *text, const char *needle)
{
	return memmem(text->data, text->len, needle, strlen(needle));
}

static void equal_rulesets_have_equal_texts(void **state)
{
	struct ruleset a = {0}, b = {0};
	struct texts first, second;

	(void)state;
	make_rules(MIXED("5"), &a);
	make_rules(MIXED("123456"), &b);
	assert_true(ruleset_equal(&a, &b));
	assert_int_equal(text_prove(&a, false, &first), 0);
	assert_int_equal(text_prove(&b, false, &second), 0);
	for (size_t k = 0; k < TEXT_KINDS; k++)
		assert_string_equal(buf_str(&first.content[k]), buf_str(&second.content[k]));
	assert_true(first.attempted[TEXT_IPTABLES] && first.attempted[TEXT_NFT]);
	assert_false(first.attempted[TEXT_IPSET] || first.attempted[TEXT_IP6TABLES]);
	texts_release(&first);
	texts_release(&second);
	ruleset_release(&a);
	ruleset_release(&b);
}

static void counters_are_written_when_asked_for(void **state)
{
	struct ruleset rs = {0};
	struct texts with, without;

	(void)state;
	make_rules(MIXED("7"), &rs);
	assert_int_equal(text_prove(&rs, true, &with), 0);
	assert_int_equal(text_prove(&rs, false, &without), 0);
	assert_true(has(&with.content[TEXT_NFT], "packets 7 bytes 8"));
	assert_false(has(&without.content[TEXT_NFT], "packets"));
	assert_true(has(&with.content[TEXT_IPTABLES], "[7:9] -A mine -p tcp"));
	assert_true(has(&with.content[TEXT_IPTABLES], ":INPUT DROP [7:9]"));
	assert_false(has(&without.content[TEXT_IPTABLES], "[7:9]"));
	check_texts(&rs, &with, 1);
	texts_release(&with);
	texts_release(&without);
	ruleset_release(&rs);
}

static void begins(const struct buf *text, const char *prefix)
{
	assert_true(text->len > strlen(prefix));
	assert_memory_equal(text->data, prefix, strlen(prefix));
}

static void sets_have_equal_texts_whatever_their_hash(void **state)
{
	struct ruleset a = {0}, b = {0};
	struct texts first, second;

	(void)state;
	make_rules("ipset create s hash:ip counters; for i in 1 2 3 4 5 6 7 8 9; do ipset add s "
		   "1.2.3.$i packets $i;"
		   "done",
		   &a);
	make_rules("ipset create s hash:ip counters; for i in 9 8 7 6 5 4 3 2 1; do ipset add s "
		   "1.2.3.$i; done",
		   &b);
	assert_int_equal(text_prove(&a, false, &first), 0);
	assert_int_equal(text_prove(&b, false, &second), 0);
	assert_true(first.content[TEXT_IPSET].len > 0);
	assert_string_equal(buf_str(&first.content[TEXT_IPSET]),
			    buf_str(&second.content[TEXT_IPSET]));
	texts_release(&first);
	texts_release(&second);
	ruleset_release(&a);
	ruleset_release(&b);
}

static void text_says_who_made_it_and_how_to_load_it(void **state)
{
	struct ruleset rs = {0};
	struct texts t;

	(void)state;
	make_rules(MIXED("7"), &rs);
	assert_int_equal(text_prove(&rs, false, &t), 0);
	begins(&t.content[TEXT_NFT], "#!/usr/sbin/nft -f\n# Written by fwsnap " FWSNAP_VERSION
				     "\n# Load with: nft -f FILE\ntable inet t\n");
	begins(&t.content[TEXT_IPTABLES], "# Written by fwsnap " FWSNAP_VERSION
					  "\n# Load with: iptables-nft-restore < FILE\n*filter\n");
	assert_int_equal(text_guess(&t.content[TEXT_NFT], "x"), TEXT_NFT);
	assert_int_equal(text_guess(&t.content[TEXT_IPTABLES], "x"), TEXT_IPTABLES);
	assert_int_equal(text_variant_of(&t.content[TEXT_IPTABLES]), VARIANT_NFT);
	texts_release(&t);
	ruleset_release(&rs);
}

static void reason_names_what_each_program_said(void **state)
{
	struct ruleset rs = {0};
	struct texts t;

	(void)state;
	make_rules(IPTABLES("*filter\n-A INPUT -m string --algo bm --string x -j DROP")
			   NFT("add rule ip filter INPUT ct state vmap { new : accept }"),
		   &rs);
	assert_int_equal(text_prove(&rs, false, &t), 0);
	assert_string_equal(
		t.reasons[0],
		"iptables: it has rules that iptables cannot show, nft: line 4: "
		"unsupported xtables compat expression, use iptables-nft with this ruleset");
	assert_int_equal(t.content[TEXT_NFT].len, 0);
	assert_int_equal(t.content[TEXT_IPTABLES].len, 0);
	assert_true(t.attempted[TEXT_IPTABLES] && t.attempted[TEXT_NFT]);
	texts_release(&t);
	ruleset_release(&rs);
}

/* Leaves only one program of the folder where they all are. */
static void hide_all_but(const char *program)
{
	cleanup_free char *real = str_printf("/mnt/%s", program);
	cleanup_free char *link = str_printf("/usr/sbin/%s", program);

	assert_int_equal(mount("/usr/sbin", "/mnt", NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount("tmpfs", "/usr/sbin", "tmpfs", 0, NULL), 0);
	assert_int_equal(symlink(real, link), 0);
}

static void missing_program_is_named_with_its_package(void **state)
{
	struct ruleset rs = {0};
	struct texts t;
	cleanup_free char *proofs = NULL;

	(void)state;
	make_rules(IPTABLES("*filter\n-A INPUT -s 1.2.3.4 -j DROP")
			   IPTABLES("*nat\n-A PREROUTING -m recent --rcheck -j ACCEPT"),
		   &rs);
	hide_all_but("nft");
	assert_int_equal(text_prove(&rs, false, &t), 0);
	proofs = proofs_of(&rs, &t);
	assert_string_equal(proofs, "ip filter: nftables; ip nat: exact");
	assert_int_equal(t.missing.n, 1);
	assert_string_equal(t.missing.s[0], "iptables-nft-save (package iptables)");
	check_texts(&rs, &t, 1);
	texts_release(&t);
	ruleset_release(&rs);
}

static void without_any_program_all_is_kept_exactly(void **state)
{
	struct ruleset rs = {0};
	struct texts t;
	cleanup_free char *proofs = NULL;

	(void)state;
	make_rules(MIXED("7"), &rs);
	hide_all_but("sysctl");
	assert_int_equal(text_prove(&rs, false, &t), 0);
	proofs = proofs_of(&rs, &t);
	assert_string_equal(proofs, "ip filter: exact; inet t: exact");
	assert_int_equal(t.missing.n, 2);
	texts_release(&t);
	ruleset_release(&rs);
}

/* What text_load says of a text, without the prefix and the state. */
static int load_message(enum text_kind kind, enum text_variant variant, const char *text,
			char *line, size_t size)
{
	cleanup_buf struct buf content = text_of(text);
	struct scratch s = SCRATCH_INIT;
	int saved = dup(STDERR_FILENO), ends[2], r;
	ssize_t n;

	assert_int_equal(scratch_open(&s, NULL), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	r = text_load(&s, kind, variant, &content, "F");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	n = read(ends[0], line, size - 1);
	line[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	scratch_close(&s);
	return r;
}

static const struct {
	enum text_kind kind;
	enum text_variant variant;
	const char *text, *message;
} refusals[] = {
	{TEXT_IPTABLES, VARIANT_NFT, "*filter\n-A INPUT --dprot 22 -j ACCEPT\nCOMMIT\n",
	 "line 2: unknown option \"--dprot\""},
	{TEXT_IPTABLES, VARIANT_LEGACY, "*filter\n-A INPUT --dprot 22 -j ACCEPT\nCOMMIT\n",
	 "line 2: unknown option \"--dprot\""},
	{TEXT_IP6TABLES, VARIANT_NFT, "*filter\n\n-A INPUT -j NOWHERE\nCOMMIT\n",
	 "line 4: Chain 'NOWHERE' does not exist"},
	{TEXT_IPTABLES, VARIANT_NFT, "*filter\n-A INPUT -j MASQUERADE\nCOMMIT\n",
	 "line 2: RULE_APPEND failed (Invalid argument): rule in chain INPUT"},
	{TEXT_IPTABLES, VARIANT_LEGACY, "*filter\n-A INPUT -j MASQUERADE\nCOMMIT\n",
	 "line 3: failed"},
	{TEXT_IPTABLES, VARIANT_NFT, "*filter\n", "COMMIT expected at line 2"},
	{TEXT_NFT, VARIANT_NFT, "table ip x {\n chain y {\n  foo bar\n }\n}\n",
	 "line 3: No symbol type information"},
	{TEXT_NFT, VARIANT_NFT, "table ip x {\n chain y {\n  iif \"nope\" accept\n }\n}\n",
	 "line 3: Interface does not exist"},
	{TEXT_IPSET, VARIANT_NFT, "create a hash:ip\nadd a 1.2.3.4\nadd a foo\n",
	 "line 3: Syntax error: cannot parse foo: resolving to IPv4 address failed"},
	{TEXT_IPSET, VARIANT_NFT, "create a hash:ipp\n",
	 "line 1: Syntax error: typename 'hash:ipp' is unknown"},
};

static void refusal_names_file_line_and_cause(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		cleanup_free char *want =
			str_printf("fwsnap: cannot load 'F': %s; the firewall is unchanged\n",
				   refusals[i].message);
		char got[1024];

		assert_int_equal(load_message(refusals[i].kind, refusals[i].variant,
					      refusals[i].text, got, sizeof(got)),
				 -EINVAL);
		assert_string_equal(got, want);
	}
}

static void load_without_the_program_names_its_package(void **state)
{
	char got[1024];

	(void)state;
	hide_all_but("sysctl");
	assert_int_equal(load_message(TEXT_NFT, VARIANT_NFT, "table ip x\n", got, sizeof(got)),
			 -ENOENT);
	assert_string_equal(got,
			    "fwsnap: cannot load 'F': nft is not installed (package nftables); "
			    "the firewall is unchanged\n");
}

static void rendering_shows_one_kind_and_loads(void **state)
{
	cleanup_buf struct buf nft = BUF_INIT, iptables = BUF_INIT, ipset = BUF_INIT;
	struct scratch s = SCRATCH_INIT;
	struct ruleset rs = {0};

	(void)state;
	make_rules(MIXED("7"), &rs);
	assert_int_equal(text_render(&rs, TEXT_NFT, &nft), 0);
	assert_int_equal(text_render(&rs, TEXT_IPTABLES, &iptables), 0);
	assert_int_equal(text_render(&rs, TEXT_IPSET, &ipset), 0);
	assert_true(has(&nft, "table inet t {"));
	assert_true(has(&iptables, "-A mine -p tcp -m tcp --dport 22 -j ACCEPT"));
	assert_false(has(&iptables, "inet"));
	assert_int_equal(ipset.len, 0);
	assert_int_equal(scratch_open(&s, NULL), 0);
	assert_int_equal(text_load(&s, TEXT_IPTABLES, VARIANT_NFT, &iptables, "rendered"), 0);
	scratch_close(&s);
	ruleset_release(&rs);
}

#define on_host(f) cmocka_unit_test_setup(f, private_host)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(each_table_goes_to_the_first_text_that_carries_it),
		on_host(legacy_tables_have_the_iptables_text_of_their_family),
		on_host(second_load_of_the_same_texts_changes_nothing),
		on_host(equal_rulesets_have_equal_texts),
		on_host(sets_have_equal_texts_whatever_their_hash),
		on_host(counters_are_written_when_asked_for),
		on_host(text_says_who_made_it_and_how_to_load_it),
		on_host(reason_names_what_each_program_said),
		on_host(refusal_names_file_line_and_cause),
		on_host(rendering_shows_one_kind_and_loads),
		on_host(missing_program_is_named_with_its_package),
		on_host(without_any_program_all_is_kept_exactly),
		on_host(load_without_the_program_names_its_package),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
