# Mayfly: `make run` boots a real program, `make test` runs every test,
# `make help` lists the rest. All outputs are under build/. V=1 shows commands.

B := build
CC := gcc
CLANG := clang
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL: # `make clean all` in this order
endif

Q := $(if $(V),,@)
# $(call say,WHAT,FILE): one quiet line before a command
say = $(if $(V),,printf '  %-7s %s\n' '$1' '$2' &&)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
COMMON := -std=gnu11 -g $(WARN)
DEPS = -MMD -MP
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

EXAMPLES := $(B)/hello $(B)/echod $(B)/httpd $(B)/stream

all: $(B)/vmm $(B)/vmm-slirp $(B)/guest.elf $(EXAMPLES) ## build the VMM, the guest image and the examples

# ---- the VMM: static, because the dynamic linker would cost more than the VM,
# and with musl, because glibc's start-up would cost 0.3 ms (it asks for CPUID
# fifty times, 7 us each). musl-gcc hides the system's headers; those that are
# needed, the kernel's and the libraries', get links in build/include.
VMM_SRC := $(wildcard vmm/*.c net/*.c)
VMM_OBJ := $(VMM_SRC:%.c=$(B)/obj/%.o)
VMM_CC := musl-gcc
VMM_CFLAGS := $(COMMON) -O2 -D_GNU_SOURCE -fno-plt
VMM_HEADERS := $(addprefix /usr/include/,linux asm-generic mtd liburing liburing.h jansson.h \
	jansson_config.h libfdt.h libfdt_env.h fdt.h) /usr/include/x86_64-linux-gnu/asm
VMM_LIBS := -luring -lfdt -ljansson # found where musl-gcc does not look:
VMM_LIB_FILES = $(VMM_LIBS:-l%=/usr/lib/x86_64-linux-gnu/lib%.a)

# ---- the user network's process: dynamic, since libslirp is (net/user.c)
SLIRP_SRC := $(wildcard net/slirp/*.c) vmm/fail.c
SLIRP_OBJ := $(SLIRP_SRC:%.c=$(B)/obj/slirp/%.o)
SLIRP_CFLAGS := $(COMMON) -O2 -D_GNU_SOURCE
SLIRP_LIBS := -lslirp -lseccomp

# ---- the guest image: kernel (CPL0) and library OS (CPL3) in one PVH ELF
KERNEL_SRC := $(wildcard guest/kernel/*.c guest/kernel/*.S)
LIBOS_SRC := $(wildcard guest/libos/*.c guest/libos/*.S guest/fs/*.c guest/drv/*.c \
	guest/net/*.c)
GUEST_OBJ := $(patsubst %,$(B)/obj/%.o,$(basename $(KERNEL_SRC) $(LIBOS_SRC)))
GUEST_CFLAGS := $(COMMON) -O2 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fno-strict-aliasing -fno-omit-frame-pointer -Wa,--noexecstack \
	-ffunction-sections
KERNEL_CFLAGS := -O2 -fomit-frame-pointer -fno-jump-tables

# Files that change only when flags or the set of sources do, so that such a
# change rebuilds or links again.
remember = $(if $(call same,$(file <$1),$2),,$(shell mkdir -p $(B))$(file >$1,$2))
same = $(and $(findstring x$(strip $1)x,x$(strip $2)x),$(findstring x$(strip $2)x,x$(strip $1)x))
ifneq ($(MAKECMDGOALS),clean)
$(call remember,$(B)/flags,$(CC) $(VMM_CC) $(VMM_CFLAGS) $(GUEST_CFLAGS) $(KERNEL_CFLAGS) $(SANITIZE))
$(call remember,$(B)/sources,$(VMM_OBJ) $(SLIRP_OBJ) $(GUEST_OBJ) $(VMM_LIBS) $(SLIRP_LIBS))
endif
$(B)/flags $(B)/sources: # gone only after `make clean all`
	@mkdir -p $(@D) && touch $@

$(B)/include: Makefile | need-build
	@mkdir -p $@ && ln -sfn $(VMM_HEADERS) $@ && touch $@
$(VMM_OBJ): $(B)/obj/%.o: %.c $(B)/flags $(B)/include | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(VMM_CC) $(VMM_CFLAGS) -isystem $(B)/include $(DEPS) -c $< -o $@
$(B)/vmm: $(VMM_OBJ) $(B)/sources
	$(Q)$(call say,LINK,$@) $(VMM_CC) -static -O2 -o $@.new $(VMM_OBJ) \
		$(VMM_LIB_FILES) -pthread && mv $@.new $@ # never half a file under this name

$(SLIRP_OBJ): $(B)/obj/slirp/%.o: %.c $(B)/flags | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(SLIRP_CFLAGS) $(DEPS) -c $< -o $@
$(B)/vmm-slirp: $(SLIRP_OBJ) $(B)/sources
	$(Q)$(call say,LINK,$@) $(CC) -O2 -o $@.new $(SLIRP_OBJ) $(SLIRP_LIBS) && mv $@.new $@

# What is rarely used, or waits for the host anyway, is small rather than fast: a
# VM of 2M has little room.
SMALL_SRC := $(wildcard guest/drv/fs.c guest/drv/blk.c $(addprefix guest/fs/,proc*.c sys*.c \
	copied.c devpts.c rootfs*.c virtiofs*.c overlay*.c ext2*.c erofs*.c block_cache.c \
	mapped_page.c notify.c) $(addprefix guest/net/,dhcp*.c \
	netlink.c rtnetlink.c sock_diag.c sock_list.c mld.c ndp.c router.c reass.c *opt.c) $(addprefix guest/libos/,sock_ioctl.c \
	mappings.c sys_sockopt.c sys_xattr.c tty*.c sys_cred.c locks.c elf_file.c exec_file.c exec_program.c sys_exec.c inotify.c memfd.c pidfd.c pty*.c console_tty.c sysv_*.c mqueue.c sys_mqueue.c \
	process_vm.c space_pages.c sys_size.c sys_prctl.c sys_limits.c sys_sched.c membarrier.c sys_mount.c splice.c \
	timerfd.c signalfd.c aio.c patch_match.c futex_pi.c futex_waitv.c \
	boot_info.c exec.c elf.c itimer.c posix_timer.c sys_attr.c net_boot.c async.c))
$(SMALL_SRC:%.c=$(B)/obj/%.o): GUEST_CFLAGS += -Os
$(B)/obj/guest/kernel/%.o: guest/kernel/%.c $(B)/flags | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(GUEST_CFLAGS) $(KERNEL_CFLAGS) $(DEPS) -c $< -o $@
$(B)/obj/guest/%.o: guest/%.c $(B)/flags | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(GUEST_CFLAGS) $(DEPS) -c $< -o $@
$(B)/obj/guest/%.o: guest/%.S $(B)/flags | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,AS,$<) $(CC) $(COMMON) -DVDSO_FILE='"$(B)/vdso.so"' $(DEPS) -c $< -o $@
# The vDSO is a shared object of its own inside the guest image.
VDSO_CFLAGS := $(COMMON) -O2 -fPIC -mgeneral-regs-only -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none
VDSO_LDFLAGS := -shared -nostdlib -s -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both \
	-Wl,--build-id=none -Wl,-z,max-page-size=4096
$(B)/vdso.so: guest/vdso/vdso.c guest/vdso/vdso.lds guest/libos/entry.h guest/kernel/kcall.h \
		$(B)/flags | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,LINK,$@) $(CC) $(VDSO_CFLAGS) $(VDSO_LDFLAGS) -Wl,-T,guest/vdso/vdso.lds \
		-o $@ $<
$(B)/obj/guest/libos/vdso.o: $(B)/vdso.so
$(B)/guest.lds: guest/guest.lds.S guest/boot_order.lds shared/abi.h | need-build
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x assembler-with-cpp -D__ASSEMBLER__ -o $@ $<
$(B)/guest.elf: $(B)/guest.lds $(GUEST_OBJ) $(B)/sources
	$(Q)$(call say,LINK,$@) $(LD) -static -nostdlib -z noexecstack -z max-page-size=4096 \
		--no-warn-rwx-segments -T $(B)/guest.lds -o $@.new $(GUEST_OBJ) \
		/usr/lib/x86_64-linux-gnu/libfdt.a && mv $@.new $@

# ---- programs to run
$(B)/hello: examples/hello.c | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) -O2 -static -o $@ $<
$(B)/echod: examples/echod.c examples/server.c
$(B)/httpd: examples/httpd.c examples/answer.c examples/http.c examples/files.c examples/server.c
$(B)/stream: examples/stream.c examples/server.c
$(filter-out $(B)/hello,$(EXAMPLES)): $(wildcard examples/*.h) $(B)/flags | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) $(CC) $(COMMON) -D_GNU_SOURCE -O2 -static -o $@ $(filter %.c,$^)

run: all ## boot build/hello and print its boot timeline
	@$(B)/vmm check >$(B)/check.log || { cat $(B)/check.log; \
		echo "make run: this host cannot run it; make lab CMD='build/vmm run build/hello'"; \
		echo "runs it in an emulated machine."; exit 1; }
	$(if $(V),,@)$(B)/vmm run $(B)/hello --verbose

# ---- the tests: tests/run.sh runs them and counts
VM_PROGRAMS := $(patsubst tests/vm/%.c,$(B)/vm/%,$(wildcard tests/vm/*.c)) \
	$(B)/vm/hello-glibc $(B)/vm/hello-musl $(B)/vm/hello-pie $(B)/vm/hello-dynamic $(B)/vm/kernels \
	$(B)/vm/cxx $(B)/vm/musl-dynamic $(B)/vm/cxx-dynamic $(B)/vm/hello-loader \
	$(B)/vm/layout-dynamic $(B)/vm/layout-pie $(B)/vm/names-musl \
	$(B)/vm/numbers $(B)/vm/web
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# The rings unit and fuzz make their programs themselves, beside the lab.
test: all vm-programs net-programs abi-programs ## run every test (tests/run.sh)
	+@tests/run.sh $(RINGS)

vm-programs: $(VM_PROGRAMS)
net-programs: $(patsubst tests/net/%.c,$(B)/net/%,$(wildcard tests/net/*.c))
unit-programs: $(UNIT_TESTS)
fuzz-programs: $(FUZZERS)

$(B)/vm/hello-glibc: examples/hello.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) $(CC) -O2 -static -o $@ $<
$(B)/vm/hello-musl: examples/hello.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) musl-gcc -O2 -static -o $@ $<
$(B)/vm/hello-pie: examples/hello.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) $(CC) -O2 -fpie -static-pie -o $@ $<
$(B)/vm/hello-dynamic: examples/hello.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) $(CC) -O2 -o $@ $<
$(B)/vm/musl-dynamic: examples/hello.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) musl-gcc -O2 -o $@ $<
$(B)/vm/hello-loader: examples/hello.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) $(CC) -O2 -Wl,--dynamic-linker=loader -o $@ $<
$(B)/vm/layout-dynamic: tests/vm/layout.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) $(CC) -O2 -o $@ $<
$(B)/vm/layout-pie: tests/vm/layout.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) $(CC) -O2 -static-pie -o $@ $<
$(B)/vm/kernels: tests/vm/kernels.S | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,AS,$<) $(CC) -c -o $@.o $< && \
		$(LD) -n -Ttext=0x100000 --section-start=.note.pvh=0x101000 -e start -o $@ $@.o
$(B)/net/%: tests/net/%.c $(B)/flags | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(COMMON) -D_GNU_SOURCE -O2 -static -o $@ $<
$(B)/vm/%: tests/vm/%.c $(wildcard tests/vm/*.h) $(B)/flags | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(COMMON) -D_GNU_SOURCE -O2 -static -o $@ $<

# The linker warns that libgomp could load plug-ins.
$(B)/vm/openmp $(B)/vm/triad: $(B)/vm/%: tests/vm/%.c $(wildcard tests/vm/*.h) $(B)/flags | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(COMMON) -O2 -fopenmp -static -Wl,--no-warnings -o $@ $<

# The linker warns that names may be looked up by plug-ins.
$(B)/vm/names: tests/vm/names.c $(B)/flags | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(COMMON) -O2 -static -Wl,--no-warnings -o $@ $<
$(B)/vm/names-musl: tests/vm/names.c | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$@) musl-gcc -O2 -static -o $@ $<

$(B)/vm/cxx: tests/vm/cxx.cc $(B)/flags | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CXX,$<) $(CXX) -O2 -g -Wall -Wextra -Werror -std=c++17 -pthread -static -o $@ $<
$(B)/vm/cxx-dynamic: tests/vm/cxx.cc | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CXX,$<) $(CXX) -O2 -std=c++17 -pthread -o $@ $<

$(B)/vm/numbers: tests/vm/numbers.f90 | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,FORTRAN,$<) gfortran -O2 -Wall -o $@ $<
# A static binary: of the compiled standard library six packages are of no use then.
$(B)/vm/web: tests/vm/web.go | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,GO,$<) GOCACHE=$(CURDIR)/$(B)/go CGO_ENABLED=0 GO111MODULE=off GOFLAGS= \
		go build -o $@ $<

# Under sanitizers each source is compiled once with gcc, for the unit tests, and once
# with clang, for the fuzzers. What such a program links with stands in its first lines:
# "// link: vmm/options.c", "// libs: -ljansson". Second expansion runs sed only for
# programs that are asked for.
.SECONDEXPANSION:
says = $(shell sed -n '1,5s,^// $1:,,p' $2)
TEST_CFLAGS := $(COMMON) -D_GNU_SOURCE -DLIBOS_HOST_TEST -O1 $(SANITIZE)
TEST_SRC := $(wildcard vmm/*.c net/*.c guest/*/*.c examples/*.c tests/unit/*.c tests/fuzz/*.c \
	tests/net/hoststack.c)
TEST_OBJ := $(TEST_SRC:%.c=$(B)/obj/unit/%.o)
FUZZ_OBJ := $(TEST_SRC:%.c=$(B)/obj/fuzz/%.o)
# $(call objects,unit,FILE.c): of a program and of what it links with
objects = $(patsubst %.c,$(B)/obj/$1/%.o,$2 $(wildcard $(call says,link,$2)))

$(TEST_OBJ): $(B)/obj/unit/%.o: %.c $(B)/flags | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(TEST_CFLAGS) $(DEPS) -c $< -o $@
$(FUZZ_OBJ): $(B)/obj/fuzz/%.o: %.c $(B)/flags | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CLANG,$<) $(CLANG) $(TEST_CFLAGS) -fsanitize=fuzzer-no-link \
		-DDRIVER_MEM=0x40000 $(DEPS) -c $< -o $@
$(B)/unit/%: $$(call objects,unit,tests/unit/$$*.c)
	@mkdir -p $(@D)
	$(Q)$(call say,LINK,$@) $(CC) $(SANITIZE) -o $@ $^ $(call says,libs,tests/unit/$*.c) -lcmocka
$(B)/net/hoststack: $$(call objects,unit,tests/net/hoststack.c)
	@mkdir -p $(@D)
	$(Q)$(call say,LINK,$@) $(CC) $(SANITIZE) -o $@ $^ $(call says,libs,tests/net/hoststack.c)
$(B)/fuzz/%: $$(call objects,fuzz,tests/fuzz/$$*.c)
	@mkdir -p $(@D)
	$(Q)$(call say,LINK,$@) $(CLANG) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ \
		$(call says,libs,tests/fuzz/$*.c)

fuzz: fuzz-programs ## run each fuzzer for FUZZ_SECONDS=60
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZERS)

ASAN_OBJ := $(patsubst %.c,$(B)/asan/obj/%.o,$(filter-out vmm/fortify.c,$(VMM_SRC)))
asan: $(B)/asan/vmm $(B)/asan/vmm-slirp $(B)/asan/guest.elf ## build build/asan/vmm, the VMM with sanitizers
$(B)/asan/obj/%.o: %.c $(B)/flags | need-build
	@mkdir -p $(@D)
	$(Q)$(call say,CC,$<) $(CC) $(VMM_CFLAGS) -O1 $(SANITIZE) $(DEPS) -c $< -o $@
$(B)/asan/vmm: $(ASAN_OBJ) $(B)/sources
	$(Q)$(call say,LINK,$@) $(CC) $(SANITIZE) -o $@ $(ASAN_OBJ) $(VMM_LIBS) -pthread
$(B)/asan/vmm-slirp: $(SLIRP_SRC) $(B)/vmm-slirp
	@mkdir -p $(@D)
	$(Q)$(call say,LINK,$@) $(CC) $(SLIRP_CFLAGS) -O1 $(SANITIZE) -o $@ $(SLIRP_SRC) $(SLIRP_LIBS)
$(B)/asan/guest.elf: $(B)/guest.elf # found beside the VMM
	$(Q)cp $< $@

bench: all ## measure, side by side with the peers
	@bench/run.sh

apps-test: all vm-programs ## Python's own tests in a VM, sqlite3 with a million rows; minutes
	@tests/vm/pylib.py
	@T_ROWS=1000000 T_LIMIT=300 tests/vm/run.sh apps servers

MINUTES ?= 30
soak: all vm-programs ## mixed work on 4 vCPUs for MINUTES=30, which checks itself
	@$(B)/vmm run $(B)/vm/soak --cpus 4 -- $$(($(MINUTES) * 60))
	@$(B)/vmm run $(B)/vm/fdrace --cpus 4 -- $$(($(MINUTES) * 2)) 1 memory

docs: ## make docs/syscalls.md from the table of system calls
	$(Q)$(call say,DOC,docs/syscalls.md) docs/syscalls.sh >docs/syscalls.md

# ---- static checks; a file is looked at again only when it or a header changed
FORMATTED := $(wildcard vmm/*.[ch] net/*.[ch] net/slirp/*.[ch] shared/*.h guest/*/*.[ch] examples/*.[ch] \
	tests/*/*.[ch] tests/*/*/*.[ch])
