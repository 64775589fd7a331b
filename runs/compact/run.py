"""The package's first restorer: rendered plates of four types, four kinds of damage, a compact network.

    python runs/compact/run.py --work DIR [--test DIR_OF_REAL_CROPS]
Trains DIR/run/generator, copies it to DIR/compact, and measures it on rendered plates it has not seen and, with --test, on 300 real crops.
An interrupted run goes on.
"""
import argparse, shutil, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
from record import record
from plategan.core import find_images, open_image, rng, save_image
from plategan.crappify import crappify_folder
from plategan.enhance import Restorer
from plategan.evaluate import evaluate
from plategan.models.weights import load_weights, save_weights
from plategan.plates.render import render_folder
from plategan.plates.warp import as_crop
from plategan.restore.finetune import read_history, train

SEED, HERE, N_TEST = 11, Path(__file__).parent, 300
TYPES = ['cn_blue', 'cn_green', 'id_white', 'id_black'] # those that plategan could draw when the weights were made
MIX = dict(camera=5500, course=4000, course_min96=500, clean=1500)

def data(work):
    "Plates for each kind of damage: different ones, so that no plate is seen twice"
    for i, (kind, n) in enumerate(MIX.items()):
        hr, lr = work/'hr'/kind, work/'lr'/kind
        render_folder(hr, count=n, type=TYPES, seed=SEED*100+i, sz=(226, 70), view=as_crop)
        if lr.exists(): continue
        if kind == 'clean': shutil.copytree(hr, lr, ignore=shutil.ignore_patterns('labels.*'))
        else: crappify_folder(hr, lr, kind, seed=SEED)

def table(work, name, hr, kind):
    "Measure the default on the pictures of `hr` after the damage `kind`"
    lr = work/'test'/f'{name}-{kind}-lr'
    if not lr.exists(): crappify_folder(hr, lr, kind, seed=SEED+1)
    evaluate(dict(default=Restorer(work/'compact')), lr, hr, work/'test'/f'{name}-{kind}', seed=SEED)
    shutil.copy(work/'test'/f'{name}-{kind}'/'evaluate.md', HERE/f'{name}-{kind}.md')
    if name == 'rendered': shutil.copy(work/'test'/f'{name}-{kind}'/'sheet.png', HERE/f'{name}-{kind}.png')

def tables(work, test):
    "The default on rendered plates with other numbers and looks, and on real crops chosen by seed"
    render_folder(work/'test'/'rendered', count=N_TEST, type=TYPES, seed=SEED*1000, sz=(226, 70), view=as_crop)
    if test and not (work/'test'/'real').exists():
        found = find_images(test)
        for i in sorted(rng(7, 'test').permutation(len(found))[:N_TEST]): save_image(open_image(found[i][0]), work/'test'/'real'/found[i][1].with_suffix('.png'))
    for name in ['rendered'] + ['real']*bool(test):
        for kind in ('camera', 'course'): table(work, name, work/'test'/name, kind)

def main():
    "Data, training, weights, tables"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--work', type=Path, required=True)
    ap.add_argument('--test', type=Path)
    a = ap.parse_args()
    t = time.time()
    data(a.work)
    run = train(a.work/'lr', a.work/'hr', a.work/'run', stage='generator', arch='compact', epochs=(14, 1, 1), rates=(1.5e-3, 1e-3, 2e-4), precision='bf16', seed=SEED)
    info = dict(sz=[192, 64], trained_on='rendered plates only', mix=MIX, run='runs/compact', licence='Apache-2.0')
    save_weights(load_weights(run/'generator'), a.work/'compact', half=True, **info)
    read_history(run).to_csv(HERE/'history.csv', index=False)
    shutil.copy(run/'curves.png', HERE/'curves.png')
    tables(a.work, a.test)
    record(HERE, t, seed=SEED, mix=MIX, plates=len(find_images(a.work/'hr')), test=N_TEST, training_seconds=round(read_history(run).seconds.sum()))

if __name__ == '__main__': main()
