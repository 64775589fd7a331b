"Germany, the United Kingdom, India, Brazil, Europe, the United States: numbers by the rules of their laws, places by their millimetres"
import re
import numpy as np, pytest
from plategan.core import rng
from plategan.plates.render import glyph, heavier, render
from plategan.plates.spec import TYPES, check_number, choices, draw_number, draw_with_region, find_type, layout, parse, regions, separators

N = 1000 # Numbers of each type
STATES = '(AN|AP|AR|AS|BR|CG|CH|DD|DL|DN|GA|GJ|HP|HR|JH|JK|KA|KL|LA|LD|MH|ML|MN|MP|MZ|NL|OD|OR|PB|PY|RJ|SK|TN|TR|TS|TG|UK|UP|WB)'
DISTRICTS = dict(AP=39, AR=22, AS=30, BR=57, CG=30, GA=12, GJ=38, HR=99, HP=97, JH=24, KA=70, KL=86, MP=74, MH=50, MN=7, ML=10, MZ=8, NL=8, OD=35, PB=91, RJ=55,
    SK=4, TN=99, TS=36, TR=8, UP=96, UK=20, WB=99, AN=1, CH=4, DD=3, DL=16, JK=22, LA=2, LD=9, PY=5)
RULES = { # by the beginning of the type's name, the longest first
    'in_bh': r'\d{2} BH \d{4} [A-HJ-NP-Z]{1,2}', 'in': STATES+r' \d{2} [A-HJ-NP-Z]{1,3} \d{4}', 'gb': r'[A-HJ-PR-Y]{2}\d{2} [A-HJ-PR-Z]{3}',
    'de': r'(?=(?:[^ ] ?){3,8}$)[A-ZÄÖÜ]{1,3} [A-Z]{1,2} [1-9]\d{0,3}[EH]?', 'br_old': r'[A-Z]{3}-\d{4}', 'br': r'[A-Z]{3}\d[A-Z]\d{2}', 'us_ca': r'[1-9][A-Z]{3}\d{3}',
    'us_generic': r'[A-Z0-9]{2,3}[ -][A-Z0-9]{3,5}', 'us': r'[A-Z]{3}-\d{4}', 'eu': r'[A-Z0-9]{1,4}([ -][A-Z0-9]{1,5}){1,2}'}
WORLD = [n for n, t in TYPES.items() if t.country in ('de', 'gb', 'in', 'br', 'eu', 'us')]

def rule(name): return re.compile(RULES[max((k for k in RULES if name.startswith(k)), key=len)])
def many(name, n, **kw): return [draw_number(name, rng(i, name), **kw) for i in range(n)]

@pytest.mark.parametrize('name', WORLD)
def test_numbers_follow_the_law(name):
    text = many(name, N)
    assert not [o for o in text if not rule(name).fullmatch(o)]
    assert all(not re.search('0000', o) for o in text if name.startswith('in'))
    for o in text[:40]:
        t = find_type(o)
        assert parse(t, o)[0] == o and rule(t.name).fullmatch(o)
        assert check_number(name, re.sub('[ -]', '', o).lower()).replace(' ', '').replace('-', '') == re.sub('[ -]', '', o)

@pytest.mark.parametrize('name', WORLD)
def test_places_are_on_the_plate_and_apart(name):
    "No box over another, over the edge, over a band or over what stands between the groups"
    t = TYPES[name]
    for text in many(name, 100):
        boxes = [o[1:] for o in layout(t, text)]
        seps = [(m.x-m.w/2, m.y-m.h/2, m.w, m.h) for m in separators(t, text)]
        solid = [o[:4] for o in t.bands if o[3] > 8]+seps
        for i, (x, y, w, h) in enumerate(boxes):
            assert x >= 4 and y >= 4 and x+w <= t.sz_mm[0]-4 and y+h <= t.sz_mm[1]-4, text
            for a, b, c, d in boxes[:i]+solid: assert x >= a+c-.01 or a >= x+w-.01 or y >= b+d-.01 or b >= y+h-.01, (text, i)

@pytest.mark.parametrize('name', WORLD)
def test_characters_keep_their_size(name):
    "Only the longest numbers may be squeezed, and by less than a tenth"
    t = TYPES[name]
    for text in many(name, 100):
        for c, _, y, w, h in layout(t, text):
            want = next(r for r in t.rows if r.y == y).width(c) if t.rows else t.slots[0][2]
            assert .9*want < w <= want+1e-9, text

def test_india_states():
    t = TYPES['in_private']
    assert set(regions(t)) >= set(DISTRICTS) and len(regions(t)) == 39
    assert {k: int(choices(t.symbols, 'C', k)[-1]) for k in DISTRICTS} == DISTRICTS
    for k in regions(t):
        text, r = draw_with_region(t, rng(0, k), k)
        assert r == k and text.startswith(f'{k} ') and parse(t, text) == (text, k)
    assert check_number('in_private', 'mh50abc0001') == 'MH 50 ABC 0001' and find_type('22 BH 1234 AA').kind == 'bh'
    assert find_type('MH12AB1234').name == 'in_private' and check_number('in_private', 'DL 16 A 9999')

