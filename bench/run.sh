#!/bin/sh
# Compares the guard with an unguarded table and with other solutions (peers), on
# private servers, and writes bench/RESULTS.md and bench/*.svg.
#
#   make bench                          everything, as the targets assume
#   bench/run.sh bulk_update keep       some cases (cases/*.sh)
#   make bench ROWS=20000 ROUNDS=2 DURATION=1 FIELDS=2000    a smoke run
#
# ROWS     rows of a bulk statement (1000000); slower cases take a part of it
# ROUNDS   how often each variant is measured, in turns with the others (5)
# DURATION of one run of pgbench, in seconds (5)
# FIELDS   on the map, for what depends on the map's size (100000)
# REPORT   where the report and the plots go (bench)
set -eu
cd "$(dirname "$0")/.."
ROWS=${ROWS:-1000000}
ROUNDS=${ROUNDS:-5}
DURATION=${DURATION:-5}
FIELDS=${FIELDS:-100000}
REPORT=${REPORT:-bench}
CASES='bulk_update bulk_update_peers bulk_insert multirow_insert bulk_delete insert_waiting copy
	full_row_update full_row_update_wide full_row_update_toast keep evidence_insert
	pgbench hot_table replication replication_row curve_columns curve_systems curve_map curve_evidence session identities
	partitions map map_memory disagreements memory'
[ $# = 0 ] || CASES=$*
for case in $CASES; do
	[ -f "bench/cases/$case.sh" ] || { echo "no such case: $case (see bench/cases)" >&2; exit 1; }
done

. .ci/private.sh
private_setup bench >&2
. bench/lib.sh
trap stop_servers EXIT
trap 'exit 1' INT TERM

start_server hub "shared_preload_libraries = 'ownership'"
new_database bench
for case in $CASES; do
	. "bench/cases/$case.sh"
done
report
