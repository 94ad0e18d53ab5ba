#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What differs, as a person reads it: of each engine each kind of change, exactly.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

shows() { # exactly what is on stdin, and the exit status says so
	cat >"$TMP/want"
	fwsnap 3 diff "$@"
	diff "$TMP/want" "$TMP/out" || fail "another difference"
}

nothing_differs() {
	fwsnap 0 diff "$@"
	[ ! -s "$TMP/out" ] || fail "something is printed"
}

handle_of() { # FAMILY TABLE CHAIN TEXT
	nft -a list chain "$1" "$2" "$3" | sed -n "s/.*$4.*# handle //p"
}

test_equal_rulesets_print_nothing() {
	load_everything
	fwsnap 0 save
	nothing_differs
	nothing_differs --dynamic
	nothing_differs 1 @
	nothing_differs live live
}

test_a_replaced_rule_stands_beside_the_new_one() {
	load_nft
	fwsnap 0 save
	nft replace rule inet site input handle "$(handle_of inet site input 993)" \
		tcp dport '{ 22, 993 }' accept
	nft insert rule inet site input tcp dport 25 accept
	shows <<-'END'
		inet site
		  chain input
		    + tcp dport 25 accept
		    - tcp dport { 22, 143, 993 } accept comment "mail & ssh"
		    + tcp dport { 22, 993 } accept
		snapshot 1 to live: 2 rules added, 1 removed
	END
}

test_policies_and_declarations() {
	load_nft
	nft add chain inet site gone
	nft 'add chain inet site late { type filter hook output priority 0; }'
	nft add rule inet site late accept
	fwsnap 0 save
	nft 'add chain inet site input { policy accept; }'
	nft delete chain inet site gone
	nft add chain inet site mail
	nft delete chain inet site late
	nft 'add chain inet site late { type filter hook output priority 5; }'
	nft add rule inet site late accept
	shows <<-'END'
		inet site
		  chain input (policy drop -> accept)
		  + chain mail
		  chain late
		    - type filter hook output priority filter; policy accept
		    + type filter hook output priority filter + 5; policy accept
		  - chain gone
		snapshot 1 to live: 4 changes
	END
}

test_new_and_removed_tables() {
	nft 'table ip6 old { chain c { accept; }; }'
	fwsnap 0 save
	nft delete table ip6 old
	nft 'table netdev fresh { chain c { type filter hook ingress device lo priority 0; tcp dport 9 drop; }; }'
	shows <<-'END'
		+ netdev fresh
		  + chain c (type filter hook ingress device "lo" priority filter; policy accept)
		    + tcp dport 9 drop
		- ip6 old
		  - chain c
		    - accept
		snapshot 1 to live: 1 rule added, 1 removed; 4 other changes
	END
}

test_sets_maps_and_their_elements() {
	load_nft
	nft 'add set inet site gone { type ipv4_addr; }'
	nft 'add set inet site kept { type ipv4_addr; }'
	fwsnap 0 save
	nft delete set inet site gone
	nft delete set inet site kept
	nft 'add set inet site kept { type ipv4_addr; flags interval; }'
	nft 'add set inet site fresh { type inet_service; elements = { 1, 2 }; }'
	nft delete element inet site blocked '{ 192.0.2.0/24 }'
	nft add element inet site blocked '{ 10.0.0.0/8, 11.1.1.1-11.1.1.5 }'
	nft delete element inet site ports '{ 25 : accept }'
	nft add chain inet site mail
	nft add element inet site ports '{ 25 : jump mail }'
	shows <<-'END'
		inet site
		  set blocked
		    - 192.0.2.0/24
		    + 10.0.0.0/8, 11.1.1.1-11.1.1.5
		  map ports
		    - 25 : accept
		    + 25 : jump mail
		  set kept
		    - type ipv4_addr
		    + type ipv4_addr; flags interval
		  + set fresh (type inet_service)
		    + 1, 2
		  - set gone (type ipv4_addr)
		  + chain mail
		snapshot 1 to live: 5 elements added, 2 removed; 4 other changes
	END
}

test_many_elements_are_summarised() {
	local i
	nft 'table ip many { set s { type ipv4_addr; }; }'
	fwsnap 0 save
	for i in {1..6}; do
		echo "add element ip many s { $(printf "10.$i.0.%d," {1..200}) }"
	done | nft -f -
	fwsnap 3 diff
	grep -qxE '    \+ 1,200 elements, among them 10\.[0-9.]+, 10\.[0-9.]+, 10\.[0-9.]+' "$TMP/out" ||
		fail "no summary"
	prints "snapshot 1 to live: 1,200 elements added"
	[ "$(wc -l <"$TMP/out")" = 4 ] || fail "more than that"
}

