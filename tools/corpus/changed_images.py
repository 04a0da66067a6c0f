# SPDX-License-Identifier: Apache-2.0
"""Images that differ in a given number of files: what an update costs against what has changed.

The files that change are such as really differ between the two root trees, spread evenly over
their paths; each becomes what it is in the newer tree. The small image holds the older tree, the
large one also the kernels of one series with all their modules.
"""

import shutil
import subprocess
import tarfile

import apt_versions as apt
import pair_items as items

COUNTS = (0, 1, 10, 100)
SMALL_MIB, LARGE_MIB = 600, 4096
KERNELS_MIB = 3300  # of the large image; the rest is the tree and room
PREFIX = "changed-"


def add(recipes, folder):
    for size in (SMALL_MIB, LARGE_MIB):
        for count in COUNTS:
            name = image_name(size, count)
            recipes.items[name] = maker(recipes.trees, folder, size, count)
            recipes.add(f"{PREFIX}{size}-{count}", image_name(size, 0), name)


def image_name(size, count):
    return f"{PREFIX}{size}-{count}.ext4"


def maker(trees, folder, size, count):
    def make(out, scratch):
        overlays = []
        if size == LARGE_MIB:
            overlays.append(kernels(folder, scratch))
        if count:
            overlays.append(newer_files(trees.old(), trees.new(), count, scratch / "newer"))
        items.ext4(trees.old, lambda: size, overlays)(out, scratch)
        return f"{count} files as in the newer tree"
    return make


def contents(tar):
    """{path: digest of the bytes} of the regular files in a tree."""
    with tarfile.open(tar) as archive:
        return {entry.name: items.digest_of(archive.extractfile(entry))
                for entry in archive if entry.isfile() and entry.size > 0}


def newer_files(old, new, count, into):
    """A folder with `count` files that differ between the trees, as they are in the newer one."""
    before, after = contents(old), contents(new)
    differing = sorted(path for path in before.keys() & after.keys() if before[path] != after[path])
    if len(differing) < count:
        raise apt.CorpusError(f"expected at least {count} files that differ between the root "
                              f"trees, found {len(differing)}")
    chosen = [differing[(2 * number + 1) * len(differing) // (2 * count)]
              for number in range(count)]
    into.mkdir()
    apt.run(["tar", "-C", str(into), "-xpf", str(new), *chosen])
    return into


def kernels(folder, scratch):
    """A folder with as many kernel packages of one series as the large image has room for. It is
    kept, since all large images hold it."""
    kept = folder / "trees" / "kernels"
    if kept.exists():
        return kept
    packages = items.Packages("amd64", folder / "apt-amd64")
    into, one = scratch / "kernels", scratch / "one"
    into.mkdir()
    used = 0
    for abi in packages.abis():
        deb = items.KernelPackage(packages, abi, folder / "debs", flavour="").deb
        one.mkdir()
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)],
                              stdout=subprocess.PIPE) as process:
            done = subprocess.run(["tar", "-C", str(one), "-xpf", "-", "./boot", "./lib"],
                                  stdin=process.stdout, check=False)
        if done.returncode != 0 or process.returncode != 0:
            raise apt.CorpusError(f"could not unpack {deb.name}")
        used += int(apt.run(["du", "-sm", str(one)]).split()[0])
        if used > KERNELS_MIB:
            break
        shutil.copytree(one, into, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(one)
    kept.parent.mkdir(parents=True, exist_ok=True)
    into.replace(kept)
    return kept
