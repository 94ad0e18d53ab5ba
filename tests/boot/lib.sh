# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lib - fixture of the boot tests: a Debian with systemd, booted by systemd-nspawn
#
# Cases are those of tests/cli/lib.sh. In one:
#   boot FUNCTION ARGUMENT...   boots the system and runs a function of the script in it; that may use
#                               what tests/cli/lib.sh has, with ROOT=/ and TMP=/case
# What a boot leaves on the disk, the next of the same case finds.
#
# The system is made from Debian's packages once and kept in FWSNAP_CACHE; what `make install`
# installs lies over it. Each case has a network, a cgroup tree and a disk (in memory) of its own.
# A script that needs more adds to TREE_PACKAGES and NSPAWN_OPTIONS, or sets BOOT_WANTS, the units that
# are up when the function is called.
# shellcheck source=tests/cli/lib.sh
. "${BASH_SOURCE[0]%/*}/../cli/lib.sh"
FWSNAP_CACHE=${FWSNAP_CACHE:-/var/cache/fwsnap-test}
FWSNAP_INSTALLED=${FWSNAP_INSTALLED:-$(realpath -m "${BASH_SOURCE[0]%/*}/../../build/tests/installed")}

TREE_PACKAGES=systemd,systemd-sysv,dbus,libpam-systemd,login,iproute2,iptables,nftables,ipset
TREE_PACKAGES+=,libmnl0,libnftnl11,zlib1g,libjansson4,libip4tc2,libip6tc2
NSPAWN_OPTIONS=()
BOOT_WANTS='multi-user.target systemd-logind.service systemd-user-sessions.service'
TESTS=$(realpath "${BASH_SOURCE[0]%/*}/..")

run_boot_cases() {
	case ${1:-} in
	booted) run_booted "${@:2}" ;;
	inside) run_cases "$@" ;;
	*)
		make_tree || true # each case says why there is none
		run_cases "$@"
		;;
	esac
}

# The system on which all cases stand, in $tree. Its name tells what is in it.
name_tree() {
	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	tree=$FWSNAP_CACHE/debian-$suite-$(sha256sum <<<"$suite $TREE_PACKAGES" | head -c 12)
}

# From where this machine has its own packages.
make_tree() {
	name_tree
	[ ! -d "$tree" ] || return 0
	mkdir -p "$FWSNAP_CACHE" && exec 9>"$FWSNAP_CACHE/lock" && flock 9 || return
	[ -d "$tree" ] || build_tree 9>&- >"$FWSNAP_CACHE/log" 2>&1
	exec 9>&-
}

build_tree() {
	rm -rf "$tree.new"
	apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' \
		'Identifier: Packages' 'Origin: Debian' | grep " $suite" |
		timeout -k 5 300 mmdebstrap --quiet --mode=root --variant=apt --include="$TREE_PACKAGES" \
			--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$tree.new" - &&
		mv "$tree.new" "$tree"
}

need_tree() {
	local log=$FWSNAP_CACHE/log
	name_tree
	command -v systemd-nspawn >/dev/null || skip "systemd-nspawn is not installed"
	[ -d "$tree" ] || command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
	[ -d "$tree" ] || skip "no system to boot could be made: $(tail -n 1 "$log" || echo "no '$log'")"
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
	mount -t overlay -o "lowerdir=$FWSNAP_INSTALLED:$tree,upperdir=$TMP/changes,workdir=$TMP/work" \
		none "$TMP/system" || skip "the kernel has no overlay"
	mkdir "$TMP/system/case" "$TMP/system/tests"
	cat >"$TMP/system/etc/systemd/system/case.service" <<-END
		[Unit]
		Wants=$BOOT_WANTS
		After=$BOOT_WANTS
		SuccessAction=exit-force
		FailureAction=exit-force
		[Service]
		Type=oneshot
		Environment=FWSNAP=/usr/sbin/fwsnap
		Environment=FWSNAP_FAULTY=/none TERMINAL=/usr/bin/terminal
		EnvironmentFile=/case/command
		ExecStart=/tests/$(realpath --relative-to "$TESTS" "$0") booted \$COMMAND
		StandardOutput=file:/case/log
		StandardError=inherit
	END
}

# A cgroup tree of its own, in $cgroup; systemd gets all below.
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

boot() { # FUNCTION ARGUMENT...
	local status=0
	[ -d "$TMP/system" ] || {
		need_tree
		make_system
		make_cgroup
		trap remove_cgroup EXIT
	}
	rm -f "$TMP/system/case/booted"
	echo "COMMAND=$*" >"$TMP/system/case/command"
	: >"$TMP/system/case/log"
	# systemd-nspawn looks for cgroups where its first process is.
	(
		echo 0 >"$cgroup/cgroup.procs"
		exec timeout -k 5 60 unshare --cgroup --mount --pid --fork --kill-child --mount-proc bash -euc '
			umount -l /sys/fs/cgroup
			mount -t cgroup2 none /sys/fs/cgroup
			mkdir -p /sys/fs/cgroup/payload
			exec systemd-nspawn --quiet --directory="$1/system" --boot --private-network \
				--register=no --keep-unit --console=pipe --link-journal=no \
				--bind-ro="$2:/tests" --bind-ro="$3:/usr/bin/terminal" "${@:4}" -- systemd.unit=case.service' \
			bash "$TMP" "$TESTS" "$TERMINAL" "${NSPAWN_OPTIONS[@]}" >"$TMP/console" 2>&1 </dev/null
	) || status=$?
	[ -e "$TMP/system/case/booted" ] || [ "$status" = 124 ] || [ ! -s "$TMP/console" ] ||
		skip "systemd-nspawn cannot boot here: $(tail -n 1 "$TMP/console")"
	cat "$TMP/console" "$TMP/system/case/log"
	return "$status"
}

run_booted() { # FUNCTION ARGUMENT...
	TMP=/case ROOT=/
	: >"$TMP/booted"
	trap 'echo "line $LINENO: $BASH_COMMAND: exit status $?"' ERR
	set -E
	"$@"
}
