"""What an epoch costs, and what it is worth: our generator, and the course's U-Net in plain fastai.

    python runs/speed/run.py --work DIR
Both get the same rendered plates, the same damage (JPEG of quality 1 to 3), the same number of epochs, the same machine, one after the other. Then readers say how many plates that neither has seen can be read. The table goes beside this file.
"""
import argparse, sys, time
from pathlib import Path
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2]/'benchmarks')]
import pandas as pd, torch
from bench import fastai_epoch
from record import record
from plategan.core import bare, find_images, open_image, seed_all
from plategan.crappify import crappify_folder
from plategan.models.blocks import fast_bf16, n_params
from plategan.pairs import pair_dls
from plategan.plates.render import render_folder
from plategan.plates.warp import as_crop
from plategan.reader import READER, Reader
from plategan.restore.generator import DevicePrecision, gen_learner

HERE, SZ = Path(__file__).parent, (192, 64)

def data(a):
    for name, n in (('train', a.n), ('test', a.test)):
        render_folder(a.work/name/'hr', count=n, type='cn_blue', seed=a.seed+(name == 'test'), sz=SZ, view=as_crop)
        if not (a.work/name/'lr').exists(): crappify_folder(a.work/name/'hr', a.work/name/'lr', 'course', seed=a.seed)

def learners(a):
    "Name, rate and Learner of both"
    lr, hr = a.work/'train'/'lr', a.work/'train'/'hr'
    seed_all(a.seed)
    yield 'the course: U-Net on ResNet-34, plain fastai', 1e-3, fastai_epoch(lr, hr)
    seed_all(a.seed)
    yield 'plategan: `gen_learner`', 1.5e-3, gen_learner(pair_dls(lr, hr, bs=16, device='cpu'), cbs=[DevicePrecision('bf16')] if fast_bf16() else [])

@torch.inference_mode()
def restored(learn, folder):
    "What `learn` makes of the pictures of `folder`"
    model, dl = learn.model.eval(), learn.dls.test_dl([p for p, _ in find_images(folder)])
    return [o for x, in dl for o in model(x).float().clamp(0, 1)]

def row(pictures, readers, texts):
    "The share that each reader reads exactly, %"
    return {f'read by {k}, %': round(100*sum(t == w for t, w in zip(r.read(pictures)[0], texts))/len(texts), 1) for k, r in readers.items()}

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--work', type=Path, required=True)
    p.add_argument('--n', type=int, default=800, help='training plates')
    p.add_argument('--test', type=int, default=300, help='plates that are only read')
    p.add_argument('--epochs', type=int, default=3)
    p.add_argument('--seed', type=int, default=42)
    a = p.parse_args()
    t = time.time()
    data(a)
    labels = pd.read_csv(a.work/'test'/'hr'/'labels.csv').set_index('file')
    found = find_images(a.work/'test'/'lr')
    texts = [bare(labels.loc[rel.as_posix(), 'text']) for _, rel in found]
    readers = {k: Reader(READER.with_name(k), threshold=0) for k in ('reader', 'judge')}
    rows = {'do nothing': row([open_image(p) for p, _ in found], readers, texts)}
    for name, rate, learn in learners(a):
        cost = []
        with learn.no_bar(), learn.no_logging():
            for _ in range(a.epochs):
                start = time.perf_counter()
                learn.fit(1, rate)
                cost.append(time.perf_counter()-start)
        rows[name] = {'parameters': n_params(learn.model), 'seconds an epoch': round(min(cost), 1)} | row(restored(learn, a.work/'test'/'lr'), readers, texts)
    table = pd.DataFrame(rows).T
    table.to_csv(HERE/'table.csv')
    print(table.to_string())
    record(HERE, t, n=a.n, test=a.test, epochs=a.epochs, seed=a.seed)

if __name__ == '__main__': main()
