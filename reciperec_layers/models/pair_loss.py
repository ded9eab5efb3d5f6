"""PairLoss: what a model encodes of a batch of pairs, and what its loss compares them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.candidates.pair_encoder import PairEncoder
from reciperec_layers.columns.names import require_column
from reciperec_layers.corpus import Corpus
from reciperec_layers.graph.distinct_ids import encode_distinct
from reciperec_layers.negatives.batch_negatives import BatchNegatives
from reciperec_layers.negatives.corpus_negatives import CorpusNegatives
from reciperec_layers.negatives.negatives import Negatives
from reciperec_layers.towers import Tower
from reciperec_layers.training.batch import Batch
from reciperec_layers.training.compile_arguments import NUM_SAMPLED, is_large
from reciperec_layers.training.seeded_order import MOST_IDS

# Encoding and updating a large corpus costs half of a step of 128 queries, whatever their number.
_MOST_OF_LARGE_CORPUS = 256


class PairLoss:
    """Computes the loss of the pairs of a batch, each query once where that is exact, against the loss's negatives.

    Args:
        pairs: Reads the columns.
        query_tower: The tower of queries.
        encode_queries: From columns, and whether this is training, to the embeddings of queries.
        encode_candidates: The same for candidates.
        candidate_id: Column of the candidate ids, or `None`.
        owner: Name of the model's class, for messages.
    """

    def __init__(
        self,
        pairs: PairEncoder,
        query_tower: Tower,
        encode_queries: Callable[[Any, bool], Any],
        encode_candidates: Callable[[Any, bool], Any],
        candidate_id: str | None,
        owner: str,
    ) -> None:
        self._pairs, self._query_tower, self._candidate_id, self._owner = pairs, query_tower, candidate_id, owner
        self._encode_queries, self._encode_candidates = encode_queries, encode_candidates
        self._loss: Any = None
        self._negatives: Negatives = BatchNegatives(candidate_id)
        # Whether a step takes more than 10,000 candidates whole, other than in `sampled`.
        self.takes_large_corpus = False

    @property
    def takes_corpus(self) -> bool:
        """Whether the loss compares with the corpus, or a sample of it."""
        return isinstance(self._negatives, CorpusNegatives)

    @property
    def most_queries(self) -> int:
        """How many queries a batch has at most where its size is not given."""
        return _MOST_OF_LARGE_CORPUS if self.takes_large_corpus else MOST_IDS

    def set(self, loss: Any, corpus: Corpus | None) -> None:
        """Takes another loss, or another corpus. What was traced with the others is to be traced again.

        Args:
            loss: As `RetrievalModel.compile` takes it, or `None`.
            corpus: The candidates, or `None`.
        """
        self._loss, self.takes_large_corpus = loss, False
        if corpus is not None and getattr(loss, "scores_corpus", False):
            num_sampled = getattr(loss, "num_sampled", None)
            self._negatives = CorpusNegatives(corpus, self._owner, num_sampled, getattr(loss, "next_seed", None))
            self.takes_large_corpus = num_sampled is None and is_large(len(corpus))
        else:
            self._negatives = BatchNegatives(self._candidate_id)

    @contextmanager
    def sampled(self, corpus: Corpus, seed: int | None) -> Iterator[None]:
        """Compares with a sample of the corpus for a while, in place of all of it.

        Args:
            corpus: The candidates.
            seed: Seed of the draws.
        """
        negatives, next_seed = self._negatives, keras.random.SeedGenerator(seed).next
        self._negatives = CorpusNegatives(corpus, self._owner, NUM_SAMPLED, next_seed)
        try:
            yield
        finally:
            self._negatives = negatives

    def column_of_queries(self, features: dict[str, Any]) -> str | None:
        """Returns the column whose values tell queries apart where the loss takes each of them once, or `None`.

        Args:
            features: Columns of a batch.
        """
        is_once = getattr(self._loss, "takes_distinct_queries", False)
        return self._pairs.repeated_query_column(features) if is_once else None

    def queries(self, features: dict[str, Any], training: bool) -> tuple[Any, tf.Tensor | None]:
        """Returns query embeddings, and which row of them each row of a batch has where they are given once each.

        Args:
            features: Columns of the batch.
            training: Whether this is a training step.
        """
        name = self.column_of_queries(features)
        if name is None:
            return self._repeated_queries(features, training), None
        distinct, query_rows = self._pairs.distinct_queries(features, name)
        return self._encode_queries(distinct, training), query_rows

    def of(
        self,
        queries: Any,
        features: dict[str, Any],
        sample_weight: Any,
        training: bool,
        query_rows: tf.Tensor | None = None,
    ) -> Any:
        """Returns the loss of all pairs of a batch, a scalar.

        Args:
            queries: From `queries`.
            features: Columns of the batch.
            sample_weight: Shape `(batch,)`, or `None`.
            training: Whether this is a training step.
            query_rows: From `queries`.
        """
        loss, pairs = self._loss, self._pairs
        drawn = self._negatives.draw(
            features,
            None if self._candidate_id is None else features[self._candidate_id],
            lambda columns: self._encode_candidates(columns, training),
            distinct=getattr(loss, "takes_distinct_candidates", False) and pairs.depends_on_id_alone(features),
            training=training,
        )
        arguments = drawn.loss_arguments()
        if query_rows is not None:
            arguments["query_rows"] = query_rows
        if pairs.prior is not None and not getattr(loss, "corrects_sampling", False):
            # Negatives that are not corrected for occur as often as they are popular, so the prior is in them already.
            queries = pairs.prior.of_towers(queries)
            arguments["candidate_embeddings"] = pairs.prior.of_towers(arguments["candidate_embeddings"])
        return loss(queries, **arguments, sample_weight=sample_weight, training=training)

    def of_rows(self, rows: tf.Tensor, batch: Batch, training: bool) -> Any:
        """Returns the loss of some rows of a batch, a scalar.

        Args:
            rows: Integers of shape `(num_rows,)`.
            batch: With the embeddings of its queries.
            training: Whether this is a training step.
        """
        names = (*self._pairs.candidate_columns, self._candidate_id)
        features = {name: tf.gather(column, rows) for name, column in batch.features.items() if name in names}
        sample_weight = None if batch.sample_weight is None else tf.gather(batch.sample_weight, rows)
        return self.of(tf.gather(batch.query_embeddings, rows), features, sample_weight, training)

    def _repeated_queries(self, features: dict[str, Any], training: bool) -> Any:
        tower, names = self._query_tower, self._pairs.query_columns
        name = require_column(features.keys(), names[0], f"{self._owner}: query_tower") if len(names) == 1 else ""
        if (
            len(names) > 1
            or not self._pairs.queries_are_deterministic
            or tower.repeats_cost_little
            or features[name].shape.rank != 1
        ):
            return self._encode_queries(features, training)
        return encode_distinct(lambda ids: self._encode_queries({name: ids}, training), features[name])
