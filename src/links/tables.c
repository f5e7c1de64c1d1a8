/*
 * tables.c
 *		The tables and columns that take part: those that can be on the map, and that the
 *		caller may read.
 *
 * Foreign tables are left out, because reading them is work of another server; and tables
 * whose reading would run code of a role that the caller need not trust (base/trust.c).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../drift/drift.h"
#include "../edit/edit.h"
#include "links.h"

/* The table of the list with this OID, or NULL. */
static LinkTable *
find_table(List *tables, Oid relid)
{
	/* rows come in the order of their tables */
	LinkTable *last = tables == NIL ? NULL : llast(tables);

	return last != NULL && last->relid == relid ? last : NULL;
}

static void
add_column(LinkTable *t, uint64 row)
{
	LinkColumn *c = palloc0(sizeof(LinkColumn));
	int32 typmod;

	c->table = t;
	c->name = sql_result_text(row, 3);
	c->attnum = get_attnum(t->relid, c->name);
	if (c->attnum == InvalidAttrNumber || !holder_can_read(t->relid, c->attnum) ||
		!names_can_be_field(c->name))
		return;
	get_atttypetypmodcoll(t->relid, c->attnum, &c->type, &typmod, &c->collation);
	c->type = getBaseType(c->type);
	digest_prepare(&c->digester, c->type);
	if (c->digester.kind == LINK_NONE)
		return;
	c->primary = sql_result_bool(row, 5);
	c->entity = sql_result_text(row, 6);
	c->field = sql_result_text(row, 7);
	c->copies = sql_result_int64(row, 9);
	c->sensitive = sql_result_bool(row, 10);
	c->indexed = sql_result_bool(row, 11);
	c->unique = sql_result_bool(row, 12);
	c->technical = links_name_is_technical(c->name, c->digester.kind == LINK_TIME);
	c->index = list_length(t->columns);
	c->cell = t->ncells;
	t->ncells += c->digester.kind == LINK_TEXT ? 2 : 1;
	t->columns = lappend(t->columns, c);
}

/* The foreign keys, as LinkReference *, column by column. */
static List *
read_references(void)
{
	Parameters p = {0};
	List *references = NIL;
	uint64 n =
		sql_run("SELECT k.conrelid::int8, u.attnum::int8, k.confrelid::int8, u.referenced::int8 "
				"FROM pg_constraint k, unnest(k.conkey, k.confkey) u(attnum, referenced) "
				"WHERE k.contype = 'f'",
				&p);

	for (uint64 i = 0; i < n; i++)
	{
		LinkReference *r = palloc(sizeof(LinkReference));

		r->relid = sql_result_int64(i, 1);
		r->attnum = sql_result_int64(i, 2);
		r->references = sql_result_int64(i, 3);
		r->referenced = sql_result_int64(i, 4);
		references = lappend(references, r);
	}
	return references;
}

static void
report_left_out(const LinkTable *t, const char *why)
{
	ereport(NOTICE, (errmsg("table \"%s\" is left out: %s",
							names_message_relation(t->schema, t->table), why)));
}

/* Tables that take part, and tells why others do not. */
static List *
fit_tables(List *tables)
{
	List *fit = NIL;
	ListCell *lc;

	foreach(lc, tables)
	{
		LinkTable *t = lfirst(lc);

		if (t->columns == NIL)
			continue;
		if (holder_any_foreign(t->relid))
			report_left_out(t, "it is, or has, a foreign table");
		else
		{
			t->above = place_ancestors(t->relid);
			fit = lappend(fit, t);
		}
	}
	return fit;
}

/*
 * The tables that match the pattern, as LinkTable *, with the columns that take part, and
 * all foreign keys.
 *
 * Errors: no table matches.
 */
List *
links_tables(const char *pattern, List **references)
{
	Parameters p = {0};
	List *tables = NIL;
	uint64 n;

	n = sql_run("SELECT n.nspname, c.relname, a.attname, c.oid::int8, "
				"(a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) IS TRUE)::text, m.entity, m.field, t.source, "
				"coalesce(k.n, 0), (f.sensitive OR d.sensitive IS TRUE)::text, "
				"EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid AND x.indpred IS NULL "
				"AND x.indkey[0] = a.attnum)::text, "
				"EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid AND x.indpred IS NULL "
				"AND x.indkey[0] = a.attnum AND x.indnkeyatts = 1 AND x.indisunique)::text "
				"FROM " MAPPABLE_COLUMNS "LEFT JOIN ownership.mirrored_column m "
				"ON (m.table_schema, m.table_name, m.column_name) = (n.nspname::text, c.relname::text, a.attname::text) "
				"LEFT JOIN ownership.field f ON (f.entity, f.name) = (m.entity, m.field) "
				"LEFT JOIN ownership.domain d ON d.name = f.domain "
				"LEFT JOIN ownership.mirrored_table t "
				"ON (t.table_schema, t.table_name) = (n.nspname::text, c.relname::text) "
				"LEFT JOIN (SELECT entity, field, count(*) AS n FROM ownership.mirrored_column GROUP BY 1, 2) k "
				"ON (k.entity, k.field) = (m.entity, m.field) "
				"ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", c.oid, a.attnum",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *schema = sql_result_text(i, 1);
		char *table = sql_result_text(i, 2);
		Oid relid = sql_result_int64(i, 4);
		LinkTable *t;

		if (!names_match_table(pattern, schema, table))
			continue;
		t = find_table(tables, relid);
		if (t == NULL)
		{
			t = palloc0(sizeof(LinkTable));
			t->schema = schema;
			t->table = table;
			t->relid = relid;
			t->source = sql_result_text(i, 8);
			tables = lappend(tables, t);
		}
		add_column(t, i);
	}
	if (tables == NIL)
		require_no_table_matches(pattern);
	*references = read_references();
	return fit_tables(tables);
}
