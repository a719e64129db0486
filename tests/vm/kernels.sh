#!/bin/sh
# kernels.sh: kernels that end badly, which KVM's flavours tell of in their own ways:
# each with one line that says where it was.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$B/vm/kernels
t_run 'a kernel that ends by the exit port' 42 "$VMM" run "$kernel" --append exit
t_err ''
while read -r how what; do
	t_run "a kernel: $what" 125 "$VMM" run "$kernel" --append "$how" --timeout 10
	t_err_line "$what.* at instruction 0x"
done <<'END'
triple triple fault
halt interrupts are off
read read 4 bytes at physical address 0xe0000000, where there is nothing
write wrote 4 bytes at physical address 0xe0000000, where there is nothing
jump instruction
END

t_done
