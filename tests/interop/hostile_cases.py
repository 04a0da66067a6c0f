# SPDX-License-Identifier: Apache-2.0
"""Repositories that a client must refuse, or whose bad part it must not obey. Signed by the keys of the role wherever an attack
needs them: what is refused then is the content and not the signature."""

from repositories import DELETE, PAST, delegation, file, hostile, role, root, rotate

MALFORMED = "E0201"
THRESHOLD = "E0202"
EXPIRED = "E0203"
ROLLBACK = "E0204"
VERSION = "E0205"
HASH = "E0206"
TOO_LARGE = "E0208"
TYPE = "E0209"
SPEC = "E0210"
NOT_IN_SNAPSHOT = "E0211"
NO_TARGET = "E0212"
CHAIN = "E0215"
DUPLICATE = "E0216"
ISSUED = "E0218"
TOO_MANY = "E0234"
NO_HASH = "E0235"
TRANSFER = "E0406"
UNSAFE_PATH = "E0510"

ORDER = ("timestamp", "snapshot", "targets", "apps")


def before(name):
    """The roles that were valid and are kept when the file of `name` is refused."""
    return ORDER[:ORDER.index(name)] if name in ORDER else ()


def part(state, name):
    if name == "root":
        return state["roots"][-1]
    return state["delegated"][0] if name == "apps" else state[name]


def on_each(text, code, change, names=("root", *ORDER), **special):
    """The same attack on each role; a root is attacked by a second one."""
    for name in names:
        def attack(state, name=name):
            if name == "root":
                rotate(state, "timestamp", "timestamp")
            change(part(state, name))
        hostile(f"{name}: {text}", code, before(name), **special)(attack)


# ---- signatures

on_each("signed by nobody", THRESHOLD, lambda r: r.update(signatures="none"))
on_each("wrong signatures", THRESHOLD, lambda r: r.update(signatures="wrong"))
on_each("signed by a stranger", THRESHOLD, lambda r: r.update(signers=["stranger"]))
on_each("signatures in upper-case hex", THRESHOLD, lambda r: r.update(signatures="upper-case"))
on_each("every signature twice", DUPLICATE, lambda r: r.update(signatures="duplicated"))
on_each("a hundred signatures more", TOO_MANY, lambda r: r.update(signatures="many"))
on_each("changed after signing", THRESHOLD, lambda r: r.update(replace=[["2099-12-31", "2099-12-30"]]))


@hostile("root: one signature of two", THRESHOLD)
def _(state):
    rotate(state, "timestamp", "timestamp", signers=["root-a"])


@hostile("root: the new keys alone sign", THRESHOLD)
def _(state):
    state["roots"].append(root(2, ("thief-a", "thief-b"), keys=("thief-a", "thief-b")))


@hostile("root: the old keys alone sign", THRESHOLD)
def _(state):
    state["roots"].append(root(2, ("root-a", "root-b"), keys=("new-a", "new-b")))


@hostile("root: one key under two ids makes two of two", THRESHOLD)
def _(state):
    # Signed as root 1 wants it, too: only the new threshold is met by a trick.
    state["keys"] = {"twin": {"same_as": "root-c", "id": "ee" * 32}}
    state["roots"].append(root(2, ("root-a", "root-b", "root-c", "twin"), keys=("root-c", "twin")))


def two_ids(state):
    state["keys"] = {"twin": {"same_as": "apps", "id": "ee" * 32}}
    state["targets"]["delegations"]["roles"] = [delegation("apps", ["apps", "twin"], ["apps/*"], threshold=2)]
    state["delegated"][0]["signers"] = ["apps", "twin"]


hostile("apps: one key under two ids makes two of two", THRESHOLD, before("apps"))(two_ids)


@hostile("apps: one key with a member more makes two of two", THRESHOLD, before("apps"))
def _(state):
    two_ids(state)
    state["keys"]["twin"] = {"same_as": "apps", "extra": {"x-copy": 1}}


