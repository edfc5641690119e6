"""Everything that is read back from a checkpoint is looked at before it is used."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import experiments
from experiments import curriculum
from experiments.commands import saved, saved_parts
from experiments.commands.checkpoints import CHECKSUM, Checkpoints, checksum
from experiments.commands.run_options import RunCLI
from experiments.commands.saved import refuse_what_no_run_has_saved
from experiments.commands.status import BAD_INPUT
from experiments.commands.stopping import Signals
from experiments.data.arrays import InputError
from experiments.judge.convert import to_torch
from tests.data.test_arrays import Few
from tests.helpers import Finished, command


@pytest.mark.parametrize(("batch_size", "batches"), [(10, 2), (11, 1), (5, 3), (1, 11), (12, 1), (0, 1)])
def test_an_epoch_of_eleven_rows_has_so_many_batches(batch_size: int, batches: int) -> None:
    cli = SimpleNamespace(datamodule=Few(batch_size=batch_size))
    assert saved.number_of_batches(cli) == batches == len(list(cli.datamodule.train_dataloader()))


NOT_READ = ("hyper_parameters", "hparams_name", CHECKSUM)
"""What a resumed run does not read."""


@pytest.fixture(scope="module")
def cli(tiny_run: Finished) -> RunCLI:
    """A run that goes on, up to where its checkpoint is looked at."""
    options = ["--ckpt_path", str(tiny_run.folder / "checkpoints" / "last.ckpt")]
    return RunCLI(experiments.twin("digits_mlp"), options, Signals())


@pytest.fixture(scope="module")
def described(cli: RunCLI) -> Any:
    """What its checkpoint must look like; made once."""
    return saved.description(cli)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every dict, list, tensor and value inside."""
    if way:
        yield way
    if isinstance(value, dict | list):
        for key, of in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in NOT_READ:
                yield from places(of, (*way, key))


