/*
 * conflict.c
 *		Evidence: rows of ownership.conflict, written by the writer's own
 *		transaction.
 *
 * Values are recorded as their text output (value.c), so that one value has one
 * text whoever writes it, and a refused value once (repeat.c).  A refused
 * UPDATE or DELETE holds the row's lock; a refused INSERT has no row to lock, so
 * look-up and insertion are one critical section there (a lock of our own, held
 * for just that long), and an equal row of a transaction under way is waited
 * for, as a unique index would.
 */
#include "base.h"

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
verdict_name(Verdict outcome)
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
evidence_is_refused(Verdict outcome)
{
	return outcome == VERDICT_KEEP || outcome == VERDICT_DISCARD;
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

/* The columns of the conflicts with e's outcome, but for some. */
static Jsonb *
evidence_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		AttrNumber attnum = e->conflicts->items[i].col->attnum;

		if (e->conflicts->items[i].verdict == e->outcome && !bms_is_member(attnum, but))
			push_column(&state, e->desc, slot, attnum, limit, false);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Every column that is stored, but for some. */
static Jsonb *
evidence_row_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but)
{
	TupleDesc desc = e->desc;
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0' && !bms_is_member(att->attnum, but))
			push_column(&state, desc, slot, att->attnum, limit, false);
	}
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
	if (evidence_is_refused(e->outcome) || e->proposed == NULL)
		return e->stored;
	return e->proposed;
}

/*
 * The columns that a refused INSERT does not name.  Nothing is known of a
 * replicated one, nor of a statement that began before the library was loaded.
 */
static Bitmapset *
unnamed_columns(const Evidence *e)
{
	Bitmapset *unnamed = NULL;

	if (e->operation != OPERATION_INSERT || e->new == NULL ||
		(e->outcome != VERDICT_DISCARD && e->outcome != VERDICT_REJECT))
		return NULL;
	for (int i = 0; i < e->desc->natts; i++)
	{
		AttrNumber attnum = TupleDescAttr(e->desc, i)->attnum;
		const MappedColumn *col = map_any_column(e->map, attnum);

		if (col != NULL && insertion_leaves_out(e->new, col))
			unnamed = bms_add_member(unnamed, attnum);
	}
	return unnamed;
}

/* Of these columns, those into which the database put what it does not put there each time. */
static Bitmapset *
made_columns(const Evidence *e, const Bitmapset *unnamed)
{
	Bitmapset *made = NULL;
	int attnum = -1;

	while ((attnum = bms_next_member(unnamed, attnum)) >= 0)
	{
		const MappedColumn *col = map_any_column(e->map, attnum);
		const ColumnDefault *standard = insertion_default(e->new, col);
		bool isnull;
		Datum value = slot_getattr(e->proposed, attnum, &isnull);

		if (!isnull && !(standard->constant && !value_changed(&col->type, value, false,
															  standard->value, standard->isnull)))
			made = bms_add_member(made, attnum);
	}
	return made;
}

/* BEFORE INSERT a generated column of the key has no value yet. */
static bool
is_to_come(const Evidence *e, AttrNumber attnum)
{
	return e->new != NULL &&TRIGGER_FIRED_BEFORE(e->new->td->tg_event) &&
		   TupleDescAttr(e->desc, attnum - 1)->attgenerated != '\0';
}

/*
 * The key of the row that the evidence is about; NULL: it has none.  What a
 * refused INSERT does not name of it is another one at each try, and tells no
 * row: then *made is what is no part of the proposal either.
 */
