"""CPU µs a row over the number of rows, drawn."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figures


def draw(figures: Sequence[Figures], path: Path) -> None:
    """One panel for texts and one for structured answers; a line for each case."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # The same figures give the same file.
    mpl.rcParams["svg.hashsalt"] = "batchor"
    kinds = list(dict.fromkeys(each.case.kind for each in figures))
    drawing, panels = plt.subplots(1, len(kinds), figsize=(5 * len(kinds), 3.6), sharey=True, squeeze=False)
    for panel, kind in zip(panels[0], kinds, strict=True):
        of_kind = [each for each in figures if each.case.kind == kind]
        for name in dict.fromkeys(each.case.name for each in of_kind):
            line = [each for each in of_kind if each.case.name == name]
            panel.plot([each.rows for each in line], [each.total_us for each in line], marker="o", label=name)
        panel.set(title=kind, xscale="log", xlabel="rows")
        panel.grid(visible=True, alpha=0.3)
    # Shared by all panels, and set once all lines are known.
    panels[0][0].set_ylim(0, 1.05 * max(each.total_us for each in figures))
    panels[0][0].set_ylabel("CPU µs a row")
    panels[0][0].legend(fontsize="small")
    drawing.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, metadata={"Date": None})
