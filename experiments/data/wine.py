"""The red wines of Cortez et al. (2009): from a given file, the cache or the network; verified, and refused where malformed.

Where they cannot be had, scikit-learn's bundled wines stand in for them.
"""

from __future__ import annotations

import csv as csv_format
import hashlib
import http.client
import io
import os
import re
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pandas as pd

from experiments.data.arrays import ArrayData, InputError, Notice, Split, split_at_random, standardise

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality/winequality-red.csv"
SHA256 = "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e"
LARGEST = 1_000_000
"""No more bytes than these are accepted from the network; the file has 84,199."""

MEASUREMENTS = (
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
)
SCORE = "quality"
HELD_OUT = 0.2
BEST = 10
"""The highest score; the lowest is 0."""

LARGEST_MEASURED = 1e6
"""Far above anything that is measured of wine: 289 is the largest number in the file."""

FEWEST = 5
"""Wines of which a fifth can be held out."""

LEFT_OUT = ("alcohol", "total_phenols")
"""Of the 13 measurements of scikit-learn's wines: the one that is to be told, and one that nearly says what flavanoids say."""

STANDING_IN = "scikit-learn's bundled wines stand in for them: 178 of three cultivars, whose alcohol is told from eleven other measurements"

BOTH_WAYS = f"give winequality-red.csv with --data.csv PATH, or let it be downloaded once from {URL}"


class WineQuality(ArrayData):
    """1,599 red wines: 11 measurements, standardised, and the score (N, 1) that tasters gave, 0 to 10; a fifth is held out.

    Args:
        batch_size: wines in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the batches.
        csv: a file like winequality-red.csv; without it that file is taken from the cache, or downloaded into it. If it cannot be had,
            scikit-learn's bundled wines stand in: the same number of measurements, and the alcohol in place of the score.

    Attributes:
        bundled: whether scikit-learn's wines do stand in; known once the arrays are loaded.

    Source: P. Cortez, A. Cerdeira, F. Almeida, T. Matos, J. Reis, "Modeling wine preferences by data mining from
        physicochemical properties", Decision Support Systems 47(4), 2009. Data: UCI, DOI 10.24432/C56S3T, CC BY 4.0.
    """

    def __init__(self, batch_size: int = 32, seed: int = 0, csv: str | None = None) -> None:
        super().__init__(batch_size, seed)
        self.csv, self.bundled = csv, False

    def load(self) -> Split:
        """Read, split and standardise; warn if other wines stand in for those that cannot be had.

        Raises:
            InputError: if the given file is not there, or is malformed.
        """
        return standardise(split_at_random(self._wines(), HELD_OUT, self.seed))

    def _wines(self) -> tuple[np.ndarray, np.ndarray]:
        """x (N, 11) and y (N, 1)."""
        if self.csv is not None:
            wines = parse(read(Path(self.csv)), self.csv)
        else:
            try:
                wines = parse(cached() or download(), str(cache_file()))
            except InputError as error:
                warnings.warn(f"{error}. Until then {STANDING_IN}", Notice, stacklevel=2)
                self.bundled = True
                return bundled_wines()
        return wines[list(MEASUREMENTS)].to_numpy(), wines[[SCORE]].to_numpy()

    def at_hand(self) -> bool:
        """Whether a file is given, or the cached one is the right one: whether the network need not be asked."""
        return self.csv is not None or cached() is not None

    def stand_in(self) -> Split:
        """Random wines whose score depends on the measurements: as many as in the file, and as many held out."""
        rng = np.random.default_rng(self.seed)
        x = rng.standard_normal((1599, len(MEASUREMENTS)))
        score = 5.6 + 0.2 * x.sum(axis=1, keepdims=True) + 0.5 * rng.standard_normal((len(x), 1))
        return standardise(split_at_random((x, score.round().clip(0, 10)), HELD_OUT, self.seed))


def bundled_wines() -> tuple[np.ndarray, np.ndarray]:
    """Eleven measurements (178, 11) of the wines that scikit-learn brings, and their alcohol (178, 1), in percent by volume."""
    from sklearn.datasets import load_wine

    wines = load_wine()
    kept = [i for i, name in enumerate(wines.feature_names) if name not in LEFT_OUT]
    return wines.data[:, kept], wines.data[:, [wines.feature_names.index("alcohol")]]


# ---- getting the file ----------------------------------------------------------------------------


def read(path: Path) -> bytes:
    """The content of a file that the user named.

    Raises:
        InputError: if it is not a file, or cannot be read.
    """
    try:
        if path.is_file():
            return path.read_bytes()
    except OSError as error:
        raise InputError(f"--data.csv {path} cannot be read ({error.strerror}): {BOTH_WAYS}") from error
    raise InputError(f"--data.csv {path} is {'a directory, not a file' if path.is_dir() else 'not a file'}: {BOTH_WAYS}")


