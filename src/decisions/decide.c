/*
 * decide.c
 *		A steward's decisions on refused values: accept() writes them, dismiss()
 *		leaves them, and disagreements lists those that are still open.
 *
 * Who may decide is who may update ownership.conflict.resolution; whoever
 * accepts also needs the table's privileges.  The evidence itself is locked
 * first, in the order of its ids, so that of two who decide on the same one
 * the second finds it resolved.
 */
#include "base.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ownership_accept);
PG_FUNCTION_INFO_V1(ownership_accept_set);
PG_FUNCTION_INFO_V1(ownership_dismiss);
PG_FUNCTION_INFO_V1(ownership_dismiss_set);
PG_FUNCTION_INFO_V1(ownership_disagreement);
PG_FUNCTION_INFO_V1(ownership_resolve);

/*
 * Does the evidence c tell its row?  An INSERT that was refused may not have
 * named all columns that do; then what it proposed is what tells it.
 */
#define MARKED_KEY                                                                   \
	"(SELECT m.column_name FROM ownership.mirrored_column m JOIN ownership.field f " \
	"ON f.entity = m.entity AND f.name = m.field WHERE f.key "                       \
	"AND (m.table_schema, m.table_name) = (c.table_schema, c.table_name)) "
#define PRIMARY_KEY                                                                                                         \
	"(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) " \
	"WHERE i.indisprimary AND i.indrelid = to_regclass(format('%I.%I', c.table_schema, c.table_name))) "
#define TELLS_ROW                                                                                \
	"CASE WHEN c.operation <> 'INSERT' OR c.outcome NOT IN ('discarded', 'rejected') THEN true " \
	"WHEN c.row_key = '{}' THEN false "                                                          \
	"WHEN EXISTS " MARKED_KEY "THEN NOT EXISTS (SELECT FROM " MARKED_KEY                         \
	"k(name) WHERE NOT c.row_key ? k.name) "                                                     \
	"ELSE NOT EXISTS (SELECT FROM " PRIMARY_KEY "k(name) WHERE NOT c.row_key ? k.name) END"

/* What the same writer proposed of the same row's columns later, and was not dismissed. */
#define LATER                                                                                                                                                                    \
	"(SELECT l.id, u.column_name FROM ownership.conflict l CROSS JOIN LATERAL unnest(l.columns::text[]) u(column_name) "                                                         \
	"WHERE jsonb_hash_extended(l.row_key, 0) = jsonb_hash_extended(c.row_key, 0) AND l.row_key = c.row_key AND (l.table_schema, l.table_name) = (c.table_schema, c.table_name) " \
	"AND l.system IS NOT DISTINCT FROM c.system AND (l.system IS NOT NULL OR (l.origin IS NOT DISTINCT FROM c.origin "                                                           \
	"AND (l.origin IS NOT NULL OR l.role IS NOT DISTINCT FROM c.role))) "                                                                                                        \
	"AND (l.recorded_at, l.id) > (c.recorded_at, c.id) AND l.resolution IS DISTINCT FROM 'dismissed' "                                                                           \
	"AND (u.column_name = ANY (c.columns::text[]) OR (c.outcome = 'discarded' AND c.proposed ? u.column_name)) AND (l.proposed = c.proposed OR " TELLS_ROW                       \
	")) l"

typedef struct Refusal
{
	int64 id;
	char *schema;
	char *table;
	Jsonb *row_key; /* NULL: it has none, as the following */
	char *operation;
	char *outcome;
	List *columns;	  /* of char * */
	List *superseded; /* of those: the writer proposed another value since */
	int64 later;	  /* evidence of that which is not decided on now; 0: none */
	bool tells_row;	  /* the key is that of one row */
	char *system;
	Jsonb *stored;
	Jsonb *proposed;
	char *resolution;
	char *resolved_by;
	char *resolved_at;
} Refusal;

static Refusal *
take_refusal(uint64 row)
{
	Refusal *r = palloc(sizeof(Refusal));

	r->id = sql_result_int64(row, 1);
	r->schema = sql_result_text(row, 2);
	r->table = sql_result_text(row, 3);
	r->row_key = sql_result_jsonb(row, 4);
	r->operation = sql_result_text(row, 5);
	r->outcome = sql_result_text(row, 6);
	r->columns = sql_result_texts(row, 7);
	r->stored = sql_result_jsonb(row, 8);
	r->proposed = sql_result_jsonb(row, 9);
	r->resolution = sql_result_text(row, 10);
	r->resolved_by = sql_result_text(row, 11);
	r->resolved_at = sql_result_text(row, 12);
	r->superseded = sql_result_texts(row, 13);
	r->later = sql_result_int64(row, 14);
	r->tells_row = sql_result_bool(row, 15);
	r->system = sql_result_text(row, 16);
	return r;
}

