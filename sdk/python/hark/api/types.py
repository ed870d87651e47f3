"""Made by make_api.py from the server's own document: not edited by hand."""

from typing import Any, Dict, List, Union
import sys

if sys.version_info >= (3, 11):
    from typing import Literal, NotRequired, TypedDict
else:
    # Older ones know no fields that may be absent: there none may, and only tools notice.
    from typing import Literal, TypedDict

    class NotRequired:
        def __class_getitem__(cls, item: Any) -> Any:
            return item


Ack = TypedDict(
    "Ack",
    {
        "by": str,
        "comment": str,
        "sticky": bool,
        "until_unix_s": Union[int, None],
    },
)

AckRequest = TypedDict(
    "AckRequest",
    {
        "comment": str,
        "sticky": NotRequired[bool],
        "until_at": NotRequired[Union["Timestamp", None]],
    },
)

Across = TypedDict(
    "Across",
    {
        "items": List["HostSeries"],
        "more": int,
    },
)

Actions = TypedDict(
    "Actions",
    {
        "offered": List[str],
        "orders": List["Order"],
    },
)

Active = TypedDict(
    "Active",
    {
        "changes_at": Union["Timestamp", None],
        "now": bool,
        "window": str,
    },
)

Activity = TypedDict(
    "Activity",
    {
        "at_unix_s": int,
        "check": Union[str, None],
        "host": Union[str, None],
        "incident": Union[int, None],
        "kind": "Kind",
        "message_state": Union["DeliveryState", None],
        "state": Union["State", None],
        "text": str,
    },
)

Again = TypedDict(
    "Again",
    {
        "from_at": "Timestamp",
        "repeats": "Repeats",
        "until_at": Union["Timestamp", None],
    },
)

Agent = TypedDict(
    "Agent",
    {
        "address": Union[str, None],
        "clock_skew_seconds": Union[float, None],
        "duplicates": int,
        "host": str,
        "last_seen_at": Union["Timestamp", None],
        "loss_ratio": Union[float, None],
        "mode": "AgentMode",
        "rtt_seconds": Union[float, None],
        "version": str,
    },
)

AgentNews = TypedDict(
    "AgentNews",
    {
        "config_revision": int,
        "order": int,
    },
)

AgentReport = TypedDict(
    "AgentReport",
    {
        "backlog": NotRequired[List["ReportedSample"]],
        "epoch": NotRequired[int],
        "interval_seconds": NotRequired[float],
        "items": NotRequired[List["ReportedItem"]],
        "round_trip_seconds": NotRequired[Union[float, None]],
        "samples": NotRequired[List["ReportedSample"]],
        "sent_at_unix_s": float,
        "sets": NotRequired[List[List["ReportedSeries"]]],
    },
)

Alert = TypedDict(
    "Alert",
    {
        "acknowledged": bool,
        "check": str,
        "host": str,
        "since_at": Union["Timestamp", None],
        "status": "Status",
        "text": str,
        "value": Union[float, None],
    },
)

Alerts = TypedDict(
    "Alerts",
    {
        "alerts": List["Alert"],
    },
)

AuditChain = TypedDict(
    "AuditChain",
    {
        "broken_at": Union[int, None],
        "lines": int,
        "newest": str,
    },
)

AuditLine = TypedDict(
    "AuditLine",
    {
        "address": str,
        "at": "Timestamp",
        "detail": str,
        "what": str,
        "who": str,
    },
)

Backup = TypedDict(
    "Backup",
    {
        "bytes": int,
        "damage": str,
        "name": str,
        "path": str,
        "taken_at": "Timestamp",
        "version": str,
        "with_history": bool,
    },
)

BroughtEvent = TypedDict(
    "BroughtEvent",
    {
        "at_unix_s": float,
        "data": NotRequired[Any],
        "hops": List[str],
        "host": str,
        "kind": str,
        "severity": str,
        "tags": NotRequired[List[str]],
        "text": str,
        "uid": str,
    },
)

Browser = TypedDict(
    "Browser",
    {
        "created_at": "Timestamp",
        "digest": str,
        "id": int,
        "name": str,
        "service": str,
    },
)

Browsers = TypedDict(
    "Browsers",
    {
        "browsers": List["Browser"],
        "key": str,
        "receivers": List[str],
    },
)

BulkRequest = TypedDict(
    "BulkRequest",
    {
        "do": "Bulk",
        "hosts": NotRequired[Union["HostChoice", None]],
        "incidents": NotRequired[Union["IncidentChoice", None]],
    },
)

CauseRequest = TypedDict(
    "CauseRequest",
    {
        "cause": Union[int, None],
    },
)

Check = TypedDict(
    "Check",
    {
        "active": NotRequired[Union["Active", None]],
        "changed_at": Union["Timestamp", None],
        "description": NotRequired[Union[str, None]],
        "flapping": bool,
        "fresh": "Fresh",
        "further_lines": NotRequired[str],
        "hard": "Status",
        "hidden": NotRequired[bool],
        "incident": Union[int, None],
        "is_looked_at": NotRequired[bool],
        "limits": "Limits",
        "name": str,
        "rule": str,
        "seen_at": Union["Timestamp", None],
        "sites": NotRequired[List["SiteSays"]],
        "soft": Union["Soft", None],
        "status": "Status",
        "text": str,
        "unit": str,
        "value": Union[float, None],
    },
)

CheckRow = TypedDict(
    "CheckRow",
    {
        "changed_at": Union["Timestamp", None],
        "check": str,
        "host": str,
        "incident": Union[int, None],
        "seen_at": Union["Timestamp", None],
        "status": "Status",
        "text": str,
        "unit": str,
        "value": Union[float, None],
    },
)

CheckSummary = TypedDict(
    "CheckSummary",
    {
        "changed_at": Union["Timestamp", None],
        "check": str,
        "critical": int,
        "description": Union[str, None],
        "host": Union[str, None],
        "hosts": int,
        "interval_seconds": Union[float, None],
        "kinds": NotRequired[List[str]],
        "ok": int,
        "p95_seconds": Union[float, None],
        "pending": int,
        "unknown": int,
        "warning": int,
    },
)

Comment = TypedDict(
    "Comment",
    {
        "at": "Timestamp",
        "by": str,
        "text": str,
    },
)

CommentRequest = TypedDict(
    "CommentRequest",
    {
        "text": str,
    },
)

