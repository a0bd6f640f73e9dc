"""The picture of a run's log."""

import json

import cv2
import numpy as np
import pytest

from limnet_training import curves


def log(run, tail=""):
    run.mkdir()
    rows = [{"step": 50 * n, "hours": n / 10, "focal": 1 / n, "dice": 0.5, "iou": 0.5, "norm": 1.0, "rate": 0.7} for n in range(1, 9)]
    rows.insert(4, {"step": 200, "hours": 0.4, "val": {"score": 0.6, "sts": [0.5, 0.7], "hippocampus": {"one": 0.4, "three": 0.6}}})
    rows.append({"step": 300, "hours": 0.9, "focal": 0.2, "dice": 0.4, "iou": 0.6, "norm": 1.0, "rate": 0.7})  # went back to the trunk
    (run / "log.jsonl").write_text("\n".join(json.dumps(r) for r in rows) + tail)
    return rows


def test_a_log_becomes_a_picture(tmp_path):
    log(tmp_path / "a")
    log(tmp_path / "b", '\n{"step": 350, "hou')  # being written
    curves.main([str(tmp_path / "a")])
    curves.main([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "both.png")])
    one, two = cv2.imread(str(tmp_path / "a" / "curves.png")), cv2.imread(str(tmp_path / "both.png"))
    assert two.shape[0] == 2 * one.shape[0] and one.std() > 5


def test_a_folder_without_a_log_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        curves.main([str(tmp_path)])
    assert "has no log.jsonl" in capsys.readouterr().err


def test_series_have_a_gap_where_a_run_went_back_and_smoothing_does_not_cross_it(tmp_path):
    rows = log(tmp_path / "a")
    x, y = curves.series(rows, lambda r: r.get("dice"))
    assert x[-3:].tolist() == [400, 400, 300] and np.isnan(y[-2]) and np.isfinite(np.delete(y, -2)).all()
    s = curves.smoothed(y)
    assert s[:-2] == pytest.approx(0.5) and np.isnan(s[-2]) and s[-1] == pytest.approx(0.4)
