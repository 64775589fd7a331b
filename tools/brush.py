"Make a face of Chinese province signs, drawn with a round pen for the tall boxes of plates: strokes in brush.toml -> a TrueType file"
import sys, tomllib
from math import cos, pi, sin
from pathlib import Path
import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

W, H = 45., 90. # mm: the box of GA 36-2018
K = 10 # font units a mm

def chains(strokes):
    "Each stroke as (n,2) points in [0,1]"
    for kind, rest in (o.strip().split(' ', 1) for o in strokes.split(';') if o.strip()):
        v = np.array(rest.replace(',', ' ').split(), float).reshape(-1, 2)
        if kind == 'L': yield v
        else:
            (p, q, r), t = v, np.linspace(0, 1, 9)[:, None]
            yield (1-t)**2*p+2*t*(1-t)*q+t*t*r

def pen_width(strokes, share=.38):
    "Thickness of the strokes, mm: they cover about `share` of the box, so dense signs are drawn thinner"
    length = sum(np.hypot(*(np.diff(c, axis=0)*(W-6, H-6)).T).sum() for c in chains(strokes))
    return float(np.clip(share*W*H/length, 4.2, 8.))

def outline(strokes, share):
    "A TrueType glyph: a hull around each piece of each stroke"
    w, pen = pen_width(strokes, share), TTGlyphPen(None)
    for c in chains(strokes):
        p = c*(W-w, H-w)+w/2
        for a, b in zip(p[:-1], p[1:]):
            t = np.arctan2(*(b-a)[::-1])
            ring = [q+w/2*np.array((cos(t+u), sin(t+u))) for q, v in ((a, pi), (b, 0)) for u in np.linspace(v-pi/2, v+pi/2, 9)]
            pts = [(round(x*K), round((H-y)*K)) for x, y in ring]
            pen.moveTo(pts[0])
            for q in pts[1:]: pen.lineTo(q)
            pen.closePath()
    return pen.glyph()

def build(src, out, share=.38):
    "Write the face to `out`"
    signs = tomllib.loads(Path(src).read_text(encoding='utf-8'))
    names = {c: f'uni{ord(c):04X}' for c in signs}
    fb = FontBuilder(1000, isTTF=True)
    fb.setupGlyphOrder(['.notdef', *names.values()])
    fb.setupCharacterMap({ord(c): n for c, n in names.items()})
    fb.setupGlyf({'.notdef': TTGlyphPen(None).glyph(), **{names[c]: outline(s, share) for c, s in signs.items()}})
    fb.setupHorizontalMetrics({n: (round(W*K), 0) for n in ['.notdef', *names.values()]})
    fb.setupHorizontalHeader(ascent=900, descent=0)
    fb.setupNameTable(dict(familyName='plategan brush', styleName='Regular'))
    fb.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=0)
    fb.setupPost()
    fb.save(out)

if __name__ == '__main__': build(*sys.argv[1:3])
