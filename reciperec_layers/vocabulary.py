"""Vocabulary: raw ids to table rows and back."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.id_arrays import is_text, of_other_type, to_id_array
from reciperec_layers.columns.text_arrays import decode_text, encode_text
from reciperec_layers.errors import ArgumentError, IdError, describe_ids, explain
from reciperec_layers.saving.asset import Asset, is_size
from reciperec_layers.saving.keras_names import serializable


@serializable
class Vocabulary(Asset):
    """Maps known ids to indices in row order. Unknown ids have index -1.

    A vocabulary is immutable. It has no out-of-vocabulary rows: `IdLookup` adds them.

    Args:
        ids: Unique ids in row order, shape `(n,)`, n >= 1: integers or text.
        counts: How often each id occurred, integers >= 0, shape `(n,)`, or `None` if unknown.

    Raises:
        IdError: An id repeats, is missing, is neither an integer nor text, or is not valid UTF-8.
        ArgumentError: `ids` is empty or not one-dimensional, or `counts` does not match it.

    Example:
        >>> vocabulary = Vocabulary([7, 9])
        >>> vocabulary.lookup([9, 7, 5])
        array([ 1,  0, -1])
        >>> vocabulary.reverse_lookup([1, 0])
        array([9, 7])
        >>> Vocabulary.from_data(["b", "a", "b"]).ids.tolist()
        ['b', 'a']
    """

    # `None` until the asset is loaded; the finder is built on first use.
    _ids: Any
    _counts: Any
    _finder: Any

    def __init__(self, ids: Any, counts: Any = None) -> None:
        array = to_id_array(ids, "Vocabulary")
        if array.ndim != 1 or array.size == 0:
            problem = "`ids` must be a one-dimensional, non-empty collection of unique ids"
            raise ArgumentError(
                explain("Vocabulary", problem, ids=array, fix="Pass for example frame[column].unique()")
            )
        self._fill(array, None if counts is None else _checked_counts(counts, array.size))
        self._remember()

    @classmethod
    def from_data(cls, ids: Any, min_count: int = 1, max_size: int | None = None) -> Vocabulary:
        """Counts ids and returns their vocabulary, the most frequent first; ties are sorted by id.

        Args:
            ids: Ids of any shape; repeats are allowed.
            min_count: Ids that occur less often are dropped.
            max_size: Maximum number of ids to keep, or `None` for all.

        Raises:
            IdError: As for `Vocabulary`.
            ArgumentError: No ids are left, or an argument is not a positive integer.
        """
        min_count = check_integer("Vocabulary.from_data", "min_count", min_count)
        max_size = check_integer("Vocabulary.from_data", "max_size", max_size, optional=True, example=10_000)
        array = to_id_array(ids, "Vocabulary.from_data")
        unique, counts = _count(array)
        kept = np.argsort(-counts, kind="stable")[:max_size]
        kept = kept[counts[kept] >= min_count]
        if not kept.size:
            fix = "Pass more data, or lower min_count"
            raise ArgumentError(
                explain("Vocabulary.from_data", "no ids are left", ids=array, min_count=min_count, fix=fix)
            )
        return cls(unique[kept], counts[kept])

    @property
    def ids(self) -> np.ndarray:
        """Ids in row order, shape `(n,)`: int64, or objects that are `str`. Read-only."""
        self._require()
        return self._ids

    @property
    def counts(self) -> np.ndarray | None:
        """How often each id occurred, int64 of shape `(n,)`, or `None`. Read-only."""
        self._require()
        return self._counts

    @property
    def dtype(self) -> str:
        """`"int64"` or `"string"`."""
        return self._dtype

    @property
    def fingerprint(self) -> str:
        """Hexadecimal hash of the ids in their order; it does not depend on the counts."""
        return self._fingerprint

    @property
    def is_loaded(self) -> bool:
        return self._ids is not None

    def __len__(self) -> int:
        return self._size

    def __contains__(self, item: Any) -> bool:
        return bool(self.lookup([item])[0] >= 0)

    def __repr__(self) -> str:
        shown = f"ids=[{describe_ids(self._ids)}], " if self.is_loaded else ""
        return f"Vocabulary({shown}size={self._size}, dtype={self._dtype!r})"

    def lookup(self, ids: Any) -> np.ndarray:
        """Returns the index of each id, int64 of the same shape; -1 for unknown ids.

        Raises:
            IdError: Ids are missing, of mixed types, or text while the vocabulary has integers, or the reverse.
        """
        self._require()
        wanted = to_id_array(ids, "Vocabulary.lookup", dtype=self._dtype, source="the vocabulary")
        if not wanted.size:
            return np.zeros(wanted.shape, dtype=np.int64)
        if self._dtype == "string":
            flat = map(self._index_of_text().get, wanted.ravel().tolist(), _always_unknown())
            return np.fromiter(flat, dtype=np.int64, count=wanted.size).reshape(wanted.shape)
        order, ordered = self._sorted_ints()
        position = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        return np.where(ordered[position] == wanted, order[position], -1)

    def reverse_lookup(self, indices: Any) -> np.ndarray:
        """Returns the id of each index, of the same shape; an index of -1 gives -1 or `""`.

        Raises:
            ArgumentError: An index is not an integer in `-1 .. len(self) - 1`.
        """
        self._require()
        wanted = np.asarray(indices)
        if wanted.size and (wanted.dtype.kind not in "iu" or wanted.min() < -1 or wanted.max() >= self._size):
            problem = f"`indices` must be integers in -1 .. {self._size - 1}"
            raise ArgumentError(explain("Vocabulary.reverse_lookup", problem, indices=indices, fix="Check the indices"))
        wanted = wanted.astype(np.int64)
        found = self._ids[wanted.ravel()].reshape(wanted.shape)
        found[wanted < 0] = "" if self._dtype == "string" else -1
        return found

    def check_type(self, ids: np.ndarray, owner: str) -> None:
        """Raises `IdError` if the ids are text and the vocabulary has integers, or the reverse."""
        if is_text(ids) != (self._dtype == "string"):
            raise of_other_type(ids, self._dtype, "the vocabulary", owner)

    def get_config(self) -> dict[str, Any]:
        return {
            "size": self._size,
            "dtype": self._dtype,
            "fingerprint": self._fingerprint,
            "counts_fingerprint": self._counts_fingerprint,
        }

    def _set_config(self, config: dict[str, Any]) -> None:
        self._ids = self._counts = None
        self._size, self._dtype = config["size"], config["dtype"]
        self._fingerprint, self._counts_fingerprint = config["fingerprint"], config["counts_fingerprint"]
        self._finder = None
        if not is_size(self._size) or self._dtype not in ("int64", "string"):
            raise ValueError(f"the config of a vocabulary has size {self._size!r} and dtype {self._dtype!r}")

    def _fill(self, ids: np.ndarray, counts: np.ndarray | None) -> None:
        self._ids, self._counts = ids.copy(), counts
        self._ids.setflags(write=False)
        self._size, self._dtype = len(ids), "string" if is_text(ids) else "int64"
        self._finder = None
        self._refuse_repeats()
        try:
            parts = encode_text(ids) if is_text(ids) else (ids,)
        except UnicodeEncodeError as error:
            problem = f"an id is not valid UTF-8 ({error.reason})"
            raise IdError(explain("Vocabulary", problem, fix="Remove lone surrogates from the ids")) from error
        self._fingerprint = _fingerprint(self._dtype, *parts)
        self._counts_fingerprint = None if counts is None else _fingerprint("counts", counts)

    def _refuse_repeats(self) -> None:
        if self._dtype == "string":
            unique = len(self._index_of_text())
        else:
            _, ordered = self._sorted_ints()
            unique = 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
        if unique == self._size:
            return
        values, counts = np.unique(self._ids, return_counts=True)
        problem = f"{self._size - unique} of {self._size} ids are repeats: {describe_ids(values[counts > 1])}"
        raise IdError(explain("Vocabulary", problem, fix="Pass unique ids, or count them with Vocabulary.from_data"))

    def _write(self) -> dict[str, np.ndarray]:
        arrays = (
            dict(zip(("offsets", "utf8"), encode_text(self._ids), strict=True))
            if is_text(self._ids)
            else {"ids": self._ids}
        )
        return arrays if self._counts is None else {**arrays, "counts": self._counts}

    def _read(self, arrays: dict[str, np.ndarray]) -> None:
        ids = arrays["ids"] if "ids" in arrays else decode_text(arrays["offsets"], arrays["utf8"])
        if ids.ndim != 1 or ids.dtype not in (np.int64, object) or not ids.size:
            raise ValueError("the ids have an unexpected shape or dtype")
        counts = arrays.get("counts")
        # Their hash is of their bytes alone, which another dtype or shape would give another meaning.
        if counts is not None and (counts.dtype != np.int64 or counts.shape != ids.shape or counts.min() < 0):
            raise ValueError("the counts have an unexpected shape, dtype or sign")
        self._fill(ids, counts)

    # Only for lookups in Python; a graph uses a hash table of its own.
    def _index_of_text(self) -> dict[str, int]:
        if self._finder is None:
            self._finder = dict(zip(self._ids.tolist(), range(self._size), strict=True))
        return self._finder

    def _sorted_ints(self) -> tuple[np.ndarray, np.ndarray]:
        if self._finder is None:
            order = np.argsort(self._ids, kind="stable")
            self._finder = (order, self._ids[order])
        return self._finder


def to_vocabulary(value: Any) -> Vocabulary:
    """Converts unique ids in row order to a `Vocabulary`; returns a vocabulary as it is.

    Example:
        >>> len(to_vocabulary(["a", "b"]))
        2
    """
    return value if isinstance(value, Vocabulary) else Vocabulary(value)


def to_counted_vocabulary(candidate_counts: Any, owner: str) -> Vocabulary:
    """Converts counts by id, or ids to count, to a `Vocabulary` with counts; returns one as it is.

    Args:
        candidate_counts: A `Vocabulary`; counts by id, as a dict or the Series named "count" that pandas'
            `value_counts` returns; or ids, one for each interaction.
        owner: Name of the caller, for messages.

    Example:
        >>> to_counted_vocabulary(["a", "b", "b"], "MeanPopularity").counts
        array([2, 1])
        >>> to_counted_vocabulary({"a": 1, "b": 2}, "MeanPopularity").ids.tolist()
        ['b', 'a']
    """
    if isinstance(candidate_counts, Mapping):
        return _of_counts(list(candidate_counts), list(candidate_counts.values()), owner)
    if hasattr(candidate_counts, "value_counts") and getattr(candidate_counts, "name", None) == "count":
        return _of_counts(candidate_counts.index, candidate_counts.to_numpy(), owner)
    if not isinstance(candidate_counts, Vocabulary):
        return Vocabulary.from_data(to_id_array(candidate_counts, f"{owner}: `candidate_counts`"))
    if candidate_counts.is_loaded and candidate_counts.counts is None:
        problem = "`candidate_counts` is a vocabulary without counts"
        fix = "Create it with Vocabulary.from_data, or pass the ids of the interactions"
        raise ArgumentError(explain(owner, problem, candidate_counts=candidate_counts, fix=fix))
    return candidate_counts


def _of_counts(ids: Any, counts: Any, owner: str) -> Vocabulary:
    """Returns the same vocabulary as `Vocabulary.from_data` of the interactions that were counted."""
    ids = to_id_array(ids, f"{owner}: `candidate_counts`")
    counts = _checked_counts(counts, ids.size, f"{owner}: `candidate_counts`")
    order = np.argsort(ids, kind="stable")
    order = order[np.argsort(-counts[order], kind="stable")]
    return Vocabulary(ids[order], counts[order])


def _count(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the sorted distinct ids and how often each occurs."""
    if not is_text(ids):
        return np.unique(ids, return_counts=True)
    counted = Counter(ids.ravel().tolist())  # np.unique would sort all of them by Python comparisons
    unique = np.empty(len(counted), dtype=object)
    unique[:] = sorted(counted)
    return unique, np.fromiter((counted[each] for each in unique), dtype=np.int64, count=len(unique))


def _always_unknown() -> Any:
    while True:
        yield -1


def _checked_counts(counts: Any, size: int, owner: str = "Vocabulary") -> np.ndarray:
    array = np.asarray(counts)
    if not size or array.shape != (size,) or array.dtype.kind not in "iu" or array.min() < 0:
        problem = f"`counts` must be {size or 'some'} integers that are not negative"
        raise ArgumentError(explain(owner, problem, counts=counts, fix="Pass one count for each id"))
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


def _fingerprint(kind: str, *arrays: np.ndarray) -> str:
    digest = hashlib.sha256(kind.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]
