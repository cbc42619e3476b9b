"""What many servers say, as one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from triton_deploy_core.ports.server import IndexEntry, ModelState, VersionStatistics

_MATTERS = {
    ModelState.LOADING: 0,
    ModelState.UNLOADING: 0,
    ModelState.UNAVAILABLE: 1,
    ModelState.UNKNOWN: 1,
    ModelState.READY: 2,
}


def merged_index(rows_by_url: Mapping[str, Sequence[IndexEntry]]) -> list[IndexEntry]:
    """Return a row for each name and version that any server has, by name and version.

    Of the servers' states it has the one that matters most: on its way, then not served, then
    served; where they differ, or their reasons do, the reason begins with the server's URL.
    """
    found: dict[tuple[str, int | None], dict[str, IndexEntry]] = {}
    for url, rows in rows_by_url.items():
        for row in rows:
            found.setdefault((row.name, row.version), {})[url] = row
    merged = [_merged_rows(found[key]) for key in found]
    return sorted(merged, key=lambda row: (row.name, row.version or 0))


def _merged_rows(rows: Mapping[str, IndexEntry]) -> IndexEntry:
    url, row = min(rows.items(), key=lambda item: _MATTERS[item[1].state])
    if row.reason and any(other != row for other in rows.values()):
        return replace(row, reason=f"{url}: {row.reason}")
    return row


def summed(statistics: Iterable[Sequence[VersionStatistics]]) -> list[VersionStatistics]:
    """Return the sums of servers' statistics for each version, ascending."""
    by_version: dict[int, list[VersionStatistics]] = {}
    for rows in statistics:
        for row in rows:
            by_version.setdefault(row.version, []).append(row)
    return [reduce(_sum, rows) for _, rows in sorted(by_version.items())]


def _sum(one: VersionStatistics, other: VersionStatistics) -> VersionStatistics:
    return VersionStatistics(
        name=one.name,
        version=one.version,
        inference_count=one.inference_count + other.inference_count,
        execution_count=one.execution_count + other.execution_count,
        success_count=one.success_count + other.success_count,
        fail_count=one.fail_count + other.fail_count,
        queue_ns=one.queue_ns + other.queue_ns,
        compute_ns=one.compute_ns + other.compute_ns,
    )
