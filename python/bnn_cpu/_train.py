"""Trainings by name and settings."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from . import _data, _native
from ._data import Dataset
from ._flags import flags
from ._network import Network
from ._run import Run, load
from ._tell import Progress

#: Called with each event of a training; returning False ends it after the step.
Callback = Callable[[dict[str, Any]], Any]


class _StoppedError(Exception):
    """A callback has ended the training."""


def train(
    model: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    layout: str = "nchw",
    out: str | os.PathLike[str] | Literal[False] | None = None,
    resume: bool = False,
    force: bool = False,
    test: bool = True,
    callbacks: Iterable[Callback] = (),
    every_step: bool = False,
    progress: bool | None = None,
    threads: int | None = None,
    **settings: Any,
) -> Run:
    """Train a network, and test its best epoch once.

    ::

        run = bnn_cpu.train("seed-net", data="mnist", binary="both", estimator="st",
                            anneal="linear", epochs=10)
        run.test["accuracy"]

    Parameters
    ----------
    model
        The name of a preset, the path of a model file, or the object that one holds; by default
        ``"seed-net"``.
    data
        A `Dataset`; ``(images, labels)`` or ``(images, labels, test_images, test_labels)``; the
        name of a set such as ``"mnist"`` or ``"digits"``; or the path of anything that the
        program reads. By default MNIST, found or fetched.
    layout
        Of arrays: ``"nchw"`` or ``"nhwc"``.
    out
        The folder of the run; by default a new one in ``runs/``, as the program names it. False
        keeps the run in memory alone.
    resume
        Continue the run in ``out``: after Ctrl-C, a kill, or a callback that ended it.
    force
        Replace the run that ``out`` holds.
    test
        Whether to test; without, settings can be compared by validation images alone.
    callbacks
        Each is called with every event, a dict with ``"event"``: ``"begin"``, ``"step"`` (about
        ten a second, or with ``every_step`` each), ``"validating"``, ``"epoch"``, ``"warning"``,
        ``"testing"``, ``"test"``; its other keys are those that ``--json`` writes. One that
        returns False ends the training after the step; it can be resumed.
    progress
        Whether to show a bar (by tqdm, where it is installed, else a line an epoch); by default
        on a terminal and in a notebook.
    threads
        Threads to work on; results do not depend on them.
    settings
        Every flag of ``bnn-cpu train`` by its name: ``binary``, ``mode``, ``estimator``,
        ``anneal``, ``epochs``, ``batch``, ``optimizer``, ``lr``, ``seed``, ``recipe``,
        ``protocol``, ... An estimator other than ST takes its tuned recipe where nothing else is
        stated, as in the program; `Run.notes` says so.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        A setting that is impossible.
    bnn_cpu.Diverged
        The loss is no longer finite.
    KeyboardInterrupt
        Ctrl-C: the state is saved, and ``resume=True`` with the same ``out`` goes on.
    """
    given, named = _data.given(data, layout)
    callbacks = list(callbacks)
    shown = Progress(_is_watched() if progress is None else progress)

    def on(event: dict[str, Any]) -> None:
        if event["event"] == "warning":
            warnings.warn(event["message"], RuntimeWarning, stacklevel=4)
        shown(event)
        for callback in callbacks:
            if callback(event) is False:
                raise _StoppedError

    if resume:
        return _resumed(given, named, out, settings, test, on, every_step, shown, threads)
    if isinstance(model, Mapping):
        settings["model"] = _file_of(model)
    elif model is not None:
        settings["model"] = model
    stated = flags({**settings, **named})
    try:
        config, notes, dataset = _native.settle(stated, None if given is None else given._native)
    finally:
        if isinstance(model, Mapping):
            os.unlink(settings["model"])
    path = _folder(out, config)
    try:
        native, history, tested = _native.fit(
            config, dataset, path, False, force, not test, on, every_step, threads
        )
    except _StoppedError:
        raise KeyboardInterrupt(_ended(path)) from None
    finally:
        shown.close()
    return Run(
        json.loads(config),
        json.loads(history),
        None if tested is None else json.loads(tested),
        Network._of(native),
        path,
        Dataset._of(dataset) if given is None else given,
        notes,
    )


def _ended(path: Path | None) -> str:
    if path is None:
        return "a callback ended the training, which was kept in memory alone"
    return f"a callback ended the training; continue it with resume=True, out={str(path)!r}"


def _resumed(
    given: Dataset | None,
    named: dict[str, Any],
    out: str | os.PathLike[str] | Literal[False] | None,
    settings: dict[str, Any],
    test: bool,
    on: Callback,
    every_step: bool,
    shown: Progress,
    threads: int | None,
) -> Run:
    """Continue the run in that folder."""
    if not out:
        raise ValueError("resume needs out, the folder of the run to continue")
    if settings:
        raise ValueError(
            f"{', '.join(settings)}: a run that is resumed keeps its settings; leave them out"
        )
    path = Path(out)
    config, dataset = _native.stored(path, flags(named), None if given is None else given._native)
    try:
        _, _, _ = _native.fit(config, dataset, path, True, False, not test, on, every_step, threads)
    except _StoppedError:
        raise KeyboardInterrupt(_ended(path)) from None
    finally:
        shown.close()
    run = load(path)
    run.dataset = Dataset._of(dataset) if given is None else given
    return run


def _folder(out: str | os.PathLike[str] | Literal[False] | None, config: str) -> Path | None:
    if out is False:
        return None
    if out is None:
        return Path(_native.default_folder(config))
    return Path(out)


def _file_of(model: Mapping[str, Any]) -> str:
    """A network as a file, which the flag ``--model`` takes."""
    import tempfile

    handle, path = tempfile.mkstemp(suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(dict(model), file)
    return path


def _is_watched() -> bool:
    """Whether a person looks on: a terminal, or a notebook."""
    try:
        from IPython.core.getipython import get_ipython

        if get_ipython() is not None:
            return True
    except ImportError:
        pass
    return sys.stderr.isatty()
