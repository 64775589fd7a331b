"Every test runs as on a machine without a GPU, with lessons at their small size"
import os, sys
from pathlib import Path

os.environ['IN_TEST'] = '1'
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'agg')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent/'tools'))