@hostile("apps: one of two needed signatures", THRESHOLD, before("apps"))
def _(state):
    state["targets"]["delegations"]["roles"] = [delegation("apps", ["apps", "other"], ["apps/*"], threshold=2)]


@hostile("apps: a threshold above the number of keys", THRESHOLD, before("apps"))
def _(state):
    state["targets"]["delegations"]["roles"] = [delegation("apps", ["apps"], ["apps/*"], threshold=2)]


@hostile("apps: its key is said to be of another scheme", THRESHOLD, before("apps"))
def _(state):
    state["targets"]["edits"] = [[["delegations", "keys", "$keyid:apps", "scheme"], "ecdsa-sha2-nistp256"]]


@hostile("apps: a public key of too many digits", THRESHOLD, before("apps"))
def _(state):
    state["targets"]["edits"] = [[["delegations", "keys", "$keyid:apps", "keyval", "public"], "ab" * 64]]


@hostile("apps: its key is a point of small order, for which one signature fits every text", THRESHOLD, before("apps"))
def _(state):
    state["targets"]["edits"] = [[["delegations", "keys", "$keyid:apps", "keyval", "public"], "01" + "00" * 31]]
    state["delegated"][0]["signatures"] = "neutral"


for shown, kind in (("an RSA key of 1024 bits", "rsa1024"), ("a P-384 key that is said to be P-256", "p384")):
    def weak(state, kind=kind):
        state["keys"] = {"weak": {"type": kind}}
        state["targets"]["delegations"]["roles"] = [delegation("apps", ["weak"], ["apps/*"])]
        state["delegated"][0]["signers"] = ["weak"]
    hostile(f"apps: {shown}", THRESHOLD, before("apps"))(weak)


@hostile("timestamp: signed with the key before the rotation", THRESHOLD, root_version=2,
         recovery=lambda s: (rotate(s, "timestamp", "timestamp-2"), s["timestamp"].update(signers=["timestamp-2"])))
def _(state):
    rotate(state, "timestamp", "timestamp-2")


@hostile("timestamp: signed with the snapshot key", THRESHOLD)
def _(state):
    state["timestamp"]["signers"] = ["snapshot"]


@hostile("a role verified for one delegator is not so for another", THRESHOLD, ("timestamp", "snapshot", "targets"),
         asks=["apps/one.txt", "apps/two.txt"],
         before=lambda s: s["delegated"][0]["targets"].update({"apps/two.txt": file("two")}),
         recovery=lambda s: s["delegated"][0]["targets"].update({"apps/two.txt": file("two")}))
def _(state):
    state["targets"]["delegations"]["roles"] = [delegation("a", ["a"], ["apps/one.txt"]), delegation("b", ["b"], ["apps/two.txt"])]
    shared = {"apps/one.txt": file("one"), "apps/two.txt": file("two")}
    state["delegated"] = [
        role("a", 3, ["a"], delegations={"roles": [delegation("shared", ["of-a"], ["apps/*"])]}),
        role("b", 3, ["b"], delegations={"roles": [delegation("shared", ["of-b"], ["apps/*"])]}),
        role("shared", 3, ["of-a"], targets=shared),
        role("apps", 3, ["apps"])]
    state["kept_more"] = {"a": 3, "b": 3, "shared": 3}


# ---- thresholds that are none

for shown, value in (("0", 0), ("-1", -1), ('"1"', "1"), ("1.5", 1.5), ("null", None), ("true", True)):
    def in_root(state, value=value):
        rotate(state, "timestamp", "timestamp")["edits"] = [[["roles", "timestamp", "threshold"], value]]
        state["timestamp"]["signatures"] = "none"

    def in_delegation(state, value=value):
        state["targets"]["edits"] = [[["delegations", "roles", 0, "threshold"], value]]
        state["delegated"][0]["signatures"] = "none"

    hostile(f"root: the threshold of timestamp is {shown}", MALFORMED)(in_root)
    hostile(f"targets: the threshold of apps is {shown}", MALFORMED, before("targets"))(in_delegation)


