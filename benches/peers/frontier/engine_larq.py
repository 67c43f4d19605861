"""Larq Compute Engine: a network with binary weights and activations, trained with larq and run by its interpreter."""

import json
import os
import pathlib
import warnings
from typing import Any, Callable, Iterator

import harness
from harness import Mnist, Options

# The channels of the three first convolutions. Multiples of 32 are what its bits are packed by.
NETWORKS = {"binary-32-64-64": (32, 64, 64), "binary-32-32-32": (32, 32, 32)}
EPOCHS = 12


def quiet() -> None:
    """larq needs the Keras of TensorFlow 2, which is the package tf_keras; this is said before TensorFlow is loaded."""
    os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    warnings.filterwarnings("ignore")


def check() -> None:
    quiet()
    import larq  # noqa: F401
    import larq_compute_engine  # noqa: F401
    from larq_compute_engine.tflite.python import interpreter_wrapper_lite  # noqa: F401


def net_of(network: str, batch: int | None) -> Any:
    """Four convolutions of 3x3 without padding; all weights are -1 or 1, and all but the pixels are so as well.

    The last convolution stands for a linear layer: the engine has no binary one. Pixels go from 0 to 255, for
    the batch norm behind the first convolution takes up their scale.
    """
    import larq
    import tensorflow

    keras = tensorflow.keras

    def convolution(out: int, binary_input: bool, at: Any) -> Any:
        return larq.layers.QuantConv2D(
            out, 3, input_quantizer="ste_sign" if binary_input else None, kernel_quantizer="ste_sign",
            kernel_constraint="weight_clip", use_bias=False)(at)

    first, second, third = NETWORKS[network]
    begin = keras.Input((28, 28, 1), batch_size=batch)
    at = begin
    for place, out in enumerate((first, second, third, 10)):
        at = convolution(out, place > 0, at)
        if place < 2:
            at = keras.layers.MaxPool2D(2)(at)
        at = keras.layers.BatchNormalization(momentum=0.95, scale=False)(at)
    return keras.Model(begin, keras.layers.Flatten()(at))


def fit(network: str, data: Mnist, options: Options, epochs: int, path: pathlib.Path) -> dict[str, Any]:
    """Adam, batches of 128, its step going down to nothing along a cosine; keeps the converted best epoch."""
    import larq_compute_engine
    import numpy
    import tensorflow

    keras = tensorflow.keras
    tensorflow.get_logger().setLevel("ERROR")
    tensorflow.config.threading.set_intra_op_parallelism_threads(harness.THREADS)
    keras.utils.set_random_seed(harness.SEED)
    net = net_of(network, None)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(data.train) // 128))
    net.compile(keras.optimizers.Adam(schedule), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = data.train.astype("float32")[..., None], data.train_labels.astype("int64")
    valid = data.valid.astype("float32")[..., None]

    def epoch(_: int, __: float) -> float:
        net.fit(x, y, batch_size=128, epochs=1, verbose=0)
        found = net.predict(valid, batch_size=500, verbose=0).argmax(1)
        return float(numpy.mean(found == data.valid_labels))

    def keep() -> None:
        fixed = net_of(network, harness.BATCH)
        fixed.set_weights(net.get_weights())
        path.write_bytes(larq_compute_engine.convert_keras_model(fixed))

    return harness.train(network, epochs, options, epoch, keep)


def ready(content: bytes) -> Callable[[Any], Any]:
    """From bytes to classes.

    The documented interpreter takes one image at a time; the object that it wraps takes the whole batch. Its
    indirect kernel for binary convolutions and XNNPACK for the others were the fastest of its settings.
    """
    from larq_compute_engine.tflite.python import interpreter_wrapper_lite

    made = interpreter_wrapper_lite.LiteInterpreter(content, harness.THREADS, False, True, True)
    return lambda pixels: made.predict([pixels.astype("float32")[..., None]])[0].argmax(1)


def run(options: Options) -> Iterator[dict[str, Any]]:
    quiet()
    import importlib.metadata

    data = harness.mnist()
    for network in harness.chosen(list(NETWORKS), options):
        epochs = options.epochs or EPOCHS
        path = harness.stem(network, epochs, options)
        file, about = path.with_name(path.name + ".tflite"), path.with_name(path.name + ".json")
        if not about.exists():
            about.write_text(json.dumps(fit(network, data, options, epochs, file)) + "\n")
        content = file.read_bytes()
        yield harness.measured(
            "larq compute engine", network, importlib.metadata.version("larq-compute-engine"), ready(content),
            len(content), data, options, "numpy turns the bytes into f32; the batch norm takes up their scale.",
            "The converted flatbuffer.", json.loads(about.read_text()))
