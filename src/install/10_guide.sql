/*
 * The guide: which kind of system should own which data, and by which names
 * suggest() recognises such data.
 *
 * pg_dump leaves out rows that are as shipped: the version into which the dump is
 * restored brings its own rows.  It dumps the rows that a role added or changed,
 * and the names of deleted rows.  While these are restored, a trigger puts them in
 * the place of shipped rows; updates of the extension leave them as they are.
 */
CREATE TABLE ownership.deleted_domain (
	name	text PRIMARY KEY
);
COMMENT ON TABLE ownership.deleted_domain IS 'Internal: the names of domains that a role deleted, so that no restore and no update brings them back.';
COMMENT ON COLUMN ownership.deleted_domain.name IS 'Name of the domain.';
SELECT pg_catalog.pg_extension_config_dump('ownership.deleted_domain', '');

CREATE FUNCTION ownership.domain_edit() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_domain_edit' LANGUAGE C;
COMMENT ON FUNCTION ownership.domain_edit() IS 'Trigger on ownership.domain and ownership.deleted_domain: checks patterns, and marks which rows differ from what is shipped.';
/* it deletes domains without a check of privileges: triggers on other tables must not use it */
REVOKE ALL ON FUNCTION ownership.domain_edit() FROM PUBLIC;

/* ENABLE ALWAYS: also where a restore runs with session_replication_role = replica */
CREATE TRIGGER edit BEFORE INSERT OR UPDATE OR DELETE ON ownership.domain
	FOR EACH ROW EXECUTE FUNCTION ownership.domain_edit();
CREATE TRIGGER edit_truncate BEFORE TRUNCATE ON ownership.domain
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.domain_edit();
CREATE TRIGGER edit AFTER INSERT ON ownership.deleted_domain
	FOR EACH ROW EXECUTE FUNCTION ownership.domain_edit();
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER edit;
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER edit_truncate;
ALTER TABLE ownership.deleted_domain ENABLE ALWAYS TRIGGER edit;

/*
 * The first domain whose column_pattern matches counts, so the domains with the
 * most specific names come first.  A column_pattern of the form "table\.column" is
 * for column names that mean nothing without their table.  A table_pattern matches
 * the tables in which suggest() relies on the column's name; in the form "words\..*"
 * it says that all columns of such a table belong to the domain.
 * src/guide/name_pattern.c says what {product} and the other placeholders stand for.
 */
INSERT INTO ownership.domain (position, shipped, on_blank, name, title, natural_owner, excluded_owner, blurred, note, column_pattern, table_pattern)
SELECT 10 * row_number() OVER (), true,
	/* data that shops show: a blank is rarely meant */
	CASE WHEN g.name IN ('content', 'attribute', 'taxonomy', 'price', 'cost') THEN 'observe' END, g.*
