#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the text files carry, and what becomes of files that were there before.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

alone_after_save() { # [iptables variant]
	remember saved
	fwsnap 0 save
	load_texts_alone "${1:-nft}" "${@:2}"
	alone_is saved
}

test_the_nft_text_alone_gives_the_rules() {
	load_nft
	alone_after_save
}

test_the_iptables_nft_texts_alone_give_the_rules() {
	load_iptables nft
	alone_after_save nft
	[ ! -e "$ROOT/etc/nftables.up.rules" ] || fail "a second text"
}

test_the_legacy_texts_alone_give_the_rules() {
	load_iptables legacy
	alone_after_save legacy
}

test_the_texts_of_all_engines_alone_give_the_rules() {
	load_everything
	alone_after_save legacy
}

test_the_nft_text_loaded_twice_does_not_double() {
	load_nft
	alone_after_save nft twice
}

test_the_nft_text_replaces_its_own_tables_only() {
	load_nft
	fwsnap 0 save
	lose
	nft 'table ip other { chain c { accept; }; }'
	nft -f "$ROOT/etc/nftables.up.rules"
	nft list table ip other
	nft list table inet site
}

test_plain_tar_and_stock_programs_open_a_snapshot() {
	load_iptables
	remember saved
	fwsnap 0 save
	mkdir "$TMP/x"
	tar xzf "$ROOT/var/lib/fwsnap/snapshots/1.tar.gz" -C "$TMP/x"
	cmp "$TMP/x/iptables.rules" "$ROOT/etc/iptables.up.rules"
	lose
	iptables-nft-restore <"$TMP/x/iptables.rules"
	ip6tables-nft-restore <"$TMP/x/ip6tables.rules"
	are_live saved
}

# iptables-save would print "Table `filter' is incompatible", and exit with 0.
test_a_native_rule_in_ip_filter_goes_to_the_nft_text() {
	load_iptables
	fwsnap 0 save
	nft flush table ip filter
	nft add rule ip filter INPUT ct state vmap '{ established : accept, invalid : drop }'
	remember native
	fwsnap 0 save
	grep -q 'ct state vmap' "$ROOT/etc/nftables.up.rules"
	! grep -q '^\*filter' "$ROOT/etc/iptables.up.rules" || fail "filter is in the iptables text, too"
	load_texts_alone nft
	alone_is native
	lose
	fwsnap 0 restore
	are_live native
}

# iptables-save would print "-A INPUT -j ACCEPT".
test_a_native_address_set_never_becomes_accept_all() {
	iptables -A INPUT -j DROP
	nft flush chain ip filter INPUT
	nft 'add rule ip filter INPUT ip saddr { 192.0.2.1, 192.0.2.2 } accept'
	iptables-nft-save | grep -qx -- '-A INPUT -j ACCEPT' || skip "this iptables prints it right"
	remember native
	fwsnap 0 save
	! grep -rq -- '-A INPUT -j ACCEPT' "$ROOT/etc" || fail "an accept-all was written"
	fwsnap 0 show @ --format iptables
	never '-A INPUT -j ACCEPT'
	load_texts_alone nft
	alone_is native
}

mix_xt_and_native() {
	iptables -A INPUT -p tcp -m string --algo bm --string foo -j DROP
	nft 'add rule ip filter INPUT ip saddr { 192.0.2.1, 192.0.2.2 } accept'
}

test_a_mixed_table_is_kept_exactly_named_and_exit_8() {
	mix_xt_and_native
	remember mixed
	fwsnap 8 save
	says "warning: no text carries 'ip filter'" "kept exactly"
	fwsnap 8 save
	says "unchanged since snapshot 1" "warning: no text carries 'ip filter'"
	fwsnap 0 show @
	prints "ip filter" "kept exactly"
	fwsnap 0 --json list
	json '.snapshots[0].proof.exact == 1'
	lose
	fwsnap 0 restore
	are_live mixed
	no_drift
}

test_a_mixed_table_leaves_the_good_text_that_is_there_alone() {
	iptables -A INPUT -p tcp --dport 22 -j ACCEPT
	fwsnap 0 save
	cp "$ROOT/etc/iptables.up.rules" "$TMP/good"
	mix_xt_and_native
	fwsnap 8 save
	cmp "$ROOT/etc/iptables.up.rules" "$TMP/good"
	fwsnap 0 status
	prints "/etc/iptables.up.rules: stale"
}

test_a_text_that_would_lose_a_table_does_not_replace_one_that_has_it() {
	iptables -A INPUT -p tcp --dport 22 -j ACCEPT
	iptables -t nat -A PREROUTING -p tcp --dport 2525 -j REDIRECT --to-ports 25
	fwsnap 0 save
	cp "$ROOT/etc/iptables.up.rules" "$TMP/good"
	mix_xt_and_native
	fwsnap 8 save
	says "'/etc/iptables.up.rules' stays as it is"
	cmp "$ROOT/etc/iptables.up.rules" "$TMP/good"
	iptables -t nat -A PREROUTING -p tcp --dport 2526 -j REDIRECT --to-ports 25
	fwsnap 8 save
	cmp "$ROOT/etc/iptables.up.rules" "$TMP/good"
}

test_a_text_whose_rules_are_gone_goes_too() {
	load_iptables
	load_nft
	fwsnap 0 save
	nft delete table inet site
	nft delete table netdev edge
	fwsnap 0 save
	[ ! -e "$ROOT/etc/nftables.up.rules" ] || fail "it is still there"
	[ -e "$ROOT/etc/iptables.up.rules" ] || fail "the other one went"
}

