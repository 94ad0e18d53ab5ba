#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# apply: rules from files, kept only if they are confirmed
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

# A host that lets ssh in, of both families, with rules of iptables and of nft.
load_host() {
	local family
	for family in ip ip6; do
		"${family}tables-nft-restore" <<-'END'
			*filter
			:INPUT DROP [0:0]
			:FORWARD DROP [0:0]
			:OUTPUT ACCEPT [0:0]
			-A INPUT -i lo -j ACCEPT
			-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
			-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
			COMMIT
		END
	done
	nft add table inet site
	nft add set inet site blocked '{ type ipv4_addr; }'
	nft add element inet site blocked '{ 192.0.2.1 }'
}

# Opens the mail ports of a host of load_host, for iptables and for ip6tables.
mail_rules() {
	cat <<-'END'
		*filter
		:INPUT DROP [0:0]
		:FORWARD DROP [0:0]
		:OUTPUT ACCEPT [0:0]
		-A INPUT -i lo -j ACCEPT
		-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
		-A INPUT -p tcp -m multiport --dports 25,587,110,995,143,993 -j ACCEPT
		COMMIT
	END
}

# What the stock program makes of these files in place of the live rules is remembered as `wanted`; live is as before.
want() { # COMMAND...
	unshare --net bash -euc '
		ip link set lo up
		load_host
		"$@"
		rules' bash "$@" >"$TMP/rules.wanted"
}
export -f load_host rules

# STATUS TEXT... -- ARGUMENT...: it ends so, says that, and the rules are as before.
refused() {
	local status=$1 texts=()
	shift
	while [ "$1" != -- ]; do
		texts+=("$1")
		shift
	done
	shift
	remember before
	fwsnap "$status" "$@"
	says "${texts[@]}"
	are_live before
}

pending_id() { # of what an apply printed
	sed -n 's/^pending \([^ ]*\) until .*/\1/p' "$TMP/out"
}

# loading

test_an_iptables_file_is_loaded() {
	load_host
	mail_rules >"$TMP/mail.rules"
	want iptables-restore "$TMP/mail.rules"
	fwsnap 0 apply --no-confirm "$TMP/mail.rules"
	are_live wanted
	prints "ip filter" "+ -A INPUT -p tcp -m multiport --dports 25,587,110,995,143,993 -j ACCEPT"
	no_drift
}

test_an_ip6tables_file_is_loaded() {
	load_host
	mail_rules >"$TMP/ip6tables.rules"
	want ip6tables-restore "$TMP/ip6tables.rules"
	fwsnap 0 apply --no-confirm "$TMP/ip6tables.rules"
	are_live wanted
	prints "ip6 filter"
}

test_a_type_that_is_given_is_not_guessed() {
	load_host
	mail_rules >"$TMP/mail.rules"
	want ip6tables-restore "$TMP/mail.rules"
	fwsnap 0 apply --no-confirm --type ip6tables "$TMP/mail.rules"
	are_live wanted
}

test_a_table_that_equals_none_is_there_for_the_file_and_for_the_way_back() {
	load_host
	nft 'add table inet empty; add chain inet empty input { type filter hook input priority 5; }'
	echo 'add rule inet empty input tcp dport 25 accept' >"$TMP/rule.nft"
	remember before
	fwsnap 0 apply --within 60 "$TMP/rule.nft"
	nft list chain inet empty input | grep -q 'tcp dport 25 accept'
	fwsnap 0 rollback
	are_live before
	fwsnap 0 run --live --within 60 -- nft delete table inet empty
	fwsnap 0 rollback
	are_live before
}

test_an_nft_file_is_loaded() {
	load_host
	echo 'table inet site { chain input { type filter hook input priority 5; tcp dport 25 drop; }; }' \
		>"$TMP/site.nft"
	want nft -f "$TMP/site.nft"
	# a table that a file writes out is as the file has it
	fwsnap 3 apply --dry-run "$TMP/site.nft"
	says "inet site blocked goes, though no file mentions it"
	echo 'add table inet site; add chain inet site input { type filter hook input priority 5; };
		add rule inet site input tcp dport 25 drop' >"$TMP/site.nft"
	fwsnap 0 apply --no-confirm "$TMP/site.nft"
	are_live wanted
}

