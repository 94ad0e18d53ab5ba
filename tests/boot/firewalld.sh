#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine with systemd and firewalld, which removes rules of others by iptables when it starts.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/lib.sh"

save_beside_firewalld() {
	systemctl -q enable firewalld.service fwsnap.service fwsnap-firewalld.service
	load_iptables
	fwsnap 0 save
	iptables-nft-save | grep '^-A INPUT' >/case/input
	[ -s /case/input ]
}

both_are_there() {
	within 40 firewall-cmd -q --state || fail "firewalld does not run: $(journalctl -b -o cat -u firewalld)"
	within 20 ours_are_there || fail "ours: $(iptables-nft-save); $(journalctl -b -o cat -u fwsnap-firewalld)"
	nft list table inet firewalld >/dev/null
	fwsnap 0 status
	prints "drift    none"
}

ours_are_there() {
	iptables-nft-save | grep '^-A INPUT' | cmp -s - /case/input
}

after_a_restart_too() {
	both_are_there
	systemctl restart firewalld.service
	both_are_there
}

test_rules_of_ours_are_back_once_firewalld_has_started() {
	on neighbours
	boot save_beside_firewalld
	boot after_a_restart_too
}

run_boot_cases "$@"
