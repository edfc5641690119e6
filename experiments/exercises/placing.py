"""A learner's function is read out of his file, and stands in the place of the hand-written one while that is judged."""

from __future__ import annotations

import ast
import linecache
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from experiments.exercises.catalogue import Task, body_of, defined_in, tree_of
from experiments.exercises.cutting import TO_DO
from experiments.judge.raised import steps
from experiments.source.handwriting import plain_function
from experiments.source.replacing import in_place_of


class NotRead(Exception):
    """The file cannot be judged.

    Args:
        sentence: that says why.
        fault: its name for a table.
    """

    def __init__(self, sentence: str, fault: str = "cannot be read") -> None:
        super().__init__(sentence)
        self.fault = fault


AUTOGRAD = ("torch", "torch_impl", "lightning", "jax", "tensorflow")
"""What computes the gradient itself: with it there would be nothing to learn."""


def written(task: Task, text: str) -> ast.FunctionDef:
    """The tree of the learner's function.

    Raises:
        NotRead: if the file is no Python, or the function is not in it.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise NotRead(f"Line {error.lineno} is no Python: {error.msg}.", "no Python") from error
    try:
        return defined_in(tree, task.function)
    except LookupError as error:
        others = [name for name in functions_in(tree) if name not in functions_in(tree_of(task.module))]
        renamed = f", and there is {others[0]}: has it lost its name?" if others else "."
        again = f" `exercise reset {task.name}` begins it again; what stands in it now is lost then."
        raise NotRead(f"There is no function {task.function} in the file{renamed}{again}", "the function is not there") from error


def functions_in(tree: ast.Module) -> list[str]:
    """Those at the top, and the methods of classes."""
    inside = [(f"{c.name}.", c.body) for c in tree.body if isinstance(c, ast.ClassDef)]
    return [f"{of}{n.name}" for of, body in [("", tree.body), *inside] for n in body if isinstance(n, ast.FunctionDef)]


def expect_by_hand(text: str) -> None:
    """Raise NotRead if a file imports what computes gradients itself; what stands under `if __name__ == "__main__"` is not run here."""
    tree = ast.parse(text)
    tree.body = [n for n in tree.body if not (isinstance(n, ast.If) and "__name__" in ast.unparse(n.test))]
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if found := [name for name in names if name.partition(".")[0] in AUTOGRAD]:
            raise NotRead(
                f"Line {node.lineno} imports {found[0]}, which computes gradients itself: write it by hand, in NumPy.", "not by hand"
            )


def is_begun(task: Task, text: str) -> bool:
    """Whether anything stands in the function: neither the sentence that the sheet came with, nor nothing at all.

    Raises:
        NotRead: see `written`.
    """
    match body_of(written(task, text)):
        case [] | [ast.Pass()] | [ast.Expr(ast.Constant())]:
            return False
        case [ast.Raise(ast.Call(ast.Name("NotImplementedError"), [ast.Constant(str(said))]))]:
            return not said.startswith(TO_DO)
    return True


def learned(task: Task, text: str, file: str) -> Callable[..., Any]:
    """The learner's function, from his file run as it is.

    Args:
        task: the exercise.
        text: of the file.
        file: its name, for what is said of exceptions.

    Raises:
        NotRead: if the file raises when it is run, or the function is not in it.
    """
    written(task, text)
    expect_by_hand(text)
    found: Any = executed(text, file)
    for part in task.function.split("."):
        found = found[part] if isinstance(found, dict) else vars(found)[part]
    function = plain_function(found)
    if function is None:
        raise NotRead(f"{task.function} is not a function.")
    return function


def executed(text: str, file: str) -> dict[str, Any]:
    """What a learner's file defines, once it has run.

    Raises:
        NotRead: if it raises.
    """
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType("exercise")  # where Python looks for the text of a class
    module.__file__ = file
    sys.modules["exercise"] = module
    try:
        exec(compile(text, file, "exec"), vars(module))
    except SyntaxError as error:  # of those that the tree does not show, as a return outside of a function
        raise NotRead(f"Line {error.lineno} is no Python: {error.msg}.", "no Python") from error
    except Exception as error:  # whatever a learner's file may raise
        line = next((f.tb_lineno for f in reversed(list(steps(error))) if f.tb_frame.f_code.co_filename == file), None)
        older = " Has another version of this project made the file?" if isinstance(error, ImportError) else ""
        raise NotRead(f"The file does not run: line {line}: {type(error).__name__}: {error}.{older}", "does not run") from error
    return vars(module)


def original(task: Task) -> types.FunctionType:
    """The hand-written function."""
    found: Any = import_module(task.module)
    for part in task.function.split("."):
        found = vars(found)[part]
    function = plain_function(found)
    assert function is not None
    return function


@contextmanager
def in_place(task: Task, function: Callable[..., Any]) -> Iterator[None]:
    """For the time of the `with`, the hand-written function does what this one does, whoever calls it, under whatever name.

    Its code is exchanged: others hold the function itself (an import, a table of functions), and must find the learner's too.
    """
    place, name = original(task), "_the_learners"
    stands_in = compile(f"def f(*args, **kwargs):\n    return {name}(*args, **kwargs)", __file__, "exec")
    code = next(c for c in stands_in.co_consts if isinstance(c, types.CodeType))
    other, place.__globals__[name] = place.__globals__.get(name), function
    try:
        with in_place_of(place, code):
            yield
    finally:
        place.__globals__[name] = other
