"The reader where a lesson can't show it: faults, resuming, agreement of its two ways to read, the packaged weights"
import math, random
from itertools import product
import numpy as np, pytest, torch
from PIL import Image
from plategan.core import bare, rng
from plategan.metrics import cer, edit_distance, exact
from plategan.models.reader import Codec, beam, collapse, ctc_loss, greedy, reader, text_probs
from plategan.models.weights import load_weights, save_weights
from plategan.plates.render import render
from plategan.plates.spec import TYPES, alphabet, draw_number
from plategan.plates.warp import as_crop
from plategan.reader import Crops, Grammar, Reader, Shake, make_crops, read_right, reading_crop, _char_probs

def _all_texts(probs, chars):
    "The probability of every text, by counting all paths"
    out = {}
    for path in product(range(probs.shape[1]), repeat=len(probs)):
        t = Codec(chars).decode(collapse(path))
        out[t] = out.get(t, 0)+math.prod(probs[i, p].item() for i, p in enumerate(path))
    return out

@pytest.mark.parametrize('seed', range(3))
def test_beam_counts_all_paths(seed):
    probs = torch.from_numpy(np.random.default_rng(seed).dirichlet([.6]*3, 5)).float()
    there, found = _all_texts(probs, 'AB'), dict(beam(probs.log(), Codec('AB'), width=500))
    assert all(abs(found.get(t, 0)-p) < 1e-5 for t, p in there.items()) and set(found) <= set(there)
    assert abs(sum(found.values())-1) < 1e-4
    assert abs(text_probs(probs.log()[None], ['AB'], Codec('AB'))[0]-there['AB']) < 1e-5

def test_beam_under_a_rule_renormalises_nothing():
    probs = torch.from_numpy(np.random.default_rng(5).dirichlet([.6]*3, 5)).float()
    there = _all_texts(probs, 'AB')
    ruled = dict(beam(probs.log(), Codec('AB'), width=500, allow=lambda t: 'A' if not t else 'AB', done=lambda t: len(t) == 2))
    assert set(ruled) <= {'AA', 'AB'} and all(abs(p-there[t]) < 1e-5 for t, p in ruled.items())

def test_greedy_reads_repeats_and_silence():
    logits = torch.full((3, 6, 3), -9.)
    for b, path in enumerate(([1, 1, 0, 1, 2, 2], [0]*6, [2, 0, 2, 0, 2, 2])): logits[b, range(6), path] = 9.
    texts, sure, each = greedy(logits, Codec('AB'))
    assert texts == ['AAB', '', 'BBB'] and [len(e) for e in each] == [3, 0, 3] and min(sure) > .99

def test_char_probs_follow_the_text():
    logits = torch.full((7, 3), -4.)
    for i, c in enumerate([0, 1, 0, 1, 2, 0, 0]): logits[i, c] = 4.
    logits[4] = torch.tensor([-4., 0., .5])
    ps = _char_probs(logits, 'AAB', Codec('AB'))
    assert len(ps) == 3 and ps[2] < .7 < min(ps[:2])
    assert _char_probs(logits, '', Codec('AB')) == []

def test_read_right_agrees_with_exact():
    g, codec = torch.Generator().manual_seed(0), Codec('ABC')
    logits = torch.randn(200, 4, 4, generator=g)*3
    texts = [random.Random(i).choice(['A', 'AB', 'B', 'CA', 'ABC', 'AA']) for i in range(200)]
    assert read_right(logits, codec.encode(texts)).item() == pytest.approx(np.mean(exact(greedy(logits, codec)[0], texts)))

def test_loss_never_spoils_a_batch():
    "A number that cannot fit into the columns, or an empty one, must not give inf or nan"
    logits = torch.randn(3, 4, 5, requires_grad=True)
    loss = ctc_loss(logits, Codec('ABCD').encode(['AAAA', '', 'AB']))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()

FIRST = list({t.country: n for n, t in reversed(TYPES.items())}.values()) # The first type of each country

@pytest.mark.parametrize('name', FIRST)
def test_grammar_knows_every_number(name):
    g, gen = Grammar([name]), rng(1, name)
    for _ in range(5):
        text = bare(draw_number(name, gen))
        assert all(c in g.allow(text[:i]) for i, c in enumerate(text)) and g.done(text)
        assert not g.done(text+'0000000')

def test_alphabet_covers_all_types():
    chars = alphabet()
    assert len(set(chars)) == len(chars) and list(chars) == sorted(chars)
    for name in FIRST: Codec(chars).encode([draw_number(name, rng(2, name)) for _ in range(5)])

