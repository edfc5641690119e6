"""What a stranger's file defines, with the files beside it that it imports; what is not there stands for itself until it is used."""

from __future__ import annotations

import ast
import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from experiments.doctor.reading.taps import LATER
from experiments.source.limit import Hangs, time_limit

UPWARDS = 4
"""So many folders above a file are looked in for what it imports: a file of a package names its modules from the package's root."""

PATIENT = "patient"
"""What the module of a stranger's file is called."""

SECONDS = 3.0
"""That one line outside of all functions may take: one that trains, or reads much, is left out."""


class NotThere(NameError):
    """Something was used that the file imports, and that is not there."""


class Absent(type):
    """The class of what is not there: it can be a base, and anything else that is done with it says what is missing."""

    why = ""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """An object of a class that has it for its base; nothing else can be made."""
        if cls.__dict__.get("is_absent"):
            raise NotThere(cls.why)
        return super().__call__(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") or not cls.__dict__.get("is_absent"):
            raise AttributeError(name)
        return absent(f"{cls.__name__}.{name}", cls.why)


def absent(name: str, why: str) -> Any:
    """What stands for something that is not there."""

    def anything(self: Any, *args: Any, **kwargs: Any) -> None:
        """A base that is not there asks for nothing."""

    return Absent(name.rpartition(".")[2], (), {"is_absent": True, "why": why, "__init__": anything})


class Undefined:
    """What stands in the place of a function or class that could not be defined.

    Args:
        why: what happened.
    """

    def __init__(self, why: str) -> None:
        self.why = why


def defined(tree: ast.Module, folder: str | None = None) -> dict[str, Any]:
    """What a file defines: its imports, functions, classes and constants; nothing that it does is done.

    Args:
        tree: of the file.
        folder: where it stands: what it imports from files beside it, or above, is found there.
    """
    namespace: dict[str, Any] = {"__name__": PATIENT, "np": np, "numpy": np}  # a piece of a notebook comes without its imports
    sys.modules.setdefault(PATIENT, ModuleType(PATIENT))  # a dataclass asks for the module that it stands in
    with found_beside(folder), without_arguments():
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports(node, namespace, Path(folder or ".").resolve().name)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                try:
                    run(node, namespace)
                except Exception as error:  # whatever a stranger's file may raise
                    namespace[node.name] = Undefined(f"line {node.lineno}: {type(error).__name__}: {error}")
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                with contextlib.suppress(Exception):
                    run(node, namespace)
    return namespace


def run(node: ast.stmt, namespace: dict[str, Any]) -> None:
    """Do what stands there, for so long as it may take."""
    code = compile(ast.Module([node], []), "<your file>", "exec", flags=LATER, dont_inherit=True)
    with time_limit(SECONDS) if can_be_limited() else contextlib.nullcontext():
        try:
            exec(code, namespace)
        except Hangs as hangs:
            raise TimeoutError(f"more than {SECONDS:g} s") from hangs
        except SystemExit as end:
            raise RuntimeError("it ends the program") from end


def imports(node: ast.Import | ast.ImportFrom, namespace: dict[str, Any], package: str) -> None:
    """Do an import; what cannot be had is replaced by what says so when it is used."""
    try:
        if isinstance(node, ast.ImportFrom) and node.level:
            relative(node, namespace, package)
        else:
            run(node, namespace)
    except Exception as error:  # a module that is not there, or that does not run here
        module = getattr(node, "module", None)
        for alias in node.names:
            whole = module or alias.name
            name = alias.asname or (alias.name if module else alias.name.partition(".")[0])
            if name not in namespace and name != "*":
                why = f"{name} is imported from {whole}, which could not be had here ({error})"
                namespace[name] = absent(name, why)


def relative(node: ast.ImportFrom, namespace: dict[str, Any], package: str) -> None:
    """from .layers import Dense: the module is found in the folder as one that stands alone, or within its package."""
    for prefix in (f"{package}.", ""):
        try:
            for alias in node.names:
                module = importlib.import_module(f"{prefix}{node.module or alias.name}")
                if alias.name == "*":
                    namespace.update({n: v for n, v in vars(module).items() if not n.startswith("_")})
                else:
                    namespace[alias.asname or alias.name] = getattr(module, alias.name) if node.module else module
        except ImportError:
            continue
        return
    raise ImportError(f"no module {node.module or ''}")


@contextlib.contextmanager
def without_arguments() -> Iterator[None]:
    """Whoever reads the command line finds no option: the doctor's are not the file's."""
    before, sys.argv = sys.argv, ["patient.py"]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def found_beside(folder: str | None) -> Iterator[None]:
    """Modules are looked for in that folder and above it as well; nothing is written there."""
    before, modules, writes = list(sys.path), set(sys.modules), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    if folder is not None:
        here = Path(folder).resolve()
        sys.path += map(str, [here, *list(here.parents)[:UPWARDS]])
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = before, writes
        if folder is not None:
            for name in set(sys.modules) - modules:
                file = getattr(sys.modules[name], "__file__", None)
                if file and str(Path(folder).resolve()) in file:
                    del sys.modules[name]  # another file may have another one of this name


def can_be_limited() -> bool:
    """Whether the system can end what takes too long, and this is the thread to which it says so."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
