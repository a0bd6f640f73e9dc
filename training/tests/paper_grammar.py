"""Key grammars of the public checkpoints, spelled out from sections 1.9 and 2.8 of the specification, without the networks: {key: shape}."""

import math
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SIZES = {"hrnet32": (32, 128, 4, 4, 3), "hrnet18": (18, 64, 4, 4, 3), "hrnet18s": (18, 48, 2, 3, 2)}  # w, o, b, m3, m4


class Grammar(dict):
    def conv(self, name, *shape, bias=False):
        self[f"{name}.weight"] = shape
        if bias:
            self[f"{name}.bias"] = shape[:1]

    def bn(self, name, channels):
        self.update({f"{name}.{k}": (channels,) for k in ("weight", "bias", "running_mean", "running_var")})
        self[f"{name}.num_batches_tracked"] = ()

    def conv_bn(self, name, *shape, bn="1", bias=False):
        self.conv(f"{name}.0", *shape, bias=bias)
        self.bn(f"{name}.{bn}", shape[0])

    def blocks(self, name, count, a, width, kernels):
        """`count` residual blocks; kernels (3, 3) basic, (1, 3, 1) bottleneck."""
        b = width * (4 if len(kernels) == 3 else 1)
        for k in range(count):
            i = a if k == 0 else b
            for n, kernel in enumerate(kernels, 1):
                o = b if n == len(kernels) else width
                self.conv(f"{name}.{k}.conv{n}", o, i, kernel, kernel)
                self.bn(f"{name}.{k}.bn{n}", o)
                i = o
            if k == 0 and a != b:
                self.conv_bn(f"{name}.0.downsample", b, a, 1, 1)


def click(name="hrnet32", maps=3):
    w, o, b, m3, m4 = SIZES[name]
    g, fe = Grammar(), "feature_extractor."
    widths = [w, 2 * w, 4 * w, 8 * w]
    g.conv("maps_transform.0", 16, maps, 1, 1, bias=True)
    g.conv("maps_transform.2", 64, 16, 3, 3, bias=True)
    g["maps_transform.3.scale"] = (1,)
    for n, i in ((1, 3), (2, 64)):
        g.conv(f"{fe}conv{n}", 64, i, 3, 3)
        g.bn(f"{fe}bn{n}", 64)
    g.blocks(f"{fe}layer1", b, 64, 64, (1, 3, 1))
    g.conv_bn(f"{fe}transition1.0", w, 256, 3, 3)
    g.conv_bn(f"{fe}transition1.1.0", 2 * w, 256, 3, 3)
    g.conv_bn(f"{fe}transition2.2.0", 4 * w, 2 * w, 3, 3)
    g.conv_bn(f"{fe}transition3.3.0", 8 * w, 4 * w, 3, 3)
    for stage, modules in ((2, 1), (3, m3), (4, m4)):
        for m in range(modules):
            for i in range(stage):
                g.blocks(f"{fe}stage{stage}.{m}.branches.{i}", b, widths[i], widths[i], (3, 3))
                for j in range(stage):
                    path = f"{fe}stage{stage}.{m}.fuse_layers.{i}.{j}"
                    if j > i:
                        g.conv_bn(path, widths[i], widths[j], 1, 1)
                    for c in range(i - j):
                        g.conv_bn(f"{path}.{c}", widths[i] if c == i - j - 1 else widths[j], widths[j], 3, 3)
    c, mid = 15 * w, 2 * o
    g.conv_bn(f"{fe}conv3x3_ocr", mid, c, 3, 3, bias=True)
    block = f"{fe}ocr_distri_head.object_context_block."
    for query in ("f_pixel", "f_object"):
        g.conv_bn(block + query, o, mid, 1, 1, bn="1.0")
        g.conv(f"{block}{query}.2", o, o, 1, 1)
        g.bn(f"{block}{query}.3.0", o)
    g.conv_bn(f"{block}f_down", o, mid, 1, 1, bn="1.0")
    g.conv_bn(f"{block}f_up", mid, o, 1, 1, bn="1.0")
    g.conv_bn(f"{fe}ocr_distri_head.conv_bn_dropout", mid, 2 * mid, 1, 1, bn="1.0")
    g.conv(f"{fe}cls_head", 1, mid, 1, 1, bias=True)
    g.conv_bn(f"{fe}aux_head", c, c, 1, 1, bias=True)
    g.conv(f"{fe}aux_head.3", 1, c, 1, 1, bias=True)
    return dict(g)


