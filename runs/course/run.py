"""The course's own task on real plates: JPEG of quality 1 to 3, undone by a U-Net and by a compact network.

Trained on rendered plates only; with --real also on a folder of small real crops. Tested on 300 crops of a labelled folder (--test), which no training has seen.
    python runs/course/run.py --work DIR --test china_dev [--real china_94x24] [--only compact unet compact-real unet-real]
An interrupted run goes on. Tables and pictures go beside this file.
"""
import argparse, sys, time
from functools import partial
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
from PIL import Image
from record import record
from plategan.core import each_file, find_images, open_image, rng, save_image
from plategan.crappify import crappify_folder
from plategan.enhance import Restorer
from plategan.evaluate import evaluate
from plategan.models.blocks import fast_bf16
from plategan.plates.render import render_folder
from plategan.plates.warp import as_crop
from plategan.restore.finetune import read_history, stage_table, train

SZ, SEED, HERE = (192, 64), 7, Path(__file__).parent
N_RENDERED, N_TEST = 6000, 300
UNET = dict(stage='generator', arch='unet', pretrained=False, arch_args=dict(arch='resnet18'), epochs=(1, 1, 1), rates=(1e-3, 1e-3, 2e-4), bs=16)
NETS = dict(compact=dict(stage='all', arch='compact', epochs=(10, 2, 3)), unet=UNET)

def enlarged(item, out):
    "A small real crop at the size that is trained on"
    path, rel = item
    save_image(open_image(path).resize(SZ, Image.BICUBIC), out/rel.with_suffix('.png'))

def training_data(work, real):
    "Rendered plates and their damage; with `real`, the small real crops beside them"
    for name in ['rendered'] + ['mixed']*bool(real):
        render_folder(work/name/'hr'/'rendered', count=N_RENDERED, type=['cn_blue', 'cn_green'], seed=SEED, sz=(226, 70), view=as_crop)
        if name == 'mixed' and not (work/name/'hr'/'real').exists(): each_file(partial(enlarged, out=work/name/'hr'/'real'), find_images(real))
        if not (work/name/'lr').exists(): crappify_folder(work/name/'hr', work/name/'lr', 'course', seed=SEED)

def test_data(work, test):
    "Real crops, chosen by seed, at their own size, and their damage"
    if (work/'test'/'lr').exists(): return
    found = find_images(test)
    for i in sorted(rng(SEED, 'test').permutation(len(found))[:N_TEST]): save_image(open_image(found[i][0]), work/'test'/'hr'/found[i][1].with_suffix('.png'))
    crappify_folder(work/'test'/'hr', work/'test'/'lr', 'course', seed=SEED)

def main():
    "Data, trainings, table"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--work', type=Path, required=True)
    ap.add_argument('--test', type=Path, required=True)
    ap.add_argument('--real', type=Path)
    ap.add_argument('--only', nargs='*', default=['compact', 'unet', 'compact-real', 'unet-real'])
    ap.add_argument('--no-table', action='store_true')
    a = ap.parse_args()
    t = time.time()
    training_data(a.work, a.real)
    test_data(a.work, a.test)
    for name in a.only:
        net, data = name.removesuffix('-real'), a.work/('mixed' if name.endswith('-real') else 'rendered')
        train(data/'lr', data/'hr', a.work/name, sz=SZ, seed=SEED, precision='bf16' if fast_bf16() else 'fp32', **NETS[net])
    if a.no_table: return
    runs = {p.name: p for n in NETS for p in (a.work/n, a.work/f'{n}-real') if (p/'generator.json').exists()}
    rows = {f'{n}, pixels': Restorer(p/'generator') for n, p in runs.items()} | {f'{n}, GAN': Restorer(p/'gan') for n, p in runs.items() if (p/'gan.json').exists()}
    evaluate(rows, a.work/'test'/'lr', a.work/'test'/'hr', HERE, seed=SEED)
    (HERE/'pictures.csv').unlink() # a line per picture: too long to keep
    for n, p in runs.items():
        read_history(p).to_csv(HERE/f'history-{n}.csv', index=False)
        stage_table(p).to_csv(HERE/f'stages-{n}.csv', index=False) # how many validation plates are legible, stage by stage
    record(HERE, t, seed=SEED, rendered=N_RENDERED, real=len(find_images(a.real)) if a.real else 0, test=N_TEST,
        training_seconds={n: round(read_history(p).seconds.sum()) for n, p in runs.items()})

if __name__ == '__main__': main()
