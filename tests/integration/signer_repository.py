# SPDX-License-Identifier: Apache-2.0
"""A small repository made by the real pawl-signer, with four people, for tests of programs."""

import json
import os
import pathlib
import subprocess

PEOPLE = {"anna": ("root", "releases"), "ben": ("root", "releases"), "rolf": ("rollout", "orders"),
          "online": ("snapshot", "timestamp")}
ENV = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")} | {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


class Repository:
    """The workspace `folder`/repo and the key files `folder`/NAME.key."""

    def __init__(self, signer, folder):
        self.signer, self.folder = os.path.abspath(signer), pathlib.Path(folder)
        self.repo, self.public = self.folder / "repo", self.folder / "repo/public"

    def run(self, *words, people=(), status=0, cwd=None, env=None):
        """Runs pawl-signer; passphrases of `people` go through a pipe. Returns the finished process."""
        words = [str(word) for word in words]
        read, write = os.pipe()
        os.write(write, "".join(f"the passphrase of {name}\n" for name in people).encode())
        os.close(write)
        if people:
            words += ["--passphrase-fd", str(read)]
        done = subprocess.run([self.signer, *words], cwd=cwd or self.folder, env=env or ENV,
                              text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              check=False, pass_fds=(read,), timeout=600)
        os.close(read)
        assert status is None or done.returncode == status, \
            f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def keys(self, *names):
        return [word for name in names for word in ("--key", self.folder / f"{name}.key")]

    def start(self):
        roles = []
        for name, held in PEOPLE.items():
            self.run("key", "new", "--name", name, "--out", f"{name}.key", people=[name])
            for role in held:
                roles += [f"--{role}-key", f"{name}.key.pub"]
        self.run("init", "repo", "--product", "gateway", "--hardware", "gw3", *roles,
                 "--root-threshold", "2", "--releases-threshold", "2")
        self.sign("anna", "ben", "rolf")
        self.publish()
        return self

    def sign(self, *names):
        self.run("sign", "--repo", self.repo, "-y", *self.keys(*names), people=names)

    def publish(self):
        return self.run("publish", "--repo", self.repo, *self.keys("online"), people=["online"])

    def refresh(self, **kwargs):
        return self.run("refresh", "--repo", self.repo, *self.keys("online"), people=["online"],
                        **kwargs)

    def release(self, version, build, size=1_500_000):
        """Built, listed, signed, public and in the stable channel."""
        image = self.folder / f"{version}.image"
        block = bytes(range(256)) * 64
        image.write_bytes((block + version.encode()).ljust(size, b"\1")[:size])
        identity = self.folder / f"{version}.identity"
        identity.write_text(json.dumps({"schema": "pawl.image/1", "product": "gateway",
                                        "version": version, "build": build, "epoch": 1,
                                        "built": "2026-01-01T00:00:00Z"}), "utf-8")
        self.run("build", "--repo", self.repo, "--image", f"rootfs={image}", "--identity", identity)
        self.run("release", version, "--repo", self.repo)
        self.run("rollout", "set", "--repo", self.repo, "--channel", "stable", "--release", version)
        self.sign("anna", "ben", "rolf")
        self.publish()
