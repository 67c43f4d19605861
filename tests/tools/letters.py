"""Makes the font files of src/draw/letters again: Noto Sans, two weights, the letters of Europe.

    python3 -m venv V && V/bin/pip install fonttools==4.68.0 fontpkg-noto-sans==2.15
    V/bin/python tests/tools/letters.py src/draw/letters

The variable font of the package (SIL Open Font License 1.1) is fixed at a weight and cut to Latin,
Greek, Cyrillic, punctuation and signs. Kerning, ligatures and hints are left out: the width of a
text is the sum of its letters' widths, which the layout of pictures counts on.
"""

import pathlib
import sys

import fontpkg_noto_sans
from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

LETTERS = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x45F), (0x2010, 0x2027),
    (0x2030, 0x203A), (0x2070, 0x2094), (0x20AC, 0x20AC), (0x2190, 0x2195), (0x2202, 0x2265),
    (0xFFFD, 0xFFFD),
]
WEIGHTS = {"Regular": 400, "SemiBold": 600}


def main():
    out = pathlib.Path(sys.argv[1])
    package = pathlib.Path(fontpkg_noto_sans.__file__).parent
    for name, weight in WEIGHTS.items():
        font = TTFont(package / "files" / "NotoSans[wdth,wght].ttf", recalcTimestamp=False)
        font = instancer.instantiateVariableFont(font, {"wght": weight, "wdth": 100})
        options = subset.Options()
        options.layout_features = []
        options.hinting = False
        options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
        options.drop_tables += ["STAT", "GPOS", "GSUB", "GDEF", "meta"]
        options.notdef_outline = True
        cut = subset.Subsetter(options)
        cut.populate(unicodes=[c for first, last in LETTERS for c in range(first, last + 1)])
        cut.subset(font)
        font["OS/2"].usWeightClass = weight
        for record in font["name"].names:
            if record.nameID in (1, 16):
                record.string = "Noto Sans"
            if record.nameID in (2, 17):
                record.string = name
        font.save(out / f"NotoSans-{name}.ttf")
    licence = (package / "LICENSE").read_text()
    (out / "OFL.txt").write_text(licence)


if __name__ == "__main__":
    main()