test_an_ipset_file_is_loaded() {
	load_host
	printf '%s\n' 'create friends hash:ip' 'add friends 192.0.2.9' >"$TMP/ipset.rules"
	want ipset restore -file "$TMP/ipset.rules"
	fwsnap 0 apply --no-confirm "$TMP/ipset.rules"
	are_live wanted
}

several() {
	ipset restore -file "$1/ipset"
	iptables-restore "$1/v4"
	ip6tables-restore "$1/v6"
	nft -f "$1/nft"
}
export -f several

test_several_files_are_one_change() {
	load_host
	printf '%s\n' 'create friends hash:ip' 'add friends 192.0.2.9' >"$TMP/ipset"
	mail_rules | sed '/dport 22/i -A INPUT -m set --match-set friends src -j ACCEPT' >"$TMP/v4"
	mail_rules >"$TMP/v6"
	sed -i 's/--dport 22/& -s 2001:db8::1/' "$TMP/v6"
	echo 'add element inet site blocked { 192.0.2.2 }' >"$TMP/nft"
	remember before
	want several "$TMP"
	fwsnap 0 apply --within 60 "$TMP/v6" "$TMP/nft" "$TMP/v4" "$TMP/ipset"
	are_live wanted
	fwsnap 0 rollback
	are_live before
	fwsnap 0 apply --no-confirm "$TMP/v6" "$TMP/nft" "$TMP/v4" "$TMP/ipset"
	are_live wanted
}

test_a_dash_is_the_standard_input() {
	load_host
	mail_rules >"$TMP/mail.rules"
	want iptables-restore "$TMP/mail.rules"
	mail_rules | fwsnap 0 apply --no-confirm -
	are_live wanted
	tar xzOf "$ROOT/var/lib/fwsnap/current" source/1 | diff - "$TMP/mail.rules"
}

test_files_of_one_name_are_both_kept() {
	load_host
	mkdir "$TMP/a" "$TMP/b"
	mail_rules >"$TMP/a/rules"
	echo 'add element inet site blocked { 192.0.2.2 }' >"$TMP/b/rules"
	echo 'add element inet site blocked { 192.0.2.3 }' >"$TMP/b/1"
	fwsnap 0 apply --no-confirm "$TMP/b/1" "$TMP/a/rules" "$TMP/b/rules"
	tar xzOf "$ROOT/var/lib/fwsnap/current" source/1 | diff - "$TMP/b/1"
	tar xzOf "$ROOT/var/lib/fwsnap/current" source/rules | diff - "$TMP/a/rules"
	tar xzOf "$ROOT/var/lib/fwsnap/current" source/2 | diff - "$TMP/b/rules"
	fwsnap 0 verify
}

test_without_a_name_the_test_files_are_tried() {
	load_host
	mail_rules >"$ROOT/etc/iptables.test.rules"
	touch -d '3 minutes ago' "$ROOT/etc/iptables.test.rules"
	mail_rules >"$ROOT/etc/ip6tables.test.rules"
	echo 'add element inet site blocked { 192.0.2.2 }' >"$ROOT/etc/nftables.test.rules"
	printf '%s\n' 'create friends hash:ip' >"$ROOT/etc/ipset.test.rules"
	fwsnap 0 apply --no-confirm
	says "trying '$ROOT/etc/iptables.test.rules', written 3 minutes ago" \
		"'$ROOT/etc/ip6tables.test.rules'" "'$ROOT/etc/nftables.test.rules'" "'$ROOT/etc/ipset.test.rules'"
	iptables -S | grep -q 25,587
	ip6tables -S | grep -q 25,587
	nft list set inet site blocked | grep -q 192.0.2.2
	ipset list -n | grep -qx friends
	for file in iptables ip6tables nftables ipset; do
		tar xzOf "$ROOT/var/lib/fwsnap/current" "source/$file.test.rules" |
			diff - "$ROOT/etc/$file.test.rules"
	done
}