TIDIED := $(VMM_SRC) $(filter net/%,$(SLIRP_SRC)) $(filter %.c,$(KERNEL_SRC) $(LIBOS_SRC))
HEADERS := $(filter %.h,$(FORMATTED))
SCRIPTS := deps.sh $(wildcard .ci/run guest/*.sh docs/*.sh net/*.sh bench/*.sh tests/*.sh tests/*/*.sh)

LINTED := $(FORMATTED:%=$(B)/lint/%.format) $(TIDIED:%=$(B)/lint/%.tidy) $(B)/lint/cppcheck \
	$(SCRIPTS:%=$(B)/lint/%.shell)
lint: $(LINTED) ## clang-format, clang-tidy, cppcheck, shellcheck
lint-quick: $(filter-out %.tidy,$(LINTED)) ## the same without clang-tidy, which takes minutes
format: ## bring all C files into the layout of .clang-format
	clang-format -i $(FORMATTED)
$(B)/lint/%.format: % .clang-format | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,FORMAT,$<) clang-format --dry-run -Werror $< && touch $@

tidy_flags = $(filter-out -fcf-protection=none -Wa%,$(if $(filter guest/kernel/%,$1),$(GUEST_CFLAGS) $(KERNEL_CFLAGS),\
	$(if $(filter guest/%,$1),$(GUEST_CFLAGS),$(VMM_CFLAGS))))
