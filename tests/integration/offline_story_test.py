#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real programs without a network: a release and an order from files, on a small real device (GPT disk, loop devices, GRUB).

Asks what no fake can answer: do signer and agent, with real key files, disks and a server that is never there, understand each other's
files? usage: offline_story_test.py PROGRAMS_DIR. Exit status 77: not possible on this machine.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
if len(sys.argv) != 2:
    sys.exit("usage: offline_story_test.py PROGRAMS_DIR")
os.environ["PAWL_PROGRAMS"] = sys.argv[1]
sys.path.insert(0, str(REPOSITORY))

from tools.demo_steps import images  # noqa: E402
from tools.demo_steps.gateway import Gateway  # noqa: E402
from tools.demo_steps.repository import Workspace  # noqa: E402
from tools.demo_steps.shell import DemoError, expect, say, show  # noqa: E402

HOOK = "#!/bin/sh\ntest -r /usr/lib/pawl/release\n"
BUILT = "2026-01-01T00:00:00Z"
NOWHERE = "http://127.0.0.1:9/"  # the discard port: nobody answers


def possible():
    if os.geteuid() != 0:
        return "needs root for loop devices and mount namespaces"
    probe = subprocess.run(["losetup", "-f"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "needs loop devices"


def make_release(work, workspace, tree, version, build):
    folder = images.overlay(work / "overlay" / version, workspace.public / "metadata/1.root.json",
                            version, build, 1, BUILT, HOOK)
    shutil.copy2(tree / "usr/bin/pawl-agent", folder / "usr/bin/pawl-agent")
    size = subprocess.run(["du", "-sm", "--apparent-size", tree], capture_output=True, text=True, check=True).stdout.split()[0]
    image = images.make_image(tree, work / f"{version}.ext4", folder, int(size) + 24)
    workspace.build(version, image, quiet=True)


def repository(work):
    workspace = Workspace(work / "repo")
    workspace.make_keys()
    workspace.init()
    for person in ("anna-root", "ben-root", "anna-targets", "anna", "ben", "rollout", "support"):
        workspace.sign(person, quiet=True)
    workspace.publish(quiet=True)
    tree = work / "tree"
    agent = images.PROGRAMS / "client/pawl-agent"
    subprocess.run([REPOSITORY / "tests/tools/make_tiny_root", tree, "--bin", f"{agent}=/usr/bin/pawl-agent"],
                   check=True, stdout=subprocess.DEVNULL)
    for version, build in (("1.0", 10), ("1.1", 11)):
        make_release(work, workspace, tree, version, build)
    workspace.delta("1.0", "1.1")
    for version in ("1.0", "1.1"):
        workspace.release(version)
    for person in ("anna", "ben"):
        workspace.sign(person, quiet=True)
    workspace.publish(quiet=True)
    return workspace


def with_stick(gateway, stick, *words, expect_code=0):
    """Runs the agent with a file of ours as its standard input, which is how a stick gets into this device."""
    argv = ["/usr/bin/pawl-agent", *words, "/dev/stdin"]
    with open(stick, "rb") as file:
        done = gateway.device.run(argv, stdin=file, capture_output=True, text=True)
    show(f"pawl-agent {' '.join(words)} {stick.name}", done.stdout + done.stderr)
    expect(done.returncode == expect_code, f"exit status {expect_code}", f"{done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def boots_and_confirms(gateway, slot, version):
    expect(gateway.boot(again=True) == slot, f"slot {slot}", "another")
    gateway.agent("confirm", quiet=True)
    status = gateway.status()
    expect(status["version"] == version and status["state"] == "confirmed", f"{version} confirmed", json.dumps(status))


def installs_from_a_file(gateway, workspace, work):
    bundle = work / "gateway-1.1.pawlb"
    workspace.signer("bundle", "make", "--release", "1.1", "--from", "1.0", "--full", "--out", bundle)
    broken = work / "broken.pawlb"
    broken.write_bytes(bundle.read_bytes()[:-512])
    text = with_stick(gateway, broken, "install", expect_code=12)
    expect("E0239" in text, "a refusal with E0239", text)
    with_stick(gateway, bundle, "install")
    expect(gateway.status()["state"] == "armed", "an armed slot", gateway.status()["state"])
    boots_and_confirms(gateway, "b", "1.1")
    text = with_stick(gateway, bundle, "install", expect_code=11)
    expect("E0108" in text, "'already done'", text)


def answer(workspace, challenge, out, *words, **kwargs):
    return workspace.signer("order", "answer", challenge, "--key", workspace.key("support"), "-y", "--reason", "modem resets",
                            "--ticket", "T-7", "--out", out, *words, people=["support"], **kwargs)


def rolls_back_by_an_answer(gateway, workspace, work):
    challenge = work / "challenge.json"
    challenge.write_text(gateway.agent("order", "request", "--json", quiet=True))
    out = work / "answer.pawlb"
    text = answer(workspace, challenge, out, "--action", "install", "--release", "1.0", expect_code=17)
    expect("E0704" in text and not out.exists(), "a refusal with E0704 and no file", text)
    before = {path: path.read_bytes() for path in workspace.public.glob("metadata/*")}
    answer(workspace, challenge, out, "--action", "rollback", "--release", "1.0")
    expect(before == {path: path.read_bytes() for path in workspace.public.glob("metadata/*")}, "an untouched public folder", "another")
    with_stick(gateway, out, "order", "apply")
    boots_and_confirms(gateway, "a", "1.0")
    text = with_stick(gateway, out, "order", "apply", expect_code=12)
    expect("E0222" in text, "a refusal with E0222", text)
    text = with_stick(gateway, work / "gateway-1.1.pawlb", "install", expect_code=17)
    expect("E0705" in text, "the left release on hold", text)
    say("rolled back by a signed answer, once; the left release is on hold")


def story(work):
    workspace = repository(work)
    gateway = Gateway(work / "device.img")
    try:
        gateway.provision(work / "1.0.ext4", workspace.public / "metadata/1.root.json", NOWHERE, work / "device.pub")
        expect(gateway.boot() == "a", "slot a", "another")
        gateway.agent("update", quiet=True, expect_code=14)
        installs_from_a_file(gateway, workspace, work)
        rolls_back_by_an_answer(gateway, workspace, work)
    finally:
        gateway.device.cleanup()


def main():
    why_not = possible()
    if why_not:
        print(f"skipped: {why_not}")
        sys.exit(77)
    work = pathlib.Path(tempfile.mkdtemp(prefix="pawl-offline-"))
    try:
        story(work)
    except DemoError as why:
        sys.exit(f"offline_story_test: {why}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("offline story: all as expected")


if __name__ == "__main__":
    main()
