# SPDX-License-Identifier: Apache-2.0
"""The tables that tools/bench delta prints and writes into docs/benchmarks.md."""

import json
import pathlib

from .measure import ROOT, rewrite_section
from .tuf_report import table

PAGE = ROOT / "docs" / "benchmarks.md"
RECORDED = pathlib.Path(__file__).resolve().with_name("delta_recorded.json")
MIB = 1 << 20


def known():
    """{pair: {goal, stretch, recorded}} that stands in the file beside this one."""
    return json.loads(RECORDED.read_text("utf-8"))["pairs"]


def recorded_results(pair, measured):
    """The recorded figures of tools that were not measured on this pair, as results."""
    have = {result["tool"] for result in measured if result["bytes"] is not None}
    found = []
    for tool, arguments, size, make_s, make_mb, apply_s, apply_mb in \
            known().get(pair, {}).get("recorded", []):
        if tool in have:
            continue
        found.append({"pair": pair, "tool": tool, "version": "", "arguments": arguments,
                      "bytes": size, "make": old_usage(make_s, make_mb),
                      "apply": old_usage(apply_s, apply_mb), "equal": None, "stopped": "",
                      "note": "", "source": "recorded"})
    return found


def old_usage(seconds, megabytes):
    return {"cpu_s": seconds, "wall_s": None, "private_bytes": None,
            "rss_bytes": megabytes and megabytes * 1e6}


def by_pair(report):
    """{pair: its results, recorded ones added, the smallest first and what was stopped last}."""
    pairs = {}
    for result in report["results"]:
        pairs.setdefault(result["pair"], []).append(result)
    for pair, results in pairs.items():
        results += recorded_results(pair, results)
        results.sort(key=lambda result: (result["bytes"] is None, result["bytes"] or 0))
    return pairs


def is_pawl(result):
    return result["tool"].startswith("Pawl")


def best_peer(results):
    sized = [result for result in results if not is_pawl(result) and result["bytes"] is not None]
    return min(sized, key=lambda result: result["bytes"], default=None)


def pawl_of(results, effort):
    """The run of that effort with the most threads: its time on the clock is what a user waits."""
    found = [result for result in results
             if result["tool"] == f"Pawl {effort}" and result["bytes"] is not None]
    return max(found, key=threads_of, default=None)


def threads_of(result):
    return int(result["arguments"].split("--threads ")[1].split()[0])


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def seconds(usage, key="cpu_s"):
    return number(usage[key] if usage else None, 2)


def mib(usage, key):
    value = usage[key] if usage else None
    return number(None if value is None else value / MIB)


def size_of(result):
    return f"{result['bytes']:,}" if result and result["bytes"] is not None else "-"


def ratio(value, base):
    return f"{value / base:.2f}×" if value is not None and base else "-"


def summary_rows(report):
    for pair, results in by_pair(report).items():
        peer, facts = best_peer(results), known().get(pair, {})
        best, fast = pawl_of(results, "best"), pawl_of(results, "fast")
        goal = facts.get("goal")
        verdict = "-"
        if goal and best:
            verdict = "reached" if best["bytes"] <= goal else f"{best['bytes'] / goal - 1:+.1%}"
            if "stretch" in facts and best["bytes"] <= facts["stretch"]:
                verdict = "stretch reached"
        yield [pair, new_bytes(results), peer["tool"] + mark(peer) if peer else "-",
               size_of(peer), size_of(fast), size_of(best),
               ratio(best["bytes"], peer["bytes"]) if best and peer else "-",
               f"{goal:,}" if goal else "-", verdict]


def new_bytes(results):
    return next((f"{result['new_bytes']:,}" for result in results if "new_bytes" in result), "-")


def mark(result):
    return " (recorded)" if result["source"] == "recorded" else ""


def equal_cell(result):
    if result["stopped"]:
        return result["stopped"]
    return "yes" if result["equal"] else "-"


def tool_rows(results, copy):
    for result in results:
        making, applying = result["make"], result["apply"]
        against_copy = ratio(applying["cpu_s"], copy["cpu_s"]) if applying and copy else "-"
        name = result["tool"]
        if is_pawl(result):
            count = threads_of(result)
            name += f", {count} thread{'s' if count > 1 else ''}"
        note = ": " + result["note"] if result["note"] else ""
        yield [name, size_of(result), seconds(making), seconds(making, "wall_s"),
               mib(making, "rss_bytes"), seconds(applying), against_copy,
               mib(applying, "rss_bytes"), mib(applying, "private_bytes"), equal_cell(result),
               result["source"] + note]


