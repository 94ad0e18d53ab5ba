#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# busy: what a change does while another program changes rules, too
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

needs_apply() {
	"$FWSNAP" apply --help >/dev/null 2>&1 || skip "there is no apply yet"
}

# So many chains that reading them takes longer than the writer waits.
load_much() {
	{
		echo 'table ip much {'
		for n in {1..4000}; do
			echo "chain c$n { tcp dport $n accept; tcp dport $n drop; }"
		done
		echo '}'
	} | nft -f -
}

load_tables() {
	nft -f - <<-'END'
		table ip mine {
			chain input { type filter hook input priority 0; tcp dport 22 accept; }
		}
		table ip other {
			set visitors { type mark; timeout 1h; }
			chain c { }
		}
	END
}

# Runs both nft scripts in turns, 20 ms between them, until stop_writing; each one is a commit.
write_all_the_time() { # SCRIPT SCRIPT
	(
		while :; do
			nft "$1" && echo >>"$TMP/written"
			sleep 0.02
			nft "$2" && echo >>"$TMP/written"
			sleep 0.02
		done
	) &
	writer=$!
	until [ -s "$TMP/written" ]; do sleep 0.01; done
}

stop_writing() {
	kill "$writer"
	wait "$writer" || :
}

# Elements with a timeout are no drift: the writer's table stays as it is.
write_elsewhere() {
	write_all_the_time 'add element ip other visitors { 1 }' 'delete element ip other visitors { 1 }'
}

write_here() {
	write_all_the_time 'add rule ip mine input counter' 'flush chain ip mine input'
}

# STATUS WHEN ARGUMENT...: as fwsnap, but batches (those of WHEN, as strace counts) reach the kernel late.
fwsnap_late() {
	local want=$1 when=$2 status=0
	shift 2
	strace -o /dev/null true 2>/dev/null || skip "strace does not work here"
	export ASAN_OPTIONS=detect_leaks=0 # it would trace, too
	strace -f -o "$TMP/calls" -e trace=sendmsg,recvfrom,recvmsg -e "inject=sendmsg:delay_enter=200000:when=$when" \
		"$FWSNAP" --root "$ROOT" "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = "$want" ] || fail "fwsnap $*: exit status $status, not $want"
}

# How often the kernel refused a batch because somebody else was quicker.
times_overtaken() {
	grep -c 'error=-ERESTART' "$TMP/calls" || :
}

# Another table

test_restore_succeeds_beside_a_writer_to_another_table() {
	local before
	load_tables
	load_much
	fwsnap 0 save
	nft add rule ip mine input drop
	nft add rule ip much c7 drop
	write_elsewhere
	before=$(wc -l <"$TMP/written")
	fwsnap 0 restore
	[ "$(wc -l <"$TMP/written")" -gt "$before" ] || fail "nothing was written meanwhile"
	stop_writing
	no_drift
}

test_save_succeeds_beside_a_writer_to_another_table() {
	load_tables
	load_much
	write_elsewhere
	fwsnap 0 save
	stop_writing
	no_drift
}

test_a_batch_that_another_table_overtook_is_sent_again() {
	load_tables
	fwsnap 0 save
	nft add rule ip mine input drop
	write_elsewhere
	fwsnap_late 0 1 restore
	stop_writing
	[ "$(times_overtaken)" = 1 ] || fail "it was not overtaken once"
	no_drift
}

test_apply_succeeds_beside_a_writer_to_another_table() {
	needs_apply
	load_tables
	load_much
	fwsnap 0 save
	echo 'add rule ip mine input tcp dport 23 accept' >"$TMP/new.nft"
	write_all_the_time 'add rule ip other c counter' 'flush chain ip other c'
	fwsnap 0 apply --no-confirm "$TMP/new.nft"
	stop_writing
	nft list chain ip mine input | grep -q 'tcp dport 23 accept'
}

# The table that is changed

test_restore_gives_up_where_its_table_changes_all_the_time() {
	load_tables
	fwsnap 0 save
	write_here
	fwsnap_late 1 1+ restore
	stop_writing
	says "changed" "ip mine by" "; the firewall is unchanged"
	[ "$(times_overtaken)" -le 3 ] || fail "it was overtaken $(times_overtaken) times, not at most 3"
}

test_apply_gives_up_where_its_table_changes_all_the_time() {
	needs_apply
	load_tables
	fwsnap 0 save
	echo 'add rule ip mine input tcp dport 23 accept' >"$TMP/new.nft"
	write_here
	fwsnap_late 1 1+ apply --no-confirm "$TMP/new.nft"
	stop_writing
	says "changed" "ip mine by" "; the firewall is unchanged"
	! nft list chain ip mine input | grep -q 'tcp dport 23' || fail "it is in force"
}

test_restore_overcomes_one_change_of_its_table() {
	load_tables
	fwsnap 0 save
	nft add rule ip mine input drop
	(
		until grep -qs sendmsg "$TMP/calls"; do sleep 0.01; done
		nft add rule ip mine input counter
	) &
	fwsnap_late 0 1 restore
	[ "$(times_overtaken)" = 1 ] || fail "it was not overtaken once"
	no_drift
}

run_cases "$@"
