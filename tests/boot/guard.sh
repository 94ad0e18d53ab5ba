#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guard on a machine with systemd: what ends a session or a unit does not end it.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2
PROMPT='Keep these rules?'

# Rules that are saved, and a file that would shut everybody out.
prepare() {
	load_iptables
	fwsnap 0 save
	remember old
	lock_out >/etc/iptables.test.rules
}

test_a_guard_survives_the_end_of_the_session_that_began() {
	boot session_ends
}

# By default logind spares root. A process of the session is the proof that now it does not.
session_ends() {
	mkdir -p /etc/systemd/logind.conf.d
	printf '[Login]\nKillUserProcesses=yes\nKillExcludeUsers=nobody\n' >/etc/systemd/logind.conf.d/kill.conf
	systemctl restart systemd-logind
	prepare
	"$TERMINAL" expect='# ' send='setsid -f sh -c "echo \\$\\$ >/case/bystander; exec sleep 1000"\r' \
		send='fwsnap apply --within 6\r' expect="$PROMPT" hangup -- login -f root >"$TMP/out" 2>&1 || true
	are_not_live old
	within 3 session_is_over
	are_not_live old
	comes_back old 6
	nothing_is_left
}

session_is_over() {
	[ -z "$(loginctl list-sessions --no-legend)" ] && ! [ -e "/proc/$(cat "$TMP/bystander")" ]
}

test_a_guard_survives_the_stop_of_the_unit_that_began() {
	boot unit_stops
}

unit_stops() {
	prepare
	systemd-run --quiet --unit=caller sh -c 'fwsnap apply --within 6 && echo done >/case/applied; sleep 1000'
	within 10 test -e "$TMP/applied"
	are_not_live old
	systemctl stop caller.service
	are_not_live old
	comes_back old 6
	nothing_is_left
}

test_a_guard_that_is_killed_is_started_again() {
	boot guard_is_killed
}

guard_is_killed() {
	local first
	prepare
	fwsnap 0 apply --within 6
	first=$(guard_process)
	grep -q '/fwsnap-guard' "/proc/$first/cgroup" || fail "it has no unit of its own: $(cat "/proc/$first/cgroup")"
	kill -9 "$first"
	within 2 another_stands "$first"
	are_not_live old
	comes_back old 6
	nothing_is_left
}

guard_process() {
	awk '{ print $1 }' /run/fwsnap/pending.*/guard
}

another_stands() { # PID
	[ "$(guard_process)" != "$1" ] && [ -d "/proc/$(guard_process)" ]
}

test_a_confirmed_change_leaves_no_guard() {
	boot change_is_confirmed
}

change_is_confirmed() {
	prepare
	fwsnap 0 apply --within 30
	remember new
	fwsnap 0 confirm
	are_live new
	no_drift
	nothing_is_left
}

# No process, no unit and no failure of the guard's.
nothing_is_left() {
	within 3 no_guard_runs
	[ -z "$(systemctl list-units --all --no-legend 'fwsnap-*')" ] || fail "$(systemctl list-units --all 'fwsnap-*')"
	[ -z "$(systemctl --failed --quiet --no-legend)" ] || fail "$(systemctl --failed)"
}

no_guard_runs() {
	! grep -lsx fwsnap /proc/[0-9]*/comm
}

run_boot_cases "$@"
