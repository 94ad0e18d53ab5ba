#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run: whatever a command does to the firewall; and the hooks around changes
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

load_host() {
	load_iptables nft
	fwsnap 0 save -m 'as it was'
	remember before
}

ban=(iptables-nft -I INPUT -s 198.51.100.9 -j DROP)

is_banned() {
	iptables-nft -S INPUT | grep -q 198.51.100.9
}

private_etc() { # /etc of the case, for files that commands write
	mkdir "$TMP/etc"
	cp -a /etc/. "$TMP/etc"
	mount --bind "$TMP/etc" /etc
}

# A program in hooks.d; its text is read from stdin.
hook() { # NAME
	mkdir -p "$ROOT/etc/fwsnap/hooks.d"
	cat >"$ROOT/etc/fwsnap/hooks.d/$1"
	chmod 755 "$ROOT/etc/fwsnap/hooks.d/$1"
}

# A hook that notes what it was called with.
noting_hook() { # NAME
	hook "$1" <<-END
		#!/bin/sh
		echo "$1 \$1 \$FWSNAP_EVENT [\$FWSNAP_COMMAND] \$FWSNAP_RESULT \$FWSNAP_ROOT" >>"$TMP/noted"
	END
}

noted() { # LINE...
	printf '%s\n' "$@" >"$TMP/want"
	diff "$TMP/want" "$TMP/noted" || fail "other hooks were run"
	rm "$TMP/noted"
}

# run

test_what_a_command_does_is_shown_swapped_in_and_saved() {
	load_host
	fwsnap 0 run --no-confirm -m 'ban' -- "${ban[@]}"
	prints "+ -A INPUT -s 198.51.100.9/32 -j DROP" "1 rule added"
	says "kept as snapshot 2"
	is_banned
	no_drift
	fwsnap 0 list
	prints "ban"
}

test_what_a_command_did_is_undone_at_the_deadline() {
	load_host
	fwsnap 0 run --within 1 -- "${ban[@]}"
	is_banned
	comes_back before 1
	no_drift
}

test_a_script_is_one_change_or_none() {
	load_host
	fwsnap 1 run --no-confirm -- sh -c 'iptables-nft -F; iptables-nft -A INPUT -j NOWHERE'
	says "ended with exit status" "the firewall is unchanged"
	are_live before
	fwsnap 1 run --no-confirm -- sh -c 'iptables-nft -F INPUT; kill -9 $$'
	says "was ended by signal 9" "the firewall is unchanged"
	are_live before
	fwsnap 1 run --no-confirm -- sh -c 'iptables-nft -P INPUT ACCEPT; iptables-nft -F INPUT'
	says "this opens the host" "ip filter INPUT" "--allow-empty"
	are_live before
	fwsnap 1 run --no-confirm -- no-such-command
	says "cannot run 'no-such-command'" "the firewall is unchanged"
	are_live before
	no_drift
}

test_a_command_that_changes_nothing_is_done() {
	load_host
	fwsnap 0 run --within 60 -- iptables-nft -S INPUT
	prints "-A INPUT -i lo -j ACCEPT"
	says "this changes nothing"
	are_live before
}

test_a_dry_run_of_a_command_changes_nothing() {
	load_host
	remember_files before
	fwsnap 3 run --dry-run -- "${ban[@]}"
	prints "+ -A INPUT -s 198.51.100.9/32 -j DROP"
	are_live before
	files_are before
}

test_files_that_a_command_wrote_are_named_when_it_is_undone() {
	private_etc
	load_host
	fwsnap 0 run --within 60 -- sh -c 'echo here >/etc/somebody.conf; "$@"' sh "${ban[@]}"
	fwsnap 3 status
	prints "NOT undone: /etc/somebody.conf"
	fwsnap 0 rollback
	says "NOT undone: /etc/somebody.conf" "undone: the old rules are back, verified"
	are_live before
}

