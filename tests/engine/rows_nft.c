/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables, chains, sets, maps, objects and flowtables of nf_tables, by family. */
#include "rows.h"

#define TABLE(family, body) "table " family " t {\n" body "\n}\n"
#define ROW(feature, family, body) {feature, family, "nft", TABLE(family, body), NULL}
#define EACH_IP(feature, body)                                                                     \
	ROW(feature, "ip", body), ROW(feature, "ip6", body), ROW(feature, "inet", body)
#define EACH(feature, body)                                                                        \
	EACH_IP(feature, body), ROW(feature, "arp", body), ROW(feature, "bridge", body),           \
		ROW(feature, "netdev", body)

#define BASE(name, type, hook, priority, rest)                                                     \
	"chain " name " {\ntype " type " hook " hook " priority " priority "; " rest "\n}\n"
#define FILTER(hook) BASE("f_" hook, "filter", hook, "0", "policy drop; counter accept;")
#define NAT(hook, rule) BASE("n_" hook, "nat", hook, "-100", "policy accept; " rule)
#define ON(hook, device)                                                                           \
	"chain on_" hook " {\ntype filter hook " hook " device \"" device                          \
	"\" priority 10; policy accept; counter;\n}\n"
#define IP_HOOKS                                                                                   \
	FILTER("prerouting") FILTER("input") FILTER("forward") FILTER("output") FILTER("postrouting")
#define IP_NAT                                                                                     \
	NAT("prerouting", "tcp dport 80 redirect to :8080;")                                       \
	NAT("input", "counter;")                                                                   \
	NAT("output", "counter;")                                                                  \
	NAT("postrouting", "oifname \"d0\" masquerade;")

