"""HeldCandidates: the candidates of a dataset, encoded anew only where weights have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.data.util import structure  # how a dataset's maps take and give their elements

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.graph.change_counter import ChangeCounter
from reciperec_layers.graph.row_chunks import in_row_chunks

_MAPS = ("_MapDataset", "_ParallelMapDataset")
_SAME_ELEMENTS = ("_OptionsDataset", "_PrefetchDataset")
# Candidates that a map encodes at once.
_ROWS_AT_ONCE = 8192


class HeldCandidates:
    """Embeddings, and identifiers where there are some, of a dataset such as `movies.batch(128).map(movie_model)`.

    A dataset that reads weights runs its maps over all candidates whenever it is iterated over, and an evaluation does
    so for every batch. Here what comes before the maps that read weights is kept, and these maps run in one piece, when
    one of their weights has changed since the last time: once in an evaluation, and once after each training step.
    Graphs look at a count of the changes, so that they need not be traced again.

    Args:
        dataset: Batches of embeddings, or of `(identifiers, embeddings)`.
        owner: Name of the class that errors name.

    Raises:
        ArgumentError: The elements are something else, or the dataset has no end.

    Example:
        >>> table = tf.Variable([[1.0], [2.0], [3.0]])
        >>> ids = tf.data.Dataset.from_tensor_slices([2, 0]).batch(2)
        >>> held = HeldCandidates(ids.map(lambda rows: tf.gather(table, rows)), "Streaming")
        >>> held.columns().numpy()
        array([[3., 1.]], dtype=float32)
    """

    def __init__(self, dataset: tf.data.Dataset, owner: str) -> None:
        check_candidates(dataset, owner)
        self.dataset, self._owner = dataset, owner
        self._read: Callable[[], Any] | None = None
        self._is_read = False
        self._identifiers: Any = None
        self._columns: Any = None
        self._num_candidates = 0

    @property
    def can_hold(self) -> bool:
        """Whether the dataset is of a form that can be held: only maps follow after what reads weights."""
        self._prepare()
        return self._read is not None

    @property
    def identifiers(self) -> tf.Tensor:
        """Identifier of each candidate, shape `(num_candidates,)`: the dataset's, or row numbers."""
        self._prepare()
        return self._identifiers

    @property
    def num_candidates(self) -> int:
        """How many there are."""
        self._prepare()
        return self._num_candidates

    def columns(self) -> tf.Tensor:
        """Returns the embeddings at the present weights, float32 of shape `(dim, num_candidates)`."""
        self._prepare()
        count = self._changes.count()
        if count is None:  # of weights that are not watched nothing is known
            return self._encode()

        def encode() -> tf.Tensor:
            self._columns.assign(self._encode(), read_value=False)
            return self._encoded_at.assign(count)

        tf.cond(tf.equal(count, self._encoded_at), lambda: self._encoded_at.read_value(), encode)
        return self._columns.read_value()

    def _prepare(self) -> None:
        """Reads, at the first use, what does not depend on weights."""
        if self._is_read:
            return
        with tf.init_scope():
            self._read = _reader(self.dataset)
            self._is_read = True
            if self._read is None:
                return
            self._changes = ChangeCounter(*_weights_of(self.dataset))
            count = self._changes.count()
            found = self._read()
            columns = _columns_of(found)
            self._num_candidates = int(columns.shape[1])
            given = tf.reshape(found[0], (-1,)) if isinstance(found, tuple) else None
            self._identifiers = tf.range(self._num_candidates) if given is None else given
            if count is not None:  # else nothing is held
                self._columns = tf.Variable(columns, trainable=False)
                self._encoded_at = tf.Variable(count, dtype=tf.int64, trainable=False)

    def _encode(self) -> tf.Tensor:
        assert self._read is not None
        return _columns_of(self._read())


def _columns_of(found: Any) -> tf.Tensor:
    """Returns the embeddings of what was read, float32 of shape `(dim, num_candidates)`."""
    return tf.transpose(tf.cast(found[-1] if isinstance(found, tuple) else found, tf.float32))


