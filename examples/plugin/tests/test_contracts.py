import numpy as np
from reciperec_kitchen.duration import Duration
from reciperec_kitchen.factorization_machine import FactorizationMachine

import reciperec_layers as rl
from reciperec_layers.testing import check_encoder, check_tower

TIMES = ["1 h 30 m", "2 DAYS", "", "soon", "Cook\n45 minutes"]


def make_tower():
    encoders = {"id": rl.features.Id([7, 9], width=3, seed=1), "time": Duration(TIMES)}
    return FactorizationMachine(encoders, 4, normalize=True, seed=2)


def test_the_tower_keeps_its_promises():
    rows = {"id": np.array([9, 5, 7]), "time": np.array(["10 m", "", "1 h"])}
    check_tower(make_tower, rows)


def test_the_encoder_keeps_its_promises():
    check_encoder(lambda: Duration(mean=2.0, deviation=0.5, seed=3), TIMES)