ConfigCandidate = TypedDict(
    "ConfigCandidate",
    {
        "before": NotRequired[str],
        "name": str,
        "section": str,
        "value": NotRequired[Any],
    },
)

ConfigKept = TypedDict(
    "ConfigKept",
    {
        "number": int,
        "object": Union["ConfigObject", None],
        "warnings": List["ConfigMistake"],
    },
)

ConfigMistake = TypedDict(
    "ConfigMistake",
    {
        "elsewhere": Union["Declared", None],
        "hint": Union[str, None],
        "is_warning": bool,
        "message": str,
        "path": List[str],
        "suggestion": Union[str, None],
    },
)

ConfigObject = TypedDict(
    "ConfigObject",
    {
        "declared": Union["Declared", None],
        "name": str,
        "section": str,
        "summary": str,
        "value": Any,
        "version": Union[str, None],
        "yaml": str,
    },
)

ConfigObjectRow = TypedDict(
    "ConfigObjectRow",
    {
        "declared": Union["Declared", None],
        "name": str,
        "section": str,
        "summary": str,
        "version": Union[str, None],
    },
)

ConfigOrder = TypedDict(
    "ConfigOrder",
    {
        "before": NotRequired[str],
        "value": Any,
    },
)

ConfigSection = TypedDict(
    "ConfigSection",
    {
        "can_test": bool,
        "help": str,
        "name": str,
        "schema": Any,
        "shape": "ConfigShape",
    },
)

ConfigTested = TypedDict(
    "ConfigTested",
    {
        "limits": Union["LimitsTried", None],
        "lines": List[str],
        "ok": bool,
        "took_seconds": float,
    },
)

ConfigVerdict = TypedDict(
    "ConfigVerdict",
    {
        "diff": List["DiffLine"],
        "mistakes": List["ConfigMistake"],
        "ok": bool,
        "yaml": str,
    },
)

ConfigVersion = TypedDict(
    "ConfigVersion",
    {
        "at": "Timestamp",
        "by": Union[str, None],
        "is_current": bool,
        "number": int,
        "what": str,
    },
)

ConfigVersionDetail = TypedDict(
    "ConfigVersionDetail",
    {
        "at": "Timestamp",
        "back": List["DiffLine"],
        "by": Union[str, None],
        "diff": List["DiffLine"],
        "is_current": bool,
        "number": int,
        "what": str,
    },
)

Confirmation = TypedDict(
    "Confirmation",
    {
        "password": str,
    },
)

Content = TypedDict(
    "Content",
    {
        "description": NotRequired[str],
        "panels": NotRequired[List["Panel"]],
        "range": NotRequired[str],
        "shared": NotRequired["Shared"],
        "title": str,
        "variables": NotRequired["Variables"],
    },
)

Counts = TypedDict(
    "Counts",
    {
        "crit": int,
        "mnt": int,
        "ok": int,
        "pending": int,
        "quiet_revision": NotRequired[int],
        "silenced": NotRequired[int],
        "silenced_incidents": NotRequired[int],
        "unheard": NotRequired[int],
        "unk": int,
        "warn": int,
    },
)

CoveredIncident = TypedDict(
    "CoveredIncident",
    {
        "check": str,
        "host": str,
        "id": int,
        "state": "State",
    },
)

Dashboard = TypedDict(
    "Dashboard",
    {
        "content": "Content",
        "id": int,
        "may_change": bool,
        "owner": str,
        "updated_at": "Timestamp",
        "version": int,
    },
)

DashboardChange = TypedDict(
    "DashboardChange",
    {
        "content": "Content",
        "version": Union[int, None],
    },
)

DashboardImport = TypedDict(
    "DashboardImport",
    {
        "grafana": Any,
    },
)

DashboardImported = TypedDict(
    "DashboardImported",
    {
        "content": "Content",
        "left_out": List[str],
    },
)

DashboardRow = TypedDict(
    "DashboardRow",
    {
        "description": str,
        "id": int,
        "may_change": bool,
        "owner": str,
        "panels": int,
        "shared": "Shared",
        "title": str,
        "updated_at": "Timestamp",
        "version": int,
    },
)

Declared = TypedDict(
    "Declared",
    {
        "file": str,
        "line": int,
    },
)

Delivery = TypedDict(
    "Delivery",
    {
        "at": "Timestamp",
        "attempts": int,
        "check": Union[str, None],
        "error": str,
        "host": str,
        "id": int,
        "incident": Union[int, None],
        "next_try_at": Union["Timestamp", None],
        "reason": str,
        "receiver": str,
        "sent_at": Union["Timestamp", None],
        "state": "DeliveryState",
        "summary": str,
        "took_ms": int,
        "type": str,
    },
)

DeliveryDetail = TypedDict(
    "DeliveryDetail",
    {
        "at": "Timestamp",
        "attempts": int,
        "check": Union[str, None],
        "error": str,
        "exchanges_hidden": bool,
        "host": str,
        "id": int,
        "incident": Union[int, None],
        "next_try_at": Union["Timestamp", None],
        "reason": str,
        "receiver": str,
        "sent_at": Union["Timestamp", None],
        "state": "DeliveryState",
        "summary": str,
        "took_ms": int,
        "tries": List["Try"],
        "type": str,
        "waits": bool,
    },
)

Derived = TypedDict(
    "Derived",
    {
        "band": List["DrawnBand"],
        "line": List["DrawnPoint"],
        "missing_from_unix_s": Union[int, None],
        "reached_at_unix_s": Union[int, None],
        "series": str,
        "text": str,
    },
)

DiffLine = TypedDict(
    "DiffLine",
    {
        "kind": "DiffKind",
        "text": str,
    },
)

Dns = TypedDict(
    "Dns",
    {
        "names": List["DnsName"],
        "zones": List["DnsZone"],
    },
)

DnsName = TypedDict(
    "DnsName",
    {
        "error": Union[str, None],
        "host": str,
        "name": str,
        "next_try_at": Union["Timestamp", None],
        "published": List[str],
        "state": str,
        "verified_at": Union["Timestamp", None],
        "wanted": List[str],
        "zone": str,
    },
)

DnsOrdered = TypedDict(
    "DnsOrdered",
    {
        "names": List[str],
    },
)

