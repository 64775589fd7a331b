"""The restorer in the package, from rendered plates to weights.

    python runs/default/run.py crops front eyes hand names need weights --work DIR
`front` learns which motion to undo, `eyes` teaches a reader to read spoilt plates, `hand` draws what they see, while they rest, `names` takes a closer look at each character, and `need` learns when to draw. An interrupted run goes on: `crops` at the next thousand, `eyes`, `hand` and `names` after the last epoch. What is not taught in the folder is taken from the network in the package, if its eyes are: `crops need weights` ask that anew when to draw, `crops hand need weights` teach it another hand.
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
from plategan.restore.legible import GATED, SHARES, SIGNS, SMEARED, Student, gains, learn_choice, learn_need, legible_dls, legible_learner, mean_glyphs, namer_learner, sharp_crop, sharp_mix, spectra

HERE, SZ = Path(__file__).parent, (240, 80)
HAND = 'enc.', 'out.', 'paint.', 'atlas.glyphs' # What the stage `hand` teaches
UP = 64, 72 # Channels of the hand on the way up: what the closer look costs is saved here
NF = 24, 48, 96, 96 # Channels of the eyes: the last stage is narrower than a reader's, since names come from the closer look

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

def learnt(a, stage): return (a.work/f'{stage}.pth').exists()

def eyes_of(a, file=None):
    "The reader whose eyes learn on, without a front of its own; of each layer the first channels, as many as `NF` has"
    m = load_weights(file or a.eyes)
    r = reader(**{k: v for k, v in m.args.items() if k not in ('signs', 'up')} | dict(nf=NF))
    old = m.state_dict()
    r.load_state_dict({k: old[k][tuple(map(slice, v.shape))] for k, v in r.state_dict().items()})
    return r

def state(a, name): return torch.load(a.work/f'{name}.pth', weights_only=True)['avg']

def student(a, *stages, **kwargs):
    "A `Student` that has learnt what `stages` taught"
    own, drawing = not stages or learnt(a, 'eyes'), 'hand' in stages # What is not its own, the package gives, and the folder on top of it
    s = Student(eyes_of(a) if own else seeing(a), front=True, up=UP, glyphs=mean_glyphs(seed=a.seed) if own or not drawing else None, **kwargs)
    if not own: s.g.load_state_dict({k: v for k, v in load_weights(a.rest).state_dict().items() if drawing or not k.startswith(HAND)}, strict=False)
    if a.begin: s.load_state_dict(torch.load(a.begin, weights_only=True), strict=False)
    if own or learnt(a, 'front'): s.g.front.load_state_dict(torch.load(a.work/'front.pth', weights_only=True))
    for o in stages:
        if own or learnt(a, o): (s.g if o == 'names' else s).load_state_dict(state(a, o), strict=False)
    return s

def seeing(a):
    "The reader that the eyes are, with their head: those of the folder, or of the package"
    if not learnt(a, 'eyes'): return eyes_of(a, reader_of(a.rest)).eval()
    r = eyes_of(a)
    r.load_state_dict({k.replace('g.trunk.', 'body.'): v for k, v in state(a, 'eyes').items() if k.startswith(('g.trunk.', 'fold.', 'head.'))})
    return r.eval()

def eyes(a):
    fit(a, 'eyes', student(a, part='eyes'), (0, 0, 1., .5), a.eye_epochs, a.eye_lr, 32, [load_weights(READER)])

def teachers(a): return [load_weights(READER), seeing(a)]

def names(a):
    "The closer look, behind eyes that rest"
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    g = student(a, 'eyes', part='eyes', closer=True).g
    dls = legible_dls(a.work/'train', a.work/'valid', load_weights(READER).codec, 64, n_epoch=a.epoch, seed=a.seed+1)
    with (learn := namer_learner(dls, g)).no_bar(): fit_kept(learn, a.work/'names.pth', a.name_epochs, a.name_lr, a.seed+1, pct_start=.05)

def hand(a):
    s = student(a, 'eyes', 'names', part='hand', closer=True)
    s.g.firm = 0. # Who learns with ink on the picture learns to take some of it away again
    fit(a, 'hand', s, (.08, 0, 0, 0), a.epochs, a.lr, a.bs, teachers(a))

def whole(a):
    "The restorer with all that it has learnt, but for when to draw"
    return student(a, 'eyes', 'hand', 'names', part='hand', closer=True).eval().g

def beside(a, g):
    "The reader that looks twice, with the eyes of `g`"
    return looking(seeing(a), g, ''.join(SIGNS)).eval()

def reader_of(file): return file.with_name(f'{file.name}-reader')

def need(a):
    "Ask two readers which pictures the hand helps; the answers stay in gains.pth, so that another margin costs seconds"
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    g, file, made = whole(a), a.work/'gains.pth', a.work/'hand.pth'
    if not file.exists() or made.exists() and file.stat().st_mtime < made.stat().st_mtime:
        reader = load_weights(READER).eval()
        dls = legible_dls(a.work/'train', a.work/'valid', reader.codec, 32, seed=a.seed)
        dls.train.after_batch.others = GATED
        with atomic(file) as tmp: torch.save(gains(g, [reader, beside(a, g)], dls, a.asked), tmp)
    print(learn_need(g.front, *torch.load(file, weights_only=True), margin=a.margin, cost=a.cost, seed=a.seed))
    with atomic(a.work/'need.pth') as tmp: torch.save(g.front.state_dict(), tmp)

def weights(a):
    "Put the averaged weights into the package: the restorer, and the reader that its eyes and their head are by now"
    t, net = time.time(), whole(a)
    net.front.load_state_dict(torch.load(a.work/'need.pth', weights_only=True))
    reader = beside(a, net)
    info = dict(sz=[192, 64], trained_on='rendered plates only', shares=SHARES, eyes=a.eyes.name, eye_epochs=a.eye_epochs, epochs=a.epochs,
        epoch=a.epoch, n=a.n, name_epochs=a.name_epochs, name_lr=a.name_lr, eye_lr=a.eye_lr, lr=a.lr, bs=a.bs, seed=a.seed, licence='Apache-2.0')
    if not learnt(a, 'eyes'): # Only the hand is new, or only when it draws
        hand = dict(hand=dict(n=a.n, epochs=a.epochs, epoch=a.epoch, lr=a.lr, bs=a.bs, seed=a.seed)) if learnt(a, 'hand') else {}
        info = {k: v for k, v in load_weights(a.rest).info.items() if k != 'run'} | hand | dict(need=dict(n=a.n, asked=a.asked, margin=a.margin, cost=a.cost, seed=a.seed))
    save_weights(net.eval(), a.weights, half=True, run='runs/default', **info)
    save_weights(reader, reader_of(a.weights), half=True, run='runs/default', **info)
    torch.set_num_threads(2)
    record(HERE, t, parameters=n_params(net), ms_a_plate_two_threads=round(ms_image(net, bs=1, train=False, n=20), 2), **info)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('stages', nargs='+', choices=('crops', 'front', 'eyes', 'names', 'hand', 'need', 'weights'))
    p.add_argument('--work', type=Path, required=True, help='folder for crops and checkpoints')
    p.add_argument('--weights', type=Path, default=Path('plategan/weights/default'), help='where the weights go')
    p.add_argument('--rest', type=Path, default=Path('plategan/weights/default'), help='weights that give what is not taught in the folder')
    p.add_argument('--eyes', type=Path, default=READER, help='weights of the reader whose eyes learn on')
    p.add_argument('--begin', type=Path, help='weights of a `Student` (.pth) that `eyes`, `names` and `hand` go on from, where it has some; default: new ones, but for the eyes')
    p.add_argument('--judges', type=Path, nargs='*', default=[], help='weights of readers that are only counted')
    p.add_argument('--n', type=int, default=60_000, help='training pictures')
    p.add_argument('--spectra', type=int, default=40_000, help='pictures that `front` learns from')
    p.add_argument('--asked', type=int, default=6_000, help='pictures that `need` learns from')
    p.add_argument('--margin', type=float, default=.0075, help='what drawing has to win, in the probability of being read exactly')
    p.add_argument('--cost', type=float, default=.5, help='what a picture that lies farther from the sharp one by all its contrast has to win besides')
    p.add_argument('--eye-epochs', type=int, default=26)
    p.add_argument('--epochs', type=int, default=6)
    p.add_argument('--name-epochs', type=int, default=36)
    p.add_argument('--epoch', type=int, default=12_000, help='pictures in an epoch')
    p.add_argument('--eye-lr', type=float, default=1.5e-3)
    p.add_argument('--lr', type=float, default=1e-3)
    p.add_argument('--name-lr', type=float, default=2e-3)
    p.add_argument('--bs', type=int, default=16)
    p.add_argument('--seed', type=int, default=42)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--workers', type=int, default=2)
    a = p.parse_args()
    for s in a.stages: globals()[s](a)

if __name__ == '__main__': main()
