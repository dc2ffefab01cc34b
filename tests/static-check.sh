#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# static-check.sh - what can be said about the sources without running them
#
# usage: tests/static-check.sh [OPTION]...
#
#   --kernel K   build and check against this kernel (default 6.1)
#   --no-build   leave out what needs a kernel's headers
#   --fetch      fetch checkpatch.pl if it is not there: Debian has it in the
#                kernel's source package only, some 130 MB
#
# checkpatch.pl is taken from $CHECKPATCH, a kernel's headers, an installed
# linux-source package, or what --fetch brought before (build/checkpatch); a
# machine with none of them skips that test. Missing small tools are installed
# when root.
#
# TAP on standard output. exit: 0 all passed, 1 something failed, 2 usage

set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"

kernel=6.1 do_build=1 fetch=''
while [ $# != 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	--kernel)
		[ $# -ge 2 ] || usage_error "--kernel needs a value"
		kernel=$(kernel_name "$2") || usage_error "no such kernel: $2"
		shift
		;;
	--no-build) do_build='' ;;
	--fetch) fetch=1 ;;
	*) usage_error "no such option: $1" ;;
	esac
	shift
done

cd "$top"
mkdir -p "$build/logs" "$build/run"
run=$(mktemp -d "$build/run/static-XXXXXX")
trap 'rm -rf "$run"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- TAP -----------------------------------------------------------------------

tests=0 failures=0

# check NAME COMMAND...: one test. COMMAND prints what it finds; it passes when
# that is nothing, and its status 0. Status 77 and a reason: skipped.
check() {
	local name=$1 rc
	shift

	tests=$((tests + 1))
	# Where "||" follows, set -e would have no force inside.
	set +e
	(set -e; "$@") >"$run/out" 2>&1 </dev/null
	rc=$?
	set -e
	if [ $rc = 77 ]; then
		echo "ok $tests - $name # SKIP $(tail -n 1 "$run/out")"
	elif [ $rc = 0 ] && [ ! -s "$run/out" ]; then
		echo "ok $tests - $name"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $name"
		[ $rc = 0 ] || echo "# exit status $rc"
		head -n 60 "$run/out" | cut -c 1-200 | sed 's/^/# /'
	fi
}

skip() { echo "$*"; return 77; }

# need COMMAND PACKAGE: have COMMAND on this machine, if that can be had.
need() {
	command -v "$1" >/dev/null && return
	[ "$(id -u)" = 0 ] || skip "$1 is missing: apt-get install $2" || return
	"$top/scripts/testbed.sh" package "$2" >/dev/null 2>"$run/apt" ||
		skip "$2 could not be installed" || return
}

# need_python: a whole one; python3-minimal lacks part of the library.
need_python() {
	python3 -c 'import concurrent.futures' 2>/dev/null && return
	# There is no command of that name, so this installs the package.
	need python3-whole python3
}

# ---- files ---------------------------------------------------------------------

# sources: what belongs to the tree, committed or not; build products do not.
sources() {
	{
		if git rev-parse --git-dir >/dev/null 2>&1; then
			git ls-files --cached --others --exclude-standard
		else
			find . \( -path ./build -o -path ./.git \) -prune -o -type f -print | sed 's#^\./##'
		fi
	} | while IFS= read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done | sort
}

sources >"$run/sources"
grep -E '^(src|include)/.*\.[ch]$' "$run/sources" >"$run/module"
mapfile -t module_files <"$run/module"
# Those that the shell runs, by their first line.
while IFS= read -r file; do
	case $(head -n 1 "$file" | tr -d '\0') in '#!/bin/sh'* | '#!/bin/bash'*) echo "$file" ;; esac
done <"$run/sources" >"$run/scripts"
grep '^scripts/common\.sh$' "$run/sources" >>"$run/scripts" || true
mapfile -t script_files <"$run/scripts"

# ---- scripts -------------------------------------------------------------------

