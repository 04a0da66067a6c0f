# SPDX-License-Identifier: Apache-2.0
"""The tools of others that tools/bench delta runs: how each makes its update and applies it.

A tool is given the pair, a work folder of its own and a meter. make() leaves what a device has to
fetch and returns (bytes to fetch, Usage, note); apply() writes `out` and returns its Usage, or None
when there is nothing to compare. All of them run with one thread.
"""

import pathlib
import shutil
import subprocess
import sys

from .measure import ROOT, BenchError
from .meter import Usage

HERE = pathlib.Path(__file__).resolve().parent


class Peer:
    name = ""
    package = ""   # the Debian package, whose version counts
    programs = ()  # that must be there
    arguments = ""  # as shown and as part of the key of a stored result

    def missing(self):
        """Why it cannot be run here, or an empty string."""
        for program in self.programs:
            if not shutil.which(program):
                return f"'{program}' is not installed (tools/setup bench)"
        return ""

    def version(self):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package],
                              capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def inputs(self, pair):
        """The two files that the result depends on."""
        return pair.old, pair.new

    def make(self, pair, work, meter):
        raise NotImplementedError

    def apply(self, pair, work, out, meter):
        raise NotImplementedError

    def is_equal(self, pair, out, _work):
        return subprocess.run(["cmp", "-s", out, pair.new], check=False).returncode == 0


class OneFile(Peer):
    """A tool that writes one patch file."""

    def make(self, pair, work, meter):
        patch = work / "patch"
        usage = meter.run(self.make_words(pair, patch))
        return patch.stat().st_size, usage, ""

    def apply(self, pair, work, out, meter):
        return meter.run(self.apply_words(pair, work / "patch", out))


class HDiffPatch(OneFile):
    def __init__(self, name, options, installed_only):
        self.name, self.options, self.installed_only = name, options, installed_only
        self.arguments = " ".join(options)
        self.folder = None

    def missing(self):
        words = [ROOT / "tools" / "peers", *(["--installed"] if self.installed_only else [])]
        done = subprocess.run([*words, "hdiffpatch"], capture_output=True, text=True, check=False)
        if done.returncode == 77:
            return done.stderr.strip().removeprefix("peers: hdiffpatch: ")
        if done.returncode != 0:
            raise BenchError(f"tools/peers hdiffpatch: {done.stderr.strip()}")
        self.folder = pathlib.Path(done.stdout.strip())
        return ""

    def version(self):
        done = subprocess.run([self.folder / "hdiffz", "-v"], capture_output=True, text=True,
                              check=False)
        return done.stdout.split("v")[-1].split()[0]

    def make_words(self, pair, patch):
        return [self.folder / "hdiffz", *self.options, "-p-1", "-d", "-f", pair.old, pair.new,
                patch]

    def apply_words(self, pair, patch, out):
        return [self.folder / "hpatchz", "-p-1", "-f", pair.old, patch, out]


class Bsdiff(OneFile):
    name, package, programs = "bsdiff", "bsdiff", ("bsdiff", "bspatch")

    def make_words(self, pair, patch):
        return ["bsdiff", pair.old, pair.new, patch]

    def apply_words(self, pair, patch, out):
        return ["bspatch", pair.old, out, patch]


class Xdelta(OneFile):
    name, package, programs = "xdelta3", "xdelta3", ("xdelta3",)
    arguments = "-9 -S lzma -B OLD"

    def window(self, pair):
        return str(max(pair.old.stat().st_size, 1 << 19))

    def make_words(self, pair, patch):
        return ["xdelta3", "-e", "-f", "-9", "-S", "lzma", "-B", self.window(pair), "-s", pair.old,
                pair.new, patch]

    def apply_words(self, pair, patch, out):
        return ["xdelta3", "-d", "-f", "-B", self.window(pair), "-s", pair.old, patch, out]


class Zstd(OneFile):
    name, package, programs = "zstd --patch-from", "zstd", ("zstd",)
    arguments = "-19 --long=31"

    def make_words(self, pair, patch):
        return ["zstd", "-q", "-f", "-19", "--long=31", "-T1", f"--patch-from={pair.old}", pair.new,
                "-o", patch]

    def apply_words(self, pair, patch, out):
        return ["zstd", "-q", "-f", "-d", "--long=31", "--memory=2048MB",
                f"--patch-from={pair.old}", patch, "-o", out]


class Casync(Peer):
    """Chunks of about 64 KiB; a device fetches the index and the chunks its old image lacks."""
    name, package, programs = "casync", "casync", ("casync",)
    arguments = "64K chunks"

    def make(self, pair, work, meter):
        old, new, fetch = work / "old.castr", work / "new.castr", work / "fetch.castr"
        subprocess.run(["casync", "make", f"--store={old}", work / "old.caibx", pair.old],
                       check=True, stdout=subprocess.DEVNULL)
        usage = meter.run(["casync", "make", f"--store={new}", work / "new.caibx", pair.new])
        size = (work / "new.caibx").stat().st_size
        chunks = 0
        for chunk in new.glob("*/*"):
            place = chunk.relative_to(new)
            if not (old / place).exists():
                size += chunk.stat().st_size
                chunks += 1
                (fetch / place).parent.mkdir(parents=True, exist_ok=True)
                chunk.rename(fetch / place)
        fetch.mkdir(exist_ok=True)
        shutil.rmtree(old)
        shutil.rmtree(new)
        return size, usage, f"{chunks} chunks and the index"

    def apply(self, pair, work, out, meter):
        return meter.run(["casync", "extract", f"--store={work / 'fetch.castr'}",
                          f"--seed={pair.old}", work / "new.caibx", out])