static Jsonb *
evidence_row_key(const Evidence *e, bool *whole, Bitmapset **made)
{
	const RelationMap *map = e->map;
	TupleTableSlot *slot = key_slot(e);
	JsonbParseState *state = NULL;
	Bitmapset *unnamed;

	*whole = true;
	*made = NULL;
	if (map->nkey_attrs == 0 || slot == NULL)
		return NULL;
	unnamed = unnamed_columns(e);
	*made = made_columns(e, unnamed);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		if (bms_is_member(map->key_attrs[i], unnamed))
			*whole = false;
		else if (!is_to_come(e, map->key_attrs[i]))
			push_column(&state, e->desc, slot, map->key_attrs[i], -1, true);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Datum
evidence_name_array(List *names)
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
evidence_names(const Evidence *e)
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
insert_set_text(Datum *values, bool *nulls, int attnum, const char *text)
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
	values[Anum_conflict_recorded_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[Anum_conflict_recorded_at - 1] = false;
	insert_set_text(values, nulls, Anum_conflict_schema, schema);
	insert_set_text(values, nulls, Anum_conflict_table, table);
	insert_set_text(values, nulls, Anum_conflict_operation, operation_name(operation));
	insert_set_text(values, nulls, Anum_conflict_system, system);
	insert_set_text(values, nulls, Anum_conflict_role, GetUserNameFromId(writer->role, true));
	insert_set_text(values, nulls, Anum_conflict_origin, writer->origin);
	insert_set_text(values, nulls, Anum_conflict_application,
					application_name != NULL && application_name[0] != '\0' ? application_name
																			: NULL);
	insert_set_text(values, nulls, Anum_conflict_outcome, verdict_name(outcome));
}

/* One key of a jsonb object, or NULL. */
JsonbValue *
value_in_object(Jsonb *object, const char *key)
{
	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), NULL);
}

/* How long the string is in COPY of a JSON value, in any client's encoding. */
static Size
copied_length(const char *string, int len)
{
	Size size = 0;

	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) string[i];

		if (IS_HIGHBIT_SET(c) || c == '"' || strchr("\b\f\n\r\t", c) != NULL)
			size += 3;
		else if (c == '\\')
			size += 4;
		else
			size += c < ' ' ? 7 : 1;
	}
	return size;
}

/*
 * A row of evidence can be written that nobody could read any more, because a
 * value is longer in JSON than in itself, or because several go together.
 *
 * Errors: it would be one (program_limit_exceeded).
 */
static void
check_readable(const Evidence *e, Jsonb *const values[], int n)
{
	const Size limit = MaxAllocSize - 1024 * 1024;
	Size size = 0;

	for (int i = 0; i < n; i++)
		size += values[i] == NULL ? 0 : VARSIZE(values[i]);
	if (size < limit / 8)
		return;
	size = 0;
	for (int i = 0; i < n; i++)
	{
		JsonbIterator *it;
		JsonbIteratorToken token;
		JsonbValue v;

		if (values[i] == NULL)
			continue;
		it = JsonbIteratorInit(&values[i]->root);
		while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		{
			if ((token == WJB_KEY || token == WJB_VALUE) && v.type == jbvString)
				size += copied_length(v.val.string.val, v.val.string.len);
			size += 8;
		}
	}
	if (size > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the values of one row of table \"%s\" are too large for evidence",
						names_relation_label(e->map->schema, e->map->table)),
				 errdetail("As JSON they take %zu bytes, of %zu at most: a control character takes 7 bytes, for example.",
						   size, limit)));
}

/* Evidence that is to be inserted. */
typedef struct Draft
{
	ConflictSet fresh; /* those that are to be told */
	bool apart;		   /* a column at a time */
	Proposal proposal;
	bool locked; /* until it is inserted */
	LOCKTAG lock;
} Draft;

