#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a restore may do, and what it leaves alone.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

# Interfaces

load_link_rules() { # INTERFACE
	nft -f - <<-END
		table inet links {
			set known { type iface_index; elements = { "$1" } }
			chain c {
				type filter hook input priority 0;
				iif "lo" accept
				iif "$1" accept
				iif @known drop
			}
		}
	END
}

test_an_interface_of_another_index_is_found_by_name() {
	make_link d0 50
	load_link_rules d0
	remember saved
	fwsnap 0 save
	lose
	ip link del d0
	make_link stranger 50
	make_link d0 60
	fwsnap 0 restore
	are_live saved
	nft list ruleset | grep -q 'iif "d0" accept'
	! nft list ruleset | grep -q stranger || fail "the rule matches a stranger"
	no_drift
}

test_an_interface_that_is_gone_is_named_and_nothing_changes() {
	make_link d0 50
	load_link_rules d0
	fwsnap 0 save
	lose
	ip link del d0
	make_link stranger 50
	load_iptables
	remember now
	fwsnap 1 restore
	says "'d0' is not there" "'inet links'" "; the firewall is unchanged"
	are_live now
}

test_save_names_what_it_cannot_prove_for_an_interface_that_is_gone() {
	make_link d0 50
	load_link_rules d0
	load_iptables
	ip link del d0
	fwsnap 8 save
	says "'inet links'"
	[ -s "$ROOT/etc/iptables.up.rules" ] || fail "the other tables have no text"
}

test_an_interface_is_found_however_many_a_rule_names() {
	local rule="" i
	for i in {10..19}; do
		make_link "d$i" "1$i"
		rule+="iif != \"d$i\" "
	done
	nft "table ip t { chain c { $rule drop; }; }"
	fwsnap 0 save
	lose
	ip link del d19
	make_link stranger 119
	fwsnap 1 restore
	says "'d19' is not there"
}

test_a_rule_is_counted_in_its_own_family() {
	make_link d0 50
	nft 'table ip t { chain c { accept; accept; }; }; table ip6 t { chain c { accept; iif "d0" accept; }; }'
	fwsnap 0 save
	lose
	ip link del d0
	fwsnap 1 restore
	says "rule 2 of chain 'c' in table 'ip6 t'"
}

test_text_may_name_the_interfaces_that_are_here() {
	make_link d0 50
	load_link_rules d0
	remember saved
	fwsnap 0 save
	lose
	fwsnap 0 restore text
	are_live saved
	fwsnap 0 import "$ROOT/etc/nftables.up.rules"
}

# Tables of others

own_a_table() {
	mkfifo "$TMP/commands"
	nft -i <"$TMP/commands" >/dev/null 2>&1 &
	exec 8>"$TMP/commands"
	echo 'add table ip mine { flags owner; }; add chain ip mine c' >&8
	for _ in {1..100}; do
		! nft list chain ip mine c >/dev/null 2>&1 || break
		sleep 0.02
	done
	nft list table ip mine | grep -q owner || skip "the kernel has no owned tables"
}

test_a_table_that_a_process_owns_is_left_out_and_left_alone() {
	load_iptables
	own_a_table
	fwsnap 0 save
	fwsnap 0 status
	prints "owned" "ip mine"
	fwsnap 0 show @ --format nft
	never "mine"
	! grep -rq mine "$ROOT/etc" || fail "it is there"
	nft delete table ip filter
	fwsnap 0 restore
	nft list chain ip mine c
	no_drift
	exec 8>&-
}

test_a_save_from_before_does_not_remove_an_owned_table() {
	fwsnap 0 save
	own_a_table
	load_iptables
	fwsnap 0 restore
	nft list chain ip mine c
	! nft list table ip filter 2>/dev/null || fail "the rest is still there"
	exec 8>&-
}

hold() { # as a change that was cut off leaves it
	nft 'table inet fwsnap_hold { chain c { type filter hook prerouting priority -400; }; }'
}

test_the_hold_of_a_change_never_shows() {
	load_nft
	hold
	fwsnap 0 save
	! nft list table inet fwsnap_hold 2>/dev/null || fail "it was not removed"
	hold
	fwsnap 0 show @
	never fwsnap_hold
	fwsnap 0 show @ --format nft
	never fwsnap_hold
	fwsnap 0 show
	never fwsnap_hold
	no_drift
	! grep -rq fwsnap_hold "$ROOT/etc" || fail "it is there"
	nft delete table inet fwsnap_hold
	no_drift
}