TOOL_HEAD = ["tool", "bytes", "make CPU s", "make wall s", "make RSS MiB", "apply CPU s",
             "× plain copy", "apply RSS MiB", "apply private MiB", "equal", "from"]


def scaling_rows(report):
    """Time on the clock of one thread against the most, where both were measured."""
    for pair, results in by_pair(report).items():
        for effort in ("fast", "best"):
            runs = sorted((result for result in results if result["tool"] == f"Pawl {effort}"
                           and result["make"]), key=threads_of)
            if len(runs) < 2:
                continue
            one, most = runs[0], runs[-1]
            yield [pair, effort, seconds(one["make"], "wall_s"),
                   f"{seconds(most['make'], 'wall_s')} with {threads_of(most)}",
                   ratio(one["make"]["wall_s"], most["make"]["wall_s"]),
                   "yes" if one["bytes"] == most["bytes"] else "NO"]


def versions(report):
    found = {}
    for result in report["results"]:
        found[result["tool"]] = f"{result['tool']} {result['version']}" + (
            f" ({result['arguments']})" if result["arguments"] and not is_pawl(result) else "")
    return "; ".join(sorted(found.values()))


def about(report):
    machine = report["machine"]
    limits = report["limits"]
    lines = [f"{report['date']}; {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}; "
             f"{machine['compiler']}, preset `release`. Load average before: {machine['load']:.1f}."
             f" Stopped above {limits['gib']:g} GiB or {limits['seconds']:g} s."]
    if report["results"]:
        lines.append(f"Tools: {versions(report)}.")
    lines += [f"Not measured here: {row['tool']}: {row['reason']}." for row in report["missing"]]
    lines += [f"FAILED: {row['tool']} on {row['pair']}: {row['error']}" for row in report["failed"]]
    return "\n".join(lines)


def pair_parts(report):
    parts = ["### Sizes",
             table(["pair", "new file", "best peer", "its bytes", "Pawl fast", "Pawl best",
                    "best ÷ peer", "goal", "verdict"], summary_rows(report))]
    scaling = list(scaling_rows(report))
    if scaling:
        parts += ["### Making a delta with more threads",
                  table(["pair", "effort", "wall s, 1 thread", "wall s", "faster", "same bytes"],
                        scaling)]
    for pair, results in by_pair(report).items():
        copy = report["plain_copy"].get(pair)
        parts.append(f"### {pair}")
        if copy:
            parts.append(f"Plain copy: {seconds(copy)} s CPU, {seconds(copy, 'wall_s')} s wall.")
        parts.append(table(TOOL_HEAD, tool_rows(results, copy)))
    return parts


def curve_rows(points):
    order = lambda point: (point["image_mib"], point["effort"], point["files"])  # noqa: E731
    for point in sorted(points, key=order):
        yield [f"{point['image_mib']:,}", point["effort"], point["files"], size_of(point),
               seconds(point["make"]), seconds(point["make"], "wall_s"),
               mib(point["make"], "rss_bytes"), seconds(point["apply"]),
               mib(point["apply"], "private_bytes"), equal_cell(point)]


def layer_rows(rows):
    whole = {(row["pair"], row["effort"]): row["bytes"] for row in rows if not row["without"]}
    for row in rows:
        base = whole.get((row["pair"], row["effort"]))
        comparable = base and row["bytes"] and row["without"]
        gain = f"{row['bytes'] / base - 1:+.2%}" if comparable else "-"
        yield [row["pair"], row["effort"], row["without"] or "(nothing)", size_of(row), gain,
               seconds(row["make"]), seconds(row["apply"])]


def curve_parts(report):
    return ["### Cost against the change",
            table(["image MiB", "effort", "changed files", "bytes", "make CPU s", "make wall s",
                   "make RSS MiB", "apply CPU s", "apply private MiB", "equal"],
                  curve_rows(report["curves"]))]


def layer_parts(report):
    return ["### Without one layer",
            table(["pair", "effort", "without", "bytes", "larger by", "make CPU s", "apply CPU s"],
                  layer_rows(report["layers"]))]


def section(report):
    """(name of the section in the page, the parts of its text)."""
    if "curves" in report:
        return "delta-curves", curve_parts(report)
    if "layers" in report:
        return "delta-layers", layer_parts(report)
    return "delta", pair_parts(report)


def markdown(report):
    return "\n\n".join([about(report), *section(report)[1]]) + "\n"


def write(report):
    rewrite_section(PAGE, section(report)[0], markdown(report))
