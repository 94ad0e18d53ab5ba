/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rulesets of iptables, ip6tables (legacy and nft), arptables and ebtables. */
#include "rows.h"

#define FILTER                                                                                     \
	"*filter\n:INPUT DROP [3:300]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [7:700]\n"
#define MANGLE                                                                                     \
	"*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"          \
	":OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
#define NAT                                                                                        \
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"              \
	":POSTROUTING ACCEPT [0:0]\n"
#define RAW "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define SECURITY "*security\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define END "COMMIT\n"

#define V4(feature, text)                                                                          \
	{feature, "ip", "iptables-nft", text, NULL}, {feature, "ip", "iptables-legacy", text, NULL}
#define V6(feature, text)                                                                          \
	{feature, "ip6", "ip6tables-nft", text, NULL}, {feature, "ip6", "ip6tables-legacy", text, NULL}
#define BOTH(feature, text) V4(feature, text), V6(feature, text)
#define SET_V4(feature, sets, text)                                                                \
	{feature, "ip", "iptables-nft", text, sets}, {feature, "ip", "iptables-legacy", text, sets}
#define SET_V6(feature, sets, text)                                                                \
	{feature, "ip6", "ip6tables-nft", text, sets},                                             \
		{feature, "ip6", "ip6tables-legacy", text, sets}