test_without_test_files_there_is_nothing_to_try() {
	load_host
	refused 1 "there is no '$ROOT/etc/iptables.test.rules'" "the firewall is unchanged" -- apply --no-confirm
}

# the ways to end

test_what_is_not_to_be_confirmed_is_saved_at_once() {
	load_host
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --no-confirm -m 'open the mail ports' "$TMP/mail.rules"
	remember new
	fwsnap 0 list
	prints "open the mail ports" "(automatic) unsaved rules, before a change"
	json_list=$("$FWSNAP" --root "$ROOT" --json list)
	[ "$(jq '.snapshots[0].current' <<<"$json_list")" = true ]
	tar xzOf "$ROOT/var/lib/fwsnap/current" source/mail.rules | diff - "$TMP/mail.rules"
	load_texts_alone nft
	alone_is new
	lose
	fwsnap 0 restore
	are_live new
	no_leftovers
}

test_confirmed_in_time_is_saved() {
	load_host
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --within 60 -m 'open the mail ports' "$TMP/mail.rules"
	prints "pending" "until"
	remember new
	fwsnap 0 confirm "$(pending_id)"
	says "kept as snapshot" "'apply $TMP/mail.rules' by root"
	are_live new
	no_drift
	fwsnap 0 list
	prints "open the mail ports"
	load_texts_alone nft
	alone_is new
	no_leftovers
}

test_not_confirmed_in_time_is_undone() {
	load_host
	fwsnap 0 save
	remember before
	remember_files before
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --within 1 "$TMP/mail.rules"
	are_not_live before
	comes_back before 1
	no_drift
	prints "apply $TMP/mail.rules" "undone"
	files_are before
	refused 1 "too late: 'apply $TMP/mail.rules' of root was undone" -- confirm
}

test_a_dry_run_changes_nothing() {
	load_host
	fwsnap 0 save
	remember before
	remember_files before
	mail_rules >"$TMP/mail.rules"
	fwsnap 3 apply --dry-run "$TMP/mail.rules"
	prints "+ -A INPUT -p tcp -m multiport --dports 25,587,110,995,143,993 -j ACCEPT" "1 rule added"
	are_live before
	files_are before
	no_drift
}

test_json_is_all_that_it_prints() {
	load_host
	fwsnap 0 save
	mail_rules >"$TMP/mail.rules"
	fwsnap 3 --json apply --dry-run "$TMP/mail.rules"
	json '.equal == false and .rules == {"added": 1, "removed": 0} and .tables[0].table == "ip filter"'
	fwsnap 0 --json apply --within 60 "$TMP/mail.rules"
	json '.new == "the new rules" and .rules.added == 1'
	says "pending" "until"
	fwsnap 0 confirm
	fwsnap 0 --json apply --dry-run "$TMP/mail.rules"
	json '.equal'
	fwsnap 3 --json rollback --dry-run
	json '.rules.removed == 1'
}

test_nothing_to_do_is_done() {
	load_host
	fwsnap 0 save
	remember before
	remember_files before
	iptables-save >"$TMP/same.rules"
	fwsnap 0 apply --within 60 "$TMP/same.rules"
	says "this changes nothing"
	fwsnap 0 apply --dry-run "$TMP/same.rules"
	are_live before
	files_are before
}

test_without_a_rehearsal_it_is_loaded_behind_the_guard() {
	load_host
	fwsnap 0 save
	remember before
	mail_rules >"$TMP/mail.rules"
	want iptables-restore "$TMP/mail.rules"
	fwsnap 0 apply --no-rehearsal --within 60 "$TMP/mail.rules"
	are_live wanted
	fwsnap 0 rollback
	are_live before
	echo '-A INPUT -j NOWHERE' | sed -i '/dport 22/r /dev/stdin' "$TMP/mail.rules"
	fwsnap 5 apply --no-rehearsal --within 60 "$TMP/mail.rules"
	says "cannot load '$TMP/mail.rules': line" "NOWHERE" "undone: the old rules are back, verified"
	are_live before
	refused 2 "exclude each other" -- apply --no-rehearsal --dry-run "$TMP/mail.rules"
}

