"""What importing the package loads: 0.9 s of SDK only when the first call is made."""

import subprocess
import sys

PROGRAM = """
import sys
from batchor_core.domain.item import PromptParts
from batchor_openai import OpenAIBatchProvider, OpenAIProviderConfig

provider = OpenAIBatchProvider(OpenAIProviderConfig(model="m", api_key="sk-test"))
codec = provider.codec(None)
codec.decode(codec.encode("a-1", PromptParts("Name a river.")))
provider.client
provider.close()
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded & {"openai", "httpx2", "toktok", "pydantic", "sqlalchemy"}))
"""


def test_nothing_heavy_is_loaded_before_the_first_call() -> None:
    child = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert child.stdout.split() == []
