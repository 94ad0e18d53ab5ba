/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which people and programs know a rule again: the same of the same rule, whichever engine has it. */
#include "place.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SETS                                                                                       \
	"create bans hash:ip\ncreate six hash:ip family inet6\ncreate seen hash:ip timeout 60\n"   \
	"create gone hash:ip timeout 60\ncreate nets hash:net,iface\n"

static const char *const kinds[FACT_KINDS] = {
	[FACT_JUMP] = "jump",	  [FACT_SET] = "set",	      [FACT_COMMENT] = "comment",
	[FACT_TARGET] = "target", [FACT_IN] = "in",	      [FACT_NOT_IN] = "not-in",
	[FACT_OUT] = "out",	  [FACT_NOT_OUT] = "not-out", [FACT_SOURCE] = "source",
	[FACT_DESTINATION] = "destination", [FACT_MATCH] = "match",
};

#define IN(table, chain) "*" table "\n:mine - [0:0]\n-A " chain
#define FORWARD IN("filter", "FORWARD")
#define MANGLE IN("mangle", "FORWARD")
#define RAW IN("raw", "PREROUTING")
#define PREROUTING IN("nat", "PREROUTING")
#define OUTPUT IN("nat", "OUTPUT")
#define POSTROUTING IN("nat", "POSTROUTING")

/* The last rule of all tables. */
static const struct known {
	const char *where; /* the text before it */
	const char *rule, *facts;
} of_both[] = {
	{FORWARD, "", ""},
	{FORWARD, "-j ACCEPT", "target=ACCEPT"},
	{FORWARD, "-j DROP", "target=DROP"},
	{FORWARD, "-j RETURN", "target=RETURN"},
	{FORWARD, "-j REJECT", "target=REJECT"},
	{FORWARD, "-j LOG --log-prefix x", "target=LOG"},
	{FORWARD, "-j NFLOG --nflog-group 3", "target=NFLOG"},
	{FORWARD, "-j NFQUEUE --queue-num 3", "target=NFQUEUE"},
	{MANGLE, "-j MARK --set-xmark 0x5", "target=MARK"},
	{MANGLE, "-j TCPMSS -p tcp --tcp-flags SYN,RST SYN --clamp-mss-to-pmtu", "target=TCPMSS match=tcp"},
	{RAW, "-j CT --notrack", "target=CT"},
	{POSTROUTING, "-o d0 -j MASQUERADE", "target=MASQUERADE out=d0"},
	{PREROUTING, "-p tcp -j REDIRECT --to-ports 25", "target=REDIRECT match=tcp"},
	{FORWARD, "-j mine", "jump=mine"},
	{FORWARD, "-g mine", "jump=mine"},
	{FORWARD, "-i d0 -o d1", "in=d0 out=d1"},
	{FORWARD, "! -i d0 ! -o d1", "not-in=d0 not-out=d1"},
	{FORWARD, "-i br+ ! -o veth+", "in=br+ not-out=veth+"},
	{FORWARD, "-i fifteen-letters", "in=fifteen-letters"},
	{FORWARD, "-i fourteen-lett+", "in=fourteen-lett+"},
	{FORWARD, "-p tcp", "match=tcp"},
	{FORWARD, "-p udp", "match=udp"},
	{FORWARD, "-p sctp", "match=sctp"},
	{FORWARD, "-p esp", "match=50"},
	{FORWARD, "-p tcp --dport 80", "match=tcp"},
	{FORWARD, "-p tcp --dport 80:90", "match=tcp"},
	{FORWARD, "-p tcp ! --sport 80:90", "match=tcp"},
	{FORWARD, "-p tcp --syn", "match=tcp"},
	{FORWARD, "-p udp --dport 53 -j mine", "jump=mine match=udp"},
	{FORWARD, "-p sctp --dport 5", "match=sctp"},
	{FORWARD, "-p tcp -m multiport --dports 22,80", "match=tcp,multiport"},
	{FORWARD, "-m conntrack --ctstate RELATED,ESTABLISHED", "match=conntrack"},
	{FORWARD, "-m state --state NEW", "match=conntrack"},
	{FORWARD, "-m addrtype --dst-type LOCAL", "match=addrtype"},
	{FORWARD, "-m mark --mark 5", "match=mark"},
	{FORWARD, "-m limit --limit 5/min", "match=limit"},
	{FORWARD, "-m pkttype --pkt-type broadcast", "match=pkttype"},
	{FORWARD, "-m comment --comment \"two words\"", "comment=two words"},
	{FORWARD, "-m comment --comment x -j mine", "jump=mine comment=x"},
	{FORWARD, "-i d0 -m conntrack --ctstate NEW -m mark --mark 1", "in=d0 match=conntrack,mark"},
};

