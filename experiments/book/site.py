"""The book as a whole: sources written where they have changed, and Sphinx run over them."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import sphinx
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from experiments.book import interactive, pages
from experiments.book.cache import Kept
from experiments.book.left import CACHE
from experiments.book.of_classes import LIBRARIES, list_of, of_class
from experiments.commands.album import pictures_in
from experiments.curriculum import Entry

SETTINGS: dict[str, Any] = {
    "project": "gradtwin",
    "author": "the gradtwin authors",
    "extensions": ["experiments.book.sides"],
    "html_theme": "pydata_sphinx_theme",
    "html_title": "gradtwin",
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_css_files": ["book.css", "interactive.css"],
    "html_js_files": ["book.js"],
    "html_sidebars": {alone: [] for alone in ("index", "map", "glossary", "judged", "mistakes", "speed", "teachers", "search", "genindex")},
    "html_theme_options": {
        "logo": {"text": "gradtwin"},
        "navbar_align": "left",
        "navbar_persistent": ["search-button"],
        "show_prev_next": False,
        "footer_start": ["copyright"],
        "footer_end": [],
        "secondary_sidebar_items": ["page-toc"],
        "show_toc_level": 2,
        "back_to_top_button": False,
    },
    "copyright": "the gradtwin authors, MIT",
    "html_context": {"default_mode": "auto"},
    "smartquotes": False,
    "language": "en",
}
"""What Sphinx is told."""


class Sources:
    """A folder of sources of which each is written only where it has changed; what is asked for no more goes.

    Args:
        folder: of them.

    Attributes:
        written: all that were asked for.
        changed: whether any of them was another before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.written, self.changed = folder, set[Path](), False

    def write(self, name: str, text: str) -> None:
        """A page."""
        self._put(self.folder / name, text.encode())

    def copy(self, name: str, file: Path) -> None:
        """A file."""
        self._put(self.folder / name, file.read_bytes())

    def _put(self, file: Path, what: bytes) -> None:
        self.written.add(file)
        if not (file.is_file() and file.read_bytes() == what):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(what)
            self.changed = True

    def tidy(self) -> None:
        """Take away what was not written this time."""
        for file in self.folder.rglob("*"):
            if file.is_file() and file not in self.written:
                file.unlink()
                self.changed = True


def write_sources(sources: Sources, figures: Sources, kept: Mapping[str, Kept], made: Sequence[Entry]) -> None:
    """Everything that Sphinx reads, and the figures beside it.

    Args:
        sources: the pages.
        figures: the folder of the book that they go into.
        kept: what was measured, by the name of the concept, or of the part of the whole.
        made: the concepts.
    """
    for e in made:
        of = kept[e.name]
        shown, asked = pictures_in(of.folder / "figures"), pictures_in(of.folder / "questions" / "figures")
        for folder, some in (("", shown), ("questions/", asked)):
            for p in some:
                figures.copy(f"{e.name}/{folder}{p.file.name}", p.file)
        moving = interactive.kept(of.folder)
        if moving:
            figures.write(f"{e.name}/{interactive.SCRIPT}", interactive.script(of.folder))
        page = pages.concept(e, of.told(), shown, asked, interactive.for_page(moving), f"figures/{e.name}", {m.name for m in made})
        sources.write(f"concepts/{e.name}.rst", page)
    figures.tidy()
    sources.write("index.rst", pages.index(made))
    sources.write("concepts/index.rst", pages.curriculum(made))
    sources.write("glossary.rst", pages.glossary(made))
    sources.write("map.rst", pages.the_map(made))
    sources.write("judged.rst", pages.judged({e.name: kept[e.name].told() for e in made}))
    sources.write("mistakes.rst", pages.mistakes(kept["mistakes"].told()))
    sources.write("speed.rst", pages.speed(kept["speed"].told()))
    sources.write("teachers.rst", pages.teachers(made))
    shapes = {LIBRARIES[0].folder: kept["layers"].told()}
    for library in LIBRARIES:
        found, run = library.classes(), shapes.get(library.folder, {})
        for cls in found:
            sources.write(f"{library.folder}/{cls.__name__}.rst", of_class(cls, library, run.get(cls.__name__)))
        sources.write(f"{library.folder}/index.rst", list_of(library.title, found))
    sources.tidy()


def build(folder: Path, made: Sequence[Entry], kept: Mapping[str, Kept]) -> str:
    """Write the book. Returns what Sphinx warned of.

    Args:
        folder: of the book.
        made: the concepts that are in it.
        kept: what was measured, by the name of the concept, or of the part of the whole.
    """
    cache = folder / CACHE
    sources = Sources(cache / "sources")
    write_sources(sources, Sources(folder / "figures"), kept, made)
    static = str(files(__package__) / "static")
    warned = StringIO()
    settings = {**copy.deepcopy(SETTINGS), "html_static_path": [static]}  # the theme writes into what it is given
    files_of = [file.read_bytes() for file in sorted(Path(static).iterdir())]
    frame = repr((settings, sphinx.__version__, sorted(map(str, sources.written)), files_of))
    stamp = cache / "frame.txt"  # what stands around every page: where it has changed all pages are written again
    same = stamp.is_file() and stamp.read_text(encoding="utf-8") == frame
    if same and not sources.changed and (folder / "index.html").is_file():
        return ""
    with patch_docutils(), docutils_namespace():  # what Sphinx tells docutils is for this book alone
        doctrees = str(cache / "doctrees")
        app = Sphinx(str(sources.folder), None, str(folder), doctrees, "html", settings, status=None, warning=warned, parallel=2)
        app.build(force_all=not same)
    stamp.write_text(frame, encoding="utf-8")
    return re.sub(r"\x1b\[[\d;]*m", "", warned.getvalue()).strip()
