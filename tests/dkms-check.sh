#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# dkms-check.sh - the module by dkms and as Debian packages, in clean roots
#
# usage: tests/dkms-check.sh [OPTION]...
#
#   --suite S     bookworm or trixie (repeatable; default: both)
#   --no-qemu     do not load what dkms built
#   --keep        leave the roots that were worked in (build/dkms/run-*)
#
# For each suite, in a private root with dkms and the headers of two kernels:
# add, build, install, remove, by `make dkms-install` and by dkms itself; the
# packages that debian/ makes: built, looked at by lintian, installed, purged.
# Each time nothing may be left. What dkms built is loaded in a virtual machine
# that runs the kernel it was built for.
#
# The roots are made once, by mmdebstrap, in build/dkms; work goes on in copies.
# They need root: packages of a root are configured, which takes a real one.
#
# Environment:
#   VTDPASID_MIRROR   Debian archive to use instead of the one apt is set up with
#
# TAP on standard output; what was run, in build/logs/dkms-*.log.
# exit: 0 all passed, 1 something failed, 2 usage, 3 not root

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"

# Raise when the recipe of a root changes.
readonly recipe=4

suites=() qemu=1 keep=''
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--suite)
		case ${2:-} in
		bookworm | trixie) suites+=("$2") ;;
		*) usage_error "no such suite: ${2:-}" ;;
		esac
		shift
		;;
	--no-qemu) qemu='' ;;
	--keep) keep=1 ;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done
[ ${#suites[@]} != 0 ] || suites=(bookworm trixie)
[ "$(id -u)" = 0 ] || { say "packages are configured in private roots: run it as root"; exit 3; }

base=$build/dkms logs=$build/logs
mkdir -p "$base" "$logs"
run=$(mktemp -d "$base/run-XXXXXX")
fresh=''
# shellcheck disable=SC2317
cleanup() {
	[ -z "$fresh" ] || rm -rf "$fresh"
	[ -n "$keep" ] || rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- TAP -----------------------------------------------------------------------

tests=0 failures=0 log=/dev/null

# check NAME COMMAND...: one test: does COMMAND succeed? Its output is logged.
check() {
	local name=$1 rc part=$run/output
	shift

	tests=$((tests + 1))
	printf '\n==== %s\n' "$name" >>"$log"
	# Where "||" follows, set -e would have no force inside.
	set +e
	(set -e; "$@") >"$part" 2>&1 </dev/null
	rc=$?
	set -e
	cat "$part" >>"$log"
	if [ $rc = 0 ]; then
		echo "ok $tests - $suite: $name"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $suite: $name"
	echo "# exit status $rc, see $log"
	tail -n 20 "$part" | cut -c 1-200 | sed 's/^/# /'
}

# ---- the roots -----------------------------------------------------------------

# Run by mmdebstrap with the new root in $1: each kernel's image, and a few of its
# modules, out of their packages. These are not installed, that would want an
# initramfs; but without any module dkms 3.2 takes the kernel for uninstalled.
# shellcheck disable=SC2016
readonly fetch_images='
	for dir in "$1"/lib/modules/*; do
		kernel=${dir##*/}
		[ ! -e "$1/boot/vmlinuz-$kernel" ] || continue
		chroot "$1" sh -euc "
			mkdir -p /tmp/image && cd /tmp/image
			apt-get -q download linux-image-$kernel \
				\$(apt-cache depends linux-image-$kernel |
					sed -n \"s/^ *Depends: \\(linux-.*-$kernel\\)\\\$/\\1/p\")
			for deb in *.deb; do dpkg-deb -x \$deb .; done
			[ ! -d usr/lib/modules ] || mkdir -p lib/modules/$kernel
			[ ! -d usr/lib/modules ] || cp -r usr/lib/modules/$kernel lib/modules
			mv \$(ls boot/vmlinuz-$kernel lib/modules/$kernel/vmlinuz 2>/dev/null | head -n 1) \
				/boot/vmlinuz-$kernel
			mkdir -p /lib/modules/$kernel/kernel/fs
			cp -r lib/modules/$kernel/kernel/fs/fat /lib/modules/$kernel/kernel/fs
			depmod $kernel
			rm -r /tmp/image"
	done'

# make_root NAME: build/dkms/NAME.
make_root() {
	local name=$1 dir=$base/$1 site suite=$1 include hooks=() lines=() options=()
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	exec 9>"$base/.lock"
	flock 9
	if [ "$(cat "$dir/.recipe" 2>/dev/null)" = $recipe ]; then
		exec 9>&-
		return
	fi
	say "making a root for $name in ${dir#"$top"/} (once, some minutes)"
	"$top/scripts/testbed.sh" package mmdebstrap debian-archive-keyring
	site=$(unset APT_CONFIG; archive)
	[ -n "$site" ] || die "apt has no Debian archive set up; name one in VTDPASID_MIRROR"
	case $name in
	bookworm) include=dkms,linux-headers-amd64,linux-headers-cloud-amd64 ;;
	trixie)
		include=dkms,linux-headers-amd64
		# shellcheck disable=SC2016
		hooks=('chroot "$1" apt-get -q -y -t trixie-backports install linux-headers-amd64')
		;;
	builder) suite=bookworm include=build-essential,debhelper,dh-dkms,libjson-c-dev,libnl-genl-3-dev,lintian,pkgconf,python3 ;;
	esac
	[ "$name" = builder ] || hooks+=("$fetch_images")
	lines=("deb [signed-by=$keyring] $site $suite main")
	[ "$suite" != trixie ] || lines+=("deb [signed-by=$keyring] $site $suite-backports main")

	# The host's way to the archive (proxy, credentials), and nothing else.
	{
		env -u APT_CONFIG apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' || true
		echo 'APT::Install-Recommends "false";'
		echo 'Acquire::Languages "none";'
	} >"$run/apt.conf"
	for name in "${hooks[@]}"; do
		options+=(--customize-hook="$name")
	done
	fresh=$dir.new
	rm -rf "$fresh" "$dir"
	mmdebstrap --mode=root --variant=apt --quiet --aptopt="$run/apt.conf" \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--include="$include,openssl,xz-utils" "${options[@]}" "$suite" "$fresh" "${lines[@]}" \
		</dev/null >"$logs/dkms-root-$1.log" 2>&1 9>&- || {
		tail -n 20 "$logs/dkms-root-$1.log" >&2
		die "the root for $1 could not be made, see $logs/dkms-root-$1.log"
	}
	echo $recipe >"$fresh/.recipe"
	mv "$fresh" "$dir"
	fresh=''
	exec 9>&-
}