@hostile("apps: its threshold is 2^62", THRESHOLD, before("apps"))
def _(state):
    state["targets"]["edits"] = [[["delegations", "roles", 0, "threshold"], 1 << 62]]


@hostile("targets: the threshold of apps is 1.0", MALFORMED, before("targets"))
def _(state):
    state["targets"]["replace"] = [['"threshold":1', '"threshold":1.0']]


@hostile("targets: a key id stands twice in apps", MALFORMED, before("targets"))
def _(state):
    state["targets"]["edits"] = [[["delegations", "roles", 0, "keyids", "$append"], "$keyid:apps"],
                                 [["delegations", "roles", 0, "threshold"], 2]]


# ---- form

def replaced(old, new):
    return lambda r: r.update(replace=[[old, new]])


on_each("a name stands twice in signed", MALFORMED,
        replaced('"spec_version"', '"spec_version":"2.0","spec_version"'))
on_each("a name stands twice, once with an escape", MALFORMED,
        replaced('"spec_version"', '"spec\\u005fversion":"2.0","spec_version"'))
on_each("half a surrogate pair", MALFORMED, lambda r: r.update(edits=[[["x-half"], "\ud800"]]))
on_each("signatures stands twice", MALFORMED, replaced('"signatures":', '"signatures":[],"signatures":'))
on_each("__proto__ stands twice", MALFORMED,
        lambda r: r.update(extra={"__proto__": 1}, replace=[['"__proto__":1', '"__proto__":{"version":1},"__proto__":1']]))
on_each("a float among unknown members", MALFORMED, lambda r: r.update(edits=[[["x-ratio"], 1.5]]))
on_each("a byte order mark", MALFORMED, replaced("{", "\ufeff{"))
on_each("spec_version 2", SPEC, lambda r: r.update(edits=[[["spec_version"], "2.0.0"]]))
on_each("a date with a fraction", MALFORMED, lambda r: r.update(edits=[[["expires"], "2099-12-31T23:59:59.5Z"]]))
on_each("a date with an offset", MALFORMED, lambda r: r.update(edits=[[["expires"], "2099-12-31T23:59:59+00:00"]]))
on_each("no date", MALFORMED, lambda r: r.update(edits=[[["expires"], DELETE]]))
on_each("version 0", MALFORMED, lambda r: r.update(edits=[[["version"], 0]]))
on_each("version -1", MALFORMED, lambda r: r.update(edits=[[["version"], -1]]))
on_each('version "3"', MALFORMED, lambda r: r.update(edits=[[["version"], "3"]]))
on_each("version above int64", MALFORMED, lambda r: r.update(edits=[[["version"], 1 << 64]]))


def deep(levels):
    made = []
    for _ in range(levels):
        made = [made]
    return made


on_each("nested 100 deep", MALFORMED, lambda r: r.update(edits=[[["x-deep"], deep(100)]]))

for shown, where, value in (
        ("keys is a list", ["keys"], []), ("keys is null", ["keys"], None), ("roles is a list", ["roles"], []),
        ("a role is missing", ["roles", "snapshot"], DELETE), ("keyids is a text", ["roles", "timestamp", "keyids"], "aa"),
        ("keyids holds a number", ["roles", "timestamp", "keyids"], [1]),
        ("consistent_snapshot is a text", ["consistent_snapshot"], "true")):
    def broken_root(state, where=where, value=value):
        rotate(state, "timestamp", "timestamp")["edits"] = [[where, value]]
    hostile(f"root: {shown}", MALFORMED)(broken_root)

