/*
 * drift.c
 *		Copies of one field with different values: drift() returns the rows.
 *
 * Everything is read with the caller's privileges.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "../guard/guard.h"
#include "../edit/edit.h"
#include "drift.h"

PG_FUNCTION_INFO_V1(ownership_drift);

/* Rows fetched at a time. */
#define FETCH 1000

/*
 * The copies of the field entity.name, without the authoritative one, as Copy *.
 * The caller has connected to SPI.
 *
 * Errors: no such field.
 */
List *
drift_field_copies(const char *name)
{
	char *entity;
	char *field;

	names_split_field(name, &entity, &field);
	if (!lookup_field_exists(entity, field))
		require_undefined(psprintf("field \"%s\" does not exist", name),
						  require_near_field(entity, field), "field",
						  "ownership.field lists them all.");
	return copy_load(entity, field);
}

/* Reports at level that a copy cannot be compared, and why. */
void
drift_report_incomparable(int level, const char *name, const Copy *copy)
{
	ereport(level, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("column \"%s\" cannot be compared as a copy of field \"%s\"",
						   holder_label(&copy->to), name),
					errdetail("The reason: %s.", copy->problem), errhint("%s", copy->advice)));
}

/* Reports rows that are not compared because of the crosswalk, if there are any. */
void
drift_report_lost(const Copy *copy)
{
	int64 lost = copy_count_lost(copy, "");

	if (lost > 0)
		ereport(NOTICE,
				(errmsg("%s", copy_lost(copy, lost)), errhint("%s", copy_lost_advice(copy))));
}

/* The rows that differ in one copy, as the result of drift(). */
static void
put_rows(ReturnSetInfo *rsinfo, const Copy *copy)
{
	List *key = pin_key(copy->to.relid, copy->to.column);
	Datum *values = palloc((list_length(key) + 6) * sizeof(Datum));
	bool *nulls = palloc((list_length(key) + 6) * sizeof(bool));
	bool known = true;
	int64 pinned = 0;
	int64 misfits = 0;
	StringInfoData sql;
	Portal portal;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s, %s, %s, %s, %s, %s", copy->match->row_key,
					 sql_text(sql_column("a", copy->from.column)),
					 quote_literal_cstr(names_relation_label(copy->to.schema, copy->to.table)),
					 quote_literal_cstr(copy->to.column), sql_text(sql_column("c", copy->to.column)),
					 copy->misread == NULL ? "false" : copy->misread);
	foreach(lc, key)
		known &= holder_can_read(copy->to.relid, lfirst_int(lc));
	foreach(lc, known ? key : NIL)
		appendStringInfo(&sql, ", %s",
						 sql_column("c", get_attname(copy->to.relid, lfirst_int(lc), false)));
	appendStringInfo(&sql, " FROM %s WHERE %s ORDER BY %s", copy->join, copy_sql_differs(copy),
					 copy->match->order);
	portal = SPI_cursor_open_with_args(NULL, sql.data, 0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			if (known && key != NIL)
				pinned += pin_holds(copy->to.relid, copy->to.column, key, values + 6, nulls + 6);
			misfits += DatumGetBool(values[5]);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	if (misfits > 0)
		ereport(NOTICE, (errmsg("%s", copy_misfits(copy, misfits))));
	drift_report_lost(copy);
	if (pinned > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld of the values of column \"%s\" of table \"%s\" is pinned",
							   "%lld of the values of column \"%s\" of table \"%s\" are pinned",
							   (unsigned long) pinned, (long long) pinned, copy->to.column,
							   names_message_relation(copy->to.schema, copy->to.table)),
				 errdetail("ownership.reconcile() leaves them. ownership.pin has their keys.")));
}

/*
 * drift(field): the rows in which the value of a copy differs from the
 * authoritative one.
 *
 * Errors: no such field; no copy can be compared.  If only some copies cannot be
 * compared, each of them is a warning.
 */
Datum
ownership_drift(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	List *copies;
	ListCell *lc;
	int left_out = 0;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	copies = drift_field_copies(name);
	foreach(lc, copies)
		left_out += ((Copy *) lfirst(lc))->problem != NULL;
	foreach(lc, copies)
	{
		Copy *copy = lfirst(lc);

		if (copy->problem != NULL)
			drift_report_incomparable(left_out == list_length(copies) ? ERROR : WARNING, name, copy);
		else
			put_rows(rsinfo, copy);
	}
	SPI_finish();
	reads_count_again(looking);
	return (Datum) 0;
}