/*
 * Whoever may decide on evidence.
 *
 * Errors: insufficient_privilege.
 */
void
decision_require_decider(void)
{
	Oid conflict = catalog_table("conflict", false);

	if (pg_attribute_aclcheck(conflict, get_attnum(conflict, "resolution"), GetUserId(),
							  ACL_UPDATE) == ACLCHECK_OK ||
		pg_class_aclcheck(conflict, GetUserId(), ACL_UPDATE) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to decide on evidence"),
			 errhint("GRANT SELECT, UPDATE (resolution) ON ownership.conflict is what it takes.")));
}

/* The ids as an array without repetition. */
static Datum
refusal_ids(ArrayType *array)
{
	Datum *elems;
	bool *nulls;
	int n;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elems,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("the id of a conflict must not be null")));
	}
	return PointerGetDatum(
		construct_array(elems, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
refusal_single_id(int64 id)
{
	Datum value = Int64GetDatum(id);

	return PointerGetDatum(
		construct_array(&value, 1, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * Locks the evidence that is to be decided on, in the order of the ids.
 *
 * Errors: some is not there, or resolved already.
 */
static List *
refusal_lock(Datum ids)
{
	Parameters p = {0};
	Parameters q = {0};
	List *refusals = NIL;
	ListCell *lc;
	uint64 n;

	sql_add_value(&p, INT8ARRAYOID, ids, false);
	n = sql_run("SELECT c.id, c.table_schema, c.table_name, c.row_key, c.operation, c.outcome, "
				"array_remove(c.columns::text[], NULL), c.stored, c.proposed, c.resolution, c.resolved_by, c.resolved_at::text, "
				"ARRAY(SELECT l.column_name FROM " LATER "), "
				"coalesce((SELECT max(l.id) FROM " LATER " WHERE l.id <> ALL ($1)), 0), (" TELLS_ROW
				"), c.system "
				"FROM ownership.conflict c WHERE c.id = ANY ($1) ORDER BY c.id FOR UPDATE OF c",
				&p);
	for (uint64 i = 0; i < n; i++)
		refusals = lappend(refusals, take_refusal(i));
	sql_add_value(&q, INT8ARRAYOID, ids, false);
	if (sql_run("SELECT min(i) FROM unnest($1) i WHERE NOT EXISTS "
				"(SELECT FROM ownership.conflict c WHERE c.id = i) HAVING min(i) IS NOT NULL",
				&q) > 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("conflict %s does not exist", sql_result_text(0, 1))));
	foreach(lc, refusals)
	{
		Refusal *r = lfirst(lc);

		if (r->resolution != NULL || r->resolved_at != NULL)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("conflict %lld is already resolved", (long long) r->id),
							errdetail("It was %s by %s.", r->resolution ? r->resolution : "resolved",
									  r->resolved_by ? psprintf("\"%s\"", r->resolved_by)
													 : "somebody unknown")));
	}
	return refusals;
}

static void
refusal_mark(Datum ids, const char *resolution)
{
	Parameters p = {0};

	sql_add_value(&p, INT8ARRAYOID, ids, false);
	sql_add_text(&p, resolution);
	sql_run("UPDATE ownership.conflict SET resolution = $2 WHERE id = ANY ($1)", &p);
}

/* accept() */

/* Errors: there is nothing in the evidence that could be written. */
static void
refusal_check(const Refusal *r)
{
	if (r->proposed != NULL && !JB_ROOT_IS_OBJECT(r->proposed))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld holds no values", (long long) r->id),
				 JB_ROOT_IS_SCALAR(r->proposed)
					 ? errdetail("It counts the rows of a statement beyond ownership.observed_limit.")
					 : 0));
	if (strcmp(r->outcome, "kept") != 0 && strcmp(r->outcome, "discarded") != 0 &&
		strcmp(r->outcome, "rejected") != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld was not refused", (long long) r->id),
						errdetail("Its outcome is %s: the write went through.", r->outcome),
						errhint("ownership.revert() takes such writes back.")));
	if (strcmp(r->operation, "TRUNCATE") == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld is a refused TRUNCATE", (long long) r->id),
						errhint("Truncate the table as the owner of its key, or as a steward.")));
	if (r->row_key == NULL || !JB_ROOT_IS_OBJECT(r->row_key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld does not tell its row", (long long) r->id),
				 errdetail("Table \"%s\" had no key when it was recorded.",
						   names_message_relation(r->schema, r->table)),
				 errhint("Write the value as its system of record, and dismiss the conflict.")));
	if (r->proposed == NULL && strcmp(r->operation, "DELETE") != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld holds no values", (long long) r->id)));
}

