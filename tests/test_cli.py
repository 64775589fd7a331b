"The command `plategan` as a user meets it: help, exit codes, the whole demo, and Ctrl-C in the middle of each stage."
import json, os, signal, subprocess, sys, time
from pathlib import Path
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
NAMES = ['types', 'render', 'crop', 'export', 'crappify', 'train', 'enhance', 'read', 'evaluate', 'benchmark', 'onnx', 'demo']
CODE = 'import sys; from plategan.cli import main; sys.exit(main())'

def env(**kw): return dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', **kw)

def cli(*words, cwd=None):
    "In a process of its own, as from a terminal"
    return subprocess.run([sys.executable, '-c', CODE, *map(str, words)], cwd=cwd, env=env(), capture_output=True, text=True, timeout=600)

def here(*words):
    "In this process, which is quicker"
    from plategan.cli import main
    return main([str(o) for o in words])

@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    "A finished `demo --quick`, and what it said"
    d = tmp_path_factory.mktemp('demo')
    t = time.time()
    r = cli('demo', 'demo', '--quick', '--device', 'cpu', cwd=d)
    print(f'demo --quick: {time.time()-t:.0f} s')
    assert r.returncode == 0, r.stdout+r.stderr
    return d/'demo', r

# --- Help and manners

def test_overview(capsys):
    assert here() == 0
    said = capsys.readouterr().out
    assert all(f'\n  {n} ' in said for n in NAMES) and 'plategan demo' in said
    assert here('--version') == 0 and capsys.readouterr().out.startswith('plategan ')

@pytest.mark.parametrize('name', NAMES)
def test_help_teaches(name, capsys):
    assert here(name, '--help') == 0
    said = capsys.readouterr().out
    assert 'example' in said and f'  plategan {name}' in said and '--debug' in said
    from plategan.cli import commands
    from fastcore.docments import docments
    assert all(v.docment for v in docments(commands[name], full=True, returns=False).values())    # every option says what it is

def test_examples_parse(capsys):
    "Every command line that a help text shows is one that the parser takes"
    import shlex
    from plategan.cli import commands, make_parser
    seen = 0
    for f in commands.values():
        for line in f.example.splitlines():
            if not line.strip().startswith(('plategan', 'then: plategan')): continue
            words = shlex.split(line[line.index('plategan'):].split('  ')[0])
            make_parser(commands[words[1]]).parse_intermixed_args(words[2:])
            seen += 1
    assert seen >= len(commands)

def test_help_is_quick():
    def secs():
        t = time.time()
        assert cli('train', '--help').returncode == 0
        return time.time()-t
    best = min(secs() for _ in range(5))
    print(f'plategan train --help: {best:.2f} s')
    assert best < 1                                 # 0.1 s on a free machine

def test_door_holds_no_torch():
    r = subprocess.run([sys.executable, '-c', 'import sys, plategan.cli; print([m for m in ("torch", "fastai", "numpy", "PIL") if m in sys.modules])'],
        env=env(), capture_output=True, text=True)
    assert r.stdout.strip() == '[]', r

@pytest.mark.parametrize('words,code,said', [(['rendr'], 2, "did you mean 'render'"), (['xyz'], 2, 'choose one of'), (['render'], 2, 'required: out'),
    (['render', 'x', '--sz', 'big'], 2, '192x64'), (['train', 'a', 'b', 'c', '--epochs', 'x'], 2, '8,1,2'), (['render', 'x', '--nope'], 2, '--nope'),
    (['render', 'x', '--number', '皖A1'], 2, '皖A1'), (['render', 'x', '--type', 'moon'], 2, 'moon'), (['crappify', '/nowhere', 'x'], 2, 'no such file')])
