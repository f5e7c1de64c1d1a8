/*
 * Pins: a steward's correction that the owner's next save does not undo.
 */
CREATE EXTENSION ownership;
CREATE SCHEMA pn;
CREATE TABLE pn.product (sku text PRIMARY KEY, title text, price numeric(10,2), city text, zip text, stock int DEFAULT 0, note text);
INSERT INTO pn.product VALUES ('A1', 'Chair', 10, 'Berlin', '10115', 5, 'n');
CREATE ROLE pin_erp;
CREATE ROLE pin_pim;
CREATE ROLE pin_steward;
CREATE ROLE pin_decider;
CREATE ROLE pin_nobody;
GRANT USAGE ON SCHEMA pn TO pin_erp, pin_pim, pin_steward, pin_decider, pin_nobody;
GRANT ALL ON ALL TABLES IN SCHEMA pn TO pin_erp, pin_pim, pin_steward, pin_decider, pin_nobody;
GRANT SELECT, UPDATE (resolution) ON ownership.conflict TO pin_decider;
SELECT ownership.add_system('erp', 'erp', role => 'pin_erp');
SELECT ownership.add_system('pim', 'pim', role => 'pin_pim');
SELECT ownership.identify(NULL, role => 'pin_steward', steward => true);
SELECT ownership.assign('pn.product', '{sku,price,stock}', 'erp', entity => 'product', policy => 'keep');
SELECT ownership.assign('pn.product', '{title}', 'pim', policy => 'keep');
SELECT ownership.assign('pn.product', '{city,zip}', 'pim', policy => 'keep', column_group => 'address');
SELECT ownership.assign('pn.product', '{note}', NULL);

CREATE VIEW pn.pins AS
SELECT row_key, column_name, value, replaced, replaced_known AS known, until IS NOT NULL AS until, pending, gone_at IS NOT NULL AS gone,
	reason, pinned_by, ended_at IS NOT NULL AS ended, ended_by
FROM ownership.pin ORDER BY id;

-- what can be pinned, and by whom
SET ROLE pin_nobody;
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'title');
SET ROLE pin_erp;
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'title');
SET ROLE pin_steward;
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'sku');
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'note');
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'absent');
SELECT ownership.pin('pn.product', '{"sku": "A9"}', 'title');
SELECT ownership.pin('pn.product', '{}', 'title');
SELECT ownership.pin('pn.product', '{"sku": "A1", "title": "Chair"}', 'title');
SELECT ownership.pin('pn.product', '[1]', 'title');
SELECT ownership.pin('pn.product', NULL, 'title');
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'title', until => '2000-01-01');
SELECT ownership.pin('pg_class', '{"oid": 1}', 'relname');
SELECT * FROM ownership.pin;
RESET ROLE;

-- a correction by plain SQL is pinned: the owner's resends stay out, its next value goes in
SET ROLE pin_steward;
UPDATE pn.product SET title = 'Oak chair' WHERE sku = 'A1';
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'title', reason => 'the label says so');
RESET ROLE;
SELECT * FROM pn.pins;
SET ROLE pin_pim;
UPDATE pn.product SET title = 'Chair' WHERE sku = 'A1';
UPDATE pn.product SET title = 'Chair', city = 'Bonn' WHERE sku = 'A1';
INSERT INTO pn.product (sku, title) VALUES ('A1', 'Chair') ON CONFLICT (sku) DO UPDATE SET title = EXCLUDED.title;
MERGE INTO pn.product p USING (VALUES ('A1', 'Chair')) v(sku, title) ON p.sku = v.sku WHEN MATCHED THEN UPDATE SET title = v.title;
RESET ROLE;
SELECT sku, title, city FROM pn.product;
SELECT operation, system, outcome, columns, stored, proposed FROM ownership.conflict ORDER BY id;
SELECT * FROM pn.pins;
SET ROLE pin_erp;
UPDATE pn.product SET title = 'Stool', stock = 6 WHERE sku = 'A1';
RESET ROLE;
SET ROLE pin_pim;
UPDATE pn.product SET title = 'Armchair' WHERE sku = 'A1';
RESET ROLE;
SELECT sku, title, stock FROM pn.product;
SELECT * FROM pn.pins;
DELETE FROM ownership.pin;

