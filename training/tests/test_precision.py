import pytest
import torch

from limnet_training import precision


@pytest.mark.parametrize(("vnni", "amx"), [(False, False), (True, False), (False, True)])
def test_bf16_is_taken_where_the_cpu_has_it_and_only_there(monkeypatch, vnni, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vnni)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    with precision.mixed():
        out = torch.nn.Conv2d(1, 1, 3)(torch.zeros(1, 1, 8, 8))
    assert out.dtype == (torch.bfloat16 if vnni or amx else torch.float32)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")  # another version of PyTorch
    assert precision.has_bf16() is amx
