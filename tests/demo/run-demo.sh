#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run-demo.sh - show what the module does
#
# usage: tests/demo/run-demo.sh [--kernel K] [--module FILE] DEMO
#
#   DEMO            demo: what shared PASID tables leak, and what own tables stop
#                   demo-sva: a device fills memory that is not there yet
#   --kernel K      6.1 (default), 6.12 or 7.3
#   --module FILE   use this vtdpasid.ko, do not build one
#
# Builds the module, the test device and the demo, boots one virtual machine and
# runs tests/demo/DEMO.c in it.
#
# exit: 0 if all went as its last lines should say, else not

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../../scripts/common.sh"

kernel=6.1 module='' demo=''
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
	demo | demo-sva) demo=$1 ;;
	*) usage_error "no such option or demo: $1" ;;
	esac
	shift
done
[ -n "$demo" ] || usage_error "which demo?"

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
make --no-print-directory -s -C "$top/tests/guest" O="$build/guest" "$build/guest/$demo"

exec "$top/scripts/qemu-run.sh" --kernel "$kernel" --name "$demo-$kernel" \
	--log "$logs/$demo-$kernel.log" --preload "$build/device/sva-testdev.so" \
	--device sva-testdev,addr=4 --device sva-testdev,addr=5 \
	--file "$module:t/vtdpasid.ko" --file "$build/guest/$demo" --timeout 180 -- "$demo"
