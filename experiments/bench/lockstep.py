"""`bench lockstep`: what verification costs. Each row is a ratio of times in this process, measured turn by turn.

| row | what is timed | against |
| --- | --- | --- |
| lockstep | a training step in which everything is compared | the same step of Lightning alone + by hand alone + the shadow alone |
| spot | a training step of which every 100th is compared | the same step of Lightning alone |
| run | the command `run`, from its options to its figures | a plain Lightning script that trains and logs the same |

Beside the parts of a step stands what they take `together`: in one loop, turn by turn within each step, with nothing compared.
What that is more than their sum is no comparing: each finds the processor's caches full of the others' code and numbers.
The shadow waits until somebody asks what rounding could have done, and mostly nobody does: a step then does without one of the three that
it is measured against. What verifying costs beside the two sides alone is `lockstep` less `lightning` and `by hand`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from rich.console import Console

import experiments
from experiments.lockstep import LockStep
from experiments.lockstep.by_hand import perturb
from experiments.lockstep.quiet import quiet
from experiments.pair import Twin
from manual.concept import Concept
from manual.trainer import Trainer

Turn = Callable[[], float]
"""One turn: the CPU seconds that it took, of all threads, whatever else the machine does."""

PARTS = ("lightning", "by hand", "shadow")
"""A step in lock-step is measured against the sum of these."""

ROWS: dict[str, tuple[str, str, int, int]] = {
    "lockstep digits_mlp": ("lockstep", "digits_mlp", 9, 200),
    "lockstep digits_cnn": ("lockstep", "digits_cnn", 7, 100),
    "spot digits_mlp": ("spot", "digits_mlp", 9, 500),
    "run digits_mlp": ("run", "digits_mlp", 3, 0),
}
"""Each row's kind and concept, in how many rounds it is timed, and how many steps a turn has."""


def measure_lockstep(name: str) -> dict[str, Any]:
    """One of `ROWS`: the ratio and its spread, and milliseconds of everything that was timed: of a step, or of a whole run."""
    quiet()
    kind, concept, rounds, steps = ROWS[name]
    twin = experiments.twin(concept)
    against = {"lockstep": PARTS, "spot": ("lightning",), "run": ("plain",)}[kind]
    timed = (*against, *(["together"] if kind == "lockstep" else []), kind)
    turns: dict[str, Turn] = {part: partial(TURNS[part], twin, steps) for part in timed}
    found = turn_by_turn(turns, rounds)
    ratios = sorted(found[kind][i] / sum(found[part][i] for part in against) for i in range(rounds))
    ms = {part: 1000 * statistics.median(of) / max(steps, 1) for part, of in found.items()}
    return {"name": name, "ratio": statistics.median(ratios), "low": ratios[0], "high": ratios[-1], "steps": steps, "ms": ms}


def turn_by_turn(turns: dict[str, Turn], rounds: int) -> dict[str, list[float]]:
    """What each turn took, in each round; a first round is not counted."""
    found: dict[str, list[float]] = {part: [] for part in turns}
    for counted in range(rounds + 1):
        for part, turn in turns.items():
            seconds = turn()
            if counted:
                found[part].append(seconds)
    return found


# ---- the parts of a step -----------------------------------------------------------------------------


def lightning(twin: Twin, steps: int, *callbacks: pl.Callback) -> float:
    """So many steps in Lightning, with nothing around them that can be left out."""
    data, (_, theirs) = twin.make_data(), twin.build()
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(
        max_steps=steps, max_epochs=-1, precision="64-true", accelerator="cpu", limit_val_batches=0, callbacks=list(callbacks), **off
    )
    began = time.process_time()
    trainer.fit(theirs, data)
    return time.process_time() - began


