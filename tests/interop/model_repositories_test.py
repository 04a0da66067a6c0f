#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our client against repositories that another ecosystem's model library built: good ones and hostile ones.

usage: model_repositories_test.py BUILDER PAWL_TUF [WORDS OF A CASE'S NAME]    (BUILDER: tuf-js or python-tuf)

Each case is also shown to the clients of those ecosystems that tools/peers installed; the table says where verdicts differ. Only ours
is judged: it must accept every good repository, and refuse every hostile one for the right reason, with nothing taken but what was
valid, with no file outside its folder, and without getting stuck: the next good state is accepted. Exit status 77: no builder here.
"""

import json
import pathlib
import shutil
import sys
import tempfile
import time

import good_cases  # noqa: F401  (registers its cases)
import hostile_cases  # noqa: F401
from peers import SKIP, Home, NotInstalled, Pawl, start
from repositories import GOOD, HOSTILE
from static_server import Server

MAX_READ = 16 << 20  # of an endless body; a socket's buffers take some of it


class Stage:
    """Builds the states of the cases and shows them to the clients. What many cases share is made once: the good
    state before an attack, the one after it, and what each client keeps of the first."""

    def __init__(self, builder, clients, folder):
        self.builder, self.clients, self.folder = builder, clients, folder
        self.server = Server()
        self.places = {}  # description of a state → its folder
        self.count = 0    # of states ever built
        self.seen = {}    # (client, state) → the client's home after it

    def place(self, world):
        text = json.dumps(world)
        if text not in self.places:
            self.count += 1
            place = self.folder / f"state-{self.count}"
            self.builder.build(place, world)
            self.server.folders[place.name] = place
            self.places[text] = place
        return self.places[text]

    def forget(self, world):
        """Frees the space of a state that no other case shows."""
        place = self.places.pop(json.dumps(world))
        shutil.rmtree(place)


def versions(home):
    return {name: version for name, (version, _) in home.trusted().items()}


def expected_after(case, seen):
    """What a client that was in the state `seen` must hold when it refused the attack."""
    attacked = case.states[1]
    wanted = dict(seen, root=case.root_version, **attacked.get("kept_more", {}))
    for name in case.kept:
        part = attacked[name] if name in attacked else attacked["delegated"][0]
        wanted[name] = part["version"]
    return wanted


class OneCase:
    """One client and one case."""

    def __init__(self, case, client, stage, folder):
        self.case, self.client, self.stage = case, client, stage
        self.home = Home(folder)
        first = stage.place(case.states[0]) / "metadata/1.root.json"
        (self.home.metadata / "root.json").write_bytes(first.read_bytes())

    def step(self, number, asks):
        server = self.stage.server
        server.expect(self.case.server.get("endless", ()) if number == 1 else ())
        for path in self.home.targets.iterdir():
            path.unlink()
        return self.client.call(self.home, server.url(self.stage.place(self.case.states[number]).name), asks)

    def first_step(self):
        """As step 0, or what it left behind when another case took it."""
        key = (self.client.name, json.dumps(self.case.states[0]))
        if key not in self.stage.seen:
            accepted, message = self.step(0, list(self.contents(0)))
            if not accepted:
                return message
            self.stage.seen[key] = self.stage.folder / f"seen-{len(self.stage.seen)}"
            shutil.copytree(self.home.folder, self.stage.seen[key], symlinks=True)
        shutil.rmtree(self.home.folder)
        shutil.copytree(self.stage.seen[key], self.home.folder, symlinks=True)
        return None

    def contents(self, number):
        world = self.case.states[number]
        version = world["targets"]["version"]
        return world.get("expect", {"top.txt": f"top {version}", "apps/one.txt": f"one {version}"})

    def good(self):
        """Problems of a good case, empty when none."""
        for number in range(2):
            accepted, message = self.step(number, self.case.asks)
            if not accepted:
                yield f"state {number} was refused: {message}"
                return
            wanted = {path: self.contents(number)[path] for path in self.case.asks}
            if self.home.downloaded() != wanted:
                yield f"state {number}: other content than expected"
            found, world = versions(self.home), self.case.states[number]
            for name in ("timestamp", "snapshot", "targets"):
                if found.get(name) != world[name]["version"]:
                    yield f"state {number}: trusts {name} {found.get(name)}, expected {world[name]['version']}"
            if found["root"] != world["roots"][-1]["version"]:
                yield f"state {number}: trusts root {found['root']}, expected {world['roots'][-1]['version']}"
        yield from self.strays()

    def hostile(self):
        refusal = self.first_step()
        if refusal:
            yield f"the state before was refused: {refusal}"
            return
        before, files = self.home.trusted(), self.home.files()
        accepted, message = self.step(1, self.case.asks)
        if accepted:
            yield "accepted"
            return
        if self.case.code and not message.startswith(self.case.code):
            yield f"expected {self.case.code}, found {message}"
        if self.client.name != "pawl":
            return
        yield from self.refused_well(before)
        if self.home.files() == files:
            return  # as if nothing had been: what comes after was seen in other cases
        accepted, message = self.step(2, list(self.contents(2)))
        if not accepted:
            yield f"refuses the good state afterwards: {message}"
        elif versions(self.home)["timestamp"] != self.case.states[2]["timestamp"]["version"]:
            yield "did not go on to the good state afterwards"

    def refused_well(self, before):
        wanted = expected_after(self.case, {name: version for name, (version, _) in before.items()})
        if versions(self.home) != wanted:
            yield f"trusts {versions(self.home)}, expected {wanted}"
        for name, (version, data) in self.home.trusted().items():
            if name in before and before[name] != (version, data) and version <= before[name][0]:
                yield f"{name}: replaced without a higher version"
        if self.case.asks[-1] in self.home.downloaded():  # the one that is refused, or was never come to
            yield f"wrote {self.case.asks[-1]}"
        if self.case.server and sum(self.stage.server.sent.values()) > MAX_READ:
            yield f"read {self.stage.server.sent} bytes of a body without end"
        yield from self.strays()

    def strays(self):
        for path in self.home.strays():
            yield f"wrote outside its folders: {path.relative_to(self.home.folder)}"


def run_case(case, stage):
    """{client: problems} of one case."""
    answers = {}
    with tempfile.TemporaryDirectory(dir=stage.folder) as name:
        for client in stage.clients:
            one = OneCase(case, client, stage, pathlib.Path(name) / client.name)
            answers[client.name] = list(one.good() if case.good else one.hostile())
    for world in (case.states if case.good else case.states[1:2]):
        stage.forget(world)
    return answers


def short(case, problems):
    """A client's verdict in one word; in capitals where it is not what we expect of our own."""
    if case.good:
        return "accepts" if not problems else "REFUSES" if "refused" in problems[0] else "DIFFERS"
    return "ACCEPTS" if problems and problems[0] == "accepted" else "refuses"


def run_cases(cases, stage):
    """(number of cases that went wrong with our client, [(case, other client, how it differs)])."""
    failed, differ = 0, []
    print(f"{'case':82} " + " ".join(f"{client.name:10}" for client in stage.clients))
    for case in cases:
        answers = run_case(case, stage)
        words = {name: short(case, problems) for name, problems in answers.items()}
        print(f"{case.name:82} " + " ".join(f"{words[client.name]:10}" for client in stage.clients), flush=True)
        for problem in answers["pawl"]:
            print(f"    pawl: {problem}")
        failed += bool(answers["pawl"])
        differ += [(case.name, name, answers[name][0]) for name, word in words.items() if name != "pawl" and word.isupper()]
    return failed, differ


def others(builder_name, builder):
    """The builder's own client; beside tuf-js also python-tuf where it is installed, so that one run compares all three."""
    if builder_name != "tuf-js":
        return [builder]
    try:
        return [builder, start("python-tuf")]
    except NotInstalled as reason:
        print(f"not compared with {reason}")
        return [builder]


def main():
    builder_name, program, words = sys.argv[1], sys.argv[2], sys.argv[3:]
    try:
        builder = start(builder_name)
    except NotInstalled as reason:
        print(f"skipped: {reason}")
        return SKIP
    clients = [Pawl(program), *others(builder_name, builder)]
    cases = [case for case in GOOD + HOSTILE if all(word in case.name for word in words)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pawl-interop-") as folder:
        failed, differ = run_cases(cases, Stage(builder, clients, pathlib.Path(folder)))
    for client in clients:
        client.close()
    print(f"\nWhere other clients decide otherwise ({len(differ)}):")
    for name, client, problem in differ:
        print(f"  {client:10} {name}: {problem[:160]}")
    print(f"{len(cases)} cases built with the library of {builder_name}: {len(cases) - failed} as they must be, {failed} not; "
          f"{time.monotonic() - began:.0f} s")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
