#!/bin/sh
# Programs that need others: a dynamic loader and libraries, the interpreter of
# a script. What cannot be loaded is said in one line.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

loader=/lib64/ld-linux-x86-64.so.2
bash=$(command -v bash)

# ---- dynamic programs

t_run 'no loader given' 126 "$VMM" run "$B/vm/hello-dynamic"
t_err_line "needs $loader inside the VM; run: vmm run --root / /"
command=$(sed 's/.*; run: vmm //' "$T/err")
# shellcheck disable=SC2086
t_run 'the command that it shows' 0 "$VMM" $command
t_out 'hello from main'
t_err ''
t_run 'the loader alone: what it says itself' 127 "$VMM" run "$B/vm/hello-dynamic" \
	--copy "$loader:/lib64/"
t_check 'not about libc.so.6' grep -q 'libraries: libc.so.6' "$T/err"
t_run 'a directory without the loader' 126 "$VMM" run "$B/vm/hello-dynamic" --copy "$T:/lib64"
t_err "mayfly: $B/vm/hello-dynamic: its interpreter $loader is not in the VM's file system"
# shellcheck disable=SC2046
{
	t_run 'musl' 0 "$VMM" run "$B/vm/musl-dynamic" \
		--copy /lib/ld-musl-x86_64.so.1:/lib/
	t_out 'hello from main'
	t_run 'C++: threads and exceptions' 0 "$VMM" run "$B/vm/cxx-dynamic" $(t_copies "$B/vm/cxx-dynamic")
	"$B/vm/cxx-dynamic" >"$T/linux"
	t_check 'the output differs from Linux' cmp -s "$T/linux" "$T/out"
	t_run 'little memory' 0 "$VMM" run "$B/vm/hello-dynamic" --mem 6M $(t_copies "$B/vm/hello-dynamic")
	t_out 'hello from main'
	t_run 'libraries where LD_LIBRARY_PATH says' 0 "$VMM" run "$B/vm/hello-dynamic" \
		--copy "$loader:/lib64/" --copy /lib/x86_64-linux-gnu/libc.so.6:/opt/ \
		--env LD_LIBRARY_PATH=/opt
	t_out 'hello from main'
	t_run 'the loader run by name' 0 "$VMM" run "$loader" $(t_copies "$B/vm/hello-dynamic") \
		--copy "$B/vm/hello-dynamic:/h" -- /h
	t_out 'hello from main'
}

mkdir "$T/lib64" "$T/libs"
cp "$loader" "$T/lib64/"
cp /lib/x86_64-linux-gnu/libc.so.6 "$T/libs/"
t_run 'loader and libraries by --share' 0 "$VMM" run "$B/vm/hello-dynamic" \
	--share "$T/lib64:/lib64,ro" --share "$T/libs:/lib/x86_64-linux-gnu/,ro"
t_out 'hello from main'
t_run 'a share elsewhere' 126 "$VMM" run "$B/vm/hello-dynamic" --share "$T/lib64:/lib6,ro"
t_err_line "needs $loader inside the VM"

# ---- no place is the same twice

# shellcheck disable=SC2046
for kind in layout-dynamic layout-pie; do
	t_run "$kind: places" 0 "$VMM" run "$B/vm/$kind" $(t_copies "$B/vm/layout-dynamic")
	cp "$T/out" "$T/first"
	t_exec "$VMM" run "$B/vm/$kind" $(t_copies "$B/vm/layout-dynamic") </dev/null
	t_check 'some are the same in two VMs' \
		[ -z "$(sort "$T/first" "$T/out" | uniq -d)" ]
	t_check 'not three of them' [ "$(wc -l <"$T/out")" = 3 ]
done

# ---- loaders that are none (the program asks for "loader" in its directory)

mkdir "$T/d"
cp "$B/vm/hello-loader" "$T/d/prog"
# in the lab, one of each sort
kinds='good bits32 arm object headers_outside headers_wrap no_load entry_kernel offset_outside
	filesz_over_memsz memsz_huge vaddr_wraps overlapping misaligned interp_endless interp_self cut'
