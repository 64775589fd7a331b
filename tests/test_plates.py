"Plates: what a lesson can't show. Numbers of any seed are legal, every box holds ink, folders repeat to the byte."
import hashlib, re, subprocess, sys, time
from functools import partial
from math import ceil
import numpy as np, pytest
from PIL import Image
from hypothesis import given, settings, strategies as st
from plategan.core import rng
from plategan.plates.render import _place, render, render_folder
from plategan.plates.spec import TYPES, _grid, check_number, draw_number, find_type, layout, parse, place_odds, regions
from plategan.plates.warp import as_crop, homography, move_points

types, seeds = st.sampled_from(sorted(TYPES)), st.integers(0, 2**31)
sizes = st.tuples(st.integers(100, 500), st.integers(40, 160))

def hashes(p): return {f.name: hashlib.sha1(f.read_bytes()).hexdigest() for f in p.glob('[0-9l]*')}

@settings(max_examples=300, deadline=None)
@given(types, seeds, st.booleans())
def test_drawn_numbers_are_legal(name, seed, balanced):
    t = TYPES[name]
    text = draw_number(t, rng(seed), balanced=balanced)
    assert check_number(t, text) == text
    assert parse(find_type(text), text)[0] == text
    assert parse(t, text)[1] in (regions(t) or (None,))
    assert ''.join(c for c, *_ in layout(t, text)) == re.sub('[ ·-]', '', text)

@settings(max_examples=200, deadline=None)
@given(types, seeds)
def test_blanks_may_be_left_out(name, seed):
    text = draw_number(name, rng(seed))
    bare = re.sub('[ ·-]', '', text).lower()
    assert re.sub('[ ·-]', '', check_number(name, bare)) == bare.upper()

@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_answered(text):
    try: t = find_type(text)
    except ValueError as e: assert 'no known plate' in str(e)
    else: assert parse(t, text)

@pytest.mark.parametrize('name', sorted(TYPES))
def test_balance(name):
    "Balanced: all letters of a place equally frequent, all digits too; where there are only letters or only digits, exactly even"
    t, (_, chars, may) = TYPES[name], _grid(TYPES[name], None)
    signs = {''} | {s for f in t.forms for s in f if s not in t.symbols}
    for place, odds in place_odds(name, balanced=True).items():
        many = may[place][may[place].sum(1) > 1].any(0)
        odds = {c: p for c, p in odds.items() if c not in signs or many[chars[place][c]] and c} # what a form prescribes is as frequent as the form
        if name.startswith('in_') and place == (1, 0): continue # every state has a first district, few have a ninetieth
        kinds = [[p for c, p in odds.items() if c.isdigit() == d] for d in (True, False)]
        for p in filter(None, kinds): assert max(p) < 1.1*min(p), (place, min(p), max(p))

def ink_only(t, char, box, sz, look):
    "What one character covers, in a picture of its own"
    a, extra = np.zeros(sz[::-1], np.uint8), {}
    _place(a, [(char, *box)], look, sz[0]/t.sz_mm[0], sz[1]/t.sz_mm[1], t, [(0, 0)], extra)
    return np.maximum.reduce([a, *extra.values()])

@settings(max_examples=100, deadline=None)
@given(types, seeds, sizes)
def test_boxes_hold_their_character_and_no_other(name, seed, sz):
    "The ink of each character, drawn alone, lies in its box, and not in that of another"
    t, p = TYPES[name], render(None, name, seed, sz)
    assert p.img.size == sz and ''.join(c for c, *_ in p.boxes) == re.sub('[ ·-]', '', p.text)
    look = dict(p.params)
    boxes = [(int(x0), int(y0), ceil(x1), ceil(y1)) for _, x0, y0, x1, y1 in p.boxes]
    for (c, *mm), (x0, y0, x1, y1) in zip(layout(t, p.text), boxes):
        assert 0 <= x0 < x1 <= sz[0] and 0 <= y0 < y1 <= sz[1]
        jx, jy = x0*t.sz_mm[0]/sz[0]-mm[0], y0*t.sz_mm[1]/sz[1]-mm[1]
        a = ink_only(t, c, (mm[0]+jx, mm[1]+jy, *mm[2:]), sz, look).astype(int)
        inside = a[max(0, y0-1):y1+1, max(0, x0-1):x1+1].sum()
        assert inside > 0 and inside >= .99*a.sum(), (p.text, c)
        for o in boxes:
            if o != (x0, y0, x1, y1): assert a[o[1]+1:o[3]-1, o[0]+1:o[2]-1].sum() <= .01*a.sum(), (p.text, c)

