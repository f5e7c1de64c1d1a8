-- impact(): what reads a field by definition, and which systems do.
CREATE EXTENSION ownership;
\pset null -
SET client_min_messages = warning;
CREATE ROLE regress_im_shop;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('shop', 'storefront', role => 'regress_im_shop'), ownership.add_system('bi', 'bi');
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, qty int, note text, parent text REFERENCES product,
	gross numeric GENERATED ALWAYS AS (price * 1.19) STORED,
	CONSTRAINT positive CHECK (price > 0), CONSTRAINT whole CHECK (product IS NOT NULL), CONSTRAINT other CHECK (qty >= 0), UNIQUE (title, qty));
SELECT ownership.assign('product', '{sku,price,title,qty,note}', 'erp', readers => '{bi}');
SELECT ownership.assign_rows('product', '{title}', 'shop', 'price > 100'), ownership.assign_rows('product', '{note}', 'shop', 'qty > 100');

-- The catalogs name the column
CREATE INDEX by_price ON product (price);
CREATE INDEX by_rounded ON product (round(price));
CREATE INDEX expensive ON product (sku) WHERE price > 100;
CREATE INDEX many ON product (sku) WHERE qty > 100;
CREATE STATISTICS together ON price, qty FROM product;
CREATE STATISTICS of_expression ON (price * 2), qty FROM product;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER of_column BEFORE UPDATE OF price ON product FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER on_condition BEFORE UPDATE ON product FOR EACH ROW WHEN (OLD.price <> NEW.price) EXECUTE FUNCTION nothing();
CREATE TRIGGER on_row AFTER UPDATE ON product FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION nothing();
CREATE TRIGGER on_other BEFORE UPDATE OF qty ON product FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE POLICY affordable ON product USING (price < 1000);
CREATE POLICY available ON product USING (qty > 0);
CREATE TABLE customer (id int PRIMARY KEY, sku text REFERENCES product);
CREATE POLICY rich ON customer USING (EXISTS (SELECT FROM product p WHERE p.sku = customer.sku AND p.price > 10));
CREATE PUBLICATION all_columns FOR TABLE product;
CREATE PUBLICATION its_column FOR TABLE product (sku, price);
CREATE PUBLICATION other_column FOR TABLE product (sku, qty);
CREATE PUBLICATION filtered FOR TABLE product (sku) WHERE (sku <> 'x');
CREATE PUBLICATION whole_schema FOR TABLES IN SCHEMA public;
CREATE RULE on_delete AS ON DELETE TO customer DO ALSO UPDATE product SET note = 'x' WHERE price = 0;

-- Views: columns of columns, conditions, whole rows, subqueries
CREATE VIEW offer AS SELECT sku, price AS net, title FROM product;
CREATE VIEW offer_title AS SELECT title FROM offer;
CREATE VIEW offer_net AS SELECT sku, net * 2 AS twice FROM offer;
CREATE VIEW cheap AS SELECT sku, title FROM product WHERE price < 10;
CREATE VIEW cheap_title AS SELECT title FROM cheap;
CREATE VIEW rows AS SELECT p AS row FROM product p;
CREATE VIEW no_price AS SELECT sku, qty FROM product;
CREATE VIEW unused AS SELECT s.sku FROM (SELECT sku, price FROM product) s;
CREATE VIEW with_cte AS WITH RECURSIVE chain AS (SELECT sku, parent, price AS total FROM product WHERE parent IS NULL
	UNION ALL SELECT p.sku, p.parent, c.total + 1 FROM product p JOIN chain c ON p.parent = c.sku) SELECT sku AS leaf, total FROM chain;
