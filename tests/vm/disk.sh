#!/bin/sh
# Disks: --disk, /dev/vda, and what of it is on the host when.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)
blockio=$B/vm/blockio
size=16777216
[ -z "$LAB" ] || size=2097152

random()
{
	head -c "$1" /dev/urandom
}

sum()
{
	sha256sum "$1" | cut -d ' ' -f 1
}

# ---- the option

t_run 'a file that is not there' 125 "$VMM" run "$B/hello" --disk "$T/none"
t_err_line 'truncate -s 1G'
t_run 'a directory' 125 "$VMM" run "$B/hello" --disk "$T"
t_err_line 'neither a regular file nor a block device'
: >"$T/empty"
t_run 'an empty file' 125 "$VMM" run "$B/hello" --disk "$T/empty"
t_err_line 'is empty'
t_run 'no file' 125 "$VMM" run "$B/hello" --disk ,ro
t_err_line 'give FILE or FILE,ro'
random $size >"$T/a"
random 5000 >"$T/odd"
cp "$T/a" "$T/copy"
t_run 'the same file twice' 125 "$VMM" run "$B/hello" --disk "$T/a" --disk "$T/a"
t_err_line 'another VM'
t_run 'the same file twice, to read' 0 "$VMM" run "$B/hello" --disk "$T/a,ro" --disk "$T/a,ro"
t_run 'a disk that is not used costs nothing' 0 "$VMM" run "$B/hello" --disk "$T/a" --stats
t_check 'more exits than without' grep -q 'vCPU 0: 2 exits' "$T/err"
printf '{"image": "%s", "disk": ["%s", "%s,ro"]}\n' "$B/hello" "$T/a" "$T/odd" >"$T/c.json"
t_run 'from a configuration' 0 "$VMM" run --config "$T/c.json"
t_case 'one VM after the other on one file'
for _ in 1 2 3 4 5; do
	t_exec "$VMM" run "$busybox" --disk "$T/a" -- dd if=/dev/vda of=/dev/null bs=64k count=4
	t_status_is 0
done

t_case 'two VMs, one file'
"$VMM" run "$busybox" --disk "$T/a" -- sleep 100 >"$T/out" 2>"$T/err" </dev/null &
first=$!
sleep 1
t_exec "$VMM" run "$B/hello" --disk "$T/a"
t_status_is 125
t_err_line 'another VM uses it'
t_exec "$VMM" run "$B/hello" --disk "$T/a,ro"
t_status_is 125
t_err_line 'another VM writes it'
kill "$first"
wait "$first" 2>/dev/null

# ---- reading

t_run 'ls' 0 "$VMM" run "$busybox" --disk "$T/a" --disk "$T/odd,ro" -- ls -l /dev/vda /dev/vdb
t_out_match '^brw-rw---- .* 254, +0 .* /dev/vda$'
t_out_match '^brw-rw---- .* 254, +16 .* /dev/vdb$'
t_run 'no disk, no node' 1 "$VMM" run "$busybox" -- ls /dev/vda
t_run 'one disk too few' 1 "$VMM" run "$busybox" --disk "$T/a" -- ls /dev/vdb
t_run 'sizes' 0 "$VMM" run "$blockio" --disk "$T/a" -- info /dev/vda
t_out "$size bytes, $((size / 512)) sectors, blocks of 512 and 4096, ro 0, block device, end $size"
t_run 'every byte, read in order' 0 "$VMM" run "$busybox" --disk "$T/a" -- sha256sum /dev/vda
t_out "$(sum "$T/a")  /dev/vda"
sync "$T/a"
dd if="$T/a" iflag=nocache count=0 status=none
t_run 'the same, when the host has to read it first' 0 "$VMM" run "$busybox" --disk "$T/a" -- sha256sum /dev/vda
t_out "$(sum "$T/a")  /dev/vda"
t_run 'with little memory' 0 "$VMM" run "$busybox" --disk "$T/a" --mem 4M -- sha256sum /dev/vda
t_out "$(sum "$T/a")  /dev/vda"
t_run 'a size that is no multiple of a sector' 0 "$VMM" run "$busybox" --disk "$T/odd,ro" -- sha256sum /dev/vda
cp "$T/odd" "$T/padded"
truncate -s 5120 "$T/padded"
t_out "$(sum "$T/padded")  /dev/vda"
t_run 'its sizes' 0 "$VMM" run "$blockio" --disk "$T/odd,ro" -- info /dev/vda
t_out '5120 bytes, 10 sectors, blocks of 512 and 4096, ro 1, block device, end 5120'
t_run 'offsets and ends' 0 "$VMM" run "$blockio" --disk "$T/a" -- edges /dev/vda
t_out 'as on Linux'

