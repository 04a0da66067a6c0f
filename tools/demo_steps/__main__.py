# SPDX-License-Identifier: Apache-2.0
"""python3 -m tools.demo_steps [--keep DIR]: the whole story. Started by tools/demo."""

import argparse
import datetime
import pathlib
import secrets
import shutil
import sys
import tempfile

from . import attacks, images
from .gateway import Gateway
from .repository import Workspace
from .server import WebServer
from .shell import DemoError, Phases, expect, fail, mib, run, say, show, title

FLEET = images.PROGRAMS / "tools/fleet/pawl-fleet"
SLOT_MIB = 320


class Story:
    """What the chapters share."""

    def __init__(self, work, effort):
        self.work = pathlib.Path(work)
        self.effort = effort
        self.phases = Phases()
        self.workspace = Workspace(self.work / "repo")
        self.server = None
        self.gateway = Gateway(self.work / "gateway.img")
        self.victim = Gateway(self.work / "victim.img")    # a second device, fresh from the factory
        self.planted = Gateway(self.work / "planted.img")  # a third, for the one with the disk in hand
        self.images = {}
        self.old_metadata = self.work / "metadata-yesterday"
        self.nonce = ""
        self.delta_bytes = self.full_bytes = self.fetched = 0

    @property
    def image_a(self):
        return self.images["1.0"]

    # -- 2 ---------------------------------------------------------------------------------------
    def trees(self):
        title(2, "Two real root file systems from Debian packages")
        self.trees_found = images.make_trees()
        images.describe(self.trees_found)
        self.phases.done("two Debian root file systems")

    # -- 3 ---------------------------------------------------------------------------------------
    def ceremony(self):
        title(3, "Key ceremony: root 2 of 3, releases 2 of 2, and the rest")
        self.workspace.make_keys()
        self.workspace.init()
        for person in ("anna-root", "ben-root"):
            self.workspace.sign(person)
        for person in ("anna-targets", "anna", "ben", "rollout", "support"):
            self.workspace.sign(person, quiet=True)
        self.workspace.publish()
        self.phases.done("key ceremony")

    # -- 4 ---------------------------------------------------------------------------------------
    def image(self, version, tree, build, epoch, hook=images.HEALTHY, size=SLOT_MIB):
        folder = images.overlay(self.work / "overlay" / version, self.workspace.public / "metadata/1.root.json",
                                version, build, epoch, self.built, hook)
        out = self.work / f"gateway-{version}.ext4"
        self.images[version] = images.make_image(tree, out, folder, size)
        return out

    def releases(self):
        title(4, "Releases 1.0 and 1.1, the delta between them, two signatures, publication")
        self.built = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        a, b = self.trees_found["a"], self.trees_found["b"]
        for version, tree, build in (("1.0", a, 10), ("1.1", b, 11)):
            image = self.image(version, tree, build, 1)
            self.workspace.build(version, image, effort=self.effort)
        self.phases.done("images and full containers")
        self.workspace.delta("1.0", "1.1", self.effort)
        self.phases.done("delta 1.0 → 1.1, applied and compared")
        component = self.workspace.manifest("1.1")["components"][0]
        self.full_bytes = component["full"]["length"]
        self.delta_bytes = component["deltas"][0]["container"]["length"]
        for version in ("1.0", "1.1"):
            self.workspace.release(version)
        say("Two people sign, each with their own key, in two separate steps:")
        self.workspace.sign("anna")
        self.workspace.sign("ben", quiet=True)
        self.workspace.rollout("1.1")
        self.workspace.publish()
        shutil.copytree(self.workspace.public / "metadata", self.old_metadata)
        self.server = WebServer(self.workspace.public, self.work / "nginx").start()
        say(f"nginx serves the folder at {self.server.url}")
        self.phases.done("signing and publication")

    # -- 5 ---------------------------------------------------------------------------------------
    def provision(self):
        title(5, "A device: GPT disk with two slots, GRUB environment, data area")
        self.gateway.provision(self.image_a, self.workspace.public / "metadata/1.root.json",
                               self.server.url, self.work / "gw-0001.pub")
        for copy in (self.victim, self.planted):
            run(["cp", "--sparse=always", self.gateway.disk, copy.disk], quiet=True)
        self.gateway.boot()
        self.gateway.agent("status")
        kind = self.gateway.status()["slot_kind"]
        expect(kind == "block devices", "slots that are block devices", kind)
        self.phases.done("provisioning")

    # -- 6 ---------------------------------------------------------------------------------------
    def update(self):
        title(6, "Update to 1.1: verify, plan, stream, re-read, one trial, health, confirm, report")
        self.gateway.measure_memory(["update"])
        state = self.gateway.status()
        self.fetched = state["update"]["bytes_fetched"]
        self.phases.done("update 1.0 → 1.1 on the device")
        expect(self.gateway.boot(again=True) == "b", "slot b after the reboot", "slot a")
        self.gateway.agent("confirm")
        self.gateway.agent("status")
        expect(self.gateway.status()["version"] == "1.1", "1.1 running", self.gateway.status()["version"])
        say("The device states its integrity, signed, over the verifier's nonce; pawl-fleet judges the evidence:")
        run([FLEET, "register", "--db", self.work / "fleet.db", self.work / "gw-0001.pub"])
        self.verify_statement(self.gateway.statement(self.fresh_nonce(), self.work / "statement.jwt"))
        self.phases.done("confirm and statement")

    def fresh_nonce(self):
        self.nonce = secrets.token_hex(32)
        return self.nonce

    def verify_statement(self, path, want=None):
        # The tampered device is a copy of the first one's disk, key included. The fleet's memory would refuse it as a clone
        # (E0231), so its evidence is judged with the key alone.
        known = ["--db", self.work / "fleet.db"] if want is None else ["--key", self.work / "gw-0001.pub"]
        argv = [FLEET, "verify", *known, "--nonce", f"hex:{self.nonce}", path]
        output = run(argv, quiet=want is not None, shown="pawl-fleet verify --nonce … statement.jwt")
        if want is None:
            return
        name, result = want
        lines = [line for line in output.splitlines() if name in line or "tier" in line.lower()]
        show(f"pawl-fleet verify {path.name}", "\n".join(lines))
        expect(any(name in line and result in line for line in lines), f"{name}: {result}", output)

    # -- 7 ---------------------------------------------------------------------------------------
    def bad_release(self):
        title(7, "A bad release 1.2: fails its health check, falls back by itself")
        image = self.image("1.2", self.trees_found["b"], 12, 1, images.UNHEALTHY)
        self.workspace.build("1.2", image, effort=self.effort, quiet=True)
        self.workspace.delta("1.1", "1.2", self.effort)
        self.workspace.release("1.2")
        for person in ("anna", "ben"):
            self.workspace.sign(person, quiet=True)
        self.workspace.rollout("1.2")
        self.workspace.publish(quiet=True)
        self.gateway.agent("update", quiet=True)
        self.gateway.boot(again=True)
        self.gateway.refused("E0603", "confirm")
        expect(self.gateway.boot(again=True) == "b", "slot b again", "another slot")
        self.gateway.agent("status")
        self.gateway.agent("explain", "E0603")
        say("And it does not try the same release again by itself:")
        self.gateway.agent("update")
        self.phases.done("bad release and fall-back")

    # -- 8 ---------------------------------------------------------------------------------------
    def orders(self):
        title(8, "Support forces a rollback to 1.0 with a signed order")
        self.workspace.order("rollback", self.gateway.name, "1.0", "customer needs the old VPN client")
        self.workspace.publish(quiet=True)
        self.gateway.agent("update")
        expect(self.gateway.boot(again=True) == "a", "slot a after the reboot", "slot b")
        self.gateway.agent("confirm")
        expect(self.gateway.status()["version"] == "1.0", "1.0 running", self.gateway.status()["version"])
        say("The same order again does nothing, and the device does not update itself back:")
        self.gateway.refused("E0222", "update")
        expect(self.gateway.status()["version"] == "1.0", "1.0 still", self.gateway.status()["version"])
        say("An order below the security epoch is refused, whoever signs it (0.9 has epoch 0):")
        tiny = self.work / "tiny"
        (tiny / "etc").mkdir(parents=True)
        for version, build, epoch, hardware in (("0.9", 9, 0, images.HARDWARE), ("1.4", 14, 1, images.OTHER_HARDWARE)):
            image = self.image(version, tiny, build, epoch, size=16)
            self.workspace.build(version, image, hardware=hardware, quiet=True)
        self.workspace.release("0.9")
        for person in ("anna", "ben"):
            self.workspace.sign(person, quiet=True)
        self.workspace.order("rollback", self.gateway.name, "0.9", "back to the very old one")
        self.workspace.publish(quiet=True)
        self.gateway.refused("E0702", "update")
        self.phases.done("orders")

    # -- 9 ---------------------------------------------------------------------------------------
    def attacks(self):
        title(9, "Six attacks, refused with their codes")
        self.workspace.rollout("1.1")
        self.workspace.publish(quiet=True)
        self.gateway.device.shutdown()
        self.victim.boot()
        self.victim.agent("check", quiet=True)
        for attack in attacks.ALL:
            attack(self)
        self.phases.done("six attacks")

    def table(self):
        share = 100 * self.fetched / self.full_bytes
        print("\n== What it took")
        rows = [("full image of 1.1, as published", mib(self.full_bytes)),
                ("delta 1.0 → 1.1", f"{mib(self.delta_bytes)}"),
                ("fetched by the device for 1.1", f"{mib(self.fetched)} ({share:.1f} % of the full image)"),
                ("private memory of the agent while updating, peak", f"{self.gateway.peak_kib / 1024:.1f} MiB")]
        rows += [(name, f"{seconds:.1f} s") for name, seconds in self.phases.rows]
        rows += [("all of it, without building the programs", f"{self.phases.total():.0f} s")]
        for name, value in rows:
            print(f"   {name:<52} {value}")

    def tell(self):
        for chapter in (self.trees, self.ceremony, self.releases, self.provision, self.update,
                        self.bad_release, self.orders, self.attacks):
            chapter()
        self.table()

    def close(self, keep):
        for gateway in (self.gateway, self.victim, self.planted):
            if gateway.disk.exists():
                gateway.device.cleanup()
        if self.server and not keep:
            self.server.stop()


