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
	if (!p->result)
		p->result = rehearse_compare(&p->r, &p->r.candidate);
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

/* "a, b"; name: of the case. */
static void assert_named_list(const char *name, const struct strlist *l, const char *want)
{
	cleanup_buf struct buf have = BUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		buf_printf(&have, "%s%s", i ? ", " : "", l->s[i]);
	if (strcmp(buf_str(&have), want))
		fail_msg("%s: \"%s\", not \"%s\"", name, buf_str(&have), want);
}

static void assert_list(const struct strlist *l, const char *want)
{
	assert_named_list("list", l, want);
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
	{TEXT_IPTABLES, FILTER ":a -\n:b -\n-A a -j b\n-A b -j a\n-A INPUT -j a\nCOMMIT\n",
	 "line "},
	{TEXT_IPTABLES, FILTER "-A FORWARD -j MASQUERADE\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n",
	 "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -m owner --uid-owner 0 -j ACCEPT\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, "*raw\n-A PREROUTING -p tcp -j CT --helper nothere\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -p tcp --dprot 22 -j ACCEPT\nCOMMIT\n",
	 "line 5: unknown option \"--dprot\""},
	{TEXT_IPTABLES, FILTER "-A INPUT -j NOWHERE\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -p tcp --dport 22 -j ACCEPT\n", "COMMIT"},
	{TEXT_IPTABLES, "*nat\n-A PREROUTING -j DROP -i\nCOMMIT\n", "line 2"},
	{TEXT_IPTABLES, FILTER "-A OUTPUT -j REDIRECT --to-ports 1\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -m set --match-set none src -j DROP\nCOMMIT\n", "line 5"},
	{TEXT_IPTABLES, "*nat\n-A POSTROUTING -j DNAT --to-destination 192.0.2.1\nCOMMIT\n",
	 "line "},
	{TEXT_IPTABLES, FILTER "-A FORWARD -p tcp -j TPROXY --on-port 1\nCOMMIT\n", "line "},
	{TEXT_IPTABLES, FILTER "-A INPUT -m physdev --physdev-out x -j DROP -m nothere\nCOMMIT\n",
	 "line 5"},
	{TEXT_IP6TABLES, FILTER "-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n", "line 5"},
	{TEXT_NFT,
	 "table ip t {\nchain a { jump b; }\nchain b { jump a; }\n"
	 "chain c { type filter hook input priority 0; jump a; }\n}\n",
	 "line "},
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
		if (p.result != -EINVAL ||
		    (*b->said == 'l' ? !strstr(p.said, want) : !strstr(p.said, b->said)))
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
	play(&p,
	     (const char *[TEXT_KINDS]){[TEXT_IPTABLES] = "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n",
					[TEXT_NFT] = "nonsense\n"});
	assert_int_equal(p.result, -EINVAL);
	play_end(&p);
}

/* The candidate becomes live, as apply would have it. */
static void apply(struct play *p)
{
	enum change_result result = place_change(&p->r.candidate);

	assert_true(result == CHANGE_DONE || result == CHANGE_NOTHING);
}