test_objects() {
	load_nft
	nft add counter inet site gone
	nft 'add quota inet site q { over 10 mbytes; }'
	fwsnap 0 save
	nft delete counter inet site gone
	nft delete quota inet site q
	nft 'add quota inet site q { over 20 mbytes; }'
	nft 'add ct helper inet site ftp { type "ftp" protocol tcp; }'
	fwsnap 3 diff
	prints "  - counter gone" "  - quota q { over 10 mbytes }" "  + quota q { over 20 mbytes }" \
		'  + ct helper ftp { type "ftp" protocol tcp; l3proto inet }'
	prints "snapshot 1 to live: 3 changes"
}

test_chains_bound_to_a_rule_stand_in_its_line() {
	load_nft
	fwsnap 0 save
	nft add rule inet site input tcp dport 99 jump '{ ip saddr 192.0.2.1 accept; ip saddr 192.0.2.2 drop; }'
	nft add rule inet site input tcp dport 100 drop
	shows <<-'END'
		inet site
		  chain input
		    + tcp dport 99 jump { ip saddr 192.0.2.1 accept; ip saddr 192.0.2.2 drop; }
		    + tcp dport 100 drop
		snapshot 1 to live: 2 rules added
	END
}

# A rule can only be listed beside what it refers to.
test_rules_that_refer_to_chains_sets_and_objects() {
	load_nft
	nft add chain inet site other
	fwsnap 0 save
	nft add rule inet site input ip saddr @blocked counter name '"seen"' jump other
	nft add rule inet site input tcp dport vmap '{ 1 : jump other, 2 : accept }'
	nft add rule inet site input tcp dport 3 jump '{ tcp dport vmap @ports; }'
	shows <<-'END'
		inet site
		  chain input
		    + ip saddr @blocked counter name "seen" jump other
		    + tcp dport vmap { 1 : jump other, 2 : accept }
		    + tcp dport 3 jump { tcp dport vmap @ports; }
		snapshot 1 to live: 3 rules added
	END
}

iptables_changes() { # VARIANT LABEL
	load_iptables "$1"
	fwsnap 0 save
	"iptables-$1" -D INPUT -p tcp --dport 22 -m comment --comment "keep me" -j ACCEPT
	"iptables-$1" -I INPUT 3 -p tcp --dport 2222 -j mail
	"iptables-$1" -P INPUT ACCEPT
	"iptables-$1" -N other
	"iptables-$1" -A other -j mail
	"ip6tables-$1" -F mail
	shows <<-END
		$2ip filter
		  chain INPUT (policy DROP -> ACCEPT)
		    - -A INPUT -p tcp -m tcp --dport 22 -m comment --comment "keep me" -j ACCEPT
		    + -A INPUT -p tcp -m tcp --dport 2222 -j mail
		  + chain other
		    + -A other -j mail
		$2ip6 filter
		  chain mail
		    - -A mail -p tcp -m multiport --dports 25,587,110,995,143,993 -j ACCEPT
		snapshot 1 to live: 2 rules added, 2 removed; 2 other changes
	END
}

test_legacy_rules_are_written_as_iptables_save_does() {
	iptables_changes legacy "legacy "
}

test_iptables_nft_rules_are_written_as_iptables_save_does() {
	iptables_changes nft ""
}

# iptables-save would print "-A INPUT -j ACCEPT".
test_what_iptables_save_would_get_wrong_is_written_by_nft() {
	iptables -A INPUT -p tcp --dport 22 -j ACCEPT
	fwsnap 0 save
	nft 'add rule ip filter INPUT ip saddr { 192.0.2.1, 192.0.2.2 } accept'
	shows <<-'END'
		ip filter
		  chain INPUT
		    + ip saddr { 192.0.2.1, 192.0.2.2 } accept
		snapshot 1 to live: 1 rule added
	END
}

test_ipsets_and_rules_that_name_them() {
	load_ipset
	load_iptables legacy
	fwsnap 0 save
	ipset del friends 192.0.2.1
	ipset add friends 192.0.2.7
	ipset create fresh bitmap:port range 1-100
	ipset add fresh 25
	ipset add all nets
	iptables-legacy -A mail -m set --match-set friends src -j DROP
	shows <<-'END'
		ipset friends
		  - 192.0.2.1
		  + 192.0.2.7
		+ ipset fresh (bitmap:port range 1-100)
		  + 25
		ipset all
		  + nets
		legacy ip filter
		  chain mail
		    + -A mail -m set --match-set friends src -j DROP
		snapshot 1 to live: 1 rule added; 3 elements added, 1 removed; 1 other change
	END
}

