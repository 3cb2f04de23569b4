"""Reads what a collector was sent, with the types that OpenTelemetry generates for Python.

One request in base64 a line; answers with a line of JSON for each of its spans.
"""

import base64
import json
import sys

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def values(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def unknown(message):
    """Fields that the generated types do not know; there must be none."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    return len(UnknownFieldSet(message))


for line in sys.stdin:
    request = ExportTraceServiceRequest.FromString(base64.b64decode(line))
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                strange = sum(map(unknown, (request, group, group.resource, scope, span)))
                print(
                    json.dumps(
                        {
                            "service": values(group.resource.attributes),
                            "scope": scope.scope.name,
                            "trace": span.trace_id.hex(),
                            "span": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "name": span.name,
                            "kind": Span.SpanKind.Name(span.kind),
                            "began": span.start_time_unix_nano,
                            "took": span.end_time_unix_nano - span.start_time_unix_nano,
                            "values": values(span.attributes),
                            "links": [link.trace_id.hex() for link in span.links],
                            "failure": span.status.message
                            if span.status.code == Status.STATUS_CODE_ERROR
                            else None,
                            "flags": span.flags,
                            "unknown": strange,
                        }
                    )
                )
