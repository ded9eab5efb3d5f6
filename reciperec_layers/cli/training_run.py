"""Training a model and comparing it with the baselines, for the commands `train`, `evaluate` and `demo`."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reciperec_layers.cli.checkpoints import KeepCheckpoint, checkpoint_path, describe_run, load_checkpoint
from reciperec_layers.cli.inputs import in_corpus
from reciperec_layers.cli.progress import TrainingProgress
from reciperec_layers.cli.tables import KS, accuracy_key, shown
from reciperec_layers.cli.tower_columns import time_of_prior, towers_of
from reciperec_layers.cli.training_data import Split
from reciperec_layers.cli.training_options import CORPUS, IN_BATCH, TrainingOptions
from reciperec_layers.evaluation.rankings import MODEL, RECENT_POPULARITY, Rankings
from reciperec_layers.losses import InBatchSoftmax, RetrievalLoss
from reciperec_layers.metrics import MISS
from reciperec_layers.models import RetrievalModel
from reciperec_layers.models.training_choice import TrainingChoice
from reciperec_layers.saving.atomic_files import check_writable
from reciperec_layers.training.callbacks import CosineRate
from reciperec_layers.training.compile_arguments import TEMPERATURE_IN_BATCH

VERDICT_K = 10


@dataclass(frozen=True)
class Accuracies:
    """Top-k accuracies of a model and of its baselines on the same rows.

    Args:
        model: Top-k accuracies by key.
        baselines: The same by the name of the baseline; none if the training rows are not known.
        outcomes: By baseline, from `Rankings.outcomes(10)`.
        half_life_days: Half-life of recent popularity, or `None` where that is not known or counts all rows alike.
        num_unknown: Number of test rows whose candidate is outside the corpus; they are misses.
        num_seen: Number of test rows whose candidate was already seen; they are misses.

    Example:
        >>> key = accuracy_key(10)
        >>> baselines = {"popularity": {key: 0.57}, "recent popularity": {key: 0.74}}
        >>> outcomes = {"popularity": 1, "recent popularity": 0}
        >>> Accuracies({key: 0.7401}, baselines, outcomes, half_life_days=90).verdict()
        'At top-10 the model beats popularity (.5700) and is level with recent popularity (.7400, rows count half every
         90 days): .7401.'
    """

    model: dict[str, float]
    baselines: dict[str, dict[str, float]]
    outcomes: dict[str, int]
    half_life_days: float | None = None
    num_unknown: int = 0
    num_seen: int = 0

    def verdict(self, name: str = "the model") -> str:
        """Returns a sentence that says which baselines the model beats at top-10, which it is level with or behind.

        Level is what differs by no more than chance.

        Args:
            name: What to call the model.
        """
        key = accuracy_key(VERDICT_K)
        verbs = {1: "beats", 0: "is level with", -1: "is behind"}
        found: dict[str, list[str]] = {verb: [] for verb in verbs.values()}
        for baseline, values in self.baselines.items():
            note = f", {self._half_life()}" if baseline == RECENT_POPULARITY else ""
            found[verbs[self.outcomes[baseline]]].append(f"{baseline} ({shown(values[key])}{note})")
        said = " and ".join(f"{verb} {' and '.join(names)}" for verb, names in found.items() if names)
        return f"At top-{VERDICT_K} {name} {said}: {shown(self.model[key])}."

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
) -> tuple[RetrievalModel, TrainingChoice]:
    """Trains a model and saves it, and returns it with what was chosen for it.

    During training a checkpoint beside it holds the last finished epoch. If training stops early, by an error or
    Ctrl-C, the checkpoint stays, and a note on the exception names it.

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
    tables = {} if split.queries is None else {"queries": split.queries}
    run = describe_run(asdict(options), training_rows=split.train, candidates=split.candidates, **tables)
    if resume:
        model, kept = load_checkpoint(out, run)
        if split.queries is not None and not options.keep_queries:
            model.set_queries(split.queries)
        first_epoch, resumed, choice = kept.num_epochs, kept.path, kept.choice
    else:
        keras.utils.set_random_seed(options.seed)
        model, first_epoch, resumed = make_model(split, options), 0, None
        model.candidate_index()  # raises before training if the index cannot be built
        choice = choose(model, split, options)
    checkpoint = KeepCheckpoint(out, run, choice, overwrite, resumed)
    progress = TrainingProgress(first_epoch)
    try:
        fit(model, split, options, choice, [checkpoint, progress], first_epoch)
        model.save(out, overwrite=overwrite)
    except BaseException as error:
        kept_in = f"The last finished epoch is kept in {checkpoint.path}."
        error.add_note("No epoch was finished, so nothing was kept." if checkpoint.path is None else kept_in)
        raise
    finally:
        progress.stop()
    checkpoint.remove()
    return model, choice


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
    return Accuracies(
        model=by_name.pop(MODEL),
        baselines=by_name,
        outcomes=rankings.outcomes(VERDICT_K),
        half_life_days=rankings.half_life,
        num_unknown=int(np.count_nonzero(~is_known)),
        num_seen=0 if rankings.exclude is None else int(np.count_nonzero(was_seen)),
    )