@pytest.mark.parametrize('name,text,rule', [
    ('in_private', 'XX 12 AB 1234', 'the code of a state'), ('in_private', 'MH 51 AB 1234', "one of that state's districts"), ('in_private', 'MH 00 AB 1234', 'districts'),
    ('in_private', 'MH 12 OB 1234', 'other than I and O'), ('in_private', 'MH 12 AB 0000', '0001 to 9999'), ('in_private', 'LD 10 A 1234', 'districts'), ('in_bh', '20 BH 1234 AA', 'from 21'),
    ('de_car', 'XX AB 123', 'a place code'), ('de_car', 'M AB 0123', 'from 1 to 9'), ('de_car', 'HAM AB 1234', 'too long'), ('de_narrow', 'HAM AB 1234', 'if eight characters leave room'), ('de_narrow', 'M AB 12345', 'too long'),
    ('de_car', 'M ABC 12', 'a blank between'), ('de_car', 'M AB', 'too short'), ('gb_front', 'IB12 ABC', 'letter of a region'), ('gb_front', 'AZ12 ABC', 'letter of an office'),
    ('gb_front', 'AB45 ABC', 'an age number'), ('gb_front', 'AB12 AQC', 'other than I and Q'), ('gb_front', 'AB12 ABCD', 'too long'), ('br_mercosur', 'ABC1234', 'a letter'),
    ('br_old', 'ABC1D23', 'a digit'), ('us_ca', '0ABC123', 'from 1 to 9'), ('us_ca', '1AB1234', 'a letter')])
def test_wrong_numbers_are_told_their_rule(name, text, rule):
    with pytest.raises(ValueError, match=re.escape(rule)): check_number(name, text)

@pytest.mark.parametrize('name', ['in_private', 'de_car', 'gb_front'])
def test_an_unknown_region_is_refused(name):
    with pytest.raises(ValueError, match="has no region 'QX'"): draw_number(name, rng(0), 'QX')

def test_types_are_found_by_their_number():
    want = {'M AB 123': 'de_car', 'HH AB 1234': 'de_narrow', 'B AB 1234': 'de_car', 'M AB 12E': 'de_electric', 'B AB 1234E': 'de_electric_narrow', 'M AB 12H': 'de_historic',
        'AB12 CDE': 'gb_front', 'ABC1D23': 'br_mercosur', 'ABC-1234': 'br_old', '7ABC123': 'us_ca', 'AB-123-CD': 'eu_hyphen', '1234 BCD': 'eu_car', 'B 1234 ABC': 'id_black'}
    assert {k: find_type(k).name for k in want} == want
    assert parse(TYPES['de_car'], 'hamab12') == ('HAM AB 12', 'HAM') and len(regions(TYPES['de_car'])) > 600

def test_german_cells():
    "A cell is the character and its air: 47.5 and 44.5 mm, narrow 40.5 and 38.5; both seals stand between place code and letters"
    for name, text, letter, digit in (('de_car', 'HH AB 123', 47.5, 44.5), ('de_narrow', 'HH AB 1234', 40.5, 38.5)):
        b = layout(TYPES[name], text)
        assert [round(b[i+1][1]-b[i][1], 6) for i in (0, 2, 4, 5)] == [letter, letter, digit, digit] and b[0][4] == 75
        m, = separators(TYPES[name], text)
        assert b[1][1]+b[1][3] <= m.x-m.w/2 and m.x+m.w/2 <= b[2][1]
    assert TYPES['de_car'].sz_mm == (520, 110) and 40 <= TYPES['de_car'].bands[0][2] <= 50

def test_british_measures():
    b = layout(TYPES['gb_front'], 'AB23 CDE')
    gaps = [round(q[1]-p[1]-p[3], 6) for p, q in zip(b, b[1:])]
    assert {o[3:] for o in b} == {(50, 79)} and gaps == [11, 11, 11, 33, 11, 11] and round(b[0][1], 6) == round(520-b[-1][1]-50, 6) >= 11
    top, low = (next(o for o in layout(TYPES['gb_rear_two'], 'AB23 CDE') if o[0] == c) for c in 'AC')
    assert low[2]-top[2]-top[4] == 19

@pytest.mark.parametrize('face,w,h,stroke', [('wright', 50, 79, 14), ('wright_slim', 20, 79, 14), ('fe', 40.5, 75, 10), ('fe', 34, 75, 9.6)])
def test_own_faces_have_the_asked_stroke(face, w, h, stroke):
    "The stem of the British 1 is 14 mm wide, also in its own slim box"
    a = glyph(face, 'I', round(heavier(face, w, h, stroke), 2), (w, h), (round(w*8), h*8))
    assert abs((a[h*4] > 127).sum()/8-stroke) < .8 and (a > 127).any(1).sum() > 8*h-6

def test_own_faces_repeat_to_the_byte(tmp_path, monkeypatch):
    pytest.importorskip('fontTools')
    import importlib.util
    from pathlib import Path
    spec = importlib.util.spec_from_file_location('draw_faces', Path(__file__).parent.parent/'tools'/'draw_faces.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    there, tool.OUT = tool.OUT, tmp_path
    for o in tool.FACES.items(): tool.write(*o)
    for f in tmp_path.iterdir(): assert f.read_bytes() == (there/f.name).read_bytes()

def test_brazilian_pitch():
    assert set(np.diff([o[1] for o in layout(TYPES['br_mercosur'], 'ABC1D23')])) == {46}
    b = layout(TYPES['br_mercosur_moto'], 'ABC1D23')
    assert [o[2] == b[0][2] for o in b] == [True]*3+[False]*4 and b[1][1]-b[0][1] == 38 and b[0][4] == 53

def test_colours_tell_the_use():
    "The ground in the middle of a gap between characters: white, yellow, green"
    def ground(name, x, y): return np.asarray(render(type=name, seed=1, vary=0).img)[y, x].astype(int)
    assert (ground('in_private', 490, 20) > 225).all() and (ground('gb_front', 5, 20) > 225).all()
    for name, x in (('in_transport', 490), ('gb_rear', 5)):
        r, g, b = ground(name, x, 20)
        assert r > 230 and g > 170 and b < 60
    r, g, b = ground('in_electric', 490, 20)
    assert g > 1.8*r and g > 1.3*b
    r, g, b = ground('de_car', 10, 8)
    assert b > 2*g > r
