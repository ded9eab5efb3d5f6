"""The plots that `reciperec evaluate --plots` writes."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reciperec_layers.saving.atomic_files import check_writable, write_beside
from reciperec_layers.saving.output_paths import make_folder

if TYPE_CHECKING:
    from reciperec_layers.evaluation.rankings import Rankings
    from reciperec_layers.models import Corpus

_OWNER = "evaluate --plots"
_FILES = ("recall_over_k.png", "recommendation_spread.png", "embedding_map.png")
_MAX_K = 100
_NUM_RECOMMENDED = 10
_DOTS_PER_INCH = 150


def prepare_plot_folder(folder: Path) -> None:
    """Creates the folder, and checks that `write_plots` can write into it.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: The folder cannot be created or written to.
    """
    from reciperec_layers.plots.style import require_matplotlib

    require_matplotlib(_OWNER)
    make_folder(folder, _OWNER)
    for name in _FILES:
        check_writable(folder / name, overwrite=True)


def write_plots(folder: Path, rankings: Rankings) -> list[Path]:
    """Writes plots of a model, with popularity beside it if the training rows are known, and returns their paths.

    Args:
        folder: Folder that `prepare_plot_folder` has prepared.
        rankings: Rankings by the model and by popularity.

    Raises:
        OutputError: A file cannot be written.
    """
    from reciperec_layers.plots import embedding_map, recall_over_k, recommendation_spread

    model, corpus = rankings.model, rankings.corpus
    k = min(_NUM_RECOMMENDED, len(corpus))
    recommended = {name: ids for name, (_, ids) in rankings.recommended(k).items()}
    figures = (
        recall_over_k(rankings.ranks, min(_MAX_K, len(corpus))),
        recommendation_spread(recommended, len(corpus), title=f"{k} recommendations for each query"),
        embedding_map(model.candidate_embeddings(), _names(corpus)),
    )
    paths = [folder / name for name in _FILES]
    for path, figure in zip(paths, figures, strict=True):
        write_beside(path, partial(_save, figure))
    return paths


def _save(figure: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name contains characters that the font lacks
        figure.savefig(path, dpi=_DOTS_PER_INCH)


def _names(corpus: Corpus) -> Any:
    """Returns the corpus column of human-readable names, or `None`."""
    for name in corpus.names[1:]:
        is_name_column = any(word in name.lower() for word in ("name", "title"))
        if is_name_column and corpus.columns[name].ndim == 1:
            return corpus.columns[name]
    return None
