#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader of containers, written from docs/container-format.md alone.

usage: container_reader.py [--source IMAGE] CONTAINER TARGET

Applies CONTAINER and writes TARGET. Exit status: 0 done, 1 refused (with the rule), 77 when neither the
Python module "zstandard" nor the program "zstd" is there. Of the transforms it has deflate, and xz as
lzma_stream_encoder makes it: Python's own modules reach no others exactly. Whole files are read into memory: this is a
reference, not a tool for devices.
"""
import argparse
import hashlib
import lzma
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

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
    require(version == 3 and flags in (0, 1), "C-05")
    target_bytes, target_sha, source_bytes, source_sha = struct.unpack_from("<Q32sQ32s", data, 16)
    memory, codecs, transforms, frames = struct.unpack_from("<IHHI", data, 96)
    require(head_bytes == 108 + 8 * codecs + 52 * transforms + 40 * frames <= len(data), "C-06")
    require(head_bytes <= 4 << 20 and max(target_bytes, source_bytes) <= 1 << 40, "C-07")
    require(codecs <= 8 and memory <= 64 << 20, "C-07")
    require(flags or (source_bytes == 0 and source_sha == bytes(32)), "C-08")
    require(transforms <= 16, "C-28")
    listed = {0}
    for i in range(codecs):
        codec, codec_version, _ = struct.unpack_from("<HHI", data, 108 + 8 * i)
        require((codec, codec_version) == (1, 1) and codec not in listed, "C-09")
        listed.add(codec)
    listed_transforms, at = [], 108 + 8 * codecs
    for i in range(transforms):
        number, number_version, _, parameters, need, test = struct.unpack_from("<HHIQI32s", data, at)
        key = (number, number_version, parameters)
        require(not listed_transforms or key > listed_transforms[-1][0], "C-28")
        require(need <= 64 << 20, "C-07")
        encode = encoder(*key)
        require(encode is not None and self_test(encode) == test, "C-26")
        listed_transforms.append((key, need, encode))
        at += 52
    table, units = [], 0
    for i in range(frames):
        count, payload, sha = struct.unpack_from("<II32s", data, at + 40 * i)
        require(1 <= count <= (64 if flags else 256), "C-10")
        require(36 <= payload <= 2 << 20, "C-07")
        table.append((count, payload, sha))
        require(flags or units % 256 + count <= 256, "C-11")
        units += count
    unit = CHUNK if flags else BLOCK
    require(units == -(-target_bytes // unit), "C-10")
    return dict(head_bytes=head_bytes, target_bytes=target_bytes, target_sha=target_sha,
                source_bytes=source_bytes if flags else None, source_sha=source_sha,
                memory=memory, listed=listed, transforms=listed_transforms, unit=unit, frames=table)


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


def self_test_text():
    text, state = bytearray(), 0x5041574C
    while len(text) < 256 << 10:
        state ^= state << 13 & (1 << 64) - 1
        state ^= state >> 7
        state ^= state << 17 & (1 << 64) - 1
        if state % 4 == 0:
            text += state.to_bytes(8, "little")
        else:
            distance = 1 + (state >> 16) % (len(text) + 1)
            for _ in range(4 + (state >> 8) % 64):
                text.append(0x20 if len(text) < distance else text[len(text) - distance])
    return bytes(text[:256 << 10])


def self_test(encode):
    text = self_test_text()
    return hashlib.sha256(encode(text[:8 << 10]) + encode(text[8 << 10:128 << 10]) +
                          encode(text[128 << 10:])).digest()


def encoder(number, version, parameters):
    """A function from plain to coded bytes, None when this reader has none."""
    if version != 1:
        return None
    if number == 3 and parameters >> 25 == 0:
        level, window, memory_level = (parameters >> shift & 255 for shift in (0, 8, 16))
        sign = 1 if parameters >> 24 & 1 else -1

        def deflate(plain):
            one = zlib.compressobj(level, zlib.DEFLATED, sign * window, memory_level)
            return one.compress(plain) + one.flush()
        return deflate
    if number == 2 and parameters >> 24 & 0xFF == 0 and parameters >> 16 & 0xFF == 0:
        preset = parameters & 31 | (lzma.PRESET_EXTREME if parameters & 128 else 0)
        chain = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": parameters >> 32}]
        return lambda plain: lzma.compress(plain, check=parameters >> 8 & 255, filters=chain)
    return None


def lz4_decode(coded):
    out, at = bytearray(), 0
    while True:
        token = coded[at]
        at += 1
        lengths = []
        for length in (token >> 4, token & 15):
            if lengths:
                if at >= len(coded):
                    return bytes(out)
                distance = coded[at] | coded[at + 1] << 8
                require(0 < distance <= len(out), "C-30")
                at += 2
            more = length == 15
            while more:
                more = coded[at] == 255
                length += coded[at]
                at += 1
            if not lengths:
                out += coded[at:at + length]
                at += length
            lengths.append(length)
        for _ in range(lengths[1] + 4):
            out.append(out[-distance])


def block_decode(coding, coded, plain_bytes):
    if coding == 1:
        plain, _ = zstd_decode(coded, plain_bytes)
    elif coding == 2:
        plain = lzma.decompress(coded, lzma.FORMAT_XZ)
    elif coding == 5:
        plain = lz4_decode(coded)
    else:
        one = zlib.decompressobj(15 if coding == 3 else -15)
        plain = one.decompress(coded)
        require(one.eof and not one.unused_data, "C-30")
    require(len(plain) == plain_bytes, "C-30")
    return plain


def parse_recipe(head, data, target_bytes, source):
    """Plain bytes of the source blocks, segments and memory."""
    if not data:
        return b"", [], [(0, target_bytes)], 0
    at = 0

    def number(least, most, rule):
        nonlocal at
        value, at = varint(data, at)
        require(least <= value <= most, rule)
        return value

    extents, end, blocks, plains, longest, memory = number(0, 4096, "C-29"), 0, 0, bytearray(), 0, 2 << 20
    require(extents == 0 or source is not None, "C-30")
    most_coded, holes, total = 0, [], 0
    for _ in range(extents):
        begin = end + number(0, 1 << 40, "C-30")
        length = number(1, 4 << 20, "C-30")
        end = begin + length
        require(end <= head["source_bytes"], "C-30")
        digest, at = data[at:at + 32], at + 32
        extent = source[begin:end]
        require(hashlib.sha256(extent).digest() == digest, "C-31")
        most_coded = max(most_coded, length)
        count = number(1, 16384 - blocks, "C-29")
        blocks += count
        place = 0
        for _ in range(count):
            place += number(0, length, "C-30")
            coded = number(1, 4 << 20, "C-30")
            plain = number(1, 4 << 20, "C-30")
            coding = number(1, 5, "C-30")
            require(place + coded <= length, "C-30")
            unused = number(0, 1 << 40, "C-34")
            holes.append((len(plains), len(plains) + unused))
            plains += bytes(unused) + block_decode(coding, extent[place:place + coded], plain)
            total += plain
            require(total <= 128 << 20, "C-30")
            longest = max(longest, plain)
            place += coded
    if extents:
        memory += most_coded + (4 << 20) + longest + (2 << 20)
    segments, plain_bytes, made, seen, reach = [], 0, 0, 0, 0
    for _ in range(number(1, 16384, "C-29")):
        value = number(3, 3 * (128 << 20) + 2, "C-32")
        kind, plain = value % 3, value // 3
        plain_bytes += plain
        if kind != 2:
            segments.append((kind, plain))
            made += plain if kind == 0 else 0
            continue
        transform = number(0, len(head["transforms"]) - 1, "C-32")
        ahead = number(0, (4 << 20) - plain, "C-32")
        coded = number(1, 4 << 20, "C-32")
        zeros = number(0, 64 << 10, "C-32")
        skip = number(0, zeros + coded - 1, "C-32")
        rest = number(0, zeros + coded - skip - 1, "C-32")
        number(0, 1 << 20, "C-32")  # only context coding looks at positions
        segments.append((kind, plain, transform, ahead, coded, zeros, skip, rest))
        made += zeros + coded - skip - rest
        seen += plain + ahead
        reach = max(reach, plain_bytes + ahead)
    require(at == len(data), "C-29")
    require(plain_bytes <= 128 << 20 and seen <= 256 << 20 and reach <= plain_bytes, "C-32")
    require(made == target_bytes, "C-32")
    return bytes(plains), holes, segments, memory


def assemble(head, segments, plain):
    out, at = bytearray(), 0
    for kind, length, *block in segments:
        if kind == 0:
            out += plain[at:at + length]
        if kind == 2:
            transform, ahead, coded, zeros, skip, rest = block
            require(ahead == 0, "C-33")  # no transform of this reader looks ahead
            made = head["transforms"][transform][2](plain[at:at + length])
            require(len(made) == coded, "C-33")
            made = bytes(zeros) + made
            out += made[skip:len(made) - rest]
        at += length
    return out


def split_payload(head, payload, before):
    headers = [struct.unpack_from("<BII", payload, 9 * i) for i in range(4)]
    require(36 + sum(header[2] for header in headers) == len(payload), "C-12")
    require(headers[0][1] <= 512 << 10 and headers[1][1] <= 4 << 20, "C-14")
    streams, at, memory = [], 36, CHUNK + (256 << 10)
    for index, (codec, plain_bytes, coded_bytes) in enumerate(headers):
        coded = payload[at:at + coded_bytes]
        at += coded_bytes
        require(codec in head["listed"], "C-13")
        if codec == 0:
            require(plain_bytes == coded_bytes, "C-13")
            streams.append(coded)
        else:
            require(plain_bytes > 0, "C-13")
            plain, window = zstd_decode(coded, plain_bytes, before if index == 3 else b"")
            memory += window + (512 << 10) if index else 0
            streams.append(plain)
    return streams, memory


def decode_frame(head, payload, target_bytes, source, before):
    (recipe, control, difference, literal), memory = split_payload(head, payload, before)
    blocks, holes, segments, more = parse_recipe(head, recipe, target_bytes, source)
    require(memory + more <= head["memory"], "C-24")
    plain_bytes = sum(segment[1] for segment in segments)
    require(len(difference) + len(literal) <= plain_bytes, "C-14")
    if source is not None:
        source += blocks
    out = bytearray()
    at = position = added = taken = 0
    while at < len(control):
        first, at = varint(control, at)
        count, kind = first >> 2, first & 3
        require(count >= 1, "C-15")
        require(count <= plain_bytes - len(out), "C-17")
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
            require(0 <= position and position + count <= len(source), "C-16")
            require(all(position + count <= head["source_bytes"] + begin or position >= head["source_bytes"] + end
                        for begin, end in holes), "C-34")
            piece = source[position:position + count]
            position += count
            if kind == 3:
                require(count <= len(difference) - added, "C-17")
                change = difference[added:added + count]
                added += count
                piece = bytes((a + b) & 255 for a, b in zip(piece, change))
            out += piece
    require(len(out) == plain_bytes and added == len(difference) and taken == len(literal), "C-18")
    return out if not recipe else assemble(head, segments, out)


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