/*
 * The columns to write, and their texts.  A new row is written without what
 * is not stored any more.
 *
 * Errors: a column is not there, or is computed; its value was not kept.
 */
static void
refusal_take_values(const Refusal *r, Oid relid, List *names, bool whole, List **columns,
					List **values)
{
	ListCell *lc;

	*columns = NIL;
	*values = NIL;
	foreach(lc, names)
	{
		char *name = lfirst(lc);
		RowColumn *col = place_row_column(relid, name);
		char *text;

		if (col == NULL || col->generated)
		{
			ereport(whole ? NOTICE : ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 col == NULL ? errmsg("column \"%s\" of table \"%s\" does not exist any more",
										  name, names_message_relation(r->schema, r->table))
								 : errmsg("column \"%s\" of table \"%s\" is a generated column",
										  name, names_message_relation(r->schema, r->table)),
					 whole ? errdetail("The row is created without it.") : 0));
			continue;
		}
		switch (value_object_text(r->proposed, name, &text))
		{
			case VALUE_NULL:
			case VALUE_TEXT:
				break;
			case VALUE_LENGTH:
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("conflict %lld does not hold the value of column \"%s\"",
								(long long) r->id, name),
						 errdetail("Of a rejected value of %s bytes only the length was recorded.",
								   text),
						 errhint(
							 "Ask the sender for it. ownership.value_limit says which values are too large.")));
				break;
			case VALUE_ABSENT:
				ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
								errmsg("conflict %lld does not hold the value of column \"%s\"",
									   (long long) r->id, name)));
		}
		*columns = lappend(*columns, col);
		*values = lappend(*values, text);
	}
	if (*columns == NIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld holds no values", (long long) r->id)));
}

/* Is a column no longer what it was when the value was refused? */
static bool
refusal_changed_since(const Refusal *r, List *columns, const StoredRow *row)
{
	ListCell *lc;

	foreach(lc, columns)
	{
		RowColumn *col = lfirst(lc);
		char *text;
		ValueKind kind = value_object_text(r->stored, col->name, &text);

		if ((kind == VALUE_NULL || kind == VALUE_TEXT) &&
			!value_same_text(col->type, text, row->values[foreach_current_index(lc)]))
			return true;
	}
	return false;
}

/*
 * The row's key changes with what is accepted: further evidence of the row that
 * is about to be accepted follows it.
 */
static void
refusal_follow_key(const Refusal *r, List *columns, List *values, List *refusals)
{
	JsonbParseState *state = NULL;
	Jsonb *key;
	bool changes = false;
	ListCell *lc;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, value_object_names(r->row_key))
	{
		char *name = lfirst(lc);
		JsonbValue v = {0};
		ListCell *column;

		v.type = jbvString;
		v.val.string.val = name;
		v.val.string.len = strlen(name);
		pushJsonbValue(&state, WJB_KEY, &v);
		v = *value_in_object(r->row_key, name);
		foreach(column, columns)
		{
			char *value = list_nth(values, foreach_current_index(column));

			if (strcmp(((RowColumn *) lfirst(column))->name, name) != 0)
				continue;
			changes = true;
			v.type = value == NULL ? jbvNull : jbvString;
			v.val.string.val = value;
			v.val.string.len = value == NULL ? 0 : strlen(value);
		}
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	key = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	if (!changes)
		return;
	foreach(lc, refusals)
	{
		Refusal *other = lfirst(lc);

		if (other->id > r->id && other->row_key != NULL && strcmp(other->schema, r->schema) == 0 &&
			strcmp(other->table, r->table) == 0 &&
			compareJsonbContainers(&other->row_key->root, &r->row_key->root) == 0)
			other->row_key = key;
	}
}

