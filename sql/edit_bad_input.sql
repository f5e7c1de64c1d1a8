-- Bad input: each gets an error with an SQLSTATE, naming the thing and what
-- to do, and changes nothing.
CREATE EXTENSION ownership;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse

-- attempt(sql): the error that it raises, all of it
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text;
BEGIN
	EXECUTE sql;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || message, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''));
END $$;

-- state(): all that an edit of the map could have changed
CREATE FUNCTION state() RETURNS text LANGUAGE sql AS $$
	SELECT md5(concat(
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.system s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.identity s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.domain s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.field s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.declared_access s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.mirrored_table s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.mirrored_column s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.row_owner s),
		(SELECT string_agg(s::text, '|' ORDER BY s::text) FROM ownership.conflict s),
		(SELECT string_agg(t, '|' ORDER BY t) FROM (SELECT format('%s %s %s', tgrelid, tgname, tgenabled) FROM pg_trigger) t(t))))
$$;

CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE TABLE product (id int PRIMARY KEY, sku text, price numeric, gross numeric GENERATED ALWAYS AS (price * 1.2) STORED, title text);
CREATE TABLE item (id int PRIMARY KEY, list_price numeric, place point, name text);
CREATE TABLE "Odd ""Name" (id int PRIMARY KEY);
CREATE VIEW product_view AS SELECT * FROM product;
CREATE MATERIALIZED VIEW product_copy AS SELECT * FROM product;
CREATE SEQUENCE numbers;
CREATE TYPE pair AS (a int, b int);
CREATE TEMPORARY TABLE scratch (id int PRIMARY KEY, price numeric);
INSERT INTO product VALUES (1, 'A-1', 10, DEFAULT, 'one');

SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('crm', 'crm');
SELECT ownership.add_system('netsuite', 'erp');
INSERT INTO ownership.domain (name) VALUES ('own');
SELECT ownership.assign('product', '{id,sku,price}', 'erp');
SELECT ownership.link('product.price', '{item.list_price}');
SELECT state() AS before \gset

-- a system that does not exist
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'epr')$$);
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'salesforce')$$);
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'erp', readers => '{crm,CRM}')$$);
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'erp', writers => '{cmr}')$$);
SELECT attempt($$SELECT ownership.add_tables('item', source => 'netsuit')$$);
SELECT attempt($$SELECT ownership.add_tables('item', owner => 'nobody at all')$$);
SELECT attempt($$SELECT ownership.add_tables('item', source => 'erp', readers => '{crmm}')$$);
SELECT attempt($$SELECT ownership.identify('erq', role => 'regress_crm')$$);
SELECT attempt($$SELECT ownership.assign_rows('product', '{price}', 'cmr', 'id > 1')$$);
SELECT attempt($$SELECT ownership.explain('product', 'price', 'Erp')$$);
SELECT attempt($$INSERT INTO ownership.field (entity, name, owner) VALUES ('x', 'y', 'epr')$$);
SELECT attempt($$UPDATE ownership.mirrored_table SET source = 'epr'$$);

-- an entity.field that does not exist
SELECT attempt($$SELECT ownership.link('product.prize', '{item.list_price}')$$);
SELECT attempt($$SELECT ownership.link('customer.credit_limit', '{item.name}')$$);
SELECT attempt($$INSERT INTO ownership.mirrored_column VALUES ('public', 'item', 'name', 'product', 'nmae')$$);
SELECT attempt($$INSERT INTO ownership.declared_access VALUES ('product', 'prize', 'crm', 'read')$$);

SELECT ownership.assign('item', '{name}', 'crm', entity => 'article');
SELECT state() AS before \gset
SELECT attempt($$SELECT ownership.link('artcile.name', '{product.title}')$$);

