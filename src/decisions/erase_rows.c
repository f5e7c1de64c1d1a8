/*
 * erase_rows.c
 *		The rows that erase() is about: the row that the caller names, under every key that
 *		it is known to have had, and the rows of other tables that match keys tie to it.
 *
 * A row belongs to an entity if its table's key is of that entity, or if the entity's
 * match fields identify its rows.  The rows of another table are tied to it if both
 * tables contain match fields of the entity, all that both contain are equal, and
 * these identify a row in one of the two tables.  From there on it goes on to tables
 * that contain other match fields: so a crosswalk is followed.  Each table is reached
 * once: what is tied to the row is never a way back to other rows of a table.
 *
 * The row may be deleted.  Then its match fields are known from its key, and from its
 * evidence.  Of a table that was reached, a row that is deleted is known if its key
 * consists of match fields.
 *
 * Tables are read with the caller's privileges, evidence as the owner of the
 * extension's tables.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../drift/drift.h"
#include "../rules/rules.h"
#include "decisions.h"

/* The search in one entity. */
typedef struct Search
{
	MatchMemo *memo;
	List *reached; /* TablePlace */
	List *open;	   /* KnownRow: rows from which other tables are looked at */
	List **rows;   /* ErasedRow: the result */
} Search;

static bool
same_place(const TablePlace *a, const char *schema, const char *table)
{
	return strcmp(a->table, table) == 0 && strcmp(a->schema, schema) == 0;
}

/*
 * Errors: row security hides rows of the table from the caller, so that some could
 * be missed; the table runs code of other roles when it is read.
 */
static void
check_readable(Oid relid)
{
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row security hides rows of table \"%s\" from role \"%s\"",
						names_message_relation_oid(relid), GetUserNameFromId(GetUserId(), false)),
				 errdetail("Evidence of rows that are not seen would not be erased."),
				 errhint("Erase as a role with BYPASSRLS.")));
	if (superuser() && trust_reading_runs_code(relid))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("reading table \"%s\" runs functions of other roles",
							   names_message_relation_oid(relid))));
}

/* SQL for the key of a row of the table t as evidence has it. */
static char *
key_sql(List *columns)
{
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "pg_catalog.jsonb_build_object(");
	foreach(lc, columns)
	{
		const RowColumn *col = lfirst(lc);

		appendStringInfo(&sql, "%s%s, %s", foreach_current_index(lc) > 0 ? ", " : "",
						 quote_literal_cstr(col->name),
						 sql_key_value(sql_column("t", col->name), col->type));
	}
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* A query with parameters of types that are known at run time. */
typedef struct RowQuery
{
	StringInfoData where;
	int n;
	Oid types[INDEX_MAX_KEYS];
	Datum values[INDEX_MAX_KEYS];
} RowQuery;

/* Adds a value as a parameter; returns its number. */
static int
add_value(RowQuery *q, Oid type, char *text)
{
	type = getBaseType(type);
	q->types[q->n] = type;
	q->values[q->n] = value_from_text(type, text);
	return ++q->n;
}

/*
 * Reads the rows of a table: the key that evidence has, and the texts of match fields.
 * Adds them to the result, and to the rows from which the search goes on.  Returns how
 * many there are.
 */
static uint64
read_rows(Search *s, const TablePlace *place, Oid relid, List *key, List *fields, RowQuery *q)
{
	StringInfoData sql;
	uint64 n;
	ListCell *lc;
	SPITupleTable *found;
	int rc;

	check_readable(relid);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s", key_sql(key));
	foreach(lc, fields)
		appendStringInfo(&sql, ", %s",
						 sql_text(sql_column("t", ((KeyColumn *) lfirst(lc))->holder.column)));
	appendStringInfo(&sql, " FROM %s AS t WHERE %s",
					 quote_qualified_identifier(place->schema, place->table), q->where.data);
	rc = SPI_execute_with_args(sql.data, q->n, q->types, q->values, NULL, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	n = SPI_processed;
	found = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		KnownRow *known = palloc0(sizeof(KnownRow));

		CHECK_FOR_INTERRUPTS();
		erase_add_row(s->rows, place->schema, place->table, sql_result_jsonb(i, 1), DT_NOBEGIN,
					  DT_NOEND);
		known->place = place;
		known->relid = relid;
		known->keys = fields;
		known->texts = palloc0((list_length(fields) + 1) * sizeof(char *));
		for (int f = 0; f < list_length(fields); f++)
			known->texts[f] = sql_result_text(i, f + 2);
		s->open = lappend(s->open, known);
	}
	SPI_freetuptable(found);
	return n;
}

/* The match fields that both a row and a table contain: the indexes in KnownRow.keys. */
static List *
common_fields(const KnownRow *known, List *keys)
{
	List *common = NIL;
	ListCell *lc;

	foreach(lc, known->keys)
	{
		if (holder_find_key(keys, ((KeyColumn *) lfirst(lc))->field) != NULL)
			common = lappend_int(common, foreach_current_index(lc));
	}
	return common;
}

