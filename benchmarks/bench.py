"""Speed as ratios: each job of plategan beside the plain loop that does the same, in one run on one machine.

    python benchmarks/bench.py [--n 200] [--out FILE.md] [NAME ...]

Ratios travel between machines, plates a second do not. A row is the best of three turns, taken alternately. Both sides write each turn into a new folder: to overwrite files costs a disk less than to make them.
"""
import argparse, io, os, platform, random, subprocess, sys, tempfile, time, warnings
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ['PYTHONWARNINGS'] = 'ignore'
warnings.simplefilter('ignore')
import numpy as np, plategan
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

FONTS = Path(plategan.__file__).parent/'fonts'
benches = {}

def bench(f):
    "A benchmark: returns (what ours does, ours, what the plain one does, plain), two functions of no argument that do the same work"
    benches[f.__name__] = f
    return f

def plain_plate(number, sz=(440, 140)):
    "A Chinese blue plate as a first script would draw it: one text call a character, fonts opened each time"
    img = Image.new('RGB', sz, (20, 60, 160))
    draw = ImageDraw.Draw(img)
    for i, ch in enumerate(number):
        font = ImageFont.truetype(str(FONTS/('han_bold.otf' if i == 0 else 'din.ttf')), 90)
        draw.text((15 + i*57 + 19*(i > 1), 70), ch, font=font, fill='white', anchor='lm')
    return img

@bench
def render_one(n, tmp):
    "Drawing in memory, one process, 440 x 140 px"
    from plategan.plates.render import render
    def ours(): return [render(type='cn_blue', seed=i, sz=(440, 140)) for i in range(n)]
    def plain(): return [plain_plate('皖A12345') for _ in range(n)]
    return 'render: weathered, labelled', ours, 'PIL text calls, flat, no label', plain

@bench
def render_to_disk(n, tmp):
    "Drawing and writing JPEG files, all processes"
    from plategan.plates.render import render_folder
    turn = iter(range(99))
    def ours(): return render_folder(tmp/f'ours{next(turn)}', count=n, type='cn_blue', sz=(440, 140), n_workers=os.cpu_count())
    def plain(): return plain_files(n, tmp, (440, 140))
    return 'render_folder with its label files', ours, 'PIL text calls and save, one process', plain

TURN = iter(range(10**6))

def new(tmp):
    "A folder that no turn has written into"
    out = tmp/f'turn{next(TURN)}'
    out.mkdir()
    return out

def plain_files(n, tmp, sz=(226, 70)):
    "`n` plates of `sz` drawn by the plain loop and written"
    out = new(tmp)
    for i in range(n): plain_plate(f'皖A{i:05d}').resize(sz).save(out/f'{i}.jpg', quality=95)

@bench
def render_clean(n, tmp):
    "Plates of 226 x 70 px drawn and written as JPEG with their labels, one process each"
    from plategan.plates.render import render_folder
    turn = iter(range(99))
    def ours(): return render_folder(tmp/f'ours{next(turn)}', count=n, type='cn_blue', sz=(226, 70), n_workers=0)
    return 'render_folder, one process', ours, 'PIL text calls, resize and save', lambda: plain_files(n, tmp)

def plain_photo(number, g, sz=(192, 64)):
    "A plate as a first script would photograph it: drawn, dirt pasted on, warped by its corners onto a blurred ground, brightness, colour, blur and noise, each a call of Pillow or NumPy"
    img, (w, h) = plain_plate(number), sz
    dirt = Image.fromarray(g.integers(0, 90, (8, 24), np.uint8)).resize(img.size, Image.BICUBIC)
    img.paste((140, 125, 100), mask=dirt)
    to = np.array([(0, 0), (w, 0), (w, h), (0, h)]) + g.normal(0, .04, (4, 2))*sz
    rows = []
    for (x, y), (u, v) in zip(to, [(0, 0), (440, 0), (440, 140), (0, 140)]): rows += [(x, y, 1, 0, 0, 0, -u*x, -u*y, u), (0, 0, 0, x, y, 1, -v*x, -v*y, v)]
    rows = np.array(rows)
    plate = img.convert('RGBA').resize((220, 70), Image.BOX)
    coef = np.linalg.solve(rows[:, :8], rows[:, 8]) * [.5, .5, .5, .5, .5, .5, 1, 1]
    plate = plate.transform(sz, Image.PERSPECTIVE, coef.tolist(), Image.BILINEAR)
    ground = Image.fromarray(g.integers(20, 200, (4, 8, 3), np.uint8)).resize(sz, Image.BICUBIC)
    ground.paste(plate, (0, 0), plate)
    ground = ImageEnhance.Color(ImageEnhance.Brightness(ground).enhance(g.uniform(.6, 1.4))).enhance(g.uniform(.7, 1.3))
    ground = ground.filter(ImageFilter.BoxBlur(g.uniform(.3, 1)))
    return Image.fromarray((np.asarray(ground, np.float32) + g.normal(0, 3, (h, w, 3))).clip(0, 255).astype(np.uint8))