test_on_a_host_without_rules_nor_history_it_is_the_first_version() {
	remember before
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --within 60 "$TMP/mail.rules"
	fwsnap 0 rollback
	are_live before
	fwsnap 0 list
	[ ! -s "$TMP/out" ] || fail "there is a version"
	fwsnap 0 apply --no-confirm "$TMP/mail.rules"
	fwsnap 0 status
	prints "snapshot 1,"
}

test_what_runs_already_is_saved_if_nobody_is_to_confirm() {
	load_host
	mail_rules >"$TMP/mail.rules"
	iptables-restore "$TMP/mail.rules"
	remember new
	fwsnap 0 apply --within 60 "$TMP/mail.rules"
	says "this changes nothing" "'fwsnap save' keeps them"
	fwsnap 3 status
	fwsnap 0 apply --no-confirm -m 'mail' "$TMP/mail.rules"
	says "but not saved" "kept as snapshot 1"
	no_drift
	load_texts_alone nft
	alone_is new
	fwsnap 0 apply --no-confirm "$TMP/mail.rules"
	says "this changes nothing"
	never "kept"
	fwsnap 0 verify
	prints "snapshot 1"
	never "snapshot 2"
}

test_configured_paths_are_used() {
	load_host
	config 'layout = debian' 'store = /srv/firewall'
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --no-confirm "$TMP/mail.rules"
	grep -q 25,587 "$ROOT/etc/iptables/rules.v4"
	[ -L "$ROOT/srv/firewall/current" ]
	[ ! -e "$ROOT/var/lib/fwsnap" ] || fail "the default store was made"
	[ ! -e "$ROOT/etc/iptables.up.rules" ] || fail "the default text was written"
	fwsnap 0 run --within 60 -- iptables -A INPUT -j LOG
	fwsnap 0 confirm
	grep -q LOG "$ROOT/etc/iptables/rules.v4"
	rm "$ROOT/etc/fwsnap/fwsnap.conf"
	echo 'store = /srv/firewall' >"$TMP/other.conf"
	fwsnap 0 --config "$TMP/other.conf" rollback
	says "rolling back"
}

test_what_no_text_carries_is_kept_exactly_with_8() {
	load_host
	echo 'add rule ip filter INPUT ct state vmap { established : accept, invalid : drop }' >"$TMP/add.nft"
	fwsnap 8 apply --no-confirm "$TMP/add.nft"
	says "no text carries 'ip filter'" "kept as snapshot 2"
	remember new
	lose
	fwsnap 0 restore
	are_live new
	no_drift
}

# bad input

test_files_that_are_none_are_refused() {
	load_host
	mkdir "$TMP/folder"
	: >"$TMP/empty"
	printf '# only\n\n  # comments\n' >"$TMP/comments"
	printf '*filter\0\nCOMMIT\n' >"$TMP/binary"
	printf 'hello, world\n' >"$TMP/prose"
	refused 1 "cannot read '$TMP/none': No such file or directory; the firewall is unchanged" -- \
		apply --within 60 "$TMP/none"
	refused 1 "cannot read '$TMP/folder': Is a directory" -- apply --within 60 "$TMP/folder"
	refused 1 "'$TMP/empty' is empty" -- apply --within 60 "$TMP/empty"
	refused 1 "'standard input' is empty" -- apply --within 60 -
	refused 1 "'$TMP/comments' has no rules" -- apply --within 60 "$TMP/comments"
	refused 1 "'$TMP/binary' is no text: line 1" -- apply --within 60 "$TMP/binary"
	refused 1 "'$TMP/prose' is no text of iptables" -- apply --within 60 "$TMP/prose"
	refused 1 "'$FWSNAP' is no text" -- apply --within 60 "$FWSNAP"
	[ ! -e "$ROOT/var/lib/fwsnap/current" ] || fail "something was saved"
}

