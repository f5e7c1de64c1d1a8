/*
 * why.c
 *		why(field_or_column, row_key): what happened to one value.
 *
 * Every copy of the field is looked up, with the caller's privileges, by the
 * key: names are those of the entity's key fields or of the relation's own key
 * columns.  A table whose key the caller did not give is found through the
 * first one that has the row and holds the key fields.  Then come the evidence
 * about that row, the rules, the last writes and the feeds, and before all of
 * it an answer in one sentence or two.
 *
 * What cannot be looked at is said and is no error.
 */
#include "base.h"

#include "access/commit_ts.h"
#include "access/relation.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ownership_why);

/* rows shown of one copy, where the key tells several */
#define MAX_ROWS 10

/* A name and a value of row_key. */
typedef struct KeyValue
{
	char *name;
	char *value;
} KeyValue;

typedef struct FoundRow
{
	char *value;
	char *evidence_key;	 /* jsonb, as in conflict */
	TimestampTz written; /* 0: not known */
	char *owner;		 /* of the value in this row */
	bool differs;		 /* from the authoritative copy */
} FoundRow;

/* One copy of the field. */
typedef struct FieldPlace
{
	Holder holder;
	char *label;
	char *source;
	bool authoritative;
	List *keys;			/* KeyColumn: the entity's key fields here */
	List *own_keys;		/* KeyColumn: what tells a row in evidence */
	char *condition;	/* SQL on "t"; NULL: not found by the key */
	bool given;			/* it is made of what the caller gave */
	char *evidence_key; /* SQL for it, where there is no row */
	char *problem;		/* why it was not looked at */
	List *rows;			/* FoundRow */
	List *systems;		/* that evidence tells of */
} FieldPlace;

typedef struct Why
{
	ReturnSetInfo *rsinfo;
	char *entity;
	char *field;
	char *owner;
	List *places; /* the authoritative one first */
	List *given;  /* KeyValue */
	List *told;	  /* Told */
	/* for the answer */
	int refused; /* writes of which nothing was decided */
	int resolved;
	char *refused_by;
	char *refused_outcome;
	bool evidence_seen;
	char *feeds; /* what is wrong with them */
} Why;

/* One row of what is told. */
typedef struct Told
{
	TimestampTz at; /* 0: NULL */
	char *texts[5];
} Told;

static Told *
make_told(TimestampTz at, const char *place, const char *event, const char *system,
		  const char *value, const char *detail)
{
	const char *texts[5] = {place, event, system, value, detail};
	Told *told = palloc0(sizeof(Told));

	told->at = at;
	for (int i = 0; i < 5; i++)
		told->texts[i] = texts[i] == NULL ? NULL : pstrdup(texts[i]);
	return told;
}

static void
tell(Why *why, TimestampTz at, const char *place, const char *event, const char *system,
	 const char *value, const char *detail)
{
	why->told = lappend(why->told, make_told(at, place, event, system, value, detail));
}

static void
why_return(const Why *why)
{
	ListCell *lc;

	foreach(lc, why->told)
	{
		const Told *told = lfirst(lc);
		Datum values[6];
		bool nulls[6];

		values[0] = TimestampTzGetDatum(told->at);
		nulls[0] = told->at == 0;
		for (int i = 0; i < 5; i++)
			call_put_text(values, nulls, i + 1, told->texts[i]);
		tuplestore_putvalues(why->rsinfo->setResult, why->rsinfo->setDesc, values, nulls);
	}
}

/* A timestamptz of the last result; 0: NULL. */
static TimestampTz
sql_result_time(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/* what is asked for */

/* The names and values of row_key. */
static List *
key_read(Jsonb *key)
{
	JsonbIterator *it;
	JsonbValue v;
	JsonbIteratorToken token;
	List *list = NIL;
	KeyValue *current = NULL;

	if (!JB_ROOT_IS_OBJECT(key) || JB_ROOT_COUNT(key) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("row_key must be a JSON object with the key's names and values"),
				 errhint("For example: ownership.why('product.price', '{\"sku\": \"A1\"}').")));
	it = JsonbIteratorInit(&key->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			current = palloc0(sizeof(KeyValue));
			current->name = pnstrdup(v.val.string.val, v.val.string.len);
			list = lappend(list, current);
		}
		if (token != WJB_VALUE)
			continue;
		switch (v.type)
		{
			case jbvString:
				current->value = pnstrdup(v.val.string.val, v.val.string.len);
				break;
			case jbvNumeric:
				current->value = DatumGetCString(
					DirectFunctionCall1(numeric_out, NumericGetDatum(v.val.numeric)));
				break;
			case jbvBool:
				current->value = pstrdup(v.val.boolean ? "true" : "false");
				break;
			case jbvBinary:
				current->value = JsonbToCString(NULL, v.val.binary.data, v.val.binary.len);
				break;
			default:
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("the key \"%s\" of row_key must not be null", current->name)));
		}
	}
	return list;
}

