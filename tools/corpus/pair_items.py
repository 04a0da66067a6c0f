# SPDX-License-Identifier: Apache-2.0
"""How each file of a pair is made: from an npm package, a kernel package or a root tree.

A maker is called with the path to fill and a scratch folder. It never edits content: what differs
between the two files of a pair is what their publishers changed.
"""

import functools
import gzip
import hashlib
import json
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import zlib

import apt_versions as apt

HERE = pathlib.Path(__file__).resolve().parent
# One time for all files, as builders of reproducible images set it: 2000-01-01. make_image and the
# others cut every later stamp down to it.
EPOCH = "946684800"
UUID = "01234567-89ab-4def-8123-456789abcdef"
KERNEL_SERIES = "6.1.0"


def numbers(version):
    """A key that orders versions by the numbers in them."""
    return [int(part) for part in re.findall(r"[0-9]+", version)]


def nearest(wanted, offered):
    """`wanted` when it is offered, else the one next to it, the older one first."""
    if wanted in offered:
        return wanted
    key = numbers(wanted)
    older = [version for version in offered if numbers(version) < key]
    newer = [version for version in offered if numbers(version) > key]
    if not older and not newer:
        raise apt.CorpusError(f"no version at all is offered in place of {wanted}")
    return max(older, key=numbers) if older else min(newer, key=numbers)


def digest_of(file):
    return hashlib.file_digest(file, "sha256").digest()


def tool(name, package):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise apt.CorpusError(f"'{name}' is missing; install the Debian package {package} "
                              f"(tools/setup bench)")
    return path


# ---- programs from npm ---------------------------------------------------------------------------


@functools.cache
def npm_versions(package):
    npm = tool("npm", "npm")
    answer = json.loads(apt.run([npm, "view", package, "versions", "--json"]))
    # Pre-releases are no step a product makes.
    return [version for version in ([answer] if isinstance(answer, str) else answer)
            if re.fullmatch(r"[0-9.]+", version)]


def npm_file(package, version, member):
    def make(out, scratch):
        npm = tool("npm", "npm")
        version_here = version
        try:
            apt.run([npm, "pack", "--silent", f"{package}@{version}"], cwd=scratch)
        except apt.CorpusError:
            version_here = nearest(version, npm_versions(package))
            if version_here == version:
                raise
            apt.run([npm, "pack", "--silent", f"{package}@{version_here}"], cwd=scratch)
        archives = list(scratch.glob("*.tgz"))
        if len(archives) != 1:
            raise apt.CorpusError(f"expected one archive of {package}@{version_here} from npm, "
                                  f"found {len(archives)}")
        with tarfile.open(archives[0]) as archive:
            copy_member(archive, f"package/{member}", out)
        return f"{package} {version_here}"
    return make


def copy_member(archive, name, out):
    try:
        source = archive.extractfile(name)
    except KeyError:
        raise apt.CorpusError(f"expected the file '{name}' in the package, found none") from None
    with out.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


# ---- kernels -------------------------------------------------------------------------------------


class Packages:
    """Debian packages of one architecture, which need not be the machine's: a private apt state
    below `folder`, made from the machine's own Debian sources."""

    def __init__(self, architecture, folder):
        self.architecture, self.folder = architecture, folder

    def options(self):
        if self.architecture == apt.architecture():
            return ["-o", "APT::Sandbox::User=root"]
        lists, cache = self.folder / "lists", self.folder / "cache"
        for path in (lists / "partial", cache / "archives" / "partial"):
            path.mkdir(parents=True, exist_ok=True)
        (self.folder / "sources.list").write_text("\n".join(apt.sources_lines()) + "\n", "utf-8")
        (self.folder / "status").touch()
        settings = {"APT::Architecture": self.architecture, "Dir::State::lists": lists,
                    "Dir::State::status": self.folder / "status", "Dir::Cache": cache,
                    "Dir::Etc::sourcelist": self.folder / "sources.list",
                    "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::preferences": "/dev/null",
                    "Dir::Etc::preferencesparts": "/dev/null", "Debug::NoLocking": "true",
                    "APT::Sandbox::User": "root"}
        words = ["-o", f"APT::Architectures::={self.architecture}"]
        for name, value in settings.items():
            words += ["-o", f"{name}={value}"]
        return words

    @functools.cached_property
    def names(self):
        """All package names on offer. Fetches the lists once when there are none."""
        apt.index_targets()
        options = self.options()
        foreign = self.architecture != apt.architecture()
        if foreign and not list((self.folder / "lists").glob("*_Packages*")):
            apt.run(["apt-get", *options, "update", "-qq"])
        return apt.run(["apt-cache", *options, "pkgnames"]).split()

    def kernels(self, flavour):
        """{ABI number: package} of one flavour; the flavour of the plain name is ""."""
        end = f"{flavour}-{self.architecture}" if flavour else self.architecture
        form = re.compile(rf"linux-image-({re.escape(KERNEL_SERIES)}-[0-9]+)-{end}")
        offered = {found[1]: name for name in self.names if (found := form.fullmatch(name))}
        if not offered:
            raise apt.CorpusError(f"no package linux-image-{KERNEL_SERIES}-*-{end} is offered; "
                                  f"run 'apt-get update'")
        return offered

    def abis(self):
        """The ABI numbers on offer, oldest first."""
        return sorted(self.kernels(""), key=numbers)

    def kernel(self, abi, flavour):
        """The package of that ABI number, or of the nearest one on offer."""
        offered = self.kernels(flavour)
        return offered[nearest(abi, list(offered))]

    def download(self, name, into):
        apt.run(["apt-get", *self.options(), "download", "-qq", name], cwd=into)
        found = list(into.glob(f"{name}_*.deb"))
        if len(found) != 1:
            raise apt.CorpusError(f"expected one file of {name} after the download, found {found}")
        return found[0]


