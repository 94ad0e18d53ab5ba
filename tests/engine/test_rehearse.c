/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "place.h"

#include "log.h"
#include "rehearse.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A rehearsal of texts on what is live in the place; live is compared before and after. */
struct play {
	struct rehearsal r;
	struct ruleset live;
	struct rehearse_file files[TEXT_KINDS];
	int result;
	char *said;
};

static struct rehearse_file file_of(enum text_kind kind, const char *text)
{
	struct rehearse_file f = {.name = "FILE", .kind = kind};

	buf_add_str(&f.content, text);
	return f;
}

/* Texts by kind; NULL: none of it. */
static void play(struct play *p, const char *const texts[static TEXT_KINDS])
{
	size_t n = 0;
	int listening;

	*p = (struct play){.result = 0};
	place_capture(&p->live);
	for (int kind = 0; kind < TEXT_KINDS; kind++)
		if (texts[kind])
			p->files[n++] = file_of(kind, texts[kind]);
	p->r = (struct rehearsal){.live = &p->live, .files = p->files, .nfiles = n};
	listening = place_listen();
	p->result = rehearse(&p->r);
	p->said = place_heard(listening);
	place_assert_live(&p->live);
}

static void play_one(struct play *p, enum text_kind kind, const char *text)
{
	const char *texts[TEXT_KINDS] = {NULL};

	texts[kind] = text;
	play(p, texts);
}

static void play_end(struct play *p)
{
	for (size_t i = 0; i < p->r.nfiles; i++)
		rehearse_file_release(&p->files[i]);
	rehearsal_release(&p->r);
	ruleset_release(&p->live);
	free(p->said);
}

/* "a, b" */
static void assert_list(const struct strlist *l, const char *want)
{
	cleanup_buf struct buf have = BUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		buf_printf(&have, "%s%s", i ? ", " : "", l->s[i]);
	assert_string_equal(buf_str(&have), want);
}

static void assert_well(const struct play *p)
{
	if (p->result)
		fail_msg("refused: %s", p->said);
}

/* R11 */

struct bad {
	enum text_kind kind;
	const char *text;
	const char *said; /* "line N: ..." where the program tells */
};

#define FILTER "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n"
#define INPUT "table inet t {\nchain input {\ntype filter hook input priority 0\n"

static const struct bad bad_files[] = {
	{TEXT_IPTABLES, FILTER ":a -\n:b -\n-A a -j b\n-A b -j a\n-A INPUT -j a\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A FORWARD -j MASQUERADE\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -m owner --uid-owner 0 -j ACCEPT\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, "*raw\n-A PREROUTING -p tcp -j CT --helper nothere\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -p tcp --dprot 22 -j ACCEPT\nCOMMIT\n",
	 "line 5: unknown option \"--dprot\""},
	{TEXT_IPTABLES, FILTER "-A INPUT -j NOWHERE\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -p tcp --dport 22 -j ACCEPT\n", "COMMIT"},
	{TEXT_IPTABLES, "*nat\n-A PREROUTING -j DROP -i\nCOMMIT\n", "line 2"},
	{TEXT_IPTABLES, FILTER "-A OUTPUT -j REDIRECT --to-ports 1\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -m set --match-set none src -j DROP\nCOMMIT\n", "line 5"},
	{TEXT_IPTABLES, "*nat\n-A POSTROUTING -j DNAT --to-destination 192.0.2.1\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A FORWARD -p tcp -j TPROXY --on-port 1\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -m physdev --physdev-out x -j DROP -m nothere\nCOMMIT\n", "line 5"},
	{TEXT_IP6TABLES, FILTER "-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n", "line 5"},
	{TEXT_NFT, "table ip t {\nchain a { jump b; }\nchain b { jump a; }\n"
		   "chain c { type filter hook input priority 0; jump a; }\n}\n", "line "},
	{TEXT_NFT, INPUT "masquerade\n}\n}\n", "line "},
	{TEXT_NFT, INPUT "tcp dprot 22 accept\n}\n}\n", "line 4"},
	{TEXT_NFT, INPUT "iif \"none\" accept\n}\n}\n", "line 4: Interface does not exist"},
	{TEXT_NFT, INPUT "ct helper set \"none\"\n}\n}\n", "line "},
	{TEXT_NFT, INPUT "jump none\n}\n}\n", "line 4"},
	{TEXT_NFT, "delete table inet none\n", "line 1"},
	{TEXT_IPSET, "create a hash:ip\nadd a nonsense/99\n", "line 2"},
	{TEXT_IPSET, "add none 192.0.2.1\n", "line 1"},
};