/*
 * Which field is meant: entity.name, or a column that holds one, whose table
 * then is *named.
 */
static void
find_field(Why *why, const char *text, Holder *named)
{
	const char *dot = strrchr(text, '.');
	const char *keys[3];
	CatalogScan *scan;
	bool found;

	memset(named, 0, sizeof(Holder));
	names_split_field(text, &why->entity, &why->field);
	if (lookup_field_exists(why->entity, why->field))
		return;
	if (dot != NULL)
		names_split_column(text, &named->schema, &named->table, &named->column);
	keys[0] = named->schema;
	keys[1] = named->table;
	keys[2] = named->column;
	scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 3, keys, NULL);
	found = catalog_next(scan);
	if (!found)
		require_undefined(psprintf("\"%s\" is neither a field nor a column on the ownership map",
								   text),
						  require_near_field(why->entity, why->field), "field",
						  "ownership.map lists the columns with their fields.");
	why->entity = catalog_text(scan, Anum_mirrored_column_entity);
	why->field = catalog_text(scan, Anum_mirrored_column_field);
	catalog_end(scan);
}

/* The columns by which evidence tells the table's rows. */
static List *
key_of_evidence(const Holder *h)
{
	Relation rel = relation_open(h->relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	List *list = NIL;

	for (int i = 0; i < map->nkey_attrs; i++)
	{
		KeyColumn *k = palloc0(sizeof(KeyColumn));

		k->holder.schema = h->schema;
		k->holder.table = h->table;
		k->holder.column =
			pstrdup(NameStr(TupleDescAttr(RelationGetDescr(rel), map->key_attrs[i] - 1)->attname));
		holder_find(&k->holder);
		list = lappend(list, k);
	}
	relation_close(rel, NoLock);
	return list;
}

static char *
lookup_table_source(const char *schema, const char *table)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 2, keys, NULL);
	char *source = catalog_next(scan) ? catalog_text(scan, Anum_mirrored_table_source) : NULL;

	catalog_end(scan);
	return source;
}

static void
why_load_places(Why *why)
{
	Parameters p = {0};
	uint64 n;
	ListCell *lc;

	sql_add_text(&p, why->entity);
	sql_add_text(&p, why->field);
	n = sql_run("SELECT m.table_schema, m.table_name, m.column_name, f.owner, "
				"coalesce(l.authoritative_schema IS NOT NULL, count(*) OVER () = 1) AS best "
				"FROM ownership.mirrored_column m "
				"JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field "
				"LEFT JOIN (SELECT DISTINCT authoritative_schema, authoritative_table, authoritative_column "
				"FROM ownership.linked_copy WHERE entity = $1 AND field = $2) l "
				"ON (l.authoritative_schema, l.authoritative_table, l.authoritative_column) "
				"= (m.table_schema, m.table_name, m.column_name) "
				"WHERE m.entity = $1 AND m.field = $2 "
				"ORDER BY l.authoritative_schema IS NULL, m.table_schema COLLATE \"C\", "
				"m.table_name COLLATE \"C\", m.column_name COLLATE \"C\"",
				&p);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no column holds field \"%s.%s\"", why->entity, why->field),
				 errhint("Put its columns on the map with ownership.link() or ownership.assign().")));
	for (uint64 i = 0; i < n; i++)
	{
		FieldPlace *place = palloc0(sizeof(FieldPlace));

		place->holder.schema = sql_result_text(i, 1);
		place->holder.table = sql_result_text(i, 2);
		place->holder.column = sql_result_text(i, 3);
		why->owner = sql_result_text(i, 4);
		place->authoritative = n == 1 || (i == 0 && sql_result_bool(i, 5));
		why->places = lappend(why->places, place);
	}
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		Holder *h = &place->holder;

		place->label = holder_label(h);
		place->source = lookup_table_source(h->schema, h->table);
		holder_find(h);
		if (h->attnum == InvalidAttrNumber)
		{
			place->problem = OidIsValid(h->relid) ? "The column is not in the database."
												  : "The table is not in the database.";
			continue;
		}
		place->keys = holder_table_keys(why->entity, h->schema, h->table);
		place->own_keys = key_of_evidence(h);
	}
}

/* looking it up */

