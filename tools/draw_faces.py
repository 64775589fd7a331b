#!/usr/bin/env python3
"""Draw the plate faces for which no free font is near enough: `tools/draw_faces.py` writes plategan/fonts/fe.ttf and wright*.ttf.

Each character is a few strokes of a flat pen, in draw_faces.toml beside this file, put down by eye in millimetres from the published widths, heights and
stroke of the two alphabets and from looking at plates: no outline of a font went into it. Needs fonttools; the same bytes at every run."""
import tomllib
from math import acos, atan2, cos, hypot, pi, sin, tan
from pathlib import Path
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

OUT = Path(__file__).resolve().parent.parent/'plategan'/'fonts'
LICENCE = '''plategan {0}: drawn for plategan. Copyright the plategan authors.
The strokes stand in tools/draw_faces.toml, and this face is under the licence of plategan itself, Apache-2.0: see LICENSE.
'''

FACES = tomllib.loads(Path(__file__).with_suffix('.toml').read_text(encoding='utf-8'))

def read(stroke:str, s:float):
    "(thickness, closed, points (x, y, r)) of one stroke"
    if ':' in stroke:
        a, stroke = stroke.split(':')
        s = float(a)
    words = stroke.split()
    return s, words[-1] == 'z', [(*map(float, o.split(',')), 0.)[:3] for o in words if o != 'z']

def corner(a, p, b, r, s):
    "(where the rounding begins, where it ends, the polygon of the bend) at `p` between `a` and `b`"
    ux, uy, vx, vy = a[0]-p[0], a[1]-p[1], b[0]-p[0], b[1]-p[1]
    lu, lv = hypot(ux, uy), hypot(vx, vy)
    ux, uy, vx, vy = ux/lu, uy/lu, vx/lv, vy/lv
    half = acos(max(-1, min(1, ux*vx+uy*vy)))/2
    mx, my = ux+vx, uy+vy
    l = hypot(mx, my)
    if l < 1e-6: return p[:2], p[:2], []
    mx, my = mx/l, my/l
    if not r: # a mitre: the kite between the outer edges
        q, turn = s/2/sin(half), 1 if ux*vy-uy*vx > 0 else -1
        out = p[0]-mx*q, p[1]-my*q
        side = [(p[0]+turn*uy*s/2, p[1]-turn*ux*s/2), out, (p[0]-turn*vy*s/2, p[1]+turn*vx*s/2)]
        return p[:2], p[:2], [p[:2], *side]
    t = r/tan(half)
    if t > min(lu, lv)+1e-6: raise ValueError(f'rounding {r} does not fit at {p[0]},{p[1]}')
    cx, cy = p[0]+mx*r/sin(half), p[1]+my*r/sin(half)
    s0, s1 = (p[0]+ux*t, p[1]+uy*t), (p[0]+vx*t, p[1]+vy*t)
    a0, a1 = atan2(s0[1]-cy, s0[0]-cx), atan2(s1[1]-cy, s1[0]-cx)
    d = (a1-a0+pi) % (2*pi)-pi
    ts = [a0+d*i/10 for i in range(11)]
    poly = [(cx+(r+s/2)*cos(o), cy+(r+s/2)*sin(o)) for o in ts]+[(cx+max(0, r-s/2)*cos(o), cy+max(0, r-s/2)*sin(o)) for o in ts[::-1]]
    return s0, s1, poly

def pieces(stroke:str, s:float):
    "The polygons of one stroke: a bar for each straight part, a bend for each corner"
    s, closed, pts = read(stroke, s)
    n, out = len(pts), []
    bends = [(p[:2], p[:2], []) if not closed and i in (0, n-1) else corner(pts[i-1], p, pts[(i+1) % n], p[2], s) for i, p in enumerate(pts)]
    out += [b[2] for b in bends if b[2]]
    for i in range(n if closed else n-1):
        (x0, y0), (x1, y1) = bends[i][1], bends[(i+1) % n][0]
        l = hypot(x1-x0, y1-y0)
        if l < 1e-6: continue
        dx, dy, ox, oy = (x1-x0)/l, (y1-y0)/l, (y1-y0)/l*s/2, -(x1-x0)/l*s/2
        e0, e1 = .2*bool(bends[i][2]), .2*bool(bends[(i+1) % n][2]) # a little overlap, lest a seam shows
        x0, y0, x1, y1 = x0-dx*e0, y0-dy*e0, x1+dx*e1, y1+dy*e1
        out.append([(x0+ox, y0+oy), (x1+ox, y1+oy), (x1-ox, y1-oy), (x0-ox, y0-oy)])
    return out

