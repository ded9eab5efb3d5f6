"""Training a model and comparing it with the baselines, for the commands `train`, `evaluate` and `demo`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from reciperec_layers.cli.checkpoints import KeepCheckpoint, checkpoint_path, describe_run, load_checkpoint
from reciperec_layers.cli.inputs import in_corpus
from reciperec_layers.cli.progress import TrainingProgress
from reciperec_layers.cli.tables import KS, accuracy_key, shown
from reciperec_layers.data import batches
from reciperec_layers.evaluation.rankings import MODEL, RECENT_POPULARITY, Rankings
from reciperec_layers.losses import InBatchSoftmax
from reciperec_layers.metrics import MISS
from reciperec_layers.models import RetrievalModel
from reciperec_layers.optimizers import Adagrad
from reciperec_layers.saving.atomic_files import check_writable
from reciperec_layers.towers import TOWERS, SingleIdTower


@dataclass(frozen=True)
class TrainingOptions:
    """How to build and train a model. The fields are the options of `reciperec train`.

    Example:
        >>> TrainingOptions(epochs=5).batch_size
        256
    """

    query_tower: str = "id"
    candidate_tower: str = "id"
    index: str = "brute_force"
    embedding_dim: int = 32
    epochs: int = 3
    batch_size: int = 256
    learning_rate: float = 0.1
    temperature: float = 1.0
    sampling_correction: bool = True
    id_dropout: float = 0.1
    seed: int = 42


@dataclass(frozen=True)
class Split:
    """Training and test rows, the corpus, and the names of their columns.

    Args:
        train: Training interactions, whose candidates are in the corpus.
        test: Held-out interactions.
        candidates: The corpus.
        query: Column of query ids.
        candidate: Column of candidate ids, in all three frames.
        names: Corpus columns to keep in the model and to show with recommendations.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    candidates: pd.DataFrame
    query: str
    candidate: str
    names: tuple[str, ...] = ()

    @property
    def unknown_query_share(self) -> float:
        """Share of test rows whose query does not occur in training, in [0, 1]."""
        return float(np.mean(~self.test[self.query].isin(self.train[self.query].unique())))


@dataclass(frozen=True)
class Accuracies:
    """Top-k accuracies of a model and of its baselines on the same rows.

    Args:
        model: Top-k accuracies by key.
        baselines: The same by the name of the baseline; none if the training rows are not known.
        half_life_days: Half-life of recent popularity, or `None` where that is not known or counts all rows alike.
        num_unknown: Number of test rows whose candidate is outside the corpus; they are misses.
        num_seen: Number of test rows whose candidate was already seen; they are misses.

    Example:
        >>> key = accuracy_key(10)
        >>> baselines = {"popularity": {key: 0.57}, "recent popularity": {key: 0.74}}
        >>> Accuracies({key: 0.6}, baselines, half_life_days=90).verdict()
        'At top-10 the model beats popularity (.5700) and does not beat recent popularity (.7400, rows count half every
         90 days): .6000.'
    """

    model: dict[str, float]
    baselines: dict[str, dict[str, float]]
    half_life_days: float | None = None
    num_unknown: int = 0
    num_seen: int = 0

    def verdict(self, k: int = 10) -> str:
        """Returns a sentence that says which baselines the model beats at top-k, and which not."""
        key = accuracy_key(k)
        beaten: list[str] = []
        others: list[str] = []
        for name, values in self.baselines.items():
            note = f", {self._half_life()}" if name == RECENT_POPULARITY else ""
            (beaten if self.model[key] > values[key] else others).append(f"{name} ({shown(values[key])}{note})")
        if len(others) > 1:
            found = f"beats neither {' nor '.join(others)}"
        else:
            verbs = (("beats", beaten), ("does not beat", others))
            found = " and ".join(f"{verb} {' and '.join(names)}" for verb, names in verbs if names)
        return f"At top-{k} the model {found}: {shown(self.model[key])}."

    def by_name(self) -> dict[str, dict[str, float]]:
        """Returns the accuracies by name, for a table or JSON."""
        return {MODEL: self.model} | self.baselines

    def _half_life(self) -> str:
        days = self.half_life_days
        if days is None:
            return "all rows count alike"
        return "rows count half every day" if days == 1 else f"rows count half every {days:,g} days"


