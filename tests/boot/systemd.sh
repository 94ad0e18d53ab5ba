#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine with systemd, before and after it was switched off.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2

# The first boot of each case: the rules are saved, host0 comes up by ifupdown at the next.
save_everything() {
	systemctl -q enable fwsnap.service
	configure_links host0
	load_iptables
	load_nft
	remember saved
	fwsnap 0 save
}

unit_is() { # STATE STATUS
	local state
	state=$(systemctl show --value -p ActiveState,ExecMainStatus fwsnap.service | sort | xargs)
	[ "$state" = "$2 $1" ] || fail "the unit is $state: $(journal)"
}

journal() {
	journalctl -b -o cat -u fwsnap.service
}

journal_has() { # TEXT...
	local text
	for text in "$@"; do
		journal | grep -qF -- "$text" || fail "not in the journal: $text; but: $(journal)"
	done
}

nothing_failed() {
	[ -z "$(systemctl --failed --quiet)" ] || fail "$(systemctl --failed)"
}

everything_is_back() {
	stood_before_the_network saved
	is_up host0 || fail "host0 is down"
	unit_is active 0
	no_drift
	nothing_failed
}

test_the_saved_rules_are_there_before_the_network() {
	boot save_everything
	boot everything_is_back
}

test_a_machine_that_never_saved_stays_as_it_is_and_says_so() {
	boot enable_alone
	boot stayed_open
}

enable_alone() {
	systemctl -q enable fwsnap.service
	configure_links host0
	remember empty
}

stayed_open() {
	stood_before_the_network empty
	unit_is active 0
	journal_has "nothing was saved"
}

test_a_text_that_was_broken_by_hand_leaves_what_was_saved() {
	boot save_everything
	echo '-A INPUT -j NOWHERE' >"$TMP/system/etc/iptables.up.rules"
	boot broken_text
}

broken_text() {
	stood_before_the_network saved
	is_up host0 || fail "host0 is down"
	unit_is active 8
	journal_has "/etc/iptables.up.rules" "less than what was saved"
	nothing_failed
}

# This wants the private namespace, which the unit's sandbox must not forbid.
test_a_text_that_was_edited_by_hand_is_loaded() {
	boot save_everything
	sed -i 's/--dport 22 /--dport 2222 /' "$TMP/system/etc/iptables.up.rules"
	boot edited_text
}

edited_text() {
	unit_is active 0
	sed -i '/^iptables-nft/,/^COMMIT/s/--dport 22 /--dport 2222 /
		/^table ip filter/,/^}/s/tcp dport 22 /tcp dport 2222 /' "$TMP/rules.saved"
	stood_before_the_network saved
	iptables-save | grep -q -- '--dport 2222' || fail "the edited text is not in force"
	! journal | grep -q "without a trial" || fail "no private namespace"
}

test_legacy_rules_and_ipsets_are_back_too() {
	boot save_legacy
	boot everything_is_back
	sed -i 's/--dport 22 /--dport 2222 /' "$TMP/system/etc/iptables.up.rules"
	boot edited_legacy_text
}

save_legacy() {
	systemctl -q enable fwsnap.service
	configure_links host0
	load_everything
	remember saved
	fwsnap 0 save
}

edited_legacy_text() {
	unit_is active 0
	iptables-legacy-save | grep -q -- '--dport 2222' || fail "the edited text is not in force"
	! journal | grep -q "without a trial" || fail "no private namespace"
}

# FACTS of iptables-save: it prints a message instead of rules, with status 0.
test_rules_that_no_text_carries_are_back_exactly() {
	boot save_what_no_text_carries
	boot everything_is_back
}

save_what_no_text_carries() {
	systemctl -q enable fwsnap.service
	configure_links host0
	load_iptables
	nft add rule ip filter INPUT ct state vmap '{ established : accept, invalid : drop }'
	nft add table ip6 filter '{ comment "no text has it"; }' || true
	iptables -A INPUT -m string --algo bm --string xyz -j DROP || skip "the kernel has no string match"
	remember saved
	fwsnap 8 save
}

test_a_save_that_was_cut_off_is_finished() {
	boot save_everything
	boot cut_off
	boot everything_is_back
}

# The current version has flipped, the texts have not.
cut_off() {
	local status=0
	[ -x "$FWSNAP_FAULTY" ] || skip "no program with fault points"
	nft add rule inet site input tcp dport 8443 accept
	iptables -A INPUT -p tcp --dport 8080 -j ACCEPT
	remember saved
	FWSNAP_FAULT=renamed:3 "$FWSNAP_FAULTY" save || status=$?
	[ "$status" = 77 ] || fail "it was not cut off: $status"
	[ -e /var/lib/fwsnap/intent ] || fail "not between its renames"
}

test_a_damaged_snapshot_gives_way_to_its_text() {
	boot save_everything
	damage_current
	boot lower_rung
}

damage_current() {
	local file
	file=$TMP/system/var/lib/fwsnap/$(readlink "$TMP/system/var/lib/fwsnap/current")
	printf 'damage' | dd of="$file" bs=1 seek=1000 conv=notrunc status=none
}

lower_rung() {
	stood_before_the_network saved
	unit_is active 8
	journal_has "damaged"
	is_up host0 || fail "host0 is down"
	nothing_failed
}

test_where_everything_is_damaged_ssh_is_let_in_and_nothing_else() {
	boot damage_all
	knock 22 80 &
	boot locked_down
	wait $!
	[ "$(cat "$TMP/knocked")" = "22 open 80 shut" ] || fail "knocked: $(cat "$TMP/knocked")"
}

