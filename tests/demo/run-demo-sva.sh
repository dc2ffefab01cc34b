#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run-demo-sva.sh - show a device filling memory that is not there yet
#
# usage: tests/demo/run-demo-sva.sh [--kernel K] [--module FILE]
#
#   --kernel K      6.1 (default), 6.12 or 7.3
#   --module FILE   use this vtdpasid.ko, do not build one
#
# Builds the module, the test device and the demo, boots one virtual machine and
# runs tests/demo/demo-sva.c in it.
#
# exit: 0 if every word and every count is right, else not

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../../scripts/common.sh"

kernel=6.1 module=
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--kernel | --module)
		[ $# -ge 2 ] || usage_error "$1 needs a value"
		case $1 in
		--kernel) kernel=$(kernel_name "$2") || usage_error "no such kernel: $2" ;;
		--module) module=$(realpath "$2") ;;
		esac
		shift
		;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done

logs=$build/logs
mkdir -p "$logs"
"$top/scripts/testbed.sh" host qemu "$kernel"
if [ -z "$module" ]; then
	module=$build/ko/$kernel/vtdpasid.ko
	"$top/scripts/kbuild.sh" "$kernel" >"$logs/kbuild-$kernel.log" 2>&1 || {
		tail -n 30 "$logs/kbuild-$kernel.log" >&2
		die "the module does not build for $kernel, see $logs/kbuild-$kernel.log"
	}
fi
make --no-print-directory -s -C "$top/tests/device" O="$build/device"
make --no-print-directory -s -C "$top/tests/guest" O="$build/guest" "$build/guest/demo-sva"

exec "$top/scripts/qemu-run.sh" --kernel "$kernel" --name "demo-sva-$kernel" \
	--log "$logs/demo-sva-$kernel.log" --preload "$build/device/sva-testdev.so" \
	--device sva-testdev,addr=4 \
	--file "$module:t/vtdpasid.ko" --file "$build/guest/demo-sva" --timeout 180 -- demo-sva
