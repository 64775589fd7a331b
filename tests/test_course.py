"The course's road: legibility beside the losses, inventions counted, stopping by legibility, a frozen encoder; and all of it after an interruption."
import sys
import json, pickle
from pathlib import Path
import pytest, torch
from torch import nn
from torch.nn import functional as F
from fastai.vision.all import Callback, DataLoader, DataLoaders, Learner, Metric
from plategan.core import save_image
from plategan.pairs import pair_dls
from plategan.plates.render import render
from plategan.restore.finetune import Run, cycles, read_history, stage_table, train
from plategan.restore.generator import Column, Legibility, StopByLegibility, gen_learner, judge_of, numbers_of

SZ = 64, 24

class Says:
    "A reader that says what it is told for each picture, by its mean brightness; '' refuses"
    def __init__(self, fn): self.fn, self.n = fn, 0
    def read(self, pictures):
        self.n += len(pictures)
        said = [self.fn(o) for o in pictures]
        return said, [.9 if o else .1 for o in said]

@pytest.fixture
def pairs(tmp_path):
    "Ten numbered plates and their blurred selves"
    for i in range(10):
        p = render(type='cn_blue', seed=i, sz=SZ)
        save_image(p.img, tmp_path/'hr'/f'{i:05d}-{p.text}.png')
        save_image(p.img.resize((16, 6)), tmp_path/'lr'/f'{i:05d}-{p.text}.png')
    return tmp_path

def dls(d, bs=3): return pair_dls(d/'lr', d/'hr', sz=SZ, bs=bs, valid_pct=.7, device='cpu')

def quiet(learn, n, lr=1e-3, **kwargs):
    with learn.no_logging(), learn.no_bar(): learn.fit(n, lr, **kwargs)
    return learn

# --- Legibility

def test_numbers_come_from_the_table_first_then_from_the_name(tmp_path):
    (tmp_path/'a'/'b').mkdir(parents=True)
    (tmp_path/'labels.csv').write_text('file,text\na/b/x.png,浙A11111\na/b/皖A12345.png,浙B22222\n')
    for n in ('x', '皖A12345', '皖A54321', 'unknown'): save_image(torch.zeros(3, 4, 8), tmp_path/'a'/'b'/f'{n}.png')
    got = numbers_of(tmp_path/'a'/'b'/f'{n}.png' for n in ('x', '皖A12345', '皖A54321', 'unknown'))
    assert got == ['浙A11111', '浙B22222', '皖A54321', '']
    (tmp_path/'labels.csv').write_text('photo,colour\na/b/x.png,blue\n')          # somebody's other table
    assert numbers_of([tmp_path/'a'/'b'/'皖A54321.png']) == ['皖A54321']

def test_a_few_plates_by_seed_the_right_ones_in_any_batches(pairs):
    "The pictures that are read are those whose files are named, whatever the batch size"
    seen = {}
    def look(o): return seen.setdefault(o.sum().item(), '') or ''
    for bs in (1, 3, 5):
        d = dls(pairs, bs)
        reader = Says(look)
        judge = Legibility(d, n=4, reader=reader)
        t = judge.look(d, nn.Identity())
        assert reader.n == 4 and len(t) == 4 and list(t.verdict) == ['refused']*4
        by_hand = [d.valid_ds[i][0].float().sum().item()/255 for i in range(7) if Path(d.valid_ds.items[i][1]) in set(t.file)]
        assert [round(v) for v in seen] == [round(v) for v in by_hand]
        assert list(Legibility(d, n=4, reader=reader).numbers) == list(t.file)
    assert set(Legibility(d, n=4, seed=1, reader=reader).numbers) != set(t.file)
    assert len(Legibility(d, n=99, reader=reader).numbers) == 7

