# The benchmark's programs. Included by the Makefile; alone, from the tree's
# root, it builds them too: make -f bench/bench.mk bench-programs
B ?= build
CC := gcc
BENCH_CFLAGS := -std=gnu11 -g -O2 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla
BENCH_COMMON := launch figures host
BENCH_HEADERS := $(wildcard bench/*.h)
BENCH_TOOLS := $(addprefix $(B)/bench/,boot compare density)
BENCH_GUESTS := $(addprefix $(B)/bench/,tiny idle big-16 disk syscall wake)
BENCH_LARGE := $(B)/bench/big-256

bench-programs: bench-programs-quick $(BENCH_LARGE)
bench-programs-quick: $(BENCH_TOOLS) $(BENCH_GUESTS)

# Static, so that a child begins from a small process.
$(B)/bench/boot: $(BENCH_COMMON:%=bench/%.c) bench/boot.c bench/contender.c bench/report.c \
	bench/picture.c
$(B)/bench/compare: $(BENCH_COMMON:%=bench/%.c) bench/compare.c
$(B)/bench/density: $(BENCH_COMMON:%=bench/%.c) bench/density.c
$(BENCH_TOOLS): $(BENCH_HEADERS) bench/bench.mk
	@mkdir -p $(@D)
	$(if $(V),,@printf '  CC      %s\n' '$@' &&) $(CC) $(BENCH_CFLAGS) -static -o $@ \
		$(filter %.c,$^) -ljansson -lm

$(B)/bench/disk: bench/disk.c bench/bench.mk
	@mkdir -p $(@D)
	$(if $(V),,@printf '  CC      %s\n' '$@' &&) $(CC) $(BENCH_CFLAGS) -static -o $@ $< -luring

$(B)/bench/syscall: bench/syscall.c bench/bench.mk
	@mkdir -p $(@D)
	$(if $(V),,@printf '  CC      %s\n' '$@' &&) $(CC) $(BENCH_CFLAGS) -static -o $@ $< -pthread

$(B)/bench/wake: bench/wake.c bench/bench.mk
	@mkdir -p $(@D)
	$(if $(V),,@printf '  CC      %s\n' '$@' &&) $(CC) $(BENCH_CFLAGS) -static -o $@ $<

$(B)/bench/tiny: bench/programs/tiny.c bench/bench.mk
	@mkdir -p $(@D)
	$(if $(V),,@printf '  CC      %s\n' '$@' &&) $(CC) -O2 -Wall -Wextra -Werror \
		-s -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector -o $@ $<
$(B)/bench/idle: bench/programs/idle.c bench/bench.mk
	@mkdir -p $(@D)
	$(if $(V),,@printf '  CC      %s\n' '$@' &&) $(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<
$(B)/bench/big-%: bench/programs/big.c bench/bench.mk
	@mkdir -p $(@D)
	$(if $(V),,@printf '  CC      %s\n' '$@' &&) $(CC) -O2 -Wall -Wextra -Werror -static \
		-DMIB=$* -o $@ $<

.PHONY: bench-programs bench-programs-quick
