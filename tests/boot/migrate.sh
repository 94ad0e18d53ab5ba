#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines that brought their rules back by other means, and the lines of the README that end these.
# shellcheck source=tests/boot/ifup_lib.sh
. "${0%/*}/ifup_lib.sh"

AT_ONCE=2

# NAME: the fenced block of the README whose first line is "# NAME".
lines_of_readme() {
	awk -v first="    # $1" '$0 == first { inside = 1; next } inside && !/^    / { exit } inside' "$tests/../README.md" |
		sed 's/^    //; s|/usr/local/|/usr/|g' >"$TMP/system/case/lines"
	[ "$(wc -l <"$TMP/system/case/lines")" = 3 ] || fail "not three lines: $(cat "$TMP/system/case/lines")"
}

follow_readme() {
	sh -euxc "$(cat "$TMP/lines")"
}

everything_is_back() {
	stood_before_the_network saved
	is_up host0 || fail "host0 is down"
	no_drift
	never "at boot"
}

test_from_iptables_persistent() {
	on persistent
	make_ready
	lines_of_readme iptables-persistent
	boot persist
	boot from_persistent
	boot everything_is_back
}

persist() {
	configure_links host0
	load_iptables
	remember saved
	netfilter-persistent save 2>/dev/null
	systemctl -q enable netfilter-persistent
}

from_persistent() {
	stood_before_the_network saved
	fwsnap 3 status
	prints "'systemctl disable netfilter-persistent' ends that"
	follow_readme
	remember saved
	[ ! -e /etc/iptables.up.rules ] || fail "it wrote elsewhere"
	fwsnap 0 status
	prints "/etc/iptables/rules.v4: as saved"
}

# CentOS 6, in so far as Debian can play it: the text is where that has it.
test_from_service_iptables_save() {
	on sysvinit
	make_ready
	lines_of_readme "service iptables save"
	boot from_redhat
	boot everything_is_back
}

from_redhat() {
	configure_links host0
	load_iptables
	mkdir /etc/sysconfig
	iptables-save >/etc/sysconfig/iptables
	printf '#!/bin/sh\n[ "$1" != --add ] || exec update-rc.d "$2" defaults\n' >/sbin/chkconfig
	chmod +x /sbin/chkconfig
	follow_readme
	remember saved
	grep -q -- '--dport 22' /etc/sysconfig/iptables || fail "it was not written"
	iptables-restore --test /etc/sysconfig/iptables
	script=/etc/init.d/fwsnap
	"$script" save
}

test_from_a_script_for_ifupdown() {
	make_ready
	lines_of_readme "iptables-restore < /etc/iptables.up.rules"
	visit from_script
}

from_script() {
	prepare one two
	rm -rf /var/lib/fwsnap /etc/network/if-pre-up.d/fwsnap /etc/nftables.up.rules /etc/ip6tables.up.rules
	printf '#!/bin/sh\niptables-restore < /etc/iptables.up.rules\n' >/etc/network/if-pre-up.d/iptables
	chmod +x /etc/network/if-pre-up.d/iptables
	iptables-restore </etc/iptables.up.rules
	remember saved
	fwsnap 3 status
	prints "if-pre-up.d/iptables"
	follow_readme
	lose
	rm -rf /run/fwsnap
	ifup one
	stood_before one
	no_drift
	never "at boot"
}

run_boot_cases "$@"