damage_all() {
	save_everything
	damage_everything
}

# From the other end of host0, once somebody listens there.
knock() { # PORT...
	local port
	within 30 test -e "$TMP/system/case/listening"
	ip link set ve-system up
	ip address add 192.0.2.1/24 dev ve-system
	for port in "$@"; do
		if timeout 1 bash -c 'exec 3<>/dev/tcp/192.0.2.2/$1' bash "$port"; then
			echo "$port open"
		else
			echo "$port shut"
		fi
	done 2>/dev/null | xargs >"$TMP/knocked"
	: >"$TMP/system/case/knocked"
}

locked_down() {
	local file
	unit_is active 8
	journal_has "lockdown" "damaged"
	rules >"$TMP/rules.lockdown"
	stood_before_the_network lockdown
	systemd-run --quiet --unit=listen systemd-socket-activate -l 22 -l 80 cat
	within 5 both_listen
	: >"$TMP/listening"
	within 20 test -e "$TMP/knocked"
	nothing_failed
}

both_listen() {
	[ "$(ss -Hltn 'sport = 22 or sport = 80' | wc -l)" = 2 ]
}

test_a_pending_change_does_not_outlive_a_reboot() {
	boot save_everything
	boot leave_pending
	boot everything_is_back
}

leave_pending() {
	lock_out >/etc/iptables.test.rules
	fwsnap 0 apply --within 300
	are_not_live saved
}

test_where_nothing_can_be_loaded_the_network_stays_down() {
	boot require_rules
	boot all_is_closed
}

# Fails closed: by the drop-in; the hook of ifupdown is not there.
require_rules() {
	save_everything
	require_firewall networking
	damage_everything
	config "last_resort = none"
}

require_firewall() { # UNIT
	install -D -m 644 -t "/etc/systemd/system/$1.service.d" /usr/share/fwsnap/systemd/fwsnap-required.conf
}

all_is_closed() {
	unit_is failed 1
	! is_up host0 || fail "host0 is up"
	is_up lo || fail "lo is down"
	[ ! -e "$TMP/looked" ] || fail "ifupdown was started"
}

test_without_the_drop_in_a_failure_is_not_silent() {
	boot fail_openly
	boot is_open
}

fail_openly() {
	save_everything
	damage_everything
	config "last_resort = none"
}

is_open() {
	unit_is failed 1
	is_up host0 || fail "host0 is down"
	journal_has "NOTHING could be loaded"
	fwsnap 7 status
	prints "NOTHING could be loaded"
}

test_networkd_waits_for_the_rules() {
	boot networkd
	boot networkd_waited
}

networkd() {
	save_everything
	systemctl -q disable networking.service
	systemctl -q enable systemd-networkd.service
	require_firewall systemd-networkd
	printf '[Match]\nName=host0\n[Network]\nAddress=192.0.2.2/24\n' >/etc/systemd/network/10-host0.network
	mkdir -p /etc/systemd/system/systemd-networkd.service.d
	printf '[Service]\nExecStartPre=+/tests/boot/look first\n' >/etc/systemd/system/systemd-networkd.service.d/look.conf
}

networkd_waited() {
	within 5 is_up host0 || fail "host0 is down"
	everything_is_back
}

test_networkd_stays_down_where_nothing_can_be_loaded() {
	boot networkd_fails
	boot networkd_is_closed
}

networkd_fails() {
	networkd
	damage_everything
	config "last_resort = none"
}

networkd_is_closed() {
	all_is_closed
	! systemctl -q is-active systemd-networkd.service || fail "networkd runs"
}

test_nftables_service_beside_us_is_named_and_its_wipe_seen() {
	boot add_rival
	boot rival_is_named
}

add_rival() {
	save_everything
	printf 'flush ruleset\ntable inet rival { }\n' >/etc/nftables.conf
	systemctl -q enable nftables.service
}

# At boot ours come after its, and stay.
rival_is_named() {
	stood_before_the_network saved
	systemctl -q is-active nftables.service || fail "nftables.service did not run"
	journal_has "'systemctl disable nftables' ends"
	fwsnap 0 status
	prints "'systemctl disable nftables' ends that"
	systemctl restart nftables.service
	fwsnap 3 status
	prints "'systemctl disable nftables' ends that"
	systemctl reload fwsnap.service
	are_live saved
	nothing_failed
}

test_by_configuration_a_stop_saves() {
	boot stop_without_saving
	boot stopped_with_saving
	boot everything_is_back
}

# A stop leaves the rules; by default it saves nothing.
stop_without_saving() {
	save_everything
	systemctl start fwsnap.service
	iptables -A INPUT -p tcp --dport 8443 -j ACCEPT
	remember saved
	systemctl stop fwsnap.service
	are_live saved
	fwsnap 3 status
	config "save_on_stop = yes"
	fwsnap 0 restore
}

# The machine is switched off as it should be.
stopped_with_saving() {
	iptables -A INPUT -p tcp --dport 8443 -j ACCEPT
	remember saved
	mkdir -p /etc/systemd/system/case.service.d
	printf '[Unit]\nSuccessAction=exit\n' >/etc/systemd/system/case.service.d/exit.conf
	systemctl daemon-reload
}

test_the_sandbox_of_the_unit_is_tight() {
	boot exposure
}

exposure() {
	systemd-analyze security --threshold=50 fwsnap.service >"$TMP/out" || fail "too much exposed"
}

run_boot_cases "$@"
