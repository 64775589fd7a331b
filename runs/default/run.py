"""The restorer in the package, from rendered plates to weights.

    python runs/default/run.py crops front eyes hand names need weights --work DIR
`front` learns which motion to undo, `eyes` teaches a reader to read spoilt plates, `hand` draws what they see, while they rest, `names` takes a closer look at each character, and `need` learns when to draw. An interrupted run goes on: `crops` at the next thousand, `eyes`, `hand` and `names` after the last epoch.
What it is worth says runs/benchmark.
"""
import argparse, sys, time
from pathlib import Path
import torch
sys.path.insert(0, str(Path(__file__).parents[1]))
from record import record
from plategan.core import atomic, seed_all
from plategan.models.blocks import ms_image, n_params
from plategan.models.weights import load_weights, save_weights
from plategan.reader import BLOCK, READER, fit_kept, make_crops
from plategan.models.reader import reader
from plategan.models.redraw import Unsmear, looking
from plategan.restore.legible import GATED, SHARES, SIGNS, SMEARED, Student, gains, learn_choice, learn_need, legible_dls, legible_learner, looks, mean_glyphs, namer_learner, sharp_crop, sharp_mix, spectra

HERE, SZ = Path(__file__).parent, (240, 80)
UP = 64, 72 # Channels of the hand on the way up: what the closer look costs is saved here
LOOKS = 3000 # Pictures in a file that `names` keeps
SEEN = 'g.atlas.seen.', 'g.trunk.', 'fold.', 'head.' # What `eyes` teaches; the first of them learns on with the hand

def crops(a):
    make_crops(a.work/'valid', BLOCK, sharp_mix(), a.seed+1, SZ, a.workers, sharp_crop)
    make_crops(a.work/'train', a.n, sharp_mix(), a.seed, SZ, a.workers, sharp_crop)

def front(a):
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    dls, f = legible_dls(a.work/'train', a.work/'valid', load_weights(READER).codec, 32, seed=a.seed), Unsmear()
    dls.train.after_batch.others = SMEARED
    print(learn_choice(f, *spectra(f, dls, a.spectra), seed=a.seed))
    with atomic(a.work/'front.pth') as tmp: torch.save(f.state_dict(), tmp)

def fit(a, name, student, wgts, epochs, lr, bs, readers):
    "Train `student`, or go on where an interrupted training stopped; the state stays in `name`.pth"
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    judges = {o.name: load_weights(o) for o in a.judges}
    dls = legible_dls(a.work/'train', a.work/'valid', readers[0].codec, bs, n_epoch=a.epoch, seed=a.seed)
    learn = legible_learner(dls, readers, student, judges, wgts)
    with learn.no_bar(): fit_kept(learn, a.work/f'{name}.pth', epochs, lr, a.seed, pct_start=.03)

def eyes_of(a):
    "The reader whose eyes learn on, without a front of its own"
    m = load_weights(a.eyes)
    r = reader(**{k: v for k, v in m.args.items() if k not in ('signs', 'up')})
    r.load_state_dict({k: v for k, v in m.state_dict().items() if not k.startswith('g.')})
    return r

def student(a, **kwargs):
    "A `Student` that goes on from `--eyes` and, where there is one, from `--hand`"
    s = Student(eyes_of(a), front=True, up=UP, glyphs=None if a.hand else mean_glyphs(seed=a.seed), **kwargs)
    s.g.front.load_state_dict(torch.load(a.work/'front.pth', weights_only=True), strict=False)
    if a.hand: s.g.load_state_dict({k: v for k, v in load_weights(a.hand).state_dict().items() if not k.startswith('trunk.')}, strict=False)
    return s

def state(a, name): return torch.load(a.work/f'{name}.pth', weights_only=True)['avg']

def as_reader(a, avg):
    "The reader that a student's eyes are, with their head"
    r = eyes_of(a)
    r.load_state_dict({k.replace('g.trunk.', 'body.'): v for k, v in avg.items() if k.startswith(('g.trunk.', 'fold.', 'head.'))})
    return r.eval()

def eyes(a): fit(a, 'eyes', student(a, part='eyes'), (0, 0, 1., .5), a.eye_epochs, slice(a.eye_lr), 32, [load_weights(READER)])

def teachers(a): return [load_weights(READER), as_reader(a, state(a, 'eyes'))]

def hand(a):
    s = student(a, part='hand')
    s.load_state_dict({k: v for k, v in state(a, 'eyes').items() if k.startswith(SEEN[a.hand is not None:])}, strict=False)
    fit(a, 'hand', s, (.08, 0, 0, .1), a.epochs, a.lr, a.bs, teachers(a))

