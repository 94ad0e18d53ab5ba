# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lib - fixture of the end-to-end tests: the real program on the real kernel
#
# A script sources this, defines functions test_PROMISE and ends with: run_cases "$@"
# Each function is a case (TAP); as many as AT_ONCE (1) run side by side. It runs under set -e, as root,
# in network, mount and process namespaces of its own, with an empty /run and:
#   ROOT   the folder for --root, with an empty etc
#   TMP    a folder for its own files; both vanish with it
#   FWSNAP, FWSNAP_FAULTY   the program, and the one with fault points
#   TERMINAL   tests/cli/terminal.c
# It has CASE_LIMIT seconds.
# A case ends when a command fails, by `fail WHY`, or by `skip WHY`.
set -eu
shopt -s inherit_errexit
export LC_ALL=C TZ=UTC PATH=/usr/sbin:/usr/bin:/sbin:/bin
build=$(realpath -m "${BASH_SOURCE[0]%/*}/../../build")
FWSNAP=${FWSNAP:-$build/fwsnap}
FWSNAP_FAULTY=${FWSNAP_FAULTY:-$build/tests/fwsnap}
TERMINAL=${TERMINAL:-$build/tests/cli/terminal}
export FWSNAP FWSNAP_FAULTY TERMINAL
AT_ONCE=1
CASE_LIMIT=120

# running cases

run_cases() {
	local name names number=0
	if [ "${1:-}" = inside ]; then
		run_inside "${@:2}"
		return
	fi
	mapfile -t names < <(sed -n 's/^test_\([A-Za-z0-9_]*\)() .*/\1/p' "$0")
	[ $# = 0 ] || names=("$@")
	echo "1..${#names[@]}"
	for name in "${names[@]}"; do
		number=$((number + 1))
		beside run_case "$name" "$number"
	done
	together
}

# Runs a function in the background, AT_ONCE at most; its output comes in one piece when it ends.
running=0 failed=
beside() { # FUNCTION ARGUMENT...
	while [ "$running" -ge "$AT_ONCE" ]; do end_one; done
	{
		local output status=0
		output=$("$@") || status=$?
		[ -z "$output" ] || echo "$output"
		exit "$status"
	} &
	running=$((running + 1))
}

end_one() {
	wait -n || failed=1
	running=$((running - 1))
}

together() { # the end of all that run beside; false if one failed
	while [ "$running" -gt 0 ]; do end_one; done
	[ -z "$failed" ]
}

# Namespaces, /run and files of its own for a function; its exit status.
run_apart() { # FOLDER FUNCTION ARGUMENT...
	timeout -k 5 "$CASE_LIMIT" unshare --net --mount --pid --fork --kill-child --mount-proc \
		--propagation private "$0" inside "$@" >"$1/log" 2>&1 </dev/null
}

run_case() { # NAME NUMBER
	local folder status=0 title=${1//_/ }
	folder=$(mktemp -d /tmp/fwsnap-test.XXXXXX)
	run_apart "$folder" "test_$1" || status=$?
	case $status in
	0) echo "ok $2 - $title" ;;
	77) echo "ok $2 # SKIP $title: $(tail -n 1 "$folder/log")" ;;
	*)
		cat "$folder/log"
		echo "not ok $2 - $title"
		;;
	esac
	rm -rf --one-file-system "$folder"
	[ "$status" = 0 ] || [ "$status" = 77 ]
}

run_inside() { # FOLDER FUNCTION ARGUMENT...
	TMP=$1 ROOT=$1/root
	shift
	# in memory: the tests are about order, and most of their time would be fsync
	mount -t tmpfs -o mode=700 none "$TMP"
	mount -t tmpfs none /run
	mkdir -p "$ROOT/etc"
	ip link set lo up
	trap 'echo "line $LINENO: $BASH_COMMAND: exit status $?"' ERR
	set -E
	"$@"
}

fail() { # WHY
	echo "$*"
	[ ! -e "$TMP/out" ] || sed 's/^/  out: /' "$TMP/out"
	[ ! -e "$TMP/err" ] || sed 's/^/  err: /' "$TMP/err"
	exit 1
}

skip() { # WHY
	echo "$*"
	exit 77
}