def clip(poly, w, h):
    "What of `poly` lies in the box"
    for k, lim, sign in ((0, 0, 1), (0, w, -1), (1, 0, 1), (1, h, -1)):
        out = []
        for p, q in zip(poly, poly[1:]+poly[:1]):
            a, b = sign*(p[k]-lim), sign*(q[k]-lim)
            if a >= 0: out.append(p)
            if a*b < 0: out.append(tuple(u+(v-u)*a/(a-b) for u, v in zip(p, q)))
        poly = out
    return poly

def area(p): return sum(a[0]*b[1]-b[0]*a[1] for a, b in zip(p, p[1:]+p[:1]))/2

def squeeze(polys, h, top): return [[(x, top+y*(h-top)/h) for x, y in p] for p in polys]

def dot(x, y, a): return [(x-a/2, y-a/2), (x+a/2, y-a/2), (x+a/2, y+a/2), (x-a/2, y+a/2)]

def outlines(face):
    "Character -> polygons in mm, y down"
    w, h, s = face['w'], face['h'], face['s']
    out = {c: [q for o in v.split(';') for p in pieces(o.strip(), s) if len(q := clip(p, w, h)) > 2] for c, v in face['chars'].items()}
    for c, base in zip('ÄÖÜ', 'AOU'):
        if base in out: out[c] = squeeze(out[base], h, s*1.45)+[dot(x, s*.55, s*1.1) for x in (w*.25, w*.75)]
    out |= {'-': [[(0, h*.45), (w*.4, h*.45), (w*.4, h*.58), (0, h*.58)]], '·': [dot(s/2, h/2, s)], '.': [dot(s/2, h-s/2, s)], ' ': []}
    return out

def glyph_name(c): return c if c.isascii() and c.isalpha() else f'uni{ord(c):04X}'

def write(name, face):
    "One font file and its licence"
    glyphs, k = outlines(face), 10
    drawn, widths = {'.notdef': TTGlyphPen(None).glyph()}, {'.notdef': (round(face['w']*k), 0)}
    for c, polys in glyphs.items():
        pen, right = TTGlyphPen(None), 0
        for p in polys:
            pts = [(round(x*k), round((face['h']-y)*k)) for x, y in p]
            pts = [a for a, b in zip(pts, pts[1:]+pts[:1]) if a != b]
            if len(pts) < 3 or abs(area(pts)) < 1: continue
            if area(pts) > 0: pts = pts[::-1]
            pen.moveTo(pts[0])
            for q in pts[1:]: pen.lineTo(q)
            pen.closePath()
            right = max(right, *(x for x, _ in pts))
        drawn[glyph_name(c)] = pen.glyph()
        widths[glyph_name(c)] = (right+70 if right else 300, 0)
    fb, title = FontBuilder(1000, isTTF=True), f'plategan {face["title"]}'
    fb.setupGlyphOrder(list(drawn))
    fb.setupCharacterMap({ord(c): glyph_name(c) for c in glyphs})
    fb.setupGlyf(drawn)
    fb.setupHorizontalMetrics({g: (a, drawn[g].xMin if drawn[g].numberOfContours else 0) for g, (a, _) in widths.items()})
    fb.setupHorizontalHeader(ascent=face['h']*k+50, descent=-100)
    fb.setupNameTable(dict(copyright='Copyright the plategan authors', familyName=title, styleName='Regular', fullName=title, psName=title.replace(' ', ''),
        licenseDescription=f"See {name.split('_')[0]}-Apache-2.0.txt"))
    fb.setupOS2(sTypoAscender=face['h']*k+50, sTypoDescender=-100, usWinAscent=face['h']*k+50, usWinDescent=100)
    fb.setupPost(keepGlyphNames=False)
    fb.font['head'].created = fb.font['head'].modified = 0
    fb.font.recalcTimestamp = False
    out = OUT/f'{name}.ttf'
    fb.save(out)
    if '_' not in name: (OUT/f'{name}-Apache-2.0.txt').write_text(LICENCE.format(face['title']))
    print(f'{out.stat().st_size:7} {name}')

if __name__ == '__main__':
    for name, face in FACES.items(): write(name, face)
