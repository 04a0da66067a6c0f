# SPDX-License-Identifier: Apache-2.0
"""tools/bench tuf: Pawl's TUF client beside python-tuf and tuf-js, on the same bytes."""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from tools.demo_steps.server import WebServer

from . import tuf_report
from .measure import ROOT, BenchError, machine, run_json, run_quietly, say

BENCH = ROOT / "tests" / "bench"
MOST_SECONDS = 45    # a client that takes longer for one thing is stopped, and that is reported
ENOUGH_SECONDS = 20  # of repeating one thing with one client
# Name in the program, what it is called in the report.
REPOSITORIES = [("targets-1", "1 release"), ("targets-100", "100 releases"),
                ("targets-10000", "10,000 releases"),
                ("bins-10000", "10,000 releases in 256 hash bins"),
                ("file-5000000", "one targets file of 5 MB")]
FILES = [("good-5000000", "targets of 5 MB, good", True),
         ("good-524288", "targets of 512 KiB, good", True),
         ("wrong-signature", "512 KiB, its one signature wrong", False),
         ("64-wrong-signatures", "512 KiB, 64 wrong signatures by 64 known keys", False),
         ("65-signatures", "512 KiB, 65 signatures", False),
         ("json-bomb", "512 KiB of empty objects", False)]
QUICK_REPOSITORIES = [("targets-3", "3 releases"), ("bins-500", "500 releases in 256 hash bins")]
QUICK_FILES = [("good-20000", "targets of 20 kB, good", True)] + FILES[2:3]


class Client:
    """A program that is measured: its command line, and why it may be missing."""

    def __init__(self, name, words, env=None):
        self.name, self.words, self.env = name, words, env

    def run(self, *arguments, most_seconds=None):
        return run_json([*self.words, *arguments], self.env, most_seconds)


