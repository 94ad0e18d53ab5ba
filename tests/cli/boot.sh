#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `restore --boot`: the ladder, rung by rung.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"
AT_ONCE=4

# STATUS WORD: the boot record says this
boots() {
	fwsnap "$1" restore --boot "${@:3}"
	grep -qx "rung: $2" "$ROOT"/run/fwsnap/boot.* || fail "the record does not say '$2': $(cat "$ROOT"/run/fwsnap/boot.*)"
}

# A machine that was switched off: nothing is in the kernel, nor in /run.
power_cycle() {
	lose
	rm -rf "$ROOT/run"
}

test_what_was_saved_is_loaded_by_no_program() {
	load_everything
	remember saved
	fwsnap 0 save
	power_cycle
	command -v strace >/dev/null || skip "strace is not installed"
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=execve,fork,vfork,clone,clone3,connect -o "$TMP/trace" "$FWSNAP" --root "$ROOT" restore --boot
	[ "$(grep -cv AF_NETLINK "$TMP/trace")" = 1 ] || fail "it runs others, or asks the network: $(cat "$TMP/trace")"
	are_live saved
	grep -qx 'rung: exact' "$ROOT"/run/fwsnap/boot.*
}

test_nothing_was_ever_saved() {
	load_iptables
	remember now
	boots 0 nothing
	says "nothing was saved"
	are_live now
}

test_once_a_boot() {
	load_iptables
	fwsnap 0 save
	power_cycle
	boots 0 exact
	lose
	remember empty
	fwsnap 0 restore --boot
	are_live empty
	boots 0 exact --again
	are_not_live empty
}

test_ten_at_once() {
	local i pids=()
	load_everything
	remember saved
	fwsnap 0 save
	power_cycle
	for i in {0..9}; do
		"$FWSNAP" --root "$ROOT" restore --boot 2>"$TMP/err.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || fail "one of ten failed"; done
	are_live saved
	[ "$(cat "$TMP"/err.* | grep -c exactly)" = 1 ] || fail "not one of ten did it: $(cat "$TMP"/err.*)"
}


test_what_ran_meanwhile_is_kept() {
	load_iptables
	fwsnap 0 save
	power_cycle
	nft 'table ip mine { chain c { accept; }; }'
	remember mine
	boots 0 exact
	fwsnap 0 restore 2
	are_live mine
}

# Texts

# Adds a rule to a text, behind the line that matches
edit_text() { # FILE PATTERN LINE
	sed -i "/$2/a $3" "$ROOT/etc/$1"
	grep -qxF -- "$3" "$ROOT/etc/$1"
}

test_an_edited_text_counts_and_the_rest_stays_exact() {
	load_everything
	nft 'table ip6 native { chain c { type filter hook input priority 3; ip6 saddr { 2001:db8::1, 2001:db8::2 } drop; }; }'
	fwsnap 0 save
	edit_text iptables.up.rules '^-A INPUT -i lo' '-A INPUT -p tcp -m tcp --dport 99 -j ACCEPT'
	power_cycle
	boots 0 edited
	iptables-legacy-save | grep -q -- '--dport 99'
	fwsnap 3 status
	prints "legacy ip filter differs"
	[ "$(grep -c differs "$TMP/out")" = 1 ] || fail "more than that table is another"
}

test_an_edited_text_of_sets_counts() {
	load_everything
	fwsnap 0 save
	edit_text ipset.up.rules 'add friends 192.0.2.1' 'add friends 192.0.2.77'
	power_cycle
	boots 0 edited
	ipset test friends 192.0.2.77
	ipset test friends 192.0.2.9
	iptables-legacy-save | grep -q 'match-set friends'
}

test_a_table_taken_out_of_a_text_is_gone() {
	load_iptables
	load_nft
	fwsnap 0 save
	sed -i '/^\*nat/,/^COMMIT/d' "$ROOT/etc/iptables.up.rules"
	power_cycle
	boots 0 edited
	! iptables-nft-save | grep -q 2525 || fail "the table is there"
	iptables-nft-save | grep -q 'keep me'
}

