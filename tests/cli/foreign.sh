#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Beside Docker and fail2ban: their rules are neither saved nor changed, by any command, unless asked for.
# Theirs are made by iptables here; tests/neighbours has the programs themselves.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"
AT_ONCE=2

load_host() {
	iptables-nft-restore <<-'END'
		*filter
		:INPUT DROP [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		-A INPUT -i lo -j ACCEPT
		-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
		COMMIT
	END
}

# As 20.10 writes them.
start_docker() {
	iptables-nft-restore -n <<-'END'
		*filter
		:DOCKER - [0:0]
		:DOCKER-USER - [0:0]
		:DOCKER-ISOLATION-STAGE-1 - [0:0]
		:DOCKER-ISOLATION-STAGE-2 - [0:0]
		-I FORWARD 1 -j DOCKER-USER
		-I FORWARD 2 -j DOCKER-ISOLATION-STAGE-1
		-I FORWARD 3 -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-I FORWARD 4 -o docker0 -j DOCKER
		-I FORWARD 5 -i docker0 ! -o docker0 -j ACCEPT
		-I FORWARD 6 -i docker0 -o docker0 -j ACCEPT
		-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
		-A DOCKER-USER -j RETURN
		-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
		-A DOCKER-ISOLATION-STAGE-1 -j RETURN
		-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
		-A DOCKER-ISOLATION-STAGE-2 -j RETURN
		COMMIT
		*nat
		:DOCKER - [0:0]
		-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
		-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
		-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
		-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
		-A DOCKER -i docker0 -j RETURN
		-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
		COMMIT
	END
}

start_fail2ban() {
	iptables-nft -N f2b-sshd
	iptables-nft -A f2b-sshd -j RETURN
	iptables-nft -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
	nft -f - <<-'END'
		table inet f2b-table {
			set addr-set-sshd { type ipv4_addr; elements = { 192.0.2.77 }; }
			chain f2b-chain {
				type filter hook input priority filter - 1;
				tcp dport 22 ip saddr @addr-set-sshd reject
			}
		}
	END
}

ban() { # ADDRESS
	iptables-nft -I f2b-sshd 1 -s "$1" -j REJECT --reject-with icmp-port-unreachable
	nft add element inet f2b-table addr-set-sshd "{ $1 }"
}

start_both() {
	start_docker
	start_fail2ban
	ban 192.0.2.1
}

# Their rules alone, as they are in live.
theirs() {
	iptables-nft-save -t filter | sed -n '/DOCKER/p; /docker0/p; /f2b-sshd/p'
	iptables-nft-save -t nat | sed -n '/^-A/p'
	nft -s list table inet f2b-table
}

remember_theirs() {
	theirs >"$TMP/theirs"
	[ "$(wc -l <"$TMP/theirs")" -gt 30 ] || fail "they are not there"
}

theirs_stay() {
	theirs | diff "$TMP/theirs" - || fail "another program's rules were changed"
}

new_rules() { # that say nothing of others
	cat >"$TMP/new.rules" <<-'END'
		*filter
		:INPUT DROP [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		-A INPUT -i lo -j ACCEPT
		-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
		-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT
		-A FORWARD -i eth9 -j DROP
		COMMIT
	END
}

has() { # RULE: is live, in filter
	iptables-nft-save -t filter | grep -qxF -- "$1" || fail "not live: $1"
}

has_not() { # RULE
	! iptables-nft-save -t filter | grep -qxF -- "$1" || fail "live: $1"
}

MAIL='-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT'
SSH='-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'

test_what_is_foreign_is_not_saved() {
	load_host
	fwsnap 0 save
	cp "$ROOT/etc/iptables.up.rules" "$TMP/plain"
	start_both
	fwsnap 0 status
	prints "drift    none" "foreign  Docker: 5 chains, 18 rules" "foreign  fail2ban: 1 table, 2 chains, 4 rules, 1 set, 2 elements"
	fwsnap 0 save
	says "unchanged since snapshot 1"
	iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT
	remember_theirs
	fwsnap 0 save
	theirs_stay
	diff <(sed '/^#/d; /dport 22 /a -A INPUT -p tcp -m tcp --dport 80 -j ACCEPT' "$TMP/plain") <(sed '/^#/d' "$ROOT/etc/iptables.up.rules") ||
		fail "the text is another one"
	! grep -rqE 'DOCKER|docker0|f2b|172\.17' "$ROOT/etc" || fail "it is in a text"
	[ ! -e "$ROOT/etc/nftables.up.rules" ] || fail "there is a text of nft"
	fwsnap 0 show @
	prints "foreign  Docker: 5 chains, 18 rules" "foreign  fail2ban: 1 table"
	never f2b-sshd
	gzip -dc "$ROOT"/var/lib/fwsnap/snapshots/2.tar.gz >"$TMP/snapshot"
	! grep -qaE 'DOCKER|f2b-sshd|addr-set' "$TMP/snapshot" || fail "it is in the snapshot"
	grep -qa '^foreign: tables=0 chains=5 rules=18 sets=0 elements=0 objects=0 Docker$' "$TMP/snapshot" ||
		fail "the manifest does not say what was left out"
	fwsnap 0 diff
	fwsnap 3 diff @~1 live
	prints "dport 80"
	never DOCKER
}

test_looking_tells_what_is_whose() {
	load_host
	fwsnap 0 save
	start_both
	fwsnap 0 --json status
	json '.drift == false and .live.rules == 2 and (.foreign | map(.owner) == ["Docker", "fail2ban"])'
	json '.foreign[0] | del(.names) == {owner: "Docker", tables: 0, chains: 5, rules: 18, sets: 0, elements: 0}'
	json '.foreign[1].names == ["ip filter f2b-sshd", "inet f2b-table"]'
	fwsnap 3 --json status --all
	json '.drift and .foreign == [] and .live.rules == 24'
	fwsnap 0 show
	prints "foreign  Docker: 5 chains, 18 rules"
	fwsnap 0 --json show
	json '(.tables | map(.rules) | add == 2) and (.foreign | length == 2)'
	fwsnap 0 --json show --all
	json '(.tables | map(.rules) | add == 24) and .foreign == []'
	fwsnap 0 show --format iptables
	never DOCKER f2b
	fwsnap 0 show --format iptables --all
	prints ":DOCKER - [0:0]" "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd"
	fwsnap 0 diff
	prints "foreign  Docker: 5 chains, 18 rules"
	fwsnap 0 --json diff
	json '.tables == [] and (.foreign | length == 2)'
	fwsnap 3 diff --all
	prints DOCKER f2b-table
	never "foreign  "
}

test_apply_leaves_others_alone() {
	load_host
	fwsnap 0 save
	start_both
	iptables-nft -A DOCKER-USER -s 203.0.113.9 -j DROP
	remember_theirs
	new_rules
	fwsnap 3 apply --dry-run "$TMP/new.rules"
	prints "dport 25"
	never "f2b" "-j DOCKER" "would remove"
	sed -i '/COMMIT/i :DOCKER-USER - [0:0]\n-A DOCKER-USER -s 203.0.113.9 -j DROP' "$TMP/new.rules"
	fwsnap 0 apply --no-confirm "$TMP/new.rules"
	theirs_stay
	has "$MAIL"
	no_drift
	! grep -rqE 'DOCKER-ISO|docker0|f2b' "$ROOT/etc" || fail "it was saved"
	iptables-nft-save -t filter | grep '^-A FORWARD' | tail -n 1 | grep -q eth9 || fail "not behind"
	iptables-nft-save -t filter | grep '^-A INPUT' | head -n 1 | grep -q f2b-sshd || fail "not in front"
}

test_check_on_live_leaves_others_out() {
	load_host
	start_both
	new_rules
	fwsnap 0 check --base live "$TMP/new.rules"
	prints "dport 25"
	never f2b DOCKER "would go"
}

test_run_leaves_others_alone_even_if_the_command_does_not() {
	load_host
	start_both
	remember_theirs
	fwsnap 0 run --no-confirm -- sh -c 'nft flush ruleset; iptables-nft -A INPUT -p tcp --dport 25 -j ACCEPT'
	theirs_stay
	has "$MAIL"
	has_not "$SSH"
	no_drift
}

test_run_puts_a_rule_where_it_was_told_to() {
	load_host
	start_both
	remember_theirs
	fwsnap 0 run --no-confirm -- iptables-nft -I INPUT 1 -s 198.51.100.1 -j ACCEPT
	theirs_stay
	iptables-nft-save -t filter | grep '^-A INPUT' | head -n 1 | grep -q 198.51.100.1 || fail "not in front"
	fwsnap 0 run --no-confirm -- iptables-nft -I INPUT 3 -s 198.51.100.2 -j ACCEPT
	iptables-nft-save -t filter | grep '^-A INPUT' | sed -n 3p | grep -q 198.51.100.2 || fail "not there"
	theirs_stay
}

test_run_live_saves_ours_alone() {
	load_host
	fwsnap 0 run --live --no-confirm -- sh -c '
		iptables-nft -N f2b-live
		iptables-nft -I INPUT -j f2b-live
		iptables-nft -A INPUT -p tcp --dport 25 -j ACCEPT'
	has "$MAIL"
	has "-A INPUT -j f2b-live"
	no_drift
	! grep -q f2b "$ROOT/etc/iptables.up.rules" || fail "it was saved"
}

test_restore_and_rollback_leave_others_alone() {
	load_host
	fwsnap 0 save
	iptables-nft -A INPUT -p tcp --dport 25 -j ACCEPT
	fwsnap 0 save
	start_both
	remember_theirs
	fwsnap 0 rollback
	theirs_stay
	has_not "$MAIL"
	no_drift
	fwsnap 3 restore 2 --dry-run
	prints "dport 25"
	never f2b DOCKER
	fwsnap 0 restore 2
	theirs_stay
	has "$MAIL"
	fwsnap 0 restore 2
	says "already"
	iptables-nft -D INPUT 3
	fwsnap 0 restore
	theirs_stay
	has "$SSH"
	fwsnap 0 --json list
	json '.snapshots | map(select(.kind == "automatic")) | length == 1'
}

test_a_ban_of_the_window_survives_the_undo() {
	load_host
	start_both
	new_rules
	fwsnap 0 apply --within 60 "$TMP/new.rules"
	has "$MAIL"
	ban 192.0.2.2
	iptables-nft -D f2b-sshd -s 192.0.2.1 -j REJECT --reject-with icmp-port-unreachable
	nft delete element inet f2b-table addr-set-sshd '{ 192.0.2.1 }'
	iptables-nft -N f2b-postfix
	iptables-nft -I INPUT -p tcp -m multiport --dports 25 -j f2b-postfix
	remember_theirs
	fwsnap 0 rollback
	theirs_stay
	has_not "$MAIL"
	has "$SSH"
	has "-A INPUT -p tcp -m multiport --dports 25 -j f2b-postfix"
}

masquerades_no_more() {
	! nft list chain ip nat POSTROUTING | grep -q '10\.0\.0\.0'
}

test_docker_that_starts_in_the_window_survives_the_undo_by_itself() {
	load_host
	start_both
	remember_theirs
	lose
	load_host
	remember before
	echo 'table ip nat { chain POSTROUTING { type nat hook postrouting priority srcnat; ip saddr 10.0.0.0/8 masquerade; }; }' >"$TMP/nat.nft"
	fwsnap 0 apply --within 2 "$TMP/nat.nft"
	start_both
	within 8 masquerades_no_more || fail "it was not undone"
	theirs_stay
}

test_all_does_not_tell_apart() {
	load_host
	start_both
	remember with
	fwsnap 0 save --all
	grep -q 'f2b-sshd' "$ROOT/etc/iptables.up.rules" || fail "it was not saved"
	fwsnap 0 status --all
	fwsnap 0 status
	prints "drift    none" "foreign  Docker"
	ban 192.0.2.3
	fwsnap 0 status
	fwsnap 3 status --all
	remember_theirs
	fwsnap 0 restore
	theirs_stay
	fwsnap 0 restore --all
	are_live with
	lose
	fwsnap 0 restore
	has_not "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd"
	says "since it belongs to Docker" "since it belongs to fail2ban" "--all"
	fwsnap 0 restore --all
	are_live with
	new_rules
	fwsnap 0 apply --all --no-confirm "$TMP/new.rules"
	says "ip filter DOCKER goes, though no file mentions it"
	! iptables-nft-save | grep -q f2b-sshd || fail "it is still there"
}

test_none_does_not_tell_apart_either() {
	load_host
	start_both
	config 'foreign = none'
	fwsnap 0 save
	grep -q 'f2b-sshd' "$ROOT/etc/iptables.up.rules" || fail "it was not saved"
	fwsnap 0 status
	never foreign
	ban 192.0.2.9
	fwsnap 3 status
}

test_only_what_is_listed_is_foreign() {
	load_host
	start_both
	config 'foreign = fail2ban'
	fwsnap 0 save
	grep -q ':DOCKER ' "$ROOT/etc/iptables.up.rules" || fail "Docker's rules were not saved"
	! grep -q 'f2b' "$ROOT/etc/iptables.up.rules" || fail "those of fail2ban were"
	config 'foreign = nobody'
	fwsnap 1 status
	says "'foreign' names 'nobody'"
}

test_the_administrators_own_description_counts() {
	load_host
	mkdir -p "$ROOT/etc/fwsnap/foreign.d"
	echo 'chain = name=blocker-*' >"$ROOT/etc/fwsnap/foreign.d/blocker"
	ln -s /dev/null "$ROOT/etc/fwsnap/foreign.d/docker"
	fwsnap 0 save
	iptables-nft -N blocker-in
	iptables-nft -I INPUT -j blocker-in
	fwsnap 0 status
	prints "foreign  blocker: 1 chain, 1 rule"
	start_docker
	fwsnap 3 status
	never Docker
	echo 'chain name=x' >"$ROOT/etc/fwsnap/foreign.d/blocker"
	fwsnap 1 status
	says "$ROOT/etc/fwsnap/foreign.d/blocker:1: "
}

test_what_refers_to_a_foreign_chain_that_is_not_there_is_left_out_and_named() {
	load_host
	start_docker
	iptables-nft -A INPUT -i lo -s 127.0.0.9 -j DOCKER-USER
	fwsnap 0 save
	load_texts_alone nft
	grep -q -- '-A INPUT -s 127.0.0.9/32 -i lo -j DOCKER-USER' "$TMP/rules.alone" || fail "the text does not load alone"
	lose
	fwsnap 8 restore
	says "left out: a rule of ip filter INPUT, which refers to 'DOCKER-USER'"
	has "$SSH"
	has_not "-A INPUT -s 127.0.0.9/32 -i lo -j DOCKER-USER"
	start_docker
	fwsnap 0 restore
	has "-A INPUT -s 127.0.0.9/32 -i lo -j DOCKER-USER"
	no_drift
}

test_at_boot_too_such_a_rule_is_left_out_and_named() {
	load_host
	start_docker
	iptables-nft -A INPUT -i lo -s 127.0.0.9 -j DOCKER-USER
	fwsnap 0 save
	lose
	fwsnap 8 restore --boot
	says "which refers to 'DOCKER-USER'"
	has "$SSH"
	has_not "-A INPUT -s 127.0.0.9/32 -i lo -j DOCKER-USER"
	! iptables-nft-save | grep -q DOCKER || fail "Docker's rules came back"
}

test_a_boot_leaves_alone_what_was_there_first() {
	load_host
	fwsnap 0 save
	lose
	start_both
	remember_theirs
	fwsnap 0 restore --boot
	theirs_stay
	has "$SSH"
	no_drift
}

test_who_relies_on_what_was_changed_is_named_with_the_repair() {
	load_host
	fwsnap 0 save
	start_docker
	new_rules
	sed -i 's/FORWARD ACCEPT/FORWARD DROP/' "$TMP/new.rules"
	fwsnap 0 apply --no-confirm "$TMP/new.rules"
	says "Docker relies on ip filter FORWARD" "systemctl restart docker"
	fwsnap 0 restore 1
	says "Docker relies on ip filter FORWARD" "systemctl restart docker"
	fwsnap 0 run --no-confirm -- iptables-nft -A INPUT -p tcp --dport 99 -j ACCEPT
	never "relies on"
}

test_a_dump_with_stale_rules_of_others_does_not_bring_them_back() {
	load_host
	start_both
	iptables-nft-save >"$TMP/dump"
	iptables-nft -D DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
	iptables-nft -D f2b-sshd -s 192.0.2.1 -j REJECT --reject-with icmp-port-unreachable
	remember_theirs
	sed -i '/dport 22 -j ACCEPT/a -A INPUT -p tcp -m tcp --dport 25 -j ACCEPT' "$TMP/dump"
	fwsnap 0 apply --no-confirm "$TMP/dump"
	says "since it belongs to Docker: 1 chain or rule" "since it belongs to fail2ban: 1 chain or rule"
	theirs_stay
	has "$MAIL"
	lose
	load_host
	fwsnap 0 apply --no-confirm --allow-empty "$TMP/dump"
	says "since it belongs to Docker"
	! iptables-nft-save | grep -qE 'DOCKER|f2b' || fail "it came back"
}

test_what_is_foreign_in_legacy_stays_too() {
	iptables-legacy -P INPUT DROP || skip "the kernel has no legacy tables"
	iptables-legacy -A INPUT -i lo -j ACCEPT
	fwsnap 0 save
	iptables-legacy -N f2b-sshd
	iptables-legacy -A f2b-sshd -s 192.0.2.1 -j DROP
	iptables-legacy -I INPUT -j f2b-sshd
	iptables-legacy -t nat -N DOCKER
	iptables-legacy -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
	no_drift
	iptables-legacy-save | grep -E 'f2b|DOCKER' >"$TMP/before"
	iptables-legacy -A INPUT -p tcp --dport 25 -j ACCEPT
	fwsnap 0 restore
	iptables-legacy-save | grep -E 'f2b|DOCKER' | diff "$TMP/before" -
	no_drift
	! grep -q f2b "$ROOT/etc/iptables.up.rules" || fail "it was saved"
}

run_cases "$@"
