"""Model: the base class of models in the style of TensorFlow Recommenders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ModelFileError, describe_error, explain
from reciperec_layers.optimizers.model_gradients import with_rows_summed
from reciperec_layers.saving.atomic_files import write_beside
from reciperec_layers.saving.own_state import OwnState
from reciperec_layers.tfrs.models.input_specs import spec_of_batch, specs_from_config, specs_to_config
from reciperec_layers.tfrs.models.row_sparse_twin import row_sparse_twin
from reciperec_layers.tfrs.models.served_call import ServedCall
from reciperec_layers.training.loss_means import LossMeans
from reciperec_layers.training.step_functions import own_function, takes_own_steps

_ENDING = ".weights.h5"
# Of the arguments of `fit` after the data.
_PLACE_OF_SHUFFLE = 7


class Model(keras.Model):
    """A model that says by `compute_loss` what it learns. Abstract: a subclass implements that.

    `fit` and `evaluate` report the results of all metrics, and the loss, the sum of the regularization losses and their
    sum. These three are those of the last batch, as in TensorFlow Recommenders; with `mean_losses = True` in the class
    they are means over the batches. Gradients are right for rows of a table that occur several times in a batch, which
    those of Keras alone are not.

    A subclass needs no `call`. Weights that layers make when they are first called are made before the first step, and
    a file that is loaded before is read then.

    Args:
        *args: As for every Keras model.
        **kwargs: As for every Keras model.

    Example:
        >>> class Mean(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = keras.layers.Dense(1, use_bias=False)
        ...     def compute_loss(self, inputs, training=False):
        ...         features, labels = inputs
        ...         return tf.reduce_mean((self.dense(features) - labels) ** 2)
        >>> model = Mean()
        >>> model.compile(keras.optimizers.SGD(0.5))
        >>> rows = tf.data.Dataset.from_tensor_slices(([[1.0], [1.0]], [[3.0], [3.0]])).batch(2)
        >>> history = model.fit(rows, epochs=30, verbose=0)
        >>> round(float(model.dense.kernel[0, 0]), 3), sorted(history.history)
        (3.0, ['loss', 'regularization_loss', 'total_loss'])

    Source:
        `tfrs.Model` of TensorFlow Recommenders 0.7.7.
    """

    train_function: Any  # which Keras declares without a type
    test_function: Any

    mean_losses = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loss_means = LossMeans()
        self._load_when_built: Callable[[], Any] | None = None
        self._input_specs: Any = None  # of the batch for which layers made their weights
        self._served_call = ServedCall()

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the loss of a batch, and updates metrics. To be implemented.

        Args:
            inputs: An element of the data: columns, or a tuple of features, labels and weights.
            training: Whether this is a training step.
        """
        fix = "Implement compute_loss(self, inputs, training=False), which returns the loss"
        raise NotImplementedError(explain(type(self).__name__, "`compute_loss` is not implemented", fix=fix))

    def add_loss(self, loss: Any) -> None:
        """Adds a regularization loss, as `keras.Model.add_loss` does; numbers are taken, too, as in Keras 2.

        Args:
            loss: Scalar.
        """
        super().add_loss(tf.convert_to_tensor(loss) if isinstance(loss, (int, float)) else loss)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics of tasks and layers, each once; with `mean_losses` the means of the losses, too."""
        # A task has its metrics as attributes, and again in the layer that holds them. Keras's mean of a loss that it
        # computes itself is never updated, and would come first in what `evaluate` returns.
        found = {id(metric): metric for metric in super().metrics if metric is not self._loss_tracker}
        means = self._loss_means.metrics if self.mean_losses else []
        return [*found.values(), *means]

    def compile(self, optimizer: Any = "rmsprop", *args: Any, **kwargs: Any) -> None:
        """Prepares training as `keras.Model.compile` does; Keras's Adagrad and SGD update tables row by row.

        Args:
            optimizer: Keras optimizer, its name or config. `model.optimizer` is another one, see `row_sparse_twin`.
            *args: As in Keras.
            **kwargs: As in Keras.
        """
        super().compile(row_sparse_twin(optimizer), *args, **kwargs)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._served_call.note(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does."""
        if isinstance(x, tf.data.Dataset) and len(args) <= _PLACE_OF_SHUFFLE:
            kwargs.setdefault("shuffle", False)  # Keras's default is True, at which it warns
        return super().fit(x, *args, **kwargs)

    def train_step(self, inputs: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            losses = self._losses_of(inputs, training=True)
            scaled_loss = self.optimizer.scale_loss(losses["total_loss"])
        variables = self.trainable_weights
        gradients = with_rows_summed(type(self).__name__, tape.gradient(scaled_loss, variables))
        self.optimizer.apply(gradients, variables)
        return self._results(losses)

    def test_step(self, inputs: Any) -> dict[str, Any]:
        return self._results(self._losses_of(inputs, training=False))

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

    def export(self, filepath: Any, *args: Any, input_signature: Any = None, **kwargs: Any) -> Any:
        """Exports `call` as `keras.Model.export` does, by default for inputs like those of the last call.

        Args:
            filepath: As in Keras.
            *args: As in Keras.
            input_signature: As in Keras, whose default is floats.
            **kwargs: As in Keras.
        """
        if input_signature is None and self._served_call.specs is not None:
            input_signature = [self._served_call.specs]
        return super().export(filepath, *args, input_signature=input_signature, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the weights under any name, as Keras 2 does: a file of the form of `.weights.h5`.

        Args:
            filepath: The file. A number of files that begin with the name, as TensorFlow wrote, is not made.
            overwrite: Whether a file may be replaced.
            **kwargs: As for `keras.Model.save_weights`.

        Raises:
            OutputExistsError: The file exists and `overwrite` is not set.
            OutputError: It cannot be written.
        """
        kwargs.pop("save_format", None)  # of Keras 2: there is one form now
        save_weights = super().save_weights
        if self._is_unbuilt():
            fix = "Call fit or evaluate before, or load_weights"
            problem = "the model has no weights yet: its layers make them at the first batch"
            raise ArgumentError(explain(f"{type(self).__name__}.save_weights", problem, fix=fix))

        def write(beside: Path) -> None:
            named = beside.with_name(f"{beside.name}{_ENDING}")
            save_weights(named, **kwargs)
            os.replace(named, beside)

        write_beside(filepath, write, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads weights from a file of any name; where the model has none yet, before the first batch.

        Args:
            filepath: A file of `save_weights`.
            skip_mismatch: As for `keras.Model.load_weights`.
            **kwargs: As for `keras.Model.load_weights`.

        Raises:
            ModelFileError: The file is missing or damaged, or of other towers.
        """
        owner = f"{type(self).__name__}.load_weights"
        path = Path(filepath)
        if not path.is_file():
            is_checkpoint = path.with_name(f"{path.name}.index").exists()
            problem = "there is no such file"
            fix = "Pass the path that save_weights was given"
            if is_checkpoint:
                problem = "the file is a checkpoint of TensorFlow, as Keras 2 wrote them"
                fix = "Save it as .h5 with Keras 2, or use tfrs.migrate"
            raise ModelFileError(explain(owner, problem, filepath=path, fix=fix))
        if self._is_unbuilt():
            self._load_when_built = lambda: self._load(path, skip_mismatch, kwargs)
        else:
            self._load(path, skip_mismatch, kwargs)

    def _load(self, path: Path, skip_mismatch: bool, options: dict[str, Any]) -> None:
        owner = f"{type(self).__name__}.load_weights"
        self._build_optimizer()  # or its state in the file would be left out
        before = OwnState(self)
        try:
            with TemporaryDirectory() as folder:
                named = Path(folder) / f"model{_ENDING}"
                named.symlink_to(path.resolve())  # Keras goes by the name
                super().load_weights(named, skip_mismatch=skip_mismatch, **options)
        except Exception as error:
            before.restore()
            problem = f"the weights cannot be loaded: {describe_error(error)}"
            fix = "Use an intact file of a model with the same towers"
            raise ModelFileError(explain(owner, problem, filepath=path, fix=fix)) from error

    def get_build_config(self) -> dict[str, Any] | None:
        return None if self._input_specs is None else {"inputs": specs_to_config(self._input_specs)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        if config:
            self._make_weights(specs_from_config(config["inputs"]))

    def _is_unbuilt(self) -> bool:
        is_unbuilt = any(not layer.built for layer in self._flatten_layers(include_self=False))
        return is_unbuilt and self._input_specs is None

    def _make_weights(self, specs: Any) -> None:
        """Lets layers make their weights, by a graph of the loss that is not run."""
        # Keras makes weights after the graph, as they cannot be mirrored to replicas inside of one.
        with keras.StatelessScope():
            tf.function(lambda inputs: self.compute_loss(_copied(inputs), training=False)).get_concrete_function(specs)
        self._clear_losses()
        self._input_specs, self.built = specs, True

    def _build_optimizer(self) -> None:
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def _losses_of(self, inputs: Any, training: bool) -> dict[str, tf.Tensor]:
        owner = type(self).__name__
        self._clear_losses()
        loss = self.compute_loss(_copied(_without_gaps(inputs)), training=training)
        if loss is None:
            fix = "Return what the task returns: return self.task(...)"
            raise ArgumentError(explain(owner, "`compute_loss` returned None", fix=fix))
        of_regularizers = [tf.reduce_sum(each) for each in self.losses]
        regularization_loss = tf.add_n(of_regularizers) if of_regularizers else tf.zeros(())
        loss = tf.convert_to_tensor(loss)  # a Python number has no dtype
        return {
            "loss": loss,
            "regularization_loss": regularization_loss,
            "total_loss": loss + regularization_loss,
        }

    def _results(self, losses: dict[str, tf.Tensor]) -> dict[str, Any]:
        found = {metric.name: metric.result() for metric in super().metrics}
        if not self.mean_losses:
            return {**found, **losses}
        self._loss_means.update(losses, num_rows=1.0, are_sums=True)
        return {**found, **self._loss_means.results()}

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> Any:
        children = super()._trackable_children(save_type, **kwargs)
        serving = self._default_save_signature if save_type == "savedmodel" else None
        # TensorFlow gives a loaded object the functions by these names.
        return children if serving is None else {**children, "__call__": serving}

    @property
    def _default_save_signature(self) -> Any:
        """The function that `tf.saved_model.save` saves, or `None` where the model was never called."""
        return self._served_call.function(super().__call__)  # Keras's own would take floats

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Keras leaves this to the first step. Under a strategy it would run the model on a batch of its own making, in
        # which ids are floats, and for that it needs a `call`.
        with self.distribute_strategy.scope():
            if self._is_unbuilt():
                data = _first_batch(iterator) if data_batch is None else data_batch
                data = self.distribute_strategy.experimental_local_results(data)[0]
                self._make_weights(tf.nest.map_structure(spec_of_batch, _without_gaps(data)))
            self.built = True
            self._build_optimizer()
        if self._load_when_built is not None:
            load, self._load_when_built = self._load_when_built, None
            load()


def _first_batch(iterator: Any) -> Any:
    """Returns the first batch of Keras's iterator over an epoch, which begins anew after it."""
    _, _, batches = next(iter(iterator))
    return batches[0] if isinstance(batches, (list, tuple)) else next(batches)


def _copied(inputs: Any) -> Any:
    """Returns a structure of the same tensors, from which the user may pop: graphs refuse changes of their inputs."""
    return tf.nest.map_structure(lambda leaf: leaf, inputs)


def _without_gaps(inputs: Any) -> Any:
    """Returns what the user gave: Keras's methods for one batch fill it up to `(x, None, None)`."""
    if not isinstance(inputs, tuple) or not inputs or inputs[-1] is not None:
        return inputs
    given = [each for each in inputs if each is not None]
    return given[0] if len(given) == 1 else tuple(given)
