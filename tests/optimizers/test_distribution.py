"""Training on mirrored devices equals training on one, and reads no whole tables either."""

from __future__ import annotations

import textwrap

from tests.conftest import REPOSITORY


def test_mirrored_training_equals_one_device(run_python):
    """In a new process, because logical devices are made before TensorFlow starts."""
    run_python(
        textwrap.dedent("""
            import keras, numpy as np, tensorflow as tf
            from reciperec_layers.errors import ArgumentError
            from reciperec_layers.optimizers import SGD, Adagrad, Adam, LossScaleOptimizer, RowwiseAdagrad
            from tests.optimizers.cases import NUM_ROWS, slices, state
            from tests.optimizers.table_models import INDICES, TARGETS, compiled
            from tests.optimizers.test_whole_tables import whole_tables

            cpu, *_ = tf.config.list_physical_devices("CPU")
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
            one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
            of_replicas = [slices([3, 1, 3], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), slices([8, 3], np.ones((2, 2)))]
            joined = slices(*(np.concatenate(parts) for parts in zip(*((g.indices, g.values) for g in of_replicas))))

            def steps(strategy, make):
                with strategy.scope():
                    variables = [keras.Variable(np.ones(shape), dtype="float32") for shape in [(NUM_ROWS, 2), (2,)]]
                    optimizer = make()
                    optimizer.build(variables)

                def step():
                    gradient = joined
                    if strategy is two:
                        replica = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
                        gradient = of_replicas[replica]
                    optimizer.apply([gradient, 2 * tf.ones(2) / strategy.num_replicas_in_sync], variables)

                run = tf.function(lambda: strategy.run(step))
                for _ in range(2):
                    run()
                return state(optimizer, variables)

            def fitted(strategy, make):
                with strategy.scope():
                    model = compiled(make())
                model.fit(INDICES[:4], TARGETS[:4], batch_size=4, epochs=2, shuffle=False, verbose=0)
                return [each.numpy() for each in (*model.weights, *model.optimizer.variables)]

            def check(train, make):
                for on_two, on_one in zip(train(two, make), train(one, make), strict=True):
                    np.testing.assert_allclose(on_two, on_one, rtol=1e-6, atol=1e-6, err_msg=str(make))

            options = {
                SGD: {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
                Adagrad: {},
                RowwiseAdagrad: {"weight_decay": 0.1},
                Adam: {"amsgrad": True},
            }
            for cls in options:
                check(steps, lambda: cls(0.1, **options[cls]))
                assert whole_tables(lambda: cls(0.1, **options[cls]), two) == []
            check(fitted, lambda: LossScaleOptimizer(Adagrad(0.1)))
            try:
                steps(two, lambda: Adagrad(0.1, gradient_accumulation_steps=2))
            except ArgumentError as error:
                said = "Adagrad: `gradient_accumulation_steps` does not work with tf.distribute: "
                assert str(error).startswith(said), error
            else:
                raise AssertionError("accumulation was not refused")
        """),
        PYTHONPATH=str(REPOSITORY),
    )
