"""What a function of an exercise returns: read off the return statement of the original, which is no secret."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.exercises.catalogue import Task, definition


def expected(task: Task) -> ast.expr | None:
    """What stands behind the original's first `return`; None if there is none."""
    returned = [n.value for n in ast.walk(definition(task.module, task.function)) if isinstance(n, ast.Return)]
    return next((value for value in returned if value is not None), None)


def keys_of(returned: ast.Dict) -> list[str]:
    """The keys of a dict that is written out."""
    return [str(key.value) for key in returned.keys if isinstance(key, ast.Constant)]


def names_of_results(task: Task, found: Any) -> Iterator[tuple[str, Any]]:
    """The results of a call, each with a name."""
    if isinstance(found, dict):
        yield from found.items()
    elif isinstance(found, tuple):
        returned = expected(task)
        names = [ast.unparse(e) for e in returned.elts] if isinstance(returned, ast.Tuple) else []
        plain = len(names) == len(found) and all(name.isidentifier() for name in names)
        yield from ((names[i] if plain else f"result {i + 1}", value) for i, value in enumerate(found))
    elif found is not None:
        yield "the result", found


def misreturned(task: Task, found: Any) -> str | None:
    """A sentence about a result that is not made as the original's is; None if it is."""
    returned, name = expected(task), task.function
    if returned is None:
        return None
    if found is None and not isinstance(returned, ast.Constant):
        return f"{name} returns nothing: it needs a `return`."
    if isinstance(returned, ast.Dict):
        keys = keys_of(returned)
        if not isinstance(found, dict):
            return f"{name} must return a dict of gradients with the names {', '.join(keys)}, got {a(found)}."
        if missing := [key for key in keys if key not in found]:
            return f"The result has no {' and no '.join(map(repr, missing))}: {name} returns the gradients of {', '.join(keys)}."
        if surplus := [str(key) for key in found if key not in keys]:
            return f"The result has {' and '.join(map(repr, surplus))}, and must have these and no others: {', '.join(keys)}."
    if isinstance(returned, ast.Tuple) and not (isinstance(found, tuple | list) and len(found) == len(returned.elts)):
        got = f"{len(found)} values" if isinstance(found, tuple | list) else a(found)
        return f"{name} must return {len(returned.elts)} gradients, one for each input, got {got}."
    if isinstance(found, tuple) and len(found) == 1 and not isinstance(returned, ast.Call | ast.IfExp):  # which may make one too
        return f"{name} returns a tuple of one: is there a comma behind what it returns?"
    if isinstance(found, list | str | Iterator) or hasattr(found, "detach"):
        return f"{name} must return an array of NumPy, got {a(found)}."
    return None


def in_our_order(task: Task, found: Any) -> Any:
    """The result; of a dict the entries in the order of the original's."""
    returned = expected(task)
    return {key: found[key] for key in keys_of(returned)} if isinstance(returned, ast.Dict) and isinstance(found, dict) else found


def a(value: Any) -> str:
    """What it is."""
    kind = type(value).__name__
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
