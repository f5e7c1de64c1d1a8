-- A map as a company has it: 158 landing tables of six sources, four shared tables, linked
-- fields, traffic and quarrels.  For t/pictures_page.pl.
CREATE EXTENSION ownership;
SELECT format('CREATE ROLE trial_%s', r) FROM unnest('{netsuite,akeneo,shopify,hubspot,shipstation,zendesk,looker,avalara,loader,steward}'::text[]) r \gexec
SELECT ownership.add_system(name, kind, role => 'trial_' || name, title => title)
FROM (VALUES ('netsuite', 'erp', 'NetSuite'), ('akeneo', 'pim', 'Akeneo PIM'), ('shopify', 'storefront', 'Shopify'), ('hubspot', 'crm', 'HubSpot'),
	('shipstation', 'wms', 'ShipStation'), ('zendesk', 'helpdesk', 'Zendesk'), ('looker', 'bi', 'Looker'), ('avalara', 'tax', 'Avalara')) s(name, kind, title);
UPDATE ownership.system SET contact = CASE name WHEN 'akeneo' THEN 'Anna' WHEN 'shopify' THEN 'Ben' WHEN 'netsuite' THEN 'Carla' WHEN 'avalara' THEN 'Carla' WHEN 'hubspot' THEN 'Dan' END;
SELECT ownership.identify('netsuite', role => 'trial_loader', carrier => true);
SELECT ownership.identify(NULL, role => 'trial_steward', steward => true);
-- 158 landing tables of six sources, 2,540 columns
DO $$
DECLARE
	source text;
	words text[] := '{name,status,created_at,updated_at,currency,amount,tax_code,email,phone,country,city,postal_code,note,external_id,quantity,unit,price,cost,
		weight,color,size,brand,category,description,image_url,is_active,priority,owner_name,channel,locale,reference,discount,total,due_date,shipped_at,carrier,tracking_number}';
	nouns text[] := '{item,item_price,customer,customer_address,sales_order,sales_order_line,invoice,invoice_line,payment,refund,shipment,shipment_line,vendor,purchase_order,purchase_order_line,
		inventory_level,location,price_list,promotion,tax_rate,category,attribute,attribute_option,media,channel,employee,note}';
	sources text[] := '{netsuite,akeneo,shopify,hubspot,shipstation,zendesk}';
	columns text;
	n int;
BEGIN
	FOR s IN 1..6 LOOP
		source := sources[s];
		EXECUTE format('CREATE SCHEMA %I', source);
		FOR t IN 1..CASE WHEN s <= 2 THEN 27 ELSE 26 END LOOP
			SELECT string_agg(format('%I %s', words[1 + (t * 7 + s * 3 + i * 5) % 37], CASE i % 5 WHEN 0 THEN 'numeric' WHEN 1 THEN 'timestamptz' ELSE 'text' END), ', ')
				INTO columns FROM generate_series(0, 14) i;
			EXECUTE format('CREATE TABLE %I.%I (id bigint PRIMARY KEY, %s)', source, nouns[t], columns);
		END LOOP;
		PERFORM ownership.add_tables(source || '.*', source => source, readers => '{looker}');
	END LOOP;
END $$;
-- four shared tables
CREATE TABLE product (sku text PRIMARY KEY, title text, description text, price numeric, cost numeric, stock int, tax_code text, category text, image_url text, weight numeric, active boolean, updated_at timestamptz);
CREATE TABLE customer (email text PRIMARY KEY, name text, phone text, country text, city text, consent boolean, segment text, credit_limit numeric);
CREATE TABLE orders (number text PRIMARY KEY, email text, status text, total numeric, currency text, placed_at timestamptz, tracking_number text, carrier text, refunded numeric);
CREATE TABLE price_list (sku text, channel text, price numeric, currency text, valid_from date, PRIMARY KEY (sku, channel));
SELECT ownership.assign('product', NULL, 'akeneo', readers => '{shopify,looker,hubspot}'), ownership.assign('customer', NULL, 'hubspot', readers => '{shopify,zendesk,looker}'),
	ownership.assign('orders', NULL, 'shopify', readers => '{netsuite,shipstation,zendesk,looker}'), ownership.assign('price_list', NULL, 'netsuite', readers => '{shopify,looker}');