test_a_broken_edit_gives_way_to_what_was_saved() {
	load_everything
	remember saved
	fwsnap 0 save
	edit_text iptables.up.rules '^-A INPUT -i lo' '-A INPUT -p tcp --dprot 99 -j ACCEPT'
	power_cycle
	boots 8 exact
	are_live saved
	says "iptables.up.rules': line" "--dprot"
	fwsnap 0 status
	prints "boot     snapshot 1, exactly" "--dprot"
	fwsnap 0 --json status
	json '.boot.rung == "exact" and .boot.lower and .boot.snapshot == 1 and (.boot.reasons | length > 1)'
	fwsnap 0 restore --boot
	sleep 1 # the clock of files and of the record is one of seconds
	fwsnap 0 save
	fwsnap 0 status
	never "boot "
}

test_a_text_that_was_deleted_takes_nothing_away() {
	load_iptables
	remember saved
	fwsnap 0 save
	rm "$ROOT/etc/iptables.up.rules"
	power_cycle
	boots 0 exact
	says "iptables.up.rules' is not there any more"
	are_live saved
}

test_a_text_that_was_left_as_stale_is_never_loaded() {
	load_iptables
	fwsnap 0 save
	nft insert rule ip filter INPUT ct state vmap '{ established : accept, invalid : drop }'
	remember saved
	fwsnap 8 save
	power_cycle
	boots 0 exact
	are_live saved
}

test_texts_without_a_history_are_loaded() { # drop-in for iptables-persistent and iptables-services
	lay_out redhat sysconfig/iptables sysconfig/ip6tables
	power_cycle
	boots 0 files
	are_live saved
}

test_without_a_private_namespace_the_programs_load_the_texts() {
	load_everything
	fwsnap 0 save
	edit_text iptables.up.rules '^-A INPUT -i lo' '-A INPUT -p tcp -m tcp --dport 99 -j ACCEPT'
	power_cycle
	setpriv --inh-caps -sys_admin --bounding-set -sys_admin "$FWSNAP" --root "$ROOT" restore --boot 2>"$TMP/err" ||
		fail "it failed"
	says "without a trial"
	iptables-legacy-save | grep -q -- '--dport 99'
	fwsnap 3 status
	prints "legacy ip filter differs"
	[ "$(grep -c differs "$TMP/out")" = 1 ] || fail "more than that table is another"
}

# LAYOUT V4 V6: the rules are in its files, as another program left them, and live
lay_out() {
	config "layout = $1"
	mkdir -p "$ROOT/etc/iptables" "$ROOT/etc/sysconfig"
	load_iptables
	remember saved
	iptables-nft-save >"$ROOT/etc/$2"
	ip6tables-nft-save >"$ROOT/etc/$3"
}

takes_over() { # LAYOUT V4 V6
	lay_out "$@"
	power_cycle
	fwsnap 0 import "$ROOT/etc/$2"
	says "/etc/$3' is not part of it: 'fwsnap restore text'"
	fwsnap 0 restore text
	are_live saved
	fwsnap 0 save
	grep -q 'Written by fwsnap' "$ROOT/etc/$2"
	grep -q 'Written by fwsnap' "$ROOT/etc/$3"
	power_cycle
	boots 0 exact
	are_live saved
	edit_text "$2" '^-A INPUT -i lo' '-A INPUT -p tcp -m tcp --dport 99 -j ACCEPT'
	power_cycle
	boots 0 edited
	iptables-nft-save | grep -q -- '--dport 99'
	fwsnap 0 save
	no_drift
}

test_it_takes_over_from_iptables_persistent() {
	takes_over debian iptables/rules.v4 iptables/rules.v6
}

test_it_takes_over_from_iptables_services() {
	takes_over redhat sysconfig/iptables sysconfig/ip6tables
}

# One file, of iptables-services' own: service iptables save
test_an_imported_file_becomes_the_saved_version() {
	lay_out redhat sysconfig/iptables sysconfig/ip6tables
	rm "$ROOT/etc/sysconfig/ip6tables"
	nft flush ruleset
	iptables-nft-restore <"$ROOT/etc/sysconfig/iptables"
	remember saved
	power_cycle
	fwsnap 0 import "$ROOT/etc/sysconfig/iptables"
	never "is not part"
	fwsnap 0 restore 1
	are_live saved
	no_drift
	power_cycle
	boots 0 exact
	are_live saved
	fwsnap 0 save
}

