#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the virtual device work on plain files where loop devices cannot be had, and does it say so?

Needs root for mount namespaces; exits with 77 (skipped) without.
"""

import os
import subprocess
import sys
import unittest

import test_vdevice as loops
from vdevice import Device, DeviceError

PROGRAM = loops.ROOT / "tools/vdevice/vdevice"


class PlainFilesTest(loops.VirtualDeviceTest):
    """Everything that the virtual device promises, on plain files."""

    def make(self, env):
        loops.write_disk(self.disk, env, self.work)
        device = Device(self.disk, plain=True)
        self.addCleanup(device.cleanup)
        return device

    def test_every_status_says_so(self):
        for words in (["boot", "--plain"], ["status"], ["reboot", "--plain"], ["status", "--json"]):
            done = subprocess.run([sys.executable, PROGRAM, *words, self.disk], capture_output=True,
                                  text=True, check=True)
            self.assertIn("NO LOOP DEVICES HERE", done.stderr, words)
        self.assertEqual(self.device.status()["storage"], "plain files")

    def test_slots_are_files_under_their_partition_names(self):
        self.device.boot()
        code, out, _ = self.sh("for s in a b; do p=/dev/disk/by-partlabel/pawl-$s; "
                               "test -f $p && wc -c <$p; done")
        self.assertEqual((code, out.split()), (0, [str(loops.SLOT_MIB * loops.MIB)] * 2))

    def test_environment_is_seen_while_it_runs_and_after(self):
        self.device.boot()
        self.assertEqual(self.device.environment()["pawl_good"], "a")
        self.device.shutdown()
        self.assertEqual(self.device.environment()["pawl_good"], "a")

    def test_foreign_file_system_is_refused(self):
        self.device.poke("a", 0, b"\0" * 4096)
        self.device.poke("b", 0, b"\0" * 4096)
        self.assertIsNone(self.device.boot()["slot"])
        with self.assertRaises(DeviceError):
            self.device.session()


# The tests of loop devices run in their own file.
del loops.VirtualDeviceTest

if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root for mount namespaces")
        sys.exit(77)
    unittest.main()
