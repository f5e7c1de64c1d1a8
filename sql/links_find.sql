-- suggest_links(): copies of one field find each other by their values.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SELECT * FROM ownership.suggest_links(NULL);
SELECT * FROM ownership.suggest_links('nothing.*');

-- a number that looks random, and is the same in every run
CREATE FUNCTION r(seed int, n int) RETURNS int LANGUAGE SQL IMMUTABLE AS $$ SELECT (hashint4(seed) & 2147483647) % n $$;

--
-- An ERP and a shop: names and types differ, the shop has fewer rows, and drifts.
--
CREATE SCHEMA erp;
CREATE SCHEMA shop;
CREATE TABLE erp.item AS SELECT 1000 - n AS id, 'SKU-' || (r(n, 9000) * 1000 + n) AS item_no, 'Chair ' || r(n + 1000, 90000) AS description, (r(n + 2000, 9000) + 100) / 100.0 AS list_price,
	r(n + 3000, 300) AS qty, (400000000 + r(n + 4000, 9000000))::text AS gtin, (r(n + 5000, 9000) + 100) / 1000.0 AS weight, r(n, 10) > 1 AS is_active, r(n + 6000, 2) = 1 AS taxable, r(n + 7000, 9) AS lead_days,
	(ARRAY['wood', 'steel', 'glass', 'wool', 'clay'])[1 + r(n + 8000, 5)] AS material, date '2020-01-01' + r(n + 9000, 1500) AS released, timestamptz '2024-01-01' + n * interval '1 hour' AS created_at
	FROM generate_series(1, 300) n;
ALTER TABLE erp.item ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX ON erp.item (item_no);
CREATE TABLE shop."Product" AS SELECT row_number() OVER (ORDER BY item_no)::int AS id, item_no AS sku, CASE WHEN id % 20 = 0 THEN description || '!' ELSE description END AS title, CASE WHEN id % 25 = 0 THEN list_price + 1 ELSE list_price END AS "Price €",
	CASE WHEN id % 40 = 0 THEN qty + 1 ELSE qty END AS inventory_quantity, gtin::bigint AS barcode, weight::text AS weight_kg, is_active::text AS is_active, r(id + 500, 10) > 1 AS visible, r(id + 600, 9) AS position, material AS material, to_char(released, 'YYYY-MM-DD') AS released,
	created_at
	FROM erp.item WHERE id % 3 > 0;
ALTER TABLE shop."Product" ADD PRIMARY KEY (id);
-- other things with the same ids: nothing is in common but numbers
CREATE TABLE shop.customer AS SELECT n AS id, 'Name ' || r(n + 100, 9000) AS name, r(n + 200, 300) AS points, r(n, 10) > 1 AS is_active, (ARRAY['wood', 'steel', 'glass'])[1 + r(n + 300, 3)] AS likes,
	timestamptz '2024-01-01' + n * interval '1 hour' AS created_at FROM generate_series(1, 300) n;
ALTER TABLE shop.customer ADD PRIMARY KEY (id);
-- a foreign key within a schema is no copy, even if each row has one
CREATE TABLE shop.customer_extra (customer_id int PRIMARY KEY REFERENCES shop.customer, newsletter boolean, points int);
INSERT INTO shop.customer_extra SELECT id, id % 2 = 0, points FROM shop.customer;
ANALYZE;

SELECT field, columns, key, contained, agree, sure FROM ownership.suggest_links();
\x
SELECT columns, reason, statement FROM ownership.suggest_links() WHERE field ~ 'item_no|list_price';
\x
-- nothing is stored, and no table stays locked
SELECT count(*) FROM ownership.field;
BEGIN;
SELECT count(*) > 5 AS found FROM ownership.suggest_links();
SELECT relation::regclass FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('erp.item'::regclass, 'shop."Product"'::regclass);
COMMIT;
-- in a transaction that only reads, too
BEGIN READ ONLY;
SELECT count(*) > 5 AS found FROM ownership.suggest_links('*.*');
COMMIT;
-- a pattern
SELECT count(*) FROM ownership.suggest_links('shop.*');

--
-- The statements are ready to run: then drift() sees the same, and there is no news.
--
SELECT statement FROM ownership.suggest_links() WHERE sure \gexec
SELECT field, columns FROM ownership.suggest_links() WHERE sure;
UPDATE ownership.mirrored_column SET authoritative = true WHERE table_name = 'item';
SELECT field, rows_compared, rows_differing, problem FROM ownership.drift_summary() ORDER BY field COLLATE "C";

--
-- A map that says otherwise stays: columns that were given different fields are not joined.
--
DELETE FROM ownership.mirrored_table;
DELETE FROM ownership.field;
SELECT ownership.assign('erp.item', '{list_price,qty}', NULL, entity => 'product');
SELECT ownership.assign('shop."Product"', ARRAY['Price €'], NULL, entity => 'offer');
SELECT field, columns, sure, split_part(reason, ';', 1) AS reason FROM ownership.suggest_links() WHERE field ~ 'product|offer';
-- a table's entity is that of its fields
SELECT field, columns, statement FROM ownership.suggest_links() WHERE field ~ 'qty|weight';
-- values of sensitive fields are not shown
UPDATE ownership.field SET sensitive = true WHERE name = 'qty';
SELECT reason FROM ownership.suggest_links() WHERE field ~ 'qty';
DELETE FROM ownership.mirrored_table;
DELETE FROM ownership.field;

