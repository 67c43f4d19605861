"""Golden values of the few-shot head, computed by PyTorch in float64:
tests/golden/few_shot.json.

    pip install torch
    python tests/tools/golden_few_shot.py

Each case has the embeddings "x" (rows, width) of one episode, its support set first, the
gradient "dz" of the logits of its queries, and what PyTorch makes of them: the logits "z"
of the queries, the cross-entropy "loss" of each, and the gradient "dx" of the embeddings.
The formulas are written with whole tensors (cdist, cosine_similarity, logsumexp, softmax
over all pictures), not as the program has them.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

WAY, QUERIES, WIDTH = 4, 3, 6


def case(name: str, head: str, distance: str, shot: int, scale: float, bits: bool) -> dict:
    rng = torch.Generator().manual_seed(hash_of(name))
    rows = WAY * (shot + QUERIES)
    x = torch.randn(rows, WIDTH, generator=rng, dtype=torch.float64)
    # Numbers that 32-bit floats hold.
    x = (x > 0).double() if bits else (x * 256).round() / 256
    if bits:
        # An embedding without a 1 has no direction, and PyTorch's gradient there is an accident.
        x[:, 0] += (x.sum(1) == 0).double()
    x.requires_grad_(True)
    support, asked = x[: WAY * shot], x[WAY * shot:]
    targets = support.view(WAY, shot, WIDTH)
    if head == "prototypical":
        targets = targets.mean(1, keepdim=True)
    flat = targets.reshape(-1, WIDTH)
    if distance == "squared":
        similar = -((asked[:, None, :] - flat[None]) ** 2).sum(-1)
    else:
        similar = F.cosine_similarity(asked[:, None, :], flat[None], dim=-1)
    attention = F.log_softmax(scale * similar, dim=1).view(len(asked), WAY, -1)
    log_p = attention.logsumexp(-1)
    # The logits of the program are these up to a number for each row.
    z = (scale * similar).view(len(asked), WAY, -1).logsumexp(-1)
    labels = torch.arange(WAY).repeat_interleave(QUERIES)
    loss = F.nll_loss(log_p, labels, reduction="none")
    dz = torch.randn(z.shape, generator=rng, dtype=torch.float64)
    dz = (dz * 256).round() / 256
    z.backward(dz)
    return {
        "name": name, "head": head, "distance": distance, "shot": shot, "scale": scale,
        "way": WAY, "queries": QUERIES, "width": WIDTH,
        "x": x.detach().flatten().tolist(), "z": z.detach().flatten().tolist(),
        "loss": loss.detach().tolist(), "dz": dz.flatten().tolist(),
        "dx": x.grad.flatten().tolist(),
    }


def hash_of(name: str) -> int:
    return sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**31


def main() -> None:
    cases = []
    for head in ("matching", "prototypical"):
        for distance, scale in (("squared", 0.5), ("cosine", 10.0)):
            for shot in (1, 3):
                for bits in (False, True):
                    kind = "bits" if bits else "reals"
                    name = f"{head}-{distance}-{shot}-{kind}"
                    cases.append(case(name, head, distance, shot, scale, bits))
    path = Path(__file__).resolve().parents[1] / "golden" / "few_shot.json"
    path.write_text(json.dumps({"made_by": f"PyTorch {torch.__version__}", "cases": cases}) + "\n")
    print(f"{path}: {len(cases)} cases")


if __name__ == "__main__":
    main()
