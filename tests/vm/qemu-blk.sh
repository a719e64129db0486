#!/bin/sh
# qemu-blk.sh: the same guest image and its disk driver on QEMU's
# virtio-blk-device: registers negotiated one by one, interrupts by the IOAPIC.
B=${T_BUILD:-build}

# boot ACCEL FILE READONLY PROGRAM COMMANDLINE
boot()
{
	model=max
	[ "$1" = tcg ] || model='host,-arch-capabilities'
	qemu-system-x86_64 -accel "$1" -cpu "$model" -M microvm,acpi=off -m 128 -nodefaults \
		-display none -no-reboot -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
		-global virtio-mmio.force-legacy=false -drive "file=$2,if=none,id=d,format=raw,discard=unmap,readonly=$3" \
		-device virtio-blk-device,drive=d -kernel "$B/guest.elf" -initrd "$4" -append "$5" </dev/null
}

if [ "${1:-}" = --boot ]; then
	shift
	boot "$@"
	exit
fi
export T_LIMIT=60
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)
blockio=$B/vm/blockio
accels=tcg
if [ -w /dev/kvm ]; then accels='tcg kvm'; fi
head -c 4194304 /dev/urandom >"$T/a"
sum=$(sha256sum "$T/a" | cut -d ' ' -f 1)
for accel in $accels; do
	# isa-debug-exit makes the status 2n + 1
	t_run "every byte, $accel" 1 "$0" --boot "$accel" "$T/a" off "$busybox" 'busybox sha256sum /dev/vda'
	t_out_match "^$sum  /dev/vda"
	t_run "sizes, $accel" 1 "$0" --boot "$accel" "$T/a" on "$blockio" 'blockio info /dev/vda'
	t_out_match '^4194304 bytes, 8192 sectors, blocks of 512 and 512, ro 1, block device, end 4194304'
	t_run "offsets and ends, $accel" 1 "$0" --boot "$accel" "$T/a" off "$blockio" 'blockio edges /dev/vda'
	t_out_match '^as on Linux'
	cp "$T/a" "$T/b"
	t_run "reads and writes of all kinds, $accel" 1 "$0" --boot "$accel" "$T/a" off "$blockio" \
		'blockio mix /dev/vda 5 150'
	t_out_match '^all bytes right'
	t_check 'the host failed' "$blockio" mix "$T/b" 5 150 >/dev/null
	t_check 'the file differs from what the host makes of it' cmp "$T/a" "$T/b"
	t_run "many at a time (Linux AIO), $accel" 1 "$0" --boot "$accel" "$T/a" off "$B/vm/aio" \
		'aio /dev/vda 1 50'
	t_out_match '^as it should be'
	t_run "zeroes, $accel" 1 "$0" --boot "$accel" "$T/a" off "$blockio" \
		'blockio range /dev/vda zero 4096 65536'
	t_out_match '^zero'
	t_run "discard, $accel" 1 "$0" --boot "$accel" "$T/a" off "$blockio" \
		'blockio range /dev/vda discard 131072 65536'
	t_out_match '^zero'
	sum=$(sha256sum "$T/a" | cut -d ' ' -f 1)
done
t_done
