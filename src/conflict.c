/*
 * conflict.c
 *		Evidence: rows of ownership.conflict, written by the writer's own
 *		transaction.
 *
 * Values are recorded as their text output under fixed settings, so that one
 * value has one text whoever writes it.  A refused value is recorded once: it
 * is compared with the latest evidence for that row, column and writer, found
 * through an index on a hash of them with a dirty snapshot, which also sees what
 * concurrent transactions have not committed yet, and takes no predicate
 * locks.  A refused UPDATE or DELETE holds the row's lock; a refused INSERT
 * has no row to lock, so look-up and insertion are one critical section there
 * (a lock of our own, held for just that long), and an equal row of a
 * transaction under way is waited for, as a unique index would.
 */
#include "ownership.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* conflict's columns */
enum
{
	Anum_id = 1,
	Anum_recorded_at,
	Anum_schema,
	Anum_table,
	Anum_row_key,
	Anum_operation,
	Anum_system,
	Anum_role,
	Anum_origin,
	Anum_application,
	Anum_outcome,
	Anum_columns,
	Anum_stored,
	Anum_proposed,
	Anum_resolved_at,
	Anum_resolution,
	Natts_conflict = Anum_resolution
};

/* apart from the advisory locks of SQL functions, which use 1 and 2 */
#define LOCK_CLASS 3

const char *
operation_name(Operation operation)
{
	switch (operation)
	{
		case OPERATION_INSERT:
			return "INSERT";
		case OPERATION_UPDATE:
			return "UPDATE";
		case OPERATION_DELETE:
			return "DELETE";
		case OPERATION_TRUNCATE:
			return "TRUNCATE";
	}
	pg_unreachable();
}

/* The word for a verdict, as evidence and explain() have it. */
const char *
outcome_name(Verdict outcome)
{
	switch (outcome)
	{
		case VERDICT_ALLOW:
			return "allowed";
		case VERDICT_OBSERVE:
			return "observed";
		case VERDICT_FILL:
			return "filled";
		case VERDICT_OVERRIDE:
			return "overridden";
		case VERDICT_KEEP:
			return "kept";
		case VERDICT_DISCARD:
			return "discarded";
		case VERDICT_REJECT:
			return "rejected";
	}
	pg_unreachable();
}

/* Was the value, or the row, kept out? */
static bool
is_refused(Verdict outcome)
{
	return outcome == VERDICT_KEEP || outcome == VERDICT_DISCARD;
}

/* Text output must not depend on the session; undone by restore_output(). */
OutputSettings
fix_output(void)
{
	OutputSettings old = {DateStyle,		  DateOrder,	IntervalStyle,
						  extra_float_digits, bytea_output, session_timezone};

	DateStyle = USE_ISO_DATES;
	DateOrder = DATEORDER_YMD;
	IntervalStyle = INTSTYLE_POSTGRES;
	extra_float_digits = 1;
	bytea_output = BYTEA_OUTPUT_HEX;
	session_timezone = pg_tzset("GMT");
	return old;
}

void
restore_output(const OutputSettings *old)
{
	DateStyle = old->date_style;
	DateOrder = old->date_order;
	IntervalStyle = old->interval_style;
	extra_float_digits = old->float_digits;
	bytea_output = old->bytea;
	session_timezone = old->timezone;
}

