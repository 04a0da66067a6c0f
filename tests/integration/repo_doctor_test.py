#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does `pawl-signer repo doctor` tell a web server that is right from one that is set up wrong?

usage: repo_doctor_test.py PAWL_SIGNER. nginx runs the configuration of packaging/nginx/ as it is, then with one mistake at a
time. Exit status 77: nginx or openssl is not installed.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from signer_repository import Repository  # noqa: E402
from web_server import Nginx, status_of  # noqa: E402

SIGNER = sys.argv.pop(1) if len(sys.argv) > 1 else ""
CACHED = 'add_header Cache-Control "no-cache";\n'  # of the timestamp
PROXY = """
  server {
    listen 127.0.0.1:PORT;
    location / { proxy_pass ORIGIN; proxy_cache all; proxy_cache_valid 200 1h;
                 proxy_ignore_headers Cache-Control Expires; }
  }
"""


class RepoDoctorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="pawl-doctor-")
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.repository = Repository(SIGNER, cls.folder).start()
        cls.repository.release("1.0", 1)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def setUp(self):
        self.served = self.folder / f"served-{self.id()}"
        shutil.copytree(self.repository.public, self.served)
        self.work = self.folder / f"nginx-{self.id()}"

    def doctor(self, url, *words, inside=False, status=None):
        """The report; run in the workspace or outside of it."""
        done = self.repository.run("repo", "doctor", url, "--json", *words, status=None,
                                   cwd=self.repository.repo if inside else self.folder)
        self.assertIn(done.returncode, (0, 14), done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema"], "pawl.repo-doctor/1")
        self.assertEqual(done.returncode, 14 if report["fail"] else 0, done.stdout)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout)
        return report

    def verdicts(self, report, check):
        return {row["verdict"] for row in report["findings"] if row["check"] == check}

    def spoilt(self, check, spoil=None, verdict="FAIL", **kwargs):
        with Nginx(self.served, self.work, spoil, **kwargs) as server:
            report = self.doctor(server.url)
        self.assertIn(verdict, self.verdicts(report, check), json.dumps(report, indent=1))
        return report

    def test_the_shipped_configuration_is_right(self):
        with Nginx(self.served, self.work) as server:
            report = self.doctor(server.url, "--payloads", inside=True, status=0)
            self.assertEqual(report["warn"], 0, json.dumps(report, indent=1))
            for check in ("root-chain", "missing-file", "timestamp-cache", "clock", "refresh", "cache",
                          "encoding", "ranges", "payloads", "local"):
                self.assertEqual(self.verdicts(report, check), {"ok"}, check)
            text = self.repository.run("repo", "doctor", server.url).stdout
            self.assertIn("0 FAIL, 0 warn", text)
            for path in ("/", "/metadata/", "/../draft/", "/metadata/2.root.json"):
                self.assertIn(status_of(server.url + path), (400, 403, 404), path)

    def test_gzip(self):
        self.spoilt("encoding", {"gzip off;": "gzip on; gzip_types *; gzip_min_length 1;"})

    def test_no_ranges(self):
        self.spoilt("ranges", {"sendfile on;": "max_ranges 0;"})

    def test_redirects(self):
        self.spoilt("redirect", {"autoindex off;": "return 301 https://cdn.example.com$request_uri;"})

    def test_a_page_for_what_is_missing(self):
        report = self.spoilt("root-chain", {'return 404 "not found\\n";': 'return 200 "welcome\\n";',
                                            "error_page 404 = @missing;": "error_page 404 =200 @missing;"})
        self.assertIn("FAIL", self.verdicts(report, "refresh"))

    def test_a_timestamp_that_caches_keep(self):
        self.spoilt("timestamp-cache", {CACHED: "expires 1d;\n"})

    def test_a_timestamp_without_a_word_about_caching(self):
        self.spoilt("timestamp-cache", {CACHED: "\n"}, verdict="warn")

    def test_a_listing(self):
        self.spoilt("listing", {"autoindex off;": "autoindex on;"}, verdict="warn")

    def test_a_missing_payload(self):
        payload = max(self.served.glob("payloads/*/*.pawl"), key=lambda path: path.stat().st_size)
        payload.unlink()
        report = self.spoilt("payloads")
        self.assertIn(payload.name, json.dumps(report))

    def test_a_missing_snapshot(self):
        timestamp = json.loads((self.served / "metadata/timestamp.json").read_text("utf-8"))
        version = timestamp["signed"]["meta"]["snapshot.json"]["version"]
        (self.served / f"metadata/{version}.snapshot.json").unlink()
        self.spoilt("refresh")

    def test_a_cache_that_hands_out_an_old_timestamp(self):
        http = f"proxy_cache_path {self.work}-cache keys_zone=all:1m;"
        with Nginx(self.served, pathlib.Path(f"{self.work}-origin")) as origin, \
                Nginx(self.served, self.work, http=http,
                      server=PROXY.replace("ORIGIN", origin.url)) as cache:
            status_of(cache.url + "/metadata/timestamp.json")
            self.repository.refresh()
            shutil.copytree(self.repository.public, self.served, dirs_exist_ok=True)
            report = self.doctor(cache.url, status=14)
            self.assertIn("FAIL", self.verdicts(report, "timestamp-cache"))
            self.assertNotIn("FAIL", self.verdicts(self.doctor(origin.url), "timestamp-cache"))

    def test_files_that_were_not_copied(self):
        with Nginx(self.served, self.work) as server:
            self.repository.refresh()
            report = self.doctor(server.url, inside=True, status=14)
            self.assertEqual(self.verdicts(report, "local"), {"FAIL"})
            self.assertNotIn("FAIL", self.verdicts(report, "refresh"))  # devices see the old state
            shutil.copy2(self.repository.public / "metadata/timestamp.json",
                         self.served / "metadata/timestamp.json")
            report = self.doctor(server.url, inside=True, status=14)
            self.assertIn("copied before the other files", json.dumps(report))
            self.assertIn("FAIL", self.verdicts(report, "refresh"))

    def test_nobody_listens(self):
        with Nginx(self.served, self.work) as server:
            url = server.url
        self.assertEqual(self.verdicts(self.doctor(url, status=14), "reach"), {"FAIL"})

    def test_a_root_file_that_is_none_is_no_fault_of_the_server(self):
        with Nginx(self.served, self.work) as server:
            done = self.repository.run("repo", "doctor", server.url, "--json", "--root",
                                       self.served / "metadata/timestamp.json", status=None)
        self.assertEqual(json.loads(done.stdout)["code"], "E0105", done.stdout)

    def certificate(self, days):
        key, cert = self.folder / f"{days}.key.pem", self.folder / f"{days}.cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        return key, cert

    def test_certificates(self):
        for days, verdict in ((90, "ok"), (5, "warn")):
            key, cert = self.certificate(days)
            tls = {"gzip off;": f"gzip off; ssl_certificate {cert}; ssl_certificate_key {key};"}
            with Tls(self.served, pathlib.Path(f"{self.work}-{days}"), tls) as server:
                report = self.doctor(server.url, "--ca", cert)
                self.assertEqual(self.verdicts(report, "certificate"), {verdict},
                                 json.dumps(report, indent=1))
                self.assertEqual(report["fail"], 0)
                unknown = self.doctor(server.url, status=14)
                self.assertEqual(self.verdicts(unknown, "certificate"), {"FAIL"})


class Tls(Nginx):
    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def config(self):
        return super().config().replace(f"listen 127.0.0.1:{self.port};",
                                        f"listen 127.0.0.1:{self.port} ssl;")


if __name__ == "__main__":
    if not os.path.exists("/usr/sbin/nginx") or not shutil.which("openssl"):
        print("skipped: nginx or openssl is not installed")
        sys.exit(77)
    unittest.main(argv=sys.argv)
