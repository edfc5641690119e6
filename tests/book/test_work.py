"""Workers end with the command, whatever ends it; and what is deleted while a book is made is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.book.command import is_in
from tests.helpers import command

BEGUN = """
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import getpid

from experiments.book.work import begin_worker

if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn"), begin_worker) as pool:
        print(pool.submit(getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" if Path("/proc").is_dir() else True


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_worker_ends_with_the_command(how: str, tmp_path: Path) -> None:
    script = tmp_path / "begun.py"
    script.write_text(BEGUN, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_alive(worker)
        parent.send_signal(getattr(signal, how))
        parent.wait(30)
    until = time.monotonic() + 30
    while is_alive(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(worker)


SLOW = """
import time
from pathlib import Path

from experiments.book import work


def one(folder: Path, name: str) -> dict[str, float]:
    print("begun", flush=True)
    time.sleep(600)
    return {}


if __name__ == "__main__":
    import sys
    from experiments.commands.surroundings import listening_to_sigterm

    work.one = one
    with listening_to_sigterm():
        work.measure_all(Path(sys.argv[1]), ["one_weight", "derivatives"])
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_who_is_told_to_end_does_not_wait_for_what_its_workers_were_asked(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(tmp_path)])}
    command = [sys.executable, str(script), str(tmp_path / "measured")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(60) != 0


# ---- what is deleted in the meantime -----------------------------------------------------------------


def test_a_file_is_in_a_folder_or_is_not(tmp_path: Path) -> None:
    assert is_in(str(tmp_path / "a" / "told.json"), tmp_path)
    assert not is_in(str(tmp_path / "a"), tmp_path / "b")
    assert not is_in(None, tmp_path)


def test_what_is_deleted_while_the_book_is_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in ("sphinx", "pydata_sphinx_theme"):
        pytest.importorskip(extra)
    from experiments.book import site, work
    from experiments.book.cache import Kept

    gone = Kept(tmp_path / "out" / site.CACHE / "measured" / "one_weight-0")
    monkeypatch.setattr(work, "measure_all", lambda *_: SimpleNamespace())
    monkeypatch.setattr(site, "build", lambda *_: gone.told())
    status, _, err = command("book", "one_weight", "--out", str(tmp_path / "out"))
    assert status == 2
    assert err == f"error: {gone.folder / 'told.json'} was deleted while the book was made: make it again\n"
    monkeypatch.setattr(site, "build", lambda *_: (tmp_path / "elsewhere").read_text())
    with pytest.raises(FileNotFoundError):
        command("book", "one_weight", "--out", str(tmp_path / "out"))
