#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/peers and the "unless:" of tools/setup, in a copy of the source tree with an npm of our own: nothing is downloaded."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]

INSTALLS = "mkdir node_modules; echo 1 >>\"$COUNT\""
UNREACHABLE = "echo 'npm error code ECONNREFUSED'; mkdir node_modules; exit 1"
OTHER_BYTES = "echo 'npm error code EINTEGRITY'; mkdir node_modules; exit 1"


class PeersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-peers-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ("tools/peers", "tools/setup", "tests/interop/package.json", "tests/interop/package-lock.json",
                     "tests/bench/hdiffpatch.txt", "tests/bench/hdiffpatch-build.txt"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(SOURCE / name, self.root / name)
        (self.root / "bin").mkdir()
        self.stand_in("node", "exit 0")
        self.env = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}", "COUNT": f"{self.root}/count"}

    def stand_in(self, name, body):
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def peers(self, *words):
        return subprocess.run([self.root / "tools/peers", *words], capture_output=True, text=True, env=self.env, check=False)

    def left(self):
        folder = self.root / "build/peers"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def installs(self):
        return len((self.root / "count").read_text().splitlines())

    def test_installs_once_and_prints_the_folder(self):
        self.stand_in("npm", INSTALLS)
        for _ in range(3):
            done = self.peers("tuf-js")
            self.assertEqual((done.returncode, done.stdout.strip()), (0, str(self.root / "build/peers/tuf-js")))
        self.assertEqual(self.installs(), 1)
        self.assertEqual(self.peers("--installed", "tuf-js").returncode, 0)

    def test_other_pins_install_anew(self):
        self.stand_in("npm", INSTALLS)
        self.peers("tuf-js")
        (self.root / "tests/interop/package-lock.json").write_text("{}")
        self.assertEqual(self.peers("--installed", "tuf-js").returncode, 77)
        self.assertEqual(self.peers("tuf-js").returncode, 0)
        self.assertEqual(self.installs(), 2)
        self.assertEqual(self.left(), [".lock", "tuf-js"])

    def test_runs_at_the_same_time_install_once(self):
        self.stand_in("npm", INSTALLS)
        runs = [subprocess.Popen([self.root / "tools/peers", "tuf-js"], env=self.env, stdout=subprocess.DEVNULL) for _ in range(4)]
        self.assertEqual([run.wait() for run in runs], [0] * 4)
        self.assertEqual(self.installs(), 1)

    def test_a_registry_that_is_not_there_is_a_skip_and_leaves_nothing(self):
        self.stand_in("npm", UNREACHABLE)
        done = self.peers("tuf-js")
        self.assertEqual((done.returncode, done.stderr), (77, "peers: tuf-js: the npm registry cannot be reached\n"))
        self.assertEqual(self.left(), [".lock"])

    def test_a_package_with_another_hash_is_an_error_and_leaves_nothing(self):
        self.stand_in("npm", OTHER_BYTES)
        done = self.peers("tuf-js")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not the one whose hash", done.stderr)
        self.assertEqual(self.left(), [".lock"])

    def python(self, pip):
        """A Python whose environments have this for a pip."""
        self.stand_in("pip", pip)
        self.stand_in("python3.11", f'[ "$2" != venv ] || {{ mkdir -p "$3/bin"; cp "{self.root}/bin/pip" "$3/bin/python"; }}')

    def test_hdiffpatch_with_another_hash_is_not_compiled(self):
        self.python("echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES'; exit 1")
        self.stand_in("make", INSTALLS)
        done = self.peers("hdiffpatch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not the one whose hash is in tests/bench", done.stderr)
        self.assertFalse((self.root / "count").exists())
        self.assertEqual(self.left(), [".lock"])

    def test_hdiffpatch_without_its_registry_is_a_skip_and_leaves_nothing(self):
        self.python("echo 'NewConnectionError: no route'; exit 1")
        done = self.peers("hdiffpatch")
        self.assertEqual((done.returncode, done.stderr), (77, "peers: hdiffpatch: PyPI cannot be reached\n"))
        self.assertEqual(self.left(), [".lock"])

    def test_installed_downloads_nothing(self):
        self.stand_in("npm", INSTALLS)
        self.assertEqual(self.peers("--installed", "tuf-js").returncode, 77)
        self.assertFalse((self.root / "count").exists())

    def test_setup_leaves_out_what_another_packager_provides(self):
        (self.root / "tools/packages.txt").write_text(
            "check no-such-package-1 unless:node  there is a node\n"
            "check no-such-package-2 unless:no-such-command  there is none\n"
            "check no-such-package-3 unless is a word of the reason here\n")
        done = subprocess.run([self.root / "tools/setup", "--list", "check"], capture_output=True, text=True, env=self.env, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "no-such-package-2\nno-such-package-3\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
