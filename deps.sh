#!/bin/sh
# deps.sh check|install STAGE...: are the Debian packages of these stages
# there? Silent when they are. `check` names what is missing, `install` gets
# it. The stages are those of the file `packages`, and lab: tests/lab/packages. What
# has the stage "unpack" would start a service if it were installed: for tests, such
# packages are unpacked into build/unpacked.
set -u
cd "$(dirname "$0")" || exit 1

# Is it there? A proof is a file, a command, or absent: then dpkg is asked.
have()
{
	case ${2:-} in
	/*) [ -e "$2" ] ;;
	?*) command -v "$2" >/dev/null ;;
	*) dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed ;;
	esac
}

# missing STAGE...: the packages that are not there
missing()
{
	for wanted; do
		if [ "$wanted" = lab ]; then
			file=tests/lab/packages
		else
			file=packages
		fi
		[ -f $file ] || continue
		while read -r package stage proof; do
			case $package in '' | \#*) continue ;; esac
			[ "$wanted" = lab ] || [ "$stage" = "$wanted" ] || continue
			have "$package" "$proof" || printf '%s ' "$package"
		done <$file
	done
}

give_up()
{
	echo "deps.sh: $1" >&2
	echo "deps.sh: the missing Debian packages are: $packages" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

get()
{
	# shellcheck disable=SC2086 # a list of words
	as_root apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages
}

install_packages()
{
	[ "$how" = install ] || give_up 'say "make deps" to install what is missing'
	command -v apt-get >/dev/null || give_up "there is no apt-get here: install them in this system's way"
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || give_up 'installing needs root, and there is no sudo: run it as root'
		if ! [ -t 0 ] && ! sudo -n true 2>/dev/null; then
			give_up 'installing needs root, and sudo wants a password: run "make deps" in a terminal'
		fi
	fi
	echo "  APT     $packages"
	# Package lists may be absent or old: refresh them only when needed.
	{ get >/dev/null 2>&1 || { as_root apt-get -qq update && get >/dev/null; }; } ||
		give_up 'apt-get could not install them'
	packages=$(missing "$@")
	[ -z "$packages" ] || give_up 'apt-get is content, yet something is still not there'
}

unpack()
{
	mkdir -p build/unpacked || return
	for package in $packages; do
		(cd build/unpacked && apt-get -qq -o APT::Sandbox::User=root download "$package" &&
			dpkg -x "$package"_*.deb . && rm "$package"_*.deb) || return
	done
}

# Without them some tests are left out, and say so.
unpack_packages()
{
	echo "  APT     $packages(only unpacked)"
	unpack >/dev/null 2>&1 || { as_root apt-get -qq update && unpack >/dev/null; } ||
		echo "deps.sh: cannot get $packages: tests that need them will be left out" >&2
}

how=$1
shift
packages=$(missing "$@")
[ -z "$packages" ] || install_packages "$@"
case "$how $*" in
'install '*test*)
	packages=$(missing unpack)
	[ -z "$packages" ] || unpack_packages
	;;
esac
