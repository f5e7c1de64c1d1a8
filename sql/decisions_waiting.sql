-- Values that wait: the view waiting; disagreements, accept() and dismiss() with
-- them; a row that was not created, once it is there.
CREATE EXTENSION ownership;
SET client_min_messages = notice;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_anna;
\o /dev/null
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('pim', 'pim', role => 'regress_pim'), ownership.add_system('crm', 'crm');
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, blurb text, stock int NOT NULL DEFAULT 0, note text CHECK (note <> 'bad'), rank int, code text NOT NULL DEFAULT 'c');
GRANT ALL ON product TO PUBLIC;
GRANT SELECT, UPDATE (resolution) ON ownership.conflict TO regress_anna;
SELECT ownership.assign('product', '{sku,price,stock}', 'erp', policy => 'keep'),
	ownership.assign('product', '{title,blurb}', 'pim', policy => 'keep'), ownership.assign('product', '{note}', 'crm', policy => 'keep'),
	ownership.assign('product', '{rank}', 'crm', policy => 'keep');
SELECT ownership.assign_rows('product', '{rank}', 'pim', 'stock > 5');
-- evidence as the guard writes it
CREATE FUNCTION parked(sku text, of text, proposed jsonb, at timestamptz DEFAULT now(), why text DEFAULT NULL) RETURNS bigint LANGUAGE SQL AS
	$$INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation, system, role, outcome, columns, proposed, problem)
	VALUES (at, 'public', 'product', jsonb_build_object('sku', sku), 'INSERT', of, 'feed', 'parked', ARRAY(SELECT jsonb_object_keys(proposed))::name[], proposed, why) RETURNING id$$;
CREATE FUNCTION remembered(sku text, by text, stored jsonb, at timestamptz DEFAULT now(), operation text DEFAULT 'DELETE') RETURNS bigint LANGUAGE SQL AS
	$$INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation, system, role, outcome, columns, stored)
	VALUES (at, 'public', 'product', jsonb_build_object('sku', sku), operation, by, 'feed', 'remembered', ARRAY(SELECT jsonb_object_keys(stored))::name[], stored) RETURNING id$$;
CREATE VIEW waits AS SELECT conflict_id AS id, row_key ->> 'sku' AS sku, column_name, system, value, outcome, until - since AS lasts, why FROM ownership.waiting;
CREATE VIEW evidence AS SELECT id, row_key ->> 'sku' AS sku, outcome, system, columns, resolution, resolved_by, resolved_at IS NOT NULL AS resolved FROM ownership.conflict ORDER BY id;
GRANT SELECT ON evidence TO PUBLIC;
\o

-- Each value is a row.  What is resolved, over, or of one transaction does not wait.
SELECT parked('p1', 'pim', '{"title": "Lamp", "blurb": null}'), remembered('r1', 'erp', '{"note": "n1", "title": "T1"}'),
	remembered('r2', 'erp', '{"rank": "3"}', operation => 'TRUNCATE'), parked('p2', 'crm', '{"note": "bad"}', why => 'new row violates check constraint'),
	remembered('r3', NULL, '{"note": "n3"}', now() - interval '6 days 23 hours'), remembered('r4', 'erp', '{"note": "over"}', now() - interval '7 days 1 hour'),
	remembered('r5', 'erp', '{"note": "one transaction"}', '-infinity'), parked('p3', 'pim', '{"title": "dismissed"}') \gset x
