#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tap-run.sh - run one test suite and keep its TAP and its exit status
#
# usage: scripts/tap-run.sh FILE.tap COMMAND [ARGUMENT]...
#
# Standard output of COMMAND goes to FILE.tap and on to standard output, the
# exit status to FILE.tap.status, for scripts/tap-sum.sh. Returns 0 as soon as
# both could be written: it is tap-sum.sh that says whether the suite passed.

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

case ${1:-} in
-h | --help) help; exit 0 ;;
esac
[ $# -ge 2 ] || usage_error "which file, which command?"
file=$1
shift
mkdir -p "$(dirname "$file")"
rm -f "$file" "$file.status"
# A run that is cut off must not look like one that passed.
echo interrupted >"$file.status"
status=0
"$@" </dev/null | tee "$file" || status=${PIPESTATUS[0]}
echo "$status" >"$file.status"
