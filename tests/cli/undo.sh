#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# undo: what comes back at the deadline, and what others changed meanwhile
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

needs_apply() {
	"$FWSNAP" apply --help >/dev/null 2>&1 || skip "there is no apply yet"
}

load_site() {
	load_iptables legacy
	nft -f - <<-'END'
		table inet site {
			set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
			chain input {
				type filter hook input priority 0; policy accept;
				ip saddr @blocked drop
				tcp dport 22 accept
			}
			chain forward { type filter hook forward priority 0; policy accept; }
		}
		table inet theirs {
			set bans { type ipv4_addr; }
			chain input { type filter hook input priority 10; ip saddr @bans drop; }
		}
	END
}

# Ours: a rule and a set in a table that lives, and a table of its own.
apply_ours() { # SECONDS
	cat >"$TMP/ours.nft" <<-'END'
		add set inet site more { type inet_service; }
		add element inet site more { 25, 587 }
		add rule inet site input tcp dport @more accept
		add table ip ours
		add chain ip ours output { type filter hook output priority 0; }
		add rule ip ours output counter
	END
	fwsnap 0 apply --within "$1" "$TMP/ours.nft"
	prints "pending" "until"
	nft list table ip ours >/dev/null
	nft list chain inet site input | grep -q 'dport @more'
}

# Until the deadline and what may follow it, nobody's command.
wait_for_the_undo() { # SECONDS
	local tries
	for ((tries = ($1 + 5) * 10; tries; tries--)); do
		nft list table ip ours >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	fail "it is still in force 5 s after the deadline"
}

# Runs the function on the rules that are live, remembers what that gives, and takes it back by the other.
expect_after() { # FUNCTION FUNCTION
	"$1"
	remember expected
	"$2"
}

others_elsewhere() {
	nft add element inet theirs bans '{ 198.51.100.1 }'
	iptables-legacy -A FORWARD -s 198.51.100.2 -j DROP
}

others_elsewhere_gone() {
	nft delete element inet theirs bans '{ 198.51.100.1 }'
	iptables-legacy -D FORWARD -s 198.51.100.2 -j DROP
}

test_what_others_add_elsewhere_survives_the_undo() {
	needs_apply
	load_site
	fwsnap 0 save
	expect_after others_elsewhere others_elsewhere_gone
	apply_ours 2
	others_elsewhere
	wait_for_the_undo 2
	are_live expected
}

others_in_the_table() {
	nft add element inet site blocked '{ 198.51.100.0/24 }'
	nft add rule inet site forward tcp dport 80 drop
}

others_in_the_table_gone() {
	nft delete element inet site blocked '{ 198.51.100.0/24 }'
	nft flush chain inet site forward
}

test_what_others_add_in_a_changed_table_survives_the_undo() {
	needs_apply
	load_site
	fwsnap 0 save
	expect_after others_in_the_table others_in_the_table_gone
	apply_ours 2
	others_in_the_table
	wait_for_the_undo 2
	are_live expected
}

test_what_both_changed_is_the_old_again() {
	needs_apply
	load_site
	fwsnap 0 save
	remember before
	apply_ours 2
	nft add element inet site more '{ 110 }'
	nft add rule ip ours output drop
	wait_for_the_undo 2
	are_live before
}

test_what_both_changed_is_named_by_a_rollback() {
	load_site
	fwsnap 0 save
	remember before
	apply_ours 60
	nft add rule ip ours output drop
	fwsnap 0 rollback
	says "changed by others too, undone all the same: ip ours"
	are_live before
}

run_cases "$@"
