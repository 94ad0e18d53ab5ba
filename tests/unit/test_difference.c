/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "difference_list.h"
#include "difference.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char nft_listing[] = "table inet fw { # handle 1\n"
				  "\tcomment \"of { all\"\n"
				  "\tcounter seen { # handle 3\n"
				  "\t}\n"
				  "\n"
				  "\tct helper ftp { # handle 7\n"
				  "\t\ttype \"ftp\" protocol tcp\n"
				  "\t\tl3proto inet\n"
				  "\t}\n"
				  "\n"
				  "\tset many { # handle 10\n"
				  "\t\ttype ipv4_addr . inet_service\n"
				  "\t\tflags timeout\n"
				  "\t\telements = { 192.0.2.1 . 80 comment \"a, b } c\",\n"
				  "\t\t\t     192.0.2.2 . 90 timeout 1h }\n"
				  "\t}\n"
				  "\n"
				  "\tchain plain { # handle 1\n"
				  "\t\tcomment \"the mail\"\n"
				  "\t\tcomment \"a rule\" # handle 13\n"
				  "\t}\n"
				  "\n"
				  "\tchain input { # handle 2\n"
				  "\t\ttype filter hook input priority filter - 5; policy drop;\n"
				  "\t\tiif \"lo\" accept # handle 14\n"
				  "\t\ttcp dport 99 jump {\n"
				  "\t\t\tip saddr 192.0.2.1 accept\n"
				  "\t\t\tip saddr 192.0.2.2 jump {\n"
				  "\t\t\t\tdrop\n"
				  "\t\t\t}\n"
				  "\t\t} # handle 23\n"
				  "\t\taccept comment \"# handle 7 }\" # handle 25\n"
				  "\t\taccept comment \"one\n"
				  "two\" # handle 26\n"
				  "\t}\n"
				  "}\n";

static void assert_part(const struct listing *l, enum listed_kind kind, const char *name,
			const char *head, const char *text, const char *pieces)
{
	cleanup_buf struct buf all = BUF_INIT;
	size_t n;
	const struct listed *p = listing_find(l, kind, name, &n);

	assert_non_null(p);
	assert_int_equal(n, 1);
	assert_string_equal(p->head, head);
	assert_string_equal(p->text, text);
	for (size_t i = 0; i < p->pieces.n; i++)
		buf_printf(&all, "%s|", p->pieces.s[i]);
	assert_string_equal(buf_str(&all), pieces);
}

static void test_nft_listings_are_cut_where_rules_and_elements_end(void **state)
{
	struct listing l = {0};
	size_t n;

	(void)state;
	listing_cut_nft(nft_listing, &l);
	assert_part(&l, LISTED_TABLE, "", "", "comment \"of { all\"", "");
	assert_part(&l, LISTED_OBJECT, "seen", "counter seen", "", "");
	assert_part(&l, LISTED_OBJECT, "ftp", "ct helper ftp",
		    "type \"ftp\" protocol tcp; l3proto inet", "");
	assert_part(&l, LISTED_SET, "many", "set many",
		    "type ipv4_addr . inet_service; flags timeout",
		    "192.0.2.1 . 80 comment \"a, b } c\"|192.0.2.2 . 90 timeout 1h|");
	assert_part(&l, LISTED_CHAIN, "plain", "chain plain", "comment \"the mail\"",
		    "comment \"a rule\"|");
	assert_part(&l, LISTED_CHAIN, "input", "chain input",
		    "type filter hook input priority filter - 5; policy drop",
		    "iif \"lo\" accept|"
		    "tcp dport 99 jump { ip saddr 192.0.2.1 accept; ip saddr 192.0.2.2 jump { "
		    "drop; }; }|"
		    "accept comment \"# handle 7 }\"|accept comment \"one\ntwo\"|");
	assert_null(listing_find(&l, LISTED_CHAIN, "none", &n));
	listing_release(&l);
}

