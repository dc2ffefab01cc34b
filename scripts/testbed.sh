#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# testbed.sh - make sure that the parts of the test machine are there
#
# usage: scripts/testbed.sh [PART]...
#
# Parts (default: host qemu 6.1):
#   host              what has to be installed on this machine: gcc, make, ...
#   package NAME...   more Debian packages on this machine (takes the rest of the line)
#   qemu              QEMU of trixie-backports, in build/qemu
#   6.1 6.12 7.3      a kernel, its headers and toolchain, in build/kernel/NAME
#                     (7.3, or `newest`: the newest kernel of trixie-backports)
#
# What is missing is fetched from Debian's archive into private directories
# below build/; what is there is left alone. Nothing on this machine is changed
# but the packages of `host` and `package`, and those only as root; without
# root the script prints the apt-get line to run and exits with 3.
#
# Environment:
#   VTDPASID_MIRROR   Debian archive to use instead of the one apt is set up with
#   VTDPASID_BUILD    use this directory instead of build/
#
# exit: 0 all there, 1 failed, 2 usage, 3 needs root to install packages

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# Raise when the recipe of a part changes: parts made by another one are remade.
readonly recipe=2

readonly emulator=usr/bin/qemu-system-x86_64

# What kbuild, objtool and sparse need beside the headers' own dependencies.
readonly build_packages=(
	bash coreutils dash diffutils findutils gcc grep gzip kmod libc6-dev make
	mawk perl-base sed sparse tar xz-utils busybox-static)