static void r11_what_the_kernel_refuses_is_refused_with_its_line(void **state)
{
	(void)state;
	place_nft("table inet site { chain c { accept; }; }");
	for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
		const struct bad *b = &bad_files[i];
		cleanup_free char *want = str_printf("cannot load 'FILE': %s", b->said);
		struct play p;

		play_one(&p, b->kind, b->text);
		if (p.result != -EINVAL || (*b->said == 'l' ? !strstr(p.said, want) : !strstr(p.said, b->said)))
			fail_msg("%s%d: %s", b->text, p.result, p.said);
		play_end(&p);
	}
}

static void r12_of_files_of_which_one_is_refused_nothing_is_left(void **state)
{
	struct play p;

	(void)state;
	play_one(&p, TEXT_IPTABLES,
		 "*mangle\n-A INPUT -j ACCEPT\nCOMMIT\n*filter\n-A INPUT -j MASQUERADE\nCOMMIT\n");
	assert_int_equal(p.result, -EINVAL);
	assert_non_null(strstr(p.said, "line 5"));
	play_end(&p);
	play(&p, (const char *[TEXT_KINDS]){[TEXT_IPTABLES] = "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n",
					    [TEXT_NFT] = "nonsense\n"});
	assert_int_equal(p.result, -EINVAL);
	play_end(&p);
}

/* The candidate becomes live, as apply would have it. */
static void apply(struct play *p)
{
	enum change_result result = change_run(&p->live, &p->r.candidate, PLACE_WAIT);

	assert_true(result == CHANGE_DONE || result == CHANGE_NOTHING);
}

static void r13_a_listing_applied_twice_is_the_same(void **state)
{
	static const char text[] = "define ssh = 22\n"
				   "table inet site {\n\tset s { type ipv4_addr; flags interval; elements = { "
				   "192.0.2.0/24 } }\n"
				   "\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n"
				   "\t\ttcp dport $ssh accept\n\t\tip saddr @s drop\n\t}\n}\n"
				   "table ip6 other { chain c { tcp dport 1 accept; }; }\n";
	struct play p;

	(void)state;
	place_nft("table ip before { chain input { type filter hook input priority 0; accept; }; }");
	for (int i = 0; i < 3; i++) {
		play_one(&p, TEXT_NFT, text);
		assert_well(&p);
		assert_int_equal(ruleset_equal(&p.live, &p.r.candidate), i > 0);
		assert_list(&p.r.unmentioned, "");
		apply(&p);
		play_end(&p);
	}
}

static void a_file_with_commands_is_run_as_it_is(void **state)
{
	struct play p;
	cleanup_free char *list = NULL;

	(void)state;
	place_nft("table inet site { chain c { tcp dport 1 accept; }; }");
	play_one(&p, TEXT_NFT, "table inet site { chain c { tcp dport 2 accept; }; }\n"
			       "add rule inet site c tcp dport 3 accept\n");
	assert_well(&p);
	apply(&p);
	play_end(&p);
	list = place_shell("nft list chain inet site c");
	assert_non_null(strstr(list, "dport 1"));
	assert_non_null(strstr(list, "dport 2"));
	assert_non_null(strstr(list, "dport 3"));
}

/* R14 */

#define LIVE_SETS                                                                                  \
	"create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.2\n"                                     \
	"create b hash:net\nadd b 198.51.100.0/24\n"                                               \
	"create all list:set\nadd all b\nadd all a\n"

