"""A model compared with popularity and with yardsticks, by segment; several models compared with each other."""

from reciperec_layers.evaluation.comparison import compare
from reciperec_layers.evaluation.model_comparison import compare_models
from reciperec_layers.evaluation.paired_bootstrap import PairedDifference, paired_difference
from reciperec_layers.evaluation.signs_of_illness import symptoms
from reciperec_layers.evaluation.yardsticks.als import ALS
from reciperec_layers.evaluation.yardsticks.ease import EASE
from reciperec_layers.evaluation.yardsticks.fitted_yardstick import FittedYardstick
from reciperec_layers.evaluation.yardsticks.item_knn import ItemKNN
from reciperec_layers.evaluation.yardsticks.yardstick import Yardstick

__all__ = [
    "ALS",
    "EASE",
    "FittedYardstick",
    "ItemKNN",
    "PairedDifference",
    "Yardstick",
    "compare",
    "compare_models",
    "paired_difference",
    "symptoms",
]