# use_root NAME: work in a copy of build/dkms/NAME from now on.
use_root() {
	make_root "$1"
	root=$run/$1
	rm -rf "$root"
	cp -a --reflink=auto "$base/$1" "$root"
}

# inside COMMAND...: run it in that copy; $run/share is /mnt there.
inside() {
	mkdir -p "$run/share"
	in_root "$root" "$run/share" env DEBIAN_FRONTEND=noninteractive "$@"
}

# ---- the sources ---------------------------------------------------------------

version=$(sed -n 's/^#define VTDP_VERSION[[:space:]]*"\(.*\)"/\1/p' "$top/src/main.c")
module=vtdpasid/$version

# copy_sources DIR: what a clone has; without git, what is not built.
copy_sources() {
	mkdir -p "$1"
	(
		cd "$top"
		if git rev-parse --git-dir >/dev/null 2>&1; then
			git ls-files -z --cached --others --exclude-standard
		else
			find . -path ./build -prune -o -type f -print0
		fi | while IFS= read -r -d '' file; do
			[ ! -e "$file" ] || cp --parents -P "$file" "$1"
		done
	)
}

# ---- what is looked at ---------------------------------------------------------

# Everything in the root but what depmod, dkms and dpkg keep for themselves:
# indexes, logs, the key that dkms signs with.
listing() {
	(
		cd "$root"
		find . \( -path ./proc -o -path ./dev -o -path ./mnt -o -path ./tmp -o -path ./build \
			-o -path ./var/log -o -path ./var/cache -o -path './var/lib/dpkg/*-old' \
			-o -path ./var/lib/dpkg/lock\* -o -path ./var/lib/dpkg/triggers -o -path './var/lib/dkms/mok.*' \
			\) -prune -o ! -path './lib/modules/*/modules.*' ! -path './usr/lib/modules/*/modules.*' -print |
			LC_ALL=C sort
	)
}

