"Every lesson runs, top to bottom, alone in an empty folder, in a fresh kernel as on Colab; what it exports and how it is stored is checked too."
import json, os, re, shutil, subprocess, sys
from pathlib import Path
import nbformat, pytest
from nbclient import NotebookClient
from nbdev.clean import nbdev_clean
from nbdev.config import get_config

ROOT = Path(__file__).resolve().parent.parent
CFG = get_config(ROOT)
NBS = sorted(p for p in CFG.nbs_path.glob('*.ipynb') if p.name[0] not in '._')
SKIP = set() if os.environ.get('PLATEGAN_SLOW') else {'slow', 'gpu', 'browser'}
INSTALL = ['#| hide', '#| eval: false', '! [ -e /content ] && pip install -Uqq plategan']

each_nb = pytest.mark.parametrize('nb', NBS, ids=lambda p: p.stem)

def flags(cell):
    "The nbdev directives at the head of a code cell"
    lines = cell.source.splitlines() if cell.cell_type == 'code' else []
    heads = (l[2:].strip() for l in lines if l.startswith('#|'))
    return {h.replace(':', ' ').split()[0]:h for h in heads if h}

@each_nb
def test_top_to_bottom(nb, tmp_path):
    "Alone in an empty folder, in a fresh kernel without nbdev, within ten minutes"
    n, here = nbformat.read(nb, 4), tmp_path/'empty'
    here.mkdir()
    paths = [str(ROOT), str(ROOT/'tests'/'as_colab')]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(paths), IPYTHONDIR=str(tmp_path/'ipython'))
    for c in n.cells:
        if flags(c).keys() & SKIP: c.source = ''
    NotebookClient(n, timeout=600, kernel_name='python3', resources=dict(metadata=dict(path=str(here)))).execute(env=env)

@each_nb
def test_is_clean(nb, tmp_path):
    "nbdev-clean has nothing to do"
    q, old = tmp_path/nb.name, nb.read_text()
    for f in (nb, ROOT/'pyproject.toml'): shutil.copy(f, tmp_path)
    nbdev_clean.__wrapped__(str(q))
    assert q.read_text() == old, f'run nbdev-clean on {nb.name}'

@each_nb
def test_is_small(nb): assert nb.stat().st_size <= 300*1024, f'{nb.name} holds {nb.stat().st_size//1024} KB: smaller or fewer stored pictures'

@each_nb
def test_is_a_lesson(nb):
    "It has its outputs, no error among them, the Colab cell and no other that is never run, and nothing that only nbdev or Quarto knows"
    n = nbformat.read(nb, 4)
    assert n.cells[0].source.startswith('# ')
    code = [c for c in n.cells if c.cell_type == 'code']
    assert not [o for c in code for o in c.outputs if o.output_type == 'error']
    never = [c.source.splitlines() for c in code if 'eval' in flags(c) and 'false' in flags(c)['eval']]
    assert [[re.sub(r'"(plategan)\[\w+\]"', r'\1', o) for o in c] for c in never] == [INSTALL] # A lesson may ask for an extra
    text = '\n'.join(c.source for c in n.cells)
    assert 'skip_exec' not in text and 'nbdev.showdoc' not in text and 'nbdev_export' not in text
    assert not re.search(r'^:::|\.callout-', text, re.M), 'Quarto divs are not understood here'
    shown = [c for c in code if c.source.strip() and not flags(c)]
    assert not shown or any(c.outputs for c in shown), f'{nb.name} stores no outputs: make course ARGS={nb.stem}'

def test_exported_modules_are_up_to_date(tmp_path):
    "nbdev-export writes the modules that are committed, and no other module is there"
    r = tmp_path/'r'
    shutil.copytree(ROOT/'nbs', r/'nbs', ignore=shutil.ignore_patterns('.*'))
    shutil.copy(ROOT/'pyproject.toml', r)
    for d in ('', 'plates', 'models', 'restore'):
        (r/'plategan'/d).mkdir(exist_ok=True)
        shutil.copy(ROOT/'plategan'/d/'__init__.py', r/'plategan'/d)
    env = {k:v for k,v in os.environ.items() if k != 'IN_TEST'}
    subprocess.run([sys.executable, '-c', 'from nbdev.doclinks import nbdev_export; nbdev_export.__wrapped__()'], cwd=r, env=env, check=True)
    got, want = ({f.relative_to(o).as_posix():f.read_text() for f in o.rglob('*.py')} for o in (ROOT/'plategan', r/'plategan'))
    assert got.keys() == want.keys()
    for f in got: assert got[f] == want[f], f'run nbdev-export: {f} differs'

@pytest.mark.parametrize('stem', ['00_core', '10_plates.spec', '40_losses'])
def test_nbdev_test(stem):
    "nbdev's own test command works too; on small lessons only, as all of them have run above"
    subprocess.run([sys.executable, '-m', 'nbdev.test', f'nbs/{stem}.ipynb', '--n-workers', '0'], cwd=ROOT, check=True)

def test_numbers_belong_to_one_lesson():
    "No two lessons share a number, and each is listed on the front page"
    nums = [p.name[:2] for p in NBS if p.name[0].isdigit()]
    assert len(nums) == len(set(nums))
    front = ''.join(''.join(c['source']) for c in json.loads((ROOT/'nbs'/'index.ipynb').read_text())['cells'])
    missing = [p.name for p in NBS if p.name[0].isdigit() and f'({p.name})' not in front]
    assert not missing, f'not linked from nbs/index.ipynb: {missing}'
