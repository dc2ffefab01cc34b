#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check-debug.sh - the guest tests on a kernel that watches itself
#
# usage: tests/check-debug.sh [--kernel K] [--only PATTERN]... [--log-dir D]
#                              [--no-build] [--list] [--coverage]
#
#   --kernel K   6.1-debug (default) or 6.1-kcsan
#   --coverage   on 6.1-debug: count which lines of src/ run, here and in the host
#                tests, and print it: tests/coverage.py
#
# Runs the suites of tests/run-guest.sh on a kernel that scripts/debug-kernel.sh
# builds first; the first complaint of either is a panic.
#
# 6.1-debug has KASAN, lockdep, sleep checks, UBSAN, list and object checks, and
# suites of its own (f_failnth: each call with its n-th allocation failing). Each
# boot ends with a look for what the module lost, once it is unloaded: unreferenced
# memory (kmemleak), and pages that it did not free (page_owner).
#
# 6.1-kcsan runs random calls for a minute, too (f_ioctl). KCSAN stops one CPU at a
# plain access of the module now and then, and looks whether another touches the
# same memory meanwhile, or whether it changed. It sees what met within those
# microseconds: a run that is green is no proof.
#
# Results are where those of tests/run-guest.sh are, named guest-K-*.
#
# exit: 0 all passed, 1 something failed, 2 usage

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"

kernel=6.1-debug args=() list='' coverage='' logs=$build/logs
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--no-build) args+=("$1") ;;
	--list) args+=("$1") list=1 ;;
	--coverage) args+=("$1") coverage=1 ;;
	--kernel)
		case ${2-} in
		6.1-debug | 6.1-kcsan) kernel=$2 ;;
		*) usage_error "--kernel is 6.1-debug or 6.1-kcsan" ;;
		esac
		shift
		;;
	--only | --log-dir)
		[ $# -ge 2 ] || usage_error "$1 needs a value"
		[ "$1" = --only ] || logs=$2
		args+=("$1" "$2")
		shift
		;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done
[ -z "$coverage" ] || [ "$kernel" = 6.1-debug ] || usage_error "--coverage is for 6.1-debug"

mkdir -p "$build/run"
at_end=$(mktemp "$build/run/at-end-XXXXXX")
trap 'rm -f "$at_end"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# In the guest, busybox's sh. kmemleak names what is older than five seconds and
# did not change between two scans; code of modules is at 0xffffffffa0000000 (and
# only vtdpasid is one: the rest is built in).
cat >"$at_end" <<'GUEST'
debug=/sys/kernel/debug
n=0
result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

if [ -e $debug/kcsan ]; then
	# Nothing but the module is instrumented.
	sed 's/^/# /' $debug/kcsan
	watched=$(sed -n 's/^setup_watchpoints: //p' $debug/kcsan)
	[ "${watched:-0}" -gt 0 ]
	result $? "KCSAN: accesses of the module were watched"
	echo "1..$n"
	exit
fi
# Its own scans, every ten minutes, would only be in the way.
echo scan=off >$debug/kmemleak
ok=0
if grep -q '^vtdpasid ' /proc/modules; then
	cat /sys/module/vtdpasid/sections/.text | sed 's/^/# .text was at /'
	rmmod vtdpasid || ok=1
fi
result $ok "it is unloaded"

# What has lost its last reference, and was made by the module; but for the name
# of a slab that sysfs had no memory for, which 6.1 forgets.
sleep 6
ok=0
echo scan >$debug/kmemleak && echo scan >$debug/kmemleak || ok=1
cat $debug/kmemleak >/tmp/leaks || ok=1
awk '
	function object() { if (ours && !theirs) printf "%s", text }
	/^unreferenced object/ { object(); text = ""; ours = theirs = 0 }
	{ text = text "# " $0 "\n" }
	/\[vtdpasid\]|0xffffffffa[0-9a-f]*$/ { ours = 1 }
	/sysfs_slab_add/ { theirs = 1 }
	END { object() }' /tmp/leaks >/tmp/ours
head -n 200 /tmp/ours
grep -q . /tmp/ours && ok=1
grep -q '^unreferenced' /tmp/leaks && [ $ok = 0 ] && {
	echo "# others lost memory, too:"
	head -n 40 /tmp/leaks | sed 's/^/# /'
}
result $ok "kmemleak: the module lost no memory"

if grep -qw page_owner=on /proc/cmdline; then
	# A page of slabs, of page tables, of stack traces is not the module's own.
	ok=0
	/t/pages >/tmp/pages || ok=1
	awk '
		function page() { if (ours && !others) { printf "%s", text; bad = 1 } }
		/^Page allocated/ { page(); text = ""; ours = others = 0 }
		{ text = text "# " $0 "\n" }
		/0xffffffffa[0-9a-f]*$/ { ours = 1 }
		/allocate_slab|new_slab|stack_depot|mm_fault|pcpu_|_alloc_one|kasan/ { others = 1 }
		END { page(); if (!NR) print "# nothing to read"; exit bad || !NR }' \
		/tmp/pages >/tmp/ours || ok=1
	# A unit that broke keeps the pages that it may still read.
	if [ $ok != 0 ] && dmesg | grep -q "unit [0-9]* is broken"; then
		result 0 "page_owner: it left no pages behind # SKIP a unit broke, and keeps its tables"
	else
		head -n 200 /tmp/ours
		result $ok "page_owner: it left no pages behind"
	fi
fi
echo "1..$n"
GUEST

# Of each CPU's accesses KCSAN watches one in so many: only the module makes any.
case $kernel in
6.1-debug) args+=(--slow 4 --append page_owner=on) ;;
6.1-kcsan) args+=(--slow 3 --append kcsan.skip_watch=50 --fuzz 60) ;;
esac
[ -n "$list" ] || "$top/scripts/debug-kernel.sh" "$kernel"
status=0
"$top/tests/run-guest.sh" --kernel "$kernel" --at-end "$at_end" "${args[@]}" || status=$?
if [ -n "$coverage" ] && [ -z "$list" ]; then
	# -O0: each line keeps code of its own. tap_leave() hands counts out only if
	# libgcov's function for that is linked, which a weak symbol does not see to.
	find "$build/host.gcov" -name '*.gcda' -delete 2>/dev/null || true
	make --no-print-directory -s -C "$top/tests/host" O="$build/host.gcov" SAN= CLANG=false \
		CFLAGS="-O0 -g --coverage -Wl,-u,__gcov_dump" check >"$logs/coverage-host.out" 2>&1 || {
		say "host tests failed, see $logs/coverage-host.out"
		status=1
	}
	"$top/tests/coverage.py" --logs "$logs" | tee "$logs/coverage.txt" || status=1
fi
exit $status
