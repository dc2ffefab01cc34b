#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tap-sum.sh - sum up the TAP of many test suites in one line
#
# usage: scripts/tap-sum.sh FILE.tap...
#
# Prints each failed test and each skipped one with its reason, and last the
# line "N passed, N failed, N skipped". A file that is missing or empty, a plan
# that is missing or not kept, a "Bail out!", and an exit status in
# FILE.tap.status that is not 0 (and that no failed test explains) each count as
# one failure more.
#
# exit: 0 if nothing failed and something passed, else 1

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

case ${1:-} in
-h | --help) help; exit 0 ;;
esac
[ $# != 0 ] || usage_error "which files?"

# sum_file FILE: print its failures and skips, then "passed failed skipped".
sum_file() {
	local file=$1 suite status=0

	suite=$(basename "$file" .tap)
	[ ! -e "$file.status" ] || status=$(cat "$file.status")
	if [ ! -s "$file" ]; then
		echo "FAILED  $suite: no output (exit status $status)"
		echo "0 1 0"
		return
	fi
	tr -d '\r' <"$file" | awk -v suite="$suite" -v status="$status" '
		function fail(text) { print "FAILED  " suite ": " text; failed++ }
		function skip(text) { print "skipped " suite ": " text; skipped++ }
		/^# / && told { print "        " suite ": " substr($0, 3) }
		!/^#/ { told = 0 }
		/^1\.\.[0-9]+/ {
			plans++
			plan = substr($1, 4) + 0
			if (plan == 0) {
				reason = $0
				sub(/^1\.\.0[ #]*(SKIP|skip)?[ :]*/, "", reason)
				skip(reason ? reason : "all, without a reason")
			}
			next
		}
		/^(not )?ok( |$)/ {
			run++
			bad = /^not /
			text = $0
			sub(/^(not )?ok */, "", text)
			if (match(text, /(- )?# *([Ss][Kk][Ii][Pp]|TODO)[^ ]* */)) {
				name = substr(text, 1, RSTART - 1)
				reason = substr(text, RSTART + RLENGTH)
				skip(name "- " (reason ? reason : "without a reason"))
			} else if (bad) {
				fail(text)
				told = 1
			} else
				passed++
			next
		}
		/^Bail out!/ { fail($0); bailed = 1 }
		END {
			if (!bailed && !plans)
				fail("no plan: it did not end as it should")
			else if (plans > 1)
				fail("more than one plan")
			else if (!bailed && plan != run)
				fail("planned " plan " tests, ran " run + 0)
			if (status != 0 && !failed)
				fail("exit status " status)
			print passed + 0, failed + 0, skipped + 0
		}'
}

passed=0 failed=0 skipped=0
for file; do
	out=$(sum_file "$file")
	counts=${out##*$'\n'}
	[ "$out" = "$counts" ] || printf '%s\n' "${out%$'\n'*}"
	read -r p f s <<<"$counts"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
