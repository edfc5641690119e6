"""`play`: find the fault. A backward of the library is shown, in which one line may have been changed: which?

After each round: the line, the digits of every gradient, and whether the loss would have betrayed it. Answers are read from standard input.
Exit status: 0 if every answer was right, 1 if one was wrong.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.commands.asking import typed, wrapped
from experiments.commands.status import AGREE, DISAGREE

if TYPE_CHECKING:  # which load torch, and take seconds; the rules are shown before
    from experiments.play.rounds import Round

RULES = (
    "A backward pass from the library is shown, under its forward. In most rounds one line of it was changed: which? Answer with its "
    "number, or 0 if all of it is right; q ends the game."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `play`."""
    parser.add_argument("--rounds", type=positive, default=5, help="how many (default 5)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same rounds (default: another each time)")


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def main(options: argparse.Namespace) -> int:
    """Play, and keep the score. Returns the exit status."""
    seed = int(time.time()) % 100_000 if options.seed is None else options.seed
    print(wrapped(RULES) + f"\n\nLoading the library (seed {seed}) …", flush=True)
    from experiments.play.rounds import draw

    rng, played, right, fell = random.Random(seed), 0, 0, list[bool]()
    for number in range(1, options.rounds + 1):
        this = draw(rng)
        print(f"\n{f' Round {number} of {options.rounds} ':─^78}\n\n{laid_out(this)}\n")
        answer = ask(this)
        played += answer is not None
        right += answer == this.wrong
        print(told(this, answer))
        if (lost := the_loss(this)) is not None:
            print("\n" + wrapped(lost[1]))
            fell += [lost[0]] * (answer is not None)
        if answer is None:
            break
    print(f"\n{'':─^78}\n" + wrapped(score(right, played, fell)))
    return AGREE if right == played else DISAGREE


def laid_out(of: Round) -> str:
    """The forward, and the backward with its lines numbered."""
    from experiments.play.rounds import text_of

    forward = [code(line, " " * 7) for tree in of.shown.forward for line in (*text_of(tree), "")]
    backward = [code(line, f"  {number:3}  ") for number, line in enumerate(of.lines, 1)]
    return "\n".join([wrapped(of.shown.title), "", *forward, *backward])


def code(line: str, margin: str) -> str:
    """A line of code after a margin; what does not fit goes on below it, set in."""
    indent = " " * (len(line) - len(line.lstrip()))
    return wrapped(line.lstrip(), margin + indent, " " * len(margin) + indent + "        ")


def ask(of: Round) -> int | None:
    """The number of the line that is said to be wrong, 0 for none; None where no answer comes any more."""
    while (said := typed("Which line is wrong? (0: none) ")) is not None and said.lower() not in ("q", "quit"):
        if said.isdecimal() and int(said) <= len(of.lines):
            return int(said)
        print(wrapped(f"{said or 'Nothing'} is no line: say a number from 1 to {len(of.lines)}, 0 if all is right, or q."))
    return None


def told(of: Round, answer: int | None) -> str:
    """Whether the answer was right, what was changed, and the digits of every gradient."""
    from experiments.play.sayings import WHAT

    truth = f"line {of.wrong} is wrong" if of.wrong else "all of it is right"
    verdict = f"The answer: {truth}." if answer is None else f"Yes, {truth}." if answer == of.wrong else f"No: {truth}."
    lines = [verdict]
    if of.mutant:
        before, after = (wrapped(line, f"  {mark} ", "    ") for mark, line in (("-", of.lines[of.wrong - 1].strip()), ("+", of.original)))
        lines += [wrapped(f"{WHAT[of.mutant.operator]}. What it was changed to, and what stands in the library:"), before, after]
    return "\n".join([*lines, "", *digits_of(of)])


def digits_of(of: Round) -> list[str]:
    """A line for each gradient."""
    from experiments.judge.compare import ONE_STEP, digits

    width = max(map(len, of.errors), default=0)
    return [
        f"  {name:{width}}  {max(digits(error), 0):4.1f} digits  {'right' if error <= ONE_STEP['float64'] else 'wrong'}"
        for name, error in of.errors.items()
    ]


def the_loss(of: Round) -> tuple[bool, str] | None:
    """Whether the loss falls with this fault, and the sentence that says so; None where there is no fault, or nothing to be said."""
    if of.mutant is None:
        return None
    from experiments.play.descent import STEPS, fell, losses

    paths = losses(of)
    if paths is None:
        return None
    wrong, right = paths
    if len(wrong) <= STEPS:
        return False, f"And the loss? After {len(wrong)} steps with this fault it is no number any more: that would be noticed."
    said = f"And the loss? In {STEPS} steps with this fault it goes from {wrong[0]:.3g} to {wrong[-1]:.3g}, without it to {right[-1]:.3g}."
    return fell(wrong), said + (" It falls: nobody who only watches it would notice." if fell(wrong) else " It does not fall.")


def score(right: int, played: int, fell: Sequence[bool]) -> str:
    """The score, and what it teaches."""
    said = f"{right} of {played} right." if played else "No round was played."
    if fell:
        said += f" With {sum(fell)} of the {len(fell)} faults that were tried the loss fell all the same."
        said += " So gradients are compared, not losses." if any(fell) else ""
    return said
