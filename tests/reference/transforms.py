# SPDX-License-Identifier: Apache-2.0
"""Transforms of the second reader of containers (docs/container-format.md, "Transforms"): deflate and
xz, as far as Python's own modules reach."""
import hashlib
import lzma
import struct
import zlib

from wire import varint

ZSTD_TRANSFORM, XZ_TRANSFORM, DEFLATE_TRANSFORM, LZ4_TRANSFORM = 1, 2, 3, 4


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


def deflate_encoder(parameters):
    level, window, memory_level = (parameters >> shift & 255 for shift in (0, 8, 16))
    if (parameters >> 25 or not 1 <= level <= 9 or not 9 <= window <= 15 or
            not 1 <= memory_level <= 9):
        return None
    sign = 1 if parameters >> 24 & 1 else -1

    def deflate(plain):
        one = zlib.compressobj(level, zlib.DEFLATED, sign * window, memory_level)
        return one.compress(plain) + one.flush()
    return deflate


def vli(value):
    """A number as .xz files have it."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def padded(data):
    return data + bytes(-len(data) % 4)


def with_crc(data):
    return data + struct.pack("<I", zlib.crc32(data))


def lzma2_bound(plain_bytes):
    return plain_bytes + 3 * -(-plain_bytes // 0x10000) + 1


def lzma2_filter_flags(dictionary):
    size = 0
    while (2 | size & 1) << (size // 2 + 11) < dictionary:
        size += 1
    return bytes([0x21, 1, size])


def xz_block_header(sizes, bound, filters):
    """With both sizes in it, as long as one with the largest coded size that could have come."""
    flags = bytes([0xC0 | len(filters) - 1])
    tail = vli(sizes[1]) + b"".join(filters)
    length = (1 + len(flags + vli(bound) + tail) + 4 + 3) & ~3
    header = bytes([length // 4 - 1]) + flags + vli(sizes[0]) + tail
    return with_crc(header + bytes(length - 4 - len(header)))


def xz_one_shot(streamed, plain, bcj, dictionary):
    """What lzma_stream_buffer_encode makes, from what lzma_stream_encoder does."""
    header, footer = streamed[:12], streamed[-12:]
    index = streamed[-12 - 4 * (struct.unpack_from("<I", footer, 4)[0] + 1):-12]
    unpadded, _ = varint(index, 2)
    check_bytes = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)[header[7]]
    begin = 12 + 4 * (streamed[12] + 1)
    coded = streamed[begin:12 + unpadded - check_bytes]
    behind = padded(streamed[:12 + unpadded - check_bytes])
    check = streamed[len(behind):len(behind) + check_bytes]
    filters = [bytes([bcj, 0])] * (bcj != 0) + [lzma2_filter_flags(dictionary)]
    bound = lzma2_bound(len(plain))
    if len(coded) > bound:  # liblzma gives up then
        filters, coded = [lzma2_filter_flags(4096)], b""
        for at in range(0, len(plain), 0x10000):
            piece = plain[at:at + 0x10000]
            coded += struct.pack(">BH", 2 if at else 1, len(piece) - 1) + piece
        coded += b"\0"
    block = xz_block_header((len(coded), len(plain)), bound, filters)
    sizes = vli(len(block) + len(coded) + check_bytes) + vli(len(plain))
    index = with_crc(padded(b"\0\1" + sizes))
    end = struct.pack("<I", len(index) // 4 - 1) + footer[8:10]
    return (header + block + padded(coded) + check + index +
            struct.pack("<I", zlib.crc32(end)) + end + footer[10:])


def xz_encoder(parameters):
    level, check, bcj = parameters & 31, parameters >> 8 & 255, parameters >> 16 & 255
    dictionary = parameters >> 32
    if (parameters & 0xFE000060 or level > 9 or not lzma.is_check_supported(check) or
            not 4 << 10 <= dictionary <= 4 << 20 or bcj not in (0, 4, 5, 6, 7, 8, 9)):
        return None
    preset = level | (lzma.PRESET_EXTREME if parameters & 128 else 0)
    chain = [{"id": bcj}] * (bcj != 0)
    chain += [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary}]

    def xz(plain):
        streamed = lzma.compress(plain, check=check, filters=chain)
        one_shot = parameters >> 24 & 1
        return xz_one_shot(streamed, plain, bcj, dictionary) if one_shot else streamed
    return xz


def encoder(number, version, parameters):
    """A function from plain to coded bytes, None when this reader has none."""
    if version == 1 and number == DEFLATE_TRANSFORM:
        return deflate_encoder(parameters)
    if version == 1 and number == XZ_TRANSFORM:
        return xz_encoder(parameters)
    return None


def most_coded_bytes(number, parameters, plain_bytes):
    if number == ZSTD_TRANSFORM:
        return plain_bytes + plain_bytes // 256 + max(0, (1 << 17) - plain_bytes) // 2048
    if number == XZ_TRANSFORM:
        return 140 + (lzma2_bound(plain_bytes) + 3) // 4 * 4
    if number == DEFLATE_TRANSFORM:
        return plain_bytes + plain_bytes // 4 + 64
    return parameters >> 32 or plain_bytes + plain_bytes // 255 + 16
