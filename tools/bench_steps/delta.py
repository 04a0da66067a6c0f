# SPDX-License-Identifier: Apache-2.0
"""tools/bench delta: Pawl's delta engine beside other tools, on real pairs of releases."""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import signal
import sys
import tempfile

from . import delta_curves, delta_report
from .delta_pawl import Pawl, plain_copy
from .delta_peers import all_peers
from .delta_store import Digests, Store, cache_folder, ready_pairs
from .measure import ROOT, BenchError, machine, run_quietly, say
from .meter import Meter, Stopped

REUSES_OURS = ("all", "stored")
QUICK_BYTES = 16 << 20  # --quick leaves larger files out


class Bench:
    """One run: what was asked for, the store, and the results of this run in their order."""

    def __init__(self, options, work):
        self.options, self.work = options, work
        self.meter = Meter(int(options.most_gib * (1 << 30)), options.most_seconds)
        self.store = Store(options.store)
        self.digest = Digests()
        self.measured_now = set()
        self.today = datetime.date.today().isoformat()

    def key(self, tool, pair):
        old, new = tool.inputs(pair)
        return [self.digest(old), self.digest(new), tool.name, tool.version(), tool.arguments]

    def is_stored(self, tool, pair):
        return self.store.find(self.key(tool, pair)) is not None

    def result_of(self, tool, pair, may_reuse):
        """Measures one tool on one pair, or takes what the store has when that is allowed."""
        key = self.key(tool, pair)
        is_new = tuple(key) in self.measured_now  # trees stand behind several images
        stored = self.store.find(key) if may_reuse or is_new else None
        if stored:
            source = "this run" if is_new else f"reused, {stored['date']}"
            return stored | {"pair": pair.name, "source": source}
        say(f"{pair.name}: {tool.name}")
        result = {"key": key, "pair": pair.name, "tool": tool.name, "version": key[3],
                  "arguments": tool.arguments, "date": self.today,
                  "old_bytes": pair.old.stat().st_size, "new_bytes": pair.new.stat().st_size}
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            result |= measured(tool, pair, pathlib.Path(folder), self.meter)
        self.store.add(result)
        self.measured_now.add(tuple(key))
        return result | {"source": "this run"}


def measured(tool, pair, folder, meter):
    """The figures of one tool on one pair. What passes a limit is said, not lost."""
    figures = {"bytes": None, "make": None, "apply": None, "equal": None, "stopped": "", "note": ""}
    out = folder / "out"
    try:
        size, usage, note = tool.make(pair, folder, meter)
        figures |= {"bytes": size, "make": dataclasses.asdict(usage), "note": note}
        usage = tool.apply(pair, folder, out, meter)
        figures["apply"] = dataclasses.asdict(usage) if usage else None
        figures["equal"] = tool.is_equal(pair, out, folder)
    except Stopped as stop:
        doing = "making" if figures["make"] is None else "applying"
        figures["stopped"] = f"{doing} stopped: {stop}"
    if figures["equal"] is False:
        raise BenchError(f"{tool.name} on {pair.name}: the result differs from the new file")
    return figures


def usable_peers(options):
    """The peers that can be run here, and a line on each that cannot."""
    known = {peer.name: peer for peer in all_peers(installed_only=options.programs is not None)}
    wanted = list(known) if options.peers is None else options.peers
    if wanted == ["none"]:
        return [], []
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise BenchError(f"no peer is named {', '.join(unknown)}; there are: {', '.join(known)}")
    usable, missing = [], []
    for name in wanted:
        reason = known[name].missing()
        if reason:
            missing.append({"tool": name, "reason": reason})
        else:
            usable.append(known[name])
    return usable, missing


def chosen_pairs(options):
    pairs = ready_pairs(options.pairs_folder)
    if options.pairs:
        unknown = [name for name in options.pairs if name not in pairs]
        if unknown:
            raise BenchError(f"not ready: {', '.join(unknown)}; ready are: {', '.join(pairs)}. "
                             f"tools/corpus/make_pairs --only NAME makes more")
        return [pairs[name] for name in options.pairs]
    found = [pair for pair in pairs.values() if not pair.name.startswith(delta_curves.PREFIX)]
    if options.quick:
        found = [pair for pair in found if pair.new.stat().st_size <= QUICK_BYTES]
    if not found:
        raise BenchError("no pair is ready; run tools/corpus/make_pairs")
    return found


def programs(options, work):
    """The folder with pawl-signer: the one given, or a fresh release build."""
    if options.programs:
        return options.programs
    say("packages and programs")
    run_quietly([ROOT / "tools" / "setup", "build", "bench"], work / "setup.log")
    run_quietly(["cmake", "--preset", "release"], work / "configure.log")
    run_quietly(["cmake", "--build", "--preset", "release", "--target", "pawl-signer"],
                work / "build.log")
    return ROOT / "build" / "release" / "signer"