def test_crops_go_on_where_they_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr('plategan.reader.BLOCK', 4)
    types = dict(cn_blue=1, id_black=1)
    make_crops(tmp_path, 8, types)
    first = (tmp_path/'00000.npy').stat().st_mtime_ns
    (tmp_path/'00001.npy').unlink()
    make_crops(tmp_path, 10, types)
    ds = Crops(tmp_path, Codec(alphabet(types)))
    assert len(ds) == 10 and (tmp_path/'00000.npy').stat().st_mtime_ns == first
    assert (ds[6][0][0].numpy() == reading_crop(6, types)[0]).all()
    (tmp_path/'00001.tsv').write_text('')
    with pytest.raises(ValueError, match='a block is broken'): Crops(tmp_path, Codec(alphabet(types)))

def test_shake_changes_the_view_and_not_the_source():
    x = torch.randint(0, 255, (7, 1, 64, 192), dtype=torch.uint8)
    was = x.clone()
    a, b = (Shake()((x, torch.zeros(7, 3)))[0] for _ in range(2))
    assert (x == was).all() and a.shape == (7, 1, 48, 144) and not torch.equal(a, b)
    still = Shake(strength=0)
    assert torch.equal(still((x, x))[0], still((x, x))[0])

def test_weights_keep_the_alphabet(tmp_path):
    torch.manual_seed(0)
    net = reader('0123浙', (4, 8, 8, 8), rows=2).eval()
    save_weights(net, tmp_path/'r', half=False)
    x, back = torch.rand(1, 3, 20, 60), load_weights(tmp_path/'r')
    assert back.codec.chars == '0123浙' and back.rows == 2
    with torch.no_grad(): assert torch.equal(net(x), back(x))

def test_gradient_reaches_the_picture():
    "A restorer that shall be legible needs it, at any size"
    net, x = reader('01', (4, 8, 8, 8)).eval(), torch.rand(2, 3, 30, 100, requires_grad=True)
    ctc_loss(net(x), net.codec.encode(['01', '10'])).backward()
    assert x.grad.abs().sum() > 0 and torch.isfinite(x.grad).all()

@pytest.mark.parametrize('o', [np.zeros((64, 192, 3), np.uint8), np.full((3, 11, 17), .5, np.float32), Image.new('L', (3, 2)), torch.ones(3, 40, 90)])
def test_odd_pictures_are_refused_not_invented(o):
    texts, sure = Reader().read([o])
    assert texts == [''] and 0 <= sure[0] < .5

def test_the_packaged_reader_reads():
    "8 rendered crops of each of its types, not seen in training"
    r = Reader(threshold=0)
    for name in r.model.info['types'][:4]:
        plates = [as_crop(render(None, name, seed=9000+i), rng(9, 'test', name, i)) for i in range(8)]
        assert sum(exact(r.read([p.img for p in plates])[0], [p.text for p in plates])) >= 5

def test_a_file_that_is_no_picture(tmp_path):
    (tmp_path/'x.jpg').write_text('no')
    with pytest.raises(ValueError, match='x.jpg'): Reader().read([tmp_path/'x.jpg'])

def test_edit_distance_is_a_distance():
    words = ['', 'A', 'AB', 'BA', 'ABC', 'CAB', 'AAA']
    for a, b, c in product(words, repeat=3): assert edit_distance(a, b) == edit_distance(b, a) <= edit_distance(a, c)+edit_distance(c, b)
    assert cer(['', 'AB'], ['AB', 'AB']) == .5 and cer([], []) == 0

def _seen(kind, i, sz):
    plate = render(None, kind, rng(21, kind, i), sz=(2*sz[0], 2*sz[1]))
    return bare(plate.text), as_crop(plate, rng(22, kind, i), sz, strength=.5).img

@pytest.mark.parametrize('kinds,sz,least', [(('de_car', 'gb_front', 'br_mercosur', 'in_private', 'kr_private', 'id_black'), (220, 70), .75), (('in_private_two', 'gb_rear_two', 'cn_motorcycle'), (150, 95), .5)])
def test_the_eyes_of_the_restorer_read_all_countries(kinds, sz, least):
    from plategan.reader import READER
    model, right, n = load_weights(READER.with_name('default-reader')), 0, 4
    for k in kinds:
        texts, ims = zip(*(_seen(k, i, sz) for i in range(n)))
        right += sum(a == b for a, b in zip(Reader(model, [k], threshold=0).read(ims)[0], texts))
    assert right >= least*n*len(kinds)

def test_the_eyes_of_the_restorer_see_colour_and_one_shape_or_the_other():
    from plategan.reader import READER
    r = Reader(READER.with_name('default-reader'), threshold=0)
    _, im = _seen('cn_blue', 0, (220, 70))
    a, b, c = r.logits([im, im.resize((130, 100)), im.convert('L')])                # a narrow one beside a wide one
    assert a.shape == b.shape == c.shape and r.logits([]).shape[0] == 0
    assert (a-r.logits([im])[0]).abs().max() < 1e-2 and (a-c).abs().max() > 1e-3
    assert set('Ö가京') <= set(r.model.codec.chars)