static void test_iptables_listings_are_cut_by_chain(void **state)
{
	struct listing l = {0};

	(void)state;
	listing_cut_iptables("*filter\n:INPUT DROP [0:0]\n:mail - [0:0]\n:none - [0:0]\n"
			     "-A INPUT -j mail\n-A mail -m comment --comment \"x\ny\" -j ACCEPT\n"
			     "-A mail -j DROP\n-A INPUT -j DROP\nCOMMIT\n",
			     &l);
	assert_part(&l, LISTED_CHAIN, "INPUT", "chain INPUT", "policy DROP",
		    "-A INPUT -j mail|-A INPUT -j DROP|");
	assert_part(&l, LISTED_CHAIN, "mail", "chain mail", "",
		    "-A mail -m comment --comment \"x\ny\" -j ACCEPT|-A mail -j DROP|");
	assert_part(&l, LISTED_CHAIN, "none", "chain none", "", "");
	listing_release(&l);
}

static void test_ipset_listings_are_cut_by_member(void **state)
{
	struct listing l = {0};

	(void)state;
	listing_cut_ipset("create a b hash:ip comment\nadd a b 192.0.2.1 comment \"x\"\n"
			  "add a b 192.0.2.2\nadd a 192.0.2.3\n",
			  "a b", &l);
	assert_part(&l, LISTED_TABLE, "", "", "hash:ip comment", "");
	assert_part(&l, LISTED_SET, "", "", "", "192.0.2.1 comment \"x\"|192.0.2.2|");
	listing_release(&l);
}

/* Each prefix of a listing, for a program that ends midway: nothing is read beyond it. */
static void test_cut_off_listings_are_survived(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(nft_listing); n++) {
		cleanup_free char *part = str_printf("%.*s", (int)n, nft_listing);
		struct listing l = {0};

		listing_cut_nft(part, &l);
		listing_release(&l);
		listing_cut_iptables(part, &l);
		listing_release(&l);
	}
}

static void sample(struct difference *d)
{
	struct difference_table *t = difference_add_table(d, SIGN_NONE, "inet fw");
	struct difference_section *s = difference_add_section(t, SIGN_NONE, NULL);

	difference_add_line(s, SIGN_ADDED, "counter seen");
	s = difference_add_section(t, SIGN_NONE, "chain input");
	difference_set_note(s, "policy drop -> accept");
	difference_add_line(s, SIGN_REMOVED, "tcp dport 25 accept");
	difference_add_line(s, SIGN_ADDED, "x\033[2J\n\x80");
	difference_add_line(s, SIGN_NONE, "a remark");
	t = difference_add_table(d, SIGN_REMOVED, "ipset s");
	s = difference_add_section(t, SIGN_NONE, NULL);
	difference_set_note(s, "hash:ip");
	s = difference_add_section(difference_add_table(d, SIGN_NONE, NULL), SIGN_NONE, "order");
	difference_add_line(s, SIGN_ADDED, "ip a c");
	d->counts = (struct difference_counts){1, 1234567, 1, 0, 2};
}

static void assert_format(bool colour, const char *want)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct difference d = {0};

	sample(&d);
	difference_format(&d, colour, &out);
	assert_string_equal(buf_str(&out), want);
	difference_release(&d);
}

static void test_the_text_is_plain_or_coloured(void **state)
{
	(void)state;
	assert_format(false, "inet fw\n"
			     "  + counter seen\n"
			     "  chain input (policy drop -> accept)\n"
			     "    - tcp dport 25 accept\n"
			     "    + x\\x1b[2J\\n\\x80\n"
			     "    a remark\n"
			     "- ipset s (hash:ip)\n"
			     "order\n"
			     "  + ip a c\n");
	assert_format(true, "\033[1minet fw\033[0m\n"
			    "  \033[32m+ counter seen\033[0m\n"
			    "  chain input (policy drop -> accept)\n"
			    "    \033[31m- tcp dport 25 accept\033[0m\n"
			    "    \033[32m+ x\\x1b[2J\\n\\x80\033[0m\n"
			    "    a remark\n"
			    "\033[1m\033[31m- ipset s (hash:ip)\033[0m\n"
			    "order\n"
			    "  \033[32m+ ip a c\033[0m\n");
}

static void assert_summary(struct difference_counts counts, const char *want)
{
	cleanup_buf struct buf out = BUF_INIT;

	difference_summary(&(struct difference){.counts = counts}, &out);
	assert_string_equal(buf_str(&out), want);
}

