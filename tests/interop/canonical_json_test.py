#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is our canonical JSON (M-02) what others sign, and are our key ids (M-08) what others compute?

usage: canonical_json_test.py CANONICAL_FORM REPOSITORY

Generated documents go through our code (canonical_form.cc), tuf-js and, where it is installed, python-tuf. The keys are those of the
repository that signed_repository.py made. Exit status 77: no peer here.
"""

import hashlib
import json
import pathlib
import random
import subprocess
import sys

from peers import SKIP, NotInstalled, start

SEED = 20261125
DOCUMENTS = 400
# Where escaping and order go wrong: quotes, what JSON escapes, the ends of the planes of Unicode.
CHARACTERS = [*"aZ09 _-./'\"\\", "\n", "\t", "\r", "\x01", "\x1f", "\x7f", "é", "e\u0301", "ß", "\u2028", "\ufffd", "\uffff"]
ASTRAL = ["\U00010000", "\U0001f600", "\U0010ffff"]


class Generator:
    """`wide`: also what JavaScript sorts or counts differently: names beyond the first plane, integers above 2^53."""

    def __init__(self, wide):
        self.random = random.Random(SEED + wide)
        self.characters = CHARACTERS + (ASTRAL if wide else [])
        self.largest = (1 << 63) - 1 if wide else (1 << 53) - 1

    def text(self):
        return "".join(self.random.choices(self.characters, k=self.random.randrange(6)))

    def value(self, depth):
        kind = self.random.randrange(7 if depth else 5)
        if kind == 0:
            return self.text()
        if kind == 1:
            return self.random.choice([0, 1, -1, self.largest, -self.largest, self.random.randrange(1 << 40)])
        if kind == 2:
            return self.random.choice([True, False, None])
        if kind in (3, 4):
            return self.text() + self.text()
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.random.randrange(5))]
        return {self.text(): self.value(depth - 1) for _ in range(self.random.randrange(7))}


class Ours:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def canonical(self, text):
        self.process.stdin.write(text.encode("utf-8").hex() + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare_documents(ours, peer):
    wide = peer.name == "python-tuf"
    generator = Generator(wide)
    for number in range(DOCUMENTS):
        # Written in several ways that mean the same: escapes or not, spaces or not.
        document = {"of": generator.value(4), generator.text(): generator.value(4)}
        text = json.dumps(document, ensure_ascii=number % 2 == 0, indent=None if number % 3 else 1)
        found, expected = ours.canonical(text), peer.ask(op="canonical", text=text)
        if not expected["ok"] or found != expected["hex"]:
            raise SystemExit(f"document {number} differs from {peer.name}: {text!r}\n  ours  {found}\n  theirs {expected}")
    print(f"ok   {DOCUMENTS} documents have the same canonical form here and in {peer.name}")


def compare_key_ids(ours, peer, repository):
    count = 0
    for path in sorted(repository.glob("*/metadata/*.json")):
        signed = json.loads(path.read_text("utf-8"))["signed"]
        for keyid, key in {**signed.get("keys", {}), **signed.get("delegations", {}).get("keys", {})}.items():
            text = json.dumps(key)
            theirs = bytes.fromhex(peer.ask(op="canonical", text=text)["hex"])
            mine = bytes.fromhex(ours.canonical(text))
            if not keyid == hashlib.sha256(theirs).hexdigest() == hashlib.sha256(mine).hexdigest():
                raise SystemExit(f"{path.name}: the key id {keyid} is not what {peer.name} makes of {text}")
            count += 1
    if not count:
        raise SystemExit(f"no key found in {repository}")
    print(f"ok   {count} key ids of pawl-signer are what {peer.name} computes")


def main():
    ours, compared = Ours(sys.argv[1]), 0
    for name in ("tuf-js", "python-tuf"):
        try:
            peer = start(name)
        except NotInstalled as reason:
            print(f"skipped: {reason}")
            continue
        compare_documents(ours, peer)
        compare_key_ids(ours, peer, pathlib.Path(sys.argv[2]))
        peer.close()
        compared += 1
    ours.close()
    return 0 if compared else SKIP


if __name__ == "__main__":
    sys.exit(main())
