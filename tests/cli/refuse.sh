#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes wrong around fwsnap: usage, privilege, programs, folders, space, links.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

# Usage

# As a kernel without any of it answers: no such option, no such protocol, no such file.
test_a_kernel_without_a_packet_filter_is_told_and_nothing_is_saved() {
	strace -o /dev/null true 2>/dev/null || skip "strace does not work here"
	local boot
	export ASAN_OPTIONS=detect_leaks=0 # it would trace, too
	boot=$(cat /proc/sys/kernel/random/boot_id)
	mount -t tmpfs none /proc
	mkdir -p /proc/sys/kernel/random /proc/self/ns
	echo "$boot" >/proc/sys/kernel/random/boot_id
	touch /proc/self/ns/net
	! strace -o /dev/null -e inject=getsockopt:error=ENOPROTOOPT \
		-e inject=socket:error=EPROTONOSUPPORT:when=5+ \
		"$FWSNAP" --root "$ROOT" save 2>"$TMP/err" >"$TMP/out" || fail "it saved"
	umount /proc
	says "this kernel has no packet filter" "; the firewall is unchanged"
	[ -z "$(ls "$ROOT/var/lib/fwsnap/snapshots")" ] || fail "something was saved"
}

test_wrong_usage_ends_with_2_and_does_nothing() {
	local line
	load_nft
	while read -r line; do
		# shellcheck disable=SC2086
		fwsnap 2 $line
		[ -s "$TMP/err" ] || fail "$line: no word"
	done <<-'END'

		nonsense
		--nonsense save
		save --nonsense
		save -m
		save extra
		save --tag
		restore 1 2
		restore live
		restore --within
		status extra
		list extra
		list --x
		show a b
		show --format xml
		tag
		tag @
		tag a b c
		untag
		untag a b
		prune --keep
		prune --keep x
		prune --keep -1
		prune extra
		export
		export a b c
		import
		import a b
		import a --type xml
		check
		check a --type xml
		check a --base some
	END
	fwsnap 2 --root relative status
	[ -z "$(find "$ROOT" -type f ! -name lock)" ] || fail "something was written"
}

test_help_and_version_are_printed() {
	local command
	fwsnap 0 --help
	prints usage save restore
	for command in save restore check status list show verify tag untag prune export import; do
		fwsnap 0 "$command" --help
		prints "usage: fwsnap $command"
	done
	fwsnap 0 --version
	prints "fwsnap "
	[ ! -e "$ROOT/var" ]
}

test_a_wrong_configuration_is_refused_with_its_line() {
	local line
	load_nft
	for line in "nonsense = 1" "keep" "keep = many" "layout = suse" "store = relative" "iptables = ../x"; do
		config "# first" "$line"
		fwsnap 1 save
		says "fwsnap.conf:2:" "; the firewall is unchanged"
	done
	config "keep = 1" "keep = 2"
	fwsnap 1 save
	says "fwsnap.conf:2:"
	rm "$ROOT/etc/fwsnap/fwsnap.conf"
	fwsnap 1 --config "$TMP/nowhere" save
	says "$TMP/nowhere"
	[ ! -e "$ROOT/var" ]
}

test_output_that_cannot_be_written_is_an_error() {
	local status=0
	load_nft
	fwsnap 0 save
	"$FWSNAP" --root "$ROOT" list >/dev/full 2>"$TMP/err" || status=$?
	[ "$status" = 1 ] || fail "exit status $status"
	says "cannot write the output"
	status=0
	"$FWSNAP" --root "$ROOT" export 1 >/dev/full 2>"$TMP/err" || status=$?
	[ "$status" = 1 ] || fail "exit status $status"
}

# Messages

is_silent() {
	[ ! -s "$TMP/err" ] || fail "it said something"
	[ ! -s "$TMP/out" ] || fail "it printed something"
}

test_quiet_says_nothing_but_errors() {
	load_nft
	fwsnap 0 -q save
	is_silent
	lose
	fwsnap 0 -q restore
	is_silent
	fwsnap 1 -q restore 99
	says "'99'"
}

test_errors_have_one_form() {
	local line
	load_nft
	fwsnap 0 save
	: >"$TMP/errors"
	while read -r line; do
		# shellcheck disable=SC2086
		fwsnap 1 $line
		cat "$TMP/err" >>"$TMP/errors"
		says "; the firewall is unchanged"
	done <<-'END'
		restore 99
		restore nobody
		import /nowhere
		--config /nowhere save
	END
	! grep -v '^fwsnap: .*[^.]$' "$TMP/errors" || fail "another form"
}

# Privilege and place

