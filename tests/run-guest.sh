#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run-guest.sh - run the guest tests, each suite in one boot of the test machine
#
# usage: tests/run-guest.sh [OPTION]...
#
#   --kernel K      6.1 (default), 6.12, 7.3, 6.1-kcsan, or 6.1-debug, which also
#                   has suites of its own
#   --only PATTERN  suites and programs that match the shell pattern: SUITE,
#                   PROGRAM or SUITE/PROGRAM (repeatable)
#   --log-dir D     where results go (default build/logs)
#   --module FILE   test this vtdpasid.ko, do not build one
#   --no-build      test what was built before
#   --slow N        give programs N times their time
#   --append ARGS   more for the kernels' command lines
#   --at-end FILE   shell script with TAP output, to run at the end of each boot
#   --allow-log RE  kernel log lines that match are no reason to fail
#   --coverage      of a kernel with gcov: count which lines run; the counts are in
#                   D/guest-K-SUITE.gcov, for tests/coverage.py
#   --all           suites that take long, too
#   --fuzz S[:SEED] also suite fuzz: f_ioctl for S seconds, with this seed (default:
#                   one that it prints)
#   --list          only say what would run
#
# Results: D/guest-K-SUITE-PROGRAM.tap for each program, and its exit status in
# .tap.status; D/guest-K-SUITE.tap for the machine itself; D/guest-K-SUITE.log,
# the console. scripts/tap-sum.sh sums them up. The module is loaded anew before
# each program.
#
# exit: 0 all passed, 1 something failed, 2 usage

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"

# ---- the suites ----------------------------------------------------------------
#
# suite NAME KEY=VALUE...: one boot.
#   programs  what to run, one after the other; arguments follow after colons
#   device    a device of the machine, as QEMU's -device (repeatable); DISK in
#             it becomes a drive with an empty image, NIC a user-mode network
#   pair      the two test devices A and B, when not at 00:04.0 and 00:05.0
#   iommu     properties of the intel-iommu, or none (default: qemu-run.sh's)
#   append    more for the kernel's command line
#   modules   stock modules that are loaded
#   params    parameters of vtdpasid.ko
#   build     how vtdpasid.ko is built: `inject`, with src/inject.c, or as shipped
#   trace     QEMU trace events; trace-check.py then looks at the record
#   check     a program of tests/ that looks at what the others printed
#   env       variables for QEMU, NAME=VALUE (SVA_TESTDEV_* change the unit)
#   option    an option for qemu-run.sh, with = between name and value (repeatable)
#   tier      `all`: takes long, or fails by chance; only with --all, or named by --only
#   alone     any value: it is about time, and no other runs beside it
#   seconds   time limit of each program (default 120)
# Two suites run at a time. Two of the PASID-capable test devices, A and B, are in every machine.

svm=intremap=off,scalable-mode=on,fsts=on,pasid-bits=20,device-iotlb=on,svm=on

