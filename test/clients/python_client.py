"""Drives a running server through every method of the client of the PyPI package `monailabel`; prints what came back as JSON.

python_client.py URL SCAN WORK [USER TOKEN]: SCAN is a volume to upload, WORK an empty folder.
"""

import json
import logging
import os
import sys
from pathlib import Path

from monailabel_client import load


def refused(call):
    """The message with which the client fails, or None where it does not."""
    try:
        call()
    except Exception as error:  # the client's own type carries a message only
        return str(getattr(error, "msg", error))
    return None


def main():
    url, scan, work = sys.argv[1:4]
    logging.disable(logging.CRITICAL)
    module = load()
    token = None

    def fresh():
        """As Slicer has it: a new client for every call. One that has uploaded before sends that body's type with the next one, and no server can read it then."""
        made = module.MONAILabelClient(url, tmpdir=work, client_id="reader-1")
        made.update_auth(token)
        return made

    client = fresh()
    out = {"auth_enabled": client.auth_enabled(), "auth_valid_before": client.auth_valid_token()}
    if out["auth_enabled"]:
        user, password = sys.argv[4:6]
        out["before_login"] = refused(client.info)
        out["wrong_password"] = refused(lambda: client.auth_token(user, "wrong"))
        token = client.auth_token(user, password)
        client.update_auth(token)
        out["auth_valid"] = client.auth_valid_token()

    out["info"] = client.info()
    out["upload"] = client.upload_image(scan, "uploaded scan")
    out["sample"] = client.next_sample("first", {})
    out["session"] = fresh().create_session(scan)
    session = out["session"]["session_id"]
    out["session_again"] = client.get_session(session)

    clicks = {"foreground": [[40, 50, 20]], "background": [], "label": "tumour", "result_extension": ".nrrd", "result_dtype": "uint8"}
    mask, params = client.infer("limnet", "uploaded scan", dict(clicks))
    out["infer"] = {"file": os.path.basename(mask), "bytes": os.path.getsize(mask), "params": params, "path": mask}
    mask2, _ = client.infer("limnet", "", dict(clicks), session_id=session)
    out["infer_session"] = {"bytes": os.path.getsize(mask2)}
    mask3, _ = client.infer("limnet", "", {**clicks, "result_extension": ".nii.gz"}, file=scan)
    out["infer_file"] = {"file": os.path.basename(mask3)}
    out["infer_unknown_model"] = refused(lambda: client.infer("nonsense", "uploaded scan", {}))
    out["infer_unknown_image"] = refused(lambda: client.infer("limnet", "no such image", dict(clicks)))
    out["infer_bad_click"] = refused(lambda: client.infer("limnet", "uploaded scan", {**clicks, "foreground": [[4000, 0, 0]]}))

    # A label with a name that has to be encoded, saved and fetched again.
    out["save"] = client.save_label("uploaded scan", mask, params={"label_info": [{"name": "tumour", "idx": 1}], "model": "limnet"})
    out["save_tagged"] = client.save_label("uploaded scan", mask, tag="version_1")
    fetched = client.download_label("uploaded scan", "final")
    out["download"] = {"suffix": "".join(Path(fetched).suffixes), "same": Path(fetched).read_bytes() == Path(mask).read_bytes()}
    out["datastore"] = client.datastore()

    out["train_running"] = client.train_status(check_if_running=True)
    out["train_status"] = refused(client.train_status)
    out["train_start"] = refused(lambda: client.train_start("limnet", {}))
    out["train_stop"] = refused(client.train_stop)
    out["wsi"] = refused(lambda: client.wsi_infer("limnet", "uploaded scan"))

    out["remove"] = client.remove_session(session)
    out["session_gone"] = refused(lambda: client.get_session(session))
    print(json.dumps(out))


main()
