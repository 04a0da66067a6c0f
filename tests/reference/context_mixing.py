# SPDX-License-Identifier: Apache-2.0
"""Codec 3 of the container, written from docs/context-mixing.md alone.

Names follow that page. Only decoding is here.
"""
MASK = (1 << 32) - 1
SEGMENT = 1 << 16
TABLE = 1 << 16
REGIONS = 1 << 13

K = (22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768,
     40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438,
     65476, 65500, 65514)
MODRM_OPCODES = bytes.fromhex("03 0D 10 11 28 29 2B 38 39 3B 3D 63 6F 7E 7F 80 83 84 85 88 89 8A "
                              "8B 8D B6 B7 BE BF C6 C7 D6 F6 FF")
X86_64, AARCH64 = 1, 2
BRANCH, ADRP = 4, 5
UNKNOWN, NEAR, EXACT = range(3)


class WrongMachine(Exception):
    """The stream names a machine that there is not."""


class WrongLength(Exception):
    """The stream has more or fewer coded bytes than decoding takes."""


def context(a, b):
    h = (a * 0x9E3779B1 ^ (b * 0x85EBCA6B + 0x27D4EB2F)) & MASK
    h ^= h >> 15
    h = h * 0x2C1B3C6D & MASK
    return h ^ h >> 13


