#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ufw in charge of the rules: what it was told is saved, brought back and undone.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/../cli/lib.sh"

AT_ONCE=4

# ufw as it is after its installation; its configuration is that of ROOT.
start() {
	command -v ufw >/dev/null || skip "ufw is not installed"
	mkdir -p "$ROOT/etc/ufw" "$ROOT/etc/default"
	cp -a /etc/ufw/. "$ROOT/etc/ufw"
	sed 's/^IPT_SYSCTL=.*/IPT_SYSCTL=/' /etc/default/ufw >"$ROOT/etc/default/ufw"
	mount --bind "$ROOT/etc/ufw" /etc/ufw
	mount --bind "$ROOT/etc/default" /etc/default
	note untouched
}

tell() { # ARGUMENT...
	ufw "$@" >"$TMP/said" 2>&1 || fail "ufw $*: $(cat "$TMP/said")"
}

# What is empty equals what is not there: tables without a rule, in which nothing is dropped.
everything() {
	local family
	for family in ip ip6; do
		"${family}tables-nft-save" | sed '/^#/d; s/ *\[[0-9]*:[0-9]*\]//; /^:.* ACCEPT$/d; /^[*C]/d' | sort
	done
	files | grep -E 'etc/(ufw|default)'
}

note() { # NAME
	everything >"$TMP/all.$1"
}

all_is() { # NAME
	everything >"$TMP/all"
	diff "$TMP/all.$1" "$TMP/all" || fail "not as it was"
}

is_all() { # NAME
	everything >"$TMP/all"
	cmp -s "$TMP/all.$1" "$TMP/all"
}

undone() { # NAME
	within 30 nothing_waits || fail "it is still pending"
	all_is "$1"
}

save_mail() {
	start
	tell allow 22/tcp
	tell --force enable
	tell allow 25,587,110,995,143,993/tcp
	fwsnap 0 save
	note saved
}

reboot() {
	rm -rf "$ROOT/run"
	nft flush ruleset
	cp /proc/sys/kernel/random/uuid "$TMP/boot_id"
	mount --bind "$TMP/boot_id" /proc/sys/kernel/random/boot_id
}

test_what_ufw_was_told_is_saved() {
	save_mail
	no_drift
	fwsnap 0 save
	says "unchanged since snapshot 1"
	fwsnap 0 show @
	prints "frontend ufw:"
	tar xzOf "$ROOT/var/lib/fwsnap/current" frontend/ufw/etc/ufw/user.rules | cmp - /etc/ufw/user.rules
	tell allow 9/udp
	fwsnap 3 status
	prints "~ufw: /etc/ufw/user.rules"
	fwsnap 0 save
}

test_a_rule_that_nobody_confirms_is_undone() {
	save_mail
	fwsnap 0 run --live --within 5 -- ufw allow 26/tcp
	never "NOT undone"
	undone saved
	fwsnap 0 save
	says "unchanged since snapshot 1"
	no_leftovers
}

test_ufw_that_nobody_wants_is_stopped_again() {
	start
	nft add table inet site
	nft add chain inet site here
	nft add rule inet site here tcp dport 22 accept
	fwsnap 0 run --live --within 60 -- ufw --force enable
	nft list chain ip filter ufw-user-input >/dev/null
	fwsnap 0 rollback
	says "undone: the old rules are back, verified"
	all_is untouched
	nft list chain inet site here | grep -q 22
}

test_ufw_that_was_stopped_comes_back() {
	save_mail
	fwsnap 0 run --live --within 60 -- ufw disable
	fwsnap 0 rollback
	says "undone: the old rules are back, verified"
	all_is saved
	ufw status | grep -q 993
}

test_a_rollback_goes_to_the_rules_before() {
	save_mail
	tell allow 26/tcp
	fwsnap 0 save
	note later
	tell delete allow 25,587,110,995,143,993/tcp
	fwsnap 3 rollback --dry-run
	fwsnap 0 rollback
	all_is later
	fwsnap 0 rollback
	all_is saved
	no_drift
}

test_a_policy_of_ufw_comes_back() {
	save_mail
	tell default allow incoming
	fwsnap 3 status
	fwsnap 0 restore
	all_is saved
}

