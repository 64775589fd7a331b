"""Run lessons in full, each alone in an empty folder and a fresh kernel, and store what they show.

    python tools/run_lessons.py [NAME ...]        all, or those whose name starts with NAME

A lesson that fails is left as it was; the others are still run. Exit code 1 if any failed.
"""
import argparse, os, re, sys, tempfile, time
from pathlib import Path
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent

def lessons(names=()):
    "The notebooks to run, in their order"
    nbs = sorted(p for p in (ROOT/'nbs').glob('*.ipynb') if p.name[0] not in '._')
    todo = [p for p in nbs if not names or any(p.stem.startswith(n) for n in names)]
    if not todo: raise SystemExit(f'no lesson is named {" or ".join(names)}; there are {", ".join(p.stem for p in nbs)}')
    return todo

def tidy(nb):
    "Leave out what only matters while it runs: progress bars, warnings with their paths, and the larger of two forms of one picture"
    def passing(o): return re.search(r'\d+%\||^/.*Warning:|^Downloading', o.get('text', '') or o.get('data', {}).get('text/plain', ''), re.M)
    for c in nb.cells:
        if c.cell_type != 'code': continue
        c.outputs = [o for o in c.outputs if not passing(o)]
        for o in c.outputs:
            if {'image/png', 'image/jpeg'} <= set(o.get('data', {})): del o['data']['image/png']
    return nb

def run(path, timeout=3600):
    "Run one lesson, then store its outputs and widget state as nbdev keeps a notebook"
    from nbdev.clean import nbdev_clean
    nb = nbformat.read(path, 4)
    paths = [str(ROOT), str(ROOT/'tests'/'as_colab'), os.environ.get('PYTHONPATH', '')]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))
    env.pop('IN_TEST', None)
    with tempfile.TemporaryDirectory() as d:
        kernel = dict(kernel_name='python3', extra_arguments=['--IPKernelApp.log_level=ERROR'])
        NotebookClient(nb, timeout=timeout, store_widget_state=True, resources=dict(metadata=dict(path=d)), **kernel).execute(env=env)
    tmp = path.with_suffix('.tmp')
    nbformat.write(tidy(nb), tmp)
    os.replace(tmp, path)
    nbdev_clean.__wrapped__(str(path))

def main():
    "Run what the command line names"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('names', nargs='*')
    failed = []
    for p in lessons(ap.parse_args().names):
        print(f'{p.stem:24}', end='', flush=True)
        t = time.time()
        try: run(p)
        except (CellExecutionError, RuntimeError, TimeoutError) as e: # a cell failed, the kernel died, a cell took too long
            failed.append(p.stem)
            print(f'FAILED after {time.time()-t:.0f} s\n{e}')
        else: print(f'{time.time()-t:5.0f} s {p.stat().st_size/1024:6.0f} KB')
    if failed: print(f'failed: {", ".join(failed)}')
    return bool(failed)

if __name__ == '__main__': sys.exit(main())