check_shell() {
	need shellcheck shellcheck || return
	# common.sh is followed from those that source it.
	shellcheck -x -f gcc "${script_files[@]}"
}

check_python() {
	local file

	need_python || return
	while IFS= read -r file; do
		python3 -c 'import sys; compile(open(sys.argv[1], encoding="utf-8").read(), sys.argv[1], "exec")' "$file"
	done < <(grep '\.py$' "$run/sources")
}

# What begins with #! can be run, and nothing else.
check_modes() {
	local file

	while IFS= read -r file; do
		case $(head -c 2 "$file" | tr -d '\0') in
		'#!') [ -x "$file" ] || echo "$file: not executable" ;;
		*) [ ! -x "$file" ] || echo "$file: executable, but no script" ;;
		esac
	done <"$run/sources"
}

# ---- checkpatch ----------------------------------------------------------------

# waiver TYPE FILES REASON: findings of checkpatch that stay, and why. A waiver
# that nothing needs any more is a failure too.
waivers=()
waiver() { waivers+=("$1 $2"); }

# One list of checks, for the enumeration, the kernel's log and programs.
waiver COMPLEX_MACRO 'include/uapi/vtdpasid*.h' "a list, which cannot be in parentheses"
waiver MACRO_ARG_REUSE include/uapi/vtdpasid_checks.h "the argument is a macro"
waiver MACRO_ARG_UNUSED include/uapi/vtdpasid.h "the enumeration needs no words"
waiver MACRO_ARG_UNUSED src/check.c "the log tells of what is missing only"
for type in COMPLEX_MACRO OPEN_ENDED_LINE PARENTHESIS_ALIGNMENT; do
	waiver $type src/trace.h "the form that TRACE_EVENT has everywhere"
done

waived() {
	local file=$1 type=$2 i word files

	for i in "${!waivers[@]}"; do
		read -r word files <<<"${waivers[i]}"
		# Patterns are meant to be patterns.
		# shellcheck disable=SC2053
		if [ "$type" != "$word" ] || [[ $file != $files ]]; then
			continue
		fi
		used[i]=1
		return 0
	done
	return 1
}

# find_checkpatch: print where it is.
find_checkpatch() {
	local dir=$build/checkpatch file package

	if [ -n "${CHECKPATCH:-}" ]; then
		[ -e "$CHECKPATCH" ] && echo "$CHECKPATCH"
		return
	fi
	for file in "$dir/checkpatch.pl" "$build"/kernel/*/usr/src/linux-headers-*/scripts/checkpatch.pl \
		/usr/src/linux-headers-*/scripts/checkpatch.pl; do
		[ ! -e "$file" ] || { echo "$file"; return; }
	done
	mkdir -p "$run/checkpatch"
	file=
	for file in /usr/src/linux-source-*.tar.xz; do :; done
	if [ ! -e "$file" ]; then
		[ -n "$fetch" ] || return 1
		package=$(apt-cache depends linux-source | sed -n 's/^ *Depends: //p' | head -n 1)
		(cd "$run/checkpatch" && apt-get -q download "$package") >&2
		dpkg-deb -x "$run/checkpatch/$package"_*.deb "$run/checkpatch"
		for file in "$run"/checkpatch/usr/src/linux-source-*.tar.xz; do :; done
	fi
	tar -C "$run/checkpatch" --strip-components=2 -xf "$file" --wildcards \
		'linux-source-*/scripts/checkpatch.pl' 'linux-source-*/scripts/spelling.txt' \
		'linux-source-*/scripts/const_structs.checkpatch' >&2 || return 1
	mkdir -p "$dir"
	mv "$run"/checkpatch/{spelling.txt,const_structs.checkpatch,checkpatch.pl} "$dir"
	echo "$dir/checkpatch.pl"
}

