"""bf16 where it wins: on CPUs with instructions for it. Elsewhere it is emulated, several times slower than fp32."""

import torch


def has_bf16() -> bool:
    """AVX512-BF16 or AMX. The same answer on every start of a machine, so that a resumed run computes what it would have computed."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask is not None and bool(ask()) for ask in asked)


def mixed() -> torch.autocast:
    """A block whose convolutions and products run in bf16 where that wins."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16())
