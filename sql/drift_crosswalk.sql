-- Rows of different tables are matched by match keys, and through a table that contains the keys of both.
CREATE EXTENSION ownership;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_reader;
CREATE SCHEMA erp;
CREATE SCHEMA shop;
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('shop', 'storefront'), ownership.add_system('pim', 'pim');
END $$;

--
-- match_key apart from key: the key of a table says who makes its rows, the match key which rows are the same record.
--
CREATE TABLE erp.item (id int PRIMARY KEY, item_code text, market text, price numeric);
CREATE TABLE product (id bigint PRIMARY KEY, sku text, market text, price numeric);
INSERT INTO erp.item VALUES (1, 'A', 'de', 10), (2, 'A', 'fr', 11), (3, 'B', 'de', 20);
INSERT INTO product VALUES (3, 'A', 'de', 10), (2, 'A', 'fr', 99), (1, 'B', 'de', 20);
DO $$ BEGIN
	PERFORM ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('product', owner => 'erp');
	PERFORM ownership.link('product.price', '{erp.item.price}');
END $$;
-- the keys of the tables have nothing to do with each other
SELECT relation, rows_compared, problem FROM ownership.drift_summary('product.price');
DO $$ BEGIN PERFORM ownership.link('product.sku', '{erp.item.item_code}'); END $$;
SELECT relation, rows_compared, problem FROM ownership.drift_summary('product.price');
UPDATE ownership.field SET match_key = true WHERE (entity, name) = ('product', 'sku');
SELECT row_key, source_value, copy_value FROM ownership.drift('product.price');
-- what is not unique there is an error, not a guess
SELECT ownership.reconcile('product.price');
DO $$ BEGIN PERFORM ownership.link('product.market', '{erp.item.market}'); END $$;
UPDATE ownership.field SET match_key = true WHERE (entity, name) = ('product', 'market');
SELECT row_key, source_value, copy_value FROM ownership.drift('product.price');
SELECT rows_compared, rows_differing, problem FROM ownership.drift_summary('product.*');
-- row_key names match keys or keys
SELECT place, event, value, detail FROM ownership.why('product.price', '{"sku": "A", "market": "fr"}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"id": 2}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"sku": "A"}');
SELECT ownership.reconcile('product.price');
SELECT ownership.reconcile('product.price');
TABLE product ORDER BY id;
-- without any key
UPDATE ownership.field SET match_key = false, key = false WHERE entity = 'product';
SELECT rows_compared, rows_differing, problem FROM ownership.drift_summary('product.price');
SELECT * FROM ownership.drift('product.price');
DROP TABLE product, erp.item;
DO $$ BEGIN DELETE FROM ownership.field; DELETE FROM ownership.mirrored_table; DELETE FROM ownership.mirrored_pattern; END $$;

--
-- A crosswalk: a third table of the map contains the keys of both.  Types differ on both sides.
--
CREATE TABLE erp.item (item_no int PRIMARY KEY, price numeric, name text);
CREATE TABLE variant (shop_id text PRIMARY KEY, price text, title text);
CREATE TABLE xref (erp_no text, shop_id bigint);
INSERT INTO erp.item VALUES (1, 10, 'one'), (2, 20, 'two'), (3, 30, 'three'), (4, 40, 'four'), (5, 50, 'five'), (6, 60, 'six'), (7, 70, 'seven');
INSERT INTO variant VALUES ('101', '10.0', 'one'), ('0102', '21', 'TWO'), ('103', '30', 'x'), ('104', '40', 'four'), ('105', 'n/a', 'five'), ('106', '60', 'six'), ('107', '70', 'seven'), ('201', '11', 'one');
INSERT INTO xref VALUES ('001', 101), ('001', 101), ('2', 102), ('3', 103), ('4', 103), (NULL, 104), ('4', NULL), ('5', 105), ('1', 201), ('9', 109), ('x', 107);
DO $$ BEGIN
	PERFORM ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('variant', owner => 'erp'), ownership.add_tables('xref', owner => 'pim');
	PERFORM ownership.link('product.price', '{erp.item.price, variant.price}'), ownership.link('product.title', '{erp.item.name, variant.title}');
END $$;
SELECT relation, column_name, problem FROM ownership.drift_summary('product.*');
DO $$ BEGIN
	PERFORM ownership.link('product.erp_no', '{erp.item.item_no, xref.erp_no}'), ownership.link('product.shop_id', '{variant.shop_id, xref.shop_id}');