suites() {
	# What the module is for: DMA by virtual address, isolated.
	suite memory programs="t_dma t_mm" seconds=600 device=edu,dma_mask=0xffffffffffffffff \
		device=sva-testdev-plain
	# A boot each: QEMU makes an address space for every PASID that a device has
	# ever emitted, and takes longer with each of them.
	suite isolation programs=t_isolation seconds=300
	suite life-of-processes programs=t_life seconds=300
	suite many programs=t_many seconds=300
	suite shared-tables programs=t_isolation params=pasid_table=system
	suite root-port programs="t_dma t_isolation" \
		device=pcie-root-port,id=rp1,chassis=1 device=pcie-root-port,id=rp2,chassis=2 \
		pair="sva-testdev,bus=rp1 sva-testdev,bus=rp2"

	# ATS, page requests, faults and pins.
	# Two nodes of memory, for move_pages().
	suite sva programs="s_attach s_atc s_prq s_fault s_pin" seconds=400 modules=zram \
		option=--qemu-arg=-object option=--qemu-arg=memory-backend-ram,size=256M,id=m0 \
		option=--qemu-arg=-object option=--qemu-arg=memory-backend-ram,size=256M,id=m1 \
		option=--qemu-arg=-numa option=--qemu-arg=node,nodeid=0,cpus=0-1,memdev=m0 \
		option=--qemu-arg=-numa option=--qemu-arg=node,nodeid=1,memdev=m1 \
		device=edu,dma_mask=0xffffffffffffffff device=sva-testdev-plain
	suite sva-root-port programs="s_attach s_atc" \
		device=pcie-root-port,id=rp1,chassis=1 device=pcie-root-port,id=rp2,chassis=2 \
		pair="sva-testdev,bus=rp1 sva-testdev,bus=rp2" device=sva-testdev-plain
	suite sva-no-device-tlb programs=s_attach device=sva-testdev-plain \
		iommu=intremap=off,scalable-mode=on,fsts=on,pasid-bits=20
	suite sva-no-page-requests programs=s_attach device=sva-testdev-plain \
		iommu="${svm%,svm=on}"
	suite sva-shared-tables programs=s_attach device=sva-testdev-plain \
		params=pasid_table=system

	# What a machine has to have before it is taken over.
	suite refuse-kernel programs=x_refuse:kernel append=intel_iommu=on
	suite refuse-intremap programs=x_refuse:intremap append=intremap=on \
		iommu="${svm/intremap=off/intremap=on}"
	suite refuse-scalable programs=x_refuse:scalable iommu=intremap=off
	suite refuse-first-stage programs=x_refuse:first-stage \
		iommu=intremap=off,scalable-mode=on,pasid-bits=20
	suite refuse-pasid programs=x_refuse:pasid iommu=intremap=off,scalable-mode=on,fsts=on
	suite refuse-none programs=x_refuse:none iommu=none
	suite refuse-1g programs=x_refuse:1g iommu="$svm,fs1gp=off"
	suite refuse-5-level programs=x_refuse:5-level option=--cpu=max
	suite refuse-queue programs=x_refuse:qi env=SVA_TESTDEV_ECAP_CLEAR=2
	suite refuse-pass-through programs=x_refuse:pt env=SVA_TESTDEV_ECAP_CLEAR=40
	suite refuse-write-buffer programs=x_refuse:rwbf env=SVA_TESTDEV_CAP_SET=10
	suite refuse-left-on programs="x_refuse:left-on" append=iomem=relaxed

	suite refuse-width programs=x_refuse:width env=SVA_TESTDEV_CAP_CLEAR=1f00

	# What PREFLIGHT says of it, and of functions of each kind.
	suite preflight programs=x_preflight:all modules="pci-stub uio_pci_generic" \
		device=pcie-root-port,id=rp1,chassis=1,addr=6 device=sva-testdev,bus=rp1 \
		device=ioh3420,id=rp2,chassis=2,addr=7 device=sva-testdev,bus=rp2 \
		device=edu,addr=8 device=pcie-pci-bridge,id=br,addr=9 \
		device=edu,bus=br,addr=1 device=edu,bus=br,addr=2 \
		device=sva-testdev,addr=a.0,multifunction=on device=sva-testdev,addr=a.1
	suite preflight-firmware programs=x_preflight:firmware \
		option="--file=$guest/dmar.aml:kernel/firmware/acpi/dmar.aml" \
		device=edu,addr=6 device=qemu-xhci,addr=7 \
		device=pcie-root-port,id=rp1,chassis=1,addr=8 device=sva-testdev,bus=rp1
	suite preflight-bare programs=x_preflight:bare option=--cpu=max,la57=off,-hypervisor
	suite preflight-forge programs=x_preflight:forge option=--cpu=max,la57=off,-hypervisor \
		env=SVA_TESTDEV_ECAP_SET=1000000000000
	suite preflight-none programs=x_preflight:none iommu=none
	suite preflight-width programs=x_preflight:width modules=nvme env=SVA_TESTDEV_CAP_CLEAR=400 \
		device=nvme,drive=DISK,serial=vtdpasid,addr=6

	# A disk and a network card, with their kernel drivers, all the time.
	suite life programs=x_life append=iomem=relaxed modules="nvme e1000e pci-stub" seconds=240 \
		device=nvme,drive=DISK,serial=vtdpasid device=e1000e,netdev=NIC

	# Devices that fault without end.
	suite flood alone=1 programs=x_flood

	# Hardware that fails, by errors that src/inject.c makes.
	suite broken alone=1 programs=x_broken build=inject modules=nvme \
		device=nvme,drive=DISK,serial=vtdpasid
	suite broken-late alone=1 programs=x_broken:late build=inject modules=nvme \
		device=nvme,drive=DISK,serial=vtdpasid
	# Functions that go and come. Ports that are hot-plugged by the kernel.
	# Not on every push: how a card is pulled out here races with pciehp, which then
	# takes the slot for disabled, and the function goes by sysfs.
	suite hotplug alone=1 tier=all programs=x_hotplug build=inject option=--guest-monitor seconds=240 \
		device=pcie-root-port,id=rp1,chassis=1,slot=1 pair="sva-testdev,addr=4 sva-testdev,bus=rp1,id=hp" \
		option=--qemu-arg=-global \
		option=--qemu-arg=ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off
	# Suspend to memory and back.
	suite sleep alone=1 programs=x_sleep modules=nvme device=sva-testdev-plain \
		device=nvme,drive=DISK,serial=vtdpasid
	# Into another kernel, with its own IOMMU driver.
	suite kexec alone=1 programs=x_kexec tier=all modules=nvme device=nvme,drive=DISK,serial=vtdpasid option=--mem=1G \
		option="--file=$(kernel_root "$kernel")/vmlinuz:t/vmlinuz" seconds=240

	suite abi programs=x_abi modules=pci-stub seconds=240 \
		device=pcie-root-port,id=rp1,addr=8,chassis=1 device=sva-testdev-plain,addr=9

	# What others can look at, and listen to.
	suite netlink programs="x_netlink x_tracefs" append=iomem=relaxed seconds=60

	# The command and the library: tools/.
	suite tools programs="x_tools x_explain" modules=nvme seconds=240 check=tools-check.py \
		device=nvme,drive=DISK,serial=vtdpasid option="--file=$build/tools/static/vtdpasid" \
		option="--file=$build/tools/static/example-bind" \
		option="--file=$build/tools/static/example-events" \
		option="--file=$build/tools/static/example-pins"

	# Descriptors as QEMU saw them. Device TLBs want caching mode off.
	suite trace programs=x_trace trace="vtd_inv_desc vtd_inv_qi_tail" modules=nvme \
		device=nvme,drive=DISK,serial=vtdpasid
	suite trace-caching programs=x_trace:caching trace="vtd_inv_desc vtd_inv_qi_tail" modules=nvme \
		iommu=intremap=off,scalable-mode=on,fsts=on,pasid-bits=20,caching-mode=on \
		device=nvme,drive=DISK,serial=vtdpasid

	# Random calls by several processes, when asked for.
	[ -z "$fuzz_seconds" ] ||
		suite fuzz programs="f_ioctl:$fuzz_seconds:$fuzz_seed" seconds=$((fuzz_seconds + 300)) \
			device=sva-testdev-plain

	[ "$kernel" = 6.1-debug ] || return 0
	# Each call with its n-th allocation failing. The kernel shows where fork() and
	# insmod got none; what it warns of is a panic.
	suite failnth-calls programs=f_failnth:calls seconds=300 append="slub_debug=A,kmalloc*"
	suite failnth-ends programs=f_failnth:ends seconds=300 option="--allow-log=Call Trace:"
	suite failnth-bus programs=f_failnth:bus seconds=300
	suite failnth-load programs=f_failnth:load seconds=300 option="--allow-log=Call Trace:"
	suite failnth-shared programs=f_failnth:calls params=pasid_table=system seconds=300 \
		append="slub_debug=A,kmalloc*"
}

