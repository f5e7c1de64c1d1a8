/*
 * Pins in partitions, in MERGE, with lifting and without, for non-owners; and what
 * explains them.
 */
CREATE EXTENSION ownership;
CREATE SCHEMA pm;
CREATE TABLE pm.product (id int, region text, title text, price numeric, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE pm.product_n PARTITION OF pm.product FOR VALUES IN ('n');
CREATE TABLE pm.product_s PARTITION OF pm.product FOR VALUES IN ('s');
CREATE TABLE pm.copy (id int PRIMARY KEY, title text);
INSERT INTO pm.product SELECT i, 'n', 't' || i, i, NULL FROM generate_series(1, 4) i;
INSERT INTO pm.copy SELECT i, 't' || i FROM generate_series(1, 4) i;
CREATE ROLE pm_erp;
CREATE ROLE pm_pim;
CREATE ROLE pm_crm;
CREATE ROLE pm_steward;
GRANT USAGE ON SCHEMA pm TO pm_erp, pm_pim, pm_crm, pm_steward;
GRANT ALL ON ALL TABLES IN SCHEMA pm TO pm_erp, pm_pim, pm_crm, pm_steward;
SELECT ownership.add_system('erp', 'erp', role => 'pm_erp');
SELECT ownership.add_system('pim', 'pim', role => 'pm_pim');
SELECT ownership.add_system('crm', 'crm', role => 'pm_crm');
SELECT ownership.identify(NULL, role => 'pm_steward', steward => true);
SELECT ownership.assign('pm.product', '{id,region,price}', 'erp', entity => 'product', policy => 'keep');
SELECT ownership.assign('pm.product', '{title}', 'pim', entity => 'product', policy => 'observe');
SELECT ownership.assign('pm.product', '{note}', 'crm', entity => 'product', policy => 'create_only');
CREATE TABLE pm.item (id int PRIMARY KEY, title text);
INSERT INTO pm.item SELECT i, 'title ' || i FROM generate_series(1, 4) i;
SELECT ownership.assign('pm.item', '{id,title}', 'pim', entity => 'item');
SELECT ownership.link('item.id', '{pm.copy.id}');
SELECT ownership.link('item.title', '{pm.copy.title}', authoritative => 'pm.item.title');
SELECT ownership.guard('pm.copy');

-- the row moves to another partition, over SQL; its key changes with it
SET ROLE pm_steward;
SELECT ownership.pin_value('pm.product', '{"id": "1", "region": "n"}', 'title', 'pinned');
SELECT ownership.pin_value('pm.product_n', '{"id": 2, "region": "n"}', 'price', '22');
SELECT ownership.pin_value('pm.product', '{"id": 3, "region": "n"}', 'note', 'steward');
SET ROLE pm_erp;
UPDATE pm.product SET region = 's', price = 2 WHERE id < 3;
SELECT tableoid::regclass, * FROM pm.product ORDER BY id;
RESET ROLE;
SELECT row_key, column_name, value, replaced FROM ownership.pin ORDER BY id;
SET ROLE pm_pim;
UPDATE pm.product SET title = 't1' WHERE id = 1;
UPDATE pm.product_s SET title = 't1' WHERE id = 1;
SELECT title FROM pm.product WHERE id = 1;

-- MERGE: a column that only another action sets is not sent
SET ROLE pm_erp;
MERGE INTO pm.product p USING (VALUES (1, 's'), (2, 's')) v(id, region) ON p.id = v.id AND p.region = v.region
WHEN MATCHED AND p.id = 1 THEN UPDATE SET price = 7
WHEN MATCHED THEN UPDATE SET price = p.price;
RESET ROLE;
SELECT row_key, column_name, ended_at IS NOT NULL AS ended FROM ownership.pin ORDER BY id;
SET ROLE pm_erp;
MERGE INTO pm.product p USING (VALUES (2, 's', 2), (9, 's', 9)) v(id, region, price) ON p.id = v.id AND p.region = v.region
WHEN MATCHED THEN UPDATE SET price = v.price
WHEN NOT MATCHED THEN INSERT (id, region, price) VALUES (v.id, v.region, v.price);
SELECT id, price FROM pm.product WHERE id IN (2, 9) ORDER BY id;
RESET ROLE;

-- non-owners: the policy as usual, the pin stays
SET ROLE pm_erp;
UPDATE pm.product SET title = 'erp title' WHERE id = 1;
SET ROLE pm_pim;
UPDATE pm.product SET title = 't1' WHERE id = 1;
SELECT title FROM pm.product WHERE id = 1;
-- create_only: what waits in the pin stands before what the creator brings
SET ROLE pm_erp;
DELETE FROM pm.product WHERE id = 3;
INSERT INTO pm.product VALUES (3, 'n', NULL, 3, 'erp note');
SELECT id, note FROM pm.product WHERE id = 3;
RESET ROLE;
SELECT operation, system, outcome, stored, proposed FROM ownership.conflict WHERE system = 'erp' AND 'note' = ANY (columns) ORDER BY id;
SET ROLE pm_crm;
UPDATE pm.product SET note = 'crm note' WHERE id = 3;
SELECT id, note FROM pm.product WHERE id = 3;
-- a steward that creates the row brings another value: the pin moves
SET ROLE pm_steward;
SELECT ownership.pin_value('pm.product', '{"id": 3, "region": "n"}', 'note', 'once more');
DELETE FROM pm.product WHERE id = 3;
INSERT INTO pm.product VALUES (3, 'n', NULL, 3, 'steward again');
RESET ROLE;
SELECT p.note, pin.value, pin.replaced FROM pm.product p, ownership.pin WHERE p.id = 3 AND pin.row_key ->> 'id' = '3' AND ended_at IS NULL;

-- the owner's last word comes with a row that is created anew: the pin holds, and waits no more
RESET ROLE;
SELECT ownership.pin('pm.product', '{"id": 3, "region": "n"}', 'price');
SET ROLE pm_erp;
DELETE FROM pm.product WHERE id = 3;
INSERT INTO pm.product (id, region, price) VALUES (3, 'n', 33);
RESET ROLE;
SELECT p.price, pin.value, pin.replaced, pin.gone_at FROM pm.product p, ownership.pin WHERE p.id = 3 AND pin.row_key ->> 'id' = '3' AND column_name = 'price' AND ended_at IS NULL;

-- a value that the policy rejects is rejected, also where the row is created with a pinned one
SELECT ownership.pin('pm.product', '{"id": 3, "region": "n"}', 'note');
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'product' AND name = 'note';
SET ROLE pm_erp;
DELETE FROM pm.product WHERE id = 3;
INSERT INTO pm.product (id, region, note) VALUES (3, 'n', 'erp note');
INSERT INTO pm.product (id, region) VALUES (3, 'n');
RESET ROLE;
UPDATE ownership.field SET policy = 'create_only' WHERE entity = 'product' AND name = 'note';
SELECT id, note FROM pm.product WHERE id = 3;

-- with lifting and without
CREATE FUNCTION pm.round() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM ownership.pin;
	PERFORM ownership.unpin('pm.product', '{"id": 4, "region": "n"}', 'price');
	SET LOCAL ROLE pm_erp;
	UPDATE pm.product SET price = 4 WHERE id = 4;
	RESET ROLE;
	PERFORM ownership.pin_value('pm.product', '{"id": 4, "region": "n"}', 'price', '44');
	SET LOCAL ROLE pm_erp;
	UPDATE pm.product SET price = 4 WHERE id = 4;
	UPDATE pm.product SET price = price + 1 WHERE id = 2;
	DELETE FROM pm.product WHERE id = 4;
	INSERT INTO pm.product (id, region, price) VALUES (4, 'n', 4);
	SET LOCAL ROLE pm_pim;
	UPDATE pm.product SET title = 't4' WHERE id = 4;
	RESET ROLE;
	RETURN QUERY SELECT p::text FROM pm.product p WHERE id = 4;
	RETURN QUERY SELECT concat_ws(' ', row_key, column_name, value, replaced, gone_at, ended_at) FROM ownership.pin;
END $$;
SET ownership.lift = on;
SELECT pm.round();
SET ownership.lift = off;
SELECT pm.round();
RESET ownership.lift;
-- a prepared statement that the guard was lifted off
PREPARE save AS UPDATE pm.product SET title = 't2' WHERE id = 2;
SET ROLE pm_pim;
EXECUTE save;
EXECUTE save;
RESET ROLE;
SELECT ownership.pin_value('pm.product', '{"id": 2, "region": "s"}', 'title', 'pinned 2');
SET ROLE pm_pim;
EXECUTE save;
SELECT title FROM pm.product WHERE id = 2;
RESET ROLE;

-- explain(), why(), risks
SELECT * FROM ownership.explain('pm.product', 'title', 'pim', '{"id": 2, "region": "s"}');
SELECT allowed, outcome FROM ownership.explain('pm.product', 'title', 'pim', '{"id": 3, "region": "n"}');
SELECT event, system, value, detail FROM ownership.why('product.title', '{"id": 2, "region": "s"}') WHERE event LIKE 'pin%';
UPDATE ownership.pin SET pinned_at = '2020-01-02';
SET ROLE pm_crm;
SELECT severity, entity, field, relation, column_name, systems, detail, advice FROM ownership.risks WHERE risk = 'pinned';
RESET ROLE;

-- the page has numbers, for everybody
SET ROLE pm_crm;
SELECT * FROM (SELECT regexp_replace(regexp_replace(line, '<time.*?</time>', '(time)', 'g'), '<[^>]*>+', ' ', 'g') AS line
	FROM regexp_split_to_table(substring(ownership.page() FROM 'id="pinned".*?</section>'), '\n') line WHERE line ~ '^<tr') l;
RESET ROLE;

-- reconcile() leaves a pinned copy as it is
SELECT ownership.pin_value('pm.copy', '{"id": 2}', 'title', 'local title');
SELECT * FROM ownership.drift('item.title');
-- privileges on the columns are enough
GRANT SELECT ON pm.item TO pm_crm;
REVOKE ALL ON pm.copy FROM pm_crm;
GRANT SELECT (id, title) ON pm.copy TO pm_crm;
SET ROLE pm_crm;
SELECT row_key FROM ownership.drift('item.title');
RESET ROLE;
-- nothing is pinned in a dry run, nor when the time is over
SET ownership.enforcement = observe;
SELECT row_key FROM ownership.drift('item.title');
RESET ownership.enforcement;
UPDATE ownership.pin SET until = now() - interval '1 second' WHERE table_name = 'copy';
SELECT row_key FROM ownership.drift('item.title');
UPDATE ownership.pin SET until = NULL WHERE table_name = 'copy';
SELECT ownership.reconcile('item.title');
SELECT * FROM pm.copy ORDER BY id;
SELECT row_key FROM ownership.drift('item.title');
-- a renamed table and column take pins along
ALTER TABLE pm.copy RENAME COLUMN title TO name;
ALTER TABLE pm.copy RENAME TO shelf;
SELECT table_name, column_name FROM ownership.pin WHERE table_name <> 'product';

DROP OWNED BY pm_erp, pm_pim, pm_crm, pm_steward;
DROP SCHEMA pm CASCADE;
DROP EXTENSION ownership;
DROP ROLE pm_erp, pm_pim, pm_crm, pm_steward;
