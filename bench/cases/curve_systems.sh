begin_case curve_systems 'Cost of a row against systems' \
	"UPDATE of $((ROWS / 20)) rows of a table with 100 columns that are owned in turns by more and more systems. \"named\": as above."
must ends us_per_row mapped_systems '' '<=' 1.05 'own columns: flat, ≤ 1.05 × between ends'
must ends us_per_row mapped_systems_judged '' '<=' 1.05 'foreign column named: the same'

sql -c "DO \$\$ BEGIN FOR i IN 3..100 LOOP
	EXECUTE format('CREATE ROLE bench_%s', i);
	PERFORM ownership.add_system('s' || i, 'other', role => 'bench_' || i); END LOOP; END \$\$"
rows=$((ROWS / 20))
xs='2 10 30 100'
prepare="CREATE TABLE t AS SELECT i AS id, $(sql -c "SELECT string_agg(format('%s AS c%s', c, c), ', ' ORDER BY c) FROM generate_series(2, 100) c")
	FROM generate_series(1, $rows) i; ALTER TABLE t ADD PRIMARY KEY (id)"
warm='UPDATE t SET id = id, c2 = c2 WHERE id = 1'
statement='UPDATE t SET id = id'
compare unguarded mapped_systems mapped_systems_judged
