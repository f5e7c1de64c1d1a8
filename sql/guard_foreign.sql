-- Foreign tables are judged BEFORE the row is sent: a wrapper need not be able
-- to take it back.
SELECT count(*) = 0 AS missing FROM pg_available_extensions WHERE name = 'postgres_fdw' \gset
\if :missing
	\echo postgres_fdw is not installed
	\quit
\endif
CREATE EXTENSION ownership;
CREATE EXTENSION postgres_fdw;
\set VERBOSITY terse
\set SHOW_CONTEXT never
DO $$ BEGIN
	EXECUTE format('CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, host %L, port %L)',
		current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'));
	CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
END $$;
CREATE TABLE far (id int PRIMARY KEY, price int, cost int, stock int, brand text, title text);
CREATE FOREIGN TABLE near (
	id int,
	price int,				-- the ERP's, reject
	cost int DEFAULT 1,		-- the ERP's, keep
	stock int,				-- the ERP's, observe
	brand text,				-- the ERP's, fill
	title text				-- the PIM's
) SERVER loopback OPTIONS (table_name 'far');
INSERT INTO far VALUES (1, 10, 1, 5, 'Acme', 'one'), (2, 20, 2, 6, NULL, 'two');
SET client_min_messages = warning;
DO $$ BEGIN
	PERFORM ownership.assign('near', '{id,title}', 'pim');
	PERFORM ownership.assign('near', '{price}', 'erp');
	PERFORM ownership.assign('near', '{cost}', 'erp', policy => 'keep');
	PERFORM ownership.assign('near', '{stock}', 'erp', policy => 'observe');
	PERFORM ownership.assign('near', '{brand}', 'erp', policy => 'fill');
	-- there is no primary key to tell
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'near';
END $$;
RESET client_min_messages;
CREATE VIEW evidence AS
SELECT row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY row_key, id;
-- TRUNCATE triggers of foreign tables came with PostgreSQL 16
SELECT relation, guarded, cardinality(triggers) = CASE WHEN current_setting('server_version_num')::int < 160000 THEN 2 ELSE 3 END AS triggers,
	(problems <> '{}') = (current_setting('server_version_num')::int < 160000
		AND (SELECT value FROM ownership.status WHERE fact = 'preloaded') = 'no') AS told
FROM ownership.guards;

SET ownership.system = 'pim';
-- UPDATE
UPDATE near SET title = 'own' WHERE id = 1 RETURNING *;
\set VERBOSITY default
UPDATE near SET title = 'x', price = 0 WHERE id = 1;
\set VERBOSITY terse
UPDATE near SET price = 10, cost = 1, title = 'echo' WHERE id = 1;
UPDATE near SET cost = 9, stock = 9, brand = 'Zeta', title = 'all' WHERE id = 1;
UPDATE near SET cost = 9, stock = 9, brand = 'Zeta', title = 'all' WHERE id = 2;
UPDATE near SET price = 0 WHERE id = 99;
SELECT * FROM far ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- INSERT, COPY
INSERT INTO near VALUES (3, NULL, 9, 9, 'new', 'three') RETURNING *;
INSERT INTO near (id, price) VALUES (4, 4);
INSERT INTO near (id, title) VALUES (1, 'there') ON CONFLICT DO NOTHING;
COPY near (id, cost, title) FROM stdin;
4	4	four
5	1	five
\.
COPY near (id, price) FROM stdin;
6	6
\.
SELECT * FROM far ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- DELETE
DELETE FROM near WHERE id = 5;
SET ownership.system = 'erp';
DELETE FROM near WHERE id = 4;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'near' AND key;
DELETE FROM near WHERE id = 4;
INSERT INTO near (id) VALUES (7);
UPDATE near SET id = 44, price = 44 WHERE id = 4;
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'near' AND key;
DELETE FROM near WHERE id = 4;
UPDATE ownership.field SET policy = NULL WHERE entity = 'near' AND key;
SELECT * FROM far ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- MERGE does not go to foreign tables; a view over one and a CTE do
CREATE VIEW nearer AS SELECT id, price, title FROM near;
UPDATE nearer SET price = 99, title = 'not the ERP''s' WHERE id = 1;
WITH a AS (UPDATE near SET price = 11 WHERE id = 1 RETURNING id)
UPDATE near SET price = 22 FROM a WHERE near.id = a.id + 1;
WITH a AS (UPDATE near SET price = 12 WHERE id = 1 RETURNING id)
UPDATE near SET title = 'x' FROM a WHERE near.id = a.id + 1;
SELECT id, price, title FROM far ORDER BY id;
-- TRUNCATE is refused; see guard_foreign_truncate
SET ownership.system = 'erp';
TRUNCATE near;
SELECT count(*) FROM far;

-- A foreign partition: written through the root, straight, and by a move.
CREATE TABLE far_stock (note text, qty int, region text, id int);
CREATE TABLE stock (id int, region text, qty int, note text) PARTITION BY LIST (region);
CREATE TABLE stock_eu PARTITION OF stock FOR VALUES IN ('eu');
CREATE FOREIGN TABLE stock_us PARTITION OF stock FOR VALUES IN ('us') SERVER loopback OPTIONS (table_name 'far_stock');
SET client_min_messages = warning;
DO $$ BEGIN
	PERFORM ownership.assign('stock', '{id,region,note}', 'pim');
	PERFORM ownership.assign('stock', '{qty}', 'erp', policy => 'keep');
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'stock';
END $$;
RESET client_min_messages;
SET ownership.system = 'pim';
INSERT INTO stock VALUES (1, 'eu', 1, 'a'), (2, 'us', 2, 'b'), (3, 'us', NULL, 'c');
UPDATE stock SET qty = 3, note = 'kept' WHERE id <= 2;
UPDATE stock_us SET qty = 4, note = 'straight' WHERE id = 3;
-- over there, with a value that stays here
UPDATE stock SET region = 'us', qty = 5, note = 'moved' WHERE id = 1 AND region = 'eu';
SELECT tableoid::regclass, * FROM stock ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'stock' AND name = 'qty';
INSERT INTO stock VALUES (4, 'eu', NULL, 'd');
UPDATE stock SET region = 'us', note = 'moved' WHERE id = 4 AND region = 'eu';
INSERT INTO stock VALUES (5, 'eu', NULL, 'e');
UPDATE stock SET region = 'us', qty = 5 WHERE id = 5 AND region = 'eu';
UPDATE stock SET qty = 5 WHERE id = 2;
INSERT INTO stock VALUES (6, 'us', 6, 'f');
-- the move is over: an INSERT after it is judged as one
SET ownership.system = 'pim';
BEGIN;
INSERT INTO stock VALUES (7, 'eu', NULL, 'g');
UPDATE stock SET region = 'us' WHERE id = 7 AND region = 'eu';
INSERT INTO stock VALUES (8, 'eu', 8, 'h');
ROLLBACK;
SET ownership.system = 'erp';
DELETE FROM stock WHERE id = 2;
UPDATE stock SET qty = 6 WHERE id = 2;
SELECT tableoid::regclass, * FROM stock ORDER BY id;
TABLE evidence;

RESET ownership.system;
DROP VIEW evidence, nearer;
DROP EXTENSION ownership CASCADE;
DROP FOREIGN TABLE near;
DROP TABLE stock, far, far_stock;
DROP USER MAPPING FOR CURRENT_USER SERVER loopback;
DROP SERVER loopback;
DROP EXTENSION postgres_fdw;
