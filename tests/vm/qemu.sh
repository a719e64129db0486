#!/bin/sh
# qemu.sh: the same guest image and programs under QEMU's microvm, without our
# VMM: found by command line and IOAPIC, on the serial port or a virtio
# console, and QEMU ends with the program. And the instruction counts of the
# boot, which QEMU tells exactly: they may fall, not rise.
B=${T_BUILD:-build}
KVM_MODEL='host,-arch-capabilities'

# qemu ACCEL PROGRAM COMMANDLINE OPTION...
qemu()
{
	accel=$1 program=$2 line=$3
	shift 3
	model=max
	[ "$accel" = tcg ] || model=$KVM_MODEL
	qemu-system-x86_64 -accel "$accel" -cpu "$model" -m 128 -nodefaults -display none \
		-no-reboot -kernel "$B/guest.elf" -initrd "$program" -append "$line" "$@" </dev/null
}

serial()
{
	accel=$1 program=$2 line=$3
	qemu "$accel" "$program" "$line" -M microvm -serial stdio \
		-device isa-debug-exit,iobase=0xf4,iosize=4
}

virtio()
{
	accel=$1 program=$2 line=$3
	qemu "$accel" "$program" "$line" -M microvm,acpi=off -global virtio-mmio.force-legacy=false \
		-device virtio-serial-device -chardev stdio,id=c -device virtconsole,chardev=c
}

if [ "${1:-}" = --boot ]; then
	shift
	"$@"
	exit
fi
export T_LIMIT=60
. "$(dirname "$0")/lib.sh"

accels=tcg
if [ -w /dev/kvm ]; then accels='tcg kvm'; fi
for accel in $accels; do
	# isa-debug-exit makes the status 2n + 1
	t_run "hello on the serial port, $accel" 1 "$0" --boot serial "$accel" "$B/hello" hello
	t_out_match '^hello from main.?$'
	t_run "a status passes, $accel" 3 "$0" --boot serial "$accel" /bin/busybox 'busybox false'
	t_run "quoted arguments, $accel" 1 "$0" --boot serial "$accel" /bin/busybox "busybox echo 'a  b' \"c\""
	t_out_match '^a  b c.?$'
	t_run "a virtio console, no ACPI, ended by reset, $accel" 0 "$0" --boot virtio "$accel" /bin/busybox \
		'busybox seq 3'
	t_out_match '^2.?$'
	t_run "poweroff through ACPI, $accel" 0 "$0" --boot qemu "$accel" "$B/hello" hello -M microvm \
		-serial stdio
	t_out_match '^hello from main.?$'
	# 2 * 139 + 1, of which eight bits remain
	t_run "a death by signal, $accel" 23 "$0" --boot serial "$accel" /bin/busybox \
		"busybox sh -c 'kill -SEGV \$\$'"
done

# count NAME KEY LIMIT PROGRAM: CPL0 instructions, by tests/lab/count.sh. Under
# QEMU the guest also reads PIT and RTC (900 of them), and maps the program's
# pages itself, which our VMM does for it.
count()
{
	t_case "$1"
	n=$(tests/lab/count.sh "$B/guest.elf" "$4" | awk -v key="$2" '$1 == key { print $2 }')
	t_check "$n instructions, at most $3 allowed" test "${n:-999999}" -le "$3"
}
count 'CPL0 instructions to CPL3' cpl0-to-cpl3 100 "$B/hello"
count 'CPL0 instructions to the entry of a static musl program' cpl0-to-entry 1900 "$B/vm/hello-musl"
count 'CPL0 instructions to the entry of a static glibc program' cpl0-to-entry 2300 "$B/hello"
t_done