test_an_ipset_of_another_type() {
	ipset create s hash:ip
	ipset add s 192.0.2.1
	fwsnap 0 save
	ipset destroy s
	ipset create s hash:net maxelem 100
	ipset add s 192.0.2.0/24
	fwsnap 3 diff
	grep -qx "  - hash:ip family inet .*maxelem 65536.*" "$TMP/out" || fail "not what it was"
	grep -qx "  + hash:net family inet .*maxelem 100.*" "$TMP/out" || fail "not what it is"
	prints "  - 192.0.2.1" "  + 192.0.2.0/24"
}

test_dynamic_elements_only_if_asked_for() {
	nft 'table ip t { set s { type ipv4_addr; flags timeout; }; }'
	fwsnap 0 save
	nft 'add element ip t s { 192.0.2.1 timeout 1h }'
	nothing_differs
	shows --dynamic <<-'END'
		ip t
		  set s
		    + 192.0.2.1 timeout 1h
		snapshot 1 to live: 1 element added
	END
}

test_the_order_of_base_chains() {
	nft 'table ip a { chain c { type filter hook input priority 0; accept; }; }'
	nft 'table ip b { chain c { type filter hook input priority 0; accept; }; }'
	fwsnap 0 save
	nft delete table ip a
	nft 'table ip a { chain c { type filter hook input priority 0; accept; }; }'
	fwsnap 3 diff
	prints "order of base chains of equal priority" "  - ip input 0: ip b c, ip a c" \
		"  + ip input 0: ip a c, ip b c" "1 change"
}

test_refs() {
	load_nft
	fwsnap 0 save --tag first
	nft add rule inet site input tcp dport 1 drop
	fwsnap 0 save
	nft add rule inet site input tcp dport 2 drop
	fwsnap 3 diff
	prints "+ tcp dport 2 drop" "snapshot 2 to live"
	never "dport 1 "
	fwsnap 3 diff first
	prints "+ tcp dport 1 drop" "+ tcp dport 2 drop" "snapshot 1 to live"
	fwsnap 3 diff @ @~1
	prints "- tcp dport 1 drop" "snapshot 2 to snapshot 1"
	nothing_differs @ text
	fwsnap 3 diff live text
	prints "- tcp dport 2 drop" "live to text"
	fwsnap 1 diff 7
	says "no snapshot '7'"
	fwsnap 2 diff 1 2 3
	fwsnap 2 --color=red diff
	says "--color 'red'"
}

test_nothing_was_saved_yet() {
	load_nft
	fwsnap 1 diff
	says "nothing was saved yet"
}

test_a_dry_run_prints_the_same() {
	load_nft
	load_iptables
	fwsnap 0 save
	nft flush chain inet site input
	iptables -A INPUT -j DROP
	fwsnap 3 diff live @
	mv "$TMP/out" "$TMP/want"
	fwsnap 3 restore --dry-run
	diff "$TMP/want" "$TMP/out"
	prints "- -A INPUT -j DROP"
	fwsnap 3 --json restore --dry-run
	json '.old == "live" and .rules.removed == 1'
}

test_json() {
	load_nft
	fwsnap 0 save
	fwsnap 0 --json diff
	json '.equal and .tables == []'
	nft 'add chain inet site input { policy accept; }'
	nft add rule inet site input tcp dport 1 drop
	nft add element inet site blocked '{ 192.0.3.1 }'
	nft add table ip fresh
	fwsnap 3 --json diff
	json '.equal == false and .old == "snapshot 1" and .new == "live"'
	json '.rules == { added: 1, removed: 0 } and .elements == { added: 1, removed: 0 }'
	json '.tables[0].table == "inet site" and .tables[0].sign == null'
	json '.tables[0].sections[] | select(.name == "chain input") |
		.note == "policy drop -> accept" and
		.lines == [{ sign: "+", text: "tcp dport 1 drop" }]'
	json '.tables[1] | .table == "ip fresh" and .sign == "+"'
}

on_a_terminal() { # COMMAND: its output is in out
	script -qec "$1" /dev/null </dev/null >"$TMP/out" || [ $? = 3 ]
}

