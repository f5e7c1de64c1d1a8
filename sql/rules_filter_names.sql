-- A row filter that names its table, or means the row as a whole, holds in
-- partitions and in inheritance children, too.
CREATE EXTENSION ownership;
\set VERBOSITY terse
CREATE TABLE ro (id int, region text, status text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE ro_de PARTITION OF ro FOR VALUES IN ('de');
CREATE TABLE ro_us (note text, gone int, status text, region text NOT NULL, id int NOT NULL) PARTITION BY RANGE (id);
ALTER TABLE ro_us DROP gone;
CREATE TABLE ro_us_1 (gone int, status text, id int NOT NULL, note text, region text NOT NULL);
ALTER TABLE ro_us_1 DROP gone;
ALTER TABLE ro_us ATTACH PARTITION ro_us_1 FOR VALUES FROM (0) TO (100);
ALTER TABLE ro ATTACH PARTITION ro_us FOR VALUES IN ('us');
CREATE FUNCTION is_done(ro) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1.status = 'done' $$;
CREATE TABLE parent (id int PRIMARY KEY, status text, note text);
CREATE TABLE child (extra int) INHERITS (parent);
CREATE TABLE "Odd Name" (id int, status text, note text) PARTITION BY RANGE (id);
CREATE TABLE odd_1 PARTITION OF "Odd Name" FOR VALUES FROM (0) TO (100);
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('crm', 'crm');
	PERFORM ownership.assign('ro', NULL, 'erp');
	PERFORM ownership.assign_rows('ro', '{id,region,status,note}', 'crm', $f$ro.status = 'cart'$f$);
	PERFORM ownership.assign_rows('ro', '{note}', 'crm', $f$ro.status = 'open'$f$);
	PERFORM ownership.assign_rows('ro', '{note}', 'crm', 'public.is_done(ro)');
	PERFORM ownership.assign('"Odd Name"', NULL, 'erp');
	PERFORM ownership.assign('parent', NULL, 'erp');
	PERFORM ownership.assign_rows('parent', '{id,status,note}', 'crm', $f$parent.status = 'cart' AND parent IS NOT NULL$f$);
	PERFORM ownership.assign_rows('"Odd Name"', '{id,status,note}', 'crm', $f$public."Odd Name".status = 'cart'$f$);
	PERFORM ownership.assign_rows('"Odd Name"', '{note}', 'crm', $f$"Odd Name".* IS NOT DISTINCT FROM ROW(3, 'x', NULL)::public."Odd Name"$f$);
END $$;
SELECT relation, risk, detail FROM ownership.risks WHERE risk = 'broken_mirror';

SET ownership.system = 'crm';
INSERT INTO ro VALUES (1, 'de', 'cart', 'a'), (2, 'us', 'cart', 'b');
INSERT INTO ro VALUES (3, 'us', 'paid', 'c');
INSERT INTO ro_us_1 (id, region, status) VALUES (3, 'us', 'paid');
INSERT INTO parent VALUES (1, 'cart', 'a');
INSERT INTO child VALUES (2, 'cart', 'b', 0);
INSERT INTO child VALUES (3, 'paid', 'c', 0);
INSERT INTO "Odd Name" VALUES (1, 'cart', 'a');
INSERT INTO "Odd Name" VALUES (2, 'paid', 'a');
SET ownership.system = 'erp';
INSERT INTO ro VALUES (3, 'us', 'done', NULL), (4, 'de', 'open', NULL), (5, 'us', 'paid', NULL);
INSERT INTO "Odd Name" VALUES (3, 'x', NULL), (4, 'x', NULL);
SET ownership.system = 'crm';
UPDATE ro SET note = 'by the crm' WHERE id IN (1, 2, 3, 4);
UPDATE ro SET note = 'not the crm''s' WHERE id = 5;
UPDATE "Odd Name" SET note = 'by the crm' WHERE id = 3;
UPDATE "Odd Name" SET note = 'not any more' WHERE id = 3;
UPDATE "Odd Name" SET note = 'not the crm''s' WHERE id = 4;
UPDATE parent SET note = note || '!';
RESET ownership.system;
SELECT tableoid::regclass AS leaf, * FROM ro ORDER BY id;
SELECT tableoid::regclass AS leaf, * FROM parent ORDER BY id;
SELECT * FROM "Odd Name" ORDER BY id;

-- it follows the table's name
ALTER TABLE ro RENAME TO sales_order;
SET ownership.system = 'crm';
UPDATE sales_order SET note = 'renamed' WHERE id IN (2, 3, 4);
INSERT INTO sales_order VALUES (6, 'us', 'cart', 'new'), (7, 'de', 'cart', 'new');
UPDATE sales_order SET note = 'not the crm''s' WHERE id = 5;
RESET ownership.system;
SELECT id, note FROM sales_order ORDER BY id;
SELECT count(*) FROM ownership.risks WHERE risk = 'broken_mirror';
-- a partition's own name is not the table's
SELECT ownership.assign_rows('sales_order', '{note}', 'crm', $f$ro_de.status = 'x'$f$);

DROP EXTENSION ownership;
DROP TABLE sales_order, parent, child, "Odd Name" CASCADE;