def difference_records(rankings: Rankings, ranks: np.ndarray | None = None) -> dict[str, dict[str, float | str]]:
    """Returns by baseline how much better or worse a model is in recall at 10, for JSON.

    Args:
        rankings: Rankings of the test rows.
        ranks: As for `Rankings.outcomes`.
    """
    return {
        name: {**asdict(found), "difference": found.difference}
        for name, found in rankings.differences(ranks=ranks).items()
    }


def make_model(split: Split, options: TrainingOptions) -> RetrievalModel:
    """Returns a model that is ready to be trained.

    Args:
        split: The training rows, the corpus, and the table of queries.
        options: How to make it.

    Raises:
        ColumnError: A column that is named does not exist.
        ArgumentError: An option does not fit.
    """
    query_tower, candidate_tower = towers_of(split, options)
    model = RetrievalModel.from_data(
        split.train,
        split.candidates,
        query_tower=query_tower,
        candidate_tower=candidate_tower,
        embedding_dim=options.embedding_dim,
        queries=split.queries,
        keep_queries=options.keep_queries,
        prior=options.prior,
        time=time_of_prior(split, options),
        query_id=split.query,
        candidate_id=split.candidate,
        keep_columns=split.names,
        index=options.index,
        seed=options.seed,
    )
    model.compile(loss=_loss_of(model, split, options))
    if options.learning_rate is not None:
        model.optimizer.learning_rate = options.learning_rate
    return model


def choose(model: RetrievalModel, split: Split, options: TrainingOptions) -> TrainingChoice:
    """Returns what the options leave open, chosen on rows that are held out of training.

    Args:
        model: From `make_model`.
        split: The training rows.
        options: What is given.
    """
    if options.epochs is not None and (options.temperature is not None or options.loss == IN_BATCH):
        return TrainingChoice(None, options.epochs, options.epochs)
    progress = TrainingProgress(prefix="choosing: ")
    try:
        return model.choose_training(
            split.train,
            epochs=options.epochs,
            batch_size=options.batch_size,
            verbose=partial(print, file=sys.stderr),
            callbacks=[progress],
        )
    finally:
        progress.stop()


def fit(
    model: RetrievalModel,
    split: Split,
    options: TrainingOptions,
    choice: TrainingChoice,
    callbacks: list[Any],
    first_epoch: int = 0,
) -> None:
    """Trains a model on the training rows, from an epoch on.

    Args:
        model: The model.
        split: The training rows.
        options: Size of batches and seed of their order.
        choice: Number of epochs.
        callbacks: Keras callbacks.
        first_epoch: How many epochs it has been trained before.
    """
    if first_epoch:  # the file of a model does not say over how many epochs its rate falls
        callbacks = [CosineRate(choice.schedule_epochs), *callbacks]
    model.fit(
        split.train,
        batch_size=options.batch_size,
        initial_epoch=first_epoch,
        epochs=choice.epochs,
        verbose=0,
        callbacks=callbacks,
    )


def _loss_of(model: RetrievalModel, split: Split, options: TrainingOptions) -> RetrievalLoss | None:
    """Returns the loss that is asked for, or `None` for the default."""
    temperature = options.temperature
    if options.loss in (None, CORPUS):
        if temperature is None:
            return None
        model.compile()
        loss = model.in_batch_loss
        return type(loss).from_config({**loss.get_config(), "temperature": temperature})
    corrects = options.sampling_correction is not False
    return InBatchSoftmax(
        temperature=TEMPERATURE_IN_BATCH if temperature is None else temperature,
        sampling_correction="counts" if corrects else None,
        candidate_counts=split.train[split.candidate] if corrects else None,
        remove_accidental_hits=True,
    )
