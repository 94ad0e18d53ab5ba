#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The hook for ifupdown, without an init: links come up one by one.
# shellcheck source=tests/boot/ifup_lib.sh
. "${0%/*}/ifup_lib.sh"

AT_ONCE=2

test_the_rules_stand_before_the_first_link() {
	visit first_link
}

first_link() {
	prepare one two
	ifup one
	stood_before one
	[ ! -s "$TMP/looked/one/up" ] || fail "up before: $(cat "$TMP/looked/one/up")"
	no_drift
}

test_a_second_link_undoes_nothing_that_was_changed_since() {
	visit second_link
}

second_link() {
	prepare one two
	ifup one
	nft delete table inet site
	remember now
	ifup two
	is_up two || fail "it is down"
	are_live now
}

test_ifup_a_brings_up_all() {
	visit all_links
}

all_links() {
	prepare one two
	ifup -a
	is_up lo || fail "lo is down"
	stood_before one
	stood_before two
}

test_a_failing_restore_keeps_the_link_down_and_lo_up() {
	visit link_is_closed
}

link_is_closed() {
	prepare_failure
	! ifup -a 2>"$TMP/err" || fail "ifup did not fail"
	says "boot: "
	is_up lo || fail "lo is down"
	! is_up one || fail "one is up"
	! is_up two || fail "two is up"
}

test_a_failed_restore_is_tried_again_by_the_next_link() {
	visit tried_again
}

tried_again() {
	prepare one two
	mv /var/lib/fwsnap /var/lib/there
	mkdir -p /var/lib/fwsnap/snapshots
	ln -s snapshots/1.tar.gz /var/lib/fwsnap/current
	mkdir /etc/there
	mv /etc/*.up.rules /etc/there
	config "last_resort = none"
	! ifup one || fail "ifup did not fail"
	rm -r /var/lib/fwsnap
	mv /var/lib/there /var/lib/fwsnap
	mv /etc/there/* /etc
	ifup two
	stood_before two
	ifup one
	stood_before one
}

test_by_configuration_a_failing_restore_opens_and_says_so() {
	visit link_is_open
}

link_is_open() {
	prepare_failure "ifupdown_block = no"
	ifup -a 2>"$TMP/err"
	says "boot: "
	is_up one && is_up two || fail "a link is down"
}

test_ten_links_at_once() {
	visit ten_links
}

ten_links() {
	local link links=(l0 l1 l2 l3 l4 l5 l6 l7 l8 l9) pids=()
	prepare "${links[@]}"
	for link in "${links[@]}"; do
		ifup "$link" &
		pids+=($!)
	done
	for link in "${pids[@]}"; do wait "$link" || fail "an ifup failed"; done
	for link in "${links[@]}"; do stood_before "$link"; done
	no_drift
}

test_a_hook_whose_program_is_gone_does_not_lock_out() {
	visit program_is_gone
}

program_is_gone() {
	prepare one
	rm /usr/sbin/fwsnap
	ifup one 2>"$TMP/err"
	says "not found"
	is_up one || fail "it is down"
}

run_boot_cases "$@"
