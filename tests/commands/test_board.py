"""What a run shows in TensorBoard, read back by TensorBoard's own reader and over its own server."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote, urlparse
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

import experiments
from experiments.commands import board
from experiments.commands.board import HISTOGRAMS
from experiments.judge.compare import Judge
from experiments.judge.naming import Naming
from experiments.lockstep import Record
from tests.helpers import Finished, command, finished, python, scalars, undrawn

SIDES = ("manual", "torch", "compare", "required")
PARAMETERS = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")


def events(folder: Path) -> EventAccumulator:
    """Everything in a folder of event files."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0})
    found.Reload()
    return found


# ---- read back -------------------------------------------------------------------------------------


def test_both_sides_have_the_same_tags_at_the_same_steps_and_the_same_values(tiny_run: Finished) -> None:
    by_hand, in_torch = (scalars(tiny_run.folder / side) for side in ("manual", "torch"))
    assert set(by_hand) == set(in_torch) == {"loss/train", "loss/val", "accuracy/val", "epoch"}
    for tag, curve in by_hand.items():
        theirs = dict(in_torch[tag])  # Lightning writes the epoch twice where it validates
        assert [step for step, _ in curve] == list(theirs), tag
        assert [v for _, v in curve] == pytest.approx(list(theirs.values()), rel=1e-7), tag  # a float32 on disk
    assert [step for step, _ in by_hand["loss/train"]] == list(range(10))
    assert [step for step, _ in by_hand["loss/val"]] == [4, 9]  # at the last step of each epoch


def test_the_curves_are_those_of_the_run(tiny_run: Finished) -> None:
    rows = [line.split(",") for line in (tiny_run.folder / "curves.csv").read_text().splitlines()[1:]]
    assert [v for _, v in scalars(tiny_run.folder / "manual")["loss/train"]] == pytest.approx([float(row[1]) for row in rows], rel=1e-7)
    assert [v for _, v in scalars(tiny_run.folder / "torch")["loss/train"]] == pytest.approx([float(row[2]) for row in rows], rel=1e-7)


def test_digits_of_agreement_lie_between_those_required_and_those_there_are(tiny_run: Finished) -> None:
    reached, required = (scalars(tiny_run.folder / side) for side in ("compare", "required"))
    kinds = ("loss", "gradient", "parameter")
    assert set(reached) == set(required) == {f"digits of agreement/{kind}" for kind in kinds}, "on the same cards"
    for tag in reached:
        assert [step for step, _ in reached[tag]] == [step for step, _ in required[tag]] == list(range(10))
        assert all(11 < least <= digits < 15.7 for (_, digits), (_, least) in zip(reached[tag], required[tag], strict=True))


def test_the_figures_of_the_concept_before_and_after(tiny_run: Finished) -> None:
    images = events(tiny_run.folder / "compare")
    assert images.Tags()["images"] == ["figures/1 p minus y", "figures/2 misread digits", "figures/3 both loss curves"]
    assert [image.step for image in images.Images("figures/1 p minus y")] == [0, 10]
    assert [image.step for image in images.Images("figures/3 both loss curves")] == [10]
    for tag in images.Tags()["images"]:
        for image in images.Images(tag):
            assert image.encoded_image_string.startswith(b"\x89PNG")
            assert min(image.width, image.height) > 200


def test_the_lesson_and_both_files_as_text(tiny_run: Finished) -> None:
    compare = events(tiny_run.folder / "compare")
    texts = {tag: make_ndarray(compare.Tensors(tag)[0].tensor_proto).item().decode() for tag in compare.Tags()["tensors"]}
    lesson, by_hand, in_torch = (texts[f"{tag}/text_summary"] for tag in ("1 the lesson", "2 by hand", "3 in torch"))
    assert "(p − y)/N" in lesson
    assert "**" not in lesson
    assert "<strong>" in lesson
    assert by_hand.startswith("```python\nfrom __future__"), "the lesson is not repeated"
    assert "dL_dz1 = self.relu.backward(dL_dh)" in by_hand
    assert "F.cross_entropy" in in_torch or "nn.CrossEntropyLoss" in in_torch


