#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader of containers, written from docs/container-format.md alone.

usage: container_reader.py [--source IMAGE] CONTAINER TARGET

Applies CONTAINER and writes TARGET. Exit status: 0 done, 1 refused (with the rule), 77 when neither the
Python module "zstandard" nor the program "zstd" is there. Whole files are read into memory: this is a
reference, not a tool for devices.
"""
import argparse
import hashlib
import shutil
import struct
import subprocess
import sys
import tempfile

CHUNK = 1 << 20
BLOCK = 4096
LOOK_BACK = 1 << 17
MAGIC = b"PAWLCTR\n"

try:
    import zstandard
except ImportError:
    zstandard = None


class Refused(Exception):
    pass


def require(condition, rule):
    if not condition:
        raise Refused(rule)


def zstd_window_and_size(coded):
    """Window and content size of a zstd frame header (RFC 8878, section 3.1.1.1)."""
    require(len(coded) >= 6 and coded[:4] == b"\x28\xb5\x2f\xfd", "C-20")
    descriptor = coded[4]
    single = descriptor >> 5 & 1
    require(descriptor & 3 == 0, "C-21")
    size_bytes = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    require(size_bytes, "C-21")
    at = 5
    window = None
    if not single:
        exponent, mantissa = coded[at] >> 3, coded[at] & 7
        window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
        at += 1
    require(len(coded) >= at + size_bytes, "C-21")
    size = int.from_bytes(coded[at:at + size_bytes], "little") + (256 if size_bytes == 2 else 0)
    return (size if window is None else window), size


def zstd_decode(coded, plain_bytes, before=b""):
    window, size = zstd_window_and_size(coded)
    require(size == plain_bytes, "C-21")
    require(window <= 1 << 20, "C-22")
    if zstandard:
        raw = zstandard.ZstdCompressionDict(before, zstandard.DICT_TYPE_RAWCONTENT) if before else None
        decoder = zstandard.ZstdDecompressor(dict_data=raw).decompressobj()
        plain = decoder.decompress(coded)
        require(not decoder.unused_data, "C-20")
    else:
        with tempfile.NamedTemporaryFile() as prefix:
            prefix.write(before)
            prefix.flush()
            option = [f"--patch-from={prefix.name}"] if before else []
            done = subprocess.run(["zstd", "-dc", "-q", *option], input=coded, capture_output=True, check=False)
        require(done.returncode == 0, "C-23")
        plain = done.stdout
    require(len(plain) == plain_bytes, "C-23")
    return plain, window


def parse_head(data):
    require(len(data) >= 108 and data[:8] == MAGIC, "C-05")
    version, flags, head_bytes = struct.unpack_from("<HHI", data, 8)
    require(version == 2 and flags in (0, 1), "C-05")
    target_bytes, target_sha, source_bytes, source_sha = struct.unpack_from("<Q32sQ32s", data, 16)
    memory, codecs, transforms, frames = struct.unpack_from("<IHHI", data, 96)
    require(head_bytes == 108 + 8 * codecs + 40 * frames <= len(data), "C-06")
    require(head_bytes <= 4 << 20 and max(target_bytes, source_bytes) <= 1 << 40, "C-07")
    require(codecs <= 8 and memory <= 64 << 20, "C-07")
    require(flags or (source_bytes == 0 and source_sha == bytes(32)), "C-08")
    require(transforms == 0, "C-09")
    listed = {0}
    for i in range(codecs):
        codec, codec_version, _ = struct.unpack_from("<HHI", data, 108 + 8 * i)
        require((codec, codec_version) == (1, 1) and codec not in listed, "C-09")
        listed.add(codec)
    table, units, at = [], 0, 108 + 8 * codecs
    for i in range(frames):
        count, payload, sha = struct.unpack_from("<II32s", data, at + 40 * i)
        require(1 <= count <= (64 if flags else 256), "C-10")
        require(27 <= payload <= 2 << 20, "C-07")
        table.append((count, payload, sha))
        require(flags or units % 256 + count <= 256, "C-11")
        units += count
    unit = CHUNK if flags else BLOCK
    require(units == -(-target_bytes // unit), "C-10")
    return dict(head_bytes=head_bytes, target_bytes=target_bytes, target_sha=target_sha,
                source_bytes=source_bytes if flags else None, source_sha=source_sha,
                memory=memory, listed=listed, unit=unit, frames=table)


def varint(data, at):
    value = shift = 0
    while True:
        require(at < len(data) and shift < 70, "C-01")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            require((byte or shift == 7) and value < 1 << 64, "C-01")
            return value, at


def split_payload(head, payload, target_bytes, before):
    headers = [struct.unpack_from("<BII", payload, 9 * i) for i in range(3)]
    require(27 + sum(header[2] for header in headers) == len(payload), "C-12")
    require(headers[0][1] <= 4 << 20 and headers[1][1] + headers[2][1] <= target_bytes, "C-14")
    streams, at, memory = [], 27, CHUNK + (256 << 10)
    for number, (codec, plain_bytes, coded_bytes) in enumerate(headers):
        coded = payload[at:at + coded_bytes]
        at += coded_bytes
        require(codec in head["listed"], "C-13")
        if codec == 0:
            require(plain_bytes == coded_bytes, "C-13")
            streams.append(coded)
        else:
            require(plain_bytes > 0, "C-13")
            plain, window = zstd_decode(coded, plain_bytes, before if number == 2 else b"")
            memory += window + (512 << 10)
            streams.append(plain)
    require(memory <= head["memory"], "C-24")
    return streams


def decode_frame(head, payload, target_bytes, source, before):
    control, difference, literal = split_payload(head, payload, target_bytes, before)
    out = bytearray()
    at = position = added = taken = 0
    while at < len(control):
        first, at = varint(control, at)
        count, kind = first >> 2, first & 3
        require(count >= 1, "C-15")
        require(count <= target_bytes - len(out), "C-17")
        if kind == 0:
            out += bytes(count)
        elif kind == 1:
            require(count <= len(literal) - taken, "C-17")
            out += literal[taken:taken + count]
            taken += count
        else:
            move, at = varint(control, at)
            require(move != 1, "C-15")
            require(source is not None, "C-16")
            position += -(move >> 1) if move & 1 else move >> 1
            require(0 <= position and position + count <= head["source_bytes"], "C-16")
            piece = source[position:position + count]
            position += count
            if kind == 3:
                require(count <= len(difference) - added, "C-17")
                change = difference[added:added + count]
                added += count
                piece = bytes((a + b) & 255 for a, b in zip(piece, change))
            out += piece
    require(len(out) == target_bytes and added == len(difference) and taken == len(literal), "C-18")
    return out


def apply(data, source):
    head = parse_head(data)
    require((source is None) == (head["source_bytes"] is None), "C-16")
    if source is not None:
        require(len(source) == head["source_bytes"], "C-16")
        require(hashlib.sha256(source).digest() == head["source_sha"], "C-16")
    target, at = bytearray(), head["head_bytes"]
    for count, payload_bytes, sha in head["frames"]:
        payload = data[at:at + payload_bytes]
        at += payload_bytes
        require(len(payload) == payload_bytes, "C-03")
        require(hashlib.sha256(payload).digest() == sha, "C-04")
        size = min(count * head["unit"], head["target_bytes"] - len(target))
        before = b"" if source is not None else bytes(target[-LOOK_BACK:])
        target += decode_frame(head, payload, size, source, before)
    require(at == len(data), "C-03")
    require(hashlib.sha256(target).digest() == head["target_sha"], "C-25")
    return bytes(target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source")
    parser.add_argument("container")
    parser.add_argument("target")
    options = parser.parse_args()
    if zstandard is None and shutil.which("zstd") is None:
        print("skipped: neither the module zstandard nor the program zstd is there")
        return 77
    source = None
    if options.source:
        with open(options.source, "rb") as file:
            source = file.read()
    with open(options.container, "rb") as file:
        data = file.read()
    try:
        target = apply(data, source)
    except Refused as refused:
        print(f"refused by {refused}", file=sys.stderr)
        return 1
    with open(options.target, "wb") as file:
        file.write(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