-- pin_value() writes first, and knows what it replaced; numerics that compare equal do not differ
SET ROLE pin_steward;
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'price', '12.5');
RESET ROLE;
SELECT * FROM pn.pins;
SET ROLE pin_erp;
UPDATE pn.product SET price = 10.0, stock = 7 WHERE sku = 'A1';
SELECT price, stock FROM pn.product;
-- the owner sends what is pinned
UPDATE pn.product SET price = 12.500 WHERE sku = 'A1';
RESET ROLE;
SELECT * FROM pn.pins;
SET ROLE pin_erp;
UPDATE pn.product SET price = 10 WHERE sku = 'A1';
RESET ROLE;
SELECT price FROM pn.product;
DELETE FROM ownership.pin;

-- NULL can be pinned, and the owner's last word can be NULL
SET ROLE pin_steward;
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'title', NULL);
SET ROLE pin_pim;
UPDATE pn.product SET title = 'Armchair' WHERE sku = 'A1';
SELECT title IS NULL FROM pn.product;
UPDATE pn.product SET title = 'Bench' WHERE sku = 'A1';
SELECT title FROM pn.product;
UPDATE pn.product SET title = NULL WHERE sku = 'A1';
SET ROLE pin_steward;
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'title', 'Sofa');
SET ROLE pin_pim;
UPDATE pn.product SET title = NULL WHERE sku = 'A1';
SELECT title FROM pn.product;
UPDATE pn.product SET title = 'Couch' WHERE sku = 'A1';
SELECT title FROM pn.product;
RESET ROLE;
SELECT * FROM pn.pins;
DELETE FROM ownership.pin;

-- without a correction, the first other value that the owner sends is its last word
SET ROLE pin_decider;
SELECT ownership.pin('pn.product', '{"sku": "A1"}', 'title');
SET ROLE pin_pim;
UPDATE pn.product SET title = 'Old couch' WHERE sku = 'A1';
UPDATE pn.product SET title = 'Old couch' WHERE sku = 'A1';
SELECT title FROM pn.product;
RESET ROLE;
SELECT * FROM pn.pins;
SET ROLE pin_pim;
UPDATE pn.product SET title = 'New couch' WHERE sku = 'A1';
SELECT title FROM pn.product;
RESET ROLE;
DELETE FROM ownership.pin;

-- a steward's later write moves the pin; a second pin() does not forget what the owner said
SET ROLE pin_steward;
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'title', 'Daybed');
UPDATE pn.product SET title = 'Futon' WHERE sku = 'A1';
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'title', 'Lounger', reason => 'again');
RESET ROLE;
SELECT * FROM pn.pins;
SET ROLE pin_pim;
UPDATE pn.product SET title = 'New couch' WHERE sku = 'A1';
SELECT title FROM pn.product;
SET ROLE pin_steward;
SELECT ownership.unpin('pn.product', '{"sku": "A1"}', 'title');
SELECT ownership.unpin('pn.product', '{"sku": "A1"}', 'title');
SET ROLE pin_pim;
UPDATE pn.product SET title = 'New couch' WHERE sku = 'A1';
SELECT title FROM pn.product;
RESET ROLE;
SELECT * FROM pn.pins;
DELETE FROM ownership.pin;

-- a pin holds its whole group
SET ROLE pin_steward;
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'city', 'Hamburg');
RESET ROLE;
SELECT * FROM pn.pins;
SET ROLE pin_pim;
UPDATE pn.product SET city = 'Bonn', title = 'T2' WHERE sku = 'A1';
UPDATE pn.product SET city = 'Bonn', zip = '10115' WHERE sku = 'A1';
SELECT city, zip, title FROM pn.product;
UPDATE pn.product SET zip = '20095' WHERE sku = 'A1';
SELECT city, zip FROM pn.product;
UPDATE pn.product SET zip = '53111' WHERE sku = 'A1';
SELECT city, zip FROM pn.product;
RESET ROLE;
SELECT * FROM pn.pins;
DELETE FROM ownership.pin;

-- until: the owner's new value is kept, as evidence, and the value is not resent in vain
DELETE FROM ownership.conflict;
SET ROLE pin_steward;
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'title', 'Sale!', until => 'infinity');
SET ROLE pin_pim;
UPDATE pn.product SET title = 'T2' WHERE sku = 'A1';
UPDATE pn.product SET title = 'T3' WHERE sku = 'A1';
UPDATE pn.product SET title = 'T3' WHERE sku = 'A1';
SELECT title FROM pn.product;
RESET ROLE;
SELECT * FROM pn.pins;
SELECT operation, system, outcome, columns, stored, proposed FROM ownership.conflict ORDER BY id;
UPDATE ownership.pin SET until = now() - interval '1 s';
SET ROLE pin_pim;
UPDATE pn.product SET title = 'T3' WHERE sku = 'A1';
SELECT title FROM pn.product;
RESET ROLE;
SELECT * FROM pn.pins;
DELETE FROM ownership.pin;