for name, shown, where, value in (
        ("timestamp", "meta is a list", ["meta"], []), ("timestamp", "meta is empty", ["meta"], {}),
        ("timestamp", "snapshot's version is a text", ["meta", "snapshot.json", "version"], "3"),
        ("timestamp", "snapshot's hashes are empty", ["meta", "snapshot.json", "hashes"], {}),
        ("timestamp", "snapshot's length is negative", ["meta", "snapshot.json", "length"], -1),
        ("snapshot", "an entry of meta is null", ["meta", "targets.json"], None),
        ("snapshot", "a version of meta is 0", ["meta", "apps.json", "version"], 0),
        ("snapshot", "hashes of meta are empty", ["meta", "apps.json", "hashes"], {}),
        ("targets", "targets is a list", ["targets"], []),
        ("targets", "a target has no length", ["targets", "top.txt", "length"], DELETE),
        ("targets", "a target's length is negative", ["targets", "top.txt", "length"], -1),
        ("targets", "a target's hashes are empty", ["targets", "top.txt", "hashes"], {}),
        ("targets", "a target has no hashes", ["targets", "top.txt", "hashes"], DELETE),
        ("targets", "a target's hash in upper case", ["targets", "top.txt", "hashes", "sha256"], "AB" * 32),
        ("targets", "delegations is null", ["delegations"], None),
        ("targets", "delegations without keys", ["delegations", "keys"], DELETE),
        ("targets", "terminating is a text", ["delegations", "roles", 0, "terminating"], "false"),
        ("targets", "a delegation without paths", ["delegations", "roles", 0, "paths"], DELETE),
        ("targets", "paths and path_hash_prefixes at once", ["delegations", "roles", 0, "path_hash_prefixes"], ["0"]),
        ("targets", "an upper-case hash prefix",
         ["delegations", "roles", 0], {"name": "apps", "keyids": ["$keyid:apps"], "threshold": 1, "terminating": False,
                                       "path_hash_prefixes": ["A"]}),
        ("targets", "a role without a name", ["delegations", "roles", 0, "name"], ""),
        ("targets", "a role named root", ["delegations", "roles", 0, "name"], "root"),
        ("targets", "a role named timestamp", ["delegations", "roles", 0, "name"], "timestamp"),
        ("targets", "a role with a name of 300 bytes", ["delegations", "roles", 0, "name"], "n" * 300),
        ("targets", "apps is delegated twice", ["delegations", "roles", "$append"],
         {"name": "apps", "keyids": [], "threshold": 1, "terminating": False, "paths": ["*"]}),
        ("targets", "hash bins of 0 bits", ["delegations"],
         {"keys": {}, "succinct_roles": {"keyids": [], "threshold": 1, "bit_length": 0, "name_prefix": "bin"}}),
        ("targets", "hash bins of 33 bits", ["delegations"],
         {"keys": {}, "succinct_roles": {"keyids": [], "threshold": 1, "bit_length": 33, "name_prefix": "bin"}})):
    def broken(state, name=name, where=where, value=value):
        part(state, name)["edits"] = [[where, value]]
    hostile(f"{name}: {shown}", MALFORMED, before(name))(broken)

on_each("it says that it is another role", TYPE, lambda r: r.update(
    edits=[[["_type"], "snapshot" if r["name"] == "timestamp" else "timestamp"], [["meta"], {"snapshot.json": {"version": 3}}]]))


@hostile("timestamp: x-issued after expires", ISSUED)
def _(state):
    state["timestamp"]["edits"] = [[["x-issued"], "2100-01-01T00:00:00Z"]]


# ---- time

on_each("expired", EXPIRED, lambda r: r.update(expires=PAST), names=ORDER)


@hostile("root: the last of the chain is expired", EXPIRED, root_version=2,
         recovery=lambda s: (rotate(s, "timestamp", "timestamp", expires=PAST), rotate(s, "timestamp", "timestamp")))
def _(state):
    rotate(state, "timestamp", "timestamp", expires=PAST)


# ---- versions

@hostile("timestamp: rolled back", ROLLBACK)
def _(state):
    state["timestamp"]["version"] = 1


