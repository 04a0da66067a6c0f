# SPDX-License-Identifier: Apache-2.0
"""Running the product's programs as a person would, and showing what is typed and answered."""

import os
import subprocess
import sys
import textwrap
import time

WIDTH = 100


class DemoError(Exception):
    """Something did not go as the story says. The message says what was expected and found."""


def title(number, text):
    print(f"\n== {number}/9  {text}", flush=True)


def say(text):
    print(textwrap.fill(text, WIDTH, initial_indent="   ", subsequent_indent="   "), flush=True)


def show(command, output="", limit=30):
    """A command line and the start of its answer."""
    if command:
        print(f"   $ {command}", flush=True)
    lines = output.rstrip("\n").splitlines()
    for line in lines[:limit]:
        print(f"     {line[:160]}", flush=True)
    if len(lines) > limit:
        print(f"     … {len(lines) - limit} more lines", flush=True)


def expect(condition, expected, found):
    if not condition:
        raise DemoError(f"expected {expected}, found {found}")


def run(argv, *, lines=(), expect_code=0, quiet=False, shown=None, env=None, cwd=None):
    """Runs a program. `lines` go to a pipe named by --passphrase-fd, one secret a line."""
    argv = [str(word) for word in argv]
    keep = ()
    if lines:
        reader, writer = os.pipe()
        os.write(writer, "".join(f"{line}\n" for line in lines).encode())
        os.close(writer)
        argv += ["--passphrase-fd", str(reader)]
        keep = (reader,)
    done = subprocess.run(argv, capture_output=True, text=True, pass_fds=keep, env=env, cwd=cwd,
                          check=False, stdin=subprocess.DEVNULL)
    for descriptor in keep:
        os.close(descriptor)
    if not quiet:
        name = os.path.basename(argv[0])
        show(shown or " ".join([name] + [short(word) for word in argv[1:]]),
             done.stdout + (done.stderr if done.returncode else ""))
    if done.returncode != expect_code:
        raise DemoError(f"'{' '.join(argv)}' ended with {done.returncode}, expected {expect_code}:\n"
                        f"{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if expect_code else "")


def short(word):
    """Paths by their last two parts, so that a line can be read."""
    if word.startswith("/") and word.count("/") > 3:
        return "…/" + "/".join(word.rsplit("/", 2)[-2:])
    return f"'{word}'" if " " in word else word


def mib(count):
    return f"{count / (1 << 20):.1f} MiB"


class Phases:
    """Seconds by phase, for the table at the end."""

    def __init__(self):
        self.rows = []
        self._started = time.monotonic()
        self._last = self._started

    def done(self, name):
        now = time.monotonic()
        self.rows.append((name, now - self._last))
        self._last = now

    def total(self):
        return time.monotonic() - self._started


def fail(text):
    print(f"\ntools/demo: {text}", file=sys.stderr, flush=True)
    sys.exit(1)