nothing_left() {
	listing >"$run/after"
	diff "$run/before" "$run/after"
	# dkms 3.0.10 says nothing at all, later ones may say so in words.
	! inside dkms status | grep vtdpasid
}

# status_is KERNEL WORD
status_is() {
	inside dkms status "$module" -k "$1" | tee /dev/stderr | grep -q "$1, x86_64: $2"
}

# modinfo_ok KERNEL: what is installed is this version, for that kernel, and
# is what modprobe would load.
modinfo_ok() {
	local file

	file=$(inside modinfo -k "$1" -F filename vtdpasid)
	echo "$file"
	case $file in */updates/dkms/vtdpasid.ko*) ;; *) return 1 ;; esac
	[ "$(inside modinfo -k "$1" -F version vtdpasid)" = "$version" ]
	[ "$(inside modinfo -k "$1" -F license vtdpasid)" = GPL ]
	inside modinfo -k "$1" -F vermagic vtdpasid | grep "^$1 "
	# dkms has made a key of its own, and signed with it.
	[ -n "$(inside modinfo -k "$1" -F signer vtdpasid)" ]
	# No alias: nothing but its name may load it.
	[ -z "$(inside modinfo -k "$1" -F alias vtdpasid)" ]
	inside modprobe -S "$1" --show-depends vtdpasid | tee /dev/stderr | grep -q "^insmod $file"
}

# A kernel that cannot have the module is passed over. dkms 3.0 looks into
# .config, later ones into auto.conf.
excluded() {
	local rc=0 file dir=$root/usr/src/linux-headers-$1

	for file in .config include/config/auto.conf; do
		cp -p "$dir/$file" "$run/${file##*/}.saved"
		sed -i '/^CONFIG_MMU_NOTIFIER=/d' "$dir/$file"
	done
	inside dkms build "$module" -k "$1" || rc=$?
	for file in .config include/config/auto.conf; do
		mv "$run/${file##*/}.saved" "$dir/$file"
	done
	[ $rc = 77 ]
}

# smoke KERNEL: load it where it belongs.
smoke() {
	local file

	file=$(cd "$root/lib/modules/$1/updates/dkms" && echo vtdpasid.ko*)
	file=lib/modules/$1/updates/dkms/$file
	mkdir -p "$run/smoke"
	case $file in
	*.xz) inside xz -dc "/$file" >"$run/smoke/vtdpasid.ko" ;;
	*) cp "$root/$file" "$run/smoke/vtdpasid.ko" ;;
	esac
	# A real machine loads it by its name; here there is nothing but busybox.
	# shellcheck disable=SC2016
	"$top/scripts/qemu-run.sh" --kernel "$root/boot/vmlinuz-$1" --name "dkms-$1" \
		--log "$logs/dkms-smoke-$1.log" --insmod "$run/smoke/vtdpasid.ko" -- sh -euc '
		uname -r
		ls -l /dev/vtdpasid
		[ "$(stat -c "%a %u" /dev/vtdpasid)" = "600 0" ]
		cat /sys/module/vtdpasid/version
		rmmod vtdpasid
		[ ! -e /dev/vtdpasid ]'
}

# ---- the tests -----------------------------------------------------------------

test_dkms() {
	local kernel flags=''

	copy_sources "$root/build/vtdpasid"
	listing >"$run/before"
	check "$(inside dkms --version), sources are added" \
		inside sh -euc "make -C /build/vtdpasid dkms-source; dkms add $module"
	check "a kernel without MMU notifiers is passed over" excluded "${kernels[0]}"
	for kernel in "${kernels[@]}"; do
		check "built for $kernel" inside dkms build "$module" -k "$kernel"
		check "$kernel: status is built" status_is "$kernel" built
		check "$kernel: installed" inside dkms install "$module" -k "$kernel"
		check "$kernel: status is installed" status_is "$kernel" installed
		check "$kernel: modinfo" modinfo_ok "$kernel"
	done
	check "removed from all kernels" inside dkms remove "$module" --all
	rm -rf "$root/usr/src/vtdpasid-$version"
	check "nothing is left" nothing_left

	for kernel in "${kernels[@]}"; do
		flags+=" -k $kernel"
	done
	check "make dkms-install" inside make -C /build/vtdpasid dkms-install DKMS_FLAGS="$flags"
	check "make dkms-install again, over itself" \
		inside make -C /build/vtdpasid dkms-install DKMS_FLAGS="$flags"
	for kernel in "${kernels[@]}"; do
		check "$kernel: modinfo" modinfo_ok "$kernel"
		[ -z "$qemu" ] || check "$kernel: loaded and unloaded" smoke "$kernel"
	done
	check "make dkms-remove" inside make -C /build/vtdpasid dkms-remove
	check "nothing is left" nothing_left
}

