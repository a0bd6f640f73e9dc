"""A reader at work with the client of the PyPI package `monailabel` on the studies of an archive; prints what happened as JSON.

client.py label URL WORK: next sample, six rounds of clicks, save.
client.py again URL WORK IMAGE: finds the label of an earlier day, opens it and goes on from it.
"""

import hashlib
import json
import logging
import sys
from pathlib import Path

import numpy as np
import SimpleITK

sys.path.insert(0, str(Path(__file__).parent.parent / "clients"))
from monailabel_client import load  # noqa: E402 - found by the line above


def voxels(path):
    """Array [k, j, i] of a label file."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array != 0, dtype=np.uint8).tobytes()).hexdigest()


def main():
    what, url, work = sys.argv[1:4]
    logging.disable(logging.CRITICAL)
    module = load()

    def client():
        """As Slicer has it: a new client for every call."""
        return module.MONAILabelClient(url, tmpdir=work, client_id="reader-1")

    def infer(image, foreground, background, **more):
        params = {"foreground": foreground, "background": background, "label": "tumour", "result_extension": ".nrrd", "result_dtype": "uint8", **more}
        return client().infer("limnet", image, params)

    out = {}
    if what == "label":
        out["sample"] = client().next_sample("first", {})
        image = out["sample"]["id"]
        ni, nj, nk = out["sample"].get("dicom", {}).get("shape") or (0, 0, 0)
        if nk == 0:
            mask, _ = infer(image, [], [])
            nk, nj, ni = voxels(mask).shape
        foreground, background, rounds = [], [], []
        for n in range(6):
            click = [ni // 2 + n % 3, nj // 2 - n % 2, nk // 2 + (-1) ** n * n]
            if n == 4:
                background.append([2, 2, nk // 2])
            else:
                foreground.append(click)
            mask, params = infer(image, foreground, background)
            array = voxels(mask)
            rounds.append({
                "inside": all(array[k, j, i] == 1 for i, j, k in foreground), "outside": all(array[k, j, i] == 0 for i, j, k in background),
                "voxels": int((array != 0).sum()), "round": params["limnet"]["round"],
            })
        out.update(image=image, rounds=rounds, digest=digest(array), shape=list(array.shape))
        out["saved"] = client().save_label(image, mask, params={"label_info": [{"name": "tumour", "idx": 1}], "model": "limnet", "client_id": "reader-1"})
        out["next"] = client().next_sample("first", {}).get("id")
    else:
        image = sys.argv[4]
        out["datastore"] = client().datastore()["objects"][image]
        opened = client().download_label(image, "final")
        before = voxels(opened)
        out["digest"] = digest(before)
        same, _ = infer(image, [], [], start="final")
        out["start"] = digest(voxels(same))
        # One click more, where the object was not.
        k, j, i = (int(x) for x in np.argwhere(before == 0)[len(before.ravel()) // 3])
        mask, _ = infer(image, [[i, j, k]], [], start="final")
        after = voxels(mask)
        out["refined"] = {"clicked": int(after[k, j, i]), "changed": int((before != after).sum()), "kept": int(((before != 0) & (after != 0)).sum()), "before": int((before != 0).sum())}
    print(json.dumps(out))


main()
