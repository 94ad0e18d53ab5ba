#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# firewalld 2, whose table belongs to its process: the cases of tests/neighbours/firewalld.sh, with the programs of
# the next Debian.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../lib.sh"

run_there() { # FOLDER
	mount -t tmpfs none "$1"
	mkdir "$1/changes" "$1/work" "$1/system"
	mount -t overlay -o "lowerdir=$FWSNAP_INSTALLED:$newer,upperdir=$1/changes,workdir=$1/work" none "$1/system"
	cd "$1/system"
	mkdir -p tests src before
	mount --rbind "$tests" tests
	mount --rbind "$tests/../src" src
	mount --rbind /dev dev
	mount --rbind /sys sys
	mount -t proc none proc
	mount -t tmpfs none tmp
	mount -t tmpfs none run
	# not chroot: the scratch enters mounts, whose root is this
	pivot_root . before
	umount -l before
	FWSNAP=/usr/sbin/fwsnap FWSNAP_FAULTY=/none TERMINAL=/none exec /tests/neighbours/firewalld.sh
}

make_newer || {
	echo "1..1"
	echo "ok 1 # SKIP firewalld 2: no system could be made: $(tail -n 1 "$FWSNAP_CACHE/log")"
	exit 0
}
folder=$(mktemp -d /tmp/fwsnap-test.XXXXXX)
trap 'rmdir "$folder"' EXIT
export -f run_there
export newer tests FWSNAP_INSTALLED
unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
	bash -euc 'run_there "$1"' bash "$folder"
