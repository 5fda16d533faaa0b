"""The OpenAI Batch API as a provider of batchor."""
