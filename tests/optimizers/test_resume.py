"""Training goes on bit-equal from a file, in a new process."""

from __future__ import annotations

import textwrap

import keras
import numpy as np
import pytest

from reciperec_layers.optimizers import SGD, Adagrad, Adam, LossScaleOptimizer, RowwiseAdagrad
from tests.optimizers.table_models import INDICES, TARGETS, compiled, fit

# An epoch has two batches: accumulation over three and over four ends in the middle of one.
MODELS = {
    "sgd": ("float32", lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1)),
    "adagrad": ("float32", lambda: Adagrad(0.1, global_clipnorm=0.7)),
    "rowwise": ("float32", lambda: RowwiseAdagrad(0.1)),
    "adam": ("float32", lambda: Adam(0.1, amsgrad=True)),
    "accumulated": ("float32", lambda: Adam(0.1, gradient_accumulation_steps=3, clipnorm=0.5)),
    "mixed": ("mixed_float16", lambda: LossScaleOptimizer(SGD(0.1, momentum=0.5, gradient_accumulation_steps=4))),
    "mixed_by_keras": ("mixed_float16", lambda: Adagrad(0.1, gradient_accumulation_steps=3)),
}


@pytest.mark.saving
def test_training_goes_on_bit_equal_in_a_new_process(tmp_path, run_python):
    expected = {}
    for name, (policy, make) in MODELS.items():
        keras.config.set_dtype_policy(policy)
        model = compiled(make())
        keras.config.set_dtype_policy("float32")
        fit(model)
        model.save(tmp_path / f"{name}.keras")
        expected[name] = [fit(model), fit(model)]
    np.savez(tmp_path / "data.npz", indices=INDICES, targets=TARGETS)
    run_python(
        textwrap.dedent(f"""
            import keras, numpy as np
            import reciperec_layers.optimizers

            data = np.load("data.npz")
            for name, policy in {[(name, policy) for name, (policy, _) in MODELS.items()]}:
                keras.config.set_dtype_policy(policy)
                model = keras.models.load_model(name + ".keras")
                for epoch in range(2):
                    model.fit(data["indices"], data["targets"], batch_size=4, shuffle=False, verbose=0)
                    after = [each.numpy() for each in (*model.weights, *model.optimizer.variables)]
                    np.savez(f"{{name}}_{{epoch}}.npz", *after)
        """)
    )
    for name, epochs in expected.items():
        for epoch, values in enumerate(epochs):
            after = np.load(tmp_path / f"{name}_{epoch}.npz")
            assert len(after) == len(values)
            for index, value in enumerate(values):
                np.testing.assert_array_equal(after[f"arr_{index}"], value, err_msg=f"{name} after epoch {epoch}")


def test_loading_forgets_what_was_pending():
    """A file that was written right after an update takes the place of whatever batches came since."""
    optimizer, table = SGD(0.1, gradient_accumulation_steps=2), keras.Variable(np.zeros((3, 1)))
    optimizer.build([table])
    at_start: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(at_start)
    ones = keras.ops.ones((3, 1))
    optimizer.apply([100 * ones], [table])
    optimizer.load_own_variables(at_start)
    for _ in range(2):
        optimizer.apply([ones], [table])
    np.testing.assert_allclose(table.numpy(), -0.1 * np.ones((3, 1)))
