#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the boot rule table keep its promises in every state, and is grub.cfg made from it?"""

import itertools
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from vdevice import boot_rules as rules  # noqa: E402  (the path above comes first)

TABLE = rules.load_table()
TXN = "0123456789abcdef"


def states():
    """Every state the variables can have: 2 x 2 x 2 x 3 x 4 x 3."""
    for good, a, b, trial, left, failed in itertools.product(
            "ab", "01", "01", "ab-", "0123", "ab-"):
        yield {"pawl_good": good, "pawl_a": a, "pawl_b": b, "pawl_try": trial, "pawl_left": left,
               "pawl_failed": failed, "pawl_txn": TXN}


class Boots:
    """A boot area held in memory; the way a device sees one boot after the other."""

    def __init__(self, state, backup=None, unloadable=(), read_only=False):
        self.blocks = {"grubenv": rules.format_block(state, TABLE) if state else None,
                       "grubenv.bak": rules.format_block(backup, TABLE) if backup else None}
        self.unloadable = unloadable
        self.read_only = read_only
        self.saved_before_boot = []

    def save(self, file, changes):
        if self.read_only:
            raise OSError("read-only")
        block = bytearray(self.blocks[file])
        for offset, value in rules.edits(bytes(block), changes):
            block[offset:offset + len(value)] = value
        self.blocks[file] = bytes(block)

    def boot(self):
        return rules.decide(self.blocks, TABLE, lambda slot: slot not in self.unloadable, self.save)

    def state(self, file="grubenv"):
        return rules.parse_block(self.blocks[file])


class BootRulesTest(unittest.TestCase):
    def test_every_state_follows_the_written_rules(self):
        count = 0
        for state in states():
            with self.subTest(state=state):
                count += 1
                expected, after = self.by_hand(dict(state))
                device = Boots(state)
                self.assertEqual(device.boot().slot, expected)
                self.assertEqual(device.state(), after)
        self.assertEqual(count, 288)

    @staticmethod
    def by_hand(state):
        """The rules once more, in the words of the design and not of the table."""
        trial = state["pawl_try"]
        if trial != "-":
            if state[f"pawl_{trial}"] == "1" and state["pawl_left"] > "0":
                state["pawl_left"] = str(int(state["pawl_left"]) - 1)
                return trial, state
            state.update(pawl_failed=trial, pawl_try="-", pawl_left="0")
        good = state["pawl_good"]
        for slot in (good, rules.OTHER[good]):
            if state[f"pawl_{slot}"] == "1":
                return slot, state
        return None, state

    def test_never_boots_a_slot_marked_zero(self):
        for state, broken in itertools.product(states(), ((), ("a",), ("b",), ("a", "b"))):
            with self.subTest(state=state, broken=broken):
                device = Boots(state, unloadable=broken)
                for _ in range(5):
                    slot = device.boot().slot
                    if slot:
                        self.assertEqual(state[f"pawl_{slot}"], "1")
                        self.assertNotIn(slot, broken)

    def test_trial_boots_at_most_left_times_then_falls_back(self):
        for state in states():
            with self.subTest(state=state):
                device = Boots(state)
                seen = [device.boot() for _ in range(6)]
                trials = [found for found in seen if found.rule == "trial"]
                self.assertLessEqual(len(trials), int(state["pawl_left"]))
                good = state["pawl_good"]
                if state[f"pawl_{good}"] == "1":
                    self.assertEqual(seen[-1].slot, good)
                if state["pawl_try"] != "-":
                    self.assertEqual(device.state()["pawl_failed"], state["pawl_try"])

    def test_count_is_saved_before_the_trial_boots(self):
        device = Boots({"pawl_good": "a", "pawl_a": "1", "pawl_b": "1", "pawl_try": "b",
                        "pawl_left": "2", "pawl_failed": "-", "pawl_txn": TXN})
        seen = []
        rules.decide(device.blocks, TABLE,
                     lambda slot: not seen.append((slot, device.state()["pawl_left"])), device.save)
        self.assertEqual(seen, [("b", "1")])

    def test_trial_that_cannot_be_counted_does_not_boot(self):
        for state in states():
            device = Boots(state, read_only=True)
            found = device.boot()
            self.assertNotEqual(found.rule, "trial")
            if state[f"pawl_{state['pawl_good']}"] == "1":
                self.assertEqual(found.slot, state["pawl_good"])

    def test_trial_whose_kernel_does_not_load_uses_up_its_tries(self):
        device = Boots({"pawl_good": "a", "pawl_a": "1", "pawl_b": "1", "pawl_try": "b",
                        "pawl_left": "3", "pawl_failed": "-", "pawl_txn": TXN}, unloadable=("b",))
        found = device.boot()
        self.assertEqual((found.slot, found.rule), ("a", "good"))
        self.assertEqual(found.steps.count("slot b cannot be loaded"), 3)
        self.assertEqual(device.state()["pawl_failed"], "b")

    def test_command_line_names_slot_and_transaction(self):
        found = Boots({"pawl_good": "b", "pawl_a": "0", "pawl_b": "1", "pawl_try": "-",
                       "pawl_left": "0", "pawl_failed": "-", "pawl_txn": TXN}).boot()
        self.assertIn("root=PARTLABEL=pawl-b ro ", found.cmdline)
        self.assertIn(f" pawl.slot=b pawl.txn={TXN} ", found.cmdline)


