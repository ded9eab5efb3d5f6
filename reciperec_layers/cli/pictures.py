"""The pictures that `reciperec evaluate --plots` writes."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reciperec_layers.cli.inputs import model_columns, query_column
from reciperec_layers.errors import OutputError, explain
from reciperec_layers.files import check_writable, write_beside

if TYPE_CHECKING:
    import pandas as pd

    from reciperec_layers.models import Corpus, RetrievalModel
    from reciperec_layers.seen import Seen

_OWNER = "evaluate --plots"
_FILES = ("recall_over_k.png", "recommendation_spread.png", "embedding_map.png")
_MAX_K = 100
_NUM_RECOMMENDED = 10
_DOTS_PER_INCH = 150


def prepare_pictures(folder: Path) -> None:
    """Makes the folder, and raises what would prevent `draw_pictures` from writing into it.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: The folder cannot be made or written to.
    """
    from reciperec_layers.plots.style import require_matplotlib

    require_matplotlib(_OWNER)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be made ({error.strerror})"
        raise OutputError(explain(_OWNER, problem, plots=folder, fix="Choose another")) from error
    for name in _FILES:
        check_writable(folder / name, overwrite=True)


def draw_pictures(
    folder: Path,
    model: RetrievalModel,
    test: pd.DataFrame,
    train: pd.DataFrame | None,
    exclude: Seen | None,
    batch_size: int,
) -> list[Path]:
    """Writes the pictures of a model, beside popularity when the training rows are given, and returns their paths.

    Args:
        folder: Where they go, as `prepare_pictures` has left it.
        model: A model with candidates.
        test: Held-out interactions; a candidate outside of the corpus is a miss.
        train: Training interactions, whose counts are the popularity.
        exclude: Seen candidates, which neither of both may recommend.
        batch_size: Rows ranked at a time.

    Raises:
        OutputError: A file cannot be written.
    """
    import pandas as pd

    from reciperec_layers.data import Popularity
    from reciperec_layers.plots import embedding_map, recall_over_k, recommendation_spread

    assert model.corpus is not None
    query, candidate = query_column(model), model.corpus.id_column
    queries = test[query].drop_duplicates()
    k = min(_NUM_RECOMMENDED, len(model.corpus))
    ranks = {"model": model.held_out_ranks(model_columns(test, model), exclude, "miss", batch_size)}
    recommended = {"model": model.recommend({query: queries}, k, exclude)[1]}
    if train is not None:
        popularity = Popularity(train, candidate, pd.DataFrame({candidate: model.corpus.vocabulary.ids}))
        ranks["popularity"] = popularity.held_out_ranks(test, exclude)
        recommended["popularity"] = popularity.recommend(queries, k, exclude)[1]
    figures = (
        recall_over_k(ranks, min(_MAX_K, len(model.corpus))),
        recommendation_spread(recommended, len(model.corpus), title=f"{k} recommendations for each query"),
        embedding_map(model.candidate_embeddings(), _names(model.corpus)),
    )
    paths = [folder / name for name in _FILES]
    for path, figure in zip(paths, figures, strict=True):
        write_beside(path, partial(_save, figure))
    return paths


def _save(figure: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name has characters that the font lacks
        figure.savefig(path, dpi=_DOTS_PER_INCH)


def _names(corpus: Corpus) -> Any:
    """Returns the column of the corpus with names for people, or `None`."""
    for name in corpus.names[1:]:
        is_called_so = any(word in name.lower() for word in ("name", "title"))
        if is_called_so and corpus.columns[name].ndim == 1:
            return corpus.columns[name]
    return None
