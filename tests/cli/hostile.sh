#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots that were damaged, or made to do harm: 7, bounded, and the firewall stays.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

# A good snapshot in good.tar.gz, its entries in parts, and other rules live.
prepare() {
	load_iptables
	fwsnap 0 save
	fwsnap 0 export 1 "$TMP/good.tar.gz"
	mkdir "$TMP/parts"
	tar xzf "$TMP/good.tar.gz" -C "$TMP/parts"
	nft add table ip live
	remember live
	bad=$TMP/bad.tar.gz
}

as_tar() { # TAR-ARGUMENT...
	tar -C "$TMP/parts" --format=ustar --owner=0 --group=0 --mode=600 --mtime=@0 -cf - "$@"
}

# The entry MANIFEST without the end of an archive, compressed.
manifest() {
	local size
	size=$(stat -c %s "$TMP/parts/MANIFEST")
	as_tar MANIFEST | head -c $((512 + (size + 511) / 512 * 512)) | gzip -1
}

part_names() {
	sed -n 's/^part: [0-9a-f]* [0-9]* //p' "$TMP/parts/MANIFEST"
}

# The parts put together again, as they are now, in bad.tar.gz.
pack() {
	{
		manifest
		# shellcheck disable=SC2046
		as_tar $(part_names) | gzip -1
	} >"$bad"
}

# The digest of a file: of what a save found and keeps.
digest() { # FILE
	mkdir -p "$TMP/other/etc"
	cp "$1" "$TMP/other/etc/iptables.up.rules"
	"$FWSNAP" -q --root "$TMP/other" save
	tar xzOf "$TMP/other/var/lib/fwsnap/snapshots/1.tar.gz" MANIFEST | sed -n 's|^part: \([0-9a-f]*\) .* replaced/.*|\1|p'
}

# No command takes bad.tar.gz, as a file to import and in the store: exit status 7.
is_damage() {
	local store=$ROOT/var/lib/fwsnap
	ulimit -v 250000
	remember_files before
	fwsnap 7 import "$bad"
	says "$bad" "; the firewall is unchanged"
	files_are before
	cp "$bad" "$store/snapshots/9.tar.gz"
	fwsnap 7 verify 9
	says 9.tar.gz
	fwsnap 7 restore 9
	says 9.tar.gz "; the firewall is unchanged"
	fwsnap 7 export 9 "$TMP/copy"
	[ ! -e "$TMP/copy" ]
	rm "$store/snapshots/9.tar.gz"
	files_are before
	no_leftovers
	are_live live
}

test_the_fixture_puts_a_good_snapshot_together() {
	prepare
	pack
	fwsnap 0 import "$bad"
	fwsnap 0 verify 2
	fwsnap 0 restore 2
	no_drift
}

test_a_snapshot_cut_short_anywhere_is_damage() {
	local size cut
	prepare
	size=$(stat -c %s "$TMP/good.tar.gz")
	for cut in 3 20 $((size / 3)) $((size / 2)) $((size - 1)); do
		head -c "$cut" "$TMP/good.tar.gz" >"$bad"
		is_damage
	done
}

test_an_empty_snapshot_is_damage() {
	prepare
	: >"$ROOT/var/lib/fwsnap/snapshots/9.tar.gz"
	fwsnap 7 restore 9
	fwsnap 7 verify
	are_live live
}

test_a_flipped_bit_anywhere_is_damage() {
	local size at byte
	prepare
	size=$(stat -c %s "$TMP/good.tar.gz")
	# not in the header of a gzip member: its time and its system say nothing
	for at in 0 30 $((size / 4)) $((size / 2)) $((size * 3 / 4)) $((size - 6)); do
		cp "$TMP/good.tar.gz" "$bad"
		byte=$(od -An -tu1 -j "$at" -N 1 "$bad")
		# shellcheck disable=SC2059
		printf "\\x$(printf %x $((byte ^ 4)))" | dd of="$bad" bs=1 seek="$at" conv=notrunc status=none
		[ "$at" != 0 ] || continue
		is_damage
	done
}

test_a_part_that_its_digest_does_not_match_is_damage() {
	prepare
	sed -i 's/2525/2526/' "$TMP/parts/iptables.rules"
	pack
	is_damage
}

test_a_part_that_is_missing_is_damage() {
	prepare
	{
		manifest
		# shellcheck disable=SC2046
		as_tar $(part_names | head -n -1) | gzip
	} >"$bad"
	is_damage
}

test_a_part_that_the_manifest_does_not_name_is_damage() {
	prepare
	echo x >"$TMP/parts/x.rules"
	{
		manifest
		# shellcheck disable=SC2046
		as_tar $(part_names) x.rules | gzip
	} >"$bad"
	is_damage
}

test_an_exact_part_that_is_no_rules_is_damage() {
	local part size
	prepare
	part=$(part_names | grep -m 1 exact/)
	size=$(stat -c %s "$TMP/parts/$part")
	head -c "$size" /dev/urandom >"$TMP/parts/$part"
	sed -i "s|^part: [0-9a-f]* \([0-9]*\) $part$|part: $(digest "$TMP/parts/$part") \1 $part|" "$TMP/parts/MANIFEST"
	pack
	is_damage
}

