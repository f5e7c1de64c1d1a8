/*
 * insert.c
 *		Rows of the extension's own tables that everybody's work leaves behind:
 *		evidence, and the map's history.
 *
 * They are inserted through the executor, so that whatever a DBA puts on the
 * table works: indexes of any kind, triggers, further columns and their
 * defaults.  No privileges are asked for.  What would make every such insert
 * fail is refused when it is defined (insert_check).
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/table.h"
#include "catalog/pg_trigger.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "../base/base.h"
#include "catalog.h"

/* Columns that the extension gives a value in every row that it inserts. */
static const struct
{
	const char *table;
	AttrNumber own; /* its own columns; those after them are a DBA's */
	const char *const filled[12];
} insertable[] = {
	{"conflict", 17, {"id", "recorded_at", "table_schema", "table_name", "operation", "outcome"}},
	{"map_history", 11, {"id", "changed_at", "map_table", "item"}},
	{"activity",
	 14,
	 {"table_schema", "table_name", "column_name", "reads", "writes", "observed", "filled", "kept",
	  "rejected", "overridden"}},
};

void
insert_close(Inserter *inserter)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = inserter->owner;
	ExecCloseResultRelations(inserter->estate);
	ExecResetTupleTable(inserter->estate->es_tupleTable, false);
	ExecDropSingleTupleTableSlot(inserter->slot);
	FreeExecutorState(inserter->estate);
	table_close(inserter->rel, RowExclusiveLock);
	CurrentResourceOwner = owner;
	MemoryContextDelete(inserter->cxt);
}

/*
 * Columns that a DBA added take their defaults, as the table's owner: who left
 * the row need not be allowed to use a sequence or function in them.
 */
static void
fill_defaults(Inserter *inserter, int natts)
{
	TupleDesc desc = RelationGetDescr(inserter->rel);
	TupleTableSlot *slot = inserter->slot;
	SavedRole caller = role_become_owner(inserter->rel);

	if (inserter->defaults == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(inserter->cxt);

		inserter->defaults = palloc0(desc->natts * sizeof(ExprState *));
		for (int i = natts; i < desc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);
			Node *expr = att->attisdropped || att->attgenerated != '\0'
							 ? NULL
							 : build_column_default(inserter->rel, att->attnum);

			if (expr != NULL)
				inserter->defaults[i] =
					ExecPrepareExpr(expression_planner((Expr *) expr), inserter->estate);
		}
		MemoryContextSwitchTo(old);
	}
	for (int i = natts; i < desc->natts; i++)
	{
		if (inserter->defaults[i] != NULL)
			slot->tts_values[i] = ExecEvalExprSwitchContext(inserter->defaults[i],
															GetPerTupleExprContext(inserter->estate),
															&slot->tts_isnull[i]);
	}
	role_restore(&caller);
}

/* The first `natts` columns, of which the first is drawn. */
void
insert_row(Inserter *inserter, int natts, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = inserter->slot;

	memset(slot->tts_isnull, true, RelationGetNumberOfAttributes(inserter->rel) * sizeof(bool));
	if (RelationGetNumberOfAttributes(inserter->rel) > natts)
		fill_defaults(inserter, natts);
	memcpy(slot->tts_values, values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, natts * sizeof(bool));
	slot->tts_values[0] = Int64GetDatum(nextval_internal(inserter->sequence, false));
	slot->tts_isnull[0] = false;
	ExecStoreVirtualTuple(slot);

	AfterTriggerBeginQuery();
	ExecSimpleRelationInsert(inserter->rri, inserter->estate, slot);
	AfterTriggerEndQuery(inserter->estate);
	ExecClearTuple(slot);
	ResetPerTupleExprContext(inserter->estate);
}

static bool
is_filled(size_t table, const char *column)
{
	for (size_t i = 0; i < lengthof(insertable[table].filled); i++)
	{
		const char *filled = insertable[table].filled[i];

		if (filled != NULL && strcmp(filled, column) == 0)
			return true;
	}
	return false;
}

/*
 * A relation of the extension was altered: can its rows still be inserted?
 *
 * Errors: a column that must have a value, and gets none.
 */
void
insert_check(Oid relid)
{
	char *name = get_rel_name(relid);

	for (size_t t = 0; name != NULL && t < lengthof(insertable); t++)
	{
		Relation rel;
		TupleDesc desc;

		if (strcmp(name, insertable[t].table) != 0)
			continue;
		rel = table_open(relid, AccessShareLock);
		desc = RelationGetDescr(rel);
		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);

			if (att->attisdropped || !att->attnotnull || att->attgenerated != '\0' ||
				is_filled(t, NameStr(att->attname)) ||
				(att->attnum > insertable[t].own && build_column_default(rel, att->attnum) != NULL))
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("column \"%s\" of table \"%s.%s\" cannot be NOT NULL without a default",
							NameStr(att->attname), OWNERSHIP_SCHEMA, name),
					 errdetail(
						 "The extension writes the rows of this table, and has no value for it: what leaves such a row would fail."),
					 errhint("Give it a default, or let it be NULL.")));
		}
		table_close(rel, AccessShareLock);
	}
}

/* Gives a row that is being made a text, or NULL. */
void
insert_set_text(Datum *values, bool *nulls, int attnum, const char *text)
{
	nulls[attnum - 1] = text == NULL;
	if (text != NULL)
		values[attnum - 1] = CStringGetTextDatum(text);
}

/*
 * Leave the trigger out of a private list.  What a worker records of the rows
 * that it applies is this hub's, and need not be asked about.
 */
static void
publish_own_rows(Relation rel, TriggerDesc *triggers)
{
	bool others = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgenabled == TRIGGER_DISABLED ||
			!TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE,
								  TRIGGER_TYPE_INSERT))
			continue;
		if (get_func_namespace(trigger->tgfoid) == RelationGetNamespace(rel) &&
			strcmp(get_func_name(trigger->tgfoid), "another_hub") == 0)
			trigger->tgenabled = TRIGGER_DISABLED;
		else
			others = true;
	}
	if (triggers != NULL)
		triggers->trig_insert_before_row &= others;
}

/* For a table whose first column is drawn from the sequence TABLE_id_seq. */
Inserter *
insert_open(const char *table)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership inserter", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Inserter *inserter = palloc0(sizeof(Inserter));
	char sequence[NAMEDATALEN];

	snprintf(sequence, sizeof(sequence), "%s_id_seq", table);
	inserter->cxt = cxt;
	inserter->owner = CurrentResourceOwner;
	inserter->rel = table_open(catalog_table(table, false), RowExclusiveLock);
	inserter->sequence = catalog_table(sequence, false);
	inserter->estate = CreateExecutorState();
	inserter->rri = makeNode(ResultRelInfo);
	inserter->slot = MakeSingleTupleTableSlot(RelationGetDescr(inserter->rel), &TTSOpsVirtual);
	InitResultRelInfo(inserter->rri, inserter->rel, 0, NULL, 0);
	publish_own_rows(inserter->rel, inserter->rri->ri_TrigDesc);
	ExecOpenIndices(inserter->rri, false);
	inserter->estate->es_opened_result_relations = list_make1(inserter->rri);
	MemoryContextSwitchTo(old);
	return inserter;
}
