#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A change that waits for its confirmation, and everything that can happen to it.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=6
PROMPT='Keep these rules?'

# Rules that are saved, and a file that would shut everybody out.
prepare() {
	load_iptables
	fwsnap 0 save
	remember old
	lock_out >"$ROOT/etc/iptables.test.rules"
}

# WANT STEP... -- ARGUMENT...: fwsnap at a terminal (terminal.c), which ends with this exit status; all that it
# wrote is in out. WANT any: however it ends.
typed() {
	local want=$1 status=0 steps=()
	shift
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	export ROOT
	"$TERMINAL" "${steps[@]}" -- "$FWSNAP" --root "$ROOT" "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	case $status in
	12[45]) fail "at the terminal: exit status $status" ;;
	esac
	[ "$want" = any ] || [ "$status" = "$want" ] || fail "fwsnap $*: exit status $status, not $want"
}

# A change that nobody sees at a terminal; its rules are remembered as new.
begin() { # SECONDS
	fwsnap 0 apply --within "$1"
	are_not_live old
	remember new
}

pending_id() {
	sed -n 's/^.*pending \([^ ]*\) until .*/\1/p' "$TMP/out" "$TMP/err"
}

# The change is gone: no trace in rules, history and texts, and nothing waits.
nothing_happened() {
	are_live old
	is_settled
	[ "$(readlink "$ROOT/var/lib/fwsnap/current")" = snapshots/1.tar.gz ] || fail "another version is current"
}

was_kept() {
	are_live new
	is_settled
	[ "$(readlink "$ROOT/var/lib/fwsnap/current")" = snapshots/2.tar.gz ] || fail "it is not current"
	load_texts_alone nft
	alone_is new
}

# Whoever still has the lock is at the end of it.
is_settled() {
	fwsnap 0 save
	says unchanged
	no_drift
	fwsnap 1 confirm
	fwsnap 0 verify
	no_leftovers
}

# Killed

# FUNCTION ARGUMENT...: beside the others, with rules, files and processes of its own.
apart() {
	local folder status=0
	folder=$(mktemp -d "$TMP/apart.XXXXXX")
	run_apart "$folder" "$@" || status=$?
	cat "$folder/log" >>"$TMP/logs"
	[ "$status" = 0 ] || sed "s/^/$*: /" "$folder/log"
	rm -rf --one-file-system "$folder"
	return "$status"
}

