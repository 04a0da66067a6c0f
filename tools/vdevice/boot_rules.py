# SPDX-License-Identifier: Apache-2.0
"""The boot decision, interpreted from packaging/grub/boot_states.tsv.

The shipped grub.cfg is generated from the same table; its header says what each field means. This
module is pure but for the `save` and `loadable` functions its caller passes in.
"""

import dataclasses
import pathlib
import re

HEADER = b"# GRUB Environment Block\n"
BLOCK_SIZE = 1024
SECTOR = 512
TABLE = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "grub" / "boot_states.tsv"
OTHER = {"a": "b", "b": "a"}


class TableError(Exception):
    """The table does not have the form its header describes."""


class SaveError(Exception):
    """A change could not be written to the environment block."""


@dataclasses.dataclass(frozen=True)
class Var:
    name: str
    width: int
    pattern: str
    otherwise: str


@dataclasses.dataclass(frozen=True)
class Rule:
    id: str
    env: str
    try_: str
    try_ok: str
    left: str
    good_ok: str
    other_ok: str
    action: str
    save: tuple
    unloadable: str
    why: str


@dataclasses.dataclass(frozen=True)
class Table:
    files: tuple
    vars: tuple
    cmdline: str
    rules: tuple


@dataclasses.dataclass
class Decision:
    """What the bootloader does. `slot` is None when it stops."""
    slot: str | None
    rule: str
    why: str
    cmdline: str
    file: str | None  # the environment block that was used
    state: dict       # the variables after all saves
    steps: list       # one line for every rule that matched, first to last


def load_table(path=TABLE):
    """Reads the table; raises TableError with the line number of what is wrong."""
    files, variables, rules, cmdline = [], [], [], None
    for number, line in enumerate(pathlib.Path(path).read_text("utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        kind, *fields = line.split("\t")
        if kind == "file" and len(fields) == 1:
            files.append(fields[0])
        elif kind == "var" and len(fields) == 4:
            variables.append(Var(fields[0], int(fields[1]), fields[2], fields[3]))
        elif kind == "cmdline" and len(fields) == 1:
            cmdline = fields[0]
        elif kind == "rule" and len(fields) == 11:
            save = () if fields[8] == "-" else tuple(
                tuple(change.split("=", 1)) for change in fields[8].split(","))
            rules.append(Rule(*fields[:8], save, *fields[9:]))
        else:
            raise TableError(f"{path}:{number}: expected file, var, cmdline or rule with its "
                             f"fields, found '{kind}' with {len(fields)} fields")
    if not (files and variables and rules and cmdline):
        raise TableError(f"{path}: expected file, var, cmdline and rule lines, one kind is absent")
    return Table(tuple(files), tuple(variables), cmdline, tuple(rules))


def parse_block(block):
    """{name: value} of an environment block, or None when it lacks the header (as GRUB sees it)."""
    if block is None or not block.startswith(HEADER):
        return None
    values = {}
    for line in block[len(HEADER):].split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals and not line.startswith(b"#"):
            values.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return values


def format_block(values, table=None):
    """A fresh 1024-byte block; every variable in its fixed width within the first sector."""
    lines = b"".join(f"{var.name}={_checked(var, values[var.name])}\n".encode("ascii")
                     for var in (table or load_table()).vars)
    if len(HEADER + lines) > SECTOR:
        raise TableError(f"the variables take {len(HEADER + lines)} bytes, a sector has {SECTOR}")
    return (HEADER + lines).ljust(BLOCK_SIZE, b"#")


def _checked(var, value):
    if not re.fullmatch(var.pattern, value):
        raise SaveError(f"{var.name}: expected {var.pattern}, found '{value}'")
    return value


def edits(block, changes):
    """[(offset, bytes)] that change variables in place, as GRUB's save_env does."""
    out = []
    for name, value in changes.items():
        found = re.search(rb"^%s=([^\n]*)$" % name.encode(), block, re.M)
        if not found or len(found[1]) != len(value):
            raise SaveError(f"the environment block has no '{name}' of {len(value)} byte; "
                            f"write it anew with 'pawl-agent provision'")
        out.append((found.start(1), value.encode("ascii")))
    return out


def read_state(blocks, table):
    """(file name or None, variables) from {file name: bytes or None}."""
    marked = {"a": "1", "b": "1"}
    for name in table.files:
        values = parse_block(blocks.get(name))
        if values is None:
            continue
        if values.get("pawl_good") in ("a", "b"):
            return name, {var.name: values[var.name]
                          if re.fullmatch(var.pattern, values.get(var.name, "")) else var.otherwise
                          for var in table.vars}
        for slot in marked:
            if values.get(f"pawl_{slot}") == "0":
                marked[slot] = "0"
    state = {var.name: var.otherwise for var in table.vars}
    state.update(pawl_good="a", pawl_a=marked["a"], pawl_b=marked["b"])
    return None, state


def _matches(rule, env, state):
    trial, good = state["pawl_try"], state["pawl_good"]
    facts = {
        "env": env,
        "try_": "none" if trial == "-" else "set",
        "try_ok": state.get(f"pawl_{trial}", "0"),
        "left": "0" if state["pawl_left"] == "0" else "+",
        "good_ok": state[f"pawl_{good}"],
        "other_ok": state[f"pawl_{OTHER[good]}"],
    }
    return all(getattr(rule, name) in ("*", fact) for name, fact in facts.items())


def _changes(rule, state):
    values = {"try": state["pawl_try"], "less": str(int(state["pawl_left"]) - 1)}
    return {name: values.get(value, value) for name, value in rule.save}


def decide(blocks, table=None, loadable=lambda slot: True, save=lambda file, changes: None):
    """Runs the rules on {file name: block bytes or None}.

    `save(file, {name: value})` writes changes to that block before anything boots and raises
    SaveError or OSError when it cannot; `loadable(slot)` says whether a kernel can be loaded.
    """
    table = table or load_table()
    file, state = read_state(blocks, table)
    env = "ok" if file else "lost"
    steps = []
    at = 0
    while True:
        if at >= len(table.rules):
            raise TableError("no rule matched; the last rules of the table must always match")
        rule = table.rules[at]
        at += 1
        if not _matches(rule, env, state):
            continue
        changes = _changes(rule, state)
        step = rule.id + "".join(f" {name}={value}" for name, value in changes.items())
        if changes:
            try:
                save(file, changes)
            except (SaveError, OSError) as err:
                steps.append(f"{step}: not saved ({err}), the trial counts as absent")
                state["pawl_try"], state["pawl_left"] = "-", "0"
                continue
            state.update(changes)
        steps.append(step)
        if rule.action == "stop":
            return Decision(None, rule.id, rule.why, "", file, state, steps)
        if rule.action == "next":
            continue
        slot = {"try": state["pawl_try"], "good": state["pawl_good"],
                "other": OTHER[state["pawl_good"]]}[rule.action.removeprefix("boot:")]
        if loadable(slot):
            line = table.cmdline.format(slot=slot, txn=state["pawl_txn"], rule=rule.id)
            return Decision(slot, rule.id, rule.why, line, file, state, steps)
        steps.append(f"slot {slot} cannot be loaded")
        if rule.unloadable == "again":
            at = 0
