"""Types in signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

Activation: TypeAlias = Callable[[tf.Tensor], tf.Tensor] | str
