# The ABI programs: every tests/abi/AREA.c becomes one static program
# for each C library; start.c also a static-PIE one.
#
# Included by the top Makefile; stands alone too:
#   make -f tests/abi/abi.mk abi-programs

ABI_DIR    := tests/abi
ABI_OUT    := build/abi
ABI_CC     ?= gcc
ABI_MUSL   ?= musl-gcc
# Wrong arguments are what many cases are about.
ABI_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -D_GNU_SOURCE \
	-U_FORTIFY_SOURCE -mno-avx -Wno-stringop-overflow -Wno-stringop-overread \
	-Wno-nonnull -Wno-array-bounds

# Not programs: what several of them are linked with.
ABI_PARTS  := filing harness places signalling sockets threading tiny
ABI_AREAS  := $(filter-out $(ABI_PARTS),$(basename $(notdir $(wildcard $(ABI_DIR)/*.c))))
ABI_PROGRAMS := $(ABI_AREAS:%=$(ABI_OUT)/glibc/%) $(ABI_AREAS:%=$(ABI_OUT)/musl/%) \
	$(ABI_OUT)/pie/start

abi-programs: $(ABI_PROGRAMS)

.PHONY: abi-programs abi-linux

ABI_COMMON := $(ABI_DIR)/harness.c $(ABI_DIR)/abi.h $(ABI_DIR)/abi.mk

ABI_FILING := attributes descriptors files io offsets
ABI_SIGNALLING := signal_waits signals
ABI_PLACES := badargs pointers
ABI_SOCKETS := raw rights sockopt tcp udp unix unix_datagrams
ABI_TINY := exec exec_errors execargs
ABI_THREADS := changing futexes rseq threads thread_locks thread_signals

$(ABI_OUT)/glibc/regs $(ABI_OUT)/musl/regs: $(ABI_DIR)/regs.S
$(ABI_SOCKETS:%=$(ABI_OUT)/glibc/%) $(ABI_SOCKETS:%=$(ABI_OUT)/musl/%): \
	$(ABI_DIR)/sockets.c $(ABI_DIR)/sockets.h
$(ABI_THREADS:%=$(ABI_OUT)/glibc/%) $(ABI_THREADS:%=$(ABI_OUT)/musl/%): \
	$(ABI_DIR)/threading.c $(ABI_DIR)/threading.h
$(ABI_FILING:%=$(ABI_OUT)/glibc/%) $(ABI_FILING:%=$(ABI_OUT)/musl/%): \
	$(ABI_DIR)/filing.c $(ABI_DIR)/filing.h
$(ABI_SIGNALLING:%=$(ABI_OUT)/glibc/%) $(ABI_SIGNALLING:%=$(ABI_OUT)/musl/%): \
	$(ABI_DIR)/signalling.c $(ABI_DIR)/signalling.h
$(ABI_PLACES:%=$(ABI_OUT)/glibc/%) $(ABI_PLACES:%=$(ABI_OUT)/musl/%): \
	$(ABI_DIR)/places.c $(ABI_DIR)/places.h
$(ABI_OUT)/glibc/patch $(ABI_OUT)/musl/patch: $(ABI_DIR)/patch.S
$(ABI_TINY:%=$(ABI_OUT)/glibc/%) $(ABI_TINY:%=$(ABI_OUT)/musl/%): \
	$(ABI_DIR)/tiny.c $(ABI_DIR)/tiny.h
$(foreach area,async pty ptypacket,$(ABI_OUT)/glibc/$(area) $(ABI_OUT)/musl/$(area)): $(ABI_DIR)/pty.h

$(ABI_OUT)/glibc/%: $(ABI_DIR)/%.c $(ABI_COMMON)
	@mkdir -p $(@D)
	$(Q)$(call say,ABI,$@) $(ABI_CC) $(ABI_CFLAGS) -fno-pie -no-pie -static -o $@ $(filter %.c %.S,$^) -lm

$(ABI_OUT)/musl/%: $(ABI_DIR)/%.c $(ABI_COMMON)
	@mkdir -p $(@D)
	$(Q)$(call say,ABI,$@) $(ABI_MUSL) $(ABI_CFLAGS) -fno-pie -no-pie -static -o $@ $(filter %.c %.S,$^) -lm

$(ABI_OUT)/pie/%: $(ABI_DIR)/%.c $(ABI_COMMON)
	@mkdir -p $(@D)
	$(Q)$(call say,ABI,$@) $(ABI_CC) $(ABI_CFLAGS) -fpie -static-pie -o $@ $(filter %.c %.S,$^) -lm

# The cases against Linux alone: deterministic, and the same in one process.
abi-linux: abi-programs
	$(ABI_DIR)/run.sh --linux-only
