#!/bin/sh
# Files of --root mapped from the host into the guest (virtio-fs DAX): what is
# read there, what the host changes meanwhile, more than fits.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

root=$T/root
mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
cp "$B/vm/dax" "$root/dax"
head -c 700001 /dev/urandom >"$root/random"
{ printf abcd && head -c 2999996 /dev/zero; } >"$root/text"

t_run 'mapped and read' 0 "$VMM" run --root "$root" /dax -- sum /random /text /dax
t_out ''
t_run 'without a request for their pages' 0 "$VMM" run --root "$root" /dax --stats -- sum /random /text
t_check 'nothing was mapped' grep -Eq 'file system .*: 36[0-9]{2} KiB of files mapped' "$T/err"
t_check 'there were reads' sh -c "! grep -q ' READ ' '$T/err'"
t_run 'a private change' 0 "$VMM" run --root "$root" /dax -- change /text
t_out '! b a'
t_check 'the host sees it' [ "$(head -c 4 "$root/text")" = abcd ]
t_run 'by all vCPUs' 0 "$VMM" run --root "$root" /dax --cpus 4 -- sum /random /text
t_out ''

# Half of 256 MiB is what a file may have of the region: one is larger, and three
# together are, too.
for i in 1 2 3; do
	truncate -s 100M "$root/hole$i"
	printf %s "$i" >>"$root/hole$i"
done
truncate -s 130M "$root/huge"
printf x >>"$root/huge"
t_run 'more than fits' 0 "$VMM" run --root "$root" /dax --mem 64M -- change /hole1 /hole2 /hole3 /huge \
	/hole1 /text
t_check 'it differs' [ "$(tail -n 1 "$T/out")" = '! b a' ]

# line: the next line of the guest; it is 'late' when there is none in time
line()
{
	timeout "$T_LIMIT" head -n 1 <&4 || echo late
}

# The guest maps the file; the host changes it and then has it looked at.
begin()
{
	mkfifo "$T/to" "$T/from"
	timeout "$T_LIMIT" "$VMM" run "$@" <"$T/to" >"$T/from" 2>"$T/err" &
	guest=$!
	exec 3>"$T/to" 4<"$T/from"
}

end()
{
	exec 3>&- 4<&-
	wait "$guest"
	t_check 'the VM failed' [ $? = 0 ]
	rm "$T/to" "$T/from"
}

t_case 'the host changes a file that is mapped'
begin --root "$root" /dax -- watch /text
t_check 'it does not begin' [ "$(line)" = 'ready a' ]
printf X | dd of="$root/text" bs=1 seek=1500000 conv=notrunc 2>/dev/null
echo look >&3
t_check 'it is not seen' [ "$(line)" = '97 88 0' ]
truncate -s 5000 "$root/text"
echo look >&3
t_check 'what is gone is not zeroes' [ "$(line)" = '97 0 0' ]
printf Y | dd of="$root/text" bs=1 conv=notrunc 2>/dev/null
echo look >&3
t_check 'what is left is not seen' [ "$(line)" = '89 0 0' ]
end

# Once the guest knows that a share's file is shorter, what is gone is SIGBUS, as on Linux.
t_case 'a mapped file of a share becomes shorter, and longer again'
head -c 3000000 /dev/zero >"$root/text"
begin "$root/dax" --share "$root:/x" -- look /x/text
t_check 'it does not begin' [ "$(line)" = 'ready 0' ]
echo look >&3
t_check 'it is not there' [ "$(line)" = '3000000 0' ]
truncate -s 5000 "$root/text"
sleep 1.1 # so long the guest believes what it knows
echo look >&3
got=$(line)
t_check "it says $got" [ "$got" = '5000 SIGBUS' ]
head -c 3000000 /dev/zero | tr '\0' a >"$root/text"
sleep 1.1
echo look >&3
got=$(line)
t_check "it says $got" [ "$got" = '3000000 97' ]
end

t_done
