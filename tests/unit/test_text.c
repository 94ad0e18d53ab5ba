/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name, *text;
	int kind;
} guesses[] = {
	{"/etc/iptables.up.rules", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", TEXT_IPTABLES},
	{"/etc/iptables.up.rules", "# a comment\n\n  # *nat\n*filter\nCOMMIT\n", TEXT_IPTABLES},
	{"/etc/ip6tables.up.rules", "*filter\nCOMMIT\n", TEXT_IP6TABLES},
	{"/etc/iptables/rules.v6", "*filter\nCOMMIT\n", TEXT_IP6TABLES},
	{"/etc/iptables/rules.v4", "*filter\nCOMMIT\n", TEXT_IPTABLES},
	{"/etc/sysconfig/ip6tables", "*filter\nCOMMIT\n", TEXT_IP6TABLES},
	{"/home/x6/rules", "*filter\nCOMMIT\n", TEXT_IPTABLES},
	{"x", "*filter\n-A INPUT -s fe80::/10 -j ACCEPT\nCOMMIT\n", TEXT_IP6TABLES},
	{"x", "*filter\n-A INPUT ! -d ::1/128 -j ACCEPT\nCOMMIT\n", TEXT_IP6TABLES},
	{"x", "*filter\n[0:0] -A INPUT -s ::1 -j ACCEPT\nCOMMIT\n", TEXT_IP6TABLES},
	{"x", "*filter\n-A INPUT -p ipv6-icmp -j ACCEPT\nCOMMIT\n", TEXT_IP6TABLES},
	{"x", "*filter\n-A INPUT -m comment --comment \"see a::b\" -j ACCEPT\nCOMMIT\n",
	 TEXT_IPTABLES},
	{"x", "*filter\n-A INPUT -m comment --comment \"x ::1 y\" -j ACCEPT\nCOMMIT\n",
	 TEXT_IPTABLES},
	{"x", "*filter\n-A INPUT -m comment --comment std::string -j ACCEPT\nCOMMIT\n",
	 TEXT_IPTABLES},
	{"x", "*filter\n# -s ::1\n-A INPUT -s 1.2.3.4 -j ACCEPT\nCOMMIT\n", TEXT_IPTABLES},
	{"x", "table inet t {\n}\n", TEXT_NFT},
	{"x", "#!/usr/sbin/nft -f\n\nflush ruleset\n", TEXT_NFT},
	{"x", "#!/usr/sbin/nft -f\n# nothing yet\n", TEXT_NFT},
	{"x", "add table ip t\n", TEXT_NFT},
	{"x", "create table ip t\n", TEXT_NFT},
	{"x", "add element ip t s { 1.2.3.4 }\n", TEXT_NFT},
	{"x", "define lan = eth0\n", TEXT_NFT},
	{"x", "include \"/etc/nftables.d/*.nft\"\n", TEXT_NFT},
	{"x", "create bl hash:ip family inet hashsize 1024\nadd bl 1.2.3.4\n", TEXT_IPSET},
	{"x", "create table hash:net\n", TEXT_IPSET},
	{"x", "-N bl hash:ip\n", TEXT_IPSET},
	{"x", "add bl 1.2.3.4\n", TEXT_IPSET},
	{"x", "# set\ncreate l list:set size 8\n", TEXT_IPSET},
	{"x", "create p bitmap:port range 1-5\r\n", TEXT_IPSET},
	{"iptables.rules", "", -EINVAL},
	{"iptables.rules", "# only a comment\n", -EINVAL},
	{"iptables.rules", "#!/bin/sh\niptables -F\n", -EINVAL},
	{"x", "<html>\n", -EINVAL},
};

static void text_is_recognised(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		int kind;

		buf_add_str(&text, guesses[i].text);
		kind = text_guess(&text, guesses[i].name);
		if (kind != guesses[i].kind)
			fail_msg("%s: %s: %d", guesses[i].name, guesses[i].text, kind);
	}
}

static void hostile_text_is_not_read_beyond(void **state)
{
	static const char bytes[] = "*filter\n-A \"\0::1 \xff\xfe\n-";

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		cleanup_buf struct buf text = BUF_INIT;
		int kind;

		buf_add(&text, bytes, n);
		kind = text_guess(&text, "x");
		assert_true(kind == -EINVAL || kind == TEXT_IPTABLES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_recognised),
		cmocka_unit_test(hostile_text_is_not_read_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
