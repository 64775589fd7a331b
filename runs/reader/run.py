"The packaged plate reader, from rendered plates to weights and tables: crops, training, weights, figures"
import argparse, csv, sys, time
from collections import Counter
from pathlib import Path
import torch
sys.path.insert(0, str(Path(__file__).parents[1]))
from record import record
from plategan.core import bare, open_image, rng, seed_all, sheet
from plategan.metrics import cer, exact, wilson
from plategan.models.blocks import ms_image, n_params
from plategan.models.reader import reader
from plategan.models.weights import load_weights, save_weights
from plategan.plates.spec import TYPES, alphabet
from plategan.reader import BLOCK, Crops, Reader, fit_kept, make_crops, reader_dls, reader_learner, take_over

HERE = Path(__file__).parent
MIX = dict(cn_blue=.46, cn_green=.06, cn_yellow=.03, cn_coach=.01, cn_police=.01, cn_hk=.005, cn_macau=.005, cn_embassy=.005, cn_consulate=.005,
    id_black=.18, id_white=.14, id_public=.02, id_moto_black=.04, id_moto_white=.03)

def mix(types):
    "How often each type is drawn: `MIX`, or for 'all' each country alike and each of its types by its share"
    if types == 'main': return MIX
    if types != 'all': return dict.fromkeys(types.split(','), 1.)
    sums = Counter()
    for t in TYPES.values(): sums[t.country] += t.share
    return {k: t.share/sums[t.country]*(2 if t.country in ('cn', 'id') else 1) for k, t in TYPES.items()}

def crops(a):
    make_crops(a.work/'valid', BLOCK, mix(a.types), a.seed+1, n_workers=a.workers)
    make_crops(a.work/'train', a.n, mix(a.types), a.seed, n_workers=a.workers)

def train(a):
    "Train, or go on where an interrupted training stopped"
    torch.set_num_threads(a.threads)
    seed_all(a.seed)
    net = reader(alphabet(mix(a.types)), tuple(a.nf), tuple(a.sz), rows=a.rows)
    if a.init: take_over(net, load_weights(a.init))
    learn = reader_learner(reader_dls(a.work/'train', a.work/'valid', net.codec, a.bs, tuple(a.sz), a.epoch, a.seed), net)
    with learn.no_bar(): fit_kept(learn, a.work/'state.pth', a.epochs, a.lr, a.seed, pct_start=.1)

def weights(a):
    "Put the averaged weights into the package"
    net = reader(alphabet(mix(a.types)), tuple(a.nf), tuple(a.sz), rows=a.rows)
    net.load_state_dict(torch.load(a.work/'state.pth', weights_only=True)['avg'])
    save_weights(net.eval(), a.weights, half=True, types=list(mix(a.types)), trained_on='rendered plates only', epochs=a.epochs, epoch=a.epoch, n=a.n, lr=a.lr, bs=a.bs, seed=a.seed)

def score(texts, probs, labels, threshold):
    "A row of the table: shares in percent, Wilson intervals on the exact ones"
    ok, n = exact(texts, labels), len(labels)
    share = lambda k, m=n: f'{100*k/max(1, m):.1f}'
    inside = lambda k, m=n: '{:.1f}–{:.1f}'.format(*(100*o for o in wilson(k, m)))
    right = [sum(x == y for x, y in zip(t, bare(l)))/len(bare(l)) if len(t) == len(bare(l)) else 0 for t, l in zip(texts, labels)]
    rest = sum(t[1:] == bare(l)[1:] for t, l in zip(texts, labels))
    given = [o for o, q in zip(ok, probs) if q >= threshold]
    return {'plates': n, 'exact, %': share(sum(ok)), '95 %': inside(sum(ok)), 'without first character, %': share(rest), 'at most one wrong, %': share(sum(r > .8 for r in right)),
        'character errors, %': f'{100*cer(texts, labels):.1f}', f'answered at {threshold}, %': share(len(given)), 'of these right, %': share(sum(given), len(given))}

def markdown(rows):
    "Rows (dicts) as a Markdown table"
    keys = list(rows[0])
    return '\n'.join('| ' + ' | '.join(str(o) for o in r) + ' |' for r in (keys, ['---']*len(keys), *([r[k] for k in keys] for r in rows))) + '\n'