/* A name means a column only in the table that the caller has in mind. */
typedef enum Names
{
	NAMES_FIELDS,
	NAMES_COLUMNS /* first; else fields */
} Names;

/* The column that a name of row_key means in this place, or NULL. */
static const KeyColumn *
key_by_name(const FieldPlace *place, const char *name, Names names)
{
	KeyColumn *k;

	if (names == NAMES_FIELDS)
		return holder_find_key(place->keys, name);
	k = palloc0(sizeof(KeyColumn));
	k->holder.schema = place->holder.schema;
	k->holder.table = place->holder.table;
	k->holder.column = pstrdup(name);
	holder_find(&k->holder);
	return k->holder.attnum > 0 ? k : holder_find_key(place->keys, name);
}

/* The value as a literal of the column's type. */
static char *
sql_literal(const KeyColumn *k, const char *value)
{
	return psprintf("%s::%s", quote_literal_cstr(value),
					format_type_be_qualified(getBaseType(k->holder.type)));
}

static char *
sql_key_condition(const KeyColumn *k, const char *value)
{
	char *column = sql_column("t", k->holder.column);
	Oid equal = lookup_type_cache(getBaseType(k->holder.type), TYPECACHE_EQ_OPR)->eq_opr;

	if (!OidIsValid(equal))
		return psprintf("%s OPERATOR(pg_catalog.=) %s", sql_text(column), quote_literal_cstr(value));
	return psprintf("%s %s %s", column, sql_operator(equal), sql_literal(k, value));
}

/* In evidence only integers themselves are numbers. */
static char *
key_sql_evidence(List *keys, const char *alias, List *columns, List *literals)
{
	StringInfoData sql;
	ListCell *lc;

	if (keys == NIL)
		return NULL;
	initStringInfo(&sql);
	foreach(lc, keys)
	{
		const KeyColumn *k = lfirst(lc);
		bool number =
			k->holder.type == INT2OID || k->holder.type == INT4OID || k->holder.type == INT8OID;
		char *value = sql_column(alias, k->holder.column);

		if (alias == NULL || alias[0] == '\0')
		{
			ListCell *c;
			ListCell *l;

			value = NULL;
			forboth(c, columns, l, literals)
			{
				if (strcmp(lfirst(c), k->holder.column) == 0)
					value = lfirst(l);
			}
			if (value == NULL)
				return NULL;
		}
		appendStringInfo(&sql, "%s%s, %s", sql.len == 0 ? "" : ", ",
						 quote_literal_cstr(k->holder.column),
						 psprintf("pg_catalog.to_jsonb(%s)", number ? value : sql_text(value)));
	}
	return psprintf("pg_catalog.jsonb_build_object(%s)", sql.data);
}

static bool
has_column(List *columns, const KeyColumn *k)
{
	ListCell *lc;

	foreach(lc, columns)
		if (strcmp(lfirst(lc), k->holder.column) == 0)
			return true;
	return false;
}

/* Are all the keys' columns among these? */
static bool
covers(List *columns, List *keys)
{
	ListCell *lc;

	foreach(lc, keys)
		if (!has_column(columns, lfirst(lc)))
			return false;
	return keys != NIL;
}

typedef enum KeyFit
{
	KEY_FITS,
	KEY_UNKNOWN_NAME,
	KEY_INCOMPLETE
} KeyFit;

/* Makes the condition by which values find the row in a place, if they do. */
static KeyFit
key_fit(const Why *why, FieldPlace *place, List *values, Names names)
{
	StringInfoData condition;
	List *columns = NIL;
	List *attnums = NIL;
	List *literals = NIL;
	ListCell *lc;

	initStringInfo(&condition);
	foreach(lc, values)
	{
		const KeyValue *v = lfirst(lc);
		const KeyColumn *k = key_by_name(place, v->name, names);

		if (k == NULL)
			return KEY_UNKNOWN_NAME;
		columns = lappend(columns, k->holder.column);
		attnums = lappend_int(attnums, k->holder.attnum);
		literals = lappend(literals, sql_literal(k, v->value));
		appendStringInfo(&condition, "%s%s", condition.len == 0 ? "" : " AND ",
						 sql_key_condition(k, v->value));
	}
	if (!covers(columns, place->keys) && !covers(columns, place->own_keys) &&
		!holder_tells_row(place->holder.relid, attnums))
		return KEY_INCOMPLETE;
	place->condition = condition.data;
	place->given = values == why->given;
	place->evidence_key = key_sql_evidence(place->own_keys, "", columns, literals);
	return KEY_FITS;
}

