"""Bases of a file's classes that stand in other files: their methods are read with the file, and a fault in one is told with its file."""

from __future__ import annotations

import ast
import inspect
import sysconfig
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.doctor.finding import Fault, Finding
from experiments.doctor.mending.mend import Mend

FAR = 1_000_000
"""So many lines lie between the lines of one file and those of the next."""


def with_bases(tree: ast.Module, namespace: dict[str, Any]) -> list[str]:
    """Put the bases that the file imports before its classes, with the names that they know; the files of their lines, in order."""
    known, files = {n.name for n in tree.body if isinstance(n, ast.ClassDef)}, list[str]()
    new: list[ast.stmt] = []
    for cls in [namespace.get(name) for name in sorted(known)]:
        for base in inspect.getmro(cls)[1:] if inspect.isclass(cls) else ():
            of = {} if base.__name__ in known else methods_of(base, files)
            if of:
                known.add(base.__name__)
                bases: list[ast.expr] = [ast.Name(b.__name__, ast.Load()) for b in base.__bases__ if b is not object]
                new.append(ast.ClassDef(base.__name__, bases, [], list(of.values()), []))
                names = next(f for f in vars(base).values() if inspect.isfunction(f)).__globals__
                namespace |= {n: v for n, v in names.items() if n not in namespace and not n.startswith("__")}
                namespace.setdefault(base.__name__, base)
    tree.body = [*(ast.fix_missing_locations(ast.copy_location(n, tree.body[0])) for n in new), *tree.body]
    return files


def methods_of(base: type, files: list[str]) -> dict[str, ast.stmt]:
    """By name, the methods of a class of which the text is known; their lines are those of their file, and far from all others."""
    found: dict[str, ast.stmt] = {}
    for name, of in vars(base).items():
        if inspect.isfunction(of) and is_a_strangers(of.__code__.co_filename):
            try:
                lines, first = inspect.getsourcelines(of)
                node = ast.parse(textwrap.dedent("".join(lines))).body[0]
            except (OSError, TypeError, SyntaxError):
                continue
            file = Path(of.__code__.co_filename).name
            if file not in files:
                files.append(file)
            found[name] = ast.increment_lineno(node, first - 1 + FAR * (files.index(file) + 1))
    return found


def is_a_strangers(file: str) -> bool:
    """Whether this file belongs to no library and is none of Python's own."""
    return "site-packages" not in file and not file.startswith(sysconfig.get_path("stdlib"))


def in_their_files(found: Finding, files: list[str]) -> Finding:
    """The finding, with the lines of other files as they stand there."""
    return replace(found, faults=tuple(in_its_file(f, files) for f in found.faults)) if files else found


def in_its_file(fault: Fault, files: list[str]) -> Fault:
    """One fault."""

    def near(mend: Mend) -> Mend:
        return replace(mend, line=mend.line % FAR)

    number = fault.line // FAR
    others, also = (tuple(map(near, mends)) for mends in (fault.others, fault.also))
    mend = fault.mend and near(fault.mend)
    return replace(fault, line=fault.line % FAR, mend=mend, others=others, also=also, file=files[number - 1] if number else None)
