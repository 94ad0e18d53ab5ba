#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A table that a living process owns (flags owner), through all commands
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../boot/lib.sh"
# shellcheck source=tests/neighbours/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2
FOREIGN='no line of iptables' FOREIGN_TABLES=' held$' OWNER='inet held' NAMED='owned +inet held'

# The kernel removes it when the process ends, and lets nobody else touch it.
arrive() {
	mkfifo "$TMP/commands"
	nft -i <"$TMP/commands" >"$TMP/holder" 2>&1 &
	exec 8>"$TMP/commands"
	tell 'add table inet held { flags owner; }' \
		'add set inet held bans { type ipv4_addr; elements = { 203.0.113.7 }; }' \
		'add chain inet held input { type filter hook input priority -10; }' \
		'add rule inet held input ip saddr @bans counter drop' \
		'add rule inet held input tcp dport { 5060, 5061 } accept'
	within 3 holds 'dport' || skip "the kernel has no owned tables: $(cat "$TMP/holder")"
	nft list table inet held | grep -q 'flags owner' || skip "the kernel has no owned tables"
}

tell() { # COMMAND...
	printf '%s\n' "$@" >&8
}

holds() { # TEXT
	nft list table inet held 2>/dev/null | grep -q "$1"
}

linger() {
	tell 'add element inet held bans { 203.0.113.8 }'
	within 3 holds 203.0.113.8
}

test_an_owned_table_is_not_saved() {
	saved_beside_is_as_saved_without
}

test_an_owned_table_is_no_drift() {
	drift_of_ours_only
}

test_an_owned_table_is_kept_by_apply() {
	kept_by_apply "$TMP/new.rules"
}

test_an_owned_table_is_kept_by_a_flush() {
	kept_by_apply "$TMP/new.nft"
	own_is_alone "$TMP/new.nft"
}

test_an_owned_table_is_kept_by_rollback_and_undo() {
	kept_by_rollback_and_undo "$TMP/new.rules"
}

test_an_owned_table_is_kept_by_the_undo_of_a_flush() {
	kept_by_rollback_and_undo "$TMP/new.nft"
}

# Whatever asks for everything: nobody but the process can change it.
test_all_does_not_touch_an_owned_table() {
	load_host
	arrive
	remember_foreign there
	fwsnap 0 save --all
	lose_ours
	fwsnap 0 restore --all
	foreign_is there
}

test_a_command_that_is_run_leaves_an_owned_table_alone() {
	load_host
	arrive
	write_candidates
	remember_foreign there
	fwsnap 0 run --no-confirm -- iptables-nft -I INPUT -p tcp --dport 113 -j REJECT
	foreign_is there
	iptables-nft -S INPUT | grep -q 113
	fwsnap 0 run --allow-empty --no-confirm -- nft -f "$TMP/new.nft"
	foreign_is there
	own_is_alone "$TMP/new.nft"
}

run_cases "$@"
