-- New names of systems, tables and columns reach every table of the extension.
CREATE EXTENSION ownership;
SET client_min_messages = error;
CREATE SCHEMA shop;
CREATE TABLE shop.item (sku text PRIMARY KEY, price numeric);
INSERT INTO ownership.system (name, kind) VALUES ('erp', 'erp'), ('pim', 'pim');
SELECT ownership.assign('shop.item', NULL, 'erp', readers => '{pim}');
INSERT INTO ownership.mirrored_pattern (pattern, readers) VALUES ('none.*', '{pim,erp}');
INSERT INTO ownership.handover (entity, field, from_system, to_system, at) VALUES ('shop.item', 'price', 'erp', 'pim', '2030-01-01');
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed) VALUES
	('shop', 'item', '{"sku": "A"}', 'UPDATE', 'pim', 'kept', '{price}', '{"price": "1"}', '{"price": "2"}'),
	('shop', 'item', '{"sku": "B"}', 'INSERT', 'pim', 'parked', '{price}', NULL, '{"price": null}');
UPDATE ownership.conflict SET resolution = 'dismissed' WHERE outcome = 'parked';
INSERT INTO ownership.history (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
VALUES ('shop', 'item', '{"sku": "A"}', 'UPDATE', 'erp', 'written', '{sku,price}', '{"sku": "0", "price": "1"}', '{"sku": "A", "price": "2"}');
INSERT INTO ownership.pin (table_schema, table_name, row_key, column_name, value, pinned_by, ended_at) VALUES
	('shop', 'item', '{"sku": "A"}', 'price', '2', 'me', NULL),
	('shop', 'item', '{"sku": "A"}', 'price', '1', 'me', now());
INSERT INTO ownership.feed_column VALUES (1, 'shop.item'::regclass, '{sku,price}');
CREATE FUNCTION named() RETURNS TABLE (what text, names text) LANGUAGE sql AS $$
	SELECT 'conflict', concat_ws(' ', table_schema, table_name, row_key, system, columns, stored, proposed, resolution) FROM ownership.conflict
	UNION ALL SELECT 'history', concat_ws(' ', table_schema, table_name, row_key, system, columns, stored, proposed) FROM ownership.history
	UNION ALL SELECT 'pin', concat_ws(' ', table_schema, table_name, row_key, column_name, value) FROM ownership.pin
	UNION ALL SELECT 'handover', concat_ws(' ', entity, field, from_system, to_system) FROM ownership.handover
	UNION ALL SELECT 'pattern', concat_ws(' ', pattern, readers) FROM ownership.mirrored_pattern
	UNION ALL SELECT 'feed', columns::text FROM ownership.feed_column
	ORDER BY 1, 2 $$;
SELECT * FROM named();
SELECT resolved_at AS decided, resolved_by AS by FROM ownership.conflict WHERE resolution IS NOT NULL \gset

-- a system
UPDATE ownership.system SET name = 'akeneo' WHERE name = 'pim';
UPDATE ownership.system SET name = 'sap' WHERE name = 'erp';
SELECT * FROM named();
-- which decides nothing
SELECT resolved_at = :'decided' AND resolved_by = :'by' AS same FROM ownership.conflict WHERE resolution IS NOT NULL;
-- a column, and one of the key
ALTER TABLE shop.item RENAME price TO amount;
ALTER TABLE shop.item RENAME sku TO "Article";
SELECT * FROM named();
-- a field and an entity: what is planned for the new name at that time stays
INSERT INTO ownership.handover (entity, field, from_system, to_system, at) VALUES ('shop.item', 'fee', 'sap', 'akeneo', '2030-01-01'), ('shop.item', 'price', 'akeneo', 'sap', '2031-01-01'), ('shop.item', 'sku', 'sap', 'akeneo', '2030-01-01');
UPDATE ownership.field SET name = 'fee' WHERE name = 'price';
SELECT entity, field, from_system, at::date FROM ownership.handover ORDER BY at, field, from_system;
UPDATE ownership.field SET entity = 'item' WHERE entity = 'shop.item';
SELECT entity, field, from_system, at::date FROM ownership.handover ORDER BY at, entity, field, from_system;
SELECT entity, field FROM ownership.declared_access UNION SELECT entity, field FROM ownership.mirrored_column ORDER BY 1, 2;
-- a table: pins at once, evidence at commit
BEGIN;
ALTER TABLE shop.item RENAME TO goods;
SELECT * FROM named() WHERE what = 'pin';
COMMIT;
SELECT * FROM named() WHERE what IN ('conflict', 'history', 'pin');
-- its schema
ALTER SCHEMA shop RENAME TO store;
ALTER TABLE store.goods SET SCHEMA public;
SELECT * FROM named() WHERE what IN ('conflict', 'history', 'pin');
-- A load that swaps tables leaves all of it with the name.
CREATE TABLE goods_new (LIKE goods INCLUDING ALL);
BEGIN;
ALTER TABLE goods RENAME TO goods_old;
ALTER TABLE goods_new RENAME TO goods;
DROP TABLE goods_old;
COMMIT;
SELECT * FROM named() WHERE what IN ('conflict', 'history', 'pin');
-- In steps, too, when the old table goes; of two open pins of one value, that under the name stays.
CREATE TABLE goods_new (LIKE goods INCLUDING ALL);
ALTER TABLE goods RENAME TO goods_old;
ALTER TABLE goods_new RENAME TO goods;
INSERT INTO ownership.pin (table_schema, table_name, row_key, column_name, value, pinned_by)
VALUES ('public', 'goods', '{"Article": "A"}', 'amount', 'new', 'me');
SELECT * FROM named() WHERE what = 'pin';
DROP TABLE goods_old;
SELECT * FROM named() WHERE what IN ('conflict', 'history', 'pin');
-- what became of pins is history of the map, without values
SELECT item, old, new, count(*) FROM ownership.map_history WHERE map_table = 'pin' AND old IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, old::text COLLATE "C", new::text COLLATE "C";
SELECT count(*) FROM ownership.map_history WHERE map_table = 'pin' AND concat(old, new) ~ '"(row_key|value|replaced)"';

DROP EXTENSION ownership CASCADE;
DROP FUNCTION named;
DROP TABLE goods;
DROP SCHEMA store;
