"""CorpusSoftmax: each query's candidate against the whole corpus."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.losses.call_arguments import check_embeddings, check_reduction, checked_tensor
from reciperec_layers.losses.corpus_cross_entropy import corpus_cross_entropy
from reciperec_layers.losses.retrieval_loss import RetrievalLoss
from reciperec_layers.losses.top_k_weights import TopKWeights
from reciperec_layers.saving.keras_names import serializable

_OWNER = "CorpusSoftmax"


@serializable
class CorpusSoftmax(RetrievalLoss):
    """Softmax cross-entropy of each query's candidate against all candidates of the corpus.

    Nothing is drawn, so nothing is to be corrected. With `s` the score of a query `i` and a candidate `j`:

        s[i, j] = query[i] . candidate[j] / temperature
        loss[p] = sample_weight[p] * (normalizer_weight * log sum_j exp s[i, j] - s[i, own]),    i, own of the pair p

    A model gives each query of a batch once, with `query_rows` that say which pairs have it, where its embedding
    depends on its id alone. The scores of a query are then computed once, however many candidates it had. `fit` puts
    the rows of a query together where it is given columns, and `batches(..., by="query")` does; `batch_size` then
    counts queries. A step costs about as much as three products of the queries with the corpus, and the candidate
    tower encodes the whole corpus in each step: of a tower that reads an embedding table this is little, of one that
    reads text it is much.

    Everything is computed in float32. The scores are made in tiles of some queries and forgotten, so that memory grows
    with the queries plus the corpus, not with their product. There are first derivatives only.

    With `num_sampled` a training step sums over the candidates of the batch and so many others, drawn with equal
    chances, that stand for all others:

        sum_j exp s[i, j]  ~  sum_{j in batch} exp s[i, j] + (num_others / num_drawn) * sum_{j drawn} exp s[i, j]

    On average over the draws the right side is the left one. The tower then encodes these candidates alone, and a step
    costs less, as they are fewer. Evaluation takes the whole corpus.

    With `top_k` a training step weighs each pair by how near its candidate is to the first `top_k` of its query, so
    that those which cannot come among them do not spend what the model can learn:

        weight[p] = sigmoid((s[i, own] - the top_k-th highest of s[i]) * temperature / top_k_temperature)

    Weights are not differentiated. They count for half at the place `top_k`. Evaluation reports the loss without them.

    Args:
        temperature: Divides the scores; a number > 0. For normalized embeddings .05 to .2.
        normalizer_weight: Weight of the log of the sum, a number > 0. Above 1 it regularizes: scores of candidates
            that compete are pushed down further than the softmax asks for.
        reduction: `"sum"` over the pairs; `"mean"`, the sum divided by the number of pairs; or `"none"`.
        num_sampled: How many candidates a training step draws, a positive integer; `None`, or as many as the corpus
            has, for all of them.
        seed: Seed of the draws, an integer >= 0; by default it follows `keras.utils.set_random_seed`.
        name: Name of the layer.
        top_k: How many candidates of a query matter, a positive integer; `None` where all pairs weigh alike.
        top_k_temperature: Of these weights, in the unit of the scores before they are divided; a number > 0. Small ones
            leave out what is far from the first.

    Call arguments:
        query_embeddings: Floats of shape `(num_queries, embedding_dim)`, `num_queries` >= 1.
        candidate_embeddings: Floats of shape `(num_candidates, embedding_dim)`: the corpus, or a sample of it.
        positive_columns: Integers of shape `(num_pairs,)`: the candidate of each pair, a row of these.
        query_rows: Integers of shape `(num_pairs,)`: the query of each pair. `None` where pair `i` has query `i`.
        sample_weight: Numbers of shape `(num_pairs,)` that multiply the pairs' losses.
        candidate_log_weights: Log of how often each candidate counts in the sum, floats of shape `(num_candidates,)`;
            `None` for once.
        candidate_ids: Not used.
        training: Whether pairs are weighed by `top_k`.

    Returns:
        The loss, float32 of shape `()`, or `(num_pairs,)` with reduction `"none"`.

    Raises:
        ArgumentError: An argument is out of its range, or a shape does not fit.
        ArgumentTypeError: A call argument has the wrong dtype.

    Example:
        >>> queries = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> corpus = tf.constant([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0]])
        >>> round(float(CorpusSoftmax()(queries, corpus, positive_columns=[0, 1])), 4)
        0.3825

    Source:
        The full softmax of matrix factorization. A weight other than 1 of the log of the sum is what unequal
        temperatures of positives and negatives do in Wu et al., "BSL: Understanding and Improving Softmax Loss for
        Recommendation", ICDE 2024, for queries with one positive. `top_k` is SL@K of Yang et al., "Breaking the Top-K
        Barrier: Advancing Top-K Ranking Metrics Optimization in Recommender Systems", KDD 2025. The sample is that of
        stratified sampling; a softmax over a sample that is corrected for its probability is that of Bengio and
        Senecal, "Adaptive importance sampling to accelerate training of a neural probabilistic language model", IEEE
        Transactions on Neural Networks, 2008.
    """

    scores_corpus: ClassVar[bool] = True
    corrects_sampling = True
    takes_distinct_queries: ClassVar[bool] = True

    def __init__(
        self,
        temperature: float = 1.0,
        normalizer_weight: float = 1.0,
        reduction: str = "sum",
        num_sampled: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        *,
        top_k: int | None = None,
        top_k_temperature: float = 0.25,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        check_number(_OWNER, "temperature", temperature, above=0, example=0.1)
        check_number(_OWNER, "normalizer_weight", normalizer_weight, above=0, example=1.2)
        check_reduction(_OWNER, reduction)
        # A variable, so that a graph that has been traced takes another one.
        self._temperature = tf.Variable(temperature, trainable=False, dtype=tf.float32)
        self.normalizer_weight = float(normalizer_weight)
        self.num_sampled = check_integer(_OWNER, "num_sampled", num_sampled, optional=True, example=4096)
        self.top_k = check_integer(_OWNER, "top_k", top_k, optional=True, example=20)
        check_number(_OWNER, "top_k_temperature", top_k_temperature, above=0, example=0.25)
        self.top_k_temperature = float(top_k_temperature)
        self.seed = check_integer(_OWNER, "seed", seed, least=0, optional=True, example=42)
        self._seeds = None if num_sampled is None else keras.random.SeedGenerator(seed)
        self.reduction = reduction
        self.built = True

    @property
    def temperature(self) -> float:
        """Divides the scores. A model that is compiled with the loss takes another one from the next step on."""
        return float(f"{self._temperature.numpy():.7g}")

    @temperature.setter
    def temperature(self, value: float) -> None:
        check_number(_OWNER, "temperature", value, above=0, example=0.1)
        self._temperature.assign(value)

    def next_seed(self) -> Any:
        """Returns the seed of the next draw, integers of shape `(2,)`."""
        assert self._seeds is not None
        return self._seeds.next()

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        if self._seeds is not None:
            store["seed_state"] = self._seeds.state.numpy()

    def load_own_variables(self, store: Any) -> None:
        if self._seeds is not None and "seed_state" in store.keys():  # noqa: SIM118 - not a mapping
            self._seeds.state.assign(store["seed_state"])

    def call(
        self,
        query_embeddings: tf.Tensor,
        candidate_embeddings: tf.Tensor,
        positive_columns: tf.Tensor,
        query_rows: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
        candidate_log_weights: tf.Tensor | None = None,
        candidate_ids: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        check_embeddings(_OWNER, query_embeddings, candidate_embeddings)
        positive_columns = tf.convert_to_tensor(positive_columns)
        pairs = keras.ops.shape(query_embeddings if query_rows is None else tf.convert_to_tensor(query_rows))[0]
        if positive_columns.shape.rank != 1:
            problem = "`positive_columns` must have the shape (num_pairs,)"
            raise ArgumentError(explain(_OWNER, problem, positive_columns=positive_columns, fix="Pass one per pair"))
        columns = checked_tensor(_OWNER, "positive_columns", positive_columns, "integers", "(num_pairs,)", (pairs,))
        query_rows = checked_tensor(_OWNER, "query_rows", query_rows, "integers", "(num_pairs,)", (pairs,))
        sample_weight = checked_tensor(_OWNER, "sample_weight", sample_weight, "float32", "(num_pairs,)", (pairs,))
        of_candidates = "float32", "(num_candidates,)", (keras.ops.shape(candidate_embeddings)[0],)
        log_weights = checked_tensor(_OWNER, "candidate_log_weights", candidate_log_weights, *of_candidates)
        queries, candidates = (tf.cast(each, tf.float32) for each in (query_embeddings, candidate_embeddings))
        top_k_weights = None
        if self.top_k is not None and training:
            top_k_weights = TopKWeights(self.top_k, self.top_k_temperature / self._temperature)
        loss = corpus_cross_entropy(
            queries / self._temperature,
            candidates,
            columns,
            query_rows,
            sample_weight,
            self.normalizer_weight,
            summed=self.reduction != "none",
            log_weights=log_weights,
            top_k_weights=top_k_weights,
        )
        return loss / tf.cast(pairs, tf.float32) if self.reduction == "mean" else loss

    # Keras would run `call` to learn this.
    def compute_output_spec(self, query_embeddings: Any, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        return keras.KerasTensor((None,) if self.reduction == "none" else (), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {
            "temperature": self.temperature,
            "normalizer_weight": self.normalizer_weight,
            "reduction": self.reduction,
            "num_sampled": self.num_sampled,
            "top_k": self.top_k,
            "top_k_temperature": self.top_k_temperature,
            "seed": self.seed,
            "name": self.name,
        }
