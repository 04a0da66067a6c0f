# SPDX-License-Identifier: Apache-2.0
"""A real web server (nginx) in front of a folder, on loopback, on a port that is free."""

import pathlib
import socket
import subprocess
import urllib.error
import urllib.request

from .shell import DemoError

CONFIG = """
daemon off;
pid {work}/nginx.pid;
error_log {work}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log {work}/access.log;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  types {{ }} default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    {extra}
    location = /metadata/timestamp.json {{ add_header Cache-Control no-cache; }}
  }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class WebServer:
    """Serves `root` until stopped. `port` may be given again, so that devices find it after a pause."""

    def __init__(self, root, work, port=None, extra=""):
        self.root = pathlib.Path(root)
        self.work = pathlib.Path(work)
        self.port = port or free_port()
        self.extra = extra  # nginx directives for the server, as "limit_rate 2m;"
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def start(self):
        self.work.mkdir(parents=True, exist_ok=True)
        config = self.work / "nginx.conf"
        config.write_text("user root;" * (self.work.stat().st_uid == 0)
                          + CONFIG.format(work=self.work, port=self.port, root=self.root,
                                          extra=self.extra))
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", str(self.work), "-c", str(config)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self._wait_until_it_answers()
        return self

    def _wait_until_it_answers(self):
        while True:
            if self.process.poll() is not None:
                raise DemoError(f"nginx did not start: {self.process.stderr.read().decode()[-500:]}")
            try:
                urllib.request.urlopen(self.url + "metadata/timestamp.json", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                continue  # not listening yet; the loop ends with nginx or with an answer

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.process = None
