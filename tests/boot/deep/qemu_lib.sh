# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu_lib - a case's system on a disk, under Debian's own kernel, by qemu
#
#   switch_on FUNCTION ARGUMENT...  boots it, runs a function of the script as the only process, switches off;
#                                   what it left in /case is then in $TMP/case
#   switch_on_and_cut FUNCTION ...  the same until the function calls cut_power: qemu is killed there
# Here the emulator is slow: a boot takes some seconds. The disk keeps what the guest flushed, and what
# it wrote in its own time: nothing of what only its memory has.
# shellcheck source=tests/boot/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

run_qemu_cases() {
	case ${1:-} in
	booted | inside) ;;
	*) make_kernel || true ;; # each case says why there is none
	esac
	run_boot_cases "$@"
}

need_qemu() {
	local program
	for program in qemu-system-x86_64 mke2fs debugfs; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	kernel=$FWSNAP_CACHE/kernel-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	[ -d "$kernel" ] || skip "no kernel could be had: $(tail -n 1 "$FWSNAP_CACHE/log" || echo "no log")"
	version=$(basename "$kernel"/lib/modules/*)
}

# From the system of the case, as it is now.
make_disk() {
	[ ! -e "$TMP/disk" ] || return 0
	need_qemu
	make_ready
	make_initrd
	add_modules
	! mountpoint -q "$TMP/system/tests" || umount -R "$TMP"/system/{tests,proc,sys,dev,run}
	cp -a "$tests/boot" "$tests/cli" "$TMP/system/tests/"
	cp "$FWSNAP_FAULTY" "$TMP/system/usr/bin/fwsnap-faulty"
	cat >"$TMP/system/case/start" <<-END
		#!/bin/bash
		mount -t proc none /proc
		mount -t sysfs none /sys
		mount -t tmpfs none /run
		export FWSNAP=/usr/sbin/fwsnap FWSNAP_FAULTY=/usr/bin/fwsnap-faulty TERMINAL=/none
		ip link set lo up
		$script booted \${command//,/ } >/case/log 2>&1 </dev/null
		echo \$? >/case/status
		mount -o remount,ro /
		echo o >/proc/sysrq-trigger
		sleep 60
	END
	chmod +x "$TMP/system/case/start"
	truncate -s 600M "$TMP/disk"
	mke2fs -q -t ext4 -d "$TMP/system" "$TMP/disk"
}

add_modules() {
	local to=$TMP/system/usr/lib/modules/$version from=$kernel/lib/modules/$version
	mkdir -p "$to/kernel/arch/x86"
	cp -a "$from"/modules.* "$to/"
	cp -a "$from"/kernel/{net,lib,crypto} "$to/kernel/"
	cp -a "$from/kernel/arch/x86/crypto" "$to/kernel/arch/x86/"
	mkdir -p "$to/kernel/drivers/net"
	cp -a "$from"/kernel/drivers/net/{veth,dummy}.ko "$to/kernel/drivers/net/"
	chroot "$TMP/system" depmod "$version"
}

# Finds the disk, and makes way for what is on it.
make_initrd() {
	local folder=$TMP/initrd name
	mkdir -p "$folder"/{bin,dev,root}
	cp "$layer/usr/bin/busybox" "$folder/bin/"
	for name in virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev \
		virtio/virtio_pci block/virtio_blk; do
		cp "$kernel/lib/modules/$version/kernel/drivers/$name.ko" "$folder/"
	done
	cat >"$folder/init" <<-'END'
		#!/bin/busybox sh
		for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
			/bin/busybox insmod /$module.ko
		done
		/bin/busybox mount -t devtmpfs none /dev
		/bin/busybox mount -t ext4 -o noauto_da_alloc,commit=300 /dev/vda /root
		/bin/busybox mount -t devtmpfs none /root/dev
		exec /bin/busybox switch_root /root /case/start
	END
	chmod +x "$folder/init"
	(cd "$folder" && find . | bin/busybox cpio -o -H newc 2>/dev/null) >"$TMP/initrd.cpio"
}

start_machine() { # FUNCTION ARGUMENT...: in $machine
	make_disk
	: >"$TMP/console"
	timeout -k 5 100 qemu-system-x86_64 -accel tcg -cpu qemu64,-svm -M q35 -m 1024 -nodefaults -no-reboot -display none \
		-serial "file:$TMP/console" -kernel "$kernel/boot/vmlinuz-$version" -initrd "$TMP/initrd.cpio" \
		-append "console=ttyS0 quiet panic=-1 random.trust_cpu=on command=$(tr ' ' , <<<"$*")" \
		-drive "file=$TMP/disk,format=raw,if=none,id=disk" -device virtio-blk-pci,drive=disk \
		</dev/null >"$TMP/qemu" 2>&1 &
	machine=$!
}

switch_on() { # FUNCTION ARGUMENT...
	start_machine "$@"
	wait "$machine" || fail "qemu: $(cat "$TMP/qemu" "$TMP/console")"
	tell_log
	[ "$(cat "$TMP/case/status")" = 0 ] || fail "on the console: $(cat "$TMP/console")"
}

# What the function said, and left.
tell_log() {
	rm -rf "$TMP/case"
	debugfs -R "rdump /case $TMP" "$TMP/disk" 2>/dev/null
	cat "$TMP/case/log" || cat "$TMP/qemu" "$TMP/console"
}

switch_on_and_cut() { # FUNCTION ARGUMENT...
	start_machine "$@"
	within 90 is_over || fail "it takes too long: $(cat "$TMP/qemu" "$TMP/console")"
	grep -q 'cut the power' "$TMP/console" || {
		wait "$machine" || true
		tell_log
		fail "it ended by itself"
	}
	kill -9 "$(pgrep -P "$machine")"
	wait "$machine" 2>/dev/null || true
}

is_over() {
	grep -q 'cut the power' "$TMP/console" || ! kill -0 "$machine" 2>/dev/null
}

cut_power() { # in the machine
	echo "cut the power" >/dev/console
	sleep 100
}