test_junk_is_refused_soon() {
	load_host
	head -c 100M /dev/urandom >"$TMP/junk"
	refused 1 "'$TMP/junk'" -- apply --within 60 --type iptables "$TMP/junk"
	yes 'what is this' | head -c 100M >"$TMP/junk"
	SECONDS=0
	refused 1 "'$TMP/junk'" -- apply --within 60 "$TMP/junk"
	refused 1 "'$TMP/junk'" "line 1" -- apply --within 60 --type iptables "$TMP/junk"
	[ "$SECONDS" -lt 40 ] || fail "it took $SECONDS s"
}

test_a_file_for_the_other_family_is_refused() {
	load_host
	mail_rules | sed 's/--dport 22/& -s 2001:db8::1/' >"$TMP/v6.rules"
	refused 1 "cannot load '$TMP/v6.rules': line 7" "--type ip6tables" -- \
		apply --within 60 --type iptables "$TMP/v6.rules"
	mail_rules | sed 's/--dport 22/& -s 192.0.2.1/' >"$TMP/v4.rules"
	refused 1 "cannot load '$TMP/v4.rules': line 7" "--type iptables" -- \
		apply --within 60 --type ip6tables "$TMP/v4.rules"
}

test_what_opens_the_host_needs_a_word() {
	load_host
	printf '*filter\nCOMMIT\n' >"$TMP/bare"
	printf '*filter\n:INPUT ACCEPT\nCOMMIT\n' >"$TMP/accept"
	echo 'flush ruleset' >"$TMP/flush"
	refused 1 "this opens the host" "ip filter INPUT" "--allow-empty" -- apply --within 60 "$TMP/accept"
	refused 1 "this opens the host" "--allow-empty" "the firewall is unchanged" -- apply --within 60 "$TMP/flush"
	refused 1 "this opens the host" -- apply --dry-run "$TMP/flush"
	iptables -P INPUT ACCEPT
	refused 1 "this opens the host" "ip filter INPUT" -- apply --within 60 "$TMP/bare"
	fwsnap 0 apply --no-confirm --allow-empty "$TMP/bare"
	! iptables -S | grep '^-A' || fail "rules are left"
	fwsnap 0 apply --no-confirm --allow-empty "$TMP/flush"
	[ -z "$(nft list tables)" ]
}

test_wrong_usage_is_refused_before_anything_is_read() {
	load_host
	mail_rules >"$TMP/mail.rules"
	for seconds in 0 -1 1x '' 86401 99999999999999999999; do
		refused 2 "'--within $seconds': seconds, from 1 to 86400" -- apply --within "$seconds" "$TMP/mail.rules"
	done
	refused 2 "--within SEC or --no-confirm is needed" -- apply "$TMP/mail.rules"
	refused 2 "--within SEC or --no-confirm is needed" -- run -- true
	refused 2 "exclude each other" -- apply --within 60 --no-confirm "$TMP/mail.rules"
	refused 2 "'--type ebtables' is none of" -- apply --no-confirm --type ebtables "$TMP/mail.rules"
	refused 2 "no command" -- run --no-confirm
	refused 2 "unexpected argument 'b'" -- confirm a b
	refused 2 "unexpected argument '1'" -- rollback 1
	refused 2 "over themselves" -- restore live
}

test_with_nothing_pending_there_is_nothing_to_confirm() {
	load_host
	refused 1 "nothing is pending" -- confirm
	refused 1 "nothing is pending" -- confirm 12345
	refused 1 "nothing was saved yet" -- rollback
}

test_while_one_is_pending_nothing_else_is_changed_or_saved() {
	local id refusal="'fwsnap confirm' keeps it, 'fwsnap rollback' undoes it"
	load_host
	fwsnap 0 save -m 'ssh alone'
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --within 100 "$TMP/mail.rules"
	id=$(pending_id)
	remember_files pending
	refused 1 "what is pending is $id, 'apply $TMP/mail.rules'" -- confirm wrong
	refused 1 "apply $TMP/mail.rules" "$refusal" -- apply --within 60 "$TMP/mail.rules"
	refused 1 "$refusal" -- apply --no-confirm "$TMP/mail.rules"
	refused 1 "$refusal" -- run --within 60 -- iptables -F
	refused 1 "$refusal" -- save
	refused 1 "$refusal" -- restore
	refused 1 "$refusal" -- restore --within 60 1
	refused 1 "$refusal" -- prune
	refused 1 "$refusal" -- import "$TMP/mail.rules"
	files_are pending
	fwsnap 0 confirm "$id"
	no_drift
}

