# SPDX-License-Identifier: Apache-2.0
"""The disk image of a device: its partitions, and the loop devices that stand for them."""

import contextlib
import dataclasses
import glob
import json
import os
import pathlib
import select
import stat
import struct
import subprocess

NAMES = ("pawl-boot", "pawl-a", "pawl-b", "pawl-data")
SECTOR = 512
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class DeviceError(Exception):
    """Something the user can mend; the text says what was expected, found, and what to do."""


@dataclasses.dataclass(frozen=True)
class Partition:
    name: str
    offset: int  # bytes
    size: int    # bytes


def tool(argv):
    """Runs a system program; returns its standard output, raises DeviceError with its complaint."""
    try:
        done = subprocess.run(argv, text=True, capture_output=True, check=False,
                              env=dict(os.environ, PATH=PATH, LC_ALL="C"))
    except FileNotFoundError:
        raise DeviceError(f"the program '{argv[0]}' is missing; run tools/setup demo") from None
    if done.returncode != 0:
        raise DeviceError(f"'{' '.join(map(str, argv))}' ended with exit code {done.returncode}: "
                          f"{done.stderr.strip()}")
    return done.stdout


def partitions(disk):
    """{name: Partition} of the GPT of `disk`; all four names must be there exactly once."""
    if not os.path.isfile(disk):
        raise DeviceError(f"no disk image at '{disk}'; 'pawl-agent provision' makes one")
    table = json.loads(tool(["sfdisk", "-J", disk]))["partitiontable"]
    if table.get("label") != "gpt":
        raise DeviceError(f"{disk}: expected a GPT, found '{table.get('label')}'")
    unit = int(table.get("sectorsize", SECTOR))
    found = {}
    for row in table.get("partitions", []):
        name = row.get("name", "")
        if name in found:
            raise DeviceError(f"{disk}: two partitions are named '{name}'; provision it anew")
        found[name] = Partition(name, row["start"] * unit, row["size"] * unit)
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise DeviceError(f"{disk}: expected partitions named {', '.join(NAMES)}; missing "
                          f"{', '.join(missing)}, found {', '.join(map(repr, found)) or 'none'}")
    return {name: found[name] for name in NAMES}


def file_system(path, offset=0):
    """"ext4", "squashfs", "erofs" or None, by the magic number at `offset` of a file or device."""
    with open(path, "rb") as file:
        file.seek(offset)
        head = file.read(4096)
    if len(head) < 2048:
        return None
    if struct.unpack_from("<H", head, 1024 + 56)[0] == 0xEF53:
        return "ext4"
    if head[:4] == b"hsqs":
        return "squashfs"
    if struct.unpack_from("<I", head, 1024)[0] == 0xE0F5E1E2:
        return "erofs"
    return None


def attached(disk):
    """Loop devices whose backing file is `disk`, whoever attached them: ["/dev/loop3", ...]."""
    real = os.path.realpath(disk)
    found = []
    for entry in glob.glob("/sys/block/loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # it may be detached while we look
            name = pathlib.Path(entry).read_text(encoding="utf-8").rstrip("\n")
            if name.removesuffix(" (deleted)") == real:
                found.append("/dev/" + entry.split("/")[3])
    return sorted(found)


def attach(disk, partition, read_only):
    """Attaches one partition; returns the loop device. Read-only is enforced by the kernel."""
    argv = ["losetup", "--find", "--show", "--offset", str(partition.offset),
            "--sizelimit", str(partition.size)] + (["--read-only"] if read_only else [])
    try:
        return tool(argv + [os.path.realpath(disk)]).strip()
    except DeviceError as err:
        raise DeviceError(f"{partition.name} cannot be attached as a loop device. The virtual "
                          f"device needs root and /dev/loop-control: {err}") from None


def loop_devices_work(disk, partition):
    """Can a partition be attached here at all? Tries it, read-only."""
    try:
        detach(attach(disk, partition, True))
    except DeviceError:
        return False
    return True


def detach(device, patience_ms=15000):
    """Detaches a loop device and returns when the kernel has let go of it.

    The kernel only marks a device that is still mounted somewhere, and a second loop device over
    the same bytes would then meet a live file system. It tells nobody when that ends, hence the
    bounded asking again.
    """
    entry = f"/sys/block/{os.path.basename(device)}/loop/backing_file"
    waited = 0
    while os.path.exists(entry):
        subprocess.run(["losetup", "--detach", device], capture_output=True, check=False,
                       env=dict(os.environ, PATH=PATH))
        if not os.path.exists(entry):
            return
        if waited >= patience_ms:
            raise DeviceError(f"{device} is still in use after {patience_ms // 1000} s; a process "
                              f"in another mount namespace keeps it. End it, then run "
                              f"'vdevice cleanup'")
        select.select([], [], [], 0.02)
        waited += 20


def write_at(disk, partition, offset, data):
    """Writes bytes of a partition while the device is off; nothing may have it attached."""
    if attached(disk):
        raise DeviceError(f"{disk} is attached, so its bytes may be cached twice; "
                          f"run 'vdevice shutdown' first")
    if offset < 0 or offset + len(data) > partition.size:
        raise DeviceError(f"{partition.name} has {partition.size} bytes; offset {offset} with "
                          f"{len(data)} bytes lies outside")
    fd = os.open(disk, os.O_WRONLY | os.O_CLOEXEC)
    try:
        done = os.pwrite(fd, data, partition.offset + offset)
        if done != len(data):
            raise DeviceError(f"{disk}: wrote {done} of {len(data)} bytes")
        os.fsync(fd)
    finally:
        os.close(fd)


def read_at(disk, partition, offset, size):
    """Reads bytes of a partition through the image file."""
    with open(disk, "rb") as file:
        file.seek(partition.offset + offset)
        return file.read(max(0, min(size, partition.size - offset)))


def is_block(path):
    return stat.S_ISBLK(os.stat(path).st_mode)
