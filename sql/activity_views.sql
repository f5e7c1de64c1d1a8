-- What is made of activity: the views, the risks, readiness.  The rows are
-- written by hand here; the TAP tests see to it that traffic writes them.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_stranger;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm'), ownership.add_system('pim', 'pim'), ownership.add_system('mdm', 'mdm');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, free text);
CREATE SCHEMA land;
CREATE TABLE land.item (id int PRIMARY KEY, price numeric);
SELECT ownership.assign('product', '{id,price}', 'erp', readers => '{pim}'), ownership.assign('product', '{title}', 'pim', writers => '{crm}', policy => 'observe'),
	ownership.assign('product', '{free}', NULL), ownership.add_tables('land.*', source => 'crm');
SELECT ownership.link('product.price', '{product.price,land.item.price}');
DELETE FROM ownership.field WHERE (entity, name) = ('land.item', 'price');
CREATE FUNCTION saw(table_schema text, table_name text, column_name text, system text, reads int DEFAULT 0, writes int DEFAULT 0, observed int DEFAULT 0, filled int DEFAULT 0, kept int DEFAULT 0, rejected int DEFAULT 0, overridden int DEFAULT 0)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO ownership.activity VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '2024-01-01 12:00', CASE WHEN $5 > 0 THEN '2024-01-02 12:00'::timestamptz END, CASE WHEN $6 > 0 THEN '2024-01-03 12:00'::timestamptz END)
$$;
CREATE VIEW found AS SELECT severity, risk, field, systems, detail FROM ownership.risks WHERE risk IN ('contested', 'silent_owner', 'undeclared_writer', 'undeclared_reader');

--
-- Without activity everything is as declared.
--
SELECT entity, field, systems FROM ownership.matrix;
SELECT relation, column_name, readers, writers, seen_readers, seen_writers FROM ownership.map;
TABLE found;
TABLE ownership.readiness;

--
-- The owner writes, declared readers read, a declared writer writes: what is
-- contested was so before, now with evidence; nothing is undeclared.
--
SELECT saw('public', 'product', 'price', 'erp', 1, 2), saw('public', 'product', 'price', 'pim', 1), saw('public', 'product', 'title', 'crm', 0, 1, 7), saw('public', 'product', 'title', 'pim', 1, 1);
TABLE found;
SELECT entity, field, systems FROM ownership.matrix WHERE field IN ('price', 'title');
-- the source of a landing table may write its own copy, a steward everything
SELECT saw('land', 'item', 'price', 'crm', 0, 5), saw('public', 'product', 'price', 'mdm', 0, 3, overridden => 4);
TABLE found;
SELECT entity, field, systems FROM ownership.matrix WHERE field = 'price';
-- others may not, nor read unnoticed; what was refused is an attempt
SELECT saw('public', 'product', 'price', 'crm', 3, 1, observed => 9), saw('public', 'product', 'id', 'pim', 1, 0, rejected => 2), saw('public', 'product', 'price', NULL, 1, 1, observed => 1);
TABLE found;
SELECT entity, field, systems FROM ownership.matrix;
SELECT relation, column_name, readers, writers, seen_readers, seen_writers FROM ownership.map;
-- where nobody owns a field, nobody intrudes; several writers contest it
SELECT saw('public', 'product', 'free', 'crm', 0, 1), saw('public', 'product', 'free', 'pim', 0, 1);
SELECT * FROM found WHERE field = 'free';
SELECT systems FROM ownership.matrix WHERE field = 'free';
-- the owner never writes, others do
UPDATE ownership.field SET owner = 'erp' WHERE name = 'free';
SELECT * FROM found WHERE field = 'free';
-- who owns some of the rows may write them, and is neither an intruder nor undeclared
SELECT ownership.assign_rows('product', '{free}', 'crm', 'id > 5');
SELECT * FROM found WHERE field = 'free';
SELECT systems FROM ownership.matrix WHERE field = 'free';
DELETE FROM ownership.row_owner;
-- a renamed system keeps its activity
UPDATE ownership.system SET name = 'crm2' WHERE name = 'crm';
SELECT DISTINCT system FROM ownership.activity WHERE system LIKE 'crm%';
UPDATE ownership.system SET name = 'crm' WHERE name = 'crm2';

--
-- readiness: what would be refused on reject; evidence tells who it was
--
INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation, system, role, application_name, outcome, columns, proposed) VALUES
	('2024-01-01', 'public', 'product', '{"id": 1}', 'UPDATE', 'crm', 'crm_app', 'sync', 'observed', '{price,title}', '{}'),
	('2024-01-02', 'public', 'product', '{"id": 2}', 'UPDATE', 'crm', 'crm_batch', 'nightly', 'observed', '{price}', '{}'),
	('2024-01-02', 'public', 'product', NULL, 'UPDATE', 'crm', 'crm_batch', 'nightly', 'observed', '{price}', '400'),
	('2024-01-05', 'public', 'product', '{"id": 3}', 'UPDATE', 'mdm', 'steward', NULL, 'overridden', '{price}', '{}'),
	('2024-01-04', 'public', 'product', '{"id": 1}', 'INSERT', NULL, 'somebody', 'psql', 'rejected', '{id}', '{}');
SELECT entity, field, owner, policy, system, rows, writes, roles, application_names, last_seen::date FROM ownership.readiness;
-- of a field without owner nothing would be refused
UPDATE ownership.field SET owner = NULL WHERE name IN ('price', 'id', 'free');
SELECT entity, field, system FROM ownership.readiness;

--
-- Who may see it: activity is for everyone; readiness names roles and
-- applications, and is not.
--
SELECT c.relname, has_table_privilege('regress_stranger', c.oid, 'SELECT') AS read, has_table_privilege('regress_stranger', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') AS change
FROM pg_class c WHERE relnamespace = 'ownership'::regnamespace AND relname IN ('activity', 'declared', 'seen', 'matrix', 'readiness', 'status') ORDER BY relname COLLATE "C";
SET ROLE regress_stranger;
SELECT count(*) > 0 AS reads FROM ownership.matrix;
SELECT count(*) > 0 AS reads FROM ownership.status;
SELECT system, publication FROM ownership.subscriber();
RESET ROLE;
-- settings are in bounds, and not for everyone
SET ROLE regress_stranger;
SET ownership.track_reads = off;
SET ownership.flush_interval = 10;
RESET ROLE;
-- everything has a description
SELECT c.relname FROM pg_class c WHERE relnamespace = 'ownership'::regnamespace AND relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT p.proname FROM pg_proc p WHERE pronamespace = 'ownership'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
-- what is restored elsewhere was not seen there
SELECT 'ownership.activity'::regclass = ANY (extconfig) AS dumped, 'ownership.conflict'::regclass = ANY (extconfig) AS evidence FROM pg_extension WHERE extname = 'ownership';

DROP EXTENSION ownership CASCADE;
DROP TABLE product;
DROP SCHEMA land CASCADE;
DROP FUNCTION saw;
DROP ROLE regress_erp, regress_stranger;
