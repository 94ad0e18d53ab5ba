#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Docker, real, in a system of its own: its containers stay reachable, whatever happens to our rules
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../boot/lib.sh"
# shellcheck source=tests/neighbours/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2
NSPAWN_OPTIONS=(--system-call-filter='@keyring bpf')
FOREIGN='DOCKER|docker0|172\.17\.' FOREIGN_TABLES=' docker-bridges$' OWNER=Docker

# The host forwards already, so that Docker leaves the policy of FORWARD alone.
start_docker() {
	echo 1 >/proc/sys/net/ipv4/ip_forward
	mkdir -p /etc/docker
	echo '{ "storage-driver": "vfs", "exec-opts": ["native.cgroupdriver=cgroupfs"] }' >/etc/docker/daemon.json
	systemctl start docker || skip "dockerd does not start here: $(journalctl -u docker --no-pager | tail -n 1)"
	trap kill_containers EXIT
}

# They do not hear the SIGTERM of a system that goes down, and it would wait for them.
kill_containers() {
	docker ps -q 2>/dev/null | xargs -r docker kill >/dev/null
}

# A container behind a published port, and a client that comes from elsewhere.
arrive() {
	start_docker
	mkdir -p "$TMP/image/bin" "$TMP/image/www"
	cp /bin/busybox "$TMP/image/bin"
	echo here >"$TMP/image/www/page"
	tar -C "$TMP/image" -c . | docker import - box >/dev/null
	ip netns add client
	ip link add outside type veth peer name eth0 netns client
	ip addr add 198.51.100.1/24 dev outside
	ip link set outside up
	ip -n client addr add 198.51.100.2/24 dev eth0
	ip -n client link set eth0 up
	serve web 8080
	reachable 8080
}

serve() { # NAME PORT
	docker run -d --name "$1" -p "$2:80" box /bin/busybox httpd -f -p 80 -h /www >/dev/null
}

reachable() { # PORT
	within 3 page_comes "$1" || fail "the container behind port $1 is not reachable"
}

page_comes() { # PORT
	[ "$(fetch client 198.51.100.1 "$1")" = here ]
}

linger() {
	serve late 8082
}

# What Docker does next finds the rules that it left.
docker_works_on() { # PORT
	reachable 8080
	serve next "$1"
	reachable "$1"
	docker rm -f next >/dev/null
	! iptables-nft -t nat -S DOCKER | grep -q -- "--dport $1 " || fail "the rule of port $1 is not gone"
}

test_rules_of_docker_are_not_saved() {
	in_system saved_beside_is_as_saved_without
}

test_rules_of_docker_are_no_drift() {
	in_system drift_of_ours_only
}

test_a_container_stays_reachable_when_iptables_rules_are_applied() {
	in_system apply_keeps rules
}

test_a_container_stays_reachable_when_the_ruleset_is_flushed() {
	in_system apply_keeps nft
}

apply_keeps() { # SUFFIX
	kept_by_apply "$TMP/new.$1"
	docker_works_on 8081
}

test_a_container_that_starts_while_a_change_is_pending_survives_the_undo() {
	in_system undo_keeps rules
}

test_a_container_that_starts_while_a_flush_is_pending_survives_the_undo() {
	in_system undo_keeps nft
}

undo_keeps() { # SUFFIX
	kept_by_rollback_and_undo "$TMP/new.$1"
	reachable 8082
	docker_works_on 8081
}

test_no_old_address_of_a_container_comes_back() {
	in_system address_changes
}

# Everything that loads something saved, after the container has moved from 172.17.0.2.
address_changes() {
	load_host
	arrive
	write_candidates
	fwsnap 0 save
	iptables-nft -A INPUT -p tcp --dport 113 -j REJECT
	fwsnap 0 save
	apply "$TMP/new.rules" --within 60
	docker stop -t 0 web >/dev/null
	docker run -d --name first box /bin/busybox sleep 1000 >/dev/null
	docker start web >/dev/null
	remember_foreign moved
	fwsnap 0 rollback
	moved
	fwsnap 0 restore 1
	moved
	apply "$TMP/new.rules" --no-confirm
	moved
	fwsnap 0 rollback
	moved
	docker_works_on 8081
}

moved() {
	foreign_is moved
	iptables-nft -t nat -S | grep -q 'to-destination 172.17.0.3:80' || fail "no test: it did not move"
	! iptables-nft -t nat -S | grep -q 172.17.0.2 || fail "the old address is back"
}

test_a_stale_dump_brings_no_rule_of_docker_back() {
	in_system stale_dump
}

stale_dump() {
	load_host
	arrive
	iptables-nft-save >"$TMP/dump.rules"
	docker stop -t 0 web >/dev/null
	docker run -d --name first box /bin/busybox sleep 1000 >/dev/null
	docker start web >/dev/null
	remember_foreign moved
	remember before
	fwsnap 0 apply --no-confirm "$TMP/dump.rules"
	says Docker
	moved
	are_live before
	none_is_saved "$ROOT"
	docker_works_on 8081
}

test_rules_of_the_administrator_in_docker_user_are_his() {
	in_system user_chain
}

# They are kept as ours. A boot loads them before Docker is there, which then leads packets to them.
user_chain() {
	load_host
	start_docker
	iptables-nft -I DOCKER-USER -s 203.0.113.0/24 -j DROP
	fwsnap 0 save
	grep -q -- '-A DOCKER-USER -s 203.0.113.0/24 -j DROP' "$ROOT/etc/iptables.up.rules"
	! grep -q -- '-j DOCKER-USER' "$ROOT/etc/iptables.up.rules" || fail "the jump to it is saved"
	iptables-nft -D DOCKER-USER 1
	fwsnap 3 status
	fwsnap 0 restore
	ours_comes_first
	systemctl stop docker.socket docker
	lose
	fwsnap 0 restore
	ours_comes_first
	iptables-nft -S INPUT | grep -q 'keep me'
	systemctl start docker
	ours_comes_first
	iptables-nft -S FORWARD | grep -q -- '-j DOCKER-USER' || fail "no test: Docker is not back"
	no_drift
}

# After the RETURN that Docker ends it with, it would do nothing.
ours_comes_first() {
	iptables-nft -S DOCKER-USER >"$TMP/out"
	sed -n 2p "$TMP/out" | grep -qx -- '-A DOCKER-USER -s 203.0.113.0/24 -j DROP' || fail "our rule is not there, or dead"
}

test_docker_is_named_when_what_it_relies_on_changes() {
	in_system policy_changes
}

policy_changes() {
	load_host
	arrive
	write_candidates
	sed -i 's/^:FORWARD ACCEPT/:FORWARD DROP/' "$TMP/new.rules"
	apply "$TMP/new.rules" --no-confirm
	says Docker 'systemctl restart docker'
	reachable 8080
}

in_system() { # FUNCTION ARGUMENT...
	on neighbours
	boot "$@"
}

run_boot_cases "$@"
