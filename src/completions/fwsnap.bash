# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of fwsnap(8) for bash.

_fwsnap_refs() {
	local dir=${1:-}/var/lib/fwsnap/snapshots file
	for file in "$dir"/*.tar.gz; do
		[ -e "$file" ] || continue
		file=${file##*/}
		echo "${file%.tar.gz}"
	done
	echo '@ live text pending'
}

_fwsnap() {
	local commands='save apply run confirm rollback restore lockdown check list show diff verify tag untag prune export import status'
	local word command='' root='' previous=${COMP_WORDS[COMP_CWORD - 1]} current=${COMP_WORDS[COMP_CWORD]} i choice=''

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--root) root=${COMP_WORDS[++i]} ;;
		--config | --color) ((++i)) ;;
		-*) ;;
		*)
			command=$word
			break
			;;
		esac
	done
	if [ "$command" = run ]; then
		while ((++i < COMP_CWORD)); do
			[ "${COMP_WORDS[i]}" = -- ] || continue
			if ((i + 1 == COMP_CWORD)); then choice=-c; else choice=-f; fi
			mapfile -t COMPREPLY < <(compgen "$choice" -- "$current")
			return
		done
	fi
	case $previous in
	--root)
		mapfile -t COMPREPLY < <(compgen -d -- "$current")
		return
		;;
	--config)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--color) choice='auto always never' ;;
	--format) choice='summary iptables ip6tables nft ipset' ;;
	--type) choice='iptables ip6tables nft ipset' ;;
	--base) choice='empty live' ;;
	--tag | --message | -m | --keep | --within) return ;;
	*)
		case $command in
		'') choice="$commands --root --config --json --color --quiet --verbose --help --version" ;;
		save) choice='--message --tag --counters --all --on-stop' ;;
		apply) choice='--within --no-confirm --dry-run --message --type --allow-empty --no-rehearsal --replace-pending --all' ;;
		run) choice='--live --within --no-confirm --dry-run --message --allow-empty --replace-pending --all' ;;
		rollback) choice='--dry-run --all' ;;
		restore) choice="$(_fwsnap_refs "$root") --all --dry-run --within --no-confirm --boot --again --link" ;;
		lockdown) choice='--within --no-confirm' ;;
		show) choice="$(_fwsnap_refs "$root") --format --all" ;;
		diff) choice="$(_fwsnap_refs "$root") --dynamic --all" ;;
		verify | tag | export) choice=$(_fwsnap_refs "$root") ;;
		prune) choice='--keep --dry-run' ;;
		import) choice='--message --tag --type' ;;
		check) choice='--base --type' ;;
		status) choice='--all' ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choice" -- "$current")
	case $command in
	apply | export | import | check) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current") ;;
	esac
}
complete -F _fwsnap fwsnap