def test_the_column_of_a_learner_is_what_the_reader_reads_of_its_output(pairs):
    d = dls(pairs)
    learn = gen_learner(d, nn.Conv2d(3, 3, 1), legible=5)
    judge = judge_of(learn)
    numbers = list(judge.numbers.values())
    said = iter(numbers[:2] + ['X9', '', ''])
    judge.reader = Says(lambda o: next(said))
    got = dict(zip(learn.recorder.metric_names[2:] if hasattr(learn.recorder, 'metric_names') else ['psnr', 'ssim', 'legible', 'misread'], learn.validate()[1:]))
    assert (got['legible'], got['misread']) == (.4, .2)

def test_inventions_are_counted_against_before(pairs):
    d = dls(pairs)
    judge = Legibility(d, n=5)
    a, b, c, e, _ = judge.numbers.values()
    answers = [[a, '', 'X1', e, ''], ['X2', 'X3', 'X4', e, '']]                    # right, refused -> misread: two; misread stays misread
    said = iter(sum(answers, []))
    judge.reader = Says(lambda o: next(said))
    judge.look(d)
    column = Column(judge.remember(), 'invented')
    judge.look(d)
    assert column.value == 2 and column.name == 'invented'
    assert list(judge.invented().text) == ['X2', 'X3']

def test_without_numbers_the_clean_picture_is_read_and_it_is_said(pairs, capsys):
    for i, f in enumerate(sorted((pairs/'hr').iterdir())):
        f.rename(f.with_name(f'{i}.png'))
        (pairs/'lr'/f.name).rename(pairs/'lr'/f'{i}.png')
    d = dls(pairs)
    n = iter(range(99))
    judge = Legibility(d, n=6, reader=Says(lambda o: '' if next(n) % 3 == 0 else '浙A12345'))
    said = capsys.readouterr().out
    assert '6 of 6' in said and '2 that it cannot read' in said and said.count('\n') == 1
    assert set(judge.numbers.values()) == {'浙A12345'} and len(judge.numbers) == 4

def test_an_exported_learner_holds_no_plates(pairs):
    judge = Legibility(dls(pairs), n=5)
    back = pickle.loads(pickle.dumps(judge))
    assert back.numbers == {} and judge.numbers and back.value is None

# --- Stopping

class MadeUp(Metric):
    name = 'legible'
    def __init__(self, values, at=0): self.values, self.n = values, at
    def reset(self): self.n += 1
    @property
    def value(self): return self.values[self.n-1]

class Count(Callback):
    "Training in its simplest form: the weight is the number of epochs"
    def before_train(self):
        with torch.no_grad(): self.model.weight.add_(1)

def toy(values, at=0):
    one = DataLoader([(torch.zeros(1), torch.zeros(1))], bs=1)
    learn = Learner(DataLoaders(one, one, device='cpu'), nn.Linear(1, 1), loss_func=F.mse_loss, metrics=MadeUp(values, at), cbs=Count())
    nn.init.constant_(learn.model.weight, at)
    return learn

@pytest.mark.parametrize('values,kw,epochs,kept', [
    ([.1, .2, .3, .4, .5, .6], {}, 6, 6),                              # always better: never stops
    ([.2, .5, .4, .45, .9, .9], {}, 4, 2),                             # two without a gain
    ([.2, .5, .4, .45, .9, .9], dict(patience=3), 6, 6),               # of equals the later
    ([.5, .4, .9, .9, .9, .9], dict(patience=1), 2, 1),
    ([.2, .2, .2, .2, .2, .2], {}, 3, 3),
    ([.20, .21, .21, .9, .9, .9], dict(min_delta=.02), 3, 3),          # gains too small to count, yet the best are kept
    ([.20, .21, .23, .24, .26, .27], dict(min_delta=.02), 6, 6),       # small gains that add up do count
    ([.3, .2, .1, .1, .1, .1], dict(start=.4), 2, 0),                  # a stage that only loses gives back what it was given
    ([.4, .2, .1, .1, .1, .1], dict(start=.4), 2, 1),
    ([None, .5, None, .4, .3, .9], {}, 5, 2),                          # a value that can't be had says nothing
    ([None]*6, {}, 6, 6)])
