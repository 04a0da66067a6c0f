#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the programs print what the transcripts show?

usage: transcript_test.py TRANSCRIPT PROGRAM...

A transcript holds commands ("$ pawl-agent ...") and what they print, standard error included, as a user sees
it. "[exit 12]" stands behind a command that ends with that status. "..." inside a line stands for any text,
alone on a line for any lines. Lines that begin with "#" are remarks. All commands run in one fresh folder.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile


def read(path):
    """[(line number, command, expected lines, exit status)]"""
    steps = []
    for number, line in enumerate(pathlib.Path(path).read_text("utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        if line.startswith("$ "):
            steps.append([number, line[2:], [], 0])
        elif found := re.fullmatch(r"\[exit (\d+)\]", line):
            steps[-1][3] = int(found[1])
        elif steps:
            steps[-1][2].append(line)
    return steps


def pattern(lines):
    parts = []
    while lines and not lines[-1]:
        lines = lines[:-1]
    for line in lines:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(map(re.escape, line.split("..."))) + r"\n")
    return re.compile("".join(parts))


def main():
    transcript, programs = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="pawl-transcript-") as folder:
        tools, home = pathlib.Path(folder, "bin"), pathlib.Path(folder, "home")
        tools.mkdir()
        home.mkdir()
        for program in programs:
            os.symlink(os.path.abspath(program), tools / os.path.basename(program))
        env = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
        env.update(PATH=f"{tools}:/usr/bin:/bin:/usr/sbin:/sbin", HOME=str(home), LC_ALL="C.UTF-8")
        steps = read(transcript)
        for number, command, lines, status in steps:
            done = subprocess.run(["bash", "-c", command], cwd=home, env=env, text=True, check=False,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            if done.returncode != status or not pattern(lines).fullmatch(done.stdout):
                expected = "\n".join(lines)
                print(f"{transcript}:{number}: $ {command}\nexpected (exit {status}):\n{expected}\n"
                      f"found (exit {done.returncode}):\n{done.stdout}")
                return 1
    print(f"{len(steps)} commands")
    return 0 if steps else 1


if __name__ == "__main__":
    sys.exit(main())
