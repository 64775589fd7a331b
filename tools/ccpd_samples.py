"""Made photographs in CCPD naming: a drawn plate in a made scene, 720x1160 px, for `data/samples/ccpd` and for trials of `plategan crop`.

    python tools/ccpd_samples.py data/samples/ccpd --count 8 --seed 11
    python tools/ccpd_samples.py many --count 20000 --workers 2
"""
import argparse
from functools import lru_cache, partial
from multiprocessing import Pool
from pathlib import Path
import numpy as np
from PIL import Image, ImageFilter
from plategan.core import rng, save_image
from plategan.photos import ccpd_name
from plategan.plates.render import render
from plategan.plates.warp import made_scene, put

SZ = 720, 1160
TYPES = 'cn_blue', 'cn_blue', 'cn_blue', 'cn_green'

@lru_cache(maxsize=60)
def background(seed, k):
    "Scene `k`, with the grain of a camera"
    g = rng(seed, 'background', k)
    a = np.asarray(made_scene(g, SZ), np.float32) + g.normal(0, g.uniform(1, 3.5), (SZ[1], SZ[0], 1)).astype(np.float32)
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))

def draw_corners(g, ratio):
    "Where a plate lies, as wide and as slanted as CCPD's mostly are: (4,2), whole pixels"
    w, a, lean = g.uniform(110, 330), g.normal(0, .12), g.normal(0, .15)
    h = w/ratio*g.uniform(.95, 1.25)
    pts = np.array([(0, 0), (w, 0), (w - lean*h, h), (-lean*h, h)]) @ [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]
    pts = pts + g.uniform(-.012, .012, (4, 2))*w
    pts = pts - pts.min(0)
    room = np.array(SZ) - pts.max(0) - 4
    return (pts + 2 + room*np.clip((g.normal(.5, .22), g.normal(.42, .12)), 0, 1)).round()

def one_photo(i, out, seed, quality):
    "Make photograph `i`; its name"
    g = rng(seed, 'photo', i)
    plate = render(type=TYPES[g.integers(len(TYPES))], seed=int(g.integers(2**31)), sz=(330, 105))
    c = draw_corners(g, plate.img.width/plate.img.height)
    img = background(seed, int(g.integers(60))).copy()
    lo, hi = np.maximum(c.min(0) - 8, 0).astype(int), np.minimum(c.max(0) + 8, SZ).astype(int)
    light = g.uniform(.55, 1.1)
    drawn = plate.img.point([min(255, round(v*light)) for v in range(256)]*3)
    part = put(drawn, img.crop((*lo, *hi)), c - lo, plate.params.get('radius', 0)).filter(ImageFilter.GaussianBlur(g.uniform(.3, 1.2)))
    img.paste(part, tuple(lo))
    name = ccpd_name(plate.text, c, SZ, int(np.asarray(part.convert('L')).mean()), int(g.integers(5, 200)))
    save_image(img, Path(out)/f'{name}.jpg', quality)
    return name

def main():
    "Make them"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('out', type=Path, help='folder')
    ap.add_argument('--count', type=int, default=8)
    ap.add_argument('--seed', type=int, default=42)
    ap.add_argument('--quality', type=int, default=90, help='of the JPEG files')
    ap.add_argument('--workers', type=int, default=0, help='processes')
    a = ap.parse_args()
    todo = partial(one_photo, out=a.out, seed=a.seed, quality=a.quality)
    if a.workers > 1:
        with Pool(a.workers) as pool: names = set(pool.imap_unordered(todo, range(a.count), 50))
    else: names = set(map(todo, range(a.count)))
    print(f'{len(names)} photographs in {a.out}')

if __name__ == '__main__': main()
