# Sourced by bench/run.sh after private_setup: servers, measurements and the
# report. A case is a file of cases/ that is sourced, in this order:
#
#   begin_case NAME TITLE TEXT...      what is measured, for the report
#   must ...                           a target; see must() below
#   compare / measure / record         the measurements
#
# Every measured value is a line of $RUN/results.tsv: case, variant, x (of a
# curve, else 0), round, metric, value. The report is made from nothing else.

SOCKETS=$(as_server mktemp -d /tmp/ownership-bench.XXXXXX)
SERVERS=
DATABASE=bench
tab=$(printf '\t')
PROBES=
PROFILER=
if perf record -q -e cpu-clock -o "$RUN/probe.profile" true >/dev/null 2>&1; then PROFILER=perf; fi
if perf stat -x ' ' -e instructions:u true 2>&1 | grep -q '^[0-9]'; then PROBES=instructions; fi
export RUN PROBES

say() { echo "$(date +%T) $*" >&2; }

for peer in bench/peers/*.sql; do
	printf '%s\t%s\n' "$(basename "$peer" .sql)" "$(sed -n '1s/^-- //p' "$peer")"
done > "$RUN/labels.tsv"
for file in cases musts results profiles; do : > "$RUN/$file.tsv"; done

# Servers

# start_server NAME SETTING ...
start_server() {
	server=$1
	shift
	as_server "$BINDIR/initdb" -D "$RUN/$server" -A trust -U bench -E UTF8 --no-locale -N >/dev/null
	as_server mkdir "$SOCKETS/$server"
	{
		cat "$CONF"
		cat <<-END
		listen_addresses = ''
		unix_socket_directories = '$SOCKETS/$server'
		# so that nothing else happens during a measurement (report.sql says why)
		shared_buffers = 2GB
		max_wal_size = 16GB
		checkpoint_timeout = 1h
		fsync = off
		autovacuum = off
		# room for subscriptions and maps of many tables
		max_worker_processes = 20
		max_logical_replication_workers = 10
		wal_retrieve_retry_interval = 10ms
		max_locks_per_transaction = 4096
		END
		printf '%s\n' "$@"
	} >> "$RUN/$server/postgresql.conf"
	as_server "$BINDIR/pg_ctl" -D "$RUN/$server" -l "$RUN/$server.log" -w -s start
	SERVERS="$server $SERVERS"
}

# count_instructions SERVER   restarts a server so that callgrind counts the instructions of
# each of its backends, in $RUN/SERVER.PID; false: valgrind is not there
count_instructions() {
	command -v valgrind > /dev/null || return 1
	cat > "$RUN/$1.callgrind" <<-END
	#!/bin/sh
	exec valgrind -q --tool=callgrind --callgrind-out-file='$RUN/$1.%p' '$BINDIR/postgres' "\$@"
	END
	chmod 755 "$RUN/$1.callgrind"
	as_server "$BINDIR/pg_ctl" -D "$RUN/$1" -w -s -m fast stop
	as_server "$BINDIR/pg_ctl" -p "$RUN/$1.callgrind" -D "$RUN/$1" -l "$RUN/$1.log" -w -t 600 -s start
}

# counted SERVER PID   what was counted of a backend that is about to end
counted() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		count=$(awk '/^totals:/ {n += $2} END {print n + 0}' "$RUN/$1.$2" 2>/dev/null || true)
		if [ "${count:-0}" != 0 ]; then break; fi
		sleep 0.5
	done
	echo "${count:-0}"
}

stop_servers() {
	for server in $SERVERS; do
		as_server "$BINDIR/pg_ctl" -D "$RUN/$server" -m immediate -s stop || true
	done
	rm -rf "$SOCKETS"
}

# on SERVER DATABASE [psql's options]
on() {
	server=$1
	database=$2
	shift 2
	"$BINDIR/psql" -X -q -A -t -F "$tab" -v ON_ERROR_STOP=1 -h "$SOCKETS/$server" -U bench -d "$database" "$@"
}

# sql [psql's options]   in the case's database of the hub
sql() { on hub "$DATABASE" "$@"; }

# new_database NAME   with the systems and the peers
new_database() {
	on hub postgres -c "CREATE DATABASE $1"
	on hub "$1" -f bench/setup.sql >/dev/null
}

# map_database TABLES   makes database map_TABLES (map.sql), once
map_database() {
	[ "$(on hub postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'map_$1'")" = 0 ] || return 0
	say "  a map of $1 tables, $(($1 * 10)) fields"
	new_database "map_$1"
	on hub "map_$1" -v tables="$1" -f bench/map.sql > /dev/null
}

# Cases

# begin_case NAME TITLE TEXT   also sets the defaults of the case's variables
begin_case() {
	CASE=$1
	printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$RUN/cases.tsv"
	say "$2"
	DATABASE=bench
	role=bench_erp
	rows=$ROWS
	prepare=
	before=
	warm=
	mark=
	statement=
	after=
	xs=0
	x=0
	at() { :; }
	measured() { :; }
	profiled() { PROBES=profile run_once "$1"; }
}

# narrow ROWS   SQL that makes t: four columns, of which the PIM owns the last
narrow() {
	echo "CREATE TABLE t AS
		SELECT i AS id, (i % 1000)::numeric(10,2) AS price, i % 50 AS stock, 'product ' || i AS title
		FROM generate_series(1, $1) i; ALTER TABLE t ADD PRIMARY KEY (id)"
}

# must KIND METRIC VARIANT BASE OP BOUND LABEL...   compares with BOUND, by KIND:
#   ratio       the median over the rounds of VARIANT / BASE
#   difference  the median of VARIANT less that of BASE
#   absolute    the median of VARIANT
#   ends        of a curve: the median over the rounds of last x / first x
must() {
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$CASE" "$7" "$1" "$2" "$3" "$4" "$5" "$6" >> "$RUN/musts.tsv"
}

# record VARIANT METRIC VALUE   of the current case, x and round
record() { printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$CASE" "$1" "$x" "$round" "$2" "$3" >> "$RUN/results.tsv"; }

# rotate ROUND WORD ...   the words, beginning elsewhere in each round
rotate() {
	n=$1
	shift
	n=$((n % $#))
	while [ $n -gt 0 ]; do
		first=$1
		shift
		set -- "$@" "$first"
		n=$((n - 1))
	done
	echo "$@"
}

# run_once VARIANT   measures peers/VARIANT.sql with the variables of the case
run_once() {
	sql -v peer="bench/peers/$1.sql" -v role="$role" -v rows="$rows" -v x="$x" -v probe=bench/probe.sh \
		-v prepare="$prepare" -v before="$before" -v warm="$warm" -v mark="$mark" \
		-v statement="$statement" -v after="$after" -f bench/measure.sql > "$RUN/measured"
}

# measure VARIANT   once
measure() {
	run_once "$1"
	while IFS=$tab read -r metric value; do
		[ -z "$value" ] || record "$1" "$metric" "$value"
	done < "$RUN/measured"
	measured "$1"
}

# compare VARIANT ...   measures them in turns, in all rounds, and at all x of a
# curve; the case's at() sets what depends on x, its measured() records more
compare() {
	round=0
	while [ "$round" -lt "$ROUNDS" ]; do
		round=$((round + 1))
		# shellcheck disable=SC2086
		for x in $(rotate "$round" $xs); do
			at "$x"
			for variant in $(rotate "$round" "$@"); do
				say "  round $round of $ROUNDS, $([ "$xs" = 0 ] || echo "$x, ")$variant"
				measure "$variant"
			done
		done
	done
	profile_misses
}

# profile_misses   profiles the variants of the case that missed a target; the
# case's profiled() runs a variant once more for that
profile_misses() {
	[ -n "$PROFILER" ] || return 0
	on hub postgres -v run="$RUN" -f bench/verdict.sql \
		-c "SELECT DISTINCT variant FROM verdict WHERE \"case\" = '$CASE' AND verdict = 'missed'" > "$RUN/missed"
	while read -r variant; do
		say "  profile of $variant"
		profiled "$variant" < /dev/null
		{
			printf 'Where "%s" spends its time:\n\n```\n' "$(sed -n "s/^$variant$tab//p" "$RUN/labels.tsv")"
			for sort in dso dso,symbol; do
				perf report -f -i "$RUN/probe.profile" --stdio -g none --percent-limit 1 --sort "$sort" 2>/dev/null |
					sed -n '/%/s/[- ]*$//p' | head -n 20
			done
			printf '```\n'
		} | sed "s/^/$CASE$tab/" >> "$RUN/profiles.tsv"
	done < "$RUN/missed"
}

# The report

report() {
	say 'report'
	on hub postgres -f bench/report.sql -v run="$RUN" -v rounds="$ROUNDS" -v machine="$(machine)" \
		-v date="$(date -u +%Y-%m-%d)" > "$RUN/RESULTS.md"
	cp "$RUN/RESULTS.md" "$REPORT/RESULTS.md"
	grep '^curve_' "$RUN/cases.tsv" | while IFS=$tab read -r name title about; do
		plot "$name" "$title" "$about"
	done
	say "$REPORT/RESULTS.md"
}

# plot CASE TITLE   the medians of the cost of a row
plot() {
	lines=
	awk -F "$tab" -v c="$1" '$1 == c && !seen[$2]++ {print $2}' "$RUN/results.tsv" > "$RUN/variants"
	while read -r variant; do
		data=$RUN/plot.$1.$variant
		on hub postgres -c 'CREATE TEMP TABLE r (c text, variant text, x int, round int, metric text, value text)' \
			-c "COPY r FROM '$RUN/results.tsv'" \
			-c "SELECT x, percentile_cont(0.5) WITHIN GROUP (ORDER BY value::float8) FROM r
				WHERE (c, variant, metric) = ('$1', '$variant', 'us_per_row') GROUP BY x ORDER BY x" > "$data"
		lines="$lines${lines:+, }'$data' with linespoints linewidth 2 title '$(awk -F "$tab" -v v="$variant" '$1 == v {print $2}' "$RUN/labels.tsv")'"
	done < "$RUN/variants"
	gnuplot <<-END
	set terminal svg size 720,420 font 'sans-serif,13' background 'white' noenhanced
	set output '$REPORT/$1.svg'
	set title '$2'
	set xlabel '${2##*against }'
	set ylabel 'µs a row'
	set logscale x
	set yrange [0:*]
	set key bottom right
	set grid
	set encoding utf8
	plot $lines
	END
}

machine() {
	sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | tr '\n' ' '
	echo "($(uname -m)), $(nproc) cores, $(awk '/MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo) GB"
}