SELECT ownership.dismiss(max(id)) FROM ownership.conflict;
SELECT id AS p1 FROM evidence WHERE sku = 'p1' \gset
TABLE waits;
-- a table has a time of its own; 0 is until the transaction ends
UPDATE ownership.mirrored_table SET remember = '12 hours';
SELECT id, sku, lasts FROM waits WHERE outcome = 'remembered' ORDER BY id;
UPDATE ownership.mirrored_table SET remember = '0';
SELECT count(*) FROM waits WHERE outcome = 'remembered';
UPDATE ownership.mirrored_table SET remember = NULL;
SET ownership.remember = '2h';
SELECT id, lasts FROM waits WHERE outcome = 'remembered' ORDER BY id;
RESET ownership.remember;
SELECT column_name, system, outcome, waiting, problems FROM ownership.waiting_count ORDER BY 1, 2, 3;
SELECT field, waiting FROM ownership.matrix;
-- it shows what the caller may read of evidence; the counts are for everybody
SET ROLE regress_anna;
SELECT count(*) FROM ownership.waiting;
SET ROLE regress_erp;
SELECT count(*) FROM ownership.waiting;
SELECT field, waiting FROM ownership.matrix WHERE waiting > 0;
RESET ROLE;
ALTER TABLE ownership.conflict ENABLE ROW LEVEL SECURITY;
CREATE POLICY p1 ON ownership.conflict FOR SELECT USING (row_key ->> 'sku' = 'p1');
SET ROLE regress_anna;
SELECT conflict_id, column_name, value FROM ownership.waiting;
RESET ROLE;
DROP POLICY p1 ON ownership.conflict;
ALTER TABLE ownership.conflict DISABLE ROW LEVEL SECURITY;
-- the index for what waits serves the view
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM ownership.conflict c WHERE c.outcome IN ('parked', 'remembered') AND c.resolved_at IS NULL AND c.row_key IS NOT NULL;
RESET enable_seqscan;

-- accept() creates the row of a parked value, as a steward of the caller's privileges
SET ROLE regress_anna;
SELECT ownership.accept(:p1);
RESET ROLE;
TABLE product;
SELECT * FROM evidence WHERE sku = 'p1';
SELECT ownership.accept(:p1);
-- where it cannot, all is as it was
SELECT parked('p4', 'pim', '{"title": "Chair"}') AS p4 \gset
ALTER TABLE product ALTER code DROP DEFAULT;
SELECT ownership.accept(:p4);
ALTER TABLE product ALTER code SET DEFAULT 'c';
SELECT id, sku, outcome, resolution, resolved FROM evidence WHERE sku = 'p4';
SELECT count(*) FROM product WHERE sku = 'p4';
-- where the row is there by now, it writes the columns
SET ownership.enforcement = off;
INSERT INTO product (sku, price) VALUES ('p4', 4);
RESET ownership.enforcement;
SELECT ownership.accept(id) FROM evidence WHERE sku = 'p4' AND outcome = 'parked' AND resolution IS NULL;
SELECT sku, price, title FROM product WHERE sku = 'p4';
-- a column that is gone is left out
SELECT parked('p5', 'pim', '{"title": "Vase", "gone": "x"}') AS p5, parked('p6', 'pim', '{"gone": "x"}') AS p6 \gset
SELECT ownership.accept(:p5);
SELECT ownership.accept(:p6);
SELECT sku, title FROM product WHERE sku = 'p5';

-- accept() of remembered values writes them into the row, if there is one
SELECT id AS r1 FROM evidence WHERE sku = 'r1' \gset
SELECT ownership.accept(:r1);
SET ownership.enforcement = off;
INSERT INTO product (sku, price) VALUES ('r1', 1);
RESET ownership.enforcement;
SELECT ownership.accept(id) FROM evidence WHERE sku = 'r1' AND outcome = 'remembered' AND resolution IS NULL;
SELECT sku, price, title, note FROM product WHERE sku = 'r1';
SELECT sku, outcome, columns, resolution FROM evidence WHERE sku = 'r1';
-- what is over is not written
SET ownership.enforcement = off;
INSERT INTO product (sku, price) VALUES ('r4', 4), ('r5', 5);
RESET ownership.enforcement;
\set VERBOSITY terse
SELECT ownership.accept(id) FROM evidence WHERE sku = 'r4' AND outcome = 'remembered';
SELECT ownership.accept(id) FROM evidence WHERE sku = 'r5' AND outcome = 'remembered';
\set VERBOSITY default
-- a value that does not fit is an error, and waits on
SET ownership.enforcement = off;
INSERT INTO product (sku) VALUES ('p2');
RESET ownership.enforcement;
SELECT ownership.accept(id) FROM evidence WHERE sku = 'p2' AND outcome = 'parked';
SELECT sku, resolution FROM evidence WHERE sku = 'p2' AND outcome = 'parked';
-- several, all or none
SELECT parked('s1', 'pim', '{"title": "one"}') AS s1, parked('s2', 'crm', '{"note": "bad"}') AS s2, remembered('p4', 'erp', '{"note": "four"}') AS s3 \gset
SELECT ownership.accept(ARRAY[:s1, :s2, :s3]);
SELECT ownership.accept(ARRAY[:s1, :s3]);
SELECT sku, title, note FROM product WHERE sku IN ('s1', 's2', 'p4') ORDER BY sku;

