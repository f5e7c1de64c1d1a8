-- export('psql'): the map as a script, which makes the same map elsewhere, and changes nothing where it is the same.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
\getenv abs_builddir PG_ABS_BUILDDIR
\set script :abs_builddir '/results/explain_export_psql.map.sql'
CREATE ROLE regress_erp;
CREATE ROLE "regress ""odd' role";
CREATE SCHEMA "odd schema";
CREATE TABLE product (sku text PRIMARY KEY, price numeric, cost numeric, title text, stock int, street text, town text);
CREATE TABLE "odd schema"."Odd ""table'" (id int PRIMARY KEY, "a; b\c" text);
CREATE TABLE landed (id int PRIMARY KEY, v text, w text);
CREATE TABLE loose (id int PRIMARY KEY, v text);
-- an empty map
SELECT ownership.export() AS empty \gset
-- what can be said
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp', title => 'The "ERP"'), ownership.add_system('pim', 'pim'), ownership.add_system('shop', 'storefront', role => E'regress "odd'' role');
UPDATE ownership.system SET contact = E'two\nlines', note = E'it\\s' WHERE name = 'pim';
INSERT INTO ownership.identity (kind, name, system, strict, steward, carrier, relay) VALUES ('subscription', 'from_pim', 'pim', true, false, false, false),
	('origin', 'o', NULL, false, false, false, true), ('role', 'regress_later', NULL, false, true, true, false);
SELECT ownership.assign('product', '{sku,price,cost}', 'erp', readers => '{shop,pim}', writers => '{shop}', policy => 'keep', entity => 'product', rationale => 'because', label => NULL),
	ownership.assign('product', '{title,street,town}', 'pim', policy => 'fill', entity => 'product'), ownership.assign('product', '{stock}', NULL, entity => 'product');
SELECT ownership.assign('"odd schema"."Odd ""table''"', NULL, 'shop'), ownership.assign('loose', '{v}', 'pim');
SELECT ownership.add_tables('land*', source => 'erp', exclude => '{landed.w}', readers => '{pim}');
SELECT ownership.unguard('loose');
INSERT INTO ownership.field (entity, name, owner) VALUES ('product', 'ean', NULL);
UPDATE ownership.field SET label = 'Price', decided_by = 'board', decided_on = '2024-02-29', on_blank = 'keep', fresh_within = '1 mon 2 days', domain = 'price' WHERE name = 'price';
UPDATE ownership.field SET column_group = 'address' WHERE name IN ('street', 'town');
UPDATE ownership.field SET history = true WHERE name = 'title';
UPDATE ownership.field SET sensitive = true, local = true, match_key = true WHERE name = 'ean';
UPDATE ownership.domain SET policy = 'observe' WHERE name = 'stock';
INSERT INTO ownership.domain (name, title, natural_owner, sensitive, position) VALUES ('own one', 'Mine', '{erp,"o d"}', true, 3);
DELETE FROM ownership.domain WHERE name = 'loyalty';
SELECT ownership.link('product.title', '{product.title, landed.v}', authoritative => 'product.title');
SELECT ownership.assign_rows('product', '{stock}', 'shop', $$sku LIKE 'S%'$$), ownership.assign_rows('product', '{stock}', 'erp', $$price > 1$$);
UPDATE ownership.mirrored_table SET remember = '36:00:00' WHERE table_name = 'product';
INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) VALUES ('gone', 'away', 'ean', 'product', 'ean'), ('public', 'loose', 'Nope', 'product', 'ean');
INSERT INTO ownership.handover (entity, field, from_system, to_system, at, note) VALUES ('product', 'price', 'erp', 'shop', '2999-01-01 00:00+00', 'go live');
INSERT INTO ownership.handover (entity, field, from_system, to_system, at, done_at) VALUES ('product', 'cost', 'pim', 'erp', '2001-01-01 00:00+00', '2001-01-02');
SELECT ownership.export() AS map \gset
\pset format unaligned
\pset tuples_only
SELECT line FROM regexp_split_to_table(:'map', '\n') WITH ORDINALITY l(line, n) WHERE line !~ '\ydomain\y' AND n < (SELECT min(n) FROM regexp_split_to_table(:'map', '\n') WITH ORDINALITY m(line, n) WHERE line ~ '^-- what differs') ORDER BY n;
SELECT left(line, 60) FROM regexp_split_to_table(:'map', '\n') WITH ORDINALITY l(line, n) WHERE line ~ '^INSERT INTO new_domain' ORDER BY n;
-- of one entity
SELECT line FROM regexp_split_to_table(ownership.export(entity => 'landed'), '\n') WITH ORDINALITY l(line, n) WHERE line ~ '^(INSERT|\\if)' ORDER BY n;
\pset tuples_only off
\pset format aligned
-- the settings of the session do not matter
SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Tokyo'; SET quote_all_identifiers = on;
SELECT ownership.export() = :'map' AS same;
RESET DateStyle; RESET IntervalStyle; RESET TimeZone; RESET quote_all_identifiers;
-- any role may
SET ROLE regress_erp;
SELECT ownership.export() = :'map' AS same;
RESET ROLE;

