# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts of the test machine share: where things are, how to speak,
# how to run a tool inside a private root. Sourced, never run.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath -m "${VTDPASID_BUILD:-$top/build}")
me=$(basename "$0")
export top build

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }
usage_error() { say "$*"; say "try '$0 --help'"; exit 2; }

# help: print the comment block at the head of the running script.
help() { sed -n '3,/^[^#]/{/^#/!q;s/^#\( \|$\)//;p}' "$0"; }

# kernel_name NAME: the canonical short name of a kernel of the test machine.
kernel_name() {
	case $1 in
	6.1 | 6.1-debug | 6.1-kcsan | 6.12 | 7.3) echo "$1" ;;
	newest) echo 7.3 ;;
	*) return 1 ;;
	esac
}

# kernel_root NAME, kernel_release NAME: its private root, its `uname -r`.
kernel_root() { echo "$build/kernel/$1"; }
kernel_release() { cat "$build/kernel/$1/release"; }

# can_unshare: can in_root work here?
can_unshare() {
	local how=(--mount)

	[ "$(id -u)" = 0 ] || how+=(--map-root-user)
	unshare "${how[@]}" --propagation unchanged true
}

# in_root ROOT HOSTDIR COMMAND...: run COMMAND in the private root, where
# HOSTDIR (or - for none) is /mnt. Mounts live in a namespace of their own and
# go away with the command, however it ends. In a chroot nothing can be made
# private to us: there they are taken off by hand.
in_root() {
	local root=$1 dir=$2 how=(--mount) propagation=private
	shift 2

	[ "$(id -u)" = 0 ] || how+=(--map-root-user)
	unshare "${how[@]}" --propagation private true 2>/dev/null || propagation=unchanged
	# The script that follows runs inside the namespace.
	# shellcheck disable=SC2016
	unshare "${how[@]}" --propagation "$propagation" sh -euc '
		propagation=$1 root=$2 dir=$3
		shift 3
		if [ "$propagation" = private ]; then
			run=exec
		else
			run=
			trap "rc=\$?; umount -l \"$root\"/mnt \"$root\"/dev \"$root\"/proc 2>/dev/null || :; exit \$rc" EXIT
			trap "exit 130" INT TERM
		fi
		mount --rbind /proc "$root/proc"
		mount --rbind /dev "$root/dev"
		[ "$dir" = - ] || mount --bind "$dir" "$root/mnt"
		$run env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 \
			TMPDIR=/tmp chroot "$root" "$@"
	' in_root "$propagation" "$root" "$dir" "$@"
}

# archive: the Debian archive this machine's apt is set up with.
archive() {
	local codename

	if [ -n "${VTDPASID_MIRROR:-}" ]; then
		echo "$VTDPASID_MIRROR"
		return
	fi
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(SITE)' 2>/dev/null |
		awk -v c="$codename" '
			!best && ($1 == c || $1 == "stable" || $1 == "oldstable") { best = $2 }
			$1 !~ /security/ && !any { any = $2 }
			END { print best ? best : any }'
}