DnsZone = TypedDict(
    "DnsZone",
    {
        "attempts": int,
        "error": Union[str, None],
        "names": int,
        "stopped": bool,
        "target": str,
        "way": str,
        "zone": str,
    },
)

DrawnBand = TypedDict(
    "DrawnBand",
    {
        "at_unix_s": int,
        "high": float,
        "low": float,
    },
)

DrawnPoint = TypedDict(
    "DrawnPoint",
    {
        "at_unix_s": int,
        "value": float,
    },
)

DroppedHost = TypedDict(
    "DroppedHost",
    {
        "by": str,
        "dropped_at": "Timestamp",
        "is_back": bool,
        "name": str,
        "until_at": "Timestamp",
    },
)

Earlier = TypedDict(
    "Earlier",
    {
        "duration_seconds": Union[float, None],
        "id": int,
        "resolution": str,
        "since_at": "Timestamp",
    },
)

EnrolRequest = TypedDict(
    "EnrolRequest",
    {
        "host": NotRequired[Union[str, None]],
        "tags": NotRequired[List[str]],
        "uses": NotRequired[Union[int, None]],
        "valid_seconds": NotRequired[Union[int, None]],
    },
)

Enrolment = TypedDict(
    "Enrolment",
    {
        "by": str,
        "created_at": "Timestamp",
        "expires_at": "Timestamp",
        "host": Union[str, None],
        "id": str,
        "tags": List[str],
        "uses_left": int,
    },
)

ErasePlan = TypedDict(
    "ErasePlan",
    {
        "before": "Timestamp",
        "bytes": int,
        "host": str,
        "rows": int,
        "samples": int,
        "series": int,
    },
)

EraseRequest = TypedDict(
    "EraseRequest",
    {
        "before": NotRequired[Union["Timestamp", None]],
        "dry_run": NotRequired[bool],
        "host": str,
        "metric": NotRequired[Union[str, None]],
    },
)

EventsBrought = TypedDict(
    "EventsBrought",
    {
        "events": List["BroughtEvent"],
    },
)

EventsTaken = TypedDict(
    "EventsTaken",
    {
        "node": str,
        "refused": int,
        "takes": NotRequired[List[str]],
    },
)

Exchange = TypedDict(
    "Exchange",
    {
        "answer": str,
        "asked": str,
        "body": str,
        "body_bytes": int,
        "headers": List["ExchangeHeader"],
        "status": str,
        "took_ms": int,
    },
)

ExchangeHeader = TypedDict(
    "ExchangeHeader",
    {
        "name": str,
        "value": str,
    },
)

ExplainLine = TypedDict(
    "ExplainLine",
    {
        "at": "Timestamp",
        "block": Union[str, None],
        "decision": "Decision",
        "message": Union[int, None],
        "message_state": Union["DeliveryState", None],
        "present": NotRequired[bool],
        "receiver": Union[str, None],
        "text": str,
    },
)

Explanation = TypedDict(
    "Explanation",
    {
        "derived": Union[str, None],
        "lines": List["ExplainLine"],
        "repair": Union[str, None],
    },
)

Export = TypedDict(
    "Export",
    {
        "bytes": int,
        "made_at": "Timestamp",
        "name": str,
    },
)

ExportRequest = TypedDict(
    "ExportRequest",
    {
        "format": NotRequired["ExportFormat"],
        "from": NotRequired[Union["Timestamp", None]],
        "hosts": NotRequired[List[str]],
        "metrics": NotRequired[List[str]],
        "to": NotRequired[Union["Timestamp", None]],
    },
)

FieldError = TypedDict(
    "FieldError",
    {
        "detail": str,
        "field": str,
    },
)

Fleet = TypedDict(
    "Fleet",
    {
        "address": List[Union[str, None]],
        "at_unix_s": int,
        "cpu": List[Union[float, None]],
        "disk": List[Union[float, None]],
        "etag": str,
        "id": List[int],
        "last_heard_unix_s": List[Union[int, None]],
        "mem": List[Union[float, None]],
        "name": List[str],
        "os": List[str],
        "since_unix_s": List[int],
        "site": List[int],
        "sites": List[str],
        "state": str,
        "strip": List[str],
        "tags": List[List[str]],
        "text": List[str],
        "uptime_s": List[Union[float, None]],
    },
)

Frame = TypedDict(
    "Frame",
    {
        "at_unix_s": int,
        "counts": NotRequired[Union["Counts", None]],
        "deliveries": NotRequired[Union[List["Delivery"], None]],
        "enrol": NotRequired[Union[List["JoinSeen"], None]],
        "events": NotRequired[Union[List["Activity"], None]],
        "happened": NotRequired[Union[List["Happened"], None]],
        "host": NotRequired[Union[Dict[str, "HostChange"], None]],
        "me": NotRequired[Union["Me", None]],
        "problems": NotRequired[Union["ProblemChange", None]],
        "rows": NotRequired[Union["Rows", None]],
        "self": NotRequired[Union["Server", None]],
        "seq": int,
        "snapshot": NotRequired[bool],
    },
)

GivenConfiguration = TypedDict(
    "GivenConfiguration",
    {
        "revision": int,
        "text": str,
    },
)

GivenOrder = TypedDict(
    "GivenOrder",
    {
        "number": int,
        "text": str,
    },
)

HandleRequest = TypedDict(
    "HandleRequest",
    {
        "comment": NotRequired[str],
        "for_seconds": NotRequired[Union[int, None]],
        "from": NotRequired[str],
        "sticky": NotRequired[bool],
        "token": str,
        "way": NotRequired["Way"],
    },
)

Handled = TypedDict(
    "Handled",
    {
        "by": str,
        "check": str,
        "done": bool,
        "host": str,
        "incident": int,
        "refused": NotRequired[bool],
        "text": str,
    },
)

Happened = TypedDict(
    "Happened",
    {
        "at_unix_s": float,
        "count": int,
        "data": NotRequired[Any],
        "hops": List[str],
        "host": str,
        "kind": str,
        "severity": str,
        "tags": List[str],
        "text": str,
        "uid": str,
    },
)

Held = TypedDict(
    "Held",
    {
        "from_at": "Timestamp",
        "until_at": "Timestamp",
    },
)

Hello = TypedDict(
    "Hello",
    {
        "at_unix_s": int,
        "seq": int,
        "version": str,
    },
)

HistoryReport = TypedDict(
    "HistoryReport",
    {
        "bytes": int,
        "reason": str,
        "state": "HistoryState",
    },
)

