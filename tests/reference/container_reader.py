#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader of containers, written from the pages that define them alone:
docs/container-format.md and, in context_mixing.py, docs/context-mixing.md.

usage: container_reader.py [--source IMAGE] CONTAINER TARGET

Applies CONTAINER and writes TARGET. Exit status: 0 done, 1 refused (with the rule), 77 when neither
the Python module "zstandard" nor the program "zstd" is there. Of the transforms it has deflate and
xz: Python's own modules reach no others exactly. Whole files are read into memory: this is a
reference, not a tool for devices.
"""
import argparse
import bisect
import hashlib
import lzma
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import OrderedDict, namedtuple

import context_mixing
from transforms import encoder, most_coded_bytes, self_test
from wire import Refused, require, varint

CHUNK = 1 << 20
BLOCK = 4096
LOOK_BACK = 1 << 17
MAGIC = b"PAWLCTR\n"
STORED, ZSTD, LZMA2, CONTEXT_MIXING = range(4)
MIXED, LITERAL = 3, 4
RAW, DROP, BLOCK_SEGMENT = range(3)
ZERO, TAKE, COPY, ADD, MIX = range(5)

Transform = namedtuple("Transform", "key memory encode")
SourceBlock = namedtuple("SourceBlock", "begin plain extent offset coded coding")
Segment = namedtuple(
    "Segment", "kind plain transform ahead coded zeros skip rest advance", defaults=(0,) * 7)

try:
    import zstandard
except ImportError:
    zstandard = None


def zstd_window_and_size(coded):
    """Window and content size of a zstd frame header (RFC 8878, section 3.1.1.1), and where its
    blocks begin. None for a size that is not stated."""
    require(len(coded) >= 6 and coded[:4] == b"\x28\xb5\x2f\xfd", "C-20")
    descriptor = coded[4]
    single = descriptor >> 5 & 1
    require(descriptor & 8 == 0, "C-20")
    size_bytes = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    at = 5
    window = None
    if not single:
        exponent, mantissa = coded[at] >> 3, coded[at] & 7
        window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
        at += 1
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
    require(not any(coded[at:at + dictionary_bytes]), "C-21")
    at += dictionary_bytes
    require(len(coded) >= at + size_bytes, "C-20")
    size = None
    if size_bytes:
        size = int.from_bytes(coded[at:at + size_bytes], "little") + 256 * (size_bytes == 2)
    return (size if window is None else window), size, at + size_bytes


def require_one_zstd_frame(coded, at, rule):
    """Walks over the blocks of a frame, which begin at `at` (RFC 8878, section 3.1.1.2)."""
    last = False
    while not last:
        require(at + 3 <= len(coded), rule)
        header = int.from_bytes(coded[at:at + 3], "little")
        last = header & 1
        at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
    require(at + 4 * (coded[4] >> 2 & 1) == len(coded), rule)


def zstd_run(coded, before, rule):
    if zstandard:
        kind = zstandard.DICT_TYPE_RAWCONTENT
        raw = zstandard.ZstdCompressionDict(before, kind) if before else None
        decoder = zstandard.ZstdDecompressor(dict_data=raw).decompressobj()
        try:
            return decoder.decompress(coded)
        except zstandard.ZstdError as error:
            raise Refused(rule) from error
    with tempfile.NamedTemporaryFile() as prefix:
        prefix.write(before)
        prefix.flush()
        option = [f"--patch-from={prefix.name}"] if before else []
        done = subprocess.run(["zstd", "-dc", "-q", *option], input=coded, capture_output=True,
                              check=False)
    require(done.returncode == 0, rule)
    return done.stdout


def zstd_decode(coded, plain_bytes, before=b""):
    window, size, blocks = zstd_window_and_size(coded)
    require(size == plain_bytes, "C-21")
    require(window <= 1 << 20, "C-22")
    require_one_zstd_frame(coded, blocks, "C-20")
    plain = zstd_run(coded, before, "C-23")
    require(len(plain) == plain_bytes, "C-23")
    return plain, window


def lzma2_decode(coded, plain_bytes):
    require(coded and 12 <= coded[0] <= 20, "C-50")
    dictionary = 1 << coded[0]
    chain = [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary}]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
    try:
        plain = decoder.decompress(coded[1:], plain_bytes + 1)
    except lzma.LZMAError as error:
        raise Refused("C-51") from error
    require(len(plain) == plain_bytes and decoder.eof and not decoder.unused_data, "C-51")
    return plain, dictionary


def parse_head(data):
    require(len(data) >= 108 and data[:8] == MAGIC, "C-05")
    version, flags, head_bytes = struct.unpack_from("<HHI", data, 8)
    require(version == 4 and flags in (0, 1), "C-05")
    target_bytes, target_sha, source_bytes, source_sha = struct.unpack_from("<Q32sQ32s", data, 16)
    memory, codecs, transforms, frames = struct.unpack_from("<IHHI", data, 96)
    require(head_bytes == 108 + 8 * codecs + 52 * transforms + 40 * frames <= len(data), "C-06")
    require(head_bytes <= 4 << 20 and max(target_bytes, source_bytes) <= 1 << 40, "C-07")
    require(codecs <= 8 and memory <= 64 << 20, "C-07")
    require(flags or (source_bytes == 0 and source_sha == bytes(32)), "C-08")
    require(transforms <= 16, "C-28")
    listed = [STORED]
    for i in range(codecs):
        codec, codec_version, _ = struct.unpack_from("<HHI", data, 108 + 8 * i)
        require(listed[-1] < codec <= CONTEXT_MIXING and codec_version == 1, "C-09")
        listed.append(codec)
    listed_transforms, at = [], 108 + 8 * codecs
    for i in range(transforms):
        number, number_version, _, parameters, need, test = struct.unpack_from(
            "<HHIQI32s", data, at)
        key = (number, number_version, parameters)
        require(not listed_transforms or key > listed_transforms[-1].key, "C-28")
        require(need <= 64 << 20, "C-07")
        require((5 << 18) + need <= memory, "C-24")
        encode = encoder(*key)
        require(encode is not None and self_test(encode) == test, "C-26")
        listed_transforms.append(Transform(key, need, encode))
        at += 52
    table, units = [], 0
    for i in range(frames):
        count, payload, sha = struct.unpack_from("<II32s", data, at + 40 * i)
        require(1 <= count <= (64 if flags else 256), "C-10")
        require(45 <= payload <= 2 << 20, "C-07")
        table.append((count, payload, sha))
        require(flags or units % 256 + count <= 256, "C-11")
        units += count
    unit = CHUNK if flags else BLOCK
    require(units == -(-target_bytes // unit), "C-10")
    return dict(head_bytes=head_bytes, target_bytes=target_bytes, target_sha=target_sha,
                source_bytes=source_bytes if flags else None, source_sha=source_sha,
                memory=memory, listed=listed, transforms=listed_transforms, unit=unit, frames=table)


def lz4_decode(coded):
    out, at = bytearray(), 0
    while True:
        token = coded[at]
        at += 1
        lengths = []
        for length in (token >> 4, token & 15):
            if lengths:
                if at >= len(coded):  # the last bytes of a block are literals
                    require(at == len(coded) and (lengths[0] >= 5 or lengths[0] == len(out)),
                            "C-30")
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
    try:
        if coding == 1:
            _, _, blocks = zstd_window_and_size(coded)
            require_one_zstd_frame(coded, blocks, "C-30")
            plain = zstd_run(coded, b"", "C-30")
        elif coding == 5:
            plain = lz4_decode(coded)
        else:
            one = (lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2 << 20) if coding == 2 else
                   zlib.decompressobj(15 if coding == 3 else -15))
            plain = one.decompress(coded, plain_bytes + 1)
            require(one.eof and not one.unused_data, "C-30")
    except (zlib.error, lzma.LZMAError, IndexError) as error:
        raise Refused("C-30") from error
    require(len(plain) == plain_bytes, "C-30")
    return plain


class Source:
    """The bytes that operations of one frame read: the source, then its blocks' plain bytes."""

    def __init__(self, image, extents, blocks):
        self.image, self.extents, self.blocks = image, extents, blocks
        self.begins = [block.begin for block in blocks]
        self.end = blocks[-1].begin + blocks[-1].plain if blocks else len(image)
        self.extent = self.loaded = None
        self.decoded, self.held, self.spent = OrderedDict(), 0, 0

    def spend(self, count):
        self.spent += count
        require(self.spent <= 1 << 30, "C-35")

    def load(self, index):
        if self.loaded != index:
            begin, length, digest = self.extents[index]
            self.spend(length)
            self.extent, self.loaded = self.image[begin:begin + length], index
            require(hashlib.sha256(self.extent).digest() == digest, "C-31")

    def block(self, index):
        if index not in self.decoded:
            block = self.blocks[index]
            self.load(block.extent)
            self.spend(block.coded + block.plain)
            coded = self.extent[block.offset:block.offset + block.coded]
            plain = block_decode(block.coding, coded, block.plain)
            while self.decoded and self.held + block.plain > 4 << 20:
                self.held -= len(self.decoded.popitem(last=False)[1])
            self.decoded[index] = plain
            self.held += block.plain
        self.decoded.move_to_end(index)
        return self.decoded[index]

    def read(self, at, count):
        out = bytearray(self.image[at:at + count])
        while len(out) < count:
            here = at + len(out)
            index = bisect.bisect_right(self.begins, here) - 1
            require(index >= 0, "C-34")
            offset = here - self.begins[index]
            require(offset < self.blocks[index].plain, "C-34")
            out += self.block(index)[offset:offset + count - len(out)]
        return out


