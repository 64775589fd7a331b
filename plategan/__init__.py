"From a number plate that nobody can read to one that can be read, in small lessons"

def __getattr__(name):
    "`__version__`, looked up only when it is asked for"
    if name != '__version__': raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from importlib.metadata import version
    return version('plategan')
