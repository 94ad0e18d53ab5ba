#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands that are killed between two steps, or that meet another.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

# What a person sees of the files: texts, what is current, which versions with which tags; but not the
# automatic ones: rules that a kill left between two versions are in none, and kept.
state() {
	(
		cd "$ROOT"
		find etc -type f -exec sha256sum {} + | sort
		[ ! -L var/lib/fwsnap/current ] || readlink var/lib/fwsnap/current
	)
	"$FWSNAP" --root "$ROOT" list 2>&1 | sed '/(automatic)/d; s/....-..-.. ..:..:..//'
}

rewind() {
	rm -rf "$ROOT"
	cp -a "$TMP/before" "$ROOT"
}

# Runs the command from the same files again and again, killed at one point more each time.
# Readers work at once; the next command that changes anything leaves the state of
# before or that of after, nothing between; then the command itself leads to that of after.
killed_anywhere() { # COMMAND ARGUMENT...
	local point points status
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	cp -a "$ROOT" "$TMP/before"
	state >"$TMP/state.before"
	FWSNAP_FAULT=list "$FWSNAP_FAULTY" --root "$ROOT" "$@" >/dev/null 2>"$TMP/points" || fail "$(cat "$TMP/points")"
	state >"$TMP/state.after"
	points=$(awk '/^fault: / { print $2 ":" ++n[$2] }' "$TMP/points")
	[ "$(wc -w <<<"$points")" -gt 3 ] || fail "hardly any points: $points"
	for point in $points; do
		rewind
		# one that was killed midway has changed the live rules, too
		[ "$1" != restore ] || fwsnap 0 restore
		status=0
		FWSNAP_FAULT=$point "$FWSNAP_FAULTY" --root "$ROOT" "$@" >/dev/null 2>&1 || status=$?
		[ "$status" = 77 ] || fail "$point: exit status $status"
		fwsnap 0 verify
		fwsnap 0 tag @ now
		fwsnap 0 untag now
		state >"$TMP/state"
		cmp -s "$TMP/state" "$TMP/state.before" || cmp -s "$TMP/state" "$TMP/state.after" ||
			fail "killed at $point: $(diff "$TMP/state.after" "$TMP/state")"
		no_leftovers
		fwsnap 0 verify
		"again_${1//-/_}" "$@"
		state >"$TMP/state"
		diff "$TMP/state.after" "$TMP/state" || fail "killed at $point, and run again"
		no_leftovers
	done
}

again_save() {
	fwsnap 0 "$@"
	no_drift
}

# One text to replace that was edited, one to remove, one to make.
test_a_save_killed_anywhere_leaves_the_old_or_the_new_whole() {
	load_iptables
	load_nft
	ip6tables -F
	ip6tables -t nat -F
	nft delete table ip6 filter
	nft delete table ip6 nat
	fwsnap 0 save
	nft delete table inet site
	nft delete table netdev edge
	ip6tables -A INPUT -p tcp --dport 25 -j DROP
	iptables -A INPUT -j DROP
	echo '# edited' >>"$ROOT/etc/iptables.up.rules"
	killed_anywhere save -m second
	tar xzOf "$ROOT/var/lib/fwsnap/snapshots/2.tar.gz" replaced/etc/iptables.up.rules | grep -q '# edited'
}

# There is nothing to tag before.
test_a_first_save_killed_anywhere_leaves_nothing_or_all() {
	local point points
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	load_iptables
	cp -a "$ROOT" "$TMP/before"
	FWSNAP_FAULT=list "$FWSNAP_FAULTY" --root "$ROOT" save 2>&1 >/dev/null |
		awk '/^fault: / { print $2 ":" ++n[$2] }' >"$TMP/points"
	state >"$TMP/state.after"
	points=$(cat "$TMP/points")
	for point in $points; do
		rewind
		! FWSNAP_FAULT=$point "$FWSNAP_FAULTY" --root "$ROOT" save >/dev/null 2>&1 || fail "not killed"
		fwsnap 0 list
		fwsnap 0 save
		state >"$TMP/state"
		diff "$TMP/state.after" "$TMP/state" || fail "killed at $point"
		no_leftovers
		fwsnap 0 verify
	done
}

two_versions() {
	load_nft
	fwsnap 0 save
	load_iptables
	fwsnap 0 save
	remember second
}

again_tag() {
	fwsnap 0 "$@"
}

test_a_tag_killed_anywhere_is_there_or_not() {
	two_versions
	killed_anywhere tag 2 good
}

again_prune() {
	fwsnap 0 "$@"
}

test_a_prune_killed_anywhere_leaves_whole_versions() {
	two_versions
	killed_anywhere prune --keep 0
}

again_import() {
	"$FWSNAP" --root "$ROOT" list 2>/dev/null | grep -q elsewhere || fwsnap 0 "$@"
}

test_an_import_killed_anywhere_leaves_all_or_nothing() {
	two_versions
	fwsnap 0 export 1 "$TMP/copy"
	killed_anywhere import "$TMP/copy" -m elsewhere
}

again_restore() {
	fwsnap 0 "$@"
	no_drift
}

# All but the live rules: those are of one version or the other in any case.
test_a_restore_killed_anywhere_leaves_one_version_whole_and_its_texts() {
	two_versions
	killed_anywhere restore 1
}

