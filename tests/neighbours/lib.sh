# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lib - fixture of the tests beside other programs that have rules of their own
#
# Cases are those of tests/boot/lib.sh, which the script sources before this. It sets:
#   FOREIGN          regular expression of iptables-save and `ipset save` lines that are the program's
#   FOREIGN_TABLES   the same of lines of `nft list tables`
#   OWNER            its name in what fwsnap prints
#   VARIANT=legacy   if it and we use iptables-legacy
#   COUNTERS=no      if packets are counted by its rules while nothing happens
#   NAMED            how it is named in the output, if not as "foreign OWNER"
# and defines:
#   arrive           the program runs, its rules are there
#   linger           it does something more: the rules that it has now are others
# linger is called while a change is pending: what it adds has to outlive the change.
#
# The programs are not installed here, where their services would start: they are in the system `neighbours`
# of tests/boot/tree_lib.sh, and a case boots that, without starting them, or borrows them from it.
# shellcheck disable=SC2034
BOOT_WANTS=basic.target

# What is missing here is there for this case, after: on neighbours
borrow_programs() {
	local folder
	name_tree "$KIND"
	tree_is_there || skip "no system with the programs could be made: $(tail -n 1 "$FWSNAP_CACHE/log" || true)"
	for folder in usr etc; do
		# shellcheck disable=SC2154
		mount -t overlay -o "lowerdir=/$folder:$layer/$folder:$tree/$folder" none "/$folder" ||
			skip "the kernel has no overlay"
	done
}

# A host with rules of its own; the program comes after them, as it does at boot.
load_host() {
	load_ipset
	load_iptables "${VARIANT:-nft}"
	load_nft
}

# What an administrator tries: plain files that know nothing of the program.
write_candidates() {
	cat >"$TMP/new.rules" <<-'END'
		*filter
		:INPUT DROP [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		:web - [0:0]
		-A INPUT -i lo -j ACCEPT
		-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
		-A INPUT -p tcp -j web
		-A FORWARD -s 192.0.2.0/24 -j DROP
		-A web -p tcp -m multiport --dports 80,443 -j ACCEPT
		COMMIT
		*nat
		:PREROUTING ACCEPT [0:0]
		:INPUT ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		:POSTROUTING ACCEPT [0:0]
		-A PREROUTING -p tcp -m tcp --dport 8025 -j REDIRECT --to-ports 25
		COMMIT
	END
	cat >"$TMP/new.nft" <<-'END'
		flush ruleset
		table inet site {
			set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 203.0.113.0/24 } }
			chain input {
				type filter hook input priority filter - 5; policy drop;
				iif "lo" accept
				ct state established,related accept
				ip saddr @blocked drop
				tcp dport { 22, 80 } accept
			}
		}
	END
}

# The page that a web server gives to a network namespace; nothing if it does not answer.
fetch() { # NETNS ADDRESS PORT
	# shellcheck disable=SC2016
	ip netns exec "$1" timeout 1 bash -c '
		exec 3<>"/dev/tcp/$1/$2"
		printf "GET /page HTTP/1.0\r\n\r\n" >&3
		tail -n 1 <&3' bash "$2" "$3" 2>/dev/null || true
}

# what is the program's, and what is ours

# Each rule, chain, table, set and element of the program, with counters, and with handles where the
# kernel has them: an object that was removed and made again is not the same.
foreign() {
	local program family table counters=-c stateless=
	[ "${COUNTERS-yes}" = yes ] || { counters='' stateless=-s; }
	for program in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
		# shellcheck disable=SC2086
		"$program-save" $counters 2>/dev/null | sed 's/^\(:.*\) \[.*/\1/' |
			{ grep -E -- "$FOREIGN" || true; } | sed "s/^/$program: /"
	done
	nft list tables | grep -E "$FOREIGN_TABLES" | sort | while read -r _ family table; do
		# shellcheck disable=SC2086
		nft $stateless -a list table "$family" "$table" | sed 's/ expires [0-9a-z]*//g'
	done
	for family in ip ip6; do
		for table in filter nat; do
			# shellcheck disable=SC2086
			nft $stateless -a list table "$family" "$table" 2>/dev/null | grep -E -- "$FOREIGN" || true
		done
	done
	ipset -sorted save | grep -E -- "$FOREIGN" | sed 's/ timeout [1-9][0-9]*$//' || true
}

