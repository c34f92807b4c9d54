"""The limits of blocks that show data: tables, charts, plans. See ``blocks`` for the way in."""

from __future__ import annotations

from typing import Any

from sandbox.slack.block_parts import Problems, check_items, check_rich_text, check_string, problem

CELLS = {"raw_text", "raw_number", "rich_text"}
STATUSES = {"pending", "in_progress", "complete", "error"}


def check_table(block: dict[str, Any], pointer: str) -> Problems:
    """A ``table``: up to 100 rows of 20 cells, 10,000 characters."""
    yield from check_items(block, "rows", pointer, 100)
    yield from _check_rows(block, pointer)
    if _characters(block.get("rows")) > 10_000:  # noqa: PLR2004 Slack's limit
        yield problem("must be less than 10001 characters", f"{pointer}/rows")


def check_data_table(block: dict[str, Any], pointer: str) -> Problems:
    """A ``data_table``: a plain header row, up to 200 rows of equal length, 20,000 characters, a caption."""
    yield from check_string(block, "caption", pointer, 255, required=True)
    yield from check_items(block, "rows", pointer, 201, least=2)
    yield from _check_rows(block, pointer)
    rows = [row for row in block.get("rows") or [] if isinstance(row, list)]
    if len({len(row) for row in rows}) > 1:
        yield problem("every row must have the same number of cells", f"{pointer}/rows")
    for number, cell in enumerate(rows[0] if rows else []):
        if isinstance(cell, dict) and cell.get("type") == "rich_text":
            yield problem("rich_text is not allowed in the header row", f"{pointer}/rows/0/{number}")
    if not 1 <= block.get("page_size", 5) <= 100:  # noqa: PLR2004 Slack's limit
        yield problem("must be between 1 and 100", f"{pointer}/page_size")
    if _characters(rows) > 20_000:  # noqa: PLR2004 Slack's limit
        yield problem("must be less than 20001 characters", f"{pointer}/rows")


def _check_rows(block: dict[str, Any], pointer: str) -> Problems:
    for number, row in enumerate(block.get("rows") or []):
        where = f"{pointer}/rows/{number}"
        if not isinstance(row, list) or not 1 <= len(row) <= 20:  # noqa: PLR2004 Slack's limit
            yield problem("must provide an array of 1 to 20 cells", where)
            continue
        for index, cell in enumerate(row):
            yield from _check_cell(cell, f"{where}/{index}")


def _check_cell(cell: object, pointer: str) -> Problems:
    if not isinstance(cell, dict) or cell.get("type") not in CELLS:
        yield problem("must be raw_text, raw_number or rich_text", pointer)
    elif cell["type"] == "rich_text":
        yield from check_rich_text(cell, pointer)
    elif cell["type"] == "raw_text":
        yield from check_string(cell, "text", pointer, 3000, required=True)
    elif not isinstance(cell.get("value"), int | float):
        yield problem("must provide a number", f"{pointer}/value")


def _characters(rows: object) -> int:
    if isinstance(rows, dict):
        return sum(_characters(value) if key != "text" else len(str(value)) for key, value in rows.items())
    return sum(map(_characters, rows)) if isinstance(rows, list) else 0


def check_plan(block: dict[str, Any], pointer: str) -> Problems:
    """A ``plan``: a bare title and up to 50 tasks with ids of their own."""
    yield from check_string(block, "title", pointer, 255, required=True)
    yield from check_items(block, "tasks", pointer, 50)
    tasks = [task for task in block.get("tasks") or [] if isinstance(task, dict)]
    for number, task in enumerate(tasks):
        yield from _check_task(task, f"{pointer}/tasks/{number}", STATUSES)
    ids = [task.get("task_id") for task in tasks]
    if len(set(ids)) < len(ids):
        yield problem("task_id must be unique", f"{pointer}/tasks")


def check_task_card(block: dict[str, Any], pointer: str) -> Problems:
    """A ``task_card`` of its own; only inside a plan may it be pending."""
    yield from _check_task(block, pointer, STATUSES - {"pending"})


def _check_task(task: dict[str, Any], pointer: str, statuses: set[str]) -> Problems:
    yield from check_string(task, "task_id", pointer, 255, required=True)
    yield from check_string(task, "title", pointer, 255, required=True)
    if task.get("status") not in statuses:
        yield problem(f"must be one of {sorted(statuses)}", f"{pointer}/status")
    for key in ("details", "output"):
        if task.get(key) is not None:
            yield from check_rich_text(task[key], f"{pointer}/{key}")


def check_data_visualization(block: dict[str, Any], pointer: str) -> Problems:
    """A chart: a title, and either segments (pie) or series over categories (line, area, bar)."""
    yield from check_string(block, "title", pointer, 50, required=True)
    chart = block.get("chart")
    if not isinstance(chart, dict):
        yield problem("missing required field: chart", pointer)
    elif chart.get("type") in {"line", "area", "bar"}:
        yield from _check_series_chart(chart, f"{pointer}/chart")
    elif chart.get("type") == "pie":
        yield from check_items(chart, "segments", f"{pointer}/chart", 12)
    else:
        yield problem(f"unsupported type: {chart.get('type')}", f"{pointer}/chart/type")


def _check_series_chart(chart: dict[str, Any], pointer: str) -> Problems:
    yield from check_items(chart, "series", pointer, 12)
    axis = chart.get("axis_config")
    if not isinstance(axis, dict):
        yield problem("missing required field: axis_config", pointer)
        return
    yield from check_items(axis, "categories", f"{pointer}/axis_config", 20)
    yield from check_string(axis, "x_label", f"{pointer}/axis_config", 50)
    yield from check_string(axis, "y_label", f"{pointer}/axis_config", 50)
    categories = [str(category) for category in axis.get("categories") or []]
    for number, category in enumerate(categories):
        if not 1 <= len(category) <= 20:  # noqa: PLR2004 Slack's limit
            yield problem("must be less than 21 characters", f"{pointer}/axis_config/categories/{number}")
    names = [series.get("name") for series in chart.get("series") or []]
    if len(set(names)) < len(names):
        yield problem("series names must be unique", f"{pointer}/series")
    for number, series in enumerate(chart.get("series") or []):
        yield from _check_series(series, f"{pointer}/series/{number}", categories)


def _check_series(series: dict[str, Any], pointer: str, categories: list[str]) -> Problems:
    yield from check_string(series, "name", pointer, 20, required=True)
    data = series.get("data")
    points = [point for point in data if isinstance(point, dict)] if isinstance(data, list) else []
    if sorted(str(point.get("label")) for point in points) != sorted(categories):
        yield problem("must have exactly one data point for every category", f"{pointer}/data")
    for number, point in enumerate(points):
        value = point.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield problem("must provide a number", f"{pointer}/data/{number}/value")