def xmem(key=64, value=512, hidden=64, masks=2):
    g = Grammar()

    def res(name, a, b):
        g.conv(f"{name}.conv1", b, a, 3, 3, bias=True)
        g.conv(f"{name}.conv2", b, b, 3, 3, bias=True)
        if a != b:
            g.conv(f"{name}.downsample", b, a, 3, 3, bias=True)

    def fuser(name, a, b, mid, out):
        res(f"{name}.block1", a + b, mid)
        g.conv(f"{name}.attention.ChannelGate.mlp.1", mid // 16, mid, bias=True)
        g.conv(f"{name}.attention.ChannelGate.mlp.3", mid, mid // 16, bias=True)
        g.conv(f"{name}.attention.SpatialGate.spatial.conv", 1, 2, 7, 7, bias=True)
        res(f"{name}.block2", mid, out)

    g.conv("key_encoder.conv1", 64, 3, 7, 7)
    g.bn("key_encoder.bn1", 64)
    for name, count, a, width in (("res2", 3, 64, 64), ("layer2", 4, 256, 128), ("layer3", 6, 512, 256)):
        g.blocks(f"key_encoder.{name}", count, a, width, (1, 3, 1))
    for name, out in (("key_proj", key), ("d_proj", 1), ("e_proj", key)):
        g.conv(f"key_proj.{name}", out, 1024, 3, 3, bias=True)
    g.conv("value_encoder.conv1", 64, 3 + masks, 7, 7)
    g.bn("value_encoder.bn1", 64)
    for name, a, width in (("layer1", 64, 64), ("layer2", 64, 128), ("layer3", 128, 256)):
        g.blocks(f"value_encoder.{name}", 2, a, width, (3, 3))
    fuser("value_encoder.fuser", 1024, 256, value, value)
    fuser("decoder.fuser", 1024, value + hidden, 512, 512)
    for name, skip, a, b in (("up_16_8", 512, 512, 256), ("up_8_4", 256, 256, 256)):
        g.conv(f"decoder.{name}.skip_conv", a, skip, 3, 3, bias=True)
        res(f"decoder.{name}.out_conv", a, b)
    g.conv("decoder.pred", 1, 256, 3, 3, bias=True)
    if hidden:
        g.conv("value_encoder.hidden_reinforce.transform", 3 * hidden, value + hidden, 3, 3, bias=True)
        for name, a in (("g16_conv", 512), ("g8_conv", 256), ("g4_conv", 257)):
            g.conv(f"decoder.hidden_update.{name}", 256, a, 1, 1, bias=True)
        g.conv("decoder.hidden_update.transform", 3 * hidden, 256 + hidden, 3, 3, bias=True)
    return dict(g)


def resnet(depth=18, outputs=1000):
    """torchvision's resnet18 and resnet50, in the order of their state dictionaries."""
    g = Grammar()
    kernels, counts, last = ((3, 3), (2, 2, 2, 2), 512) if depth == 18 else ((1, 3, 1), (3, 4, 6, 3), 2048)
    g.conv("conv1", 64, 3, 7, 7)
    g.bn("bn1", 64)
    a = 64
    for n, (count, width) in enumerate(zip(counts, (64, 128, 256, 512)), 1):
        g.blocks(f"layer{n}", count, a, width, kernels)
        a = width * (4 if depth == 50 else 1)
    g.conv("fc", outputs, last, bias=True)
    return dict(g)


def hollow(grammar):
    """Tensors of the right shapes that share one number: quick to make, to save and to load."""
    return {k: torch.zeros((), dtype=torch.int64 if k.endswith("num_batches_tracked") else torch.float32).expand(s) for k, s in grammar.items()}


def lively(grammar, seed=0):
    """Weights that keep signals near 1 and batch norms that matter, so that a wrong layer shows in the output."""
    torch.manual_seed(seed)
    state = {}
    for k, s in grammar.items():
        if k.endswith("num_batches_tracked"):
            state[k] = torch.tensor(7)
        elif k.endswith("running_var"):
            state[k] = torch.empty(s).uniform_(0.7, 1.3)
        elif len(s) > 1:
            state[k] = torch.randn(s) * math.sqrt(2 / math.prod(s[1:]))
        elif k.endswith(".weight"):
            state[k] = torch.empty(s).uniform_(0.4, 0.9)
        else:
            state[k] = torch.randn(s) * 0.1
    return state


def ritm_config(name="hrnet32", **changes):
    w, o, b, *_ = SIZES[name]
    values = {"width": w, "ocr_width": o, "small": b == 2, "with_aux_output": True, "use_leaky_relu": True, "use_rgb_conv": False, "use_disks": True,
              "norm_radius": 5, "with_prev_mask": True, "binary_prev_mask": False, "norm_mean_std": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
              **changes}
    params = {k: {"type": "builtin", "value": v, "specified": True} for k, v in values.items()}
    params["norm_layer"] = {"type": "class", "value": "torch.nn.modules.batchnorm.BatchNorm2d", "specified": False}
    return {"class": "somewhere.model.HRNetModel", "params": params}
