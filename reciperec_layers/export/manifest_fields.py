"""Which values the fields of a bundle's manifest may have."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import tensorflow as tf

_LARGEST = 2**63 - 1
_PACKAGES = {"reciperec_layers", "keras", "tensorflow"}
_OF_COLUMN = {"argument", "dtype", "shape"}
_MODEL = "saved_model.pb"  # without which a folder is not a SavedModel


def wrong_fields(fields: dict[str, Any]) -> list[str]:
    """Returns the names of the fields whose values cannot be.

    Args:
        fields: Values of all fields of a `BundleManifest` by name, as they were read.

    Example:
        >>> wrong_fields({"num_candidates": -1, "embedding_dim": 8, "k": True, "index": ""})
        ['num_candidates', 'k', 'index']
    """
    return [name for name, value in fields.items() if not _CHECKS[name](value)]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _LARGEST


def _is_hash(length: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{length}}}", value) is not None


_is_fingerprint, _is_sha256 = _is_hash(32), _is_hash(64)


def _are_versions(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _PACKAGES and all(map(_is_text, value.values()))


def _are_columns(value: Any) -> bool:
    if not isinstance(value, dict) or not value or not all(map(_is_column, value.values())):
        return False
    arguments = [column["argument"] for column in value.values()]
    return len({*arguments}) == len(arguments)


def _is_column(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != _OF_COLUMN:
        return False
    argument, shape = value["argument"], value["shape"]
    is_argument = isinstance(argument, str) and re.fullmatch("[A-Za-z][A-Za-z0-9_]*", argument) is not None
    is_shape = isinstance(shape, list) and shape[:1] == [None] and all(map(_is_length, shape))
    return is_argument and is_shape and _is_dtype(value["dtype"])


def _is_dtype(value: Any) -> bool:
    try:
        return isinstance(value, str) and tf.as_dtype(value).name == value
    except TypeError:
        return False


def _is_length(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= _LARGEST)


def _are_fingerprints(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("query_vocabularies"), list):
        return False
    return all(map(_is_fingerprint, [value.get("corpus"), value.get("candidate_ids"), *value["query_vocabularies"]]))


def _are_files(value: Any) -> bool:
    if not isinstance(value, dict) or _MODEL not in value:
        return False
    return all(_is_path(name) and _is_sha256(digest) for name, digest in value.items())


def _is_path(name: str) -> bool:
    """Whether it leads to a place inside the folder, in the one way that the manifest writes it."""
    path = PurePosixPath(name)
    is_inside = not path.is_absolute() and ".." not in path.parts and "\0" not in name
    return is_inside and name not in ("", ".", "manifest.json") and path.as_posix() == name


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "versions": _are_versions,
    "columns": _are_columns,
    "candidate_id": lambda value: isinstance(value, str),
    "candidate_id_dtype": lambda value: value in ("int64", "string"),
    "num_candidates": _is_count,
    "embedding_dim": _is_count,
    "index": _is_text,
    "k": _is_count,
    "fingerprints": _are_fingerprints,
    "files": _are_files,
    "format_version": lambda value: type(value) is int,
}