def where_to_look(story):
    print(f"""
== Where to look next
   {story.work}/repo                  the signer's workspace; its public/ is what nginx serves at {story.server.url}
   {story.work}/gateway.img           the device's disk; every passphrase is "the passphrase of NAME"
   nginx keeps running; stop it with: kill $(cat {story.work}/nginx/nginx.pid)
   try: tools/vdevice/vdevice boot {story.work}/gateway.img
        tools/vdevice/vdevice run {story.work}/gateway.img -- pawl-agent history
        tools/vdevice/vdevice run {story.work}/gateway.img -- pawl-agent explain E0303
        (cd {story.work}/repo && {story.workspace.folder.parents[0] and images.PROGRAMS}/signer/pawl-signer status)
   read: docs/architecture.md, docs/threat-model.md, docs/container-format.md""")


def main():
    parser = argparse.ArgumentParser(prog="tools/demo")
    parser.add_argument("--keep", metavar="DIR", help="leave everything in this new folder")
    parser.add_argument("--effort", choices=("fast", "best"), default="fast")
    arguments = parser.parse_args()
    if arguments.keep:
        work = pathlib.Path(arguments.keep).resolve()
        if work.exists() and any(work.iterdir()):
            fail(f"{work} is not empty; name a new folder")
        work.mkdir(parents=True, exist_ok=True)
    else:
        work = pathlib.Path(tempfile.mkdtemp(prefix="pawl-demo-"))
    story = Story(work, arguments.effort)
    try:
        story.tell()
        if arguments.keep:
            where_to_look(story)
        else:
            print("\n   Run tools/demo --keep DIR to keep the repository and the device for playing.")
    except (DemoError, OSError) as why:
        story.close(keep=False)
        fail(f"{why}\n(everything is in {work})")
    story.close(keep=bool(arguments.keep))
    if not arguments.keep:
        shutil.rmtree(work)
    sys.exit(0)


if __name__ == "__main__":
    main()
