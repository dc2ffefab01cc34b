#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debug-kernel.sh - build a kernel that watches itself
#
# usage: scripts/debug-kernel.sh [--force] [KERNEL]
#
#   --force      build it again although it is there
#   KERNEL       6.1-debug (default): KASAN, lockdep, sleep checks, kmemleak, UBSAN,
#                page owners, failing allocations (fail-nth), gcov for modules
#                6.1-kcsan: KCSAN, which sees data races, and looks at modules only;
#                lockdep, sleep checks
#
# Debian's source of 6.1 (linux-source-6.1), configured by scripts/machine.config,
# which has the drivers that the guest tests need built in, and by debug.config or
# kcsan.config. Ends in build/kernel/KERNEL, laid out as scripts/testbed.sh lays
# out the kernels of Debian, so that `scripts/kbuild.sh 6.1-debug` and
# `scripts/qemu-run.sh --kernel 6.1-debug` work. Made again when its configuration
# changed. Takes 15 minutes of CPU time, and 4 GB while it is being built.
#
# An option that the kernel's configuration does not take is an error: kconfig
# drops what lacks a dependency without a word.

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# Raise when the recipe changes: kernels made by another one are remade.
readonly recipe=1

force='' kernel=6.1-debug
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--force) force=1 ;;
	6.1-debug | 6.1-kcsan) kernel=$1 ;;
	*) usage_error "no such option, and no such kernel: $1" ;;
	esac
	shift
done

here=$(cd "$(dirname "$0")" && pwd)
fragments=("$here/machine.config" "$here/${kernel#6.1-}.config")
root=$build/kernel/$kernel
want="$recipe $(cat "${fragments[@]}" | sha256sum | cut -c 1-16)"
# Variables of kbuild: of the kernel itself nothing is instrumented for KCSAN, else
# most that it sees, and most of the time, would be the kernel's own.
variables=()
[ "$kernel" != 6.1-kcsan ] || variables=(KCSAN_SANITIZE=n)

have() { [ -e "$root/vmlinuz" ] && [ "$(cat "$root/.recipe" 2>/dev/null)" = "$want" ]; }

[ -n "$force" ] || ! have || exit 0
"$here/testbed.sh" host 6.1
mkdir -p "$build"
exec 9>"$build/.debug-kernel.lock"
flock 9
[ -n "$force" ] || ! have || exit 0

new=$root.new
debs=$root.debs
trap 'rm -rf "$new" "$debs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
rm -rf "$new" "$debs"
mkdir -p "$new" "$debs/partial"

# ---- source and toolchain ------------------------------------------------------

# The apt that testbed.sh set up for 6.1, without which it would not be there.
export APT_CONFIG=$build/apt/bookworm/apt.conf
[ -e "$APT_CONFIG" ] || die "$APT_CONFIG is gone: remove $build/kernel/6.1 and try again"

fetch() {
	apt-get -qq -o Dir::Cache::archives="$debs" --download-only install \
		linux-source-6.1 bison flex bc libelf-dev </dev/null >&2
}

say "fetching the source of 6.1"
# An index that is no longer true names files that are no longer there.
fetch 2>/dev/null || { apt-get -qq update </dev/null && fetch; } ||
	die "linux-source-6.1 could not be fetched"

# The root of 6.1 has the toolchain; files are shared, and replaced by others
# rather than written to.
cp -al "$build/kernel/6.1/." "$new/"
(cd "$new" && rm -rf .recipe release vmlinuz vmlinux config boot usr/src usr/lib/modules)
mkdir -p "$new/boot" "$new/usr/src" "$new/usr/lib/modules"
for deb in "$debs"/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" |
		tar -C "$new" -x --keep-directory-symlink --no-same-owner \
			--exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale
done
rm -rf "$debs"
in_root "$new" - tar -C /usr/src -xf /usr/src/linux-source-6.1.tar.xz
rm "$new"/usr/src/linux-source-6.1.tar.xz
mv "$new/usr/src/linux-source-6.1" "$new/usr/src/linux"

# ---- configuration ---------------------------------------------------------------

kmake() { in_root "$new" - make -C /usr/src/linux -s "$@" 2>&1 </dev/null 9>&-; }

kmake tinyconfig >"$new/config.log" || { cat "$new/config.log" >&2; die "no configuration"; }
cat "${fragments[@]}" >>"$new/usr/src/linux/.config"
kmake olddefconfig >"$new/config.log" || { cat "$new/config.log" >&2; die "no configuration"; }

# check_config FILE: each line of the fragments is in it, or says what is not.
check_config() {
	awk '
		NR == FNR { have[$0]; if (/^CONFIG_/) { sub(/=.*/, ""); set[$0] }; next }
		/^CONFIG_/ && !($0 in have) { print "    " $0; bad = 1 }
		/^# CONFIG_.* is not set$/ && ($2 in set) { print "    " $0; bad = 1 }
		END { exit bad }' "$1" <(cat "${fragments[@]}") >&2
}
say "configuring it"
check_config "$new/usr/src/linux/.config" || die "the kernel does not take these options"

# ---- building ----------------------------------------------------------------------

say "building $kernel, which takes a while"
start=$SECONDS
kmake -j "$(nproc)" "${variables[@]}" bzImage modules >"$new/build.log" || {
	tail -n 30 "$new/build.log" >&2
	die "the kernel does not build"
}
kver=$(kmake kernelrelease)
kmake modules_install >"$new/build.log" || { cat "$new/build.log" >&2; die "no modules"; }

linux=$new/usr/src/linux
cp "$linux/arch/x86/boot/bzImage" "$new/boot/vmlinuz-$kver"
cp "$linux/.config" "$new/boot/config-$kver"
ln -s "boot/vmlinuz-$kver" "$new/vmlinuz"
ln -s "boot/config-$kver" "$new/config"
# Not as $new/vmlinux: it does not come up by --fast-boot.
mv "$linux/vmlinux" "$new/boot/vmlinux-$kver"
for link in build source; do
	ln -sfn /usr/src/linux "$new/usr/lib/modules/$kver/$link"
done
in_root "$new" - depmod "$kver"
# Modules are built against what is left.
find "$linux" -path "$linux/scripts" -prune -o -path "$linux/tools/objtool" -prune -o -type f \
	\( -name '*.o' -o -name '*.a' -o -name '.*.cmd' -o -name '*.ko' -o -name 'vmlinux.*' \) \
	-exec rm -f {} +
rm -rf "$linux"/{Documentation,sound,fs,net,samples,.tmp_vmlinux*} "$linux"/arch/[!x]* \
	"$linux"/drivers/{gpu,net,media,staging,scsi,usb} "$new/build.log" "$new/config.log"
echo "$kver" >"$new/release"
echo "$want" >"$new/.recipe"
rm -rf "$root"
mv "$new" "$root"
say "kernel $kver built in $((SECONDS - start)) s, in ${root#"$top"/}"
