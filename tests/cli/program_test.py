#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does every program answer the same way: --version, --help, explain, --json, completion, errors?

usage: program_test.py PROGRAM...
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = [os.path.abspath(path) for path in sys.argv[1:]]
# What a program may see of the caller: nothing but what lets a sanitizer speak.
FINDINGS = {"pawl-agent doctor"}  # the answer itself says what is wrong
SERVICES = {"pawl-agent run"}  # work until they are told to stop
ENV = {name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
       if name in os.environ} | {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


def run(program, *words):
    with tempfile.TemporaryDirectory(prefix="pawl-cli-") as folder:
        return subprocess.run([program, *words], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, cwd=folder, env=ENV, timeout=120)


def commands_of(program):
    text = run(program, "--help").stdout.split("Commands:\n", 1)[-1]
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  ", text, re.M)


class ProgramTest(unittest.TestCase):
    def each(self):
        self.assertTrue(PROGRAMS, "no program was given")
        return [(program, pathlib.Path(program).name) for program in PROGRAMS]

    def test_version_is_one_line(self):
        for program, name in self.each():
            done = run(program, "--version")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, rf"\A{name} \d+\.\d+\.\d+\n\Z")

    def test_help_fits_a_terminal_and_names_explain(self):
        for program, name in self.each():
            done = run(program, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(done.stdout.startswith(name))
            self.assertIn("explain", done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)

    def test_every_command_has_help_with_an_example(self):
        for program, name in self.each():
            commands = commands_of(program)
            self.assertIn("explain", commands)
            for command in commands:
                done = run(program, *command.split(), "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""), command)
                self.assertIn("--json", done.stdout, command)
                example = done.stdout.split("Example:\n", 1)[-1].strip()
                self.assertTrue(example.startswith(f"{name} {command.split()[0]}")
                                or f"{name} {command.split()[0]}" in example, f"{command}: {example}")

    def test_explain_answers_people_and_programs(self):
        for program, _ in self.each():
            self.assertIn("signature-threshold", run(program, "explain", "E0202").stdout)
            answer = json.loads(run(program, "explain", "E0202", "--json").stdout)
            self.assertEqual(answer["schema"], "pawl.explain/1")
            self.assertEqual((answer["code"], answer["exit_status"]), ("E0202", 12))

    def test_all_programs_explain_the_same_codes(self):
        self.assertEqual(len({run(program, "explain", "--all").stdout for program in PROGRAMS}), 1)

    def test_wrong_usage_is_exit_status_2_and_json_when_asked(self):
        for program, name in self.each():
            done = run(program, "no-such-command")
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith(f"{name}: error: E0101 usage: "), done.stderr)
            answer = json.loads(run(program, "no-such-command", "--json").stdout)
            self.assertEqual((answer["schema"], answer["code"]), ("pawl.error/1", "E0101"))
            self.assertEqual(set(answer), {"schema", "code", "slug", "class", "message",
                                           "retryable", "hint"})

    def test_typing_mistake_gets_a_suggestion(self):
        for program, _ in self.each():
            self.assertIn("did you mean 'explain'?", run(program, "explian").stderr)

    def test_every_command_fails_cleanly_without_arguments_or_state(self):
        """In an empty folder: an answer or an error with a code, never a crash."""
        for program, name in self.each():
            for command in commands_of(program):
                if f"{name} {command}" in SERVICES:
                    continue
                done = run(program, *command.split(), "--json")
                self.assertIn(done.returncode, (0, 2, 10, *range(11, 19), 75),
                              f"{command}: {done.returncode}\n{done.stderr}")
                answer = json.loads(done.stdout)
                self.assertRegex(answer["schema"], r"\Apawl\.[a-z0-9_.-]+/\d+\Z", command)
                if done.returncode not in (0, 10) and f"{name} {command}" not in FINDINGS:
                    self.assertEqual(answer["schema"], "pawl.error/1", command)
                    self.assertIn(f"{name}: hint: ", done.stderr)

    def test_completion_is_a_script_that_completes_commands(self):
        for program, name in self.each():
            script = run(program, "completion", "bash").stdout
            first = commands_of(program)[0].split()[0]
            ask = (f'{script}\nCOMP_WORDS=({name} {first[:2]}) COMP_CWORD=1\n'
                   f'_{name.replace("-", "_")}\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n')
            done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(first, done.stdout.split())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
