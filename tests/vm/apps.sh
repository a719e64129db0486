#!/bin/sh
# Programs as Debian has them, and what its compilers make: by --root they print
# what they print on Linux. What is not installed is left out, which is said.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

rows=${T_ROWS:-100000} counts='1 2' # of rows, of vCPUs
[ -z "$LAB" ] || rows=2000 counts=1
disk=$((rows > 100000 ? rows / 3000 : 32)) memory=$((rows > 100000 ? 2048 : 128)) # MiB

# both NAME PROGRAM OPTION... -- ARG...: stdout and status in a VM are those on
# Linux; stdin is $T/in, the directory $T/w, which the VM gets a copy of.
both()
{
	t_case "$1"
	app=$(readlink -f "$(command -v "$2")")
	shift 2
	options=''
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	rm -rf "$T/here"
	cp -r "$T/w" "$T/here"
	timeout -s KILL "$T_LIMIT" env -i -C "$T/here" LC_ALL=C.UTF-8 "$app" "$@" \
		<"$T/in" >"$T/linux.out" 2>"$T/linux.err"
	linux=$?
	[ -s "$T/linux.out" ] || t_fail "it says nothing on Linux: $(head -n 3 "$T/linux.err")"
	# shellcheck disable=SC2086
	t_exec "$VMM" run --root / "$app" --copy "$T/w:/w" --cwd /w --env LC_ALL=C.UTF-8 $options \
		-- "$@" <"$T/in"
	t_status_is "$linux"
	cmp -s "$T/linux.out" "$T/out" || t_fail "stdout differs from Linux: $(diff "$T/linux.out" "$T/out" | head -n 5)"
}

mkdir "$T/w"
: >"$T/in"

# ---- sqlite3

if t_have sqlite3; then
	cat >"$T/in" <<-END
		pragma journal_mode=wal;
		create table t(id integer primary key, k integer, name text, v real);
		begin;
		with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
			insert into t select i, i * 7919 % 1000003, 'name-' || (i % 1000), i * 0.5 from n;
		commit;
		create index tk on t(k);
		select count(*), sum(k), min(v), max(v) from t;
		select name, count(*), sum(v) from t group by name order by 3 desc limit 5;
		select * from t where k between 5000 and 5100 order by k;
		update t set v = v + 1 where id % 10 = 0;
		delete from t where id % 7 = 0;
		vacuum;
		select count(*), total(v) from t;
		pragma integrity_check;
		pragma page_count;
	END
	both "sqlite3: $rows rows" sqlite3 --mem "${memory}M" -- file.db
	: >"$T/in"
fi

# ---- python3

if t_have /usr/bin/python3; then
	version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	cp tests/vm/apps*.py "$T/w"
	for cpus in $counts; do
		both "python3: threads, sockets, asyncio, sqlite3, vCPUs: $cpus" /usr/bin/python3 --cpus "$cpus" -- apps.py
	done
	PATH=$PATH:/usr/sbin:/sbin
	if t_have mke2fs; then
		truncate -s "${disk}M" "$T/disk"
		mke2fs -q -F -t ext2 "$T/disk"
		both 'sqlite3 on ext2' /usr/bin/python3 --disk "$T/disk" -- apps-disk.py "$rows"
		t_check 'e2fsck finds harm' e2fsck -fn "$T/disk" >"$T/fsck" 2>&1
	fi
fi

# Some cases of Python's own tests; all of them: make apps-test. Not in the lab,
# where the interpreter alone takes longer than all of this.
if [ -z "$LAB" ] && t_have /usr/bin/python3 "/usr/lib/python${version:-3}/test/test_re.py"; then
	limit=$T_LIMIT T_LIMIT=100
	t_run 'python3: test cases of its own library' 0 tests/vm/pylib.py --quick
	T_LIMIT=$limit
fi

# ---- runtimes and compilers

if t_have node; then
	cp tests/vm/web.js "$T/w"
	for cpus in $counts; do
		both "node: HTTP, a worker, timers, vCPUs: $cpus" node --mem 1G --cpus "$cpus" -- web.js
	done
fi
for program in web numbers triad openmp cxx-dynamic; do
	for cpus in $counts; do
		! t_have "$B/vm/$program" || both "$program, vCPUs: $cpus" "$B/vm/$program" --cpus "$cpus" --
	done
done
t_done
