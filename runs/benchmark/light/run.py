"""Can plates be read across which a shadow or a glare lies?

    python runs/benchmark/light/run.py --crops DIR_OF_LABELLED_CROPS
Writes table.csv, table.md, sheet.jpg and record.json here: the restorer in the package beside one that leaves the light as it is, and beside doing nothing; by the readers of runs/benchmark. The crops are not in the project.
"""
import argparse, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parents[2]))
import numpy as np
from PIL import Image
from record import record
import plategan.models.redraw as redraw
from plategan.benchmark import CONDITIONS, as_table, measure, tabulate
from plategan.core import open_image, rng, sheet
from plategan.enhance import Restorer
from plategan.photos import labelled_folder
from plategan.reader import READER, Reader

HERE, SEED = Path(__file__).parent, 42

def shade(im, gen, left=.2):
    "`im` with a slanted edge across its middle; behind it, `left` of the light is left"
    x = np.asarray(im, float)
    h, w = x.shape[:2]
    edge = gen.uniform(.3, .7)*w+gen.uniform(-1, 1)*(np.arange(h)[:, None]-h/2)
    lit = 1/(1+np.exp((np.arange(w)-edge)*gen.choice([-1, 1])/(.01*w+.5)))
    return Image.fromarray((x*(left+(1-left)*lit)[..., None]).round().astype(np.uint8))

def overhang(im, gen, left=.2):
    "`im` with an edge along its middle, above which `left` of the light is left"
    x = np.asarray(im, float)
    h, w = x.shape[:2]
    edge = gen.uniform(.35, .65)*h+gen.uniform(-.1, .1)*(np.arange(w)-w/2)
    lit = 1/(1+np.exp((edge-np.arange(h)[:, None])/(.02*h+.3)))
    return Image.fromarray((x*(left+(1-left)*lit)[..., None]).round().astype(np.uint8))

def glare(im, gen, by=200):
    "`im` with a spot that is up to `by` grey levels brighter, a quarter of its width across"
    x = np.asarray(im, float)
    (h, w), (y, z) = x.shape[:2], gen.uniform(.2, .8, 2)
    spot = np.exp(-((np.arange(w)/w-z)/.12)**2-((np.arange(h)[:, None]/h-y)/.5)**2)
    return Image.fromarray((x+by*spot[..., None]).clip(0, 255).round().astype(np.uint8))

LIGHTS = {'even': lambda im, gen: im, 'shade .4': lambda im, gen: shade(im, gen, .4), 'shade .2': shade,
    'overhang .4': lambda im, gen: overhang(im, gen, .4), 'overhang .2': overhang,
    'shade .3, C1': lambda im, gen: CONDITIONS['C1'](shade(im, gen, .3), gen), 'shade .3, C4': lambda im, gen: CONDITIONS['C4'](shade(im, gen, .3), gen), 'glare': glare}

def as_it_is(f):
    "`f` of pictures whose light is left as it is"
    def _inner(imgs):
        was, redraw.UNEVEN = redraw.UNEVEN, float('inf')
        try: return f(imgs)
        finally: redraw.UNEVEN = was
    return _inner

def main():
    "One table"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--crops', type=Path, required=True)
    a, t = ap.parse_args(), time.time()
    df, restorer, eyes = labelled_folder(a.crops), Restorer(device='cpu', bf16=False), Reader(READER.with_name('default-reader'), threshold=0, bf16=False)
    readers = {k: Reader(READER.with_name(k), threshold=0, bf16=False) for k in ('judge', 'reader')}
    readers |= {'trained on spoilt plates': eyes, 'the same, light as it is': as_it_is(eyes)}
    show = rng(SEED, 'sheet').permutation(len(df))[:len(LIGHTS)].tolist()
    lines, pics = measure({'light as it is': as_it_is(restorer), 'default restorer': restorer}, [open_image(a.crops/f) for f in df.file], list(df.file), list(df.text), readers, LIGHTS, seed=SEED, show=show)
    (table := tabulate(lines, seed=SEED)).round(5).to_csv(HERE/'table.csv')
    (HERE/'table.md').write_text(as_table(table))
    sheet([rows[i] for i, rows in enumerate(pics.values())], ['as it comes', 'unsharp', 'light as it is', 'default restorer', 'clean']).save(HERE/'sheet.jpg', quality=85)
    print(as_table(table))
    record(HERE, t, seed=SEED, crops=a.crops.name, plates=len(df))

if __name__ == '__main__': main()