[ -n "$LAB" ] || kinds=$("$B/vm/mkelf" --list | grep -v -e pvh -e note -e paddr -e larger)
for kind in $kinds text empty directory mode; do
	rm -rf "$T/d/loader"
	case $kind in
	text) echo text >"$T/d/loader" ;;
	empty) : >"$T/d/loader" ;;
	directory) mkdir "$T/d/loader" ;;
	mode) cp "$B/vm/hello-musl" "$T/d/loader" && chmod 644 "$T/d/loader" ;;
	*) "$B/vm/mkelf" "$kind" "$T/d/loader" ;;
	esac
	t_case "loader: $kind"
	timeout 10 env -C "$T/d" ./prog >/dev/null 2>&1 </dev/null
	linux=$?
	t_exec "$VMM" run "$T/d/prog" --cwd /d --copy "$T/d:/" </dev/null
	case $kind/$T_STATUS in
	*/"$linux") ;;
	good/* | bits32/* | interp_* | align_* | writable_text/*) t_fail "status $T_STATUS, on Linux $linux" ;;
	*/126) ;; # also where Linux sees no harm, or kills it when it begins
	*) t_fail "status $T_STATUS, on Linux $linux" ;;
	esac
	[ "$T_STATUS" != 126 ] || t_check 'not one line on stderr' [ "$(wc -l <"$T/err")" = 1 ]
done

"$B/vm/mkelf" interp_self "$T/d/loader"
t_run 'a program that names itself' '126|139' "$VMM" run "$T/d/loader" --cwd /d --copy "$T/d:/"
[ "$T_STATUS" = 139 ] || t_check 'not one line on stderr' [ "$(wc -l <"$T/err")" = 1 ]
ln -sf loader "$T/d/other"
ln -sf other "$T/d/loader"
t_run 'a loader whose links go around' 126 "$VMM" run "$T/d/prog" --cwd /d --copy "$T/d:/"
t_check 'not one line on stderr' [ "$(wc -l <"$T/err")" = 1 ]

# ---- scripts

# script FILE LINE: a script with that first line
script()
{
	printf '%s\necho "$0 $1 $#"\n' "$2" >"$1"
	chmod +x "$1"
}

busybox=$(command -v busybox)
script "$T/s" '#!/bin/busybox sh'
t_run 'a script' 0 "$VMM" run "$T/s" --copy "$busybox:/bin/" -- 'a b' c
t_out '/bin/s a b 2'
script "$T/s" "#! 	$bash -u  "
# shellcheck disable=SC2046
t_run 'a script for a dynamic program, with an argument' 0 "$VMM" run "$T/s" $(t_copies "$bash") -- x
t_out '/bin/s x 1'
t_run 'its interpreter is not there' 126 "$VMM" run "$T/s"
t_err_line "is a script and needs $bash inside the VM; run: vmm run --root / $T/s\$"
t_run 'nor in the directory given' 126 "$VMM" run "$T/s" --copy "$T/d:${bash%/*}"
t_check 'not one line' [ "$(wc -l <"$T/err")" = 1 ]
script "$T/s" '#!'
t_run 'no interpreter named' 126 "$VMM" run "$T/s"
t_err_line 'names no interpreter'
mkdir "$T/many"
script "$T/many/1" '#!/bin/busybox sh'
for n in 2 3 4 5 6; do
	script "$T/many/$n" "#!/many/$((n - 1)) $n"
done
t_run 'scripts that run scripts' 0 "$VMM" run "$T/many/5" --copy "$T/many:/" --copy "$busybox:/bin/"
t_out_match '^/many/1 2 '
t_run 'too many of them' 126 "$VMM" run "$T/many/6" --copy "$T/many:/" --copy "$busybox:/bin/"
t_check 'not said' grep -q 'too many scripts' "$T/err"
script "$T/many/1" '#!/many/1'
t_run 'a script that runs itself' 126 "$VMM" run "$T/many/1" --copy "$T/many:/"
t_check 'not one line' [ "$(wc -l <"$T/err")" = 1 ]
t_done