def test_histograms_of_weights_and_gradients_on_both_sides(tiny_run: Finished) -> None:
    by_hand, in_torch = (events(tiny_run.folder / side) for side in ("manual", "torch"))
    tags = {f"{what}/{name}" for what in ("weights", "gradients") for name in PARAMETERS}
    assert set(by_hand.Tags()["histograms"]) == set(in_torch.Tags()["histograms"]) == tags
    for tag in tags:
        ours, theirs = by_hand.Histograms(tag), in_torch.Histograms(tag)
        assert [h.step for h in ours] == [h.step for h in theirs]
        assert 1 < len(ours) <= HISTOGRAMS + 1
        for a, b in zip(ours, theirs, strict=True):
            assert a.histogram_value.num == b.histogram_value.num > 0
            assert (a.histogram_value.sum, a.histogram_value.sum_squares) == pytest.approx(
                (b.histogram_value.sum, b.histogram_value.sum_squares), rel=1e-9, abs=1e-12
            )
            assert a.histogram_value.sum_squares > 0


def test_histograms_are_drawn_so_many_times_in_a_run_and_at_its_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = undrawn(experiments.twin("digits_mlp"))
    monkeypatch.setattr(experiments, "twin", lambda name: twin)
    monkeypatch.setattr(board, "HISTOGRAMS", 2)
    options = ["--trainer.max_steps", "10", "--model.hidden", "7", "--trainer.default_root_dir", str(tmp_path)]
    assert command("run", "digits_mlp", *options)[0] == 0
    for side in ("manual", "torch"):
        drawn = events(tmp_path / "digits_mlp" / "version_0" / side).Histograms("weights/fc1.bias")
        assert [h.step for h in drawn] == [0, 4, 9]


def test_texts_that_a_concept_logs_stand_under_one_name_at_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = undrawn(experiments.twin("digits_mlp"))

    class Hand(twin.manual):  # type: ignore[name-defined, misc]
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            super().validation_step(batch, batch_idx)
            self.log_text("written", f"\n  two\nlines by {type(self).__name__}")

    class Torch(twin.torch):  # type: ignore[name-defined, misc]
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            super().validation_step(batch, batch_idx)
            self.log_text("written", f"\n  two\nlines by {type(self).__name__}")

    monkeypatch.setattr(experiments, "twin", lambda name: replace(twin, manual=Hand, torch=Torch))
    options = ["--trainer.max_epochs", "2", "--data.batch_size", "289", "--model.hidden", "7", "--trainer.default_root_dir", str(tmp_path)]
    assert command("run", "digits_mlp", *options)[0] == 0
    for side, name in (("manual", "Hand"), ("torch", "Torch")):
        found = events(tmp_path / "digits_mlp" / "version_0" / side).Tensors("written/text_summary")
        assert [event.step for event in found] == [4, 9]
        assert {make_ndarray(event.tensor_proto).item().decode() for event in found} == {f"```\n  two\nlines by {name}\n```"}


def test_runs_can_be_compared_by_what_they_were_asked_for(tiny_run: Finished) -> None:
    for side in ("manual", "torch"):
        content = events(tiny_run.folder / side).PluginTagToContent("hparams")
        asked = HParamsPluginData.FromString(content["_hparams_/session_start_info"]).session_start_info.hparams
        values = {name: getattr(value, value.WhichOneof("kind")) for name, value in asked.items()}
        model = {"model.hidden": 10, "model.dropout": 0.2, "model.lr": 1e-3}
        assert values == {**model, "data.batch_size": 289, "data.seed": 0, "optimizer": "Adam", "epochs": 2}
        names = {m.name.tag for m in HParamsPluginData.FromString(content["_hparams_/experiment"]).experiment.metric_infos}
        assert names == {"loss/train", "loss/val", "accuracy/val"}


def test_the_graph_is_torchs(tiny_run: Finished) -> None:
    graph = events(tiny_run.folder / "torch").Graph()
    assert {part for node in graph.node for part in node.name.split("/")} >= {"Linear[fc1]", "ReLU[relu]", "Linear[fc2]"}
    assert not events(tiny_run.folder / "manual").Tags()["graph"]


