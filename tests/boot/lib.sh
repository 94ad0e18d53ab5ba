# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lib - fixture of the boot tests: a Debian with systemd, sysvinit or OpenRC, booted by systemd-nspawn
#
# Cases are those of tests/cli/lib.sh; they ask for a system by: on KIND (of tree_lib.sh). In one:
#   boot FUNCTION ARGUMENT...   boots the system and runs a function of the script in it; that may use
#                               what tests/cli/lib.sh has, with ROOT=/ and TMP=/case
#   visit FUNCTION ARGUMENT...  the same without a boot, in the network of the case
# What these leave on the disk, the next of the same case finds; in between it is in $TMP/system.
#
# The system has one link, host0, whose other end is ve-system in the namespace of the case. Whatever
# brings up links there can call `look NAME` (see there) before it does.
#
# What `make install` installs lies over the system. Each case has a network, a cgroup tree and a disk (in
# memory) of its own. A script may set NSPAWN_OPTIONS, and BOOT_WANTS: the units of systemd that are up when
# the function is called.
# shellcheck source=tests/cli/lib.sh
. "${BASH_SOURCE[0]%/*}/../cli/lib.sh"
# shellcheck source=tests/boot/tree_lib.sh
. "${BASH_SOURCE[0]%/*}/tree_lib.sh"
FWSNAP_INSTALLED=${FWSNAP_INSTALLED:-$build/tests/installed}
tests=$(realpath "${BASH_SOURCE[0]%/*}/..")
script=/tests/$(realpath --relative-to="$tests" "$0")
KIND=systemd
NSPAWN_OPTIONS=()
BOOT_WANTS='multi-user.target systemd-logind.service systemd-user-sessions.service'

run_boot_cases() {
	case ${1:-} in
	booted) run_booted "${@:2}" ;;
	inside) run_cases "$@" ;;
	*)
		make_trees
		run_cases "$@"
		;;
	esac
}

# Of the kinds that the script names; a case has no network to make it from, and says why there is none.
make_trees() {
	local kind
	sed -n 's/^\ton \([a-z0-9-]*\)$/\1/p; $a systemd' "$0" | sort -u | while read -r kind; do
		make_tree "$kind" || true
	done
}

on() { # KIND
	KIND=$1
}

need_tree() {
	command -v systemd-nspawn >/dev/null || skip "systemd-nspawn is not installed"
	name_tree "$KIND"
	tree_is_there || command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
	tree_is_there ||
		skip "no system to boot could be made: $(tail -n 1 "$FWSNAP_CACHE/log" || echo "no log")"
	[ -x "$FWSNAP_INSTALLED/usr/sbin/fwsnap" ] || skip "'make $FWSNAP_INSTALLED' was not run"
	! missing_libraries | grep . || skip "the system to boot lacks libraries of this build"
}

missing_libraries() {
	local library
	ldd "$FWSNAP_INSTALLED/usr/sbin/fwsnap" | awk '/=> \// { print $1 }' | while read -r library; do
		[ -n "$(find "$tree/usr/lib" -name "$library")" ] || echo "$library"
	done
}

# The disk of this case, in $TMP/system: ours over the kept one, changes in memory.
make_system() {
	mkdir "$TMP/changes" "$TMP/work" "$TMP/system"
	mount -t overlay -o "lowerdir=$FWSNAP_INSTALLED:${layer:+$layer:}$tree,upperdir=$TMP/changes,workdir=$TMP/work" \
		none "$TMP/system" || skip "the kernel has no overlay"
	mkdir "$TMP/system/case" "$TMP/system/tests"
	case $KIND in
	sysvinit | openrc) start_by_inittab ;;
	*) start_by_systemd ;;
	esac
}

start_by_systemd() {
	first=/lib/systemd/systemd console=pipe
	cat >"$TMP/system/etc/systemd/system/case.service" <<-END
		[Unit]
		Wants=$BOOT_WANTS
		After=$BOOT_WANTS
		SuccessAction=exit-force
		FailureAction=exit-force
		[Service]
		Type=oneshot
		EnvironmentFile=/case/environment
		ExecStart=$script booted \$COMMAND
		StandardOutput=file:/case/log
		StandardError=inherit
	END
}

# Behind the last runlevel; there are no terminals, but a console that can be read.
start_by_inittab() {
	first=/sbin/init console=read-only
	sed -i '/getty/d' "$TMP/system/etc/inittab"
	echo "case:2:once:/case/start" >>"$TMP/system/etc/inittab"
	cat >"$TMP/system/case/start" <<-END
		#!/bin/bash
		set -a
		. /case/environment
		$script booted \$COMMAND >/case/log 2>&1 </dev/null
		echo \$? >/case/status
		halt -f -p
	END
	chmod +x "$TMP/system/case/start"
}

# A cgroup tree of its own, in $cgroup; the system gets all below.
make_cgroup() {
	mkdir "$TMP/cgroup"
	mount -t cgroup2 none "$TMP/cgroup" || skip "the kernel has no cgroup2"
	cgroup=$TMP/cgroup/fwsnap-test.$(basename "$TMP")
	mkdir "$cgroup" || skip "cgroups cannot be made here"
}

