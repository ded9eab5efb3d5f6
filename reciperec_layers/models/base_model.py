"""BaseModel: a Keras model with steps of its own, whole files, and frames wherever Keras takes data."""

from __future__ import annotations

import inspect
import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.errors import ModelFileError, VocabularyMismatchError, describe_error, explain
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.layers import IdLookup
from reciperec_layers.optimizers.model_gradients import with_rows_summed
from reciperec_layers.saving.atomic_files import write_beside
from reciperec_layers.saving.config_objects import check_objects, warn_of_unregistered
from reciperec_layers.saving.keras_formats import check_model_format, check_weights_format, is_remote
from reciperec_layers.saving.keras_names import deserialize_nested
from reciperec_layers.saving.model_files import check_weights
from reciperec_layers.saving.own_state import OwnState
from reciperec_layers.saving.weights_difference import weights_difference
from reciperec_layers.saving.weights_files import append_hash
from reciperec_layers.training.batch import Batch
from reciperec_layers.training.callbacks import EpochOrder, StepNames
from reciperec_layers.training.compile_arguments import check_options, resolve_optimizer
from reciperec_layers.training.divergence import check_finite_loss, check_finite_weights
from reciperec_layers.training.fit_arguments import (
    check_batch,
    default_batch_size,
    refuse_class_weight,
    targets,
    to_keras_input,
    to_validation_data,
    to_weight_array,
    with_callbacks,
)
from reciperec_layers.training.grouped_batches import in_groups
from reciperec_layers.training.loss_means import LossMeans
from reciperec_layers.training.named_arguments import named_arguments
from reciperec_layers.training.one_at_a_time import OneAtATime
from reciperec_layers.training.seeded_order import MOST_IDS, in_seeded_order
from reciperec_layers.training.step_functions import own_function, takes_own_steps
from reciperec_layers.training.unbuilt_layers import has_all_weights