# Repeats a command until it succeeds.
within() { # SECONDS COMMAND ARGUMENT...
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# the program

# STATUS ARGUMENT...: runs it and demands this exit status; its output is in out, its messages in err.
fwsnap() {
	local want=$1 status=0
	shift
	"$FWSNAP" --root "$ROOT" "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = "$want" ] || fail "fwsnap $*: exit status $status, not $want"
}

says() { # TEXT...: each is in the messages
	for text in "$@"; do
		grep -qF -- "$text" "$TMP/err" || fail "not said: $text"
	done
}

prints() { # TEXT...
	for text in "$@"; do
		grep -qF -- "$text" "$TMP/out" || fail "not printed: $text"
	done
}

never() { # TEXT...: neither said nor printed
	for text in "$@"; do
		! grep -qF -- "$text" "$TMP/err" "$TMP/out" || fail "said or printed: $text"
	done
}

json() { # FILTER: holds for the output
	command -v jq >/dev/null || skip "jq is not installed"
	jq -e "$1" "$TMP/out" >/dev/null || fail "does not hold: $1"
}

config() { # LINE...
	mkdir -p "$ROOT/etc/fwsnap"
	printf '%s\n' "$@" >"$ROOT/etc/fwsnap/fwsnap.conf"
}

# rulesets

# What the stock programs print of everything, by table; without counters, comments, and legacy tables
# that do nothing.
rules() {
	local program table
	for program in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
		"$program-save" 2>&1 | sed '/^#/d; s/ *\[[0-9]*:[0-9]*\]//' | awk -v program="$program" '
			/^\*/ { text = program; full = 0 }
			{ text = text "\v" $0 }
			/^-A/ || /^:.* DROP/ || /^:.* -$/ || !/^[*:C]/ { full = 1 }
			/^COMMIT/ && full { print text }' | sort | tr '\v' '\n'
	done
	nft list tables | sort | while read -r _ table; do
		# shellcheck disable=SC2086
		nft -s list table $table 2>&1
	done
	ipset -sorted save | sed 's/ initval 0x[0-9a-f]*//'
}

remember() { # NAME: the rules that are live now
	rules >"$TMP/rules.$1"
}

are_live() { # NAME: the rules that were remembered
	rules >"$TMP/rules"
	diff "$TMP/rules.$1" "$TMP/rules" || fail "other rules are live"
}

same_rules() { # NAME
	rules >"$TMP/rules"
	cmp -s "$TMP/rules.$1" "$TMP/rules"
}

are_not_live() { # NAME
	! same_rules "$1" || fail "the rules are those of '$1'"
}

# Nobody has to do anything for it.
comes_back() { # NAME SECONDS: until the deadline, and 5 more at most
	within $(($2 + 5)) same_rules "$1" || are_live "$1"
}

no_drift() {
	fwsnap 0 status
	prints "drift    none"
}

# All that is in the root but the lock: modes, owners, targets of links, content.
files() {
	(
		cd "$ROOT"
		find . -name run -prune -o ! -type d -printf '%p %m %U:%G %l\n' | sort
		find . -name run -prune -o -type f -exec sha256sum {} + | sort
	)
}

remember_files() { # NAME
	files >"$TMP/files.$1"
}

files_are() { # NAME
	files >"$TMP/files"
	diff "$TMP/files.$1" "$TMP/files" || fail "the files are not as before"
}

no_leftovers() {
	local left
	left=$(find "$ROOT" "$TMP" -name '.*.fwsnap-*' -o -name intent)
	[ -z "$left" ] || fail "left over: $left"
}

lose() {
	local family table
	nft flush ruleset
	for family in ip ip6; do
		while read -r table; do
			"${family}tables-legacy" -t "$table" -F
			"${family}tables-legacy" -t "$table" -X
			"${family}tables-legacy-save" -t "$table" | sed -n 's/^:\([A-Z]*\) DROP.*/\1/p' |
				xargs -r -I{} "${family}tables-legacy" -t "$table" -P {} ACCEPT
		done < <(cat "/proc/net/${family}_tables_names" 2>/dev/null)
	done
	ipset flush
	for _ in {1..50}; do
		! ipset destroy 2>/dev/null || return 0
		sleep 0.02 # rules give their sets back a little later
	done
	fail "sets are still in use"
}

load_nft() {
	nft -f - <<-'END'
		table inet site {
			set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 } }
			map ports { type inet_service : verdict; elements = { 25 : accept, 587 : accept } }
			counter seen { }
			chain input {
				type filter hook input priority filter - 5; policy drop;
				iif "lo" accept
				ct state vmap { established : accept, related : accept, invalid : drop }
				ip saddr @blocked counter name seen drop
				tcp dport vmap @ports
				tcp dport { 22, 143, 993 } accept comment "mail & ssh"
			}
		}
		table netdev edge { }
	END
}