-- rows created anew with that key
SET ROLE pin_steward;
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'title', 'Kept');
SELECT ownership.pin_value('pn.product', '{"sku": "A1"}', 'price', '99');
SET ROLE pin_erp;
DELETE FROM pn.product WHERE sku = 'A1';
INSERT INTO pn.product (sku, price) VALUES ('A1', 10);
SELECT sku, title, price, stock FROM pn.product;
TRUNCATE pn.product;
RESET ROLE;
SELECT column_name, gone FROM pn.pins;
SET ROLE pin_erp;
COPY pn.product (sku, price, stock) FROM stdin;
A1	10	1
A2	20	2
\.
SELECT sku, title, price, stock FROM pn.product;
INSERT INTO pn.product (sku, price) VALUES ('A1', 10), ('A3', 10) ON CONFLICT (sku) DO UPDATE SET price = EXCLUDED.price;
SELECT sku, title, price, stock FROM pn.product ORDER BY sku;
DELETE FROM pn.product WHERE sku = 'A1';
INSERT INTO pn.product (sku, price) VALUES ('A1', 11) ON CONFLICT (sku) DO UPDATE SET price = EXCLUDED.price;
SELECT sku, title, price, stock FROM pn.product ORDER BY sku;
RESET ROLE;
SELECT column_name, gone, ended, ended_by FROM pn.pins;
-- the key changes
SET ROLE pin_erp;
UPDATE pn.product SET sku = 'B1' WHERE sku = 'A1';
SET ROLE pin_pim;
UPDATE pn.product SET title = 'T3' WHERE sku = 'B1';
RESET ROLE;
SELECT sku, title FROM pn.product ORDER BY sku;
SELECT row_key, column_name, ended FROM pn.pins;
-- remembered no longer
UPDATE ownership.mirrored_table SET remember = '1 hour';
SET ROLE pin_erp;
DELETE FROM pn.product WHERE sku = 'B1';
RESET ROLE;
UPDATE ownership.pin SET gone_at = gone_at - interval '2 hours' WHERE gone_at IS NOT NULL;
UPDATE ownership.conflict SET recorded_at = recorded_at - interval '2 hours' WHERE outcome = 'remembered';
SET ROLE pin_erp;
INSERT INTO pn.product (sku, price) VALUES ('B1', 12);
RESET ROLE;
SELECT sku, title, price FROM pn.product ORDER BY sku;
SELECT row_key, column_name, gone, ended FROM pn.pins;
DELETE FROM ownership.pin;

-- accept(pin => true)
DELETE FROM ownership.conflict;
SET ROLE pin_erp;
UPDATE pn.product SET title = 'ERP title' WHERE sku = 'B1';
SET ROLE pin_pim;
UPDATE pn.product SET title = 'PIM title' WHERE sku = 'B1';
RESET ROLE;
SELECT ownership.accept(max(id), pin => true) FROM ownership.conflict;
SELECT * FROM pn.pins;
SET ROLE pin_pim;
UPDATE pn.product SET title = 'PIM title' WHERE sku = 'B1';
SELECT title FROM pn.product WHERE sku = 'B1';
RESET ROLE;

-- a dry run, and no guard at all
SET ownership.enforcement = observe;
SET ROLE pin_pim;
UPDATE pn.product SET title = 'PIM title' WHERE sku = 'B1';
SELECT title FROM pn.product WHERE sku = 'B1';
RESET ROLE;
RESET ownership.enforcement;
SELECT value, ended FROM pn.pins;

-- the history of the map has no values
SELECT map_table, item, old - '{id,pinned_at,ended_at}'::text[] AS old, new - '{id,pinned_at,ended_at}'::text[] AS new FROM ownership.map_history WHERE map_table = 'pin' ORDER BY id LIMIT 4;

DROP OWNED BY pin_erp, pin_pim, pin_steward, pin_decider, pin_nobody;
DROP SCHEMA pn CASCADE;
DROP EXTENSION ownership;
DROP ROLE pin_erp, pin_pim, pin_steward, pin_decider, pin_nobody;