@hostile("timestamp: names an older snapshot", ROLLBACK)
def _(state):
    state["snapshot"]["version"] = 1


@hostile("snapshot: names an older targets", ROLLBACK, before("snapshot"))
def _(state):
    state["targets"]["version"] = 1


@hostile("snapshot: names an older apps", ROLLBACK, before("snapshot"))
def _(state):
    state["delegated"][0]["version"] = 1


@hostile("snapshot: names apps no more", NOT_IN_SNAPSHOT, before("snapshot"))
def _(state):
    state["delegated"][0]["unlisted"] = True


@hostile("apps: a new role before it is not in snapshot", NOT_IN_SNAPSHOT, before("apps"))
def _(state):
    state["targets"]["delegations"]["roles"].insert(0, delegation("new", ["new"], ["apps/*"]))
    state["delegated"].append(role("new", 3, ["new"], unlisted=True))


for name in ("snapshot", "targets", "apps"):
    def other_version(state, name=name):
        made = part(state, name)
        made.update(version=4, serve_as=3)
        above = state["timestamp"] if name == "snapshot" else state["snapshot"]
        above["edits"] = [[["meta", f"{name}.json", "version"], 3]]
    hostile(f"{name}: another version than was asked for", VERSION, before(name))(other_version)


for shown, version in (("the same version again", 1), ("a version left out", 3)):
    def other_root(state, version=version):
        rotate(state, "timestamp", "timestamp").update(version=version, serve_as=2)
    hostile(f"root: {shown}", CHAIN)(other_root)


# ---- content

for name in ("snapshot", "targets", "apps"):
    def other_hash(state, name=name):
        above = state["timestamp"] if name == "snapshot" else state["snapshot"]
        above["edits"] = [[["meta", f"{name}.json", "hashes", "sha256"], "00" * 32]]

    def other_length(state, name=name):
        above = state["timestamp"] if name == "snapshot" else state["snapshot"]
        above["edits"] = [[["meta", f"{name}.json", "length"], 20]]
    hostile(f"{name}: not what its hash says", HASH, before(name))(other_hash)
    hostile(f"{name}: longer than its length says", TOO_LARGE, before(name))(other_length)


for shown, content, code in (("other bytes of the same length", "ONE 3", HASH), ("longer", "one 3 and more", TRANSFER), ("shorter", "on", HASH)):
    def other_content(state, content=content):
        state["serve"] = {"apps/one.txt": content}
    hostile(f"a target: {shown}", code, ORDER)(other_content)


@hostile("a target: only a hash that nobody knows", NO_HASH, ORDER)
def _(state):
    state["delegated"][0]["edits"] = [[["targets", "apps/one.txt", "hashes"], {"blake7": "00"}]]


@hostile("a target: 4 EiB long", TRANSFER, ORDER)
def _(state):
    state["delegated"][0]["edits"] = [[["targets", "apps/one.txt", "length"], 1 << 62]]


for shown, path in (("a way up", "../escaped.txt"), ("an absolute path", "/escaped.txt"), ("a way up in the middle", "apps/../../escaped.txt")):
    def unsafe(state, path=path):
        state["targets"]["targets"][path] = file("escaped")
    hostile(f"a target: {shown}", UNSAFE_PATH, ("timestamp", "snapshot", "targets"), asks=[path])(unsafe)


# ---- who may list what

@hostile("apps: lists a path that was not delegated to it", NO_TARGET, ("timestamp", "snapshot", "targets"), asks=["other/one.txt"])
def _(state):
    state["delegated"][0]["targets"]["other/one.txt"] = file("other")


@hostile("apps: lists a path below a folder that * does not reach", NO_TARGET, ("timestamp", "snapshot", "targets"), asks=["apps/sub/one.txt"])
def _(state):
    state["delegated"][0]["targets"]["apps/sub/one.txt"] = file("other")