FROM (VALUES
	('technical', 'Technical data', NULL::text[], NULL::text[], false,
		'Does not cross a boundary: propose it as local.',
		'^(?:_(?!(?:id|uuid|sku|key|token)$).*|(?:(?:.*_)?last_(?:update|change|sync)|(?:(?:.*_)?last_)?(?:created|updated|modified|changed|synced)|(?:create|creation)(?=_(?:at|on|by|date|time|datetime|timestamp|ts|uid|user)$))(?:_(?:at|on|by(?:_.*)?|date|time|datetime|timestamp|ts|utc|gmt|user(?:_.*)?|from|via))*|(?:.*_)?date_(?:added|created|modified|updated)(?:_(?:utc|gmt))?|(?:.*_)?(?:created|updated|modified|added|uploaded|attached|inserted)_(?:at|on|by)|write_(?:date|uid)|sync.*|raw_(?:data|json|xml|html|payload|response|request|body|message|event|record|row|input|output|text|headers?)|metadata|sort_order|lft|rgt|lock_version|(?:.*_)?ip(?:_address)?|user_agent|accept_language)$|(?:{product}|{order}|categor(?:y|ies)|collections?|taxons?|attributes?|options?|media){part}\.position',
		'(?:migrations?|sessions?|logs?|logins?|caches?|queues?|settings?|permissions?|webhooks?|crons?)\..*|employees?|staff|salespersons?'),
	('key', 'Identifying keys', NULL, NULL, false,
		'The system that creates the record owns its key: it decides which rows exist. So what marks a row as deleted or archived is its, too.',
		'(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|key|token|item_code|default_code|increment_id|display_id)$|[^.]*\.(?:[^.]*_)?(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|item_code|default_code|increment_id|display_id)$',
		NULL),
	('cost', 'Cost', '{erp}', '{crm,pim,storefront,oms,wms,mdm,pos,marketing,helpdesk,tax,bi}', false,
		'A storefront''s cost field is a copy.',
		'[a-z]*cost|standard_price|valuation_rate|stock_value|last_purchase_(?:rate|price)|purchase_price|landed|margin',
		'{product}|costs?'),
	('promotion', 'Promotional pricing', '{erp,storefront}', '{pim,crm}', true,
		'Split base price, rule and computed price; own value and validity together. A promotion engine may own it.',
		'discount(?:s|ed)?|coupons?|promo(?:tion)?s?|voucher|special_price|sale_price|compare_at|pricing_rules?|(?:coupons?|promotions?|promos?|vouchers?|discounts?|(?:cart|catalog|price|pricing)_?rules?){part}\.(?:{document}|{copies}|starts?(?:_[^.]*)?|ends?(?:_[^.]*)?|expires?(?:_[^.]*)?|(?:[^.]*_)?(?:start|end|expir[^.]*|limit))',
		'{product}|prices?|(?:coupons?|promotions?|promos?|vouchers?|discounts?|(?:cart|catalog|price|pricing)_?rules?){part}\..*'),
	('loyalty', 'Loyalty', '{loyalty}', '{pim}', false, NULL,
		'loyalty|points',
		'{customer}|(?:loyalty|rewards?){part}\..*'),
	('tax', 'Tax', '{tax,erp}', '{crm,pim}', false,
		'The tax engine decides, the ERP posts.',
		'tax(?:es|able)?|vat|gst|hs_code|harmoni[sz]ed_system|customs|fiscal_position|(?:tax(?:es)?|vat){part}\.(?:{document}|{copies})',
		'{product}|{customer}|(?:tax(?:es)?|vat){part}\..*'),
	('price', 'Pricing', '{erp}', '{crm,pim,bi}', false,
		'Base and contract prices. Storefronts, PIMs and quotes of a CRM hold copies.',
		'[a-z]*prices?|price_?list|pricebook|standard_rate|msrp|rrp|(?:prices?|price_?lists?|pricebooks?){part}\.(?:{document}|{copies})',
		'{product}|(?:prices?|price_?lists?|pricebooks?){part}\..*'),
	('availability', 'Availability', '{oms,erp}', '{crm}', true,
		'Whether it can be sold: not the same as stock, as enabled in the PIM, or as published in the storefront.',
		'(?:is_)?in_stock|sellable|available_for_(?:sale|purchase)|available_(?:on|at|from|until)|date_available|backorders?|backorderable|inventory_policy|published|visibility|sale_ok|preorder|discontinued?(?:_on)?',
		'{product}'),
	('stock', 'Stock', '{wms,erp}', '{pim,crm,marketing}', false,
		'On hand and reserved: the system closest to the physical warehouse wins.',
		'stock(?:ed)?|qty|quantity|on_hand|reserved|allocated|reorder|incoming|(?<!track_)inventory|warehouse|lot|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\.(?:{document}|(?:[^.]*_)?count(?:ed)?)',
		'{product}|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\..*'),
	('order_status', 'Order status', '{oms,erp}', '{crm,pim}', false,
		'After checkout. Before, it is the storefront''s: use row owners.',
		'(?:orders?|fulfillment|financial|delivery|billing|invoice|shipment|payment)_(?:status|state)|per_(?:delivered|billed)|cancell?ed|shipped|tracking|{order}{part}\.(?:(?:order|shipment|payment|fulfillment)_)?(?:status|state|cancell?ed|shipped|tracking)(?:_[^.]*)?|{order}{part}\.(?:[^.]*_)?status|(?:order_?(?:status(?:es)?|states?)|shipments?|fulfill?ments?|deliver(?:y|ies)){part}\.(?:{document}|{copies})',
		'(?:order_?(?:status(?:es)?|states?)|shipments?|fulfill?ments?|deliver(?:y|ies)){part}\..*'),
	('order', 'Orders', '{storefront,pos}', '{pim,crm}', false,
		'Capture: cart, totals, checkout. The ownership passes at checkout.',
		'(?<!(?:sort|display)_)order|grand_total|subtotal|amount_(?:untaxed|tax|total)|total_(?:due|paid|refunded)|freight|checkout|cart|quote|{order}{part}\.(?:{document}|{copies})',
		'{order}{part}\..*'),
	('finance', 'Finance', '{erp}', '{crm,pim}', false,
		'Invoices, payments, refunds, credit limits and terms.',
		'invoiced?|payments?|paid|refund(?:ed)?|captured?|ledger|credit|balance|journal|currency|exchange_rate|(?:invoices?|payments?(?!_(?:methods?|types?|terms?|providers?|gateways?))|refunds?|ledgers?|journals?|credit_?(?:notes?|memos?)|(?<!_)(?:ar|ap|gl)){part}\.(?:{document}|{copies})',
		'{customer}|prices?|(?:invoices?|payments?(?!_(?:methods?|types?|terms?|providers?|gateways?))|refunds?|ledgers?|journals?|credit_?(?:notes?|memos?)|(?<!_)(?:ar|ap|gl)){part}\..*'),
	('purchase', 'Purchasing', '{erp}', '{crm,pim}', false,
		'Purchase orders and suppliers.',
		'supplier|vendor|purchase|po_(?:no|date)|lead_time|min_order_qty|manufacturer|(?:suppliers?|vendors?|purch(?:ases?)?){part}\.(?:{document}|{copies})',
		'{product}|(?:suppliers?|vendors?|purch(?:ases?)?){part}\..*'),
	('support', 'Support', '{helpdesk,crm}', '{erp,pim}', false, NULL,
		'tickets?|case|severity|resolution|sla|requester|assignee|(?:(?<!event_)tickets?|cases?){part}\.(?:{document}|{copies}|subject|priority)',
		'(?:(?<!event_)tickets?|cases?){part}\..*'),
	('pipeline', 'The sales pipeline', '{crm}', '{erp,pim}', false, NULL,
		'stage|pipeline|deal|opportunity|probability|forecast|expected_revenue|lead_?(?:source|score|status)|close_date|next_step|lost_reason|territory|(?:deals?|opportunit(?:y|ies)|pipelines?){part}\.{document}|leads?\.(?:status|state|source|value)',
		'leads?|accounts?|(?:deals?|opportunit(?:y|ies)|pipelines?){part}\..*'),
	('consent', 'Consent', '{crm}', '{erp,pim}', false,
		'Where it is captured; every form is a second writer.',
		'[a-z]*opt(?:ed)?_?(?:in|out)|do_not_call|unsubscribed|accepts_marketing|consent|newsletter|campaign|utm',
		'{customer}|(?:consents?|newsletters?){part}\..*'),
	('segment', 'Customer segmentation', '{cdp,crm}', '{pim}', true,
		'A price group in the ERP, tags in the storefront and a score in BI are not one thing: name them apart.',
		'segment|customer_(?:group|type)|(?<!meta_)tags?|tier|lifecycle_stage|target_list|(?:segments?|customer_(?:groups?|types?))(?:_descriptions?|_translations?)?\.(?:name|title|description)',
		'{customer}'),
	('communication', 'Communication history', '{crm}', '{erp,pim}', false, NULL,
		'last_activity|activity|call|meeting|conversation|comments?|(?<!_)(?:activit(?:y|ies)|calls?|meetings?|conversations?)\.(?:subject|title|type|status|notes?|duration|location|(?:[^.]*_)?(?:date|time))',
		'{customer}|(?<!_)(?:activit(?:y|ies)|calls?|meetings?|conversations?){part}\..*'),
	('identity', 'Customer identity', '{crm}', '{pim,bi}', false,
		'Names, contact, address. Credit limit and terms belong to finance.',
		'(?:e?mail|[a-z]*phone|mobile|fax)(?!(?:_[^.]*)?_(?:rating|score|counts?|templates?|sent|opened|clicked|bounced?))|(?:first|last)_?name|birth_?da(?:te|y)|dob|gender|company|contact_(?:name|person)|street|(?<!ip_)address_?\d?|city|zip(?:_?code)?|post(?:al)?_?code|province|region|country|(?:customers?|clients?|contacts?|persons?|people|accounts?)\.(?:name|salutation|title)|leads?\.(?:name|salutation)',
		'{customer}'),
	('content', 'Product content', '{pim}', '{erp,crm}', false,
		'Descriptions, media and channel texts. The ERP''s short name is a copy or a field of its own.',
		'description|body_html|images?|thumbnail|media|gallery|meta_(?:title|description|keywords?)|seo|slug|handle|url_key|{product}(?:_descriptions?|_translations?|_langs?)?\.(?:name|title|subtitle)',
		'{product}|{product}_(?:descriptions?|translations?|langs?|images?|media)\..*'),
	('attribute', 'Product attribute data', '{pim}', '{crm}', false,
		'An ERP often writes weight and dimensions, too.',
		'attributes?|colou?r|size|material|brand|weight|width|height|length|depth|ean|upc|gtin|isbn|mpn|barcode|family|variant|option\d?|product_type|origin_country|uom|product_attributes?{part}\.(?:name|value|text|label|title)',
		'{product}|product_attributes?{part}\..*'),
	('taxonomy', 'Product taxonomy', '{pim}', '{erp,crm}', false,
		'Categories and families.',
		'categor(?:y|ies)|collection|parent|(?:(?<!_)categor(?:y|ies)|product_categor(?:y|ies)|taxons?|taxonom(?:y|ies)){part}\.(?:name|title|code|level)',
		'{product}|(?:(?<!_)categor(?:y|ies)|product_categor(?:y|ies)|taxons?|taxonom(?:y|ies)){part}\..*')
) AS g (name, title, natural_owner, excluded_owner, blurred, note, column_pattern, table_pattern);

/* Words for the texts of risks and pictures. */
CREATE FUNCTION ownership.kind_label(kind text)
RETURNS text LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN 'the ' || CASE
	WHEN kind IN ('erp', 'crm', 'pim', 'oms', 'wms', 'mdm', 'pos', 'cdp') THEN pg_catalog.upper(kind)
	WHEN kind = 'bi' THEN 'BI system'
	WHEN kind = 'tax' THEN 'tax engine'
	WHEN kind IN ('loyalty', 'marketing') THEN kind || ' platform'
	ELSE kind END;
COMMENT ON FUNCTION ownership.kind_label(text) IS 'Internal: a kind of system in words, such as the ERP.';

CREATE FUNCTION ownership.system_label(name text, kind text)
RETURNS text LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN pg_catalog.lower(name) = pg_catalog.lower(kind)
	THEN 'T' || pg_catalog.substr(ownership.kind_label(kind), 2)
	ELSE name || ', ' || ownership.kind_label(kind) || ',' END;
COMMENT ON FUNCTION ownership.system_label(text, text) IS 'Internal: a system in words, at the beginning of a sentence.';

GRANT SELECT ON ownership.deleted_domain TO PUBLIC;
