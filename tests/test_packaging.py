"Wheel and sdist hold all they should, and work outside the checkout. Everything here runs without a network."
import os, shutil, subprocess, sys, tarfile, zipfile
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parent.parent

def build(src, out, *what):
    "Run `python -m build` with what is installed here"
    subprocess.run([sys.executable, '-m', 'build', '--no-isolation', '--outdir', str(out), *what, str(src)], check=True, stdout=subprocess.DEVNULL)

@pytest.fixture(scope='module')
def dists(tmp_path_factory):
    "The sdist of a clean copy, and the wheel that is built from that sdist"
    tmp = tmp_path_factory.mktemp('dist')
    skip = shutil.ignore_patterns('.venv', '.git', '_build', '_proc', 'build', 'dist', '*.egg-info', '__pycache__', 'demo', 'runs', '.pytest_cache')
    shutil.copytree(ROOT, tmp/'src', ignore=skip)
    build(tmp/'src', tmp/'out', '--sdist')
    sdist = next((tmp/'out').glob('*.tar.gz'))
    with tarfile.open(sdist) as t: t.extractall(tmp/'unpacked', filter='data')
    build(next((tmp/'unpacked').iterdir()), tmp/'out', '--wheel')
    return sdist, next((tmp/'out').glob('*.whl'))

def package_files():
    "What belongs to the package: modules, faces with their licences, weights"
    fs = [p for p in (ROOT/'plategan').rglob('*') if p.is_file() and '__pycache__' not in p.parts and p.name[0] != '.']
    return {p.relative_to(ROOT).as_posix() for p in fs}

def test_wheel_is_complete(dists):
    "Every file of the package, and nothing else but its metadata and licence"
    with zipfile.ZipFile(dists[1]) as z: got = set(z.namelist())
    info = {f for f in got if '.dist-info/' in f}
    assert got - info == package_files()
    assert any(f.endswith('licenses/LICENSE') for f in info)
    assert any(f.startswith('plategan/fonts/') for f in got) and any(f.startswith('plategan/weights/') for f in got)

def test_sdist_is_complete(dists):
    "All that is needed to build the wheel again"
    with tarfile.open(dists[0]) as t: got = {'/'.join(m.name.split('/')[1:]) for m in t.getmembers() if m.isfile()}
    want = package_files() | {'settings.ini', 'setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'CHANGELOG.md'}
    assert want <= got, want - got

def test_metadata(dists):
    "What the registry will show"
    with zipfile.ZipFile(dists[1]) as z: meta, entry = (z.read(next(f for f in z.namelist() if f.endswith(n))).decode() for n in ('METADATA', 'entry_points.txt'))
    for line in ('Name: plategan', 'License-Expression: Apache-2.0', 'Requires-Python: >=3.11', 'Requires-Dist: fastai'): assert line in meta, line
    assert 'make demo' in meta and 'plategan = plategan.cli:main' in entry

@pytest.fixture(scope='module')
def installed(dists, tmp_path_factory):
    "A folder outside the checkout into which the wheel was installed"
    target = tmp_path_factory.mktemp('installed')
    pip = [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--no-index', '--target', str(target), str(dists[1])]
    subprocess.run(pip, check=True)
    return target

def outside(installed, tmp_path, *cmd):
    "Run the installed plategan in an empty folder; no module of the checkout can be found"
    here = tmp_path/'here'
    here.mkdir(exist_ok=True)
    env = dict(os.environ, PYTHONPATH=str(installed))
    r = subprocess.run([sys.executable, *cmd], cwd=here, env=env, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout

def test_is_the_installed_one(installed, tmp_path):
    "The tests below test what was installed"
    assert outside(installed, tmp_path, '-c', 'import plategan; print(plategan.__file__)').startswith(str(installed))

def test_command_is_there(installed, tmp_path): assert 'enhance' in outside(installed, tmp_path, str(installed/'bin'/'plategan'), '--help')

def test_renders(installed, tmp_path):
    "A plate of each type, whose faces come with the package"
    code = 'from plategan.plates.render import render\nfor n in ("皖A12345", "皖AD12345", "B 1234 ABC"): print(render(n).img.size)'
    assert len(outside(installed, tmp_path, '-c', code).splitlines()) == 3

def test_enhances(installed, tmp_path):
    "The default weights come with the package too"
    code = '''from plategan.plates.render import render
from plategan.enhance import enhance
im = render("皖A12345").img.resize((96, 32))
print(enhance(im).size)'''
    assert '(' in outside(installed, tmp_path, '-c', code)