Host = TypedDict(
    "Host",
    {
        "address": Union[str, None],
        "agent_version": str,
        "checks": List["Check"],
        "children": List[str],
        "declared": Union["Declared", None],
        "facts": Dict[str, str],
        "id": int,
        "incidents": List[int],
        "interval_seconds": float,
        "last_heard_at": Union["Timestamp", None],
        "limits_without_values": NotRequired[List[str]],
        "loss_ratio": Union[float, None],
        "name": str,
        "not_reproven": bool,
        "owner": Union[str, None],
        "parents": List[str],
        "profile": List[str],
        "rtt_seconds": Union[float, None],
        "since_at": Union["Timestamp", None],
        "state": "Letter",
        "tags": List[str],
        "text": str,
        "unreachable_because": Union[str, None],
        "word": str,
    },
)

HostAccess = TypedDict(
    "HostAccess",
    {
        "everybody": Union[List["HostUser"], None],
        "managers": List[str],
        "monitors": List[str],
        "owner": Union[str, None],
    },
)

HostChange = TypedDict(
    "HostChange",
    {
        "checks_changed": bool,
        "last_heard_unix_s": Union[int, None],
        "rtt_seconds": Union[float, None],
        "samples": Dict[str, List[Any]],
        "state": str,
        "text": str,
    },
)

HostChoice = TypedDict(
    "HostChoice",
    {
        "all": NotRequired[bool],
        "names": NotRequired[List[str]],
        "q": NotRequired[Union[str, None]],
        "state": NotRequired[Union["Letter", None]],
    },
)

HostRow = TypedDict(
    "HostRow",
    {
        "address": Union[str, None],
        "id": int,
        "interval_seconds": float,
        "last_heard_at": Union["Timestamp", None],
        "name": str,
        "state": "Letter",
        "tags": List[str],
        "text": str,
    },
)

HostSeries = TypedDict(
    "HostSeries",
    {
        "host": str,
        "series": "Series",
    },
)

HostUser = TypedDict(
    "HostUser",
    {
        "admin": bool,
        "role": "Role",
        "user": str,
    },
)

ImportRequest = TypedDict(
    "ImportRequest",
    {
        "host": NotRequired[Union[str, None]],
        "text": str,
    },
)

Incident = TypedDict(
    "Incident",
    {
        "ack": Union["Ack", None],
        "cause": Union[int, None],
        "caused_by_hand": NotRequired[bool],
        "check": str,
        "comments": List["Comment"],
        "derived": Union["Derived", None],
        "flapping_since_at": Union["Timestamp", None],
        "further_lines": NotRequired[str],
        "host": str,
        "id": int,
        "last_notification": Union["LastNotification", None],
        "limits": "Limits",
        "notifications": List["Delivery"],
        "peak": "State",
        "resolvable": NotRequired[bool],
        "resolved_at": Union["Timestamp", None],
        "rule": str,
        "said": Union[str, None],
        "seen_before": List["Earlier"],
        "silenced_until_at": Union["Timestamp", None],
        "since_at": "Timestamp",
        "since_unix_s": int,
        "state": "State",
        "status": "Status",
        "symptoms": int,
        "symptoms_list": List["Symptom"],
        "text": str,
        "timeline": List["Activity"],
        "unit": str,
        "value": Union[float, None],
    },
)

IncidentChoice = TypedDict(
    "IncidentChoice",
    {
        "all": NotRequired[bool],
        "ids": NotRequired[List[int]],
        "q": NotRequired[Union[str, None]],
        "sev": NotRequired[Union["Severity", None]],
        "view": NotRequired["View"],
    },
)

IncidentRow = TypedDict(
    "IncidentRow",
    {
        "ack": Union["Ack", None],
        "cause": Union[int, None],
        "caused_by_hand": NotRequired[bool],
        "check": str,
        "host": str,
        "id": int,
        "last_notification": Union["LastNotification", None],
        "peak": "State",
        "resolved_at": Union["Timestamp", None],
        "silenced_until_at": Union["Timestamp", None],
        "since_at": "Timestamp",
        "since_unix_s": int,
        "state": "State",
        "status": "Status",
        "symptoms": int,
        "text": str,
    },
)

IncidentSpan = TypedDict(
    "IncidentSpan",
    {
        "from_unix_s": int,
        "id": int,
        "state": "State",
        "to_unix_s": Union[int, None],
    },
)

Job = TypedDict(
    "Job",
    {
        "by": str,
        "done": int,
        "ended_at": Union["Timestamp", None],
        "failed": int,
        "failures": List["JobFailure"],
        "id": int,
        "kind": "JobKind",
        "ordered_at": "Timestamp",
        "outcome": NotRequired[str],
        "state": "JobState",
        "title": str,
        "total": int,
    },
)

JobFailure = TypedDict(
    "JobFailure",
    {
        "detail": str,
        "what": str,
    },
)

JoinRequest = TypedDict(
    "JoinRequest",
    {
        "facts": NotRequired[Dict[str, str]],
        "key": str,
        "name": str,
        "token": str,
    },
)

JoinSeen = TypedDict(
    "JoinSeen",
    {
        "address": str,
        "at_unix_s": int,
        "host": str,
        "os": str,
    },
)

Joined = TypedDict(
    "Joined",
    {
        "agent_id": str,
        "config_revision": int,
        "interval_seconds": float,
        "server_udp_port": int,
    },
)

Kpis = TypedDict(
    "Kpis",
    {
        "availability_24h": Union[float, None],
        "availability_looked_s": NotRequired[int],
        "availability_since_unix_s": Union[int, None],
        "heartbeats_per_minute": float,
        "open_incidents": int,
        "samples_per_second": float,
    },
)

Lane = TypedDict(
    "Lane",
    {
        "check": str,
        "spans": List["LaneSpan"],
    },
)

LaneSpan = TypedDict(
    "LaneSpan",
    {
        "from_unix_s": int,
        "state": "Letter",
        "to_unix_s": int,
    },
)

Lanes = TypedDict(
    "Lanes",
    {
        "lanes": List["Lane"],
    },
)

LastNotification = TypedDict(
    "LastNotification",
    {
        "at": "Timestamp",
        "receiver": str,
        "result": "Told",
        "text": str,
    },
)

