-- TRUNCATE of guarded foreign tables, for which PostgreSQL has triggers from 16
-- on: judged like any other, however it reaches them.
SELECT count(*) = 0 AS missing FROM pg_available_extensions WHERE name = 'postgres_fdw' \gset
\if :missing
	\echo postgres_fdw is not installed
	\quit
\endif
CREATE EXTENSION ownership;
CREATE EXTENSION postgres_fdw;
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_nobody;
CREATE TABLE far (id int PRIMARY KEY, price int);
CREATE TABLE far_stock (id int, region text, qty int);
CREATE TABLE far_child (id int, v int);
DO $$ BEGIN
	EXECUTE format('CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, host %L, port %L)',
		current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'));
	EXECUTE format('CREATE USER MAPPING FOR PUBLIC SERVER loopback OPTIONS (user %L, password_required ''false'')', current_user);
	PERFORM ownership.add_system('erp', 'erp', role => 'regress_erp');
	PERFORM ownership.add_system('pim', 'pim', role => 'regress_pim');
END $$;
CREATE FOREIGN TABLE near (id int, price int) SERVER loopback OPTIONS (table_name 'far');
CREATE FOREIGN TABLE off_map (id int, price int) SERVER loopback OPTIONS (table_name 'far');
CREATE TABLE stock (id int, region text, qty int) PARTITION BY LIST (region);
CREATE TABLE stock_eu PARTITION OF stock FOR VALUES IN ('eu');
CREATE FOREIGN TABLE stock_us PARTITION OF stock FOR VALUES IN ('us') SERVER loopback OPTIONS (table_name 'far_stock');
CREATE TABLE parent (id int, v int);
CREATE FOREIGN TABLE child () INHERITS (parent) SERVER loopback OPTIONS (table_name 'far_child');
-- a table off the map, one of whose children is on it
CREATE TABLE above (id int, price int);
CREATE FOREIGN TABLE below () INHERITS (above) SERVER loopback OPTIONS (table_name 'far');
CREATE TABLE plain (id int);
SET client_min_messages = warning;
DO $$ BEGIN
	PERFORM ownership.assign('near', NULL, 'pim');
	PERFORM ownership.assign('stock', NULL, 'pim');
	PERFORM ownership.assign('parent', NULL, 'pim');
	PERFORM ownership.assign('below', NULL, 'pim');
	UPDATE ownership.field SET key = true WHERE name = 'id';
END $$;
RESET client_min_messages;
GRANT TRUNCATE, SELECT, INSERT ON near, off_map, stock, stock_us, parent, child, above, below, plain TO regress_erp, regress_pim;
GRANT SELECT ON near TO regress_nobody;
CREATE VIEW evidence AS SELECT table_name, row_key, operation, system, outcome, columns FROM ownership.conflict ORDER BY id;
CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS $$
	TRUNCATE far, far_stock, far_child;
	INSERT INTO far VALUES (1, 10), (2, 20);
	INSERT INTO far_stock VALUES (1, 'us', 1);
	INSERT INTO far_child VALUES (1, 1) $$;
CREATE VIEW left_over AS SELECT (SELECT count(*) FROM far) AS far, (SELECT count(*) FROM far_stock) AS far_stock, (SELECT count(*) FROM far_child) AS far_child;
SELECT fill();

-- by who does not own the key
SET ROLE regress_erp;
\set VERBOSITY default
TRUNCATE near;
\set VERBOSITY terse
TRUNCATE ONLY near;
TRUNCATE plain, near;
TRUNCATE near CASCADE;
TRUNCATE stock_us;
TRUNCATE stock;
TRUNCATE child;
TRUNCATE parent;
TRUNCATE above;
DO $$ BEGIN TRUNCATE near; END $$;
RESET ROLE;
TABLE left_over;
-- what does not reach one goes on
SET ROLE regress_erp;
TRUNCATE plain;
TRUNCATE ONLY above;
RESET ROLE;
TABLE left_over;
-- who may not truncate is told so, and nothing else
SET ROLE regress_nobody;
TRUNCATE near;
RESET ROLE;
-- who reads only
BEGIN READ ONLY;
SET LOCAL ROLE regress_erp;
TRUNCATE near;
ROLLBACK;
TRUNCATE no_such_table;
TRUNCATE left_over;

-- keep cannot keep; observe lets it through, with one row of evidence
UPDATE ownership.field SET policy = 'keep';
SET ROLE regress_erp;
TRUNCATE near;
RESET ROLE;
TABLE left_over;
UPDATE ownership.field SET policy = 'observe';
SET ROLE regress_erp;
TRUNCATE near;
TRUNCATE stock;
TRUNCATE stock_us;
TRUNCATE above;
BEGIN;
TRUNCATE child;
ROLLBACK;
RESET ROLE;
TABLE left_over;
TABLE evidence;
TRUNCATE ownership.conflict;
UPDATE ownership.field SET policy = NULL;

-- the owner; a table off the map; a guard that is switched off; enforcement
SELECT fill();
SET ROLE regress_pim;
TRUNCATE near, stock, parent;
RESET ROLE;
TABLE left_over;
SELECT fill();
SET ROLE regress_erp;
TRUNCATE off_map;
RESET ROLE;
SELECT fill();
ALTER FOREIGN TABLE near DISABLE TRIGGER USER;
SET ROLE regress_erp;
TRUNCATE near;
RESET ROLE;
SELECT ownership.guard('near');
SELECT fill();
SET ownership.enforcement = off;
SET ROLE regress_erp;
TRUNCATE near;
RESET ROLE;
RESET ownership.enforcement;
TABLE left_over;
TABLE evidence;

-- where neither a trigger nor the hook is there from the start, it is a risk
SELECT risk, severity, count(*) = 4 AS all_told FROM ownership.risks WHERE detail LIKE '%TRUNCATE of foreign table%' GROUP BY 1, 2
UNION ALL SELECT 'unguarded', 'high', true
WHERE current_setting('server_version_num')::int >= 160000 OR (SELECT value FROM ownership.status WHERE fact = 'preloaded') = 'yes';
SELECT count(*) FROM ownership.guards WHERE NOT guarded;

DROP VIEW evidence, left_over;
DROP FUNCTION fill();
DROP EXTENSION ownership CASCADE;
DROP FOREIGN TABLE near, off_map, child, below;
DROP TABLE stock, parent, above, plain, far, far_stock, far_child;
DROP USER MAPPING FOR PUBLIC SERVER loopback;
DROP SERVER loopback;
DROP EXTENSION postgres_fdw;
DROP ROLE regress_erp, regress_pim, regress_nobody;