class KernelPackage:
    """The content of one kernel package, fetched once into `cache`."""

    def __init__(self, packages, abi, cache, flavour="cloud"):
        self.packages, self.abi, self.cache, self.flavour = packages, abi, cache, flavour

    @functools.cached_property
    def deb(self):
        name = self.packages.kernel(self.abi, self.flavour)
        self.cache.mkdir(parents=True, exist_ok=True)
        found = list(self.cache.glob(f"{name}_*.deb"))
        return found[0] if found else self.packages.download(name, self.cache)

    @property
    def title(self):
        return self.deb.name.split("_")[0] + " " + self.deb.name.split("_")[1]

    def members(self, pattern):
        """Yields (name, archive, entry) of the members whose name matches."""
        command = ["dpkg-deb", "--fsys-tarfile", str(self.deb)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for entry in archive:
                    if re.fullmatch(pattern, entry.name):
                        yield entry.name, archive, entry
        if process.returncode != 0:
            raise apt.CorpusError(f"dpkg-deb could not read {self.deb.name}")

    def boot_image(self):
        found = [archive.extractfile(entry).read()
                 for _, archive, entry in self.members(r"\./boot/vmlinuz-.*")]
        if len(found) != 1:
            raise apt.CorpusError(f"expected one boot/vmlinuz in {self.deb.name}, "
                                  f"found {len(found)}")
        return found[0]

    def make_vmlinuz(self, out, _scratch):
        out.write_bytes(self.boot_image())
        return self.title

    def make_vmlinux(self, out, _scratch):
        out.write_bytes(payload(self.boot_image(), self.deb.name))
        return self.title

    def make_modules(self, out, scratch):
        """The modules as one tar in the order of their names, the ABI left out of the paths."""
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(self.deb)],
                              stdout=subprocess.PIPE) as process:
            done = subprocess.run(["tar", "-C", str(scratch), "-xf", "-", "./lib/modules"],
                                  stdin=process.stdout, check=False)
        folders = list((scratch / "lib" / "modules").iterdir()) if done.returncode == 0 else []
        if process.returncode != 0 or len(folders) != 1:
            raise apt.CorpusError(f"expected the modules of one kernel in {self.deb.name}")
        apt.run(["tar", "-C", str(folders[0]), "--sort=name", f"--mtime=@{EPOCH}", "--owner=0",
                 "--group=0", "--numeric-owner", "-cf", str(out), "."])
        return self.title


def payload(image, name):
    """The ELF program inside an x86 boot image, found by the magic of its compression."""
    for magic, read in ((b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
                        (b"\x28\xb5\x2f\xfd", lambda data: from_program(["zstd", "-dcq"], data)),
                        (b"\x1f\x8b\x08", lambda data: gzip.decompress(data)),
                        (b"\x02\x21\x4c\x18", lambda data: from_program(["lz4", "-dcq"], data))):
        place = image.find(magic)
        while place >= 0:
            try:
                plain = read(image[place:])
            except (OSError, lzma.LZMAError, zlib.error, EOFError):
                plain = b""
            if plain.startswith(b"\x7fELF"):
                return plain
            place = image.find(magic, place + 1)
    raise apt.CorpusError(f"no compressed kernel found in the boot image of {name}")


def from_program(words, data):
    # What follows the payload makes the program complain; the payload came out before.
    return subprocess.run(words, input=data, capture_output=True, check=False).stdout


# ---- images of a root tree -----------------------------------------------------------------------


def described(tree):
    return f"{tree.resolve().parent.name}/{tree.name}"


def unpack(tree, scratch):
    """The tree below scratch/root, with one time for all files."""
    root = scratch / "root"
    root.mkdir()
    apt.run(["tar", "-C", str(root), "--numeric-owner", "--same-owner", "--exclude=./dev/*", "-xpf",
             str(tree)])
    apt.run(["find", str(root), "-exec", "touch", "-h", "-d", f"@{EPOCH}", "{}", "+"])
    return root


def ext4(tree, size_mib, overlays=()):
    def make(out, scratch):
        environment = dict(os.environ, SOURCE_DATE_EPOCH=EPOCH, TMPDIR=str(scratch))
        words = [HERE / "make_image", "--size-mib", str(size_mib()), tree(), out]
        for overlay in overlays:
            words += ["--overlay", overlay]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise apt.CorpusError(done.stderr.strip())
        return described(tree())
    return make


def squashfs(tree, words):
    def make(out, scratch):
        program = tool("mksquashfs", "squashfs-tools")
        root = unpack(tree(), scratch)
        out.unlink(missing_ok=True)
        apt.run([program, str(root), str(out), *words, "-b", "131072", "-noappend", "-no-progress",
                 "-quiet", "-mkfs-time", EPOCH, "-processors", str(PROCESSORS)])
        return described(tree())
    return make


def erofs(tree, words):
    def make(out, scratch):
        program = tool("mkfs.erofs", "erofs-utils")
        root = unpack(tree(), scratch)
        apt.run([program, *words, f"-T{EPOCH}", f"-U{UUID}", str(out), str(root)])
        return described(tree())
    return make


# Others may measure on the machine meanwhile; the images do not depend on it.
PROCESSORS = max(1, (os.cpu_count() or 1) // 2)