const struct row rows_xtables[] = {
	BOTH("filter: policy, states, counters",
	     FILTER "[1:2] -A INPUT -i lo -j ACCEPT\n"
		    "[30:4000] -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
		    "[0:0] -A INPUT -p tcp -m tcp --dport 22 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n"
		    "[5:60] -A INPUT ! -p udp -j DROP\n"
		    "-A OUTPUT -p udp -m udp --sport 1024:65535 --dport 53 -j ACCEPT\n" END),
	BOTH("all five tables",
	     FILTER "-A INPUT -j ACCEPT\n" END MANGLE "-A PREROUTING -j MARK --set-xmark 0x5/0xff\n" END NAT
		    "-A OUTPUT -p tcp -j ACCEPT\n" END RAW "-A OUTPUT -j ACCEPT\n" END SECURITY
		    "-A INPUT -j ACCEPT\n" END),
	BOTH("user chains: jump, goto, return",
	     FILTER ":LOG-IT - [0:0]\n:a - [0:0]\n:unused - [0:0]\n"
		    "[9:99] -A INPUT -j a\n-A INPUT -p tcp -g LOG-IT\n-A a -p udp -j RETURN\n"
		    "-A a -j LOG-IT\n-A LOG-IT -j DROP\n-A LOG-IT\n" END),
	BOTH("interfaces by name, by prefix, inverted",
	     FILTER "-A FORWARD -i d0 -o d1 -j ACCEPT\n-A FORWARD -i d+ -j DROP\n-A FORWARD ! -o gone0 -j ACCEPT\n" END),
	BOTH("comments and equal rules",
	     FILTER "-A INPUT -m comment --comment \"the same\" -j ACCEPT\n"
		    "-A INPUT -m comment --comment \"the same\" -j ACCEPT\n" END),
	BOTH("ports and protocols",
	     FILTER "-A INPUT -p tcp -m multiport --dports 80,443,8000:8080 -j ACCEPT\n"
		    "-A INPUT -p sctp -m sctp --dport 5 -j ACCEPT\n-A INPUT -p esp -m esp --espspi 5 -j DROP\n"
		    "-A INPUT -p dccp -m dccp --sport 1:9 -j DROP\n-A INPUT -p udp -m length --length 10:90 -j DROP\n"
		    "-A INPUT -p tcp -m tcp ! --sport 1 --tcp-option 5 -j DROP\n"
		    "-A INPUT -p tcp -m tcpmss --mss 1:500 -j DROP\n" END),
	BOTH("limits",
	     FILTER "-A INPUT -m limit --limit 5/min --limit-burst 9 -j ACCEPT\n"
		    "-A INPUT -m connlimit --connlimit-above 3 --connlimit-mask 24 -j DROP\n"
		    "-A INPUT -m hashlimit --hashlimit-above 10/sec --hashlimit-mode srcip --hashlimit-name h -j DROP\n"
		    "-A INPUT -m quota --quota 100000 -j ACCEPT\n"
		    "-A INPUT -m statistic --mode nth --every 3 --packet 0 -j DROP\n"
		    "-A INPUT -m statistic --mode random --probability 0.5 -j DROP\n" END),
	BOTH("recent", FILTER "-A INPUT -m recent --update --seconds 60 --hitcount 4 --name r --rsource -j DROP\n"
			      "-A INPUT -m recent --set --name r --rsource\n" END),
	BOTH("marks and connection marks",
	     MANGLE "-A PREROUTING -m mark --mark 0x1/0xf -j ACCEPT\n-A PREROUTING -m connmark --mark 0x7 -j ACCEPT\n"
		    "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff\n"
		    "-A POSTROUTING -j CONNMARK --set-xmark 0x9/0xffffffff\n"
		    "-A OUTPUT -j MARK --set-xmark 0x1/0xffffffff\n" END),
	BOTH("mangle: classes, DSCP, TCPMSS",
	     MANGLE "-A POSTROUTING -j CLASSIFY --set-class 0001:0002\n-A FORWARD -j DSCP --set-dscp 0x08\n"
		    "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\n"
		    "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1200\n"
		    "-A FORWARD -m dscp --dscp 0x0a -j ACCEPT\n-A PREROUTING -p tcp -j TOS --set-tos 0x10/0x3f\n"
		    "-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options 3,8\n" END),
	BOTH("LOG, NFLOG, NFQUEUE",
	     FILTER "-A INPUT -j LOG --log-prefix \"in: \" --log-level 6 --log-tcp-options --log-ip-options\n"
		    "-A INPUT -j NFLOG --nflog-prefix \"p\" --nflog-group 3 --nflog-threshold 5\n"
		    "-A INPUT -j NFQUEUE --queue-balance 1:4 --queue-bypass\n" END),
	BOTH("raw: NOTRACK, CT, TRACE",
	     RAW "-A PREROUTING -j CT --notrack\n-A PREROUTING -p tcp -j CT --zone 5\n"
		 "-A OUTPUT -p tcp -m tcp --dport 21 -j CT --helper ftp\n-A PREROUTING -j TRACE\n"
		 "-A PREROUTING -m rpfilter --loose --invert -j DROP\n" END),
	BOTH("owner, time, string, bytes",
	     FILTER "-A OUTPUT -m owner --uid-owner 1000 -j ACCEPT\n-A OUTPUT -m owner ! --gid-owner 5-9 -j DROP\n"
		    "-A INPUT -m time --timestart 01:00:00 --timestop 02:00:00 --weekdays Mon,Sun -j DROP\n"
		    "-A INPUT -m string --string \"x y\" --algo bm --from 40 --to 900 -j DROP\n"
		    "-A INPUT -m connbytes --connbytes 100:200 --connbytes-mode bytes --connbytes-dir both -j DROP\n"
		    "-A INPUT -m helper --helper ftp -j ACCEPT\n-A INPUT -m u32 --u32 \"0x0=0x1:0x5\" -j DROP\n"
		    "-A INPUT -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT\n"
		    "-A INPUT -m pkttype --pkt-type multicast -j DROP\n-A INPUT -m cpu --cpu 1 -j DROP\n"
		    "-A INPUT -m addrtype --dst-type LOCAL -j ACCEPT\n"
		    "-A INPUT -m bpf --bytecode \"1,6 0 0 65535\" -j DROP\n" END),
	BOTH("sockets and TPROXY",
	     MANGLE "-A PREROUTING -p tcp -m socket --transparent --restore-skmark -j ACCEPT\n"
		    "-A PREROUTING -p tcp -j TPROXY --on-port 50080 --tproxy-mark 0x1/0x1\n" END),
	BOTH("policy and cgroup",
	     FILTER "-A FORWARD -m policy --dir in --pol ipsec --mode tunnel --strict --reqid 5 -j ACCEPT\n"
		    "-A OUTPUT -m cgroup --cgroup 5 -j DROP\n" END),
	V4("addresses and the header",
	   FILTER "-A INPUT -s 10.0.0.0/8 ! -d 192.168.1.1/32 -j ACCEPT\n-A INPUT -f -j DROP\n"
		  "-A INPUT -m iprange --src-range 1.1.1.1-1.1.1.9 -j DROP\n-A INPUT -m ttl --ttl-lt 5 -j DROP\n"
		  "-A INPUT -p icmp -m icmp --icmp-type 8/0 -j ACCEPT\n-A INPUT -p ah -m ah --ahspi 7 -j DROP\n"
		  "-A INPUT -s 10.0.0.0/255.0.255.0 -j DROP\n-A INPUT -m realm --realm 0x5 -j DROP\n"
		  "-A INPUT -m ecn --ecn-tcp-cwr -p tcp -j DROP\n" END),
	V6("addresses and the header",
	   FILTER "-A INPUT -s fe80::/10 ! -d 2001:db8::1/128 -j ACCEPT\n-A INPUT -m hl --hl-eq 255 -j ACCEPT\n"
		  "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT\n-A INPUT -m frag --fragmore -j DROP\n"
		  "-A INPUT -m rt --rt-type 0 -j DROP\n-A INPUT -m ipv6header --header frag --soft -j DROP\n"
		  "-A INPUT -m eui64 -j DROP\n-A INPUT -m hbh --hbh-len 8 -j DROP\n"
		  "-A INPUT -m iprange --src-range fe80::1-fe80::9 -j DROP\n" END),
	V4("REJECT", FILTER "-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"
			    "-A INPUT -p tcp -j REJECT --reject-with tcp-reset\n" END),
	V6("REJECT", FILTER "-A INPUT -j REJECT --reject-with icmp6-adm-prohibited\n"
			    "-A INPUT -p tcp -j REJECT --reject-with tcp-reset\n" END),
	V4("nat",
	   NAT "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080\n"
	       "-A PREROUTING -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 8081-8090 --random\n"
	       "-A POSTROUTING -o d0 -j MASQUERADE --random-fully\n"
	       "-A POSTROUTING -o d1 -j SNAT --to-source 1.2.3.4-1.2.3.9 --persistent\n"
	       "-A PREROUTING -d 10.1.0.0/24 -j NETMAP --to 10.2.0.0/24\n" END),
	V6("nat",
	   NAT "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [fe80::1]:8080\n"
	       "-A PREROUTING -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 8081\n"
	       "-A POSTROUTING -o d0 -j MASQUERADE\n-A POSTROUTING -o d1 -j SNAT --to-source 2001:db8::1\n" END),
	V4("TTL, ECN, TEE", MANGLE "-A PREROUTING -j TTL --ttl-set 64\n-A PREROUTING -p tcp -j ECN --ecn-tcp-remove\n"
				   "-A PREROUTING -j TEE --gateway 10.0.0.1\n" END),
	V6("HL, TEE", MANGLE "-A PREROUTING -j HL --hl-inc 1\n-A PREROUTING -j TEE --gateway fe80::1 --oif d1\n" END),
	BOTH("SYNPROXY", FILTER "-A INPUT -p tcp -m tcp --dport 80 -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460\n" END),
	BOTH("secmarks", SECURITY "-A INPUT -j SECMARK --selctx system_u:object_r:x_t:s0\n"
				  "-A INPUT -j CONNSECMARK --save\n" END),
	BOTH("AUDIT, CHECKSUM, LED, IDLETIMER",
	     MANGLE "-A POSTROUTING -p udp -j CHECKSUM --checksum-fill\n" END FILTER
		    "-A INPUT -j AUDIT --type accept\n" END),
	SET_V4("ipset: match and SET target",
	       "create other hash:ip\ncreate blocked hash:net counters\ncreate seen hash:ip,port timeout 600\n"
	       "add blocked 10.0.0.0/8\nadd seen 1.1.1.1,tcp:22\n",
	       FILTER "-A INPUT -m set --match-set blocked src -j DROP\n"
		      "-A INPUT -m set ! --match-set seen src,dst -j ACCEPT\n"
		      "-A INPUT -m set --match-set blocked dst --packets-gt 5 ! --update-counters -j ACCEPT\n"
		      "-A INPUT -j SET --add-set seen src,dst --exist --timeout 99\n"
		      "-A INPUT -j SET --del-set seen src,src\n" END),
	SET_V6("ipset: match and SET target",
	       "create other hash:ip\ncreate blocked hash:net family inet6\n"
	       "create seen hash:ip family inet6 timeout 600\nadd blocked 2001:db8::/32\n",
	       FILTER "-A INPUT -m set --match-set blocked src -j DROP\n"
		      "-A INPUT -j SET --add-set seen src --exist\n" END),
	SET_V4("ipset: SET target maps marks",
	       "create m hash:net skbinfo\nadd m 10.0.0.0/8 skbmark 0x5 skbprio 1:2 skbqueue 3\n",
	       MANGLE "-A POSTROUTING -j SET --map-set m src --map-mark --map-prio\n" END),
	{"arptables", "arp", "arptables-nft",
	 "*filter\n:INPUT DROP\n:OUTPUT ACCEPT\n:mine -\n-A INPUT -j mine\n"
	 "-A mine -s 10.0.0.1 --src-mac 02:00:00:00:00:01 --opcode 1 -j ACCEPT\n"
	 "-A OUTPUT -o d0 -j mangle --mangle-ip-s 1.2.3.4\n", NULL},
	{"ebtables: filter", "bridge", "ebtables-nft",
	 "*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:mine RETURN\n-A INPUT -i d0 -j mine\n"
	 "-A FORWARD -p IPv4 --ip-proto tcp --ip-dport 22 -j ACCEPT\n-A mine -s 02:00:00:00:00:01 -j DROP\n"
	 "-A FORWARD -p 802_1Q --vlan-id 5 -j ACCEPT\n-A FORWARD -p ARP --arp-op Request -j ACCEPT\n"
	 "-A FORWARD --limit 5/min --limit-burst 3 -j ACCEPT\n-A FORWARD --pkttype-type broadcast -j DROP\n"
	 "-A FORWARD --mark 0x5 -j CONTINUE\n", NULL},
	{"ebtables: among and log", "bridge", "ebtables-nft",
	 "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n"
	 "-A FORWARD --among-src 02:00:00:00:00:01=1.1.1.1,02:00:00:00:00:02 -j ACCEPT\n"
	 "-A FORWARD --log-level info --log-prefix \"p\" --log-ip -j CONTINUE\n", NULL},
	{"ebtables: nat", "bridge", "ebtables-nft",
	 "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	 "-A PREROUTING -i d0 -j dnat --to-dst 02:00:00:00:00:05 --dnat-target ACCEPT\n"
	 "-A POSTROUTING -o d1 -j snat --to-src 02:00:00:00:00:06 --snat-arp\n"
	 "-A PREROUTING -j mark --mark-set 0x5 --mark-target CONTINUE\n"
	 "-A PREROUTING -p ARP -j arpreply --arpreply-mac 02:00:00:00:00:07\n", NULL},
};

const size_t rows_xtables_count = ARRAY_SIZE(rows_xtables);
