#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The hook for ifupdown under the programs that took its place.
# shellcheck source=tests/boot/ifup_lib.sh
. "${0%/*}/../ifup_lib.sh"

AT_ONCE=2

# Which program it is, and what it needs to know beside.
adapt() {
	case $KIND in
	ifupdown2) # it runs hooks in no order, and wants to know what a veth is
		rm /etc/network/if-pre-up.d/{fwsnap,zlook}
		printf '#!/bin/sh\n%s || exit\n%s "$IFACE"\n' /usr/share/fwsnap/if-pre-up.d/fwsnap \
			/tests/boot/look >/etc/network/if-pre-up.d/fwsnap
		chmod +x /etc/network/if-pre-up.d/fwsnap
		sed -i 's/^\taddress/\tlink-type veth\n&/' /etc/network/interfaces
		;;
	busybox)
		ln -s /bin/busybox /sbin/ifup
		ip address flush dev lo
		sed -i 's|/24$|\n\tnetmask 255.255.255.0|' /etc/network/interfaces
		;;
	esac
}

stands() { # KIND
	KIND=$1
	prepare one two
	adapt
	ifup -a
	is_up lo || fail "lo is down"
	stood_before one
	stood_before two
}

fails() { # KIND STATUS
	local status=0
	KIND=$1
	# shellcheck disable=SC2119 # no more lines of configuration
	prepare_failure
	adapt
	ifup -a 2>"$TMP/err" || status=$?
	[ "$status" = "$2" ] || fail "ifup: exit status $status, not $2"
	says "boot: "
	is_up lo || fail "lo is down"
}

fails_closed() { # KIND STATUS
	fails "$@"
	! is_up one || fail "one is up"
	! is_up two || fail "two is up"
}

# Whatever a hook says.
fails_open() { # KIND STATUS
	fails "$@"
	is_up one && is_up two || fail "a link is down"
}

test_ifupdown_ng_has_the_rules_before_the_links() {
	on ifupdown-ng
	visit stands ifupdown-ng
}

test_ifupdown_ng_brings_the_link_up_though_the_hook_fails() {
	on ifupdown-ng
	visit fails_open ifupdown-ng 0
}

test_ifupdown2_has_the_rules_before_the_links() {
	on ifupdown2
	visit stands ifupdown2
}

test_ifupdown2_keeps_the_link_down_if_the_hook_fails() {
	on ifupdown2
	visit fails_closed ifupdown2 0
}

test_busybox_has_the_rules_before_the_links() {
	on busybox
	visit stands busybox
}

test_busybox_keeps_the_link_down_if_the_hook_fails() {
	on busybox
	visit fails_closed busybox 1
}

run_boot_cases "$@"