def test_wrong_words(words, code, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert here(*words) == code
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1 and 'Traceback' not in err

def test_debug_shows_where(tmp_path):
    r = cli('crappify', tmp_path/'nowhere', tmp_path/'x', '--debug')
    assert r.returncode == 1 and 'Traceback' in r.stderr and 'FileNotFoundError' in r.stderr

def test_closed_pipe(tmp_path):
    r = subprocess.run(f'{sys.executable} -c "{CODE}" --help | true', shell=True, env=env(), capture_output=True, text=True)
    assert 'Traceback' not in r.stderr

# --- Jobs

def test_render_crop_crappify(tmp_path, capsys):
    assert here('render', tmp_path/'hr', '--count', 4, '--country', 'cn', '--crop') == 0
    assert here('render', tmp_path/'one', '--count', 2, '--number', 'B 1234 ABC', '--sz', '160x50') == 0
    said = capsys.readouterr().out
    assert '4 plates' in said and 'next: plategan crappify' in said
    assert {Image.open(f).size for f in (tmp_path/'hr').glob('*.jpg')} == {(192, 64)}
    assert {Image.open(f).size for f in (tmp_path/'one').glob('*.jpg')} == {(160, 50)}
    assert here('crappify', tmp_path/'hr', tmp_path/'lr', '--recipe', 'camera') == 0

def test_demo(demo):
    d, r = demo
    assert 'after GAN' in r.stdout and 'sheet.png' in r.stdout and 'next: plategan enhance' in r.stdout and '█' not in r.stdout
    with Image.open(d/'sheet.png') as im: assert im.width > 500 and im.height > 300
    with Image.open(d/'curves.png') as im: assert im.width > 100
    table = (d/'table.md').read_text()
    assert all(f'| {n} |' in table for n in ('do nothing', 'unsharp', 'generator', 'after GAN', 'critic', 'gan', 'together'))
    assert (d/'table.csv').read_text().count('\n') == 5
    import pandas as pd
    a, b = (set(pd.read_csv(d/n/'hr'/'labels.csv').text) for n in ('train', 'test'))
    assert a and b and not a & b                    # no number of the test was seen in training

def test_demo_again(demo):
    "What stands is used; another wish is refused; `--fresh` begins anew and leaves other files alone"
    d, _ = demo
    before = (d/'model'/'gan.safetensors').stat().st_mtime_ns
    t = time.time()
    r = cli('demo', 'demo', '--quick', '--device', 'cpu', cwd=d.parent)
    assert r.returncode == 0 and r.stdout.count('stands (') == 6 and '--fresh' in r.stdout
    print(f'second call: {time.time()-t:.1f} s')
    assert time.time()-t < 10 and (d/'model'/'gan.safetensors').stat().st_mtime_ns == before
    r = cli('demo', 'demo', '--quick', '--seed', '5', cwd=d.parent)
    assert r.returncode == 2 and 'seed 42 (now 5)' in r.stderr and '--fresh' in r.stderr

def test_demo_keeps_out_of_other_folders(tmp_path, capsys):
    (tmp_path/'mine.txt').write_text('mine')
    assert here('demo', tmp_path, '--quick') == 2
    assert 'is not empty' in capsys.readouterr().err and (tmp_path/'mine.txt').exists()

def test_enhance_and_evaluate(demo, tmp_path, capsys):
    d, _ = demo
    assert here('enhance', d/'test'/'lr', tmp_path/'out', '--weights', d/'model', '--device', 'cpu') == 0
    assert '12 now, 0 stood already, 0 skipped' in capsys.readouterr().out
    assert here('enhance', d/'test'/'lr', '--weights', d/'model', tmp_path/'out') == 0      # options and words in any order
    assert '0 now, 12 stood already' in capsys.readouterr().out
    assert here('evaluate', d/'test'/'lr', d/'test'/'hr', tmp_path/'e', '--weights', d/'model', d/'model'/'generator.safetensors') == 0
    assert {p.name for p in (tmp_path/'e').iterdir()} == {'evaluate.csv', 'evaluate.md', 'pictures.csv', 'sheet.png'}

def test_evaluate_wrong_pairs(demo, tmp_path, capsys):
    d, _ = demo
    assert here('evaluate', d/'test'/'lr', d/'train'/'hr', tmp_path/'e', '--weights', d/'model') == 2
    assert 'partner' in capsys.readouterr().err and not (tmp_path/'e').exists()

# --- Ctrl-C

def halves(d):
    "Files that look unfinished: those beside their place, and pictures that don't open"
    bad = [p for p in d.rglob('.*') if p.is_file()]
    for p in d.rglob('*.jpg'):
        try: Image.open(p).load()
        except OSError: bad.append(p)
    return bad

def hear_ctrl_c():
    "In a new process: Ctrl-C counts, even if these tests were started in the background, where shells switch it off"
    signal.signal(signal.SIGINT, signal.SIG_DFL)

def stopped(words, when, cwd):
    "Start a command, press Ctrl-C (in its whole process group, as a terminal does) as soon as `when()`"
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p = subprocess.Popen([sys.executable, '-c', CODE, *map(str, words)], cwd=cwd, env=env(), start_new_session=True, preexec_fn=hear_ctrl_c, **pipes)
    end = time.time()+120
    while not when() and p.poll() is None and time.time() < end: time.sleep(.01)
    assert p.poll() is None, f'ended before it could be stopped: {p.communicate()}'
    os.killpg(p.pid, signal.SIGINT)
    out, err = p.communicate(timeout=60)
    return p.returncode, out, err

def n_jpg(d): return sum(p.name[0] != '.' for p in d.glob('*.jpg'))

@pytest.mark.parametrize('workers', [0, 2])
def test_stop_render(workers, tmp_path):
    words = ['render', 'r', '--count', 3000, '--workers', workers, '--crop']
    rc, out, err = stopped(words, lambda: n_jpg(tmp_path/'r') >= 30, tmp_path)
    assert rc == 130 and 'goes on' in err and (workers or 'Traceback' not in err), err
    n = n_jpg(tmp_path/'r')
    assert 30 <= n < 3000 and not halves(tmp_path)

def test_stop_crappify_and_enhance(demo, tmp_path):
    d, _ = demo
    src = tmp_path/'src'
    src.mkdir()
    files = sorted((d/'test'/'lr').glob('*.jpg'))
    for i in range(3000): os.link(files[i % len(files)], src/f'{i}.jpg')
    jobs = dict(bad=['crappify', 'src', 'bad', '--recipe', 'camera', '--workers', 0], good=['enhance', 'src', 'good', '--weights', d/'model', '--device', 'cpu'])
    for out, words in jobs.items():
        rc, _, err = stopped(words, lambda: n_jpg(tmp_path/out) >= 30, tmp_path)
        assert rc == 130 and 'Traceback' not in err and 'goes on' in err, err
        assert 30 <= n_jpg(tmp_path/out) < 3000 and not halves(tmp_path/out)
    for f in list(src.iterdir())[300:]: f.unlink()
    r = cli('enhance', 'src', 'good', '--weights', d/'model', '--device', 'cpu', cwd=tmp_path)
    assert r.returncode == 0 and '300 pictures restored' in r.stdout and not halves(tmp_path/'good')

STAGES = ['draw', 'generator', 'critic', 'gan']

@pytest.mark.parametrize('stage', STAGES)
def test_stop_demo(stage, tmp_path):
    "Stopped in the middle of a stage, the same words go on: the stages before it stand"
    words = ['demo', 'd', '--count', 48, '--held', 8, '--bs', 8, '--epochs', '3,3,3', '--device', 'cpu', '--workers', 0]
    d, note = tmp_path/'d', tmp_path/'d'/'model'/'checkpoints'/f'{stage}.json'
    when = (lambda: n_jpg(d/'train'/'hr') >= 3) if stage == 'draw' else note.exists
    rc, out, err = stopped(words, when, tmp_path)
    assert rc == 130 and 'Traceback' not in err and 'goes on' in err, err
    assert not halves(d)
    done = json.loads((d/'demo.json').read_text())['secs']
    assert list(done) == STAGES[:STAGES.index(stage)]
    r = cli(*words, cwd=tmp_path)
    assert r.returncode == 0 and r.stdout.count('stands (') == len(done), r.stdout+r.stderr
    if stage != 'draw': assert 'stand already' in r.stdout                  # within the stage, too: its finished epochs
    assert (d/'table.md').exists() and not halves(d)