# ---- writing

t_run 'dd' 0 "$VMM" run "$busybox" --disk "$T/a" --disk "$T/copy,ro" -- \
	dd if=/dev/vdb of=/dev/vda bs=7000 status=none
t_check 'the file differs' cmp "$T/a" "$T/copy"
t_run 'dd to a part' 0 "$VMM" run "$busybox" --disk "$T/a" -- \
	dd if=/dev/zero of=/dev/vda bs=512 seek=13 count=21 conv=fsync
dd if=/dev/zero of="$T/copy" bs=512 seek=13 count=21 conv=notrunc status=none
t_check 'the file differs' cmp "$T/a" "$T/copy"
t_run 'more than fits' 1 "$VMM" run "$busybox" --disk "$T/a" -- dd if=/dev/zero of=/dev/vda bs=64k
t_err_has()
{
	grep -q "$1" "$T/err" || t_fail "stderr has no $1"
}
t_err_has 'No space left on device'
t_check 'the file grew' [ "$(stat -c %s "$T/a")" = $size ]
t_run 'a read-only disk' 1 "$VMM" run "$busybox" --disk "$T/copy,ro" -- dd if=/dev/zero of=/dev/vda bs=4k count=1
t_err_has 'Operation not permitted'
for seed in 1 2 3; do
	cp "$T/copy" "$T/a"
	cp "$T/copy" "$T/b"
	t_run "reads and writes of all kinds, $seed" 0 "$VMM" run "$blockio" --disk "$T/a" \
		--mem $((16 * seed + 20))M --cpus $seed -- mix /dev/vda $seed 200
	t_out 'all bytes right'
	t_check 'the host failed' "$blockio" mix "$T/b" $seed 200 >/dev/null
	t_check 'the file differs from what the host makes of it' cmp "$T/a" "$T/b"
done
cp "$T/copy" "$T/b"
cp "$T/copy" "$T/a"
truncate -s 4M "$T/a" "$T/b"
t_run 'many at a time (Linux AIO)' 0 "$VMM" run "$B/vm/aio" --disk "$T/a" -- /dev/vda 1 100
t_out 'as it should be'
if "$B/vm/aio" "$T/b" 1 100 >/dev/null; then
	t_check 'the file differs from what the host makes of it' cmp "$T/a" "$T/b"
else
	t_skip 'the same on the host' 'no O_DIRECT there'
fi
cp "$T/copy" "$T/a"
t_run 'zeroes' 0 "$VMM" run "$blockio" --disk "$T/a" -- range /dev/vda zero 1024 71680
t_out zero
t_check 'they are not in the file' cmp -n 71680 "$T/a" /dev/zero 1024 0
t_run 'discard' 0 "$VMM" run "$blockio" --disk "$T/a" -- range /dev/vda discard 131072 65536
t_out zero

# ---- when it is on the host

t_case 'written back without fsync, while the program sleeps'
cp "$T/copy" "$T/a"
"$VMM" run "$blockio" --disk "$T/a" -- dirty /dev/vda 1000 >"$T/out" 2>"$T/err" </dev/null &
vm=$!
tries=150
while ! [ "$(od -A n -t x1 -j 131071 -N 1 "$T/a")" = ' d1' ] && [ $tries -gt 0 ]; do
	sleep 0.1
	tries=$((tries - 1))
