# SPDX-License-Identifier: Apache-2.0
"""The tables that tools/bench tuf prints and writes into docs/benchmarks.md."""

from .measure import ROOT, middle, rewrite_section

PAGE = ROOT / "docs" / "benchmarks.md"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def milliseconds(values):
    """Median, and the best in brackets."""
    return f"{middle(values) / 1000:.1f} ({min(values) / 1000:.1f})"


def ratio(value, base):
    return f"{value / base:.1f}×" if base else "-"


def stopped(report, cells):
    return [f"stopped after {report['most_seconds']} s"] + ["-"] * (cells - 1)


def process(runs, key):
    return [run["process"][key] for run in runs]


def start_rows(report):
    for name, runs in report["start"].items():
        yield [name, milliseconds(process(runs, "wall_us")),
               milliseconds(process(runs, "cpu_us")),
               f"{middle(process(runs, 'rss_kib')) / 1024:.1f}"]


def refresh_rows(report):
    for repository in report["repositories"]:
        for name, result in repository["clients"].items():
            if result is None:
                yield [repository["title"], name, *stopped(report, 6)]
                continue
            runs = result["runs"]
            yield [repository["title"], name, milliseconds([run["cpu_us"] for run in runs]),
                   milliseconds([run["wall_us"] for run in runs]),
                   milliseconds(process(runs, "wall_us")),
                   f"{middle(process(runs, 'rss_kib')) / 1024:.1f}",
                   f"{result['bytes']:,}", result["requests"]]


def refresh_ratio_rows(report):
    for repository in report["repositories"]:
        pawl = repository["clients"]["pawl"]["runs"]
        for name, result in repository["clients"].items():
            if name == "pawl" or result is None:
                continue
            runs = result["runs"]
            row = [repository["title"], name]
            for values in (lambda r: [x["cpu_us"] for x in r], lambda r: [x["wall_us"] for x in r],
                           lambda r: process(r, "cpu_us"), lambda r: process(r, "wall_us"),
                           lambda r: process(r, "rss_kib")):
                row.append(ratio(middle(values(runs)), middle(values(pawl))))
            yield row


def file_rows(report):
    for file in report["files"]:
        pawl = middle(file["clients"]["pawl"]["cpu_us"])
        for name, answer in file["clients"].items():
            if answer is None:
                yield [file["title"], name, *stopped(report, 3)]
                continue
            outcome = "good" if answer["accepted"] else "refused " + answer.get("refusal", "")
            yield [file["title"], name, outcome.strip(), milliseconds(answer["cpu_us"]),
                   ratio(middle(answer["cpu_us"]), pawl)]


def about(report):
    machine = report["machine"]
    versions = [f"{name} {runs[0]['version']} ({runs[0]['runtime']})"
                for name, runs in report["start"].items() if "version" in runs[0]]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}; "
             f"{machine['compiler']}, preset `bench`. Load average before: {machine['load']:.1f}. "
             f"Up to {report['runs']} runs; medians, the best run in brackets.",
             "Peers: " + ("; ".join(versions) or "none") + "."]
    return "\n".join(lines + [f"Not measured here: {line}." for line in report["missing"]])


def heap_rows(report):
    for row in report["heap"]:
        yield [row["title"], f"{row['peak_bytes']:,}", f"{row['peak_bytes'] / (8 << 20):.0%}"]


def markdown(report):
    parts = [about(report)]
    parts += ["### Starting a process that does nothing",
              table(["client", "wall ms", "CPU ms", "peak RSS MiB"], start_rows(report))]
    parts += ["### Cold refresh and one target looked up",
              table(["repository", "client", "CPU ms inside", "wall ms inside",
                     "wall ms with start", "peak RSS MiB", "bytes", "requests"],
                    refresh_rows(report))]
    if len(report["start"]) > 1:
        parts += ["As a multiple of Pawl:",
                  table(["repository", "client", "CPU inside", "wall inside", "CPU with start",
                         "wall with start", "peak RSS"], refresh_ratio_rows(report))]
    parts += ["### Parsing and checking one targets file",
              table(["file", "client", "outcome", "CPU ms", "multiple of Pawl"],
                    file_rows(report))]
    if "heap" in report:
        parts += ["### Heap under a device's caps",
                  table(["worst case", "peak bytes", "of 8 MiB"], heap_rows(report))]
    return "\n\n".join(parts) + "\n"


def write(report):
    rewrite_section(PAGE, "tuf", markdown(report))
