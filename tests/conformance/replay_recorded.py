#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs pawl-tuf as a program through the recorded conformance cases, over real HTTP.

usage: replay_recorded.py PAWL_TUF VECTORS     (the environment's PAWL_VECTORS goes before VECTORS)

The unit-level replay (tests/vectors) shows that the client decides right; this one that the program does:
command line, exit status, file names, libcurl, clock. Exit status 77: something it needs is missing.
"""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from pathlib import Path


class Server(http.server.ThreadingHTTPServer):
    """Serves what one recorded call was answered; `drop` is a path that gets no answer at all."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.drop = None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("/", 2)[2]
        if path == self.server.drop:
            self.close_connection = True
            return
        body = self.server.answers.get(path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def state(folder):
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


def call(program, server, name, step, blobs, home):
    metadata, targets = home / "metadata", home / "targets"
    base = f"http://127.0.0.1:{server.server_port}/{urllib.parse.quote(name)}/"
    server.answers = {r["path"]: (blobs / r["body"]).read_bytes()
                      for r in step["requests"] if r["status"] == 200}
    server.drop = "metadata/timestamp.json" if name == "test_timestamp_404" and step["exit"] else None
    command = ["faketime", "-f", step["now"].replace("T", " ").rstrip("Z"), program,
               "--metadata-dir", str(metadata)]
    if step["cmd"] == "init":
        command += ["init", str(blobs / step["root"])]
    else:
        command += ["--metadata-url", base + "metadata/"]
        if step["cmd"] == "download":
            for path in step["targets"]:
                command += ["--target-name", path]
            command += ["--target-dir", str(targets), "--target-base-url", base + "targets/"]
        command += [step["cmd"]]
    env = dict(os.environ, TZ="UTC", FAKETIME_DONT_FAKE_MONOTONIC="1",
               ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    problems = []
    if done.returncode != step["exit"]:
        problems.append(f"exit {done.returncode}, recorded {step['exit']}: {done.stderr.strip()}")
    expected = {n: e["sha256"] for n, e in step["trusted"].items()}
    if state(metadata) != expected:
        problems.append(f"trusted {sorted(state(metadata))}, recorded {sorted(expected)}")
    downloaded = step.get("downloaded")
    if isinstance(downloaded, dict) and targets.is_dir():
        if state(targets) != {n: e["sha256"] for n, e in downloaded.items()}:
            problems.append(f"downloaded {sorted(state(targets))}, recorded {sorted(downloaded)}")
    return problems


def main():
    program, vectors = sys.argv[1], Path(os.environ.get("PAWL_VECTORS", sys.argv[2]))
    recorded = vectors / "tuf" / "conformance-recorded"
    if not recorded.is_dir() or not shutil.which("faketime"):
        print("skipped: needs faketime and the recorded cases in", recorded)
        return 77
    server = Server()
    failed = passed = 0
    for case in sorted(recorded.glob("*/case.json")):
        name, good = case.parent.name, True
        with tempfile.TemporaryDirectory() as home:
            for number, step in enumerate(json.loads(case.read_text())["steps"]):
                for problem in call(program, server, name, step, recorded / "blobs", Path(home)):
                    print(f"{name} step {number}: {problem}")
                    good = False
        passed, failed = passed + good, failed + (not good)
    print(f"{passed} cases as recorded, {failed} not")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
