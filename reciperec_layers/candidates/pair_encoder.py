"""PairEncoder: from columns to the embeddings of queries and of candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.candidates.column_join import ColumnJoin
from reciperec_layers.candidates.knowledge import COLD, WARM, Knowledge
from reciperec_layers.candidates.popularity_prior import PopularityPrior
from reciperec_layers.columns.missing_values import refuse_missing_ids
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column, same_letters, warn_of_misspelt
from reciperec_layers.columns.tensors import num_rows, to_tensor
from reciperec_layers.columns.time_arrays import to_time_array
from reciperec_layers.corpus import Corpus
from reciperec_layers.towers import Tower
from reciperec_layers.towers.missing_columns import completed_columns
from reciperec_layers.towers.single_id_tower import SingleIdTower, unit_length
from reciperec_layers.towers.tower_columns import columns_of, encode_columns


class PairEncoder:
    """Reads columns for two towers, adds those that are known by id, and embeds them, with the prior.

    A candidate's columns come from the corpus, unless a batch brings them and the query tower does not read a column
    of this name. A query's columns come from the batch, else from the table of queries, else they are missing, as the
    tower's encoders state.

    Args:
        query_tower: The tower of queries.
        candidate_tower: The tower of candidates.
        query_id: Column of query ids, or `None` where it is not known.
        candidate_id: Column of candidate ids, or `None`.
        owner: Name of the model's class, for messages.
        normalize: Whether the embeddings of both towers are scaled to length 1.
        query_dropout: A `Dropout` of the query tower's embeddings, or `None`.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> users, recipes = IdTower([7], 4, feature="user_id"), IdTower(["pie"], 4, feature="recipe_id")
        >>> encoder = PairEncoder(users, recipes, "user_id", "recipe_id")
        >>> encoder.queries({"user_id": tf.constant([7], tf.int64)}).shape.as_list()
        [1, 4]
    """

    def __init__(
        self,
        query_tower: Tower,
        candidate_tower: Tower,
        query_id: str | None,
        candidate_id: str | None,
        owner: str = "RetrievalModel",
        normalize: bool = False,
        query_dropout: keras.layers.Dropout | None = None,
    ) -> None:
        self._normalize, self._query_dropout = normalize, query_dropout
        self._query_tower, self._candidate_tower = query_tower, candidate_tower
        self._query_id, self._candidate_id, self._owner = query_id, candidate_id, owner
        self._tower_columns = columns_of(query_tower, query_id, "query_tower", owner)
        self.candidate_columns = columns_of(candidate_tower, candidate_id, "candidate_tower", owner)
        # What is known of candidates before any query.
        self.prior: PopularityPrior | None = None
        self._of_candidates: ColumnJoin | None = None
        self._of_queries: ColumnJoin | None = None

    @property
    def queries_are_deterministic(self) -> bool:
        """Whether equal rows of queries have equal embeddings in training."""
        return self._query_tower.deterministic and self._query_dropout is None

    @property
    def candidates_are_rows(self) -> bool:
        """Whether the candidate tower reads nothing but a table, by id, so that to embed all costs little."""
        reads_id = self._candidate_id is not None and self.candidate_columns == (self._candidate_id,)
        return reads_id and self._candidate_tower.table_of_ids(self.candidate_columns[0]) is not None

    @property
    def candidate_layers(self) -> list[Any]:
        """The layers whose weights the embeddings of candidates depend on."""
        return [self._candidate_tower, *([] if self.prior is None else [self.prior])]

    @property
    def corpus_columns(self) -> tuple[str, ...]:
        """Columns of the corpus from which the embeddings of candidates are computed."""
        id_of_prior = [] if self.prior is None or self._candidate_id is None else [self._candidate_id]
        return tuple(dict.fromkeys((*self.candidate_columns, *id_of_prior)))

    @property
    def query_parts(self) -> list[Any]:
        """What the embeddings of queries depend on, the query tower first: an export must find it."""
        of_prior = [] if self.prior is None else [weight.value for weight in self.prior.query_weights]
        return [self._query_tower, *of_prior, *([] if self._of_queries is None else [self._of_queries])]

    @property
    def embedding_dim(self) -> int:
        """Size of the embeddings, with those of the prior."""
        return self._query_tower.embedding_dim + (0 if self.prior is None else self.prior.width)

    @property
    def query_columns(self) -> tuple[str, ...]:
        """Columns of queries that are read, whether they come from a batch or the table of queries."""
        time = () if self.prior is None or self.prior.time is None else (self.prior.time,)
        return tuple(dict.fromkeys((*self._tower_columns, *time)))

    @property
    def columns_taken(self) -> tuple[str, ...]:
        """Columns of a batch that tell about its queries: those that are read, and the id by which others are known."""
        id_column = () if self._of_queries is None else (self._of_queries.id_column,)
        return tuple(dict.fromkeys((*self.query_columns, *id_column)))

    def columns_to_take(self, names: Iterable[str], may_miss: bool = False) -> tuple[str, ...]:
        """Returns which columns of queries to take from a frame or dict; one that is needed may be absent there.

        A column that looks like an absent one, misspelt, is warned of.

        Args:
            names: The columns that it has.
            may_miss: Whether a column may be absent that the query tower can do without, as in `recommend`.

        Raises:
            ColumnError: One that may be absent is there under another spelling.
        """
        names = list(names)
        there = set(names)
        joined = () if self._of_queries is None else self._of_queries.names
        absent = [name for name in self._tower_columns if name not in there]
        if may_miss:
            others = there - set(self.columns_taken)
            for name in absent:
                if name not in joined and same_letters(others, name):
                    require_column(names, name, self._owner, reader="the query tower")
            absent = [name for name in absent if self._query_tower.missing_value(name) is None]
        needed = [name for name in absent if name not in joined]
        if self._of_queries is not None and len(needed) < len(absent):
            needed.append(self._of_queries.id_column)
        taken = tuple(dict.fromkeys((*needed, *(name for name in self.columns_taken if name in there))))
        if taken:  # nothing at all is an error, as is one that is needed, and it says as much
            read = [name for name in self.columns_taken if name not in needed]
            warn_of_misspelt(names, read, self._meant_columns, self._owner)
        return taken

    def columns_to_export(self) -> tuple[str, ...]:
        """Returns which columns of queries an exported model takes without an example: no times, nothing joined."""
        joined = () if self._of_queries is None else self._of_queries.names
        own = [name for name in self._tower_columns if name not in joined]
        return tuple(dict.fromkeys((*own, *([] if self._of_queries is None else [self._of_queries.id_column]))))

    @property
    def _meant_columns(self) -> tuple[str, ...]:
        """Columns that a frame of queries may have as well, of which none is another one misspelt."""
        ids = [name for name in (self._candidate_id, self._query_id) if name is not None]
        return (*self.candidate_columns, *ids)

    def form(self, name: str) -> tf.TensorSpec | None:
        """Returns dtype and shape of a column of queries as `read` gives it, `None` where they are not known."""
        if name in self._tower_columns:
            return self._query_tower.form(name)
        if self._of_queries is not None and name == self._of_queries.id_column:
            return self._of_queries.form_of_ids
        is_time = self.prior is not None and name == self.prior.time
        return tf.TensorSpec((None,), tf.int64) if is_time else None

    def set_corpus(self, corpus: Corpus | None) -> None:
        """Takes columns of candidates from another corpus."""
        self._of_candidates = None if corpus is None else ColumnJoin(corpus, owner=self._owner)

    def set_queries(self, table: Corpus | None) -> None:
        """Takes columns of queries from another table."""
        if table is None:
            self._of_queries = None
            return
        missing = {name: self._query_tower.missing_value(name) for name in table.names[1:]}
        self._of_queries = ColumnJoin(table, missing, self._owner, ("queries", "table of queries"))

    def read(self, column: Any, owner: str, name: str) -> Any:
        """Returns a column of a batch as the tensor that the towers take.

        Args:
            column: What a user has.
            owner: Name of the caller, for messages.
            name: Name of the column.
        """
        if name in (self._query_id, self._candidate_id) and not tf.is_tensor(column):
            refuse_missing_ids(column, f"{owner}: column {name!r}")
        if name in self._tower_columns:
            return self._query_tower.read(name, column, owner)
        if self.prior is not None and name == self.prior.time:
            return column if tf.is_tensor(column) else tf.constant(to_time_array(column, owner, name), tf.int64)
        return self.read_candidates(column, owner, name)

    def is_plain(self, name: str) -> bool:
        """Returns whether `read` takes numbers and text of a column as they are."""
        if name in self._tower_columns or name in self.candidate_columns:
            tower = self._query_tower if name in self._tower_columns else self._candidate_tower
            return type(tower).read in (Tower.read, SingleIdTower.read)
        return self.prior is None or name != self.prior.time

    def read_candidates(self, column: Any, owner: str, name: str) -> Any:
        """Returns a column of the corpus as a tensor; see `read`."""
        if name in self.candidate_columns:
            return self._candidate_tower.read(name, column, owner)
        return to_tensor(column, owner, name)

    def queries(self, features: Any, training: bool | None = None) -> Any:
        """Returns query embeddings, shape `(batch, embedding_dim)`.

        Args:
            features: Columns of queries, or the only column.
            training: Whether dropouts apply.
        """
        if has_named_columns(features):
            features = self._with_columns_of_queries(features)
        owner = f"{self._owner}: query_tower"
        embeddings = encode_columns(self._query_tower, self._tower_columns, features, owner, training)
        if self._query_dropout is not None:
            embeddings = self._query_dropout(embeddings, training=training)
        embeddings = unit_length(embeddings) if self._normalize else embeddings
        if self.prior is None:
            return embeddings
        return self.prior.with_queries(embeddings, features if has_named_columns(features) else {}, training)

    def candidates(self, features: Any, training: bool | None = None, joined: bool = True) -> Any:
        """Returns candidate embeddings, shape `(batch, embedding_dim)`.

        Args:
            features: Columns of candidates, or the only column.
            training: Whether dropouts apply.
            joined: Whether columns may be taken from the corpus; not for those that are to be added to it.
        """
        tower, join = self._candidate_tower, self._of_candidates if joined else None
        if join is not None and tower.prepares and self._takes_all_from_corpus(features):
            embeddings = tower.encode(join.prepared(features[self._candidate_id], tower), training)
        else:
            is_lacking = join is not None and has_named_columns(features)
            columns = self._with_columns_of_candidates(features) if is_lacking else features
            owner = f"{self._owner}: candidate_tower"
            embeddings = encode_columns(tower, self.candidate_columns, columns, owner, training)
        embeddings = unit_length(embeddings) if self._normalize else embeddings
        if self.prior is None:
            return embeddings
        ids = features[self._candidate_id] if has_named_columns(features) else features
        return self.prior.with_candidates(embeddings, ids)

    def knowledge_of_queries(self, features: Mapping[str, Any]) -> Knowledge:
        """Returns what the query tower knows of rows, with the table of queries. Eager.

        Args:
            features: Columns of queries; at least one.
        """
        columns = self._with_columns_of_queries(features)
        return _knowledge(self._query_tower, {name: columns[name] for name in self._tower_columns})

    def knowledge_of_candidates(
        self, corpus: Corpus, rows: np.ndarray, was_trained: np.ndarray | None = None
    ) -> Knowledge:
        """Returns what the candidate tower knows of candidates. Eager.

        Args:
            corpus: The candidates.
            rows: Their rows, integers of shape `(n,)`.
            was_trained: Which candidates occurred in training, bool of shape `(n,)`. By default those that the prior
                has counted; without it all of which the tower knows the id.
        """
        tower, own = self._candidate_tower, corpus.rows(rows, self.candidate_columns)
        knowledge = _knowledge(tower, own)
        if was_trained is None and self.prior is not None:
            was_trained = self.prior.occurred(corpus.vocabulary.ids[rows])
        if was_trained is None or not tower.knowledge_levels:
            return knowledge
        # A vocabulary may have all ids of the corpus; one that never occurred tells no more than an unknown one.
        if self._candidate_id in own:
            own[self._candidate_id] = _unknown_ids(own[self._candidate_id])
        is_warm = len(own) > (self._candidate_id in own) and _knowledge(tower, own).words != COLD
        of_others = np.where(is_warm, WARM, COLD).astype(object)
        return Knowledge(np.where(was_trained, knowledge.words, of_others), knowledge.features)

    def depends_on_id_alone(self, features: Mapping[str, Any]) -> bool:
        """Returns whether a candidate's embedding is a function of its id, in training too.

        Args:
            features: Columns of a batch.
        """
        if self._candidate_id is None or not self._candidate_tower.deterministic:
            return False
        return self.candidate_columns == (self._candidate_id,) or self._takes_all_from_corpus(features)

    def repeated_query_column(self, features: Mapping[str, Any]) -> str | None:
        """Returns the column whose values tell queries of a batch apart, `None` where several columns do.

        Rows that are equal in it have equal embeddings, up to dropout and the times of the prior.

        Args:
            features: Columns of a batch.
        """
        there = [name for name in self.columns_taken if name in features and name != self._time_of_prior]
        return there[0] if len(there) == 1 and features[there[0]].shape.rank == 1 else None

    def distinct_queries(self, features: Mapping[str, Any], name: str) -> tuple[dict[str, Any], tf.Tensor]:
        """Returns each query of a batch once, and which of them each row has, int32 of shape `(batch,)`.

        Where the prior knows times, a query is one in each period of it, at the time of one of its rows.

        Args:
            features: Columns of a batch.
            name: From `repeated_query_column`.
        """
        distinct, query_rows = tf.unique(features[name])
        time = self._time_of_prior
        if self.prior is None or time is None or time not in features:
            return {name: distinct}, query_rows
        periods = self.prior.periods(features[time])
        keys = tf.cast(query_rows, tf.int64) * (tf.reduce_max(periods) + 1) + periods
        keys, query_rows = tf.unique(keys)
        first = tf.math.unsorted_segment_min(tf.range(tf.size(query_rows)), query_rows, tf.size(keys))
        return {each: tf.gather(features[each], first) for each in (name, time)}, query_rows

    @property
    def _time_of_prior(self) -> str | None:
        """The column of times that the prior alone reads."""
        time = None if self.prior is None else self.prior.time
        return None if time in self._tower_columns else time

    def columns_of_losses(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the columns of a batch with those that were added to them."""
        return self._with_columns_of_candidates(self._with_columns_of_queries(features))

    def _takes_all_from_corpus(self, features: Any) -> bool:
        """Returns whether all columns of candidates but the id come from the corpus."""
        if self._of_candidates is None or not has_named_columns(features) or self._candidate_id not in features:
            return False
        if self._candidate_id != self._of_candidates.id_column:
            return False
        return not any(self._is_own(name, features) for name in self.candidate_columns if name != self._candidate_id)

    def _is_own(self, name: str, features: Mapping[str, Any]) -> bool:
        """Returns whether a batch brings a column of candidates itself."""
        of_corpus = () if self._of_candidates is None else self._of_candidates.names
        return name in features and not (name in self._tower_columns and name in of_corpus)

    def _with_columns_of_candidates(self, features: Mapping[str, Any]) -> dict[str, Any]:
        if self._of_candidates is None:
            return dict(features)
        own = {name: column for name, column in features.items() if self._is_own(name, features)}
        if self._candidate_id is not None and self._candidate_id in features:
            own[self._candidate_id] = features[self._candidate_id]
        return {**features, **self._of_candidates.add_columns(own, self.candidate_columns)}

    def _with_columns_of_queries(self, features: Mapping[str, Any]) -> dict[str, Any]:
        if self._of_queries is not None:
            features = self._of_queries.add_columns(features, self._tower_columns)
        tower, absent = self._query_tower, {}
        for name in [name for name in self._tower_columns if name not in features]:
            form, missing = tower.form(name), tower.missing_value(name)
            if form is not None and missing is not None:
                absent[name] = (form, missing)
        return completed_columns(features, absent) if features and absent else dict(features)


def _knowledge(tower: Tower, columns: dict[str, Any]) -> Knowledge:
    inputs = columns if tower.features else next(iter(columns.values()))
    if not tower.knowledge_levels:
        return Knowledge.untold(num_rows(next(iter(columns.values()))))
    return Knowledge.of_levels(tower.knowledge(inputs), tower.known_features(inputs))


def _unknown_ids(ids: tf.Tensor) -> tf.Tensor:
    return tf.fill(tf.shape(ids), tf.constant("" if ids.dtype == tf.string else ids.dtype.min, ids.dtype))
