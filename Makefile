# SPDX-License-Identifier: MIT
#
# The short commands. The build itself is CMake's (CMakeLists.txt); this file sets the machine up,
# configures build/ARCH and passes the wish on (ARCH=x86_64, riscv64 or aarch64).

# What is tested when nobody names an ARCH (or a BUILD).
ARCHES := x86_64 riscv64 aarch64
TESTED := $(or $(ARCH),$(if $(BUILD),x86_64,$(ARCHES)))

ARCH  ?= x86_64
BUILD ?= build/$(ARCH)
IMAGE ?= min
JOBS  ?= $(shell nproc)

.PHONY: tested all setup configure qemu qemu-gdb test test-list test-long bench bench-linux bench-programs image \
        image-disk image-update listing model prove prove-cold fuzz mutants format check doc clean help

all: configure             ## build everything (the default)
	@cmake --build $(BUILD) -j $(JOBS)

setup:                     ## install what is missing on this machine
	@tools/setup

configure: setup
	@if [ ! -e $(BUILD)/Makefile ]; then cmake --preset $(ARCH) -B $(BUILD); fi

qemu: all                  ## boot from a disk to the shell, IMAGE=min or dev; Ctrl-A X leaves
	@cmake -DEXO_IMAGE=$(IMAGE) $(BUILD) > /dev/null
	@cmake --build $(BUILD) --target qemu

qemu-gdb: all              ## the same, stopped and waiting for gdb on port 1234
	@cmake --build $(BUILD) --target qemu-gdb

test: tested               ## what a commit must pass; T=PATTERN picks tests, ARCH=... one machine
	@tools/posix-calls
	@ctest --test-dir $(SUITE) --output-on-failure --no-tests=error -j $(JOBS) -LE long \
	    $(if $(T),-R '$(T)')

test-list: tested          ## the names of all tests
	@ctest --test-dir $(SUITE) -N

test-long: tested          ## the long campaigns as well
	@ctest --test-dir $(SUITE) --output-on-failure --no-tests=error -j $(JOBS) $(if $(T),-R '$(T)'); \
	    status=$$?; grep -h '^scaling on' $(SUITE)/Testing/Temporary/LastTest.log; exit $$status

# One ctest for the builds of all machines: a folder whose test file names theirs.
SUITE := $(if $(filter 1,$(words $(TESTED))),$(BUILD),build/all)
tested:
	@for arch in $(TESTED); do \
	    $(MAKE) --no-print-directory ARCH=$$arch $(if $(filter 1,$(words $(TESTED))),BUILD=$(BUILD)) all \
	    || exit 1; done
	@mkdir -p $(SUITE)
	@if [ ! -e $(SUITE)/Makefile ]; then \
	    for arch in $(TESTED); do echo "subdirs(../$$arch)"; done > $(SUITE)/CTestTestfile.cmake; fi

bench: all                 ## exobench under --icount, compared with Linux
	@bench/run --build $(BUILD)

bench-linux: setup         ## measure Linux again for the comparison
	@bench/run --build $(BUILD) --linux

bench-programs: all        ## gcc, cmake, python, git ... of the image dev, beside Linux (20 minutes)
	@bench/programs --build $(BUILD)

image: configure           ## the root file system IMAGE=min (default), busybox or dev
	@cmake --build $(BUILD) -j $(JOBS) --target image-$(IMAGE)

image-disk: configure      ## the same on a disk, for exo-run --root min or dev
	@cmake --build $(BUILD) -j $(JOBS) --target disk-$(IMAGE)

image-update: setup        ## renew the package list image/$(IMAGE).$(ARCH).lock from the mirror
	@image/build --arch $(ARCH) update $(IMAGE)

listing: configure         ## disassembly and symbols beside kernel.elf
	@cmake --build $(BUILD) --target listing

model: setup               ## the models of protocols, in all executions: one line a property
	@proofs/memory/check
	@proofs/models/check

prove: setup               ## the kernel's core, proved in C: one line a property
	@proofs/prove && proofs/bits

prove-cold: setup          ## the same, without the answers that are kept in proofs/cache
	@proofs/prove --cold

fuzz: all                  ## random calls in the guest, T=SECONDS
	@tests/fuzz --build $(BUILD) --seconds $(or $(T),60)

mutants: all               ## faults planted in the core, and what catches each; T=--conditions: all of them
	@proofs/mutants --build $(BUILD) $(T)

format: setup              ## lay all C files out by .clang-format
	@tools/check-format --fix

check: configure           ## only the checks of the source tree
	@ctest --test-dir $(BUILD) --output-on-failure -L check

doc: setup                 ## the pages made from sources: call reference, and Doxygen's if there
	@tools/gen-call-docs
	@if command -v doxygen > /dev/null; then doxygen doc/Doxyfile; \
	else echo "doxygen is not installed: only the call reference was made"; fi

clean:                     ## remove build/ and the symlink kernel.elf
	rm -rf build kernel.elf

help:                      ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1	\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    expand -t 16