# Everything else, as the stock programs print it. A chain with nothing in it is as good as none.
own() {
	local program family table
	for program in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
		"$program-save" 2>/dev/null | sed '/^#/d; /^:.* ACCEPT /d; s/ *\[[0-9]*:[0-9]*\]//' |
			{ grep -vE -- "$FOREIGN" || true; } | awk -v program="$program" '
			/^\*/ { table = $0; next }
			!/^COMMIT/ { print program, table, $0 }' | sort -s -k2,4
	done
	nft list tables | grep -vE "$FOREIGN_TABLES|^table ip6? (filter|nat|mangle|raw|security)$" | sort |
		while read -r _ family table; do
			nft -s list table "$family" "$table" | sed 's/ expires [0-9a-z]*//g'
		done
}

own_sets() {
	ipset -sorted save | sed '/^create/s/ initval 0x[0-9a-f]*//; /^add/s/ timeout [1-9][0-9]*$//' |
		grep -vE -- "$FOREIGN" || true
}

# Where the program's rules stand: before all of ours in their chain, or after some; "alone" in a chain
# without any of ours.
places() {
	local program
	for program in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
		"$program-save" 2>/dev/null | awk -v foreign="$FOREIGN" -v program="$program" '
			function tell(i) {
				for (i = 1; i <= n; i++)
					print program, table, rule[i] "\t" (ours[chain[i]] ? place[i] : "alone")
				n = 0
			}
			/^\*/ { tell(); table = $0; delete ours }
			/^-A/ && $0 ~ foreign { rule[++n] = $0; chain[n] = $2; place[n] = ours[$2] ? "after" : "before" }
			/^-A/ && $0 !~ foreign { ours[$2] = 1 }
			END { tell() }'
	done
}

# Rules that moved past ours; in a chain that has none of ours, there is nothing to move past.
moved_places() { # NAME
	places | paste "$TMP/places.$1" - | awk -F '\t' '
		$1 != $3 || ($2 != $4 && $2 != "alone" && $4 != "alone")'
}

# Ours and the program's. Chains have no order.
everything() {
	local FOREIGN=' nobody ' FOREIGN_TABLES=' nobody '
	own
	own_sets
}

remember() { # NAME
	everything >"$TMP/rules.$1"
}

are_live() { # NAME
	everything >"$TMP/rules"
	diff "$TMP/rules.$1" "$TMP/rules" || fail "other rules are live"
}

same_rules() { # NAME
	everything >"$TMP/rules"
	cmp -s "$TMP/rules.$1" "$TMP/rules"
}

remember_foreign() { # NAME
	foreign >"$TMP/foreign.$1"
	places >"$TMP/places.$1"
	[ -s "$TMP/foreign.$1" ] || fail "no test: there is nothing of $OWNER"
}

foreign_is() { # NAME [anywhere]
	local moved
	foreign >"$TMP/foreign"
	diff "$TMP/foreign.$1" "$TMP/foreign" || fail "what belongs to $OWNER is not as before"
	moved=$([ -n "${2:-}" ] || moved_places "$1")
	[ -z "$moved" ] || fail "rules of $OWNER are not at their place: $moved"
}

