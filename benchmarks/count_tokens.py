"""The tokens of a file's prompts, counted as ingestion counts them: slice by slice. Argument: the input."""

import json
import sys
import time
from itertools import batched
from pathlib import Path

from batchor_core import PromptParts
from batchor_openai.tokens import OpenAITokenCounter
from benchmarks.workload import MODEL

SLICE_ROWS = 5_000


def main(path: Path) -> None:
    counter, cpu_s, tokens = OpenAITokenCounter(MODEL), 0.0, 0
    with path.open() as rows:
        for some in batched(rows, SLICE_ROWS):
            prompts = [PromptParts(json.loads(row)["text"]) for row in some]
            before_s = time.process_time()
            tokens += sum(counter.count(prompts))
            cpu_s += time.process_time() - before_s
    json.dump({"cpu_s": cpu_s, "tokens": tokens}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
