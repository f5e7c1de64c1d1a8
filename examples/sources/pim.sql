-- The PIM: names, descriptions and brands of 1,200 products.

CREATE SCHEMA shop;
CREATE TABLE shop.product (
	sku			text PRIMARY KEY,
	name		text,
	description	text,
	brand		text,
	edited_by	text
);

INSERT INTO shop.product
SELECT 'SKU-' || to_char(n, 'FM00000'),
	(ARRAY['Oak', 'Steel', 'Linen', 'Glass', 'Walnut'])[1 + n % 5] || ' '
		|| (ARRAY['lamp', 'chair', 'bowl', 'tray', 'shelf', 'stool', 'vase'])[1 + n % 7],
	'Made to last, and to be repaired.',
	(ARRAY['Nordlicht', 'Casa Uno', 'Werkraum'])[1 + n % 3], 'texts team'
FROM generate_series(1, 1200) n;

-- The column edited_by stays in the PIM.
CREATE PUBLICATION pim_texts FOR TABLE shop.product (sku, name, description, brand)
	WITH (publish = 'insert, update, delete');
