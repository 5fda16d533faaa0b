"""Puts the server together: stores, engine, routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from batchor_emulator.faults.active import ActiveFaults
from batchor_emulator.ledger import BATCHES_FOLDER
from batchor_emulator.settings import Settings
from batchor_emulator.state.batch_store import BatchStore
from batchor_emulator.state.file_store import FileStore
from batchor_emulator.state.private_files import lock_dir, make_private_dir
from batchor_emulator.web.api_error import ApiError, on_api_error, on_crash, on_http_error
from batchor_emulator.web.batches_api import BatchesApi
from batchor_emulator.web.control_api import ControlApi
from batchor_emulator.web.faults_api import FaultsApi
from batchor_emulator.web.files_api import FilesApi
from batchor_emulator.web.gate import Gate
from batchor_emulator.work.engine import Engine

FILES_FOLDER = "files"


def create_app(settings: Settings) -> Starlette:
    """The application over the state folder. Raises `StateDirError` when that can't be used.

    Its lifespan runs the engine, so unfinished batches go on when the server starts.
    """
    root = settings.state_dir
    make_private_dir(root)
    lock_dir(root)  # held until the process ends
    files = FileStore(root / FILES_FOLDER)
    batches = BatchStore(root / BATCHES_FOLDER)
    faults = ActiveFaults(settings.faults)
    engine = Engine(batches, files, root / BATCHES_FOLDER, settings, faults)
    gate = Gate(faults)
    files_api = FilesApi(files, settings.limits, faults)
    batches_api = BatchesApi(batches, files, engine, settings.timing, faults)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        engine.start()
        yield
        await engine.stop()

    return Starlette(
        routes=[
            *_api_routes(gate, files_api, batches_api),
            *_control_routes(ControlApi(root, gate, engine.tokens)),
            *_fault_routes(FaultsApi(faults, batches)),
        ],
        exception_handlers={ApiError: on_api_error, HTTPException: on_http_error, Exception: on_crash},
        lifespan=lifespan,
    )


def _api_routes(gate: Gate, files: FilesApi, batches: BatchesApi) -> list[Route]:
    # fmt: off
    table = (
        ("files.create",     "POST",   "/v1/files",                     files.create),
        ("files.list",       "GET",    "/v1/files",                     files.list),
        ("files.retrieve",   "GET",    "/v1/files/{file_id}",           files.retrieve),
        ("files.content",    "GET",    "/v1/files/{file_id}/content",   files.content),
        ("files.delete",     "DELETE", "/v1/files/{file_id}",           files.delete),
        ("batches.create",   "POST",   "/v1/batches",                   batches.create),
        ("batches.list",     "GET",    "/v1/batches",                   batches.list),
        ("batches.retrieve", "GET",    "/v1/batches/{batch_id}",        batches.retrieve),
        ("batches.cancel",   "POST",   "/v1/batches/{batch_id}/cancel", batches.cancel),
    )
    # fmt: on
    return [
        Route(path, gate.guard(operation, f"{method} {path}", handler), methods=[method])
        for operation, method, path, handler in table
    ]


def _control_routes(control: ControlApi) -> list[Route]:
    return [
        Route("/health", control.health),
        Route("/emulator/ledger", control.ledger),
        Route("/emulator/requests", control.requests),
        Route("/emulator/tokens", control.tokens),
    ]


def _fault_routes(faults: FaultsApi) -> list[Route]:
    return [
        Route("/emulator/faults", faults.show, methods=["GET"]),
        Route("/emulator/faults", faults.replace, methods=["PUT"]),
        Route("/emulator/faults", faults.clear, methods=["DELETE"]),
        Route("/emulator/faults/struck", faults.struck, methods=["GET"]),
        Route("/emulator/fault-presets", faults.presets, methods=["GET"]),
        Route("/emulator/foreign-batches", faults.add_foreign_batches, methods=["POST"]),
    ]
