#!/usr/bin/env python3
"""Write the weights of DNSMOS P.835 as `denoised train --opinion` reads them.

    python3 -m venv VENV && VENV/bin/pip install --no-deps speechmos==0.0.1.1 && VENV/bin/pip install numpy onnx safetensors
    VENV/bin/python opinion.py OUT.safetensors

They are Microsoft's, in the package speechmos (MIT): a network that estimates what listeners would say of a voice, its
background and the whole (Reddy, Gopal and Cutler, 2022).
"""
import importlib.util, os, sys

import numpy as np
import onnx
from safetensors.numpy import save_file

CONVOLUTIONS = ['conv2d'] + ['conv2d_%d' % n for n in range(1, 7)]
DENSE = ['dense', 'dense_1', 'dense_3']


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    package, = importlib.util.find_spec('speechmos').submodule_search_locations
    model = onnx.load(os.path.join(package, 'dnsmos_models', 'sig_bak_ovr.onnx'))
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    tensors = {'analysis': np.concatenate([found['time2freq/stft-%s/kernel:0' % part] for part in ('real', 'imag')])}
    for n, name in enumerate(CONVOLUTIONS):
        tensors['convolution.%d.weight' % n] = found[name + '/kernel:0']
        tensors['convolution.%d.bias' % n] = found[name + '/bias:0']
    for n, name in enumerate(DENSE):
        layer = 'mos_estimator_logpow/%s/%%s/ReadVariableOp/resource:0' % name
        tensors['dense.%d.weight' % n] = found[layer % 'MatMul'].T
        tensors['dense.%d.bias' % n] = found[layer % 'BiasAdd']
    save_file({name: np.ascontiguousarray(t, np.float32) for name, t in tensors.items()}, sys.argv[1])


if __name__ == '__main__':
    main()