as_nobody() {
	chmod 755 "$TMP"
	chmod -R a+rX "$ROOT"
	FWSNAP_REAL=$FWSNAP
	printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups "%s" "$@"\n' "$FWSNAP_REAL" \
		>"$TMP/as_nobody"
	chmod 755 "$TMP/as_nobody"
	FWSNAP=$TMP/as_nobody
	setpriv --reuid 65534 --regid 65534 --clear-groups "$FWSNAP_REAL" --version >/dev/null ||
		skip "nobody cannot reach the program"
}

test_without_privilege_it_ends_with_4() {
	load_nft
	fwsnap 0 save
	remember now
	remember_files now
	as_nobody
	remember_files readable
	for command in save restore status; do
		fwsnap 4 $command
		says "needs root" "; the firewall is unchanged"
	done
	for command in "tag @ x" "prune" "import /dev/null"; do
		# shellcheck disable=SC2086
		fwsnap 4 $command
		says "cannot"
	done
	are_live now
	files_are readable
}

test_elsewhere_than_in_the_namespace_of_the_host_a_root_is_needed() {
	local status=0
	unshare --net "$FWSNAP" save 2>"$TMP/err" || status=$?
	[ "$status" = 1 ] || fail "exit status $status"
	says "--root" "; the firewall is unchanged"
	unshare --net "$FWSNAP" --root "$ROOT" save
}

# The case's namespaces have a first process of their own: here the default paths are good.
test_in_the_namespace_of_the_host_the_default_paths_are_used() {
	mount -t tmpfs none /etc
	mount -t tmpfs none /var/lib
	load_nft
	"$FWSNAP" save 2>"$TMP/err" || fail "exit status $?"
	[ -s /etc/nftables.up.rules ]
	[ -s /var/lib/fwsnap/snapshots/1.tar.gz ]
	lose
	"$FWSNAP" -q restore
	"$FWSNAP" status >/dev/null
}

# Programs that are not there