test_a_live_command_is_run_behind_the_guard() {
	load_host
	fwsnap 0 run --live --within 60 -- "${ban[@]}"
	prints "+ -A INPUT -s 198.51.100.9/32 -j DROP" "pending"
	is_banned
	fwsnap 0 rollback
	are_live before
	fwsnap 0 run --live --within 1 -- "${ban[@]}"
	comes_back before 1
	fwsnap 0 run --live --no-confirm -m 'ban' -- "${ban[@]}"
	is_banned
	no_drift
	fwsnap 0 list
	prints "ban"
}

test_a_live_command_that_fails_is_undone() {
	private_etc
	load_host
	fwsnap 5 run --live --within 60 -- sh -c 'echo here >/etc/somebody.conf; iptables-nft -F; exit 3'
	says "'sh' ended with exit status 3" "NOT undone: /etc/somebody.conf" "undone: the old rules are back, verified"
	are_live before
	no_drift
	fwsnap 2 run --live --dry-run -- true
	says "--live has no --dry-run"
}

# A terminal would obey it.
test_no_control_character_is_said() {
	local escape=$'\e]0;owned\a\xc2\x9b31m'
	private_etc
	load_host
	fwsnap 1 run --within 60 -- "/nope$escape"
	says 'cannot run '"'"'/nope\x1b]0;owned\x07\xc2\x9b31m'"'"': No such file'
	printf '*filter\n-A INPUT --%s -j DROP\nCOMMIT\n' "$escape" >"$TMP/text"
	fwsnap 1 apply --within 60 "$TMP/text"
	says '\x1b]0;owned\x07'
	# shellcheck disable=SC2016
	fwsnap 0 run --within 60 -- sh -c 'touch "/etc/$0"; iptables-nft -I INPUT -s 198.51.100.9 -j DROP' "$escape"
	fwsnap 3 status
	prints 'NOT undone: /etc/\x1b]0;owned\x07\xc2\x9b31m'
	fwsnap 0 rollback
	says 'NOT undone: /etc/\x1b]0;owned\x07\xc2\x9b31m'
}

test_the_name_of_a_change_has_a_limit() {
	local long
	long=$(head -c 100000 /dev/zero | tr '\0' x)
	load_host
	noting_hook 10-note
	fwsnap 0 run --within 60 -- sh -c 'iptables-nft -I INPUT -s 198.51.100.9 -j DROP' "$long" "$long"
	fwsnap 0 rollback
	says "xxx...'"
	[ "$(wc -c <"$TMP/err")" -lt 2000 ] || fail "it is as long as the command"
	are_live before
}

test_a_command_that_cannot_be_run_is_a_failure() {
	load_host
	fwsnap 1 run --within 60 -- /nope
	fwsnap 1 run --within 60 -- /etc/passwd
	says "cannot run '/etc/passwd': Permission denied; the firewall is unchanged"
	fwsnap 5 run --live --within 60 -- /etc/passwd
	are_live before
}

# hooks

test_hooks_are_run_around_a_change_in_their_order() {
	local what
	load_host
	noting_hook 20-second
	noting_hook 10-first
	noting_hook not.run
	noting_hook not-executable
	chmod -x "$ROOT/etc/fwsnap/hooks.d/not-executable"
	what="run -- ${ban[*]}"
	fwsnap 0 run --no-confirm -- "${ban[@]}"
	noted "10-first pre-change pre-change [$what]  $ROOT" "20-second pre-change pre-change [$what]  $ROOT" \
		"10-first post-change post-change [$what] done $ROOT" "20-second post-change post-change [$what] done $ROOT"
	fwsnap 0 rollback
	rm -f "$TMP/noted"
	rm "$ROOT/etc/fwsnap/hooks.d/20-second"
	fwsnap 0 run --within 60 -- "${ban[@]}"
	noted "10-first pre-change pre-change [$what]  $ROOT" "10-first post-change post-change [$what] pending $ROOT"
	fwsnap 0 confirm
}