@settings(max_examples=60, deadline=None)
@given(types, seeds, sizes)
def test_boxes_hold_ink(name, seed, sz):
    "In the finished picture too: something that differs from the ground in every box"
    p = render(None, name, seed, sz, vary=.5)
    a = np.asarray(p.img.convert('L'), float)
    for c, x0, y0, x1, y1 in p.boxes:
        part = a[int(y0):ceil(y1), int(x0):ceil(x1)]
        assert part.max()-part.min() > 30, (p.text, c)

@settings(max_examples=60, deadline=None)
@given(types, seeds, st.tuples(st.integers(64, 300), st.integers(24, 100)), st.floats(0, 1.5))
def test_crops_of_any_size(name, seed, sz, strength):
    p = as_crop(render(None, name, seed, (220, 70)), rng(seed), sz, strength)
    assert p.img.size == sz and np.isfinite(p.corners).all()
    b = np.array([o[1:] for o in p.boxes])
    assert (b >= 0).all() and (b[:, [0, 2]] <= sz[0]).all() and (b[:, [1, 3]] <= sz[1]).all()

@settings(max_examples=100, deadline=None)
@given(seeds)
def test_homography_is_exact(seed):
    g = rng(seed)
    src, dst = ((np.array([(0, 0), (10, 0), (10, 4), (0, 4)])+g.uniform(-1, 1, (4, 2)))*g.uniform(1, 50) for _ in range(2))
    assert np.allclose(move_points(homography(src, dst), src), dst, atol=1e-6)

@pytest.mark.parametrize('view', [None, partial(as_crop, sz=(96, 32))], ids=['clean', 'crops'])
def test_same_bytes_for_any_number_of_processes(tmp_path, view):
    for n in (1, 2): render_folder(tmp_path/str(n), 230, sz=(120, 40), view=view, n_workers=n, seed=3)
    a, b = hashes(tmp_path/'1'), hashes(tmp_path/'2')
    assert a == b and len(a) == 232
    render_folder(tmp_path/'3', 60, sz=(120, 40), view=view, seed=3)
    assert all(a[k] == v for k, v in hashes(tmp_path/'3').items() if k.endswith('.jpg')), 'fewer plates are the first of many'

def test_a_killed_run_goes_on(tmp_path):
    code = f"from plategan.plates.render import render_folder; render_folder({str(tmp_path/'a')!r}, 400, sz=(120, 40), n_workers=0)"
    run = subprocess.Popen([sys.executable, '-c', code])
    end = time.time()+60
    while time.time() < end and len(list((tmp_path/'a').glob('[0-9]*.jpg'))) < 170 and run.poll() is None: time.sleep(.01)
    run.kill()
    run.wait()
    there = len(list((tmp_path/'a').glob('[0-9]*.jpg')))
    assert 0 < there
    df = render_folder(tmp_path/'a', 400, sz=(120, 40))
    render_folder(tmp_path/'b', 400, sz=(120, 40))
    assert hashes(tmp_path/'a') == hashes(tmp_path/'b') and len(df) == 400
    assert not list((tmp_path/'a').glob('.*.jpg')), 'half-written files are left'

def test_names_and_tables(tmp_path):
    import pandas as pd
    df = render_folder(tmp_path, 8, 'id_white', sz=(120, 40))
    assert not any(set(' /\\:') & set(f) for f in df.file)
    back = pd.read_csv(tmp_path/'labels.csv', dtype=dict(text=str))
    assert list(back.text) == list(df.text) and all(Image.open(tmp_path/f).size == (120, 40) for f in back.file)

def test_imports_no_torch():
    code = "import sys, plategan.plates.warp; assert not {'torch', 'fastai', 'pandas', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, '-c', code], check=True)
