"""Towers: layers from features to embeddings, and their registry.

`register`, `names`, `describe`, `get` and `create` are the registry's methods.
"""

from reciperec_layers.towers.feature_tower import FeatureTower
from reciperec_layers.towers.id_tower import IdTower
from reciperec_layers.towers.layer_tower import LayerTower
from reciperec_layers.towers.mlp_tower import MLPTower
from reciperec_layers.towers.single_id_tower import SingleIdTower
from reciperec_layers.towers.tower import TOWERS, Tower

register = TOWERS.register
names = TOWERS.names
describe = TOWERS.describe
get = TOWERS.get
create = TOWERS.create

__all__ = [
    "TOWERS",
    "FeatureTower",
    "IdTower",
    "LayerTower",
    "MLPTower",
    "SingleIdTower",
    "Tower",
    "create",
    "describe",
    "get",
    "names",
    "register",
]
