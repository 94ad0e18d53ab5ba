#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `restore --boot`: the ladder, rung by rung.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"
AT_ONCE=4

# STATUS WORD: the boot record says this
boots() {
	fwsnap "$1" restore --boot "${@:3}"
	grep -qx "rung: $2" "$ROOT"/run/fwsnap/boot.* || fail "the record does not say '$2': $(cat "$ROOT"/run/fwsnap/boot.*)"
}

# A machine that was switched off: nothing is in the kernel, nor in /run.
power_cycle() {
	lose
	rm -rf "$ROOT/run"
}

test_what_was_saved_is_loaded_by_no_program() {
	load_everything
	remember saved
	fwsnap 0 save
	power_cycle
	command -v strace >/dev/null || skip "strace is not installed"
	strace -f -qq -e trace=execve,fork,vfork,clone,clone3 -o "$TMP/trace" "$FWSNAP" --root "$ROOT" restore --boot
	[ "$(wc -l <"$TMP/trace")" = 1 ] || fail "it runs others: $(cat "$TMP/trace")"
	are_live saved
	grep -qx 'rung: exact' "$ROOT"/run/fwsnap/boot.*
}

test_nothing_was_ever_saved() {
	load_iptables
	remember now
	boots 0 nothing
	says "nothing was saved"
	are_live now
}

test_once_a_boot() {
	load_iptables
	fwsnap 0 save
	power_cycle
	boots 0 exact
	lose
	remember empty
	fwsnap 0 restore --boot
	are_live empty
	boots 0 exact --again
	are_not_live empty
}

test_ten_at_once() {
	local i pids=()
	load_everything
	remember saved
	fwsnap 0 save
	power_cycle
	for i in {0..9}; do
		"$FWSNAP" --root "$ROOT" restore --boot 2>"$TMP/err.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || fail "one of ten failed"; done
	are_live saved
	[ "$(cat "$TMP"/err.* | grep -c exactly)" = 1 ] || fail "not one of ten did it: $(cat "$TMP"/err.*)"
}

run_cases "$@"