-- dismiss() ends the waiting.  What was applied may be dismissed, which ends a risk.
SELECT parked('d1', 'pim', '{"title": "one"}') AS d1, remembered('d2', 'erp', '{"note": "two"}') AS d2 \gset
SET ROLE regress_anna;
SELECT ownership.dismiss(ARRAY[:d1, :d2]);
RESET ROLE;
SELECT id, resolution FROM evidence WHERE id IN (:d1, :d2);
UPDATE ownership.conflict SET resolution = 'applied' WHERE id IN (:d1, :d2);
SELECT ownership.accept(:d1);
SELECT ownership.dismiss(:d1);
SELECT ownership.dismiss(:d2);
SELECT id = :d1 AS parked, resolution FROM evidence WHERE id IN (:d1, :d2);

-- what the system that deleted the row is refused later takes nothing from it
SET ownership.enforcement = off;
INSERT INTO product (sku) VALUES ('l1');
RESET ownership.enforcement;
SELECT remembered('l1', 'erp', '{"note": "ours"}', now() - interval '1 hour') AS l1 \gset
SET ROLE regress_erp;
UPDATE product SET note = 'theirs' WHERE sku = 'l1';
RESET ROLE;
SELECT ownership.accept(:l1);
SELECT note FROM product WHERE sku = 'l1';

-- What waits was not refused: it hides nothing in disagreements, and is not listed.
SET ROLE regress_erp;
DELETE FROM product;
INSERT INTO product (sku, price) VALUES ('k1', 1);
RESET ROLE;
DELETE FROM ownership.conflict;
SET ROLE regress_pim;
UPDATE product SET price = 2 WHERE sku = 'k1';
RESET ROLE;
SELECT remembered('k1', 'pim', '{"price": "7"}'), parked('k1', 'pim', '{"price": "8"}') \gset k
SELECT row_key, column_name, outcome, refused, stored FROM ownership.disagreements ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
SELECT ownership.accept(min(id)) FROM ownership.conflict WHERE outcome = 'kept';
SELECT sku, price FROM product;

-- A row that was not created is listed by column once it is there: what accept() would write.
DELETE FROM ownership.conflict;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, role, outcome, columns, proposed) VALUES
	('public', 'product', '{"sku": "w1"}', 'INSERT', 'pim', 'regress_pim', 'discarded', '{sku}', '{"sku": "w1", "code": "c", "note": "n", "rank": null, "blurb": null, "price": "5", "stock": "0", "title": "Title"}'),
	('public', 'product', '{"sku": "w2"}', 'INSERT', 'pim', 'regress_pim', 'discarded', '{price,note}', '{"sku": "w2", "code": "c", "note": null, "rank": null, "blurb": null, "price": "6", "stock": "3", "title": "Other"}');
SELECT row_key, column_name, refused, stored, note FROM ownership.disagreements ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
SET ROLE regress_erp;
INSERT INTO product (sku, price, stock) VALUES ('w1', 4, 9);
RESET ROLE;
SELECT row_key, column_name, owner, refused, stored, note FROM ownership.disagreements ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
-- the writer's own newer value stands
SET ROLE regress_pim;
UPDATE product SET title = 'Newer' WHERE sku = 'w1';
RESET ROLE;
SELECT row_key, column_name, refused, stored FROM ownership.disagreements WHERE row_key ->> 'sku' = 'w1' ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
-- who may not read a column sees that
REVOKE ALL ON product FROM PUBLIC;
GRANT SELECT (sku, price) ON product TO regress_anna;
SET ROLE regress_anna;
SELECT row_key, column_name, refused, stored, note FROM ownership.disagreements WHERE row_key ->> 'sku' = 'w1' ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
RESET ROLE;
SELECT ownership.accept(conflict_id) FROM (SELECT DISTINCT conflict_id FROM ownership.disagreements WHERE row_key ->> 'sku' = 'w1') d;
SELECT sku, price, title, note, stock FROM product WHERE sku = 'w1';
SELECT row_key, column_name FROM ownership.disagreements ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;