@hostile("apps: a path in upper case is not the one delegated", NO_TARGET, ("timestamp", "snapshot", "targets"), asks=["APPS/one.txt"])
def _(state):
    state["delegated"][0]["targets"]["APPS/one.txt"] = file("other")


@hostile("a role behind a terminating one answers", NO_TARGET, ORDER)
def _(state):
    state["targets"]["delegations"]["roles"] = [delegation("apps", ["apps"], ["apps/*"], terminating=True),
                                                delegation("late", ["late"], ["apps/*"])]
    state["delegated"][0]["targets"] = {}
    state["delegated"].append(role("late", 3, ["late"], targets={"apps/one.txt": file("late")}))


@hostile("a role lists what its delegator may not give", NO_TARGET, ("timestamp", "snapshot", "targets"), asks=["other/one.txt"])
def _(state):
    state["delegated"][0]["delegations"] = {"roles": [delegation("wide", ["wide"], ["other/*"])]}
    state["delegated"].append(role("wide", 3, ["wide"], targets={"other/one.txt": file("wide")}))


@hostile("delegations in a circle, and nobody lists it", NO_TARGET, ORDER, asks=["apps/none.txt"])
def _(state):
    state["delegated"][0]["delegations"] = {"roles": [delegation("b", ["b"], ["apps/*"])]}
    state["delegated"].append(role("b", 3, ["b"], delegations={"roles": [delegation("apps", ["apps"], ["apps/*"])]}))
    state["kept_more"] = {"b": 3}


@hostile("delegations twelve deep", TOO_MANY, ORDER, asks=["apps/none.txt"])
def _(state):
    names = ["apps"] + [f"d{number}" for number in range(12)]
    state["delegated"] = [role(name, 3, [name], delegations={"roles": [delegation(child, [child], ["apps/*"])]})
                          for name, child in zip(names, names[1:])]
    state["delegated"].append(role(names[-1], 3, [names[-1]], targets={"apps/none.txt": file("deep")}))
    state["kept_more"] = {f"d{number}": 3 for number in range(7)}


@hostile("a search through a hundred roles", TOO_MANY, ORDER, asks=["apps/none.txt"])
def _(state):
    names = [f"d{number}" for number in range(100)]
    state["targets"]["delegations"]["roles"] += [delegation(name, ["many"], ["apps/*"]) for name in names]
    state["delegated"] += [role(name, 3, ["many"]) for name in names[:-1]]
    state["delegated"].append(role(names[-1], 3, ["many"], targets={"apps/none.txt": file("late")}))
    state["kept_more"] = {f"d{number}": 3 for number in range(63)}


@hostile("targets: 1100 delegations", TOO_MANY, before("targets"))
def _(state):
    state["targets"]["delegations"]["roles"] += [delegation(f"d{number}", ["many"], ["x/*"]) for number in range(1100)]


# ---- size

SIZES = {"root": 70 << 10, "timestamp": 17 << 10, "snapshot": 300 << 10, "targets": 600 << 10, "apps": 600 << 10}


def oversized(state, name):
    state["hashed"] = False
    if name == "root":
        rotate(state, "timestamp", "timestamp")
    part(state, name)["pad"] = SIZES[name]


for name in SIZES:
    hostile(f"{name}: larger than a device reads", TOO_LARGE, before(name))(lambda state, name=name: oversized(state, name))

for name, path in (("root", "2.root.json"), ("timestamp", "timestamp.json"), ("snapshot", "3.snapshot.json"),
                   ("targets", "3.targets.json"), ("apps", "3.apps.json")):
    def endless(state):
        state["hashed"] = False
    hostile(f"{name}: never ends", TOO_LARGE, before(name), server={"endless": [f"metadata/{path}"]})(endless)


@hostile("snapshot: never ends, and timestamp gives it 4 EiB", TOO_LARGE, before("snapshot"), server={"endless": ["metadata/3.snapshot.json"]})
def _(state):
    state["timestamp"]["edits"] = [[["meta", "snapshot.json", "length"], 1 << 62]]
