#!/bin/bash
# boot_order.sh: writes guest/boot_order.lds, the functions of the library OS that
# a boot runs, in that order, for the linker to put side by side: each page that
# is touched costs the soft flavour a fault of 4 us. Takes them from QEMU's log of
# hello's boot; what only our own VMM's boot needs (the device tree) is named here.
# Run it when the boot has changed; a stale list costs time, not correctness.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# "ADDRESS 1 ORDER" for each address of the upper half that was executed
for hello in build/vm/hello-glibc build/vm/hello-musl; do
	tests/lab/count.sh -l "$work/log" build/guest.elf $hello hello >/dev/null
	grep -o '/ffffffff8[0-9a-f]*/' "$work/log" | tr -d /
done | awk '!seen[$0]++ { print $0, 1, NR }' >"$work/executed"

# Sorted together with "ADDRESS 0 NAME", each follows the function that it is in.
{
	echo "/* Made by guest/boot_order.sh. */"
	nm build/guest.elf | awk '$3 == "libos_text_start" { start = $1 }
		$2 ~ /[tT]/ { address[$3] = $1 }
		END { for (n in address) if (address[n] >= start) print address[n], 0, n }' | cat - "$work/executed" |
		sort -k1,1 -k2,2n | awk '$2 == 0 { name = $3; next } name { print $3, name }' |
		sort -n | awk '{ print "*(.text." $2 ")" }'
	for f in map_physical read_device_tree read_chosen read_cpus read_virtio property_strings \
		property_string property_u64 property_u32 read_ready cells word quad; do
		echo "*(.text.$f)"
	done
	echo "*libfdt.a:fdt.o(.text .text.*)"
	echo "*libfdt.a:fdt_ro.o(.text .text.*)"
} | awk '!seen[$0]++' >guest/boot_order.lds
wc -l guest/boot_order.lds
