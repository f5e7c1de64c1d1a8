-- The feeds.  The variables erp, crm and pim are connection strings.

CREATE SUBSCRIPTION erp_feed CONNECTION :'erp' PUBLICATION erp_items, erp_orders;
CREATE SUBSCRIPTION crm_feed CONNECTION :'crm' PUBLICATION crm_customers;
-- The product rows come from the ERP; what these two send are updates of them.
ALTER SUBSCRIPTION crm_feed ADD PUBLICATION crm_notes WITH (copy_data = false);
CREATE SUBSCRIPTION pim_feed CONNECTION :'pim' PUBLICATION pim_texts WITH (copy_data = false);