check_checkpatch() {
	local tool file line type text i used=()

	need perl perl || return
	need xz xz-utils || return
	tool=$(find_checkpatch 2>"$run/err") ||
		skip "no checkpatch.pl here; --fetch brings it, out of Debian's linux-source" || return
	perl "$tool" --no-tree --strict --terse --show-types --no-summary --max-line-length=100 \
		-f "${module_files[@]}" >"$run/findings" 2>"$run/err" || true
	cat "$run/err"
	while IFS=: read -r file line text; do
		read -r _ type _ < <(tr : ' ' <<<"$text")
		waived "$file" "$type" || echo "$file:$line:$text"
	done <"$run/findings"
	for i in "${!waivers[@]}"; do
		# An older checkpatch.pl does not know all types.
		[ -n "${used[i]:-}" ] || ! grep -q "\"${waivers[i]%% *}\"" "$tool" ||
			echo "waiver without need: ${waivers[i]}"
	done
}

# ---- compilers -----------------------------------------------------------------

# The module as it is shipped has nothing of src/inject.c.
check_shipped() {
	local out=$build/ko/$kernel.static log=$build/logs/static-kbuild-$kernel-shipped.log rc=0

	rm -rf "$out"
	"$top/scripts/kbuild.sh" "$kernel" --out "$out" W=1 >"$log" 2>&1 || rc=$?
	grep -i -E 'warning|error' "$log" | sort -u || true
	[ $rc = 0 ] || tail -n 20 "$log"
	nm "$out/vtdpasid.ko" | grep -i inject || true
	rm -rf "$out"
	return $rc
}

# Into a directory of its own, from nothing, so that every warning is seen again;
# with all sources.
check_kbuild() {
	local out=$build/ko/$kernel.static log=$build/logs/static-kbuild-$kernel.log rc=0 checked

	rm -rf "$out"
	"$top/scripts/kbuild.sh" "$kernel" --out "$out" W=1 C=2 VTDP_INJECT=1 >"$log" 2>&1 || rc=$?
	grep -i -E 'warning|error' "$log" | sort -u || true
	[ $rc = 0 ] || tail -n 20 "$log"
	checked=$(grep -c '^ *CHECK ' "$log" || true)
	[ "$checked" = "$(grep -c '^src/.*\.c$' "$run/module")" ] ||
		echo "sparse looked at $checked files only, see $log"
	rm -rf "$out"
	return $rc
}

check_kernel_doc() {
	local tool

	need perl perl || return
	for tool in "$build"/kernel/*/usr/lib/linux-kbuild-*/scripts/kernel-doc \
		/usr/lib/linux-kbuild-*/scripts/kernel-doc; do
		[ ! -e "$tool" ] || break
	done
	[ -e "$tool" ] || skip "no kernel headers here that have kernel-doc" || return
	perl "$tool" -none "${module_files[@]}"
}

# Each header stands alone, in C and C++, and has the same layout for programs of
# 32 and 64 bits: no padding but what it names.
check_uapi() {
	local header flags=(-Wall -Wextra -Wpadded -Werror -fsyntax-only)

	# ISO C wants something to be there, and one header has macros only.
	echo "extern int nothing;" >"$run/uapi.c"
	for header in include/uapi/*.h; do
		gcc -x c -std=c11 -pedantic "${flags[@]}" -include "$header" "$run/uapi.c"
		gcc -x c -std=c11 -m32 -isystem "/usr/include/$(gcc -print-multiarch)" \
			"${flags[@]}" -include "$header" /dev/null
		! command -v g++ >/dev/null || g++ -x c++ "${flags[@]}" -include "$header" /dev/null
	done
}

# The netlink spec is YAML, and the headers have its numbers.
check_netlink_spec() {
	need_python || return
	# There is no command of that name, so this installs the package.
	python3 -c 'import yaml' 2>/dev/null || need python3-yaml python3-yaml || return
	python3 -c 'import yaml' 2>/dev/null ||
		skip "python3 has no yaml: apt-get install python3-yaml" || return
	tests/netlink-spec.py docs/netlink/vtdpasid.yaml include/uapi >"$run/spec.c"
	gcc -std=c11 -fsyntax-only -I include/uapi "$run/spec.c"
}

# The library, its header from C++ too, and its examples; what it exports is
# what its header declares.
check_library() {
	local out=$run/tools

	make --no-print-directory -s -C tools O="$out" lib examples \
		CFLAGS='-O2 -Werror'
	! command -v g++ >/dev/null || g++ -x c++ -Wall -Wextra -Werror -pedantic -fsyntax-only \
		-Iinclude/uapi -include tools/lib/libvtdpasid.h /dev/null
	diff <(nm -D --defined-only "$out/libvtdpasid.so" | sed -n 's/.* T \(.*\)@@LIBVTDPASID_1$/\1/p') \
		<(sed -n 's/^[a-z].*[ *]\(vtdp_[a-z_]*\)(.*/\1/p' tools/lib/libvtdpasid.h | sort)
}