def names(a):
    "Keep `--looks` pictures as the closer look gets them, in parts that an interrupted run need not make again, and learn from them"
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    s, parts = student(a, part='hand', closer=True), []
    s.load_state_dict(state(a, 'hand'), strict=False)
    for k in range(-(-a.looks//LOOKS)):
        file = a.work/'looks'/f'{k}.pth'
        if not file.exists():
            dls = legible_dls(a.work/'train', a.work/'valid', load_weights(READER).codec, 50, n_epoch=LOOKS, seed=a.seed+k)
            seed_all(a.seed+k)
            file.parent.mkdir(exist_ok=True)
            with atomic(file) as tmp: torch.save(looks(s.eval().g, dls, LOOKS), tmp)
        parts.append(torch.load(file, weights_only=True))
    whole = [torch.cat(o) for o in zip(*parts)]
    learn = namer_learner([o[LOOKS//3:] for o in whole], [o[:LOOKS//3] for o in whole], s.g.closer)
    with learn.no_bar(): fit_kept(learn, a.work/'names.pth', a.name_epochs, a.name_lr, a.seed, pct_start=.05)

def whole(a):
    "The student with all that it has learnt, but for when to draw"
    s = student(a, part='hand', closer=True)
    s.load_state_dict(state(a, 'hand'), strict=False)
    s.g.load_state_dict(state(a, 'names'), strict=False)
    return s.eval()

def need(a):
    "Ask two readers which pictures the hand helps; the answers stay in gains.pth, so that another margin costs seconds"
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    s, file, made = whole(a), a.work/'gains.pth', a.work/'names.pth'
    if not file.exists() or file.stat().st_mtime < made.stat().st_mtime:
        readers = teachers(a)
        dls = legible_dls(a.work/'train', a.work/'valid', readers[0].codec, 32, seed=a.seed)
        dls.train.after_batch.others = GATED
        with atomic(file) as tmp: torch.save(gains(s.g, [r.eval() for r in readers], dls, a.asked), tmp)
    print(learn_need(s.g.front, *torch.load(file, weights_only=True), margin=a.margin, seed=a.seed))
    with atomic(a.work/'need.pth') as tmp: torch.save(s.g.front.state_dict(), tmp)

def weights(a):
    "Put the averaged weights into the package: the restorer, and the reader that its eyes and their head are by now"
    t, avg = time.time(), state(a, 'eyes')
    net = whole(a).g
    net.front.load_state_dict(torch.load(a.work/'need.pth', weights_only=True))
    info = dict(sz=[192, 64], trained_on='rendered plates only', shares=SHARES, eyes=a.eyes.name, hand=a.hand and a.hand.name, eye_epochs=a.eye_epochs, epochs=a.epochs,
        epoch=a.epoch, n=a.n, looks=a.looks, name_epochs=a.name_epochs, name_lr=a.name_lr, eye_lr=a.eye_lr, lr=a.lr, bs=a.bs, seed=a.seed, licence='Apache-2.0')
    save_weights(net.eval(), a.weights, half=True, run='runs/default', **info)
    save_weights(looking(as_reader(a, avg), net, ''.join(SIGNS)).eval(), a.weights.with_name(f'{a.weights.name}-reader'), half=True, run='runs/default', **info)
    torch.set_num_threads(2)
    record(HERE, t, parameters=n_params(net), ms_a_plate_two_threads=round(ms_image(net, bs=1, train=False, n=20), 2), **info)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('stages', nargs='+', choices=('crops', 'front', 'eyes', 'hand', 'names', 'need', 'weights'))
    p.add_argument('--work', type=Path, required=True, help='folder for crops and checkpoints')
    p.add_argument('--weights', type=Path, default=Path('plategan/weights/default'), help='where the weights go')
    p.add_argument('--eyes', type=Path, default=READER, help='weights of the reader whose eyes learn on')
    p.add_argument('--hand', type=Path, help='weights of a restorer whose hand learns on; default: a new one')
    p.add_argument('--judges', type=Path, nargs='*', default=[], help='weights of readers that are only counted')
    p.add_argument('--n', type=int, default=48_000, help='training pictures')
    p.add_argument('--spectra', type=int, default=40_000, help='pictures that `front` learns from')
    p.add_argument('--asked', type=int, default=8_000, help='pictures that `need` learns from')
    p.add_argument('--margin', type=float, default=.02, help='what drawing has to win, in the logarithm of probability a character')
    p.add_argument('--eye-epochs', type=int, default=20)
    p.add_argument('--epochs', type=int, default=20)
    p.add_argument('--looks', type=int, default=30_000, help='pictures that `names` learns from')
    p.add_argument('--name-epochs', type=int, default=14)
    p.add_argument('--epoch', type=int, default=12_000, help='pictures in an epoch')
    p.add_argument('--eye-lr', type=float, default=1e-3)
    p.add_argument('--lr', type=float, default=1e-3)
    p.add_argument('--name-lr', type=float, default=2e-3)
    p.add_argument('--bs', type=int, default=16)
    p.add_argument('--seed', type=int, default=42)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--workers', type=int, default=2)
    a = p.parse_args()
    for s in a.stages: globals()[s](a)

if __name__ == '__main__': main()
