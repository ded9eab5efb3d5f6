"""ColumnJoin: columns that are known by id, added to batches in the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.candidates.candidate_rows import CandidateRows
from reciperec_layers.corpus import Corpus
from reciperec_layers.graph.known_tensors import computed_once
from reciperec_layers.towers import Tower
from reciperec_layers.towers.tower_columns import ENCODE_ROWS


class ColumnJoin(tf.Module):
    """Adds the columns of a table to batches that carry its ids. Columns that a batch brings itself win.

    Args:
        table: One row for each id.
        missing: What an id outside of the table has, by column; an id is an error where a column has no such value.
        owner: Name of the class that errors name.
        of: What the rows are and what the table is called, for messages.

    Example:
        >>> recipes = Corpus({"recipe_id": [7, 9], "minutes": [10, 30]}, "recipe_id", ["minutes"])
        >>> join = ColumnJoin(recipes)
        >>> join.add_columns({"recipe_id": tf.constant([9, 7])}, ["minutes"])["minutes"].numpy().tolist()
        [30, 10]
    """

    def __init__(
        self,
        table: Corpus,
        missing: Mapping[str, Any] | None = None,
        owner: str = "RetrievalModel",
        of: tuple[str, str] = ("candidates", "corpus"),
    ) -> None:
        super().__init__(name="column_join")
        self._table = table
        self._missing = {} if missing is None else dict(missing)
        self._owner, self._of = owner, of
        self._rows: CandidateRows | None = None  # the table of a model that is being loaded has no ids yet
        self._columns: dict[str, tf.Tensor] = {}
        self._prepared: dict[str, Any] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that can be added."""
        return self._table.names[1:]

    @property
    def id_column(self) -> str:
        """Name of the column of ids."""
        return self._table.id_column

    @property
    def form_of_ids(self) -> tf.TensorSpec:
        """Dtype and shape of a column of ids."""
        return tf.TensorSpec((None,), self._table.vocabulary.dtype)

    def add_columns(self, features: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """Returns the features with those of the named columns that they lack. Part of a graph.

        Args:
            features: Columns of a batch, ids among them.
            names: Columns that are needed; what the table lacks is left out.

        Raises:
            UnknownIdError: A column is missing and an id is not in the table.
        """
        lacking = [name for name in names if name not in features and name in self.names]
        id_column = self._table.id_column
        if not lacking or id_column not in features:
            return dict(features)
        ids = features[id_column]
        without = [name for name in lacking if self._missing.get(name) is None]
        rows = self._known_rows(ids, without) if without else self._lookup().rows(ids)
        return {**features, **{name: self._gathered(name, rows) for name in lacking}}

    def prepared(self, ids: tf.Tensor, tower: Tower) -> dict[str, Any]:
        """Returns what a tower has prepared of the rows of ids; the whole table is prepared once. Part of a graph.

        Args:
            ids: Ids of a batch.
            tower: A tower that prepares, and reads no columns but those of the table.

        Raises:
            UnknownIdError: An id is not in the table.
        """
        rows = self._known_rows(ids, tower.features)
        if self._prepared is None:
            with tf.init_scope():
                parts = [tower.prepare(batch) for batch in self._table.batches(tower.features, ENCODE_ROWS)]
                self._prepared = {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}
        return {name: self._taken(column, rows) for name, column in self._prepared.items()}

    def _lookup(self) -> CandidateRows:
        if self._rows is None:
            self._rows = CandidateRows(self._table)
        return self._rows

    def _known_rows(self, ids: tf.Tensor, names: Sequence[str]) -> tf.Tensor:
        (rows, table), listed = self._of, ", ".join(map(repr, names))
        problem = f"{self._owner}: {{}} {rows} of a batch are not in the {table}, from which the model takes {listed}"
        return self._lookup().known_rows(ids, problem, f"Add them to the {rows}, or the columns to the batch")

    def _taken(self, column: Any, rows: tf.Tensor) -> Any:
        may_be_all = rows.shape.rank == 1 and rows.shape[0] == len(self._table) and not tf.is_symbolic_tensor(rows)
        if may_be_all and np.array_equal(rows, np.arange(len(self._table))):
            return column  # of the whole table, as a loss over all candidates takes it
        return computed_once(partial(tf.gather, column), rows)

    def _gathered(self, name: str, rows: tf.Tensor) -> tf.Tensor:
        if name not in self._columns:
            # Every graph captures the same tensor. A variable that is made while a function is traced would have it
            # traced once more.
            with tf.init_scope():
                self._columns[name] = tf.convert_to_tensor(self._table.columns[name])
        column = self._columns[name]
        missing = self._missing.get(name)
        if missing is None:
            return self._taken(column, rows)
        known = tf.reshape(rows >= 0, [-1, *[1] * (column.shape.rank - 1)])
        return tf.where(known, tf.gather(column, tf.maximum(rows, 0)), tf.constant(missing, column.dtype))
