#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine with systemd, before and after it was switched off.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/lib.sh"

save_everything() {
	systemctl -q enable fwsnap.service
	load_iptables
	load_nft
	remember saved
	fwsnap 0 save
}

everything_is_back() {
	are_live saved
	no_drift
	[ -z "$(systemctl --failed --quiet)" ] || fail "$(systemctl --failed)"
}

test_the_saved_rules_are_there_after_a_reboot() {
	boot save_everything
	boot everything_is_back
}

run_boot_cases "$@"