test_counters_are_in_the_text_if_asked_for() {
	iptables-legacy-restore -c <<<$'*filter\n:INPUT DROP [1:2]\n[5:500] -A INPUT -p tcp -j ACCEPT\nCOMMIT' ||
		skip "the kernel has no legacy tables"
	fwsnap 0 save
	! grep -q '5:500' "$ROOT/etc/iptables.up.rules" || fail "counters that nobody asked for"
	fwsnap 0 save --counters
	grep -q '\[5:500\] -A INPUT' "$ROOT/etc/iptables.up.rules"
}

# A text that somebody edited, or that fwsnap never wrote.

replaced_is() { # ID FILE
	tar xzOf "$ROOT/var/lib/fwsnap/snapshots/$1.tar.gz" replaced/etc/iptables.up.rules | cmp - "$2"
}

test_a_file_of_another_program_is_kept_byte_for_byte() {
	head -c 5000 /dev/urandom >"$TMP/other"
	cp "$TMP/other" "$ROOT/etc/iptables.up.rules"
	load_iptables
	fwsnap 0 save
	says "/etc/iptables.up.rules'" "snapshot 1 keeps it"
	replaced_is 1 "$TMP/other"
	fwsnap 0 verify
}

test_an_edited_text_is_kept_byte_for_byte() {
	load_iptables
	fwsnap 0 save
	echo '# my own' >>"$ROOT/etc/iptables.up.rules"
	cp "$ROOT/etc/iptables.up.rules" "$TMP/edited"
	fwsnap 0 status
	prints "/etc/iptables.up.rules: edited"
	fwsnap 0 save
	says "snapshot 2 keeps it"
	replaced_is 2 "$TMP/edited"
	fwsnap 0 status
	prints "/etc/iptables.up.rules: as saved"
}

test_an_edited_text_whose_rules_are_gone_is_kept_too() {
	load_iptables
	fwsnap 0 save
	echo '# my own' >>"$ROOT/etc/iptables.up.rules"
	cp "$ROOT/etc/iptables.up.rules" "$TMP/edited"
	lose
	fwsnap 0 save
	[ ! -e "$ROOT/etc/iptables.up.rules" ] || fail "it is still there"
	replaced_is 2 "$TMP/edited"
}

test_a_text_that_was_deleted_is_written_again() {
	load_iptables
	fwsnap 0 save
	rm "$ROOT/etc/iptables.up.rules"
	fwsnap 0 status
	prints "/etc/iptables.up.rules: missing"
	fwsnap 0 save
	[ -s "$ROOT/etc/iptables.up.rules" ]
}

test_owner_and_mode_of_a_replaced_file_stay_and_get_no_wider() {
	echo old >"$ROOT/etc/iptables.up.rules"
	echo old >"$ROOT/etc/ip6tables.up.rules"
	chown 0:4 "$ROOT/etc/iptables.up.rules"
	chmod 640 "$ROOT/etc/iptables.up.rules"
	chmod 666 "$ROOT/etc/ip6tables.up.rules"
	load_iptables
	load_nft
	fwsnap 0 save
	[ "$(stat -c %a:%g "$ROOT/etc/iptables.up.rules")" = 640:4 ]
	[ "$(stat -c %a "$ROOT/etc/ip6tables.up.rules")" = 640 ]
	[ "$(stat -c %a "$ROOT/etc/nftables.up.rules")" = 600 ]
	[ "$(stat -c %a "$ROOT/var/lib/fwsnap" "$ROOT/var/lib/fwsnap/snapshots" | xargs)" = "700 700" ]
	[ "$(stat -c %a "$ROOT/var/lib/fwsnap/snapshots/1.tar.gz")" = 600 ]
}

# Where the texts go.

test_layout_debian_writes_to_the_places_of_Debian() {
	load_iptables
	load_ipset
	load_nft
	config "layout = debian"
	fwsnap 0 save
	[ "$(cd "$ROOT/etc" && find . -type f ! -name fwsnap.conf | sort | xargs)" = \
		"./iptables/ipsets ./iptables/rules.v4 ./iptables/rules.v6 ./nftables.up.rules" ] ||
		fail "$(find "$ROOT/etc")"
}

test_layout_redhat_writes_to_the_places_of_RedHat() {
	load_iptables
	config "layout = redhat"
	fwsnap 0 save
	[ "$(cd "$ROOT/etc" && find . -type f ! -name fwsnap.conf | sort | xargs)" = \
		"./sysconfig/ip6tables ./sysconfig/iptables" ] || fail "$(find "$ROOT/etc")"
}

test_a_single_path_overrides_the_layout() {
	load_iptables
	config "iptables = /etc/firewall/v4" "store = /srv/history" "layout = debian"
	fwsnap 0 save
	[ -s "$ROOT/etc/firewall/v4" ]
	[ -s "$ROOT/etc/iptables/rules.v6" ]
	[ -s "$ROOT/srv/history/snapshots/1.tar.gz" ]
	[ ! -e "$ROOT/var" ]
	lose
	fwsnap 0 restore
	no_drift
}

test_path_none_writes_no_text_and_keeps_the_rules_exactly() {
	load_iptables
	remember saved
	config "iptables = none" "ip6tables = none" "nftables = none" "ipset = none"
	fwsnap 0 save
	[ "$(find "$ROOT/etc" -type f)" = "$ROOT/etc/fwsnap/fwsnap.conf" ]
	fwsnap 0 save
	says "unchanged"
	lose
	fwsnap 0 restore
	are_live saved
}

test_a_text_is_left_alone_where_its_path_becomes_none() {
	load_iptables
	fwsnap 0 save
	config "iptables = none"
	iptables -A INPUT -j DROP
	cp "$ROOT/etc/iptables.up.rules" "$TMP/old"
	fwsnap 0 save
	cmp "$TMP/old" "$ROOT/etc/iptables.up.rules"
}

run_cases "$@"