-- a relation that does not exist
SELECT attempt($$SELECT ownership.assign('produkt', NULL, 'erp')$$);
SELECT attempt($$SELECT ownership.assign(0, NULL, 'erp')$$);
SELECT attempt($$SELECT ownership.guard(0)$$);
SELECT attempt($$SELECT ownership.unguard(0)$$);
SELECT attempt($$SELECT ownership.explain(0, 'price')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{produtc.title}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{erp.ledger.amount}')$$);

-- a column that does not exist
SELECT attempt($$SELECT ownership.assign('product', '{sku,prize}', 'erp')$$);
SELECT attempt($$SELECT ownership.assign('product', '{weight_in_kilograms}', 'erp')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{item.list_prices}')$$);
SELECT attempt($$SELECT ownership.assign_rows('product', '{prise}', 'crm', 'id > 1')$$);
SELECT attempt($$SELECT ownership.explain('product', 'prices')$$);

-- a system column or a generated column
SELECT attempt($$SELECT ownership.assign('product', '{ctid}', 'erp')$$);
SELECT attempt($$SELECT ownership.assign('product', '{gross}', 'erp')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{product.gross}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{product.xmin}')$$);
SELECT attempt($$SELECT ownership.assign_rows('product', '{gross}', 'crm', 'id > 1')$$);

-- what is no table to mirror: view, materialized view, sequence, index, type,
-- temporary table, catalog, information_schema, the extension's own, TOAST
SELECT regexp_replace(attempt(format('SELECT ownership.assign(%L, NULL, %L)', r, 'erp')), 'pg_temp_[0-9]+', 'pg_temp')
FROM unnest('{product_view,product_copy,numbers,product_pkey,pair,scratch,pg_class,information_schema.sql_features,ownership.field,ownership.conflict,ownership.map}'::text[]) r;
SELECT replace(attempt(format('SELECT ownership.assign(%L, NULL, %L)', reltoastrelid::regclass, 'erp')), reltoastrelid::regclass::text, 'pg_toast.pg_toast_product')
FROM pg_class WHERE oid = 'product'::regclass;
SELECT attempt($$SELECT ownership.guard('product_view')$$);
SELECT attempt($$SELECT ownership.unguard('product_view')$$);
SELECT attempt($$SELECT ownership.assign_rows('numbers', '{last_value}', 'crm', 'true')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{product_view.price}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{pg_catalog.pg_class.reltuples}')$$);
SELECT attempt($$SELECT ownership.add_tables('product_view', source => 'erp')$$);
SELECT attempt($$SELECT ownership.add_tables('pg_catalog.*', source => 'erp')$$);
SELECT attempt($$SELECT ownership.add_tables('ownership.*', source => 'erp')$$);
SELECT attempt($$SELECT ownership.add_tables('scratch', source => 'erp')$$);

-- a column that is mapped to another field already
SELECT attempt($$SELECT ownership.assign('item', '{list_price}', 'erp', entity => 'article')$$);
SELECT attempt($$SELECT ownership.link('product.sku', '{item.name}')$$);
SELECT attempt($$INSERT INTO ownership.mirrored_column VALUES ('public', 'item', 'list_price', 'article', 'name')$$);

-- a pattern that matches nothing
SELECT attempt($$SELECT ownership.add_tables('netsuite.*', source => 'netsuite')$$);
SELECT attempt($$SELECT ownership.add_tables('item', source => 'netsuite', exclude => '{*}')$$);
SELECT attempt($$SELECT ownership.add_tables('', source => 'netsuite')$$);
\set VERBOSITY default
CALL ownership.guard_all('netsuite.*');
CALL ownership.guard_all(NULL);
CALL ownership.guard_all('product', 'soon');
BEGIN;
CALL ownership.guard_all();
ROLLBACK;
\set VERBOSITY terse

-- names of fields: without a dot, empty, half empty
SELECT attempt($$SELECT ownership.link('price', '{item.list_price}')$$);
SELECT attempt($$SELECT ownership.link('', '{item.list_price}')$$);
SELECT attempt($$SELECT ownership.link('.price', '{item.list_price}')$$);
SELECT attempt($$SELECT ownership.link('product.', '{item.list_price}')$$);
SELECT attempt($$SELECT ownership.link(NULL, '{item.list_price}')$$);
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'erp', entity => '')$$);
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'erp', entity => ' product')$$);
SELECT attempt($$INSERT INTO ownership.field (entity, name) VALUES ('product', '')$$);
SELECT attempt($$INSERT INTO ownership.field (entity, name) VALUES ('', 'price')$$);
SELECT attempt($$INSERT INTO ownership.field (entity, name) VALUES ('product', 'net.price')$$);
-- and of columns
SELECT attempt($$SELECT ownership.link('product.price', '{list_price}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{a.b.c.d}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{"item.\"list_price"}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{""}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{item.list_price}', authoritative => 'item.name')$$);
-- a column whose name cannot be the name of a field
CREATE TABLE dotted (id int PRIMARY KEY, "net.price" numeric);
SELECT attempt($$SELECT ownership.assign('dotted', NULL, 'erp')$$);
SELECT attempt($$SELECT ownership.add_tables('dotted', source => 'erp')$$);
DROP TABLE dotted;