cleanup_dirs=()
cleanup() { [ ${#cleanup_dirs[@]} = 0 ] || rm -rf "${cleanup_dirs[@]}"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- packages of this machine ------------------------------------------------

# retry_apt ARGS...: the host's apt-get; someone else may hold one of its locks.
retry_apt() {
	local try log rc

	log=$(mktemp)
	for try in $(seq 60); do
		rc=0
		env -u APT_CONFIG DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=60 \
			"$@" </dev/null >"$log" 2>&1 || rc=$?
		if [ $rc = 0 ] || ! grep -q 'Could not get lock\|Unable to lock' "$log"; then
			break
		fi
		[ "$try" != 1 ] || say "apt is busy, waiting for its lock"
		sleep 5
	done
	[ $rc = 0 ] || cat "$log" >&2
	rm -f "$log"
	return $rc
}

# install_packages NAME...: have them on this machine, or ask for them.
install_packages() {
	if [ "$(id -u)" != 0 ]; then
		say "packages are missing on this machine; as root, run:"
		printf '    apt-get install --no-install-recommends %s\n' "$*" >&2
		exit 3
	fi
	say "installing on this machine: $*"
	retry_apt update || die "apt-get update failed"
	retry_apt install --no-install-recommends "$@" || die "apt-get install failed: $*"
}

need_packages() {
	local name missing=()

	for name; do
		[ "$(dpkg-query -Wf '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
			missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

need_host() {
	local missing=() libc

	[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] ||
		die "the test machine needs a Debian amd64 host"
	command -v gcc >/dev/null || missing+=(gcc)
	command -v make >/dev/null || missing+=(make)
	command -v cpio >/dev/null || missing+=(cpio)
	command -v xargs >/dev/null || missing+=(findutils)
	libc=$(gcc -print-file-name=libc.a 2>/dev/null || true)
	[ -e "$libc" ] || missing+=(libc6-dev)
	[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

# ---- a private apt -----------------------------------------------------------

read_index() { apt-get -qq -o APT::Update::Error-Mode=any update </dev/null; }

# private_apt SUITE: set up an apt of our own for SUITE and load its index.
# Keeps the host's transport settings (proxy, credentials), nothing else.
private_apt() {
	local suite=$1 site dir=$build/apt/$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	site=$(unset APT_CONFIG; archive)
	[ -n "$site" ] || die "apt has no Debian archive set up; name one in VTDPASID_MIRROR"
	[ -e "$keyring" ] || install_packages debian-archive-keyring
	case $site in
	https:*) [ -e /etc/ssl/certs/ca-certificates.crt ] || install_packages ca-certificates ;;
	esac
	mkdir -p "$dir"/{etc/empty,lists/partial,log}
	: >"$dir/status"
	{
		env -u APT_CONFIG apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' || true
		cat <<-END
		Dir::State "$dir";
		Dir::State::lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::State::extended_states "$dir/extended_states";
		Dir::Cache "$dir";
		Dir::Log "$dir/log";
		Dir::Etc "$dir/etc";
		Dir::Etc::parts "empty";
		Dir::Etc::sourceparts "empty";
		Dir::Etc::preferencesparts "empty";
		Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
		Dir::Etc::netrc "/etc/apt/auth.conf";
		Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; };
		APT::Sandbox::User "";
		APT::Install-Recommends "false";
		APT::Get::Assume-Yes "true";
		Acquire::Languages "none";
		Acquire::Retries "5";
		Dpkg::Use-Pty "false";
		END
	} >"$dir/apt.conf"
	{
		echo "deb [signed-by=$keyring] $site $suite main"
		[ "$suite" != trixie ] || echo "deb [signed-by=$keyring] $site $suite-backports main"
	} >"$dir/etc/sources.list"
	export APT_CONFIG=$dir/apt.conf
	read_index 2>"$dir/update.err" && return
	if grep -q 'NO_PUBKEY\|not signed\|Missing key' "$dir/update.err"; then
		# The keys of a newer Debian come in a newer keyring.
		install_packages debian-archive-keyring
		read_index 2>"$dir/update.err" && return
	fi
	cat "$dir/update.err" >&2
	die "$suite could not be read from $site"
}

# fetch RELEASE DEBS PACKAGE...: download the packages and all that they depend on.
fetch() {
	local release=$1 debs=$2
	shift 2
	mkdir -p "$debs/partial"
	apt-get -qq -t "$release" -o Dir::Cache::archives="$debs" --download-only \
		install "$@" </dev/null >&2
}

# fetch_image RELEASE DEBS KVER: download the kernel KVER. Newer ones come in
# several packages. What else they depend on makes initramfs images: not for us.
fetch_image() {
	local packages

	packages=$(apt-cache depends "linux-image-$3" | sed -n "s/^ *Depends: \(linux-.*-$3\)\$/\1/p")
	# One word is one package.
	# shellcheck disable=SC2086
	(cd "$2" && apt-get -qq -t "$1" download "linux-image-$3" $packages </dev/null >&2)
}

# unpack DEBS ROOT: lay the packages out, without running any of their scripts.
unpack() {
	local debs=$1 root=$2 file link
	mkdir -p "$root"/{proc,dev,mnt,tmp,etc} "$root"/usr/{bin,sbin,lib,lib64}
	for link in bin sbin lib lib64; do
		ln -sfn "usr/$link" "$root/$link"
	done
	for file in "$debs"/*.deb; do
		dpkg-deb --fsys-tarfile "$file" |
			tar -C "$root" -x --keep-directory-symlink --no-same-owner \
				--exclude=./usr/share/doc --exclude=./usr/share/man \
				--exclude=./usr/share/locale --exclude=./usr/share/info
	done
}

# ---- parts -------------------------------------------------------------------

# have DIR FILE: is the part in DIR there, and made by this recipe?
have() { [ "$(cat "$1/.recipe" 2>/dev/null)" = "$recipe" ] && [ -e "$1/$2" ]; }

# A part is made in DIR.new, its packages in DIR.debs; finish publishes it.
begin() {
	rm -rf "$1.new" "$1.debs"
	cleanup_dirs+=("$1.new" "$1.debs")
	mkdir -p "$1.new"
}

finish() {
	echo "$recipe" >"$1.new/.recipe"
	rm -rf "$1"
	mv "$1.new" "$1"
	rm -rf "$1.debs"
}

make_qemu() {
	local dir=$build/qemu

	say "fetching QEMU into ${dir#"$top"/}"
	begin "$dir"
	private_apt trixie
	fetch trixie-backports "$dir.debs" qemu-system-x86 seabios ipxe-qemu ||
		die "QEMU could not be fetched"
	unpack "$dir.debs" "$dir.new"
	finish "$dir"
}

# place_image ROOT KVER: make the image and its configuration ROOT/vmlinuz and
# ROOT/config; newer packages ship them beside the modules.
place_image() {
	local file

	for file in vmlinuz config; do
		if [ -e "$1/boot/$file-$2" ]; then
			ln -s "boot/$file-$2" "$1/$file"
		else
			ln -s "lib/modules/$2/$file" "$1/$file"
		fi
		[ -e "$1/$file" ] || return 1
	done
}

# unpack_image ROOT: unpack an image that is compressed with xz to ROOT/vmlinux.
# QEMU can boot that as well, seconds faster: unpacking under TCG is slow.
unpack_image() {
	local offset

	offset=$(LC_ALL=C grep -abo -m1 -P '\xFD7zXZ\x00' "$1/vmlinuz" | head -n1 | cut -d: -f1)
	[ -n "$offset" ] || return 0
	in_root "$1" - xz -dc --single-stream >"$1/vmlinux" \
		< <(tail -c +$((offset + 1)) "$1/vmlinuz")
}

# Debian leaves a script out of the 7.x headers without which C=1 is ignored.
add_checker_valid() {
	local scripts
	for scripts in "$1"/usr/src/linux-headers-*-common/scripts; do
		[ -e "$scripts/checker-valid.sh" ] && continue
		printf '#!/bin/sh\necho 1\n' >"$scripts/checker-valid.sh"
		chmod +x "$scripts/checker-valid.sh"
	done
}

make_kernel() {
	local name=$1 dir suite release kver
	dir=$(kernel_root "$name")

	case $name in
	6.1) suite=bookworm release=bookworm ;;
	6.12) suite=trixie release=trixie ;;
	*) suite=trixie release=trixie-backports ;;
	esac
	say "fetching kernel $name into ${dir#"$top"/}"
	begin "$dir"
	can_unshare || die "no mount namespaces here (a container would have to be privileged)"
	private_apt $suite
	fetch $release "$dir.debs" linux-headers-amd64 "${build_packages[@]}" ||
		die "the headers of kernel $name could not be fetched"
	kver=$(basename "$dir.debs"/linux-headers-[0-9]*-amd64_*.deb)
	kver=${kver#linux-headers-} kver=${kver%%_*}
	fetch_image $release "$dir.debs" "$kver" || die "kernel $kver could not be fetched"
	unpack "$dir.debs" "$dir.new"
	place_image "$dir.new" "$kver" || die "kernel $kver came without its image"
	unpack_image "$dir.new" || die "kernel $kver could not be unpacked"
	ln -sf mawk "$dir.new/usr/bin/awk"
	add_checker_valid "$dir.new"
	in_root "$dir.new" - depmod "$kver"
	echo "$kver" >"$dir.new/release"
	finish "$dir"
	case $kver in
	"$name".*) ;;
	*) say "note: the newest kernel of $release is $kver; it is used as '$name'" ;;
	esac
}

[ $# != 0 ] || set -- host qemu 6.1
mkdir -p "$build"
lock() { [ -n "${locked:-}" ] || { exec 9>"$build/.testbed.lock"; flock 9; locked=1; }; }

while [ $# != 0 ]; do
	part=$1
	shift
	case $part in
	-h | --help) help; exit 0 ;;
	host) need_host ;;
	package) need_packages "$@"; set -- ;;
	qemu)
		have "$build/qemu" $emulator || {
			need_host
			lock
			have "$build/qemu" $emulator || make_qemu
		}
		;;
	6.1-debug | 6.1-kcsan) "$(dirname "$0")/debug-kernel.sh" "$part" ;;
	*)
		name=$(kernel_name "$part") || usage_error "no such part: $part"
		dir=$(kernel_root "$name")
		have "$dir" vmlinuz || {
			need_host
			lock
			have "$dir" vmlinuz || make_kernel "$name"
		}
		;;
	esac
done
