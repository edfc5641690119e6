"""What Lightning and its libraries say that a learner need not read. Exactly these are silenced; every other warning shows."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

from experiments.data.arrays import Notice

KNOWN = (
    r".*LeafSpec.*",  # torch 2.13, at every fit
    r".*does not have many workers.*",  # the data are in memory: workers would only slow it down
    r".*number of training batches .* is smaller than the logging interval.*",
    r".*Checkpoint directory .* exists and is not empty.*",  # a resumed run goes on in its own folder
    r"(?s).*(JsonargparseDeprecationWarning|add_instantiator|instantiate_classes|skip_none)",  # LightningCLI's calls of jsonargparse
    r".*configure_optimizers` will be overridden by.*",  # by --optimizer, which asks for that
    r".*LightningCLI's args parameter is intended.*",  # sys.argv is left as it is: further processes are started from it
    r".*It is recommended to use `self\.log\(.*sync_dist=True\)`.*",  # what each process logs is compared by itself
    r".*GPU available but not used.*",  # comparing on the CPU is what was asked for
    r"(?s).*Unable to serialize instance cpu",  # a default of StochasticWeightAveraging, which config.yaml does not hold
    r".*The dirpath has changed from.*",  # a run folder that was moved, and goes on where it is now
    r".*passed in a `val_dataloader` but have no `validation_step`.*",  # some concepts have nothing to hold out
)
"""Warnings that are silenced: regular expressions for their messages. In the tests every other one is an error."""


def quiet() -> None:
    """Silence known notices. To be called after pytorch_lightning is imported, which sets its own level."""
    for name in ("pytorch_lightning", "lightning_fabric"):  # promotional tips, a list of absent devices, the seed
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in KNOWN:
        warnings.filterwarnings("ignore", message=message)
    warnings.showwarning = shown


as_ever = warnings.showwarning


def shown(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """A notice is a sentence for the user, without the line of the source that made it."""
    if issubclass(category, Notice):
        print(f"note: {message}", file=sys.stderr)
    else:
        as_ever(message, category, *where, **more)