class RaucRule(Peer):
    """RAUC's adaptive mode by its rule: aligned blocks of 4 KiB that the old image has anywhere are
    not fetched. The rest is shown compressed, which RAUC itself does not do for single blocks."""
    name, package, programs = "RAUC adaptive, by its rule", "zstd", ("zstd",)
    arguments = "4 KiB blocks, rest zstd -19 --long=31"

    def make(self, pair, work, meter):
        rule = [sys.executable, HERE / "rauc_rule.py", "split", pair.old, pair.new,
                work / "index", work / "rest"]
        usage = meter.run(rule)
        usage += meter.run(["zstd", "-q", "-f", "-19", "--long=31", "-T1", work / "rest", "-o",
                            work / "patch"])
        raw = (work / "rest").stat().st_size
        (work / "rest").unlink()
        return (work / "patch").stat().st_size, usage, f"{raw:,} bytes uncompressed"

    def apply(self, pair, work, out, meter):
        # Only to show that the parts give the image: what it costs is no figure of RAUC's.
        meter.run(["zstd", "-q", "-f", "-d", "--long=31", "--memory=2048MB", work / "patch", "-o",
                   work / "rest"])
        meter.run([sys.executable, HERE / "rauc_rule.py", "join", pair.old, work / "index",
                   work / "rest", out])


class Ostree(Peer):
    """A static delta between two commits: of the trees that the images were made from where there
    are trees, else of the one file. Applied offline into a repository that holds the old commit."""
    name, package, programs = "OSTree static delta", "ostree", ("ostree",)
    arguments = "--inline --min-fallback-size=0"

    def inputs(self, pair):
        return pair.trees or (pair.old, pair.new)

    def commit(self, repo, parent, source, work):
        folder = work / "tree"
        folder.mkdir()
        if self.of_trees:  # device nodes are nothing that OSTree takes
            output(["tar", "-C", folder, "--exclude=./dev/*", "--no-same-owner", "-xpf", source])
        else:
            shutil.copyfile(source, folder / "file")
        commit = output(["ostree", "commit", f"--repo={repo}", "--branch=bench", "--subject=",
                         "--timestamp=@946684800", *([f"--parent={parent}"] if parent else []),
                         "--owner-uid=0", "--owner-gid=0", f"--tree=dir={folder}"]).strip()
        shutil.rmtree(folder)
        return commit

    def make(self, pair, work, meter):
        self.of_trees = pair.trees is not None
        repo = work / "repo"
        output(["ostree", "init", f"--repo={repo}", "--mode=archive"])
        old, new = self.inputs(pair)
        self.old_commit = self.commit(repo, None, old, work)
        self.new_commit = self.commit(repo, self.old_commit, new, work)
        device = work / "device"
        output(["ostree", "init", f"--repo={device}", "--mode=bare-user"])
        output(["ostree", "pull-local", f"--repo={device}", repo, self.old_commit])
        usage = meter.run(["ostree", "static-delta", "generate", f"--repo={repo}",
                           f"--from={self.old_commit}", f"--to={self.new_commit}", "--inline",
                           "--min-fallback-size=0", f"--filename={work / 'patch'}"])
        note = "of the trees, not of the images" if self.of_trees else ""
        return (work / "patch").stat().st_size, usage, note

    def apply(self, pair, work, out, meter):
        return meter.run(["ostree", "static-delta", "apply-offline", f"--repo={work / 'device'}",
                          work / "patch"])

    def is_equal(self, pair, out, work):
        device = f"--repo={work / 'device'}"
        if subprocess.run(["ostree", "fsck", device, "--quiet"], stdout=subprocess.DEVNULL,
                          check=False).returncode != 0:
            return False
        if self.of_trees:  # the commit's checksum covers all content
            return output(["ostree", "ls", device, self.new_commit, "/"]) != ""
        with out.open("wb") as file:
            subprocess.run(["ostree", "cat", device, self.new_commit, "/file"], stdout=file,
                           check=True)
        return super().is_equal(pair, out, work)


def output(words):
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"'{' '.join(words)}' failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def all_peers(installed_only):
    """In the order in which they run: the slowest last."""
    return [HDiffPatch("HDiffPatch", ["-m", "-SD", "-c-zstd-21-25"], installed_only),
            HDiffPatch("HDiffPatch lzma2", ["-m-9", "-SD", "-c-lzma2-9-32m"], installed_only),
            Casync(), Xdelta(), Ostree(), RaucRule(), Zstd(), Bsdiff()]
