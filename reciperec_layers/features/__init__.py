"""Encoders: layers from one raw column to numbers, and their registry.

`register`, `names`, `describe`, `get` and `create` are the registry's methods.
"""

from reciperec_layers.features.category import Category
from reciperec_layers.features.encoder import ENCODERS, Encoder
from reciperec_layers.features.id import Id

register = ENCODERS.register
names = ENCODERS.names
describe = ENCODERS.describe
get = ENCODERS.get
create = ENCODERS.create

__all__ = [
    "ENCODERS",
    "Category",
    "Encoder",
    "Id",
    "create",
    "describe",
    "get",
    "names",
    "register",
]