# Nothing of the program in any text file or snapshot.
none_is_saved() { # ROOT
	local file snapshot
	for file in "$1"/etc/*.rules; do
		! grep -nE -- "$FOREIGN" "$file" || fail "'$file' has rules of $OWNER"
	done
	for snapshot in "$1"/var/lib/fwsnap/snapshots/*.tar.gz; do
		# source/ is what apply was given, as it was
		for file in $(tar tzf "$snapshot" | grep -vE '^(MANIFEST$|source/)'); do
			! tar xzOf "$snapshot" "$file" | grep -aqE -- "$FOREIGN" ||
				fail "'$snapshot' has rules of $OWNER in $file"
		done
	done
}

# Table by table what the current snapshot holds, by digests that know nothing of handles. A table without
# rules is as good as none.
contents() { # ROOT
	tar xzOf "$1/var/lib/fwsnap/current" MANIFEST | grep -E '^(ruleset|table|text): ' | grep -v ' empty=1 '
}

same_contents() { # ROOT ROOT
	local file
	contents "$1" >"$TMP/contents.1"
	contents "$2" >"$TMP/contents.2"
	diff "$TMP/contents.1" "$TMP/contents.2" || fail "the snapshots are not the same"
	for file in iptables ip6tables nftables ipset; do
		diff "$1/etc/$file.up.rules" "$2/etc/$file.up.rules" || fail "the texts are not the same"
	done
}

# Our part of live is what these files give by themselves, loaded by the stock programs alone.
own_is_alone() { # FILE...
	export -f own
	export FOREIGN FOREIGN_TABLES
	own >"$TMP/own"
	# shellcheck disable=SC2016
	unshare --net bash -euc '
		for file; do
			case $file in
			*.nft) nft -f "$file" ;;
			*) iptables-nft-restore <"$file" ;;
			esac
		done
		own' bash "$@" >"$TMP/own.alone"
	diff "$TMP/own.alone" "$TMP/own" || fail "our part of the firewall is not what was asked for"
}

# The nft file leaves chains of iptables without our rules.
apply() { # FILE OPTION...
	case $1 in
	*.nft) fwsnap 0 apply --allow-empty "${@:2}" "$1" ;;
	*) fwsnap 0 apply "${@:2}" "$1" ;;
	esac
}

names_owner() {
	grep -qE "${NAMED:-foreign +$OWNER}" "$TMP/out" || fail "$OWNER is not named"
}

# the promises

# The same rules of ours, saved before the program came and beside it.
saved_beside_is_as_saved_without() {
	local with=$TMP/with
	load_host
	fwsnap 0 save
	arrive
	remember_foreign there
	remember all
	fwsnap 0 save
	says unchanged
	no_drift
	names_owner
	mkdir -p "$with/etc"
	ROOT=$with fwsnap 0 save
	same_contents "$ROOT" "$with"
	none_is_saved "$with"
	tar xzOf "$with/var/lib/fwsnap/current" MANIFEST | grep -qiE "($OWNER)" || fail "the manifest does not note $OWNER"
	foreign_is there
	are_live all
}

# The program is shown by name, apart from drift.
drift_of_ours_only() {
	load_host
	fwsnap 0 save
	arrive
	fwsnap 0 diff
	[ -n "${NAMED:-}" ] || names_owner
	fwsnap 0 show
	[ -n "${NAMED:-}" ] || names_owner
	iptables-nft -A INPUT -p tcp --dport 113 -j REJECT
	fwsnap 3 status
	names_owner
	fwsnap 3 diff
	prints "113"
	! grep -E -- "^[-+].*($FOREIGN)" "$TMP/out" || fail "rules of $OWNER are drift"
	remember_foreign there
	fwsnap 0 restore
	foreign_is there
	no_drift
}

# A plain file takes the place of our rules and of nothing else.
kept_by_apply() { # FILE
	load_host
	arrive
	write_candidates
	remember_foreign there
	apply "$1" --no-confirm
	foreign_is there
	no_drift
	none_is_saved "$ROOT"
	{ own && own_sets; } >"$TMP/own.applied"
	lose_ours
	fwsnap 0 restore
	{ own && own_sets; } >"$TMP/own"
	diff "$TMP/own.applied" "$TMP/own" || fail "our part is not what was saved"
	foreign_is there anywhere
	no_drift
}

# Our own rules vanish, those of the program stay. Where they stood, nothing says any more.
lose_ours() {
	local program
	for program in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
		"$program-save" 2>/dev/null | awk -v foreign="$FOREIGN" '
			/^\*/ { table = substr($0, 2) }
			/^-A/ && $0 !~ foreign { sub("-A", "-D"); print "-t", table, $0 }
			/^:.* -/ && $0 !~ foreign { last = last "-t " table " -X " substr($1, 2) "\n" }
			END { printf "%s", last }' | tr -d '"' | while read -r line; do
			# shellcheck disable=SC2086
			"$program" $line 2>/dev/null || true
		done
	done
	nft list tables | grep -E '^table (inet|netdev) (site|edge)$' | while read -r _ line; do
		# shellcheck disable=SC2086
		nft delete table $line
	done
}

# What the program does while the change is pending outlives it.
kept_by_rollback_and_undo() { # FILE
	load_host
	arrive
	write_candidates
	fwsnap 0 save
	remember_foreign there
	remember before
	{ own && own_sets; } >"$TMP/own.before"
	apply "$1" --within 60
	foreign_is there
	are_not_live before
	fwsnap 0 rollback
	foreign_is there
	are_live before
	apply "$1" --within 2
	are_not_live before
	linger
	remember_foreign later
	! cmp -s "$TMP/foreign.there" "$TMP/foreign.later" || fail "no test: nothing new of $OWNER"
	within 8 no_change_is_pending || fail "it is still pending"
	foreign_is later
	{ own && own_sets; } >"$TMP/own"
	diff "$TMP/own.before" "$TMP/own" || fail "our part is not the old again"
	no_drift
}

# What comes while a change is pending is there after it is kept, and not saved with it.
kept_by_confirm() { # FILE
	load_host
	arrive
	write_candidates
	apply "$1" --within 60
	linger
	remember_foreign later
	fwsnap 0 confirm
	foreign_is later
	none_is_saved "$ROOT"
	no_drift
}

# One packet to this host, which rules count.
knock() {
	timeout 1 bash -c ': </dev/tcp/127.0.0.1/22' 2>/dev/null || true
}

no_change_is_pending() {
	! "$FWSNAP" --root "$ROOT" status 2>/dev/null | grep -q '^pending'
}
