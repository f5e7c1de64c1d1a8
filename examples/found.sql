-- A hub that somebody built years ago: no map, no extension, and three feeds.
-- The variable: sources, the beginning of the connection strings.

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
	price		numeric(10,2),
	stock		integer NOT NULL DEFAULT 0,
	sales_note	text
);
CREATE TABLE shop.customer (
	customer_no	text PRIMARY KEY,
	name		text NOT NULL,
	email		text,
	phone		text,
	segment		text,
	newsletter	boolean NOT NULL DEFAULT false
);

SELECT :'sources' || ' dbname=erp' AS erp, :'sources' || ' dbname=pim' AS pim, :'sources' || ' dbname=crm' AS crm \gset
CREATE SUBSCRIPTION from_erp CONNECTION :'erp' PUBLICATION erp_items;
CREATE SUBSCRIPTION from_crm CONNECTION :'crm' PUBLICATION crm_customers;
-- these two only change what the ERP has brought
CREATE SUBSCRIPTION from_pim CONNECTION :'pim' PUBLICATION pim_texts WITH (copy_data = false);
ALTER SUBSCRIPTION from_crm ADD PUBLICATION crm_notes WITH (copy_data = false);
