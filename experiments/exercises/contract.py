"""What a function of an exercise is given and must hand back, in sentences: they stand in the learner's file and in the first hint."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from experiments.exercises.catalogue import Task, definition, tree_of
from experiments.exercises.returning import expected, keys_of


def contract(task: Task) -> Iterator[str]:
    """What comes in from behind, what is returned, what is added into, and where what forward saved is."""
    function = definition(task.module, task.function)
    upstreams = [a.arg for a in function.args.args if a.arg.startswith("dL_d")]
    if upstreams == ["dL_dloss"]:
        yield "dL_dloss comes in: a number that the whole loss is multiplied with, usually 1."
    elif upstreams:
        come = "comes" if len(upstreams) == 1 else "come"
        yield f"{' and '.join(upstreams)} {come} in: how fast the loss L grows with {upstream_of(task, upstreams)}."
    yield from returned(task)
    if grads := list(accumulated(function)):
        yield f"On the way it adds (+=) into {' and '.join(grads)}."
    if any(isinstance(n, ast.Attribute) and n.attr == "save" for f in forwards(task) for n in ast.walk(f)):
        yield "What forward saved comes back from self.restore(), in the order in which it was saved."


def upstream_of(task: Task, upstreams: list[str]) -> str:
    """What the upstreams are the gradients of: of what forward made; where there is none, of what they are called after."""
    if "." in task.function:
        return "what forward returned"
    own = own_forward(task)
    return f"what {own} returned" if own else " and ".join(name.removeprefix("dL_d") for name in upstreams)


def own_forward(task: Task) -> str | None:
    """The name of the function that it is the backward of, if there is one of that name."""
    own = task.function.removesuffix("_backward")
    return own if own != task.function and own in {n.name for n in tree_of(task.module).body if isinstance(n, ast.FunctionDef)} else None


def returned(task: Task) -> Iterator[str]:
    """What is to come out."""
    result = expected(task)
    if isinstance(result, ast.Dict):
        yield f"It returns a dict of gradients, how fast the loss grows with each of {', '.join(keys_of(result))}, by these names."
    elif isinstance(result, ast.Tuple):
        names = [ast.unparse(e) for e in result.elts]
        told = f", in this order: {', '.join(names)}" if all(n.startswith("dL_d") and n.isidentifier() for n in names) else ""
        yield f"It returns {len(names)} gradients{told or ', one for each input that has one'}."
    elif result is None:
        yield "It returns nothing."
    elif "." in task.function or own_forward(task):
        into = next((a.arg for f in forwards(task)[:1] for a in f.args.args if a.arg != "self"), "what went in")
        yield f"It returns a gradient: how fast the loss grows with {into}, in the shape of {into}."


def accumulated(function: ast.FunctionDef) -> Iterator[str]:
    """The gradients that it adds into."""
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute) and node.target.attr == "grad":
            yield ast.unparse(node.target)


def forwards(task: Task) -> list[ast.FunctionDef]:
    """The functions that are walked back."""
    owner = task.function.split(".")[:-1]
    names = {n.name: n for n in tree_of(task.module).body if isinstance(n, ast.FunctionDef)}
    if owner:
        cls = next(n for n in tree_of(task.module).body if isinstance(n, ast.ClassDef) and n.name == owner[0])
        methods = {n.name: n for n in cls.body if isinstance(n, ast.FunctionDef)}
        last = task.function.rpartition(".")[2]
        walked = last.removesuffix("_backward") if last.endswith("_backward") else "training_step"
        return [methods[n] for n in ("forward", walked) if n in methods]
    if own := own_forward(task):
        return [names[own]]
    return [names[n] for n in ("forward", "loss") if n in names]
