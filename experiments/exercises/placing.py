"""A learner's function is read out of his file, and stands in the place of the hand-written one while that is judged."""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from experiments.exercises.catalogue import Task, body_of, defined_in
from experiments.exercises.cutting import TO_DO
from experiments.source.handwriting import plain_function
from experiments.source.replacing import in_place_of


class NotRead(Exception):
    """The file cannot be judged; the message is a sentence that says why."""


def written(task: Task, text: str) -> ast.FunctionDef:
    """The tree of the learner's function.

    Raises:
        NotRead: if the file is no Python, or the function is not in it.
    """
    try:
        return defined_in(ast.parse(text), task.function)
    except SyntaxError as error:
        raise NotRead(f"Line {error.lineno} is no Python: {error.msg}.") from error
    except LookupError as error:
        raise NotRead(f"There is no function {task.function} in the file: `exercise reset {task.name}` begins it again.") from error


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
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": "exercise", "__file__": file}
    try:
        exec(compile(text, file, "exec"), namespace)
    except Exception as error:  # whatever a learner's file may raise
        line = next((f.tb_lineno for f in reversed(list(steps(error))) if f.tb_frame.f_code.co_filename == file), None)
        raise NotRead(f"The file does not run: line {line}: {type(error).__name__}: {error}") from error
    found: Any = namespace
    for part in task.function.split("."):
        found = found[part] if isinstance(found, dict) else vars(found)[part]
    function = plain_function(found)
    if function is None:
        raise NotRead(f"{task.function} is not a function.")
    return function


def steps(error: BaseException) -> Iterator[types.TracebackType]:
    """Of its traceback, the outermost first."""
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


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
