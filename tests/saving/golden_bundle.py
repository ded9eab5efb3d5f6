"""What is asked of the exported folder in `tests/saving/golden/`, by TensorFlow alone.

python -m tests.saving.golden_bundle ANSWERS.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

USERS = [2**24, 2**24 + 1, 2**53 + 1, 2**63 - 1, -(2**63), 8]
ALLOWED, EXCLUDED = [3, 2**24, 2**24 + 1, 2**53, 2**53 + 1], [3, 2**24, -1]


def observe_bundle(folder: Path) -> dict[str, Any]:
    """Returns what each signature answers."""
    signatures = tf.saved_model.load(str(folder)).signatures
    users = tf.constant(USERS, tf.int64)
    allow, exclude = (tf.constant([ids] * len(USERS), tf.int64) for ids in (ALLOWED, EXCLUDED))
    answers = {
        "serving_default": signatures["serving_default"](user_id=users),
        "recommend": signatures["recommend"](user_id=users, k=tf.constant(2), exclude=exclude),
        "recommend_allowed": signatures["recommend_allowed"](
            user_id=users, k=tf.constant(3), allow=allow, exclude=exclude
        ),
    }
    return {name: {key: value.numpy().tolist() for key, value in found.items()} for name, found in answers.items()}


if __name__ == "__main__":
    found = observe_bundle(Path(__file__).parent / "golden" / "bundle")
    found["imported"] = sorted({"reciperec_layers"} & sys.modules.keys())
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
