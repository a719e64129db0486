#!/usr/bin/python3
"""pylib.py [--quick] [MODULE...]: test modules of Python's own library, on Linux and in a VM.

A table says how many cases pass on either side; what passes on Linux and not in the VM is
named, and then the status is 1. What needs another process is left out by name. --quick: those
that take a few seconds together, in one VM.
"""
import os, subprocess, sys, tempfile
import xml.etree.ElementTree as xml

VMM = os.environ.get("VMM", "build/vmm")
PYTHON = "/usr/bin/python3"

# A VM has one process, no pseudo terminals, no UDP-Lite and no vsock; and the host's
# /etc/hosts does not know its name.
WITHOUT = {
    "test_json": ["*TestTool*"],
    "test_re": ["test_regression_gh94675"],
    "test_hashlib": [],
    "test_threading": [
        "*fork*", "*AtexitTests*", "*ThreadJoinOnShutdown*", "test_daemon_threads_fatal_error",
        "test_finaliz*", "test_import_from_another_thread", "test_join_nondaemon_on_shutdown",
        "test_locals_at_exit", "test_main_thread_during_shutdown", "test_print_exception*",
        "test_recursion_limit"],
    "test_socket": ["*UDPLITE*", "*VSOCK*", "testHostnameRes", "testSockName"],
    "test_asyncio": [
        "*ubprocess*", "*pty*", "*new_process*", "test_env_var_debug",
        "test_read_all_from_pipe_reader"],
}
QUICK = [
    "test.test_json.test_[de]*", "test.test_re.*", "test.test_hashlib.HashLibTestCase.*",
    "test.test_threading.ConditionTests.*", "test.test_threading.ThreadTests.*",
    "test.test_socket.BasicTCPTest.*", "test.test_socket.BasicUDPTest.*",
    "test.test_socket.*SCMRights*", "test.test_asyncio.test_sock_lowlevel.EPoll*",
    "test.test_asyncio.test_queues.*"]


def passed(file):
    """The names of the cases that passed; more than once each, where they run in loops."""
    names = set()
    for case in xml.parse(file).iter("testcase"):
        if case.get("result") == "completed" and not len(case):
            names.add(case.get("name"))
    return names


def run(command, log, file):
    with open(log, "w") as out:
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=600)
        except subprocess.TimeoutExpired:
            print("not at its end after 600 s:", *command, file=out)
    return passed(file) if os.path.exists(file) else set()


def compare(name, modules, patterns, directory):
    """One line of the table; True if all that passes on Linux passes in the VM."""
    arguments = ["-m", "test", "--junit-xml"]
    options = [word for p in patterns for word in ("-m", p)]
    options += [word for m in modules for p in WITHOUT[m] for word in ("-i", p)] + modules
    linux = run(["env", "-i", "-C", directory, "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", PYTHON, *arguments,
                 f"{directory}/linux.xml", *options], f"{directory}/linux.log", f"{directory}/linux.xml")
    vm = run([VMM, "run", "--root", "/", "--mem", "1G", "--cwd", "/tmp", "--env", "LC_ALL=C.UTF-8",
              "--share", f"{directory}:/run/out", PYTHON, "--", *arguments, "/run/out/vm.xml", *options],
             f"{directory}/vm.log", f"{directory}/vm.xml")
    missing = sorted(linux - vm)
    print(f"| {name} | {len(linux)} | {len(vm)} | {len(missing)} |", flush=True)
    for case in missing:
        print("not in a VM:", case)
    if not linux or not vm:
        print(open(f"{directory}/{'vm' if linux else 'linux'}.log").read()[-1000:])
    return bool(linux) and not missing


def main(words):
    quick = "--quick" in words
    modules = [w for w in words if w != "--quick"] or list(WITHOUT)
    good = True
    print("| module | passed on Linux | passed in a VM | on Linux only |\n|---|---|---|---|")
    for group in [modules] if quick else [[m] for m in modules]:
        with tempfile.TemporaryDirectory() as directory:
            good &= compare("all, some cases" if quick else group[0], group, QUICK if quick else [],
                            directory)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