def check_output(out: Path, overwrite: bool, resume: bool = False) -> None:
    """Checks that `train_model` can write the model and its checkpoint.

    Args:
        out: File of the model.
        overwrite: Whether both may be replaced.
        resume: Whether the checkpoint may be, since training goes on from it.

    Raises:
        OutputError, OutputExistsError: One of the two files cannot be written.
    """
    check_writable(out, overwrite)
    check_writable(checkpoint_path(out), overwrite or resume)


def train_model(
    split: Split, options: TrainingOptions, out: Path, overwrite: bool = False, resume: bool = False
) -> RetrievalModel:
    """Trains a model and saves it. During training a checkpoint beside it holds the last finished epoch.

    If training stops early, by an error or Ctrl-C, the checkpoint stays, and a note on the exception names it.

    Args:
        split: The training rows and the corpus.
        options: How to build and train the model.
        out: File to save the model to.
        overwrite: Whether the file may be replaced. Call `check_output` first to learn early if it cannot be written.
        resume: Whether to go on from the checkpoint, to the model of a run that was not interrupted.

    Raises:
        OutputError, OutputExistsError: The file cannot be written.
        ArgumentError: There is no checkpoint to resume, or it is of other options or data.
        MissingExtraError: The index needs a library that is not installed.
        DivergedError: The loss is not finite.
    """
    # More epochs are the same run for longer: the order of an epoch does not depend on how many there are.
    lasting = {name: value for name, value in asdict(options).items() if name != "epochs"}
    run = describe_run(lasting, training_rows=split.train, candidates=split.candidates)
    if resume:
        model, first_epoch, resumed = load_checkpoint(out, run, options.epochs)
    else:
        keras.utils.set_random_seed(options.seed)
        model, first_epoch, resumed = _make_model(split, options), 0, None
        model.candidate_index()  # raises before training if the index cannot be built
    checkpoint = KeepCheckpoint(out, run, overwrite, resumed)
    columns = list(dict.fromkeys((*model.query_columns, split.candidate)))  # the model takes the others from its corpus
    rows = batches(split.train, options.batch_size, columns=columns, seed=options.seed)
    progress = TrainingProgress(first_epoch)
    try:
        if first_epoch < options.epochs:
            callbacks = [checkpoint, progress]
            model.fit(rows, initial_epoch=first_epoch, epochs=options.epochs, verbose=0, callbacks=callbacks)
        model.save(out, overwrite=overwrite)
    except BaseException as error:
        kept = f"The last finished epoch is kept in {checkpoint.path}."
        error.add_note("No epoch was finished, so nothing was kept." if checkpoint.path is None else kept)
        raise
    finally:
        progress.stop()
    checkpoint.remove()
    return model


def accuracies_of(rankings: Rankings) -> Accuracies:
    """Returns the accuracies of a model, and of the baselines if the training rows are known.

    Args:
        rankings: Rankings of the test rows by all of them.
    """
    by_name = {
        name: {accuracy_key(k): float(np.mean(ranks <= k)) for k in KS} for name, ranks in rankings.ranks.items()
    }
    is_known = in_corpus(rankings.test, rankings.candidate, rankings.corpus.vocabulary)
    was_seen = is_known & (rankings.ranks[MODEL] == MISS)
    recent = rankings.baselines.get(RECENT_POPULARITY)
    return Accuracies(
        model=by_name.pop(MODEL),
        baselines=by_name,
        half_life_days=None if recent is None else recent.half_life,
        num_unknown=int(np.count_nonzero(~is_known)),
        num_seen=0 if rankings.exclude is None else int(np.count_nonzero(was_seen)),
    )


def _make_model(split: Split, options: TrainingOptions) -> RetrievalModel:
    model = RetrievalModel.from_data(
        split.train,
        split.candidates,
        query_tower=options.query_tower,
        candidate_tower=options.candidate_tower,
        embedding_dim=options.embedding_dim,
        query_id=split.query,
        candidate_id=split.candidate,
        keep_columns=split.names,
        index=options.index,
        query_options=_query_options(options),
        seed=options.seed,
    )
    loss = InBatchSoftmax(
        temperature=options.temperature,
        sampling_correction="counts" if options.sampling_correction else None,
        candidate_counts=split.train[split.candidate] if options.sampling_correction else None,
        remove_accidental_hits=True,
    )
    model.compile(optimizer=Adagrad(options.learning_rate), loss=loss)
    return model


def _query_options(options: TrainingOptions) -> dict[str, Any]:
    """Returns `id_dropout` for towers that support it; those of other packages need not."""
    has_id = issubclass(TOWERS.get(options.query_tower), SingleIdTower)
    return {"id_dropout": options.id_dropout} if has_id else {}