static void r13_a_listing_applied_twice_is_the_same(void **state)
{
	static const char text[] =
		"define ssh = 22\n"
		"table inet site {\n\tset s { type ipv4_addr; flags interval; elements = { "
		"192.0.2.0/24 } }\n"
		"\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n"
		"\t\ttcp dport $ssh accept\n\t\tip saddr @s drop\n\t}\n}\n"
		"table ip6 other { chain c { tcp dport 1 accept; }; }\n";
	struct play p;

	(void)state;
	place_nft(
		"table ip before { chain input { type filter hook input priority 0; accept; }; }");
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
	play_one(&p, TEXT_NFT,
		 "table inet site { chain c { tcp dport 2 accept; }; }\n"
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
	{"with -exist, too",
	 "create a hash:ip -exist\nadd a 192.0.2.9 -exist\n-exist add a 192.0.2.9\n",
	 "create a hash:ip\nadd a 192.0.2.9\n" SET_B SET_ALL},
	{"a set changes its type", "create a hash:net\nadd a 192.0.2.0/24\n",
	 "create a hash:net\nadd a 192.0.2.0/24\n" SET_B SET_ALL},
	{"a file that only adds merges", "add a 192.0.2.9\ndel a 192.0.2.2\n",
	 "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.9\n" SET_B SET_ALL},
	{"flush and add", "flush a\nadd a 192.0.2.9\n",
	 "create a hash:ip\nadd a 192.0.2.9\n" SET_B SET_ALL},
	{"a new set", "create c hash:ip\nadd c 192.0.2.9\nadd all c\n",
	 "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.2\n" SET_B
	 "create c hash:ip\nadd c 192.0.2.9\n"
	 "create all list:set\nadd all a\nadd all b\nadd all c\n"},
	{"destroyed and made again by the file itself",
	 "flush all\ndestroy a\ncreate a hash:ip\nadd a 192.0.2.9\nadd all b\nadd all a\n",
	 "create a hash:ip\nadd a 192.0.2.9\n" SET_B SET_ALL},
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
	free(place_shell(
		"ipset create a hash:ip; iptables-nft -A INPUT -m set --match-set a src -j DROP"));
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
	{"mentioned", DOCKER, TEXT_IPTABLES, "*filter\n:INPUT DROP\n:DOCKER -\n-X DOCKER\nCOMMIT\n",
	 "", ""},
	{"another table", DOCKER, TEXT_IPTABLES, "*nat\n-A OUTPUT -j ACCEPT\nCOMMIT\n", "", ""},
	{"a bare table", DOCKER, TEXT_IPTABLES, "*filter\nCOMMIT\n", "ip filter DOCKER",
	 "ip filter INPUT"},
	{"a bare table with policies", DOCKER, TEXT_IPTABLES,
	 "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n", "ip filter DOCKER",
	 "ip filter INPUT"},
	{"flush alone", DOCKER, TEXT_NFT, "flush ruleset\n", "", "ip filter INPUT"},
	{"flush of another family", DOCKER, TEXT_NFT,
	 "flush ruleset ip6; delete chain ip filter INPUT; delete chain ip filter DOCKER\n", "",
	 "ip filter INPUT"},
	{"flush and anew", DOCKER, TEXT_NFT, "flush ruleset\n" DOCKER "\n", "", ""},
	{"moved to inet", DOCKER, TEXT_NFT,
	 "flush ruleset\ntable inet f { chain i { type filter hook input priority 0; policy drop; "
	 "}; }\n",
	 "", ""},
	{"a table deleted by name", DOCKER, TEXT_NFT, "delete table ip filter\n", "",
	 "ip filter INPUT"},
	{"a chain not declared any more",
	 "table inet s { set a { type mark; elements = { 1 }; }\n chain x { accept; }\n chain y { "
	 "drop; }; }",
	 TEXT_NFT, "table inet s { chain x { accept; }; }\n", "inet s y, inet s a", ""},
	{"only the other family stays",
	 "table inet f { chain i { type filter hook input priority 0; policy drop; }; }", TEXT_NFT,
	 "delete table inet f\ntable ip6 f { chain i { type filter hook input priority 0; policy "
	 "drop; }; }\n",
	 "", "inet f i"},
	{"open already", "table inet f { chain i { type filter hook input priority 0; }; }",
	 TEXT_NFT, "flush ruleset\n", "", ""},
};

static void what_goes_and_what_opens_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		struct play p;

		place_nft(losses[i].live);
		play_one(&p, losses[i].kind, losses[i].text);
		assert_well(&p);
		assert_named_list(losses[i].name, &p.r.unmentioned, losses[i].unmentioned);
		assert_named_list(losses[i].name, &p.r.opened, losses[i].opened);
		play_end(&p);
		place_lose();
	}
}

static void a_rule_on_an_interface_that_has_vanished_is_no_obstacle(void **state)
{
	struct play p;

	(void)state;
	place_nft("table inet site { chain c { iif \"d1\" accept; }; }");
	free(place_shell("ip link del d1"));
	play_one(&p, TEXT_NFT, "add rule inet site c iif \"d0\" drop\n");
	assert_well(&p);
	apply(&p);
	play_end(&p);
}

static void what_live_itself_draws_is_called_a_limit(void **state)
{
	cleanup_free char *listing = NULL;
	struct play p;

	(void)state;
	if (access("/usr/sbin/ebtables-nft", X_OK))
		skip();
	free(place_shell("ebtables-nft -A INPUT -d 01:80:c2:00:00:00 --stp-type 1 -j DROP"));
	listing = place_shell("nft list table bridge filter");
	play_one(&p, TEXT_NFT, listing);
	if (p.result != -ESTALE || !strstr(p.said, "--no-rehearsal"))
		fail_msg("%s%d: %s", listing, p.result, p.said);
	play_end(&p);
}

/* A shell command in a rehearsal of live with its output in a file of the place; live is compared.
 */
static char *play_shell(struct play *p, const char *command)
{
	cleanup_free char *whole = str_printf("exec >/var/tmp/said 2>&1; %s", command);
	const char *const argv[] = {"sh", "-c", whole, NULL};
	int listening;

	*p = (struct play){.result = 0};
	place_capture(&p->live);
	p->r = (struct rehearsal){.live = &p->live, .command = argv};
	listening = place_listen();
	p->result = rehearse(&p->r);
	if (!p->result)
		p->result = rehearse_compare(&p->r, &p->r.candidate);
	p->said = place_heard(listening);
	place_assert_live(&p->live);
	return place_shell("cat /var/tmp/said");
}

