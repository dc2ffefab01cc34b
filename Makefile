# SPDX-License-Identifier: GPL-2.0-only
#
# For people; what is built is in Kbuild. `make help` lists the targets.

KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= 6.1
VERSION := $(shell sed -n 's/^\#define VTDP_VERSION[[:space:]]*"\(.*\)"/\1/p' src/main.c)
DKMS_FILES := Kbuild Makefile dkms.conf scripts/conftest.sh \
	$(wildcard include/uapi/*.h) $(wildcard src/*.[ch]) $(wildcard LICENSES/*)
DKMS_DIR = /usr/src/vtdpasid-$(VERSION)
# -k KERNEL, as often as wanted; else the running kernel
DKMS_FLAGS ?=
# For tests/dkms-check.sh: --suite bookworm and the like
DKMS_CHECK_FLAGS ?=

all: module

help:
	@echo 'On a machine with kernel headers:'
	@echo '  module        build vtdpasid.ko for KDIR ($(KDIR))'
	@echo '  install       install it for that kernel'
	@echo '  dkms-install  install it by dkms, for this kernel and those that come'
	@echo '  dkms-remove   take that back'
	@echo '  tools         build libvtdpasid, vtdpasid and examples in build/tools'
	@echo '  tools-install install them (PREFIX=/usr/local, DESTDIR=)'
	@echo '  clean         remove what was built here; distclean: build/ as well'
	@echo 'In a virtual machine that is set up by itself, KERNEL=$(KERNEL):'
	@echo '  demo          what the module is for, in two minutes'
	@echo '  demo-sva      a device fills memory that is not there yet'
	@echo '  check         all tests that fit into ten minutes'
	@echo '  check-kernels builds and guest tests on each kernel'
	@echo '  check-debug   guest tests on a kernel that watches itself, and which lines they run'
	@echo '  check-kcsan   guest tests on a kernel that sees data races'
	@echo '  dkms-check    dkms add, build, install and remove in clean Debian roots'
	@echo '  check-mutants the module with one mistake at a time: which test sees it?'
	@echo '  fuzz          random inputs, in userspace: SECONDS=60 SEED=1'
	@echo '  fuzz-guest    random calls, in a guest that watches itself: SECONDS=300'
	@echo '  check-all     all checks but check-mutants, and long random runs'
	@echo '  bench         measured beside the in-kernel driver; bench-quick: in 3 minutes'

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

install: module
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install
	depmod -a

dkms-install:
	@command -v dkms >/dev/null || { echo 'dkms is missing: apt-get install dkms' >&2; exit 1; }
	$(MAKE) --no-print-directory dkms-remove
	$(MAKE) --no-print-directory dkms-source
	dkms add vtdpasid/$(VERSION)
	dkms install $(DKMS_FLAGS) vtdpasid/$(VERSION)

dkms-remove:
	! dkms status vtdpasid/$(VERSION) | grep -q . || dkms remove --all vtdpasid/$(VERSION)
	rm -rf $(DKMS_DIR)

dkms-source:
	install -d $(DESTDIR)$(DKMS_DIR)
	cp --parents $(DKMS_FILES) $(DESTDIR)$(DKMS_DIR)

tools:
	$(MAKE) -C tools O=$(CURDIR)/build/tools all

tools-install:
	$(MAKE) -C tools O=$(CURDIR)/build/tools install

check:
	tests/check.sh --kernel $(KERNEL)

demo:
	tests/demo/run-demo.sh --kernel $(KERNEL) demo

demo-sva:
	tests/demo/run-demo.sh --kernel $(KERNEL) demo-sva

check-kernels:
	tests/check-kernels.sh

check-debug:
	tests/check-debug.sh --coverage

check-kcsan:
	tests/check-debug.sh --kernel 6.1-kcsan

dkms-check:
	scripts/tap-run.sh build/logs/dkms.tap tests/dkms-check.sh $(DKMS_CHECK_FLAGS)
	scripts/tap-sum.sh build/logs/dkms.tap

# Sources broken in one place at a time: ONLY=PATTERN, JOBS=N, and what else
# tests/mutants/mutants.py takes in MUTANTS.
check-mutants:
	scripts/debug-kernel.sh 6.1-kcsan
	tests/mutants/mutants.py --guest --jobs $(or $(JOBS),$(shell nproc)) $(if $(ONLY),--only '$(ONLY)') $(MUTANTS)

# Random inputs for SECONDS, in userspace, and in the guest on the debug kernel.
fuzz:
	$(MAKE) -C tests/host O=$(CURDIR)/build/host fuzz $(if $(SECONDS),SECONDS=$(SECONDS)) $(if $(SEED),SEED=$(SEED))

fuzz-guest:
	scripts/debug-kernel.sh
	tests/run-guest.sh --kernel 6.1-debug --only fuzz --fuzz $(or $(SECONDS),300)$(if $(SEED),:$(SEED))

bench:
	tests/bench/run.sh

bench-quick:
	tests/bench/run.sh --quick

# What check leaves out on 6.1, check-debug runs on 6.1-debug.
check-all: check check-debug check-kcsan dkms-check
	tests/check-kernels.sh 6.12 7.3
	tests/run-guest.sh --kernel $(KERNEL) --only fuzz --fuzz 20
	$(MAKE) -C tests/host O=$(CURDIR)/build/host fuzz SECONDS=300
	$(MAKE) -C tests/host O=$(CURDIR)/build/host long

clean:
	rm -rf generated .tmp_versions
	find . -path ./build -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name modules.order \
		-o -name Module.symvers \) -type f -exec rm -f {} +

distclean: clean
	rm -rf build

.PHONY: all help module install tools tools-install dkms-install dkms-remove dkms-source check demo \
	demo-sva check-kernels check-debug check-kcsan check-mutants fuzz fuzz-guest dkms-check bench bench-quick \
	check-all clean distclean