# The first point at which `current` is the new version, and a text is not yet.
test_a_text_that_is_edited_after_a_kill_stays() {
	local n
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	load_iptables
	fwsnap 0 save
	iptables -A INPUT -j DROP
	cp -a "$ROOT" "$TMP/before"
	for n in {1..20}; do
		rewind
		FWSNAP_FAULT=renamed:$n "$FWSNAP_FAULTY" --root "$ROOT" save >/dev/null 2>&1 || true
		[ "$(readlink "$ROOT/var/lib/fwsnap/current")" = snapshots/1.tar.gz ] || break
	done
	[ "$(readlink "$ROOT/var/lib/fwsnap/current")" = snapshots/2.tar.gz ]
	cmp "$ROOT/etc/iptables.up.rules" "$TMP/before/etc/iptables.up.rules"
	echo '# by hand' >>"$ROOT/etc/iptables.up.rules"
	cp "$ROOT/etc/iptables.up.rules" "$TMP/edited"
	fwsnap 0 prune
	says "iptables.up.rules' was edited meanwhile"
	cmp "$ROOT/etc/iptables.up.rules" "$TMP/edited"
	no_leftovers
	fwsnap 0 save
	tar xzOf "$ROOT/var/lib/fwsnap/snapshots/3.tar.gz" replaced/etc/iptables.up.rules | cmp - "$TMP/edited"
}

test_status_sees_no_edit_while_a_save_is_cut_off() {
	local point
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	load_iptables
	fwsnap 0 save
	iptables -A INPUT -j DROP
	cp -a "$ROOT" "$TMP/before"
	for point in renamed:{1..6}; do
		rewind
		FWSNAP_FAULT=$point "$FWSNAP_FAULTY" --root "$ROOT" save >/dev/null 2>&1 || true
		"$FWSNAP" --root "$ROOT" status >"$TMP/out" 2>"$TMP/err" || [ $? = 3 ]
		never edited missing
	done
}

# Meeting another

test_two_saves_at_once_make_one_version() {
	load_everything
	"$FWSNAP" --root "$ROOT" save 2>"$TMP/one" &
	local first=$!
	"$FWSNAP" --root "$ROOT" save 2>"$TMP/two"
	wait "$first"
	grep -h -o 'saved snapshot [0-9]*\|unchanged since snapshot [0-9]*' "$TMP/one" "$TMP/two" | sort | xargs >"$TMP/out"
	[ "$(cat "$TMP/out")" = "saved snapshot 1 unchanged since snapshot 1" ] || fail "otherwise"
	fwsnap 0 verify
	no_leftovers
	no_drift
}

test_many_at_once_leave_a_whole_history() {
	local jobs=()
	config "keep = 3"
	load_nft
	fwsnap 0 save
	for n in {1..6}; do
		(
			nft add table ip "t$n"
			"$FWSNAP" -q --root "$ROOT" save -m "$n"
			"$FWSNAP" -q --root "$ROOT" prune
			"$FWSNAP" -q --root "$ROOT" list >/dev/null
		) &
		jobs+=($!)
	done
	for n in "${jobs[@]}"; do
		wait "$n"
	done
	fwsnap 0 verify
	fwsnap 0 save
	no_leftovers
	no_drift
}

test_a_held_lock_ends_with_4_and_names_the_holder() {
	load_iptables legacy
	fwsnap 0 save
	iptables-legacy -A INPUT -j DROP
	remember_files before
	hold_xtables_lock
	config "lock_wait = 60"
	"$FWSNAP" -q --root "$ROOT" save &
	local waiting=$!
	until flock -n "$ROOT/run/fwsnap/lock" true && false || grep -q "^$waiting " "$ROOT/run/fwsnap/lock"; do
		sleep 0.01
	done
	printf 'lock_wait = 0\n' >"$TMP/impatient"
	for command in save restore prune "tag 1 x" "untag x" "import /dev/null"; do
		# shellcheck disable=SC2086
		fwsnap 4 --config "$TMP/impatient" $command
		says "another fwsnap is at work ($waiting " " save)" "; the firewall is unchanged"
	done
	fwsnap 0 --config "$TMP/impatient" list
	fwsnap 0 --config "$TMP/impatient" show 1
	fwsnap 0 --config "$TMP/impatient" verify
	kill "$holder"
	wait "$waiting"
	no_drift
}

test_the_lock_of_one_that_was_killed_is_free() {
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	load_nft
	! FWSNAP_FAULT=renamed "$FWSNAP_FAULTY" --root "$ROOT" save >/dev/null 2>&1 || fail "it was not killed"
	config "lock_wait = 0"
	fwsnap 0 save
	no_drift
}

test_rules_that_change_while_a_save_proves_them_are_not_mixed_up() {
	local writer
	load_nft
	load_iptables
	touch "$TMP/go"
	while [ -e "$TMP/go" ]; do
		iptables -A FORWARD -s 192.0.2.1 -j DROP
		iptables -D FORWARD -s 192.0.2.1 -j DROP
	done 2>/dev/null &
	writer=$!
	for _ in {1..5}; do
		fwsnap 0 save
		fwsnap 0 verify
	done
	rm "$TMP/go"
	wait "$writer" || true
	fwsnap 0 restore
	no_drift
}

run_cases "$@"