def run_pairs(bench, signer, report):
    """All tools on all pairs, one at a time. The slowest peers come last, over all pairs."""
    options, pairs = bench.options, chosen_pairs(bench.options)
    peers, report["missing"] = usable_peers(options)
    order = {pair.name: number for number, pair in enumerate(pairs)}
    results, failed = [], []
    if signer:
        for pair in pairs:
            for tool in Pawl.variants(signer, options.efforts, options.threads):
                if options.reuse == "stored" and not bench.is_stored(tool, pair):
                    continue
                results.append(bench.result_of(tool, pair, options.reuse in REUSES_OURS))
            report["plain_copy"][pair.name] = plain_copy(pair, bench.work, bench.meter)
    for peer in peers:
        for pair in pairs:
            if options.reuse == "stored" and not bench.is_stored(peer, pair):
                continue
            try:
                results.append(bench.result_of(peer, pair, bool(options.reuse)))
            except BenchError as error:
                # One peer that fails must not cost the figures of hours.
                say(f"{pair.name}: {peer.name} failed: {error}")
                failed.append({"pair": pair.name, "tool": peer.name, "error": str(error)})
    report["results"] = sorted(results, key=lambda result: order[result["pair"]])
    report["failed"] = failed


def whole_number(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench delta", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="only pairs up to 16 MiB: does it all work and agree?")
    parser.add_argument("--pairs", nargs="+", metavar="NAME", help="only these pairs")
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only these, or: none")
    parser.add_argument("--no-pawl", action="store_true", help="measure the peers alone")
    parser.add_argument("--efforts", nargs="+", choices=("fast", "best"),
                        default=["fast", "best"], help="of Pawl (both)")
    parser.add_argument("--threads", nargs="+", type=whole_number, metavar="N",
                        default=sorted({1, os.cpu_count() or 1}),
                        help="Pawl makes its delta with each of these (1 and all cores)")
    parser.add_argument("--reuse", nargs="?", const="peers",
                        choices=("peers", "all", "stored"),
                        help="take results of earlier runs for the same bytes, version and "
                             "arguments: of the peers, or also of this build of Pawl; stored: and "
                             "run nothing that has none")
    parser.add_argument("--curves", action="store_true",
                        help="cost against 0, 1, 10, 100 changed files, instead of the pairs")
    parser.add_argument("--layers", action="store_true",
                        help="size without each layer, instead of the peers")
    parser.add_argument("--most-gib", type=float, default=8, metavar="N",
                        help="a tool that takes more memory is stopped (%(default)s)")
    parser.add_argument("--most-seconds", type=float, default=3600, metavar="N",
                        help="a program that takes longer is stopped (%(default)s)")
    parser.add_argument("--write", action="store_true",
                        help="rewrite the figures of docs/benchmarks.md")
    parser.add_argument("--json", metavar="FILE", help="everything that was measured, also to FILE")
    parser.add_argument("--programs", metavar="DIR", type=pathlib.Path,
                        help="take pawl-signer from here, install and build nothing")
    parser.add_argument("--pairs-folder", metavar="DIR", type=pathlib.Path,
                        default=cache_folder() / "pairs", help="where the pairs are (%(default)s)")
    parser.add_argument("--store", metavar="FILE", type=pathlib.Path,
                        default=cache_folder() / "bench" / "delta.jsonl",
                        help="where results are kept (%(default)s)")
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.no_pawl):
        parser.error("--write needs Pawl, and --quick leaves too much out")
    if options.write and options.pairs and not options.layers:
        parser.error("--write needs all pairs")
    if options.curves and options.layers:
        parser.error("choose one of --curves and --layers")
    return options


def run(options, work):
    signer = None if options.no_pawl else programs(options, work) / "pawl-signer"
    if signer and not signer.is_file():
        raise BenchError(f"expected the program '{signer}', found none")
    bench = Bench(options, work)
    report = {"schema": "pawl.bench.delta/1", "machine": machine(), "date": bench.today,
              "limits": {"gib": options.most_gib, "seconds": options.most_seconds},
              "plain_copy": {}, "results": [], "missing": [], "failed": []}
    if options.curves:
        report["curves"] = delta_curves.measure(bench, signer)
    elif options.layers:
        report["layers"] = delta_curves.layers(bench, signer, chosen_pairs(options))
    else:
        run_pairs(bench, signer, report)
    return report


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def main(arguments):
    options = parse(arguments)
    signal.signal(signal.SIGTERM, interrupted)  # what runs is stopped, too
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-delta-", dir=place) as work:
            report = run(options, pathlib.Path(work))
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        print(delta_report.markdown(report))
        if options.write:
            delta_report.write(report)
            say("docs/benchmarks.md has the new figures")
    except KeyboardInterrupt:
        print("bench: interrupted; what was measured is kept, --reuse goes on from there",
              file=sys.stderr)
        return 130
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 1 if report["failed"] else 0