def test_stop(values, kw, epochs, kept):
    stop = StopByLegibility(**kw)
    learn = quiet(toy(values), 6, 0., cbs=stop)
    assert (len(learn.recorder.values), learn.model.weight.item(), stop.best) == (epochs, kept, kept)
    assert not stop.home.exists()

@pytest.mark.parametrize('at', [1, 2, 3, 4])
def test_stop_goes_on_after_an_interruption(at, tmp_path):
    "Interrupted while epoch `at`+1 is trained; a new process with the same folder ends as the straight run does"
    values = [.2, .5, .4, .45, .9, .1]
    class Interrupt(Callback):
        def before_batch(self):
            if self.training and self.epoch == at: raise KeyboardInterrupt
    def go(learn, **kw): quiet(learn, 6, 0., cbs=[StopByLegibility(out=tmp_path)] + kw.pop('cbs', []), **kw)
    if at < 4:
        with pytest.raises(KeyboardInterrupt): go(toy(values), cbs=[Interrupt()])
    else: go(toy(values), cbs=[Interrupt()])                            # it had stopped before
    learn = toy(values, at)
    go(learn, start_epoch=at)
    assert learn.model.weight.item() == 2
    assert json.loads((tmp_path/'values.json').read_text()) == [None, *values[:4]]
    assert [f.name for f in tmp_path.glob('*.pth')] == ['2.pth']

def test_a_value_noted_before_the_checkpoint_is_forgotten(tmp_path):
    "Epoch 3 was noted here but does not stand: it is done again, and noted again"
    quiet(toy([.2, .5, .9]), 3, 0., cbs=StopByLegibility(out=tmp_path))
    learn = toy([.2, .5, .4, .3, .9, .9], 2)
    quiet(learn, 6, 0., cbs=StopByLegibility(out=tmp_path), start_epoch=2)
    assert json.loads((tmp_path/'values.json').read_text()) == [None, .2, .5, .4, .3]

def test_a_new_fit_begins_anew(tmp_path):
    quiet(toy([.9, .1]), 2, 0., cbs=StopByLegibility(out=tmp_path))
    learn = quiet(toy([.2, .3, .1]), 3, 0., cbs=StopByLegibility(out=tmp_path))
    assert learn.model.weight.item() == 2

def test_lr_find_is_not_stopped():
    learn = toy([.1]*9)
    learn.add_cb(StopByLegibility(1))
    with learn.no_bar(): learn.lr_find(num_it=5, show_plot=False)
    quiet(learn, 1, 0.)

def test_no_patience_is_told():
    with pytest.raises(ValueError, match='at least 1'): StopByLegibility(0)

# --- The whole road

ARGS = dict(sz=SZ, bs=2, arch_args=dict(nf=4, n_blocks=1), light=False)

def legible_by(monkeypatch, *values):
    "Make up what each reading reaches: before the GAN stage, after its epochs, then in the table"
    it = iter(values)
    def look(self, *args, **kwargs): return [self.reset(), self.rows.extend(rows(next(it)))] and self.table
    def rows(v): return [dict(file=i, number='', text='', confidence=1., verdict='right' if i < v*10 else 'misread', psnr=20.) for i in range(10)]
    monkeypatch.setattr(Legibility, 'look', look)
    monkeypatch.setattr(Legibility, 'accumulate', lambda self, learn: self.rows or self.rows.extend(rows(next(it))))

def test_train_has_legibility_in_its_tables(pairs):
    out = train(pairs/'lr', pairs/'hr', pairs/'run', epochs=(2, 1, 1), legible=3, device='cpu', **ARGS)
    h = read_history(out)
    assert h[h.stage != 'critic'][['legible', 'misread']].notna().all().all() and h[h.stage == 'gan'].invented.notna().all()
    t = stage_table(out, 'cpu')
    assert list(t.stage) == ['do nothing', 'generator', 'gan'] and t[['psnr', 'legible', 'misread']].notna().all().all()
    assert (out/'stages.csv').exists() and (out/'curves.png').exists() and not (out/'checkpoints').exists()
    assert t.seconds[1] > 0 and t.epochs.tolist() == [0, 2, 1]

