"""Does a sharp plate come back as it came?

    python runs/benchmark/sharp/run.py [--n 160]
Writes record.json here: of rendered crops that nobody spoilt, how many the restorer in the package changed, by a byte or more.
"""
import argparse, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parents[2]))
from record import record
from plategan.core import rng
from plategan.enhance import Restorer
from plategan.plates.render import render
from plategan.plates.spec import TYPES
from plategan.plates.warp import as_crop

HERE, SEED = Path(__file__).parent, 42
KINDS = 'cn_blue', 'cn_green', 'cn_yellow', 'id_black', 'id_white', 'de_car', 'kr_private', 'gb_front'

def crop(i):
    "Sharp crop `i`, from 66 to 105 px high"
    gen, t = rng(SEED, 'sharp', i), TYPES[KINDS[i % len(KINDS)]]
    w = int(gen.integers(206, 330))
    return as_crop(render(None, t, gen, sz=(round(140*t.sz_mm[0]/t.sz_mm[1]), 140)), gen, (w, round(.32*w)), strength=.5).img

def main():
    "One number"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--n', type=int, default=160)
    n, t, restorer = ap.parse_args().n, time.time(), Restorer(device='cpu', bf16=False)
    changed = sum(restorer(o).tobytes() != o.tobytes() for o in map(crop, range(n)))
    print(f'{changed} of {n}')
    record(HERE, t, seed=SEED, plates=n, changed=changed)

if __name__ == '__main__': main()
