import io
import time

from openai import OpenAI

from batchor_core import PromptParts
from batchor_emulator import EmulatorProcess
from batchor_openai import OpenAIBatchProvider, OpenAIProviderConfig


def test_files_get_the_expiry_that_was_asked_for() -> None:
    with EmulatorProcess() as emulator:
        config = OpenAIProviderConfig(
            model="gpt-4.1", api_key="test", base_url=emulator.base_url, files_expire_after_s=7_200
        )
        provider = OpenAIBatchProvider.connect(config)
        line = provider.codec(None).encode("a-0", PromptParts("x"))
        batch = provider.client.create(
            input_file_id=provider.client.upload(io.BytesIO(line), name="a.jsonl"), metadata={}
        )
        while not batch.ended:
            time.sleep(0.05)
            batch = provider.client.get(batch.provider_batch_id)
        with OpenAI(api_key="test", base_url=emulator.base_url) as sdk:
            files = [sdk.files.retrieve(str(file_id)) for file_id in (batch.input_file_id, batch.output_file_id)]
        provider.close()
    assert [int(file.expires_at or 0) - file.created_at for file in files] == [7_200, 7_200]