# ---- options -------------------------------------------------------------------

kernel=6.1 only=() logs=$build/logs module='' do_build=1 list='' slow=1 append_all='' at_end='' all_tiers=''
fuzz_seconds='' fuzz_seed=0 allow_log='' coverage=''
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--no-build) do_build='' ;;
	--all) all_tiers=1 ;;
	--coverage) coverage=1 ;;
	--list) list=1 ;;
	--kernel | --only | --log-dir | --module | --slow | --append | --at-end | --allow-log | --fuzz)
		[ $# -ge 2 ] || usage_error "$1 needs a value"
		case $1 in
		--kernel) kernel=$(kernel_name "$2") || usage_error "no such kernel: $2" ;;
		--only) only+=("$2") ;;
		--log-dir) logs=$2 ;;
		--module) module=$(realpath "$2") ;;
		--slow) slow=$2 ;;
		--append) append_all=$2 ;;
		--allow-log) allow_log=$2 ;;
		--at-end) at_end=$(realpath "$2") ;;
		--fuzz)
			fuzz_seconds=${2%%:*} fuzz_seed=0
			case $2 in *:*) fuzz_seed=${2#*:} ;; esac
			[[ $fuzz_seconds =~ ^[0-9]+$ && $fuzz_seed =~ ^[0-9]+$ ]] || usage_error "--fuzz S[:SEED]"
			;;
		esac
		shift
		;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done

here=$top/tests
guest=$build/guest
given=$module
ko=$build/ko/$kernel${coverage:+.gcov}
kbuild_args=(${coverage:+GCOV_PROFILE=y})
[ -z "$module" ] || [ -e "$module" ] || die "no such module: $module"

# wanted SUITE PROGRAM
wanted() {
	local pattern

	[ ${#only[@]} != 0 ] || return 0
	for pattern in "${only[@]}"; do
		# Patterns are meant to be patterns.
		# shellcheck disable=SC2053
		if [[ $1 == $pattern || $2 == $pattern || ${2%%:*} == $pattern || $1/$2 == $pattern ]]; then
			return 0
		fi
	done
	return 1
}

# ---- building ------------------------------------------------------------------

build_all() {
	if [ -z "$module" ]; then
		module=$ko/vtdpasid.ko
		[ -z "$do_build" ] || "$top/scripts/kbuild.sh" "$kernel" --out "$ko" "${kbuild_args[@]}" \
			>"$logs/kbuild-$kernel.log" 2>&1 || {
			tail -n 30 "$logs/kbuild-$kernel.log" >&2
			die "the module does not build for $kernel, see $logs/kbuild-$kernel.log"
		}
	fi
	if [ -n "$do_build" ]; then
		"$top/scripts/testbed.sh" host qemu "$kernel"
		make --no-print-directory -s -C "$here/device" O="$build/device"
		make --no-print-directory -s -C "$here/guest" O="$guest"
		python3 "$here/dmar.py" "$guest/dmar.aml"
		"$top/scripts/testbed.sh" package pkg-config libnl-genl-3-dev libjson-c-dev python3-jsonschema
		make --no-print-directory -s -C "$top/tools" O="$build/tools" static
	fi
	[ -e "$module" ] || die "$module is not there"
}

# suite_module: what the suite is run with; a module that was given is for the
# suites that take it as it is shipped.
suite_module() {
	suite_ko=$module
	[ -n "$build_as" ] || return 0
	if [ -n "$given" ]; then
		echo "$name: left out, it wants a module of its own"
		return 1
	fi
	suite_ko=$ko.$build_as/vtdpasid.ko
	[ -z "$do_build" ] || "$top/scripts/kbuild.sh" "$kernel" --out "$ko.$build_as" \
		W=1 "VTDP_${build_as^^}=1" "${kbuild_args[@]}" >"$logs/kbuild-$kernel.$build_as.log" 2>&1 ||
		die "the module does not build for $name, see $logs/kbuild-$kernel.$build_as.log"
	[ -e "$suite_ko" ] || die "$suite_ko is not there"
}

# What runs in the guest: `sh run-programs SECONDS PARAMETERS PROGRAM...`.
make_runner() {
	cat >"$run/run-programs" <<'END'
seconds=$1 params=$2
shift 2
for word; do
	args=${word#*:}
	[ "$args" != "$word" ] || args=
	echo "#@ begin $word"
	status=
	if grep -q '^vtdpasid ' /proc/modules; then
		rmmod vtdpasid || status=rmmod
	fi
	# Parameters are words.
	[ -n "$status" ] || insmod /t/vtdpasid.ko $params || status=insmod
	if [ -z "$status" ]; then
		timeout -s KILL "$seconds" "/t/${word%%:*}" $(echo "$args" | tr : ' ')
		status=$?
	fi
	echo
	echo "#@ end $word $status"
done
for script in at-end gcov; do
	[ -e "/t/$script" ] || continue
	echo "#@ begin $script"
	status=0
	sh "/t/$script" || status=$?
	echo
	echo "#@ end $script $status"
done
END
	# The kernel keeps the counts of modules that are unloaded (gcov_persist).
	# A file there says that it has no size: tar would believe it.
	[ -z "$coverage" ] || cat >"$run/gcov" <<'END'
cd /sys/kernel/debug/gcov && find . -name '*.gcda' | while read -r file; do
	mkdir -p "/tmp/gcov/${file%/*}" && cat "$file" >"/tmp/gcov/$file"
done
echo 1..1
if tar -C /tmp/gcov -cz . >/tmp/gcov.tgz; then
	echo "ok 1 - counts of what ran"
	base64 /tmp/gcov.tgz | sed 's/^/#gcov /'
else
	echo "not ok 1 - counts of what ran"
fi
END
}

# ---- running -------------------------------------------------------------------

failed=0 passed=0 skipped=0 suites_run=0
# Suites that run beside the next: names, and processes.
beside=() beside_pids=()

# split_output OUT PREFIX: what each program printed into PREFIX-PROGRAM.tap;
# on standard output "PROGRAM STATUS" for each.
split_output() {
	tr -d '\r' <"$1" | awk -v prefix="$2" '
		$1 == "#@" && $2 == "begin" {
			name = $3; gsub(/[^A-Za-z0-9_.-]/, "-", name)
			file = prefix "-" name ".tap"
			printf "" >file
			next
		}
		$1 == "#@" && $2 == "end" {
			close(file); file = ""
			print $3, $4
			next
		}
		file { print >file }'
}

# run_suite: what suite() has gathered; a report on standard output, its sum in
# $run/NAME.sum.
run_suite() {
	local args=() all device drive=0 nic=0 status=0 rc try word file seen sum f tap_files=() start=$SECONDS
	local results=("${programs[@]}")

	seconds=$((seconds * slow))
	args=(--kernel "$kernel" --name "guest-$kernel-$name" --log "$prefix.log"
		--preload "$build/device/sva-testdev.so"
		--file "$run/run-programs" --file "$suite_ko:t/vtdpasid.ko"
		--timeout $((40 * slow + seconds * ${#programs[@]})))
	[ -z "$append$append_all" ] || args+=(--append "$append $append_all")
	if [ -n "$at_end" ]; then
		args+=(--file "$at_end:t/at-end" --file "$guest/pages:t/pages")
		results+=(at-end)
	fi
	[ -z "$iommu" ] || args+=(--iommu "$iommu")
	if [ -n "$coverage" ]; then
		args+=(--file "$run/gcov")
		results+=(gcov)
	fi
	[ -z "$allow_log" ] || args+=(--allow-log "$allow_log")
	for word in $modules; do
		args+=(--module "$word")
	done
	for word in $(printf '%s\n' "${programs[@]%%:*}" | sort -u); do
		args+=(--file "$guest/$word")
	done
	# Ports come before what is behind them.
	if [ -n "$pair" ]; then
		read -ra all <<<"$pair"
		devices+=("${all[@]}")
	else
		devices=("sva-testdev,addr=4" "sva-testdev,addr=5" "${devices[@]}")
	fi
	for device in "${devices[@]}"; do
		case $device in
		*DISK*)
			drive=$((drive + 1))
			truncate -s 64M "$run/$name.disk$drive"
			args+=(--qemu-arg -drive --qemu-arg
				"file=$run/$name.disk$drive,if=none,id=drive$drive,format=raw,cache=unsafe")
			device=${device/DISK/drive$drive}
			;;
		*NIC*)
			nic=$((nic + 1))
			args+=(--qemu-arg -netdev --qemu-arg "user,id=nic$nic")
			device=${device/NIC/nic$nic}
			;;
		esac
		args+=(--device "$device")
	done
	for word in $trace; do
		args+=(--trace "$word")
	done
	[ -z "$trace" ] || args+=(--trace-file "$prefix.trace")
	for word in "${options[@]}"; do
		args+=("${word%%=*}")
		case $word in *=*) args+=("${word#*=}") ;; esac
	done

	rm -rf "$prefix".* "$prefix"-[a-z]_* "$prefix"-at-end.* "$prefix"-gcov.*
	# A machine that hangs before PID 1 has run anything says nothing about the
	# module: once more.
	for try in 1 2; do
		status=0
		env "${environment[@]}" "$top/scripts/qemu-run.sh" "${args[@]}" -- \
			sh /t/run-programs "$seconds" "$params" "${programs[@]}" \
			>"$prefix.out" 2>"$prefix.err" || status=$?
		if [ $status != 124 ] || grep -q 'init: running' "$prefix.log"; then
			break
		fi
	done

	# Programs that did not begin, or did not end, leave their traces too.
	seen=$(split_output "$prefix.out" "$prefix")
	for word in "${results[@]}"; do
		file=$prefix-${word//[^A-Za-z0-9_.-]/-}.tap
		[ -e "$file" ] || : >"$file"
		tap_files+=("$file")
		awk -v want="$word" '
			$1 == want { s = $2 }
			END { print s == "" ? "unknown: it did not end" : s == 137 ? "137: killed, or out of time" : s }
			' <<<"$seen" >"$file.status"
	done
	if [ -n "$coverage" ]; then
		mkdir "$prefix.gcov"
		dirname "$suite_ko" >"$prefix.gcov/notes"
		# A guest that died has handed out nothing, or a part.
		sed -n 's/^#gcov //p' "$prefix-gcov.tap" | base64 -d |
			tar -xz -C "$prefix.gcov" 2>/dev/null || rm -rf "$prefix.gcov"
	fi
	if [ -n "$trace" ]; then
		file=$prefix-trace-check.tap
		rc=0
		python3 "$here/trace-check.py" "$prefix.trace" "$prefix.out" >"$file" || rc=$?
		echo $rc >"$file.status"
		tap_files+=("$file")
	fi
	if [ -n "$check" ]; then
		file=$prefix-$check.tap
		rc=0
		"$here/$check" "$prefix.out" >"$file" || rc=$?
		echo $rc >"$file.status"
		tap_files+=("$file")
	fi
	{
		echo "1..1"
		if [ $status = 0 ]; then
			echo "ok 1 - the machine came to its end, its kernel was content"
			[ $try = 1 ] || echo "# it did not boot at first, and was tried again"
		else
			echo "not ok 1 - the machine came to its end, its kernel was content"
			grep '^qemu-run.sh: ' "$prefix.err" | sed 's/^/# /' || true
		fi
	} >"$prefix.tap"
	tap_files+=("$prefix.tap")

	sum=$("$top/scripts/tap-sum.sh" "${tap_files[@]}") || true
	printf '%-22s %s  (%d s)\n' "$name" "${sum##*$'\n'}" $((SECONDS - start))
	read -r _ _ f _ <<<"${sum##*$'\n'}"
	[ "$sum" = "${sum##*$'\n'}" ] || printf '%s\n' "${sum%$'\n'*}" | sed 's/^/    /'
	if [ "$f" != 0 ]; then
		printf '    console: %s, which ends:\n' "$prefix.log"
		tail -n 15 "$prefix.log" | sed 's/^/    | /'
	fi
	printf '%s\n' "${sum##*$'\n'}" >"$run/$name.sum"
	rm -f "$prefix.err" "$run/$name".disk*
}

# add_sum NAME: of a suite that has ended. Without a sum it is a failure.
add_sum() {
	local p=0 f=1 s=0

	if [ -e "$run/$1.sum" ]; then
		read -r p _ f _ s _ <"$run/$1.sum"
	else
		echo "FAILED  $1: it ended without a sum"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	suites_run=$((suites_run + 1))
}

# join_one: wait for that of those beside us that ends first.
join_one() {
	local pid i

	wait -n -p pid "${beside_pids[@]}" || true
	for i in "${!beside_pids[@]}"; do
		[ "${beside_pids[i]}" = "$pid" ] || continue
		cat "$run/${beside[i]}.report"
		add_sum "${beside[i]}"
		unset "beside[i]" "beside_pids[i]"
	done
	beside=("${beside[@]}") beside_pids=("${beside_pids[@]}")
}

# start_suite: alone, or beside one other that may be.
start_suite() {
	while [ ${#beside[@]} -gt $((${#alone} ? 0 : 1)) ]; do
		join_one
	done
	if [ -n "$alone" ]; then
		run_suite
		add_sum "$name"
	else
		# In a process group of its own, to be ended with all that it started.
		set -m
		run_suite >"$run/$name.report" 2>&1 &
		set +m
		beside+=("$name") beside_pids+=($!)
	fi
}

suite() {
	local key value word all
	# Those are what run_suite works with.
	name=$1 programs=() devices=() iommu='' append='' modules='' pair='' params='' trace='' check=''
	environment=() options=() seconds=120 build_as='' tier='' alone='' prefix=$logs/guest-$kernel-$1
	shift
	for word; do
		key=${word%%=*} value=${word#*=}
		case $key in
		programs) read -ra all <<<"$value" ;;
		device) devices+=("$value") ;;
		env) environment+=("$value") ;;
		option) options+=("$value") ;;
		build) build_as=$value ;;
		iommu | append | modules | pair | params | trace | check | seconds | tier | alone) printf -v "$key" %s "$value" ;;
		*) die "suite $name: no such key: $key" ;;
		esac
	done
	for word in "${all[@]}"; do
		listed+=" ${word%%:*} "
		! wanted "$name" "$word" || programs+=("$word")
	done
	[ ${#programs[@]} != 0 ] || return 0
	[ -z "$tier" ] || [ -n "$all_tiers" ] || [ ${#only[@]} != 0 ] || return 0
	if [ -n "$list" ]; then
		echo "$name: ${programs[*]}"
	elif [ -n "$running" ]; then
		suite_module && start_suite
	fi
}

# A program that is in no suite would never run: a mistake.
check_listed() {
	local file base

	for file in "$here"/guest/[stx]_*.c; do
		base=$(basename "$file" .c)
		case $listed in *" $base "*) ;; *) die "$base is in no suite of $me" ;; esac
	done
}

listed='' running=''
suites
[ -z "$list" ] || exit 0
[ ${#only[@]} != 0 ] || check_listed

mkdir -p "$logs" "$build/run"
logs=$(cd "$logs" && pwd)
run=$(mktemp -d "$build/run/guest-XXXXXX")
# shellcheck disable=SC2317
end() {
	local pid

	for pid in "${beside_pids[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || true
		wait "$pid" || true
	done
	rm -rf "$run"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
build_all
make_runner
[ ${#only[@]} != 0 ] || rm -f "$logs/guest-$kernel"-*.tap*
running=1
suites
while [ ${#beside[@]} != 0 ]; do
	join_one
done
[ $suites_run != 0 ] || usage_error "nothing matches: ${only[*]}"
echo "guest tests on $kernel: $passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