class BaseModel(keras.Model):
    """A model that learns from batches of columns. Abstract: a subclass implements `compute_losses`.

    It brings the steps and their means of losses, conversion of what `fit`, `evaluate` and `predict` are given, and
    files that are written whole or not at all. All weights must be made in `__init__`.

    Args:
        name: Name of the model.
        **kwargs: `trainable` and `dtype`, as for every Keras model.

    Example:
        >>> class Mean(BaseModel):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.mean = self.add_weight(shape=(), name="mean")
        ...         self.built = True
        ...     def compute_losses(self, batch, training):
        ...         return {"loss": tf.reduce_mean((batch.features["minutes"] - self.mean) ** 2)}
        >>> model = Mean()
        >>> model.compile(keras.optimizers.SGD(0.5))
        >>> history = model.fit({"minutes": [10.0, 30.0]}, verbose=0)
        >>> float(model.mean.value)
        20.0
    """

    train_function: Any  # which Keras declares without a type
    test_function: Any

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._loss_means = LossMeans()
        self._compile_arguments: dict[str, Any] = {}
        self._busy = OneAtATime()
        # Of the rows of a frame that is given to `fit`; without it Keras shuffles them.
        self._order_seed: int | None = None

    @abstractmethod
    def compute_losses(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the losses of a batch, scalars by name. Their sum, with regularization, is what training lowers.

        Reported are means over the rows of an epoch: the losses are means over the rows of the batch, or sums if
        `batch.losses_are_sums` is set.

        Args:
            batch: The batch. What metrics need beside its columns may be left in it.
            training: Whether this is a training step.
        """

    def update_metrics(self, batch: Batch, training: bool) -> Iterable[keras.metrics.Metric]:
        """Updates metrics with a batch, after `compute_losses`, and returns those that have changed.

        Args:
            batch: The batch.
            training: Whether this is a training step.
        """
        return ()

    def columns_read(self, names: Sequence[str], method: str) -> Iterable[str]:
        """Returns the columns of a frame or dict that the model reads. Here all of them.

        What is not read is not converted to tensors, so that it may hold anything: times, missing text, objects.

        Args:
            names: The columns that there are.
            method: Name of the method that was given the frame: `"fit"`, `"evaluate"`, `"predict"`, `"batches"` and so
                on; those of one batch are called by the same names.
        """
        return names

    def read_column(self, column: Any, owner: str, name: str) -> Any:
        """Returns a column of a frame or dict as a tensor; see `columns.tensors.to_tensor`.

        Args:
            column: The column.
            owner: Name of the caller, for messages.
            name: Name of the column, for messages.
        """
        return to_tensor(column, owner, name)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The means of the losses."""
        return list(self._loss_means.metrics)

    def compile(self, optimizer: Any = "adagrad", **options: Any) -> None:
        """Prepares training and evaluation.

        Args:
            optimizer: Keras optimizer or its name; those of this package's `optimizers` cost what a batch costs, and
                are wrapped in its `LossScaleOptimizer` where Keras would wrap them in its own (`auto_scale_loss`).
            **options: `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss`, as for
                `keras.Model.compile`. Lookups of ids cannot be compiled by XLA.

        Raises:
            ArgumentError: There is no such optimizer, `jit_compile` is `True`, `steps_per_execution` is not a positive
                integer, or there is no such argument.
        """
        accepted = [name for name in inspect.signature(type(self).compile).parameters if name not in _NOT_ARGUMENTS]
        check_options(options, accepted, f"{self._owner}.compile")
        optimizer = resolve_optimizer(
            optimizer, self.dtype_policy, options.get("auto_scale_loss", True), f"{self._owner}.compile"
        )
        super().compile(optimizer=optimizer, **options)
        if has_all_weights(self):
            self.optimizer.build(self.trainable_variables)  # so that a file can fill its slots before training
        self._compile_arguments = dict(options)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does; also takes data frames and dicts of lists, arrays or pandas columns.

        A dataset of `data.batches` gets the order of each epoch, also when training is resumed. As in Keras,
        `steps_per_epoch` is rounded up to a multiple of `steps_per_execution`.

        Raises:
            ArgumentError: `class_weight` is given: there are no classes. A count, such as `epochs`, is not an integer,
                or too small.
            ArgumentTypeError: There is no such argument.
            DivergedError: The loss of a step is not finite; names the epoch, the step, and the columns of the batch
                that are not finite. The step has changed no weight.
            UnknownIdError: An id is unknown to a tower without OOV rows.
            StateError: Another thread trains or evaluates the model.
        """
        owner = f"{self._owner}.fit"
        kwargs = named_arguments("fit", args, kwargs, owner)
        refuse_class_weight(kwargs, owner)
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # Keras's default is True, at which it warns
        names = StepNames(self._owner)
        validation = partial(self.columns_read, method="evaluate")
        data = kwargs.get("validation_data")
        kwargs["validation_data"] = to_validation_data(data, owner, validation, self.read_column)
        with self._busy.doing("fit", self._owner), names.added(), raised_as_ours():
            x = self._to_input(x, "fit")
            kwargs |= to_weight_array(kwargs, x, owner)
            by = self._rows_together(x) if isinstance(x, dict) else None
            seed = self._order_seed if by is None else self._drawn_seed()
            if isinstance(x, dict) and seed is not None:
                (x, kwargs), y = in_seeded_order(x, kwargs, seed, owner, by, self._most_together), None
            own = [names, *([EpochOrder(x)] if hasattr(x, "set_epoch") else [])]
            kwargs["callbacks"] = with_callbacks(kwargs.get("callbacks"), own)
            x = in_groups(x, self._batches_per_group)
            kwargs |= default_batch_size(x, kwargs)
            return super().fit(x, targets(x, y, kwargs.get("sample_weight")), **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.evaluate` does; takes what `fit` takes.

        Raises:
            ArgumentError: A sample weight is not finite, or a count is not an integer or too small.
        """
        owner = f"{self._owner}.evaluate"
        kwargs = named_arguments("evaluate", args, kwargs, owner)
        with self._busy.doing("evaluate", self._owner), raised_as_ours():
            x = self._to_input(x, "evaluate")
            kwargs |= to_weight_array(kwargs, x, owner)
            x = in_groups(x, self._batches_per_group)
            kwargs |= default_batch_size(x, kwargs)
            return super().evaluate(x, targets(x, y, kwargs.get("sample_weight")), **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Returns what calling the model gives, for all rows; takes what `fit` takes.

        Returns:
            Array of shape `(n, ...)`; for a `RetrievalModel` query embeddings, float of shape `(n, embedding_dim)`.
        """
        kwargs = named_arguments("predict", args, kwargs, f"{self._owner}.predict")
        with raised_as_ours():
            x = self._to_input(x, "predict")
            return super().predict(x, **{**kwargs, **default_batch_size(x, kwargs)})

    def predict_on_batch(self, x: Any) -> Any:
        """Returns what calling the model gives for one batch; takes what `fit` takes."""
        with raised_as_ours():
            return super().predict_on_batch(self._to_input(x, "predict"))

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains on one batch as `keras.Model.train_on_batch` does; takes what `fit` takes."""
        refuse_class_weight(kwargs, f"{self._owner}.train_on_batch")
        with self._busy.doing("train_on_batch", self._owner), raised_as_ours():
            x = self._to_input(x, "fit")
            kwargs |= to_weight_array(kwargs, x, f"{self._owner}.train_on_batch")
            return super().train_on_batch(x, y, *args, **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates one batch as `keras.Model.test_on_batch` does; a query counts once in each of its batches."""
        return_dict = kwargs.pop("return_dict", False)
        with self._busy.doing("test_on_batch", self._owner), raised_as_ours():
            x = self._to_input(x, "evaluate")
            kwargs |= to_weight_array(kwargs, x, f"{self._owner}.test_on_batch")
            super().test_on_batch(x, y, *args, return_dict=True, **kwargs)
            logs = {name: float(value) for name, value in self.get_metrics_result().items()}
        return logs if return_dict else list(logs.values())

    def train_step(self, data: Any) -> dict[str, Any]:
        batch = self._batch_of(data)
        before = self._forward_weights()
        with tf.GradientTape() as tape:
            losses = self._all_losses(batch, training=True)
            scaled_loss = self.optimizer.scale_loss(losses["total_loss"])
        variables = self.trainable_weights
        # A table that is read twice gives repeated rows, which Keras's optimizers would take for separate updates.
        gradients = with_rows_summed(self._owner, tape.gradient(scaled_loss, variables))
        columns = lambda: self._columns_of_losses(batch)  # noqa: E731 - only where the loss is not finite
        finite = check_finite_loss(losses["total_loss"], columns, batch.sample_weight, before, self._owner)
        with tf.control_dependencies([finite]):
            self.optimizer.apply(gradients, variables)
        return self._updated(losses, batch, self.update_metrics(batch, training=True))

    def test_step(self, data: Any) -> dict[str, Any]:
        batch = self._batch_of(data)
        with tf.control_dependencies([check_finite_weights(batch.sample_weight, self._owner)]):
            losses = self._all_losses(batch, training=False)
        return self._updated(losses, batch, self.update_metrics(batch, training=False))

    def make_train_function(self, force: bool = False) -> Any:
        """Sets the function that trains on the next batches of an iterator, as Keras asks for it."""
        if not takes_own_steps(self):
            return super().make_train_function(force)
        return own_function(self, "train", force)

    def make_test_function(self, force: bool = False) -> Any:
        """Sets the function that evaluates the next batches of an iterator, as Keras asks for it."""
        if not takes_own_steps(self):
            return super().make_test_function(force)
        return own_function(self, "test", force)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves as `keras.Model.save` does, beside its place, then renames: the file is never half a model.

        Warns of a class in the model that is not registered, since no file with it loads without `custom_objects`.

        Raises:
            ArgumentError: Keras would write another form than a zipped `.keras` file, without the ids.
            OutputExistsError: The file exists and `overwrite` is not set.
            OutputError: It cannot be written.
        """
        check_model_format(filepath, zipped, f"{self._owner}.save")
        save = super().save
        if is_remote(filepath):
            save(filepath, overwrite=overwrite, **kwargs)
        else:
            write_beside(filepath, lambda beside: save(beside, **kwargs), overwrite)
        warn_of_unregistered(self, f"{self._owner}.save")

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: Any = None) -> None:
        """Saves the weights as Keras does, beside their place, with a hash behind their end, then renames.

        Raises:
            ArgumentError: Keras would write several files, or another form than `.weights.h5`.
            OutputExistsError: The file exists and `overwrite` is not set.
            OutputError: It cannot be written.
        """
        check_weights_format(filepath, f"{self._owner}.save_weights", max_shard_size)
        save_weights = super().save_weights

        def write(beside: Path) -> None:
            save_weights(beside)
            append_hash(beside)

        if is_remote(filepath):
            save_weights(filepath, overwrite=overwrite)
        else:
            write_beside(filepath, write, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads weights as Keras does. A file that is damaged, or of another model, is refused and changes nothing.

        A file is checked before Keras opens it: it must be as `save_weights` wrote it, and hold nothing but arrays.

        Raises:
            ArgumentTypeError: `filepath` is not a path.
            ModelFileError: The file is missing or damaged, or its weights do not fit the model.
            VocabularyMismatchError: The weights belong to another vocabulary.
        """
        owner = f"{self._owner}.load_weights"
        is_path = isinstance(filepath, (str, os.PathLike))
        if not is_path or (str(filepath).endswith(_WEIGHTS_ENDINGS) and not is_remote(filepath)):
            check_weights(filepath, owner)
        before = OwnState(self)
        try:
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        except BaseException as error:
            # Keras goes on after a layer that fails, so others have been overwritten by now.
            lookups = [layer for layer in self._flatten_layers() if isinstance(layer, IdLookup)]
            is_mismatch = any(lookup.vocabulary_mismatch is not None for lookup in lookups)
            before.restore()
            if not isinstance(error, Exception):
                raise
            if is_mismatch:
                problem = "the weights belong to another vocabulary than the model's"
                fix = "Load the whole model with rl.load_model, or build this one with the vocabulary of the file"
                raise VocabularyMismatchError(explain(owner, problem, filepath=Path(filepath), fix=fix)) from error
            fix = "Use the file of a model that was built in the same way"
            try:
                difference = weights_difference(super().save_weights, filepath)
            except Exception:  # it only explains; the file or the disk may be of any kind
                difference = None
            if difference is not None:
                problem = f"the weights are of another model: {difference}"
            else:
                problem = f"the weights cannot be loaded: {describe_error(error)}"
                fix = "Use an intact file of a model that was built in the same way"
            raise ModelFileError(explain(owner, problem, filepath=Path(filepath), fix=fix)) from error

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns a model from its config; the plugins that it needs are looked for first.

        Args:
            config: From `get_config`, serialized or not.

        Raises:
            PluginError: A registered class belongs to a package that is not installed.
            ModelFileError: It names objects that no model is made of.
        """
        return cls(**deserialize_nested(config))

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        return keras.saving.serialize_keras_object({**self._compile_arguments, "optimizer": self.optimizer})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        if config:
            check_objects(config)
            self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def _owner(self) -> str:
        """The name that errors give."""
        return type(self).__name__

    @property
    def _batches_per_group(self) -> int:
        return self.steps_per_execution if takes_own_steps(self) else 1

    def _drawn_seed(self) -> int:
        """Returns the seed of the order, or one that follows from the global seed of Keras."""
        return int(np.random.randint(2**31)) if self._order_seed is None else self._order_seed

    def _rows_together(self, columns: dict[str, Any]) -> str | None:
        """Returns the column of ids whose rows belong together, so that `fit` puts them into one batch, or `None`."""
        return None

    @property
    def _most_together(self) -> int:
        """How many of these ids a batch has at most where its size is not given."""
        return MOST_IDS

    def _to_input(self, x: Any, method: str, caller: str | None = None) -> Any:
        columns_read = partial(self.columns_read, method=method)
        # A model of one column predicts for an array, too.
        takes_arrays = method == "predict"
        owner = f"{self._owner}.{caller or method}"
        return to_keras_input(x, owner, columns_read, self.read_column, takes_arrays=takes_arrays)

    def _batch_of(self, data: Any) -> Batch:
        features, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        check_batch(features, self._owner)
        return Batch(features, sample_weight)

    def _columns_of_losses(self, batch: Batch) -> dict[str, Any]:
        """Returns the columns from which a batch's losses were computed."""
        return batch.features

    def _forward_weights(self) -> list[tuple[Any, tf.Tensor]]:
        """Returns the weights that computing losses may change, with their values."""
        if tf.distribute.has_strategy():  # whose replicas cannot assign where only one of them fails
            return []
        return [(weight, tf.convert_to_tensor(weight.value)) for weight in self.non_trainable_weights]

    def _all_losses(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the losses of `compute_losses`, the regularization loss, and the sum of all."""
        losses = self.compute_losses(batch, training)
        own = list(losses.values())
        total = own[0] if len(own) == 1 else tf.add_n(own)
        if not self.losses:
            return {**losses, "regularization_loss": tf.zeros(()), "total_loss": total}
        regularization_loss = tf.add_n(self.losses)
        return {**losses, "regularization_loss": regularization_loss, "total_loss": total + regularization_loss}

    def _updated(
        self, losses: dict[str, tf.Tensor], batch: Batch, metrics: Iterable[keras.metrics.Metric]
    ) -> dict[str, Any]:
        self._loss_means.update(losses, batch.loss_rows(), batch.losses_are_sums)
        return {**self._loss_means.results(), **{metric.name: metric.result() for metric in metrics}}

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Towers are built from the start, and Keras would make up a batch in which ids become floats.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)


_WEIGHTS_ENDINGS = (".keras", ".h5", ".hdf5", ".weights.json")
_NOT_ARGUMENTS = ("self", "args", "kwargs", "options")
