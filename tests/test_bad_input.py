"What people's folders hold, and what goes wrong around them: each is answered with a sentence, and nothing is lost."
import errno, io, os, shutil, subprocess, sys, textwrap
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
import numpy as np, pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
RED = (200, 30, 40)

@pytest.fixture(scope='session')
def weights(tmp_path_factory):
    "A tiny network that changes nothing: the shape of the work without its cost"
    from plategan.models.sr import compact
    from plategan.models.weights import save_weights
    return save_weights(compact(nf=8, n_blocks=1), tmp_path_factory.mktemp('w')/'tiny', sz=(192, 64))

def plate(sz=(192, 64), color=RED): return Image.new('RGB', sz, color)

def cli(*words, cwd=None):
    "Run `plategan` in this process; gives what a user would see"
    from plategan.cli import main
    out, err, before = io.StringIO(), io.StringIO(), os.getcwd()
    if cwd: os.chdir(cwd)
    try:
        with redirect_stdout(out), redirect_stderr(err): rc = main([str(o) for o in words])
    finally: os.chdir(before)
    return SimpleNamespace(returncode=rc, stdout=out.getvalue(), stderr=err.getvalue())

def one_line(r):
    "The complaint of a failed run: one line, no traceback"
    assert 'Traceback' not in r.stderr, r.stderr
    lines = [l for l in r.stderr.splitlines() if l.strip() and '\r' not in l]
    assert len(lines) == 1, r.stderr
    return lines[0]

def enhance(src, out, weights, **kw):
    from plategan.enhance import enhance_folder
    return enhance_folder(src, out, weights, device='cpu', **kw)

def near(im, color, tol=8): return np.abs(np.asarray(im.convert('RGB')).reshape(-1, 3).astype(int)-color).max() <= tol

# --- Pictures that are no pictures, and odd ones

def test_empty_folder(tmp_path, weights):
    (tmp_path/'in').mkdir()
    for words in (('enhance', 'in'), ('crappify', 'in', 'out'), ('crop', 'in', 'out'), ('train', 'in', 'in', 'out'), ('evaluate', 'in', 'in')):
        r = cli(*words, *(['--weights', weights] if words[0] in ('enhance', 'evaluate') else []), cwd=tmp_path)
        assert r.returncode == 2 and 'no pictures' in one_line(r), (words, r)
    assert not (tmp_path/'enhanced').exists()

def test_broken_files_cost_only_themselves(tmp_path, weights):
    src = tmp_path/'in'
    src.mkdir()
    (src/'text.jpg').write_text('no picture at all')
    (src/'nothing.png').write_bytes(b'')
    plate().save(src/'whole.jpg')
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 192, 3), dtype=np.uint8))
    noise.save(src/'cut.jpg')
    (src/'cut.jpg').write_bytes((src/'cut.jpg').read_bytes()[:3000])
    r = cli('enhance', src, tmp_path/'out', '--weights', weights)
    assert r.returncode == 1 and 'Traceback' not in r.stderr
    assert all(n in r.stderr for n in ('text.jpg', 'nothing.png', 'cut.jpg')) and '3 skipped' in r.stdout
    assert [p.name for p in (tmp_path/'out').iterdir() if p.suffix != '.csv'] == ['whole.jpg']
    r = cli('crappify', src, tmp_path/'bad')
    assert r.returncode == 1 and 'Traceback' not in r.stderr and (tmp_path/'bad'/'whole.jpg').exists()

def test_all_broken(tmp_path, weights):
    (tmp_path/'in').mkdir()
    (tmp_path/'in'/'a.jpg').write_text('no picture')
    assert cli('enhance', 'in', '--weights', weights, cwd=tmp_path).returncode == 1
    r = cli('crappify', 'in', 'out', cwd=tmp_path)
    assert r.returncode == 2 and 'Traceback' not in r.stderr