# The way back

test_unsaved_rules_are_kept_in_an_automatic_snapshot() {
	load_nft
	fwsnap 0 save
	lose
	load_iptables
	remember unsaved
	fwsnap 0 restore
	fwsnap 0 --json list
	json '.snapshots | length == 2 and .[0].kind == "automatic" and (.[0].current | not) and .[1].current'
	fwsnap 0 restore 2
	are_live unsaved
	no_drift
}

test_rules_that_a_snapshot_has_are_not_kept_again() {
	load_nft
	fwsnap 0 save
	load_iptables
	fwsnap 0 save
	fwsnap 0 restore 1
	fwsnap 0 restore 2
	fwsnap 0 --json list
	json '.snapshots | length == 2'
}

test_automatic_snapshots_do_not_count_for_a_tilde() {
	nft add table ip one
	fwsnap 0 save
	nft add table ip unsaved
	fwsnap 0 restore
	nft add table ip three
	remember three
	fwsnap 0 save
	fwsnap 0 show @~1
	prints "snapshot 1"
	fwsnap 1 show @~2
}

test_the_text_files_can_be_restored() {
	load_iptables
	load_nft
	remember saved
	fwsnap 0 save
	lose
	fwsnap 0 restore text
	are_live saved
}

# What fails midway

test_a_held_lock_of_iptables_ends_with_4_and_nothing_changed() {
	load_iptables legacy
	load_nft
	fwsnap 0 save
	config "lock_wait = 0"
	lose
	load_iptables legacy
	nft add table ip new
	remember now
	remember_files now
	hold_xtables_lock
	fwsnap 4 restore
	says "iptables' lock" "; the firewall is unchanged"
	fwsnap 4 save
	kill "$holder"
	are_live now
	files_are now
}

test_the_lock_of_iptables_is_waited_for() {
	load_iptables legacy
	remember saved
	fwsnap 0 save
	lose
	flock /run/xtables.lock sleep 0.5 &
	until ! flock -n /run/xtables.lock true; do sleep 0.01; done
	fwsnap 0 restore
	are_live saved
}

# The kernel refuses the legacy part once, after nft has changed.
test_when_the_legacy_part_fails_the_nft_part_is_undone() {
	local calls
	strace -o /dev/null true 2>/dev/null || skip "strace does not work here"
	export ASAN_OPTIONS=detect_leaks=0 # it would trace, too
	load_iptables legacy
	load_nft
	fwsnap 0 save
	lose
	nft 'table ip new { chain c { type filter hook output priority 0; }; }'
	remember now
	strace -f -e trace=setsockopt -o "$TMP/calls" "$FWSNAP" --root "$ROOT" restore 2>/dev/null
	calls=$(grep -n -m 1 'SO_IP, 0x40\|SOL_IP, 0x40\|IPT_SO_SET_REPLACE' "$TMP/calls" | cut -d: -f1)
	[ -n "$calls" ] || fail "$(cat "$TMP/calls")"
	lose
	nft 'table ip new { chain c { type filter hook output priority 0; }; }'
	strace -o /dev/null -e trace=setsockopt -e "inject=setsockopt:error=ENOMEM:when=$calls" \
		"$FWSNAP" --root "$ROOT" restore 2>"$TMP/err" >"$TMP/out" && fail "it succeeded"
	says "cannot" "; what was changed is being undone" "the old rules are back"
	never "the firewall is unchanged"
	are_live now
	fwsnap 0 restore 1
	no_drift
}

# The rule that stops meanwhile is taken out by a second transaction.
test_when_the_second_transaction_fails_the_first_is_undone() {
	strace -o /dev/null true 2>/dev/null || skip "strace does not work here"
	export ASAN_OPTIONS=detect_leaks=0
	load_nft
	fwsnap 0 save
	lose
	nft add table ip now
	remember now
	! strace -o /dev/null -e trace=sendmsg -e inject=sendmsg:error=ENOMEM:when=2 \
		"$FWSNAP" --root "$ROOT" restore 2>"$TMP/err" >"$TMP/out" || fail "it succeeded"
	says "; what was changed is being undone" "the old rules are back"
	never "the firewall is unchanged"
	are_live now
}

