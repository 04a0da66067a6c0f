#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the shipped units of the refresh timer work, and does `pawl-signer init` print them?

usage: refresh_unit_test.py PAWL_SIGNER. The ExecStart line of packaging/signer/pawl-refresh.service runs in a shell as systemd
would start it, with credentials and a runtime directory.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from signer_repository import ENV, Repository  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = [ROOT / "packaging/signer/pawl-refresh.service", ROOT / "packaging/signer/pawl-refresh.timer"]
SIGNER = sys.argv.pop(1) if len(sys.argv) > 1 else ""
PLACE = "/srv/pawl"


def values(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit.read_text("utf-8"), re.M)


class RefreshUnitTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="pawl-refresh-")
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.repository = Repository(SIGNER, cls.folder).start()
        cls.line = values(UNITS[0], "ExecStart")[0]

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def setUp(self):
        """What LoadCredential= and RuntimeDirectory= would provide, and the program on the path."""
        self.place = self.folder / self.id()
        credentials, runtime, bins = (self.place / name for name in ("credentials", "run", "bin"))
        for folder in (credentials, runtime, bins):
            folder.mkdir(parents=True, mode=0o700)
        for name in ("snapshot.key", "timestamp.key"):
            shutil.copy2(self.folder / "online.key", credentials / name)
            (credentials / name).chmod(0o440)  # more than a key file may have: hence the copy
        (credentials / "passphrases").write_text("the passphrase of online\n" * 2, "utf-8")
        (bins / "pawl-signer").symlink_to(self.repository.signer)
        self.env = ENV | {"CREDENTIALS_DIRECTORY": str(credentials), "RUNTIME_DIRECTORY": str(runtime),
                          "PATH": f"{bins}:{ENV['PATH']}"}

    def exec_start(self):
        """Runs the line as systemd would: split by its quoting rules, which are those of shlex here."""
        words = shlex.split(self.line.replace(f"--repo {PLACE} ", f"--repo {self.repository.repo} "))
        return subprocess.run(words, env=self.env, cwd="/", text=True, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=600)

    def timestamp(self):
        text = (self.repository.public / "metadata/timestamp.json").read_text("utf-8")
        return json.loads(text)["signed"]["version"]

    def test_systemd_accepts_the_units(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, UNITS)], text=True,
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_the_service_is_walled_in(self):
        for name, value in (("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("PrivateNetwork", "yes"),
                            ("User", "pawl-repo"), ("ReadWritePaths", PLACE), ("CapabilityBoundingSet", "")):
            self.assertEqual(values(UNITS[0], name), [value])
        credentials = {value.split(":")[0] for value in values(UNITS[0], "LoadCredential")}
        self.assertEqual(credentials, {"snapshot.key", "timestamp.key", "passphrases"})

    def test_the_line_refreshes_the_repository(self):
        before = self.timestamp()
        done = self.exec_start()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.timestamp(), before + 1)
        self.assertRegex(done.stdout, r"\Arefreshed: timestamp \d+ \(valid until [-0-9TZ:]+\), snapshot \d+\n\Z")
        self.assertNotIn("\x1b", done.stdout + done.stderr)

    def test_a_lock_that_is_held_is_a_clear_error(self):
        before = self.timestamp()
        lock = subprocess.Popen(["flock", str(self.repository.repo / ".lock"), "cat"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            lock.stdin.write(b"held\n")
            lock.stdin.flush()
            lock.stdout.readline()  # cat runs, so the lock is held
            done = self.exec_start()
        finally:
            lock.stdin.close()
            lock.wait()
            lock.stdout.close()
        self.assertEqual(done.returncode, 75, done.stdout + done.stderr)
        self.assertIn("E0109 lock-held", done.stderr)
        self.assertEqual(self.timestamp(), before)

    def test_a_wrong_passphrase_changes_nothing(self):
        before = self.timestamp()
        pathlib.Path(self.env["CREDENTIALS_DIRECTORY"], "passphrases").write_text("wrong one\n" * 2, "utf-8")
        done = self.exec_start()
        self.assertEqual(done.returncode, 18, done.stdout + done.stderr)
        self.assertEqual(self.timestamp(), before)

    def test_what_a_refresh_cannot_renew_raises_an_alarm_in_time(self):
        with tempfile.TemporaryDirectory(prefix="pawl-late-") as folder:
            policy = self.repository.repo / "pawl-repo.toml"
            kept = policy.read_text("utf-8")
            # As if rollouts were made to live long: the seven days that are left are then few.
            policy.write_text(kept.replace('rollout = "7d"', 'rollout = "170d"'), "utf-8")
            try:
                done = self.repository.refresh(cwd=folder)
            finally:
                policy.write_text(kept, "utf-8")
        self.assertRegex(done.stdout, r"(?m)^alarm: rollout-gateway expires in 6 d .*\[urgent\]: pawl-signer status")

    def test_init_prints_a_drop_in_that_agrees_with_the_unit(self):
        def init(place):
            words = []
            for name, held in (("anna", ("root", "releases")), ("rolf", ("rollout", "orders")),
                               ("online", ("snapshot", "timestamp"))):
                for role in held:
                    words += [f"--{role}-key", self.folder / f"{name}.key.pub"]
            return self.repository.run("init", place, "--product", "p", "--hardware", "h", *words,
                                       "--root-threshold", "1", "--releases-threshold", "1").stdout

        place = self.place / "elsewhere"
        text = init(place)
        unit = UNITS[0].read_text("utf-8").replace(PLACE, str(place))
        drop_in = text.split("place.conf\n", 1)[1].split("\n\n", 1)[0]
        lines = [line for line in drop_in.splitlines() if not line.startswith("[") and not line.endswith("=")]
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertIn(f"\n{line}\n", unit)
        self.assertIn("systemctl enable --now pawl-refresh.timer", text.replace("daemon-reload && systemctl ", ""))
        self.assertIn("online.key /etc/pawl-refresh/snapshot.key", text)
        odd = init(self.place / "a b")
        self.assertIn("move the repository to a plain place", odd)

    def test_the_units_are_installed(self):
        text = (ROOT / "CMakeLists.txt").read_text("utf-8")
        for unit in UNITS:
            self.assertIn(str(unit.relative_to(ROOT)), text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