LimitTried = TypedDict(
    "LimitTried",
    {
        "check": str,
        "day": Union["PastTried", None],
        "host": str,
        "is": Union["State", None],
        "state": Union["State", None],
        "text": str,
        "week": Union["PastTried", None],
    },
)

Limits = TypedDict(
    "Limits",
    {
        "critical": Union[float, None],
        "warning": Union[float, None],
    },
)

LimitsTried = TypedDict(
    "LimitsTried",
    {
        "critical_now": int,
        "hosts": int,
        "items": List["LimitTried"],
        "problems_day": int,
        "problems_week": int,
        "series": int,
        "warning_now": int,
        "with_past": int,
    },
)

Login = TypedDict(
    "Login",
    {
        "token": str,
        "user": "Me",
    },
)

LoginRequest = TypedDict(
    "LoginRequest",
    {
        "code": NotRequired[Union[str, None]],
        "password": str,
        "username": str,
    },
)

Looking = TypedDict(
    "Looking",
    {
        "checks": int,
    },
)

MadeReport = TypedDict(
    "MadeReport",
    {
        "html": str,
        "report": Dict[str, Any],
        "text": str,
        "title": str,
    },
)

Matcher = TypedDict(
    "Matcher",
    {
        "checks": NotRequired[List[str]],
        "hosts": NotRequired[List[str]],
        "severity": Union["Severity", None],
        "tags": NotRequired[List[str]],
    },
)

Matches = TypedDict(
    "Matches",
    {
        "hosts": int,
        "incidents": int,
    },
)

Me = TypedDict(
    "Me",
    {
        "admin": bool,
        "csrf": str,
        "full_name": str,
        "name": str,
        "open": bool,
        "roles": Dict[str, "Role"],
        "second_factor": "SecondFactorState",
    },
)

Metric = TypedDict(
    "Metric",
    {
        "at_unix_s": Union[int, None],
        "collector": str,
        "instance": str,
        "kind": "MetricKind",
        "last": Union[float, None],
        "metric": str,
        "path": str,
        "unit": str,
    },
)

MetricOnHost = TypedDict(
    "MetricOnHost",
    {
        "at_unix_s": Union[int, None],
        "host": str,
        "instance": str,
        "last": Union[float, None],
        "path": str,
    },
)

MetricSummary = TypedDict(
    "MetricSummary",
    {
        "collector": str,
        "hosts": int,
        "kind": "MetricKind",
        "metric": str,
        "name": str,
        "unit": str,
    },
)

Metrics = TypedDict(
    "Metrics",
    {
        "items": List["Metric"],
    },
)

NewBrowser = TypedDict(
    "NewBrowser",
    {
        "auth": str,
        "endpoint": str,
        "name": str,
        "p256dh": str,
    },
)

NewEnrolment = TypedDict(
    "NewEnrolment",
    {
        "command": str,
        "expires_at": "Timestamp",
        "id": str,
        "token": str,
    },
)

NewHostAccess = TypedDict(
    "NewHostAccess",
    {
        "managers": List[str],
        "monitors": List[str],
        "owner": NotRequired[Union[str, None]],
    },
)

NewOwner = TypedDict(
    "NewOwner",
    {
        "owner": str,
    },
)

NewPasskey = TypedDict(
    "NewPasskey",
    {
        "attestation": str,
        "client_data": str,
        "name": str,
    },
)

NewToken = TypedDict(
    "NewToken",
    {
        "secret": str,
        "token": "Token",
    },
)

NewUser = TypedDict(
    "NewUser",
    {
        "admin": NotRequired[bool],
        "full_name": NotRequired[str],
        "name": str,
        "password": NotRequired[Union[str, None]],
        "roles": NotRequired[Dict[str, "Role"]],
        "service": NotRequired[bool],
    },
)

OfferedRelease = TypedDict(
    "OfferedRelease",
    {
        "arrived": int,
        "offered_to": int,
        "placed_at": NotRequired[Union["Timestamp", None]],
        "target": str,
        "version": str,
    },
)

Order = TypedDict(
    "Order",
    {
        "action": str,
        "at": "Timestamp",
        "by": str,
        "ended_at": Union["Timestamp", None],
        "exit": Union[int, None],
        "expires_at": "Timestamp",
        "host": str,
        "id": int,
        "reason": str,
        "state": "OrderState",
        "text": str,
    },
)

OrderRequest = TypedDict(
    "OrderRequest",
    {
        "expires_seconds": NotRequired[Union[int, None]],
        "reason": str,
    },
)

Overview = TypedDict(
    "Overview",
    {
        "at_unix_s": int,
        "counts": "Counts",
        "events": List["Activity"],
        "kpis": "Kpis",
        "more": int,
        "problems": List["Problem"],
        "quiet": "Quiet",
        "receivers": NotRequired[int],
        "verdict": "Verdict",
    },
)

