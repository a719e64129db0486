# shellcheck shell=bash
# kernel.sh - the cache of the lab: Debian's cloud kernel, its modules, and the
# part of the initrd that is the same for every run. Sourced by lab.sh.
#
# A cache entry is made in a directory of its own and then renamed, so what has
# its final name is complete; who comes second waits at the lock.

CACHE=${MAYFLY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mayfly}/lab
# To be raised when the steps below change, so that old entries are not used.
RECIPE=1
KERNEL_DIR=$CACHE/kernel-$RECIPE
MODULES='virtio_pci virtio_console virtiofs overlay kvm-amd tun'

lab_kernel() { echo "$KERNEL_DIR/vmlinux"; }

fill_cache() {
	[ -d "$KERNEL_DIR" ] && return
	mkdir -p "$CACHE" || return 1
	(
		flock 9 || exit 1
		[ -d "$KERNEL_DIR" ] || make_kernel_dir
	) 9>"$CACHE/lock"
}

# Runs under the lock. What an interrupted fill has left is removed first.
make_kernel_dir() {
	local new=$CACHE/new
	rm -rf "$new"
	mkdir "$new" || return 1
	echo "lab: fetching Debian's cloud kernel, once, into $CACHE" >&2
	download "$new" >&2 || return 1
	extract_vmlinux "$new/boot"/vmlinuz-* "$new/vmlinux" &&
		slim_modules "$new/lib/modules" &&
		PATH=$PATH:/sbin:/usr/sbin depmod -b "$new" "$(ls "$new/lib/modules")" &&
		rm -rf "${new:?}/boot" "${new:?}/usr" "$new/apt.log" &&
		mv "$new" "$KERNEL_DIR" && return
	echo "lab: cannot unpack the kernel package" >&2
	return 1
}

kernel_package() {
	apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		awk '/Depends: linux-image-[0-9]/ { print $2; exit }'
}

# Old package lists name versions that are gone, so root tries once with new ones.
download() {
	local new=$1 tries=1
	[ "$(id -u)" = 0 ] && tries=2
	while :; do
		download_once "$new" 2>"$new/apt.log" && return
		tries=$((tries - 1))
		[ $tries = 0 ] && break
		apt-get -qq update 2>/dev/null
	done
	echo "lab: cannot download linux-image-cloud-amd64 (no network, or old package" \
		"lists: apt-get update): $(tail -n 1 "$new/apt.log")"
	return 1
}

download_once() {
	local new=$1 package options=()
	package=$(kernel_package)
	[ -n "$package" ] || { echo "apt does not know the package" >&2 && return 1; }
	# apt's own user cannot write into root's cache.
	[ "$(id -u)" != 0 ] || options=(-o APT::Sandbox::User=root)
	(cd "$new" && apt-get -qq "${options[@]}" download "$package") &&
		dpkg -x "$new/$package"_*.deb "$new" && rm -f "$new/$package"_*.deb
}

# A bzImage holds the ELF image in LZ4 (Documentation/x86/boot.rst, payload_offset
# and payload_length); QEMU enters that through PVH, which saves decompressing it
# in every run. Another compression: the bzImage itself boots too.
extract_vmlinux() {
	local image=$1 out=$2 setup offset length
	setup=$(field "$image" 0x1f1 1)
	offset=$(field "$image" 0x248 4)
	length=$(field "$image" 0x24c 4)
	tail -c +$(((setup + 1) * 512 + offset + 1)) "$image" | head -c $((length - 4)) |
		lz4 -dc >"$out" 2>/dev/null || cp "$image" "$out"
}

field() { od -An -j $(($2)) -N "$3" -t "u$3" "$1" | tr -d ' '; }

# Debug data, type data and the signature only cost time when a module is loaded.
slim_modules() {
	find "$1" -name '*.ko' -exec strip -g -R .BTF {} +
}

# ---- the constant part of the initrd

# One file a line, each after what it depends on.
module_files() {
	awk -F: -v names="$MODULES" '
		{ n = split($1, part, "/"); name = part[n]; sub(/\.ko$/, "", name)
		  file[name] = $1; needs[$1] = $2 }
		END { n = split(names, want, " ")
		      for (i = 1; i <= n; i++) add(file[want[i]]) }
		function add(f,   i, n, a) {
			if (f in seen) return
			seen[f] = 1
			n = split(needs[f], a, " ")
			for (i = n; i > 0; i--) add(a[i])
			print f
		}' "$1/modules.dep"
}

# depmod's paths start at the modules' folder, or at the root.
add_modules() {
	local root=$1 tree f
	tree=$(echo "$KERNEL_DIR"/lib/modules/*)
	for f in $(module_files "$tree"); do
		[ -f "$tree/$f" ] || f=../../../$f
		cp "$tree/$f" "$root/modules/" || return 1
		basename "$f" >>"$root/modules/order"
	done
	echo "$tree" >"$root/lab/modules"
}

# Prints the name of the archive; it changes with everything that goes into it.
base_initrd() {
	local key file
	key=$(cat "$HERE/init.c" "$HERE/kernel.sh" "$(command -v busybox)" \
		"$KERNEL_DIR/lib/modules"/*/modules.dep | md5sum | cut -c 1-16)
	file=$CACHE/initrd-$key
	[ -f "$file" ] || {
		fill_base "$WORK/base" && archive "$WORK/base" >"$WORK/base.cpio" &&
			cp "$WORK/base.cpio" "$file.$$" && mv "$file.$$" "$file" || return 1
		# Those of older versions of these scripts are of no more use.
		find "$CACHE" -maxdepth 1 -name 'initrd-*' ! -path "$file*" -mmin +600 -delete
	}
	echo "$file"
}

# The frequency of the TSC, in kHz. Linux would calibrate it with emulated timers,
# which on a busy host come late: 117 MHz was seen instead of 2,596, and then
# everything in the lab takes 22 times as long.
tsc_khz() {
	local file
	file=$CACHE/tsckhz-$(md5sum <"$HERE/tsckhz.c" | cut -c 1-16)
	[ -x "$file" ] || {
		"${CC:-gcc}" -O2 -static -o "$file.$$" "$HERE/tsckhz.c" && mv "$file.$$" "$file" || return 1
	}
	"$file"
}

fill_base() {
	local root=$1
	mkdir -p "$root"/{dev,proc,sys,new,rw,host,modules,lab} &&
		cp "$(command -v busybox)" "$root/lab/busybox" &&
		"${CC:-gcc}" -O2 -static -o "$root/init" "$HERE/init.c" &&
		add_modules "$root"
}