/* "sku", "market": the names by which a place tells rows. */
static char *
key_names(const FieldPlace *place)
{
	StringInfoData names;
	ListCell *lc;

	initStringInfo(&names);
	foreach(lc, place->keys)
		appendStringInfo(&names, "%s\"%s\"", names.len == 0 ? "" : ", ",
						 ((KeyColumn *) lfirst(lc))->field);
	if (names.len == 0)
	{
		foreach(lc, place->own_keys)
			appendStringInfo(&names, "%s\"%s\"", names.len == 0 ? "" : ", ",
							 ((KeyColumn *) lfirst(lc))->holder.column);
	}
	return names.len == 0 ? "no key is known" : names.data;
}

/* Errors: always; what row_key should have been. */
static void
key_report_wrong(Why *why, const FieldPlace *place, Names names)
{
	char *table = names_relation_label(place->holder.schema, place->holder.table);
	ListCell *lc;

	foreach(lc, why->given)
	{
		const char *name = ((KeyValue *) lfirst(lc))->name;

		if (key_by_name(place, name, names) != NULL)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("\"%s\" of row_key is neither a key field of \"%s\" nor a column of %s",
						name, why->entity, table),
				 errhint("Rows of %s are told by: %s.", table, key_names(place))));
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("row_key does not tell one row of %s", table),
					errhint("Rows of %s are told by: %s.", table, key_names(place))));
}

/*
 * Read the rows of a place; the values of its key fields there become *bridge,
 * if that is NIL yet.
 */
static void
read_rows(Why *why, FieldPlace *place, const FieldPlace *best, List **bridge)
{
	const Holder *h = &place->holder;
	bool foreign = holder_any_foreign(h->relid);
	char *column = sql_column("t", h->column);
	char *evidence_key = key_sql_evidence(place->own_keys, "t", NIL, NIL);
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s, %s, ", sql_text(column),
					 evidence_key == NULL ? "NULL" : evidence_key);
	if (best == NULL || best == place || best->rows == NIL)
		appendStringInfoString(&sql, "false, ");
	else
		appendStringInfo(&sql,
						 "ownership.copy_differs((SELECT %s FROM %s t WHERE %s LIMIT 1), %s), ",
						 sql_column("t", best->holder.column),
						 quote_qualified_identifier(best->holder.schema, best->holder.table),
						 best->condition, column);
	appendStringInfoString(&sql, track_commit_timestamp && !foreign
									 ? "pg_catalog.pg_xact_commit_timestamp(t.xmin), "
									 : "NULL::timestamptz, ");
	appendStringInfoString(&sql, foreign ? "NULL, NULL" : "t.ctid, t.tableoid");
	foreach(lc, place->keys)
	{
		const KeyColumn *k = lfirst(lc);
		char *key = sql_column("t", k->holder.column);

		/* without the blanks that char(n) adds */
		appendStringInfo(&sql, ", %s",
						 getBaseType(k->holder.type) == BPCHAROID
							 ? psprintf("%s::pg_catalog.text", key)
							 : sql_text(key));
	}
	appendStringInfo(&sql, " FROM %s t WHERE %s LIMIT %d",
					 quote_qualified_identifier(h->schema, h->table), place->condition, MAX_ROWS);
	if (SPI_execute(sql.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read: %s", sql.data);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		FoundRow *row = palloc0(sizeof(FoundRow));
		bool isnull;
		Datum tid = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 5, &isnull);

		row->value = sql_result_text(i, 1);
		row->evidence_key = sql_result_text(i, 2);
		row->differs = sql_result_bool(i, 3);
		row->written = sql_result_time(i, 4);
		if (!isnull)
			row->owner =
				map_owner_at(DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
															SPI_tuptable->tupdesc, 6, &isnull)),
							 (ItemPointer) DatumGetPointer(tid), h->column);
		else
			row->owner = why->owner;
		place->rows = lappend(place->rows, row);
		if (*bridge == NIL && place->keys != NIL)
		{
			int number = 7;

			foreach(lc, place->keys)
			{
				KeyValue *v = palloc0(sizeof(KeyValue));

				v->name = ((KeyColumn *) lfirst(lc))->field;
				v->value = sql_result_text(i, number++);
				if (v->value != NULL)
					*bridge = lappend(*bridge, v);
			}
		}
	}
}

typedef struct LookUp
{
	Why *why;
	FieldPlace *place;
	const FieldPlace *best;
	List **bridge;
} LookUp;

static bool
run_look_up(void *arg)
{
	LookUp *l = arg;

	read_rows(l->why, l->place, l->best, l->bridge);
	return true;
}