/* Loads an ipset text over live_sets, to which rules refer; what `ipset save` says then. */
static char *play_sets(const char *text)
{
	struct play p;

	place_lose();
	free(place_shell("ipset restore <<E\n" LIVE_SETS "E\n"
			 "iptables-nft -A INPUT -m set --match-set a src -j DROP\n"
			 "iptables-nft -A INPUT -m set --match-set all src -j DROP\n"));
	play_one(&p, TEXT_IPSET, text);
	assert_well(&p);
	assert_list(&p.r.unmentioned, "");
	/* from nothing: what it takes to change sets that are in use is not the question here */
	place_lose();
	assert_int_equal(place_change(&p.r.candidate), CHANGE_DONE);
	play_end(&p);
	return place_shell("ipset -sorted save | sed 's/ family.*//; s/ size.*//'");
}

#define SET_ALL "create all list:set\nadd all a\nadd all b\n"
#define SET_B "create b hash:net\nadd b 198.51.100.0/24\n"

static const struct {
	const char *name, *text, *sets;
} set_files[] = {
	{"what the file lacks goes", "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.9\n",
	 "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.9\n" SET_B SET_ALL},
	{"with -exist, too", "create a hash:ip -exist\nadd a 192.0.2.9 -exist\n-exist add a 192.0.2.9\n",
	 "create a hash:ip\nadd a 192.0.2.9\n" SET_B SET_ALL},
	{"a set changes its type", "create a hash:net\nadd a 192.0.2.0/24\n",
	 "create a hash:net\nadd a 192.0.2.0/24\n" SET_B SET_ALL},
	{"a file that only adds merges", "add a 192.0.2.9\ndel a 192.0.2.2\n",
	 "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.9\n" SET_B SET_ALL},
	{"flush and add", "flush a\nadd a 192.0.2.9\n",
	 "create a hash:ip\nadd a 192.0.2.9\n" SET_B SET_ALL},
	{"a new set", "create c hash:ip\nadd c 192.0.2.9\nadd all c\n",
	 "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.2\n" SET_B
	 "create c hash:ip\nadd c 192.0.2.9\n" "create all list:set\nadd all a\nadd all b\nadd all c\n"},
	{"swap, as scripts do it", "create t hash:ip\nadd t 192.0.2.9\nswap t a\ndestroy t\n",
	 "create a hash:ip\nadd a 192.0.2.9\n" SET_B SET_ALL},
};

/* Each line is in the other, sorted. */
static void assert_same_lines(const char *name, const char *a, const char *b)
{
	cleanup_strlist struct strlist x = {NULL, 0}, y = {NULL, 0};
	const char *texts[] = {a, b};
	struct strlist *lists[] = {&x, &y};

	for (int i = 0; i < 2; i++) {
		cleanup_free char *copy = str_dup(texts[i]);
		char *save;

		for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
			strlist_add(lists[i], l);
		strlist_sort(lists[i]);
	}
	if (x.n != y.n)
		fail_msg("%s: %s", name, a);
	for (size_t i = 0; i < x.n; i++)
		if (strcmp(x.s[i], y.s[i]))
			fail_msg("%s: %s", name, a);
}

static void r14_sets_that_a_file_makes_are_replaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(set_files); i++) {
		cleanup_free char *sets = play_sets(set_files[i].text);

		assert_same_lines(set_files[i].name, sets, set_files[i].sets);
		place_lose();
	}
}

static void a_set_that_rules_refer_to_cannot_go(void **state)
{
	struct play p;

	(void)state;
	free(place_shell("ipset create a hash:ip; iptables-nft -A INPUT -m set --match-set a src -j DROP"));
	play_one(&p, TEXT_IPSET, "destroy a\n");
	assert_int_equal(p.result, -EINVAL);
	play_end(&p);
}