# Programs vanish from sbin, which is where all of them are.
hide() { # PROGRAM...
	mkdir -p "$TMP/sbin"
	mountpoint -q "$TMP/sbin" || mount --bind /usr/sbin "$TMP/sbin"
	mount -t tmpfs none /usr/sbin
	ln -s "$TMP"/sbin/* /usr/sbin/
	(cd /usr/sbin && rm -f "$@")
}

unhide() {
	umount /usr/sbin
}

saves_exactly_without() { # PACKAGE PROGRAM...
	local package=$1
	shift
	remember saved
	hide "$@"
	fwsnap 8 save
	says "package $package" "kept exactly"
	unhide
	lose
	hide "$@"
	fwsnap 0 restore
	unhide
	are_live saved
	no_drift
}

test_without_nft_a_save_is_exact_and_names_the_package() {
	load_nft
	load_iptables
	saves_exactly_without nftables nft
	[ ! -e "$ROOT/etc/nftables.up.rules" ]
	[ -s "$ROOT/etc/iptables.up.rules" ]
}

test_without_iptables_a_save_is_exact_and_names_the_package() {
	load_iptables nft
	load_nft
	iptables-nft -A INPUT -m string --algo bm --string x -j DROP
	ip6tables-nft -A INPUT -m string --algo bm --string x -j DROP
	saves_exactly_without iptables ip{,6}tables{,-nft,-legacy}{,-save,-restore}
}

test_without_iptables_legacy_rules_are_saved_exactly() {
	load_iptables legacy
	saves_exactly_without iptables ip{,6}tables{,-nft,-legacy}{,-save,-restore}
}

test_without_ipset_a_save_is_exact_and_names_the_package() {
	load_ipset
	saves_exactly_without ipset ipset
}

test_without_any_program_a_save_is_exact() {
	load_everything
	saves_exactly_without nftables nft ipset ip{,6}tables{,-nft,-legacy}{,-save,-restore}
	[ "$(ls "$ROOT/etc")" = "" ]
}

test_a_missing_program_leaves_the_good_text_alone() {
	load_nft
	fwsnap 0 save
	cp "$ROOT/etc/nftables.up.rules" "$TMP/good"
	nft add table ip more
	hide nft
	fwsnap 8 save
	unhide
	cmp "$TMP/good" "$ROOT/etc/nftables.up.rules"
	fwsnap 0 save
	fwsnap 0 status
	prints "nftables.up.rules: as saved"
}

test_an_import_of_text_without_its_program_names_the_package() {
	load_nft
	nft list ruleset >"$TMP/nftables.conf"
	hide nft
	fwsnap 1 import "$TMP/nftables.conf"
	says "package nftables" "; the firewall is unchanged"
	unhide
}

# Folders and space. A first save is there; a second one fails and loses nothing.

two_rulesets() {
	load_nft
	load_iptables
	fwsnap 0 save
	iptables -A INPUT -s 192.0.2.99 -j DROP
	nft add rule inet site input tcp dport 995 accept
	remember now
	remember_files before
}

nothing_was_lost() {
	are_live now
	files_are before
	no_leftovers
	fwsnap 0 verify
}

test_a_read_only_store_loses_nothing() {
	two_rulesets
	mount --bind "$ROOT/var/lib/fwsnap" "$ROOT/var/lib/fwsnap"
	mount -o remount,ro,bind "$ROOT/var/lib/fwsnap"
	fwsnap 1 save
	says "$ROOT/var/lib/fwsnap" "; the firewall is unchanged"
	fwsnap 1 restore
	says "$ROOT/var/lib/fwsnap" "; the firewall is unchanged"
	fwsnap 3 status
	fwsnap 0 list
	fwsnap 0 show 1
	nothing_was_lost
	umount "$ROOT/var/lib/fwsnap"
	fwsnap 0 save
}

test_a_read_only_etc_loses_nothing() {
	two_rulesets
	mount --bind "$ROOT/etc" "$ROOT/etc"
	mount -o remount,ro,bind "$ROOT/etc"
	fwsnap 1 save
	says "$ROOT/etc/" "; the firewall is unchanged"
	nothing_was_lost
	fwsnap 0 restore
}

test_a_read_only_run_stops_a_save_before_it_begins() {
	two_rulesets
	rm -r "$ROOT/run"
	mkdir "$ROOT/run"
	mount --bind "$ROOT/run" "$ROOT/run"
	mount -o remount,ro,bind "$ROOT/run"
	fwsnap 1 save
	says "$ROOT/run/fwsnap" "; the firewall is unchanged"
	fwsnap 0 list
	nothing_was_lost
}

test_folders_that_cannot_be_read_are_named() {
	two_rulesets
	printf '#!/bin/sh\nexec setpriv --bounding-set -dac_override,-dac_read_search "%s" "$@"\n' "$FWSNAP" >"$TMP/bound"
	chmod 755 "$TMP/bound"
	FWSNAP=$TMP/bound
	chmod 000 "$ROOT/var/lib/fwsnap"
	fwsnap 4 save
	says "$ROOT/var/lib/fwsnap" "; the firewall is unchanged"
	fwsnap 4 list
	chmod 700 "$ROOT/var/lib/fwsnap"
	chmod 000 "$ROOT/etc"
	fwsnap 4 save
	says "$ROOT/etc" "; the firewall is unchanged"
	chmod 755 "$ROOT/etc"
	nothing_was_lost
}

# Rules that do not compress to less than about 100 KB.
load_much() {
	{
		echo "table ip much { set s { type ipv4_addr; elements = {"
		awk 'BEGIN { srand(7); for (i = 0; i < 20000; i++) printf "%d.%d.%d.%d,\n", 1 + rand() * 222, rand() * 256, rand() * 256, rand() * 256 }'
		echo "}; }; }"
	} | nft -f -
	remember now
}

test_a_full_disk_under_the_store_loses_nothing() {
	mkdir -p "$ROOT/var/lib/fwsnap"
	mount -t tmpfs -o size=64k,mode=700 none "$ROOT/var/lib/fwsnap"
	two_rulesets
	load_much
	fwsnap 1 save
	says "No space left" "$ROOT/var/lib/fwsnap" "; the firewall is unchanged"
	nothing_was_lost
	fwsnap 1 restore
	says "No space left" "; the firewall is unchanged"
	nothing_was_lost
	mount -o remount,size=4m "$ROOT/var/lib/fwsnap"
	fwsnap 0 save
	no_drift
}

test_a_full_disk_under_the_texts_loses_nothing() {
	mount -t tmpfs -o size=32k,mode=755 none "$ROOT/etc"
	two_rulesets
	load_much
	fwsnap 1 save
	says "No space left" "$ROOT/etc/nftables.up.rules" "; the firewall is unchanged"
	nothing_was_lost
	mount -o remount,size=4m "$ROOT/etc"
	fwsnap 0 save
	no_drift
}

test_a_disk_without_a_single_free_byte_loses_nothing() {
	mkdir -p "$ROOT/var/lib/fwsnap"
	mount -t tmpfs -o size=64k,mode=700 none "$ROOT/var/lib/fwsnap"
	two_rulesets
	head -c 1M /dev/zero >"$ROOT/var/lib/fwsnap/filler" 2>/dev/null || true
	remember_files before
	fwsnap 1 save
	says "No space left" "; the firewall is unchanged"
	nothing_was_lost
	for _ in 1 2 3; do
		truncate -s -4096 "$ROOT/var/lib/fwsnap/filler"
		remember_files before
		"$FWSNAP" --root "$ROOT" save 2>"$TMP/err" >"$TMP/out" && break
		nothing_was_lost
	done
	fwsnap 0 save
	says unchanged
	fwsnap 0 verify
}

# Links, and folders where files should be

victim_is_untouched() {
	[ "$(cat "$TMP/victim")" = victim ] || fail "the target of the link was changed"
}

test_a_link_where_a_text_should_be_is_refused() {
	echo victim >"$TMP/victim"
	load_nft
	ln -s "$TMP/victim" "$ROOT/etc/nftables.up.rules"
	remember_files before
	fwsnap 1 save
	says "$ROOT/etc/nftables.up.rules" "; the firewall is unchanged"
	victim_is_untouched
	[ -L "$ROOT/etc/nftables.up.rules" ]
	[ -z "$(ls "$ROOT/var/lib/fwsnap/snapshots")" ]
	no_leftovers
}

test_a_folder_where_a_text_should_be_is_refused() {
	load_nft
	mkdir "$ROOT/etc/nftables.up.rules"
	fwsnap 1 save
	says "$ROOT/etc/nftables.up.rules" "; the firewall is unchanged"
	[ -z "$(ls "$ROOT/var/lib/fwsnap/snapshots")" ]
	no_leftovers
}

test_a_fifo_where_a_text_should_be_is_refused_at_once() {
	load_nft
	mkfifo "$ROOT/etc/nftables.up.rules"
	fwsnap 1 save
	says "$ROOT/etc/nftables.up.rules"
	fwsnap 3 status
}

test_a_link_where_the_snapshots_should_be_is_refused() {
	load_nft
	mkdir -p "$TMP/victim-folder" "$ROOT/var/lib/fwsnap"
	ln -s "$TMP/victim-folder" "$ROOT/var/lib/fwsnap/snapshots"
	fwsnap 1 save
	says "$ROOT/var/lib/fwsnap'" snapshots "; the firewall is unchanged"
	[ -z "$(ls -A "$TMP/victim-folder")" ] || fail "something was written through the link"
}

test_a_link_where_the_store_should_be_is_refused() {
	load_nft
	mkdir -p "$TMP/victim-folder" "$ROOT/var/lib"
	ln -s "$TMP/victim-folder" "$ROOT/var/lib/fwsnap"
	fwsnap 1 save
	says "$ROOT/var/lib/fwsnap" "; the firewall is unchanged"
	[ -z "$(ls -A "$TMP/victim-folder")" ] || fail "something was written through the link"
}

test_a_link_where_a_snapshot_should_be_is_refused() {
	load_nft
	fwsnap 0 save
	mv "$ROOT/var/lib/fwsnap/snapshots/1.tar.gz" "$TMP/1.tar.gz"
	ln -s "$TMP/1.tar.gz" "$ROOT/var/lib/fwsnap/snapshots/1.tar.gz"
	lose
	fwsnap 1 restore 1
	says "1.tar.gz" "; the firewall is unchanged"
	fwsnap 1 verify
	[ -z "$(nft list ruleset)" ]
}

test_a_link_where_the_lock_should_be_is_refused() {
	echo victim >"$TMP/victim"
	load_nft
	mkdir -p "$ROOT/run/fwsnap"
	ln -s "$TMP/victim" "$ROOT/run/fwsnap/lock"
	fwsnap 1 save
	says "$ROOT/run/fwsnap/lock" "; the firewall is unchanged"
	victim_is_untouched
}

test_current_that_points_elsewhere_is_damage() {
	local target
	load_nft
	fwsnap 0 save
	remember saved
	lose
	for target in /etc/passwd ../1.tar.gz snapshots/x.tar.gz snapshots/../../../etc/x snapshots/0.tar.gz; do
		ln -sfn "$target" "$ROOT/var/lib/fwsnap/current"
		fwsnap 7 restore
		says "current" "; the firewall is unchanged"
		fwsnap 7 restore 1
		says "current" "; the firewall is unchanged"
		fwsnap 7 save
		[ -z "$(nft list ruleset)" ]
		[ "$(readlink "$ROOT/var/lib/fwsnap/current")" = "$target" ]
	done
	rm "$ROOT/var/lib/fwsnap/current"
	fwsnap 0 restore 1
	are_live saved
	no_drift
}

test_current_that_is_a_file_is_refused() {
	load_nft
	fwsnap 0 save
	rm "$ROOT/var/lib/fwsnap/current"
	echo 1 >"$ROOT/var/lib/fwsnap/current"
	nft add table ip x
	remember_files before
	fwsnap 1 save
	says "current" "; the firewall is unchanged"
	files_are before
}

test_a_folder_that_others_can_write_to_is_refused() {
	load_nft
	chmod 777 "$ROOT/etc"
	fwsnap 4 save
	says "$ROOT/etc/nftables.up.rules" "; the firewall is unchanged"
	[ -z "$(ls -A "$ROOT/etc")" ]
}

run_cases "$@"
