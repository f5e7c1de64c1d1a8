-- A column that is dropped and added under another name, as schema tools rename.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, note text);
SELECT ownership.assign('product', NULL, 'erp');
CREATE VIEW found AS SELECT severity, risk, entity || '.' || field AS field, relation, column_name AS "column", systems, detail, advice
	FROM ownership.risks WHERE risk = 'renamed';
CREATE FUNCTION carry() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE (SELECT substr(advice, strpos(advice, ': ') + 2) FROM found);
END $$;

INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
	VALUES ('public', 'product', '{"id": "1"}', 'UPDATE', 'crm', 'kept', '{price,note}', '{"price": "1", "note": "a"}', '{"price": "2", "note": "b"}');
CREATE VIEW refused AS SELECT c.columns, c.stored, c.proposed FROM ownership.conflict c;

-- in one command, in one transaction, in either order
ALTER TABLE product DROP price, ADD list_price numeric;
SELECT * FROM found \gx
-- the statement carries the map over, with what was refused
SELECT carry();
TABLE found;
TABLE refused;
SELECT column_name, entity, field, owner FROM ownership.map ORDER BY column_name;
BEGIN;
ALTER TABLE product DROP list_price;
ALTER TABLE product ADD amount numeric(10,2);
COMMIT;
SELECT detail FROM found;
SELECT carry();
BEGIN;
ALTER TABLE product ADD price numeric;
UPDATE product SET price = amount;
ALTER TABLE product DROP amount;
COMMIT;
SELECT detail FROM found;
-- the risk goes with the column, the map, or what came back
BEGIN;
ALTER TABLE product DROP price;
SELECT count(*) FROM found;
ROLLBACK;
SELECT count(*) FROM found;
ALTER TABLE product RENAME price TO cost;
SELECT detail FROM found;
ALTER TABLE product RENAME TO item;
SELECT detail FROM found;
ALTER TABLE item RENAME TO product;
ALTER TABLE product RENAME cost TO price;
BEGIN;
ALTER TABLE product ADD amount numeric;
SELECT count(*) FROM found;
ROLLBACK;
SELECT carry();
TABLE found;
SELECT column_name, field FROM ownership.map ORDER BY column_name;

-- where another fits, too, nobody can tell
BEGIN;
ALTER TABLE product DROP price;
ALTER TABLE product ADD a numeric, ADD b numeric;
COMMIT;
BEGIN;
ALTER TABLE product DROP title, DROP note;
ALTER TABLE product ADD label text;
COMMIT;
TABLE found;
-- another type
ALTER TABLE product ADD title text, ADD note text, ADD price numeric, DROP a, DROP b, DROP label;
ALTER TABLE product DROP price, ADD cents bigint;
-- one of each type
ALTER TABLE product ADD price numeric;
ALTER TABLE product DROP price, DROP title, ADD label text, ADD amount numeric;
SELECT detail FROM found;
-- in two transactions they are two things
ALTER TABLE product ADD title text, ADD price numeric, DROP label, DROP amount;
TABLE found;
ALTER TABLE product DROP price;
ALTER TABLE product ADD amount numeric;
-- a type that changed before
ALTER TABLE product ADD price numeric;
ALTER TABLE product ALTER price TYPE text;
ALTER TABLE product DROP price, ADD words text;
SELECT detail FROM found;
-- undone
ALTER TABLE product ADD price text;
BEGIN;
SAVEPOINT a;
ALTER TABLE product DROP price;
ROLLBACK TO a;
ALTER TABLE product ADD more text;
COMMIT;
TABLE found;
-- renamed, as it should be
ALTER TABLE product RENAME more TO less;
ALTER TABLE product RENAME price TO list_price;
TABLE found;

-- of a column that is there, evidence stays
UPDATE ownership.mirrored_column SET column_name = 'less' WHERE column_name = 'list_price';
SELECT columns FROM refused;

-- under a pattern the new one is on the map already, as a field of its own
CREATE SCHEMA land;
CREATE TABLE land.item (id int PRIMARY KEY, price numeric);
SELECT ownership.add_tables('land.*', source => 'crm');
ALTER TABLE land.item DROP price, ADD list_price numeric;
SELECT * FROM found \gx
SELECT carry();
TABLE found;
SELECT column_name, entity, field FROM ownership.map WHERE relation = 'land.item' ORDER BY column_name;
-- or as the same field, by its name
ALTER TABLE land.item DROP list_price, ADD price numeric;
TABLE found;
-- unless somebody decided about it
ALTER TABLE land.item DROP price, ADD cost numeric;
SELECT count(*) FROM found;
UPDATE ownership.field SET rationale = 'Another thing.' WHERE (entity, name) = ('land.item', 'cost');
TABLE found;

-- in partitions, and by a parent
CREATE TABLE part (id int, price numeric) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
SELECT ownership.assign('part', NULL, 'erp');
ALTER TABLE part DROP price, ADD cost numeric;
SELECT relation, detail FROM found;
-- anyone may look
CREATE ROLE regress_stranger;
GRANT SELECT ON found TO regress_stranger;
SET ROLE regress_stranger;
SELECT relation FROM found;
RESET ROLE;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA land CASCADE;
DROP TABLE product, part;
DROP FUNCTION carry;
DROP ROLE regress_stranger;
