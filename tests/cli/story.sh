#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an administrator does all day: save, lose, restore, look.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

round_trip() {
	remember saved
	fwsnap 0 save
	no_drift
	lose
	fwsnap 3 status
	fwsnap 0 restore
	are_live saved
	no_drift
}

test_nft_comes_back_exactly() {
	load_nft
	round_trip
}

test_iptables_nft_comes_back_exactly_v4_and_v6() {
	load_iptables nft
	round_trip
}

test_legacy_comes_back_exactly_v4_and_v6() {
	load_iptables legacy
	round_trip
}

test_all_engines_together_come_back_exactly() {
	load_everything
	round_trip
}

test_tables_of_equal_priority_come_back_in_their_order() {
	nft 'table inet a { chain c { type filter hook input priority 0; accept; }; }'
	load_iptables
	nft 'table inet b { chain c { type filter hook input priority 0; accept; }; }'
	fwsnap 8 save
	nft delete table inet a
	nft 'table inet a { chain c { type filter hook input priority 0; accept; }; }'
	fwsnap 3 status
	fwsnap 0 restore
	no_drift
	lose
	fwsnap 0 restore
	no_drift
}

test_counters_come_back_as_they_were_saved() {
	iptables-legacy-restore -c <<-'END' || skip "the kernel has no legacy tables"
		*filter
		:INPUT ACCEPT [7:700]
		:FORWARD DROP [1:60]
		:OUTPUT ACCEPT [0:0]
		[5:500] -A INPUT -p tcp -m tcp --dport 25 -j ACCEPT
		COMMIT
	END
	nft 'table ip x { counter c { packets 3 bytes 30 }; chain y { counter packets 9 bytes 90 accept; }; }'
	fwsnap 0 save
	lose
	fwsnap 0 restore
	iptables-legacy-save -c >"$TMP/out"
	nft list ruleset >>"$TMP/out"
	prints ':INPUT ACCEPT [7:700]' ':FORWARD DROP [1:60]' '[5:500] -A INPUT -p tcp -m tcp --dport 25' \
		'packets 3 bytes 30' 'packets 9 bytes 90'
}

test_a_restore_touches_no_table_that_is_equal() {
	load_iptables
	load_nft
	fwsnap 0 save
	nft -a list table inet site >"$TMP/before"
	iptables -F
	fwsnap 0 restore
	nft -a list table inet site | diff "$TMP/before" -
	no_drift
}

test_a_second_save_says_unchanged_and_makes_no_version() {
	load_nft
	fwsnap 0 save
	remember_files one
	fwsnap 0 save
	says "unchanged since snapshot 1"
	files_are one
}

test_a_restore_of_what_is_live_changes_nothing() {
	load_nft
	fwsnap 0 save
	remember_files one
	remember one
	fwsnap 0 restore
	says "already"
	files_are one
	are_live one
}

test_nothing_to_save_is_saved_as_nothing() {
	fwsnap 0 save
	load_nft
	fwsnap 0 restore
	[ -z "$(nft list ruleset)" ] || fail "rules are left"
	no_drift
}

# A REF is what restore, show, verify and tag take.
test_every_form_of_REF_names_its_snapshot() {
	local ref
	for port in 1 2 3 4; do
		nft "table ip x { chain y { tcp dport $port accept; }; }"
		remember "$port"
		fwsnap 0 save -m "port $port" --tag "tag-$port"
	done
	for ref in 1:1 3:3 tag-2:2 @:2 @~1:1 4:4 @~2:2 @~0:2 tag-4:4 @~3:1; do
		fwsnap 0 restore "${ref%:*}"
		are_live "${ref#*:}"
		no_drift
	done
	fwsnap 0 show tag-3
	prints "snapshot 3" "port 3" "tag-3"
	fwsnap 0 verify @ tag-2
	prints "snapshot 1 is whole" "snapshot 2 is whole"
}

test_an_unknown_REF_is_refused() {
	local ref
	load_nft
	fwsnap 0 save
	lose
	for ref in 2 0 nobody @~1 @~x 99999999999999999999 -- ../1 1x @1; do
		[ "$ref" != -- ] || continue
		fwsnap 1 restore "$ref"
		says "'$ref'" "; the firewall is unchanged"
		fwsnap 1 show "$ref"
		says "'$ref'"
	done
	[ -z "$(nft list ruleset)" ] || fail "something was loaded"
}

