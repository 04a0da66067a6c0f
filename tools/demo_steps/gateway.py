# SPDX-License-Identifier: Apache-2.0
"""The device's side: a provisioned disk that boots, runs its own agent, and reboots."""

import json
import pathlib
import re
import subprocess
import sys
import time

from . import images
from .shell import DemoError, expect, run, show

sys.path.insert(0, str(images.REPOSITORY / "tools"))
from vdevice import Device  # noqa: E402  (a package of this repository)

AGENT = images.PROGRAMS / "client/pawl-agent"
GRUB_CFG = images.REPOSITORY / "packaging/grub/grub.cfg"


class Gateway:
    """One device. Every agent command runs inside the booted slot, with the agent of that slot."""

    def __init__(self, disk):
        self.disk = pathlib.Path(disk)
        self.device = Device(self.disk)
        self.name = "gw-0001"
        self.peak_kib = 0
        self.last_errors = ""

    def provision(self, image, root_json, server, public_out):
        run([AGENT, "provision", self.disk, "--image", image, "--root", root_json,
             "--grub-cfg", GRUB_CFG, "--id", self.name, "--product", images.PRODUCT,
             "--hardware", images.HARDWARE, "--group", "lab", "--server", server,
             "--public-out", public_out])

    def boot(self, again=False):
        session = self.device.reboot() if again else self.device.boot()
        expect(session["slot"] is not None, "a slot that boots", session.get("why"))
        show("vdevice reboot" if again else "vdevice boot",
             f"slot {session['slot']} boots: {session['why']}; kernel command line: {session['cmdline']}")
        return session["slot"]

    def agent(self, *words, expect_code=0, quiet=False, faketime=None, progress=False, trace=None):
        """Runs pawl-agent in the device. With `progress` its bar goes to the terminal."""
        argv = ["/usr/bin/pawl-agent", *words]
        if progress and sys.stderr.isatty():
            done = self.device.run(argv, stdout=subprocess.PIPE, text=True, faketime=faketime, trace=trace)
            output, errors = done.stdout, ""
        else:
            done = self.device.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   faketime=faketime, trace=trace)
            output, errors = done.stdout, done.stderr
        if not quiet:
            clock = f"faketime {faketime} " if faketime else ""
            show(f"{clock}pawl-agent {' '.join(words)}", (errors if progress or done.returncode else "") + output)
        if done.returncode != expect_code:
            raise DemoError(f"pawl-agent {' '.join(words)} ended with {done.returncode}, expected "
                            f"{expect_code}:\n{output}{errors}")
        self.last_errors = errors
        return output

    def statement(self, nonce, path):
        """A signed statement over the verifier's nonce, written to `path`."""
        answer = json.loads(self.agent("statement", "--nonce", f"hex:{nonce}", "--json", quiet=True))
        path.write_text(answer["statement"] + "\n")
        show("pawl-agent statement --nonce …", f"{answer['statement'][:60]}… ({len(answer['statement'])} bytes)")
        return path

    def status(self):
        return json.loads(self.agent("status", "--json", quiet=True))

    def refused(self, code, *words, faketime=None):
        """Runs a command that must be refused with exactly this code."""
        argv = ["/usr/bin/pawl-agent", *words]
        done = self.device.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, faketime=faketime)
        text = done.stdout + done.stderr
        found = re.findall(r"E0\d{3}", text)
        first = [line for line in text.splitlines() if code in line][:2]
        clock = f"faketime '{faketime}' " if faketime else ""
        show(f"{clock}pawl-agent {' '.join(words)}", "\n".join(first) or text)
        expect(code in found, f"a refusal with {code}", text)
        return text

    def measure_memory(self, argv):
        """Runs the agent and samples its private memory from /proc until it ends."""
        process = self.device.popen(["/usr/bin/pawl-agent", *argv], stdout=subprocess.PIPE,
                                    stderr=None if sys.stderr.isatty() else subprocess.PIPE, text=True)
        peak = 0
        while process.poll() is None:
            peak = max(peak, private_kib_of_agent())
            time.sleep(0.01)
        output, errors = process.communicate()
        self.peak_kib = max(self.peak_kib, peak)
        if process.returncode != 0:
            raise DemoError(f"pawl-agent {' '.join(argv)} ended with {process.returncode}:\n{output}{errors or ''}")
        show(f"pawl-agent {' '.join(argv)}", (errors or "") + output)
        return output


def private_kib_of_agent():
    """RssAnon of the running agent, in KiB; 0 when it does not run."""
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if text.startswith("Name:\tpawl-agent\n"):
            found = re.search(r"RssAnon:\s+(\d+) kB", text)
            return int(found.group(1)) if found else 0
    return 0
