#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/bench delta and tools/corpus/make_pairs do with pairs, results and figures; with tools of our own, nothing is
downloaded."""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE), str(SOURCE / "tools/corpus")]

import apt_versions  # noqa: E402
import changed_images  # noqa: E402
import pair_items  # noqa: E402
from tools.bench_steps import delta, delta_pawl, delta_peers, delta_report, delta_store, rauc_rule  # noqa: E402
from tools.bench_steps.measure import BenchError  # noqa: E402
from tools.bench_steps.meter import Meter, Stopped  # noqa: E402

GIB = 1 << 30


def load_make_pairs():
    loader = importlib.machinery.SourceFileLoader("make_pairs", str(SOURCE / "tools/corpus/make_pairs"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_pairs", loader))
    loader.exec_module(module)
    return module


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-bench-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def pair(self):
        return delta_store.Pair("a-pair", self.file("old", b"old"), self.file("new", b"newer"))


class CopyTool(delta_peers.OneFile):
    """Its patch is the new file."""
    name = "copy"

    def version(self):
        return "1"

    def make_words(self, pair, patch):
        return ["cp", pair.new, patch]

    def apply_words(self, pair, patch, out):
        return ["cp", patch, out]


class WrongTool(CopyTool):
    def apply_words(self, pair, patch, out):
        return ["cp", pair.old, out]


class EndlessTool(CopyTool):
    def make_words(self, pair, patch):
        return [sys.executable, "-c", "while True: pass"]


def result(tool, size, arguments="", source="this run", pair="root-ext4", **more):
    usage = {"cpu_s": 2.0, "wall_s": 4.0, "rss_bytes": 3 << 20, "private_bytes": 1 << 20}
    return {"pair": pair, "tool": tool, "version": "1", "arguments": arguments, "bytes": size, "make": usage, "apply": usage,
            "equal": True, "stopped": "", "note": "", "source": source, "new_bytes": 1000} | more


def pawl(effort, threads, size, **more):
    return result(f"Pawl {effort}", size, f"--effort {effort} --threads {threads}", **more)


def report(results, **more):
    return {"machine": {"cpu": "cpu", "cores": 2, "kernel": "Linux", "compiler": "c++", "load": 0.0}, "date": "2026-01-01",
            "limits": {"gib": 8, "seconds": 60}, "plain_copy": {}, "results": results, "missing": [], "failed": []} | more


@unittest.skipUnless(shutil.which("time"), "time is not installed")
class MeterTest(InFolder):
    def test_says_what_a_program_used(self):
        usage = Meter(GIB, 60).run([sys.executable, "-c", "b = b'x' * (100 << 20); sum(range(3000000))"])
        self.assertGreater(usage.cpu_s, 0.01)
        self.assertGreater(usage.rss_bytes, 100 << 20)
        self.assertGreater(usage.private_bytes, 80 << 20)

    def test_does_not_count_the_memory_of_this_interpreter(self):
        ballast = b"x" * (64 << 20)
        usage = Meter(GIB, 60).run(["true"])
        self.assertLess(usage.rss_bytes, len(ballast) // 4)

    def test_stops_a_program_above_the_memory_limit(self):
        with self.assertRaisesRegex(Stopped, "more than 0.0625 GiB"):
            Meter(64 << 20, 60).run([sys.executable, "-c", "b = b'x' * (200 << 20)\nwhile True: pass"])

    def test_stops_a_program_past_the_time_limit(self):
        with self.assertRaisesRegex(Stopped, "longer than 0.1 s"):
            Meter(GIB, 0.1).run([sys.executable, "-c", "while True: pass"])

    def test_a_program_that_fails_is_an_error_with_what_it_said(self):
        with self.assertRaisesRegex(BenchError, "No such file"):
            Meter(GIB, 60).run(["cat", self.folder / "nothing"])


@unittest.skipUnless(shutil.which("time"), "time is not installed")
class BenchTest(InFolder):
    def bench(self, **options):
        options = {"most_gib": 1, "most_seconds": 60, "store": self.folder / "store.jsonl"} | options
        return delta.Bench(types.SimpleNamespace(**options), self.folder)

    def test_a_result_is_reused_only_for_the_same_bytes(self):
        first = self.bench().result_of(CopyTool(), self.pair(), False)
        self.assertEqual((first["bytes"], first["equal"], first["source"]), (5, True, "this run"))
        again = self.bench().result_of(CopyTool(), self.pair(), True)
        self.assertEqual(again["source"], f"reused, {first['date']}")
        self.assertEqual(again["make"], first["make"])
        changed = self.pair()
        self.file("new", b"other")
        self.assertEqual(self.bench().result_of(CopyTool(), changed, True)["source"], "this run")

    def test_a_result_is_not_reused_for_other_arguments_or_versions(self):
        tool, pair = CopyTool(), self.pair()
        self.bench().result_of(tool, pair, False)
        tool.arguments = "-9"
        self.assertEqual(self.bench().result_of(tool, pair, True)["source"], "this run")
        tool.version = lambda: "2"
        self.assertEqual(self.bench().result_of(tool, pair, True)["source"], "this run")

    def test_two_pairs_of_the_same_bytes_are_measured_once(self):
        bench, first = self.bench(), self.pair()
        bench.result_of(CopyTool(), first, False)
        again = bench.result_of(CopyTool(), delta_store.Pair("b-pair", first.old, first.new), False)
        self.assertEqual((again["pair"], again["source"]), ("b-pair", "this run"))
        self.assertEqual(len((self.folder / "store.jsonl").read_text().splitlines()), 1)

    def test_a_result_that_differs_from_the_new_file_gives_no_figures(self):
        with self.assertRaisesRegex(BenchError, "differs from the new file"):
            self.bench().result_of(WrongTool(), self.pair(), False)
        self.assertFalse((self.folder / "store.jsonl").exists())

    def test_a_tool_past_a_limit_is_reported_with_the_limit(self):
        stopped = self.bench(most_seconds=0.1).result_of(EndlessTool(), self.pair(), False)
        self.assertEqual((stopped["bytes"], stopped["stopped"]), (None, "making stopped: longer than 0.1 s"))

    def test_a_line_that_was_cut_off_does_not_cost_the_others(self):
        self.bench().result_of(CopyTool(), self.pair(), False)
        with (self.folder / "store.jsonl").open("a") as store:
            store.write('{"key": ["a')
        self.assertEqual(len(delta_store.Store(self.folder / "store.jsonl").results), 1)

    def test_a_cut_off_line_does_not_swallow_the_next_result(self):
        self.file("store.jsonl", b'{"key": ["a')
        self.bench().result_of(CopyTool(), self.pair(), False)
        self.assertEqual(len(delta_store.Store(self.folder / "store.jsonl").results), 1)


class ReportTest(unittest.TestCase):
    def test_the_summary_names_the_smallest_peer_and_the_verdict(self):
        rows = list(delta_report.summary_rows(report(
            [pawl("best", 1, 12_900_000), pawl("fast", 1, 14_000_000), result("xdelta3", 30_000_000),
             result("HDiffPatch", 15_000_000)])))
        self.assertEqual(rows, [["root-ext4", "1,000", "HDiffPatch", "15,000,000", "14,000,000", "12,900,000", "0.86×",
                                 "13,500,000", "stretch reached"]])

    def test_a_missed_goal_says_by_how_much(self):
        rows = list(delta_report.summary_rows(report([pawl("best", 1, 14_850_000), result("xdelta3", 30_000_000)])))
        self.assertEqual(rows[0][-1], "+10.0%")

    def test_a_recorded_figure_stands_in_only_for_what_was_not_measured(self):
        text = delta_report.markdown(report([pawl("best", 1, 13_000_000), result("HDiffPatch", 15_000_000)]))
        rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
        self.assertTrue(rows["| Android bsdiff"].endswith(" recorded |"))
        self.assertTrue(rows["| HDiffPatch"].endswith(" this run |"))
        self.assertEqual(text.count("\n| HDiffPatch | "), 1)

    def test_a_stopped_tool_is_shown_and_is_no_best_peer(self):
        stopped = result("bsdiff", None, pair="x", make=None, apply=None, equal=None, stopped="making stopped: more than 8 GiB")
        text = delta_report.markdown(report([stopped, result("zstd", 10, pair="x")]))
        self.assertIn("| bsdiff | - | - | - | - | - | - | - | - | making stopped: more than 8 GiB | this run |", text)
        self.assertIn("| x | 1,000 | zstd | 10 |", text)

    def test_application_is_held_against_a_plain_copy(self):
        copy = {"cpu_s": 0.5, "wall_s": 0.6, "rss_bytes": 0, "private_bytes": 0}
        text = delta_report.markdown(report([pawl("best", 2, 10, pair="x")], plain_copy={"x": copy}))
        self.assertIn("| Pawl best, 2 threads | 10 | 2.00 | 4.00 | 3.0 | 2.00 | 4.00× | 3.0 | 1.0 | yes | this run |", text)

    def test_scaling_compares_time_on_the_clock_and_bytes(self):
        one, two = pawl("best", 1, 10), pawl("best", 2, 10)
        two = two | {"make": two["make"] | {"wall_s": 2.5}}
        self.assertEqual(list(delta_report.scaling_rows(report([two, one]))),
                         [["root-ext4", "best", "4.00", "2.50 with 2", "1.60×", "yes"]])
        other = two | {"bytes": 11}
        self.assertEqual(list(delta_report.scaling_rows(report([other, one])))[0][-1], "NO")

    def test_layers_are_held_against_the_whole_engine(self):
        rows = [result("Pawl best", 100, pair="x", effort="best", without=None),
                result("Pawl best without pairing", 103, pair="x", effort="best", without="pairing")]
        self.assertIn("| x | best | pairing | 103 | +3.00% |", delta_report.markdown(report([], layers=rows)))

    def test_curves_are_in_the_order_of_image_and_change(self):
        points = [result("Pawl best", size, pair="x", effort="best", image_mib=mib, files=files)
                  for mib, files, size in ((4096, 0, 3), (600, 10, 2), (600, 0, 1))]
        rows = list(delta_report.curve_rows(points))
        self.assertEqual([row[:4] for row in rows],
                         [["600", "best", 0, "1"], ["600", "best", 10, "2"], ["4,096", "best", 0, "3"]])

    def test_a_peer_that_failed_or_is_missing_is_named(self):
        text = delta_report.about(report([], missing=[{"tool": "casync", "reason": "not installed"}],
                                         failed=[{"tool": "xdelta3", "pair": "x", "error": "boom"}]))
        self.assertIn("Not measured here: casync: not installed.", text)
        self.assertIn("FAILED: xdelta3 on x: boom", text)


class LayersTest(unittest.TestCase):
    def test_the_list_is_read_from_the_help(self):
        for text in ("  --without LAYER    leave out one of pairing, shift, recompress\n  --threads N",
                     "  --without TEXT:{pairing,shift,recompress}  for measuring\n",
                     "  --without TEXT  to see what one gains, leave it out: pairing, shift or recompress\n",
                     "  --without LAYER  layers: pairing | shift | recompress\n",
                     "E0001: unknown value '?' of --without: expected pairing, shift, or recompress\n"):
            self.assertEqual(delta_pawl.layers_in(text), ["pairing", "shift", "recompress"], text)

    def test_a_program_without_the_option_offers_none(self):
        self.assertEqual(delta_pawl.layers_in("  --effort TEXT  fast or best\n"), [])
        self.assertEqual(delta_pawl.layers_in("E0107: unknown option --without\n  see: pawl-signer delta make --help\n"), [])


class RaucRuleTest(InFolder):
    def test_moved_blocks_are_not_fetched_and_the_parts_give_the_image(self):
        a, b, c = (bytes([byte]) * 4096 for byte in b"abc")
        old, new = self.file("old", a + b), self.file("new", b + c + a + c[:100])
        rauc_rule.split(old, new, self.folder / "index", self.folder / "rest")
        self.assertEqual((self.folder / "rest").read_bytes(), c + c[:100])
        rauc_rule.join(old, self.folder / "index", self.folder / "rest", self.folder / "out")
        self.assertEqual((self.folder / "out").read_bytes(), new.read_bytes())


class MakePairsTest(InFolder):
    def setUp(self):
        super().setUp()
        self.module = load_make_pairs()
        self.cache = self.module.Cache(self.folder)

    def recipes(self, makers):
        recipes = types.SimpleNamespace(items=makers, pairs={"p": ("one", "two")})
        recipes.trees = types.SimpleNamespace(used=lambda pair: None)
        return recipes

    @staticmethod
    def writes(text):
        def make(out, _scratch):
            out.write_text(text)
            return "here"
        return make

    @staticmethod
    def fails(out, _scratch):
        out.write_text("half")
        raise apt_versions.CorpusError("gone")

    def test_what_cannot_be_made_leaves_nothing_and_is_said(self):
        failed = self.module.make_all(self.cache, self.recipes({"one": self.writes("1"), "two": self.fails}), ["p"])
        self.assertEqual(failed, ["p: gone"])
        self.assertEqual([path.name for path in (self.folder / "items").iterdir()], ["one"])
        self.assertEqual((self.folder / "INDEX").read_text(), "")
        self.assertEqual(list(self.folder.glob("making-*")), [])

    def test_what_is_there_is_not_made_again(self):
        self.module.make_all(self.cache, self.recipes({"one": self.writes("1"), "two": self.fails}), ["p"])
        self.assertEqual(self.module.make_all(self.cache, self.recipes({"one": self.fails, "two": self.writes("2")}), ["p"]), [])
        items = self.folder / "items"
        self.assertEqual((self.folder / "INDEX").read_text(), f"p {items / 'one'} {items / 'two'}\n")
        pair = delta_store.ready_pairs(self.folder)["p"]
        self.assertEqual((pair.old.read_text(), pair.new.read_text(), pair.trees), ("1", "2", None))

    def test_every_pair_names_files_that_can_be_made(self):
        recipes = self.module.Recipes(self.folder)
        for pair, names in recipes.pairs.items():
            for name in names:
                self.assertIn(name, recipes.items, pair)

    def test_every_pair_with_a_goal_is_one_that_can_be_made(self):
        self.assertEqual(set(delta_report.known()) - set(self.module.Recipes(self.folder).pairs), set())

    def test_the_images_of_the_curves_are_made_only_when_asked_for(self):
        pairs = self.module.Recipes(self.folder).pairs
        self.assertFalse([name for name in self.module.chosen(pairs, None, False) if name.startswith("changed-")])
        self.assertEqual(len(self.module.chosen(pairs, None, True)), 2 * len(changed_images.COUNTS))
        with self.assertRaisesRegex(apt_versions.CorpusError, "no pair is named nothing"):
            self.module.chosen(pairs, ["nothing"], False)


class KernelsTest(unittest.TestCase):
    def packages(self, *names):
        packages = pair_items.Packages("arm64", None)
        packages.names = list(names)
        return packages

    def test_flavours_are_kept_apart(self):
        packages = self.packages("linux-image-6.1.0-9-arm64", "linux-image-6.1.0-10-arm64", "linux-image-6.1.0-9-cloud-arm64",
                                 "linux-image-6.1.0-10-arm64-dbg", "linux-image-6.12.1-arm64")
        self.assertEqual(packages.abis(), ["6.1.0-9", "6.1.0-10"])
        self.assertEqual(packages.kernel("6.1.0-10", "cloud"), "linux-image-6.1.0-9-cloud-arm64")

    def test_none_on_offer_is_an_error(self):
        with self.assertRaisesRegex(apt_versions.CorpusError, "apt-get update"):
            self.packages("linux-image-6.12.1-arm64").abis()


class NearestTest(unittest.TestCase):
    def test_takes_the_version_that_was_asked_for(self):
        self.assertEqual(pair_items.nearest("1.10.0", ["1.9.0", "1.10.0", "1.11.0"]), "1.10.0")

    def test_takes_the_older_neighbour_of_one_that_left(self):
        self.assertEqual(pair_items.nearest("1.10.0", ["1.2.0", "1.9.0", "1.11.0"]), "1.9.0")

    def test_takes_the_oldest_where_all_are_newer(self):
        self.assertEqual(pair_items.nearest("6.1.0-47", ["6.1.0-56", "6.1.0-50"]), "6.1.0-50")

    def test_nothing_on_offer_is_an_error(self):
        with self.assertRaises(apt_versions.CorpusError):
            pair_items.nearest("1.0", [])


if __name__ == "__main__":
    unittest.main()