-- where the map is the same, the script changes nothing
\pset format unaligned
\pset tuples_only
\o :script
SELECT :'map';
\o
\pset tuples_only off
\pset format aligned
SELECT max(id) AS last FROM ownership.map_history \gset
SELECT md5(string_agg(f::text, ';' ORDER BY f.ctid)) AS rows FROM (SELECT ctid, * FROM ownership.field) f \gset
\set ECHO none
\i :script
\set ECHO all
SELECT * FROM ownership.map_history WHERE id > :last;
SELECT md5(string_agg(f::text, ';' ORDER BY f.ctid)) = :'rows' AS same FROM (SELECT ctid, * FROM ownership.field) f;
SELECT ownership.export() = :'map' AS same;
-- in an empty hub it makes the same map, with guards where they were
DROP EXTENSION ownership;
CREATE EXTENSION ownership;
\set ECHO none
\i :script
\set ECHO all
SELECT ownership.export() = :'map' AS same;
SELECT table_name, guarded FROM ownership.guards ORDER BY table_name COLLATE "C";
SELECT risk, relation, column_name FROM ownership.risks WHERE risk IN ('broken_mirror', 'unguarded') ORDER BY 1, 2, 3;
-- twice
SELECT max(id) AS last FROM ownership.map_history \gset
\set ECHO none
\i :script
\set ECHO all
SELECT count(*) FROM ownership.map_history WHERE id > :last;
-- what was changed by hand is as the script says again; what is new stays
UPDATE ownership.field SET owner = 'shop', history = NOT history WHERE entity = 'product' AND name IN ('title', 'cost');
UPDATE ownership.mirrored_column SET authoritative = false;
UPDATE ownership.mirrored_column SET authoritative = true WHERE table_name = 'landed' AND column_name = 'v';
DELETE FROM ownership.declared_access WHERE system = 'pim';
INSERT INTO ownership.declared_access VALUES ('product', 'title', 'shop', 'write');
UPDATE ownership.row_owner SET position = position + 10;
UPDATE ownership.domain SET sensitive = false WHERE name = 'own one';
UPDATE ownership.domain SET policy = NULL WHERE name = 'stock';
INSERT INTO ownership.system (name) VALUES ('new');
INSERT INTO ownership.field (entity, name, owner) VALUES ('brand', 'name', 'new');
SELECT ownership.unguard('product');
\set ECHO none
\i :script
\set ECHO all
SELECT line FROM (SELECT regexp_split_to_table(ownership.export(), '\n') EXCEPT SELECT regexp_split_to_table(:'map', '\n')) l(line) ORDER BY line COLLATE "C";
SELECT guarded FROM ownership.guards WHERE table_name = 'product';
-- unless it is told to remove it
\set ownership_remove 1
\set ECHO none
\i :script
\set ECHO all
\unset ownership_remove
SELECT ownership.export() = :'map' AS same;

-- what cannot be
\unset ON_ERROR_STOP
SELECT ownership.export('yaml');
SELECT ownership.export('psq');
SELECT ownership.export(NULL);
SELECT ownership.export('psql', 'produkt');

DROP EXTENSION ownership;
DROP TABLE product, landed, loose, "odd schema"."Odd ""table'";
DROP SCHEMA "odd schema";
DROP ROLE regress_erp, "regress ""odd' role";
