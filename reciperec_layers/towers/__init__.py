"""Towers: layers from features to embeddings, and their registry.

`register`, `names`, `describe`, `get` and `create` are the registry's methods.
"""

from reciperec_layers.towers.cross_tower import CrossTower
from reciperec_layers.towers.encoded_tower import EncodedTower
from reciperec_layers.towers.feature_tower import FeatureTower
from reciperec_layers.towers.id_tower import IdTower
from reciperec_layers.towers.layer_tower import LayerTower
from reciperec_layers.towers.mixture_tower import MixtureTower
from reciperec_layers.towers.mlp_tower import MLPTower
from reciperec_layers.towers.single_id_tower import SingleIdTower
from reciperec_layers.towers.text_tower import TextTower
from reciperec_layers.towers.tower import TOWERS, Tower

register = TOWERS.register
names = TOWERS.names
describe = TOWERS.describe
get = TOWERS.get
create = TOWERS.create

__all__ = [
    "TOWERS",
    "CrossTower",
    "EncodedTower",
    "FeatureTower",
    "IdTower",
    "LayerTower",
    "MLPTower",
    "MixtureTower",
    "SingleIdTower",
    "TextTower",
    "Tower",
    "create",
    "describe",
    "get",
    "names",
    "register",
]
