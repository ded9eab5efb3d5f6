"""RowConfig: what a YAML file says of a model, how it is trained, and the published row that it aims at."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import reciperec_layers as rl
from reciperec_layers.cli.config_files import read_config
from reciperec_layers.errors import ArgumentError, explain

_TOWER_OPTIONS = set(inspect.signature(rl.IdTower).parameters) - {"vocabulary", "embedding_dim", "feature", "seed"}
_PRIOR_OPTIONS = {"weight", "trains_gate"}


@dataclass(frozen=True)
class RowConfig:
    """One row of the table.

    `data` names the folder. `loss` and `optimizer` have the class under `name`, of `losses` and `optimizers`, and its
    arguments; `optimizer` may have `schedule: cosine`, a decay to 0 over all `epochs`, also where training stops
    before. `prior` has arguments of `PopularityPrior`. `by: query` counts `batch_size` in queries. Quality is looked at
    every `evaluate_every` epochs.
    """

    data: str
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    epochs: int
    name: str = "reciperec_layers"
    embedding_dim: int = 64
    query_tower: dict[str, Any] = dataclasses.field(default_factory=dict)
    candidate_tower: dict[str, Any] = dataclasses.field(default_factory=dict)
    batch_size: int = 512
    by: str | None = None
    prior: dict[str, Any] | None = None
    warm_start: bool = False
    evaluate_every: int = 5
    published: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def make_loss(self) -> rl.losses.RetrievalLoss:
        return _class_of(rl.losses, self.loss)(**_arguments(self.loss))

    def make_optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        arguments = _arguments(self.optimizer)
        if arguments.pop("schedule", None) is not None:
            rate = arguments["learning_rate"]
            arguments["learning_rate"] = keras.optimizers.schedules.CosineDecay(rate, self.epochs * steps_per_epoch)
        return _class_of(rl.optimizers, self.optimizer)(**arguments)


def read_row_config(path: Path, epochs: int | None = None) -> RowConfig:
    """Reads a file; every key must be one that is known. `epochs` overrides those of the file."""
    found = read_config(path)
    fields = dataclasses.fields(RowConfig)
    required = [field.name for field in fields if _is_required(field)]
    _require_known(path.name, found, [field.name for field in fields], required)
    for side in ("query_tower", "candidate_tower"):
        _require_known(f"{path.name}: {side}", found.get(side, {}), _TOWER_OPTIONS)
    _require_known(f"{path.name}: prior", found.get("prior", {}), _PRIOR_OPTIONS)
    for part, module, more in (("loss", rl.losses, ()), ("optimizer", rl.optimizers, ("schedule",))):
        where = f"{path.name}: {part}"
        _require_known(where, found[part], found[part], ["name"])
        names = inspect.signature(_class_of(module, found[part], where)).parameters
        _require_known(where, {name: None for name in found[part] if name != "name"}, [*names, *more])
    if found["optimizer"].get("schedule", "cosine") != "cosine":
        problem, schedule = "there is no such schedule", found["optimizer"]["schedule"]
        raise ArgumentError(explain(f"{path.name}: optimizer", problem, schedule=schedule, fix="Use cosine, or none"))
    for row in found.get("published", []):
        _require_known(f"{path.name}: published", row, ["name", "recall", "ndcg"], ["name", "recall", "ndcg"])
    return RowConfig(**(found if epochs is None else {**found, "epochs": epochs}))


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _require_known(where: str, found: Any, known: Iterable[str], required: Iterable[str] = ()) -> None:
    if not isinstance(found, dict):
        raise ArgumentError(
            explain(where, "must be a table of keys and values", found=found, fix="See the other files")
        )
    unknown, missing = [name for name in found if name not in known], [name for name in required if name not in found]
    if unknown or missing:
        kind, names = ("there is no key", unknown) if unknown else ("there must be a key", missing)
        fix = f"Known keys: {', '.join(sorted(known))}"
        raise ArgumentError(explain(where, f"{kind} {', '.join(map(repr, names))}", keys=list(found), fix=fix))


def _class_of(module: Any, part: dict[str, Any], where: str = "accuracy") -> Any:
    if part["name"] not in module.__all__:
        fix = f"Use one of {', '.join(module.__all__)}"
        raise ArgumentError(explain(where, "there is no such class", name=part["name"], fix=fix))
    return getattr(module, part["name"])


def _arguments(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "name"}