-- an unknown policy, domain, kind of identity, mode
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'erp', policy => 'warn')$$);
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'erp', domain => 'prices')$$);
SELECT attempt($$SELECT ownership.assign('product', '{title}', 'erp', domain => 'texts')$$);
SELECT attempt($$UPDATE ownership.field SET policy = 'Reject'$$);
SELECT attempt($$UPDATE ownership.domain SET policy = '' WHERE name = 'own'$$);
SELECT attempt($$INSERT INTO ownership.identity (kind, name, system) VALUES ('user', 'regress_crm', 'crm')$$);
SELECT attempt($$INSERT INTO ownership.identity (kind, name, system) VALUES ('role', '', 'crm')$$);
SELECT attempt($$INSERT INTO ownership.identity (kind, name) VALUES ('role', 'regress_crm')$$);
SELECT attempt($$INSERT INTO ownership.declared_access VALUES ('product', 'price', 'crm', 'delete')$$);

-- an unknown value of a setting, an unknown setting
SELECT attempt($$SET ownership.enforcement = 'maybe'$$);
SELECT attempt($$SET ownership.default_policy = 'warn'$$);
SELECT attempt($$SET ownership.observed_limit = -1$$);
SELECT attempt($$SET ownership.value_limit = 'many'$$);
SELECT attempt($$SET ownership.enforcment = 'off'$$);

-- names of systems
SELECT attempt($$SELECT ownership.add_system('erp', 'erp')$$);
SELECT attempt($$SELECT ownership.add_system('', 'erp')$$);
SELECT attempt($$SELECT ownership.add_system('a;b', 'erp')$$);
SELECT attempt($$SELECT ownership.add_system('TBD', 'erp')$$);
SELECT attempt($$SELECT ownership.add_system(NULL, 'erp')$$);
SELECT attempt($$SELECT ownership.add_system('shop', NULL)$$);
SELECT attempt($$SELECT ownership.add_system('shop', '')$$);

-- one role given to two systems
SELECT attempt($$SELECT ownership.identify('crm', role => 'regress_erp')$$);
SELECT attempt($$SELECT ownership.add_system('shop', 'storefront', role => 'regress_erp')$$);
SELECT attempt($$INSERT INTO ownership.identity (kind, name, system) VALUES ('role', 'regress_erp', 'crm')$$);

-- identify: none or several kinds, no system
SELECT attempt($$SELECT ownership.identify('crm')$$);
SELECT attempt($$SELECT ownership.identify('crm', role => 'regress_crm', subscription => 's')$$);
SELECT attempt($$SELECT ownership.identify(NULL, role => 'regress_crm')$$);
-- by function, a role or subscription that does not exist
SELECT attempt($$SELECT ownership.identify('crm', role => 'regress_crn')$$);
SELECT attempt($$SELECT ownership.identify('crm', role => 'no such role')$$);
SELECT attempt($$SELECT ownership.identify('crm', role => 'regress_crm', relay => true)$$);
SELECT attempt($$SELECT ownership.add_system('shop', 'storefront', role => 'regress_shop_sync')$$);
SELECT attempt($$SELECT ownership.identify(NULL, origin => 'hub')$$);

-- link of columns whose types cannot be compared
SELECT attempt($$SELECT ownership.link('product.sku', '{item.place}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{item.place}')$$);

