-- What suggest_links() costs: 400 columns of 100,000 rows, in 20 tables of 5 entities and 4 systems.
--
--   psql -d DATABASE -f bench/links.sql
--
-- The first line that begins with "!" and names "user" and "system" has the seconds of processor
-- time.  The database is a scratch one, in which the extension is.
CREATE FUNCTION bench_table(place int, entity int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	columns text := '';
BEGIN
	FOR c IN 1..8 LOOP
		columns := columns || format(', substr(md5(%L || n), 1, 12) AS t%s', format('e%s c%s ', entity, c), c);
	END LOOP;
	FOR c IN 1..4 LOOP
		columns := columns || format(', hashint4(n * %s + %s) & 65535 AS i%s', c, entity, c);
	END LOOP;
	FOR c IN 1..3 LOOP
		columns := columns || format(', ((hashint4(n * %s + %s) & 1048575) / 100.0)::numeric(10,2) AS p%s', c + 10, entity, c);
	END LOOP;
	EXECUTE format('CREATE SCHEMA IF NOT EXISTS bench_%s', place);
	EXECUTE format('CREATE TABLE bench_%s.t%s AS SELECT n AS id, %L || n AS code %s, (ARRAY[''a'', ''b'', ''c'', ''d''])[1 + (hashint4(n + 30) & 3)] AS status, '
		'date ''2010-01-01'' + (hashint4(n + 40) & 4095) AS day, (hashint4(n + 50) & 1) = 1 AS flag FROM generate_series(1, 100000) n',
		place, entity, format('K%s-', entity), columns);
	EXECUTE format('ALTER TABLE bench_%s.t%s ADD PRIMARY KEY (id)', place, entity);
END $$;
SET client_min_messages = warning;
SELECT bench_table(place, entity) FROM generate_series(1, 4) place, generate_series(1, 5) entity \g /dev/null
ANALYZE;
SET client_min_messages = log;
SET log_statement_stats = on;
SELECT sure, count(*) AS fields, sum(cardinality(columns)) AS columns FROM ownership.suggest_links('bench_*.*') GROUP BY 1;
RESET log_statement_stats;
SET client_min_messages = warning;
DROP SCHEMA bench_1, bench_2, bench_3, bench_4 CASCADE;
DROP FUNCTION bench_table;
