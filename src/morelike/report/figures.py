"""The charts of the page, as plotly figures in HTML. Names are escaped, as plotly would take them for HTML."""

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

ARM_NAMES = {
    "real": "real",
    "real+plain": "real + plain",
    "real+classical": "real + classical",
    "real+classical+synthetic": "real + classical + synthetic",
    "real as a folder": "real, as a folder",
    "all as a folder": "all, as a folder",
    "synthetic": "synthetic only",
}
INK, ACCENT, SECOND, FAINT = "#8a8f98", "#2a9d8f", "#d08c2f", "rgba(138,143,152,0.25)"
CONFIG = {"displayModeBar": False, "responsive": True}
ROW_PX, BASE_PX = 26, 90


def script() -> str:
    """Return plotly's JavaScript, to be inlined once."""
    return get_plotlyjs()


def arm_name(arm: str) -> str:
    """Return a training set in words."""
    return ARM_NAMES.get(arm, arm)


def forest(summary: dict) -> str:
    """Chart the balanced accuracy of each training set with its confidence interval."""
    arms = {arm: figures["balanced_accuracy"] for arm, figures in summary["arms"].items()}
    names = [arm_name(arm) for arm in arms]
    colours = [ACCENT if arm == summary["roles"]["candidate"] else INK for arm in arms]
    figure = go.Figure(_dots(list(arms.values()), names, "balanced accuracy", colours))
    return _finished(figure, "forest", len(arms), "balanced accuracy on the test split", ".0%")


def differences(summary: dict) -> str:
    """Chart the paired differences with their confidence intervals, a line at zero, and the margin as a band."""
    pairs = summary["differences"]
    names = [f"{arm_name(pair['candidate'])} − {arm_name(pair['baseline'])}" for pair in pairs]
    intervals = [pair["balanced_accuracy"] for pair in pairs]
    colours = [ACCENT] + [INK] * (len(pairs) - 1)
    figure = go.Figure(_dots(intervals, names, "difference", colours))
    figure.add_vrect(-summary["margin"], summary["margin"], fillcolor=FAINT, line_width=0, layer="below")
    figure.add_vline(x=0, line={"color": INK, "width": 1.5})
    figure.update_xaxes(rangemode="tozero")
    return _finished(figure, "differences", len(pairs), "paired difference in balanced accuracy", "+.1%")


def class_recalls(summary: dict) -> str:
    """Chart the recall of each class without and with the synthetic images; rare and unlearnt classes are marked."""
    first = summary["differences"][0]
    figure = go.Figure()
    for arm, colour, offset in ((first["baseline"], INK, -0.15), (first["candidate"], ACCENT, 0.15)):
        tested = {k: v for k, v in summary["arms"][arm]["recall"].items() if v}
        places = [place + offset for place in range(len(tested))]
        figure.add_trace(_dots(list(tested.values()), places, arm_name(arm), colour))
    marks = dict.fromkeys(summary["rare_classes"], " (rare)")
    marks |= dict.fromkeys(summary["classes_not_in_train"], " (not in train)")
    names = [_text(k) + marks.get(k, "") for k in tested]
    figure.update_yaxes(tickvals=list(range(len(tested))), ticktext=names)
    return _finished(figure, "recalls", len(tested) * 1.2, "recall on the test split", ".0%", legend=True)


def counts(table: pd.DataFrame) -> str:
    """Chart the train images per class; ``table`` has the label as index and the columns real and synthetic."""
    figure = go.Figure()
    for column, colour in (("real", INK), ("synthetic", ACCENT)):
        bar = {"orientation": "h", "name": column, "marker": {"color": colour}}
        figure.add_bar(x=table[column], y=[_text(k) for k in table.index], **bar)
    figure.update_layout(barmode="stack")
    return _finished(figure, "counts", len(table), "train images", ",d", legend=True)


def learning_curves(model: str, history: pd.DataFrame) -> str:
    """Chart a model's losses over the images seen; a click on the legend shows further terms of the loss."""
    figure = go.Figure()
    for column in [name for name in history if name.startswith(("train_", "val_"))]:
        main = column in ("train_loss", "val_loss")
        line = {"color": ACCENT if column.startswith("val_") else SECOND, "width": 2 if main else 1}
        line |= {"dash": "solid" if main else "dot"}
        shown = True if main else "legendonly"
        figure.add_scatter(x=history["images"], y=history[column], name=_text(column), line=line, visible=shown)
    figure.update_xaxes(title="images seen")
    return _styled(figure, f"curves-{model}", 320, legend=True)


def _dots(intervals: list[dict], places: list, name: str, colour: str | list[str]) -> go.Scatter:
    mean = np.array([i["mean"] for i in intervals])
    low, high = (np.array([i[end] for i in intervals]) for end in ("low", "high"))
    error = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low, "thickness": 1.5}
    return go.Scatter(
        x=mean,
        y=places,
        name=_text(name),
        mode="markers",
        marker={"size": 9, "color": colour},
        error_x=error | {"color": INK if isinstance(colour, list) else colour},
        customdata=np.stack([low, high], 1),
        hovertemplate="%{x:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})<extra></extra>",
    )


def _finished(figure: go.Figure, name: str, rows: float, title: str, ticks: str, legend: bool = False) -> str:
    figure.update_xaxes(title=title, tickformat=ticks)
    figure.update_yaxes(autorange="reversed", automargin=True)
    return _styled(figure, name, int(BASE_PX + ROW_PX * rows + 30 * legend), legend)


def _styled(figure: go.Figure, name: str, height_px: int, legend: bool) -> str:
    figure.update_layout(
        height=height_px,
        margin={"l": 10, "r": 20, "t": 10, "b": 45},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "inherit", "size": 13},
        showlegend=legend,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(gridcolor=FAINT, zeroline=False, automargin=True, title_font_size=13)
    figure.update_yaxes(gridcolor=FAINT, zeroline=False, automargin=True)
    return figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, div_id=f"chart-{name}")


def _text(name: object) -> str:
    return html.escape(str(name))
