#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Power cuts, and another kernel.
# shellcheck source=tests/boot/deep/qemu_lib.sh
. "${0%/*}/qemu_lib.sh"

AT_ONCE=2
CASE_LIMIT=600

# Here each program takes long: what `rules` shows of one version, and no more.
few_rules() {
	iptables-save | sed '/^[#:]/d'
	nft -s list table inet site 2>&1
}

few_are() { # N
	[ -e "$TMP/few.$1" ] && few_rules | cmp -s "$TMP/few.$1"
}

# Version N of the rules.
load_version() { # N
	iptables-restore <<-END
		*filter
		-A INPUT -p tcp --dport $((1000 + $1)) -j ACCEPT
		-A INPUT -p tcp -m string --algo bm --string x$1 -j DROP
		COMMIT
	END
	nft -f - <<-END
		table inet site
		delete table inet site
		table inet site {
			set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.$1 } }
			chain input {
				type filter hook input priority filter - 5; policy drop;
				ip saddr @blocked drop
				tcp dport { 22, $((1000 + $1)) } accept
			}
		}
	END
	few_rules >"$TMP/few.$1"
}

first_save() {
	load_version 0
	echo 0 >"$TMP/before"
	fwsnap 0 save
}

# What the last cut left is version N, or the one that was in force before it; then the next save is cut off.
cut_a_save() { # N POINT
	version_is_whole "$1" "$(cat "$TMP/before")"
	! few_are "$1" || echo "$1" >"$TMP/before"
	load_version "$(($1 + 1))"
	sync
	FWSNAP_FAULT=$2 "$FWSNAP_FAULTY" save || true
	cut_power
}

version_is_whole() { # N...
	local version
	fwsnap 0 restore --boot
	for version in "$@" ""; do
		! few_are "$version" || break
	done
	[ -n "$version" ] || fail "none of $*: $(few_rules)"
	fwsnap 0 verify
	no_drift
	[ -z "$(find /etc /var/lib/fwsnap -name '.*.fwsnap-*' -o -name intent)" ] || fail "left over"
}

test_a_power_cut_during_a_save_leaves_one_of_the_two_versions_whole() {
	local point number=0
	on busybox
	switch_on first_save
	for point in synced:1 renamed:1 renamed:2 renamed:3 rename:4; do
		switch_on_and_cut cut_a_save "$number" "$point"
		number=$((number + 1))
	done
	switch_on version_is_whole "$number" "$((number - 1))"
}

test_a_save_that_had_ended_outlives_a_power_cut() {
	on busybox
	switch_on first_save
	switch_on_and_cut cut_a_save 0 none
	switch_on version_is_whole 1
}

save_something_of_all() {
	load_something_of_all
	everything >"$TMP/saved"
	fwsnap 8 save # one table has no text
	fwsnap 0 export @ /case/snapshot
}

load_something_of_all() {
	load_ipset
	load_iptables
	load_nft
	iptables -A INPUT -m set --match-set friends src -j ACCEPT
	nft add rule ip filter INPUT ct state vmap '{ established : accept, invalid : drop }'
}

restore_elsewhere() {
	mkdir -p /var/lib/fwsnap
	fwsnap 0 import /case/snapshot
	fwsnap 0 restore 1 --no-confirm
	everything | diff "$TMP/saved" - || fail "other rules are live"
	no_drift
}

# The default that one kernel names and the other does not.
everything() {
	rules | sed 's/ bucketsize 12//'
}

test_what_was_saved_under_this_kernel_is_restored_under_debians() {
	on busybox
	visit save_something_of_all
	rm -rf "$TMP/system/var/lib/fwsnap"
	switch_on restore_elsewhere
}

test_what_was_saved_under_debians_kernel_is_restored_under_this() {
	on busybox
	switch_on save_something_of_all
	cp "$TMP/case/snapshot" "$TMP/case/saved" "$TMP/system/case/"
	visit restore_elsewhere
}

run_qemu_cases "$@"
