#!/bin/bash
# disk.sh [--quick] [--rounds N] [--seconds S] [--jobs REGEX]: a disk in a VM
# beside the same job on the host; METHOD.md says what the numbers mean. Results
# also in build/bench/disk.json.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
OUT=$B/bench
tool=$OUT/disk
rounds=3 seconds=1 size=256M only=.
while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=1 seconds=0.2 size=64M ;;
	--rounds) rounds=$2 && shift ;;
	--seconds) seconds=$2 && shift ;;
	--jobs) only=$2 && shift ;;
	*)
		sed -n '2,4s/^# //p' "$0" >&2
		exit 2
		;;
	esac
	shift
done

work=$(mktemp -d "${BENCH_DISK_DIR:-${TMPDIR:-/tmp}}/mayfly-disk.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
file=$work/disk
head -c "${size%M}"M /dev/urandom >"$file" && sync "$file" || exit 1
mkdir -p "$OUT"
: >"$work/results"
failed=0

# mayfly JOB...: iops MB/s p50 p99 exits doorbells requests interrupts
mayfly() {
	local engine=aio
	[ "$4" != 1 ] || engine=sync
	timeout 60 "$B/vmm" run "$tool" --mem 256M --disk "$file" --stats -- /dev/vda "$engine" "$@" \
		"$seconds" direct 2>"$work/stats" </dev/null | tr '\n' ' '
	awk '/^vmm: vCPU 0: / { exits = $4 }
		/^vmm: block / { gsub(";", ""); print exits, $7, $9, $11 }' "$work/stats"
}

host() {
	timeout 60 "$tool" "$file" "$@" "$seconds" </dev/null
}

qemu() {
	local engine=aio
	[ "$4" != 1 ] || engine=sync
	timeout 60 qemu-system-x86_64 -accel kvm -cpu host,-arch-capabilities -M microvm,acpi=off -m 256 \
		-nodefaults -display none -no-reboot -serial stdio \
		-device isa-debug-exit,iobase=0xf4,iosize=4 -global virtio-mmio.force-legacy=false \
		-object iothread,id=t -drive "file=$file,if=none,id=d,format=raw,aio=io_uring,cache=writeback" \
		-device virtio-blk-device,drive=d,iothread=t -kernel "$B/guest.elf" -initrd "$tool" \
		-append "disk /dev/vda $engine $* $seconds direct" </dev/null 2>/dev/null | tr -d '\r'
}

# one CONTENDER CACHE NAME CMD...: a run with the host's page cache in that state
one() {
	local who=$1 cache=$2 name=$3
	shift 3
	"$tool" "$file" "$([ "$cache" = cold ] && echo evict || echo warm)" || exit 1
	"$@" | awk -v who="$who" -v name="$name" 'NF >= 4 { print name, who, $0; n = 1 } END { exit !n }' \
		>>"$work/results" || {
		echo "disk.sh: $who failed: $name" >&2
		failed=1
	}
}

run() {
	local cache=$1 name
	shift
	name=$(echo "$cache $*" | tr ' ' -)
	[[ $name =~ $only ]] || return 0
	names+=("$name")
	for ((i = 0; i < rounds; i++)); do
		one mayfly "$cache" "$name" mayfly "$@"
		one host-io_uring "$cache" "$name" host uring "$@"
		[ "$4" != 1 ] || one host-sync "$cache" "$name" host sync "$@"
		[ -z "$have_qemu" ] || one qemu "$cache" "$name" qemu "$@"
	done
}

have_qemu=
if command -v qemu-system-x86_64 >/dev/null && [ -w /dev/kvm ]; then have_qemu=1; fi
load=$(cut -d ' ' -f 1-3 /proc/loadavg)
names=()
for what in read write; do
	for how in random sequential; do
		for block in 4096 1048576; do
			for depth in 1 32; do
				[ $how$block != random1048576 ] || continue
				run warm $how $what $block $depth
			done
		done
	done
done
run cold random read 4096 1
run cold random read 4096 32
run cold sequential read 1048576 1

# Medians over the rounds; per request: of Mayfly's last round, its end and the
# set-up of the device included.
awk -v before="$load" -v json="$OUT/disk.json" -v order="${names[*]}" '
function median(key, column,    n, a, i, j, t) {
	n = count[key]
	for (i = 1; i <= n; i++) a[i] = value[key, i, column]
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
	return n ? a[int((n + 1) / 2)] : 0
}
{
	key = $1 " " $2
	n = ++count[key]
	for (i = 3; i <= NF; i++) value[key, n, i] = $i
}
END {
	printf "| job | Mayfly, 1/s | host io_uring | ratio | host pread | QEMU | p50 us, Mayfly | host | exits | doorbells | interrupts |\n"
	printf "|---|---|---|---|---|---|---|---|---|---|---|\n"
	printf "{\"load_before\": \"%s\", \"jobs\": [", before >json
	n = split(order, names, " ")
	for (i = 1; i <= n; i++) {
		m = names[i] " mayfly"; h = names[i] " host-io_uring"; s = names[i] " host-sync"; q = names[i] " qemu"
		last = count[m]; requests = last ? value[m, last, 9] : 0
		if (!requests || !count[h]) continue
		printf "| %s | %d | %d | %.2f | %s | %s | %.1f | %.1f | %.3f | %.3f | %.3f |\n", names[i], median(m, 3),
			median(h, 3), median(m, 3) / median(h, 3), count[s] ? int(median(s, 3)) : "", count[q] ? int(median(q, 3)) : "",
			median(m, 5), median(h, 5), value[m, last, 7] / requests, value[m, last, 8] / requests, value[m, last, 10] / requests
		printf "%s\n{\"job\": \"%s\", \"mayfly_per_s\": %d, \"host_io_uring_per_s\": %d, \"host_pread_per_s\": %d, \"qemu_per_s\": %d, \"ratio\": %.3f, \"mayfly_p50_us\": %.1f, \"host_p50_us\": %.1f, \"exits_per_request\": %.4f, \"doorbells_per_request\": %.4f, \"interrupts_per_request\": %.4f}",
			(i > 1 ? "," : ""), names[i], median(m, 3), median(h, 3), median(s, 3), median(q, 3), median(m, 3) / median(h, 3), median(m, 5),
			median(h, 5), value[m, last, 7] / requests, value[m, last, 8] / requests, value[m, last, 10] / requests >json
	}
	print "\n]}" >json
}' "$work/results"
echo "load before: $load; written: $OUT/disk.json"
exit $failed
