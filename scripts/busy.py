"""An agent with much to do: all collectors that cost nothing to others, 20 patterns in a log, 10 checks of
processes. For the scripts in this folder that measure.
"""
import pathlib

PATTERNS = (
    "panic", "out of memory", "segfault at", "I/O error", "connection refused", "timed out after [0-9]+ ?m?s",
    "permission denied", "authentication failure", "disk (is )?full", "no space left", "certificate .* expired",
    "replication lag", "deadlock detected", "too many open files", "worker [0-9]+ exited",
    "HTTP/1\\.[01]\" 5[0-9][0-9]", "checksum mismatch", "retrying in", "login ok", "slow query")

# Two of five tell each hit, the others count in windows.
KINDS = ("", "", ", more_than: 5, within: 1m", ", count_every: 1m", ", silent_for: 1h")

CHECKS = (
    "name: collectd, min: 0", "name: monit, min: 0", "name: prometheus-node, min: 0", "name: zabbix_agentd, min: 0",
    "pattern: 'hark agent'", "pattern: 'postgres: .*', min: 0", "user: root, max: 4000", "user: daemon, min: 0",
    "cgroup: ssh.service, min: 0", "name: floor, min: 0")


def configure(folder, seconds):
    """Writes the configuration; returns its path and that of the log."""
    log = pathlib.Path(folder, "app.log")
    log.write_text("")
    lines = ["agent:", "  logs:"]
    for n, pattern in enumerate(PATTERNS):
        lines.append(f"    p{n}: {{file: {log}, match: '{pattern}'{KINDS[n % len(KINDS)]}}}")
    lines.append("  processes:")
    lines += [f"    c{n}: {{{check}, every: {seconds}s}}" for n, check in enumerate(CHECKS)]
    lines += ["  collectors:", "    certificates: {paths: [/etc/ssl/certs/ssl-cert-snakeoil.pem]}"]
    path = pathlib.Path(folder, "much.yaml")
    path.write_text("\n".join(lines) + "\n")
    return path, log


def write(log, n):
    """Writes the lines of the nth interval: twenty, of which one has a hit that is counted."""
    with open(log, "a") as file:
        for i in range(20):
            what = "login ok" if i == 3 else "the usual place"
            file.write(f"Nov 21 03:00:{i:02} host app[{n}]: request {n * 20 + i} took {i * 7} ms and went to {what}\n")
