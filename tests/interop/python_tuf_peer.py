#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python-tuf behind one JSON object a line: {"op": …} in, {"ok": …} out. Long-lived, as tuf_js_peer.mjs.

Runs in the environment that "tools/peers python-tuf" prints.

  refresh, download   the client (ngclient): metadata_dir, metadata_url, and targets, target_dir, target_url
  build               the model library (tuf.api.metadata): writes the repository that repositories.py describes
  canonical           the canonical form of a JSON text, in hex (securesystemslib)
"""

import hashlib
import json
import pathlib
import sys
from datetime import datetime, timezone
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey
from tuf.api.metadata import (DelegatedRole, Delegations, Key, Metadata, MetaFile, Role, Root, Snapshot, SuccinctRoles,
                              TargetFile, Targets, Timestamp)
from tuf.ngclient import Updater


def sha(kind, data):
    return hashlib.new(kind, data).hexdigest()


# ---- the client

def update(request):
    updater = Updater(request["metadata_dir"], request["metadata_url"], request.get("target_dir"),
                      request.get("target_url"), bootstrap=None)
    updater.refresh()
    for name in request.get("targets", []):
        info = updater.get_targetinfo(name)
        if info is None:
            raise LookupError(f"no entitled role lists {name}")
        updater.download_target(info, str(pathlib.Path(request["target_dir"]) / quote(name, "")))
    return {}


# ---- the builder

MATERIAL = {}  # by name and type, for the life of this process


def make_material(name, kind):
    if (name, kind) not in MATERIAL:
        private = {"ed25519": ed25519.Ed25519PrivateKey.generate,
                   "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
                   "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
                   "rsa": lambda: rsa.generate_private_key(65537, 2048),
                   "rsa1024": lambda: rsa.generate_private_key(65537, 1024)}[kind]()
        MATERIAL[name, kind] = private
    return MATERIAL[name, kind]


class Sha256Signer:
    """ECDSA over SHA-256 whatever the curve, where the library's own signer insists on P-256."""

    def __init__(self, private, key):
        self.private, self.public_key = private, key

    def sign(self, data):
        return Signature(self.public_key.keyid, self.private.sign(data, ec.ECDSA(hashes.SHA256())).hex())


class Keyring:
    def __init__(self, specs):
        self.specs, self.made = specs, {}

    def get(self, name):
        if name not in self.made:
            spec = self.specs.get(name, {})
            private = make_material(spec.get("same_as", name), spec.get("type", "ed25519"))
            fields = {**SSlibKey.from_crypto(private.public_key()).to_dict(), **spec.get("extra", {})}
            if spec.get("type") == "p384":
                fields["scheme"] = "ecdsa-sha2-nistp256"  # said by an attacker; the library itself would not
            keyid = spec.get("id", sha("sha256", encode_canonical(fields).encode()))
            key = SSlibKey.from_dict(keyid, json.loads(json.dumps(fields)))
            self.made[name] = Sha256Signer(private, key) if spec.get("type") == "p384" else CryptoSigner(private, key)
        return self.made[name]

    def key(self, name) -> Key:
        return self.get(name).public_key

    def ids(self, names):
        return [self.key(name).keyid for name in names]

    def map(self, names):
        return {self.key(name).keyid: self.key(name) for name in names}


def resolve(value, keys):
    """"$keyid:NAME" in an edit stands for the id of that key."""
    if isinstance(value, str):
        return keys.key(value[7:]).keyid if value.startswith("$keyid:") else value
    if isinstance(value, list):
        return [resolve(item, keys) for item in value]
    if isinstance(value, dict):
        return {resolve(name, keys): resolve(item, keys) for name, item in value.items()}
    return value


def apply_edits(document, edits, keys):
    for where, value in edits:
        *steps, last = [resolve(step, keys) for step in where]
        place = document
        for step in steps:
            place = place[step]
        if isinstance(value, dict) and value.get("$delete"):
            del place[last]
        elif last == "$append":
            place.append(resolve(value, keys))
        else:
            place[last] = resolve(value, keys)


def canonical_or_text(document):
    try:
        return encode_canonical(document).encode()
    except Exception:  # the library has no canonical form of a float; an attacker signs something
        return json.dumps(document, sort_keys=True).encode()


def spoil_signatures(found, how):
    if how == "none":
        return []
    if how == "wrong":
        return [{**s, "sig": ("01" if s["sig"].startswith("00") else "00") + s["sig"][2:]} for s in found]
    if how == "upper-case":
        return [{**s, "sig": s["sig"].upper()} for s in found]
    if how == "neutral":
        return [{**s, "sig": "01" + "00" * 63} for s in found]
    if how == "duplicated":
        return found + found
    if how == "many":
        return [{"keyid": sha("sha256", str(i).encode()), "sig": "00"} for i in range(100)] + found
    if how == "with-strangers":
        return [{"keyid": sha("sha256", b"stranger"), "sig": ""}, *found]
    return found


