#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rollback: one step back, whatever the last step was; and restore behind the guard
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

# Rules that differ by a number, live and remembered under it; saved, unless told otherwise.
version() { # NUMBER
	iptables-nft-restore <<-END
		*filter
		:INPUT DROP [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		-A INPUT -i lo -j ACCEPT
		-A INPUT -p tcp -m tcp --dport $1 -j ACCEPT
		COMMIT
	END
	remember "$1"
}

save_version() { # NUMBER
	version "$1"
	fwsnap 0 save -m "version $1"
}

# The text that opens a port, as apply wants it.
text_of() { # NUMBER
	sed -n '/^\*filter/,/^COMMIT/p' "$TMP/rules.$1" >"$TMP/$1.rules"
	sed -i 's/^\(:[A-Z]* [A-Z]*\).*/\1 [0:0]/' "$TMP/$1.rules"
}

rolls_back() { # NUMBER TEXT...
	fwsnap 0 rollback
	says "rolling back to" "${@:2}"
	are_live "$1"
	no_drift
	no_leftovers
}

# Of each version: its number, whether it is the current one (@), its kind.
versions() { # LINE...
	fwsnap 0 --json list
	printf '%s\n' "$@" >"$TMP/want"
	jq -r '.snapshots[] | "\(.id)\(if .current then "@" else "" end) \(.kind)"' "$TMP/out" | diff "$TMP/want" - ||
		fail "other versions"
}

steps_back_from() { # NUMBER: and changes nothing
	remember_files before
	fwsnap 1 rollback
	are_live "$1"
	files_are before
}

# steps

test_a_pending_change_is_undone() {
	save_version 1
	version 2
	text_of 2
	version 1
	fwsnap 0 apply --within 60 "$TMP/2.rules"
	are_live 2
	fwsnap 0 rollback
	says "undoing" "apply $TMP/2.rules" "undone: the old rules are back, verified"
	are_live 1
	no_drift
	versions '1@ saved'
}

test_rules_that_differ_become_those_of_the_current_version() {
	save_version 1
	save_version 2
	version 3
	rolls_back 2 "snapshot 2 of" "version 2"
	versions '3 left' '2@ saved' '1 saved'
}

test_repeated_it_walks_further_back_and_ends_at_the_first() {
	save_version 1
	save_version 2
	save_version 3
	version 4
	rolls_back 3
	rolls_back 2
	rolls_back 1
	steps_back_from 1
	says "there is no version before snapshot 1"
	versions '4 left' '3 left' '2 left' '1@ saved'
	fwsnap 0 list
	prints "(rolled back) version 3"
}

test_a_save_in_between_leads_no_more_forward() {
	save_version 1
	save_version 2
	version 3
	rolls_back 2
	rolls_back 1
	save_version 4
	rolls_back 1
	steps_back_from 1
	versions '4 left' '3 left' '2 left' '1@ saved'
}

test_unsaved_rules_before_a_change_are_a_step_and_become_a_saved_one() {
	save_version 1
	version 2
	text_of 2
	version 3
	fwsnap 0 apply --no-confirm "$TMP/2.rules"
	versions '3@ saved' '2 automatic' '1 saved'
	rolls_back 3 "snapshot 2 of" "'fwsnap save' writes its text files"
	versions '3 left' '2@ saved' '1 saved'
	rolls_back 1
	# a boot loads what is in force, its texts or their lack included
	lose
	fwsnap 0 restore
	are_live 1
}

test_after_a_step_to_rules_without_texts_the_boot_loads_them() {
	version 2
	text_of 2
	version 1
	fwsnap 0 apply --no-confirm "$TMP/2.rules"
	[ -e "$ROOT/etc/iptables.up.rules" ]
	rolls_back 1
	[ ! -e "$ROOT/etc/iptables.up.rules" ] || fail "a text of other rules is left"
	lose
	fwsnap 0 restore
	are_live 1
	fwsnap 0 save
	load_texts_alone nft
	alone_is 1
	rolls_back 1
	steps_back_from 1
}

test_a_change_that_was_undone_is_no_step() {
	save_version 1
	save_version 2
	version 3
	text_of 3
	version 2
	fwsnap 0 apply --within 1 "$TMP/3.rules"
	comes_back 2 1
	steps_back_from 2
	says "the last change was undone and nothing was saved since" "'fwsnap restore 1' goes further back" "the firewall is unchanged"
	sleep 1
	save_version 4
	rolls_back 2
}

test_a_restore_after_an_undone_change_is_a_change() {
	save_version 1
	save_version 2
	save_version 3
	fwsnap 0 run --within 60 -- iptables-nft -A INPUT -j LOG
	fwsnap 0 rollback
	steps_back_from 3
	sleep 1.1
	fwsnap 0 restore 2
	rolls_back 1
}

test_a_version_that_was_left_and_is_restored_is_one_again() {
	save_version 1
	save_version 2
	rolls_back 1
	fwsnap 0 restore 2
	versions '2@ saved' '1 saved'
	rolls_back 1
	fwsnap 0 restore --within 60 2
	versions '2 left' '1@ saved'
	fwsnap 0 confirm
	versions '2@ saved' '1 saved'
	are_live 2
}

test_a_dry_run_shows_the_step_and_takes_none() {
	save_version 1
	save_version 2
	remember_files before
	fwsnap 3 rollback --dry-run
	says "rolling back to snapshot 1"
	prints "+ -A INPUT -p tcp -m tcp --dport 1 -j ACCEPT" "- -A INPUT -p tcp -m tcp --dport 2 -j ACCEPT"
	are_live 2
	files_are before
}

test_texts_follow_the_step() {
	save_version 1
	files >"$TMP/files.one"
	save_version 2
	rolls_back 1
	files | grep 'up.rules' | diff <(grep up.rules "$TMP/files.one") -
	load_texts_alone nft
	alone_is 1
}

test_where_nothing_was_saved_there_is_no_step() {
	version 1
	fwsnap 1 rollback
	says "nothing was saved yet" "the firewall is unchanged"
	are_live 1
}

# restore behind the guard

test_a_guarded_restore_is_kept_if_it_is_confirmed() {
	save_version 1
	save_version 2
	fwsnap 0 restore --within 60 1
	says "restoring snapshot 1 of" "version 1"
	prints "pending" "until"
	are_live 1
	versions '2@ saved' '1 saved'
	fwsnap 0 confirm
	says "kept as snapshot 1: " "'restore 1' by"
	versions '2 saved' '1@ saved'
	no_drift
	load_texts_alone nft
	alone_is 1
}

test_a_guarded_restore_is_undone_at_the_deadline() {
	save_version 1
	save_version 2
	remember_files before
	fwsnap 0 restore --within 1 1
	are_live 1
	comes_back 2 1
	no_drift
	files_are before
}

test_unsaved_rules_survive_a_guarded_restore() {
	save_version 1
	version 2
	fwsnap 0 restore --within 60 1
	fwsnap 0 confirm
	versions '2 automatic' '1@ saved'
	fwsnap 0 restore 2
	are_live 2
}

test_texts_restored_behind_the_guard_are_kept_but_not_saved() {
	save_version 1
	save_version 2
	sed -i 's/--dport 2 /--dport 3 /' "$ROOT/etc/iptables.up.rules"
	fwsnap 0 restore --within 60 text
	fwsnap 0 confirm
	says "kept, the current snapshot is as before"
	iptables-nft -S INPUT | grep -q 'dport 3 '
	fwsnap 3 status
	versions '2@ saved' '1 saved'
}

run_cases "$@"
