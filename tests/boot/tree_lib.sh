# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tree_lib - the systems that the boot tests boot, made from Debian's packages
#
# One is made in full: "systemd", with ifupdown in it. The others are layers over it, each what dpkg
# writes when its packages are installed there; an overlay puts them together. All are kept in
# FWSNAP_CACHE, under names that tell what is in them.
FWSNAP_CACHE=${FWSNAP_CACHE:-/var/cache/fwsnap-test}

TREE_PACKAGES=systemd,systemd-sysv,dbus,libpam-systemd,login,iproute2,iptables,nftables,ipset,ifupdown
TREE_PACKAGES+=,kmod,libmnl0,libnftnl11,zlib1g,libjansson4,libip4tc2,libip6tc2

# What a layer has more, and less: PACKAGE- is removed.
declare -A LAYER_PACKAGES=(
	[sysvinit]="sysvinit-core sysv-rc libpam-systemd- systemd-sysv-"
	[openrc]="sysvinit-core openrc libpam-systemd- systemd-sysv-"
	[ifupdown-ng]="ifupdown- ifupdown-ng"
	[ifupdown2]="ifupdown- ifupdown2"
	[busybox]="ifupdown- busybox-static"
	[persistent]="iptables-persistent netfilter-persistent"
	[networkmanager]="network-manager"
	[networkd-dispatcher]="networkd-dispatcher"
	[neighbours]="docker.io libvirt-daemon-system libvirt-clients dnsmasq-base fail2ban sshguard netavark
		containernetworking-plugins firewalld crowdsec-firewall-bouncer busybox-static jq"
)

# Of a kind, in $tree the system on which it stands, in $layer what is laid over it (empty: nothing).
name_tree() { # KIND
	local packages=${LAYER_PACKAGES[$1]:-}
	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	tree=$FWSNAP_CACHE/debian-$suite-$(sha256sum <<<"$suite $TREE_PACKAGES" | head -c 12)
	layer=
	[ -z "$packages" ] || layer=$tree-$1-$(sha256sum <<<"$packages" | head -c 12)
}

# Makes what is missing. What it did is in $FWSNAP_CACHE/log.
make_tree() { # KIND
	name_tree "$1"
	! tree_is_there || return 0
	mkdir -p "$FWSNAP_CACHE" && exec 9>"$FWSNAP_CACHE/lock" && flock 9 || return
	{
		[ -d "$tree" ] || build_tree
		[ -z "$layer" ] || [ -d "$layer" ] || build_layer "${LAYER_PACKAGES[$1]}"
	} 9>&- >"$FWSNAP_CACHE/log" 2>&1 || true
	exec 9>&-
	tree_is_there
}

tree_is_there() {
	[ -d "$tree" ] && { [ -z "$layer" ] || [ -d "$layer" ]; }
}

# From where this machine has its own packages.
build_tree() {
	apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' \
		'Identifier: Packages' 'Origin: Debian' | grep " $suite" | bootstrap "$suite" "$TREE_PACKAGES" "$tree"
}

bootstrap() { # SUITE PACKAGES FOLDER; sources on standard input
	rm -rf "$3.new"
	timeout -k 5 300 mmdebstrap --quiet --mode=root --variant=essential --include="$2" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$1" "$3.new" - &&
		mv "$3.new" "$3"
}

# The release after this machine's, with newer programs, in $newer.
NEWER_SUITE=trixie
NEWER_PACKAGES=firewalld,dbus,iptables,nftables,ipset,iproute2,jq,procps
NEWER_PACKAGES+=,libmnl0,libnftnl11,zlib1g,libjansson4,libip4tc2,libip6tc2
make_newer() {
	name_tree systemd
	newer=$FWSNAP_CACHE/debian-$NEWER_SUITE-$(sha256sum <<<"$NEWER_PACKAGES" | head -c 12)
	[ ! -d "$newer" ] || return 0
	mkdir -p "$FWSNAP_CACHE" && exec 9>"$FWSNAP_CACHE/lock" && flock 9 || return
	apt-get indextargets --format "deb \$(REPO_URI) $NEWER_SUITE \$(COMPONENT)" 'Identifier: Packages' \
		'Origin: Debian' "Codename: $suite" 'Component: main' |
		bootstrap "$NEWER_SUITE" "$NEWER_PACKAGES" "$newer" 9>&- >"$FWSNAP_CACHE/log" 2>&1 || true
	exec 9>&-
	[ -d "$newer" ]
}

build_layer() { # PACKAGES
	rm -rf "$layer".*
	mkdir -p "$layer.new" "$layer.work" "$layer.debs/partial" "$layer.root"
	{ download_layer "$1" || { apt-get update -qq && download_layer "$1"; }; } &&
		export -f install_layer &&
		unshare --mount --net --pid --fork --kill-child bash -euc 'install_layer "$@"' bash \
			"$tree" "$layer" "$1" &&
		mv "$layer.new" "$layer"
	rm -rf "$layer".*
}

# What installing would need, seen from the tree.
download_layer() { # PACKAGES
	# shellcheck disable=SC2086 # a list of names
	apt-get install -qq -y --no-install-recommends --download-only -o Debug::NoLocking=1 \
		-o Dir::State::status="$tree/var/lib/dpkg/status" -o Dir::Cache::archives="$layer.debs" \
		-o Dir::State::extended_states="$layer.debs/states" -o APT::Sandbox::User=root $1
}

install_layer() { # TREE LAYER PACKAGES
	local package
	mount -t overlay -o "lowerdir=$1,upperdir=$2.new,workdir=$2.work" none "$2.root"
	mkdir "$2.root/debs"
	mount --bind "$2.debs" "$2.root/debs"
	mount -t proc none "$2.root/proc"
	printf '#!/bin/sh\nexit 101\n' >"$2.root/usr/sbin/policy-rc.d"
	chmod +x "$2.root/usr/sbin/policy-rc.d"
	export DEBIAN_FRONTEND=noninteractive
	for package in $3; do
		case $package in *-) chroot "$2.root" dpkg --purge --force-depends "${package%-}" ;; esac
	done
	# again, for those that have to be configured before others can be unpacked
	chroot "$2.root" sh -c 'for _ in 1 2 3; do dpkg --force-unsafe-io -B -i /debs/*.deb && exit; done; exit 1'
	umount "$2.root/debs"
	rm -r "$2.root/debs" "$2.root/usr/sbin/policy-rc.d"
}

# Debian's kernel for virtual machines, in $kernel: boot/vmlinuz-VERSION and lib/modules/VERSION.
make_kernel() {
	name_tree systemd
	kernel=$FWSNAP_CACHE/kernel-$suite
	[ ! -d "$kernel" ] || return 0
	mkdir -p "$FWSNAP_CACHE" && exec 9>"$FWSNAP_CACHE/lock" && flock 9 || return
	{ fetch_kernel || { apt-get update -qq && fetch_kernel; }; } 9>&- >"$FWSNAP_CACHE/log" 2>&1 || true
	exec 9>&-
	[ -d "$kernel" ]
}

fetch_kernel() {
	local package
	package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-6[^ ]*\)$/\1/p' | head -n 1)
	rm -rf "$kernel.new"
	mkdir "$kernel.new" && cd "$kernel.new" && apt-get download -qq -o APT::Sandbox::User=root "$package" &&
		dpkg -x ./*.deb . && rm ./*.deb && cd - && mv "$kernel.new" "$kernel"
}
