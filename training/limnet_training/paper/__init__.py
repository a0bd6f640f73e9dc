"""The networks of the paper in their own layout, key for key that of the public checkpoints (specification 1.3, 1.4, 1.9, 2.1 to 2.8, 3.2).

Written from the specification. Images go in as 0..1; the ImageNet normalisation is a constant inside each network.
"""

from .quality import QualityResNet
from .ritm import ClickNet
from .xmem import XMem

NETWORKS = {
    "click": {
        "hrnet32": lambda: ClickNet(width=32, ocr_width=128),
        "hrnet18": lambda: ClickNet(width=18, ocr_width=64),
        "hrnet18s": lambda: ClickNet(width=18, ocr_width=48, small=True),
    },
    "propagation": {"base": XMem},
    "quality": {"resnet18": lambda: QualityResNet(18), "resnet50": lambda: QualityResNet(50)},
}


def make(kind: str, name: str):
    """make("click", "hrnet18s") -> a network with fresh weights."""
    return NETWORKS[kind][name]()
