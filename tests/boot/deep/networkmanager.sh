#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Links that NetworkManager brings up, or systemd-networkd with networkd-dispatcher beside it.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../lib.sh"

AT_ONCE=2

save_everything() {
	load_iptables
	load_nft
	remember saved
	fwsnap 0 save
}

# host0 by NetworkManager.
manage() {
	save_everything
	systemctl -q enable NetworkManager.service
	cat >/etc/NetworkManager/system-connections/host0.nmconnection <<-'END'
		[connection]
		id=host0
		type=ethernet
		interface-name=host0
		[ipv4]
		method=manual
		address1=192.0.2.2/24
		[ipv6]
		method=disabled
	END
	chmod 600 /etc/NetworkManager/system-connections/host0.nmconnection
}

look_before() { # UNIT
	mkdir -p "/etc/systemd/system/$1.service.d"
	printf '[Service]\nExecStartPre=+/tests/boot/look first\n' >"/etc/systemd/system/$1.service.d/look.conf"
}

require_firewall() { # UNIT
	systemctl -q enable fwsnap.service
	install -D -m 644 -t "/etc/systemd/system/$1.service.d" /usr/share/fwsnap/systemd/fwsnap-required.conf
}

has_address() {
	ip -o address show dev host0 | grep -q 192.0.2.2
}

prepare_required() {
	manage
	look_before NetworkManager
	require_firewall NetworkManager
}

waited() {
	within 20 has_address || fail "host0 has no address: $(nmcli device; journalctl -b -o cat -u NetworkManager | tail -n 20)"
	stood_before_the_network saved
	no_drift
}

test_networkmanager_waits_for_the_rules() {
	on networkmanager
	boot prepare_required
	link_partner boot waited
}

prepare_failure() {
	prepare_required
	damage_everything
	config "last_resort = none"
}

is_closed() {
	! systemctl -q is-active NetworkManager.service || fail "NetworkManager runs"
	! is_up host0 || fail "host0 is up"
}

test_networkmanager_stays_down_where_nothing_can_be_loaded() {
	on networkmanager
	boot prepare_failure
	boot is_closed
}

# Without the unit: the rules come late, but they come.
prepare_hook() {
	manage
	mkdir -p /etc/NetworkManager/dispatcher.d/pre-up.d
	install /usr/share/fwsnap/NetworkManager/fwsnap /etc/NetworkManager/dispatcher.d/pre-up.d/
	printf '#!/bin/sh\nexec /tests/boot/look "$1"\n' >/etc/NetworkManager/dispatcher.d/pre-up.d/0look
	chmod +x /etc/NetworkManager/dispatcher.d/pre-up.d/0look
}

repaired_late() {
	within 20 same_rules saved || fail "the rules did not come"
	within 5 has_address || fail "host0 has no address"
	grep -qx host0 "$TMP/looked/host0/up" || fail "host0 was not up before: this hook does protect"
	no_drift
}

test_the_hook_of_networkmanager_repairs_late() {
	on networkmanager
	boot prepare_hook
	link_partner boot repaired_late
}

# host0 by networkd.
prepare_dispatcher() {
	local state
	save_everything
	systemctl -q disable networking.service
	systemctl -q enable systemd-networkd.service networkd-dispatcher.service
	printf '[Match]\nName=host0\n[Network]\nAddress=192.0.2.2/24\n' >/etc/systemd/network/10-host0.network
	for state in carrier degraded routable; do
		install /usr/share/fwsnap/networkd-dispatcher/fwsnap "/etc/networkd-dispatcher/$state.d/"
		printf '#!/bin/sh\nexec /tests/boot/look "$IFACE"\n' >"/etc/networkd-dispatcher/$state.d/0look"
		chmod +x "/etc/networkd-dispatcher/$state.d/0look"
	done
}

test_the_hook_of_networkd_dispatcher_repairs_late() {
	on networkd-dispatcher
	boot prepare_dispatcher
	link_partner boot repaired_late
}

# A carrier needs both ends.
link_partner() { # COMMAND ARGUMENT...
	{
		within 30 ip link set ve-system up
	} 2>/dev/null &
	"$@"
}

run_boot_cases "$@"