static const struct known of_v4[] = {
	{FORWARD, "-p icmp --icmp-type echo-request", "match=icmp"},
	{FORWARD, "-s 172.17.0.2", "source=172.17.0.2/32"},
	{FORWARD, "-d 172.17.0.0/16", "destination=172.17.0.0/16"},
	{FORWARD, "! -s 10.0.0.0/8 -d 10.0.0.0/9", "source=10.0.0.0/8 destination=10.0.0.0/9"},
	{FORWARD, "-s 10.1.0.0/255.255.254.0 -d 10.2.3.128/25", "source=10.1.0.0/23 destination=10.2.3.128/25"},
	{FORWARD, "-s 0.0.0.0/0 -d 0.0.0.0/0", ""},
	{FORWARD, "-s 128.0.0.0/1", "source=128.0.0.0/1"},
	{FORWARD, "-f", "match=fragment"},
	{FORWARD, "-m iprange --src-range 10.0.0.1-10.0.0.9", "match=iprange"},
	{FORWARD, "-s 10.0.0.1 -m conntrack --ctstate NEW", "source=10.0.0.1/32 match=conntrack"},
	{POSTROUTING, "-s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE", "target=MASQUERADE source=172.17.0.2/32 destination=172.17.0.2/32 match=tcp"},
	{POSTROUTING, "-s 172.17.0.0/16 ! -o d0 -j MASQUERADE", "target=MASQUERADE not-out=d0 source=172.17.0.0/16"},
	{PREROUTING, "! -i d0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", "target=DNAT not-in=d0 match=tcp"},
	{POSTROUTING, "-j SNAT --to-source 192.0.2.1", "target=SNAT"},
	{OUTPUT, "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j mine", "jump=mine destination=127.0.0.0/8 match=addrtype"},
	{FORWARD, "-m set --match-set bans src -j DROP", "set=bans target=DROP match=set"},
	{FORWARD, "-m set ! --match-set bans src", "set=bans match=set"},
	{FORWARD, "-m set --match-set bans src -m set --match-set nets dst,dst", "set=bans,nets match=set"},
	{FORWARD, "-j SET --add-set seen src --exist", "set=seen target=SET"},
	{FORWARD, "-j SET --add-set seen src --del-set gone src", "set=seen,gone target=SET"},
};

static const struct known of_v6[] = {
	{FORWARD, "-p icmpv6 --icmpv6-type echo-request", "match=icmp6"},
	{FORWARD, "-s 2001:db8::1", "source=2001:db8::1/128"},
	{FORWARD, "-d 2001:db8::/32", "destination=2001:db8::/32"},
	{FORWARD, "! -s fe80::/10 -d ff00::/8", "source=fe80::/10 destination=ff00::/8"},
	{FORWARD, "-s 2001:db8::/33 -d 2001:db8:1:2::/64", "source=2001:db8::/33 destination=2001:db8:1:2::/64"},
	{POSTROUTING, "-s fd00::2/128 -d fd00::2/128 -p tcp -m tcp --dport 80 -j MASQUERADE", "target=MASQUERADE source=fd00::2/128 destination=fd00::2/128 match=tcp"},
	{FORWARD, "-m set --match-set six src -j DROP", "set=six target=DROP match=set"},
	{FORWARD, "-p tcp -s fd00::/8 -i br+", "in=br+ source=fd00::/8 match=tcp"},
};

#define TABLE(family, base)                                                                       \
	"table " family " t {\nset bans {\ntype ipv4_addr\n}\nset seen {\ntype ipv4_addr\nflags dynamic\n}\n" \
	"map ports {\ntype inet_service : verdict\n}\nchain mine {\n}\nchain other {\n}\nchain c {\n" base "\n"