def file_text(role, signed, keys):
    metadata = Metadata(signed)
    for name in role["signers"]:
        metadata.sign(keys.get(name), append=True)
    document = metadata.to_dict()
    if role.get("edits"):
        apply_edits(document["signed"], role["edits"], keys)
        data = canonical_or_text(document["signed"])
        document["signatures"] = [keys.get(name).sign(data).to_dict() for name in role["signers"]]
    document["signatures"] = spoil_signatures(document["signatures"], role.get("signatures"))
    text = json.dumps(document, separators=(",", ":"))
    for old, new in role.get("replace", []):
        if old not in text:
            raise LookupError(f"nothing to replace: {old}")
        text = text.replace(old, new, 1)
    return text


def common(role):
    fields = dict(role.get("extra", {}))
    if role.get("pad"):
        fields["x-pad"] = "a" * role["pad"]
    expires = datetime.strptime(role["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return {"version": role["version"], "spec_version": role.get("spec", "1.0.31"), "expires": expires,
            "unrecognized_fields": fields}


def root_of(role, keys):
    names = [name for r in role["roles"].values() for name in r["keys"]]
    roles = {name: Role(keys.ids(r["keys"]), r["threshold"], r.get("extra")) for name, r in role["roles"].items()}
    return Root(**common(role), consistent_snapshot=role["consistent"], keys=keys.map(names), roles=roles)


def delegations_of(spec, keys):
    if "succinct" in spec:
        s = spec["succinct"]
        return Delegations(keys.map(s["keys"]), succinct_roles=SuccinctRoles(
            keys.ids(s["keys"]), s["threshold"], s["bit_length"], s["prefix"]))
    roles = {r["name"]: DelegatedRole(r["name"], keys.ids(r["keys"]), r["threshold"], r["terminating"],
                                      r.get("paths"), r.get("path_hash_prefixes")) for r in spec["roles"]}
    return Delegations(keys.map([name for r in spec["roles"] for name in r["keys"]]), roles)


def targets_of(role, keys):
    files = {}
    for name, target in role.get("targets", {}).items():
        content = target["content"].encode()
        custom = {"custom": target["custom"]} if "custom" in target else {}
        files[name] = TargetFile(len(content), {kind: sha(kind, content) for kind in target.get("hashes", ["sha256"])},
                                 name, custom)
    delegations = delegations_of(role["delegations"], keys) if "delegations" in role else None
    return Targets(**common(role), targets=files, delegations=delegations)


def meta_file_of(role, text, hashed):
    data = text.encode()
    return MetaFile(role["version"], len(data), {"sha256": sha("sha256", data)}) if hashed else MetaFile(role["version"])


def write_targets(folder, world, roles):
    for role in roles:
        for name, target in role.get("targets", {}).items():
            if name.startswith("/") or ".." in name.split("/"):
                continue  # only listed, never served
            directory, _, base = name.rpartition("/")
            place = folder / "targets" / directory
            place.mkdir(parents=True, exist_ok=True)
            content = world.get("serve", {}).get(name, target["content"]).encode()
            for kind in target.get("hashes", ["sha256"]):
                prefix = f"{sha(kind, target['content'].encode())}." if world["consistent"] else ""
                (place / (prefix + base)).write_bytes(content)


def build(request):
    folder, world = pathlib.Path(request["folder"]), request["world"]
    keys = Keyring(world["keys"])
    (folder / "metadata").mkdir(parents=True, exist_ok=True)

    def write(role, text, versioned):
        if not role.get("missing"):
            prefix = f"{role.get('serve_as', role['version'])}." if versioned else ""
            (folder / "metadata" / f"{prefix}{quote(role['name'], '')}.json").write_text(text, "utf-8")

    for root in world["roots"]:
        write(root, file_text(root, root_of(root, keys), keys), True)
    meta, roles = {}, [world["targets"], *world["delegated"]]
    for role in roles:
        text = file_text(role, targets_of(role, keys), keys)
        write(role, text, world["consistent"])
        if not role.get("unlisted"):
            meta[f"{role['name']}.json"] = meta_file_of(role, text, world["hashed"])
    snapshot = file_text(world["snapshot"], Snapshot(**common(world["snapshot"]), meta=meta), keys)
    write(world["snapshot"], snapshot, world["consistent"])
    timestamp = Timestamp(**common(world["timestamp"]),
                          snapshot_meta=meta_file_of(world["snapshot"], snapshot, world["hashed"]))
    write(world["timestamp"], file_text(world["timestamp"], timestamp, keys), False)
    write_targets(folder, world, roles)
    return {}


# ---- the loop

OPERATIONS = {
    "refresh": update,
    "download": update,
    "build": build,
    "canonical": lambda request: {"hex": encode_canonical(json.loads(request["text"])).encode("utf-8").hex()},
}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, **OPERATIONS[request["op"]](request)}
        except Exception as error:  # whatever stops a peer is its verdict
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