UPDATE ownership.field SET owner = 'netsuite' WHERE entity = 'product' AND name IN ('cost', 'price', 'tax_code');
UPDATE ownership.field SET owner = NULL WHERE (entity, name) IN (('product', 'stock'), ('product', 'category'), ('customer', 'segment'), ('customer', 'credit_limit'), ('orders', 'refunded'));
UPDATE ownership.field SET owner = NULL WHERE entity LIKE 'zendesk.%' AND name IN ('priority', 'channel');
UPDATE ownership.field SET owner = 'shipstation' WHERE (entity, name) IN (('orders', 'tracking_number'), ('orders', 'carrier'));
UPDATE ownership.field SET local = true WHERE (entity, name) = ('product', 'updated_at');
UPDATE ownership.field SET label = initcap(replace(name, '_', ' ')) WHERE entity IN ('product', 'customer', 'orders', 'price_list') AND name <> 'sku';
UPDATE ownership.field SET policy = 'keep' WHERE entity IN ('product', 'customer', 'orders', 'price_list');
UPDATE ownership.field SET policy = 'observe' WHERE (entity, name) IN (('customer', 'phone'), ('product', 'image_url'));
UPDATE ownership.field SET sensitive = true WHERE entity = 'customer' AND name IN ('email', 'phone', 'credit_limit');
UPDATE ownership.field SET domain = CASE name WHEN 'price' THEN 'price' WHEN 'cost' THEN 'cost' WHEN 'stock' THEN 'stock' WHEN 'title' THEN 'content' WHEN 'description' THEN 'content' END
	WHERE entity IN ('product', 'price_list');
INSERT INTO ownership.declared_access VALUES ('product', 'stock', 'netsuite', 'write'), ('product', 'stock', 'shipstation', 'write'), ('product', 'category', 'akeneo', 'write'),
	('product', 'category', 'shopify', 'write'), ('customer', 'name', 'shopify', 'write');
-- linked fields
SELECT ownership.link('item.number', '{netsuite.item.id,akeneo.item.id}'), ownership.link('order.ref', '{netsuite.sales_order.id,shipstation.sales_order.id}');
-- roles, traffic and quarrels
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO trial_%I; GRANT USAGE ON SCHEMA %I TO trial_%I', s, s, s, s)
FROM unnest('{netsuite,akeneo,shopify,hubspot,shipstation,zendesk}'::text[]) s \gexec
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON product, customer, orders, price_list TO %I', rolname) FROM pg_roles WHERE rolname LIKE 'trial_%' \gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO trial_looker; GRANT SELECT ON ALL TABLES IN SCHEMA %I TO trial_looker', s, s) FROM unnest('{netsuite,akeneo,shopify,hubspot,shipstation,zendesk}'::text[]) s \gexec
SET ROLE trial_akeneo;
INSERT INTO product (sku, title, description, image_url, weight, active) SELECT 'SKU-' || i, 'Title ' || i, 'Text ' || i, '/img/' || i, i, true FROM generate_series(1, 40) i;
SET ROLE trial_netsuite;
UPDATE product SET price = 10, cost = 5, tax_code = 'T1';
UPDATE product SET stock = 7;
INSERT INTO price_list SELECT 'SKU-' || i, 'web', 11, 'EUR', '2026-01-01' FROM generate_series(1, 40) i;
SET ROLE trial_shipstation;
UPDATE product SET stock = 6;
SET ROLE trial_hubspot;
INSERT INTO customer SELECT 'person' || i || '@example.com', 'Person ' || i, '0123-' || i, 'DE', 'Berlin' FROM generate_series(1, 40) i;
SET ROLE trial_shopify;
UPDATE product SET price = 12, title = 'Shop title' WHERE sku IN ('SKU-1', 'SKU-2', 'SKU-3');
UPDATE product SET category = 'shoes';
UPDATE customer SET name = 'Shop name', phone = '9999' WHERE email LIKE 'person1%';
INSERT INTO orders (number, email, status, total, currency) SELECT 'O-' || i, 'person1@example.com', 'open', 20, 'EUR' FROM generate_series(1, 40) i;
INSERT INTO product (sku, title) VALUES ('SHOP-1', 'made by the shop') ON CONFLICT DO NOTHING;
UPDATE price_list SET price = 9 WHERE sku < 'SKU-2';
SET ROLE trial_zendesk;
UPDATE customer SET phone = '8888' WHERE email = 'person2@example.com';
UPDATE orders SET status = 'refunded', refunded = 3 WHERE number = 'O-1';
SET ROLE trial_steward;
UPDATE product SET title = 'Corrected' WHERE sku = 'SKU-9';
UPDATE customer SET city = 'Potsdam' WHERE email = 'person9@example.com';
SET ROLE trial_looker;
SELECT count(*) FROM (SELECT * FROM product) p, (SELECT * FROM orders) o;
SELECT count(*) FROM netsuite.item WHERE id = 1;
RESET ROLE;
UPDATE product SET weight = 3 WHERE sku = 'SKU-5';
SELECT ownership.flush();