# Damage

two_versions() {
	load_iptables
	remember first
	fwsnap 0 save
	load_nft
	remember second
	fwsnap 0 save
}

damage() { # SNAPSHOT...: nothing of them can be read
	local id
	for id in "$@"; do
		echo damaged >"$ROOT/var/lib/fwsnap/snapshots/$id.tar.gz"
	done
}

test_a_damaged_version_gives_way_to_an_older_one() {
	two_versions
	damage 2
	power_cycle
	boots 8 older
	are_live first
	says "2.tar.gz' is damaged" "the older snapshot 1"
}

test_a_version_of_another_machine_gives_its_texts() {
	two_versions
	command -v python3 >/dev/null || skip "python3 is not installed"
	/usr/bin/python3 - "$ROOT/var/lib/fwsnap/snapshots/2.tar.gz" <<-'END'
		import sys, zlib
		data = open(sys.argv[1], "rb").read()
		first = zlib.decompressobj(31)
		manifest = first.decompress(data)
		at = manifest.index(b"machine: ") + 9
		manifest = manifest[:at] + b"mips64" + manifest[at + 6:]
		out = zlib.compressobj(6, zlib.DEFLATED, 31)
		open(sys.argv[1], "wb").write(out.compress(manifest) + out.flush() + first.unused_data)
	END
	[ "$(uname -m)" = x86_64 ] || skip "the name of this machine has another length"
	power_cycle
	boots 8 text
	says "was made on mips64"
	are_live second
}

test_versions_that_nobody_confirmed_are_passed_over() {
	two_versions
	nft 'table ip bad { chain c { drop; }; }'
	fwsnap 0 save
	nft 'table ip worse { chain c { drop; }; }'
	fwsnap 0 restore # keeps an automatic one
	fwsnap 0 rollback
	nft 'table ip good { chain c { accept; }; }'
	fwsnap 0 save
	damage "$(basename "$(readlink "$ROOT/var/lib/fwsnap/current")" .tar.gz)"
	power_cycle
	boots 8 older
	are_live second
}

test_a_save_that_was_cut_off_leaves_one_of_the_two() {
	local n status
	load_iptables
	remember first
	fwsnap 0 save
	cp -a "$ROOT" "$TMP/as-it-was"
	load_nft
	remember second
	for ((n = 1; n < 100; n++)); do
		status=0
		FWSNAP_FAULT="*:$n" "$FWSNAP_FAULTY" --root "$ROOT" save >/dev/null 2>&1 || status=$?
		[ "$status" != 0 ] || break
		power_cycle
		boots 0 exact
		same_rules first || are_live second
		rm -rf "$ROOT"
		cp -a "$TMP/as-it-was" "$ROOT"
		lose
		load_iptables
		load_nft
	done
	[ "$n" -gt 5 ] || fail "it was never cut off"
}

test_a_change_that_nobody_confirmed_is_gone() {
	load_iptables
	remember saved
	fwsnap 0 save
	lock_out >"$TMP/bad"
	fwsnap 0 apply --within 600 --type iptables "$TMP/bad"
	are_not_live saved
	power_cycle
	boots 0 exact
	are_live saved
	fwsnap 0 status
	never "pending  "
	[ "$(ls "$ROOT/var/lib/fwsnap/snapshots")" = 1.tar.gz ] || fail "what was prepared is left"
}

test_a_configuration_that_is_wrong_is_said_and_does_not_stop_it() {
	load_iptables
	remember saved
	fwsnap 0 save
	power_cycle
	config 'kepe = 3'
	boots 8 exact
	says "unknown key 'kepe'" "the defaults hold"
	are_live saved
}

test_what_went_wrong_is_in_the_log() {
	two_versions
	damage 2
	power_cycle
	mount -t tmpfs none /dev
	mknod -m 666 /dev/null c 1 3
	cat >"$TMP/log" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind("/dev/log")
		while True:
		    print(s.recv(10000).decode(), flush=True)
	END
	/usr/bin/python3 "$TMP/log" >"$TMP/out" &
	within 5 test -S /dev/log || skip "python3 is not installed"
	boots 8 older
	within 5 grep -q "the older snapshot 1" "$TMP/out"
	prints "2.tar.gz' is damaged"
}