def peers(installed_only):
    """The clients of others that can be had here, and a line on each that cannot."""
    found, missing = [], []
    for name in ("python-tuf", "tuf-js"):
        words = [ROOT / "tools" / "peers", *(["--installed"] if installed_only else []), name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 77:
            missing.append(f"{name}: {done.stderr.strip() or 'not to be had here'}")
        elif done.returncode != 0:
            raise BenchError(f"tools/peers {name}: {done.stderr.strip()}")
        elif name == "python-tuf":
            found.append(Client(name, [done.stdout.strip(), BENCH / "peer_python_tuf.py"]))
        else:
            modules = pathlib.Path(done.stdout.strip()) / "node_modules"
            found.append(Client(name, ["node", BENCH / "peer_tuf_js.cjs"],
                                {"NODE_PATH": str(modules)}))
    return found, missing


def build(work):
    say("packages and programs")
    run_quietly([ROOT / "tools" / "setup", "build", "bench"], work / "setup.log")
    run_quietly(["cmake", "--preset", "bench"], work / "configure.log")
    run_quietly(["cmake", "--build", "--preset", "bench"], work / "build.log")
    return ROOT / "build" / "bench" / "tests"


def logged(server):
    """The server's log of all answered requests, but for those of this function itself."""
    # nginx writes a line just after the answer. It has one worker, so once it answers this request
    # the lines of those before are there.
    try:
        urllib.request.urlopen(server.url + "end-of-run", timeout=60).close()
    except urllib.error.HTTPError:
        pass  # there is no such file
    lines = (server.work / "access.log").read_text("utf-8").splitlines()
    return [line for line in lines if " /end-of-run " not in line]


def cold_refresh(client, server, place, facts, runs):
    """Up to `runs` cold refreshes, each in a process and a folder of its own. All must find what
    was published. None when the first one took too long."""
    results, traffic = [], set()
    started = time.monotonic()
    while len(results) < runs and (not results or time.monotonic() - started < ENOUGH_SECONDS):
        before = len(logged(server))
        with tempfile.TemporaryDirectory(dir=place) as folder:
            answer = client.run("client", server.url, place / "root.json", folder, facts["target"],
                                most_seconds=MOST_SECONDS)
        if answer is None:
            return None
        lines = logged(server)[before:]
        traffic.add((len(lines), sum(int(line.split('" ')[1].split()[1]) for line in lines)))
        results.append(answer)
    found = {(answer["sha256"], answer["length"]) for answer in results}
    if found != {(facts["sha256"], facts["length"])}:
        raise BenchError(f"{client.name}: expected to find {facts['sha256']}, found {found}")
    if len(traffic) != 1:
        raise BenchError(f"{client.name}: expected the same requests in every run, found {traffic}")
    requests, size = traffic.pop()
    return {"runs": results, "requests": requests, "bytes": size}


def measure_repositories(maker, clients, work, repositories, runs):
    measured = []
    for name, title in repositories:
        place = work / name
        facts = maker.run("repository", name, place)
        server = WebServer(place, work / f"{name}.server").start()
        try:
            say(f"cold refresh: {title}")
            by_client = {client.name: cold_refresh(client, server, place, facts, runs)
                         for client in clients}
        finally:
            server.stop()
        measured.append({"name": name, "title": title, "targets": facts["targets"],
                         "file_bytes": facts["largest_bytes"], "clients": by_client})
    return measured


def measure_files(maker, clients, work, files, runs):
    measured = []
    for name, title, good in files:
        place = work / name
        facts = maker.run("file", name, place)
        say(f"check of one file: {title}")
        by_client = {}
        for client in clients:
            answer = client.run("verify", place / "root.json", place / "targets.json", runs,
                                most_seconds=MOST_SECONDS)
            if answer is not None and answer["accepted"] != good:
                raise BenchError(f"{client.name}: {title}: accepted: {answer['accepted']}")
            by_client[client.name] = answer
        measured.append({"name": name, "title": title, "bytes": facts["bytes"],
                         "clients": by_client})
    return measured


def device_heap(program, work):
    """Peak bytes on the heap under a device's caps, as tuf_heap_test counts them."""
    report = work / "heap.json"
    run_quietly([program, f"--gtest_output=json:{report}"], work / "heap.log")
    suites = json.loads(report.read_text("utf-8"))["testsuites"]
    return [{"title": test["worst_case"], "peak_bytes": int(test["peak_bytes"])}
            for suite in suites for test in suite["testsuite"] if "peak_bytes" in test]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench tuf", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="small repositories and one run: does it all work and agree?")
    parser.add_argument("--write", action="store_true",
                        help="rewrite the figures of docs/benchmarks.md")
    parser.add_argument("--json", metavar="FILE", help="everything that was measured, also to FILE")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="of each client (5)")
    parser.add_argument("--programs", metavar="DIR", type=pathlib.Path,
                        help="take Pawl's programs from here, install and build nothing")
    options = parser.parse_args(arguments)
    if options.quick and options.write:
        parser.error("--write needs the whole benchmark")
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    return options


def run(options, work):
    programs = options.programs or build(work)
    pawl = Client("pawl", [programs / "pawl-tuf-bench"])
    others, missing = peers(installed_only=options.programs is not None)
    for line in missing:
        say(f"without {line}")
    clients = [pawl, *others]
    for client in clients:
        client.run("empty")  # a first run may compile and always reads from the disk
    runs = 1 if options.quick else options.runs
    report = {"schema": "pawl.bench.tuf/1", "machine": machine(), "runs": runs,
              "most_seconds": MOST_SECONDS, "missing": missing,
              "start": {client.name: [client.run("empty") for _ in range(runs)]
                        for client in clients}}
    report["repositories"] = measure_repositories(
        pawl, clients, work, QUICK_REPOSITORIES if options.quick else REPOSITORIES, runs)
    report["files"] = measure_files(pawl, clients, work,
                                    QUICK_FILES if options.quick else FILES, runs)
    if not options.quick:
        say("heap under a device's caps")
        report["heap"] = device_heap(programs / "tuf_heap_test", work)
    return report


def main(arguments):
    options = parse(arguments)
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        say("skipped: nginx is not installed (tools/setup bench)")
        if options.programs:
            return 77
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-tuf-", dir=place) as work:
            report = run(options, pathlib.Path(work))
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        text = tuf_report.markdown(report)
        print(text)
        if options.write:
            tuf_report.write(report)
            say("docs/benchmarks.md has the new figures")
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0