$(B)/lint/%.tidy: % $(HEADERS) .clang-tidy | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,TIDY,$<) clang-tidy --quiet $< -- $(call tidy_flags,$<) 2>$@.err || \
		{ cat $@.err; exit 1; }
	@touch $@

$(B)/lint/cppcheck: $(TIDIED) $(HEADERS) tests/cppcheck.txt tests/cppcheck.cfg | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,CPPCHECK,) cppcheck --quiet --std=c11 --platform=unix64 --inline-suppr \
		--enable=warning,performance,portability --library=tests/cppcheck.cfg \
		--suppressions-list=tests/cppcheck.txt --error-exitcode=1 -D_GNU_SOURCE \
		-D__x86_64__ '-D_Noreturn=__attribute__((noreturn))' $(TIDIED) && touch $@

$(B)/lint/%.shell: % | need-test
	@mkdir -p $(@D)
	$(Q)$(call say,SHELL,$<) shellcheck -x -P SCRIPTDIR $< && touch $@

# ---- the rest
install: all ## install to PREFIX=/usr/local (and DESTDIR)
	install -D -m 755 $(B)/vmm $(DESTDIR)$(PREFIX)/bin/vmm
	install -D -m 755 $(B)/vmm-slirp $(DESTDIR)$(PREFIX)/libexec/mayfly/vmm-slirp
	install -D -m 644 $(B)/guest.elf $(DESTDIR)$(PREFIX)/share/mayfly/guest.elf
	install -D -m 644 docs/vmm.1 $(DESTDIR)$(PREFIX)/share/man/man1/vmm.1
	install -d $(DESTDIR)$(PREFIX)/share/mayfly/configs
	install -m 644 $(wildcard configs/*.json) $(DESTDIR)$(PREFIX)/share/mayfly/configs

deps: ## install the Debian packages that building and testing need
	@./deps.sh install build test lab

# Only these goals may install packages; the others say what is missing.
NEED := ./deps.sh $(if $(filter run test bench lab deps,$(MAKECMDGOALS)),install,check)
need-build:
	@$(NEED) build
need-test: need-build
	@$(NEED) build test $(if $(filter test,$(MAKECMDGOALS)),lab)

clean: ## remove build/
	rm -rf $(B)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: all run test apps-test bench soak docs lint lint-quick format asan fuzz install deps clean help \
	vm-programs unit-programs fuzz-programs need-build need-test

-include bench/bench.mk
-include $(wildcard tests/lab/lab.mk tests/abi/abi.mk)
-include $(wildcard $(patsubst %.o,%.d,$(VMM_OBJ) $(SLIRP_OBJ) $(GUEST_OBJ) \
	$(ASAN_OBJ) $(TEST_OBJ) $(FUZZ_OBJ)))