test_quietly_it_says_all_of_what_went_wrong_and_nothing_else() {
	two_versions
	power_cycle
	fwsnap 0 -q restore --boot
	[ ! -s "$TMP/err" ] || fail "it said something"
	damage 2
	power_cycle
	fwsnap 8 -q restore --boot
	says "2.tar.gz' is damaged" "less than what was saved is in force: the older snapshot 1"
	fwsnap 7 status
	prints "less than what was saved"
}

test_hooks_are_told() {
	load_iptables
	fwsnap 0 save
	power_cycle
	mkdir -p "$ROOT/etc/fwsnap/hooks.d"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho "$1 $FWSNAP_EVENT $FWSNAP_COMMAND $FWSNAP_RESULT" >"%s/said"\n' "$TMP" >"$ROOT/etc/fwsnap/hooks.d/tell"
	chmod 755 "$ROOT/etc/fwsnap/hooks.d/tell"
	boots 0 exact
	[ "$(cat "$TMP/said")" = "boot boot restore --boot exact" ] || fail "$(cat "$TMP/said")"
}

test_save_on_stop_asks_the_configuration_and_how_the_boot_went() {
	two_versions
	power_cycle
	boots 0 exact
	nft 'table ip more { chain c { accept; }; }'
	fwsnap 0 save --on-stop
	[ ! -e "$ROOT/var/lib/fwsnap/snapshots/3.tar.gz" ] || fail "it was not asked to"
	config 'save_on_stop = yes'
	fwsnap 0 save --on-stop
	[ -e "$ROOT/var/lib/fwsnap/snapshots/3.tar.gz" ] || fail "nothing was saved"
	damage 3
	power_cycle
	boots 8 older
	fwsnap 0 save --on-stop
	says "nothing is saved"
	[ ! -e "$ROOT/var/lib/fwsnap/snapshots/4.tar.gz" ] || fail "the older version was saved"
}

# The last resort

# A host behind eth0 with address 192.0.2.1 and servers at ports 22, 25 and 2222; $client is another.
make_host() {
	command -v python3 >/dev/null || skip "python3 is not installed"
	unshare --net sleep 1000 &
	client=$!
	within 5 is_apart || fail "no namespace of its own"
	ip link add eth0 type veth peer name eth0 netns "$client" || skip "the kernel has no veth"
	ip addr add 192.0.2.1/24 dev eth0
	ip link set eth0 up
	at_client ip addr add 192.0.2.2/24 dev eth0
	at_client ip link set eth0 up
	cat >"$TMP/server" <<-'END'
		import socket, sys, time
		s = [socket.create_server(("", int(p))) for p in sys.argv[1:]]
		time.sleep(1000)
	END
	/usr/bin/python3 "$TMP/server" 22 25 2222 &
	at_client /usr/bin/python3 "$TMP/server" 80 &
	# shellcheck disable=SC2016
	within 5 bash -c 'exec 3<>/dev/tcp/192.0.2.2/80' 2>/dev/null || fail "the client cannot be reached at all"
	within 5 reaches 25 || fail "the server cannot be reached at all"
}

