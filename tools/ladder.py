"""The house's rules on imports: a module climbs only.

    python tools/ladder.py        says what breaks them; exit code 1 if anything does
"""
import ast, json, re, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {'torch', 'torchvision', 'torchmetrics', 'fastai', 'safetensors'}

def floors(root=ROOT):
    "Module name to (floor, notebook name), from the numbers and `default_exp` lines of the notebooks"
    res = {}
    for p in sorted((root/'nbs').glob('[0-9][0-9]_*.ipynb')):
        src = '\n'.join(''.join(c['source']) for c in json.loads(p.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code')
        m = re.search(r'^#\|\s*default_exp\s+(\S+)', src, re.M)
        if m: res[f'plategan.{m[1]}'] = (int(p.name[:2]), p.name)
    return res

def imports(path):
    "(module, names, line, at module level?) for each import statement of a file"
    tree = ast.parse(path.read_text(encoding='utf-8'), str(path))
    top = {id(o) for o in tree.body}
    for o in ast.walk(tree):
        if isinstance(o, ast.Import): yield from ((a.name, [], o.lineno, id(o) in top) for a in o.names)
        elif isinstance(o, ast.ImportFrom): yield '.'*o.level + (o.module or ''), [a.name for a in o.names], o.lineno, id(o) in top

def _whole(mod, path, root):
    "The full name of a relative import (nbdev-export makes ours relative)"
    name = mod.lstrip('.')
    level = len(mod) - len(name)
    if not level: return mod
    package = path.relative_to(root).parent.parts
    return '.'.join([*package[:len(package)-level+1], *filter(None, [name])])

def _ours(mod, names, known):
    "The modules of plategan that an import names"
    subs = [f'{mod}.{n}' for n in names if f'{mod}.{n}' in known]
    return subs or [mod]

def check(root=ROOT):
    "What breaks the rules, one sentence each"
    known, bad = floors(root), []
    for name, (floor, nb) in known.items():
        path = root/(name.replace('.', '/') + '.py')
        if not path.exists():
            bad.append(f'{nb}: its module {name} is missing; run nbdev-export')
            continue
        for mod, names, line, top in imports(path):
            at = f'{nb} ({path.name}:{line})'
            mod = _whole(mod, path, root)
            if top and (floor <= 21 or floor >= 90) and mod.split('.')[0] in HEAVY:
                bad.append(f'{at} imports {mod}; rooms 00-21 and the doors must open without torch: import it where it is used, or not at all')
            if mod.split('.')[0] != 'plategan' or (mod, names) == ('plategan', []): continue
            if '*' in names: bad.append(f'{at} imports * from {mod}; name what it needs')
            for m in _ours(mod, names, known):
                if m not in known:
                    bad.append(f'{at} imports {m}, which no notebook exports')
                    continue
                other = known[m][0]
                if other >= floor: bad.append(f'{at} imports {m} of room {other}; a module climbs only: it imports from lower numbers')
                if {floor//10, other//10} == {6, 7}: bad.append(f'{at} imports {m}; rooms 6 and 7 know nothing of each other')
                if floor//10 == 3 and other//10 not in (0, 3): bad.append(f'{at} imports {m}; models know no data')
    return bad

if __name__ == '__main__':
    bad = check()
    print('\n'.join(bad) if bad else f'{len(floors())} modules, all climb')
    sys.exit(bool(bad))
