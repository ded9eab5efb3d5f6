"""CompositeOptimizer: one optimizer for some variables, another for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import keras

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.saving.keras_names import deserialize_nested, serializable

_OWNER = "CompositeOptimizer"


@serializable
class CompositeOptimizer(keras.optimizers.Optimizer):
    """Several optimizers, each with variables of its own; for example one for tables and one for dense layers.

    In a file stands which of the model's variables each optimizer has, by their places. `learning_rate` is that of the
    first optimizer; set it on the others in `optimizers`.

    Args:
        optimizers_and_vars: Pairs of an optimizer and a function without arguments that returns its variables. The
            functions are called before the first step, when all variables are there. In a config, in place of a
            function, places among the variables.
        name: Name of the optimizer.
        **kwargs: Not used; what a config of Keras has beside.

    Raises:
        ArgumentError: There is no optimizer; or before the first step, where a variable belongs to two optimizers or to
            none; or when it is saved before that.

    Example:
        >>> table, bias = keras.Variable([1.0]), keras.Variable([1.0])
        >>> both = [(keras.optimizers.SGD(0.5), lambda: [table]), (keras.optimizers.SGD(0.1), lambda: [bias])]
        >>> CompositeOptimizer(both).apply([keras.ops.ones(1), keras.ops.ones(1)], [table, bias])
        >>> round(float(table[0]), 1), round(float(bias[0]), 1)
        (0.5, 0.9)

    Source:
        `tfrs.experimental.optimizers.CompositeOptimizer` of TensorFlow Recommenders 0.7.7, which cannot be saved.
    """

    def __init__(
        self,
        optimizers_and_vars: Sequence[tuple[keras.optimizers.Optimizer, Callable[[], Iterable[Any]] | Sequence[int]]],
        name: str = "CompositeOptimizer",
        **kwargs: Any,
    ) -> None:
        if not optimizers_and_vars:
            fix = "Pass pairs of an optimizer and a function that returns its variables"
            raise ArgumentError(explain(_OWNER, "`optimizers_and_vars` can't be empty", fix=fix))
        super().__init__(learning_rate=0.0, name=name)
        self._optimizers = [optimizer for optimizer, _ in optimizers_and_vars]
        self._selections = _Selections([selection for _, selection in optimizers_and_vars])

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers, in their order."""
        return list(self._optimizers)

    @property
    def iterations(self) -> Any:
        """How many steps there were."""
        return self._optimizers[0].iterations

    @property
    def learning_rate(self) -> Any:
        """Learning rate of the first optimizer."""
        return self._optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._optimizers[0].learning_rate = value

    @property
    def variables(self) -> list[Any]:
        """The variables of all optimizers."""
        return [variable for optimizer in self._optimizers for variable in optimizer.variables]

    built: bool

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        self._selections.find(variables)
        for optimizer, places in zip(self._optimizers, self._selections.places, strict=True):
            optimizer.build([variables[place] for place in places])
        self._trainable_variables = list(variables)
        self.built = True

    def apply(self, grads: Iterable[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        gradients = list(grads)
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        owners = self._selections.owners(variables)
        for place, optimizer in enumerate(self._optimizers):
            own = [index for index, owner in enumerate(owners) if owner == place]
            if own:
                optimizer.apply([gradients[index] for index in own], [variables[index] for index in own])

    def save_own_variables(self, store: Any) -> None:
        pass  # Keras saves the optimizers, each by itself

    def load_own_variables(self, store: Any) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        if not self.built and not self._selections.are_places:
            fix = "Train a step before, or call build(model.trainable_variables)"
            raise ArgumentError(explain(_OWNER, "which variables each optimizer has is not known yet", fix=fix))
        optimizers = map(keras.saving.serialize_keras_object, self._optimizers)
        pairs = zip(optimizers, self._selections.places, strict=True)
        return {"optimizers_and_vars": [[optimizer, list(places)] for optimizer, places in pairs], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        return cls(**deserialize_nested(config))


class _Selections:
    """Which variables each optimizer has: functions, or places among all."""

    def __init__(self, given: Sequence[Any]) -> None:
        self._given = given
        self.are_places = not any(callable(selection) for selection in given)
        self.places: list[list[int]] = [list(selection) for selection in given] if self.are_places else []
        self._owners: dict[int, int] = {}

    def find(self, variables: Sequence[Any]) -> None:
        """Calls the functions."""
        place_of = {id(variable): place for place, variable in enumerate(variables)}
        self.places = []
        for number, selection in enumerate(self._given):
            own = list(selection()) if callable(selection) else [variables[place] for place in selection]
            for variable in own:
                if self._owners.setdefault(id(variable), number) != number:
                    problem = f"variable {variable.name!r} is handled by two optimizers"
                    raise ArgumentError(explain(_OWNER, problem, fix="Give each variable to one of them"))
            self.places.append([place_of[id(variable)] for variable in own if id(variable) in place_of])
        self.owners(variables)

    def owners(self, variables: Sequence[Any]) -> list[int]:
        """Returns the place of the optimizer of each variable."""
        missing = next((variable for variable in variables if id(variable) not in self._owners), None)
        if missing is not None:
            problem = f"variable {missing.name!r} is not handled by any optimizer, and would not be trained"
            raise ArgumentError(explain(_OWNER, problem, fix="Add it to what one of the functions returns"))
        return [self._owners[id(variable)] for variable in variables]
