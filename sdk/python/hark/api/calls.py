"""Made by make_api.py from the server's own document: not edited by hand."""

from typing import Any, Dict, List, Optional, Union, cast

from . import types as t
from .transport import Query, Transport, part


class Calls(Transport):
    """A method for each path of the API."""

    def read(self, path: str, query: Optional[Query] = None) -> Any:
        """Returns what is at a path."""
        return self.request("GET", path, query).value()

    def get_agents(
        self, *, q: Optional[str] = None, sort: Optional[t.AgentSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> List[t.Agent]:
        """Returns agents by host."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Agent], self.read("/api/0/agents", query))

    def post_agents_enrol(
        self, body: t.JoinRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Joined:
        """An agent joins with a one-time token: it brings its own key."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Joined, self.request("POST", "/api/0/agents/enrol", None, body, headers).value())

    def get_alerts(
        self
    ) -> t.Alerts:
        """Returns what is wrong on all hosts."""
        return cast(t.Alerts, self.read("/api/0/alerts", None))

    def get_audit(
        self, *, q: Optional[str] = None, sort: Optional[t.TimeSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageAuditLine:
        """Returns the audit, newest first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageAuditLine, self.read("/api/0/audit", query))

    def get_audit_check(
        self
    ) -> t.AuditChain:
        """Says whether a line of the audit was changed or taken out since it was written. Reads all of it."""
        return cast(t.AuditChain, self.read("/api/0/audit/check", None))

    def get_auth_browsers(
        self
    ) -> t.Browsers:
        """Returns one's browsers that show notifications, and what a browser needs to become one."""
        return cast(t.Browsers, self.read("/api/0/auth/browsers", None))

    def post_auth_browsers(
        self, body: t.NewBrowser, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Browser:
        """Turns notifications on in a browser. One that showed those of somebody else shows one's own instead."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Browser, self.request("POST", "/api/0/auth/browsers", None, body, headers).value())

    def post_auth_browsers_test(
        self, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.TestSent:
        """Sends a test message to one's browsers, as any other message goes."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.TestSent, self.request("POST", "/api/0/auth/browsers/test", None, None, headers).value())

    def delete_auth_browsers_by_id(
        self, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Turns notifications off in a browser."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/auth/browsers/{}".format(part(id)), None, None, headers).value()

    def post_auth_login(
        self, body: t.LoginRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Login:
        """Logs in. The token is for programs; browsers get it as a cookie."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Login, self.request("POST", "/api/0/auth/login", None, body, headers).value())

    def post_auth_logout(
        self, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Ends the session."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("POST", "/api/0/auth/logout", None, None, headers).value()

    def get_auth_me(
        self
    ) -> t.Me:
        """Returns the user of this session."""
        return cast(t.Me, self.read("/api/0/auth/me", None))

    def post_auth_passkey(
        self, body: t.PasskeyLogin, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Login:
        """Logs in with a passkey: it stands for password and code."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Login, self.request("POST", "/api/0/auth/passkey", None, body, headers).value())

    def post_auth_passkey_challenge(
        self, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.PasskeyChallenge:
        """Returns what a passkey must sign to log in."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.PasskeyChallenge, self.request("POST", "/api/0/auth/passkey/challenge", None, None, headers).value())

    def post_auth_passkeys(
        self, body: t.NewPasskey, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.PasskeyMade:
        """Takes a passkey that the browser has made; ends one's other sessions."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.PasskeyMade, self.request("POST", "/api/0/auth/passkeys", None, body, headers).value())

    def post_auth_passkeys_offer(
        self, body: t.Confirmation, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.PasskeyOffer:
        """Begins to make a passkey. Browsers take part on pages over TLS and by name, not by address."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.PasskeyOffer, self.request("POST", "/api/0/auth/passkeys/offer", None, body, headers).value())

    def post_auth_passkeys_remove(
        self, id: str, body: t.Confirmation, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Removes a passkey."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("POST", "/api/0/auth/passkeys/{}/remove".format(part(id)), None, body, headers).value()

    def post_auth_password(
        self, body: t.PasswordRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Changes one's own password and ends one's other sessions."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("POST", "/api/0/auth/password", None, body, headers).value()

    def get_auth_providers(
        self
    ) -> t.Providers:
        """Returns at which providers one can log in."""
        return cast(t.Providers, self.read("/api/0/auth/providers", None))

    def post_auth_recovery_codes(
        self, body: t.Confirmation, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.RecoveryCodes:
        """Makes new recovery codes in place of those of before."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.RecoveryCodes, self.request("POST", "/api/0/auth/recovery-codes", None, body, headers).value())

    def get_auth_second_factor(
        self
    ) -> t.SecondFactors:
        """Returns one's second factors, without what is secret of them."""
        return cast(t.SecondFactors, self.read("/api/0/auth/second-factor", None))

    def post_auth_totp(
        self, body: t.Confirmation, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.TotpOffer:
        """Makes a secret for an app. It guards nothing until a code of it has come back, within ten minutes."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.TotpOffer, self.request("POST", "/api/0/auth/totp", None, body, headers).value())

    def post_auth_totp_confirm(
        self, body: t.TotpConfirmation, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.RecoveryCodes:
        """Has the app guard the account from now on, with a code of it; ends one's other sessions."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.RecoveryCodes, self.request("POST", "/api/0/auth/totp/confirm", None, body, headers).value())

    def post_auth_totp_remove(
        self, body: t.Confirmation, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Takes the app away."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("POST", "/api/0/auth/totp/remove", None, body, headers).value()

    def get_backups(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Backup]:
        """Returns the backups that the server has made by itself, the newest first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Backup], self.read("/api/0/backups", query))

    def post_backups(
        self, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Job:
        """Makes a backup where the server makes those that it makes by itself, as a job."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Job, self.request("POST", "/api/0/backups", None, None, headers).value())

    def post_bulk(
        self, body: t.BulkRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Job:
        """Does one thing to many incidents or hosts, as a job."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Job, self.request("POST", "/api/0/bulk", None, body, headers).value())

    def get_checks(
        self, *, q: Optional[str] = None, check: Optional[str] = None, state: Optional[t.Status] = None, sort: Optional[t.CheckSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageCheckRow:
        """Returns the checks of all hosts."""
        query: Query = {"q": q, "check": check, "state": state, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageCheckRow, self.read("/api/0/checks", query))

    def get_checks_summary(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.CheckSummary]:
        """Returns the checks by name, with how many hosts have each and how they are: the worst first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.CheckSummary], self.read("/api/0/checks/summary", query))

    def get_config_export(
        self
    ) -> str:
        """Returns all that was made in the page as a file for `conf.d`. Secrets are names of the environment."""
        return cast(str, self.read("/api/0/config/export", None))

    def get_config_history(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.ConfigVersion]:
        """Returns the versions of what was made in the page, the newest first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.ConfigVersion], self.read("/api/0/config/history", query))

    def get_config_history_by_number(
        self, number: int
    ) -> t.ConfigVersionDetail:
        """Returns a version: what it changed, and what going back to it would change."""
        return cast(t.ConfigVersionDetail, self.read("/api/0/config/history/{}".format(part(number)), None))

    def post_config_history_restore(
        self, number: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.ConfigKept:
        """Goes back to a version. That is a version of its own, so it can be undone as well."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.ConfigKept, self.request("POST", "/api/0/config/history/{}/restore".format(part(number)), None, None, headers).value())

    def get_config_objects(
        self, *, section: Optional[str] = None, q: Optional[str] = None, sort: Optional[t.ConfigSort] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> t.PageConfigObjectRow:
        """Returns objects of the configuration: those that files declare, and those made in the page."""
        query: Query = {"section": section, "q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageConfigObjectRow, self.read("/api/0/config/objects", query))

    def get_config_objects_by_name(
        self, section: str, name: str
    ) -> t.ConfigObject:
        """Returns an object. `ETag` is its version."""
        return cast(t.ConfigObject, self.read("/api/0/config/objects/{}/{}".format(part(section), part(name)), None))

    def put_config_objects_by_name(
        self, section: str, name: str, body: t.ConfigOrder, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.ConfigKept:
        """Makes an object, or changes one made in the page; then `If-Match` must have its version."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.ConfigKept, self.request("PUT", "/api/0/config/objects/{}/{}".format(part(section), part(name)), None, body, headers).value())

    def delete_config_objects_by_name(
        self, section: str, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.ConfigKept:
        """Takes away an object made in the page. `If-Match` must have its version."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.ConfigKept, self.request("DELETE", "/api/0/config/objects/{}/{}".format(part(section), part(name)), None, None, headers).value())

    def get_config_schema(
        self, *, section: Optional[str] = None
    ) -> List[t.ConfigSection]:
        """Returns the sections that can be edited; of one, with the keys of its objects as JSON Schema."""
        query: Query = {"section": section}
        return cast(List[t.ConfigSection], self.read("/api/0/config/schema", query))

    def post_config_test(
        self, body: t.ConfigCandidate, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.ConfigTested:
        """Tries an object before it is saved: a check looks once, a receiver gets a test message, a route says
        what it would take now. Nothing is kept."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.ConfigTested, self.request("POST", "/api/0/config/test", None, body, headers).value())

    def post_config_validate(
        self, body: t.ConfigCandidate, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.ConfigVerdict:
        """Says what is wrong with an object that might be saved, and what saving it would change."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.ConfigVerdict, self.request("POST", "/api/0/config/validate", None, body, headers).value())

    def get_dashboards(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> t.PageDashboardRow:
        """Returns the dashboards that the user may see, by their numbers."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageDashboardRow, self.read("/api/0/dashboards", query))

    def post_dashboards(
        self, body: t.Content, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Dashboard:
        """Makes a dashboard."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Dashboard, self.request("POST", "/api/0/dashboards", None, body, headers).value())

    def post_dashboards_import(
        self, body: t.DashboardImport, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.DashboardImported:
        """Reads a dashboard of Grafana as far as it maps, and says what does not. Nothing is stored."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.DashboardImported, self.request("POST", "/api/0/dashboards/import", None, body, headers).value())

    def get_dashboards_by_id(
        self, id: int
    ) -> t.Dashboard:
        """Returns a dashboard. Its version is its entity tag."""
        return cast(t.Dashboard, self.read("/api/0/dashboards/{}".format(part(id)), None))

    def put_dashboards_by_id(
        self, id: int, body: t.DashboardChange, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Dashboard:
        """Changes a dashboard. With a version, only if that is still what is there: else two people who change
        it at the same time would undo each other's work unseen."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Dashboard, self.request("PUT", "/api/0/dashboards/{}".format(part(id)), None, body, headers).value())

    def delete_dashboards_by_id(
        self, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Removes a dashboard. For a week it can be restored."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/dashboards/{}".format(part(id)), None, None, headers).value()

    def post_dashboards_restore(
        self, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Dashboard:
        """Has a dashboard that was removed be there again."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Dashboard, self.request("POST", "/api/0/dashboards/{}/restore".format(part(id)), None, None, headers).value())

    def get_deliveries(
        self, *, q: Optional[str] = None, state: Optional[t.DeliveryState] = None, receiver: Optional[str] = None, incident: Optional[int] = None, since: Optional[t.Timestamp] = None, sort: Optional[t.TimeSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageDelivery:
        """Returns messages, newest first."""
        query: Query = {"q": q, "state": state, "receiver": receiver, "incident": incident, "since": since, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageDelivery, self.read("/api/0/deliveries", query))

    def get_deliveries_by_id(
        self, id: int
    ) -> t.DeliveryDetail:
        """Returns a message with its tries. What was asked and answered is for administrators: it names
        addresses of people."""
        return cast(t.DeliveryDetail, self.read("/api/0/deliveries/{}".format(part(id)), None))

    def post_deliveries_retry(
        self, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Retried:
        """Tries a message that waits at once."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Retried, self.request("POST", "/api/0/deliveries/{}/retry".format(part(id)), None, None, headers).value())

    def get_dns(
        self
    ) -> t.Dns:
        """Returns every name of a host that the user sees."""
        return cast(t.Dns, self.read("/api/0/dns", None))

    def post_dns_remove(
        self, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.DnsOrdered:
        """Takes a name, or all names of a host, out of DNS until they are published by hand."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.DnsOrdered, self.request("POST", "/api/0/dns/{}/remove".format(part(name)), None, None, headers).value())

    def post_dns_update(
        self, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.DnsOrdered:
        """Publishes a name, or all names of a host, now: also what seems to be published, is held back, or is
        not tried again unasked."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.DnsOrdered, self.request("POST", "/api/0/dns/{}/update".format(part(name)), None, None, headers).value())

    def get_dropped(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.DroppedHost]:
        """Returns the hosts that were dropped and that the user may give back."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.DroppedHost], self.read("/api/0/dropped", query))

    def get_enrol(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Enrolment]:
        """Returns the tokens that have not ended, without their texts."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Enrolment], self.read("/api/0/enrol", query))

    def post_enrol(
        self, body: t.EnrolRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.NewEnrolment:
        """Makes a token. It carries the fingerprint of the server's certificate, so that the agent knows the
        server before it shows the token."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.NewEnrolment, self.request("POST", "/api/0/enrol", None, body, headers).value())

    def delete_enrol_by_id(
        self, id: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Withdraws a token."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/enrol/{}".format(part(id)), None, None, headers).value()

    def get_events(
        self, *, q: Optional[str] = None, sort: Optional[t.TimeSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageActivity:
        """Returns what happened, newest first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageActivity, self.read("/api/0/events", query))

    def post_events(
        self, body: t.EventsBrought, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.EventsTaken:
        """Takes events that another server brings. They are on the disk when it is answered."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.EventsTaken, self.request("POST", "/api/0/events", None, body, headers).value())

    def get_fleet(
        self
    ) -> t.Fleet:
        """Returns all hosts by columns; with `If-None-Match`, only if something changed."""
        return cast(t.Fleet, self.read("/api/0/fleet", None))

    def post_handle(
        self, body: t.HandleRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Handled:
        """Acknowledges with the token that a message carried; nothing else is needed."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Handled, self.request("POST", "/api/0/handle", None, body, headers).value())

    def get_happened(
        self, *, q: Optional[str] = None, topics: Optional[str] = None, host: Optional[str] = None, from_: Optional[int] = None, to: Optional[int] = None, sort: Optional[t.TimeSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageHappened:
        """Returns events of hosts, newest first, with their data."""
        query: Query = {"q": q, "topics": topics, "host": host, "from": from_, "to": to, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageHappened, self.read("/api/0/happened", query))

    def post_history_erase(
        self, body: t.EraseRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.ErasePlan:
        """Erases samples of a host for good, as a job, or says how much that would be. The host stays."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.ErasePlan, self.request("POST", "/api/0/history/erase", None, body, headers).value())

    def post_history_export(
        self, body: t.ExportRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Job:
        """Writes samples as text into a file on the server, as a job. It can be fetched for a day."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Job, self.request("POST", "/api/0/history/export", None, body, headers).value())

    def get_history_exports(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Export]:
        """Returns the files with samples that were exported, the newest first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Export], self.read("/api/0/history/exports", query))

    def get_history_exports_by_name(
        self, name: str
    ) -> str:
        """Returns a file with samples that were exported."""
        return cast(str, self.read("/api/0/history/exports/{}".format(part(name)), None))

    def delete_history_exports_by_name(
        self, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Removes a file with samples that were exported."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/history/exports/{}".format(part(name)), None, None, headers).value()

    def post_history_import(
        self, body: t.ImportRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Job:
        """Adds samples of the past, as a job. What is there already stays as it is: the same text may be brought
        again."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Job, self.request("POST", "/api/0/history/import", None, body, headers).value())

    def get_hosts(
        self, *, q: Optional[str] = None, state: Optional[t.Letter] = None, sort: Optional[t.HostSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageHostRow:
        """Returns hosts by name."""
        query: Query = {"q": q, "state": state, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageHostRow, self.read("/api/0/hosts", query))

    def get_hosts_by_host(
        self, host: str
    ) -> t.Host:
        """Returns a host."""
        return cast(t.Host, self.read("/api/0/hosts/{}".format(part(host)), None))

    def delete_hosts_by_host(
        self, host: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Drops a host with all that is known about it. Within an hour, and until the server is started anew,
        that can be undone."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/hosts/{}".format(part(host)), None, None, headers).value()

    def get_hosts_access(
        self, host: str
    ) -> t.HostAccess:
        """Returns who may do what with a host. Everybody who may do something is told to its owner alone."""
        return cast(t.HostAccess, self.read("/api/0/hosts/{}/access".format(part(host)), None))

    def put_hosts_access(
        self, host: str, body: t.NewHostAccess, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Has others be managers and monitors of a host, and somebody else its owner if one is named."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("PUT", "/api/0/hosts/{}/access".format(part(host)), None, body, headers).value()

    def get_hosts_actions(
        self, host: str
    ) -> t.Actions:
        """Returns what a host offers, and its newest orders."""
        return cast(t.Actions, self.read("/api/0/hosts/{}/actions".format(part(host)), None))

    def post_hosts_actions_by_name(
        self, host: str, name: str, body: t.OrderRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Order:
        """Orders an action."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Order, self.request("POST", "/api/0/hosts/{}/actions/{}".format(part(host), part(name)), None, body, headers).value())

    def get_hosts_alerts(
        self, host: str
    ) -> t.Alerts:
        """Returns every check of a host."""
        return cast(t.Alerts, self.read("/api/0/hosts/{}/alerts".format(part(host)), None))

    def get_hosts_events(
        self, host: str, *, q: Optional[str] = None, sort: Optional[t.TimeSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageActivity:
        """Returns what happened on a host, newest first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageActivity, self.read("/api/0/hosts/{}/events".format(part(host)), query))

    def get_hosts_lanes(
        self, host: str, *, from_: Optional[int] = None, to: Optional[int] = None
    ) -> t.Lanes:
        """Returns the states of the checks of a host over time."""
        query: Query = {"from": from_, "to": to}
        return cast(t.Lanes, self.read("/api/0/hosts/{}/lanes".format(part(host)), query))

    def post_hosts_look(
        self, host: str, *, check: Optional[str] = None, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Looking:
        """Looks at a check of a host now, or at all that the server runs for it. Its result comes as any other
        does."""
        query: Query = {"check": check}
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Looking, self.request("POST", "/api/0/hosts/{}/look".format(part(host)), query, None, headers).value())

    def get_hosts_metrics(
        self, host: str
    ) -> t.Metrics:
        """Returns the metrics of a host."""
        return cast(t.Metrics, self.read("/api/0/hosts/{}/metrics".format(part(host)), None))

    def put_hosts_owner(
        self, host: str, body: t.NewOwner, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Has a host be somebody else's. Whoever hands it over keeps the roles on it that he has otherwise."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("PUT", "/api/0/hosts/{}/owner".format(part(host)), None, body, headers).value()

    def get_hosts_plugins(
        self, host: str
    ) -> t.Plugins:
        """Returns the newest data of every collector of a host."""
        return cast(t.Plugins, self.read("/api/0/hosts/{}/plugins".format(part(host)), None))

    def get_hosts_plugins_by_plugin(
        self, host: str, plugin: str, *, limit: Optional[int] = None
    ) -> t.PluginHistory:
        """Returns the newest samples of a collector of a host."""
        query: Query = {"limit": limit}
        return cast(t.PluginHistory, self.read("/api/0/hosts/{}/plugins/{}".format(part(host), part(plugin)), query))

    def post_hosts_restore(
        self, host: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Gives back a host that was dropped: its history, its facts and the tags that it joined with. Its
        checks begin anew, and its incidents stay ended."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("POST", "/api/0/hosts/{}/restore".format(part(host)), None, None, headers).value()

    def get_hosts_series(
        self, host: str, *, names: str, from_: Optional[int] = None, to: Optional[int] = None, points: Optional[int] = None, step: Optional[int] = None, fill: Optional[t.Fill] = None, top: Optional[int] = None, by: Optional[t.By] = None
    ) -> t.Series:
        """Returns series of a host by columns."""
        query: Query = {"names": names, "from": from_, "to": to, "points": points, "step": step, "fill": fill, "top": top, "by": by}
        return cast(t.Series, self.read("/api/0/hosts/{}/series".format(part(host)), query))

    def get_hosts_series_csv(
        self, host: str, *, names: str, from_: Optional[int] = None, to: Optional[int] = None, points: Optional[int] = None, step: Optional[int] = None, fill: Optional[t.Fill] = None, top: Optional[int] = None, by: Optional[t.By] = None
    ) -> str:
        """Returns series of a host as comma-separated values: a line for each point, and of each series its
        mean, lowest and highest value there. A value that is not there is empty."""
        query: Query = {"names": names, "from": from_, "to": to, "points": points, "step": step, "fill": fill, "top": top, "by": by}
        return cast(str, self.read("/api/0/hosts/{}/series.csv".format(part(host)), query))

    def get_incidents(
        self, *, view: Optional[t.View] = None, sev: Optional[t.Severity] = None, q: Optional[str] = None, sort: Optional[t.IncidentSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageIncidentRow:
        """Returns incidents."""
        query: Query = {"view": view, "sev": sev, "q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageIncidentRow, self.read("/api/0/incidents", query))

    def get_incidents_by_id(
        self, id: int
    ) -> t.Incident:
        """Returns an incident."""
        return cast(t.Incident, self.read("/api/0/incidents/{}".format(part(id)), None))

    def post_incidents_ack(
        self, id: int, body: t.AckRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.IncidentRow:
        """Takes an incident."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.IncidentRow, self.request("POST", "/api/0/incidents/{}/ack".format(part(id)), None, body, headers).value())

    def post_incidents_cause(
        self, id: int, body: t.CauseRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.IncidentRow:
        """Says from which open incident one follows: it is then told with its cause only. Both must be the
        user's to operate."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.IncidentRow, self.request("POST", "/api/0/incidents/{}/cause".format(part(id)), None, body, headers).value())

    def post_incidents_comment(
        self, id: int, body: t.CommentRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.IncidentRow:
        """Adds a remark."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.IncidentRow, self.request("POST", "/api/0/incidents/{}/comment".format(part(id)), None, body, headers).value())

    def get_incidents_explain(
        self, id: int
    ) -> t.Explanation:
        """Says why each receiver was told or not."""
        return cast(t.Explanation, self.read("/api/0/incidents/{}/explain".format(part(id)), None))

    def post_incidents_resolve(
        self, id: int, body: t.ResolveRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.IncidentRow:
        """Ends an incident that does not end by itself: that of a volatile check, whose results are events."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.IncidentRow, self.request("POST", "/api/0/incidents/{}/resolve".format(part(id)), None, body, headers).value())

    def post_incidents_silence(
        self, id: int, body: t.SilenceIncidentRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Silence:
        """Silences exactly the incident's host and check."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Silence, self.request("POST", "/api/0/incidents/{}/silence".format(part(id)), None, body, headers).value())

    def post_incidents_unack(
        self, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.IncidentRow:
        """Gives an incident back."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.IncidentRow, self.request("POST", "/api/0/incidents/{}/unack".format(part(id)), None, None, headers).value())

    def get_jobs(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Job]:
        """Returns the long work that one has ordered, the newest first; for administrators that of all."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Job], self.read("/api/0/jobs", query))

    def get_jobs_by_id(
        self, id: int
    ) -> t.Job:
        """Returns how far long work has come."""
        return cast(t.Job, self.read("/api/0/jobs/{}".format(part(id)), None))

    def post_jobs_cancel(
        self, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Job:
        """Ends long work between two of its steps. What it has done stays."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Job, self.request("POST", "/api/0/jobs/{}/cancel".format(part(id)), None, None, headers).value())

    def post_match_preview(
        self, body: t.PreviewRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Preview:
        """Returns what a matcher would cover, and when a maintenance that comes again would hold."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Preview, self.request("POST", "/api/0/match/preview", None, body, headers).value())

    def get_metrics(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.MetricSummary]:
        """Returns the metrics of all hosts by name, with how many hosts have each."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.MetricSummary], self.read("/api/0/metrics", query))

    def get_metrics_hosts(
        self, metric: str, *, q: Optional[str] = None, sort: Optional[t.MetricHostSort] = None, cursor: Optional[t.Cursor] = None, limit: Optional[int] = None
    ) -> t.PageMetricOnHost:
        """Returns the series of a metric with their newest values, by host. One that no visible host has is
        none."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageMetricOnHost, self.read("/api/0/metrics/{}/hosts".format(part(metric)), query))

    def get_oncall(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Rota]:
        """Returns who is on call, by rota."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Rota], self.read("/api/0/oncall", query))

    def get_oncall_by_name(
        self, name: str
    ) -> str:
        """Returns the shifts of a rota for calendar programs."""
        return cast(str, self.read("/api/0/oncall/{}".format(part(name)), None))

    def get_overview(
        self
    ) -> t.Overview:
        """Returns the first screen in one answer."""
        return cast(t.Overview, self.read("/api/0/overview", None))

    def get_pushes(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Push]:
        """Returns every job that reports itself. Their addresses are secrets, so for administrators."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Push], self.read("/api/0/pushes", query))

    def post_quarantine_end(
        self, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Has people be told again by a server that was restored from a backup: the one that it is a copy of
        does not run any more."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("POST", "/api/0/quarantine/end", None, None, headers).value()

    def get_receivers(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Receiver]:
        """Returns receivers."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Receiver], self.read("/api/0/receivers", query))

    def post_receivers_call(
        self, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> str:
        """Takes a call of the service behind a receiver, such as a button that was pressed. What counts is the
        service's signature."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(str, self.request("POST", "/api/0/receivers/{}/call".format(part(name)), None, None, headers).value())

    def post_receivers_test(
        self, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.TestSent:
        """Sends a test message, before all that waits for the receiver, also if that is failing."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.TestSent, self.request("POST", "/api/0/receivers/{}/test".format(part(name)), None, None, headers).value())

    def get_reports(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.ReportRow]:
        """Returns the reports that are made regularly."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.ReportRow], self.read("/api/0/reports", query))

    def get_reports_by_name(
        self, name: str, *, from_: Optional[int] = None, to: Optional[int] = None
    ) -> t.MadeReport:
        """Makes a report now, and sends it to nobody."""
        query: Query = {"from": from_, "to": to}
        return cast(t.MadeReport, self.read("/api/0/reports/{}".format(part(name)), query))

    def post_reports_send(
        self, name: str, *, from_: Optional[int] = None, to: Optional[int] = None, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.MadeReport:
        """Makes a report now and sends it to its receivers; when it is due stays as it is."""
        query: Query = {"from": from_, "to": to}
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.MadeReport, self.request("POST", "/api/0/reports/{}/send".format(part(name)), query, None, headers).value())

    def get_routes(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Route]:
        """Returns routes in their order."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Route], self.read("/api/0/routes", query))

    def get_routes_test(
        self, *, host: str, check: Optional[str] = None, severity: Optional[t.Severity] = None, event: Optional[str] = None, at: Optional[t.Timestamp] = None
    ) -> List[t.RouteTestLine]:
        """Says who would be told of a problem that nobody has yet, when, by what and why, for a week. For who
        may see the host."""
        query: Query = {"host": host, "check": check, "severity": severity, "event": event, "at": at}
        return cast(List[t.RouteTestLine], self.read("/api/0/routes/test", query))

    def get_self(
        self
    ) -> t.Server:
        """Returns how the server is. Figures only, so every user may see them."""
        return cast(t.Server, self.read("/api/0/self", None))

    def get_series(
        self, *, names: str, hosts: Optional[str] = None, tag: Optional[str] = None, from_: Optional[int] = None, to: Optional[int] = None, points: Optional[int] = None, step: Optional[int] = None, fill: Optional[t.Fill] = None, top: Optional[int] = None, by: Optional[t.By] = None
    ) -> t.Across:
        """Returns series of several hosts, named or by a tag. A host that is not visible is left out, as one
        that does not exist is."""
        query: Query = {"names": names, "hosts": hosts, "tag": tag, "from": from_, "to": to, "points": points, "step": step, "fill": fill, "top": top, "by": by}
        return cast(t.Across, self.read("/api/0/series", query))

    def get_sessions(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Session]:
        """Returns one's sessions, the newest first."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Session], self.read("/api/0/sessions", query))

    def delete_sessions_by_id(
        self, id: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Ends one of one's sessions."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/sessions/{}".format(part(id)), None, None, headers).value()

    def get_setup(
        self
    ) -> t.Setup:
        """Says whether the first administrator is still to be made."""
        return cast(t.Setup, self.read("/api/0/setup", None))

    def post_setup(
        self, body: t.SetupRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Me:
        """Makes the first administrator with the code that the server printed, and logs in."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Me, self.request("POST", "/api/0/setup", None, body, headers).value())

    def get_silences(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Silence]:
        """Returns silences and maintenance that have not ended."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Silence], self.read("/api/0/silences", query))

    def post_silences(
        self, body: t.SilenceRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Silence:
        """Makes a silence or maintenance. Who is not an administrator names hosts of his, each in full."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Silence, self.request("POST", "/api/0/silences", None, body, headers).value())

    def get_silences_by_id(
        self, id: int
    ) -> t.Silence:
        """Returns a silence or maintenance that has not ended."""
        return cast(t.Silence, self.read("/api/0/silences/{}".format(part(id)), None))

    def put_silences_by_id(
        self, id: int, body: t.SilenceRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.Silence:
        """Changes a silence or maintenance: it is from now on what is asked for, under its number. What is kept
        is when it began, if that is not given, and a maintenance is not made of a silence."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.Silence, self.request("PUT", "/api/0/silences/{}".format(part(id)), None, body, headers).value())

    def delete_silences_by_id(
        self, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Ends a silence or maintenance."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/silences/{}".format(part(id)), None, None, headers).value()

    def get_status_pages(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> t.PageStatusPageRow:
        """Returns the status pages, and how they are."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PageStatusPageRow, self.read("/api/0/status-pages", query))

    def get_status_pages_incidents(
        self, page: str, *, open: Optional[bool] = None, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> t.PagePublicIncident:
        """Returns what was published on a page, the newest first."""
        query: Query = {"open": open, "q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(t.PagePublicIncident, self.read("/api/0/status-pages/{}/incidents".format(part(page)), query))

    def post_status_pages_incidents(
        self, page: str, body: t.PublishRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.PublicIncident:
        """Publishes an incident on a page, or announces work. Everybody who may see the page reads all of it."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.PublicIncident, self.request("POST", "/api/0/status-pages/{}/incidents".format(part(page)), None, body, headers).value())

    def get_status_pages_incidents_by_id(
        self, page: str, id: int
    ) -> t.PublicIncident:
        """Returns something that was published. Its version is its entity tag."""
        return cast(t.PublicIncident, self.read("/api/0/status-pages/{}/incidents/{}".format(part(page), part(id)), None))

    def post_status_pages_incidents_by_id(
        self, page: str, id: int, body: t.PublicUpdateRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.PublicIncident:
        """Says more about something that was published; the stages `resolved` and `completed` end it."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.PublicIncident, self.request("POST", "/api/0/status-pages/{}/incidents/{}".format(part(page), part(id)), None, body, headers).value())

    def delete_status_pages_incidents_by_id(
        self, page: str, id: int, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Takes back what was published: for mistakes. What is over is resolved instead, and stays in the
        history."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/status-pages/{}/incidents/{}".format(part(page), part(id)), None, None, headers).value()

    def get_tokens(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Token]:
        """Returns one's API tokens."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Token], self.read("/api/0/tokens", query))

    def post_tokens(
        self, body: t.TokenRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.NewToken:
        """Makes an API token. A token cannot make further ones: what was stolen must not outlive its revocation."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.NewToken, self.request("POST", "/api/0/tokens", None, body, headers).value())

    def delete_tokens_by_id(
        self, id: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Revokes one of one's API tokens."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/tokens/{}".format(part(id)), None, None, headers).value()

    def get_updates(
        self
    ) -> t.Rollout:
        """Returns which releases are offered to whom, and how many hosts have them."""
        return cast(t.Rollout, self.read("/api/0/updates", None))

    def get_updates_by_name(
        self, name: str
    ) -> str:
        """Returns a file of a release to the host that the header `Hark-Host` names: 204 if it is not for this
        host now. It is no secret, and who takes it verifies it."""
        return cast(str, self.read("/api/0/updates/{}".format(part(name)), None))

    def get_users(
        self, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.User]:
        """Returns all users."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.User], self.read("/api/0/users", query))

    def post_users(
        self, body: t.NewUser, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.User:
        """Makes a user."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.User, self.request("POST", "/api/0/users", None, body, headers).value())

    def put_users_by_name(
        self, name: str, body: t.UserChange, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.User:
        """Changes a user; a new password or other rights end the user's sessions."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.User, self.request("PUT", "/api/0/users/{}".format(part(name)), None, body, headers).value())

    def delete_users_by_name(
        self, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Removes a user."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/users/{}".format(part(name)), None, None, headers).value()

    def delete_users_second_factor(
        self, name: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Takes a user's second factors away, for one who has lost them, and ends his sessions."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/users/{}/second-factor".format(part(name)), None, None, headers).value()

    def get_users_tokens(
        self, name: str, *, q: Optional[str] = None, sort: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> List[t.Token]:
        """Returns the API tokens of a user."""
        query: Query = {"q": q, "sort": sort, "cursor": cursor, "limit": limit}
        return cast(List[t.Token], self.read("/api/0/users/{}/tokens".format(part(name)), query))

    def post_users_tokens(
        self, name: str, body: t.TokenRequest, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> t.NewToken:
        """Makes an API token of a program. People make their own: whoever could make one of theirs could do
        things in their name."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        return cast(t.NewToken, self.request("POST", "/api/0/users/{}/tokens".format(part(name)), None, body, headers).value())

    def delete_users_tokens_by_id(
        self, name: str, id: str, *, if_match: Optional[str] = None, key: Optional[str] = None
    ) -> None:
        """Revokes an API token of a user."""
        headers: Dict[str, str] = {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if key is not None:
            headers["Idempotency-Key"] = key
        self.request("DELETE", "/api/0/users/{}/tokens/{}".format(part(name), part(id)), None, None, headers).value()
