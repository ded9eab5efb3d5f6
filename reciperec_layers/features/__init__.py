"""Encoders: layers from one raw column to numbers, and their registry.

`register`, `names`, `describe`, `get` and `create` are the registry's methods.
"""

from reciperec_layers.features.category import Category
from reciperec_layers.features.encoder import ENCODERS, Encoder
from reciperec_layers.features.encoding import encode_once
from reciperec_layers.features.id import Id
from reciperec_layers.features.list import List
from reciperec_layers.features.number import Number
from reciperec_layers.features.proposal import Proposal
from reciperec_layers.features.proposals import Proposals
from reciperec_layers.features.proposing import propose
from reciperec_layers.features.text import Text
from reciperec_layers.features.time import Time
from reciperec_layers.features.vector import Vector

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
    "List",
    "Number",
    "Proposal",
    "Proposals",
    "Text",
    "Time",
    "Vector",
    "create",
    "describe",
    "encode_once",
    "get",
    "names",
    "propose",
    "register",
]
