"""Event files that are written at once, and what TensorBoard reads in them."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter

from experiments.commands.events import BINS, ToFile, Writer


def read(folder: Path) -> Any:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0})
    found.Reload()
    return found


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = read(folder)
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_what_was_added_is_in_the_file_and_no_thread_has_written_it(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = Writer(str(tmp_path / "a" / "b"))
    writer.add_numbers({"loss": 0.5, "accuracy": np.float32(0.25)}, 3)
    writer.add_scalar("loss", 0.125, 4)
    assert threading.active_count() == before
    assert scalars(tmp_path / "a" / "b") == {"loss": [(3, 0.5), (4, 0.125)], "accuracy": [(3, 0.25)]}
    writer.flush()
    writer.close()
    writer.add_numbers({"loss": 1.0}, 5)  # as of SummaryWriter: into another file
    writer.close()
    assert len(list((tmp_path / "a" / "b").iterdir())) == 2


def test_a_resumed_run_takes_back_what_was_written_from_its_step_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.commands.events.time.time", iter(range(100, 200)).__next__)  # files are read in the order of names
    first = Writer(str(tmp_path))
    for step in range(4):
        first.add_numbers({"loss": step}, step)
    first.close()
    second = Writer(str(tmp_path), purge_step=2)
    second.add_numbers({"loss": 7.0}, 2)
    second.close()
    assert scalars(tmp_path) == {"loss": [(0, 0.0), (1, 1.0), (2, 7.0)]}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_by_whoever_writes(tmp_path: Path) -> None:
    with Writer(str(tmp_path)) as writer:
        assert isinstance(writer.file_writer, ToFile)
        of = writer.file_writer.event_writer
        of.records.close()
        of.records = RecordWriter(open("/dev/full", "wb", buffering=0))  # noqa: SIM115 - closed by `with`
        with pytest.raises(OSError, match="No space left"):
            writer.add_numbers({"loss": 1.0}, 0)


# ---- histograms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_histogram_holds_every_value_between_its_bounds(dtype: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(30, 40)).astype(dtype)
    with Writer(str(tmp_path)) as writer:
        writer.add_distribution("w", values, 2)
    (found,) = read(tmp_path).Histograms("w")
    histogram = found.histogram_value
    assert found.step == 2
    assert (histogram.num, histogram.min, histogram.max) == (values.size, values.min(), values.max())
    assert (histogram.sum, histogram.sum_squares) == pytest.approx((values.sum(dtype=float), np.sum(values.astype(float) ** 2)))
    bounds = np.array(histogram.bucket_limit)
    assert len(bounds) == BINS + 1  # one of them is empty: the first says where the next begins
    expected = np.histogram(values.astype(float), bounds)[0]
    assert histogram.bucket[0] == 0
    assert list(histogram.bucket[1:]) == list(expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [3.0], [1e18, 1e18], [-1e18, 1e18], [1.0, 1.0 + 1e-15], [0.1, np.nextafter(0.1, 1)], [5e-324, 0.0]]
)
def test_values_that_hardly_differ_have_one_too(values: list[float], dtype: str, tmp_path: Path) -> None:
    with Writer(str(tmp_path)) as writer:
        writer.add_distribution("w", np.array(values, dtype), 0)
    assert read(tmp_path).Histograms("w")[0].histogram_value.num == len(values)


@pytest.mark.parametrize("values", [[np.nan, 1.0], [np.inf, 1.0], [1e19], []])
def test_what_is_no_number_has_none(values: list[float], tmp_path: Path) -> None:
    with Writer(str(tmp_path)) as writer:
        writer.add_distribution("w", np.array(values), 0)
    assert read(tmp_path).Tags()["histograms"] == []


# ---- pictures --------------------------------------------------------------------------------------


def test_a_picture_is_kept_in_the_colours_that_it_has(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[1:, 2:] = 200, 30, 40
    with Writer(str(tmp_path)) as writer:
        writer.add_picture("figures/one", Image.fromarray(pixels).quantize(4), 9)
    (found,) = read(tmp_path).Images("figures/one")
    assert (found.step, found.width, found.height) == (9, 6, 4)
    picture = Image.open(io.BytesIO(found.encoded_image_string))
    assert picture.mode == "P"
    assert np.array_equal(picture.convert("RGB"), pixels)