test_a_reboot_in_the_window_brings_the_old_rules() {
	save_mail
	fwsnap 0 run --live --within 600 -- ufw allow 26/tcp
	reboot
	fwsnap 0 restore --boot
	says "a change was pending at the reboot: the configuration of ufw is as it was before"
	/lib/ufw/ufw-init start
	all_is saved
}

test_a_reload_that_fails_is_told_and_lost() {
	save_mail
	fwsnap 0 run --live --within 60 -- ufw allow 26/tcp
	mkdir "$TMP/none"
	mount --bind "$TMP/none" /lib/ufw
	fwsnap 6 rollback
	says "'/lib/ufw/ufw-init force-reload'" "a front-end is not wholly as it was"
}

# Another reload, of these lines and ufw's own.
reload_by() { # LINE...
	mkdir -p "$ROOT/etc/fwsnap/foreign.d"
	sed "s|^reload = .*|reload = $TMP/reload|" "${0%/*}/../../src/foreign.d/ufw" >"$ROOT/etc/fwsnap/foreign.d/ufw"
	printf '%s\n' '#!/bin/sh' "$@" 'exec /lib/ufw/ufw-init force-reload' >"$TMP/reload"
	chmod 755 "$TMP/reload"
}

# Whoever waits for it is not overtaken by the guard.
test_nobody_calls_it_undone_before_a_long_reload_is_over() {
	save_mail
	reload_by 'sleep 5' "ls $ROOT/run/fwsnap/pending.* >>$TMP/states"
	fwsnap 0 run --live --within 60 -- ufw allow 26/tcp
	fwsnap 0 rollback
	all_is saved
	[ "$(grep -c '^undo' "$TMP/states")" = 1 ] || fail "it was reloaded more than once"
	grep -q '^undoing' "$TMP/states" || fail "it is called undone"
}

test_an_undo_that_is_killed_in_the_reload_is_finished_by_the_guard() {
	save_mail
	reload_by "[ -e $TMP/once ] || { : >$TMP/once; exec sleep 1000; }"
	fwsnap 0 run --live --within 600 -- ufw allow 26/tcp
	"$FWSNAP" --root "$ROOT" rollback >"$TMP/out" 2>"$TMP/err" &
	within 10 test -e "$TMP/once"
	kill -9 $!
	undone saved
	compgen -G "$ROOT/run/fwsnap/pending.*/undone.*" >/dev/null || fail "it is not undone"
}

# What a command does after its time is over, and the undo.
test_what_is_done_too_late_is_undone_too() {
	save_mail
	fwsnap 5 run --live --within 1 -- sh -c 'ufw allow 26/tcp; sleep 6; ufw allow 27/tcp'
	all_is saved
}

test_only_live_it_is_told_what_to_do() {
	save_mail
	fwsnap 1 run --within 60 -- ufw allow 26/tcp
	says "ufw has a configuration of its own: 'fwsnap run --live -- ufw ...'"
	all_is saved
}

# Another path of the same length, in the first part of the archive, which has no digest.
forge() { # FILE FROM TO
	python3 -c 'import sys, zlib
data = open(sys.argv[1], "rb").read()
first = zlib.decompressobj(31)
text = first.decompress(data)
other = text.replace(b"path=" + sys.argv[2].encode(), b"path=" + sys.argv[3].encode())
assert other != text
again = zlib.compressobj(6, zlib.DEFLATED, 31)
open(sys.argv[1], "wb").write(again.compress(other) + again.flush() + first.unused_data)' "$@"
}

test_a_snapshot_from_elsewhere_writes_no_other_file() {
	command -v python3 >/dev/null || skip "python3 is not installed"
	save_mail
	fwsnap 0 export 1 "$TMP/forged.tar.gz"
	forge "$TMP/forged.tar.gz" /etc/ufw/user.rules /etc/ufw/../evil.ru
	fwsnap 0 import "$TMP/forged.tar.gz"
	fwsnap 5 restore 2 --no-confirm
	says "/etc/ufw/../evil.ru' is no configuration of a front-end"
	all_is saved
	[ ! -e "$ROOT/etc/evil.ru" ] || fail "it was written"
}

run_cases "$@"
