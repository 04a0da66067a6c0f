# SPDX-License-Identifier: Apache-2.0
"""What all parts of the second reader of containers read with."""


class Refused(Exception):
    pass


def require(condition, rule):
    if not condition:
        raise Refused(rule)


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