test_what_is_pending_can_be_looked_at() {
	load_host
	fwsnap 0 save -m 'ssh alone'
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --within 100 -m 'open the mail ports' "$TMP/mail.rules"
	id=$(pending_id)
	remember new
	fwsnap 0 diff pending live
	fwsnap 3 diff @ pending
	prints "+ -A INPUT -p tcp -m multiport"
	fwsnap 0 show pending
	prints "open the mail ports"
	fwsnap 0 show pending --format iptables
	prints "--dports 25,587"
	fwsnap 0 list
	prints "ssh alone"
	never "open the mail ports"
	fwsnap 3 status
	prints "pending  $id: 'apply $TMP/mail.rules' by" "undone in"
	fwsnap 0 check "$TMP/mail.rules"
	fwsnap 3 --json status
	json ".pending.id == \"$id\" and .pending.state == \"swapped\" and .pending.left > 10 and .drift"
	json ".pending.what == \"apply $TMP/mail.rules\""
	are_live new
	fwsnap 0 rollback
	fwsnap 1 show pending
	says "no change is pending that would be saved"
	fwsnap 0 --json status
	json '.pending.state == "undone" and .pending.left == 0'
}

test_names_with_control_characters_do_not_reach_the_terminal() {
	local name=$'evil\e[2J\n.rules'
	load_host
	mail_rules >"$TMP/$name"
	fwsnap 0 apply --within 60 "$TMP/$name"
	never $'\e'
	fwsnap 3 status
	prints 'evil\x1b[2J'
	never $'\e'
	fwsnap 0 rollback
	says 'evil\x1b[2J'
	never $'\e'
	fwsnap 0 apply --no-confirm -m $'evil\e[2J\nmessage' "$TMP/$name"
	for look in list 'show @' status 'restore --within 60 @'; do
		# shellcheck disable=SC2086
		fwsnap 0 $look
		cat "$TMP/out" "$TMP/err" >"$TMP/both"
		grep -qF 'evil\x1b[2J\nmessage' "$TMP/both" || fail "the message is not shown"
		never $'\e'
	done
}

# stores that cannot be written

test_a_store_that_cannot_be_written_refuses_a_change_before_it_begins() {
	load_host
	fwsnap 0 save
	mail_rules >"$TMP/mail.rules"
	mount --bind "$ROOT/var/lib/fwsnap" "$ROOT/var/lib/fwsnap"
	mount -o remount,bind,ro "$ROOT/var/lib/fwsnap"
	refused 1 "Read-only file system" "the firewall is unchanged" -- apply --within 60 "$TMP/mail.rules"
	refused 1 "Read-only file system" "the firewall is unchanged" -- apply --no-confirm "$TMP/mail.rules"
	refused 1 "Read-only file system" "the firewall is unchanged" -- run --live --within 60 -- iptables -F
	fwsnap 0 status
	never pending
}

test_a_full_store_refuses_a_change_before_it_begins() {
	load_host
	mkdir -p "$ROOT/var/lib/fwsnap"
	mount -t tmpfs -o size=64k,mode=700 none "$ROOT/var/lib/fwsnap"
	fwsnap 0 save
	mail_rules >"$TMP/mail.rules"
	head -c 1M /dev/zero >"$ROOT/var/lib/fwsnap/filler" 2>/dev/null || true
	for way in --within=60 --no-confirm; do
		refused 1 "No space left" "the firewall is unchanged" -- apply "$way" "$TMP/mail.rules"
	done
	fwsnap 0 status
	never pending
	rm "$ROOT/var/lib/fwsnap/filler"
	no_leftovers
	fwsnap 0 apply --no-confirm "$TMP/mail.rules"
}

# files that lose, double or leave halves with other tools

