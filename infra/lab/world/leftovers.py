"""What a lab leaves on the machine, and how it goes away: a folder in /tmp and cgroup folders, named alike.

The folder holds a lock file for as long as the lab's first process lives; the kernel drops the lock however that
process ends. So a folder whose lock can be had belongs to a dead lab, and only such folders are removed.
"""

import contextlib
import fcntl
import glob
import os
import pathlib
import tempfile
import time

PREFIX = "dlab."
# A folder without a lock file may belong to a lab that is starting at this moment.
YOUNG_S = 60
# The kernel empties the cgroups of killed processes in its own time; milliseconds, as a rule.
EMPTY_TIMEOUT_S = 5


def cgroup_name(state):
    return "/" + pathlib.Path(state).name


@contextlib.contextmanager
def owned_state():
    """A state folder that is ours until we end. Short, since paths of Unix sockets are limited to 108 bytes."""
    state = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    state.chmod(0o755)
    lock = open(state / "owner", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield state
    finally:
        _remove(state)
        lock.close()


def remove_dead():
    for folder in glob.glob(f"/tmp/{PREFIX}*"):
        if _dead(pathlib.Path(folder)):
            _remove(pathlib.Path(folder))
    for folder in _cgroups("/" + PREFIX + "*"):
        if not os.path.isdir("/tmp/" + os.path.basename(folder)):
            _remove_cgroup(folder)


def _dead(state):
    try:
        with open(state / "owner") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError):
            return time.time() - state.stat().st_mtime > YOUNG_S
        return False


def _remove(state):
    for folder in _cgroups(cgroup_name(state)):
        _remove_cgroup(folder)
    # The world's files were on a tmpfs that went with it: here is the lock file and nothing else.
    with contextlib.suppress(FileNotFoundError):
        (state / "owner").unlink()
    with contextlib.suppress(FileNotFoundError):
        state.rmdir()


def _cgroups(name):
    """Version 2 has one tree, version 1 one for each controller."""
    return glob.glob("/sys/fs/cgroup" + name) + glob.glob("/sys/fs/cgroup/*" + name)


def _remove_cgroup(folder):
    deadline = time.monotonic() + EMPTY_TIMEOUT_S
    while True:
        try:
            for path, _folders, _files in os.walk(folder, topdown=False):
                os.rmdir(path)
            return
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)
