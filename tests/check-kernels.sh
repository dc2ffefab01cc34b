#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check-kernels.sh - the same sources on every kernel of the test machine
#
# usage: tests/check-kernels.sh [--smoke] [KERNEL]...
#
#   --smoke   only the suites that show whether the module works at all: life,
#             isolation, and device TLBs behind root ports
#
# For each KERNEL (default: 6.1, 6.12 and 7.3): builds the module with W=1 and
# sparse, where every warning is a failure, and runs the guest tests on it. Logs
# and TAP are in build/logs. Last line: "N passed, N failed, N skipped".
#
# exit: 0 if nothing failed, 1 if not, 2 usage

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"

kernels=() suites=(--all)
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--smoke) suites=(--only life --only isolation --only sva-root-port) ;;
	-*) usage_error "no such option: $1" ;;
	*) kernels+=("$(kernel_name "$1")") || usage_error "no such kernel: $1" ;;
	esac
	shift
done
[ ${#kernels[@]} != 0 ] || kernels=(6.1 6.12 7.3)

exec </dev/null
logs=$build/logs
mkdir -p "$logs"

# strict_build KERNEL: TAP of a build from nothing that may not warn.
strict_build() {
	local out=$build/ko/$1.strict log=$logs/strict-$1.log

	rm -rf "$out"
	echo 1..2
	if "$top/scripts/kbuild.sh" "$1" --out "$out" W=1 C=2 >"$log" 2>&1; then
		echo "ok 1 - $1: builds"
	else
		echo "not ok 1 - $1: builds, see $log"
	fi
	if grep -E -q '(warning|error):' "$log"; then
		echo "not ok 2 - $1: without warnings, see $log"
		grep -E '(warning|error):' "$log" | sed 's/^/# /'
	else
		echo "ok 2 - $1: without warnings"
	fi
}

taps=()
for kernel in "${kernels[@]}"; do
	say "$kernel: build"
	"$top/scripts/testbed.sh" host qemu "$kernel"
	strict_build "$kernel" >"$logs/strict-$kernel.tap"
	say "$kernel: guest tests"
	rm -f "$logs/guest-$kernel"-*.tap*
	"$top/tests/run-guest.sh" --kernel "$kernel" "${suites[@]}" || say "$kernel: not all passed"
	taps+=("$logs/strict-$kernel.tap" "$logs/guest-$kernel"-*.tap)
done
"$top/scripts/tap-sum.sh" "${taps[@]}"
