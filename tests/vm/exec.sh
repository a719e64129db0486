#!/bin/sh
# A program that becomes another one: shells and python3 of the host by --root,
# by files of --copy, and again and again in little memory (T_EXECS times).
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

root=$T/root
mkdir -p "$root/bin" "$root/lib" "$root/tmp" "$root/proc"
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$B/vm/hello-musl" "$B/vm/musl-dynamic" "$root/bin/"
cp /lib/ld-musl-x86_64.so.1 "$root/lib/"
for name in sh ls env cat; do
	ln -s busybox "$root/bin/$name"
done
printf '#!/bin/sh\necho "$0 $*"\nexec env A=1 sh -c "echo \\$A \\$0; exec /bin/musl-dynamic"\n' \
	>"$root/bin/script"
chmod +x "$root/bin/script"

# what a shell in a VM and one in a chroot do with `exec`
same()
{
	t_run "sh: $1" "${2:-0}" "$VMM" run --root "$root" /bin/sh --env PATH=/bin -- -c "$1"
	chroot "$root" /bin/env -i PATH=/bin /bin/sh -c "$1" >"$T/want" 2>"$T/want.err"
	t_check 'the output differs from Linux' cmp "$T/want" "$T/out"
	t_check 'what it complains about differs' cmp "$T/want.err" "$T/err"
}

same 'exec ls /bin'
same 'exec env - FOO=1 env'
same 'exec /bin/hello-musl'
same 'exec /bin/musl-dynamic'
same 'exec /bin/script a "b c"'
same 'exec 5</bin/script 6<&5; exec cat <&6'
same 'cd /bin; umask 27; exec sh -c "pwd; umask"'
same 'exec /bin/nothing' 127
same 'exec /bin' 126

t_run 'python3: os.execv' 0 "$VMM" run --root / /usr/bin/python3 -- \
	-c 'import os; os.execve("/usr/bin/env", ["env", "-i", "/bin/echo", "an", "echo"], {})'
t_out 'an echo'
t_run 'bash: exec, with another name' 0 "$VMM" run --root / /bin/bash -- \
	-c 'exec -a other bash -c "echo \$0 \$BASHPID"'
t_out 'other 1'
t_run 'a file of --copy' 0 "$VMM" run "$root/bin/busybox" --copy "$B/vm/hello-musl:/opt/h" -- \
	sh -c 'exec /opt/h'
t_out 'hello from main'
execs=${T_EXECS:-80}
for cpus in 1 4; do
	t_run "again and again, $cpus vCPUs" 0 "$VMM" run "$B/vm/again" --mem 32M --cpus "$cpus" -- \
		"$execs"
	t_out "$execs times, no memory lost"
	t_err ''
done
t_done
