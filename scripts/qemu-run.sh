#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# qemu-run.sh - run one command in a virtual machine with a VT-d unit
#
# usage: scripts/qemu-run.sh [OPTION]... -- COMMAND [ARGUMENT]...
#
# Boots a Debian kernel under TCG with a small initramfs of ours, runs COMMAND
# there as root, passes its output on as it comes, and returns its status. What
# is missing (QEMU, kernel) is fetched first, see scripts/testbed.sh.
#
# The run is green only when the guest itself reports success. A warning, bug,
# oops or panic of its kernel fails it whatever COMMAND returned; a guest that
# hangs is ended at the time limit.
#
# The guest
#   --kernel K         6.1 (default), 6.12, 7.3, or the path of a bzImage
#   --append ARGS      more for the kernel's command line (repeatable)
#   --fast-boot        boot the unpacked image if there is one (6.1: saves 3 s; the
#                      kernel is then not at a random address)
#   --no-default-append
#                      leave intel_iommu=off intremap=off panic_on_warn=1
#                      oops=panic out of the command line
#   --file HOST[:GUEST]
#                      put a file or directory into the guest (repeatable), as
#                      /t/NAME unless GUEST says otherwise; programs must be
#                      static; COMMAND runs in /t, which is in its PATH
#   --env NAME=VALUE   set in COMMAND's environment (repeatable)
#   --module NAME      load a module of the Debian kernel, and those it depends
#                      on, before COMMAND (repeatable, in order)
#   --module-noload NAME
#                      have it in the guest only, for `modprobe NAME`
#   --insmod "FILE.ko [PARAMETER]..."
#                      put a module of ours into the guest as /t/FILE.ko and
#                      load it after those of --module (repeatable)
#   --allow-log REGEX  kernel log lines that match are no reason to fail
#   --dmesg            write the whole kernel log to the log file in any case
#
# The machine
#   --smp N            CPUs (default 2)
#   --mem M            memory (default 512M)
#   --cpu MODEL        CPU model (default max,la57=off: 4-level page tables)
#   --iommu PROPS      properties of the intel-iommu (default intremap=off,
#                      scalable-mode=on,fsts=on,pasid-bits=20,device-iotlb=on,
#                      svm=on), or `none`; it comes before all other devices
#   --device SPEC      a device, as QEMU's -device (repeatable)
#   --qemu-arg ARG     passed to QEMU as it is (repeatable)
#   --preload FILE.so  shared object to load into QEMU (repeatable)
#   --icount           guest time counts instructions (-icount "shift=0,sleep=off")
#   --trace PATTERN    QEMU trace events to record (repeatable)
#   --trace-file FILE  where to (default: log file's name with .trace)
#   --monitor SOCKET   human monitor on this unix socket
#   --qmp SOCKET       QMP on this unix socket
#   --guest-monitor    QMP on the guest's third serial line, used there by
#                      `hmp COMMAND` (hotplug and the like from within a test)
#
# The run
#   --timeout S        time limit in seconds (default 120)
#   --name NAME        name of the run (default: COMMAND-KERNEL)
#   --log FILE         console and output together (default build/logs/NAME.log)
#   --verbose          say how long it took
#
# exit: that of COMMAND; 124 time limit, 125 the machine or its kernel failed,
# 2 usage. On failure the end of the log is shown and its place is named.

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

readonly iommu_default=intremap=off,scalable-mode=on,fsts=on,pasid-bits=20,device-iotlb=on,svm=on
readonly append_default="intel_iommu=off intremap=off panic_on_warn=1 oops=panic"
# On every command line. TCG is slow: watchdogs get time, and a loaded host does
# not fail the check for timer interrupts.
readonly append_always="console=ttyS0,115200 quiet panic=-1 no_timer_check log_buf_len=4M random.trust_cpu=on
	sysctl.kernel.watchdog_thresh=60 sysctl.kernel.hung_task_timeout_secs=60"

kernel=6.1 append='' append_base=$append_default
smp=2 mem=512M cpu=max,la57=off iommu=$iommu_default icount=
limit=120 name='' log='' trace_file='' monitor='' qmp='' guest_monitor='' verbose='' fast_boot=''
files=() env=() modules=() modules_noload=() insmods=() allow=() flags=()
devices=() qemu_args=() preload=() traces=()

