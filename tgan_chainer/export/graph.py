"""Building an ONNX graph out of links: one method for each kind of layer."""

import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.version import __version__

import chainer

try:
    from onnx import TensorProto, checker, helper, numpy_helper
except ImportError as error:
    raise InputError("ONNX models need the package onnx; pip install onnx") from error

# Of 2022, so that runtimes of today and of some years ago know them; Resize has axes since opset 18.
OPSET, IR_VERSION = 18, 8
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


class Graph:
    """An ONNX graph in the making.

    Values are known by their names, as in ONNX itself: methods take such names and return the name of what
    they put out. Weights and nodes have the names that the links have in snapshots, such as
    ``temporal_generator/deconv1/W``.

    Args:
        network (~chainer.Chain): The network whose links are going to be written.
    """

    def __init__(self, network):
        self._paths = {id(link): path.lstrip("/") for path, link in network.namedlinks()}
        self._nodes, self._weights, self._inputs, self._outputs = [], {}, [], []
        self._numbers = {}

    def input(self, name, shape, dtype="float32", doc=""):
        """Add an input of the graph; a text in ``shape``, such as "N", stands for any size."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape, doc))
        return name

    def output(self, value, name, shape, doc=""):
        """Make a value an output of the graph."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape, doc))

    def apply(self, operator, *inputs, name=None, **attributes):
        """Add a node; inputs that are not names are constants. Returns the name of its first output."""
        inputs = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        output = name or self._new_name(operator)
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, value, name=None):
        """Add a weight, or numbers that an operator takes: whole ones become int64, others float32."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        name = name or self._new_name("constant")
        self._weights[name] = numpy_helper.from_array(array, name)
        return name

    def linear(self, link, x):
        """``chainer.links.Linear``: (N, ...) → (N, units)."""
        x = self.apply("Flatten", x)
        return self.apply("Gemm", x, *self._parameters(link, "W", "b"), name=self._paths[id(link)], transB=1)

    def convolution(self, link, x):
        """``ConvolutionND``: (N, C, ...) → (N, C', ...)."""
        return self._convolve("Conv", link, x)

    def deconvolution(self, link, x):
        """``DeconvolutionND`` of one, two or three axes."""
        return self._convolve("ConvTranspose", link, x)

    def batch_normalization(self, link, x):
        """``BatchNormalization`` by its running statistics, as in sampling."""
        size = len(link.avg_mean)
        values = {"gamma": np.ones(size), "beta": np.zeros(size)}
        for name in "gamma", "beta", "avg_mean", "avg_var":
            if getattr(link, name) is not None:
                values[name] = getattr(link, name)
        path = self._paths[id(link)]
        inputs = [self.constant(_to_numpy(value), f"{path}/{name}") for name, value in values.items()]
        return self.apply("BatchNormalization", x, *inputs, name=path, epsilon=link.eps)

    def reshape(self, x, *shape):
        """Change the shape: 0 keeps the size of that axis, -1 stands for what is left."""
        return self.apply("Reshape", x, list(shape))

    def model(self, doc, facts):
        """Return the finished model.

        Args:
            doc (str): What it computes.
            facts (dict): Texts to write into its metadata.

        Returns:
            onnx.ModelProto: Checked by ONNX's own checker.
        """
        graph = helper.make_graph(
            self._nodes, "graph", self._inputs, self._outputs, list(self._weights.values()), doc
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="tgan_chainer",
            producer_version=__version__,
        )
        helper.set_model_props(model, facts)
        checker.check_model(model)
        return model

    def _convolve(self, operator, link, x):
        kernel = link.W.shape[2:]
        stride, pad = (np.broadcast_to(size, len(kernel)).tolist() for size in (link.stride, link.pad))
        options = {"kernel_shape": kernel, "strides": stride, "pads": pad * 2}
        return self.apply(
            operator, x, *self._parameters(link, "W", "b"), name=self._paths[id(link)], **options
        )

    def _parameters(self, link, *names):
        """Add the parameters of a link that it has, and return their names."""
        given = [name for name in names if getattr(link, name) is not None]
        path = self._paths[id(link)]
        return [self.constant(_to_numpy(getattr(link, name)), f"{path}/{name}") for name in given]

    def _new_name(self, kind):
        self._numbers[kind] = self._numbers.get(kind, -1) + 1
        return f"{kind}_{self._numbers[kind]}"


def _to_numpy(parameter):
    array = parameter.array if isinstance(parameter, chainer.Parameter) else parameter
    return chainer.get_device("@numpy").send(array)
