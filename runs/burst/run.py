"""What several pictures of one plate are worth: single frames, fusion and vote, read by the restorer's own eyes, as `plategan enhance --burst` has them read.

    python runs/burst/run.py [--n 150]
Writes table.csv, table.md and record.json here. Drawn plates of China and Indonesia, never those of the training (another seed); each frame has
its own draw of recipe C8 or C9, and corners that sit up to 3 px from where they were.
"""
import argparse, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
import numpy as np, pandas as pd
from PIL import Image
from record import record
from plategan.burst import burst
from plategan.core import atomic, bare, rng
from plategan.crappify import crappify
from plategan.enhance import Restorer
from plategan.metrics import wilson
from plategan.plates.render import render
from plategan.plates.warp import as_crop
from plategan.reader import READER, Reader

HERE, SEED, TYPES = Path(__file__).parent, 1185, ('cn_blue', 'cn_green', 'id_white', 'id_black')
METHODS = ('one frame, as it came', 'one frame, restored', 'frames fused', 'restored, then fused', 'fused, then restored', 'vote of the frames as they came',
    'vote of all')

def frames(i, n, recipe):
    "The number of plate `i`, and `n` pictures of it"
    p = render(None, TYPES[i % len(TYPES)], rng(SEED, i), sz=(220, 70))
    img = as_crop(p, rng(SEED, i, 'view'), (192, 64), strength=.5).img
    def shot(k):
        c = np.array([(0, 0), (0, 64), (192, 64), (192, 0)]) + rng(SEED, i, k).uniform(-3, 3, (4, 2))
        return crappify(img.transform(img.size, Image.QUAD, c.ravel(), Image.BICUBIC), recipe, SEED, f'{i}-{k}')[0]
    return bare(p.text), [shot(k) for k in range(n)]

def lines(i, recipe, nets):
    "(recipe, frames, method, right, confidence) of plate `i`; a single frame counts for its share"
    text, imgs = frames(i, 5, recipe)
    for n in (1, 3, 5):
        rows = burst(imgs[:n], *nets).rows
        for row in rows[:n]: yield from ((recipe, n, METHODS[k], row[j] == text, row[j+1], 1/n) for k, j in ((1, 1), (0, 4)))
        fused, again, won = rows[n:]
        said = [(fused, 4), (fused, 1), (again, 1), (won, 4), (won, 1)]
        yield from ((recipe, n, m, r[j] == text, r[j+1], 1.) for m, (r, j) in zip(METHODS[2:], said))

def table_of(df, n):
    "A line per recipe and method, a column per number of frames"
    def share(g): return '{:.1f} [{:.0f}–{:.0f}]'.format(100*(g.right*g.weight).sum()/n, *(100*o for o in wilson(round((g.right*g.weight).sum()), n)))
    cells = {k: share(g) for k, g in df.groupby(['recipe', 'method', 'frames'])}
    return pd.DataFrame([[r, m, *(cells[r, m, k] for k in (1, 3, 5))] for r in ('C8', 'C9') for m in METHODS],
        columns=['recipe', 'read', '1 frame, %', '3 frames, %', '5 frames, %'])

def sure_of(df):
    "Of the votes of five frames that are sure by half: how many there are, and how many of them are right"
    five = df[(df.frames == 5) & (df.method == METHODS[-1])]
    return {r: dict(sure=int((g.confidence >= .5).sum()), of_these_right=int(g[g.confidence >= .5].right.sum())) for r, g in five.groupby('recipe')}

def main():
    "One table"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--n', type=int, default=150)
    n, t = ap.parse_args().n, time.time()
    nets = Restorer(device='cpu', bf16=False), Reader(READER.with_name('default-reader'), threshold=0, bf16=False)
    rows = [o for r in ('C8', 'C9') for i in range(n) for o in lines(i, r, nets)]
    df = pd.DataFrame(rows, columns=['recipe', 'frames', 'method', 'right', 'confidence', 'weight'])
    table = table_of(df, n)
    with atomic(HERE/'table.csv') as tmp: table.to_csv(tmp, index=False)
    text = [f'| {" | ".join(map(str, o))} |' for o in (table.columns, ['---']*len(table.columns), *table.values)]
    with atomic(HERE/'table.md') as tmp: tmp.write_text('\n'.join(text)+'\n', encoding='utf-8')
    print('\n'.join(text))
    record(HERE, t, seed=SEED, plates=n, restorer=nets[0].model.arch, votes_of_five_sure_by_half=sure_of(df))

if __name__ == '__main__': main()
