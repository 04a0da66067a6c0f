# SPDX-License-Identifier: Apache-2.0
"""A virtual device: boots a provisioned disk image by the boot rules and runs commands in it.

Between two commands only loop devices exist, each over one partition; the booted slot's is
read-only, so that the kernel refuses every write to it. Where loop devices cannot be had, plain.py
stands in for them.
"""

import contextlib
import fcntl
import glob
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import uuid

from . import boot_rules, disk as disks, inside
from .disk import DeviceError
from .plain import STORAGE as PLAIN, Plain

PROGRAM = pathlib.Path(__file__).resolve().parent / "vdevice"
# Of the caller's environment only what shows text and steers sanitizers reaches the device.
PASSED_ON = ("TERM", "COLUMNS", "LINES", "NO_COLOR", "ASAN_OPTIONS", "UBSAN_OPTIONS",
             "LSAN_OPTIONS", "TSAN_OPTIONS")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Device:
    """One disk image and its session. The state directory holds nothing but the session."""

    def __init__(self, disk, state=None, plain=False):
        """With `plain` loop devices are not even tried."""
        self.disk = pathlib.Path(disk).resolve()
        self.state = pathlib.Path(state).resolve() if state else self.disk.with_name(
            self.disk.name + ".vdevice")
        self._plain_wanted = plain
        self._plain = Plain(self.disk, self.state)

    # -- boot ----------------------------------------------------------------------------------

    def boot(self):
        """Decides and starts a session; returns it as a dict. "slot" is None when nothing boots."""
        with self._locked():
            return self._boot()

    def _boot(self):
        old = self._load()
        if old.get("loops"):
            raise DeviceError(f"{self.disk} is booted already (slot {old['slot']}); run "
                              f"'vdevice reboot' or 'vdevice shutdown'")
        self._detach_all()
        parts = disks.partitions(self.disk)
        plain = self._plain_wanted or not disks.loop_devices_work(self.disk, parts["pawl-boot"])
        try:
            if plain:
                decision, loops = self._boot_plain(parts)
            else:
                loops = {"pawl-boot": disks.attach(self.disk, parts["pawl-boot"], False)}
                decision = json.loads(inside.call_in_private_mounts(
                    lambda: json.dumps(self._decide_on(loops["pawl-boot"], parts)).encode()))
            session = dict(decision, boot_count=old.get("boot_count", 0) + 1,
                           boot_id=str(uuid.uuid4()), loops={}, trees={},
                           storage=PLAIN if plain else "loop devices")
            if decision["slot"] is None:
                self._detach_all()
                if plain:
                    self._plain.write_back(parts)
            elif plain:
                session["loops"] = loops
                session["trees"] = {name: self._plain.tree(name) for name in
                                    ("pawl-boot", "pawl-data", f"pawl-{decision['slot']}")}
            else:
                for name in disks.NAMES[1:]:
                    loops[name] = disks.attach(self.disk, parts[name],
                                               name == f"pawl-{decision['slot']}")
                session["loops"] = {name: loops[name] for name in disks.NAMES}
            self._write("cmdline", session["cmdline"] + "\n")
            self._write("boot_id", session["boot_id"] + "\n")
            self._write("session.json", json.dumps(session, indent=2) + "\n")
        except BaseException:
            self._detach_all()
            self._plain.discard()
            raise
        return session

    def _boot_plain(self, parts):
        """The decision, and {partition: file}; boot, data and the booted slot are unpacked."""
        loops = {name: self._plain.attach(parts[name]) for name in disks.NAMES}
        decision = self._decide(pathlib.Path(self._plain.unpack("pawl-boot"), "pawl"), parts)
        if decision["slot"] is not None:
            self._plain.unpack("pawl-data")
            self._plain.unpack(f"pawl-{decision['slot']}")
        return decision, loops

    def _decide_on(self, boot_device, parts):
        """In private mounts: the boot rules on the real blocks of the boot area."""
        area = self._mount_point()
        inside.mount(boot_device, area, "ext4")
        return self._decide(pathlib.Path(area, "pawl"), parts)

    def _decide(self, folder, parts):
        def save(name, changes):
            fd = os.open(folder / name, os.O_RDWR | os.O_CLOEXEC)
            try:  # in place and never truncated: a cut leaves the old state or the new one
                for offset, value in boot_rules.edits(os.pread(fd, 1024, 0), changes):
                    if os.pwrite(fd, value, offset) != len(value):
                        raise boot_rules.SaveError(f"short write to {name}")
                os.fsync(fd)
            finally:
                os.close(fd)

        def loadable(slot):
            return disks.file_system(self.disk, parts[f"pawl-{slot}"].offset) is not None

        table = boot_rules.load_table()
        found = boot_rules.decide(self._blocks(folder, table), table, loadable, save)
        return {"slot": found.slot, "rule": found.rule, "why": found.why,
                "cmdline": found.cmdline, "env_file": found.file, "env": found.state,
                "steps": found.steps}

    @staticmethod
    def _blocks(folder, table):
        blocks = {}
        for name in table.files:
            blocks[name] = None
            with contextlib.suppress(OSError):
                blocks[name] = (folder / name).read_bytes()
        return blocks

    def environment(self):
        """The boot environment as it is on the disk now: {variable: value}, plus "file"."""
        with self._locked():
            session = self._load()
            device = session.get("loops", {}).get("pawl-boot")
            own = None
            table = boot_rules.load_table()
            if device and session.get("trees"):
                name, state = boot_rules.read_state(
                    self._blocks(pathlib.Path(session["trees"]["pawl-boot"], "pawl"), table), table)
                return dict(state, file=name)
            if not device and self._plain_wanted:
                parts = disks.partitions(self.disk)
                self._plain.attach(parts["pawl-boot"])
                folder = pathlib.Path(self._plain.unpack("pawl-boot"), "pawl")
                name, state = boot_rules.read_state(self._blocks(folder, table), table)
                self._plain.discard()
                return dict(state, file=name)
            if not device:
                self._detach_all()
                own = device = disks.attach(self.disk, disks.partitions(self.disk)["pawl-boot"],
                                            False)

            def read():
                area = self._mount_point()
                inside.mount(device, area, "ext4")
                name, state = boot_rules.read_state(
                    self._blocks(pathlib.Path(area, "pawl"), table), table)
                return json.dumps(dict(state, file=name)).encode()

            try:
                return json.loads(inside.call_in_private_mounts(read))
            finally:
                if own:
                    disks.detach(own)

    # -- commands ------------------------------------------------------------------------------

    def exec(self, argv, faketime=None, trace=None, env=None):
        """Runs `argv` inside, in the calling process's place; returns the exit status.

        For the command line: it changes the caller's signal mask and namespaces. Programs use
        run() or popen().
        """
        session = self.session()
        values = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        values.update(PATH=SYSTEM_PATH, HOME="/root", LANG="C.UTF-8", **(env or {}))
        files = {}
        if faketime is not None:
            files["libfaketime.so.1"] = _libfaketime()
            options = values.get("ASAN_OPTIONS")
            values.update(LD_PRELOAD="/run/vdevice/libfaketime.so.1", FAKETIME=faketime,
                          FAKETIME_DONT_FAKE_MONOTONIC="1", NO_FAKE_STAT="1",
                          # a sanitizer would insist on being the first library
                          ASAN_OPTIONS=(options + ":" if options else "")
                          + "verify_asan_link_order=0")
        if trace is not None:
            trace = os.path.abspath(trace)
            if not shutil.which("strace"):
                raise DeviceError("the program 'strace' is missing; run tools/setup demo")
        runs = self.state / "runs"
        runs.mkdir(exist_ok=True)
        with open(runs / str(os.getpid()), "w", encoding="utf-8") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)  # held: this runner is alive
            os.set_inheritable(mark.fileno(), False)
            try:
                return inside.run(self._mount_point(), session, str(self.state), list(argv), values,
                                  files, trace)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(mark.name)

    def _argv(self, argv, faketime, trace, env):
        options = ["--state", str(self.state)]
        if faketime is not None:
            options += ["--faketime", faketime]
        if trace is not None:
            options += ["--trace", str(trace)]
        for name, value in (env or {}).items():
            options += ["--env", f"{name}={value}"]
        return [sys.executable, "-B", str(PROGRAM), "run", *options, str(self.disk), "--",
                *map(str, argv)]

    def run(self, argv, faketime=None, trace=None, env=None, **kwargs):
        """subprocess.run() of a command inside the booted system."""
        return subprocess.run(self._argv(argv, faketime, trace, env), **kwargs)

    def popen(self, argv, faketime=None, trace=None, env=None, **kwargs):
        """subprocess.Popen() of a command inside; killing it kills all it started."""
        return subprocess.Popen(self._argv(argv, faketime, trace, env), **kwargs)

    # -- end -----------------------------------------------------------------------------------

    def shutdown(self):
        """Ends all commands, detaches all loop devices. Harmless when nothing is booted."""
        with self._locked():
            self._shutdown()

    cleanup = shutdown

    def reboot(self):
        """shutdown(), then boot()."""
        with self._locked():
            self._shutdown()
            return self._boot()

    def _shutdown(self):
        for mark in glob.glob(str(self.state / "runs" / "*")):
            self._end_run(pathlib.Path(mark))
        self._detach_all()
        session = self._load()
        if session.get("loops") and session.get("trees"):
            self._plain.write_back(disks.partitions(self.disk))
        if session:
            session["loops"] = {}
            self._write("session.json", json.dumps(session, indent=2) + "\n")

    @staticmethod
    def _end_run(mark):
        """SIGKILLs a live runner: its mounts and everything inside go with it."""
        with contextlib.suppress(FileNotFoundError), open(mark, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:  # alive, so the number still is this runner's
                with contextlib.suppress(ProcessLookupError):
                    handle = os.pidfd_open(int(mark.name))
                    try:
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                        select.select([handle], [], [])
                    finally:
                        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            mark.unlink()

    def _detach_all(self):
        for device in disks.attached(self.disk):
            disks.detach(device)

    # -- state ---------------------------------------------------------------------------------

    def session(self):
        """The running session; DeviceError when the device is off."""
        session = self._load()
        if not session.get("loops"):
            raise DeviceError(f"{self.disk} is not booted; run 'vdevice boot {self.disk}'")
        return session

    def status(self):
        """The last session plus "booted" and the loop devices that exist now."""
        session = self._load()
        return dict(session, booted=bool(session.get("loops")),
                    attached=disks.attached(self.disk))

    def poke(self, slot, offset, data):
        """Writes `data` at byte `offset` of a slot, behind the device's back, while it is off."""
        if self._load().get("loops"):
            raise DeviceError(f"{self.disk} is booted; run 'vdevice shutdown' first")
        part = disks.partitions(self.disk)[f"pawl-{slot}"]
        disks.write_at(self.disk, part, offset, data)

    def peek(self, slot, offset, size):
        """Bytes of a slot as the image file holds them."""
        return disks.read_at(self.disk, disks.partitions(self.disk)[f"pawl-{slot}"], offset, size)

    def _mount_point(self):
        (self.state / "mnt").mkdir(parents=True, exist_ok=True)
        return str(self.state / "mnt")

    @contextlib.contextmanager
    def _locked(self):
        self.state.mkdir(parents=True, exist_ok=True)
        with open(self.state / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _load(self):
        try:
            return json.loads((self.state / "session.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise DeviceError(f"{self.state}/session.json is damaged; delete {self.state} and run "
                              f"'vdevice cleanup'") from None

    def _write(self, name, text):
        part = self.state / (name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self.state / name)


def _libfaketime():
    """The variant for programs with threads; most programs that fetch have some."""
    for pattern in ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1"):
        for found in sorted(glob.glob(pattern)):
            return found
    raise DeviceError("libfaketime is missing; run tools/setup demo")