test_colours_on_a_terminal_only() {
	local escape=$'\e' diff="'$FWSNAP' --root '$ROOT' diff"
	command -v script >/dev/null || skip "script is not installed"
	load_nft
	fwsnap 0 save
	nft add rule inet site input tcp dport 1 drop
	unset NO_COLOR
	fwsnap 3 diff
	never "$escape"
	fwsnap 3 --color=always diff
	prints "${escape}[1minet site${escape}[0m" "    ${escape}[32m+ tcp dport 1 drop${escape}[0m"
	TERM=xterm on_a_terminal "$diff"
	prints "${escape}[32m+ tcp dport 1 drop"
	TERM=dumb on_a_terminal "$diff"
	never "$escape"
	TERM=xterm NO_COLOR=1 on_a_terminal "$diff"
	never "$escape"
	TERM=xterm on_a_terminal "'$FWSNAP' --root '$ROOT' --color never diff"
	never "$escape"
}

test_control_characters_never_reach_the_terminal() {
	load_iptables legacy
	nft 'table ip t { chain c { accept; }; }'
	fwsnap 0 save
	iptables-legacy -A mail -m comment --comment $'a\e[2Jb\xff\xe2\x80\xaec' -j ACCEPT
	nft add rule ip t c accept comment $'"x\e]0;title\a"'
	fwsnap 3 diff
	! grep -q '[[:cntrl:]]' "$TMP/out" || fail "a control character"
	prints 'a\x1b[2Jb\xff\xe2\x80\xaec' 'x\x1b]0;title\x07'
	fwsnap 3 --json diff
	json '.rules.added == 2'
}

# A line of its own in a comment must not pass for another rule.
test_a_newline_in_a_comment_makes_no_rule() {
	load_iptables legacy
	fwsnap 0 save
	iptables-legacy -A mail -m comment --comment $'a\n    + -A mail -j DROP' -j ACCEPT
	fwsnap 3 diff
	prints '    + -A mail -m comment --comment "a\n    + -A mail -j DROP" -j ACCEPT'
	[ "$(grep -c '^ *+' "$TMP/out")" = 1 ] || fail "more than one rule"
	iptables-legacy -A mail -m comment --comment $'a\n-A mail -j DROP' -j ACCEPT
	fwsnap 3 diff
	prints '    + rule 2 (cannot be shown: its listing does not have what was loaded)' \
		'    + rule 3 (cannot be shown: ' "2 rules added"
}

hide() { # PROGRAM...
	mkdir -p "$TMP/sbin"
	mount --bind /usr/sbin "$TMP/sbin"
	mount -t tmpfs none /usr/sbin
	ln -s "$TMP"/sbin/* /usr/sbin/
	(cd /usr/sbin && rm -f "$@")
}

test_without_the_programs_it_counts_and_says_so() {
	load_nft
	load_iptables
	fwsnap 0 save
	nft replace rule inet site input handle "$(handle_of inet site input 993)" tcp dport 22 accept
	nft add element inet site blocked '{ 192.0.3.1, 192.0.3.3 }'
	iptables -A INPUT -j DROP
	hide nft
	shows <<-'END'
		inet site
		  set blocked
		    + 2 elements (cannot be shown: nft is not installed)
		  chain input
		    - rule 5 (cannot be shown: nft is not installed)
		    + rule 5 (cannot be shown: nft is not installed)
		ip filter
		  chain INPUT
		    + -A INPUT -j DROP
		snapshot 1 to live: 2 rules added, 1 removed; 2 elements added
	END
	(cd /usr/sbin && rm -f iptables-nft-save)
	fwsnap 3 diff
	prints "+ rule 5 (cannot be shown: nft is not installed)"
}

test_an_interface_that_is_gone() {
	make_link d0 77
	nft 'table ip t { chain c { iif "d0" accept; }; }'
	nft 'table ip other { chain c { accept; }; }'
	fwsnap 0 save
	ip link del d0
	nft flush chain ip t c
	nft add rule ip other c drop
	fwsnap 3 diff
	prints '- iif "d0" accept' "+ drop"
}

test_a_big_table_beside_a_small_difference() {
	{
		echo "table ip big {"
		for i in {1..3000}; do echo "chain c$i { tcp dport $i accept; tcp dport 5 return; }"; done
		echo "}"
	} | nft -f -
	fwsnap 0 save
	nft add rule ip big c1500 tcp dport 7 jump c2
	shows <<-'END'
		ip big
		  chain c1500
		    + tcp dport 7 jump c2
		snapshot 1 to live: 1 rule added
	END
}

run_cases "$@"
