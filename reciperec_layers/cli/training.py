"""Training a model and comparing it with popularity: what `train` and `demo` share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from reciperec_layers.cli.inputs import in_corpus, model_columns
from reciperec_layers.cli.progress import TrainingProgress
from reciperec_layers.cli.tables import KS, accuracy_key
from reciperec_layers.data import batches
from reciperec_layers.evaluation.rankings import Rankings
from reciperec_layers.losses import InBatchSoftmax
from reciperec_layers.metrics import MISS
from reciperec_layers.models import RetrievalModel
from reciperec_layers.optimizers import Adagrad
from reciperec_layers.saving.whole_files import check_writable
from reciperec_layers.towers import TOWERS, SingleIdTower


@dataclass(frozen=True)
class TrainingOptions:
    """How a model is made and trained. The fields are the options of `reciperec train`.

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
    """Training and test rows, the corpus, and the names of columns.

    Args:
        train: Training interactions, whose candidates are in the corpus.
        test: Held-out interactions.
        candidates: The corpus.
        query: Column of queries.
        candidate: Column of candidates, in all three frames.
        names: Columns of the corpus to keep in the model, to show.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    candidates: pd.DataFrame
    query: str
    candidate: str
    names: tuple[str, ...] = ()

    @property
    def unknown_query_share(self) -> float:
        """Share of test rows whose query is not in training, in [0, 1]."""
        return float(np.mean(~self.test[self.query].isin(self.train[self.query].unique())))


@dataclass(frozen=True)
class Comparison:
    """Accuracies of a model and of recommending what is popular, on the same rows.

    Args:
        model: Top-k accuracies by key.
        popularity: The same of popularity, or `None` where training rows are not known.
        num_unknown: Test rows whose candidate is outside of the corpus, which are misses.
        num_seen: Test rows whose candidate was seen, which are misses.
    """

    model: dict[str, float]
    popularity: dict[str, float] | None
    num_unknown: int = 0
    num_seen: int = 0

    def verdict(self, k: int = 10) -> str:
        """Returns whether the model beats popularity at top-k, in words."""
        assert self.popularity is not None
        model, popularity = (values[accuracy_key(k)] for values in (self.model, self.popularity))
        word = "beats" if model > popularity else "does not beat"
        return f"At top-{k} the model {word} recommending what is popular: {model:.4f} against {popularity:.4f}."

    def by_name(self) -> dict[str, dict[str, float]]:
        """Returns the accuracies by name, for a table or JSON."""
        return {"model": self.model} | ({} if self.popularity is None else {"popularity": self.popularity})


def checkpoint_path(out: Path) -> Path:
    """Returns where training keeps the model of the last epoch, beside the output.

    Example:
        >>> checkpoint_path(Path("recipes.keras")).name
        'recipes.checkpoint.keras'
    """
    return out.with_suffix(f".checkpoint{out.suffix}")


def check_output(out: Path, overwrite: bool) -> None:
    """Raises what would prevent `train_model` from writing the model or its checkpoint.

    Raises:
        OutputError, OutputExistsError: One of the two cannot be written.
    """
    for path in (out, checkpoint_path(out)):
        check_writable(path, overwrite)


def train_model(split: Split, options: TrainingOptions, out: Path, overwrite: bool = False) -> RetrievalModel:
    """Trains a model and saves it; a checkpoint beside it holds the last finished epoch meanwhile.

    Where training stops early, by an error or Ctrl-C, the checkpoint stays and the exception has a note of it.

    Args:
        split: Training rows and corpus.
        options: How.
        out: File of the model.
        overwrite: Whether the file may be replaced. `check_output` tells before training whether it can be written.

    Raises:
        OutputError, OutputExistsError: The file cannot be written.
        MissingExtraError: What the index needs is not installed.
        DivergedError: The loss is not finite.
    """
    checkpoint = checkpoint_path(out)
    keras.utils.set_random_seed(options.seed)
    model = _make_model(split, options)
    model.candidate_index()  # an index that cannot be built is said before training, not when it recommends
    rows = batches(model_columns(split.train, model), options.batch_size, seed=options.seed)
    checkpoint.unlink(missing_ok=True)
    progress = TrainingProgress()
    try:
        model.fit(
            rows, epochs=options.epochs, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(checkpoint), progress]
        )
        model.save(out, overwrite=overwrite)
    except BaseException as error:
        stays = f"The last finished epoch stays in {checkpoint}."
        error.add_note(stays if checkpoint.exists() else "No epoch was finished, so there is no checkpoint.")
        raise
    finally:
        progress.stop()
    checkpoint.unlink(missing_ok=True)
    return model


def compare(rankings: Rankings) -> Comparison:
    """Returns the accuracies of a model on test rows, and of popularity beside it when the training rows are known.

    Args:
        rankings: Ranks of both.
    """
    accuracies = {
        name: {accuracy_key(k): float(np.mean(ranks <= k)) for k in KS} for name, ranks in rankings.ranks.items()
    }
    is_known = in_corpus(rankings.test, rankings.candidate, rankings.corpus.vocabulary)
    was_seen = is_known & (rankings.ranks["model"] == MISS)
    return Comparison(
        model=accuracies["model"],
        popularity=accuracies.get("popularity"),
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
    """Returns the options that the query tower has; towers of other packages need not know `id_dropout`."""
    has_id = issubclass(TOWERS.get(options.query_tower), SingleIdTower)
    return {"id_dropout": options.id_dropout} if has_id else {}