def at(value: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        value = value[key]
    return value


@contextmanager
def changed(checkpoint: Any, way: tuple[Any, ...], *value: Any) -> Iterator[Any]:
    """The checkpoint with this value there, or without that key; afterwards it is as it was."""
    inside, key = at(checkpoint, way[:-1]), way[-1]
    before = copy.copy(inside)
    if value:
        inside[key] = value[0]
    else:
        del inside[key]
    yield checkpoint
    inside.clear()
    inside.update(before) if isinstance(inside, dict) else inside.extend(before)


def refused(cli: RunCLI, described: Any, checkpoint: dict[str, Any]) -> str:
    """The sentence in which this checkpoint is refused, whatever its checksum."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli, "resumed", checkpoint)
        patched.setattr(saved, "description", lambda _: described)
        patched.setattr(saved, "checksum", lambda of: of[CHECKSUM])
        try:
            refuse_what_no_run_has_saved(cli)
        except InputError as error:
            return str(error)
    return ""


def test_what_a_run_has_saved_is_accepted(cli: RunCLI, described: Any) -> None:
    assert refused(cli, described, copy.deepcopy(cli.resumed)) == ""


@pytest.mark.parametrize("other", [(1,), [[None]]], ids=str)
def test_whatever_is_of_another_type_anywhere_is_refused(other: Any, cli: RunCLI, described: Any) -> None:
    accepted = []
    ways = list(places(cli.resumed))
    assert len(ways) > 300
    for way in ways:
        if at(cli.resumed, way) is None:  # options of an optimizer that are not used, and a failure that there was not
            continue
        with changed(cli.resumed, way, other) as forged:
            if not refused(cli, described, forged):
                accepted.append(way)
    assert accepted == []


def test_whatever_is_left_out_anywhere_is_refused(cli: RunCLI, described: Any) -> None:
    ways = [way for way in places(cli.resumed) if isinstance(way[-1], str)]
    free = ("largest", "sums", "worst", "metrics", "rounding")  # what is in these tables depends on what was seen
    ways = [way for way in ways if not {*way[:-1]} & {*free}]
    accepted = []
    for way in ways:
        with changed(cli.resumed, way) as forged:
            if not refused(cli, described, forged):
                accepted.append(way)
    assert accepted == []


@pytest.mark.parametrize("name", [e.name for e in curriculum.entries()])
def test_what_every_concepts_optimizers_remember_is_as_it_is_described(name: str) -> None:
    twin = experiments.twin(name)
    _, model = twin.build(dtype="float32")
    run: Any = SimpleNamespace(twin=twin, model=model, trainer=SimpleNamespace(precision="64-true"), config_init={})
    for optimizers, schedules in (saved_parts.examples_in_torch(run), saved_parts.examples_by_hand(run)[1:]):
        saved_parts.states(optimizers)(to_torch([o.state_dict() for o in optimizers]), "optimizers")
        saved_parts.schedules_like(schedules)(to_torch([s.state_dict() for s in schedules]), "schedules")


LOCKSTEP = ("callbacks", "LockStep")
JUDGE = (*LOCKSTEP, "judge")
BATCHES = ("loops", "fit_loop", "epoch_loop.batch_progress", "total", "ready")


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("global_step",), -1),
        (("global_step",), 10**30),
        (("global_step",), 9),
        (("epoch",), 7),
        (BATCHES, -1),
        (BATCHES, 11),
        (("pytorch-lightning_version",), "1.0.0"),
        (("optimizer_states", 0, "param_groups", 0, "lr"), -1.0),
        (("optimizer_states", 0, "param_groups", 0, "lr"), "fast"),
        (("optimizer_states", 0, "param_groups", 0, "betas"), (2.0, 3.0)),
        (("optimizer_states", 0, "param_groups", 0, "params"), [0, 1, 2, 2]),
        ((*LOCKSTEP, "runs", 0, "optimizers", 0, "param_groups", 0, "lr"), -1.0),
        (("optimizer_states",), []),
        ((*LOCKSTEP, "runs"), [1]),
        ((*LOCKSTEP, "micro_batches"), -5),
        ((*LOCKSTEP, "micro_batches"), 11),
        ((*LOCKSTEP, "records"), torch.zeros(0, 7, dtype=torch.float64)),
        ((*LOCKSTEP, "mode"), "spot"),
        (("Digits", "batch"), -3),
        (("Digits", "batch"), 4),
        ((*JUDGE, "zero_gradient"), ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]),
        ((*JUDGE, "dtype"), "float32"),
        ((*JUDGE, "foretold"), False),
        ((*JUDGE, "floor"), 1.0),
        ((*JUDGE, "tolerance"), 1.0),
        ((*JUDGE, "spread", "gradient"), 1e9),
        ((*JUDGE, "largest", "parameter"), float("nan")),
        ((*JUDGE, "worst", "gradient", "fc1.weight"), 1e-3),
        ((*JUDGE, "steps"), 3),
        ((*JUDGE, "error"), "an attribute of its own"),
    ],
    ids=lambda v: ".".join(map(str, v)) if isinstance(v, tuple) else None,
)
def test_a_value_that_no_run_comes_to_is_refused(way: tuple[Any, ...], value: Any, cli: RunCLI, described: Any) -> None:
    with changed(cli.resumed, way, value) as forged:
        assert refused(cli, described, forged)


def test_what_was_changed_without_a_trace_is_told_by_its_checksum(cli: RunCLI, tmp_path: Path) -> None:
    changed = copy.deepcopy(cli.resumed)
    changed["callbacks"]["LockStep"]["judge"]["worst"]["loss"]["loss"] = 0.0
    changed["state_dict"]["fc1.bias"][0] += 1e-9
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli, "resumed", changed)
        with pytest.raises(InputError, match="was changed after a run had saved it: its checksum is another"):
            refuse_what_no_run_has_saved(cli)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"b": 1}),
        ({"a": [1, 2]}, {"a": [1], "b": 2}),
        ({"a": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2)}),
        ({"a": torch.zeros(2)}, {"a": torch.zeros(2, dtype=torch.float64)}),
        ({"a": torch.zeros(2)}, {"a": torch.tensor([0.0, -0.0])}),
        ({"a": None}, {"a": "None"}),
        ({"a": "1", "b": ""}, {"a": "", "b": "1"}),
    ],
)
def test_a_checksum_tells_what_is_not_the_same(a: Any, b: Any) -> None:
    assert checksum(a) == checksum(copy.deepcopy(a))
    assert checksum(a) != checksum(b)


def test_a_checkpoint_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    Checkpoints("digits_mlp").save_checkpoint({"a": 1}, path)
    before = path.read_bytes()

    def save(value: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(OSError, match="No space left"):
        Checkpoints("digits_mlp").save_checkpoint({"a": 2}, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_a_forged_checkpoint_is_one_line_and_leaves_its_run_as_it_was(tiny_run: Finished, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "digits_mlp" / "version_0"
    shutil.copytree(tiny_run.folder, folder)
    path = folder / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["loops"] = {}
    torch.save(checkpoint, path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    status, out, err = command("run", "digits_mlp", "--ckpt_path", str(path), "--trainer.max_epochs", "4")
    assert (status, out) == (BAD_INPUT, "")
    assert re.fullmatch(r"error: .*last\.ckpt is not as a run of this model saves it: loops: it lacks fit_loop, .*\n", err), err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
