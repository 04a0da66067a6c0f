#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the release programs carry the hardening that cmake/build_flags.cmake asks for? Reads the ELF files.

usage: hardening_test.py PROGRAM...
"""

import os
import platform
import re
import subprocess
import sys
import unittest

PROGRAMS = [os.path.abspath(path) for path in sys.argv[1:]]
# Everything the agent may need at run time besides libc, libstdc++ and the loader. No compressor: those
# that encode blocks again must be the ones that were tested, so they are inside.
AGENT_LIBRARIES = {"libsodium", "libcrypto", "libssl", "libsqlite3", "libcurl", "libfmt", "libspdlog",
                   "libstdc++", "libgcc_s", "libm", "libc", "ld-linux-x86-64", "ld-linux-aarch64"}


def readelf(program, *options):
    return subprocess.run(["readelf", "--wide", *options, program], capture_output=True, text=True,
                          check=True).stdout


class HardeningTest(unittest.TestCase):
    def each(self):
        self.assertTrue(PROGRAMS, "no program was given")
        return PROGRAMS

    def test_position_independent(self):
        for program in self.each():
            self.assertRegex(readelf(program, "--file-header"), r"Type:\s+DYN")
            self.assertRegex(readelf(program, "--dynamic"), r"FLAGS_1.*\bPIE\b")

    def test_relocations_are_read_only_before_main(self):
        for program in self.each():
            self.assertIn("GNU_RELRO", readelf(program, "--program-headers"))
            self.assertRegex(readelf(program, "--dynamic"), r"FLAGS.*\b(BIND_NOW|NOW)\b")

    def test_no_memory_is_writable_and_executable(self):
        for program in self.each():
            headers = readelf(program, "--program-headers")
            stack = re.search(r"GNU_STACK\s+(?:0x\S+\s+){5}(\S+)", headers)
            self.assertIsNotNone(stack)
            self.assertEqual(stack[1], "RW")
            self.assertNotRegex(headers, r"LOAD\s+(?:0x\S+\s+){5}RWE")

    def test_calls_are_fortified_and_the_stack_is_guarded(self):
        for program in self.each():
            symbols = readelf(program, "--dyn-syms")
            self.assertIn("__stack_chk_fail", symbols)
            self.assertRegex(symbols, r"__\w+_chk\b")

    @unittest.skipUnless(platform.machine() == "x86_64", "control-flow marks are of x86")
    def test_functions_begin_with_a_landing_mark(self):
        # The ELF property is no measure: Debian's start files lack it, so no program can have it.
        for program in self.each():
            with open(program, "rb") as file:
                self.assertGreater(file.read().count(b"\xf3\x0f\x1e\xfa"), 200)  # endbr64

    def test_no_search_path_and_no_build_path_is_inside(self):
        here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        for program in self.each():
            self.assertNotRegex(readelf(program, "--dynamic"), r"\(R(UN)?PATH\)")
            with open(program, "rb") as file:
                self.assertNotIn(here.encode() + b"/", file.read())

    def test_agent_needs_only_the_libraries_we_know(self):
        for program in self.each():
            needed = set(re.findall(r"\(NEEDED\).*\[([^\]]+?)(?:-[\d.]+)?\.so", readelf(program, "--dynamic")))
            if os.path.basename(program) == "pawl-agent":
                self.assertLessEqual(needed, AGENT_LIBRARIES)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
