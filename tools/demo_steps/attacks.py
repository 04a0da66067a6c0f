# SPDX-License-Identifier: Apache-2.0
"""Six attacks on a fresh device, each refused with its code. Every one leaves the device as it was."""

import json
import pathlib
import re
import shutil
import subprocess

from .shell import DemoError, expect, say, show


def flip_bytes(path, begin, step):
    """Flips a bit in every `step`-th byte from `begin` on; again, and the file is as it was."""
    data = bytearray(path.read_bytes())
    for offset in range(begin, len(data), step):
        data[offset] ^= 0x01
    path.write_bytes(data)


def flipped_delta(story):
    say("1. A mirror flips bytes in the frames of the delta, and in those of the full image that the agent turns to then:")
    component = story.workspace.manifest("1.1")["components"][0]
    containers = (component["deltas"][0]["container"], component["full"])
    for container in containers:
        flip_bytes(story.workspace.public / container["path"], container["head_length"], 512)
    story.victim.refused("E0303", "update")
    for container in containers:
        flip_bytes(story.workspace.public / container["path"], container["head_length"], 512)


def freeze(story):
    say("2. Somebody holds the repository still; the device's clock is 30 days on:")
    story.victim.refused("E0203", "update", faketime="+30d")


def rollback_metadata(story):
    say("3. A mirror shows yesterday's metadata, correctly signed and unexpired:")
    metadata = story.workspace.public / "metadata"
    today = story.work / "metadata-today"
    shutil.copytree(metadata, today)
    for path in story.old_metadata.iterdir():
        shutil.copy(path, metadata / path.name)
    story.victim.refused("E0204", "update")
    shutil.copy(today / "timestamp.json", metadata / "timestamp.json")
    shutil.rmtree(today)


def missing_signature(story):
    say("4. A signature is missing. The signer does not publish a release that one of two people signed, "
        "and a device does not believe metadata without its signature:")
    workspace = story.workspace
    workspace.release("1.4")
    workspace.sign("anna", quiet=True)
    text = workspace.signer("publish", "--key", workspace.key("snapshot"), "--key", workspace.key("timestamp"),
                            people=["snapshot", "timestamp"], expect_code=12, quiet=True)
    expect("E0202" in text, "a refusal with E0202", text)
    show("pawl-signer publish", next(line for line in text.splitlines() if "E0202" in line))
    path = workspace.public / "metadata/timestamp.json"
    kept = path.read_bytes()
    stripped = json.loads(kept)
    stripped["signed"]["version"] += 1
    stripped["signatures"] = []
    path.write_text(json.dumps(stripped))
    story.victim.refused("E0202", "update")
    path.write_bytes(kept)


def other_hardware(story):
    say("5. A release for other hardware is rolled out by mistake:")
    workspace = story.workspace
    workspace.sign("ben", quiet=True)
    workspace.rollout("1.4")
    workspace.publish(quiet=True)
    story.victim.refused("E0701", "update")
    workspace.rollout("1.1")
    workspace.publish(quiet=True)


def file_block(image, path):
    """The byte offset of the middle of a file inside an ext4 image."""
    done = subprocess.run(["debugfs", "-R", f"blocks {path}", str(image)], capture_output=True, text=True, check=False)
    blocks = [int(word) for word in re.findall(r"\d+", done.stdout)]
    if not blocks:
        raise DemoError(f"debugfs found no blocks of {path}: {done.stderr}")
    return blocks[len(blocks) // 2] * 4096


def planted_block(story):
    say("6. Somebody with the disk in hand plants a block in the running slot A. The delta would carry it on; "
        "the agent finds the wrong chunk, fetches just that part from the full image, and ends with the exact "
        "signed image. The statement shows the tampering:")
    offset = file_block(story.image_a, "/usr/bin/dpkg")
    device = story.planted
    story.victim.device.shutdown()
    device.device.poke("a", offset + 100, b"planted by somebody with the disk in hand")
    device.boot()
    output = device.agent("update", quiet=True) + device.last_errors
    lines = [line for line in output.splitlines() if "foreign chunk" in line or "repaired" in line or "armed" in line]
    show("pawl-agent update", "\n".join(lines))
    repaired = re.search(r"(\d+) chunks? repaired", output)
    expect(repaired is not None and int(repaired.group(1)) >= 1, "at least one repaired chunk", output)
    path = device.statement(story.fresh_nonce(), pathlib.Path(story.work) / "tampered.jwt")
    story.verify_statement(path, want=("sys.slot_digest", "fail"))


ALL = (flipped_delta, freeze, rollback_metadata, missing_signature, other_hardware, planted_block)
