begin_case identities 'The first statement of a role that is no identity' \
	"UPDATE of one row by key in a database with 1,000 roles that are identities, by another role; 100 new sessions each, in turns. \"role\": the role is an identity itself."
must difference ms stranger unguarded '<=' 1.5 '≤ 1.5 ms more than unguarded'

new_database identities
DATABASE=identities
sql -c "DO 'BEGIN FOR i IN 1 .. 1000 LOOP EXECUTE ''CREATE ROLE bench_identity_'' || i; PERFORM ownership.identify(''erp'', role => ''bench_identity_'' || i); END LOOP; END'" \
	-c 'CREATE ROLE bench_stranger LOGIN'
for variant in unguarded ownership; do
	sql -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS t' -c "$(narrow 1000)"
	[ "$variant" = unguarded ] || sql -c 'SET client_min_messages = warning' -c "SELECT ownership.assign('t', '{id,stock,title}', 'erp'), ownership.assign('t', '{price}', NULL)" > /dev/null
	sql -c 'GRANT ALL ON t TO bench_erp, bench_stranger' -c "ALTER TABLE t RENAME TO session_$variant"
done
sql -c 'VACUUM ANALYZE' -c CHECKPOINT
round=0
x=0
while [ "$round" -lt 100 ]; do
	round=$((round + 1))
	for variant in $(rotate "$round" unguarded role stranger); do
		case $variant in
		unguarded) user=bench_stranger table=session_unguarded ;;
		role) user=bench_erp table=session_ownership ;;
		stranger) user=bench_stranger table=session_ownership ;;
		esac
		record "$variant" ms "$(sql -U "$user" -v t="$table" -f bench/cases/session.sql)"
	done
done
on hub postgres -c 'DROP DATABASE identities' -c "DO 'BEGIN FOR i IN 1 .. 1000 LOOP EXECUTE ''DROP ROLE bench_identity_'' || i; END LOOP; END'" \
	-c 'DROP ROLE bench_stranger'