static char *play_shell_well(const char *command)
{
	struct play p;
	char *said = play_shell(&p, command);

	if (p.result)
		fail_msg("%s%s", said, p.said);
	play_end(&p);
	return said;
}

/* A place whose /etc and /var/tmp are its own, with interfaces, addresses and routes. */
static int furnished_setup(void **state)
{
	int r = place_setup(state);

	if (r)
		return r;
	free(place_shell("mkdir -p /run/etc /run/tmp && cp -a /etc/. /run/etc && mount --bind "
			 "/run/etc /etc &&"
			 "mount --bind /run/tmp /var/tmp && ip link set lo up && ip link set d0 up "
			 "mtu 1400 &&"
			 "ip addr add 192.0.2.2/24 dev d0 && ip addr add 192.0.2.3/24 dev d0 &&"
			 "ip -6 addr add 2001:db8::2/64 dev d0 nodad && ip link set d1 up &&"
			 "ip route add default via 192.0.2.1 && ip -6 route add default via "
			 "2001:db8::1 dev d0 &&"
			 "ip route add 203.0.113.0/24 via 192.0.2.9 metric 5"));
	return 0;
}

static int furnished_teardown(void **state)
{
	free(place_shell("umount -l /etc /var/tmp"));
	return place_teardown(state);
}

static void what_a_command_makes_is_the_candidate(void **state)
{
	struct play p;
	cleanup_free char *said = NULL;

	(void)state;
	place_nft("table inet site { chain c { tcp dport 1 accept; }; }");
	said = play_shell(
		&p, "nft add rule inet site c tcp dport 2 accept; iptables-nft -P INPUT DROP");
	assert_well(&p);
	assert_int_equal(p.r.status, 0);
	assert_string_equal(said, "");
	assert_int_equal(p.r.candidate.ntables, 2);
	apply(&p);
	play_end(&p);
	free(said);
	said = place_shell("nft list ruleset");
	assert_non_null(strstr(said, "dport 2"));
	assert_non_null(strstr(said, "policy drop"));
}

static void a_command_that_fails_is_refused(void **state)
{
	static const struct {
		const char *command, *said;
		int status;
	} commands[] = {
		{"nft flush ruleset; exit 7", "'sh' ended with exit status 7", 7},
		{"kill -TERM $$", "'sh' was ended by signal 15", 143},
		{"exec /nowhere", "'sh' ended with exit status 127", 127},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct play p;

		free(play_shell(&p, commands[i].command));
		assert_int_equal(p.result, -EINVAL);
		assert_int_equal(p.r.status, commands[i].status);
		assert_non_null(strstr(p.said, commands[i].said));
		play_end(&p);
	}
}

static void a_command_sees_interfaces_addresses_and_routes(void **state)
{
	static const char *const questions[] = {
		"ip -o -4 addr show | sort",
		"ip -o -6 addr show scope global | sed 's/nodad *//' | sort",
		"ip route | sed 's/ linkdown//' | sort",
		"ip -6 route show default",
		"ip -o link show | sed 's/@[^:]*//' | awk '{ print $1, $2, $5 }' | sort",
		"ip link show d0 | grep -o 'UP'",
		"hostname; pwd",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		cleanup_free char *live = place_shell(questions[i]);
		cleanup_free char *said = play_shell_well(questions[i]);

		assert_string_equal(said, live);
	}
}

static void what_a_command_changes_in_etc_is_told(void **state)
{
	struct play p;

	(void)state;
	free(place_shell("mkdir -p /etc/fwt/sub; cd /etc/fwt; touch same goes edited sub/edited"));
	free(play_shell(
		&p, "cd /etc/fwt; rm goes; echo x >edited; sed -i 's/^/x/' sub/edited; touch new;"
		    "chmod 600 same; cat same"));
	assert_well(&p);
	assert_list(
		&p.r.touched,
		"/etc/fwt/edited, /etc/fwt/goes, /etc/fwt/new, /etc/fwt/same, /etc/fwt/sub/edited");
	play_end(&p);
	free(play_shell(&p, "cat /etc/fwt/edited /etc/passwd"));
	assert_list(&p.r.touched, "");
	play_end(&p);
}