def cache_file() -> Path:
    """$XDG_CACHE_HOME/gradtwin/winequality-red.csv, or the same below ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(root):  # unset; the XDG base directory specification has relative paths ignored
        root = os.path.expanduser("~/.cache")
    return Path(root) / "gradtwin" / "winequality-red.csv"


def genuine(content: bytes) -> bool:
    """Whether this is the very file that UCI serves."""
    return hashlib.sha256(content).hexdigest() == SHA256


def cached() -> bytes | None:
    """The content of the cached file; None if there is none, or if it was changed since it was downloaded."""
    with suppress(OSError):
        content = cache_file().read_bytes()
        if genuine(content):
            return content
    return None


def download() -> bytes:
    """Fetch the file and keep it in the cache, if it is the right one.

    Raises:
        InputError: if it cannot be fetched, or is not the file of that SHA-256. Nothing is kept then.
    """
    with suppress(OSError):
        cache_file().unlink(missing_ok=True)  # what is there is not the right file, or it would have been used
    try:
        with urlopen(URL, timeout=10) as answer:
            content = answer.read(LARGEST)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"the wines are not at hand: {BOTH_WAYS} (which failed just now: {str(error).strip('<>')})") from error
    if not genuine(content):
        found = hashlib.sha256(content).hexdigest()
        raise InputError(
            f"the download from {URL} is not the file expected (SHA-256 {found}, expected {SHA256}) and was not kept: "
            "try again, or give the file with --data.csv PATH"
        )
    store(content, cache_file())
    return content


def store(content: bytes, path: Path) -> None:
    """Write a file so that it is either there as a whole or not at all; warn if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            f"{path.parent} cannot be written ({error.strerror}): the wines will be downloaded again next time", Notice, stacklevel=2
        )


# ---- reading it ----------------------------------------------------------------------------------


def parse(content: bytes, name: str) -> pd.DataFrame:
    """The measurements and the score of every wine, as float64.

    Args:
        content: of the file: a line of column names, then a line for each wine, cells separated by ";". Columns may
            come in any order; others than those needed are not used.
        name: of the file, for messages.

    Raises:
        InputError: naming file, line and column, if anything is missing or is not a finite number.
    """
    try:
        text = content.decode("utf-8-sig").rstrip()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{name}, line {line}: not UTF-8 text; expected a CSV file as UCI serves it") from error
    if not text:
        raise InputError(f"{name} is empty: expected a line of column names and a line for each wine")
    expect_columns(columns(text), name)
    cells = table(text, name)
    cells.columns = columns(text)
    wines = cells.iloc[1:][[*MEASUREMENTS, SCORE]].apply(clean)
    if len(wines) < FEWEST:
        raise InputError(f"{name} has {len(wines)} wines: expected at least {FEWEST}, for a fifth is held out")
    numbers = wines.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    wrong = np.argwhere(~np.isfinite(numbers.to_numpy()))
    if len(wrong):
        row, column = wrong[0]
        cell = wines.iloc[row, column]
        found = f"found {cell[:40]!r}" if cell else "found nothing"
        raise InputError(f"{name}, line {row + 2}, column {wines.columns[column]!r}: expected a number, {found}")
    expect_possible(numbers, name)
    return numbers


def expect_possible(numbers: pd.DataFrame, name: str) -> None:
    """Raise InputError for a score that no taster gives, or a measurement that is none of wine."""
    for column in numbers.columns:
        least, most = (0, BEST) if column == SCORE else (-LARGEST_MEASURED, LARGEST_MEASURED)
        wrong = np.flatnonzero(~numbers[column].between(least, most))
        if len(wrong):
            found = numbers[column].iloc[wrong[0]]
            raise InputError(
                f"{name}, line {wrong[0] + 2}, column {column!r}: expected a number from {least:g} to {most:g}, found {found:g}"
            )


def clean(column: pd.Series) -> pd.Series:
    """Cells without the blanks and the quotation marks around them."""
    return column.str.strip().str.strip('"')


def columns(text: str) -> list[str]:
    """The names in the first line."""
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    return [cell.strip().strip('"') for cell in first.split(";")]


def expect_columns(names: list[str], name: str) -> None:
    """Raise InputError unless all columns are there, each once."""
    missing = [column for column in (*MEASUREMENTS, SCORE) if column not in names]
    if missing and len(names) == 1:
        tried = [s for s in (",", "\t", "|") if s in names[0]]
        hint = f", found {tried[0]!r}" if tried else ""
        raise InputError(f"{name}, line 1: expected {len(MEASUREMENTS) + 1} column names separated by ';'{hint}")
    if missing:
        raise InputError(f"{name}, line 1: missing column {', '.join(map(repr, missing))}")
    twice = [column for column in (*MEASUREMENTS, SCORE) if names.count(column) > 1]
    if twice:
        raise InputError(f"{name}, line 1: column {twice[0]!r} is there {names.count(twice[0])} times")


def table(text: str, name: str) -> pd.DataFrame:
    """All cells as text, the first line among them; what a short line lacks is empty.

    Quotation marks are read as they stand, so that one that was never closed cannot swallow the lines below it.
    """
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=";",
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            quoting=csv_format.QUOTE_NONE,
        ).fillna("")
    except pd.errors.ParserError as error:
        longer = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if longer is None:
            raise InputError(f"{name}: {error}") from error
        expected, line, found = longer.groups()
        raise InputError(f"{name}, line {line}: {found} cells, but line 1 names {expected} columns") from error
