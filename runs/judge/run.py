"""A second reader, for judging: another shape, another seed, other damage, and 1,000 real plates of 94 x 24 px among its pictures.

    python runs/judge/run.py data train weights --work DIR --sharp DIR_OF_RUNS_DEFAULT --real FOLDER_WITH_LABELS
It is "real-allowed", and has no part in the training of any restorer. An interrupted training goes on after the last epoch.
"""
import argparse, csv, sys, time
from pathlib import Path
import numpy as np, torch
from PIL import Image
sys.path.insert(0, str(Path(__file__).parents[1]))
from record import record
from plategan.core import open_image, seed_all
from plategan.metrics import exact, wilson
from plategan.models.blocks import n_params
from plategan.models.reader import reader
from plategan.models.weights import load_weights, save_weights
from plategan.reader import BLOCK, READER, Reader, fit_kept, reader_dls, reader_learner

HERE, NF, SZ, COPIES = Path(__file__).parent, (32, 56, 96, 112), (128, 40), 4

def grey(o): return np.asarray(o.convert('L').resize((192, 64), Image.BICUBIC))

def labelled(folder):
    "(picture, number) of a folder with labels.csv"
    for r in csv.DictReader((folder/'labels.csv').open(encoding='utf-8')): yield open_image(folder/r['file']), r['number']

def rendered(folder):
    "(grey picture, number, type) of the sharp crops whose number is known"
    for f in sorted(folder.glob('*.npy')):
        for x, l in zip(np.load(f, mmap_mode='r'), f.with_suffix('.tsv').read_text(encoding='utf-8').splitlines()):
            text, name = l.split('\t')
            if text: yield grey(Image.fromarray(x)), text, name

def blocks(rows, out):
    "Write `rows` of (picture, number, type) as `Crops` reads them"
    out.mkdir(parents=True, exist_ok=True)
    for b in range(0, len(rows), BLOCK):
        part = rows[b:b+BLOCK]
        np.save(out/f'{b//BLOCK:05d}.npy', np.stack([o[0] for o in part]))
        (out/f'{b//BLOCK:05d}.tsv').write_text(''.join(f'{t}\t{n}\n' for _, t, n in part), encoding='utf-8')

def data(a):
    blocks(list(rendered(a.sharp/'valid')), a.work/'valid')
    real = [(grey(im), text, 'cn_blue') for im, text in labelled(a.real)] if a.real else []
    blocks([*rendered(a.sharp/'train'), *real*COPIES], a.work/'train')

def net(): return reader(load_weights(READER).codec.chars, NF, SZ)

def train(a):
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    model = net()
    learn = reader_learner(reader_dls(a.work/'train', a.work/'valid', model.codec, 64, SZ, 12_000, a.seed), model)
    with learn.no_bar(): fit_kept(learn, a.work/'state.pth', a.epochs, 3e-3, a.seed, pct_start=.1)

def weights(a):
    model = net()
    model.load_state_dict(torch.load(a.work/'state.pth', weights_only=True)['avg'])
    known = f'rendered plates, and real ones of {a.real.name}' if a.real else 'rendered plates only'
    save_weights(model.eval(), a.weights, half=True, trained_on=known, epochs=a.epochs, epoch=12_000, lr=3e-3, bs=64, seed=a.seed, run='runs/judge', licence='Apache-2.0')

def figures(a):
    "How many of the crops of `--test` both readers read"
    t, lines = time.time(), ['| crops | reader | n | exact, % | 95 % | without the first character, % |', '|---|---|---|---|---|---|']
    for folder in a.test:
        ims, labels = zip(*labelled(folder))
        for name, r in dict(judge=Reader(a.weights, threshold=0, bf16=False), reader=Reader(threshold=0, bf16=False)).items():
            texts = r.read(ims)[0]
            k, n, rest = sum(exact(texts, labels)), len(labels), sum(exact([o[1:] for o in texts], [o[1:] for o in labels]))
            lo, hi = wilson(k, n)
            lines.append(f'| {folder.name} | {name} | {n} | {100*k/n:.1f} | {100*lo:.1f}–{100*hi:.1f} | {100*rest/n:.1f} |')
    (HERE/'table.md').write_text('\n'.join(lines)+'\n', encoding='utf-8')
    record(HERE, t, parameters=n_params(net()), seed=a.seed)
    print('\n'.join(lines))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('stages', nargs='+', choices=('data', 'train', 'weights', 'figures'))
    p.add_argument('--work', type=Path, required=True)
    p.add_argument('--sharp', type=Path, help='--work of runs/default, whose crops are drawn')
    p.add_argument('--real', type=Path, help='folder of real plates with labels.csv')
    p.add_argument('--test', type=Path, nargs='*', default=[], help='folders of real crops with labels.csv, for the figures')
    p.add_argument('--weights', type=Path, default=Path('plategan/weights/judge'))
    p.add_argument('--epochs', type=int, default=9)
    p.add_argument('--seed', type=int, default=7)
    p.add_argument('--threads', type=int, default=1)
    a = p.parse_args()
    for s in a.stages: globals()[s](a)

if __name__ == '__main__': main()
