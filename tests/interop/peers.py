# SPDX-License-Identifier: Apache-2.0
"""The clients that are compared, behind one interface, and where they keep their files."""

import json
import os
import pathlib
import subprocess
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HERE = SOURCE / "tests/interop"
SKIP = 77


class NotInstalled(Exception):
    pass


def installed(peer):
    """What `tools/peers` installed before. Downloads nothing."""
    done = subprocess.run([SOURCE / "tools/peers", "--installed", peer], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalled(done.stderr.strip().removeprefix("peers: "))
    return done.stdout.strip()


class Home:
    """Where one client keeps its files in one case. Two folders deeper than needed: a name with .. shows."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.metadata = self.folder / "state/of/metadata"
        self.targets = self.folder / "state/of/targets"
        self.metadata.mkdir(parents=True)
        self.targets.mkdir()

    def trusted(self):
        """{role: (version, bytes)} of what is kept."""
        found = {}
        for path in self.metadata.glob("*.json"):
            data = path.read_bytes()
            found[urllib.parse.unquote(path.stem)] = (json.loads(data)["signed"]["version"], data)
        return found

    def files(self):
        """Everything in the metadata folder."""
        return {path.name: path.read_bytes() for path in self.metadata.rglob("*") if path.is_file()}

    def downloaded(self):
        return {urllib.parse.unquote(path.name): path.read_bytes().decode() for path in self.targets.iterdir()}

    def strays(self):
        """Files that are neither in the metadata nor in the targets folder."""
        places = (self.metadata, self.targets)
        return [path for path in self.folder.rglob("*") if path.is_file() and path.parent not in places
                and self.metadata / "root_history" != path.parent]


class Pawl:
    """pawl-tuf: our client code behind the command line of the conformance suite."""

    name = "pawl"

    def __init__(self, program):
        self.program = program

    def call(self, home, url, targets):
        command = [self.program, "--metadata-url", f"{url}metadata/", "--metadata-dir", home.metadata]
        if targets:
            for target in targets:
                command += ["--target-name", target]
            command += ["--target-dir", home.targets, "--target-base-url", f"{url}targets/", "download"]
        else:
            command += ["refresh"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                              env={**os.environ, "ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99"})
        if done.returncode not in (0, 1):
            raise AssertionError(f"exit {done.returncode}: {done.stderr}")
        return done.returncode == 0, done.stderr.strip()

    def close(self):
        pass


class LinePeer:
    """A peer in its own long-lived process: one JSON object a line each way."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.name} ended with {self.process.wait()} at {request['op']}")
        return json.loads(line)

    def call(self, home, url, targets):
        answer = self.ask(op="download" if targets else "refresh", metadata_dir=str(home.metadata),
                          metadata_url=f"{url}metadata", target_dir=str(home.targets), target_url=f"{url}targets",
                          targets=targets)
        return answer["ok"], answer.get("error", "")

    def build(self, folder, world):
        answer = self.ask(op="build", folder=str(folder), world=world)
        if not answer["ok"]:
            raise AssertionError(f"{self.name} could not build it: {answer['error']}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def start(peer):
    """ERRORS: NotInstalled."""
    if peer == "tuf-js":
        return LinePeer(peer, ["node", HERE / "tuf_js_peer.mjs", installed(peer)])
    return LinePeer(peer, [installed(peer), HERE / "python_tuf_peer.py"])