PageActivity = TypedDict(
    "PageActivity",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageAuditLine = TypedDict(
    "PageAuditLine",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageCheckRow = TypedDict(
    "PageCheckRow",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageConfigObjectRow = TypedDict(
    "PageConfigObjectRow",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageDashboardRow = TypedDict(
    "PageDashboardRow",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageDelivery = TypedDict(
    "PageDelivery",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageHappened = TypedDict(
    "PageHappened",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageHostRow = TypedDict(
    "PageHostRow",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageIncidentRow = TypedDict(
    "PageIncidentRow",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PageMetricOnHost = TypedDict(
    "PageMetricOnHost",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

PagePublicIncident = TypedDict(
    "PagePublicIncident",
    {
        "items": List[Any],
        "next": Union["Cursor", None],
    },
)

PageStatusPageRow = TypedDict(
    "PageStatusPageRow",
    {
        "items": List[Dict[str, Any]],
        "next": Union["Cursor", None],
    },
)

Panel = TypedDict(
    "Panel",
    {
        "compare": Union[str, None],
        "height": NotRequired[int],
        "hosts": NotRequired[List[str]],
        "kind": "PanelKind",
        "metrics": NotRequired[List[str]],
        "tag": Union[str, None],
        "text": NotRequired[str],
        "title": NotRequired[str],
        "width": NotRequired[int],
    },
)

Passkey = TypedDict(
    "Passkey",
    {
        "created_at": "Timestamp",
        "domain": str,
        "id": str,
        "name": str,
        "used_at": Union["Timestamp", None],
    },
)

PasskeyChallenge = TypedDict(
    "PasskeyChallenge",
    {
        "challenge": str,
        "domain": str,
    },
)

PasskeyLogin = TypedDict(
    "PasskeyLogin",
    {
        "authenticator_data": str,
        "client_data": str,
        "id": str,
        "signature": str,
        "user_id": NotRequired[Union[str, None]],
    },
)

PasskeyMade = TypedDict(
    "PasskeyMade",
    {
        "passkey": "Passkey",
        "recovery_codes": List[str],
    },
)

PasskeyOffer = TypedDict(
    "PasskeyOffer",
    {
        "algorithms": List[int],
        "challenge": str,
        "domain": str,
        "known": List[str],
        "user_full_name": str,
        "user_id": str,
        "user_name": str,
    },
)

PasswordRequest = TypedDict(
    "PasswordRequest",
    {
        "new": str,
        "old": str,
    },
)

PastTried = TypedDict(
    "PastTried",
    {
        "critical_seconds": int,
        "problems": int,
        "warning_seconds": int,
    },
)

PluginHistory = TypedDict(
    "PluginHistory",
    {
        "host": str,
        "plugin": str,
        "samples": List["PluginSample"],
    },
)

PluginLatest = TypedDict(
    "PluginLatest",
    {
        "at": Union["Timestamp", None],
        "values": Dict[str, Union[float, None]],
    },
)

PluginSample = TypedDict(
    "PluginSample",
    {
        "at": "Timestamp",
        "values": Dict[str, Union[float, None]],
    },
)

Plugins = TypedDict(
    "Plugins",
    {
        "host": str,
        "plugins": Dict[str, "PluginLatest"],
    },
)

Preview = TypedDict(
    "Preview",
    {
        "hosts": int,
        "incidents": int,
        "incidents_list": NotRequired[List["CoveredIncident"]],
        "names": List[str],
        "times": NotRequired[List["Held"]],
    },
)

PreviewRequest = TypedDict(
    "PreviewRequest",
    {
        "from_at": NotRequired[Union["Timestamp", None]],
        "matcher": "Matcher",
        "repeats": NotRequired[Union["Repeats", None]],
        "until_at": NotRequired[Union["Timestamp", None]],
    },
)

Problem = TypedDict(
    "Problem",
    {
        "ack": Union["Ack", None],
        "check": str,
        "flapping": bool,
        "host": str,
        "incident": int,
        "limit": Union[float, None],
        "silenced_until_unix_s": Union[int, None],
        "since_unix_s": int,
        "soft": Union["Soft", None],
        "spark": List[Union[float, None]],
        "state": "State",
        "strip": str,
        "symptoms": int,
        "text": str,
    },
)

ProblemChange = TypedDict(
    "ProblemChange",
    {
        "add": List["Problem"],
        "drop": List[int],
    },
)

ProblemDocument = TypedDict(
    "ProblemDocument",
    {
        "detail": str,
        "errors": NotRequired[List["FieldError"]],
        "instance": NotRequired[str],
        "status": int,
        "title": str,
        "type": str,
    },
)

Provider = TypedDict(
    "Provider",
    {
        "label": str,
        "path": str,
    },
)

Providers = TypedDict(
    "Providers",
    {
        "providers": List["Provider"],
    },
)

PublicContent = TypedDict(
    "PublicContent",
    {
        "closed_at": Union["Timestamp", None],
        "components": List[str],
        "from_at": "Timestamp",
        "impact": "PublicImpact",
        "kind": "PublicKind",
        "title": str,
        "until_at": Union["Timestamp", None],
        "updates": List["PublicUpdate"],
    },
)

PublicIncident = TypedDict(
    "PublicIncident",
    {
        "closed_at": Union["Timestamp", None],
        "components": List[str],
        "from_at": "Timestamp",
        "id": int,
        "impact": "PublicImpact",
        "kind": "PublicKind",
        "page": str,
        "stage": "PublicStage",
        "title": str,
        "until_at": Union["Timestamp", None],
        "updated_at": "Timestamp",
        "updates": List["PublicUpdate"],
        "version": int,
    },
)

PublicUpdate = TypedDict(
    "PublicUpdate",
    {
        "at": "Timestamp",
        "by": str,
        "stage": "PublicStage",
        "text": str,
    },
)

PublicUpdateRequest = TypedDict(
    "PublicUpdateRequest",
    {
        "components": Union[List[str], None],
        "impact": Union["PublicImpact", None],
        "stage": Union["PublicStage", None],
        "text": str,
        "title": Union[str, None],
        "until_at": Union["Timestamp", None],
        "version": Union[int, None],
    },
)

PublishRequest = TypedDict(
    "PublishRequest",
    {
        "components": NotRequired[List[str]],
        "from_at": Union["Timestamp", None],
        "impact": NotRequired["PublicImpact"],
        "kind": NotRequired["PublicKind"],
        "stage": Union["PublicStage", None],
        "text": str,
        "title": str,
        "until_at": Union["Timestamp", None],
    },
)

Push = TypedDict(
    "Push",
    {
        "check": str,
        "done_at": Union["Timestamp", None],
        "due_at": Union["Timestamp", None],
        "host": str,
        "path": str,
        "schedule": str,
        "state": str,
        "text": str,
    },
)

QrCode = TypedDict(
    "QrCode",
    {
        "path": str,
        "size": int,
    },
)

Quarantine = TypedDict(
    "Quarantine",
    {
        "restored_at": "Timestamp",
        "taken_at": "Timestamp",
    },
)

Quiet = TypedDict(
    "Quiet",
    {
        "maintenance": List["Silence"],
        "silences": List["Silence"],
    },
)

Receiver = TypedDict(
    "Receiver",
    {
        "failing": bool,
        "fallback": Union[str, None],
        "last": Union["Delivery", None],
        "name": str,
        "oldest_at": Union["Timestamp", None],
        "target": str,
        "type": str,
        "waiting": int,
    },
)

RecoveryCodes = TypedDict(
    "RecoveryCodes",
    {
        "recovery_codes": List[str],
    },
)

Repeats = TypedDict(
    "Repeats",
    {
        "cron": NotRequired[Union[str, None]],
        "lasts_seconds": NotRequired[Union[int, None]],
        "timezone": NotRequired[Union[str, None]],
        "when": NotRequired[Union[str, None]],
    },
)

ReportRow = TypedDict(
    "ReportRow",
    {
        "kind": str,
        "last_at": Union["Timestamp", None],
        "name": str,
        "next_at": Union["Timestamp", None],
        "schedule": str,
        "to": List[str],
    },
)

ReportStored = TypedDict(
    "ReportStored",
    {
        "config_revision": int,
        "held_seconds": float,
        "now_unix_s": float,
        "order": int,
        "samples_stored": bool,
    },
)

ReportedEvent = TypedDict(
    "ReportedEvent",
    {
        "at_unix_s": float,
        "data": NotRequired[Any],
        "kind": str,
        "severity": NotRequired[Union[str, None]],
        "tags": NotRequired[List[str]],
        "text": str,
    },
)

ReportedItem = TypedDict(
    "ReportedItem",
    {
        "event": NotRequired[Union["ReportedEvent", None]],
        "facts": NotRequired[Union[Dict[str, str], None]],
        "number": int,
        "outcome": NotRequired[Union["ReportedOutcome", None]],
        "result": NotRequired[Union["ReportedResult", None]],
    },
)

ReportedOutcome = TypedDict(
    "ReportedOutcome",
    {
        "exit": NotRequired[Union[int, None]],
        "order": int,
        "text": str,
    },
)

ReportedResult = TypedDict(
    "ReportedResult",
    {
        "began_at_unix_s": float,
        "check": str,
        "next_seconds": NotRequired[Union[float, None]],
        "status": str,
        "text": NotRequired[str],
        "took_seconds": NotRequired[float],
    },
)

ReportedSample = TypedDict(
    "ReportedSample",
    {
        "set": int,
        "taken_at_unix_s": float,
        "values": List[Union[float, None]],
    },
)

ReportedSeries = TypedDict(
    "ReportedSeries",
    {
        "collector": str,
        "counter": NotRequired[bool],
        "decimals": NotRequired[int],
        "instance": NotRequired[str],
        "metric": str,
        "unit": NotRequired[str],
    },
)

ResolveRequest = TypedDict(
    "ResolveRequest",
    {
        "comment": str,
    },
)

Retried = TypedDict(
    "Retried",
    {
        "next": NotRequired[bool],
        "under_way": bool,
    },
)

Rollout = TypedDict(
    "Rollout",
    {
        "enabled": bool,
        "hosts": List[str],
        "percent": int,
        "releases": List["OfferedRelease"],
        "tags": List[str],
        "versions": Dict[str, int],
    },
)

Rota = TypedDict(
    "Rota",
    {
        "name": str,
        "next": Union[str, None],
        "now": Union[str, None],
        "until": Union["Timestamp", None],
    },
)

Route = TypedDict(
    "Route",
    {
        "match": str,
        "name": str,
        "sentence": str,
        "to": List[str],
    },
)

RouteTestLine = TypedDict(
    "RouteTestLine",
    {
        "at": "Timestamp",
        "block": Union[str, None],
        "reason": Union[str, None],
        "receiver": Union[str, None],
        "route": Union[str, None],
        "step": Union[int, None],
        "text": str,
        "times": NotRequired[int],
        "until": Union["Timestamp", None],
        "user": Union[str, None],
    },
)

Rows = TypedDict(
    "Rows",
    {
        "cpu": List[Union[float, None]],
        "disk": List[Union[float, None]],
        "id": List[int],
        "last_heard_unix_s": List[Union[int, None]],
        "mem": List[Union[float, None]],
        "since_unix_s": List[int],
        "state": str,
        "text": List[str],
    },
)

SecondFactors = TypedDict(
    "SecondFactors",
    {
        "demanded": bool,
        "passkeys": List["Passkey"],
        "recovery_codes": int,
        "totp_since_at": Union["Timestamp", None],
    },
)

Series = TypedDict(
    "Series",
    {
        "at_unix_s": List[int],
        "avg": List[List[Union[float, None]]],
        "from_unix_s": int,
        "incidents": List["IncidentSpan"],
        "kinds": List["MetricKind"],
        "limits": Dict[str, "Limits"],
        "max": List[List[Union[float, None]]],
        "min": List[List[Union[float, None]]],
        "names": List[str],
        "step_s": float,
        "to_unix_s": int,
        "units": List[str],
    },
)

Server = TypedDict(
    "Server",
    {
        "datagrams": Dict[str, int],
        "history": "HistoryReport",
        "hosts": int,
        "quarantine": Union["Quarantine", None],
        "queues": Dict[str, int],
        "receivers_failing": List[str],
        "series": int,
        "started_at": "Timestamp",
        "store": Dict[str, float],
        "uptime_seconds": float,
        "version": str,
    },
)

Session = TypedDict(
    "Session",
    {
        "address": str,
        "agent": str,
        "created_at": "Timestamp",
        "current": bool,
        "id": str,
        "last_seen_at": "Timestamp",
    },
)

Setup = TypedDict(
    "Setup",
    {
        "needed": bool,
        "site_name": NotRequired[str],
        "version": str,
    },
)

SetupRequest = TypedDict(
    "SetupRequest",
    {
        "code": str,
        "full_name": NotRequired[str],
        "password": str,
        "user": str,
    },
)

Shared = TypedDict(
    "Shared",
    {
        "everyone": NotRequired[bool],
        "teams": NotRequired[List[str]],
        "users": NotRequired[List[str]],
    },
)

Silence = TypedDict(
    "Silence",
    {
        "active": NotRequired[bool],
        "again": Union["Again", None],
        "begun_at": Union["Timestamp", None],
        "by": str,
        "declared": Union["Declared", None],
        "flexible_seconds": Union[float, None],
        "from_at": "Timestamp",
        "id": int,
        "maintenance": bool,
        "matcher": "Matcher",
        "matches": "Matches",
        "reason": str,
        "repeats": Union[str, None],
        "until_at": "Timestamp",
        "withheld": int,
    },
)

SilenceIncidentRequest = TypedDict(
    "SilenceIncidentRequest",
    {
        "duration_seconds": int,
        "reason": str,
    },
)

SilenceRequest = TypedDict(
    "SilenceRequest",
    {
        "duration_seconds": NotRequired[Union[int, None]],
        "flexible_seconds": NotRequired[Union[int, None]],
        "from_at": NotRequired[Union["Timestamp", None]],
        "maintenance": NotRequired[bool],
        "matcher": "Matcher",
        "reason": str,
        "repeats": NotRequired[Union["Repeats", None]],
        "until_at": NotRequired[Union["Timestamp", None]],
    },
)

SiteSays = TypedDict(
    "SiteSays",
    {
        "counts": bool,
        "seen_at": Union["Timestamp", None],
        "site": str,
        "status": "Status",
        "text": str,
    },
)

Soft = TypedDict(
    "Soft",
    {
        "attempt": int,
        "of": int,
    },
)

StatusComponent = TypedDict(
    "StatusComponent",
    {
        "group": str,
        "id": str,
        "name": str,
        "state": "ComponentState",
    },
)

StatusPageRow = TypedDict(
    "StatusPageRow",
    {
        "components": List["StatusComponent"],
        "declared": "Declared",
        "domains": List[str],
        "headline": str,
        "may_publish": bool,
        "open": int,
        "page": str,
        "path": str,
        "public": bool,
        "state": "ComponentState",
        "title": str,
    },
)

Subscribe = TypedDict(
    "Subscribe",
    {
        "rows": NotRequired[List[int]],
        "sub": NotRequired[List[str]],
    },
)

Symptom = TypedDict(
    "Symptom",
    {
        "check": str,
        "host": str,
        "id": int,
    },
)

TestSent = TypedDict(
    "TestSent",
    {
        "delivery": int,
        "failing": Union[str, None],
        "next": NotRequired[bool],
    },
)

Token = TypedDict(
    "Token",
    {
        "created_at": "Timestamp",
        "expires_at": Union["Timestamp", None],
        "id": str,
        "last_used_at": Union["Timestamp", None],
        "name": str,
        "scopes": List["Scope"],
    },
)

TokenRequest = TypedDict(
    "TokenRequest",
    {
        "name": str,
        "scopes": NotRequired[List["Scope"]],
        "valid_seconds": NotRequired[Union[int, None]],
    },
)

TotpConfirmation = TypedDict(
    "TotpConfirmation",
    {
        "code": str,
    },
)

TotpOffer = TypedDict(
    "TotpOffer",
    {
        "address": str,
        "qr": "QrCode",
        "secret": str,
    },
)

Try = TypedDict(
    "Try",
    {
        "at": "Timestamp",
        "exchanges": List["Exchange"],
        "failure": str,
        "next_try_at": Union["Timestamp", None],
        "number": int,
        "omitted": int,
        "outcome": "TryOutcome",
        "said": str,
        "took_ms": int,
    },
)

User = TypedDict(
    "User",
    {
        "admin": bool,
        "declared": Union["Declared", None],
        "full_name": str,
        "name": str,
        "origin": Union[str, None],
        "roles": Dict[str, "Role"],
        "second_factor": bool,
        "service": bool,
    },
)

UserChange = TypedDict(
    "UserChange",
    {
        "admin": NotRequired[Union[bool, None]],
        "full_name": NotRequired[Union[str, None]],
        "password": NotRequired[Union[str, None]],
        "roles": NotRequired[Union[Dict[str, "Role"], None]],
    },
)

Variables = TypedDict(
    "Variables",
    {
        "host": Union[str, None],
        "tag": Union[str, None],
    },
)

Verdict = TypedDict(
    "Verdict",
    {
        "sub": str,
        "text": str,
    },
)

AgentMode = Literal["enrolled", "shared"]
AgentSort = Literal["host", "-host", "mode", "-mode", "version", "-version", "last_seen_at", "-last_seen_at", "address", "-address", "loss_ratio", "-loss_ratio", "rtt_seconds", "-rtt_seconds", "clock_skew_seconds", "-clock_skew_seconds", "duplicates", "-duplicates"]
Bulk = Dict[str, Any]
By = Literal["max", "avg", "min", "last"]
CheckSort = Literal["host", "-host", "state", "-state", "changed_at", "-changed_at"]
ComponentState = Literal["operational", "no_data", "maintenance", "degraded", "partial_outage", "major_outage"]
ConfigShape = Literal["named", "ordered"]
ConfigSort = Literal["name", "-name", "section", "-section"]
Cursor = str
Decision = Literal["told", "queued", "withheld", "waiting", "handled"]
DeliveryState = Literal["queued", "retry", "sent", "dead", "superseded"]
DiffKind = Literal["same", "added", "removed"]
ExportFormat = Literal["openmetrics", "csv", "jsonl"]
Fill = Literal["none", "null", "previous", "linear", "zero"]
Fresh = Literal["fresh", "late", "stale"]
HistoryState = Literal["ok", "stopped", "shedding"]
HostSort = Literal["name", "-name", "state", "-state", "last_heard_at", "-last_heard_at"]
IncidentSort = Literal["since_at", "-since_at", "state", "-state", "host", "-host"]
JobKind = Literal["bulk", "report", "backup", "erase", "export", "import"]
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
Kind = Literal["transition", "told", "withheld", "operator", "event", "server"]
Letter = Literal["o", "w", "c", "u", "m", "-"]
Message = Union[Any, Dict[str, Any]]
MetricHostSort = Literal["host", "-host"]
MetricKind = Literal["gauge", "counter"]
OrderState = Literal["waiting", "taken", "done", "failed", "expired"]
PanelKind = Literal["chart", "value", "states", "incidents", "text"]
Plain = Dict[str, Any]
PublicImpact = Literal["none", "degraded", "partial_outage", "major_outage"]
PublicKind = Literal["incident", "maintenance"]
PublicStage = Literal["investigating", "identified", "monitoring", "resolved", "scheduled", "in_progress", "completed"]
Role = Literal["monitor", "manager", "owner"]
Scope = Literal["read", "hosts:read", "hosts:write", "incidents:write", "events:send", "config:read", "config:write", "users:write"]
SecondFactorState = Literal["none", "set", "needed"]
Severity = Literal["info", "unknown", "warning", "critical"]
State = Literal["crit", "warn", "unk", "ok"]
Status = Literal["ok", "warning", "critical", "unknown", "pending"]
TimeSort = Literal["at", "-at"]
Timestamp = str
Told = Literal["sent", "failed", "queued", "withheld"]
TryOutcome = Literal["delivered", "retry", "dead"]
View = Literal["open", "silenced", "resolved", "all"]
Way = Literal["link", "mail"]
