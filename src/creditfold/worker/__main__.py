"""`python -m creditfold.worker`: a worker by the environment's settings alone."""

import sys

from creditfold.worker.run import run
from creditfold.worker.settings import WrongSettings, load

if __name__ == "__main__":
    try:
        settings = load()
    except WrongSettings as wrong:
        sys.stderr.write(f"creditfold: worker stopped: {wrong}\n")
        sys.exit(2)
    run(settings)