class Recipe:
    def __init__(self, head, data, target_bytes, image):
        self.extents, self.blocks, self.memory = [], [], 0
        self.segments = [Segment(RAW, target_bytes)]
        self.head, self.data, self.at, self.image = head, data, 0, image
        if data:
            self.read_extents()
            self.read_segments(target_bytes)
            require(self.at == len(data), "C-29")
            self.memory = self.find_memory()
        self.plain_bytes = sum(segment.plain for segment in self.segments)

    def number(self, least, most, rule):
        value, self.at = varint(self.data, self.at)
        require(least <= value <= most, rule)
        return value

    def read_extents(self):
        extents, end = self.number(0, 4096, "C-29"), 0
        require(extents == 0 or self.image is not None, "C-30")
        address = total = 0
        for _ in range(extents):
            begin = end + self.number(0, 1 << 40, "C-30")
            length = self.number(1, 4 << 20, "C-30")
            end = begin + length
            require(end <= self.head["source_bytes"], "C-30")
            require(self.at + 32 <= len(self.data), "C-29")
            self.extents.append((begin, length, self.data[self.at:self.at + 32]))
            self.at += 32
            place = 0
            for _ in range(self.number(1, 16384 - len(self.blocks), "C-29")):
                place += self.number(0, length, "C-30")
                coded = self.number(1, 4 << 20, "C-30")
                plain = self.number(1, 4 << 20, "C-30")
                coding = self.number(1, 5, "C-30")
                address += self.number(0, 1 << 40, "C-34")
                require(place + coded <= length, "C-30")
                self.blocks.append(SourceBlock(self.head["source_bytes"] + address, plain,
                                               len(self.extents) - 1, place, coded, coding))
                address += plain
                total += plain
                require(address <= 1 << 40, "C-34")
                require(total <= 128 << 20, "C-30")
                place += coded

    def read_segments(self, target_bytes):
        self.segments, plain_bytes, made, seen, reach = [], 0, 0, 0, 0
        for _ in range(self.number(1, 16384, "C-29")):
            plain, kind = divmod(self.number(3, 3 * (128 << 20) + 2, "C-32"), 3)
            plain_bytes += plain
            segment = Segment(kind, plain)
            if kind == RAW:
                made += plain
            if kind == BLOCK_SEGMENT:
                segment = self.read_block_segment(plain)
                made += segment.zeros + segment.coded - segment.skip - segment.rest
                seen += plain + segment.ahead
                reach = max(reach, plain_bytes + segment.ahead)
            self.segments.append(segment)
        require(plain_bytes <= 128 << 20 and seen <= 256 << 20 and reach <= plain_bytes, "C-32")
        require(made == target_bytes, "C-32")

    def read_block_segment(self, plain):
        transforms = self.head["transforms"]
        transform = self.number(0, len(transforms) - 1, "C-32")
        ahead = self.number(0, (4 << 20) - plain, "C-32")
        number, _, parameters = transforms[transform].key
        most = min(most_coded_bytes(number, parameters, plain), 4 << 20)
        coded = self.number(1, most, "C-32")
        zeros = self.number(0, 64 << 10, "C-32")
        skip = self.number(0, zeros + coded - 1, "C-32")
        rest = self.number(0, zeros + coded - skip - 1, "C-32")
        advance = self.number(0, 1 << 20, "C-32")
        return Segment(BLOCK_SEGMENT, plain, transform, ahead, coded, zeros, skip, rest, advance)

    def find_memory(self):
        memory = 2 << 20
        if self.extents:
            memory += max(length for _, length, _ in self.extents) + (4 << 20)
            memory += max(block.plain for block in self.blocks) + (2 << 20)
        encoding = 0
        for segment in self.segments:
            if segment.kind == BLOCK_SEGMENT:
                (number, _, parameters), need, _ = self.head["transforms"][segment.transform]
                seen = segment.plain + segment.ahead
                encoding = max(encoding,
                               2 * seen + most_coded_bytes(number, parameters, seen) + need)
        return memory + encoding

    def position(self, at):
        """Of the plain byte `at`, from the frame's first byte on."""
        begin = advance = 0
        for segment in self.segments:
            if begin > at:
                break
            advance += segment.advance
            begin += segment.plain
        return at + advance

    def assemble(self, plain):
        out, at = bytearray(), 0
        for segment in self.segments:
            if segment.kind == RAW:
                out += plain[at:at + segment.plain]
            if segment.kind == BLOCK_SEGMENT:
                # No transform of this reader stops before the end of what it sees.
                require(segment.ahead == 0, "C-33")
                made = self.head["transforms"][segment.transform].encode(
                    bytes(plain[at:at + segment.plain]))
                require(len(made) == segment.coded, "C-33")
                made = bytes(segment.zeros) + made
                out += made[segment.skip:len(made) - segment.rest]
            at += segment.plain
        return out


