"""ColumnEncoders: the encoders of several columns, as towers share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_number
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, describe_ids, explain
from reciperec_layers.features.encoder import ENCODERS, Encoder
from reciperec_layers.towers.missing_columns import completed_columns, rows_of_columns


class ColumnEncoders(keras.layers.Layer):
    """The encoders of a tower by column: what is read, prepared and encoded, column by column.

    Columns are sorted by name, so that the order in which they are given changes nothing; encoders are kept in a list,
    so that the names of columns are not those of weights in files.

    Args:
        encoders: Encoders by column, or their configs: a dict with the registered name under `"encoder"` and the
            arguments of the constructor.
        owner: Name of the tower's class, for messages.
        feature_dropout: Share of values, in [0, 1), whose numbers are 0 in training, drawn for each row and column.
        seed: Seed of `feature_dropout`.
        dtype: Dtype or policy of the encodings.

    Raises:
        ArgumentError: There are no encoders, a column has no name, two columns share an encoder, an encoder has a
            regularizer of its output, or `feature_dropout` is out of range.
        ArgumentTypeError: `encoders` is not a dict of encoders.

    Example:
        >>> from reciperec_layers.features import Id
        >>> columns = ColumnEncoders({"user_id": Id([7, 9], width=4), "city": Id(["Rome"], width=3)}, "FeatureTower")
        >>> columns.names, columns.width
        (('city', 'user_id'), 7)
    """

    def __init__(
        self, encoders: Any, owner: str, feature_dropout: float = 0.0, seed: int | None = None, dtype: Any = None
    ) -> None:
        super().__init__(dtype=dtype)
        encoders = _resolve(encoders, owner, dtype)
        self.owner = owner
        self.names: tuple[str, ...] = tuple(encoders)
        self.encoders: list[Encoder] = list(encoders.values())
        self.feature_dropout = check_number(owner, "feature_dropout", feature_dropout, least=0, below=1, example=0.1)
        self._seed_generator = keras.random.SeedGenerator(seed) if self.feature_dropout else None
        self.built = True

    @property
    def width(self) -> int:
        """Sum of the encodings' sizes."""
        return sum(encoder.width for encoder in self.encoders)

    @property
    def by_name(self) -> dict[str, Encoder]:
        """The encoders by column, sorted by its name."""
        return dict(zip(self.names, self.encoders, strict=True))

    @property
    def deterministic(self) -> bool:
        """Whether a row's encodings depend on its values alone, in training too."""
        return not self.feature_dropout and all(encoder.deterministic for encoder in self.encoders)

    def encoder(self, name: str) -> Encoder:
        """Returns the encoder of a column.

        Raises:
            ColumnError: The tower does not read the column.
        """
        return self.by_name[require_column(self.names, name, self.owner)]

    def to_tensors(self, inputs: Any) -> dict[str, Any]:
        """Returns the columns that are read as tensors by name; symbolic ones and tensors stay as they are.

        Args:
            inputs: Dict or data frame of columns, of which others than the tower's are left out; or the only column.

        Raises:
            ColumnError: A column is missing that must not be, or all are.
            ArgumentError: A column has another shape than the encoder's, or symbolic ids would be floats.
        """
        inputs = from_arrow(inputs, self.owner)
        if not has_named_columns(inputs):
            if len(self.names) > 1:
                problem = f"inputs must be a dict of the columns {describe_ids(self.names, 40)}"
                raise ArgumentError(explain(self.owner, problem, inputs=inputs, fix="Pass them by name"))
            inputs = {self.names[0]: inputs}
        given = set(inputs.keys())
        if given.isdisjoint(self.names):
            require_column(inputs.keys(), self.names[0], self.owner)
        columns = {}
        for name, encoder in self.by_name.items():
            if name in given:
                columns[name] = self._to_tensor(name, encoder, inputs[name])
            elif encoder.missing is None:
                require_column(inputs.keys(), name, self.owner, fix="Give the column; its encoder has no missing value")
        return columns

    def prepare(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Returns what each encoder prepares; a column that is not given is all missing.

        Args:
            columns: Tensors by column name, as `to_tensors` gives them.
        """
        columns = self._completed(columns)
        return {name: encoder.prepare(columns[name]) for name, encoder in self.by_name.items()}

    def encode(self, prepared: dict[str, Any], training: bool | None = None) -> list[Any]:
        """Returns the encodings in the order of `names`, each of shape `(batch, width)`, in the compute dtype."""
        encodings = [
            tf.cast(encoder.encode(prepared[name], training), self.compute_dtype)
            for name, encoder in self.by_name.items()
        ]
        if not training or self._seed_generator is None:
            return encodings
        shape = (tf.shape(encodings[0])[0], len(encodings))
        kept = keras.random.uniform(shape, seed=self._seed_generator) >= self.feature_dropout
        nothing = tf.zeros((), self.compute_dtype)
        return [tf.where(kept[:, place, tf.newaxis], each, nothing) for place, each in enumerate(encodings)]

    def knowledge(self, columns: Any) -> Any:
        """Returns what each row tells, as `Tower.knowledge`: hot if every id is known that an `Id` reads."""
        columns = self._completed(self.to_tensors(columns))
        nothing = tf.zeros([rows_of_columns(columns)], tf.bool)
        known: dict[str, list[Any]] = {"id": [], "feature": [nothing], "context": []}
        for name, encoder in self.by_name.items():
            known[encoder.tells].append(encoder.is_known(columns[name]))
        is_hot = tf.reduce_all(tf.stack(known["id"]), axis=0) if known["id"] else nothing
        is_warm = tf.reduce_any(tf.stack(known["id"] + known["feature"]), axis=0)
        return tf.where(is_hot, 2, tf.where(is_warm, 1, 0))

    @property
    def knowledge_levels(self) -> tuple[int, ...]:
        """What `knowledge` can be, ascending."""
        told = [encoder.tells for encoder in self.encoders]
        num_ids = told.count("id")
        return (0, *([1] if num_ids > 1 or "feature" in told else []), *([2] if num_ids else []))

    def known_features(self, columns: Any) -> dict[str, Any]:
        """Returns which values tell something beside ids and times, as `Tower.known_features`."""
        columns = self._completed(self.to_tensors(columns))
        features = {name: encoder for name, encoder in self.by_name.items() if encoder.tells == "feature"}
        return {name: encoder.is_known(columns[name]) for name, encoder in features.items()}

    def save_own_variables(self, store: Any) -> None:
        """Saves the state of the dropout, which Keras does not, so that a resumed run drops what it would have."""
        if self._seed_generator is not None:
            store["seed_state"] = self._seed_generator.state.numpy()

    def load_own_variables(self, store: Any) -> None:
        if self._seed_generator is not None and "seed_state" in store.keys():  # noqa: SIM118 - not a mapping
            self._seed_generator.state.assign(store["seed_state"])

    def _completed(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Returns columns and, for those that are not given, ones in which every value is missing."""
        absent = {name: encoder for name, encoder in self.by_name.items() if name not in columns}
        return completed_columns(columns, {name: (each.form, each.missing) for name, each in absent.items()})

    def _to_tensor(self, name: str, encoder: Encoder, column: Any) -> Any:
        is_symbolic = isinstance(column, keras.KerasTensor)
        if not is_symbolic and not tf.is_tensor(column):
            return encoder.read(column, self.owner, name)
        form = encoder.form
        if is_symbolic and not form.dtype.is_floating and keras.backend.is_float_dtype(column.dtype):
            problem = f"column {name!r} must be {form.dtype.name}, floats would be rounded"
            fix = f'Declare keras.Input((), name={name!r}, dtype="{form.dtype.name}")'
            raise ArgumentError(explain(self.owner, problem, column=column, fix=fix))
        if not isinstance(column, (tf.RaggedTensor, tf.SparseTensor)) and not form.shape.is_compatible_with(
            tf.TensorShape(column.shape)
        ):
            shown = f"({', '.join(['batch', *map(str, form.shape[1:])])}{',' if form.shape.rank == 1 else ''})"
            problem = f"column {name!r} must have the shape {shown}"
            fix = f"Declare keras.Input({tuple(form.shape[1:])}, name={name!r}, ...)" if is_symbolic else "Reshape it"
            raise ArgumentError(explain(self.owner, problem, column=column, fix=fix))
        return column


def resolve_encoder(value: Any, column: str, owner: str, **defaults: Any) -> Encoder:
    """Returns an encoder: as it is, or from a config.

    Args:
        value: An `Encoder`, or a dict of the registered name under `"encoder"` and the constructor's arguments.
        column: Name of the column, for messages.
        owner: Name of the caller, for messages.
        **defaults: Arguments of the constructor that the config need not have.

    Raises:
        ArgumentTypeError: It is neither.

    Example:
        >>> resolve_encoder({"encoder": "id", "vocabulary": [7, 9], "width": 4}, "user_id", "FeatureTower").width
        4
    """
    if isinstance(value, Encoder):
        return value
    if isinstance(value, Mapping) and "encoder" in value:
        options = {**defaults, **value}
        return ENCODERS.create(options.pop("encoder"), **options)
    problem = f"the encoder of column {column!r} must be an encoder or its config"
    fix = 'Pass for example features.Id(train["user_id"]), or {"encoder": "id", "vocabulary": ids}'
    raise ArgumentTypeError(explain(owner, problem, encoder=value, fix=fix))


def _resolve(encoders: Any, owner: str, dtype: Any) -> dict[str, Encoder]:
    if not isinstance(encoders, Mapping) or not all(isinstance(name, str) and name for name in encoders):
        problem, fix = "`encoders` must be a dict by column name", 'Pass for example {"user_id": features.Id(ids)}'
        raise ArgumentTypeError(explain(owner, problem, encoders=encoders, fix=fix))
    if not encoders:
        raise ArgumentError(explain(owner, "`encoders` must have a column", encoders=encoders, fix="Add one"))
    defaults = {} if dtype is None else {"dtype": dtype}
    resolved = {name: resolve_encoder(encoders[name], name, owner, **defaults) for name in sorted(encoders)}
    if len(set(map(id, resolved.values()))) < len(resolved):
        problem, fix = "two columns have the same encoder", "Make one for each column"
        raise ArgumentError(explain(owner, problem, encoders=list(resolved), fix=fix))
    for name, encoder in resolved.items():
        if encoder.activity_regularizer is not None:
            problem = f"the encoder of column {name!r} has an `activity_regularizer`, which a tower would not see"
            raise ArgumentError(explain(owner, problem, encoder=encoder, fix="Give it to the tower"))
    return resolved