@pytest.mark.parametrize("name", ["optimizers", "distributions", "expectation"])
def test_there_is_a_graph_whatever_forward_takes_and_none_where_there_is_no_forward(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = undrawn(experiments.twin(name))
    monkeypatch.setattr(experiments, "twin", lambda name: twin)
    assert command("run", name, "--trainer.max_steps", "1", "--trainer.default_root_dir", str(tmp_path))[0] == 0
    assert events(tmp_path / name / "version_0" / "torch").Tags()["graph"] is (name != "expectation")


def test_scalars_are_written_as_often_as_lightning_writes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = undrawn(experiments.twin("digits_mlp"))
    monkeypatch.setattr(experiments, "twin", lambda name: twin)
    options = ["--trainer.log_every_n_steps", "3", "--trainer.max_steps", "8", "--trainer.accumulate_grad_batches", "2"]
    assert command("run", "digits_mlp", *options, "--trainer.default_root_dir", str(tmp_path))[0] == 0
    steps = {side: [s for s, _ in scalars(tmp_path / "digits_mlp" / "version_0" / side)["loss/train"]] for side in ("manual", "torch")}
    assert steps == {"manual": [2, 5], "torch": [2, 5]}


# ---- what is written, call by call -----------------------------------------------------------------


class Noted:
    """An event file that notes what is written into it."""

    made: list[tuple[str, int | None]]

    def __init__(self, folder: str, purge_step: int | None = None) -> None:
        type(self).made.append((folder, purge_step))
        self.said: list[tuple[Any, ...]] = []
        self.closed = False

    def add_numbers(self, numbers: Any, step: int) -> None:
        self.said += [(tag, value, step) for tag, value in numbers.items()]

    def add_distribution(self, tag: str, values: Any, step: int) -> None:
        self.said.append((tag, values.tolist(), step))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """What event files are made: folder and purge_step."""
    monkeypatch.setattr(Noted, "made", [], raising=False)
    monkeypatch.setattr(board, "Writer", Noted)
    return Noted.made


def a_board(purge_step: int | None = None, **changes: Any) -> Any:
    """The board of two parameters after the fifth round, which brought two steps; the last word of each number is whose it is."""
    judge = Judge()
    judge.raise_floor(1e-12)
    model = SimpleNamespace(
        logged={"loss/train": (0.5, None), "x/train": 2.0}, texts={}, named_parameters=lambda: {"w": np.array([1.0, 2.0])}.items()
    )
    records = [Record(i, 1.0, 1.0, *(10.0**-e for e in errors), 0) for i, errors in ((4, (2, 3, 4)), (5, (9, 8, 7)), (6, (6, 7, 9)))]
    lockstep = SimpleNamespace(
        between_steps=True, comparing=True, watching=True, rounds=5, first_step=5, records=records, judge=judge, metrics={"loss/val": 7.0},
        hand=SimpleNamespace(model=model, gradient={"w": np.array([3.0, 3.5])}),
        in_torch=SimpleNamespace(gradient={"w": np.array([6.0, 6.5])}),
    )  # fmt: skip
    twin = SimpleNamespace(naming=Naming({}))
    found = board.Board(twin, SimpleNamespace(**{**vars(lockstep), **changes}), Path("run"), purge_step)  # type: ignore[arg-type]
    found.torch_writer = Noted("torch")  # type: ignore[assignment]
    return found


def ended(found: Any, every: int = 5, batches: int = 100) -> dict[str, list[tuple[Any, ...]]]:
    """What it writes at the end of a batch, by side."""
    trainer = SimpleNamespace(log_every_n_steps=every, current_epoch=3, estimated_stepping_batches=batches)
    module = SimpleNamespace(named_parameters=lambda: {"w": np.array([4.0, 5.0])}.items())
    found.on_train_batch_end(trainer, module, None, None, 0)
    return {side: writer.said for side, writer in [*found.writers.items(), ("torch", found.torch_writer)] if writer.said}


REACHED = (("loss", 6.0), ("gradient", 7.0), ("parameter", 7.0))
SCALARS = {
    "manual": [("loss/train", 0.5, 4), ("x/train", 2.0, 4), ("epoch", 3, 4)],
    "compare": [(f"digits of agreement/{kind}", pytest.approx(reached), 4) for kind, reached in REACHED],
    "required": [(f"digits of agreement/{kind}", pytest.approx(11.0), 4) for kind, _ in REACHED],
}
HISTOGRAMS_OF_BOTH = {
    "manual": [("weights/w", [1.0, 2.0], 4), ("gradients/w", [3.0, 3.5], 4)],
    "torch": [("weights/w", [4.0, 5.0], 4), ("gradients/w", [6.0, 6.5], 4)],
}


def test_what_is_written_at_the_end_of_a_batch(noted: Any) -> None:
    both = {**SCALARS, **HISTOGRAMS_OF_BOTH, "manual": SCALARS["manual"] + HISTOGRAMS_OF_BOTH["manual"]}
    assert ended(a_board()) == both
    assert ended(a_board(), every=4) == HISTOGRAMS_OF_BOTH
    assert ended(a_board(), batches=80) == SCALARS  # every fourth of them has histograms
    assert ended(a_board(), batches=19) == both  # each of a few
    assert ended(a_board(watching=False)) == HISTOGRAMS_OF_BOTH
    assert ended(a_board(between_steps=False)) == ended(a_board(comparing=False)) == {}
    first = ended(a_board(rounds=1), batches=10**6)
    assert first == {side: [(tag, value, 0) for tag, value, _ in said] for side, said in HISTOGRAMS_OF_BOTH.items()}


@pytest.mark.parametrize(("rounds", "step"), [(5, 4), (0, 0)])
def test_a_validation_is_written_at_the_step_before_it(rounds: int, step: int, noted: Any) -> None:
    found = a_board(rounds=rounds)
    found.on_validation_end(None, None)
    assert found.writer("manual").said == [("loss/val", 7.0, step)]
    silent = a_board(comparing=False)
    silent.on_validation_end(None, None)
    assert silent.writers == {}


@pytest.mark.parametrize("purge_step", [None, 7])
def test_each_side_has_one_event_file_in_which_older_events_are_dropped_and_it_is_closed(purge_step: int | None, noted: Any) -> None:
    found = a_board(purge_step)
    noted.clear()
    assert found.writer("manual") is found.writer("manual")
    found.writer("compare")
    assert noted == [(str(Path("run") / side), purge_step) for side in ("manual", "compare")]
    found.on_exception(None, None, KeyboardInterrupt())
    assert all(writer.closed for writer in found.writers.values())


# ---- over the server -------------------------------------------------------------------------------


def test_the_server_that_show_starts_has_both_loss_curves_and_stops_on_ctrl_c(tiny_run: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER", "true")  # a browser that does nothing
    opener = build_opener(ProxyHandler({}))  # whatever proxy the environment names
    server = python("-m", "experiments", "show", "digits_mlp", "--runs", str(tiny_run.folder.parent.parent), folder=tiny_run.folder)
    try:
        assert server.stdout is not None
        link = urlparse(server.stdout.readline().split()[-1])
        assert link.hostname == "127.0.0.1"

        def ask(path: str) -> Any:
            with opener.open(f"http://{link.netloc}{path}", timeout=10) as answer:
                return json.load(answer)

        runs: list[str] = []
        deadline = time.monotonic() + 60
        while len(runs) < len(SIDES) and server.poll() is None and time.monotonic() < deadline:
            runs = ask("/data/runs")
            time.sleep(0.1)
        assert set(runs) == {f"version_0/{side}" for side in SIDES}

        query = parse_qs(link.query)
        assert query["smoothing"] == ["0"]
        assert "runColorGroup" in query
        pinned = json.loads(query["pinnedCards"][0])
        tags = ask("/data/plugin/scalars/tags")
        assert {card["plugin"] for card in pinned} == {"scalars"}
        assert {card["tag"] for card in pinned} <= {tag for of_run in tags.values() for tag in of_run}
        assert pinned[0]["tag"] == "loss/train"
        assert set(tags["version_0/manual"]) == set(tags["version_0/torch"])
        assert set(tags["version_0/compare"]) == set(tags["version_0/required"])

        tag = quote("loss/train", safe="")
        curves = {side: ask(f"/data/plugin/scalars/scalars?run=version_0/{side}&tag={tag}") for side in ("manual", "torch")}
        for side, curve in curves.items():
            assert [(step, value) for _, step, value in curve] == scalars(tiny_run.folder / side)["loss/train"]
        assert [value for _, _, value in curves["manual"]] == pytest.approx([value for _, _, value in curves["torch"]], rel=1e-7)
        server.send_signal(signal.SIGINT)
        assert finished(server, 30)[0] == 0
    finally:
        server.kill()