/*
 * The same in a subtransaction: what the caller may not read, or what else
 * goes wrong, is the place's problem.
 *
 * Errors: a value of row_key that is none of the key's type.
 */
static void
look_up(Why *why, FieldPlace *place, const FieldPlace *best, List **bridge)
{
	LookUp l = {why, place, best, bridge};
	ErrorData *error = subxact_trial(run_look_up, &l);

	if (error == NULL)
		return;
	place->rows = NIL;
	place->problem = psprintf("It could not be read: %s.", error->message);
	if (place->given && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
		ereport(ERROR, (errcode(error->sqlerrcode),
						errmsg("row_key does not fit the key of %s: %s",
							   names_relation_label(place->holder.schema, place->holder.table),
							   error->message)));
	FreeErrorData(error);
}

/* The part of the bridge that a place has keys for. */
static List *
bridge_for(const FieldPlace *place, List *bridge)
{
	List *list = NIL;
	ListCell *lc;

	foreach(lc, bridge)
	{
		if (holder_find_key(place->keys, ((KeyValue *) lfirst(lc))->name) != NULL)
			list = lappend(list, lfirst(lc));
	}
	return list;
}

/*
 * The place whose row the caller has in mind: the one he named; else the first
 * whose key fields he gave; else the only one whose columns he gave.  NULL:
 * nothing is in the database.
 */
static FieldPlace *
find_start(Why *why, const Holder *named)
{
	FieldPlace *first = NULL;
	FieldPlace *start = NULL;
	ListCell *lc;

	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		const Holder *h = &place->holder;

		if (place->problem != NULL)
			continue;
		if (first == NULL)
			first = place;
		if (named->schema == NULL)
		{
			if (key_fit(why, place, why->given, NAMES_FIELDS) == KEY_FITS && start == NULL)
				start = place;
		}
		else if (strcmp(h->schema, named->schema) == 0 && strcmp(h->table, named->table) == 0 &&
				 strcmp(h->column, named->column) == 0)
		{
			if (key_fit(why, place, why->given, NAMES_COLUMNS) != KEY_FITS)
				key_report_wrong(why, place, NAMES_COLUMNS);
			return place;
		}
	}
	if (start != NULL || first == NULL)
		return start;
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);

		if (place->problem != NULL || key_fit(why, place, why->given, NAMES_COLUMNS) != KEY_FITS)
			continue;
		if (start != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("row_key may mean rows of %s and of %s",
							names_relation_label(start->holder.schema, start->holder.table),
							names_relation_label(place->holder.schema, place->holder.table)),
					 errhint("Name one column, as in ownership.why(%s, ...), or give the key fields.",
							 quote_literal_cstr(start->label))));
		start = place;
	}
	if (start == NULL)
		key_report_wrong(why, first, NAMES_COLUMNS);
	return start;
}

/* Finds the row in every place that it can be found in. */
static void
why_look_everywhere(Why *why, const Holder *named)
{
	FieldPlace *start = find_start(why, named);
	FieldPlace *best = NULL;
	List *bridge = NIL;
	ListCell *lc;

	if (start == NULL)
		return;
	/* the key fields' values, from where the row is found first */
	look_up(why, start, NULL, &bridge);
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);

		if (bridge == NIL && place != start && place->condition != NULL)
			look_up(why, place, NULL, &bridge);
	}
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		List *values = bridge_for(place, bridge);

		if (place->problem != NULL)
			continue;
		if (place->condition == NULL &&
			(values == NIL || key_fit(why, place, values, NAMES_FIELDS) != KEY_FITS))
		{
			place->problem =
				bridge == NIL
					? "Without the row elsewhere, that key does not tell which row it is here."
					: "It holds no key field by which the row could be found.";
			continue;
		}
		/* again, to compare with the authoritative one, which comes first */
		place->rows = NIL;
		look_up(why, place, best, &bridge);
		if (place->authoritative)
			best = place;
	}
}

/* what is told */

static void
why_report_values(Why *why)
{
	const FieldPlace *best = linitial(why->places);
	ListCell *lc;

	if (!best->authoritative || best->rows == NIL)
		best = NULL;
	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		char *what = place->authoritative && list_length(why->places) > 1 ? "The authoritative copy"
					 : place->source != NULL ? psprintf("The private copy of \"%s\"", place->source)
											 : "A shared table";
		ListCell *l;

		if (place->problem != NULL)
			tell(why, 0, place->label, "unknown", place->source, NULL, place->problem);
		else if (place->rows == NIL)
			tell(why, 0, place->label, "no row", place->source, NULL,
				 psprintf("%s, without such a row: it never arrived, or is gone.", what));
		foreach(l, place->rows)
		{
			const FoundRow *row = lfirst(l);

			tell(why, row->written, place->label, "value",
				 place->source != NULL ? place->source : row->owner, row->value,
				 psprintf("%s%s.%s", what,
						  best == NULL || place == best ? ""
						  : row->differs				? "; it differs"
														: "; it agrees",
						  row->value == NULL ? " There is no value (NULL)." : ""));
		}
	}
}

