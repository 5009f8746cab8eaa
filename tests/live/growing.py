"""A run folder that grows when it is told to."""

import numpy as np

import gradlab

LAYERS = [{"fan_in": 8, "fan_out": 8, "activation": "sigmoid"}] * 6


class Growing:
    """Writes a run of a net whose gradient vanishes, some iterations at a time."""

    def __init__(self, folder, **details):
        config = {"activation": "sigmoid", "baseline_loss": 2.3, "learning_rate": 0.1}
        self.recorder = gradlab.Recorder(LAYERS, name="night", out=folder, config=config, **details)

    def grow(self, iterations, loss=2.3):
        falling = 10.0 ** np.arange(-10, 2, 2)  # layer 1 gets a ten-billionth of the last one's
        for _ in range(iterations):
            columns = {
                "delta_norm": falling,
                "grad_norm": falling,
                "per_example_grad_norm": falling,
                "weight_norm": np.full(6, 3.0),
                "update_norm": 0.1 * falling,
                "update_ratio": 0.1 * falling / 3,
                "activation_rms": np.full(6, 0.6),
                "slope_rms": np.full(6, 0.2),
                "log_gain_weight": np.full(6, 0.0),
                "log_gain_alignment": np.full(6, 0.0),
                "log_gain_slope": np.full(6, np.log(0.01)),
                "log_gain_slope_alignment": np.full(6, 0.0),
                "nonfinite_count": np.zeros(6),
            }
            wave = 0.01 * (self.recorder.iterations % 2)
            self.recorder.add(columns, loss=loss + wave, learning_rate=0.1, grad_norm=1.0)
        self.recorder.flush()
        return self

    def end(self):
        return self.recorder.close()
