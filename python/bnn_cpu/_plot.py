"""Pictures of a run, as SVG."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _native
from ._flags import flags

if TYPE_CHECKING:
    from ._run import Run


class Picture:
    """A picture: a notebook shows it, `save` writes it, `svg` is its text.

    A picture of several files, such as one for each layer, shows them one below the other.
    """

    def __init__(self, files: dict[str, str]) -> None:
        #: The SVG of each file, by its name.
        self.files = files

    @property
    def svg(self) -> str:
        """The SVG of the first file."""
        return next(iter(self.files.values()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture; several files go into a folder of that name."""
        if len(self.files) == 1:
            Path(path).write_text(self.svg, encoding="utf-8")
            return
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")

    def _repr_html_(self) -> str:
        return "".join(
            f'<div style="max-width:60em;background:#fff">{text[text.find("<svg") :]}</div>'
            for text in self.files.values()
        )

    def __repr__(self) -> str:
        return f"<bnn_cpu picture: {', '.join(self.files)}>"


class Plot:
    """Pictures of a run, each as ``bnn-cpu plot`` draws it; keywords are its flags.

    Only `curves` draws a run that is not stored in a folder.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def _draw(self, kind: str, options: dict[str, Any]) -> Picture:
        if self._run.path is None:
            raise ValueError(
                f"{kind} needs a stored run; train with out= a folder (or leave out=False away)"
            )
        dataset = self._run.dataset
        held = None if dataset is None else dataset._native
        return _drawn(kind, [str(self._run.path)], options, held)

    def curves(self, **options: Any) -> Picture:
        """Losses and accuracies over the epochs."""
        if self._run.path is None and not options:
            name = self._run.config["model"]["name"]
            text = _native.curves(name, json.dumps(self._run.history.records))
            return Picture({"curves.svg": text})
        return self._draw("curves", options)

    def heatmap(self, **options: Any) -> Picture:
        """What each channel of a layer sees in one image of each class."""
        return self._draw("heatmap", options)

    def filters(self, **options: Any) -> Picture:
        """The weights of a convolution as pictures."""
        return self._draw("filters", options)

    def confusion(self, **options: Any) -> Picture:
        """Which classes are taken for which."""
        return self._draw("confusion", options)

    def mistakes(self, **options: Any) -> Picture:
        """The test images that are classified wrong."""
        return self._draw("mistakes", options)

    def maximise(self, **options: Any) -> Picture:
        """Images that excite each channel of a layer most, by gradient ascent."""
        return self._draw("maximise", options)

    def regions(self, **options: Any) -> Picture:
        """The patches of test images that excite each channel most."""
        return self._draw("regions", options)

    def histogram(self, **options: Any) -> Picture:
        """How a layer's activations are spread, or how often its bits fire."""
        return self._draw("histogram", options)

    def neighbours(self, **options: Any) -> Picture:
        """Nearest-neighbour accuracy in each layer's representation."""
        return self._draw("neighbours", options)


def _drawn(
    kind: str, runs: list[str], options: dict[str, Any], dataset: _native._Dataset | None
) -> Picture:
    with tempfile.TemporaryDirectory() as folder:
        # Curves have a light and a dark form in a folder; other kinds may be several pictures.
        place = {"out": os.path.join(folder, "curves.svg")}
        if kind != "curves":
            place = {"out": folder, "format": "svg"}
        given = [*flags({**place, **options}), "--quiet", "--json"]
        _native.command(["plot", kind, *runs, *given], None, dataset)
        files = sorted(Path(folder).rglob("*.svg"))
        return Picture({file.name: file.read_text(encoding="utf-8") for file in files})
