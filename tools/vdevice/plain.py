# SPDX-License-Identifier: Apache-2.0
"""Storage without loop devices: a session on plain files. Every status says so.

At boot each partition is copied into a file, and the file systems that would be mounted are unpacked
into folders. The slots inside the device are those files; boot and data area are the folders. At
shutdown files and folders go back into the disk image. What is lost: block devices, the kernel's
refusal to write to the booted slot below the mount, and what a power cut would leave.
"""

import os
import pathlib
import shutil

from . import disk as disks

STORAGE = "plain files"
WARNING = ("NO LOOP DEVICES HERE: the slots are plain files, not block devices. The update works, but "
           "this proves nothing about block devices or power cuts.")
BLOCK = 1 << 20


def copy_window(source, target, source_offset, target_offset, size):
    """Copies `size` bytes between two open files; runs of zeros stay holes in a fresh target."""
    for offset in range(0, size, BLOCK):
        data = os.pread(source, min(BLOCK, size - offset), source_offset + offset)
        if data.strip(b"\0") or os.pread(target, len(data), target_offset + offset).strip(b"\0"):
            if os.pwrite(target, data, target_offset + offset) != len(data):
                raise disks.DeviceError("the file system is full; free some space")


class Plain:
    """The files and folders of one session, below the state directory."""

    def __init__(self, disk, state):
        self.disk, self.folder = disk, pathlib.Path(state) / "plain"

    def file(self, name):
        return str(self.folder / name)

    def tree(self, name):
        return str(self.folder / f"{name}.tree")

    def attach(self, partition):
        """Copies a partition out of the disk image; returns the file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.file(partition.name)
        source = os.open(self.disk, os.O_RDONLY | os.O_CLOEXEC)
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(target, partition.size)
            copy_window(source, target, partition.offset, 0, partition.size)
        finally:
            os.close(source)
            os.close(target)
        return path

    def unpack(self, name):
        """Unpacks the file system of a partition into a fresh folder; returns the folder."""
        tree, path = self.tree(name), self.file(name)
        shutil.rmtree(tree, ignore_errors=True)
        kind = disks.file_system(path)
        if kind == "ext4":
            os.mkdir(tree)
            disks.tool(["debugfs", "-R", f"rdump / {tree}", path])
        elif kind == "squashfs":
            disks.tool(["unsquashfs", "-quiet", "-no-progress", "-d", tree, path])
        else:
            raise disks.DeviceError(f"{name} holds no ext4 or squashfs; without loop devices nothing "
                                    f"else can be read")
        shutil.rmtree(os.path.join(tree, "lost+found"), ignore_errors=True)
        return tree

    def write_back(self, parts):
        """Makes the file systems of the folders anew and puts all files back into the disk image."""
        for name in ("pawl-boot", "pawl-data"):
            if os.path.isdir(self.tree(name)):
                disks.tool(["mke2fs", "-q", "-F", "-t", "ext4", "-d", self.tree(name), self.file(name)])
        target = os.open(self.disk, os.O_RDWR | os.O_CLOEXEC)
        try:
            for name, partition in parts.items():
                if os.path.exists(self.file(name)):
                    source = os.open(self.file(name), os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        copy_window(source, target, 0, partition.offset, partition.size)
                    finally:
                        os.close(source)
            os.fsync(target)
        finally:
            os.close(target)
        self.discard()

    def discard(self):
        shutil.rmtree(self.folder, ignore_errors=True)
