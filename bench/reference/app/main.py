"""An app without weights for the reference server, so that its own time can be measured: reads, thresholds, restores, writes.

`seconds` in the params of a request stands for the time of a network; it holds the thread that serves, as a network does there.
"""

import logging
import time

from monai.transforms import EnsureChannelFirstd, LoadImaged
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.basic_infer import BasicInferTask
from monailabel.transform.post import Restored

logging.getLogger("monailabel").setLevel(logging.WARNING)


class Threshold(BasicInferTask):
    def __init__(self):
        super().__init__(path=None, network=None, type=InferType.SEGMENTATION, labels=["object"], dimension=3, description="a threshold")

    def is_valid(self):
        return True

    def pre_transforms(self, data=None):
        return [LoadImaged(keys="image", reader="ITKReader"), EnsureChannelFirstd(keys="image")]

    def inferer(self, data=None):
        return None

    def run_inferer(self, data, convert_to_batch=True, device="cpu"):
        time.sleep(float(data.get("seconds", 0)))
        data[self.output_label_key] = (data[self.input_key] > 115).float()
        return data

    def post_transforms(self, data=None):
        return [Restored(keys="pred", ref_image="image")]


class Weightless(MONAILabelApp):
    def __init__(self, app_dir, studies, conf):
        super().__init__(app_dir=app_dir, studies=studies, conf=conf, name="weightless", description="for measuring", version="1")

    def init_infers(self):
        return {"threshold": Threshold()}

    def init_trainers(self):
        return {}

    def init_strategies(self):
        return {}