#define IP TABLE("ip", "")
#define IP6 TABLE("ip6", "")
#define INET TABLE("inet", "")
#define BRIDGE TABLE("bridge", "")
#define NAT TABLE("ip", "type nat hook postrouting priority 100;")

static const struct known of_nft[] = {
	{INET, "accept", "target=ACCEPT"},
	{INET, "counter drop comment \"two words\"", "comment=two words target=DROP"},
	{INET, "reject", "target=REJECT"},
	{IP, "log prefix \"x\" return", "target=LOG,RETURN"},
	{IP, "log group 3", "target=NFLOG"},
	{INET, "jump mine", "jump=mine"},
	{INET, "goto mine", "jump=mine"},
	{INET, "tcp dport vmap { 22 : jump mine, 80 : accept }", "jump=mine match=tcp,lookup"},
	{INET, "udp dport vmap { 53-63 : goto other }", "jump=other match=udp,lookup"},
	{INET, "tcp dport > 1024", "match=tcp"},
	{INET, "tcp dport vmap @ports", "set=ports match=tcp,lookup"},
	{INET, "tcp dport 5 jump {\nip saddr 10.0.0.1 jump mine\ndrop\n}", "jump=mine target=DROP source=10.0.0.1/32 match=tcp"},
	{INET, "meta mark 1 jump {\nip saddr @bans goto other\n}", "jump=other set=bans match=mark,lookup"},
	{INET, "jump {\ndrop\n}", "target=DROP"},
	{IP, "ip saddr @bans drop", "set=bans target=DROP match=lookup"},
	{INET, "ip saddr @bans drop", "set=bans target=DROP match=lookup"},
	{INET, "add @seen { ip saddr }", "set=seen match=dynset"},
	{IP, "ip saddr { 10.0.0.1, 10.0.0.2 } drop", "target=DROP match=lookup"},
	{INET, "iif d0 oif d1", "in=d0 out=d1"},
	{IP, "iif != d0 oif != d1", "not-in=d0 not-out=d1"},
	{INET, "iifname d0 oifname != \"br-*\"", "in=d0 not-out=br-+"},
	{IP6, "iifname \"br*\"", "in=br+"},
	{INET, "iifname { d0, d1 }", "match=lookup"},
	{INET, "ip saddr 172.17.0.2 ip daddr 172.17.0.0/16", "source=172.17.0.2/32 destination=172.17.0.0/16"},
	{IP, "ip saddr 10.0.0.0/8 ip daddr != 10.128.0.0/9", "source=10.0.0.0/8 destination=10.128.0.0/9"},
	{INET, "ip6 saddr 2001:db8::/32 ip6 daddr fd00::2", "source=2001:db8::/32 destination=fd00::2/128"},
	{IP6, "ip6 saddr 2001:db8::/33", "source=2001:db8::/33"},
	{IP6, "ip6 saddr fe80::/10", "source=fe80::/10"},
	{IP, "ip saddr 10.0.0.1-10.0.0.9", "match=iprange"},
	{INET, "meta nfproto ipv4", ""},
	{IP, "meta l4proto tcp", "match=tcp"},
	{IP, "ip protocol esp", "match=50"},
	{IP6, "ip6 nexthdr udp", "match=udp"},
	{IP6, "udp dport 53", "match=udp"},
	{INET, "tcp dport 80-90", "match=tcp"},
	{INET, "tcp dport { 80, 90 }", "match=tcp,lookup"},
	{INET, "icmp type echo-request", "match=icmp"},
	{IP, "ip frag-off & 0x1fff != 0", "match=fragment"},
	{IP, "ip ttl 5", "match=cmp"},
	{INET, "ct state established,related accept", "target=ACCEPT match=conntrack"},
	{IP, "ip saddr 10.0.0.1 ct state new", "source=10.0.0.1/32 match=conntrack"},
	{IP, "iifname d0 fib daddr type local", "in=d0 match=addrtype"},
	{INET, "ct state vmap { new : jump mine, established : accept }", "jump=mine match=conntrack,lookup"},
	{INET, "meta mark 5", "match=mark"},
	{INET, "meta skuid 5", "match=owner"},
	{INET, "meta mark set 5", "target=MARK"},
	{INET, "ct mark set 5", "target=CONNMARK"},
	{INET, "meta mark set ct mark", "target=MARK match=conntrack"},
	{INET, "limit rate 5/minute", "match=limit"},
	{INET, "notrack", "target=NOTRACK"},
	{NAT, "masquerade", "target=MASQUERADE"},
	{NAT, "oifname d0 snat to 192.0.2.1", "target=SNAT out=d0"},
	{BRIDGE, "ip saddr 10.0.0.1 iif d0", "in=d0 source=10.0.0.1/32"},
	{BRIDGE, "ip6 saddr fd00::1 drop", "target=DROP source=fd00::1/128"},
};

