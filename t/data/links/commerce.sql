-- An ERP, a PIM, a shop and a WMS, each in a schema of its own.
CREATE SCHEMA erp; CREATE SCHEMA pim; CREATE SCHEMA shop; CREATE SCHEMA wms;
CREATE TABLE gen.product AS SELECT n,
	'HX-' || (100000 + gen.r('s' || n, 90) * 10000 + n) AS sku, 4000000000000 + gen.r('e' || n, 1000000)::bigint * 900000 + n AS ean,
	gen.words('n' || n) AS name, (gen.r('p' || n, 40000) + 99) / 100.0 AS price, gen.r('q' || n, 300) AS qty,
	(gen.r('w' || n, 9000) + 100) / 1000.0 AS weight, gen.skewed('c' || n, '{Furniture,Light,Fashion,Kitchen,Office,Garden,Kids}') AS category,
	gen.skewed('b' || n, '{Norda,Valo,Kesto,Mira,Ronda,Tavi,Ursa,Zeno,Lumo,Pike,Arve,Solis}') AS brand, gen.p('a' || n, 85) AS active,
	date '2015-01-01' + gen.r('d' || n, 3000) AS released
	FROM generate_series(1, 4000) n;
CREATE TABLE erp.item AS SELECT (row_number() OVER (ORDER BY md5('erp' || n)))::int AS id, sku AS item_no, upper(substr(name, 1, 1)) || substr(name, 2) AS description,
	price AS list_price, round(price * (50 + gen.r('co' || n, 30)) / 100, 2) AS standard_cost, qty AS quantity_on_hand, gen.r('re' || n, 50) AS reorder_level,
	ean::text AS gtin, weight AS net_weight, weight * 1.1 AS gross_weight, category AS item_group, brand AS manufacturer, gen.pick('u' || n, '{PCE,KG,M}') AS uom,
	gen.pick('v' || n, '{19,7,0}')::int AS vat_rate, active AS is_active, timestamptz '2019-01-01' + n * interval '1 hour' AS created_at, timestamptz '2024-01-01' + n * interval '1 minute' AS updated_at
	FROM gen.product;
ALTER TABLE erp.item ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX ON erp.item (item_no);
CREATE TABLE shop.product AS SELECT (row_number() OVER (ORDER BY md5('shop' || n)))::bigint AS id, sku, CASE WHEN gen.p('t' || n, 5) THEN name || ' (new)' ELSE name END AS title,
	lower(replace(name, ' ', '-')) || '-' || n AS handle, CASE WHEN gen.p('pd' || n, 3) THEN price + 1 ELSE price END::numeric(10, 2) AS price,
	CASE WHEN gen.p('sp' || n, 40) THEN round(price * 0.8, 2) ELSE price END AS special_price, greatest(0, qty - CASE WHEN gen.p('iq' || n, 4) THEN 1 ELSE 0 END) AS inventory_quantity,
	ean AS barcode, brand AS vendor, CASE WHEN gen.p('vi' || n, 50) THEN 'published' ELSE 'draft' END AS status, gen.p('gi' || n, 50) AS gift_card, gen.r('po' || n, 10) AS position,
	CASE WHEN gen.p('im' || n, 70) THEN 'https://cdn.example/' || md5('i' || n) || '.jpg' END AS image_url,
	timestamptz '2020-01-01' + n * interval '1 hour' AS created_at, timestamptz '2024-02-01' + n * interval '1 minute' AS updated_at
	FROM gen.product WHERE gen.p('in' || n, 60);
ALTER TABLE shop.product ADD PRIMARY KEY (id);
CREATE TABLE pim.article AS SELECT md5('u' || n)::uuid AS uuid, sku AS code, name AS product_name, name || '. Made of fine material, for ' || category || ', number ' || gen.r('x' || n, 5000) AS long_description,
	brand, category AS main_category, weight::text AS weight_kg, released AS release_date, 'https://cdn.example/' || md5('i' || n) || '.jpg' AS image, gen.pick('cl' || n, '{red,blue,green,black,white,grey}') AS color,
	(20 + gen.r('wi' || n, 180)) AS width, (20 + gen.r('he' || n, 180)) AS height, gen.p('cm' || n, 70) AS complete, now() AS updated
	FROM gen.product WHERE gen.p('pi' || n, 90);
ALTER TABLE pim.article ADD PRIMARY KEY (uuid);
CREATE TABLE wms.stock_item AS SELECT (row_number() OVER (ORDER BY md5('wms' || n)))::int AS stock_item_id, sku AS article_number, qty AS available_qty, gen.r('rs' || n, 5) AS reserved_qty, 'A' || gen.r('bn' || n, 400) AS bin,
	(weight * 1000)::int AS weight_g, released + 30 AS first_received
	FROM gen.product WHERE gen.p('wm' || n, 80);
ALTER TABLE wms.stock_item ADD PRIMARY KEY (stock_item_id);
-- other entities, whose ids are as serial
CREATE TABLE shop.customer AS SELECT n AS id, gen.first_name('f' || n) AS first_name, gen.last_name('l' || n) AS last_name, 'user' || n || '@mail.example' AS email, gen.city('ci' || n) AS city, gen.r('cs' || n, 5) AS score,
	gen.p('ac' || n, 85) AS active, timestamptz '2020-01-01' + n * interval '1 hour' AS created_at FROM generate_series(1, 3000) n;
ALTER TABLE shop.customer ADD PRIMARY KEY (id);
CREATE TABLE shop.orders AS SELECT n AS id, 1 + gen.r('oc' || n, 3000) AS customer_id, 'HX-' || (500000 + n) AS order_no, gen.r('ot' || n, 90000) / 100.0 AS total, gen.pick('os' || n, '{new,paid,shipped,closed}') AS status, gen.r('oq' || n, 20) AS quantity,
	date '2023-01-01' + n / 20 AS ordered_on, timestamptz '2023-01-01' + n * interval '1 hour' AS created_at FROM generate_series(1, 6000) n;
ALTER TABLE shop.orders ADD PRIMARY KEY (id);
CREATE TABLE shop.order_line AS SELECT n AS id, 1 + n / 2 AS order_id, 1 + gen.r('lp' || n, 2300) AS product_id, gen.r('lq' || n, 5) + 1 AS qty, gen.r('lr' || n, 40000) / 100.0 AS unit_price FROM generate_series(1, 11000) n;
CREATE TABLE erp.supplier AS SELECT n AS id, 'S' || lpad(n::text, 5, '0') AS supplier_no, gen.last_name('su' || n) || ' ' || gen.pick('sf' || n, '{GmbH,AG,KG}') AS name, gen.city('sc' || n) AS city, gen.pick('sco' || n, '{DE,AT,CH}') AS country, gen.p('sa' || n, 90) AS is_active,
	timestamptz '2019-01-01' + n * interval '1 hour' AS created_at FROM generate_series(1, 800) n;
ALTER TABLE erp.supplier ADD PRIMARY KEY (id);
CREATE TABLE erp.cost_center AS SELECT n AS id, 'S' || lpad(n::text, 5, '0') AS code, 'Cost center ' || n AS name, gen.r('cc' || n, 100) AS budget FROM generate_series(1, 300) n;
