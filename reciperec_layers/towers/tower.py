"""Tower: the contract of both sides of a two-tower model, and the registry of towers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer, refuse_unknown
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.errors import ColumnError, explain
from reciperec_layers.layers.embedding_table import EmbeddingTable
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.registry import Registry, without_distribution
from reciperec_layers.saving.keras_names import deserialize_nested, register_name

TOWERS_PACKAGE = "reciperec_layers.towers"


class Tower(keras.layers.Layer):
    """A layer from features to embeddings of shape `(batch, embedding_dim)`. Base of all towers.

    A subclass makes its weights in `__init__` (what is not built when a file is loaded loses its weights in
    silence), implements `call` and `get_config`, and `from_data` when it can be made by bare name. Features are a
    tensor, or a dict of tensors by column name; a tower of one column takes both.

    A model asks a tower what it needs beyond a call: how a raw column is read (`read`, `form`), whether it may be left
    out (`missing_value`), which part of a call depends on no weight (`prepare`, `encode`), what a row tells
    (`knowledge`, `known_features`), and where embeddings of ids are (`table_of_ids`). All have defaults.

    Args:
        embedding_dim: Size of the embeddings, >= 1.
        features: Names of the columns that the tower reads.
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Raises:
        ArgumentError: `embedding_dim` is not a positive integer.
        ArgumentTypeError: An argument is neither the tower's nor one of every Keras layer.

    Example:
        >>> class ConstantTower(Tower):
        ...     def call(self, inputs, training=None):
        ...         return keras.ops.ones((keras.ops.shape(self.column(inputs))[0], self.embedding_dim))
        >>> ConstantTower(2, features=["user_id"])({"user_id": keras.ops.array([7])}).shape.as_list()
        [1, 2]
    """

    # Whether `from_data` takes `columns`, `leave_out`, `encoders`, `interactions`, `queries`, `query_id`,
    # `candidate_id` and `side`, as that of `FeatureTower` does.
    takes_columns: ClassVar[bool] = False

    def __init__(
        self, embedding_dim: int, features: Sequence[str] = (), name: str | None = None, **kwargs: Any
    ) -> None:
        embedding_dim = check_integer(type(self).__name__, "embedding_dim", embedding_dim, example=32)
        refuse_unknown(type(self), kwargs)
        super().__init__(name=name, **kwargs)
        self.embedding_dim = embedding_dim
        self.features = tuple(features)

    @classmethod
    def from_data(
        cls, frame: Any, *, feature: str, embedding_dim: int, seed: int | None = None, **options: Any
    ) -> Self:
        """Returns a tower whose vocabularies and statistics come from a data frame.

        Args:
            frame: Data frame or dict of columns.
            feature: The id column of this side.
            embedding_dim: Size of the embeddings.
            seed: Seed of the initial weights and of dropout.
            **options: Further arguments of the tower.

        Raises:
            NotImplementedError: The tower cannot be made from data.
        """
        raise NotImplementedError(f"{cls.__name__} has no from_data; create it by its constructor.")

    @property
    def deterministic(self) -> bool:
        """Whether a row's embedding depends on its features alone, in training too.

        `False` here: a tower that says `True` uses no dropout, noise or statistics of the batch, and its losses
        do not depend on how often a row occurs. A model then computes a candidate once that a batch has several times.
        A subclass of such a tower that adds any of these says `False`.
        """
        return False

    @property
    def repeats_cost_little(self) -> bool:
        """Whether an id that a batch has several times costs little more than once, as in a tower that reads a table.

        `False` here. A model looks for repeated ids of a `deterministic` tower of one id column, and computes each
        once, unless the tower says `True`: looking for them would then cost more than it saves.
        """
        return False

    def read(self, name: str, column: Any, owner: str) -> Any:
        """Returns a raw column, as a user has it, as a dense tensor; a tensor stays as it is.

        Args:
            name: Name of the column.
            column: pandas column, NumPy array or list.
            owner: Name of the caller, for messages.
        """
        return to_tensor(column, owner, name)

    def form(self, name: str) -> tf.TensorSpec | None:
        """Returns dtype and shape of what `read` gives for a column, the first axis of unknown length.

        `None` here: the tower takes whatever `read` gives.
        """
        return None

    def missing_value(self, name: str) -> Any:
        """Returns what stands for the values of a column that is not given, or `None` where it must be given.

        `None` here.
        """
        return None

    def table_of_ids(self, name: str) -> tuple[IdLookup, EmbeddingTable] | None:
        """Returns what looks ids up and the table whose rows are their embeddings, up to length and further terms.

        A model can then start training at embeddings that it knows. `None` here, and where there is no such table.

        Args:
            name: The column of the ids.
        """
        return None

    @property
    def prepares(self) -> bool:
        """Whether `prepare` does part of a call, so that what it gives for a corpus is worth keeping. `False` here."""
        return False

    def prepare(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Returns what of a call depends on no weight: dense or ragged tensors, one entry a row.

        Here these are the columns themselves.

        Args:
            columns: Tensors by column name, as `read` gives them. Part of a graph.
        """
        return dict(columns)

    def encode(self, prepared: dict[str, Any], training: bool | None = None) -> Any:
        """Returns the embeddings of what `prepare` gave, equal to those of a call.

        Args:
            prepared: Tensors by column name, as `prepare` gives them, or rows of these.
            training: Whether dropouts apply.
        """
        return self(prepared, training=training)

    def knowledge(self, columns: Any) -> Any:
        """Returns what each row tells the tower, int32 of shape `(batch,)`.

        2: its id was trained (hot); 1: its id is unknown, but some feature is known (warm); 0: nothing is (cold). Here
        all are 2, for a tower that cannot tell.

        Args:
            columns: Tensors by column name, as `read` gives them, or the tensor of the only column.
        """
        first = next(iter(columns.values())) if has_named_columns(columns) else columns
        return tf.fill(tf.shape(first)[:1], 2)

    @property
    def knowledge_levels(self) -> tuple[int, ...]:
        """What `knowledge` can be, ascending; nothing for a tower that cannot tell."""
        return () if type(self).knowledge is Tower.knowledge else (0, 1, 2)

    def known_features(self, columns: Any) -> dict[str, Any]:
        """Returns which values tell the tower something beside ids, by column a bool tensor of shape `(batch,)`.

        None here, for a tower that cannot tell.

        Args:
            columns: As for `knowledge`.
        """
        return {}

    @abstractmethod
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the embeddings, shape `(batch, embedding_dim)`."""

    def column(self, inputs: Any) -> Any:
        """Returns the column of a tower that reads one: a tensor as it is, or the column out of a dict.

        Raises:
            ColumnError: The dict lacks the column, or the tower does not know which column it reads.
        """
        owner = type(self).__name__
        inputs = from_arrow(inputs, owner)
        if not has_named_columns(inputs):
            return inputs
        if not self.features:
            problem = "inputs are columns by name, and the tower does not know which one it reads"
            fix = 'Create it with feature="..."'
            raise ColumnError(explain(owner, problem, columns=list(inputs.keys()), fix=fix))
        return inputs[require_column(inputs.keys(), self.features[0], owner)]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        shape = input_shape[self.features[0]] if has_named_columns(input_shape) else input_shape
        return (*shape, self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the config; `distribution` is for messages about a missing plugin and is not read back."""
        config = {**super().get_config(), "embedding_dim": self.embedding_dim}
        return TOWERS.with_distribution(config, type(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**deserialize_nested(without_distribution(config)))


TOWERS: Registry[Tower] = Registry(
    "tower",
    base=Tower,  # type: ignore[type-abstract]
    group=TOWERS_PACKAGE,
    on_register=lambda name, cls: register_name(cls, name, TOWERS_PACKAGE),
)
