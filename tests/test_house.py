"The rules of the house that a machine can check."
import ast, os, re, subprocess, sys
from configparser import ConfigParser
from pathlib import Path
import ladder, pytest

ROOT = Path(__file__).resolve().parent.parent
INI = ConfigParser(delimiters=['='])
INI.read(ROOT/'settings.ini', encoding='utf-8')
INI = INI['DEFAULT']

def tracked():
    "The project's files: git's list in a clone, else everything that is not built"
    r = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True)
    if not r.returncode: return [ROOT/f for f in r.stdout.split('\0') if f and (ROOT/f).is_file()]
    built = {'.venv', '_build', '_proc', 'build', 'dist', '__pycache__'}
    return [p for p in ROOT.rglob('*') if p.is_file() and not built & set(p.relative_to(ROOT).parts)]

def python(code, *args):
    "What `code` prints in a fresh process outside the checkout"
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run([sys.executable, '-c', code, *args], cwd=ROOT.parent, env=env, check=True, capture_output=True, text=True).stdout

def test_modules_climb_only(): assert ladder.check() == []

def test_ladder_finds_what_it_looks_for(tmp_path):
    "Each rule fires on a module that breaks it"
    (tmp_path/'nbs').mkdir()
    (tmp_path/'plategan').mkdir()
    mods = {'10_low':'import torch\nfrom plategan.high import x', '30_high':'from .low import *\nfrom plategan.gone import z'}
    for nb, src in mods.items():
        name = nb[3:]
        (tmp_path/'nbs'/f'{nb}.ipynb').write_text('{"cells": [{"cell_type": "code", "source": ["#| default_exp %s"]}]}' % name)
        (tmp_path/'plategan'/f'{name}.py').write_text(src)
    bad = '\n'.join(ladder.check(tmp_path))
    for word in ('climbs only', 'imports *', 'no notebook exports', 'without torch', 'know no data'): assert word in bad, word
    assert len(bad.splitlines()) == 5

def test_style():
    "chkstyle has no findings"
    paths = ['nbs', 'tests', 'tools', 'docs', 'benchmarks', 'setup.py']
    r = subprocess.run([sys.executable, '-c', 'import sys; from chkstyle.core import cli; sys.exit(cli())', *paths], cwd=ROOT, capture_output=True, text=True)
    assert 'found 0 potential' in r.stdout, r.stdout + r.stderr

def test_names_no_machine():
    "No path of the machine it was made on, no package registry's host"
    bad = re.compile(r'(?<![\w.])/(?:work|farm|root|home/\w+|opt)/|https?://[a-z.]*(?:npm|pypi|pythonhosted|debian)[a-z]*\.(?:org|com)')
    found = []
    for p in tracked():
        if p == Path(__file__) or p.suffix in {'.ttf', '.otf', '.jpg', '.png', '.safetensors'}: continue
        text = p.read_text(encoding='utf-8', errors='ignore')
        found += [f'{p.relative_to(ROOT)}: {m[0]}' for m in bad.finditer(text)]
    assert not found

def test_no_large_files(): assert not [p for p in tracked() if p.stat().st_size > 8_000_000]

def test_licences_stand_beside_the_faces():
    "Each face in fonts/ has a licence text of the same first name"
    fonts = [p for p in (ROOT/'plategan'/'fonts').iterdir() if p.suffix in {'.ttf', '.otf'}]
    texts = {p.name.split('-')[0] for p in (ROOT/'plategan'/'fonts').glob('*.txt')}
    assert fonts and not [p.name for p in fonts if re.split('[_.-]', p.name)[0] not in texts]

def test_requirements_are_what_is_imported():
    "Each package that a module imports is in `requirements`, each requirement is imported"
    names = {re.split('[<>=!~]', o)[0] for o in INI['requirements'].split()}
    names = {dict(pillow='PIL').get(o, o) for o in names}
    used = set()
    for p in (ROOT/'plategan').rglob('*.py'): used |= {m.split('.')[0] for m, *_ in ladder.imports(p) if m and m[0] != '.'}
    used -= {'plategan', '__future__'} | set(sys.stdlib_module_names)
    extras = {re.split('[<>=!~]', o)[0] for k in ('cluster_requirements', 'fast_requirements', 'onnx_requirements') for o in INI[k].split()} | {'cv2', 'av'}
    used -= extras
    assert used <= names, f'imported but not required: {used - names}'
    lessons = {'ipywidgets', 'torchvision'} # sliders and progress bars of the lessons; the encoder that fastai fetches
    assert names - used <= lessons, f'required but not imported: {names - used - lessons}'

def test_no_unsafe_loading():
    "Weights never come out of a pickle"
    for p in (ROOT/'plategan').rglob('*.py'):
        calls = [o for o in ast.walk(ast.parse(p.read_text())) if isinstance(o, ast.Call)]
        assert not {ast.unparse(o.func) for o in calls} & {'pickle.load', 'pickle.loads', 'eval', 'exec', 'load_learner'}, p
        loads = [ast.unparse(o) for o in calls if ast.unparse(o.func) == 'torch.load']
        assert all('weights_only=True' in o for o in loads), p

LIGHT = ['plategan', 'plategan.cli', *sorted(m for m, (floor, _) in ladder.floors().items() if floor <= 21)]

@pytest.mark.parametrize('mod', LIGHT)
def test_opens_without_torch(mod):
    "Rooms 00 to 21 and the command line import no torch, directly or by another module"
    heavy = python('import sys; __import__(sys.argv[1]); print([o for o in sys.argv[2:] if o in sys.modules])', mod, *sorted(ladder.HEAVY))
    assert heavy.strip() == '[]'

def test_help_is_light():
    "`plategan --help` opens without torch too"
    out = python('''import sys
sys.argv = ['plategan', '--help']
try: code = __import__('plategan.cli').cli.main()
except SystemExit as e: code = e.code
print('exit', code or 0)
print([o for o in ('torch', 'fastai', 'matplotlib', 'pandas') if o in sys.modules])''')
    assert 'enhance' in out and out.strip().splitlines()[-2:] == ['exit 0', '[]'], out

def test_version():
    "The version comes from settings.ini alone"
    assert python('import plategan; print(plategan.__version__)').strip() == INI['version']

def test_workflows_parse():
    "Each workflow is YAML with jobs, and its make targets exist"
    import yaml
    make = (ROOT/'Makefile').read_text()
    for p in sorted((ROOT/'.github'/'workflows').glob('*.yml')):
        w = yaml.safe_load(p.read_text())
        runs = [s['run'] for j in w['jobs'].values() for s in j['steps'] if 'run' in s]
        for t in (t for r in runs for t in re.findall(r'\bmake (\w+)', r)): assert re.search(rf'^{t}:', make, re.M), f'{p.name}: make {t}'
