/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expressions and statements of nf_tables rules, by family. */
#include "rows.h"

#define RULES(feature, family, body)                                                               \
	{feature, family, "nft", "table " family " t {\nchain c {\n" body "\n}\n}\n", NULL}
#define IN(feature, family, type, hook, priority, body)                                            \
	RULES(feature, family, "type " type " hook " hook " priority " priority "; " body)
#define EACH_IP(feature, body)                                                                     \
	RULES(feature, "ip", body), RULES(feature, "ip6", body), RULES(feature, "inet", body)
#define EACH(feature, body)                                                                        \
	EACH_IP(feature, body), RULES(feature, "arp", body), RULES(feature, "bridge", body),       \
		RULES(feature, "netdev", body)
#define IN_IP(feature, type, hook, priority, body)                                                 \
	IN(feature, "ip", type, hook, priority, body),                                             \
		IN(feature, "ip6", type, hook, priority, body),                                    \
		IN(feature, "inet", type, hook, priority, body)

const struct row rows_nft_rules[] = {
	EACH("counters, quotas, limits",
	     "counter packets 5 bytes 500\nquota 5 mbytes used 1 bytes\nquota over 1000 mbytes drop\n"
	     "limit rate 3/hour burst 9 packets\nlimit rate over 10 kbytes/second burst 2 kbytes drop\n"
	     "counter"),
	RULES("last", "inet", "last\ncounter"),
	EACH("meta: comparisons, ranges, masks",
	     "meta mark 1\nmeta mark != 2-9\nmeta mark & 0xff == 7\nmeta mark 10-20\nmeta length > 1000\n"
	     "meta protocol 0x0800\nmeta priority 1:2\nmeta skuid 1000\nmeta skgid != 5-7\nmeta cpu 1\n"
	     "meta pkttype broadcast\nmeta random <= 100\nmeta cgroup 5\nmeta iiftype 1\n"
	     "meta l4proto { tcp, udp }"),
	EACH("meta: hour, day and time",
	     "meta time > \"2030-01-01 00:00:00\"\nmeta day \"Sunday\"\nmeta hour \"01:00\"-\"02:00\""),
	EACH("meta: set",
	     "meta mark set 7\nmeta mark set meta mark | 0x100\nmeta priority set 1:3\nmeta nftrace set 1\n"
	     "meta pkttype set host"),
	EACH("meta: interfaces by name",
	     "iifname \"d0\" oifname != \"d1\"\niifname \"d*\"\niifname { \"d0\", \"gone\" }\n"
	     "meta iifkind \"ifb\"\noifname vmap { \"d0\" : accept, \"d1\" : drop }"),
	EACH("meta: interfaces by index",
	     "iif \"d0\" accept\niif != \"d2\" drop\noif \"d1\" counter\niif { \"d0\", \"d1\" } accept\n"
	     "iif . oif { \"d0\" . \"d1\", \"d2\" . \"lo\" } drop\n"
	     "iif vmap { \"d0\" : accept, \"d2\" : drop }\nmeta iif . meta mark { \"d2\" . 1 }"),
	EACH("raw payload",
	     "@ll,0,16 1\n@nh,8,8 0x40\n@th,16,16 80\n@th,16,16 set 81\n@nh,32,96 0x1234567890abcdef12345678\n"
	     "@nh,0,4 5"),
	EACH("anonymous sets, maps and verdict maps",
	     "meta mark { 1, 2, 3 } accept\nmeta mark { 10-20, 30 } drop\n"
	     "meta mark . meta length { 1 . 100, 2 . 200 } accept\n"
	     "meta mark set meta length map { 1 : 1, 2-9 : 2 }\n"
	     "meta mark vmap { 1 : drop, 2-5 : accept, 7 : continue }\nmeta mark != { 4, 5 } drop\n"
	     "meta mark . meta length vmap { 1 . 5 : drop }"),
	EACH("numgen and hashes",
	     "meta mark set numgen inc mod 3\nmeta mark set numgen random mod 10 offset 5\n"
	     "meta mark set symhash mod 4 offset 1\nmeta mark set jhash meta length mod 8 seed 0xab\n"
	     "numgen inc mod 2 vmap { 0 : accept, 1 : drop }"),
	EACH("log",
	     "log\nlog prefix \"in: \" level warn flags all\nlog group 5 snaplen 64 queue-threshold 3\n"
	     "log level audit"),
	EACH_IP("queue", "queue num 3\nqueue flags bypass,fanout to 4-7\nqueue flags bypass to numgen inc mod 4"),
	EACH("user data: comments of the same rule",
	     "counter comment \"one\"\ncounter comment \"two\"\ncounter"),
	EACH_IP("tcp, udp, icmp and their likes",
		"tcp dport 22\ntcp dport != 1-1024\ntcp flags & (fin|syn|rst|ack) == syn\ntcp flags syn,ack\n"
		"tcp sport . tcp dport { 1 . 2 }\nudp length > 100\nudplite dport 5\nsctp dport 9\ndccp sport 4\n"
		"th dport { 53, 80 }\nah spi 1\nesp spi 5\ncomp cpi 3\nicmp type echo-request\n"
		"icmpv6 type { nd-router-advert, echo-request }\ntcp doff 5\nsctp chunk data flags 1"),
	EACH_IP("tcp options",
		"tcp option maxseg size 1000-1400\ntcp option sack-perm exists\ntcp option timestamp tsval 1\n"
		"tcp flags syn tcp option maxseg size set 1200\ntcp flags syn tcp option maxseg size set rt mtu\n"
		"tcp option md5sig missing\nreset tcp option sack"),
	EACH_IP("connection tracking",
		"ct state established,related accept\nct state invalid drop\nct mark 5\nct mark & 0xf0 == 0x10\n"
		"ct direction reply\nct status dnat\nct expiration < 10s\nct zone 3\nct bytes > 1000\n"
		"ct original packets 1-5\nct helper \"ftp\"\nct l3proto ipv4\nct id 5\n"
		"meta l4proto tcp ct original proto-dst 22\nmeta l4proto tcp ct reply proto-src { 1, 2 }\n"
		"ct state vmap { established : accept, invalid : drop, related : accept }"),
	IN_IP("connection tracking: set", "filter", "prerouting", "-300",
	      "ct zone set 5\nct original zone set 6\nct mark set meta mark\nct event set new,destroy\n"
	      "notrack"),
	EACH_IP("connection tracking: count", "ct count over 10 drop\nct count 3 accept\n"),
	RULES("connection tracking: addresses", "ip", "ct original saddr 1.1.1.1\nct reply daddr 10.0.0.0/8"),
	RULES("connection tracking: addresses", "ip6", "ct original saddr ::1\nct reply daddr fe80::/10"),
	RULES("connection tracking: addresses", "inet", "ct original ip saddr 1.1.1.1\nct reply ip6 daddr ::1"),
	RULES("ip header", "ip",
	      "ip saddr 10.0.0.0/8 ip daddr != 1.1.1.1-1.1.1.9\nip dscp cs1\nip ecn ce\nip ttl < 5\n"
	      "ip protocol { tcp, 47 }\nip id 5\nip frag-off & 0x1fff != 0\nip length 100-200\nip hdrlength 5\n"
	      "ip option rr exists\nip option ra value 1\nip version 4\nip checksum 7"),
	RULES("ip header: set", "ip",
	      "ip ttl set 64\nip dscp set ef\nip saddr set 1.2.3.4\ntcp dport set 8080\nip ecn set ce"),
	RULES("ip6 header", "ip6",
	      "ip6 saddr fe80::/10 ip6 daddr != ::1-::9\nip6 dscp cs1\nip6 hoplimit 255\nip6 nexthdr tcp\n"
	      "ip6 flowlabel 5\nip6 length 9\nexthdr frag exists\nfrag more-fragments 1\nrt type 0 drop\n"
	      "hbh hdrlength 1\ndst nexthdr 6\nmh type 1\nsrh tag 2"),
	RULES("ip6 header: set", "ip6", "ip6 hoplimit set 64\nip6 dscp set ef\nip6 flowlabel set 7"),
	RULES("ip and ip6 headers", "inet",
	      "ip saddr 10.0.0.0/8 tcp dport 22\nip6 saddr fe80::/10 udp dport 53\n"
	      "meta nfproto ipv4 drop\nip daddr . tcp dport { 1.1.1.1 . 22, 2.2.2.2 . 80 }\n"
	      "ip saddr { 10.0.0.0/8, 192.168.0.0/16 } accept\nip daddr . tcp dport { 10.0.0.0/8 . 1-9 }"),
	RULES("arp header", "arp",
	      "arp operation request\narp saddr ip 10.0.0.1\narp htype 1\narp ptype 0x0800\narp hlen 6\n"
	      "arp saddr ether 02:00:00:00:00:01\narp operation { request, reply }\n"
	      "arp daddr ip set 1.2.3.4"),
	RULES("bridge: frames", "bridge",
	      "ether saddr 02:00:00:00:00:01\nether type vlan\nvlan id 5\nvlan id 1 ip saddr 1.1.1.1\n"
	      "ether daddr set 02:00:00:00:00:02\nether type arp arp operation request\n"
	      "ip daddr 1.1.1.1 tcp dport 22\n"
	      "ether saddr . ip saddr { 02:00:00:00:00:01 . 1.1.1.1 }"),
	RULES("bridge: names of the bridge", "bridge", "meta ibrname \"br0\"\nmeta obrname \"br0\""),
	RULES("netdev: frames", "netdev",
	      "ether saddr 02:00:00:00:00:01\nvlan id 5 vlan pcp 3\nip saddr 1.1.1.1 drop\n"
	      "ether type 0x88a8 drop\nip6 daddr ::1 udp dport 5\nvlan type ip drop"),
	IN_IP("fib", "filter", "prerouting", "0",
	      "fib saddr . iif oif missing drop\nfib daddr type local accept\nfib daddr . iif type { local, broadcast }\n"
	      "fib saddr oif \"d0\" accept\nfib saddr oifname \"d1\" drop\nfib daddr . mark type vmap "
	      "{ local : accept, blackhole : drop }"),
	IN_IP("route, xfrm and sockets", "filter", "output", "0",
	      "rt mtu > 1000\nrt ipsec exists\nipsec out reqid 5\nmeta oif \"d0\" meta mark 3\n"
	      "meta rtclassid 5"),
	IN_IP("sockets", "filter", "prerouting", "-150",
	      "socket transparent 1 accept\nsocket mark 7\nsocket wildcard 0"),
	IN_IP("fingerprints of systems", "filter", "prerouting", "0",
	      "osf name \"Linux\" drop\nosf ttl skip name \"Windows\""),
	IN_IP("reject", "filter", "input", "0",
	      "reject\nreject with tcp reset"),
	IN("reject with codes", "ip", "filter", "input", "0", "reject with icmp host-prohibited"),
	IN("reject with codes", "ip6", "filter", "input", "0", "reject with icmpv6 addr-unreachable"),
	IN("reject with codes", "inet", "filter", "input", "0",
	   "reject with icmpx admin-prohibited\nmeta nfproto ipv4 reject with icmp port-unreachable"),
	IN("reject", "bridge", "filter", "input", "0", "ether type ip reject with icmp port-unreachable"),
	IN("reject", "netdev", "filter", "ingress device \"d0\"", "0", "ip protocol tcp reject with tcp reset"),
	IN_IP("synproxy", "filter", "input", "0",
	      "tcp dport 80 synproxy mss 1460 wscale 7 timestamp sack-perm"),
	IN("nat", "ip", "nat", "postrouting", "100",
	   "snat to 1.2.3.4\nip protocol tcp snat to 1.2.3.4-1.2.3.9:100-200 random,persistent\n"
	   "ip protocol tcp masquerade to :1024-65535 fully-random\nsnat to ip saddr map { 10.0.0.1 : 1.1.1.1 }\n"
	   "snat ip prefix to ip saddr map { 10.1.0.0/24 : 10.2.0.0/24 }"),
	IN("nat", "ip6", "nat", "prerouting", "-100",
	   "dnat to ::1\ntcp dport 80 dnat to [fe80::1]:8080\nredirect\n"
	   "dnat to ip6 daddr . tcp dport map { ::1 . 80 : ::2 . 8080 }"),
	IN("nat", "inet", "nat", "prerouting", "-100",
	   "ip protocol tcp dnat ip to 1.1.1.1:80\nmeta l4proto tcp dnat ip6 to [::1]:80\ntcp dport 80 redirect to :8080\n"
	   "dnat ip to numgen random mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }"),
	IN("tproxy", "ip", "filter", "prerouting", "-150",
	   "tcp dport 80 tproxy to 127.0.0.1:50080 accept\nudp dport 53 tproxy to :53"),
	IN("tproxy", "ip6", "filter", "prerouting", "-150", "tcp dport 80 tproxy to [::1]:50080"),
	IN("tproxy", "inet", "filter", "prerouting", "-150",
	   "tcp dport 80 tproxy ip to 127.0.0.1:50080\nmeta l4proto tcp tproxy to :80"),
	IN("dup", "ip", "filter", "prerouting", "0", "dup to 10.0.0.1\ndup to 10.0.0.2 device \"d1\"\n"
	   "dup to ip saddr map { 1.1.1.1 : 2.2.2.2 } device \"d0\""),
	IN("dup", "ip6", "filter", "prerouting", "0", "dup to fe80::1 device \"d2\"\ndup to ::5"),
	IN("dup and fwd", "netdev", "filter", "ingress device \"d0\"", "0",
	   "meta mark 1 dup to \"d1\"\nmeta mark 2 fwd to \"d2\"\n"
	   "meta mark 3 fwd to meta length map { 1 : \"d1\", 2 : \"d2\" }\n"
	   "ip ttl > 1 fwd ip to 10.0.0.1 device \"d1\""),
	IN("broute and marks", "bridge", "filter", "prerouting", "-200", "meta mark set 1\nmeta pkttype host drop"),
};

const size_t rows_nft_rules_count = ARRAY_SIZE(rows_nft_rules);
