"""What the tests of the spine share: small pairs, short fits, and pairs that are configured or broken on purpose."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import experiments
import manual.optim
from experiments import curriculum
from experiments.data.arrays import ArrayData, Split
from experiments.judge.compare import as_array
from experiments.lockstep import LockStep
from experiments.lockstep.by_hand import HandRun
from experiments.lockstep.checks import data_for
from experiments.pair import Twin
from manual.concept import Batch


def where_there_is_cuda(parameters: Iterable[Any]) -> list[Any]:
    """Parameters of a test that needs a CUDA device; without one there are none, and pytest skips the test."""
    return list(parameters) if torch.cuda.is_available() else []


ROOT = Path(__file__).resolve().parents[1]

SILENT: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}
"""Arguments of a Lightning Trainer that leaves nothing behind and says nothing."""


def variants() -> Iterator[tuple[str, str | None]]:
    """(concept, variant) for all of the curriculum; None is the concept as declared."""
    for e in curriculum.entries():
        yield from ((e.name, v) for v in (None, *experiments.twin(e.name).variants))


def small_data(twin: Twin, n: int = 84, batch_size: int = 24, n_val: int = 17, **arguments: Any) -> ArrayData:
    """The first examples of the twin's data; by default batches of 24, 24, 24 and 12."""
    data = twin.make_data(batch_size=batch_size, **arguments)
    split = data.split if data.at_hand() else data.stand_in()
    data.use(Split(tuple(a[:n] for a in split.train), tuple(a[:n_val] for a in split.val)))
    return data


def some_examples(twin: Twin, n: int, at: int = 0, held_out: bool = False) -> Batch:
    """n examples that are trained on, or held out, from the beginning again where there are no more.

    Where nothing is held out in rows (the data are one graph, or come from a policy) there are no rows to take n of: a whole batch of the
    data's own, and another one for who asks for those after the first.
    """
    data = data_for(twin, 0)[0]
    own = data.val_batches()
    if own is None:
        return tuple(a[np.arange(at, at + n) % len(a)] for a in (data.split.val if held_out else data.split.train))
    found = data.two_batches(twin.build(data=data)[1])[at > 0]
    if held_out and own and (not at or len(own[0]) != len(found)):  # what is known of a world is no row of a rollout
        return own[0]
    return found


def fit(
    twin: Twin, steps: int, *, model: Mapping[str, Any] | None = None, data: ArrayData | None = None, seed: int = 0,
    precision: str = "64-true", callbacks: Sequence[pl.Callback] = (), lockstep: Mapping[str, Any] | None = None, **settings: Any,
) -> tuple[LockStep, Any]:  # fmt: skip
    """Train a pair in lock-step for so many optimizer steps; the callback, and the torch module.

    Args:
        twin: the pair.
        steps: of the optimizer.
        model: hyperparameters in place of the twin's.
        data: in place of `small_data`.
        seed: of the initial weights and of the noise.
        precision: Lightning's.
        callbacks: to stand after the lock-step callback.
        lockstep: arguments of that callback.
        settings: of the Lightning Trainer.
    """
    twin = replace(twin, model={**twin.model, **(model or {})})
    callback = LockStep(twin, seed=seed, **(lockstep or {}))
    data = data or small_data(twin)
    _, theirs = twin.build(seed, "float32", data=data)  # what a run begins with, whatever the precision
    settings = {**SILENT, "limit_val_batches": 0, **settings}
    trainer = pl.Trainer(max_steps=steps, precision=precision, callbacks=[callback, *callbacks], **settings)  # type: ignore[arg-type]
    trainer.fit(theirs, data)
    return callback, theirs


def hand_runs(callback: LockStep) -> list[HandRun]:
    """The hand-written run, and in mode free its shadow, which has done what waited."""
    return [*callback.runs, *([callback.shadow.catch_up()] if callback.shadow is not None else [])]


def whole_run(twin: Twin, variant: str | None = None, seed: int = 0) -> tuple[LockStep, Any]:
    """The run that the twin declares, from its first step to its last, in lock-step and float64; the callback, and the torch module.

    Args:
        twin: the pair.
        variant: of it.
        seed: of the initial weights and of the data.
    """
    data = twin.make_data(seed=seed)
    _, theirs = twin.build(seed, variant=variant, data=data)
    lockstep = LockStep(twin)
    pl.Trainer(**{**SILENT, **twin.trainer}, precision="64-true", callbacks=[lockstep]).fit(theirs, data)
    return lockstep, theirs


def gradients_in_torch(twin: Twin, theirs: Any) -> dict[str, Any]:
    """The gradient of each of a torch module's parameters, as it is called by hand."""
    return twin.naming.by_hand({name: p.grad for name, p in theirs.named_parameters()})


def configured(twin: Twin, configure: Callable[[Any, Any], Any], **model: Any) -> Twin:
    """The same pair with another optimizer: both sides call configure(their optim library, their parameters).

    `model` holds hyperparameters in place of the twin's.
    """

    class Hand(twin.manual):  # type: ignore[name-defined, misc]
        def configure_optimizers(self) -> Any:
            return configure(manual.optim, self.parameters())

    class Torch(twin.torch):  # type: ignore[name-defined, misc]
        def configure_optimizers(self) -> Any:
            return configure(torch.optim, self.parameters())

    return replace(twin, manual=Hand, torch=Torch, model={**twin.model, **model})


def broken(twin: Twin, break_: Callable[[Any], None]) -> Twin:
    """The same pair with a mistake made in every hand-written model that it builds."""

    def make(**arguments: Any) -> Any:
        model = twin.manual(**arguments)
        break_(model)
        return model

    return replace(twin, manual=make)  # type: ignore[arg-type]


def scheduled(optimizer: Any, scheduler: Any, interval: str) -> dict[str, Any]:
    """What configure_optimizers returns for an optimizer with a schedule."""
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}


def same(a: Any, b: Any) -> bool:
    """Whether nested dicts, lists and tuples of arrays, tensors and plain values are equal to the last bit."""
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | np.generic | torch.Tensor):
        a, b = as_array(a), as_array(b)
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return bool(a == b)


def python(*arguments: str, folder: Path, **options: Any) -> subprocess.Popen[str]:
    """Python in a process of its own, in another folder, that finds this checkout's packages."""
    command, paths = [sys.executable, *arguments], os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, text=True, env={**os.environ, "PYTHONPATH": paths}, **{**pipes, **options})


def finished(process: subprocess.Popen[str], seconds: float = 240) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a process; it is ended if it takes too long."""
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        finally:
            process.kill()
    return process.returncode, out, err


def use(monkeypatch: pytest.MonkeyPatch, twin: Twin) -> None:
    """Let the commands find this pair under every name."""
    monkeypatch.setattr(experiments, "twin", lambda name: twin)


def undrawn(twin: Twin) -> Twin:
    """The same pair without figures, which take longer than a short training."""
    return replace(twin, figures=None, before=None)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar in a folder of event files, by tag: (step, value) in order."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


class Finished(NamedTuple):
    """What a command left."""

    status: int
    out: str
    err: str
    folder: Path


def command(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `python -m experiments ...`, in this process."""
    from experiments.__main__ import main

    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(list(arguments))
        except SystemExit as asked:
            status = asked.code if isinstance(asked.code, int) else 0 if asked.code is None else 1
        finally:
            sys.argv = argv
    return status, out.getvalue(), err.getvalue()
