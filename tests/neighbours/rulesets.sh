#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rulesets of programs that cannot run here, in data/: what fwsnap does beside them
#   data/NAME.rules, NAME.nft   as the program makes them; NAME.sets: ipsets that go before
#   data/...-later              what it does next
# and what the descriptions of an administrator do.
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../boot/lib.sh"
# shellcheck source=tests/neighbours/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2
DATA=${BASH_SOURCE[0]%/*}/data

with() { # FILE OWNER REGEX FUNCTION ARGUMENT...
	rulesets=$1 OWNER=$2 FOREIGN=$3 FOREIGN_TABLES=' (kube-proxy|docker-bridges)$'
	shift 3
	"$@"
}

arrive() {
	local name
	for name in $rulesets; do
		[ ! -e "$DATA/${name%.*}.sets" ] || ipset restore <"$DATA/${name%.*}.sets"
		load "$DATA/$name"
	done
	knock
}

linger() {
	local name
	for name in $rulesets; do
		load "$DATA/$name-later"
	done
}

load() { # FILE
	case $1 in
	*.nft*) nft -f "$1" ;;
	*) iptables-nft-restore --noflush "$1" ;;
	esac
}

kube_proxy() { with kube-proxy.rules Kubernetes KUBE- "$@"; }
kube_proxy_nft() { with kube-proxy.nft Kubernetes KUBE- "$@"; }
calico() { with calico.rules Calico cali "$@"; }
tailscale() { with tailscale.rules Tailscale 'ts-' "$@"; }
docker_28() { with docker-28.rules Docker 'DOCKER|docker0|br-0123456789ab|172\.1[78]\.' "$@"; }
docker_29() { with docker-29.nft Docker DOCKER "$@"; }

test_kube_proxy_is_not_saved() { kube_proxy saved_beside_is_as_saved_without; }
test_kube_proxy_is_no_drift() { kube_proxy drift_of_ours_only; }
test_kube_proxy_is_kept_by_apply() { kube_proxy kept_by_apply "$TMP/new.rules"; }
test_kube_proxy_is_kept_by_a_flush() { kube_proxy kept_by_apply "$TMP/new.nft"; }
test_kube_proxy_is_kept_by_rollback_and_undo() { kube_proxy kept_by_rollback_and_undo "$TMP/new.rules"; }
test_kube_proxy_is_kept_by_the_undo_of_a_flush() { kube_proxy kept_by_rollback_and_undo "$TMP/new.nft"; }

test_kube_proxy_with_nftables_is_not_saved() { kube_proxy_nft saved_beside_is_as_saved_without; }
test_kube_proxy_with_nftables_is_no_drift() { kube_proxy_nft drift_of_ours_only; }
test_kube_proxy_with_nftables_is_kept_by_a_flush() { kube_proxy_nft kept_by_apply "$TMP/new.nft"; }
test_kube_proxy_with_nftables_is_kept_by_the_undo_of_a_flush() { kube_proxy_nft kept_by_rollback_and_undo "$TMP/new.nft"; }

test_calico_is_not_saved() { calico saved_beside_is_as_saved_without; }
test_calico_is_no_drift() { calico drift_of_ours_only; }
test_calico_is_kept_by_apply() { calico kept_by_apply "$TMP/new.rules"; }
test_calico_is_kept_by_a_flush() { calico kept_by_apply "$TMP/new.nft"; }
test_calico_is_kept_by_rollback_and_undo() { calico kept_by_rollback_and_undo "$TMP/new.rules"; }
test_calico_is_kept_by_the_undo_of_a_flush() { calico kept_by_rollback_and_undo "$TMP/new.nft"; }

test_tailscale_is_not_saved() { tailscale saved_beside_is_as_saved_without; }
test_tailscale_is_no_drift() { tailscale drift_of_ours_only; }
test_tailscale_is_kept_by_apply() { tailscale kept_by_apply "$TMP/new.rules"; }
test_tailscale_is_kept_by_a_flush() { tailscale kept_by_apply "$TMP/new.nft"; }
test_tailscale_is_kept_by_rollback_and_undo() { tailscale kept_by_rollback_and_undo "$TMP/new.rules"; }
test_tailscale_is_kept_by_the_undo_of_a_flush() { tailscale kept_by_rollback_and_undo "$TMP/new.nft"; }

test_docker_28_is_not_saved() { docker_28 saved_beside_is_as_saved_without; }
test_docker_28_is_kept_by_apply() { docker_28 kept_by_apply "$TMP/new.rules"; }
test_docker_28_is_kept_by_the_undo_of_a_flush() { docker_28 kept_by_rollback_and_undo "$TMP/new.nft"; }
test_docker_29_with_nftables_is_not_saved() { docker_29 saved_beside_is_as_saved_without; }
test_docker_29_with_nftables_is_kept_by_the_undo_of_a_flush() { docker_29 kept_by_rollback_and_undo "$TMP/new.nft"; }

# Three at once, whose rules stand between each other's.
test_each_of_several_programs_stays_at_its_place() {
	with "kube-proxy.rules calico.rules tailscale.rules" 'Calico|Kubernetes|Tailscale' 'KUBE-|cali|ts-' \
		kept_by_rollback_and_undo "$TMP/new.rules"
}

# Rules that an administrator writes about Docker's bridge are his.
test_what_only_looks_like_docker_is_saved() {
	local rule
	load_host
	docker_28 arrive
	while read -r rule; do
		# shellcheck disable=SC2086
		iptables-nft $rule
	done <<-'END'
		-t filter -A FORWARD -o docker0 -p tcp --dport 443 -j ACCEPT
		-t filter -A FORWARD -o docker0 -p tcp --dport 443 -m conntrack --ctstate NEW -j ACCEPT
		-t filter -A FORWARD -o docker0 -s 192.0.2.0/24 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-t filter -A FORWARD -i docker0 -o eth0 -j ACCEPT
		-t filter -A FORWARD -i docker0 -j ACCEPT
		-t filter -A INPUT -i docker0 -p udp --dport 53 -j ACCEPT
		-t nat -A POSTROUTING -s 192.0.2.0/24 -o eth0 -j MASQUERADE
		-t nat -A POSTROUTING -s 172.17.0.0/16 -d 192.0.2.0/24 ! -o docker0 -j MASQUERADE
		-t nat -A POSTROUTING -s 10.8.0.0/24 ! -o tun0 -j MASQUERADE
		-t raw -A PREROUTING -i docker0 -d 169.254.169.254/32 -j DROP
		-t raw -A PREROUTING -d 127.0.0.1/32 ! -i lo -j DROP
	END
	fwsnap 0 save
	[ "$(grep -cE 'docker0|eth0|tun0|127.0.0.1/32' "$ROOT/etc/iptables.up.rules")" = 11 ] ||
		fail "not all are saved: $(cat "$ROOT/etc/iptables.up.rules")"
	no_drift
}

# descriptions of the administrator

describe() { # NAME LINE...
	mkdir -p "$ROOT/etc/fwsnap/foreign.d"
	printf '%s\n' "${@:2}" >"$ROOT/etc/fwsnap/foreign.d/$1"
}

test_a_description_of_the_administrator_counts() {
	OWNER=Homemade FOREIGN='made-|198\.51\.100\.99|"made' FOREIGN_TABLES=' made$'
	describe homemade 'owner = Homemade' 'repair = service homemade restart' 'chain = family=ip name=made-*' \
		'table = name=made family=inet' 'set = name=made-*' 'rule = family=ip source=198.51.100.99/32' \
		'rule = family=ip comment=made*'
	load_host
	fwsnap 0 save
	iptables-nft-restore --noflush <<-'END'
		*filter
		:made-in - [0:0]
		-I INPUT 2 -j made-in
		-A made-in -p tcp -m tcp --dport 8443 -j ACCEPT
		-A INPUT -s 198.51.100.99/32 -j DROP
		-A INPUT -p icmp -m comment --comment "made for ping" -j ACCEPT
		COMMIT
	END
	ipset create made-set hash:ip
	iptables-nft -A INPUT -m set --match-set made-set src -j DROP
	nft add table inet made
	remember_foreign there
	no_drift
	names_owner
	write_candidates
	apply "$TMP/new.nft" --no-confirm
	iptables-nft -S INPUT | grep -q made-in
	ipset list made-set >/dev/null
	nft list table inet made >/dev/null
	! iptables-nft -S | grep -q 'keep me' || fail "ours is still there"
}

# The shipped one of the same name: replaced, or not there.
test_a_shipped_description_can_be_switched_off() {
	load_host
	tailscale arrive
	describe tailscale
	fwsnap 0 save
	grep -q ts-input "$ROOT/etc/iptables.up.rules"
	rm "$ROOT/etc/fwsnap/foreign.d/tailscale"
	fwsnap 0 save
	! grep -q ts-input "$ROOT/etc/iptables.up.rules" || fail "it is saved"
	ln -s /dev/null "$ROOT/etc/fwsnap/foreign.d/tailscale"
	fwsnap 0 save
	grep -q ts-input "$ROOT/etc/iptables.up.rules"
}

test_foreign_none_takes_all_for_ours() {
	config 'foreign = none'
	load_host
	tailscale arrive
	fwsnap 0 save
	grep -q ts-input "$ROOT/etc/iptables.up.rules"
}

test_foreign_with_a_list_takes_others_for_ours() {
	config 'foreign = docker tailscale'
	load_host
	tailscale arrive
	calico arrive
	fwsnap 0 save
	! grep -q ts-input "$ROOT/etc/iptables.up.rules" || fail "it is saved"
	grep -q cali-FORWARD "$ROOT/etc/iptables.up.rules"
}

# A set that a program fills, and a rule of ours about it.
test_without_the_set_that_a_program_fills_our_rule_is_named() {
	describe filler 'owner = Filler' 'user-set = name=filled'
	load_host
	ipset create filled hash:ip
	ipset add filled 203.0.113.7
	iptables-nft -A INPUT -m set --match-set filled src -j DROP
	fwsnap 0 save
	grep -q -- '-m set --match-set filled src -j DROP' "$ROOT/etc/iptables.up.rules"
	! grep -q 203.0.113.7 "$ROOT/etc/ipset.up.rules" || fail "its elements are saved"
	remember all
	write_candidates
	apply "$TMP/new.rules" --within 60
	ipset add filled 203.0.113.8
	fwsnap 0 rollback
	ipset test filled 203.0.113.8
	ipset del filled 203.0.113.8
	are_live all
	lose
	fwsnap 8 restore
	says filled
	iptables-nft -S INPUT | grep -q 'keep me'
	! ipset -n list | grep -qx filled || fail "the set was made"
	ipset create filled hash:ip
	ipset add filled 203.0.113.7
	fwsnap 0 restore
	are_live all
}

test_a_broken_description_is_named() {
	describe broken 'owner = Broken' 'chain = colour=red'
	load_host
	"$FWSNAP" --root "$ROOT" save >"$TMP/out" 2>"$TMP/err" || true
	says 'foreign.d/broken:2'
}

run_cases "$@"
