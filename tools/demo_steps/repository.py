# SPDX-License-Identifier: Apache-2.0
"""The release engineers' side: people with keys, a workspace, releases, publication."""

import json
import pathlib

from . import images
from .shell import run, show

SIGNER = images.PROGRAMS / "signer/pawl-signer"

# Who holds which key. In life each file lies with its owner, the offline ones on a stick in a safe.
PEOPLE = {
    "root": ["anna-root", "ben-root", "chloe-root"],
    "targets": ["anna-targets"],
    "releases": ["anna", "ben"],
    "rollout": ["rollout"],
    "orders": ["support"],
    "snapshot": ["snapshot"],
    "timestamp": ["timestamp"],
}


class Workspace:
    """A signer's workspace and its people. Passphrases are made up here and go through pipes."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.keys = self.folder.parent / "keys"
        self.public = self.folder / "public"
        self.passphrases = {}

    def key(self, name):
        return self.keys / f"{name}.key"

    def make_keys(self):
        self.keys.mkdir(mode=0o700)
        for names in PEOPLE.values():
            for name in names:
                self.passphrases[name] = f"the passphrase of {name}"
                run([SIGNER, "key", "new", "--name", name, "--out", self.key(name)],
                    lines=[self.passphrases[name]], quiet=True)
        count = sum(len(names) for names in PEOPLE.values())
        show("pawl-signer key new --name anna-root --out anna-root.key   (and so on)",
             f"{count} key files, Ed25519, each behind a passphrase (Argon2id, 256 MiB)")

    def init(self):
        command = [SIGNER, "init", self.folder, "--product", images.PRODUCT,
                   "--hardware", f"{images.HARDWARE},{images.OTHER_HARDWARE}", "--channel", "stable",
                   "--root-threshold", "2", "--releases-threshold", "2"]
        for role, names in PEOPLE.items():
            for name in names:
                command += [f"--{role}-key", f"{self.key(name)}.pub"]
        output = run(command, quiet=True)
        show("pawl-signer init repo --root-key … --root-threshold 2 --releases-key … --releases-threshold 2", output, 40)

    def signer(self, *words, people=(), **kwargs):
        lines = [self.passphrases[name] for name in people]
        return run([SIGNER, *words], lines=lines, cwd=self.folder, **kwargs)

    def sign(self, name, *roles, **kwargs):
        return self.signer("sign", *roles, "--key", self.key(name), "-y", people=[name], **kwargs)

    def publish(self, **kwargs):
        return self.signer("publish", "--key", self.key("snapshot"), "--key", self.key("timestamp"),
                           people=["snapshot", "timestamp"], **kwargs)

    def build(self, version, image, *, hardware=images.HARDWARE, effort="fast", quiet=False):
        return self.signer("build", "--image", f"rootfs={image}", "--hardware", hardware,
                           "--channel", "stable", "--health-hook", "10-gateway", "--tries", "1",
                           "--health-deadline", "60", "--effort", effort, quiet=quiet,
                           shown=f"pawl-signer build --image rootfs={image.name} --hardware {hardware}")

    def delta(self, old, new, effort="fast"):
        return self.signer("delta", "--from", old, "--to", new, "--effort", effort)

    def release(self, version, quiet=True):
        self.signer("release", version, quiet=quiet)

    def rollout(self, version, quiet=True):
        self.signer("rollout", "set", "--channel", "stable", "--release", version, quiet=quiet)
        self.sign("rollout", quiet=True)

    def order(self, action, device, version, reason):
        words = ["order", "new", "--device", device, "--action", action, "--reason", reason,
                 "--ticket", "T-1042", "--hours", "24"]
        if version:
            words += ["--release", version]
        self.signer(*words)
        self.sign("support", quiet=True)

    def manifest(self, version):
        path = self.folder / "releases" / images.PRODUCT / version / "manifest.json"
        return json.loads(path.read_text())

