# SPDX-License-Identifier: Apache-2.0
"""Runs programs one after the other and says what they used; stops what uses too much.

CPU time is user and system time of the program and of what it waited for, from wait4. Peak RSS is
what time(1) reports: a process started straight from this one would carry this interpreter's own
peak. Peak private memory (RssAnon: heap and stacks, no mapped files) has no counter in the kernel,
so it is the highest of many samples of /proc/PID/status, summed over the program's processes.
"""

import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from .measure import BenchError

SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.1  # between two samples, seconds
PAUSE_SHARE = 100  # a sample is taken each hundredth of the time that has gone by


class Stopped(Exception):
    """A program was stopped because it passed a limit; the text names it."""


@dataclasses.dataclass
class Usage:
    """What one or several programs, run one after the other, used."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    rss_bytes: int = 0
    private_bytes: int = 0

    def __add__(self, other):
        return Usage(self.cpu_s + other.cpu_s, self.wall_s + other.wall_s,
                     max(self.rss_bytes, other.rss_bytes),
                     max(self.private_bytes, other.private_bytes))


@dataclasses.dataclass
class Meter:
    """Runs programs under one memory limit (sum of their RSS, bytes) and one time limit (wall)."""
    most_bytes: int
    most_seconds: float

    def run(self, words, stdout=subprocess.DEVNULL, **options):
        """Runs a program; returns its Usage. Raises Stopped, or BenchError when it fails."""
        words = [str(word) for word in words]
        with tempfile.TemporaryDirectory(prefix="meter-") as folder:
            peak = pathlib.Path(folder) / "peak"
            with (pathlib.Path(folder) / "errors").open("w+b") as errors:
                started = time.perf_counter()
                process = subprocess.Popen(
                    [time_program(), "-q", "-f", "%M", "-o", peak, *words],
                    stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors,
                    start_new_session=True, **options)
                watch = Watch(process.pid, started, self)
                try:
                    _, status, used = os.wait4(process.pid, 0)
                except BaseException:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise
                finally:
                    watch.end()
                wall = time.perf_counter() - started
                process.returncode = os.waitstatus_to_exitcode(status)
                if watch.passed_limit:
                    raise Stopped(watch.passed_limit)
                if process.returncode != 0:
                    errors.seek(0)
                    said = errors.read().decode(errors="replace").strip()[-2000:]
                    raise BenchError(f"'{' '.join(words)}' ended with {process.returncode}: {said}")
            rss = int(peak.read_text("utf-8").split()[-1]) * 1024
        return Usage(used.ru_utime + used.ru_stime, wall, max(rss, watch.rss_bytes),
                     watch.private_bytes)


class Watch:
    """Samples the memory of a session's processes until end(); kills them past a limit."""

    def __init__(self, leader, started, limits):
        self.leader, self.started, self.limits = leader, started, limits
        self.rss_bytes = self.private_bytes = 0
        self.passed_limit = ""
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def end(self):
        self.done.set()
        self.thread.join()

    def watch(self):
        pause = SHORTEST_PAUSE
        while not self.done.wait(pause):
            rss, private = memory_of(below(self.leader))
            self.rss_bytes = max(self.rss_bytes, rss)
            self.private_bytes = max(self.private_bytes, private)
            passed = time.perf_counter() - self.started
            if rss > self.limits.most_bytes:
                self.passed_limit = f"more than {self.limits.most_bytes / (1 << 30):g} GiB"
            elif passed > self.limits.most_seconds:
                self.passed_limit = f"longer than {self.limits.most_seconds:g} s"
            if self.passed_limit:
                try:
                    os.killpg(self.leader, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                return
            pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, passed / PAUSE_SHARE))


def below(pid):
    """The processes that `pid` started, and theirs."""
    found, waiting = [], [pid]
    while waiting:
        place = pathlib.Path(f"/proc/{waiting.pop()}/task")
        try:
            children = [int(word) for task in place.iterdir()
                        for word in (task / "children").read_text("ascii").split()]
        except OSError:
            continue  # it has just ended
        found += children
        waiting += children
    return found


def memory_of(pids):
    """(RSS, RssAnon) in bytes, summed."""
    rss = private = 0
    for pid in pids:
        try:
            lines = pathlib.Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("VmRSS:"):
                rss += int(line.split()[1]) * 1024
            elif line.startswith("RssAnon:"):
                private += int(line.split()[1]) * 1024
    return rss, private


def time_program():
    found = shutil.which("time")
    if not found:
        raise BenchError("the program 'time' is not installed; tools/setup bench does that")
    return found