const struct row rows_nft[] = {
	EACH("table with a comment", "comment \"what it is for\"\nchain c {\n}"),
	EACH("dormant table", "flags dormant;\nchain c {\ncounter\n}"),
	EACH("table without anything", ""),
	EACH("chain with a comment", "chain c {\ncomment \"why\"\ncounter packets 3 bytes 300 drop\n}"),
	EACH("jump, goto, return, comments of rules",
	     "chain c {\njump e comment \"in\"\ngoto e\n}\n"
	     "chain e {\nmeta mark 1 return\ncounter comment \"the same\"\ncounter comment \"the same\"\n}"),
	EACH("bound chains",
	     "chain c {\nmeta mark 1 jump {\ncounter\ndrop\n}\nmeta mark 3 goto {\nreturn\n}\n}"),
	/* nft's files know no chain in a chain in a chain, its commands do */
	{"bound chains in bound chains", "inet", "nft",
	 "add table inet t\nadd chain inet t c\n"
	 "add rule inet t c meta mark 1 jump { counter; meta mark 2 goto { return; }; accept; }\n", NULL},
	ROW("base chains", "ip", IP_HOOKS IP_NAT BASE("r", "route", "output", "-150", "meta mark set 1;")),
	ROW("base chains", "ip6", IP_HOOKS IP_NAT BASE("r", "route", "output", "-150", "meta mark set 1;")),
	ROW("base chains", "inet",
	    IP_HOOKS IP_NAT BASE("r", "route", "output", "-150", "meta mark set 1;") ON("ingress", "d0")),
	ROW("base chains", "arp", FILTER("input") FILTER("output")),
	ROW("base chains", "bridge", IP_HOOKS),
	ROW("base chains", "netdev", ON("ingress", "d0") ON("egress", "d1")),
	ROW("base chain on many devices", "netdev",
	    "chain c {\ntype filter hook ingress devices = { d2, d0, d1 } priority 0; policy drop; "
	    "counter accept;\n}"),
	EACH_IP("base chain with a named priority",
		"chain c {\ntype filter hook input priority filter - 5; policy drop;\n}"),
	{"base chains of equal priority in two tables", "ip, inet", "nft",
	 "table ip b {\n" BASE("x", "filter", "input", "0", "counter;") "}\n"
	 "table inet a {\n" BASE("y", "filter", "input", "0", "counter;") "}\n"
	 "table ip c {\n" BASE("z", "filter", "input", "0", "counter;") "}\n", NULL},
	{"tables of one name in all families", "all", "nft",
	 TABLE("netdev", "chain c {\ncounter\n}") TABLE("bridge", "chain c {\ncounter accept\n}")
	 TABLE("arp", "chain c {\ncounter drop\n}") TABLE("inet", "chain c {\ncounter return\n}")
	 TABLE("ip6", "chain c {\nmeta mark 6\n}") TABLE("ip", "chain c {\nmeta mark 4\n}"), NULL},

	EACH("set", "set s {\ntype ipv4_addr\nelements = { 1.1.1.1, 2.2.2.2, 3.3.3.3 }\n}"),
	EACH("set to save memory", "set s {\ntype mark\npolicy memory\nelements = { 5 }\n}"),
	EACH("set with size and comment",
	     "set s {\ntypeof ip saddr\nsize 100\ncomment \"who\"\n"
	     "elements = { 1.1.1.1 comment \"first\", 2.2.2.2 }\n}"),
	EACH("constant set", "set s {\ntype inet_service\nflags constant\nelements = { 22, 80 }\n}"),
	EACH("empty set", "set s {\ntype inet_proto\n}"),
	EACH("interval set",
	     "set s {\ntype ipv4_addr\nflags interval\n"
	     "elements = { 10.0.0.0/8, 192.168.1.1-192.168.1.9, 1.1.1.1, 240.0.0.0-255.255.255.255 }\n}"),
	EACH("interval set that merges",
	     "set s {\ntype inet_service\nflags interval\nauto-merge\n"
	     "elements = { 1-100, 50-200, 65535 comment \"last\" }\n}"),
	EACH("interval set of IPv6",
	     "set s {\ntype ipv6_addr\nflags interval\nelements = { 2001:db8::/32, fe80::1, ::/128 }\n}"),
	EACH("set of concatenations",
	     "set s {\ntype ipv4_addr . inet_proto . inet_service\n"
	     "elements = { 1.1.1.1 . tcp . 22, 2.2.2.2 . udp . 53 }\n}"),
	EACH("interval set of concatenations",
	     "set s {\ntype ipv4_addr . inet_service\nflags interval\n"
	     "elements = { 10.0.0.0/8 . 1-1024, 1.1.1.1 . 22, 2.0.0.0-2.0.0.9 . 80 }\n}"),
	EACH("set with timeouts",
	     "set s {\ntype ipv4_addr\nflags timeout\ntimeout 1h\n"
	     "elements = { 1.1.1.1, 2.2.2.2 timeout 2h expires 90m, 3.3.3.3 timeout 10d comment \"c\" }\n}"),
	EACH("interval set with timeouts",
	     "set s {\ntype ipv4_addr\nflags interval, timeout\ngc-interval 10m\n"
	     "elements = { 10.0.0.0/8 timeout 1h, 192.0.2.0/24 }\n}"),
	EACH("elements with counters",
	     "set s {\ntype ipv4_addr\ncounter\n"
	     "elements = { 1.1.1.1 counter packets 1 bytes 100, 2.2.2.2 counter packets 2 bytes 200 }\n}"),
	EACH("elements with quotas",
	     "set s {\ntype ipv4_addr\nquota 1 mbytes\nelements = { 1.1.1.1, 2.2.2.2 }\n}"),
	EACH("elements with limits",
	     "set s {\ntype ipv4_addr\nlimit rate 10/second burst 3 packets\n"
	     "elements = { 1.1.1.1 limit rate 1/minute burst 5 packets }\n}"),
	EACH("elements with several states",
	     "set s {\ntype ipv4_addr\ncounter limit rate 10/second\n"
	     "elements = { 1.1.1.1 counter packets 9 bytes 90 limit rate 10/second }\n}"),
	EACH("map",
	     "map m {\ntype inet_service : mark\nelements = { 22 : 1, 80 comment \"web\" : 2 }\n}"),
	EACH("interval map", "map m {\ntype ipv4_addr : mark\nflags interval\n"
			     "elements = { 10.0.0.0/8 : 1, 192.0.2.1-192.0.2.7 : 2 }\n}"),
	EACH("map of concatenations to concatenations",
	     "map m {\ntype ipv4_addr . inet_service : ipv4_addr . inet_service\n"
	     "elements = { 1.1.1.1 . 80 : 10.0.0.1 . 8080 }\n}"),
	EACH("map with timeouts",
	     "map m {\ntype ipv4_addr : mark\nflags timeout\nelements = { 1.1.1.1 timeout 1h : 7, 2.2.2.2 : 8 }\n}"),
	EACH("map with a catch-all element",
	     "map m {\ntype ipv4_addr : mark\nelements = { 1.1.1.1 : 7, * : 8 }\n}"),
	EACH("set with a catch-all element",
	     "set s {\ntype ipv4_addr\nflags interval\ncounter\n"
	     "elements = { 10.0.0.0/8 counter packets 0 bytes 0, * counter packets 4 bytes 40 }\n}"),
	EACH("verdict map",
	     "map m {\ntype inet_service : verdict\nelements = { 22 : accept, 23 : drop, 24 : jump e, "
	     "25 : goto e, 26 : return }\n}\n"
	     "chain e {\ncounter\n}\nchain c {\nth dport vmap @m\n}"),
	EACH("verdict map of intervals of concatenations",
	     "map m {\ntype ipv4_addr . inet_service : verdict\nflags interval\n"
	     "elements = { 10.0.0.0/8 . 1-1024 : jump e, 0.0.0.0/0 . 2000 : drop }\n}\n"
	     "chain e {\ncounter\n}\n"),
	EACH("set of interface names",
	     "set s {\ntype ifname\nelements = { \"d0\", \"gone\", \"d1\" }\n}\n"
	     "set w {\ntype ifname\nflags interval\nelements = { \"d*\", \"eth0\" }\n}"),
	EACH("set of interface indexes", "set s {\ntype iface_index\nelements = { \"d0\", \"d2\" }\n}"),
	EACH("interval set of interface indexes",
	     "set s {\ntype iface_index\nflags interval\nelements = { \"lo\", \"d1\" }\n}"),
	EACH("concatenations with interface indexes",
	     "set s {\ntype ipv4_addr . iface_index\nelements = { 1.1.1.1 . \"d0\", 2.2.2.2 . \"d2\" }\n}\n"
	     "map m {\ntype iface_index . mark : verdict\nelements = { \"d1\" . 7 : drop }\n}"),
	EACH("interval concatenations with interface indexes",
	     "set s {\ntype ipv4_addr . iface_index\nflags interval\n"
	     "elements = { 10.0.0.0/8 . \"d0\", 1.1.1.1 . \"d2\" }\n}"),
	EACH("map to interface indexes",
	     "map m {\ntype ipv4_addr : iface_index\nelements = { 1.1.1.1 : \"d0\", 2.2.2.2 : \"d2\" }\n}"),
	EACH("sets of every plain key",
	     "set a {\ntype ether_addr\nelements = { 02:00:00:00:00:01 }\n}\n"
	     "set b {\ntype mark\nelements = { 1, 0xffffffff }\n}\n"
	     "set c {\ntype icmp_type\nelements = { echo-request }\n}\n"
	     "set d {\ntype ct_state\nelements = { new, established }\n}\n"
	     "set e {\ntype uid\nelements = { 0, 1000 }\n}\n"
	     "set f {\ntype dscp\nelements = { cs1, ef }\n}\n"
	     "set g {\ntypeof vlan id\nelements = { 2, 100 }\n}\n"
	     "set h {\ntype ipv6_addr . ether_addr\nelements = { ::1 . 02:00:00:00:00:01 }\n}"),
	EACH("set that a rule adds to",
	     "set s {\ntype ipv4_addr\nsize 1000\nflags dynamic, timeout\ntimeout 5m\n"
	     "elements = { 1.1.1.1 expires 100s }\n}\n"
	     "chain c {\nadd @s { @nh,96,32 timeout 1m }\nupdate @s { @nh,96,32 limit rate 5/second } drop\n}"),
	EACH("set without size that a rule adds to and deletes from",
	     "set s {\ntype mark\nflags dynamic\nelements = { 1, 2 }\n}\n"
	     "chain c {\nadd @s { meta mark }\ndelete @s { meta mark }\n}"),
	EACH("meter with several states",
	     "set s {\ntype mark\nsize 16\nflags dynamic, timeout\n}\n"
	     "chain c {\nupdate @s { meta mark timeout 10s limit rate over 10/second burst 4 packets } drop\n"
	     "add @s { meta mark counter }\n}"),
	EACH("map that a rule adds to",
	     "map m {\ntype mark : mark\nsize 99\nflags dynamic, timeout\n}\n"
	     "chain c {\nadd @m { meta mark : meta mark }\n}"),

	EACH("counter object", "counter a {\ncomment \"bytes\"\npackets 7 bytes 700\n}\ncounter b {\n}\n"
			       "chain c {\ncounter name \"a\"\n}"),
	EACH("quota object",
	     "quota a {\n100 mbytes used 3 bytes\n}\nquota b {\nover 1000 mbytes\n}\nchain c {\nquota name \"b\" drop\n}"),
	EACH("limit object", "limit a {\nrate 10/minute burst 7 packets\n}\nlimit b {\nrate over 1 mbytes/second\n}\n"
			     "chain c {\nlimit name \"a\" accept\n}"),
	EACH("map to objects",
	     "counter a {\n}\ncounter b {\n}\nquota q {\n1 mbytes\n}\n"
	     "map m {\ntype mark : counter\nelements = { 1 : \"a\", 2 : \"b\" }\n}\n"
	     "map n {\ntype ipv4_addr : quota\nflags interval\nelements = { 10.0.0.0/8 : \"q\" }\n}\n"
	     "chain c {\ncounter name meta mark map @m\ncounter name meta mark map { 3 : \"a\", 4 : \"b\" }\n}"),
	EACH("secmark object", "secmark s {\n\"system_u:object_r:ssh_server_packet_t:s0\"\n}\n"
			       "chain c {\nmeta secmark set \"s\"\n}"),
	EACH_IP("ct helper object",
		"ct helper h {\ntype \"ftp\" protocol tcp\n}\nct helper j {\ntype \"tftp\" protocol udp\n}\n"
		"chain c {\ntype filter hook prerouting priority 0; tcp dport 21 ct helper set \"h\"\n}"),
	ROW("ct timeout object", "ip",
	    "ct timeout o {\nprotocol tcp;\nl3proto ip\npolicy = { established: 100, close: 4 }\n}\n"
	    "chain c {\ntype filter hook output priority -250; ct timeout set \"o\"\n}"),
	ROW("ct timeout object", "ip6",
	    "ct timeout o {\nprotocol udp;\nl3proto ip6\npolicy = { unreplied: 33, replied: 99 }\n}"),
	ROW("ct timeout object", "inet",
	    "ct timeout o {\nprotocol udp;\nl3proto ip6\npolicy = { unreplied: 33, replied: 99 }\n}"),
	ROW("ct expectation object", "ip",
	    "ct expectation e {\nprotocol tcp\ndport 9876\ntimeout 2m\nsize 12\nl3proto ip\n}\n"
	    "chain c {\ntype filter hook input priority 0; ct expectation set \"e\"\n}"),
	ROW("ct expectation object", "ip6",
	    "ct expectation e {\nprotocol udp\ndport 53\ntimeout 9s\nsize 2\nl3proto ip6\n}"),
	ROW("ct expectation object", "inet",
	    "ct expectation e {\nprotocol tcp\ndport 9876\ntimeout 2m\nsize 12\nl3proto ip\n}"),
	EACH_IP("synproxy object",
		"synproxy a {\nmss 1460\nwscale 7\ntimestamp sack-perm\n}\n"
		"chain c {\ntype filter hook input priority 0; tcp dport 80 synproxy name \"a\"\n}"),
	ROW("tunnel object", "netdev", "tunnel x {\nid 10\nip saddr 1.1.1.1\nip daddr 2.2.2.2\n}"),
	EACH_IP("flowtable", "flowtable f {\nhook ingress priority 0\ndevices = { d0, d1 }\ncounter\n}\n"
			     "chain c {\ntype filter hook forward priority 0; meta l4proto tcp flow add @f\n}"),
};

const size_t rows_nft_count = ARRAY_SIZE(rows_nft);
