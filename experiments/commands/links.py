"""Arguments of the model that the data decide, on the command line: they are no options, and config.yaml does not hold them."""

from __future__ import annotations

import inspect

from pytorch_lightning.cli import LightningArgumentParser

from experiments.pair import Twin


def declare(parser: LightningArgumentParser, twin: Twin) -> None:
    """Link each argument of the model in `twin.links` to the data: to an option of theirs, or to what they know once they are made."""
    options = inspect.signature(twin.data).parameters
    for source, target in twin.links.items():
        is_option = source.removeprefix("data.") in options
        parser.link_arguments(source, target, apply_on="parse" if is_option else "instantiate")