test_names_that_lead_elsewhere_are_damage() {
	local name
	prepare
	for name in ../evil /tmp/evil a/../../evil; do
		echo evil >"$TMP/parts/evil"
		{
			manifest
			# shellcheck disable=SC2046
			as_tar -P --transform "s|^evil\$|$name|" $(part_names) evil | gzip
		} >"$bad"
		tar tzf "$bad" 2>/dev/null | grep -qxF -- "$name"
		is_damage
	done
	[ -z "$(find / -xdev -name evil ! -path "$TMP/parts/*" 2>/dev/null)" ]
}

test_links_and_devices_are_damage() {
	prepare
	ln -s /etc/passwd "$TMP/parts/link"
	mkfifo "$TMP/parts/fifo"
	mknod "$TMP/parts/device" c 1 5
	ln "$TMP/parts/MANIFEST" "$TMP/parts/hard"
	for entry in link fifo device "hard hard2" .; do
		ln -f "$TMP/parts/hard" "$TMP/parts/hard2"
		{
			manifest
			# shellcheck disable=SC2046,SC2086
			as_tar $(part_names) $entry | gzip
		} >"$bad"
		is_damage
	done
}

test_a_snapshot_without_a_manifest_is_damage() {
	prepare
	# shellcheck disable=SC2046
	as_tar $(part_names) | gzip >"$bad"
	is_damage
	head -c 100000 /dev/zero | gzip >"$bad"
	is_damage
	head -c 100000 /dev/urandom | gzip >"$bad"
	is_damage
}

test_a_manifest_of_nonsense_is_damage() {
	local edit
	prepare
	cp "$TMP/parts/MANIFEST" "$TMP/manifest"
	for edit in '1d' '/^format/s/1/-1/' '/^format/s/1/x/' '/^id/s/$/x/' '/^table/s/xtables\|nft/nonsense/' \
		'/^table/s/size=[0-9]*/size=99999999999/' '/^table/s/chains=[0-9]*/chains=99999999999999999999/' \
		'/^part/s/ [0-9]* / 999999999999 /' '/^part/s/^\(part: [0-9a-f]* [0-9]*\) .*/\1 ..\/x/' \
		'/^created/s/20/99999999999/' '$!N;$!D' 's/^link: .*/link: -1 lo/' '/^ruleset/s/: .*/: 00/'; do
		sed "$edit" "$TMP/manifest" >"$TMP/parts/MANIFEST"
		! cmp -s "$TMP/manifest" "$TMP/parts/MANIFEST" || continue
		{
			manifest
			# shellcheck disable=SC2046
			as_tar $(sed -n 's/^part: [0-9a-f]* [0-9]* //p' "$TMP/manifest") | gzip -1
		} >"$bad"
		is_damage
	done
}

test_a_newer_format_is_refused_by_its_number() {
	prepare
	sed -i 's/^format: 1$/format: 2/' "$TMP/parts/MANIFEST"
	echo "new-key: x" >>"$TMP/parts/MANIFEST"
	pack
	fwsnap 7 import "$bad"
	says "has format 2; this version reads up to 1"
	cp "$bad" "$ROOT/var/lib/fwsnap/snapshots/9.tar.gz"
	fwsnap 7 restore 9
	says "format 2" "; the firewall is unchanged"
	fwsnap 7 show 9
	fwsnap 7 verify 9
	are_live live
}

test_keys_that_it_does_not_know_are_passed_over() {
	prepare
	sed -i '2i new-key: x' "$TMP/parts/MANIFEST"
	pack
	fwsnap 0 import "$bad"
	fwsnap 0 restore 2
	no_drift
}

test_endless_zeros_are_damage() {
	prepare
	{
		manifest
		head -c 600M /dev/zero | gzip -1
	} >"$bad"
	is_damage
}

test_a_manifest_beyond_its_limit_is_damage() {
	prepare
	head -c 5M /dev/zero | tr '\0' 'x' >>"$TMP/parts/MANIFEST"
	pack
	is_damage
}

# The header promises far more than there is, or than there may be.
test_huge_sizes_are_damage() {
	local size
	prepare
	for size in 300M 7G; do
		truncate -s "$size" "$TMP/parts/huge"
		{
			manifest
			# shellcheck disable=SC2046
			as_tar $(part_names) | head -c 2048
			as_tar huge | head -c 4096
		} | gzip -dcf | gzip >"$bad"
		is_damage
	done
}

test_a_part_that_grows_beyond_the_manifest_is_damage() {
	local part
	prepare
	part=$(part_names | head -n 1)
	truncate -s 120M "$TMP/parts/$part"
	pack
	is_damage
}

test_a_snapshot_of_another_machine_is_restored_from_its_text() {
	prepare
	fwsnap 0 restore 1
	remember good
	sed -i 's/^machine: .*/machine: pdp11/' "$TMP/parts/MANIFEST"
	pack
	fwsnap 0 import "$bad"
	lose
	fwsnap 0 restore "$(ls "$ROOT/var/lib/fwsnap/snapshots" | sort -n | tail -n 1 | cut -d. -f1)"
	says "pdp11" "its text"
	are_live good
	no_drift
}

run_cases "$@"