check_command() {
	need pkg-config pkg-config || return
	# There are no commands of these names, either.
	pkg-config --exists libnl-genl-3.0 || need libnl-genl-3-dev libnl-genl-3-dev || return
	pkg-config --exists json-c || need libjson-c-dev libjson-c-dev || return
	make --no-print-directory -s -C tools O="$run/tools" cli CFLAGS='-O2 -Werror'
}

# Pages that refer to each other are not installed here.
check_man() {
	local page

	need mandoc mandoc || return
	make --no-print-directory -s -C tools O="$run/tools" man
	for page in tools/man/*.[1-9] "$run/tools/vtdpasid.4"; do
		mandoc -Tlint "$page" 2>&1 | grep -v -e 'referenced manual not found' -e 'mandoc.db' || true
	done
}

check_completion() {
	bash -n tools/completion/vtdpasid.bash
	! command -v zsh >/dev/null || zsh -n tools/completion/_vtdpasid
	! command -v fish >/dev/null || fish -n tools/completion/vtdpasid.fish
}

# ---- texts ---------------------------------------------------------------------

# Which licence a file has to name; nothing for those that cannot carry a line:
# texts of licences, and the files of debian/, for which debian/copyright speaks.
licence_of() {
	case $1 in
	LICENSES/*) ;;
	debian/rules) echo GPL-2.0-only ;;
	debian/*) ;;
	include/uapi/* | docs/netlink/*) echo "GPL-2.0-only WITH Linux-syscall-note" ;;
	src/vtd_reasons.h) echo "GPL-2.0-only OR LGPL-2.1-or-later" ;;
	tests/device/*) echo GPL-2.0-or-later ;;
	tools/lib/* | tools/examples/*) echo LGPL-2.1-or-later ;;
	*) echo GPL-2.0-only ;;
	esac
}

check_spdx() {
	local file want found word

	while IFS= read -r file; do
		want=$(licence_of "$file")
		[ -n "$want" ] || continue
		found=$(head -n 5 "$file" | sed -n 's/.*SPDX-License-Identifier: *//p' | head -n 1 |
			sed 's# *\(\*/\|-->\|",\) *$##')
		[ "$found" = "$want" ] || echo "$file: \"$found\", not \"$want\""
	done <"$run/sources"
	for word in GPL-2.0-only GPL-2.0-or-later LGPL-2.1-or-later Linux-syscall-note; do
		[ -s "LICENSES/$word.txt" ] || echo "LICENSES/$word.txt is missing"
	done
}

module_version() { sed -n 's/^#define VTDP_VERSION[[:space:]]*"\(.*\)"/\1/p' src/main.c; }

