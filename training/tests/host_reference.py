"""What the runtime does around the propagation networks, written a second time and plainly, from the specification (2.5 to 2.7): one direction from
one prompt, the whole slice as region. The TypeScript engine is held against it (test/networks)."""

import torch

from limnet_training import maps, nets
from limnet_training.paper.xmem import aggregate

T_MIN, T_MAX, PROTOTYPES, TOP_K = 5, 10, 128, 30


class Memory:
    """The prompt for good, working slices, long-term prototypes; elements as columns."""

    def __init__(self, prompt):
        self.prompt, self.working = prompt, []
        self.long = [torch.zeros(prompt[0].shape[0], 0), torch.zeros(1, 0), torch.zeros(prompt[2].shape[0], 0)]
        self.use, self.life = torch.zeros(0), torch.zeros(0)  # of long-term and working elements

    def append(self, entry):
        """entry: key [C,hw], shrinkage [1,hw], value [V,hw], selection [C,hw]"""
        self.working.append(entry)
        hw = entry[0].shape[1]
        self.use = torch.cat([self.use, torch.zeros(hw)])
        self.life = torch.cat([self.life, torch.full((hw,), 1e-7)])
        if len(self.working) >= T_MAX - 1:
            self.consolidate(hw)

    def consolidate(self, hw):
        old, self.working = self.working[: -(T_MIN - 1)], self.working[-(T_MIN - 1) :]
        key, shrinkage, value, selection = (torch.cat([e[n] for e in old], 1) for n in range(4))
        start, count = self.long[0].shape[1], key.shape[1]
        score = (self.use / self.life)[start : start + count]
        chosen = torch.sort(score, descending=True, stable=True).indices[:PROTOTYPES]
        s = nets.similarity(key[None], shrinkage[None], key[None, :, chosen], selection[None, :, chosen])[0]
        w = s.softmax(0)
        self.long = [torch.cat([a, b], 1) for a, b in zip(self.long, (key[:, chosen], shrinkage @ w, value @ w))]
        new = len(chosen)
        self.use = torch.cat([self.use[:start], torch.zeros(new), self.use[start + count :]])
        self.life = torch.cat([self.life[:start], torch.full((new,), 1e-7), self.life[start + count :]])

    def read(self, key, selection):
        parts = [self.prompt, self.long, *self.working]
        mk, ms, mv = (torch.cat([p[n] for p in parts], 1) for n in range(3))
        s = nets.similarity(mk[None], ms[None], key[None], selection[None])[0]
        top, index = s.topk(min(TOP_K, s.shape[0]), dim=0)
        w = torch.zeros_like(s).scatter_(0, index, top.softmax(0))
        fixed = self.prompt[0].shape[1]
        self.use = self.use + w[fixed:].sum(1)
        self.life = self.life + 1
        return mv @ w


def flat(t):
    return t[0].flatten(1)


@torch.no_grad()
def run_xmem(net, images, prompt, every=5):
    """images [T,H,W] 0..1, prompt [H,W] 0 or 1 of image 0 -> probabilities of images 1 …, and how often the memory was consolidated."""
    grey = lambda t: images[t][None, None].expand(1, 3, -1, -1)  # noqa: E731
    rows, cols = images.shape[1:]
    others = torch.zeros(1, 1, rows, cols)
    h = torch.zeros(1, net.dims["hidden"], rows // 16, cols // 16)
    f16, _, _, k, s, e = net.encode_key(grey(0))
    value, h = net.encode_value(grey(0), aggregate(torch.logit(prompt[None, None], eps=1e-7)), others, f16, h)
    memory = Memory([flat(k), flat(s), flat(value)])
    out, last, long = [], 0, 0
    for t in range(1, len(images)):
        f16, f8, f4, k, s, e = net.encode_key(grey(t))
        readout = memory.read(flat(k), flat(e)).reshape(1, -1, *k.shape[2:])
        logits, normal = net.decode(f16, f8, f4, readout, h)
        p = aggregate(logits)
        out.append(p[0, 0])
        if t - last >= every and t < len(images) - 1 and bool((p >= 0.5).any()):
            value, h = net.encode_value(grey(t), p, others, f16, h)
            memory.append([flat(k), flat(s), flat(value), flat(e)])
            last = t
        else:
            h = normal
        long = memory.long[0].shape[1]
    return torch.stack(out), long


@torch.no_grad()
def run_lite(net, images, prompt, every=3):
    """The same for the lite layout."""
    image = lambda t: images[t][None, None]  # noqa: E731
    f8, k, s, e = net.key(image(0))
    previous = prompt
    memory = Memory([flat(k), flat(s), flat(net.value(image(0), prompt[None, None], f8))])
    out, last = [], 0
    for t in range(1, len(images)):
        f8, k, s, e = net.key(image(t))
        readout = memory.read(flat(k), flat(e)).reshape(1, -1, *k.shape[2:])
        m = maps.neighbour_maps(maps.smooth(images[t].numpy()), previous.numpy(), maps.smooth(images[t - 1].numpy()))
        logits, presence = net.decode(image(t), image(t - 1), torch.from_numpy(m)[None], readout)
        assert torch.sigmoid(presence).item() > 0.6
        previous = torch.sigmoid(logits)[0, 0]
        out.append(previous)
        if t - last >= every and t < len(images) - 1 and bool((previous >= 0.5).any()):
            memory.append([flat(k), flat(s), flat(net.value(image(t), previous[None, None], f8)), flat(e)])
            last = t
    return torch.stack(out), memory.long[0].shape[1]