static void
tell_evidence_of(Why *why, FieldPlace *place, const char *key)
{
	Parameters p = {0};
	uint64 n;

	if (key == NULL)
		return;
	sql_add_text(&p, place->holder.schema);
	sql_add_text(&p, place->holder.table);
	sql_add_text(&p, place->holder.column);
	sql_add_text(&p, key);
	n = sql_run("SELECT recorded_at, outcome, system, "
				"CASE jsonb_typeof(proposed) WHEN 'object' THEN proposed ->> $3 END, "
				"concat_ws(', ', operation || CASE outcome WHEN 'kept' THEN ': the stored value stayed' "
				"WHEN 'discarded' THEN ' of the whole row' "
				"WHEN 'rejected' THEN ' failed with an error' "
				"WHEN 'overridden' THEN ' by a steward went through' "
				"ELSE ' went through' END, "
				"'stored: ' || CASE jsonb_typeof(stored) WHEN 'object' THEN stored ->> $3 END, "
				"'role ' || role, 'origin ' || origin, 'application ' || application_name, resolution), "
				"CASE WHEN outcome IN ('kept', 'discarded', 'rejected') THEN resolved_at IS NULL END "
				"FROM ownership.conflict "
				"WHERE jsonb_hash_extended(row_key, 0) = jsonb_hash_extended($4::jsonb, 0) "
				"AND row_key = $4::jsonb AND table_schema = $1 AND table_name = $2 "
				"AND ($3::name = ANY (columns) OR outcome = 'discarded') "
				"ORDER BY id DESC LIMIT 20",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *system = sql_result_text(i, 3);

		char *open = sql_result_text(i, 6);

		if (open != NULL && strcmp(open, "f") == 0)
			why->resolved++;
		else if (open != NULL)
		{
			if (why->refused++ == 0)
			{
				why->refused_by = system;
				why->refused_outcome = sql_result_text(i, 2);
				if (strcmp(why->refused_outcome, verdict_name(VERDICT_KEEP)) == 0)
					why->refused_outcome = "kept out";
			}
		}
		if (system != NULL && !names_all_among(list_make1(system), place->systems))
			place->systems = lappend(place->systems, system);
		tell(why, sql_result_time(i, 1), place->label, sql_result_text(i, 2), system,
			 sql_result_text(i, 4), sql_result_text(i, 5));
	}
}

/* The evidence about the row, as far as the caller may read it. */
static void
why_report_evidence(Why *why)
{
	ListCell *lc;

	why->evidence_seen =
		pg_class_aclcheck(catalog_table("conflict", false), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (!why->evidence_seen)
	{
		tell(why, 0, "ownership.conflict", "unknown", NULL, NULL,
			 "Evidence of refused values may not be read by this role.");
		return;
	}
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		ListCell *l;

		foreach(l, place->rows)
			tell_evidence_of(why, place, ((FoundRow *) lfirst(l))->evidence_key);
		if (place->rows == NIL && place->problem == NULL && place->evidence_key != NULL)
		{
			char *sql = psprintf("SELECT %s", place->evidence_key);

			if (SPI_execute(sql, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
				tell_evidence_of(why, place, sql_result_text(0, 1));
		}
	}
}

static bool
fires_guard(Relation rel)
{
	bool amends = false;
	bool judges = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *t = &rel->trigdesc->triggers[i];

		if (t->tgenabled == TRIGGER_DISABLED)
			continue;
		amends |= strcmp(t->tgname, TRIGGER_AMEND) == 0;
		judges |= strcmp(t->tgname, TRIGGER_JUDGE) == 0;
	}
	return amends && judges;
}

/* What the map says of the systems that matter, in each place. */
static void
why_report_rules(Why *why)
{
	ListCell *lc;

	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		List *systems = list_copy(place->systems);
		char *main;
		Relation rel;
		RelationMap *map;
		MappedColumn *col;
		ListCell *l;

		if (place->holder.attnum == InvalidAttrNumber)
			continue;
		main = place->source != NULL ? place->source : why->owner;
		if (main != NULL && !names_all_among(list_make1(main), systems))
			systems = lcons(main, systems);
		rel = relation_open(place->holder.relid, AccessShareLock);
		map = map_get(rel);
		col = map_column(map, place->holder.attnum);
		foreach(l, systems)
		{
			Answer a = explain_column(map, col, lfirst(l), false, false);

			tell(why, 0, place->label, "rule", lfirst(l),
				 a.allowed < 0 ? "depends on the row" : a.outcome, a.reason);
		}
		if (systems == NIL)
			tell(why, 0, place->label, "rule", NULL, "allowed",
				 explain_column(map, col, NULL, false, false).reason);
		foreach(l, place->rows)
		{
			const FoundRow *row = lfirst(l);

			if (col != NULL && col->nrules > 0)
				tell(why, 0, place->label, "rule", row->owner, "allowed",
					 row->owner == NULL
						 ? "Nobody owns the value in this row."
						 : psprintf("In this row \"%s\" owns the value.", row->owner));
		}
		if (!fires_guard(rel))
			tell(why, 0, place->label, "rule", NULL, "not guarded",
				 "Nothing enforces the map on this table.");
		relation_close(rel, NoLock);
	}
}