test_a_hook_can_forbid_a_change() {
	load_host
	remember_files before
	hook 10-forbid <<-'END'
		#!/bin/sh
		[ "$1" != pre-change ] || { echo "not on a Friday"; exit 3; }
	END
	noting_hook 20-later
	remember_files before
	fwsnap 1 run --no-confirm -- "${ban[@]}"
	says "hook '$ROOT/etc/fwsnap/hooks.d/10-forbid' says: not on a Friday" \
		"hook '$ROOT/etc/fwsnap/hooks.d/10-forbid' forbids it: exit status 3; the firewall is unchanged"
	are_live before
	files_are before
	[ ! -e "$TMP/noted" ] || fail "the hooks behind it were run"
	no_leftovers
	fwsnap 0 status
	never pending
}

test_a_hook_that_fails_afterwards_is_reported() {
	load_host
	hook 10-late <<-'END'
		#!/bin/sh
		[ "$1" = pre-change ]
	END
	fwsnap 0 run --no-confirm -- "${ban[@]}"
	says "warning: hook '$ROOT/etc/fwsnap/hooks.d/10-late' (post-change) failed: exit status 1"
	is_banned
}

test_a_hook_that_others_could_write_is_not_run() {
	load_host
	noting_hook 10-open
	chmod 757 "$ROOT/etc/fwsnap/hooks.d/10-open"
	noting_hook 20-group
	chmod 775 "$ROOT/etc/fwsnap/hooks.d/20-group"
	noting_hook 30-theirs
	chown nobody "$ROOT/etc/fwsnap/hooks.d/30-theirs"
	fwsnap 0 run --no-confirm -- "${ban[@]}"
	[ ! -e "$TMP/noted" ] || fail "one was run"
	says "10-open' is not run" "20-group' is not run" "30-theirs' is not run"
}

test_in_a_folder_that_others_could_write_no_hook_is_run() {
	load_host
	noting_hook 10-planted
	chmod 777 "$ROOT/etc/fwsnap/hooks.d"
	fwsnap 0 run --no-confirm -- "${ban[@]}"
	[ ! -e "$TMP/noted" ] || fail "it was run"
	says "no hook of '$ROOT/etc/fwsnap/hooks.d' is run: others than root can write there"
}

test_hooks_hear_of_a_guarded_restore_and_of_a_step_back() {
	load_host
	"${ban[@]}"
	noting_hook 10-note
	fwsnap 0 restore --within 60
	noted "10-note pre-change pre-change [restore @]  $ROOT" "10-note post-change post-change [restore @] pending $ROOT"
	fwsnap 0 confirm
	"${ban[@]}"
	fwsnap 0 rollback
	noted "10-note post-rollback post-rollback [rollback] undone $ROOT"
	are_live before
}

test_a_hook_that_cannot_run_forbids() {
	load_host
	hook 10-broken <<-'END'
		#!/no/such/interpreter
	END
	fwsnap 1 run --no-confirm -- "${ban[@]}"
	says "10-broken' forbids it" "the firewall is unchanged"
	are_live before
}

test_a_hook_that_hangs_keeps_nobody_from_the_lock() {
	load_host
	hook 10-hangs <<-'END'
		#!/bin/sh
		[ "$1" = pre-change ] || exec sleep 50
	END
	config "lock_wait = 1"
	"$FWSNAP" --root "$ROOT" run --within 2 -- "${ban[@]}" >"$TMP/run" 2>&1 &
	within 5 hangs || fail "the hook was not run"
	fwsnap 0 confirm
	kill $!
	fwsnap 0 restore 1
	"$FWSNAP" --root "$ROOT" run --within 1 -- "${ban[@]}" >"$TMP/run" 2>&1 &
	within 5 is_banned || fail "it was not changed"
	comes_back before 1
	fwsnap 1 confirm
	says "too late" "was undone"
}

hangs() {
	pgrep -fx "sleep 50" >/dev/null
}

run_cases "$@"