def test_one_pixel(tmp_path, weights):
    plate((1, 1)).save(tmp_path/'dot.png')
    enhance(tmp_path/'dot.png', tmp_path/'out', weights)
    im = Image.open(tmp_path/'out'/'dot.png')
    assert im.size == (64, 64) and near(im, RED)

@pytest.mark.parametrize('sz', [(1, 3000), (3000, 1), (17, 5), (5, 17), (191, 63), (513, 160), (700, 161)])
def test_any_shape(sz, tmp_path, weights):
    plate(sz).save(tmp_path/'a.png')
    t = enhance(tmp_path/'a.png', tmp_path/'out', weights)
    im = Image.open(tmp_path/'out'/'a.png')
    assert im.width >= sz[0] and im.height >= sz[1] and near(im, RED) and len(t) == 1

def test_huge_picture_in_flat_memory(tmp_path, weights):
    "12,000 x 9,000 px: 108 million pixels, in tiles"
    plate((12000, 9000)).save(tmp_path/'huge.jpg', quality=50)
    code = f'''
        import resource, sys
        from plategan.enhance import Restorer, enhance_folder
        r = Restorer({str(weights)!r}, device='cpu')
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        t = enhance_folder({str(tmp_path/'huge.jpg')!r}, {str(tmp_path/'out')!r}, r)
        print(len(t), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss-before)/1024)'''
    r = subprocess.run([sys.executable, '-c', textwrap.dedent(code)], env=dict(os.environ, PYTHONPATH=str(ROOT)), capture_output=True, text=True, timeout=300)
    assert r.returncode == 0 and 'DecompressionBomb' not in r.stderr, r.stderr
    n, mb = r.stdout.split()
    print(f'peak memory above the start: {float(mb):.0f} MB')
    assert n == '1' and float(mb) < 900          # Pillow holds 4 bytes a pixel: 432 MB for the input, and an unchanged picture is given back itself
    with Image.open(tmp_path/'out'/'huge.jpg') as im: assert im.size == (12000, 9000)

