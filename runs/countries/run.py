"""Which plates the packaged reader of spoilt plates can read: rendered ones of all types, by country and number of rows.

    python runs/countries/run.py [--n 12]
Writes table.csv, table.md and record.json here. Plates as the types' standards have them, seen through a camera at 220x70 px (of two rows: 110 px high), never those of the training (another
seed), as they are and under condition C6; without a grammar, and with that of their country. No real plate is among them: for China and Indonesia see runs/benchmark.
"""
import argparse, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
import pandas as pd
from PIL import Image
from record import record
from tqdm import tqdm
from plategan.conditions import CONDITIONS
from plategan.core import atomic, bare, rng
from plategan.metrics import wilson
from plategan.plates.render import render
from plategan.plates.spec import TYPES
from plategan.plates.warp import as_crop
from plategan.reader import READER, Reader

HERE, SEED, AS = Path(__file__).parent, 3271, ('C0', 'C6')

def rows_of(plate):
    "Do its characters stand in one row, or in two?"
    mids, highs = zip(*((y0+y1, y1-y0) for _, _, y0, _, y1 in plate.boxes))
    return 'two' if max(mids)-min(mids) > max(highs) else 'one'

def shot(t, i):
    "(number, picture, rows) of plate `i` of type `t`"
    gen, k = rng(SEED, t.name, i), t.sz_mm[0]/t.sz_mm[1]
    plate, h = render(None, t, gen, sz=(round(100*k), 100)), 70 if k > 2.3 else 110
    return bare(plate.text), as_crop(plate, gen, (max(100, min(220, round(h*k))), h), strength=.5).img, rows_of(plate)

def spoilt(im, how, *seed): return CONDITIONS[how](im, rng(SEED, how, *seed)).resize(im.size, Image.BICUBIC)

def lines(t, n, reader, strict):
    "(country, rows, condition, right, right with the grammar) of `n` plates of type `t`"
    texts, ims, rows = zip(*(shot(t, i) for i in range(n)))
    for how in AS:
        bad = [spoilt(o, how, t.name, i) for i, o in enumerate(ims)]
        for a, b, text, row in zip(reader.read(bad)[0], strict.read(bad)[0], texts, rows): yield t.country, row, how, a == text, b == text

def table_of(df):
    def share(o): return '{:.0f} [{:.0f}–{:.0f}]'.format(100*o.mean(), *(100*p for p in wilson(int(o.sum()), len(o))))
    rows = [[*k, len(g)//len(AS), *(share(g[g.how == how][o]) for how in AS for o in ('plain', 'strict'))] for k, g in df.groupby(['country', 'rows'])]
    return pd.DataFrame(rows, columns=['country', 'rows', 'plates', *(f'{how}{more}, %' for how in AS for more in ('', ' by grammar'))])

def main():
    "One table"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--n', type=int, default=12, help='plates of each type')
    n, t0 = ap.parse_args().n, time.time()
    reader = Reader(READER.with_name('default-reader'), threshold=0, bf16=False)
    strict = {c: Reader(reader.model, [k for k, t in TYPES.items() if t.country == c], threshold=0, bf16=False) for c in {t.country for t in TYPES.values()}}
    found = [o for t in tqdm(TYPES.values(), delay=1) for o in lines(t, n, reader, strict[t.country])]
    table = table_of(pd.DataFrame(found, columns=['country', 'rows', 'how', 'plain', 'strict']))
    with atomic(HERE/'table.csv') as tmp: table.to_csv(tmp, index=False)
    text = [f'| {" | ".join(map(str, o))} |' for o in (table.columns, ['---']*len(table.columns), *table.values)]
    with atomic(HERE/'table.md') as tmp: tmp.write_text('\n'.join(text)+'\n', encoding='utf-8')
    print('\n'.join(text))
    record(HERE, t0, seed=SEED, plates=len(found)//len(AS))

if __name__ == '__main__': main()