-- missing arguments
SELECT attempt($$SELECT ownership.assign(NULL, NULL, 'erp')$$);
SELECT attempt($$SELECT ownership.assign('product', '{}', 'erp')$$);
SELECT attempt($$SELECT ownership.assign('product', '{price,NULL}', 'erp')$$);
SELECT attempt($$SELECT ownership.assign('product', '{price}', 'erp', readers => '{crm,NULL}')$$);
SELECT attempt($$SELECT ownership.link('product.price', '{}')$$);
SELECT attempt($$SELECT ownership.link('product.price', NULL)$$);
SELECT attempt($$SELECT ownership.add_tables(NULL)$$);

-- row owners: a column off the map, a filter that cannot work
SELECT attempt($$SELECT ownership.assign_rows('product', '{title}', 'crm', 'id > 1')$$);
SELECT attempt($$SELECT ownership.assign_rows('product', '{price}', 'crm', NULL)$$);
SELECT attempt($$SELECT ownership.assign_rows('product', NULL, 'crm', 'true')$$);
SELECT attempt(format('SELECT ownership.assign_rows(%L, %L, %L, %L)', 'product', '{price}', 'crm', filter))
FROM unnest(ARRAY['', 'id >', 'id', 'idd > 1', 'id = ''x''', 'id > 1; DROP TABLE product', 'id > 1 ORDER BY 1', 'id > (SELECT 1)',
	'count(*) > 1', 'sum(id) OVER () > 1', 'random() > 0.5', 'id > $1', 'ctid IS NOT NULL', 'gross > 1', 'other.id > 1', 'nosuch(id)',
	'generate_series(1, 2) > 1', 'id > 1 / 0']) filter;
\set VERBOSITY default
SELECT ownership.assign_rows('product', '{price}', 'crm', 'idd > 1');
\set VERBOSITY terse
SELECT attempt($$INSERT INTO ownership.row_owner VALUES ('public', 'product', 'price', 1, 'idd > 1', 'crm')$$);
SELECT attempt($$INSERT INTO ownership.row_owner VALUES ('public', 'product', 'title', 1, 'id > 1', 'crm')$$);

-- a table that is not on the map, a partition guarded through its table
SELECT attempt($$SELECT ownership.guard('"Odd ""Name"')$$);
CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
BEGIN;
SELECT ownership.assign('parted', NULL, 'erp');
SELECT attempt($$SELECT ownership.unguard('parted_1')$$);
ROLLBACK;
DROP TABLE parted;

-- a system that is somebody's: it owns, is a source, identifies
SELECT attempt($$DELETE FROM ownership.system WHERE name = 'erp'$$);

-- ownership.system naming nobody: the first guarded write says so
SET ownership.system = 'epr';
SELECT attempt($$UPDATE product SET price = 11$$);
SELECT attempt($$INSERT INTO product (id) VALUES (2)$$);
SELECT attempt($$DELETE FROM product$$);
SELECT attempt($$TRUNCATE product$$);
SELECT attempt($$SELECT ownership.current_system()$$);
SET ownership.system = 'something quite else';
SELECT attempt($$UPDATE product SET price = 11$$);
RESET ownership.system;

-- A table without any key: what holds is said.  A key that is off the map is
-- as good as none, except to tell a row by.
BEGIN;
CREATE TABLE keyless (price numeric);
CREATE TABLE halfkey (id int PRIMARY KEY, price numeric);
\set VERBOSITY default
SELECT ownership.assign('keyless', '{price}', 'erp');
SELECT ownership.assign('halfkey', '{price}', 'erp');
\set VERBOSITY terse
ROLLBACK;

-- nothing of all this changed anything
SELECT state() = :'before';
TABLE product;

-- any kind of system may be: one that is like a kind of the guide is noted
\set VERBOSITY default
SELECT ownership.add_system('akeneo''s', 'pimm'), ownership.add_system('plm', 'product lifecycle'), ownership.add_system('other pim', 'pim');
SELECT ownership.add_system('second', 'pimm');
\set VERBOSITY terse

DROP EXTENSION ownership CASCADE;
DROP TABLE product, item, "Odd ""Name" CASCADE;
DROP SEQUENCE numbers;
DROP TYPE pair;
DROP TABLE scratch;
DROP FUNCTION attempt, state;
DROP ROLE regress_erp, regress_crm;