class EnvironmentBlockTest(unittest.TestCase):
    GOOD_A = {"pawl_good": "a", "pawl_a": "1", "pawl_b": "1", "pawl_try": "-", "pawl_left": "0",
              "pawl_failed": "-", "pawl_txn": TXN}
    TRIAL_B = dict(GOOD_A, pawl_try="b", pawl_left="1", pawl_txn="f" * 16)

    def test_variables_lie_in_the_first_sector(self):
        block = rules.format_block(self.GOOD_A, TABLE)
        self.assertEqual(len(block), 1024)
        self.assertEqual(set(block[512:]), {ord("#")})

    def test_every_state_has_the_same_layout(self):
        names = [line.split(b"=")[0] for line in rules.format_block(self.GOOD_A).split(b"\n")]
        for state in states():
            block = rules.format_block(state, TABLE)
            self.assertEqual([line.split(b"=")[0] for line in block.split(b"\n")], names)

    def test_torn_at_the_sector_is_old_or_new_and_never_a_mix(self):
        old = rules.format_block(self.GOOD_A, TABLE)
        new = rules.format_block(self.TRIAL_B, TABLE)
        for first, second in ((old, new), (new, old)):
            torn = first[:512] + second[512:]
            self.assertIn(rules.parse_block(torn), (self.GOOD_A, self.TRIAL_B))

    def test_second_block_is_used_when_the_first_does_not_load(self):
        good = rules.format_block(self.GOOD_A)
        bad = {"absent": None, "empty": b"", "zeros": bytes(1024), "no header": b"x" + good[1:],
               "no pawl_good": good.replace(b"pawl_good=a", b"pawl_evil=a"),
               "odd pawl_good": good.replace(b"pawl_good=a", b"pawl_good=c"),
               "first sector lost": bytes(512) + good[512:]}
        for name, block in bad.items():
            with self.subTest(name):
                device = Boots(None, backup=self.TRIAL_B)
                device.blocks["grubenv"] = block
                found = device.boot()
                self.assertEqual((found.slot, found.rule, found.file), ("b", "trial", "grubenv.bak"))
                self.assertEqual(device.state("grubenv.bak")["pawl_left"], "0")
                self.assertEqual(device.blocks["grubenv"], block)
                self.assertEqual(device.boot().slot, "a")

    def test_lost_environment_tries_a_then_b(self):
        self.assertEqual(Boots(None).boot().slot, "a")
        self.assertEqual(Boots(None).boot().rule, "lost-a")
        self.assertEqual(Boots(None, unloadable=("a",)).boot().slot, "b")
        self.assertIsNone(Boots(None, unloadable=("a", "b")).boot().slot)

    def test_lost_environment_still_honours_a_readable_mark(self):
        for marked, expected in (({"a"}, "b"), ({"b"}, "a"), ({"a", "b"}, None)):
            state = dict(self.GOOD_A, **{f"pawl_{slot}": "0" for slot in marked})
            block = rules.format_block(state).replace(b"pawl_good=a", b"pawl_good=?")
            for file in TABLE.files:
                with self.subTest(marked=marked, file=file):
                    device = Boots(None)
                    device.blocks[file] = block
                    self.assertEqual(device.boot().slot, expected)
                    device.unloadable = "ab".replace(next(iter(marked)), "")
                    self.assertIsNone(device.boot().slot)

    def test_values_outside_their_pattern_promise_least(self):
        block = rules.format_block(self.TRIAL_B)
        for old, new in ((b"pawl_left=1", b"pawl_left=9"), (b"pawl_try=b", b"pawl_try=B"),
                         (b"pawl_b=1", b"pawl_b=y")):
            device = Boots(self.GOOD_A)
            device.blocks["grubenv"] = block.replace(old, new)
            self.assertEqual(device.boot().slot, "a", new)

    def test_hostile_transaction_adds_no_word_to_the_command_line(self):
        device = Boots(self.GOOD_A)
        device.blocks["grubenv"] = device.blocks["grubenv"].replace(
            TXN.encode(), b"0 init=/bin/sh 0")
        found = device.boot()
        self.assertIn("pawl.txn=0000000000000000 ", found.cmdline)
        self.assertNotIn("init=", found.cmdline)

    def test_edits_refuse_another_width(self):
        block = rules.format_block(self.GOOD_A)
        with self.assertRaises(rules.SaveError):
            rules.edits(block, {"pawl_left": "10"})
        with self.assertRaises(rules.SaveError):
            rules.edits(block, {"pawl_new": "1"})


class GrubConfigTest(unittest.TestCase):
    def test_committed_file_is_what_the_table_gives(self):
        done = subprocess.run([sys.executable, ROOT / "packaging/grub/make_grub_cfg", "--check"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(shutil.which("grub-script-check"), "needs the package grub-common")
    def test_grub_accepts_the_syntax(self):
        done = subprocess.run(["grub-script-check", ROOT / "packaging/grub/grub.cfg"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @unittest.skipUnless(shutil.which("grub-editenv"), "needs the package grub-common")
    def test_grubs_own_tool_reads_our_block(self):
        for state in itertools.islice(states(), 0, 288, 37):
            with tempfile.NamedTemporaryFile() as file:
                file.write(rules.format_block(state))
                file.flush()
                done = subprocess.run(["grub-editenv", file.name, "list"], capture_output=True,
                                      check=True)
            listed = dict(line.split("=") for line in done.stdout.decode().split())
            self.assertEqual(listed, state)


if __name__ == "__main__":
    unittest.main()
