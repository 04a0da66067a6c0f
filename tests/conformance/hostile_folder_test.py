#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What somebody else has put where pawl-tuf writes: links that lead out of its folders.

usage: hostile_folder_test.py PAWL_TUF VECTORS   (the environment's PAWL_VECTORS goes before VECTORS)

One recorded case is played into folders that hold links; nothing outside may change, and nothing
unverified may stand under a target's name. Exit status 77: something it needs is missing.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import replay_recorded

PRECIOUS = b"precious\n"


class World:
    """A fresh home with a file outside the two folders, and the recorded download."""

    def __init__(self, program, server, recorded, home):
        self.program, self.server, self.blobs, self.home = program, server, recorded / "blobs", home
        self.name = "test_artifact_cache"
        self.init, self.download, *_ = json.loads(
            (recorded / self.name / "case.json").read_text())["steps"]
        self.outside = home / "outside"
        self.outside.write_bytes(PRECIOUS)
        for folder in ("metadata", "targets"):
            (home / folder).mkdir()
        problems = self.play(self.init)
        assert not problems, problems

    def play(self, step, **changes):
        return replay_recorded.call(self.program, self.server, self.name, dict(step, **changes),
                                    self.blobs, self.home)


def symbolic_link_in_the_metadata_folder_is_refused(world):  # M-29
    link = world.home / "metadata" / "timestamp.json"
    link.symlink_to(world.outside)
    before = replay_recorded.state(world.home / "metadata")
    problems = world.play(world.download, exit=1, downloaded=None,
                          trusted={name: {"sha256": digest} for name, digest in before.items()})
    if not link.is_symlink():
        problems.append("the link is gone")
    link.unlink()
    return problems + world.play(world.download)


def hard_link_in_the_metadata_folder_is_replaced(world):
    os.link(world.outside, world.home / "metadata" / "snapshot.json")
    return world.play(world.download)


def cve_2026_6968_symbolic_link_under_a_targets_name_is_replaced(world):
    file = world.home / "targets" / "target_file.txt"
    file.symlink_to(world.outside)
    problems = world.play(world.download)
    return problems + ([] if not file.is_symlink() else ["still a link"])


def dangling_link_under_a_targets_name_makes_no_file_elsewhere(world):
    (world.home / "targets" / "target_file.txt").symlink_to(world.home / "elsewhere")
    problems = world.play(world.download)
    return problems + (["written through the link"] if (world.home / "elsewhere").exists() else [])


def hard_link_under_a_targets_name_is_replaced(world):
    os.link(world.outside, world.home / "targets" / "target_file.txt")
    return world.play(world.download)


def folder_under_a_targets_name_stays_and_ends_the_run(world):
    folder = world.home / "targets" / "target_file.txt"
    folder.mkdir()
    problems = world.play(world.download, exit=1, downloaded=None)
    return problems + ([] if not list(folder.iterdir()) else ["something lies in it"])


CASES = [symbolic_link_in_the_metadata_folder_is_refused,
         hard_link_in_the_metadata_folder_is_replaced,
         cve_2026_6968_symbolic_link_under_a_targets_name_is_replaced,
         dangling_link_under_a_targets_name_makes_no_file_elsewhere,
         hard_link_under_a_targets_name_is_replaced,
         folder_under_a_targets_name_stays_and_ends_the_run]


def main():
    program, vectors = sys.argv[1], Path(os.environ.get("PAWL_VECTORS", sys.argv[2]))
    recorded = vectors / "tuf" / "conformance-recorded"
    if not recorded.is_dir() or not shutil.which("faketime"):
        print("skipped: needs faketime and the recorded cases in", recorded)
        return 77
    server, failed = replay_recorded.Server(), 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as home:
            world = World(program, server, recorded, Path(home))
            problems = case(world)
            if world.outside.read_bytes() != PRECIOUS:
                problems.append("the file outside has changed")
        for problem in problems:
            print(f"{case.__name__}: {problem}")
        failed += bool(problems)
    print(f"{len(CASES) - failed} of {len(CASES)} as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