CREATE VIEW united AS SELECT sku AS a, qty::numeric AS b FROM product UNION ALL SELECT sku, price FROM product;
CREATE VIEW distinct_ones AS SELECT sku AS a, qty::numeric AS b FROM product UNION SELECT sku, price FROM product;
CREATE VIEW joined AS SELECT a.sku, b.* FROM product a JOIN (SELECT sku AS other, price FROM product) b ON a.parent = b.other;
CREATE VIEW lateral_one AS SELECT p.sku, l.v FROM product p, LATERAL (SELECT p.price + 1 AS v) l;
CREATE VIEW grouped AS SELECT qty, sum(price) AS revenue FROM product GROUP BY qty;
CREATE VIEW by_group AS SELECT count(*) AS n FROM product GROUP BY price;
CREATE VIEW scalar AS SELECT c.id, (SELECT max(p.price) FROM product p WHERE p.sku = c.sku) AS best FROM customer c;
CREATE VIEW in_values AS SELECT p.sku, v.x FROM product p, LATERAL (VALUES (p.price)) v(x);
CREATE VIEW using_join AS SELECT price FROM product JOIN (SELECT price FROM product) q USING (price);
CREATE MATERIALIZED VIEW summary AS SELECT sum(net) AS total FROM offer;
CREATE INDEX of_summary ON summary (total);
CREATE VIEW on_summary AS SELECT total FROM summary;

-- Functions: parsed bodies, strings of SQL, others
CREATE FUNCTION atomic_price(text) RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC SELECT price FROM product WHERE sku = $1; END;
CREATE FUNCTION atomic_qty(text) RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT qty FROM product WHERE sku = $1; END;
CREATE FUNCTION calls_atomic(text) RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC SELECT atomic_price($1); END;
CREATE VIEW calls_function AS SELECT id, calls_atomic(sku) AS p FROM customer;
CREATE FUNCTION string_price(text) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT p.price FROM public.product p WHERE sku = $1';
CREATE FUNCTION string_other(text) RETURNS text LANGUAGE sql STABLE AS $$SELECT title || 'price' FROM product WHERE sku = $1 -- the price
$$;
CREATE FUNCTION string_calls(text) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT string_price($1)';
CREATE FUNCTION string_writes(text) RETURNS void LANGUAGE sql AS 'UPDATE product SET price = 1 WHERE sku = $1';
CREATE FUNCTION string_view(text) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT net FROM offer WHERE sku = $1';
SET check_function_bodies = off;
CREATE FUNCTION string_broken(text) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT price FROM product, not_there WHERE sku = $1';
RESET check_function_bodies;
CREATE SCHEMA hidden;
CREATE TABLE hidden.product (price numeric);
CREATE FUNCTION string_hidden() RETURNS numeric LANGUAGE sql STABLE SET search_path = hidden AS 'SELECT price FROM product';
CREATE FUNCTION block_price(text) RETURNS numeric LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT price FROM product WHERE sku = $1); END';
CREATE FUNCTION block_rows(text) RETURNS text LANGUAGE plpgsql AS 'DECLARE r record; BEGIN SELECT * INTO r FROM product; RETURN r; END';
CREATE FUNCTION block_other(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT title FROM product WHERE sku = $1); END';
CREATE FUNCTION block_prices(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT prices FROM product WHERE sku = $1); END';
CREATE FUNCTION block_calls(text) RETURNS numeric LANGUAGE plpgsql AS 'BEGIN RETURN atomic_price ($1); END';
CREATE FUNCTION block_no_call() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN 'atomic_price'; END$$;
CREATE PROCEDURE block_procedure() LANGUAGE plpgsql AS 'BEGIN UPDATE product SET PRICE = 1; END';
CREATE FUNCTION on_new() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.price := 1; RETURN NEW; END';
CREATE FUNCTION on_whole() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM to_jsonb(NEW); RETURN NEW; END';
CREATE TRIGGER new_trigger BEFORE INSERT ON product FOR EACH ROW EXECUTE FUNCTION on_new();
CREATE TRIGGER whole_trigger BEFORE INSERT ON product FOR EACH ROW EXECUTE FUNCTION on_whole();
CREATE FUNCTION computed(product) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1.price';

INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, last_read)
	VALUES ('public', 'product', 'price', 'shop', 3, '2026-11-30'), ('public', 'product', 'price', NULL, 1, '2026-11-29');