/* Of the conflicts, those that have not been told. */
static void
find_fresh(Relation rel, const Evidence *e, Draft *draft)
{
	Proposal *p = &draft->proposal;
	ConflictSet *fresh = &draft->fresh;
	bool refused = evidence_is_refused(e->outcome);
	bool discarded = e->outcome == VERDICT_DISCARD && e->proposed != NULL;
	Bitmapset *made;
	int attnum = -1;

	p->key = evidence_row_key(e, &p->whole, &made);
	while (p->whole && (attnum = bms_next_member(made, attnum)) >= 0)
		p->made = lappend(p->made, NameStr(TupleDescAttr(e->desc, attnum - 1)->attname));
	if (discarded)
		p->values = evidence_row_values(e, e->proposed, -1, p->whole ? NULL : made);
	else if (e->proposed != NULL)
		p->values = evidence_values(e, e->proposed, refused ? -1 : ownership_value_limit, NULL);
	*fresh = *e->conflicts;
	if (!refused || p->key == NULL)
		return;

	draft->locked = e->operation == OPERATION_INSERT;
	if (draft->locked)
	{
		Jsonb *row = p->whole ? p->key : p->values;
		uint64 hash = hash_any_extended((unsigned char *) VARDATA_ANY(row), VARSIZE_ANY_EXHDR(row),
										e->map->home);

		SET_LOCKTAG_ADVISORY(draft->lock, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash,
							 LOCK_CLASS);
	}
	for (;;)
	{
		TransactionId pending;

		if (draft->locked)
			(void) LockAcquire(&draft->lock, ExclusiveLock, false, false);
		fresh->items = palloc(fresh->n * sizeof(Conflict));
		memcpy(fresh->items, e->conflicts->items, fresh->n * sizeof(Conflict));
		pending = repeat_forget(rel, e, p, fresh, &draft->apart);
		if (!TransactionIdIsValid(pending))
			return;
		if (draft->locked)
			(void) LockRelease(&draft->lock, ExclusiveLock, false);
		XactLockTableWait(pending, NULL, NULL, XLTW_None);
	}
}

/* The row of evidence for e's conflicts. */
static void
make_row(const Evidence *e, const Proposal *p, Datum *values, bool *nulls)
{
	bool refused = evidence_is_refused(e->outcome);
	int limit = ownership_value_limit;
	Jsonb *proposed = p->values;
	Jsonb *stored = NULL;

	if (refused && e->outcome != VERDICT_DISCARD && e->proposed != NULL)
		proposed = evidence_values(e, e->proposed, -1, NULL);
	if (e->outcome == VERDICT_KEEP && e->final != NULL)
		stored = evidence_values(e, e->final, limit, NULL);
	else if (e->stored != NULL)
		stored = (e->proposed == NULL && !refused) ? evidence_row_values(e, e->stored, limit, NULL)
												   : evidence_values(e, e->stored, limit, NULL);
	check_readable(e, (Jsonb *[]){p->key, stored, proposed}, 3);

	set_common(values, nulls, e->map->schema, e->map->table, e->operation, e->writer, e->system,
			   e->outcome);
	set_jsonb(values, nulls, Anum_conflict_row_key, p->key);
	set_jsonb(values, nulls, Anum_conflict_stored, stored);
	set_jsonb(values, nulls, Anum_conflict_proposed, proposed);
	values[Anum_conflict_columns - 1] = evidence_name_array(evidence_names(e));
	nulls[Anum_conflict_columns - 1] = false;
}

typedef struct EvidenceRow
{
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];
} EvidenceRow;

/* The rows of evidence (EvidenceRow) that are to be inserted. */
static List *
draft_evidence(Relation rel, const Evidence *original, Draft *draft)
{
	Evidence e = *original;
	List *rows = NIL;

	find_fresh(rel, &e, draft);
	for (int i = 0; i < draft->fresh.n; i++)
	{
		ConflictSet one = {1, &draft->fresh.items[i], original->conflicts->strictest};
		EvidenceRow *row;

		if (one.items->verdict != e.outcome)
			continue;
		row = palloc(sizeof(EvidenceRow));
		e.conflicts = draft->apart ? &one : &draft->fresh;
		make_row(&e, &draft->proposal, row->values, row->nulls);
		rows = lappend(rows, row);
		if (!draft->apart)
			break;
	}
	return rows;
}

