"""How fast a critic learns, by its norm: 150 steps on what the compact network of run.py makes and on its targets.

    python runs/course/norms.py --work DIR        (the DIR of run.py, after its compact stage)
Writes norms.csv beside this file.
"""
import argparse, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
import numpy as np, pandas as pd, torch
from plategan.core import find_images, open_image, seed_all
from plategan.losses import crit_loss
from plategan.models.critic import plate_critic

N, N_VALID, STEPS, BS, SEED = 1000, 150, 150, 16, 0

def pictures(work):
    "(generated, real), each (N,3,h,w) in [0,1], of the same plates"
    made = [(p, rel) for p, rel in find_images(work/'compact'/'generated')[:N]]
    hr = work/'rendered'/'hr'
    return [torch.from_numpy(np.stack([np.asarray(open_image(f)) for f in fs])).permute(0, 3, 1, 2).float()/255
        for fs in ([p for p, _ in made], [hr/rel.with_suffix('.jpg') for _, rel in made])]

def accuracy(net, fake, real):
    "Share of held-out pictures judged right"
    with torch.no_grad(): return ((net.eval()(real) > 0).float().mean() + (net(fake) <= 0).float().mean()).item()/2

def trial(norm, lr, fake, real):
    "Held-out accuracy of a critic after STEPS steps"
    seed_all(SEED)
    net, n, t = plate_critic(norm=norm), N-N_VALID, time.time()
    opt = torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.99))
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, lr, STEPS, cycle_momentum=False)
    for _ in range(STEPS):
        loss = crit_loss(net(real[torch.randint(0, n, (BS,))]), net(fake[torch.randint(0, n, (BS,))]))
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    return dict(norm=norm, lr=lr, steps=STEPS, accuracy=round(accuracy(net, fake[n:], real[n:]), 3), seconds=round(time.time()-t, 1))

def main():
    "Each norm once, spectral norm at two rates"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--work', type=Path, required=True)
    fake, real = pictures(ap.parse_args().work)
    rows = [trial(norm, lr, fake, real) for norm, lr in (('spectral', 1e-3), ('spectral', 5e-3), ('none', 1e-3), ('batch', 1e-3), ('instance', 1e-3))]
    pd.DataFrame(rows).to_csv(Path(__file__).with_name('norms.csv'), index=False)
    print(pd.DataFrame(rows).to_string(index=False))

if __name__ == '__main__': main()