@bench
def photographic(n, tmp):
    "Plates drawn, worn, seen and lit as crops of 192 x 64 px, written with their labels, beside a plain chain of the same steps without labels; one process each"
    from plategan.plates.render import render_folder
    from plategan.plates.wear import as_photo
    turn = iter(range(99))
    def ours(): return render_folder(tmp/f'ours{next(turn)}', count=n, type='cn_blue', view=as_photo, n_workers=0)
    def plain():
        out = new(tmp)
        for i in range(n): plain_photo(f'皖A{i:05d}', np.random.default_rng(i)).save(out/f'{i}.jpg', quality=95)
    return 'render_folder(view=as_photo), one process', ours, 'PIL text calls, dirt, warp, ground, light, blur, noise, save', plain

def course_plates(n, tmp):
    "15 `n` plates of 192 x 64 px, as many as the course has where `n` is 200"
    (tmp/'hr').mkdir()
    for i in range(15*n): plain_plate(f'皖A{i % 100:05d}', (192, 64)).save(tmp/'hr'/f'{i:05d}.jpg', quality=95)
    return sorted((tmp/'hr').glob('*.jpg'))

class CourseCrappify:
    "The course's own job for one file: open it, save it at quality 1 to 3"
    def __init__(self, lr): self.lr = lr
    def __call__(self, f): Image.open(f).save(self.lr/f.name, quality=random.randint(1, 3))

@bench
def crappify_course(n, tmp):
    "JPEG quality 1 to 3, files to files, all processors on both sides"
    from fastcore.parallel import parallel
    from plategan.crappify import crappify_folder
    files, turn = course_plates(n, tmp), iter(range(99))
    def ours(): return crappify_folder(tmp/'hr', tmp/f'ours{next(turn)}', recipe='course', n_workers=os.cpu_count())
    return "crappify_folder('course') with its table", ours, "the course's parallel loop", lambda: parallel(CourseCrappify(new(tmp)), files)

@bench
def crappify_limit(n, tmp):
    "The same job beside the least that it can cost: the codec alone, in memory; one process each"
    from plategan.crappify import crappify_folder
    data, turn = [f.read_bytes() for f in course_plates(n, tmp)], iter(range(99))
    def ours(): return crappify_folder(tmp/'hr', tmp/f'ours{next(turn)}', recipe='course', n_workers=0)
    def codec():
        for o in data: Image.open(io.BytesIO(o)).save(io.BytesIO(), 'JPEG', quality=2)
    return "crappify_folder('course'), one process", ours, 'decode and encode, in memory', codec

