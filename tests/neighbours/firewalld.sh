#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# firewalld in charge of the rules, on a bus of its own: what it was told is saved, brought back and undone.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/../cli/lib.sh"

AT_ONCE=4
PORTS='25 587 110 995 143 993'

# firewalld as it is after its installation; its configuration is that of ROOT.
start() {
	command -v firewalld >/dev/null || skip "firewalld is not installed"
	command -v dbus-daemon >/dev/null || skip "dbus-daemon is not installed"
	mkdir -p /run/dbus "$ROOT/etc/firewalld"
	mount -t tmpfs none /var/log
	cp -a /etc/firewalld/. "$ROOT/etc/firewalld"
	mount --bind "$ROOT/etc/firewalld" /etc/firewalld
	dbus-daemon --system --fork --nopidfile || skip "no bus can be had here"
	launch
}

launch() {
	firewalld --nofork --nopid >>"$TMP/firewalld.log" 2>&1 &
	daemon=$!
	within 20 answers || skip "firewalld does not start: $(tail -n 1 "$TMP/firewalld.log")"
}

answers() {
	nft list table inet firewalld >/dev/null 2>&1 &&
		firewall-cmd --state >/dev/null 2>&1
}

# Quiet, and with a failure that counts.
cmd() { # ARGUMENT...
	firewall-cmd "$@" >"$TMP/said" 2>&1 || fail "firewall-cmd $*: $(cat "$TMP/said")"
}

# The article's way.
open_ports() {
	local port
	for port in $PORTS; do
		set -- "$@" --add-port="$port/tcp"
	done
	cmd --permanent --zone=public "$@"
	cmd --reload
}

ports_are_open() {
	local port way
	for port in $PORTS; do
		set -- "$@" --query-port="$port/tcp"
	done
	for way in --zone=public "--permanent --zone=public"; do
		# shellcheck disable=SC2086 # two options
		cmd $way "$@"
		[ "$(grep -cx yes "$TMP/said")" = 6 ] || fail "not all ports are open"
	done
}

# All that can be known of it: the kernel, its files, and what it says itself.
everything() {
	nft -s list ruleset | sort
	files | grep etc/firewalld
	firewall-cmd --list-all-zones
	firewall-cmd --permanent --list-all-zones
}

note() { # NAME
	everything >"$TMP/all.$1"
}

all_is() { # NAME
	everything >"$TMP/all"
	diff "$TMP/all.$1" "$TMP/all" || fail "not as it was"
}

not_pending() {
	! compgen -G "$ROOT/run/fwsnap/pending.*/swapped.*" >/dev/null &&
		! compgen -G "$ROOT/run/fwsnap/pending.*/undoing.*" >/dev/null
}

# By the guard, at its deadline and the time that a reload takes.
undone() { # NAME
	within 30 not_pending || fail "it is still pending"
	all_is "$1"
}

save_ports() {
	start
	open_ports
	fwsnap 0 save -m "mail ports"
	prints
	note saved
}

test_permanent_ports_that_were_reloaded_are_saved_and_queried() {
	save_ports
	ports_are_open
	no_drift
	fwsnap 0 save
	says "unchanged since snapshot 1"
	fwsnap 0 show @
	prints "frontend firewalld:"
	tar xzOf "$ROOT/var/lib/fwsnap/current" frontend/firewalld/etc/firewalld/zones/public.xml |
		cmp - /etc/firewalld/zones/public.xml
}

test_a_bad_change_is_undone_at_the_deadline() {
	save_ports
	fwsnap 0 run --live --within 10 -- sh -c 'firewall-cmd --zone=public --remove-service=ssh --permanent &&
		firewall-cmd --permanent --new-zone=left && firewall-cmd --reload && firewall-cmd --add-port=9/udp'
	undone saved
	ports_are_open
	fwsnap 0 save
	says "unchanged since snapshot 1"
}

run_cases "$@"
