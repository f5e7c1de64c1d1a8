/*
 * key_types.c
 *		What waits for rows of a table, and pins, follow the key columns to another type.
 *
 * They are found by the row's key, which is recorded as a number for a column of a
 * number type, else as text.  A key that is no value of the new type belongs to no row
 * any more: what waits for it goes on waiting, and its problem says why.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "../guard/guard.h"
#include "ddl.h"

/* A recorded key, and what it is by the table's types now. */
typedef struct Rekeyed
{
	Oid relid;
	Jsonb *was;
	Jsonb *is; /* NULL: the table has another key by now */
} Rekeyed;

static bool
rekey(void *arg)
{
	Rekeyed *k = arg;
	Relation rel = table_open(k->relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	bool same = map->nkey_attrs > 0 && list_length(value_object_names(k->was)) == map->nkey_attrs;

	map_enter();
	for (int i = 0; i < map->nkey_attrs && same; i++)
	{
		char *text;
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), map->key_attrs[i] - 1);

		same = value_object_text(k->was, NameStr(att->attname), &text) == VALUE_TEXT;
	}
	k->is = NULL;
	if (same)
	{
		land_fill_key(map, rel, k->was, NULL, slot);
		k->is = evidence_row_key_of(map, RelationGetDescr(rel), slot);
	}
	map_leave();
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return true;
}

/*
 * Gives the rows of a table that a query finds by a place (id, row_key) their new keys.
 * The statements are literals.
 */
static void
rekey_all(Oid relid, const TablePlace *place, const char *query, const char *update,
		  const char *unfit)
{
	Parameters p = {0};
	SPITupleTable *rows;
	MemoryContext cxt;
	uint64 n;

	place_add(&p, place);
	n = sql_run_kept(query, &p, 0);
	rows = SPI_tuptable;
	/* very much may wait */
	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership keys", ALLOCSET_SMALL_SIZES);
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);
		bool isnull;
		Parameters q = {0};
		Rekeyed k = {relid, NULL, NULL};
		ErrorData *error;

		k.was = DatumGetJsonbP(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull));
		error = subxact_trial(rekey, &k);
		sql_add_value(&q, INT8OID, SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull), false);
		if (error == NULL && k.is != NULL)
		{
			sql_add_value(&q, JSONBOID, JsonbPGetDatum(k.is), false);
			sql_run_kept(update, &q, 0);
		}
		else if (error != NULL && unfit != NULL)
		{
			sql_add_text(&q, psprintf(EVIDENCE_KEY_UNFIT "%s", error->message));
			sql_run_kept(unfit, &q, 0);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
	}
	MemoryContextDelete(cxt);
}

/* Has a column of the table another type than in the table before it? */
bool
follow_has_other_types(Oid relid, const Binding *before)
{
	ListCell *lc;

	if (before == NULL || before->types == NIL)
		return false;
	foreach(lc, before->columns)
	{
		AttrNumber attnum = get_attnum(relid, lfirst(lc));

		if (attnum > 0 && foreach_current_index(lc) < list_length(before->types) &&
			get_atttype(relid, attnum) != list_nth_oid(before->types, foreach_current_index(lc)))
			return true;
	}
	return false;
}

/* Columns of a table on the map have other types than before. */
void
follow_key_types(Oid relid, const TablePlace *place)
{
	/* an older version has neither */
	if (!OidIsValid(catalog_table("conflict_waiting_idx", true)))
		return;
	rekey_all(relid, place,
			  "SELECT id, row_key FROM ownership.conflict WHERE (table_schema, table_name) = ($1, $2) "
			  "AND outcome IN ('parked', 'remembered') AND resolved_at IS NULL "
			  "AND jsonb_typeof(row_key) = 'object'",
			  "UPDATE ownership.conflict SET row_key = $2, "
			  "problem = CASE WHEN starts_with(problem, '" EVIDENCE_KEY_UNFIT
			  "') THEN NULL ELSE problem END "
			  "WHERE id = $1 AND (row_key <> $2 OR problem IS NOT NULL)",
			  "UPDATE ownership.conflict SET problem = $2 WHERE id = $1");
	rekey_all(relid, place,
			  "SELECT id, row_key FROM ownership.pin WHERE (table_schema, table_name) = ($1, $2) "
			  "AND ended_at IS NULL",
			  "UPDATE ownership.pin p SET row_key = $2 WHERE id = $1 AND row_key <> $2 AND NOT EXISTS "
			  "(SELECT FROM ownership.pin o WHERE o.ended_at IS NULL AND o.row_key = $2 AND "
			  "(o.table_schema, o.table_name, o.column_name) = (p.table_schema, p.table_name, p.column_name))",
			  NULL);
}
