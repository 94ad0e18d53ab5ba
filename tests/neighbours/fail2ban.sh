#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fail2ban, real, with live bans by its actions for iptables, ipset and nftables
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../boot/lib.sh"
# shellcheck source=tests/neighbours/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2
FOREIGN=f2b- FOREIGN_TABLES=' f2b-table$' OWNER=fail2ban

# A server of this case, by the actions that Debian ships.
arrive() {
	on neighbours
	borrow_programs
	mkdir -p "$TMP/fail2ban/filter.d"
	ln -s /etc/fail2ban/action.d "$TMP/fail2ban/action.d"
	: >"$TMP/mail.log"
	cat >"$TMP/fail2ban/fail2ban.conf" <<-END
		[Definition]
		loglevel = INFO
		logtarget = $TMP/fail2ban.log
		syslogsocket = auto
		socket = /run/fail2ban.socket
		pidfile = /run/fail2ban.pid
		dbfile = None
		dbmaxmatches = 10
	END
	printf '%s\n' '[Definition]' 'failregex = ^refused <HOST>$' >"$TMP/fail2ban/filter.d/mail.conf"
	cat >"$TMP/fail2ban/jail.conf" <<-END
		[DEFAULT]
		backend = polling
		bantime = 3600
		usedns = no
		filter = mail
		logpath = $TMP/mail.log
		enabled = true
		[chain]
		action = iptables-multiport[name=chain, port="22,2222"${VARIANT:+, iptables="iptables-$VARIANT <lockingopt>"}]
		[set]
		action = iptables-ipset[name=set, port="25,587", type=multiport${VARIANT:+, iptables="iptables-$VARIANT <lockingopt>"}]
		[table]
		action = nftables-multiport[name=table, port="80,443"]
	END
	fail2ban-server -c "$TMP/fail2ban" -b start >"$TMP/fail2ban.out" 2>&1 ||
		fail "fail2ban does not start: $(cat "$TMP/fail2ban.out" "$TMP/fail2ban.log")"
	ban 203.0.113.7
	[ -n "${VARIANT:-}" ] || ban 2001:db8::7
	knock
	foreign | grep -q '\[[1-9].* -j f2b-chain$' || fail "no test: no packet was counted"
}

ban() { # ADDRESS...
	local jail
	for jail in chain set table; do
		fail2ban-client -c "$TMP/fail2ban" set "$jail" banip "$@" >/dev/null
	done
	within 5 all_banned "$@" || fail "no test: not banned: $*"
}

all_banned() { # ADDRESS...
	local address
	foreign >"$TMP/banned"
	for address; do
		[ "$(grep -c -F -- "$address" "$TMP/banned")" -ge 3 ] || return 1
	done
}

linger() {
	ban 203.0.113.9
}

test_bans_are_not_saved() {
	saved_beside_is_as_saved_without
}

test_bans_are_no_drift() {
	drift_of_ours_only
}

test_bans_stay_where_they_are_when_iptables_rules_are_applied() {
	kept_by_apply "$TMP/new.rules"
	iptables-nft -S INPUT | sed -n 2p | grep -q f2b- || fail "it is not before ours"
}

test_bans_stay_where_they_are_when_the_ruleset_is_flushed() {
	kept_by_apply "$TMP/new.nft"
	own_is_alone "$TMP/new.nft"
}

test_bans_survive_rollback_and_undo_of_iptables_rules() {
	kept_by_rollback_and_undo "$TMP/new.rules"
	all_banned 203.0.113.7 203.0.113.9
}

test_bans_survive_rollback_and_undo_of_a_flush() {
	kept_by_rollback_and_undo "$TMP/new.nft"
	all_banned 203.0.113.7 203.0.113.9
}

test_a_ban_survives_that_a_change_is_kept() {
	kept_by_confirm "$TMP/new.rules"
	all_banned 203.0.113.7 203.0.113.9
}

test_bans_survive_a_script_that_flushes_all() {
	load_host
	arrive
	remember_foreign there
	cat >"$TMP/firewall.sh" <<-'END'
		for family in ip ip6; do
			${family}tables -P INPUT ACCEPT
			${family}tables -F
			${family}tables -X
			${family}tables -t nat -F
		done
		iptables -A INPUT -i lo -j ACCEPT
		iptables -A INPUT -p tcp --dport 22 -j ACCEPT
		iptables -P INPUT DROP
		ip6tables -A INPUT -i lo -j ACCEPT
		ip6tables -P INPUT DROP
	END
	fwsnap 0 run --no-confirm -- sh "$TMP/firewall.sh"
	foreign_is there
	[ "$(own | grep -c 'filter -A')" = 3 ] || fail "our part is not what the script makes: $(own)"
	none_is_saved "$ROOT"
	no_drift
}

test_bans_in_legacy_tables_are_not_saved() {
	VARIANT=legacy saved_beside_is_as_saved_without
}

test_bans_in_legacy_tables_stay_where_they_are_when_rules_are_applied() {
	VARIANT=legacy kept_by_apply "$TMP/new.rules"
}

test_bans_in_legacy_tables_survive_rollback_and_undo() {
	VARIANT=legacy kept_by_rollback_and_undo "$TMP/new.rules"
	all_banned 203.0.113.7 203.0.113.9
}

# Everything is loaded where no fail2ban runs, and nothing of it.
test_a_boot_without_it_loads_what_is_ours() {
	load_host
	remember ours
	arrive
	fwsnap 0 save
	fail2ban-client -c "$TMP/fail2ban" stop >/dev/null
	within 5 nothing_is_foreign
	lose
	fwsnap 0 restore
	are_live ours
	no_drift
}

nothing_is_foreign() {
	[ -z "$(foreign)" ]
}

# A dump that was taken while it ran, as people have them.
test_a_stale_dump_brings_no_ban_back() {
	load_host
	arrive
	{ iptables-nft-save; } >"$TMP/dump.rules"
	fail2ban-client -c "$TMP/fail2ban" set chain unbanip 203.0.113.7 >/dev/null
	within 5 is_unbanned 203.0.113.7
	remember before
	fwsnap 0 apply --no-confirm "$TMP/dump.rules"
	says fail2ban
	are_live before
}

is_unbanned() { # ADDRESS
	! iptables-nft -S f2b-chain | grep -qF "$1"
}

test_all_takes_what_belongs_to_fail2ban_too() {
	load_host
	arrive
	fwsnap 0 save --all
	grep -q 'f2b-chain' "$ROOT/etc/iptables.up.rules"
	grep -q 'f2b-set' "$ROOT/etc/ipset.up.rules"
	grep -q 'f2b-table' "$ROOT/etc/nftables.up.rules"
}

run_boot_cases "$@"
