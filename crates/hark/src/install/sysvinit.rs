//! The script for machines without systemd.
//!
//! It is the one place where a shell is needed: init runs nothing else. It holds no text from outside
//! but the names that this program chose.

use super::{DATA, Part, USER, Wanted};

/// Returns the script's text; `program` is where the program lies.
pub(super) fn text(wanted: &Wanted, program: &str) -> String {
    let options = match wanted.part {
        Part::Agent | Part::Server | Part::Up => "--log syslog",
        // Where its log goes is in its configuration alone.
        Part::Watchdog => "",
    };
    TEMPLATE
        .replace("@OPTIONS@", options)
        .replace("@SERVICE@", wanted.part.service())
        .replace("@TITLE@", wanted.part.title())
        .replace("@COMMAND@", wanted.part.command())
        .replace("@PROGRAM@", program)
        .replace("@DATA@", DATA)
        .replace("@CONFIG@", wanted.part.config())
        .replace("@USER@", USER)
}

const TEMPLATE: &str = r#"#!/bin/sh
### BEGIN INIT INFO
# Provides:          @SERVICE@
# Required-Start:    $remote_fs $syslog
# Required-Stop:     $remote_fs $syslog
# Should-Start:      $network $named $time
# Should-Stop:       $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: @TITLE@
# Description:       Written by `hark`, which writes it anew when installed again. Own settings
#                    go to /etc/default/@SERVICE@: PROGRAM, DATA, RUN_AS, PIDFILE, OPTIONS.
### END INIT INFO

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
NAME=@SERVICE@
PROGRAM=@PROGRAM@
DATA=@DATA@
RUN_AS=@USER@
PIDFILE=/run/@SERVICE@.pid
OPTIONS="@OPTIONS@"
HARK_CONFIG=@CONFIG@
DEFAULTS=${HARK_DEFAULTS:-/etc/default/@SERVICE@}
[ ! -r "$DEFAULTS" ] || . "$DEFAULTS"
export HARK_CONFIG

# How long an end in order may take; then it is killed, which loses nothing either.
PATIENCE=TERM/8/KILL/5

# In a container there may be nobody who buries the dead.
is_alive() {
	read -r pid <"$PIDFILE" && read -r _ _ state _ 2>/dev/null <"/proc/$pid/stat" && [ "$state" != Z ]
}

is_running() {
	start-stop-daemon --status --pidfile "$PIDFILE" --name hark && is_alive
}

do_start() {
	[ -x "$PROGRAM" ] || { echo "$NAME: $PROGRAM is not there"; return 5; }
	if is_running; then echo "$NAME runs already"; return 0; fi
	[ -d "$DATA" ] || install -d -m 0700 -o "$RUN_AS" "$DATA" || return 1
	# It names a process that is dead, or another one by now.
	rm -f "$PIDFILE"
	# The pid stays the same when the program goes over to a newer version of itself.
	# shellcheck disable=SC2086
	start-stop-daemon --start --quiet --background --make-pidfile --pidfile "$PIDFILE" \
		--chuid "$RUN_AS" --chdir / --umask 0077 --startas "$PROGRAM" \
		-- @COMMAND@ --data "$DATA" $OPTIONS || return 1
	# What is wrong with its configuration ends it at once.
	for _ in 1 2 3 4 5; do
		sleep 0.2 2>/dev/null || sleep 1
		# On a busy machine it may not be called hark yet.
		is_alive || { echo "$NAME has ended at once: see syslog, or run: $PROGRAM config check"; return 1; }
	done
	echo "$NAME started"
}

do_stop() {
	if ! is_running; then rm -f "$PIDFILE"; echo "$NAME does not run"; return 0; fi
	start-stop-daemon --stop --quiet --retry="$PATIENCE" --pidfile "$PIDFILE" --name hark || return 1
	rm -f "$PIDFILE"
	echo "$NAME stopped"
}

case "$1" in
start)
	do_start
	;;
stop)
	do_stop
	;;
restart|force-reload)
	do_stop && do_start
	;;
reload)
	start-stop-daemon --stop --quiet --signal HUP --pidfile "$PIDFILE" --name hark
	;;
status)
	if is_running; then echo "$NAME runs as process $(cat "$PIDFILE")"; exit 0; fi
	if [ -e "$PIDFILE" ]; then echo "$NAME is dead, but $PIDFILE is there"; exit 1; fi
	echo "$NAME does not run"
	exit 3
	;;
*)
	echo "Usage: $0 {start|stop|restart|reload|force-reload|status}" >&2
	exit 2
	;;
esac
"#;
