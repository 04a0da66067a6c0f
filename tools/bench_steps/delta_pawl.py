# SPDX-License-Identifier: Apache-2.0
"""Pawl as a tool of tools/bench delta, and the plain copy that its application is held against."""

import dataclasses
import hashlib
import re
import subprocess

from .delta_peers import OneFile
from .meter import Usage

# What an application may use of a device (delta apply --memory); larger containers are refused.
DEVICE_MEMORY = "32MiB"
APPLY_RUNS = 3  # the middle one by CPU time counts


class Pawl(OneFile):
    """One effort with one number of threads; the container is the same for all numbers."""

    def __init__(self, signer, effort, threads, without=None):
        self.signer, self.effort, self.threads, self.without = signer, effort, threads, without
        self.name = f"Pawl {effort}"
        self.arguments = f"--effort {effort} --threads {threads}"
        if without:
            self.name += f" without {without}"
            self.arguments += f" --without {without}"

    @classmethod
    def variants(cls, signer, efforts, threads):
        return [cls(signer, effort, count) for effort in efforts for count in threads]

    def version(self):
        """The program's own bytes: two builds of one commit may differ."""
        return "build " + hashlib.sha256(self.signer.read_bytes()).hexdigest()[:16]

    def make_words(self, pair, patch):
        without = ["--without", self.without] if self.without else []
        return [self.signer, "delta", "make", "--effort", self.effort, "--threads", self.threads,
                *without, pair.old, pair.new, patch]

    def apply_words(self, pair, patch, out):
        return [self.signer, "delta", "apply", "--memory", DEVICE_MEMORY, pair.old, patch, out]

    def apply(self, pair, work, out, meter):
        return middle_usage([super(Pawl, self).apply(pair, work, out, meter)
                             for _ in range(APPLY_RUNS)])


def middle_usage(usages):
    return sorted(usages, key=lambda usage: usage.cpu_s)[len(usages) // 2]


def plain_copy(pair, work, meter):
    """What reading the old file, copying the new one and hashing it costs: an update can hardly
    do with less."""
    def once():
        out = work / "copy"
        usage = Usage()
        for words in (["cat", pair.old], ["cp", pair.new, out],
                      ["openssl", "dgst", "-sha256", out]):
            usage += meter.run(words)
        out.unlink()
        return usage
    return dataclasses.asdict(middle_usage([once() for _ in range(APPLY_RUNS)]))


def layers_offered(signer):
    """What `pawl-signer delta make --without` takes: as its help lists it, or, since it is of no use
    to others and may be left out there, as the refusal of a wrong word does."""
    for words in (["--help"], ["--without", "?", "-", "-", "-"]):
        done = subprocess.run([signer, "delta", "make", *words], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        offered = layers_in(done.stdout + done.stderr)
        if offered:
            return offered
    return []


def layers_in(help_text):
    """The list of words after --without: "a, b or c", "a | b" or "{a,b,c}"."""
    found = re.search(r"--without\b(.*?)(?=\n\s*-|\n\n|\Z)", help_text, re.S)
    if not found:
        return []
    between = r"(?:,\s*(?:or\s+)?|\s+or\s+|\s*\|\s*)"
    lists = [re.split(between, match[0])
             for match in re.finditer(rf"[a-z-]+(?:{between}[a-z-]+)+", found[1])]
    return max(lists, key=len, default=[])  # words around it may have a comma, too
