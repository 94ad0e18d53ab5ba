#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The history: tags, retention, copies to and from elsewhere.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

save_version() { # PORT
	nft "table ip x { chain c { tcp dport $1 accept; }; }"
	fwsnap 0 save -m "port $1"
}

ids_are() { # "ID ..."
	fwsnap 0 list
	[ "$(sed 's/^@/ /' "$TMP/out" | awk '{ print $1 }' | xargs)" = "$1" ] || fail "not the ids $1"
}

test_a_tag_can_be_given_moved_and_taken_away() {
	save_version 1
	save_version 2
	fwsnap 0 tag 1 good
	fwsnap 0 show good
	prints "snapshot 1"
	fwsnap 0 verify
	fwsnap 1 tag 2 good
	says "good"
	fwsnap 0 untag good
	fwsnap 1 show good
	fwsnap 1 untag good
	says "good"
	fwsnap 0 tag 2 good
	fwsnap 0 show good
	prints "snapshot 2"
	no_drift
}

test_an_unchanged_save_still_gives_its_tag() {
	save_version 1
	fwsnap 0 save --tag good
	says "unchanged"
	fwsnap 0 show good
	prints "snapshot 1"
}

test_a_tag_that_is_taken_stops_a_save_before_it_stores_anything() {
	save_version 1
	fwsnap 0 tag 1 good
	nft add table ip y
	remember_files before
	fwsnap 1 save --tag good
	says "good" "; the firewall is unchanged"
	files_are before
}

test_what_cannot_be_a_tag_is_refused() {
	local tag
	save_version 1
	for tag in 1 9a -x a/b 'a b' live text pending "$(printf 'a%.0s' {1..65})" '' ä; do
		fwsnap 2 tag @ -- "$tag"
		fwsnap 2 save "--tag=$tag"
	done
	ids_are 1
}

test_the_oldest_go_but_never_the_current_or_a_tagged_one() {
	config "keep = 3"
	save_version 1
	fwsnap 0 tag @ for-ever
	for port in 2 3 4 5 6; do
		save_version $port
	done
	ids_are "6 5 4 3 1"
	fwsnap 0 restore 3
	fwsnap 0 prune --keep 0 --dry-run
	prints "would remove snapshot 6" "would remove snapshot 4"
	never "snapshot 3" "snapshot 1"
	ids_are "6 5 4 3 1"
	fwsnap 0 prune --keep 0
	prints "removed snapshot 6"
	ids_are "3 1"
	no_drift
}

test_automatic_snapshots_are_kept_apart() {
	config "keep = 2" "keep_automatic = 1"
	for port in 1 2 3; do
		save_version "$port"
		nft add table ip "unsaved$port"
		fwsnap 0 restore
	done
	fwsnap 0 prune
	ids_are "6 5 3 1"
	fwsnap 0 --json list
	json '[.snapshots[].kind] == ["automatic", "saved", "saved", "saved"]'
}

test_a_number_is_not_used_again_while_a_newer_one_exists() {
	save_version 1
	save_version 2
	rm "$ROOT/var/lib/fwsnap/snapshots/1.tar.gz"
	save_version 3
	ids_are "3 2"
	fwsnap 0 verify
}

test_an_export_is_the_snapshot_byte_for_byte() {
	save_version 1
	fwsnap 0 export 1 "$TMP/copy.tar.gz"
	cmp "$TMP/copy.tar.gz" "$ROOT/var/lib/fwsnap/snapshots/1.tar.gz"
	fwsnap 0 export @
	cmp "$TMP/out" "$TMP/copy.tar.gz"
}

test_an_imported_snapshot_restores_the_same_rules_elsewhere() {
	load_everything
	remember saved
	fwsnap 0 save -m "for elsewhere"
	fwsnap 0 export @ "$TMP/copy.tar.gz"
	lose
	nft add table ip other
	ROOT=$TMP/elsewhere
	mkdir "$ROOT"
	fwsnap 0 save
	remember live
	fwsnap 0 import "$TMP/copy.tar.gz" --tag copied
	are_live live
	no_drift
	fwsnap 0 show copied
	prints "for elsewhere" "snapshot 2"
	fwsnap 0 verify
	fwsnap 0 restore copied
	are_live saved
	no_drift
}

import_text() { # FILE ARGUMENT...: imports, restores, compares with what was remembered
	lose
	remember nothing
	fwsnap 0 import "$@"
	are_live nothing
	fwsnap 0 restore 1
	are_live saved
	no_drift
}

test_an_iptables_text_can_be_imported() {
	load_iptables
	nft delete table ip6 nat
	nft delete table ip6 filter
	remember saved
	iptables-save >"$TMP/rules.v4"
	import_text "$TMP/rules.v4" -m "from a file"
	fwsnap 0 show 1 --format iptables
	cmp "$TMP/out" "$TMP/rules.v4"
}

test_an_ip6tables_text_is_known_by_its_name_or_type() {
	for chain in INPUT FORWARD OUTPUT; do
		ip6tables -A "$chain" -p tcp --dport 25 -j DROP
	done
	remember saved
	ip6tables-save >"$TMP/rules.v6"
	cp "$TMP/rules.v6" "$TMP/plain"
	import_text "$TMP/rules.v6"
	fwsnap 0 import "$TMP/plain" --type ip6tables
	fwsnap 0 restore 2
	are_live saved
}

test_an_nft_text_can_be_imported() {
	load_nft
	remember saved
	nft list ruleset >"$TMP/nftables.conf"
	import_text "$TMP/nftables.conf"
}

test_an_ipset_text_can_be_imported() {
	load_ipset
	remember saved
	ipset save >"$TMP/ipsets"
	import_text "$TMP/ipsets"
}

test_a_text_that_the_program_refuses_is_refused_with_its_line() {
	save_version 1
	remember_files before
	printf '*filter\n-A INPUT -j ACCEPT\n-A INPUT --dprot 25 -j ACCEPT\nCOMMIT\n' >"$TMP/v4"
	fwsnap 1 import "$TMP/v4"
	says "cannot load '$TMP/v4': line 3: unknown option \"--dprot\"" "; the firewall is unchanged"
	printf 'table ip x {\n  chain y { bad; }\n}\n' >"$TMP/nft"
	fwsnap 1 import "$TMP/nft"
	says "line 2:"
	files_are before
}

test_what_is_no_rules_is_not_imported() {
	save_version 1
	remember_files before
	printf 'hello\n' >"$TMP/hello"
	: >"$TMP/empty"
	head -c 4000 /dev/urandom >"$TMP/noise"
	for file in hello empty noise; do
		fwsnap 1 import "$TMP/$file"
		says "'$TMP/$file'"
	done
	fwsnap 1 import "$TMP/nowhere"
	fwsnap 1 import "$TMP"
	files_are before
}

test_verify_tells_which_snapshot_is_damaged() {
	save_version 1
	save_version 2
	save_version 3
	truncate -s -20 "$ROOT/var/lib/fwsnap/snapshots/2.tar.gz"
	fwsnap 7 verify
	says "2.tar.gz"
	prints "snapshot 1 is whole" "snapshot 3 is whole"
	dd if=/dev/zero of="$ROOT/var/lib/fwsnap/snapshots/2.tar.gz" bs=1 seek=20 count=40 conv=notrunc
	fwsnap 7 --json list
	json '[.snapshots[].id] == [3, 1]'
	fwsnap 0 verify 1 3
	fwsnap 0 restore 1
	no_drift
}

run_cases "$@"