/* What listens and notes each contact in `contacts`; it must never hear of a rehearsal. */
#define DAEMON                                                                                     \
	"mkdir -p /run/dbus /var/tmp/d; for s in /run/dbus/system_bus_socket /var/tmp/d/socket; "  \
	"do "                                                                                      \
	"timeout 20 /usr/bin/python3 -c '\n"                                                       \
	"import socket, sys\n"                                                                     \
	"s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"                     \
	"while True:\n c, _ = s.accept(); open(\"/var/tmp/contacts\", \"a\").write(sys.argv[1]); " \
	"c.close()\n"                                                                              \
	"' $s >/dev/null 2>&1 & echo $! >>/var/tmp/pids; until [ -S $s ]; do sleep 0.02; done; "   \
	"done"
#define CONTACT                                                                                    \
	"for s in /run/dbus/system_bus_socket /var/run/dbus/system_bus_socket /var/tmp/d/socket; " \
	"do "                                                                                      \
	"/usr/bin/python3 -c 'import socket, sys; "                                                \
	"socket.socket(socket.AF_UNIX).connect(sys.argv[1])' $s && "                               \
	"exit 9; done; exit 0"

static void sockets_of_daemons_are_hidden_from_a_command(void **state)
{
	cleanup_free char *contacts = NULL;

	(void)state;
	if (access("/usr/bin/python3", X_OK))
		skip();
	free(place_shell(DAEMON));
	free(play_shell_well(CONTACT));
	contacts = place_shell("cat /var/tmp/contacts 2>/dev/null; kill $(cat /var/tmp/pids);"
			       "for p in $(cat /var/tmp/pids); do while kill -0 $p 2>/dev/null; do "
			       "sleep 0.01; done; done");
	assert_string_equal(contacts, "");
}

static void a_command_cannot_reach_the_service_manager(void **state)
{
	struct play p;

	(void)state;
	free(play_shell(&p, "systemctl restart nothing"));
	assert_int_equal(p.result, -EINVAL);
	play_end(&p);
}

static void variables_that_lead_outside_are_gone(void **state)
{
	cleanup_free char *said = NULL;

	(void)state;
	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/x", 1);
	setenv("DOCKER_HOST", "tcp://192.0.2.1", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	setenv("FWT_KEPT", "yes", 1);
	said = play_shell_well(
		"echo $DBUS_SYSTEM_BUS_ADDRESS $DOCKER_HOST $XDG_RUNTIME_DIR $FWT_KEPT");
	assert_string_equal(said, "yes\n");
}

/* Real programs from Debian's packages, with an /etc of the place's own. */

static void ufw_is_rehearsed(void **state)
{
	struct play p;
	cleanup_free char *said = NULL;

	(void)state;
	if (access("/usr/sbin/ufw", X_OK))
		skip();
	said = play_shell(&p, "ufw --force enable && ufw allow 25/tcp");
	if (p.result)
		fail_msg("%s%s", said, p.said);
	assert_true(strlist_has(&p.r.touched, "/etc/ufw/ufw.conf"));
	assert_true(strlist_has(&p.r.touched, "/etc/ufw/user.rules"));
	apply(&p);
	play_end(&p);
	free(said);
	said = place_shell("iptables-save; ip6tables-save");
	assert_non_null(strstr(said, "ufw-user-input -p tcp -m tcp --dport 25 -j ACCEPT"));
}

static void ferm_is_rehearsed(void **state)
{
	cleanup_free char *said = NULL;
	struct play p;

	(void)state;
	place_legacy_or_skip(); /* which it prefers */
	if (access("/usr/sbin/ferm", X_OK))
		skip();
	free(place_shell("printf 'domain (ip ip6) table filter chain INPUT { policy DROP; "
			 "interface lo ACCEPT; "
			 "proto tcp dport (25 143) ACCEPT; }\n' >/etc/ferm/ferm.conf"));
	said = play_shell(&p, "ferm /etc/ferm/ferm.conf");
	if (p.result)
		fail_msg("%s%s", said, p.said);
	assert_list(&p.r.touched, "");
	apply(&p);
	play_end(&p);
	free(said);
	said = place_shell("for v in nft legacy; do iptables-$v-save; done");
	assert_non_null(strstr(said, "--dport 143 -j ACCEPT"));
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
		in_place(a_rule_on_an_interface_that_has_vanished_is_no_obstacle),
		in_place(what_live_itself_draws_is_called_a_limit),
#define furnished(f) cmocka_unit_test_setup_teardown(f, furnished_setup, furnished_teardown)
		furnished(what_a_command_makes_is_the_candidate),
		furnished(a_command_that_fails_is_refused),
		furnished(a_command_sees_interfaces_addresses_and_routes),
		furnished(what_a_command_changes_in_etc_is_told),
		furnished(sockets_of_daemons_are_hidden_from_a_command),
		furnished(a_command_cannot_reach_the_service_manager),
		furnished(variables_that_lead_outside_are_gone),
		furnished(ufw_is_rehearsed),
		furnished(ferm_is_rehearsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
