"""`pause` and `resume`."""

from batchor_cli.flattened import flattened
from batchor_cli.options import Place, RunChoice
from batchor_cli.terminal import print_document


@flattened
def pause(choice: RunChoice, place: Place) -> None:
    """Let a run make no step, in any process, until it is resumed. Batches at the provider go on there."""
    from batchor_cli.documents import summary_document
    from batchor_cli.session import open_session

    run_id = choice.required()
    with open_session(place) as session:
        run = session.runner.get_run(run_id)
        run.pause()
        print_document(summary_document(run.summary()))


@flattened
def resume(choice: RunChoice, place: Place) -> None:
    """Let a paused run go on; `batchor wait` then drives it."""
    from batchor_cli.documents import summary_document
    from batchor_cli.session import open_session

    run_id = choice.required()
    with open_session(place) as session:
        run = session.runner.get_run(run_id)
        run.resume()
        print_document(summary_document(run.summary()))