static COMPAT_NORETURN void
report_several(const Refusal *r, int n)
{
	ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
					errmsg("the key of conflict %lld is that of %d rows of table \"%s\"",
						   (long long) r->id, n, names_message_relation(r->schema, r->table))));
	pg_unreachable();
}

/* What the column's default says of a proposed and of the stored value. */
typedef struct Given
{
	bool proposed; /* by the writer, not by the default */
	bool made;	   /* a default that is not constant may have made it */
	bool blank;	   /* what is stored is no more than a default */
} Given;

static Given
look_at_default(Relation rel, const RowColumn *col, const char *proposed, const char *stored)
{
	Given given = {proposed != NULL, false, stored == NULL};
	Node *expr = build_column_default(rel, col->attnum);
	char *text;

	if (expr == NULL)
		return given;
	expr = (Node *) expression_planner((Expr *) expr);
	while (IsA(expr, CoerceToDomain))
		expr = (Node *) castNode(CoerceToDomain, expr)->arg;
	if (!IsA(expr, Const))
	{
		given.made = true;
		return given;
	}
	text = castNode(Const, expr)->constisnull
			   ? NULL
			   : value_to_text(col->type, castNode(Const, expr)->constvalue);
	given.proposed &= !value_same_text(col->type, text, proposed);
	given.blank |= value_same_text(col->type, text, stored);
	return given;
}

/* May the column be another system's than the writer's? */
static bool
is_others(RelationMap *map, AttrNumber attnum, const char *system)
{
	const MappedColumn *col = map_column(map, attnum);

	if (col == NULL)
		return false;
	for (int i = -1; i < col->nrules; i++)
	{
		const char *owner = i < 0 ? col->owner : col->rules[i].owner;

		if (owner != NULL && (system == NULL || strcmp(owner, system) != 0))
			return true;
	}
	return false;
}

/*
 * The row of a discarded INSERT is there by now: writes what the INSERT
 * proposed for columns of other systems, and for the writer's own and those of
 * nobody where nothing was stored since.
 */
static bool
accept_into_row(const Refusal *r, Oid relid, List *columns, List *values, const StoredRow *row)
{
	List *into = NIL;
	List *texts = NIL;
	StringInfoData left;
	Relation rel;
	RelationMap *map;
	ListCell *lc;

	if (row->n > 1)
		report_several(r, row->n);
	initStringInfo(&left);
	rel = relation_open(relid, AccessShareLock);
	map = map_get(rel);
	map_enter();
	foreach(lc, columns)
	{
		RowColumn *col = lfirst(lc);
		char *proposed = list_nth(values, foreach_current_index(lc));
		char *stored = row->values[foreach_current_index(lc)];
		Given given;

		if (value_in_object(r->row_key, col->name) != NULL ||
			names_all_among(list_make1(col->name), r->superseded) ||
			value_same_text(col->type, proposed, stored))
			continue;
		given = look_at_default(rel, col, proposed, stored);
		if (!given.proposed || given.made)
			continue;
		if (given.blank || is_others(map, col->attnum, r->system))
		{
			into = lappend(into, col);
			texts = lappend(texts, proposed);
		}
		else
			appendStringInfo(&left, "%s\"%s\"", left.len > 0 ? ", " : "", col->name);
	}
	map_leave();
	relation_close(rel, NoLock);
	if (into != NIL)
		row_write(relid, OPERATION_UPDATE, r->row_key, into, texts);
	if (left.len > 0)
		ereport(NOTICE,
				(errmsg("the row that conflict %lld would create is there, with other values in columns that no other system owns",
						(long long) r->id),
				 errdetail("Left as they are: %s.", left.data),
				 errhint("What was proposed for them stays in ownership.conflict.")));
	return false;
}

/*
 * Writes what was refused, but for what its writer has replaced since: who
 * accepts a price does not bring back an old stock that came with it.  Returns
 * whether the row had changed meanwhile.
 *
 * Errors: see refusal_check(), refusal_take_values() and row_write(); nothing is left;
 * the table or the row is not there, or there are several.
 */
