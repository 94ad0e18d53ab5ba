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
		[ "$(grep -c ': yes$' "$TMP/said")" = 6 ] || fail "not all ports are open"
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

no_way_back() {
	! compgen -G "$ROOT/var/lib/fwsnap/frontends.*" || fail "the way back is still there"
}

# By the guard, at its deadline and the time that a reload takes.
undone() { # NAME
	within 30 nothing_waits || fail "it is still pending"
	all_is "$1"
}

save_ports() {
	start
	open_ports
	fwsnap 0 save -m "mail ports"
	prints
	note saved
}

# Something of ours in the kernel that firewalld wipes, and something that it does not.
add_ours() {
	iptables-nft -A INPUT -p tcp --dport 2222 -j DROP
	nft add table inet site
	nft add chain inet site here
	nft add rule inet site here tcp dport 22 accept
}

change_badly() {
	firewall-cmd --permanent --zone=public --remove-port=25/tcp --remove-port=993/tcp &&
		firewall-cmd --permanent --new-zone=left && firewall-cmd --reload &&
		firewall-cmd --zone=public --add-port=9/udp && firewall-cmd --zone=public --add-interface=lo
}

test_permanent_ports_that_were_reloaded_are_saved_and_queried() {
	save_ports
	ports_are_open
	no_drift
	fwsnap 0 save
	says "unchanged since snapshot 1"
	fwsnap 0 show @
	prints "frontend firewalld:"
	fwsnap 0 --json status
	json '.frontends[0].name == "firewalld" and .frontends[0].active and .frontends[0].files >= 3'
	tar xzOf "$ROOT/var/lib/fwsnap/current" frontend/firewalld/etc/firewalld/zones/public.xml |
		cmp - /etc/firewalld/zones/public.xml
	fwsnap 0 verify
}

test_a_bad_change_is_undone_at_the_deadline() {
	start
	add_ours
	open_ports
	add_ours # the reload took it away
	cmd --zone=public --add-rich-rule='rule family="ipv4" source address="192.0.2.0/24" drop'
	fwsnap 0 save
	note saved
	fwsnap 0 run --live --within 15 -- sh -c 'firewall-cmd --permanent --remove-port=25/tcp && firewall-cmd --reload'
	never "NOT undone"
	undone saved
	ports_are_open
	no_leftovers
	no_way_back
}

test_what_a_bad_change_did_to_zones_files_and_our_rules_is_undone() {
	save_ports
	export -f change_badly
	fwsnap 0 run --live --within 600 -- bash -c change_badly
	fwsnap 0 rollback
	all_is saved
	fwsnap 0 save
	says "unchanged since snapshot 1"
}

test_what_is_so_at_run_time_only_is_shown_kept_and_restored() {
	save_ports
	cmd --zone=public --add-source=192.0.2.0/24 --add-source=198.51.100.0/24
	cmd --zone=public --add-forward-port=port=80:proto=tcp:toport=8080 --add-forward-port=port=81:proto=tcp:toport=82:toaddr=192.0.2.1
	cmd --zone=public --add-rich-rule='rule family="ipv4" source address="192.0.2.0/24" service name="http" accept'
	cmd --zone=public --add-masquerade
	cmd --zone=public --remove-port=25/tcp
	cmd --zone=public --remove-forward
	cmd --zone=trusted --add-interface=lo
	cmd --policy=allow-host-ipv6 --add-service=ntp
	fwsnap 3 diff
	prints "+firewalld at run time: --zone=public --add-masquerade" \
		"+firewalld at run time: --policy=allow-host-ipv6 --add-service=ntp"
	fwsnap 0 save
	note kept
	cmd --reload
	fwsnap 0 restore
	all_is kept
}

test_what_became_so_at_run_time_is_named_and_goes() {
	save_ports
	cmd --zone=public --remove-port=25/tcp
	cmd --zone=trusted --add-interface=lo
	fwsnap 3 status
	prints "firewalld at run time: --zone=public --remove-port=25/tcp"
	fwsnap 3 --json restore --dry-run
	json '.frontends | index("-firewalld at run time: --zone=trusted --add-interface=lo")'
	fwsnap 0 restore
	says "restored snapshot 1"
	all_is saved
}

test_a_rollback_goes_to_the_version_before_and_the_automatic_one_has_what_was_lost() {
	save_ports
	add_ours
	change_badly >/dev/null
	add_ours
	fwsnap 3 rollback --dry-run
	prints "~firewalld: /etc/firewalld/zones/public.xml" "-firewalld: /etc/firewalld/zones/left.xml"
	fwsnap 0 rollback
	all_is saved
	ports_are_open
	no_drift
	tar tzf "$ROOT/var/lib/fwsnap/snapshots/2.tar.gz" >"$TMP/out"
	prints frontend/firewalld/etc/firewalld/zones/left.xml
	fwsnap 0 restore 2
	firewall-cmd --permanent --zone=left --list-all >"$TMP/out" || fail "the zone is not back"
	iptables-nft -C INPUT -p tcp --dport 2222 -j DROP
}