def test_each_stage_logs_for_tensorboard(pairs):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    out = train(pairs/'lr', pairs/'hr', pairs/'run', epochs=(2, 1, 1), legible=0, patience=(0, 0, 0), board=True, device='cpu', **ARGS)
    for stage, column in dict(generator='psnr', critic='crit_accuracy', gan='gen_loss').items():
        log = EventAccumulator(str(out/'board'/stage)).Reload()
        tags = log.Tags()
        assert column in tags['scalars'] and tags['images'] == ['plates']
        steps = [o.step for o in log.Scalars(column)]
        assert steps == sorted(set(steps)) and len(steps) == (2 if stage == 'generator' else 1)

def test_without_tensorboard_one_sentence_says_so(monkeypatch, tmp_path):
    from plategan.restore.finetune import board_callback
    for m in ('tensorboard', 'fastai.callback.tensorboard'): monkeypatch.setitem(sys.modules, m, None)
    with pytest.raises(ImportError, match='pip install tensorboard'): board_callback(tmp_path)

def test_legibility_can_be_switched_off(pairs):
    out = train(pairs/'lr', pairs/'hr', pairs/'run', stage='generator', epochs=(1, 1, 1), legible=0, device='cpu', **ARGS)
    assert 'legible' not in read_history(out) and not (out/'stages.csv').exists()

@pytest.mark.parametrize('values,patience,epochs,kept', [((.5, .4, .6, .5, .5), 2, 4, 2), ((.5, .4, .3), 2, 2, 0), ((.5, .4, .3, .2, .1, .0), 0, 5, 5)])
def test_the_gan_stage_stops_by_legibility(values, patience, epochs, kept, pairs, monkeypatch, capsys):
    kw = dict(epochs=(1, 1, 5), patience=(0, 0, patience), device='cpu', **ARGS)
    out = train(pairs/'lr', pairs/'hr', pairs/'run', stage='generator', **kw)
    train(pairs/'lr', pairs/'hr', out, stage='critic', **kw)
    monkeypatch.setattr('plategan.restore.finetune.stage_table', lambda *args: None)
    legible_by(monkeypatch, *values)
    train(pairs/'lr', pairs/'hr', out, stage='gan', **kw)
    h, info = read_history(out).query('stage == "gan"'), json.loads((out/'gan.json').read_text())['info']
    assert list(h.legible.round(5)) == list(values[1:]) and (info['epochs'], info['kept']) == (epochs, kept)
    from plategan.models.weights import load_weights
    a, b = (load_weights(out/s).state_dict() for s in ('generator', 'gan'))
    assert all(torch.equal(a[k], b[k]) for k in a) == (kept == 0)
    assert ('are kept' in capsys.readouterr().out) == (kept < 5)

def test_an_older_run_goes_on(pairs):
    "A train.json from before these settings existed is the same run"
    out = train(pairs/'lr', pairs/'hr', pairs/'run', stage='generator', epochs=(1, 1, 1), legible=0, device='cpu', **ARGS)
    f = out/'train.json'
    f.write_text(json.dumps({k: v for k, v in json.loads(f.read_text()).items() if k not in ('legible', 'patience', 'frozen', 'pretrained')}))
    train(pairs/'lr', pairs/'hr', out, stage='critic', epochs=(1, 1, 1), legible=3, device='cpu', **ARGS)

@pytest.mark.parametrize('kw,said', [(dict(frozen=1), 'no encoder'), (dict(patience=(1, 2)), 'three counts'), (dict(patience=(0, 0, -1)), 'three counts')])
def test_settings_that_cannot_be(kw, said, pairs):
    with pytest.raises(ValueError, match=said): train(pairs/'lr', pairs/'hr', pairs/'run', device='cpu', **kw)
    assert not (pairs/'run'/'train.json').exists()