def real(folder):
    "(pictures, labels) of a folder with labels.csv"
    rows = list(csv.DictReader((folder/'labels.csv').open(encoding='utf-8')))
    return [open_image(folder/r['file']) for r in rows], [r['number'] for r in rows]

def confusions(texts, labels):
    "Counts of (what is there, what was read), of numbers read in the right length"
    return Counter((y, x) for t, l in zip(texts, labels) if len(t) == len(bare(l)) for x, y in zip(t, bare(l)) if x != y)

def figures(a):
    "Tables of the two development sets and of rendered plates, a sheet of failures by seed, the record"
    start, rows, conf = time.time(), [], []
    torch.set_num_threads(2)
    plain = Reader(a.weights, threshold=0, bf16=False)
    ds = Crops(a.work/'valid', plain.model.codec)
    sets = {'rendered, recorded': ([ds[i][0].float()/255 for i in range(len(ds))], ds.texts, list(mix(a.types)))}
    for name, country in (('china_dev', 'cn'), ('indonesia_dev', 'id')):
        if a.data: sets[name] = (*real(a.data/name), [k for k in mix(a.types) if k.startswith(country)])
    for name, (imgs, labels, types) in sets.items():
        for how, r in (('greedy', plain), ('grammar', Reader(plain.model, types=types, threshold=0, bf16=False))):
            texts, probs = r.read(imgs)
            rows.append({'set': name, 'read': how, **score(texts, probs, labels, .5)})
            conf += [dict(set=name, read=how, there=y, read_as=x, times=k) for (y, x), k in confusions(texts, labels).most_common(40)]
            if (name, how) == ('china_dev', 'greedy'):
                bad = [i for i, o in enumerate(exact(texts, labels)) if not o]
                bad = rng(1, 'failures').permutation(bad)[:32].tolist()
                tiles = [imgs[i].resize((192, 64)) for i in bad]
                sheet([tiles[i:i+4] for i in range(0, len(tiles), 4)], h=64).save(HERE/'failures.jpg', quality=85)
                (HERE/'failures.csv').write_text('there,read,confidence\n' + ''.join(f'{labels[i]},{texts[i]},{probs[i]:.2f}\n' for i in bad), encoding='utf-8')
    (HERE/'table.md').write_text(markdown(rows), encoding='utf-8')
    with (HERE/'confusions.csv').open('w', newline='', encoding='utf-8') as f:
        w = csv.DictWriter(f, ['set', 'read', 'there', 'read_as', 'times'], lineterminator='\n')
        w.writeheader()
        w.writerows(conf)
    cost = ms_image(plain.model, bs=1, train=False, n=20)
    record(HERE, start, parameters=n_params(plain.model), ms_a_plate_two_threads=round(cost, 2), **plain.model.info)
    print((HERE/'table.md').read_text())

def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('stages', nargs='+', choices=('crops', 'train', 'weights', 'figures'))
    p.add_argument('--work', type=Path, required=True, help='folder for crops and checkpoints')
    p.add_argument('--data', type=Path, help='folder with china_dev and indonesia_dev, for the figures')
    p.add_argument('--weights', type=Path, default=Path('plategan/weights/reader'))
    p.add_argument('--init', type=Path, help='weights of a reader to start from; its alphabet may differ')
    p.add_argument('--types', default='main', help="'main' (Chinese cars, Indonesia), 'all', or names of types with commas")
    p.add_argument('--n', type=int, default=60_000, help='training pictures')
    p.add_argument('--epochs', type=int, default=24)
    p.add_argument('--epoch', type=int, default=12_000, help='pictures in an epoch')
    p.add_argument('--lr', type=float, default=3e-3)
    p.add_argument('--bs', type=int, default=64)
    p.add_argument('--rows', type=int, default=1)
    p.add_argument('--nf', type=int, nargs=4, default=(24, 48, 96, 128), help='channels of the four stages')
    p.add_argument('--sz', type=int, nargs=2, default=(144, 48), help='width and height that the reader sees')
    p.add_argument('--seed', type=int, default=42)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--workers', type=int, default=1)
    a = p.parse_args()
    for s in a.stages: globals()[s](a)

if __name__ == '__main__': main()
