"""Every test runs with one thread, and a warning that experiments/lockstep/quiet.py does not know fails it."""
# ruff: noqa: E402  what follows must come before the first import of numpy or torch

from __future__ import annotations

import os
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts the tests in the background lets them ignore Ctrl-C
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[variable] = "1"  # before the first import of numpy or torch: more threads only slow small models down
os.environ["MPLBACKEND"] = "Agg"

import pytest
import pytorch_lightning as pl  # noqa: F401  before quiet(), which sets the level that its import sets
import torch

from experiments.lockstep.quiet import KNOWN, quiet
from tests.helpers import Finished, command

torch.set_num_threads(1)
quiet()


def pytest_configure(config: pytest.Config) -> None:
    """What a run keeps quiet about is no error here either; everything else is (pyproject.toml)."""
    others = (
        r"Using padding='same' with even kernel",  # torch, once in a process: the library has such cases
        r"(invalid value|overflow|divide by zero) encountered in matmul",  # of small float32 matrices now and then, with finite numbers
    )  # in and out: BLAS reads beyond their ends into whatever lies there. What is really not finite is seen in what is compared.
    for message in (*KNOWN, *others):
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


@pytest.fixture(autouse=True)
def same_every_time() -> None:
    """Torch modules that a test makes begin with the same weights in every order of the tests."""
    torch.default_generator.manual_seed(0)  # torch.manual_seed also writes down, for a GPU to come, from where it was called: slower


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of digits_mlp as from the command line: 10 units, two epochs of five batches. Not to be changed."""
    root = tmp_path_factory.mktemp("tiny")
    options = ["--model.hidden", "10", "--data.batch_size", "289", "--trainer.max_epochs", "2", "--trainer.default_root_dir", str(root)]
    status, out, err = command("run", "digits_mlp", *options)
    return Finished(status, out, err, root / "digits_mlp" / "version_0")