load_iptables() { # [nft|legacy]
	local family variant=${1:-nft}
	for family in ip ip6; do
		"${family}tables-$variant-restore" <<-'END' || skip "the kernel has no $variant tables"
			*nat
			:PREROUTING ACCEPT [0:0]
			:INPUT ACCEPT [0:0]
			:OUTPUT ACCEPT [0:0]
			:POSTROUTING ACCEPT [0:0]
			-A PREROUTING -p tcp -m tcp --dport 2525 -j REDIRECT --to-ports 25
			COMMIT
			*filter
			:INPUT DROP [0:0]
			:FORWARD ACCEPT [0:0]
			:OUTPUT ACCEPT [0:0]
			:mail - [0:0]
			-A INPUT -i lo -j ACCEPT
			-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
			-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "keep me" -j ACCEPT
			-A INPUT -p tcp -j mail
			-A mail -p tcp -m multiport --dports 25,587,110,995,143,993 -j ACCEPT
			COMMIT
		END
	done
}

# A text for iptables-restore that lets nobody in.
lock_out() {
	cat <<-'END'
		*filter
		:INPUT DROP [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		:mail - [0:0]
		-A INPUT -i lo -j ACCEPT
		COMMIT
	END
}

load_ipset() {
	ipset restore <<-'END'
		create friends hash:ip
		add friends 192.0.2.1
		add friends 192.0.2.9
		create nets hash:net,port family inet6 comment
		add nets 2001:db8::/32,tcp:25 comment "from there"
		create all list:set
		add all friends
	END
}

load_everything() {
	load_ipset
	load_iptables legacy
	load_nft
	iptables-legacy -I INPUT -m set --match-set friends src -j ACCEPT
	ip6tables-legacy -I FORWARD -m set --match-set nets src,src -j ACCEPT
}

# NAME INDEX: an interface; a veth, so that no module has to be loaded
make_link() {
	ip link add "$1" index "$2" type veth peer name "$1-peer" || skip "the kernel has no veth"
}

hold_xtables_lock() { # in $holder
	flock --no-fork /run/xtables.lock sleep 1000 &
	# shellcheck disable=SC2034
	holder=$!
	until ! flock -n /run/xtables.lock true; do sleep 0.01; done
}

# What texts in etc give in an empty namespace, loaded by the stock programs alone: in rules.alone.
load_texts_alone() { # [iptables variant]
	export -f rules
	# shellcheck disable=SC2016
	unshare --net bash -euc '
		cd "$1"
		[ ! -e ipset.up.rules ] || ipset restore <ipset.up.rules
		[ ! -e iptables.up.rules ] || "iptables-$2-restore" <iptables.up.rules
		[ ! -e ip6tables.up.rules ] || "ip6tables-$2-restore" <ip6tables.up.rules
		[ ! -e nftables.up.rules ] || nft -f nftables.up.rules
		[ -z "${3:-}" ] || nft -f nftables.up.rules
		rules' bash "$ROOT/etc" "$@" >"$TMP/rules.alone" 2>&1
}

alone_is() { # NAME: the texts alone gave the rules that were remembered
	diff "$TMP/rules.$1" "$TMP/rules.alone" || fail "the texts are other rules"
}

# No change waits for its confirmation, or is being undone.
nothing_waits() {
	! compgen -G "$ROOT/run/fwsnap/pending.*/swapped.*" >/dev/null &&
		! compgen -G "$ROOT/run/fwsnap/pending.*/undoing.*" >/dev/null
}
