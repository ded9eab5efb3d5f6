from reciperec_layers.optimizers.adagrad import Adagrad