static bool
accept_refusal(const Refusal *r, List *refusals)
{
	Oid relid;
	bool creates;
	bool deletes;
	List *names = NIL;
	List *columns = NIL;
	List *values = NIL;
	StoredRow row;
	ListCell *lc;

	refusal_check(r);
	foreach(lc, r->columns)
	{
		if (!names_all_among(list_make1(lfirst(lc)), r->superseded))
			names = lappend(names, lfirst(lc));
	}
	if (r->columns != NIL && names == NIL && r->later == 0)
		return false; /* what is accepted with it takes its place */
	if (r->columns != NIL && names == NIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld is superseded by conflict %lld", (long long) r->id,
							   (long long) r->later),
						errdetail("The writer has proposed something else for the same row since."),
						errhint("Decide on that one, or write the value as its system of record.")));
	relid = place_evidence_table(r->schema, r->table);
	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table \"%s\" does not exist",
							   names_message_relation(r->schema, r->table))));
	creates = strcmp(r->operation, "INSERT") == 0 && strcmp(r->outcome, "kept") != 0;
	deletes = strcmp(r->operation, "DELETE") == 0;
	if (creates && strcmp(r->outcome, "discarded") == 0)
	{
		refusal_take_values(r, relid, value_object_names(r->proposed), true, &columns, &values);
		row.n = 0;
		if (r->tells_row)
			row_read(relid, list_make1(r->row_key), columns, true, false, &row);
		if (row.n > 0)
			return accept_into_row(r, relid, columns, values, &row);
		row_write(relid, OPERATION_INSERT, NULL, columns, values);
		return false;
	}
	if (!r->tells_row)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld does not tell its row", (long long) r->id),
				 errdetail("The INSERT was rejected with an error, and did not name the row's key."),
				 errhint(
					 "Create the row as the system of record of its key, or ask the sender to send it again; then dismiss the conflict.")));

	if (!deletes)
		refusal_take_values(r, relid, names, false, &columns, &values);
	row_read(relid, list_make1(r->row_key), columns, true, false, &row);
	if (row.n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the row of conflict %lld is not in table \"%s\"", (long long) r->id,
						names_message_relation(r->schema, r->table)),
				 creates
					 ? errdetail(
						   "The INSERT was rejected with an error, and only the columns in conflict were recorded.")
					 : errdetail("It was deleted, its key was changed, or you may not see it.")));
	if (row.n > 1)
		report_several(r, row.n);
	row_write(relid, deletes ? OPERATION_DELETE : OPERATION_UPDATE, r->row_key, columns, values);
	refusal_follow_key(r, columns, values, refusals);
	return !deletes && refusal_changed_since(r, columns, &row);
}

static void
accept_context(void *arg)
{
	errcontext("accepting conflict %lld", (long long) ((Refusal *) arg)->id);
}

static int64
accept_all(Datum ids)
{
	List *refusals;
	ListCell *lc;
	StringInfoData changed;
	int nchanged = 0;
	int64 n;
	int level;

	SPI_connect();
	initStringInfo(&changed);
	level = sql_pin_search_path();
	decision_require_decider();
	refusals = refusal_lock(ids);
	sql_unpin_search_path(level);
	foreach(lc, refusals)
	{
		ErrorContextCallback context;
		Refusal *r = lfirst(lc);

		context.callback = accept_context;
		context.arg = r;
		context.previous = error_context_stack;
		error_context_stack = &context;
		if (accept_refusal(r, refusals) && nchanged++ < 10)
			appendStringInfo(&changed, "%s%lld", nchanged > 1 ? ", " : "", (long long) r->id);
		error_context_stack = context.previous;
		CHECK_FOR_INTERRUPTS();
	}
	level = sql_pin_search_path();
	refusal_mark(ids, "accepted");
	sql_unpin_search_path(level);
	if (nchanged > 0)
		ereport(NOTICE,
				(errmsg_plural("%d accepted value replaced another than the one it had been refused for",
							   "%d accepted values replaced others than those they had been refused for",
							   nchanged, nchanged),
				 errdetail("Conflicts: %s%s.", changed.data, nchanged > 10 ? " and more" : "")));
	n = list_length(refusals);
	SPI_finish();
	return n;
}

static int64
dismiss_all(Datum ids)
{
	List *refusals;
	int64 n;

	SPI_connect();
	decision_require_decider();
	refusals = refusal_lock(ids);
	refusal_mark(ids, "dismissed");
	n = list_length(refusals);
	SPI_finish();
	return n;
}

