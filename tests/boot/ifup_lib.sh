# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ifup_lib - for cases that bring up links one by one, by ifupdown or its kin, without an init
# shellcheck source=tests/boot/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# The machine was switched off after a save; the hook is what brings the rules back.
prepare() { # LINK...
	local link
	for link in "$@"; do
		ip link add "$link" type veth peer name "$link-peer" || skip "the kernel has no veth"
	done
	configure_links "$@"
	mkdir -p /run/network
	ln -s /usr/share/fwsnap/if-pre-up.d/fwsnap /etc/network/if-pre-up.d/
	rm /etc/network/if-pre-up.d/0look
	printf '#!/bin/sh\nexec /tests/boot/look "$IFACE"\n' >/etc/network/if-pre-up.d/zlook
	chmod +x /etc/network/if-pre-up.d/zlook
	load_iptables
	load_nft
	remember saved
	fwsnap 0 save
	lose
	ip link set lo down
}

# The rules stood, and the link was down, when all hooks had run but this last one.
stood_before() { # LINK
	diff "$TMP/rules.saved" "$TMP/looked/$1/rules" || fail "other rules stood before $1"
	! grep -qx "$1" "$TMP/looked/$1/up" || fail "$1 was up before its hooks had run"
	is_up "$1" || fail "$1 is down"
}

# Nothing that was saved can be loaded, and there is no last resort.
prepare_failure() { # LINE...: of the configuration
	prepare one two
	damage_everything
	config "last_resort = none" "$@"
}