-- what waits makes nobody an intruder
DELETE FROM ownership.conflict;
SELECT parked('m1', 'pim', '{"title": "one"}'), remembered('m2', 'erp', '{"note": "two", "title": "t"}') \gset m
SELECT field, system, rows FROM ownership.readiness;
SELECT field, systems, waiting FROM ownership.matrix WHERE waiting > 0;
-- prune() deletes what was parked and is resolved, and what was remembered long enough
UPDATE ownership.conflict SET recorded_at = '2020-01-01' WHERE outcome = 'parked';
UPDATE ownership.conflict SET recorded_at = now() - interval '3 days' WHERE outcome = 'remembered';
SELECT ownership.prune('1 day');
UPDATE ownership.conflict SET resolution = 'applied';
SELECT ownership.prune('1 day');
SELECT outcome FROM ownership.conflict;
UPDATE ownership.mirrored_table SET remember = '2 days';
SELECT ownership.prune('100 years');

-- revert() of a system's DELETEs puts back what they took along: where the row is
-- there again, and nobody has written the column since.
DELETE FROM ownership.conflict;
UPDATE ownership.mirrored_table SET remember = NULL;
SET ownership.enforcement = off;
DELETE FROM product;
INSERT INTO product (sku, title, note, code) VALUES ('v1', NULL, NULL, 'c'), ('v2', 'new', NULL, 'c'), ('v3', NULL, NULL, 'c'), ('v5', NULL, NULL, 'c');
RESET ownership.enforcement;
SELECT remembered('v1', 'erp', '{"title": "t1", "note": "n1", "code": "x", "gone": "g"}') AS v1, remembered('v2', 'erp', '{"title": "t2", "note": "n2"}', operation => 'TRUNCATE') AS v2,
	remembered('v3', 'erp', '{"title": "t3", "note": "bad"}') AS v3, remembered('v4', 'erp', '{"title": "t4"}') AS v4, remembered('v5', 'pim', '{"note": "n5"}') AS v5,
	remembered('v5', 'erp', '{"note": "over"}', now() - interval '30 days') AS v6 \gset
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', '-infinity', 'infinity');
SELECT row_key, column_name, from_value, to_value, outcome, reason FROM ownership.revert('erp', '-infinity', 'infinity', dry_run => false);
SELECT sku, title, note, code FROM product ORDER BY sku;
SELECT sku, outcome, system, columns, resolution FROM evidence;
SELECT row_key, column_name, outcome, reason FROM ownership.revert('erp', '-infinity', 'infinity');
-- where the DELETE itself is evidence, the row is created again, with these values
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, role, outcome, columns, stored)
	VALUES ('public', 'product', '{"sku": "v4"}', 'DELETE', 'erp', 'feed', 'observed', '{sku}', '{"sku": "v4", "title": "t4", "stock": "1", "code": "c"}');
SELECT row_key, column_name, outcome, reason FROM ownership.revert('erp', '-infinity', 'infinity') WHERE row_key ->> 'sku' = 'v4';
SELECT row_key, column_name, outcome, reason FROM ownership.revert('pim', '-infinity', 'infinity', dry_run => false);

-- New names of columns, tables and systems reach what waits.
DELETE FROM ownership.conflict;
SELECT parked('n1', 'pim', '{"title": "one"}'), remembered('n2', 'erp', '{"note": "two", "title": "t"}') \gset n
ALTER TABLE product RENAME title TO headline;
ALTER TABLE product RENAME sku TO article;
ALTER TABLE product RENAME TO goods;
UPDATE ownership.system SET name = 'pim2' WHERE name = 'pim';
SELECT relation, row_key, column_name, system, value, why FROM ownership.waiting;
SELECT columns, proposed, stored FROM ownership.conflict ORDER BY id;

DROP EXTENSION ownership CASCADE;
DROP FUNCTION parked, remembered;
DROP TABLE goods;
DROP ROLE regress_erp, regress_pim, regress_anna;
