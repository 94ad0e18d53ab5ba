#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Podman's netavark, CNI plugins, SSHGuard, CrowdSec's bouncer and firewalld, real: the programs that make
# the rules, without the services around them
# shellcheck source=tests/boot/lib.sh
. "${0%/*}/../boot/lib.sh"
# shellcheck source=tests/neighbours/lib.sh
. "${0%/*}/lib.sh"

AT_ONCE=2

with() { # PROGRAM OWNER REGEX TABLES FUNCTION ARGUMENT...
	program=$1 OWNER=$2 FOREIGN=$3 FOREIGN_TABLES=$4
	shift 4
	"$@"
}

arrive() {
	on neighbours
	borrow_programs
	"start_$program"
}

linger() {
	"more_$program"
}

# Podman: a container with a published port

netavark() { with netavark Podman 'NETAVARK|netavark' ' netavark$' "$@"; }

start_netavark() {
	attach_by_netavark web 2 8080
}

more_netavark() {
	attach_by_netavark late 3 8082
}

attach_by_netavark() { # NAME NUMBER PORT
	ip netns add "$1"
	/usr/lib/podman/netavark --config /run/containers setup "/run/netns/$1" >/dev/null <<-END
		{
		  "container_id": "$(printf '%064d' "$2")", "container_name": "$1",
		  "networks": { "podman": { "static_ips": ["10.88.0.$2"], "interface_name": "eth0" } },
		  "network_info": { "podman": {
		    "name": "podman", "id": "$(printf '%064d' 1)", "driver": "bridge", "network_interface": "podman0",
		    "subnets": [{ "subnet": "10.88.0.0/16", "gateway": "10.88.0.1" }], "ipv6_enabled": false,
		    "internal": false, "dns_enabled": false, "ipam_options": { "driver": "host-local" } } },
		  "port_mappings": [{ "host_ip": "", "container_port": 80, "host_port": $3, "range": 1, "protocol": "tcp" }]
		}
	END
}

test_netavark_is_not_saved() { netavark saved_beside_is_as_saved_without; }
test_netavark_is_no_drift() { netavark drift_of_ours_only; }
test_netavark_is_kept_by_apply() { netavark kept_by_apply "$TMP/new.rules"; }
test_netavark_is_kept_by_the_undo_of_a_flush() { netavark kept_by_rollback_and_undo "$TMP/new.nft"; }

# CNI plugins: the same

cni() { with cni CNI 'CNI' ' cni_' "$@"; }

start_cni() {
	attach_by_cni web 8080
}

more_cni() {
	attach_by_cni late 8082
}

attach_by_cni() { # NAME PORT
	local result
	COUNTERS=no # its bridge sends packets of its own
	ip netns add "$1"
	export CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_NETNS=/run/netns/$1 CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni
	result=$(plugin bridge '{ "bridge": "cni0", "isGateway": true, "ipMasq": true,
		"ipam": { "type": "host-local", "subnet": "10.89.0.0/24", "dataDir": "/run/cni" } }')
	plugin portmap "{ \"capabilities\": { \"portMappings\": true }, \"prevResult\": $result,
		\"runtimeConfig\": { \"portMappings\": [{ \"hostPort\": $2, \"containerPort\": 80, \"protocol\": \"tcp\" }] } }" >/dev/null
	plugin firewall "{ \"backend\": \"iptables\", \"ingressPolicy\": \"same-bridge\", \"prevResult\": $result }" >/dev/null
}

plugin() { # NAME CONFIGURATION
	jq -n --arg type "$1" --argjson more "$2" '{ cniVersion: "0.4.0", name: "box", type: $type } + $more' |
		"/usr/lib/cni/$1"
}

test_cni_is_not_saved() { cni saved_beside_is_as_saved_without; }
test_cni_is_no_drift() { cni drift_of_ours_only; }
test_cni_is_kept_by_apply() { cni kept_by_apply "$TMP/new.rules"; }
test_cni_is_kept_by_the_undo_of_a_flush() { cni kept_by_rollback_and_undo "$TMP/new.nft"; }

# SSHGuard: its backends take orders on their standard input

sshguard() { with sshguard_nft SSHGuard 'no line' ' sshguard$' "$@"; }
sshguard_ipset() { with sshguard_ipset SSHGuard 'sshguard[46]' ' sshguard$' "$@"; }

start_sshguard_nft() {
	start_backend nft-sets
	within 3 blocked 203.0.113.7 || fail "no test: it does not block"
}

more_sshguard_nft() {
	echo 'block 203.0.113.8 4 32' >&8
	within 3 blocked 203.0.113.8
}

blocked() { # ADDRESS
	foreign | grep -qF "$1"
}

start_sshguard_ipset() {
	start_backend ipset
	within 3 blocked 203.0.113.7 || fail "no test: it does not block"
}

