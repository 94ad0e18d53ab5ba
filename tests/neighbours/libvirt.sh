#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirt's virtual network, real, in a system of its own: guests stay connected
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../boot/lib.sh"
# shellcheck source=tests/neighbours/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2
FOREIGN='LIBVIRT_' FOREIGN_TABLES=' libvirt_network$' OWNER=libvirt
# the bridge sends packets of its own
COUNTERS=no

# The default network, as libvirt-daemon-config-network defines it.
arrive() {
	systemctl start libvirtd || skip "libvirtd does not start here: $(journalctl -u libvirtd --no-pager | tail -n 1)"
	virsh -q net-start default
	# no seconds of learning
	ip link set virbr0 type bridge stp_state 0
	ip netns add guest
	ip link add vnet0 type veth peer name eth0 netns guest
	ip link set vnet0 up master virbr0
	ip -n guest addr add 192.168.122.50/24 dev eth0
	ip -n guest link set eth0 up
	ip -n guest route add default via 192.168.122.1
	ip netns add far
	ip link add outside type veth peer name eth0 netns far
	ip addr add 198.51.100.1/24 dev outside
	ip link set outside up
	ip -n far addr add 198.51.100.2/24 dev eth0
	ip -n far link set eth0 up
	mkdir -p "$TMP/www"
	echo there >"$TMP/www/page"
	ip netns exec far busybox httpd -p 80 -h "$TMP/www"
	connected
}

start_network() { # NAME BRIDGE NET
	cat >"$TMP/$1.xml" <<-END
		<network>
		  <name>$1</name>
		  <forward mode='nat'/>
		  <bridge name='$2'/>
		  <ip address='$3.1' netmask='255.255.255.0'>
		    <dhcp><range start='$3.2' end='$3.254'/></dhcp>
		  </ip>
		</network>
	END
	virsh -q net-define "$TMP/$1.xml"
	virsh -q net-start "$1" || fail "no test: the network does not start"
}

# A guest calls a host that knows no way back to it but by the address that libvirt gives it.
connected() {
	within 3 page_comes || fail "the guest is not connected"
}

page_comes() {
	[ "$(fetch guest 198.51.100.2 80)" = there ]
}

linger() {
	start_network second virbr1 192.168.123
}

test_rules_of_libvirt_are_not_saved() {
	in_system saved_beside_is_as_saved_without
}

test_rules_of_libvirt_are_no_drift() {
	in_system drift_of_ours_only
}

test_a_guest_stays_connected_when_iptables_rules_are_applied() {
	in_system apply_keeps rules
}

test_a_guest_stays_connected_when_the_ruleset_is_flushed() {
	in_system apply_keeps nft
}

apply_keeps() { # SUFFIX
	kept_by_apply "$TMP/new.$1"
	connected
	# what libvirt does next finds the rules that it left
	virsh -q net-destroy default
	virsh -q net-start default
	virsh -q net-list | grep -q default
}

test_a_network_that_starts_while_a_change_is_pending_survives_the_undo() {
	in_system undo_keeps rules
}

test_a_network_that_starts_while_a_flush_is_pending_survives_the_undo() {
	in_system undo_keeps nft
}

undo_keeps() { # SUFFIX
	kept_by_rollback_and_undo "$TMP/new.$1"
	connected
	iptables-nft -S LIBVIRT_FWO | grep -q virbr1
}

in_system() { # FUNCTION ARGUMENT...
	on neighbours
	boot "$@"
}

run_boot_cases "$@"