test_R2_a_table_that_was_absent_is_absent_again() {
	load_host
	remember before
	cat >"$TMP/nat.rules" <<-'END'
		*nat
		:PREROUTING ACCEPT [0:0]
		-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 1
		COMMIT
	END
	fwsnap 0 apply --within 1 "$TMP/nat.rules"
	iptables-nft -t nat -S | grep -q REDIRECT
	comes_back before 1
	! nft list tables | grep -x 'table ip nat' || fail "the table is left"
}

test_R11_what_only_the_kernel_refuses_is_refused_with_its_line() {
	load_host
	bad() { # LINE RULE...
		{
			printf '*filter\n:INPUT DROP\n:a -\n:b -\n'
			printf '%s\n' "${@:2}"
			echo COMMIT
		} >"$TMP/bad.rules"
		iptables-restore --test <"$TMP/bad.rules" || fail "no test: iptables-restore --test refuses it"
		refused 1 "cannot load '$TMP/bad.rules': line $1" "the firewall is unchanged" -- apply --within 60 "$TMP/bad.rules"
	}
	bad 7 '-A INPUT -j a' '-A a -j b' '-A b -j a'
	bad 5 '-A INPUT -p tcp -j MASQUERADE'
	bad 5 '-A INPUT -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu'
	bad 5 '-A INPUT -m owner --uid-owner 0 -j ACCEPT'
}

test_R12_of_tables_of_which_one_is_refused_none_is_changed() {
	load_host
	printf '%s\n' '*mangle' ':PREROUTING ACCEPT' '-A PREROUTING -j MARK --set-mark 1' COMMIT \
		'*filter' ':INPUT DROP' '-A INPUT -j MASQUERADE' COMMIT >"$TMP/half.rules"
	mail_rules >"$TMP/ip6tables.rules"
	refused 1 "cannot load '$TMP/half.rules': line" -- \
		apply --within 60 "$TMP/ip6tables.rules" "$TMP/half.rules"
	! nft list tables | grep mangle || fail "half is there"
}

test_R13_a_listing_applied_twice_is_there_once() {
	load_nft
	nft list ruleset >"$TMP/site.nft"
	remember before
	fwsnap 0 apply --no-confirm "$TMP/site.nft"
	says "this changes nothing"
	are_live before
	nft add rule inet site input tcp dport 80 accept
	fwsnap 0 apply --no-confirm "$TMP/site.nft"
	are_live before
	fwsnap 0 apply --no-confirm "$TMP/site.nft"
	are_live before
}

test_R13_chains_that_go_though_no_file_mentions_them_are_named() {
	load_host
	iptables-nft -N mine
	iptables-nft -A FORWARD -j mine
	iptables-nft -A mine -s 192.0.2.1 -j ACCEPT
	mail_rules >"$TMP/mail.rules"
	fwsnap 0 apply --no-confirm "$TMP/mail.rules"
	says "ip filter mine goes, though no file mentions it"
	! iptables-nft -S | grep mine || fail "it is still there"
}

test_R14_members_that_a_file_has_not_are_gone() {
	load_ipset
	printf '%s\n' 'create friends hash:ip' 'add friends 192.0.2.7' >"$TMP/ipset.rules"
	fwsnap 0 apply --within 60 "$TMP/ipset.rules"
	[ "$(ipset list friends | sed '1,/^Members/d')" = 192.0.2.7 ]
	ipset test all friends
	fwsnap 0 rollback
	[ "$(ipset list friends | sed '1,/^Members/d' | sort | xargs)" = "192.0.2.1 192.0.2.9" ]
}

test_R15_a_held_lock_of_iptables_does_not_block_for_ever() {
	load_iptables legacy
	config 'lock_wait = 1'
	remember before
	lock_out >"$TMP/legacy.rules"
	hold_xtables_lock
	SECONDS=0
	fwsnap 4 apply --within 60 "$TMP/legacy.rules"
	[ "$SECONDS" -lt 15 ] || fail "it took $SECONDS s"
	says "lock" "the firewall is unchanged"
	kill "$holder"
	are_live before
	fwsnap 0 apply --within 60 "$TMP/legacy.rules"
	fwsnap 0 rollback
	are_live before
}

run_cases "$@"
