"""Can real plates be read after the restorer in the package? The ten conditions, by three readers.

    python runs/benchmark/run.py --crops DIR_OF_LABELLED_CROPS [--n 400] [--train DIR] [--weights FILE --out DIR]
Writes table.csv, table.md, chart.png, sheet.jpg, failures.jpg and record.json here, or below --out. The judge had no part in the restorer's training; the reader was asked by its loss;
the third is the restorer's own eyes and closer look, a reader trained on spoilt plates. The crops are not in the project.
"""
import argparse, shutil, sys, tempfile, time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
import torch
from record import record
from plategan.benchmark import as_table, benchmark
from plategan.core import open_image
from plategan.enhance import Restorer
from plategan.reader import READER, Reader

HERE, SEED = Path(__file__).parent, 42

def main():
    "One table"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--crops', type=Path, required=True)
    ap.add_argument('--train', type=Path, help='crops that the networks were trained on: must share nothing with the others')
    ap.add_argument('--n', type=int)
    ap.add_argument('--weights', type=Path, help='of another restorer than that in the package')
    ap.add_argument('--out', type=Path, default=HERE)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    t = time.time()
    readers = {k: Reader(READER.with_name(f), threshold=0, bf16=False) for k, f in {'judge': 'judge', 'reader': 'reader', 'trained on spoilt plates': 'default-reader'}.items()}
    with tempfile.TemporaryDirectory() as d:
        restorer = Restorer(a.weights, device='cpu', bf16=False)
        table = benchmark(a.crops, {'default restorer': restorer}, readers, d, train=a.train, n=a.n, seed=SEED)
        for f in ('table.csv', 'table.md', 'chart.png'): shutil.copy(Path(d)/f, a.out/f)
        for f in ('sheet', 'failures'): open_image(Path(d)/f'{f}.png').save(a.out/f'{f}.jpg', quality=80)
    print(as_table(table))
    record(a.out, t, seed=SEED, crops=a.crops.name, plates=int(table.n.max()))

if __name__ == '__main__': main()