everywhere() { # FUNCTION POINT...
	local function=$1 point
	shift
	[ $# -gt 0 ] || fail "no points"
	AT_ONCE=12
	for point in "$@"; do
		beside apart "$function" "$point"
	done
	together || fail "at some of: $*"
}

# What a command passes on its way, as NAME:N. A kill loses nothing that is written, synced or not.
passed() { # ARGUMENT...
	FWSNAP_FAULT=list "$FWSNAP_FAULTY" --root "$ROOT" "$@" 2>&1 >/dev/null |
		awk '/^fault: / && !/sync/ { print $2 ":" ++n[$2] }'
}

killed_at() { # POINT ARGUMENT...
	local point=$1 status=0
	shift
	FWSNAP_FAULT=$point "$FWSNAP_FAULTY" --root "$ROOT" "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = 77 ] || fail "exit status $status"
}

apply_killed() { # POINT
	prepare
	killed_at "$1" apply --within 1
	comes_back old 1
	nothing_happened
}

test_a_change_killed_anywhere_is_undone() {
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	prepare
	# shellcheck disable=SC2046
	everywhere apply_killed $(passed apply --within 1)
}

# Its parent does not care that it ended: there is still a process of that number.
test_a_change_whose_caller_is_a_zombie_is_undone() {
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	prepare
	bash -c 'FWSNAP_FAULT=guard-step "$FWSNAP_FAULTY" --root "$0" apply --within 1 & exec sleep 1000' "$ROOT" \
		>"$TMP/out" 2>"$TMP/err" &
	within 5 a_zombie_is_there || fail "it has not ended"
	comes_back old 1
	nothing_happened
}

a_zombie_is_there() {
	grep -qs '^State:.Z' /proc/[0-9]*/status
}

# As begin, without a look: the time runs.
begin_blindly() { # SECONDS
	cp "${TMP%/*}/rules.new" "$TMP"
	fwsnap 0 apply --within "$1"
}

# Kept as a whole or, by the guard, undone as a whole.
confirm_killed() { # POINT
	prepare
	begin_blindly 3
	killed_at "$1" confirm
	within 7 not_pending || fail "still pending"
	if same_rules new; then was_kept; else nothing_happened; fi
}

not_pending() {
	"$FWSNAP" --root "$ROOT" status >"$TMP/out" 2>"$TMP/err" || true
	! grep -q pending "$TMP/out"
}

test_a_confirmation_killed_anywhere_is_one_or_none() {
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	prepare
	begin 15
	# shellcheck disable=SC2046
	everywhere confirm_killed $(passed confirm)
}

rollback_killed() { # POINT
	prepare
	begin_blindly 3
	killed_at "$1" rollback
	comes_back old 3
	nothing_happened
}

test_a_rollback_killed_anywhere_is_ended_by_the_guard() {
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	prepare
	begin 15
	# shellcheck disable=SC2046
	everywhere rollback_killed $(passed rollback)
}

guard_killed() { # POINT
	prepare
	FWSNAP_FAULT=$1 "$FWSNAP_FAULTY" --root "$ROOT" apply --within 1 >"$TMP/out" 2>"$TMP/err" || true
	comes_back old 1
	nothing_happened
}

# The Nth point that it passes, whatever its name.
test_a_guard_killed_anywhere_is_replaced() {
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	everywhere guard_killed watch-\*:{1..20} watcher-\*:{1..4}
}

guard_processes() {
	grep -lsx fwsnap /proc/[0-9]*/comm | cut -d/ -f3
}

one_killed() { # guard|watcher
	local pid
	prepare
	begin_blindly 8
	[ "$(guard_processes | wc -l)" = 2 ] || fail "nobody watches the guard"
	read -r pid _ < <(cat "$ROOT"/run/fwsnap/pending.*/"$1")
	kill -9 "$pid"
	within 1 a_guard_stands "$pid" || fail "no guard is left"
	are_live new
	comes_back old 8
	nothing_happened
	within 2 no_guard || fail "a guard stays"
}

a_guard_stands() { # PID: of another
	local pid
	read -r pid _ < <(cat "$ROOT"/run/fwsnap/pending.*/guard)
	[ "$pid" != "$1" ] && [ -d "/proc/$pid" ]
}

test_each_process_of_the_guard_can_be_killed() {
	prepare
	begin 3
	everywhere one_killed guard watcher
}

no_guard() {
	[ -z "$(guard_processes)" ]
}

test_the_next_command_undoes_what_nobody_guards() {
	local command
	prepare
	for command in save confirm prune restore; do
		begin 60
		# shellcheck disable=SC2046
		kill -9 $(guard_processes)
		within 2 no_guard
		are_live new
		"$FWSNAP" --root "$ROOT" "$command" >"$TMP/out" 2>"$TMP/err" || true
		are_live old
	done
	nothing_happened
}

# The caller's whole session, as the end of its cgroup would.
test_the_guard_is_not_of_the_callers_session() {
	prepare
	setsid bash -c '"$FWSNAP" --root "$0" apply --within 4; sleep 1000' "$ROOT" >"$TMP/out" 2>"$TMP/err" &
	within 5 grep -q pending "$TMP/out" || fail "not begun"
	for pid in $(ps -e -o sid=,pid= | awk -v session=$! '$1 == session { print $2 }'); do
		kill -9 "$pid"
	done
	are_not_live old
	comes_back old 4
	nothing_happened
}

# Ten changes, confirmed ever closer to the deadline (a confirm takes its time, too): one of the two
# wins, wholly.
race() { # NUMBER
	local deadline offset status
	prepare
	for offset in {-270..0..30}; do
		fwsnap 0 apply --within 1
		deadline=$(echo "$ROOT"/run/fwsnap/pending.*/swapped.*)
		wait_until $((${deadline##*.} / 1000000 + offset + 3 * $1))
		status=0
		"$FWSNAP" --root "$ROOT" confirm >"$TMP/out" 2>"$TMP/err" || status=$?
		echo "exit status $status"
		case $status in
		0)
			no_drift
			! input_is_open || fail "confirmed, and undone"
			fwsnap 0 restore 1
			;;
		1)
			says "undone"
			within 5 input_is_open || fail "not confirmed, and not undone"
			;;
		*) fail "exit status $status" ;;
		esac
	done
	are_live old
	no_leftovers
	fwsnap 0 verify
}

input_is_open() {
	iptables -S INPUT | grep -q mail
}

wait_until() { # MILLISECONDS since boot
	local up
	read -r up _ </proc/uptime
	sleep "$(awk -v left="$(($1 - 10#${up/./} * 10))" 'BEGIN { print (left > 0 ? left / 1000 : 0) }')"
}

test_of_confirmation_and_deadline_one_wins() {
	everywhere race {0..9}
	grep -q "exit status 0" "$TMP/logs" && grep -q "exit status 1" "$TMP/logs" ||
		fail "they did not meet: $(sort "$TMP/logs" | uniq -c)"
}

# At a terminal

test_a_change_that_nobody_confirms_is_undone() {
	prepare
	typed 5 expect="$PROMPT" -- apply --within 1
	nothing_happened
}

test_y_keeps_and_saves() {
	prepare
	typed 0 expect="$PROMPT" 'send=y\r' -- apply --within 15
	remember new
	are_not_live old
	was_kept
}

test_n_undoes_at_once() {
	prepare
	typed 5 expect="$PROMPT" 'send=n\r' -- apply --within 100
	nothing_happened
}

test_any_other_key_does_neither() {
	prepare
	typed 0 expect="$PROMPT" 'send=q\r' 'send=\r' expect="$PROMPT" 'send=y\r' -- apply --within 15
	remember new
	was_kept
}

test_what_is_typed_before_the_question_is_no_answer() {
	prepare
	typed 5 'send=y\r' expect="$PROMPT" -- apply --within 1
	nothing_happened
}

# It was not what that prompt has shown.
test_y_does_not_keep_the_change_that_took_the_place() {
	prepare
	lock_out | sed 's/-i lo/-s 192.0.2.1/' >"$ROOT/etc/other"
	typed 1 expect="$PROMPT" \
		run='"$FWSNAP" --root "$ROOT" apply --within 3 --replace-pending "$ROOT/etc/other"' 'send=y\r' -- \
		apply --within 15
	prints "another change took the place of this one"
	fwsnap 3 status
	prints pending
	comes_back old 3
	nothing_happened
}

test_a_record_that_somebody_removed_is_not_called_undone() {
	prepare
	typed 6 expect="$PROMPT" run='rm -r "$ROOT"/run/fwsnap/pending.*' -- apply --within 15
	prints "the record of the change is gone"
	never "verified"
	fwsnap 0 restore
	nothing_happened
}

test_the_end_of_input_is_no_answer() {
	prepare
	typed 5 expect="$PROMPT" 'send=\004' -- apply --within 1
	nothing_happened
}

test_Ctrl_C_undoes_at_once() {
	prepare
	typed 5 expect="$PROMPT" 'send=\003' -- apply --within 100
	nothing_happened
}

test_a_confirmation_from_elsewhere_ends_the_prompt() {
	prepare
	typed 0 expect="$PROMPT" run='"$TERMINAL" -- "$FWSNAP" --root "$ROOT" confirm' expect=confirmed -- \
		apply --within 15
	prints "confirmed from another session"
	remember new
	was_kept
}

test_a_rollback_from_elsewhere_ends_the_prompt() {
	prepare
	typed 5 expect="$PROMPT" run='"$FWSNAP" --root "$ROOT" rollback' -- apply --within 15
	nothing_happened
}

test_a_change_in_place_of_the_pending_one_ends_its_prompt() {
	prepare
	nft_rule 99 >"$TMP/other.nft"
	export TMP
	typed 1 expect="$PROMPT" \
		run='sleep 1; "$FWSNAP" --root "$ROOT" apply --replace-pending --within 3 "$TMP/other.nft"' -- \
		apply --within 100
	prints "took the place"
	comes_back old 4
	nothing_happened
}

test_a_hangup_leaves_it_to_the_guard() {
	prepare
	typed any expect="$PROMPT" hangup -- apply --within 2
	comes_back old 2
	nothing_happened
}

test_a_kill_at_the_prompt_leaves_it_to_the_guard() {
	prepare
	typed 137 expect="$PROMPT" kill -- apply --within 4
	are_not_live old
	comes_back old 4
	nothing_happened
}

test_a_foreground_that_is_stopped_stops_no_deadline() {
	prepare
	typed 5 expect="$PROMPT" run='kill -STOP $PID; sleep 3; kill -CONT $PID' -- apply --within 1
	nothing_happened
}

# Without a terminal

test_without_a_terminal_it_says_until_when_and_ends() {
	prepare
	begin 4
	prints "pending" "until"
	fwsnap 3 status
	prints "pending"
	comes_back old 4
	nothing_happened
}

test_without_a_terminal_and_a_time_nothing_happens() {
	prepare
	remember_files before
	fwsnap 2 apply
	says "--within" "--no-confirm"
	fwsnap 2 apply --within 0
	fwsnap 2 apply --within -1
	fwsnap 2 apply --within soon
	fwsnap 2 apply --within 99999999999999999999
	fwsnap 2 apply --within 5 --no-confirm
	are_live old
	files_are before
	nothing_happened
}

nft_rule() { # PORT
	printf 'table inet beside\ndelete table inet beside\ntable inet beside {\n'
	printf 'chain c { type filter hook input priority 5; tcp dport %s drop; }\n}\n' "$1"
}

test_a_change_in_place_of_the_pending_one_has_its_way_back() {
	prepare
	begin 100
	nft_rule 99 >"$TMP/other.nft"
	fwsnap 1 apply --within 2 "$TMP/other.nft"
	says "is pending"
	are_live new
	fwsnap 0 apply --replace-pending --within 2 "$TMP/other.nft"
	are_not_live new
	nft list table inet beside | grep -q 99 || fail "it is not in force"
	comes_back old 3
	nothing_happened
}

test_what_takes_the_place_of_the_pending_one_is_kept_alone() {
	prepare
	begin 100
	nft_rule 99 >"$TMP/other.nft"
	fwsnap 1 apply --replace-pending --within 100 /dev/null
	are_live new
	fwsnap 0 apply --replace-pending --no-confirm "$TMP/other.nft"
	remember new
	was_kept
}

test_hooks_run_after_the_undo_of_the_guard() {
	prepare
	mkdir -p "$ROOT/etc/fwsnap/hooks.d"
	cat >"$ROOT/etc/fwsnap/hooks.d/note" <<-END
		#!/bin/sh
		echo "\$1 \$FWSNAP_RESULT \$FWSNAP_COMMAND" >>$TMP/hooks
	END
	chmod 755 "$ROOT/etc/fwsnap/hooks.d/note"
	begin 1
	comes_back old 1
	within 2 grep -q '^post-rollback undone apply' "$TMP/hooks" || fail "$(cat "$TMP/hooks")"
	nothing_happened
}

test_a_live_command_has_no_more_than_the_time_to_confirm() {
	prepare
	fwsnap 5 run --live --within 1 -- sh -c 'iptables -F; sleep 6; iptables -P INPUT ACCEPT; iptables -A INPUT -j DROP'
	nothing_happened
}

test_no_confirm_keeps_and_saves_at_once() {
	prepare
	fwsnap 0 apply --no-confirm
	are_not_live old
	remember new
	was_kept
}

test_a_confirmation_saves() {
	prepare
	begin 15
	fwsnap 0 confirm
	was_kept
}

test_a_confirmation_by_id_saves_and_another_id_does_nothing() {
	local id
	prepare
	begin 15
	id=$(pending_id)
	[ -n "$id" ] || fail "no id"
	fwsnap 1 confirm nonsense
	says "what is pending is $id"
	fwsnap 1 confirm "${id}0"
	fwsnap 3 status
	prints "pending"
	fwsnap 0 confirm "$id"
	was_kept
}

test_a_confirmation_too_late_says_so() {
	prepare
	begin 1
	comes_back old 1
	fwsnap 1 confirm
	says "undone"
	nothing_happened
}

test_a_confirmation_of_nothing_says_so() {
	fwsnap 1 confirm
	says "nothing" "; the firewall is unchanged"
	prepare
	fwsnap 1 confirm
	fwsnap 1 confirm 5
	nothing_happened
}

test_a_rollback_undoes_what_is_pending() {
	prepare
	begin 100
	fwsnap 0 rollback
	nothing_happened
}

test_a_dry_run_of_a_rollback_undoes_nothing() {
	prepare
	begin 60
	fwsnap 3 rollback --dry-run
	says "this would undo $(pending_id)"
	are_live new
	fwsnap 0 rollback
	nothing_happened
}

test_a_second_change_is_refused_while_one_is_pending() {
	prepare
	begin 4
	fwsnap 1 apply --within 100
	says "pending"
	fwsnap 1 apply --no-confirm
	are_live new
	comes_back old 4
	nothing_happened
}

test_what_would_change_the_history_is_refused_while_a_change_is_pending() {
	local command
	prepare
	fwsnap 0 export 1 "$TMP/copy"
	begin 6
	for command in save restore "restore 1" prune "prune --keep 1" "import $TMP/copy"; do
		# shellcheck disable=SC2086
		fwsnap 1 $command
		says "pending"
	done
	for command in list "show 1" "show live" verify; do
		# shellcheck disable=SC2086
		fwsnap 0 $command
	done
	fwsnap 3 status
	are_live new
	comes_back old 6
	nothing_happened
}

test_another_namespace_keeps_its_hands_off_the_history_of_a_pending_change() {
	local command
	prepare
	begin 20
	# shellcheck disable=SC2016
	for command in save "apply --within 30" "apply --within 30 --replace-pending" "restore 1" prune; do
		unshare --net bash -euc 'iptables -A INPUT -j DROP; "$FWSNAP" --root "$0" '"$command" "$ROOT" \
			>"$TMP/out" 2>"$TMP/err" && fail "$command was done"
		says "another network namespace" "pending" "the firewall is unchanged"
	done
	fwsnap 0 confirm
	was_kept
}

test_unsaved_rules_come_back_and_are_in_the_history() {
	prepare
	iptables -A FORWARD -s 192.0.2.7 -j DROP
	remember unsaved
	typed 5 expect="$PROMPT" 'send=\003' -- apply --within 100
	are_live unsaved
	fwsnap 3 status
	fwsnap 0 list
	prints automatic
}

test_all_engines_come_back() {
	load_everything
	fwsnap 0 save
	remember old
	sed 's/:mail.*//' >"$ROOT/etc/iptables.test.rules" < <(lock_out)
	printf '%s\n' 'insert rule inet site input tcp dport 22 drop' 'delete element inet site ports { 25 }' \
		>"$ROOT/etc/nftables.test.rules"
	printf 'create mine hash:net\nadd mine 192.0.2.0/24\nadd friends 192.0.2.200\n' >"$ROOT/etc/ipset.test.rules"
	fwsnap 0 apply --within 1
	are_not_live old
	comes_back old 1
	nothing_happened
}

# By the numbers of what goes wrong elsewhere

test_R1_the_old_rules_come_back_after_Ctrl_C_and_after_a_hangup() {
	prepare
	for key in 'send=\003' hangup; do
		typed any expect="$PROMPT" "$key" -- apply --within 1
		comes_back old 1
	done
	nothing_happened
}

test_R2_a_table_that_was_not_there_is_not_there_again() {
	iptables-restore <<-'END'
		*filter
		:INPUT DROP [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
		COMMIT
	END
	fwsnap 0 save
	remember old
	cat >"$ROOT/etc/iptables.test.rules" <<-'END'
		*nat
		:PREROUTING ACCEPT [0:0]
		:INPUT ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		:POSTROUTING ACCEPT [0:0]
		-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 9
		COMMIT
	END
	fwsnap 0 apply --within 1
	iptables-save -t nat | grep -q REDIRECT
	comes_back old 1
	! nft list tables | grep nat || fail "the table stays"
	nothing_happened
}

test_R3_no_policy_of_the_new_rules_stays() {
	local family
	load_iptables
	fwsnap 0 save
	remember old
	for family in ip ip6; do
		lock_out | sed 's/ACCEPT/DROP/' >"$ROOT/etc/${family}tables.test.rules"
	done
	for key in 'send=\003' hangup; do
		typed any expect="$PROMPT" "$key" -- apply --within 1
		comes_back old 1
	done
	nothing_happened
}

test_R15_a_held_xtables_lock_is_waited_for_so_long_and_no_longer() {
	load_iptables legacy
	fwsnap 0 save
	remember old
	lock_out >"$ROOT/etc/iptables.test.rules"
	remember_files before
	hold_xtables_lock
	printf 'lock_wait = 1\n' >"$TMP/impatient"
	fwsnap 4 --config "$TMP/impatient" apply --within 2
	says "iptables' lock (waited 1 s); the firewall is unchanged"
	kill "$holder"
	are_live old
	files_are before
	nothing_happened
}

test_an_undo_outlasts_a_held_xtables_lock() {
	load_iptables legacy
	fwsnap 0 save
	remember old
	lock_out >"$ROOT/etc/iptables.test.rules"
	config "lock_wait = 1"
	begin 1
	hold_xtables_lock
	sleep 3.5
	kill "$holder"
	comes_back old 0
	nothing_happened
}

test_an_undo_outlasts_a_lock_that_is_never_given_back() {
	prepare
	begin 1
	flock --no-fork "$ROOT/run/fwsnap/lock" sleep 1000 &
	holder=$!
	comes_back old 1
	kill "$holder"
	nothing_happened
}

# No room, no right to write

# A file system of its own for a folder of the root, so small that it can be filled.
small() { # FOLDER
	mkdir -p "$ROOT/$1"
	mount -t tmpfs -o size=256k,mode=755 none "$ROOT/$1"
}

fill() { # FOLDER
	! dd if=/dev/zero of="$ROOT/$1/filler" bs=4k 2>/dev/null || fail "there is still room"
}

make_room() { # FOLDER
	rm "$ROOT/$1/filler"
}

read_only() { # FOLDER
	mount -o remount,ro "$ROOT/$1"
}

writable() { # FOLDER
	mount -o remount,rw "$ROOT/$1"
}

# BREAK REPAIR FOLDER MESSAGE: where nothing can be written a change does not begin.
refused_before() {
	small "$3"
	prepare
	"$1" "$3"
	fwsnap 1 apply --within 1
	says "$4" "; the firewall is unchanged"
	are_live old
	"$2" "$3"
	nothing_happened
}

test_a_full_run_stops_a_change_before_it_begins() {
	refused_before fill make_room run "No space left"
}

test_a_full_var_stops_a_change_before_it_begins() {
	refused_before fill make_room var "No space left"
}

test_a_full_etc_stops_a_change_before_it_begins() {
	small etc
	prepare
	fill etc
	fwsnap 1 apply --within 1
	says "No space left" "; the firewall is unchanged"
	make_room etc
	nothing_happened
}

test_a_read_only_store_stops_a_change_before_it_begins() {
	refused_before read_only writable var "Read-only"
}

# BREAK REPAIR FOLDER: the undo needs nothing that must be written.
undone_without() {
	small "$3"
	prepare
	begin 1
	"$1" "$3"
	comes_back old 1
	"$2" "$3"
	nothing_happened
}

test_an_undo_needs_no_room_in_run() {
	undone_without fill make_room run
}

test_an_undo_needs_no_room_in_var() {
	undone_without fill make_room var
}

test_an_undo_needs_no_store_that_can_be_written() {
	undone_without read_only writable var
}

test_a_confirmation_needs_no_room() {
	local folder
	for folder in run var; do
		small "$folder"
	done
	prepare
	begin 15
	for folder in run var; do
		fill "$folder"
	done
	fwsnap 0 confirm
	are_live new
	for folder in run var; do
		make_room "$folder"
	done
	was_kept
}

test_a_confirmation_that_cannot_be_written_leaves_it_pending() {
	small var
	prepare
	begin 5
	read_only var
	fwsnap 1 confirm
	says "Read-only" "pending"
	are_live new
	fwsnap 3 status
	prints "pending"
	comes_back old 5
	writable var
	nothing_happened
}

test_a_confirmation_can_be_tried_again() {
	small var
	prepare
	begin 15
	read_only var
	fwsnap 1 confirm
	writable var
	fwsnap 0 confirm
	was_kept
}

run_cases "$@"
