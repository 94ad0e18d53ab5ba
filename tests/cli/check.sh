#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: whether files load, on nothing or on a copy of live, with privilege and without.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/lib.sh"

# NAME LINE...: a file in the working folder
file() {
	local name=$1
	shift
	printf '%s\n' "$@" >"$name"
}

good_files() {
	file four.rules '*filter' ':INPUT DROP' '-A INPUT -p tcp --dport 22 -j ACCEPT' COMMIT
	file rules.v6 '*filter' ':INPUT DROP' '-A INPUT -s 2001:db8::/32 -j ACCEPT' COMMIT
	file site.nft 'table inet site {' 'chain c {' 'type filter hook input priority 0' \
		'iif "wan0" tcp dport 22 accept' '}' '}'
	file sets.ipset 'create a hash:ip' 'add a 192.0.2.1'
}

inside() { # the working folder is the case's
	cd "$TMP"
	load_nft
	remember live
}

test_good_files_load_on_nothing_and_on_live() {
	inside
	make_link wan0 70
	remember live
	good_files
	fwsnap 0 check four.rules rules.v6 site.nft sets.ipset
	says "'four.rules' loads" "'sets.ipset' loads"
	fwsnap 0 check --base live four.rules rules.v6 site.nft sets.ipset
	fwsnap 0 check - <four.rules
	are_live live
}

test_on_nothing_interfaces_need_not_be_here() {
	inside
	good_files
	fwsnap 0 check site.nft
	fwsnap 1 check --base live site.nft
	says "cannot load 'site.nft': line 4: Interface does not exist"
	are_live live
}

test_bad_files_are_refused_with_what_they_are() {
	local want name
	inside
	: >empty
	file comments '# nothing' '' '   # here'
	printf 'ELF\0\0' >binary
	printf '*filter\r\nCOMMIT\r\n' >dos
	printf '\xef\xbb\xbf*filter\nCOMMIT\n' >mark
	printf '*filter\n:INPUT ACCEPT\n\0\nCOMMIT\n' >zero
	file prose 'To whom it may concern'
	file six.rules '*filter' '-A INPUT -s 2001:db8::1 -j ACCEPT' COMMIT
	while read -r name want; do
		fwsnap 1 check "$name"
		says "'$name' $want"
		are_live live
	done <<-'END'
		empty is empty
		comments has no rules
		binary is no text: line 1
		dos has line ends of another system (CR LF) in line 1
		mark begins with a byte order mark
		zero is no text: line 3
		prose is no text of iptables
	END
	fwsnap 1 check "$TMP"
	says "cannot read '$TMP': Is a directory"
	fwsnap 1 check nowhere
	says "cannot read 'nowhere'"
	fwsnap 1 check - </dev/null
	says "'standard input' is empty"
	fwsnap 1 check --type iptables six.rules
	says "line 2" "--type ip6tables"
	fwsnap 1 check --type ip6tables <(sed 's/2001:db8::1/192.0.2.1/' six.rules)
	says "line 2" "--type iptables"
	are_live live
}

test_junk_is_refused_soon() {
	inside
	head -c 30M /dev/urandom | base64 >junk
	fwsnap 1 check junk
	says "is no text of"
	for head in '*filter' 'table ip x {' 'create x hash:ip'; do
		{ echo "$head"; cat junk; } >junk.rules
		SECONDS=0
		fwsnap 1 check junk.rules
		[ "$SECONDS" -lt 20 ] || fail "$head: $SECONDS seconds"
		[ "$(wc -c <"$TMP/err")" -lt 1000 ] || fail "$head: a long message"
	done
	are_live live
}

test_what_would_go_and_what_would_open_is_told() {
	cd "$TMP"
	load_iptables nft
	remember live
	file bare '*filter' ':INPUT ACCEPT' COMMIT
	fwsnap 0 check --base live bare
	says "ip filter mail would go" "ip filter INPUT would let everything in"
	are_live live
}

# Which variant

test_a_text_goes_to_the_variant_that_it_names_or_that_is_live() {
	cd "$TMP"
	load_iptables legacy
	good_files
	remember live
	fwsnap 0 check --base live four.rules
	never warning:\ \'four
	{ echo '# Load with: iptables-nft-restore < FILE'; cat four.rules; } >nft.rules
	fwsnap 0 check --base live nft.rules
	says "'nft.rules' is for iptables-nft" "iptables-legacy"
	are_live live
}