/* Do the fields identify a row in one of the two tables? */
static bool
fields_identify(const KnownRow *known, List *common, Oid relid, List *keys)
{
	List *here = NIL;
	List *there = NIL;
	ListCell *lc;

	foreach(lc, common)
	{
		const KeyColumn *k = list_nth(known->keys, lfirst_int(lc));

		here = lappend_int(here, k->holder.attnum);
		there = lappend_int(there, holder_find_key(keys, k->field)->holder.attnum);
	}
	return holder_identifies_row(known->relid, here) || holder_identifies_row(relid, there);
}

/* What make_key() makes the key of a row of. */
typedef struct KeyMaking
{
	List *columns; /* RowColumn */
	List *texts;   /* char *, their values; of another table's type */
	Jsonb *key;
} KeyMaking;

static void
make_key(void *arg)
{
	KeyMaking *making = arg;

	making->key = row_key_of(making->columns, making->texts);
}

/* The key of a row whose key columns all are match fields of this value; NULL: it is not known. */
static Jsonb *
derived_key(const KnownRow *known, List *key, List *fields)
{
	KeyMaking making = {key, NIL, NULL};
	ListCell *lc;

	foreach(lc, key)
	{
		const RowColumn *col = lfirst(lc);
		char *text = NULL;
		ListCell *l;

		foreach(l, fields)
		{
			const KeyColumn *k = lfirst(l);

			for (int i = 0; i < list_length(known->keys); i++)
			{
				if (strcmp(k->holder.column, col->name) == 0 &&
					strcmp(((KeyColumn *) list_nth(known->keys, i))->field, k->field) == 0)
					text = known->texts[i];
			}
		}
		if (text == NULL)
			return NULL;
		making.texts = lappend(making.texts, text);
	}
	if (key == NIL)
		return NULL;
	/* a value that the key's type does not have is no key */
	return subxact_try(make_key, &making) == NULL ? making.key : NULL;
}

/*
 * Looks for rows of a table that are tied to a row that is known.  False: the table is not
 * reached.  *told: the caller was told that it is not known which rows belong together.
 */
static bool
reach(Search *s, const TablePlace *place, const KnownRow *known, bool *told)
{
	List *keys = match_keys(s->memo, place->schema, place->table);
	List *common = keys == NIL ? NIL : common_fields(known, keys);
	RowQuery q = {0};
	Oid relid;
	Oid home;
	List *key;
	Jsonb *derived;
	ErasedRow *row = NULL;
	ListCell *lc;

	if (common == NIL)
		return false;
	foreach(lc, common)
		if (known->texts[lfirst_int(lc)] == NULL)
			return false;
	relid = ((KeyColumn *) linitial(keys))->holder.relid;
	if (!fields_identify(known, common, relid, keys))
	{
		if (!*told)
			ereport(NOTICE,
					(errmsg("evidence of rows of table \"%s\" is left as it is",
							names_message_relation(place->schema, place->table)),
					 errdetail("It has match keys of \"%s\" in common with table \"%s\", but no unique index of them in either says which rows belong together.",
							   s->memo->entity,
							   names_message_relation(known->place->schema, known->place->table)),
					 errhint("Give erase() a value, to erase all evidence that contains it.")));
		*told = true;
		return true;
	}
	initStringInfo(&q.where);
	foreach(lc, common)
	{
		const KeyColumn *a = list_nth(known->keys, lfirst_int(lc));
		const KeyColumn *b = holder_find_key(keys, a->field);
		int n = add_value(&q, a->holder.type, known->texts[lfirst_int(lc)]);

		appendStringInfo(&q.where, "%s%s", n > 1 ? " AND " : "",
						 sql_key_match(psprintf("$%d", n), a->holder.type, a->holder.collation,
									   sql_column("t", b->holder.column), b->holder.type,
									   b->holder.collation)
							 .sql);
	}
	key = erase_key_columns(relid, &home);
	if (key == NIL)
		return true; /* evidence of a table without a key names no rows */
	derived = derived_key(known, key, keys);
	if (derived != NULL)
		row = erase_add_row(s->rows, place->schema, place->table, derived, DT_NOBEGIN, DT_NOEND);
	if (read_rows(s, place, relid, key, keys, &q) == 0 && row != NULL)
	{
		/* the row is deleted, and is the way to others all the same */
		KnownRow *gone = erase_known_row(place, relid, keys, list_make1(row));

		foreach(lc, common)
		{
			const KeyColumn *a = list_nth(known->keys, lfirst_int(lc));

			for (int i = 0; i < list_length(keys); i++)
				if (strcmp(((KeyColumn *) list_nth(keys, i))->field, a->field) == 0)
					gone->texts[i] = known->texts[lfirst_int(lc)];
		}
		s->open = lappend(s->open, gone);
	}
	return true;
}

