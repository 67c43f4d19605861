"""Makes the files of tests/data, which tests/loaders.rs reads: by Pillow, NumPy, Python's
zipfile and tarfile, and safetensors, and by nothing of this project.

    python3 -m venv v && v/bin/pip install pillow==13.0.0 numpy==2.4.6 safetensors==0.8.0
    v/bin/python tests/tools/data_fixtures.py

`expected.json` holds what those programs read out of the files again: for each set the
shape (height, width, channels), labels and pixels of its parts, or the SHA-256 of the pixels.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parents[1] / "data"
WHEN = (1999, 12, 31, 23, 59, 58)
expected = {}
rng = np.random.default_rng(1)


def picture(image, form="PNG", **how):
    held = io.BytesIO()
    image.save(held, form, **how)
    return held.getvalue()


def pack(name, files):
    with zipfile.ZipFile(OUT / name, "w", zipfile.ZIP_DEFLATED) as z:
        for path, data in files:
            z.writestr(zipfile.ZipInfo(path, WHEN), data, zipfile.ZIP_DEFLATED)


def note(name, parts, near=False, **more):
    """Parts are lists of (label, array), the arrays (height, width, channels); `near` keeps
    the pixels, of which others may differ a little."""
    expected[name] = dict(more)
    for part, images in parts.items():
        arrays = [np.asarray(a).reshape(a.shape[0], a.shape[1], -1) for _, a in images]
        expected[name][part] = {
            "shape": list(arrays[0].shape),
            "labels": [int(label) for label, _ in images],
        }
        pixels = np.concatenate([a.reshape(-1) for a in arrays]).astype(np.uint8)
        if near:
            expected[name][part]["pixels"] = pixels.tolist()
        else:
            expected[name][part]["sha256"] = hashlib.sha256(pixels.tobytes()).hexdigest()


def noise(*shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def over(image, paper):
    """Laid over a shade of grey, by Pillow."""
    rgba = image.convert("RGBA")
    back = Image.new("RGBA", rgba.size, (paper, paper, paper, 255))
    return Image.alpha_composite(back, rgba).convert("RGB")


# Grey pictures in every form in which a PNG file can hold them.
grey = {}
v = noise(5, 4)
grey["a/l.png"] = Image.fromarray(v)
grey["a/one.png"] = Image.fromarray(v > 127)
grey["a/rgb.png"] = Image.fromarray(np.repeat(v[:, :, None], 3, 2))
grey["b/la.png"] = Image.merge("LA", [Image.fromarray(noise(5, 4)), Image.fromarray(noise(5, 4))])
grey["b/p.png"] = Image.fromarray(noise(5, 4)).quantize(7)
grey["b/rgba.png"] = Image.merge("RGBA", [Image.fromarray(v)] * 3 + [Image.fromarray(noise(5, 4))])
files = [("grey/train/" + k, picture(i)) for k, i in grey.items()]
files += [("grey/test/b/x.png", picture(Image.fromarray(v))), ("grey/test/a/y.png", picture(Image.fromarray(v)))]
files += [("grey/README.txt", b"not a picture"), ("__MACOSX/grey/train/a/._l.png", b"?"), ("grey/train/.DS_Store", b"?")]
pack("grey.zip", files[::-1])
ordered = sorted(grey)
for paper, shade in ((255, "light"), (0, "dark")):
    note(
        f"grey.zip {shade}",
        {
            "train": [("ab".index(k[0]), np.asarray(over(grey[k], paper))[:, :, 0]) for k in ordered],
            "test": [(0, v), (1, v)],
        },
        classes=["a", "b"],
    )

# One picture in colour among grey ones; no folder of parts.
colour = {f"{c}/{i}.png": Image.fromarray(noise(3, 4)) for c in ("x", "y", "z") for i in range(4)}
colour["y/2.png"] = Image.fromarray(noise(3, 4, 3))
colour["z/0.png"] = Image.fromarray(noise(3, 4, 3)).quantize(5)
pack("colour.zip", [(k, picture(i)) for k, i in colour.items()])
note("colour.zip", {"all": [("xyz".index(k[0]), np.asarray(i.convert("RGB"))) for k, i in sorted(colour.items())]}, classes=["x", "y", "z"])

# JPEG: grey, in colour at several samplings, progressive, turned by Exif data.
smooth = np.asarray(Image.fromarray(noise(3, 4, 3)).resize((24, 16), Image.BICUBIC))
whole = Image.fromarray(smooth)
exif = Image.Exif()
exif[274] = 6
jpegs = {
    "a/444.jpg": (whole, dict(quality=95, subsampling=0)),
    "a/420.jpeg": (whole, dict(quality=95, subsampling=2)),
    "a/progressive.JPG": (whole, dict(quality=95, progressive=True)),
    "b/grey.jpg": (whole.convert("L"), dict(quality=95)),
    "b/turned.jpg": (Image.fromarray(smooth.transpose(1, 0, 2)[:, ::-1]), dict(quality=95, subsampling=0, exif=exif)),
    "b/cmyk.jpg": (whole.convert("CMYK"), dict(quality=95)),
}
jpegs = {k: picture(i, "JPEG", **how) for k, (i, how) in jpegs.items()}
pack("jpeg.zip", [("photos/" + k, d) for k, d in jpegs.items()])


def opened(data):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


note("jpeg.zip", {"all": [("ab".index(k[0]), opened(d)) for k, d in sorted(jpegs.items())]}, near=True, classes=["a", "b"])

# Several sizes, of which the middle parts have whole pixels.
shapes = {"a/0": (12, 16), "a/1": (16, 12), "b/0": (24, 24), "b/1": (6, 8)}
sized = {k: Image.fromarray(np.asarray(Image.fromarray(noise(4, 4)).resize(s[::-1], Image.BICUBIC))) for k, s in shapes.items()}
pack("sizes.zip", [(k + ".png", picture(i)) for k, i in sized.items()])
for how in ("crop", "fit"):
    made = []
    for k, i in sorted(sized.items()):
        if how == "crop":
            # As ImageOps.fit, which weighs in what it cut off at the edges.
            side, (w, h) = min(i.size), i.size
            box = ((w - side) // 2, (h - side) // 2, (w + side) // 2, (h + side) // 2)
            i = i.crop(box).resize((8, 8), Image.BILINEAR)
        else:
            i = ImageOps.pad(i, (8, 8), Image.BILINEAR, color=255)
        made.append(("ab".index(k[0]), np.asarray(i)))
    note(f"sizes.zip {how}", {"all": made}, near=True, classes=["a", "b"])


# Omniglot as torchvision has it: one bit a pixel, ink 0.
def drawings(top, alphabets):
    files = []
    for number, (alphabet, characters) in enumerate(alphabets):
        for c in range(1, characters + 1):
            for d in range(1, 11):
                ink = Image.fromarray(noise(7, 7) > 60)
                files.append((f"{top}/{alphabet}/character{c:02}/{number}{c:03}_{d:02}.png", picture(ink)))
    return files


first = drawings("images_background", [("Greek", 2), ("Latin", 3), ("N_Ko", 2)])
second = drawings("images_evaluation", [("Tibetan", 2)])
(OUT / "omniglot").mkdir(exist_ok=True)
pack("omniglot/images_background.zip", first)
pack("omniglot/images_evaluation.zip", second)
every = sorted(first + second, key=lambda f: f[0].split("/")[1:])
names = sorted({"/".join(p.split("/")[1:3]) for p, _ in every})
note(
    "omniglot",
    {"all": [(names.index("/".join(p.split("/")[1:3])), np.asarray(Image.open(io.BytesIO(d)).convert("L"))) for p, d in every]},
    classes=names,
)


# CIFAR's binary files, in a tar as they are published, and in a zip.
def records(labels, images):
    return b"".join(bytes(l) + i.transpose(2, 0, 1).tobytes() for l, i in zip(labels, images))


ten = np.zeros((4, 32, 32, 3), np.uint8)
for i in range(4):
    ten[i] = np.add.outer(np.add.outer(np.arange(32) * (i + 1), np.arange(32)), [0, 90, 180]) % 256
ten_labels = [6, 9, 0, 3]
words = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
members = [
    ("cifar-10-batches-bin/batches.meta.txt", ("\n".join(words) + "\n\n").encode()),
    ("cifar-10-batches-bin/data_batch_1.bin", records([[6], [9]], ten[:2])),
    ("cifar-10-batches-bin/data_batch_2.bin", records([[0]], ten[2:3])),
    ("cifar-10-batches-bin/readme.html", b"<html>"),
    ("cifar-10-batches-bin/test_batch.bin", records([[3]], ten[3:])),
]
held = io.BytesIO()
with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as t:
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
(OUT / "cifar-10.tar.gz").write_bytes(gzip.compress(held.getvalue(), mtime=0))
note("cifar-10.tar.gz", {"train": list(zip(ten_labels[:3], ten[:3])), "test": [(3, ten[3])]}, classes=words)
fine = [f"fine {i:02}" for i in range(100)]
pack(
    "cifar-100.zip",
    [
        ("cifar-100-binary/train.bin", records([[4, 99], [1, 0]], ten[:2])),
        ("cifar-100-binary/test.bin", records([[0, 57]], ten[2:3])),
        ("cifar-100-binary/fine_label_names.txt", "\n".join(fine).encode()),
        ("cifar-100-binary/coarse_label_names.txt", b"fish\n"),
    ],
)
note("cifar-100.zip", {"train": [(99, ten[0]), (0, ten[1])], "test": [(57, ten[2])]}, classes=fine)

# Arrays.
x, y = noise(8, 6, 5), np.array([0, 1, 2, 0, 1, 2, 2, 1])
np.savez_compressed(OUT / "keras.npz", x_train=x[:6], y_train=y[:6], x_test=x[6:], y_test=y[6:])
both = {"train": list(zip(y[:6], x[:6])), "test": list(zip(y[6:], x[6:]))}
note("keras.npz", both, classes=[])
c = noise(8, 3, 6, 5)
np.savez(
    OUT / "float.npz",
    train_images=c[:4].astype(np.float32) / 255,
    train_labels=y[:4].astype(np.uint8)[:, None],
    val_images=c[4:6].astype(np.float64) / 255,
    val_labels=y[4:6].astype(np.int32),
    test_images=np.asfortranarray(c[6:].astype(np.float32) * np.float32(1 / 255)),
    test_labels=y[6:].astype(">i2"),
)
hwc = c.transpose(0, 2, 3, 1)
note("float.npz", {"train": list(zip(y[:6], hwc[:6])), "test": list(zip(y[6:], hwc[6:]))}, classes=[])
np.savez(OUT / "normalised.npz", x=(x / 255 - 0.5).astype(np.float32), y=y)
(OUT / "npy").mkdir(exist_ok=True)
np.save(OUT / "npy/train_images.npy", np.asfortranarray(x[:6].astype(">f8")))
np.save(OUT / "npy/train_labels.npy", y[:6])
np.save(OUT / "npy/test_images.npy", x[6:])
np.save(OUT / "npy/test_labels.npy", y[6:])
note("npy", both, classes=[])
np.save(OUT / "x_bits.npy", x > 127)
np.save(OUT / "y_bits.npy", y)
note("x_bits.npy", {"all": list(zip(y, np.where(x > 127, 255, 0)))}, classes=[])
save_file({"train.images": x[:6], "train.labels": y[:6], "test.images": x[6:], "test.labels": y[6:], "scale": np.float32([1])}, OUT / "set.safetensors")
note("set.safetensors", both, classes=[])

# Archives with names and kinds of members that no data set needs.
link = zipfile.ZipInfo("a/link.png", WHEN)
link.create_system, link.external_attr = 3, 0o120777 << 16
with zipfile.ZipFile(OUT / "hostile.zip", "w") as z:
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png", "../up/2.png", "/etc/3.png", "b/../../4.png", "c\\d\\5.png"):
        z.writestr(zipfile.ZipInfo(name, WHEN), picture(Image.fromarray(noise(3, 3))))
    z.writestr(link, "../../../etc/passwd")
with tarfile.open(OUT / "hostile.tar", "w", format=tarfile.GNU_FORMAT) as t:
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png", "../up/2.png", "/etc/3.png"):
        data = picture(Image.fromarray(noise(3, 3)))
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    for kind, name in ((tarfile.SYMTYPE, "a/link.png"), (tarfile.LNKTYPE, "a/hard.png"), (tarfile.FIFOTYPE, "a/pipe.png")):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "../../../etc/passwd"
        t.addfile(info)
# A picture of 30,000 x 30,000 equal pixels, in a few thousand bytes twice deflated.
bomb = Image.new("1", (30000, 30000))
Image.MAX_IMAGE_PIXELS = None
pack("bomb.zip", [("a/0.png", picture(Image.fromarray(noise(3, 3)))), ("b/0.png", picture(bomb, optimize=True))])

# Pictures in parts: PNG and JPEG, with and without a part to test on.
def scenes(part, count):
    found = {}
    for i in range(count):
        image = Image.fromarray(np.asarray(Image.fromarray(noise(3, 3, 3)).resize((10, 8), Image.BICUBIC)))
        form = ("PNG", {}) if i % 2 else ("JPEG", dict(quality=95, subsampling=0))
        path = f"{part}/{('dog', 'cat')[i // 2]}/{i}.{form[0].lower()}"
        found[path] = picture(image, form[0], **form[1])
    return found


def seen(files, *parts):
    of = [(p, opened(d)) for part in parts for p, d in sorted(files.items()) if p.startswith(part + "/")]
    return [(("cat", "dog").index(p.split("/")[1]), a) for p, a in of]


three = scenes("train", 4) | scenes("val", 4) | scenes("test", 3)
two = scenes("train", 4) | scenes("valid", 4)
pack("parts.zip", [("scenes/" + p, d) for p, d in three.items()])
pack("valid.zip", list(two.items()))
note("parts.zip", {"train": seen(three, "train", "val"), "test": seen(three, "test")}, near=True, classes=["cat", "dog"])
note("valid.zip", {"train": seen(two, "train"), "test": seen(two, "valid")}, near=True, classes=["cat", "dog"])


# IDX files by the published layout: two zeros, 8 for unsigned bytes, the number of sides, each side
# in four bytes with the largest first, then the numbers.
def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


digits, classes = noise(9, 7, 5), np.array([3, 0, 1, 2, 3, 1, 0, 2, 3])
files = {
    "train-images-idx3-ubyte": idx(digits[:6]),
    "train-labels-idx1-ubyte": idx(classes[:6]),
    "t10k-images-idx3-ubyte": idx(digits[6:]),
    "t10k-labels-idx1-ubyte": idx(classes[6:]),
}
(OUT / "idx").mkdir(exist_ok=True)
for name, data in files.items():
    (OUT / "idx" / (name + ".gz")).write_bytes(gzip.compress(data, mtime=0))
pack("idx.zip", files.items())
note("idx", {"train": list(zip(classes[:6], digits[:6])), "test": list(zip(classes[6:], digits[6:]))}, classes=[])

# A stroke on paper, as a person would take a picture of it: in colour and grey.
paper = np.full((30, 40, 3), (236, 230, 214), np.uint8)
paper[6:24, 18:22] = (30, 40, 120)
paper[20:24, 12:28] = (30, 40, 120)
(OUT / "stroke.jpg").write_bytes(picture(Image.fromarray(paper), "JPEG", quality=90))
(OUT / "stroke-grey.jpg").write_bytes(picture(Image.fromarray(paper).convert("L"), "JPEG", quality=90))

(OUT / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
