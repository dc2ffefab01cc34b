#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check-kcsan.sh - the guest tests where data races show
#
# usage: tests/check-kcsan.sh [--only PATTERN]... [--log-dir D] [--no-build] [--list]
#
# Runs the suites of tests/run-guest.sh on 6.1-kcsan, and random calls for a minute
# (f_ioctl); scripts/debug-kernel.sh builds it first. KCSAN stops one CPU at a plain
# access of the module now and then, and looks whether another touches the same
# memory meanwhile, or whether it changed: that is a panic, and the console names
# both. It sees what met within those microseconds: a run that is green is no proof.
#
# Results are where those of tests/run-guest.sh are, named guest-6.1-kcsan-*.
#
# exit: 0 all passed, 1 something failed, 2 usage

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"

args=() list=''
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--no-build) args+=(--no-build) ;;
	--list) args+=(--list) list=1 ;;
	--only | --log-dir)
		[ $# -ge 2 ] || usage_error "$1 needs a value"
		args+=("$1" "$2")
		shift
		;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done

mkdir -p "$build/run"
at_end=$(mktemp "$build/run/at-end-XXXXXX")
trap 'rm -f "$at_end"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# In the guest, busybox's sh. Nothing but the module is instrumented.
cat >"$at_end" <<'GUEST'
sed 's/^/# /' /sys/kernel/debug/kcsan
n=$(sed -n 's/^setup_watchpoints: //p' /sys/kernel/debug/kcsan)
echo 1..1
if [ "${n:-0}" -gt 0 ]; then
	echo "ok 1 - accesses of the module were watched"
else
	echo "not ok 1 - accesses of the module were watched"
fi
GUEST

[ -n "$list" ] || "$top/scripts/debug-kernel.sh" 6.1-kcsan
# Of each CPU's accesses one in so many is watched: only the module makes any.
"$top/tests/run-guest.sh" --kernel 6.1-kcsan --slow 3 --fuzz 60 --append kcsan.skip_watch=50 \
	--at-end "$at_end" "${args[@]}"
