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
	customer_no	text NOT NULL REFERENCES shop.customer,
	total		numeric(10,2) NOT NULL,
	status		text NOT NULL,
	tracking_no	text
);

-- PostgreSQL's own privileges: every system may write every table.
CREATE ROLE erp_app LOGIN;
CREATE ROLE crm_app LOGIN;
CREATE ROLE pim_app LOGIN;
CREATE ROLE storefront_app LOGIN;
GRANT USAGE ON SCHEMA erp, shop TO erp_app, crm_app, pim_app, storefront_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop
	TO erp_app, crm_app, pim_app, storefront_app;