@bench
def degrade_batch(n, tmp):
    "The chain of Real-ESRGAN on 192 x 64 px, in memory: batches of 64, on the GPU where there is one, beside files' engine, one process"
    import torch
    from plategan.crappify import crappify
    from plategan.degrade import degrade
    torch.set_num_threads(1)
    gpu, imgs = torch.cuda.is_available(), [plain_plate(f'皖A{i:05d}', (192, 64)) for i in range(64)]
    x = torch.stack([torch.from_numpy(np.array(o)).permute(2, 0, 1) for o in imgs]).float().to('cuda' if gpu else 'cpu')/255
    def ours(): return [degrade(x, 'second_order', i).cpu() for i in range(max(1, n//64))]
    def plain(): return [crappify(imgs[i % 64], 'second_order', key=i) for i in range(64*max(1, n//64))]
    return f'degrade on the {"GPU" if gpu else "CPU, one thread"}', ours, 'crappify, one process', plain

@bench
def degrade_cores(n, tmp):
    "The same chain without a GPU: batches of 64 in memory, beside the files' engine from file to file, all processors on both sides"
    import torch
    from plategan.crappify import crappify_folder
    from plategan.degrade import degrade
    cores, n = os.cpu_count(), 64*max(1, n//64)
    torch.set_num_threads(cores)
    (tmp/'hr').mkdir()
    imgs = [plain_plate(f'皖A{i:05d}', (192, 64)) for i in range(n)]
    for i, o in enumerate(imgs): o.save(tmp/'hr'/f'{i:05d}.jpg', quality=95)
    x = torch.stack([torch.from_numpy(np.array(o)).permute(2, 0, 1) for o in imgs[:64]]).float()/255
    def ours(): return [degrade(x, 'second_order', i) for i in range(n//64)]
    def plain(): return crappify_folder(tmp/'hr', new(tmp), 'second_order', n_workers=cores)
    return f'degrade on the CPU, {cores} threads', ours, f"crappify_folder('second_order'), {cores} processes", plain

def photographs(n, src):
    "`n` made photographs of 720 x 1160 px with CCPD names, plates where CCPD's mostly are; the boxes around the plates"
    from plategan.core import rng
    from plategan.photos import ccpd_name
    from plategan.plates.warp import made_scene, put
    src.mkdir()
    boxes = {}
    for i in range(n):
        g = rng(42, 'photograph', i)
        if i < 20:
            a = np.asarray(made_scene(g, (720, 1160)), np.int16) + g.normal(0, 3, (1160, 720, 1)).astype(np.int16)
            w, at = g.uniform(120, 300), g.uniform((20, 350), (400, 650))
            c = (np.array([(0, 0), (w, 4), (w, .33*w), (0, .32*w)]) + at).round()
            put(plain_plate('皖A12345'), Image.fromarray(a.clip(0, 255).astype(np.uint8)), c).save(src.parent/f'{i}.jpg', quality=90)
            boxes[i] = c, (*(c.min(0) - .1*np.ptp(c, 0)).astype(int).tolist(), *(c.max(0) + .1*np.ptp(c, 0)).astype(int).tolist())
        c, box = boxes[i % 20]
        f = src/f'{ccpd_name("皖A12345", c, brightness=i % 256, blurriness=i)}.jpg'
        f.write_bytes((src.parent/f'{i % 20}.jpg').read_bytes())
        yield f, box

def plain_crop(f, box, out): Image.open(f).crop(box).save(out/f.name, quality=95)

@bench
def read_photographs(n, tmp):
    "The part of a photograph with the plate, in memory, one process"
    from plategan.photos import read_part
    todo = list(photographs(n, tmp/'in'))
    def plain(): return [Image.open(f).crop(box) for f, box in todo]
    return 'read_part', lambda: [read_part(f, box) for f, box in todo], 'PIL open and crop', plain

@bench
def crop_photographs(n, tmp):
    "Plates out of photographs, files to files, all processors on both sides"
    from joblib import Parallel, delayed
    from plategan.photos import crop_folder
    todo, turn = list(photographs(n, tmp/'in')), iter(range(99))
    def ours(): return crop_folder(tmp/'in', tmp/f'ours{next(turn)}', how='box', n_workers=os.cpu_count())
    def plain():
        out = new(tmp)
        return Parallel(os.cpu_count())(delayed(plain_crop)(f, box, out) for f, box in todo)
    return "crop_folder('box'), checked, with its tables", ours, 'PIL open, crop and save', plain

def fastai_epoch(lr, hr):
    "The course's recipe in plain fastai: U-Net on ResNet-34, mean squared error, files, 32 pictures a batch"
    from fastai.vision.all import DataBlock, ImageBlock, MSELossFlat, NormType, RandomSplitter, Resize, get_image_files, resnet34, unet_learner
    block = DataBlock((ImageBlock, ImageBlock), get_items=get_image_files, get_y=lambda o: hr/o.name, splitter=RandomSplitter(.1, 42),
        item_tfms=Resize((64, 192), 'squish'))
    dls = block.dataloaders(lr, bs=32, num_workers=0, device='cpu')
    kw = dict(n_out=3, loss_func=MSELossFlat(), blur=True, norm_type=NormType.Weight, self_attention=True, y_range=(-3., 3.), pretrained=False)
    return unet_learner(dls, resnet34, **kw)

@bench
def training_epoch(n, tmp):
    "An epoch of the generator on `n` pairs of 192 x 64 px, all processors"
    import torch
    from plategan.crappify import crappify_folder
    from plategan.models.blocks import fast_bf16
    from plategan.pairs import pair_dls
    from plategan.restore.generator import DevicePrecision, gen_learner
    torch.set_num_threads(os.cpu_count())
    (tmp/'hr').mkdir()
    for i in range(n): plain_plate(f'皖A{i:05d}', (192, 64)).save(tmp/'hr'/f'{i:05d}.jpg', quality=95)
    crappify_folder(tmp/'hr', tmp/'lr', recipe='course', n_workers=0)
    learn = gen_learner(pair_dls(tmp/'lr', tmp/'hr', bs=32, device='cpu'), cbs=[DevicePrecision('bf16')] if fast_bf16() else [])
    other = fastai_epoch(tmp/'lr', tmp/'hr')
    def run(o):
        with o.no_bar(), o.no_logging(): o.fit(1, 1e-4)
    return 'gen_learner: the compact network', lambda: run(learn), "the course's U-Net in plain fastai", lambda: run(other)

@bench
def restore_plate(n, tmp):
    "Restoring plates of 192 x 64 px, batches of 8, one thread"
    import torch
    from plategan.models.sr import compact
    from plategan.models.unet import unet
    torch.set_num_threads(1)
    x, small, large = torch.rand(8, 3, 64, 192), compact().eval(), unet().eval()
    def run(model):
        with torch.inference_mode(): return [model(x) for _ in range(max(1, n//100))]
    return 'the compact network', lambda: run(small), 'the U-Net on ResNet-34', lambda: run(large)

@bench
def open_command(n, tmp):
    "From the shell to the help text"
    def shell(*args): return subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, check=True)
    def ours(): return shell('-c', 'import sys; from plategan.cli import main; sys.exit(main(["--help"]))')
    return 'plategan --help', ours, 'import fastai.vision.all', lambda: shell('-c', 'import fastai.vision.all')

def measure(name, n, turns=3):
    "One row: both sides alternately, best of `turns`"
    with tempfile.TemporaryDirectory() as d:
        what, ours, other, plain = benches[name](n, Path(d))
        best = dict(ours=float('inf'), plain=float('inf'))
        for _ in range(turns):
            for k, f in dict(ours=ours, plain=plain).items():
                t = time.perf_counter()
                f()
                best[k] = min(best[k], time.perf_counter() - t)
    a, b = best['ours'], best['plain']
    return f'| {name} | {what} | {a:.2f} s | {other} | {b:.2f} s | {a/b:.2f} |'

def main():
    "Print the table, and write it where `--out` says"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('names', nargs='*', help=f'of {", ".join(benches)}; default: all')
    ap.add_argument('--n', type=int, default=200, help='pictures a turn')
    ap.add_argument('--out', type=Path, help='also write the table here')
    a = ap.parse_args()
    unknown = set(a.names) - benches.keys()
    if unknown: ap.error(f'no benchmark {", ".join(sorted(unknown))}; there are {", ".join(benches)}')
    head = [f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, n = {a.n}, best of three', '',
        '| benchmark | ours | time | beside it | time | ratio |', '|---|---|---|---|---|---|']
    lines = list(head)
    print('\n'.join(head), flush=True)
    for name in a.names or benches:
        lines.append(measure(name, a.n))
        print(lines[-1], flush=True)
    if a.out: a.out.write_text('\n'.join(lines) + '\n')

if __name__ == '__main__': main()