class Mixed:
    def __init__(self, coded):
        self.coded, self.decoder = coded, None

    def make(self, old, source, target):
        """`old` is at most one segment."""
        try:
            if self.decoder is None:
                self.decoder = context_mixing.Decoder(self.coded)
            return self.decoder.decode_segment(old, source, target)
        except context_mixing.WrongMachine as error:
            raise Refused("C-53") from error
        except context_mixing.WrongLength as error:
            raise Refused("C-54") from error

    def finish(self):
        require(not self.coded or (self.decoder is not None and self.decoder.is_finished()), "C-54")


def split_payload(head, payload, before):
    """The plain streams, a decoder in place of the mixed one, with their plain lengths."""
    headers = [struct.unpack_from("<BII", payload, 9 * i) for i in range(5)]
    require(45 + sum(header[2] for header in headers) == len(payload), "C-12")
    require(headers[0][1] <= 512 << 10 and headers[1][1] <= 4 << 20, "C-14")
    require(sum(header[1] for header in headers[2:]) <= 128 << 20, "C-14")
    streams, at, memory = [], 45, CHUNK + (256 << 10)
    for index, (codec, plain_bytes, coded_bytes) in enumerate(headers):
        coded = payload[at:at + coded_bytes]
        at += coded_bytes
        require(codec in head["listed"], "C-13")
        require(plain_bytes == coded_bytes if codec == STORED else plain_bytes > 0, "C-13")
        plain, need = coded, 0
        if codec == ZSTD:
            plain, window = zstd_decode(coded, plain_bytes, before if index == LITERAL else b"")
            need = window + (512 << 10)
        elif codec == LZMA2:
            plain, dictionary = lzma2_decode(coded, plain_bytes)
            need = dictionary + (256 << 10)
        require((codec == CONTEXT_MIXING) == (index == MIXED and plain_bytes > 0), "C-52")
        if codec == CONTEXT_MIXING:
            need = (3 << 20) + (128 << 10)
        if index == MIXED:
            plain = Mixed(coded)
        memory += need if index else 0
        streams.append((plain, plain_bytes))
    return streams, memory


