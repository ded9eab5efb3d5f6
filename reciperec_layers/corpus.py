"""Corpus: all candidates that can be recommended, with the columns that towers read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import tensorflow as tf

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import refuse_missing_ids
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import Read, to_tensor, to_tensors
from reciperec_layers.columns.text_arrays import decode_text, encode_text
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError, describe_ids, explain
from reciperec_layers.saving.asset import Asset, is_size
from reciperec_layers.saving.keras_names import serializable
from reciperec_layers.vocabulary import Vocabulary

_LONG = 100  # characters


@serializable
class Corpus(Asset):
    """The candidates, unique by id, and their columns. It never changes, and travels in a model's file.

    Args:
        candidates: Data frame, dict of columns, or `tf.data.Dataset` of dicts (batched or not), one row a candidate.
        id_column: Column of the ids, integers or text.
        columns: Further columns to keep; all others are left out.
        read: Converts a column to a tensor, as for `to_tensors`.
        owner: Name of the caller, for messages.

    Raises:
        ColumnError: A column is missing.
        IdError: An id repeats or is missing.
        ArgumentError: There are no rows.

    Example:
        >>> recipes = {"recipe_id": [7, 9], "minutes": [10, 30], "note": ["a", "b"]}
        >>> corpus = Corpus(recipes, "recipe_id", ["minutes"])
        >>> len(corpus), corpus.names
        (2, ('recipe_id', 'minutes'))
    """

    def __init__(
        self,
        candidates: Any,
        id_column: str,
        columns: Iterable[str] = (),
        *,
        read: Read = to_tensor,
        owner: str = "Corpus",
    ) -> None:
        if isinstance(candidates, tf.data.Dataset):
            candidates = _collect(candidates, owner)
        candidates = from_arrow(candidates, owner)
        if not has_named_columns(candidates):
            fix = 'Pass a data frame, or for example {"recipe_id": ids}'
            problem = "`candidates` must be a data frame, a dict of columns or a dataset of dicts"
            raise ArgumentTypeError(explain(owner, problem, candidates=candidates, fix=fix))
        names = [require_column(candidates.keys(), name, owner) for name in dict.fromkeys((id_column, *columns))]
        # Before a tower gives a missing id a value of its own.
        refuse_missing_ids(candidates[id_column], f"{owner}: column {id_column!r}")
        tensors = to_tensors({name: candidates[name] for name in names}, owner, read)
        self._fill(id_column, {name: _to_numpy(name, tensor, owner) for name, tensor in tensors.items()}, owner)
        self._remember()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, the id column first."""
        return self._names

    @property
    def id_column(self) -> str:
        """Name of the id column."""
        return self._id_column

    @property
    def vocabulary(self) -> Vocabulary:
        """The ids, in row order."""
        self._require()
        return cast(Vocabulary, self._vocabulary)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The columns by name; text as objects that are `str`."""
        self._require()
        return cast("dict[str, np.ndarray]", self._columns)

    @cached_property
    def long_columns(self) -> frozenset[str]:
        """Names of the columns of several values a row, or of texts of more than 100 characters on average."""
        return frozenset(name for name, values in self.columns.items() if _is_long(values))

    @property
    def is_loaded(self) -> bool:
        return self._columns is not None

    def __len__(self) -> int:
        return self._size

    def batches(self, names: Sequence[str], batch_size: int) -> Iterable[dict[str, tf.Tensor]]:
        """Yields the columns in row order, as dicts of tensors."""
        for start in range(0, self._size, batch_size):
            chosen = slice(start, start + batch_size)
            yield {name: tf.convert_to_tensor(self.columns[name][chosen]) for name in names}

    def rows(self, rows: np.ndarray, names: Iterable[str]) -> dict[str, tf.Tensor]:
        """Returns columns of some of the candidates.

        Args:
            rows: Their rows, integers of shape `(n,)`.
            names: The columns.
        """
        return {name: tf.convert_to_tensor(self.columns[name][rows]) for name in names}

    def require_columns(self, candidates: Any, owner: str) -> None:
        """Checks that other candidates have all columns of these.

        Args:
            candidates: As for the corpus. A dataset passes.
            owner: Name of the caller, for messages.

        Raises:
            ColumnError: A column is missing.
        """
        if not has_named_columns(candidates):
            return
        names = list(candidates.keys())
        missing = [name for name in self._names if name not in names]
        if missing:
            found = describe_ids(names, 40)
            problem = f"the corpus has the column {describe_ids(missing)}, and the new candidates have only {found}"
            raise ColumnError(explain(owner, problem, fix="Add it"))

    def joined(self, other: Corpus, owner: str = "Corpus") -> Corpus:
        """Returns the candidates of both, in this order.

        Args:
            other: Further candidates, with the same columns.
            owner: Name of the caller, for messages.

        Raises:
            ArgumentError: A column has another shape or dtype.
            IdError: An id is in both.
        """
        columns = {}
        for name, values in self.columns.items():
            added = other.columns[name]
            if (added.shape[1:], added.dtype.kind) != (values.shape[1:], values.dtype.kind):
                problem = f"column {name!r} must have the shape and dtype that it has in the corpus"
                received = {"corpus": values, "new": added}
                raise ArgumentError(explain(owner, problem, fix="Convert the column", **received))
            columns[name] = np.concatenate([values, added.astype(values.dtype)])
        ids = other.vocabulary.ids
        known = self.vocabulary.lookup(ids) >= 0
        if known.any():
            problem = f"{known.sum()} of {len(ids)} ids are candidates already: {describe_ids(ids[known])}"
            raise IdError(explain(owner, problem, fix="Remove them first, or leave them out"))
        return Corpus(columns, self.id_column, self.names)

    def select(self, rows: np.ndarray) -> Corpus:
        """Returns some of the candidates.

        Args:
            rows: Their rows, int64 of shape `(n,)`.

        Raises:
            ArgumentError: There are no rows.
        """
        return Corpus({name: values[rows] for name, values in self.columns.items()}, self.id_column, self.names)

    def get_config(self) -> dict[str, Any]:
        return {
            "size": self._size,
            "id_column": self._id_column,
            "names": list(self._names),
            "fingerprint": self._fingerprint,
        }

    def _set_config(self, config: dict[str, Any]) -> None:
        self._size, self._id_column = config["size"], config["id_column"]
        self._names, self._fingerprint = tuple(config["names"]), config["fingerprint"]
        self._columns: dict[str, np.ndarray] | None = None
        self._vocabulary: Vocabulary | None = None
        if not is_size(self._size) or self._id_column not in self._names:
            raise ValueError(f"the config of a corpus has size {self._size!r} and ids {self._id_column!r}")

    def _fill(self, id_column: str, columns: dict[str, np.ndarray], owner: str = "Corpus") -> None:
        self._names, self._id_column = tuple(columns), id_column
        self._size = len(columns[id_column])
        if not self._size:
            raise ArgumentError(explain(owner, "there are no candidates", rows=0, fix="Check how they were read"))
        try:
            self._vocabulary = Vocabulary(columns[id_column])
        except IdError as error:
            raise IdError(_of_column(error, columns[id_column], id_column, owner)) from error
        self._columns = columns
        self._fingerprint = _fingerprint(self._write())

    def _write(self) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        for number, values in enumerate(self.columns.values()):
            if values.dtype == object:
                offsets, utf8 = encode_text(values.ravel())
                arrays |= {f"{number}_offsets": offsets, f"{number}_utf8": utf8}
                arrays[f"{number}_shape"] = np.array(values.shape, dtype=np.int64)
            else:
                arrays[f"{number}_values"] = values
        return arrays

    def _read(self, arrays: dict[str, np.ndarray]) -> None:
        columns = {}
        for number, name in enumerate(self._names):
            if f"{number}_values" in arrays:
                columns[name] = arrays[f"{number}_values"]
            else:
                text = decode_text(arrays[f"{number}_offsets"], arrays[f"{number}_utf8"])
                columns[name] = text.reshape(arrays[f"{number}_shape"])
        if any(values.shape[:1] != (self._size,) for values in columns.values()):
            raise ValueError("a column has another number of rows")
        self._fill(self._id_column, columns)


def _of_column(error: IdError, ids: np.ndarray, id_column: str, owner: str) -> str:
    """Returns the message of a vocabulary that refused the ids, as one about candidates."""
    where = f"{owner}: column {id_column!r}"
    if ids.dtype.kind in "iO":
        unique, counts = np.unique(ids, return_counts=True)
        if len(unique) < len(ids):
            problem = f"{len(ids) - len(unique)} of {len(ids)} ids are repeats: {describe_ids(unique[counts > 1])}"
            return explain(where, problem, fix="Keep one row of each, for example with DataFrame.drop_duplicates")
    return f"{where}: {str(error).removeprefix('Vocabulary: ')}"


def _is_long(values: np.ndarray) -> bool:
    if values.ndim > 1:
        return True
    return values.dtype == object and sum(map(len, values.tolist())) > _LONG * len(values)


def _to_numpy(name: str, tensor: Any, owner: str) -> np.ndarray:
    if not isinstance(tensor, (tf.Tensor, tf.Variable)):
        fix = "Pad it to one length"
        raise ArgumentTypeError(explain(owner, f"column {name!r} must be dense", column=type(tensor), fix=fix))
    values = tensor.numpy()
    if values.dtype != object:
        return values
    decoded = np.empty(values.size, dtype=object)
    decoded[:] = [item.decode("utf-8") for item in values.ravel().tolist()]
    return decoded.reshape(values.shape)


def _collect(dataset: tf.data.Dataset, owner: str) -> dict[str, Any]:
    if not isinstance(dataset.element_spec, dict):
        fix = 'Map it, for example dataset.map(lambda ids: {"recipe_id": ids})'
        problem = "a dataset of candidates must give dicts by column name"
        raise ArgumentTypeError(explain(owner, problem, element_spec=dataset.element_spec, fix=fix))
    rank = {spec.shape.rank for spec in dataset.element_spec.values()}
    if 0 in rank:
        dataset = dataset.batch(4096)
    batches = list(dataset)
    if not batches:
        raise ArgumentError(explain(owner, "there are no candidates", rows=0, fix="Check how they were read"))
    return {name: tf.concat([batch[name] for batch in batches], axis=0) for name in batches[0]}


def _fingerprint(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}:{array.dtype}:{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]