static void put(void *arg, const struct item *rule, const struct facts *facts)
{
	struct buf *out = arg;

	(void)rule;
	buf_release(out);
	for (int kind = 0; kind < FACT_KINDS; kind++)
		for (size_t i = 0; i < facts->of[kind].n; i++)
			buf_printf(out, "%s%s%s%s", !i && out->len ? " " : "", i ? "," : kinds[kind], i ? "" : "=",
				   facts->of[kind].s[i]);
}

static bool all(void *arg, const struct item *rule, const struct facts *facts)
{
	(void)arg, (void)rule, (void)facts;
	return true;
}

/* The facts of the last rule that is live. */
static void read_live(struct buf *out)
{
	struct ruleset rs = {0};

	place_capture(&rs);
	for (size_t i = 0; i < rs.ntables; i++) {
		const struct table *t = &rs.tables[i];
		struct items items = {0};

		if (!engines[t->engine]->facts)
			continue;
		assert_int_equal(engines[t->engine]->items(&rs, t, &items), 0);
		engines[t->engine]->facts(&rs, t, &items, all, put, out);
		items_release(&items);
	}
	ruleset_release(&rs);
}

/* Adds what is not as it should be. */
static void compare(const struct known *k, struct buf *faults)
{
	cleanup_buf struct buf out = BUF_INIT;

	read_live(&out);
	if (strcmp(buf_str(&out), k->facts))
		buf_printf(faults, "%s: '%s', not '%s'\n", k->rule, buf_str(&out), k->facts);
}

static void load_and_compare(const char *program, const struct known *k, size_t n, struct buf *faults)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_free char *text =
			str_printf("%s %s\nCOMMIT\n", k[i].where, k[i].rule);

		place_move(false);
		row_load_well(program, strstr(k[i].rule, "set ") ? SETS : NULL, text);
		compare(&k[i], faults);
	}
}

static void of_iptables(void **state)
{
	const char *program = *state;
	bool six = !strncmp(program, "ip6", 3);
	cleanup_buf struct buf faults = BUF_INIT;

	if (strstr(program, "legacy"))
		place_legacy_or_skip();
	load_and_compare(program, of_both, ARRAY_SIZE(of_both), &faults);
	if (six)
		load_and_compare(program, of_v6, ARRAY_SIZE(of_v6), &faults);
	else
		load_and_compare(program, of_v4, ARRAY_SIZE(of_v4), &faults);
	assert_string_equal(buf_str(&faults), "");
}

static void of_nftables(void **state)
{
	cleanup_buf struct buf faults = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(of_nft); i++) {
		const struct known *k = &of_nft[i];
		cleanup_free char *text = str_printf("flush ruleset\n%s%s\n}\n}\n", k->where, k->rule);

		place_nft(text);
		compare(k, &faults);
	}
	assert_string_equal(buf_str(&faults), "");
}

#define OF(name, function, program)                                                                \
	{                                                                                          \
		"the facts of a rule of " name, function, place_setup, place_teardown,             \
			(void *)(uintptr_t)program                                                 \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OF("iptables-nft", of_iptables, "iptables-nft"),
		OF("ip6tables-nft", of_iptables, "ip6tables-nft"),
		OF("iptables-legacy", of_iptables, "iptables-legacy"),
		OF("ip6tables-legacy", of_iptables, "ip6tables-legacy"),
		OF("nft", of_nftables, NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
