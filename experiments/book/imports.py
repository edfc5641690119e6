"""Which files some code runs through: the modules that it imports, and those that they import, read from the syntax trees.

A package's own file mostly says where its names come from. Of these only the ones that are asked for are followed: who imports
`manual.nn` and says `nn.Linear` needs manual/nn/linear.py, and not the file of every layer. What a package imports for its own use (under a
name that begins with an underscore) is always followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from experiments.curriculum import ROOT

OURS = ("manual", "torch_impl", "experiments")
"""Where what is followed stands; a library's version stands for its files."""


def files_needed(modules: Iterable[str]) -> set[Path]:
    """The files of these modules, of all that they import, and of the packages that these are in."""
    waiting, seen = list(modules), set[str]()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += imported(module)
            waiting += [module.rpartition(".")[0]] if "." in module else []
    return {file for module in seen if (file := file_of(module))}


@cache
def file_of(module: str) -> Path | None:
    """Its file; None if it is none of ours."""
    place = ROOT.joinpath(*module.split("."))
    files = place / "__init__.py", place.with_suffix(".py")
    return next((f for f in files if module.partition(".")[0] in OURS and f.is_file()), None)


def is_package(module: str) -> bool:
    """Whether it is a folder of modules."""
    file = file_of(module)
    return file is not None and file.name == "__init__.py"


@cache
def tree_of(module: str) -> ast.Module:
    """What it says."""
    file = file_of(module)
    return ast.parse(file.read_text(encoding="utf-8") if file else "")


@cache
def imported(module: str) -> frozenset[str]:
    """The modules that it imports itself, at its head or within a function; of a package those for its own use."""
    if is_package(module):
        return frozenset(m for name, target in names_of(module).items() if name.startswith("_") for m in meant(target))
    tree = tree_of(module)
    bound = dict(imports_in(tree))
    packages = {name: target for name, target in bound.items() if is_package(target)}
    found = {m for target in bound.values() if target not in packages.values() for m in meant(target)}
    for used in chains(tree) if packages else ():
        for name, target in packages.items():
            if used == name or used.startswith(f"{name}."):
                found |= meant(target + used.removeprefix(name))
    return frozenset(found)


def imports_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each name that an import of ours binds, as it is said in the file, and the dotted name of what it is."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue  # this is for the type checker, and never runs
        if isinstance(node, ast.Import):
            yield from ((a.asname or a.name, a.name) for a in node.names if a.name.partition(".")[0] in OURS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
            yield from ((a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]  # no import is within one


def chains(tree: ast.AST) -> set[str]:
    """Every `a.b.c` in it, as long as it goes."""
    found, waiting = set[str](), [tree]
    while waiting:
        node = waiting.pop()
        names, inner = list[str](), node
        while isinstance(inner, ast.Attribute):
            names, inner = [inner.attr, *names], inner.value
        if isinstance(inner, ast.Name):
            found.add(".".join([inner.id, *names]))
        waiting += ast.iter_child_nodes(inner)
    return found


@cache
def names_of(package: str) -> dict[str, str]:
    """What a package's own file binds by imports at its head."""
    return dict(imports_in(ast.Module([n for n in tree_of(package).body if isinstance(n, ast.Import | ast.ImportFrom)], [])))


@cache
def meant(dotted: str) -> frozenset[str]:
    """The module that a dotted name comes from; of a package that is named as a whole, all that it hands on."""
    module, parts = "", dotted.split(".")
    while parts and (file_of(f"{module}.{parts[0]}" if module else parts[0])):
        module = f"{module}.{parts.pop(0)}" if module else parts.pop(0)
    if not module or not is_package(module):
        return frozenset([module] if module else [])
    if not parts:
        return frozenset([module, *(m for target in names_of(module).values() for m in meant(target))])
    handed_on = names_of(module).get(parts[0])
    return meant(".".join([handed_on, *parts[1:]])) if handed_on else frozenset([module])
