#!/bin/sh
# probe.sh start PID   begins to measure a backend
# probe.sh stop PID    prints what the backend used since then, as lines "metric value":
#   cpu            seconds on a processor, by the kernel's scheduler
#   instructions   in user mode, where perf can count them
#   profile        where it spent its time, for perf report (nothing is printed)
#   memory         bytes that its own memory grew at most (sampled)
# $PROBES says which of the last three. Its files are in $RUN.
set -eu
pid=$2
own() { awk '/^RssAnon/ {print $2 * 1024}' "/proc/$pid/status"; }
on_cpu() { awk '{print $1 / 1e9}' "/proc/$pid/schedstat" 2>/dev/null || true; }
has() { case " ${PROBES:-} " in *" $1 "*) ;; *) return 1 ;; esac; }

# Ends a process that an earlier call started, and waits for it.
end() {
	kill -INT "$1" 2>/dev/null || true
	while kill -0 "$1" 2>/dev/null; do sleep 0.02; done
}

case $1 in
start)
	if has memory; then
		own > "$RUN/probe.memory"
		{
			while own; do sleep 0.05; done >> "$RUN/probe.memory" 2>/dev/null
		} </dev/null >/dev/null 2>&1 &
		echo $! > "$RUN/probe.sampler"
	fi
	if has instructions; then
		perf stat -x ' ' -e instructions:u -p "$pid" -o "$RUN/probe.perf" </dev/null >/dev/null 2>&1 &
		echo $! > "$RUN/probe.counter"
		sleep 0.2
	fi
	if has profile; then
		perf record -q -e cpu-clock -F 999 -p "$pid" -o "$RUN/probe.profile" </dev/null >/dev/null 2>&1 &
		echo $! > "$RUN/probe.recorder"
		sleep 0.5
	fi
	on_cpu > "$RUN/probe.cpu"
	;;
stop)
	on_cpu | awk -v before="$(cat "$RUN/probe.cpu")" '{print "cpu", $1 - before}'
	if has instructions; then
		end "$(cat "$RUN/probe.counter")"
		awk '/instructions/ && $1 ~ /^[0-9]+$/ {print "instructions", $1}' "$RUN/probe.perf"
	fi
	if has profile; then end "$(cat "$RUN/probe.recorder")"; fi
	if has memory; then
		kill "$(cat "$RUN/probe.sampler")"
		awk 'NR == 1 {first = $1} $1 > most {most = $1} END {print "memory", most - first}' "$RUN/probe.memory"
	fi
	;;
esac