--
-- Privileges and row security are those of the caller.
--
CREATE ROLE regress_links;
GRANT USAGE ON SCHEMA erp, shop TO regress_links;
SET ROLE regress_links;
SELECT count(*) FROM ownership.suggest_links();
RESET ROLE;
GRANT SELECT (item_no, qty, list_price, description) ON erp.item TO regress_links;
GRANT SELECT ON shop."Product" TO regress_links;
SET ROLE regress_links;
SELECT field, columns FROM ownership.suggest_links();
RESET ROLE;
ALTER TABLE shop."Product" ENABLE ROW LEVEL SECURITY;
SET ROLE regress_links;
SELECT count(*) FROM ownership.suggest_links();
RESET ROLE;
CREATE POLICY mine ON shop."Product" TO regress_links USING (id < 50);
SET ROLE regress_links;
SELECT columns, substring(reason, '[0-9]+ of [0-9]+ compared rows') AS compared FROM ownership.suggest_links() WHERE field ~ 'qty';
RESET ROLE;
-- what cannot be read is left out, and said
SET ROLE regress_links;
SET row_security = off;
SELECT count(*) FROM ownership.suggest_links();
RESET row_security;
RESET ROLE;
-- reading must not run code of others
CREATE FUNCTION spy(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'run'; END $$;
ALTER FUNCTION spy OWNER TO regress_links;
CREATE TABLE erp.trap (id int, CHECK (spy(id)));
SELECT count(*) FROM ownership.suggest_links('erp.*');
DROP TABLE erp.trap;
DROP FUNCTION spy;
DROP OWNED BY regress_links;
DROP ROLE regress_links;

--
-- Keys of other types: a UUID and its text, a number and a text with zeros before it.
--
CREATE SCHEMA a;
CREATE SCHEMA b;
CREATE TABLE a.t AS SELECT md5('u' || n)::uuid AS id, 100 + n AS no, 'x' || r(n, 100000) AS label, n % 2 = 0 AS flag FROM generate_series(1, 100) n;
CREATE TABLE b.t AS SELECT id::text AS ref, label AS text, flag AS enabled FROM a.t;
CREATE TABLE b.u AS SELECT lpad(no::text, 8, '0') AS number, label AS name, NOT flag AS disabled FROM a.t WHERE no < 150;
SELECT columns, key, contained, agree, sure, split_part(reason, ';', 1) AS reason FROM ownership.suggest_links('?.?');
-- nine rows are too few to tell anything
DELETE FROM b.u WHERE number >= '00000110';
SELECT columns FROM ownership.suggest_links('?.?') WHERE columns::text ~ 'b.u';
DROP TABLE a.t, b.t, b.u;

--
-- Consecutive numbers of different things are no key, whatever else is consecutive or common.
--
CREATE TABLE a.person AS SELECT n AS id, n + 5000 AS number, 'P' || lpad(n::text, 5, '0') AS code, (ARRAY['Graz', 'Linz', 'Wien', 'Wels', 'Steyr', 'Krems', 'Enns', 'Lienz', 'Zell', 'Baden', 'Hall', 'Imst'])[1 + r(n, 12)] AS city, date '2020-01-01' + n AS entered, r(n + 9, 100) AS points, true AS active FROM generate_series(1, 400) n;
CREATE TABLE b.machine AS SELECT n AS id, n + 5000 AS number, 'P' || lpad(n::text, 5, '0') AS code, (ARRAY['Graz', 'Linz', 'Wien', 'Wels', 'Steyr', 'Krems', 'Enns', 'Lienz', 'Zell', 'Baden', 'Hall', 'Imst'])[1 + r(n + 777, 12)] AS city, date '2020-01-01' + n AS entered, r(n + 888, 100) AS points, true AS active FROM generate_series(1, 400) n;
SELECT columns, sure, reason FROM ownership.suggest_links('?.*');
-- nor are the lines of different documents
CREATE TABLE a.order_line AS SELECT n AS id, 1 + n / 2 AS order_id, 1 + n % 2 AS line, r(n, 50) AS quantity FROM generate_series(1, 400) n;
CREATE TABLE b.receipt_line AS SELECT n AS id, 1 + n / 2 AS receipt_id, 1 + n % 2 AS line, r(n + 555, 50) AS quantity FROM generate_series(1, 400) n;
SELECT columns, sure, reason FROM ownership.suggest_links('?.*');
SET client_min_messages = warning;
DROP SCHEMA a, b CASCADE;
DROP SCHEMA erp, shop CASCADE;
DROP FUNCTION r(int, int);
DROP EXTENSION ownership;
