# SPDX-License-Identifier: Apache-2.0
"""How cost grows with the change and the image (--curves), and what each layer gains (--layers)."""

from .delta_pawl import Pawl, layers_offered
from .delta_store import ready_pairs
from .measure import BenchError, say

PREFIX = "changed-"  # pairs of tools/corpus/make_pairs: changed-<MiB>-<files>


def measure(bench, signer):
    """Pawl on all images with 0, 1, 10 and 100 changed files that are ready."""
    if signer is None:
        raise BenchError("--curves measures Pawl; leave --no-pawl out")
    wanted = bench.options.pairs
    pairs = [pair for name, pair in ready_pairs(bench.options.pairs_folder).items()
             if name.startswith(PREFIX) and (not wanted or name in wanted)]
    if not pairs:
        raise BenchError("no image with changed files is ready; "
                         "run tools/corpus/make_pairs --curves")
    points = []
    for pair in pairs:
        _, size, files = pair.name.split("-")
        for effort in bench.options.efforts:
            tool = Pawl(signer, effort, max(bench.options.threads))
            result = bench.result_of(tool, pair, bench.options.reuse in ("all", "stored"))
            points.append({"image_mib": int(size), "files": int(files), "effort": effort} | result)
    return points


def layers(bench, signer, pairs):
    """The size of each pair with everything, and without each layer that can be left out."""
    if signer is None:
        raise BenchError("--layers measures Pawl; leave --no-pawl out")
    offered = layers_offered(signer)
    if not offered:
        say("this pawl-signer offers no --without; only the whole engine is measured")
    rows = []
    for pair in pairs:
        for effort in bench.options.efforts:
            for without in [None, *offered]:
                tool = Pawl(signer, effort, max(bench.options.threads), without)
                result = bench.result_of(tool, pair, bench.options.reuse in ("all", "stored"))
                rows.append({"effort": effort, "without": without} | result)
    return rows
