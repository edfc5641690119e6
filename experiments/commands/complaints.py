"""What goes wrong in a run, in one line that says what to do."""

from __future__ import annotations

import os
import re
import sys

FOLDER = "GRADTWIN_RUN_FOLDER"
"""The variable in which the first of several processes tells the others where the run is."""


def is_further_process() -> bool:
    """Whether Lightning has started this process beside the first one of a run: it trains, and says nothing."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def complain(error: Exception | str, status: int) -> int:
    """One line on standard error."""
    if not is_further_process():
        print(f"error: {one_line(error)}", file=sys.stderr)
    return status


def one_line(error: Exception | str) -> str:
    """The message without line breaks and runs of blanks."""
    return re.sub(r"\s+", " ", str(error)).strip()


def explain(error: Exception) -> str:
    """What jsonargparse or a constructor says, shortened to what a person needs."""
    text = one_line(error)
    text = re.sub(r"^Parser key \"(.+?)\": ", r"--\1: ", text)
    text = re.sub(r"Expected a <class '(\w+)'>\. Got value: (.*)", r"expected \1, got \2", text)
    text = re.sub(r"Expected a typing\.Literal\[(.*?)\]\. Got value: (.*)", r"expected one of \1, got \2", text)
    text = re.sub(r"Does not validate against any of the Union subtypes .* Given value: (.*)", r"\1 is not of the right type", text)
    text = re.sub(
        r"No supported gpu backend found!", "--trainer.accelerator gpu: this machine has no GPU that torch can use; leave it out", text
    )
    text = re.sub(r"^Problem with given class_path .*?: ", "", text)
    return text if len(text) <= 300 else text[:300] + " …"
