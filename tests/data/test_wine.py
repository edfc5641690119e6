"""The wines: read, fetched, verified, and refused in one line where something is wrong."""

from __future__ import annotations

import hashlib
import http.client
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest

from experiments.data import wine
from experiments.data.arrays import InputError
from experiments.data.wine import MEASUREMENTS, WineQuality

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "winequality-red.csv"
HEADER = ";".join(f'"{name}"' for name in (*MEASUREMENTS, "quality"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network unless a test gives one."""

    def nowhere(*args: Any, **kwargs: Any) -> Any:
        raise URLError("no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(wine, "urlopen", nowhere)
    return tmp_path / "cache" / "gradtwin" / "winequality-red.csv"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 23 wines that stands in for UCI's, with its SHA-256."""
    path = tmp_path / "served.csv"
    path.write_bytes(text(23).encode())
    monkeypatch.setattr(wine, "urlopen", urlopen)
    monkeypatch.setattr(wine, "URL", path.as_uri())
    monkeypatch.setattr(wine, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def rows(n: int) -> np.ndarray:
    """n wines: 11 measurements and a score, with four digits each."""
    rng = np.random.default_rng(n)
    scale = np.arange(1, 12)
    return np.column_stack([(scale * rng.normal(3, 1, (n, 11))).round(4), rng.integers(3, 9, n)])


def text(n: int) -> str:
    """The same as UCI writes them."""
    return "\n".join([HEADER, *(";".join(f"{v:g}" for v in row) for row in rows(n))]) + "\n"


def refused(path: Path | str) -> str:
    """The message with which a file is refused; one line."""
    with pytest.raises(InputError) as found:
        WineQuality(csv=str(path)).setup()
    assert "\n" not in str(found.value)
    return str(found.value)


def given(tmp_path: Path, content: str | bytes) -> Path:
    """A file for --data.csv."""
    path = tmp_path / "wines.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- reading -------------------------------------------------------------------------------------


def test_a_fifth_is_held_out_and_the_training_wines_set_the_scale(tmp_path: Path) -> None:
    split = WineQuality(csv=str(given(tmp_path, text(23))), seed=3).split
    (x, y), (x_val, y_val) = split.train, split.val
    assert x.shape == (18, 11)
    assert y.shape == (18, 1)
    assert x_val.shape == (5, 11)
    assert {a.dtype for a in (x, y, x_val, y_val)} == {np.dtype("float64")}
    order = np.random.default_rng(3).permutation(23)
    raw = rows(23)[order]
    mean, std = raw[5:, :11].mean(axis=0), raw[5:, :11].std(axis=0)
    np.testing.assert_allclose(x, (raw[5:, :11] - mean) / std, atol=1e-12)
    np.testing.assert_allclose(x_val, (raw[:5, :11] - mean) / std, atol=1e-12)
    np.testing.assert_array_equal(y, raw[5:, 11:])
    np.testing.assert_array_equal(y_val, raw[:5, 11:])


def test_other_seeds_hold_out_other_wines(tmp_path: Path) -> None:
    path = str(given(tmp_path, text(23)))
    assert not np.array_equal(WineQuality(csv=path, seed=0).split.val[1], WineQuality(csv=path, seed=1).split.val[1])


def reordered(n: int) -> str:
    """Columns from last to first, and one that nobody asked for."""
    names = [*reversed([*MEASUREMENTS, "quality"]), "vintner"]
    return "\n".join([";".join(names), *(";".join([*(f"{v:g}" for v in row[::-1]), "Ana"]) for row in rows(n))])


@pytest.mark.parametrize(
    "content",
    [
        text(11).replace('"', ""),
        text(11).replace("\n", "\r\n"),
        text(11).replace("\n", "\r"),
        "\ufeff" + text(11),
        text(11).rstrip() + "\n\n  \n",
        text(11).replace(";", " ; "),
        text(11).replace(";", '";"').replace("\n", '"\n"').replace('""', '"').removesuffix('"'),
        reordered(11),
    ],
    ids=["unquoted", "CRLF", "CR", "BOM", "blank lines at the end", "blanks", "quoted numbers", "other order"],
)
def test_what_spreadsheets_make_of_it_is_read_all_the_same(content: str) -> None:
    np.testing.assert_array_equal(wine.parse(content.encode(), "wines.csv").to_numpy(), rows(11))


# ---- malformed -----------------------------------------------------------------------------------


def with_cell(line: int, column: int, cell: str) -> str:
    """text(9) with one cell replaced; lines count from 1, as an editor shows them."""
    lines = text(9).splitlines()
    cells = lines[line - 1].split(";")
    cells[column] = cell
    return "\n".join([*lines[: line - 1], ";".join(cells), *lines[line:]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text(9).replace(";", ","), ", line 1: expected 12 column names separated by ';', found ','"),
        (text(9).replace(";", "\t"), r", line 1: expected 12 column names separated by ';', found '\t'"),
        ("hello", ", line 1: expected 12 column names separated by ';'"),
        (text(9).replace('"pH"', '"acid"'), ", line 1: missing column 'pH'"),
        (text(9).replace('"pH"', '"alcohol"'), ", line 1: missing column 'pH'"),
        (text(9).replace("\n", ';"pH"\n', 1), ", line 1: column 'pH' is there 2 times"),
        (with_cell(4, 8, "strong"), ", line 4, column 'pH': expected a number, found 'strong'"),
        (with_cell(2, 0, "7,4"), ", line 2, column 'fixed acidity': expected a number, found '7,4'"),
        (with_cell(10, 11, "-5"), ", line 10, column 'quality': expected a number from 0 to 10, found -5"),
        (with_cell(9, 11, "11"), ", line 9, column 'quality': expected a number from 0 to 10, found 11"),
        (with_cell(3, 1, "1e200"), ", line 3, column 'volatile acidity': expected a number from -1e+06 to 1e+06, found 1e+200"),
        (with_cell(10, 11, "good"), ", line 10, column 'quality': expected a number, found 'good'"),
        (with_cell(6, 10, "nan"), ", line 6, column 'alcohol': expected a number, found 'nan'"),
        (with_cell(6, 10, "inf"), ", line 6, column 'alcohol': expected a number, found 'inf'"),
        (with_cell(6, 10, "NA"), ", line 6, column 'alcohol': expected a number, found 'NA'"),
        (with_cell(3, 2, ""), ", line 3, column 'citric acid': expected a number, found nothing"),
        (with_cell(3, 2, '"4'), None),  # a quotation mark that is never closed swallows nothing
        (with_cell(5, 11, "6;7"), ", line 5: 13 cells, but line 1 names 12 columns"),
        (text(9).replace("\n", "\n\n", 3), ", line 2, column 'fixed acidity': expected a number, found nothing"),
        (
            "\n".join([*text(9).splitlines()[:5], "1;2;3", *text(9).splitlines()[5:]]),
            ", line 6, column 'residual sugar': expected a number, found nothing",
        ),
        (text(9).encode() + b"\xff\xfe", ", line 11: not UTF-8 text"),
        ("", " is empty: expected"),
        ("\n \n", " is empty: expected"),
        (HEADER, " has 0 wines: expected at least 5"),
        (text(4), " has 4 wines: expected at least 5"),
    ],
)
def test_a_malformed_file_is_refused_by_file_line_and_column(tmp_path: Path, content: str | bytes, message: str | None) -> None:
    path = given(tmp_path, content)
    if message is None:
        assert len(WineQuality(csv=str(path)).split.train[0]) == 7
    else:
        assert refused(path).startswith(f"{path}{message}")


def test_what_is_not_a_file_is_refused_and_both_ways_are_named(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "absent.csv", "not a file"), (tmp_path, "a directory, not a file"), ("", "a directory, not a file")):
        message = refused(path)
        assert what in message
        assert "--data.csv PATH" in message
        assert wine.URL in message


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = given(tmp_path, text(9))
    monkeypatch.setattr(Path, "read_bytes", denied)
    assert f"{path} cannot be read (Permission denied)" in refused(path)


def test_a_negative_batch_size_or_seed_is_refused() -> None:
    with pytest.raises(InputError, match=r"batch_size .* must not be negative, got -3"):
        WineQuality(batch_size=-3)


# ---- fetching ------------------------------------------------------------------------------------


def test_the_download_is_kept_and_used_again(served: Path, cache: Path) -> None:
    assert not WineQuality().at_hand()
    first = WineQuality().split
    assert cache.read_bytes() == served.read_bytes()
    assert list(cache.parent.iterdir()) == [cache]
    served.unlink()
    assert WineQuality().at_hand()
    np.testing.assert_array_equal(WineQuality().split.train[0], first.train[0])


def test_without_network_bundled_wines_stand_in_and_both_ways_are_named(cache: Path) -> None:
    data = WineQuality()
    with pytest.warns(UserWarning, match="stand in") as found:
        data.setup()
    assert data.bundled
    message = str(found[0].message)
    assert len(found) == 1
    assert message.endswith(f"Until then {wine.STANDING_IN}")
    assert "--data.csv PATH" in message
    assert wine.URL in message
    assert "no network" in message
    assert "\n" not in message
    assert not cache.parent.exists()


def test_a_tampered_download_is_refused_and_not_kept(served: Path, cache: Path) -> None:
    served.write_bytes(served.read_bytes().replace(b";", b"; ", 1))
    with pytest.raises(InputError, match=r"is not the file expected \(SHA-256 .*--data.csv PATH") as found:
        wine.download()
    assert "\n" not in str(found.value)
    with pytest.warns(UserWarning, match="is not the file expected .* stand in"):
        assert len(WineQuality().split.train[0]) == 142
    assert not cache.parent.exists()
    assert not WineQuality().at_hand()


def test_a_cached_file_that_was_changed_is_not_used_but_fetched_again(served: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(text(9).encode())
    assert not WineQuality().at_hand()
    assert len(WineQuality().split.train[0]) == 18
    assert cache.read_bytes() == served.read_bytes()


def test_a_cached_file_that_was_changed_goes_even_without_network(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(text(9).encode())
    with pytest.raises(InputError, match="not at hand"):
        wine.download()
    assert list(cache.parent.iterdir()) == []


@pytest.mark.parametrize("fault", [http.client.IncompleteRead(b"fixed"), TimeoutError("timed out"), KeyboardInterrupt()], ids=repr)
def test_a_download_that_breaks_off_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException) -> None:
    class BreaksOff(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise fault

    monkeypatch.setattr(wine, "urlopen", lambda *args, **kwargs: BreaksOff())
    with pytest.raises(KeyboardInterrupt if isinstance(fault, KeyboardInterrupt) else InputError):
        wine.download()
    assert not cache.parent.exists()


def test_a_write_that_breaks_off_leaves_nothing(served: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wine.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        WineQuality().setup()
    assert list(cache.parent.iterdir()) == []


def test_an_endless_download_is_not_read_to_the_end(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 < size <= wine.LARGEST
            return size * b"7"

    monkeypatch.setattr(wine, "urlopen", lambda *args, **kwargs: Endless())
    with pytest.raises(InputError, match="not the file expected"):
        wine.download()
    assert not cache.parent.exists()


def test_a_cache_that_cannot_be_written_costs_a_warning_only(served: Path, cache: Path) -> None:
    cache.parent.parent.write_text("a file where the cache directory should be")
    with pytest.warns(UserWarning, match=r"cannot be written .* downloaded again next time"):
        assert len(WineQuality().split.train[0]) == 18


def test_a_relative_cache_directory_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "here"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert wine.cache_file() == tmp_path / ".cache" / "gradtwin" / "winequality-red.csv"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on 127.0.0.1: /short ends too early, anything else is not found."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/short":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", "84199")
            self.end_headers()
            self.wfile.write(HEADER.encode())

        def log_message(self, *args: Any) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(wine, "urlopen", urlopen)
    running = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.mark.parametrize(("page", "message"), [("/gone", "404"), ("/short", "not the file expected|IncompleteRead")])
def test_a_server_that_fails_is_reported(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch, page: str, message: str) -> None:
    monkeypatch.setattr(wine, "URL", server + page)
    with pytest.raises(InputError, match=message):
        wine.download()
    with pytest.warns(UserWarning, match=message):
        WineQuality().setup()
    assert not cache.parent.exists()


def test_the_bundled_wines_are_three_cultivars_whose_alcohol_eleven_measurements_tell() -> None:
    from sklearn.datasets import load_wine

    (x, y), bundle = wine.bundled_wines(), load_wine()
    assert (x.shape, y.shape) == ((178, 11), (178, 1))
    assert f"{len(x)} of {['no', 'one', 'two', 'three'][len(bundle.target_names)]} cultivars" in wine.STANDING_IN
    assert len(MEASUREMENTS) == 11
    left = dict(zip(bundle.feature_names, bundle.data.T, strict=True))
    np.testing.assert_array_equal(y[:, 0], left.pop("alcohol"))
    together = {name: np.corrcoef(left["flavanoids"], values)[0, 1] for name, values in left.items() if name != "flavanoids"}
    assert max(together, key=lambda name: abs(together[name])) == "total_phenols"  # "nearly says what flavanoids say"
    left.pop("total_phenols")
    np.testing.assert_array_equal(x.T, list(left.values()))


def test_a_file_that_is_given_is_never_replaced(tmp_path: Path) -> None:
    data = WineQuality(csv=str(given(tmp_path, text(23))))
    assert len(data.split.train[0]) == 18
    assert not data.bundled
    assert "not a file" in refused(tmp_path / "absent.csv")


# ---- standing in, and the real thing -------------------------------------------------------------


def test_random_wines_have_the_shape_of_the_real_ones() -> None:
    split = WineQuality(seed=5).stand_in()
    assert [a.shape for a in (*split.train, *split.val)] == [(1279, 11), (1279, 1), (320, 11), (320, 1)]
    assert {a.dtype for a in (*split.train, *split.val)} == {np.dtype("float64")}
    assert set(np.unique(split.train[1])) <= set(range(11))
    assert split.train[1].std() > 0.3
    np.testing.assert_allclose(split.train[0].std(axis=0), 1)
    assert not np.array_equal(split.train[1], WineQuality(seed=6).stand_in().train[1])


def test_a_given_file_is_at_hand_whatever_the_cache_holds() -> None:
    assert WineQuality(csv="anything.csv").at_hand()


@pytest.mark.skipif(not REAL.is_file(), reason="UCI's file is not on this machine")
def test_the_real_file_is_the_one_that_is_expected(cache: Path) -> None:
    assert wine.genuine(REAL.read_bytes())
    split = WineQuality(csv=str(REAL)).split
    assert [a.shape for a in (*split.train, *split.val)] == [(1279, 11), (1279, 1), (320, 11), (320, 1)]
    cache.parent.mkdir(parents=True)
    cache.write_bytes(REAL.read_bytes())
    assert WineQuality().at_hand()
    np.testing.assert_array_equal(WineQuality().split.val[0], split.val[0])
