#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does docs/key-ceremony.md work? Runs every `sh` block of the page in order, in one empty folder.

usage: key_ceremony_test.py --signer PROGRAM

A block must succeed; what is shown as a `text` block is not run. Around them the test looks at what
the page promises: the repository verifies after every publication, each key that was lost or stolen
is out of root and delegations at the end, and every root that ever was is still served.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "key-ceremony.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^##+ (.*)$", re.M)
# Who is out at the end of the page, by the key file that was given up.
GONE = ["chloe", "time", "snap", "time-2", "emil", "rolf", "olga", "tom", "anna"]
# Recoveries that the page must rehearse: every one that the program knows.
RECOVERY = re.compile(r"^  (recover [a-z-]+)  ", re.M)


def blocks_of(text):
    """(heading, script) of every block that is run."""
    headings = [(found.start(), found[1]) for found in HEADING.finditer(text)]
    for found in BLOCK.finditer(text):
        heading = [name for start, name in headings if start < found.start()][-1]
        yield heading, found[1]


def run_block(heading, script, folder, environment):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"key-ceremony.md, '{heading}': this block ended with {done.returncode}\n"
                 f"{script}\n--- stdout\n{done.stdout[-2000:]}\n--- stderr\n{done.stderr[-2000:]}")
    print(f"ok: {heading}")
    if "pawl-signer publish" in script:
        verified = subprocess.run(["pawl-signer", "verify", "--repo", "repo"], cwd=folder,
                                  env=environment, capture_output=True, text=True, check=False)
        if verified.returncode != 0:
            sys.exit(f"key-ceremony.md, '{heading}': what was published does not verify\n"
                     f"{verified.stderr}")


def newest(metadata, role):
    versions = {int(path.name.split(".")[0]): path for path in metadata.glob(f"*.{role}.json")}
    return versions[max(versions)], sorted(versions)


def check_result(folder):
    metadata = folder / "repo" / "public" / "metadata"
    trusted = set()
    for role in ("root", "targets"):
        path, versions = newest(metadata, role)
        signed = json.loads(path.read_text())["signed"]
        trusted |= set(signed.get("keys", signed.get("delegations", {}).get("keys", {})))
        if role == "root" and versions != list(range(1, len(versions) + 1)):
            sys.exit(f"roots {versions} are served: one is missing")
    for name in GONE:
        keyid = json.loads((folder / f"{name}.key.pub").read_text())["keyid"]
        if keyid in trusted:
            sys.exit(f"the key of {name} was given up and is still trusted")
    print(f"ok: none of the {len(GONE)} keys that were given up is trusted any more")


def check_complete(text, environment):
    help_text = subprocess.run(["pawl-signer", "--help"], env=environment, capture_output=True,
                               text=True, check=True).stdout
    scripts = "".join(script for _, script in blocks_of(text))
    known = RECOVERY.findall(help_text)
    if not known:
        sys.exit("pawl-signer --help names no recovery")
    for command in known:
        if f"pawl-signer {command}" not in scripts:
            sys.exit(f"key-ceremony.md rehearses no 'pawl-signer {command}'")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signer", required=True)
    signer = pathlib.Path(parser.parse_args().signer).resolve()
    environment = dict(os.environ, PATH=f"{signer.parent}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
    text = PAGE.read_text("utf-8")
    check_complete(text, environment)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for heading, script in blocks_of(text):
            run_block(heading, script, folder, environment)
        check_result(folder)


if __name__ == "__main__":
    main()
