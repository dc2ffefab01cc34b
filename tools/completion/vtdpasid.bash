# SPDX-License-Identifier: GPL-2.0-only
#
# bash completion of vtdpasid(8); ids are asked for by -j, as they are now

# _vtdpasid_ids OBJECT KEY: the values of KEY in what there is of OBJECT.
_vtdpasid_ids()
{
	vtdpasid -j "$1" 2>/dev/null | grep -o "\"$2\":\"\?[^\",]*" |
		sed 's/^"[a-z_]*":"\?//' | sort -u
}

# All PCI functions of the machine.
_vtdpasid_functions()
{
	command ls /sys/bus/pci/devices 2>/dev/null
}

_vtdpasid()
{
	local cur words=() word i COMP_WORDBREAKS=${COMP_WORDBREAKS//:}

	# A function has colons in it: take the line apart ourselves.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	case ${COMP_LINE:0:COMP_POINT} in
	*' ') words+=('') ;;
	esac
	cur=${words[-1]}
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		case ${words[i]} in -*) ;; *) break ;; esac
	done
	words=("${words[@]:i}")

	case "${#words[@]} ${words[0]} ${words[1]}" in
	1*)
		word="doctor unit device pasid binding table explain monitor stat help
			-j --json -p --pretty --color= --version --help"
		;;
	'2 unit '*) word="list show takeover handback help" ;;
	'2 device '*) word="list show claim release attach detach help" ;;
	'2 pasid '* | '2 binding '*) word="list show help" ;;
	'2 table '*) word="show --dot --svg help" ;;
	'3 unit show' | '3 unit takeover' | '3 unit handback') word=$(_vtdpasid_ids unit unit) ;;
	'3 device show' | '3 device detach') word=$(_vtdpasid_ids device function) ;;
	'3 device '* | *' doctor '*) word=$(_vtdpasid_functions) ;;
	*' device attach') word="ats pri --" ;;
	'3 pasid show') word=$(_vtdpasid_ids pasid pasid) ;;
	'3 binding show') word=$(_vtdpasid_ids binding function) ;;
	'4 binding show') word=$(_vtdpasid_ids binding pasid) ;;
	'2 explain '*) word="--last-fault $(_vtdpasid_functions)" ;;
	'3 explain '*) word=--pasid ;;
	'4 explain '*) word=$(_vtdpasid_ids pasid pasid) ;;
	*' table '*) word="--dot --svg $(_vtdpasid_functions)" ;;
	*' monitor '*) word="--time --count --buffer" ;;
	*' stat '*) word="--interval --count" ;;
	*) word= ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
	# What stands before the last colon is there already.
	case $cur in
	*:*) COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}") ;;
	esac
}

complete -F _vtdpasid vtdpasid