while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--) shift; break ;;
	--no-default-append) append_base='' ;;
	--fast-boot) fast_boot=1 ;;
	--icount) icount=1 ;;
	--dmesg) flags+=(dmesg) ;;
	--guest-monitor) guest_monitor=1 ;;
	--verbose) verbose=1 ;;
	--*)
		[ $# -ge 2 ] || usage_error "$1 needs a value"
		case $1 in
		--kernel) kernel=$2 ;;
		--append) append+=" $2" ;;
		--file) files+=("$2") ;;
		--env) env+=("$2") ;;
		--module) modules+=("$2") ;;
		--module-noload) modules_noload+=("$2") ;;
		--insmod) insmods+=("$2") ;;
		--allow-log) allow+=("$2") ;;
		--smp) smp=$2 ;;
		--mem) mem=$2 ;;
		--cpu) cpu=$2 ;;
		--iommu) iommu=$2 ;;
		--device) devices+=("$2") ;;
		--qemu-arg) qemu_args+=("$2") ;;
		--preload) preload+=("$(realpath "$2")") ;;
		--trace) traces+=("$2") ;;
		--trace-file) trace_file=$2 ;;
		--monitor) monitor=$2 ;;
		--qmp) qmp=$2 ;;
		--timeout) limit=$2 ;;
		--name) name=$2 ;;
		--log) log=$2 ;;
		*) usage_error "no such option: $1" ;;
		esac
		shift
		;;
	*) usage_error "put -- before the command: $1" ;;
	esac
	shift
done
[ $# != 0 ] || usage_error "what is to be run?"
case $limit in
*[!0-9]* | '') usage_error "--timeout wants seconds: $limit" ;;
esac

# ---- what is needed ----------------------------------------------------------

here=$(dirname "$0")
if [ -f "$kernel" ]; then
	vmlinuz=$kernel kernel=6.1 kernel_label=$(basename "$kernel")
else
	kernel=$(kernel_name "$kernel") || usage_error "no such kernel: $kernel"
	vmlinuz=$(kernel_root "$kernel")/vmlinuz kernel_label=$kernel
fi
"$here/testbed.sh" host qemu "$kernel"
root=$(kernel_root "$kernel")
release=$(kernel_release "$kernel")
[ -z "$fast_boot" ] || [ ! -e "${vmlinuz%z}x" ] || vmlinuz=${vmlinuz%z}x

name=${name:-$(basename "$1")-$kernel_label}
log=${log:-$build/logs/$name.log}
mkdir -p "$(dirname "$log")" "$build/run" "$build/guest"
# A log belongs to one run at a time: another of the same name gets its own.
exec 7>>"$log"
flock -n 7 || { log=${log%.log}.$$.log; exec 7>>"$log"; flock 7; }
trace_file=${trace_file:-${log%.log}.trace}

run=$(mktemp -d "$build/run/XXXXXX")
qemu_pid=''
# shellcheck disable=SC2317
cleanup() {
	if [ -n "$qemu_pid" ]; then
		kill "$qemu_pid" 2>/dev/null || true
		wait "$qemu_pid" || true
	fi
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- initramfs ---------------------------------------------------------------

# archive DIR: the cpio archive of DIR, on standard output.
archive() { (cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio -o0 -H newc --quiet -R 0:0); }

# The part that all runs with a kernel share: PID 1 and busybox.
base=$build/guest/base-$kernel.cpio
init=$build/guest/init
make_base() {
	local dir=$run/base applet

	if [ ! "$init" -nt "$top/tests/guest/init.c" ]; then
		gcc -Wall -Wextra -O2 -static -o "$run/init" "$top/tests/guest/init.c"
		mv "$run/init" "$init"
	fi
	mkdir -p "$dir"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,tmp,etc,t,run}
	cp "$init" "$dir/init"
	ln -s ../init "$dir/bin/hmp"
	cp "$root/usr/bin/busybox" "$dir/bin/busybox"
	for applet in $("$dir/bin/busybox" --list); do
		[ -e "$dir/bin/$applet" ] || ln -s busybox "$dir/bin/$applet"
	done
	echo "root:x:0:0:root:/tmp:/bin/sh" >"$dir/etc/passwd"
	echo "nobody:x:65534:65534:nobody:/tmp:/bin/sh" >>"$dir/etc/passwd"
	echo "root:x:0:" >"$dir/etc/group"
	archive "$dir" >"$run/base.cpio"
	mv "$run/base.cpio" "$base"
}

