"Chinese plates: the numbers of every type against rules written down apart from the types' grammar, and what is refused"
import re, pytest
from plategan.core import rng
from plategan.plates.render import plan
from plategan.plates.spec import TYPES, check_number, draw_number, find_type, get_type, layout, parse, regions

P, L = '[京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新]', 'A-HJ-NP-Z'
SERIAL = rf'(?=(?:\d*[{L}]){{0,2}}\d*$)[0-9{L}]{{5}}'
RULES = dict(blue=rf'{P}[{L}]{SERIAL}', green=rf'{P}[{L}][A-HJK][0-9{L}]\d{{4}}', yellow=rf'{P}[{L}]{SERIAL}', yellow_rear=rf'{P}[{L}]{SERIAL}',
    green_large=rf'{P}[{L}]\d{{5}}[A-HJK]', coach=rf'{P}[{L}][0-9{L}]{{4}}学', trailer=rf'{P}[{L}][0-9{L}]{{4}}挂', police=rf'{P}[{L}][0-9{L}]{{4}}警',
    hk=rf'粤Z[0-9{L}]{{4}}港', macau=rf'粤Z[0-9{L}]{{4}}澳', embassy=r'\d{6}使', consulate=rf'{P}\d{{4}}[0-9{L}]领',
    motorcycle=rf'{P}[{L}]{SERIAL}', motorcycle_light=rf'{P}[{L}]{SERIAL}')
kinds = pytest.mark.parametrize('kind', RULES)

def test_every_type_has_a_rule(): assert {o.kind for o in TYPES.values() if o.country == 'cn'} == set(RULES)

@kinds
def test_drawn_numbers_follow_the_rule(kind):
    t, gen, regs = get_type(f'cn_{kind}'), rng(1, kind), set()
    for k in range(500):
        text = draw_number(t, gen, balanced=k % 2)
        assert re.fullmatch(RULES[kind], text), text
        assert parse(t, text)[0] == text
        regs.add(parse(t, text)[1])
    assert regs == set(regions(t) or (None,))

@kinds
def test_changed_numbers_are_legal_just_where_the_rule_says_so(kind):
    "One character changed at random: the type takes it if the rule does, but for city letters, where it knows more"
    t, gen, chars, seen = get_type(f'cn_{kind}'), rng(2, kind), '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ皖粤学挂警港澳使领', set()
    for _ in range(500):
        text = draw_number(t, gen)
        i, c = int(gen.integers(len(text))), chars[gen.integers(len(chars))]
        text = text[:i]+c+text[i+1:]
        found, legal = parse(t, text) is not None, re.fullmatch(RULES[kind], text) is not None
        seen.add(found)
        if found: assert legal, text
        else:
            if not (i == 1 and c.isalpha() or i == 0): assert not legal, text
            with pytest.raises(ValueError, match='expected|too'): check_number(t, text)
    assert seen == {True, False}

@kinds
def test_no_number_twice(kind):
    texts = [o[1] for o in plan(300, [get_type(f'cn_{kind}')], seed=3, region=None if kind == 'embassy' else '粤')]
    assert len(set(texts)) == 300 and all(re.fullmatch(RULES[kind], o) for o in texts)

@kinds
def test_places_leave_the_plate_and_each_other_room(kind):
    t = get_type(f'cn_{kind}')
    b = [o[1:] for o in layout(t, draw_number(t, rng(4)))]
    assert min(o[0] for o in b)+max(x+w for x, _, w, _ in b) == pytest.approx(t.sz_mm[0]) # as far from the left edge as from the right
    for (x, y, w, h), (x2, y2, *_) in zip(b, b[1:]): assert x+w < x2 or y+h < y2
    dots = [m for m in t.marks if m.kind not in ('bolt',)]
    assert len(dots) == 1
    for x, y, w, h in b: assert abs(dots[0].x-x-w/2) >= (dots[0].w+w)/2 or abs(dots[0].y-y-h/2) >= (dots[0].h+h)/2

@pytest.mark.parametrize('text,kind', [('皖A12345', 'blue'), ('皖AD12345', 'green'), ('皖A12345D', 'green_large'), ('皖A1234学', 'coach'), ('皖A1234挂', 'trailer'),
    ('皖A1234警', 'police'), ('粤Z1234港', 'hk'), ('粤ZA12B澳', 'macau'), ('123456使', 'embassy'), ('沪12345领', 'consulate')])
def test_the_first_type_of_a_number(text, kind): assert find_type(text).name == f'cn_{kind}'

@pytest.mark.parametrize('kind,text,why', [('blue', '皖ABC1D2', 'at most two letters'), ('blue', '皖I12345', 'city letter'), ('blue', '海A12345', '31 provinces'),
    ('blue', '皖A1234O', 'digit'), ('blue', '皖A1234', 'too short'), ('blue', '皖A123456', 'too long'), ('green', '皖AL12345', 'new energy'), ('green_large', '皖A12345L', 'electric'),
    ('coach', '皖A1234警', '学'), ('hk', '粤A1234港', 'Z'), ('hk', '皖Z1234港', '粤'), ('embassy', '12345A使', 'digit'), ('consulate', '沪1A345领', 'digit')])
def test_why_a_number_is_refused(kind, text, why):
    with pytest.raises(ValueError, match=why): check_number(f'cn_{kind}', text)