check_versions() {
	local module dkms debian

	module=$(module_version)
	dkms=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
	debian=$(sed -n '1s/^vtdpasid (\([^)]*\)).*/\1/p' debian/changelog)
	[ -n "$module" ] || echo "src/main.c: no VTDP_VERSION"
	[ "$dkms" = "$module" ] || echo "dkms.conf has $dkms, src/main.c $module"
	[ "$debian" = "$module" ] || echo "debian/changelog has $debian, src/main.c $module"
}

# As dkms reads it.
check_dkms_conf() {
	# shellcheck disable=SC2016
	env -i bash -euc '
		kernel_source_dir=/kernel/dir parallel_jobs=3
		. ./dkms.conf
		[ "$PACKAGE_NAME" = vtdpasid ] && [ "${BUILT_MODULE_NAME[0]}" = vtdpasid ]
		[ "$AUTOINSTALL" = yes ] && [ "$BUILD_EXCLUSIVE_ARCH" = x86_64 ]
		[ -n "${DEST_MODULE_LOCATION[0]}" ] && [ -n "$BUILD_EXCLUSIVE_CONFIG" ]
		echo "${MAKE[0]}"' >"$run/make"
	# With quotes, or dkms puts KERNELRELEASE= behind it.
	grep -q "^'make' .*KDIR=/kernel/dir" "$run/make" || cat "$run/make"
}

# Columns as an editor shows them. A line with a message in it may be longer.
check_columns() {
	local file

	for file in "${module_files[@]}"; do
		expand -t 8 "$file" | awk -v file="$file" \
			'length($0) > 100 && !/"/ { print file ":" NR ": " length($0) " columns" }'
	done
}

