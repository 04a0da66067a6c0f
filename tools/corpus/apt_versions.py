# SPDX-License-Identifier: Apache-2.0
"""Which versions the machine's Debian suites offer, and which of them a package set resolves to.

Only index files that name "Debian" as their origin are read; third-party sources of the machine
are skipped. Nothing here prints or stores the address of an archive.
"""

import functools
import os
import re
import subprocess
import tempfile


class CorpusError(Exception):
    """A condition the user can mend; the text says how."""


def run(argv, **kwargs):
    """Runs a program and returns its standard output as text; a failure carries its stderr."""
    env = dict(os.environ, LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive")
    done = subprocess.run(argv, text=True, capture_output=True, env=env, **kwargs)
    if done.returncode != 0:
        raise CorpusError(
            f"'{argv[0]}' ended with exit code {done.returncode}:\n{done.stderr.strip()[-3000:]}")
    return done.stdout


def _targets():
    fields = "$(FILENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)|$(ORIGIN)|$(CODENAME)"
    out = run(["apt-get", "indextargets", "--format", fields, "Created-By: Packages",
               "Architecture: " + architecture()])
    rows = [line.split("|") for line in out.splitlines()]
    return [row for row in rows if row[5] == "Debian"]


@functools.cache
def architecture():
    return run(["dpkg", "--print-architecture"]).strip()


def index_targets():
    """The Debian package lists on this machine; fetches them once when there are none."""
    rows = _targets()
    if not rows:
        try:
            run(["apt-get", "update", "-qq"])
        except CorpusError as err:
            raise CorpusError(f"no Debian package lists on this machine, and fetching them failed "
                              f"(run as root, check /etc/apt):\n{err}") from None
        rows = _targets()
    if not rows:
        raise CorpusError("expected apt sources of Debian in /etc/apt, found none; "
                          "add the suites bookworm, bookworm-updates and bookworm-security")
    return rows


def sources_lines():
    """One-line apt sources of the Debian suites only, for a private apt and for mmdebstrap."""
    lines = []
    for _, uri, release, component, signed_by, _, _ in index_targets():
        option = f"[signed-by={signed_by}] " if signed_by.startswith("/") else ""
        line = f"deb {option}{uri} {release} {component}"
        if line not in lines:
            lines.append(line)
    return lines


def codename():
    """The code name of the main suite, for example "bookworm"."""
    return min((row[6].split("-")[0] for row in index_targets()), key=len)


def _compare(left, right):
    if left == right:
        return 0
    return -1 if subprocess.run(
        ["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0 else 1


def offered_versions(suite=None):
    """{package: [versions, lowest first]} of everything the Debian suites offer, or one of them."""
    offered = {}
    for row in index_targets():
        if suite and row[6] != suite:
            continue
        text = run(["/usr/lib/apt/apt-helper", "cat-file", row[0]])
        for match in re.finditer(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$", text, re.M):
            offered.setdefault(match[1], set()).add(match[2])
    key = functools.cmp_to_key(_compare)
    return {name: sorted(found, key=key) if len(found) > 1 else list(found)
            for name, found in offered.items()}


def pins(offered, choose):
    """apt preferences that force choose(name, versions) for the packages with a choice."""
    return "".join(f"Package: {name}\nPin: version {choose(name, found)}\nPin-Priority: 1001\n\n"
                   for name, found in sorted(offered.items()) if len(found) > 1)


def resolve(names, preferences):
    """{package: version} that apt would install into an empty system under `preferences`."""
    with tempfile.TemporaryDirectory(prefix="pawl-apt-") as tmp:
        files = {}
        for name, text in (("preferences", preferences), ("status", ""),
                           ("sources.list", "\n".join(sources_lines()) + "\n")):
            files[name] = os.path.join(tmp, name)
            with open(files[name], "w", encoding="utf-8") as out:
                out.write(text)
        out = run([
            "apt-get", "--simulate",
            "-o", f"Dir::State::status={files['status']}",
            "-o", f"Dir::Etc::preferences={files['preferences']}",
            "-o", "Dir::Etc::preferencesparts=/dev/null",
            "-o", f"Dir::Etc::sourcelist={files['sources.list']}",
            "-o", "Dir::Etc::sourceparts=/dev/null",
            "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
            "-o", "APT::Install-Recommends=false", "-o", "Debug::NoLocking=true",
            "install", "?essential", "?priority(required)", "apt", *names])
    found = dict(re.findall(r"^Inst (\S+) \((\S+) ", out, re.M))
    missing = [name for name in names if name not in found]
    if missing:
        raise CorpusError(f"apt did not offer: {', '.join(missing)}; run 'apt-get update'")
    return found


def kernels(offered, flavour):
    """[(abi package, version)] of one kernel series, oldest ABI first.

    The series is the one the flavour's meta package follows, so that two releases of a device stay
    within one long-term kernel, as products do.
    """
    meta = f"linux-image-{flavour}"
    if meta not in offered:
        raise CorpusError(f"the package '{meta}' is not offered; run 'apt-get update'")
    newest = offered[meta][-1]
    series = ".".join(newest.split(".")[:2]) + "."
    name = re.compile(rf"linux-image-{re.escape(series)}[0-9]\S*-{re.escape(flavour)}")
    found = [(package, versions[-1]) for package, versions in offered.items()
             if name.fullmatch(package)]
    if not found:
        raise CorpusError(f"no '{series}*-{flavour}' kernel is offered; run 'apt-get update'")
    return sorted(found, key=functools.cmp_to_key(lambda a, b: _compare(a[1], b[1])))