test_a_change_that_is_only_permanent_is_told_and_undone() {
	save_ports
	fwsnap 0 run --live --within 15 -- firewall-cmd --zone=public --add-port=26/tcp --permanent
	says "nothing that runs: 'firewall-cmd --reload' puts it in force"
	grep -q 'port="26"' /etc/firewalld/zones/public.xml
	fwsnap 0 rollback
	says "undone: the old rules are back, verified"
	all_is saved
}

test_a_change_that_is_confirmed_stays() {
	save_ports
	fwsnap 0 run --live --within 30 -- firewall-cmd --zone=public --add-port=26/tcp
	never "nothing that runs"
	fwsnap 0 confirm
	cmd --zone=public --query-port=26/tcp
	no_drift
	fwsnap 0 show @
	prints "at run time only: --zone=public --add-port=26/tcp"
	no_way_back
}

# The next boot, before firewalld starts: no record is left, and another boot ID is in force.
reboot() {
	rm -rf "$ROOT/run"
	cp /proc/sys/kernel/random/uuid "$TMP/boot_id"
	mount --bind "$TMP/boot_id" /proc/sys/kernel/random/boot_id
}

test_a_reboot_in_the_window_brings_the_old_configuration() {
	save_ports
	files >"$TMP/files.before"
	fwsnap 0 run --live --within 600 -- firewall-cmd --zone=public --add-port=26/tcp --permanent
	kill -9 "$daemon"
	reboot
	fwsnap 0 tag @ after
	says "a change was pending at the reboot: the configuration of firewalld is as it was before"
	grep etc/firewalld <"$TMP/files.before" >"$TMP/was"
	files | grep etc/firewalld | diff "$TMP/was" -
	no_way_back
}

test_a_firewalld_that_was_killed_midway_is_told() {
	save_ports
	fwsnap 0 run --live --within 60 -- firewall-cmd --zone=public --add-port=26/tcp --permanent
	kill -9 "$daemon"
	fwsnap 6 rollback
	says "firewalld does not run, or does not answer"
	! grep -q 'port="26"' /etc/firewalld/zones/public.xml || fail "its files are not back"
	fwsnap 8 save
	says "firewalld does not run, or does not answer: its configuration is kept"
}

test_a_reload_that_fails_is_told_and_lost() {
	save_ports
	mkdir -p "$ROOT/etc/fwsnap/foreign.d"
	sed 's/^reload = .*/reload = false/' "${0%/*}/../../src/foreign.d/firewalld" >"$ROOT/etc/fwsnap/foreign.d/firewalld"
	fwsnap 0 run --live --within 60 -- firewall-cmd --zone=public --add-port=26/tcp --permanent
	fwsnap 6 rollback
	says "'false': exit status 1" "a front-end is not wholly as it was"
}

test_a_firewalld_that_hangs_holds_nothing_up() {
	save_ports
	fwsnap 0 run --live --within 60 -- firewall-cmd --zone=public --add-port=26/tcp --permanent
	kill -STOP "$daemon"
	SECONDS=0
	fwsnap 6 rollback
	says "hangs" "firewalld does not run, or does not answer"
	[ "$SECONDS" -lt 60 ] || fail "it took $SECONDS seconds"
	kill -CONT "$daemon"
}

test_where_firewalld_does_not_run_its_files_are_restored_and_that_is_told() {
	save_ports
	kill "$daemon"
	wait "$daemon" || true
	echo '<zone/>' >/etc/firewalld/zones/public.xml
	fwsnap 8 restore
	says "in force once it is started"
	launch
	no_drift
	all_is saved
}

# As firewalld 2 does.
test_a_table_that_a_process_owns_tells_of_firewalld() {
	mkdir -p "$ROOT/etc/firewalld"
	mkfifo "$TMP/commands"
	nft -i <"$TMP/commands" >"$TMP/holder" 2>&1 &
	exec 8>"$TMP/commands"
	echo 'add table inet firewalld { flags owner; }' >&8
	within 3 nft list table inet firewalld >"$TMP/table" 2>&1 || skip "the kernel has no owned tables"
	grep -q 'flags owner' "$TMP/table" || skip "the kernel has no owned tables"
	echo '<zone/>' >"$ROOT/etc/firewalld/x.xml"
	fwsnap 3 status
	prints "frontend firewalld: 1 file; it does not run, or does not answer"
	fwsnap 8 save
	no_drift
}

run_cases "$@"
