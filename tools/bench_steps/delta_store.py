# SPDX-License-Identifier: Apache-2.0
"""The pairs that are ready, and the results that were measured before.

Results are lines of JSON, written as they come, so that a run of hours can be interrupted and taken
up again. A result counts for the bytes of the pair, the tool, its version and its arguments.
"""

import dataclasses
import hashlib
import json
import os
import pathlib

from .measure import BenchError


def cache_folder():
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return default / "pawl"


@dataclasses.dataclass(frozen=True)
class Pair:
    name: str
    old: pathlib.Path
    new: pathlib.Path
    trees: tuple | None = None  # the two tars that images were made from


def ready_pairs(folder):
    """The pairs that tools/corpus/make_pairs has made below `folder`, in its order."""
    index = folder / "INDEX"
    if not index.is_file():
        raise BenchError(f"expected pairs in {folder}, found no INDEX; run tools/corpus/make_pairs")
    trees = {}
    if (folder / "TREES").is_file():
        for line in (folder / "TREES").read_text("utf-8").splitlines():
            name, *tars = line.split()
            trees[name] = tuple(pathlib.Path(tar) for tar in tars)
    pairs = {}
    for line in index.read_text("utf-8").splitlines():
        name, old, new = line.split()
        pairs[name] = Pair(name, pathlib.Path(old), pathlib.Path(new), trees.get(name))
    return pairs


class Digests:
    """SHA-256 of files, each read once."""

    def __init__(self):
        self.known = {}

    def __call__(self, path):
        about = path.stat()
        key = (path, about.st_size, about.st_mtime_ns)
        if key not in self.known:
            with path.open("rb") as file:
                self.known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self.known[key]


class Store:
    def __init__(self, path):
        self.path, self.results = path, {}
        if path.is_file():
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                try:
                    result = json.loads(line)
                    self.results[tuple(result["key"])] = result
                except (ValueError, KeyError, TypeError):
                    # The line of a run that was cut off; what it measured is measured again.
                    print(f"bench: {path}: line {number} is not a result and is left out")

    def find(self, key):
        return self.results.get(tuple(key))

    def add(self, result):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # the line of a run that was cut off
                    file.write(b"\n")
            file.write(json.dumps(result).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.results[tuple(result["key"])] = result
