/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every type of ipset, and its options. */
#include "rows.h"

#define SET(feature, text) {feature, "ipset", "ipset", text, NULL}

const struct row rows_ipset[] = {
	SET("bitmap:ip", "create s bitmap:ip range 10.0.0.0/16\nadd s 10.0.0.1\nadd s 10.0.9.0-10.0.9.7\n"),
	SET("bitmap:ip by network", "create s bitmap:ip range 10.0.0.0/8 netmask 24 comment\nadd s 10.1.2.0 comment \"x y\"\n"),
	SET("bitmap:ip,mac", "create s bitmap:ip,mac range 10.0.0.0/24\nadd s 10.0.0.1,02:00:00:00:00:01\nadd s 10.0.0.2\n"),
	SET("bitmap:port", "create s bitmap:port range 0-65535 counters\nadd s 22 packets 5 bytes 50\nadd s 100-110\n"),
	SET("hash:ip", "create s hash:ip hashsize 64 maxelem 100\nadd s 1.1.1.1\nadd s 2.2.2.2\n"
		       "create t hash:ip family inet6\nadd t ::1\nadd t fe80::1\n"),
	SET("hash:ip by network", "create s hash:ip netmask 24\nadd s 10.0.0.0\nadd s 10.0.1.0\n"),
	SET("hash:mac", "create s hash:mac\nadd s 02:00:00:00:00:01\n"),
	SET("hash:ip,mac", "create s hash:ip,mac\nadd s 1.1.1.1,02:00:00:00:00:01\n"),
	SET("hash:net", "create s hash:net\nadd s 10.0.0.0/8\nadd s 10.1.0.0/16 nomatch\n"
			"create t hash:net family inet6\nadd t 2001:db8::/32\nadd t 2001:db8:1::/48 nomatch\n"),
	SET("hash:net,net", "create s hash:net,net\nadd s 10.0.0.0/8,192.168.0.0/16\nadd s 1.1.1.1/32,2.2.2.2/32 nomatch\n"),
	SET("hash:ip,port", "create s hash:ip,port\nadd s 1.1.1.1,tcp:22\nadd s 1.1.1.1,udp:53\nadd s 1.1.1.1,icmp:8/0\n"
			    "create t hash:ip,port family inet6\nadd t ::1,sctp:5\n"),
	SET("hash:net,port", "create s hash:net,port\nadd s 10.0.0.0/8,tcp:80\nadd s 10.1.0.0/16,udp:0 nomatch\n"),
	SET("hash:ip,port,ip", "create s hash:ip,port,ip\nadd s 1.1.1.1,tcp:22,2.2.2.2\n"),
	SET("hash:ip,port,net", "create s hash:ip,port,net\nadd s 1.1.1.1,tcp:22,10.0.0.0/8\n"),
	SET("hash:net,port,net", "create s hash:net,port,net\nadd s 10.0.0.0/8,tcp:22,192.168.0.0/16\n"),
	SET("hash:ip,mark", "create s hash:ip,mark markmask 0xff\nadd s 1.1.1.1,0x5\n"),
	SET("hash:net,iface", "create s hash:net,iface\nadd s 10.0.0.0/8,d0\nadd s 10.0.0.0/8,physdev:d1\nadd s 0.0.0.0/0,gone\n"),
	SET("list:set", "create a hash:ip\ncreate b hash:net\ncreate l list:set size 9 comment\nadd a 1.1.1.1\n"
			"add l b comment \"second first\"\nadd l a\n"),
	SET("timeouts", "create s hash:ip timeout 600\nadd s 1.1.1.1\nadd s 2.2.2.2 timeout 9000\nadd s 3.3.3.3 timeout 0\n"),
	SET("counters", "create s hash:ip counters\nadd s 1.1.1.1 packets 5 bytes 500\nadd s 2.2.2.2\n"),
	SET("comments", "create s hash:net comment\nadd s 10.0.0.0/8 comment \"what for\"\nadd s 1.1.1.1\n"),
	SET("skbinfo", "create s hash:ip skbinfo\nadd s 1.1.1.1 skbmark 0x5/0xff skbprio 1:2 skbqueue 3\n"),
	SET("forceadd and bucketsize", "create s hash:ip forceadd bucketsize 4\nadd s 1.1.1.1\n"),
	SET("all extensions", "create s hash:ip,port family inet6 timeout 300 counters comment skbinfo\n"
			      "add s ::1,tcp:22 timeout 299 packets 1 bytes 2 comment \"c\" skbmark 0x1\n"),
	SET("empty sets", "create s hash:ip\ncreate t list:set\ncreate u bitmap:port range 1-9\n"),
	SET("many members", "create s hash:net\nadd s 10.0.0.0/9\nadd s 10.128.0.0/9\nadd s 0.0.0.0/1\nadd s 128.0.0.0/1\n"
			    "create t hash:ip\nadd t 10.0.0.0/22\n"),
};

const size_t rows_ipset_count = ARRAY_SIZE(rows_ipset);
