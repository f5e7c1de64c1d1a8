-- Lifting off foreign tables is exact: BEFORE judges there.
SELECT count(*) = 0 AS missing FROM pg_available_extensions WHERE name = 'postgres_fdw' \gset
\if :missing
	\echo postgres_fdw is not installed
	\quit
\endif
CREATE EXTENSION ownership;
CREATE EXTENSION postgres_fdw;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET track_functions = 'all';
-- whoever counts reads knows the writer earlier, and lifts more
SET ownership.track_reads = off;
DO $$ BEGIN
	EXECUTE format('CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, host %L, port %L)',
		current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'));
	CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
END $$;
CREATE TABLE far (id int PRIMARY KEY, price int, cost int, stock int, title text);
CREATE TABLE far_part (title text, stock int, cost int, price int, id int);
CREATE FOREIGN TABLE near (id int, price int, cost int DEFAULT 1, stock int, title text) SERVER loopback OPTIONS (table_name 'far');
CREATE TABLE parted (id int, price int, cost int DEFAULT 1, stock int, title text) PARTITION BY LIST (id);
CREATE TABLE parted_here PARTITION OF parted FOR VALUES IN (1, 2, 3);
CREATE FOREIGN TABLE parted_there PARTITION OF parted FOR VALUES IN (4, 5, 6) SERVER loopback OPTIONS (table_name 'far_part');
INSERT INTO far VALUES (1, 10, 1, 1, 'one'), (2, 20, 2, 2, 'two'), (4, 40, 4, 4, 'four');
INSERT INTO parted SELECT * FROM far;
DO $$
DECLARE t text;
BEGIN
	FOREACH t IN ARRAY '{near,parted}'::text[] LOOP
		PERFORM ownership.assign(t::regclass, '{id,title}', 'pim');
		PERFORM ownership.assign(t::regclass, '{price}', 'erp');
		PERFORM ownership.assign(t::regclass, '{cost}', 'erp', policy => 'keep');
		PERFORM ownership.assign(t::regclass, '{stock}', 'erp', policy => 'observe');
		UPDATE ownership.field SET key = (name = 'id') WHERE entity = t;
	END LOOP;
END $$;

-- Runs a statement and takes it back: its rows or its error, the tables, the
-- evidence; and how often the guard was called.
CREATE FUNCTION calls() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(coalesce(pg_stat_get_xact_function_calls(f), 0))::bigint FROM unnest('{ownership.guard_amend,ownership.guard_judge}'::regproc[]) f
$$;
CREATE FUNCTION run(lift boolean, system text, statement text, OUT result text, OUT state text, OUT called bigint) LANGUAGE plpgsql AS $$
BEGIN
	called := calls();
	BEGIN
		PERFORM set_config('ownership.lift', lift::text, true), set_config('ownership.system', system, true);
		BEGIN
			EXECUTE statement;
			GET DIAGNOSTICS result = ROW_COUNT;
		EXCEPTION WHEN insufficient_privilege THEN
			result := SQLERRM;
		END;
		SELECT concat(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C"),
			(SELECT string_agg(concat_ws(' ', '|', operation, outcome, columns, row_key, stored, proposed), ' ' ORDER BY id) FROM ownership.conflict))
		INTO state FROM (SELECT tableoid::regclass, * FROM near UNION ALL SELECT tableoid::regclass, * FROM parted) t;
		RAISE EXCEPTION 'take it back' USING ERRCODE = 'LIFT0';
	EXCEPTION WHEN SQLSTATE 'LIFT0' THEN
		NULL;
	END;
	called := calls() - called;
END $$;
CREATE FUNCTION same(system text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	cold record := run(true, system, statement);
	plain record := run(false, system, statement);
	warm record := run(true, system, statement);
BEGIN
	IF (cold.result, cold.state) IS DISTINCT FROM (plain.result, plain.state) OR (warm.result, warm.state) IS DISTINCT FROM (plain.result, plain.state) THEN
		RETURN format(E'DIVERGES\noff %s: %s\non  %s: %s\non  %s: %s', plain.result, plain.state, cold.result, cold.state, warm.result, warm.state);
	END IF;
	RETURN format('%s; %s outcomes; calls %s of %s', plain.result, regexp_count(plain.state, '\|'), warm.called, plain.called);
END $$;
\pset format unaligned
\pset tuples_only on

SELECT same('pim', $$UPDATE near SET title = 'x'$$);
SELECT same('pim', $$UPDATE near SET price = price, title = 'x'$$);
SELECT same('pim', $$UPDATE near SET price = 0, title = 'x'$$);
SELECT same('pim', $$UPDATE near SET cost = 0, title = 'x'$$);
SELECT same('pim', $$UPDATE near SET stock = 0, title = 'x'$$);
SELECT same('pim', $$INSERT INTO near (id, title) SELECT i, 'x' FROM generate_series(10, 15) i$$);
SELECT same('pim', $$INSERT INTO near (id, price) VALUES (10, 10)$$);
SELECT same('pim', $$INSERT INTO near (id, cost, stock) VALUES (10, 10, 10), (11, 1, NULL)$$);
SELECT same('pim', $$COPY near (id, title) FROM PROGRAM 'seq 10 15 | sed "s/$/\tx/"'$$);
SELECT same('pim', $$DELETE FROM near WHERE id = 1$$);
SELECT same('erp', $$DELETE FROM near WHERE id = 1$$);
SELECT same('erp', $$UPDATE near SET price = 0, cost = 0$$);
SELECT same('pim', $$WITH a AS (UPDATE near SET title = 'x' WHERE id = 1) UPDATE near SET price = 0 WHERE id = 2$$);
SELECT same('pim', $$WITH a AS (UPDATE near SET price = 0 WHERE id = 1) UPDATE near SET title = 'x' WHERE id = 2$$);
-- a foreign partition
SELECT same('pim', $$UPDATE parted SET title = 'x'$$);
SELECT same('pim', $$UPDATE parted SET price = 0 WHERE id = 4$$);
SELECT same('pim', $$UPDATE parted SET price = 0 WHERE id = 1$$);
SELECT same('pim', $$UPDATE parted SET cost = 0, stock = 0, title = 'x'$$);
SELECT same('pim', $$INSERT INTO parted (id, title) VALUES (1, 'x'), (4, 'x'), (2, 'x'), (5, 'x')$$);
SELECT same('pim', $$INSERT INTO parted (id, cost) VALUES (1, 9), (4, 9), (2, 9), (5, 9)$$);
SELECT same('pim', $$UPDATE parted SET id = 5, title = 'moved' WHERE id = 1$$);
SELECT same('pim', $$UPDATE parted SET id = 5, price = 0 WHERE id = 1$$);
SELECT same('pim', $$UPDATE parted SET id = 5, cost = 0, stock = 0 WHERE id = 1$$);
SELECT same('erp', $$UPDATE parted SET price = 0$$);
SELECT same('erp', $$DELETE FROM parted WHERE id = 4$$);

\pset format aligned
\pset tuples_only off
DROP FUNCTION same, run, calls;
DROP EXTENSION ownership CASCADE;
DROP FOREIGN TABLE near;
DROP TABLE parted, far, far_part;
DROP USER MAPPING FOR CURRENT_USER SERVER loopback;
DROP SERVER loopback;
DROP EXTENSION postgres_fdw;
