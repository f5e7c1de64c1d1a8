-- Values of other systems that go with a table or a partition which DDL replaces: the ways in which one goes.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_loader;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim'); END $$;
CREATE PROCEDURE fresh() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('client_min_messages', 'error', true);
	DROP SCHEMA IF EXISTS s CASCADE;
	DROP SCHEMA IF EXISTS old CASCADE;
	DELETE FROM ownership.mirrored_table;
	DELETE FROM ownership.field;
	DELETE FROM ownership.replaced_table;
	DELETE FROM ownership.former_table;
	CREATE SCHEMA s;
	CREATE SCHEMA old;
	CREATE TABLE s.item (id int PRIMARY KEY, price int, title text);
	PERFORM ownership.assign('s.item', '{id,price}', 'erp'), ownership.assign('s.item', '{title}', 'pim');
	PERFORM set_config('ownership.enforcement', 'off', true);
	INSERT INTO s.item VALUES (1, 1, 'x');
	CREATE TABLE s.new AS TABLE s.item;
END $$;
CREATE VIEW lost AS SELECT relation, systems, split_part(detail, ':', 1) AS detail FROM ownership.risks WHERE risk = 'values_replaced';

CALL fresh();
DROP TABLE s.item CASCADE;
CREATE TABLE s.item AS SELECT 1 AS id, 2 AS price, NULL AS title;
TABLE lost;
CALL fresh();
BEGIN;
ALTER TABLE s.item SET SCHEMA old;
ALTER TABLE s.new RENAME TO item;
COMMIT;
TABLE lost;
CALL fresh();
BEGIN;
ALTER TABLE s.item RENAME TO was;
ALTER TABLE s.new RENAME TO item;
COMMIT;
TABLE lost;
-- again, while the first loss is still a risk
CREATE TABLE s.new AS TABLE s.item;
BEGIN;
DROP TABLE s.item;
ALTER TABLE s.new RENAME TO item;
COMMIT;
TABLE lost;
-- nothing is lost of a column that has only NULLs
CALL fresh();
SET ownership.enforcement = off;
UPDATE s.item SET title = NULL;
RESET ownership.enforcement;
DROP TABLE s.item;
ALTER TABLE s.new RENAME TO item;
TABLE lost;
CALL fresh();
DROP SCHEMA s CASCADE;
CREATE SCHEMA s;
CREATE TABLE s.item (id int PRIMARY KEY, price int, title text);
TABLE lost;
-- what a role owns; CASCADE takes along what is in its schemas
CALL fresh();
ALTER TABLE s.item OWNER TO regress_loader;
DROP OWNED BY regress_loader;
ALTER TABLE s.new RENAME TO item;
TABLE lost;
CALL fresh();
ALTER SCHEMA s OWNER TO regress_loader;
DROP OWNED BY regress_loader CASCADE;
CREATE SCHEMA s;
CREATE TABLE s.item (id int PRIMARY KEY, price int, title text);
TABLE lost;
-- a parent, a type
CALL fresh();
CREATE TABLE s.parent (id int, price int, title text);
ALTER TABLE s.item INHERIT s.parent;
DROP TABLE s.parent CASCADE;
ALTER TABLE s.new RENAME TO item;
TABLE lost;
CALL fresh();
CREATE TYPE s.item_row AS (id int, price int, title text);
DROP TABLE s.item;
CREATE TABLE s.item OF s.item_row;
SET ownership.enforcement = off;
INSERT INTO s.item VALUES (1, 1, 'x');
RESET ownership.enforcement;
DELETE FROM ownership.replaced_table;
DROP TYPE s.item_row CASCADE;
ALTER TABLE s.new RENAME TO item;
TABLE lost;
-- what cannot be dropped is not looked for; a role that may not drop waits for nobody
CALL fresh();
DROP TYPE nowhere CASCADE;
DROP OWNED BY regress_nobody;
SET ROLE regress_loader;
DROP TABLE s.item;
RESET ROLE;
SELECT count(*) FROM ownership.replaced_table;

-- Partitions: one with the same bounds takes the place
CREATE PROCEDURE parted() LANGUAGE plpgsql AS $$
BEGIN
	CALL fresh();
	PERFORM set_config('client_min_messages', 'error', true);
	CREATE TABLE s.sale (id int, day int, amount int, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
	CREATE TABLE s.sale_1 PARTITION OF s.sale FOR VALUES FROM (1) TO (2);
	CREATE TABLE s.sale_2 PARTITION OF s.sale FOR VALUES FROM (2) TO (3) PARTITION BY LIST (id);
	CREATE TABLE s.sale_2_1 PARTITION OF s.sale_2 DEFAULT;
	PERFORM ownership.assign('s.sale', '{id,day,amount}', 'erp'), ownership.assign('s.sale', '{note}', 'pim');
	PERFORM set_config('ownership.enforcement', 'off', true);
	INSERT INTO s.sale VALUES (1, 1, 1, 'x'), (2, 2, 2, 'y');
	CREATE TABLE s.fresh (LIKE s.sale INCLUDING ALL);
END $$;
CALL parted();
BEGIN;
ALTER TABLE s.sale DETACH PARTITION s.sale_1;
ALTER TABLE s.sale ATTACH PARTITION s.fresh FOR VALUES FROM (1) TO (2);
COMMIT;
TABLE lost;
-- in steps, dropped, and a part of the tree
CALL parted();
DROP TABLE s.sale_1;
CREATE TABLE s.sale_1 PARTITION OF s.sale FOR VALUES FROM (1) TO (2);
TABLE lost;
CALL parted();
ALTER TABLE s.sale DETACH PARTITION s.sale_2;
ALTER TABLE s.sale ATTACH PARTITION s.fresh FOR VALUES FROM (2) TO (3);
TABLE lost;
CALL parted();
ALTER TABLE s.sale_2 DETACH PARTITION s.sale_2_1;
ALTER TABLE s.sale_2 ATTACH PARTITION s.fresh DEFAULT;
TABLE lost;
-- none is replaced: the old month goes, a new one comes; the same one comes back; nobody else has values in it
CALL parted();
DROP TABLE s.sale_1;
CREATE TABLE s.sale_3 PARTITION OF s.sale FOR VALUES FROM (3) TO (4);
ALTER TABLE s.sale DETACH PARTITION s.sale_2;
ALTER TABLE s.sale ATTACH PARTITION s.sale_2 FOR VALUES FROM (2) TO (3);
ALTER TABLE s.sale DETACH PARTITION s.sale_3;
ALTER TABLE s.sale ATTACH PARTITION s.fresh FOR VALUES FROM (3) TO (4);
TABLE lost;
-- the risk goes with its row
CALL parted();
ALTER TABLE s.sale DETACH PARTITION s.sale_1;
ALTER TABLE s.sale ATTACH PARTITION s.fresh FOR VALUES FROM (1) TO (2);
ALTER TABLE s.sale RENAME TO sales;
TABLE lost;
DELETE FROM ownership.replaced_table WHERE (table_schema, table_name, system) = ('s', 'sales', 'pim');
TABLE lost;

DROP VIEW lost;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA s CASCADE;
DROP SCHEMA old CASCADE;
DROP PROCEDURE fresh, parted;
DROP ROLE regress_loader;
