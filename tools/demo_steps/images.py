# SPDX-License-Identifier: Apache-2.0
"""Release images: a real Debian tree, the agent, and the facts of the release laid over it."""

import json
import os
import pathlib
import shutil
import subprocess

from .shell import DemoError, say, show

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# Tests run the same story with the programs of another build.
PROGRAMS = pathlib.Path(os.environ.get("PAWL_PROGRAMS", REPOSITORY / "build" / "release")).resolve()
PRODUCT = "gateway"
HARDWARE = "gw-x1"
OTHER_HARDWARE = "gw-x9"

AGENT_TOML = """# Defaults of the image; docs/configuration.md lists all keys.
[slots.a]
rootfs = "/dev/disk/by-partlabel/pawl-a"
[slots.b]
rootfs = "/dev/disk/by-partlabel/pawl-b"
[boot]
backend = "grub"
env = "/boot/pawl/grubenv"
"""

HEALTHY = """#!/bin/sh
# The system is well when its own programs run and its libraries load.
set -e
openssl version
curl --version >/dev/null
test -r /etc/os-release
"""

UNHEALTHY = """#!/bin/sh
echo "gateway service does not answer on its port"
exit 3
"""


def make_trees():
    """The two Debian trees of tools/corpus, cached between runs."""
    command = [REPOSITORY / "tools/corpus/make_images", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise DemoError("tools/corpus/make_images failed; its message is above")
    return json.loads(done.stdout)


def overlay(folder, root_json, version, build, epoch, built, hook=HEALTHY):
    """What makes a Debian tree a release: agent, root of trust, identity, health hook."""
    lib = folder / "usr/lib/pawl"
    (lib / "health.d").mkdir(parents=True)
    (folder / "usr/bin").mkdir(parents=True)
    shutil.copy2(PROGRAMS / "client/pawl-agent", folder / "usr/bin/pawl-agent")
    shutil.copy(root_json, lib / "root.json")
    (lib / "agent.toml").write_text(AGENT_TOML)
    (lib / "release").write_text(json.dumps(
        {"schema": "pawl.image/1", "product": PRODUCT, "version": version, "build": build,
         "epoch": epoch, "built": built}, indent=2) + "\n")
    script = lib / "health.d" / "10-gateway"
    script.write_text(hook)
    script.chmod(0o755)
    (folder / "var/lib/pawl").mkdir(parents=True)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (1704067200, 1704067200), follow_symlinks=False)
    return folder


def make_image(tree, out, overlay_folder, size_mib):
    command = [REPOSITORY / "tools/corpus/make_image", tree, out, "--overlay", overlay_folder,
               "--size-mib", str(size_mib), "--label", "pawl-root"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"make_image failed:\n{done.stdout}{done.stderr}")
    return out


def describe(trees):
    differing = trees["differing"]
    say(f"A and B are the same {PRODUCT} system from Debian packages; {len(differing)} packages have "
        f"other real versions in B:")
    show("", "\n".join(str(row if isinstance(row, str) else " ".join(map(str, row.values() if isinstance(row, dict) else row)))
                       for row in differing[:6]), limit=6)
