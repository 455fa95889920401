"""Becomes another program that dies with the process that asked for it.

Run as a script by `spawn`, never imported: a `preexec_fn` in its place could deadlock a threaded parent.

usage: launch.py PARENT SIGNAL UID GID PROGRAM ARGUMENT…
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, signal_number, uid, gid = map(int, sys.argv[1:5])
    program = sys.argv[5:]
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, which would clear it; exec keeps it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:  # it died before the kernel knew whom to tell
        sys.exit("the parent is gone")
    os.execvp(program[0], program)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main()
