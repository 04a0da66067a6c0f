#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A whole ceremony with keys in tokens (SoftHSM), by the real programs, and a client that accepts its result.

usage: token_ceremony_test.py PAWL_SIGNER PAWL_TUF SOFTHSM_MODULE. Exit status 77: softhsm2 is missing.
"""

import functools
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

SIGNER, CLIENT, MODULE = sys.argv[1:4]
PIN = "123456"
# Two people's tokens, and the two services' token in the publishing computer.
TOKENS = {"alpha": ["anna", "dora", "rolf"], "beta": ["ben", "emil", "olga"], "online": ["snap", "time"]}
P256 = {"ben", "emil", "time"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class TokenCeremony(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pawl-tokens-")
        cls.work = pathlib.Path(cls.folder.name)
        (cls.work / "tokens").mkdir()
        (cls.work / "softhsm2.conf").write_text(f"directories.tokendir = {cls.work}/tokens\n")
        # SoftHSM loses a few bytes with each key that it loads; that is not ours to judge.
        (cls.work / "leaks").write_text("leak:libsofthsm2.so\n")
        cls.env = dict(os.environ, SOFTHSM2_CONF=str(cls.work / "softhsm2.conf"),
                       ASAN_OPTIONS="fast_unwind_on_malloc=0",
                       LSAN_OPTIONS=f"suppressions={cls.work}/leaks:print_suppressions=0")
        for label in TOKENS:
            subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "87654321",
                            "--pin", PIN], env=cls.env, check=True, stdout=subprocess.DEVNULL)
        for label, names in TOKENS.items():
            for name in names:
                cls.signer("key", "new", "--token", cls.token(label), "--name", name, "--out", f"{name}.pub",
                           "--type", "p256" if name in P256 else "ed25519", pins=1)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def token(cls, label):
        return f"pkcs11:token={label}?module-path={MODULE}"

    @classmethod
    def key(cls, name):
        label = next(label for label, names in TOKENS.items() if name in names)
        return f"pkcs11:token={label};object={name}?module-path={MODULE}"

    @classmethod
    def signer(cls, *args, pins=0, status=0, lines=None, cwd=None):
        text = "".join(f"{line}\n" for line in (lines or [PIN] * pins))
        extra = ["--passphrase-fd", "0"] if text else []
        done = subprocess.run([SIGNER, *args, *extra, "--json"], input=text, capture_output=True, text=True,
                              env=cls.env, cwd=cwd or cls.work, timeout=120, check=False)
        if done.returncode != status:
            raise AssertionError(f"{args}: exit {done.returncode}, expected {status}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() and status == 0 else done.stdout + done.stderr

    def init(self, name):
        repo = self.work / name
        self.signer("init", str(repo), "--product", "gateway", "--hardware", "gw3",
                    "--root-key", "anna.pub", "--root-key", "ben.pub", "--root-threshold", "2",
                    "--releases-key", "dora.pub", "--releases-key", "emil.pub", "--releases-threshold", "2",
                    "--rollout-key", "rolf.pub", "--orders-key", "olga.pub",
                    "--snapshot-key", "snap.pub", "--timestamp-key", "time.pub")
        return repo

    def accept(self, repo):
        """The client under test of the TUF conformance suite reads the repository over HTTP."""
        handler = functools.partial(Quiet, directory=str(repo / "public"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        state = repo.parent / (repo.name + ".client")
        subprocess.run([CLIENT, "--metadata-dir", state, "init", repo / "public/metadata/1.root.json"],
                       env=self.env, check=True)
        subprocess.run([CLIENT, "--metadata-dir", state, "--metadata-url",
                        f"http://127.0.0.1:{server.server_port}/metadata/", "refresh"], env=self.env, check=True)
        server.shutdown()
        server.server_close()
        return json.loads((state / "root.json").read_text())["signed"]

    def test_ceremony_in_tokens_with_the_drafts_carried_to_a_second_computer(self):
        repo = self.init("repo")
        for name in ("anna", "dora", "rolf"):
            self.signer("sign", "-y", "--key", self.key(name), pins=1, cwd=repo)
        # The second person signs on another computer: the folder is carried there and back.
        away = self.work / "away"
        shutil.copytree(repo, away)
        for name in ("ben", "emil", "olga"):
            signed = self.signer("sign", "-y", "--key", self.key(name), pins=1, cwd=away)
            self.assertEqual(signed["signed"][0]["key"], name)
        shutil.copytree(away / "draft", repo / "draft", dirs_exist_ok=True)
        self.signer("publish", "--key", self.key("snap"), "--key", self.key("time"), pins=2, cwd=repo)
        root = self.accept(repo)
        self.assertEqual({key["keytype"] for key in root["keys"].values()}, {"ed25519", "ecdsa"})
        refreshed = self.signer("refresh", "--key", self.key("snap"), "--key", self.key("time"), pins=2, cwd=repo)
        self.assertEqual(refreshed["timestamp"], 2)
        self.accept(repo)

    def test_a_key_file_and_a_token_sign_in_one_run(self):
        self.signer("key", "new", "--name", "carl", "--out", "carl.key", lines=["one two three"])
        repo = self.work / "mixed"
        self.signer("init", str(repo), "--product", "gateway", "--hardware", "gw3",
                    "--root-key", "anna.pub,carl.key.pub", "--root-threshold", "2",
                    "--releases-key", "dora.pub", "--releases-threshold", "1", "--rollout-key", "rolf.pub",
                    "--orders-key", "olga.pub", "--snapshot-key", "snap.pub", "--timestamp-key", "time.pub")
        done = self.signer("sign", "-y", "--key", self.key("anna"), "--key", "../carl.key", "root",
                           lines=[PIN, "one two three"], cwd=repo)
        self.assertTrue(done["signed"][-1]["complete"])

    def files(self, repo):
        return {str(p.relative_to(repo)): hashlib.sha256(p.read_bytes()).hexdigest()
                for p in repo.rglob("*") if p.is_file() and p.name != ".lock"}

    def refused(self, repo, code, *args, **options):
        before = self.files(repo)
        text = self.signer(*args, status=18, cwd=repo, **options)
        self.assertIn(code, text)
        self.assertEqual(self.files(repo), before)
        return text

    def test_a_wrong_pin_changes_nothing_and_warns_the_next_one(self):
        repo = self.init("wrong-pin")
        self.refused(repo, "E0811", "sign", "-y", "--key", self.key("anna"), lines=["654321"])
        done = subprocess.run([SIGNER, "sign", "-y", "--key", self.key("anna"), "--passphrase-fd", "0"],
                              input=PIN + "\n", capture_output=True, text=True, env=self.env, cwd=repo, check=True)
        self.assertIn("warning: the last PIN given to the token 'alpha' was wrong", done.stderr)

    def test_a_key_of_another_role_is_refused_before_its_pin_is_asked_for(self):
        repo = self.init("other-role")
        self.refused(repo, "E0804", "sign", "-y", "--key", self.key("anna"), "orders", lines=["654321"])

    def test_a_token_that_is_not_plugged_in_is_said_to_be_missing(self):
        repo = self.init("unplugged")
        away = self.work / "drawer"
        (self.work / "tokens").rename(away)
        (self.work / "tokens").mkdir()
        try:
            self.refused(repo, "E0810", "sign", "-y", "--key", self.key("anna"), lines=[PIN])
        finally:
            (self.work / "tokens").rmdir()
            away.rename(self.work / "tokens")
        self.signer("sign", "-y", "--key", self.key("anna"), pins=1, cwd=repo)

    def test_an_existing_token_key_joins_by_key_show(self):
        shown = self.signer("key", "show", self.key("ben"), "--out", "joined.pub", "--name", "benjamin")
        self.assertEqual(shown["type"], "P-256")
        public = json.loads((self.work / "joined.pub").read_text())
        self.assertEqual(public["name"], "benjamin")
        self.assertEqual(public["keyid"], json.loads((self.work / "ben.pub").read_text())["keyid"])
        self.assertEqual(public["key"]["scheme"], "ecdsa-sha2-nistp256")
        again = self.signer("key", "show", self.key("ben"), "--out", "joined.pub", status=11)
        self.assertIn("E0106", again)

    def test_key_list_shows_uris_that_work_without_a_pin(self):
        tokens = self.signer("key", "list", "--module", MODULE)["tokens"]
        self.assertEqual({token["label"] for token in tokens}, set(TOKENS))
        for token in tokens:
            self.assertEqual({key["name"] for key in token["keys"]}, set(TOKENS[token["label"]]))
            for key in token["keys"]:
                self.assertEqual(self.signer("key", "show", key["uri"])["keyid"], key["keyid"])

    def test_a_pin_in_the_uri_is_refused_and_not_repeated(self):
        text = self.signer("key", "show", self.key("anna") + "&pin-value=" + PIN, status=2)
        self.assertNotIn(PIN, text)
        self.assertIn("pin-value is refused", text)

    def test_passwd_says_what_changes_a_pin(self):
        text = self.signer("key", "passwd", self.key("anna"), lines=[PIN, "999999"], status=2)
        self.assertIn("pkcs11-tool", text)


if __name__ == "__main__":
    if shutil.which("softhsm2-util") is None or not os.path.exists(MODULE):
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
