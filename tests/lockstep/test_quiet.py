"""What a run keeps quiet about, and that it is that alone."""

from __future__ import annotations

import logging
import warnings

import pytest

from experiments.data.arrays import Notice
from experiments.lockstep.quiet import KNOWN, quiet

SAID = {
    "The 'train_dataloader' does not have many workers which may be a bottleneck.": True,
    "Checkpoint directory /runs/x exists and is not empty.": True,
    "GPU available but not used. You can set it by doing `Trainer(accelerator='gpu')`.": True,
    "invalid value encountered in log": False,
    "Your val_dataloader has nothing in it": False,
}


def test_known_warnings_are_silenced_and_every_other_one_shows() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        warnings.simplefilter("always")
        quiet()
        assert len(warnings.filters) == len(KNOWN) + 1
        for words in SAID:
            warnings.warn(words, UserWarning, stacklevel=1)
    assert [str(w.message) for w in shown] == [words for words, known in SAID.items() if not known]


def test_a_notice_is_a_sentence_and_a_warning_is_shown_as_ever(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("experiments.lockstep.quiet.as_ever", lambda message, *more, **others: seen.append(str(message)))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        quiet()
        warnings.warn("other wines stand in", Notice, stacklevel=1)
        assert capsys.readouterr().err == "note: other wines stand in\n"
        warnings.warn("what is this", UserWarning, stacklevel=1)
        assert (seen, capsys.readouterr().err) == (["what is this"], "")


@pytest.mark.parametrize("name", ["pytorch_lightning", "lightning_fabric"])
def test_of_lightning_only_errors_are_heard(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger(name)
    monkeypatch.setattr(logger, "level", logging.INFO)
    with warnings.catch_warnings():
        quiet()
    assert logger.level == logging.ERROR
