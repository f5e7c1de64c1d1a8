-- discover(): which tables it reads, and columns that tell who wrote a row.  The
-- server of this test keeps no commit timestamps: t/discover_origins.pl has those.
CREATE EXTENSION ownership;
CREATE ROLE regress_reader;
CREATE ROLE regress_erp;
SELECT ownership.discover(NULL);
SELECT ownership.discover('nothing.*');

-- columns, the most telling first
CREATE TABLE changed (id int, created_by text, updated_by varchar(200), source text);
INSERT INTO changed VALUES
	(1, 'ann', 'regress_erp', 'crm'), (2, 'ann', NULL, 'crm'), (3, 'ann', '  ', NULL), (4, 'regress_erp ', '', NULL),
	(5, NULL, NULL, 'crm'), (6, NULL, NULL, 'web'), (7, NULL, repeat('long', 30), 'web'), (8, NULL, NULL, 'regress_erp'),
	(9, NULL, NULL, NULL);
SELECT * FROM ownership.discover('changed');
-- a system, and an identity: the names of their columns mean them
SELECT ownership.add_system('crm', 'crm'), ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT * FROM ownership.discover('changed');

-- loaders
CREATE TABLE loaded (id int, updated_by text, _fivetran_synced timestamptz);
INSERT INTO loaded VALUES (1, 'ann', now()), (2, 'ann', NULL), (3, NULL, now());
CREATE TABLE "Loaded" ("_Airbyte_Raw_Id" text, "ModifiedBy" name, "LastModifiedBy" name);
INSERT INTO "Loaded" VALUES ('a', 'b', 'c'), (NULL, 'b', 'c'), (NULL, 'b', NULL), (NULL, NULL, NULL);
-- a dropped column, a generated one, numbers of users, other types
CREATE TYPE person AS ENUM ('ann', 'bob');
CREATE DOMAIN persons_name AS text;
CREATE TABLE types (gone text, id int, created_by int, updated_by person, changed_by persons_name,
	modified_by text GENERATED ALWAYS AS ('nobody') STORED);
INSERT INTO types VALUES ('x', 1, 1, 'ann', 'x'), ('x', 2, 2, NULL, 'carl'), ('x', 3, 3, NULL, NULL);
ALTER TABLE types DROP COLUMN gone;
SELECT * FROM ownership.discover('*oaded');
SELECT * FROM ownership.discover('types');

-- many values: the most frequent ones, and those of systems
CREATE TABLE people (id int, created_by text);
INSERT INTO people SELECT i, 'p' || least(i, 1000) FROM generate_series(1, 1010) i;
INSERT INTO people VALUES (0, 'ERP');
INSERT INTO people SELECT i, 'q' || i FROM generate_series(1, 1000) i;
SELECT count(*), sum(rows), max(rows) FROM ownership.discover('people');
SELECT system, origin, told_by, rows FROM ownership.discover('people') WHERE rows > 1 OR system IS NOT NULL;

-- partitions, each of which is a table; what is empty; what is temporary, or a view
CREATE TABLE part (id int, updated_by text) PARTITION BY RANGE (id);
CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE SCHEMA parts;
CREATE TABLE parts.b PARTITION OF part FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (id);
CREATE TABLE parts.b1 PARTITION OF parts.b FOR VALUES FROM (10) TO (20);
CREATE TABLE parts.b2 PARTITION OF parts.b FOR VALUES FROM (20) TO (30);
INSERT INTO part VALUES (1, 'erp'), (2, 'crm'), (11, 'crm');
SELECT * FROM ownership.discover('part');
SELECT * FROM ownership.discover('parts.*');
SELECT * FROM ownership.discover('parts.b1');
CREATE TEMP TABLE temporary (id int);
CREATE VIEW seen AS SELECT * FROM part;
SELECT * FROM ownership.discover('temporary');
SELECT * FROM ownership.discover('seen');

-- what the caller may not read, row security, foreign tables
CREATE TABLE hidden (id int, updated_by text);
CREATE TABLE secured (id int, updated_by text);
CREATE TABLE column_only (id int, updated_by text);
CREATE SCHEMA closed;
CREATE TABLE closed.t (id int);
CREATE FOREIGN DATA WRAPPER regress_nothing;
CREATE SERVER regress_nowhere FOREIGN DATA WRAPPER regress_nothing;
CREATE FOREIGN TABLE elsewhere (id int) SERVER regress_nowhere;
INSERT INTO hidden VALUES (1, 'crm');
INSERT INTO secured VALUES (1, 'crm');
INSERT INTO closed.t VALUES (1);
GRANT SELECT ON secured, closed.t, changed, elsewhere TO regress_reader;
GRANT SELECT (id) ON column_only TO regress_reader;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured USING (updated_by = 'erp');
SET ROLE regress_reader;
SELECT relation, sum(rows) FROM ownership.discover() GROUP BY 1;
SELECT * FROM ownership.discover('secured');
RESET ROLE;
-- a policy does not hold for a superuser
SELECT relation, sum(rows) FROM ownership.discover() GROUP BY 1 ORDER BY relation COLLATE "C";
-- it locks one table at a time, and keeps no lock
BEGIN;
SELECT count(*) FROM ownership.discover('chang*');
SELECT count(*) FROM pg_locks WHERE relation = 'changed'::regclass;
ROLLBACK;

-- the rows of the statement's snapshot: none that was deleted or rolled back
BEGIN;
INSERT INTO changed VALUES (10, 'x');
ROLLBACK;
DELETE FROM changed WHERE id < 9;
SELECT * FROM ownership.discover('changed');

-- suggest() says it as a reason
SELECT column_name, reason FROM ownership.suggest('loaded') ORDER BY 1;
SELECT column_name, reason FROM ownership.suggest('part') ORDER BY 1;
SET ROLE regress_reader;
SELECT column_name, reason FROM ownership.suggest('loaded') ORDER BY 1;
RESET ROLE;

DROP SCHEMA closed, parts CASCADE;
DROP TABLE changed, loaded, "Loaded", types, people, part, hidden, secured, column_only CASCADE;
DROP FOREIGN DATA WRAPPER regress_nothing CASCADE;
DROP TYPE person;
DROP DOMAIN persons_name;
DROP EXTENSION ownership;
DROP ROLE regress_reader, regress_erp;
