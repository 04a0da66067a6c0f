#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python-tuf in the TUF benchmark; the python of its environment runs it. Prints one JSON object.

  client URL ROOT DIR PATH   a cold refresh into the empty DIR, then PATH looked up
  empty                      its modules loaded, nothing done
  verify ROOT FILE RUNS      the check of one targets file, RUNS times
"""

import importlib.metadata
import json
import pathlib
import sys
import time

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import Updater, UpdaterConfig

MAX_FILE_BYTES = 64 << 20


def client(url, root, directory, path):
    bootstrap = pathlib.Path(root).read_bytes()
    limits = UpdaterConfig(root_max_length=MAX_FILE_BYTES, snapshot_max_length=MAX_FILE_BYTES,
                           targets_max_length=MAX_FILE_BYTES)
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    updater = Updater(directory, url + "metadata/", config=limits, bootstrap=bootstrap)
    updater.refresh()
    target = updater.get_targetinfo(path)
    return {"wall_us": (time.perf_counter_ns() - wall) // 1000,
            "cpu_us": (time.process_time_ns() - cpu) // 1000,
            "length": target.length, "sha256": target.hashes["sha256"]}


def accepted(root, data):
    try:
        targets = Metadata[Targets].from_bytes(data)
        root.verify_delegate("targets", targets.signed_bytes, targets.signatures)
    except (RepositoryError, DeserializationError, ValueError):
        return False
    return not targets.signed.is_expired()


def verify(root, file, runs):
    trusted = Metadata[Root].from_bytes(pathlib.Path(root).read_bytes()).signed
    data = pathlib.Path(file).read_bytes()
    times, good = [], False
    for _ in range(int(runs)):
        cpu = time.process_time_ns()
        good = accepted(trusted, data)
        times.append((time.process_time_ns() - cpu) // 1000)
    return {"accepted": good, "cpu_us": times}


def empty():
    return {"version": importlib.metadata.version("tuf"), "runtime": sys.version.split()[0]}


COMMANDS = {"client": client, "verify": verify, "empty": empty}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
