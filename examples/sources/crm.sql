-- The CRM: 500 customers, and a price book of 240 products with the sales team's
-- notes.

CREATE SCHEMA shop;
CREATE TABLE shop.customer (
	customer_no	text PRIMARY KEY,
	name		text NOT NULL,
	email		text,
	phone		text,
	segment		text,
	newsletter	boolean NOT NULL DEFAULT false
);
CREATE TABLE shop.product (
	sku			text PRIMARY KEY,
	price		numeric(10,2),
	sales_note	text
);

INSERT INTO shop.customer
SELECT 'C-' || to_char(n, 'FM0000'), first || ' ' || last,
	lower(first || '.' || last || n || '@example.com'),
	CASE WHEN n % 3 > 0 THEN '+49 30 ' || 900000 + n END,
	(ARRAY['retail', 'trade', 'key account'])[1 + n % 3], n % 4 = 0
FROM generate_series(1, 500) n, LATERAL (SELECT
	(ARRAY['Ada', 'Bruno', 'Clara', 'Dario', 'Emma', 'Felix', 'Greta'])[1 + n % 7] AS first,
	(ARRAY['Keller', 'Lang', 'Moser', 'Novak', 'Orth', 'Peters', 'Quint', 'Rossi', 'Sommer'])[1 + n % 9] AS last) x;

-- the prices are those that it last read from the ERP
INSERT INTO shop.product
SELECT 'SKU-' || to_char(n, 'FM00000'), 9.90 + n * 20 % 200, 'Ask for the matching set.'
FROM generate_series(1, 1200) n
WHERE n % 10 IN (2, 3);

CREATE PUBLICATION crm_customers FOR TABLE shop.customer
	WITH (publish = 'insert, update, delete');
-- The connector is set up to send the whole row, the price too.
CREATE PUBLICATION crm_notes FOR TABLE shop.product
	WITH (publish = 'insert, update, delete');
