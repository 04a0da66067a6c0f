# SPDX-License-Identifier: Apache-2.0
"""Processes inside the device: private mounts, the session's /proc and /dev, one supervised command.

All mounts are made in a mount namespace of their own, so the host's mount table never changes and
the kernel takes them down with the last process, however that ended.
"""

import ctypes
import os
import shutil
import signal
import stat
import sys
import traceback

from . import disk as disks

CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
SI_KERNEL = 0x80
MOUNT_POINTS = ("proc", "sys", "dev", "run", "tmp", "boot", "var/lib/pawl")
CHARACTER_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
FORWARDED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
             signal.SIGUSR2, signal.SIGWINCH}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise disks.DeviceError(f"{what}: {os.strerror(number)}"
                                + ("; the virtual device needs root" if number == 1 else ""))


def mount(source, target, kind=None, flags=0, data=None):
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _check(_libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]),
           f"mounting {source} on {target}")


def unshare(flags):
    _check(_libc.unshare(flags), "making private namespaces")


def private_mounts():
    """A mount namespace of our own from which nothing spreads to the host."""
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)


def call_in_private_mounts(function):
    """Runs function() in a child with private mounts; returns the bytes it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            private_mounts()
            with os.fdopen(writer, "wb") as out:
                out.write(function())
            code = 0
        except (disks.DeviceError, OSError) as err:
            print(f"vdevice: {err}", file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        data = answer.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise disks.DeviceError("reading the boot area failed (reason above)")
    return data


def _device_nodes(root, loops, read_only):
    dev = os.path.join(root, "dev")
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=1m")
    # `read_only` is the booted slot: a loop device refuses writes by itself, a plain file by its mount.
    nodes = [f"/dev/{name}" for name in CHARACTER_DEVICES] + list(loops.values())
    for node in nodes:
        found = os.stat(node)
        target = os.path.join(dev, os.path.basename(node))
        if stat.S_ISREG(found.st_mode):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
            mount(node, target, None, MS_BIND)
            if node == read_only:
                mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
            continue
        os.mknod(target, found.st_mode, found.st_rdev)
        os.chmod(target, 0o660 if stat.S_ISBLK(found.st_mode) else 0o666)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, os.path.join(dev, name))
    os.mkdir(os.path.join(dev, "shm"))
    mount("tmpfs", os.path.join(dev, "shm"), "tmpfs", MS_NOSUID | MS_NODEV)
    if os.path.isdir("/dev/pts"):  # the caller's terminal keeps its name
        os.mkdir(os.path.join(dev, "pts"))
        mount("/dev/pts", os.path.join(dev, "pts"), None, MS_BIND)
    labels = os.path.join(dev, "disk", "by-partlabel")
    os.makedirs(labels)
    for name, node in loops.items():
        os.symlink("../../" + os.path.basename(node), os.path.join(labels, name))


def build_root(root, session, state):
    """Mounts the booted system below `root`, an empty directory, in the current mount namespace."""
    loops = session["loops"]
    trees = session.get("trees")
    booted = f"pawl-{session['slot']}"
    slot = loops[booted]
    kind = disks.file_system(slot)
    if kind is None:
        raise disks.DeviceError(f"slot {session['slot']} holds no ext4, squashfs or erofs; "
                                f"it cannot be mounted")
    if trees:
        mount(trees[booted], root, None, MS_BIND)
        mount(None, root, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
    else:
        mount(slot, root, kind, MS_RDONLY)
    missing = [name for name in MOUNT_POINTS if not os.path.isdir(os.path.join(root, name))]
    if missing:
        raise disks.DeviceError(f"the image in slot {session['slot']} lacks the directories "
                                f"{', '.join('/' + name for name in missing)}; add them to it")
    at = {name: os.path.join(root, name) for name in MOUNT_POINTS}
    mount("proc", at["proc"], "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name, target in (("cmdline", "cmdline"), ("boot_id", "sys/kernel/random/boot_id")):
        target = os.path.join(at["proc"], target)
        mount(os.path.join(state, name), target, None, MS_BIND)
        mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
    mount("/sys", at["sys"], None, MS_BIND)
    mount(None, at["sys"], None, MS_BIND | MS_REMOUNT | MS_RDONLY)
    for name, mode in (("run", "mode=755"), ("tmp", "mode=1777")):
        mount("tmpfs", at[name], "tmpfs", MS_NOSUID | MS_NODEV, mode)
    _device_nodes(root, loops, slot)
    for name, place in (("pawl-boot", "boot"), ("pawl-data", "var/lib/pawl")):
        if trees:
            mount(trees[name], at[place], None, MS_BIND)
        else:
            mount(loops[name], at[place], "ext4", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _wait_for(child, reap_all):
    """Forwards signals to `child` until it ends; returns its exit status as a shell shows it."""
    while True:
        info = signal.sigwaitinfo(FORWARDED | {signal.SIGCHLD})
        if info.si_signo != signal.SIGCHLD:
            # A key press on the terminal reaches the whole foreground group by itself.
            if info.si_code != SI_KERNEL:
                os.kill(child, info.si_signo)
            continue
        while True:
            try:
                pid, status = os.waitpid(-1 if reap_all else child, os.WNOHANG)
            except ChildProcessError:
                return 1
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def _command(root, argv, env, trace, mask):
    """The supervised process itself: never returns."""
    code = 126
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if trace:
            # strace stays outside of the device's root; the tracee enters it through chroot(8).
            settings = [f"--env={name}={value}" for name, value in env.items()]
            os.execvpe("strace", ["strace", "-f", "-e", "trace=open,openat,openat2", "-s", "4096",
                                  "-o", trace, *settings, "chroot", root, *argv],
                       dict(os.environ, PATH=disks.PATH))
        os.chroot(root)
        os.chdir("/")
        os.execvpe(argv[0], argv, env)
    except FileNotFoundError:
        code = 127
        print(f"vdevice: no program '{'strace' if trace else argv[0]}' in the booted system",
              file=sys.stderr)
    except OSError as err:
        print(f"vdevice: '{argv[0]}' cannot be started: {err.strerror}", file=sys.stderr)
    finally:
        os._exit(code)


def _init(root, session, state, argv, env, files, trace, mask, alive):
    """Process 1 of the device: mounts, starts the command, reaps what it leaves behind."""
    code = 125
    try:
        # Whoever kills the runner ends the device's processes; the read ends at once when the
        # runner was gone before this took effect.
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.read(alive, 1) != b"1":
            os._exit(code)
        os.close(alive)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        build_root(root, session, state)
        if files:
            os.mkdir(os.path.join(root, "run/vdevice"))
        for name, source in files.items():
            shutil.copyfile(source, os.path.join(root, "run/vdevice", name))
            os.chmod(os.path.join(root, "run/vdevice", name), 0o755)
        child = os.fork()
        if child == 0:
            _command(root, argv, env, trace, mask)
        code = _wait_for(child, reap_all=True)
    except (disks.DeviceError, OSError) as err:
        print(f"vdevice: {err}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def run(root, session, state, argv, env, files, trace=None):
    """Runs `argv` inside the booted system and returns its exit status (128+N for signal N)."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})
    reader, writer = os.pipe()
    unshare(CLONE_NEWNS | CLONE_NEWPID)
    first = os.fork()
    if first == 0:
        os.close(writer)
        _init(root, session, state, argv, env, files, trace, mask, reader)
    os.close(reader)
    os.write(writer, b"1")
    os.close(writer)
    return _wait_for(first, reap_all=False)
