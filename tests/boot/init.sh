#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines with sysvinit and with OpenRC, before and after they were switched off.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2

# The one command of the README for each.
enable_firewall() {
	if command -v rc-update >/dev/null; then
		install /usr/share/fwsnap/openrc/fwsnap /etc/init.d/ && rc-update add fwsnap sysinit
	else
		install /usr/share/fwsnap/sysvinit/fwsnap /etc/init.d/ && update-rc.d fwsnap defaults
	fi
}

save_everything() {
	enable_firewall
	configure_links host0
	load_iptables
	load_nft
	remember saved
	fwsnap 0 save
}

everything_is_back() {
	stood_before_the_network saved
	is_up host0 || fail "host0 is down"
	no_drift
}

# Nothing is in force, and it says so on the console; these inits have no way to hold the network.
fail_everything() {
	save_everything
	damage_everything
	config "last_resort = none"
	ln -s /usr/share/fwsnap/if-pre-up.d/fwsnap /etc/network/if-pre-up.d/
}

network_is_closed() {
	! is_up host0 || fail "host0 is up"
	is_up lo || fail "lo is down"
}

said_on_the_console() { # TEXT
	grep -qF -- "$1" "$TMP/console" || fail "not on the console: $1; but: $(cat "$TMP/console")"
}

script() { # STATUS VERB
	local status=0
	/etc/init.d/fwsnap "$2" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = "$1" ] || fail "$2: exit status $status, not $1"
}

drift() {
	nft delete table inet site
}

verbs_work() {
	script 0 status
	script 0 check
	drift
	script 3 status
	script 0 stop
	script 3 status
	script 0 start
	script 3 status
	script 0 restart
	are_live saved
	drift
	script 0 reload
	are_live saved
	iptables -A INPUT -p tcp --dport 8443 -j ACCEPT
	script 0 save
	script 0 status
	remember more
	script 0 lockdown
	are_not_live more
	script 0 restart
	are_live more
}

test_sysvinit_has_the_rules_before_the_network() {
	on sysvinit
	boot save_everything
	boot everything_is_back
}

test_sysvinit_and_the_hook_keep_the_network_down_where_nothing_can_be_loaded() {
	on sysvinit
	boot fail_everything
	boot network_is_closed
	said_on_the_console "NOTHING could be loaded"
}

test_the_script_of_sysvinit_has_the_verbs_and_statuses_of_the_lsb() {
	on sysvinit
	boot save_everything
	boot lsb_verbs
}

lsb_verbs() {
	verbs_work
	script 0 force-reload
	drift
	script 0 force-reload
	are_live more
	script 0 try-restart
	script 2 nonsense
	script 2 ""
	rm /usr/sbin/fwsnap
	script 5 start
}

test_openrc_has_the_rules_before_the_network() {
	on openrc
	boot save_everything
	boot everything_is_back
}

test_openrc_and_the_hook_keep_the_network_down_where_nothing_can_be_loaded() {
	on openrc
	boot fail_everything
	boot network_is_closed
	said_on_the_console "NOTHING could be loaded"
}

test_the_script_of_openrc_has_the_same_verbs() {
	on openrc
	boot save_everything
	boot verbs_work
}

run_boot_cases "$@"
