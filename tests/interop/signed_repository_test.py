#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An independent client against the repository that pawl-signer wrote and nginx serves.

usage: signed_repository_test.py CLIENT PAWL_TUF REPOSITORY     (CLIENT: tuf-js or python-tuf)

REPOSITORY is what signed_repository.py made. Our own client takes the same way beside it, so that what is found here is about the
repository and not about one client. Exit status 77: something that it needs is not here.
"""

import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import urllib.request

from peers import SKIP, SOURCE, Home, NotInstalled, Pawl, start

sys.path.insert(0, str(SOURCE))

from tools.demo_steps.server import WebServer  # noqa: E402


class Story:
    """One client, one nginx whose folder is exchanged, and the targets that every state must give."""

    def __init__(self, client, repository, server, folder):
        self.client, self.repository, self.server, self.folder = client, repository, server, folder
        facts = json.loads((repository / "facts.json").read_text())
        self.order = f"orders/device/{hashlib.sha256(facts['device'].encode()).hexdigest()}.json"
        self.rollout = "rollout/gateway/stable.json"
        self.manifests = [f"releases/gateway/{version}/manifest.json" for version in facts["versions"]]
        self.checks = 0

    def serve(self, state):
        """What nginx serves from now on."""
        link = self.folder / "served.new"
        link.symlink_to(self.repository / state)
        link.replace(self.folder / "served")
        self.state = self.repository / state

    def newcomer(self, root):
        """A client that knows one root and nothing else."""
        home = Home(pathlib.Path(tempfile.mkdtemp(dir=self.folder)))
        (home.metadata / "root.json").write_bytes((self.state / f"metadata/{root}.root.json").read_bytes())
        return home

    def check(self, what, good, found=""):
        self.checks += 1
        print(f"{'ok  ' if good else 'FAIL'} {self.client.name}: {what}{'' if good else f': {found}'}", flush=True)
        if not good:
            raise SystemExit(1)

    def latest(self, path):
        """The published bytes of a target in this state, found by the metadata itself."""
        role = {"releases": "releases-gateway", "rollout": "rollout-gateway", "orders": "orders"}[path.split("/")[0]]
        newest = max((self.state / "metadata").glob(f"*.{role}.json"), key=lambda file: int(file.name.split(".")[0]))
        digest = json.loads(newest.read_text())["signed"]["targets"][path]["hashes"]["sha256"]
        directory, _, name = path.rpartition("/")
        return (self.state / f"targets/{directory}/{digest}.{name}").read_bytes().decode()

    def takes(self, what, home, targets, root):
        for file in home.targets.iterdir():
            file.unlink()
        accepted, message = self.client.call(home, self.server.url, targets)
        self.check(what, accepted, message)
        self.check(f"{what}: with the bytes that were published", home.downloaded() == {path: self.latest(path) for path in targets})
        trusted = home.trusted()["root"][0]
        self.check(f"{what}: trusts root {root}", trusted == root, trusted)

    def refuses(self, what, home, targets):
        before = home.trusted()
        accepted, _ = self.client.call(home, self.server.url, targets)
        self.check(what, not accepted, "accepted")
        self.check(f"{what}: keeps what it had", home.trusted() == before, "changed")

    def image_comes_with_its_manifest(self, home):
        """The payload is no TUF target; the manifest that the client downloaded vouches for it."""
        manifest = json.loads(home.downloaded()[self.manifests[0]])
        full = manifest["components"][0]["full"]
        with urllib.request.urlopen(f"{self.server.url}{full['path']}", timeout=30) as answer:
            data = answer.read()
        self.check("the image's container is what the manifest says",
                   len(data) == full["length"] and hashlib.sha256(data).hexdigest() == full["sha256"])

    def run(self):
        self.serve("first")
        old = self.newcomer(1)
        first = [self.manifests[0], self.rollout, self.order]
        self.takes("bootstraps from 1.root.json and downloads manifest, rollout and order", old, first, 1)
        self.image_comes_with_its_manifest(old)
        self.takes("comes again, and nothing is new", old, first, 1)
        self.refuses("asks for a release that nobody listed", old, ["releases/gateway/9.9/manifest.json"])
        self.refuses("asks for a path that nobody was given", old, ["releases/gateway/1.0/sub/manifest.json"])
        self.serve("rotated")
        second = [*self.manifests, self.rollout, self.order]
        self.takes("with old state, follows the exchanged root and timestamp keys to the new release", old, second, 2)
        self.takes("new, walks from 1.root.json through both roots", self.newcomer(1), second, 2)
        self.takes("new, starts at 2.root.json", self.newcomer(2), second, 2)
        self.serve("refreshed")
        self.takes("follows a refresh of the dates", old, second, 2)
        self.serve("first")
        self.refuses("is shown the repository of before the rotation", old, [])


def main():
    name, program, repository = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin"):
        print("skipped: nginx is not installed")
        return SKIP
    if not (repository / "facts.json").exists():
        print("skipped: the repository could not be made here")
        return SKIP
    try:
        clients = [start(name), Pawl(program)]
    except NotInstalled as reason:
        print(f"skipped: {reason}")
        return SKIP
    checks = 0
    with tempfile.TemporaryDirectory(prefix="pawl-interop-") as folder:
        folder = pathlib.Path(folder)
        # nginx's workers must reach it when it runs as root and they do not.
        folder.chmod(0o755)
        (folder / "served").symlink_to(repository / "first")
        server = WebServer(folder / "served", folder / "nginx").start()
        try:
            for client in clients:
                story = Story(client, repository, server, folder)
                story.run()
                checks += story.checks
        finally:
            server.stop()
            for client in clients:
                client.close()
    print(f"{checks} checks of a repository by pawl-signer with {name} and pawl")
    return 0


if __name__ == "__main__":
    sys.exit(main())
