"""ONNX Runtime on networks of floats: in f32, and in int8 by its own static quantisation."""

import pathlib
import tempfile
from typing import Any, Callable, Iterator

import float_nets
import harness
from harness import Options

CALIBRATION = 1000


def check() -> None:
    import onnx  # noqa: F401
    import onnxruntime.quantization  # noqa: F401
    import torch  # noqa: F401  (trains the networks)


def shape(network: str) -> list[int]:
    """The shape of one image: a convolution reads rows and columns, a linear layer a row of pixels."""
    return [1, 28, 28] if float_nets.NETWORKS[network][0][0] == "conv" else [784]


def model(network: str, arrays: list[Any]) -> Any:
    """The network as ONNX: it reads floats from 0 to 255 in the shape that `shape` tells and gives ten scores."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, at, left, flat = [], [], "x", list(arrays), False

    def node(op: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [name], name=f"n{len(nodes)}", **attributes))
        return name

    layers = float_nets.NETWORKS[network]
    for place, (kind, out) in enumerate(layers):
        if kind == "pool":
            at = node("MaxPool", at, kernel_shape=[out, out], strides=[out, out])
            continue
        names = []
        for part in ("weight", "bias"):
            names.append(f"{part}{place}")
            tensors.append(numpy_helper.from_array(left.pop(0), names[-1]))
        if kind == "conv":
            at = node("Conv", at, *names, kernel_shape=[5, 5])
        else:
            at = at if flat or place == 0 else node("Flatten", at)
            at, flat = node("Gemm", at, *names, transB=1), True
        if place + 1 < len(layers):
            at = node("Relu", at)
    graph = helper.make_graph(nodes, network,
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape(network)])],
                              [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["n", 10])], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    return made


def reading_bytes(made: Any) -> Any:
    """The same model with bytes as its input.

    A model of floats begins with a cast. A quantised one begins with a quantisation of the pixels: where that
    has scale 1 and zero point 0 it changes nothing, and the bytes go past it.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = made.graph
    readers = [n for n in graph.node if "x" in n.input]
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    if len(readers) == 1 and readers[0].op_type == "QuantizeLinear":
        scale, zero = (constants[name] for name in readers[0].input[1:3])
        if float(scale) == 1.0 and int(zero) == 0 and zero.dtype == "uint8":
            for n in graph.node:
                for i, name in enumerate(n.input):
                    if name == readers[0].output[0]:
                        n.input[i] = "x"
            graph.node.remove(readers[0])
            graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
            checker.check_model(made)
            return made
    for n in readers:
        for i, name in enumerate(n.input):
            if name == "x":
                n.input[i] = "floats"
    graph.node.insert(0, helper.make_node("Cast", ["x"], ["floats"], name="cast", to=TensorProto.FLOAT))
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    checker.check_model(made)
    return made


def quantised(made: Any, pixels: Any, one: list[int]) -> Any:
    """ONNX Runtime's static quantisation: bytes for what flows, 7 bits for the weights, one scale a channel.

    Weights of 8 bits overflow the 16-bit sums of processors that have AVX2 but no VNNI; 7 are its
    documentation's advice there. The ranges come from training images, the first of which is set to hold
    both a 0 and a 255.
    """
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            taken = pixels[:CALIBRATION].astype("float32")
            taken[0, 0, :2] = 0.0, 255.0
            taken = taken.reshape(-1, *one)
            self.parts = iter([{"x": taken[i : i + 100]} for i in range(0, CALIBRATION, 100)])

        def get_next(self) -> Any:
            return next(self.parts, None)

    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder) / "f32.onnx", pathlib.Path(folder) / "int8.onnx"
        onnx.save(made, source)
        quantization.quantize_static(
            str(source), str(target), Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            reduce_range=True, activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8)
        return onnx.load(target)


def session(content: bytes, one: list[int]) -> Callable[[Any], Any]:
    """From bytes to classes."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = harness.THREADS, 1
    made = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    return lambda pixels: made.run(None, {"x": pixels.reshape(-1, *one)})[0].argmax(1)


def run(options: Options) -> Iterator[dict[str, Any]]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    data = harness.mnist()
    for network in harness.chosen(list(float_nets.NETWORKS), options):
        arrays, training = float_nets.trained(network, data, options)
        for kind in ("f32", "int8"):
            made = model(network, arrays)
            if kind == "int8":
                made = quantised(made, data.train, shape(network))
            made = reading_bytes(made)
            first = made.graph.node[0].op_type
            preparation = ("A cast to f32 is the graph's first step; the division by 255 is in the weights."
                           if first == "Cast" else "None: the quantised graph reads the bytes as they are.")
            content = made.SerializeToString()
            call = session(content, shape(network))
            yield harness.measured(f"onnxruntime {kind}", network, onnxruntime.__version__, call, len(content), data,
                                   options, preparation, "The ONNX file.", training)
