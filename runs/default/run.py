"""The restorer in the package, from rendered plates to weights.

    python runs/default/run.py crops train weights --work DIR
An interrupted run goes on: `crops` at the next thousand, `train` after the last epoch. What it is worth says runs/benchmark.
"""
import argparse, sys, time
from pathlib import Path
import torch
sys.path.insert(0, str(Path(__file__).parents[1]))
from record import record
from plategan.core import seed_all
from plategan.models.blocks import ms_image, n_params
from plategan.models.redraw import redraw
from plategan.models.weights import load_weights, save_weights
from plategan.reader import BLOCK, READER, fit_kept, make_crops
from plategan.restore.legible import SHARES, legible_dls, legible_learner, sharp_crop, sharp_mix

HERE, SZ = Path(__file__).parent, (240, 80)

def crops(a):
    make_crops(a.work/'valid', BLOCK, sharp_mix(), a.seed+1, SZ, a.workers, sharp_crop)
    make_crops(a.work/'train', a.n, sharp_mix(), a.seed, SZ, a.workers, sharp_crop)

def train(a):
    "Train, or go on where an interrupted training stopped"
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    readers = [load_weights(o) for o in a.readers]
    judges = {o.name: load_weights(o) for o in a.judges}
    dls = legible_dls(a.work/'train', a.work/'valid', readers[0].codec, a.bs, n_epoch=a.epoch, seed=a.seed)
    learn = legible_learner(dls, readers, judges=judges)
    with learn.no_bar(): fit_kept(learn, a.work/'state.pth', a.epochs, slice(.4*a.lr, a.lr), a.seed, pct_start=.03)

def weights(a):
    "Put the averaged weights into the package: the restorer, and the reader that its eyes and their head are by now"
    t, state = time.time(), torch.load(a.work/'state.pth', weights_only=True)['avg']
    net, eyes = redraw(), load_weights(a.readers[0])
    net.load_state_dict({k[2:]: v for k, v in state.items() if k.startswith('g.')})
    eyes.load_state_dict({k.replace('g.trunk.', 'body.'): v for k, v in state.items() if k.startswith(('g.trunk.', 'fold.', 'head.'))})
    info = dict(sz=[192, 64], trained_on='rendered plates only', shares=SHARES, epochs=a.epochs, epoch=a.epoch, n=a.n, lr=a.lr, bs=a.bs, seed=a.seed, licence='Apache-2.0')
    save_weights(net.eval(), a.weights, half=True, run='runs/default', **info)
    save_weights(eyes.eval(), a.weights.with_name(f'{a.weights.name}-reader'), half=True, run='runs/default', **info)
    torch.set_num_threads(2)
    record(HERE, t, parameters=n_params(net), ms_a_plate_two_threads=round(ms_image(net, bs=1, train=False, n=20), 2), **info)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('stages', nargs='+', choices=('crops', 'train', 'weights'))
    p.add_argument('--work', type=Path, required=True, help='folder for crops and checkpoints')
    p.add_argument('--weights', type=Path, default=Path('plategan/weights/default'))
    p.add_argument('--readers', type=Path, nargs='+', default=[READER], help='weights of the readers that the loss asks')
    p.add_argument('--judges', type=Path, nargs='*', default=[], help='weights of readers that are only counted')
    p.add_argument('--n', type=int, default=40_000, help='training pictures')
    p.add_argument('--epochs', type=int, default=12)
    p.add_argument('--epoch', type=int, default=12_000, help='pictures in an epoch')
    p.add_argument('--lr', type=float, default=1.5e-3)
    p.add_argument('--bs', type=int, default=16)
    p.add_argument('--seed', type=int, default=42)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--workers', type=int, default=2)
    a = p.parse_args()
    for s in a.stages: globals()[s](a)

if __name__ == '__main__': main()
