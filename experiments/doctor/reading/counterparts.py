"""Which function is the backward of which, by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

FORWARD = re.compile(r"(feed_?forward|forward|fwd)", re.IGNORECASE)
BACKWARD = ("backward", "bwd", "backprop", "back", "grad", "gradient", "gradients", "grads")
BEHIND = BACKWARD[:3]
"""What stands behind the name of a function, or before it, where it is called by what it computes. (softmax_grad has often no gradient
that comes in, and is a derivative alone.)"""
LOSS = re.compile(r"(?:^|(?<=_))(loss|cost|objective|nll|energy|likelihood)(?:_(?:fn|func|function))?(?=_|$)", re.IGNORECASE)
VERBS = re.compile(r"(compute|calc|calculate|get|eval)_", re.IGNORECASE)
WORD = re.compile(r"backward|backprop|gradient|(^|_)(grads?|bwd)(_|$)", re.IGNORECASE)

WHOLE = {"costFunction": ("costFunctionPrime",), "cost_function": ("cost_function_prime",)}
"""A whole network: a method that computes the loss, and one that computes all of its gradients, from the same input and target."""


BEHIND_IT = ("_prime", "_derivative", "_deriv", "_der", "_d", "Prime", "Derivative")
BEFORE_IT = ("derivative_", "deriv_", "d_", "d")
"""What stands behind the name of a function, or before it, in that of its derivative alone."""


def derivative(name: str, names: Iterable[str]) -> str | None:
    """That of these names which is called like the derivative of this one: tanh_prime of tanh, mse_derivative of mse; None without one."""
    said = [*(name + word for word in BEHIND_IT), *(word + name for word in BEFORE_IT)]
    return next((n for n in said if n in names), None) if not (FORWARD.search(name) or WORD.search(name)) else None


TWINS: dict[str, tuple[str, ...]] = {
    "call": ("gradient", "backward", "grad", "gradients"),
    "__call__": ("backward", "gradient", "grad", "backprop"),
    "fprop": ("bprop",),
    "propagation": ("retropropagation", "retro_propagation"),
    "propagate": ("backpropagate", "back_propagate"),
    "vorwaerts": ("rueckwaerts",),
    "vorwärts": ("rückwärts",),
    "adelante": ("atras", "atrás"),
    "avant": ("arriere", "arrière"),
}
"""What the two methods of a class are called where neither is called forward: as Keras has it, and in other languages."""


def twins(names: Collection[str]) -> tuple[str, str] | None:
    """Those of the names of a class's methods that are its forward and its backward by these words; None where one is called forward."""
    if any(FORWARD.search(n) for n in names):
        return None
    both = ((n, other) for n, others in TWINS.items() if n in names for other in others if other in names)
    return next(both, None)


def is_backward(name: str) -> bool:
    """Whether a function is called like a backward, of whatever; loss_and_gradient is both."""
    return WORD.search(name) is not None and not LOSS.search(name)


def is_loss(name: str) -> bool:
    """Whether a function is called like a loss, and like no forward and no gradient."""
    return LOSS.search(name) is not None and not FORWARD.search(name) and not WORD.search(name)


def is_sure(name: str, other: str) -> bool:
    """Whether the names alone say that the other is the backward of this one, which a gradient comes into or whose end is a loss."""
    return FORWARD.search(name) is not None or LOSS.search(name) is not None or any(word in other for word in BEHIND)


def counterparts(name: str, names: Iterable[str]) -> list[str]:
    """Those of these names that are a backward of this one: affine_backward of affine_forward, mf_grad of mf_loss, relu_backward of relu.

    After them those that say more: layernorm_backward_alt, backward_propagation_with_dropout.
    """
    known = [n for n in names if n != name]
    if WORD.search(name) and not FORWARD.search(name):
        return []
    first = [next((n for n in called(name) if n in known), None)]
    exact = [n for n in first if n is not None]
    more = [n for n in known if FORWARD.search(name) and any(n.startswith(f"{of}_") for of in called(name))]
    taken = {n for other in known for n in called(other) if FORWARD.search(other)}
    exact = exact if FORWARD.search(name) else [n for n in exact if n not in taken]
    return exact + [n for n in more if n not in (*exact, *taken)]


def called(name: str) -> Iterator[str]:
    """What a backward of a function of this name may be called, the likeliest first."""
    if FORWARD.search(name):
        yield from (FORWARD.sub(word, name, count=1) for word in BACKWARD)
        return
    yield from WHOLE.get(name, ())
    verb = VERBS.match(name)
    start, plain = (verb[0], name[verb.end() :]) if verb else ("", name)
    bare = LOSS.sub("", plain).strip("_")
    for stem in dict.fromkeys(s for s in (plain, bare) if s):
        for word in BACKWARD:
            yield from (f"{start}{stem}_{word}", f"{start}{word}_{stem}")
    if LOSS.search(plain):
        yield from (start + LOSS.sub(word, plain, count=1) for word in BACKWARD)
