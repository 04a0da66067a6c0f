# SPDX-License-Identifier: Apache-2.0
"""Repositories that every client of TUF 1.0 should accept. Each is met twice: by a new client, then by one with state."""

import hashlib

from repositories import delegation, file, good, role, root, rotate

TOP_LEVEL = ("root-a", "root-b", "root-c", "targets", "snapshot", "timestamp", "apps")


def all_keys(state, kind):
    state["keys"] = {name: {"type": kind} for name in TOP_LEVEL}


def of(state):
    return state["timestamp"]["version"]


@good("Ed25519 keys")
def _(state):
    all_keys(state, "ed25519")


@good("ECDSA P-256 keys")
def _(state):
    all_keys(state, "ecdsa")


@good("RSA-PSS keys")
def _(state):
    all_keys(state, "rsa")


@good("one threshold met by keys of three kinds")
def _(state):
    state["keys"] = {"root-a": {"type": "ecdsa"}, "root-b": {"type": "rsa"}, "root-c": {"type": "ed25519"}}
    state["roots"] = [root(1, ("root-a", "root-b", "root-c"), threshold=3)]


@good("consistent_snapshot off")
def _(state):
    state["consistent"] = False
    state["roots"] = [root(1, consistent=False)]


@good("no lengths and hashes in snapshot and timestamp")
def _(state):
    state["hashed"] = False


@good("members that nobody knows, everywhere")
def _(state):
    odd = {"x-note": "größe € \"quoted\" \\ back", "x-list": [1, -2, None, True, {"deep": {"er": []}}]}
    state["keys"] = {"timestamp": {"extra": {"x-owner": "@somebody"}}, "apps": {"extra": {"keyid_hash_algorithms": ["sha256"]}}}
    for name in ("targets", "snapshot", "timestamp"):
        state[name]["extra"] = odd
    state["roots"][0]["extra"] = odd
    state["roots"][0]["roles"]["timestamp"]["extra"] = {"x-signing-period": 1}
    state["targets"]["edits"] = [[["delegations", "x-more"], odd], [["delegations", "roles", 0, "x-more"], odd],
                                 [["targets", "top.txt", "custom"], odd]]


@good("a member named __proto__")
def _(state):
    for name in ("targets", "snapshot", "timestamp"):
        state[name]["extra"] = {"__proto__": {"version": 99}, "constructor": {"prototype": 1}}


@good("a key of an unknown kind beside the known ones")
def _(state):
    state["roots"][0]["edits"] = [[["keys", "aa" * 32], {"keytype": "sphincs", "scheme": "new", "keyval": {"public": "00"}}]]


@good("key ids without a key beside those that have one")
def _(state):
    state["targets"]["edits"] = [[["delegations", "roles", 0, "keyids", "$append"], "bb" * 32]]


@good("files in snapshot that nobody asks for")
def _(state):
    state["snapshot"]["edits"] = [[["meta", "root.json"], {"version": 99}], [["meta", "gone.json"], {"version": 7}]]


@good("an empty target")
def _(state):
    state["targets"]["targets"]["top.txt"]["content"] = ""
    state["expect"] = {"top.txt": "", "apps/one.txt": f"one {of(state)}"}


@good("key ids that are not the hash of the key (TAP 12)")
def _(state):
    state["keys"] = {"timestamp": {"id": "timestamp-key"}, "apps": {"id": "00"}}


@good("empty signatures of absent signers")
def _(state):
    for name in ("targets", "snapshot", "timestamp"):
        state[name]["signatures"] = "with-strangers"
    state["roots"][0]["signatures"] = "with-strangers"


@good("four roots, every key exchanged")
def _(state):
    second = ("root-d", "root-e")
    rotate(state, "timestamp", "timestamp-2")
    following = root(3, ("root-a", "root-b", *second), keys=second)
    following["roles"] = {**state["roots"][-1]["roles"], "root": {"keys": list(second), "threshold": 2}}
    state["roots"].append(following)
    for number, name in enumerate(("snapshot", "targets"), 4):
        following = root(number, second)
        following["roles"] = {**state["roots"][-1]["roles"], name: {"keys": [f"{name}-2"], "threshold": 1}}
        state["roots"].append(following)
    for name in ("timestamp", "snapshot", "targets"):
        state[name]["signers"] = [f"{name}-2"]


@good("an expired root between two good ones")
def _(state):
    rotate(state, "timestamp", "timestamp-2", expires="2021-01-01T00:00:00Z")
    rotate(state, "timestamp", "timestamp-3")
    state["timestamp"]["signers"] = ["timestamp-3"]


@good("versions come down again after the keys of timestamp and snapshot were exchanged")
def _(state):
    if of(state) == 1:
        for name in ("timestamp", "snapshot"):
            state[name]["version"] = 1 << 40
        return
    rotate(state, "timestamp", "timestamp-2")
    rotate(state, "snapshot", "snapshot-2")
    state["timestamp"]["signers"], state["snapshot"]["signers"] = ["timestamp-2"], ["snapshot-2"]