/* The last write of who should write each copy, as seen. */
static void
why_report_last_writes(Why *why)
{
	ListCell *lc;

	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		char *system = place->source != NULL ? place->source : why->owner;
		Parameters p = {0};
		uint64 n;

		if (system == NULL)
			continue;
		sql_add_text(&p, place->holder.schema);
		sql_add_text(&p, place->holder.table);
		sql_add_text(&p, place->holder.column);
		sql_add_text(&p, system);
		n = sql_run("SELECT last_write, format(CASE writes WHEN 1 THEN '%s write of this column in any row, in all.' "
					"ELSE '%s writes of this column in any row, in all.' END, writes) "
					"FROM ownership.activity WHERE table_schema = $1 AND table_name = $2 "
					"AND column_name = $3 AND system = $4 AND writes > 0",
					&p);
		if (n > 0)
			tell(why, sql_result_time(0, 1), place->label, "last write", system, NULL,
				 sql_result_text(0, 2));
		else
			tell(why, 0, place->label, "last write", system, NULL,
				 mailbox_exists()
					 ? "None was seen, in any row."
					 : "Not known: writes are remembered when the library is preloaded.");
	}
}

static void
why_report_feeds(Why *why)
{
	StringInfoData wrong;
	ListCell *lc;

	initStringInfo(&wrong);
	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		char *table = names_relation_label(place->holder.schema, place->holder.table);
		Parameters p = {0};
		uint64 n;

		if (!OidIsValid(place->holder.relid))
			continue;
		sql_add_text(&p, psprintf("%u", place->holder.relid));
		n = sql_run(
			"WITH RECURSIVE member AS (SELECT $1::oid AS relid UNION ALL "
			"SELECT i.inhrelid FROM pg_inherits i JOIN member m ON i.inhparent = m.relid), "
			"feed AS (SELECT s.oid, s.subname, s.subenabled, bool_and(r.srsubstate IN ('r', 's')) AS ready, "
			"min(r.srsubstate::text) FILTER (WHERE r.srsubstate NOT IN ('r', 's')) AS state "
			"FROM member m JOIN pg_subscription_rel r ON r.srrelid = m.relid "
			"JOIN pg_subscription s ON s.oid = r.srsubid GROUP BY s.oid, s.subname, s.subenabled), "
			"work AS (SELECT subid, bool_or(pid IS NOT NULL) AS runs, max(last_msg_receipt_time) AS at "
			"FROM pg_stat_subscription WHERE relid IS NULL GROUP BY subid) "
			"SELECT f.subname, i.system, w.at, "
			"CASE WHEN NOT f.subenabled THEN 'disabled' WHEN w.runs IS NOT TRUE THEN 'not running' "
			"WHEN NOT f.ready THEN 'copying' ELSE 'running' END, "
			"concat_ws(', ', CASE WHEN f.subenabled THEN 'enabled' ELSE 'disabled' END, "
			"CASE WHEN w.runs THEN 'its worker runs' ELSE 'no worker runs' END, "
			"CASE WHEN f.ready THEN 'the table is in sync' ELSE format('the initial copy is not done (state %s)', f.state) END, "
			"format('%s errors applying, %s copying', coalesce(e.apply_error_count, 0), coalesce(e.sync_error_count, 0)), "
			"CASE WHEN i.name IS NULL THEN 'it is no system''s: identify it' END) "
			"FROM feed f LEFT JOIN work w ON w.subid = f.oid "
			"LEFT JOIN pg_stat_subscription_stats e ON e.subid = f.oid "
			"LEFT JOIN ownership.identity i ON i.kind = 'subscription' AND i.name = f.subname::text "
			"ORDER BY f.subname",
			&p);
		if (n == 0 && place->source != NULL)
			tell(why, 0, place->label, "feed", place->source, "none",
				 psprintf("No subscription of this database feeds %s.", table));
		for (uint64 i = 0; i < n; i++)
		{
			char *state = sql_result_text(i, 4);

			tell(why, sql_result_time(i, 3), place->label, "feed", sql_result_text(i, 2), state,
				 psprintf("Subscription %s: %s.", quote_identifier(sql_result_text(i, 1)),
						  sql_result_text(i, 5)));
			if (strcmp(state, "running") != 0)
				appendStringInfo(&wrong, " Subscription %s, which feeds %s, is %s.",
								 quote_identifier(sql_result_text(i, 1)), table, state);
		}
	}
	why->feeds = wrong.data;
}

