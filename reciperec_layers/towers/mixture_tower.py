"""MixtureTower: several towers, joined by learned gates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf

from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, describe_ids, explain
from reciperec_layers.features.proposal import Proposal
from reciperec_layers.features.proposals import Proposals
from reciperec_layers.towers.missing_columns import completed_columns
from reciperec_layers.towers.resolve_tower import resolve_tower
from reciperec_layers.towers.single_id_tower import unit_length
from reciperec_layers.towers.tower import TOWERS, Tower

_SEPARATOR = "/"


@TOWERS.register("mixture")
class MixtureTower(Tower):
    """Embeds a row by several towers, each of which counts as much as a gate says that looks at their embeddings.

    With the embeddings `e_1 .. e_T` of one row side by side as `x`, the embedding is

        sum over towers t of g_t e_t,   g = softmax(x W + b)

    so that a row of a known id can rely on the id, and one of an unknown id on the rest. `W` and `b` are 0 at the
    start, where the embedding is the mean.

    Args:
        towers: Two or more towers of one `embedding_dim`, or their configs, each a dict with the registered name under
            `"tower"`. Every tower names the columns that it reads.
        embedding_dim: Size of the embeddings, that of the towers.
        normalize: Whether embeddings are scaled to length 1.
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy, of the gates and the embeddings), `trainable` and `activity_regularizer`.

    Call arguments:
        inputs: Dict or data frame of the columns that the towers read; other columns are ignored. The column itself,
            if they all read the same one.
        training: Passed on.

    Returns:
        Tensor of shape `(batch, embedding_dim)`, in the compute dtype.

    Raises:
        ArgumentError: There are fewer than two towers, their sizes differ, one does not name its columns, or two read
            one column in different forms.
        ArgumentTypeError: `towers` is not a list of towers and configs.

    Example:
        >>> from reciperec_layers.towers import IdTower, MLPTower
        >>> ids = IdTower([7, 9], 4, feature="user_id")
        >>> tower = MixtureTower([ids, MLPTower([7, 9], 4, feature="user_id")], embedding_dim=4)
        >>> tower({"user_id": keras.ops.array([9, 5])}).shape.as_list()
        [2, 4]
    """

    takes_columns: ClassVar[bool] = True

    def __init__(
        self, towers: Any, embedding_dim: int, *, normalize: bool = False, name: str | None = None, **kwargs: Any
    ) -> None:
        towers = _resolve(towers)
        features = sorted({feature for tower in towers for feature in tower.features})
        super().__init__(embedding_dim, features, name, **{**kwargs, "autocast": False})
        self.normalize = bool(normalize)
        self.towers: list[Tower] = towers
        self._check()
        self.gates = keras.layers.Dense(len(towers), kernel_initializer="zeros", dtype=self.dtype_policy)
        self.gates.build((None, len(towers) * embedding_dim))
        self.built = True

    @classmethod
    def from_data(
        cls,
        frame: Any,
        *,
        feature: str,
        embedding_dim: int,
        seed: int | None = None,
        towers: Sequence[Any] = ("id", "feature"),
        side: str | None = None,
        columns: Iterable[str] | None = None,
        leave_out: Iterable[str] = (),
        encoders: Mapping[str, Any] | None = None,
        interactions: Any = None,
        queries: Any = None,
        query_id: str | None = None,
        candidate_id: str | None = None,
        **options: Any,
    ) -> Self:
        """Returns a mixture of towers made from one frame.

        Args:
            frame: Data frame or dict of columns.
            feature: The id column of this side.
            embedding_dim: Size of the embeddings.
            seed: Seed of the first tower; the others have the following ones.
            towers: Registered names; or dicts with the name under `"tower"` and arguments of that tower's `from_data`.
            side: As for `FeatureTower.from_data`, of the towers that take columns.
            columns: Likewise.
            leave_out: Likewise.
            encoders: Likewise.
            interactions: Likewise.
            queries: Likewise.
            query_id: Likewise.
            candidate_id: Likewise.
            **options: Further arguments of the mixture.
        """
        of_columns = {"side": side, "columns": columns, "leave_out": leave_out, "encoders": encoders}
        of_columns |= {"interactions": interactions, "queries": queries}
        of_columns |= {"query_id": query_id, "candidate_id": candidate_id}
        made = []
        for place, each in enumerate(towers):
            own = {"tower": each} if isinstance(each, str) else dict(each)
            tower = TOWERS.get(own.pop("tower"))
            shared: dict[str, Any] = {"seed": None if seed is None else seed + place}
            arguments = {**shared, **(of_columns if tower.takes_columns else {}), **own}
            made.append(tower.from_data(frame, feature=feature, embedding_dim=embedding_dim, **arguments))
        return cls(made, embedding_dim, **options)

    @property
    def proposals(self) -> Proposals | None:
        """What `from_data` of its towers found of the frame's columns; `None` where none of them looked."""
        by_column: dict[str, Proposal] = {}
        for tower in self.towers:
            by_column = {**(getattr(tower, "proposals", None) or {}), **by_column}
        return Proposals(by_column.values()) if by_column else None

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None and all(tower.deterministic for tower in self.towers)

    def read(self, name: str, column: Any, owner: str) -> Any:
        return self._readers(name)[0].read(name, column, owner)

    def form(self, name: str) -> tf.TensorSpec | None:
        return self._readers(name)[0].form(name)

    def missing_value(self, name: str) -> Any:
        values = [tower.missing_value(name) for tower in self._readers(name)]
        return None if any(value is None for value in values) else values[0]

    @property
    def prepares(self) -> bool:
        return self.activity_regularizer is None and any(tower.prepares for tower in self.towers)

    def prepare(self, columns: dict[str, Any]) -> dict[str, Any]:
        columns, prepared = self._completed(columns), {}
        for place, tower in enumerate(self.towers):
            own = {name: columns[name] for name in tower.features}
            for name, column in (tower.prepare(own) if tower.prepares else own).items():
                prepared[f"{place}{_SEPARATOR}{name}"] = column
        return prepared

    def encode(self, prepared: dict[str, Any], training: bool | None = None) -> Any:
        embeddings = []
        for place, tower in enumerate(self.towers):
            start = f"{place}{_SEPARATOR}"
            own = {name.removeprefix(start): each for name, each in prepared.items() if name.startswith(start)}
            encoded = tower.encode(own, training) if tower.prepares else tower(own, training=training)
            embeddings.append(tf.cast(encoded, self.compute_dtype))
        shares = tf.nn.softmax(self.gates(tf.concat(embeddings, axis=1)), axis=1)
        mixed = tf.add_n([shares[:, place, tf.newaxis] * each for place, each in enumerate(embeddings)])
        return unit_length(mixed) if self.normalize else mixed

    def knowledge(self, columns: Any) -> Any:
        columns = self._completed(self._by_name(columns))
        # A tower that cannot tell says that everything is known; it is asked only where none can.
        telling = [tower for tower in self.towers if tower.knowledge_levels]
        known = [tower.knowledge({name: columns[name] for name in tower.features}) for tower in telling or self.towers]
        return tf.reduce_max(tf.stack(known), axis=0)

    @property
    def knowledge_levels(self) -> tuple[int, ...]:
        return tuple(sorted({level for tower in self.towers for level in tower.knowledge_levels}))

    def known_features(self, columns: Any) -> dict[str, Any]:
        columns = self._completed(self._by_name(columns))
        known: dict[str, Any] = {}
        for tower in self.towers:
            for name, each in tower.known_features({name: columns[name] for name in tower.features}).items():
                known[name] = each | known[name] if name in known else each
        return known

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(self._by_name(inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.encode(self.prepare(inputs), training)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        first = next(iter(inputs.values()))
        return keras.KerasTensor((first.shape[0], self.embedding_dim), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "towers": list(self.towers), "normalize": self.normalize}

    def _readers(self, name: str) -> list[Tower]:
        """Returns the towers that read a column, those that know its form first."""
        require_column(self.features, name, "MixtureTower")
        return sorted((each for each in self.towers if name in each.features), key=lambda each: each.form(name) is None)

    def _by_name(self, inputs: Any) -> dict[str, Any]:
        if not has_named_columns(inputs):
            if len(self.features) > 1:
                problem = f"inputs must be a dict of the columns {describe_ids(self.features, 40)}"
                raise ArgumentError(explain("MixtureTower", problem, inputs=inputs, fix="Pass them by name"))
            inputs = {self.features[0]: inputs}
        given = [name for name in self.features if name in set(inputs.keys())]
        for name in self.features:
            if not given or (name not in given and self.missing_value(name) is None):
                require_column(inputs.keys(), name, "MixtureTower")
        is_tensor = {name: isinstance(inputs[name], keras.KerasTensor) or tf.is_tensor(inputs[name]) for name in given}
        return {
            name: inputs[name] if is_tensor[name] else self.read(name, inputs[name], "MixtureTower") for name in given
        }

    def _completed(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Returns columns and, for those that are not given, ones in which every value is missing."""
        absent = [name for name in self.features if name not in columns]
        forms: dict[str, Any] = {name: (self.form(name), self.missing_value(name)) for name in absent}
        return completed_columns(columns, forms)

    def _check(self) -> None:
        dims = [tower.embedding_dim for tower in self.towers]
        if set(dims) != {self.embedding_dim}:
            problem, fix = "all towers must have the mixture's embedding_dim", "Give them one embedding_dim"
            raise ArgumentError(
                explain("MixtureTower", problem, embedding_dim=self.embedding_dim, towers=dims, fix=fix)
            )
        for name in self.features:
            forms = [tower.form(name) for tower in self._readers(name)]
            known = {form.dtype.name for form in forms if form is not None}
            if len(known) > 1:
                problem = f"column {name!r} is read in different forms: {' and '.join(sorted(known))}"
                raise ArgumentError(
                    explain("MixtureTower", problem, fix="Let the towers read it by one type of encoder")
                )


def _resolve(towers: Any) -> list[Tower]:
    if isinstance(towers, (str, Mapping)) or not isinstance(towers, Sequence):
        fix = 'Pass for example [IdTower(...), {"tower": "feature", ...}]'
        raise ArgumentTypeError(explain("MixtureTower", "`towers` must be a list of towers", towers=towers, fix=fix))
    if len(towers) < 2:
        problem, fix = "`towers` must have two towers or more", "Use the tower itself"
        raise ArgumentError(explain("MixtureTower", problem, towers=towers, fix=fix))
    resolved = [resolve_tower(tower, f"towers[{place}]", None, "MixtureTower") for place, tower in enumerate(towers)]
    for tower in resolved:
        if not tower.features:
            problem, fix = "every tower must name the columns that it reads", 'Create it with feature="..."'
            raise ArgumentError(explain("MixtureTower", problem, tower=tower, fix=fix))
    return resolved