# Names

# A name server at 127.0.0.1 that knows mail.example.com, denies others and never answers for slow ones.
name_server() {
	cat >"$TMP/server" <<-'END'
		import socket, struct
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("127.0.0.1", 53))
		print("ready", flush=True)
		while True:
		    query, whom = s.recvfrom(512)
		    end = query.index(b"\0", 12)
		    kind = query[end + 2]
		    answers = {1: bytes([192, 0, 2, 7]), 28: socket.inet_pton(socket.AF_INET6, "2001:db8::7")}
		    data = answers.get(kind, b"") if query[13:17] == b"mail" else b""
		    if query[13:17] == b"slow":
		        continue
		    flags = b"\x81\x80" if data else b"\x81\x83"
		    record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 5, len(data)) + data if data else b""
		    s.sendto(query[:2] + flags + struct.pack(">HHHH", 1, len(record) > 0, 0, 0)
		             + query[12:end + 5] + record, whom)
	END
	/usr/bin/python3 "$TMP/server" >"$TMP/server.out" &
	server=$!
	until grep -q ready "$TMP/server.out"; do sleep 0.02; done
	echo "nameserver 127.0.0.1" >"$TMP/resolv.conf"
	mount --bind "$TMP/resolv.conf" /etc/resolv.conf
}

test_names_are_looked_up_where_live_would_look() {
	[ -x /usr/bin/python3 ] || skip "python3 is not installed"
	inside
	name_server
	file four.rules '*filter' '-A INPUT -s mail.example.com -j ACCEPT' COMMIT
	file rules.v6 '*filter' '-A INPUT -s mail.example.com -p ipv6-icmp -j ACCEPT' COMMIT
	file site.nft 'table inet x { chain c { ip saddr mail.example.com accept; }; }'
	file sets.ipset 'create a hash:ip' 'add a mail.example.com'
	# no DNS leaves a copy of these
	nft add rule inet site input drop
	nft 'add chain inet site output { type filter hook output priority 0; policy drop; oif lo accept; }'
	nft insert rule inet site input iif lo accept
	remember live
	for name in four.rules site.nft sets.ipset; do
		fwsnap 0 check --base live "$name"
		says "a name was looked up: mail.example.com: 192.0.2.7"
	done
	fwsnap 0 check --base live rules.v6
	says "a name was looked up: mail.example.com: 2001:db8::7"
	file none.rules '*filter' '-A INPUT -s none.example.com -j ACCEPT' COMMIT
	fwsnap 1 check none.rules
	says "cannot load 'none.rules': line 2" "none.example.com"
	sed 's/none/slow/' none.rules >slow.rules
	SECONDS=0
	fwsnap 1 check slow.rules
	says "line 2" "slow.example.com"
	[ "$SECONDS" -lt 10 ] || fail "$SECONDS seconds"
	kill "$server"
	are_live live
}

# Without privilege

nobody() { # runs what follows as nobody, who can read the case's folder
	chmod 755 "$TMP"
	chmod -R a+rX "$TMP"
	cp "$FWSNAP" "$TMP/program"
	printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups "%s" "$@"\n' \
		"$TMP/program" >"$TMP/as_nobody"
	chmod 755 "$TMP/as_nobody" "$TMP/program"
	FWSNAP=$TMP/as_nobody
	setpriv --reuid 65534 --regid 65534 --clear-groups unshare --user --net true ||
		skip "users may not make namespaces here"
	[ -r "$TMP/four.rules" ] || skip "nobody cannot reach the files"
}

test_without_privilege_files_are_checked_on_nothing() {
	inside
	good_files
	file bad.rules '*filter' '-A FORWARD -j MASQUERADE' COMMIT
	file owner.rules '*filter' '-A OUTPUT -m owner --uid-owner 1000 -j ACCEPT' COMMIT
	file bad.nft 'table ip t { chain a { jump b; }' 'chain b { jump a; }' \
		'chain c { type filter hook input priority 0; jump a; }; }'
	nobody
	fwsnap 0 check four.rules rules.v6 site.nft sets.ipset
	fwsnap 1 check bad.rules
	says "cannot load 'bad.rules': line 2"
	fwsnap 1 check bad.nft
	fwsnap 4 check owner.rules
	says "'--uid-owner', which cannot be judged without root"
	fwsnap 4 check --base live four.rules
	are_live live
}

run_cases "$@"