def squash(x):
    k, r = divmod(x + 2048, 128)
    return min(max((K[k] * (128 - r) + K[k + 1] * r + 64) // 128, 32), 65504)


def make_stretch():
    table, x = [], -2047
    for c in range(4096):
        while x < 2047 and squash(x) < 16 * c + 8:
            x += 1
        table.append(x)
    return table


SQUASH = [squash(x) for x in range(-2047, 2048)]
STRETCH = make_stretch()
STEP = [655360 // (10 * n + 16) for n in range(64)]


def signed(value, bits=32):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class BitDecoder:
    def __init__(self, coded):
        self.coded, self.at = coded, 4
        if len(coded) < 4:
            raise WrongLength
        self.low, self.high, self.value = 0, MASK, int.from_bytes(coded[:4], "big")

    def bit(self, probability):
        middle = self.low + ((self.high - self.low) * probability >> 16)
        bit = int(self.value <= middle)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while self.low >> 24 == self.high >> 24:
            if self.at == len(self.coded):
                raise WrongLength
            self.low = self.low << 8 & MASK
            self.high = (self.high << 8 & MASK) + 255
            self.value = (self.value << 8 & MASK) + self.coded[self.at]
            self.at += 1
        return bit


class Mixer:
    """Slots are lists of probability and count. Tables hold only what has been looked at."""

    def __init__(self, coder, slots, wide):
        self.coder, self.slots = coder, slots
        self.aim, self.limit, self.shift = (2 ** 18 - 1, 63, 6) if wide else (4095, 15, 0)
        self.sets = {}

    def fresh(self):
        return [(self.aim + 1) // 2, 0]

    def decode(self, slots, selector):
        weights = self.sets.setdefault(selector, [91750 // self.slots] * self.slots)
        opinions = [STRETCH[slot[0] >> self.shift] for slot in slots]
        x = sum(a * b for a, b in zip(opinions, weights)) >> 16
        probability = SQUASH[min(max(x, -2047), 2047) + 2047]
        bit = self.coder.bit(probability)
        error = (65536 * bit - probability) * 6
        aim = self.aim if bit else 0
        for i, slot in enumerate(slots):
            weight = weights[i] + (opinions[i] * error + (1 << 17) >> 18)
            weights[i] = min(max(weight, -(1 << 22)), 1 << 22)
            slot[0] += (aim - slot[0]) * STEP[slot[1]] >> 16
            slot[1] = min(slot[1] + 1, self.limit)
        return bit


class FlagModel:
    def __init__(self, coder, contexts, bits):
        self.mixer = Mixer(coder, contexts, True)
        self.tables = [{} for _ in range(contexts)]
        self.mask = (1 << bits) - 1

    def decode(self, contexts, selector):
        slots = []
        for table, c in zip(self.tables, contexts):
            check, slot = table.get(c & self.mask, (None, None))
            if check != c >> 24:
                slot = self.mixer.fresh()
                table[c & self.mask] = (c >> 24, slot)
            slots.append(slot)
        return self.mixer.decode(slots, selector)


class ByteModel:
    def __init__(self, coder):
        self.mixer = Mixer(coder, 6, False)
        self.tables = [{} for _ in range(6)]

    def decode(self, contexts, selector):
        node = 1
        for half in range(2):
            lines = []
            for table, c in zip(self.tables, contexts):
                h = context(c, node if half else 0)
                check, line = table.get(h & 0xFFF, (None, None))
                if check != h >> 16:
                    line = [self.mixer.fresh() for _ in range(16)]
                    table[h & 0xFFF] = (h >> 16, line)
                lines.append(line)
            w = 1
            for _ in range(4):
                bit = self.mixer.decode([line[w] for line in lines], 256 * selector + node)
                w, node = 2 * w + bit, 2 * node + bit
        return node - 256


class Segment:
    """What is known of the segment that is being decoded."""

    def __init__(self, old, source, target):
        self.bytes, self.source, self.target = old, source, target
        self.shift = (target - source) & MASK
        self.padded = bytes(4) + bytes(old) + bytes(4)
        self.new = bytearray()

    def old(self, i):
        return self.padded[i + 4]

    def word(self, i):
        return int.from_bytes(self.padded[i + 4:i + 8], "little")

    def new_word(self, i):
        return int.from_bytes(self.new[i:i + 4], "little")

    def change(self, i, n):
        return (self.new[i - n] - self.bytes[i - n]) & 255 if i >= n else 0

    def holds_word(self, i):
        return i >= 0 and i + 4 <= len(self.bytes)


class Operand:
    """Fields of one operand. `way` of forms 1 to 3 is the word itself."""

    def __init__(self, segment, at, form):
        self.form, self.word = form, segment.word(at)
        self.way = way_of(self.word, form)
        source, target = segment.source + at, segment.target + at
        self.site_shift = ((target >> 12) - (source >> 12) if form == ADRP
                           else target - source) & MASK
        self.place = ((source >> 12) + self.way + (1 << 30) if form == ADRP
                      else source + self.way) & MASK

    def expected(self, shift):
        way = self.way + shift - self.site_shift
        if self.form == BRANCH:
            return self.word & ~0x3FFFFFF | way >> 2 & 0x3FFFFFF
        if self.form == ADRP:
            return self.word & 0x9F00001F | (way & 3) << 29 | (way >> 2 & 0x7FFFF) << 5
        return way & MASK


def way_of(word, form):
    if form == BRANCH:
        return 4 * signed(word, 26)
    if form == ADRP:
        return signed((word >> 5 & 0x7FFFF) * 4 + (word >> 29 & 3), 21)
    return word


def form_of_instruction(word):
    if word & 0x7C000000 == 0x14000000:
        return BRANCH
    return ADRP if word & 0x9F000000 == 0x90000000 else 0


def region_of(place, form):
    return place >> {BRANCH: 10, ADRP: 4}.get(form, 8)


class Guesses:
    """A table of guesses of a change."""

    def __init__(self):
        self.table = {}

    def get(self, h):
        return self.table.get(h % TABLE, (0, 0))

    def learn(self, h, change):
        value, trust = self.get(h)
        if trust > 0 and value == change:
            trust = min(trust + 1, 7)
        elif trust > 1:
            trust //= 2
        else:
            value, trust = change, 1
        self.table[h % TABLE] = (value, trust)


class Decoder:
    """One difference stream."""

    def __init__(self, coded):
        if not coded:
            raise WrongLength
        self.machine = coded[0]
        if self.machine > AARCH64:
            raise WrongMachine
        self.coder = BitDecoder(coded[1:])
        self.byte_flags = FlagModel(self.coder, 5, 14)
        self.run_flags = FlagModel(self.coder, 3, 13)
        self.operand_flags = FlagModel(self.coder, 3, 13)
        self.guess_flags = FlagModel(self.coder, 3, 14)
        self.byte_model = ByteModel(self.coder)
        self.by_word, self.by_past = Guesses(), Guesses()
        self.places, self.regions, self.values = {}, {}, {}
        self.near_trust, self.exact_trust, self.absolute_trust = [1] * 4, [1] * 4, [1] * 4
        self.quiet = self.history = self.run_history = self.last_change = self.change_before = 0

    def is_finished(self):
        """True when exactly the coded bytes have been read."""
        return self.coder.at == len(self.coder.coded)

    def hit(self, n):
        self.quiet = (self.quiet + n) & MASK
        self.history = self.history << n & MASK

    def decode_segment(self, old, source, target):
        """The next new bytes, laid on `old`, which begins at `source`; they begin at `target`."""
        segment = Segment(old, source, target)
        word_at, at, end = -source % 4, 0, len(old)
        while at < end:
            form = self.form_at(segment, at)
            if form:
                self.decode_operand(segment, at, form)
            else:
                self.decode_run(segment, at, end)
            at = len(segment.new)
            while word_at + 4 <= at:
                self.learn_value(segment, word_at)
                word_at += 4
        return segment.new

    def form_at(self, segment, at):
        """The form of the operand that begins here, 0 when none does."""
        if self.machine == 0 or not segment.holds_word(at):
            return 0
        if self.machine == AARCH64:
            if (segment.source + at) % 4:
                return 0
            return form_of_instruction(segment.word(at))
        before, last = segment.old(at - 2), segment.old(at - 1)
        if at == 0 or abs(signed(segment.word(at))) >= 1 << 28:
            return 0
        if last in (0xE8, 0xE9):
            return 1
        if before == 0x0F and last & 0xF0 == 0x80:
            return 2
        return 3 if last & 0xC7 == 0x05 and before in MODRM_OPCODES else 0

    def decode_run(self, segment, at, end):
        quiet = self.quiet
        length = 1 if quiet < 4 else 4 if quiet < 16 else 16 if quiet < 32 else 64
        length = min(length, end - at)
        for i in range(1, length):
            if self.form_at(segment, at + i):
                length = i
                break
        if length == 1:
            self.decode_byte(segment, segment.old(at), 0, False)
            return
        calm = min(15, quiet.bit_length())
        flag = self.run_flags.decode((
            context(calm | (self.run_history % 16) << 4 | length << 8, 21),
            context(segment.word(at), 22),
            context(segment.old(at - 1) | segment.old(at - 2) << 8 | length << 16, 23)), calm)
        self.run_history = (self.run_history * 2 + flag) & MASK
        old = segment.bytes[at:at + length]
        if flag:
            self.decode_known_wrong(segment, old, [0] * length)
        else:
            segment.new += old
            self.hit(length)

    def decode_known_wrong(self, segment, expected, states):
        """Bytes of which one at least is not as expected."""
        all_right = True
        for i, byte in enumerate(expected):
            last = i + 1 == len(expected)
            if self.decode_byte(segment, byte, states[i], all_right and last):
                all_right = False

    def decode_byte(self, segment, expected, state, known_wrong):
        """True when the byte was not as expected, even when the change is 0."""
        at, history = len(segment.new), self.history
        near = min(self.quiet, 31)
        behind = segment.old(at - 1) | segment.old(at - 2) << 8
        word = segment.word(at)
        if not known_wrong and not self.byte_flags.decode((
                context(expected | (history % 256) << 8 | state << 16, 31),
                context(behind | segment.old(at - 3) << 16 | (history % 2) << 24, 1000 + near),
                context(state | (history % 4096) << 8, 33),
                context(self.last_change | self.change_before << 8 | near << 16, 34),
                context(word, 35 + history % 2)), (state % 64) * 16 + history % 16):
            segment.new.append(expected)
            self.hit(1)
            return False
        change = self.decode_change(segment, at, expected, state, behind)
        segment.new.append((expected + change) & 255)
        self.change_before, self.last_change = self.last_change, change
        self.quiet = 0
        self.history = (history * 2 + 1) & MASK
        return True

    def decode_change(self, segment, at, expected, state, behind):
        change_8, history, word = segment.change(at, 8), self.history, segment.word(at)
        word_hash = context(word, state)
        past_hash = context(self.last_change | change_8 << 8 | state << 16, 42)
        addresses = self.address_guesses(segment, at, expected) if state == 0 else [None, None]
        guesses = [(value, row[b]) for value, row, b in (one or (0, [0], 0) for one in addresses)]
        guesses += [self.by_word.get(word_hash), self.by_past.get(past_hash)]
        change, tried = None, set()
        for i, (value, trust) in enumerate(guesses):
            if trust == 0 or value == 0 or value in tried:
                continue
            tried.add(value)
            t = i << 4 | trust
            if not self.guess_flags.decode((
                    context(t | state << 8 | (history % 4) << 16, 43),
                    context(t | value << 8 | expected << 16, 44),
                    context(t | value << 8 | self.last_change << 16, 45)), 8 * i + trust):
                change = value
                break
        if change is None:
            change = self.byte_model.decode((
                context(change_8 | segment.change(at, 24) << 8 | segment.change(at, 16) << 16, 51),
                context(segment.change(at, 4) | change_8 << 8 |
                        (segment.target + at) % 4 << 16, 52),
                context(self.last_change | (history % 8) << 8 | state << 16, 53),
                context(segment.old(at) | expected << 8 | self.change_before << 16, 54),
                context(word, 55),
                context(behind | state << 16, 56)), int(state != 0))
        self.by_word.learn(word_hash, change)
        self.by_past.learn(past_hash, change)
        for value, row, b in filter(None, addresses):
            if value:
                row[b] = min(row[b] + 1, 7) if value == change else max(row[b] // 2, 1)
        return change

    def address_guesses(self, segment, at, expected):
        """Two of value, row of trusts and place in it, or None: relative and absolute."""
        b = (segment.source + at) % 4
        begin = at - b
        if not segment.holds_word(begin):
            return [None, None]
        word = segment.word(begin)

        def guess(shift, row):
            return ((word + shift >> 8 * b) - expected) & 255, row, b
        relative = absolute = None
        known, shift = self.look_up((segment.source + begin + word) & MASK, 1)
        if known != UNKNOWN:
            row = self.exact_trust if known == EXACT else self.near_trust
            relative = guess(shift - segment.shift & MASK, row)
        region, shift = self.values.get(context(word >> 8, 3) % REGIONS, (0, 0))
        if region == word >> 8:
            absolute = guess(shift, self.absolute_trust)
        return [relative, absolute]

    def look_up(self, place, form):
        known, shift = self.places.get(context(place, 1) % TABLE, (0, 0))
        if known == place:
            return EXACT, shift
        region = region_of(place, form)
        known, shift = self.regions.get(context(region, 2) % REGIONS, (0, 0))
        return (NEAR, shift) if known == region else (UNKNOWN, 0)

    def learn_value(self, segment, at):
        old, new = segment.word(at), segment.new_word(at)
        if new != old:
            region = old >> 8
            self.values[context(region, 3) % REGIONS] = (region, (new - old) & MASK)

    def decode_operand(self, segment, at, form):
        operand = Operand(segment, at, form)
        known, shift = self.look_up(operand.place, form)
        if known == UNKNOWN:
            shift = 0 if form == ADRP else operand.site_shift
        expected = operand.expected(shift).to_bytes(4, "little")
        kind = 3 * form + known
        if self.operand_flags.decode((
                context(kind | (self.history % 256) << 8, 11),
                context(operand.place, 12),
                context(kind | segment.old(at - 1) << 8 | segment.old(at - 2) << 16, 13)), kind):
            self.decode_known_wrong(segment, expected, [4 * kind + i + 1 for i in range(4)])
        else:
            segment.new += expected
            self.hit(1)
        new_word = segment.new_word(at)
        if form in (BRANCH, ADRP) and form_of_instruction(new_word) != form:
            return
        moved = way_of(new_word, form) - operand.way
        if form not in (BRANCH, ADRP) and abs(signed(moved)) >= 1 << 24:
            return
        shift = (moved + operand.site_shift) & MASK
        self.places[context(operand.place, 1) % TABLE] = (operand.place, shift)
        region = region_of(operand.place, form)
        self.regions[context(region, 2) % REGIONS] = (region, shift)
