"""CorpusModel: two towers and the candidates that can be recommended, encoded and indexed anew when weights change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reciperec_layers.columns.frames import has_named_columns
from reciperec_layers.columns.names import CANDIDATE_COLUMNS, find_column
from reciperec_layers.corpus.candidate_store import CorpusIndex
from reciperec_layers.corpus.corpus import Corpus
from reciperec_layers.errors import StateError, explain
from reciperec_layers.indexes import Index
from reciperec_layers.indexes.resolve_index import OwnIndex, resolve_index
from reciperec_layers.models.two_tower_model import TwoTowerModel


class CorpusModel(TwoTowerModel):
    """Base of `RetrievalModel`, where the arguments are described: the corpus and its index.

    Example:
        >>> from reciperec_layers.models import RetrievalModel
        >>> issubclass(RetrievalModel, CorpusModel)
        True
    """

    def __init__(
        self,
        query_tower: Any,
        candidate_tower: Any,
        candidates: Any = None,
        candidate_id: str | None = None,
        *,
        query_id: str | None = None,
        keep_columns: Sequence[str] = (),
        index: Any = "brute_force",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if candidate_id is None and isinstance(candidates, Corpus):
            candidate_id = candidates.id_column
        elif candidate_id is None and has_named_columns(candidates):
            candidate_id = find_column(candidates.keys(), CANDIDATE_COLUMNS, owner="RetrievalModel: candidates")
        super().__init__(query_tower, candidate_tower, candidate_id, query_id, name, **kwargs)
        self._own_index = OwnIndex(resolve_index(index))
        self._index: CorpusIndex | None = None
        self._encoded_state: Any = None
        self._num_changes = 0
        if candidates is not None:
            self._index = self._indexed(candidates, keep_columns)

    @property
    def corpus(self) -> Corpus | None:
        """The candidates, or `None`."""
        return None if self._index is None else self._index.corpus

    # A method: Keras reads all properties when it saves, and would take the index for one of the model's layers.
    def candidate_index(self) -> Index:
        """Returns the index of the corpus, encoded and built anew where weights have changed.

        It is searched by embeddings, as the query tower makes them, `audit` compares it with others, and
        `Index.save` writes it to a file of its own. `recommend` searches it by features. Add and remove candidates by
        the model, which keeps their columns too: an index that is changed here gets the model's candidates again.

        Raises:
            StateError: The model has no candidates.
            DivergedError: The embeddings are not finite.
        """
        return self._current_index("candidate_index").searchable()

    def set_index(self, index: Any) -> None:
        """Searches the corpus with another index from now on. It is built when it is first needed.

        Args:
            index: As for the model.
        """
        self._own_index = OwnIndex(resolve_index(index))
        if self._index is not None:
            self._index.use(self._own_index.index)

    def set_candidates(self, candidates: Any, keep_columns: Iterable[str] | None = None) -> None:
        """Takes another corpus, of any size. Weights stay as they are.

        Args:
            candidates: As for the model.
            keep_columns: Further columns to keep; by default those that are kept of the present corpus.

        Raises:
            ColumnError: A column is missing.
            IdError: An id repeats or is missing.
        """
        if keep_columns is None:
            keep_columns = () if self.corpus is None else self.corpus.names
        self._index = self._indexed(candidates, keep_columns)
        self._encoded_state = None
        self._corpus_changed()

    def append_candidates(self, candidates: Any) -> None:
        """Adds candidates behind the others. Only they are encoded, and no clusters of an index are learned anew.

        Args:
            candidates: As for the model, with all columns of the corpus.

        Raises:
            StateError: The model has no candidates.
            ColumnError: A column is missing.
            IdError: An id is there already, or is missing.
        """
        index = self._require_index("append_candidates")
        added = Corpus(candidates, index.corpus.id_column, index.corpus.names)
        index.append(added, self.encode_candidates if self._is_current() else None)
        self._corpus_changed()

    def remove_candidates(self, candidate_ids: Any) -> None:
        """Takes candidates out.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.

        Raises:
            StateError: The model has no candidates.
            UnknownIdError: An id is not in the corpus.
            ArgumentError: No candidate would be left.
        """
        self._require_index("remove_candidates").remove(candidate_ids)
        self._corpus_changed()

    def encode_corpus(self) -> None:
        """Computes the embeddings of the corpus anew. `recommend` and `evaluate` do so by themselves."""
        index = self._require_index("encode_corpus")
        self._encoded_state = self._weights_state()
        index.encode(self.encode_candidates, self._encoded_state)

    def set_weights(self, weights: Any) -> None:
        """Sets the weights as Keras does; embeddings of the corpus are computed again at the next use."""
        super().set_weights(weights)
        self._num_changes += 1

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        self._num_changes += 1

    def save_assets(self, directory: str) -> None:
        if self._index is not None:
            self._index.save(directory, self._current_index, self._num_steps())

    def load_assets(self, directory: str | None) -> None:
        if self._index is not None:
            # A model that is loaded without its optimizer counts from 0.
            self._index.load(directory, lambda steps: (self._num_changes, steps if self.compiled else 0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "candidates": self.corpus, "index": self._own_index.index}

    def _corpus_changed(self) -> None:
        """Called when the corpus is another one."""

    def _indexed(self, candidates: Any, keep_columns: Iterable[str]) -> CorpusIndex:
        if not isinstance(candidates, Corpus):
            id_column = self.candidate_id or self.candidate_columns[0]
            candidates = Corpus(candidates, id_column, [*self.candidate_columns, *keep_columns])
        dim = self.candidate_tower.embedding_dim
        return CorpusIndex(candidates, dim, self.candidate_columns, self._own_index.index)

    def _require_index(self, method: str) -> CorpusIndex:
        if self._index is None:
            problem = "the model has no candidates"
            fix = "Create it with candidates=..., for example a data frame of recipes"
            raise StateError(explain(f"RetrievalModel.{method}", problem, candidates=None, fix=fix))
        return self._index

    def _current_index(self, method: str) -> CorpusIndex:
        index = self._require_index(method)
        if not self._is_current():
            self.encode_corpus()
        return index

    def _is_current(self) -> bool:
        return self._encoded_state == self._weights_state()

    def _weights_state(self) -> tuple[int, int]:
        """What changes whenever the weights do: training counts steps, setting and loading count changes."""
        return self._num_changes, self._num_steps()

    def _num_steps(self) -> int:
        return int(self.optimizer.iterations.numpy()) if self.compiled else 0