# module_files NAME: the files to load for a module of the kernel, in order.
module_files() {
	awk -v want="$1" -v builtin="$root/lib/modules/$release/modules.builtin" '
		function base(path) {
			sub(/.*\//, "", path); sub(/\.ko.*/, "", path); gsub(/-/, "_", path)
			return path
		}
		BEGIN { gsub(/-/, "_", want) }
		base(substr($1, 1, length($1) - 1)) == want {
			for (i = NF; i > 1; i--) print $i
			print substr($1, 1, length($1) - 1)
			found = 1
			exit
		}
		END {
			while (!found && (getline path < builtin) > 0)
				found = base(path) == want
			exit !found
		}' "$root/lib/modules/$release/modules.dep"
}

# add_module NAME: copy it and what it depends on; print their places in the guest.
add_module() {
	local file place list dir=$run/initramfs/lib/modules/$release

	list=$(module_files "$1") || die "kernel $release has no module $1"
	for file in $list; do
		place=${file%.xz}
		echo "/lib/modules/$release/$place"
		[ ! -e "$dir/$place" ] || continue
		mkdir -p "$dir/$(dirname "$place")"
		case $file in
		*.xz) in_root "$root" - xz -dc "/lib/modules/$release/$file" >"$dir/$place" ;;
		*) cp "$root/lib/modules/$release/$file" "$dir/$place" ;;
		esac
		sed -n "s#^$file:#$file:#p" "$root/lib/modules/$release/modules.dep" |
			sed 's/\.ko\.xz/.ko/g' >>"$dir/modules.dep"
	done
}

# add_file HOST[:GUEST]
add_file() {
	local from=${1%%:*} to=

	case $1 in *:*) to=${1#*:} ;; esac
	[ -e "$from" ] || die "no such file: $from"
	case $to in
	'') to=t/$(basename "$from") ;;
	*/) to=$to$(basename "$from") ;;
	esac
	mkdir -p "$run/initramfs/$(dirname "$to")"
	cp -RL "$from" "$run/initramfs/$to"
}

if [ ! "$base" -nt "$top/tests/guest/init.c" ] || [ ! "$base" -nt "$root/.recipe" ] ||
   [ ! "$base" -nt "$here/qemu-run.sh" ]; then
	make_base
fi
token=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
mkdir -p "$run/initramfs/run"
for file in "${files[@]}"; do
	add_file "$file"
done
{
	for module in "${modules[@]}"; do
		add_module "$module"
	done | awk '!seen[$0]++'
	for insmod in "${insmods[@]}"; do
		add_file "${insmod%% *}"
		printf '/t/%s' "$(basename "${insmod%% *}")"
		case $insmod in *' '*) printf ' %s' "${insmod#* }" ;; esac
		echo
	done
} >"$run/initramfs/run/modules"
for module in "${modules_noload[@]}"; do
	add_module "$module" >/dev/null