remove_cgroup() {
	for _ in {1..100}; do
		echo 1 >"$cgroup/cgroup.kill"
		find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
		[ -d "$cgroup" ] || return 0
		sleep 0.02
	done
}

# Its disk, before the first boot.
make_ready() {
	[ ! -d "$TMP/system" ] || return 0
	need_tree
	make_system
	make_cgroup
	trap remove_cgroup EXIT
}

boot() { # FUNCTION ARGUMENT...
	local status=0
	make_ready
	rm -rf "$TMP"/system/case/{booted,status,looked}
	cat >"$TMP/system/case/environment" <<-END
		FWSNAP=/usr/sbin/fwsnap
		FWSNAP_FAULTY=/usr/bin/fwsnap-faulty
		TERMINAL=/usr/bin/terminal
		COMMAND="$*"
	END
	: >"$TMP/system/case/log"
	start_container || status=$?
	[ -e "$TMP/system/case/booted" ] || [ "$status" = 124 ] || [ ! -s "$TMP/console" ] ||
		skip "systemd-nspawn cannot boot here: $(tail -n 1 "$TMP/console")"
	[ ! -e "$TMP/system/case/status" ] || status=$(cat "$TMP/system/case/status")
	cat "$TMP/console" "$TMP/system/case/log"
	[ "$status" = 0 ] || exit "$status"
}

visit() { # FUNCTION ARGUMENT...
	make_ready
	mount_kernel
	FWSNAP=/usr/sbin/fwsnap FWSNAP_FAULTY=/none TERMINAL=/none \
		chroot "$TMP/system" "$script" booted "$@" || exit
}

mount_kernel() {
	[ ! -e "$TMP/system/proc/self" ] || return 0
	mount -t proc none "$TMP/system/proc"
	mount -t sysfs none "$TMP/system/sys"
	mount --rbind /dev "$TMP/system/dev"
	mount -t tmpfs none "$TMP/system/run"
	mount --bind "$tests" "$TMP/system/tests"
}

# systemd-nspawn looks for cgroups where its first process is.
start_container() {
	(
		echo 0 >"$cgroup/cgroup.procs"
		exec timeout -k 5 60 unshare --cgroup --mount --pid --fork --kill-child --mount-proc bash -euc '
			umount -l /sys/fs/cgroup
			mount -t cgroup2 none /sys/fs/cgroup
			mkdir -p /sys/fs/cgroup/payload
			exec systemd-nspawn --quiet --directory="$1/system" --machine=system --network-veth \
				--register=no --keep-unit --console="$6" --link-journal=no \
				--bind-ro="$2:/tests" --bind-ro="$3:/usr/bin/terminal" \
				--bind-ro="$4:/usr/bin/fwsnap-faulty" "${@:7}" -- "$5" systemd.unit=case.service' \
			bash "$TMP" "$tests" "$TERMINAL" "$FWSNAP_FAULTY" "$first" "$console" "${NSPAWN_OPTIONS[@]}" \
			>"$TMP/console" 2>&1 </dev/null
	)
}

run_booted() { # FUNCTION ARGUMENT...
	TMP=/case ROOT=/
	: >"$TMP/booted"
	trap 'echo "line $LINENO: $BASH_COMMAND: exit status $?"' ERR
	set -E
	"$@"
}

# what a system finds in itself

# Configures links as ifupdown has them, with a hook that looks before the others do anything.
configure_links() { # NAME...
	local number=1 name
	mkdir -p /etc/network/if-{pre-up,up,down,post-down}.d
	printf 'auto lo\niface lo inet loopback\n' >/etc/network/interfaces
	for name in "$@"; do
		number=$((number + 1))
		printf 'auto %s\niface %s inet static\n\taddress 192.0.2.%s/24\n' "$name" "$name" "$number"
	done >>/etc/network/interfaces
	cat >/etc/network/if-pre-up.d/0look <<-'END'
		#!/bin/sh
		case $IFACE in lo | --all) ;; *) exec /tests/boot/look first ;; esac
	END
	chmod +x /etc/network/if-pre-up.d/0look
}

is_up() { # LINK
	ip -o link show up dev "$1" 2>/dev/null | grep -q .
}

# When the first link was about to come up, and now.
stood_before_the_network() { # NAME: the rules that were remembered
	[ -d "$TMP/looked/first" ] || fail "nobody looked"
	[ ! -s "$TMP/looked/first/up" ] || fail "up before: $(cat "$TMP/looked/first/up")"
	diff "$TMP/rules.$1" "$TMP/looked/first/rules" || fail "other rules stood before the network"
	are_live "$1"
}

# Nothing of the history can be loaded, nor the texts.
damage_everything() {
	local file
	for file in "$ROOT"/var/lib/fwsnap/snapshots/*.gz; do
		echo damaged >"$file"
	done
	for file in "$ROOT"/etc/*.up.rules; do
		echo damaged >"$file"
	done
}
