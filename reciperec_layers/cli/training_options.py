"""TrainingOptions: how a model is made and trained, by default, by a config file and by the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from reciperec_layers.arguments import check_integer, check_number, closest_name
from reciperec_layers.cli.config_files import read_config
from reciperec_layers.errors import ArgumentError, explain

_INTEGERS = {"epochs": 10, "batch_size": 256}
CORPUS, IN_BATCH = "corpus_softmax", "in_batch_softmax"
LOSSES = (CORPUS, IN_BATCH)
_NUMBERS = {"learning_rate": 0.01, "temperature": 0.2}


@dataclass(frozen=True)
class TrainingOptions:
    """How to make and train a model. The fields are options of `reciperec train` and keys of a config file.

    Towers are registered names, or dicts of the name under `"tower"` and options of its `from_data`.

    Args:
        query_tower: The query tower.
        candidate_tower: The candidate tower.
        index: Registered name of an index, or its config.
        embedding_dim: Size of the embeddings.
        prior: `"popularity"`, or `None` for a model that starts without it.
        time: Column of times with which the prior drifts; `"auto"` for one with a conventional name, `None` for none.
        columns: Columns that the towers read beside the ids, or `None` for all that `features.propose` accepts.
        leave_out: Columns that are not read.
        keep_queries: Whether the model's file has the table of queries.
        loss: One of `LOSSES`; `None` for that of `RetrievalModel.compile`.
        epochs: Number of passes over the training rows; `None` to choose it on rows that are held out.
        batch_size: Queries of a batch, or rows where the loss compares within the batch; `None` for that of
            `RetrievalModel.fit`.
        learning_rate: Learning rate of Adam, which falls to 0; `None` for that of `RetrievalModel.compile`.
        temperature: Divides the scores in the loss; `None` to choose it on rows that are held out.
        sampling_correction: Whether a loss that compares within the batch corrects for how often candidates occur;
            `None` for yes.
        id_dropout: Share of the ids that training takes for unknown ones, or `None` for that of the towers.
        seed: Seed of the weights and of the order of the rows.

    Raises:
        ArgumentError: A value is of a wrong type or out of its range.

    Example:
        >>> TrainingOptions(epochs=5).embedding_dim
        32
    """

    query_tower: str | dict[str, Any] = "feature"
    candidate_tower: str | dict[str, Any] = "feature"
    index: str | dict[str, Any] = "brute_force"
    embedding_dim: int = 32
    prior: str | None = "popularity"
    time: str | None = "auto"
    columns: list[str] | None = None
    leave_out: list[str] = dataclasses.field(default_factory=list)
    keep_queries: bool = False
    loss: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    temperature: float | None = None
    sampling_correction: bool | None = None
    id_dropout: float | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        check_integer("reciperec", "embedding_dim", self.embedding_dim, example=32)
        for name, example in _INTEGERS.items():
            if getattr(self, name) is not None:
                check_integer("reciperec", name, getattr(self, name), example=example)
        for name, share in _NUMBERS.items():
            if getattr(self, name) is not None:
                check_number("reciperec", name, getattr(self, name), above=0, example=share)
        if self.id_dropout is not None:
            check_number("reciperec", "id_dropout", self.id_dropout, least=0, below=1, example=0.1)
        check_integer("reciperec", "seed", self.seed, least=0, most=2**32 - 1, example=42)
        for name in ("query_tower", "candidate_tower", "index"):
            self._check(name, (str, dict), "a name, or a table of the name and options")
        self._check("keep_queries", (bool,), "true or false")
        self._check("sampling_correction", (bool, type(None)), "true or false")
        if self.loss not in (None, *LOSSES):
            self._refuse("loss", f"one of {', '.join(LOSSES)}")
        if self.sampling_correction is not None and self.loss != IN_BATCH:
            problem = "`sampling_correction` is of a loss that compares within the batch"
            raise ArgumentError(explain("reciperec", problem, loss=self.loss, fix=f"Add the loss {IN_BATCH}"))
        for name in ("prior", "time"):
            self._check(name, (str, type(None)), "a name or none")
        for name in ("columns", "leave_out"):
            self._check(name, (list, type(None)), "a list of columns")
            if not all(isinstance(each, str) for each in getattr(self, name) or ()):
                self._refuse(name, "a list of names")

    @property
    def named_time(self) -> str | None:
        """The column of times if it is named, else `None`."""
        return None if self.time == "auto" else self.time

    @classmethod
    def resolve(cls, config: Path | None, given: Mapping[str, Any]) -> Self:
        """Returns the options of a config file, except for those that are given, and defaults for the others.

        Args:
            config: A YAML file, or `None`.
            given: Options by name; `None` for one that is not given. Lists may be text with commas, and no prior and
                no time the text `"none"`.

        Raises:
            ArgumentError: The file has a key that is not an option, or a value is not one that the option takes.

        Example:
            >>> TrainingOptions.resolve(None, {"columns": "minutes, ingredients", "prior": "none", "epochs": None})
            TrainingOptions(..., prior=None, time='auto', columns=['minutes', 'ingredients'], ..., epochs=None, ...)
        """
        said = {} if config is None else read_config(config)
        owner = "config" if config is None else config.name
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [key for key in said if key not in known]
        if unknown:
            fix = f"{closest_name(str(unknown[0]), known)}The keys are {', '.join(known)}"
            raise ArgumentError(explain(owner, f"there is no option {unknown[0]!r}", fix=fix))
        given = {name: value for name, value in given.items() if value is not None}
        values = {**said, **given}
        for name in ("query_tower", "candidate_tower"):
            if isinstance(values.get(name), dict):  # what is given wins over what the file says of one tower
                values[name] = {key: value for key, value in values[name].items() if key not in given}
        for name in ("columns", "leave_out"):
            if isinstance(values.get(name), str):
                values[name] = [each.strip() for each in values[name].split(",") if each.strip()]
        for name in ("prior", "time"):
            if values.get(name) == "none":
                values[name] = None
        if values.get("leave_out", ()) is None:
            del values["leave_out"]
        try:
            return cls(**values)
        except ArgumentError as error:
            if config is not None:
                error.add_note(f"The config file is {config}.")
            raise

    def _check(self, name: str, types: tuple[type, ...], expected: str) -> None:
        if not isinstance(getattr(self, name), types):
            self._refuse(name, expected)

    def _refuse(self, name: str, expected: str) -> None:
        fix = "Leave it out for the default"
        raise ArgumentError(
            explain("reciperec", f"`{name}` must be {expected}", fix=fix, **{name: getattr(self, name)})
        )
