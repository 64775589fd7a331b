"""Ten thousand plates of each type, and a hundred thousand of one: do they break anything, repeat, lean to one side, fill the memory?

    python runs/plates/run.py --work DIR [--n 10000] [--scale 100000] [--photos 20000] [TYPE ...]
An interrupted run goes on. Writes here types.csv (a row for each type; --n 0: not), scale.csv (speed and memory of small and large folders; --scale 0: not),
photos/scale.csv (the same for the whole photographic chain; --photos 0: not), and a record.json beside each.
"""
import argparse, hashlib, resource, subprocess, sys, time
from collections import Counter
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
import pandas as pd
from record import record
from plategan.core import n_cpus, rng
from plategan.plates.render import plan, render
from plategan.plates.spec import SEPS, TYPES, get_type, match, parse, place_odds

SEED, HERE = 42, Path(__file__).parent

def drawn(name, n):
    "The first `n` plates of a type, one after the other"
    t = get_type(name)
    for i, text, _, region in plan(n, [t], seed=SEED, balanced=True):
        yield text, region, render(text, t, rng(SEED, 'plate', i), (round(t.sz_mm[0]/2), round(t.sz_mm[1]/2)))

def farthest(name, texts):
    "How far the frequency of the worst character at any place is from what was asked, in standard deviations"
    t, got, worst = get_type(name), {}, 0
    fixed = {s for f in t.forms for s in f if s not in t.symbols} # signs that a form prescribes, such as the E of electric cars in Germany
    for o in texts:
        for place, c in places(tokens(name, o)):
            if c not in fixed: got.setdefault(place, Counter())[c] += 1
    for place, odds in place_odds(name, balanced=True).items():
        shown = {c: p for c, p in odds.items() if c and c not in fixed} # where a short number has nothing, nothing is counted
        n = got[place].total() if shown else 0
        for c, p in ((c, p/sum(shown.values())) for c, p in shown.items()): worst = max(worst, abs(got[place][c]-n*p)/max(1, (n*p*(1-p))**.5))
    return worst

def places(parts):
    "(group, number in it) and what stands there"
    g, i = 0, 0
    for part in parts:
        if part and part in SEPS: g, i = g+1, 0
        else:
            if part: yield (g, i), part
            i += 1

def tokens(name, text):
    "The parts of `text`: what each symbol of its form became"
    t = get_type(name)
    return next(o for f in t.forms if (o := match(f, t.symbols, text, t.region)[0]) is not None)

def one_type(name, n):
    "A row of types.csv"
    t, texts, inks, digest, bad = time.process_time(), [], 0, hashlib.sha1(), []
    for text, region, plate in drawn(name, n):
        texts.append(text)
        if parse(get_type(name), text) != (text, region): bad.append(text)
        if ''.join(c for c, *_ in plate.boxes) != ''.join(c for c in text if c not in SEPS): bad.append(text)
        if len(texts) <= 200: digest.update(plate.img.tobytes())
    secs = time.process_time()-t
    again = subprocess.run([sys.executable, __file__, '--work', '.', '--hash', name], capture_output=True, text=True, check=True).stdout.strip()
    return dict(type=name, plates=n, different=len(set(texts)), illegal=len(bad), furthest_sd=round(farthest(name, texts), 2),
        same_bytes_in_another_process=again == digest.hexdigest(), plates_per_cpu_second=round(n/secs))

SETS = dict(scale=', sz=(226, 70)', photos=', view=as_photo') # What each table adds to `render_folder`

def scale(work, counts, name='scale'):
    "Speed and memory of folders of different size, each in a process of its own"
    code = ("import resource, sys, time\nfrom plategan.plates.render import render_folder\nfrom plategan.plates.wear import as_photo\nt = time.time()\n"
        f"render_folder(sys.argv[1], int(sys.argv[2]), 'cn_blue', seed=42{SETS[name]})\n"
        "print(time.time()-t, *(resource.getrusage(w).ru_maxrss/1024 for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))")
    rows = []
    for n in counts:
        r = subprocess.run([sys.executable, '-c', code, str(work/f'{name}{n}'), str(n)], capture_output=True, text=True, check=True)
        secs, own, worker = map(float, r.stdout.split()[-3:])
        rows.append(dict(plates=n, seconds=round(secs, 1), per_second=round(n/secs), processes=n_cpus(), MB_of_the_largest_process=round(max(own, worker))))
    return pd.DataFrame(rows)

def main():
    "All tables"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('types', nargs='*')
    ap.add_argument('--work', type=Path, required=True)
    ap.add_argument('--n', type=int, default=10_000)
    ap.add_argument('--scale', type=int, default=100_000)
    ap.add_argument('--photos', type=int, default=20_000)
    ap.add_argument('--hash', help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.hash: return print(hashlib.sha1(b''.join(p.img.tobytes() for *_, p in drawn(a.hash, 200))).hexdigest())
    t, rows = time.time(), []
    if a.n and (a.work/'types.jsonl').exists(): rows = pd.read_json(a.work/'types.jsonl', lines=True).query('plates == @a.n').to_dict('records')
    for name in (a.types or TYPES) if a.n else ():
        if name in {r['type'] for r in rows}: continue
        rows.append(one_type(name, a.n))
        print(rows[-1], flush=True)
        pd.DataFrame(rows).to_json(a.work/'types.jsonl', orient='records', lines=True)
    if rows: pd.DataFrame(rows).to_csv(HERE/'types.csv', index=False)
    if a.scale: scale(a.work, (1000, a.scale//10, a.scale)).to_csv(HERE/'scale.csv', index=False)
    facts = dict(seed=SEED, peak_MB=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024))
    if a.n or a.scale: record(HERE, t, **facts)
    if a.photos:
        (HERE/'photos').mkdir(exist_ok=True)
        t = time.time()
        scale(a.work, (1000, a.photos//5, a.photos), 'photos').to_csv(HERE/'photos'/'scale.csv', index=False)
        record(HERE/'photos', t, **facts)

if __name__ == '__main__': main()