def test_too_huge_is_refused(tmp_path, weights, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    plate().save(tmp_path/'bomb.png')
    t = enhance(tmp_path/'bomb.png', tmp_path/'out', weights)
    assert 'pixels' in t.attrs['failed'][0][1]

# --- Modes

def modes(d):
    "One file of each mode people have, all of one colour; what must come back: (size, mode)"
    d.mkdir()
    p = plate((96, 32))
    p.convert('CMYK').save(d/'cmyk.jpg', quality=95)
    p.convert('RGBA').save(d/'opaque.png')
    half = p.convert('RGBA')
    half.putalpha(Image.linear_gradient('L').resize(p.size))
    half.save(d/'half.png')
    half.save(d/'half.webp', lossless=True)
    Image.fromarray(np.full((32, 96), 40000, np.uint16)).save(d/'deep.png')
    Image.fromarray(np.full((32, 96), 40000, np.uint16)).save(d/'deep.tif')
    p.convert('L').save(d/'gray.jpg')
    p.convert('1').save(d/'bits.png')
    p.convert('P', palette=Image.ADAPTIVE).save(d/'palette.png')
    p.convert('P', palette=Image.ADAPTIVE).save(d/'clear.png', transparency=0)
    p.save(d/'moving.gif', save_all=True, append_images=[plate((96, 32), (0, 0, 0))])
    exif = Image.Exif()
    exif[0x0112] = 6
    plate((32, 96)).save(d/'turned.jpg', exif=exif)
    return {'cmyk.jpg': 'RGB', 'opaque.png': 'RGBA', 'half.png': 'RGBA', 'half.webp': 'RGBA', 'deep.png': 'L', 'deep.tif': 'L', 'gray.jpg': 'L', 'bits.png': 'L',
        'palette.png': 'RGB', 'clear.png': 'RGBA', 'moving.gif.png': 'RGB', 'turned.jpg': 'RGB'}

def test_modes(tmp_path, weights):
    want = modes(tmp_path/'in')
    t = enhance(tmp_path/'in', tmp_path/'out', weights).set_index('out')
    assert len(t) == len(want) and not t.attrs.get('failed')
    for n, mode in want.items():
        with Image.open(tmp_path/'out'/n) as im:
            assert (im.mode, im.size) == (mode, (192, 64)), n
            if mode == 'RGB': assert near(im, RED, 20), n
            if n.startswith('half'): assert im.getchannel('A').getextrema()[0] < 10 < 240 < im.getchannel('A').getextrema()[1]
            if n.startswith('deep'): assert np.abs(np.asarray(im).astype(int)-156).max() <= 2, n
    notes = t.note.to_dict()
    assert notes['moving.gif.png'] == 'first of 2 frames' and notes['cmyk.jpg'] == 'CMYK became RGB'
    assert notes['deep.png'] == '16 bits became 8' and notes['half.png'] == 'transparency kept' and notes['gray.jpg'] == ''

def test_colour_profile_goes_along(tmp_path, weights):
    from PIL import ImageCms
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    plate().save(tmp_path/'a.jpg', icc_profile=icc)
    enhance(tmp_path/'a.jpg', tmp_path/'out', weights)
    assert Image.open(tmp_path/'out'/'a.jpg').info['icc_profile'] == icc

def test_png_named_jpg(tmp_path, weights):
    half = plate().convert('RGBA')
    half.putalpha(128)
    half.save(tmp_path/'liar.jpg', format='PNG')
    t = enhance(tmp_path/'liar.jpg', tmp_path/'out', weights)
    assert t.note[0] == 'transparency laid on white' and Image.open(tmp_path/'out'/'liar.jpg').format == 'JPEG'

# --- Names and places

def test_names(tmp_path, weights):
    src = tmp_path/'my plates & more'
    names = ['a/1.jpg', 'b/1.jpg', 'a/皖A12345.jpg', 'a/x & y (1).png', "a/it's.jpg", 'a/UPPER.JPG', 'a/-dash.jpg', 'a/#1%.jpg', 'a/[1].jpg']
    for i, n in enumerate(names):
        (src/n).parent.mkdir(parents=True, exist_ok=True)
        plate(color=(10*i, 100, 100)).save(src/n)
    for words, out in ((('enhance', src, tmp_path/'o 1 & 2', '--weights', weights), 'o 1 & 2'), (('crappify', src, tmp_path/'坏 &'), '坏 &')):
        r = cli(*words)
        assert r.returncode == 0, r
        made = {p.relative_to(tmp_path/out).with_suffix('').as_posix() for p in (tmp_path/out).rglob('*') if p.suffix.lower() in ('.jpg', '.png')}
        assert made == {str(Path(n).with_suffix('')) for n in names}, words
    a, b = (Image.open(tmp_path/'o 1 & 2'/n).getpixel((9, 9)) for n in ('a/1.jpg', 'b/1.jpg'))
    assert a[0] < b[0]                            # two files of one name stay two

def test_input_is_never_overwritten(tmp_path, weights):
    src = tmp_path/'in'
    src.mkdir()
    plate().save(src/'a.jpg')
    (tmp_path/'link').symlink_to(src)
    before = (src/'a.jpg').read_bytes(), (src/'a.jpg').stat().st_mtime_ns
    for s, o in ((src, src), (src, tmp_path/'link'), (src/'a.jpg', src), (f'{src}/*.jpg', src), (src, tmp_path/'x'/'..'/'in')):
        r = cli('enhance', s, o, '--weights', weights)
        assert r.returncode == 2 and 'overwritten' in one_line(r), (s, o, r)
    assert 'output folder' in one_line(cli('enhance', src/'a.jpg', src/'a.jpg', '--weights', weights))
    assert cli('crappify', src, src).returncode == 2
    assert ((src/'a.jpg').read_bytes(), (src/'a.jpg').stat().st_mtime_ns) == before and [p.name for p in src.iterdir()] == ['a.jpg']

def test_output_inside_the_input(tmp_path, weights):
    "Results that lie in the input folder are not enhanced again"
    src = tmp_path/'in'
    src.mkdir()
    plate().save(src/'a.jpg')
    for _ in range(3): t = enhance(src, src/'enhanced', weights)
    assert len(t) == 1 and t.attrs['new'] == 0
    assert sorted(p.relative_to(src).as_posix() for p in src.rglob('*.jpg')) == ['a.jpg', 'enhanced/a.jpg']

def test_foreign_files_are_left_alone(tmp_path, weights):
    (tmp_path/'in').mkdir()
    (tmp_path/'out').mkdir()
    for n in 'ab': plate().save(tmp_path/'in'/f'{n}.jpg')
    (tmp_path/'out'/'a.jpg').write_bytes(b'the only copy')
    t = enhance(tmp_path/'in', tmp_path/'out', weights)
    assert (tmp_path/'out'/'a.jpg').read_bytes() == b'the only copy'
    assert len(t) == 1 and 'not written by plategan' in t.attrs['failed'][0][1]

def test_no_such_place(tmp_path, weights):
    r = cli('enhance', tmp_path/'nowhere', '--weights', weights)
    assert r.returncode == 2 and 'no such file or folder' in one_line(r)
    plate().save(tmp_path/'a.jpg')
    (tmp_path/'file').write_text('a file')
    for out in ('file', 'file/below'):
        r = cli('enhance', tmp_path/'a.jpg', tmp_path/out, '--weights', weights)
        assert r.returncode == 2 and 'file' in one_line(r), r

# --- Weights

def test_weights_that_do_not_fit(tmp_path, weights):
    plate().save(tmp_path/'a.jpg')
    def complaint(w): 
        r = cli('enhance', 'a.jpg', '--weights', w, cwd=tmp_path)
        assert r.returncode == 2 and not (tmp_path/'enhanced').exists()
        return one_line(r)
    assert 'no such weights' in complaint('nowhere.safetensors')
    (tmp_path/'empty').mkdir()
    assert 'training wrote' in complaint('empty')
    json, tensors = weights.with_suffix('.json').read_text(), weights.read_bytes()
    def pair(name, js, st):
        (tmp_path/f'{name}.json').write_text(js)
        (tmp_path/f'{name}.safetensors').write_bytes(st)
        return complaint(f'{name}.safetensors')
    assert "'os.system' is not one of" in pair('evil', json.replace('"compact"', '"os.system"'), tensors)
    assert 'not valid JSON' in pair('torn', json[:40], tensors)
    assert 'broken or cut short' in pair('short', json, tensors[:200])
    assert 'does not fit' in pair('other', json.replace('"nf": 8', '"nf": 16'), tensors)
    assert 'cannot be built' in pair('args', json.replace('"nf": 8', '"nope": 8'), tensors)
    (tmp_path/'alone.safetensors').write_bytes(tensors)
    assert 'is missing' in complaint('alone.safetensors')

# --- Disks

@pytest.fixture
def disk(monkeypatch):
    "Make the `n`th picture that is written, saved or copied, fail as a disk does"
    def _fail(no, n=3):
        seen, save, copy = [], Image.Image.save, shutil.copyfile
        def _full(path):
            seen.append(path)
            if len(seen) < n: return
            Path(path).write_bytes(b'half a pic')
            raise OSError(no, os.strerror(no), str(path))
        def _save(self, fp, *args, **kw):
            _full(fp)
            return save(self, fp, *args, **kw)
        def _copy(src, dst, **kw):
            _full(dst)
            return copy(src, dst, **kw)
        monkeypatch.setattr(Image.Image, 'save', _save)
        monkeypatch.setattr(shutil, 'copyfile', _copy)
        return monkeypatch.undo
    return _fail

@pytest.mark.parametrize('words', [(), ('--scale', 2)], ids=['copied', 'saved'])
@pytest.mark.parametrize('no', [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_disk_fails_and_is_mended(no, words, disk, tmp_path, weights, capsys):
    "Whether the files of unchanged pictures are copied, or changed ones saved"
    from plategan.cli import main
    src, out = tmp_path/'in', tmp_path/'out'
    src.mkdir()
    for i in range(6): plate().save(src/f'{i}.png')
    mend = disk(no)
    assert main(['enhance', src, out, '--weights', weights, *words]) == 2
    said = capsys.readouterr().err
    assert os.strerror(no) in said and 'goes on' in said and len(said.strip().splitlines()) == 1
    assert sorted(p.name for p in out.iterdir()) == ['0.png', '1.png', 'enhance.csv']     # nothing half written
    mend()
    assert main(['enhance', src, out, '--weights', weights, *words]) == 0
    assert '4 now, 2 stood already' in capsys.readouterr().out

def test_full_disk_elsewhere(tmp_path, monkeypatch):
    "The other commands that write pictures stop too, and go on when there is room again"
    assert cli('render', tmp_path/'src', '--count', 5, '--workers', 0).returncode == 0
    real, seen = dict(replace=os.replace, link=os.link), []
    def failing(name):
        def f(a, b, **kw):
            if str(b).endswith('.jpg'): seen.append(b)
            if len(seen) > 2: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(b))
            return real[name](a, b, **kw)
        return f
    for words in (('render', tmp_path/'r', '--count', 5, '--workers', 0), ('crappify', tmp_path/'src', tmp_path/'c', '--workers', 0)):
        seen.clear()
        for k in real: monkeypatch.setattr(os, k, failing(k))            # a file gets its name by one or the other
        r = cli(*words)
        assert r.returncode == 2 and os.strerror(errno.ENOSPC) in one_line(r), r
        out = tmp_path/('r' if words[0] == 'render' else 'c')
        assert len([p for p in out.iterdir() if p.suffix == '.jpg']) == 2          # nothing half written
        for k, o in real.items(): monkeypatch.setattr(os, k, o)
        assert cli(*words).returncode == 0 and len(list(out.glob('*.jpg'))) == 5

def test_output_cannot_be_made(tmp_path, weights, monkeypatch, capsys):
    from plategan.cli import main
    plate().save(tmp_path/'a.png')
    def mkdir(self, *a, **kw): raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
    monkeypatch.setattr(Path, 'mkdir', mkdir)
    assert main(['enhance', tmp_path/'a.png', tmp_path/'out', '--weights', weights]) == 2
    assert os.strerror(errno.EACCES) in capsys.readouterr().err

def test_torn_table(tmp_path, weights):
    "Killed while the table was written: the picture of the cut line is known as ours, and done again"
    src, out = tmp_path/'in', tmp_path/'out'
    src.mkdir()
    for i in range(3): plate().save(src/f'{i}.png')
    enhance(src, out, weights)
    lines = (out/'enhance.csv').read_text().splitlines()
    started = lines[3].rsplit(',', 1)[0]+','
    (out/'enhance.csv').write_text('\n'.join([*lines[:3], started, lines[3][:20]]))
    t = enhance(src, out, weights)
    assert len(t) == 3 and t.attrs == dict(failed=[], new=1)
    assert (out/'enhance.csv').read_text().splitlines() == lines

def test_new_weights_or_source_are_done_again(tmp_path, weights):
    from plategan.models.sr import compact
    from plategan.models.weights import save_weights
    src, out = tmp_path/'in', tmp_path/'out'
    src.mkdir()
    for i in range(2): plate().save(src/f'{i}.png')
    assert enhance(src, out, weights).attrs['new'] == 2
    plate(color=(0, 200, 0)).save(src/'1.png')
    assert enhance(src, out, weights).attrs['new'] == 1
    other = save_weights(compact(nf=8, n_blocks=2), tmp_path/'other', sz=(192, 64))
    assert enhance(src, out, other).attrs['new'] == 2
