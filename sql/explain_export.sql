-- export(): the map as a data contract (ODCS 3.1) and as sources of dbt.  t/explain_export.pl validates the former.
CREATE EXTENSION ownership;
\pset null -
SET client_min_messages = warning;
SELECT ownership.add_system('erp', 'erp', title => 'The ERP'), ownership.add_system('shop', 'storefront'), ownership.add_system('bi', 'bi');
UPDATE ownership.system SET contact = 'anna@example.com' WHERE name = 'erp';
-- Nothing on the map
SELECT ownership.export('odcs')::jsonb - '{id,name,customProperties,version}'::text[];
SELECT ownership.export('dbt');
CREATE DOMAIN quantity AS int;
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2) NOT NULL CONSTRAINT positive CHECK (price > 0), title varchar(40), born date, at timestamptz,
	hour time, tags text[], doc jsonb, ok boolean, qty quantity, email text UNIQUE, "Odd ""name" uuid, CONSTRAINT together CHECK (qty < price));
COMMENT ON TABLE product IS 'What is sold';
COMMENT ON COLUMN product.title IS 'Its name';
SELECT ownership.assign('product', NULL, 'erp', readers => '{bi}');
SELECT ownership.assign('product', '{price}', 'erp', label => 'Price', domain => 'price', rationale => 'the ERP knows costs');
SELECT ownership.assign_rows('product', '{title}', 'shop', $$ok$$);
UPDATE ownership.field SET on_blank = 'keep', fresh_within = '36 hours', decided_by = 'Anna', decided_on = '2026-11-30' WHERE name = 'price';
UPDATE ownership.field SET sensitive = true WHERE name = 'email';
CREATE SCHEMA shop;
CREATE TABLE shop.variant (id int PRIMARY KEY, price numeric);
SELECT ownership.add_tables('shop.*', 'shop');
SELECT ownership.link('product.price', '{shop.variant.price}');
INSERT INTO ownership.field (entity, name, owner) VALUES ('product', 'idea', 'erp');
SET ownership.enforcement = off;
INSERT INTO ownership.mirrored_table VALUES ('gone', 'away');
INSERT INTO ownership.field (entity, name, owner) VALUES ('gone.away', 'x', 'erp');
INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) VALUES ('gone', 'away', 'x', 'gone.away', 'x');
RESET ownership.enforcement;

CREATE VIEW odcs AS SELECT ownership.export('odcs')::jsonb AS c;
CREATE VIEW column_of AS SELECT o ->> 'name' AS relation, p ->> 'name' AS name, p FROM odcs, jsonb_array_elements(c -> 'schema') o, jsonb_array_elements(o -> 'properties') p;
SELECT c ->> 'kind', c ->> 'apiVersion', c ->> 'status', c -> 'slaProperties', c -> 'team' FROM odcs;
SELECT o ->> 'name', o - '{name,properties}'::text[] FROM odcs, jsonb_array_elements(c -> 'schema') o;
SELECT relation, name, p ->> 'logicalType', p ->> 'physicalType', p ->> 'required', p ->> 'unique', p ->> 'primaryKey', p ->> 'classification', p ->> 'description' FROM column_of;
SELECT jsonb_pretty(p) FROM column_of WHERE (relation, name) = ('product', 'price');
SELECT q FROM column_of, jsonb_array_elements(p -> 'customProperties') q WHERE name = 'title' AND q ->> 'property' ~ 'row|systemOfRecord$';
SELECT q FROM odcs, jsonb_array_elements(c -> 'customProperties') q WHERE q ->> 'property' <> 'database';
-- dbt: one source a schema
SELECT s ->> 'name', t ->> 'name', t -> 'meta', jsonb_array_length(t -> 'columns') FROM jsonb_array_elements(ownership.export('dbt')::jsonb -> 'sources') s, jsonb_array_elements(s -> 'tables') t;
SELECT jsonb_pretty(c) FROM jsonb_array_elements(ownership.export('dbt')::jsonb #> '{sources}') s, jsonb_array_elements(s -> 'tables') t, jsonb_array_elements(t -> 'columns') c
WHERE t ->> 'name' = 'product' AND c ->> 'name' IN ('price', 'title', 'Odd "name') ;

-- One entity, a pattern; the version changes with the map only
SELECT jsonb_agg(o -> 'name') FROM jsonb_array_elements(ownership.export('odcs', 'shop.variant')::jsonb -> 'schema') o;
SELECT jsonb_agg(o -> 'name') FROM jsonb_array_elements(ownership.export('odcs', 'shop.*')::jsonb -> 'schema') o;
SELECT s -> 'name' FROM jsonb_array_elements(ownership.export('dbt', 'shop.*')::jsonb -> 'sources') s;
SELECT c ->> 'version' AS version FROM odcs \gset
SET "DateStyle" = 'SQL, DMY';
SET "IntervalStyle" = postgres_verbose;
SELECT c ->> 'version' = :'version' AS same FROM odcs;
RESET "DateStyle";
RESET "IntervalStyle";
UPDATE ownership.field SET owner = 'shop' WHERE name = 'qty';
SELECT c ->> 'version' = :'version' AS same FROM odcs;

-- Every role may export, and errors
CREATE ROLE regress_ex;
SET ROLE regress_ex;
SELECT length(ownership.export('odcs')) > 1000, length(ownership.export('dbt')) > 1000;
RESET ROLE;
SELECT ownership.export('odcs', 'produkt');
SELECT ownership.export('xml');
SELECT ownership.export(NULL);

DROP ROLE regress_ex;
DROP VIEW column_of, odcs;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, shop.variant;
DROP SCHEMA shop;
DROP DOMAIN quantity;
