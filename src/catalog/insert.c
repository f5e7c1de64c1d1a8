/*
 * insert.c
 *		Inserts rows that the extension records for the writes of any role: evidence,
 *		and the history of the map.
 *
 * The executor inserts them, so that whatever a DBA adds to the table works:
 * indexes of any kind, triggers, further columns and their defaults.  The role
 * that writes needs no privileges on the table.  What would make every such insert
 * fail is refused when it is defined (insert_check()).
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

/* The tables into which the extension inserts rows for the writes of any role. */
static const struct
{
	const char *table;
	const char *sequence;		  /* of its first column; NULL: that has none, or no sequence */
	AttrNumber own;				  /* number of the extension's columns; a DBA added the others */
	const char *const filled[12]; /* columns that have a value in every row that it inserts */
} insertable[] = {
	{"conflict",
	 "conflict_id_seq",
	 18,
	 {"id", "recorded_at", "table_schema", "table_name", "operation", "outcome"}},
	{"history",
	 "conflict_id_seq",
	 17,
	 {"id", "recorded_at", "table_schema", "table_name", "operation", "outcome"}},
	{"map_history", "map_history_id_seq", 11, {"id", "changed_at", "map_table", "item"}},
	{"activity",
	 NULL,
	 14,
	 {"table_schema", "table_name", "column_name", "reads", "writes", "observed", "filled", "kept",
	  "rejected", "overridden"}},
	{"conflict_count", NULL, 5, {"table_schema", "table_name", "outcome", "rows"}},
};

void
insert_close(Inserter *inserter)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = inserter->owner;
	finder_close(inserter);
	ExecCloseResultRelations(inserter->estate);
	ExecResetTupleTable(inserter->estate->es_tupleTable, false);
	ExecDropSingleTupleTableSlot(inserter->slot);
	FreeExecutorState(inserter->estate);
	table_close(inserter->rel, RowExclusiveLock);
	CurrentResourceOwner = owner;
	MemoryContextDelete(inserter->cxt);
}

/*
 * Gives the columns after the first `natts`, which a DBA added, their defaults.
 * They are computed as the table's owner, because the role that writes may have no
 * right to use a sequence or a function in them.
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

/*
 * Inserts a row: `values` and `nulls` are its first `natts` columns.  The first of
 * them is drawn from the sequence.
 */
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

/* Does every row that the extension inserts have a value in this column? */
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
 * A relation of the extension was altered: checks that its rows can still be
 * inserted.
 *
 * Errors: a column is NOT NULL, and the inserts give it no value.
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
						 "The extension inserts the rows of this table and has no value for the column: each write that is recorded there would fail."),
					 errhint("Give the column a default, or allow NULL in it.")));
		}
		table_close(rel, AccessShareLock);
	}
}

/* Sets a column of a row that the caller forms to a text; a null pointer is SQL's NULL. */
void
insert_set_text(Datum *values, bool *nulls, int attnum, const char *text)
{
	nulls[attnum - 1] = text == NULL;
	if (text != NULL)
		values[attnum - 1] = CStringGetTextDatum(text);
}

/* Is a trigger enabled that fires before, or after, each row change of one kind? */
static bool
fires(const TriggerDesc *triggers, int timing, int event)
{
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		if (triggers->triggers[i].tgenabled != TRIGGER_DISABLED &&
			TRIGGER_TYPE_MATCHES(triggers->triggers[i].tgtype, TRIGGER_TYPE_ROW, timing, event))
			return true;
	}
	return false;
}

/*
 * Disables triggers of the extension's own in a private copy of the triggers of one of
 * its tables.  another_hub leaves out rows that a replication worker applies, because
 * they are another hub's: what the extension itself writes in a worker is this hub's.
 * map_changed on the evidence tells sessions of values that wait: the extension itself
 * does that where it writes them (map_waits_now()).
 */
void
insert_silence(Relation rel, TriggerDesc *triggers)
{
	bool evidence = strcmp(RelationGetRelationName(rel), "conflict") == 0;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];
		bool before = TRIGGER_FOR_BEFORE(trigger->tgtype);

		if (TRIGGER_FOR_ROW(trigger->tgtype) && (before || evidence) &&
			get_func_namespace(trigger->tgfoid) == RelationGetNamespace(rel) &&
			strcmp(get_func_name(trigger->tgfoid), before ? "another_hub" : "map_changed") == 0)
			trigger->tgenabled = TRIGGER_DISABLED;
	}
	if (triggers == NULL)
		return;
	triggers->trig_insert_before_row &= fires(triggers, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_INSERT);
	triggers->trig_update_before_row &= fires(triggers, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_UPDATE);
	triggers->trig_delete_before_row &= fires(triggers, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_DELETE);
	triggers->trig_insert_after_row &= fires(triggers, TRIGGER_TYPE_AFTER, TRIGGER_TYPE_INSERT);
	triggers->trig_update_after_row &= fires(triggers, TRIGGER_TYPE_AFTER, TRIGGER_TYPE_UPDATE);
}

/* The sequence from which a table's first column is drawn. */
static Oid
sequence_of(const char *table)
{
	for (size_t t = 0; t < lengthof(insertable); t++)
	{
		if (strcmp(insertable[t].table, table) == 0 && insertable[t].sequence != NULL)
			return catalog_table(insertable[t].sequence, false);
	}
	elog(ERROR, "table \"%s\" has no sequence", table);
}

/* Begins to insert into a table of `insertable` that has a sequence.  End with insert_close(). */
Inserter *
insert_open(const char *table)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership inserter", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Inserter *inserter = palloc0(sizeof(Inserter));

	inserter->cxt = cxt;
	inserter->owner = CurrentResourceOwner;
	inserter->rel = table_open(catalog_table(table, false), RowExclusiveLock);
	inserter->sequence = sequence_of(table);
	inserter->estate = CreateExecutorState();
	inserter->rri = makeNode(ResultRelInfo);
	inserter->slot = MakeSingleTupleTableSlot(RelationGetDescr(inserter->rel), &TTSOpsVirtual);
	InitResultRelInfo(inserter->rri, inserter->rel, 0, NULL, 0);
	insert_silence(inserter->rel, inserter->rri->ri_TrigDesc);
	stored_functions_find(inserter->rri, TRIGGER_TYPE_INSERT, cxt);
	ExecOpenIndices(inserter->rri, false);
	inserter->estate->es_opened_result_relations = list_make1(inserter->rri);
	MemoryContextSwitchTo(old);
	return inserter;
}