# --- Frozen, then unfrozen

class TinyUNet(nn.Module):
    "Stands for the U-Net: `net.layers[0]` is its encoder"
    arch = 'unet'
    def __init__(self):
        super().__init__()
        self.net = nn.Module()
        self.net.layers = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)])
        self.args = {}
    def forward(self, x): return x + self.net.layers[1](self.net.layers[0](x).relu())

class Watch(Callback):
    "Note, at each training batch, whether the encoder moves and the ratio of the rates"
    order, seen = 100, []
    def before_batch(self): self.was = self.model.net.layers[0].weight.clone()
    def after_batch(self):
        if not self.training: return
        lrs = [h['lr'] for h in self.opt.hypers]
        Watch.seen.append((not torch.equal(self.was, self.model.net.layers[0].weight), round(lrs[1]/lrs[0])))

@pytest.fixture
def unets(pairs, monkeypatch):
    "`train` with a tiny U-Net; `pretrained` notes what was asked for"
    import plategan.restore.generator as g, plategan.restore.finetune as f
    asked = []
    def unet(pretrained): return asked.append(pretrained) or TinyUNet()
    monkeypatch.setitem(g.GENERATORS, 'unet', unet)
    monkeypatch.setattr(f, 'save_weights', lambda net, path, **kw: torch.save((net.state_dict(), kw), str(path)+'.json'))
    monkeypatch.setattr(Watch, 'seen', [])
    made = f.gen_learner
    monkeypatch.setattr(f, 'gen_learner', lambda *args, **kw: made(*args, cbs=[Watch(), *Stops], **kw))
    return pairs, asked

Stops = []
KW = dict(stage='generator', arch='unet', epochs=(4, 1, 1), sz=SZ, bs=3, legible=0, device='cpu')

def test_frozen_then_discriminative(unets):
    pairs, asked = unets
    train(pairs/'lr', pairs/'hr', pairs/'run', frozen=2, **KW)
    moved, ratio = zip(*Watch.seen)
    n = len(moved)//2
    assert n and not any(moved[:n]) and all(moved[n:]) and set(ratio[n:]) == {100}
    assert asked == [True] and list(read_history(pairs/'run').epoch) == [1, 2, 3, 4]

def test_defaults_of_a_unet(unets):
    pairs, asked = unets
    train(pairs/'lr', pairs/'hr', pairs/'run', pretrained=False, **KW)
    assert asked == [False] and all(m for m, _ in Watch.seen)
    assert [o[:2] for o in cycles(Run('', '', arch='unet', epochs=(4, 1, 1)), 0)] == [(1, True), (3, False)]
    assert cycles(Run('', '', arch='unet', epochs=(1, 1, 1)), 0) == [(1, True, 1.5e-3)]

@pytest.mark.parametrize('at', [1, 2, 3])
def test_frozen_goes_on_after_an_interruption(at, unets, monkeypatch):
    "Before, at and behind the moment of unfreezing, the weights are those of a straight run"
    pairs, _ = unets
    class Interrupt(Callback):
        run_here = True
        def before_batch(self):
            done = self.learn.checkpoint.base + self.epoch
            if self.run_here and self.training and done == at: raise KeyboardInterrupt
    def end(out, **kw):
        train(pairs/'lr', pairs/'hr', out, frozen=2, **{**KW, **kw})
        return torch.load(out/'generator.json')[0]
    straight = end(pairs/'straight')
    Stops[:] = [Interrupt()]
    with pytest.raises(KeyboardInterrupt): end(pairs/'broken')
    Stops.clear()
    resumed = end(pairs/'broken')
    assert all(torch.equal(straight[k], resumed[k]) for k in straight)
    assert list(read_history(pairs/'broken').epoch) == [1, 2, 3, 4]