/* Inserts evidence, unless it has been told.  Only its text has fixed settings. */
static void
insert_evidence(Inserter *inserter, const Evidence *e)
{
	Draft *draft = palloc0(sizeof(Draft));
	List *volatile rows = NIL;
	OutputSettings settings = value_fix_output(e->map->text_needs);
	ListCell *lc;

	PG_TRY();
	{
		rows = draft_evidence(inserter->rel, e, draft);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();

	foreach(lc, rows)
	{
		EvidenceRow *row = lfirst(lc);

		insert_row(inserter, Natts_conflict, row->values, row->nulls);
	}
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
evidence_record(const Evidence *e)
{
	Tally *tally = tally_get(e->map);
	Inserter *inserter = tally->inserter;
	MemoryContext cxt;
	MemoryContext old;

	activity_conflict(e->map, e->system, e->conflicts, e->outcome);
	if (e->outcome == VERDICT_OBSERVE)
	{
		if (tally->observed++ >= (uint64) ownership_observed_limit)
		{
			ListCell *lc;

			tally->rest++;
			tally->rest_operation = e->operation;
			if (tally->rest_system == NULL && e->system != NULL)
				tally->rest_system = MemoryContextStrdup(tally->cxt, e->system);
			foreach(lc, evidence_names(e))
			{
				if (!names_contain(tally->rest_columns, lfirst(lc)))
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
		inserter = insert_open("conflict");
		MemoryContextSwitchTo(cxt);
		if (tally->statement != NULL)
			tally->inserter = inserter;
	}
	insert_evidence(inserter, e);
	if (tally->statement == NULL)
		insert_close(inserter);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/*
 * The rows of a statement that were only counted: one row of evidence without
 * a key, whose `proposed` is their number.
 */
static void
record_rest(const Tally *tally)
{
	Inserter *inserter = insert_open("conflict");
	const Writer *writer = statement_writer();
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];
	JsonbValue count;

	set_common(values, nulls, tally->schema, tally->table, tally->rest_operation, writer,
			   tally->rest_system, VERDICT_OBSERVE);
	count.type = jbvNumeric;
	count.val.numeric = int64_to_numeric((int64) tally->rest);
	set_jsonb(values, nulls, Anum_conflict_proposed, JsonbValueToJsonb(&count));
	values[Anum_conflict_columns - 1] = evidence_name_array(tally->rest_columns);
	nulls[Anum_conflict_columns - 1] = false;
	insert_row(inserter, Natts_conflict, values, nulls);
	insert_close(inserter);
}

static const char *
evidence_jsonb_text(Jsonb *jsonb)
{
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* What is told of a write that is about to be rejected. */
static void
describe_attempt(const Evidence *e, Attempt *attempt)
{
	OutputSettings settings;
	int limit = ownership_value_limit;
	Jsonb *key;
	Bitmapset *made;
	bool whole;

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
		OidOutputFunctionCall(F_ARRAY_OUT, evidence_name_array(evidence_names(e)));
	settings = value_fix_output(e->map->text_needs);
	PG_TRY();
	{
		key = evidence_row_key(e, &whole, &made);
		if (key != NULL)
			attempt->texts[ATTEMPT_KEY] = evidence_jsonb_text(key);
		if (e->stored != NULL)
			attempt->texts[ATTEMPT_STORED] =
				evidence_jsonb_text(evidence_values(e, e->stored, limit, NULL));
		if (e->proposed != NULL)
			attempt->texts[ATTEMPT_PROPOSED] =
				evidence_jsonb_text(evidence_values(e, e->proposed, limit, whole ? NULL : made));
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
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
		activity_attempt(e->map, e->system, e->conflicts, &attempt);
	ereport(LOG_SERVER_ONLY,
			(errmsg("ownership rejected %s of %s by %s (role \"%s\"): row %s, proposed %s",
					operation_name(e->operation), names_relation_label(e->map->schema, e->map->table),
					writer_label(e->writer, e->system), or_dash(attempt.texts[ATTEMPT_ROLE]),
					or_dash(attempt.texts[ATTEMPT_KEY]), or_dash(attempt.texts[ATTEMPT_PROPOSED])),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * A statement ended, or the transaction: report to the client what was kept out
 * by it, and record what was only counted.
 */
void
evidence_end(const void *statement, bool all)
{
	List *tallies = tally_take(statement, all);
	ListCell *lc;

	foreach(lc, tallies)
	{
		Tally *tally = lfirst(lc);

		if (tally->inserter != NULL)
			insert_close(tally->inserter);
		if (tally->rest > 0)
			record_rest(tally);
		if (tally->kept > 0 || tally->not_created > 0 || tally->discarded > 0)
			evidence_report_kept(tally);
		tally_free(tally);
	}
	list_free(tallies);
}