/*
 * accept(conflict_id), accept(conflict_ids): all or nothing; returns how many.
 */
Datum
ownership_accept(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(accept_all(refusal_single_id(PG_GETARG_INT64(0))));
}

Datum
ownership_accept_set(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(accept_all(refusal_ids(PG_GETARG_ARRAYTYPE_P(0))));
}

/* dismiss(conflict_id), dismiss(conflict_ids) */
Datum
ownership_dismiss(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(dismiss_all(refusal_single_id(PG_GETARG_INT64(0))));
}

Datum
ownership_dismiss_set(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(dismiss_all(refusal_ids(PG_GETARG_ARRAYTYPE_P(0))));
}

/*
 * BEFORE UPDATE on conflict: who resolved it, and when, is not for the
 * statement to say.
 */
Datum
ownership_resolve(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "resolve");
	TupleDesc desc = RelationGetDescr(td->tg_relation);
	int attnums[2];
	Datum values[2] = {0, 0};
	bool nulls[2] = {true, true};
	char *before;
	char *after;

	attnums[0] = SPI_fnumber(desc, "resolved_at");
	attnums[1] = SPI_fnumber(desc, "resolved_by");
	before = SPI_getvalue(td->tg_trigtuple, desc, SPI_fnumber(desc, "resolution"));
	after = SPI_getvalue(td->tg_newtuple, desc, SPI_fnumber(desc, "resolution"));
	if (before != NULL && after != NULL && strcmp(before, after) == 0)
	{
		for (int i = 0; i < 2; i++)
			values[i] = SPI_getbinval(td->tg_trigtuple, desc, attnums[i], &nulls[i]);
	}
	else if (after != NULL)
	{
		values[0] = TimestampTzGetDatum(GetCurrentTimestamp());
		values[1] = CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
		nulls[0] = nulls[1] = false;
	}
	return PointerGetDatum(
		heap_modify_tuple_by_cols(td->tg_newtuple, desc, 2, attnums, values, nulls));
}

/* disagreements */

/* The last word of a system on a column of a row, which was refused. */
typedef struct Word
{
	int64 id;
	TimestampTz at;
	char *schema;
	char *table;
	Jsonb *row_key;
	char *shape; /* the names in row_key */
	char *column;
	char *system;
	char *role;
	char *operation;
	char *outcome;
	Jsonb *proposed;
	bool tells_row;
} Word;

static Word *
take_word(uint64 row)
{
	Word *w = palloc(sizeof(Word));

	w->id = sql_result_int64(row, 1);
	w->at = (TimestampTz) sql_result_int64(row, 2);
	w->schema = sql_result_text(row, 3);
	w->table = sql_result_text(row, 4);
	w->row_key = sql_result_jsonb(row, 5);
	w->shape = sql_result_text(row, 6);
	w->column = sql_result_text(row, 7);
	w->system = sql_result_text(row, 8);
	w->role = sql_result_text(row, 9);
	w->operation = sql_result_text(row, 10);
	w->outcome = sql_result_text(row, 11);
	w->proposed = sql_result_jsonb(row, 12);
	w->tells_row = sql_result_bool(row, 13);
	return w;
}

/* Words on rows of one table, told by the same columns. */
typedef struct Batch
{
	Oid relid;
	List *words;   /* of Word * */
	List *columns; /* of RowColumn *: those that are there and may be read */
	StoredRow *rows;
	const char **errors; /* why a row could not be read */
} Batch;

static bool
read_batch(void *arg)
{
	Batch *batch = arg;
	List *keys = NIL;
	ListCell *lc;

	/* a superuser looks at what everybody made: nobody's code is to run as his */
	if (superuser() && trust_reading_runs_code(batch->relid))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("to read the table runs functions of others")));
	foreach(lc, batch->words)
		keys = lappend(keys, ((Word *) lfirst(lc))->row_key);
	row_read(batch->relid, keys, batch->columns, false, false, batch->rows);
	return true;
}

