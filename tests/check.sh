#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh - all tests that fit into ten minutes, see docs/testing.md
#
# usage: tests/check.sh [OPTION]...
#
#   --kernel K     kernel of the test machine: 6.1 (default), 6.12 or 7.3
#   --only PART    static, host, device or guest (repeatable; default: all)
#
# Parts: `static` looks at the sources (tests/static-check.sh); `host` runs the
# table code in userspace against a model of VT-d (tests/host); `device` is the
# self-test of the test device (tests/device); `guest` runs the module in
# virtual machines (tests/run-guest.sh).
#
# What is missing is set up first: that takes some minutes, once. Logs and TAP
# are in build/logs. Last line: "N passed, N failed, N skipped".
#
# exit: 0 if nothing failed and something passed, 1 if not, 2 usage

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"

kernel=6.1 parts=()
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--kernel | --only)
		[ $# -ge 2 ] || usage_error "$1 needs a value"
		case $1 in
		--kernel) kernel=$(kernel_name "$2") || usage_error "no such kernel: $2" ;;
		--only)
			case $2 in
			static | host | device | guest) parts+=("$2") ;;
			*) usage_error "no such part: $2" ;;
			esac
			;;
		esac
		shift
		;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done
[ ${#parts[@]} != 0 ] || parts=(static host device guest)

exec </dev/null
logs=$build/logs
mkdir -p "$logs"
start=$SECONDS

# progress TEXT: with the time since the start.
progress() {
	local s=$((SECONDS - start))

	printf '== %d:%02d  %s\n' $((s / 60)) $((s % 60)) "$*"
}

# Whatever happens, there is a closing line, and it does not say "passed".
taps=() closed=''
# shellcheck disable=SC2317
close() {
	local status=$?

	[ -z "$closed" ] || return
	echo "FAILED  $me: ended early, exit status $status"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
}
trap close EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# suite NAME COMMAND...: run it, keep its TAP and the rest of what it says. Here
# only what went wrong is shown.
suite() {
	local name=$1 tap=$logs/$1.tap sum
	shift

	"$top/scripts/tap-run.sh" "$tap" "$@" >/dev/null 2>"$logs/$name.err"
	sum=$("$top/scripts/tap-sum.sh" "$tap") || tail -n 20 "$logs/$name.err"
	printf '%s\n' "${sum%$'\n'*}" | grep -v -x "${sum##*$'\n'}" || true
	progress "$name: ${sum##*$'\n'}"
	taps+=("$tap")
}

# The command of QEMU in build/qemu, as scripts/qemu-run.sh calls it.
qemu_command() {
	local lib=$build/qemu/usr/lib/x86_64-linux-gnu

	echo "env QEMU_MODULE_DIR=$lib/qemu $build/qemu/usr/lib64/ld-linux-x86-64.so.2" \
		"--library-path $lib:$lib/pulseaudio $build/qemu/usr/bin/qemu-system-x86_64" \
		"-L $build/qemu/usr/share/qemu -L $build/qemu/usr/share/seabios"
}

run_part() {
	local status=0 guest_taps test

	progress "$1"
	case $1 in
	static)
		# In CI the machine may be new each time, and have no checkpatch.pl.
		suite static "$top/tests/static-check.sh" --kernel "$kernel" ${CI:+--fetch}
		;;
	host)
		# One TAP file for each program; a build that fails leaves none.
		rm -f "$build"/host/*.tap
		make --no-print-directory -s -C "$top/tests/host" O="$build/host" check \
			>"$logs/host.out" 2>"$logs/host.err" || status=$?
		if [ $status != 0 ]; then
			tail -n 20 "$logs/host.out" "$logs/host.err"
			echo "$status" >"$build/host/fuzz_model.tap.status"
		fi
		for test in "$top"/tests/host/test_*.c; do
			taps+=("$build/host/$(basename "$test" .c).tap")
		done
		taps+=("$build/host/fuzz_model.tap")
		progress "host: exit status $status"
		suite tools make --no-print-directory -s -C "$top/tools" O="$build/tools" check
		;;
	device)
		"$top/scripts/testbed.sh" package python3
		suite device make --no-print-directory -s -C "$top/tests/device" O="$build/device" \
			check "QEMU=$(qemu_command)"
		;;
	guest)
		rm -f "$logs/guest-$kernel"-*.tap*
		"$top/tests/run-guest.sh" --kernel "$kernel" || status=$?
		shopt -s nullglob
		guest_taps=("$logs/guest-$kernel"-*.tap)
		shopt -u nullglob
		# What failed without a word in TAP is a failure all the same: a file
		# that is missing.
		if [ ${#guest_taps[@]} = 0 ] || { [ $status != 0 ] &&
			"$top/scripts/tap-sum.sh" "${guest_taps[@]}" >/dev/null; }; then
			guest_taps+=("$logs/guest-$kernel-run-guest.sh.tap")
		fi
		taps+=("${guest_taps[@]}")
		progress "guest: exit status $status"
		;;
	esac
}

progress "the test machine: kernel $kernel, QEMU"
"$top/scripts/testbed.sh" host qemu "$kernel"
for part in "${parts[@]}"; do
	run_part "$part"
done
progress "all; logs and TAP in ${logs#"$top"/}"
status=0
"$top/scripts/tap-sum.sh" "${taps[@]}" || status=$?
closed=1
exit $status
