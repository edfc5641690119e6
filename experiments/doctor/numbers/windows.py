"""What the constructor of a layer of images, or of another with windows, asks for: tuples, words and sizes, by their names."""

from __future__ import annotations

import re

Shape = tuple[str | int, ...]


def layouts(*size: str | int) -> tuple[Shape, ...]:
    """Images of a size, with the channels before it and behind it."""
    return ("B", "C", *size), ("B", *size, "C")


IMAGE = layouts("Y", "X")
LARGE = (*layouts("2Y", "2X"), *layouts("2X", "2X"))
"""Where windows of 2 lie side by side: with one of them alone a loop over them has no second round. Squares last: they hide a mistake."""

IMAGES: tuple[Shape, ...] = (*(axes for both in zip(layouts(4, 6), IMAGE, strict=True) for axes in both), (4, 6, "C"), ("C", 4, 6), (4, 6))
"""An image, of a size that a window of two goes through without a rest first."""

WINDOWS: tuple[tuple[str, tuple[tuple[str, Shape], ...]], ...] = (
    (
        r"(filter|kernel|pool|window)_?(shape|dims?|hw)$",
        (("tuple", (2, 2)), ("tuple", (3, 3)), ("tuple", (3, 3, "C", "F")), ("whole 2", ())),
    ),
    (
        r"(kernel|filter|pool|window|k)_?(size|h|w|height|width)?s?$|[hw]_?(filter|kernel|pool)$|f$",
        (("whole 3", ()), ("whole 2", ()), ("tuple", (3, 3)), ("tuple", (2, 2))),
    ),
    (r"strides?$", (("whole 1", ()), ("whole 2", ()), ("tuple", (1, 1)), ("tuple", (2, 2)))),
    (r"pad(ding)?s?$", (("whole 1", ()), ("whole 0", ()), ("text same", ()), ("text valid", ()), ("tuple", (0, 0)), ("text SAME", ()))),
    (r"(\w*_)?(in|input)_?(channels?|depth)$|c_?in$|channels$", (("size", ("C",)), ("size", ("D",)))),
    (
        r"(\w*_)?(out|output)_?(channels?|depth)$|c_?out$|(n|num)_?(filters|kernels)$|filters$",
        (("size", ("F",)), ("size", ("H",)), ("normal", ("F", "C", 3, 3))),
    ),
    (
        r"(x|in|input|image|img)_?shape$|shape$",
        (("tuple", ("C", 4, 6)), ("tuple", (4, 6, "C")), ("tuple", ("D",)), ("tuple", ("C", "Y", "X")), ("tuple", (4, 6))),
    ),
    (
        r"(x|in|input|image|img)_?dims?$",
        (
            ("size", ("D",)),
            ("tuple", ("C", 4, 6)),
            ("tuple", (4, 6, "C")),
            ("tuple", ("D",)),
            ("tuple", ("C", "Y", "X")),
            ("tuple", (4, 6)),
        ),
    ),
    (r"\w*trunc\w*$", (("whole 50", ()),)),
    (r"(activation|act|nonlin(earity)?)(_?(fn|func|function|name))?$", tuple((f"text {w}", ()) for w in ("tanh", "sigmoid", "relu"))),
)
"""Arguments of a constructor that say how something is cut, and how large an image is: by their names, what they may be."""


def of_window(plain: str) -> list[tuple[str, Shape]]:
    """(kind, shape) of what such an argument may be, the likeliest first; nothing for every other name."""
    return next((list(of) for pattern, of in WINDOWS if re.match(pattern, plain)), [])
