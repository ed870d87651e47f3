"""What a program uses, as the kernel tells it: for the scripts in this folder that measure.

A program is its process and whatever it has started. CPU is the clock of each process, to the
nanosecond, and the ticks of the children that have ended; a wake-up is a voluntary context switch.
"""
import os
import pathlib
import signal
import subprocess
import time


def tree(pid):
    """Returns the process and all that descend from it."""
    found, open_ends = [], [pid]
    while open_ends:
        found.append(open_ends.pop())
        for task in pathlib.Path(f"/proc/{found[-1]}/task").glob("*/children"):
            try:
                open_ends += map(int, task.read_text().split())
            except OSError:
                pass  # ended meanwhile
    return found


def _figures(path, *names):
    lines = (line.split() for line in pathlib.Path(path).read_text().splitlines())
    return {line[0][:-1]: int(line[1]) for line in lines if line and line[0][:-1] in names}


def cpu_seconds(pid):
    """Returns the CPU time of the whole program so far."""
    total = 0.0
    for process in tree(pid):
        try:
            # The clock of another process: its number's complement, see clock_getcpuclockid(3).
            total += time.clock_gettime((~process << 3) | 2)
            stat = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
            total += (int(stat[13]) + int(stat[14])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return total


def wakeups(pid):
    """Returns how often a thread of the program has waited for something so far."""
    total = 0
    for process in tree(pid):
        for task in pathlib.Path(f"/proc/{process}/task").glob("*/status"):
            try:
                total += sum(_figures(task, "voluntary_ctxt_switches").values())
            except OSError:
                pass
    return total


def memory_kib(pid):
    """Returns (resident, proportional, anonymous) of the whole program, in KiB."""
    total = [0, 0, 0]
    for process in tree(pid):
        try:
            found = _figures(f"/proc/{process}/smaps_rollup", "Rss", "Pss", "Anonymous")
        except OSError:
            continue
        for i, name in enumerate(("Rss", "Pss", "Anonymous")):
            total[i] += found.get(name, 0)
    return total


def drop_from_cache(path):
    """Lets the system forget what it holds of a file; what a running program uses of it stays."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def descriptors(pid):
    """Returns how many descriptors the process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def end(process):
    """Ends a process that was started here, in order or else at once."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
