#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh - measure vtdpasid and the in-kernel driver on the same machine
#
# usage: tests/bench/run.sh [OPTION]...
#
#   --quick            fewer runs, and no large populations: under three minutes
#   --update-baseline  make tests/bench/baseline.json of what was measured; for a
#                      change of figures that is meant, with the reason in its commit
#   --only BOOT        only these boots (repeatable): peer, peer-empty, ours, pasids,
#                      processes, smp, takeover
#   --no-build         measure what was built before
#   --out DIR          where results go (default build/bench)
#
# Results: DIR/bench.json, DIR/bench.svg, and NAME.out and NAME.trace of each boot.
# What the figures mean: docs/performance.md.
#
# exit: 0; 1 something failed, or a figure got worse than the baseline by more
# than 5 %, or a doorbell; 2 usage

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../../scripts/common.sh"

# Both sides on the newest kernel: stable ones refuse SVA on x86.
readonly kernel=7.3
# Instructions depend on it. No 5-level tables, for the unit has none.
readonly cpu=max,la57=off

quick='' update='' out=$build/bench do_build=1 only=()
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--quick) quick=1 ;;
	--update-baseline) update=1 ;;
	--no-build) do_build='' ;;
	--out | --only)
		[ $# -ge 2 ] || usage_error "$1 needs a value"
		case $1 in
		--out) out=$2 ;;
		--only) only+=("$2") ;;
		esac
		shift
		;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done

here=$top/tests/bench
mkdir -p "$out"
out=$(cd "$out" && pwd)
modules=$build/ko/$kernel.bench

build_all() {
	"$top/scripts/testbed.sh" host qemu "$kernel"
	command -v gnuplot >/dev/null || "$top/scripts/testbed.sh" package gnuplot-nox
	"$top/scripts/kbuild.sh" "$kernel" --with tests/bench --with tests/device --out "$modules" \
		VTDP_BENCH=1 >"$out/kbuild.log" 2>&1 || {
		tail -n 30 "$out/kbuild.log" >&2
		die "the modules do not build, see $out/kbuild.log"
	}
	make --no-print-directory -s -C "$top/tests/device" O="$build/device"
	make --no-print-directory -s -C "$here" O="$out"
}

# boot NAME SIDE ARGUMENT... -- SECTION...: one machine; SIDE is ours or peer.
boot() {
	local name=$1 side=$2 runs=$3 args=()
	shift 3

	[ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return 0
	args=(--kernel "$kernel" --name "bench-$name" --log "$out/$name.log" --timeout 600
		--preload "$build/device/sva-testdev.so" --file "$out/bench" --cpu "$cpu")
	if [ "$side" = peer ]; then
		# The kernel wants SMPWC, which QEMU never reports.
		local -x SVA_TESTDEV_ECAP_SET=0x1000000000000
		args+=(--no-default-append --append "intel_iommu=on,sm_on panic_on_warn=1 oops=panic"
			--insmod "$modules/tests/bench/bench-core.ko"
			--insmod "$modules/tests/bench/peer/bench-peer.ko")
	else
		args+=(--insmod "$modules/vtdpasid.ko"
			--insmod "$modules/tests/bench/bench-core.ko"
			--insmod "$modules/tests/bench/ours/bench-ours.ko")
	fi
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	rm -f "$out/$name".{out,trace}
	"$top/scripts/qemu-run.sh" "${args[@]}" -- bench "$side" "$runs" "$@" >"$out/$name.out" ||
		die "$name did not get through, see $out/$name.log"
}

# Instructions are counted on one CPU, marks and descriptors traced.
counted=(--icount --smp 1 --trace vtd_reg_write --trace vtd_inv_desc)

devices() {
	local i
	for i in $(seq "$1"); do
		printf -- '--device\nsva-testdev,addr=%x\n' $((i + 2))
	done
}

# 200 functions on 25 buses: ports with eight functions behind each.
functions() {
	local port i
	for port in $(seq 0 24); do
		printf -- '--device\npcie-root-port,id=rp%d,chassis=%d,multifunction=on,addr=%x.%x\n' \
			"$port" $((port + 1)) $((port / 8 + 4)) $((port % 8))
		for i in $(seq 0 7); do
			printf -- '--device\nsva-testdev-plain,bus=rp%d,multifunction=on,addr=0.%x\n' "$port" "$i"
		done
	done
}

boots_peer() {
	boot peer peer "$runs" "${counted[@]}" --mem 1536M "${eight[@]}" -- bind notifier requests memory exit
	boot peer-empty peer 4 "${counted[@]}" --mem 1536M -- memory
}

boots_ours() {
	boot ours ours "$runs" "${counted[@]}" --mem 1536M "${eight[@]}" -- \
		bind ioctl notifier requests memory exit
	boot takeover ours 10 "${counted[@]}" --mem 1536M "${many[@]}" -- takeover
	boot pasids ours 10 --icount --smp 1 --mem 1536M "${one[@]}" -- pasids
	boot smp ours "$events" --smp 4 --mem 1024M "${two[@]}" -- smp
	boot processes ours "$processes" --icount --smp 1 --mem 3584M "${four[@]}" -- processes
}

runs=200 processes=4000 events=4000
[ -z "$quick" ] || runs=40 processes=400 events=1000
[ -z "$do_build" ] || build_all
mapfile -t eight < <(devices 8)
mapfile -t four < <(devices 4)
mapfile -t two < <(devices 2)
mapfile -t one < <(devices 1)
mapfile -t many < <(functions)

# Instructions do not depend on what else runs.
boots_peer &
peer=$!
trap 'kill $peer 2>/dev/null || true' EXIT
boots_ours
wait "$peer" || die "the peer was not measured"
trap - EXIT

args=()
[ -z "$quick" ] || args+=(--quick)
[ -z "$update" ] || args+=(--update)
[ ${#only[@]} = 0 ] || args+=(--partial)
python3 "$here/report.py" "${args[@]}" "$here/baseline.json" "$out"