SELECT * FROM ownership.impact('product.price') ORDER BY depth, kind COLLATE "C", object COLLATE "C";
-- what is not there, does not read it
SELECT string_agg(object, ', ' ORDER BY object COLLATE "C") FROM ownership.impact('product.price')
WHERE object ~ 'no_price|offer_title|many|on_other|available|other_column|filtered|qty|string_other|string_hidden|block_other|block_prices|other on|nothing|no_call';
-- counted, on readiness and on the page
UPDATE ownership.activity SET writes = 2, last_write = '2026-11-30';
SELECT entity, field, system, impact FROM ownership.readiness ORDER BY system;
SELECT m[1] FROM regexp_matches(ownership.page(), '<dt>Built on it</dt><dd>(.*?)</dd>', 'g') m;
SELECT * FROM ownership.definition ORDER BY field;
-- another column
SELECT kind, object, depth, detail FROM ownership.impact('product.qty') ORDER BY depth, kind COLLATE "C", object COLLATE "C";
-- a column, on the map or not; a key that other tables refer to
SELECT count(*) FROM ownership.impact('public.product.price');
SELECT kind, object, depth, detail FROM ownership.impact('customer.id') ORDER BY depth, kind COLLATE "C", object COLLATE "C";
SELECT kind, object, detail FROM ownership.impact('product.sku') WHERE kind = 'constraint' ORDER BY object COLLATE "C";

-- Partitions, inheritance, foreign tables
CREATE EXTENSION file_fdw;
CREATE SERVER im FOREIGN DATA WRAPPER file_fdw;
CREATE TABLE item (id int, region text, price numeric) PARTITION BY LIST (region);
CREATE TABLE item_a (price numeric, region text, id int);
ALTER TABLE item ATTACH PARTITION item_a FOR VALUES IN ('a');
CREATE VIEW of_partition AS SELECT price FROM item_a;
CREATE VIEW of_root AS SELECT price FROM item;
CREATE FOREIGN TABLE remote (id int, price numeric) SERVER im OPTIONS (filename '/dev/null');
SELECT ownership.assign('item', '{region,price}', 'erp');
SELECT ownership.link('item.price', '{remote.price}');
SELECT * FROM ownership.impact('item.price') ORDER BY depth, kind COLLATE "C", object COLLATE "C";
SELECT kind, object, detail FROM ownership.impact('item_a.price') WHERE kind = 'view' ORDER BY object COLLATE "C";
SELECT * FROM ownership.impact('item.region') WHERE kind LIKE 'part%';

-- It takes no lock that stays, and stores nothing
BEGIN READ ONLY;
SELECT count(*) > 40 FROM ownership.impact('product.price');
SELECT mode, count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relname IN ('product', 'offer', 'customer') GROUP BY mode;
COMMIT;
-- Any role may call it
SET ROLE regress_im_shop;
SELECT count(*) > 40 FROM ownership.impact('product.price');
RESET ROLE;
-- A row filter that fails
CREATE FUNCTION expensive() RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 100.0';
UPDATE ownership.row_owner SET row_filter = 'price > public.expensive()' WHERE column_name = 'title';
CREATE OR REPLACE FUNCTION expensive() RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 1.0 / 0';
SELECT kind, object, detail FROM ownership.impact('product.price') WHERE kind = 'row filter';

SELECT ownership.impact('product.prise');
SELECT ownership.impact('nothing.at.all');
SELECT ownership.impact('pg_catalog.pg_class.relname');
SELECT ownership.impact(NULL);

DROP EXTENSION file_fdw CASCADE;
DROP EXTENSION ownership CASCADE;
DROP TABLE item, customer, product, hidden.product CASCADE;
DROP SCHEMA hidden;
DROP FUNCTION block_calls, block_no_call, nothing, expensive, string_price, string_other, string_calls, string_writes, string_view, string_broken, string_hidden, block_price, block_rows, block_other, block_prices, on_new, on_whole;
DROP PROCEDURE block_procedure;
DROP PUBLICATION all_columns, its_column, other_column, filtered, whole_schema;
DROP ROLE regress_im_shop;
