#!/bin/bash
# run.sh [--quick]: all benchmarks (`make bench`). Results under build/bench/;
# METHOD.md says what they mean. --quick: a smoke run of a few seconds.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
OUT=$B/bench
quick=()
[ "${1:-}" != --quick ] || quick=(--quick)

# crun refuses hosts that have both versions of cgroups mounted. In a mount
# namespace of our own the newer one can be hidden, and it makes an ordinary
# container with the older one.
if [ "$(id -u)" = 0 ] && [ -z "${BENCH_INSIDE:-}" ] &&
	mountpoint -q /sys/fs/cgroup/unified && command -v unshare >/dev/null; then
	BENCH_INSIDE=1 exec unshare -m --propagation private "$0" "$@"
fi
[ -z "${BENCH_INSIDE:-}" ] || umount /sys/fs/cgroup/unified

# ---- an OCI bundle of hello, with what `crun spec` calls usual

BUNDLE=
make_bundle() {
	if ! command -v crun >/dev/null; then
		why='crun is not installed'
	elif [ "$(id -u)" != 0 ]; then
		why='crun needs root to make an ordinary container'
	else
		BUNDLE=$(mktemp -d "${TMPDIR:-/tmp}/mayfly-bundle.XXXXXX") && fill_bundle && try_bundle
	fi
}

fill_bundle() {
	why='cannot make the OCI bundle'
	mkdir "$BUNDLE/rootfs" && cp "$B/hello" "$BUNDLE/rootfs/" &&
		(cd "$BUNDLE" && crun spec && sed -i -e 's/"terminal": true/"terminal": false/' \
			-e 's,"sh"$,"/hello",' config.json)
}

try_bundle() {
	why=$(timeout 20 crun --root "$BUNDLE/state" run --bundle "$BUNDLE" mayfly-try 2>&1 </dev/null)
	[ "$why" = 'hello from main' ]
}

cleanup() {
	[ -n "$BUNDLE" ] || return
	for id in mayfly-bench mayfly-try; do
		timeout 5 crun --root "$BUNDLE/state" delete -f "$id" 2>/dev/null
	done
	rm -rf "$BUNDLE"
}

# ---- instructions, counted once in the lab

counts=()
count_instructions() {
	local counter=tests/lab/count.sh
	[ -x $counter ] && [ ${#quick[@]} = 0 ] || return 0
	echo "counting instructions"
	if timeout 120 $counter "${MAYFLY_GUEST:-$B/guest.elf}" "$B/hello" hello \
		>"$OUT/counts.txt" 2>"$OUT/counts.log"; then
		counts=(--counts "$OUT/counts.txt")
	else
		echo "bench: $counter failed: $(tail -n 1 "$OUT/counts.log")" >&2
	fi
}

programs=bench-programs${quick:+-quick}
make -s --no-print-directory -f bench/bench.mk B="$B" "$programs" || exit 1
if ! [ -x "$B/vmm" ] || ! [ -x "$B/hello" ]; then
	echo "bench: run make first" >&2
	exit 1
fi
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if make_bundle; then
	container=(--bundle "$BUNDLE")
else
	container=(--no-bundle "$why")
fi
count_instructions
failed=0
"$OUT/boot" "${quick[@]}" --build "$B" --json "$OUT/boot.json" --svg "$OUT/boot.svg" \
	"${container[@]}" "${counts[@]}" || failed=1
echo
"$OUT/density" "${quick[@]}" --build "$B" --json "$OUT/density.json" || failed=1
echo
bench/disk.sh "${quick[@]}" || failed=1
echo
bench/syscall.sh "${quick[@]}" || failed=1
echo
if [ "$(id -u)" = 0 ] && command -v wrk >/dev/null; then
	bench/net.sh "${quick[@]}" || failed=1
	echo
	bench/apps.sh "${quick[@]}" || failed=1
else
	echo 'bench: bench/net.sh and apps.sh are left out, they need root and wrk'
fi
echo
echo "written: $OUT/boot.json $OUT/boot.svg $OUT/density.json"
[ $failed = 0 ] || echo "bench: something failed, see above" >&2
exit $failed
