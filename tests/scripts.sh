# shellcheck shell=sh
# scripts.sh: what tests/vm/run.sh and tests/net/run.sh source.
flavour=${LAB:+lab}
flavour=${flavour:-native}

# run_scripts AREA SCRIPT...: each tests/AREA/SCRIPT.sh, whose cases become "ok -
# AREA/FLAVOUR/SCRIPT: NAME". Each line at once: where nothing comes any more, the
# last one tells where. A line "# AREA/FLAVOUR/SCRIPT: ended" follows. False when one
# of them failed.
run_scripts()
{
	area=$1 failed=''
	shift
	exec 4>&1
	for script; do
		failed=$failed$({ { "tests/$area/$script.sh" 2>&1 3>&- 4>&- || echo "$script" >&3
			echo "# $area/$flavour/$script: ended"; } |
			sed -u "s|^\(not \)\{0,1\}ok - |&$area/$flavour/$script: |" >&4 3>&-; } 3>&1)
	done
	exec 4>&-
	[ -z "$failed" ]
}