test_commands_without_any_history_say_so() {
	fwsnap 1 restore
	says "nothing was saved yet" "; the firewall is unchanged"
	fwsnap 1 show @
	says "nothing was saved yet"
	fwsnap 1 verify
	fwsnap 1 tag @ x
	fwsnap 1 export @ "$TMP/x"
	fwsnap 0 list
	fwsnap 0 --json list
	json '.snapshots == []'
	load_nft
	fwsnap 3 status
	prints "nothing yet" "the live rules are not saved"
	[ ! -e "$ROOT/var" ] || fail "a store was made"
}

test_list_shows_the_newest_first_with_its_story() {
	load_iptables
	fwsnap 0 save -m "the first" --tag one
	load_nft
	fwsnap 0 save -m "the second"
	fwsnap 0 list
	grep -q '^@ *2 .* root .*the second$' "$TMP/out" || fail "no line of snapshot 2"
	grep -q '^  *1 .*\[one\] the first$' "$TMP/out" || fail "no line of snapshot 1"
	[ "$(awk '{ sub(/^@/, ""); print $1 }' "$TMP/out" | xargs)" = "2 1" ] || fail "another order"
}

test_status_names_what_differs() {
	load_iptables
	load_nft
	fwsnap 0 save
	iptables -A INPUT -j DROP
	nft delete table inet site
	nft add table arp new
	fwsnap 3 status
	prints "snapshot 1" "ip filter" "inet site is missing"
	never "ip6 filter"
}

test_dry_run_prints_what_would_change_and_changes_nothing() {
	load_iptables
	load_nft
	fwsnap 0 save
	nft delete table inet site
	nft 'table ip extra { chain c { type filter hook input priority 0; policy drop; }; }'
	iptables -A INPUT -j DROP
	remember now
	remember_files now
	fwsnap 3 restore --dry-run
	prints "inet site" "ip extra" "ip filter"
	never "ip6 filter"
	are_live now
	files_are now
	fwsnap 0 restore
	fwsnap 0 restore --dry-run
	[ ! -s "$TMP/out" ] || fail "something would change"
}

test_show_prints_the_texts_that_were_saved() {
	load_everything
	fwsnap 0 save
	for text in iptables:iptables ip6tables:ip6tables nft:nftables ipset:ipset; do
		fwsnap 0 show @ --format "${text%:*}"
		cmp "$TMP/out" "$ROOT/etc/${text#*:}.up.rules"
	done
}

test_show_prints_the_live_rules_as_text() {
	load_iptables
	load_nft
	fwsnap 0 show
	prints "inet site" "ip filter" "ip6 nat"
	fwsnap 0 show --format iptables
	prints "-A mail -p tcp -m multiport --dports 25,587,110,995,143,993 -j ACCEPT"
	fwsnap 0 show --format nft
	prints "ct state vmap"
}

test_json_has_the_documented_keys() {
	load_nft
	fwsnap 0 save -m "why \"so\"" --tag one
	fwsnap 0 --json list
	json '.snapshots | length == 1'
	json '.snapshots[0] | .id == 1 and .kind == "saved" and .current and .tags == ["one"]'
	json '.snapshots[0] | .message == "why \"so\"" and .user == "root" and .host and .kernel'
	json '.snapshots[0] | has("from") and (.size | type == "number") and .tables == 2 and .rules == 5'
	json '.snapshots[0] | (.sets | type == "number") and (.elements == 4)'
	json '.snapshots[0].created > 1e9'
	json '.snapshots[0].proof == {iptables: 0, ip6tables: 0, nftables: 2, ipset: 0, exact: 0}'
	fwsnap 0 --json show @
	json '.id == 1 and (.tables | map(.name) | sort == ["edge", "site"]) and (.links | index("lo"))'
	json '.tables[] | select(.name == "site") | .engine == "nft" and .family == "inet" and .chains == 1'
	json '.tables[] | has("type") and has("rules") and has("sets") and has("elements") and has("objects")'
	json '.tables | all(.proof == "nftables")'
	json '.texts | any(.path == "/etc/nftables.up.rules" and .state == "written")'
	fwsnap 0 --json status
	json '.current == 1 and .drift == false and .differences == []'
	json '.live | .tables == 2 and .rules == 5 and (.digest | length == 32) and has("chains") and has("sets")'
	json '.texts | any(.path == "/etc/nftables.up.rules" and .state == "as saved")'
	json '.foreign == [] and .owned == []'
	nft add chain inet site more
	iptables-nft -N DOCKER
	echo >>"$ROOT/etc/nftables.up.rules"
	fwsnap 3 --json status
	json '.drift and (.differences | length > 0) and (.foreign | length == 1)'
	json '.foreign[0] | del(.names) == {owner: "Docker", tables: 1, chains: 1, rules: 0, sets: 0, elements: 0}'
	json '.texts | any(.state == "edited")'
	fwsnap 0 --json show
	json '.tables | length == 2'
}

run_cases "$@"