static void r15_a_held_lock_does_not_stop_it(void **state)
{
	struct rehearse_file file = file_of(TEXT_IPTABLES, "*filter\n-A INPUT -j DROP\nCOMMIT\n");
	struct ruleset live = {0};
	struct rehearsal r;
	int lock;

	(void)state;
	place_legacy_or_skip();
	free(place_shell("iptables-legacy -A INPUT -j ACCEPT"));
	place_capture(&live);
	lock = open("/run/xtables.lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	r = (struct rehearsal){.live = &live, .files = &file, .nfiles = 1};
	assert_int_equal(rehearse(&r), 0);
	assert_false(ruleset_equal(&live, &r.candidate));
	close(lock);
	place_assert_live(&live);
	rehearse_file_release(&file);
	rehearsal_release(&r);
	ruleset_release(&live);
}

/* unmentioned, opened */

static const struct loss {
	const char *name;
	const char *live; /* nft */
	enum text_kind kind;
	const char *text;
	const char *unmentioned, *opened;
} losses[] = {
#define DOCKER                                                                                     \
	"table ip filter { chain DOCKER { tcp dport 1 accept; }\n chain EMPTY { }\n"               \
	"chain INPUT { type filter hook input priority filter; policy drop; jump DOCKER; }; }"
	{"plain iptables-restore", DOCKER, TEXT_IPTABLES,
	 "*filter\n:INPUT DROP\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n", "ip filter DOCKER", ""},
	{"mentioned", DOCKER, TEXT_IPTABLES, "*filter\n:INPUT DROP\n:DOCKER -\n-X DOCKER\nCOMMIT\n", "", ""},
	{"another table", DOCKER, TEXT_IPTABLES, "*nat\n-A OUTPUT -j ACCEPT\nCOMMIT\n", "", ""},
	{"a bare table", DOCKER, TEXT_IPTABLES, "*filter\nCOMMIT\n", "ip filter DOCKER", "ip filter INPUT"},
	{"a bare table with policies", DOCKER, TEXT_IPTABLES,
	 "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n", "ip filter DOCKER",
	 "ip filter INPUT"},
	{"flush alone", DOCKER, TEXT_NFT, "flush ruleset\n", "ip filter DOCKER, ip filter INPUT",
	 "ip filter INPUT"},
	{"flush and anew", DOCKER, TEXT_NFT, "flush ruleset\n" DOCKER "\n", "", ""},
	{"moved to inet", DOCKER, TEXT_NFT,
	 "flush ruleset\ntable inet f { chain i { type filter hook input priority 0; policy drop; }; }\n",
	 "ip filter DOCKER, ip filter INPUT", ""},
	{"a table deleted by name", DOCKER, TEXT_NFT, "delete table ip filter\n", "", "ip filter INPUT"},
	{"a chain not declared any more",
	 "table inet s { set a { type mark; elements = { 1 }; }\n chain x { accept; }\n chain y { drop; }; }",
	 TEXT_NFT, "table inet s { chain x { accept; }; }\n", "inet s y, inet s a", ""},
	{"only the other family stays",
	 "table inet f { chain i { type filter hook input priority 0; policy drop; }; }", TEXT_NFT,
	 "delete table inet f\ntable ip6 f { chain i { type filter hook input priority 0; policy drop; }; }\n",
	 "", "inet f i"},
	{"open already", "table inet f { chain i { type filter hook input priority 0; }; }", TEXT_NFT,
	 "flush ruleset\n", "", ""},
};

static void what_goes_and_what_opens_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		struct play p;

		place_nft(losses[i].live);
		play_one(&p, losses[i].kind, losses[i].text);
		print_message("%s\n", losses[i].name);
		assert_well(&p);
		assert_list(&p.r.unmentioned, losses[i].unmentioned);
		assert_list(&p.r.opened, losses[i].opened);
		play_end(&p);
		place_lose();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define in_place(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
		in_place(r11_what_the_kernel_refuses_is_refused_with_its_line),
		in_place(r12_of_files_of_which_one_is_refused_nothing_is_left),
		in_place(r13_a_listing_applied_twice_is_the_same),
		in_place(a_file_with_commands_is_run_as_it_is),
		in_place(r14_sets_that_a_file_makes_are_replaced),
		in_place(a_set_that_rules_refer_to_cannot_go),
		in_place(r15_a_held_lock_does_not_stop_it),
		in_place(what_goes_and_what_opens_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
