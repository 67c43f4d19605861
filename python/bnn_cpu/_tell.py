"""What a person sees while a training is under way."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """A bar by tqdm where it is installed, else a line an epoch; nothing where it is off."""

    def __init__(self, show: bool) -> None:
        self._show = show
        self._bar: Any = None
        self._epochs = 0

    def __call__(self, event: dict[str, Any]) -> None:
        if not self._show:
            return
        kind = event["event"]
        if kind == "begin":
            self._epochs = event["epochs"]
            self._begin(event)
        elif kind == "step" and self._bar is not None:
            done = (event["epoch"] - 1) * event["steps"] + event["step"]
            self._bar.update(done - self._bar.n)
            self._bar.set_postfix_str(
                f"epoch {event['epoch']}/{event['epochs']}, loss {event['loss']:.4f}, "
                f"{event['img_per_s']:,.0f} img/s",
                refresh=False,
            )
        elif kind == "epoch":
            self._line(_epoch(event, self._epochs))
        elif kind == "test":
            self.close()
            print(
                f"test of epoch {event['epoch']}: loss {event['loss']:.4f}, "
                f"accuracy {100 * event['accuracy']:.2f} %",
                file=sys.stderr,
            )

    def _begin(self, event: dict[str, Any]) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        steps = event["steps"]
        self._bar = tqdm(
            total=event["epochs"] * steps, initial=(event["epoch"] - 1) * steps, unit="step"
        )

    def _line(self, text: str) -> None:
        if self._bar is None:
            print(text, file=sys.stderr)
        else:
            self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _epoch(event: dict[str, Any], epochs: int) -> str:
    text = f"epoch {event['epoch']}/{epochs}: loss {event['train_loss']:.4f}"
    if event.get("val_accuracy") is not None:
        text += f", validation {event['val_loss']:.4f}, {100 * event['val_accuracy']:.2f} %"
    return text + f", {event['img_per_s']:,.0f} img/s"
