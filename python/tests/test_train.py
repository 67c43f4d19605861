"""Trainings: settings, records, callbacks, interruption, resume, the program's own bits."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnn_cpu

ADAM = {"optimizer": "adam", "lr": 0.005, "epochs": 3}


def test_a_training_from_arrays_learns(digits: bnn_cpu.Dataset) -> None:
    (x, y), (tx, ty) = digits.train, digits.test
    run = bnn_cpu.train("seed-net", data=(x, y, tx, ty), out=False, progress=False, **ADAM)
    assert run.accuracy is not None and run.accuracy > 0.5
    assert run.test is not None and run.test["images"] == len(ty)
    assert list(run.history["epoch"]) == [1, 2, 3]
    assert run.history["train_loss"][-1] < run.history["train_loss"][0]
    predicted = run.network.predict(tx)
    assert np.mean(predicted == ty) == pytest.approx(run.accuracy)


def test_every_layout_and_type_is_the_same_data(digits: bnn_cpu.Dataset) -> None:
    x, y = digits.train
    flat = bnn_cpu.Dataset(x[:, 0], y, test=digits.test)
    last = bnn_cpu.Dataset(
        np.moveaxis(x, 1, 3),
        y,
        test=(np.moveaxis(digits.test.images, 1, 3), digits.test.labels),
        layout="nhwc",
    )
    floats = bnn_cpu.Dataset(
        x.astype(np.float32) / 255, y, test=(digits.test.images / 255.0, digits.test.labels)
    )
    assert {flat.sha256, last.sha256, floats.sha256} == {digits.sha256}


def test_test_images_are_held_out_by_content(digits: bnn_cpu.Dataset) -> None:
    x, y = digits.train
    one = bnn_cpu.Dataset(x, y)
    order = np.random.default_rng(1).permutation(len(x))
    two = bnn_cpu.Dataset(x[order], y[order])

    def images(d: bnn_cpu.Dataset) -> set[bytes]:
        return {image.tobytes() for image in d.test.images}

    assert images(one) == images(two)
    assert len(one.test.labels) == pytest.approx(len(x) / 10, abs=5)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (np.zeros((4, 5, 5), np.float32) + 0.3333, [0, 1, 0, 1], "no pixel"),
        (np.zeros((4, 5, 5), np.int64) - 1, [0, 1, 0, 1], "no pixel"),
        (np.full((4, 5, 5), np.nan), [0, 1, 0, 1], "no pixel"),
        (np.zeros((4, 5)), [0, 1, 0, 1], "dimensions"),
        (np.zeros((4, 5, 5)), [0, 1, 0], "labels"),
        (np.zeros((4, 5, 5)), [0, 1, 0, -1], "from 0"),
        (np.zeros((4, 5, 5)), [0.0, 1.0, 0.0, 1.0], "integers"),
        (np.array([["a"]]), [0], "dimensions"),
    ],
)
def test_data_that_do_not_fit_are_refused_in_one_line(images: Any, labels: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says) as error:
        bnn_cpu.Dataset(images, labels)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"lr": -1}, "lr"),
        ({"lrate": 1}, "lrate"),
        ({"estimator": "nope"}, "nope"),
        ({"epochs": 0}, "epochs"),
        ({"optimizer": "sgd", "beta1": 0.5}, "beta1"),
    ],
)
def test_settings_that_are_impossible_are_value_errors(
    digits: bnn_cpu.Dataset, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as error:
        bnn_cpu.train("seed-net", data=digits, out=False, **settings)
    text = str(error.value)
    assert len(text.splitlines()) == 1
    assert "--lr-schedule" not in text


def test_an_estimator_takes_its_recipe_as_in_the_program(digits: bnn_cpu.Dataset) -> None:
    run = bnn_cpu.train(
        "mlp", data=digits, mode="stoch", estimator="disarm", epochs=1, out=False, progress=False
    )
    assert any("estimator-disarm" in note for note in run.notes)
    assert run.config["optimiser"]["name"] == "adam"


def test_callbacks_hear_every_event(digits: bnn_cpu.Dataset) -> None:
    heard: list[str] = []
    bnn_cpu.train(
        "mlp",
        data=digits,
        epochs=2,
        out=False,
        progress=False,
        every_step=True,
        callbacks=[lambda event: heard.append(event["event"])],
    )
    assert heard[0] == "begin" and heard[-1] == "test"
    assert heard.count("epoch") == 2
    # 540 of 600 images in batches of 64.
    assert heard.count("step") == 2 * 9


def test_an_exception_of_a_callback_ends_the_training(digits: bnn_cpu.Dataset) -> None:
    def failing(event: dict[str, Any]) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        bnn_cpu.train("mlp", data=digits, out=False, progress=False, callbacks=[failing])


def test_a_training_that_was_stopped_resumes_to_the_same_bits(
    digits: bnn_cpu.Dataset, tmp_path: Path
) -> None:
    whole = bnn_cpu.train("mlp", data=digits, out=tmp_path / "whole", progress=False, **ADAM)
    part = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt, match="resume"):
        bnn_cpu.train(
            "mlp",
            data=digits,
            out=part,
            progress=False,
            every_step=True,
            callbacks=[lambda e: not (e["event"] == "step" and e["epoch"] == 2 and e["step"] == 4)],
            **ADAM,
        )
    again = bnn_cpu.train(data=digits, out=part, resume=True, progress=False)
    for name, array in whole.network.parameters.items():
        assert np.array_equal(array, again.network.parameters[name]), name
    assert again.test == whole.test or again.accuracy == whole.accuracy
    assert list(again.history["train_loss"]) == list(whole.history["train_loss"])


def test_threads_do_not_change_a_bit(digits: bnn_cpu.Dataset) -> None:
    settings = {"data": digits, "out": False, "progress": False, **ADAM, "epochs": 1}
    runs = [bnn_cpu.train("seed-net", threads=n, **settings) for n in (1, 3)]
    for name, array in runs[0].network.parameters.items():
        assert np.array_equal(array, runs[1].network.parameters[name]), name


def test_the_program_trains_to_the_same_bits(digits: bnn_cpu.Dataset, tmp_path: Path) -> None:
    for part, (x, y) in {"train": digits.train, "test": digits.test}.items():
        np.save(tmp_path / f"{part}_images.npy", x[:, 0])
        np.save(tmp_path / f"{part}_labels.npy", y)
    out = tmp_path / "run"
    flags = ["--model", "mlp", "--data", str(tmp_path), "--epochs", "1", "--seed", "7"]
    program = [sys.executable, "-m", "bnn_cpu", "train", *flags, "--out", str(out), "--quiet"]
    subprocess.run(program, check=True, capture_output=True)
    stored = bnn_cpu.load(out)
    run = bnn_cpu.train("mlp", data=tmp_path, epochs=1, seed=7, out=False, progress=False)
    assert run.accuracy == stored.accuracy
    for name, array in run.network.parameters.items():
        assert np.array_equal(array, stored.network.parameters[name]), name


def test_stored_runs_open_pack_plot_and_pickle(
    run: bnn_cpu.Run, digits: bnn_cpu.Dataset, tmp_path: Path
) -> None:
    opened = bnn_cpu.load(str(run.path))
    assert opened.test is not None and opened.test == json.loads(json.dumps(run.test))
    packed, memory = opened.pack(), opened.network.pack()
    images = digits.test.images
    assert np.array_equal(packed.logits(images), memory.logits(images))
    assert "<svg" in opened.plot.curves().svg
    copy = pickle.loads(pickle.dumps(run))
    assert np.array_equal(copy.network.forward(images), run.network.forward(images))
    assert "<table" in run._repr_html_()
    # Pictures of images find those that the run was trained on, which no file holds.
    assert "<svg" in run.plot.confusion().svg
    maps = run.plot.heatmap()
    assert all("<svg" in text for text in maps.files.values()) and maps.files
    picture = run.plot.curves()
    picture.save(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text().startswith("<")


def test_a_run_in_memory_draws_its_curves_and_says_what_it_cannot(digits: bnn_cpu.Dataset) -> None:
    run = bnn_cpu.train("mlp", data=digits, epochs=1, out=False, progress=False)
    assert "<svg" in run.plot.curves().svg
    with pytest.raises(ValueError, match="stored run"):
        run.plot.confusion()


def test_missing_and_damaged_runs_are_told_apart(run: bnn_cpu.Run, tmp_path: Path) -> None:
    with pytest.raises((OSError, bnn_cpu.Error), match="nothing"):
        bnn_cpu.load(tmp_path / "nothing")
    assert run.path is not None
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in run.path.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    config = (copy / "config.json").read_bytes()
    (copy / "config.json").write_bytes(config.replace(b'"seed"', b'"sead"'))
    with pytest.raises(bnn_cpu.Error):
        bnn_cpu.load(copy)


def test_a_loss_that_is_not_finite_is_an_error_of_its_own(digits: bnn_cpu.Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(bnn_cpu.Diverged):
            bnn_cpu.train("mlp", data=digits, binary="none", lr=1e38, out=False, progress=False)


def test_a_progress_line_an_epoch_where_there_is_no_tqdm(
    digits: bnn_cpu.Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    bnn_cpu.train("mlp", data=digits, epochs=2, out=False, progress=True)
    err = capsys.readouterr().err
    assert "epoch 1/2" in err and "epoch 2/2" in err and "test of epoch" in err


def test_columns_stand_in_the_order_of_reading(run: bnn_cpu.Run) -> None:
    assert list(run.history)[:5] == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
    ]
    assert list(run.network.layers()[0]) == [
        "name",
        "kind",
        "output",
        "params_f32",
        "params_bit",
        "madds_f32",
        "madds_bit",
        "bytes",
    ]
