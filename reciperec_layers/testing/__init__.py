"""Contract suites and Hypothesis strategies for tests of towers, encoders, indexes and layers. Needs `hypothesis`.

Nothing else in the package imports it; the tests of plugins do.
"""

from reciperec_layers.testing.contract import check_serializable, check_tower
from reciperec_layers.testing.encoder_contract import check_encoder
from reciperec_layers.testing.file_contract import check_damaged_files
from reciperec_layers.testing.file_damage import damaged_files
from reciperec_layers.testing.index_contract import check_index
from reciperec_layers.testing.strategies import id_batches, int64_ids, ragged_ids, text_ids, unique_ids, vocabularies

__all__ = [
    "check_damaged_files",
    "check_encoder",
    "check_index",
    "check_serializable",
    "check_tower",
    "damaged_files",
    "id_batches",
    "int64_ids",
    "ragged_ids",
    "text_ids",
    "unique_ids",
    "vocabularies",
]
