"The record of a run: what made a number. Used by the run.py of each folder here."
import json, os, platform, subprocess, sys, time
from datetime import date
from pathlib import Path

def record(out, started, **facts):
    "Write record.json into `out`: commit, date, hardware, versions, the command, `facts`, and the seconds since `started` (training has its own, since a run may take several calls)"
    import torch
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    cpu = next((l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name')), platform.processor())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    command = ' '.join(['python', *(f'DIR/{Path(a).name}' if Path(a).is_absolute() else a for a in sys.argv)])
    rec = dict(command=command, commit=commit, date=str(date.today()), python=platform.python_version(), torch=torch.__version__, cpu=cpu,
        cores=os.cpu_count(), torch_threads=torch.get_num_threads(), gpu=gpu, seconds_of_this_call=round(time.time()-started), **facts)
    Path(out, 'record.json').write_text(json.dumps(rec, indent=1, ensure_ascii=False) + '\n')