def check_candidates(dataset: Any, owner: str) -> None:
    """Checks that a dataset has batches of embeddings, or of identifiers and embeddings, and an end.

    Args:
        dataset: The value passed as candidates.
        owner: Name of the class that the error names.

    Raises:
        ArgumentError: It does not.

    Example:
        >>> check_candidates(tf.data.Dataset.range(3), "Streaming")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Streaming: the dataset must yield batches of candidate embeddings...
    """
    fix = "Use for example movies.batch(128).map(movie_model), or zip it with the batches of the identifiers"
    if not isinstance(dataset, tf.data.Dataset):
        raise ArgumentError(explain(owner, "candidates must be a tf.data.Dataset", candidates=dataset, fix=fix))
    spec = dataset.element_spec
    parts = spec if isinstance(spec, tuple) else (spec,)
    is_tensor = [isinstance(part, tf.TensorSpec) for part in parts]
    if len(parts) > 2 or not all(is_tensor) or (parts[-1].shape.rank not in (None, 2)):
        problem = "the dataset must yield batches of candidate embeddings, or of (identifiers, embeddings)"
        raise ArgumentError(explain(owner, problem, elements=spec, fix=fix))
    sizes = {part.shape[0] for part in parts if part.shape.rank}
    if len(sizes - {None}) > 1:
        problem = "identifiers and embeddings must have batches of one size"
        raise ArgumentError(explain(owner, problem, elements=spec, fix="Batch both alike before they are zipped"))
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ArgumentError(explain(owner, "the dataset of candidates has no end", fix="Leave out repeat()"))


def _reader(dataset: Any) -> Callable[[], Any] | None:
    """Returns a function that gives all elements as one, also as a part of a graph, or `None`."""
    if not _weights_of(dataset):
        rows = _joined(list(dataset))
        return None if rows is None else lambda: rows
    kind = type(dataset).__name__
    if kind in _SAME_ELEMENTS:
        return _reader(dataset._input_dataset)
    if kind == "_ZipDataset":
        readers = [_reader(each) for each in tf.nest.flatten(dataset._datasets)]
        if None in readers:
            return None
        return lambda: tf.nest.pack_sequence_as(dataset._datasets, [read() for read in readers if read is not None])
    before = _reader(dataset._input_dataset) if kind in _MAPS else None
    if before is None or not _maps_rows(dataset):
        return None
    return lambda: _mapped_rows(dataset, before())


def _weights_of(dataset: Any) -> list[tf.Variable]:
    """Returns the variables that a dataset reads when it is iterated over."""
    own = [variable for each in dataset._functions() for variable in each.function.graph.variables]
    of_inputs = [variable for each in dataset._inputs() for variable in _weights_of(each)]
    return list({id(variable): variable for variable in own + of_inputs}.values())


def _joined(elements: list[Any]) -> Any:
    """Returns batches as one batch; `None` where there are none, or where something has no rows."""
    leaves = [tf.nest.flatten(element) for element in elements]
    has_rows = all(isinstance(leaf, tf.Tensor) and leaf.shape.rank for element in leaves for leaf in element)
    if not elements or not has_rows:
        return None
    return tf.nest.map_structure(lambda *batches: tf.concat(batches, axis=0), *elements)


def _mapped(dataset: Any, element: Any) -> Any:
    """Returns what the map of a dataset makes of an element."""
    tensors = structure.to_tensor_list(dataset._input_dataset.element_spec, element)
    found = dataset._map_func.function(*tensors)
    return structure.from_compatible_tensor_list(dataset.element_spec, tf.nest.flatten(found))


def _maps_rows(dataset: Any) -> bool:
    """Returns whether the map gives for two batches together what it gives for each."""
    before = dataset._input_dataset
    if any(not spec.shape.rank or spec.shape[0] is not None for spec in tf.nest.flatten(before.element_spec)):
        return False
    elements = list(before.take(2))
    apart, together = _joined([_mapped(dataset, each) for each in elements]), _mapped(dataset, _joined(elements))
    pairs = zip(tf.nest.flatten(apart), tf.nest.flatten(together), strict=True)
    return all(one.shape == other.shape and _are_close(one, other) for one, other in pairs)


def _are_close(one: tf.Tensor, other: tf.Tensor) -> bool:
    if not one.dtype.is_floating:
        return bool(tf.reduce_all(one == other))
    # A product of more rows may round otherwise.
    return bool(tf.reduce_all(tf.abs(one - other) <= 1e-4 * (1 + tf.reduce_max(tf.abs(one)))))


def _mapped_rows(dataset: Any, rows: Any) -> Any:
    """Returns what the map makes of all rows, some thousands at a time."""
    num_rows = tf.nest.flatten(rows)[0].shape[0]
    if num_rows is not None and num_rows <= _ROWS_AT_ONCE:
        return _mapped(dataset, rows)
    num_rows = tf.shape(tf.nest.flatten(rows)[0])[0]

    def of_chunk(chosen: slice) -> list[tf.Tensor]:
        return tf.nest.flatten(_mapped(dataset, tf.nest.map_structure(lambda each: each[chosen], rows)))

    specs = [tf.TensorSpec((None, *spec.shape[1:]), spec.dtype) for spec in tf.nest.flatten(dataset.element_spec)]
    return tf.nest.pack_sequence_as(dataset.element_spec, in_row_chunks(num_rows, _ROWS_AT_ONCE, of_chunk, specs))