/* Reads the rows by one query; if that fails, each by one of its own. */
static void
try_batch(Batch *batch)
{
	int n = list_length(batch->words);
	ErrorData *error = subxact_trial(read_batch, batch);

	for (int i = 0; i < n && error != NULL; i++)
	{
		Batch one = {batch->relid, list_make1(list_nth(batch->words, i)), batch->columns,
					 &batch->rows[i], &batch->errors[i]};

		if (n > 1 && error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
			try_batch(&one);
		else
			batch->errors[i] = error->message;
	}
}

/* The column's place among those of the batch, or -1. */
static int
batch_column(const Batch *batch, const char *name)
{
	ListCell *lc;

	foreach(lc, batch->columns)
	{
		if (strcmp(((RowColumn *) lfirst(lc))->name, name) == 0)
			return foreach_current_index(lc);
	}
	return -1;
}

/* column: NULL for the row as a whole. */
static void
tell(ReturnSetInfo *rsinfo, const Word *w, const char *column, const char *refused,
	 const char *stored, const char *note)
{
	const char *texts[] = {w->schema,	 w->table,	 NULL,	  column, w->system, w->role,
						   w->operation, w->outcome, refused, stored, note};
	Datum values[2 + lengthof(texts)];
	bool nulls[2 + lengthof(texts)];

	memset(nulls, false, sizeof(nulls));
	values[0] = Int64GetDatum(w->id);
	values[1] = TimestampTzGetDatum(w->at);
	for (int i = 0; i < (int) lengthof(texts); i++)
		call_put_text(values, nulls, i + 2, texts[i]);
	values[4] = JsonbPGetDatum(w->row_key);
	nulls[4] = false;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Tells of a row that was to be created. */
static void
tell_whole(ReturnSetInfo *rsinfo, const Word *w, const char *note)
{
	tell(rsinfo, w, NULL,
		 w->proposed == NULL ? NULL : JsonbToCString(NULL, &w->proposed->root, VARSIZE(w->proposed)),
		 NULL, note);
}

/*
 * Tells of one word, if what is stored is another.  row: NULL when it could
 * not be read, for the reason in `note`.
 */
static void
tell_word(ReturnSetInfo *rsinfo, const Batch *batch, const Word *w, const StoredRow *row,
		  const char *note)
{
	bool creates = strcmp(w->operation, "INSERT") == 0 && strcmp(w->outcome, "kept") != 0;
	int c = batch_column(batch, w->column);
	RowColumn *col;
	char *text;
	ValueKind kind;

	if (strcmp(w->operation, "DELETE") == 0)
	{
		if (row == NULL || row->n > 0)
			tell(rsinfo, w, NULL, NULL, NULL, note ? note : "The row was to be deleted.");
		return;
	}
	if (creates && (row == NULL || row->n == 0))
	{
		tell_whole(rsinfo, w, note ? note : "The row was to be created.");
		return;
	}
	if (row != NULL && row->n == 0)
		return; /* gone: nothing is stored that could differ */

	kind = value_object_text(w->proposed, w->column, &text);
	if (kind == VALUE_ABSENT)
		return;
	if (kind == VALUE_LENGTH)
	{
		note = psprintf("Of the refused value only the length was recorded: %s bytes.", text);
		text = NULL;
	}
	if (row == NULL)
		tell(rsinfo, w, w->column, text, NULL, note);
	else if (c >= 0)
	{
		col = list_nth(batch->columns, c);
		if (kind == VALUE_LENGTH || !value_same_text(col->type, text, row->values[c]))
			tell(rsinfo, w, w->column, text, row->values[c], note);
	}
	else if (place_row_column(batch->relid, w->column) != NULL)
		tell(rsinfo, w, w->column, text, NULL, "You may not read the column.");
}

/* Compares the words of a batch with what is stored, read by one query. */
static void
tell_batch(ReturnSetInfo *rsinfo, List *words)
{
	const Word *first = linitial(words);
	Batch batch = {place_evidence_table(first->schema, first->table), words, NIL, NULL, NULL};
	int64 told = 0;
	ListCell *lc;

	if (!OidIsValid(batch.relid))
		return;
	foreach(lc, words)
	{
		const Word *w = lfirst(lc);
		RowColumn *col;

		if (strcmp(w->operation, "DELETE") == 0 || batch_column(&batch, w->column) >= 0)
			continue;
		col = place_row_column(batch.relid, w->column);
		if (col != NULL && holder_can_read(batch.relid, col->attnum))
			batch.columns = lappend(batch.columns, col);
	}
	batch.rows = palloc0(list_length(words) * sizeof(StoredRow));
	batch.errors = palloc0(list_length(words) * sizeof(char *));
	try_batch(&batch);
	foreach(lc, words)
	{
		const Word *w = lfirst(lc);
		int i = foreach_current_index(lc);
		bool whole = strcmp(w->operation, "DELETE") == 0 ||
					 (strcmp(w->operation, "INSERT") == 0 && strcmp(w->outcome, "kept") != 0);

		/* a row as a whole is told once; its columns follow each other */
		if (whole && w->id == told)
			continue;
		told = whole ? w->id : 0;
		tell_word(rsinfo, &batch, w, batch.errors[i] ? NULL : &batch.rows[i], batch.errors[i]);
	}
}

#define WORDS_A_BATCH 1000
#define WORDS_A_BATCH_PARTITIONED 100000

/* How many words on rows of the table are compared at once: many partitions are planned once. */
static int
batch_size(const Word *w)
{
	Oid relid = place_evidence_table(w->schema, w->table);

	return OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE
			   ? WORDS_A_BATCH_PARTITIONED
			   : WORDS_A_BATCH;
}

/*
 * For the view disagreements.  What a system said last of a column is what
 * counts, also if that went through, or was resolved.
 */
Datum
ownership_disagreement(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Parameters none = {0};
	MemoryContext cxt;
	List *all = NIL;
	List *words = NIL;
	ListCell *lc;
	int64 told = 0;
	int most = 0;
	uint64 n;
	int settings = NewGUCNestLevel();
	int level;

	/* to compile a plan of many partitions takes longer than to run it */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	level = sql_pin_search_path();
	n = sql_run("SELECT w.id, w.recorded_at, w.table_schema, w.table_name, w.row_key, "
				"ARRAY(SELECT jsonb_object_keys(w.row_key))::text AS shape, w.column_name, w.system, "
				"w.role, w.operation, w.outcome, w.proposed, w.row IS NULL "
				"FROM (SELECT DISTINCT ON (c.table_schema, c.table_name, c.row_key, o.row, u.column_name, c.system, o.who) "
				"c.*, o.row, u.column_name::text FROM ownership.conflict c "
				"CROSS JOIN LATERAL unnest(c.columns) u(column_name) "
				"CROSS JOIN LATERAL (SELECT CASE WHEN c.system IS NULL THEN coalesce('o' || c.origin, 'r' || c.role) END, "
				"CASE WHEN NOT " TELLS_ROW " THEN coalesce(c.proposed, 'null') END) o(who, row) "
				"WHERE jsonb_typeof(c.row_key) = 'object' AND c.operation <> 'TRUNCATE' AND u.column_name IS NOT NULL "
				"ORDER BY c.table_schema, c.table_name, c.row_key, o.row, u.column_name, c.system, o.who, "
				"c.recorded_at DESC, c.id DESC) w "
				"WHERE w.outcome IN ('kept', 'discarded', 'rejected') "
				"AND w.resolved_at IS NULL AND w.resolution IS NULL "
				"ORDER BY w.table_schema, w.table_name, shape, w.id",
				&none);
	for (uint64 i = 0; i < n; i++)
	{
		Word *w = take_word(i);

		if (w->tells_row)
			all = lappend(all, w);
		else if (w->id != told && OidIsValid(place_evidence_table(w->schema, w->table)))
		{
			tell_whole(rsinfo, w, "The row was to be created; its key was not named.");
			told = w->id;
		}
	}
	sql_unpin_search_path(level);

	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership batch", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, all)
	{
		const Word *w = lfirst(lc);
		const Word *next = lnext(all, lc) != NULL ? (const Word *) lfirst(lnext(all, lc)) : NULL;

		if (words == NIL)
			most = batch_size(w);
		words = lappend(words, lfirst(lc));
		if (next == NULL || list_length(words) >= most || strcmp(next->schema, w->schema) != 0 ||
			strcmp(next->table, w->table) != 0 || strcmp(next->shape, w->shape) != 0)
		{
			MemoryContext old = MemoryContextSwitchTo(cxt);

			tell_batch(rsinfo, words);
			MemoryContextSwitchTo(old);
			MemoryContextReset(cxt);
			list_free(words);
			words = NIL;
			CHECK_FOR_INTERRUPTS();
		}
	}
	SPI_finish();
	AtEOXact_GUC(true, settings);
	reads_count_again(looking);
	return (Datum) 0;
}
