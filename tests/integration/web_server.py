# SPDX-License-Identifier: Apache-2.0
"""nginx with the shipped configuration, or one that was spoilt on purpose, on loopback and a free port."""

import pathlib
import socket
import subprocess
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "packaging/nginx/pawl-repository.conf"
OUTSIDE = """{user}
daemon off;
pid {work}/nginx.pid;
error_log {work}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log {work}/access.log;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  {http}
  {server}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def shipped(root, port):
    """The shipped server block, for this folder and port: nothing else of it is changed."""
    text = SHIPPED.read_text("utf-8")
    for old, new in (("listen 80;", f"listen 127.0.0.1:{port};"), ("    listen [::]:80;\n", ""),
                     ("root /srv/pawl/public;", f"root {root};")):
        assert text.count(old) == 1, f"{SHIPPED}: expected one {old!r}"
        text = text.replace(old, new)
    return text


class Nginx:
    """Serves `root`. `spoil` maps pieces of the shipped configuration to what stands there instead; `server` is
    another server block, listening on PORT."""

    def __init__(self, root, work, spoil=None, http="", server=None):
        self.work = pathlib.Path(work)
        self.root, self.spoil, self.http, self.server = root, spoil or {}, http, server
        self.port = self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def config(self):
        text = shipped(self.root, self.port)
        for old, new in self.spoil.items():
            assert old in text, f"{SHIPPED}: expected {old!r}"
            text = text.replace(old, new)
        server = self.server.replace("PORT", str(self.port)) if self.server else text
        user = "user root;" if self.work.stat().st_uid == 0 else ""
        return OUTSIDE.format(user=user, work=self.work, http=self.http, server=server)

    def __enter__(self):
        self.work.mkdir(parents=True)
        for _ in range(5):  # somebody else may take the port in between
            self.port = free_port()
            config = self.work / "nginx.conf"
            config.write_text(self.config(), "utf-8")
            self.process = subprocess.Popen(
                ["/usr/sbin/nginx", "-p", str(self.work), "-c", str(config)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            if self.answers():
                return self
            problem = self.process.stderr.read().decode()
            if "Address already in use" not in problem:
                break
        raise RuntimeError(f"nginx did not start: {problem}")

    def answers(self):
        while self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5):
                    return True
            except OSError:
                continue  # not listening yet; ends with nginx or with a connection
        return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
