"""The figures of a run: each a PNG in its folder with the caption as text beside it, and an image in TensorBoard."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.drawing.figure import Captioned, above_its_caption, pixels

FOLDER = "figures"
BEFORE = ", before training"


@dataclass(frozen=True)
class Picture:
    """A figure that was drawn.

    Attributes:
        title: its number, in the author's order, and its name.
        file: the PNG; the caption stands beside it, in a file that ends in .txt.
        caption: what is to be seen.
    """

    title: str
    file: Path
    caption: str

    @property
    def name(self) -> str:
        """What is to be seen, in few words, as it may stand in a file's name."""
        return self.title.partition(" ")[2].removesuffix(BEFORE)

    @property
    def untrained(self) -> bool:
        """Whether it was drawn before training began."""
        return self.title.endswith(BEFORE)

    @property
    def address(self) -> str:
        """The picture itself as an address, for a page that needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.file.read_bytes()).decode()}"


class Album:
    """Takes the figures of a run as they are drawn, and numbers them in the author's order.

    A figure of the same name that is drawn again, of the trained pair, has the same number.

    Args:
        folder: of the run.
        show: is given the tag, the picture with its caption below it, and the step, as Writer.add_picture is; None shows nothing.
    """

    def __init__(self, folder: Path, show: Callable[[str, Image.Image, int], None] | None = None) -> None:
        self.folder, self.show = folder / FOLDER, show

    def pictures(self) -> list[Picture]:
        """All that there are, also those of a run before it was resumed, in order."""
        return pictures_in(self.folder)

    def add(self, name: str, fig: Captioned, step: int, untrained: bool = False) -> None:
        """Draw one, write it, and show it.

        Args:
            name: what is to be seen, in few words.
            fig: not drawn yet.
            step: of the training.
            untrained: whether it is drawn before training begins.
        """
        title = f"{self._number(name)} {as_file_name(name)}"
        picture = pixels(fig)
        file = self.folder / f"{title}{BEFORE if untrained else ''}.png"
        if self.show is None:
            write_picture(file, picture, fig.caption)
            return
        whole = in_few_colours(above_its_caption(picture, fig.caption, int(fig.dpi)))  # once for both: it takes as long as to draw it
        alone = whole.crop((0, 0, picture.shape[1], picture.shape[0]))
        save(file, alone, fig.caption)
        self.show(f"{FOLDER}/{title}", whole, step)

    def _number(self, name: str) -> int:
        known = {p.name: number_of(p.title) for p in self.pictures()}
        return known.get(as_file_name(name), len(known) + 1)


def write_picture(file: Path, picture: np.ndarray, caption: str) -> None:
    """Write a picture, (height, width, 3) bytes, and its caption as text beside it; the folder is made if need be."""
    save(file, in_few_colours(picture), caption)


def in_few_colours(picture: np.ndarray) -> Image.Image:
    """A picture in the 256 colours that come nearest: nobody sees the difference, and the file has a third of the size."""
    return Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE)


def save(file: Path, picture: Image.Image, caption: str) -> None:
    """Write it, and its caption as text beside it; the folder is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
    file.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")


def pictures_in(folder: Path) -> list[Picture]:
    """All figures that were written into a folder, in order."""
    found = [Picture(p.stem, p.with_suffix(".png"), p.read_text(encoding="utf-8").strip()) for p in folder.glob("*.txt")]
    return sorted(found, key=lambda p: (number_of(p.title), BEFORE not in p.title))


def number_of(title: str) -> int:
    """The number that a title begins with."""
    return int(title.partition(" ")[0])


def as_file_name(name: str) -> str:
    """A name without what a file's name may not hold on some system."""
    return re.sub(r'[\\/:*?"<>|\s]*[\\/:*?"<>|]\s*', ", ", name).strip(", ")