# forbid WHY PATTERN FILE...: lines of the tree that match are findings.
forbid() {
	local why=$1 pattern=$2
	shift 2

	[ $# = 0 ] || grep -n -E -e "$pattern" -- "$@" /dev/null | sed "s/^/$why: /" || true
}

check_forbidden() {
	local all texts=() code=()

	# This script names what it looks for.
	mapfile -t all < <(grep -v -x 'tests/static-check\.sh' "$run/sources")
	mapfile -t texts < <(printf '%s\n' "${all[@]}" | grep -v '^LICENSES/')
	mapfile -t code < <(grep '^src/.*\.[ch]$' "$run/module")
	forbid "path of one machine" '/(home|Users)/[[:alnum:]]|/root/' "${texts[@]}"
	forbid "name of a registry" '(deb|ftp|security|archive)\.debian\.org' "${texts[@]}"
	forbid "blanks at the end" '[[:blank:]]$' "${texts[@]}"
	forbid "carriage return" $'\r$' "${texts[@]}"
	forbid "left to do" '\b(TODO|FIXME|XXX)\b' "${code[@]}"
	forbid "must not panic" '\b(BUG|BUG_ON|panic)\(' "${code[@]}"
	# Kernels are asked for what they have: src/compat.h.
	forbid "version ladder" '\b(LINUX_VERSION_CODE|KERNEL_VERSION)\b' "${code[@]}"
	mapfile -t code < <(printf '%s\n' "${code[@]}" | grep '\.c$')
	forbid "probe outside of compat.h" '^#[[:blank:]]*if.*\bHAVE_' "${code[@]}"
}

# Every ioctl has its place in the threat model, every parameter in the README.
check_documented() {
	local name

	while read -r name; do
		grep -q -w "$name" docs/threat-model.md || echo "docs/threat-model.md: who may call $name?"
	done < <(sed -n 's/^#define VTDPASID_CMD_\([A-Z_]*\).*/\1/p' include/uapi/vtdpasid.h)
	while read -r name; do
		grep -q -w "$name" README.md || echo "README.md: the parameter $name is missing"
	done < <(sed -n 's/^module_param\(_named\)\?(\([a-z_]*\),.*/\2/p' src/*.c)
}

# Which kernels the module takes for tested: src/main.c says so in the log.
check_conftest() {
	local version want found

	while read -r version want; do
		found=$(sh scripts/conftest.sh . "$version" 2>/dev/null |
			sed -n 's/^#define VTDP_KERNEL_TESTED //p')
		[ "$found" = "$want" ] || echo "kernel $version: \"$found\", not $want"
	done <<-'END'
		5.19 0
		6.0 0
		6.1 1
		6.12 1
		7.3 1
		7.4 0
		7.10 0
		10.1 0
	END
}

# Links from one file of the tree to another lead somewhere.
check_links() {
	local file link

	while IFS= read -r file; do
		while IFS= read -r link; do
			case $link in *://* | '#'* | mailto:*) continue ;; esac
			[ -e "$(dirname "$file")/${link%%#*}" ] || echo "$file: no such file: $link"
		done < <(grep -o ']([^)]*)' "$file" | sed 's/^](//;s/)$//')
	done < <(grep '\.md$' "$run/sources")
}

# docs/hazards.md: each rule has its row, and all that it names exists.
check_hazards() {
	local name

	need_python || return
	python3 tests/mutants/mutants.py --list >"$run/list" || { cat "$run/list"; return 1; }
	sed 's/:.*//' "$run/list" >"$run/mutants"
	seq 61 >"$run/want"
	sed -n 's/^| \([0-9][0-9]*\) |.*/\1/p' docs/hazards.md >"$run/rows"
	cmp -s "$run/want" "$run/rows" || echo "docs/hazards.md: rows are not 1 to 61, one after the other"
	# Backquotes are Markdown's.
	# shellcheck disable=SC2016
	grep -o '`[^`]*`' docs/hazards.md | tr -d '`' | sort -u >"$run/names"
	while IFS= read -r name; do
		case $name in
		hand/...) ;;
		hand/* | check/* | lock/* | flush/* | barrier/* | descriptor/*)
			grep -q -x -F -e "$name" "$run/mutants" || echo "docs/hazards.md: no such mutant: $name"
			;;
		test_* | fuzz_*) [ -e "tests/host/$name.c" ] || echo "docs/hazards.md: no such test: $name" ;;
		[tsxf]_*) [ -e "tests/guest/$name.c" ] || echo "docs/hazards.md: no such test: $name" ;;
		*'()') grep -q -w -F -e "${name%()}" src/*.[ch] || echo "docs/hazards.md: no such function: $name" ;;
		*.c | *.h) [ -e "src/$name" ] || echo "docs/hazards.md: no such file: $name" ;;
		esac
	done <"$run/names"
}

check_syzkaller() {
	need_python || return
	python3 tests/syz-check.py
}

# ---- all -----------------------------------------------------------------------

check "shellcheck: ${#script_files[@]} scripts" check_shell
check "python: syntax" check_python
check "file modes" check_modes
check "SPDX lines" check_spdx
check "one version: module, dkms.conf, debian/changelog" check_versions
check "dkms.conf" check_dkms_conf
check "lines of up to 100 columns" check_columns
check "nothing that does not belong here" check_forbidden
check "ioctls and parameters are documented" check_documented
check "links between documents" check_links
check "kernels that are said to be tested" check_conftest
check "docs/hazards.md: rules, mutants and tests" check_hazards
check "syzkaller's description is the header's" check_syzkaller
check "include/uapi stands alone" check_uapi
check "netlink spec and headers agree" check_netlink_spec
check "libvtdpasid: gcc without a warning, C++, exports" check_library
check "vtdpasid: gcc without a warning" check_command
check "manual pages: mandoc is content" check_man
check "completion: syntax" check_completion
check "checkpatch --strict: ${#module_files[@]} files" check_checkpatch
if [ -n "$do_build" ]; then
	check "kernel $kernel: gcc W=1 and sparse without a warning" check_kbuild
	check "kernel $kernel: no injected errors in the module that is shipped" check_shipped
fi
check "kernel-doc" check_kernel_doc
echo "1..$tests"
[ $failures = 0 ]
