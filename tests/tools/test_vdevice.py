#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the virtual device behave like hardware, and does it leave nothing behind on the host?

Needs root and loop devices; exits with 77 (skipped) without them.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from vdevice import Device, DeviceError, boot_rules  # noqa: E402  (the path above comes first)

MIB = 1 << 20
SLOT_MIB = 16
LAYOUT = (("pawl-boot", 1, 8), ("pawl-a", 9, SLOT_MIB), ("pawl-b", 25, SLOT_MIB),
          ("pawl-data", 41, 8))
STATE = {"pawl_good": "a", "pawl_a": "1", "pawl_b": "1", "pawl_try": "-", "pawl_left": "0",
         "pawl_failed": "-", "pawl_txn": "00000000000000a1"}
ENV = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")


def call(*argv, **kwargs):
    done = subprocess.run(argv, check=False, capture_output=True, env=ENV, **kwargs)
    if done.returncode != 0:
        raise AssertionError(f"{argv[0]}: exit code {done.returncode}: {done.stderr.decode()}")
    return done


def write_disk(path, env, work):
    """A disk as provisioning makes it; both slots hold the same tiny image."""
    with open(path, "wb") as disk:
        disk.truncate(50 * MIB)
    rows = "".join(f"name={name},start={start}MiB,size={size}MiB\n"
                   for name, start, size in LAYOUT)
    call("sfdisk", "-q", path, input=f"label: gpt\n{rows}".encode())
    boot = work / "boot"
    shutil.rmtree(boot, ignore_errors=True)
    (boot / "pawl").mkdir(parents=True)
    for name in ("grubenv", "grubenv.bak"):
        (boot / "pawl" / name).write_bytes(boot_rules.format_block(env))
    call("mke2fs", "-q", "-F", "-t", "ext4", "-d", boot, work / "boot.img", "8M")
    call("mke2fs", "-q", "-F", "-t", "ext4", work / "data.img", "8M")
    for (_, start, _), image in zip(LAYOUT, ("boot.img", "root.img", "root.img", "data.img")):
        with open(path, "r+b") as disk:
            disk.seek(start * MIB)
            disk.write((work / image).read_bytes())


class VirtualDeviceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="pawl-vdevice-")
        cls.work = pathlib.Path(cls.scratch.name)
        call(ROOT / "tests/tools/make_tiny_root", cls.work / "root")
        call(ROOT / "tools/corpus/make_image", cls.work / "root", cls.work / "root.img",
             "--size-mib", str(SLOT_MIB))

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def setUp(self):
        self.disk = self.work / f"{self.id().rsplit('.', 1)[1]}.img"
        self.device = self.make(STATE)

    def make(self, env):
        write_disk(self.disk, env, self.work)
        device = Device(self.disk)
        self.addCleanup(device.cleanup)
        return device

    def sh(self, script, **kwargs):
        done = self.device.run(["sh", "-c", script], capture_output=True, text=True, **kwargs)
        return done.returncode, done.stdout, done.stderr

    def test_session_shows_what_the_rules_decided(self):
        session = self.device.boot()
        code, out, _ = self.sh("cat /proc/cmdline /proc/sys/kernel/random/boot_id; exit 7")
        self.assertEqual(code, 7)
        self.assertEqual(out.split("\n")[:2], [session["cmdline"], session["boot_id"]])
        again = self.device.reboot()
        self.assertNotEqual(again["boot_id"], session["boot_id"])
        self.assertEqual(again["boot_count"], 2)

    def test_booted_slot_refuses_writes_and_the_other_takes_them(self):
        self.device.boot()
        wipe = "dd if=/dev/zero of=/dev/disk/by-partlabel/pawl-%s bs=4096 count=1 conv=fsync"
        before = self.device.peek("a", 0, SLOT_MIB * MIB)
        self.assertNotEqual(self.sh(wipe % "a")[0], 0)
        self.assertEqual(self.sh(wipe % "b")[0], 0)
        self.assertNotEqual(self.sh("echo x >/etc/x")[0], 0)
        self.device.shutdown()
        self.assertEqual(self.device.peek("a", 0, SLOT_MIB * MIB), before)
        self.assertEqual(self.device.peek("b", 0, 4096), bytes(4096))

    def test_data_and_boot_area_last_over_a_reboot_and_tmpfs_does_not(self):
        self.device.boot()
        self.sh("echo kept >/var/lib/pawl/x; echo kept >/boot/x; echo gone >/tmp/x")
        self.device.reboot()
        _, out, _ = self.sh("cat /var/lib/pawl/x /boot/x; ls /tmp")
        self.assertEqual(out, "kept\nkept\n")

    def test_trial_falls_back_when_nobody_confirms(self):
        self.device = self.make(dict(STATE, pawl_try="b", pawl_left="2"))
        slots = [self.device.boot()["slot"]] + [self.device.reboot()["slot"] for _ in range(3)]
        self.assertEqual(slots, ["b", "b", "a", "a"])
        self.assertEqual(self.device.environment()["pawl_failed"], "b")

    def test_broken_trial_slot_uses_up_its_tries_within_one_boot(self):
        self.device = self.make(dict(STATE, pawl_try="b", pawl_left="3"))
        self.device.poke("b", 1024, bytes(1024))
        self.assertEqual(self.device.boot()["slot"], "a")
        self.assertEqual(self.device.environment()["pawl_left"], "0")

    def test_nothing_bootable_boots_nothing(self):
        self.device = self.make(dict(STATE, pawl_a="0", pawl_b="0"))
        self.assertIsNone(self.device.boot()["slot"])
        self.assertEqual(self.device.status()["attached"], [])
        with self.assertRaises(DeviceError):
            self.device.session()

    def test_killed_runner_takes_its_processes_along(self):
        self.device.boot()
        runner = self.device.popen(["sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.assertEqual(runner.stdout.readline(), b"ready\n")
        runner.kill()
        self.assertEqual(runner.stdout.read(), b"")  # ends only when every holder is gone
        runner.wait()
        runner.stdin.close()
        runner.stdout.close()
        self.device.cleanup()
        self.assertEqual(self.device.status()["attached"], [])

    def test_shutdown_ends_running_commands(self):
        self.device.boot()
        runner = self.device.popen(["sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        runner.stdout.readline()
        self.device.shutdown()
        self.assertEqual(runner.wait(), -signal.SIGKILL)
        runner.stdin.close()
        runner.stdout.close()
        self.assertEqual(self.device.status()["attached"], [])
        self.device.shutdown()

    def test_signals_reach_the_command(self):
        self.device.boot()
        script = "trap 'echo got; exit 9' TERM; echo ready; while :; do read -r x || :; done"
        runner = self.device.popen(["sh", "-c", script], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.assertEqual(runner.stdout.readline(), b"ready\n")
        runner.send_signal(signal.SIGTERM)
        out, _ = runner.communicate(b"\n")
        self.assertEqual((out, runner.returncode), (b"got\n", 9))

    def test_host_mount_table_stays_as_it_was(self):
        before = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8")
        self.device.boot()
        _, out, _ = self.sh("grep -c . /proc/mounts")
        self.assertGreater(int(out), 5)
        self.assertEqual(pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8"), before)
        self.device.shutdown()
        self.assertEqual(pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8"), before)

    @unittest.skipUnless(shutil.which("strace"), "needs the package strace")
    def test_trace_names_opened_files(self):
        self.device.boot()
        trace = self.work / "trace"
        done = self.device.run(["/bin/sh", "-c", "cat /etc/hosts; exit 5"], trace=trace,
                               env={"A": "b"}, capture_output=True)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn('"/etc/hosts"', trace.read_text(encoding="utf-8"))

    @unittest.skipUnless(shutil.which("faketime"), "needs the package faketime")
    def test_faketime_moves_the_clock_of_a_dynamic_program(self):
        date = shutil.which("date")
        root = self.work / "dated"
        faketime = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        call(ROOT / "tests/tools/make_tiny_root", root, "--bin", f"{date}=/usr/bin/realdate",
             "--bin", f"{faketime}=/usr/lib/for-its-libraries")
        libs = subprocess.run(["ldd", date], capture_output=True, text=True, check=True).stdout
        self.assertIn("libc.so.6", libs)
        call(ROOT / "tools/corpus/make_image", root, self.work / "dated.img", "--size-mib",
             str(SLOT_MIB))
        image = (self.work / "dated.img").read_bytes()
        self.device.poke("a", 0, image)
        self.device.boot()
        done = self.device.run(["/usr/bin/realdate", "-u", "+%Y"], capture_output=True, text=True,
                               faketime="@2031-01-01 00:00:00")
        self.assertEqual((done.stdout, done.stderr), ("2031\n", ""))
        done = self.device.run(["/usr/bin/realdate", "-u", "+%Y"], capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), time.strftime("%Y", time.gmtime()))

    def test_poke_is_refused_while_running_and_outside_of_the_slot(self):
        with self.assertRaises(DeviceError):
            self.device.poke("a", SLOT_MIB * MIB, b"x")
        self.device.boot()
        with self.assertRaises(DeviceError):
            self.device.poke("a", 0, b"x")

    def test_command_line(self):
        program = ROOT / "tools/vdevice/vdevice"
        out = call(sys.executable, program, "boot", self.disk, "--json").stdout
        self.assertEqual(json.loads(out)["slot"], "a")
        twice = subprocess.run([sys.executable, program, "boot", self.disk], capture_output=True,
                               text=True, check=False)
        self.assertEqual(twice.returncode, 125)
        self.assertIn("booted already", twice.stderr)
        absent = subprocess.run([sys.executable, program, "run", self.disk, "--", "no-such"],
                                capture_output=True, text=True, check=False)
        self.assertEqual(absent.returncode, 127)
        call(sys.executable, program, "cleanup", self.disk)
        self.assertIn(b"off, 1 boots", call(sys.executable, program, "status", self.disk).stdout)


if __name__ == "__main__":
    if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
        print("skipped: needs root and loop devices")
        sys.exit(77)
    unittest.main()
