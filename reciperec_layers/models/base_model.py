"""BaseModel: a Keras model with steps of its own, whole files, and frames wherever Keras takes data."""

from __future__ import annotations

import inspect
import os
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.errors import ModelFileError, VocabularyMismatchError, describe_error, explain
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.layers import IdLookup
from reciperec_layers.optimizers.model_gradients import with_rows_summed
from reciperec_layers.saving.atomic_files import write_beside
from reciperec_layers.saving.config_objects import check_objects
from reciperec_layers.saving.keras_names import deserialize_nested
from reciperec_layers.saving.model_files import check_weights
from reciperec_layers.saving.own_state import OwnState
from reciperec_layers.saving.required_plugins import require_plugins
from reciperec_layers.saving.weights_files import append_hash
from reciperec_layers.training.batch import Batch
from reciperec_layers.training.callbacks import EpochOrder, StopOnDivergence
from reciperec_layers.training.compile_arguments import check_options, resolve_optimizer
from reciperec_layers.training.fit_arguments import (
    check_batch,
    refuse_class_weight,
    targets,
    to_keras_input,
    to_validation_data,
    to_weight_array,
    with_callbacks,
)
from reciperec_layers.training.grouped_batches import in_groups
from reciperec_layers.training.loss_means import LossMeans
from reciperec_layers.training.step_functions import over_batches, takes_own_steps


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

    @abstractmethod
    def compute_losses(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the losses of a batch, scalars by name. Their sum, with regularization, is what training lowers.

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
            ArgumentError: `jit_compile` is `True`, `steps_per_execution` is not a positive integer, or there is no
                such argument.
        """
        accepted = [name for name in inspect.signature(type(self).compile).parameters if name not in _NOT_ARGUMENTS]
        check_options(options, accepted, f"{self._owner}.compile")
        optimizer = resolve_optimizer(optimizer, self.dtype_policy, options.get("auto_scale_loss", True))
        super().compile(optimizer=optimizer, **options)
        if all(layer.built for layer in self._flatten_layers()):
            self.optimizer.build(self.trainable_variables)  # so that a file can fill its slots before training
        self._compile_arguments = dict(options)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does; also takes data frames and dicts of lists, arrays or pandas columns.

        A dataset of `data.batches` gets the order of each epoch, also when training is resumed. As in Keras,
        `steps_per_epoch` is rounded up to a multiple of `steps_per_execution`.

        Raises:
            ArgumentError: `class_weight` is given: there are no classes.
            DivergedError: The loss is not finite; names the epoch and step.
            UnknownIdError: An id is unknown to a tower without OOV rows.
        """
        owner = f"{self._owner}.fit"
        refuse_class_weight(kwargs, owner)
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # Keras's default is True, at which it warns
        own = [StopOnDivergence(self._owner), *([EpochOrder(x)] if hasattr(x, "set_epoch") else [])]
        kwargs["validation_data"] = to_validation_data(kwargs.get("validation_data"), owner)
        kwargs["callbacks"] = with_callbacks(kwargs.get("callbacks"), own)
        with raised_as_ours():
            kwargs |= to_weight_array(kwargs)
            x = in_groups(to_keras_input(x, owner), self._batches_per_group)
            return super().fit(x, targets(x, y, kwargs.get("sample_weight")), *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.evaluate` does; takes what `fit` takes."""
        with raised_as_ours():
            kwargs |= to_weight_array(kwargs)
            x = in_groups(to_keras_input(x, f"{self._owner}.evaluate"), self._batches_per_group)
            return super().evaluate(x, targets(x, y, kwargs.get("sample_weight")), *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Returns what calling the model gives, for all rows; takes what `fit` takes.

        Returns:
            Array of shape `(n, ...)`; for a `RetrievalModel` query embeddings, float of shape `(n, embedding_dim)`.
        """
        with raised_as_ours():
            return super().predict(to_keras_input(x, f"{self._owner}.predict"), *args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates one batch as `keras.Model.test_on_batch` does; a query counts once in each of its batches."""
        return_dict = kwargs.pop("return_dict", False)
        super().test_on_batch(*args, return_dict=True, **kwargs)
        logs = {name: float(value) for name, value in self.get_metrics_result().items()}
        return logs if return_dict else list(logs.values())

    def train_step(self, data: Any) -> dict[str, Any]:
        batch = self._batch_of(data)
        with tf.GradientTape() as tape:
            losses = self._all_losses(batch, training=True)
            scaled_loss = self.optimizer.scale_loss(losses["total_loss"])
        variables = self.trainable_weights
        # A table that is read twice gives repeated rows, which Keras's optimizers would take for separate updates.
        gradients = with_rows_summed(self._owner, tape.gradient(scaled_loss, variables))
        self.optimizer.apply(gradients, variables)
        return self._updated(losses, self.update_metrics(batch, training=True))

    def test_step(self, data: Any) -> dict[str, Any]:
        batch = self._batch_of(data)
        losses = self._all_losses(batch, training=False)
        return self._updated(losses, self.update_metrics(batch, training=False))

    def make_train_function(self, force: bool = False) -> Any:
        """Sets the function that trains on the next batches of an iterator, as Keras asks for it."""
        if not takes_own_steps(self):
            return super().make_train_function(force)
        if force or self.train_function is None:
            self.train_function = over_batches(self.train_step, self.steps_per_execution)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Sets the function that evaluates the next batches of an iterator, as Keras asks for it."""
        if not takes_own_steps(self):
            return super().make_test_function(force)
        if force or self.test_function is None:
            self.test_function = over_batches(self.test_step, self.steps_per_execution)
        return self.test_function

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves as `keras.Model.save` does, beside its place, then renames: the file is never half a model.

        Raises:
            OutputExistsError: The file exists and `overwrite` is not set.
            OutputError: It cannot be written.
        """
        save = super().save
        if _is_local(filepath, ".keras"):
            write_beside(filepath, lambda beside: save(beside, zipped=zipped, **kwargs), overwrite)
        else:
            save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the weights as Keras does, beside their place, with a hash behind their end, then renames."""
        save_weights = super().save_weights

        def write(beside: Path) -> None:
            save_weights(beside, **kwargs)
            if kwargs.get("max_shard_size") is None:
                append_hash(beside)

        if _is_local(filepath, ".weights.h5"):
            write_beside(filepath, write, overwrite)
        else:
            save_weights(filepath, overwrite=overwrite, **kwargs)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads weights as Keras does. A file that is damaged, or of another model, is refused and changes nothing.

        A file is checked before Keras opens it: it must be as `save_weights` wrote it, and hold nothing but arrays.

        Raises:
            ArgumentTypeError: `filepath` is not a path.
            ModelFileError: The file is missing or damaged, or its weights do not fit the model.
            VocabularyMismatchError: The weights belong to another vocabulary.
        """
        owner = f"{self._owner}.load_weights"
        if not isinstance(filepath, (str, os.PathLike)) or _is_local(filepath, _WEIGHTS_ENDINGS):
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
        require_plugins(config)
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

    def _batch_of(self, data: Any) -> Batch:
        features, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        check_batch(features, self._owner)
        return Batch(features, sample_weight)

    def _all_losses(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the losses of `compute_losses`, the regularization loss, and the sum of all."""
        losses = self.compute_losses(batch, training)
        own = list(losses.values())
        total = own[0] if len(own) == 1 else tf.add_n(own)
        if not self.losses:
            return {**losses, "regularization_loss": tf.zeros(()), "total_loss": total}
        regularization_loss = tf.add_n(self.losses)
        return {**losses, "regularization_loss": regularization_loss, "total_loss": total + regularization_loss}

    def _updated(self, losses: dict[str, tf.Tensor], metrics: Iterable[keras.metrics.Metric]) -> dict[str, Any]:
        self._loss_means.update(losses)
        return {**self._loss_means.results(), **{metric.name: metric.result() for metric in metrics}}

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Towers are built from the start, and Keras would make up a batch in which ids become floats.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)


_WEIGHTS_ENDINGS = (".keras", ".h5", ".hdf5", ".weights.json")
_NOT_ARGUMENTS = ("self", "args", "kwargs", "options")


def _is_local(filepath: Any, ending: str | tuple[str, ...]) -> bool:
    return str(filepath).endswith(ending) and "://" not in str(filepath)
