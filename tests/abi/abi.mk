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

# Not programs: what several of them are linked with, compiled once for each C library.
ABI_PARTS  := filing harness patch_sites places queues regs_asm signalling sockets threading tiny
ABI_AREAS  := $(filter-out $(ABI_PARTS),$(basename $(notdir $(wildcard $(ABI_DIR)/*.c))))
ABI_PROGRAMS := $(ABI_AREAS:%=$(ABI_OUT)/glibc/%) $(ABI_AREAS:%=$(ABI_OUT)/musl/%) \
	$(ABI_OUT)/pie/start
ABI_HEADERS := $(wildcard $(ABI_DIR)/*.h) $(ABI_DIR)/abi.mk

abi-programs: $(ABI_PROGRAMS)

.PHONY: abi-programs abi-linux

# $(call abi_rules,NAME,COMPILER,FLAGS)
define abi_rules
$(ABI_OUT)/$1/obj/%.o: $(ABI_DIR)/%.c $(ABI_HEADERS)
	@mkdir -p $$(@D)
	$(Q)$(call say,ABI,$$@) $2 $(ABI_CFLAGS) $3 -c -o $$@ $$<
$(ABI_OUT)/$1/obj/%.o: $(ABI_DIR)/%.S
	@mkdir -p $$(@D)
	$(Q)$(call say,ABI,$$@) $2 -c -o $$@ $$<
$(ABI_OUT)/$1/obj/parts.a: $(ABI_PARTS:%=$(ABI_OUT)/$1/obj/%.o)
	@rm -f $$@
	$(Q)$(AR) rcs $$@ $$^
$(ABI_OUT)/$1/%: $(ABI_DIR)/%.c $(ABI_OUT)/$1/obj/parts.a $(ABI_HEADERS)
	@mkdir -p $$(@D)
	$(Q)$(call say,ABI,$$@) $2 $(ABI_CFLAGS) $3 -o $$@ $$(filter %.c %.a,$$^) -lm
endef
$(eval $(call abi_rules,glibc,$(ABI_CC),-fno-pie -no-pie -static))
$(eval $(call abi_rules,musl,$(ABI_MUSL),-fno-pie -no-pie -static))
$(eval $(call abi_rules,pie,$(ABI_CC),-fpie -static-pie))

# The cases against Linux alone: deterministic, and the same in one process.
abi-linux: abi-programs
	$(ABI_DIR)/run.sh --linux-only