build_packages() {
	local suite=builder log=$logs/dkms-builder.log

	: >"$log"
	copy_sources "$root/build/vtdpasid"
	check "dpkg-buildpackage" inside sh -c 'cd /build/vtdpasid && dpkg-buildpackage -us -uc -b'
	check "lintian: no error, no warning" \
		inside sh -c 'cd /build && lintian --allow-root --fail-on error,warning --info *.changes'
	mkdir -p "$run/share"
	cp "$root"/build/*.deb "$run/share" 2>/dev/null || true
	check "the header alone is enough, in C and C++" inside sh -euc '
		dpkg -i /mnt/vtdpasid-dev_*.deb
		cd /tmp
		echo "#include <vtdpasid.h>" >t.c
		echo "int main(void) { return sizeof(struct vtdpasid_get_info) == 0; }" >>t.c
		gcc -Wall -Wextra -Werror -std=c11 -pedantic -o t t.c
		g++ -Wall -Wextra -Werror -x c++ -o t t.c
		dpkg -P vtdpasid-dev'
	# Expanded inside.
	# shellcheck disable=SC2016
	check "the library: a program is built with it, static and shared" inside sh -euc '
		dpkg -i /mnt/vtdpasid-dev_*.deb /mnt/libvtdpasid1_*.deb /mnt/libvtdpasid-dev_*.deb
		cd /tmp
		example=/usr/share/doc/libvtdpasid-dev/examples/bind.c
		gcc -Wall -Wextra -Werror -o bind $example $(pkg-config --cflags --libs libvtdpasid)
		ldd bind | grep libvtdpasid.so.1
		gcc -static -o bind-static $example $(pkg-config --cflags --libs libvtdpasid)
		! ./bind 00:04.0 2>err
		grep "cannot open /dev/vtdpasid: .*; modprobe vtdpasid" err'
	# shellcheck disable=SC2016
	check "the command: runs, and says that there is no module" inside sh -euc '
		dpkg -i /mnt/vtdpasid-utils_*.deb
		vtdpasid --version
		status=0
		vtdpasid -j unit || status=$?
		[ $status = 3 ]
		bash -n /usr/share/bash-completion/completions/vtdpasid
		dpkg -P vtdpasid-utils libvtdpasid-dev libvtdpasid1 vtdpasid-dev'
}

test_packages() {
	local kernel

	listing >"$run/before"
	check "vtdpasid-dkms is installed" \
		inside sh -c 'dpkg -i /mnt/vtdpasid-dkms_*.deb && dpkg --audit'
	# The package builds for the running kernel, which is not one of ours, and
	# what the kernel's own package calls for each kernel that is installed.
	for kernel in "${kernels[@]}"; do
		check "$kernel: dkms autoinstall" inside dkms autoinstall -k "$kernel"
		check "$kernel: modinfo" modinfo_ok "$kernel"
	done
	check "nothing loads it by itself" inside sh -euc '
		! grep -v "^#" /etc/modules-load.d/vtdpasid.conf | grep .
		! ls /etc/modprobe.d /usr/lib/modprobe.d /lib/modprobe.d /etc/udev/rules.d \
			/usr/lib/udev/rules.d 2>/dev/null | grep vtdpasid'
	check "purged" inside dpkg -P vtdpasid-dkms
	check "nothing is left" nothing_left
}

[ -z "$qemu" ] || "$top/scripts/testbed.sh" host qemu 6.1
suite=builder
use_root builder
build_packages
rm -rf "$root"
for suite in "${suites[@]}"; do
	use_root "$suite"
	log=$logs/dkms-$suite.log
	: >"$log"
	mapfile -t kernels < <(cd "$root/lib/modules" && ls -d -- *)
	check "headers of two kernels: ${kernels[*]}" test ${#kernels[@]} = 2
	test_dkms
	test_packages
	[ -n "$keep" ] || rm -rf "$root"
done
echo "1..$tests"
[ $failures = 0 ]