done
echo "$token" >"$run/initramfs/run/token"
printf '%s\0' "$@" >"$run/initramfs/run/command"
[ ${#env[@]} = 0 ] || printf '%s\0' "${env[@]}" >"$run/initramfs/run/env"
[ ${#allow[@]} = 0 ] || printf '%s\n' "${allow[@]}" >"$run/initramfs/run/allow"
[ ${#flags[@]} = 0 ] || printf '%s\n' "${flags[@]}" >"$run/initramfs/run/flags"
archive "$run/initramfs" >"$run/own.cpio"
cat "$base" "$run/own.cpio" >"$run/initramfs.cpio"

# ---- QEMU --------------------------------------------------------------------

# Through its own dynamic linker, with its own libraries and firmware.
qemu_root=$build/qemu
qemu=(env -u LD_PRELOAD -u LD_LIBRARY_PATH "QEMU_MODULE_DIR=$qemu_root/usr/lib/x86_64-linux-gnu/qemu"
	"$qemu_root/usr/lib64/ld-linux-x86-64.so.2"
	--library-path "$qemu_root/usr/lib/x86_64-linux-gnu:$qemu_root/usr/lib/x86_64-linux-gnu/pulseaudio")
[ ${#preload[@]} = 0 ] || qemu+=(--preload "$(IFS=:; echo "${preload[*]}")")
qemu+=("$qemu_root/usr/bin/qemu-system-x86_64"
	-L "$qemu_root/usr/share/qemu" -L "$qemu_root/usr/share/seabios"
	-name "$name" -machine q35 -accel tcg -cpu "$cpu" -smp "$smp" -m "$mem"
	-nodefaults -no-user-config -display none -no-reboot
	-chardev "file,id=console,path=$run/console,logfile=$log,logappend=on"
	-chardev "stdio,id=output,signal=off,logfile=$log,logappend=on"
	-chardev "file,id=report,path=$run/report"
	-serial chardev:console -serial chardev:output)
if [ -n "$guest_monitor" ]; then
	qemu+=(-chardev "socket,id=gm0,path=$run/monitor,server=on,wait=off" -serial chardev:gm0
		-chardev "socket,id=gm1,path=$run/monitor" -object "monitor-qmp,id=gm,chardev=gm1")
fi
[ "$iommu" = none ] || qemu+=(-device "intel-iommu,$iommu")
qemu+=(-device "isa-debugcon,iobase=0xe9,chardev=report")
for device in "${devices[@]}"; do
	qemu+=(-device "$device")
done
[ -z "$icount" ] || qemu+=(-icount "shift=0,sleep=off")
[ -z "$monitor" ] || qemu+=(-monitor "unix:$monitor,server=on,wait=off")
[ -z "$qmp" ] || qemu+=(-qmp "unix:$qmp,server=on,wait=off")
if [ ${#traces[@]} != 0 ]; then
	for trace in "${traces[@]}"; do
		qemu+=(-trace "enable=$trace")
	done
	qemu+=(-D "$trace_file")
fi
read -r -d '' -a words <<<"$append_always $append_base $append" || true
qemu+=(-kernel "$vmlinuz" -initrd "$run/initramfs.cpio" -append "${words[*]}" "${qemu_args[@]}")

mkfifo "$run/output"
{
	echo "# $me: $name: kernel $kernel_label, command: $*"
	printf '# '; printf '%q ' "${qemu[@]}"; echo
} >"$log"
: >"$run/console"

start=$(date +%s%N)
cat <"$run/output" 7>&- &
cat_pid=$!
timeout --kill-after=5 "$limit" "${qemu[@]}" </dev/null >"$run/output" 2>"$run/stderr" 7>&- &
qemu_pid=$!
qemu_status=0
wait "$qemu_pid" || qemu_status=$?
qemu_pid=''
wait "$cat_pid" || true
seconds=$(( ($(date +%s%N) - start) / 100000000 ))
seconds=${seconds%?}.${seconds: -1}
[ ! -s "$run/stderr" ] || sed 's/^/# qemu: /' "$run/stderr" >>"$log"

# ---- verdict -----------------------------------------------------------------

# fail STATUS REASON: say why, show the end of the log, leave.
fail() {
	say "$name: $2"
	printf -- '---- end of %s\n' "$log" >&2
	tail -n "${3:-25}" "$log" | cut -c 1-300 | tr -d '\r' >&2
	printf -- '----\n' >&2
	exit "$1"
}

report=$(grep -a "^$token " "$run/report" 2>/dev/null || true)
if [ $qemu_status = 124 ] || { [ $qemu_status = 137 ] && [ "${seconds%.*}" -ge "$limit" ]; }; then
	fail 124 "no end after $limit s (time limit)"
elif [ -z "$report" ]; then
	panic=$(grep -a -m1 'Kernel panic' "$run/console" | tr -d '\r' || true)
	[ -z "$panic" ] || fail 125 "the guest died: $panic" 60
	[ $qemu_status = 0 ] || fail 125 "QEMU ended with status $qemu_status"
	fail 125 "the guest ended without a report"
elif [ $qemu_status != 0 ]; then
	fail 125 "QEMU ended with status $qemu_status"
fi
status=${report#*status=} status=${status%% *}
verdict=${report#*kernel=} verdict=${verdict%% *}
[ "$verdict" != unknown ] || fail 125 "a part of the kernel log was lost (log_buf_len=)"
[ "$verdict" = clean ] || fail 125 "the kernel complained (command's status: $status): $(
	grep -a -m1 'init: held against' "$run/console" | tr -d '\r' | sed 's/.*this run: //')"
late=$(sed -n "/$token status=/,\$p" "$run/console" |
	grep -a -m1 -E 'WARNING:|BUG:|Oops|Kernel panic|Call Trace' || true)
[ -z "$late" ] || fail 125 "the kernel complained while powering off: $late"
[ -z "$verbose" ] || say "$name: $seconds s (${report#* })"
[ "$status" = 0 ] || say "$name: command ended with status $status (log: $log)"
exit "$status"