END $$;
SELECT entity, name, key, match_key FROM ownership.field ORDER BY 1, 2;
SET client_min_messages = notice;
-- 101 is 1 (said twice), 102 is 2; 103 has two, 104 none, 106 no row, 107 what is no number; 105 cannot be read; 201 is 1, too
SELECT * FROM ownership.drift('product.price');
SELECT * FROM ownership.drift_summary('product.*');
SELECT severity, field, detail, advice FROM ownership.risks WHERE risk = 'drifting' ORDER BY field;
-- from each side
SELECT place, event, value, detail FROM ownership.why('product.price', '{"erp_no": 2}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"shop_id": "0102"}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('variant.price', '{"shop_id": "201"}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
-- one key of the shop, two of the ERP; none; no row; one of the ERP, two of the shop
SELECT place, event, value, detail FROM ownership.why('product.price', '{"shop_id": 103}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"erp_no": 3}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"shop_id": 104}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"shop_id": 106}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"shop_id": 107}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"erp_no": 7}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"erp_no": 1}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
SELECT place, event, value, detail FROM ownership.why('product.price', '{"erp_no": 5}') WHERE event IN ('answer', 'value', 'unknown', 'no row');
-- the owner makes the shared copies agree, and no other row is touched
GRANT USAGE ON SCHEMA erp TO regress_erp;
GRANT ALL ON erp.item, variant TO regress_erp;
GRANT SELECT ON xref TO regress_erp;
SET ROLE regress_erp;
SELECT ownership.reconcile('product.price', true);
SELECT ownership.reconcile('product.price');
SELECT ownership.reconcile('product.price');
SELECT row_key, source_value, copy_value FROM ownership.drift('product.price');
RESET ROLE;
TABLE variant ORDER BY shop_id;
SELECT count(*) FROM ownership.conflict WHERE table_name = 'variant';
SET client_min_messages = warning;

--
-- The crosswalk may change while a run goes on: each row is read again.  Row owners, groups and pins hold as ever.
--
SET ownership.enforcement = off;
UPDATE variant SET price = '0', title = '?' WHERE shop_id <> '103';
RESET ownership.enforcement;
DO $$ BEGIN PERFORM ownership.assign_rows('variant', '{price}', 'shop', $f$shop_id = '201'$f$); END $$;
UPDATE ownership.field SET column_group = 'offer' WHERE entity = 'product' AND name IN ('price', 'title');
DO $$ BEGIN PERFORM ownership.pin('variant', '{"shop_id": "101"}', 'title'); END $$;
SET client_min_messages = notice;
SELECT ownership.reconcile('product.title');
TABLE variant ORDER BY shop_id;
SET client_min_messages = warning;
DO $$ BEGIN PERFORM ownership.unpin('variant', '{"shop_id": "101"}', 'title'); DELETE FROM ownership.row_owner; END $$;
-- a trigger takes a row of the crosswalk away when the first batch is written
CREATE FUNCTION unlink() RETURNS trigger LANGUAGE plpgsql SET ownership.enforcement = off AS $$BEGIN DELETE FROM xref WHERE shop_id = 201; RETURN NULL; END$$;
CREATE TRIGGER unlink AFTER UPDATE ON variant EXECUTE FUNCTION unlink();
UPDATE ownership.field SET column_group = NULL;
CALL ownership.reconcile_all('product.price', batch_size => 1);
SELECT shop_id, price FROM variant ORDER BY shop_id;
DROP TRIGGER unlink ON variant;
SET ownership.enforcement = off;
INSERT INTO xref VALUES ('1', 201);
RESET ownership.enforcement;

--
-- A unique index proves that each key has one row; partitions; a view of the risks by a role that may not read the crosswalk.
--
CREATE TABLE bridge (erp_no text, shop_id bigint UNIQUE) PARTITION BY RANGE (shop_id);
CREATE TABLE bridge_low PARTITION OF bridge FOR VALUES FROM (0) TO (150);
CREATE TABLE bridge_high (shop_id bigint, gone int, erp_no text);
ALTER TABLE bridge_high DROP gone;
ALTER TABLE bridge ATTACH PARTITION bridge_high FOR VALUES FROM (150) TO (300);
INSERT INTO bridge SELECT DISTINCT ON (shop_id) erp_no, shop_id FROM xref WHERE shop_id IS NOT NULL AND erp_no IS NOT NULL ORDER BY shop_id, erp_no;
DELETE FROM ownership.mirrored_table WHERE table_name = 'xref';
DO $$ BEGIN PERFORM ownership.add_tables('bridge', owner => 'pim'), ownership.link('product.erp_no', '{bridge.erp_no}'), ownership.link('product.shop_id', '{bridge.shop_id}'); END $$;
SET ownership.enforcement = off;
UPDATE variant SET price = '1', title = '';
RESET ownership.enforcement;
SELECT rows_compared, rows_differing, problem FROM ownership.drift_summary('product.price');
SELECT ownership.reconcile('product.price');
SELECT ownership.reconcile('product.price');
SELECT shop_id, price FROM variant ORDER BY shop_id;
GRANT USAGE ON SCHEMA erp TO regress_reader;
GRANT SELECT ON erp.item, variant TO regress_reader;
SET ROLE regress_reader;
SELECT state, problem FROM ownership.compare_copies('product.price', false);
SELECT problem FROM ownership.drift_summary('product.price');
SELECT place, event, detail FROM ownership.why('product.price', '{"erp_no": 2}') WHERE event = 'unknown';
RESET ROLE;
GRANT SELECT ON bridge TO regress_reader;
ALTER TABLE bridge ENABLE ROW LEVEL SECURITY;
SET ROLE regress_reader;
SELECT state, problem FROM ownership.compare_copies('product.title', false);
RESET ROLE;
ALTER TABLE bridge DISABLE ROW LEVEL SECURITY;

--
-- A key of several columns, some of them in the copy, some through the crosswalk.
--
CREATE TABLE erp.offer (item_no int, market char(2), amount int, PRIMARY KEY (item_no, market));
CREATE TABLE offer (shop_id text, land text, amount int);
DO $$ BEGIN
	PERFORM ownership.add_tables('erp.offer', source => 'erp'), ownership.add_tables('offer', owner => 'erp');
	PERFORM ownership.link('product.amount', '{erp.offer.amount, offer.amount}'), ownership.link('product.erp_no', '{erp.offer.item_no}'), ownership.link('product.shop_id', '{offer.shop_id}'),
		ownership.link('product.market', '{erp.offer.market, offer.land}');
END $$;
SET ownership.enforcement = off;
INSERT INTO erp.offer VALUES (1, 'de', 1), (1, 'fr', 2), (2, 'de', 3);
INSERT INTO offer VALUES ('101', 'de', 1), ('101', 'fr', 1), ('102', 'de', 3), ('102', 'fr', 4), ('101', NULL, 5);
RESET ownership.enforcement;
SELECT * FROM ownership.drift('product.amount');
SELECT ownership.reconcile('product.amount');
TABLE offer ORDER BY 1, 2;
SELECT place, event, value, detail FROM ownership.why('product.amount', '{"erp_no": 1, "market": "fr"}') WHERE event IN ('answer', 'value', 'unknown', 'no row');

--
-- Two tables could be the crosswalk: one is marked, or nothing is compared.
--
CREATE TABLE pim_article (erp_no int, shop_id int);
INSERT INTO pim_article VALUES (7, 101);
DO $$ BEGIN
	PERFORM ownership.add_tables('pim_article', source => 'pim'), ownership.link('product.erp_no', '{pim_article.erp_no}'), ownership.link('product.shop_id', '{pim_article.shop_id}');
END $$;
SELECT relation, problem FROM ownership.drift_summary('product.price');
SELECT detail, advice FROM ownership.risks WHERE (risk, field) = ('drifting', 'price');
SELECT place, event, detail FROM ownership.why('product.price', '{"erp_no": 2}') WHERE event = 'unknown';
DO $$ BEGIN PERFORM ownership.link('product.shop_id', '{pim_article.shop_id}', authoritative => 'pim_article.shop_id'); END $$;
SELECT row_key, source_value, copy_value FROM ownership.drift('product.price');
-- two crosswalks are compared with each other where they have a key in common; other copies of a match key are not
SELECT field, relation, problem FROM ownership.drift_summary('product.*') WHERE field IN ('erp_no', 'shop_id');

DROP EXTENSION ownership CASCADE;
DROP SCHEMA erp, shop CASCADE;
DROP TABLE variant, xref, bridge, offer, pim_article;
DROP FUNCTION unlink;
DROP ROLE regress_erp, regress_reader;
