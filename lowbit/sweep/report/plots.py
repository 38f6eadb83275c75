"""The plots of the page, with plotly: hovering over a point tells the trial."""

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lowbit.sweep.report.panels import HeatMap, Scatter
from lowbit.sweep.report.rows import Group

LAYOUT = {
    "template": "plotly_white",
    "margin": {"l": 60, "r": 20, "t": 20, "b": 60},
    "legend": {"orientation": "h", "y": -0.22},
    "height": 460,
}


def library() -> str:
    """All of plotly.js: the page opens without a network."""
    return get_plotlyjs()


def scatter(panel: Scatter) -> str:
    figure = go.Figure(layout=LAYOUT)
    figure.add_scatter(
        x=[panel.x(p).value for p in panel.best],
        y=[100 * p.accuracy.value for p in panel.best],
        mode="lines",
        name="Pareto front",
        line={"color": "#aaa", "shape": "hv"},
        hoverinfo="skip",
    )
    for model in dict.fromkeys(p.model for p in panel.points):
        add_points(figure, panel, [p for p in panel.points if p.model == model], model)
    figure.update_xaxes(type="log", title=panel.label)
    figure.update_yaxes(title="test accuracy, %")
    return drawn(figure, panel.name)


def add_points(figure: go.Figure, panel: Scatter, points: list[Group], name: str) -> None:
    figure.add_scatter(
        x=[panel.x(p).value for p in points],
        y=[100 * p.accuracy.value for p in points],
        error_x={"array": [panel.x(p).spread or 0 for p in points]},
        error_y={"array": [100 * (p.accuracy.spread or 0) for p in points]},
        mode="markers+text",
        text=[p.scheme if p in panel.best else "" for p in points],
        textposition="top center",
        customdata=[hover(p) for p in points],
        hovertemplate="%{customdata}<extra></extra>",
        marker={"size": 9},
        name=name,
    )


def hover(p: Group) -> str:
    return "<br>".join(
        [
            f"<b>{p.scheme}</b> {p.model}",
            f"accuracy {p.accuracy:.2%}, seeds: {p.seeds}",
            f"{p.bytes.value:,.0f} bytes",
            f"{p.ms.value:.4f} ms an image, {p.batch} at a time",
            f"torch, float: {p.torch_ms.value:.4f} ms",
            f"equal to torch: {p.equal:.2%} of the images",
        ]
    )


def heat_map(panel: HeatMap) -> str:
    figure = go.Figure(layout=LAYOUT)
    figure.add_heatmap(
        z=panel.cells,
        x=panel.columns,
        y=panel.rows,
        texttemplate="%{z:.1f}",
        colorscale="Viridis",
        hovertemplate=f"{panel.row_label} %{{y}}, {panel.column_label} %{{x}}: %{{z:.2f}} %"
        "<extra></extra>",
    )
    figure.update_xaxes(title=panel.column_label, type="category")
    figure.update_yaxes(title=panel.row_label, type="category", autorange="reversed")
    return drawn(figure, panel.name)


def drawn(figure: go.Figure, name: str) -> str:
    return figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"responsive": True, "displayModeBar": False},
    )
