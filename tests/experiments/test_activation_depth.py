from experiments import activation_depth


def test_depth_separates_the_activations(tmp_path):
    causes = activation_depth.causes(activation_depth.run(quick=True, runs=tmp_path))
    assert causes == {
        "sigmoid": ("vanishing-gradient", "slope"),
        "tanh": ("healthy", ""),
        "relu": ("healthy", ""),
        "relu x2": ("exploding-gradient", "weight"),
    }