done
t_check 'it never was' [ $tries -gt 0 ]
kill "$vm"
wait "$vm" 2>/dev/null
cp "$T/copy" "$T/a"
t_run 'written at the end, without fsync' 0 "$VMM" run "$blockio" --disk "$T/a" -- dirty /dev/vda 0
t_check 'it was not' [ "$(od -A n -t x1 -j 131071 -N 1 "$T/a")" = ' d1' ]
t_case 'SIGKILL loses nothing that was synchronised'
for _ in 1 2 3; do
	cp "$T/copy" "$T/a"
	: >"$T/out"
	"$VMM" run "$blockio" --disk "$T/a" -- records /dev/vda >"$T/out" 2>"$T/err" </dev/null &
	vm=$!
	tries=200
	while [ "$(wc -l <"$T/out")" -lt 20 ] && [ $tries -gt 0 ]; do
		sleep 0.05
		tries=$((tries - 1))
	done
	kill -KILL "$vm"
	wait "$vm" 2>/dev/null
	last=$(sed -n '$p' "$T/out" | grep -E '^[0-9]+$' || sed -n 'x;$p' "$T/out")
	t_check 'no record was acknowledged' [ "${last:-0}" -ge 20 ]
	# record n is 512 words of n at (n % 256) * 4096; a later one may have taken its place
	got=$(od -A n -t u8 -j $((last % 256 * 4096)) -N 4096 -w8 -v "$T/a" | sort -u | tr -d ' ')
	t_check "record $last was lost: $got" [ "$got" = "$last" ] || [ "$got" = $((last + 256)) ]
done

# ---- the host fails

if [ "$(id -u)" = 0 ] && mkdir "$T/small" && mount -t tmpfs -o size=1m none "$T/small" 2>/dev/null; then
	for mode in plain sync direct; do
		truncate -s 8M "$T/small/disk"
		t_run "the host's file system is full: $mode" 0 "$VMM" run "$blockio" \
			--disk "$T/small/disk" -- fill /dev/vda 4194304 $mode
		case $mode in
		plain) t_out 'fsync: Input/output error
fsync: ok
other: Input/output error' ;;
		sync) t_out 'write: Input/output error
fsync: ok
fsync: ok
other: Input/output error' ;;
		direct) t_out 'write: Input/output error
fsync: ok
fsync: ok
other: ok' ;;
		esac
		rm "$T/small/disk"
	done
	umount "$T/small"
else
	t_skip "the host's file system is full" 'a file system cannot be mounted here'
fi
if [ "$(id -u)" = 0 ] && loop=$(losetup --show -f "$T/copy" 2>/dev/null); then
	t_run 'a block device' 0 "$VMM" run "$busybox" --disk "$loop" -- sha256sum /dev/vda
	t_out "$(sum "$T/copy")  /dev/vda"
	cp "$T/copy" "$T/b"
	t_run 'writing it' 0 "$VMM" run "$blockio" --disk "$loop" -- mix /dev/vda 7 100
	t_out 'all bytes right'
	t_check 'the host failed' "$blockio" mix "$T/b" 7 100 >/dev/null
	t_check 'it differs from what the host makes of it' cmp "$loop" "$T/b"
	losetup -d "$loop"
	loop=$(losetup -r --show -f "$T/copy")
	t_run 'a read-only block device' 125 "$VMM" run "$busybox" --disk "$loop" -- true
	t_err_line 'give FILE,ro'
	t_run 'a read-only block device, to read' 0 "$VMM" run "$busybox" --disk "$loop,ro" -- sha256sum /dev/vda
	losetup -d "$loop"
else
	t_skip 'a block device' 'there are no loop devices here'
fi
t_done
