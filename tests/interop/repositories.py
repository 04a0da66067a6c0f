# SPDX-License-Identifier: Apache-2.0
"""What a test repository is made of, as plain data that the builders of tuf_js_peer.mjs and python_tuf_peer.py read.

A world is one state of a repository:

  keys        {name: {type: ed25519|ecdsa|rsa|p384|rsa1024, same_as: another name's material, id: instead of the real id, extra}}
  consistent  consistent_snapshot; hashed: lengths and hashes in snapshot and timestamp
  roots, targets, delegated, snapshot, timestamp
              roles: name, version, expires, signers, and what is special about the file:
                edits       [[path in "signed", value]] before signing: what the library itself would refuse to write
                replace     [[old, new]] in the finished text
                signatures  none, wrong, duplicated, many, with-strangers, upper-case, neutral
                serve_as    the version in the file name; missing: not served; unlisted: not in snapshot
                extra, pad  more members of "signed"; pad bytes of them
  serve       {target path: other content than what is signed}
"""

FUTURE = "2099-12-31T23:59:59Z"
PAST = "2021-01-01T00:00:00Z"
DELETE = {"$delete": True}


def role(name, version, signers, **special):
    return {"name": name, "version": version, "expires": FUTURE, "signers": signers, **special}


def root(version, signers=("root-a", "root-b"), keys=("root-a", "root-b", "root-c"), threshold=2, consistent=True, **special):
    one = {name: {"keys": [name], "threshold": 1} for name in ("timestamp", "snapshot", "targets")}
    return role("root", version, list(signers), consistent=consistent,
                roles={"root": {"keys": list(keys), "threshold": threshold}, **one}, **special)


def delegation(name, keys, paths=None, threshold=1, terminating=False, prefixes=None):
    made = {"name": name, "keys": keys, "threshold": threshold, "terminating": terminating}
    made["paths" if prefixes is None else "path_hash_prefixes"] = paths if prefixes is None else prefixes
    return made


def file(content, **special):
    return {"content": content, **special}


def world(version):
    """A good repository of one delegation, everything in this version but root."""
    return {
        "keys": {},
        "consistent": True,
        "hashed": True,
        "roots": [root(1)],
        "targets": role("targets", version, ["targets"], targets={"top.txt": file(f"top {version}")},
                        delegations={"roles": [delegation("apps", ["apps"], ["apps/*"])]}),
        "delegated": [role("apps", version, ["apps"], targets={"apps/one.txt": file(f"one {version}")})],
        "snapshot": role("snapshot", version, ["snapshot"]),
        "timestamp": role("timestamp", version, ["timestamp"]),
    }


def rotate(made, name, new, signers=("root-a", "root-b"), **special):
    """Appends a root that gives the role `name` to the key `new`."""
    last = made["roots"][-1]
    following = root(last["version"] + 1, signers, consistent=last["consistent"], **special)
    following["roles"] = {**last["roles"], name: {"keys": [new], "threshold": 1}}
    made["roots"].append(following)
    return following


class Case:
    """A client that has seen `before` meets `attack` (or, when good, the next state), and then `after`, which is good."""

    def __init__(self, name, states, asks, *, good, code=None, kept=(), root_version=1, server=None):
        self.name, self.states, self.asks, self.good = name, states, asks, good
        self.code, self.kept, self.root_version = code, kept, root_version
        self.server = server or {}


GOOD, HOSTILE = [], []
ASKS = ["top.txt", "apps/one.txt"]


def list_all(state, earlier):
    """No snapshot may drop what an earlier one listed."""
    names = {part["name"] for part in state["delegated"]}
    state["delegated"] += [role(part["name"], state["targets"]["version"], ["apps"]) for part in earlier["delegated"]
                           if part["name"] not in names and not part.get("unlisted")]


def good(name, asks=None):
    """The function makes of world(1) and world(2) the two states that a client sees one after the other."""
    def register(change):
        states = [world(1), world(2)]
        for state in states:
            change(state)
        GOOD.append(Case(f"good: {name}", states, asks or ASKS, good=True))
        return change
    return register


def hostile(name, code, kept=(), root_version=1, asks=None, recovery=None, before=None, server=None):
    """The function makes of world(3) what the client that has seen world(2) must refuse with this error code.

    `kept`: the roles whose file in version 3 was valid and stays. `recovery`, `before`: changes of the two good
    states around it.
    """
    def register(change):
        states = [world(2), world(3), world(9)]
        change(states[1])
        for state, special in ((states[0], before), (states[2], recovery)):
            if special:
                special(state)
        list_all(states[2], states[1])
        HOSTILE.append(Case(f"hostile: {name}", states, asks or ASKS, good=False, code=code, kept=kept,
                            root_version=root_version, server=server))
        return change
    return register
