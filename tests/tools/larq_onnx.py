#!/usr/bin/env python3
"""Turns a model of Larq or Keras into an ONNX file that `bnn-cpu import` reads.

    larq_onnx.py MODEL.h5 NET.onnx
    bnn-cpu import NET.onnx --pixels unit --out runs/larq

MODEL.h5 is what `model.save("model.h5")` wrote; a folder of the format SavedModel will do as well. The
environment holds TensorFlow up to 2.15, larq and tf2onnx:

    pip install "tensorflow-cpu==2.15.1" "numpy<2" larq tf2onnx

Weights that a quantiser of Larq binarises are replaced by what it makes of them, because an ONNX file
knows no latent weights. `--pixels` of the import says what the model was trained on: `unit` for numbers
from 0 to 1, `integer` for 0 to 255.
"""
import sys


def convert(model_path, onnx_path):
    import larq as lq
    import tensorflow as tf
    import tf2onnx

    with lq.context.quantized_scope(True):
        model = tf.keras.models.load_model(model_path, compile=False)
        # Within this scope the weights that a layer gives are the binarised ones.
        weights = model.get_weights()
        model.set_weights(weights)
    shape = [None, *model.input_shape[1:]]
    tf2onnx.convert.from_keras(model, [tf.TensorSpec(shape, tf.float32, name="x")], opset=13,
                               output_path=str(onnx_path))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(sys.argv[1], sys.argv[2])