static void
push_length(JsonbParseState **state, int64 length)
{
	JsonbValue v;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	v.type = jbvString;
	v.val.string.val = pstrdup("length");
	v.val.string.len = strlen("length");
	pushJsonbValue(state, WJB_KEY, &v);
	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(length);
	pushJsonbValue(state, WJB_VALUE, &v);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Push one column of a row.  limit: bytes above which only the length is
 * noted; negative: none.  numbers: integers as JSON numbers (row keys).
 */
static void
push_column(JsonbParseState **state, TupleDesc desc, TupleTableSlot *slot, AttrNumber attnum,
			int limit, bool numbers)
{
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
	JsonbValue v;
	Datum value;
	bool isnull;
	Oid output;
	bool varlena;

	v.type = jbvString;
	v.val.string.val = pstrdup(NameStr(att->attname));
	v.val.string.len = strlen(v.val.string.val);
	pushJsonbValue(state, WJB_KEY, &v);

	value = slot_getattr(slot, attnum, &isnull);
	if (isnull)
	{
		v.type = jbvNull;
		pushJsonbValue(state, WJB_VALUE, &v);
		return;
	}
	if (limit >= 0 && att->attlen == -1 && toast_raw_datum_size(value) - VARHDRSZ > (Size) limit)
	{
		push_length(state, toast_raw_datum_size(value) - VARHDRSZ);
		return;
	}
	if (numbers && (att->atttypid == INT2OID || att->atttypid == INT4OID || att->atttypid == INT8OID))
	{
		int64 n = att->atttypid == INT2OID	 ? DatumGetInt16(value)
				  : att->atttypid == INT4OID ? DatumGetInt32(value)
											 : DatumGetInt64(value);

		v.type = jbvNumeric;
		v.val.numeric = int64_to_numeric(n);
		pushJsonbValue(state, WJB_VALUE, &v);
		return;
	}
	getTypeOutputInfo(att->atttypid, &output, &varlena);
	v.type = jbvString;
	v.val.string.val = OidOutputFunctionCall(output, value);
	v.val.string.len = strlen(v.val.string.val);
	if (limit >= 0 && v.val.string.len > limit)
		push_length(state, v.val.string.len);
	else
		pushJsonbValue(state, WJB_VALUE, &v);
}

/* The columns of the conflicts with e's outcome. */
static Jsonb *
conflict_values(const Evidence *e, TupleTableSlot *slot, int limit)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		if (e->conflicts->items[i].verdict == e->outcome)
			push_column(&state, e->desc, slot, e->conflicts->items[i].col->attnum, limit, false);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Every column that is stored. */
static Jsonb *
row_values(const Evidence *e, TupleTableSlot *slot, int limit)
{
	TupleDesc desc = e->desc;
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0')
			push_column(&state, desc, slot, att->attnum, limit, false);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
row_key(const Evidence *e, TupleTableSlot *slot)
{
	const RelationMap *map = e->map;
	JsonbParseState *state = NULL;

	if (map->nkey_attrs == 0 || slot == NULL)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < map->nkey_attrs; i++)
		push_column(&state, e->desc, slot, map->key_attrs[i], -1, true);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The row that the evidence is about: as it will be stored, where it will. */
static TupleTableSlot *
key_slot(const Evidence *e)
{
	if (e->final != NULL)
		return e->final;
	if (e->operation == OPERATION_INSERT)
		return e->proposed;
	if (is_refused(e->outcome) || e->proposed == NULL)
		return e->stored;
	return e->proposed;
}

static Datum
name_array(List *names)
{
	int n = list_length(names);
	Datum *datums = palloc(Max(n, 1) * sizeof(Datum));
	ListCell *lc;
	int i = 0;

	foreach(lc, names)
	{
		Name name = palloc(sizeof(NameData));

		namestrcpy(name, lfirst(lc));
		datums[i++] = NameGetDatum(name);
	}
	return PointerGetDatum(construct_array(datums, n, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}

static List *
conflict_names(const Evidence *e)
{
	List *names = NIL;

	for (int i = 0; i < e->conflicts->n; i++)
	{
		if (e->conflicts->items[i].verdict == e->outcome)
			names = lappend(names, e->conflicts->items[i].col->name);
	}
	return names;
}

/* Gives a row that is being made a text, or NULL. */
void
set_text_value(Datum *values, bool *nulls, int attnum, const char *text)
{
	nulls[attnum - 1] = text == NULL;
	if (text != NULL)
		values[attnum - 1] = CStringGetTextDatum(text);
}

static void
set_jsonb(Datum *values, bool *nulls, int attnum, Jsonb *jsonb)
{
	nulls[attnum - 1] = jsonb == NULL;
	if (jsonb != NULL)
		values[attnum - 1] = JsonbPGetDatum(jsonb);
}

/* All but the key, the values and the columns. */
static void
set_common(Datum *values, bool *nulls, const char *schema, const char *table, Operation operation,
		   const Writer *writer, const char *system, Verdict outcome)
{
	memset(nulls, true, Natts_conflict * sizeof(bool));
	values[Anum_recorded_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[Anum_recorded_at - 1] = false;
	set_text_value(values, nulls, Anum_schema, schema);
	set_text_value(values, nulls, Anum_table, table);
	set_text_value(values, nulls, Anum_operation, operation_name(operation));
	set_text_value(values, nulls, Anum_system, system);
	set_text_value(values, nulls, Anum_role, GetUserNameFromId(writer->role, true));
	set_text_value(values, nulls, Anum_origin, writer->origin);
	set_text_value(values, nulls, Anum_application,
				   application_name != NULL && application_name[0] != '\0' ? application_name
																		   : NULL);
	set_text_value(values, nulls, Anum_outcome, outcome_name(outcome));
}

static bool
text_equals(Datum value, bool isnull, const char *other)
{
	if (isnull || other == NULL)
		return isnull && other == NULL;
	return strcmp(TextDatumGetCString(value), other) == 0;
}

/* Is it evidence of this writer on this table? */
static bool
same_writer(TupleTableSlot *slot, const Evidence *e)
{
	bool isnull;
	Datum value;

	value = slot_getattr(slot, Anum_schema, &isnull);
	if (!text_equals(value, isnull, e->map->schema))
		return false;
	value = slot_getattr(slot, Anum_table, &isnull);
	if (!text_equals(value, isnull, e->map->table))
		return false;
	value = slot_getattr(slot, Anum_system, &isnull);
	if (!text_equals(value, isnull, e->system))
		return false;
	if (e->system != NULL)
		return true;
	value = slot_getattr(slot, Anum_origin, &isnull);
	if (!text_equals(value, isnull, e->writer->origin))
		return false;
	value = slot_getattr(slot, Anum_role, &isnull);
	return e->writer->origin != NULL ||
		   text_equals(value, isnull, GetUserNameFromId(e->writer->role, true));
}

static bool
has_name(ArrayType *names, const char *name)
{
	Datum *elems;
	int n;
	bool found = false;

	deconstruct_array(names, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &elems, NULL, &n);
	for (int i = 0; i < n && !found; i++)
		found = strcmp(NameStr(*DatumGetName(elems[i])), name) == 0;
	return found;
}

/* One key of a jsonb object, or NULL. */
JsonbValue *
object_value(Jsonb *object, const char *key)
{
	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), NULL);
}

/* Compares two scalars, as push_column() made them without a limit. */
static bool
same_scalar(const JsonbValue *a, const JsonbValue *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->type != b->type)
		return false;
	if (a->type == jbvNull)
		return true;
	return a->type == jbvString && a->val.string.len == b->val.string.len &&
		   memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
}

static bool
same_jsonb(Jsonb *a, Jsonb *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return compareJsonbContainers(&a->root, &b->root) == 0;
}

/* What conflict_latest_idx has of the evidence for this row and writer. */
static Datum
latest_hash(const Evidence *e, Jsonb *key)
{
	char *place = psprintf("%s.%s.%s", e->map->schema, e->map->table, e->system ? e->system : "");
	Datum seed = DirectFunctionCall2Coll(hashtextextended, DEFAULT_COLLATION_OID,
										 CStringGetTextDatum(place), Int64GetDatum(0));

	return DirectFunctionCall2(jsonb_hash_extended, JsonbPGetDatum(key), seed);
}

/*
 * Clears the verdicts of the conflicts in `fresh`, a copy of e's, that the
 * latest evidence for this row and writer already tells.  Returns a
 * transaction under way whose evidence would tell one, to be waited for.
 */
static TransactionId
forget_recorded(Relation rel, const Evidence *e, ConflictSet *fresh, Jsonb *key, Jsonb *proposed)
{
	Oid indexid = catalog_table("conflict_latest_idx", true);
	Relation index;
	TupleTableSlot *slot;
	bool *found = palloc0(fresh->n * sizeof(bool));
	int missing = 0;
	bool *told = palloc0(fresh->n * sizeof(bool));
	TransactionId pending = InvalidTransactionId;
	SnapshotData dirty;
	ScanKeyData skey;
	IndexScanDesc scan;

	/* until ALTER EXTENSION UPDATE from 0.1.0 everything is told each time */
	if (!OidIsValid(indexid))
		return InvalidTransactionId;
	index = index_open(indexid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	InitDirtySnapshot(dirty);
	for (int i = 0; i < fresh->n; i++)
		missing += fresh->items[i].verdict == e->outcome;
	ScanKeyInit(&skey, 1, BTEqualStrategyNumber, F_INT8EQ, latest_hash(e, key));
	scan = compat_index_beginscan(rel, index, &dirty, 1);
	index_rescan(scan, &skey, 1, NULL, 0);
	/* the latest first */
	while (missing > 0 && index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		bool isnull;
		Datum value;
		ArrayType *columns;
		Jsonb *was_proposed;
		bool accepted;
		bool discarded;
		char *operation;
		char *outcome;

		if (!same_jsonb(DatumGetJsonbP(slot_getattr(slot, Anum_row_key, &isnull)), key) ||
			!same_writer(slot, e))
			continue;
		outcome = TextDatumGetCString(slot_getattr(slot, Anum_outcome, &isnull));
		discarded = strcmp(outcome, outcome_name(VERDICT_DISCARD)) == 0;
		if (discarded != (e->outcome == VERDICT_DISCARD) ||
			(!discarded && strcmp(outcome, outcome_name(VERDICT_KEEP)) != 0))
			continue;
		operation = TextDatumGetCString(slot_getattr(slot, Anum_operation, &isnull));
		if (discarded && strcmp(operation, operation_name(e->operation)) != 0)
			continue;

		value = slot_getattr(slot, Anum_columns, &isnull);
		if (isnull)
			continue; /* written by hand */
		columns = DatumGetArrayTypeP(value);
		value = slot_getattr(slot, Anum_proposed, &isnull);
		was_proposed = isnull ? NULL : DatumGetJsonbP(value);
		value = slot_getattr(slot, Anum_resolution, &isnull);
		accepted = !isnull && strcmp(TextDatumGetCString(value), "accepted") == 0;

		for (int i = 0; i < fresh->n; i++)
		{
			const char *name = fresh->items[i].col->name;

			if (fresh->items[i].verdict != e->outcome || found[i] || !has_name(columns, name))
				continue;
			found[i] = true;
			missing--;
			told[i] = !accepted && (discarded ? same_jsonb(was_proposed, proposed)
											  : same_scalar(object_value(was_proposed, name),
															object_value(proposed, name)));
			if (told[i] && TransactionIdIsValid(dirty.xmin))
				pending = dirty.xmin;
		}
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);

	for (int i = 0; i < fresh->n; i++)
	{
		if (told[i])
			fresh->items[i].verdict = VERDICT_ALLOW;
	}
	return pending;
}

static bool
any_left(const ConflictSet *set, Verdict outcome)
{
	for (int i = 0; i < set->n; i++)
		if (set->items[i].verdict == outcome)
			return true;
	return false;
}

/* A row of evidence that is to be inserted. */
typedef struct Draft
{
	bool fresh; /* false: it has been told */
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];
	bool locked; /* until it is inserted */
	LOCKTAG lock;
} Draft;

static void
draft_evidence(Relation rel, const Evidence *original, Draft *draft)
{
	Evidence e = *original;
	Datum *values = draft->values;
	bool *nulls = draft->nulls;
	bool refused = is_refused(e.outcome);
	bool whole = e.outcome == VERDICT_DISCARD && e.proposed != NULL;
	Jsonb *key = row_key(&e, key_slot(&e));
	Jsonb *stored = NULL;
	Jsonb *proposed = NULL;
	int limit = ownership_value_limit;
	ConflictSet fresh = *e.conflicts;

	draft->locked = refused && key != NULL && e.operation == OPERATION_INSERT;
	if (e.proposed != NULL)
		proposed = whole ? row_values(&e, e.proposed, -1)
						 : conflict_values(&e, e.proposed, refused ? -1 : limit);

	if (draft->locked)
	{
		uint64 hash = hash_any_extended((unsigned char *) VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
										e.map->home);

		SET_LOCKTAG_ADVISORY(draft->lock, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash,
							 LOCK_CLASS);
	}
	for (;;)
	{
		TransactionId pending = InvalidTransactionId;

		if (!refused || key == NULL)
			break;
		if (draft->locked)
			(void) LockAcquire(&draft->lock, ExclusiveLock, false, false);
		fresh.items = palloc(fresh.n * sizeof(Conflict));
		memcpy(fresh.items, original->conflicts->items, fresh.n * sizeof(Conflict));
		pending = forget_recorded(rel, &e, &fresh, key, proposed);
		if (!TransactionIdIsValid(pending))
			break;
		if (draft->locked)
			(void) LockRelease(&draft->lock, ExclusiveLock, false);
		XactLockTableWait(pending, NULL, NULL, XLTW_None);
	}
	e.conflicts = &fresh;

	draft->fresh = any_left(&fresh, e.outcome);
	if (draft->fresh)
	{
		if (refused && !whole && e.proposed != NULL)
			proposed = conflict_values(&e, e.proposed, -1);
		if (e.outcome == VERDICT_KEEP && e.final != NULL)
			stored = conflict_values(&e, e.final, limit);
		else if (e.stored != NULL)
			stored = (e.proposed == NULL && !refused) ? row_values(&e, e.stored, limit)
													  : conflict_values(&e, e.stored, limit);

		set_common(values, nulls, e.map->schema, e.map->table, e.operation, e.writer, e.system,
				   e.outcome);
		set_jsonb(values, nulls, Anum_row_key, key);
		set_jsonb(values, nulls, Anum_stored, stored);
		set_jsonb(values, nulls, Anum_proposed, proposed);
		values[Anum_columns - 1] = name_array(conflict_names(&e));
		nulls[Anum_columns - 1] = false;
	}
}

/* Inserts evidence, unless it has been told.  Only its text has fixed settings. */
static void
insert_evidence(Inserter *inserter, const Evidence *e)
{
	OutputSettings settings = fix_output();
	Draft *draft = palloc0(sizeof(Draft));

	PG_TRY();
	{
		draft_evidence(inserter->rel, e, draft);
	}
	PG_FINALLY();
	{
		restore_output(&settings);
	}
	PG_END_TRY();

	if (draft->fresh)
		insert_row(inserter, Natts_conflict, draft->values, draft->nulls);
	if (draft->locked)
		(void) LockRelease(&draft->lock, ExclusiveLock, false);
}

/*
 * Record those of the conflicts whose verdict is e->outcome, with the values
 * of e's rows.  Observed rows beyond ownership.observed_limit of a statement
 * are counted only.
 *
 * Errors: a refused value that does not fit into jsonb (program_limit_exceeded).
 */
void
record_evidence(const Evidence *e)
{
	Tally *tally = statement_tally(e->map);
	Inserter *inserter = tally->inserter;
	MemoryContext cxt;
	MemoryContext old;

	activity_conflict(e);
	if (e->outcome == VERDICT_OBSERVE)
	{
		if (tally->observed++ >= (uint64) ownership_observed_limit)
		{
			ListCell *lc;

			tally->rest++;
			tally->rest_operation = e->operation;
			if (tally->rest_system == NULL && e->system != NULL)
				tally->rest_system = MemoryContextStrdup(tally->cxt, e->system);
			foreach(lc, conflict_names(e))
			{
				ListCell *known;
				bool found = false;

				foreach(known, tally->rest_columns)
					found |= strcmp(lfirst(known), lfirst(lc)) == 0;
				if (!found)
				{
					old = MemoryContextSwitchTo(tally->cxt);
					tally->rest_columns = lappend(tally->rest_columns, pstrdup(lfirst(lc)));
					MemoryContextSwitchTo(old);
				}
			}
			return;
		}
	}

	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership evidence", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	if (inserter == NULL)
	{
		/* kept for the statement's other rows, where its end will be seen */
		if (tally->statement != NULL)
			MemoryContextSwitchTo(tally->cxt);
		inserter = open_inserter("conflict");
		MemoryContextSwitchTo(cxt);
		if (tally->statement != NULL)
			tally->inserter = inserter;
	}
	insert_evidence(inserter, e);
	if (tally->statement == NULL)
		close_inserter(inserter);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/*
 * The rows of a statement that were only counted: one row of evidence without
 * a key, whose `proposed` is their number.
 */
void
record_rest(const Tally *tally)
{
	Inserter *inserter = open_inserter("conflict");
	const Writer *writer = statement_writer();
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];
	JsonbValue count;

	set_common(values, nulls, tally->schema, tally->table, tally->rest_operation, writer,
			   tally->rest_system, VERDICT_OBSERVE);
	count.type = jbvNumeric;
	count.val.numeric = int64_to_numeric((int64) tally->rest);
	set_jsonb(values, nulls, Anum_proposed, JsonbValueToJsonb(&count));
	values[Anum_columns - 1] = name_array(tally->rest_columns);
	nulls[Anum_columns - 1] = false;
	insert_row(inserter, Natts_conflict, values, nulls);
	close_inserter(inserter);
}

static const char *
jsonb_text(Jsonb *jsonb)
{
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* What is told of a write that is about to be rejected. */
static void
describe_attempt(const Evidence *e, Attempt *attempt)
{
	OutputSettings settings = fix_output();
	int limit = ownership_value_limit;
	Jsonb *key;

	memset(attempt, 0, sizeof(Attempt));
	attempt->at = GetCurrentTimestamp();
	attempt->texts[ATTEMPT_SCHEMA] = e->map->schema;
	attempt->texts[ATTEMPT_TABLE] = e->map->table;
	attempt->texts[ATTEMPT_OPERATION] = operation_name(e->operation);
	attempt->texts[ATTEMPT_SYSTEM] = e->system;
	attempt->texts[ATTEMPT_ROLE] = GetUserNameFromId(e->writer->role, true);
	attempt->texts[ATTEMPT_ORIGIN] = e->writer->origin;
	if (application_name != NULL && application_name[0] != '\0')
		attempt->texts[ATTEMPT_APPLICATION] = application_name;
	attempt->texts[ATTEMPT_COLUMNS] =
		OidOutputFunctionCall(F_ARRAY_OUT, name_array(conflict_names(e)));
	PG_TRY();
	{
		key = row_key(e, key_slot(e));
		if (key != NULL)
			attempt->texts[ATTEMPT_KEY] = jsonb_text(key);
		if (e->stored != NULL)
			attempt->texts[ATTEMPT_STORED] = jsonb_text(conflict_values(e, e->stored, limit));
		if (e->proposed != NULL)
			attempt->texts[ATTEMPT_PROPOSED] = jsonb_text(conflict_values(e, e->proposed, limit));
	}
	PG_FINALLY();
	{
		restore_output(&settings);
	}
	PG_END_TRY();
}

static const char *
or_dash(const char *text)
{
	return text == NULL ? "-" : text;
}

/*
 * A write is about to be rejected, its transaction rolls back, and whoever
 * catches the error may say nothing: it is remembered, where the library is
 * preloaded, and there is a line in the server log.
 */
void
record_rejected(const Evidence *e)
{
	Attempt attempt;

	describe_attempt(e, &attempt);
	if (activity_counts())
		activity_attempt(e, &attempt);
	ereport(LOG_SERVER_ONLY,
			(errmsg("ownership rejected %s of %s by %s (role \"%s\"): row %s, proposed %s",
					operation_name(e->operation), relation_label(e->map->schema, e->map->table),
					writer_label(e->writer, e->system), or_dash(attempt.texts[ATTEMPT_ROLE]),
					or_dash(attempt.texts[ATTEMPT_KEY]), or_dash(attempt.texts[ATTEMPT_PROPOSED])),
			 errhidestmt(true), errhidecontext(true)));
}
