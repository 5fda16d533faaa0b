# The project's chores. Run them as `uv run just NAME`; plain `uv run just` lists them.

_list:
    @just --list --unsorted

# Everything that must be green: format, lint, types, import contracts, docs, tests (the core's also alone)
check: format-check lint types imports docs test-core-alone test

# Rewrite the sources in the one format
format:
    ruff format
    ruff check --fix-only --exit-zero

format-check:
    ruff format --check

lint:
    ruff check

types:
    ty check
    mypy

# Who may import whom
imports:
    lint-imports

# Build the documentation; a broken link or reference fails
docs:
    NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

# Run the tests, all or those that are named
test *ARGS:
    pytest -n 2 --dist worksteal {{ ARGS }}

# Kill real processes for as long as it takes: `just soak 5000`
soak KILLS='2000':
    BATCHOR_SOAK=1 BATCHOR_SOAK_KILLS={{ KILLS }} pytest -n 2 --timeout 7200 -rP tests/crash tests/end_to_end/test_random_kills.py

# Measure batchor beside a pipeline without features: `just bench --help`
bench *ARGS:
    python -m benchmarks {{ ARGS }}

# The core's tests with nothing but batchor-core and pytest installed
test-core-alone:
    uv run --isolated --exact --no-dev --package batchor-core --with 'pytest>=9' \
        pytest -c packages/batchor-core/pytest.ini packages/batchor-core/tests

# Build all wheels into dist/
wheels:
    uv build --all-packages --wheel --out-dir dist
