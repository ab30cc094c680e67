"""Whether telemetry is exported: OpenTelemetry's own variables decide, and without one of them nothing is imported."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from reconciler.runtime.tracing_otel import Otel

log = logging.getLogger("reconciler.runtime")
NOT_INSTALLED = "OTEL_* asks for telemetry, and nothing is exported: this installation lacks %s (pip install 'config-reconciler[otel]')"
_PREFIX = "OTEL_EXPORTER_OTLP"
_PROTOCOL = "http/protobuf"


class Signals(NamedTuple):
    """What is exported, and whether `traceparent` is taken and passed on."""

    traces: bool
    metrics: bool
    propagates: bool


def signals_of(environment: Mapping[str, str]) -> Signals | None:
    """Return the signals that the environment asks for, None for none. What can't be exported is left out with a warning.

    A signal is exported by OTLP where an endpoint is named for it, or its exporter is `otlp`. Source: OpenTelemetry's
    specification of environment variables, 1.55.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    traces, metrics = (_is_on(environment, signal) for signal in ("TRACES", "METRICS"))
    if not traces and not metrics:
        return None
    propagators = environment.get("OTEL_PROPAGATORS") or "tracecontext"
    return Signals(traces, metrics, "tracecontext" in {one.strip() for one in propagators.split(",")})


def _is_on(environment: Mapping[str, str], signal: Literal["TRACES", "METRICS"]) -> bool:
    exporters = environment.get(f"OTEL_{signal}_EXPORTER", "").strip()
    if exporters:
        is_on = "otlp" in {one.strip() for one in exporters.split(",")}
        if not is_on and exporters != "none":
            log.warning("OTEL_%s_EXPORTER names no exporter that is known here, which is otlp", signal)
    else:
        is_on = any(environment.get(name) for name in (f"{_PREFIX}_ENDPOINT", f"{_PREFIX}_{signal}_ENDPOINT"))
    if not is_on:
        return False
    protocol = environment.get(f"{_PREFIX}_{signal}_PROTOCOL") or environment.get(f"{_PREFIX}_PROTOCOL") or _PROTOCOL
    if protocol.strip() != _PROTOCOL:
        log.warning("%s are not exported: OTLP is spoken as %s alone", signal.lower(), _PROTOCOL)
        return False
    return True


def started(environment: Mapping[str, str]) -> Otel | None:
    """Start what exports; return None where nothing is asked for, or it can't be had: no telemetry is no reason not to serve."""
    signals = signals_of(environment)
    if signals is None:
        return None
    try:
        from reconciler.runtime.tracing_otel import Otel
    except ModuleNotFoundError as error:
        log.warning(NOT_INSTALLED, error.name)
        return None
    try:
        return Otel(signals)
    except (ValueError, OSError) as error:
        log.warning("OTEL_* can't be used, and nothing is exported: %s", error)
        return None