/* Is the same known of both rows, which are of one entity? */
static bool
knows_same(const KnownRow *a, const KnownRow *b)
{
	if (a == NULL || a->place != b->place)
		return false;
	for (int i = 0; i < list_length(a->keys); i++)
	{
		if (a->texts[i] == NULL || b->texts[i] == NULL ? a->texts[i] != b->texts[i]
													   : strcmp(a->texts[i], b->texts[i]) != 0)
			return false;
	}
	return true;
}

/* Goes from the rows that are known to those of the entity's other tables. */
static void
search(Search *s)
{
	List *places = place_tables_with(s->memo->entity, s->memo->fields);

	while (s->open != NIL)
	{
		List *from = s->open;
		List *reached = NIL;
		ListCell *lc;

		s->open = NIL;
		foreach(lc, places)
		{
			const TablePlace *place = lfirst(lc);
			const KnownRow *before = NULL;
			bool known = false;
			bool found = false;
			bool told = false;
			ListCell *l;

			foreach(l, s->reached)
				known |= same_place(lfirst(l), place->schema, place->table);
			foreach(l, from)
			{
				/* many rows of one table mostly say the same */
				if (!known && !knows_same(before, lfirst(l)))
					found |= reach(s, place, lfirst(l), &told);
				before = lfirst(l);
			}
			if (found)
				reached = lappend(reached, unconstify(TablePlace *, place));
		}
		s->reached = list_concat(s->reached, reached);
	}
}

/* The names (char *) of the entities of which the table contains a column. */
static List *
entities_of(const TablePlace *place)
{
	const char *keys[2] = {place->schema, place->table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, NULL);
	List *entities = NIL;

	while (catalog_next(scan))
	{
		char *entity = catalog_text(scan, Anum_mirrored_column_entity);

		if (!names_contain(entities, entity))
			entities = lappend(entities, entity);
	}
	catalog_end(scan);
	return entities;
}

/* Are the rows of the table records of the entity? */
static bool
is_record_of(const TablePlace *place, Oid relid, const char *entity, List *fields, List *key)
{
	List *attnums = NIL;
	bool own = true;
	ListCell *lc;

	foreach(lc, key)
	{
		char *of;
		char *field;

		own = own &&
			  lookup_mapped_field(place->schema, place->table, ((RowColumn *) lfirst(lc))->name,
								  &of, &field) &&
			  strcmp(of, entity) == 0;
	}
	foreach(lc, fields)
		attnums = lappend_int(attnums, ((KeyColumn *) lfirst(lc))->holder.attnum);
	return fields != NIL && (own || holder_identifies_row(relid, attnums));
}

/*
 * The rows (ErasedRow) that are to be erased: the row of a table on the map with this
 * key, which row_canonical_key() has made, and those that are tied to it.  Needs SPI.
 *
 * Errors: the caller may not read a table, or row security hides rows of it.
 */
List *
erase_find_rows(Oid relid, const TablePlace *place, Jsonb *key)
{
	List *rows = NIL;
	Oid home;
	List *columns = erase_key_columns(relid, &home);
	RowQuery q = {0};
	Search s = {.rows = &rows};
	bool is_stored;
	ListCell *lc;

	erase_add_row(&rows, place->schema, place->table, key, DT_NOBEGIN, DT_NOEND);
	erase_add_equal_keys(place, columns, key, &rows);
	initStringInfo(&q.where);
	foreach(lc, columns)
	{
		const RowColumn *col = lfirst(lc);
		Oid collation = get_typcollation(col->type);
		int n = add_value(&q, col->type, erase_text_in(key, col->name));

		appendStringInfo(&q.where, "%s%s", n > 1 ? " AND " : "",
						 sql_key_match(psprintf("$%d", n), col->type, collation,
									   sql_column("t", col->name), col->type, collation)
							 .sql);
	}
	/* the key as the stored row has it */
	is_stored = read_rows(&s, place, home, columns, NIL, &q) > 0;
	s.open = NIL;
	erase_add_former_keys(place, is_stored, &rows);
	foreach(lc, entities_of(place))
	{
		List *fields;

		s.memo = match_memo(NULL, lfirst(lc));
		s.reached = list_make1(unconstify(TablePlace *, place));
		s.open = NIL;
		fields = match_keys(s.memo, place->schema, place->table);
		if (!is_record_of(place, home, lfirst(lc), fields, columns))
			continue;
		if (is_stored)
		{
			List *none = NIL;
			List **all = s.rows;

			s.rows = &none;
			(void) read_rows(&s, place, home, columns, fields, &q);
			s.rows = all;
		}
		else
		{
			List *own = NIL;
			ListCell *l;

			foreach(l, rows)
				if (same_place(place, ((ErasedRow *) lfirst(l))->schema,
							   ((ErasedRow *) lfirst(l))->table))
					own = lappend(own, lfirst(l));
			s.open = list_make1(erase_known_row(place, home, fields, own));
		}
		search(&s);
	}
	return rows;
}
