-- The ERP: 1,200 items with price and stock, and 2,000 orders that it booked.

CREATE SCHEMA erp;
CREATE TABLE erp.item (
	item_no		text PRIMARY KEY,
	list_price	numeric(10,2) NOT NULL,
	on_hand		integer NOT NULL,
	unit_cost	numeric(10,2),
	supplier	text
);

-- The ERP publishes its items as a table with the name and the columns that the
-- hub expects; a trigger keeps it up to date.
CREATE SCHEMA shop;
CREATE TABLE shop.product (
	sku		text PRIMARY KEY,
	price	numeric(10,2) NOT NULL,
	stock	integer NOT NULL
);
CREATE FUNCTION erp.give_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO shop.product VALUES (NEW.item_no, NEW.list_price, NEW.on_hand)
	ON CONFLICT (sku) DO UPDATE SET price = excluded.price, stock = excluded.stock;
	RETURN NULL;
END $$;
CREATE TRIGGER give_product AFTER INSERT OR UPDATE ON erp.item
	FOR EACH ROW EXECUTE FUNCTION erp.give_product();

CREATE TABLE shop.orders (
	order_no	text PRIMARY KEY,
	customer_no	text NOT NULL,
	total		numeric(10,2) NOT NULL,
	status		text NOT NULL,
	tracking_no	text
);

INSERT INTO erp.item
SELECT 'SKU-' || to_char(n, 'FM00000'), p, n * 7 % 300, round(p * 0.6, 2),
	(ARRAY['Adler', 'Brandt', 'Colombo', 'Duval'])[1 + n % 4]
FROM generate_series(1, 1200) n, LATERAL (SELECT 9.90 + n * 20 % 200 AS p) x;

INSERT INTO shop.orders
SELECT 'O-' || to_char(n, 'FM00000'), 'C-' || to_char(1 + n % 500, 'FM0000'), 19.80 + n * 13 % 400,
	CASE WHEN n > 1950 THEN 'placed' WHEN n > 1850 THEN 'paid' WHEN n > 1700 THEN 'shipped' ELSE 'delivered' END,
	CASE WHEN n <= 1850 THEN 'TRK' || 700000 + n END
FROM generate_series(1, 2000) n;

-- No truncate: a TRUNCATE cannot be kept out of a stream without stopping it.
CREATE PUBLICATION erp_items FOR TABLE erp.item, shop.product
	WITH (publish = 'insert, update, delete');
-- The storefront creates the hub's orders; the ERP only updates them.
CREATE PUBLICATION erp_orders FOR TABLE shop.orders
	WITH (publish = 'update');
