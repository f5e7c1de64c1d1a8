-- link() takes columns that add_tables() has put on the map, of types as they really are.
CREATE EXTENSION ownership;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA erp;
CREATE SCHEMA shop;
DO $$ BEGIN PERFORM ownership.add_system('erp', 'erp'), ownership.add_system('shop', 'storefront'); END $$;
CREATE TABLE erp.item (id int PRIMARY KEY, price text, weight text, made text, gone text, ref text, doc text, place text);
CREATE TABLE shop.variants (id int PRIMARY KEY, price numeric(10,2), weight float8, made date, gone boolean, ref uuid, doc jsonb, place point);
CREATE TABLE products (sku text PRIMARY KEY, price numeric, prices int, colour text);
CREATE TABLE xref (erp_id text, crm_id text, pim_id text);
DO $$ BEGIN PERFORM ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('shop.*', source => 'shop'), ownership.add_tables('products', owner => 'erp'), ownership.add_tables('xref', owner => 'erp'); END $$;

-- a text with a number, date, boolean, uuid, jsonb; the field takes over what was decided on the authoritative column
DO $$ BEGIN
	PERFORM ownership.link('offer.' || c, ARRAY['shop.variants.' || c, 'erp.item.' || c], authoritative => 'erp.item.' || c) FROM unnest('{price,weight,made,gone,ref,doc}'::text[]) c;
END $$;
SELECT m.field, f.owner, string_agg(format('%s.%s', m.table_schema, m.table_name), ', ' ORDER BY 1) AS copies FROM ownership.mirrored_column m JOIN ownership.field f ON (f.entity, f.name) = (m.entity, m.field)
WHERE m.entity = 'offer' GROUP BY 1, 2 ORDER BY 1;
-- what cannot mean each other is refused
SELECT ownership.link('offer.place', '{shop.variants.place, erp.item.place}');
SELECT ownership.link('offer.made', '{products.prices}', authoritative => 'products.prices');

-- a table named in the plural: its field is no misspelling of the wanted one
SELECT ownership.link('product.price', '{products.price}');
SELECT ownership.link('product.sku', '{products.sku}');
-- fields of which one table has both: a crosswalk
SELECT ownership.link('product.erp_id', '{xref.erp_id}');
SELECT ownership.link('product.crm_id', '{xref.crm_id}');
SELECT ownership.link('product.pim_id', '{xref.pim_id}');
-- a misspelling is still one, and the hint says how to go on if it is none
SELECT ownership.link('product.prise', '{products.price}');
SELECT ownership.link('product.pricing', '{products.colour}');
SELECT ownership.link('product.prize', '{shop.variants.price}');
SELECT ownership.link('produkt.price', '{shop.variants.id}');
INSERT INTO ownership.field (entity, name) VALUES ('product', 'prize');
SELECT ownership.link('product.prize', '{products.prices}');
SELECT entity, field, table_name, column_name FROM ownership.mirrored_column WHERE entity LIKE 'product%' ORDER BY 1, 2, 3, 4;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA erp, shop CASCADE;
DROP TABLE products, xref;