static void test_the_summary_names_what_there_is(void **state)
{
	(void)state;
	assert_summary((struct difference_counts){1, 1234567, 1, 0, 2},
		       "1 rule added, 1,234,567 removed; 1 element added; 2 other changes");
	assert_summary((struct difference_counts){.rules_removed = 1}, "1 rule removed");
	assert_summary((struct difference_counts){.elements_removed = 1000},
		       "1,000 elements removed");
	assert_summary((struct difference_counts){.others = 1}, "1 change");
}

static void assert_json(const struct difference *d, const char *want)
{
	json_t *j = difference_json(d);
	cleanup_free char *text = json_dumps(j, JSON_COMPACT);

	assert_string_equal(text, want);
	json_decref(j);
}

static void test_the_json_has_it_all(void **state)
{
	struct difference d = {0};

	(void)state;
	sample(&d);
	assert_json(
		&d,
		"{\"equal\":false,\"tables\":[{\"table\":\"inet fw\",\"sign\":null,\"sections\":["
		"{\"name\":null,\"sign\":null,\"note\":null,\"lines\":["
		"{\"sign\":\"+\",\"text\":\"counter seen\"}]},"
		"{\"name\":\"chain input\",\"sign\":null,\"note\":\"policy drop -> "
		"accept\",\"lines\":["
		"{\"sign\":\"-\",\"text\":\"tcp dport 25 accept\"},"
		"{\"sign\":\"+\",\"text\":\"x\\\\x1b[2J\\\\n\\\\x80\"},"
		"{\"sign\":null,\"text\":\"a remark\"}]}]},"
		"{\"table\":\"ipset s\",\"sign\":\"-\",\"sections\":["
		"{\"name\":null,\"sign\":null,\"note\":\"hash:ip\",\"lines\":[]}]},"
		"{\"table\":null,\"sign\":null,\"sections\":["
		"{\"name\":\"order\",\"sign\":null,\"note\":null,\"lines\":["
		"{\"sign\":\"+\",\"text\":\"ip a c\"}]}]}],"
		"\"rules\":{\"added\":1,\"removed\":1234567},\"elements\":{\"added\":1,\"removed\":"
		"0},"
		"\"others\":2}");
	difference_release(&d);
	assert_json(&d, "{\"equal\":true,\"tables\":[],\"rules\":{\"added\":0,\"removed\":0},"
			"\"elements\":{\"added\":0,\"removed\":0},\"others\":0}");
}

static void assert_visible(const char *s, const char *want)
{
	cleanup_buf struct buf out = BUF_INIT;

	buf_add_visible(&out, s, strlen(s));
	assert_string_equal(buf_str(&out), want);
}

static void test_text_from_elsewhere_is_made_visible(void **state)
{
	(void)state;
	assert_visible("plain \"text\" \\", "plain \"text\" \\");
	assert_visible("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\xa5",
		       "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\xa5");
	assert_visible("\a\033]0;\x7f\r\n\t", "\\x07\\x1b]0;\\x7f\\x0d\\n\\t");
	assert_visible("\xc2\x9b", "\\xc2\\x9b");		    /* CSI */
	assert_visible("\xe2\x80\xae", "\\xe2\\x80\\xae");	    /* right to left */
	assert_visible("\xc0\x9b \xff", "\\xc0\\x9b \\xff");	    /* too long, no lead */
	assert_visible("\xed\xa0\x80", "\\xed\\xa0\\x80");	    /* a surrogate */
	assert_visible("\xe2\x82", "\\xe2\\x82");		    /* cut off */
	assert_visible("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond the last */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nft_listings_are_cut_where_rules_and_elements_end),
		cmocka_unit_test(test_iptables_listings_are_cut_by_chain),
		cmocka_unit_test(test_ipset_listings_are_cut_by_member),
		cmocka_unit_test(test_cut_off_listings_are_survived),
		cmocka_unit_test(test_the_text_is_plain_or_coloured),
		cmocka_unit_test(test_the_summary_names_what_there_is),
		cmocka_unit_test(test_the_json_has_it_all),
		cmocka_unit_test(test_text_from_elsewhere_is_made_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
