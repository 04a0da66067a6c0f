# SPDX-License-Identifier: Apache-2.0
"""Serves a folder that changes between the steps of a case, and misbehaves where the case says so."""

import http.server
import socket
import threading

ENDLESS_BYTES = 64 << 20  # what "endless" means here: far above every cap, and it ends if a client has none


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folders = {}  # first part of the path → folder
        self.expect(())
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def expect(self, endless):
        """From now on the body of these paths does not end; what was sent of them is counted afresh."""
        self.endless = endless
        self.sent = {path: 0 for path in endless}

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, first, path = self.path.split("/", 2)
        if path in self.server.endless:
            return self.send_endless(path, self.server.sent)
        file = self.server.folders[first] / path  # as it stands: file names are percent-encoded, too
        body = file.read_bytes() if file.is_file() else None
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def send_endless(self, path, sent):
        """`sent` is the count in force when the request came: some clients read on for a while afterwards."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
        self.send_response(200)
        self.end_headers()
        block = b" " * (64 << 10)
        try:
            while sent[path] < ENDLESS_BYTES:
                self.wfile.write(block)
                sent[path] += len(block)
        except OSError:
            pass  # the client has had enough
        self.close_connection = True

    def log_message(self, *_):
        pass