is_apart() {
	[ "$(readlink "/proc/$client/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

at_client() {
	nsenter --net="/proc/$client/ns/net" "$@"
}

reaches() { # PORT
	at_client timeout 0.4 bash -c "exec 3<>/dev/tcp/192.0.2.1/$1" 2>/dev/null
}

test_if_all_is_damaged_ssh_alone_comes_in() {
	make_host
	two_versions
	damage 1 2
	power_cycle
	mkdir -p "$ROOT/etc/ssh/sshd_config.d"
	echo 'Include /etc/ssh/sshd_config.d/*.conf' >"$ROOT/etc/ssh/sshd_config"
	printf 'Port 2222\nMatch User git\nPort 25\n' >"$ROOT/etc/ssh/sshd_config.d/ours.conf"
	rm "$ROOT"/etc/*.up.rules
	exec 3<>/dev/tcp/127.0.0.1/25
	boots 8 lockdown
	says "tcp 2222" "is damaged"
	reaches 2222
	! reaches 22 || fail "port 22 is open"
	! reaches 25 || fail "port 25 is open"
	exec 3<>/dev/tcp/127.0.0.1/25
	exec 3<>/dev/tcp/192.0.2.2/80
	fwsnap 1 save
	says "never saved"
	fwsnap 7 status
	prints "lockdown" "snapshot 2, which is damaged" "boot     lockdown: nothing else could be loaded" "2.tar.gz' is damaged"
	fwsnap 7 --json status
	json '.lockdown and .current == 2 and .boot.rung == "lockdown"'
	fwsnap 0 restore --boot
}

# connect(2) is how netlink of netfilter is opened: first to look for packets that are held back, then to look for nf_tables.
test_without_nf_tables_a_lockdown_is_made_of_legacy_iptables() {
	local status=0
	make_host
	iptables-legacy-save >/dev/null || skip "the kernel has no legacy tables"
	command -v strace >/dev/null || skip "strace is not installed"
	ASAN_OPTIONS=detect_leaks=0 strace -qq -e trace=connect -e inject=connect:error=EPROTONOSUPPORT:when=2 -o /dev/null \
		"$FWSNAP" --root "$ROOT" lockdown --no-confirm 2>"$TMP/err" || status=$?
	[ "$status" = 0 ] || fail "exit status $status"
	iptables-legacy-save | grep -q fwsnap_lockdown || fail "there is no such chain"
	ip6tables-legacy-save | grep -q fwsnap_lockdown || fail "there is no such chain of IPv6"
	! nft list tables | grep -v '^# ' || fail "it used nf_tables"
	reaches 22
	! reaches 25 || fail "port 25 is open"
	fwsnap 1 save
	says "never saved"
}

test_lockdown_by_hand_ends_with_restore() {
	make_host
	load_nft
	remember saved
	fwsnap 0 save
	fwsnap 2 lockdown
	are_live saved
	config 'lockdown_ports = 25/tcp, 500/udp'
	fwsnap 0 lockdown --no-confirm
	says "tcp 25, udp 500"
	reaches 25
	! reaches 22 || fail "port 22 is open"
	fwsnap 0 restore
	are_live saved
	fwsnap 0 list
	[ "$(wc -l <"$TMP/out")" = 1 ] || fail "the lockdown was kept"
}

test_lockdown_is_undone_unless_it_is_confirmed() {
	load_nft
	remember saved
	fwsnap 0 lockdown --within 2
	are_not_live saved
	comes_back saved 2
}

test_without_a_last_resort_the_firewall_stays_as_it_is() {
	two_versions
	damage 1 2
	power_cycle
	rm "$ROOT"/etc/*.up.rules
	config 'last_resort = none'
	nft 'table ip t { chain c { accept; }; }'
	remember now
	boots 1 failed
	are_live now
	fwsnap 1 restore --boot --link
	config 'last_resort = none' 'ifupdown_block = no'
	fwsnap 0 restore --boot --link
	rm "$ROOT/etc/fwsnap/fwsnap.conf"
	boots 8 lockdown
}

# Interfaces

load_link_rules() { # as change.sh has them, and more
	nft -f - <<-END
		table inet links {
			chain c {
				type filter hook input priority 0;
				iif "lo" accept
				iif { "d0", "lo" } tcp dport 7 accept comment "iif d0 in a comment"
				iif != "d0" tcp dport 8 drop
				iifname "d0" tcp dport 9 drop
			}
		}
	END
}

test_a_missing_interface_takes_its_table_to_its_text() {
	make_link d0 50
	load_iptables legacy
	load_nft
	load_link_rules
	fwsnap 0 save
	power_cycle
	ip link del d0
	boots 8 partly
	says "'inet links' is taken from its text"
	nft list table inet links >"$TMP/out"
	prints 'iif "lo" accept' 'tcp dport 7' 'iifname { ' 'iifname != "d0" tcp dport 8' 'in a comment'
	iptables-legacy-save | grep -q 'keep me'
	fwsnap 3 status
	prints "inet links differs"
	[ "$(grep -c differs "$TMP/out")" = 1 ] || fail "more than that table is another"
}

test_once_the_interface_is_there_all_is_exact() {
	make_link d0 50
	load_iptables
	load_link_rules
	remember saved
	fwsnap 0 save
	power_cycle
	ip link del d0
	boots 8 partly
	remember partly
	fwsnap 0 restore --boot
	are_live partly
	make_link d0 60
	nft add table ip meanwhile
	nft add chain ip meanwhile c '{ type filter hook input priority 7; policy drop; }'
	fwsnap 0 restore --boot # somebody changed the rules
	nft delete table ip meanwhile
	are_live partly
	boots 0 exact
	are_live saved
	no_drift
	fwsnap 0 list
	[ "$(wc -l <"$TMP/out")" = 1 ] || fail "what was between was kept"
}

test_rules_by_name_need_no_interface() {
	iptables-nft -A INPUT -i later0 -j ACCEPT
	nft 'table inet t { chain c { type filter hook input priority 0; iifname "later0" drop; }; }'
	remember saved
	fwsnap 0 save
	power_cycle
	boots 0 exact
	are_live saved
}

test_a_table_that_hangs_on_a_missing_interface_is_left_out() {
	make_link d0 50
	nft 'table netdev edge { chain c { type filter hook ingress device "d0" priority 0; ip saddr 192.0.2.7 drop; }; }'
	load_iptables
	fwsnap 0 save
	power_cycle
	ip link del d0
	! nft 'table netdev probe { chain c { type filter hook ingress device "d0" priority 0; }; }' 2>/dev/null ||
		skip "this kernel waits for the interface"
	boots 8 partly
	says "'netdev edge' is left out"
	iptables-nft-save | grep -q 'keep me'
}

# Others

test_whoever_else_loads_rules_at_boot_is_named() {
	local etc=$ROOT/etc
	mkdir -p "$etc"/systemd/system/{sysinit.target.wants,multi-user.target.wants} "$etc/network/if-pre-up.d" "$ROOT/sbin"
	ln -s /lib/systemd/systemd "$ROOT/sbin/init"
	ln -s /lib/systemd/system/nftables.service "$etc/systemd/system/sysinit.target.wants/"
	ln -s /lib/systemd/system/netfilter-persistent.service "$etc/systemd/system/multi-user.target.wants/"
	ln -s /lib/systemd/system/ufw.service "$etc/systemd/system/multi-user.target.wants/"
	printf '#!/usr/sbin/nft -f\n\nflush ruleset\n' >"$etc/nftables.conf"
	mkdir "$etc/ufw"
	echo ENABLED=no >"$etc/ufw/ufw.conf"
	printf '#!/bin/sh\n# iptables-restore\n' >"$etc/network/if-pre-up.d/harmless"
	printf '#!/bin/sh\niptables-restore </etc/rules\n' | tee "$etc/network/if-pre-up.d/old" >"$etc/network/if-pre-up.d/off"
	chmod +x "$etc/network/if-pre-up.d"/{old,harmless}
	fwsnap 0 status
	prints "'nftables' loads rules, too ('/etc/nftables.conf' flushes all rules): 'systemctl disable nftables' ends that" \
		"systemctl disable netfilter-persistent" "chmod -x /etc/network/if-pre-up.d/old"
	never ufw harmless off
	fwsnap 0 --json status
	json '.restorers | length == 3 and (.[0] | has("name") and has("reason") and has("command"))'
	load_iptables
	fwsnap 0 save
	boots 0 exact
	says "'nftables'" "'netfilter-persistent'" "if-pre-up.d/old"
	fwsnap 0 import "$etc/iptables.up.rules"
	says "'nftables'"
	echo ENABLED=yes >"$etc/ufw/ufw.conf"
	fwsnap 0 status
	prints "systemctl disable ufw"
	rm "$ROOT/sbin/init"
	ln -s busybox "$ROOT/sbin/init"
	mkdir -p "$etc/rc2.d"
	ln -s ../init.d/ferm "$etc/rc2.d/S01ferm"
	printf 'ENABLED="yes"\n' >"$etc/default-ferm"
	mkdir "$etc/default"
	mv "$etc/default-ferm" "$etc/default/ferm"
	fwsnap 0 status
	prints "update-rc.d ferm disable"
	never netfilter-persistent
	mkdir -p "$etc/runlevels/default"
	ln -s /etc/init.d/iptables "$etc/runlevels/default/iptables"
	fwsnap 0 status
	prints "rc-update del iptables"
}

run_cases "$@"
