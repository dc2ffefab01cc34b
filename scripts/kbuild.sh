#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kbuild.sh - build the module for a kernel of the test machine
#
# usage: scripts/kbuild.sh KERNEL [--src DIR] [--with DIR]... [--out DIR] [--] [MAKE-ARG]...
#
#   KERNEL       6.1, 6.12, 7.3 (scripts/testbed.sh fetches what is missing)
#   --src DIR    build the module in DIR (it has a Kbuild or Makefile) instead
#                of the one at the top of the tree
#   --with DIR   copy this directory of the tree, too (repeatable)
#   --out DIR    where to build (default: build/ko/KERNEL, with --src
#                build/ko/KERNEL.NAME, NAME being the last part of DIR)
#   MAKE-ARG     passed to kbuild: W=1, C=2, KCFLAGS=..., a target
#
# The sources are copied to the out directory and built there, in the private
# root of the kernel: the source tree stays clean, and nothing is compiled
# again unless it changed. The modules end up in the out directory itself.
# A DIR inside the tree is copied together with Kbuild, include/, src/ and
# scripts/, all in their places, so that "../../include" works. One in build/ is a
# tree of its own.

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

src=$top out=
with=()
make_args=()
kernel=
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--src) [ $# -ge 2 ] || usage_error "--src needs a directory"; src=$2; shift ;;
	--with) [ $# -ge 2 ] || usage_error "--with needs a directory"; with+=("$2"); shift ;;
	--out) [ $# -ge 2 ] || usage_error "--out needs a directory"; out=$2; shift ;;
	--) shift; make_args+=("$@"); break ;;
	-*) make_args+=("$1") ;;
	*) if [ -z "$kernel" ]; then kernel=$1; else make_args+=("$1"); fi ;;
	esac
	shift
done
[ -n "$kernel" ] || usage_error "which kernel?"
kernel=$(kernel_name "$kernel") || usage_error "no such kernel: $kernel"
src=$(cd "$src" && pwd) || exit 1
[ -e "$src/Kbuild" ] || [ -e "$src/Makefile" ] || die "$src has no Kbuild and no Makefile"

# base: the directory that is copied; sub: the module's place in it.
case $src in
"$build"/*) base=$src sub=. parts=(Kbuild include src scripts "${with[@]}") ;;
"$top") base=$top sub=. parts=(Kbuild include src scripts "${with[@]}") ;;
"$top"/*) base=$top sub=${src#"$top"/} parts=(Kbuild include src scripts "$sub") ;;
*) base=$src sub=. parts=(.) ;;
esac
if [ -z "$out" ]; then
	out=$build/ko/$kernel
	[ "$src" = "$top" ] || out=$out.$(basename "$src")
fi

"$(dirname "$0")/testbed.sh" "$kernel"
root=$(kernel_root "$kernel")
release=$(kernel_release "$kernel")
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 8>"$out/.lock"
flock 8

# Files that kbuild makes: never copied, never taken for a source that is gone.
made=(-name '*.o' -o -name '*.ko' -o -name '.*.cmd' -o -name '*.mod' -o -name '*.mod.c'
	-o -name modules.order -o -name Module.symvers -o -name '.*.d' -o -name '.module-common.o'
	-o -name .lock -o -name .sources -o -name .sources.new -o -path './build/*' -o -path './.git/*')

sources() {
	local part
	cd "$base"
	for part in "${parts[@]}"; do
		[ ! -e "$part" ] || find "./${part#./}" -type f ! \( "${made[@]}" \)
	done | sort -u
}

# Bring the copy up to date; a file that did not change keeps its time stamp.
sources >"$out/.sources.new"
while IFS= read -r file; do
	cmp -s "$base/$file" "$out/$file" || {
		mkdir -p "$(dirname "$out/$file")"
		cp "$base/$file" "$out/$file.tmp"
		mv "$out/$file.tmp" "$out/$file"
	}
done <"$out/.sources.new"
if [ -e "$out/.sources" ]; then
	comm -23 "$out/.sources" "$out/.sources.new" | while IFS= read -r file; do
		rm -f "$out/$file"
	done
fi
mv "$out/.sources.new" "$out/.sources"

# Debian's sparse is older than two things that the headers of 7.x use: the
# word __typeof_unqual__, and __builtin_strlen() as a constant.
check="CHECK=sparse -D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)'"

module_dir=/mnt
[ "$sub" = . ] || module_dir=/mnt/$sub

# Messages name the files as in the source tree.
in_root "$root" "$out" make -C "/lib/modules/$release/build" "M=$module_dir" \
	-j "$(nproc)" "$check" "${make_args[@]}" 2>&1 </dev/null 8>&- |
	sed -u -e "s#$module_dir/##g" -e "s#/mnt/##g" \
		-e '/Skipping BTF generation/d' -e '/^make\[*[0-9]*\]*: \(Entering\|Leaving\) directory/d'

if [ "$sub" != . ]; then
	for file in "$out/$sub"/*.ko; do
		[ ! -e "$file" ] || ln -sf "$sub/${file##*/}" "$out/${file##*/}"
	done
fi