more_sshguard_ipset() {
	more_sshguard_nft
}

start_backend() { # NAME
	mkfifo "$TMP/orders"
	"/usr/libexec/sshguard/sshg-fw-$1" <"$TMP/orders" >/dev/null 2>&1 &
	exec 8>"$TMP/orders"
	printf '%s\n' 'block 203.0.113.7 4 32' 'block 2001:db8::7 6 128' >&8
}

test_sshguard_is_not_saved() { sshguard saved_beside_is_as_saved_without; }
test_sshguard_is_kept_by_the_undo_of_a_flush() { sshguard kept_by_rollback_and_undo "$TMP/new.nft"; }
test_sshguard_with_ipset_is_not_saved() { sshguard_ipset saved_beside_is_as_saved_without; }
test_sshguard_with_ipset_is_kept_by_rollback_and_undo() { sshguard_ipset kept_by_rollback_and_undo "$TMP/new.rules"; }

# CrowdSec's bouncer, which asks for decisions: here it is told of two addresses, and of a third one later

crowdsec() { with crowdsec CrowdSec 'crowdsec' ' crowdsec6?$' "$@"; }
crowdsec_iptables() { mode=iptables crowdsec "$@"; }

start_crowdsec() {
	cat >"$TMP/decisions.py" <<-'END'
		import http.server, json, os, sys

		def decision(value):
		    return {"id": 1, "origin": "cscli", "type": "ban", "scope": "Ip", "value": value,
		            "duration": "3h59m0s", "scenario": "manual"}

		class Handler(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        new = []
		        if "startup=true" in self.path:
		            new = [decision("203.0.113.7"), decision("2001:db8::7")]
		        elif os.path.exists(sys.argv[1]):
		            new = [decision("203.0.113.8")]
		        self.send_response(200)
		        self.send_header("Content-Type", "application/json")
		        self.end_headers()
		        self.wfile.write(json.dumps({"new": new, "deleted": []}).encode())

		    do_HEAD = do_POST = do_GET

		http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
	END
	python3 "$TMP/decisions.py" "$TMP/third" >/dev/null 2>&1 &
	within 5 bash -c ': </dev/tcp/127.0.0.1/8080' 2>/dev/null
	sed "s/^mode: .*/mode: ${mode:-nftables}/; s/^api_key: .*/api_key: none/; s/^daemonize: .*/daemonize: false/
		s/^update_frequency: .*/update_frequency: 1s/; s/^log_mode: .*/log_mode: stdout/" \
		/etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml >"$TMP/bouncer.yaml"
	crowdsec-firewall-bouncer -c "$TMP/bouncer.yaml" >"$TMP/bouncer.log" 2>&1 &
	within 8 blocked 203.0.113.7 || fail "no test: it does not block: $(tail -n 5 "$TMP/bouncer.log")"
	within 8 blocked 2001:db8::7
}

more_crowdsec() {
	: >"$TMP/third"
	within 8 blocked 203.0.113.8
}

test_crowdsec_is_not_saved() { crowdsec saved_beside_is_as_saved_without; }
test_crowdsec_is_kept_by_the_undo_of_a_flush() { crowdsec kept_by_rollback_and_undo "$TMP/new.nft"; }
test_crowdsec_with_iptables_is_not_saved() { crowdsec_iptables saved_beside_is_as_saved_without; }
test_crowdsec_with_iptables_is_kept_by_the_undo_of_a_flush() { crowdsec_iptables kept_by_rollback_and_undo "$TMP/new.nft"; }

# firewalld removes what others have in iptables' tables when it starts: it comes first

in_charge() { with firewalld firewalld 'no line' ' firewalld' "$@"; }

start_firewalld() {
	mkdir -p /run/dbus
	dbus-daemon --system --fork
	firewalld --nofork --nopid >"$TMP/firewalld.log" 2>&1 &
	within 20 firewall-cmd --state >/dev/null 2>&1 || fail "no test: firewalld does not start: $(cat "$TMP/firewalld.log")"
}

beside_firewalld() {
	arrive
	load_host
	write_candidates
	remember_foreign there
	fwsnap 0 save
	names_owner_in_status
	none_is_saved "$ROOT"
	! grep -q firewalld "$ROOT/etc/nftables.up.rules" || fail "it is saved"
	apply "$TMP/new.nft" --no-confirm
	foreign_is there
	fwsnap 0 rollback
	foreign_is there
	# what it does next finds the rules that it left
	firewall-cmd --add-port=8443/tcp >/dev/null
	firewall-cmd --reload >/dev/null
	firewall-cmd --state >/dev/null
	nft list table inet firewalld | grep -q 'chain filter_IN_public'
}

names_owner_in_status() {
	fwsnap 0 status
	names_owner
}

test_firewalld_keeps_its_tables() { in_charge beside_firewalld; }

run_boot_cases "$@"
