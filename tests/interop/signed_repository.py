#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the repository that independent clients read, with the real pawl-signer and real key files.

usage: signed_repository.py PROGRAMS_DIR OUT_DIR

OUT_DIR/first      one release, a rollout of it, an order to one device
OUT_DIR/rotated    later: another root signer, another timestamp key, a second release
OUT_DIR/refreshed  later: nothing new but the dates
OUT_DIR/facts.json the device and the versions

Opening a key file costs 256 MiB and most of a second, so few people hold few keys here, and each is opened as rarely as can be. Where
SoftHSM is installed, two of the keys are P-256 keys in a token.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
os.environ["PAWL_PROGRAMS"] = str(PROGRAMS)
sys.path.insert(0, str(SOURCE))

from tools.demo_steps.shell import run  # noqa: E402

SIGNER = PROGRAMS / "signer/pawl-signer"
MKE2FS = shutil.which("mke2fs", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
DEVICE = "gw-0042"
PEOPLE = ("anna", "ben", "chloe", "rita", "susan", "online", "online-2")
IN_TOKEN = ("ben", "online-2")
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "123456"


class Team:
    """People with key files. Passphrases go through pipes."""

    def __init__(self, folder):
        self.folder = folder
        self.repo = folder / "repo"
        self.keys = folder / "keys"
        self.keys.mkdir(mode=0o700)
        self.in_token = IN_TOKEN if shutil.which("softhsm2-util") and os.path.exists(SOFTHSM) else ()
        if self.in_token:
            self.make_token()
        for name in PEOPLE:
            place = ["--token", self.token(), "--type", "p256", "--out", self.public_key(name)] if name in self.in_token else \
                ["--out", self.key(name)]
            run([SIGNER, "key", "new", "--name", name, *place], lines=[self.secret(name)], quiet=True)

    def make_token(self):
        (self.folder / "tokens").mkdir()
        config = self.folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {self.folder}/tokens\n")
        os.environ["SOFTHSM2_CONF"] = str(config)
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "team", "--so-pin", "87654321", "--pin", PIN],
                       check=True, stdout=subprocess.DEVNULL)

    @staticmethod
    def token(name=None):
        return f"pkcs11:token=team{f';object={name}' if name else ''}?module-path={SOFTHSM}"

    def key(self, name):
        return self.token(name) if name in self.in_token else self.keys / f"{name}.key"

    def public_key(self, name):
        return self.keys / f"{name}.key.pub"

    def secret(self, name):
        """The passphrase of a file, the PIN of a token."""
        return PIN if name in self.in_token else f"the passphrase of {name}"

    def signer(self, *words, people=()):
        return run([SIGNER, *words], lines=[self.secret(name) for name in people], cwd=self.repo, quiet=True)

    def sign(self, *people):
        for name in people:
            self.signer("sign", "--key", self.key(name), "-y", people=[name])

    def publish(self, *people, command="publish"):
        keys = [word for name in people for word in ("--key", self.key(name))]
        self.signer(command, *keys, people=people)

    def init(self):
        words = ["init", self.repo, "--product", "gateway", "--hardware", "gw-x1", "--channel", "stable"]
        for role, names in (("root", ("anna", "ben")), ("releases", ("rita",)), ("rollout", ("rita",)), ("orders", ("susan",)),
                            ("snapshot", ("online",)), ("timestamp", ("online",))):
            for name in names:
                words += [f"--{role}-key", self.public_key(name)]
        run([SIGNER, *words, "--root-threshold", "2", "--releases-threshold", "1"], quiet=True)

    def release(self, version, build):
        """A release of the smallest image that the signer can look into, and a rollout of it."""
        tree = self.folder / f"tree-{version}"
        facts = tree / "usr/lib/pawl/release"
        facts.parent.mkdir(parents=True)
        facts.write_text(json.dumps({"schema": "pawl.image/1", "product": "gateway", "version": version, "build": build,
                                     "epoch": 1, "built": "2026-01-01T00:00:00Z"}))
        image = self.folder / f"{version}.ext4"
        subprocess.run([MKE2FS, "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, image, "2m"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.signer("build", "--image", f"rootfs={image}", "--hardware", "gw-x1", "--effort", "fast")
        self.signer("release", version)
        self.signer("rollout", "set", "--channel", "stable", "--release", version)

    def order(self, version):
        self.signer("order", "new", "--device", DEVICE, "--action", "install", "--release", version,
                    "--reason", "stuck on an old build", "--ticket", "T-1", "--hours", "24")

    def rotate_root(self):
        """ben leaves, chloe comes, and timestamps get another key."""
        self.signer("root", "rotate", "--add", self.public_key("chloe"), "--remove", "ben")
        self.signer("role", "set", "timestamp", "--add", self.public_key("online-2"), "--remove", "online")


def make(folder, out):
    team = Team(folder)

    def keep(name):
        shutil.copytree(team.repo / "public", out / name)

    team.init()
    team.release("1.0", 10)
    team.order("1.0")
    team.sign("anna", "ben", "rita", "susan")
    team.publish("online")
    keep("first")
    team.release("1.1", 11)
    team.rotate_root()
    team.sign("anna", "ben", "chloe", "rita")
    team.publish("online", "online-2")
    keep("rotated")
    team.publish("online", "online-2", command="refresh")
    keep("refreshed")
    (out / "facts.json").write_text(json.dumps({"device": DEVICE, "versions": ["1.0", "1.1"]}))


def main():
    out = pathlib.Path(sys.argv[2])
    shutil.rmtree(out, ignore_errors=True)
    if not MKE2FS:
        print("skipped: mke2fs is not installed")
        return 77
    with tempfile.TemporaryDirectory(prefix="pawl-interop-") as name:
        made = pathlib.Path(name) / "out"
        made.mkdir()
        make(pathlib.Path(name), made)
        shutil.copytree(made, out)
    print(f"three states of a repository are in {out.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