/* The short form of it all. */
static void
why_report_answer(Why *why)
{
	const FieldPlace *best = linitial(why->places);
	StringInfoData text;
	StringInfoData differ;
	int with_row = 0;
	int ndiffer = 0;
	ListCell *lc;

	initStringInfo(&text);
	initStringInfo(&differ);
	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		ListCell *l;
		bool differs = false;

		foreach(l, place->rows)
			differs |= ((FoundRow *) lfirst(l))->differs;
		with_row += place->rows != NIL;
		if (differs)
			appendStringInfo(&differ, "%s%s", ndiffer++ == 0 ? "" : ", ", place->label);
	}
	if (with_row == 0)
		appendStringInfoString(&text, "No copy that could be looked at has such a row.");
	else if (!best->authoritative)
		appendStringInfoString(&text, "It is undecided which copy is authoritative.");
	else if (best->problem != NULL)
		appendStringInfo(&text, "The authoritative copy %s could not be looked at.", best->label);
	else if (best->rows == NIL)
		appendStringInfo(&text, "The authoritative copy %s has no such row.", best->label);
	else if (ndiffer > 0)
		appendStringInfo(&text,
						 ngettext("%s differs from the authoritative copy %s.",
								  "%s differ from the authoritative copy %s.", ndiffer),
						 differ.data, best->label);
	else if (list_length(why->places) == 1)
		appendStringInfo(&text, "%s is its only place.", best->label);
	else if (with_row == 1)
		appendStringInfo(&text, "Only the authoritative copy %s has the row.", best->label);
	else
		appendStringInfoString(&text, with_row < list_length(why->places)
										  ? "The copies that have the row agree."
										  : "All copies agree.");
	if (!why->evidence_seen)
		appendStringInfoString(&text, " Whether a value was refused is not known.");
	else if (why->refused > 0)
		appendStringInfo(&text,
						 ngettext(" %d refused write is open; it is of %s, and was %s.",
								  " %d refused writes are open; the last is of %s, and was %s.",
								  why->refused),
						 why->refused,
						 why->refused_by == NULL ? "somebody unidentified"
												 : psprintf("\"%s\"", why->refused_by),
						 why->refused_outcome);
	else if (why->resolved > 0)
		appendStringInfoString(&text, " What was refused is resolved.");
	else if (mailbox_exists())
		appendStringInfoString(&text, " Nothing was refused: what is missing here never arrived.");
	else
		appendStringInfoString(
			&text,
			" Nothing was kept out (what was rejected is in the server log only): what is missing here never arrived.");
	appendStringInfoString(&text, why->feeds);
	why->told = lcons(make_told(0, psprintf("%s.%s", why->entity, why->field), "answer", why->owner,
								best->authoritative && best->rows != NIL
									? ((FoundRow *) linitial(best->rows))->value
									: NULL,
								text.data),
					  why->told);
}

/*
 * why(field_or_column, row_key): what happened to that value.
 *
 * Errors: no such field or column; a row_key that does not tell a row.
 */
Datum
ownership_why(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	Why why = {0};
	Holder named;

	InitMaterializedSRF(fcinfo, 0);
	why.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SPI_connect();
	find_field(&why, text_to_cstring(PG_GETARG_TEXT_PP(0)), &named);
	why.given = key_read(PG_GETARG_JSONB_P(1));
	why_load_places(&why);
	why_look_everywhere(&why, &named);
	why_report_values(&why);
	why_report_evidence(&why);
	why_report_rules(&why);
	why_report_last_writes(&why);
	why_report_feeds(&why);
	why_report_answer(&why);
	why_return(&why);
	SPI_finish();
	reads_count_again(looking);
	return (Datum) 0;
}
