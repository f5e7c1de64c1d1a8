-- The hub: a copy of the ERP's items, three tables that several systems write,
-- and a role for each system that works over SQL.

CREATE SCHEMA erp;
CREATE TABLE erp.item (
	item_no		text PRIMARY KEY,
	list_price	numeric(10,2) NOT NULL,
	on_hand		integer NOT NULL,
	unit_cost	numeric(10,2),
	supplier	text
);

CREATE SCHEMA shop;
CREATE TABLE shop.product (
	sku			text PRIMARY KEY,
	name		text,
	description	text,
	brand		text,
	weight_g	integer,
	price		numeric(10,2),
	stock		integer NOT NULL DEFAULT 0,
	sales_note	text,
	ean			text
);
CREATE TABLE shop.customer (
	customer_no	text PRIMARY KEY,
	name		text NOT NULL,
	email		text,
	phone		text,
	segment		text,
	newsletter	boolean NOT NULL DEFAULT false,
	loyalty_points	integer NOT NULL DEFAULT 0
);
CREATE TABLE shop.orders (
	order_no	text PRIMARY KEY,
	customer_no	text NOT NULL,
	total		numeric(10,2) NOT NULL,
	status		text NOT NULL,
	tracking_no	text
);

-- The storefront's orders; the ERP knows how far it is with the first 2,000.
INSERT INTO shop.orders
SELECT 'O-' || to_char(n, 'FM00000'), 'C-' || to_char(1 + n % 500, 'FM0000'), 19.80 + n * 13 % 400,
	CASE WHEN n > 2000 THEN 'cart' ELSE 'placed' END
FROM generate_series(1, 2020) n;

-- PostgreSQL's own privileges: every system may write every table.
CREATE ROLE erp_app LOGIN;
CREATE ROLE crm_app LOGIN;
CREATE ROLE pim_app LOGIN;
CREATE ROLE storefront_app LOGIN;
GRANT USAGE ON SCHEMA erp, shop TO erp_app, crm_app, pim_app, storefront_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop
	TO erp_app, crm_app, pim_app, storefront_app;
-- A nightly load of the ERP replaces all products.
GRANT TRUNCATE ON shop.product TO erp_app;
GRANT SELECT ON erp.item TO erp_app;
