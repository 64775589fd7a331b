"""Can real plates be read after the restorer in the package? The ten conditions, by the reader in the package.

    python runs/benchmark/run.py --crops DIR_OF_LABELLED_CROPS [--n 400] [--train DIR]
Writes table.csv, table.md, chart.png and record.json here. Neither network has seen a real plate; the crops are not in the project.
"""
import argparse, shutil, sys, tempfile, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
import torch
from record import record
from plategan.benchmark import as_table, benchmark
from plategan.enhance import Restorer
from plategan.reader import Reader

HERE, SEED = Path(__file__).parent, 42

def main():
    "One table"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--crops', type=Path, required=True)
    ap.add_argument('--train', type=Path, help='crops that the networks were trained on: must share nothing with the others')
    ap.add_argument('--n', type=int)
    a = ap.parse_args()
    torch.set_num_threads(2)
    t = time.time()
    with tempfile.TemporaryDirectory() as d:
        table = benchmark(a.crops, {'default restorer': Restorer(device='cpu')}, {'reader': Reader(threshold=0)}, d, train=a.train, n=a.n, seed=SEED)
        for f in ('table.csv', 'table.md', 'chart.png'): shutil.copy(Path(d)/f, HERE/f)
    print(as_table(table))
    record(HERE, t, seed=SEED, crops=a.crops.name, plates=int(table.n.max()))

if __name__ == '__main__': main()
