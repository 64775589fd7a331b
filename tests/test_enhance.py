"Restoring on demand: sizes, colours, readings before and after, bursts of one plate, and files for other programs."
import csv, importlib, sys
from functools import partial
import numpy as np, pytest, torch
from PIL import Image
from plategan.core import rng
from plategan.enhance import NO_EVIDENCE, Restorer, enhance, enhance_folder, read_both, working_size
from plategan.models.sr import compact, hourglass
from plategan.models.weights import load_weights, save_weights
from plategan.plates.render import render
from plategan.reader import Reader

def awake(net, std=.03):
    "`net` with numbers where it began with zeros"
    torch.manual_seed(1)
    for p in net.parameters(): _ = torch.nn.init.normal_(p, std=std) if not p.any() else p
    return net.eval()

class Blue(torch.nn.Module):
    "Sees blue everywhere"
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([0., 0., .3]).view(1, 3, 1, 1))
    def forward(self, x): return x+self.w

NETS = dict(compact=partial(compact, nf=8, n_blocks=1), hourglass=partial(hourglass, (8, 16), (1, 1, 1)))
SZS = [(1, 1), (48, 16), (94, 24), (226, 70), (520, 110), (191, 63), (333, 111), (90, 160), (700, 7), (300, 400)]

def noise(sz, seed=0): return Image.fromarray(rng(seed, sz).integers(0, 256, (max(1, sz[1]//4), max(1, sz[0]//4), 3), dtype=np.uint8)).resize(sz, Image.BICUBIC)
def far(a, b): return np.abs(np.asarray(a).astype(int)-np.asarray(b)).max()

@pytest.fixture(scope='session', params=list(NETS))
def restorer(request, tmp_path_factory):
    "As from a weights file"
    f = save_weights(awake(NETS[request.param]()), tmp_path_factory.mktemp('net')/request.param, sz=(192, 64))
    return Restorer(f, 'cpu', bf16=False)

@pytest.fixture(scope='module')
def plates(): return [render(t, sz=(220, 70)).img for t in ('皖A12345', '苏E2468K', 'B 1234 ABC')]

# --- Sizes

def test_a_tall_plate_is_restored_by_what_changes_at_the_height_of_the_training():
    from plategan.camera import motion_blur
    from plategan.plates.warp import as_crop
    r, plate = Restorer(device='cpu', bf16=False), as_crop(render('皖A12345', sz=(620, 200)), rng(4), (600, 200), strength=.5).img
    moved = motion_blur(plate, length=.05)
    def mean(a, b): return np.abs(np.asarray(a, int)-np.asarray(b)).mean()
    assert r(plate).tobytes() == plate.tobytes()                                  # sharp: not a byte
    assert mean(r(moved), plate) < .75*mean(moved, plate)                         # moved by 30 px, more than any filter undoes
    alone, asked = r(moved), r([plate, moved], height=100)
    assert alone.size == (600, 200) and [o.size for o in asked] == [(300, 100)]*2
    assert r([moved, noise((94, 24))])[0].tobytes() == alone.tobytes()

def test_sharp_plates_come_back_as_they_came():
    from plategan.plates.warp import as_crop
    def crop(i, kind):
        w = 206+17*i
        return as_crop(render(None, kind, rng(11, i), sz=(440, 140)), rng(12, i), (w, round(.32*w)), strength=.5).img
    ims = [crop(i, kind) for i, kind in enumerate(['cn_blue', 'cn_green', 'id_black', 'id_white', 'kr_private', 'gb_front', 'de_car', 'cn_yellow'])]
    outs = Restorer(device='cpu', bf16=False)(ims)
    assert [o.size for o in outs] == [o.size for o in ims]
    assert sum(a.tobytes() == b.tobytes() for a, b in zip(ims, outs)) >= 7       # and not by way of 64 lines

@pytest.mark.parametrize('axis', [0, 1], ids=['overhang', 'side'])
def test_a_shadow_across_a_plate_is_lifted(axis):
    from plategan.plates.warp import as_crop
    r = Restorer(device='cpu', bf16=False)
    def half(o, of): # 0: of the dark side, 1: of the other
        n = o.shape[axis]
        return np.take(o, range(n*(1+4*of)//8, n*(3+4*of)//8), axis)
    def dark(im): return half(np.asarray(im), 0).mean()/half(np.asarray(im), 1).mean()
    def shaded(im):
        x = np.moveaxis(np.array(im), axis, 0)
        x[:len(x)*9//20] //= 5
        return Image.fromarray(np.moveaxis(x, 0, axis).copy())
    for h in (77, 200):                                                          # and a large plate, on which a small one is laid
        ims = [as_crop(render('皖A12345', 'cn_blue', rng(i), sz=(440, 140)), rng(i+1), (h*25//8, h), strength=.5).img for i in range(4)]
        assert max(dark(shaded(o)) for o in ims) < .4 < .6 < min(map(dark, r([shaded(o) for o in ims])))
        assert max(abs(dark(a)-dark(b)) for a, b in zip(ims, r(ims))) < .1       # in even light the light stays

def test_the_file_of_a_sharp_plate_is_kept(tmp_path):
    from plategan.plates.warp import as_crop
    f, g = tmp_path/'in'/'sharp.jpg', tmp_path/'in'/'spoilt.jpg'
    f.parent.mkdir()
    im = as_crop(render('皖A12345', 'cn_blue', rng(11), sz=(440, 140)), rng(12), (240, 77), strength=.5).img
    im.save(f, quality=95)
    im.resize((40, 13)).resize(im.size, Image.BICUBIC).save(g, quality=95)
    t = enhance_folder(f.parent, tmp_path/'out', Restorer(device='cpu', bf16=False))
    assert len(t) == 2 and not t.attrs['failed']
    assert [(tmp_path/'out'/p.name).read_bytes() == p.read_bytes() for p in (f, g)] == [True, False]
    assert enhance_folder(f.parent, tmp_path/'out', Restorer(device='cpu', bf16=False)).attrs['new'] == 0
    twice = enhance_folder(f.parent, tmp_path/'twice', Restorer(device='cpu', bf16=False), scale=2)
    assert set(twice.width) == {'480'} and Image.open(tmp_path/'twice'/'sharp.jpg').size == (480, 154)

def test_a_narrow_crop_is_worked_on_in_the_shape_in_which_it_is_read(restorer):
    from plategan.plates.warp import as_crop
    r = Restorer(device='cpu', bf16=False)
    def crop(number, kind, sz, i): return as_crop(render(number, kind, i, sz=(round(1.1*sz[0]), round(1.1*sz[1]))), rng(i), sz, strength=.5).img
    side = [r._shaped(crop('皖A12345', 'cn_blue', (130, 80), i), (104, 64)) for i in range(3)]
    rows = [r._shaped(crop(None, 'in_moto', (160, 80), i), (128, 64)) for i in range(3)]
    assert side == [(192, 64)]*3 and rows.count((128, 64)) >= 2
    im = crop('皖A12345', 'cn_blue', (220, 70), 0)
    assert r._shaped(im, (192, 64)) == (192, 64) and r._shaped(im, (300, 200)) == (300, 200)   # no question there
    assert restorer._shaped(im, (104, 64)) == (104, 64)                                        # a network that names nothing
    assert r._sure(Image.new('RGB', (192, 64)), (192, 64)) < .5 < r._sure(im, (192, 64)) <= 1

@pytest.mark.parametrize('sz,asked,at,back', [((48, 16), {}, (192, 64), (192, 64)), ((520, 110), {}, (303, 64), (520, 110)),
    ((48, 16), dict(scale=2), (192, 64), (96, 32)), ((94, 24), dict(height=96), (251, 64), (376, 96)), ((300, 400), {}, (300, 400), (300, 400)),
    ((300, 400), dict(scale=2), (600, 800), (600, 800)), ((300, 400), dict(scale=.5), (300, 400), (150, 200)), ((1, 1), {}, (64, 64), (64, 64))])
def test_working_size(sz, asked, at, back): assert working_size(sz, **asked) == (at, back)

@pytest.mark.parametrize('asked,said', [(dict(scale=2, height=64), 'one of them'), (dict(scale=0), 'scale 0'), (dict(scale=-1), 'more than 0'),
    (dict(height=0), 'height 0'), (dict(scale=float('nan')), 'scale nan'), (dict(scale=101), 'hundredfold')])
def test_sizes_that_cannot_be(asked, said, tmp_path, restorer):
    with pytest.raises(ValueError, match=said): working_size((192, 64), **asked)
    noise((48, 16)).save(tmp_path/'a.png')
    with pytest.raises(ValueError): enhance_folder(tmp_path/'a.png', tmp_path/'out', restorer, **asked)
    assert not (tmp_path/'out').exists()

def test_any_size_alone_or_in_company(restorer):
    ims = [noise(s) for s in SZS]
    together, asked = restorer(ims), restorer(ims, scale=2)
    assert [o.size for o in together] == [working_size(s)[1] for s in SZS]
    assert [o.size for o in asked] == [(2*w, 2*h) for w, h in SZS]
    assert all(far(restorer(im), o) <= 1 for im, o in zip(ims, together))
    assert any(far(im.resize(o.size), o) > 3 for im, o in zip(ims, together))      # the network did something

def test_widths_share_batches(restorer, monkeypatch):
    seen, real = [], Restorer._bytes
    def count(self, a, *args):
        seen.append(len(a))
        return real(self, a, *args)
    monkeypatch.setattr(Restorer, '_bytes', count)
    restorer([noise((200+k, 64)) for k in range(1, 9)])
    assert seen == [8]

def test_tiles_are_no_other_picture(restorer):
    im = noise((900, 800))
    assert far(restorer._batch([im])[0], restorer._tiled(im)) <= 1

def test_one_too_large_is_skipped(tmp_path, restorer, monkeypatch):
    for k, s in enumerate([(48, 16), (300, 400)]): noise(s).save(tmp_path/f'{k}.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 150_000)
    t = enhance_folder(tmp_path/'*.png', tmp_path/'out', restorer, scale=2)
    assert list(t.out) == ['0.png'] and 'more than pictures may have' in t.attrs['failed'][0][1] and '1.png' in t.attrs['failed'][0][1]

# --- Colour and short numbers

def test_gray_stays_gray():
    r = Restorer(Blue(), 'cpu', bf16=False)
    gray, red = noise((192, 64)).convert('L'), Image.new('RGB', (192, 64), (200, 30, 40))
    out, tinted = r([gray, red])
    a = np.asarray(out)
    assert (a == a[..., :1]).all() and far(red, tinted) > 50        # what has colour may change it

def test_short_numbers_must_be_earned():
    net = torch.nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        net.weight.copy_(50*torch.eye(3).view(3, 3, 1, 1))        # what is left of large numbers after a subtraction is lost in short ones
        net.bias.fill_(-24.5)
    assert Restorer(Blue(), 'cpu', bf16=False)._bears_bf16() and not Restorer(net, 'cpu', bf16=False)._bears_bf16()

# --- Readings

class Told:
    "A reader that is sure of bright pictures"
    threshold = .5
    def __init__(self): self.asked = 0
    def details(self, imgs):
        self.asked += len(imgs)
        sure = [np.asarray(o).mean()/255 for o in imgs]
        return [('AB1', p, [('A', p), ('B', .5), ('1', 1.)]) for p in sure]

def test_refusals_stay_refusals():
    light, dark = (Image.new('RGB', (60, 20), (k,)*3) for k in (250, 20))
    assert read_both([dark], [light], Told()) == [('AB1', .9804, 'A:0.98 B:0.50 1:1.00', '', .0784, '')]

def test_readings_of_a_folder(tmp_path, restorer):
    for k in range(3): Image.new('RGB', (60, 20), (80*k+60,)*3).save(tmp_path/f'{k}.png')
    (tmp_path/'no.png').write_text('no picture')
    told = Told()
    run = lambda **kw: enhance_folder(tmp_path/'*.png', tmp_path/'out', restorer, read=told, **kw)
    t = run()
    with (tmp_path/'out'/'readings.csv').open(encoding='utf-8') as f: rows = list(csv.DictReader(f))
    assert [r['file'] for r in rows] == ['0.png', '1.png', '2.png'] and [bool(r['text_before']) for r in rows] == [False, True, True]
    assert told.asked == 6 and len(t.attrs['readings']) == 3 and len(t.attrs['failed']) == 1
    run()
    assert told.asked == 6                                        # what stands is not read again
    Image.new('RGB', (60, 20), 'white').save(tmp_path/'0.png')
    assert run().attrs['readings'].text_before[0] == 'AB1' and told.asked == 8
    run(scale=2)
    assert told.asked == 14                                       # other pictures, other readings

def test_the_packaged_reader_reads(plates):
    said = read_both(plates, plates)
    assert [s[0] for s in said] == ['皖A12345', '苏E2468K', 'B1234ABC'] and said[0][:3] == said[0][3:]
    assert [c.split(':')[0] for c in said[0][2].split()] == list('皖A12345')

# --- A burst

def test_align_finds_what_was_done(plates):
    from plategan.burst import align, moved
    from plategan.core import as_pil
    theta = torch.tensor([[1.02, -.01, .05], [.03, .97, -.04]])
    found, alike = align(plates[0], as_pil(moved(plates[0], theta)))
    assert (found-theta).abs().max() < .01 and alike > .95

def test_fusion_beats_its_frames(plates):
    from plategan.burst import fuse, lay
    gt = plates[0].resize((192, 64))
    shots = [Image.fromarray((np.asarray(gt)+rng(k).normal(0, 40, (64, 192, 3))).clip(0, 255).astype(np.uint8)) for k in range(5)]
    other = plates[1].resize((192, 64)).rotate(180)
    maps, w = lay([*shots, other])
    fused = fuse([*shots, other], maps, w)
    err = [np.abs(np.asarray(o).astype(int)-np.asarray(gt)).mean() for o in (fused, *shots)]
    assert w[-1] == 0 and abs(w.sum()-1) < 1e-5 and err[0] < .6*min(err[1:])

def test_vote():
    from plategan.burst import vote
    from plategan.models.reader import Codec
    codec = Codec('ABC')
    def say(*cols): return torch.tensor(cols).log()
    a, b = say([.1, .8, .05, .05], [.1, .05, .8, .05]), say([.1, .45, .05, .4], [.1, .05, .8, .05])
    wrong = say([.05, .001, .001, .948], [.05, .001, .001, .948])
    assert vote(torch.stack([a]), codec)[0] == 'AB'
    text, sure, chars = vote(torch.stack([a, a, b, wrong]), codec)
    assert text == 'AB' and .2 < sure < .8 and [c for c, _ in chars] == ['A', 'B']
    assert vote(torch.stack([wrong, wrong, b]), codec)[0] == 'C'

def test_burst_folder(tmp_path, plates, restorer):
    from plategan.burst import burst, burst_folder
    for k in range(3): plates[0].save(tmp_path/f'{k}.png')
    (tmp_path/'no.png').write_text('no picture')
    b = burst_folder(tmp_path/'*.png', tmp_path/'out', restorer, height=96)
    assert len(b.frames) == 3 and len(b.failed) == 1 and b.picture.height == 96 and b.rows[-1][4] == '皖A12345'
    assert sorted(p.name for p in (tmp_path/'out').iterdir()) == ['burst.png', 'readings.csv']
    with pytest.raises(ValueError, match='among the pictures'): burst_folder(tmp_path/'*.png', tmp_path, restorer)
    with pytest.raises(ValueError, match='at least one'): burst([], restorer)
    with pytest.raises(ValueError, match='cut the plate out first'): burst([noise((600, 400))], restorer)
    (tmp_path/'mine').mkdir()
    (tmp_path/'mine'/'burst.png').write_bytes(b'the only copy')
    with pytest.raises(ValueError, match='not written by plategan'): burst_folder(tmp_path/'*.png', tmp_path/'mine', restorer)

# --- Files for other programs

def nets():
    from plategan.models.reader import reader
    return [*(o() for o in NETS.values()), reader('AB1', (4, 8, 8, 8))]

@pytest.mark.parametrize('k', range(3))
def test_exported(k, tmp_path):
    from plategan.portable import save_exported
    net = awake(nets()[k])
    assert save_exported(net, tmp_path/'n.pt2') <= 1/255
    again, x = torch.export.load(tmp_path/'n.pt2').module(), torch.rand(2, 3, 37, 119)
    with torch.no_grad(): assert (again(x)-net(x)).abs().max() < 1e-3

@pytest.mark.parametrize('k', range(3))
def test_onnx(k, tmp_path):
    for o in ('onnx', 'onnxscript', 'onnxruntime'): pytest.importorskip(o)
    from plategan.portable import check_same, open_onnx, save_onnx
    net = awake(nets()[k])
    assert save_onnx(net, tmp_path/'n.onnx') <= 1/255
    run, x = open_onnx(tmp_path/'n.onnx'), torch.rand(2, 3, 37, 119)
    with torch.no_grad(): assert np.abs(run(x.numpy())-net(x).numpy()).max() < 1e-3
    if k < 2:
        with pytest.raises(ValueError, match='do not use it'): check_same(run, awake(nets()[k], .3), 'n.onnx')

def test_a_file_that_differs_is_not_left_behind(tmp_path, monkeypatch):
    import plategan.portable as p
    monkeypatch.setattr(p, '_program', lambda net, real=p._program: real(awake(compact(nf=8, n_blocks=2), .3)))
    with pytest.raises(ValueError, match='differs'): p.save_exported(awake(nets()[0]), tmp_path/'n.pt2')
    assert not list(tmp_path.iterdir())

def test_what_is_missing_is_named(tmp_path, monkeypatch):
    import plategan.portable as p
    def gone(name, real=importlib.import_module):
        if name == 'onnxscript': raise ModuleNotFoundError('No module named onnxscript', name='onnxscript')
        return sys
    monkeypatch.setattr(p, 'import_module', gone)
    with pytest.raises(ValueError, match='onnxscript.*pip install'): p.save_onnx(nets()[0], tmp_path/'n.onnx')
    assert not list(tmp_path.iterdir())

# --- The command

def cli(*words):
    from plategan.cli import main
    return main([str(o) for o in words])

def test_command_reads(tmp_path, plates, restorer, capsys):
    plates[0].save(tmp_path/'a.png')
    (tmp_path/'b.png').write_text('no picture')
    assert cli('enhance', tmp_path/'*.png', tmp_path/'out', '--weights', restorer.file, '--height', 70, '--read', '--device', 'cpu') == 1
    said = capsys.readouterr()
    assert '皖A12345' in said.out and said.out.count(NO_EVIDENCE) == 1 and 'b.png' in said.err and '1 skipped' in said.out
    assert Image.open(tmp_path/'out'/'a.png').height == 70 and (tmp_path/'out'/'readings.csv').exists()
    assert cli('enhance', tmp_path/'a.png', tmp_path/'out2', '--scale', 2, '--height', 9) == 2 and 'one of them' in capsys.readouterr().err

def test_command_burst(tmp_path, plates, restorer, capsys):
    for k in range(2): plates[0].save(tmp_path/f'{k}.png')
    assert cli('enhance', '--burst', tmp_path, tmp_path/'out', '--weights', restorer.file, '--device', 'cpu') == 0
    said = capsys.readouterr().out
    assert 'one picture made of 2' in said and '\nvote\t' in said and said.count(NO_EVIDENCE) == 1

def test_command_onnx(tmp_path, restorer, capsys):
    assert cli('onnx', tmp_path/'n.pt2', '--weights', restorer.file) == 0 and 'largest difference' in capsys.readouterr().out
    assert cli('onnx', tmp_path/'n.txt') == 2 and '.onnx or .pt2' in capsys.readouterr().err
    assert cli('onnx', tmp_path/'n.pt2', '--weights', tmp_path/'none') == 2 and 'no such weights' in capsys.readouterr().err

def test_one_call_keeps_its_size(plates):
    out = enhance(plates[0], scale=.5)
    assert out.size == (110, 35) and out.mode == 'RGB'

@pytest.mark.parametrize('name', ['reader', 'judge', 'default-reader'])
def test_weights_of_the_package_by_name(name):
    "A bare name is enough for a reader, and no restorer is made of it"
    assert 'reader' in Reader(name).model.arch
    with pytest.raises(ValueError, match='holds a (look_)?reader'): Restorer(name)

def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    "What lies in the folder one is in is meant, not the package's weights of the same name"
    monkeypatch.chdir(tmp_path)
    assert load_weights('compact').args['nf'] == 48
    save_weights(compact(8, 1), 'compact')
    assert load_weights('compact').args['nf'] == 8
    with pytest.raises(FileNotFoundError, match='no such weights'): load_weights(tmp_path/'reader')