@good("a delegation that needs two of three")
def _(state):
    state["targets"]["delegations"]["roles"] = [delegation("apps", ["apps-a", "apps-b", "apps-c"], ["apps/*"], threshold=2)]
    state["delegated"][0]["signers"] = ["apps-a", "apps-c"]


@good("delegations three deep", ["apps/x/one.txt"])
def _(state):
    state["targets"]["delegations"]["roles"] = [delegation("a", ["a"], ["apps/*/*"])]
    state["delegated"] = [
        role("a", of(state), ["a"], delegations={"roles": [delegation("b", ["b"], ["apps/x/*"], terminating=True)]}),
        role("b", of(state), ["b"], delegations={"roles": [delegation("c", ["c"], ["apps/x/one.???"])]}),
        role("c", of(state), ["c"], targets={"apps/x/one.txt": file("deep")})]
    state["expect"] = {"apps/x/one.txt": "deep"}


def rivals(state, first, second, **special):
    """Two roles that may both list apps/one.txt; the first in the file is the one that counts."""
    state["targets"]["delegations"]["roles"] = [delegation(first, ["apps"], ["apps/*"], **special), delegation(second, ["b"], ["apps/*"])]
    state["delegated"] = [role(first, of(state), ["apps"], targets={"apps/one.txt": file("of the first")}),
                          role(second, of(state), ["b"], targets={"apps/one.txt": file("of the second")})]
    state["expect"] = {"top.txt": f"top {of(state)}", "apps/one.txt": "of the first"}


@good("of two roles that list a path, the first of the file counts")
def _(state):
    rivals(state, "zeta", "alpha")


@good("the first of the file counts, also if the second is named like a number")
def _(state):
    rivals(state, "zeta", "7")


@good("a terminating role that lists the path")
def _(state):
    rivals(state, "zeta", "alpha", terminating=True)


@good("a role that lists nothing goes before the one that does")
def _(state):
    rivals(state, "zeta", "alpha")
    state["delegated"][0]["targets"] = {}
    state["expect"]["apps/one.txt"] = "of the second"


@good("two roles that delegate to each other")
def _(state):
    state["targets"]["delegations"]["roles"] = [delegation("a", ["a"], ["apps/*"])]
    state["delegated"] = [
        role("a", of(state), ["a"], delegations={"roles": [delegation("b", ["b"], ["apps/*"])]}),
        role("b", of(state), ["b"], targets={"apps/one.txt": file("round")},
             delegations={"roles": [delegation("a", ["a"], ["apps/*"])]})]
    state["expect"] = {"top.txt": f"top {of(state)}", "apps/one.txt": "round"}


@good("succinct hash bins", ["apps/one.txt", "apps/two.txt", "any/three.txt"])
def _(state):
    paths = {name: file(f"{name} {of(state)}") for name in ("apps/one.txt", "apps/two.txt", "any/three.txt")}
    state["targets"]["delegations"] = {"succinct": {"keys": ["bins-a", "bins-b"], "threshold": 2, "bit_length": 2, "prefix": "bin"}}
    state["delegated"] = [
        role(f"bin-{number}", of(state), ["bins-a", "bins-b"],
             targets={path: t for path, t in paths.items() if hashlib.sha256(path.encode()).digest()[0] >> 6 == number})
        for number in range(4)]
    state["expect"] = {path: t["content"] for path, t in paths.items()}


@good("path_hash_prefixes")
def _(state):
    prefix = hashlib.sha256(b"apps/one.txt").hexdigest()[:3]
    state["targets"]["delegations"]["roles"] = [delegation("other", ["b"], prefixes=["0" if prefix[0] != "0" else "1"]),
                                                delegation("apps", ["apps"], prefixes=["ffffffff", prefix])]
    state["delegated"].append(role("other", of(state), ["b"], targets={"apps/one.txt": file("not this role's path")}))


@good("sha512 and both hashes", ["top.txt", "apps/one.txt"])
def _(state):
    state["targets"]["targets"]["top.txt"]["hashes"] = ["sha512"]
    state["delegated"][0]["targets"]["apps/one.txt"]["hashes"] = ["sha256", "sha512"]


def named(name):
    def change(state):
        state["targets"]["delegations"]["roles"] = [delegation(name, ["apps"], ["apps/*"])]
        state["delegated"][0]["name"] = name
    return change


for odd_name in ("../escaped", "../../escaped", "/escaped", "a/../../../escaped", "..", "?", "#", "%2e%2e%2fescaped", "größe",
                 "constructor", "__proto__", "con.txt", "a b&c", "e\u0301", "line\nfeed", "nul\0nul"):
    good(f"a role named {odd_name!r}")(named(odd_name))


@good("ask for a file whose bytes hold everything", ["bytes.bin"])
def _(state):
    content = "".join(chr(number) for number in range(1, 0x250)) * 40
    state["targets"]["targets"]["bytes.bin"] = file(content)
    state["expect"] = {"bytes.bin": content}


@good("300 roots in one run")
def _(state):
    for _ in range(300):
        state["roots"].append({**state["roots"][-1], "version": state["roots"][-1]["version"] + 1})