test_errors_without_number_are_told_all_the_same() {
	{
		echo 'table ip mine { chain c {'
		yes accept | head -n 20000
		echo '}; }'
	} | nft -f -
	fwsnap 0 save
	lose
	own_a_table
	fwsnap 1 restore
	says "'ip mine'" "; the firewall is unchanged"
	exec 8>&-
}

test_a_restore_that_cannot_become_current_ends_with_8() {
	nft add table ip one
	fwsnap 0 save
	nft add table ip two
	fwsnap 0 save
	mount --bind "$ROOT/var/lib/fwsnap" "$ROOT/var/lib/fwsnap"
	mount -o remount,bind,ro "$ROOT/var/lib/fwsnap"
	fwsnap 8 restore 1
	says "; the new rules are in force"
	nft list table ip one
	! nft list table ip two 2>/dev/null || fail "the rest is still there"
}

# Sets

# The batch of nft is the first thing that is sent by sendmsg; legacy tables and the check follow.
test_a_ctrl_c_in_the_middle_waits_for_the_end_of_the_change() {
	strace -o /dev/null true 2>/dev/null || skip "strace does not work here"
	export ASAN_OPTIONS=detect_leaks=0 # it would trace, too
	load_iptables legacy
	load_nft
	remember saved
	fwsnap 0 save
	lose
	strace -f -o "$TMP/calls" -e trace=sendmsg -e inject=sendmsg:signal=INT:when=1 \
		"$FWSNAP" --root "$ROOT" restore 2>/dev/null || [ $? = 130 ] || fail "it ended badly"
	grep -q SIGINT "$TMP/calls" || fail "no signal came"
	are_live saved
}

test_an_element_with_the_timeout_of_its_set_is_no_drift() {
	nft 'table ip t { set s { type ipv4_addr; timeout 1h; elements = { 192.0.2.1 }; }; }'
	fwsnap 0 save
	nft delete element ip t s '{ 192.0.2.1 }'
	no_drift
}

test_a_quota_of_an_element_that_is_used_up_comes_back() {
	nft 'table ip t {
		set s { type ipv4_addr; quota 10 bytes; elements = { 127.0.0.1 }; }
		chain c { type filter hook input priority 0; ip saddr @s accept; }
	}' || skip "nft knows no quota of an element"
	echo "more than ten bytes" >/dev/udp/127.0.0.1/9
	nft list ruleset | grep -q "used 10 bytes" || skip "the quota is not used up"
	fwsnap 8 save
	lose
	fwsnap 0 restore
	nft list ruleset | grep -q 127.0.0.1
	no_drift
}

test_ipset_members_are_exactly_those_that_were_saved() {
	load_ipset
	remember saved
	fwsnap 0 save
	ipset add friends 192.0.2.77
	ipset del friends 192.0.2.9
	ipset create more hash:ip
	fwsnap 3 status
	prints friends more
	fwsnap 0 restore
	are_live saved
	no_drift
}

test_an_ipset_of_another_type_is_replaced_under_the_rules_that_use_it() {
	load_ipset
	ipset destroy all
	load_iptables legacy
	iptables-legacy -I INPUT -m set --match-set friends src -j ACCEPT
	remember saved
	fwsnap 0 save
	lose
	ipset create friends hash:net
	iptables-legacy -A INPUT -m set --match-set friends src -j DROP
	fwsnap 0 restore
	are_live saved
	no_drift
}

test_ipsets_of_another_index_are_found_by_name() {
	load_everything
	remember saved
	fwsnap 0 save
	lose
	ipset create a hash:ip
	ipset create b hash:ip
	ipset create friends hash:ip
	fwsnap 0 restore
	are_live saved
	no_drift
}

test_a_set_that_a_native_rule_uses_comes_back_exactly() {
	load_nft
	remember saved
	fwsnap 0 save
	nft add element inet site blocked '{ 203.0.113.0/24 }'
	nft delete element inet site ports '{ 25 }'
	fwsnap 3 status
	fwsnap 0 restore
	are_live saved
}

run_cases "$@"