def concept(twin: Twin, steps: int, shadow: bool) -> Concept:
    """The concept by hand; as a shadow it multiplies every gradient by 1 ± eps before each step."""
    ours, _ = twin.build()
    if shadow:
        numbers = iter(range(steps))
        setattr(ours, "on_before_optimizer_step", lambda _: perturb(ours, next(numbers)))  # noqa: B010 - a method
    return ours


def by_hand(twin: Twin, steps: int, shadow: bool = False) -> float:
    """As many by hand."""
    data, ours = twin.make_data(), concept(twin, steps, shadow)
    x, y = data.split.train
    batches = [(x[i : i + data.batch_size], y[i : i + data.batch_size]) for i in range(0, len(x), data.batch_size)]
    began = time.process_time()
    Trainer().fit(ours, (batches * -(-steps // len(batches)))[:steps])
    return time.process_time() - began


class Beside(pl.Callback):
    """Trains these concepts by hand on every batch that Lightning has trained on, and compares nothing."""

    def __init__(self, *concepts: Concept) -> None:
        self.trainers = [Trainer() for _ in concepts]
        for trainer, ours in zip(self.trainers, concepts, strict=True):
            trainer.attach(ours)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """The same batch, as arrays."""
        for by_hand in self.trainers:
            by_hand.train_batch(tuple(t.numpy() for t in batch), batch_idx)


# ---- a whole run -------------------------------------------------------------------------------------


def whole_run(twin: Twin, steps: int = 0) -> float:
    """What a user does who types `run`, but for the imports."""
    from experiments.commands.run import run

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        began = time.process_time()
        run(twin.name, ["--trainer.default_root_dir", folder])
        return time.process_time() - began


def plain_run(twin: Twin, steps: int = 0) -> float:
    """The plain script instead."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        plain_script(twin, folder)
        return time.process_time() - began


def plain_script(twin: Twin, folder: str) -> None:
    """The torch side alone, trained as long, every step of it logged to TensorBoard, and its weights saved after each epoch."""
    pl.seed_everything(0, verbose=False)
    settings: dict[str, Any] = {"precision": "64-true", "accelerator": "cpu", "enable_model_summary": False, **twin.trainer}
    logger, data = TensorBoardLogger(folder, default_hp_metric=False), twin.make_data()
    trainer = pl.Trainer(**settings, logger=logger, log_every_n_steps=1, enable_progress_bar=False, num_sanity_val_steps=0)
    trainer.fit(twin.torch(**twin.hyperparameters(data=data)), data)


TURNS: dict[str, Callable[[Twin, int], float]] = {
    "lightning": lightning,
    "by hand": by_hand,
    "shadow": partial(by_hand, shadow=True),
    "together": lambda twin, steps: lightning(twin, steps, Beside(concept(twin, steps, False), concept(twin, steps, True))),
    "lockstep": lambda twin, steps: lightning(twin, steps, LockStep(twin)),
    "spot": lambda twin, steps: lightning(twin, steps, LockStep(twin, "spot", 100)),
    "run": whole_run,
    "plain": plain_run,
}
"""What is timed, for so many steps, by its name."""


# ---- the table ---------------------------------------------------------------------------------------

AGAINST = {
    "lockstep": "a step in lock-step / Lightning alone + by hand + shadow",
    "spot": "a step, every 100th of them compared / Lightning alone",
    "run": "the whole command / a plain Lightning script that logs the same",
}


def show_lockstep(console: Console, rows: list[dict[str, Any]]) -> None:
    """A ratio in each line, and what it is made of."""
    for row in rows:
        unit = "ms a step" if row["steps"] else "ms"
        parts = ", ".join(f"{part} {ms:.2f}" if row["steps"] else f"{part} {ms:.0f}" for part, ms in row["ms"].items())
        spread = f"{row['low']:.2f}-{row['high']:.2f}"
        line = f"{row['name']}: {row['ratio']:.2f} ({spread}) = {AGAINST[row['name'].split()[0]]}; {unit}: {parts}"
        console.print(line, highlight=False, soft_wrap=True)