def decode_frame(head, payload, begin, target_bytes, image, before):
    """`begin`: where the frame begins in the target."""
    streams, memory = split_payload(head, payload, before)
    recipe = Recipe(head, streams[0][0], target_bytes, image)
    control, (difference, add_bytes), (mixed, mix_bytes), (literal, literal_bytes) = (
        streams[1][0], *streams[2:])
    require(memory + recipe.memory <= head["memory"], "C-24")
    require(add_bytes + mix_bytes + literal_bytes <= recipe.plain_bytes, "C-14")
    source = Source(image, recipe.extents, recipe.blocks) if image is not None else None
    out = bytearray()
    at = position = added = made = taken = 0
    while at < len(control):
        first, at = varint(control, at)
        count, kind = first >> 3, first & 7
        require(count >= 1 and kind <= MIX, "C-15")
        require(count <= recipe.plain_bytes - len(out), "C-17")
        if kind == ZERO:
            out += bytes(count)
        elif kind == TAKE:
            require(count <= literal_bytes - taken, "C-17")
            out += literal[taken:taken + count]
            taken += count
        else:
            move, at = varint(control, at)
            require(move != 1, "C-15")
            require(source is not None, "C-16")
            position += -(move >> 1) if move & 1 else move >> 1
            require(0 <= position and position + count <= source.end, "C-16")
            require(kind != ADD or count <= add_bytes - added, "C-17")
            require(kind != MIX or count <= mix_bytes - made, "C-17")
            for done in range(0, count, context_mixing.SEGMENT):
                part = min(context_mixing.SEGMENT, count - done)
                piece = source.read(position + done, part)
                if kind == ADD:
                    change = difference[added:added + part]
                    piece = bytes((a + b) & 255 for a, b in zip(piece, change))
                    added += part
                if kind == MIX:
                    piece = mixed.make(piece, position + done, begin + recipe.position(len(out)))
                    made += part
                out += piece
            position += count
    require(len(out) == recipe.plain_bytes and
            (added, made, taken) == (add_bytes, mix_bytes, literal_bytes), "C-18")
    mixed.finish()
    return recipe.assemble(out)


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
        target += decode_frame(head, payload, len(target), size, source, before)
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
