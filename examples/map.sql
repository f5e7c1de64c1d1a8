CREATE EXTENSION ownership;

-- The systems, and the roles and subscriptions that write as them.  The
-- subscriptions need not be there yet: their first copies are judged, too.
SELECT ownership.add_system('erp', 'erp', role => 'erp_app', subscription => 'erp_feed');
SELECT ownership.add_system('crm', 'crm', role => 'crm_app', subscription => 'crm_feed');
SELECT ownership.add_system('pim', 'pim', role => 'pim_app', subscription => 'pim_feed');
SELECT ownership.add_system('storefront', 'storefront', role => 'storefront_app');

-- The kinds of data, and which kind of system should own them, are in
-- ownership.domain already.

-- The private copy of the ERP's items: all of it is the ERP's.
SELECT ownership.add_tables('erp.*', source => 'erp');

-- The spreadsheet.
\copy ownership.sheet from 'examples/ownership.csv' with (format csv, header match)

-- An order's status is the storefront's before checkout, and the ERP's after.
SELECT ownership.assign_rows('shop.orders', '{status}', 'storefront', $$status IN ('cart', 'checkout')$$);

-- The guard goes live.
CALL ownership.guard_all();
