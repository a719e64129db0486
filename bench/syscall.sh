#!/bin/bash
# syscall.sh [--quick] [--rounds N] [--cases REGEX]: system calls in a VM, with
# patched sites and with --no-patch, beside Linux; METHOD.md says what the
# numbers mean. Results also in build/bench/syscall.json.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
OUT=$B/bench
tool=$OUT/syscall
rounds=5 quick=() only=.
while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=1 quick=(--quick) ;;
	--rounds) rounds=$2 && shift ;;
	--cases) only=$2 && shift ;;
	*)
		sed -n '2,4s/^# //p' "$0" >&2
		exit 2
		;;
	esac
	shift
done

work=$(mktemp -d "${TMPDIR:-/tmp}/mayfly-syscall.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$OUT"
: >"$work/results"
failed=0

# one CONTENDER CMD...: its lines are results only if it ended well
one() {
	local who=$1
	shift
	if timeout 60 "$@" </dev/null >"$work/lines"; then
		sed "s/^/$who /" "$work/lines" >>"$work/results"
	else
		echo "syscall.sh: $who failed" >&2
		failed=1
	fi
}

load=$(cut -d ' ' -f 1-3 /proc/loadavg)
for ((i = 0; i < rounds; i++)); do
	one patched "$B/vmm" run "$tool" -- "${quick[@]}" "$only"
	one linux "$tool" "${quick[@]}" "$only"
	one no-patch "$B/vmm" run "$tool" --no-patch -- "${quick[@]}" "$only"
done

# Medians over the rounds, the cases in the order of the first.
awk -v before="$load" -v json="$OUT/syscall.json" '
function median(who, name,    n, a, i, j, t) {
	n = count[who, name]
	for (i = 1; i <= n; i++) a[i] = value[who, name, i]
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
	return n ? a[int((n + 1) / 2)] : 0
}
{
	if (!($2 in seen)) { seen[$2] = 1; order[++names] = $2 }
	value[$1, $2, ++count[$1, $2]] = $3
}
END {
	print "| case | Linux, ns | Mayfly, ns | Mayfly/Linux | --no-patch, ns | --no-patch/Linux |"
	print "|---|---|---|---|---|---|"
	printf "{\"load_before\": \"%s\", \"cases\": [", before >json
	for (i = 1; i <= names; i++) {
		name = order[i]
		l = median("linux", name); p = median("patched", name); u = median("no-patch", name)
		if (!l) continue
		printf "| %s | %.1f | %.1f | %.2f | %.1f | %.2f |\n", name, l, p, p / l, u, u / l
		printf "%s\n{\"case\": \"%s\", \"linux_ns\": %.1f, \"mayfly_ns\": %.1f, \"no_patch_ns\": %.1f}",
			(i > 1 ? "," : ""), name, l, p, u >json
	}
	print "\n]}" >json
}' "$work/results"
echo "load before: $load; written: $OUT/syscall.json"
exit $failed
