# SPDX-License-Identifier: Apache-2.0
"""What every benchmark needs: measured runs, the machine described, a page rewritten."""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BenchError(Exception):
    """Said to the user as it is; ends the benchmark."""


def say(text):
    print(f"bench: {text}", flush=True)


def run_quietly(words, log):
    """Runs a preparation with its output in a file; the end of it is shown when it fails."""
    with open(log, "w", encoding="utf-8") as out:
        done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = pathlib.Path(log).read_text("utf-8", errors="replace")[-3000:]
        raise BenchError(f"'{' '.join(map(str, words))}' failed:\n{tail}")


def run_json(words, env=None, most_seconds=None):
    """The JSON object that a program prints, with "process": its wall and CPU time and peak RSS.
    None when it was stopped after `most_seconds`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter_ns()
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=err, env=os.environ | (env or {}))
        stopped = threading.Event()
        timer = threading.Timer(most_seconds or threading.TIMEOUT_MAX,
                                lambda: (stopped.set(), process.kill()))
        timer.daemon = True
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter_ns() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if stopped.is_set():
            return None
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise BenchError(f"'{' '.join(map(str, words))}' ended with {process.returncode}: "
                             + err.read().decode(errors="replace")[-2000:])
        answer = json.load(out)
    answer["process"] = {"wall_us": wall // 1000,
                         "cpu_us": round((usage.ru_utime + usage.ru_stime) * 1e6),
                         "rss_kib": usage.ru_maxrss}
    return answer


def middle(values):
    return statistics.median(values)


def machine():
    cpu = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=False)
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": f"Linux {platform.release()}",
            "compiler": compiler.stdout.split("\n", 1)[0], "load": os.getloadavg()[0]}


def rewrite_section(page, name, text):
    """Replaces what stands between the page's markers of that name."""
    begin, end = f"<!-- {name}: written by tools/bench -->", f"<!-- {name}: end -->"
    old = page.read_text("utf-8")
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise BenchError(f"{page}: expected the lines '{begin}' and '{end}' once each")
    head, rest = old.split(begin)
    new = head + begin + "\n" + text.strip() + "\n" + end + rest.split(end)[1]
    part = page.with_suffix(".part")
    part.write_text(new, "utf-8")
    part.replace(page)
