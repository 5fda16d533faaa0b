"""The HTTP surface: OpenAI's routes, the control routes, errors in OpenAI's shape."""
