"""State in a file: weights and optimizer state as .npz, without pickle, so that reading a file can run no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

STRUCTURE = "structure"
"""The entry that says how the arrays are nested."""


def save(path: str | Path, state: Any) -> None:
    """Write nested dicts, lists and tuples of arrays, numbers, strings, booleans and None (torch.save's twin).

    Args:
        path: of the file; ".npz" by custom.
        state: `model.state_dict()`, `{"model": ..., "optimizer": optimizer.state_dict()}`, ...

    Raises:
        TypeError: for anything else in it.
    """
    arrays: dict[str, Any] = {}
    structure = json.dumps(_take_apart(state, arrays))
    with Path(path).open("wb") as file:
        np.savez(file, allow_pickle=False, **{STRUCTURE: np.array(structure)}, **arrays)


def load(path: str | Path) -> Any:
    """Read what `save` wrote, equal in values, dtypes and shapes.

    Raises:
        ValueError: if the file is not one of ours, or is truncated.
        FileNotFoundError: if there is none.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _put_together(json.loads(str(arrays[STRUCTURE])), arrays)
    except FileNotFoundError:
        raise
    except Exception as error:  # zip, npy and json each have their own
        raise ValueError(f"{path} was not written by manual.serialization.save, or is damaged: {error}") from error


def _take_apart(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The structure of a value in JSON; its arrays are moved into `arrays` and stand there under a number."""
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            raise TypeError("an array of objects would need pickle")
        arrays[str(len(arrays))] = np.asarray(value)
        return {"array": str(len(arrays) - 1)}
    if isinstance(value, dict):
        return {"dict": [[_take_apart(k, arrays), _take_apart(v, arrays)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_take_apart(v, arrays) for v in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"plain": value}
    raise TypeError(f"a state holds arrays, numbers, strings, booleans and None, got {type(value).__name__}")


def _put_together(structure: Any, arrays: Any) -> Any:
    ((kind, value),) = structure.items()
    if kind == "array":
        return arrays[value]
    if kind == "dict":
        return {_put_together(k, arrays): _put_together(v, arrays) for k, v in value}
    if kind in ("list", "tuple"):
        items = [_put_together(v, arrays) for v in value]
        return items if kind == "list" else tuple(items)
    return value


# ---- files of others -------------------------------------------------------------------------------

FORMATS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
"""NumPy's names of the number formats. BF16, which NumPy does not have, is the upper half of a float32."""


def load_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file, in which weights are published: 8 bytes with the length of a header in JSON, it, the numbers.

    Raises:
        ValueError: if it is none, is truncated, or holds numbers of another format.
        FileNotFoundError: if there is none.

    Source: huggingface.co/docs/safetensors, "Format".
    """
    with Path(path).open("rb") as file:
        try:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            header.pop("__metadata__", None)
            begin, found = file.tell(), {}
            for name, entry in header.items():
                start, end = entry["data_offsets"]
                file.seek(begin + start)
                array = np.frombuffer(file.read(end - start), FORMATS[entry["dtype"]])
                if entry["dtype"] == "BF16":
                    array = (array.astype(np.uint32) << 16).view(np.float32)
                found[name] = array.reshape(entry["shape"])
        except (KeyError, TypeError, ValueError, MemoryError, OverflowError) as error:
            raise ValueError(f"{path} is no whole .safetensors file, or holds what is not read here: {error!r}") from error
    return found
