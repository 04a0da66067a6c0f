#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which aligned 4 KiB blocks of a new image an old one has anywhere, as RAUC's block-hash-index.

split OLD NEW INDEX REST   INDEX: for each block of NEW its place in OLD, or -1; REST: those blocks
join OLD INDEX REST OUT    puts NEW together again
"""

import array
import hashlib
import sys

BLOCK = 4096


def blocks(path):
    with open(path, "rb", buffering=1 << 20) as file:
        while block := file.read(BLOCK):
            yield block


def split(old, new, index, rest):
    places = {}
    for number, block in enumerate(blocks(old)):
        places.setdefault(hashlib.sha256(block).digest(), number)
    found = array.array("q")
    with open(rest, "wb", buffering=1 << 20) as out:
        for block in blocks(new):
            place = places.get(hashlib.sha256(block).digest(), -1)
            found.append(place)
            if place < 0:
                out.write(block)
    with open(index, "wb") as out:
        found.tofile(out)


def join(old, index, rest, out_path):
    found = array.array("q")
    with open(index, "rb") as file:
        found.frombytes(file.read())
    with open(old, "rb") as source, open(rest, "rb", buffering=1 << 20) as missing, \
            open(out_path, "wb", buffering=1 << 20) as out:
        for place in found:
            if place < 0:
                out.write(missing.read(BLOCK))
            else:
                source.seek(place * BLOCK)
                out.write(source.read(BLOCK))


if __name__ == "__main__":
    {"split": split, "join": join}[sys.argv[1]](*sys.argv[2:])
