#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real programs on a small real device: signer, nginx, GPT disk, loop devices, GRUB environment.

Asks what no fake can answer: does an agent that is killed (SIGKILL) again and again resume and end right, and is the booted slot never
opened for writing? usage: device_story_test.py PROGRAMS_DIR. Exit status 77: not possible on this machine.
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
if len(sys.argv) != 2:
    sys.exit("usage: device_story_test.py PROGRAMS_DIR")
os.environ["PAWL_PROGRAMS"] = sys.argv[1]
sys.path.insert(0, str(REPOSITORY))

from tools.demo_steps import images  # noqa: E402
from tools.demo_steps.gateway import Gateway  # noqa: E402
from tools.demo_steps.repository import Workspace  # noqa: E402
from tools.demo_steps.server import WebServer  # noqa: E402
from tools.demo_steps.shell import DemoError, expect, run, say  # noqa: E402

HOOK = "#!/bin/sh\ntest -r /usr/lib/pawl/release\n"
BUILT = "2026-01-01T00:00:00Z"
PAYLOAD_MIB = 12
KILLS = 4


def possible():
    if os.geteuid() != 0:
        return "needs root for loop devices and mount namespaces"
    probe = subprocess.run(["losetup", "-f"], capture_output=True, check=False)
    if probe.returncode != 0:
        return "needs loop devices"
    return None


def tiny_tree(work):
    tree = work / "tree"
    agent = images.PROGRAMS / "client/pawl-agent"
    subprocess.run([REPOSITORY / "tests/tools/make_tiny_root", tree, "--bin", f"{agent}=/usr/bin/pawl-agent"],
                   check=True, stdout=subprocess.DEVNULL)
    return tree


def make_release(work, workspace, tree, version, build, seed):
    folder = images.overlay(work / "overlay" / version, workspace.public / "metadata/1.root.json",
                            version, build, 1, BUILT, HOOK)
    shutil.copy2(tree / "usr/bin/pawl-agent", folder / "usr/bin/pawl-agent")
    # Content that no compressor shrinks, so that a transfer lasts long enough to be killed in.
    (folder / "usr/lib/payload").write_bytes(random.Random(seed).randbytes(PAYLOAD_MIB << 20))
    size = int(subprocess.run(["du", "-sm", "--apparent-size", tree], capture_output=True, text=True, check=True).stdout.split()[0])
    image = images.make_image(tree, work / f"{version}.ext4", folder, size + 2 * PAYLOAD_MIB + 24)
    workspace.build(version, image, quiet=True)


def repository(work):
    workspace = Workspace(work / "repo")
    workspace.make_keys()
    workspace.init()
    for person in ("anna-root", "ben-root", "anna-targets", "anna", "ben", "rollout", "support"):
        workspace.sign(person, quiet=True)
    workspace.publish(quiet=True)
    tree = tiny_tree(work)
    make_release(work, workspace, tree, "1.0", 10, 1)
    make_release(work, workspace, tree, "1.1", 11, 2)
    workspace.delta("1.0", "1.1")
    for version in ("1.0", "1.1"):
        workspace.release(version)
    for person in ("anna", "ben"):
        workspace.sign(person, quiet=True)
    workspace.rollout("1.1")
    workspace.publish(quiet=True)
    return workspace


def kill_in_the_middle(gateway, lines_before):
    """Starts an update and kills it after so many lines of progress. False: it ended before."""
    process = gateway.device.popen(["/usr/bin/pawl-agent", "update", "--progress=json"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
    seen = 0
    for line in process.stderr:
        if '"pawl.progress/1"' in line and "writing" in line:
            seen += 1
            if seen == lines_before:
                process.send_signal(signal.SIGKILL)
                break
    process.stderr.close()
    process.wait()
    return seen == lines_before


def killed_updates_resume(gateway):
    killed = sum(kill_in_the_middle(gateway, number) for number in range(1, KILLS + 1))
    expect(killed >= 2, "at least two runs killed in the middle", killed)
    status = gateway.status()
    expect(status["state"] == "writing", "the state 'writing' after a kill", status["state"])
    expect(not status["slots"][1]["bootable"], "a target slot that cannot boot", "a bootable one")
    say(f"killed {killed} times while writing; the next run goes on")


def booted_slot_is_never_opened_for_writing(gateway, trace):
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0"  # the leak checker and strace both want ptrace
    gateway.agent("update", quiet=True, trace=str(trace))
    del os.environ["ASAN_OPTIONS"]
    text = trace.read_text(errors="replace")
    opened = re.findall(r'open(?:at)?\([^"]*"([^"]*)", ([A-Z_|0-9]+)', text)
    slot_a = [flags for path, flags in opened if path.endswith("pawl-a")]
    slot_b = [flags for path, flags in opened if path.endswith("pawl-b")]
    expect(slot_a and all("O_RDONLY" in flags for flags in slot_a), "slot a opened, only for reading", slot_a)
    expect(any("O_RDWR" in flags for flags in slot_b), "slot b opened for writing", slot_b)
    say(f"slot a was opened {len(slot_a)} times, always O_RDONLY")


def story(work):
    workspace = repository(work)
    with_pauses = WebServer(workspace.public, work / "nginx", extra="limit_rate 4m; limit_rate_after 1m;").start()
    gateway = Gateway(work / "device.img")
    try:
        gateway.provision(work / "1.0.ext4", workspace.public / "metadata/1.root.json", with_pauses.url, work / "device.pub")
        expect(gateway.boot() == "a", "slot a", "another")
        expect(gateway.status()["slot_kind"] == "block devices", "block devices", gateway.status()["slot_kind"])
        killed_updates_resume(gateway)
        booted_slot_is_never_opened_for_writing(gateway, work / "trace")
        expect(gateway.boot(again=True) == "b", "slot b", "another")
        gateway.agent("confirm", quiet=True)
        status = gateway.status()
        expect(status["version"] == "1.1" and status["state"] == "confirmed", "1.1 confirmed", json.dumps(status))
        gateway.agent("doctor")
        fleet = images.PROGRAMS / "tools/fleet/pawl-fleet"
        run([fleet, "register", "--db", work / "fleet.db", work / "device.pub"], quiet=True)
        nonce = "00112233445566778899aabbccddeeff"
        path = gateway.statement(nonce, work / "statement.jwt")
        answer = run([fleet, "verify", "--db", work / "fleet.db", "--nonce", f"hex:{nonce}", path], quiet=True)
        expect("sys.slot_digest   pass" in answer, "a measured slot that is what was signed", answer)
        run([fleet, "verify", "--db", work / "fleet.db", "--nonce", f"hex:{nonce}", path], quiet=True, expect_code=12)
    finally:
        gateway.device.cleanup()
        with_pauses.stop()


def main():
    why_not = possible()
    if why_not:
        print(f"skipped: {why_not}")
        sys.exit(77)
    work = pathlib.Path(tempfile.mkdtemp(prefix="pawl-story-"))
    try:
        story(work)
    except DemoError as why:
        sys.exit(f"device_story_test: {why}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("device story: all as expected")


if __name__ == "__main__":
    main()
